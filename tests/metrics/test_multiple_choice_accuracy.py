# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Accuracy of multiple choice: oracle, ties and bad input."""

import numpy as np
import pytest
import torch


@pytest.fixture
def metric(load_metric):
    return load_metric("multiple_choice_accuracy")


def slow_accuracy(rows: list[list[float]], labels: list[int]) -> float:
    """Share of right choices, averaged over choosing each of the best options."""
    total = 0.0
    for scores, label in zip(rows, labels, strict=True):
        best_options = [option for option, score in enumerate(scores) if score == max(scores)]
        total += sum(option == label for option in best_options) / len(best_options)
    return total / len(rows)


def test_equals_the_oracle_on_tied_scores_and_any_number_of_options(metric):
    generator = np.random.default_rng(0)
    for _ in range(20):
        rows = [generator.integers(0, 3, size=generator.integers(1, 6)).tolist() for _ in range(15)]
        labels = [int(generator.integers(len(scores))) for scores in rows]
        results = metric.compute(predictions=rows, references=labels)
        assert results["accuracy"] == pytest.approx(slow_accuracy(rows, labels), abs=1e-12)
        assert results["num_rows"] == 15


def test_equal_scores_are_at_chance_wherever_the_right_option_stands(metric):
    results = metric.compute(predictions=np.zeros((6, 5)), references=[0] * 6)
    assert results == {"accuracy": pytest.approx(0.2), "num_rows": 6, "num_ties": 6, "num_without_label": 0}


def test_rows_without_a_label_are_wrong(metric):
    results = metric.compute(predictions=[[1.0, 2.0], [0.0, 0.0], [3.0, 2.0]], references=[1, -100, -100])
    assert results == {"accuracy": 1 / 3, "num_rows": 3, "num_ties": 0, "num_without_label": 2}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_takes_tensors_as_models_return_them(metric, dtype):
    logits = torch.tensor([[0.0, 2.0], [3.0, 1.0], [0.0, 1.0]], dtype=dtype, requires_grad=True)
    assert metric.compute(predictions=logits, references=torch.tensor([1, 0, 0]))["accuracy"] == 2 / 3


def test_infinite_scores_order_options(metric):
    rows = [[-np.inf, 0.0], [np.inf, 1e300]]
    assert metric.compute(predictions=rows, references=[1, 0])["accuracy"] == 1


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([], [], "There are no rows to score"),
        ([[0.0, 1.0], [1.0, 2.0]], [0, 2], "The label of row 1 is 2, but it has 2 options"),
        ([[0.0, None]], [0], "The scores of row 0 have NaN at option 1"),
        ([[1.0], None], [0, 0], "The scores of row 1 are None"),
        ([[1.0, 2.0]], [0, 1], r"predictions \(1\) and references \(2\)"),
        ([0, 1], [0, 1], "don't match the expected format"),
    ],
)
def test_bad_input_is_named(metric, predictions, references, message):
    with pytest.raises(ValueError, match=message):
        metric.compute(predictions=predictions, references=references)
