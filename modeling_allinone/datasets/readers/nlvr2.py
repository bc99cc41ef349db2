# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""NLVR2: is a sentence true of two photographs? (Suhr et al., ACL 2019.)"""

from collections.abc import Iterator

from ..annotation_files import AnnotationFile, Record, files_by_split, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader

FORMAT = "JSON lines with identifier ('dev-850-0-0'), sentence, label ('True' or 'False'); directory where split"
LABELS = {"False": 0, "True": 1}
MAKERS_SPLITS = {"train": "train", "validation": "dev", "test": "test1"}


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `images` (left, right), `question` (the sentence), `answer` ("True" or "False") and `label` (1 or 0).

    Photographs of the training split lie in numbered folders, which the annotation names. Where the others lie beside
    `images/train`, rather than one folder up as the original has them, it is `media_pattern="images/{split}/..."`; the
    pattern knows `folder` ("images/train/39", "dev"), `split` ("train", "dev", "test1") and `image`.

    The original selects models on the validation and the test split together, and tests on them too.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" (the makers' dev), or "test" (their test1).

    Yields:
        `dict`
    """
    for record in read_records(folder.find_split(split)):
        identifier = record.text("identifier")
        pair = identifier.rpartition("-")[0]
        if not pair:
            raise record.wrong("identifier", "such as 'dev-850-0-0'")
        label = _label(record)
        yield {
            "images": [_image(folder, record, f"{pair}-img{side}", split) for side in (0, 1)],
            "question": record.text("sentence"),
            "answer": None if label is None else list(LABELS)[label],
            "label": label,
            "video_id": pair,
            "sample_id": identifier,
        }


def _image(folder: AnnotationFolder, record: Record, image: str, split: str) -> str:
    """Path of a photograph."""
    place = MAKERS_SPLITS[split]
    lies_in = f"images/train/{record.text('directory')}" if "directory" in record else place
    return folder.media_path(record, folder=lies_in, split=place, image=image)


def _label(record: Record) -> int | None:
    """Whether the sentence is true, if that is public."""
    if "label" not in record:
        return None
    label = str(record.value("label")).strip().capitalize()
    if label not in LABELS:
        raise record.wrong("label", "'True' or 'False'")
    return LABELS[label]


READER = AnnotationReader(
    name="nlvr2",
    tasks=("paired-reasoning",),
    publisher="https://github.com/lil-lab/nlvr",
    splits=files_by_split(
        MAKERS_SPLITS, AnnotationFile("nlvr2/data/{}.json", FORMAT), AnnotationFile("{}.json", FORMAT)
    ),
    media="{folder}/{image}.png",
    read_rows=read_rows,
    extra_columns={"images": "[string]"},
)
