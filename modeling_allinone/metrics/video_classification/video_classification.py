# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Top-1, top-5 and mean class accuracy of video classification."""

import math

import datasets
import evaluate
import numpy as np

_DESCRIPTION = """
Accuracy of video classification, such as action recognition: top-1, top-5, and the mean of the top-1 accuracies of the
classes, in which rare classes weigh as much as frequent ones. Classes without a row do not enter the mean.

Ties: where classes have equal scores, a row counts as the chance that the right one is among the first k when equals
are put in random order. A model that scores all classes alike is thus at chance.

Every row counts. A reference of -100, given where the clip could not be read, is counted wrong, whatever the
prediction; for the mean over classes, such rows are taken to be spread over the classes as the others are.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (array of shape `(rows, classes)`, or `list` of `list` of `float`): Score of every class, the higher
        the better, such as logits. Infinite scores are allowed, NaN is not.
    references (`list` of `int`): Index of the right class, from 0; -100 if there is none.

Returns:
    top_1_accuracy (`float`): From 0 to 1.
    top_5_accuracy (`float`): From 0 to 1; it is 1 where there are five classes or fewer.
    mean_class_accuracy (`float`): Top-1 accuracy of each class, averaged over the classes that occur in `references`.
    num_rows (`int`): Number of rows.
    num_classes (`int`): Number of classes that occur in `references`.
    num_without_label (`int`): Rows whose reference is -100.

Examples:

    >>> import evaluate
    >>> from modeling_allinone.metrics import metric_path
    >>> metric = evaluate.load(metric_path("video_classification"), keep_in_memory=True)
    >>> scores = [[6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6], [1, 6, 2, 3, 4, 5]]
    >>> results = metric.compute(predictions=scores, references=[0, 0, 0, 1])
    >>> results["top_1_accuracy"], results["top_5_accuracy"], round(results["mean_class_accuracy"], 3)
    (0.75, 0.75, 0.833)
    >>> results["num_rows"], results["num_classes"]
    (4, 2)
"""

_CITATION = """
@article{kay2017kinetics,
    title = {The Kinetics Human Action Video Dataset},
    author = {Kay, Will and Carreira, Joao and Simonyan, Karen and Zhang, Brian and Hillier, Chloe and
        Vijayanarasimhan, Sudheendra and Viola, Fabio and Green, Tim and Back, Trevor and Natsev, Paul and
        Suleyman, Mustafa and Zisserman, Andrew},
    journal = {arXiv preprint arXiv:1705.06950},
    year = {2017}
}
"""


_NO_LABEL = -100


def _check_row(row: int, scores: list[float] | None, label: int | None, num_classes: int) -> None:
    if not scores:
        raise ValueError(f"predictions[{row}] is {scores}; give one score for each class.")
    if len(scores) != num_classes:
        raise ValueError(
            f"predictions[{row}] has {len(scores)} scores but predictions[0] has {num_classes}; give one score "
            f"for each class in every row."
        )
    if np.isnan(np.array(scores, dtype=np.float64)).any():
        raise ValueError(f"predictions[{row}] has NaN among its scores; check the model.")
    if label != _NO_LABEL and (label is None or not 0 <= label < num_classes):
        raise ValueError(
            f"references[{row}] is {label}, but there are {num_classes} classes; give the index of the right one, "
            f"from 0 to {num_classes - 1}, or {_NO_LABEL} to count the row as wrong."
        )


def _chance_among_first(k: int, scores: np.ndarray, label: int) -> float:
    """Chance that the right class is among the first k, when classes of equal score are put in random order."""
    num_better = (scores > scores[label]).sum()
    num_equal = (scores == scores[label]).sum()
    return float(np.clip((k - num_better) / num_equal, 0, 1))


def _mean(values: list[float]) -> float:
    """The mean; 0 of no values."""
    return math.fsum(values) / max(len(values), 1)


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class VideoClassification(evaluate.Metric):
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
        top_1, top_5, top_1_of_class = [], [], {}
        for row, (scores, label) in enumerate(zip(predictions, references, strict=True)):
            _check_row(row, scores, label, num_classes=len(predictions[0] or ()))
            if label == _NO_LABEL:
                continue
            scores = np.array(scores, dtype=np.float64)
            top_1.append(_chance_among_first(1, scores, label))
            top_5.append(_chance_among_first(5, scores, label))
            top_1_of_class.setdefault(label, []).append(top_1[-1])
        share_with_label = len(top_1) / len(references)
        return {
            "top_1_accuracy": math.fsum(top_1) / len(references),
            "top_5_accuracy": math.fsum(top_5) / len(references),
            "mean_class_accuracy": _mean([_mean(credits) for credits in top_1_of_class.values()]) * share_with_label,
            "num_rows": len(references),
            "num_classes": len(top_1_of_class),
            "num_without_label": references.count(_NO_LABEL),
        }
