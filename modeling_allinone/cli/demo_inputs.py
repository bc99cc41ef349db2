# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a page takes from strangers: clips of a limited size, and what is said where they are refused."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from transformers.utils import logging

from ..data.video_loading import run_within
from ..models.video_clip_allinone import Clip
from ..models.video_decoding_allinone import open_clip

logger = logging.get_logger(__name__)

_MEBIBYTE, _MEGAPIXEL = 2**20, 10**6


@dataclass
class Limits:
    """
    What a clip may be.

    Args:
        megabytes (`int`, defaults to 100): Of its file, in MiB.
        seconds (`float`, defaults to 600.0): How long it lasts.
        megapixels (`float`, defaults to 9.0): Of a frame; 4K has 8.3.
        animated_megapixels (`float`, defaults to 2000.0): Of all frames of an animated image, each of which is painted
            over the one before, so that the last needs all.
        seconds_to_read (`float`, defaults to 60.0): How long reading it may take.
    """

    megabytes: int = 100
    seconds: float = 600.0
    megapixels: float = 9.0
    animated_megapixels: float = 2000.0
    seconds_to_read: float = 60.0

    def __str__(self) -> str:
        return f"at most {self.megabytes} MB, {self.seconds / 60:g} minutes and {self.megapixels:g} megapixels"


def open_upload(path: str, limits: Limits) -> Clip:
    """
    Open a clip, if it is within limits, which are looked at before anything is decoded.

    Args:
        path (`str`): A file.
        limits ([`Limits`])

    Returns:
        [`Clip`]

    Raises:
        ValueError: If it is beyond a limit, damaged, or no video and no image.
    """
    name = os.path.basename(path)
    if os.path.getsize(path) > limits.megabytes * _MEBIBYTE:
        raise ValueError(f"{name} is larger than {limits.megabytes} MB.")
    size, num_pictures = _measure_image(path)
    if size is None:
        size, num_pictures = _measure_video(path, limits), 0
    if size is not None and size[0] * size[1] > limits.megapixels * _MEGAPIXEL:
        raise ValueError(
            f"{name} has frames of {size[0]} x {size[1]} pixels, more than {limits.megapixels:g} megapixels."
        )
    if size is not None and size[0] * size[1] * num_pictures > limits.animated_megapixels * _MEGAPIXEL:
        raise ValueError(
            f"{name} unpacks to {num_pictures} frames of {size[0]} x {size[1]} pixels, which is too much."
        )
    clip = run_within(limits.seconds_to_read, name, lambda: open_clip(path, name))
    if clip.has_times and not clip.is_image and clip.duration > limits.seconds:
        raise ValueError(f"{name} lasts {clip.duration / 60:.1f} minutes, more than {limits.seconds / 60:g}.")
    return clip


def _measure_image(path: str) -> tuple[tuple[int, int] | None, int]:
    """Size of an image, and how many pictures it has, by its header; `None` if it is none."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.size[0] * image.size[1] > 10**9:
                return image.size, 1
            return image.size, getattr(image, "n_frames", 1)
    except Image.DecompressionBombError as error:
        numbers = re.findall(r"\d+", str(error))
        return (int(numbers[0]) if numbers else 10**9, 1), 1
    except Exception:  # Pillow raises whatever it likes
        return None, 0


def _measure_video(path: str, limits: Limits) -> tuple[int, int] | None:
    """Size of the frames of a video, by its header; `None` if it is none, of which opening it tells more."""
    import av

    try:
        with av.open(path, metadata_errors="ignore") as container:
            sizes = [(stream.width, stream.height) for stream in container.streams.video]
            if container.duration is not None and container.duration / 1e6 > limits.seconds:
                raise ValueError(
                    f"{os.path.basename(path)} lasts {container.duration / 6e7:.1f} minutes, more than "
                    f"{limits.seconds / 60:g}."
                )
            return max(sizes, key=lambda size: size[0] * size[1], default=None)
    except (av.error.FFmpegError, MemoryError, IndexError):
        return None


@contextmanager
def in_words(*paths: str | Path | None) -> Iterator[None]:
    """
    Say what went wrong on the page, in words, with the names of files and not where they lie on this machine.

    Args:
        paths (`str` or `Path`, *optional*): Files and folders of this machine that messages may name.

    Raises:
        gradio.Error: In the place of any other.
    """
    import gradio

    try:
        yield
    except gradio.Error:
        raise
    except (ValueError, OSError, TypeError, MemoryError) as error:
        message = str(error) or type(error).__name__
        for path in filter(None, map(str, paths)):
            message = message.replace(path, os.path.basename(path))
        message = re.sub(r"(?<![\w.])/(?:[\w.@ +-]+/)+", "", message)  # where else it names a folder of this machine
        raise gradio.Error(message, duration=None, print_exception=False) from error
    except Exception as error:
        logger.exception("A request has failed.")
        raise gradio.Error(
            "That did not work, for a reason that the owner of this page finds in its log.", print_exception=False
        ) from error


def lines_of(text: str | None, what: str) -> list[str]:
    """
    The lines of a text field, without empty ones.

    Args:
        text (`str`, *optional*): What stands in it.
        what (`str`): What is wanted, such as `"options"`.

    Returns:
        `list` of `str`

    Raises:
        ValueError: If there is none.
    """
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"Write some {what} first, one a line.")
    return lines
