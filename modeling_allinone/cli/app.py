# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The command `allinone`, put together."""

import io
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

import typer
from transformers.utils import logging

from .. import __version__
from ..training.command_line import exit_status
from .ask import ask
from .check import check
from .choose import choose
from .classify import classify
from .convert import convert
from .demo import demo
from .evaluate import evaluate
from .explain import explain
from .export import export
from .export_onnx import export_onnx
from .fill import fill
from .index import index
from .info import info
from .options import Command, Group
from .predict import predict
from .search import search
from .train import train

app = typer.Typer(
    cls=Group,
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
    "A clip": (ask, choose, classify, fill, explain),
    "Many clips": (predict,),
    "Search": (index, search),
    "Training": (check, train, evaluate),
    "Models": (info, convert, export, export_onnx),
    "Page": (demo,),
}
_SCRIPTS = (train, evaluate, convert, export)

for panel, commands in _COMMANDS.items():
    for command in commands:
        if command in _SCRIPTS:
            app.command(rich_help_panel=panel, context_settings=_AS_A_SCRIPT)(command)
        else:
            app.command(rich_help_panel=panel, cls=Command, no_args_is_help=True)(command)

# Every error in a command line, of which typer exports this one.
_UsageError = cast(type[typer.BadParameter], typer.BadParameter.__base__)


def _show_version(is_asked: bool):
    """Print the version, and be done."""
    if is_asked:
        typer.echo(f"modeling_allinone {__version__}")
        raise typer.Exit


@app.callback()
def allinone(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
):
    """
    Ask videos, sort and search them, and train the small video-language model that does it on your own.

    Exit status: 0; 1 if some of it could not be done, which is listed; 2 after a line that says what cannot be used.
    """
    if logging.is_progress_bar_enabled() and not sys.stderr.isatty():
        logging.disable_progress_bar()  # which a file or another program has no use for
        context.call_on_close(logging.enable_progress_bar)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    Args:
        arguments (sequence of `str`, *optional*): Default: those of the process.

    Returns:
        `int`: The exit status, where the command does not end the process itself.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr is, for terminals that are not UTF-8
    return exit_status(_run, arguments)


def _run(arguments: Sequence[str] | None) -> int | None:
    """Run a command, which returns its exit status. A wrong command line ends as wrong input does, in one line."""
    try:
        return app(arguments, prog_name="allinone", standalone_mode=False)
    except _UsageError as error:
        if not (message := " ".join(error.format_message().split())):
            return 2  # after help
        raise ValueError(
            f"{message.rstrip('.')}. See {error.ctx.command_path if error.ctx else 'allinone'} --help."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
