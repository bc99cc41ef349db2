# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
How the cost of a model grows: with frames, length of text, batch, options and resolution; with the length of the film
that a clip is of; and in training, with and without gradient checkpointing, beside transformers' ViLT.

    python benchmarks/cost.py                        # all; some 20 minutes on 2 cores
    python benchmarks/cost.py --only frames film     # some; the rest stays in the JSON
    python benchmarks/cost.py --only frames text batch options resolution --measure counts  # multiply-adds; seconds
    python benchmarks/cost.py --tables               # measure nothing; print and draw what the JSON holds

One thing at a time is varied, and the rest is a clip of 3 frames of 224 px with one text of 14 tokens, in float32. The
forward is that of question answering, with 1,500 answers, or that of multiple choice, where options are varied. Every
time is a median over repeats, in which the four ways of training take turns, and so do those of reading. Memory is the
highest of a process that does nothing else, with weights and without what importing takes. Multiply-adds are half of
what torch's FLOP counter counts. Films are 640 × 360, of x264 with its default options.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import av
import matplotlib.pyplot as plt
import measuring
import torch
from loading import write_film
from search import FILM_SECONDS, make_encoder, repeat_film
from torch import nn
from transformers import ViltConfig, ViltForQuestionAnswering

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForMultipleChoice,
    AllInOneForVideoQuestionAnswering,
    AllInOneVideoProcessor,
)

NUM_ANSWERS = 1500  # as MSRVTT-QA has
MULTIPLY_ADDS, SECONDS, MEMORY = "G multiply-adds", "seconds", "peak memory, MiB"
Row = dict[str, Any]
Run = Callable[[], object]


@dataclass(frozen=True)
class Size:
    """What is read at a time."""

    num_frames: int = 3
    num_tokens: int = 14
    batch_size: int = 1
    num_options: int = 0  # 0: a question, else so many texts to choose from
    image_size: int = 224  # pixels of a side


@dataclass(frozen=True)
class Axis:
    """What is varied."""

    field: str
    points: tuple[int, ...]
    label: str


AXES = {
    "frames": Axis("num_frames", (1, 3, 6, 12, 24, 48), "frames of a clip"),
    "text": Axis("num_tokens", (8, 16, 32, 64, 128, 256), "tokens of a text"),
    "batch": Axis("batch_size", (1, 2, 4, 8, 16), "clips of a batch"),
    "options": Axis("num_options", (1, 2, 5, 10, 20), "texts to choose from"),
    "resolution": Axis("image_size", (112, 160, 224, 320, 384, 448), "pixels of a side"),
}
FILM_COLUMNS = ("s, frames of all of it", "s, of 10 s in its middle", "s, of 10 s, and embedded")
NETWORKS = ("All-in-one", "ViLT")
# What a row is known by, in each list of the JSON.
KEYS = {"forward": ("axis", "number"), "film": ("seconds of film",), "training": ("model", "checkpointing", "clips")}


def main(command_line: Sequence[str] | None = None) -> None:
    """Measure what is asked for, print the tables, draw the figures, write the JSON."""
    parser = measuring.make_parser("cost", __doc__)
    parser.add_argument("--preset", default="base", help="size of the model: tiny, small or base")
    measuring.add_run_options(parser, repeats=3)
    parts = [*AXES, "film", "training"]
    parser.add_argument("--only", nargs="+", default=parts, choices=parts, help="what is measured")
    parser.add_argument("--points", type=int, nargs="+", help="other values of what is varied, for a try")
    parser.add_argument("--film-seconds", type=int, nargs="+", default=[10, 60, 600, 3600, 7200], help="lengths")
    parser.add_argument("--train-clips", type=int, nargs="+", default=[1, 2, 4], help="clips of a training step")
    parser.add_argument("--measure", nargs="+", default=["seconds", "memory"], choices=("counts", "seconds", "memory"))
    parser.add_argument("--figures", type=Path, default=Path("outputs/cost"), help="folder of the figures")
    parser.add_argument("--tables", action="store_true", help="measure nothing; print and draw what the file holds")
    arguments = parser.parse_args(command_line)
    result = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    if not arguments.tables:
        if arguments.threads:
            torch.set_num_threads(arguments.threads)
        measured: dict[str, list[Row]] = {name: [] for name in KEYS}
        for part in arguments.only:
            if part in AXES:
                measured["forward"] += measure_forward(part, arguments)
            else:
                measured[part] += {"film": measure_film, "training": measure_training}[part](arguments)
        result = {name: merge(result.get(name, []), rows, KEYS[name]) for name, rows in measured.items()}
        measuring.write_result(arguments, av, **{name: rows for name, rows in result.items() if rows})
    print("\n\n".join(write_tables(result)))
    if "seconds" in arguments.measure:
        draw(result, arguments.figures)


def merge(before: list[Row], rows: list[Row], keys: tuple[str, ...]) -> list[Row]:
    """Rows of an earlier run, with what was measured since; in the order in which they were measured first."""
    known = {tuple(row[key] for key in keys): row for row in before}
    for row in rows:
        key = tuple(row[name] for name in keys)
        known[key] = known.get(key, {}) | row
    return list(known.values())


def measure(variants: Mapping[Any, Callable[[], Run]], what: str, arguments: argparse.Namespace) -> dict[Any, Row]:
    """
    Time and memory of variants, each given as what makes the function that is called. They take turns in a process of
    their own, since the memory that a larger one gives back to the system makes the next one slower.
    """
    columns: dict[Any, Row] = {name: {} for name in variants}
    if "seconds" in arguments.measure:
        take_turns = partial(make_and_time, variants, arguments.repeats, what)
        for name, seconds in measuring.run_alone(take_turns, arguments.device)[0].items():
            columns[name][SECONDS] = seconds
    if "memory" in arguments.measure:
        for name, make_run in variants.items():
            columns[name][MEMORY] = measuring.peak_memory(make_run, arguments.device)
    return columns


def make_and_time(variants: Mapping[Any, Callable[[], Run]], repeats: int, what: str) -> dict[Any, float]:
    """Seconds of each variant."""
    return measuring.median_seconds({name: make_run() for name, make_run in variants.items()}, repeats, what)


# -------------------------------------------------------------------------------------------------------- forward


def measure_forward(name: str, arguments: argparse.Namespace) -> list[Row]:
    """A forward by one thing that is varied."""
    axis = AXES[name]
    sizes = {point: Size(**{axis.field: point}) for point in arguments.points or axis.points}
    rows = []
    for point, size in sizes.items():
        make = partial(make_forward, size, arguments.preset)
        columns = measure({point: partial(make, arguments.device)}, f"{point} {axis.label}", arguments)
        rows.append({"axis": name, "number": point, MULTIPLY_ADDS: count(make("meta")), **columns[point]})
    return rows


def make_forward(size: Size, preset: str, device: str) -> Run:
    """A forward of question answering, or of multiple choice if there are options."""
    config = AllInOneConfig.from_preset(
        preset,
        num_frames=size.num_frames,
        image_size=size.image_size,
        max_position_embeddings=max(size.num_tokens, 40),
        num_labels=NUM_ANSWERS,
    )
    model_class = AllInOneForMultipleChoice if size.num_options else AllInOneForVideoQuestionAnswering
    with torch.device(device):
        model = model_class(config).eval()
        inputs = make_inputs(size)
    return torch.inference_mode()(partial(model, **inputs))


def make_inputs(size: Size) -> dict[str, torch.Tensor]:
    """A batch of clips with their texts, none of which is padded."""
    options = (size.num_options,) if size.num_options else ()
    return {
        "input_ids": torch.randint(1000, 2000, (size.batch_size, *options, size.num_tokens)),
        "pixel_values": torch.randn(size.batch_size, size.num_frames, 3, size.image_size, size.image_size),
    }


def count(run: Run) -> float:
    """Multiply-adds of a call, in 10⁹."""
    return measuring.count_multiply_adds(run, batch_size=1) / 1e9


# ----------------------------------------------------------------------------------------------------------- film


def measure_film(arguments: argparse.Namespace) -> list[Row]:
    """A clip of a film, by the film's length: its frames spread over all of it, or over 10 seconds in its middle."""
    encoder = make_encoder(arguments.preset)
    read = AllInOneVideoProcessor()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        film = write_film(Path(folder, "film.mp4"), 250, 360, 640)
        for length in arguments.film_seconds:
            path = repeat_film(film, Path(folder, "long.mp4"), length // FILM_SECONDS)
            middle = {"start": length / 2 - FILM_SECONDS / 2, "end": length / 2 + FILM_SECONDS / 2}
            runs: tuple[Run, ...] = (
                partial(read, str(path)),
                partial(read, str(path), **middle),
                partial(encoder.encode_video, {"video": str(path), **middle}),
            )
            variants = dict(zip(FILM_COLUMNS, runs, strict=True))
            seconds = measuring.median_seconds(variants, arguments.repeats, f"film of {length} s")
            memory = measuring.run_alone(partial(read_once, str(path)), "cpu")[1]
            rows.append(
                {"seconds of film": length, "MB": path.stat().st_size / 1e6, **seconds, "MiB, reading": memory}
            )
    return rows


def read_once(path: str) -> None:
    """Read frames that are spread over a film."""
    AllInOneVideoProcessor()(path)


# ------------------------------------------------------------------------------------------------------- training


def measure_training(arguments: argparse.Namespace) -> list[Row]:
    """Forward and backward, with and without gradient checkpointing."""
    rows = []
    for clips in arguments.train_clips:
        keys = [(network, checkpointing, clips) for network, checkpointing in product(NETWORKS, (False, True))]
        make = {key: partial(make_step, *key, arguments.preset, arguments.device) for key in keys}
        columns = measure(make, f"training, {clips} clips", arguments)
        rows += [dict(zip(KEYS["training"], key, strict=True)) | columns[key] for key in keys]
    return rows


def make_step(network: str, checkpointing: bool, clips: int, preset: str, device: str) -> Run:
    """
    Forward and backward of question answering, without dropout and an optimizer. ViLT of the same size reads each
    frame as an image, with the question.
    """
    inputs: dict[str, torch.Tensor]
    model: nn.Module
    options = dict.fromkeys(("hidden_dropout_prob", "drop_path_rate", "classifier_dropout"), 0.0)
    config = AllInOneConfig.from_preset(preset, num_labels=NUM_ANSWERS, **options)
    with torch.device(device):
        inputs = make_inputs(Size(batch_size=clips))
        if network == "ViLT":
            names = ("hidden_size", "num_attention_heads", "intermediate_size", "num_labels")
            sizes = {name: getattr(config, name) for name in names}
            model = ViltForQuestionAnswering(ViltConfig(**sizes, image_size=224, patch_size=16))
            pixel_values = inputs["pixel_values"].flatten(0, 1)
            input_ids = inputs["input_ids"].repeat_interleave(len(pixel_values) // clips, 0)
            labels = torch.zeros(len(input_ids), NUM_ANSWERS)
            inputs = {"input_ids": input_ids, "pixel_values": pixel_values, "labels": labels}
        else:
            model = AllInOneForVideoQuestionAnswering(config)
            inputs["labels"] = torch.zeros(clips, dtype=torch.long)
    if checkpointing:
        model.gradient_checkpointing_enable()
    model.train()

    def step() -> None:
        model.zero_grad()
        model(**inputs).loss.backward()

    return step


# --------------------------------------------------------------------------------------------------------- report


def write_tables(result: dict[str, list[Row]]) -> list[str]:
    """What was measured, as tables in Markdown, which are in docs/performance.md."""
    digits = {MULTIPLY_ADDS: 1, SECONDS: 2, MEMORY: 0}
    measured = {name: digits[name] for name in digits if any(name in row for row in result["forward"])}
    forward = [
        {"varied": AXES[row["axis"]].label, "": row["number"], **show(row, measured)} for row in result["forward"]
    ]
    film = [
        {name: value if isinstance(value, int) else f"{value:.3g}" for name, value in row.items()}
        for row in result["film"]
    ]
    of_vilt = {
        row["clips"]: row.get(MEMORY, math.nan)
        for row in result["training"]
        if row["model"] == "ViLT" and not row["checkpointing"]
    }
    training = [
        {
            "clips": row["clips"],
            "model": row["model"],
            "checkpointing": "yes" if row["checkpointing"] else "no",
            **show(row, {SECONDS: 2, MEMORY: 0}),
            "of ViLT's without": f"{row.get(MEMORY, math.nan) / of_vilt[row['clips']]:.2f}",
        }
        for row in result["training"]
    ]
    tables: tuple[tuple[list[Row], list[str]], ...] = (
        (forward, ["varied"]),
        (film, []),
        (training, ["model", "checkpointing"]),
    )
    return [measuring.write_table(rows, left) for rows, left in tables if rows]


def show(row: Row, digits: dict[str, int]) -> dict[str, str]:
    """Some columns of a row, with so many digits behind the point."""
    return {name: f"{row[name]:.{number}f}" if name in row else "" for name, number in digits.items()}


def draw(result: dict[str, list[Row]], folder: Path) -> None:
    """Draw time and memory."""
    figure, grid = plt.subplots(2, len(AXES), figsize=(13, 5), dpi=110, sharex="col")
    for column, (name, axis) in zip(grid.T, AXES.items(), strict=True):
        rows = [row for row in result["forward"] if row["axis"] == name]
        for number, what in enumerate((SECONDS, MEMORY)):
            plot(column[number], rows, "number", what, color=f"C{number}")
        column[1].set(xlim=(0, None), xlabel=axis.label)
    for axes, what in zip(grid[:, 0], (SECONDS, MEMORY), strict=True):
        axes.set_ylabel(what)
    save(figure, folder / "cost.png")

    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 3.6), dpi=110)
    for what in FILM_COLUMNS:
        plot(left, result["film"], "seconds of film", what, label=what.removeprefix("s, "))
    left.set(xscale="log", xlabel="seconds of film", ylabel="seconds for a clip of 3 frames")
    left.set_xticks(
        [row["seconds of film"] for row in result["film"]], [str(row["seconds of film"]) for row in result["film"]]
    )
    left.minorticks_off()
    for network, checkpointing in product(NETWORKS, (False, True)):
        rows = [row for row in result["training"] if (row["model"], row["checkpointing"]) == (network, checkpointing)]
        look = {"linestyle": "--" if checkpointing else "-", "color": f"C{NETWORKS.index(network)}"}
        plot(right, rows, "clips", MEMORY, label=f"{network}{', checkpointing' * checkpointing}", **look)
    right.set(xlabel="clips of a training step", ylabel=MEMORY)
    right.set_xticks(sorted({row["clips"] for row in result["training"]}))
    for axes in (left, right):
        axes.legend(frameon=False)
    save(figure, folder / "cost_film_training.png")


def plot(axes: plt.Axes, rows: list[Row], across: str, up: str, **look: Any) -> None:
    """Draw a column of rows by another one."""
    axes.plot([row[across] for row in rows], [row.get(up, math.nan) for row in rows], marker="o", markersize=4, **look)


def save(figure: plt.Figure, path: Path) -> None:
    """Save a figure without frames, whose heights begin at 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for axes in figure.axes:
        if not axes.yaxis_inverted():
            axes.set_ylim(0, 1.05 * axes.dataLim.ymax)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


if __name__ == "__main__":
    main()
