# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Arguments and options that commands share, and how a command line is read."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from transformers.utils import logging
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from ..evaluation.predictor import Predictor

Video = Annotated[
    str, typer.Argument(metavar="VIDEO", help="A video, an image, a folder of frames, or a URL.", show_default=False)
]
Model = Annotated[
    str,
    typer.Option("--model", "-m", metavar="MODEL", help="Folder of a trained model, or a repository of the Hub."),
]
Device = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="cpu, cuda, cuda:1, mps, …", show_default="a GPU if there is one"),
]
Dtype = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="What it computes in, such as bfloat16.", show_default="that of the weights"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]
TopK = Annotated[int, typer.Option(min=1, metavar="N", help="How many answers to show.")]
Start = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Where the clip begins in the video.")]
End = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Where it ends.")]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LABEL...",
        help="Classes to choose from; a name that ends in .txt is a file with a class a line.",
        show_default="those that the model was trained for",
    ),
]
Prompts = Annotated[
    list[str] | None,
    typer.Option(
        "--prompt",
        metavar="TEXT...",
        help="What is read for a class, whose name replaces {}, if the model has no classes of its own; the scores "
        "of several are averaged.",
        show_default="A person is doing {}",
    ),
]
ScoreBy = Annotated[
    str | None,
    typer.Option(
        metavar="pairs|features",
        help="Read each text together with the clip, or both apart, which is faster for many texts and less fine; "
        "for models that can do both.",
        show_default="pairs",
    ),
]
READING = "How clips are read"  # a panel of the help
NumWorkers = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Processes that read clips while the model computes; 0 is none but this.",
        rich_help_panel=READING,
    ),
]
_COLUMNS = "Columns of the file"
MediaDir = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Where relative paths of videos begin.",
        show_default="the folder of the file",
        rich_help_panel=_COLUMNS,
    ),
]


def named_column(field: str, default: str) -> Any:
    """
    An option that names a column.

    Args:
        field (`str`): What stands in it.
        default (`str`): What it is called by default.

    Returns:
        What `typer.Option` returns.
    """
    return typer.Option(f"--{field}-column", metavar="NAME", rich_help_panel=_COLUMNS, show_default=default)


class _WithoutTypes:
    """Help that does not say of what type arguments and flags are, as their names tell."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Arguments and options."""
        parameters = super().get_params(ctx)  # type: ignore[misc]
        for one in parameters:
            if one.param_type_name == "argument" or one.is_flag:
                vars(one)["display_type_rich"] = lambda ctx: ""
        return parameters


class Group(_WithoutTypes, TyperGroup):
    """All commands."""


class Command(_WithoutTypes, TyperCommand):
    """A command whose options of several values take all words up to the next option, as well as one each time."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let each value of such an option have its name before it."""
        options: list[Any] = [one for one in self.params if one.param_type_name == "option"]
        several = {name for one in options if one.multiple for name in one.opts}
        with_value = {name for one in options if not one.is_flag and not one.multiple for name in one.opts}
        spread: list[str] = []
        num_free, doubtful, is_value = 0, None, False
        option, num_values = "", 0
        args = [_decode(word) for word in args]
        for place, word in enumerate([*args, "--"]):
            if is_value and place < len(args):
                is_value = False
                spread.append(word)
                continue
            if word.startswith("-") and len(word) > 1:
                if option and not num_values:
                    raise typer.BadParameter("expected one word or several", ctx, param_hint=option)
                if word == "--":
                    num_free += len(args[place + 1 :])
                    spread += args[place:]
                    break
                name, equals, _ = word.partition("=")
                name = name.replace("_", "-")
                option, num_values = name if name in several else "", len(equals)
                is_value = name in with_value and not equals
                if not option or equals:
                    spread.append(word)
            elif option:
                # The last of several values may be an argument: `--labels ring bar clip.mp4`.
                doubtful = len(spread) if num_values else doubtful
                num_values += 1
                spread += [option, word]
            else:
                num_free += 1
                spread.append(word)
        if doubtful is not None and num_free < sum(
            one.param_type_name == "argument" and one.required for one in self.params
        ):
            del spread[doubtful]
        return super().parse_args(ctx, spread)


def _decode(word: str) -> str:
    """Text of a terminal that does not say that it is UTF-8; names of files stay as the system has them."""
    if word.isascii() or os.path.exists(word):
        return word
    try:
        return os.fsencode(word).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{word!a} is no text in UTF-8, and no file.") from error


def read_labels(words: Iterable[str] | None) -> list[str] | None:
    """
    Classes that a command line names.

    Args:
        words (iterable of `str`, *optional*): Names, and files (`.txt`) with a name a line.

    Returns:
        `list` of `str`, or `None` for none.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If one holds no text, or no names.
    """
    labels: list[str] = []
    for word in words or ():
        if not word.lower().endswith(".txt"):
            labels.append(word)
            continue
        try:
            lines = Path(word).read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{word} is no text in UTF-8 ({error.reason}); expected a class a line.") from error
        except OSError as error:
            raise OSError(f"{word} cannot be read as a file of classes ({error.strerror}).") from error
        names = [line.strip() for line in lines if line.strip()]
        if not names:
            raise ValueError(f"{word} is empty; expected a class a line.")
        labels += names
    return labels or None


def load_predictor(name: str, device: str | None, dtype: str | None, score_by: str | None = None) -> "Predictor":
    """
    Load a model, without a bar for its weights, which takes but a moment.

    Args:
        name, device, dtype, score_by: As in [`Predictor.from_pretrained`].

    Returns:
        [`Predictor`]
    """
    from ..evaluation.predictor import Predictor
    from ..integrations.onnx_model import DESCRIPTION, load_onnx

    if Path(name, DESCRIPTION).is_file():
        if dtype is not None:
            raise ValueError(f"dtype is {dtype!r}, but {name} holds an exported model, which computes as it is.")
        return Predictor(*load_onnx(name, device=device or "cpu"), score_by)
    with without_bars():
        return Predictor.from_pretrained(name, device, dtype, score_by)


@contextmanager
def without_bars() -> Iterator[None]:
    """Show no progress bars for a while."""
    has_bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if has_bar:
            logging.enable_progress_bar()


def locate_clip(video: str, start: float | None, end: float | None) -> dict[str, Any]:
    """
    A clip as a row names it.

    Args:
        video (`str`): Path or URL.
        start, end (`float`, *optional*): Seconds.

    Returns:
        `dict`: `"video"`, and what else was given.
    """
    return {name: value for name, value in (("video", video), ("start", start), ("end", end)) if value is not None}
