# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Ego4D-MC: literals that are parsed, and the window around a frame."""

import csv
import io

import pytest
from annotation_fixtures import put_videos, read_rows, write_files

from modeling_allinone import AllInOneVideoProcessor
from modeling_allinone.datasets import load_annotations

TEXTS = ['#C C cuts "the" wood', "#C C walks", "#C C takes a pen, writes", "#C C reads", "#O a man sits"]


def entry(text, frame=900, video_id="a7d6f2a4"):
    return [video_id, frame, 30.03, "x", text]


def written(*rows, header=("question", "answers")):
    file = io.StringIO()
    csv.writer(file).writerows([header, *rows])
    return file.getvalue()


def question(text=TEXTS[2], frame=900, answers=TEXTS):
    return (repr(entry(text, frame)), repr([entry(answer) for answer in answers]))


def test_rows(tmp_path):
    write_files(tmp_path, {"mc_val.csv": written(question())})
    assert read_rows("ego4d_mc", tmp_path, "test") == [
        {
            "video": str(tmp_path / "videos/a7d6f2a4.mp4"),
            "start": 28.0,
            "end": 32.0,
            "frame": 900,
            "options": TEXTS,
            "answer": TEXTS[2],
            "label": 2,
            "video_id": "a7d6f2a4",
            "sample_id": "test-0",
        }
    ]


def test_of_equal_answers_the_last_is_right_as_in_the_original(tmp_path):
    answers = [TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[3], TEXTS[4]]
    write_files(tmp_path, {"mc_val.csv": written(question(TEXTS[0], answers=answers))})
    assert read_rows("ego4d_mc", tmp_path, "test")[0]["label"] == 2


def test_windows_begin_with_the_video(tmp_path):
    write_files(tmp_path, {"mc_val.csv": written(question(frame=10))})
    (row,) = read_rows("ego4d_mc", tmp_path, "test")
    assert (row["start"], row["end"], row["frame"]) == (0, 70 / 30, 10)


def test_windows_end_with_the_video(tmp_path, clip):
    # 16 frames, 10 a second.
    write_files(tmp_path, {"mc_val.csv": written(question(frame=5), question(frame=70), question(frame=9000))})
    put_videos(tmp_path, clip, "videos/a7d6f2a4.mp4")
    rows = load_annotations("ego4d_mc", tmp_path, "test", frames_per_second=10, on_missing_video="raise")
    windows = list(zip(rows["start"], rows["end"], strict=True))
    assert windows == [(0, 1.6), (1, 1.6), (1.5, 1.6)]
    processor = AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32)
    pixels = processor(rows["video"][:], start=rows["start"][:], end=rows["end"][:])["pixel_values"]
    assert pixels.shape == (3, 3, 3, 32, 32)


def test_videos_that_cannot_be_opened_leave_the_window_as_it_is(tmp_path):
    write_files(tmp_path, {"mc_val.csv": written(question()), "videos/a7d6f2a4.mp4": "no video"})
    assert load_annotations("ego4d_mc", tmp_path, "test")[0]["end"] == 32


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("__import__('os').getcwd()", repr([])), "field 'question' is .* but expected a Python literal"),
        ((question()[0], "[entry] * 5"), "field 'answers' is .* but expected a Python literal"),
        (("['a', 900]", repr([])), r"field 'question' has \['a', 900\], but expected \[video id, frame, ..., text\]"),
        (("'text'", repr([])), r"field 'question' has 'text', but expected \[video id"),
        (
            (repr(entry("a", frame=-1)), repr([])),
            "'question' has -1, but expected a whole number from 0",
        ),
        ((repr(entry("a", frame="9")), repr([])), "'question' has '9', but expected a whole number from 0 for"),
        (question(answers=TEXTS[:4]), r"field 'answers' is .* but expected a list of 5 entries"),
        ((question()[0], repr(["a"] * 5)), r"field 'answers' has 'a', but expected \[video id"),
        (question("#C C sings"), "none of the answers is '#C C sings', the text of the question"),
    ],
)
def test_broken_entries_are_named(tmp_path, row, message):
    write_files(tmp_path, {"mc_val.csv": written(question(), row)})
    with pytest.raises(ValueError, match=rf"mc_val\.csv, line 3: .*{message}"):
        load_annotations("ego4d_mc", tmp_path, "test")
