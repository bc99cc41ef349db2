# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""NLVR2: pairs of photographs."""

import pytest
from annotation_fixtures import json_lines, read_rows, write_files
from PIL import Image

from modeling_allinone.datasets import load_annotations, summarize

TRAIN = [
    {"identifier": "train-10171-0-0", "sentence": "Two dogs run.", "label": "True", "directory": 39, "synset": "dog"},
    {"identifier": "train-10171-0-1", "sentence": "A dog sits.", "label": "False", "directory": 39},
]
DEV = [{"identifier": "dev-850-0-0", "sentence": "All cups are full.", "label": "False"}]


@pytest.mark.parametrize("folder", ["nlvr2/data/", ""])
def test_rows(tmp_path, folder):
    write_files(tmp_path, {f"{folder}train.json": json_lines(TRAIN)})
    images = [str(tmp_path / f"images/train/39/train-10171-0-img{side}.png") for side in (0, 1)]
    shared = {"images": images, "video_id": "train-10171-0"}
    assert read_rows("nlvr2", tmp_path, "train") == [
        {**shared, "question": "Two dogs run.", "answer": "True", "label": 1, "sample_id": "train-10171-0-0"},
        {**shared, "question": "A dog sits.", "answer": "False", "label": 0, "sample_id": "train-10171-0-1"},
    ]


def test_other_splits_lie_beside_the_training_images(tmp_path):
    write_files(
        tmp_path, {"dev.json": json_lines(DEV), "test1.json": json_lines([DEV[0] | {"identifier": "test1-0-1-3"}])}
    )
    (row,) = read_rows("nlvr2", tmp_path, "validation")
    assert row["images"] == [str(tmp_path / f"dev/dev-850-0-img{side}.png") for side in (0, 1)]
    assert (row["label"], row["answer"], row["sample_id"]) == (0, "False", "dev-850-0-0")
    (row,) = read_rows("nlvr2", tmp_path, "test", media_pattern="images/{split}/{image}.png")
    assert row["images"] == [str(tmp_path / f"images/test1/test1-0-1-img{side}.png") for side in (0, 1)]


def test_both_photographs_are_looked_for(tmp_path):
    write_files(tmp_path, {"dev.json": json_lines(DEV)})
    (tmp_path / "dev").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "dev/dev-850-0-img0.png")
    summary = summarize(load_annotations("nlvr2", tmp_path, "validation"))
    assert (summary.num_media, summary.missing_media) == (2, (str(tmp_path / "dev/dev-850-0-img1.png"),))


def test_labels_may_be_truth_values_or_unknown(tmp_path):
    entries = [DEV[0] | {"label": label, "identifier": f"dev-1-0-{label}"} for label in (True, False, "true", None)]
    write_files(tmp_path, {"dev.json": json_lines(entries)})
    rows = load_annotations("nlvr2", tmp_path, "validation", on_missing_video="ignore")
    assert rows["label"][:] == [1, 0, 1, None] and rows["answer"][:] == ["True", "False", "True", None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "maybe"}, "line 2: field 'label' is 'maybe', but expected 'True' or 'False'"),
        ({"label": 1}, "field 'label' is 1, but expected"),
        ({"identifier": "dev"}, "field 'identifier' is 'dev', but expected such as 'dev-850-0-0'"),
        ({"sentence": " "}, "field 'sentence' holds empty text"),
    ],
)
def test_wrong_entries_are_named(tmp_path, changes, message):
    write_files(tmp_path, {"dev.json": json_lines([DEV[0], DEV[0] | {"identifier": "dev-2-0-0"} | changes])})
    with pytest.raises(ValueError, match=message):
        load_annotations("nlvr2", tmp_path, "validation")
