# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Configurations of Accelerate: it knows all that they say, and they name parts that the model has."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser
from safetensors.torch import load_file
from script_runs import EXAMPLES, write_splits

from modeling_allinone.models import modeling_allinone

FILES = sorted((EXAMPLES / "accelerate").glob("*.yaml"))
DEEPSPEED = pytest.mark.door("training with DeepSpeed's ZeRO 2 on two processes", "deepspeed", "accelerate")


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_accelerate_knows_the_configuration(file):
    config = load_config_from_file(str(file))  # raises on keys that it does not know
    known = vars(launch_command_parser().parse_args(["script.py"]))
    assert set(config.fsdp_config) <= set(known) and set(config.deepspeed_config) <= set(known)
    assert config.num_processes % config.num_machines == 0
    for name in config.fsdp_config.get("fsdp_transformer_layer_cls_to_wrap", "AllInOneLayer").split(","):
        assert issubclass(getattr(modeling_allinone, name), modeling_allinone.nn.Module)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_comments_name_what_there_is(file):
    """The command line above a configuration names the file itself and a script."""
    paths = re.findall(r"examples/[\w/]+\.(?:py|yaml)", file.read_text())
    assert f"examples/accelerate/{file.name}" in paths
    assert all((file.parents[2] / path).is_file() for path in paths)


def train(folder: Path, launcher: list, batch_size: int, *arguments) -> dict[str, torch.Tensor]:
    """The weights after three steps of eight rows, without what is random."""
    still = '{"hidden_dropout_prob": 0.0, "drop_path_rate": 0.0, "classifier_dropout": 0.0, "patch_order": "raster"}'
    options = f"""-m modeling_allinone train --task question-answering --dataset moving_shapes --data_dir shapes
        --model_name_or_path {EXAMPLES}/checkpoints/moving-shapes --output_dir {folder} --do_train true --max_steps 3
        --per_device_train_batch_size {batch_size} --total_batch_size 8 --optim sgd --learning_rate 0.01
        --warmup_steps 0 --lr_scheduler_type constant --report_to none"""
    command = [sys.executable, *map(str, launcher), *options.split(), "--config", still, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder.parent)
    assert run.returncode == 0, run.stdout + run.stderr
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("name", "device"),
    (
        pytest.param("fsdp", "cuda", marks=pytest.mark.gpu),
        pytest.param("deepspeed_zero2", "cpu", marks=DEEPSPEED),
    ),
)
def test_sharded_training_ends_with_the_weights_of_one_process(name, device, tmp_path, monkeypatch, record_property):
    if device == "cpu":
        pytest.importorskip("deepspeed")
        monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    write_splits(tmp_path / "shapes", train=8, test=1)
    num_processes = 2 if device == "cpu" else torch.cuda.device_count()
    use_cpu = ("--use_cpu", "true") if device == "cpu" else ()
    launcher = ["-m", "accelerate.commands.launch", "--config_file", EXAMPLES / "accelerate" / f"{name}.yaml"]
    launcher += ["--num_processes", num_processes, "--mixed_precision", "no"]
    sharded = train(tmp_path / "sharded", launcher, 8 // num_processes, *use_cpu)
    whole = train(tmp_path / "whole", [], 8, *use_cpu)
    before = load_file(EXAMPLES / "checkpoints" / "moving-shapes" / "model.safetensors")
    torch.testing.assert_close(sharded, whole, rtol=1e-4, atol=1e-6)
    assert not any(
        torch.equal(whole[key], before[key]) for key in whole if key.startswith("allinone.layers") and key in before
    )
    error = max(float((sharded[key] - whole[key]).abs().max()) for key in whole)
    record_property("agreement", f"weights to {error:.0e}")
