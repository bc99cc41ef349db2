# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a reader of a public data set is: a description, and a function that yields its rows."""

import inspect
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath

from .annotation_files import AnnotationFile, Record, read_records
from .answer_vocabularies import AnswerVocabulary, GivenVocabulary

TASKS = (
    "question-answering",
    "multiple-choice-question-answering",
    "multiple-choice",
    "retrieval",
    "classification",
    "visual-commonsense",
    "paired-reasoning",
    "pretraining",
)
# The name of what the original selects models on, where that is not the validation split.
ORIGINAL_VALIDATION = "original_validation"

ON_MISSING_VIDEO = ("warn", "raise", "drop", "ignore")
ANY_SUFFIX = ".*"


def check_positive(**options: float) -> None:
    """Refuse options of a reader that are not numbers above 0.

    Raises:
        ValueError: The message has the option's name.
    """
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(f"{name} is {value!r}; expected a number above 0.")


def check_inside(record: Record, place: str) -> None:
    """Refuse the name of a file that leads out of the data folder.

    Args:
        record (`Record`): The entry that has it.
        place (`str`): Path of a video, image or transcript below its folder.

    Raises:
        ValueError: If it is absolute or has a part "..".
    """
    if os.path.isabs(place) or os.path.splitdrive(place)[0] or (".." in place and ".." in PurePath(place).parts):
        raise record.error(
            f"the file {place!r} lies outside the data folder; expected a path below it, without '..' in it."
        )


@dataclass(frozen=True)
class AnnotationReader:
    """A public data set and how its rows are read.

    Args:
        name (`str`): What [`load_annotations`] calls it.
        tasks (`tuple[str, ...]`): What its rows are for, of `TASKS`.
        publisher (`str`): Page on which its makers publish the annotations.
        splits (`Mapping[str, Sequence[AnnotationFile]]`): By name of the split ("train", "validation", "test"), the
            files it may come in, the preferred one first; see [`files_by_split`].
        media (`str`): Where a video or image lies below the root: a pattern such as `"videos/{video_id}.mp4"`, whose
            names are the reader's; `".*"` at the end stands for any suffix.
        read_rows (`Callable`): Generator of rows: takes an `AnnotationFolder`, a split and the reader's options, and
            yields dictionaries of columns of the common row (see `common_rows`) and of `extra_columns`. What it leaves
            out is null; a `sample_id` it leaves out is made of the split and the number of the row.
        extra_columns (`Mapping[str, str]`): Types, as `datasets.Value` knows them, of columns beside the common ones;
            in brackets, such as `"[string]"`, of lists.
        validates_on_test (`bool`, defaults to `False`): Whether the original selects models on the test split, which
            is then there as "original_validation" too.

    Raises:
        ValueError: If a task is none of `TASKS`.
    """

    name: str
    tasks: tuple[str, ...]
    publisher: str
    splits: Mapping[str, Sequence[AnnotationFile]]
    media: str
    read_rows: Callable[..., Iterator[dict]]
    extra_columns: Mapping[str, str] = field(default_factory=dict)
    validates_on_test: bool = False

    def __post_init__(self):
        if unknown := set(self.tasks) - set(TASKS):
            raise ValueError(f"{self.name} is for {', '.join(sorted(unknown))}; there are {', '.join(TASKS)}.")
        if self.validates_on_test:
            object.__setattr__(self, "splits", {**self.splits, ORIGINAL_VALIDATION: self.splits["test"]})

    @property
    def options(self) -> dict[str, object]:
        """Options of its own, with their defaults."""
        parameters = list(inspect.signature(self.read_rows).parameters.values())[2:]
        return {parameter.name: parameter.default for parameter in parameters}

    def __str__(self) -> str:
        lines = [f"{self.name}: {', '.join(self.tasks)}", f"published at {self.publisher}"]
        for split, files in self.splits.items():
            lines.append(f"{split}: " + " or ".join(f"{file.path} ({file.format})" for file in files))
        lines.append(f"videos or images: {self.media}")
        lines += [f"option {name}: {default!r} by default" for name, default in self.options.items()]
        return "\n  ".join(lines)

    def check_split(self, split: str) -> None:
        """Raise where there is no such split.

        Raises:
            ValueError: The message has the splits there are.
        """
        if split in list(self.splits):
            return
        remedy = ""
        if split == "validation":
            remedy = " To select models, hold out a part of another split: rows.train_test_split(0.1, seed=0)."
            if ORIGINAL_VALIDATION in self.splits:
                remedy += f" {ORIGINAL_VALIDATION!r} is what the original selects on, the test split."
        raise ValueError(f"{self.name} has no split {split!r}; it has {', '.join(map(repr, self.splits))}.{remedy}")

    def check_options(self, options: Mapping[str, object]) -> None:
        """Raise where an option is unknown.

        Raises:
            TypeError: The message has the options there are.
        """
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            known = ", ".join(self.options) or "none of its own"
            raise TypeError(f"{self.name} has no option {', '.join(unknown)}; it has {known}.")


@dataclass
class AnnotationFolder:
    """What a reader reads from, which remembers what was found.

    Args:
        reader (`AnnotationReader`): The data set.
        root (`pathlib.Path`): Folder of the annotations.
        media_root (`pathlib.Path`): Folder of the videos and images.
        media_pattern (`str`): Where they lie below it, as `AnnotationReader.media`.
        looks_for_media (`bool`, defaults to `True`): Whether videos are looked at on disk.
        files (`list[pathlib.Path]`): Files that were read.
        vocabulary (`AnswerVocabulary`, *optional*): What the labels of the rows stand for.
        remarks (`list[str]`): What else the reader came across.
        left_out (`Counter[str]`): How many entries of a kind made no row, such as "images without a caption".
    """

    reader: AnnotationReader
    root: Path
    media_root: Path
    media_pattern: str
    looks_for_media: bool = True
    files: list[Path] = field(default_factory=list)
    vocabulary: AnswerVocabulary | None = None
    remarks: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def find(self, candidates: Sequence[AnnotationFile]) -> Path:
        """The first of some files that exists, noted as one of those that were read.

        Args:
            candidates (`Sequence[AnnotationFile]`): Files that would do, the preferred one first; at least one.

        Raises:
            FileNotFoundError: If none exists; the message has the paths expected, their formats and the publisher.
        """
        path = next((self.root / file.path for file in candidates if (self.root / file.path).is_file()), None)
        if path is None:
            expected = "".join(f"\n  {self.root / file.path}: {file.format}" for file in candidates)
            number = "this file" if len(candidates) == 1 else "one of these files"
            raise FileNotFoundError(
                f"{self.reader.name} lacks an annotation file; expected {number}:{expected}\n"
                f"Its makers publish it at {self.reader.publisher}; the folder given is {self.root}."
            )
        if path not in self.files:
            self.files.append(path)
        return path

    def find_split(self, split: str) -> Path:
        """The file of a split; see `find`."""
        return self.find(self.reader.splits[split])

    def has(self, candidates: Sequence[AnnotationFile]) -> bool:
        """Whether one of some files exists."""
        return any((self.root / candidate.path).is_file() for candidate in candidates)

    def choose_vocabulary(
        self,
        given: GivenVocabulary | None,
        candidates: Sequence[AnnotationFile],
        num_answers: int,
        read: Callable[[Path], Iterable[Record]] = read_records,
    ) -> AnswerVocabulary:
        """Take the vocabulary that is given, else a file, else the most frequent answers of the training split.

        Args:
            given (*optional*): A file, answers in the order of their labels (such as those of a trained model), or a
                vocabulary; see [`AnswerVocabulary.given`].
            candidates (`Sequence[AnnotationFile]`): Files that a vocabulary may come in.
            num_answers (`int`): How many answers to keep where they are counted, at least 1.
            read (`Callable`, defaults to [`read_records`]): Reads the entries, with `answer`, of the training split.

        Returns:
            `AnswerVocabulary`, which is the folder's from now on.

        Raises:
            FileNotFoundError: If there is neither a vocabulary nor a training split.
        """
        if given is not None:
            self.vocabulary = AnswerVocabulary.given(given)
        elif self.has(candidates):
            self.vocabulary = AnswerVocabulary.from_file(self.find(candidates))
        else:
            path = self.find((*candidates, *self.reader.splits["train"]))
            answers = (record.text("answer") for record in read(path))
            self.vocabulary = AnswerVocabulary.most_frequent(answers, num_answers, "the training split")
        return self.vocabulary

    def media_needs(self, name: str) -> bool:
        """Whether the pattern of the media speaks of a field, such as "youtube_id"."""
        return f"{{{name}}}" in self.media_pattern

    def media_path(self, record: Record, /, **fields: str) -> str:
        """Path of a video or image, below the folder of the media whatever the annotations say.

        Links are followed wherever they lead, since only the owner of the folder can have put them there.

        Args:
            record (`Record`): The entry that names it, for messages.
            fields (`str`): What the names of the pattern stand for.

        Raises:
            ValueError: If the pattern has other names, or a field leads out of the folder.
        """
        for name, value in fields.items():
            if f"{{{name}" in self.media_pattern:
                check_inside(record, value)
        try:
            relative = self.media_pattern.format(**fields)
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            names = ", ".join(f"{{{name}}}" for name in fields)
            raise ValueError(
                f"media_pattern {self.media_pattern!r} cannot be filled in; {self.reader.name} knows {names}."
            ) from error
        if relative.endswith(ANY_SUFFIX):
            return self._with_suffix(os.path.join(self.media_root, relative.removesuffix(ANY_SUFFIX)))
        return os.path.join(self.media_root, relative)

    def _with_suffix(self, path: str) -> str:
        """The file that has this name and any suffix, or the name with ".*" where there is none."""
        parent, stem = os.path.split(path)
        if parent not in self._listings:
            names = sorted(os.listdir(parent), reverse=True) if os.path.isdir(parent) else []
            self._listings[parent] = {os.path.splitext(name)[0]: name for name in names}
        return os.path.join(parent, self._listings[parent].get(stem, stem + ANY_SUFFIX))

    @cached_property
    def _listings(self) -> dict[str, dict[str, str]]:
        return {}


@dataclass(frozen=True)
class AnnotationSummary:
    """What was found when a data set was read; `str` of it is for people.

    Args:
        name (`str`): The data set.
        split (`str`): The split.
        files (`tuple[str, ...]`): Annotation files that were read.
        num_rows (`int`): Rows of the table.
        num_media (`int`): Different videos (or images) that the annotations name.
        missing_media (`tuple[str, ...]`): Those of them that are not on disk or empty; `None` if nobody looked.
        num_dropped (`int`): Rows left out because their video is missing.
        answers (`tuple[str, ...]`, *optional*): Vocabulary: the answer of label 0, of label 1, and so on.
        answers_origin (`str`, *optional*): Where the vocabulary is from.
        num_outside (`int`): Rows whose answer the vocabulary lacks: their label is -100.
        remarks (`tuple[str, ...]`): What else the reader came across.
        held_out_share (`float`, *optional*): Share of the videos of one's own files that the split was drawn with.
        left_out (`Mapping[str, tuple[str, ...]]`): Rows of one's own files that were left out, by reason.
    """

    name: str
    split: str
    files: tuple[str, ...]
    num_rows: int
    num_media: int
    missing_media: tuple[str, ...] | None
    num_dropped: int = 0
    answers: tuple[str, ...] | None = None
    answers_origin: str | None = None
    num_outside: int = 0
    remarks: tuple[str, ...] = ()
    held_out_share: float | None = None
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.name}, {self.split}: {self.num_rows} rows, {self.num_media} videos or images"]
        lines += [f"read {path}" for path in self.files]
        lines.append(self.describe_missing())
        if self.answers is not None:
            share = self.num_outside / max(self.num_rows, 1)
            lines.append(
                f"vocabulary: {len(self.answers)} answers from {self.answers_origin}; "
                f"rows with another one, label -100: {self.num_outside} ({share:.1%})"
            )
        return "\n  ".join([*lines, *self.remarks])

    def describe_missing(self, num_names: int = 3) -> str:
        """How many videos are missing, and the first few of them."""
        if self.missing_media is None:
            return "whether the videos are there was not looked at"
        if not self.missing_media:
            return "no video is missing"
        names = ", ".join(self.missing_media[:num_names])
        which = f"such as {names}" if len(self.missing_media) > num_names else f"namely {names}"
        dropped = f"; rows left out: {self.num_dropped}" if self.num_dropped else ""
        return f"{len(self.missing_media)} of {self.num_media} are missing or empty, {which}{dropped}"


__all__ = ["AnnotationFolder", "AnnotationReader", "AnnotationSummary"]
