# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Processes that share the making of an index."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch

from ..evaluation.embedding import rank_and_world_size

Made = TypeVar("Made")


@contextmanager
def sharing_processes() -> Iterator[str | None]:
    """
    Let the processes that `accelerate launch` or `torchrun` has started share the work.

    Yields:
        `str`, *optional*: The GPU of this process, where there are several processes and GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or torch.distributed.is_initialized():
        yield None
        return
    torch.distributed.init_process_group("gloo", timeout=timedelta(days=7))  # the slowest is waited for
    try:
        number = int(os.environ.get("LOCAL_RANK", "0"))
        yield f"cuda:{number}" if torch.cuda.is_available() and number < torch.cuda.device_count() else None
    finally:
        torch.distributed.destroy_process_group()


def from_first(make: Callable[[], Made]) -> Made:
    """What the first process makes, for all; an error of it is raised in all."""
    process, num_processes = rank_and_world_size()
    if num_processes == 1:
        return make()
    made: list[Any] = [None]
    if process == 0:
        try:
            made = [make()]
        except Exception as error:
            made = [error]
    torch.distributed.broadcast_object_list(made)
    if isinstance(made[0], Exception):
        raise made[0]
    return made[0]


def wait_for_others():
    """Go on once all processes are here."""
    if rank_and_world_size()[1] > 1:
        torch.distributed.barrier()
