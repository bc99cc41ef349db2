# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Kinetics-400: clips of ten seconds, one of 400 actions each (Kay et al., arXiv 2017)."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ..action_lists import ActionClip, action_rows, check_order
from ..annotation_files import AnnotationFile, read_fields, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..answer_vocabularies import OUTSIDE_LABEL, AnswerVocabulary, GivenVocabulary

# The original's spelling, which its linear probe has seen.
PROMPT = "A persion is doing [MASK]"
ORIGINAL_FORMAT = "tab-separated lines of path ('.../abseiling/0wR5jVB-WPk_000417_000427.zip'), label"
MAKERS_FORMAT = "comma-separated with label, youtube_id, time_start, time_end, split"
CLASS_FILES = (AnnotationFile("kinetics_label_map.txt", "a class a line, that of label 0 first"),)
FOLDERS = {"train": "train", "validation": "val", "test": "test"}


def read_rows(
    folder: AnnotationFolder,
    split: str,
    vocabulary: GivenVocabulary | None = None,
    prompt: str | None = PROMPT,
) -> Iterator[dict]:
    """Rows with `label` (the class), `answer` (its name) and `question` (the prompt).

    The pattern of videos knows `split` ("train", "val", "test"), `action` (the folder, in the makers' arrangement the
    class) and `video_id` ("0wR5jVB-WPk_000417_000427", YouTube's name and whole seconds). The original's classifier
    has one more class than there are actions, which is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or, in the makers' arrangement, "test".
        vocabulary (*optional*): A file or the classes in the order of their labels, instead of
            `kinetics_label_map.txt` or, in the makers' arrangement without it, the classes of the training split (of
            the split itself, where that is missing) in the order of the alphabet.
        prompt (`str`, *optional*, defaults to `"A persion is doing [MASK]"`): What the model reads with each clip, or
            `None` for nothing.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    is_makers = path.suffix == ".csv"
    classes = _find_classes(folder, path if is_makers else None, vocabulary)
    clips = _read_makers_clips(path, classes) if is_makers else _read_clips(path, classes)
    placed = ((record, label, {"split": FOLDERS[split], **names}) for record, label, names in clips)
    yield from action_rows(folder, placed, classes, prompt)


def _find_classes(
    folder: AnnotationFolder, makers_path: Path | None, given: GivenVocabulary | None
) -> AnswerVocabulary:
    """The classes that are given, else those of a file or of the makers' table."""
    if given is not None:
        return AnswerVocabulary.given(given)
    if makers_path is not None and not folder.has(CLASS_FILES):
        tables = [file for file in folder.reader.splits["train"] if file.format == MAKERS_FORMAT]
        makers_path = folder.find(tables) if folder.has(tables) else makers_path
        labels = (record.optional_text("label") for record in read_table(makers_path, delimiter=","))
        if names := sorted({label for label in labels if label is not None}):
            return AnswerVocabulary(tuple(names), f"the labels of {makers_path} in the order of the alphabet")
    return AnswerVocabulary.from_file(folder.find(CLASS_FILES))


def _read_clips(path: Path, classes: AnswerVocabulary) -> Iterator[ActionClip]:
    """Clips of the original's list; the paths are those of a machine where they lay zipped."""
    clips = []
    for record in read_fields(path, 2, ORIGINAL_FORMAT, separator="\t"):
        clips.append((record, record.integer(1, below=len(classes.answers)), PurePosixPath(record.text(0))))
    check_order(path, ((place.parent.name, label) for _, label, place in clips), classes)
    for record, label, place in clips:
        yield record, label, {"action": place.parent.name, "video_id": place.stem}


def _read_makers_clips(path: Path, classes: AnswerVocabulary) -> Iterator[ActionClip]:
    """Clips of the makers' table; the labels of the test split are not public."""
    for record in read_table(path, delimiter=","):
        action = record.optional_text("label")
        label = None if action is None else classes.label(action)
        if label == OUTSIDE_LABEL:
            raise record.wrong("label", f"one of the {len(classes.answers)} classes")
        start, end = record.integer("time_start"), record.integer("time_end")
        name = f"{record.text('youtube_id')}_{start:06d}_{end:06d}"
        yield record, label, {"action": action or "", "video_id": name}


def _makers_files(*names: str) -> tuple[AnnotationFile, ...]:
    """The names that a table of the makers may have."""
    return tuple(AnnotationFile(f"{name}.csv", MAKERS_FORMAT) for name in names)


READER = AnnotationReader(
    name="kinetics400",
    tasks=("classification",),
    publisher="https://github.com/cvdfoundation/kinetics-dataset",
    splits={
        "train": (AnnotationFile("k400_train_tsm.list", ORIGINAL_FORMAT), *_makers_files("train", "kinetics_train")),
        "validation": (
            AnnotationFile("k400_test_tsm.list", ORIGINAL_FORMAT),
            *_makers_files("val", "validate", "kinetics_val"),
        ),
        "test": _makers_files("test", "kinetics_test"),
    },
    media="{split}/{action}/{video_id}.*",
    read_rows=read_rows,
)
