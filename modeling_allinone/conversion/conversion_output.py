# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What the conversion scripts share: where they may write, outputs that appear whole or not at all, exit status."""

import secrets
import shutil
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Any

from ..hub.remote_code import saving_code
from ..hub.writing import naming_place
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.processing_allinone import AllInOneProcessor
from .safe_checkpoint import ConversionError
from .tensor_conversion import DTYPES


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


def add_shared_arguments(parser: ArgumentParser):
    """Add the options that all scripts have."""
    parser.add_argument("--dtype", default="float32", help=f"{', '.join(DTYPES)} (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace an output that is there already")
    parser.add_argument(
        "--skip-checksums",
        action="store_true",
        help="read a file that torch.save wrote without checksums, or read one in spite of them",
    )


def add_model_arguments(parser: ArgumentParser, license: str | None = None) -> Any:
    """
    Add the options of scripts that write a model.

    Args:
        parser (`ArgumentParser`): Gets them.
        license (`str`, *optional*): Licence of the weights where none is given.

    Returns:
        The group of those that stand in the model's card, for more.
    """
    add_shared_arguments(parser)
    parser.add_argument("--num-attention-heads", type=int, metavar="N", help="where the file does not say")
    parser.add_argument(
        "--with-code", action="store_true", help="put the code beside the model, to be loaded with trust_remote_code"
    )
    card = parser.add_argument_group("model card")
    card.add_argument("--name", metavar="REPOSITORY", help="what its code loads (default: OUTPUT_DIR)")
    card.add_argument("--license", default=license, help="licence of the weights (default: %(default)s)")
    return card


def command_line(convert: Callable[..., None]) -> Callable[..., int]:
    """
    Make the `main` of a script out of a function that takes the list of arguments (`None`: those of the process).

    The result returns the exit status: 0, or 2 after one line of reason if the user's input cannot be converted.
    """

    @wraps(convert)
    def main(arguments: list[str] | None = None) -> int:
        # Ended by a job scheduler, it must clean up as it does when interrupted from the keyboard.
        previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            convert(arguments)
        except (ConversionError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        finally:
            signal.signal(signal.SIGTERM, previous)
        return 0

    return main
