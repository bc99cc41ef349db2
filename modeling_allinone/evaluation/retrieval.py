# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Text-video search in two stages: texts and clips are compared by features, which are computed once for each; then the
best few are read together, pair by pair, and put in a finer order.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from torch.utils.data import Subset

from ..data.video_dataset import VideoDataset
from ..data.video_loading import VideoLoader
from ..models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from ..models.processing_allinone import AllInOneProcessor
from .embedding import Rows, embed_clips, embed_texts, score_candidates

if TYPE_CHECKING:
    import evaluate

# What the lowest of the re-ranked scores of a query becomes: above every cosine.
_ABOVE_SIMILARITIES = 2.0


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

    def best_clips(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The best clips of each text, and their scores, two arrays of shape `(texts, clips)`."""
        scores = self.similarities if self.text_to_video is None else self.text_to_video
        best = scores.topk(min(number, scores.shape[1]), dim=1)
        return best.indices.cpu().numpy(), best.values.float().cpu().numpy()


def rank(
    model: AllInOneForVideoTextRetrieval,
    reader: VideoLoader,
    clips: Rows,
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
    The texts to choose from in rows with `options`, each of which is read after the row's `question`, if it has one.

    Args:
        rows (sequence of mappings): Rows with `options`, and perhaps `question`.

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
        asked, options = row.get("question"), list(row["options"])
        texts += options if asked is None else cast(list, AllInOneProcessor.apply_choice_template(asked, options))
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
    scores = score_choices(model, reader, rows, texts, candidates, score_by, batch_size, num_workers)
    return measure_choices(scores, rows.rows["label"], metric)


def score_choices(
    model: AllInOneForVideoTextRetrieval,
    reader: VideoLoader,
    rows: VideoDataset,
    texts: Sequence[str],
    candidates: Sequence[Sequence[int]],
    score_by: str = "pairs",
    batch_size: int = 32,
    num_workers: int = 0,
) -> list[torch.Tensor]:
    """
    The scores of the candidates of each row, which [`evaluate_choice`] measures; its arguments.

    Returns:
        `list` of `torch.FloatTensor` of shape `(candidates,)`: Logits; -inf where the clip could not be read.
    """
    if score_by != "pairs":
        text_features = embed_texts(model, reader.processor, texts)
        features, is_readable = embed_clips(model, reader, rows, batch_size, num_workers)
        temperature = model.config.contrastive_temperature
        return [
            text_features[chosen] @ clip / temperature if keep else torch.full((len(chosen),), -torch.inf)
            for chosen, clip, keep in zip(candidates, features, is_readable, strict=True)
        ]
    return score_candidates(model, reader, rows, texts, candidates, batch_size, num_workers)


def measure_choices(
    scores: Sequence[torch.Tensor], labels: Sequence[int], metric: "evaluate.EvaluationModule"
) -> dict[str, float]:
    """
    The figures of scores that [`score_choices`] returned.

    Args:
        scores (sequence of `torch.FloatTensor`): Of the candidates of each row.
        labels (sequence of `int`): Which candidate of each row is right.
        metric (`evaluate.EvaluationModule`): As in [`evaluate_choice`].

    Returns:
        `dict` of `str` to `float`
    """
    labels = [label if (of_clip > -torch.inf).any() else -100 for of_clip, label in zip(scores, labels, strict=True)]
    return metric.compute(predictions=[of_clip.tolist() for of_clip in scores], references=labels)


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
    return measure_ranking(rank_rows(model, reader, rows, top_k, batch_size, num_workers), rows, metric)


def rank_rows(
    model: AllInOneForVideoTextRetrieval,
    reader: VideoLoader,
    rows: VideoDataset,
    top_k: int = 20,
    batch_size: int = 32,
    num_workers: int = 0,
) -> Ranking:
    """Score the captions of rows with their clips, each once, in the order of [`collect_captions`]; as [`rank`]."""
    texts, places, _ = collect_captions(rows.rows)
    shown = Subset(rows, places[:1] if rows.is_blank else places)
    return rank(model, reader, shown, texts, top_k, batch_size, num_workers)


def measure_ranking(ranking: Ranking, rows: VideoDataset, metric: "evaluate.EvaluationModule") -> dict[str, float]:
    """The figures of [`evaluate_retrieval`] from what [`rank_rows`] returned."""
    texts, places, relevance = collect_captions(rows.rows)

    def compute(scores: torch.Tensor) -> dict[str, float]:
        return metric.compute(
            predictions=scores.expand(-1, len(places)).tolist(),
            references=list(range(len(texts))),
            relevance=relevance,
            text_to_video_ties="pessimistic",
            video_to_text_ties="pessimistic",
        )

    figures = compute(ranking.similarities)
    if ranking.text_to_video is None or ranking.video_to_text is None:
        return figures
    of_texts, of_clips = compute(ranking.text_to_video), compute(ranking.video_to_text)
    both: dict[str, float] = {}
    for name, value in figures.items():
        reranked = of_texts if name.startswith("text_to_video") else of_clips
        both |= {name: value, f"reranked_{name}": reranked[name]}
    return both


__all__ = [
    "CaptionedClips",
    "Ranking",
    "collect_captions",
    "combine",
    "evaluate_choice",
    "evaluate_retrieval",
    "list_options",
    "measure_choices",
    "measure_ranking",
    "rank",
    "rank_rows",
    "rerank",
    "score_choices",
]
