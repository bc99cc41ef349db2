# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""DiDeMo: 10,000 home videos with some four descriptions each (Hendricks et al., ICCV 2017), one paragraph a video.

Some videos are there under two suffixes, each with part of the descriptions; they are one row, as for everybody who
publishes scores: 1,065 to validate on and 1,004 to test on.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, files_by_split, read_records, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `caption`, the descriptions of a video one after the other; the original cuts it at 80 tokens.

    The pattern of videos knows `file` (of several names that annotations have for a video, the first that is on disk)
    and `video_id`, which is without suffix: "{video_id}.*" finds videos that were converted.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or "test".

    Yields:
        `dict`
    """
    descriptions: dict[str, list[str]] = {}
    places: dict[str, list[str]] = {}
    for record, file_name, text in _read_descriptions(folder.find_split(split)):
        video_id = file_name.rsplit(".", 1)[0]
        descriptions.setdefault(video_id, []).append(text)
        places.setdefault(video_id, []).append(folder.media_path(record, file=file_name, video_id=video_id))
    for video_id, texts in descriptions.items():
        found = filter(os.path.isfile, places[video_id] if folder.looks_for_media else ())
        yield {"video": next(found, places[video_id][0]), "caption": " ".join(texts), "video_id": video_id}


def _read_descriptions(path: Path) -> Iterator[tuple[Record, str, str]]:
    """Entry, file and text of each; the header of the original's table may call its columns anything."""
    if path.suffix == ".tsv":
        for record in islice(read_table(path, has_header=False), 1, None):
            yield record, record.text(1), record.text(0)
    else:
        for record in read_records(path):
            yield record, record.text("video"), record.text("description")


READER = AnnotationReader(
    name="didemo_retrieval",
    tasks=("retrieval",),
    publisher="https://github.com/LisaAnne/LocalizingMoments",
    splits=files_by_split(
        {"train": "train", "validation": "val", "test": "test"},
        AnnotationFile("DiDeMo_{}.tsv", "tab-separated with a header: paragraph, file of the video"),
        AnnotationFile("{}_data.json", "JSON list of objects with description, video"),
    ),
    media="video/{file}",
    read_rows=read_rows,
)
