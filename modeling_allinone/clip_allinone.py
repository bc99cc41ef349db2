# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a clip is, whatever it is read from, and how its source is opened."""

import io
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np

ACCEPTED = "a video (MP4, AVI, MKV, WebM, ...), an animated image (GIF, WebP) or an image (PNG, JPEG, ...)"


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


def opened_source(source: Path | bytes) -> BinaryIO:
    """The bytes of a source, open for reading."""
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def as_file(source: Path | bytes) -> str | BinaryIO:
    """A file as decoders take it, which read from a path sooner than from Python."""
    return io.BytesIO(source) if isinstance(source, bytes) else str(source)


def size_of(source: Path | bytes) -> int:
    """Bytes of a source."""
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def tail_of(source: Path | bytes, length: int = 64) -> bytes:
    """The last bytes of a source."""
    with opened_source(source) as file:
        file.seek(-min(length, size_of(source)), 2)
        return file.read()


def of_one_size(frames: list[np.ndarray], name: str) -> list[np.ndarray]:
    """The frames, once they are known to fit together."""
    sizes = sorted({frame.shape[:2] for frame in frames})
    if len(sizes) > 1:
        raise ValueError(
            f"{name} has frames of different sizes (height, width): {sizes}; expected one size in a clip. "
            "Resize the frames first, or give them as several clips."
        )
    return frames
