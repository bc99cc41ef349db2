"""What data sets of actions share: the list of classes, and lists of clips."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from .annotation_files import Record, read_fields, read_lines
from .answer_vocabularies import AnswerVocabulary

PROMPT = "A person is doing [MASK]"
FOLDS = (1, 2, 3)
CLASS_FORMAT = "lines such as '1 brush_hair', numbers from 1"
CLIP_FORMAT = "lines of path, number of frames, label from 0"


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


def read_clips(path: Path, classes: AnswerVocabulary, clip_name: re.Pattern) -> Iterator[tuple[Record, str, str, int]]:
    """Read the original's list of clips, whose paths are those of a machine where their frames lay.

    Args:
        path (`pathlib.Path`): The list.
        classes (`AnswerVocabulary`): All classes.
        clip_name (`re.Pattern`): The makers' names of clips, whose first group ends with the action.

    Yields:
        `tuple[Record, str, str, int]`: Entry, folder ("", since clips lie side by side), name and label of each.

    Raises:
        ValueError: If the labels are of another order of the classes, see [`check_order`].
    """
    clips = []
    for record in read_fields(path, 3, CLIP_FORMAT):
        name = PurePosixPath(record.text(0)).name.removesuffix(".avi")
        clips.append((record, "", name, record.integer(2, below=len(classes.answers))))
    matches = ((clip_name.fullmatch(name), label) for _, _, name, label in clips)
    check_order(path, ((match[1], label) for match, label in matches if match), classes)
    yield from clips


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


def action_row(video: str, video_id: str, label: int | None, classes: AnswerVocabulary, prompt: str | None) -> dict:
    """A row of a clip.

    Args:
        video (`str`): Its path.
        video_id (`str`): Its name.
        label (`int`, *optional*): Its class.
        classes (`AnswerVocabulary`): All of them.
        prompt (`str`, *optional*): What the model reads with it, or `None` for nothing.
    """
    answer = None if label is None else classes.answers[label]
    return {"video": video, "question": prompt, "answer": answer, "label": label, "video_id": video_id}


def check_fold(fold: int) -> None:
    """Raise where there is no such partition.

    Raises:
        ValueError: If it is none of 1, 2 and 3.
    """
    if fold not in FOLDS:
        raise ValueError(f"fold is {fold!r}; expected 1, 2 or 3.")
