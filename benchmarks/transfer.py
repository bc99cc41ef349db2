# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
How much sooner questions are learned from a pre-trained model than from nothing.

    python benchmarks/transfer.py          # the figure and the table in docs/pretraining.md; some 10 minutes

The same fine-tuning (moving_shapes/question_answering.yaml: the easy level, all kinds of questions
but drift, batches of 16) starts from examples/checkpoints/moving-shapes and from random
weights of the same size. The accuracy is that of the validation clips, which neither start has seen.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import transformers
from measuring import make_parser, write_result

from modeling_allinone import AllInOneConfig
from modeling_allinone.datasets import write_moving_shapes
from modeling_allinone.recipes import RECIPES

EXAMPLES = Path(__file__).parents[1] / "examples"
RECIPE = RECIPES / "moving_shapes" / "question_answering.yaml"
CHECKPOINT = EXAMPLES / "checkpoints" / "moving-shapes"
STARTS = ("pre-trained", "from scratch")
THRESHOLDS = (0.6, 0.7, 0.8, 0.9, 0.95)


def main():
    """Fine-tune from both starts, draw the curves, print the table, write the JSON."""
    parser = make_parser("transfer", __doc__)
    parser.add_argument("--steps", type=int, default=1600, help="training steps of each run")
    parser.add_argument("--eval-steps", type=int, default=100, help="steps between two measurements")
    parser.add_argument("--clips", type=int, default=5000, help="clips to train on")
    parser.add_argument("--validation-clips", type=int, default=100, help="clips to measure on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, default=Path("outputs/moving_shapes"), help="written if missing")
    parser.add_argument("--work-dir", type=Path, default=Path("outputs/transfer"), help="folder of the runs")
    parser.add_argument("--figure", type=Path, default=Path("docs/images/transfer.png"))
    arguments = parser.parse_args()

    for split, num_clips in (("train", arguments.clips), ("validation", arguments.validation_clips)):
        write_moving_shapes(arguments.corpus, num_clips, split)
    curves = {start: fine_tune(start, arguments) for start in STARTS}
    draw(curves, arguments.figure)
    reached = [
        {"accuracy": f"{threshold:.0%}", **{start: first_step(curve, threshold) for start, curve in curves.items()}}
        for threshold in THRESHOLDS
    ]
    write_result(arguments, curves=curves, **{"steps to reach": reached})


def fine_tune(start: str, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Run the script; returns steps and validation accuracy."""
    output_dir = arguments.work_dir / start.replace(" ", "-")
    options = {
        "data_dir": arguments.corpus,
        "frame_cache": arguments.corpus / "frames",
        "output_dir": output_dir,
        "max_steps": arguments.steps,
        "eval_steps": arguments.eval_steps,
        "lr_scheduler_kwargs": json.dumps({"num_decay_steps": arguments.steps // 2}),
        "seed": arguments.seed,
        "test_split": "validation",
        "disable_tqdm": "true",
    }
    if start == "pre-trained":
        options["model_name_or_path"] = CHECKPOINT
    else:
        options["model_name_or_path"] = draw_model(arguments.work_dir / "random-weights", arguments.seed)
    command = [sys.executable, EXAMPLES / "finetune.py", RECIPE]
    subprocess.run([*map(str, command), *(f"--{name}={value}" for name, value in options.items())], check=True)
    history = json.loads((output_dir / "trainer_state.json").read_text())["log_history"]
    measured = [entry for entry in history if "eval_accuracy" in entry]
    return {
        "step": [entry["step"] for entry in measured],
        "accuracy": [entry["eval_accuracy"] for entry in measured],
    }


def draw_model(folder: Path, seed: int) -> Path:
    """Write a model of the checkpoint's configuration with random weights."""
    transformers.set_seed(seed)
    config = AllInOneConfig.from_pretrained(CHECKPOINT)
    transformers.AutoModelForPreTraining.from_config(config).save_pretrained(folder)
    transformers.AutoProcessor.from_pretrained(CHECKPOINT).save_pretrained(folder)
    return folder


def first_step(curve: dict[str, list[float]], threshold: float) -> float | None:
    """The step of the first measurement at which an accuracy is reached; `None` if it never is."""
    measured = zip(curve["step"], curve["accuracy"], strict=True)
    return next((step for step, accuracy in measured if accuracy >= threshold), None)


def draw(curves: dict[str, dict[str, list[float]]], path: Path):
    """Draw accuracy by step."""
    figure, axes = plt.subplots(figsize=(7, 3.4), dpi=110)
    for number, (start, curve) in enumerate(curves.items()):
        axes.plot(curve["step"], 100 * np.array(curve["accuracy"]), f"C{number}o-", markersize=3, label=start)
    axes.set(xlabel="step of fine-tuning", ylabel="answers on validation clips, %", ylim=(0, 102))
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


if __name__ == "__main__":
    main()
