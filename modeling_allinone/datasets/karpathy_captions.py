# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What COCO and Flickr30k captions share: the files in which Karpathy and Fei-Fei (CVPR 2015) partitioned them."""

from collections.abc import Iterator, Sequence

from .annotation_files import AnnotationFile, read_listed_records
from .annotation_reader import AnnotationFolder
from .common_rows import caption_rows


def karpathy_files(name: str) -> tuple[AnnotationFile, ...]:
    """The places of a data set's file.

    Args:
        name (`str`): "coco" or "flickr30k".
    """
    form = "JSON object whose images have filename, split, sentences (raw), for COCO filepath"
    return tuple(AnnotationFile(f"{place}dataset_{name}.json", form) for place in ("karpathy/", ""))


def read_karpathy_rows(
    folder: AnnotationFolder, split: str, parts: Sequence[str], caption_mode: str | None = None
) -> Iterator[dict]:
    """Rows of images with their captions, five or more each; `video_id` is the image's number.

    Args:
        folder (`AnnotationFolder`): What to read from; its pattern knows `image` (file) and, for COCO, `folder`.
        split (`str`): The split.
        parts (`Sequence[str]`): Which parts of the file belong to it.
        caption_mode (`str`, *optional*): See [`caption_rows`]; by default "list" for the training split and "each" for
            others, where every caption is a query.

    Yields:
        `dict`
    """
    mode = ("list" if split == "train" else "each") if caption_mode is None else caption_mode
    for record in read_listed_records(folder.find_split(split), "images"):
        if record.text("split") not in parts:
            continue
        names = {"image": record.text("filename")}
        if "filepath" in record:
            names["folder"] = record.text("filepath")
        row = {
            "image": folder.media_path(record, **names),
            "video_id": record.text("cocoid" if "cocoid" in record else "imgid"),
        }
        captions = [sentence.text("raw") for sentence in record.objects("sentences", "raw")]
        yield from caption_rows(row, captions, split, mode)
