# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What `torch.compile` gives: questions answered, and steps of training on them, beside transformers' ViLT.

    python benchmarks/compiled.py                                  # the tables in docs/many_machines.md; 25 minutes
    python benchmarks/compiled.py --parts graphs                   # one table anew, the others as they were
    python benchmarks/compiled.py --parts forward --dtypes float32

Each model runs eager, compiled as a whole (`model.compile()`), and block by block (`layer.compile(dynamic=True)`).
Clips of 224 px with texts of 9 to 14 tokens; a step is forward and backward. Seconds are medians over repeats in which
all variants take turns. What starting takes is measured in a process of its own with empty caches: seconds of the
first batch, then of the first one whose texts are longer, which whole models are compiled for anew. Graphs are those
that dynamo makes of 7 lengths of text and 3 batch sizes, one after the other.
"""

import argparse
import copy
import json
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from itertools import product
from typing import Any

import measuring
import torch
from forward import DTYPES, NUM_ANSWERS, make_inputs, make_network, vilt_inputs
from torch import nn
from torch._dynamo.utils import counters
from torch._inductor.utils import fresh_cache

NETWORKS = ("all-in-one", "ViLT")
WAYS = ("eager", "whole", "blocks")
MODES = ("forward", "step")
PARTS = (*MODES, "start", "graphs")
TEXT_LENGTHS = (9, 11, 14, 20, 5, 40, 12)
BATCH_SIZES = (4, 2, 7)


def main():
    """Measure what was asked for, print the tables, write the JSON."""
    parser = measuring.make_parser("compiled", __doc__)
    measuring.add_model_options(parser, preset="base", repeats=5)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="what is measured")
    parser.add_argument("--dtypes", nargs="+", default=list(DTYPES), choices=DTYPES, help="of weights and frames")
    parser.add_argument(
        "--config", type=json.loads, default={}, help="fields of the configuration, as JSON, for a try"
    )
    parser.add_argument("--backend", default="inductor", help="what compiles")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    earlier = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    kept = {name: rows for name, rows in earlier.items() if name.partition(" ")[0] in PARTS}
    measuring.write_result(arguments, **(kept | measure(arguments)))


def measure(arguments: argparse.Namespace) -> dict[str, list[dict]]:
    """The rows of each part."""
    results = {}
    for mode, dtype in product(MODES, arguments.dtypes):
        if mode in arguments.parts:
            results[f"{mode} {dtype}"] = measure_speed(mode, dtype, arguments)
    if "start" in arguments.parts:
        results["start"] = measure_start(arguments)
    if "graphs" in arguments.parts:
        results["graphs"] = count_graphs(arguments)
    return results


# ------------------------------------------------------------------------------------------------------- variants


def compile_in_place(model: Any, way: str, backend: str):
    """Have a model compiled when it is called."""
    if way == "whole":
        model.compile(backend=backend)
    elif way == "blocks":
        blocks = model.allinone.layers if hasattr(model, "allinone") else model.vilt.encoder.layer
        for block in blocks:
            block.compile(backend=backend, dynamic=True)


def make_batch(network: str, dtype: str, arguments: argparse.Namespace, num_tokens: int | None = None) -> dict:
    """Clips, questions, padded to some length, and soft labels; for ViLT, frames as images."""
    inputs = make_inputs(arguments, DTYPES[dtype])
    if (height := arguments.config.get("image_size")) is not None:
        inputs["pixel_values"] = inputs["pixel_values"][..., :height, :height].contiguous()
    if num_tokens is not None:
        shape = (arguments.batch_size, num_tokens)
        inputs["input_ids"] = torch.randint(1000, 2000, shape, device=arguments.device)
        inputs["attention_mask"] = torch.ones(shape, dtype=torch.long, device=arguments.device)
        inputs["attention_mask"][0, num_tokens // 2 :] = 0
    inputs = inputs if network == "all-in-one" else vilt_inputs(inputs)
    labels = torch.zeros(len(inputs["pixel_values"]), NUM_ANSWERS, dtype=DTYPES[dtype], device=arguments.device)
    return inputs | {"labels": labels}


def run_batch(model: nn.Module, mode: str, batch: dict[str, torch.Tensor]):
    """Answer questions, or learn from them."""
    if mode == "forward":
        with torch.inference_mode():
            model.eval()(**{name: given for name, given in batch.items() if name != "labels"})
    else:
        model.train().zero_grad()
        model(**batch).loss.backward()


# --------------------------------------------------------------------------------------------------- measurements


def measure_speed(mode: str, dtype: str, arguments: argparse.Namespace) -> list[dict]:
    """Seconds of each network in each way."""
    variants: dict[tuple[str, str], Callable[[], None]] = {}
    for network in NETWORKS:
        model, batch = (
            make_network(network, DTYPES[dtype], arguments, **arguments.config),
            make_batch(network, dtype, arguments),
        )
        for way in WAYS:
            # A model for each way, with the same weights.
            twin = copy.deepcopy(model, {id(weight): weight for weight in model.parameters()})
            compile_in_place(twin, way, arguments.backend)
            variants[network, way] = partial(run_batch, twin, mode, batch)
    seconds = measuring.median_seconds(variants, arguments.repeats, f"{mode} {dtype}")
    return [
        {
            "network": network,
            "way": way,
            "seconds": taken,
            "clips per second": arguments.batch_size / taken,
            "eager's time by it": seconds[network, "eager"] / taken,
            "eager ViLT's time by it": seconds["ViLT", "eager"] / taken,
            "ViLT's time in the same way by it": seconds["ViLT", way] / taken,
        }
        for (network, way), taken in seconds.items()
    ]


def measure_start(arguments: argparse.Namespace) -> list[dict]:
    """Seconds of our first batches and the highest memory, in a new process, in the first type that is measured."""
    rows = []
    for mode, way in product(MODES, WAYS):
        run = partial(start, mode, way, arguments)
        (first, longer), memory = measuring.run_alone(run, arguments.device)
        found = {"first batch, seconds": first, "longer texts, seconds": longer, "memory, MiB": memory}
        rows.append({"mode": mode, "way": way} | found)
    return rows


def start(mode: str, way: str, arguments: argparse.Namespace) -> list[float]:
    """Seconds of our first batch and of one with longer texts, without anything compiled before."""
    network, dtype = "all-in-one", arguments.dtypes[0]
    model = make_network(network, DTYPES[dtype], arguments, **arguments.config)
    compile_in_place(model, way, arguments.backend)
    with fresh_cache() if way != "eager" else nullcontext():
        batches = [make_batch(network, dtype, arguments, num_tokens) for num_tokens in (14, 20)]
        return [measuring.seconds_of(partial(run_batch, model, mode, batch)) for batch in batches]


def count_graphs(arguments: argparse.Namespace) -> list[dict]:
    """Graphs of dynamo for many shapes; of small models, of which there are as many as of large ones."""
    small = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64, "image_size": 32}
    arguments = measuring.changed(arguments, preset="tiny", config=small | arguments.config)
    rows = []
    for network, mode, way in product(NETWORKS, MODES, WAYS[1:]):
        torch._dynamo.reset()
        counters.clear()
        model = make_network(network, torch.float32, arguments, **arguments.config)
        compile_in_place(model, way, backend="eager")
        found = []
        for batch_size, num_tokens in product(BATCH_SIZES, TEXT_LENGTHS):
            of_size = measuring.changed(arguments, batch_size=batch_size)
            run_batch(model, mode, make_batch(network, "float32", of_size, num_tokens))
            found.append(counters["stats"]["unique_graphs"])
        num_lengths = len(TEXT_LENGTHS)
        rows.append(
            {
                "network": network,
                "mode": mode,
                "way": way,
                "graphs, first batch": found[0],
                f"after {num_lengths} lengths of text": found[num_lengths - 1],
                f"after {len(BATCH_SIZES)} batch sizes of each": found[-1],
                "breaks": sum(counters["graph_break"].values()),
            }
        )
    torch._dynamo.reset()
    return rows


if __name__ == "__main__":
    main()
