# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Damaged clips: what libav marks as corrupt never comes back in silence, and what is left whole still comes.

Each clip is damaged in several ways, by a seed that a failure names. Reading happens in a process of its own, which
may crash, hang or eat memory without taking the tests along.
"""

import multiprocessing
import random
import resource
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from video_matrix import Shown, decode_in_order, encode, number_of, remux, suffix_of, to_pixels

from modeling_allinone.models.video_decoding_allinone import open_clip

CLIPS = [
    "h264-key.mp4", "h264-b.mp4", "h264-pyramid.mkv", "h264-open_groups.ts", "h264-predicted.flv", "h264-b.frag.mp4",
    "hevc-open_groups.mp4", "mpeg4-b.avi", "mpeg2-open_groups.mpg", "vp9-hidden.webm", "av1-hierarchy.mkv",
    "mjpeg-key.avi", "wmv2-predicted.wmv", "png-key.mov", "raw-palette.avi", "gif-predicted.gif",
]  # fmt: skip
SECONDS_OF_ONE_FILE = 60  # of a busy machine
MOST_MEMORY = 1 << 30  # bytes that one small file may take


def flip_in_pictures(data: bytearray, chance: random.Random, path: Path) -> bytearray:
    """One bit in what a decoder reads."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size and packet.pos is not None]
    packet = chance.choice(packets)
    data[min(packet.pos + chance.randrange(packet.size), len(data) - 1)] ^= 1 << chance.randrange(8)
    return data


def flip_anywhere(data: bytearray, chance: random.Random, path: Path) -> bytearray:
    for _ in range(chance.choice([1, 1, 8])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def cut_end(data: bytearray, chance: random.Random, path: Path) -> bytearray:
    return data[: chance.randrange(1, len(data))]


def zero_fill(data: bytearray, chance: random.Random, path: Path) -> bytearray:
    first = chance.randrange(len(data))
    last = min(first + chance.choice([16, 512, len(data)]), len(data))
    data[first:last] = bytes(last - first)
    return data


def leave_out(data: bytearray, chance: random.Random, path: Path) -> bytearray:
    first = chance.randrange(len(data))
    del data[first : first + chance.randrange(1, 2000)]
    return data


def splice(data: bytearray, chance: random.Random, path: Path) -> bytearray:
    """A part of another clip in place of a part, as where blocks of a disk are mixed up."""
    other = sorted(path.parent.iterdir())
    other = chance.choice(other).read_bytes()
    first, second = chance.randrange(len(data)), chance.randrange(len(other))
    part = other[second : second + 512]
    data[first : first + len(part)] = part
    return data


def lose_packets(data: bytearray, chance: random.Random, path: Path) -> bytearray:
    def change(packets):
        lost = set(chance.sample(range(1, len(packets)), 2))
        return [packet for place, packet in enumerate(packets) if place not in lost]

    damaged = path.parent.parent / f"lossy.{suffix_of(path)}"
    return bytearray(remux(path, damaged, change).read_bytes())


DAMAGES = [flip_in_pictures, flip_anywhere, cut_end, zero_fill, leave_out, splice, lose_packets]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz") / "healthy"
    folder.mkdir()
    for name in CLIPS:
        encode(folder / name, name.partition(".")[0])
    return folder


def damaged_clips(healthy: Path, seeds: range, damages=DAMAGES) -> Iterator[tuple[str, Path, Path]]:
    """What was done, the damaged file and the clip that it was."""
    for name in CLIPS:
        for damage in damages:
            for seed in seeds:
                what = f"{name} {damage.__name__} {seed}"
                source = healthy / name
                try:
                    data = damage(bytearray(source.read_bytes()), random.Random(what), source)
                except (av.error.FFmpegError, av.codec.codec.UnknownCodecError):  # cannot be copied
                    continue
                path = healthy.parent / f"damaged.{name}"
                path.write_bytes(data)
                yield what, path, source


def read_each(path: Path) -> tuple[list[np.ndarray | None], list[str]]:
    """Each frame, `None` where an error names the file, and what else happened."""
    frames, problems = [], []
    try:
        clip = open_clip(str(path), path.name)
        if not (np.isfinite(clip.times).all() and np.isfinite(clip.duration)):
            problems.append("times that are no numbers")
    except ValueError as error:
        return [], [] if path.name in str(error) else [f"an error without the file's name: {error}"]
    for index in range(min(clip.total_frames, 100)):
        try:
            frames.append(open_clip(str(path), path.name).read(np.array([index]))[0])
        except ValueError as error:
            frames.append(None)
            if path.name not in str(error):
                problems.append(f"an error without the file's name: {error}")
    return frames, problems


def decode_what_can_be(path: Path, without: int | None = None) -> tuple[list[Shown], int | None]:
    """Frames in order, and the first packet of which none comes; after an error, the next one is decoded."""
    shown, times = [], {}
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for number, packet in enumerate(container.demux(stream)):
                if number == without:
                    continue
                times[number] = packet.pts and float(packet.pts * packet.time_base)
                try:
                    shown += [Shown(to_pixels(frame), frame.time, frame.is_corrupt) for frame in packet.decode()]
                except av.error.FFmpegError:
                    continue
    except (av.error.FFmpegError, IndexError, AttributeError):
        pass
    came = {frame.seconds for frame in shown}
    return shown, next((number for number, time in times.items() if time is not None and time not in came), None)


def looks_like(frame: np.ndarray, others: list[np.ndarray], tolerance: float = 1) -> bool:
    return any(
        frame.shape == other.shape and np.abs(frame.astype(int) - other).mean() <= tolerance for other in others
    )


def judge(path: Path, original: Path) -> tuple[list[str], int, int]:
    """What is wrong with what was read, how many frames are whole in the damaged file, and how many of them came."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    frames, problems = read_each(path)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if grown > MOST_MEMORY:
        problems.append(f"{grown >> 20} MiB of memory")
    if original.suffix == ".gif":  # read by another library, which has no marks
        return problems, 0, 0
    (shown, first_lost), whole = decode_what_can_be(path), [frame.pixels for frame in decode_in_order(original)]
    # The head of a damaged picture may make the decoder forget others, which come where it is left out.
    others, _ = ([], None) if first_lost is None else decode_what_can_be(path, without=first_lost)
    sound = [frame.pixels for frame in [*shown, *others] if not frame.is_corrupt]
    marked = [frame.pixels for frame in shown if frame.is_corrupt]
    for index, frame in enumerate(frames):
        if frame is None or looks_like(frame, whole) or looks_like(frame, sound):
            continue
        # Where libav itself shows what is wrong without a mark, there is nothing to go by.
        if index >= len(shown) or shown[index].is_corrupt or looks_like(shown[index].pixels, whole):
            what = "libav marks as corrupt" if looks_like(frame, marked) else "is in no sequential decode"
            problems.append(f"frame {index} (number {number_of(frame)}) {what} and came in silence")
    untouched = [place for place, frame in enumerate(whole) if looks_like(frame, sound, tolerance=0)]
    came = [place for place in untouched if looks_like(whole[place], [one for one in frames if one is not None])]
    return problems, len(untouched), len(came)


def work(connection) -> None:
    for path, original in iter(connection.recv, None):
        try:
            connection.send(judge(path, original))
        except Exception as error:
            connection.send(([f"{type(error).__name__}: {error}"], 0, 0))


class Worker:
    """A process that judges files; another takes its place where it dies."""

    def __init__(self):
        self._process = None

    def judge(self, path: Path, original: Path) -> tuple[list[str], int, int]:
        if self._process is None:
            context = multiprocessing.get_context("fork")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=work, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        self._connection.send((path, original))
        try:
            if self._connection.poll(SECONDS_OF_ONE_FILE):
                return self._connection.recv()
            problem = f"no end within {SECONDS_OF_ONE_FILE} s"
        except EOFError:
            self._process.join()
            problem = f"a crash with exit code {self._process.exitcode}"
        self.close()
        return [problem], 0, 0

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._process = None


def check(healthy: Path, seeds: range) -> None:
    worker, problems = Worker(), []
    whole, came = {True: 0, False: 0}, {True: 0, False: 0}
    try:
        for what, path, original in damaged_clips(healthy, seeds):
            found, num_whole, num_came = worker.judge(path, original)
            problems += [f"{what}: {problem}" for problem in found]
            # Other damage takes away what the file says about its frames.
            if "flip_in_pictures" in what:
                whole["-key" in what] += num_whole
                came["-key" in what] += num_came
    finally:
        worker.close()
    assert not problems, "\n".join(problems)
    # What other pictures refer to may take them along.
    for is_key, share in ((True, 0.99), (False, 0.95)):
        assert came[is_key] >= share * whole[is_key] > 0, f"{came} of {whole} frames that the damage does not touch"


@pytest.mark.parametrize(
    "what",
    [
        "h264-b.mp4 lose_packets 5",  # pictures that others refer to are missing
        "h264-pyramid.mkv lose_packets 13",
        "h264-b.frag.mp4 flip_in_pictures 13",  # such a picture is not recognised as one
        "hevc-open_groups.mp4 flip_anywhere 11",  # one that is left out would make the decoder forget others
        "mjpeg-key.avi flip_anywhere 12",  # a picture without pixels
    ],
)
def test_damage_that_decoders_do_not_tell(healthy, what):
    name, damage, _ = what.split()
    source, path = healthy / name, healthy.parent / f"damaged.{name}"
    path.write_bytes(globals()[damage](bytearray(source.read_bytes()), random.Random(what), source))
    assert judge(path, source)[0] == []


def test_damage_is_named_and_the_rest_comes_back(healthy):
    check(healthy, range(1))


@pytest.mark.slow
def test_much_damage_is_named_and_the_rest_comes_back(healthy):
    check(healthy, range(1, 20))
