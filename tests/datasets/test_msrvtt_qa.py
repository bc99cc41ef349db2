# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MSRVTT-QA in both arrangements."""

import pytest
from annotation_fixtures import read_rows, write_files

from modeling_allinone.datasets import load_annotations, summarize

ENTRIES = [
    {"video_id": "video7010", "question": "what is a man doing?", "answer": "sing"},
    {"video_id": "video7010", "question": "qui\u00e9n?", "answer": "ni\u00f1o"},
    {"video_id": "video7011", "question": "how many?", "answer": 2},
]


@pytest.fixture
def original(tmp_path):
    return write_files(
        tmp_path,
        {
            "msrvtt_qa_train.jsonl": ENTRIES,
            "msrvtt_qa_val.jsonl": [ENTRIES[0] | {"question": "validation?"}],
            "msrvtt_qa_test.jsonl": [ENTRIES[0] | {"question": "test?", "answer": "dance"}],
            "msrvtt_train_ans2label.json": {"ni\u00f1o": 0, "2": 1, "sing": 2},
        },
    )


@pytest.fixture
def published(tmp_path):
    entries = [
        {"answer": "sing", "category_id": 14, "id": 158581, "question": "who sings?", "video_id": 6513},
        {"answer": "man", "category_id": 14, "id": 158582, "question": "who is it?", "video_id": 6513},
    ]
    train = [
        entry | {"id": number, "answer": answer}
        for number, (entry, answer) in enumerate(zip(entries * 2, ["man", "dog", "man", "cat"], strict=True))
    ]
    return write_files(tmp_path, {"train_qa.json": train, "val_qa.json": entries, "test_qa.json": entries[:1]})


def test_original_arrangement(original):
    assert read_rows("msrvtt_qa", original, "train") == [
        {
            "video": str(original / "videos/all/video7010.mp4"),
            "question": "what is a man doing?",
            "answer": "sing",
            "label": 2,
            "video_id": "video7010",
            "sample_id": "train-0",
        },
        {
            "video": str(original / "videos/all/video7010.mp4"),
            "question": "qui\u00e9n?",
            "answer": "ni\u00f1o",
            "label": 0,
            "video_id": "video7010",
            "sample_id": "train-1",
        },
        {
            "video": str(original / "videos/all/video7011.mp4"),
            "question": "how many?",
            "answer": "2",
            "label": 1,
            "video_id": "video7011",
            "sample_id": "train-2",
        },
    ]


def test_published_arrangement(published):
    assert read_rows("msrvtt_qa", published, "validation") == [
        {
            "video": str(published / "videos/all/video6513.mp4"),
            "question": "who sings?",
            "answer": "sing",
            "label": -100,
            "video_id": "video6513",
            "sample_id": "158581",
        },
        {
            "video": str(published / "videos/all/video6513.mp4"),
            "question": "who is it?",
            "answer": "man",
            "label": 0,
            "video_id": "video6513",
            "sample_id": "158582",
        },
    ]


def test_vocabulary_is_counted_in_training_where_there_is_no_file(published):
    summary = summarize(load_annotations("msrvtt_qa", published, "test", num_answers=2))
    assert summary.answers == ("man", "cat")
    assert summary.answers_origin == "the training split, the most frequent"
    assert summary.files == (str(published / "test_qa.json"), str(published / "train_qa.json"))


def test_vocabulary_that_is_given(published):
    (row,) = read_rows("msrvtt_qa", published, "test", vocabulary=["dance", "sing"])
    assert row["label"] == 1
    write_files(published, {"mine.txt": "sing\n"})
    (row,) = read_rows("msrvtt_qa", published, "test", vocabulary=published / "mine.txt")
    assert row["label"] == 0


def test_without_vocabulary_and_training_split_both_are_named(published):
    (published / "train_qa.json").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"(?s)msrvtt_train_ans2label\.json: JSON object.*train_qa\.json: JSON"
    ):
        load_annotations("msrvtt_qa", published, "test")
