# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""ActivityNet Captions: 20,000 long videos, described sentence by sentence (Krishna et al., ICCV 2017); one paragraph
a video.
"""

from collections.abc import Iterator
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, files_by_split, read_object, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader, check_positive


def read_rows(folder: AnnotationFolder, split: str, frame_rate: float | None = 3.0) -> Iterator[dict]:
    """Rows with `caption`; videos are folders of frames.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" (the makers' first one) or "test" (their second one).
        frame_rate (`float`, *optional*, defaults to 3): Frames per second in the folders; no matter for video files.

    Yields:
        `dict`
    """
    check_positive(frame_rate=1 if frame_rate is None else frame_rate)
    for record, video_id, paragraph in _read_paragraphs(folder.find_split(split)):
        yield {
            "video": folder.media_path(record, video_id=video_id),
            "frame_rate": frame_rate,
            "caption": paragraph,
            "video_id": video_id,
        }


def _read_paragraphs(path: Path) -> Iterator[tuple[Record, str, str]]:
    """Entry, name and description of each video."""
    if path.suffix == ".jsonl":
        for record in read_records(path):
            yield record, record.text("clip_name"), record.text("caption")
    else:
        videos = read_object(path, "an object for each video")
        for video_id in videos.fields:
            record = videos.object(video_id, "sentences")
            yield record, video_id, " ".join(record.texts("sentences"))


READER = AnnotationReader(
    name="activitynet_retrieval",
    tasks=("retrieval",),
    publisher="https://cs.stanford.edu/people/ranjaykrishna/densevid",
    splits=files_by_split(
        {"train": ("train", "train"), "validation": ("val1", "val_1"), "test": ("val2", "val_2")},
        AnnotationFile("{0}.jsonl", "JSON lines with caption (a paragraph), clip_name ('v_QOlSCBRmfWY')"),
        AnnotationFile("{1}.json", "JSON object of objects with sentences, by video"),
    ),
    media="activitynet_frames/{video_id}",
    read_rows=read_rows,
)
