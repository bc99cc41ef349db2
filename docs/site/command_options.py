# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The page of every command's options, from the command itself."""

import inspect
import io
import os
from contextlib import redirect_stdout, suppress

import typer

from modeling_allinone.cli.app import app, main

INTRODUCTION = """# All options of all commands

What `allinone COMMAND --help` says. `-` and `_` in the name of an option are the same. [Commands](commands.md) shows
what they are for; `--help-all` of `train` and `evaluate` adds the options of transformers' `TrainingArguments`.
"""


def describe_commands() -> str:
    """The page."""
    commands = typer.main.get_command(app).commands
    return INTRODUCTION + "".join(describe_command(name, command) for name, command in commands.items())


def describe_command(name: str, command) -> str:
    """A section: the options in a table, or the help of a script, whose options are read by argparse."""
    text = f"\n## allinone {name}\n\n"
    if not command.params:
        return f"{text}```text\n{help_of_script(name)}```\n"
    purpose = inspect.cleandoc(command.help or "").split("\n\n")
    text += "\n\n".join(f"```text\n{part}\n```" if part.startswith("allinone ") else part for part in purpose)
    rows = [one.get_help_record(command.make_context(name, [], resilient_parsing=True)) for one in command.params]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return f"{text}\n\n| option | what it does |\n|---|---|\n" + "".join(
        f"| `{option}` | {words} |\n" for option, words in cells
    )


def help_of_script(name: str) -> str:
    """What a script prints about itself, on lines of a hundred characters."""
    columns, printed = os.environ.get("COLUMNS"), io.StringIO()
    os.environ["COLUMNS"] = "100"
    try:
        with redirect_stdout(printed), suppress(SystemExit):
            main([name, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        if columns is not None:
            os.environ["COLUMNS"] = columns
    return printed.getvalue()
