# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Reading a checkpoint of the original without running code from it.

A `.ckpt` is a pickle, and a pickle may call anything. PyTorch's `weights_only` reader calls nothing but its own list
of harmless functions, and stops at the classes of Lightning, sacred, argparse and NumPy that real checkpoints hold
beside their weights. Those, and no others, get stand-ins here, which keep dictionaries and lists and drop the rest.
"""

import pickle
import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals


class ConversionError(ValueError):
    """A checkpoint or an argument that cannot be converted; the message is meant for the user."""


class _Dropped:
    """Stands for an object that conversion has no use for: takes any arguments and any state and keeps neither."""

    def __init__(self, *arguments, **keywords):
        pass

    def __setstate__(self, state):
        pass


def _empty_mapping(*arguments) -> OrderedDict:
    """Stands for `defaultdict`, whose argument would be called for every missing key."""
    return OrderedDict()


# The reader fills plain lists and (ordered) dictionaries only, so these are the stand-ins for the classes derived from
# them.
_STAND_INS = {
    "sacred.config.custom_containers.ReadOnlyDict": OrderedDict,
    "sacred.config.custom_containers.ReadOnlyList": list,
    "sacred.config.custom_containers.DogmaticDict": OrderedDict,
    "sacred.config.custom_containers.DogmaticList": list,
    "pytorch_lightning.utilities.parsing.AttributeDict": OrderedDict,
    "lightning_fabric.utilities.data.AttributeDict": OrderedDict,
    "collections.defaultdict": _empty_mapping,
    "builtins.list": list,
    "builtins.dict": dict,
    "argparse.Namespace": _Dropped,
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint": _Dropped,
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping": _Dropped,
    "pytorch_lightning.callbacks.lr_monitor.LearningRateMonitor": _Dropped,
    "pathlib.Path": _Dropped,
    "pathlib.PosixPath": _Dropped,
    "pathlib.PurePosixPath": _Dropped,
    "pathlib.WindowsPath": _Dropped,
    "numpy.dtype": _Dropped,
    "numpy.ndarray": _Dropped,
    "numpy.core.multiarray.scalar": _Dropped,
    "numpy.core.multiarray._reconstruct": _Dropped,
    "numpy._core.multiarray.scalar": _Dropped,
    "numpy._core.multiarray._reconstruct": _Dropped,
}


def read_checkpoint(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """
    Read the weights and the hyper-parameters of a checkpoint.

    Args:
        path (`str` or `Path`): A file that Lightning, DeepSpeed or `torch.save(model.state_dict())` wrote, or a
            `.safetensors` file.

    Returns:
        The tensors by name, without the `module.` that data-parallel training puts before each, and the
        hyper-parameters, empty if the file has none.

    Raises:
        ConversionError: If the file is not a checkpoint, is damaged, or asks for code to be run.
    """
    path = Path(path)
    if path.is_dir():
        raise ConversionError(f"{path} is a directory; give the checkpoint file itself, such as {path / 'last.ckpt'}.")
    if not path.is_file():
        raise ConversionError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise ConversionError(f"{path} is empty.")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    if not isinstance(content, Mapping):
        raise ConversionError(f"{path} holds a {type(content).__name__}, but expected a dictionary with a state_dict.")
    state_dict = _check_state_dict(_find_state_dict(content, path), path)
    return state_dict, _find_hyper_parameters(content)


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # the Rust reader's own exception types are not importable by name
        raise ConversionError(f"{path} is damaged or not a safetensors file ({_first_line(error)}).") from error


def _read_pickle(path: Path) -> Any:
    """The content of a file of `torch.save`, as an archive or in the format from before PyTorch 1.6."""
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    allowed = safe_globals([(stand_in, name) for name, stand_in in _STAND_INS.items()])
    with allowed, warnings.catch_warnings(action="ignore"):  # what matters of a warning is an error here
        try:
            if is_archive and (refused := get_unsafe_globals_in_checkpoint(path)):
                raise _refusal(path, refused)
            # Mapped into memory, the optimiser's state, twice the size of the weights, is never read.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
        except ConversionError:
            raise
        except Exception as error:  # a damaged pickle fails in any way
            # Only archives can be searched beforehand; of the old format, the reader names what it stopped at.
            refused = re.findall(r"GLOBAL ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else []
            if refused:
                raise _refusal(path, refused) from error
            if is_archive:
                raise ConversionError(f"{path} is damaged or truncated ({_first_line(error)}).") from error
            raise ConversionError(f"{path} is not a PyTorch checkpoint ({_first_line(error)}).") from error


def _refusal(path: Path, names: list[str]) -> ConversionError:
    return ConversionError(
        f"{path} asks for {', '.join(sorted(set(names)))}, which no checkpoint of the original needs and which could "
        "run code; nothing was loaded. If you trust the file, save its state_dict alone and convert that."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]


def _find_state_dict(content: Mapping, path: Path) -> Mapping:
    for name in ("state_dict", "module"):  # Lightning, DeepSpeed
        if isinstance(content.get(name), Mapping):
            return content[name]
    if any(isinstance(value, torch.Tensor) for value in content.values()):
        return content
    raise ConversionError(f"{path} holds no state_dict; it holds {', '.join(map(repr, content)) or 'nothing'}.")


def _check_state_dict(state_dict: Mapping, path: Path) -> dict[str, torch.Tensor]:
    for key, value in state_dict.items():
        if not isinstance(value, torch.Tensor):
            raise ConversionError(f"{key!r} of {path} is a {type(value).__name__}, but expected a tensor.")
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise ConversionError(f"{key!r} of {path} is not a dense tensor with values.")
    prefix = "module." if all(str(key).startswith("module.") for key in state_dict) else ""
    return {str(key).removeprefix(prefix): value for key, value in state_dict.items()}


def _find_hyper_parameters(content: Mapping) -> dict[str, Any]:
    hyper_parameters = content.get("hyper_parameters")
    if not isinstance(hyper_parameters, Mapping):
        return {}
    config = hyper_parameters.get("config")
    return dict(config if isinstance(config, Mapping) else hyper_parameters)
