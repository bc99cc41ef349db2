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
from machine import describe_machine

from modeling_allinone import AllInOneConfig
from modeling_allinone.datasets import write_moving_shapes

EXAMPLES = Path(__file__).parents[1] / "examples"
RECIPE = EXAMPLES / "recipes" / "moving_shapes" / "question_answering.yaml"
CHECKPOINT = EXAMPLES / "checkpoints" / "moving-shapes"
STARTS = ("pre-trained", "from scratch")
THRESHOLDS = (0.6, 0.7, 0.8, 0.9, 0.95)


def main():
    """Fine-tune from both starts, draw the curves, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1600, help="training steps of each run")
    parser.add_argument("--eval-steps", type=int, default=100, help="steps between two measurements")
    parser.add_argument("--clips", type=int, default=5000, help="clips to train on")
    parser.add_argument("--validation-clips", type=int, default=100, help="clips to measure on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, default=Path("outputs/moving_shapes"), help="written if missing")
    parser.add_argument("--work-dir", type=Path, default=Path("outputs/transfer"), help="folder of the runs")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/transfer.json"))
    parser.add_argument("--figure", type=Path, default=Path("docs/images/transfer.png"))
    arguments = parser.parse_args()

    for split, num_clips in (("train", arguments.clips), ("validation", arguments.validation_clips)):
        write_moving_shapes(arguments.corpus, num_clips, split)
    curves = {start: fine_tune(start, arguments) for start in STARTS}
    results = {
        "machine": describe_machine(),
        "arguments": {name: str(value) for name, value in vars(arguments).items()},
        "curves": curves,
        "steps to reach": {start: steps_to_reach(curve) for start, curve in curves.items()},
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n")
    draw(curves, arguments.figure)
    print(f"{results['machine']}\n")
    print_table(results["steps to reach"])


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
    command = [sys.executable, EXAMPLES / "finetune_question_answering.py", RECIPE]
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


def steps_to_reach(curve: dict[str, list[float]]) -> dict[str, int | None]:
    """The first measurement at which each accuracy is reached; `None` if never."""
    return {
        f"{threshold:.0%}": next(
            (step for step, share in zip(curve["step"], curve["accuracy"], strict=True) if share >= threshold), None
        )
        for threshold in THRESHOLDS
    }


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


def print_table(reached: dict[str, dict[str, int | None]]):
    """Print, in Markdown, after how many steps each accuracy is reached."""
    print(f"| steps to reach | {' | '.join(STARTS)} |\n|---|{'---|' * len(STARTS)}")
    for threshold in reached[STARTS[0]]:
        steps = (reached[start][threshold] for start in STARTS)
        print(f"| {threshold} | {' | '.join('–' if step is None else str(step) for step in steps)} |")


if __name__ == "__main__":
    main()
