"""UCF101: clips of YouTube, one of 101 actions each (Soomro et al., arXiv 2012)."""

import re
from collections.abc import Iterator
from pathlib import Path

from ..action_lists import CLASS_FORMAT, CLIP_FORMAT, PROMPT, action_row, check_fold, read_classes, read_clips
from ..annotation_files import AnnotationFile, Record, read_lines
from ..annotation_reader import ORIGINAL_VALIDATION, AnnotationFolder, AnnotationReader
from ..answer_vocabularies import OUTSIDE_LABEL, AnswerVocabulary

MAKERS_FORMAT = "lines of path ('ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi') and, but for the test, label from 1"
MAKERS_FOLDER = "ucfTrainTestlist"
# The original's copies carry the names of HMDB51's.
CLASS_FILES = tuple(
    AnnotationFile(name, CLASS_FORMAT)
    for name in (f"{MAKERS_FOLDER}/classInd.txt", "classInd.txt", "ucf101_classInd.txt", "hmdb51_classInd.txt")
)
PARTS = {"train": "train", "test": "val", ORIGINAL_VALIDATION: "val"}
CLIP_NAME = re.compile(r"v_(.*)_g\d+_c\d+")
MAKERS_PARTS = {"train": "train", "test": "test", ORIGINAL_VALIDATION: "test"}


def _files(split: str, fold: int = 1) -> tuple[AnnotationFile, ...]:
    makers_name = f"{MAKERS_PARTS[split]}list{fold:02d}.txt"
    return (
        AnnotationFile(f"{MAKERS_FOLDER}/{makers_name}", MAKERS_FORMAT),
        AnnotationFile(makers_name, MAKERS_FORMAT),
        AnnotationFile(f"ucf101_rgb_{PARTS[split]}_split_{fold}.txt", CLIP_FORMAT),
        AnnotationFile(f"hmdb51_rgb_{PARTS[split]}_split_{fold}.txt", CLIP_FORMAT),
    )


def read_rows(
    folder: AnnotationFolder, split: str, fold: int = 1, vocabulary=None, prompt: str | None = PROMPT
) -> Iterator[dict]:
    """Rows with `label` (the action), `answer` (its name) and `question` (the prompt).

    The pattern of videos knows `folder` ("" in the original's arrangement, where clips lie side by side, else such as
    "ApplyEyeMakeup/"), `action` and `video_id`. The original's classifier has one more class than there are actions,
    which is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "test", or "original_validation", which is the test split.
        fold (`int`, defaults to 1): Which of the three partitions, from 1.
        vocabulary (*optional*): A file or the actions in the order of their labels, instead of `classInd.txt`.
        prompt (`str`, *optional*, defaults to `"A person is doing [MASK]"`): What the model reads with each clip, or
            `None` for nothing.

    Yields:
        `dict`
    """
    check_fold(fold)
    path = folder.find(_files(split, fold))
    given = None if vocabulary is None else AnswerVocabulary.given(vocabulary)
    classes = read_classes(folder.find(CLASS_FILES)) if given is None else given
    folder.vocabulary = classes
    is_makers = path.name.startswith(("trainlist", "testlist"))
    for record, place, video_id, label in (
        _read_makers_clips(path, classes) if is_makers else read_clips(path, classes, CLIP_NAME)
    ):
        video = folder.media_path(record, folder=place, action=classes.answers[label], video_id=video_id)
        yield action_row(video, video_id, label, classes, prompt)


def _read_makers_clips(path: Path, classes: AnswerVocabulary) -> Iterator[tuple[Record, str, str, int]]:
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
        yield record, f"{action}/", name.removesuffix(".avi"), label


READER = AnnotationReader(
    name="ucf101",
    tasks=("classification",),
    publisher="https://www.crcv.ucf.edu/research/data-sets/ucf101",
    splits={split: _files(split) for split in PARTS},
    media="{folder}{video_id}.avi",
    read_rows=read_rows,
)
