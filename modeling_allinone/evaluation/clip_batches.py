# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Rows in batches with their clips, read by workers, of which one may die of a clip."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import torch
from transformers.utils import logging

from ..data.video_loading import DeadWorkerError, VideoLoader, note_of
from ..data.workers import DeathNotices
from .embedding import Rows, iterate_batches

logger = logging.get_logger(__name__)

_NUM_DEATHS = 2  # of one clip, after which it is not read again: the first may have been of something else


@dataclass
class TolerantLoader(VideoLoader):
    """
    A [`VideoLoader`] that keeps why the clips of a batch could not be read, and does not touch those that workers died
    of.

    Args:
        deadly (`dict` of `str` to `str`): Why clips are not to be read, by what [`note_of`] calls them.
        reasons (`dict` of `str` to `str`): Why clips of the last batch could not be read.
    """

    deadly: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def __call__(self, rows: Sequence[dict]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """As [`VideoLoader`]."""
        self.reasons = {}
        return super().__call__(rows)

    def skip(self, row: dict, reason: str):
        """Keep the reason, too."""
        super().skip(row, reason)
        self.reasons[note_of(row)] = "".join(reason.splitlines()[:1])

    def _process(self, row: dict) -> dict[str, torch.Tensor]:
        if (reason := self.deadly.get(note_of(row))) is not None:
            raise DeadWorkerError(reason)
        return super()._process(row)


@dataclass
class Batch:
    """Rows; their clips, which of them could be read or why not, and for each row which is its own."""

    rows: Sequence[Mapping[str, Any]]
    clips: dict[str, torch.Tensor]
    is_readable: torch.Tensor
    reasons: dict[str, str]
    clip_of: list[int]


@dataclass
class BatchCollator:
    """Reads the clips of a batch, each once however many rows are about it."""

    reader: TolerantLoader

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Batch:
        places: dict[tuple, int] = {}
        clips: list[dict] = []
        for row in rows:
            if (name := _clip_name(row)) not in places:
                places[name] = len(clips)
                clips.append(dict(row))
        values, is_readable = self.reader(clips)
        return Batch(rows, values, is_readable, self.reader.reasons, [places[_clip_name(row)] for row in rows])


def _clip_name(row: Mapping[str, Any]) -> tuple:
    """What is the same for rows about the same clip."""
    source = row.get("video") if row.get("video") is not None else row.get("image")
    name = str(source) if isinstance(source, str | PathLike) else id(source)
    return name, *(row.get(column) for column in ("start", "end", "frame_rate", "fps"))


def for_each_batch(
    use: Callable[[list[int], Batch], None],
    rows: Rows,
    find_places: Callable[[], Sequence[int]],
    reader: TolerantLoader,
    batch_size: int,
    num_workers: int,
    show_progress: bool | None = None,
) -> float:
    """
    Read rows in batches, and go on with new workers where one died. If clips that cannot be read are to be skipped, a
    clip that two workers died of is one.

    Args:
        use (`Callable[[list[int], Batch], None]`): Takes the places of a batch and the batch.
        rows (sequence of mappings): Rows by number.
        find_places (`Callable[[], Sequence[int]]`): Which rows are still to be read; asked at the start, and after the
            death of a worker, which torch tells of by an error in the midst of anything, so also of `use`.
        reader ([`TolerantLoader`]): Reads the clips.
        batch_size (`int`): Rows of a batch.
        num_workers (`int`): Processes that read; 0 is this one, which does not outlive a deadly clip.
        show_progress (`bool`, *optional*): Whether there is a bar, of batches; by default, on a terminal.

    Returns:
        `float`: For how long batches were waited for, in seconds.

    Raises:
        DeadWorkerError: If clips are not to be skipped, or workers die of something else.
    """
    seconds, deaths = 0.0, Counter[str]()
    with DeathNotices() as notices:
        while places := find_places():
            workers = min(num_workers, -(-len(places) // batch_size))
            try:
                notices.are_heard = True
                started = time.perf_counter()
                for batch in iterate_batches(
                    rows, places, BatchCollator(reader), batch_size, workers, "answers", show_progress
                ):
                    seconds += time.perf_counter() - started
                    use(*batch)
                    started = time.perf_counter()
            except Exception as error:
                notices.are_heard = False
                if (dead := reader.explain_dead_worker(error)) is None:
                    raise
                signal_name = str(error).partition("by signal: ")[2].partition(".")[0]
                last_word = signal_name or "killed, or no memory, or a crash"
                rest = find_places()
                clips = dead.clips or (f"between two clips, {len(rest)} rows before the end",)
                deaths.update(clips)
                many = [clip for clip in clips if deaths[clip] >= _NUM_DEATHS]
                if reader.on_decode_error == "raise" or (many and not dead.clips):
                    raise dead from error
                reason = f"{_NUM_DEATHS} workers died while they read it ({last_word})"
                reader.deadly |= dict.fromkeys(many, reason)
                if rest:
                    logger.warning(f"A worker died ({last_word}) at {' or '.join(clips)}; others go on.")
    return seconds
