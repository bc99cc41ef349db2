# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a run on the command line leaves there: an exit status, a line of reason after an error, JSON if asked."""

import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import wraps
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers.utils import logging

from ..data.video_loading import DeadWorkerError

logger = logging.get_logger(__name__)

# Packages of the extra `train`, which `pip install modeling_allinone` alone does not bring.
_OF_TRAINING = ("accelerate", "datasets", "evaluate", "matplotlib", "peft", "tensorboard")


def command_line(run: Callable[[list[str]], Any]) -> Callable[..., int]:
    """
    Make the `main` of a script of a function that takes the list of arguments.

    Args:
        run (callable): See [`run_script`].

    Returns:
        callable: Takes a list of arguments (default: those of the process) and returns what [`exit_status`] does.
    """

    @wraps(run)
    def main(arguments: list[str] | None = None) -> int:
        return exit_status(run_script, run, list(sys.argv[1:] if arguments is None else arguments))

    return main


def run_script(run: Callable[[list[str]], Any], arguments: list[str]) -> Any:
    """
    Run a script. With `--json` among its arguments, what it returns is printed as JSON, and nothing else.

    Args:
        run (callable): Takes a list of arguments; returns what is to be known of the run, or `None`.
        arguments (`list` of `str`)

    Returns:
        What it returned.
    """
    if "--json" not in arguments:
        return run(arguments)
    with redirect_stdout(sys.stderr):
        result = run(arguments)
    if result is not None and is_main_process():
        show_json(result)
    return result


def is_main_process() -> bool:
    """
    Whether this process is the one of a run that speaks.

    Returns:
        `bool`
    """
    runs_together = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not runs_together or torch.distributed.get_rank() == 0


def show_json(value: Any):
    """
    Print JSON, which is ASCII where the terminal or file is not UTF-8.

    Args:
        value: Lists, mappings, texts, numbers.
    """
    is_unicode = sys.stdout.encoding.lower().replace("-", "") == "utf8"
    print(json.dumps(value, ensure_ascii=not is_unicode, indent=2), flush=True)


def exit_status(run: Callable[..., Any], *arguments: Any) -> int:
    """
    Run something on behalf of a person.

    Args:
        run (callable): What to run.
        arguments: What it takes.

    Returns:
        `int`: What it returns, if that is a number, else 0; or 2 after one line of reason where what the user gave
        cannot be used, a package is missing, training diverged or a disk is full. With `--log_level debug`, the
        traceback stands before it.
    """
    try:
        result = run(*arguments)
    except (OSError, ValueError, ImportError, StrictDataclassError, SafetensorError, DeadWorkerError) as error:
        logger.debug("The error was raised here:", exc_info=True)
        sys.stderr.write(f"error: {_explain(error)}\n")
        return 2
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        from accelerate.state import PartialState

        PartialState().destroy_process_group()
    return result if isinstance(result, int) else 0


def _explain(error: Exception) -> str:
    """What an error says, in one line; one of a loader's worker holds a traceback with that at its end."""
    lines = [*str(error).splitlines(), *getattr(error, "__notes__", ())]
    if lines and lines[0].startswith("Caught "):
        last = max(number for number, line in enumerate(lines) if line.startswith(" "))
        lines = [lines[last + 1].partition(": ")[2], *lines[last + 2 :]]
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in _OF_TRAINING:
        lines.append('It comes with pip install "modeling_allinone[train]".')
    return " ".join(line.strip() for line in lines if line.strip()) or type(error).__name__
