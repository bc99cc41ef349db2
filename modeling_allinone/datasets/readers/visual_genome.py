# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Visual Genome: 108,077 images whose regions are described, 50 each (Krishna et al., IJCV 2017)."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader

FILES = tuple(
    AnnotationFile(f"{place}region_descriptions.json", "JSON list of objects with id and regions (phrase)")
    for place in ("annotations/", "")
)
IMAGE_FILES = tuple(
    AnnotationFile(f"{place}image_data.json", "JSON list of objects with image_id and url")
    for place in ("annotations/", "")
)
FOLDERS = ("VG_100K", "VG_100K_2")


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `captions`, the phrases for the regions of an image; images without any are left out.

    The images come in two folders; which one is in the URL in `image_data.json` or, without that file, seen on disk.

    Args:
        folder (`AnnotationFolder`): What to read from; its pattern knows `folder` and `image` (the number).
        split (`str`): "train", the only one.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    folder_of: dict[str, str] = {}
    if folder.has(IMAGE_FILES):
        for record in read_records(folder.find(IMAGE_FILES)):
            folder_of[record.text("image_id")] = Path(record.text("url")).parent.name
    for record in read_records(path):
        image_id = record.text("id" if "id" in record else "image_id")
        phrases = [region.optional_text("phrase") for region in record.objects("regions", "phrase", optional=True)]
        captions = [phrase for phrase in phrases if phrase]
        if not captions:
            folder.left_out["images without a caption"] += 1
            continue
        image = _image(folder, record, image_id, folder_of)
        yield {"image": image, "captions": captions, "video_id": image_id, "sample_id": image_id}


def _image(folder: AnnotationFolder, record: Record, image_id: str, folder_of: dict[str, str]) -> str:
    """Path of an image, in the folder that is known, else in the one that has it."""
    if image_id in folder_of or not folder.media_needs("folder"):
        return folder.media_path(record, folder=folder_of.get(image_id, FOLDERS[0]), image=image_id)
    places = [folder.media_path(record, folder=name, image=image_id) for name in FOLDERS]
    return next((place for place in places if os.path.isfile(place)), places[0])


READER = AnnotationReader(
    name="visual_genome",
    tasks=("pretraining",),
    publisher="https://homes.cs.washington.edu/~ranjay/visualgenome/api.html",
    splits={"train": FILES},
    media="images/{folder}/{image}.jpg",
    read_rows=read_rows,
)
