# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Checkpoints to go on from: damage of every kind is found, and the newest that is whole is taken."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from modeling_allinone import AllInOneForVideoQuestionAnswering
from modeling_allinone.training.resumption import find_checkpoint, find_damage
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_config):
    """The output of a run with two checkpoints."""
    folder = tmp_path_factory.mktemp("run")
    row = {
        "input_ids": torch.arange(1, 7),
        "pixel_values": torch.randn(3, 3, 32, 32),
        "labels": torch.tensor(1),
    }
    AllInOneTrainer(
        AllInOneForVideoQuestionAnswering(tiny_config(num_labels=5, num_hidden_layers=1)),
        AllInOneTrainingArguments(
            folder, max_steps=2, save_steps=1, use_cpu=True, disable_tqdm=True, report_to="none", logging_steps=1
        ),
        train_dataset=[row] * 4,
    ).train()
    return folder


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


def arguments(folder, resume="true", **options) -> AllInOneTrainingArguments:
    return AllInOneTrainingArguments(folder, resume_from_checkpoint=str(resume), use_cpu=True, **options)


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    """A byte in the middle of the largest record."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def spoil(path):
    weights = load_file(path)
    weights["classifier.out_proj.bias"][2] = torch.inf
    save_file(weights, path, metadata={"format": "pt"})


def replace_state(path):
    path.write_text("[]")


def forget_step(path):
    path.write_text(json.dumps({"epoch": 1.0}))


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    (
        ("model.safetensors", cut, "model.safetensors cannot be read: "),
        ("model.safetensors", empty, "model.safetensors cannot be read: "),
        ("model.safetensors", spoil, "model.safetensors has weights that are not finite (classifier.out_proj.bias)"),
        ("model.safetensors", lambda path: path.unlink(), "*.safetensors is missing"),
        ("optimizer.pt", lambda path: path.unlink(), "optimizer.pt is missing"),
        ("optimizer.pt", cut, "optimizer.pt cannot be read: "),
        ("optimizer.pt", flip, "optimizer.pt is damaged at optimizer/data/"),
        ("scheduler.pt", empty, "scheduler.pt cannot be read: "),
        ("rng_state.pth", lambda path: path.unlink(), "rng_state*.pth is missing"),
        ("trainer_state.json", empty, "trainer_state.json cannot be read: "),
        ("trainer_state.json", replace_state, "trainer_state.json holds a list in place of a mapping"),
        ("trainer_state.json", forget_step, "trainer_state.json has no global_step"),
        ("config.json", cut, "config.json cannot be read: "),
    ),
)
def test_the_newest_whole_checkpoint_takes_the_place_of_a_damaged_one(copy, caplog, name, damage, reason):
    assert find_checkpoint(arguments(copy)) == str(copy / "checkpoint-2")
    damage(copy / "checkpoint-2" / name)
    for resume in ("true", copy / "checkpoint-2"):
        assert find_checkpoint(arguments(copy, resume)) == str(copy / "checkpoint-1")
    said = caplog.text
    assert f"checkpoint-2 is damaged ({reason}" in said and "checkpoint-1 in its place" in said
    shutil.rmtree(copy / "checkpoint-1")
    with pytest.raises(ValueError, match=r"checkpoint-2 is damaged, and .*run has no whole one; start over"):
        find_checkpoint(arguments(copy, copy / "checkpoint-2"))
    assert find_checkpoint(arguments(copy)) is None
    assert "has no whole checkpoint to go on from: training starts over" in caplog.text


def test_checkpoints_that_are_named(copy, tmp_path):
    assert find_checkpoint(arguments(copy, copy / "checkpoint-1")) == str(copy / "checkpoint-1")
    with pytest.raises(FileNotFoundError, match="There is no checkpoint gone to go on from"):
        find_checkpoint(arguments(copy, "gone"))
    assert find_checkpoint(arguments(copy, "false")) is None


def test_a_checkpoint_of_a_model_alone_is_whole(copy):
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (copy / "checkpoint-2" / name).unlink()
    assert find_checkpoint(arguments(copy, save_only_model=True)) == str(copy / "checkpoint-2")
    assert find_checkpoint(arguments(copy)) == str(copy / "checkpoint-1")


def test_parts_of_weights_that_are_missing(copy):
    folder = copy / "checkpoint-2"
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert find_damage(folder) == "model.safetensors.index.json names model-2.safetensors, which is missing"
