# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""VQA score: the official definition, the forms of references and bad input."""

import itertools

import numpy as np
import pytest
import torch


@pytest.fixture
def metric(load_metric):
    return load_metric("vqa_score")


def official_score(prediction: str, human_answers: list[str]) -> float:
    """Leave each person out in turn, score min(1, count / 3) against the others, and average."""
    scores = []
    for left_out in range(len(human_answers)):
        others = [answer for person, answer in enumerate(human_answers) if person != left_out]
        scores.append(min(1, others.count(prediction) / 3))
    return sum(scores) / len(scores)


@pytest.mark.parametrize("count", range(11))
def test_ten_human_answers_score_as_officially(metric, count):
    human_answers = ["yes"] * count + ["no"] * (10 - count)
    results = metric.compute(predictions=["yes"], references=[human_answers])
    assert results["vqa_score"] == pytest.approx(official_score("yes", human_answers), abs=1e-12)
    assert results["vqa_score"] == [0, 0.3, 0.6, 0.9][count] if count < 4 else 1


def test_forms_of_references_agree(metric):
    answers = ["red", "pink", "two", "three"]
    generator = np.random.default_rng(0)
    human_answers = generator.choice(answers, size=(30, 10)).tolist()
    predictions = generator.integers(4, size=30)
    words = [answers[prediction] for prediction in predictions]
    by_answer = [{answer: min(1, 0.3 * row.count(answer)) for answer in answers} for row in human_answers]
    by_id = [dict(enumerate(row.values())) for row in by_answer]
    dense = [list(row.values()) for row in by_answer]
    total = sum(row[word] for row, word in zip(by_answer, words, strict=True))
    expected = {"vqa_score": pytest.approx(total / 30), "num_rows": 30, "num_out_of_vocabulary": 0}
    for form in (
        (words, human_answers),
        (words, by_answer),
        (predictions, by_id),
        (predictions.tolist(), dense),
        (predictions, np.array(dense)),
        (torch.tensor(predictions), torch.tensor(dense, dtype=torch.float64)),
        (list(torch.tensor(predictions)), list(np.array(dense))),
    ):
        assert metric.compute(predictions=form[0], references=form[1]) == expected


def test_batches_of_any_order_give_the_same_to_the_last_digit(metric):
    rows = [("a", {"a": score}) for score in (0.3, 0.6, 0.9, 1.0, 0.1, 0.7, 1e-9)]
    results = set()
    for order in itertools.islice(itertools.permutations(rows), 0, 5040, 500):
        for prediction, reference in order:
            metric.add(prediction=prediction, reference=reference)
        results.add(metric.compute()["vqa_score"])
    assert len(results) == 1


def test_rows_without_a_scored_answer_count_as_wrong(metric):
    results = metric.compute(predictions=["a", "b", "c"], references=[{"a": 1.0}, {}, {"c": 0.0}])
    assert results == {"vqa_score": 1 / 3, "num_rows": 3, "num_out_of_vocabulary": 2}


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([], [], "There are no rows to score"),
        (np.zeros(0, dtype=int), np.zeros((0, 4)), "There are no rows to score"),
        (None, [{}], "Give predictions and references"),
        (["a"], None, "Give predictions and references"),
        (["a"], [{}, {}], "There are 1 predictions but 2 references"),
        (["a"], [["a"] * 9], r"references\[0\] has 9 human answers but the score is defined for 10"),
        (["a"], ["a"], r"references\[0\] is 'a'; give a dict"),
        (["a"], [[]], r"references\[0\] is \[\]; give a dict"),
        (["a"], [None], r"references\[0\] is None; give a dict"),
        (["a"], [{"a": 1.5}], r"references\[0\] has the score 1.5 for 'a'"),
        (["a"], [{"a": -0.1}], r"has the score -0.1 for 'a'"),
        (["a"], [{"a": float("nan")}], r"has the score nan for 'a'"),
        (["a"], [{"a": "1"}], r"has the score '1' for 'a'"),
        (
            ["a", "b"],
            [{"a": 1.0}, {3: 1.0}],
            r"predictions\[1\] is 'b' but references\[1\] has 3; give answers in both",
        ),
        ([3], [{"a": 1.0}], r"predictions\[0\] is 3 but references\[0\] has 'a'"),
        ([2], [[0.0, 1.0]], r"predictions\[0\] is 2, but references\[0\] has 2 scores; give an id from 0 to 1"),
        ([-1], [{3: 1.0}], r"predictions\[0\] is -1; give an answer"),
        ([1.5], [{3: 1.0}], r"predictions\[0\] is 1.5; give an answer"),
        (np.zeros((1, 3)), [[0.0, 1.0, 0.0]], r"predictions\[0\] is \[0.0, 0.0, 0.0\]; .* the highest logit"),
        ([None], [{"a": 1.0}], r"predictions\[0\] is None"),
    ],
)
def test_bad_input_is_named(metric, predictions, references, message):
    with pytest.raises(ValueError, match=message):
        metric.add_batch(predictions=predictions, references=references)
