# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Accuracy of choosing among options: multiple-choice question answering and choice of captions."""

import math

import datasets
import evaluate
import numpy as np

_DESCRIPTION = """
Accuracy of multiple choice: the share of rows whose right option has the highest score. The number of options may
differ from row to row.

Ties: where the right option shares the highest score with others, the row counts as 1 divided by the number of those
options, which is what choosing among them at random gives on average. A model that scores all options alike is thus at
chance, wherever the right options stand.

Every row counts. A reference of -100, given where the clip could not be read or the right option is not known, is
counted wrong, whatever the prediction.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (`list` of `list` of `float`, or array of shape `(rows, options)`): Score of every option, the higher
        the better, such as logits. Infinite scores are allowed, NaN is not.
    references (`list` of `int`): Index of the right option, from 0; -100 if there is none.

Returns:
    accuracy (`float`): From 0 to 1.
    num_rows (`int`): Number of rows.
    num_ties (`int`): Rows whose right option shares the highest score with another.
    num_without_label (`int`): Rows whose reference is -100.

Examples:

    >>> import evaluate
    >>> from modeling_allinone.metrics import metric_path
    >>> metric = evaluate.load(metric_path("multiple_choice_accuracy"), keep_in_memory=True)
    >>> metric.compute(predictions=[[0.1, 2.0, 0.3], [1.5, 0.2, 0.9]], references=[1, 2])
    {'accuracy': 0.5, 'num_rows': 2, 'num_ties': 0, 'num_without_label': 0}

    Batch by batch, with a different number of options and a tie:

    >>> metric.add_batch(predictions=[[0.1, 2.0, 0.3]], references=[1])
    >>> metric.add_batch(predictions=[[0.5, 0.5]], references=[0])
    >>> metric.compute()
    {'accuracy': 0.75, 'num_rows': 2, 'num_ties': 1, 'num_without_label': 0}
"""

_CITATION = """
@inproceedings{wang2023allinone,
    title = {All in One: Exploring Unified Video-Language Pre-training},
    author = {Wang, Alex Jinpeng and Ge, Yixiao and Yan, Rui and Ge, Yuying and Lin, Xudong and Cai, Guanyu and
        Wu, Jianping and Shan, Ying and Qie, Xiaohu and Shou, Mike Zheng},
    booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
    year = {2023}
}
"""


_NO_LABEL = -100


def _credit(row: int, scores: list[float] | None, label: int | None) -> float:
    """Chance of choosing the right option among those of the highest score: 0 or 1, or a fraction in a tie."""
    if not scores:
        raise ValueError(f"predictions[{row}] is {scores}; give one score for each option.")
    scores = np.array(scores, dtype=np.float64)
    if np.isnan(scores).any():
        raise ValueError(
            f"predictions[{row}] has the score NaN at option {np.isnan(scores).argmax()}; check the model."
        )
    if label == _NO_LABEL:
        return 0.0
    if label is None or not 0 <= label < len(scores):
        raise ValueError(
            f"references[{row}] is {label}, but predictions[{row}] has {len(scores)} options; give the index of the "
            f"right one, from 0 to {len(scores) - 1}, or {_NO_LABEL} to count the row as wrong."
        )
    best = scores == scores.max()
    return float(best[label] / best.sum())


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class MultipleChoiceAccuracy(evaluate.Metric):
    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(
                {"predictions": datasets.List(datasets.Value("float64")), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: list[list[float]], references: list[int]) -> dict:
        if not predictions:
            raise ValueError("There are no rows to score; add predictions and references first.")
        credits = [_credit(row, *pair) for row, pair in enumerate(zip(predictions, references, strict=True))]
        return {
            "accuracy": math.fsum(credits) / len(credits),
            "num_rows": len(credits),
            "num_ties": sum(0 < credit < 1 for credit in credits),
            "num_without_label": references.count(_NO_LABEL),
        }
