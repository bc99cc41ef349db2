# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Painted boxes, against a loop over every pixel."""

import numpy as np
import pytest
from PIL import Image

from modeling_allinone.datasets.object_painting import OBJECT_COLOURS, paint_boxes


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def steps_from_outline(x, y, left, top, right, bottom):
    """Fewest steps up, down, left or right from a pixel to the outline of a box."""
    outline = [(column, row) for column in range(left, right + 1) for row in (top, bottom)]
    outline += [(column, row) for row in range(top, bottom + 1) for column in (left, right)]
    return min(abs(x - column) + abs(y - row) for column, row in outline)


def paint_pixel_by_pixel(image, boxes):
    painted = image.copy()
    height, width = image.shape[:2]
    for number, box in enumerate(boxes):
        if number == 21:
            break
        left, top, right, bottom = (int(side) for side in box[:4])
        colour = [int(level) for level in OBJECT_COLOURS[number]]
        for y in range(height):
            for x in range(width):
                if left <= x < right and top <= y < bottom:
                    for channel in range(3):
                        level = np.float32(0.3) * np.float32(colour[channel]) + np.float32(1)
                        level = np.float32(0.7) * np.float32(painted[y, x, channel]) + level
                        painted[y, x, channel] = min(round(float(level)), 255)
                if steps_from_outline(x, y, left, top, right, bottom) <= 2:
                    painted[y, x] = colour
    return painted


@pytest.mark.parametrize(
    "boxes",
    [
        [[5, 6, 20, 14]],
        [[5.9, 6.2, 20.7, 14.99, 0.98]],
        [[3, 3, 16, 12], [10, 5, 25, 15], [4, 8, 12, 16]],
        [[-7, -4, 9, 8], [20, 10, 60, 50]],
        [[0, 0, 29, 19], [29, 19, 30, 20]],
        [[12, 9, 12, 9], [12, 4, 13, 16], [3, 9, 20, 9]],
        [[-30, -30, -10, -10], [50, 50, 60, 60], [-3, -3, -2, 40]],
        np.tile([[5, 5, 20, 15]], (23, 1)) + np.arange(23)[:, None] % 7,
    ],
    ids=["one", "fractions and a score", "overlapping", "over the border", "border", "thin", "outside", "too many"],
)
def test_boxes_are_painted_pixel_by_pixel(boxes):
    image = random_image(20, 30)
    painted = paint_boxes(image, boxes)
    np.testing.assert_array_equal(painted, paint_pixel_by_pixel(image, boxes))
    assert painted.dtype == np.uint8


def test_frame_is_five_pixels_wide_with_cut_corners():
    painted = paint_boxes(np.zeros((13, 17, 3), dtype=np.uint8), [[5, 5, 12, 8]])
    drawn = "\n".join("".join("#" if pixel[0] == 255 else "." for pixel in row) for row in painted)
    assert drawn == "\n".join(
        [
            ".................",
            ".................",
            ".................",
            ".....########....",
            "....##########...",
            "...############..",
            "...############..",
            "...############..",
            "...############..",
            "....##########...",
            ".....########....",
            ".................",
            ".................",
        ]
    )


def test_objects_after_the_21st_are_not_painted():
    image = random_image(40, 40)
    boxes = [[1, 1, 8, 8]] * 21
    np.testing.assert_array_equal(paint_boxes(image, [*boxes, [20, 20, 30, 30]]), paint_boxes(image, boxes))
    assert len(OBJECT_COLOURS) == 21


def test_image_of_pillow_is_painted_alike_and_stays_as_it_is():
    image = random_image(20, 30)
    before = image.copy()
    painted = paint_boxes(Image.fromarray(image), [[5, 6, 20, 14]])
    np.testing.assert_array_equal(painted, paint_boxes(image, [[5, 6, 20, 14]]))
    np.testing.assert_array_equal(image, before)
    grey = Image.fromarray(image[..., 0])
    assert paint_boxes(grey, []).shape == (20, 30, 3)


def test_no_boxes_leave_the_image_alone():
    image = random_image(20, 30)
    np.testing.assert_array_equal(paint_boxes(image, []), image)
    np.testing.assert_array_equal(paint_boxes(image, np.zeros((0, 4))), image)


@pytest.mark.parametrize(
    "boxes", [[[1, 2, 3]], [1, 2, 3, 4], [[1, 2, float("nan"), 4]], [[1, 2, float("inf"), 4]]], ids=str
)
def test_unusable_boxes_are_refused(boxes):
    with pytest.raises(ValueError, match=r"expected \(boxes, 4\) of finite numbers"):
        paint_boxes(random_image(20, 30), boxes)


@pytest.mark.parametrize("image", [np.zeros((5, 5)), np.zeros((5, 5, 3)), np.zeros((5, 5, 4), dtype=np.uint8)])
def test_other_images_are_refused(image):
    with pytest.raises(TypeError, match=r"expected \(height, width, 3\) of uint8"):
        paint_boxes(image, [[1, 2, 3, 4]])
