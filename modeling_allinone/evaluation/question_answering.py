# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Scores of open-ended answers, whatever their labels: one right answer, or what every answer scores."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import evaluate
import numpy as np
import torch

from ..metrics import metric_path

NUM_BEST = 5  # answers of a row that are kept


def score_answers(predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """
    Score the answers of a model.

    Args:
        predictions (`np.ndarray` of shape `(rows,)`): Index of the predicted answer.
        labels (`np.ndarray` of shape `(rows,)` or `(rows, answers)`): Index of the right answer, or the score of every
            answer from 0 to 1, as of VQAv2; -100, which counts as wrong, where there is none or the clip could not be
            read.

    Returns:
        `dict`: What the metric `video_question_answering` returns, or `vqa_score` for scores.

    Example:

    ```python
    >>> score_answers(np.array([3, 1]), np.array([3, -100]))
    {'accuracy': 0.5, 'num_rows': 2, 'num_out_of_vocabulary': 1}
    >>> score_answers(np.array([0, 1]), np.array([[0.3, 1.0], [0.0, 0.9]], dtype=np.float32))
    {'vqa_score': 0.6, 'num_rows': 2, 'num_out_of_vocabulary': 0}

    ```
    """
    has_scores = labels.ndim == 2
    metric = evaluate.load(metric_path("vqa_score" if has_scores else "video_question_answering"), keep_in_memory=True)
    references = [_scored_answers(row) for row in labels] if has_scores else labels
    return metric.compute(predictions=predictions, references=references)


def _scored_answers(row: np.ndarray) -> dict[int, float]:
    """The answers that score, and what; rounded, as 0.3 in single precision is a little more."""
    return {int(answer): round(float(row[answer]), 6) for answer in np.flatnonzero(row > 0)}


def rank_answers(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """
    The best few answers, as all logits of a large vocabulary would fill the memory.

    Args:
        logits (`torch.Tensor` of shape `(rows, answers)`)
        labels (`torch.Tensor` of shape `(rows,)` or `(rows, answers)`): With scores of every answer, each answer has a
            probability of its own.

    Returns:
        `torch.LongTensor` and `torch.FloatTensor` of shape `(rows, best)`: Answers, the best first, and their scores.
    """
    scores = logits.float().sigmoid() if labels.ndim == 2 else logits.float().softmax(dim=-1)
    best = logits.topk(min(NUM_BEST, logits.shape[-1])).indices
    return best, scores.gather(-1, best)


def most_frequent_answers(train_rows: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """
    Answer without looking: with what is answered most often in training to the same wording of a question.

    Args:
        train_rows, rows (iterables of mappings): Each with `question`; those of training with `answer`, too.

    Returns:
        `list`: An answer for each of `rows`, of equally frequent ones the first by the alphabet; an empty one to a
        question that was not asked in training.

    Example:

    ```python
    >>> asked = [{"question": "which way?", "answer": answer} for answer in ("up", "left", "left")]
    >>> most_frequent_answers(asked, [{"question": "which way?"}, {"question": "how many?"}])
    ['left', '']

    ```
    """
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for row in train_rows:
        answers[row["question"]][row["answer"]] += 1
    usual = {question: min(given, key=lambda answer: (-given[answer], answer)) for question, given in answers.items()}
    return [usual.get(row["question"], "") for row in rows]


__all__ = ["NUM_BEST", "most_frequent_answers", "rank_answers", "score_answers"]
