# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Windows of long videos: they cover the video, and each is what the processor makes of that part."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from video_fixtures import cut_short, encode_video, save_animation, save_folder

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data import video_windows
from modeling_allinone.data.video_windows import VideoWindows, cut_windows
from modeling_allinone.datasets import train_tokenizer


def make_processor(**options) -> AllInOneProcessor:
    options = {"num_frames": 3, "size": 32, "crop_size": 32} | options
    return AllInOneProcessor(AllInOneVideoProcessor(**options), train_tokenizer(["what?"]))


@pytest.mark.parametrize("duration", (0.1, 4.0, 5.99, 6.0, 6.01, 8.0, 8.1, 11.9, 12.0, 59.7))
@pytest.mark.parametrize("stride", (None, 2.0, 1.3))
def test_windows_cover_the_video(duration, stride):
    bounds = cut_windows(duration, 4.0, stride)
    assert bounds[0][0] == 0 and bounds[-1][1] == duration
    assert bounds == sorted(set(bounds))
    for (start, end), (next_start, _) in pairwise(bounds):
        assert end - start == pytest.approx(4.0) and next_start <= end
        assert next_start - start == pytest.approx(stride or 4.0) or next_start == pytest.approx(duration - 4.0)
    assert all(end - start >= min(2.0, duration) - 1e-9 for start, end in bounds)


@pytest.mark.parametrize(
    ("lengths", "message"),
    (((0, None), "window is 0 s"), ((4, 0), "stride 0 s"), ((4, 5), "stride 5 s"), ((float("nan"), None), "nan")),
)
def test_lengths_that_leave_something_out_are_refused(lengths, message):
    with pytest.raises(ValueError, match=message):
        cut_windows(10.0, *lengths)
    with pytest.raises(ValueError, match="more than 1,000,000 windows of 10 s"):  # which would fill the memory
        cut_windows(10.0, 1e-6)
    with pytest.raises(ValueError, match=message):
        VideoWindows(make_processor(), np.zeros((4, 32, 32, 3), dtype=np.uint8), *lengths)


@pytest.mark.parametrize("most_bytes", (1, 2**28))
@pytest.mark.parametrize("kind", ("mp4", "gif", "folder"))
def test_windows_are_what_the_processor_makes_of_these_parts(kind, most_bytes, tmp_path, monkeypatch):
    monkeypatch.setattr(video_windows, "_MOST_BYTES", most_bytes)
    source, rate = tmp_path / f"film.{kind}", None
    if kind == "mp4":
        encode_video(source)
    elif kind == "gif":
        save_animation(source)
    else:
        source, rate = save_folder(tmp_path / "folder"), 10.0
    processor = make_processor()
    windows = VideoWindows(processor, str(source), window=0.6, stride=0.25, frame_rate=rate)
    assert len(windows.bounds) > 3 and windows.bounds[-1][1] == windows.duration and str(source) in windows.name
    places = []
    for chosen, batch, middles in windows.read():
        for place, pixels, middle in zip(chosen, batch["pixel_values"], middles, strict=True):
            start, end = windows.bounds[place]
            options = {"start": start, "end": end, "frame_rate": rate}
            expected = processor.video_processor(str(source), **options)["pixel_values"][0]
            assert torch.equal(pixels, expected)
            shown = processor.video_processor(middle[None])["pixel_values"][0, 0]
            assert torch.equal(shown, expected[1])
            places.append(place)
    assert places == list(range(len(windows.bounds)))
    ((_, batch, _),) = windows.read([2])
    assert len(batch["pixel_values"]) == 1


def test_frames_of_several_windows_are_decoded_once(tmp_path, monkeypatch):
    windows = VideoWindows(make_processor(), encode_video(tmp_path / "film.mp4"), window=0.6, stride=0.1)
    decoded = []
    read = type(windows._clip).read
    monkeypatch.setattr(
        type(windows._clip), "read", lambda clip, *given: decoded.extend(given[0].tolist()) or read(clip, *given)
    )
    num_windows = sum(len(chosen) for chosen, _, _ in windows.read(range(1, len(windows.bounds))))
    assert num_windows > 4 and len(decoded) < 3 * num_windows / 1.5


def test_a_part_of_a_video_is_cut(tmp_path):
    path = encode_video(tmp_path / "film.mp4")
    windows = VideoWindows(make_processor(), path, window=0.5, start=0.2, end=0.9)
    assert windows.bounds == [pytest.approx(part) for part in ((0.2, 0.7), (0.4, 0.9))]
    with pytest.raises(ValueError, match=r"film\.mp4.*not inside the clip"):
        VideoWindows(make_processor(), path, window=0.5, start=100.0)


def test_images_are_one_window(tmp_path):
    Image.new("RGB", (64, 48), "red").save(tmp_path / "image.png")
    windows = VideoWindows(make_processor(), tmp_path / "image.png", window=5.0)
    ((_, batch, (middle,)),) = windows.read()
    assert windows.bounds == [(0.0, 0.0)] and windows.duration is None
    assert batch["pixel_values"].shape == (1, 1, 3, 32, 32) and middle.shape == (48, 64, 3)
    with pytest.raises(ValueError, match=r"image\.png has no times"):
        VideoWindows(make_processor(), tmp_path / "image.png", window=5.0, start=1.0)


def test_the_options_of_the_processor_hold(tmp_path):
    path = encode_video(tmp_path / "film.mp4")
    processor = make_processor(num_frames=2, frame_sampling="random", num_views=2, on_corrupt_frame="nearest")
    ((_, batch, _), *_) = VideoWindows(processor, path, window=1.0).read([0])
    expected = processor.video_processor(path, start=0.0, end=1.0, frame_sampling="uniform", num_views=1)
    assert torch.equal(batch["pixel_values"], expected["pixel_values"])


@pytest.mark.parametrize("kind", ("cut", "text", "missing"))
def test_what_cannot_be_read_is_named(kind, tmp_path):
    path = tmp_path / f"{kind}.mp4"
    if kind == "cut":
        cut_short(encode_video(tmp_path / "film.mp4"), path)
    elif kind == "text":
        path.write_text("no film")
    with pytest.raises((ValueError, FileNotFoundError), match=f"{kind}.mp4"):
        list(VideoWindows(make_processor(), path, window=0.5).read())
