# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Videos that two splits of a run share are told of, whatever the reader."""

import json
import os
from functools import partial

import pytest

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.datasets import train_tokenizer
from modeling_allinone.training.arguments import DataArguments
from modeling_allinone.training.pretraining_arguments import (
    EvaluationArguments,
    PreTrainingArguments,
    SourceArguments,
)
from modeling_allinone.training.pretraining_sources import load_sources, load_zero_shot
from modeling_allinone.training.splits import load_split


def write_questions(root, **videos):
    """Questions about the videos of each split, which are not there."""
    root.mkdir(exist_ok=True)
    for split, numbers in videos.items():
        rows = [{"video_id": f"video{number}", "question": "who?", "answer": "man"} for number in numbers]
        (root / f"msrvtt_qa_{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return root


@pytest.fixture
def warnings(caplog):
    """What was said of shared videos, up to the remedy."""
    return lambda: [
        record.getMessage().split(":")[0] for record in caplog.records if record.name.endswith("shared_media")
    ]


@pytest.fixture
def load():
    """Read splits of one run."""
    return partial(load_split, loaded=[])


def questions(root, **options):
    return DataArguments("msrvtt_qa", str(root), on_missing_video="ignore", **options)


def test_splits_of_a_data_set(tmp_path, load, warnings):
    arguments = questions(write_questions(tmp_path, train=range(6), val=[4, 8], test=[9, 5, 3, 2, 3, 5, 0]))
    for split in ("test", "validation", "train"):
        assert len(load(arguments, split, num_rows=1)) == 1
    assert warnings() == [
        "The test split of msrvtt_qa and the train split of msrvtt_qa share 4 videos or images, such as video0, "
        "video2, video3",
        "The validation split of msrvtt_qa and the train split of msrvtt_qa share 1 videos or images, namely video4",
    ]


def test_the_same_split_for_another_task_and_splits_apart(tmp_path, load, warnings):
    arguments = questions(write_questions(tmp_path, train=[0, 1], val=[2], test=[3]))
    for split in ("test", "validation", "train", "test"):
        load(arguments, split)
    assert not warnings()


def test_other_data_sets_by_the_files_they_name(tmp_path, load, warnings):
    root = write_questions(tmp_path / "questions", train=range(3))
    choices = [{"clip_name": f"video{number}", "options": ["a"] * 5, "answer": 0} for number in (2, 3)]
    (root / "msrvtt_mc_test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in choices))
    (tmp_path / "clips").mkdir()
    os.symlink(tmp_path / "clips", tmp_path / "links")
    first = questions(root, media_dir=str(tmp_path / "clips"))
    load(first, "train")
    load_split(DataArguments("msrvtt_mc", str(root), str(tmp_path / "clips"), on_missing_video="ignore"), "test")
    assert not warnings(), "another run"
    choice = DataArguments("msrvtt_mc", str(root), str(tmp_path / "links"), on_missing_video="ignore")
    load(choice, "test")
    assert warnings() == [
        "The train split of msrvtt_qa and the test split of msrvtt_mc share 1 videos or images, namely "
        f"{tmp_path}/clips/videos/all/video2.mp4"
    ]


def test_names_are_of_a_folder(tmp_path, load, warnings):
    first, second = (questions(write_questions(tmp_path / name, train=[0], test=[0])) for name in ("a", "b"))
    load(first, "train")
    load(second, "test")
    assert not warnings()


def test_pairs_of_images(tmp_path, load, warnings):
    for word, identifiers in {"dev": ("dev-1-0-0", "dev-2-0-0"), "test1": ("dev-2-0-1",)}.items():
        rows = [{"identifier": name, "sentence": "two dogs", "label": "True"} for name in identifiers]
        (tmp_path / f"{word}.json").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    arguments = DataArguments("nlvr2", str(tmp_path), on_missing_video="ignore")
    for split in ("validation", "test"):
        load(arguments, split)
    assert [message.split(" share ")[1] for message in warnings()] == ["1 videos or images, namely dev-2-0"]


def test_sources_of_pre_training_and_what_it_is_watched_by(tmp_path, warnings):
    for split, names in {"train": ("a", "b"), "val": ("b", "c"), "test": ("c",)}.items():
        entries = [{"video": f"{name}.mp4", "description": name} for name in names]
        (tmp_path / f"{split}_data.json").write_text(json.dumps(entries))
    (tmp_path / "video").mkdir()
    for name in "abc":
        (tmp_path / "video" / f"{name}.mp4").write_bytes(b"a clip")
    described = {"dataset": "didemo_retrieval", "data_dir": str(tmp_path)}
    arguments = DataArguments(**described)
    loaded = []
    load_split(arguments, "test", loaded=loaded)
    load_zero_shot(EvaluationArguments(zero_shot={"retrieval": described}), loaded)
    processor = AllInOneProcessor(AllInOneVideoProcessor(), train_tokenizer(["a"]))
    sources = SourceArguments(video_sources={"mine": described})
    load_sources(sources, arguments, processor, PreTrainingArguments(str(tmp_path), use_cpu=True), loaded=loaded)
    assert warnings() == [
        "The test split of didemo_retrieval and the validation split of didemo_retrieval share 1 videos or images, "
        "namely c",
        "The validation split of didemo_retrieval and the train split of didemo_retrieval share 1 videos or images, "
        "namely b",
    ]
