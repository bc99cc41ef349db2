"""Rows of pre-training: several data sets mixed by weight, and clips beside images."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from torch.utils.data import Dataset

from .training import ClipRows


class MixedRows(Dataset):
    """
    Several data sets as one. An epoch has as many rows as all of them together, of each as its weight says; those of
    which fewer are taken than there are go on in the next epoch with the rows that were left.

    Args:
        sources (sequence of [`ClipRows`]): At least one, none of them empty.
        weights (sequence of `float`, *optional*): One for each, above 0. Default: the number of its rows.

    Raises:
        ValueError: If there is no source, an empty one, or weights do not fit.

    Example:

    ```python
    >>> cats, dogs = ClipRows([{"caption": "a cat"}] * 3), ClipRows([{"caption": "a dog"}])
    >>> [row["caption"] for row in MixedRows([cats, dogs], weights=[1, 1])]
    ['a cat', 'a cat', 'a dog', 'a dog']

    ```
    """

    def __init__(self, sources: Sequence[ClipRows], weights: Sequence[float] | None = None):
        lengths = [len(source) for source in sources]
        if not lengths or 0 in lengths:
            raise ValueError(f"The sources have {lengths} rows; expected at least one source, and none without rows.")
        weights = lengths if weights is None else list(weights)
        if len(weights) != len(lengths) or not all(weight > 0 for weight in weights):
            raise ValueError(f"weights are {weights}; expected {len(lengths)} numbers above 0.")
        self.sources = list(sources)
        ends = [round(end / sum(weights) * sum(lengths)) for end in accumulate(weights)]
        self._starts = [0, *ends[:-1]]
        self._ends = ends

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"Row {index} was asked for, but there are {len(self)}.")
        number = bisect_right(self._ends, index)
        source, start = self.sources[number], self._starts[number]
        taken_before = int(source.epoch) * (self._ends[number] - start)
        return source[(taken_before + index - start) % len(source)]

    def set_epoch(self, epoch: int):
        """Draw anew, and go on to the rows that are left."""
        for source in self.sources:
            source.set_epoch(epoch)


class CoTrainingRows(Dataset):
    """
    Clips, each with an image beside it that has nothing to do with it. An epoch is that of the clips; images begin
    anew, or go on in the next epoch, as there are fewer or more of them.

    Args:
        videos ([`ClipRows`] or [`MixedRows`]): Clips.
        images ([`ClipRows`] or [`MixedRows`]): Images.

    Example:

    ```python
    >>> rows = CoTrainingRows(ClipRows([{"video": "a.mp4"}, {"video": "b.mp4"}]), ClipRows([{"image": "c.jpg"}]))
    >>> rows[1]["video"]["video"], rows[1]["image"]["image"]
    ('b.mp4', 'c.jpg')

    ```
    """

    def __init__(self, videos: ClipRows | MixedRows, images: ClipRows | MixedRows):
        self.videos = videos
        self.images = images
        self.num_taken_before = 0

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        image = (self.num_taken_before + index) % len(self.images)
        return {"video": self.videos[index], "image": self.images[image]}

    def set_epoch(self, epoch: int):
        """Draw anew, and go on to the images that are left."""
        self.videos.set_epoch(epoch)
        self.images.set_epoch(epoch)
        self.num_taken_before = epoch * len(self.videos)


__all__ = ["CoTrainingRows", "MixedRows"]
