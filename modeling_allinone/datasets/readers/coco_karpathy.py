# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""COCO captions in Karpathy's partition (Lin et al., ECCV 2014; Karpathy and Fei-Fei, CVPR 2015)."""

from collections.abc import Iterator

from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..karpathy_captions import karpathy_files, read_karpathy_rows

# "restval" is what is left of COCO's validation images; everybody trains on it for retrieval.
PARTS = {"train": ("train", "restval"), "validation": ("val",), "test": ("test",)}


def read_rows(
    folder: AnnotationFolder, split: str, caption_mode: str | None = None, with_restval: bool = True
) -> Iterator[dict]:
    """Rows with `captions`, or `caption`; see [`read_karpathy_rows`].

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" (113,287 images), "validation" (5,000) or "test" (5,000).
        caption_mode (`str`, *optional*): "list", "first" or "each", see [`caption_rows`]; by default "list" for the
            training split and "each" for others, where every caption is a query.
        with_restval (`bool`, defaults to `True`): Whether the training split has the 30,504 images that are left of
            COCO's validation split, beside the 82,783 of its training split. The original's co-training has not.

    Yields:
        `dict`
    """
    if not isinstance(with_restval, bool):
        raise ValueError(f"with_restval is {with_restval!r}; expected true or false.")
    parts = [part for part in PARTS[split] if with_restval or part != "restval"]
    yield from read_karpathy_rows(folder, split, parts, caption_mode)


READER = AnnotationReader(
    name="coco_karpathy",
    tasks=("retrieval", "pretraining"),
    publisher="https://cs.stanford.edu/people/karpathy/deepimagesent",
    splits=dict.fromkeys(PARTS, karpathy_files("coco")),
    media="{folder}/{image}",
    read_rows=read_rows,
)
