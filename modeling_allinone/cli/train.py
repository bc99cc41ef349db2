# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone train`: the scripts that fine-tune and pre-train, whichever the task is of."""

import os
import shlex
from pathlib import Path

import typer

from .output import run_as

_FILES = ("README.md", "results.json", "predictions.jsonl")
_NEXT = {
    "question-answering": (
        'ask clip.mp4 "what is it?" --model {}',
        "predict new.csv --model {} --output answers.jsonl",
    ),
    "multiple-choice": (
        'choose clip.mp4 "a cat" "a dog" --model {}',
        "predict new.csv --model {} --output answers.jsonl",
    ),
    "retrieval": ('choose clip.mp4 "a cat" "a dog" --model {}',),
    "classification": ("classify clip.mp4 --model {}", "predict clips --model {} --output answers.jsonl"),
}


def train(context: typer.Context):
    """
    Train a model: by a recipe, or on your own videos.

    allinone train --task question-answering --train_file my.csv --model MODEL --output_dir outputs/mine
    """
    from ..recipes import OWN_VIDEOS
    from ..training.arguments import find_option, find_recipe_name
    from ..training.command_line import is_main_process
    from ..training.scripts.finetune import finetune
    from ..training.scripts.pretrain import pretrain

    arguments = context.args or ["--help"]
    output_dir = find_output_dir(arguments)
    if find_recipe_name(arguments) is None:
        arguments = [str(OWN_VIDEOS), *arguments, *suit_rate(arguments)]
    elif find_option(arguments, "do_train") is None:
        arguments = [*arguments, "--do_train", "true"]
    task = find_option(arguments, "task")
    run_as(context, pretrain if task == "pretraining" else finetune, arguments)
    if is_main_process() and Path(str(output_dir), "config.json").is_file():
        written = ", ".join(name for name in _FILES if Path(str(output_dir), name).is_file())
        typer.echo(f"{output_dir} holds the model, and {written}. Next:", err=True)
        for command in _NEXT.get(task, ("evaluate --model {} …",)):
            typer.echo(f"  allinone {command.format(shlex.quote(str(output_dir)))}", err=True)


def suit_rate(arguments: list[str]) -> list[str]:
    """
    The learning rate of a model that is narrower or wider than those of the B size, for own videos.

    With Adam, rates of matrices go in inverse proportion to the width: arXiv 2203.03466, table 3.

    Args:
        arguments (`list` of `str`): Options.

    Returns:
        `list` of `str`: Nothing if the rate is given, or the model has that width.
    """
    from ..models.configuration_allinone import AllInOneConfig
    from ..recipes import OWN_VIDEOS
    from ..training.arguments import HELP, find_option, read_recipe
    from ..training.setup import naming_model

    model, given = find_option(arguments, "model_name_or_path"), find_option(arguments, "learning_rate")
    if model is None or given is not None or HELP & set(arguments):
        return []
    with naming_model(model):
        width = AllInOneConfig.from_pretrained(model).hidden_size
    rate, base_width = read_recipe(str(OWN_VIDEOS))["learning_rate"], AllInOneConfig().hidden_size
    if width == base_width:
        return []
    suited = f"{rate * base_width / width:.2g}"
    if os.environ.get("RANK", "0") == "0":
        typer.echo(f"learning_rate is {suited}, {rate:g} times {base_width} / {width}, the width of {model}", err=True)
    return ["--learning_rate", suited]


def find_output_dir(arguments: list[str]) -> str | None:
    """
    Where a run writes.

    Args:
        arguments (`list` of `str`): A recipe, perhaps, and options.

    Returns:
        `str`, or `None` if help is asked for.

    Raises:
        ValueError: If it is not said.
    """
    from ..training.arguments import HELP, find_option

    output_dir = find_option(arguments, "output_dir")
    if output_dir is None and not HELP & set(arguments):
        raise ValueError("There is no output_dir: say where results go, such as --output_dir outputs/mine.")
    return output_dir
