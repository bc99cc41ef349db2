# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The script that writes shards, on data sets in miniature."""

import json

import pytest
from script_runs import load_script
from video_fixtures import encode_video

from modeling_allinone.data.webdataset_stream import ClipSource, WebDatasetStream, parse_sources
from modeling_allinone.datasets import write_moving_shapes

script = load_script("make_shards")


def run(*arguments) -> int:
    try:
        return script.main([*map(str, arguments)])
    except SystemExit as exit:
        return exit.code


@pytest.fixture
def shapes(tmp_path):
    """Arguments for a corpus of seven films, of which one is missing and one is broken."""
    videos = write_moving_shapes(tmp_path / "shapes", 7) / "videos"
    (videos / "000002.mp4").unlink()
    (videos / "000005.mp4").write_text("no film")
    return [
        "--dataset",
        "moving_shapes",
        "--data_dir",
        tmp_path / "shapes",
        "--dataset_options",
        '{"task": "retrieval"}',
    ]


def test_a_data_set_is_written_and_read(shapes, tmp_path, capsys):
    output_dir = tmp_path / "shards"
    options = ["--output_dir", output_dir, "--rows_per_shard", 3, "--num_workers", 1, "--shortest_edge", 64]
    assert run(*shapes, *options) == 0
    summary = capsys.readouterr().out.splitlines()[-1]
    assert summary.startswith(f"{output_dir}: 3 shards, 5 rows, ") and summary.endswith("MB; skipped clips: 2")
    assert len((output_dir / "skipped_clips.jsonl").read_text().splitlines()) == 2
    rows = list(WebDatasetStream(ClipSource(output_dir), num_epochs=1))
    assert len(rows) == 5 and all(row["caption"] and row["duration"] == 3.0 for row in rows)
    assert run(*shapes, *options) == 0
    assert capsys.readouterr().out.splitlines()[-1] == summary
    assert run(*shapes, *options, "--num_rows", 2) == 2
    assert "give another folder" in capsys.readouterr().err


def test_films_with_transcripts_are_stored_once(tmp_path):
    root = tmp_path / "howto"
    (root / "howto100m_csv").mkdir(parents=True)
    (root / "howto100m_csv" / "a.csv").write_text("start,end,text\n0,4,whisk the eggs\n4,8,add salt\n")
    (root / "ht100_videos_split.csv").write_text("Name\na.mp4\n")
    encode_video(root / "a.mp4", num_frames=16, times_in_ms=[500 * number for number in range(16)])
    assert run("--dataset", "howto100m", "--data_dir", root, "--output_dir", tmp_path / "shards") == 0
    source = parse_sources({"howto": {"shards": tmp_path / "shards", "transform": "draw_captioned_clip"}})
    rows = list(WebDatasetStream(source, num_epochs=10))
    assert {row["caption"] for row in rows} == {"whisk the eggs", "add salt"}
    assert all(row["video"] == (root / "a.mp4").read_bytes() and row["end"] - row["start"] == 1.5 for row in rows)


def test_words_of_transcripts_are_replaced_once(tmp_path):
    root = tmp_path / "yttemporal"
    (root / "videos").mkdir(parents=True)
    transcript = {
        "info": {"id": "a", "duration": 16.0},
        "subtitles": [{"word": "stir", "time": 6.0}],
        "denoised": [{"cleanasr": "Stir!"}],
    }
    (root / "yttemporal180m_000of100.jsonl").write_text(json.dumps(transcript) + "\n")
    encode_video(root / "videos" / "a.mp4", num_frames=16, times_in_ms=[1000 * number for number in range(16)])
    assert run("--dataset", "yttemporal", "--data_dir", root, "--output_dir", tmp_path / "shards") == 0
    (row,) = WebDatasetStream(ClipSource(tmp_path / "shards"), num_epochs=1, needs_text=False)
    assert row["words"] == ["Stir!"] and row["clean_words"] is None
    source = ClipSource(tmp_path / "shards", transform="draw_spoken_clip")
    assert next(iter(WebDatasetStream(source)))["caption"] == "Stir!"


@pytest.mark.parametrize(
    ("options", "message"),
    (
        (["--dataset", "nothing"], "There is no data set 'nothing'"),
        (["--split", "exam"], "moving_shapes has no split 'exam'"),
        (["--data_dir", "nowhere"], "root is nowhere, which is no folder"),
        (["--dataset_options", "{"], "dataset_options is '{', which is not JSON"),
        (["--dataset_options", '{"colour": 1}'], "moving_shapes has no option colour"),
        (["--num_rows", 0], "num_rows is 0; expected 1 or more"),
        (["--rows_per_shard", 0], "rows_per_shard is 0; expected a whole number"),
        (["--shards", 3], "unrecognized|not used"),
    ),
)
def test_what_goes_wrong_is_said_in_a_line(shapes, tmp_path, capsys, options, message):
    assert run(*shapes, "--output_dir", tmp_path / "shards", *options) == 2
    error = capsys.readouterr().err
    assert any(one in error.splitlines()[-1] for one in message.split("|")) and "Traceback" not in error
