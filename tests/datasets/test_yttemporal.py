# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""YT-Temporal: transcripts, and clips with what is said in them."""

from collections import Counter

import pytest
import torch
from annotation_fixtures import read_rows, write_files

from modeling_allinone.datasets import load_annotations, summarize
from modeling_allinone.datasets.readers.yttemporal import draw_spoken_clip, replace_words
from modeling_allinone.datasets.row_transforms import by_row


def transcript(video_id="WAaKRUoY6Io", **changes):
    return {
        "info": {"id": video_id, "title": "Penne", "duration": 255},
        "subtitles": [
            {"word": "guys", "time": 0.0},
            {"word": "&gt;&gt;", "time": 0.1},
            {"word": "amp;", "time": 0.1},
            {"word": " stirr ", "time": 0.179},
            {"word": "", "time": 0.2},
            {"word": "it", "time": 12},
        ],
        "denoised": [{"noisyasr": "guys stirr", "cleanasr": "Guys, stir"}, {"cleanasr": "it!"}],
    } | changes


def expected_row(video, video_id="WAaKRUoY6Io", number=0):
    return {
        "video": str(video),
        "words": ["guys", "stirr", "it"],
        "times": [0.0, 0.179, 12.0],
        "clean_words": ["Guys,", "stir", "it!"],
        "duration": 255.0,
        "video_id": video_id,
        "sample_id": f"train-{number}",
    }


@pytest.mark.parametrize("place", ["", "media/"])
def test_rows_as_the_original_has_them(tmp_path, place):
    names = ["subset_87/data/WAaKRUoY6Io.mp4", "subset_87/data/gone.mp4", "subset_9/data/silent.mp4"]
    write_files(
        tmp_path,
        {
            "train_success_2000000.csv": "Name\n" + "".join(f"{name}\n" for name in names),
            f"{place}videos/subset_87/annotations/WAaKRUoY6Io.json": transcript(),
            f"{place}videos/subset_9/annotations/silent.json": transcript("silent", subtitles=[]),
            "media/other.txt": "",
        },
    )
    media = tmp_path / "media"
    assert read_rows("yttemporal", tmp_path, "train", media_root=media) == [
        expected_row(media / "videos/subset_87/data/WAaKRUoY6Io.mp4")
    ]
    summary = summarize(load_annotations("yttemporal", tmp_path, media_root=media))
    assert summary.remarks == ("2 videos without a transcript were left out",)


def test_rows_as_the_makers_have_them(tmp_path):
    write_files(
        tmp_path,
        {
            "yttemporal180m_000of100.jsonl": [transcript()],
            "yttemporal180m_099of100.jsonl": [transcript("other")],
        },
    )
    assert read_rows("yttemporal", tmp_path, "train") == [
        expected_row(tmp_path / "videos/WAaKRUoY6Io.mp4"),
        expected_row(tmp_path / "videos/other.mp4", "other", 1),
    ]
    (row, _) = read_rows("yttemporal", tmp_path, "train", media_pattern="{video_id}.webm", clean_text=str.upper)
    assert row["video"] == str(tmp_path / "WAaKRUoY6Io.webm")
    assert row["words"] == ["GUYS", "STIRR", "IT"] and row["clean_words"] == ["GUYS,", "STIR", "IT!"]


def test_length_is_that_of_the_transcript_where_nobody_says_it(tmp_path):
    write_files(tmp_path, {"yttemporal180m_000of100.jsonl": [transcript(info={"id": "a"}, denoised=None)]})
    (row,) = read_rows("yttemporal", tmp_path, "train")
    assert row["duration"] == 13.0 and row["clean_words"] == []
    assert replace_words(row)["words"] == row["words"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"info": None}, "line 1: field 'info' is null"),
        ({"info": ["a"]}, r"field 'info' is \['a'\], but expected an object with id, duration"),
        ({"info": {"id": "a", "duration": "long"}}, "entry 'info': field 'duration' is 'long', but expected a number"),
        ({"subtitles": {"word": "a"}}, "field 'subtitles' is .*, but expected a list of objects"),
        ({"subtitles": [{"word": "a"}]}, "entry 'subtitles': field 'time' is missing"),
        ({"subtitles": [{"word": ["a"], "time": 1}]}, "entry 'subtitles': field 'word' holds .*, but expected text"),
        ({"denoised": ["a"]}, "field 'denoised' is .*, but expected a list of objects"),
    ],
)
def test_wrong_transcripts_are_named(tmp_path, changes, message):
    write_files(tmp_path, {"yttemporal180m_000of100.jsonl": [transcript(**changes)]})
    with pytest.raises(ValueError, match=message):
        load_annotations("yttemporal", tmp_path)


def test_transcript_that_is_no_object_is_named(tmp_path):
    write_files(
        tmp_path,
        {"val_success.csv": "Name\nsubset_1/data/a.mp4\n", "videos/subset_1/annotations/a.json": [transcript()]},
    )
    with pytest.raises(ValueError, match=r"a\.json holds .*; expected a JSON object with info, subtitles, denoised"):
        load_annotations("yttemporal", tmp_path, "validation")


# Drawing

SECONDS = range(100)
ROW = {
    "video": "a.mp4",
    "words": [f"word{second}" for second in SECONDS],
    "times": [second + 0.5 for second in SECONDS],
    "clean_words": [f"Word{second}." for second in SECONDS],
    "duration": 100.0,
    "sample_id": "7",
}


def draw(row, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [draw_spoken_clip(row, generator) for _ in range(count)]


def test_words_are_replaced_once():
    replaced = replace_words(ROW)
    assert replaced["words"] == ROW["clean_words"] and replaced["clean_words"] is None
    assert replace_words(replaced) is replaced
    assert draw(replaced, 5) == draw(ROW, 5)
    assert ROW["words"][0] == "word0"


def test_caption_is_what_is_said_in_the_clip():
    for drawn in draw(replace_words(ROW), 200):
        assert set(drawn) == {"video", "sample_id", "caption", "start", "end"}
        said = [f"Word{second}." for second in SECONDS if drawn["start"] < second + 0.5 < drawn["end"]]
        assert drawn["caption"] == " ".join(said)


def test_clips_are_equally_likely():
    clips = draw(replace_words(ROW), 4000)
    starts = Counter(int(drawn["start"]) for drawn in clips)
    assert set(starts) <= set(range(86)) and len(starts) == 86
    assert all(abs(count - 4000 / 86) < 5 * (4000 / 86) ** 0.5 for count in starts.values())
    fractions = [drawn["start"] % 1 for drawn in clips]
    assert abs(sum(fractions) / 4000 - 0.5) < 4 * (1 / 12 / 4000) ** 0.5
    lengths = Counter(round(drawn["end"] - drawn["start"], 6) for drawn in clips if drawn["start"] < 80)
    total = sum(lengths.values())
    assert set(lengths) == {10, 11, 12, 13, 14, 15}
    assert all(abs(count - total / 6) < 5 * (total / 6) ** 0.5 for count in lengths.values())
    assert max(drawn["end"] for drawn in clips) == 99.0


@pytest.mark.parametrize("duration", [0.4, 1.0, 3.0, 4.0, 5.5, 12.0, 16.0])
def test_clip_lies_in_a_short_video(duration):
    row = replace_words(ROW | {"duration": duration})
    for drawn in draw(row, 100):
        assert 0 <= drawn["start"] < drawn["end"] <= duration
        assert drawn["end"] - drawn["start"] == pytest.approx(min(4.0, duration)) or duration > 5


def test_clip_in_which_nobody_speaks_has_no_caption():
    row = ROW | {"words": ["hello"], "times": [99.9], "clean_words": None}
    assert {drawn["caption"] for drawn in draw(row, 20)} == {""}


def test_shortest_clip_is_above_0():
    with pytest.raises(ValueError, match=r"shortest is 0; expected a number above 0"):
        draw_spoken_clip(ROW, shortest=0)


def test_draws_repeat_with_the_seed(tmp_path):
    assert draw(ROW, 3) == draw(ROW, 3) != draw(ROW, 3, seed=1)
    write_files(tmp_path, {"yttemporal180m_000of100.jsonl": [transcript()]})
    rows = load_annotations("yttemporal", tmp_path).map(replace_words)
    assert rows[0]["words"] == ["Guys,", "stir", "it!"] and rows[0]["clean_words"] is None
    rows = rows.with_transform(by_row(draw_spoken_clip))
    torch.manual_seed(0)
    first = [rows[0]["start"] for _ in range(5)]
    torch.manual_seed(0)
    assert [rows[0]["start"] for _ in range(5)] == first and len(set(first)) == 5
