# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What the conversion scripts share: where they may write, outputs that appear whole or not at all, exit status."""

import inspect
import re
import secrets
import shutil
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, get_args, get_origin

from ..hub.remote_code import saving_code
from ..hub.writing import naming_place
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.processing_allinone import AllInOneProcessor
from .safe_checkpoint import ConversionError


def check_output_directory(output_dir: Path, source: Path, overwrite: bool):
    """
    Make sure that a directory may be written.

    Args:
        output_dir (`Path`): The directory, resolved.
        source (`Path`): What is being converted, which must not lie in it.
        overwrite (`bool`): Whether files in it may be replaced.

    Raises:
        ConversionError: If it may not.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise ConversionError(f"The output {output_dir} is a file; give a directory.")
    if output_dir.is_dir() and any(output_dir.iterdir()):
        if not overwrite:
            raise ConversionError(f"The output directory {output_dir} is not empty; pass --overwrite to replace it.")
        lived_in = {Path.cwd(), *Path.cwd().parents, Path.home(), *Path.home().parents}
        if output_dir in lived_in:
            raise ConversionError(f"The output directory {output_dir} is no place to replace; give one for the model.")
        if output_dir in (source.resolve(), *source.resolve().parents):
            raise ConversionError(f"{source} lies in the output directory {output_dir} that it would replace.")


@contextmanager
def complete_directory(directory: Path) -> Iterator[Path]:
    """A new directory beside the given one, which takes its place if the block succeeds and vanishes if it fails."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    staging = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
    staging.mkdir()
    try:
        with naming_place(directory):
            yield staging
        if not directory.exists():
            staging.rename(directory)
            return
        retired = staging.with_name(f"{staging.name}.old")
        directory.rename(retired)
        try:
            staging.rename(directory)
        except BaseException:
            retired.rename(directory)
            raise
        shutil.rmtree(retired)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check_output_file(output: Path, sources: Iterable[Path], overwrite: bool):
    """
    Make sure that a file may be written.

    Args:
        output (`Path`): The file, resolved.
        sources (iterable of `Path`): Files that are being converted; it must be none of them.
        overwrite (`bool`): Whether it may replace a file.

    Raises:
        ConversionError: If it may not.
    """
    if output.is_dir():
        raise ConversionError(f"The output {output} is a directory; give a file, such as {output / 'model.ckpt'}.")
    if output.exists() and not output.is_file():
        raise ConversionError(f"The output {output} is no plain file.")
    if output in (source.resolve() for source in sources):
        raise ConversionError(f"The output {output} would replace a part of what is being converted.")
    if output.exists() and not overwrite:
        raise ConversionError(f"The output {output} is there already; pass --overwrite to replace it.")


@contextmanager
def complete_file(file: Path) -> Iterator[Path]:
    """The path of a new file beside the given one, whose place it takes if the block succeeds; else it vanishes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    staging = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with naming_place(file):
            yield staging
        staging.replace(file)
    finally:
        staging.unlink(missing_ok=True)


def save_model(directory: Path, model: AllInOnePreTrainedModel, processor: AllInOneProcessor | None, with_code: bool):
    """
    Save a model and its processor, where there is one.

    Args:
        directory (`Path`): An empty directory.
        model ([`AllInOnePreTrainedModel`])
        processor ([`AllInOneProcessor`], *optional*)
        with_code (`bool`): Whether to put the code that they need beside them.
    """
    with saving_code(model, processor) if with_code else nullcontext():
        model.save_pretrained(directory)
        if processor is not None:
            processor.save_pretrained(directory)


def build_parser(convert: Callable[..., Any], example: str, **choices: Iterable[str]) -> ArgumentParser:
    """
    A parser with an argument for each that a function takes, described as in its docstring.

    Args:
        convert (callable): The function. What has no default is given by place, a flag that is on by default is taken
            back by `--no-…`.
        example (`str`): A command, for the help.
        **choices (iterables of `str`): What there is, for the help, where the docstring does not say.

    Returns:
        `ArgumentParser`
    """
    description, _, rest = (inspect.getdoc(convert) or "").partition("\n\n")
    described = re.findall(r"^    (\w[\w, ]*) \(.*?\): (.*?)(?=^ {0,4}\S|\Z)", rest, re.DOTALL | re.MULTILINE)
    helps = {name: text for names, text in described for name in names.split(", ")}
    parser = ArgumentParser(description=" ".join(description.split()), epilog=f"example: {example}")
    for name, parameter in inspect.signature(convert).parameters.items():
        text = " ".join(re.sub(r"[`~\[\]]", "", helps.get(name, "")).split()).replace("%", "%%")
        text = text.removeprefix("Whether to ")
        if name in choices:
            text += f" There are {', '.join(choices[name])}."
        kind, *_ = get_args(parameter.annotation) or (parameter.annotation,)
        option = name.replace("_", "-")
        if parameter.default is parameter.empty:
            parser.add_argument(name, metavar=name.upper(), help=text)
        elif parameter.default is True:
            option = option.removeprefix("with-")
            parser.add_argument(f"--no-{option}", action="store_false", dest=name, help=f"Do not {text}")
        elif parameter.default is False:
            parser.add_argument(f"--{option}", action="store_true", help=text[:1].upper() + text[1:])
        else:
            several = get_origin(kind) is Sequence
            parser.add_argument(
                f"--{option}",
                type=get_args(kind)[0] if several else kind,
                nargs="+" if several else None,
                default=parameter.default,
                help=text if parameter.default is None else f"{text} (default: %(default)s)",
            )
    return parser


@contextmanager
def cleaning_up() -> Iterator[None]:
    """Ended by a job scheduler in the block, the process cleans up as it does when interrupted from the keyboard."""
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def command_line(convert: Callable[..., Any]) -> Callable[..., int]:
    """
    Make the `main` of a script out of a function that takes the list of arguments (`None`: those of the process).

    The result returns the exit status: 0, or 2 after one line of reason if the user's input cannot be converted.
    """

    @wraps(convert)
    def main(arguments: list[str] | None = None) -> int:
        try:
            with cleaning_up():
                convert(arguments)
        except (ConversionError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        return 0

    return main
