# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Fine-tuning for pairs of images through its script: NLVR2 in miniature, what is learned, bad input."""

import json

import pytest
from image_files import write_nlvr2, write_recipe
from script_runs import load_script, read_results, run_script
from transformers import AutoConfig

from modeling_allinone import AllInOneForPairedVisualReasoning, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.datasets import train_tokenizer
from modeling_allinone.models.video_processing_allinone import IMAGE_OPTIONS
from modeling_allinone.recipes import RECIPES

SCRIPT = load_script("finetune")


def run(*arguments) -> int:
    return run_script(SCRIPT, *arguments)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_config):
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = train_tokenizer(["left is red", "right is green", "right is blue"])
    tokenizer.model_max_length = 16
    config = tiny_config(num_hidden_layers=1, vocab_size=len(tokenizer))
    AllInOneForPairedVisualReasoning(config).save_pretrained(folder)
    AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=36, crop_size=32), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def small(tiny, tmp_path):
    """Arguments of a short run by the recipe."""
    return [
        RECIPES / "nlvr2.yaml",
        *("--model_name_or_path", tiny, "--output_dir", tmp_path / "output"),
        *("--max_steps", 2, "--total_batch_size", 2, "--per_device_train_batch_size", 2),
        *("--fp16", "false", "--dataloader_num_workers", 0),
        *("--video_processor", json.dumps({**IMAGE_OPTIONS, "size": {"shortest_edge": 32, "longest_edge": 64}})),
    ]


@pytest.mark.parametrize("folder", ["", "nlvr2/data"])
def test_recipe_trains_and_scores(small, tmp_path, folder):
    data = write_nlvr2(tmp_path / "data", {"train": 4, "dev": 3, "test1": 3}, folder=folder)
    assert run(*small, "--data_dir", data, "--on_missing_video", "raise") == 0
    results = read_results(tmp_path / "output")
    for shown in ("scores", "blank_video"):
        assert results[shown]["num_rows"] == 3 and results[shown]["accuracy"] in (0, 1 / 3, 2 / 3, 1)
    state = json.loads((tmp_path / "output" / "trainer_state.json").read_text())
    assert state["best_metric"] in [entry.get("eval_accuracy") for entry in state["log_history"]]
    assert AutoConfig.from_pretrained(tmp_path / "output").id2label == {0: "False", 1: "True"}
    again = ["--model_name_or_path", tmp_path / "output", "--output_dir", tmp_path / "again", "--do_train", "false"]
    assert run(*small, "--data_dir", data, *again) == 0
    assert read_results(tmp_path / "again")["scores"] == results["scores"]


def test_broken_images_are_named_or_counted_as_wrong(small, tmp_path, capsys):
    data = write_nlvr2(tmp_path / "data", {"train": 4, "dev": 2, "test1": 3})
    for name in ("dev/dev-0-0-img1.png", "test1/test1-1-0-img0.png"):
        (data / name).write_text("no image")
    assert run(*small, "--data_dir", data) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1 and "dev-0-0-img1.png" in error and "Traceback" not in error
    assert run(*small, "--data_dir", data, "--on_decode_error", "skip", "--output_dir", tmp_path / "skipped") == 0
    results = read_results(tmp_path / "skipped")
    assert results["protocol"]["num_skipped"] == results["scores"]["num_without_label"] == 1
    assert results["scores"]["accuracy"] <= 2 / 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--test_split", "exam"], "nlvr2 has no split 'exam'; it has 'train', 'validation', 'test'"),
        (["--dataset", "vcr"], "vcr"),
        (["--video_processor", '{"mean": 0.5}'], "video_processor has mean; the video processor knows"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(small, tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    data = write_nlvr2(tmp_path / "data", {"train": 2, "dev": 1, "test1": 1})
    assert run(*small, "--data_dir", data, *options) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "error: " in last and message in last


@pytest.mark.slow
def test_statements_about_one_of_two_images_are_learned(tmp_path):
    data = write_nlvr2(tmp_path / "data", {"train": 600, "test1": 200})
    options = [
        "--task",
        "paired-reasoning",
        "--dataset",
        "nlvr2",
        "--data_dir",
        data,
        "--max_steps",
        600,
        "--per_device_train_batch_size",
        32,
    ]
    assert run(write_recipe(tmp_path / "recipe.yaml"), *options, "--output_dir", tmp_path / "output") == 0
    results = read_results(tmp_path / "output")
    assert results["scores"]["accuracy"] > 0.9
    assert results["blank_video"]["accuracy"] < 0.65
