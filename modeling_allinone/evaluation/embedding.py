# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What a retrieval model makes of texts, of clips, and of pairs of them.

Features are in float32 on the CPU, and of unit length; those of a clip with several views are the mean over them, so
that a product with a text's features is the mean of the cosines. Where a process group is initialised, its processes
share the work, each row once, and all get all results, in the order of the rows.

D is the width of the common space.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers.feature_extraction_utils import BatchFeature
from transformers.utils import logging

from ..data.video_loading import VideoLoader
from ..models.answers_allinone import project_clips, project_texts, with_views
from ..models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from ..models.processing_allinone import AllInOneProcessor


class Rows(Protocol):
    """Rows by number, such as a [`VideoDataset`], a `datasets.Dataset` or a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Any: ...


def embed_texts(
    model: AllInOneForVideoTextRetrieval,
    processor: AllInOneProcessor,
    texts: Sequence[str],
    batch_size: int = 256,
    show_progress: bool | None = None,
) -> torch.Tensor:
    """
    Features of texts.

    Args:
        model ([`AllInOneForVideoTextRetrieval`]): With projections.
        processor ([`AllInOneProcessor`])
        texts (sequence of `str`)
        batch_size (`int`, defaults to 256): Texts read at a time.
        show_progress (`bool`, *optional*): Whether there is a progress bar; by default, on a terminal.

    Returns:
        `torch.FloatTensor` of shape `(texts, D)`
    """

    def embed(places: list[int], batch: list[str]) -> torch.Tensor:
        return project_texts(model, processor, batch)

    nothing = torch.empty(0, _width(model))
    return torch.cat([nothing, *_map_rows(model, embed, texts, list, batch_size, show_progress=show_progress)])


def embed_clips(
    model: AllInOneForVideoTextRetrieval,
    reader: VideoLoader,
    clips: Rows,
    batch_size: int = 32,
    num_workers: int = 0,
    show_progress: bool | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Features of clips.

    Args:
        model ([`AllInOneForVideoTextRetrieval`]): With projections.
        reader ([`VideoLoader`]): Reads them; its `video_options` may ask for several views, such as `{"num_views": 3,
            "frame_sampling": "random"}`, which are three draws of frames.
        clips (sequence of mappings): Rows with `video` or `image`.
        batch_size (`int`, defaults to 32): Clips read at a time.
        num_workers (`int`, defaults to 0): Processes that read clips; 0 is this one.
        show_progress (`bool`, *optional*): Whether there is a progress bar; by default, on a terminal.

    Returns:
        `torch.FloatTensor` of shape `(clips, D)`, and a `torch.BoolTensor` of shape `(clips,)`: which could be read.
    """

    def embed(places: list[int], batch: tuple[dict[str, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        features, is_readable = project_clips(model, batch[0]), batch[1].to(model.device)
        return torch.cat([features, is_readable[:, None]], dim=1)

    nothing = torch.empty(0, _width(model) + 1)
    parts = _map_rows(model, embed, clips, reader, batch_size, num_workers, show_progress=show_progress)
    features = torch.cat([nothing, *parts])
    return features[:, :-1], features[:, -1].bool()


def score_candidates(
    model: AllInOneForVideoTextRetrieval,
    reader: VideoLoader,
    clips: Rows,
    texts: Sequence[str],
    candidates: Sequence[Sequence[int]],
    batch_size: int = 32,
    num_workers: int = 0,
) -> list[torch.Tensor]:
    """
    Read clips together with texts, each pair on its own.

    Args:
        model ([`AllInOneForVideoTextRetrieval`]): With a scorer.
        reader ([`VideoLoader`]): Reads the clips; scores are averaged over their views.
        clips (sequence of mappings): Rows with `video` or `image`.
        texts (sequence of `str`)
        candidates (sequence of sequences of `int`): For each clip, which of the texts to score it with.
        batch_size (`int`, defaults to 32): Clips read, and pairs scored, at a time.
        num_workers (`int`, defaults to 0): Processes that read clips; 0 is this one.

    Returns:
        `list` of `torch.FloatTensor` of shape `(candidates of the clip,)`: For each clip, the scores of its texts, the
        higher the better; -inf if the clip could not be read.

    Raises:
        ValueError: If there are not as many lists of candidates as clips.
    """
    if len(clips) != len(candidates):
        raise ValueError(f"There are {len(clips)} clips but {len(candidates)} lists of candidates; give one for each.")

    def score(places: list[int], batch: tuple[dict[str, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        clips, scores = with_views(batch[0]), [torch.empty(0)]
        for number, (place, is_readable) in enumerate(zip(places, batch[1], strict=True)):
            chosen = [texts[index] for index in candidates[place]]
            if not is_readable:
                scores.append(torch.full((len(chosen),), -torch.inf))
                continue
            views = BatchFeature({name: values[number] for name, values in clips.items()})
            views = views.to(model.device, model.dtype)
            num_views = len(views["pixel_values"])
            texts_at_once = max(batch_size // num_views, 1)
            for start in range(0, len(chosen), texts_at_once):
                pairs = reader.processor(text=[chosen[start : start + texts_at_once]] * num_views).to(model.device)
                scores.append(model.score_pairs(**pairs, **views).float().mean(dim=0).cpu())
        return torch.cat(scores)

    return _map_rows(model, score, clips, reader, batch_size, num_workers, list(map(len, candidates)))


def _width(model: AllInOneForVideoTextRetrieval) -> int:
    """Width of the common space; raises a `ValueError` if there is none."""
    if model.config.projection_dim is None:
        raise ValueError(
            "This model has no features to compare, since projection_dim is None; take one with projections."
        )
    return model.config.projection_dim


def _map_rows(
    model: nn.Module,
    compute: Callable[[list[int], Any], torch.Tensor],
    rows: Rows,
    collate: Callable[[list], Any],
    batch_size: int,
    num_workers: int = 0,
    lengths: Sequence[int] | None = None,
    show_progress: bool | None = None,
) -> list[torch.Tensor]:
    """
    What `compute` makes of each row, of places and collated rows of a batch at a time: one of the rows of what it
    returns, or as many as `lengths` says. Process p of n computes the rows p, p + n, p + 2n and so on.
    """
    process, num_processes = rank_and_world_size()
    places = range(process, len(rows), num_processes)
    batches = iterate_batches(
        rows, places, collate, batch_size, num_workers, "retrieval", show_progress if process == 0 else False
    )
    with evaluating(model), torch.no_grad():
        mine = torch.cat([torch.empty(0), *(compute(*batch).cpu() for batch in batches)])
    shares: list[Any] = [mine] * num_processes
    if num_processes > 1:
        torch.distributed.all_gather_object(shares, mine)
    lengths = [1] * len(rows) if lengths is None else lengths
    results: list[Any] = [None] * len(rows)
    for place, share in enumerate(shares):
        results[place::num_processes] = share.split(lengths[place::num_processes])
    return results


def rank_and_world_size() -> tuple[int, int]:
    """
    Which process this is, of how many that share the work.

    Returns:
        `tuple[int, int]`: Those of the process group; 0 of 1 where none is initialised.
    """
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def iterate_batches(
    rows: Rows,
    places: Sequence[int],
    collate: Callable[[list], Any],
    batch_size: int,
    num_workers: int,
    description: str,
    show_progress: bool | None = None,
) -> Iterator[tuple[list[int], Any]]:
    """
    Read rows in batches, in the workers of a data loader.

    Args:
        rows (sequence): Rows by number.
        places (sequence of `int`): Which of them to read, in this order.
        collate (`Callable[[list], Any]`): Makes a batch of rows; in a worker.
        batch_size (`int`): Rows of a batch; the first has a quarter of them where there are workers.
        num_workers (`int`): Processes that read; 0 is this one.
        description (`str`): What the progress bar says.
        show_progress (`bool`, *optional*): Whether there is a bar, of batches; by default, on a terminal.

    Returns:
        Iterator of `tuple`: Places of a batch, and what `collate` made of their rows.
    """
    # Nothing is computed while workers read the first batch, so that is a quarter as large.
    first = -(-batch_size // 4) if num_workers else batch_size
    borders = [0, *range(first, len(places), batch_size), len(places)]
    loader: DataLoader = DataLoader(
        places,  # type: ignore[arg-type]  # any sequence does
        batch_sampler=[list(range(start, stop)) for start, stop in pairwise(borders) if start < stop],
        collate_fn=partial(_collate, rows, collate),
        num_workers=num_workers,
    )
    # Of an iterator, since the bar takes one of a loader, too, and starts its workers twice; `disable=None` shows it
    # where there is a terminal.
    disable = None if show_progress is None else not show_progress
    return logging.tqdm(iter(loader), total=len(loader), desc=description, leave=False, disable=disable)


def _collate(rows: Rows, collate: Callable[[list], Any], places: list[int]) -> tuple[list[int], Any]:
    return places, collate([rows[place] for place in places])


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """
    Inside the block, a model computes without dropout; afterwards as before.

    Args:
        model (`nn.Module`)
    """
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


__all__ = [
    "Rows",
    "embed_clips",
    "embed_texts",
    "iterate_batches",
    "rank_and_world_size",
    "score_candidates",
]
