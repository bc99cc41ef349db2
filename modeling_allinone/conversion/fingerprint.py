# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What two users compare to know that they have the same model: a hash of its weights, and a few values that it computes.

    python -m modeling_allinone.conversion.fingerprint allinone-base
"""

import argparse
import hashlib
import inspect
import math
import sys
from pathlib import Path
from typing import NamedTuple

import torch

import modeling_allinone

from ..models.modeling_allinone import AllInOnePreTrainedModel
from .conversion_output import command_line
from .model_directory import build_model, read_model_directory

_NUM_TOKENS, _NUM_OPTIONS, _NUM_VALUES = 8, 2, 4
# Knuth's multiplicative hash (The Art of Computer Programming 3, 6.4): the same numbers on every machine, which no
# library's random generator promises.
_MULTIPLIER = 2654435761


class Fingerprint(NamedTuple):
    """
    What identifies a model.

    Args:
        class_name (`str`): Its class.
        dtype (`str`): Type of its weights.
        digest (`str`): SHA-256 of the names, types, shapes and bytes of its weights; equal if and only if they are.
        values (`list` of `tuple`): Of each output on fixed inputs: name, shape and some of its values, which differ
            between machines by rounding.
    """

    class_name: str
    dtype: str
    digest: str
    values: list[tuple[str, tuple[int, ...], list[float]]]

    def __str__(self) -> str:
        lines = [f"fingerprint of {self.class_name} in {self.dtype}", f"  weights  SHA-256 {self.digest}"]
        width = max((len(name) for name, _, _ in self.values), default=0)
        for name, shape, values in self.values:
            lines.append(f"  {name:{width}}  {shape!s:16} " + " ".join(f"{value:+9.4f}" for value in values))
        return "\n".join(lines)


def digest_tensor(tensor: torch.Tensor) -> str:
    """SHA-256 of the type, shape and bytes of a tensor, as a hexadecimal number."""
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def digest_weights(state_dict: dict[str, torch.Tensor]) -> str:
    """SHA-256 of the names and contents of all tensors, whatever their order."""
    lines = (f"{name} {digest_tensor(tensor)}\n" for name, tensor in sorted(state_dict.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fixed_inputs(model: AllInOnePreTrainedModel) -> dict[str, torch.Tensor]:
    """
    Inputs of one row that are the same on every machine.

    Args:
        model ([`AllInOnePreTrainedModel`]): Decides their names and shapes.

    Returns:
        `dict` of `str` to `torch.Tensor`: Text of 8 tokens or fewer, two texts where there are options, and a clip of
        `config.num_frames` frames, two clips where there are pairs; pixels from -1 to 1.
    """
    config, parameters = model.config, inspect.signature(model.forward).parameters
    video_shape: tuple[int, ...] = (1, config.num_frames, config.num_channels, *config.image_height_width)
    if isinstance(model, modeling_allinone.AllInOneForPairedVisualReasoning):
        video_shape = (1, 2, *video_shape[1:])
    inputs = {"pixel_values": _scatter(video_shape).float()}
    if getattr(model, "clip_order_head", None) is not None:
        inputs["frame_order"] = torch.arange(config.num_frames)[None]
    num_tokens = min(_NUM_TOKENS, config.max_position_embeddings)
    single, several = (1, num_tokens), (1, _NUM_OPTIONS, num_tokens)
    shapes: dict[str, tuple[int, ...]]
    if "answer_input_ids" in parameters:
        shapes = {"answer_": several, "rationale_": several}
    elif isinstance(model, modeling_allinone.AllInOneForVideoTextRetrieval):
        shapes = {"": single} if config.projection_dim is not None else {}
        shapes |= {"candidate_" if shapes else "": several} if config.use_pair_scorer else {}
    else:
        shapes = {"": several if isinstance(model, modeling_allinone.AllInOneForMultipleChoice) else single}
    for number, (prefix, shape) in enumerate(shapes.items()):
        places = (_scatter(shape, start=1 + number) + 1) / 2  # from 0 to 1
        inputs[f"{prefix}input_ids"] = (places * config.vocab_size).long().clamp(max=config.vocab_size - 1)
        inputs[f"{prefix}attention_mask"] = torch.ones(shape, dtype=torch.long)
    return inputs


def _scatter(shape: tuple[int, ...], start: int = 1) -> torch.Tensor:
    """Numbers from -1 to 1, exact in float64, that look random."""
    count = torch.arange(start, start + math.prod(shape))
    return ((count * _MULTIPLIER) % 2**32).double().div(2**31).sub(1).reshape(shape)


@torch.no_grad()
def take_fingerprint(model: AllInOnePreTrainedModel) -> Fingerprint:
    """
    Take the fingerprint of a model.

    Args:
        model ([`AllInOnePreTrainedModel`]): On the CPU. It computes in float32, whatever its weights' type, and is
            left in float32 and in evaluation mode.

    Returns:
        [`Fingerprint`]
    """
    dtype, digest = str(model.dtype).removeprefix("torch."), digest_weights(model.state_dict())
    outputs = model.eval().float()(**fixed_inputs(model))
    values = []
    for name, output in outputs.items():
        if isinstance(output, torch.Tensor) and output.is_floating_point():
            places = torch.linspace(0, output.numel() - 1, min(_NUM_VALUES, output.numel())).long()
            values.append((name, tuple(output.shape), output.flatten()[places].tolist()))
    return Fingerprint(type(model).__name__, dtype, digest, values)


@command_line
def main(arguments: list[str] | None = None):
    """Print the fingerprint of a directory."""
    parser = argparse.ArgumentParser(
        description="Print the fingerprint of a model, which two users can compare: a hash of its weights, equal if "
        "and only if they are, and a few values that it computes, equal but for rounding."
    )
    parser.add_argument("directory", metavar="DIRECTORY", help="what a converter or save_pretrained wrote")
    config, task, tensors = read_model_directory(Path(parser.parse_args(arguments).directory))
    print(take_fingerprint(build_model(config, task, tensors)))


if __name__ == "__main__":
    sys.exit(main())
