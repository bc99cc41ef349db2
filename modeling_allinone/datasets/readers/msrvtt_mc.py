# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MSRVTT-MC: which of five captions is that of a clip (Yu et al., ECCV 2018).

It asks about the 2,990 clips on which the makers of MSR-VTT test. There are no questions to train on; the training
split has the clips that the makers train and validate on, with their captions, of which others are drawn to choose
from. The partitions of retrieval named 1k-A and 1k-B train on clips of this test.
"""

from collections.abc import Iterator

from ..annotation_files import AnnotationFile, Record, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..common_rows import caption_rows, choice_columns
from .msrvtt_retrieval import FULL_FILES, TRAIN_7K_FILE, read_captions, read_videos

NUM_OPTIONS = 5
TEST_FORMAT = "JSON lines with clip_name ('video7010'), options (5), answer (0 to 4)"


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `options`, `answer` and `label`, or, of the training split, with `captions`.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" or "test".

    Yields:
        `dict`
    """
    if split == "train":
        yield from _read_training_rows(folder)
        return
    for record in read_records(folder.find_split(split)):
        video_id = record.text("clip_name")
        choice = choice_columns(record.texts("options", NUM_OPTIONS), record.integer("answer", below=NUM_OPTIONS))
        yield {"video": folder.media_path(record, video_id=video_id), **choice, "video_id": video_id}


def _read_training_rows(folder: AnnotationFolder) -> Iterator[dict]:
    """Rows of the clips that the makers train and validate on, with their captions."""
    videos: dict[str, Record] = {}
    for part in ("train", "validation"):
        # The list of 7k has the clips of both.
        videos |= read_videos(folder.find((*FULL_FILES[part], TRAIN_7K_FILE)), part)
    captions = read_captions(folder, videos)
    for video_id, record in videos.items():
        row = {"video": folder.media_path(record, video_id=video_id), "video_id": video_id}
        yield from caption_rows(row, captions[video_id], "train")


READER = AnnotationReader(
    name="msrvtt_mc",
    tasks=("multiple-choice",),
    publisher="https://github.com/jayleicn/ClipBERT",
    splits={
        "train": (*FULL_FILES["train"], TRAIN_7K_FILE),
        "test": (AnnotationFile("msrvtt_mc_test.jsonl", TEST_FORMAT),),
    },
    media="videos/all/{video_id}.mp4",
    read_rows=read_rows,
    validates_on_test=True,
)
