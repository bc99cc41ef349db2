# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Rows of a data set as a loader reads them, each with what decides its random frames; data sets mixed and paired."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ..datasets.row_transforms import LARGEST_SEED, seed_of
from .frame_cache import CachedFrames
from .video_loading import blank_clip


class VideoDataset(Dataset):
    """
    Rows of a data set, each with a number `draw` that decides its random frames and captions.

    It depends on the seed, the epoch and the row, and not on which process or worker reads the row: so training that
    was interrupted goes on as if it had not been.

    Args:
        rows (`datasets.Dataset` or a sequence of `dict`): Rows of annotations.
        seed (`int`, defaults to 0): What the draws depend on.
        frames (mapping of (video, start, end) to arrays `(T, H, W, 3)`, *optional*): Decoded frames, which take the
            place of `video`, `start` and `end`; those of [`cache_frames`] are not resized again.
        is_blank (`bool`, defaults to `False`): Whether all clips and images are grey, for the blank-video baseline:
            what can be known from text alone.

    Example:

    ```python
    >>> rows = VideoDataset([{"video": "a.mp4"}, {"video": "b.mp4"}])
    >>> rows[0]["draw"] == rows[0]["draw"], rows[0]["draw"] == rows[1]["draw"]
    (True, False)
    >>> before = rows[0]["draw"]
    >>> rows.set_epoch(1)
    >>> rows[0]["draw"] == before
    False

    ```
    """

    def __init__(self, rows, seed: int = 0, frames: Mapping[tuple, Any] | None = None, is_blank: bool = False):
        self.rows = rows
        self.seed = seed
        self.frames = frames or {}
        self.is_blank = is_blank
        # In memory that is shared, so that workers that outlive an epoch see the next one.
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = dict(self.rows[index])
        clip = (row.get("video"), row.get("start"), row.get("end"))
        if self.is_blank:
            row |= blank_clip(row)
        elif self.frames and isinstance(clip[0], str) and clip in self.frames:
            row |= {"video": self.frames[clip], "start": None, "end": None, "frame_rate": None, "fps": None}
            row["is_resized"] = isinstance(self.frames, CachedFrames)
        return row | {"draw": seed_of(self.seed, int(self.epoch), index)}

    def set_epoch(self, epoch: int):
        """Draw again; [`AllInOneTrainer`] calls it at the beginning of every epoch."""
        self.epoch.fill_(epoch)


class InterleavedDataset(Dataset):
    """
    Several data sets as one. An epoch has as many rows as all of them together, of each as its weight says; those of
    which fewer are taken than there are go on in the next epoch with the rows that were left; those of which more are
    taken start over, with other draws.

    Args:
        sources (sequence of [`VideoDataset`]): At least one, none of them empty.
        weights (sequence of `float`, *optional*): One for each, above 0. Default: the number of its rows.

    Raises:
        ValueError: If there is no source, or an empty one; if weights do not fit, or leave a source without a row.

    Example:

    ```python
    >>> cats, dogs = VideoDataset([{"caption": "a cat"}] * 3), VideoDataset([{"caption": "a dog"}])
    >>> [row["caption"] for row in InterleavedDataset([cats, dogs], weights=[1, 1])]
    ['a cat', 'a cat', 'a dog', 'a dog']

    ```
    """

    def __init__(self, sources: Sequence[VideoDataset], weights: Sequence[float] | None = None):
        lengths = [len(source) for source in sources]
        if not lengths or 0 in lengths:
            raise ValueError(f"The sources have {lengths} rows; expected at least one source, and none without rows.")
        weights = lengths if weights is None else list(weights)
        if len(weights) != len(lengths) or not all(0 < weight < math.inf for weight in weights):
            raise ValueError(f"weights are {weights}; expected {len(lengths)} numbers above 0.")
        self.sources = list(sources)
        self._ends = [round(end / sum(weights) * sum(lengths)) for end in accumulate(weights)]
        self._starts = [0, *self._ends[:-1]]
        if any(start == end for start, end in zip(self._starts, self._ends, strict=True)):
            raise ValueError(
                f"weights are {weights} for sources of {lengths} rows, so that of one of them no row is taken in an "
                "epoch; give it more weight, or leave it out."
            )

    @property
    def epoch(self) -> int:
        """Number of the epoch, from 0."""
        return int(self.sources[0].epoch)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"Row {index} was asked for, but there are {len(self)}.")
        number = bisect_right(self._ends, index)
        start = self._starts[number]
        return _take(self.sources[number], self.epoch * (self._ends[number] - start) + index - start)

    def set_epoch(self, epoch: int):
        """Draw again, and go on to the rows that are left."""
        for source in self.sources:
            source.set_epoch(epoch)


class PairedDataset(Dataset):
    """
    Clips, each with an image beside it that has nothing to do with it. An epoch is that of the clips; images start
    over, or go on in the next epoch, as there are fewer or more of them.

    Args:
        videos ([`VideoDataset`] or [`InterleavedDataset`]): Clips.
        images ([`VideoDataset`] or [`InterleavedDataset`]): Images.

    Example:

    ```python
    >>> videos, images = VideoDataset([{"video": "a.mp4"}, {"video": "b.mp4"}]), VideoDataset([{"image": "c.jpg"}])
    >>> rows = PairedDataset(videos, images)
    >>> rows[1]["video"]["video"], rows[1]["image"]["image"]
    ('b.mp4', 'c.jpg')

    ```
    """

    def __init__(self, videos: VideoDataset | InterleavedDataset, images: VideoDataset | InterleavedDataset):
        self.videos = videos
        self.images = images

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        image = _take(self.images, int(self.videos.epoch) * len(self) + index)
        return {"video": self.videos[index], "image": image}

    def set_epoch(self, epoch: int):
        """Draw again, and go on to the images that are left."""
        self.videos.set_epoch(epoch)
        self.images.set_epoch(epoch)


def _take(rows: VideoDataset | InterleavedDataset, number: int) -> dict[str, Any]:
    """A row of rows that start over, with other draws, as often as they have been read."""
    times_read, index = divmod(number, len(rows))
    row = rows[index]
    return row | {"draw": (row["draw"] + times_read) % LARGEST_SEED}


def find_skipped(rows, labels: np.ndarray) -> np.ndarray:
    """
    Find the rows whose label was taken from them, since their clip could not be read.

    Args:
        rows ([`VideoDataset`], `datasets.Dataset` or sequence of `dict`): N rows, with a `label` of their own where it
            is an index.
        labels (`np.ndarray` of shape `(N,)` or `(N, answers)`): Labels that collators gave them.

    Returns:
        `np.ndarray` of shape `(N,)`, bool.

    Example:

    ```python
    >>> find_skipped([{"label": 1}, {"label": 2}, {"label": -100}], np.array([1, -100, -100]))
    array([False,  True, False])

    ```
    """
    is_without_label = (labels == -100).reshape(len(labels), -1).all(axis=1)
    if labels.ndim > 1:
        return is_without_label
    rows = rows.rows if isinstance(rows, VideoDataset) else rows
    own = rows["label"] if hasattr(rows, "column_names") else [row.get("label") for row in rows]
    return is_without_label & np.array([label not in (None, -100) for label in own])


__all__ = ["InterleavedDataset", "PairedDataset", "VideoDataset", "find_skipped"]
