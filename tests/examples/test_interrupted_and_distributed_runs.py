# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Both scripts for questions: two processes compute what one does; a killed run ends as if it had not been."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from script_runs import EXAMPLES, QUIET, read_log, read_results

from modeling_allinone import AllInOneForVideoQuestionAnswering, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.datasets import answer_vocabulary, load_moving_shapes, train_tokenizer, write_moving_shapes

SCRIPTS = ("finetune", "finetune_no_trainer")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(EXAMPLES.parent), "HF_HUB_OFFLINE": "1"}
TWO_PROCESSES = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """A corpus of which half of the clips to train on, and one of those to score, cannot be read."""
    root = tmp_path_factory.mktemp("shapes")
    for split, num_clips, broken in (("train", 6, (0, 1, 4)), ("validation", 3, ()), ("test", 5, (1,))):
        write_moving_shapes(root, num_clips, split)
        for number in broken:
            (root / split / "videos" / f"{number:06}.mp4").write_text("no film")
    return root


def save_tiny(folder: Path, config) -> Path:
    """A model that has its answers."""
    torch.manual_seed(0)
    AllInOneForVideoQuestionAnswering(config).save_pretrained(folder)
    return folder


@pytest.fixture
def arguments(shapes, tiny_config, tmp_path):
    """Of a run from a model in `tmp_path / "tiny"`, which is made of a configuration."""

    def make(**fields) -> list:
        tokenizer = train_tokenizer(load_moving_shapes(shapes))
        tokenizer.model_max_length = 16
        answers = dict(enumerate(answer_vocabulary("easy")))
        folder = save_tiny(tmp_path / "tiny", tiny_config(vocab_size=len(tokenizer), id2label=answers, **fields))
        AllInOneProcessor(AllInOneVideoProcessor(size=36, crop_size=32), tokenizer).save_pretrained(folder)
        return [
            *(
                "--task",
                "question-answering",
                "--dataset",
                "moving_shapes",
                "--data_dir",
                shapes,
                "--model_name_or_path",
                folder,
            ),
            *("--do_train", "true", "--on_decode_error", "skip", "--logging_steps", 1, *QUIET),
        ]

    return make


def start_script(name: str, *arguments, processes: tuple = ()) -> subprocess.Popen:
    """A script in a process group of its own, whose output can be read."""
    command = [sys.executable, "-u", *processes, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]
    return subprocess.Popen(
        command,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run_script(name: str, *arguments, processes: tuple = ()) -> str:
    """What a script printed, once it has ended well."""
    process = start_script(name, *arguments, processes=processes)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return output


def first_step(script: str, output_dir: Path, output: str) -> list[float]:
    """Loss and norm of the gradient."""
    if script == "finetune":
        entry = read_log(output_dir, "loss", "grad_norm")[0]
        return [float(entry["loss"]), float(entry["grad_norm"])]
    line = next(line for line in output.splitlines() if line.startswith("step 1: loss "))
    return [float(part.split()[-1]) for part in line.removeprefix("step 1: ").split(",")[:2]]


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_two_processes_compute_what_one_does(script, arguments, tmp_path):
    # Without dropout and shuffling, so that a batch in parts computes what it does whole. The labelled rows of a batch
    # are spread unevenly, since some clips cannot be read, and so are the rows to score.
    still = {"hidden_dropout_prob": 0.0, "drop_path_rate": 0.0, "classifier_dropout": 0.0, "patch_order": "raster"}
    options = [*arguments(**still), "--max_steps", 1, "--learning_rate", 0, "--save_strategy", "no"]
    options += ["--max_grad_norm", 1e9, "--per_device_eval_batch_size", 3, "--group_by", "kind"]
    steps, scores = [], []
    for name, batch_size, processes in (("one", 8, ()), ("two", 4, TWO_PROCESSES), ("parts", 2, ())):
        output_dir = tmp_path / name
        sizes = ["--per_device_train_batch_size", batch_size, "--total_batch_size", 8, "--output_dir", output_dir]
        output = run_script(script, *options, *sizes, processes=processes)
        steps.append(first_step(script, output_dir, output))
        results = read_results(output_dir)
        scores.append((results["scores"], results["blank_video"], results["protocol"]["num_skipped"]))
    assert steps[1] == pytest.approx(steps[0], rel=1e-5) and steps[2] == pytest.approx(steps[0], rel=1e-5)
    assert scores[0] == scores[1] == scores[2] and scores[0][2] > 0


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_run_that_was_killed_ends_as_if_it_had_not(script, arguments, tmp_path):
    # With dropout, shuffled patches, random frames and crops, workers, and epochs that end between checkpoints.
    options = [*arguments(), "--max_steps", 30, "--per_device_train_batch_size", 2, "--total_batch_size", 4]
    options += ["--dataloader_num_workers", 2, "--save_strategy", "steps", "--save_steps", 2, "--save_total_limit", 3]
    options += ["--learning_rate", 1e-3, "--num_test_rows", 2, "--eval_strategy", "steps", "--eval_steps", 7]
    run_script(script, *options, "--output_dir", tmp_path / "whole")

    killed = tmp_path / "killed"
    process = start_script(script, *options, "--output_dir", killed)
    num_steps = random.SystemRandom().randint(4, 22)
    for line in process.stdout:
        num_steps -= "'loss'" in line or ": loss " in line
        if num_steps == 0:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (killed / "model.safetensors").exists(), "it was killed before its end"
    run_script(script, *options, "--output_dir", killed, "--resume_from_checkpoint", "true")
    weights, expected = load_file(killed / "model.safetensors"), load_file(tmp_path / "whole" / "model.safetensors")
    different = [name for name in expected if not torch.equal(weights[name], expected[name])]
    assert not different
