"""DiDeMo: 10,000 home videos with some four descriptions each (Hendricks et al., ICCV 2017), one paragraph a video.

Some videos are there under two suffixes, each with part of the descriptions; they are one row, as for everybody who
publishes scores: 1,065 to validate on and 1,004 to test on.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, read_records, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader


def _files(word: str) -> tuple[AnnotationFile, ...]:
    return (
        AnnotationFile(f"DiDeMo_{word}.tsv", "tab-separated with a header: paragraph, file of the video"),
        AnnotationFile(f"{word}_data.json", "JSON list of objects with description, video"),
    )


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `caption`, the descriptions of a video one after the other; the original cuts it at 80 tokens.

    The pattern of videos knows `file` (of several names that annotations have for a video, the first that is on disk)
    and `video_id`, which is without suffix: "{video_id}.*" finds videos that were converted.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or "test".

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    descriptions: dict[str, list[str]] = {}
    places: dict[str, list[str]] = {}
    for record, file_name, text in _read_descriptions(path):
        video_id = file_name.rsplit(".", 1)[0]
        descriptions.setdefault(video_id, []).append(text)
        places.setdefault(video_id, []).append(folder.media_path(record, file=file_name, video_id=video_id))
    for video_id, texts in descriptions.items():
        found = filter(os.path.isfile, places[video_id] if folder.looks_for_media else ())
        yield {
            "video": next(found, places[video_id][0]),
            "caption": " ".join(texts),
            "video_id": video_id,
        }


def _read_descriptions(path: Path) -> Iterator[tuple[Record, str, str]]:
    """Entry, file and text of each; the header of the original's table may call its columns anything."""
    if path.suffix == ".tsv":
        for record in islice(read_table(path, has_header=False), 1, None):
            yield record, record.text(1), record.text(0)
    else:
        for record in read_records(path):
            yield record, record.text("video"), record.text("description")


READER = AnnotationReader(
    name="didemo_retrieval",
    tasks=("retrieval",),
    publisher="https://github.com/LisaAnne/LocalizingMoments",
    splits={"train": _files("train"), "validation": _files("val"), "test": _files("test")},
    media="video/{file}",
    read_rows=read_rows,
)
