# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Frames of video files, decoded by PyAV, or on request by decord: count and times first, then what is asked for."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .clip_allinone import ACCEPTED, Clip, as_file, of_one_size, opened_source, size_of

# Both decoders are optional to the library that copies this file from the Hub, so neither may fail at import.
try:
    import av
except ImportError:
    av = None
try:
    import decord
except (ImportError, OSError):  # the latter where its library does not load
    decord = None

# Newer PyAV scales and converts frames by threads, for which a process that is forked meanwhile waits for ever.
ONE_THREAD = {"threads": 1} if av is not None and "threads" in (av.VideoFrame.reformat.__doc__ or "") else {}


# Containers, as ffmpeg calls them, in which decord finds the frames asked for. In others, such as WMV, it returns
# pictures that belong to other times than it says.
DECORD_FORMATS = {"mov", "matroska", "avi"}

# Containers in which every packet is one picture; elsewhere it may be a field, half of one.
ONE_PICTURE_PACKETS = {"mov", "matroska"}

MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid", b"meta", b"udta"}
MP4_BOXES |= {b"moof", b"mfra", b"sidx", b"ssix", b"styp", b"emsg", b"prft", b"pdin"}


class Packet(NamedTuple):
    """What a packet of video says about its frame. The packet itself would keep its bytes in memory."""

    pts: int | None
    is_keyframe: bool
    is_discard: bool
    duration: int | None


class VideoFile(Clip):
    """A video container. Counts, times and key frames come from its packets, which costs no decoding."""

    has_times = True

    def __init__(self, source: Path | bytes, name: str, backend: str, on_corrupt_frame: str = "raise"):
        self.name, self._source, self._on_corrupt_frame = name, source, on_corrupt_frame
        self.backend = "decord" if backend == "decord" else "pyav"
        if av is None:
            raise ImportError(f"{self.name} needs PyAV to be read; install it with `pip install av`.")
        try:
            self._container = self._opened()
            # ffmpeg shows plain text as a film of a terminal.
            if self._container.format.name == "tty":
                raise ValueError(f"{self.name} is a text file; expected {ACCEPTED}.")
            self._scan(self._container)
        except av.error.FFmpegError as error:
            raise ValueError(
                f"{self.name} cannot be read as a video ({error.strerror}): it is damaged, cut short or something "
                f"else; expected {ACCEPTED}. Check that it plays, or fetch it again."
            ) from error

    @property
    def duration(self) -> float:
        return self._duration

    def read(self, indices: np.ndarray) -> Sequence[np.ndarray]:
        if self.backend == "pyav":
            return self._read_with_pyav(indices)
        try:
            return self._read_with_decord(indices)
        except Exception as error:  # decord raises its own types, RuntimeError and others for one and the same
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"{self.name}: decord cannot read this file ({reason}); use video_backend='auto' or 'pyav'."
            ) from error

    def _opened(self):
        # Titles in an unknown encoding are no reason to refuse a file.
        return av.open(as_file(self._source), metadata_errors="ignore")

    def _scan(self, container) -> None:
        # Music files carry their cover as a video stream.
        streams = [
            stream for stream in container.streams.video if not stream.disposition & av.stream.Disposition.attached_pic
        ]
        if not streams:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            raise ValueError(f"{self.name} has no video stream, only {kinds}; expected {ACCEPTED}.")
        stream = streams[0]
        self._stream_index = stream.index
        self._pixel_aspect = stream.sample_aspect_ratio
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        # AVI has no presentation times; ffmpeg makes up wrong ones where frames are stored in another order.
        has_guesses = container.format.name == "avi" and stream.codec_context.has_b_frames
        packets, first_frame = self._read_packets(container, stream)
        first_key = next((place for place, packet in enumerate(packets) if packet.is_keyframe), 0)
        decodable = packets[first_key:]
        stamps = [packet.pts for packet in decodable]
        # A clip cut out by copying begins with frames, from a key frame to the cut, that are not to be shown.
        shown = [packet for packet in decodable if not packet.is_discard]
        # Without times, as in raw streams, frames are told apart by counting them.
        is_counted = has_guesses or None in stamps or len({packet.pts for packet in shown}) < len(shown)
        if not is_counted:
            # Pictures that are shown before the first key frame refer to frames that are not in the file.
            shown = sorted((packet for packet in shown if packet.pts >= stamps[0]), key=lambda packet: packet.pts)
        if not shown:
            raise ValueError(f"{self.name} has a video stream but no frames in it; fetch or export it again.")
        self.total_frames = len(shown)
        # Here a packet is a picture, and one that no other refers to can be left out.
        self._has_spare_pictures = stream.codec_context.name == "h264" and bool(
            ONE_PICTURE_PACKETS & set(container.format.name.split(","))
        )
        self._decord_obstacle = _decord_obstacle(container, packets, first_frame, is_counted)
        if is_counted:
            self._stamps, self._keys = None, None
            self.times = np.arange(self.total_frames) / rate
            self._duration = self.total_frames / rate
            return
        self._stamps = np.array([packet.pts for packet in shown])
        self._keys = np.array([place for place, packet in enumerate(shown) if packet.is_keyframe or place == 0])
        self.times = (self._stamps - self._stamps[0]) * float(stream.time_base)
        last_duration = float((shown[-1].duration or 0) * stream.time_base)
        self._duration = float(self.times[-1]) + (last_duration or 1 / rate)

    def _read_packets(self, container, stream) -> tuple[list[Packet], "av.VideoFrame | None"]:
        """All packets, and in the same pass the first frame, where decord is to read the file."""
        packets, first_frame = [], None
        is_awaited = self.backend == "decord"
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            if packet.size:
                packets.append(Packet(packet.pts, packet.is_keyframe, packet.is_discard, packet.duration))
            if is_awaited:
                try:
                    first_frame = next(iter(packet.decode()), None)
                    is_awaited = first_frame is None
                except av.error.FFmpegError:  # said by `read`, if this frame is asked for
                    is_awaited = False
        return packets, first_frame

    def _read_with_decord(self, indices: np.ndarray) -> np.ndarray:
        if decord is None:
            raise ImportError("decord is not installed")
        if self._decord_obstacle:
            raise ValueError(self._decord_obstacle)
        decord.logging.set_level(decord.logging.QUIET)
        reader = decord.VideoReader(as_file(self._source), num_threads=1)
        if len(reader) != self.total_frames:
            raise ValueError(f"decord counts {len(reader)} frames, the file has {self.total_frames}")
        # A second look, for what else may mislead it.
        seen = np.asarray(reader.get_frame_timestamp([0, *indices.tolist()]), dtype=np.float64)[:, 0]
        frame_duration = self._duration / self.total_frames
        if not np.allclose(seen[1:] - seen[0], self.times[indices], rtol=0, atol=frame_duration / 2):
            raise ValueError("decord places frames at other times than the file does")
        frames = reader.get_batch(indices.tolist())
        # A tensor, where the caller has set decord's bridge to another framework.
        return frames.asnumpy() if hasattr(frames, "asnumpy") else np.asarray(frames)

    def _read_with_pyav(self, indices: np.ndarray) -> list[np.ndarray]:
        found, error = {}, None
        if self._keys is not None:
            try:
                with self._container_at_hand() as container:
                    stream = self._stream_of(container)
                    key_of = self._keys[np.searchsorted(self._keys, indices, side="right") - 1]
                    for key in np.unique(key_of):
                        container.seek(int(self._stamps[key]), stream=stream)
                        wanted = indices[key_of == key]
                        self._collect_by_time(container, stream, wanted, found, self._has_spare_pictures)
            except av.error.FFmpegError as raised:
                error = raised
        if len(found) < len(indices):
            # Seeking may land too late or not be possible at all: decode from the beginning, once.
            collect = self._collect_by_count if self._stamps is None else self._collect_by_time
            with self._opened() as container:
                try:
                    collect(container, self._stream_of(container), indices, found)
                except av.error.FFmpegError as raised:
                    error = raised
        missing = [index for index in indices.tolist() if index not in found]
        if missing:
            raise ValueError(
                f"{self.name}: frame {missing[0]} of {self.total_frames} cannot be decoded "
                f"({error.strerror if error else 'the decoder leaves it out'}): the file is damaged there. "
                "Fetch it again, or choose other frames by frame_indices, start or end."
            ) from error
        return of_one_size([found[index] for index in indices.tolist()], self.name)

    def _container_at_hand(self):
        """The container as the scan left it, since opening takes time; a second reading opens another."""
        container, self._container = self._container, None
        return container or self._opened()

    def _stream_of(self, container):
        stream = container.streams[self._stream_index]
        stream.codec_context.thread_count = 1
        return stream

    def _collect_by_time(
        self, container, stream, wanted: np.ndarray, found: dict[int, np.ndarray], leaves_out: bool = False
    ) -> None:
        """Decode onwards from where the container stands and keep the wanted frames, which their times tell."""
        index_of = dict(zip(self._stamps[wanted].tolist(), wanted.tolist(), strict=True))
        awaited, skipping = set(index_of), None
        for packet in container.demux(stream):
            needed = "NONREF" if leaves_out and packet.pts not in awaited else "DEFAULT"
            if needed != skipping:
                stream.codec_context.skip_frame = skipping = needed
            frames = packet.decode()
            awaited.discard(packet.pts)
            if not awaited and packet.size:
                # The last one may wait for others to be shown before it.
                frames += stream.codec_context.decode(None)
            for frame in frames:
                if frame.pts in index_of:
                    found[index_of[frame.pts]] = _to_rgb(frame, self._pixel_aspect)
            if not awaited:
                return

    def _collect_by_count(self, container, stream, wanted: np.ndarray, found: dict[int, np.ndarray]) -> None:
        """Decode from the beginning and keep the wanted frames, which their places tell."""
        last, wanted = wanted[-1], set(wanted.tolist())
        for index, frame in enumerate(container.decode(stream)):
            if index in wanted:
                found[index] = _to_rgb(frame, self._pixel_aspect)
            if index >= last:
                return


def check_whole(source: Path | bytes, name: str) -> None:
    """Raise where a container declares more bytes than there are: decoders would take the beginning for the whole."""
    size = size_of(source)
    with opened_source(source) as file:
        declared = _declared_size(file, size)
    if declared > size:
        raise ValueError(
            f"{name} is truncated: it declares at least {declared} bytes but has {size}. Fetch it again; "
            "`ffmpeg -i <file> -c copy <new file>` makes a shorter whole of what is left, if it is readable."
        )


def _declared_size(file, size: int) -> int:
    """Bytes that the outermost boxes of an MP4, RIFF (AVI, WebP) or Matroska (MKV, WebM) file claim, 0 if unknown."""
    head = file.read(12)
    if head[:4] == b"RIFF":
        end = 0
        while head[:4] == b"RIFF" and (length := int.from_bytes(head[4:8], "little")) not in (0, 0xFFFFFFFF):
            end += 8 + length
            file.seek(end)
            head = file.read(12)
        return end
    if head[:4] == b"\x1a\x45\xdf\xa3":
        file.seek(4)
        header, _ = _matroska_length(file)
        file.seek(header, 1)
        if file.read(4) != b"\x18\x53\x80\x67":
            return 0
        length, is_unknown = _matroska_length(file)
        return 0 if is_unknown else file.tell() + length
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(16)
        if head[4:8] not in MP4_BOXES:  # another format, or junk after the last box
            break
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: up to the end of the file
            break
        end += length
    return end


def _matroska_length(file) -> tuple[int, bool]:
    """A length as Matroska writes it: leading zero bits give its bytes; all ones mean that it is unknown."""
    first = file.read(1)[0]
    extra = 8 - first.bit_length()
    digits = (first & (0x7F >> extra)).to_bytes(1, "big") + file.read(extra)
    length = int.from_bytes(digits, "big")
    return length, length == (1 << 7 * (extra + 1)) - 1


def _decord_obstacle(container, packets: list[Packet], first_frame, is_counted: bool) -> str | None:
    """Why decord might return other frames than those asked for, or lying ones; `None` if it will not."""
    if not DECORD_FORMATS & set(container.format.name.split(",")):
        return f"it may return other frames of {container.format.name} files"
    if is_counted:
        return "it needs presentation times, and the file has none"
    if len(container.streams.video) > 1:
        return "it cannot choose among several video streams"
    if first_frame is None:
        return "its first frame cannot be decoded"
    if (container.streams.video[0].sample_aspect_ratio or 1) != 1:
        return "it does not stretch pixels that are not square"
    if _has_alpha(first_frame.format):
        return "it does not know what is transparent"
    if _display_matrix(first_frame) is not None:
        return "it does not turn pictures"
    if not packets[0].is_keyframe or any(packet.is_discard for packet in packets):
        return "it counts frames that are not to be shown"
    latest_key = packets[0].pts
    for packet in packets:
        if packet.pts < latest_key:
            return "it confuses frames that are stored after a key frame but shown before it"
        latest_key = packet.pts if packet.is_keyframe else latest_key
    return None


def _display_matrix(frame) -> np.ndarray | None:
    """The 2 by 2 part of a frame's display matrix, `None` where it changes nothing."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    matrix = np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2]
    return None if matrix[0, 0] > 0 and matrix[1, 1] > 0 else matrix


def _to_rgb(frame, pixel_aspect: Fraction | None = None) -> np.ndarray:
    """
    A frame as players show it: pixels that are not square stretched in width, what is transparent on black, upright.

    FFmpeg's decoders, and so most players, do not read the transparency of VP8 and VP9, and show it opaque.
    """
    width = max(round(frame.width * (pixel_aspect or 1)), 1)
    has_alpha = _has_alpha(frame.format)
    pixels = frame.to_ndarray(width=width, format="rgba" if has_alpha else "rgb24", **ONE_THREAD)
    if has_alpha:
        pixels, alpha = pixels[..., :3], pixels[..., 3:]
        # In uncompressed AVI, the fourth byte of a pixel is mostly an unused 0.
        if frame.format.name != "bgra" or alpha.any():
            pixels = ((pixels.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
    return _upright(pixels, _display_matrix(frame))


def _has_alpha(pixel_format) -> bool:
    """Grey with alpha has two components, colour with alpha four."""
    return len(pixel_format.components) in (2, 4)


def _upright(pixels: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """Turn and mirror `(height, width, 3)` pixels by multiples of 90 degrees, as a player would."""
    if matrix is None:
        return pixels
    (horizontal, down), (right, vertical) = matrix
    if abs(down) > abs(horizontal):
        # The picture's x axis becomes the screen's y axis: transpose, then mirror what runs backwards.
        pixels = pixels.transpose(1, 0, 2)
        vertical, horizontal = down, right
    if vertical < 0:
        pixels = pixels[::-1]
    return pixels[:, ::-1] if horizontal < 0 else pixels
