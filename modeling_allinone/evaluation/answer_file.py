# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Files of answers: JSON lines, each a row with what a model says about it, in the order of the rows."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..data.folder_lock import lock_of
from ..data.video_loading import SKIPPED_NAME, name_of
from .embedding import Rows

ANSWER_COLUMNS = ("answer", "score", "top_k")

# Answers to rows that were skipped before are put between the others, which copies the file, so often at most.
_SECONDS_BETWEEN_COPIES = 60.0


def answer_row(row: Mapping[str, Any], best: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    A line of a file of answers.

    Args:
        row (mapping): A row of the input.
        best (sequence of mappings): The best answers, best first, each with `answer` and `score`; none if the clip
            could not be read.

    Returns:
        `dict`: What [`keep_columns`] keeps of the row, with `answer` and `score` of the best answer, which are `None`
        without one, and `top_k`.
    """
    first = best[0] if best else {"answer": None, "score": None}
    return keep_columns(row) | {"answer": first["answer"], "score": first["score"], "top_k": list(best)}


def keep_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """
    What a line has of its row: all of it, under other names where a line has such columns of its own.

    Args:
        row (mapping): A row of the input.

    Returns:
        `dict`: The row, with its own `answer` as `reference`, and with `input_` before the names of `score`, `top_k`,
        and of a `reference` that it has beside an answer.

    Example:

    ```python
    >>> keep_columns({"video": "a.mp4", "answer": "a dog", "score": 7})
    {'video': 'a.mp4', 'reference': 'a dog', 'input_score': 7}

    ```
    """
    if "input_row" in row:  # of `load_rows`, whose other columns are what was made of it
        row = json.loads(row["input_row"])
    taken = {*ANSWER_COLUMNS, *(["reference"] if "answer" in row else [])}
    kept = {}
    for name, value in row.items():
        new = "reference" if name == "answer" else name
        if name != "answer" and name in taken:
            while new in row:
                new = f"input_{new}"
        kept[new] = value
    return kept


def to_line(entry: Mapping[str, Any]) -> bytes:
    """
    A line of strict JSON, with its end.

    Args:
        entry (mapping): Values of JSON, paths, dates, and numbers of numpy. NaN and infinities, which JSON does not
            have, become null.

    Returns:
        `bytes`: UTF-8.

    Raises:
        TypeError: If a value is none of these.
    """
    try:
        text = json.dumps(entry, ensure_ascii=False, allow_nan=False, default=_as_json)
    except ValueError:
        entry = json.loads(json.dumps(entry, default=_as_json), parse_constant=lambda constant: None)
        text = json.dumps(entry, ensure_ascii=False, allow_nan=False)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # the name of a file that is not UTF-8
        return f"{json.dumps(json.loads(text))}\n".encode()


def _as_json(value: Any) -> Any:
    """Paths, dates, and numbers of numpy, as JSON knows them."""
    if isinstance(value, PathLike):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def make_folder_of(output_file: str | Path) -> Path:
    """
    Make the folder of a file that is to be written.

    Args:
        output_file (`str` or `Path`)

    Returns:
        `Path`: The file.

    Raises:
        ValueError: If a folder has this name, or a file that of its folder, or it is where skipped clips are listed.
    """
    path = Path(output_file)
    if path.is_dir():
        raise ValueError(f"output_file {path} is a folder; give a file in it, such as {path / 'answers.jsonl'}.")
    if path.name == SKIPPED_NAME:
        raise ValueError(f"output_file {path} is where skipped clips are listed; give another, such as answers.jsonl.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"output_file is {path}, but {error.filename} is no folder; give another.") from error
    return path


class AnswerFile:
    """
    Answers to rows in a file that grows, and `skipped_clips.jsonl` beside it. Whenever this process is killed, the
    same call goes on: after the last whole line, with a list of the clips of those rows that have no answer.

    Args:
        path (`Path`): A file that is there or not, in a folder that is.
        rows (sequence of mappings): What is asked about.
        retry_skipped (`bool`, defaults to `False`): Whether rows without an answer are asked about once more.

    Attributes:
        number (`int`): How many rows have a line.
        skipped (`set` of `int`): Which of them have no answer.
        samples (`list` of `tuple` of `int` and `dict`): Up to four rows, from the highest score to the lowest, and
            their lines.

    Raises:
        ValueError: If the file holds something else than answers to the first of these rows.
    """

    def __init__(self, path: Path, rows: Rows, retry_skipped: bool = False):
        self.path, self.rows = path, rows
        self.number = 0
        self.skipped: set[int] = set()
        self.samples: list[tuple[int, dict[str, Any]]] = []
        self._listed: set[bytes] = set()
        self._replaced: dict[int, bytes] = {}
        self._copied = time.monotonic()
        self._read()
        self._waiting = dict.fromkeys(sorted(self.skipped)) if retry_skipped else {}

    def resume(self) -> Sequence[int]:
        """
        Find out anew what the files hold, and remove a line that was cut, and what is listed but not written.

        Returns:
            sequence of `int`: The rows that have to be asked about.
        """
        self.put_replaced()
        size = self._read()
        self.path.touch()
        os.truncate(self.path, size)
        self._tidy_list()
        rest = range(self.number, len(self.rows))
        return [*self._waiting, *rest] if self._waiting else rest

    def add(self, places: Sequence[int], lines: Sequence[Mapping[str, Any]], reasons: Mapping[int, str]):
        """
        Write answers to some of the rows that [`~AnswerFile.resume`] returned, in its order.

        Args:
            places (sequence of `int`): The rows.
            lines (sequence of mappings): Their lines.
            reasons (mapping of `int` to `str`): Why those of them without an answer have none.

        Raises:
            OSError: If the disk is full.
        """
        for place, reason in reasons.items():
            self._list(self.rows[place], reason)
        new = b""
        for place, entry in zip(places, lines, strict=True):
            if place < self.number:
                self._replaced[place] = to_line(entry)
                self._waiting.pop(place, None)
            else:
                new += to_line(entry)
            (self.skipped.add if entry["answer"] is None else self.skipped.discard)(place)
        if not self._waiting or time.monotonic() - self._copied > _SECONDS_BETWEEN_COPIES:
            self.put_replaced()
        self._append(self.path, new)
        self.number = max(self.number, places[-1] + 1)

    def put_replaced(self):
        """Put new answers in place of the lines of rows that were skipped before."""
        if not self._replaced:
            return
        copy = self.path.with_name(f".{self.path.name}.new")
        with self.path.open("rb") as old, copy.open("wb") as new:
            new.writelines(self._replaced.get(number, line) for number, line in enumerate(old))
        copy.replace(self.path)
        self._replaced, self._copied = {}, time.monotonic()
        self._tidy_list()

    def _read(self) -> int:
        """Check the lines of the file against the rows; returns how many bytes the whole ones have."""
        self.number, self.skipped, self.samples = 0, set(), []
        size, answered = 0, []
        if not self.path.exists():
            return size
        with self.path.open("rb") as file:
            for line in file:
                if (entry := self._check(line)) is None:  # cut
                    break
                if entry["answer"] is None:
                    self.skipped.add(self.number)
                else:
                    answered.append((entry["score"], self.number, size))
                self.number += 1
                size += len(line)
            answered.sort(reverse=True)
            last = len(answered) - 1
            for place in dict.fromkeys(last * third // 3 for third in range(4) if answered):
                _, number, offset = answered[place]
                file.seek(offset)
                self.samples.append((number, json.loads(file.readline())))
        return size

    def _check(self, line: bytes) -> dict[str, Any] | None:
        """What the next line holds; `None` if it is the beginning of one."""
        row = keep_columns(self.rows[self.number]) if self.number < len(self.rows) else None
        if row is not None and not line.endswith(b"\n"):
            begin = to_line(row).removesuffix(b"}\n")
            if line.startswith(begin[: len(line)]):
                return None
        try:
            entry = json.loads(line)
            kept = {name: value for name, value in entry.items() if name not in ANSWER_COLUMNS}
            if row is not None and set(ANSWER_COLUMNS) <= set(entry) and to_line(kept) == to_line(row):
                return entry
        except (ValueError, AttributeError):
            pass
        raise ValueError(
            f"Line {self.number + 1} of {self.path} is no answer to row {self.number} of these rows; give another "
            "file, or remove this one."
        )

    # What is listed belongs to this file of answers, since others may stand beside it.

    def _list(self, row: Mapping[str, Any], reason: str):
        """List the clip of a row, once however many rows are about it."""
        if (clip := self._clip_of(row)) not in self._listed:
            entry = {"video": name_of(row), "sample_id": row.get("sample_id"), "reason": reason}
            part = {name: row[name] for name in ("start", "end") if row.get(name) is not None}
            self._listed.add(clip)
            with lock_of(self._list_path):
                self._append(self._list_path, to_line(entry | part | {"output_file": self.path.name}))

    def _tidy_list(self):
        """Take clips from the list that have an answer now or are still to be read, and lines that were cut."""
        self._listed = set()
        if self._list_path.exists():
            with lock_of(self._list_path):
                self._rewrite_list()

    def _rewrite_list(self):
        """What is done to a list that nobody else writes to now."""
        lines = self._list_path.read_bytes().splitlines(keepends=True)
        skipped = {self._clip_of(self.rows[place]) for place in self.skipped}
        kept = []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("output_file") == self.path.name:
                clip = self._clip_of(entry)
                if clip not in skipped or clip in self._listed:
                    continue
                self._listed.add(clip)
            kept.append(line)
        if kept != lines:
            copy = self._list_path.with_name(f".{SKIPPED_NAME}.new")
            copy.write_bytes(b"".join(kept))
            copy.replace(self._list_path)

    @property
    def _list_path(self) -> Path:
        return self.path.with_name(SKIPPED_NAME)

    @staticmethod
    def _clip_of(row: Mapping[str, Any]) -> bytes:
        """What rows about the same clip, and the line that lists it, have in common."""
        return to_line({"video": name_of(row), "start": row.get("start"), "end": row.get("end")})

    def _append(self, path: Path, lines: bytes):
        """Append whole lines to a file, or say that the disk is full."""
        try:
            with path.open("ab") as file:
                file.write(lines)
        except OSError as error:
            done = f"{self.number} of {len(self.rows)} rows have a line, and the same call goes on after them"
            raise OSError(error.errno, f"{error.strerror}; {done}", str(path)) from error
