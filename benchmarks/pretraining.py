# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
r"""
Speed, memory and utilisation of pre-training, by objective, with clips decoded from files and with data in memory.

    python benchmarks/pretraining.py --threads 1 --batch-size 2 --repeats 2   # the table in docs/pretraining.md
    python benchmarks/pretraining.py --preset base --device cuda --dtype bfloat16 --batch-size 128 --workers 16 \
        --steps 20 --repeats 5 --compile               # a GPU

A step is that of the Trainer: forward, backward, clipping of gradients, AdamW. From files, workers of a loader decode
random frames of an H.264 film that is written first, as they do in training, and what the step waits for them is
counted; every turn begins with new workers and untimed steps. From memory, the same few batches come again and again.
Every figure is the median over repeats in which all variants take turns. On the CPU, seconds of work are those of the
processor, shared out over its threads, so that neighbours on a shared machine count little; the share of waiting is by
the clock on the wall.

Multiply-adds are half of what torch's FLOP counter counts, forward and backward, so FLOPs are twice as many.
Utilisation is FLOPs of the model in a second, by the rate of the device: of a square matrix product, which is what the
device can do, measured between the others. Beside it stands the rate of the matrix products of the model's own shapes,
forward and backward, and nothing else.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import torch
from accelerate.utils import send_to_device
from forward import DTYPES, make_variant
from loading import NUM_FILM_FRAMES, write_film
from torch import nn
from torch.utils.benchmark import timer
from torch.utils.data import DataLoader
from tqdm import tqdm

from modeling_allinone import AllInOneConfig, AllInOneForPreTraining, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.pretraining_collators import PreTrainingCollator
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.datasets import train_tokenizer
from modeling_allinone.training.trainer import parameter_groups

OBJECTIVES = ("masked_lm", "matching", "contrastive", "clip_order", "masked_patches")
MIXES = (*OBJECTIVES, "masked_lm+matching", "masked_lm+matching+contrastive")
CAPTIONS = (
    "a man in a red jacket walks along the beach",
    "two dogs run after a ball in the park",
    "close up of hands that cut a tomato on a wooden board",
    "waves break on the rocks below an old lighthouse at dusk",
)
HEIGHT, WIDTH = 256, 456  # pixels of the film
KEY_FRAME_DISTANCE = 250  # x264's default
NUM_BATCHES_IN_MEMORY = 2
SIDES = {"cpu": 2048, "cuda": 8192}  # of the square matrices
NUM_PRODUCTS = 10


def main():
    """Write a film, measure, print the table, write the JSON."""
    parser = measuring.make_parser("pretraining", __doc__)
    measuring.add_model_options(parser, preset="tiny", repeats=3)
    parser.add_argument("--objectives", nargs="+", default=MIXES, help="what is learned; a mix is joined by +")
    parser.add_argument("--dtype", default="float32", choices=DTYPES, help="of products; weights are float32")
    parser.add_argument("--workers", type=int, default=1, help="processes that decode")
    parser.add_argument("--compile", action="store_true", help="compile the backbone")
    parser.add_argument("--steps", type=int, default=2, help="timed steps of a turn")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        film = write_film(Path(folder, "film.mp4"), KEY_FRAME_DISTANCE, HEIGHT, WIDTH)
        about_film = {"height": HEIGHT, "width": WIDTH, "frames": NUM_FILM_FRAMES, "bytes": film.stat().st_size}
        measuring.write_result(arguments, film=about_film, **measure(film, arguments))


# ------------------------------------------------------------------------------------------------- model and data


def make_model(mix: str, arguments: argparse.Namespace) -> AllInOneForPreTraining:
    """The model with the heads of these objectives, training."""
    config = AllInOneConfig.from_preset(
        arguments.preset, num_frames=arguments.num_frames, pretraining_objectives=mix.split("+")
    )
    model = AllInOneForPreTraining._from_config(config, attn_implementation=arguments.attention)
    model = model.to(arguments.device).train()
    if arguments.compile:
        model.allinone.compile()
    return model


def make_collator(mix: str, arguments: argparse.Namespace) -> PreTrainingCollator:
    """What makes batches for these objectives, with frames and crops drawn at random."""
    processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=arguments.num_frames), train_tokenizer(CAPTIONS))
    return PreTrainingCollator(
        processor,
        objectives=mix.split("+"),
        video_options={"do_random_crop": True, "frame_sampling": "random"},
    )


def make_loader(film: Path, mix: str, arguments: argparse.Namespace) -> DataLoader:
    """Batches of the film, with a caption each: enough for a turn at whose end workers still have some to do."""
    num_prefetched = 2 * arguments.workers
    num_rows = arguments.batch_size * (arguments.steps + max(1, arguments.workers) + num_prefetched)
    rows = [{"video": str(film), "caption": caption} for caption in islice(cycle(CAPTIONS), num_rows)]
    return DataLoader(
        VideoDataset(rows),
        batch_size=arguments.batch_size,
        collate_fn=make_collator(mix, arguments),
        num_workers=arguments.workers,
        pin_memory=arguments.device != "cpu",
    )


def decode_batch(film: Path, arguments: argparse.Namespace) -> dict[str, torch.Tensor]:
    """Make a batch, as a worker of a loader does."""
    loader = make_loader(film, MIXES[-1], arguments)
    return loader.collate_fn([loader.dataset[index] for index in range(arguments.batch_size)])


def make_batches(mix: str, arguments: argparse.Namespace) -> list[dict[str, torch.Tensor]]:
    """Batches of random pixels, on the device."""
    pixels = np.random.default_rng(0).integers(0, 256, (arguments.num_frames, HEIGHT, WIDTH, 3), dtype=np.uint8)
    captions = islice(cycle(CAPTIONS), NUM_BATCHES_IN_MEMORY * arguments.batch_size)
    rows = [{"video": pixels, "caption": caption, "draw": draw} for draw, caption in enumerate(captions)]
    collate = make_collator(mix, arguments)
    size = arguments.batch_size
    return [to_device(collate(rows[start : start + size]), arguments) for start in range(0, len(rows), size)]


def to_device(batch: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """A batch with its tensors on the device."""
    return send_to_device(batch, arguments.device, non_blocking=True)


# ------------------------------------------------------------------------------------------------------- variants


def compute_loss(model: nn.Module, batch: dict[str, Any], arguments: argparse.Namespace):
    """The sum of the losses of the objectives that the batch is for."""
    with torch.autocast(arguments.device, DTYPES[arguments.dtype], enabled=arguments.dtype != "float32"):
        return model(**batch).loss


def make_step(mix: str, arguments: argparse.Namespace) -> Callable[[dict], None]:
    """A function that takes one step with a batch."""
    model = make_model(mix, arguments)
    optimizer = torch.optim.AdamW(parameter_groups(model, 1e-4), betas=(0.9, 0.98), fused=True)

    def step(batch: dict[str, torch.Tensor]):
        compute_loss(model, to_device(batch, arguments), arguments).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def make_some_steps(mix: str, arguments: argparse.Namespace) -> Callable[[], object]:
    """A function that takes a step with each batch in memory."""
    step, batches = make_step(mix, arguments), make_batches(mix, arguments)
    return lambda: [step(batch) for batch in batches]


def multiply_squares(arguments: argparse.Namespace) -> Callable[[], torch.Tensor]:
    """A function that multiplies two square matrices."""
    side = SIDES[arguments.device]
    first, second = (torch.randn(side, side, device=arguments.device).to(DTYPES[arguments.dtype]) for _ in range(2))
    return partial(torch.mm, first, second)


# --------------------------------------------------------------------------------------------------- measurements


def clock_of_work(arguments: argparse.Namespace) -> Callable[[], float]:
    """A clock: on the CPU, of the processor, shared out over its threads; else on the wall, once a GPU is ready."""
    return (lambda: time.process_time() / torch.get_num_threads()) if arguments.device == "cpu" else timer


def time_steps(
    step: Callable[[dict], None], batches: Iterable[dict], num_untimed: int, arguments: argparse.Namespace
) -> tuple[float, float]:
    """Take some steps untimed, then those that are timed; returns their seconds, and the share of them in waiting."""
    remaining: Iterator[dict] = iter(batches)
    for batch in islice(remaining, num_untimed):
        step(batch)
    worked = waited = 0.0
    started = time.perf_counter()
    for _ in range(arguments.steps):
        asked = time.perf_counter()
        batch = next(remaining)
        waited += time.perf_counter() - asked
        worked += measuring.seconds_of(partial(step, batch), clock_of_work(arguments))
    share = waited / (time.perf_counter() - started)
    return worked / (1 - share), share


def time_calls(run: Callable[[], object], num_calls: int, arguments: argparse.Namespace) -> tuple[float, float]:
    """Call a function so many times; returns the seconds of one call, none of them in waiting."""
    return measuring.seconds_of(lambda: [run() for _ in range(num_calls)], clock_of_work(arguments)) / num_calls, 0.0


def measure(film: Path, arguments: argparse.Namespace) -> dict:
    """Rates of the device, of a worker that decodes, and of each mix of objectives from files and from memory."""
    for_counting = measuring.changed(arguments, batch_size=2, dtype="float32", compile=False)
    of_joint_pass = measuring.count_multiply_adds(make_variant("all-in-one + backward", "float32", for_counting), 2)
    counts, memory = {}, {}
    for mix in tqdm(arguments.objectives, desc="multiply-adds and memory"):  # first, while the device is empty
        counts[mix] = count_training_multiply_adds(mix, for_counting)
        memory[mix] = measuring.peak_memory(partial(make_some_steps, mix, arguments), arguments.device)

    square, floor = multiply_squares(arguments), make_variant("floor + backward", arguments.dtype, arguments)
    variants: dict[str | tuple[str, str], Callable[[], tuple[float, float]]] = {
        "square": partial(time_calls, square, NUM_PRODUCTS, arguments),
        "floor": partial(time_calls, floor, 1, arguments),
        "worker": partial(time_calls, partial(decode_batch, film, arguments), arguments.steps, arguments),
    }
    for mix in arguments.objectives:
        step, loader = make_step(mix, arguments), make_loader(film, mix, arguments)
        variants[mix, "memory"] = partial(time_steps, step, cycle(make_batches(mix, arguments)), 0, arguments)
        # New workers in each turn, which have run in when every one gave a batch.
        variants[mix, "files"] = partial(time_steps, step, loader, max(1, arguments.workers), arguments)
    turns = measuring.take_turns(variants, arguments.repeats, "pre-training")

    seconds = {name: statistics.median(taken for taken, _ in of_variant) for name, of_variant in turns.items()}
    rate = 2 * SIDES[arguments.device] ** 3 / seconds["square"]
    rows = []
    for mix, source in product(arguments.objectives, ("memory", "files")):
        clips_per_second = arguments.steps * arguments.batch_size / seconds[mix, source]
        rows.append(
            {
                "objectives": mix,
                "data": source,
                "multiply-adds per clip": counts[mix],
                "times a joint pass": counts[mix] / of_joint_pass,
                "clips per second": clips_per_second,
                "waiting for data": statistics.median(share for _, share in turns[mix, source]),
                "utilisation": 2 * counts[mix] * clips_per_second / rate,
                "peak memory, MiB": memory[mix],
            }
        )
    rate_of_shapes = 2 * measuring.count_multiply_adds(floor, 1) / seconds["floor"]
    return {
        "FLOPs per second, square product": rate,
        "FLOPs per second, products in the shapes of the model": rate_of_shapes,
        "clips per second, one worker": arguments.batch_size / seconds["worker"],
        "multiply-adds per clip, joint pass": of_joint_pass,
        "pretraining": rows,
    }


def count_training_multiply_adds(mix: str, arguments: argparse.Namespace) -> int:
    """Multiply-adds of a forward and backward for one clip."""
    model, batch = make_model(mix, arguments), make_batches(mix, arguments)[0]
    run = partial(compute_loss, model, batch, arguments)
    return measuring.count_multiply_adds(lambda: run().backward(), arguments.batch_size)


if __name__ == "__main__":
    main()
