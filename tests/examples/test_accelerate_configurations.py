# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Configurations of Accelerate: it knows all that they say, and they name parts that the model has."""

import os
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


def launch(folder: Path, launcher: list, batch_size: int, *arguments) -> subprocess.CompletedProcess:
    """Train for three steps of eight rows, without what is random."""
    still = '{"hidden_dropout_prob": 0.0, "drop_path_rate": 0.0, "classifier_dropout": 0.0, "patch_order": "raster"}'
    options = f"""-m modeling_allinone train --task question-answering --dataset moving_shapes --data_dir shapes
        --model_name_or_path {EXAMPLES}/checkpoints/moving-shapes --output_dir {folder} --do_train true --max_steps 3
        --per_device_train_batch_size {batch_size} --total_batch_size 8 --optim sgd --learning_rate 0.1
        --warmup_steps 0 --lr_scheduler_type constant --report_to none"""
    command = [sys.executable, *map(str, launcher), *options.split(), "--config", still, *arguments]
    one_device = {} if launcher else {"CUDA_VISIBLE_DEVICES": "0"}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder.parent, env=os.environ | one_device)


def launcher_of(file: Path, num_processes: int) -> list:
    """What starts so many processes with a configuration."""
    options = ["--config_file", file, "--num_processes", num_processes, "--mixed_precision", "no"]
    return ["-m", "accelerate.commands.launch", *options]


@pytest.fixture
def deepspeed_on_cpu(monkeypatch):
    pytest.importorskip("deepspeed")
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")


def check_weights(tmp_path: Path, name: str, num_processes: int, *arguments) -> str:
    """Train with a configuration, and in one process without; both end with the same weights. Returns how close."""
    write_splits(tmp_path / "shapes", train=8, test=1)
    launcher = launcher_of(EXAMPLES / "accelerate" / f"{name}.yaml", num_processes)
    runs = {"sharded": (launcher, 8 // num_processes), "whole": ([], 8)}
    weights = {}
    for run, options in runs.items():
        ended = launch(tmp_path / run, *options, *arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        weights[run] = load_file(tmp_path / run / "model.safetensors")
    before = load_file(EXAMPLES / "checkpoints" / "moving-shapes" / "model.safetensors")
    torch.testing.assert_close(weights["sharded"], weights["whole"], rtol=1e-4, atol=1e-6)
    learned = [key for key in before if key.startswith("allinone.layers")]
    moved = max(float((weights["whole"][key] - before[key]).abs().max()) for key in learned)
    assert moved > 1e-3
    error = max(float((weights["sharded"][key] - of_one).abs().max()) for key, of_one in weights["whole"].items())
    return f"weights to {error:.0e}, which moved by {moved:.0e}"


@DEEPSPEED
def test_deepspeed_ends_with_the_weights_of_one_process(tmp_path, deepspeed_on_cpu, record_property):
    record_property("agreement", check_weights(tmp_path, "deepspeed_zero2", 2, "--use_cpu", "true"))


@DEEPSPEED
def test_parameters_are_not_sharded_by_deepspeed(tmp_path, deepspeed_on_cpu):
    file = tmp_path / "zero3.yaml"
    of_stage_2 = (EXAMPLES / "accelerate" / "deepspeed_zero2.yaml").read_text()
    file.write_text(of_stage_2.replace("zero_stage: 2", "zero_stage: 3\n  zero3_init_flag: false"))
    ended = launch(tmp_path / "output", launcher_of(file, 2), 4, "--use_cpu", "true")
    assert ended.returncode == 1 and "zero_stage is 3, with which DeepSpeed takes weights apart" in ended.stderr


@pytest.mark.slow
def test_fsdp_loads_and_trains_on_cpu(tmp_path):
    """Where Accelerate takes DDP for it; models are loaded and fitted to the task as on a GPU."""
    check_weights(tmp_path, "fsdp", 2, "--use_cpu", "true")
    launcher = launcher_of(EXAMPLES / "accelerate" / "fsdp.yaml", 2)
    launcher[2:2] = ["--fsdp_cpu_ram_efficient_loading", "true"]
    ended = launch(tmp_path / "output", launcher, 4, "--use_cpu", "true")
    assert ended.returncode == 1 and "fsdp_cpu_ram_efficient_loading is true, with which only" in ended.stderr


@pytest.mark.gpu
def test_fsdp_ends_with_the_weights_of_one_process(tmp_path):
    check_weights(tmp_path, "fsdp", min(2, torch.cuda.device_count()))
