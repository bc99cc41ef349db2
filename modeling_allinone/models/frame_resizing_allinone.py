# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""How large frames become, and resizing them as Pillow does, on which weights were trained."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from transformers.image_utils import SizeDict

NEAREST, BILINEAR, BICUBIC = 0, 2, 3  # as Pillow numbers them


def resize_and_crop(
    frames: Sequence[np.ndarray] | torch.Tensor,
    size: tuple[int, int],
    crop: tuple[int, int, int, int] | None = None,
    resample: int = BILINEAR,
) -> torch.Tensor:
    """
    Resize frames and cut out a part.

    Args:
        frames (sequence of `np.ndarray` of shape `(height, width, 3)`, or `torch.Tensor`): uint8, all of one size.
        size (`tuple[int, int]`): Height and width to resize to, pixels, at least 1.
        crop (`tuple[int, int, int, int]`, *optional*):
            Top, left, height and width inside the resized frame, pixels; the whole by default.
        resample (`int`, defaults to 2): 2: bilinear, 3: bicubic, both with antialiasing; 0: nearest neighbour.

    Returns:
        `torch.Tensor` of shape `(n, crop height, crop width, 3)`, uint8.

    Example:
        >>> resize_and_crop(torch.zeros(2, 60, 80, 3, dtype=torch.uint8), (30, 40), (5, 10, 20, 20)).shape
        torch.Size([2, 20, 20, 3])
    """
    top, left, height, width = crop or (0, 0, *size)
    resized = torch.empty(len(frames), height, width, 3, dtype=torch.uint8)
    for frame, target in zip(frames, resized.numpy(), strict=True):
        target[:] = _resize(np.asarray(frame), size, (top, left, height, width), resample)
    return resized


def resized_shape(old: tuple[int, int], size: SizeDict, divisor: int | None = None) -> tuple[int, int]:
    """
    Height and width to resize frames to.

    Args:
        old (`tuple[int, int]`): Height and width of the frames, pixels.
        size (`SizeDict`): Pixels: height and width, or the shorter side, and perhaps the most of the longer one.
        divisor (`int`, *optional*): Both sides become the next lower multiples of it.

    Returns:
        `tuple[int, int]`: Pixels; 0 where the divisor leaves nothing.

    Example:
        >>> resized_shape((427, 640), SizeDict(shortest_edge=224, longest_edge=373), divisor=32)
        (224, 320)
    """
    shortest, longest = size.get("shortest_edge"), size.get("longest_edge")
    if shortest is None:
        height, width = size["height"], size["width"]
    elif longest is None and divisor is None:
        # The original cuts fractions off where it crops, and rounds where it does not.
        height, width = (int(shortest * side / min(old)) for side in old)
    else:
        scale = shortest / min(old)
        height, width = (shortest if side == min(old) else scale * side for side in old)
        if longest is not None and max(height, width) > longest:
            scale = longest / max(height, width)
            height, width = scale * height, scale * width
        height, width = int(height + 0.5), int(width + 0.5)
    divisor = divisor or 1
    return height // divisor * divisor, width // divisor * divisor


def _resize(frame: np.ndarray, size: tuple[int, int], crop: tuple[int, int, int, int], resample: int) -> np.ndarray:
    """The part of a resized frame, of which not much more than that part is computed."""
    top, left, height, width = crop
    if frame.shape[:2] == size:
        return frame[top : top + height, left : left + width]
    if resample == NEAREST:
        # Pillow's own lets rounding errors grow along a line.
        rows, columns = (
            (2 * np.arange(first, first + length) + 1) * old // (2 * new)
            for first, length, new, old in zip((top, left), (height, width), size, frame.shape[:2], strict=True)
        )
        return frame[rows[:, None], columns]
    old_height, old_width = frame.shape[:2]
    first_row, last_row, up, down = _aligned(top, top + height, old_height, size[0])
    first_column, last_column, before, behind = _aligned(left, left + width, old_width, size[1])
    shape, box = (last_column - first_column, last_row - first_row), (before, up, behind, down)
    resized = np.asarray(Image.fromarray(frame).resize(shape, resample, box))
    return resized[top - first_row :, left - first_column :][:height, :width]


def _aligned(start: int, stop: int, old: int, new: int) -> tuple[int, int, int, int]:
    """
    The least part of an axis around another at both of whose ends edges of new pixels lie on edges of old ones, which
    gives the same pixels as the whole axis: where it begins and ends among new pixels, and among old ones.
    """
    step = new // math.gcd(old, new)
    first, last = start // step * step, -(-stop // step) * step
    return first, last, first * old // new, last * old // new
