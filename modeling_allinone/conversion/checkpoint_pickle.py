# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What a pickle of `torch.save` asks for, found out without doing it.

PyTorch's `weights_only` reader runs no code of a pickle, but it makes every tensor that a pickle declares, however
large, and calls its own functions with whatever they are given. So each pickle is worked through here first,
instruction by instruction as that reader would, with sizes in place of tensors. What gets through holds only what
checkpoints of the original hold, and costs no more memory than its file.
"""

import io
import math
import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch

# The pickle of a full-size checkpoint with the state of its optimiser has 20 thousand instructions in 150 kB.
MAX_PICKLE_BYTES = 1 << 24
_MAX_INSTRUCTIONS = 1 << 19
_MAX_DIMENSIONS = 8


class Refusal(ValueError):
    """Why a file is not read; the message completes a sentence that begins with the file's name."""


class Dropped:
    """Stands for an object that conversion has no use for: takes any arguments and any state and keeps neither."""

    def __init__(self, *arguments, **keywords):
        pass

    def __setstate__(self, state):
        pass


class _PlainDict:
    """
    Stands for a class derived from `dict`: makes a plain dictionary, the only kind that the reader fills.

    A dictionary that is given is taken as it is. A copy of it could be asked for any number of times.
    """

    def __new__(cls, *arguments):
        return arguments[0] if arguments and type(arguments[0]) in (dict, OrderedDict) else OrderedDict()


class _PlainList:
    """Stands for a class derived from `list`, as `_PlainDict` does for dictionaries."""

    def __new__(cls, *arguments):
        return arguments[0] if arguments and type(arguments[0]) is list else []


# The classes of Lightning, sacred, argparse and NumPy that real checkpoints hold beside their weights.
STAND_INS = {
    "sacred.config.custom_containers.ReadOnlyDict": _PlainDict,
    "sacred.config.custom_containers.ReadOnlyList": _PlainList,
    "sacred.config.custom_containers.DogmaticDict": _PlainDict,
    "sacred.config.custom_containers.DogmaticList": _PlainList,
    "pytorch_lightning.utilities.parsing.AttributeDict": _PlainDict,
    "lightning_fabric.utilities.data.AttributeDict": _PlainDict,
    "collections.defaultdict": _PlainDict,
    "builtins.list": _PlainList,
    "builtins.dict": _PlainDict,
    "argparse.Namespace": Dropped,
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint": Dropped,
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping": Dropped,
    "pytorch_lightning.callbacks.lr_monitor.LearningRateMonitor": Dropped,
    "pathlib.Path": Dropped,
    "pathlib.PosixPath": Dropped,
    "pathlib.PurePosixPath": Dropped,
    "pathlib.WindowsPath": Dropped,
    "numpy.dtype": Dropped,
    "numpy.ndarray": Dropped,
    "numpy.core.multiarray.scalar": Dropped,
    "numpy.core.multiarray._reconstruct": Dropped,
    "numpy._core.multiarray.scalar": Dropped,
    "numpy._core.multiarray._reconstruct": Dropped,
}

STORAGE_TYPES = {
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

_REBUILD_TENSOR = "torch._utils._rebuild_tensor_v2"
_REBUILD_PARAMETER = "torch._utils._rebuild_parameter"
_FUNCTIONS = {
    _REBUILD_TENSOR,
    _REBUILD_PARAMETER,
    "torch.Size",
    "collections.OrderedDict",
    "collections.Counter",
    "builtins.set",
    "_codecs.encode",
}


@dataclass(frozen=True)
class Storage:
    """A run of elements in the file, which tensors are views of."""

    key: str
    dtype: torch.dtype
    numel: int

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.itemsize


@dataclass
class _Tensor:
    storage: Storage
    offset: Any
    size: tuple
    stride: tuple
    name: Any = None


@dataclass(frozen=True)
class _Global:
    """A class or function, by its name."""

    name: str


class PickleScan:
    """
    Works through the pickles at the beginning of some data.

    Args:
        data (`bytes`): One pickle after the other; what follows the last one is not looked at.

    Attributes:
        storages (`dict` of `str` to `Storage`): Those declared so far.
        protocol (`int`): The highest protocol of a pickle so far.
        position (`int`): Where in the data the next pickle begins.
    """

    def __init__(self, data: bytes):
        self.storages: dict[str, Storage] = {}
        self.protocol = 0
        self._file = io.BytesIO(data)
        self._instructions_left = _MAX_INSTRUCTIONS
        self._copies_left = len(data)

    @property
    def position(self) -> int:
        return self._file.tell()

    def read_next(self) -> Any:
        """
        The content of the next pickle, with sizes in place of tensors.

        Raises:
            Refusal: If it asks for what no checkpoint of the original needs, or for too much of it.
            Exception: Of any kind, if it is damaged.
        """
        stack, marked, memo, tensors = [], [], {}, []
        for instruction, argument, _ in pickletools.genops(self._file):
            self._instructions_left -= 1
            if self._instructions_left < 0:
                raise Refusal(f"has more than {_MAX_INSTRUCTIONS} pickle instructions, which no checkpoint needs")
            match instruction.name:
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "BINUNICODE" | "SHORT_BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                    stack.append(argument)
                case "NONE":
                    stack.append(None)
                case "NEWTRUE" | "NEWFALSE":
                    stack.append(instruction.name == "NEWTRUE")
                case "MARK":
                    marked.append(stack)
                    stack = []
                case "EMPTY_TUPLE":
                    stack.append(())
                case "TUPLE1" | "TUPLE2" | "TUPLE3":
                    length = int(instruction.name[-1])
                    stack[-length:] = [tuple(stack[-length:])]
                case "TUPLE":
                    items, stack = stack, marked.pop()
                    stack.append(tuple(items))
                case "EMPTY_LIST":
                    stack.append([])
                case "APPEND":
                    item = stack.pop()
                    stack[-1].append(item)
                case "APPENDS":
                    items, stack = stack, marked.pop()
                    stack[-1].extend(items)
                case "EMPTY_DICT":
                    stack.append({})
                case "SETITEM":
                    value, key = stack.pop(), stack.pop()
                    _fill(stack[-1], [key, value])
                case "SETITEMS":
                    items, stack = stack, marked.pop()
                    _fill(stack[-1], items)
                case "GLOBAL":
                    stack.append(_find_global(*argument.split(" ", 1)))
                case "STACK_GLOBAL":
                    name, module = stack.pop(), stack.pop()
                    stack.append(_find_global(module, name))
                case "BINPERSID":
                    stack.append(self._declare_storage(stack.pop()))
                case "REDUCE" | "NEWOBJ":
                    arguments = stack.pop()
                    stack[-1] = self._call(stack[-1], arguments)
                    if isinstance(stack[-1], _Tensor):
                        tensors.append(stack[-1])
                case "BUILD":
                    state = stack.pop()
                    self._set_state(stack[-1], state)
                case "PROTO":
                    self.protocol = max(self.protocol, argument)
                case "FRAME" | "STOP":
                    pass
                case other:
                    raise Refusal(f"holds the pickle instruction {other}, which torch.save does not write")
        for tensor in tensors:
            _check_extent(tensor)
        return stack.pop()

    def _declare_storage(self, description: Any) -> Storage:
        match description:
            # The last, only in the format from before PyTorch 1.6, was for views once.
            case ("storage", _Global(name=kind), str(key), str(), int(numel), *rest) if (
                kind in STORAGE_TYPES and 0 <= numel < 1 << 60 and rest in ([], [None])
            ):
                storage = Storage(key, STORAGE_TYPES[kind], numel)
            case _:
                raise Refusal("declares a storage of tensors in a way that torch.save does not write")
        if self.storages.setdefault(key, storage) != storage:
            raise Refusal(f"declares its storage {key!r:.120} twice, with different sizes or types")
        return storage

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, _Global) or type(arguments) is not tuple:
            raise Refusal("calls what is not a function")
        match function.name, arguments:
            case name, _ if name in STAND_INS:
                return STAND_INS[name](*arguments)
            case name, (Storage() as storage, offset, tuple(size), tuple(stride), _, _) if name == _REBUILD_TENSOR:
                return _Tensor(storage, offset, size, stride)
            case name, (_Tensor() as tensor, _, _) if name == _REBUILD_PARAMETER:
                return tensor
            case "collections.OrderedDict", ():
                return OrderedDict()
            case "torch.Size", (tuple(size),):
                self._copy(len(size))
                return size
            case "builtins.set" | "collections.Counter", (list(items) | dict(items),) if all(map(_is_key, items)):
                self._copy(len(items))
                return set(items)
            case "_codecs.encode", (str(text), "latin1"):
                self._copy(len(text))
                return text.encode("latin1")
            case name, _:
                raise Refusal(f"calls {name} in a way that torch.save does not")

    def _set_state(self, target: Any, state: Any):
        if isinstance(target, Dropped):
            return
        if not isinstance(target, OrderedDict) or not isinstance(state, dict):
            raise Refusal("sets the state of what has none")
        replaced = [name for name in state if hasattr(OrderedDict, str(name))]
        if replaced:
            raise Refusal(f"replaces {replaced[0]!r:.120} of a dictionary")
        self._copy(len(state))

    def _copy(self, length: int):
        """Count a copy. A pickle may ask for any number of them; of an honest one, each byte is copied once."""
        self._copies_left -= length
        if self._copies_left < 0:
            raise Refusal("asks for so many copies that they are larger than its pickle")


def _find_global(module: Any, name: Any) -> _Global:
    if not isinstance(module, str) or not isinstance(name, str):
        raise Refusal("asks for something that has no name")
    # Pickles of torch.save name things as Python 2 did.
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    found = f"{module}.{name}"
    if found not in STAND_INS and found not in STORAGE_TYPES and found not in _FUNCTIONS:
        raise Refusal(
            f"asks for {found if found.isprintable() else ascii(found):.120}, which no checkpoint of the original "
            "needs and which could run code or fill the memory; nothing was loaded. If you trust the file, save its "
            "state_dict alone and convert that"
        )
    return _Global(found)


def _fill(target: Any, items: list):
    if not isinstance(target, dict):
        raise Refusal(f"sets items of a {type(target).__name__}, but expected a dictionary")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not _is_key(key):
            raise Refusal(f"has a key of type {type(key).__name__}, but expected a string, a small integer or a class")
        target[key] = value
        if isinstance(value, _Tensor) and value.name is None:
            value.name = key


def _is_key(value: Any) -> bool:
    """Whether a value is hashed at once. Tuples can be nested so that it takes forever, large integers collide."""
    if isinstance(value, int):
        return abs(value) < 1 << 60
    return value is None or isinstance(value, str | _Global)


def _check_extent(tensor: _Tensor):
    described = "a tensor" if tensor.name is None else f"the tensor {tensor.name!r:.120}"
    numbers = (tensor.offset, *tensor.size, *tensor.stride)
    if (
        not len(tensor.size) == len(tensor.stride) <= _MAX_DIMENSIONS
        or not all(type(number) is int for number in numbers)
        or not all(0 <= number < 1 << 63 for number in numbers)
    ):
        raise Refusal(f"declares {described} with a shape that no tensor has")
    # A stride of 0 gives one element many times.
    numel = math.prod(tensor.size)
    last = tensor.offset + sum((length - 1) * step for length, step in zip(tensor.size, tensor.stride, strict=True))
    if numel > tensor.storage.numel or (numel and last >= tensor.storage.numel):
        raise Refusal(
            f"declares {described} of shape {tensor.size}, stride {tensor.stride} and offset {tensor.offset}, but "
            f"its storage {tensor.storage.key!r:.120} has only {tensor.storage.numel} elements"
        )
