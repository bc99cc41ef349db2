# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""LSMDC's sentences and choices."""

import pytest
from annotation_fixtures import read_rows, table, write_files

from modeling_allinone.datasets import load_annotations

CLIP = "0001_American_Beauty_00.00.51.926-00.00.54.129"
OTHER = "3009_BATTLE_LOS_ANGELES_00.03.07.170-00.03.09.675"
TIMES = ("00.00.51.926", "00.00.54.129", "00.00.51.926", "00.00.54.129")
SENTENCE = '"SOMEONE" glances up.'
OPTIONS = [SENTENCE, "He runs.", "She sleeps.", "They sing.", "It rains."]


def test_sentences(tmp_path):
    write_files(
        tmp_path,
        {"LSMDC16_annos_training.csv": table((CLIP, *TIMES, SENTENCE), (OTHER, *TIMES, '"Go, he says.'))},
    )
    assert read_rows("lsmdc_retrieval", tmp_path, "train") == [
        {
            "video": str(tmp_path / "0001_American_Beauty" / f"{CLIP}.avi"),
            "caption": SENTENCE,
            "video_id": CLIP,
            "sample_id": "train-0",
        },
        {
            "video": str(tmp_path / "3009_BATTLE_LOS_ANGELES" / f"{OTHER}.avi"),
            "caption": '"Go, he says.',
            "video_id": OTHER,
            "sample_id": "train-1",
        },
    ]


def test_splits_of_sentences(tmp_path):
    files = {"validation": "LSMDC16_annos_val.csv", "test": "LSMDC16_challenge_1000_publictect.csv"}
    write_files(tmp_path, {name: table((CLIP, *TIMES, split)) for split, name in files.items()})
    for split in files:
        assert [row["caption"] for row in read_rows("lsmdc_retrieval", tmp_path, split)] == [split]


def test_a_row_without_a_sentence_is_named(tmp_path):
    write_files(tmp_path, {"LSMDC16_annos_val.csv": f"{CLIP}\n"})
    with pytest.raises(ValueError, match=r"annos_val\.csv, line 1: the row has 1 column, but expected tab-separated"):
        load_annotations("lsmdc_retrieval", tmp_path, "validation")


@pytest.mark.parametrize(
    ("split", "name"),
    [("train", "LSMDC16_multiple_choice_train.csv"), ("validation", "LSMDC16_multiple_choice_valid.csv")],
)
def test_the_first_choice_is_right_outside_the_test_split(tmp_path, split, name):
    write_files(tmp_path, {name: table((CLIP, *TIMES, *OPTIONS))})
    assert read_rows("lsmdc_mc", tmp_path, split) == [
        {
            "video": str(tmp_path / "0001_American_Beauty" / f"{CLIP}.avi"),
            "options": OPTIONS,
            "answer": SENTENCE,
            "label": 0,
            "video_id": CLIP,
            "sample_id": f"{split}-0",
        }
    ]


def test_choices_of_the_test_split_are_numbered_from_one(tmp_path):
    name = "LSMDC16_multiple_choice_test_randomized.csv"
    write_files(tmp_path, {name: table((CLIP, *TIMES, *OPTIONS, 5), (OTHER, *TIMES, *OPTIONS, 1))})
    rows = read_rows("lsmdc_mc", tmp_path, "test")
    assert [(row["label"], row["answer"]) for row in rows] == [(4, "It rains."), (0, SENTENCE)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((CLIP, *TIMES, *OPTIONS, 0), "column 10 is '0', but expected a whole number from 1 to 5"),
        ((CLIP, *TIMES, *OPTIONS, 6), "column 10 is '6', but expected a whole number from 1 to 5"),
        ((CLIP, *TIMES, *OPTIONS), "column 10 is missing; the entry has 10 columns"),
    ],
)
def test_broken_choices_are_named(tmp_path, row, message):
    write_files(tmp_path, {"LSMDC16_multiple_choice_test_randomized.csv": table(row)})
    with pytest.raises(ValueError, match=rf"test_randomized\.csv, line 1: {message}"):
        load_annotations("lsmdc_mc", tmp_path, "test")
