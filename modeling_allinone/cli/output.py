# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What commands print: a table for people, or JSON."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from ..training.command_line import run_script, show_json

if TYPE_CHECKING:
    from ..evaluation.predictor import Prediction


def show_predictions(rows: Sequence[Mapping[str, Any]], predictions: Sequence["Prediction"], as_json: bool):
    """
    Print predictions.

    Args:
        rows (sequence of mappings): What each is about, as a row of `answers.jsonl` has it.
        predictions (sequence of [`Prediction`]): One for each row.
        as_json (`bool`): Whether to print a list of rows with `answer`, `score` and `top_k`.
    """
    if as_json:
        show_json([{**row, **asdict(prediction)} for row, prediction in zip(rows, predictions, strict=True)])
        return
    for row, prediction in zip(rows, predictions, strict=True):
        typer.echo(row.get("question") or row.get("text") or row["video"])
        show_pairs([(entry["answer"], f"{entry['score']:6.1%}{_time_of(entry)}") for entry in prediction.top_k])


def _time_of(entry: Mapping[str, Any]) -> str:
    """When an answer is seen, where it is known."""
    from ..data.video_windows import show_time

    return f"  {show_time(entry['start'])}-{show_time(entry['end'])}" if "start" in entry else ""


def show_pairs(pairs: Sequence[tuple[str, Any]]):
    """
    Print two columns.

    Args:
        pairs (sequence of pairs): What stands in each line.
    """
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        typer.echo(f"  {name:{width}}  {value}")


def run_as(context: typer.Context, run: Callable[[list[str]], Any], arguments: list[str]) -> Any:
    """
    Run a script, whose usage and errors then have the name of the command.

    Args:
        context (`typer.Context`): Of the command.
        run (callable): See [`run_script`].
        arguments (`list` of `str`)

    Returns:
        What it returned.
    """
    sys.argv[0] = context.command_path
    return run_script(run, arguments)
