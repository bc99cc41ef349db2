# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Model directories: their configuration, their weights mapped into memory, and the model that they make."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_NAME

import modeling_allinone

from ..models.configuration_allinone import AllInOneConfig
from ..models.modeling_allinone import AllInOnePreTrainedModel
from .key_map import TASK_CLASSES
from .safe_checkpoint import ConversionError, read_checkpoint


class SavedModel(NamedTuple):
    """
    What a model directory holds.

    Args:
        config ([`AllInOneConfig`]): Its configuration.
        task (`str`): Task of its class, one of `TASK_CLASSES`.
        tensors (`dict` of `str` to `torch.Tensor`): Its weights: those of the class, in its order.
    """

    config: AllInOneConfig
    task: str
    tensors: dict[str, torch.Tensor]


def build_config(fields: Mapping[str, Any]) -> AllInOneConfig:
    """The configuration with some fields; a [`ConversionError`] in one line if they make none."""
    try:
        return AllInOneConfig(**fields)
    except (ValueError, StrictDataclassError) as error:
        raise ConversionError(f"No model can be built: {' '.join(str(error).split())}") from error


def build_model(
    config: AllInOneConfig, task: str, tensors: Mapping[str, torch.Tensor] | None = None
) -> AllInOnePreTrainedModel:
    """
    The model of a task, made of weights that are not copied.

    Args:
        config ([`AllInOneConfig`]): Its configuration.
        task (`str`): One of `TASK_CLASSES`.
        tensors (mapping of `str` to `torch.Tensor`, *optional*): All its weights. Default: none, only shapes.

    Returns:
        [`AllInOnePreTrainedModel`], in the type of its weights.
    """
    with torch.device("meta"):
        model = getattr(modeling_allinone, TASK_CLASSES[task])(config)
    if tensors is not None:
        model.load_state_dict(tensors, strict=True, assign=True)
    return model


def read_model_directory(directory: Path) -> SavedModel:
    """
    Read a model that `save_pretrained` or Trainer wrote.

    Args:
        directory (`Path`): Has a `config.json` and safetensors weights, in one file or in several.

    Returns:
        [`SavedModel`]

    Raises:
        ConversionError: If it is not a model of this package, or if weights are missing, unknown, of another shape or
            not floating-point.
    """
    if not directory.is_dir():
        raise ConversionError(f"{directory} is no directory; give the one that save_pretrained wrote.")
    path = directory / CONFIG_NAME
    fields = read_json(path)
    if (found := fields.get("model_type")) != AllInOneConfig.model_type:
        raise ConversionError(f"{path} has model_type {found!r}, but expected {AllInOneConfig.model_type!r}.")
    classes = fields.get("architectures")
    if classes == ["AllInOneForSequenceClassification"]:  # a model for retrieval by its scorer of pairs alone
        classes, fields = [TASK_CLASSES["retrieval"]], fields | {"projection_dim": None}
    task = next((task for task, name in TASK_CLASSES.items() if classes == [name]), None)
    if task is None:
        raise ConversionError(
            f"{path} has architectures {classes!r}, but expected one of {', '.join(TASK_CLASSES.values())}; save the "
            "model with save_pretrained."
        )
    try:
        model = build_model(AllInOneConfig.from_dict(fields), task)
    except Exception as error:  # depends on which field is wrong, and how
        raise ConversionError(f"{path} describes no model: {' '.join(str(error).split())}") from error
    tensors: dict[str, torch.Tensor] = {}
    for file in find_weight_files(directory):
        tensors |= read_checkpoint(file)[0]
    expected = model.state_dict()
    _check_tensors(tensors, expected, directory)
    return SavedModel(model.config, task, {name: tensors[name] for name in expected})


def read_json(path: Path) -> dict[str, Any]:
    """The dictionary that a file holds as JSON; a [`ConversionError`] if it holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConversionError(f"{path} cannot be read ({error}).") from error
    if not isinstance(content, dict):
        raise ConversionError(f"{path} holds a {type(content).__name__}, but expected a dictionary.")
    return content


def find_weight_files(directory: Path, file_names: Sequence[str] = (SAFE_WEIGHTS_NAME,)) -> list[Path]:
    """
    The files that hold the weights of a directory.

    Args:
        directory (`Path`): The directory.
        file_names (sequence of `str`, defaults to `("model.safetensors",)`): What the file may be called, or, with
            `.index.json` behind it, the list of several.

    Returns:
        `list` of `Path`

    Raises:
        ConversionError: If there are none, or none that are read.
    """
    for file_name in file_names:
        whole, index = directory / file_name, directory / f"{file_name}.index.json"
        if whole.exists():
            return [whole]
        if index.exists():
            places = read_json(index).get("weight_map")
            names = list(places.values()) if isinstance(places, dict) else []
            if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
                raise ConversionError(f"{index} does not name files of its directory in weight_map.")
            return [directory / name for name in dict.fromkeys(names)]
    if any(directory.glob("pytorch_model*.bin")):
        raise ConversionError(
            f"{directory} has its weights in a pickle, which could run code; load the model with from_pretrained and "
            "save it with save_pretrained, which writes safetensors."
        )
    if (directory / "adapter_config.json").exists():
        raise ConversionError(f"{directory} holds an adapter; merge it into its model and save that.")
    raise ConversionError(f"There is no {SAFE_WEIGHTS_NAME} in {directory}.")


def _check_tensors(tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], directory: Path):
    missing, unknown = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    for names, problem in ((missing, "lack"), (unknown, "hold")):
        if names:
            raise ConversionError(
                f"The weights in {directory} {problem} {min(names)}, unlike the class in its {CONFIG_NAME} "
                f"({len(missing)} tensors missing, {len(unknown)} unknown)."
            )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape or not tensor.is_floating_point():
            raise ConversionError(
                f"{name} in {directory} has shape {tuple(tensor.shape)} and type {tensor.dtype}, but the "
                f"configuration asks for {tuple(expected[name].shape)} of a floating-point type."
            )
