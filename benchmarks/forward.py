# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Speed and memory of answering questions at B size, beside transformers' ViLT and beside the matrix products alone.

    python benchmarks/forward.py                       # the table in docs/results.md; a few minutes on 2 cores
    python benchmarks/forward.py --repeats 3 --device cuda

Clips of 224 px with texts of 9 to 14 tokens. Every figure is the median over repeats in which all variants take turns,
so ratios hold on a busy machine. Multiply-adds are half of what torch's FLOP counter counts. "Floor" is the matrix
products of all blocks in full and nothing else: linear layers, patch projection, and the two products of attention;
our last block computes the first token alone. "Checkpointed" is with gradient checkpointing.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import measuring
import torch
from torch import nn
from transformers import PreTrainedModel, ViltConfig, ViltForQuestionAnswering

from modeling_allinone import AllInOneConfig, AllInOneForVideoQuestionAnswering

TEXT_LENGTHS = (9, 11, 13, 14)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
FRAME_COUNTS = (1, 3, 6, 12)
NUM_ANSWERS = 1500
# Neither dropout nor stochastic depth, so that both networks compute the same in training.
WITHOUT_DROPOUT = {"hidden_dropout_prob": 0.0, "drop_path_rate": 0.0, "classifier_dropout": 0.0}


def main():
    """Measure everything, print the tables, write the JSON."""
    parser = measuring.make_parser("forward", __doc__)
    measuring.add_model_options(parser, preset="base", repeats=7)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    measuring.write_result(arguments, forward=measure_forward(arguments), passes=measure_passes(arguments))


# ------------------------------------------------------------------------------------------------------- variants


def make_inputs(arguments: argparse.Namespace, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """A batch of clips with texts, padded to the longest."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([TEXT_LENGTHS[i % len(TEXT_LENGTHS)] for i in range(arguments.batch_size)])
    attention_mask = (torch.arange(max(TEXT_LENGTHS)) < lengths[:, None]).long()
    shape = (arguments.batch_size, arguments.num_frames, 3, 224, 224)
    return {
        "input_ids": torch.randint(1000, 2000, attention_mask.shape, generator=generator).to(arguments.device),
        "attention_mask": attention_mask.to(arguments.device),
        "pixel_values": torch.randn(shape, generator=generator).to(arguments.device, dtype),
    }


def make_network(network: str, dtype: torch.dtype, arguments: argparse.Namespace, **fields: Any) -> PreTrainedModel:
    """
    Our model that answers questions, or ViLT of the same size, of a configuration with some fields of its own; without
    dropout, so that training and evaluation compute the same.
    """
    config = AllInOneConfig.from_preset(
        arguments.preset,
        **{"num_frames": arguments.num_frames, "num_labels": NUM_ANSWERS} | WITHOUT_DROPOUT | fields,
    )
    if network == "all-in-one":
        model: PreTrainedModel = AllInOneForVideoQuestionAnswering._from_config(
            config, attn_implementation=arguments.attention
        )
    else:
        names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "image_size")
        sizes: dict[str, Any] = {name: getattr(config, name) for name in names}
        model = ViltForQuestionAnswering(ViltConfig(patch_size=16, **sizes | {"num_labels": NUM_ANSWERS}))
    return model.to(arguments.device, dtype)


def vilt_inputs(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The frames as a batch of images, each with its clip's text: what our model sees, without an exchange."""
    num_frames = inputs["pixel_values"].shape[1]
    return {
        "input_ids": inputs["input_ids"].repeat_interleave(num_frames, 0),
        "attention_mask": inputs["attention_mask"].repeat_interleave(num_frames, 0),
        "pixel_values": inputs["pixel_values"].flatten(0, 1),
    }


class MatrixProducts(nn.Module):
    """The matrix products of our forward, on random numbers of the same shapes; weights are shared with the model."""

    def __init__(self, model: PreTrainedModel, inputs: dict[str, torch.Tensor], with_gradients: bool):
        super().__init__()
        self.backbone = model.base_model
        backbone: Any = model.base_model
        config, weight = model.config, backbone.layernorm.weight
        num_sequences = inputs["pixel_values"].shape[:2].numel()
        num_tokens = inputs["input_ids"].shape[1] + config.num_special_visual_tokens + config.num_patches

        def numbers(*shape: int) -> torch.Tensor:
            return torch.randn(shape, device=weight.device).to(weight.dtype).requires_grad_(with_gradients)

        num_heads = num_sequences * config.num_attention_heads
        self.patches = numbers(num_sequences * config.num_patches, 3 * config.patch_size**2)
        widths = (config.hidden_size, config.intermediate_size)
        self.tokens = {width: numbers(num_sequences * num_tokens, width) for width in widths}
        self.heads = numbers(num_heads, num_tokens, config.hidden_size // config.num_attention_heads)
        self.weights = numbers(num_heads, num_tokens, num_tokens)

    def forward(self) -> list[torch.Tensor]:
        """All products."""
        projection = cast(Any, self.backbone).embeddings.visual_embeddings.patch_embeddings
        products = [nn.functional.linear(self.patches, projection.weight.flatten(1), projection.bias)]
        for layer in cast(Any, self.backbone).layers:
            products += [torch.bmm(self.heads, self.heads.transpose(1, 2)), torch.bmm(self.weights, self.heads)]
            linears = [module for module in layer.modules() if isinstance(module, nn.Linear)]
            products += [linear(self.tokens[linear.in_features]) for linear in linears]
        return products


def make_variant(name: str, dtype_name: str, arguments: argparse.Namespace) -> Callable[[], object]:
    """A function without arguments that runs one of the variants once."""
    dtype = DTYPES[dtype_name]
    network, _, mode = name.partition(" ")
    inputs = make_inputs(arguments, dtype)
    model: Any = make_network("ViLT" if network == "ViLT" else "all-in-one", dtype, arguments).eval()
    if network == "ViLT":
        inputs = vilt_inputs(inputs)
    elif network == "floor":
        model, inputs = MatrixProducts(model, inputs, with_gradients=bool(mode)), {}
    elif "checkpointed" in mode:
        model.train().gradient_checkpointing_enable()

    @torch.inference_mode()
    def forward():
        model(**inputs)

    def forward_backward():
        model.zero_grad()
        outputs = model(**inputs)
        outputs = outputs if isinstance(outputs, list) else [outputs.logits]
        torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])

    return forward_backward if mode else forward


# --------------------------------------------------------------------------------------------------- measurements


def measure_forward(arguments: argparse.Namespace) -> list[dict]:
    """Our model, ViLT and the floor: forward, and forward with backward, in float32 and bfloat16."""
    results = []
    multiply_adds = partial(measuring.count_multiply_adds, batch_size=arguments.batch_size)
    for mode in ("", " + backward"):
        names = [f"{network}{mode}" for network in ("floor", "all-in-one", "ViLT")]
        if mode:
            names.append(f"all-in-one{mode}, checkpointed")
        keys = [(name, dtype) for dtype in DTYPES for name in names]
        variants = {key: make_variant(*key, arguments) for key in keys}
        seconds = measuring.median_seconds(variants, arguments.repeats, f"forward{mode}")
        for name, dtype in keys:
            run, make_run = variants[name, dtype], partial(make_variant, name, dtype, arguments)
            results.append(
                {
                    "variant": name,
                    "dtype": dtype,
                    "seconds": seconds[name, dtype],
                    "times the floor": seconds[name, dtype] / seconds[f"floor{mode}", dtype],
                    "speed-up over float32": seconds[name, "float32"] / seconds[name, dtype],
                    "clips per second": arguments.batch_size / seconds[name, dtype],
                    "multiply-adds per clip": None if mode else multiply_adds(run),
                    "peak memory, MiB": None if "floor" in name else measuring.peak_memory(make_run, arguments.device),
                }
            )
    return results


def measure_passes(arguments: argparse.Namespace) -> list[dict]:
    """Cost by number of frames, and of text-only and video-only passes, in float32."""
    variants, frames_of = {}, {}
    for num_frames in FRAME_COUNTS:
        of_frames = measuring.changed(arguments, num_frames=num_frames)
        model = make_network("all-in-one", torch.float32, of_frames).eval()
        inputs = make_inputs(of_frames, torch.float32)
        text = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        video = {"pixel_values": inputs["pixel_values"]}
        for kind, given in (("joint", inputs), ("text only", text), ("video only", video)):
            name = f"{kind}, {num_frames} frame{'s' * (num_frames > 1)}"
            variants[name], frames_of[name] = torch.inference_mode()(partial(model, **given)), num_frames
    seconds = measuring.median_seconds(variants, arguments.repeats, "passes")
    return [
        {
            "pass": name,
            "seconds": seconds[name],
            "seconds per frame": seconds[name] / frames_of[name],
            "multiply-adds per clip": measuring.count_multiply_adds(run, arguments.batch_size),
        }
        for name, run in variants.items()
    ]


if __name__ == "__main__":
    main()
