# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What each task costs beside an earlier state of this package, and that its outputs are the same.

    git worktree add ../before b7ffe2d
    python benchmarks/changes.py ../before             # the table in docs/performance.md; about ten minutes on 2 cores
    python benchmarks/changes.py ../before --tasks answer features --dtypes bfloat16

Both states are loaded into one process and take turns, with the same weights; seconds are medians over repeats, and
the ratio is the median over those of each turn. Clips of 224 px with texts of 9 to 14 tokens.
"""

import argparse
import importlib
import importlib.util
import statistics
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import measuring
import torch
from forward import DTYPES, make_inputs

import modeling_allinone

NUM_CHOICES = 5
Run = Callable[[Any, Mapping[str, torch.Tensor]], torch.Tensor]


def main():
    """Measure everything, print the table, write the JSON."""
    parser = measuring.make_parser("changes", __doc__)
    parser.add_argument("before", type=Path, help="checkout of an earlier commit")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS), help="what is measured")
    parser.add_argument("--dtypes", nargs="+", default=list(DTYPES), choices=list(DTYPES), help="types of numbers")
    measuring.add_model_options(parser, preset="base", repeats=5)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    before = import_before(arguments.before)
    rows = [measure(before, task, dtype, arguments) for task in arguments.tasks for dtype in arguments.dtypes]
    measuring.write_result(arguments, changes=rows)


def import_before(checkout: Path, name: str = "modeling_allinone_before") -> ModuleType:
    """The package of a checkout, beside that of this one: its own imports are relative."""
    folder = checkout / "modeling_allinone"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"{folder} holds no package.")
    sys.modules[name] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    return package


# ---------------------------------------------------------------------------------------------------------- tasks


def answer(model: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Scores of answers, or of words."""
    return model(**inputs).logits


def choose(model: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Scores of five texts for each clip."""
    texts = {name: inputs[name][:, None].expand(-1, NUM_CHOICES, -1) for name in inputs if name != "pixel_values"}
    return model(**texts, pixel_values=inputs["pixel_values"]).logits


def compare(model: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Features of texts and of clips, each read alone."""
    return model(**inputs).similarities


def find_words(model: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The loss of one masked word in each text, in training."""
    labels = torch.full_like(inputs["input_ids"], -100)
    labels[:, 3] = 1000
    torch.manual_seed(0)  # of the order of patches
    return model.train()(**inputs, labels=labels).loss


# Head, what is computed, and whether with a backward pass.
TASKS: dict[str, tuple[str, Run, bool]] = {
    "answer a question": ("AllInOneForVideoQuestionAnswering", answer, False),
    "answer a question + backward": ("AllInOneForVideoQuestionAnswering", answer, True),
    "features": ("AllInOneForVideoTextRetrieval", compare, False),
    "masked words": ("AllInOneForMaskedLM", answer, False),
    "masked words + backward": ("AllInOneForMaskedLM", find_words, True),
    "choice of five": ("AllInOneForMultipleChoice", choose, False),
}


def make_run(
    package: ModuleType, task: str, dtype: str, arguments: argparse.Namespace, weights: Any = None
) -> tuple[Callable[[], torch.Tensor], Mapping[str, torch.Tensor]]:
    """A function without arguments that does a task once, and the weights of its model."""
    head, compute, has_backward = TASKS[task]
    config = package.AllInOneConfig.from_preset(
        arguments.preset, num_frames=arguments.num_frames, hidden_dropout_prob=0.0, drop_path_rate=0.0, num_labels=1500
    )
    model = getattr(package, head)(config).to(arguments.device, DTYPES[dtype]).eval()
    if weights is not None:
        model.load_state_dict(weights)
    inputs = make_inputs(arguments, DTYPES[dtype])

    def run() -> torch.Tensor:
        if not has_backward:
            with torch.inference_mode():
                return compute(model, inputs)
        model.zero_grad()
        result = compute(model, inputs)
        result.sum().backward()
        return result.detach()

    return run, model.state_dict()


# --------------------------------------------------------------------------------------------------- measurements


def measure(before: ModuleType, task: str, dtype: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """A row of the table."""
    torch.manual_seed(0)
    runs: dict[str, Callable[[], torch.Tensor]] = {}
    runs["before"], weights = make_run(before, task, dtype, arguments)
    runs["now"], _ = make_run(modeling_allinone, task, dtype, arguments, weights)
    difference = (runs["before"]().float() - runs["now"]().float()).abs().max()
    timed = {name: partial(measuring.seconds_of, run) for name, run in runs.items()}
    turns = measuring.take_turns(timed, arguments.repeats, f"{task}, {dtype}")
    ratios = [now / then for now, then in zip(turns["now"], turns["before"], strict=True)]
    return {
        "task": task,
        "dtype": dtype,
        "seconds before": statistics.median(turns["before"]),
        "seconds": statistics.median(turns["now"]),
        "of the time before": statistics.median(ratios),
        "largest difference": float(difference),
    }


if __name__ == "__main__":
    main()
