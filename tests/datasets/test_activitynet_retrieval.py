# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""ActivityNet's paragraphs in both arrangements."""

import pytest
from annotation_fixtures import read_rows, write_files

from modeling_allinone.datasets import load_annotations

VIDEO = "v_QOlSCBRmfWY"


@pytest.mark.parametrize(("split", "name"), [("train", "train"), ("validation", "val1"), ("test", "val2")])
def test_original_arrangement(tmp_path, split, name):
    write_files(tmp_path, {f"{name}.jsonl": [{"caption": "A woman dances. She bows.", "clip_name": VIDEO}]})
    assert read_rows("activitynet_retrieval", tmp_path, split) == [
        {
            "video": str(tmp_path / "activitynet_frames" / VIDEO),
            "frame_rate": 3.0,
            "caption": "A woman dances. She bows.",
            "video_id": VIDEO,
            "sample_id": f"{split}-0",
        }
    ]


@pytest.mark.parametrize(("split", "name"), [("train", "train"), ("validation", "val_1"), ("test", "val_2")])
def test_published_arrangement(tmp_path, split, name):
    fields = {"duration": 82.7, "timestamps": [[0.8, 19.8], [17, 60]], "sentences": ["A woman dances.", " She bows."]}
    write_files(tmp_path, {f"{name}.json": {VIDEO: fields}})
    (row,) = read_rows("activitynet_retrieval", tmp_path, split)
    assert (row["caption"], row["video_id"]) == ("A woman dances. She bows.", VIDEO)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"train\.json holds \[\]; expected a JSON object with an object for each video"),
        ({VIDEO: ["A woman dances."]}, "field 'v_QOlSCBRmfWY' is .*, but expected an object with sentences"),
        ({VIDEO: {"sentences": []}}, r"train\.json, entry 'v_QOlSCBRmfWY': field 'sentences' has 0 entries"),
        ({VIDEO: {}}, "field 'sentences' is missing"),
    ],
)
def test_broken_entries_are_named(tmp_path, content, message):
    write_files(tmp_path, {"train.json": content})
    with pytest.raises(ValueError, match=message):
        load_annotations("activitynet_retrieval", tmp_path)


def test_empty_folders_of_frames_are_missing(tmp_path):
    write_files(tmp_path, {"train.jsonl": [{"caption": "A woman dances.", "clip_name": VIDEO}]})
    (tmp_path / "activitynet_frames" / VIDEO).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="1 of 1 are missing or empty"):
        load_annotations("activitynet_retrieval", tmp_path, on_missing_video="raise")
    write_files(tmp_path, {f"activitynet_frames/{VIDEO}/00001.jpg": b"x"})
    assert len(load_annotations("activitynet_retrieval", tmp_path, on_missing_video="raise")) == 1
