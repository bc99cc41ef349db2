# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Accuracies of video classification: oracle, ties and bad input."""

import itertools

import numpy as np
import pytest


@pytest.fixture
def metric(load_metric):
    return load_metric("video_classification")


def slow_chance_among_first(k: int, scores: list[float], label: int) -> float:
    """Share of all orders of the classes by falling score in which the label is among the first k."""
    orders = [
        order
        for order in itertools.permutations(range(len(scores)))
        if all(scores[first] >= scores[second] for first, second in itertools.pairwise(order))
    ]
    return sum(label in order[:k] for order in orders) / len(orders)


def test_equals_the_oracle_on_tied_scores(metric):
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 3, size=(12, 6)).tolist()
    labels = generator.integers(4, size=12).tolist()
    top_1 = [slow_chance_among_first(1, *row) for row in zip(scores, labels, strict=True)]
    top_5 = [slow_chance_among_first(5, *row) for row in zip(scores, labels, strict=True)]
    of_classes = []
    for label in set(labels):
        credits = [credit for credit, row_label in zip(top_1, labels, strict=True) if row_label == label]
        of_classes.append(sum(credits) / len(credits))
    assert metric.compute(predictions=scores, references=labels) == {
        "top_1_accuracy": pytest.approx(sum(top_1) / 12),
        "top_5_accuracy": pytest.approx(sum(top_5) / 12),
        "mean_class_accuracy": pytest.approx(sum(of_classes) / len(of_classes)),
        "num_rows": 12,
        "num_classes": len(of_classes),
        "num_without_label": 0,
    }


def test_rare_classes_weigh_as_much_as_frequent_ones(metric):
    results = metric.compute(predictions=[[1.0, 0.0, -1.0]] * 10, references=[0] * 9 + [1])
    assert results["top_1_accuracy"] == 0.9
    assert results["mean_class_accuracy"] == 0.5
    assert results["top_5_accuracy"] == 1


def test_rows_without_a_label_are_wrong(metric):
    scores = [[2.0, 1.0, 0.0], [2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [9.0, 0.0, 0.0]]
    results = metric.compute(predictions=scores, references=[0, 1, 1, -100])
    assert results == {
        "top_1_accuracy": 2 / 4,
        "top_5_accuracy": 3 / 4,
        "mean_class_accuracy": (1 + 1 / 2) / 2 * 3 / 4,
        "num_rows": 4,
        "num_classes": 2,
        "num_without_label": 1,
    }
    results = metric.compute(predictions=scores[:1], references=[-100])
    assert (results["top_1_accuracy"], results["mean_class_accuracy"], results["num_classes"]) == (0, 0, 0)


def test_equal_scores_are_at_chance(metric):
    results = metric.compute(predictions=np.zeros((4, 10), dtype=np.float16), references=[0, 0, 0, 0])
    assert (results["top_1_accuracy"], results["top_5_accuracy"]) == (0.1, 0.5)


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([], [], "There are no rows to score"),
        ([[0.0, 1.0], [1.0, 2.0]], [0, 2], "The label of row 1 is 2, but it has 2 options"),
        ([[1.0, 2.0], [1.0]], [0, 0], "Row 1 has 1 scores but row 0 has 2; give one score for each class"),
        ([[1.0, 2.0], None], [0, 0], "The scores of row 1 are None"),
        ([[1.0, 2.0]], [0, 1], r"predictions \(1\) and references \(2\)"),
    ],
)
def test_bad_input_is_named(metric, predictions, references, message):
    with pytest.raises(ValueError, match=message):
        metric.compute(predictions=predictions, references=references)
