# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""TVQA: questions about moments, and the frames that they lead to."""

import pytest
from annotation_fixtures import read_rows, write_files
from video_fixtures import numbers_of, save_folder

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.datasets import load_annotations, summarize

OPTIONS = ["A martini glass", "Nachos", "Her purse", "Marshall's book", "A beer bottle"]
ENTRY = {f"a{number}": option for number, option in enumerate(OPTIONS)} | {
    "answer_idx": 4,
    "q": "What is Robin holding?",
    "qid": 7,
    "ts": "1.21-3.49",
    "vid_name": "met_s06e22_seg01_clip_02",
    "show_name": "How I Met You Mother",
}
FRAMES = "frames/raw_frames/frames_hq"


@pytest.fixture
def root(tmp_path):
    """A folder with the 16 frames of the clip."""
    shows = tmp_path / FRAMES / "met_frames"
    shows.mkdir(parents=True)
    save_folder(shows / ENTRY["vid_name"], name="{:05}.jpg")
    return tmp_path


def test_rows(tmp_path):
    write_files(tmp_path, {"tvqa_train.jsonl": [ENTRY]})
    assert read_rows("tvqa", tmp_path, "train") == [
        {
            "video": str(tmp_path / FRAMES / "met_frames/met_s06e22_seg01_clip_02"),
            "start": 1.21,
            "end": 3.49,
            "frame_rate": 3.0,
            "question": "What is Robin holding?",
            "options": OPTIONS,
            "answer": "A beer bottle",
            "label": 4,
            "video_id": "met_s06e22_seg01_clip_02",
            "sample_id": "7",
        }
    ]


def test_texts_are_spelled_as_in_the_original(tmp_path):
    write_files(tmp_path, {"tvqa_train.jsonl": [ENTRY]})
    (row,) = read_rows("tvqa", tmp_path, "train")
    texts = AllInOneProcessor.apply_choice_template(row["question"], row["options"])
    for option, text in zip(OPTIONS, texts, strict=True):
        assert text == ENTRY["q"] + "Options: " + " ".join(OPTIONS) + "Answer: " + option


def test_answers_of_the_test_split_are_not_public(tmp_path):
    without = {name: value for name, value in ENTRY.items() if name != "answer_idx"}
    write_files(tmp_path, {"tvqa_test_public.jsonl": [without], "tvqa_val.jsonl": [without]})
    (row,) = read_rows("tvqa", tmp_path, "test")
    assert "label" not in row and "answer" not in row and row["options"] == OPTIONS
    with pytest.raises(ValueError, match=r"tvqa_val\.jsonl, line 1: field 'answer_idx' is missing"):
        load_annotations("tvqa", tmp_path, "validation")


@pytest.mark.parametrize(
    ("video_id", "folder"),
    [
        ("castle_s01e01_seg01_clip_00", "castle_frames"),
        ("friends_s01e01_seg01_clip_00", "friends_frames"),
        ("grey_s01e01_seg01_clip_00", "grey_frames"),
        ("house_s01e01_seg01_clip_00", "house_frames"),
        ("s05e02_seg02_clip_00", "bbt_frames"),
    ],
)
def test_shows_have_folders_of_their_own(tmp_path, video_id, folder):
    write_files(tmp_path, {"tvqa_train.jsonl": [ENTRY | {"vid_name": video_id}]})
    (row,) = read_rows("tvqa", tmp_path, "train")
    assert row["video"] == str(tmp_path / FRAMES / folder / video_id)


@pytest.mark.parametrize(
    ("moment", "window"),
    [
        ("1.21-3.49", (1.21, 3.49)),
        ("1-1.5", (1, 3)),  # made 2 s long
        ("2-1", (2, 4)),
        ("4-9", (4, 16 / 3)),  # cut where the 16 frames end
        ("5.5-9", (5, 16 / 3)),  # the last frame
        ("90-95", (5, 16 / 3)),
    ],
)
def test_moments_are_kept_inside_the_clip(root, moment, window):
    write_files(root, {"tvqa_train.jsonl": [ENTRY | {"ts": moment}]})
    rows = load_annotations("tvqa", root, on_missing_video="raise")
    assert (rows[0]["start"], rows[0]["end"]) == pytest.approx(window)


def test_moments_lead_to_their_frames(root):
    write_files(root, {"tvqa_train.jsonl": [ENTRY, ENTRY | {"qid": 8, "ts": "5-9"}]})
    rows = load_annotations("tvqa", root)
    processor = AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32, do_normalize=False, rescale_factor=1)
    pixels = processor(rows["video"][:], start=rows["start"][:], end=rows["end"][:], frame_rate=rows["frame_rate"][:])
    # At 3 frames a second 1.21 s shows frame 3 and 3.49 s shows frame 10; their segments' middles.
    assert numbers_of(pixels["pixel_values"]) == [[3, 6, 9], [15, 15, 15]]


def test_moments_without_numbers_become_whole_clips(tmp_path):
    write_files(tmp_path, {"tvqa_train.jsonl": [ENTRY, ENTRY | {"qid": 8, "ts": "nan-nan"}]})
    rows = load_annotations("tvqa", tmp_path)
    assert (rows[1]["start"], rows[1]["end"], rows[1]["frame_rate"]) == (None, None, 3)
    assert summarize(rows).remarks == ("moments without numbers (nan), which became whole clips: 1",)
    assert summarize(rows).remarks[0] in str(summarize(rows))


@pytest.mark.parametrize("moment", ["", "1.2", "a-b", "1-2-3", 5])
def test_moments_that_are_none(tmp_path, moment):
    write_files(tmp_path, {"tvqa_train.jsonl": [ENTRY | {"ts": moment}]})
    with pytest.raises(ValueError, match=r"tvqa_train\.jsonl, line 1: field 'ts' "):
        load_annotations("tvqa", tmp_path)
