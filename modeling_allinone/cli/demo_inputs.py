# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a page takes from strangers: clips of a limited size, and what is said where they are refused."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
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
    size, num_pictures = _measure(path)
    megapixels = size[0] * size[1] / _MEGAPIXEL
    if megapixels > limits.megapixels:
        raise ValueError(
            f"{name} has frames of {size[0]} x {size[1]} pixels, more than {limits.megapixels:g} megapixels."
        )
    if megapixels * num_pictures > limits.animated_megapixels:
        raise ValueError(f"{name} unpacks to {num_pictures} frames of {size[0]} x {size[1]} pixels: too many.")
    clip = run_within(limits.seconds_to_read, name, lambda: open_clip(path, name))
    if clip.has_times and not clip.is_image and clip.duration > limits.seconds:
        raise ValueError(f"{name} lasts {clip.duration / 60:.1f} minutes, more than {limits.seconds / 60:g}.")
    return clip


def _measure(path: str) -> tuple[tuple[int, int], int]:
    """Width and height of frames by the header of a file, and how many pictures an animated image has."""
    import av

    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        try:
            with Image.open(path) as image:
                return image.size, getattr(image, "n_frames", 1)
        except Image.DecompressionBombError as error:
            raise ValueError(f"{os.path.basename(path)} is too large an image: {error}") from error
        except Exception:  # it is no image, or a broken one, of which opening the clip tells more
            pass
    try:
        with av.open(path, metadata_errors="ignore") as container:
            contexts = [stream.codec_context for stream in container.streams.video]
            sizes = [(context.width, context.height) for context in contexts if context is not None]
            return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0)), 0
    except (av.error.FFmpegError, MemoryError, IndexError):
        return (0, 0), 0


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
