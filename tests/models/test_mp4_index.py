# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The packets of long films as the tables of MP4 have them are those that a demuxer gives."""

import av
import numpy as np
import pytest
from test_video_matrix import CLIPS, CUTS, names
from video_matrix import Encoding, encode, find_problems, remux, write_clip
from video_oddities import write_oddity

from modeling_allinone.models import mp4_index_allinone, video_file_allinone
from modeling_allinone.models.mp4_index_allinone import read_index
from modeling_allinone.models.video_file_allinone import VideoFile

HAS_INDEX = hasattr(av.stream.Stream, "index_entries")  # older PyAV reads all packets
LONG = Encoding("libx264", options={"preset": "ultrafast", "bf": "2", "g": "50"}, num_frames=2100, height=32, width=48)


@pytest.fixture
def any_length(monkeypatch):
    monkeypatch.setattr(mp4_index_allinone, "_FEWEST_PACKETS", 1)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return encode(tmp_path_factory.mktemp("film") / "film.mp4", LONG)


def compare(path) -> bool:
    """Whether there is an index; if so, it has to be right."""
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        index = read_index(path, stream)
        if index is not None:
            np.testing.assert_array_equal(index, video_file_allinone._demux(container, stream)[0])
        return index is not None


def of_mp4(all_names: list[str]) -> list:
    return names([name for name in all_names if name.endswith(("-mp4", "-mov", "-frag.mp4", "-3gp"))])


@pytest.mark.parametrize("name", of_mp4(CLIPS))
def test_packets_of_every_codec(tmp_path, any_length, name):
    assert compare(write_clip(name, tmp_path)) or "frag" in name or not HAS_INDEX


@pytest.mark.parametrize("name", of_mp4(CUTS))
def test_headers_of_what_is_cut_or_copied(tmp_path, any_length, name):
    """Some say other things than the packets do, such as which pictures are keys."""
    assert find_problems(write_oddity(name, tmp_path)) == []


@pytest.mark.parametrize("options", ({}, {"movflags": "faststart"}, {"movflags": "negative_cts_offsets"}))
def test_film_is_not_read_to_know_its_packets(tmp_path, monkeypatch, film, options):
    path = remux(film, tmp_path / "copy.mp4", **options)
    demuxed = []
    demux = video_file_allinone._demux
    monkeypatch.setattr(video_file_allinone, "_demux", lambda *args: demuxed.append(demux(*args)) or demuxed[-1])
    clip = VideoFile(path, "film")
    assert sum(len(packets) for packets, _ in demuxed) < (200 if HAS_INDEX else 2101)
    monkeypatch.setattr(mp4_index_allinone, "_FEWEST_PACKETS", 10_000)
    read = VideoFile(path, "film")
    assert len(demuxed[-1][0]) == clip.total_frames == read.total_frames == 2100
    np.testing.assert_array_equal(clip.times, read.times)
    assert clip.duration == read.duration and clip.clock_start == read.clock_start
    places = np.array([0, 1, 49, 50, 1000, 2098, 2099])
    np.testing.assert_array_equal(clip.read(places), read.read(places))


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        (b"stts", 8, 2099),  # pictures fewer than there are
        (b"stts", 12, 500),  # of another duration
        (b"ctts", 12, 77),  # the first is shown at another time
        (b"ctts", 4, 1 << 31),  # more runs than there are bytes
        (b"tkhd", 12, 9),  # of another track
        (b"mdia", -4, 0x6D646978),  # and without a table
    ],
)
def test_header_that_says_something_else_is_not_believed(tmp_path, film, name, place, value):
    data = bytearray(film.read_bytes())
    at = data.index(name) + 4 + place
    data[at : at + 4] = value.to_bytes(4, "big")
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    expected, found = [], []
    for fewest, results in ((10_000, expected), (1, found)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mp4_index_allinone, "_FEWEST_PACKETS", fewest)
            try:
                clip = VideoFile(path, "film")
                results += [clip.total_frames, clip.duration, *clip.times.tolist()]
            except ValueError as error:
                results.append(str(error))
    assert found == expected


def test_film_that_is_cut_short_has_no_index(tmp_path, film):
    data = remux(film, tmp_path / "whole.mp4", movflags="faststart").read_bytes()
    path = tmp_path / "short.mp4"
    path.write_bytes(data[: len(data) * 9 // 10])
    with av.open(str(path)) as container:
        assert read_index(path, container.streams.video[0]) is None
        assert (read_index(data, container.streams.video[0]) is not None) == HAS_INDEX
