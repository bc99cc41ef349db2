# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Whether a container is whole, by what its own headers say: decoders take the beginning of a file for the whole."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from .video_sources_allinone import opened_source, size_of, tail_of

MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid", b"meta", b"udta"}
MP4_BOXES |= {b"moof", b"mfra", b"sidx", b"ssix", b"styp", b"emsg", b"prft", b"pdin"}
ASF_HEADER, ASF_DATA = b"\x30\x26\xb2\x75", bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
MATROSKA_HEADER, MATROSKA_SEGMENT, MATROSKA_CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"

# Formats, as ffmpeg calls them, without an outer structure that would tell what is missing, but that never end so.
NEVER_END_IN_ZEROS = {"mpegts", "mpeg", "flv", "ogg", "dv", "h264", "hevc", "mpegvideo"}
# Formats whose header says how long they are, and that may end anywhere.
DECLARE_DURATION = {"flv", "mxf", "asf", "rm", "ivf"}
SHORTEST_LOSS = 0.5  # seconds
SMALLEST_LOSS = 0.05  # of what is declared
ZERO_TAIL = 1024  # bytes


def check_whole(source: Path | bytes, name: str) -> None:
    """
    Raise where a container declares more bytes than there are, or where zeros stand in place of its parts.

    Args:
        source (`Path` or `bytes`): The file, or what is in it.
        name (`str`): What messages call it.

    Raises:
        `ValueError`: It is cut short, or filled with zeros from some byte on.
    """
    size = size_of(source)
    with opened_source(source) as file:
        walk = {b"RIFF": _walk_riff, MATROSKA_HEADER: _walk_matroska, ASF_HEADER: _walk_asf}
        declared, zeros = walk.get(file.read(4), _walk_mp4)(file, size)
    if zeros is not None:
        raise ValueError(_say_zeros(name, f"from byte {zeros} of {size} on"))
    if declared > size:
        raise ValueError(
            f"{name} is truncated: it declares at least {declared} bytes but has {size}. Fetch it again; "
            "`ffmpeg -i <file> -c copy <new file>` makes a shorter whole of what is left, if it is readable."
        )


def check_tail(source: Path | bytes, format_names: set[str], name: str) -> None:
    """
    Raise where a file of a format without an outer structure ends in zeros.

    Args:
        source (`Path` or `bytes`): The file, or what is in it.
        format_names (`set[str]`): Names of its format, as ffmpeg calls it.
        name (`str`): What messages call it.

    Raises:
        `ValueError`: Its last 1024 bytes are zeros.
    """
    if NEVER_END_IN_ZEROS & format_names and size_of(source) > ZERO_TAIL and not any(tail_of(source, ZERO_TAIL)):
        raise ValueError(_say_zeros(name, "at its end"))


def check_duration(container, opened: Callable, end: float, name: str) -> None:
    """
    Raise where a file whose header says how long it is ends before.

    Args:
        container: As PyAV opened it.
        opened (`Callable`): Opens it once more.
        end (`float`): When its pictures end at the latest, seconds on its own clock.
        name (`str`): What messages call it.

    Raises:
        `ValueError`: Neither its pictures nor its sound last as long.
    """
    if not DECLARE_DURATION & set(container.format.name.split(",")) or not container.duration:
        return
    declared = container.duration / 1e6
    least = declared - max(SHORTEST_LOSS, SMALLEST_LOSS * declared)
    if end >= least:
        return
    if len(container.streams) > 1:
        # The sound may last longer than the pictures.
        with opened() as again:
            ends = [packet.pts * packet.time_base for packet in again.demux() if packet.pts is not None]
        end = max(end, float(max(ends, default=0)))
    if end < least:
        raise ValueError(
            f"{name} is truncated: its header declares {declared:.1f} s but it ends after {end:.1f} s. Fetch it "
            "again; `ffmpeg -i <file> -c copy <new file>` makes a shorter whole of what is left."
        )


def _say_zeros(name: str, where: str) -> str:
    return f"{name} is filled with zeros {where}: it was fetched in part, or its disk is damaged. Fetch it again."


def _walk_riff(file: BinaryIO, size: int) -> tuple[int, int | None]:
    """Bytes that AVI or WebP declares, and where zeros stand in place of a part."""
    end = 0
    while True:
        file.seek(end)
        head = file.read(12)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):
            return end, None
        place, end = end + 12, end + 8 + length
        while place + 8 <= min(end, size):
            file.seek(place)
            head = file.read(8)
            if not any(head):
                return end, place
            length = int.from_bytes(head[4:8], "little")
            place += 8 + length + length % 2


def _walk_matroska(file: BinaryIO, size: int) -> tuple[int, int | None]:
    """Bytes that Matroska or WebM declares, 0 if it does not, and where zeros stand in place of a part."""
    file.seek(4)
    length, _ = _matroska_length(file)
    if length > size:
        return length, None
    file.seek(length, 1)
    if file.read(4) != MATROSKA_SEGMENT:
        return 0, None
    length, is_unknown = _matroska_length(file)
    declared = 0 if is_unknown else file.tell() + length
    return declared, _walk_matroska_parts(file, file.tell(), min(declared or size, size))


def _walk_matroska_parts(file: BinaryIO, place: int, end: int) -> int | None:
    """Where zeros stand in place of a part. Of clusters, the last is walked through, and those of unknown length."""
    while place < end:
        file.seek(place)
        first = file.read(1)
        if not first[0]:
            return place
        kind = first + file.read(min(8 - first[0].bit_length(), 3))
        if file.tell() >= end:
            return None
        length, is_unknown = _matroska_length(file)
        after = file.tell() + (0 if is_unknown else length)
        if kind == MATROSKA_CLUSTER and after >= end:
            return _walk_matroska_parts(file, file.tell(), end)
        place = after
    return None


def _matroska_length(file: BinaryIO) -> tuple[int, bool]:
    """A length as Matroska writes it: leading zero bits give its bytes; all ones mean that it is unknown."""
    first = (file.read(1) or b"\0")[0]
    extra = 8 - first.bit_length()
    digits = (first & (0x7F >> extra)).to_bytes(1, "big") + file.read(extra)
    length = int.from_bytes(digits, "big")
    return length, length == (1 << 7 * (extra + 1)) - 1


def _walk_asf(file: BinaryIO, size: int) -> tuple[int, int | None]:
    """Bytes that ASF (WMV) declares, 0 if it was broadcast; it is not looked for zeros."""
    file.seek(16)
    end = int.from_bytes(file.read(8), "little")
    if end > size:
        return end, None
    file.seek(end)
    is_data, length = file.read(16) == ASF_DATA, int.from_bytes(file.read(8), "little")
    return (end + length if is_data and length > 50 else 0), None


def _walk_mp4(file: BinaryIO, size: int) -> tuple[int, int | None]:
    """Bytes that the outermost boxes of MP4 declare, 0 for other formats, and where zeros replace a fragment."""
    end, is_fragmented = 0, False
    while end < size:
        file.seek(end)
        head = file.read(16)
        is_fragmented |= head[4:8] == b"moof"
        if head[4:8] not in MP4_BOXES:  # another format, or junk after the last box
            return end, end if is_fragmented and not any(head) else None
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: up to the end of the file
            break
        end += length
    return end, None
