# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What benchmarks share: options, the machine they run on, turns, memory, and how results are written and printed."""

import argparse
import json
import multiprocessing
import platform
import re
import statistics
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch
import transformers
from torch.utils.benchmark import timer
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

import modeling_allinone

Variant = TypeVar("Variant", bound=Hashable)
Measured = TypeVar("Measured")


def make_parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser of the command line of the benchmark of this name, with the place of its results."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(f"benchmarks/results/{name}.json"), help="JSON to write")
    return parser


def add_model_options(parser: argparse.ArgumentParser, preset: str, repeats: int):
    """Add what says which model is measured, on what, and how often."""
    parser.add_argument("--preset", default=preset, help="size of the model: tiny, small or base")
    parser.add_argument("--num-frames", type=int, default=3, help="frames of a clip")
    parser.add_argument("--batch-size", type=int, default=4, help="clips of a batch")
    parser.add_argument("--attention", default="sdpa", help="our attention implementation")
    add_run_options(parser, repeats)


def add_run_options(parser: argparse.ArgumentParser, repeats: int, remark: str = ""):
    """Add what says on what is measured, and how often, which a remark may follow."""
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=None, help="threads on the CPU; default: torch's choice")
    parser.add_argument("--repeats", type=int, default=repeats, help=f"timed repeats of each variant{remark}")


def changed(arguments: argparse.Namespace, **fields) -> argparse.Namespace:
    """Arguments of which some are others."""
    return argparse.Namespace(**{**vars(arguments), **fields})


# -------------------------------------------------------------------------------------------------------- measures


def take_turns(
    variants: Mapping[Variant, Callable[[], Measured]], repeats: int, what: str
) -> dict[Variant, list[Measured]]:
    """What each variant returns in each repeat. All take turns, once more than that: the first one warms up."""
    turns: dict[Variant, list[Measured]] = {name: [] for name in variants}
    for _ in tqdm(range(1 + repeats), desc=what):
        for name, run in variants.items():
            turns[name].append(run())
    return {name: values[1:] for name, values in turns.items()}


def median_seconds(
    variants: Mapping[Variant, Callable[[], object]],
    repeats: int,
    what: str,
    clock: Callable[[], float] = timer,  # waits for a GPU
) -> dict[Variant, float]:
    """Seconds of each variant, by a clock: the medians over repeats in which all take turns."""
    timed = {name: partial(seconds_of, run, clock) for name, run in variants.items()}
    return {name: statistics.median(seconds) for name, seconds in take_turns(timed, repeats, what).items()}


def seconds_of(run: Callable[[], object], clock: Callable[[], float] = timer) -> float:
    """Seconds of one call, by a clock."""
    started = clock()
    run()
    return clock() - started


def count_multiply_adds(run: Callable[[], object], batch_size: int) -> int:
    """Multiply-adds of matrix products and convolutions for one clip: half of what torch's counter counts."""
    # The counter does not know the CPU's attention kernel, but it knows the products that this one is made of.
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() // 2 // batch_size


def peak_memory(make_run: Callable[[], Callable[[], object]], device: str) -> float:
    """Highest memory of making a function and calling it, in MiB, as [`run_alone`] measures it."""
    return run_alone(partial(_make_and_run, make_run), device)[1]


def _make_and_run(make_run: Callable[[], Callable[[], object]]):
    """Make a function and call it."""
    make_run()()


def run_alone(run: Callable[[], Measured], device: str) -> tuple[Measured, float]:
    """
    What a function returns in a process of its own, and the highest memory that it takes there, in MiB: on the CPU
    what is resident, without what importing took, and on a GPU what is allocated.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, torch.set_num_threads, (torch.get_num_threads(),)) as process:
        return process.submit(_run_here, run, device).result()


def _run_here(run: Callable[[], Measured], device: str) -> tuple[Measured, float]:
    """The result and the highest memory of this process, as in [`run_alone`]."""
    before = highest_resident()
    result = run()
    return result, highest_resident() - before if device == "cpu" else torch.cuda.max_memory_allocated() / 2**20


def highest_resident() -> float:
    """Highest resident memory of this process so far, MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # the other figure counts the parent's memory too on Linux
        return int(re.findall(r"VmHWM:\s+(\d+)", status.read_text())[0]) / 2**10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


# --------------------------------------------------------------------------------------------------------- results


def describe_machine(device: str = "cpu", *packages: ModuleType) -> dict[str, str | int]:
    """Hardware and versions."""
    return {
        "device": _processor_name() if device == "cpu" else torch.cuda.get_device_name(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        **{package.__name__: package.__version__ for package in (torch, transformers, modeling_allinone, *packages)},
    }


def _processor_name() -> str:
    """Name of the CPU."""
    cpu_info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", cpu_info.read_text()) if cpu_info.exists() else []
    return names[0].strip() if names else platform.processor() or platform.machine()


def write_result(arguments: argparse.Namespace, *packages: ModuleType, **measured):
    """
    Write what was measured to `--output`, with the machine, its versions and all options; print its numbers, and lists
    of rows as tables.
    """
    options = {name: str(value) for name, value in vars(arguments).items()}
    machine = describe_machine(options.get("device", "cpu"), *packages)
    for described in (machine, options):
        print(", ".join(f"{name} {value}" for name, value in described.items()))
    for name, value in measured.items():
        if not isinstance(value, dict):
            print(f"\n{name}:\n{write_table(value)}" if isinstance(value, list) else f"{name}: {_cell(value)}")
    save_json({"machine": machine, "arguments": options, **measured}, arguments.output)
    print(f"\nwritten to {arguments.output}")


def save_json(result: dict[str, Any], path: Path):
    """Write a result to a file, whose folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


def write_table(rows: Sequence[Mapping[str, object]], left: Collection[str] | None = None) -> str:
    """
    A table in Markdown, of rows that have the same columns. Numbers have four digits; those columns are left-aligned
    that are named, or in which there are words.
    """
    if left is None:
        left = [name for name, value in rows[0].items() if isinstance(value, str)]
    rule = ["---" if name in left else "---:" for name in rows[0]]
    lines = [list(rows[0]), rule, *([_cell(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(value: object) -> str:
    """A value in a table."""
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
