# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""TGIF-QA's three kinds of questions in both arrangements."""

import pytest
from annotation_fixtures import read_rows, table, write_files

from modeling_allinone.datasets import load_annotations, summarize

GIF = "tumblr_nk172bbdPI1u1lr18o1_250"
OPTIONS = ["stuff marshmallow", "holds a phone", "fall over", "talk", "flap wings"]
CHOICE = {"gif_name": GIF, "question": "What does the butterfly do 10 times ?", "options": OPTIONS, "answer": 4}
CHOICE_HEADER = ("gif_name", "question", "a1", "a2", "a3", "a4", "a5", "answer", "vid_id", "key")
CHOICE_ROW = (GIF, CHOICE["question"], *OPTIONS, 4, "ACTION4", 26)
OPEN = {"gif_name": GIF, "question": "what is placed in the cone ?", "answer": "cookie"}
OPEN_HEADER = ("gif_name", "question", "answer", "type", "vid_id", "key", "description")


def expected_choice(root, sample_id):
    return {
        "video": str(root / "gifs" / f"{GIF}.gif"),
        "question": "What does the butterfly do 10 times ?",
        "options": OPTIONS,
        "answer": "flap wings",
        "label": 4,
        "video_id": GIF,
        "sample_id": sample_id,
    }


@pytest.mark.parametrize("part", ["action", "transition"])
def test_choices_in_the_original_arrangement(tmp_path, part):
    write_files(tmp_path, {f"{part}_test.jsonl": [CHOICE]})
    assert read_rows(f"tgif_{part}", tmp_path, "test") == [expected_choice(tmp_path, "test-0")]


@pytest.mark.parametrize("part", ["action", "transition"])
def test_choices_in_the_published_arrangement(tmp_path, part):
    write_files(tmp_path, {f"Train_{part}_question.csv": table(CHOICE_HEADER, CHOICE_ROW)})
    assert read_rows(f"tgif_{part}", tmp_path, "train") == [expected_choice(tmp_path, "ACTION4")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"options": OPTIONS[:4]}, "line 1: field 'options' has 4 entries, but expected 5"),
        ({"answer": 5}, "line 1: field 'answer' is 5, but expected a whole number from 0 to 4"),
        ({"options": None}, "line 1: field 'a1' is missing"),
    ],
)
def test_broken_choices_are_named(tmp_path, change, message):
    write_files(tmp_path, {"action_train.jsonl": [CHOICE | change]})
    with pytest.raises(ValueError, match=rf"action_train\.jsonl, {message}"):
        load_annotations("tgif_action", tmp_path)


def test_a_table_without_a_column(tmp_path):
    write_files(tmp_path, {"Train_action_question.csv": table(CHOICE_HEADER[:6], CHOICE_ROW[:6])})
    with pytest.raises(
        ValueError, match=r"line 2: field 'a5' is missing; the entry has \['gif_name', 'question', 'a1'"
    ):
        load_annotations("tgif_action", tmp_path)


def test_open_ended_in_the_original_arrangement(tmp_path):
    write_files(
        tmp_path,
        {
            "frameqa_train.jsonl": [OPEN],
            "frameqa_val.jsonl": [OPEN | {"answer": "dog"}],
            "frameqa_test.jsonl": [OPEN | {"answer": "cat"}],
            "frameqa_trainval_ans2label.json": {"cookie": 1, "dog": 0},
        },
    )
    expected = {
        "video": str(tmp_path / "gifs" / f"{GIF}.gif"),
        "question": "what is placed in the cone ?",
        "video_id": GIF,
    }
    answers = {"train": ("cookie", 1), "validation": ("dog", 0), "test": ("cat", -100)}
    for split, (answer, label) in answers.items():
        rows = read_rows("tgif_frameqa", tmp_path, split)
        assert rows == [expected | {"answer": answer, "label": label, "sample_id": f"{split}-0"}]


def test_open_ended_in_the_published_arrangement(tmp_path):
    row = (GIF, OPEN["question"], "cookie", 0, "FRAMEQA1159", 27138, "a cookie is placed in a cone .")
    number = (GIF, "how many ?", "two", 1, "FRAMEQA1160", 27139, "two .")
    again = (GIF, "how many cats ?", "two", 1, "FRAMEQA1161", 27139, "two .")
    write_files(
        tmp_path,
        {
            "Train_frameqa_question.csv": table(OPEN_HEADER, row, number, again),
            "Test_frameqa_question.csv": table(OPEN_HEADER, row),
        },
    )
    assert read_rows("tgif_frameqa", tmp_path, "test") == [
        {
            "video": str(tmp_path / "gifs" / f"{GIF}.gif"),
            "question": "what is placed in the cone ?",
            "answer": "cookie",
            "label": 1,
            "kind": "object",
            "video_id": GIF,
            "sample_id": "FRAMEQA1159",
        }
    ]
    assert summarize(load_annotations("tgif_frameqa", tmp_path, "test")).answers == ("two", "cookie")
    with pytest.raises(FileNotFoundError, match=r"expected this file:\n.*frameqa_val\.jsonl"):
        load_annotations("tgif_frameqa", tmp_path, "validation")
