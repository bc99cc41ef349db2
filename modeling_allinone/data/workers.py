# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Work that is shared out to the workers of a data loader."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch.utils.data import DataLoader
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
