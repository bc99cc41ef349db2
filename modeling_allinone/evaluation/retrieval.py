# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Text-video search in two stages: texts and clips are compared by features, which are computed once for each; then the
best few are read together, pair by pair, and put in a finer order.

Features are in float32 on the CPU, and of unit length; those of a clip with several views are the mean over them, so
that a product with a text's features is the mean of the cosines. Where a process group is initialised, its processes
share the work, each row once, and all get all results, in the order of the rows.

D is the width of the common space.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset
from transformers.feature_extraction_utils import BatchFeature
from transformers.utils import logging

from ..data.video_dataset import VideoDataset
from ..data.video_loading import VideoLoader
from ..models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from ..models.processing_allinone import AllInOneProcessor

if TYPE_CHECKING:
    import evaluate

# What the lowest of the re-ranked scores of a query becomes: above every cosine.
_ABOVE_SIMILARITIES = 2.0


# ---------------------------------------------------------------------------------------------------------------------
# What a model makes of texts, of clips and of pairs
# ---------------------------------------------------------------------------------------------------------------------


def embed_texts(
    model: AllInOneForVideoTextRetrieval, processor: AllInOneProcessor, texts: Sequence[str], batch_size: int = 256
) -> torch.Tensor:
    """
    Features of texts.

    Args:
        model ([`AllInOneForVideoTextRetrieval`]): With projections.
        processor ([`AllInOneProcessor`])
        texts (sequence of `str`)
        batch_size (`int`, defaults to 256): Texts read at a time.

    Returns:
        `torch.FloatTensor` of shape `(texts, D)`
    """

    def embed(batch: list[str]) -> torch.Tensor:
        inputs = processor(text=batch).to(model.device)
        return nn.functional.normalize(model.get_text_features(**inputs).pooler_output.float(), dim=-1)

    return _map_rows(model, embed, list(texts), list, batch_size, 0, _width(model))


def embed_clips(
    model: AllInOneForVideoTextRetrieval,
    reader: VideoLoader,
    clips: Sequence[Mapping[str, Any]],
    batch_size: int = 32,
    num_workers: int = 0,
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

    Returns:
        `torch.FloatTensor` of shape `(clips, D)`, and a `torch.BoolTensor` of shape `(clips,)`: which could be read.
    """

    def embed(batch: tuple[dict[str, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        clips, is_readable = _views(batch[0]).to(model.device, model.dtype), batch[1].to(model.device)
        shape = clips["pixel_values"].shape[:2]
        features = model.get_video_features(**{name: values.flatten(0, 1) for name, values in clips.items()})
        features = nn.functional.normalize(features.pooler_output.float(), dim=-1).unflatten(0, shape).mean(dim=1)
        return torch.cat([features, is_readable[:, None]], dim=1)

    features = _map_rows(model, embed, clips, reader, batch_size, num_workers, _width(model) + 1)
    return features[:, :-1], features[:, -1].bool()


def score_candidates(
    model: AllInOneForVideoTextRetrieval,
    reader: VideoLoader,
    clips: Sequence[Mapping[str, Any]],
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

    def score(batch: tuple[dict[str, torch.Tensor], torch.Tensor, list[Sequence[int]]]) -> torch.Tensor:
        clips, scores = _views(batch[0]), []
        for place, (is_readable, chosen) in enumerate(zip(*batch[1:], strict=True)):
            views = BatchFeature({name: values[place] for name, values in clips.items()})
            of_clip = _score_pairs(model, reader.processor, views, [texts[index] for index in chosen], batch_size)
            scores.append(of_clip if is_readable else torch.full_like(of_clip, -torch.inf))
        return torch.cat(scores)

    rows = _ClipsWithCandidates(clips, candidates)
    collate = partial(_read_with_candidates, reader)
    shares = _read_share(model, score, rows, collate, batch_size, num_workers, torch.empty(0))
    scores: list[Any] = [None] * len(clips)
    for place, share in enumerate(shares):
        numbers = [len(chosen) for chosen in candidates[place :: len(shares)]]
        scores[place :: len(shares)] = share.split(numbers)
    return scores


@dataclass
class _ClipsWithCandidates(Dataset):
    clips: Sequence[Mapping[str, Any]]
    candidates: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[Mapping[str, Any], Sequence[int]]:
        return self.clips[index], self.candidates[index]


def _read_with_candidates(reader: VideoLoader, batch: list[tuple]) -> tuple[dict, torch.Tensor, list]:
    clips, candidates = zip(*batch, strict=True)
    return *reader(clips), list(candidates)


def _score_pairs(
    model: AllInOneForVideoTextRetrieval,
    processor: AllInOneProcessor,
    views: BatchFeature,
    texts: list[str],
    batch_size: int,
) -> torch.Tensor:
    """Scores (texts,) of one clip with its views (views, T, 3, H, W), a batch of pairs at a time."""
    num_views = len(views["pixel_values"])
    texts_at_once = max(batch_size // num_views, 1)
    views = views.to(model.device, model.dtype)
    scores = [torch.empty(0)]
    for start in range(0, len(texts), texts_at_once):
        inputs = processor(text=[texts[start : start + texts_at_once]] * num_views).to(model.device)
        scores += [model.score_pairs(**inputs, **views).float().mean(dim=0).cpu()]
    return torch.cat(scores)


def _width(model: AllInOneForVideoTextRetrieval) -> int:
    """Width of the common space; raises a `ValueError` if there is none."""
    if model.config.projection_dim is None:
        raise ValueError(
            "This model has no features to compare, since projection_dim is None; take one with projections."
        )
    return model.config.projection_dim


def _views(clips: dict[str, torch.Tensor]) -> BatchFeature:
    """Clips with their views, (B, views, T, 3, H, W), and perhaps the masks of these (B, views, H, W)."""
    has_views = clips["pixel_values"].ndim == 6
    return BatchFeature(clips if has_views else {name: values[:, None] for name, values in clips.items()})


def _map_rows(
    model: nn.Module,
    compute: Callable,
    rows: Sequence,
    collate: Callable,
    batch_size: int,
    num_workers: int,
    width: int,
) -> torch.Tensor:
    """What `compute` makes of the batches of rows, (rows, width)."""
    shares = _read_share(model, compute, rows, collate, batch_size, num_workers, torch.empty(0, width))
    whole = torch.empty(len(rows), width)
    for place, share in enumerate(shares):
        whole[place :: len(shares)] = share
    return whole


def _read_share(
    model: nn.Module,
    compute: Callable,
    rows: Sequence,
    collate: Callable,
    batch_size: int,
    num_workers: int,
    nothing: torch.Tensor,
) -> list[torch.Tensor]:
    """
    What `compute` makes of the batches of each process, joined: process p of n has the rows p, p + n, p + 2n and so
    on. Without rows it has `nothing`.
    """
    process, num_processes = _process_group()
    share = Subset(rows, range(process, len(rows), num_processes))
    loader = DataLoader(share, batch_size, collate_fn=collate, num_workers=num_workers)
    with _evaluating(model):
        # Of an iterator, since the bar takes one of a loader, too, and starts its workers twice; `disable=None` shows
        # it where there is a terminal.
        bar = {"total": len(loader), "leave": False, "disable": None if process == 0 else True}
        batches = logging.tqdm(iter(loader), desc="retrieval", **bar)
        mine = torch.cat([nothing, *(compute(batch).cpu() for batch in batches)])
    if num_processes == 1:
        return [mine]
    shares: list[Any] = [None] * num_processes
    torch.distributed.all_gather_object(shares, mine)
    return shares


def _process_group() -> tuple[int, int]:
    """Number of this process, and how many there are."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


# ---------------------------------------------------------------------------------------------------------------------
# Two stages
# ---------------------------------------------------------------------------------------------------------------------


class Ranking(NamedTuple):
    """
    Scores of every text with every clip, the higher the better.

    Args:
        similarities (`torch.FloatTensor` of shape `(texts, clips)`): Cosines of features; -inf for clips that could
            not be read.
        text_to_video (`torch.FloatTensor` of shape `(texts, clips)`, *optional*): Re-ranked for each text.
        video_to_text (`torch.FloatTensor` of shape `(texts, clips)`, *optional*): Re-ranked for each clip.
    """

    similarities: torch.Tensor
    text_to_video: torch.Tensor | None = None
    video_to_text: torch.Tensor | None = None


def rank(
    model: AllInOneForVideoTextRetrieval,
    reader: VideoLoader,
    clips: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    top_k: int = 20,
    batch_size: int = 32,
    num_workers: int = 0,
) -> Ranking:
    """
    Compare all texts with all clips, and re-rank the best clips of each text and the best texts of each clip.

    Args:
        model ([`AllInOneForVideoTextRetrieval`]): With projections.
        reader ([`VideoLoader`]): Reads the clips.
        clips (sequence of mappings): Rows with `video` or `image`.
        texts (sequence of `str`)
        top_k (`int`, defaults to 20): How many to re-rank, see [`rerank`]; 0 for none. Without a scorer, none are.
        batch_size (`int`, defaults to 32): Clips read, and pairs scored, at a time.
        num_workers (`int`, defaults to 0): Processes that read clips; 0 is this one.

    Returns:
        [`Ranking`]

    Raises:
        ValueError: If there are no clips or no texts.
    """
    if not len(clips) or not len(texts):
        raise ValueError(f"There are {len(texts)} texts and {len(clips)} clips; expected at least one of each.")
    clip_features, is_readable = embed_clips(model, reader, clips, batch_size, num_workers)
    similarities = embed_texts(model, reader.processor, texts) @ clip_features.T
    similarities[:, ~is_readable] = -torch.inf
    if top_k == 0 or model.scorer is None:
        return Ranking(similarities)

    is_scored = _best(similarities, top_k) | _best(similarities.T, top_k).T
    candidates = [column.nonzero()[:, 0].tolist() for column in is_scored.T]
    scores = score_candidates(model, reader, clips, texts, candidates, batch_size, num_workers)
    finer = torch.full_like(similarities, -torch.inf)
    for column, (chosen, of_clip) in enumerate(zip(candidates, scores, strict=True)):
        finer[chosen, column] = combine(similarities[chosen, column], of_clip, model.config.contrastive_temperature)
    return Ranking(similarities, rerank(similarities, finer, top_k), rerank(similarities.T, finer.T, top_k).T)


def combine(similarities: torch.Tensor, pair_scores: torch.Tensor, temperature: float) -> torch.Tensor:
    """
    The score by which the best are re-ranked: the logit of the contrastive loss plus that of the ranking loss.

    With wrong texts that are drawn as often as the features take them for right, what a scorer learns is how much more
    likely a text is than the features say, and the sum is how likely it is.

    Args:
        similarities (`torch.Tensor`): Cosines of text and clip.
        pair_scores (`torch.Tensor`): Scores of the same pairs.
        temperature (`float`): `contrastive_temperature` of the model.

    Returns:
        `torch.Tensor`
    """
    return similarities / temperature + pair_scores


def rerank(similarities: torch.Tensor, finer: torch.Tensor, top_k: int = 20) -> torch.Tensor:
    """
    Put the best candidates of each query in the order of finer scores. They stay above all others, whose order does
    not change.

    Args:
        similarities (`torch.Tensor` of shape `(queries, candidates)`): Cosines; -inf is never among the best.
        finer (`torch.Tensor` of shape `(queries, candidates)`): Scores, read for the best alone; see [`combine`].
        top_k (`int`, defaults to 20): How many are best.

    Returns:
        `torch.Tensor` of shape `(queries, candidates)`: Of the best, finer scores, moved so that the lowest of a query
        is 2, above every cosine; of the others, cosines.

    Example:

    ```python
    >>> rerank(torch.tensor([[0.9, 0.8, 0.1]]), torch.tensor([[-5.0, 3.0, 9.0]]), top_k=2)
    tensor([[ 2.0000, 10.0000,  0.1000]])

    ```
    """
    is_best = _best(similarities, top_k)
    is_scored = is_best & (finer > -torch.inf)
    lowest = finer.masked_fill(~is_scored, torch.inf).amin(dim=1, keepdim=True)
    return torch.where(is_best, finer - lowest + _ABOVE_SIMILARITIES, similarities)


def _best(similarities: torch.Tensor, top_k: int) -> torch.Tensor:
    """Whether a candidate is among the best of its query, (queries, candidates)."""
    best = similarities.topk(min(top_k, similarities.shape[1]), dim=1).indices
    return torch.zeros_like(similarities, dtype=torch.bool).scatter_(1, best, True) & (similarities > -torch.inf)


# ---------------------------------------------------------------------------------------------------------------------
# Evaluation on the rows of a data set
# ---------------------------------------------------------------------------------------------------------------------


class CaptionedClips(NamedTuple):
    """
    Texts and clips of some rows, each once, and which belong together.

    Args:
        texts (`list` of `str`): Captions; equal ones are one text.
        clips (`list` of `int`): For each clip, the first of its rows.
        relevance (`dict` of `int` to `list` of `int`): The clips of every text.
    """

    texts: list[str]
    clips: list[int]
    relevance: dict[int, list[int]]


def collect_captions(rows: Sequence[Mapping[str, Any]]) -> CaptionedClips:
    """
    What there is to find in rows with `caption` or `captions`: several rows may have the same clip, and several clips
    the same caption, to which then all of them are right. Captions are the same if only case or spaces differ.

    Args:
        rows (sequence of mappings): Rows with `video` or `image`, and perhaps `start` and `end`.

    Returns:
        [`CaptionedClips`]

    Raises:
        ValueError: If a row has no caption.

    Example:

    ```python
    >>> rows = [
    ...     {"video": "a.mp4", "captions": ["a cat", "a pet"]},
    ...     {"video": "b.mp4", "caption": "a pet"},
    ...     {"video": "a.mp4", "caption": "it sleeps"},
    ... ]
    >>> collect_captions(rows)
    CaptionedClips(texts=['a cat', 'a pet', 'it sleeps'], clips=[0, 1], relevance={0: [0], 1: [0, 1], 2: [0]})

    ```
    """
    texts: dict[str, tuple[int, str]] = {}
    clips: dict[tuple, tuple[int, int]] = {}
    relevance: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        captions = row.get("captions") or [row.get("caption")]
        if None in captions:
            raise ValueError(f"Row {number} ({row.get('sample_id')}) has no caption to find its clip by.")
        name = tuple(row.get(field) for field in ("video", "image", "start", "end"))
        clip, _ = clips.setdefault(name, (len(clips), number))
        for caption in captions:
            text, _ = texts.setdefault(" ".join(caption.split()).casefold(), (len(texts), caption))
            of_text = relevance.setdefault(text, [])
            if clip not in of_text:
                of_text.append(clip)
    return CaptionedClips(
        [caption for _, caption in texts.values()], [number for _, number in clips.values()], relevance
    )


def list_options(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[int]]]:
    """
    The texts to choose from in rows with `options`.

    Args:
        rows (sequence of mappings): Rows with `options`.

    Returns:
        `list` of `str`: The options of all rows, one after the other. `list` of `list` of `int`: Which of them are
        those of each row.

    Raises:
        ValueError: If a row has no options.

    Example:

    ```python
    >>> list_options([{"options": ["a cat", "a dog"]}, {"options": ["it runs", "it sits"]}])
    (['a cat', 'a dog', 'it runs', 'it sits'], [[0, 1], [2, 3]])

    ```
    """
    texts: list[str] = []
    candidates: list[list[int]] = []
    for row in rows:
        if not row.get("options"):
            raise ValueError("The rows have no options to choose from; take a data set of multiple choice.")
        candidates.append(list(range(len(texts), len(texts) + len(row["options"]))))
        texts += row["options"]
    return texts, candidates


def evaluate_choice(
    model: AllInOneForVideoTextRetrieval,
    reader: VideoLoader,
    rows: VideoDataset,
    texts: Sequence[str],
    candidates: Sequence[Sequence[int]],
    metric: "evaluate.EvaluationModule",
    score_by: str = "pairs",
    batch_size: int = 32,
    num_workers: int = 0,
) -> dict[str, float]:
    """
    Choose the text of a clip among a few.

    Args:
        model ([`AllInOneForVideoTextRetrieval`]): With a scorer, or with projections, as `score_by` says.
        reader ([`VideoLoader`]): Reads the clips.
        rows ([`VideoDataset`]): Rows with a `label`: which of its candidates is right.
        texts (sequence of `str`)
        candidates (sequence of sequences of `int`): For each row, which of the texts to choose from, see
            [`list_options`].
        metric (`evaluate.EvaluationModule`): One that takes the scores of the candidates, such as
            `multiple_choice_accuracy`.
        score_by (`str`, defaults to `"pairs"`): `"pairs"` reads text and clip together; `"features"` compares what is
            made of each alone.
        batch_size, num_workers: As in [`rank`].

    Returns:
        `dict` of `str` to `float`: The metric's figures. Clips that could not be read count as wrong.
    """
    if score_by == "pairs":
        scores = score_candidates(model, reader, rows, texts, candidates, batch_size, num_workers)
    else:
        scores = _compare_candidates(model, reader, rows, texts, candidates, batch_size, num_workers)
    labels = [
        -100 if bool((of_clip == -torch.inf).all()) else label
        for of_clip, label in zip(scores, rows.rows["label"], strict=True)
    ]
    return metric.compute(predictions=[of_clip.tolist() for of_clip in scores], references=labels)


def _compare_candidates(
    model: AllInOneForVideoTextRetrieval,
    reader: VideoLoader,
    clips: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    candidates: Sequence[Sequence[int]],
    batch_size: int,
    num_workers: int,
) -> list[torch.Tensor]:
    """As [`score_candidates`], by features."""
    text_features = embed_texts(model, reader.processor, texts)
    clip_features, is_readable = embed_clips(model, reader, clips, batch_size, num_workers)
    scores = [text_features[chosen] @ clip for chosen, clip in zip(candidates, clip_features, strict=True)]
    return [
        of_clip if keep else torch.full_like(of_clip, -torch.inf)
        for of_clip, keep in zip(scores, is_readable, strict=True)
    ]


def evaluate_retrieval(
    model: AllInOneForVideoTextRetrieval,
    reader: VideoLoader,
    rows: VideoDataset,
    metric: "evaluate.EvaluationModule",
    top_k: int = 20,
    batch_size: int = 32,
    num_workers: int = 0,
) -> dict[str, float]:
    """
    Find the clips of captions and the captions of clips.

    Args:
        model ([`AllInOneForVideoTextRetrieval`]): With projections.
        reader ([`VideoLoader`]): Reads the clips.
        rows ([`VideoDataset`]): Rows with captions, see [`collect_captions`]. Where they are blank, one clip stands
            for all, as they look alike.
        metric (`evaluate.EvaluationModule`): `video_text_retrieval`.
        top_k, batch_size, num_workers: As in [`rank`].

    Returns:
        `dict` of `str` to `float`: The metric's figures; with a scorer and `top_k` above 0, those of the re-ranked
        candidates follow each, under the same name after `reranked_`. A tie counts as lost: clips that could not be
        read, or that look alike, earn nothing.
    """
    texts, places, relevance = collect_captions(rows.rows)
    shown = Subset(rows, places[:1] if rows.is_blank else places)
    ranking = rank(model, reader, shown, texts, top_k, batch_size, num_workers)

    def compute(scores: torch.Tensor) -> dict[str, float]:
        return metric.compute(
            predictions=scores.expand(-1, len(places)).tolist(),
            references=list(range(len(texts))),
            relevance=relevance,
            text_to_video_ties="pessimistic",
            video_to_text_ties="pessimistic",
        )

    figures = compute(ranking.similarities)
    if ranking.text_to_video is None:
        return figures
    reranked = {
        direction: compute(scores)
        for direction, scores in (("text_to_video", ranking.text_to_video), ("video_to_text", ranking.video_to_text))
    }
    both = {}
    for name, value in figures.items():
        direction = next(direction for direction in reranked if name.startswith(direction))
        both |= {name: value, f"reranked_{name}": reranked[direction][name]}
    return both


__all__ = [
    "CaptionedClips",
    "Ranking",
    "collect_captions",
    "combine",
    "embed_clips",
    "embed_texts",
    "evaluate_choice",
    "evaluate_retrieval",
    "list_options",
    "rank",
    "rerank",
    "score_candidates",
]
