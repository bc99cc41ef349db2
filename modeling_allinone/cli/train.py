# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone train`: the scripts that fine-tune and pre-train, whichever the task is of."""

from typing import Any

import typer

from .output import run_as


def train(context: typer.Context):
    """
    Train a model: by a recipe, or on your own videos.

    allinone train --task question-answering --train_file my.csv --model MODEL --output_dir outputs/mine
    """
    from ..recipes import OWN_VIDEOS
    from ..training.scripts.finetune import finetune
    from ..training.scripts.pretrain import pretrain

    arguments = context.args
    if find_task(arguments) == "pretraining":
        run_as(context, pretrain, arguments)
        return
    is_recipe = bool(arguments) and not arguments[0].startswith("-")
    run_as(context, finetune, arguments if is_recipe else [str(OWN_VIDEOS), *arguments])


def find_task(arguments: list[str]) -> Any:
    """
    The task that a command line is about.

    Args:
        arguments (`list` of `str`): A recipe, perhaps, and options.

    Returns:
        `str`, or `None` if neither names one.
    """
    from ..training.arguments import read_recipe

    for place, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--task":
            return value or next(iter(arguments[place + 1 :]), None)
    return read_recipe(arguments[0]).get("task") if arguments and not arguments[0].startswith("-") else None
