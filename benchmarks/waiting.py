# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
How much faster clips are read back than decoded, and for how long training and `Predictor.predict` wait for them.

    python benchmarks/waiting.py                               # some 5 minutes on two cores
    python benchmarks/waiting.py --preset tiny --steps 5 --num-clips 16

Films of 10 seconds, 1280 × 720, H.264 with a key frame every 50 frames, are read for a model that answers a question
about each. *Reading*: time of the processor for one clip, medians over repeats in which all ways take turns. What is
in the cache of frames, or in shards, was written before; a row of a shard has the bytes of its film, which are still
to be decoded. *Waiting*: the share of the time in which a step of [`AllInOneTrainer`], or `Predictor.predict`, had no
batch. The start of the workers and their first batch count.
"""

import shutil
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from loading import write_film
from measuring import make_parser, median_seconds, write_result
from transformers import BertTokenizer

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForVideoQuestionAnswering,
    AllInOneProcessor,
    AllInOneVideoProcessor,
    Predictor,
    VideoLoader,
    cache_frames,
)
from modeling_allinone.data.collators import VideoQuestionAnsweringCollator
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.data.webdataset_stream import ClipSource, WebDatasetStream
from modeling_allinone.data.webdataset_writing import write_shards
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments

KEY_FRAMES, NUM_ANSWERS, ROWS_OF_A_SHARD = 50, 1000, 8
DECODED = "decoded from the file"


class TimedTrainer(AllInOneTrainer):
    """A trainer that knows for how long it waited for batches, and for how long it trained."""

    started: float | None = None
    seconds_waited = 0.0

    def get_batch_samples(self, *arguments, **keywords):
        """As in Trainer."""
        asked = time.perf_counter()
        self.started = self.started or asked
        batches = super().get_batch_samples(*arguments, **keywords)
        self.seconds_waited += time.perf_counter() - asked
        return batches


def main(command_line: list[str] | None = None) -> None:
    """Write films, measure, write the JSON."""
    parser = make_parser("waiting", __doc__)
    parser.add_argument("--preset", default="base", help="size of the model: tiny, small or base")
    parser.add_argument("--num-frames", type=int, default=3, help="frames of a clip")
    parser.add_argument("--batch-size", type=int, default=4, help="clips of a step of training")
    parser.add_argument("--steps", type=int, default=20, help="steps of training")
    parser.add_argument("--num-workers", type=int, default=2, help="processes that read clips for training")
    parser.add_argument("--num-clips", type=int, default=160, help="clips of predict, whose batches have 16")
    parser.add_argument("--threads", type=int, default=None, help="threads on the CPU; default: torch's choice")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="cpu or cuda")
    parser.add_argument("--repeats", type=int, default=9, help="timed repeats of each way of reading")
    arguments = parser.parse_args(command_line)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    video_processor = AllInOneVideoProcessor(num_frames=arguments.num_frames)
    processor = AllInOneProcessor(video_processor, BertTokenizer())
    with tempfile.TemporaryDirectory() as folder:
        film = write_film(Path(folder, "film.mp4"), KEY_FRAMES)
        reading = measure_reading(film, processor, arguments)
        waiting = [measure_training(film, processor, Path(folder), arguments)]
        waiting += [measure_predict(film, processor, Path(folder), workers, arguments) for workers in (0, 1)]
    write_result(arguments, reading=reading, waiting=waiting)


def make_rows(film: Path, num_rows: int) -> list[dict[str, Any]]:
    """Questions about a film, each about a file of its own."""
    paths = [film.with_name(f"{number}.mp4") for number in range(num_rows)]
    for path in paths:
        if not path.exists():
            shutil.copyfile(film, path)
    texts = {"question": "what moves over the ground?", "answer": "answer 1"}
    return [{"video": str(path), "start": None, "end": None, "label": 1, **texts} for path in paths]


# --------------------------------------------------------------------------------------------------------- reading


def measure_reading(film: Path, processor: AllInOneProcessor, arguments: Namespace) -> list[dict]:
    """Seconds of a clip by each way of reading it."""
    rows = Dataset.from_list(make_rows(film, ROWS_OF_A_SHARD))
    kept = VideoDataset(rows, frames=cache_frames(rows, processor, film.with_name("frames")))
    load = VideoLoader(processor)
    whole, small = (partial(read_shards, film.parent, rows, edge) for edge in (None, 256))
    ways: dict[str, Callable[[], object]] = {
        DECODED: lambda: [load([row]) for row in rows],
        "frame cache": lambda: [load([kept[number]]) for number in range(len(kept))],
        "row of a shard, its film not decoded yet": whole,
        "row of a shard of 256 px, its film not decoded yet": small,
        "row of a shard of 256 px, decoded": lambda: [load([row]) for row in small()],
    }
    with torch.no_grad():
        seconds = median_seconds(ways, arguments.repeats, "reading", time.process_time)
    return [
        {"way": name, "ms of a clip": 1000 * taken / len(rows), "times as fast": seconds[DECODED] / taken}
        for name, taken in seconds.items()
    ]


def read_shards(folder: Path, rows: Dataset, shortest_edge: int | None) -> list[dict]:
    """The rows of a shard, which is written if it is not there."""
    place = folder / f"shards-{shortest_edge}"
    if not place.exists():
        write_shards(rows, place, "films", shortest_edge=shortest_edge, num_workers=0)
    return list(WebDatasetStream(ClipSource(place), shuffle_buffer=0, num_epochs=1))


# --------------------------------------------------------------------------------------------------------- waiting


def make_model(arguments: Namespace) -> AllInOneForVideoQuestionAnswering:
    """A model with random weights."""
    answers = {number: f"answer {number}" for number in range(NUM_ANSWERS)}
    config = AllInOneConfig.from_preset(arguments.preset, num_frames=arguments.num_frames, id2label=answers)
    return AllInOneForVideoQuestionAnswering(config).to(arguments.device)


def measure_training(film: Path, processor: AllInOneProcessor, folder: Path, arguments: Namespace) -> dict:
    """The share of waiting of some steps."""
    rows = make_rows(film, arguments.steps * arguments.batch_size)
    training = AllInOneTrainingArguments(
        str(folder / "trainer"),
        max_steps=arguments.steps,
        per_device_train_batch_size=arguments.batch_size,
        dataloader_num_workers=arguments.num_workers,
        use_cpu=arguments.device == "cpu",
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
    )
    trainer = TimedTrainer(
        make_model(arguments),
        training,
        data_collator=VideoQuestionAnsweringCollator(processor, NUM_ANSWERS),
        train_dataset=VideoDataset(rows),
        processing_class=processor,
    )
    trainer.train()
    seconds = time.perf_counter() - (trainer.started or 0)
    return row_of("training", arguments.num_workers, len(rows), seconds, trainer.seconds_waited)


def measure_predict(
    film: Path, processor: AllInOneProcessor, folder: Path, num_workers: int, arguments: Namespace
) -> dict:
    """The share of waiting of answers to a file."""
    rows = make_rows(film, arguments.num_clips)
    predictor = Predictor(make_model(arguments), processor)
    summary = predictor.predict(rows, folder / f"answers-{num_workers}.jsonl", num_workers=num_workers)
    return row_of("predict", num_workers, len(rows), summary["seconds"], summary["seconds_waited"])


def row_of(what: str, num_workers: int, num_clips: int, seconds: float, waited: float) -> dict:
    """A row of the table of waiting."""
    return {
        "what": what,
        "workers": num_workers,
        "clips": num_clips,
        "seconds": seconds,
        "seconds waited": waited,
        "waiting, %": 100 * waited / seconds,
        "clips a second": num_clips / seconds,
    }


if __name__ == "__main__":
    main()
