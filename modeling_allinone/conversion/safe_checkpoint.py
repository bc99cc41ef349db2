# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Reading a checkpoint of the original without running code from it, and without spending memory that it does not fill.

What a file is, its content decides, not its name. `torch_file` reads those of `torch.save`.
"""

import itertools
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers.utils import logging

from .implausible_weights import find_implausible
from .torch_file import DTYPES_OF_STORAGES, Refusal, StoredTensor, read_archive, read_old_format

logger = logging.get_logger(__name__)

_MAX_SAFETENSORS_HEADER_BYTES = 1 << 22

# Tied weights are saved once and used twice.
_MAX_USES_OF_STORED_BYTES = 2

# Far more than a configuration has.
_MAX_HYPER_PARAMETER_LENGTH = 1 << 18
_MAX_HYPER_PARAMETER_DEPTH = 16

_OTHER_FORMATS = {
    rb"version https://git-lfs": "is a Git LFS pointer, not the file itself; run `git lfs pull`",
    rb"\s*<(!doctype|html|\?xml)": "is a web page, perhaps an error of the server, not the file itself",
    rb"\x1f\x8b": "is compressed with gzip; unpack it first",
    rb"BZh": "is compressed with bzip2; unpack it first",
    rb"\xfd7zXZ": "is compressed with xz; unpack it first",
    rb"\x89HDF\r\n": "is an HDF5 file, not a PyTorch checkpoint",
    rb"\x89PNG": "is a PNG image, not a PyTorch checkpoint",
    rb"(?s:.{257})ustar": "is a tar archive; unpack it if the file is inside",
}
_TENSORFLOW_TABLE_END = 0xDB4775248B80FB57.to_bytes(8, "little")
_TENSORFLOW_SHARD = re.compile(r"\.data-\d{5}-of-\d{5}$")


class ConversionError(ValueError):
    """A checkpoint or an argument that cannot be converted; the message is meant for the user."""


def read_checkpoint(path: str | Path, skip_checksums: bool = False) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """
    Read the weights and the hyper-parameters of a checkpoint.

    Each record of an archive of `torch.save` is compared with its checksum. Where there are none, in safetensors files
    and those from before PyTorch 1.6, tensors that look damaged are warned of.

    Args:
        path (`str` or `Path`): A file that Lightning, DeepSpeed or `torch.save(model.state_dict())` wrote, or a
            safetensors file.
        skip_checksums (`bool`, defaults to `False`): Whether to read an archive without looking at its checksums, as
            if it had none.

    Returns:
        The tensors by name, without the `module.` that data-parallel training puts before each, and the
        hyper-parameters, empty if the file has none. Those are strings, numbers, `None`, and lists and dictionaries
        of them; others are left out. The tensors stay in the file until they are used, unless it is from before
        PyTorch 1.6.

    Raises:
        ConversionError: If the file is not a checkpoint, is damaged, asks for code to be run, or declares more than
            it holds.
    """
    path = Path(path)
    try:
        size = _size_of_file(path)
        content, is_checked = _read(path, size, skip_checksums)
        if not isinstance(content, Mapping):
            raise Refusal(f"holds a {type(content).__name__}, but expected a dictionary with a state_dict")
        state_dict = _load_state_dict(_find_state_dict(content), size)
        hyper_parameters = _find_hyper_parameters(content)
    except Refusal as refusal:
        raise ConversionError(f"{path} {refusal}.") from refusal
    except FileNotFoundError as error:
        raise ConversionError(f"There is no file {path}.") from error
    except OSError as error:
        raise ConversionError(f"{path} cannot be read ({error.strerror or _first_line(error)}).") from error
    except Exception as error:  # a damaged file fails in any way
        raise ConversionError(f"{path} is damaged or truncated ({_first_line(error)}).") from error
    if not is_checked:
        _warn_of_damage(path, state_dict)
    return state_dict, hyper_parameters


def _read(path: Path, size: int, skip_checksums: bool) -> tuple[Any, bool]:
    """What a file holds, and whether it was compared with checksums."""
    with path.open("rb") as file:
        start = file.read(512)
        file.seek(max(size - len(_TENSORFLOW_TABLE_END), 0))
        end = file.read()
    # The length of the header, which is JSON, comes before it.
    header_length = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and header_length <= size - 8:
        if header_length > _MAX_SAFETENSORS_HEADER_BYTES:
            raise Refusal(f"has a header of {header_length} bytes, more than {_MAX_SAFETENSORS_HEADER_BYTES}")
        return load_file(path), False
    for beginning, reason in _OTHER_FORMATS.items():
        if re.match(beginning, start, re.IGNORECASE):
            raise Refusal(reason)
    if end == _TENSORFLOW_TABLE_END or _TENSORFLOW_SHARD.search(path.name):
        raise Refusal("belongs to a TensorFlow checkpoint, not a PyTorch checkpoint")
    is_archive, is_pickle = start.startswith(b"PK\3\4"), start.startswith(b"\x80")
    if path.suffix == ".safetensors":
        if is_archive or is_pickle:
            raise Refusal("is not a safetensors file; if it is a checkpoint of PyTorch, rename it to .ckpt")
        raise Refusal(f"is damaged or not a safetensors file (it begins with {start[:16]!r})")
    if is_archive:
        return read_archive(path, skip_checksums), not skip_checksums
    if is_pickle:
        return read_old_format(path), False
    raise Refusal(f"is not a PyTorch checkpoint (it begins with {start[:16]!r})")


def _first_line(error: Exception) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
    return line if line.isprintable() else ascii(line)  # a damaged file's own words


def _size_of_file(path: Path) -> int:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise Refusal(f"is a directory; give the checkpoint file itself, such as {path / 'last.ckpt'}")
    if not stat.S_ISREG(status.st_mode):
        raise Refusal("is not a regular file")  # to open a pipe would wait for a writer
    if status.st_size == 0:
        raise Refusal("is empty")
    return status.st_size


def _warn_of_damage(path: Path, state_dict: Mapping[str, torch.Tensor]):
    implausible = [f"{name} ({what})" for name, what in find_implausible(state_dict)]
    if implausible:
        more = f" and {len(implausible) - 10} more" if len(implausible) > 10 else ""
        logger.warning_once(
            f"{path} was not compared with checksums, and these of its tensors look damaged: "
            f"{', '.join(implausible[:10])}{more}. Compare it with another copy."
        )


def _find_state_dict(content: Mapping[Any, Any]) -> Mapping[Any, Any]:
    for name in ("state_dict", "module", "model"):  # Lightning, DeepSpeed, DeiT
        if isinstance(content.get(name), Mapping):
            return content[name]
    if any(isinstance(value, torch.Tensor | StoredTensor) for value in content.values()):
        return content
    held = ", ".join(f"{key!r:.40}" for key in itertools.islice(content, 10)) or "nothing"
    raise Refusal(f"holds no state_dict; it holds {held}")


def _load_state_dict(stored: Mapping[Any, Any], size_of_file: int) -> dict[str, torch.Tensor]:
    state_dict = {}
    for key, value in stored.items():
        if not isinstance(key, str) or not key.isprintable():
            raise Refusal(f"holds the weight {key!r:.120}, but expected a printable name")
        if isinstance(value, StoredTensor):
            try:
                value = value.load()
            except Exception as error:
                raise Refusal(
                    f"is damaged: its tensor {key!r:.120} has no place in it ({_first_line(error)})"
                ) from error
        if not isinstance(value, torch.Tensor):
            raise Refusal(f"holds {key!r:.120}, which is a {type(value).__name__}, but expected a tensor")
        if value.dtype not in DTYPES_OF_STORAGES.values():
            raise Refusal(f"holds {key!r:.120} in {value.dtype}, which is not read")
        state_dict[key] = value
    # Conversion copies each tensor, so they may not be the same bytes over and over.
    declared = sum(value.nbytes for value in state_dict.values())
    if declared > _MAX_USES_OF_STORED_BYTES * size_of_file:
        raise Refusal(f"declares {declared} bytes of weights, many times its own {size_of_file}: they share memory")
    prefix = "module." if all(key.startswith("module.") for key in state_dict) else ""
    return {key.removeprefix(prefix): value for key, value in state_dict.items()}


def _find_hyper_parameters(content: Mapping[Any, Any]) -> dict[str, Any]:
    hyper_parameters = content.get("hyper_parameters")
    if not isinstance(hyper_parameters, Mapping):
        return {}
    config = hyper_parameters.get("config")
    length = 0

    def copy_plain(value: Any, depth: int = 0) -> Any:
        nonlocal length
        length += len(value) if isinstance(value, str) else 1
        if length > _MAX_HYPER_PARAMETER_LENGTH or depth > _MAX_HYPER_PARAMETER_DEPTH:
            raise Refusal("holds hyper-parameters that are too many or too deeply nested")
        if isinstance(value, Mapping):
            pairs = ((key, item) for key, item in value.items() if isinstance(key, str) and _is_plain(item))
            return {key: copy_plain(item, depth + 1) for key, item in pairs}
        if isinstance(value, list | tuple):
            return [copy_plain(item, depth + 1) for item in value if _is_plain(item)]
        return value

    return copy_plain(config if isinstance(config, Mapping) else hyper_parameters)


def _is_plain(value: Any) -> bool:
    """Whether a value is one that a configuration could hold. An integer has at most 64 bits."""
    if isinstance(value, int):
        return -(1 << 63) <= value < 1 << 63
    is_plain = isinstance(value, str | float | list | tuple | Mapping) and not isinstance(value, StoredTensor)
    return value is None or is_plain
