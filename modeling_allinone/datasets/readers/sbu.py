# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""SBU captions: a million photographs of Flickr with what their owners wrote (Ordonez et al., NeurIPS 2011)."""

from collections.abc import Iterator
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, read_json, read_lines, read_object
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..captioned_media import CaptionedFile, captioned_rows

PAIRS_FILE = AnnotationFile("annot.json", "JSON list of lists of file, caption")
LISTS_FILE = AnnotationFile("sbu-captions-all.json", "JSON object with image_urls and captions")
URLS_FILE = AnnotationFile("SBU_captioned_photo_dataset_urls.txt", "a URL a line; beside it the captions")
CAPTIONS_FILE = AnnotationFile("SBU_captioned_photo_dataset_captions.txt", "a caption a line")


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `image` and `caption`.

    The pattern of images knows `image`, the last part of file or URL, and `folder`, its first four letters.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", the only one.

    Yields:
        `dict`
    """
    images = _read_images(folder.find_split(split), folder)
    yield from captioned_rows(folder, "image", images, lambda image: {"folder": image[:4], "image": image})


def _read_images(path: Path, folder: AnnotationFolder) -> Iterator[CaptionedFile]:
    """Entry, caption and image of each, from one of the three arrangements."""
    if path.name == PAIRS_FILE.path:
        pairs = read_json(path)
        if not isinstance(pairs, list):
            raise ValueError(f"{path} is {pairs!r:.80}; expected a {PAIRS_FILE.format}.")
    elif path.name == LISTS_FILE.path:
        content = read_object(path, "image_urls and captions").fields
        pairs = _paired(path, content.get("image_urls"), content.get("captions"))
    else:
        captions = read_lines(folder.find((CAPTIONS_FILE,)), skips_blank=False)
        pairs = _paired(path, read_lines(path, skips_blank=False), captions)
    for number, pair in enumerate(pairs, start=1):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(f"{path}, entry {number} is {pair!r:.80}, but expected two texts, file and caption.")
        record = Record({"file": pair[0], "caption": pair[1]}, path, f"entry {number}")
        yield record, record.optional_text("caption"), record.text("file").rpartition("/")[2]


def _paired(path: Path, urls, captions) -> list[tuple]:
    """Each URL with its caption."""
    if not isinstance(urls, list) or not isinstance(captions, list) or len(urls) != len(captions):
        counts = [len(one) if isinstance(one, list) else "no" for one in (urls, captions)]
        raise ValueError(f"{path}: there are {counts[0]} URLs and {counts[1]} captions; expected lists as long.")
    return list(zip(urls, captions, strict=True))


READER = AnnotationReader(
    name="sbu",
    tasks=("pretraining",),
    publisher="https://www.cs.rice.edu/~vo9/sbucaptions",
    splits={"train": (PAIRS_FILE, LISTS_FILE, URLS_FILE)},
    media="images_train/{folder}/{image}",
    read_rows=read_rows,
)
