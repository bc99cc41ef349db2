# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What readers of captioned images and videos share: tables of millions of rows, some of them without a caption."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .annotation_files import Record, read_table
from .annotation_reader import AnnotationFolder

# Entry, caption (`None` where there is none) and file.
CaptionedFile = tuple[Record, str | None, str]


def read_captions(
    path: Path, caption_column: int, file_column: int, has_urls: bool = False
) -> Iterator[CaptionedFile]:
    """Read a tab-separated table of captions and files.

    Args:
        path (`pathlib.Path`): The table.
        caption_column (`int`): Number of the column with captions, from 0.
        file_column (`int`): Number of the column with files.
        has_urls (`bool`, defaults to `False`): Whether it is a table of the makers, without header and quotation
            marks, that has URLs in place of files. A file is then called by the checksum of its URL, as the usual
            downloaders of Conceptual Captions do. Else it is one that pandas wrote.

    Yields:
        `tuple[Record, str | None, str]`: Entry, caption, `None` where it is blank, and file.
    """
    records = read_table(path, has_header=False, has_quotes=not has_urls)
    if not has_urls:
        next(records)
    for record in records:
        file = record.text(file_column)
        name = str(zlib.crc32(file.encode())) if has_urls else file
        yield record, record.optional_text(caption_column), name


def captioned_rows(
    folder: AnnotationFolder, column: str, files: Iterable[CaptionedFile], locate: Callable[[str], dict[str, str]]
) -> Iterator[dict]:
    """Make rows of files and captions; files without one are left out.

    Args:
        folder (`AnnotationFolder`): What is read from.
        column (`str`): "image" or "video".
        files (`Iterable`): Entries, captions, `None` where there is none, and names of files.
        locate (`Callable`): Fields of the media pattern for a file; `video_id` is that of the row, else the file.

    Yields:
        `dict`
    """
    for record, caption, file in files:
        if caption is None:
            folder.left_out["entries without a caption"] += 1
        else:
            names = locate(file)
            video_id = names.get("video_id", file)
            yield {column: folder.media_path(record, **names), "caption": caption, "video_id": video_id}
