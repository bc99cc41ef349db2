# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Frames of real files, folders, images and arrays, whole and broken, through the video processor."""

import gc
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from video_fixtures import (
    ANIMATIONS,
    MIDDLES,
    NUM_FRAMES,
    VIDEOS,
    corners,
    corners_of,
    cut_by_copying,
    cut_short,
    encode_sound_only,
    encode_video,
    grey_frames,
    level_of,
    numbers_of,
    save_animation,
)
from video_matrix import write_clip

from modeling_allinone.models.frame_conversion_allinone import to_rgb
from modeling_allinone.models.video_decoding_allinone import open_clip
from modeling_allinone.models.video_file_allinone import VideoFile
from modeling_allinone.models.video_seeking_allinone import Decoding, SeekingReader


class TestSources:
    @pytest.mark.parametrize("name", [*VIDEOS, *ANIMATIONS, "frames"])
    def test_every_format_gives_the_frames_asked_for(self, clips, raw, name):
        pixels = raw(clips / name)["pixel_values"]
        height, width = VIDEOS.get(name, {}).get("height", 48), VIDEOS.get(name, {}).get("width", 64)
        assert pixels.shape == (1, 3, 3, height, width)
        assert pixels.dtype == torch.float32 and pixels.is_contiguous()
        assert numbers_of(pixels) == [MIDDLES]
        # Far apart, backwards and twice: seeking must not matter.
        indices = [15, 0, 9, 9, 4]
        inputs = raw(str(clips / name), frame_indices=indices, return_metadata=True)
        assert numbers_of(inputs.pixel_values) == [indices]
        assert inputs.video_metadata[0].video_backend == ("pyav" if name in VIDEOS else "pillow")

    @pytest.mark.parametrize("name", [*VIDEOS, *ANIMATIONS])
    def test_the_bytes_of_a_file_are_read_as_it_is(self, clips, raw, name):
        expected = raw(clips / name, frame_indices=[9, 0, 4], return_metadata=True)
        data = (clips / name).read_bytes()
        inputs = raw([data, data], frame_indices=[9, 0, 4], return_metadata=True)
        assert torch.equal(inputs.pixel_values, expected.pixel_values.repeat(2, 1, 1, 1, 1))
        assert inputs.video_metadata == expected.video_metadata * 2

    def test_the_bytes_of_images_are_read_as_files(self, clips, raw):
        frames = sorted((clips / "frames").glob("*.png"), key=lambda path: int(path.stem.partition("_")[2]))
        frames = [path.read_bytes() for path in frames]
        assert raw(frames[3]).pixel_values.shape == (1, 1, 3, 48, 64) and numbers_of(raw(frames[3]).pixel_values) == [
            [3]
        ]
        assert numbers_of(raw([frames]).pixel_values) == [MIDDLES]

    @pytest.mark.parametrize("name", ["h264.mp4", "h264_b_frames.mkv", "mpeg4.avi", "vp9.webm", "odd_size.mp4"])
    def test_decoders_agree(self, clips, raw, name):
        indices = list(range(NUM_FRAMES))
        first = raw(clips / name, video_backend="decord", frame_indices=indices, return_metadata=True)
        second = raw(clips / name, video_backend="pyav", frame_indices=indices, return_metadata=True)
        assert (first.video_metadata[0].video_backend, second.video_metadata[0].video_backend) == ("decord", "pyav")
        assert (first.pixel_values - second.pixel_values).abs().max() <= 3

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("h264_b_frames.avi", "it needs true presentation times"),
            ("mpeg4_b_frames.avi", "it needs true presentation times"),
            ("open_groups.mp4", "it confuses frames that are stored after a key frame but shown before it"),
            ("wmv2.wmv", "it may return other frames of asf files"),
        ],
    )
    def test_decord_is_refused_where_it_returns_other_frames(self, clips, raw, name, reason):
        for index in range(NUM_FRAMES):
            inputs = raw(clips / name, frame_indices=[index], return_metadata=True)
            assert inputs.video_metadata[0].video_backend == "pyav"
            assert numbers_of(inputs.pixel_values) == [[index]]
        with pytest.raises(ValueError, match=rf"{name}: decord cannot read this file \({reason}"):
            raw(clips / name, video_backend="decord")

    def test_decord_is_refused_where_players_show_other_frames(self, tmp_path, raw):
        whole = encode_video(tmp_path / "whole.mp4", options={"g": "8"})
        for path, reason in (
            (encode_video(tmp_path / "turned.mp4", rotation=90), "it does not turn pictures"),
            (cut_by_copying(whole, tmp_path / "cut.mp4", 5), "it counts frames that are not to be shown"),
        ):
            with pytest.raises(ValueError, match=rf"{path.name}: decord cannot read this file \({reason}\)"):
                raw(path, video_backend="decord")

    def test_frames_are_converted_without_threads(self, clips):
        # A worker that is forked while they run would wait for them when it frees the frame.
        with av.open(str(clips / "h264.mp4")) as container:
            container.streams.video[0].thread_count = 1
            frame = next(container.decode(video=0))
            num_threads = len(list(Path("/proc/self/task").iterdir()))
            assert to_rgb(frame).shape == (48, 64, 3)
            assert len(list(Path("/proc/self/task").iterdir())) == num_threads

    @pytest.mark.parametrize("first", [0, 1, 5, 6, 8])
    def test_a_film_cut_by_copying_keeps_its_beginning(self, tmp_path, raw, first):
        options = {"g": "8", "bf": "2", "x264-params": "b-adapt=0"}
        whole = encode_video(tmp_path / "whole.mp4", options=options)
        path = cut_by_copying(whole, tmp_path / "part.mp4", first)
        inputs = raw(path, do_sample_frames=False, return_metadata=True)
        assert numbers_of(inputs.pixel_values) == [list(range(first, NUM_FRAMES))]
        assert inputs.video_metadata[0].duration == pytest.approx((NUM_FRAMES - first) / 10)
        for index in range(NUM_FRAMES - first):
            pixels = raw(path, timestamps=[index / 10]).pixel_values
            assert numbers_of(pixels) == [[first + index]]

    def test_opening_reads_the_file_once_and_keeps_none_of_it(self, clips, monkeypatch):
        kept = []

        def opened(clip, is_probed=True):
            container = av.open(clip.name)

            class Spying:
                streams, format, start_time = container.streams, container.format, container.start_time

                def __enter__(self):
                    return self

                def __exit__(self, *_):
                    container.close()

                def demux(self, stream):
                    yield from container.demux(stream)
                    kept.append(sum(type(thing) is av.Packet for thing in gc.get_objects()))

            return Spying()

        monkeypatch.setattr(VideoFile, "_opened", opened)
        assert open_clip(clips / "h264.mp4", "clip").total_frames == NUM_FRAMES
        assert len(kept) == 1 and kept[0] <= 1  # the one at hand

    @pytest.mark.parametrize(
        "name",
        [
            *("h264-b-mp4", "h264-predicted-mp4", "h264-open_groups-mov", "h264-pyramid-frag.mp4", "h264-b-mkv"),
            *("h264-10_bit-mp4", "vp9-hidden-webm", "vp9-hidden-live.webm", "vp9-predicted-mp4", "av1-hierarchy-mp4"),
        ],
    )
    def test_looking_at_no_picture_when_opening_changes_nothing(self, tmp_path, monkeypatch, name):
        path = write_clip(name, tmp_path)
        clip = open_clip(path, "clip")
        frames = clip.read(np.arange(clip.total_frames))
        monkeypatch.setattr(VideoFile, "_scan_packets", lambda clip: clip._scan(clip._opened(), is_probed=True))
        other = open_clip(path, "clip")
        assert np.array_equal(clip.times, other.times)
        assert (clip.duration, clip.clock_start, clip.stream_index) == (
            other.duration,
            other.clock_start,
            other.stream_index,
        )
        assert np.array_equal(frames, other.read(np.arange(other.total_frames)))

    def test_pixels_that_are_not_square_may_be_told_by_the_stream_alone(self, tmp_path):
        path = tmp_path / "wide.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"bf": "2", "x264-params": "sar=2"})
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            for pixels in grey_frames():
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        assert b"pasp" not in path.read_bytes()  # where the container would say it
        for index in (0, 9):
            assert open_clip(path, "clip").read(np.array([index]))[0].shape == (48, 128, 3)

    def test_decord_may_be_absent(self, clips, small, monkeypatch):
        monkeypatch.setitem(sys.modules, "decord", None)  # from here on, importing it fails
        metadata = small(clips / "h264.mp4", return_metadata=True)["video_metadata"][0]
        assert (metadata.video_backend, metadata.frames_indices) == ("pyav", MIDDLES)
        with pytest.raises(ValueError, match="decord is not installed"):
            small(clips / "h264.mp4", video_backend="decord")

    def test_only_the_frames_asked_for_are_decoded_and_kept(self, tmp_path, monkeypatch):
        path = encode_video(tmp_path / "long.mp4", frames=np.tile(grey_frames(), (6, 1, 1, 1)), options={"g": "8"})
        clip = open_clip(path, "clip")
        decoded = []
        packets = Decoding._packets

        def spying(run):
            for number, packet in packets(run):
                decoded.append(number)
                yield number, packet

        monkeypatch.setattr(Decoding, "_packets", spying)
        frames = clip.read(np.array([20, 90]))
        assert numbers_of(np.stack(frames).transpose(0, 3, 1, 2)) == [20 % 16, 90 % 16]
        assert len(decoded) <= 8  # from the key frames 16 and 88, not from the beginning

    @pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
    def test_pictures_that_are_left_out_change_no_other(self, tmp_path, suffix):
        noise = np.random.default_rng(0).integers(0, 256, (NUM_FRAMES, 4, 6, 3), dtype=np.uint8)
        frames = noise.repeat(16, axis=1).repeat(16, axis=2)
        options = {"g": "9", "bf": "3", "x264-params": "b-adapt=0:scenecut=0"}
        path = encode_video(tmp_path / f"clip.{suffix}", frames=frames, options=options)
        with av.open(str(path)) as container:
            expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(expected) == NUM_FRAMES
        for wanted in ([index] for index in range(NUM_FRAMES)):
            assert np.array_equal(open_clip(path, "clip").read(np.array(wanted)), np.stack(expected)[wanted])
        clip = open_clip(path, "clip")
        for wanted in ([0, 7, 8, 9, 15], [3, 4], list(range(NUM_FRAMES))):  # one clip, read again
            assert np.array_equal(clip.read(np.array(wanted)), np.stack(expected)[wanted])

    @pytest.mark.parametrize("num_threads", [1, 3])
    def test_as_many_threads_read_one_clip_as_torch_has(self, tmp_path, monkeypatch, num_threads):
        path = encode_video(tmp_path / "clip.mp4", options={"g": "4", "bf": "2"})
        expected, used = open_clip(path, "clip").read(np.arange(NUM_FRAMES)), []
        decode_groups = SeekingReader._decode_groups

        def spying(reader, groups, **options):
            used.append(threading.current_thread())
            decode_groups(reader, groups, **options)

        monkeypatch.setattr(SeekingReader, "_decode_groups", spying)
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(num_threads)
            frames = open_clip(path, "clip").read(np.array([1, 5, 6, 9, 15]))
        finally:
            torch.set_num_threads(before)
        assert np.array_equal(frames, np.stack(expected)[[1, 5, 6, 9, 15]])
        assert len(used) == num_threads
        assert (num_threads == 1) == any(thread is threading.main_thread() for thread in used)
        assert all(thread is threading.main_thread() or not thread.is_alive() for thread in used)

    @pytest.mark.parametrize("suffix", ["mp4", "mkv"])
    def test_rotation_is_honoured(self, tmp_path, raw, suffix):
        frames = np.stack([corners()] * 4)
        for rotation, size, expected in [
            (90, (64, 48), [120, 0, 250, 0]),  # counter-clockwise
            (180, (48, 64), [0, 0, 120, 250]),
            (270, (64, 48), [0, 250, 0, 120]),
        ]:
            path = encode_video(tmp_path / f"turned_{rotation}.{suffix}", frames=frames, rotation=rotation)
            pixels = raw(path)["pixel_values"]
            assert pixels.shape == (1, 3, 3, *size)
            assert corners_of(pixels[0, 0]) == expected

    def test_orientation_of_photographs_is_honoured(self, tmp_path, raw):
        exif = Image.Exif()
        exif[0x0112] = 6  # turn clockwise
        Image.fromarray(corners()).save(tmp_path / "photo.png", exif=exif)
        pixels = raw(tmp_path / "photo.png")["pixel_values"]
        assert pixels.shape == (1, 1, 3, 64, 48)
        assert corners_of(pixels[0, 0]) == [0, 250, 0, 120]

    def test_one_frame_of_video_is_repeated_and_an_image_is_not(self, tmp_path, raw):
        video = encode_video(tmp_path / "one.mp4", num_frames=1)
        assert numbers_of(raw(video).pixel_values) == [[0, 0, 0]]
        gif = save_animation(tmp_path / "one.gif", num_frames=1)
        assert raw(gif).pixel_values.shape[1] == 3
        image = Image.fromarray(grey_frames()[5])
        for name in ["image.png", "image.jpg", "image.webp", "image.bmp"]:
            image.save(tmp_path / name)
            assert numbers_of(raw(tmp_path / name).pixel_values) == [[5]]
        assert numbers_of(raw(image).pixel_values) == [[5]]
        assert numbers_of(raw(np.array(image)).pixel_values) == [[5]]
        assert numbers_of(raw([tmp_path / "image.png", tmp_path / "image.jpg"]).pixel_values) == [[5], [5]]

    def test_images_go_by_content_not_by_name(self, tmp_path, raw):
        path = save_animation(tmp_path / "animation.gif")
        path = path.rename(tmp_path / "animation.mp4")
        assert numbers_of(raw(path).pixel_values) == [MIDDLES]

    def test_grey_palette_and_transparent_images_become_rgb(self, tmp_path, raw):
        grey = Image.fromarray(grey_frames()[5]).convert("L")
        for image in [grey, grey.convert("P"), grey.convert("RGBA"), grey.convert("LA"), grey.convert("1")]:
            assert raw(image).pixel_values.shape == (1, 1, 3, 48, 64)
        transparent = Image.new("RGBA", (64, 48), (10, 20, 30, 0))
        assert (raw(transparent).pixel_values == 255).all()
        with pytest.raises(
            ValueError, match=r"videos\[0\] is an image of mode L; expected RGB, or set do_convert_rgb"
        ):
            raw(grey, do_convert_rgb=False)

    @pytest.mark.parametrize("name", ["deep.png", "deep.tiff"])
    def test_images_of_16_bits_are_scaled_to_8(self, tmp_path, raw, name):
        deep = grey_frames()[5, :, :, 0].astype(np.uint16) * 257
        Image.fromarray(deep).save(tmp_path / name)
        for image in [tmp_path / name, Image.fromarray(deep)]:
            assert (raw(image).pixel_values == level_of(5)).all()
        for dtype, mode in [(np.int32, "I"), (np.float32, "F")]:
            with pytest.raises(ValueError, match=rf"videos\[0\] is an image of mode {mode}, .* expected 8 or 16 bits"):
                raw(Image.fromarray(deep.astype(dtype)))

    def test_folders_are_in_natural_order(self, clips, raw):
        # frame_1, frame_2, ..., frame_10: by letters alone frame_10 would come second.
        assert numbers_of(raw(clips / "frames", do_sample_frames=False).pixel_values) == [list(range(NUM_FRAMES))]

    def test_lists_of_images_make_one_clip_and_lists_of_clips_a_batch(self, clips, raw):
        frames = grey_frames()
        images = [Image.fromarray(frame) for frame in frames]
        paths = sorted((clips / "frames").glob("*.png"), key=lambda path: int(path.stem.split("_")[1]))
        for clip in [
            frames,
            torch.from_numpy(frames),
            list(frames),
            images,
            torch.from_numpy(frames).permute(0, 3, 1, 2),
        ]:
            assert numbers_of(raw(clip).pixel_values) == [MIDDLES]
        batch = [
            frames,
            images,
            list(frames),
            paths,
            clips / "h264.mp4",
            str(clips / "animation.gif"),
            clips / "frames",
        ]
        assert numbers_of(raw(batch).pixel_values) == [MIDDLES] * len(batch)
        assert numbers_of(raw(np.stack([frames, frames])).pixel_values) == [MIDDLES] * 2

    def test_floating_point_frames_equal_whole_numbers(self, small):
        frames = np.random.default_rng(0).integers(0, 256, (3, 50, 60, 3), dtype=np.uint8)
        expected = small(frames).pixel_values
        for dtype in [torch.float16, torch.float32, torch.float64]:
            assert torch.equal(small(torch.from_numpy(frames).to(dtype) / 255).pixel_values, expected)


class TestBrokenFiles:
    @pytest.mark.parametrize("name", ["h264.mp4", "h264_b_frames.mkv", "mpeg4.avi", "vp9.webm"])
    def test_truncated(self, clips, tmp_path, small, name):
        path = cut_short(clips / name, tmp_path / name)
        with pytest.raises(ValueError, match=rf"{name} is truncated: it declares at least \d+ bytes but has \d+"):
            small(path)

    def test_truncated_where_the_index_comes_first(self, tmp_path, small):
        whole = encode_video(tmp_path / "whole.mp4", container_options={"movflags": "faststart"})
        for share in [0.5, 0.8, 0.95]:
            path = cut_short(whole, tmp_path / "part.mp4", share)
            with pytest.raises(ValueError, match=r"part\.mp4 is truncated"):
                small(path)

    @pytest.mark.parametrize("name", ANIMATIONS)
    def test_truncated_animation(self, clips, tmp_path, small, name):
        path = cut_short(clips / name, tmp_path / name)
        with pytest.raises(ValueError, match=rf"{name}.*truncated"):
            small(path)

    def test_truncated_image(self, tmp_path, small):
        image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
        image.save(tmp_path / "whole.jpg")
        path = cut_short(tmp_path / "whole.jpg", tmp_path / "part.jpg")
        with pytest.raises(ValueError, match=r"part\.jpg is truncated or damaged"):
            small(path)

    def test_damaged_in_the_middle(self, tmp_path, small):
        frames = np.random.default_rng(0).integers(0, 256, (16, 48, 64, 3), dtype=np.uint8)
        path = encode_video(tmp_path / "damaged.mp4", frames=frames, container_options={"movflags": "faststart"})
        data = bytearray(path.read_bytes())
        data[len(data) // 2 : len(data) * 3 // 4] = b"\x5a" * (len(data) * 3 // 4 - len(data) // 2)
        path.write_bytes(data)
        with pytest.raises(
            ValueError, match=r"damaged\.mp4: frame \d+ of 16 cannot be decoded .*: the file is damaged"
        ):
            small(path)

    def test_missing(self, tmp_path, small):
        with pytest.raises(FileNotFoundError, match=r"nowhere\.mp4 does not exist; give the path of a video"):
            small(tmp_path / "nowhere.mp4")
        with pytest.raises(FileNotFoundError, match=r"nowhere\.png is not a file on this machine"):
            small([[tmp_path / "nowhere.png"]])

    def test_empty(self, tmp_path, small):
        (tmp_path / "empty.mp4").touch()
        with pytest.raises(ValueError, match=r"empty\.mp4 is empty \(0 bytes\)"):
            small(tmp_path / "empty.mp4")

    @pytest.mark.parametrize("name", ["text.mp4", "text.avi", "text.gif", "text.txt"])
    def test_text_renamed(self, tmp_path, small, name):
        (tmp_path / name).write_text("this is no video\n" * 50)
        with pytest.raises(ValueError, match=rf"{name} (cannot be read as a video|is a text file).*expected a video"):
            small(tmp_path / name)

    @pytest.mark.parametrize("name", ["sound.mp4", "song.mp3"])
    def test_sound_only(self, tmp_path, small, name):
        path = encode_sound_only(tmp_path / name)
        with pytest.raises(ValueError, match=rf"{name} has no video stream, only audio"):
            small(path)

    def test_folder_without_images(self, tmp_path, small):
        (tmp_path / "notes.txt").write_text("nothing to see")
        with pytest.raises(ValueError, match="is a folder without images; expected frames named in order"):
            small(tmp_path)

    def test_frames_of_different_sizes(self, tmp_path, small):
        Image.new("RGB", (64, 48)).save(tmp_path / "1.png")
        Image.new("RGB", (64, 50)).save(tmp_path / "2.png")
        with pytest.raises(
            ValueError, match=r"frames of different sizes \(height, width\): \[\(48, 64\), \(50, 64\)\]"
        ):
            small(tmp_path)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda data: b"", r"videos\[1\] is empty \(0 bytes\)"),
            (lambda data: data[: len(data) // 2], r"videos\[1\] is truncated: it declares at least \d+ bytes"),
            (lambda data: b"no film", r"videos\[1\] (cannot be read as a video|is a text file)"),
            (lambda data: b"\xff\xd8\xff no image", r"videos\[1\] cannot be read as an image"),
        ],
    )
    def test_bytes_that_are_no_clip(self, clips, small, damage, message):
        data = (clips / "h264.mp4").read_bytes()
        with pytest.raises(ValueError, match=message):
            small([data, damage(data)])
