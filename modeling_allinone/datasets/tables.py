# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""One's own videos as tables of the common row: from CSV, TSV, JSON, JSON lines, Parquet, folders, the Hub.

Text files are read by this package's readers and not by `datasets`, which would take an answer "none" or "NA" for no
answer and "007" for 7, and would not know the line that a row stands in.
"""

import ast
import hashlib
import os
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from datasets import Audio, ClassLabel, Dataset, Image, Video, load_dataset
from datasets.config import HF_DATASETS_CACHE
from transformers.utils import logging

from ..models.video_sources_allinone import is_url
from .annotation_files import Record, read_records, read_table
from .annotation_reader import ON_MISSING_VIDEO, AnnotationFolder, AnnotationReader
from .answer_vocabularies import OUTSIDE_LABEL, AnswerVocabulary, GivenVocabulary
from .common_rows import COMMON_COLUMNS, collect_rows, summarize

logger = logging.get_logger(__name__)

# What a field's column may be called, whatever the case.
FIELDS = {
    "video": ("video", "path", "file_name", "file"),
    "question": ("question",),
    "answer": ("answer",),
    "options": ("options",),
    "caption": ("caption", "text"),
    "label": ("label",),
    "start": ("start",),
    "end": ("end",),
}
# What a row has to have for a task; of several fields in brackets, one.
_NEEDED: dict[str | None, tuple[tuple[str, ...], ...]] = {
    None: (("question", "caption", "label", "answer"),),
    "question-answering": (("question",), ("answer",)),
    "multiple-choice": (("options", "caption"),),
    "retrieval": (("caption",),),
    "classification": (("label",),),
}
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_OPTION_COLUMN = re.compile(r"option[ _]?(\d+|[a-z])", re.IGNORECASE)
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_NO_VIDEOS = {".csv", ".db", ".ini", ".json", ".jsonl", ".md", ".srt", ".tsv", ".txt", ".vtt", ".xml", ".yaml"}


def load_tables(
    source: str | os.PathLike | Mapping[str, str | os.PathLike | Dataset],
    *,
    task: str | None = None,
    columns: Mapping[str, str] | None = None,
    media_root: str | os.PathLike | None = None,
    splits: Sequence[str] = ("train", "validation", "test"),
    held_out_share: float = 0.2,
    seed: int = 0,
    vocabulary: GivenVocabulary | None = None,
    on_missing_video: str = "warn",
    name: str | None = None,
) -> dict[str, Dataset]:
    r"""Read one's own rows as tables of the common row (see `common_rows`), one for each split.

    A row names a video and has what its task needs: `question` and `answer`; `options` and `answer`, or `label`, the
    number of the right option from 0; `caption`; `label`, the name of a class. It may have `start` and `end`
    (seconds). Rows in which something of that is empty are left out; what else a row has stays, as text.
    [`check_examples`] says what was found.

    A split that is asked for and not there is drawn from the training split: videos and not rows, so that no video is
    in two splits, evenly over classes or answers; test first, so that it does not depend on the validation split.

    Args:
        source (`str`, `os.PathLike` or mapping): A file (`.csv`, `.tsv`, `.json`, `.jsonl`, `.parquet`), which is the
            training split; a folder with `metadata.csv` (or `.jsonl`, `.parquet`), or with a folder of videos for
            each class, or with such folders for each split; or by name of the split, files, folders or tables that
            `datasets.load_dataset` made. CSV may be separated by commas or semicolons.
        task (`str`, *optional*): "question-answering", "multiple-choice", "retrieval" or "classification", whose
            columns have to be there. Default: all that are there are read.
        columns (mapping from `str` to `str`, *optional*): Names of columns by field, such as
            `{"video": "clip", "answer": "said"}`; several for options with commas between. Default: the field's own
            name; for videos also `path`, `file_name`, `file`; for captions `text`; for options a list (of JSON or of
            Python), or the columns `option_0`, `option_1`, … .
        media_root (`str` or `os.PathLike`, *optional*): Where relative paths of videos begin. Default: the folder of
            the file that names them. A path may lack its suffix, or be a URL.
        splits (sequence of `str`): Which splits are drawn where they are not there.
        held_out_share (`float`, defaults to 0.2): Share of the videos, or of what the test split left of them, that a
            drawn split gets, above 0 and below 0.5.
        seed (`int`, defaults to 0): What the draw depends on.
        vocabulary (*optional*): Answers or classes in the order of their labels, as of a trained model; see
            [`AnswerVocabulary.given`]. Default: those of the training split, the most frequent first.
        on_missing_video (`str`, defaults to `"warn"`): "warn", "raise", "drop" (their rows) or "ignore".
        name (`str`, *optional*): What the data is called. Default: the name of the file or folder.

    Returns:
        `dict` of `str` to `datasets.Dataset`

    Raises:
        FileNotFoundError: If a file is missing, or videos, as `on_missing_video` says.
        ValueError: If a file cannot be read, or lacks a column; the message has the columns that it has.

    Example:
        >>> _ = Path("clips.csv").write_text("video,question,answer\n1.mp4,who?,a cat\n2.mp4,who?,a dog\n")
        >>> tables = load_tables("clips.csv", splits=["train"], on_missing_video="ignore")
        >>> tables["train"][1]["answer"], tables["train"][1]["label"]
        ('a dog', 1)
    """
    if on_missing_video not in ON_MISSING_VIDEO:
        raise ValueError(f"on_missing_video is {on_missing_video!r}; expected one of {', '.join(ON_MISSING_VIDEO)}.")
    if not 0 < held_out_share < 0.5:
        raise ValueError(f"held_out_share is {held_out_share}; expected a number above 0 and below 0.5.")
    if task not in _NEEDED:
        raise ValueError(f"Own files are for {', '.join(filter(None, _NEEDED))}, and not for {task}.")
    if unknown := sorted(set(columns or {}) - set(FIELDS)):
        raise ValueError(f"columns has {', '.join(unknown)}; there are {', '.join(FIELDS)}.")
    places = source if isinstance(source, Mapping) else _find_splits(Path(source))
    name = Path(source).resolve().name if name is None and not isinstance(source, Mapping) else name
    if not places:
        raise ValueError("There is no file to read.")
    options = (task, columns or {}, media_root)
    parts = {split: _read(place, *options, name=name or split) for split, place in places.items()}
    drawn = [split for split in ("test", "validation") if split in splits and split not in parts]
    if missing := [split for split in splits if split not in parts and (split not in drawn or "train" not in parts)]:
        raise ValueError(
            f"There is no {missing[0]} split; there are {', '.join(parts)}; test and validation are drawn from train."
        )
    for split in drawn:
        parts["train"], parts[split] = _draw(parts["train"], split, held_out_share, seed)

    first = next(parts[split] for split in ("train", *parts) if split in parts)
    labelled = None
    if vocabulary is not None:
        labelled = AnswerVocabulary.given(vocabulary)
    elif answers := [row["answer"] for row in first.rows if row.get("answer") and not row.get("options")]:
        origin = "the training split" if "train" in parts else "the rows"
        labelled = AnswerVocabulary.most_frequent(answers, len(answers), origin)
    tables = {split: part.to_table(split, labelled, on_missing_video, name) for split, part in parts.items()}
    for split in drawn:
        tables[split].info.summary = replace(summarize(tables[split]), held_out_share=held_out_share)
        logger.warning(
            f"{summarize(tables[split]).name} has no {split} split: {tables[split].num_rows} rows about "
            f"{len(tables[split].unique('video'))} videos, {held_out_share:.0%} of them, were drawn from training."
        )
    return tables


@dataclass(frozen=True)
class ExampleReport:
    """What there is to know of tables before a model learns from them; `str` of it is for people.

    Args:
        num_rows (`dict` of `str` to `int`): Of each split.
        num_videos (`dict` of `str` to `int`): Of each split.
        num_answers (`int`, *optional*): Answers or classes of the vocabulary, if there is one.
        num_outside (`dict` of `str` to `int`): Rows of each split whose answer the vocabulary lacks, so that a model
            cannot give it.
        problems (`dict` of `str` to `tuple` of `str`): What is wrong or doubtful, and where: rows by file and line,
            answers, or videos.
    """

    num_rows: dict[str, int]
    num_videos: dict[str, int]
    num_answers: int | None = None
    num_outside: dict[str, int] = field(default_factory=dict)
    problems: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [
            f"{split}: {number} rows, {self.num_videos[split]} videos"
            + (f", {self.num_outside[split]} answers outside the vocabulary" if self.num_outside.get(split) else "")
            for split, number in self.num_rows.items()
        ]
        if self.num_answers is not None:
            lines.append(f"vocabulary: {self.num_answers} answers")
        lines += [f"{problem} ({len(places)}): {_shorten(places)}" for problem, places in self.problems.items()]
        return "\n  ".join(["examples", *lines])


def check_examples(tables: Mapping[str, Dataset]) -> ExampleReport:
    r"""Look through tables for what makes training fail, or scores mean less than they seem to.

    Args:
        tables (mapping from `str` to `datasets.Dataset`): By split, as [`load_tables`] returns them.

    Returns:
        [`ExampleReport`]: Among its problems are rows that were left out, videos that are missing, answers that stand
        in training once, classes that one split alone has, and videos in two splits.

    Example:
        >>> rows = "video,caption\n1.mp4,a cat\n2.mp4,\n"
        >>> _ = Path("clips.csv").write_text(rows)
        >>> print(check_examples(load_tables("clips.csv", splits=["train"])))
        examples
          train: 1 rows, 1 videos
          left out: caption is empty (1): clips.csv, line 3
          video missing (1): clips.csv, line 2
    """
    problems: dict[str, list[str]] = defaultdict(list)
    outside: dict[str, int] = {}
    answers: dict[str, Counter[str]] = {}
    splits_of: dict[str, set[str]] = defaultdict(set)
    summaries = {split: summarize(table) for split, table in tables.items()}
    for split, table in tables.items():
        for reason, places in summaries[split].left_out.items():
            problems[f"left out: {reason}"] += places
        missing = set(summaries[split].missing_media or ())
        rows = table.select_columns(["video", "sample_id", "answer", "label", "options"])
        answers[split], lengths = Counter(), Counter[int]()
        for row in rows:
            splits_of[row["video"]].add(split)
            if row["video"] in missing:
                problems["video missing"].append(row["sample_id"])
            if row["options"]:
                lengths[len(row["options"])] += 1
                if len(row["options"]) != lengths.most_common(1)[0][0]:
                    problems["another number of options than other rows"].append(row["sample_id"])
            elif row["answer"]:
                answers[split][row["answer"]] += 1
        if answers[split]:
            outside[split] = sum(label == OUTSIDE_LABEL for label in rows["label"])
    vocabulary = next((summary.answers for summary in summaries.values() if summary.answers is not None), None)
    learned = answers.get("train", Counter())
    problems["answers that training has once"] += sorted(answer for answer, number in learned.items() if number == 1)
    if len(tables) > 1:
        for split, found in answers.items():
            others = set().union(*(answers[other] for other in answers if other != split))
            problems[f"answers that {split} alone has"] += sorted(set(found) - others)
    problems["videos in two splits"] += sorted(video for video, splits in splits_of.items() if len(splits) > 1)
    return ExampleReport(
        num_rows={split: len(table) for split, table in tables.items()},
        num_videos={split: len(table.unique("video")) for split, table in tables.items()},
        num_answers=None if vocabulary is None else len(vocabulary),
        num_outside=outside,
        problems={problem: tuple(places) for problem, places in problems.items() if places},
    )


def _shorten(places: Sequence[str], num_shown: int = 6) -> str:
    """The first few places; lines of one file behind its name, once."""
    shown, last = [], None
    for place in places[:num_shown]:
        file, _, line = place.rpartition(", line ")
        shown.append(line if file and file == last else f"{Path(file).name}, line {line}" if file else place)
        last = file
    return ", ".join(shown) + (f" and {len(places) - num_shown} more" if len(places) > num_shown else "")


# ---------------------------------------------------------------------------------------------------------------------
# Files and folders
# ---------------------------------------------------------------------------------------------------------------------


def _find_splits(source: Path) -> dict[str, str | os.PathLike | Dataset]:
    """The splits in a folder; a file, or a folder without, is all training."""
    if not source.exists():
        raise FileNotFoundError(f"There is no {source}; expected a file of rows or a folder of videos.")
    folders = sorted(source.iterdir()) if source.is_dir() else []
    found = {
        _SPLITS[place.name.lower()]: place for place in folders if place.is_dir() and place.name.lower() in _SPLITS
    }
    if found and (metadata := [name for name in _METADATA if (source / name).is_file()]):
        raise ValueError(
            f"{source} has {metadata[0]} beside folders of splits; put one with its rows into each of them."
        )
    return dict(found) if found else {"train": source}


def _read(
    place: str | os.PathLike | Dataset,
    task: str | None,
    columns: Mapping[str, str],
    media_root: str | os.PathLike | None,
    name: str,
) -> "_Part":
    """The rows of a split, without labels."""
    if isinstance(place, Dataset):
        path, records = Path(name), list(_records_of_dataset(place, Path(name)))
    else:
        path, records = _read_file(Path(place))
    if not records:
        remedy = f"; expected {' or '.join(_METADATA)}, or a folder of videos for each class" if path.is_dir() else ""
        raise ValueError(f"{path} has no rows{remedy}.")
    found = list(dict.fromkeys(str(column) for record in records for column in record.fields))
    reading = _Reading(path, found, columns, task, Path(media_root) if media_root is not None else _folder_of(path))
    return reading.read(records)


def _folder_of(path: Path) -> Path:
    """The folder that relative paths in a file begin in."""
    return path if path.is_dir() else path.parent


def _read_file(path: Path) -> tuple[Path, list[Record]]:
    """The file that a path leads to, and its records."""
    if path.is_dir():
        path = next((path / name for name in _METADATA if (path / name).is_file()), path)
    if path.is_dir():
        return path, list(_records_of_classes(path))
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    suffix = path.suffix.lower()
    if suffix in (".json", ".jsonl", ".ndjson"):
        return path, list(read_records(path))
    if suffix in (".tsv", ".tab"):
        return path, list(read_table(path))
    if suffix == ".csv":
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            header = file.readline()
        return path, list(read_table(path, ";" if header.count(";") > header.count(",") else ","))
    if suffix == ".parquet":
        table = load_dataset("parquet", data_files=str(path), split="train")
        return path, list(_records_of_dataset(table, path))
    raise ValueError(f"{path} ends with {suffix!r}; expected .csv, .tsv, .json, .jsonl or .parquet, or a folder.")


def _records_of_classes(folder: Path) -> Iterator[Record]:
    """Videos in a folder for each class."""
    for directory in sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith(".")):
        for video in sorted(directory.iterdir()):
            if video.is_file() and not video.name.startswith(".") and video.suffix.lower() not in _NO_VIDEOS:
                yield Record({"video": f"{directory.name}/{video.name}", "label": directory.name}, folder, "")


def _records_of_dataset(table: Dataset, path: Path) -> Iterator[Record]:
    """Rows of a table of `datasets`, whose videos are not decoded and whose classes have their names."""
    kept = [name for name, feature in table.features.items() if not isinstance(feature, Audio | Image)]
    table = table.select_columns(kept)
    for name, feature in table.features.items():
        if isinstance(feature, Video):
            table = table.cast_column(name, Video(decode=False))
    classes = {name: feature for name, feature in table.features.items() if isinstance(feature, ClassLabel)}
    for number, row in enumerate(table, start=1):
        for name, feature in classes.items():
            row[name] = None if row[name] in (None, -1) else feature.int2str(row[name])
        yield Record(row, path, f"row {number}")


# ---------------------------------------------------------------------------------------------------------------------
# Rows
# ---------------------------------------------------------------------------------------------------------------------


@dataclass
class _Part:
    """The rows of a split, and those that were left out, by reason."""

    reading: "_Reading"
    rows: list[dict]
    left_out: dict[str, list[str]]

    def to_table(
        self, split: str, vocabulary: AnswerVocabulary | None, on_missing_video: str, name: str | None
    ) -> Dataset:
        """The table, with labels of answers."""
        reading = self.reading
        reader = AnnotationReader(
            name=name or reading.path.name,
            tasks=(),
            publisher=str(reading.path),
            splits={},
            media="",
            read_rows=lambda folder, split: iter(()),
            extra_columns=dict.fromkeys(reading.extra_columns, "string"),
        )
        folder = AnnotationFolder(reader, reading.root, reading.root, reader.media, files=[reading.path])
        folder.vocabulary = vocabulary
        rows = (
            row
            if vocabulary is None or row.get("options") or not row.get("answer")
            else row | vocabulary.labelled(row["answer"])
            for row in self.rows
        )
        table = collect_rows(rows, folder, split, on_missing_video)
        table.info.summary = replace(
            summarize(table), left_out={reason: tuple(places) for reason, places in self.left_out.items()}
        )
        return table


class _Reading:
    """How the records of a file become rows."""

    def __init__(self, path: Path, found: Sequence[str], columns: Mapping[str, str], task: str | None, root: Path):
        self.path, self.root, self.task = path, root, task
        self.found = found
        self.columns = {name: self._find_columns(name, columns.get(name)) for name in FIELDS}
        if task not in (None, "multiple-choice"):
            self.columns["options"] = []
        self.needed: list[str] = []
        for names in (("video",), *_NEEDED[task]):
            there = next((name for name in names if self.columns[name]), None)
            if there is None:
                raise ValueError(
                    f"{path} has no column for {' or '.join(names)}; its columns are "
                    f"{', '.join(map(repr, found))}. Say which it is with {names[0]}_column."
                )
            self.needed.append(there)
        if "options" in self.needed:
            target = next((name for name in ("answer", "label") if self.columns[name]), None)
            self.needed += [target] if target else []
        if task is None:
            self.needed += [name for name in ("question", "answer", "options", "caption") if self.columns[name]]
        self.target = "label" if task == "classification" or not self.columns["answer"] else "answer"
        used = {column for of_field in self.columns.values() for column in of_field}
        self.extra_columns = [name for name in found if name and name not in used and name not in COMMON_COLUMNS]

    def _find_columns(self, name: str, given: str | None) -> list[str]:
        """The columns of a field: several for options, one or none for others."""
        if given is not None:
            names = [given] if given in self.found or name != "options" else given.split(",")
            if lacking := [column for column in names if column not in self.found]:
                raise ValueError(
                    f"{self.path} has no column {lacking[0]!r}, which {name}_column names; its columns are "
                    f"{', '.join(map(repr, self.found))}."
                )
            return names
        by_name = {column.strip().lower(): column for column in reversed(self.found)}
        own = [by_name[known] for known in FIELDS[name] if known in by_name][:1]
        if name == "options" and not own:
            numbered = {column: match[1] for column in self.found if (match := _OPTION_COLUMN.fullmatch(column))}
            return sorted(numbered, key=lambda column: (len(numbered[column]), numbered[column].lower()))
        return own

    def read(self, records: Iterable[Record]) -> _Part:
        """Rows of records; those in which something is empty or cannot be are left out."""
        rows, left_out = [], defaultdict(list)
        for record in records:
            empty = [name for name in self.needed if all(_is_blank(record, column) for column in self.columns[name])]
            if empty:
                left_out[f"{empty[0]} is empty"].append(_place(record))
                continue
            row = self._read_row(record)
            start, end = row["start"], row["end"]
            if (start or 0) < 0 or (end is not None and end <= (start or 0)):
                left_out["start or end is wrong"].append(_place(record))
            elif row["options"] and self.columns[self.target] and row["label"] is None:
                left_out[f"{self.target} is none of the options"].append(_place(record))
            else:
                rows.append(row)
        if not rows:
            reasons = "; ".join(f"{reason}: {_shorten(places)}" for reason, places in left_out.items())
            raise ValueError(f"No row of {self.path} can be used ({reasons}).")
        return _Part(self, rows, dict(left_out))

    def _read_row(self, record: Record) -> dict:
        """A common row, whose label is still that of an option alone."""
        texts = {name: self._text(record, name) for name in ("question", "caption", "answer", "label")}
        numbers = {
            name: None
            if not self.columns[name] or _is_blank(record, self.columns[name][0])
            else record.number(self.columns[name][0])
            for name in ("start", "end")
        }
        named = _file_of(record.value(self.columns["video"][0]), record)
        video = self._find_video(named)
        row = {name: texts[name] for name in ("question", "caption")} | numbers
        row |= {"video": video, "video_id": named, "sample_id": _place(record) if record.place else named}
        row |= {
            name: None if record.fields.get(name) is None else str(record.fields[name]) for name in self.extra_columns
        }
        answer, label = texts[self.target], None
        options = self._options(record)
        if options:
            if answer in options:
                label = options.index(answer)
            elif self.target == "label" and answer is not None and answer.isdigit() and int(answer) < len(options):
                label = int(answer)
            answer = None if label is None else options[label]
        return row | {"options": options, "answer": answer, "label": label}

    def _text(self, record: Record, name: str) -> str | None:
        return record.optional_text(self.columns[name][0]) if self.columns[name] else None

    def _options(self, record: Record) -> list[str] | None:
        """Options of a list, of a list as text, or of several columns."""
        names = self.columns["options"]
        if len(names) > 1:
            return [text for text in map(record.optional_text, names) if text is not None]
        if not names or _is_blank(record, names[0]):
            return None
        value = record.value(names[0])
        if isinstance(value, str):
            try:
                value = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                value = None
        if not isinstance(value, list | tuple):
            raise record.wrong(names[0], 'a list such as ["red", "green"], or a column for each option')
        return Record({names[0]: value}, record.path, record.place).texts(names[0])

    def _find_video(self, named: str) -> str:
        """The file that a row names, perhaps without its suffix, or with umlauts composed in another way."""
        if is_url(named):
            return named
        path = os.path.normpath(os.path.join(self.root, named))
        if os.path.exists(path):
            return path
        parent, base = os.path.split(path)
        if parent not in self._listings:
            files = sorted(os.listdir(parent), reverse=True) if os.path.isdir(parent) else []
            by_stem = {unicodedata.normalize("NFC", os.path.splitext(file)[0]): file for file in files}
            self._listings[parent] = by_stem | {unicodedata.normalize("NFC", file): file for file in files}
        return os.path.join(parent, self._listings[parent].get(unicodedata.normalize("NFC", base), base))

    @cached_property
    def _listings(self) -> dict[str, dict[str, str]]:
        return {}


def _is_blank(record: Record, column: str) -> bool:
    """Whether a record has nothing in a column."""
    value = record.fields.get(column)
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def _place(record: Record) -> str:
    """The file and line of a record, which name its row."""
    return f"{record.path}, {record.place}"


def _file_of(value: Any, record: Record) -> str:
    """The path or URL of a video; one that is held as bytes is written to the cache of `datasets`, once."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict) and value.get("bytes") is not None:
        data, suffix = value["bytes"], Path(value.get("path") or "").suffix
        path = Path(HF_DATASETS_CACHE, "videos", f"{hashlib.sha256(data).hexdigest()}{suffix}")
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.{os.getpid()}")
            partial.write_bytes(data)
            partial.replace(path)
        return str(path)
    if isinstance(value, dict) and isinstance(value.get("path"), str):
        return value["path"]
    raise record.error(f"the video is a {type(value).__name__}; expected a path or a URL.")


def _draw(part: _Part, split: str, share: float, seed: int) -> tuple[_Part, _Part]:
    """What is left of a split, and another that was drawn from it: videos, evenly over answers."""
    answer_of: dict[str, str] = {}
    for row in part.rows:
        answer_of.setdefault(row["video"], row["answer"] or "")
    videos = sorted(answer_of)
    if len(videos) < 3:
        raise ValueError(
            f"{part.reading.path} is about {len(videos)} videos, of which none can be drawn for the {split} split; "
            f"give {split}_file, or null for the split."
        )
    random.Random(seed).shuffle(videos)
    videos.sort(key=answer_of.__getitem__)
    number = max(1, round(share * len(videos)))
    drawn = {videos[int((place + 0.5) * len(videos) / number)] for place in range(number)}
    parts = ([row for row in part.rows if (row["video"] in drawn) is is_drawn] for is_drawn in (False, True))
    rest, taken = parts
    return replace(part, rows=rest), _Part(part.reading, taken, {})


__all__ = ["ExampleReport", "check_examples", "load_tables"]
