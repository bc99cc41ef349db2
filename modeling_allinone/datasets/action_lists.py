# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What data sets of actions share: the list of classes, and lists of clips."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from .annotation_files import Record, read_fields, read_lines
from .annotation_reader import AnnotationFolder
from .answer_vocabularies import AnswerVocabulary

PROMPT = "A person is doing [MASK]"
CLASS_FORMAT = "lines such as '1 brush_hair', numbers from 1"
CLIP_FORMAT = "lines of path, number of frames, label from 0"

# Entry, label (`None` where it is not public), and what the names in the pattern of videos stand for.
ActionClip = tuple[Record, int | None, dict[str, str]]


def read_classes(path: Path) -> AnswerVocabulary:
    """Read classes with their numbers, from 1; class 1 has label 0.

    Args:
        path (`pathlib.Path`): File of lines such as "1 brush_hair".

    Raises:
        ValueError: If a line is something else, or the numbers are not 1, 2, 3, ... in any order.
    """
    names: dict[int, str] = {}
    lines = read_lines(path)
    for line in lines:
        number, _, name = line.partition(" ")
        if not number.isdecimal() or not name.strip():
            raise ValueError(f"{path} has the line {line!r}; expected such as '1 brush_hair'.")
        names[int(number)] = name.strip()
    if set(names) != set(range(1, len(lines) + 1)):
        raise ValueError(f"{path} does not give its {len(lines)} classes the numbers from 1 on, each once.")
    return AnswerVocabulary(tuple(names[number] for number in range(1, len(lines) + 1)), str(path))


def read_clips(path: Path, classes: AnswerVocabulary, clip_name: re.Pattern) -> Iterator[ActionClip]:
    """Read the original's list of clips, whose paths are those of a machine where their frames lay.

    Args:
        path (`pathlib.Path`): The list.
        classes (`AnswerVocabulary`): All classes.
        clip_name (`re.Pattern`): The makers' names of clips, whose first group ends with the action.

    Yields:
        `ActionClip`, whose folder is "", since clips lie side by side.

    Raises:
        ValueError: If the labels are of another order of the classes, see [`check_order`].
    """
    clips = []
    for record in read_fields(path, 3, CLIP_FORMAT):
        name = PurePosixPath(record.text(0)).name.removesuffix(".avi")
        clips.append((record, record.integer(2, below=len(classes.answers)), name))
    matches = ((clip_name.fullmatch(name), label) for _, label, name in clips)
    check_order(path, ((match[1], label) for match, label in matches if match), classes)
    for record, label, name in clips:
        yield record, label, {"folder": "", "action": classes.answers[label], "video_id": name}


def check_order(path: Path, named: Iterable[tuple[str, int]], classes: AnswerVocabulary) -> None:
    """Refuse a list that numbers the classes in another order than theirs: by their names, the clips of a label are
    of another class throughout.

    Args:
        path (`pathlib.Path`): The list.
        named (`Iterable`): Of each clip a name that ends with its action, and its label.
        classes (`AnswerVocabulary`): All classes.

    Raises:
        ValueError: The message has label and class.
    """
    names_of: dict[int, set[str]] = {}
    for name, label in named:
        names_of.setdefault(label, set()).add(_plain(name))
    endings = {action: _plain(action) for action in classes.answers}
    for label, names in names_of.items():
        action = classes.answers[label]
        found = {other for other, ending in endings.items() if any(name.endswith(ending) for name in names)}
        if found and action not in found:
            raise ValueError(
                f"{path} has label {label}, which is {action!r} by {classes.origin}, for clips of "
                f"{max(found, key=len)!r}; give the classes in the order in which the list numbers them (vocabulary)."
            )


def _plain(name: str) -> str:
    """A name for comparison, beginning with a space, so that none ends within a word of another."""
    return f" {name.replace('_', ' ').casefold()}"


def action_rows(
    folder: AnnotationFolder, clips: Iterable[ActionClip], classes: AnswerVocabulary, prompt: str | None
) -> Iterator[dict]:
    """Make rows of clips, labelled by the classes, which are the folder's vocabulary from now on.

    Args:
        folder (`AnnotationFolder`): What is read from.
        clips (`Iterable[ActionClip]`): The clips.
        classes (`AnswerVocabulary`): All classes.
        prompt (`str`, *optional*): What the model reads with each clip, or `None` for nothing.

    Yields:
        `dict`
    """
    folder.vocabulary = classes
    for record, label, names in clips:
        yield {
            "video": folder.media_path(record, **names),
            "question": prompt,
            "answer": None if label is None else classes.answers[label],
            "label": label,
            "video_id": names["video_id"],
        }


def check_fold(fold: int) -> None:
    """Raise where there is no such partition.

    Raises:
        ValueError: If it is none of 1, 2 and 3.
    """
    if fold not in (1, 2, 3):
        raise ValueError(f"fold is {fold!r}; expected 1, 2 or 3.")
