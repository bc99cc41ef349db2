"""Reading pickles that hold nothing but integers, without running code from them or giving memory for nothing."""

import io
import os
import pickle
import pickletools
from pathlib import Path

# The list of MSR-VTT's 1,000 test captions takes some 20 KB; a file that claims to be one has no reason to be huge.
LARGEST_FILE = 2**22

# What lists and dictionaries of integers are made of; floats are refused afterwards, by what they are.
_CONTAINERS = {"EMPTY_LIST", "LIST", "EMPTY_DICT", "DICT"}
_INTEGERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"}
_INSTRUCTIONS = {
    *_CONTAINERS,
    *_INTEGERS,
    *("PROTO", "FRAME", "STOP", "MARK", "APPEND", "APPENDS", "SETITEM", "SETITEMS"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
    *("NONE", "NEWTRUE", "NEWFALSE", "FLOAT", "BINFLOAT"),
}
# Where reading ends, because they ask for what is outside; the reader says for what.
_REFUSED = {"GLOBAL", "STACK_GLOBAL", "INST", "PERSID", "BINPERSID"}


class _PlainUnpickler(pickle.Unpickler):
    """Refuses everything but what the pickle format itself knows: numbers, texts, lists, dictionaries."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which may run code")

    def persistent_load(self, identifier):
        raise pickle.UnpicklingError("it refers to objects outside")


def _check_instructions(data: bytes):
    """
    Refuse a pickle for what it tells the reader to do, before that does it: places in its memory far beyond what it
    has to store, lists in lists, and keys of a dictionary that take for ever to look up.
    """
    num_containers = 0
    for instruction, argument, _ in pickletools.genops(data):
        name = instruction.name
        if name in _REFUSED:
            return
        num_containers += name in _CONTAINERS
        if name not in _INSTRUCTIONS or num_containers > 1:
            raise pickle.UnpicklingError(f"it has the instruction {name} where a list of integers has none")
        if "PUT" in name and argument > len(data):
            raise pickle.UnpicklingError(f"it stores something in place {argument} of a memory for {len(data)} things")
        if name in _INTEGERS and not -(1 << 63) <= argument < 1 << 63:
            raise pickle.UnpicklingError("it has an integer of more than 64 bits")


def read_pickled_integers(path: str | os.PathLike) -> list[int] | dict[str, int]:
    """Read integers, in a list or by name.

    Args:
        path (`str` or `os.PathLike`): The pickle.

    Returns:
        `list[int]` or `dict[str, int]`

    Raises:
        ValueError: If the file is no pickle or holds anything else, such as a function, which is not called, or what
            takes more memory or time than a list of its length.

    Example:
        >>> with open("numbers.pkl", "wb") as file:
        ...     pickle.dump([3, 0], file)
        >>> read_pickled_integers("numbers.pkl")
        [3, 0]
    """
    path = Path(path)
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path} has {path.stat().st_size} bytes; expected a list of integers, far smaller.")
    try:
        data = path.read_bytes()
        _check_instructions(data)
        content = _PlainUnpickler(io.BytesIO(data), encoding="utf-8").load()
    # A damaged pickle may fail in any of these ways; nothing of it has run.
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
    ) as e:
        raise ValueError(f"{path} cannot be read: {e}; expected a pickle of integers.") from e
    numbers = list(content.values()) if isinstance(content, dict) else content
    names = list(content) if isinstance(content, dict) else []
    if (
        not isinstance(numbers, list)
        or not all(type(number) is int for number in numbers)
        or not all(isinstance(name, str) for name in names)
    ):
        raise ValueError(
            f"{path} holds a {type(content).__name__} of other things; expected integers, alone or by name."
        )
    return content
