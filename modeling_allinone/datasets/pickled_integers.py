# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Reading pickles that hold nothing but integers, without unpickling them."""

import os
import pickletools
from pathlib import Path
from typing import Any

# The list of MSR-VTT's 1,000 test captions takes some 20 KB; a file that claims to be one has no reason to be huge.
LARGEST_FILE = 2**22

_CONTAINERS = {"EMPTY_LIST", "LIST", "EMPTY_DICT", "DICT"}
_INTEGERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"}
_TEXTS = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"}
# What puts them together, and what is kept for later and, as nothing is there twice, never fetched.
_OTHERS = {
    *("PROTO", "FRAME", "STOP", "MARK", "APPEND", "APPENDS", "SETITEM", "SETITEMS"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
}


def read_pickled_integers(path: str | os.PathLike) -> list[int] | dict[str, int]:
    """Read integers, in a list or by name.

    The instructions of the pickle are read, but not followed: nothing in it can run, or take memory beyond its size.

    Args:
        path (`str` or `os.PathLike`): The pickle.

    Returns:
        `list[int]` or `dict[str, int]`

    Raises:
        ValueError: If the file is no pickle, too large, or holds anything else, such as a function.

    Example:
        >>> import pickle
        >>> with open("numbers.pkl", "wb") as file:
        ...     pickle.dump([3, 0], file)
        >>> read_pickled_integers("numbers.pkl")
        [3, 0]
    """
    path = Path(path)
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path} has {path.stat().st_size} bytes; expected a list of integers, far smaller.")
    containers: list[str] = []
    values: list[Any] = []
    try:
        for instruction, argument, _ in pickletools.genops(path.read_bytes()):
            if instruction.name in _CONTAINERS:
                containers.append(instruction.name)
            elif instruction.name in _INTEGERS | _TEXTS:
                values.append(argument)
            elif instruction.name not in _OTHERS:
                raise ValueError(f"it has the instruction {instruction.name} where a list of integers has none")
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}; expected a pickle of integers.") from error
    is_mapping = containers in (["EMPTY_DICT"], ["DICT"])
    names, numbers = (values[::2], values[1::2]) if is_mapping else ([], values)
    are_integers = all(type(number) is int and abs(number) < 2**63 for number in numbers)
    are_names = len(names) == is_mapping * len(numbers) and all(isinstance(name, str) for name in names)
    if len(containers) != 1 or not are_integers or not are_names:
        raise ValueError(f"{path} holds other things; expected integers, alone or by name.")
    return dict(zip(names, numbers, strict=True)) if is_mapping else numbers
