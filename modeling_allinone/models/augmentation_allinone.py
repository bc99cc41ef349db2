# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
RandAugment for clips: a few operations on colours and geometry, drawn once for each clip and done to all its frames.

Source: Cubuk et al. 2019, arXiv 1909.13719. The operations, their reach and their chances are those of the original's
second way to train on video (`backend="v100"`), which are pytorchvideo's. They differ from the paper's: inversion
stands in place of doing nothing; no operation is drawn twice; each is left out half of the time; its magnitude is
spread around the one asked for; and colours fade as often as they grow stronger.

The original hands whole numbers to functions that expect fractions, so that solarising inverts everything and what
comes in at the edges is black; and its greatest magnitude posterises to nothing. Here the threshold is a share of
white, what comes in is grey, and one bit is left.

The operations are Pillow's, which take 1 to 4 ms for a clip of 3 frames of 224 x 224 pixels.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

WHITE, GREY = 255, (128, 128, 128)
HIGHEST_MAGNITUDE = 10
MAGNITUDE_DEVIATION = 0.5
CHANCE_OF_OPERATION = 0.5


def rand_augment(
    clip: torch.Tensor, num_ops: int = 2, magnitude: float = 9, generator: torch.Generator | None = None
) -> torch.Tensor:
    """
    Change a clip by randomly drawn operations, all its frames alike.

    Args:
        clip (`torch.Tensor` of shape `(T, 3, H, W)`): Red, green and blue; uint8, or floating point from 0 to 1, which
            is rounded to 256 levels.
        num_ops (`int`, defaults to 2): How many operations are drawn, from 0 to 14; half of them are left out.
        magnitude (`float`, defaults to 9): How strong they are, from 0 to 10.
        generator (`torch.Generator`, *optional*): Source of randomness, on the CPU. Default: torch's own.

    Returns:
        `torch.Tensor` of the same shape and type.

    Raises:
        TypeError: A clip that is no tensor, or of another type.
        ValueError: A clip of another shape or with values outside 0 to 1; numbers that are not legal.

    Example:

    ```python
    >>> clip = torch.full((3, 3, 32, 32), 0.25)
    >>> augmented = rand_augment(clip, generator=torch.Generator().manual_seed(0))
    >>> augmented.shape, augmented.dtype
    (torch.Size([3, 3, 32, 32]), torch.float32)

    ```
    """
    _check_clip(clip)
    operations = draw_operations(num_ops, magnitude, generator)
    pixels = (clip * WHITE).round().to(torch.uint8) if clip.is_floating_point() else clip
    frames = [Image.fromarray(frame) for frame in pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()]
    for name, strength in operations:
        frames = [OPERATIONS[name].apply(frame, strength) for frame in frames]
    pixels = (
        torch.from_numpy(np.stack([np.asarray(frame) for frame in frames]))
        .permute(0, 3, 1, 2)
        .contiguous()
        .to(clip.device)
    )
    return (pixels / WHITE).to(clip.dtype) if clip.is_floating_point() else pixels


def draw_operations(
    num_ops: int = 2, magnitude: float = 9, generator: torch.Generator | None = None
) -> list[tuple[str, float]]:
    """
    Draw operations and how strong each is to be.

    Args:
        num_ops, magnitude, generator: As in [`rand_augment`].

    Returns:
        `list[tuple[str, float]]`: Names of `OPERATIONS`, at most `num_ops`, and what to call each with.

    Raises:
        ValueError: Numbers that are not legal.

    Example:

    ```python
    >>> draw_operations(num_ops=2, magnitude=0, generator=torch.Generator().manual_seed(6))
    [('invert', 0.0)]

    ```
    """
    for name, value, highest in (("num_ops", num_ops, len(OPERATIONS)), ("magnitude", magnitude, HIGHEST_MAGNITUDE)):
        if not 0 <= value <= highest:
            raise ValueError(f"{name} is {value}; expected 0 to {highest}.")
    drawn = []
    for index in torch.randperm(len(OPERATIONS), generator=generator)[:num_ops].tolist():
        name, operation = list(OPERATIONS.items())[index]
        is_left_out, is_negative = (torch.rand(2, generator=generator) < CHANCE_OF_OPERATION).tolist()
        around = torch.normal(float(magnitude), MAGNITUDE_DEVIATION, (1,), generator=generator).item()
        share = min(max(around, 0), HIGHEST_MAGNITUDE) / HIGHEST_MAGNITUDE
        if is_negative and operation.goes_both_ways:
            share = -share
        if not is_left_out:
            drawn.append((name, operation.least + share * operation.reach))
    return drawn


def _check_clip(clip: torch.Tensor):
    if not isinstance(clip, torch.Tensor):
        raise TypeError(f"clip is a {type(clip).__name__}; expected a tensor of shape (frames, 3, height, width).")
    if clip.ndim != 4 or clip.shape[1] != 3 or not clip.numel():
        raise ValueError(f"clip has shape {tuple(clip.shape)}; expected (frames, 3, height, width), each at least 1.")
    if clip.is_floating_point():
        if not (clip.amin() >= 0 and clip.amax() <= 1):
            raise ValueError(
                f"clip has values from {clip.amin():g} to {clip.amax():g}; expected 0 to 1. Augment it before it is "
                "normalised."
            )
    elif clip.dtype != torch.uint8:
        raise TypeError(f"clip has type {clip.dtype}; expected torch.uint8, or floating point from 0 to 1.")


def _posterize(frame: Image.Image, num_bits: float) -> Image.Image:
    """Keep the highest bits of each level: so many, rounded up, and at least 1."""
    return ImageOps.posterize(frame, max(math.ceil(num_bits), 1))


def _rotate(frame: Image.Image, degrees: float) -> Image.Image:
    return frame.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=GREY)


def _warp(frame: Image.Image, *equations: float) -> Image.Image:
    """Take every pixel from `a * x + b * y + c` across and `d * x + e * y + f` down; grey, where nothing was."""
    return frame.transform(
        frame.size, Image.Transform.AFFINE, equations, resample=Image.Resampling.BILINEAR, fillcolor=GREY
    )


class Operation(NamedTuple):
    """What is done to a frame, and how strongly: `least` at magnitude 0, `reach` more at the highest, or less."""

    apply: Callable[[Image.Image, float], Image.Image]
    least: float = 0
    reach: float = 0
    goes_both_ways: bool = False


OPERATIONS = {
    "auto_contrast": Operation(lambda frame, _: ImageOps.autocontrast(frame)),
    "equalize": Operation(lambda frame, _: ImageOps.equalize(frame)),
    "invert": Operation(lambda frame, _: ImageOps.invert(frame)),
    "solarize": Operation(lambda frame, threshold: ImageOps.solarize(frame, math.ceil(threshold * WHITE)), 1, -1),
    "posterize": Operation(_posterize, 4, -4),
    "brightness": Operation(lambda frame, factor: ImageEnhance.Brightness(frame).enhance(factor), 1, 0.9, True),
    "contrast": Operation(lambda frame, factor: ImageEnhance.Contrast(frame).enhance(factor), 1, 0.9, True),
    "colour": Operation(lambda frame, factor: ImageEnhance.Color(frame).enhance(factor), 1, 0.9, True),
    "sharpness": Operation(lambda frame, factor: ImageEnhance.Sharpness(frame).enhance(factor), 1, 0.9, True),
    "rotate": Operation(_rotate, 0, 30, True),
    "shear_x": Operation(lambda frame, slope: _warp(frame, 1, slope, 0, 0, 1, 0), 0, 0.3, True),
    "shear_y": Operation(lambda frame, slope: _warp(frame, 1, 0, 0, slope, 1, 0), 0, 0.3, True),
    "translate_x": Operation(lambda frame, share: _warp(frame, 1, 0, share * frame.width, 0, 1, 0), 0, 0.45, True),
    "translate_y": Operation(lambda frame, share: _warp(frame, 1, 0, 0, 0, 1, share * frame.height), 0, 0.45, True),
}
