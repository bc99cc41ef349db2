# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""TVQA: five-way questions about moments of TV series (Lei et al., EMNLP 2018), whose frames come 3 a second.

A question is about a part of a clip, given in seconds. Frame 00001.jpg of a folder is what shows at 0 s; the original
begins one frame earlier than the seconds say.
"""

import math
import os
from collections.abc import Iterator
from functools import cache

from ...models.video_decoding_allinone import IMAGE_SUFFIXES
from ..annotation_files import AnnotationFile, Record, files_by_split, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader, check_positive
from ..common_rows import choice_columns

NUM_OPTIONS = 5
# Clips of these begin with their name; those of The Big Bang Theory with season and episode.
SHOWS = ("castle", "friends", "grey", "house", "met")
UNNAMED_SHOW = "bbt"


def read_rows(
    folder: AnnotationFolder, split: str, frame_rate: float | None = 3.0, min_seconds: float = 2.0
) -> Iterator[dict]:
    """Rows with `question`, `options`, `start` and `end`, and `answer` and `label` but for the test split.

    Texts are long: the original cuts them at 100 tokens. A moment is kept inside its clip as far as the folder of
    frames is there; a moment without numbers, of which there are some, becomes the whole clip.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or "test", which has no public answers.
        frame_rate (`float`, *optional*, defaults to 3): Frames per second in the folders; no matter for video files.
        min_seconds (`float`, defaults to 2): Shorter moments are made this long, from 0: the original draws 3 frames
            from at least 6.

    Yields:
        `dict`
    """
    check_positive(frame_rate=1 if frame_rate is None else frame_rate)
    count_frames = cache(_count_frames)
    num_whole = 0
    for record in read_records(folder.find_split(split)):
        video_id = record.text("vid_name")
        show = video_id.split("_")[0]
        video = folder.media_path(record, video_id=video_id, show=show if show in SHOWS else UNNAMED_SHOW)
        start = end = None
        if (moment := _read_moment(record)) is None:
            num_whole += 1
        else:
            start, end = moment[0], max(moment[1], moment[0] + min_seconds)
            if folder.looks_for_media and frame_rate and (num_frames := count_frames(video)):
                start, end = min(start, (num_frames - 1) / frame_rate), min(end, num_frames / frame_rate)
        options = [record.text(f"a{number}") for number in range(NUM_OPTIONS)]
        is_answered = split != "test" or "answer_idx" in record
        yield {
            "video": video,
            "start": start,
            "end": end,
            "frame_rate": frame_rate,
            "question": record.text("q"),
            **choice_columns(options, record.integer("answer_idx", below=NUM_OPTIONS) if is_answered else None),
            "video_id": video_id,
            "sample_id": record.text("qid"),
        }
    if num_whole:
        folder.remarks.append(f"moments without numbers (nan), which became whole clips: {num_whole}")


def _read_moment(record: Record) -> tuple[float, float] | None:
    """Start and end in seconds, if they are numbers."""
    try:
        start, end = map(float, record.text("ts").split("-"))
    except ValueError as error:
        raise record.wrong("ts", "seconds such as '1.21-8.49'") from error
    return (start, end) if math.isfinite(start) and math.isfinite(end) else None


def _count_frames(path: str) -> int:
    """How many images a folder has, 0 where there is none."""
    if not os.path.isdir(path):
        return 0
    return sum(os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES for name in os.listdir(path))


READER = AnnotationReader(
    name="tvqa",
    tasks=("multiple-choice-question-answering",),
    publisher="https://tvqa.cs.unc.edu",
    splits=files_by_split(
        {"train": ("train", ", answer_idx"), "validation": ("val", ", answer_idx"), "test": ("test_public", "")},
        AnnotationFile("tvqa_{0}.jsonl", "JSON lines with a0 to a4, q, qid, ts ('1.21-8.49'), vid_name{1}"),
    ),
    media="frames/raw_frames/frames_hq/{show}_frames/{video_id}",
    read_rows=read_rows,
)
