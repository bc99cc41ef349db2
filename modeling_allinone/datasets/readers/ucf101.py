# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""UCF101: clips of YouTube, one of 101 actions each (Soomro et al., arXiv 2012)."""

import re
from collections.abc import Iterator
from pathlib import Path

from .. import action_lists
from ..annotation_files import AnnotationFile, Record, read_lines
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..answer_vocabularies import OUTSIDE_LABEL, AnswerVocabulary, GivenVocabulary

MAKERS_FORMAT = "lines of path ('ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi') and, but for the test, label from 1"
MAKERS_FOLDER = "ucfTrainTestlist"
# The original's copies carry the names of HMDB51's.
CLASS_FILES = tuple(
    AnnotationFile(name, action_lists.CLASS_FORMAT)
    for name in (f"{MAKERS_FOLDER}/classInd.txt", "classInd.txt", "ucf101_classInd.txt", "hmdb51_classInd.txt")
)
PARTS = {"train": "train", "test": "val"}
CLIP_NAME = re.compile(r"v_(.*)_g\d+_c\d+")


def _files(split: str, fold: int = 1) -> tuple[AnnotationFile, ...]:
    makers_name = f"{split}list{fold:02d}.txt"
    return (
        AnnotationFile(f"{MAKERS_FOLDER}/{makers_name}", MAKERS_FORMAT),
        AnnotationFile(makers_name, MAKERS_FORMAT),
        AnnotationFile(f"ucf101_rgb_{PARTS[split]}_split_{fold}.txt", action_lists.CLIP_FORMAT),
        AnnotationFile(f"hmdb51_rgb_{PARTS[split]}_split_{fold}.txt", action_lists.CLIP_FORMAT),
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
    "ApplyEyeMakeup/"), `action` and `video_id`. The original's classifier has one more class than there are actions,
    which is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" or "test".
        fold (`int`, defaults to 1): Which of the three partitions, from 1.
        vocabulary (*optional*): A file or the actions in the order of their labels, instead of `classInd.txt`.
        prompt (`str`, *optional*, defaults to `"A person is doing [MASK]"`): What the model reads with each clip, or
            `None` for nothing.

    Yields:
        `dict`
    """
    action_lists.check_fold(fold)
    path = folder.find(_files(split, fold))
    if vocabulary is None:
        classes = action_lists.read_classes(folder.find(CLASS_FILES))
    else:
        classes = AnswerVocabulary.given(vocabulary)
    if path.name.startswith(("trainlist", "testlist")):
        clips = _read_makers_clips(path, classes)
    else:
        clips = action_lists.read_clips(path, classes, CLIP_NAME)
    yield from action_lists.action_rows(folder, clips, classes, prompt)


def _read_makers_clips(path: Path, classes: AnswerVocabulary) -> Iterator[action_lists.ActionClip]:
    """Clips of the makers' list, whose folders are the actions; labels in it are from 1."""
    for number, line in enumerate(read_lines(path, skips_blank=False), start=1):
        if not line:
            continue
        place, *numbers = line.split()
        record = Record({0: place} | dict(enumerate(numbers, start=1)), path, f"line {number}")
        action, slash, name = place.partition("/")
        label = classes.label(action)
        if not slash or label == OUTSIDE_LABEL:
            raise record.error(f"the path is {place!r}, whose folder is none of the {len(classes.answers)} actions.")
        if numbers and record.integer(1) != label + 1:
            raise record.error(f"the label of {action!r} is {numbers[0]}, but in the list of classes {label + 1}.")
        yield record, label, {"folder": f"{action}/", "action": action, "video_id": name.removesuffix(".avi")}


READER = AnnotationReader(
    name="ucf101",
    tasks=("classification",),
    publisher="https://www.crcv.ucf.edu/research/data-sets/ucf101",
    splits={split: _files(split) for split in PARTS},
    media="{folder}{video_id}.avi",
    read_rows=read_rows,
    validates_on_test=True,
)
