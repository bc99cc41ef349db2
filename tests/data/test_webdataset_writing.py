# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Shards of real clips: what is written comes back, spans are cut out, runs go on, broken clips are listed."""

import io
import json
import multiprocessing
import re
import tarfile
import time

import av
import datasets
import numpy as np
import pytest
from PIL import Image
from video_fixtures import (
    FRAMES_PER_SECOND,
    NUM_FRAMES,
    encode_video,
    grey_frames,
    numbers_of,
    save_animation,
    save_folder,
)

from modeling_allinone import AllInOneVideoProcessor
from modeling_allinone.data.video_loading import read_skipped
from modeling_allinone.data.webdataset_stream import ClipSource, WebDatasetStream
from modeling_allinone.data.webdataset_writing import write_shards


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder of media of every kind."""
    folder = tmp_path_factory.mktemp("clips")
    encode_video(folder / "film.mp4")
    encode_video(folder / "large.avi", codec="mpeg4", height=98, width=131)
    save_animation(folder / "animation.gif")
    save_animation(folder / "animation.webp", lossless=True)
    save_folder(folder / "frames")
    Image.fromarray(grey_frames(1)[0]).save(folder / "image.png")
    (folder / "broken.mp4").write_text("no film")
    return folder


def read_rows(folder) -> dict[str, dict]:
    stream = WebDatasetStream(ClipSource(folder), num_epochs=1, shuffle_buffer=0, needs_text=False)
    return {row["sample_id"]: row for row in stream}


def frames_of(video, **options):
    """All frames of a video, as they are."""
    read = AllInOneVideoProcessor(do_resize=False, do_center_crop=False, do_rescale=False, do_normalize=False)
    return read([video], do_sample_frames=False, **options)["pixel_values"][0]


def write(clips, folder, *rows, **options):
    rows = [{"sample_id": f"row{number}", "caption": f"clip {number}"} | row for number, row in enumerate(rows)]
    rows = [row | {"video": str(clips / row["video"])} if "video" in row else row for row in rows]
    return write_shards(rows, folder, "clips", **{"num_workers": 0, "rows_per_shard": 3} | options)


def test_rows_come_back(clips, tmp_path):
    rows = [{"video": name} for name in ("film.mp4", "large.avi", "animation.gif", "animation.webp")]
    rows.append({"video": "frames", "frame_rate": 10.0, "captions": ["a", "b"], "label": 5, "answer": None})
    rows.append({"image": str(clips / "image.png")})
    rows.append({"images": [str(clips / "image.png")] * 2, "question": "is it – so?"})
    summary = write(clips, tmp_path / "shards", *rows)
    assert (summary.num_shards, summary.num_rows, summary.num_skipped) == (3, 7, 0)
    assert str(summary).startswith("3 shards, 7 rows, 0.")
    found = list(read_rows(tmp_path / "shards").values())
    assert [row["sample_id"] for row in found] == [f"row{number}" for number in range(7)]
    for row, before in zip(found[:4], rows[:4], strict=True):
        assert row["video"] == (clips / before["video"]).read_bytes()
        assert row["duration"] == pytest.approx(NUM_FRAMES / FRAMES_PER_SECOND)
    frames = found[4]
    assert {name: frames[name] for name in ("frame_rate", "captions", "label")} == {
        "frame_rate": 10,
        "captions": ["a", "b"],
        "label": 5,
    }
    assert numbers_of(frames_of(frames["video"])) == list(range(NUM_FRAMES)) and frames["answer"] is None
    assert found[5]["image"] == (clips / "image.png").read_bytes() and "video" not in found[5]
    assert found[6]["images"] == [found[5]["image"]] * 2 and found[6]["question"] == "is it – so?"


def test_spans_are_cut_out(clips, tmp_path):
    spans = [(0.5, 1.0), (None, 0.3), (1.2, None), (0.42, 0.44)]
    write(clips, tmp_path, *({"video": "film.mp4", "start": start, "end": end} for start, end in spans))
    for row, expected in zip(read_rows(tmp_path).values(), (range(5, 10), range(3), range(12, 16), (4,)), strict=True):
        assert numbers_of(frames_of(row["video"])) == list(expected)
        assert row["start"] is None and row["end"] is None
        assert row["duration"] == pytest.approx(len(expected) / FRAMES_PER_SECOND, abs=0.011)
        with av.open(io.BytesIO(row["video"])) as container:
            assert [stream.codec_context.name for stream in container.streams] == ["h264"]


def test_times_of_frames_are_kept(tmp_path):
    times = [0, 40, 100, 500, 520, 900]
    encode_video(tmp_path / "film.mp4", num_frames=6, times_in_ms=times)
    write(tmp_path, tmp_path / "shards", {"video": "film.mp4", "start": 0.1, "end": 0.9})
    (row,) = read_rows(tmp_path / "shards").values()
    taken = frames_of(row["video"], timestamps=[0.0, 0.39, 0.401, 0.421])
    assert numbers_of(taken) == [2, 2, 3, 4]


@pytest.mark.parametrize(("shortest_edge", "size"), ((48, (48, 64)), (64, (64, 86)), (98, None), (200, None)))
def test_large_videos_are_made_smaller(clips, tmp_path, shortest_edge, size):
    rows = [{"video": "large.avi"}, {"video": "film.mp4"}, {"image": str(clips / "image.png")}]
    write(clips, tmp_path, *rows, shortest_edge=shortest_edge)
    large, small, image = read_rows(tmp_path).values()
    assert small["video"] == (clips / "film.mp4").read_bytes() and image["image"] == (clips / "image.png").read_bytes()
    if size is None:
        assert large["video"] == (clips / "large.avi").read_bytes()
    else:
        frames = frames_of(large["video"])
        assert tuple(frames.shape[-2:]) == size and numbers_of(frames) == list(range(NUM_FRAMES))


def test_few_frames_are_in_memory(clips, tmp_path, monkeypatch):
    monkeypatch.setattr("modeling_allinone.data.webdataset_writing._BYTES_AT_ONCE", 3 * 48 * 64 * 3)
    write(clips, tmp_path, {"video": "film.mp4", "start": 0.2})
    (row,) = read_rows(tmp_path).values()
    assert numbers_of(frames_of(row["video"])) == list(range(2, NUM_FRAMES))


def test_broken_clips_are_listed_and_the_rest_is_written(clips, tmp_path):
    wrong = [
        {"video": "broken.mp4"},
        {"video": "gone.mp4"},
        {},
        {"video": "film.mp4", "start": 5.0, "end": 6.0},
        {"image": str(clips / "broken.mp4")},
        {"video": "film.mp4", "box": np.zeros(3)},
    ]
    summary = write(clips, tmp_path / "shards", *wrong, {"video": "film.mp4"})
    assert (summary.num_rows, summary.num_shards, summary.num_skipped) == (1, 1, 6)
    skipped = {entry["sample_id"]: entry for entry in read_skipped(tmp_path / "shards" / "skipped_clips.jsonl")}
    assert list(skipped) == [f"row{number}" for number in range(6)]
    for number, reason in enumerate(
        ("cannot be read as a video", "does not exist", "the row has no video and no image", "not inside the clip", "")
    ):
        assert reason in skipped[f"row{number}"]["reason"]
    assert skipped["row1"]["video"] == str(clips / "gone.mp4")
    with pytest.raises(ValueError, match=r"No clip of 6 rows could be written; .*skipped_clips\.jsonl says why"):
        write(clips, tmp_path / "nothing", *wrong)


def test_shards_that_are_done_are_not_written_again(clips, tmp_path):
    # Stored as they are: what x264 encodes again shows the same frames, in bytes that may be others.
    rows = [{"video": "film.mp4", "caption": str(number)} for number in range(8)] + [{"video": "broken.mp4"}]
    summary = write(clips, tmp_path, *rows)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.tar")}
    kept, lost = sorted(tmp_path.glob("*.tar"))[:2]
    # As a run leaves it that was killed while it wrote the second shard.
    (tmp_path / f"{lost.name}.1.unfinished").write_bytes(lost.read_bytes()[:5000])
    lost.unlink()
    time_of_kept = kept.stat().st_mtime_ns
    assert write(clips, tmp_path, *rows, num_workers=2) == summary
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.tar")} == before
    assert kept.stat().st_mtime_ns == time_of_kept
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [*sorted(before), "index.json", "skipped_clips.jsonl"]
    index = json.loads((tmp_path / "index.json").read_text())
    assert [(shard["name"], shard["rows"]) for shard in index["shards"]] == list(
        zip(sorted(before), (3, 3, 2), strict=True)
    )
    assert index["num_bytes"] == sum(map(len, before.values())) == summary.num_bytes


def test_two_runs_do_not_write_to_one_folder(clips, tmp_path):
    """Neither while one is at work, nor is a folder closed for ever by one that was killed."""
    folder, begun, may_go_on = (tmp_path / name for name in ("shards", "begun", "may go on"))

    def wait(row: dict) -> dict:
        begun.touch()
        while not may_go_on.exists():
            time.sleep(0.01)
        return row

    def start() -> multiprocessing.Process:
        begun.unlink(missing_ok=True)
        options = {"rows_per_shard": 1, "prepare_row": wait}
        run = multiprocessing.get_context("fork").Process(target=write, args=(clips, folder, *rows), kwargs=options)
        run.start()
        while not begun.exists() and run.is_alive():
            time.sleep(0.01)
        return run

    rows = [{"video": "film.mp4"}] * 3
    run = start()
    with pytest.raises(ValueError, match=re.escape(f"Another run is writing to {folder}; wait for its end")):
        write(clips, folder, *rows, rows_per_shard=1)
    run.kill()
    run.join()
    assert list(folder.glob("*.unfinished"))
    run = start()
    with pytest.raises(ValueError, match="Another run is writing"):
        write(clips, folder, *rows, rows_per_shard=1)
    may_go_on.touch()
    run.join()
    assert run.exitcode == 0
    names = [f"clips-{number:06}.tar" for number in range(3)]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "index.json"]
    assert write(clips, folder, *rows, rows_per_shard=1).num_rows == 3 == len(read_rows(folder))


def test_each_shard_is_written_by_one_process(clips, tmp_path):
    calls = tmp_path / "calls"

    def note(row: dict) -> dict:
        with calls.open("a") as file:
            file.write(row["sample_id"] + "\n")
        return row | {"caption": "prepared"}

    write(clips, tmp_path / "shards", *({"video": "film.mp4"} for _ in range(8)), num_workers=2, prepare_row=note)
    assert sorted(calls.read_text().split()) == [f"row{number}" for number in range(8)]
    assert {row["caption"] for row in read_rows(tmp_path / "shards").values()} == {"prepared"}


@pytest.mark.parametrize(
    ("options", "message"),
    (
        ({"rows_per_shard": 0}, "rows_per_shard is 0; expected a whole number, 1 or more"),
        ({"shortest_edge": 2.5}, "shortest_edge is 2.5; expected a whole number, 16 or more"),
        ({"rows_per_shard": 2}, r"has shards of \{.*'rows_per_shard': 3, .*, but these would be of \{"),
    ),
)
def test_arguments_are_checked(clips, tmp_path, options, message):
    write(clips, tmp_path, {"video": "film.mp4"})
    with pytest.raises(ValueError, match=message):
        write(clips, tmp_path, {"video": "film.mp4"}, **options)


def test_folders_of_others_are_left_alone(clips, tmp_path):
    for name in ("", "a.b", "a/b"):
        with pytest.raises(ValueError, match=f"name is {name!r}; expected a name without dots and slashes"):
            write_shards([{}], tmp_path, name)
    with pytest.raises(ValueError, match="There are no rows to write"):
        write(clips, tmp_path)
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(ValueError, match=r"index\.json is no index of shards"):
        write(clips, tmp_path, {"video": "film.mp4"})
    (tmp_path / "index.json").unlink()
    (tmp_path / "other.tar").touch()
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path} has tar files, but no index.json")):
        write(clips, tmp_path, {"video": "film.mp4"})


def test_other_libraries_read_the_shards(clips, tmp_path):
    write(clips, tmp_path / "shards", *({"video": "film.mp4"} for _ in range(4)))
    with tarfile.open(tmp_path / "shards" / "clips-000000.tar") as tar:
        assert tar.getnames()[:3] == ["000000000.json", "000000000.mp4", "000000001.json"]
    stream = datasets.load_dataset(
        "webdataset",
        data_files=str(tmp_path / "shards" / "*.tar"),
        split="train",
        streaming=True,
        features=datasets.Features({"json": {"caption": datasets.Value("string")}, "mp4": datasets.Value("binary")}),
    )
    assert [row["json"]["caption"] for row in stream] == [f"clip {number}" for number in range(4)]
