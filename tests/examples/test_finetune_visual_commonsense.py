# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Fine-tuning for visual commonsense reasoning through its script: VCR in miniature, what is learned, bad input."""

import json

import pytest
from image_files import write_recipe, write_vcr
from script_runs import load_script, read_results, run_script

from modeling_allinone import AllInOneForVisualCommonsenseReasoning, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.datasets import train_tokenizer
from modeling_allinone.recipes import RECIPES

SCRIPT = load_script("finetune")
FIGURES = ("answer_accuracy", "rationale_accuracy", "answer_and_rationale_accuracy")


def run(*arguments) -> int:
    return run_script(SCRIPT, *arguments)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_config):
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = train_tokenizer(["what colour is block 0?", "it is red, green, blue, yellow, top bottom left right"])
    tokenizer.model_max_length = 24
    fields = {"num_hidden_layers": 1, "max_position_embeddings": 24, "vocab_size": len(tokenizer)}
    AllInOneForVisualCommonsenseReasoning(tiny_config(**fields)).save_pretrained(folder)
    AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=36, crop_size=32), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def small(tiny, tmp_path):
    """Arguments of a short run by the recipe."""
    return [
        RECIPES / "vcr.yaml",
        *("--model_name_or_path", tiny, "--output_dir", tmp_path / "output"),
        *("--max_steps", 2, "--total_batch_size", 2, "--per_device_train_batch_size", 2, "--save_strategy", "no"),
        *("--fp16", "false", "--dataloader_num_workers", 0),
    ]


@pytest.mark.parametrize("folder", ["", "vcr1annots"])
def test_recipe_trains_and_scores(small, tmp_path, folder):
    data = write_vcr(tmp_path / "data", {"train": 4, "val": 3}, folder=folder)
    watched = ["--eval_split", "validation", "--eval_strategy", "steps", "--eval_steps", 1, "--logging_steps", 1]
    assert run(*small, "--data_dir", data, "--on_missing_video", "raise", *watched) == 0
    results = read_results(tmp_path / "output")
    for shown in ("scores", "blank_video"):
        assert results[shown]["num_rows"] == 3 and all(0 <= results[shown][figure] <= 1 for figure in FIGURES)
    assert results["protocol"]["split"] == "validation" and results["protocol"]["paints_objects"] is True
    log = json.loads((tmp_path / "output" / "trainer_state.json").read_text())["log_history"]
    assert sum("eval_answer_and_rationale_accuracy" in entry for entry in log) == 2
    again = ["--model_name_or_path", tmp_path / "output", "--output_dir", tmp_path / "again", "--do_train", "false"]
    assert run(*small, "--data_dir", data, *again) == 0
    assert read_results(tmp_path / "again")["scores"] == results["scores"]


def test_broken_images_are_named_or_counted_as_wrong(small, tmp_path, capsys):
    data = write_vcr(tmp_path / "data", {"train": 4, "val": 3})
    for name in ("train-0", "val-1", "val-2"):
        (data / "vcr1images/film" / f"{name}.png").write_text("no image")
    (data / "vcr1images/film/train-1.json").unlink()
    assert run(*small, "--data_dir", data) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1 and "train-" in error and "Traceback" not in error
    assert run(*small, "--data_dir", data, "--on_decode_error", "skip") == 0
    results = read_results(tmp_path / "output")
    assert results["protocol"]["num_skipped"] == results["scores"]["num_without_label"] == 2
    assert max(results["scores"][figure] for figure in FIGURES) <= 1 / 3
    assert results["protocol"]["num_skipped_in_training"] == 2, "one is broken, of one the boxes are unknown"
    assert results["blank_video"]["num_without_label"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--test_split", "test"], "The test split of vcr has rows without label"),
        (["--dataset", "moving_shapes"], "moving_shapes"),
        (["--dataset_options", '{"explained_answer": 4}'], "explained_answer is 4; expected a number from 0 to 3"),
        (["--paint_objects", "false"], "--paint_objects"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(small, tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    data = write_vcr(tmp_path / "data", {"train": 2, "val": 1, "test": 1})
    item = json.loads((data / "test.jsonl").read_text())
    (data / "test.jsonl").write_text(json.dumps(item | {"answer_label": None, "rationale_label": None}) + "\n")
    assert run(*small, "--data_dir", data, *options) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "error: " in last and message in last


@pytest.mark.slow
def test_answers_and_rationales_are_learned_from_painted_images(tmp_path):
    """Which of two blocks is meant is painted on the image, and nowhere else."""
    data = write_vcr(tmp_path / "data", {"train": 600, "val": 100})
    recipe = write_recipe(tmp_path / "recipe.yaml")
    options = [
        "--task",
        "visual-commonsense",
        "--dataset",
        "vcr",
        "--data_dir",
        data,
        "--test_split",
        "validation",
        "--max_steps",
        500,
    ]
    assert run(recipe, *options, "--per_device_train_batch_size", 16, "--output_dir", tmp_path / "output") == 0
    results = read_results(tmp_path / "output")
    assert min(results["scores"][figure] for figure in FIGURES) > 0.9
    assert results["blank_video"]["answer_accuracy"] < 0.4 and results["blank_video"]["rationale_accuracy"] < 0.4
    unpainted = ["--do_train", "false", "--model_name_or_path", tmp_path / "output", "--paints_objects", "false"]
    assert run(recipe, *options, *unpainted, "--output_dir", tmp_path / "unpainted") == 0
    assert read_results(tmp_path / "unpainted")["scores"]["answer_accuracy"] < 0.7
