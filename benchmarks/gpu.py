# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
A GPU put to the test: is every way of computing right there, and how fast is training?

    make gpu-bench                                       # this, then the tests that are marked gpu; the base size
    python benchmarks/gpu.py --batch-size 128
    python benchmarks/gpu.py --device cpu --preset tiny  # a try of the benchmark itself, without a GPU

*Checks*: logits and gradients of question answering beside those of eager attention in float32, for each type,
attention and way of compiling, CUDA graphs and FSDP 2 (on one device) among them. Deviations of logits are by the
largest of them, those of gradients by their norm. The exit status is 1 if one is too large. Nothing is found where a
kernel is not for the device, the type or the mask.

*Training*: steps of AdamW in mixed precision from data in memory, beside the way in which the original computes: eager
attention, texts padded to 40 tokens, patches in random order. FLOPs are those of our model on texts as long as they
are, so padding is no use; utilisation is by the rate of a large square product in the same type. Seconds are medians
over repeats in which all variants take turns; memory is of a process of its own.
"""

import argparse
import copy
import json
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import measuring
import torch
from compiled import compile_in_place, make_batch
from forward import DTYPES, make_network
from pretraining import NUM_PRODUCTS, SIDES, multiply_squares
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm
from transformers.utils import is_flash_attn_2_available

from modeling_allinone.models.modeling_allinone import AllInOneLayer
from modeling_allinone.training.trainer import parameter_groups

# Largest deviations of logits and of gradients.
TOLERANCES = {"float32": (1e-4, 1e-3), "bfloat16": (5e-2, 1e-1), "float16": (1e-2, 2e-2)}
KERNELS = {
    "math": SDPBackend.MATH,
    "flash": SDPBackend.FLASH_ATTENTION,
    "memory-efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
}
COMPILED = ("whole", "blocks", "CUDA graphs", "FSDP 2")
ORIGINAL_TEXT_LENGTH = 40
UTILISATION_GOAL, SPEED_GOAL = 0.45, 3.0


class Way(NamedTuple):
    """A way of computing."""

    attention: str = "sdpa"
    dtype: str = "float32"
    kernel: str = ""  # of sdpa; empty for torch's choice
    compiled: str = "eager"
    is_padded: bool = True


class Training(NamedTuple):
    """A way of training."""

    attention: str = "sdpa"
    compiled: str = "eager"
    patch_order: str = "raster"
    num_tokens: int | None = None  # to which texts are padded; the longest of a batch if None
    has_checkpointing: bool = False


TRAININGS = {
    "compiled": Training(compiled="whole"),
    "compiled block by block": Training(compiled="blocks"),
    "CUDA graphs": Training(compiled="CUDA graphs"),
    "FSDP 2": Training(compiled="FSDP 2"),
    "eager": Training(),
    "gradient checkpointing": Training(has_checkpointing=True),
    "the original's way": Training("eager", "eager", "random", ORIGINAL_TEXT_LENGTH),
}


def main():
    """Check, measure, print the tables, write the JSON; the exit status says whether all was right."""
    parser = measuring.make_parser("gpu", __doc__)
    measuring.add_model_options(parser, preset="base", repeats=7)
    parser.set_defaults(device="cuda", batch_size=64)
    parser.add_argument("--dtype", default="bfloat16", choices=DTYPES, help="of products in training")
    parser.add_argument("--parts", nargs="+", default=("checks", "training"), choices=("checks", "training"))
    parser.add_argument(
        "--config", type=json.loads, default={}, help="fields of the configuration, as JSON, for a try"
    )
    parser.add_argument("--backend", default="inductor", help="what compiles")
    arguments = parser.parse_args()
    if arguments.device == "cuda":
        if not torch.cuda.is_available():
            parser.error("torch finds no CUDA device; for a try without one: --device cpu --preset tiny")
        torch.backends.cudnn.allow_tf32 = False  # patches would be projected with 10 bits in float32
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    checks = check(arguments) if "checks" in arguments.parts else []
    trainings = {"training": measure_training(arguments)} if "training" in arguments.parts else {}
    failed = [row["way"] for row in checks if row["is right"] is False]
    measuring.write_result(arguments, **({"checks": checks} if checks else {}), **trainings)
    if failed:
        sys.exit(f"{len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}")


# --------------------------------------------------------------------------------------------------------- checks


def list_ways(arguments: argparse.Namespace) -> list[Way]:
    """All that are checked on this device."""
    ways = [Way(attention, dtype) for dtype in TOLERANCES for attention in ("eager", "sdpa")]
    ways += [Way("sdpa", dtype, kernel, is_padded=False) for dtype in TOLERANCES for kernel in KERNELS]
    ways += [Way("sdpa", dtype, kernel) for dtype in TOLERANCES for kernel in KERNELS]
    if is_flash_attn_2_available() and arguments.device == "cuda":
        halves = [dtype for dtype in TOLERANCES if dtype != "float32"]
        ways += [
            Way("flash_attention_2", dtype, is_padded=is_padded) for dtype in halves for is_padded in (True, False)
        ]
    return ways + [Way("sdpa", dtype, compiled=compiled) for dtype in ("float32", "bfloat16") for compiled in COMPILED]


def check(arguments: argparse.Namespace) -> list[dict]:
    """How far each way is from eager attention in float32."""
    arguments = measuring.changed(
        arguments, batch_size=min(arguments.batch_size, 4), config={"patch_order": "raster"} | arguments.config
    )
    torch.manual_seed(0)
    model = make_network("all-in-one", torch.float32, arguments, **arguments.config)
    for parameter in model.parameters():
        if not parameter.any():  # biases start so, and what would not be seen if it were left out
            nn.init.normal_(parameter, std=0.02)
    expected = {is_padded: compute(Way("eager", is_padded=is_padded), model, arguments) for is_padded in (True, False)}
    rows = []
    for way in tqdm(list_ways(arguments), desc="checks"):
        try:
            found = compute(way, model, arguments)
        except RuntimeError as error:
            if not re.search("No (viable backend|available kernel)", str(error)):  # on the CPU, on CUDA
                raise
            rows.append(describe(way) | {"logits deviate by": None, "gradients deviate by": None, "is right": None})
            continue
        (logits, gradients), (true_logits, true_gradients) = found, expected[way.is_padded]
        of_logits = float((logits - true_logits).abs().max() / true_logits.abs().max())
        of_gradients = float((gradients - true_gradients).norm() / true_gradients.norm())
        is_right = of_logits <= TOLERANCES[way.dtype][0] and of_gradients <= TOLERANCES[way.dtype][1]  # nan is not
        found_row = {"logits deviate by": of_logits, "gradients deviate by": of_gradients, "is right": is_right}
        rows.append(describe(way) | found_row)
        torch._dynamo.reset()
    return rows


def describe(way: Way) -> dict[str, Any]:
    """What is written of a way."""
    attention = f"{way.attention}, {way.kernel} kernel" if way.kernel else way.attention
    padding = "" if way.is_padded else ", no padding"
    compiled = "" if way.compiled == "eager" else f", {way.compiled}"
    return {"way": f"{way.dtype}, {attention}{compiled}{padding}"}


def compute(way: Way, model: nn.Module, arguments: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits in evaluation, and all gradients of a step, of the model in this way, both in float32."""
    twin: Any = copy.deepcopy(model).to(getattr(torch, way.dtype))
    twin.set_attn_implementation(way.attention)
    apply(way.compiled, twin, arguments)
    weights = list(twin.parameters())  # the sharded ones, for which FSDP puts others in some places
    # Other batches go first: CUDA graphs are recorded with them, and replayed with the last.
    for seed in range(3 if way.compiled != "eager" else 1, -1, -1):
        batch = make_checked_batch(way, seed, arguments)
        labels = batch.pop("labels")
        with choose_kernel(way.kernel):
            torch.compiler.cudagraph_mark_step_begin()
            with torch.no_grad():
                logits = twin.eval()(**batch).logits.float().clone()
            for weight in weights:
                weight.grad = None
            torch.compiler.cudagraph_mark_step_begin()
            twin.train()(**batch, labels=labels).loss.backward()
    return logits, torch.cat([whole(weight.grad).flatten().float() for weight in weights if weight.grad is not None])


def whole(tensor: Any) -> torch.Tensor:
    """A tensor, of all processes where it is sharded."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def make_checked_batch(way: Way, seed: int, arguments: argparse.Namespace) -> dict[str, torch.Tensor]:
    """Clips and questions, with an answer to each; without padding if so wished."""
    dtype = getattr(torch, way.dtype)
    batch = make_batch("all-in-one", "float32", arguments)
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(batch["pixel_values"].shape, generator=generator)
    batch["pixel_values"] = pixels.to(arguments.device, dtype)
    if not way.is_padded:
        batch["attention_mask"] = torch.ones_like(batch["attention_mask"])
    batch["labels"] = torch.arange(len(pixels), device=arguments.device)
    return batch


def choose_kernel(kernel: str) -> AbstractContextManager:
    """A context in which sdpa takes this kernel or none."""
    return sdpa_kernel(KERNELS[kernel]) if kernel else nullcontext()


def apply(compiled: str, model: Any, arguments: argparse.Namespace):
    """Have a model compiled or sharded in place."""
    if compiled == "CUDA graphs":
        is_inductor = arguments.backend == "inductor"
        model.compile(backend=arguments.backend, mode="reduce-overhead" if is_inductor else None)
    elif compiled == "FSDP 2":
        if not torch.distributed.is_initialized():
            backend = "nccl" if arguments.device == "cuda" else "gloo"
            torch.distributed.init_process_group(backend, store=torch.distributed.HashStore(), rank=0, world_size=1)
        for module in model.modules():
            if isinstance(module, AllInOneLayer):
                fully_shard(module)
        fully_shard(model)
    else:
        compile_in_place(model, compiled, arguments.backend)


# ------------------------------------------------------------------------------------------------------- training


def make_step(training: Training, arguments: argparse.Namespace) -> Callable[[], None]:
    """A function that takes a step of training with a batch in memory."""
    arguments = measuring.changed(
        arguments, attention=training.attention, config={"patch_order": training.patch_order} | arguments.config
    )
    model: Any = make_network("all-in-one", torch.float32, arguments, **arguments.config).train()
    if training.has_checkpointing:
        model.gradient_checkpointing_enable()
    apply(training.compiled, model, arguments)
    batch = make_batch("all-in-one", "float32", arguments)
    if training.num_tokens is not None:
        padding = (0, training.num_tokens - batch["input_ids"].shape[1])
        batch |= {name: nn.functional.pad(batch[name], padding) for name in ("input_ids", "attention_mask")}
    optimizer = torch.optim.AdamW(parameter_groups(model, 1e-4), betas=(0.9, 0.98), fused=True)
    is_mixed = arguments.dtype != "float32"

    def step():
        torch.compiler.cudagraph_mark_step_begin()
        with torch.autocast(arguments.device, DTYPES[arguments.dtype], enabled=is_mixed):
            loss = model(**batch).loss
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def measure_training(arguments: argparse.Namespace) -> list[dict]:
    """Speed, utilisation and memory of each way of training."""
    memory = {}
    for name, training in tqdm(TRAININGS.items(), desc="memory"):  # first, while the device is empty
        memory[name] = measuring.peak_memory(partial(make_step, training, arguments), arguments.device)
    small = measuring.changed(arguments, batch_size=2, dtype="float32")
    multiply_adds = measuring.count_multiply_adds(make_step(TRAININGS["eager"], small), batch_size=2)
    square = multiply_squares(arguments)
    variants: dict[str, Callable[[], object]] = {
        name: make_step(training, arguments) for name, training in TRAININGS.items()
    }
    variants["square"] = lambda: [square() for _ in range(NUM_PRODUCTS)]
    seconds = measuring.median_seconds(variants, arguments.repeats, "training")
    rate = NUM_PRODUCTS * 2 * SIDES[arguments.device] ** 3 / seconds["square"]
    rows = []
    for name in TRAININGS:
        clips_per_second = arguments.batch_size / seconds[name]
        utilisation = 2 * multiply_adds * clips_per_second / rate
        speed = seconds["the original's way"] / seconds[name]
        rows.append(
            {
                "training": name,
                "clips per second": clips_per_second,
                f"utilisation (goal {UTILISATION_GOAL:g})": utilisation,
                f"times the original's way (goal {SPEED_GOAL:g})": speed,
                "peak memory, MiB": memory[name],
                "multiply-adds per clip": multiply_adds,
                "TFLOP/s of the square product": rate / 1e12,
            }
        )
    return rows


if __name__ == "__main__":
    main()
