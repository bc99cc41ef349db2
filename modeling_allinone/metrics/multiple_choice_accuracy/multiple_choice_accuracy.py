# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Accuracy of choosing among options: multiple-choice question answering and choice of captions."""

import math

from datasets import Features

from modeling_allinone.metrics.task_metric import (
    NO_LABEL,
    SCORED_OPTIONS,
    TaskMetric,
    chance_among_first,
    check_scores,
)


class MultipleChoiceAccuracy(TaskMetric):
    """Accuracy of multiple choice: the share of rows whose right option has the highest score. The number of options
    may differ from row to row.

    Ties: where the right option shares the highest score with others, the row counts as 1 divided by the number of
    those options, which is what choosing among them at random gives on average. A model that scores all options alike
    is thus at chance, wherever the right options stand.

    Every row counts. A reference of -100, given where the clip could not be read or the right option is not known, is
    counted wrong, whatever the prediction.

    Args:
        predictions (`list` of `list` of `float`, or array of shape `(rows, options)`): Score of every option, the
            higher the better, such as logits. Infinite scores are allowed, NaN is not.
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

    Citation:

        @inproceedings{wang2023allinone,
            title = {All in One: Exploring Unified Video-Language Pre-training},
            author = {Wang, Alex Jinpeng and Ge, Yixiao and Yan, Rui and Ge, Yuying and Lin, Xudong and Cai, Guanyu and
                Wu, Jianping and Shan, Ying and Qie, Xiaohu and Shou, Mike Zheng},
            booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
            year = {2023}
        }
    """

    def row_features(self) -> Features:
        return SCORED_OPTIONS

    def _compute(self, predictions: list[list[float]], references: list[int]) -> dict:
        rows = enumerate(zip(predictions, references, strict=True))
        credits = [chance_among_first(1, check_scores(f"row {row}", *pair), pair[1]) for row, pair in rows]
        return {
            "accuracy": math.fsum(credits) / len(credits),
            "num_rows": len(credits),
            "num_ties": sum(0 < credit < 1 for credit in credits),
            "num_without_label": references.count(NO_LABEL),
        }
