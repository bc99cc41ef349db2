# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""ActivityNet-QA as its makers publish it."""

import pytest
from annotation_fixtures import read_rows, write_files

from modeling_allinone.datasets import load_annotations, summarize

QUESTIONS = [
    {"video_name": "1QIUV7WYKXg", "question": "is it sunny", "question_id": "v_1QIUV7WYKXg_3"},
    {"video_name": "1QIUV7WYKXg", "question": "what colour is it", "question_id": "v_1QIUV7WYKXg_4"},
]
ANSWERS = [
    {"answer": "blue", "type": 4, "question_id": "v_1QIUV7WYKXg_4"},
    {"answer": "yes", "type": 3, "question_id": "v_1QIUV7WYKXg_3"},
]


@pytest.fixture
def root(tmp_path):
    return write_files(
        tmp_path,
        {
            "train_q.json": QUESTIONS,
            "train_a.json": ANSWERS,
            "val_q.json": QUESTIONS[:1],
            "val_a.json": ANSWERS,
            "test_q.json": QUESTIONS[1:],
            "test_a.json": [ANSWERS[0] | {"answer": "red"}],
        },
    )


def test_questions_and_answers_are_joined(root):
    assert read_rows("activitynet_qa", root, "train") == [
        {
            "video": str(root / "activitynet_frames/v_1QIUV7WYKXg"),
            "frame_rate": 3.0,
            "question": "is it sunny",
            "answer": "yes",
            "label": 1,
            "kind": "yes/no",
            "video_id": "1QIUV7WYKXg",
            "sample_id": "v_1QIUV7WYKXg_3",
        },
        {
            "video": str(root / "activitynet_frames/v_1QIUV7WYKXg"),
            "frame_rate": 3.0,
            "question": "what colour is it",
            "answer": "blue",
            "label": 0,
            "kind": "colour",
            "video_id": "1QIUV7WYKXg",
            "sample_id": "v_1QIUV7WYKXg_4",
        },
    ]


def test_other_splits_use_the_vocabulary_of_the_training_split(root):
    (row,) = read_rows("activitynet_qa", root, "validation", num_answers=1)
    assert (row["answer"], row["label"]) == ("yes", -100)
    (row,) = read_rows("activitynet_qa", root, "test")
    assert (row["answer"], row["label"]) == ("red", -100)
    summary = summarize(load_annotations("activitynet_qa", root, "test"))
    assert summary.files == tuple(str(root / f"{name}.json") for name in ("test_q", "test_a", "train_q", "train_a"))
    assert summary.answers == ("blue", "yes")


def test_a_vocabulary_file_is_preferred(root):
    write_files(root, {"activitynet_qa_ans2label.json": {"yes": 0, "red": 1}})
    (row,) = read_rows("activitynet_qa", root, "test", media_pattern="{video_id}.mp4", frame_rate=None)
    assert (row["label"], row["video"]) == (1, str(root / "1QIUV7WYKXg.mp4"))
    assert "frame_rate" not in row


def test_questions_without_an_answer_are_named(root):
    write_files(root, {"train_a.json": ANSWERS[:1]})
    with pytest.raises(
        ValueError, match=r"train_q\.json, entry 1: .*'v_1QIUV7WYKXg_3' has no answer in train_a\.json"
    ):
        load_annotations("activitynet_qa", root)


def test_a_question_answered_twice_is_named(root):
    write_files(root, {"train_a.json": [*ANSWERS, ANSWERS[0]]})
    with pytest.raises(ValueError, match=r"train_a\.json, entry 3: .*'v_1QIUV7WYKXg_4' was already that of entry 1"):
        load_annotations("activitynet_qa", root)


def test_missing_answers_are_described(root):
    (root / "val_a.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"val_a\.json: JSON list of objects with question_id, answer, type"):
        load_annotations("activitynet_qa", root, "validation")


def test_unknown_types_are_named(root):
    write_files(root, {"val_a.json": [ANSWERS[1] | {"type": 9}]})
    with pytest.raises(ValueError, match="field 'type' is 9, but expected a whole number from 0 to 8"):
        load_annotations("activitynet_qa", root, "validation")
