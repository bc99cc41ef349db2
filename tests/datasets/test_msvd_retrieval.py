# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MSVD's captions in both arrangements."""

import pytest
from annotation_fixtures import read_rows, write_files

from modeling_allinone.datasets import load_annotations

CLIP = "mv89psg6zh4_33_46"


@pytest.fixture
def original(tmp_path):
    return write_files(
        tmp_path,
        {
            "MSVD_train.tsv": f"captions\tclip\na bird bathes,a bird, washes ,\t{CLIP}\n",
            "MSVD_val.tsv": f"captions\tclip\nvalidation\t{CLIP}\n",
            "MSVD_test.tsv": f"captions\tclip\na test,another\t{CLIP}\n",
        },
    )


def test_original_arrangement(original):
    assert read_rows("msvd_retrieval", original, "train") == [
        {
            "video": str(original / "YouTubeClips" / f"{CLIP}.avi"),
            "captions": ["a bird bathes", "a bird", "washes"],
            "video_id": CLIP,
            "sample_id": CLIP,
        }
    ]
    for split, caption in {"validation": "validation", "test": "a test"}.items():
        assert [row["caption"] for row in read_rows("msvd_retrieval", original, split)] == [caption]


def test_a_row_for_each_caption(original):
    rows = read_rows("msvd_retrieval", original, "test", caption_mode="each")
    assert [(row["sample_id"], row["caption"]) for row in rows] == [(f"{CLIP}-0", "a test"), (f"{CLIP}-1", "another")]


def test_published_arrangement(tmp_path):
    write_files(
        tmp_path,
        {
            "AllVideoDescriptions.txt": f"# remark\n\n{CLIP} a bird, in a sink\nother_1_2 a man\n{CLIP} a bird\n",
            "train_list.txt": f"{CLIP}\n",
            "test_list.txt": "other_1_2\n",
            "val_list.txt": "nobody_1_2\n",
        },
    )
    (row,) = read_rows("msvd_retrieval", tmp_path, "train")
    assert (row["captions"], row["video_id"]) == (["a bird, in a sink", "a bird"], CLIP)
    (row,) = read_rows("msvd_retrieval", tmp_path, "test")
    assert (row["caption"], row["video_id"]) == ("a man", "other_1_2")
    with pytest.raises(ValueError, match=r"val_list\.txt, line 1: 'nobody_1_2' has no captions in .*AllVideoD"):
        load_annotations("msvd_retrieval", tmp_path, "validation")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("captions\tclip\n", "msvd_retrieval has no rows in"),
        ("captions\tclip\na bird\n", r"MSVD_train\.tsv, line 2: column 1 is missing"),
        (f"captions\tclip\n , \t{CLIP}\n", r"has no captions"),
    ],
)
def test_broken_tables_are_named(tmp_path, content, message):
    write_files(tmp_path, {"MSVD_train.tsv": content})
    with pytest.raises(ValueError, match=message):
        load_annotations("msvd_retrieval", tmp_path)
