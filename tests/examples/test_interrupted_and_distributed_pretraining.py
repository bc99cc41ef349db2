# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Pre-training: two processes compute what one does; a killed run ends as if it had not been."""

import json
import os
import random
import signal

import pytest
import torch
from safetensors.torch import load_file
from script_runs import QUIET, read_log, read_results
from test_interrupted_and_distributed_runs import TWO_PROCESSES, run_script, start_script

from modeling_allinone import AllInOneForPreTraining, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.datasets import load_moving_shapes, train_tokenizer, write_moving_shapes


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """A corpus with a clip to train on and one to score that cannot be read."""
    root = tmp_path_factory.mktemp("shapes")
    for split, num_clips, broken in (("train", 8, (2,)), ("validation", 9, ()), ("test", 7, (1,))):
        write_moving_shapes(root, num_clips, split)
        for number in broken:
            (root / split / "videos" / f"{number:06}.mp4").write_text("no film")
    return root


@pytest.fixture
def arguments(shapes, tiny_config, tmp_path):
    """Of a run from a model in `tmp_path / "tiny"`, which is made of a configuration."""

    def make(*objectives: str, **fields) -> list:
        tokenizer = train_tokenizer(load_moving_shapes(shapes, "train", "retrieval"))
        tokenizer.model_max_length = 16
        torch.manual_seed(0)
        names = {"pretraining_objectives": list(objectives), "num_frames": 3, "projection_dim": 8}
        model = AllInOneForPreTraining(tiny_config(vocab_size=len(tokenizer), **names, **fields))
        model.save_pretrained(tmp_path / "tiny")
        video_processor = AllInOneVideoProcessor(num_frames=3, size=36, crop_size=32)
        AllInOneProcessor(video_processor, tokenizer).save_pretrained(tmp_path / "tiny")
        weights = {name: float(name in objectives) for name in ("masked_lm", "matching", "contrastive")}
        return [
            *("--dataset", "moving_shapes", "--data_dir", shapes, "--dataset_options", '{"task": "retrieval"}'),
            *("--model_name_or_path", tmp_path / "tiny", "--do_train", "true", "--on_decode_error", "skip"),
            *("--num_alignment_rows", 0, "--logging_steps", 1, *QUIET),
            *(part for name, weight in weights.items() for part in (f"--{name}_weight", weight)),
        ]

    return make


@pytest.mark.slow
def test_two_processes_contrast_and_score_as_one_does(arguments, shapes, tmp_path):
    # Without dropout and shuffling, so that a batch in parts computes what it does whole: 8 clips, of which one cannot
    # be read. The rows to watch and to score do not divide by the processes.
    still = {"hidden_dropout_prob": 0.0, "drop_path_rate": 0.0, "patch_order": "raster"}
    common = {"dataset": "moving_shapes", "data_dir": str(shapes), "split": "test"}
    tasks = {"retrieval": common | {"options": {"task": "retrieval"}}}
    options = [*arguments("contrastive", **still), "--max_steps", 1, "--learning_rate", 0, "--save_strategy", "no"]
    options += ["--max_grad_norm", 1e9, "--per_device_eval_batch_size", 2, "--zero_shot", json.dumps(tasks)]
    options += ["--eval_strategy", "steps", "--eval_steps", 1]
    steps, watched, scores = [], [], []
    for name, batch_size, processes in (("one", 8, ()), ("two", 4, TWO_PROCESSES)):
        output_dir = tmp_path / name
        sizes = ["--per_device_train_batch_size", batch_size, "--output_dir", output_dir]
        run_script("pretrain", *options, *sizes, processes=processes)
        (entry,) = read_log(output_dir, "loss", "grad_norm")
        steps.append([entry[name] for name in ("loss", "grad_norm", "contrastive_loss")])
        (entry,) = read_log(output_dir, "eval_loss")
        watched.append(
            {name: value for name, value in entry.items() if "per_second" not in name and "time" not in name}
        )
        results = read_results(output_dir)
        scores.append([results["scores"], results["blank_video"]])
    assert steps[1] == pytest.approx(steps[0], rel=1e-5) and steps[0][1] > 0
    assert watched[1] == pytest.approx(watched[0], rel=1e-5)
    for one, two in zip(*scores, strict=True):
        assert two == pytest.approx(one, rel=1e-5)
    assert "zero_shot_text_to_video_recall_at_5" in scores[0][0]


@pytest.mark.slow
def test_a_run_that_was_killed_ends_as_if_it_had_not(arguments, tmp_path):
    # With dropout, shuffled patches, hard clips, random frames and crops, workers, and checkpoints within epochs.
    options = [*arguments("masked_lm", "matching", "contrastive"), "--use_hard_negatives", "true", "--max_steps", 24]
    options += ["--per_device_train_batch_size", 2, "--total_batch_size", 4, "--dataloader_num_workers", 2]
    options += ["--save_strategy", "steps", "--save_steps", 2, "--save_total_limit", 3, "--learning_rate", 1e-3]
    options += ["--eval_strategy", "steps", "--eval_steps", 7, "--num_test_rows", 2, "--test_split", "validation"]
    run_script("pretrain", *options, "--output_dir", tmp_path / "whole")

    killed = tmp_path / "killed"
    process = start_script("pretrain", *options, "--output_dir", killed)
    num_steps = random.SystemRandom().randint(4, 18)
    for line in process.stdout:
        num_steps -= "'loss'" in line
        if num_steps == 0:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (killed / "model.safetensors").exists(), "it was killed before its end"
    run_script("pretrain", *options, "--output_dir", killed, "--resume_from_checkpoint", "true")
    weights, expected = load_file(killed / "model.safetensors"), load_file(tmp_path / "whole" / "model.safetensors")
    assert not [name for name in expected if not torch.equal(weights[name], expected[name])]
