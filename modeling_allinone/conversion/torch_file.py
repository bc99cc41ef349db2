# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Files of `torch.save`, read without calling anything that they ask for.

A pickle calls what it names. PyTorch's `weights_only` reader allows harmless names alone, but calls them with whatever
the file says: a hundred bytes make it hash a tuple for ever or overrun its stack, and copies of a text fill the
memory. Here a pickle makes numbers, texts, lists and dictionaries. For a tensor it leaves a [`StoredTensor`], which is
mapped from the file when it is asked for.
"""

import io
import pickle
import pickletools
import re
import struct
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

# A full-size checkpoint with the state of its optimiser has 700 records, which the archive lists in 50 kB, and a
# pickle of 20 thousand instructions in 150 kB.
_MAX_BYTES_AT_ONCE = 1 << 22
_MAX_INSTRUCTIONS = 1 << 19
_MAX_ARGUMENTS, _MAX_DIMENSIONS = 64, 8

_HEADER = struct.Struct("<26x2H")  # of an archive entry, which ends with the lengths of what follows it

_MAGIC_NUMBER, _PROTOCOL_VERSION = 0x1950A86A20F9469CFC6C, 1001  # first in a file from before PyTorch 1.6

DTYPES_OF_STORAGES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_DROPPED = object()


class Refusal(ValueError):
    """Why a file is not read; the message completes a sentence that begins with the file's name."""


@dataclass
class Storage:
    """A run of elements in the file, which tensors are views of."""

    dtype: torch.dtype
    numel: int
    read: Callable[[], torch.UntypedStorage] = field(init=False)

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.itemsize

    @cached_property
    def data(self) -> torch.UntypedStorage:
        """The bytes, once for all tensors that are views of it."""
        return self.read()


class StoredTensor(NamedTuple):
    """Where a tensor lies: its storage, and what `torch.as_strided` is given."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def load(self) -> torch.Tensor:
        """The tensor, mapped into memory or read; PyTorch raises an error if it reaches beyond its storage."""
        elements = torch.empty(0, dtype=self.storage.dtype).set_(self.storage.data)
        return elements.as_strided(self.size, self.stride, self.offset)


def read_archive(path: Path, skip_checksums: bool = False) -> Any:
    """
    Read a file of `torch.save`, a zip archive in which nothing is compressed.

    Args:
        path (`Path`): The file.
        skip_checksums (`bool`, defaults to `False`): Whether to read it without comparing its records with their
            checksums (CRC-32).

    Returns:
        What was saved, with [`StoredTensor`]s in place of tensors.

    Raises:
        Refusal: If it is no such file, if it asks for what no checkpoint needs, or if a record differs from its
            checksum.
        Exception: Of any kind, if it is damaged.
    """
    with _BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        folder = entries[0].filename.partition("/")[0] + "/"
        names = {entry.filename.removeprefix(folder) for entry in entries}
        if "constants.pkl" in names or any(name.startswith("code/") for name in names):
            raise Refusal("is a TorchScript archive, which is code; save the state_dict of the model and convert that")
        if "data.pkl" not in names:
            raise Refusal(
                "is a zip archive without data.pkl, so not one of torch.save; unpack it if the file is inside"
            )
        if len(names) < len(entries):
            raise Refusal("lists a record of its archive twice")
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise Refusal(f"holds the archive entry {entry.filename!r:.120}, which is not stored as it is")
        if not skip_checksums:
            if not any(entry.CRC for entry in entries):
                raise Refusal(
                    "has no checksums, as torch.save writes it after set_crc32_options(False); pass --skip-checksums "
                    "to read it unchecked"
                )
            if (damaged := archive.testzip()) is not None:
                raise Refusal(
                    f"is damaged: its record {damaged.removeprefix(folder)!r:.120} differs from its checksum; get the "
                    "file anew, or pass --skip-checksums to read it as it is"
                )
        places = {entry.filename.removeprefix(folder): file.find_content(entry) for entry in entries}
        if "byteorder" in places and file.read_at(places["byteorder"]).decode() != sys.byteorder:
            raise Refusal("was written on a machine with another order of bytes")
        unpickler = _Unpickler(file.read_at(places["data.pkl"]))
    content = unpickler.load_next()
    whole = torch.UntypedStorage.from_file(str(path), False, path.stat().st_size)
    for key, storage in unpickler.storages.items():
        place = places.get(f"data/{key}", slice(0, 0))
        if (held := place.stop - place.start) < storage.nbytes:
            raise Refusal(f"declares {storage.nbytes} bytes of weights as its storage {key!r:.120}, but holds {held}")
        storage.read = partial(whole.__getitem__, place)
    return content


def read_old_format(path: Path) -> Any:
    """
    Read a file from before PyTorch 1.6: five pickles, then for each storage its length and its bytes.

    Args:
        path (`Path`): The file.

    Returns:
        What was saved, with [`StoredTensor`]s in place of tensors.

    Raises:
        Refusal: If it is no such file, or if it asks for what no checkpoint needs.
        Exception: Of any kind, if it is damaged.
    """
    with path.open("rb") as file:
        unpickler = _Unpickler(file.read(_MAX_BYTES_AT_ONCE))
        if unpickler.load_next() != _MAGIC_NUMBER or unpickler.load_next() != _PROTOCOL_VERSION:
            raise Refusal("is not a PyTorch checkpoint (it is a pickle of something else)")
        unpickler.load_next()  # describes the machine that wrote it
        content, keys = unpickler.load_next(), unpickler.load_next()
        if keys != sorted(unpickler.storages):
            raise Refusal("is damaged or truncated: the storages that it lists are not those of its tensors")
        end = unpickler.position
        for storage in (unpickler.storages[key] for key in keys):
            file.seek(end)
            start, end = end + 8, end + 8 + storage.nbytes
            if int.from_bytes(file.read(8), "little") != storage.numel or end > path.stat().st_size:
                raise Refusal(f"is damaged or truncated: it declares {storage.nbytes} bytes that it does not hold")
            storage.read = partial(_read_storage, path, start, storage.nbytes)
    return content


def _read_storage(path: Path, start: int, nbytes: int) -> torch.UntypedStorage:
    """Bytes of an old file, where they lie anywhere, and not where elements of their type may be mapped."""
    data = torch.empty(nbytes, dtype=torch.uint8)
    with path.open("rb") as file:
        file.seek(start)
        file.readinto(data.numpy().data)
    return data.untyped_storage()


class _BoundedFile(io.FileIO):
    """A file of which nobody reads a lot at once, whatever length it says."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_BYTES_AT_ONCE:
            raise Refusal(f"has {size} bytes of pickle or archive entries, more than {_MAX_BYTES_AT_ONCE}")
        return super().read(size) or b""

    def read_at(self, place: slice) -> bytes:
        self.seek(place.start)
        return self.read(place.stop - place.start)

    def find_content(self, entry: zipfile.ZipInfo) -> slice:
        """Where the content of an archive entry lies: behind its own header, with a name and fields of any length."""
        start = entry.header_offset + _HEADER.size
        start += sum(_HEADER.unpack(self.read_at(slice(entry.header_offset, start))))
        return slice(start, start + entry.file_size)


def _drop(*_: Any) -> object:
    """Takes the place of what conversion has no use for."""
    return _DROPPED


def _make_dictionary(*arguments: Any) -> dict:
    """
    Takes the place of a class derived from `dict`.

    A dictionary that is given is taken as it is. A copy of it could be asked for any number of times.
    """
    match arguments:
        case (dict() as given,):
            return given
        case () | (Callable(),):  # of a defaultdict, what it makes
            return {}
    raise Refusal("makes a dictionary in a way that torch.save does not")


def _make_list(*arguments: Any) -> list:
    """Takes the place of a class derived from `list`, as `_make_dictionary` does for dictionaries."""
    match arguments:
        case (list() as given,):
            return given
        case ():
            return []
    raise Refusal("makes a list in a way that torch.save does not")


def _make_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor:
    if not isinstance(storage, Storage) or type(size) is not tuple or len(size) > _MAX_DIMENSIONS:
        raise Refusal("declares a tensor in a way that torch.save does not")
    return StoredTensor(storage, offset, size, stride)


def _make_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


# The classes of Lightning, sacred, argparse and NumPy that real checkpoints hold beside their weights, and what takes
# their places. Pickles of torch.save name things as Python 2 did.
_STAND_INS = (
    (r"torch\._utils\._rebuild_tensor_v2", _make_tensor),
    (r"torch\._utils\._rebuild_parameter", _make_parameter),
    (r"sacred\.config\.custom_containers\.(ReadOnly|Dogmatic)Dict|\w+(\.\w+)+\.AttributeDict", _make_dictionary),
    (r"collections\.(OrderedDict|defaultdict)|(builtins|__builtin__)\.dict", _make_dictionary),
    (r"sacred\.config\.custom_containers\.(ReadOnly|Dogmatic)List|(builtins|__builtin__)\.list", _make_list),
    (r"torch\.Size|collections\.Counter|(builtins|__builtin__)\.set|_codecs\.encode", _drop),
    (r"numpy\.(dtype|ndarray)|numpy\._?core\.multiarray\.(scalar|_reconstruct)", _drop),
    (r"argparse\.Namespace|pathlib\.\w*Path|(pytorch_lightning|lightning\.pytorch)\.callbacks(\.\w+)+", _drop),
)

_INSTRUCTIONS = {
    *("PROTO", "FRAME", "STOP", "MARK", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET"),
    *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"),
    *("GLOBAL", "STACK_GLOBAL", "BINPERSID", "REDUCE", "NEWOBJ", "BUILD"),
}


class _Unpickler(pickle._Unpickler):
    """
    Reads the pickles at the beginning of some data, one after the other.

    Of Python's two readers it is the one whose instructions can be replaced: those that call, fill a dictionary or
    set a state.

    Args:
        data (`bytes`): What follows the pickles is not looked at.
    """

    stack: list[Any]
    memo: dict[int, Any]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, data: bytes):
        self._data = io.BytesIO(data)
        super().__init__(self._data)
        self.storages: dict[str, Storage] = {}

    @property
    def position(self) -> int:
        """Where the next pickle begins."""
        return self._data.tell()

    def load_next(self) -> Any:
        start = self.position
        for count, (instruction, _, _) in enumerate(pickletools.genops(self._data)):
            if instruction.name not in _INSTRUCTIONS:
                raise Refusal(f"holds the pickle instruction {instruction.name}, which torch.save does not write")
            if count == _MAX_INSTRUCTIONS:
                raise Refusal(f"has more than {_MAX_INSTRUCTIONS} pickle instructions, which no checkpoint needs")
        self._data.seek(start)
        self.memo = {}
        return self.load()

    def find_class(self, module: str, name: str) -> Any:
        found = f"{module}.{name}"
        for pattern, stand_in in _STAND_INS:
            if re.fullmatch(pattern, found):
                return stand_in
        if found in DTYPES_OF_STORAGES:
            return DTYPES_OF_STORAGES[found]
        raise Refusal(
            f"asks for {found if found.isprintable() else ascii(found):.120}, which no checkpoint of the original "
            "needs and which could run code or fill the memory; nothing was loaded. If you trust the file, save its "
            "state_dict alone and convert that"
        )

    def persistent_load(self, pid: Any) -> Storage:
        match pid:
            # The last, only in the format from before PyTorch 1.6, was for views once.
            case ("storage", torch.dtype() as dtype, str(key), str(), int(numel), *rest) if rest in ([], [None]):
                storage = self.storages.setdefault(key, Storage(dtype, numel))
                if (storage.dtype, storage.numel) == (dtype, numel) and numel >= 0:
                    return storage
        raise Refusal("declares a storage of tensors in a way that torch.save does not")

    def load_reduce(self):
        arguments, function = self.stack.pop(), self.stack.pop()
        if not callable(function) or type(arguments) is not tuple or len(arguments) > _MAX_ARGUMENTS:
            raise Refusal("calls something in a way that torch.save does not")
        self.stack.append(function(*arguments))

    def load_build(self):
        self.stack.pop()  # the state of an object that is not made

    def load_setitem(self):
        value, key = self.stack.pop(), self.stack.pop()
        self._fill(self.stack[-1], [key, value])

    def load_setitems(self):
        items = self.pop_mark()
        self._fill(self.stack[-1], items)

    def _fill(self, target: Any, items: list[Any]):
        if type(target) is not dict:
            raise Refusal(f"sets items of a {type(target).__name__}, but expected a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Tuples can be nested so that looking one up takes for ever, large integers chosen so that they collide.
            is_small = abs(key) < 1 << 60 if isinstance(key, int) else key is None or isinstance(key, str)
            if not is_small and not callable(key):
                raise Refusal(f"has a key of type {type(key).__name__}, but expected a string or a small integer")
            target[key] = value

    dispatch = {  # type: ignore[assignment]  # that of the other reader, says typeshed
        code: pickle._Unpickler.dispatch[code]
        for code in (ord(opcode.code) for opcode in pickletools.opcodes if opcode.name in _INSTRUCTIONS)
    } | {
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_reduce,
        pickle.BUILD[0]: load_build,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
    }
