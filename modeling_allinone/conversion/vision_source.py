# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Reading what a model is to be started from: a file of weights, or a directory of transformers or timm."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_NAME, WEIGHTS_NAME

from .model_directory import find_weight_files, read_json
from .safe_checkpoint import ConversionError, read_checkpoint
from .vision_key_map import LAYOUTS, REFUSED, SPELLINGS, Layout

_PREPROCESSOR_NAME = "preprocessor_config.json"


class Source(NamedTuple):
    """
    A model, as it was saved.

    Args:
        path (`Path`): The file or directory.
        tensors (`dict`): Tensors by name, without the spellings that mean the same.
        keys (`dict`): How each name is spelled there.
        config (`dict`): `config.json`, empty for a file.
        preprocessor (`dict`): `preprocessor_config.json`, empty where there is none.
    """

    path: Path
    tensors: dict[str, torch.Tensor]
    keys: dict[str, str]
    config: dict[str, Any]
    preprocessor: dict[str, Any]


def read_source(path: Path, skip_checksums: bool = False) -> Source:
    """
    Read a file of weights, or a directory with `config.json` and weights, in one file or in several.

    Args:
        path (`Path`): The file or directory.
        skip_checksums (`bool`, defaults to `False`): Whether to read files without looking at their checksums.

    Returns:
        [`Source`]

    Raises:
        ConversionError: If something is missing or damaged.
    """
    config: dict[str, Any] = {}
    preprocessor: dict[str, Any] = {}
    if path.is_dir():
        config = read_json(path / CONFIG_NAME)
        if (path / _PREPROCESSOR_NAME).exists():
            preprocessor = read_json(path / _PREPROCESSOR_NAME)
        files = find_weight_files(path, (SAFE_WEIGHTS_NAME, WEIGHTS_NAME))
    else:
        files = [path]
    tensors: dict[str, torch.Tensor] = {}
    keys: dict[str, str] = {}
    for file in files:
        for key, tensor in read_checkpoint(file, skip_checksums)[0].items():
            name = key
            for spelling, replacement in SPELLINGS:
                name = re.sub(spelling, replacement, name)
            if name in tensors:
                raise ConversionError(
                    f"{path} holds {keys[name]} and {key}, which mean the same; expected one of them."
                )
            tensors[name], keys[name] = tensor, key
    return Source(path, tensors, keys, config, preprocessor)


def find_layout(source: Source) -> Layout:
    """
    Which library named the tensors of an image backbone.

    Args:
        source ([`Source`]): The backbone.

    Returns:
        [`Layout`]

    Raises:
        ConversionError: If it is something that no model can be started from; the message says what.
    """
    for pattern, what in REFUSED:
        key = next((key for name, key in source.keys.items() if re.match(pattern, name)), None)
        if key is not None:
            raise ConversionError(f"No model can be started from {source.path}: it has {what} ({key}).")
    for layout in LAYOUTS:
        if any(name.startswith(layout.block) for name in source.tensors):
            return layout
    keys = ", ".join(list(source.keys.values())[:3]) or "none"
    raise ConversionError(
        f"{source.path} holds no ViT by the names of timm or transformers (first keys: {keys}); give a file of timm "
        "or DeiT, or a directory of transformers."
    )
