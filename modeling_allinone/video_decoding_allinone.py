# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Clips from files, their bytes, folders and arrays: count and times first, then only the frames asked for.

[`open_clip`] returns a [`Clip`], whatever the source. Video files are decoded by PyAV, or on request by decord;
animated and still images by Pillow.
"""

import io
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps

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

VIDEO_BACKENDS = ("auto", "decord", "pyav")
IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
ACCEPTED = "a video (MP4, AVI, MKV, WebM, ...), an animated image (GIF, WebP) or an image (PNG, JPEG, ...)"
# A browser shows a frame that claims to last 10 ms or less for 100 ms, and GIF makers rely on it.
SHORTEST_IMAGE_DURATION, DEFAULT_IMAGE_DURATION = 10, 100

# Containers, as ffmpeg calls them, in which decord finds the frames asked for. In others, such as WMV, it returns
# pictures that belong to other times than it says.
DECORD_FORMATS = {"mov", "matroska", "avi"}

# Containers in which every packet is one picture; elsewhere it may be a field, half of one.
ONE_PICTURE_PACKETS = {"mov", "matroska"}

MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid", b"meta", b"udta"}
MP4_BOXES |= {b"moof", b"mfra", b"sidx", b"ssix", b"styp", b"emsg", b"prft", b"pdin"}


class Clip:
    """
    A source of frames.

    Attributes:
        name (`str`): What messages call it: the path, or the place in the batch.
        total_frames (`int`): How many frames it has.
        is_image (`bool`): Whether it is a still image.
        backend (`str`): What decodes it: `"decord"`, `"pyav"`, `"pillow"` or `"array"`.
        times (`np.ndarray` of shape `(total_frames,)`): When each frame appears, seconds from the first.
        duration (`float`): When the last frame disappears, seconds.
        has_times (`bool`): Whether the two are known.
    """

    name: str
    total_frames: int
    is_image = False
    backend = "array"
    fps: float | None = None

    @property
    def has_times(self) -> bool:
        return self.fps is not None

    @cached_property
    def times(self) -> np.ndarray:
        if self.fps is None:
            raise ValueError(
                "its frames have no times, so seconds cannot be turned into frames; "
                "pass fps=<frames per second>, or choose frames by frame_indices."
            )
        return np.arange(self.total_frames) / self.fps

    @property
    def duration(self) -> float:
        return float(self.times[-1] + 1 / self.fps)

    def read(self, indices: np.ndarray) -> Sequence[np.ndarray]:
        """
        Decode some frames.

        Args:
            indices (`np.ndarray` of shape `(n,)`): Frames, ascending and without repeats.

        Returns:
            Sequence of n `np.ndarray` of shape `(height, width, 3)`, all of one size, uint8 RGB.

        Raises:
            `ValueError`: A frame that cannot be decoded.
        """
        raise NotImplementedError


def open_clip(
    source,
    name: str,
    backend: str = "auto",
    fps: float | None = None,
    input_data_format: str | None = None,
    do_convert_rgb: bool = True,
) -> Clip:
    """
    Open whatever a caller may call one clip.

    Args:
        source: Path of a video, an image or a folder of images; the bytes of such a file; a PIL image or an array
            with 3 axes (a still image); an array with 4 axes; a list of images, each a path, bytes, a PIL image or an
            array.
        name (`str`): What messages call a source without a path.
        backend (`str`, defaults to `"auto"`): Decoder of video files, one of `"auto"`, `"decord"`, `"pyav"`.
        fps (`float`, *optional*): Frames per second of folders, lists and arrays, which carry no times. Above 0.
        input_data_format (`str`, *optional*): `"channels_first"` or `"channels_last"`; recognised by the axis of
            length 3 by default.
        do_convert_rgb (`bool`, defaults to `True`): Convert grey, palette and transparent images to RGB.

    Returns:
        [`Clip`]

    Raises:
        `FileNotFoundError`: Nothing lies at the path.
        `TypeError`: A source or an array of a type that is not understood.
        `ValueError`: A source that has no frames, is damaged, or is no video and no image.
    """
    if isinstance(source, str | Path):
        return _open_path(Path(source), backend, fps, do_convert_rgb)
    if isinstance(source, bytes):
        return _open_file(source, name, backend, fps, do_convert_rgb)
    if isinstance(source, list | tuple):
        return ImageList(list(source), name, fps, do_convert_rgb, input_data_format)
    if isinstance(source, Image.Image) or (is_array(source) and source.ndim == 3):
        clip = ImageList([source], name, fps, do_convert_rgb, input_data_format)
        clip.is_image = True
        return clip
    if is_array(source):
        return ArrayClip(source, name, fps, input_data_format)
    raise TypeError(
        f"{name} is a {type(source).__name__}; expected a path, bytes of a file, a PIL image, a numpy array or torch "
        "tensor of shape (frames, height, width, 3), or a list of images."
    )


def is_array(value) -> bool:
    """Whether `value` is a numpy array or a torch tensor."""
    return isinstance(value, np.ndarray | torch.Tensor)


class Packet(NamedTuple):
    """What a packet of video says about its frame. The packet itself would keep its bytes in memory."""

    pts: int | None
    is_keyframe: bool
    is_discard: bool
    duration: int | None


class VideoFile(Clip):
    """A video container. Counts, times and key frames come from its packets, which costs no decoding."""

    has_times = True

    def __init__(self, source: Path | bytes, name: str, backend: str):
        self.name, self._source = name, source
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
        return av.open(_as_file(self._source), metadata_errors="ignore")

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
        reader = decord.VideoReader(_as_file(self._source), num_threads=1)
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
        return _of_one_size([found[index] for index in indices.tolist()], self.name)

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
                    found[index_of[frame.pts]] = _to_rgb(frame)
            if not awaited:
                return

    def _collect_by_count(self, container, stream, wanted: np.ndarray, found: dict[int, np.ndarray]) -> None:
        """Decode from the beginning and keep the wanted frames, which their places tell."""
        last, wanted = wanted[-1], set(wanted.tolist())
        for index, frame in enumerate(container.decode(stream)):
            if index in wanted:
                found[index] = _to_rgb(frame)
            if index >= last:
                return


class AnimatedImage(Clip):
    """GIF, animated WebP or animated PNG. Each frame builds on the one before, so they are composed in order."""

    backend = "pillow"
    has_times = True

    def __init__(self, source: Path | bytes, name: str, do_convert_rgb: bool):
        self.name = name
        self._source, self._do_convert_rgb = source, do_convert_rgb
        with _opened_image(source, self.name) as image:
            self.total_frames = getattr(image, "n_frames", 1)
            # A GIF does not say how long it is: where its end mark is missing, its last frame tells.
            if image.format == "GIF" and not _tail(source).rstrip(b"\0").endswith(b";"):
                self._compose(image, self.total_frames - 1)

    @cached_property
    def _durations(self) -> np.ndarray:
        with _opened_image(self._source, self.name) as image:
            milliseconds = []
            for index in range(self.total_frames):
                self._compose(image, index)
                milliseconds.append(image.info.get("duration") or 0)
        return np.array(
            [value if value > SHORTEST_IMAGE_DURATION else DEFAULT_IMAGE_DURATION for value in milliseconds]
        )

    @cached_property
    def times(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self._durations[:-1])]) / 1000

    @property
    def duration(self) -> float:
        return float(self._durations.sum() / 1000)

    def read(self, indices: np.ndarray) -> Sequence[np.ndarray]:
        frames = []
        with _opened_image(self._source, self.name) as image:
            for index in indices.tolist():
                self._compose(image, index)
                frames.append(_image_to_array(image, self.name, self._do_convert_rgb))
        return _of_one_size(frames, self.name)

    def _compose(self, image: Image.Image, index: int) -> None:
        try:
            image.seek(index)
            image.load()
        except (OSError, EOFError, SyntaxError) as error:
            raise ValueError(
                f"{self.name}: frame {index} of {self.total_frames} cannot be decoded ({error}): the file is "
                "truncated or damaged. Fetch it again."
            ) from error


class ImageList(Clip):
    """Still images in order: the files of a folder, or a list the caller made."""

    backend = "pillow"

    def __init__(self, images: list, name: str, fps: float | None, do_convert_rgb: bool, input_data_format=None):
        if not images:
            raise ValueError(f"{name} is an empty list; expected at least one frame.")
        self.name, self.fps, self.total_frames = name, fps, len(images)
        self._images, self._do_convert_rgb, self._input_data_format = images, do_convert_rgb, input_data_format

    def read(self, indices: np.ndarray) -> Sequence[np.ndarray]:
        return _of_one_size([self._read_one(index) for index in indices.tolist()], self.name)

    def _read_one(self, index: int) -> np.ndarray:
        image, name = self._images[index], self.name if self.is_image else f"{self.name}, frame {index}"
        if isinstance(image, str | Path):
            name = str(image)
            if not Path(image).is_file():
                raise FileNotFoundError(f"{name} is not a file on this machine; expected the path of an image.")
            image = Path(image)
        if isinstance(image, Path | bytes):
            with _opened_image(image, name) as opened:
                return _image_to_array(opened, name, self._do_convert_rgb)
        if isinstance(image, Image.Image):
            return _image_to_array(image, name, self._do_convert_rgb)
        if is_array(image) and image.ndim == 3:
            return _to_uint8(_checked_frames(image[None], name, self._input_data_format))[0]
        got = f"an array of shape {tuple(image.shape)}" if is_array(image) else f"a {type(image).__name__}"
        raise TypeError(
            f"{name} is {got}; expected a path, bytes of a file, a PIL image or an array of shape (height, width, 3)."
        )


class ArrayClip(Clip):
    """Frames decoded already."""

    def __init__(self, frames, name: str, fps: float | None, input_data_format: str | None):
        if frames.ndim != 4:
            raise ValueError(
                f"{name} has shape {tuple(frames.shape)}, {frames.ndim} axes; expected (frames, height, width, 3) for "
                "a clip or (height, width, 3) for an image. Give several clips as a list or with one more axis."
            )
        if len(frames) == 0:
            raise ValueError(f"{name} has shape {tuple(frames.shape)}, 0 frames; expected at least 1 frame.")
        self.name, self.fps, self.total_frames = name, fps, len(frames)
        self._frames = _checked_frames(frames, name, input_data_format)

    def read(self, indices: np.ndarray) -> Sequence[np.ndarray]:
        return _to_uint8(self._frames[indices])


def list_frames(folder: Path) -> list[Path]:
    """
    The images of a folder in the order of their names and numbers.

    Args:
        folder (`Path`): Where the frames of a clip lie.

    Returns:
        `list` of `Path`

    Raises:
        `ValueError`: A folder without images.
    """
    images = [
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".")
    ]
    if not images:
        raise ValueError(
            f"{folder} is a folder without images; expected frames named in order, one of "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return sorted(images, key=_natural_order)


def _open_path(path: Path, backend: str, fps: float | None, do_convert_rgb: bool) -> Clip:
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist; give the path of a video, an image or a folder of images on this machine."
        )
    if path.is_dir():
        return ImageList(list_frames(path), str(path), fps, do_convert_rgb)
    return _open_file(path, str(path), backend, fps, do_convert_rgb)


def _open_file(source: Path | bytes, name: str, backend: str, fps: float | None, do_convert_rgb: bool) -> Clip:
    if _size_of(source) == 0:
        raise ValueError(f"{name} is empty (0 bytes); expected {ACCEPTED}. Fetch it again.")
    _check_whole(source, name)
    with _opened(source) as file:
        head = file.read(16)
    # By content: names lie, and ffmpeg would take a still image for a video of one frame.
    if head.startswith(b"GIF8"):
        return AnimatedImage(source, name, do_convert_rgb)
    is_webp = head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    if is_webp or head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")):
        if is_webp or head.startswith(b"\x89PNG"):
            with _opened_image(source, name) as image:
                is_animated = getattr(image, "is_animated", False)
            if is_animated:
                return AnimatedImage(source, name, do_convert_rgb)
        clip = ImageList([source], name, fps, do_convert_rgb)
        clip.is_image = True
        return clip
    return VideoFile(source, name, backend)


def _opened(source: Path | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _as_file(source: Path | bytes) -> str | BinaryIO:
    """A file as decoders take it, which read from a path sooner than from Python."""
    return io.BytesIO(source) if isinstance(source, bytes) else str(source)


def _size_of(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def _tail(source: Path | bytes, length: int = 64) -> bytes:
    with _opened(source) as file:
        file.seek(-min(length, _size_of(source)), 2)
        return file.read()


def _natural_order(path: Path) -> list:
    """`frame_2` before `frame_10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", path.name)]


def _check_whole(source: Path | bytes, name: str) -> None:
    """Raise where a container declares more bytes than there are: decoders would take the beginning for the whole."""
    size = _size_of(source)
    with _opened(source) as file:
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


def _to_rgb(frame) -> np.ndarray:
    return _upright(frame.to_ndarray(format="rgb24", **ONE_THREAD), _display_matrix(frame))


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


def _opened_image(source: Path | bytes, name: str) -> Image.Image:
    try:
        return Image.open(_as_file(source))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{name} cannot be read as an image ({error}); expected {ACCEPTED}.") from error


def _image_to_array(image: Image.Image, name: str, do_convert_rgb: bool) -> np.ndarray:
    if image.mode != "RGB" and not do_convert_rgb:
        raise ValueError(f"{name} is an image of mode {image.mode}; expected RGB, or set do_convert_rgb=True.")
    if image.mode in ("I", "F"):
        raise ValueError(
            f"{name} is an image of mode {image.mode}, {'whole' if image.mode == 'I' else 'floating-point'} numbers "
            "without a range; expected 8 or 16 bits. Scale it to 0 to 255 and convert it to uint8."
        )
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            # Pillow would cut off what is above 255 instead.
            image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.array(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{name} is truncated or damaged ({error}); fetch it again.") from error


def _checked_frames(frames, name: str, input_data_format: str | None) -> np.ndarray:
    """Decoded frames as a `(n, height, width, 3)` array of uint8, or of floating point from 0 to 1."""
    if isinstance(frames, torch.Tensor):
        frames = frames.detach().cpu()
        frames = (frames.float() if frames.dtype == torch.bfloat16 else frames).numpy()
    is_first = input_data_format == "channels_first" or (
        input_data_format is None and frames.shape[-1] != 3 and frames.shape[1] == 3
    )
    if frames.shape[1 if is_first else -1] != 3 or 0 in frames.shape:
        raise ValueError(
            f"{name} has frames of shape {frames.shape[1:]}; expected 3 colour channels, (height, width, 3) or "
            "(3, height, width). Repeat a grey channel three times, drop an alpha channel."
        )
    if is_first:
        frames = frames.transpose(0, 2, 3, 1)
    if frames.dtype == np.uint8:
        return frames
    if not np.issubdtype(frames.dtype, np.floating):
        raise TypeError(
            f"{name} has type {frames.dtype}; expected uint8 from 0 to 255 or floating point from 0 to 1. "
            "Convert with .astype('uint8') or .to(torch.uint8)."
        )
    if np.isnan(frames).any():
        raise ValueError(f"{name} has NaN pixels; expected numbers from 0 to 1. Look where the frames come from.")
    if frames.min() < 0 or frames.max() > 1:
        raise ValueError(
            f"{name} has floating-point pixels from {frames.min():g} to {frames.max():g}; expected 0 to 1. "
            "Divide by 255, undo a normalisation, or convert to uint8."
        )
    return frames


def _to_uint8(frames: np.ndarray) -> np.ndarray:
    return frames if frames.dtype == np.uint8 else np.rint(frames.astype(np.float32) * 255).astype(np.uint8)


def _of_one_size(frames: list[np.ndarray], name: str) -> list[np.ndarray]:
    sizes = sorted({frame.shape[:2] for frame in frames})
    if len(sizes) > 1:
        raise ValueError(
            f"{name} has frames of different sizes (height, width): {sizes}; expected one size in a clip. "
            "Resize the frames first, or give them as several clips."
        )
    return frames
