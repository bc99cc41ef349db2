# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Reading what a model is to be started from: a file of weights, or a directory of transformers or timm."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safe_checkpoint import ConversionError, read_checkpoint
from vision_key_map import LAYOUTS, REFUSED, SPELLINGS, Layout

_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


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


def read_source(path: Path) -> Source:
    """
    Read a file of weights, or a directory with `config.json` and weights, in one file or in several.

    Args:
        path (`Path`): The file or directory.

    Returns:
        [`Source`]

    Raises:
        ConversionError: If something is missing or damaged.
    """
    config, preprocessor = {}, {}
    if path.is_dir():
        config = _read_json(path / "config.json")
        if (path / "preprocessor_config.json").is_file():
            preprocessor = _read_json(path / "preprocessor_config.json")
        files = _find_weights(path)
    else:
        files = [path]
    tensors, keys = {}, {}
    for file in files:
        for key, tensor in read_checkpoint(file)[0].items():
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


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConversionError(f"There is no file {path}; a model's directory holds {path.name} and its weights.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConversionError(f"{path} cannot be read as JSON ({error}).") from error
    if not isinstance(content, dict):
        raise ConversionError(f"{path} holds a {type(content).__name__}, but expected a dictionary.")
    return content


def _find_weights(directory: Path) -> list[Path]:
    """The files of weights of a directory: one, or those that an index lists."""
    for name in _WEIGHT_FILES:
        if (directory / name).is_file():
            return [directory / name]
        index = directory / f"{name}.index.json"
        if index.is_file():
            weight_map = _read_json(index).get("weight_map")
            shards = weight_map.values() if isinstance(weight_map, dict) else ()
            if not shards or not all(isinstance(shard, str) and Path(shard).name == shard for shard in shards):
                raise ConversionError(f"{index} must say for each tensor which file beside it holds it (weight_map).")
            return [directory / shard for shard in sorted(set(shards))]
    raise ConversionError(
        f"{directory} holds no weights: neither {' nor '.join(_WEIGHT_FILES)}, nor an index of shards."
    )
