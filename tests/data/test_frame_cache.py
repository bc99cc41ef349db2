# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Frames kept on disk: those that the processor gives, as long as nothing changed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from video_fixtures import encode_video, grey_frames

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.frame_cache import cache_frames
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.data.video_loading import VideoLoader
from modeling_allinone.datasets import train_tokenizer


@pytest.fixture
def processor():
    return AllInOneProcessor(AllInOneVideoProcessor(num_frames=4, size=32, crop_size=32), train_tokenizer(["what?"]))


@pytest.fixture
def rows(tmp_path):
    """A film, a part of it, the film again, and one that is broken."""
    film, broken = str(encode_video(tmp_path / "film.mp4")), tmp_path / "broken.mp4"
    broken.write_text("no film")
    columns = {"video": [film, film, film, str(broken)], "start": [None, 0.5, None, None]}
    return Dataset.from_dict({**columns, "end": [None, 1.0, None, None]})


def cache(rows, processor, tmp_path):
    return cache_frames(rows, processor, tmp_path / "cache", num_workers=0)


def files(tmp_path) -> dict:
    return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}


def test_frames_are_those_of_evaluation(rows, processor, tmp_path):
    frames = cache(rows, processor, tmp_path)
    whole, part, again, broken = ((row["video"], row["start"], row["end"]) for row in rows)
    assert set(frames) == {whole, part} and len(frames) == 2 and broken not in frames and whole == again
    shown = processor.video_processor(frames[part], frame_sampling="uniform")["pixel_values"]
    expected = processor.video_processor(part[0], start=0.5, end=1.0)["pixel_values"]
    assert torch.equal(shown, expected)
    cached_rows = VideoDataset(rows, frames=frames)
    assert cached_rows[1]["video"].shape == (4, 32, 42, 3) and cached_rows[1]["start"] is None
    assert cached_rows[3]["video"] == broken[0]


@pytest.mark.parametrize(
    "options",
    [
        {"size": 40},
        {"size": 40, "do_center_crop": False, "do_random_crop": True},
        {"size": 40, "decode_size": 48},
        {"size": 40, "decode_size": 48, "do_center_crop": False, "size_divisor": 16, "do_pad": True},
        {"do_resize": False},
    ],
)
def test_kept_frames_are_shown_as_the_clip_is(options, rows, tmp_path):
    """Also where frames are larger than their crop, which must not be resized once more."""
    video_processor = AllInOneVideoProcessor(**{"num_frames": 4, "size": 32, "crop_size": 32, **options})
    processor = AllInOneProcessor(video_processor, train_tokenizer(["what?"]))
    slopes = (grey_frames() + np.linspace(0, 60, grey_frames().shape[2])[:, None]).clip(0, 255).astype(np.uint8)
    encode_video(Path(rows[0]["video"]), frames=slopes)
    kept = VideoDataset(rows, frames=cache(rows, processor, tmp_path))
    load = VideoLoader(processor)
    for number in range(3):
        shown, expected = (load([data[number]])[0] for data in (kept, VideoDataset(rows)))
        assert shown.keys() == expected.keys()
        assert all(torch.equal(shown[name], expected[name]) for name in shown)


def test_clips_are_decoded_once_and_again_if_something_changed(rows, processor, tmp_path):
    frames = cache(rows, processor, tmp_path)
    before = files(tmp_path)
    assert len(before) == 2
    cache(rows.select([0]), processor, tmp_path)
    assert files(tmp_path) == before, "a part of the rows finds its frames"
    processor.save_pretrained(tmp_path / "saved")
    cache(rows, processor, tmp_path)
    cache(rows, AllInOneProcessor.from_pretrained(tmp_path / "saved"), tmp_path)
    assert files(tmp_path) == before, "and so does a processor that was saved"
    processor.video_processor.num_frames = 3
    assert next(iter(cache(rows, processor, tmp_path).values())).shape == (3, 32, 42, 3)
    assert len(files(tmp_path)) == 4
    processor.video_processor.num_frames = 4
    encode_video(tmp_path / "film.mp4", frames=255 - grey_frames())
    changed = cache(rows, processor, tmp_path)
    assert len(files(tmp_path)) == 6
    assert all(not np.array_equal(changed[clip], frames[clip]) for clip in frames)


def test_damaged_frames_are_told_by_name(rows, processor, tmp_path):
    frames = cache(rows, processor, tmp_path)
    whole, part = frames.data.values()
    whole.write_bytes(b"")
    part.write_bytes(part.read_bytes()[:-1000])
    for clip, path in frames.data.items():
        with pytest.raises(ValueError, match=rf"The frames kept in .*{path.name} are damaged .*remove the file"):
            frames[clip]
