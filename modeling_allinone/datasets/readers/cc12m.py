# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""CC12M, Conceptual 12M: images of the web with their alternative texts (Changpinyo et al., CVPR 2021)."""

from collections.abc import Iterator

from ..annotation_files import AnnotationFile, files_by_split
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..captioned_media import captioned_rows, read_captions

MAKERS_FILE = AnnotationFile("cc12m.tsv", "tab-separated without a header: URL, caption")
SPLITS = files_by_split(
    {"train": "train", "validation": "val", "test": "test"},
    AnnotationFile("{}.tsv", "tab-separated with a header: caption, file"),
)


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `image` and `caption`.

    In the makers' arrangement, which has URLs only, an image is called by the checksum of its URL (CRC-32 in decimal),
    as downloaders do. The pattern of images knows `image`, the file without its folders.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" or, in the original's arrangement, "validation" or "test".

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    is_makers = path.name == MAKERS_FILE.path
    files = read_captions(path, *((1, 0) if is_makers else (0, 1)), has_urls=is_makers)
    images = ((record, caption, file.rpartition("/")[2]) for record, caption, file in files)
    yield from captioned_rows(folder, "image", images, lambda image: {"image": image})


READER = AnnotationReader(
    name="cc12m",
    tasks=("pretraining",),
    publisher="https://github.com/google-research-datasets/conceptual-12m",
    splits=SPLITS | {"train": (*SPLITS["train"], MAKERS_FILE)},
    media="{image}",
    read_rows=read_rows,
)
