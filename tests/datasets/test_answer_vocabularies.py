# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Vocabularies of answers."""

import pytest
from annotation_fixtures import write_files

from modeling_allinone.datasets.answer_vocabularies import AnswerVocabulary


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", {"dog": 1, "caf\u00e9": 0, "2": 2}),
        ("a.json", ["caf\u00e9", "dog", "2"]),
        ("a.txt", "\ufeffcaf\u00e9\r\ndog\r\n2\r\n\r\n"),
    ],
)
def test_vocabularies_are_read_from_files(tmp_path, name, content):
    vocabulary = AnswerVocabulary.from_file(write_files(tmp_path, {name: content}) / name)
    assert vocabulary.answers == ("caf\u00e9", "dog", "2")
    assert [vocabulary.label(answer) for answer in ("2", "dog", "cat", "Dog")] == [2, 1, -100, -100]
    assert vocabulary.origin == str(tmp_path / name)


def test_a_blank_line_keeps_the_labels_after_it(tmp_path):
    path = write_files(tmp_path, {"a.txt": "one\n\nthree\n"}) / "a.txt"
    assert AnswerVocabulary.from_file(path).label("three") == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", {"dog": 1, "cat": 2}, "does not give its 2 answers the labels from 0 on, each once"),
        ("a.json", {"dog": 0, "cat": 0}, "each once"),
        ("a.json", {"dog": 0, "cat": "1"}, "each once"),
        ("a.json", {"dog": False, "cat": True}, "each once"),
        ("a.json", {}, "has no answers"),
        ("a.json", "7", "holds a int; expected labels by answer or a list"),
        ("a.json", ["a", 1], r"a\.json has the answer 1, but expected text"),
        ("a.txt", "one\ntwo\none\n", "has 'one' twice; expected every answer once"),
    ],
)
def test_files_that_are_no_vocabulary_are_refused(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        AnswerVocabulary.from_file(write_files(tmp_path, {name: content}) / name)


def test_most_frequent_answers_break_ties_by_the_alphabet():
    answers = ["b", "c", "a", "c", "d", "a"]
    expected = sorted(set(answers), key=lambda answer: (-answers.count(answer), answer))
    assert AnswerVocabulary.most_frequent(answers, 3, "here").answers == tuple(expected[:3]) == ("a", "c", "b")
    assert AnswerVocabulary.most_frequent(answers, 9, "here").answers == tuple(expected)
    assert AnswerVocabulary.most_frequent(answers, 9, "here").origin == "here, the most frequent"
    with pytest.raises(ValueError, match="num_answers is 0; expected a whole number from 1"):
        AnswerVocabulary.most_frequent(answers, 0, "here")


def test_what_a_caller_may_give(tmp_path):
    path = write_files(tmp_path, {"a.txt": "two\none\n"}) / "a.txt"
    given = [path, str(path), ["two", "one"], ("two", "one"), {"one": 1, "two": 0}, {1: "one", 0: "two"}]
    for vocabulary in given:
        assert AnswerVocabulary.given(vocabulary).answers == ("two", "one")
    vocabulary = AnswerVocabulary(("one",), "here")
    assert AnswerVocabulary.given(vocabulary) is vocabulary


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (5, TypeError, "vocabulary is 5; expected a file, a list of answers or labels by answer"),
        ("nowhere.txt", FileNotFoundError, r"There is no vocabulary nowhere\.txt"),
        ([], ValueError, "has no answers"),
        (["one", "one"], ValueError, "has 'one' twice"),
        ([1, 2], ValueError, "the vocabulary given has the answer 1, but expected text"),
        ({0: "one", 2: "two"}, ValueError, "does not give its 2 answers the labels from 0 on"),
        ({0: "one", 1: "one"}, ValueError, "has 'one' twice"),
        ({"one": "a"}, ValueError, "does not give its 1 answers the labels from 0 on"),
    ],
)
def test_what_a_caller_may_not_give(given, error, message):
    with pytest.raises(error, match=message):
        AnswerVocabulary.given(given)
