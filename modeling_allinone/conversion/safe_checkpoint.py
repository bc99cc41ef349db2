# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Reading a checkpoint of the original without running code from it, and without spending memory that it does not fill.

A `.ckpt` is a pickle, and a pickle may call anything. `checkpoint_pickle` refuses one that asks for more than the
weights and the few classes that real checkpoints hold beside them; PyTorch's `weights_only` reader, which calls
nothing but its own list of harmless functions, then reads it. What a file is, its content decides, not its name.
"""

import itertools
import re
import stat
import tarfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers.utils import logging

from .checkpoint_archive import check_checksums, list_records
from .checkpoint_pickle import MAX_PICKLE_BYTES, STAND_INS, STORAGE_TYPES, PickleScan, Refusal
from .implausible_weights import find_implausible

logger = logging.get_logger(__name__)

_TORCH_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # first in a file from before PyTorch 1.6
_TORCH_PROTOCOL_VERSION = 1001
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
        state_dict = _check_state_dict(_find_state_dict(content, path), size)
        if not is_checked:
            _warn_of_damage(path, state_dict)
        return state_dict, _find_hyper_parameters(content)
    except Refusal as refusal:
        raise ConversionError(f"{path} {refusal}.") from refusal
    except FileNotFoundError as error:
        raise ConversionError(f"There is no file {path}.") from error
    except OSError as error:
        raise ConversionError(f"{path} cannot be read ({error.strerror or _first_line(error)}).") from error


def _read(path: Path, size: int, skip_checksums: bool) -> tuple[Any, bool]:
    """What a file holds, and whether it was compared with checksums."""
    reader = _choose_reader(path, size)
    is_checked = reader is _read_archive and not skip_checksums
    try:
        return (reader(path, skip_checksums) if reader is _read_archive else reader(path)), is_checked
    except (Refusal, OSError):
        raise
    except Exception as error:  # a damaged file fails in any way
        raise Refusal(f"is damaged or truncated ({_first_line(error)})") from error


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


def _choose_reader(path: Path, size: int) -> Callable[[Path], Any]:
    with path.open("rb") as file:
        start = file.read(tarfile.BLOCKSIZE)
        file.seek(max(size - len(_TENSORFLOW_TABLE_END), 0))
        end = file.read(len(_TENSORFLOW_TABLE_END))
    # The length of the header, which is JSON, comes before it.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= size - 8:
        return _read_safetensors
    for beginning, reason in _OTHER_FORMATS.items():
        if re.match(beginning, start, re.IGNORECASE):
            raise Refusal(reason)
    if end == _TENSORFLOW_TABLE_END or _TENSORFLOW_SHARD.search(path.name):
        raise Refusal("belongs to a TensorFlow checkpoint, not a PyTorch checkpoint")
    # The format from before PyTorch 0.2 was a tar archive; the reader would take files of either format for one.
    if _is_tar(start):
        raise Refusal("is a tar archive; unpack it if the file is inside")
    is_archive, is_pickle = start.startswith(b"PK\3\4"), start.startswith(b"\x80")
    if path.suffix == ".safetensors":
        if is_archive or is_pickle:
            raise Refusal("is not a safetensors file; if it is a checkpoint of PyTorch, rename it to .ckpt")
        raise Refusal(f"is damaged or not a safetensors file (it begins with {start[:16]!r})")
    if is_archive:
        return _read_archive
    if is_pickle:
        return _read_old_format
    raise Refusal(f"is not a PyTorch checkpoint (it begins with {start[:16]!r})")


def _is_tar(start: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(start, tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    with path.open("rb") as file:
        header_length = int.from_bytes(file.read(8), "little")
    if header_length > _MAX_SAFETENSORS_HEADER_BYTES:
        raise Refusal(f"has a header of {header_length} bytes, more than {_MAX_SAFETENSORS_HEADER_BYTES}")
    return load_file(path)


def _read_archive(path: Path, skip_checksums: bool) -> Any:
    records = list_records(path)
    if not skip_checksums:
        check_checksums(path, records)
    with path.open("rb") as file:
        file.seek(records["data.pkl"].start)
        scan = PickleScan(file.read(records["data.pkl"].size))
    scan.read_next()
    for key, storage in scan.storages.items():
        record = records.get(f"data/{key}")
        if record is None or storage.nbytes > record.size:
            held = "no record of it" if record is None else f"{record.size}"
            raise Refusal(f"declares {storage.nbytes} bytes of weights as its storage {key!r:.120}, but holds {held}")
    # Mapped into memory, the optimiser's state, twice the size of the weights, is never read.
    return _load(path, scan.protocol, mmap=True)


def _read_old_format(path: Path) -> Any:
    """Content of a file from before PyTorch 1.6: five pickles, then for each storage its length and its bytes."""
    with path.open("rb") as file:
        scan = PickleScan(file.read(MAX_PICKLE_BYTES))
    if scan.read_next() != _TORCH_MAGIC_NUMBER or scan.read_next() != _TORCH_PROTOCOL_VERSION:
        raise Refusal("is not a PyTorch checkpoint (it is a pickle of something else)")
    scan.read_next()  # describes the machine that wrote it
    scan.read_next()
    stored_keys = scan.read_next()
    if stored_keys != sorted(scan.storages):
        raise Refusal("is damaged or truncated: the storages that it lists are not those of its tensors")
    declared = sum(8 + storage.nbytes for storage in scan.storages.values())
    held = path.stat().st_size - scan.position
    if declared > held:
        raise Refusal(f"is damaged or truncated: it declares {declared} bytes of weights, but holds {held}")
    return _load(path, scan.protocol, mmap=False)


def _load(path: Path, protocol: int, mmap: bool) -> Any:
    if protocol != 2:
        raise Refusal(f"is pickled in protocol {protocol}; only torch.save's own, protocol 2, can be read safely")
    allowed = torch.serialization.safe_globals([(stand_in, name) for name, stand_in in STAND_INS.items()])
    with allowed, warnings.catch_warnings(action="ignore"):  # what matters of a warning is an error here
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)


def _warn_of_damage(path: Path, state_dict: Mapping[str, torch.Tensor]):
    implausible = [f"{name} ({what})" for name, what in find_implausible(state_dict)]
    if implausible:
        more = f" and {len(implausible) - 10} more" if len(implausible) > 10 else ""
        logger.warning_once(
            f"{path} was not compared with checksums, and these of its tensors look damaged: "
            f"{', '.join(implausible[:10])}{more}. Compare it with another copy."
        )


def _find_state_dict(content: Mapping, path: Path) -> Mapping:
    for name in ("state_dict", "module", "model"):  # Lightning, DeepSpeed, DeiT
        if isinstance(content.get(name), Mapping):
            return content[name]
    if any(isinstance(value, torch.Tensor) for value in content.values()):
        return content
    held = ", ".join(f"{key!r:.40}" for key in itertools.islice(content, 10)) or "nothing"
    raise ConversionError(f"{path} holds no state_dict; it holds {held}.")


def _check_state_dict(state_dict: Mapping, size_of_file: int) -> dict[str, torch.Tensor]:
    for key, value in state_dict.items():
        if not isinstance(key, str) or not key.isprintable():
            raise Refusal(f"holds the weight {key!r:.120}, but expected a printable name")
        if not isinstance(value, torch.Tensor):
            raise Refusal(f"holds {key!r:.120}, which is a {type(value).__name__}, but expected a tensor")
        if value.dtype not in STORAGE_TYPES.values():
            raise Refusal(f"holds {key!r:.120} in {value.dtype}, which is not read")
    # Conversion copies each tensor, so they may not be the same bytes over and over.
    declared = sum(value.nbytes for value in state_dict.values())
    if declared > _MAX_USES_OF_STORED_BYTES * size_of_file:
        raise Refusal(f"declares {declared} bytes of weights, many times its own {size_of_file}: they share memory")
    prefix = "module." if all(key.startswith("module.") for key in state_dict) else ""
    return {key.removeprefix(prefix): value.detach() for key, value in state_dict.items()}


def _find_hyper_parameters(content: Mapping) -> dict[str, Any]:
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
    return value is None or isinstance(value, str | float | list | tuple | Mapping)
