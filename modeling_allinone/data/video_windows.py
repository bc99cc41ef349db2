# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Long videos as windows of time: each is a clip of its own, and all are decoded in one pass."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from transformers import BatchFeature

from ..models.processing_allinone import AllInOneProcessor
from ..models.video_clip_allinone import Clip
from ..models.video_decoding_allinone import open_clip
from ..models.video_options_allinone import options_of_clips
from ..models.video_sources_allinone import has_own_times, source_name

# Bytes of decoded frames that are held at a time, and windows that are shown to a model at once.
_MOST_BYTES, _MOST_WINDOWS = 256 * 2**20, 32
_MOST_CUT = 1_000_000  # windows of a video; ten a second are a day of it


def cut_windows(duration: float, window: float, stride: float | None = None) -> list[tuple[float, float]]:
    """
    Cut a video into windows that cover it.

    They begin every `stride` seconds, and the last ends with the video. Where it would be shorter than half a window,
    it begins earlier, so that it is whole.

    Args:
        duration (`float`): Of the video, in seconds, above 0.
        window (`float`): Length of a window, in seconds, above 0.
        stride (`float`, *optional*): From the beginning of a window to that of the next, in seconds: above 0, and not
            more than `window`. Default: `window`.

    Returns:
        `list` of pairs of `float`: Start and end of each window, in seconds; of a video that is not longer than a
        window, the whole.

    Raises:
        ValueError: If a length is not as said.

    Example:

    ```python
    >>> cut_windows(25.0, window=10), cut_windows(22.0, window=10), cut_windows(8.0, window=10)
    ([(0.0, 10.0), (10.0, 20.0), (20.0, 25.0)], [(0.0, 10.0), (10.0, 20.0), (12.0, 22.0)], [(0.0, 8.0)])

    ```
    """
    stride = window if stride is None else stride
    if not 0 < window < math.inf or not 0 < stride <= window:
        raise ValueError(
            f"window is {window:g} s and stride {stride:g} s; expected lengths above 0, and no stride above the "
            "window, as what lies between two windows would not be looked at."
        )
    if not 0 < duration < math.inf:
        raise ValueError(f"duration is {duration:g} s; expected a length above 0.")
    if duration <= window:
        return [(0.0, float(duration))]
    if duration > _MOST_CUT * stride:
        raise ValueError(
            f"stride is {stride:g} s, which makes more than {_MOST_CUT:,} windows of {duration:g} s; take more."
        )
    # A rounding error is no window of its own.
    num_whole = math.ceil((duration - window) / stride - 1e-6)
    last = float(num_whole * stride)
    if duration - last < window / 2:
        last = duration - window
    starts = [float(place * stride) for place in range(num_whole)]
    return [(start, start + window) for start in starts] + [(last, float(duration))]


def show_time(seconds: float) -> str:
    """
    A time as players show it.

    Args:
        seconds (`float`): From the beginning.

    Returns:
        `str`: Minutes and seconds, with hours and tenths where there are any.

    Example:

    ```python
    >>> [show_time(seconds) for seconds in (5, 65.25, 3725.0)]
    ['0:05', '1:05.2', '1:02:05']

    ```
    """
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    shown = f"{tenths // 10:02}" + (f".{tenths % 10}" if tenths % 10 else "")
    return f"{minutes // 60}:{minutes % 60:02}:{shown}" if minutes >= 60 else f"{minutes}:{shown}"


class VideoWindows:
    """
    The windows of a video, which is opened once. What they have in common is decoded once.

    Args:
        processor ([`AllInOneProcessor`]): Chooses and prepares the frames of each window, the middle ones of its
            segments.
        source: A video, as [`open_clip`] takes it.
        window (`float`): Length of a window, in seconds.
        stride (`float`, *optional*): From the beginning of a window to that of the next, in seconds. Default:
            `window`.
        start, end (`float`, *optional*): The part of the video that is cut, in seconds. Default: all.
        frame_rate (`float`, *optional*): Frames per second of a folder of images, which carries no times.

    Attributes:
        name (`str`): What messages call the video.
        duration (`float`, *optional*): Its length, in seconds; `None` for images, and frames without times.
        bounds (`list` of pairs of `float`): Start and end of each window, in seconds, see [`cut_windows`]; `(0.0,
            0.0)` alone where there are no times.

    Raises:
        FileNotFoundError: If there is nothing.
        ValueError: If it is damaged, or no video and no image, or a length is wrong.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor

    >>> processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=3), BertTokenizer())
    >>> frames = np.zeros((50, 240, 320, 3), dtype=np.uint8)
    >>> windows = VideoWindows(processor, frames, window=2.0, frame_rate=10)
    >>> windows.bounds
    [(0.0, 2.0), (2.0, 4.0), (4.0, 5.0)]
    >>> [clips["pixel_values"].shape for places, clips, frames in windows.read([1, 2])]
    [torch.Size([1, 3, 3, 224, 224]), torch.Size([1, 3, 3, 224, 224])]

    ```
    """

    def __init__(
        self,
        processor: AllInOneProcessor,
        source: Any,
        window: float,
        stride: float | None = None,
        start: float | None = None,
        end: float | None = None,
        frame_rate: float | None = None,
    ):
        self._video_processor = processor.video_processor
        options = self._video_processor._resolve_options({"frame_sampling": "uniform", "num_views": 1})
        if frame_rate is None and not has_own_times(source):
            frame_rate = options["frame_rate"]
        self._options = options | {"frame_rate": None}
        self._clip = open_clip(
            source,
            source_name(source) or "the video",
            options["video_backend"],
            frame_rate,
            options["input_data_format"],
            options["do_convert_rgb"],
            options["on_corrupt_frame"],
        )
        self.name = self._clip.name
        cut_windows(1.0, window, stride)  # wrong lengths are wrong for images, too
        if self._clip.has_times and not self._clip.is_image:
            self.duration: float | None = self._clip.duration
            begin, finish = start or 0.0, self.duration if end is None else min(end, self.duration)
            try:
                self._clip.window(begin, end)
            except ValueError as error:
                raise ValueError(f"{self.name}: {error}") from error
            self.bounds = [(begin + one, begin + other) for one, other in cut_windows(finish - begin, window, stride)]
        elif start is None and end is None:
            self.duration, self.bounds = None, [(0.0, 0.0)]
        else:
            raise ValueError(f"{self.name} has no times; leave out start and end.")

    def read(self, places: Sequence[int] | None = None) -> Iterator[tuple[Sequence[int], BatchFeature, list]]:
        """
        Read windows, as many at a time as 256 MiB of decoded frames allow, and at most 32.

        Args:
            places (sequence of `int`, *optional*): Which windows, ascending. Default: all.

        Yields:
            Places of some windows; their `BatchFeature`, with `pixel_values` of shape `(windows, T, 3, H, W)`; and the
            middle one of the frames of each, of shape `(height, width, 3)`, uint8.

        Raises:
            ValueError: If a frame cannot be decoded.
        """
        places = range(len(self.bounds)) if places is None else places
        num_read, num_at_once = 0, 1
        while num_read < len(places):
            chosen = places[num_read : num_read + num_at_once]
            windows = [self._window(place) for place in chosen]
            # Where a damaged frame is replaced within its own window, windows share none.
            if self._options["on_corrupt_frame"] == "raise":
                wanted = np.unique(np.concatenate([window.indices for window in windows]))
                decoded = dict(zip(wanted.tolist(), self._clip.read(wanted), strict=True))
                for window in windows:
                    window.frames = decoded
            starts, ends = zip(*(window.bounds for window in windows), strict=True)
            batch = self._video_processor(
                windows, start=list(starts), end=list(ends), frame_sampling="uniform", num_views=1
            )
            yield chosen, batch, [window.middle for window in windows]
            num_read += len(chosen)
            num_at_once = min(max(_MOST_BYTES // windows[0].num_bytes, 1), _MOST_WINDOWS)

    def _window(self, place: int) -> "_Window":
        """A window, whose frames have been chosen and not yet decoded."""
        bounds: tuple = (None, None) if self.duration is None else self.bounds[place]
        options = options_of_clips(self._options | {"start": bounds[0], "end": bounds[1]}, [self._clip], False)[0]
        return _Window(self._clip, bounds, self._video_processor.sample_frames(self._clip, **options)[0])


class _Window(Clip):
    """A clip of which the frames of one window are read, from those that were decoded for several where they are."""

    def __init__(self, clip: Clip, bounds: tuple, indices: np.ndarray):
        vars(self).update({name: value for name, value in vars(clip).items() if not name.startswith("_")})
        self._clip, self.bounds, self.indices = clip, bounds, indices
        self.frames: dict[int, np.ndarray] = {}

    is_image = property(lambda self: self._clip.is_image)
    has_times = property(lambda self: self._clip.has_times)
    times = property(lambda self: self._clip.times)
    duration = property(lambda self: self._clip.duration)

    def read(self, indices: np.ndarray, segments: np.ndarray | None = None) -> Sequence[np.ndarray]:
        if not self.frames:
            self.frames = dict(zip(indices.tolist(), self._clip.read(indices, segments), strict=True))
            self.replaced = dict(self._clip.replaced)
        frames = [self.frames[index] for index in indices.tolist()]
        self.middle, self.num_bytes = frames[len(frames) // 2], sum(frame.nbytes for frame in frames)
        return frames


__all__ = ["VideoWindows", "cut_windows", "show_time"]
