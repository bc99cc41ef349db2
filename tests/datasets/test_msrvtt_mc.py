# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MSRVTT-MC."""

import pytest
from annotation_fixtures import read_rows, write_files

from modeling_allinone.datasets import load_annotations

OPTIONS = ["a man sings", "a dog runs", "a cat sleeps", "two boys play", "a car crashes"]
ENTRY = {"qid": 0, "clip_name": "video7010", "options": OPTIONS, "answer": 3}


def test_rows(tmp_path):
    write_files(tmp_path, {"msrvtt_mc_test.jsonl": [ENTRY]})
    assert read_rows("msrvtt_mc", tmp_path, "test") == [
        {
            "video": str(tmp_path / "videos/all/video7010.mp4"),
            "options": OPTIONS,
            "answer": "two boys play",
            "label": 3,
            "video_id": "video7010",
            "sample_id": "test-0",
        }
    ]


CAPTIONS = {"sentences": [{"video_id": f"video{number}", "caption": f"a dog {number}"} for number in range(3)]}
LISTS = "high-quality/structured-symlinks"


@pytest.mark.parametrize(
    "files",
    [
        {"MSRVTT_data.json": CAPTIONS, "MSRVTT_train.7k.csv": "video_id\nvideo0\nvideo2\n"},
        {
            "MSRVTT_data.json": CAPTIONS,
            f"{LISTS}/train_list_full.txt": "video0\n",
            f"{LISTS}/val_list_full.txt": "video2\n",
            "MSRVTT_train.7k.csv": "video_id\nvideo1\n",
        },
        {
            "train_val_videodatainfo.json": CAPTIONS
            | {"videos": [{"video_id": "video2", "split": "validate"}, {"video_id": "video0", "split": "train"}]}
        },
    ],
)
def test_it_trains_on_captions_of_what_the_makers_train_and_validate_on(tmp_path, files):
    rows = read_rows("msrvtt_mc", write_files(tmp_path, files), "train")
    assert rows == [
        {
            "video": str(tmp_path / f"videos/all/video{number}.mp4"),
            "captions": [f"a dog {number}"],
            "video_id": f"video{number}",
            "sample_id": f"video{number}",
        }
        for number in (0, 2)
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"options": [*OPTIONS, "a sixth"]}, "field 'options' has 6 entries, but expected 5"),
        ({"answer": 5}, "field 'answer' is 5, but expected a whole number from 0 to 4"),
    ],
)
def test_broken_entries_are_named(tmp_path, change, message):
    write_files(tmp_path, {"msrvtt_mc_test.jsonl": [ENTRY, ENTRY | change]})
    with pytest.raises(ValueError, match=rf"msrvtt_mc_test\.jsonl, line 2: {message}"):
        load_annotations("msrvtt_mc", tmp_path, "test")
