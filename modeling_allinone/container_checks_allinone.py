# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Whether a container is whole, by what it declares: decoders take the beginning of a file for the whole."""

from pathlib import Path

from .clip_allinone import opened_source, size_of

MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid", b"meta", b"udta"}
MP4_BOXES |= {b"moof", b"mfra", b"sidx", b"ssix", b"styp", b"emsg", b"prft", b"pdin"}


def check_whole(source: Path | bytes, name: str) -> None:
    """Raise where a container declares more bytes than there are: decoders would take the beginning for the whole."""
    size = size_of(source)
    with opened_source(source) as file:
        declared = _declared_size(file, size)
    if declared > size:
        raise ValueError(
            f"{name} is truncated: it declares at least {declared} bytes but has {size}. Fetch it again; "
            "`ffmpeg -i <file> -c copy <new file>` makes a shorter whole of what is left, if it is readable."
        )


def _declared_size(file, size: int) -> int:
    """Bytes that the outermost boxes of an MP4, RIFF (AVI, WebP) or Matroska (MKV, WebM) file claim, 0 if unknown."""
    head = file.read(12)
    if head[:4] == b"RIFF":
        end = 0
        while head[:4] == b"RIFF" and (length := int.from_bytes(head[4:8], "little")) not in (0, 0xFFFFFFFF):
            end += 8 + length
            file.seek(end)
            head = file.read(12)
        return end
    if head[:4] == b"\x1a\x45\xdf\xa3":
        file.seek(4)
        header, _ = _matroska_length(file)
        file.seek(header, 1)
        if file.read(4) != b"\x18\x53\x80\x67":
            return 0
        length, is_unknown = _matroska_length(file)
        return 0 if is_unknown else file.tell() + length
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(16)
        if head[4:8] not in MP4_BOXES:  # another format, or junk after the last box
            break
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: up to the end of the file
            break
        end += length
    return end


def _matroska_length(file) -> tuple[int, bool]:
    """A length as Matroska writes it: leading zero bits give its bytes; all ones mean that it is unknown."""
    first = file.read(1)[0]
    extra = 8 - first.bit_length()
    digits = (first & (0x7F >> extra)).to_bytes(1, "big") + file.read(extra)
    length = int.from_bytes(digits, "big")
    return length, length == (1 << 7 * (extra + 1)) - 1
