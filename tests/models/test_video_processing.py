# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The video processor on real files, whole and broken."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers.models.auto.video_processing_auto import AutoVideoProcessor
from transformers.utils import logging
from transformers.video_utils import VideoMetadata, default_sample_indices_fn
from video_fixtures import (
    MIDDLES,
    NUM_FRAMES,
    encode_video,
    grey_frames,
    level_of,
    numbers_of,
    save_animation,
)

from modeling_allinone.models.frame_resizing_allinone import resize_and_crop
from modeling_allinone.models.video_clip_allinone import Clip
from modeling_allinone.models.video_processing_allinone import AllInOneVideoProcessor

PARITY = Path(__file__).parents[1] / "fixtures" / "parity"


class TestSampling:
    def test_random_frames_follow_the_seed(self, clips, raw):
        path = clips / "h264.mp4"
        draws = [numbers_of(raw(path, frame_sampling="random", seed=seed).pixel_values)[0] for seed in range(8)]
        again = [numbers_of(raw(path, frame_sampling="random", seed=seed).pixel_values)[0] for seed in range(8)]
        assert draws == again and len({tuple(draw) for draw in draws}) > 1
        assert all(0 <= first < 5 <= second < 10 <= third < 15 for first, second, third in draws)

    def test_a_generator_moves_on_and_the_default_one_is_torchs(self, raw):
        frames = grey_frames()

        def draw(generator=None):
            return numbers_of(raw([frames] * 8, frame_sampling="random", generator=generator).pixel_values)

        generator = torch.Generator().manual_seed(0)
        first, second = draw(generator), draw(generator)
        assert first != second and len({tuple(row) for row in first}) > 1
        assert draw(torch.Generator().manual_seed(0)) == first
        torch.manual_seed(1)
        first = draw()
        torch.manual_seed(1)
        assert draw() == first

    def test_nothing_is_drawn_where_nothing_is_random(self, raw):
        before = torch.get_rng_state()
        raw(grey_frames())
        assert torch.equal(torch.get_rng_state(), before)

    def test_views_follow_each_other(self, raw):
        frames = grey_frames()[:12]
        pixels = raw([frames, frames[::-1].copy()], num_frames=2, num_views=3).pixel_values
        assert numbers_of(pixels) == [[0, 6], [2, 8], [4, 10], [11, 5], [9, 3], [7, 1]]
        pixels = raw(frames, num_frames=2, num_views=4, frame_sampling="random", seed=0).pixel_values
        assert len({tuple(row) for row in numbers_of(pixels)}) > 1

    @pytest.mark.parametrize("name", ["h264.mp4", "h264_b_frames.mkv", "vp9.webm", "animation.gif", "animation.webp"])
    def test_seconds_choose_frames(self, clips, raw, name):
        path = clips / name
        assert numbers_of(raw(path, start=0.5, end=0.8).pixel_values) == [[5, 6, 7]]
        assert numbers_of(raw(path, timestamps=[1.5, 0.0, 0.49]).pixel_values) == [[15, 0, 4]]
        pixels = raw([path, path], start=[0.5, None], end=[0.8, 0.3]).pixel_values
        assert numbers_of(pixels) == [[5, 6, 7], [0, 1, 2]]
        assert numbers_of(raw([path, path], timestamps=[[0.1], [1.2]]).pixel_values) == [[1], [12]]
        assert numbers_of(raw([path, path], frame_indices=[[3, 1], [0, 0]]).pixel_values) == [[3, 1], [0, 0]]
        assert numbers_of(raw(path, start=1.4, num_frames=4).pixel_values) == [[14, 14, 15, 15]]

    def test_folders_and_arrays_have_seconds_with_a_frame_rate(self, clips, raw):
        for clip in [clips / "frames", grey_frames()]:
            assert numbers_of(raw(clip, frame_rate=2, start=1, end=2.5).pixel_values) == [[2, 3, 4]]
            metadata = {"total_num_frames": NUM_FRAMES, "fps": 2}
            pixels = raw(clip, video_metadata=metadata, start=1, end=2.5).pixel_values
            assert numbers_of(pixels) == [[2, 3, 4]]
        pixels = raw([grey_frames()] * 2, frame_rate=[2, 4], timestamps=[1.0]).pixel_values
        assert numbers_of(pixels) == [[2], [4]]
        metadata = [VideoMetadata(total_num_frames=NUM_FRAMES, fps=rate) for rate in (2, 4)]
        pixels = raw([grey_frames()] * 2, video_metadata=metadata, timestamps=[1.0]).pixel_values
        assert numbers_of(pixels) == [[2], [4]]
        with pytest.raises(
            ValueError, match=r"frames: its frames have no times.* pass frame_rate=<frames per second>"
        ):
            raw(clips / "frames", start=1)
        with pytest.raises(ValueError, match=r"^videos\[0\]: its frames have no times"):
            raw(grey_frames(), timestamps=[0.5])

    @pytest.mark.parametrize("name", ["h264.mp4", "animation.gif"])
    def test_files_have_a_frame_rate_of_their_own(self, clips, raw, name):
        with pytest.raises(
            ValueError, match=rf"{name} carries its own times, but frame_rate=5 is given; leave it out"
        ):
            raw(clips / name, frame_rate=5, start=0.5)
        with pytest.raises(ValueError, match=r"videos\[0\] carries its own times, but frame_rate=5 is given"):
            raw((clips / name).read_bytes(), video_metadata={"total_num_frames": 16, "fps": 5})
        # Where clips of several kinds are read by one processor, it is for those that need it.
        processor = AllInOneVideoProcessor(**raw.to_dict() | {"frame_rate": 5})
        pixels = processor([clips / name, clips / "frames"], start=1.0, end=1.2).pixel_values
        assert numbers_of(pixels) == [[10, 10, 11], [5, 5, 5]]

    @pytest.mark.parametrize("name", ["h264.mp4", "vp9.webm", "animation.gif", "frames"])
    def test_fps_takes_frames_of_each_second(self, clips, raw, name):
        rate = {"frame_rate": 10} if name == "frames" else {}
        assert numbers_of(raw(clips / name, fps=2, **rate).pixel_values) == [[2, 7, 12]]  # 1.6 s
        assert numbers_of(raw(clips / name, fps=5, start=0.4, end=1.2, **rate).pixel_values) == [[4, 6, 8, 10]]
        assert numbers_of(raw(clips / name, fps=5, start=1.2, end=99, **rate).pixel_values) == [[12, 14]]
        assert numbers_of(raw(clips / name, fps=0.1, **rate).pixel_values) == [[7]]
        assert numbers_of(raw(clips / name, fps=20, end=0.2, **rate).pixel_values) == [[0, 0, 1, 1]]

    def test_fps_on_three_seconds_is_as_in_transformers(self, tmp_path, raw):
        path = encode_video(tmp_path / "clip.mp4", frames=np.tile(grey_frames(15), (2, 1, 1, 1)))
        inputs = raw(path, fps=2, return_metadata=True)
        metadata = inputs.video_metadata[0]
        expected = default_sample_indices_fn(metadata, fps=2)  # the first frame of each part, ours are the middles
        assert metadata.frames_indices == (expected + 2).tolist() and len(expected) == 6

    def test_fps_of_the_processor_gives_way_to_what_a_call_asks_for(self, clips, raw):
        processor = AllInOneVideoProcessor(**raw.to_dict() | {"fps": 5})
        assert numbers_of(processor(clips / "h264.mp4").pixel_values) == [[0, 2, 4, 6, 8, 10, 12, 14]]
        assert numbers_of(processor(clips / "h264.mp4", num_frames=3).pixel_values) == [MIDDLES]
        assert numbers_of(processor(clips / "h264.mp4", timestamps=[0.4]).pixel_values) == [[4]]
        assert numbers_of(processor(Image.fromarray(grey_frames()[5])).pixel_values) == [[5]]

    def test_a_window_is_cut_at_the_end_of_the_clip_and_that_is_said_once(self, clips, raw, monkeypatch, caplog):
        monkeypatch.setattr(Clip, "_has_said_that_windows_are_cut", False)
        logging.set_verbosity_warning()
        logging.get_logger("transformers").addHandler(caplog.handler)
        for name in ["h264.mp4", "vp9.webm"]:
            assert numbers_of(raw(clips / name, start=1.3, end=1.65).pixel_values) == [[13, 14, 15]]
        assert not caplog.messages, "sound often lasts a little longer"
        for name in ["h264.mp4", "vp9.webm"]:
            assert numbers_of(raw(clips / name, start=1.3, end=9).pixel_values) == [[13, 14, 15]]
        logging.get_logger("transformers").removeHandler(caplog.handler)
        (message,) = caplog.messages
        assert re.search(r"h264\.mp4 lasts 1\.600 s, but a window up to 9 s is asked for; .* cut at the end", message)

    @pytest.mark.parametrize("suffix", ["mp4", "mkv"])
    def test_variable_rate_goes_by_presentation_times(self, tmp_path, raw, suffix):
        times = [0, 100, 200, 300, 1000, 1100, 2000, 4000]
        path = encode_video(tmp_path / f"variable.{suffix}", num_frames=8, times_in_ms=times)
        timestamps = [0.05, 0.9, 1.05, 1.9, 2.5, 4.0]
        pixels = raw(path, timestamps=timestamps).pixel_values
        assert numbers_of(pixels) == [[0, 3, 4, 5, 6, 7]]
        assert numbers_of(raw(path, start=0.95, end=1.5).pixel_values) == [[3, 4, 5]]

    def test_durations_of_animations_vary(self, tmp_path, raw):
        path = save_animation(tmp_path / "variable.gif", num_frames=4, durations_in_ms=[100, 500, 0, 200])
        # A duration of 0 counts as 100 ms, as in a browser.
        assert numbers_of(raw(path, timestamps=[0.05, 0.3, 0.65, 0.75, 0.89]).pixel_values) == [[0, 1, 2, 3, 3]]

    def test_metadata_says_what_was_taken(self, clips, raw):
        metadata = raw([clips / "h264.mp4", clips / "frames"], return_metadata=True)["video_metadata"]
        assert metadata[0].frames_indices == MIDDLES and metadata[0].total_num_frames == NUM_FRAMES
        assert (metadata[0].duration, metadata[0].fps) == (pytest.approx(1.6), pytest.approx(10))
        assert (metadata[1].height, metadata[1].width, metadata[1].fps) == (48, 64, None)

    def test_do_sample_frames_keeps_all(self, clips, raw):
        assert numbers_of(raw(clips / "h264.mp4", do_sample_frames=False, start=1.2).pixel_values) == [
            [12, 13, 14, 15]
        ]


class TestPixels:
    def test_parity_with_the_original(self):
        # The recorded pixels come from the original's "nearest" setting, which for its PIL images means bilinear.
        recorded = load_file(PARITY / "preprocessing.safetensors")
        processor = AllInOneVideoProcessor(size={"shortest_edge": 76}, crop_size={"height": 64, "width": 64})
        pixels = processor(recorded["frames"])["pixel_values"][0]
        torch.testing.assert_close(pixels, recorded["pixel_values"], atol=1e-5, rtol=0)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            *(((90, 160), (67, 119)), ((23, 31), (67, 90)), ((160, 90), (119, 67)), ((50, 60), (50, 80))),
            *(((180, 320), (134, 238)), ((90, 160), (60, 100)), ((720, 1280), (268, 476))),
        ],
    )
    @pytest.mark.parametrize("resample", [2, 3])
    def test_resize_equals_pillow_to_the_last_bit(self, old, new, resample):
        frames = np.random.default_rng(0).integers(0, 256, (2, *old, 3), dtype=np.uint8)
        expected = np.stack([np.array(Image.fromarray(one).resize(new[::-1], resample)) for one in frames])
        assert np.array_equal(resize_and_crop(torch.from_numpy(frames), new, resample=resample).numpy(), expected)
        for top, left in ((5, 7), (0, 0), (new[0] - 40, new[1] - 41)):
            cropped = resize_and_crop(torch.from_numpy(frames), new, (top, left, 40, 41), resample)
            assert np.array_equal(cropped.numpy(), expected[:, top : top + 40, left : left + 41])

    @pytest.mark.parametrize(("old", "new"), [((9, 16), (6, 11)), ((7, 5), (20, 10))])
    def test_nearest_neighbour_takes_the_pixel_under_the_centre(self, old, new):
        frames = np.random.default_rng(0).integers(0, 256, (2, *old, 3), dtype=np.uint8)
        resized = resize_and_crop(torch.from_numpy(frames), new, resample=0).numpy()
        for row in range(new[0]):
            for column in range(new[1]):
                under = int((row + 0.5) * old[0] / new[0]), int((column + 0.5) * old[1] / new[1])
                assert np.array_equal(resized[:, row, column], frames[:, *under])
        cropped = resize_and_crop(torch.from_numpy(frames), new, (1, 2, 4, 3), resample=0).numpy()
        assert np.array_equal(cropped, resized[:, 1:5, 2:5])

    def test_shorter_side_then_centre(self, small):
        frames = np.zeros((1, 80, 120, 3), dtype=np.uint8)
        frames[:, :, 52:68] = 255  # the middle of the width
        pixels = small(frames, num_frames=1, do_rescale=False, do_normalize=False)["pixel_values"][0, 0, 0]
        assert pixels.shape == (32, 32)
        assert torch.equal(pixels, pixels.flip(-1)) and (pixels[:, 16] == 255).all() and (pixels[:, 0] == 0).all()

    @pytest.mark.parametrize("shape", [(1, 1), (5, 300), (300, 5), (31, 33)])
    def test_small_and_narrow_frames_are_enlarged(self, small, shape):
        assert small(np.zeros((2, *shape, 3), dtype=np.uint8)).pixel_values.shape == (1, 3, 3, 32, 32)

    def test_random_crop_is_one_place_for_all_frames(self, small):
        frames = np.broadcast_to(np.arange(60, dtype=np.uint8)[None, :, None, None] * 4, (3, 60, 60, 3)).copy()
        frames += np.arange(60, dtype=np.uint8)[None, None, :, None]
        options = {"do_random_crop": True, "do_normalize": False, "do_rescale": False, "size": 60}
        corners_seen = set()
        for seed in range(10):
            pixels = small(frames, seed=seed, **options).pixel_values[0]
            assert torch.equal(pixels[0], pixels[1]) and torch.equal(pixels[0], pixels[2])
            assert torch.equal(small(frames, seed=seed, **options).pixel_values[0], pixels)
            corners_seen.add(float(pixels[0, 0, 0, 0]))
        assert len(corners_seen) > 5

    def test_decode_size_loses_the_aspect_ratio_first(self):
        frame = np.random.default_rng(0).integers(0, 256, (1, 90, 160, 3), dtype=np.uint8)
        processor = AllInOneVideoProcessor(size=40, crop_size=40, do_normalize=False, do_rescale=False, decode_size=64)
        image = Image.fromarray(frame[0]).resize((64, 64), 2).resize((40, 40), 2)
        assert np.array_equal(processor(frame, num_frames=1).pixel_values[0, 0].permute(1, 2, 0), np.array(image))

    def test_rescale_and_normalise(self, raw):
        frames = grey_frames(num_frames=3)
        pixels = raw(
            frames, do_rescale=True, do_normalize=True, image_mean=0.5, image_std=[0.5, 0.25, 1.0]
        ).pixel_values
        for channel, deviation in enumerate([0.5, 0.25, 1.0]):
            expected = (level_of(1) / 255 - 0.5) / deviation
            torch.testing.assert_close(pixels[0, 1, channel], torch.full((48, 64), expected))

    def test_a_batch_equals_its_clips_one_by_one(self, clips, small):
        names = ["h264.mp4", "odd_size.mp4", "animation.gif", "frames"]
        batch = small([clips / name for name in names]).pixel_values
        for row, name in zip(batch, names, strict=True):
            assert torch.equal(row, small(clips / name).pixel_values[0])

    def test_numpy_output(self, small):
        pixels = small(grey_frames(), return_tensors="np")["pixel_values"]
        assert isinstance(pixels, np.ndarray) and pixels.shape == (1, 3, 3, 32, 32)


class TestSaving:
    def test_round_trip(self, tmp_path):
        processor = AllInOneVideoProcessor(
            num_frames=8, size=40, crop_size=32, decode_size=64, frame_sampling="random"
        )
        processor.save_pretrained(tmp_path)
        for loaded in [AllInOneVideoProcessor.from_pretrained(tmp_path), AutoVideoProcessor.from_pretrained(tmp_path)]:
            assert isinstance(loaded, AllInOneVideoProcessor)
            assert loaded.to_dict() == processor.to_dict()
            frames = grey_frames()
            assert torch.equal(loaded(frames, seed=3).pixel_values, processor(frames, seed=3).pixel_values)
        assert AutoVideoProcessor.from_pretrained(tmp_path, num_frames=5).num_frames == 5

    def test_fps_that_was_saved_as_the_rate_of_folders_is_so_still(self, tmp_path, clips):
        AllInOneVideoProcessor(num_frames=2, size=40, crop_size=32, fps=2).save_pretrained(tmp_path)
        assert AutoVideoProcessor.from_pretrained(tmp_path).fps == 2
        (path,) = tmp_path.glob("*.json")
        saved = json.loads(path.read_text())
        (saved.get("video_processor") or saved).pop("on_corrupt_frame")  # as it was before
        path.write_text(json.dumps(saved))
        loaded = AutoVideoProcessor.from_pretrained(tmp_path)
        assert (loaded.fps, loaded.frame_rate) == (None, 2)
        inputs = loaded(clips / "frames", start=1, end=2, return_metadata=True)
        assert inputs.video_metadata[0].frames_indices == [2, 3]
        assert AutoVideoProcessor.from_pretrained(tmp_path, fps=4).fps == 4


class TestBadInput:
    @pytest.mark.parametrize(
        ("videos", "error", "message"),
        [
            (np.zeros((48, 64), np.uint8), ValueError, r"videos\[0\] has shape \(48, 64\), 2 axes; expected"),
            ([np.zeros((1, 2, 3, 48, 64, 3), np.uint8)], ValueError, "6 axes; expected"),
            (
                np.zeros((4, 48, 64, 3), np.int64),
                TypeError,
                "has type int64; expected uint8 from 0 to 255 or floating",
            ),
            (torch.zeros(4, 48, 64, 3, dtype=torch.bool), TypeError, "has type bool; expected uint8"),
            (np.zeros((4, 48, 64, 4), np.uint8), ValueError, r"shape \(48, 64, 4\); expected 3 colour channels"),
            (np.zeros((4, 48, 64, 1), np.uint8), ValueError, r"shape \(48, 64, 1\); expected 3 colour channels"),
            (np.zeros((4, 0, 64, 3), np.uint8), ValueError, r"shape \(0, 64, 3\); expected"),
            (np.full((4, 48, 64, 3), 255.0), ValueError, "floating-point pixels from 255 to 255; expected 0 to 1"),
            (np.full((4, 48, 64, 3), -0.5), ValueError, "floating-point pixels from -0.5 to -0.5"),
            (np.full((4, 48, 64, 3), np.inf), ValueError, "floating-point pixels from inf to inf"),
            (np.full((4, 48, 64, 3), np.nan, np.float32), ValueError, r"videos\[0\] has NaN pixels"),
            ([np.full((48, 64, 3), np.nan)], ValueError, "frame 0 has NaN pixels"),
            (np.zeros((0, 48, 64, 3), np.uint8), ValueError, r"shape \(0, 48, 64, 3\), 0 frames; expected at least 1"),
            ([], ValueError, "videos is an empty list; expected at least one clip"),
            ([[], []], ValueError, r"videos\[0\] is an empty list; expected at least one frame"),
            ({"video": "clip.mp4"}, TypeError, r"videos\[0\] is a dict; expected a path"),
            ([["a", 3]], FileNotFoundError, "a is not a file on this machine"),
            ([[3]], TypeError, r"videos\[0\], frame 0 is a int; expected a path, bytes of a file, a PIL image"),
        ],
    )
    def test_arrays_and_lists(self, small, videos, error, message):
        with pytest.raises(error, match=message):
            small(videos)

    def test_one_nan_anywhere_is_found(self, small):
        frames = np.zeros((16, 48, 64, 3), np.float32)
        frames[1, 2, 3, 0] = np.nan  # a frame that is not sampled
        with pytest.raises(ValueError, match="NaN pixels"):
            small(frames)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"num_frames": 0}, ValueError, "num_frames is 0; expected at least 1"),
            ({"num_views": 0}, ValueError, "num_views is 0; expected at least 1"),
            (
                {"frame_sampling": "middle"},
                ValueError,
                "frame_sampling is 'middle'; expected one of 'uniform', 'random'",
            ),
            ({"video_backend": "opencv"}, ValueError, "video_backend is 'opencv'; expected one of 'auto', 'decord'"),
            ({"resample": 4}, ValueError, "resample is 4; expected one of 0, 2, 3"),
            ({"size": {"longest_edge": 40}}, ValueError, r"size is \{'longest_edge': 40\}; expected"),
            ({"crop_size": 0}, ValueError, "crop_size is .*expected .*each at least 1 pixel"),
            (
                {"crop_size": 50},
                ValueError,
                r"videos\[0\] has frames of 40 x 53 pixels .* cropped to 50 x 50; enlarge",
            ),
            ({"frame_indices": [0, 16]}, ValueError, r"videos\[0\]: frame index 16 is outside the clip, which has 16"),
            ({"frame_indices": [0], "timestamps": [0.0]}, ValueError, "frame_indices, timestamps exclude each other"),
            ({"frame_indices": [0], "start": 1.0}, ValueError, "frame_indices, start exclude each other"),
            ({"frame_indices": [0, 1], "num_frames": 3}, ValueError, "2 frames are chosen but num_frames is 3"),
            ({"frame_indices": [[0], [1]]}, ValueError, "frame_indices has 2 entries for 1 clips"),
            ({"frame_indices": "0"}, TypeError, "frame_indices is '0'; expected numbers"),
            (
                {"frame_rate": 10, "start": 1.6},
                ValueError,
                r"videos\[0\]: the window from 1.6 s to 1.6 s is not inside",
            ),
            (
                {"frame_rate": 10, "start": 5, "end": 9},
                ValueError,
                "the window from 5 s to 9 s is not inside the clip",
            ),
            ({"frame_rate": 10, "timestamps": [1.0, 7.5]}, ValueError, "timestamp 7.5 s is outside the clip"),
            ({"frame_rate": 0}, ValueError, "frame_rate is 0; expected more than 0"),
            ({"frame_rate": [float("nan")]}, ValueError, "frame_rate is nan; expected more than 0"),
            ({"fps": 0}, ValueError, "fps is 0; expected more than 0"),
            ({"fps": float("inf")}, ValueError, "fps is inf; expected more than 0"),
            ({"fps": 1e9}, ValueError, "fps is 1000000000.0; expected more than 0 and at most 1000"),
            ({"fps": 2}, ValueError, r"videos\[0\]: its frames have no times, .* pass frame_rate="),
            ({"fps": 2, "num_frames": 3}, ValueError, "num_frames and fps are several ways to choose frames"),
            ({"fps": 2, "timestamps": [1.0]}, ValueError, "fps and timestamps are several ways to choose frames"),
            ({"frame_rate": 2, "video_metadata": {"fps": 2}}, ValueError, "two ways to say the same"),
            ({"video_metadata": [{"fps": 2}] * 2}, ValueError, "video_metadata has 2 entries for 1 clips"),
            (
                {"video_metadata": {"total_num_frames": 300, "fps": 2}},
                ValueError,
                r"videos\[0\] has 16 frames, but total_num_frames of its video_metadata is 300",
            ),
            (
                {"on_corrupt_frame": "skip"},
                ValueError,
                "on_corrupt_frame is 'skip'; expected one of 'raise', 'nearest'",
            ),
            ({"start": [0, 1]}, ValueError, "start has 2 entries for 1 clips; give one for all, or one for each"),
            ({"start": "1"}, TypeError, "start is '1'; expected numbers"),
            ({"rescale_factor": 0.0}, ValueError, "rescale_factor is 0.0; expected above 0"),
            ({"image_std": 0.0}, ValueError, "image_std is 0.0; expected above 0"),
            ({"image_std": [1.0, -0.5, 1.0]}, ValueError, r"image_std is .*-0\.5.*; expected above 0"),
            ({"image_mean": [0.5, 0.5]}, ValueError, "image_mean is .*; expected one number, or three for red"),
            ({"image_std": [0.5] * 4}, ValueError, "image_std is .*; expected one number, or three for red"),
            ({"return_tensors": "tf"}, ValueError, "return_tensors is 'tf'; expected one of None, 'pt', 'np'"),
            ({"seed": 1, "generator": torch.Generator()}, ValueError, "seed and generator are two ways"),
            (
                {"generator": np.random.default_rng()},
                TypeError,
                "generator is a Generator; expected a torch.Generator",
            ),
            ({"num_frame": 3}, TypeError, "AllInOneVideoProcessor does not know num_frame; it knows"),
            ({"data_format": "channels_last"}, ValueError, "data_format has no effect; leave it out"),
            ({"size_divisor": 0}, ValueError, "size_divisor is 0; expected at least 1 pixel"),
            (
                {"size": {"shortest_edge": 40, "longest_edge": 32}},
                ValueError,
                "expected longest_edge to be no less than shortest_edge",
            ),
            (
                {"do_pad": True, "do_random_crop": True, "do_center_crop": False},
                ValueError,
                "do_random_crop cuts frames that do_pad is to show whole; set do_random_crop=False",
            ),
        ],
    )
    def test_options(self, small, options, error, message):
        with pytest.raises(error, match=message):
            small(grey_frames(), **options)

    def test_clips_that_do_not_fit_together(self, clips, raw):
        image = Image.fromarray(grey_frames()[0])
        with pytest.raises(ValueError, match=r"videos\[1\] gives 1 frames but .*h264\.mp4 gives 3; clips of a batch"):
            raw([clips / "h264.mp4", image, [image]])
        with pytest.raises(ValueError, match=r"odd_size\.mp4 gives 47 x 65 pixels .* but .*h264\.mp4 gives 48 x 64"):
            raw([clips / "h264.mp4", clips / "odd_size.mp4"])

    def test_arguments_of_a_call_are_no_attributes(self):
        with pytest.raises(ValueError, match="start belongs to one call, not to the processor"):
            AllInOneVideoProcessor(start=1.0)

    def test_messages_name_the_file(self, clips, small):
        with pytest.raises(ValueError, match=re.escape(str(clips / "h264.mp4")) + ": frame index 99"):
            small([clips / "vp9.webm", clips / "h264.mp4"], frame_indices=[[0], [99]])
