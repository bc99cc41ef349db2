# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Accuracies of visual commonsense reasoning: oracle, ties and bad input."""

import numpy as np
import pytest


@pytest.fixture
def metric(load_metric):
    return load_metric("visual_commonsense")


def test_counts_answers_rationales_and_both(metric):
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(200, 2, 4))
    labels = generator.integers(4, size=(200, 2))
    num_answers = num_rationales = num_both = 0
    for row in range(200):
        answer_is_right = list(scores[row][0]).index(max(scores[row][0])) == labels[row][0]
        rationale_is_right = list(scores[row][1]).index(max(scores[row][1])) == labels[row][1]
        num_answers += answer_is_right
        num_rationales += rationale_is_right
        num_both += answer_is_right and rationale_is_right
    assert 0 < num_both < num_answers
    assert metric.compute(predictions=scores, references=labels) == {
        "answer_accuracy": num_answers / 200,
        "rationale_accuracy": num_rationales / 200,
        "answer_and_rationale_accuracy": num_both / 200,
        "num_rows": 200,
        "num_without_label": 0,
    }


def test_equal_scores_are_at_chance(metric):
    results = metric.compute(predictions=np.zeros((3, 2, 4)), references=np.zeros((3, 2), dtype=int))
    assert list(results.values()) == [1 / 4, 1 / 4, 1 / 16, 3, 0]


def test_rows_without_a_label_are_wrong(metric):
    scores = [[[0.0, 1.0], [0.0, 1.0]]] * 4
    results = metric.compute(predictions=scores, references=[[1, 1], [-100, 1], [1, -100], [-100, -100]])
    assert list(results.values()) == [2 / 4, 2 / 4, 1 / 4, 4, 3]


def test_answers_and_rationales_may_differ_in_number(metric):
    results = metric.compute(predictions=[[[0.0, 1.0], [0.0, 1.0, 2.0]]], references=[[1, 2]])
    assert results["answer_and_rationale_accuracy"] == 1


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([], [], "There are no rows to score"),
        (np.zeros((2, 2, 4)), [[0, 1], [0, 4]], "The label of the rationale in row 1 is 4, but it has 4 options"),
        ([[[1.0, float("nan")], [1.0, 2.0]]], [[0, 0]], "The scores of the answer in row 0 have NaN at option 1"),
        ([[[1.0, 2.0]]], [[0, 0]], r"predictions\[0\] has 1 entries; give two"),
        ([[[1.0, 2.0], [1.0, 2.0]]], [[0]], r"references\[0\] has 1 entries; give two"),
        ((np.zeros((3, 4)), np.zeros((3, 4))), [[0] * 3] * 2, r"predictions\[0\] has 3 entries; .* dimension 1"),
        ([None], [None], r"predictions\[0\] has 0 entries"),
        (np.zeros((2, 2, 4)), [0, 1], "don't match the expected format"),
    ],
)
def test_bad_input_is_named(metric, predictions, references, message):
    with pytest.raises(ValueError, match=message):
        metric.compute(predictions=predictions, references=references)
