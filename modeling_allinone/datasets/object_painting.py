# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Boxes of objects painted on an image, so that a model sees which object a text speaks of by its number."""

import numpy as np
from PIL import Image

# The colour of object 0, of object 1, and so on; further objects are not painted.
OBJECT_COLOURS = np.array(
    [
        (255, 0, 0), (0, 255, 0), (0, 0, 255), (61, 145, 64), (127, 255, 212), (0, 201, 87), (218, 112, 214),
        (255, 0, 255), (112, 128, 105), (250, 235, 215), (240, 255, 255), (252, 230, 201), (255, 255, 0),
        (235, 142, 85), (255, 97, 0), (176, 224, 230), (65, 106, 225), (0, 255, 255), (56, 94, 15), (8, 46, 84),
        (255, 192, 203),
    ],
    dtype=np.uint8,
)  # fmt: skip
COLOUR_SHARE = np.float32(0.3)
IMAGE_SHARE = np.float32(0.7)
# OpenCV, which the original paints with, adds this and draws a line of thickness 3 five pixels wide.
ADDED_LEVEL = 1
FRAME_REACH = 2


def paint_boxes(image: Image.Image | np.ndarray, boxes) -> np.ndarray:
    """Paint boxes on an image, one after the other, as the original does.

    Inside a box, 30 % of its colour are mixed with 70 % of the image (and one level added); around it goes a frame of
    the colour, five pixels wide, which covers what is at most two steps up, down, left or right from the outline. A
    box that is painted later covers those before it. Coordinates are cut to whole pixels; parts outside the image are
    left out. The result differs from OpenCV's by at most one level, where rounding is a tie.

    Args:
        image (`PIL.Image.Image` or `np.ndarray` of shape `(height, width, 3)`, uint8): The image; it stays as it is.
        boxes (array-like of shape `(boxes, 4)` or more columns): Left, top, right and bottom of each box in pixels, in
            the order of the objects' numbers. Those after the 21st are not painted.

    Returns:
        `np.ndarray` of shape `(height, width, 3)`, uint8

    Raises:
        TypeError: If the image is something else.
        ValueError: If boxes have fewer than 4 columns or coordinates that are not numbers.

    Example:
        >>> image = np.full((40, 60, 3), 100, dtype=np.uint8)
        >>> painted = paint_boxes(image, [[10, 10, 50, 30]])
        >>> painted[20, 30].tolist(), painted[10, 30].tolist(), painted[0, 0].tolist()
        ([148, 71, 71], [255, 0, 0], [100, 100, 100])
    """
    painted = np.array(image.convert("RGB") if isinstance(image, Image.Image) else image)
    if painted.ndim != 3 or painted.shape[2] != 3 or painted.dtype != np.uint8:
        raise TypeError(
            f"image has shape {painted.shape} and type {painted.dtype}; "
            "expected (height, width, 3) of uint8, or a PIL image."
        )
    boxes = np.asarray(boxes, dtype=np.float64)
    if boxes.size == 0:
        return painted
    if boxes.ndim != 2 or boxes.shape[1] < 4 or not np.isfinite(boxes[:, :4]).all():
        raise ValueError(f"boxes have shape {boxes.shape}; expected (boxes, 4) of finite numbers.")
    for corners, colour in zip(boxes[:, :4].astype(np.int64).tolist(), OBJECT_COLOURS, strict=False):
        _mix_inside(painted, corners, colour)
        _draw_frame(painted, corners, colour)
    return painted


def _mix_inside(image: np.ndarray, corners: list[int], colour: np.ndarray) -> None:
    """Mix the colour into what is inside the box."""
    left, top, right, bottom = (max(corner, 0) for corner in corners)
    inside = image[top:bottom, left:right]
    mixed = IMAGE_SHARE * inside + (COLOUR_SHARE * colour + ADDED_LEVEL)
    inside[:] = np.rint(mixed).clip(max=255).astype(np.uint8)


def _draw_frame(image: np.ndarray, corners: list[int], colour: np.ndarray) -> None:
    """Draw the outline as lines side by side, the outer of which are shorter, so that corners are cut."""
    height, width = image.shape[:2]
    left, right = sorted(corners[::2])
    top, bottom = sorted(corners[1::2])
    for offset in range(-FRAME_REACH, FRAME_REACH + 1):
        reach = FRAME_REACH - abs(offset)
        columns = slice(max(left - reach, 0), max(right + reach + 1, 0))
        rows = slice(max(top - reach, 0), max(bottom + reach + 1, 0))
        for row in (top + offset, bottom + offset):
            if 0 <= row < height:
                image[row, columns] = colour
        for column in (left + offset, right + offset):
            if 0 <= column < width:
                image[rows, column] = colour
