"""Reading pickles that hold nothing but integers, without running code from them."""

import os
import pickle
from pathlib import Path

# The list of MSR-VTT's 1,000 test captions takes some 20 KB; a file that claims to be one has no reason to be huge.
LARGEST_FILE = 2**24


class _PlainUnpickler(pickle.Unpickler):
    """Refuses everything but what the pickle format itself knows: numbers, texts, lists, dictionaries."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which may run code")

    def persistent_load(self, identifier):
        raise pickle.UnpicklingError("it refers to objects outside")


def read_pickled_integers(path: str | os.PathLike) -> list[int] | dict[str, int]:
    """Read integers, in a list or by name.

    Args:
        path (`str` or `os.PathLike`): The pickle.

    Returns:
        `list[int]` or `dict[str, int]`

    Raises:
        ValueError: If the file is no pickle or holds anything else, such as a function, which is not called.

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
        with path.open("rb") as file:
            content = _PlainUnpickler(file, encoding="utf-8").load()
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
