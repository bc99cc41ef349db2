# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Errors of writing, which the libraries that write models raise each in its own way."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError


@contextmanager
def naming_place(place: str | Path) -> Iterator[None]:
    """
    Turns what libraries raise where a file cannot be written, as on a full disk, into an `OSError` with its place.

    Args:
        place (`str` or `Path`): What is written.

    Raises:
        OSError: If the block fails to write.

    Example:

    ```python
    >>> with naming_place("model.ckpt"):
    ...     raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    Traceback (most recent call last):
    OSError: model.ckpt cannot be written: Error while serializing: I/O error: No space left on device (os error 28)

    ```
    """
    try:
        yield
    except Exception as error:  # tokenizers raises no narrower class
        if not _is_of_writing(error):
            raise
        hint = " (is the disk full?)" if isinstance(error, RuntimeError) else ""
        raise OSError(f"{place} cannot be written{hint}: {error}") from error


def _is_of_writing(error: Exception) -> bool:
    """Whether an error tells that a file could not be written, and not where."""
    if isinstance(error, OSError):
        return error.errno is not None and error.filename is None
    if isinstance(error, RuntimeError):  # of torch
        return "inline_container" in str(error) or "PytorchStreamWriter" in str(error)
    return (isinstance(error, SafetensorError) or type(error) is Exception) and "(os error " in str(error)
