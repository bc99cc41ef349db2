# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The command `allinone`, put together."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer
from transformers.utils import logging

from .. import __version__
from ..training.command_line import exit_status
from .ask import ask
from .train import train

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda token: token.replace("_", "-"),  # --top_k is --top-k
    },
)
# Their options are those of scripts, which read and explain them themselves.
_AS_A_SCRIPT = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

_COMMANDS: dict[str, tuple[Callable[..., Any], ...]] = {
    "A clip": (ask,),
    "Models": (train,),
}
_SCRIPTS = (train,)

for panel, commands in _COMMANDS.items():
    for command in commands:
        settings = _AS_A_SCRIPT if command in _SCRIPTS else None
        app.command(rich_help_panel=panel, no_args_is_help=settings is None, context_settings=settings)(command)


def _show_version(is_asked: bool):
    """Print the version, and be done."""
    if is_asked:
        typer.echo(f"modeling_allinone {__version__}")
        raise typer.Exit


@app.callback()
def allinone(version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True)):
    """
    Ask videos, sort and search them, and train the small video-language model that does it on your own.

    Exit status: 0; 1 if some of it could not be done, which is listed; 2 after a line that says what cannot be used.
    """
    logging.disable_progress_bar()  # of weights, which are loaded in a moment


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    Args:
        arguments (sequence of `str`, *optional*): Default: those of the process.

    Returns:
        `int`: The exit status, where the command does not end the process itself.
    """
    return exit_status(lambda: app(arguments, prog_name="allinone"))


if __name__ == "__main__":
    sys.exit(main())
