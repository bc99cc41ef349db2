# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Packets of MP4 as the tables in its header have them, so that a film of hours need not be read to know them."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .frame_table_allinone import PACKET
from .video_sources_allinone import opened_source, size_of

_FEWEST_PACKETS = 200  # of which reading all takes no longer than a thousandth of a second


def read_index(source: Path | bytes, stream) -> np.ndarray | None:
    """
    The packets of a stream without reading them: places, sizes and decoding times as ffmpeg has them from the header,
    presentation times and durations from the same header.

    Args:
        source (`Path` or `bytes`): The file, or what is in it.
        stream: As PyAV opened it.

    Returns:
        `np.ndarray` of [`PACKET`]: All packets, in the order of the file; `None` where there are few, or where the
        header does not tell: files in fragments, files cut short, edits that leave out pictures or show some twice.
    """
    entries = getattr(stream, "index_entries", ())  # older PyAV has none
    if len(entries) < _FEWEST_PACKETS:
        return None
    with opened_source(source) as file:
        tables = _find_tables(file, size_of(source), stream.id)
    durations = _expand(tables.get(b"stts"), len(entries))
    offsets = _expand(tables[b"ctts"], len(entries)) if b"ctts" in tables else np.zeros(len(entries), dtype=np.int64)
    rows = ((0, one.timestamp, 0, one.pos, one.size, one.is_keyframe, one.is_discard) for one in entries)
    packets = np.fromiter(rows, dtype=PACKET, count=len(entries))
    if durations is None or offsets is None or np.ptp(packets["dts"] - np.cumsum(durations) + durations):
        return None
    ends = packets["position"] + packets["size"]
    if not packets["is_keyframe"][0] or not packets["size"].all() or ends.max() > size_of(source):
        return None
    # Where pictures are shown before the time at which they are decoded, ffmpeg decodes all of them earlier.
    packets["pts"] = packets["dts"] + offsets + max(-offsets.min(), 0)
    packets["duration"] = durations
    return packets


def _find_tables(file: BinaryIO, size: int, track: int) -> dict[bytes, bytes]:
    """The tables of times of a track, by their names."""
    for name, begin, end in _boxes(file, 0, size):
        if name != b"moov":
            continue
        parts = list(_boxes(file, begin, end))
        if any(part == b"mvex" for part, *_ in parts):  # fragments follow
            return {}
        for part, *place in parts:
            tables = dict(_leaves(file, *place)) if part == b"trak" else {}
            # After its version and flags, the head of a track has two times and its number.
            head = tables.get(b"tkhd", b"")
            at = 20 if head[:1] == b"\1" else 12
            if int.from_bytes(head[at : at + 4], "big") == track:
                return tables
    return {}


def _leaves(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """The head and the tables of times of a track, at whatever depth."""
    for name, *place in _boxes(file, begin, end):
        if name in (b"mdia", b"minf", b"stbl"):
            yield from _leaves(file, *place)
        elif name in (b"tkhd", b"stts", b"ctts"):
            file.seek(place[0])
            yield name, file.read(place[1] - place[0])


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of what each box holds."""
    while begin + 8 <= end:
        file.seek(begin)
        head = file.read(16)
        length, inside = int.from_bytes(head[:4], "big"), begin + 8
        if length == 1:
            length, inside = int.from_bytes(head[8:16], "big"), begin + 16
        after = begin + length if length else end
        if not inside <= after <= end:
            return
        yield head[4:8], inside, after
        begin = after


def _expand(table: bytes | None, total: int) -> np.ndarray | None:
    """The values (total,) of a table of runs, each a count and a value; `None` if they are not as many."""
    runs = np.frombuffer((table or b"")[8:][: (len(table or b"") - 8) // 8 * 8], dtype=">i4").reshape(-1, 2)
    counts, values = runs.astype(np.int64).T
    if (counts < 0).any() or counts.sum() != total:
        return None
    return np.repeat(values, counts)
