# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""HMDB51: clips from films and the web, one of 51 actions each (Kuehne et al., ICCV 2011)."""

import re
from collections.abc import Iterator
from pathlib import Path

from .. import action_lists
from ..annotation_files import AnnotationFile, read_fields
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..answer_vocabularies import OUTSIDE_LABEL, AnswerVocabulary, GivenVocabulary

NUM_ACTIONS = 51
MAKERS_FORMAT = "lines of file and 1 (train), 2 (test) or 0; beside it those of the other 50 actions"
MAKERS_FOLDER = "testTrainMulti_7030_splits"
CLASS_FILES = (AnnotationFile("hmdb51_classInd.txt", action_lists.CLASS_FORMAT),)
# The makers' names of clips: title and action, then part of the body, camera, people, side, quality and number.
CLIP_NAME = re.compile(r"(.*)_[fhlu]_[cn]m_np\d+_(?:ba|bs|fr|le|ri)_(?:goo|med|bad)_\d+")
PARTS = {"train": "train", "test": "val"}
MAKERS_PARTS = {"train": 1, "test": 2}


def _files(split: str, fold: int = 1) -> tuple[AnnotationFile, ...]:
    makers_name = f"brush_hair_test_split{fold}.txt"
    return (
        AnnotationFile(f"hmdb51_rgb_{PARTS[split]}_split_{fold}.txt", action_lists.CLIP_FORMAT),
        AnnotationFile(f"{MAKERS_FOLDER}/{makers_name}", MAKERS_FORMAT),
        AnnotationFile(makers_name, MAKERS_FORMAT),
    )


def read_rows(
    folder: AnnotationFolder,
    split: str,
    fold: int = 1,
    vocabulary: GivenVocabulary | None = None,
    prompt: str | None = action_lists.PROMPT,
) -> Iterator[dict]:
    """Rows with `label` (the action), `answer` (its name) and `question` (the prompt).

    The pattern of videos knows `folder` ("" in the original's arrangement, where clips lie side by side, else such as
    "brush_hair/"), `action` and `video_id`. The original's classifier has one more class than there are actions, which
    is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" or "test".
        fold (`int`, defaults to 1): Which of the three partitions, from 1.
        vocabulary (*optional*): A file or the actions in the order of their labels, instead of `hmdb51_classInd.txt`
            or, in the makers' arrangement without it, the actions in the order of the alphabet.
        prompt (`str`, *optional*, defaults to `"A person is doing [MASK]"`): What the model reads with each clip, or
            `None` for nothing.

    Yields:
        `dict`
    """
    action_lists.check_fold(fold)
    path = folder.find(_files(split, fold))
    lists = _find_lists(folder, path, fold) if path.name.startswith("brush_hair") else {}
    if vocabulary is not None:
        classes = AnswerVocabulary.given(vocabulary)
    elif lists and not folder.has(CLASS_FILES):
        classes = AnswerVocabulary(tuple(lists), "the actions in the order of the alphabet")
    else:
        classes = action_lists.read_classes(folder.find(CLASS_FILES))
    if lists:
        clips = _read_makers_clips(lists, MAKERS_PARTS[split], classes)
    else:
        clips = action_lists.read_clips(path, classes, CLIP_NAME)
    yield from action_lists.action_rows(folder, clips, classes, prompt)


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
) -> Iterator[action_lists.ActionClip]:
    """Clips of a part of the makers' lists."""
    for action, path in lists.items():
        label = classes.label(action)
        if label == OUTSIDE_LABEL:
            raise ValueError(f"{path} is of {action!r}, which is none of the {len(classes.answers)} actions.")
        for record in read_fields(path, 2, "such as 'name.avi 1'"):
            if record.integer(1, below=3) == part:
                name = record.text(0).removesuffix(".avi")
                yield record, label, {"folder": f"{action}/", "action": action, "video_id": name}


READER = AnnotationReader(
    name="hmdb51",
    tasks=("classification",),
    publisher="https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database",
    splits={split: _files(split) for split in PARTS},
    media="{folder}{video_id}.avi",
    read_rows=read_rows,
    validates_on_test=True,
)
