"""Visual Genome: 108,077 images whose regions are described, 50 each (Krishna et al., IJCV 2017)."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..captioned_media import note_left_out
from ..optional_text import optional_text

REGIONS = "region_descriptions.json"
FORMAT = "JSON list of objects with id and regions (phrase)"
FILES = (AnnotationFile(f"annotations/{REGIONS}", FORMAT), AnnotationFile(REGIONS, FORMAT))
IMAGE_FORMAT = "JSON list of objects with image_id and url"
IMAGE_FILES = (
    AnnotationFile("annotations/image_data.json", IMAGE_FORMAT),
    AnnotationFile("image_data.json", IMAGE_FORMAT),
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
    folder_of = _read_folders(folder)
    num_left_out = 0
    for record in read_records(path):
        image_id = record.text("id" if "id" in record else "image_id")
        captions = _phrases(record)
        if not captions:
            num_left_out += 1
            continue
        image = _image(folder, record, image_id, folder_of)
        yield {"image": image, "captions": captions, "video_id": image_id, "sample_id": image_id}
    note_left_out(folder, num_left_out, "images without a caption")


def _phrases(record: Record) -> list[str]:
    regions = record.fields.get("regions") or []
    if not isinstance(regions, list) or not all(isinstance(region, dict) for region in regions):
        raise record.error(f"field 'regions' is {regions!r:.80}, but expected a list of objects with phrase.")
    phrases = [optional_text(Record(region, record.path, record.place), "phrase") for region in regions]
    return [phrase for phrase in phrases if phrase]


def _read_folders(folder: AnnotationFolder) -> dict[str, str]:
    """Folder of each image by number, if the file is there."""
    if not folder.has(IMAGE_FILES):
        return {}
    records = read_records(folder.find(IMAGE_FILES))
    return {record.text("image_id"): Path(record.text("url")).parent.name for record in records}


def _image(folder: AnnotationFolder, record: Record, image_id: str, folder_of: dict[str, str]) -> str:
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
