# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Files of answers: JSON lines, each a row with what a model says about it, in the order of the rows."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .embedding import Rows

ANSWER_COLUMNS = ("answer", "score", "top_k")


def keep_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """
    What a line has of its row.

    Args:
        row (mapping): A row of the input.

    Returns:
        `dict`: The row, with its own `answer` as `reference`.

    Example:

    ```python
    >>> keep_columns({"video": "a.mp4", "question": "what runs?", "answer": "a dog"})
    {'video': 'a.mp4', 'question': 'what runs?', 'reference': 'a dog'}

    ```
    """
    if "input_row" in row:  # of `load_rows`, whose other columns are what was made of it
        row = json.loads(row["input_row"])
    kept = {name: value for name, value in row.items() if name not in ANSWER_COLUMNS}
    return kept | {"reference": row["answer"]} if "answer" in row else kept


def to_json(entry: Mapping[str, Any]) -> str:
    """
    A line of JSON, without its end.

    Args:
        entry (mapping): Values of JSON, paths, and numbers of numpy.

    Returns:
        `str`

    Raises:
        TypeError: If a value is none of these.
    """
    return json.dumps(entry, ensure_ascii=False, default=_as_json)


def _as_json(value: Any) -> Any:
    """Paths, and numbers of numpy, as JSON knows them."""
    if isinstance(value, PathLike):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def read_answers(path: Path, rows: Rows) -> list[tuple[bytes, dict[str, Any]]]:
    """
    What a run that was interrupted has written.

    Args:
        path (`Path`): A file of answers. A last line that was cut is left out.
        rows (sequence of mappings): The rows that are asked about.

    Returns:
        `list` of `tuple`: For each of the first rows, its line and what it holds.

    Raises:
        ValueError: If a line is no answer to its row.
    """
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    entries: list[tuple[bytes, dict[str, Any]]] = []
    for number, line in enumerate(lines):
        try:
            entry = json.loads(line)
            kept = {name: value for name, value in entry.items() if name not in ANSWER_COLUMNS}
            is_same = (
                number < len(rows)
                and set(ANSWER_COLUMNS) <= set(entry)
                and to_json(kept) == to_json(keep_columns(rows[number]))
            )
        except (ValueError, AttributeError):
            is_same = False
        if not is_same:
            raise ValueError(
                f"Line {number + 1} of {path} is no answer to row {number} of these rows; give another file, or "
                "remove this one."
            )
        entries.append((line, entry))
    return entries
