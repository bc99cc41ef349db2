# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Top-1, top-5 and mean class accuracy of video classification."""

import math
from collections import defaultdict

from datasets import Features

from modeling_allinone.metrics.task_metric import (
    NO_LABEL,
    SCORED_OPTIONS,
    TaskMetric,
    chance_among_first,
    check_scores,
)


class VideoClassification(TaskMetric):
    """Accuracy of video classification, such as action recognition: top-1, top-5, and the mean of the top-1 accuracies
    of the classes, in which rare classes weigh as much as frequent ones. Classes without a row do not enter the mean.

    Ties: where classes have equal scores, a row counts as the chance that the right one is among the first k when
    equals are put in random order. A model that scores all classes alike is thus at chance.

    Every row counts. A reference of -100, given where the clip could not be read, is counted wrong, whatever the
    prediction; for the mean over classes, such rows are taken to be spread over the classes as the others are.

    Args:
        predictions (array of shape `(rows, classes)`, or `list` of `list` of `float`): Score of every class, the
            higher the better, such as logits. Infinite scores are allowed, NaN is not.
        references (`list` of `int`): Index of the right class, from 0; -100 if there is none.

    Returns:
        top_1_accuracy (`float`): From 0 to 1.
        top_5_accuracy (`float`): From 0 to 1; it is 1 where there are five classes or fewer.
        mean_class_accuracy (`float`): Top-1 accuracy of each class, averaged over the classes that occur in
            `references`.
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

    Citation:

        @article{kay2017kinetics,
            title = {The Kinetics Human Action Video Dataset},
            author = {Kay, Will and Carreira, Joao and Simonyan, Karen and Zhang, Brian and Hillier, Chloe and
                Vijayanarasimhan, Sudheendra and Viola, Fabio and Green, Tim and Back, Trevor and Natsev, Paul and
                Suleyman, Mustafa and Zisserman, Andrew},
            journal = {arXiv preprint arXiv:1705.06950},
            year = {2017}
        }
    """

    def row_features(self) -> Features:
        return SCORED_OPTIONS

    def _compute(self, predictions: list[list[float]], references: list[int]) -> dict:
        top_1, top_5, top_1_of_class = [], [], defaultdict(list)
        for row, (scores, label) in enumerate(zip(predictions, references, strict=True)):
            values = check_scores(f"row {row}", scores, label)
            if len(values) != len(predictions[0]):
                raise ValueError(
                    f"Row {row} has {len(values)} scores but row 0 has {len(predictions[0])}; give one score for each "
                    f"class in every row."
                )
            top_1.append(chance_among_first(1, values, label))
            top_5.append(chance_among_first(5, values, label))
            if label != NO_LABEL:
                top_1_of_class[label].append(top_1[-1])
        num_rows, num_without_label = len(references), references.count(NO_LABEL)
        mean_of_class = [math.fsum(credits) / len(credits) for credits in top_1_of_class.values()]
        share_with_label = (num_rows - num_without_label) / num_rows
        return {
            "top_1_accuracy": math.fsum(top_1) / num_rows,
            "top_5_accuracy": math.fsum(top_5) / num_rows,
            "mean_class_accuracy": math.fsum(mean_of_class) / max(len(mean_of_class), 1) * share_with_label,
            "num_rows": num_rows,
            "num_classes": len(top_1_of_class),
            "num_without_label": num_without_label,
        }
