# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Open-ended question answering: vocabulary, groups of answers and questions, WUPS, the Trainer and bad input."""

import sys

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainingArguments

from modeling_allinone import AllInOneForVideoQuestionAnswering

ANSWERS = ["cat", "dog", "two", "red"]
COUNTS = {"cat": 1500, "dog": 999, "two": 10, "red": 9}


@pytest.fixture
def metric(load_metric):
    return load_metric("video_question_answering")


def test_answers_outside_the_vocabulary_are_wrong_and_never_left_out(metric):
    ids = metric.compute(predictions=[0, 1, 2, 3], references=[0, -100, 2, -100])
    assert ids == {"accuracy": 0.5, "num_rows": 4, "num_out_of_vocabulary": 2}
    words = metric.compute(
        predictions=["cat", "dog", "two", "blue"], references=["cat", "bird", "two", "blue"], vocabulary=ANSWERS
    )
    assert words == ids
    only_unknown = metric.compute(predictions=[0, 1], references=[-100, -100])
    assert only_unknown == {"accuracy": 0.0, "num_rows": 2, "num_out_of_vocabulary": 2}


def test_ids_and_their_answers_agree(metric):
    generator = np.random.default_rng(0)
    predictions, references = generator.integers(4, size=(2, 50))
    references[::7] = -100
    questions = generator.choice(["What is it?", "how many?", "is it red"], size=50).tolist()
    options = {"questions": questions, "vocabulary": ANSWERS, "word_similarity": lambda word, other: 0.5}
    by_id = metric.compute(
        predictions=predictions, references=references, answer_counts=list(COUNTS.values()), **options
    )
    by_answer = metric.compute(
        predictions=[ANSWERS[prediction] for prediction in predictions],
        references=["zebra" if reference == -100 else ANSWERS[reference] for reference in references],
        answer_counts=COUNTS,
        **options,
    )
    # Only of the answers given as strings is it known that they occur never.
    assert by_id.pop("num_rows_answer_seen_unknown") == by_answer.pop("num_rows_answer_seen_never") == 8
    assert by_id.pop("accuracy_answer_seen_unknown") == by_answer.pop("accuracy_answer_seen_never") == 0
    assert by_id == by_answer
    num_right = 0
    for prediction, reference in zip(predictions, references, strict=True):
        num_right += prediction == reference
    assert by_id["accuracy"] == num_right / 50


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("what is it", "what"),
        ("  WHO's that?", "who"),
        ("“How many?”", "how"),
        ("when", "when"),
        ("Where, then?", "where"),
        ("in what colour is it", "other"),
        ("whatever it is", "other"),
        ("which", "other"),
        ("", "other"),
        ("¿qué es?", "other"),
    ],
)
def test_question_word(metric, question, word):
    results = metric.compute(predictions=[1], references=[1], questions=[question])
    assert results[f"accuracy_question_{word}"] == results[f"num_rows_question_{word}"] == 1
    assert len(results) == 5


def test_questions_of_each_word_have_their_accuracy(metric):
    questions = ["what a", "who b", "what c", "is d"]
    results = metric.compute(predictions=[0, 1, 2, 3], references=[0, 1, 0, 0], questions=questions)
    assert {name: value for name, value in results.items() if name.startswith("accuracy")} == {
        "accuracy": 0.5,
        "accuracy_question_other": 0.0,
        "accuracy_question_what": 0.5,
        "accuracy_question_who": 1.0,
    }


def test_questions_may_be_added_with_their_rows(load_metric):
    metric = load_metric("video_question_answering", "with_questions")
    metric.add_batch(predictions=[0, 1], references=[0, 2], questions=["What?", "Who?"])
    metric.add(prediction=3, reference=3, questions="What?")
    results = metric.compute(answer_counts={0: 5})
    assert (results["accuracy_question_what"], results["accuracy_question_who"]) == (1, 0)
    assert (results["accuracy_answer_seen_1_to_9"], results["num_rows_answer_seen_never"]) == (1, 2)


@pytest.mark.parametrize(
    ("count", "times"),
    [
        (0, "never"),
        (1, "1_to_9"),
        (9, "1_to_9"),
        (10, "10_to_99"),
        (99, "10_to_99"),
        (100, "100_to_999"),
        (999, "100_to_999"),
        (1000, "1000_or_more"),
        (np.int64(10**9), "1000_or_more"),
    ],
)
def test_range_of_training_counts(metric, count, times):
    results = metric.compute(predictions=["a"], references=["a"], answer_counts={"a": count})
    assert results[f"num_rows_answer_seen_{times}"] == 1
    assert len(results) == 5


SIMILARITIES = {("cat", "dog"): 0.86, ("cat", "kitten"): 0.95, ("dog", "kitten"): 0.85}


def table_similarity(word: str, other: str) -> float:
    return SIMILARITIES.get(tuple(sorted((word, other))), 0.0)


@pytest.mark.parametrize(
    ("prediction", "reference", "at_0", "at_09"),
    [
        ("cat", "cat", 1, 1),
        ("zebra", "zebra", 1, 1),
        ("cat", "kitten", 0.95, 0.95),
        ("kitten", "cat", 0.95, 0.95),
        ("cat", "dog", 0.86, 0.086),
        ("cat", "car", 0, 0),
        ("cat, dog", "dog,cat", 1, 1),
        ("cat", "cat, dog", 0.86, 0.086),
        ("cat, dog", "kitten", 0.95 * 0.85, 0.95 * 0.085),
        ("", "cat", 0, 0),
        ("cat", " , ", 0, 0),
    ],
)
def test_wups_of_a_row(metric, prediction, reference, at_0, at_09):
    results = metric.compute(predictions=[prediction], references=[reference], word_similarity=table_similarity)
    assert results["wups_at_0.0"] == pytest.approx(at_0)
    assert results["wups_at_0.9"] == pytest.approx(at_09)


def test_wups_averages_all_rows_and_gives_nothing_outside_the_vocabulary(metric):
    results = metric.compute(
        predictions=[0, 1, 0], references=[0, 0, -100], vocabulary=["cat", "dog"], word_similarity=table_similarity
    )
    assert results["wups_at_0.0"] == pytest.approx((1 + 0.86 + 0) / 3)


def test_wups_asks_each_pair_of_words_once(metric):
    asked = []

    def similarity(word: str, other: str) -> float:
        asked.append((word, other))
        return 0.5

    metric.compute(predictions=["a"] * 100, references=["b"] * 100, word_similarity=similarity)
    assert sorted(asked) == [("a", "b"), ("b", "a")]


def test_wups_without_nltk_names_the_remedy(metric, monkeypatch):
    monkeypatch.setitem(sys.modules, "nltk", None)
    monkeypatch.setitem(sys.modules, "nltk.corpus", None)
    with pytest.raises(ImportError, match=r"needs the library nltk; install it and its data .* or pass a function"):
        metric.compute(predictions=["cat"], references=["dog"], word_similarity="wordnet")


@pytest.mark.grad
def test_trainer_reports_it(metric, tiny_config, tmp_path):
    config = tiny_config(num_labels=4)
    generator = torch.Generator().manual_seed(0)
    rows = [
        {
            "input_ids": torch.randint(1, 99, (6,), generator=generator),
            "pixel_values": torch.randn(3, 3, 32, 32, generator=generator),
            "labels": torch.tensor(label),
        }
        for label in (0, 1, 2, 3, -100)
    ]
    model = AllInOneForVideoQuestionAnswering(config).eval()
    trainer = Trainer(
        model,
        TrainingArguments(
            str(tmp_path),
            per_device_eval_batch_size=2,
            report_to="none",
            remove_unused_columns=False,
            label_names=["labels"],
            disable_tqdm=True,
            use_cpu=True,
        ),
        compute_metrics=lambda output: metric.compute(
            predictions=output.predictions.argmax(-1), references=output.label_ids
        ),
    )
    num_right = 0
    for row in rows:
        with torch.no_grad():
            logits = model(input_ids=row["input_ids"][None], pixel_values=row["pixel_values"][None]).logits
        num_right += int(logits.argmax() == row["labels"])
    results = trainer.evaluate(rows)
    assert results["eval_accuracy"] == num_right / 5
    assert results["eval_num_out_of_vocabulary"] == 1


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"predictions": [], "references": []}, "There are no rows to score"),
        ({"references": None}, "There are no rows to score"),
        ({"references": [0]}, r"predictions \(2\) and references \(1\)"),
        ({"predictions": [0, -100]}, r"predictions\[1\] is -100; give the id of an answer, from 0\."),
        ({"references": [0, -1]}, r"references\[1\] is -1; .* -100 is an answer outside the vocabulary"),
        (
            {"references": [0, 4], "vocabulary": ANSWERS},
            r"references\[1\] is 4; .* from 0 to 3, as there are in vocab",
        ),
        ({"predictions": [0, 4], "vocabulary": ANSWERS}, r"predictions\[1\] is 4; .* from 0 to 3"),
        ({"predictions": [0, None]}, r"predictions\[1\] is None; give an answer in every row"),
        ({"predictions": ["a", None], "references": ["a", "b"]}, r"predictions\[1\] is None"),
        ({"predictions": ["a", "b"]}, "don't match the expected format"),
        ({"predictions": np.zeros((2, 4))}, "don't match the expected format"),
        ({"vocabulary": "cat"}, "vocabulary is 'cat'; pass a list of answer strings"),
        ({"vocabulary": {0: "cat"}}, "vocabulary is {0: 'cat'}; pass a list"),
        ({"vocabulary": [0, 1]}, r"vocabulary is \[0, 1\]; pass a list"),
        ({"questions": ["what?"]}, "There are 2 rows but 1 questions"),
        ({"questions": "what?"}, "give a list of one for each row"),
        ({"questions": ["what?", None]}, r"questions\[1\] is None; give its text"),
        ({"answer_counts": {"cat": 3}}, "answer_counts has the key 'cat', but references are such as 0"),
        ({"answer_counts": {0: -3}}, "answer_counts has -3 for 0; give the number of its training rows"),
        ({"answer_counts": [3.5]}, "answer_counts has 3.5 for 0"),
        ({"word_similarity": table_similarity}, "WUPS compares words but the answers are ids; pass vocabulary"),
        ({"word_similarity": "glove"}, """word_similarity is 'glove'; pass "wordnet" or a function"""),
        (
            {"vocabulary": ANSWERS, "references": [1, 1], "word_similarity": lambda word, other: 2},
            "word_similarity returned 2 for 'cat' and 'dog'; it must be a number from 0 to 1",
        ),
        (
            {"vocabulary": ANSWERS, "references": [1, 1], "word_similarity": lambda word, other: "high"},
            "word_similarity returned 'high' for 'cat' and 'dog'",
        ),
    ],
)
def test_bad_input_is_named(metric, inputs, message):
    with pytest.raises(ValueError, match=message):
        metric.compute(**{"predictions": [0, 1], "references": [0, 1], **inputs})


def test_unknown_configuration_is_named(load_metric):
    with pytest.raises(
        ValueError, match='There is no configuration \'questions\'; choose "default" or "with_questions"'
    ):
        load_metric("video_question_answering", "questions")
