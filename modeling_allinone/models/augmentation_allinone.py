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

Levels and colours equal Pillow's, geometry does so to one level of 255.

Shapes in the comments: T frames of height H and width W.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

WHITE, GREY = 255, 128
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
    frames = (clip * WHITE).round().to(torch.uint8) if clip.is_floating_point() else clip
    frames = frames.contiguous()
    for name, strength in operations:
        frames = OPERATIONS[name].apply(frames, strength)
    return (frames / WHITE).to(clip.dtype) if clip.is_floating_point() else frames


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


# ---------------------------------------------------------------------------------------------------------------------
# Levels. Frames are (T, 3, H, W), uint8, everywhere below; what is measured is measured in each frame for itself.
# ---------------------------------------------------------------------------------------------------------------------


def auto_contrast(frames: torch.Tensor, strength: float = 0) -> torch.Tensor:
    """Stretch every channel from black to white. There is no strength to it."""
    lowest, highest = (limit[..., None].double() for limit in frames.flatten(2).aminmax(dim=-1))  # (T, 3, 1)
    scale = torch.full_like(highest, WHITE) / (highest - lowest).clamp(min=1)
    table = torch.arange(WHITE + 1, device=frames.device) * scale - lowest * scale  # (T, 3, 256)
    return _look_up(frames, table, is_kept=highest == lowest)


def equalize(frames: torch.Tensor, strength: float = 0) -> torch.Tensor:
    """Spread the levels of every channel so that all are about as frequent. There is no strength to it."""
    channels = frames.flatten(0, 1).flatten(1)  # (T * 3, H * W)
    offset = (WHITE + 1) * torch.arange(len(channels), device=frames.device)[:, None]
    counts = (channels + offset).flatten().bincount(minlength=len(channels) * (WHITE + 1))
    counts = counts.view(*frames.shape[:2], WHITE + 1)
    of_highest = counts.gather(-1, frames.flatten(2).amax(dim=-1, keepdim=True).long())
    step = (counts.sum(dim=-1, keepdim=True) - of_highest) // WHITE  # pixels for each of the new levels
    before = counts.cumsum(dim=-1) - counts
    return _look_up(frames, (step // 2 + before) // step.clamp(min=1), is_kept=step == 0)


def invert(frames: torch.Tensor, strength: float = 0) -> torch.Tensor:
    """Turn white to black and black to white. There is no strength to it."""
    return WHITE - frames


def solarize(frames: torch.Tensor, threshold: float) -> torch.Tensor:
    """Invert what is as bright as the threshold, a share of white from 0 to 1, or brighter."""
    return torch.where(frames >= threshold * WHITE, WHITE - frames, frames)


def posterize(frames: torch.Tensor, num_bits: float) -> torch.Tensor:
    """Keep the highest bits of each level: so many, rounded up, and at least 1."""
    num_dropped = 8 - max(math.ceil(num_bits), 1)
    return frames >> num_dropped << num_dropped


def _look_up(frames: torch.Tensor, table: torch.Tensor, is_kept: torch.Tensor) -> torch.Tensor:
    """Replace levels by those of a table (T, 3, 256), except in channels (T, 3, 1) that are kept as they are."""
    levels = torch.arange(WHITE + 1, device=frames.device)
    table = torch.where(is_kept, levels, table).clamp(0, WHITE).to(torch.uint8)
    return table.gather(-1, frames.flatten(2).long()).view_as(frames)


# ---------------------------------------------------------------------------------------------------------------------
# Colours: away from a plain version of the frame, or towards it
# ---------------------------------------------------------------------------------------------------------------------


def adjust_brightness(frames: torch.Tensor, factor: float) -> torch.Tensor:
    """0: black; 1: as it was; above: brighter."""
    return _blend(torch.zeros((), device=frames.device), frames, factor)


def adjust_contrast(frames: torch.Tensor, factor: float) -> torch.Tensor:
    """0: the mean grey of the frame everywhere; 1: as it was; above: more contrast."""
    mean = _grey(frames).double().mean(dim=(2, 3), keepdim=True)
    return _blend((mean + 0.5).floor().float(), frames, factor)


def adjust_colour(frames: torch.Tensor, factor: float) -> torch.Tensor:
    """0: greys; 1: as it was; above: more colourful."""
    return _blend(_grey(frames).float(), frames, factor)


def adjust_sharpness(frames: torch.Tensor, factor: float) -> torch.Tensor:
    """0: every pixel but the outermost mixed, 5 parts, with its 8 neighbours; 1: as it was; above: sharper."""
    if min(frames.shape[-2:]) < 3:
        return frames
    smooth = frames.float()
    rows = smooth[..., :-2, :] + smooth[..., 1:-1, :] + smooth[..., 2:, :]
    neighbourhoods = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    smooth[..., 1:-1, 1:-1].mul_(4).add_(neighbourhoods).div_(13).round_()
    return _blend(smooth, frames, factor)


def _blend(plain: torch.Tensor, frames: torch.Tensor, factor: float) -> torch.Tensor:
    return (plain + factor * (frames - plain)).clamp_(0, WHITE).to(torch.uint8)


def _grey(frames: torch.Tensor) -> torch.Tensor:
    """Luma of ITU-R 601, (T, 1, H, W), rounded as Pillow does."""
    red, green, blue = frames.int().split(1, dim=1)
    return (19595 * red + 38470 * green + 7471 * blue + (1 << 15)) >> 16


# ---------------------------------------------------------------------------------------------------------------------
# Geometry: bilinear, grey where there was nothing
# ---------------------------------------------------------------------------------------------------------------------


def rotate(frames: torch.Tensor, degrees: float) -> torch.Tensor:
    """Turn around the centre, counter-clockwise."""
    height, width = frames.shape[-2:]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across = (cosine, -sine, width / 2 - cosine * width / 2 + sine * height / 2)
    down = (sine, cosine, height / 2 - sine * width / 2 - cosine * height / 2)
    return _warp(frames, across, down)


def shear_x(frames: torch.Tensor, slope: float) -> torch.Tensor:
    """Shift every row by its distance from the top times the slope, to the left if it is positive."""
    return _warp(frames, (1, slope, 0), (0, 1, 0))


def shear_y(frames: torch.Tensor, slope: float) -> torch.Tensor:
    """Shift every column by its distance from the left times the slope, upwards if it is positive."""
    return _warp(frames, (1, 0, 0), (slope, 1, 0))


def translate_x(frames: torch.Tensor, share: float) -> torch.Tensor:
    """Shift by a share of the width, to the left if it is positive."""
    return _warp(frames, (1, 0, share * frames.shape[-1]), (0, 1, 0))


def translate_y(frames: torch.Tensor, share: float) -> torch.Tensor:
    """Shift by a share of the height, upwards if it is positive."""
    return _warp(frames, (1, 0, 0), (0, 1, share * frames.shape[-2]))


def _warp(frames: torch.Tensor, across: tuple, down: tuple) -> torch.Tensor:
    """
    Take every pixel from where two equations say: from `a * x + b * y + c` of the way across, with (a, b, c) =
    `across`, and likewise down. Lengths are in pixels, from the top left corner; pixels have their centres at halves.
    """
    height, width = frames.shape[-2:]
    x = torch.arange(width, dtype=torch.float64, device=frames.device) + 0.5
    y = torch.arange(height, dtype=torch.float64, device=frames.device)[:, None] + 0.5
    from_x, from_y = (a * x + b * y + c for a, b, c in (across, down))  # (H, W)
    is_inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    grid = torch.stack([2 * from_x / width - 1, 2 * from_y / height - 1], dim=-1).float()
    # All frames go through as the channels of one picture, so that the way to every pixel is found once.
    warped = nn.functional.grid_sample(
        frames.flatten(0, 1)[None].float(), grid[None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return warped[0].round().to(torch.uint8).where(is_inside, GREY).view_as(frames)


class Operation(NamedTuple):
    """What is done to frames, and how strongly: `least` at magnitude 0, `reach` more at the highest, or less."""

    apply: Callable[[torch.Tensor, float], torch.Tensor]
    least: float = 0
    reach: float = 0
    goes_both_ways: bool = False


OPERATIONS = {
    "auto_contrast": Operation(auto_contrast),
    "equalize": Operation(equalize),
    "invert": Operation(invert),
    "solarize": Operation(solarize, 1, -1),
    "posterize": Operation(posterize, 4, -4),
    "brightness": Operation(adjust_brightness, 1, 0.9, goes_both_ways=True),
    "contrast": Operation(adjust_contrast, 1, 0.9, goes_both_ways=True),
    "colour": Operation(adjust_colour, 1, 0.9, goes_both_ways=True),
    "sharpness": Operation(adjust_sharpness, 1, 0.9, goes_both_ways=True),
    "rotate": Operation(rotate, 0, 30, goes_both_ways=True),
    "shear_x": Operation(shear_x, 0, 0.3, goes_both_ways=True),
    "shear_y": Operation(shear_y, 0, 0.3, goes_both_ways=True),
    "translate_x": Operation(translate_x, 0, 0.45, goes_both_ways=True),
    "translate_y": Operation(translate_y, 0, 0.45, goes_both_ways=True),
}

__all__ = ["OPERATIONS", "draw_operations", "rand_augment"]
