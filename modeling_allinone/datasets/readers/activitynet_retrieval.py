"""ActivityNet Captions: 20,000 long videos, described sentence by sentence (Krishna et al., ICCV 2017); one paragraph
a video.
"""

from collections.abc import Iterator
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, read_json, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader, check_positive


def _files(word: str, makers_word: str) -> tuple[AnnotationFile, ...]:
    return (
        AnnotationFile(f"{word}.jsonl", "JSON lines with caption (a paragraph), clip_name ('v_QOlSCBRmfWY')"),
        AnnotationFile(f"{makers_word}.json", "JSON object of objects with sentences, by video"),
    )


def read_rows(folder: AnnotationFolder, split: str, frame_rate: float | None = 3.0) -> Iterator[dict]:
    """Rows with `caption`; videos are folders of frames.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" (the makers' first one) or "test" (their second one).
        frame_rate (`float`, *optional*, defaults to 3): Frames per second in the folders; no matter for video files.

    Yields:
        `dict`
    """
    if frame_rate is not None:
        check_positive("frame_rate", frame_rate)
    path = folder.find_split(split)
    videos = _read_paragraphs(path) if path.suffix == ".jsonl" else _join_sentences(path)
    for record, video_id, paragraph in videos:
        yield {
            "video": folder.media_path(record, video_id=video_id),
            "frame_rate": frame_rate,
            "caption": paragraph,
            "video_id": video_id,
        }


def _read_paragraphs(path: Path) -> Iterator[tuple[Record, str, str]]:
    return ((record, record.text("clip_name"), record.text("caption")) for record in read_records(path))


def _join_sentences(path: Path) -> Iterator[tuple[Record, str, str]]:
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise ValueError(f"{path} holds a {type(content).__name__}; expected a JSON object of objects, by video.")
    for video_id, fields in content.items():
        record = Record(fields, path, f"entry {video_id!r}")
        yield record, video_id, " ".join(record.texts("sentences"))


READER = AnnotationReader(
    name="activitynet_retrieval",
    tasks=("retrieval",),
    publisher="https://cs.stanford.edu/people/ranjaykrishna/densevid",
    splits={
        "train": _files("train", "train"),
        "validation": _files("val1", "val_1"),
        "test": _files("val2", "val_2"),
    },
    media="activitynet_frames/{video_id}",
    read_rows=read_rows,
)
