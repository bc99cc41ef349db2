# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""One's own videos as tables: of the common row, to train on and to score; of rows as they are, to be answered."""

import ast
import hashlib
import json
import math
import os
import posixpath
import re
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, Features
from transformers.utils import logging

from ..models.video_decoding_allinone import IMAGE_SUFFIXES
from ..models.video_sources_allinone import is_url
from .annotation_files import Record
from .annotation_reader import ON_MISSING_VIDEO, AnnotationFolder, AnnotationReader
from .answer_vocabularies import AnswerVocabulary, GivenVocabulary
from .common_rows import COMMON_COLUMNS, collect_rows, feature_of, is_media_there, summarize
from .example_report import shorten
from .own_files import (
    METADATA,
    LeftOut,
    VideoFinder,
    find_metadata,
    find_splits,
    identify_videos,
    is_clip,
    list_clips,
    read_dataset,
    read_own_file,
    stored_videos,
)

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
_SECONDS = ("start", "end")
# What a row has to have for a task; of several fields in brackets, one.
_NEEDED: dict[str | None, tuple[tuple[str, ...], ...]] = {
    None: (("question", "caption", "label", "answer"),),
    "question-answering": (("question",), ("answer",)),
    "multiple-choice": (("options", "caption"),),
    "retrieval": (("caption",),),
    "classification": (("label",),),
}
_OPTION_COLUMN = re.compile(r"option[ _]?(\d+|[a-z])", re.IGNORECASE)
# What [`load_rows`] needs of a row to be answered; `text` is a caption with a word to be found.
_ASKED: dict[str | None, tuple[tuple[str, ...], ...]] = {
    None: (),
    "question-answering": (("question",),),
    "multiple-choice": (("options",),),
    "masked-lm": (("caption",),),
    "classification": (),
}
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:[.,]\d+)?)")
# Three digits behind a comma may be thousands.
_COMMA = re.compile(r"([+-]?\d+),(\d{1,2}|\d{4,})")


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
    (seconds, or `01:05`). Rows in which something of that is empty are left out; what else a row has stays, as text.
    [`check_examples`] says what was found.

    A split that is asked for and not there is drawn from the training split: videos and not rows, so that no video is
    in two splits, evenly over classes or answers, of which those with one video stay in training; test first, so that
    it does not depend on the validation split. Neither the order of the rows nor the folder changes the draw. That
    training would have none of the answers that were drawn is an error.

    Args:
        source (`str`, `os.PathLike` or mapping): A file (`.csv`, `.tsv`, `.json`, `.jsonl`, `.parquet`), which is the
            training split; a folder with `metadata.csv` (or `.jsonl`, `.parquet`), or with a folder of videos for
            each class, or with such folders for each split; or by name of the split, files, folders or tables that
            `datasets.load_dataset` made. CSV may be separated by commas, semicolons or tabs.
        task (`str`, *optional*): "question-answering", "multiple-choice", "retrieval" or "classification", whose
            columns have to be there. Default: all that are there are read.
        columns (mapping from `str` to `str`, *optional*): Names of columns by field, such as
            `{"video": "clip", "answer": "said"}`; several for options with commas between. Default: the field's own
            name; for videos also `path`, `file_name`, `file`; for captions `text`; for options a list (of JSON or of
            Python), or the columns `option_0`, `option_1`, … .
        media_root (`str` or `os.PathLike`, *optional*): Where relative paths of videos begin. Default: the folder of
            the file that names them. A path may lack its suffix, or be a URL, which is not looked at.
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
    columns = _checked_columns(columns)
    places = source if isinstance(source, Mapping) else find_splits(Path(source))
    name = Path(source).resolve().name if name is None and not isinstance(source, Mapping) else name
    if not places:
        raise ValueError("There is no file to read.")
    options = (task, columns, media_root)
    parts = {split: _read(place, *options, name=name or split) for split, place in places.items()}
    drawn = [split for split in ("test", "validation") if split in splits and split not in parts]
    if missing := [split for split in splits if split not in parts and (split not in drawn or "train" not in parts)]:
        raise ValueError(
            f"There is no {missing[0]} split; there are {', '.join(parts)}; test and validation are drawn from train."
        )
    if on_missing_video == "drop":
        parts = {split: part.drop_missing() for split, part in parts.items()}
    for split in drawn:
        parts["train"], parts[split] = _draw(parts["train"], split, held_out_share, seed)
        if vocabulary is None:
            _check_drawn(parts["train"], parts[split], split)

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
            f"{len(tables[split].unique('video'))} videos were drawn from training "
            f"(held_out_share is {held_out_share:g})."
        )
    return tables


def load_rows(
    source: str | os.PathLike,
    *,
    task: str | None = None,
    columns: Mapping[str, str] | None = None,
    media_root: str | os.PathLike | None = None,
) -> Dataset:
    r"""Read one's own rows, or clips, to have them answered by [`Predictor.predict`]: no answers need be known.

    Args:
        source (`str` or `os.PathLike`): A file, as in [`load_tables`]; a folder with `metadata.csv` (or `.jsonl`,
            `.parquet`); a folder of clips, which are taken at any depth in the order of their names, without what is
            hidden or no video; a clip, or its URL.
        task (`str`, *optional*): What each row has to have something for: "question-answering", "multiple-choice",
            "masked-lm" or "classification", which needs but the video. Default: a field may be empty, and is null.
        columns, media_root: As in [`load_tables`]; the text of "masked-lm" is the caption.

    Returns:
        `datasets.Dataset`: `video`, and those of `start`, `end`, `frame_rate`, `question`, `options` and `text` that
        the rows have; and `input_row`, JSON of the row as it stands in the file, under its own names, which is what
        [`Predictor.predict`] writes with its answer. Videos that are missing are counted in a warning.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a file cannot be read or lacks a column, or rows have no video, nothing to be asked, or times
            that cannot be; the message has their lines.

    Example:
        >>> _ = Path("asked.csv").write_text("clip,frage,id\n1.mp4,wer?,007\n")
        >>> rows = load_rows("asked.csv", columns={"video": "clip", "question": "frage"})
        >>> rows[0]["question"], rows[0]["input_row"]
        ('wer?', '{"clip": "1.mp4", "frage": "wer?", "id": "007"}')
    """
    if task not in _ASKED:
        raise ValueError(f"task is {task!r}; expected {', '.join(filter(None, _ASKED))}.")
    path, root, records = _read_asked(os.fspath(source))
    root = root if media_root is None else Path(media_root)
    reading = _Reading(path, _names_of(records), _checked_columns(columns), _ASKED[task], root)
    names = ["start", "end", "frame_rate", "question", "options", "caption"]
    kept = ["video", *(name for name in names if reading.columns[name])]
    rows = []
    for record in records:
        if (empty := reading.find_empty(record)) is not None:
            lines = [_place(one) for one in records if reading.find_empty(one) == empty]
            raise ValueError(f"{empty} is empty: {shorten(lines)}. Fill it in, or leave these rows out.")
        row = reading.read_row(record)
        if reading.has_wrong_times(row):
            raise record.error(
                f"start is {row['start']} and end is {row['end']} (seconds); expected 0 or more, and an end after it."
            )
        rows.append({name: row[name] for name in kept} | {"input_row": _as_json(record, reading)})
    features = Features({name: feature_of(COMMON_COLUMNS.get(name, "string")) for name in (*kept, "input_row")})
    table = Dataset.from_list(rows, features)
    if "caption" in kept:
        table = table.rename_column("caption", "text")
    videos = table.unique("video")
    if missing := [video for video in videos if not is_media_there(video)]:
        logger.warning(
            f"{path}: {len(missing)} of {len(videos)} videos are missing or empty: {shorten(missing, 3)}. Say where "
            "they lie with media_root (--media_dir of commands); else their answers will be null."
        )
    return table


def _read_asked(source: str) -> tuple[Path, Path, list[Record]]:
    """What a source is called, where its paths begin, and its rows."""
    path = Path(source)
    if is_url(source) or is_clip(path):
        if path.is_dir():
            logger.warning(f"{path} holds numbered images alone, and is taken for one clip with these frames.")
        return path, Path(), [Record({"video": source}, path, "")]
    path = find_metadata(path)
    if not path.is_dir():
        return path, path.parent, read_own_file(path)[1]
    clips, others = list_clips(path)
    if not clips:
        images = [file.name for file in others if file.suffix.lower() in IMAGE_SUFFIXES]
        found = f" Its images ({shorten(images, 3)}) are frames of a clip if all end with a number." if images else ""
        raise ValueError(f"{path} has no clips, and no {' or '.join(METADATA)}.{found}")
    if others:
        names = shorten([str(file.relative_to(path)) for file in others], 3)
        logger.warning(f"{path}: {len(others)} files are no videos, and are left out: {names}.")
    return path, path, [Record({"video": clip.relative_to(path).as_posix()}, path, "") for clip in clips]


def _as_json(record: Record, reading: "_Reading") -> str:
    """A row as it stands in its file, with an answer of another column as `answer`, too, and `answer` as its input."""
    row = {name: _plain(value) for name, value in record.fields.items() if name or value}
    for column in reading.columns["answer"]:
        if column != "answer" and "answer" in row:
            kept = "input_answer"
            while kept in row:
                kept = f"input_{kept}"
            row[kept] = row["answer"]
        row["answer"] = row.get(column)
    return str(_as_text(record, row))


def _plain(value: Any) -> Any:
    """A value without numbers that JSON does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, dict):
        return {name: _plain(of) for name, of in value.items()}
    return [_plain(of) for of in value] if isinstance(value, list | tuple) else value


def _checked_columns(columns: Mapping[str, str] | None) -> Mapping[str, str]:
    """Names of columns by field; raises a `ValueError` for fields that there are not."""
    if unknown := sorted(set(columns or {}) - set(FIELDS)):
        raise ValueError(f"columns has {', '.join(unknown)}; there are {', '.join(FIELDS)}.")
    return columns or {}


def _names_of(records: Iterable[Record]) -> list[str]:
    """The columns of records, in their order."""
    return list(dict.fromkeys(str(column) for record in records for column in record.fields))


def _read(
    place: str | os.PathLike | Dataset,
    task: str | None,
    columns: Mapping[str, str],
    media_root: str | os.PathLike | None,
    name: str,
) -> "_Part":
    """The rows of a split, without labels."""
    left_out: LeftOut = {}
    if isinstance(place, Dataset):
        path, records = Path(name), list(read_dataset(place, Path(name)))
    else:
        path, records, left_out = read_own_file(Path(place))
    if not records:
        remedy = f"; expected {' or '.join(METADATA)}, or a folder of videos for each class" if path.is_dir() else ""
        raise ValueError(f"{path} has no rows{remedy}.")
    root = Path(media_root) if media_root is not None else path if path.is_dir() else path.parent
    part = _Reading(path, _names_of(records), columns, _NEEDED[task], root, task).read(records)
    return replace(part, left_out=left_out | part.left_out)


# ---------------------------------------------------------------------------------------------------------------------
# Rows
# ---------------------------------------------------------------------------------------------------------------------


@dataclass
class _Part:
    """The rows of a split, and those that were left out, by reason."""

    reading: "_Reading"
    rows: list[dict]
    left_out: LeftOut

    def drop_missing(self) -> "_Part":
        """Those rows whose videos are there; raises a `FileNotFoundError` if none is."""
        is_there = {video: is_media_there(video) for video in {row["video"] for row in self.rows}}
        missing = [row["sample_id"] for row in self.rows if not is_there[row["video"]]]
        if not missing:
            return self
        message = f"{self.reading.path}: {len(missing)} of {len(self.rows)} rows have a video that is missing or empty"
        remedy = f"say where videos lie with media_root (now '{self.reading.root}')"
        if len(missing) == len(self.rows):
            raise FileNotFoundError(f"{message} ({shorten(missing)}); {remedy}.")
        logger.warning(f"{message}, and are left out ({shorten(missing)}); or {remedy}.")
        rows = [row for row in self.rows if is_there[row["video"]]]
        return replace(self, rows=rows, left_out=self.left_out | {"video missing": missing})

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

    def __init__(
        self,
        path: Path,
        found: Sequence[str],
        columns: Mapping[str, str],
        needed: Sequence[Sequence[str]],
        root: Path,
        task: str | None = None,
    ):
        self.path, self.root, self.task = path, root, task
        if wrong := [name for name in found if "\0" in name or name != name.encode(errors="replace").decode()]:
            raise ValueError(f"{path} has the column {wrong[0]!r}, which is no name; write it again.")
        self.found = found
        self.columns = {name: self._find_columns(name, columns.get(name)) for name in FIELDS}
        self.columns["frame_rate"] = [name for name in found if name == "frame_rate"]  # of folders of frames
        if task not in (None, "multiple-choice"):
            self.columns["options"] = []
        self.finder = VideoFinder(root)
        self.needed: list[str] = []
        for names in (("video",), *needed):
            there = next((name for name in names if self.columns[name]), None)
            if there is None:
                raise ValueError(
                    f"{path} has no column for {' or '.join(names)}; its columns are "
                    f"{', '.join(map(repr, found))}. Say which it is with {names[0]}_column."
                )
            self.needed.append(there)
        self.target = "label" if task == "classification" or not self.columns["answer"] else "answer"
        used = {column for of_field in self.columns.values() for column in of_field}
        self.extra_columns = [name for name in found if name and name not in used and name not in COMMON_COLUMNS]

    @property
    def has_classes(self) -> bool:
        """Whether what is learned are answers, or classes, that rows have in common."""
        without = ("options", "caption") if self.task is None else ()
        return self.task in (None, "question-answering", "classification") and bool(
            self.columns[self.target] and not any(self.columns[name] for name in without)
        )

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
        by_name: dict[str, list[str]] = defaultdict(list)
        for column in self.found:
            by_name[column.strip().lower()].append(column)
        own = next((by_name[known] for known in FIELDS[name] if known in by_name), [])
        if len(own) > 1:
            raise ValueError(
                f"{self.path} has the columns {' and '.join(map(repr, own))}; say which one it is with {name}_column."
            )
        if name == "options" and not own:
            numbered = {column: match[1] for column in self.found if (match := _OPTION_COLUMN.fullmatch(column))}
            return sorted(numbered, key=lambda column: (len(numbered[column]), numbered[column].lower()))
        return own

    def read(self, records: Iterable[Record]) -> _Part:
        """Rows to train on or to score; those in which something is empty or cannot be are left out."""
        if "options" in self.needed and self.columns[self.target]:
            self.needed.append(self.target)
        if self.task is None:
            self.needed += [name for name in ("question", "answer", "options", "caption") if self.columns[name]]
        rows, left_out = [], defaultdict(list)
        for record in records:
            if (empty := self.find_empty(record)) is not None:
                left_out[f"{empty} is empty"].append(_place(record))
                continue
            row = self.read_row(record)
            row |= self._read_target(record, row["options"])
            row["sample_id"] = _place(record) if record.place else row["video_id"]
            row |= {name: _as_text(record, record.fields.get(name)) for name in self.extra_columns}
            if self.has_wrong_times(row):
                left_out["start or end is wrong"].append(_place(record))
            elif row["options"] and self.columns[self.target] and row["label"] is None:
                left_out[f"{self.target} is none of the options"].append(_place(record))
            elif self._contradicts(record, row):
                left_out["answer and label are different options"].append(_place(record))
            else:
                rows.append(row)
        if not rows:
            raise ValueError(f"No row of {self.path} can be used ({_list_reasons(left_out)}).")
        return _Part(self, rows, dict(left_out))

    def find_empty(self, record: Record) -> str | None:
        """The first field that a record needs and has nothing for."""
        return next(
            (name for name in self.needed if all(_is_blank(record, column) for column in self.columns[name])), None
        )

    def has_wrong_times(self, row: Mapping[str, Any]) -> bool:
        """Whether a part of a video begins before it, or ends before it begins."""
        start, end = row["start"] or 0, row["end"]
        return start < 0 or (end is not None and end <= start)

    def read_row(self, record: Record) -> dict:
        """What is shown and asked."""
        named = record.text(self.columns["video"][0])
        row: dict[str, Any] = {name: self._text(record, name) for name in ("question", "caption")}
        row |= {name: self._number(record, name) for name in (*_SECONDS, "frame_rate")}
        video_id = os.path.basename(named) if Path(named).parent == stored_videos() else named
        return row | {
            "video": self.finder.find(named, record),
            "video_id": video_id,
            "options": self._options(record),
        }

    def _read_target(self, record: Record, options: list[str] | None) -> dict:
        """The answer, and its label if it is an option."""
        if not options:
            return {"answer": self._text(record, self.target), "label": None}
        label = self._find_option(record, self.target, options)
        return {"answer": None if label is None else options[label], "label": label}

    def _find_option(self, record: Record, name: str, options: list[str]) -> int | None:
        """The place among the options of an answer, or a label."""
        if not self.columns[name] or _is_blank(record, self.columns[name][0]):
            return None
        value = record.fields[self.columns[name][0]]
        # pandas makes 1.0 of 1 in a column with gaps.
        is_whole = name == "label" and isinstance(value, float) and value.is_integer()
        text = str(int(value)) if is_whole else self._text(record, name) or ""
        # Of a label the number, even if an option is called so.
        number = re.fullmatch(r"(\d+)(\.0)?", text) if name == "label" else None
        if number and int(number[1]) < len(options) and (number[2] is None or text not in options):
            return int(number[1])
        return options.index(text) if text in options else None

    def _contradicts(self, record: Record, row: Mapping[str, Any]) -> bool:
        """Whether a row has an answer, and a label that is another option."""
        if self.target == "label" or not row["options"] or not self.columns["label"]:
            return False
        label = self._find_option(record, "label", row["options"])
        return label is not None and row["options"][label] != row["answer"]

    def _text(self, record: Record, name: str) -> str | None:
        if not self.columns[name] or _is_blank(record, self.columns[name][0]):
            return None
        return _composed(record.text(self.columns[name][0]))

    def _number(self, record: Record, name: str) -> float | None:
        """Seconds, which may be a time of the clock, or another number."""
        if not self.columns[name] or _is_blank(record, self.columns[name][0]):
            return None
        column = self.columns[name][0]
        value = record.value(column)
        if name in _SECONDS and isinstance(value, str):
            if match := _CLOCK.fullmatch(value.strip()):
                hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in match.groups())
                if seconds < 60 and (minutes < 60 or match[1] is None):
                    return 3600 * hours + 60 * minutes + seconds
            if match := _COMMA.fullmatch(value.strip()):
                return float(f"{match[1]}.{match[2]}")
            try:
                return record.number(column)
            except ValueError as error:
                raise record.wrong(column, "a number of seconds such as 2.5, or a time such as 00:01:05") from error
        return record.number(column)

    def _options(self, record: Record) -> list[str] | None:
        """Options of a list, of a list as text, or of several columns."""
        names = self.columns["options"]
        if len(names) > 1:
            return [_composed(text) for text in map(record.optional_text, names) if text is not None]
        if not names or _is_blank(record, names[0]):
            return None
        value = record.value(names[0])
        if isinstance(value, str):
            value = _read_list(value.strip())
        if not isinstance(value, list | tuple):
            raise record.wrong(names[0], 'a list such as ["red", "green"], or a column for each option')
        return list(map(_composed, Record({names[0]: value}, record.path, record.place).texts(names[0])))


def _composed(text: str) -> str:
    """A text with its accents in one way, as macOS has another."""
    return unicodedata.normalize("NFC", text)


def _read_list(text: str) -> Any:
    """A list as JSON or Python writes it; `None` for what is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    with warnings.catch_warnings(action="ignore"):  # of backslashes that mean nothing
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None


def _is_blank(record: Record, column: str) -> bool:
    """Whether a record has nothing in a column."""
    value = record.fields.get(column)
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def _as_text(record: Record, value: Any) -> str | None:
    """What a row has besides, as text: of JSON, where it is none."""
    value = _plain(value)
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise record.error(f"{text!r:.80} is no valid Unicode; write it again.") from error
    return text


def _place(record: Record) -> str:
    """The file and line of a record, which name its row."""
    return f"{record.path}, {record.place}" if record.place else str(record.path)


def _list_reasons(left_out: Mapping[str, Sequence[str]]) -> str:
    """Why rows were left out, and which."""
    return "; ".join(f"{reason}: {shorten(places)}" for reason, places in left_out.items())


def _draw(part: _Part, split: str, share: float, seed: int) -> tuple[_Part, _Part]:
    """What is left of a split, and another that was drawn from it: videos, evenly over answers."""
    same = identify_videos(row["video"] for row in part.rows)
    names: dict[str, str] = {}
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for row in part.rows:
        video, name = same[row["video"]], unicodedata.normalize("NFC", row["video_id"].replace("\\", "/"))
        name = name if is_url(name) else posixpath.normpath(name)
        names[video] = min(names.get(video, name), name)
        answers[video][row["answer"] or ""] += 1
    number = max(1, round(share * len(names)))
    if len(names) < 3:
        lost = f" ({sum(map(len, part.left_out.values()))} left out: {_list_reasons(part.left_out)})"
        raise ValueError(
            f"The rows of {part.reading.path} that are left for training are about {len(names)} videos, too few to "
            f"draw the {split} split from{lost if part.left_out else ''}; give {split}_file, or null for the split."
        )
    # Of its answers, that which it has most; neither this nor the order depends on that of the rows.
    stratum = {video: min(of, key=lambda answer: (-of[answer], answer)) for video, of in answers.items()}
    sizes = Counter(stratum.values())

    def place(video: str) -> tuple[str, str]:
        return stratum[video], hashlib.sha256(f"{seed} {names[video]}".encode()).hexdigest()

    videos = sorted(names, key=place)
    repeated = [video for video in videos if sizes[stratum[video]] > 1]
    if len(repeated) >= 2 * number:
        videos = repeated
    elif part.reading.has_classes:
        # Videos without which training still has one of their answers, and half of them at most.
        known = Counter(answer for of in answers.values() for answer in of)
        videos = [video for video in videos if any(known[answer] > 1 for answer in answers[video])] or videos
        number = min(number, max(1, len(videos) // 2))
    drawn = {videos[int((place + 0.5) * len(videos) / number)] for place in range(number)}
    rest = [row for row in part.rows if same[row["video"]] not in drawn]
    taken = [row for row in part.rows if same[row["video"]] in drawn]
    return replace(part, rows=rest), _Part(part.reading, taken, {})


def _check_drawn(train: _Part, drawn: _Part, split: str):
    """Raises a `ValueError` if a model could answer no row of a split that was drawn."""
    if train.reading.has_classes and not {row["answer"] for row in train.rows} & {row["answer"] for row in drawn.rows}:
        raise ValueError(
            f"No row of the {split} split that is drawn from {train.reading.path} could be scored, as none of their "
            f"answers stands with other videos, too. Give {split}_file, or null for the split."
        )


__all__ = ["load_rows", "load_tables"]
