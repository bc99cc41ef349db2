# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Video files, read by PyAV, or on request by decord: count and times first, then only the frames asked for."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from transformers.utils import is_av_available

from .container_checks_allinone import check_duration, check_tail
from .frame_conversion_allinone import display_matrix, has_alpha
from .frame_table_allinone import PACKET, FrameTable
from .mp4_index_allinone import read_index
from .picture_references_allinone import h264_parts
from .video_clip_allinone import ACCEPTED, Clip, of_one_size
from .video_seeking_allinone import MOST_PIXELS, SeekingReader, has_flag
from .video_sources_allinone import as_file, opened_source

# Optional to transformers, which copies this file from the Hub.
if is_av_available():
    import av

# Containers, as ffmpeg calls them, in which decord finds the frames asked for. In others, such as WMV, it returns
# pictures that belong to other times than it says.
DECORD_FORMATS = {"mov", "matroska", "avi"}
# How MP4 and Matroska begin, and decoders of which their headers say all that reading needs to know beforehand.
_TELLING_HEADS, _TOLD_DECODERS = (b"ftyp", b"\x1a\x45\xdf\xa3"), {"h264", "vp9", "libdav1d"}

# So many packets at the beginning of a file are compared with what its header says of them.
_COMPARED = 64


class _NotToldError(Exception):
    """The headers of a file do not say enough, so that its first pictures have to be looked at."""


class VideoFile(Clip):
    """
    A video container. Counts, times and key pictures come from its packets, which costs no decoding.

    Args:
        source (`Path` or `bytes`): The file, or what is in it.
        name (`str`): What messages call it.
        backend (`str`, defaults to `"auto"`): What decodes it: `"auto"`, `"pyav"` or `"decord"`.
        on_corrupt_frame (`str`, defaults to `"raise"`): What to do about a frame that is damaged: `"raise"`, or
            `"nearest"`, which takes the nearest whole frame of its segment instead.

    Attributes:
        clock_start (`float`): What the clock of the container, which its sound goes by, too, says at time 0. Seconds.
        has_clock_times (`bool`): Whether times follow that clock, and not the order of the frames, as in files that
            were joined.

    Raises:
        `ValueError`: A file that is damaged, cut short or no video.
    """

    has_times = True

    def __init__(self, source: Path | bytes, name: str, backend: str = "auto", on_corrupt_frame: str = "raise"):
        self.name, self._source, self._on_corrupt_frame = name, source, on_corrupt_frame
        self.backend = "decord" if backend == "decord" else "pyav"
        try:
            self._scan_packets()
        # PyAV raises an IndexError where a stream appears in the midst of a file.
        except (av.error.FFmpegError, MemoryError, IndexError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "it asks for more memory than there is"
            raise ValueError(
                f"{self.name} cannot be read as a video ({reason}): it is damaged, cut short or something "
                f"else; expected {ACCEPTED}. Check that it plays, or fetch it again."
            ) from error

    @property
    def duration(self) -> float:
        return self._duration

    def read(self, indices: np.ndarray, segments: np.ndarray | None = None) -> Sequence[np.ndarray]:
        self.replaced: dict[int, int] = {}
        if self.backend == "pyav":
            return self._read_with_pyav(indices, segments)
        try:
            return self._read_with_decord(indices)
        except Exception as error:  # decord raises its own types, RuntimeError and others for one and the same
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"{self.name}: decord cannot read this file ({reason}); use video_backend='auto' or 'pyav'."
            ) from error

    def _opened(self, is_probed: bool = True):
        # Where no decoder is allowed, none decodes the first pictures when the file is opened.
        options = {} if is_probed else {"codec_whitelist": "none"}
        # Titles in an unknown encoding are no reason to refuse a file.
        return av.open(as_file(self._source), metadata_errors="ignore", container_options=options)

    def _scan_packets(self) -> None:
        """Scan the file as it was opened without looking at pictures, where that is enough."""
        with opened_source(self._source) as file:
            is_telling = file.read(8).endswith(_TELLING_HEADS[0]) or file.seek(0) or file.read(4) == _TELLING_HEADS[1]
        try:
            if is_telling:
                return self._scan(self._opened(is_probed=False), is_probed=False)
        except (_NotToldError, av.error.FFmpegError):
            pass
        self._scan(self._opened(), is_probed=True)

    def _scan(self, container, is_probed: bool) -> None:
        """Read the packets, which tell how many frames there are and when, and check that the file is whole."""
        # ffmpeg shows plain text as a film of a terminal.
        if container.format.name == "tty":
            raise ValueError(f"{self.name} is a text file; expected {ACCEPTED}.")
        stream = self._choose_stream(container)
        self.stream_index = stream.index
        codec, formats = stream.codec_context, set(container.format.name.split(","))
        # Of H.264, Matroska does not say when the first picture is shown, nor any header that none is reordered.
        is_told = codec.name in _TOLD_DECODERS and (codec.name != "h264" or (codec.has_b_frames and "mov" in formats))
        if not (is_probed or is_told):
            raise _NotToldError
        check_tail(self._source, formats, self.name)
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        packets, starts_afresh = self._read_packets(container, stream, is_probed)
        # AVI and raw streams have no presentation times; ffmpeg makes up wrong ones for pictures that are reordered.
        is_timed = "avi" not in formats and not has_flag(container, "no_timestamps")
        self._table = FrameTable(packets, bool(codec.has_b_frames), is_timed)
        durations = packets["duration"][self._table.numbers[-1:]]
        if not is_probed and (self._table.is_counted or not durations.any()):
            raise _NotToldError  # times that go by the rate, which is estimated
        self._reader = SeekingReader(container, stream, partial(self._opened, is_probed), self._table, starts_afresh)
        self.total_frames = len(self._table.numbers)
        if not self.total_frames:
            raise ValueError(f"{self.name} has a video stream but no frames in it; fetch or export it again.")
        second = float(1 / stream.time_base)
        times = self._table.times(self._reader.beginning, ticks=second / rate) / second
        zero = min(times[0], container.start_time / 1e6) if container.start_time is not None else times[0]
        self.times = np.round(times - zero, 6)
        self.clock_start, self.has_clock_times = float(zero), not self._table.is_counted
        self._duration = float(self.times[-1] + (durations[0] / second or 1 / rate))
        # The last frame may stay as long as any other; headers count from 0, whenever the first one appears.
        end = float(zero + self._duration + np.diff(self.times).max(initial=0))
        check_duration(container, self._opened, end, self.name)

    def _read_packets(self, container, stream, is_probed: bool) -> tuple[np.ndarray, bool]:
        """All packets, and whether the first key picture is one at which a decoder can start afresh."""
        stream.codec_context.thread_count = 1
        index = read_index(self._source, stream) if "mov" in container.format.name else None
        if index is None:
            return _demux(container, stream)
        # The header is believed if it says what the packets do at the beginning and at the end.
        beginning, starts_afresh = _demux(container, stream, _COMPARED)
        container.seek(int(index["dts"][index["is_keyframe"]][-1]), stream=stream)
        end, _ = _demux(container, stream)
        if len(end) and np.array_equal(beginning, index[:_COMPARED]) and np.array_equal(end, index[-len(end) :]):
            return index, starts_afresh
        with self._opened(is_probed) as again:
            return _demux(again, again.streams[stream.index])

    def _choose_stream(self, container):
        """The stream that players show: the default one, else the first. Music files carry their cover as another."""
        disposition = av.stream.Disposition
        streams = [stream for stream in container.streams.video if not stream.disposition & disposition.attached_pic]
        if not streams:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            raise ValueError(f"{self.name} has no video stream, only {kinds}; expected {ACCEPTED}.")
        stream = next((stream for stream in streams if stream.disposition & disposition.default), streams[0])
        codec = stream.codec_context
        if codec is None:
            raise ValueError(
                f"{self.name} is coded in a way that PyAV's libraries do not know; convert it to H.264 with a program "
                "that plays it."
            )
        if codec.width * codec.height > MOST_PIXELS:
            raise ValueError(
                f"{self.name} claims pictures of {codec.width} x {codec.height} pixels, more than {MOST_PIXELS}: its "
                "header is damaged, or it has to be made smaller first."
            )
        return stream

    def _read_with_decord(self, indices: np.ndarray) -> Sequence[np.ndarray]:
        try:
            import decord
        except (ImportError, OSError) as error:  # the latter where its library does not load
            raise ImportError("decord is not installed") from error
        with self._opened() as container:
            if obstacle := _decord_obstacle(container, self._table):
                raise ValueError(obstacle)
        _, damage = self._reader.read(indices.tolist())
        if damage:
            raise ValueError(f"frame {min(damage)} is damaged, {damage[min(damage)]}, of which it says nothing")
        decord.logging.set_level(decord.logging.QUIET)
        reader = decord.VideoReader(str(self._source), num_threads=1)
        if len(reader) != self.total_frames:
            raise ValueError(f"decord counts {len(reader)} frames, the file has {self.total_frames}")
        # A second look, for what else may mislead it.
        seen = np.asarray(reader.get_frame_timestamp([0, *indices.tolist()]), dtype=np.float64)[:, 0]
        frame_duration = (self._duration - self.times[0]) / self.total_frames
        expected = self.times[indices] - self.times[0]
        if not np.allclose(seen[1:] - seen[0], expected, rtol=0, atol=frame_duration / 2):
            raise ValueError("decord places frames at other times than the file does")
        frames = reader.get_batch(indices.tolist())
        # A tensor, where the caller has set decord's bridge to another framework.
        return list(frames.asnumpy() if hasattr(frames, "asnumpy") else np.asarray(frames))

    def _read_with_pyav(self, indices: np.ndarray, segments: np.ndarray | None) -> list[np.ndarray]:
        places = indices.tolist()
        found, damage = self._reader.read(places)
        if damage and self._on_corrupt_frame == "nearest":
            bounds = [[0, self.total_frames - 1]] * len(places) if segments is None else segments.tolist()
            for place, (first, last) in zip(places, bounds, strict=True):
                if place in damage:
                    self._replace(place, first, last, found)
        missing = [place for place in places if place not in found]
        if missing:
            raise ValueError(
                f"{self.name}: frame {missing[0]} of {self.total_frames} cannot be decoded ({damage[missing[0]]}): "
                "the file is damaged there. Fetch it again, choose other frames by frame_indices, start or end, or "
                "take the nearest whole one by on_corrupt_frame='nearest'."
            )
        return of_one_size([found[place] for place in places], self.name)

    def _replace(self, place: int, first: int, last: int, found: dict[int, np.ndarray]) -> None:
        """Take the nearest whole frame from the first to the last, looking at twice as many at each step outwards."""
        near, far = 1, 1
        while near <= max(place - first, last - place):
            before = range(max(first, place - far), place - near + 1)
            after = range(place + near, min(last, place + far) + 1)
            whole, _ = self._reader.read([*before, *after])
            if whole:
                nearest = min(whole, key=lambda other: abs(other - place))
                found[place], self.replaced[place] = whole[nearest], nearest
                return
            near, far = far + 1, 3 * far


def _demux(container, stream, most: int | None = None) -> tuple[np.ndarray, bool]:
    """Packets from here on, and whether the first key picture is one at which a decoder can start afresh."""
    starts_afresh = None if stream.codec_context.name == "h264" else True

    def rows() -> Iterator[tuple]:
        nonlocal starts_afresh
        for packet in islice(container.demux(stream), most):
            if not packet.size:
                continue
            if starts_afresh is None and packet.is_keyframe:
                # At other key pictures, a decoder may need some more to start.
                extradata = stream.codec_context.extradata or b""
                starts_afresh = any(part[0] & 31 == 5 for part in h264_parts(memoryview(packet), extradata))
            pts, dts, position = packet.pts, packet.dts, packet.pos
            yield (
                np.nan if pts is None else pts,
                np.nan if dts is None else dts,
                packet.duration or 0,
                -1 if position is None else position,
                packet.size,
                packet.is_keyframe,
                packet.is_discard,
            )

    return np.fromiter(rows(), dtype=PACKET), starts_afresh is not False


def _decord_obstacle(container, table: FrameTable) -> str | None:
    """Why decord might return other frames than those asked for, or lying ones; `None` if it will not."""
    if not DECORD_FORMATS & set(container.format.name.split(",")):
        return f"it may return other frames of {container.format.name} files"
    if table.is_counted:
        return "it needs true presentation times, and the file has none"
    if len(container.streams.video) > 1:
        return "it cannot choose among several video streams"
    try:
        first_frame = next(container.decode(video=0), None)
    except av.error.FFmpegError:
        first_frame = None
    if first_frame is None:
        return "its first frame cannot be decoded"
    if (container.streams.video[0].sample_aspect_ratio or 1) != 1:
        return "it does not stretch pixels that are not square"
    if has_alpha(first_frame):
        return "it does not know what is transparent"
    if display_matrix(first_frame) is not None:
        return "it does not turn pictures"
    if table.first or table.packets["is_discard"].any():
        return "it counts frames that are not to be shown"
    latest_key = np.full(len(table.packets), -np.inf)
    latest_key[table.keys] = table.presented[table.keys]
    if (table.presented < np.maximum.accumulate(latest_key)).any():
        return "it confuses frames that are stored after a key frame but shown before it"
    return None
