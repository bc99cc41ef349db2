# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""DiDeMo's paragraphs in both arrangements."""

import pytest
from annotation_fixtures import put_videos, read_rows, write_files

from modeling_allinone.datasets import load_annotations, summarize

FILE = "54322086@N00_2408598493_274c77d26a.avi"
ENTRY = {"annotation_id": 1, "video": FILE, "times": [[5, 5]]}


@pytest.mark.parametrize(
    ("split", "name"), [("train", "DiDeMo_train"), ("validation", "DiDeMo_val"), ("test", "DiDeMo_test")]
)
def test_original_arrangement(tmp_path, split, name):
    write_files(tmp_path, {f"{name}.tsv": f"caption\tfile\na man jumps. he, again, falls.\t{FILE}\n"})
    assert read_rows("didemo_retrieval", tmp_path, split) == [
        {
            "video": str(tmp_path / "video" / FILE),
            "caption": "a man jumps. he, again, falls.",
            "video_id": FILE.removesuffix(".avi"),
            "sample_id": f"{split}-0",
        }
    ]


def test_published_arrangement_is_joined_by_video(tmp_path, clip):
    other = {"annotation_id": 3, "video": "other.mov", "description": "a cat"}
    entries = [ENTRY | {"description": "first moment"}, other, ENTRY | {"description": "second moment"}]
    write_files(tmp_path, {"val_data.json": entries})
    rows = read_rows("didemo_retrieval", tmp_path, "validation")
    assert [(row["video"], row["caption"]) for row in rows] == [
        (str(tmp_path / "video" / FILE), "first moment second moment"),
        (str(tmp_path / "video/other.mov"), "a cat"),
    ]
    put_videos(tmp_path, clip, "converted/other.mp4", f"converted/{FILE.removesuffix('.avi')}.mkv")
    rows = load_annotations(
        "didemo_retrieval",
        tmp_path,
        "validation",
        media_pattern="converted/{video_id}.*",
        on_missing_video="raise",
    )
    assert rows[1]["video"] == str(tmp_path / "converted/other.mp4")


SUFFIXES = [ENTRY | {"video": f"a@N00_1.{suffix}", "description": f"in {suffix}"} for suffix in ("mov", "mp4", "")]


def test_a_video_under_several_suffixes_is_one_row(tmp_path, clip):
    write_files(tmp_path, {"test_data.json": [SUFFIXES[0], ENTRY | {"description": "a cat"}, *SUFFIXES[1:]]})
    rows = read_rows("didemo_retrieval", tmp_path, "test")
    assert [(row["video_id"], row["caption"]) for row in rows] == [
        ("a@N00_1", "in mov in mp4 in"),
        (FILE.removesuffix(".avi"), "a cat"),
    ]
    assert rows[0]["video"] == str(tmp_path / "video/a@N00_1.mov")
    put_videos(tmp_path, clip, "video/a@N00_1.mp4")
    rows = load_annotations("didemo_retrieval", tmp_path, "test")
    assert rows[0]["video"] == str(tmp_path / "video/a@N00_1.mp4")
    assert len(summarize(rows).missing_media) == 1


def test_broken_entries_are_named(tmp_path):
    write_files(tmp_path, {"train_data.json": [ENTRY]})
    with pytest.raises(ValueError, match=r"train_data\.json, entry 1: field 'description' is missing"):
        load_annotations("didemo_retrieval", tmp_path)
