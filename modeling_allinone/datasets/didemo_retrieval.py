"""DiDeMo: 10,000 home videos with some four descriptions each (Hendricks et al., ICCV 2017), one paragraph a video."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .annotation_files import AnnotationFile, read_records, read_table
from .annotation_reader import AnnotationFolder, AnnotationReader


def _files(word: str) -> tuple[AnnotationFile, ...]:
    return (
        AnnotationFile(f"DiDeMo_{word}.tsv", "tab-separated with a header: paragraph, file of the video"),
        AnnotationFile(f"{word}_data.json", "JSON list of objects with description, video"),
    )


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `caption`, the descriptions of a video one after the other; the original cuts it at 80 tokens.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or "test".

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    videos = _read_paragraphs(path) if path.suffix == ".tsv" else _join_descriptions(path)
    for file_name, paragraph in videos:
        # "{video_id}.*" as a pattern finds videos that were converted.
        video_id = file_name.rsplit(".", 1)[0]
        yield {
            "video": folder.media_path(file=file_name, video_id=video_id),
            "caption": paragraph,
            "video_id": video_id,
        }


def _read_paragraphs(path: Path) -> Iterator[tuple[str, str]]:
    """Videos of the original's table, whose header may call its columns anything."""
    for record in islice(read_table(path, has_header=False), 1, None):
        yield record.text(1), record.text(0)


def _join_descriptions(path: Path) -> Iterator[tuple[str, str]]:
    descriptions: dict[str, list[str]] = {}
    for record in read_records(path):
        descriptions.setdefault(record.text("video"), []).append(record.text("description"))
    return ((video, " ".join(texts)) for video, texts in descriptions.items())


READERS = (
    AnnotationReader(
        name="didemo_retrieval",
        tasks=("retrieval",),
        publisher="https://github.com/LisaAnne/LocalizingMoments",
        splits={"train": _files("train"), "validation": _files("val"), "test": _files("test")},
        media="video/{file}",
        read_rows=read_rows,
    ),
)
