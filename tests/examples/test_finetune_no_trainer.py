# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Fine-tuning for questions without a Trainer: as with one, its options, and what goes wrong."""

import pytest
import torch
from PIL import Image
from question_files import QUESTIONS
from retrieval_files import write_places
from safetensors.torch import load_file
from script_runs import last_line, load_script, read_results, run_script, write_splits
from video_fixtures import encode_video

from modeling_allinone import AllInOneForVideoQuestionAnswering, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.datasets import answer_vocabulary, load_moving_shapes, train_tokenizer
from modeling_allinone.recipes import RECIPES

SCRIPT = load_script("finetune_no_trainer")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_splits(tmp_path_factory.mktemp("shapes"), train=6, validation=3, test=5)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_config, shapes):
    """A model that has its answers, without dropout and shuffling."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = train_tokenizer(load_moving_shapes(shapes))
    tokenizer.model_max_length = 16
    fields = {"hidden_dropout_prob": 0.0, "drop_path_rate": 0.0, "classifier_dropout": 0.0, "patch_order": "raster"}
    answers = dict(enumerate(answer_vocabulary("easy")))
    config = tiny_config(num_hidden_layers=1, vocab_size=len(tokenizer), id2label=answers, **fields)
    AllInOneForVideoQuestionAnswering(config).save_pretrained(folder)
    AllInOneProcessor(AllInOneVideoProcessor(size=36, crop_size=32), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def on_shapes(shapes, tiny, tmp_path):
    """Arguments of a short run on moving shapes."""
    return [
        *("--task", "question-answering", "--dataset", "moving_shapes"),
        *("--data_dir", shapes, "--model_name_or_path", tiny),
        *("--output_dir", tmp_path / "output", "--do_train", "true", "--learning_rate", "1e-3"),
        *("--max_steps", 2, "--per_device_train_batch_size", 4, "--save_strategy", "no", "--logging_steps", 1),
    ]


def test_it_learns_what_the_trainer_does(on_shapes, tmp_path):
    with_trainer = load_script("finetune")
    options = ["--total_batch_size", 8, "--max_steps", 9, "--head_learning_rate_multiplier", 10, "--group_by", "kind"]
    for script, name in ((with_trainer, "with"), (SCRIPT, "without")):
        assert run_script(script, *on_shapes, *options, "--output_dir", tmp_path / name) == 0
    expected, weights = (load_file(tmp_path / name / "model.safetensors") for name in ("with", "without"))
    assert expected.keys() == weights.keys()
    for name in expected:
        torch.testing.assert_close(weights[name], expected[name], rtol=1e-4, atol=1e-5)
    assert read_results(tmp_path / "without")["scores"] == read_results(tmp_path / "with")["scores"]
    assert (tmp_path / "without" / "README.md").read_text().count("type: accuracy") > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "num_logged", "num_watched"),
    (
        (["--bf16", "true", "--gradient_checkpointing", "true"], 2, 0),
        (["--lora_rank", 2, "--max_grad_norm", 0], 2, 0),
        (
            ["--max_steps", -1, "--num_train_epochs", 1, "--eval_strategy", "epoch", "--logging_strategy", "epoch"],
            1,
            1,
        ),
        (["--eval_strategy", "steps", "--eval_steps", 0.5, "--dataloader_num_workers", 1], 2, 2),
    ),
)
def test_options(on_shapes, tmp_path, capsys, options, num_logged, num_watched):
    assert run_script(SCRIPT, *on_shapes, *options) == 0
    printed = capsys.readouterr().out
    assert printed.count(": loss ") == num_logged and printed.count(", eval_accuracy ") == num_watched
    AllInOneForVideoQuestionAnswering.from_pretrained(tmp_path / "output")
    dtype = read_results(tmp_path / "output")["protocol"]["dtype"]
    assert dtype == ("bfloat16" if "--bf16" in options else "float32")


def test_soft_labels(tmp_path, tiny):
    places, files = QUESTIONS["vqav2"]
    Image.new("RGB", (40, 36), "red").save(tmp_path / "image.jpg")
    film = encode_video(tmp_path / "film.mp4", num_frames=2)
    data = write_places(tmp_path / "data", places, files["published"], film, tmp_path / "image.jpg")
    paths = ["--data_dir", data, "--model_name_or_path", tiny, "--output_dir", tmp_path / "output"]
    small = ["--max_steps", 1, "--total_batch_size", 2, "--per_device_train_batch_size", 2, "--fp16", "false"]
    options = ["--dataset_options", '{"min_occurrences": 1, "num_held_out_images": 1}', "--dataloader_num_workers", 0]
    assert run_script(SCRIPT, RECIPES / "vqav2.yaml", *paths, *small, *options) == 0
    assert read_results(tmp_path / "output")["scores"]["vqa_score"] == 1, "there is but one answer"


def test_checkpoints_are_whole_few_and_gone_on_from(on_shapes, tmp_path):
    saving = ["--save_strategy", "steps", "--save_steps", 1, "--max_steps", 5, "--save_total_limit", 2]
    assert run_script(SCRIPT, *on_shapes, *saving) == 0
    assert sorted(path.name for path in (tmp_path / "output").glob("checkpoint-*")) == ["checkpoint-4", "checkpoint-5"]
    expected = load_file(tmp_path / "output" / "model.safetensors")
    named = ["--resume_from_checkpoint", tmp_path / "output" / "checkpoint-4", "--output_dir", tmp_path / "again"]
    assert run_script(SCRIPT, *on_shapes, *saving, *named) == 0
    again = load_file(tmp_path / "again" / "model.safetensors")
    assert all(torch.equal(again[name], expected[name]) for name in expected)

    # In place of a checkpoint that is damaged, the one before it is taken.
    optimizer = tmp_path / "output" / "checkpoint-5" / "optimizer.bin"
    optimizer.write_bytes(optimizer.read_bytes()[:-100])
    (tmp_path / "output" / "model.safetensors").unlink()
    assert run_script(SCRIPT, *on_shapes, *saving, "--resume_from_checkpoint", "true") == 0
    resumed = load_file(tmp_path / "output" / "model.safetensors")
    assert all(torch.equal(resumed[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("options", "message"),
    (
        (
            ["--load_best_model_at_end", "true", "--save_strategy", "steps", "--eval_strategy", "steps"],
            "keeps the last",
        ),
        (["--push_to_hub", "true"], "push_to_hub is true, but this script pushes nothing"),
        (["--data_dir", "nowhere"], "root is nowhere, which is no folder"),
        (["--resume_from_checkpoint", "gone"], "There is no checkpoint gone to go on from"),
        (["--lr_scheduler_kwargs", '{"num_cycles": 1}'], "lr_scheduler_type linear cannot have lr_scheduler_kwargs"),
    ),
)
def test_what_goes_wrong_is_said_in_a_line(on_shapes, capsys, options, message):
    assert run_script(SCRIPT, *on_shapes, *options) == 2
    line = last_line(capsys)
    assert "error: " in line and message in line
