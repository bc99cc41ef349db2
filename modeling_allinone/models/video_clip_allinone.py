# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a clip is, whatever it is read from."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

import numpy as np
from transformers.utils import logging

from .frame_sampling_allinone import END_TOLERANCE, window_bounds

logger = logging.get_logger(__name__)

ACCEPTED = "a video (MP4, AVI, MKV, WebM, ...), an animated image (GIF, WebP) or an image (PNG, JPEG, ...)"


class Clip:
    """
    A source of frames.

    Attributes:
        name (`str`): What messages call it: the path, or the place in the batch.
        total_frames (`int`): How many frames it has.
        is_image (`bool`): Whether it is a still image.
        stream_index (`int`, *optional*): Which stream of a video file its frames are from.
        backend (`str`): What decodes it: `"decord"`, `"pyav"`, `"torchcodec"`, `"pillow"` or `"array"`.
        frame_rate (`float`, *optional*): Frames per second that the caller has given to frames without times.
        times (`np.ndarray` of shape `(total_frames,)`): When each frame appears, seconds from the beginning of the
            file, which may lie before the first frame.
        duration (`float`): When the last frame disappears, seconds from the same beginning.
        has_times (`bool`): Whether the two are known.
        replaced (mapping of `int` to `int`): Damaged frames that `read` was asked for, each with the frame that it
            gave instead.
    """

    name: str
    total_frames: int
    is_image = False
    stream_index: int | None = None
    backend = "array"
    frame_rate: float | None = None
    replaced: Mapping[int, int] = MappingProxyType({})
    _has_said_that_windows_are_cut = False

    @property
    def has_times(self) -> bool:
        """Whether it is known when frames appear."""
        return self.frame_rate is not None

    @cached_property
    def times(self) -> np.ndarray:
        """When each frame appears, seconds from the beginning of the file."""
        return np.arange(self.total_frames) / self._given_rate

    @property
    def duration(self) -> float:
        """When the last frame disappears, seconds from the same beginning."""
        return float(self.times[-1] + 1 / self._given_rate)

    @property
    def _given_rate(self) -> float:
        if self.frame_rate is None:
            raise ValueError(
                "its frames have no times, so seconds cannot be turned into frames; "
                "pass frame_rate=<frames per second>, or choose frames by frame_indices."
            )
        return self.frame_rate

    @property
    def mean_frame_rate(self) -> float:
        """Frames per second while there are any."""
        return self.total_frames / (self.duration - float(self.times[0]))

    def window(self, start: float | None, end: float | None) -> tuple[int, int]:
        """
        Frames that are on screen in a window of time; what lies behind the end of the clip is cut off, and said once.

        Args:
            start (`float`, *optional*): Start of the window in seconds, the beginning by default.
            end (`float`, *optional*): End of the window in seconds, the end of the clip by default.

        Returns:
            `tuple[int, int]`: First frame of the window, and the first one after it.

        Raises:
            `ValueError`: A window that is empty or begins behind the end, or a clip without times.
        """
        if start is None and end is None:
            return 0, self.total_frames
        bounds = window_bounds(self.times, self.duration, start, end)
        if end is not None and end > self.duration + END_TOLERANCE and not Clip._has_said_that_windows_are_cut:
            Clip._has_said_that_windows_are_cut = True
            logger.warning(
                f"{self.name} lasts {self.duration:.3f} s, but a window up to {end:g} s is asked for; such windows "
                "are cut at the end of the clip (not said again)."
            )
        return bounds

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
        raise NotImplementedError


def of_one_size(frames: list[np.ndarray], name: str) -> list[np.ndarray]:
    """The frames, once they are known to fit together."""
    sizes = sorted({frame.shape[:2] for frame in frames})
    if len(sizes) > 1:
        raise ValueError(
            f"{name} has frames of different sizes (height, width): {sizes}; expected one size in a clip. "
            "Resize the frames first, or give them as several clips."
        )
    return frames
