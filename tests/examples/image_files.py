# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What the tests of tasks on images share: coloured blocks, and a recipe with which a tiny model learns from them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 220), "yellow": (230, 210, 40)}
# Top left corner of a block of half the image's side, by place.
PLACES = {"top left": (0, 0), "top right": (0, 1), "bottom left": (1, 0), "bottom right": (1, 1)}

RECIPE = {
    "do_train": True,
    "config": {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "max_position_embeddings": 24,
        "image_size": 24,
        "patch_size": 12,
        "num_frames": 1,
        "patch_order": "raster",
        "linear_initializer": "xavier_uniform",
        "initializer_range": 1.0,
        "hidden_dropout_prob": 0.0,
        "drop_path_rate": 0.0,
    },
    "learning_rate": 1.0e-3,
    "warmup_steps": 30,
    "lr_scheduler_type": "constant_with_warmup",
    "save_strategy": "no",
}


def write_recipe(path: Path) -> Path:
    path.write_text(json.dumps(RECIPE))  # which is YAML, too
    return path


def draw_blocks(blocks: dict[str, str], generator: np.random.Generator, side: int = 24) -> Image.Image:
    """A noisy grey image with blocks, by place, of a colour."""
    pixels = generator.integers(100, 150, (side, side, 3), dtype=np.uint8)
    half = side // 2
    for place, colour in blocks.items():
        row, column = PLACES[place]
        pixels[row * half : (row + 1) * half, column * half : (column + 1) * half] = COLOURS[colour]
    return Image.fromarray(pixels)
