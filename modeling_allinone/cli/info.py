# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone info`."""

from dataclasses import asdict
from typing import Annotated

import typer

from .options import AsJson
from .output import show_json


def info(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Folder of a model, a repository of the Hub, or a checkpoint of the original (.ckpt, .pth).",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
):
    """
    Say what a checkpoint is: what can be asked of it, its labels, frames, size, and the hash that tells it apart.

    allinone info my-model
    allinone info allinone_base.ckpt
    """
    from ..conversion.checkpoint_info import describe_checkpoint

    described = describe_checkpoint(model)
    if as_json:
        show_json(asdict(described))
    else:
        typer.echo(described)
