"""HMDB51: clips from films and the web, one of 51 actions each (Kuehne et al., ICCV 2011)."""

import re
from collections.abc import Iterator
from pathlib import Path

from ..action_lists import (
    CLASS_FORMAT,
    CLIP_FORMAT,
    PROMPT,
    action_row,
    check_fold,
    read_classes,
    read_clips,
)
from ..annotation_files import AnnotationFile, Record, read_fields
from ..annotation_reader import ORIGINAL_VALIDATION, AnnotationFolder, AnnotationReader
from ..answer_vocabularies import OUTSIDE_LABEL, AnswerVocabulary

NUM_ACTIONS = 51
MAKERS_FORMAT = "lines of file and 1 (train), 2 (test) or 0; beside it those of the other 50 actions"
MAKERS_FOLDER = "testTrainMulti_7030_splits"
CLASS_FILES = (AnnotationFile("hmdb51_classInd.txt", CLASS_FORMAT),)
# The makers' names of clips: title and action, then part of the body, camera, people, side, quality and number.
CLIP_NAME = re.compile(r"(.*)_[fhlu]_[cn]m_np\d+_(?:ba|bs|fr|le|ri)_(?:goo|med|bad)_\d+")
PARTS = {"train": "train", "test": "val", ORIGINAL_VALIDATION: "val"}
MAKERS_PARTS = {"train": 1, "test": 2, ORIGINAL_VALIDATION: 2}


def _files(split: str, fold: int = 1) -> tuple[AnnotationFile, ...]:
    makers_name = f"brush_hair_test_split{fold}.txt"
    return (
        AnnotationFile(f"hmdb51_rgb_{PARTS[split]}_split_{fold}.txt", CLIP_FORMAT),
        AnnotationFile(f"{MAKERS_FOLDER}/{makers_name}", MAKERS_FORMAT),
        AnnotationFile(makers_name, MAKERS_FORMAT),
    )


def read_rows(
    folder: AnnotationFolder, split: str, fold: int = 1, vocabulary=None, prompt: str | None = PROMPT
) -> Iterator[dict]:
    """Rows with `label` (the action), `answer` (its name) and `question` (the prompt).

    The pattern of videos knows `folder` ("" in the original's arrangement, where clips lie side by side, else such as
    "brush_hair/"), `action` and `video_id`. The original's classifier has one more class than there are actions, which
    is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "test", or "original_validation", which is the test split.
        fold (`int`, defaults to 1): Which of the three partitions, from 1.
        vocabulary (*optional*): A file or the actions in the order of their labels, instead of `hmdb51_classInd.txt`
            or, in the makers' arrangement without it, the actions in the order of the alphabet.
        prompt (`str`, *optional*, defaults to `"A person is doing [MASK]"`): What the model reads with each clip, or
            `None` for nothing.

    Yields:
        `dict`
    """
    check_fold(fold)
    path = folder.find(_files(split, fold))
    is_makers = path.name.startswith("brush_hair")
    lists = _find_lists(folder, path, fold) if is_makers else {}
    if vocabulary is not None:
        classes = AnswerVocabulary.given(vocabulary)
    elif is_makers and not folder.has(CLASS_FILES):
        classes = AnswerVocabulary(tuple(lists), "the actions in the order of the alphabet")
    else:
        classes = read_classes(folder.find(CLASS_FILES))
    folder.vocabulary = classes
    if is_makers:
        clips = _read_makers_clips(lists, MAKERS_PARTS[split], classes)
    else:
        clips = read_clips(path, classes, CLIP_NAME)
    for record, place, video_id, label in clips:
        video = folder.media_path(record, folder=place, action=classes.answers[label], video_id=video_id)
        yield action_row(video, video_id, label, classes, prompt)


def _find_lists(folder: AnnotationFolder, path: Path, fold: int) -> dict[str, Path]:
    """The makers' files by action, in the order of the actions' names: `kick` before `kick_ball`, unlike the files."""
    suffix = f"_test_split{fold}.txt"
    lists = {path.name.removesuffix(suffix): path for path in path.parent.glob(f"*{suffix}")}
    lists = {action: lists[action] for action in sorted(lists)}
    folder.files = list(lists.values())
    if len(lists) < NUM_ACTIONS:
        folder.remarks.append(f"there are lists of {len(lists)} actions, not of {NUM_ACTIONS}")
    return lists


def _read_makers_clips(
    lists: dict[str, Path], part: int, classes: AnswerVocabulary
) -> Iterator[tuple[Record, str, str, int]]:
    for action, path in lists.items():
        label = classes.label(action)
        if label == OUTSIDE_LABEL:
            raise ValueError(f"{path} is of {action!r}, which is none of the {len(classes.answers)} actions.")
        for record in read_fields(path, 2, "such as 'name.avi 1'"):
            if record.integer(1, below=3) == part:
                yield record, f"{action}/", record.text(0).removesuffix(".avi"), label


READER = AnnotationReader(
    name="hmdb51",
    tasks=("classification",),
    publisher="https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database",
    splits={split: _files(split) for split in PARTS},
    media="{folder}{video_id}.avi",
    read_rows=read_rows,
)
