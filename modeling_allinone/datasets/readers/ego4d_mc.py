# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Ego4D-MC: which of five narrations belongs to a moment of a head-mounted camera; a test without training.

A question names a frame, in Ego4D's 30 frames per second, around which the original draws frames: out of the 120 from
60 before it, each then moved into the video where it lies outside. Rows have this window in seconds (`start`, `end`),
cut where the video ends, and the frame itself. The original's very frames, for n of them and a video of `total`, are
`(frame - 60 + uniform_indices(n, 120)).clip(0, total - 1)`, which the processor takes as `frame_indices`.
"""

import os
from collections.abc import Iterator, Sequence
from functools import cache

import av

from ..annotation_files import AnnotationFile, Record, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader, check_positive
from ..common_rows import choice_columns

NUM_OPTIONS = 5
HALF_WINDOW = 60  # frames
FORMAT = "comma-separated with a header: question ('[video id, frame, ..., text]'), answers (a list of 5 such)"


def read_rows(folder: AnnotationFolder, split: str, frames_per_second: float = 30.0) -> Iterator[dict]:
    """Rows with `options`, `answer`, `label`, `start`, `end` and `frame`.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "test", the only one.
        frames_per_second (`float`, defaults to 30): Rate in which questions count frames, that of Ego4D's videos.

    Yields:
        `dict`
    """
    check_positive(frames_per_second=frames_per_second)
    read_duration = cache(_read_duration)
    for record in read_table(folder.find_split(split), delimiter=","):
        question = _read_entry(record, "question", record.literal("question"))
        video_id, frame = str(question[0]), question[1]
        if type(frame) is not int or frame < 0:
            raise record.wrong("question", "a whole number from 0 for the frame", frame)
        answers = record.literal("answers")
        if not isinstance(answers, list | tuple) or len(answers) != NUM_OPTIONS:
            raise record.wrong("answers", f"a list of {NUM_OPTIONS} entries")
        options = [_read_entry(record, "answers", answer)[-1] for answer in answers]
        if question[-1] not in options:
            raise record.error(f"none of the answers is {question[-1]!r}, the text of the question.")
        # The last of equal texts, as in the original.
        label = max(number for number, option in enumerate(options) if option == question[-1])
        video = folder.media_path(record, video_id=video_id)
        start = max(frame - HALF_WINDOW, 0) / frames_per_second
        end = (frame + HALF_WINDOW) / frames_per_second
        duration = read_duration(video) if folder.looks_for_media else None
        if duration is not None:
            start, end = min(start, max(duration - 1 / frames_per_second, 0)), min(end, duration)
        yield {
            "video": video,
            "start": start,
            "end": end,
            "frame": frame,
            **choice_columns(options, label),
            "video_id": video_id,
        }


def _read_entry(record: Record, name: str, entry) -> Sequence:
    """A question or an answer: video id, frame, ..., text."""
    if not isinstance(entry, list | tuple) or len(entry) < 3 or not isinstance(entry[-1], str):
        raise record.wrong(name, "[video id, frame, ..., text]", entry)
    return entry


def _read_duration(path: str) -> float | None:
    """How long the head of a video says it is, in seconds; `None` where there is none that can be read."""
    if not os.path.isfile(path):
        return None
    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            return float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
    except (av.FFmpegError, IndexError):
        # What is wrong with it, reading its frames will say.
        return None


READER = AnnotationReader(
    name="ego4d_mc",
    tasks=("multiple-choice",),
    publisher="https://github.com/showlab/all-in-one",
    splits={"test": (AnnotationFile("mc_val.csv", FORMAT),)},
    media="videos/{video_id}.mp4",
    read_rows=read_rows,
    extra_columns={"frame": "int64"},
    validates_on_test=True,
)
