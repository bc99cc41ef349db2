# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""HowTo100M: captions, and clips drawn near them."""

from collections import Counter

import pytest
import torch
from annotation_fixtures import read_rows, table, write_files

from modeling_allinone.datasets import load_annotations, summarize
from modeling_allinone.datasets.readers.howto100m import draw_captioned_clip
from modeling_allinone.datasets.row_transforms import by_row

LINES = [(1.5, 4.25, "whisk the eggs"), (4.25, 20.0, "heat the pan, slowly"), (30, 31, "")]
MAKERS_TABLE = table(
    ("video_id", "category_1", "category_2", "rank", "task_id"),
    ("nVbIUDjzWY4", "Food", "Recipes", 27, 52907),
    ("silent", "Food", "Recipes", 1, 52907),
    delimiter=",",
)


def captions_table(lines, numbered=False):
    header = ("", "start", "end", "text") if numbered else ("start", "end", "text")
    rows = [
        ((number,) if numbered else ()) + (start, end, f'"{text}"') for number, (start, end, text) in enumerate(lines)
    ]
    return table(header, *rows, delimiter=",")


def expected_row(root, path):
    return {
        "video": str(root / path),
        "captions": ["whisk the eggs", "heat the pan, slowly"],
        "starts": [1.5, 4.25],
        "ends": [4.25, 20.0],
        "video_id": "nVbIUDjzWY4",
        "sample_id": "train-0",
    }


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("place", ["", "media/"])
def test_rows_as_the_original_has_them(tmp_path, numbered, place):
    path = "0/1/nVbIUDjzWY4.f134.mp4"
    write_files(
        tmp_path,
        {
            "ht100_videos_split.csv": f"Name\n{path}\n0/2/silent.mp4\n0/2/gone.mp4\n0/2/nothing.mp4\n",
            f"{place}howto100m_csv/nVbIUDjzWY4.csv": captions_table(LINES, numbered),
            f"{place}howto100m_csv/silent.csv": "start,end,text\n",
            f"{place}howto100m_csv/nothing.csv": "",
            "media/other.txt": "",
        },
    )
    media = tmp_path / "media"
    assert read_rows("howto100m", tmp_path, "train", media_root=media) == [expected_row(media, path)]
    summary = summarize(load_annotations("howto100m", tmp_path, media_root=media))
    assert summary.remarks == ("3 videos without captions were left out",)


@pytest.mark.parametrize("name", ["caption.json", "raw_caption.json"])
def test_rows_as_the_makers_have_them(tmp_path, name):
    starts, ends, texts = map(list, zip(*LINES, strict=True))
    captions = {"nVbIUDjzWY4": {"start": starts, "end": ends, "text": texts}}
    write_files(tmp_path, {"HowTo100M_v1.csv": MAKERS_TABLE, name: captions})
    assert read_rows("howto100m", tmp_path, "train") == [expected_row(tmp_path, "nVbIUDjzWY4.mp4")]
    (row,) = read_rows("howto100m", tmp_path, "train", media_pattern="videos/{video_id}.*")
    assert row["video"] == str(tmp_path / "videos/nVbIUDjzWY4.*")


def test_captions_are_needed(tmp_path):
    write_files(tmp_path, {"HowTo100M_v1.csv": MAKERS_TABLE})
    with pytest.raises(FileNotFoundError) as error:
        load_annotations("howto100m", tmp_path)
    assert "howto100m_csv/{video_id}.csv: comma-separated with start, end, text" in str(error.value)
    assert "caption.json: JSON object of videos" in str(error.value)


@pytest.mark.parametrize(
    ("name", "captions", "message"),
    [
        (
            "caption.json",
            {"nVbIUDjzWY4": {"start": [1], "end": [2, 3], "text": ["a"]}},
            "entry 'nVbIUDjzWY4': start, end and text are no lists of equal",
        ),
        (
            "caption.json",
            {"nVbIUDjzWY4": {"start": [-1], "end": [2], "text": ["a"]}},
            "caption 0: field 'start' is -1, but expected seconds from 0",
        ),
        ("caption.json", {"nVbIUDjzWY4": [1]}, "field 'nVbIUDjzWY4' is .*, but expected an object with lists"),
        (
            "howto100m_csv/silent.csv",
            "start,end,text\n1,x,a\n",
            r"silent\.csv, line 2: field 'end' is 'x', but expected a number",
        ),
    ],
    ids=["lengths", "negative", "list", "table"],
)
def test_wrong_captions_are_named(tmp_path, name, captions, message):
    write_files(tmp_path, {"HowTo100M_v1.csv": MAKERS_TABLE, name: captions})
    with pytest.raises(ValueError, match=message):
        load_annotations("howto100m", tmp_path)


# Drawing

ROW = {
    "video": "a.mp4",
    "captions": ["short", "long", "last"],
    "starts": [10.0, 20.4, 58.0],
    "ends": [12.0, 29.9, 60.0],
    "sample_id": "7",
}


def draw(row, count, **options):
    generator = torch.Generator().manual_seed(0)
    return [draw_captioned_clip(row, generator, **options) for _ in range(count)]


def test_drawn_row_has_a_caption_and_a_clip():
    (drawn,) = draw(ROW, 1)
    assert set(drawn) == {"video", "sample_id", "caption", "start", "end"}
    assert drawn["caption"] in ROW["captions"] and drawn["end"] - drawn["start"] == 1.5
    assert ROW["captions"] == ["short", "long", "last"]


def test_captions_are_equally_likely():
    counts = Counter(drawn["caption"] for drawn in draw(ROW, 3000))
    assert all(abs(count - 1000) < 4 * (3000 / 3 * 2 / 3) ** 0.5 for count in counts.values()) and len(counts) == 3


@pytest.mark.parametrize(
    ("start", "end", "num_frames", "starts"),
    [
        (10.0, 12.0, 3, range(9, 12)),  # widened to 9..13; from 9 to 13 - 1.5, cut to 11
        (20.4, 29.9, 3, range(20, 28)),  # 20..29; up to 27.5, cut to 27
        (20.4, 29.9, 8, range(20, 26)),  # 20..29; up to 25
        (1.0, 2.0, 3, range(3)),  # widened to 0..4 (a second before the video is none)
        (30.0, 34.0, 16, range(30, 31)),  # too short for 8 s: begins with the caption
    ],
)
def test_beginnings_are_equally_likely(start, end, num_frames, starts):
    row = ROW | {"captions": ["it", "last"], "starts": [start, 90.0], "ends": [end, 99.0]}
    clips = [drawn for drawn in draw(row, 2000, num_frames=num_frames) if drawn["caption"] == "it"]
    counts = Counter(drawn["start"] for drawn in clips)
    assert set(counts) == set(map(float, starts))
    share = 1 / len(starts)
    margin = 5 * (len(clips) * share * (1 - share)) ** 0.5
    assert all(abs(count - len(clips) * share) <= margin for count in counts.values())
    assert {drawn["end"] - drawn["start"] for drawn in clips} == {num_frames / 2}


def test_clip_stays_before_the_end_of_the_last_caption():
    row = ROW | {"captions": ["last"], "starts": [59.9], "ends": [60.0]}
    clips = draw(row, 200, num_frames=8)
    assert all(drawn["end"] <= 60.0 and drawn["end"] - drawn["start"] == 4.0 for drawn in clips)
    (short,) = draw({"captions": ["only"], "starts": [0.0], "ends": [1.0]}, 1)
    assert (short["start"], short["end"]) == (0.0, 1.0)


def test_rate_and_shortest_time_are_options():
    row = ROW | {"captions": ["it", "last"], "starts": [10.0, 90.0], "ends": [11.0, 99.0]}
    starts = {
        drawn["start"]
        for drawn in draw(row, 500, num_frames=4, frames_per_second=4.0, shortest=8.0)
        if drawn["caption"] == "it"
    }
    assert starts == {6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0}  # widened to 6.5..14.5: from 6 to 14 - 1


@pytest.mark.parametrize("name", ["num_frames", "frames_per_second", "shortest"])
def test_options_of_the_drawing_are_above_0(name):
    with pytest.raises(ValueError, match=f"{name} is 0; expected a number above 0"):
        draw_captioned_clip(ROW, **{name: 0})


def test_draws_repeat_with_the_seed(tmp_path):
    assert draw(ROW, 20) == draw(ROW, 20)
    captions = {"nVbIUDjzWY4": {"start": [1.0, 9.0], "end": [5.0, 20.0], "text": ["a", "b"]}}
    write_files(tmp_path, {"HowTo100M_v1.csv": MAKERS_TABLE, "caption.json": captions})
    rows = load_annotations("howto100m", tmp_path).with_transform(by_row(draw_captioned_clip))
    torch.manual_seed(0)
    first = [rows[0] for _ in range(20)]
    torch.manual_seed(0)
    assert [rows[0] for _ in range(20)] == first
    assert len({(row["caption"], row["start"]) for row in first}) > 3
