# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Recall and ranks of text-video retrieval, in both directions."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from datasets import Features, List, Value

from modeling_allinone.metrics.task_metric import TaskMetric

_CUTOFFS = (1, 5, 10, 50)
_TIE_RULES = ("optimistic", "average", "pessimistic")


def _check_unique(name: str, ids: list, remedy: str) -> None:
    """Refuse ids that are there more than once."""
    if twice := [identifier for identifier, count in Counter(ids).items() if count > 1]:
        raise ValueError(f"{name} has {twice[0]!r} more than once; {remedy}.")


def _as_matrix(rows: list[list[float]], text_ids: list, video_ids: list) -> np.ndarray:
    """Stacks the scores of the texts, checked."""
    for text_id, row in zip(text_ids, rows, strict=True):
        if row is None or len(row) != len(video_ids):
            raise ValueError(
                f"The text {text_id!r} has {len(row or ())} scores but there are {len(video_ids)} videos; give every "
                f"text one score for each video."
            )
    scores = np.array(rows, dtype=np.float64)
    if np.isnan(scores).any():
        text, video = np.argwhere(np.isnan(scores))[0]
        raise ValueError(
            f"The score of text {text_ids[text]!r} and video {video_ids[video]!r} is NaN; check the model."
        )
    return scores


def _relevance_matrix(relevance: Mapping | None, text_ids: list, video_ids: list) -> np.ndarray:
    """Says for every text and video whether they belong together, from the checked map."""
    if not isinstance(relevance, Mapping):
        raise ValueError(f"relevance is {type(relevance).__name__}; pass a dict of text id to list of video ids.")
    if missing := [text_id for text_id in text_ids if text_id not in relevance]:
        raise ValueError(
            f"relevance lacks {len(missing)} of the {len(text_ids)} texts, such as {missing[0]!r}; give every text a "
            f"list of video ids, an empty one if nothing is relevant to it, under ids of the same type."
        )
    if unscored := set(relevance).difference(text_ids):
        raise ValueError(
            f"relevance names {len(unscored)} texts that have no scores, such as {next(iter(unscored))!r}; add the "
            f"rows of all texts, or pass the relevance of the scored ones alone."
        )
    column_of = {video_id: column for column, video_id in enumerate(video_ids)}
    is_relevant = np.zeros((len(text_ids), len(video_ids)), dtype=bool)
    for row, text_id in enumerate(text_ids):
        if isinstance(relevance[text_id], str) or not hasattr(relevance[text_id], "__iter__"):
            raise ValueError(f"relevance[{text_id!r}] is {relevance[text_id]!r}; give a list of video ids.")
        for video_id in relevance[text_id]:
            if video_id not in column_of:
                raise ValueError(
                    f"relevance[{text_id!r}] names the video {video_id!r}, which is none of the {len(video_ids)} "
                    f"scored ones, such as {video_ids[0]!r}; pass video_ids in the order of the columns."
                )
            is_relevant[row, column_of[video_id]] = True
    if not is_relevant.any():
        raise ValueError("relevance names no video for any text, so there is nothing to find; fill its lists.")
    return is_relevant


def _first_and_last_ranks(scores: np.ndarray, is_relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last place that the best relevant candidate of each query (row) shares with its equals."""
    is_query = is_relevant.any(axis=1)
    scores, is_relevant = scores[is_query], is_relevant[is_query]
    best = np.where(is_relevant, scores, -np.inf).max(axis=1, keepdims=True)
    return 1 + (scores > best).sum(axis=1), (scores >= best).sum(axis=1)


def _summarize(first: np.ndarray, last: np.ndarray, ties: str) -> dict:
    """Figures of one direction, from the first and last rank that each query may have."""
    ranks = {"optimistic": first, "average": (first + last) / 2, "pessimistic": last}[ties]
    # Only averaged ranks have halves: one within the K-th place counts, except that the first place is not shared.
    recalls = {k: float(np.mean(ranks < k + 1 if k > 1 else ranks == 1)) for k in _CUTOFFS}
    return {
        **{f"recall_at_{k}": recall for k, recall in recalls.items()},
        "geometric_mean_recall": float(np.prod([recalls[k] for k in (1, 5, 10)]) ** (1 / 3)),
        "median_rank": float(np.median(ranks)),
        "mean_rank": float(np.mean(ranks)),
        "num_queries": len(ranks),
        "num_ties": int((first != last).sum()),
    }


class VideoTextRetrieval(TaskMetric):
    """Text-video retrieval in both directions. `text_to_video`: each text ranks all videos; `video_to_text`: each
    video ranks all texts. A text may describe several videos and a video may have several texts: the relevance map
    says which.

    The rank of a query is that of its best relevant candidate, from 1, among all candidates. R@K is the share of
    queries whose rank is at most K. A text or video to which nothing is relevant is no query, only a candidate of the
    others.

    Ties: equal scores share places, also those of two relevant candidates. `"optimistic"` gives a query the first of
    the places that its best relevant candidate shares, `"average"` their mean, `"pessimistic"` the last. The defaults
    are those of the original All-in-one, so that results compare with its figures: optimistic for texts, average for
    videos. An averaged rank may end in a half; as in the original, 10.5 counts for R@10, but 1.5 does not count for
    R@1. With optimistic ties a model that scores all candidates alike looks perfect, so look at `num_ties`, and choose
    `"average"` or `"pessimistic"` where it is not small, as with scores in half precision.

    Args:
        predictions (array of shape `(texts, videos)`, or `list` of `list` of `float`): One row for each text: its
            scores with all videos, the higher the better, in the order of `video_ids`. Infinite scores are allowed,
            NaN is not.
        references (`list` of `int` or `str`): The id of each row's text, by which `relevance` is read.
        relevance (`dict` of id to `list` of ids): The relevant videos of every text, of these texts alone.
        video_ids (`list` of `int` or `str`, *optional*): The id of each column's video. Default: 0, 1, 2, ….
        text_to_video_ties (`str`, *optional*, defaults to `"optimistic"`): `"optimistic"`, `"average"` or
            `"pessimistic"`.
        video_to_text_ties (`str`, *optional*, defaults to `"average"`): The same for the other direction.

    Returns:
        For each direction, under names such as `text_to_video_recall_at_1`:
        recall_at_1, recall_at_5, recall_at_10, recall_at_50 (`float`): Share of queries, from 0 to 1.
        geometric_mean_recall (`float`): Geometric mean of the recalls at 1, 5 and 10.
        median_rank, mean_rank (`float`): Over queries, from 1.
        num_queries (`int`): Texts (or videos) to which something is relevant.
        num_ties (`int`): Queries whose rank depends on the tie rule.

    Examples:

        >>> import evaluate
        >>> from modeling_allinone.metrics import metric_path
        >>> metric = evaluate.load(metric_path("video_text_retrieval"), keep_in_memory=True)

        Three texts, the first two of video "a":

        >>> similarities = [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]]
        >>> results = metric.compute(
        ...     predictions=similarities,
        ...     references=["a cat", "it sleeps", "a dog"],
        ...     relevance={"a cat": ["a"], "it sleeps": ["a"], "a dog": ["b"]},
        ...     video_ids=["a", "b"],
        ... )
        >>> round(results["text_to_video_recall_at_1"], 3), results["video_to_text_recall_at_1"]
        (0.667, 1.0)

        Text i belongs to video i, batch by batch:

        >>> metric.add_batch(predictions=[[0.9, 0.1, 0.2], [0.4, 0.3, 0.2]], references=[0, 1])
        >>> metric.add_batch(predictions=[[0.1, 0.2, 0.5]], references=[2])
        >>> results = metric.compute(relevance={text: [text] for text in range(3)})
        >>> results["text_to_video_median_rank"], results["text_to_video_num_queries"]
        (1.0, 3)

    Citation:

        @inproceedings{mcsherry2008computing,
            title = {Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores},
            author = {McSherry, Frank and Najork, Marc},
            booktitle = {European Conference on Information Retrieval},
            year = {2008}
        }
    """

    def row_features(self) -> list[Features]:
        scores = List(Value("float64"))
        return [Features({"predictions": scores, "references": Value(text_id)}) for text_id in ("string", "int64")]

    def _compute(
        self,
        predictions: list[list[float]],
        references: list,
        relevance: Mapping | None = None,
        video_ids: list | None = None,
        text_to_video_ties: str = "optimistic",
        video_to_text_ties: str = "average",
    ) -> dict:
        for name, ties in (("text_to_video_ties", text_to_video_ties), ("video_to_text_ties", video_to_text_ties)):
            if ties not in _TIE_RULES:
                raise ValueError(f"{name} is {ties!r}; choose from {', '.join(_TIE_RULES)}.")
        video_ids = list(range(len(predictions[0] or ()))) if video_ids is None else list(video_ids)
        if not video_ids:
            raise ValueError("There are no videos to rank; give every text one score for each video.")
        _check_unique("video_ids", video_ids, "name every column once")
        _check_unique("references", references, "add every text once, also where a distributed sampler repeats rows")
        scores = _as_matrix(predictions, references, video_ids)
        is_relevant = _relevance_matrix(relevance, references, video_ids)
        directions = {
            "text_to_video": (scores, is_relevant, text_to_video_ties),
            "video_to_text": (scores.T, is_relevant.T, video_to_text_ties),
        }
        return {
            f"{direction}_{name}": value
            for direction, (direction_scores, direction_relevance, ties) in directions.items()
            for name, value in _summarize(*_first_and_last_ranks(direction_scores, direction_relevance), ties).items()
        }
