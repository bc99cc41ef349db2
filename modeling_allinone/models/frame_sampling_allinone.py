# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Which frames of a clip: functions on integers and seconds, without a decoder and without torch.

A clip is cut into as many equal segments as frames are wanted. Evaluation takes the middle of each segment,
training a random frame of each.
"""

import numpy as np

# Containers round presentation times (Matroska to a millisecond), so "frame 10 of 30 fps" is 0.333 s in one file and
# 0.333333 s in another: times closer than this are the same time.
TIME_TOLERANCE = 1e-3
# The sound of a file often ends a little after its pictures, and `end` is often the length of the file: not worth a
# word.
END_TOLERANCE = 0.1


def segment_bounds(num_frames: int, total_frames: int) -> np.ndarray:
    """
    Cut a clip into equal segments, one for each frame wanted.

    Args:
        num_frames (`int`): Frames wanted, at least 1.
        total_frames (`int`): Frames of the clip, at least 1.

    Returns:
        `np.ndarray` of shape `(min(num_frames, total_frames), 2)`, int64: first and last frame of each segment, both
        inside it. A clip shorter than `num_frames` has as many segments as frames.

    Raises:
        `ValueError`: A count below 1.

    Example:
        >>> segment_bounds(3, 30).tolist()
        [[0, 9], [10, 19], [20, 29]]
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; ask for at least 1 frame.")
    if total_frames < 1:
        raise ValueError(f"the clip has {total_frames} frames; at least 1 is needed.")
    # Truncated floating-point borders, because trained checkpoints saw exactly these.
    borders = np.linspace(0, total_frames, min(num_frames, total_frames) + 1).astype(np.int64)
    return np.stack([borders[:-1], borders[1:] - 1], axis=1)


def uniform_indices(num_frames: int, total_frames: int, view: int = 0, num_views: int = 1) -> np.ndarray:
    """
    One fixed frame of each segment: its middle, or for several views the middle of the view's share of it.

    Args:
        num_frames (`int`): Frames wanted, at least 1.
        total_frames (`int`): Frames of the clip, at least 1.
        view (`int`, defaults to 0): Which view, `0 <= view < num_views`.
        num_views (`int`, defaults to 1): Into how many equal shares a segment is divided.

    Returns:
        `np.ndarray` of shape `(num_frames,)`, int64, ascending. A clip shorter than `num_frames` repeats frames.

    Raises:
        `ValueError`: A count below 1, or a view that does not exist.

    Example:
        >>> uniform_indices(3, 30).tolist()
        [4, 14, 24]
        >>> [uniform_indices(3, 30, view, num_views=2).tolist() for view in range(2)]
        [[2, 12, 22], [7, 17, 27]]
    """
    if not 0 <= view < num_views:
        raise ValueError(f"view is {view} of {num_views} views; expected 0 <= view < num_views.")
    first, last = segment_bounds(num_frames, total_frames).T
    length = last - first + 1
    offset = ((2 * view + 1) * length - num_views) // (2 * num_views)
    return _fill(first + np.maximum(offset, 0), num_frames)


def random_indices(num_frames: int, total_frames: int, generator: np.random.Generator) -> np.ndarray:
    """
    One random frame of each segment.

    As in the original, the last frame of a segment is drawn only where it is the segment's only frame.

    Args:
        num_frames (`int`): Frames wanted, at least 1.
        total_frames (`int`): Frames of the clip, at least 1.
        generator (`np.random.Generator`): Source of randomness.

    Returns:
        `np.ndarray` of shape `(num_frames,)`, int64, ascending. A clip shorter than `num_frames` repeats frames.

    Raises:
        `ValueError`: A count below 1.

    Example:
        >>> indices = random_indices(3, 30, np.random.default_rng(0))
        >>> indices.tolist() == random_indices(3, 30, np.random.default_rng(0)).tolist()
        True
    """
    first, last = segment_bounds(num_frames, total_frames).T
    return _fill(generator.integers(first, np.maximum(last, first + 1)), num_frames)


def window_bounds(
    times: np.ndarray, duration: float, start: float | None = None, end: float | None = None
) -> tuple[int, int]:
    """
    Frames that are on screen in a window of time. A window that goes on behind the end of the clip is cut there; in
    one that ends before the first frame appears, that frame is shown.

    Args:
        times (`np.ndarray` of shape `(total_frames,)`): When each frame appears, seconds from the beginning of the
            file, ascending.
        duration (`float`): When the last frame disappears, seconds.
        start (`float`, *optional*): Start of the window in seconds, the beginning by default.
        end (`float`, *optional*): End of the window in seconds, the end of the clip by default.

    Returns:
        `tuple[int, int]`: First frame of the window, and the first one after it. There is always one between them.

    Raises:
        `ValueError`: A window that is empty, or begins before 0 or behind the end of the clip.

    Example:
        >>> window_bounds(np.arange(30) / 10, 3.0, start=1.0, end=2.0)
        (10, 20)
    """
    start = 0.0 if start is None else float(start)
    end_time = float(duration) if end is None else float(end)
    # Written so that a NaN fails too.
    if not (0 <= start < duration and start < end_time):
        raise ValueError(
            f"the window from {start:g} s to {end_time:g} s is not inside the clip, which lasts {duration:.3f} s; "
            "expected 0 <= start < duration and start < end, None for the clip's own beginning or end."
        )
    first = max(int(np.searchsorted(times, start + TIME_TOLERANCE, side="right")) - 1, 0)
    stop = int(np.searchsorted(times, end_time - TIME_TOLERANCE, side="left"))
    return first, max(stop, first + 1)


def indices_at(times: np.ndarray, duration: float, timestamps) -> np.ndarray:
    """
    The frame on screen at each of some times.

    Args:
        times (`np.ndarray` of shape `(total_frames,)`): When each frame appears, seconds from the beginning of the
            file, ascending.
        duration (`float`): When the last frame disappears, seconds.
        timestamps (sequence of `float`): Seconds from the same beginning; before the first frame, that one is taken.

    Returns:
        `np.ndarray` of shape `(len(timestamps),)`, int64, in the order given.

    Raises:
        `ValueError`: No timestamp, or one outside the clip.

    Example:
        >>> indices_at(np.array([0.0, 0.5, 2.0]), 3.0, [0.4, 1.9, 2.0]).tolist()
        [0, 1, 2]
    """
    timestamps = np.asarray(timestamps, dtype=np.float64).reshape(-1)
    outside = ~((timestamps >= 0) & (timestamps <= duration))
    if timestamps.size == 0 or outside.any():
        wrong = (
            f"timestamp {timestamps[outside][0]:g} s is outside" if timestamps.size else "no timestamp is given for"
        )
        raise ValueError(f"{wrong} the clip, which lasts {duration:.3f} s; give times from 0 to {duration:.3f} s.")
    return np.maximum(np.searchsorted(times, timestamps + TIME_TOLERANCE, side="right") - 1, 0)


def count_at_rate(seconds: float, frames_per_second: float) -> int:
    """
    How many frames make so many a second, at least 1: transformers' meaning of `fps`.

    Args:
        seconds (`float`): Length of the clip, or of the part that is sampled.
        frames_per_second (`float`): How many frames are wanted of each second, above 0.

    Returns:
        `int`

    Example:
        >>> count_at_rate(3.0, 2), count_at_rate(0.1, 2)
        (6, 1)
    """
    return max(1, int((seconds + TIME_TOLERANCE) * frames_per_second))


def checked_indices(indices, total_frames: int) -> np.ndarray:
    """
    Frame indices chosen by the caller, once they are known to lie inside the clip.

    Args:
        indices (sequence of `int`): Frames in any order, repeats allowed, each `0 <= index < total_frames`.
        total_frames (`int`): Frames of the clip.

    Returns:
        `np.ndarray` of shape `(len(indices),)`, int64, in the order given.

    Raises:
        `ValueError`: No index, one that is not whole, or one outside the clip.

    Example:
        >>> checked_indices([2, 0, 2], total_frames=3).tolist()
        [2, 0, 2]
    """
    indices = np.asarray(indices).reshape(-1)
    if indices.size == 0 or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"frame_indices is {indices.tolist()}; give at least one index, whole numbers only.")
    outside = (indices < 0) | (indices >= total_frames)
    if outside.any():
        raise ValueError(
            f"frame index {indices[outside][0]} is outside the clip, which has {total_frames} frames; "
            f"give indices from 0 to {total_frames - 1}."
        )
    return indices.astype(np.int64)


def _fill(chosen: np.ndarray, num_frames: int) -> np.ndarray:
    """Repeat the frames of a short clip evenly, in their order, until there are `num_frames`."""
    return chosen[np.arange(num_frames) * len(chosen) // num_frames]
