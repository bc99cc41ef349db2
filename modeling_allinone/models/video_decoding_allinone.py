# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Clips from files, URLs, rows, folders and arrays: count and times first, then only the frames asked for.

[`open_clip`] returns a [`Clip`], whatever the source. Video files are decoded by PyAV, or on request by decord;
animated and still images by Pillow.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers.utils import is_av_available, logging

from .container_checks_allinone import check_whole
from .video_clip_allinone import ACCEPTED, Clip, of_one_size
from .video_sources_allinone import as_file, is_decoder, opened_source, resolve_source, size_of, tail_of

logger = logging.get_logger(__name__)

VIDEO_BACKENDS = ("auto", "decord", "pyav")
ON_CORRUPT_FRAME = ("raise", "nearest")
IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
# A browser shows a frame that claims to last 10 ms or less for 100 ms, and GIF makers rely on it.
SHORTEST_IMAGE_DURATION, DEFAULT_IMAGE_DURATION = 10, 100
# How pictures begin in streams of them; in a JPEG's scan, what no picture has inside: a marker other than a restart.
PICTURE_BEGINS = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n"}
JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
# Frames of which torchcodec tells the times at once.
FRAMES_AT_ONCE = 32


def open_clip(
    source,
    name: str,
    backend: str = "auto",
    frame_rate: float | None = None,
    input_data_format: str | None = None,
    do_convert_rgb: bool = True,
    on_corrupt_frame: str = "raise",
) -> Clip:
    """
    Open whatever a caller may call one clip.

    Args:
        source: Path of a video, an image or a folder of images; the URL of such a file, as fsspec reads it (`https`,
            `hf`, `s3`, ...; it is read whole); its bytes; `{"path": ..., "bytes": ...}`, as `datasets` gives it; a
            `VideoDecoder` of torchcodec; a PIL image or an array with 3 axes (a still image); an array with 4 axes; a
            list of images, each one of these; or a [`Clip`], which is open already and returned as it is.
        name (`str`): What messages call a source without a path.
        backend (`str`, defaults to `"auto"`): Decoder of video files, one of `"auto"`, `"decord"`, `"pyav"`.
        frame_rate (`float`, *optional*): Frames per second of folders, lists and arrays, which carry no times. Above
            0. Refused for videos and animated images, which do.
        input_data_format (`str`, *optional*): `"channels_first"` or `"channels_last"`; recognised by the axis of
            length 3 by default.
        do_convert_rgb (`bool`, defaults to `True`): Convert grey, palette and transparent images to RGB.
        on_corrupt_frame (`str`, defaults to `"raise"`): What to do about a frame of a video that is damaged:
            `"raise"`, or `"nearest"`: the nearest whole frame takes its place, and `replaced` of the clip says so.

    Returns:
        [`Clip`]

    Raises:
        `FileNotFoundError`: Nothing lies at the path or the URL.
        `TypeError`: A source or an array of a type that is not understood.
        `ValueError`: A source that has no frames, is damaged, cannot be fetched, or is no video and no image.
    """
    if isinstance(source, Clip):
        return source
    decoder = source if is_decoder(source) else None
    source, name = resolve_source(source, name)
    if isinstance(source, Path | bytes):
        clip = _open_stored(source, name, backend, frame_rate, do_convert_rgb, on_corrupt_frame)
        if decoder is not None and clip.stream_index not in (None, decoder.stream_index):
            clip = DecoderClip(decoder, name)  # the caller has chosen a stream that players do not
    elif is_decoder(source):
        clip = DecoderClip(source, name)
    elif isinstance(source, list | tuple):
        clip = ImageList(list(source), name, frame_rate, do_convert_rgb, input_data_format)
    elif isinstance(source, Image.Image) or (is_array(source) and source.ndim == 3):
        clip = ImageList([source], name, frame_rate, do_convert_rgb, input_data_format, is_image=True)
    elif is_array(source):
        clip = ArrayClip(source, name, frame_rate, input_data_format)
    else:
        raise TypeError(
            f"{name} is a {type(source).__name__}; expected a path, a URL, bytes of a file, {{'path': ..., "
            "'bytes': ...}, a torchcodec VideoDecoder, a PIL image, a numpy array or torch tensor of shape (frames, "
            "height, width, 3), or a list of images."
        )
    if frame_rate is not None and clip.frame_rate is None:
        raise ValueError(
            f"{clip.name} carries its own times, but frame_rate={frame_rate:g} is given; leave it out, it is for "
            f"folders, lists and arrays. fps={frame_rate:g} takes so many frames of each second."
        )
    return clip


def is_array(value) -> bool:
    """Whether `value` is a numpy array or a torch tensor."""
    return isinstance(value, np.ndarray | torch.Tensor)


class AnimatedImage(Clip):
    """GIF, animated WebP or animated PNG. Each frame builds on the one before, so they are composed in order."""

    backend = "pillow"
    has_times = True

    def __init__(self, source: Path | bytes, name: str, do_convert_rgb: bool):
        self.name = name
        self._source, self._do_convert_rgb = source, do_convert_rgb
        with _opened_image(source, name) as image, _named_errors(f"{name} cannot be read as an animated image"):
            self.total_frames = getattr(image, "n_frames", 1)
        if image.format == "GIF" and not tail_of(source).rstrip(b"\0").endswith(b";"):
            _check_end_of_gif(source, name, self.total_frames)

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

    def read(self, indices: np.ndarray, segments: np.ndarray | None = None) -> Sequence[np.ndarray]:
        frames = []
        with _opened_image(self._source, self.name) as image:
            for index in indices.tolist():
                self._compose(image, index)
                frames.append(_image_to_array(image, self.name, self._do_convert_rgb))
        return of_one_size(frames, self.name)

    def _compose(self, image: Image.Image, index: int) -> None:
        with _named_errors(f"{self.name}: frame {index} of {self.total_frames} cannot be decoded"):
            image.seek(index)
            image.load()


class ImageList(Clip):
    """Still images in order: the files of a folder, or a list the caller made."""

    backend = "pillow"

    def __init__(self, images: list, name: str, frame_rate, do_convert_rgb, input_data_format=None, is_image=False):
        if not images:
            raise ValueError(f"{name} is an empty list; expected at least one frame.")
        self.name, self.frame_rate, self.total_frames = name, frame_rate, len(images)
        self._images, self._do_convert_rgb, self._input_data_format = images, do_convert_rgb, input_data_format
        self.is_image = is_image

    def read(self, indices: np.ndarray, segments: np.ndarray | None = None) -> Sequence[np.ndarray]:
        return of_one_size([self._read_one(index) for index in indices.tolist()], self.name)

    def _read_one(self, index: int) -> np.ndarray:
        name = self.name if self.is_image else f"{self.name}, frame {index}"
        image, name = resolve_source(self._images[index], name)
        if isinstance(image, Path) and not image.is_file():
            raise FileNotFoundError(f"{name} is not a file on this machine; expected the path of an image.")
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

    def __init__(self, frames, name: str, frame_rate: float | None, input_data_format: str | None):
        if frames.ndim != 4:
            raise ValueError(
                f"{name} has shape {tuple(frames.shape)}, {frames.ndim} axes; expected (frames, height, width, 3) for "
                "a clip or (height, width, 3) for an image. Give several clips as a list or with one more axis."
            )
        if len(frames) == 0:
            raise ValueError(f"{name} has shape {tuple(frames.shape)}, 0 frames; expected at least 1 frame.")
        self.name, self.frame_rate, self.total_frames = name, frame_rate, len(frames)
        self._frames = _checked_frames(frames, name, input_data_format)

    def read(self, indices: np.ndarray, segments: np.ndarray | None = None) -> Sequence[np.ndarray]:
        return list(_to_uint8(self._frames[indices]))


class DecoderClip(Clip):
    """What a `VideoDecoder` of torchcodec gives, where it does not say of which file."""

    backend = "torchcodec"
    has_times = True

    def __init__(self, decoder, name: str):
        self.name, self.total_frames, self._decoder = name, len(decoder), decoder
        if self.total_frames == 0:
            raise ValueError(f"{name} is a VideoDecoder without frames; expected at least 1 frame.")

    @cached_property
    def times(self) -> np.ndarray:
        """Those of its frames, which only decoding tells."""
        starts = range(0, self.total_frames, FRAMES_AT_ONCE)
        parts = (self._decode("get_frames_in_range", start, start + FRAMES_AT_ONCE) for start in starts)
        return np.concatenate([part.pts_seconds.numpy() for part in parts])

    @property
    def duration(self) -> float:
        return float(self._decoder.metadata.end_stream_seconds)

    @property
    def mean_frame_rate(self) -> float:
        return self.total_frames / (self.duration - float(self._decoder.metadata.begin_stream_seconds))

    def read(self, indices: np.ndarray, segments: np.ndarray | None = None) -> Sequence[np.ndarray]:
        frames = self._decode("get_frames_at", indices.tolist()).data
        return list(_to_uint8(_checked_frames(frames, self.name, None)))

    def _decode(self, method: str, *arguments):
        try:
            return getattr(self._decoder, method)(*arguments)
        except Exception as error:  # it raises RuntimeError, IndexError and others for one and the same
            raise ValueError(f"{self.name}: torchcodec cannot decode its frames ({error}).") from error


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
    images = [entry for entry in folder.glob("[!.]*") if entry.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise ValueError(
            f"{folder} is a folder without images; expected frames named in order, one of "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return sorted(images, key=_natural_order)


def _open_stored(
    source: Path | bytes,
    name: str,
    backend: str,
    frame_rate: float | None,
    do_convert_rgb: bool,
    on_corrupt_frame: str,
) -> Clip:
    """A folder of images, or a file, which is told by its content."""
    if isinstance(source, Path):
        if not source.exists():
            raise FileNotFoundError(
                f"{name} does not exist; give the path of a video, an image or a folder of images on this machine."
            )
        if source.is_dir():
            return ImageList(list_frames(source), name, frame_rate, do_convert_rgb)
    if size_of(source) == 0:
        raise ValueError(f"{name} is empty (0 bytes); expected {ACCEPTED}. Fetch it again.")
    check_whole(source, name)
    with opened_source(source) as file:
        head = file.read(16)
    # By content: names lie, and ffmpeg would take a still image for a video of one frame.
    may_move = head.startswith(b"\x89PNG") or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
    if head.startswith(b"GIF8") or (may_move and _is_animated(source, name)):
        return AnimatedImage(source, name, do_convert_rgb)
    if may_move or head.startswith((b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")):
        return ImageList([source], name, frame_rate, do_convert_rgb, is_image=True)
    if backend == "decord" and isinstance(source, bytes):
        raise ValueError(
            f"{name}: decord cannot read this file (it may crash on bytes of damaged files, so it gets paths only); "
            "use video_backend='auto' or 'pyav'."
        )
    if not is_av_available():
        raise ImportError(f"{name} needs PyAV to be read; install it with `pip install av`.")
    from .video_file_allinone import VideoFile  # and PyAV with it, which texts and images do without

    return VideoFile(source, name, backend, on_corrupt_frame)


def _natural_order(path: Path) -> list:
    """`frame_2` before `frame_10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", path.name)]


def _opened_image(source: Path | bytes, name: str) -> Image.Image:
    with _named_errors(f"{name} cannot be read as an image", f"expected {ACCEPTED}"):
        image = Image.open(as_file(source))
    if image.format in PICTURE_BEGINS and _is_stream_of_pictures(source, image.format):
        raise ValueError(
            f"{name} is a stream of {image.format} pictures, one after another, which says neither how many there are "
            f"nor when; put it into a container, such as by `ffmpeg -i <file> -c copy <new file>.mkv`."
        )
    return image


def _is_animated(source: Path | bytes, name: str) -> bool:
    with _opened_image(source, name) as image, _named_errors(f"{name} cannot be read as an image"):
        return getattr(image, "is_animated", False)


def _check_end_of_gif(source: Path | bytes, name: str, num_frames: int) -> None:
    """Raise where a GIF ends inside of a block. It says nowhere how long it is, and Pillow leaves out what is cut."""
    data = source if isinstance(source, bytes) else source.read_bytes()

    def color_table(place: int) -> int:
        return 3 << (data[place] & 7) + 1 if data[place] & 0x80 else 0

    try:
        place, is_awaited = 13 + color_table(10), False
        while place < len(data) and data[place] != 0x3B:
            is_image = data[place] == 0x2C
            is_awaited = not is_image and data[place + 1] == 0xF9  # speaks of an image that comes next
            place += 11 + color_table(place + 9) if is_image else 2
            while data[place]:
                place += 1 + data[place]
            place += 1
    except IndexError:
        is_awaited = True
    if is_awaited or place > len(data):
        raise ValueError(f"{name} is truncated: it ends in the middle of frame {num_frames}. Fetch it again.")
    if place == len(data):
        logger.warning_once(f"{name} has {num_frames} frames but no end mark; it may have been cut short.")


def _is_stream_of_pictures(source: Path | bytes, kind: str) -> bool:
    """Whether another picture follows the first one, such as in raw MJPEG. Thumbnails lie inside of it."""
    data, begins = source if isinstance(source, bytes) else source.read_bytes(), PICTURE_BEGINS[kind]
    if data.find(begins, 2) < 0:
        return False
    if kind == "PNG":
        return True
    end = 2
    while end + 4 <= len(data) and data[end] == 0xFF:
        marker = data[end + 1]
        if marker == 0xD9:
            return data.startswith(begins, end + 2)
        if marker == 0xFF:  # a byte that fills up
            end += 1
            continue
        end += 2 + int.from_bytes(data[end + 2 : end + 4], "big")
        if marker == 0xDA:
            found = JPEG_MARKER.search(data, end)
            end = found.start() if found else len(data)
    return False


@contextmanager
def _named_errors(what: str, remedy: str = "the file is truncated or damaged, fetch it again") -> Iterator[None]:
    """Whatever Pillow raises about a file, of which there are many types, as one `ValueError` that names it."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what} ({error or type(error).__name__}): {remedy}.") from error


def _image_to_array(image: Image.Image, name: str, do_convert_rgb: bool) -> np.ndarray:
    if image.mode != "RGB" and not do_convert_rgb:
        raise ValueError(f"{name} is an image of mode {image.mode}; expected RGB, or set do_convert_rgb=True.")
    if image.mode in ("I", "F"):
        raise ValueError(
            f"{name} is an image of mode {image.mode}, {'whole' if image.mode == 'I' else 'floating-point'} numbers "
            "without a range; expected 8 or 16 bits. Scale it to 0 to 255 and convert it to uint8."
        )
    with _named_errors(f"{name} is truncated or damaged", "fetch it again"):
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            # Pillow would cut off what is above 255 instead.
            image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.array(image.convert("RGB"))


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
