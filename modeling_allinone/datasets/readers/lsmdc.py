# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""LSMDC: clips of films and what a describer says of them (Rohrbach et al., IJCV 2017), for retrieval and choice."""

from collections.abc import Iterator

from ..annotation_files import AnnotationFile, Record, files_by_split, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..common_rows import choice_columns

PUBLISHER = "https://sites.google.com/site/describingmovies"
MEDIA = "{movie}/{video_id}.avi"
TIMES = "clip id, 4 times"
FIRST_OPTION, NUM_OPTIONS, ANSWER = 5, 5, 10

CAPTION_FORMAT = f"tab-separated without a header: {TIMES}, sentence"
CHOICE_FORMAT = f"tab-separated without a header: {TIMES}, 5 sentences of which the first is right"
CHOICE_TEST_FORMAT = f"tab-separated without a header: {TIMES}, 5 sentences, number of the right one from 1"


def read_caption_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `caption`, the sentence; the original trains on the clip's id in its place.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or "test".

    Yields:
        `dict`
    """
    # Sentences are not quoted, and some begin with a quotation mark.
    for record in read_table(folder.find_split(split), has_header=False, has_quotes=False):
        if len(record.fields) < 2:
            raise record.error(f"the row has {len(record.fields)} column, but expected {CAPTION_FORMAT}.")
        yield _row(folder, record) | {"caption": record.text(len(record.fields) - 1)}


def read_choice_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `options`, `answer` and `label`; the right option is the first but in the test split.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or "test".

    Yields:
        `dict`
    """
    for record in read_table(folder.find_split(split), has_header=False, has_quotes=False):
        options = [record.text(FIRST_OPTION + number) for number in range(NUM_OPTIONS)]
        label = record.integer(ANSWER, lowest=1, below=NUM_OPTIONS + 1) - 1 if split == "test" else 0
        yield _row(folder, record) | choice_columns(options, label)


def _row(folder: AnnotationFolder, record: Record) -> dict:
    """What rows of both tasks have."""
    video_id = record.text(0)
    return {"video": folder.media_path(record, video_id=video_id, movie=movie_of(video_id)), "video_id": video_id}


def movie_of(video_id: str) -> str:
    """The film of a clip: its id without the times after it.

    >>> movie_of("3009_BATTLE_LOS_ANGELES_00.03.07.170-00.03.09.675")
    '3009_BATTLE_LOS_ANGELES'
    """
    return video_id.split(".")[0].rpartition("_")[0]


RETRIEVAL = AnnotationReader(
    name="lsmdc_retrieval",
    tasks=("retrieval",),
    publisher=PUBLISHER,
    splits=files_by_split(
        {"train": "annos_training", "validation": "annos_val", "test": "challenge_1000_publictect"},
        AnnotationFile("LSMDC16_{}.csv", CAPTION_FORMAT),
    ),
    media=MEDIA,
    read_rows=read_caption_rows,
    validates_on_test=True,
)
MULTIPLE_CHOICE = AnnotationReader(
    name="lsmdc_mc",
    tasks=("multiple-choice",),
    publisher=PUBLISHER,
    splits=files_by_split(
        {
            "train": ("train", CHOICE_FORMAT),
            "validation": ("valid", CHOICE_FORMAT),
            "test": ("test_randomized", CHOICE_TEST_FORMAT),
        },
        AnnotationFile("LSMDC16_multiple_choice_{0}.csv", "{1}"),
    ),
    media=MEDIA,
    read_rows=read_choice_rows,
    validates_on_test=True,
)
