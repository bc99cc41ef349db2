# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""One writer at a time in a folder, or of a file."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_NAME = ".lock"


def lock_of(path: Path) -> FileLock:
    """
    What a file that several processes write to is locked by, each for a moment.

    Args:
        path (`Path`): In a folder that exists.

    Returns:
        `FileLock`: It waits, and its file stays, since others may wait for it.
    """
    return FileLock(path.with_name(f".{path.name}.lock"))


@contextmanager
def only_writer(folder: Path, name: str | None = None) -> Iterator[None]:
    """
    Keep other processes that ask likewise from writing in a folder, or to one file of it; the system lets go when this
    process ends.

    Args:
        folder (`Path`): It exists.
        name (`str`, *optional*): A file in it. Default: the whole folder.

    Raises:
        ValueError: If another process is writing there.
    """
    path, written = (folder / LOCK_NAME, folder) if name is None else (folder / f".{name}.lock", folder / name)
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(
            f"Another run is writing to {written}; wait for its end, or give another {'file' if name else 'folder'}."
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows deletes nothing that is open
            path.unlink()
        lock.release()
