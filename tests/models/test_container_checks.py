# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Files that were fetched in part: cut short against what their header says, or filled with zeros."""

import av
import numpy as np
import pytest
from video_fixtures import encode_video

from modeling_allinone.models.video_decoding_allinone import open_clip

NUM_FRAMES = 50
DECLARING = ["mp4", "mov", "mkv", "webm", "avi", "flv", "wmv"]
WITHOUT_LENGTH = ["ts", "mpg"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A file of each container, by suffix."""
    folder = tmp_path_factory.mktemp("whole")
    frames = np.random.default_rng(0).integers(0, 256, (NUM_FRAMES, 48, 64, 3), dtype=np.uint8)
    codecs = {"webm": "libvpx", "wmv": "wmv2", "flv": "flv"}
    files = {}
    for suffix in DECLARING + WITHOUT_LENGTH:
        files[suffix] = encode_video(folder / f"clip.{suffix}", codecs.get(suffix, "libx264"), frames)
    files["fragments.mp4"] = folder / "clip.fragments.mp4"
    with av.open(str(files["mkv"])) as source:
        options = {"movflags": "frag_keyframe+empty_moov"}
        with av.open(str(files["fragments.mp4"]), "w", format="mp4", options=options) as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    target.mux(packet)
    return files


@pytest.mark.parametrize("suffix", [*DECLARING, *WITHOUT_LENGTH, "fragments.mp4"])
def test_whole_files_are_read(whole, suffix):
    assert open_clip(whole[suffix], "clip").total_frames == NUM_FRAMES


@pytest.mark.parametrize("suffix", DECLARING)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_files_cut_short_are_named(whole, tmp_path, suffix, as_bytes):
    data = whole[suffix].read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(ValueError, match=r"^(.*cut\.\w+|the clip) (is truncated|cannot be read as a video)"):
        open_clip(path.read_bytes() if as_bytes else path, "the clip")


@pytest.mark.parametrize("suffix", ["mkv", "webm", "avi", "flv", "wmv", *WITHOUT_LENGTH, "fragments.mp4"])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_files_that_end_in_zeros_are_named(whole, tmp_path, suffix, share):
    data = whole[suffix].read_bytes()
    kept = int(len(data) * share)
    path = tmp_path / f"zeros.{suffix}"
    path.write_bytes(data[:kept] + bytes(len(data) - kept))
    with pytest.raises(ValueError, match=r"zeros\..*(is filled with zeros|is truncated|cannot be read as a video)"):
        open_clip(path, "clip")


def test_of_mp4_that_ends_in_zeros_the_frames_are_named(whole, tmp_path):
    """Its index stands at its beginning, so that what was fetched is read."""
    path = tmp_path / "zeros.mp4"
    with av.open(str(whole["mkv"])) as source, av.open(str(path), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    clip = open_clip(path, "clip")
    assert clip.total_frames == NUM_FRAMES
    assert np.array_equal(clip.read(np.array([3]))[0], open_clip(whole["mp4"], "clip").read(np.array([3]))[0])
    with pytest.raises(ValueError, match=r"zeros\.mp4: frame 45 of 50 cannot be decoded"):
        clip.read(np.array([45]))


def test_zeros_after_the_last_box_are_no_damage(whole, tmp_path):
    path = tmp_path / "padded.mp4"
    path.write_bytes(whole["mp4"].read_bytes() + bytes(4096))
    assert open_clip(path, "clip").total_frames == NUM_FRAMES


def test_sound_may_last_longer_than_the_pictures(tmp_path):
    path = tmp_path / "sound.flv"
    with av.open(str(path), "w") as target:
        video, audio = target.add_stream("flv", rate=25), target.add_stream("aac", rate=44100)
        video.width, video.height = 64, 48
        for _ in range(10):
            target.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        target.mux(video.encode(None))
        for place in range(100):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, place * 1024
            target.mux(audio.encode(frame))
        target.mux(audio.encode(None))
    assert open_clip(path, "clip").total_frames == 10
