"""What readers of captioned images and videos share: tables of millions of rows, some of them without a caption."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .annotation_files import Record, read_table
from .annotation_reader import AnnotationFolder
from .optional_text import optional_text

# Entry, caption (`None` where there is none) and file or URL.
CaptionedFile = tuple[Record, str | None, str]


def read_captions(path: Path, caption_column: int, file_column: int, has_header: bool) -> Iterator[CaptionedFile]:
    """Read a tab-separated table of captions and files.

    Args:
        path (`pathlib.Path`): The table.
        caption_column (`int`): Number of the column with captions, from 0.
        file_column (`int`): Number of the column with files or URLs.
        has_header (`bool`): Whether the first row is none, and fields are quoted where needed, as pandas writes it.

    Yields:
        `tuple[Record, str | None, str]`: Entry, caption, `None` where it is blank, and file.
    """
    records = read_table(path, has_header=False, has_quotes=has_header)
    if has_header:
        next(records)
    for record in records:
        yield record, optional_text(record, caption_column), record.text(file_column)


def with_caption(files: Iterable[CaptionedFile], folder: AnnotationFolder) -> Iterator[CaptionedFile]:
    """Leave out files without a caption, and tell the summary how many.

    Args:
        files (`Iterable`): Entries, captions and files.
        folder (`AnnotationFolder`): What is read from.

    Yields:
        `tuple[Record, str, str]`
    """
    num_left_out = 0
    for record, caption, file in files:
        if caption is None:
            num_left_out += 1
        else:
            yield record, caption, file
    note_left_out(folder, num_left_out, "entries without a caption")


def image_rows(
    folder: AnnotationFolder, images: Iterable[CaptionedFile], locate: Callable[[str], dict]
) -> Iterator[dict]:
    """Make rows with `image` and `caption`; `video_id` is the name of the image.

    Args:
        folder (`AnnotationFolder`): What is read from.
        images (`Iterable`): Entries, captions, `None` where there is none, and names of images.
        locate (`Callable`): Fields of the media pattern for an image.

    Yields:
        `dict`
    """
    for record, caption, image in with_caption(images, folder):
        yield {"image": folder.media_path(record, **locate(image)), "caption": caption, "video_id": image}


def note_left_out(folder: AnnotationFolder, count: int, what: str) -> None:
    """Tell the summary how many entries of a kind made no row, if any."""
    if count:
        folder.remarks.append(f"{count} {what} were left out")


def name_by_url(url: str) -> str:
    """Name that the usual downloaders of Conceptual Captions give to an image: a checksum of its URL."""
    return str(zlib.crc32(url.encode("utf-8")))
