# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Frames of video files, decoded by PyAV, or on request by decord: count and times first, then what is asked for."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from .container_checks_allinone import check_duration, check_tail
from .frame_table_allinone import MOST_HELD_BACK, FrameTable, Packet, Shown
from .video_clip_allinone import ACCEPTED, Clip, as_file, of_one_size
from .video_seeking_allinone import Decoding

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

ON_CORRUPT_FRAME = ("raise", "nearest")

# Containers, as ffmpeg calls them, in which decord finds the frames asked for. In others, such as WMV, it returns
# pictures that belong to other times than it says.
DECORD_FORMATS = {"mov", "matroska", "avi"}

# Containers in which every packet is one picture; elsewhere it may be a field, half of one.
ONE_PICTURE_PACKETS = {"mov", "matroska"}

# Containers that are sought by presentation time, others by decoding time. MP4 says so itself.
SOUGHT_BY_PRESENTATION = {"matroska", "asf", "ogg", "nut"}

# A picture that claims more pixels is damage of a header; the number is Pillow's limit for images.
MOST_PIXELS = 178_956_970

# A picture inside the stream is held to the same limit.
_CODEC_OPTIONS = {"max_pixels": str(MOST_PIXELS)}
# Of a damaged JPEG, libav shows what happens to be in memory, and says nothing.
_MORE_CODEC_OPTIONS = {"mjpeg": {"err_detect": "explode"}}

# MPEG-4 says "no picture here" by a packet of a few bytes, which may stand for a picture of an earlier packet.
LONGEST_PLACEHOLDER = 10

# So many packets before the one that is meant a container is sought.
_PACKETS_BEFORE = {"mpeg": 4}

# So many packets show how a stream begins.
_WATCHED = 3 * MOST_HELD_BACK


class VideoFile(Clip):
    """
    A video container. Counts, times and key pictures come from its packets, which costs no decoding.

    Args:
        source (`Path` or `bytes`): The file, or what is in it.
        name (`str`): What messages call it.
        backend (`str`, defaults to `"auto"`): What decodes it: `"auto"`, `"pyav"` or `"decord"`.
        on_corrupt_frame (`str`, defaults to `"raise"`): What to do about a frame that is damaged: `"raise"`, or
            `"nearest"`, which takes the nearest whole frame of its segment instead.
    """

    has_times = True

    def __init__(self, source: Path | bytes, name: str, backend: str = "auto", on_corrupt_frame: str = "raise"):
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
        """
        Decode some frames.

        Args:
            indices (`np.ndarray` of shape `(n,)`): Frames, ascending and without repeats.
            segments (`np.ndarray` of shape `(n, 2)`, *optional*): For each of them the first and the last frame that
                may be taken instead, where damaged frames are replaced; the whole clip by default.

        Returns:
            Sequence of n `np.ndarray` of shape `(height, width, 3)`, all of one size, uint8 RGB.

        Raises:
            `ValueError`: A frame that cannot be decoded, or is damaged and has no whole one to replace it.
        """
        self.replaced = {}
        if self.backend == "pyav":
            return self._read_with_pyav(indices, segments)
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
        stream = self._choose_stream(container)
        self.stream_index, self._codec_name = stream.index, stream.codec_context.name
        self._pixel_aspect = stream.sample_aspect_ratio
        codec, formats = stream.codec_context, set(container.format.name.split(","))
        check_tail(self._source, formats, self.name)
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        packets, first_frame = self._read_packets(container, stream)
        # AVI and raw streams have no presentation times; ffmpeg makes up wrong ones for pictures that are reordered.
        is_timed = "avi" not in formats and not _has_flag(container.format, "no_timestamps")
        table = self._table = FrameTable(packets, bool(codec.has_b_frames), is_timed)
        # Of counted pictures: how many a group begins with that refer to the one before.
        self._num_leading = 0
        # Palettes come with a change of colours only.
        self._can_seek = (codec.format is None or codec.format.name != "pal8") and table.can_find()
        self._seeks_presentation = bool(SOUGHT_BY_PRESENTATION & formats) or _has_flag(container.format, "seek_to_pts")
        # Here a packet is a picture, and one that no other refers to can be left out.
        self._has_spare_pictures = codec.name == "h264" and bool(ONE_PICTURE_PACKETS & formats)
        self._decord_obstacle = _decord_obstacle(container, table, first_frame)
        beginning = self._watch_beginning()
        self.total_frames = len(table.numbers)
        if not self.total_frames:
            raise ValueError(f"{self.name} has a video stream but no frames in it; fetch or export it again.")
        second = float(1 / stream.time_base)
        times = table.times(beginning, ticks=second / rate) / second
        zero = min(times[0], container.start_time / 1e6) if container.start_time is not None else times[0]
        self.times = np.round(times - zero, 6)
        last = packets[table.numbers[-1]]
        self._duration = float(self.times[-1] + ((last.duration or 0) / second or 1 / rate))
        check_duration(container, self._opened, self._duration, self.name)

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

    def _read_packets(self, container, stream) -> tuple[list[Packet], "av.VideoFrame | None"]:
        """All packets, and in the same pass the first frame, where decord is to read the file."""
        packets, first_frame = [], None
        needs_look = stream.codec_context.name == "h264"
        self._starts_afresh = True
        is_awaited = self.backend == "decord"
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            if packet.size:
                if needs_look and packet.is_keyframe:
                    needs_look = False
                    self._starts_afresh = _has_idr(bytes(packet), stream.codec_context.extradata or b"")
                packets.append(
                    Packet(
                        packet.pts,
                        packet.dts,
                        packet.duration,
                        packet.pos,
                        packet.size,
                        packet.is_keyframe,
                        packet.is_discard,
                    )
                )
            if is_awaited:
                try:
                    first_frame = next(iter(packet.decode()), None)
                    is_awaited = first_frame is None
                except av.error.FFmpegError:  # said by `read`, if this frame is asked for
                    is_awaited = False
        return packets, first_frame

    def _watch_beginning(self) -> list[Shown]:
        """
        Decode the first pictures, where times were made up or the first key picture may not suffice: which are shown,
        and how long they are held back, tells the others. All of them where packets do not tell how many there are.
        """
        table = self._table
        is_irregular = table.is_counted and any(packet.is_discard for packet in table.packets)
        if self._codec_name == "mpeg4":
            is_irregular |= any(packet.size <= LONGEST_PLACEHOLDER for packet in table.packets)
        if not is_irregular and not (table.is_counted and table.is_reordered) and self._starts_afresh:
            return []
        run, shown = self._begin(), []
        for picture, _ in run.pictures(len(table.packets) - 1):
            shown.append(picture)
            if not is_irregular and picture.after > shown[0].after + _WATCHED:
                break
        if is_irregular:
            table.take_order(shown)
        elif table.first not in run.damaged:  # pictures that are damaged keep their places
            first = next((picture.number for picture in shown if table.is_shown[picture.number]), table.first)
            table.begin_with(first, run.missing() - run.damaged)
        return shown if table.is_counted or is_irregular else []

    def _read_with_decord(self, indices: np.ndarray) -> np.ndarray:
        if decord is None:
            raise ImportError("decord is not installed")
        if isinstance(self._source, bytes):
            raise ValueError("it crashes on some files that are given as bytes; write them to a file")
        if self._decord_obstacle:
            raise ValueError(self._decord_obstacle)
        self._container = None  # its decoder has begun, for the first frame
        _, damage = self._decode(indices.tolist())
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
        return frames.asnumpy() if hasattr(frames, "asnumpy") else np.asarray(frames)

    def _read_with_pyav(self, indices: np.ndarray, segments: np.ndarray | None) -> list[np.ndarray]:
        places = indices.tolist()
        found, damage = self._decode(places)
        if damage and self._on_corrupt_frame == "nearest":
            whole = np.array([[0, self.total_frames - 1]] * len(places))
            for place, bounds in zip(places, (whole if segments is None else segments).tolist(), strict=True):
                if place in damage:
                    self._replace(place, *bounds, found)
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
            whole, _ = self._decode([*before, *after])
            if whole:
                nearest = min(whole, key=lambda other: abs(other - place))
                found[place], self.replaced[place] = whole[nearest], nearest
                return
            near, far = far + 1, 3 * far

    def _decode(self, places: list[int]) -> tuple[dict[int, np.ndarray], dict[int, str]]:
        """Frames that are whole, and what is wrong with the others."""
        found, damage, groups = {}, {}, {}
        for place in places:
            groups.setdefault(self._table.starts_for(place)[0], []).append(place)
        if self._can_seek:
            try:
                with self._container_at_hand() as container:
                    stream = self._stream_of(container)
                    for group in groups.values():
                        self._decode_group(container, stream, group, found, damage)
            except av.error.FFmpegError:  # a container in which nothing can be sought
                pass
        rest = [place for place in places if place not in found and place not in damage]
        if rest:
            run, faults = self._attempt(self._begin, rest, found)
            damage.update({place: _reason(run, culprits) for place, culprits in faults.items()})
        return found, damage

    def _decode_group(self, container, stream, places: list[int], found: dict, damage: dict) -> None:
        """Decode frames from the key picture that they share, or else from an earlier one."""
        seen = set()
        for start in self._table.starts_for(places[0]):
            run, faults = self._attempt(partial(self._seek, container, stream, start), places, found)
            # The seek has missed the key picture, or the picture is none, whatever the container says.
            if not self._is_trusted(run):
                seen |= run.damaged & {start}
                continue
            # What an earlier beginning does not heal is damage, and not a picture that was not decoded; but MPEG-4 may
            # need what only the first packet says.
            if self._codec_name != "mpeg4":
                damage.update({place: _reason(run, culprits) for place, culprits in faults.items() if culprits & seen})
            places = [place for place in faults if place not in damage]
            if not places:
                return
            seen |= run.damaged

    def _attempt(self, begin: Callable[[], Decoding], places: list[int], found: dict) -> tuple[Decoding, dict]:
        """Decode frames; the whole ones are kept, and for each of the others is told on which packets it is blamed."""
        run = begin()
        pictures = self._collect(run, places)
        if self._table.is_counted and run.start != self._table.first and run.num_leading() != self._num_leading:
            # So many come before the first one, which is known only now: once more.
            self._num_leading = run.num_leading()
            run = begin()
            pictures = self._collect(run, places)
        faults = {}
        if not self._is_trusted(run):
            return run, {place: set() for place in places}
        lost = run.lost() if self._table.is_counted else set()
        unused = None
        for place in places:
            number, pixels = pictures.get(place, (int(self._table.numbers[place]), None))
            culprits = run.culprits(number) if pixels is not None else {number}
            if culprits and number not in culprits:
                unused = self._unused(begin(), run) if unused is None else unused
                culprits -= unused
            # Which place a counted one has that is near a lost one cannot be told.
            culprits |= {other for other in lost if abs(other - number) <= MOST_HELD_BACK}
            if culprits:
                faults[place] = culprits
            else:
                found[place] = pixels
        return run, faults

    def _is_trusted(self, run: Decoding) -> bool:
        table = self._table
        if not run.is_sought:
            return True
        if self._codec_name == "mpeg4" and run.is_interlaced:
            return False  # the decoder remembers distances in time of pictures before the seek
        return run.has_key() and (not table.is_counted or run.start == table.first or run.is_complete_at_first())

    def _collect(self, run: Decoding, places: list[int]) -> dict[int, tuple[int, np.ndarray]]:
        """The packet and the pixels of each frame that comes out."""
        table, pictures = self._table, {}
        if not table.is_counted:
            place_of = dict(zip(table.numbers[places].tolist(), places, strict=True))
            wanted = frozenset(place_of)
            for picture, frame in run.pictures(max(wanted), self._has_spare_pictures, wanted):
                if picture.number in wanted:
                    pictures[place_of[picture.number]] = picture.number, _to_rgb(frame, self._pixel_aspect)
            return pictures
        last = table.numbers[min(max(places) + MOST_HELD_BACK, self.total_frames - 1)]
        wanted, base = set(places), int(table.ranks[run.start])
        for picture, frame in run.pictures(int(last)):
            place = base + run.count_shown() - 1
            if place in wanted:
                pictures[place] = picture.number, _to_rgb(frame, self._pixel_aspect)
        return pictures

    def _unused(self, run: Decoding, damaged: Decoding) -> set[int]:
        """Damaged pictures to which no other refers."""
        for _ in run.pictures(max(damaged.damaged), spares=True):
            pass
        return damaged.damaged - run.damaged - set(run.order)

    def _begin(self) -> Decoding:
        """Decoding from the beginning."""
        container = self._opened()
        return Decoding(container, self._stream_of(container), self._table, self._table.first)

    def _seek(self, container, stream, start: int) -> Decoding:
        """Decoding from a packet on."""
        # A demuxer that looks for the beginning of pictures in the midst of them loses the first.
        packet = self._table.packets[max(start - _PACKETS_BEFORE.get(container.format.name, 0), 0)]
        stamps = (packet.pts, packet.dts) if self._seeks_presentation else (packet.dts, packet.pts)
        container.seek(next((stamp for stamp in stamps if stamp is not None), 0), stream=stream)
        num_leading = 0 if start == self._table.first else self._num_leading
        return Decoding(container, stream, self._table, start, True, num_leading)

    def _container_at_hand(self):
        """The container as the scan left it, since opening takes time; a second reading opens another."""
        container, self._container = self._container, None
        return container or self._opened()

    def _stream_of(self, container):
        stream = container.streams[self.stream_index]
        stream.codec_context.thread_count = 1
        stream.codec_context.options = _CODEC_OPTIONS | _MORE_CODEC_OPTIONS.get(self._codec_name, {})
        return stream


def _reason(run: Decoding, culprits: set[int]) -> str:
    """What to say about a damaged frame."""
    if run.error is not None:
        return run.error.strerror
    return "its data are corrupt" if culprits & run.damaged else "the decoder leaves it out"


def _has_idr(data: bytes, extradata: bytes) -> bool:
    """Whether a picture of H.264 is one at which a decoder can start afresh; other key pictures may need some more."""
    if not extradata.startswith(b"\1") or len(extradata) < 5:
        return any(unit[:1] and unit[0] & 31 == 5 for unit in data.split(b"\0\0\1")[1:])
    size, place = (extradata[4] & 3) + 1, 0
    while place + size < len(data):
        if data[place + size] & 31 == 5:
            return True
        place += size + int.from_bytes(data[place : place + size], "big")
    return False


def _has_flag(container_format, name: str) -> bool:
    return bool(int(container_format.flags) & av.format.Flags[name].value)


def _decord_obstacle(container, table: FrameTable, first_frame) -> str | None:
    """Why decord might return other frames than those asked for, or lying ones; `None` if it will not."""
    if not DECORD_FORMATS & set(container.format.name.split(",")):
        return f"it may return other frames of {container.format.name} files"
    if table.is_counted:
        return "it needs true presentation times, and the file has none"
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
    if table.first or any(packet.is_discard for packet in table.packets):
        return "it counts frames that are not to be shown"
    latest_key = table.packets[0].pts
    for packet in table.packets:
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
