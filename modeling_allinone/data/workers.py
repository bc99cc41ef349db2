# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Work that is shared out to the workers of a data loader."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch.utils.data import DataLoader
from torch.utils.data._utils.signal_handling import _set_SIGCHLD_handler
from transformers.utils import logging

Result = TypeVar("Result")


def map_in_workers(
    function: Callable[[Any], Result], items: Sequence, num_workers: int | None, description: str
) -> list[Result]:
    """
    Apply a function to each of some items, in processes of which [`run_within`] may end one that hangs.

    Args:
        function (`Callable[[Any], Result]`): What is done with an item.
        items (sequence)
        num_workers (`int`, *optional*): Processes; 0 is this one. Default: one for each core.
        description (`str`): What the progress bar says.

    Returns:
        `list` of what the function returned, in the order of the items.

    Example:

    ```python
    >>> map_in_workers(len, ["a", "bcd"], num_workers=0, description="texts")
    [1, 3]

    ```
    """
    num_workers = min((os.cpu_count() or 1) if num_workers is None else num_workers, len(items))
    loader: DataLoader = DataLoader(items, batch_size=None, num_workers=num_workers, collate_fn=function)  # type: ignore[arg-type]  # it takes any sequence
    # Of an iterator, because tqdm asks for one twice, and the workers of both would do the same.
    return list(logging.tqdm(iter(loader), total=len(items), desc=description))


class DeathNotices:
    """
    Of dead workers, as torch gives them: by an error that a handler of signals raises in the midst of whatever this
    process does, also while it deals with a batch that broke off for the same reason. `are_heard = False` keeps them
    away for that time; a loader that is iterated over finds out by itself within seconds.
    """

    def __init__(self):
        self.are_heard = True

    def __enter__(self) -> "DeathNotices":
        # Handlers belong to the main thread, and Windows has none for this.
        self._is_handler = hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread()
        if self._is_handler:
            _set_SIGCHLD_handler()  # the loader's own, which it would put over this one at its first batch
            self._raise = signal.signal(signal.SIGCHLD, self._handle)
        return self

    def __exit__(self, *error):
        if self._is_handler:
            signal.signal(signal.SIGCHLD, self._raise)

    def _handle(self, *notice):
        if self.are_heard:
            self._raise(*notice)
