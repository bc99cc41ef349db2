# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Moments as files: the frames and the sound of the video at these times, whatever the video is like."""

import multiprocessing
import time
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from video_fixtures import ANIMATIONS, cut_short, encode_video, grey_frames, numbers_of, rotate, save_animation
from video_matrix import clip_names, write_clip
from video_oddities import write_oddity

from modeling_allinone.models.video_decoding_allinone import open_clip
from modeling_allinone.search import Moment, export_moments

RATE, SECONDS = 25, 5
START, END = 1.73, 4.31  # between frames, and far from key frames

# name -> codec of the pictures, codec and rate of the sound, how many streams of it
FILMS = {
    "aac.mp4": ("libx264", "aac", 44100, 1),
    "two.mkv": ("libx264", "libopus", 48000, 2),
    "pcm.avi": ("mpeg4", "pcm_s16le", 22050, 1),
    "mp2.ts": ("mpeg2video", "mp2", 48000, 1),
    "opus.webm": ("libvpx", "libopus", 48000, 1),
    "mp3.flv": ("libx264", "libmp3lame", 44100, 1),
}


def noise(rate: int, seed: int) -> np.ndarray:
    """Stereo `(2, samples)` that is like itself at no other time, in what codecs keep."""
    white = np.random.default_rng(seed).normal(size=(2, SECONDS * rate + 64))
    smooth = np.stack([np.convolve(one, np.hanning(32), "valid") for one in white])[:, : SECONDS * rate]
    return (0.3 * smooth / np.abs(smooth).max()).astype(np.float32)


def moving_frames() -> np.ndarray:
    """A square that moves over a soft ground."""
    frames = np.empty((SECONDS * RATE, 72, 96, 3), np.uint8)
    frames[:] = np.linspace(40, 200, 96, dtype=np.uint8)[None, None, :, None]
    for number, frame in enumerate(frames):
        frame[20:44, number % 70 : number % 70 + 24] = (number, 255 - number, 120)
    return frames


def write_film(path: Path, codec: str, sound_codec: str, sound_rate: int, num_sounds: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options={"g": "250", "deadline": "realtime"})
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = 72, 96, "yuv420p", 4_000_000
        sounds = [container.add_stream(sound_codec, rate=sound_rate, layout="stereo") for _ in range(num_sounds)]
        samples = [noise(sound_rate, seed) for seed in range(num_sounds)]
        for sound, language in zip(sounds, ("deu", "fra"), strict=False):
            sound.metadata["language"] = language
        for number, pixels in enumerate(moving_frames()):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            first, stop = (sound_rate * place // RATE for place in (number, number + 1))
            for sound, one in zip(sounds, samples, strict=True):
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(one[:, first:stop]), "fltp", "stereo")
                frame.sample_rate, frame.pts, frame.time_base = sound_rate, first, Fraction(1, sound_rate)
                container.mux(sound.encode(frame))
        for one in [stream, *sounds]:
            container.mux(one.encode())
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film of `FILMS`, by its name."""
    folder = tmp_path_factory.mktemp("films")
    return cache(lambda name: write_film(folder / name, *FILMS[name]))


def export(video, start: float, end: float, folder: Path) -> Path:
    (entry,) = export_moments([Moment(str(video), start, end, 0.5, 0.5)], folder)
    assert entry["reason"] is None and sorted(path.name for path in folder.iterdir()) == [Path(entry["file"]).name]
    return Path(entry["file"])


def signal_to_noise(first: np.ndarray, second: np.ndarray) -> float:
    """PSNR of two pictures."""
    return 10 * np.log10(255**2 / max(np.square(first.astype(float) - second).mean(), 1e-9))


def assert_same_frames(video, path: Path, start: float, end: float, least: float = 33):
    """Number, times and pixels of the frames are those of the video from one time to another."""
    whole, part = open_clip(str(video), "whole"), open_clip(str(path), "part")
    first, stop = whole.window(start, end)
    assert part.total_frames == stop - first
    times = np.clip(whole.times[first:stop], start, None) - start
    assert np.abs(part.times - np.maximum.accumulate(times)).max() < 2e-3 and abs(part.duration - (end - start)) < 2e-3
    for place in range(first, stop, 9):
        expected = whole.read(np.array([place]))[0]
        got = part.read(np.array([place - first]))[0]
        assert all(size % 2 == 0 for size in got.shape[:2])
        assert signal_to_noise(got[: expected.shape[0], : expected.shape[1]], expected) > least


def read_sound(path: Path, number: int, start: float = 0.0, end: float = np.inf) -> tuple[np.ndarray, int]:
    """The first channel of a stream of sound, as players hear it from one time to another."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        blocks = [(frame.time, frame.to_ndarray(), frame) for frame in container.decode(stream)]
        zero, rate = container.start_time / 1e6, blocks[0][2].sample_rate
    # One after the other, as some containers round their times.
    channels = [
        block if frame.format.is_planar else block.reshape(-1, frame.layout.nb_channels).T
        for _, block, frame in blocks
    ]
    samples = np.concatenate(channels, axis=1)[0]
    samples = samples / 32768 if samples.dtype == np.int16 else samples
    first = round((blocks[0][0] - zero) * rate)
    samples = np.concatenate([np.zeros(max(first, 0), samples.dtype), samples[max(-first, 0) :]])
    return samples[round(start * rate) : round(end * rate) if end < np.inf else None], rate


def best_correlation(got: np.ndarray, expected: np.ndarray, most: int) -> float:
    """Of two signals, the first moved by so many samples at most."""
    length = min(len(got), len(expected)) - 2 * most
    return max(
        float(np.corrcoef(got[most + lag : length + lag], expected[most:length])[0, 1])
        for lag in range(-most, most + 1)
    )


@pytest.mark.parametrize("name", FILMS)
def test_frames_and_sound_are_those_of_the_video(film, tmp_path, name):
    path = export(film(name), START, END, tmp_path / "out")
    assert path.name == f"01_{Path(name).stem}_1.73-4.31.mp4"
    assert_same_frames(film(name), path, START, END)
    with av.open(str(path)) as container:
        codecs = [stream.codec_context.name for stream in container.streams]
        languages = [stream.metadata.get("language") for stream in container.streams.audio]
    assert codecs == ["h264"] + ["aac"] * FILMS[name][3]
    assert languages == ["deu", "fra"] or path.stem[:6] != "01_two"
    for number in range(FILMS[name][3]):
        expected, rate = read_sound(film(name), number, START, END)
        got, _ = read_sound(path, number)
        # AAC comes in blocks of 1024.
        assert 0 <= len(got) - round((END - START) * rate) <= 1024
        # FLV and Matroska know times to a millisecond.
        assert best_correlation(got, expected, rate // 1000) > 0.97


def test_joined_films_go_on(film, tmp_path):
    """Times begin anew in the midst, of pictures and of sound."""
    joined = tmp_path / "joined.ts"
    joined.write_bytes(film("mp2.ts").read_bytes() * 2)
    path = export(joined, SECONDS + 1.0, SECONDS + 4.0, tmp_path / "out")
    assert_same_frames(joined, path, SECONDS + 1.0, SECONDS + 4.0)
    expected, rate = read_sound(film("mp2.ts"), 0, 2.0, 2.2)
    # Pictures and sound of the first part do not end together.
    assert best_correlation(read_sound(path, 0)[0][rate : rate + len(expected)], expected, rate // 20) > 0.97


def test_sound_for_many_loudspeakers(tmp_path):
    """5.1 stays, 8,000 samples a second do, and 192,000 become what AAC knows."""
    for number, (rate, layout, kept) in enumerate(
        [(48000, "5.1(side)", 48000), (8000, "mono", 8000), (192000, "stereo", 48000)]
    ):
        path = tmp_path / f"{number}.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=RATE)
            stream.height, stream.width, stream.pix_fmt = 72, 96, "yuv420p"
            sound = container.add_stream("pcm_s16le", rate=rate, layout=layout)
            for pixels in moving_frames()[:RATE]:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            silence = np.zeros((1, rate * len(sound.codec_context.layout.channels)), np.int16)
            frame = av.AudioFrame.from_ndarray(silence, "s16", layout)
            frame.sample_rate = rate
            container.mux(sound.encode(frame))
            container.mux([*stream.encode(), *sound.encode()])
        with av.open(str(export(path, 0.2, 0.8, tmp_path / f"out {number}"))) as container:
            codec = container.streams.audio[0].codec_context
            assert (codec.sample_rate, codec.layout.nb_channels) == (
                kept,
                {"5.1(side)": 6, "mono": 1, "stereo": 2}[layout],
            )
            assert container.streams.audio[0].duration == pytest.approx(0.6 * kept, abs=2)


def test_all_and_beginning_and_end(film, tmp_path):
    """Windows begin before the first sample, and end behind the last."""
    for number, (start, end) in enumerate([(0.0, SECONDS + 5.0), (0.0, 0.5), (SECONDS - 0.5, SECONDS)]):
        path = export(film("aac.mp4"), start, end, tmp_path / str(number))
        assert_same_frames(film("aac.mp4"), path, start, min(end, SECONDS))
        expected, rate = read_sound(film("aac.mp4"), 0, start, end)
        assert best_correlation(read_sound(path, 0)[0], expected, rate // 1000) > 0.97


@pytest.mark.parametrize(
    "name",
    [
        "h264-b-variable_rate-mp4",
        "mpeg4-b-variable_rate-avi",
        "h264-b-slow-mkv",
        "h264-pyramid-late-ts",
        "h264-b-twins-mkv",
        "h264-open_groups-cut-mp4",
        "h264-pyramid-edit_after_pause-mp4",
        "h264-pyramid-edit_from_middle-mov",
        "mpeg4-b-packed-avi",
        "h264-b-second_stream-mkv",
        "h264-b-after_sound-mp4",
    ],
)
def test_odd_videos(tmp_path, name):
    name = name.replace("h264-b-twins", "h264-predicted-twins")
    path = write_oddity(name, tmp_path)
    duration = open_clip(str(path), "clip").duration
    start, end = round(0.3 * duration, 3), round(0.8 * duration, 3)
    assert_same_frames(path, export(path, start, end, tmp_path / "out"), start, end, least=25)


@pytest.mark.slow
def test_every_kind_of_video(tmp_path):
    """Every seventh of the matrix of codecs, containers and what befalls them."""
    names = sorted(clip_names())[::7]
    assert len(names) > 100
    for name in names:
        (folder := tmp_path / name).mkdir()
        video = write_clip(name, folder)
        clip = open_clip(str(video), name)
        if clip.is_image:
            continue
        start, end = round(0.3 * clip.duration, 3), round(0.8 * clip.duration, 3)
        # As near as colours are that have half of the places.
        assert_same_frames(video, export(video, start, end, folder / "out"), start, end, least=20)


@pytest.mark.parametrize(
    ("pixel_format", "codec", "suffix"),
    [
        ("yuv420p10le", "libx264", "mp4"),
        ("yuv444p", "libx264", "mkv"),
        ("bgra", "rawvideo", "avi"),
        ("gray", "ffv1", "mkv"),
    ],
)
def test_kinds_of_pixels(tmp_path, pixel_format, codec, suffix):
    height, width = (48, 66) if "420" in pixel_format else (47, 65)
    frames = moving_frames()[:20, :height, :width]
    path = encode_video(tmp_path / f"clip.{suffix}", codec, frames, pixel_format=pixel_format)
    exported = export(path, 0.5, 1.5, tmp_path / "out")
    # Colours have half of the places, and edges are sharp.
    assert_same_frames(path, exported, 0.5, 1.5, least=26)
    with av.open(str(exported)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.pix_fmt, stream.height, stream.width) == ("yuv420p", 48, 66)


@pytest.mark.parametrize("rotation", [90, 180])
def test_upright_and_with_square_pixels(tmp_path, rotation):
    plain = encode_video(tmp_path / "plain.mp4", frames=moving_frames()[:20], rotation=rotation)
    wide = tmp_path / "wide.mp4"
    with av.open(str(plain)) as source, av.open(str(wide), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        stream.sample_aspect_ratio = Fraction(3, 2)
        rotate(stream, rotation)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    assert (open_clip(str(wide), "wide").read(np.array([0]))[0].shape[:2] == (72, 144)) == (rotation == 180)
    assert_same_frames(wide, export(wide, 0.5, 1.5, tmp_path / "out"), 0.5, 1.5)


@pytest.mark.parametrize("name", ANIMATIONS)
def test_animations_become_films(tmp_path, name):
    path = save_animation(tmp_path / name)
    exported = export(path, 0.5, 1.2, tmp_path / "out")
    assert numbers_of(np.stack(open_clip(str(exported), "").read(np.arange(7))).transpose(0, 3, 1, 2)) == [
        *range(5, 12)
    ]
    assert exported.suffix == ".mp4" and open_clip(str(exported), "").total_frames == 7


def test_images_are_copied(tmp_path):
    Image.fromarray(grey_frames(1)[0]).save(tmp_path / "picture.PNG")
    path = export(tmp_path / "picture.PNG", 0.0, 0.0, tmp_path / "out")
    assert path.name == "01_picture.PNG" and path.read_bytes() == (tmp_path / "picture.PNG").read_bytes()


def test_names_never_collide(tmp_path):
    """Of several folders, of an earlier export, and such as no file system takes everywhere."""
    names = [
        "a/clip.mp4",
        "b/clip.mp4",
        'c/"quoted" <b>%20#?\nnew\tline: grün 緑.mp4',
        f"d/{'ü' * 120}.mp4",
        "e/ .mp4",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir()
        encode_video(tmp_path / name, num_frames=4)
    moments = [Moment(str(tmp_path / name), 0.0, 0.2, 0.5, 0.5) for name in names]
    entries = export_moments(moments, tmp_path / "out") + export_moments(moments, tmp_path / "out")
    written = [Path(entry["file"]).name for entry in entries]
    assert len({name.lower() for name in written}) == len(list((tmp_path / "out").iterdir())) == 2 * len(names)
    assert written[:3] == [
        "01_clip_0-0.2.mp4",
        "02_clip_0-0.2.mp4",
        "03__quoted_ _b_%20#__new_line_ grün 緑_0-0.2.mp4",
    ]
    assert written[5] == "01_clip_0-0.2_2.mp4" and written[4] == "05_video_0-0.2.mp4"
    assert all(len(name.encode()) < 200 for name in written)


def test_what_cannot_be_cut_is_said_and_others_go_on(film, tmp_path):
    video = film("aac.mp4")
    cut, folder = cut_short(video, tmp_path / "cut.mp4"), tmp_path / "out"
    (tmp_path / "text.mp4").write_text("no film")
    damaged = tmp_path / "damaged.mkv"
    data = bytearray(encode_video(tmp_path / "whole.mkv", options={"g": "4"}, frames=moving_frames()).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 600] = bytes(600)
    damaged.write_bytes(data)
    cases = {
        tmp_path / "missing.mp4": "missing.mp4 does not exist",
        cut: "cut.mp4 ",
        tmp_path / "text.mp4": "text.mp4 cannot be read as a video",
        damaged: r"damaged.mkv",
        video: None,
    }
    entries = export_moments([Moment(str(path), 1.0, 12.0, 0.5, 0.5) for path in cases], folder)
    for entry, words in zip(entries, cases.values(), strict=True):
        assert (entry["reason"] is None) == (words is None) and (entry["file"] is None) == (words is not None)
        assert words is None or (words in entry["reason"] and "\n" not in entry["reason"])
    assert [path.name for path in folder.iterdir()] == ["05_aac_1-12.mp4"]
    late = export_moments([Moment(str(video), 90.0, 99.0, 0.5, 0.5)], folder)[0]["reason"]
    assert "aac.mp4" in late and "which lasts 5.000 s" in late
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file cannot be a folder for moments"):
        export_moments([], tmp_path / "file")


def _export_many(video, folder):
    export_moments([Moment(str(video), 0.0, float(SECONDS), 0.5, 0.5)] * 200, folder)


def test_killed_in_the_midst(film, tmp_path):
    """Every file that has its name is whole, and the next export cleans up."""
    video, folder = film("aac.mp4"), tmp_path / "out"
    process = multiprocessing.get_context("fork").Process(target=_export_many, args=(video, folder))
    process.start()
    while not folder.is_dir() or len([*folder.glob("[0-9]*.mp4")]) < 2:
        time.sleep(0.01)
    process.kill()
    process.join()
    whole = sorted(folder.glob("[0-9]*.mp4"))
    for path in whole:
        assert_same_frames(video, path, 0.0, SECONDS)
    export_moments([Moment(str(video), 0.0, 1.0, 0.5, 0.5)], folder)
    assert not [*folder.glob(".*unfinished*")] and len([*folder.glob("*.mp4")]) == len(whole) + 1
