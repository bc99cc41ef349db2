# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Flickr30k captions in Karpathy's partition (Young et al., TACL 2014; Karpathy and Fei-Fei, CVPR 2015)."""

from collections.abc import Iterator

from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..karpathy_captions import karpathy_files, read_karpathy_rows

PARTS = {"train": "train", "validation": "val", "test": "test"}


def read_rows(folder: AnnotationFolder, split: str, caption_mode: str | None = None) -> Iterator[dict]:
    """Rows with `captions`, or `caption`; see [`read_karpathy_rows`]. The original trains on the validation split too.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" (29,000 images), "validation" (1,014) or "test" (1,000).
        caption_mode (`str`, *optional*): "list", "first" or "each", see [`caption_rows`]; by default "list" for the
            training split and "each" for others, where every caption is a query.

    Yields:
        `dict`
    """
    yield from read_karpathy_rows(folder, split, (PARTS[split],), caption_mode)


READER = AnnotationReader(
    name="flickr30k",
    tasks=("retrieval", "pretraining"),
    publisher="https://cs.stanford.edu/people/karpathy/deepimagesent",
    splits=dict.fromkeys(PARTS, karpathy_files("flickr30k")),
    media="flickr30k-images/{image}",
    read_rows=read_rows,
    validates_on_test=True,
)
