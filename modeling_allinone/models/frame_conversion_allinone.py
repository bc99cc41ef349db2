# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Frames as PyAV decodes them -> pixels as players show them."""

from fractions import Fraction
from typing import Any

import numpy as np
from transformers.utils import is_av_available

if is_av_available():
    import av

# Newer PyAV scales and converts frames by threads, for which a process that is forked meanwhile waits for ever.
HAS_THREADS = is_av_available() and "threads" in (av.VideoFrame.reformat.__doc__ or "")
ONE_THREAD: dict[str, Any] = {"threads": 1} if HAS_THREADS else {}


def to_rgb(frame: "av.VideoFrame", pixel_aspect: Fraction | None = None) -> np.ndarray:
    """
    A frame as players show it: pixels that are not square stretched in width, what is transparent on black, upright.

    FFmpeg's decoders, and so most players, do not read the transparency of VP8 and VP9, and show it opaque.

    Args:
        frame (`av.VideoFrame`): As it was decoded.
        pixel_aspect (`Fraction`, *optional*): Width of a pixel by its height, 1 by default.

    Returns:
        `np.ndarray` of shape `(height, width, 3)`, uint8.
    """
    width = max(round(frame.width * (pixel_aspect or 1)), 1)
    is_transparent = has_alpha(frame)
    pixels = frame.to_ndarray(width=width, format="rgba" if is_transparent else "rgb24", **ONE_THREAD)
    if is_transparent:
        pixels, alpha = pixels[..., :3], pixels[..., 3:]
        # In uncompressed AVI, the fourth byte of a pixel is mostly an unused 0.
        if frame.format.name != "bgra" or alpha.any():
            pixels = ((pixels.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
    return _upright(pixels, display_matrix(frame))


def has_alpha(frame: "av.VideoFrame") -> bool:
    """Whether a frame may be transparent: grey with alpha has two components, colour with alpha four."""
    return len(frame.format.components) in (2, 4)


def display_matrix(frame: "av.VideoFrame") -> np.ndarray | None:
    """The 2 by 2 part of a frame's display matrix, `None` where it changes nothing."""
    side_data: Any = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return None
    matrix = np.frombuffer(bytes(side_data), np.int32).reshape(3, 3)[:2, :2]
    return None if matrix[0, 0] > 0 and matrix[1, 1] > 0 else matrix


def _upright(pixels: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """Turn and mirror `(height, width, 3)` pixels by multiples of 90 degrees, as a player would."""
    if matrix is None:
        return pixels
    (horizontal, down), (right, vertical) = matrix
    if abs(down) > abs(horizontal):
        # The picture's x axis becomes the screen's y axis: transpose, then mirror what runs backwards.
        pixels = pixels.transpose(1, 0, 2)
        vertical, horizontal = down, right
    if vertical < 0:
        pixels = pixels[::-1]
    return pixels[:, ::-1] if horizontal < 0 else pixels
