# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MSR-VTT's captions in four partitions and three arrangements."""

import json
import pickle

import pytest
from annotation_fixtures import read_rows, write_files

from modeling_allinone.datasets import describe_dataset, load_annotations, summarize

LISTS = "high-quality/structured-symlinks"
CAPTIONS = {
    "video0": ["a car", "a red car"],
    "video1": ["a dog", "a brown dog", "a pet"],
    "video2": ["a cat", "a pet"],
    "video3": ["caf\u00e9"],
}
IN_ANY_ORDER = [("video1", 0), ("video0", 0), ("video1", 1), ("video3", 0), ("video0", 1), ("video2", 0)]
IN_ANY_ORDER += [("video2", 1), ("video1", 2)]


def entries(name):
    return [{name: video_id, "caption": CAPTIONS[video_id][number]} for video_id, number in IN_ANY_ORDER]


@pytest.fixture
def original(tmp_path):
    return write_files(
        tmp_path,
        {
            "annotation/MSR_VTT.json": {"info": {}, "annotations": entries("image_id")},
            f"{LISTS}/train_list_jsfusion.txt": "video0\nvideo3\n",
            f"{LISTS}/val_list_jsfusion.txt": "video2\nvideo1\n",
            f"{LISTS}/jsfusion_val_caption_idx.pkl": pickle.dumps({"video1": 2, "video2": 0}),
            "MSRVTT_train.7k.csv": "video_id\r\nvideo0\r\n",
            f"{LISTS}/train_list_miech.txt": "video0\r\nvideo2\r\n",
            f"{LISTS}/test_list_miech.txt": "video1\r\n",
            f"{LISTS}/train_list_full.txt": "video0",
            f"{LISTS}/val_list_full.txt": "video2",
            f"{LISTS}/test_list_full.txt": "video1",
        },
    )


def queries(rows):
    return [(row["video_id"], row.get("caption", row.get("captions"))) for row in rows]


def test_training_rows_have_all_captions(original):
    assert read_rows("msrvtt_retrieval", original, "train") == [
        {
            "video": str(original / "videos/all/video0.mp4"),
            "captions": ["a car", "a red car"],
            "video_id": "video0",
            "sample_id": "video0",
        },
        {
            "video": str(original / "videos/all/video3.mp4"),
            "captions": ["caf\u00e9"],
            "video_id": "video3",
            "sample_id": "video3",
        },
    ]


def test_test_rows_have_the_caption_of_the_index(original):
    assert read_rows("msrvtt_retrieval", original, "test") == [
        {
            "video": str(original / "videos/all/video2.mp4"),
            "caption": "a cat",
            "video_id": "video2",
            "sample_id": "video2",
        },
        {
            "video": str(original / "videos/all/video1.mp4"),
            "caption": "a pet",
            "video_id": "video1",
            "sample_id": "video1",
        },
    ]


def test_an_index_without_names_follows_the_list(original):
    write_files(original, {f"{LISTS}/jsfusion_val_caption_idx.pkl": pickle.dumps([1, 1])})
    assert queries(read_rows("msrvtt_retrieval", original, "test")) == [("video2", "a pet"), ("video1", "a brown dog")]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0], "has 1 numbers for 2 videos; expected as many"),
        ([0, 3], "has caption 3 for 'video1', which has 3; expected the index of one of them"),
        ([0, -1], "has caption -1 for 'video1'"),
        ({"video2": 0}, "has caption None for 'video1'"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(original, index, message):
    write_files(original, {f"{LISTS}/jsfusion_val_caption_idx.pkl": pickle.dumps(index)})
    with pytest.raises(ValueError, match=message):
        load_annotations("msrvtt_retrieval", original, "test")


def test_published_test_captions_need_no_pickle(original):
    write_files(
        original, {"MSRVTT_JSFUSION_test.csv": 'key,vid_key,video_id,sentence\nret0,msr1,video1,"a dog, old"\n'}
    )
    rows = load_annotations("msrvtt_retrieval", original, "test")
    assert queries(rows) == [("video1", "a dog, old")]
    assert summarize(rows).files == (str(original / "MSRVTT_JSFUSION_test.csv"),)


@pytest.mark.parametrize(("name", "list_name"), [("msrvtt_retrieval", "9k"), ("msrvtt_retrieval_7k", "7k")])
def test_published_training_list(tmp_path, name, list_name):
    write_files(
        tmp_path,
        {
            "MSRVTT_data.json": {"videos": [], "sentences": entries("video_id")},
            f"MSRVTT_train.{list_name}.csv": "video_id\nvideo2\nvideo0\n",
        },
    )
    expected = [("video2", CAPTIONS["video2"]), ("video0", CAPTIONS["video0"])]
    assert queries(read_rows(name, tmp_path, "train")) == expected


def test_the_partitions_7k_and_1k_b_are_two(original):
    assert queries(read_rows("msrvtt_retrieval_7k", original, "train")) == [("video0", ["a car", "a red car"])]
    rows = read_rows("msrvtt_retrieval_1k_b", original, "train")
    assert queries(rows) == [("video0", ["a car", "a red car"]), ("video2", ["a cat", "a pet"])]
    one_k_a = read_rows("msrvtt_retrieval", original, "test")
    assert read_rows("msrvtt_retrieval_7k", original, "test") == one_k_a
    assert queries(one_k_a) == [("video2", "a cat"), ("video1", "a pet")]
    assert queries(read_rows("msrvtt_retrieval_1k_b", original, "test")) == [("video1", "a dog")]


def test_no_partition_takes_the_lists_of_another(tmp_path):
    names = ("msrvtt_retrieval", "msrvtt_retrieval_7k", "msrvtt_retrieval_1k_b", "msrvtt_retrieval_full")
    splits = {name: describe_dataset(name).splits for name in names}
    train = {name: {file.path for file in of["train"]} for name, of in splits.items()}
    for name, paths in train.items():
        assert not any(paths & others for other, others in train.items() if other != name)
        assert not paths & {file.path for file in splits[name]["test"]}
    tests = {name: {file.path for file in of["test"]} for name, of in splits.items()}
    assert tests["msrvtt_retrieval"] == tests["msrvtt_retrieval_7k"]
    assert not tests["msrvtt_retrieval_1k_b"] & tests["msrvtt_retrieval_7k"]


def test_the_full_partition_has_a_validation_split(original):
    for split, video_id in {"train": "video0", "validation": "video2", "test": "video1"}.items():
        rows = read_rows("msrvtt_retrieval_full", original, split, caption_mode="list")
        assert queries(rows) == [(video_id, CAPTIONS[video_id])]
    with pytest.raises(ValueError, match=r"msrvtt_retrieval has no split 'validation'.*train_test_split"):
        load_annotations("msrvtt_retrieval", original, "validation")


def test_the_makers_arrangement_of_the_full_partition(tmp_path):
    splits = {"video0": "train", "video2": "validate", "video3": "train"}
    write_files(
        tmp_path,
        {
            "train_val_videodatainfo.json": {
                "videos": [{"video_id": video_id, "split": split} for video_id, split in splits.items()],
                "sentences": [entry for entry in entries("video_id") if entry["video_id"] in splits],
            },
            "test_videodatainfo.json": {
                "videos": [{"video_id": "video1", "split": "test"}],
                "sentences": [entry for entry in entries("video_id") if entry["video_id"] not in splits],
            },
        },
    )
    rows = read_rows("msrvtt_retrieval_full", tmp_path, "train")
    assert queries(rows) == [("video0", CAPTIONS["video0"]), ("video3", CAPTIONS["video3"])]
    assert queries(read_rows("msrvtt_retrieval_full", tmp_path, "validation")) == [("video2", "a cat")]
    assert queries(read_rows("msrvtt_retrieval_full", tmp_path, "test")) == [("video1", "a dog")]


def test_the_makers_training_split_does_without_their_test(tmp_path):
    sentences = [entry for entry in entries("video_id") if entry["video_id"] != "video1"]
    videos = [{"video_id": video_id, "split": "train"} for video_id in ("video0", "video1")]
    write_files(tmp_path, {"train_val_videodatainfo.json": {"videos": videos[:1], "sentences": sentences}})
    assert queries(read_rows("msrvtt_retrieval_full", tmp_path, "train")) == [("video0", CAPTIONS["video0"])]
    (tmp_path / "train_val_videodatainfo.json").write_text(json.dumps({"videos": videos, "sentences": sentences}))
    with pytest.raises(FileNotFoundError, match=r"test_videodatainfo\.json"):
        load_annotations("msrvtt_retrieval_full", tmp_path)


def test_a_row_for_each_caption(original):
    rows = read_rows("msrvtt_retrieval_1k_b", original, "test", caption_mode="each")
    assert [(row["sample_id"], row["caption"]) for row in rows] == [
        ("video1-0", "a dog"),
        ("video1-1", "a brown dog"),
        ("video1-2", "a pet"),
    ]
    with pytest.raises(ValueError, match="caption_mode is 'all'; expected one of 'list', 'first', 'each'"):
        load_annotations("msrvtt_retrieval_7k", original, "test", caption_mode="all")


def test_videos_without_captions_are_named(original):
    write_files(original, {f"{LISTS}/train_list_jsfusion.txt": "video0\nvideo4\nvideo5\n"})
    with pytest.raises(ValueError, match=r"jsfusion\.txt, line 2: 'video4' \(2 such\) has no caption in .*MSR_VTT"):
        load_annotations("msrvtt_retrieval", original)


def test_captions_that_are_none_are_named(original):
    write_files(original, {"annotation/MSR_VTT.json": {"annotations": [{"image_id": "video0", "caption": 3.5}]}})
    with pytest.raises(ValueError, match=r"MSR_VTT\.json, annotations, entry 1: field 'caption' holds 3\.5"):
        load_annotations("msrvtt_retrieval", original)
    write_files(original, {"annotation/MSR_VTT.json": {"captions": []}})
    with pytest.raises(ValueError, match="expected a JSON object with 'annotations' or 'sentences'"):
        load_annotations("msrvtt_retrieval", original)
