# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The real Trainer on a stream of shards: interrupted, killed and resumed, it ends as if it had not been."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from shard_files import sample, write_tar
from transformers import TrainerCallback
from video_fixtures import encode_video

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForVideoQuestionAnswering,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.data.collators import VideoCollator
from modeling_allinone.data.webdataset_stream import ClipSource, WebDatasetStream
from modeling_allinone.datasets import train_tokenizer
from modeling_allinone.training.resumption import find_checkpoint
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")

NUM_SHARDS, ROWS_PER_SHARD = 5, 6
BROKEN = 4  # a row, whose film cannot be read


class NumberCollator(VideoCollator):
    """Which number does the film show? Batches say of which rows they are."""

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        batch = self._read_text([row["caption"] for row in rows])
        clips, is_readable = self.reader(rows)
        batch |= clips
        batch["labels"] = torch.tensor([row["number"] % 5 for row in rows]).masked_fill(~is_readable, -100)
        return batch | {"rows": torch.tensor([(row["epoch"], row["number"]) for row in rows])}


class NotingTrainer(AllInOneTrainer):
    """Notes the rows of every step in a file for each process."""

    def compute_loss(self, model, inputs, *arguments, **keywords):
        if "rows" in inputs:
            note = {"step": self.state.global_step, "rows": inputs.pop("rows").tolist()}
            with Path(self.args.output_dir, f"rows_{self.args.process_index}.jsonl").open("a") as file:
                file.write(json.dumps(note) + "\n")
        return super().compute_loss(model, inputs, *arguments, **keywords)


def write_corpus(folder: Path) -> Path:
    """Shards of films, one of which is broken, and a model."""
    film = encode_video(folder / "film.mp4").read_bytes()
    for shard in range(NUM_SHARDS):
        numbers = range(shard * ROWS_PER_SHARD, (shard + 1) * ROWS_PER_SHARD)
        files = [sample(f"{number:03}", film if number != BROKEN else film[:900], number=number) for number in numbers]
        write_tar(folder / f"clips-{shard}.tar", {name: data for one in files for name, data in one.items()})
    return folder


def make_trainer(folder: Path, output_dir: Path, config: AllInOneConfig, **options) -> NotingTrainer:
    """With dropout, shuffled patches, random frames and crops."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["what 0 1 2 3 4 5 6 7 8 9 shows"])
    processor = AllInOneProcessor(AllInOneVideoProcessor(size=36, crop_size=32, num_frames=2), tokenizer)
    return NotingTrainer(
        AllInOneForVideoQuestionAnswering(config),
        AllInOneTrainingArguments(
            output_dir,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            learning_rate=1e-3,
            logging_steps=1,
            save_strategy="steps",
            disable_tqdm=True,
            report_to="none",
            use_cpu=True,
            **options,
        ),
        train_dataset=WebDatasetStream(ClipSource(folder / "clips-*.tar"), shuffle_buffer=4),
        data_collator=NumberCollator(
            processor,
            video_options={"frame_sampling": "random", "do_random_crop": True},
            on_decode_error="skip",
            skipped_file=output_dir / "skipped.jsonl",
        ),
    )


def read_steps(output_dir: Path, process: int = 0, steps: range = range(1000)) -> list[dict]:
    lines = (output_dir / f"rows_{process}.jsonl").read_text().splitlines()
    return [note for note in map(json.loads, lines) if note["step"] in steps]


def count_rows(*steps: list[dict]) -> dict[int, Counter]:
    """How often each row came, by epoch."""
    counts: dict[int, Counter] = {}
    for note in (note for of_process in steps for note in of_process):
        for epoch, number in note["rows"]:
            counts.setdefault(epoch, Counter())[number] += 1
    return counts


@pytest.fixture
def config(tiny_config):
    return tiny_config(num_labels=5, num_frames=2)


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path)


@pytest.mark.parametrize("num_workers", (0, 2))
def test_training_goes_on_with_the_rows_that_come_next(corpus, config, tmp_path, num_workers):
    options = {"max_steps": 9, "save_steps": 4, "dataloader_num_workers": num_workers}
    output_dir = tmp_path / "output"
    whole = make_trainer(corpus, output_dir, config, **options)
    whole.train()
    expected = read_steps(output_dir)
    (output_dir / "rows_0.jsonl").unlink()
    again = make_trainer(corpus, output_dir, config, **options)
    again.train(resume_from_checkpoint=str(output_dir / "checkpoint-4"))
    assert read_steps(output_dir) == expected[8:]
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, again.model.state_dict()[name]), name
    counts = count_rows(expected)
    assert counts[0] == dict.fromkeys(range(NUM_SHARDS * ROWS_PER_SHARD), 1) and max(counts[1].values()) == 1

    def figures(trainer) -> list[tuple]:
        log = trainer.state.log_history
        return [(entry["step"], entry["epoch"], entry["loss"]) for entry in log if "loss" in entry]

    assert figures(again) == figures(whole) and figures(again)[-1][:2] == (9, 1.0)
    assert not again.args.ignore_data_skip
    last = whole.state.log_history[-2]
    assert last["stream_rows"] >= 36 and last["stream_words_per_clip"] == 3 and last["stream_clips_epoch"] >= 1
    assert last["stream_undecodable_clips"] >= 1 and last["stream_skipped_rows"] == 0


def test_streams_begin_again_on_request(corpus, config, tmp_path):
    options = {"max_steps": 4, "save_steps": 2}
    output_dir = tmp_path / "output"
    make_trainer(corpus, output_dir, config, **options).train()
    first = read_steps(output_dir, steps=range(2))
    (output_dir / "rows_0.jsonl").unlink()
    trainer = make_trainer(corpus, output_dir, config, ignore_data_skip=True, **options)
    trainer.train(resume_from_checkpoint=str(output_dir / "checkpoint-2"))
    assert [note["rows"] for note in read_steps(output_dir)] == [note["rows"] for note in first]
    assert trainer.args.ignore_data_skip


class Killing(TrainerCallback):
    """Kills the process soon after a step has begun."""

    def __init__(self, step: int):
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            delay = random.SystemRandom().uniform(0, 0.1)
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()


def run_two_processes(corpus: Path, output_dir: Path, *arguments: int) -> tuple[int, str]:
    """Exit status and output of a training run."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", __file__]
    done = subprocess.run(
        [*command, *map(str, (corpus, output_dir, *arguments))],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_that_were_killed_end_as_if_they_had_not(corpus, config, tmp_path):
    config.save_pretrained(corpus)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    status, output = run_two_processes(corpus, whole)
    assert status == 0, output
    status, output = run_two_processes(corpus, killed, random.SystemRandom().randint(4, 30))
    assert status == 1 and "SIGKILL" in output and not (killed / "model.safetensors").exists(), output
    before = [read_steps(killed, process) for process in (0, 1)]
    for process in (0, 1):
        (killed / f"rows_{process}.jsonl").unlink()
    status, output = run_two_processes(corpus, killed)
    assert status == 0, output

    after = [read_steps(killed, process) for process in (0, 1)]
    num_done = after[0][0]["step"]
    assert num_done >= 2, "it went on from a checkpoint"
    together = [[note for note in before[process] if note["step"] < num_done] + after[process] for process in (0, 1)]
    assert together == [read_steps(whole, process) for process in (0, 1)]
    counts = count_rows(*together)
    for epoch, of_epoch in counts.items():
        assert max(of_epoch.values()) == 1
        if epoch < max(counts) - 1:  # readers are at most so far apart here
            assert sorted(of_epoch) == list(range(NUM_SHARDS * ROWS_PER_SHARD))
    assert len(counts) > 4
    weights, expected = load_file(killed / "model.safetensors"), load_file(whole / "model.safetensors")
    assert not [name for name in expected if not torch.equal(weights[name], expected[name])]


if __name__ == "__main__":
    corpus, output_dir = map(Path, sys.argv[1:3])
    trainer = make_trainer(
        corpus,
        output_dir,
        AllInOneConfig.from_pretrained(corpus),
        max_steps=40,
        save_steps=2,
        save_total_limit=3,
        dataloader_num_workers=2,
        ddp_backend="gloo",
        resume_from_checkpoint="true" if output_dir.exists() else None,
    )
    for step in map(int, sys.argv[3:]):
        trainer.add_callback(Killing(step))
    trainer.train(resume_from_checkpoint=find_checkpoint(trainer.args))
    trainer.save_model()
    torch.distributed.destroy_process_group()
