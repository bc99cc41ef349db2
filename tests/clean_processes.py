"""
Processes that know nothing of this one, though they need not import the library anew, which takes longer than most of
what is done in them: they are forked from a server that has imported what the package needs, and not the package.
"""

import multiprocessing
import os
import socket
import sys

import torch

SECONDS = 120

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(
    ["transformers.trainer", "transformers.processing_utils", "transformers.image_processing_utils", "evaluate"]
)


def run_without(modules: tuple[str, ...], program: str):
    """Run a program where some modules cannot be imported; raises what it raises."""
    with _server.Pool(1, _hide, (modules,)) as pool:
        pool.apply_async(exec, (program, {})).get(SECONDS)


def run_together(function, *arguments) -> list:
    """What a function of a module returns in each of two processes that train together, as `torchrun` starts them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        place = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    with _server.Pool(2) as pool:
        places = [place | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
        runs = [pool.apply_async(_run_in_place, (place, function, arguments)) for place in places]
        return [run.get(SECONDS) for run in runs]


def _hide(modules: tuple[str, ...]):
    sys.modules.update(dict.fromkeys(modules))


def _run_in_place(place: dict[str, str], function, arguments: tuple):
    os.environ.update(place)
    torch.set_num_threads(1)
    try:
        return function(*arguments)
    finally:  # so that the other does not wait for one that failed
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
