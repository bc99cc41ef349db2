# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone export`."""

import typer

from .output import run_as


def export(context: typer.Context):
    """
    Write a model as a checkpoint that the original's code loads.

    allinone export my-model my-model.ckpt --verify
    """
    from ..conversion.conversion_output import cleaning_up
    from ..conversion.original_export import export as export_model

    arguments = [argument for argument in context.args if argument != "--json"] or ["--help"]
    with cleaning_up():
        run_as(context, lambda _: export_model(arguments), context.args)
