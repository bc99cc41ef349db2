"""What readers of captioned images and videos share: tables of millions of rows, some of them without a caption."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from .annotation_files import Record, read_table
from .annotation_reader import AnnotationFolder


class LeftOut:
    """Counts entries that make no row.

    Args:
        what (`str`): What they are, in the plural, for the summary.
    """

    def __init__(self, what: str):
        self.what = what
        self.count = 0

    def note(self, folder: AnnotationFolder) -> None:
        """Tell the summary, once all entries are read."""
        if self.count:
            folder.remarks.append(f"{self.count} {self.what} were left out")


def caption_of(record: Record, name: str | int) -> str | None:
    """Text of a field, `None` where there is none or it is blank: among millions that is no reason to stop.

    Raises:
        ValueError: If the field is something else than text.
    """
    value = record.fields.get(name)
    return None if value is None or (isinstance(value, str) and not value.strip()) else record.text(name)


def read_captions(
    path: Path, caption_column: int, file_column: int, has_header: bool, left_out: LeftOut
) -> Iterator[tuple[str, str]]:
    """Read a tab-separated table of captions and files.

    Args:
        path (`pathlib.Path`): The table.
        caption_column (`int`): Number of the column with captions, from 0.
        file_column (`int`): Number of the column with files or URLs.
        has_header (`bool`): Whether the first row is none, and fields are quoted where needed, as pandas writes it.
        left_out (`LeftOut`): Counts rows without a caption.

    Yields:
        `tuple[str, str]`: Caption, file.
    """
    records = read_table(path, has_header=False, has_quotes=has_header)
    if has_header:
        next(records)
    for record in records:
        caption = caption_of(record, caption_column)
        if caption is None:
            left_out.count += 1
        else:
            yield caption, record.text(file_column)


def image_rows(
    folder: AnnotationFolder, pairs: Iterator[tuple[str, str]], left_out: LeftOut, locate: Callable[[str], dict]
) -> Iterator[dict]:
    """Make rows with `image` and `caption`; `video_id` is the name of the image.

    Args:
        folder (`AnnotationFolder`): What is read from.
        pairs (`Iterator`): Captions and names of images.
        left_out (`LeftOut`): Counts what makes no row.
        locate (`Callable`): Fields of the media pattern for an image.

    Yields:
        `dict`
    """
    for caption, image in pairs:
        yield {"image": folder.media_path(**locate(image)), "caption": caption, "video_id": image}
    left_out.note(folder)


def name_by_url(url: str) -> str:
    """Name that the usual downloaders of Conceptual Captions give to an image: a checksum of its URL."""
    return str(zlib.crc32(url.encode("utf-8")))
