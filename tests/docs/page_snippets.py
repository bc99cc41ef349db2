# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The snippets of a page in Markdown, and what runs each as a reader would, though in this process: it has torch."""

import os
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import yaml
from accelerate.commands.launch import launch_command_parser
from markdown_it import MarkdownIt
from torch.distributed.run import get_args_parser

from modeling_allinone.training.arguments import DataArguments, ModelArguments, parse_recipe
from modeling_allinone.training.pretraining_arguments import (
    EvaluationArguments,
    ObjectiveArguments,
    PreTrainingArguments,
    SourceArguments,
)
from modeling_allinone.training.tasks import parse_task

ROOT = Path(__file__).parents[2]
SHOWN = {"", "text", "csv", "json", "bibtex"}  # languages of what is looked at: files, outputs, drawings
# In prose, a command is what starts so and goes on; "…" stands for what the reader fills in.
COMMAND = re.compile(
    r"(\w+=\S+ )*(python (\S+\.py|-[cm] \S+) |allinone \w+ |torchrun .*(\.py| -m )|make |pip \w+ |pytest )\S"
)
# A block that is a file says so: # run.py, started as …: python run.py RECIPE --option …
IS_A_FILE = re.compile(r"# \S+\.py\b.*: (python (\S+\.py)\b[^…\n]*)")


@dataclass(frozen=True)
class Snippet:
    """A block of Python or YAML, or one command."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}, line {self.line}: {self.text}"


def read_snippets(page: Path) -> Iterator[Snippet]:
    """All snippets of a page in their order."""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "fence" and token.info == "bash":
            for command in re.finditer(r"(.*\\\n)*.*\n", token.content):
                if shlex.split(command[0], comments=True):
                    text = " ".join(command[0].replace("\\\n", " ").split())
                    yield Snippet(page, line + 1 + token.content.count("\n", 0, command.start()), "bash", text)
        elif token.type == "fence" and token.info not in SHOWN:
            yield Snippet(page, line, token.info, token.content)
            if command := IS_A_FILE.match(token.content):
                yield Snippet(page, line, "bash", command[1].strip())
        for child in token.children or ():
            if child.type == "code_inline" and COMMAND.match(child.content) and "…" not in child.content:
                yield Snippet(page, line, "bash", child.content)


def run_snippet(snippet: Snippet, options: list[str], names: dict) -> None:
    """Run a snippet in the current folder, a command with further options; Python finds and leaves variables."""
    if snippet.language == "python":
        if file := IS_A_FILE.match(snippet.text):
            Path(file[2]).write_text(snippet.text, encoding="utf-8")
        else:
            exec(compile_snippet(snippet), names)
    elif snippet.language == "yaml":
        parse_yaml(snippet, options)
    elif snippet.language == "bash":
        settings, command = split_command(snippet.text)
        os.environ.update(settings)
        if command:
            status = run_python([*python_arguments(command), *options])
            assert status == 0, f"exit status {status}"
    else:
        raise ValueError(f"language is {snippet.language!r}; expected python, bash, yaml or one of {SHOWN}")


def check_snippet(snippet: Snippet, capsys) -> None:
    """Look at what is not run: Python compiles, a command is there and has the options that it is given."""
    if snippet.language == "python":
        compile_snippet(snippet)
        return
    _, (program, *arguments) = split_command(snippet.text)
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), "no such target"
    elif program not in ("pip", "pytest", ".venv/bin/python", ".venv/bin/pip", ".venv/bin/pre-commit"):
        command = python_arguments([program, *arguments])
        target = command[: 1 + command[0].startswith("-") + ("modeling_allinone" in command[:2])]
        capsys.readouterr()
        assert 0 in (run_python([*target, flag]) for flag in ("--help-all", "--help")), "no help"
        known = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
        given = {argument.partition("=")[0] for argument in command if argument.startswith("--")}
        assert given <= known, f"unknown options {given - known}"


def compile_snippet(snippet: Snippet):
    """The code of a block, whose lines in a traceback are those of the page."""
    return compile("\n" * snippet.line + snippet.text, str(snippet.page), "exec")


def parse_yaml(snippet: Snippet, options: list[str]) -> None:
    """Read a recipe as the script of its task does."""
    Path("snippet.yaml").write_text(snippet.text, encoding="utf-8")
    if yaml.safe_load(snippet.text).get("task", "pretraining") != "pretraining":
        parse_task(None, ["snippet.yaml", *options])
        return
    classes = (ModelArguments, DataArguments, SourceArguments, ObjectiveArguments, EvaluationArguments)
    arguments = ["snippet.yaml", *options]
    parse_recipe(*classes, PreTrainingArguments, description=None, arguments=arguments, task="pretraining")


def split_command(text: str) -> tuple[dict[str, str], list[str]]:
    """Variables that a command sets, and its words."""
    words = shlex.split(text, comments=True)
    words = words[words[0] == "export" :]
    settings = list(takewhile(lambda word: re.match(r"\w+=", word), words))
    return dict(setting.split("=", 1) for setting in settings), words[len(settings) :]


def python_arguments(command: list[str]) -> list[str]:
    """What python is given to run a command as one process; the options of what starts several are only read."""
    program, arguments = Path(command[0]).name, command[1:]
    if program == "python":
        return arguments
    if program == "allinone":
        return ["-m", "modeling_allinone", *arguments]
    if program == "srun":
        return python_arguments(command[command.index("torchrun") :])
    if program == "torchrun":
        launch = get_args_parser().parse_args(arguments)
    elif program == "accelerate" and arguments[0] == "launch":
        launch = launch_command_parser().parse_args(arguments[1:])
        assert launch.config_file is None or Path(launch.config_file).is_file(), launch.config_file
    else:
        raise ValueError(f"{program} is none of the programs that are run here: say how, or list the command")
    return ["-m"] * launch.module + [launch.training_script, *launch.training_script_args]


def run_python(arguments: list[str]) -> int | str:
    """The exit status of `python ARGUMENTS`."""
    first, *others = arguments
    try:
        if first == "-c":
            exec(others[0], {"__name__": "__main__"})
            return 0
        if first == "-m":
            sys.argv[:] = others
            runpy.run_module(others[0], run_name="__main__", alter_sys=True)
            return 0
        sys.argv[:] = arguments
        sys.path.insert(0, str(Path(first).parent.absolute()))
        runpy.run_path(first, run_name="__main__")
    except SystemExit as ended:
        return ended.code or 0
    return 0
