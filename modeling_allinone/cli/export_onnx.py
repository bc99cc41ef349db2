# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone export-onnx`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, without_bars
from .output import show_json


def export_onnx(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Folder of a model, or a repository of the Hub.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="Folder to write, new or empty.", show_default=False)
    ],
    int8: Annotated[
        bool, typer.Option("--int8", help="Round weights to 8 bits: a smaller, faster and slightly different model.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check", help="Run it on random inputs, and write nothing if its numbers are not the model's."
        ),
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in the folder.")] = False,
    as_json: AsJson = False,
):
    """
    Write a model as ONNX, with its processor and all that is to be known of its inputs and outputs.

    allinone export-onnx my-model my-onnx --int8
    allinone ask clip.mp4 "what moves up?" --model my-onnx
    """
    from ..conversion.conversion_output import cleaning_up
    from ..evaluation.pretrained import load_pretrained
    from ..integrations.onnx_export import export_onnx as export

    with without_bars():
        loaded, processor = load_pretrained(model, device="cpu", dtype="float32")
    with cleaning_up():
        done = export(loaded, processor, output, int8=int8, check=check, overwrite=overwrite)
    if as_json:
        show_json({"output": str(output), **asdict(done)})
        return
    for name in done.files:
        size = sum(part.stat().st_size for part in output.glob(f"{name}*"))
        typer.echo(f"{output / name}  {size / 1e6:.1f} MB")
    if done.largest_difference is None:
        typer.echo("Not checked.")
    else:
        typer.echo(
            f"Checked on random inputs: numbers differ from the model's by {done.largest_difference:.1e} at most, the "
            f"largest being {done.largest_number:.2g}."
        )
