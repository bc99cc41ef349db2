# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""CC3M, Conceptual Captions: images of the web with their cleaned alternative texts (Sharma et al., ACL 2018)."""

from collections.abc import Iterator

from ..annotation_files import AnnotationFile, files_by_split
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..captioned_media import captioned_rows, read_captions

FOLDERS = {"train": "training", "validation": "validation"}
MAKERS_NAMES = {"train": "Train_GCC-training.tsv", "validation": "Validation_GCC-1.1.0-Validation.tsv"}


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `image` and `caption`.

    In the makers' arrangement, which has URLs only, an image is called by the checksum of its URL (CRC-32 in decimal),
    as downloaders do. The pattern of images knows `split` ("training", "validation") and `image`.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" or "validation".

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    files = read_captions(path, 0, 1, has_urls=path.name == MAKERS_NAMES[split])
    yield from captioned_rows(folder, "image", files, lambda image: {"split": FOLDERS[split], "image": image})


READER = AnnotationReader(
    name="cc3m",
    tasks=("pretraining",),
    publisher="https://ai.google.com/research/ConceptualCaptions/download",
    splits=files_by_split(
        {split: (FOLDERS[split], MAKERS_NAMES[split]) for split in FOLDERS},
        AnnotationFile("cc3m_{0}_success_full.tsv", "tab-separated with a header: caption, file"),
        AnnotationFile("{1}", "tab-separated without a header: caption, URL"),
    ),
    media="{split}/{image}",
    read_rows=read_rows,
)
