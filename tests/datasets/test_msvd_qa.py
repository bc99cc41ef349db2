# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MSVD-QA in both arrangements."""

import pytest
from annotation_fixtures import read_rows, write_files

from modeling_allinone.datasets import load_annotations, summarize

ENTRIES = [
    {"video_id": 1201, "question": "what is chopping?", "answer": "man"},
    {"video_id": 1202, "question": "what does it eat?", "answer": "pasta"},
]
MAPPING = "-4wsuPCjDBc_5_15 vid1201\r\n-7KMZQEsJW4_205_208 vid1202\r\n"


@pytest.fixture
def original(tmp_path):
    return write_files(
        tmp_path,
        {
            "msvd_test_qa_encode.json": ENTRIES,
            "msvd_answer_set.txt": "pasta\nman\n",
            "msvd_youtube_mapping.txt": MAPPING,
        },
    )


def test_original_arrangement(original):
    expected = [
        {
            "video": str(original / "YouTubeClips/-4wsuPCjDBc_5_15.avi"),
            "question": "what is chopping?",
            "answer": "man",
            "label": 1,
            "video_id": "vid1201",
            "sample_id": "test-0",
        },
        {
            "video": str(original / "YouTubeClips/-7KMZQEsJW4_205_208.avi"),
            "question": "what does it eat?",
            "answer": "pasta",
            "label": 0,
            "video_id": "vid1202",
            "sample_id": "test-1",
        },
    ]
    assert read_rows("msvd_qa", original, "test") == expected


def test_published_arrangement(tmp_path):
    entries = [entry | {"id": 30933 + number} for number, entry in enumerate(ENTRIES)]
    write_files(tmp_path, {"train_qa.json": entries, "val_qa.json": entries[1:], "youtube_mapping.txt": MAPPING})
    (row,) = read_rows("msvd_qa", tmp_path, "validation")
    assert row == {
        "video": str(tmp_path / "YouTubeClips/-7KMZQEsJW4_205_208.avi"),
        "question": "what does it eat?",
        "answer": "pasta",
        "label": 1,
        "video_id": "vid1202",
        "sample_id": "30934",
    }
    summary = summarize(load_annotations("msvd_qa", tmp_path, "validation"))
    assert summary.answers == ("man", "pasta")
    names = [path.rsplit("/", 1)[1] for path in summary.files]
    assert names == ["val_qa.json", "train_qa.json", "youtube_mapping.txt"]


def test_videos_called_by_number_need_no_mapping(original):
    (original / "msvd_youtube_mapping.txt").unlink()
    row = read_rows("msvd_qa", original, "test", media_pattern="video/{video_id}.avi")[0]
    assert row["video"] == str(original / "video/vid1201.avi")
    with pytest.raises(FileNotFoundError, match=r"msvd_youtube_mapping\.txt: lines such as"):
        load_annotations("msvd_qa", original, "test")


def test_broken_mappings_are_named(original):
    write_files(original, {"msvd_youtube_mapping.txt": "-4wsuPCjDBc_5_15 vid1201\n"})
    with pytest.raises(ValueError, match=r"test_qa_encode\.json, entry 2: .*'vid1202', which .*mapping\.txt does not"):
        load_annotations("msvd_qa", original, "test")
    write_files(original, {"msvd_youtube_mapping.txt": "vid1201\n"})
    with pytest.raises(ValueError, match=r"mapping\.txt, line 1: the line is 'vid1201', but expected such as"):
        load_annotations("msvd_qa", original, "test")
