# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a search finds: moments of videos, joined from the windows that were looked at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

# What a model with the default `contrastive_temperature` holds to be e times less likely lies this much below.
MARGIN = 0.05

# Seconds between two windows that touch, but for rounding.
_TOUCH = 1e-3


@dataclass
class Window:
    """
    A window of a video that was found.

    Args:
        path (`str`): The video.
        start, end (`float`): In seconds; both 0 for an image.
        duration (`float`, *optional*): Of the whole video, in seconds; `None` for an image.
        similarity (`float`): Cosine of its vector and that of the query.
        thumbnail (`bytes`, *optional*): Its middle frame, as JPEG.
        score (`float`, *optional*): What it is ranked by. Default: `similarity`.
        stamp (pair of `int`, *optional*): Size of its file in bytes and when it was changed, in nanoseconds, as it
            was indexed.
    """

    path: str
    start: float
    end: float
    duration: float | None
    similarity: float
    thumbnail: bytes | None = field(default=None, repr=False)
    score: float | None = None
    stamp: tuple[int, int] | None = field(default=None, repr=False)


@dataclass
class Moment:
    """
    A part of a video that was found.

    Args:
        path (`str`): The video.
        start, end (`float`): In seconds; both 0 for an image.
        score (`float`): What it is ranked by, that of its best window; with a scorer, that of reading both together.
        similarity (`float`): Cosine of the vectors of its best window and of the query.
        chance (`float`, *optional*): The share of unrelated sentences that find something as similar in the same
            collection, 0 to 1; `None` where that was not measured.
        is_match (`bool`, *optional*): Whether it is more than chance; `None` where that was not measured.
        duration (`float`, *optional*): Of the whole video, in seconds; `None` for an image.
        thumbnail (`bytes`, *optional*): The middle frame of its best window, as JPEG.
        best_window (pair of `float`, *optional*): Start and end of its best window, in seconds. Default: all of it.
    """

    path: str
    start: float
    end: float
    score: float
    similarity: float
    chance: float | None = None
    is_match: bool | None = None
    duration: float | None = None
    thumbnail: bytes | None = field(default=None, repr=False)
    best_window: tuple[float, float] | None = None

    def __post_init__(self):
        self.best_window = (self.start, self.end) if self.best_window is None else self.best_window

    def as_row(self) -> dict[str, Any]:
        """
        What is written of it as JSON.

        Returns:
            `dict`: `path`, `start`, `end`, `score`, `similarity`, `chance`, `is_match`, `duration`.
        """
        names = ("path", "start", "end", "score", "similarity", "chance", "is_match", "duration")
        return {name: getattr(self, name) for name in names}


def merge_windows(windows: Iterable[Window], margin: float = MARGIN) -> list[Moment]:
    """
    Join the windows of each video that touch or overlap.

    A moment begins with the best window that is left, and grows on both sides by windows that are nearly as similar.
    Without this limit, a video of which every window is at hand would be one moment from beginning to end, however
    little of it fits. What lies for half of its length or more in a moment of higher score, and is not similar enough
    to belong to it, shows little else and is left out.

    Args:
        windows (iterable of [`Window`]): In any order.
        margin (`float`, defaults to 0.05): How much less similar than its best window a moment's others may be. The
            `contrastive_temperature` of a model makes sense: what lies that much below, it holds to be e times less
            likely.

    Returns:
        `list` of [`Moment`]: Best score first; where scores are equal, in the order of path and time. Each with score,
        similarity, thumbnail and `best_window` of its best window.

    Raises:
        ValueError: If `margin` is below 0.

    Example:

    ```python
    >>> times = [(0, 10, 0.31), (10, 20, 0.62), (20, 30, 0.60), (50, 60, 0.61)]
    >>> moments = merge_windows(Window("a.mp4", start, end, 60, similarity) for start, end, similarity in times)
    >>> [(moment.start, moment.end, moment.score) for moment in moments]
    [(10, 30, 0.62), (50, 60, 0.61), (0, 10, 0.31)]

    ```
    """
    if not margin >= 0:
        raise ValueError(f"margin is {margin}; expected at least 0.")
    by_path: dict[str, list[Window]] = {}
    for window in windows:
        by_path.setdefault(window.path, []).append(window)
    moments = [moment for path in sorted(by_path) for moment in _merge_one(by_path[path], margin)]
    return sorted(moments, key=lambda moment: -moment.score)


def _merge_one(windows: Sequence[Window], margin: float) -> list[Moment]:
    """The moments of one video, best first."""
    left = sorted(windows, key=lambda window: (window.start, window.end))
    moments = []
    for best in sorted(left, key=lambda window: -_score(window)):
        if not any(window is best for window in left):
            continue
        start, end = best.start, best.end
        near = [window for window in left if window.similarity >= best.similarity - margin]
        for window in [*near, *reversed(near)]:  # to the right, then to the left
            if window.start <= end + _TOUCH and window.end >= start - _TOUCH:
                start, end = min(start, window.start), max(end, window.end)
        left = [window for window in left if window is not best and not _lies_in(window, start, end)]
        moments.append(
            Moment(
                best.path,
                start,
                end,
                _score(best),
                best.similarity,
                duration=best.duration,
                thumbnail=best.thumbnail,
                best_window=(best.start, best.end),
            )
        )
    return sorted(moments, key=lambda moment: (-moment.score, moment.start))


def _score(window: Window) -> float:
    """What a window is ranked by."""
    return window.similarity if window.score is None else window.score


def _lies_in(window: Window, start: float, end: float) -> bool:
    """Whether half of a window or more is part of a moment."""
    return 2 * (min(window.end, end) - max(window.start, start)) >= window.end - window.start


__all__ = ["Moment", "Window", "merge_windows"]
