# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""WebVid: videos with captions."""

import pytest
from annotation_fixtures import put_videos, read_rows, table, write_files

from modeling_allinone.datasets import load_annotations, summarize


@pytest.mark.parametrize(
    ("split", "word", "folder"), [("train", "training", "train"), ("validation", "validation", "val")]
)
def test_rows_as_the_original_has_them(tmp_path, clip, split, word, folder):
    rows = table(("caption", "path"), ("A boat at sea", "000001_000050/1066674784"), ("", "1/2"), ("Skiing", "3"))
    write_files(tmp_path, {f"webvid_{word}_success_full.tsv": rows})
    put_videos(tmp_path, clip, f"{folder}/000001_000050/1066674784.mp4", f"{folder}/3.mp4")
    assert read_rows("webvid", tmp_path, split, on_missing_video="raise") == [
        {
            "video": str(tmp_path / f"{folder}/000001_000050/1066674784.mp4"),
            "caption": "A boat at sea",
            "video_id": "1066674784",
            "sample_id": f"{split}-0",
        },
        {
            "video": str(tmp_path / f"{folder}/3.mp4"),
            "caption": "Skiing",
            "video_id": "3",
            "sample_id": f"{split}-1",
        },
    ]
    assert summarize(load_annotations("webvid", tmp_path, split)).remarks == (
        "1 entries without a caption were left out",
    )


@pytest.mark.parametrize("name", ["results_2M_train.csv", "results_10M_train.csv"])
def test_rows_as_the_makers_have_them(tmp_path, name):
    rows = table(
        ("videoid", "contentUrl", "duration", "page_dir", "name"),
        (21179416, "https://example.org/21179416.mp4", "PT00H00M11S", "006001_006050", '"Waves, and a ""boat"""'),
        (5, "https://example.org/5.mp4", "PT00H00M11S", "006001_006050", ""),
        delimiter=",",
    )
    write_files(tmp_path, {name: rows})
    assert read_rows("webvid", tmp_path, "train") == [
        {
            "video": str(tmp_path / "train/006001_006050/21179416.mp4"),
            "caption": 'Waves, and a "boat"',
            "video_id": "21179416",
            "sample_id": "train-0",
        }
    ]
    (row,) = read_rows("webvid", tmp_path, "train", media_pattern="videos/{page_dir}/{video_id}.webm")
    assert row["video"] == str(tmp_path / "videos/006001_006050/21179416.webm")


def test_row_without_a_path_is_named(tmp_path):
    write_files(tmp_path, {"results_2M_train.csv": "videoid,page_dir,name\n7,,A boat\n"})
    with pytest.raises(ValueError, match="line 2: field 'page_dir' holds empty text"):
        load_annotations("webvid", tmp_path)
