# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""WebVid: stock videos with their captions, two and a half million in the first edition (Bain et al., ICCV 2021)."""

from collections.abc import Iterator
from pathlib import Path

from ..annotation_files import AnnotationFile, files_by_split, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..captioned_media import CaptionedFile, captioned_rows, read_captions

MAKERS_FORMAT = "comma-separated with videoid, contentUrl, duration, page_dir, name"
FOLDERS = {"train": "train", "validation": "val"}


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `video` and `caption`.

    The pattern of videos knows `split` ("train", "val"), `path` ("page_dir/video_id"), `page_dir` and `video_id`.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" or "validation".

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    files = _read_makers_captions(path) if path.suffix == ".csv" else read_captions(path, 0, 1)
    yield from captioned_rows(folder, "video", files, lambda place: _names(place, split))


def _names(place: str, split: str) -> dict[str, str]:
    """Fields of the pattern of videos."""
    page_dir, _, video_id = place.rpartition("/")
    return {"split": FOLDERS[split], "path": place, "page_dir": page_dir, "video_id": video_id}


def _read_makers_captions(path: Path) -> Iterator[CaptionedFile]:
    """Entry, caption and path of each video."""
    for record in read_table(path, delimiter=","):
        yield record, record.optional_text("name"), f"{record.text('page_dir')}/{record.text('videoid')}"


READER = AnnotationReader(
    name="webvid",
    tasks=("pretraining",),
    publisher="https://github.com/m-bain/webvid",
    splits=files_by_split(
        {"train": ("training", "train"), "validation": ("validation", "val")},
        AnnotationFile("webvid_{0}_success_full.tsv", "tab-separated with a header: caption, path without '.mp4'"),
        AnnotationFile("results_2M_{1}.csv", MAKERS_FORMAT),
        AnnotationFile("results_10M_{1}.csv", MAKERS_FORMAT),
    ),
    media="{split}/{path}.mp4",
    read_rows=read_rows,
)
