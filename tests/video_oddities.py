"""Small clips as cutting, joining, copying and recording leave them; see `video_matrix`."""

import itertools
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from video_fixtures import encode_silence
from video_matrix import (
    ENCODINGS,
    NUM_FRAMES,
    RATE,
    Encoding,
    add_stream,
    encode,
    opened_for_writing,
    picture,
    remux,
    suffix_of,
)

ODDITIES: dict[str, Callable[[Path], None]] = {}


def write_oddity(name: str, folder: Path) -> Path:
    """Write the clip of a name."""
    path = folder / f"{name}.{name.rpartition('-')[2]}"
    ODDITIES[name](path)
    return path


def kind(name: str, encodings: list[str], suffixes: list[str]):
    """Say of which encodings in which containers a kind of clip is made; the function takes a path and an encoding."""

    def remember(write):
        for encoding, suffix in itertools.product(encodings, suffixes):
            ODDITIES[f"{encoding}-{name}-{suffix}"] = lambda path, encoding=encoding: write(path, encoding)
        return write

    return remember


def _source(path: Path, encoding: str, suffix: str | None = None, **how) -> Path:
    """The clip that another is made from, beside it; by default its headers lie where the other has them."""
    suffix = suffix or {".ts": "ts", ".m2ts": "ts", ".mpg": "ts", ".avi": "avi"}.get(path.suffix, "mp4")
    return encode(path.parent / f"source.{suffix}", encoding, **how)


# Times


@kind("variable_rate", ["h264-b"], ["mp4", "mov", "frag.mp4", "mkv", "ts", "flv", "asf", "avi", "nut", "mpg", "mxf"])
@kind("variable_rate", ["mpeg4-b", "mpeg4-predicted"], ["mp4", "mkv", "avi", "ts", "asf", "mpg"])
@kind("variable_rate", ["vp9-hidden"], ["webm", "mp4", "ivf"])
@kind("variable_rate", ["hevc-open_groups"], ["mp4", "mkv", "ts"])
@kind("variable_rate", ["wmv2-predicted"], ["wmv", "avi"])
@kind("variable_rate", ["gif-predicted"], ["gif"])
def variable_rate(path, encoding):
    """Pictures are shown for one to four times as long; in AVI, the places between are left empty."""
    encode(path, encoding, times=np.cumsum([number * number % 7 % 4 + 1 for number in range(NUM_FRAMES)]).tolist())


@kind("slow", ["h264-b"], ["mp4", "mkv", "ts", "flv", "asf", "avi"])
def slow(path, encoding):
    """One picture in ten seconds."""
    encode(path, encoding, times=[250 * number for number in range(NUM_FRAMES)])


@kind(
    "late", ["h264-pyramid"], ["mp4", "mov", "frag.mp4", "no_elst.mp4", "mkv", "ts", "flv", "asf", "avi", "nut", "mpg"]
)
@kind("late", ["mpeg4-b"], ["mp4", "avi", "ts"])
@kind("late", ["vp9-hidden"], ["webm", "ivf"])
def late(path, encoding):
    """The first picture is shown after three seconds."""
    encode(path, encoding, times=[75 + number for number in range(NUM_FRAMES)])


@kind("after_sound", ["h264-b"], ["mp4", "mov", "frag.mp4", "mkv", "ts", "flv", "avi", "asf", "nut", "mpg"])
@kind("after_sound", ["mpeg4-b", "mpeg2-b"], ["mp4", "avi", "ts", "mpg", "vob"])
def after_sound(path, encoding):
    """Sound begins a second before the pictures."""
    with opened_for_writing(path) as container:
        stream = add_stream(container, ENCODINGS[encoding])
        codec = {"avi": "pcm_s16le", "mpg": "mp2", "vob": "mp2"}.get(suffix_of(path).rpartition(".")[2], "aac")
        sound = container.add_stream(codec, rate=16000, layout="mono")
        for number in range(NUM_FRAMES):
            container.mux(stream.encode(picture(number, ENCODINGS[encoding], RATE + number)))
        container.mux(stream.encode())
        encode_silence(container, sound)


@kind("twins", ["h264-predicted", "vp9-predicted"], ["mkv"])
def twins(path, encoding):
    """Two pictures claim one time."""

    def change(packets):
        for packet, later in itertools.pairwise(packets):
            if later.pts % 5 == 0:
                packet.pts = packet.dts = later.pts
        return packets

    remux(_source(path, encoding, "mkv"), path, change)


@kind("pts_is_dts", ["h264-b", "h264-pyramid"], ["mp4", "mov", "frag.mp4", "mkv", "flv", "ts", "asf", "nut"])
@kind("pts_is_dts", ["mpeg4-b"], ["mp4", "mkv", "asf", "nut", "ts"])
@kind("pts_is_dts", ["hevc-b", "hevc-open_groups"], ["mp4", "mkv", "ts"])
@kind("pts_is_dts", ["mpeg2-open_groups"], ["mp4", "mkv", "ts", "mpg"])
def pts_is_dts(path, encoding):
    """Pictures are stored in another order than shown, and timed as stored."""

    def change(packets):
        start = packets[0].dts
        for packet in packets:
            packet.pts = packet.dts = packet.dts - start
        return packets

    remux(_source(path, encoding), path, change)


@kind("out_of_avi", ["h264-b", "h264-pyramid", "mpeg4-b", "mpeg2-open_groups"], ["mp4", "mkv", "mov", "ts", "nut"])
@kind("out_of_avi", ["h264-b", "h264-pyramid"], ["flv"])
def out_of_avi(path, encoding):
    """Copied out of AVI, which has no times but places."""

    def change(packets):
        for place, packet in enumerate(packets):
            packet.pts = packet.dts = place
        return packets

    remux(_source(path, encoding, "avi"), path, change)


@kind("wrap", ["h264-b", "mpeg2-open_groups", "hevc-open_groups"], ["ts", "m2ts"])
def wrap(path, encoding):
    """The 33 bits of the clock run over in the middle."""
    encode(path, encoding, times=[int(95441.85 * RATE) + number for number in range(NUM_FRAMES)])


@kind("negative", ["h264-b", "h264-open_groups", "vp9-hidden"], ["mkv"])
def negative(path, encoding):
    """Times begin below zero."""

    def change(packets):
        step = round(1 / RATE / packets[0].time_base)
        for packet in packets:
            packet.pts, packet.dts = packet.pts - 5 * step, packet.dts - 5 * step
        return packets

    remux(_source(path, encoding), path, change, avoid_negative_ts="disabled")


# Cuts and joints


@kind("cut", ["h264-b", "h264-open_groups", "hevc-open_groups"], ["mp4", "mov", "mkv", "ts", "nut", "mpg"])
@kind("cut", ["mpeg4-b"], ["mp4", "mkv", "avi", "ts"])
@kind("cut", ["vp9-hidden"], ["webm", "mp4"])
@kind("cut", ["mpeg2-open_groups"], ["ts", "mpg", "mkv", "mp4"])
def cut(path, encoding):
    """Copied from the key picture before the cut, with times below zero up to it, as `ffmpeg -ss -c copy` does."""

    def change(packets):
        start = sorted(packet.pts for packet in packets)[11]
        first = max(place for place, packet in enumerate(packets) if packet.is_keyframe and packet.pts <= start)
        for packet in packets:
            packet.pts, packet.dts = packet.pts - start, packet.dts - start
        return packets[first:]

    remux(_source(path, encoding), path, change)


@kind(
    "second_group",
    ["h264-open_groups", "hevc-open_groups", "mpeg2-open_groups", "mpeg1-open_groups"],
    ["ts", "mkv", "mp4", "mpg"],
)
@kind("second_group", ["h264-open_groups", "mpeg4-b"], ["avi"])
def second_group(path, encoding):
    """Begins with a later group, some of whose pictures refer to the one before."""

    def change(packets):
        return packets[[place for place, packet in enumerate(packets) if packet.is_keyframe][1] :]

    remux(_source(path, encoding), path, change)


@kind("mid_group", ["h264-b", "h264-intra_refresh", "hevc-b", "mpeg2-open_groups", "mpeg4-b"], ["ts", "mkv", "mpg"])
def mid_group(path, encoding):
    """Recorded from the middle of a group on."""
    remux(_source(path, encoding), path, lambda packets: packets[3:])


@kind("end_cut", ["h264-pyramid", "hevc-open_groups", "mpeg4-b", "mpeg2-open_groups"], ["ts", "mkv", "mp4"])
@kind("end_cut", ["vp9-hidden"], ["webm", "mp4"])
def end_cut(path, encoding):
    """Copying stopped where pictures were still to come that are shown before the last ones."""
    remux(_source(path, encoding), path, lambda packets: packets[:-2])


@kind("gap", ["h264-b", "hevc-b", "mpeg4-b", "mpeg2-b"], ["mp4", "mkv", "ts", "mpg"])
@kind("gap", ["h264-b", "mpeg4-predicted"], ["avi"])
def gap(path, encoding):
    """One group is missing; its place in time is left."""

    def change(packets):
        keys = [place for place, packet in enumerate(packets) if packet.is_keyframe]
        return packets[: keys[1]] + packets[keys[2] :]

    remux(_source(path, encoding), path, change)


@kind("joined", ["h264-b", "mpeg2-open_groups", "mpeg4-b", "hevc-open_groups"], ["ts", "mpg"])
@kind("joined", ["mpeg2-b"], ["vob", "m2v"])
@kind("joined", ["h264-b"], ["264", "m2ts", "pes.ts"])
@kind("joined", ["mpeg4-b"], ["m4v"])
@kind("joined", ["hevc-b"], ["265"])
def joined(path, encoding):
    """Two recordings one after the other: times jump back."""
    data = _source(path, encoding, suffix_of(path)).read_bytes()
    data += _source(path, encoding, suffix_of(path), numbers=list(range(30, 30 + NUM_FRAMES))).read_bytes()
    path.write_bytes(data)


@kind("joined_later", ["h264-b", "mpeg2-open_groups"], ["ts", "mpg"])
def joined_later(path, encoding):
    """Two recordings one after the other: times jump on by a minute."""
    data = _source(path, encoding, suffix_of(path)).read_bytes()
    numbers = list(range(30, 30 + NUM_FRAMES))
    times = [60 * RATE + number for number in numbers]
    path.write_bytes(data + _source(path, encoding, suffix_of(path), times=times, numbers=numbers).read_bytes())


@kind("short", ["h264-b", "mpeg4-b", "mpeg2-b"], ["mp4", "mkv", "avi", "mpg", "nut"])
@kind("short", ["h264-b"], ["ts", "flv", "264", "frag.mp4"])
def short(path, encoding):
    """A single picture."""
    encode(path, encoding, numbers=[7])


# Signs of key pictures


@kind("all_key", ["h264-b", "h264-one_group", "hevc-open_groups", "mpeg4-b"], ["mp4", "mkv", "frag.mp4", "nut"])
@kind("all_key", ["h264-pyramid", "mpeg4-b", "mpeg4-predicted", "mpeg2-open_groups", "wmv2-predicted"], ["avi"])
@kind("all_key", ["h264-pyramid"], ["flv", "asf"])
@kind("all_key", ["mpeg2-open_groups"], ["mp4", "mkv", "mov"])
@kind("all_key", ["vp9-hidden"], ["webm", "mp4", "ivf"])
def all_key(path, encoding):
    """The container calls every picture a key picture."""

    def change(packets):
        for packet in packets:
            packet.is_keyframe = True
        return packets

    remux(_source(path, encoding), path, change)


@kind("one_key", ["h264-b", "hevc-open_groups", "mpeg4-b"], ["mp4", "mkv", "nut"])
@kind("one_key", ["h264-b", "mpeg4-b"], ["avi"])
def one_key(path, encoding):
    """The container calls none but the first a key picture."""

    def change(packets):
        for packet in packets[1:]:
            packet.is_keyframe = False
        return packets

    remux(_source(path, encoding), path, change)


@kind("wrong_keys", ["h264-b", "h264-open_groups", "mpeg4-b", "vp9-hidden"], ["mp4", "mkv"])
def wrong_keys(path, encoding):
    """The container calls key pictures what are none, and none what are."""

    def change(packets):
        for place, packet in enumerate(packets):
            packet.is_keyframe = place % 5 == 0
        return packets

    remux(_source(path, encoding), path, change)


# Packets


@kind("packed", ["mpeg4-b"], ["avi", "mp4", "mkv", "mov"])
def packed(path, _):
    """MPEG-4 as DivX puts it into AVI: a B-picture lies in the packet before its own, which is left empty."""

    def change(packets):
        data = [bytes(packet) for packet in packets]
        mark = b"\0\0\1\xb2DivX503b1393p"
        data[0] = data[0].replace(b"\0\0\1\xb6", mark + b"\0\0\1\xb6", 1)
        for place in range(1, len(data) - 1):
            # Coding types of VOPs: 1 is predicted, 2 from both sides.
            types = [chunk[chunk.index(b"\0\0\1\xb6") + 4] >> 6 for chunk in data[place : place + 2]]
            if types[1] == 2:
                data[place] += data[place + 1]
                data[place + 1] = b"\0\0\1\xb6\x51\x1f"  # predicted, without contents
        result = []
        for place, (chunk, packet) in enumerate(zip(data, packets, strict=True)):
            copy = av.Packet(chunk)
            copy.pts = copy.dts = place
            copy.time_base, copy.is_keyframe = packet.time_base, packet.is_keyframe
            result.append(copy)
        return result

    options = ENCODINGS["mpeg4-b"].options | {"bf": "1", "flags": "+qscale+bitexact"}
    encoding = Encoding("mpeg4", options=options)
    remux(encode(path.parent / "source.avi", encoding), path, change)


@kind("no_index", ["h264-b", "mpeg4-b", "mjpeg-key", "raw-palette"], ["avi"])
def no_index(path, encoding):
    """An AVI that was never closed."""
    data = bytearray(_source(path, encoding, "avi").read_bytes())
    place = data.rindex(b"idx1")
    data[place : place + 4] = b"JUNK"
    path.write_bytes(data)


# Streams


@kind("second_stream", ["h264-b", "mpeg4-b"], ["mp4", "mov", "mkv"])
def second_stream(path, encoding):
    """Two films in one file, of which the second is the one to be shown; the first is smaller."""
    small = Encoding("mjpeg", "yuvj420p", height=32, width=32)
    with opened_for_writing(path) as container:
        first, second = add_stream(container, small), add_stream(container, ENCODINGS[encoding])
        first.disposition, second.disposition = av.stream.Disposition(0), av.stream.Disposition.default
        for number in range(NUM_FRAMES):
            if number < 2:
                container.mux(first.encode(picture(60 + number, small, number)))
            container.mux(second.encode(picture(number, ENCODINGS[encoding], number)))
        container.mux(first.encode())
        container.mux(second.encode())


# Edit lists of MP4: parts of the film, each with its length in seconds and where it begins, in frames; -1 is a pause.
EDITS = {
    "edit_from_middle": [(0.4, 11)],
    "edit_to_middle": [(0.4, 0)],
    "edit_after_pause": [(1, -1), (10, 0)],
    "edit_late_after_pause": [(1, -1), (0.4, 11)],
    "edit_two_parts": [(0.2, 3), (0.2, 15)],
    "edit_backwards": [(0.2, 15), (0.2, 3)],
    "edit_twice": [(0.4, 4), (0.4, 4)],
    "edit_before_pictures": [(10, 0)],
    "edit_ends_before_pictures": [(0.04, 0)],
    "edit_beyond_end": [(10, 4)],
    "edit_without_end": [(0, 4)],
}


def edit(path, encoding, edits):
    """Parts of the film are shown."""
    source = _source(path, encoding, suffix_of(path))
    with av.open(str(source)) as container:
        time_base = container.streams.video[0].time_base
    frame = round(1 / RATE / time_base)
    data = source.read_bytes()
    place = data.rindex(b"moov") - 4  # the last box, so that nothing is moved by its growing
    movie = data[place:]
    scale = int.from_bytes(movie[movie.index(b"mvhd") + 16 :][:4], "big")
    entries = [struct.pack(">IiI", round(length * scale), max(begin * frame, -1), 1 << 16) for length, begin in edits]
    new_list = b"elst" + struct.pack(">II", 0, len(edits)) + b"".join(entries)
    new_list = struct.pack(">I4sI", len(new_list) + 12, b"edts", len(new_list) + 4) + new_list
    old = movie.index(b"edts") - 4
    old_end = old + int.from_bytes(movie[old : old + 4], "big")
    changed = bytearray(movie[:old] + new_list + movie[old_end:])
    for box in (0, movie.index(b"trak") - 4):
        size = int.from_bytes(changed[box : box + 4], "big")
        changed[box : box + 4] = (size + len(new_list) - old_end + old).to_bytes(4, "big")
    path.write_bytes(data[:place] + changed)


for _name, _edits in EDITS.items():
    kind(_name, ["h264-pyramid", "hevc-open_groups", "mpeg4-b", "mjpeg-key"], ["mp4", "mov"])(
        lambda path, encoding, edits=_edits: edit(path, encoding, edits)
    )
