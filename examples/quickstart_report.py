# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What `quickstart.py`, which imports it, shows: lines on the way, a table, what to do next, a page for a browser."""

import base64
import csv
import io
import os
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from datasets import Dataset
from jinja2 import Environment, FileSystemLoader
from PIL import Image
from transformers import TrainerCallback

from modeling_allinone.datasets.moving_shapes_texts import FRAME_KINDS, TIME_KINDS

# Answering where the background drifts takes comparing frames patch by patch, so it stands alone.
GROUPS = {
    "single-frame kinds": FRAME_KINDS,
    "time kinds": tuple(kind for kind in TIME_KINDS if kind != "drift"),
    "background drift": ("drift",),
}
# Told apart on white and on black, and by those who see no colours.
LINES = {"single-frame kinds": ("#2f7fd6", "o"), "time kinds": ("#d0661a", "s"), "background drift": ("#8a67d0", "^")}
# What in a drawing becomes the colour of the text around it, which is dark by day and light by night.
INK = "#123456"


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is done, and then how long it took."""
    print(text, flush=True)
    started = time.perf_counter()
    yield
    print(f"   {time.perf_counter() - started:.0f} s", flush=True)


class ProgressLines(TrainerCallback):
    """Prints what share of the validation questions is answered right, each time that it was measured."""

    def on_evaluate(self, args, state, control, metrics, **_):
        """Print a line."""
        shares = average_groups({name.removeprefix("eval_"): value for name, value in metrics.items()})
        told = ", ".join(f"{group} {share:.0%}" for group, share in shares.items())
        print(f"   step {state.global_step:4} of {state.max_steps}, right answers: {told}", flush=True)


def average_groups(shares: Mapping[str, float]) -> dict[str, float]:
    """The mean of each group of kinds, of those that there are."""
    there = {group: [shares[kind] for kind in kinds if kind in shares] for group, kinds in GROUPS.items()}
    return {group: float(np.mean(values)) for group, values in there.items() if values}


def list_lines(scores: dict[str, dict[str, float]]) -> list[tuple[str, bool, list[float]]]:
    """Lines of the table: name, whether it is the mean of a group, and a share for each column."""
    means = {name: average_groups(column) for name, column in scores.items()}
    lines = []
    for group in means["clip"]:
        kinds = [kind for kind in GROUPS[group] if kind in scores["clip"]]
        lines.append((group, True, [column[group] for column in means.values()]))
        if len(kinds) > 1:
            lines += [(kind, False, [column[kind] for column in scores.values()]) for kind in kinds]
    return lines


def print_scores(scores: dict[str, dict[str, float]]):
    """Print exact match in per cent, by kind of question and by how the clip is shown."""
    print(f"   {'right answers, %':22}" + "".join(f"{name:>12}" for name in scores))
    for name, is_group, shares in list_lines(scores):
        print(f"   {name if is_group else f'  {name}':22}" + "".join(f"{100 * share:12.1f}" for share in shares))


def choose_examples(rows: Dataset, is_right: np.ndarray) -> list[dict]:
    """The first question of each kind, about as many clips; the first wrong one, if all of these are right."""
    chosen: dict[str, dict] = {}
    for row, right in zip(rows, is_right, strict=True):
        if row["kind"] not in chosen and row["video_id"] not in {other["video_id"] for other in chosen.values()}:
            chosen[row["kind"]] = row | {"is_right": right}
    if all(row["is_right"] for row in chosen.values()) and not is_right.all():
        wrong = rows[int(is_right.argmin())]
        chosen[wrong["kind"]] = wrong | {"is_picked": True}
    return [chosen[kind] for kinds in GROUPS.values() for kind in kinds if kind in chosen]


def share_answers(rows: Dataset, question: str) -> dict[str, float]:
    """How often each answer was the right one to a question, as a share."""
    answers = [answer for asked, answer in zip(rows["question"], rows["answer"], strict=True) if asked == question]
    return {answer: number / len(answers) for answer, number in Counter(answers).items()}


# ---------------------------------------------------------------------------------------------------------------------
# What to do next
# ---------------------------------------------------------------------------------------------------------------------
class NextStep(NamedTuple):
    """Something to do after the quickstart: what, how it becomes one's own, and the code, which runs as it is."""

    title: str
    text: str
    code: str


def list_next_steps(model_dir: Path, checkpoint: Path, table: Path, answered: list[dict]) -> list[NextStep]:
    """What to do next with the trained model, the pre-trained one, a table of questions, and what was answered."""
    row = [row for row in answered if row["best"][0]["answer"] == row["answer"] or row is answered[0]][-1]
    ask = ["ask", row["video"], row["question"], "--model", model_dir]
    train = ["train", "--task", "question-answering", "--train_file", table, "--model_name_or_path", checkpoint]
    train += ["--learning_rate", "1e-3", "--output_dir", model_dir.parent / "mine"]
    clips, index = Path(row["video"]).parent, model_dir.parent / "index"
    search = [["index", clips, "--model", checkpoint, "--index", index]]
    search += [["search", "a green ring moves right at the top", "--index", index, "--top-k", "3"]]
    return [
        NextStep("Ask a clip of your own", "With your file and your question in place of these", _command(ask)),
        NextStep(
            "Train on your own questions",
            f"With your table in place of {_shorten(table)}, in whose lines are a video, a question and an answer",
            _command(train),
        ),
        NextStep(
            "Search a folder of your own",
            "With your folder and your words in place of these",
            "\n".join(map(_command, search)),
        ),
    ]


def write_table(path: Path, rows: Dataset) -> Path:
    """Write questions and answers as a table that one's own could look like; returns its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "question", "answer"])
        for row in rows:
            writer.writerow(
                [Path(os.path.relpath(row["video"], path.parent)).as_posix(), row["question"], row["answer"]]
            )
    return path


def _command(arguments: Iterable) -> str:
    """A command line of `allinone`, called as the Python that runs this can call it from this folder."""
    script = shutil.which("allinone", path=os.path.dirname(sys.executable))
    call = [script] if script else [sys.executable, "-m", "modeling_allinone"]
    if script and shutil.which("allinone") == script:
        call = ["allinone"]
    return shlex.join(map(_shorten, [*call, *arguments]))


def _shorten(argument: str | Path) -> str:
    """An argument; if it is a path into this folder, from here."""
    path = Path(argument)
    is_below = path.is_absolute() and path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if is_below else str(argument)


# ---------------------------------------------------------------------------------------------------------------------
# The page
# ---------------------------------------------------------------------------------------------------------------------
def write_report(
    path: Path,
    record: dict,
    answered: list[dict],
    frames: Mapping[tuple, np.ndarray],
    next_steps: Sequence[NextStep],
) -> Path:
    """Write the page; returns its path."""
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    shown = []
    for row in answered:
        pictures = frames[row["video"], row["start"], row["end"]]
        is_right = row["best"][0]["answer"] == row["answer"]
        shown.append(row | {"is_right": is_right, "strip": draw_strip(pictures), "num_frames": len(pictures)})
    page = environment.get_template("quickstart_report.html.jinja").render(
        record,
        lines=list_lines(record["scores"]),
        groups=average_groups(record["scores"]["clip"]),
        answered=shown,
        learning_curve=draw_learning_curve(record["history"], average_groups(record["scores"]["chance"])),
        next_steps=next_steps,
    )
    path.write_text(page, encoding="utf-8")
    return path


def draw_strip(frames: np.ndarray) -> str:
    """The frames of a clip (T, H, W, 3) side by side, with gaps that let the page through, as an address."""
    opaque = np.pad(frames, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=255)
    strip = np.hstack(list(np.pad(opaque, ((0, 0), (0, 0), (0, 2), (0, 0)))))[:, :-2]
    picture = io.BytesIO()
    Image.fromarray(strip).save(picture, "webp", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(picture.getvalue()).decode()}"


def draw_learning_curve(history: list[dict], chance: Mapping[str, float]) -> str:
    """Validation accuracy of each group of kinds over all stages, beside chance, as SVG for a narrow screen."""
    look: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "quickstart",
        "font.size": 10,
        "font.family": "sans-serif",
    }
    ink = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    with plt.rc_context(look | dict.fromkeys(ink, INK)):
        figure, axes = plt.subplots(figsize=(3.9, 3.3), layout="tight")
        offset, stages = 0, list(dict.fromkeys(entry["stage"] for entry in history))
        for stage in stages:
            entries = [entry for entry in history if entry["stage"] == stage and "eval_loss" in entry]
            steps = [offset + entry["step"] for entry in entries]
            means = [average_groups({name.removeprefix("eval_"): entry[name] for name in entry}) for entry in entries]
            for group in means[0] if means else ():
                colour, marker = LINES[group]
                label = group if offset == 0 else None
                shares = [100 * mean[group] for mean in means]
                axes.plot(steps, shares, color=colour, marker=marker, markersize=4, label=label)
            offset += max(entry["step"] for entry in history if entry["stage"] == stage)
            if len(stages) > 1:
                axes.axvline(offset, color=INK, alpha=0.3, linewidth=0.8)
                axes.annotate(stage, (offset, 2), ha="right", xytext=(-4, 0), textcoords="offset points")
        for group, share in chance.items():
            axes.axhline(100 * share, color=LINES[group][0], linestyle=(0, (4, 3)), linewidth=1)
        axes.set(xlabel="training step", ylabel="right answers, %", ylim=(0, 103))
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.45, 1), ncols=2, columnspacing=1)
        axes.spines[["top", "right"]].set_visible(False)
        picture = io.StringIO()
        figure.savefig(picture, format="svg", transparent=True, metadata={"Date": None})
        plt.close(figure)
    drawing = picture.getvalue()
    return drawing[drawing.index("<svg") :].replace(INK, "currentColor")
