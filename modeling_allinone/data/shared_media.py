# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Videos and images that two splits of a run share, so that what a model learns from one it knows of the other."""

import os
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from transformers.utils import logging

from ..datasets import summarize
from ..datasets.common_rows import MEDIA_COLUMNS

if TYPE_CHECKING:
    import datasets

logger = logging.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class LoadedSplit:
    """
    A split that a run has loaded.

    Args:
        rows (`datasets.Dataset`): All its rows, as [`load_annotations`] returns them.
        root (`str` or `os.PathLike`): Folder of its annotations.
    """

    rows: "datasets.Dataset"
    root: str | os.PathLike

    def __str__(self) -> str:
        summary = summarize(self.rows)
        return f"{summary.split} split of {summary.name}"

    @property
    def _source(self) -> tuple[str, Path]:
        return summarize(self.rows).name, Path(self.root).resolve()

    @cached_property
    def _places(self) -> set[str]:
        """Files and folders of all videos and images, links to their folders followed."""
        resolve = cache(os.path.realpath)
        columns = (self.rows[name] for name in MEDIA_COLUMNS if name in self.rows.column_names)
        values = (value if isinstance(value, list) else [value] for value in chain.from_iterable(columns) if value)
        split = map(os.path.split, set(chain.from_iterable(values)))
        return {os.path.join(resolve(folder), name) for folder, name in split}

    def find_shared(self, other: "LoadedSplit") -> list[str]:
        """
        Videos and images that another split has too: within one data set by its own names of them, else by path.

        Args:
            other ([`LoadedSplit`]): None are shared with the same split, read for another task.

        Returns:
            `list` of `str`: Names or paths, in the order of the alphabet.
        """
        shared: set[str] = set()
        if self._source == other._source:
            if str(self) == str(other):
                return []
            shared = {*self.rows.unique("video_id")} & {*other.rows.unique("video_id")} - {None}
        return sorted(shared or self._places & other._places)


def warn_of_shared_media(split: LoadedSplit, others: list[LoadedSplit], num_names: int = 3):
    """
    Warn of videos and images that a split shares with others, with their number and the names of a few.

    Args:
        split ([`LoadedSplit`])
        others (`list` of [`LoadedSplit`]): Loaded before.
        num_names (`int`, defaults to 3): How many are named.
    """
    for other in others:
        if shared := split.find_shared(other):
            which = "such as" if len(shared) > num_names else "namely"
            logger.warning(
                f"The {other} and the {split} share {len(shared)} videos or images, {which} "
                f"{', '.join(shared[:num_names])}: what is learned from one, or selected on it, is no news in the "
                "other. Take splits that share none."
            )
