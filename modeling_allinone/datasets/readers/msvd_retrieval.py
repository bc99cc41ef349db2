# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MSVD: 1,970 clips with some 40 captions each (Chen and Dolan, ACL 2011), for retrieval."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, files_by_split, read_fields, read_lines, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..common_rows import caption_rows

DESCRIPTION_FILES = (AnnotationFile("AllVideoDescriptions.txt", "lines of clip id and caption, remarks after #"),)


def read_rows(folder: AnnotationFolder, split: str, caption_mode: str | None = None) -> Iterator[dict]:
    """Rows with `captions`, or `caption` where one is picked; the original draws one for each test clip, too.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or "test".
        caption_mode (`str`, *optional*): "list", "first" or "each", see [`caption_rows`].

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    if path.suffix == ".tsv":
        clips = _read_joined(path)
    else:
        descriptions = _read_descriptions(folder.find(DESCRIPTION_FILES))
        records = read_fields(path, 1, "a clip id a line")
        clips = ((record, record.text(0), descriptions.get(record.text(0), [])) for record in records)
    for record, video_id, captions in clips:
        if not captions:
            raise record.error(f"{video_id!r} has no captions in {folder.files[-1]}; expected at least one.")
        row = {"video": folder.media_path(record, video_id=video_id), "video_id": video_id}
        yield from caption_rows(row, captions, split, caption_mode)


def _read_joined(path: Path) -> Iterator[tuple[Record, str, list[str]]]:
    """Clips of the original's table, whose header may call its columns anything."""
    for record in islice(read_table(path, has_header=False), 1, None):
        captions = [caption.strip() for caption in record.text(0).split(",")]
        yield record, record.text(1), [caption for caption in captions if caption]


def _read_descriptions(path: Path) -> dict[str, list[str]]:
    """Captions of each clip."""
    captions: dict[str, list[str]] = {}
    for line in read_lines(path):
        video_id, _, caption = line.partition(" ")
        if caption and not line.startswith("#"):
            captions.setdefault(video_id, []).append(caption.strip())
    return captions


READER = AnnotationReader(
    name="msvd_retrieval",
    tasks=("retrieval",),
    publisher="https://www.cs.utexas.edu/users/ml/clamp/videoDescription",
    splits=files_by_split(
        {"train": "train", "validation": "val", "test": "test"},
        AnnotationFile("MSVD_{}.tsv", "tab-separated with a header: captions joined by commas, clip id"),
        AnnotationFile("{}_list.txt", "a clip id a line; beside it AllVideoDescriptions.txt with the captions"),
    ),
    media="YouTubeClips/{video_id}.avi",
    read_rows=read_rows,
    validates_on_test=True,
)
