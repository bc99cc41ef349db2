# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Annotation files: finding them by name and reading them, so that every message says which file, line and field."""

import ast
import codecs
import csv
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO


@dataclass(frozen=True)
class AnnotationFile:
    """One file that a data set may come in.

    Args:
        path (`str`): Where it lies, relative to the root folder.
        format (`str`): What is in it, in a few words for a message.
    """

    path: str
    format: str


def files_by_split(
    words: Mapping[str, str | tuple[str, ...]], *candidates: AnnotationFile
) -> dict[str, tuple[AnnotationFile, ...]]:
    """The files of every split, where their names differ by a word.

    Args:
        words (`Mapping[str, str | tuple[str, ...]]`): By name of the split, what stands in place of `"{}"`; or several
            words, in place of `"{0}"`, `"{1}"`, ....
        candidates (`AnnotationFile`): Files that a split may come in, with those places in path or format.

    Returns:
        `dict[str, tuple[AnnotationFile, ...]]`, as [`AnnotationReader`] takes it.

    Example:
        >>> files_by_split({"validation": "val"}, AnnotationFile("{}.json", "a list"))["validation"][0].path
        'val.json'
    """
    filled = {split: (word,) if isinstance(word, str) else word for split, word in words.items()}
    return {
        split: tuple(AnnotationFile(file.path.format(*of), file.format.format(*of)) for file in candidates)
        for split, of in filled.items()
    }


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of an annotation file, with checked access to its fields.

    Args:
        fields (`dict`): Values by name, or by number of the column, from 0, where a table has no header.
        path (`pathlib.Path`): The file.
        place (`str`): Where in it, such as "line 3"; empty for the whole.
    """

    fields: dict
    path: Path
    place: str

    def error(self, message: str) -> ValueError:
        """An error that says where the entry stands, to be raised by the caller."""
        return ValueError(f"{self.path}{self.place and ', '}{self.place}: {message}")

    def wrong(self, name: str | int, expected: str, value: Any = None) -> ValueError:
        """An error that says what a field holds, to be raised by the caller.

        Args:
            name (`str` or `int`): The field.
            expected (`str`): What it should hold.
            value (*optional*): What of it is wrong; all by default.
        """
        found = f"is {_shown(self.fields.get(name))}" if value is None else f"has {_shown(value)}"
        return self.error(f"{_called(name)} {found}, but expected {expected}.")

    def __contains__(self, name: str | int) -> bool:
        return self.fields.get(name) is not None

    def value(self, name: str | int) -> Any:
        """What a field holds, whatever it is.

        Raises:
            ValueError: If there is no such field or it is null.
        """
        if self.fields.get(name) is None:
            state = "is null" if name in self.fields else "is missing"
            known = f"{len(self.fields)} columns" if isinstance(name, int) else _shown(list(self.fields))
            raise self.error(f"{_called(name)} {state}; the entry has {known}.")
        return self.fields[name]

    def text(self, name: str | int) -> str:
        """Text of a field without white space around it; whole numbers, such as ids, become text.

        Raises:
            ValueError: If the field is missing, empty or something else.
        """
        return self._as_text(self.value(name), name)

    def optional_text(self, name: str | int) -> str | None:
        """Text of a field, `None` where there is no field or a blank one.

        Raises:
            ValueError: If the field is something else.
        """
        value = self.fields.get(name)
        return None if value is None or (isinstance(value, str) and not value.strip()) else self.text(name)

    def texts(self, name: str | int, count: int | None = None) -> list[str]:
        """A list of texts.

        Args:
            name (`str` or `int`): The field.
            count (`int`, *optional*): How many there have to be; any number from 1 by default.

        Raises:
            ValueError: If the field is missing, no list, of another length, or with anything but texts in it.
        """
        values = self.value(name)
        if not isinstance(values, list | tuple):
            raise self.wrong(name, "a list of texts")
        if not values or count not in (None, len(values)):
            raise self.error(f"{_called(name)} has {len(values)} entries, but expected {count or 'at least 1'}.")
        return [self._as_text(value, name) for value in values]

    def object(self, name: str, expected: str) -> "Record":
        """The JSON object that a field holds.

        Args:
            name (`str`): The field.
            expected (`str`): What the object has, for the message.

        Raises:
            ValueError: If the field is missing or something else.
        """
        fields = self.value(name)
        if not isinstance(fields, dict):
            raise self.wrong(name, f"an object with {expected}")
        return self._entry(name, fields)

    def objects(self, name: str, expected: str, optional: bool = False) -> list["Record"]:
        """The JSON objects that a field lists.

        Args:
            name (`str`): The field.
            expected (`str`): What each object has, for the message.
            optional (`bool`, defaults to `False`): Whether there may be none, or no field.

        Raises:
            ValueError: If the field is missing or something else.
        """
        entries = self.fields.get(name) or ([] if optional else self.value(name))
        if (
            not isinstance(entries, list)
            or not (entries or optional)
            or not all(isinstance(one, dict) for one in entries)
        ):
            raise self.wrong(name, f"a list of objects with {expected}")
        return [self._entry(name, entry) for entry in entries]

    def integer(self, name: str | int, lowest: int = 0, below: int | None = None) -> int:
        """A whole number, also if it is written as text.

        Args:
            name (`str` or `int`): The field.
            lowest (`int`, defaults to 0): The lowest legal number.
            below (`int`, *optional*): One more than the highest legal number.

        Raises:
            ValueError: If the field is missing, something else or out of range.
        """
        number = self.number(name)
        if number != int(number) or number < lowest or (below is not None and number >= below):
            raise self.wrong(name, f"a whole number from {lowest}" + ("" if below is None else f" to {below - 1}"))
        return int(number)

    def number(self, name: str | int) -> float:
        """A finite number, also if it is written as text.

        Raises:
            ValueError: If the field is missing or something else.
        """
        value = self.value(name)
        try:
            if isinstance(value, bool):
                raise TypeError
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self.wrong(name, "a number")
        return number

    def literal(self, name: str | int) -> Any:
        """A Python literal (lists, texts, numbers) written as text; parsed, never evaluated.

        Raises:
            ValueError: If the field is missing or anything but a literal.
        """
        try:
            return ast.literal_eval(self.text(name))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise self.wrong(name, "a Python literal") from error

    def _entry(self, name: str, fields: dict) -> "Record":
        """A JSON object in a field."""
        return Record(fields, self.path, f"{self.place}{self.place and ', '}entry {name!r}")

    def _as_text(self, value: Any, name: str | int) -> str:
        """Text of a field or of one of its entries."""
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise self.error(f"{_called(name)} holds {_shown(value)}, but expected text.")
        if not value.strip():
            raise self.error(f"{_called(name)} holds empty text.")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self.error(f"{_called(name)} holds {_shown(value)}, which is no valid Unicode.") from error
        return value.strip()


def read_records(path: str | os.PathLike) -> Iterator[Record]:
    """Read JSON objects, one a line or as one list; both arrangements are met under the same names.

    Args:
        path (`str` or `os.PathLike`): The file, UTF-8 with or without a byte order mark; blank lines are skipped.

    Yields:
        `Record`

    Raises:
        ValueError: If the file is empty, not UTF-8, or anything but JSON objects.

    Example:
        >>> Path("test.jsonl").write_text('{"question": "who?"}')
        20
        >>> [record.text("question") for record in read_records("test.jsonl")]
        ['who?']
    """
    path = Path(path)
    is_empty = True
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if is_empty and line.lstrip().startswith("[") and not _is_one_of_lines(line, file):
                yield from _list_records(path, read_json(path))
                return
            is_empty = False
            place = f"line {number}"
            try:
                fields = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise ValueError(f"{path}, {place}: {error}, but expected one JSON object a line.") from error
            yield _record(fields, path, place)
    if is_empty:
        raise ValueError(f"{path} is empty; expected JSON objects, one a line. Fetch it again.")


def _is_one_of_lines(line: str, file: TextIO) -> bool:
    """Whether a line that begins a list ends it, too, and others follow."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return any(other.strip() for other in file)


def read_listed_records(path: str | os.PathLike, *names: str) -> Iterator[Record]:
    """Read the JSON objects that one JSON object lists under a name.

    Args:
        path (`str` or `os.PathLike`): The file.
        names (`str`): Names that the list may have; the first one that is there is read.

    Yields:
        `Record`

    Raises:
        ValueError: If the file is not JSON or has no such list.

    Example:
        >>> Path("test.json").write_text('{"info": "", "images": [{"id": 7}]}')
        35
        >>> [record.integer("id") for record in read_listed_records("test.json", "images")]
        [7]
    """
    expected = " or ".join(map(repr, names))
    content = read_object(path, expected)
    name = next((name for name in names if name in content.fields), None)
    if name is None:
        raise content.error(f"it has {_shown(list(content.fields))}; expected a JSON object with {expected}.")
    yield from _list_records(content.path, content.fields[name], f"{name}, ")


def _list_records(path: Path, entries: Any, prefix: str = "") -> Iterator[Record]:
    """The entries of a JSON list."""
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path} holds {_shown(entries)}; expected a list of at least one JSON object.")
    for number, fields in enumerate(entries, start=1):
        yield _record(fields, path, f"{prefix}entry {number}")


def _record(fields: Any, path: Path, place: str) -> Record:
    """An entry, refused unless it is a JSON object."""
    if not isinstance(fields, dict):
        raise ValueError(f"{path}, {place} is {_shown(fields)}, but expected a JSON object.")
    return Record(fields, path, place)


def read_json(path: str | os.PathLike) -> Any:
    """Read one JSON value.

    Args:
        path (`str` or `os.PathLike`): The file, UTF-8 with or without a byte order mark.

    Returns:
        What the file holds.

    Raises:
        ValueError: If the file is empty, not UTF-8 or not JSON.
    """
    path = Path(path)
    with _opened(path) as file:
        try:
            return json.load(file)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"{path}: {error}, but expected JSON; the file may be cut short.") from error


def read_object(path: str | os.PathLike, expected: str) -> Record:
    """Read one JSON object.

    Args:
        path (`str` or `os.PathLike`): The file, UTF-8 with or without a byte order mark.
        expected (`str`): What the object has, for the message.

    Returns:
        `Record`

    Raises:
        ValueError: If the file is empty, not UTF-8 or no JSON object.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds {_shown(content)}; expected a JSON object with {expected}.")
    return Record(content, Path(path), "")


def read_table(
    path: str | os.PathLike, delimiter: str = "\t", has_header: bool = True, has_quotes: bool = True
) -> Iterator[Record]:
    """Read a table of texts.

    Args:
        path (`str` or `os.PathLike`): The file, UTF-8 with or without a byte order mark; blank lines are skipped.
        delimiter (`str`, defaults to a tab): What separates columns, one character; of several, the one that makes the
            most columns of the header.
        has_header (`bool`, defaults to `True`): Whether the first line names the columns; else they are numbered.
        has_quotes (`bool`, defaults to `True`): Whether double quotes around a field are not part of it; `False` for
            tables whose texts begin with quotes.

    Yields:
        `Record`: Its place is the last line of the row; short rows lack fields.

    Raises:
        ValueError: If the file is empty or not UTF-8, if a row has more fields than the header that are not blank, or
            if a quotation mark is left open, which would swallow the rows after it.
    """
    path = Path(path)
    header: list[str] | None = None
    is_empty = True
    with _opened(path, newline="") as file:
        if len(delimiter) > 1:
            delimiter = _choose_delimiter(file, delimiter)
        for number, values in _rows(file, path, delimiter, has_quotes):
            if not any(value.strip() for value in values):
                continue
            record = Record(dict(enumerate(values)), path, f"line {number}")
            if has_header and header is None:
                header = [value.strip() for value in values]
                if twice := [name for name in header if name and header.count(name) > 1]:
                    raise record.error(f"the header names {twice[0]!r} twice; expected every column once.")
                continue
            is_empty = False
            if header is not None:
                if any(value.strip() for value in values[len(header) :]):
                    raise record.error(
                        f"the row has {len(values)} fields, but its header names {len(header)}; a field that has "
                        f"{delimiter!r} in it needs quotation marks around it."
                    )
                record = Record(dict(zip(header, values, strict=False)), path, record.place)
            yield record
    if is_empty:
        raise ValueError(f"{path} is empty; expected rows of a table{' after its header' if has_header else ''}.")


def _choose_delimiter(file: TextIO, delimiters: str) -> str:
    """The delimiter that makes the most columns of the first line that is not blank; the first one, of several."""
    header = next((line for line in file if line.strip()), "")
    file.seek(0)
    return max(delimiters, key=lambda delimiter: len(next(csv.reader([header], delimiter=delimiter), [])))


def _rows(file: TextIO, path: Path, delimiter: str, has_quotes: bool) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line and fields of each row; a quotation mark that swallows the rows after it is refused."""
    lines: list[str] = []  # of the row

    def noted() -> Iterator[str]:
        for number, line in enumerate(file, start=1):
            if "\0" in line:
                raise ValueError(f"{path}, line {number} holds a NUL; the file is no text, or damaged.")
            lines.append(line)
            yield line

    rows = csv.reader(noted(), delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if has_quotes else csv.QUOTE_NONE)
    try:
        for values in rows:
            if has_quotes and _is_left_open(values, lines, delimiter):
                raise ValueError(
                    f"{path}, line {rows.line_num - len(lines) + 1}: a quotation mark at the beginning of a field is "
                    f"not closed in its row; up to line {rows.line_num}, rows would be lost in the field. Close it, "
                    "or fetch the file again if it was cut short."
                )
            yield rows.line_num, values
            lines.clear()
    except csv.Error as error:
        raise ValueError(f"{path}, line {rows.line_num}: {error}.") from error


def _is_left_open(values: list[str], lines: list[str], delimiter: str) -> bool:
    """Whether a field has other rows in it, or goes on to the end of the file."""
    if len(lines) > 1 and delimiter == "\t" and any("\t" in value and len(value.splitlines()) > 1 for value in values):
        return True
    if sum(line.count('"') for line in lines) % 2 == 0:
        return False
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return str(error) == "unexpected end of data"
    return False


def read_lines(path: str | os.PathLike, skips_blank: bool = True) -> list[str]:
    """Read lines, without white space around them.

    Args:
        path (`str` or `os.PathLike`): The file, UTF-8 with or without a byte order mark.
        skips_blank (`bool`, defaults to `True`): Whether to leave out blank lines; else only those at the end, so that
            the others keep their numbers.

    Returns:
        `list[str]`, at least one.

    Raises:
        ValueError: If the file is empty or not UTF-8.
    """
    path = Path(path)
    with _opened(path) as file:
        lines = [line.strip() for line in file]
    while lines and not lines[-1]:
        lines.pop()
    if skips_blank:
        lines = [line for line in lines if line]
    if not lines:
        raise ValueError(f"{path} is empty; expected at least one line.")
    return lines


def read_fields(path: Path, num_fields: int, form: str, separator: str | None = None) -> Iterator[Record]:
    """Read lines of fields, of which the first, a path, may have the separator in it.

    Args:
        path (`pathlib.Path`): The file.
        num_fields (`int`): How many there are.
        form (`str`): What lines look like, for the message.
        separator (`str`, *optional*): What separates the fields; white space by default.

    Yields:
        `Record`: Fields by number, from 0.

    Raises:
        ValueError: If a line has fewer fields.
    """
    for number, line in enumerate(read_lines(path, skips_blank=False), start=1):
        if not line:
            continue
        fields = line.rsplit(separator, num_fields - 1)
        record = Record(dict(enumerate(fields)), path, f"line {number}")
        if len(fields) != num_fields:
            raise record.error(f"the line is {line!r:.80}, but expected {form}.")
        yield record


@contextmanager
def _opened(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """A text file, of UTF-8 or marked as UTF-16; bytes that are neither are reported with its name and their line."""
    with path.open("rb") as file:
        is_utf_16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        with path.open(encoding="utf-16" if is_utf_16 else "utf-8-sig", newline=newline) as text:
            yield text
    except UnicodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text ({_describe_undecodable(path) or error}); save it as UTF-8 (in Excel, "
            '"CSV UTF-8"), or fetch it again if it is damaged.'
        ) from error


def _describe_undecodable(path: Path) -> str | None:
    """The first byte of a file that is no UTF-8, and its line."""
    data = path.read_bytes()
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\r|\n", data[: error.start])) + 1
        return f"byte 0x{data[error.start]:02x} in line {line}"
    return None


def _called(name: str | int) -> str:
    """What a message calls a field."""
    return f"field {name!r}" if isinstance(name, str) else f"column {name}"


def _shown(value: Any, longest: int = 80) -> str:
    """A value as a message shows it."""
    text = repr(value)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


__all__ = [
    "AnnotationFile",
    "Record",
    "files_by_split",
    "read_fields",
    "read_json",
    "read_lines",
    "read_listed_records",
    "read_object",
    "read_records",
    "read_table",
]
