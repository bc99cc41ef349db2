# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
The records of an archive of `torch.save`: a zip file in which nothing is compressed.

A zip file says most things twice, and readers differ in which they believe. PyTorch's takes the directory from where
the end of the file says it is, everything else from the directory, and from a record's own header only how long that
header is. So the directory must be where every reader finds it, and the headers are asked where the records lie.
"""

import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .checkpoint_pickle import MAX_PICKLE_BYTES, Refusal

# A full-size checkpoint with the state of its optimiser lists 700 records in 50 kB.
_MAX_DIRECTORY_BYTES = 1 << 22
_BYTES_AT_ONCE = 1 << 20

_END = struct.Struct("<4s4H2LH")  # signature, disks, counts, size and offset of the directory, length of a comment
_END_64 = struct.Struct("<4sQ2H2L4Q")  # as above, for large archives; PyTorch writes both
_LOCATOR_64 = struct.Struct("<4sLQL")  # signature, disk, offset of the above, number of disks
_HEADER = struct.Struct("<4s22x2H")  # signature, length of the name, length of what follows it


class Record(NamedTuple):
    """Where a record lies in its archive, in bytes, and the checksum (CRC-32) that the directory has of it."""

    start: int
    size: int
    checksum: int


def list_records(path: Path) -> dict[str, Record]:
    """
    List the records of an archive; of its content, nothing is read.

    Args:
        path (`Path`): A file that begins as a zip archive does.

    Returns:
        The records by name, without the folder that an archive of `torch.save` has them all in.

    Raises:
        Refusal: If it is not an archive as `torch.save` writes it.
        Exception: Of any kind, if it is damaged.
    """
    with path.open("rb") as file:
        directory_start = _find_directory(file)
        entries = zipfile.ZipFile(file).infolist()
        folder = entries[0].filename.partition("/")[0] + "/"
        names = {entry.filename[len(folder) :] for entry in entries if entry.filename.startswith(folder)}
        if "constants.pkl" in names or any(name.startswith("code/") for name in names):
            raise Refusal("is a TorchScript archive, which is code; save the state_dict of the model and convert that")
        if "data.pkl" not in names:
            raise Refusal(
                "is a zip archive without data.pkl, so not one of torch.save; unpack it if the file is inside"
            )
        for entry, reason in _find_faults(entries, folder):
            raise Refusal(f"holds the archive entry {entry.filename!r:.120}, {reason}")
        return {
            entry.filename[len(folder) :]: _locate(file, entry, end)
            for entry, end in _with_ends(entries, directory_start)
        }


def check_checksums(path: Path, records: Mapping[str, Record]):
    """
    Read an archive, a little at a time, and compare its records with their checksums.

    Args:
        path (`Path`): The archive.
        records (mapping of `str` to [`Record`]): Its records.

    Raises:
        Refusal: If a record is another than the directory says, or the directory says nothing.
    """
    if not any(record.checksum for record in records.values()):
        raise Refusal(
            "has no checksums, as torch.save writes it after set_crc32_options(False); pass --skip-checksums to read "
            "it unchecked"
        )
    with path.open("rb") as file:
        for name, record in sorted(records.items(), key=lambda item: item[1].start):
            file.seek(record.start)
            checksum, left = 0, record.size
            while left:
                data = file.read(min(left, _BYTES_AT_ONCE))
                if not data:
                    raise Refusal(f"is damaged or truncated: its record {name!r:.120} ends too early")
                checksum, left = zlib.crc32(data, checksum), left - len(data)
            if checksum != record.checksum:
                raise Refusal(
                    f"is damaged: its record {name!r:.120} has the checksum {checksum:08x}, but should have "
                    f"{record.checksum:08x}; get the file anew, or pass --skip-checksums to read it as it is"
                )


def _find_directory(file: BinaryIO) -> int:
    """Where the directory of the archive begins, if that is certain."""
    size = file.seek(0, 2)
    tail_size = min(size, _END.size + _LOCATOR_64.size + _END_64.size)
    file.seek(size - tail_size)
    tail = file.read(tail_size).rjust(_END.size + _LOCATOR_64.size + _END_64.size, b"\0")
    signature, *_, directory_size, offset, comment_length = _END.unpack(tail[-_END.size :])
    if signature != b"PK\5\6" or comment_length:
        raise Refusal("is damaged or truncated: the directory of an archive is not at its end")
    end = size - _END.size
    locator, _, offset_64, _ = _LOCATOR_64.unpack(tail[_END_64.size : -_END.size])
    if locator == b"PK\6\7":
        end = size - len(tail)
        signature, *_, directory_size, offset = _END_64.unpack(tail[: _END_64.size])
        if signature != b"PK\6\6" or offset_64 != end:
            raise Refusal("is not an archive of torch.save: it has two ends")
    if offset + directory_size != end:
        raise Refusal("is not an archive of torch.save: its directory is not where its end says")
    if directory_size > _MAX_DIRECTORY_BYTES:
        raise Refusal(f"has {directory_size} bytes of archive entries, more than {_MAX_DIRECTORY_BYTES}")
    return offset


def _find_faults(entries: list[zipfile.ZipInfo], folder: str) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """What no archive of `torch.save` has."""
    counts = Counter(entry.filename.lower() for entry in entries)  # names are looked up without regard to case
    for entry in entries:
        name = entry.filename
        if name.startswith("/") or "\\" in name or name[1:2] == ":" or ".." in name.split("/"):
            yield entry, "whose path leads outside"
        if name != entry.orig_filename or not name.isprintable():
            yield entry, "whose name is not printable"
        if not name.startswith(folder):
            yield entry, f"which is not in {folder!r:.120}, where all should be"
        if counts[name.lower()] > 1:
            yield entry, f"whose name it has {counts[name.lower()]} times"
        if entry.flag_bits & 1:
            yield entry, "which is encrypted"
        if entry.compress_type != zipfile.ZIP_STORED:
            yield entry, f"which is compressed to {entry.compress_size} of {entry.file_size} bytes"
        if entry.file_size != entry.compress_size:
            yield entry, f"which declares {entry.file_size} bytes, but holds {entry.compress_size}"
        # The field for sizes of more than 4 GB, once or not at all.
        if entry.extra and struct.unpack("<HH", entry.extra[:4]) != (1, len(entry.extra) - 4):
            yield entry, "which has fields that torch.save does not write"
        if not name.startswith(f"{folder}data/") and entry.file_size > MAX_PICKLE_BYTES:
            yield entry, f"which has {entry.file_size} bytes, more than {MAX_PICKLE_BYTES}, but is not a tensor"


def _with_ends(entries: list[zipfile.ZipInfo], directory_start: int) -> Iterator[tuple[zipfile.ZipInfo, int]]:
    """The entries in the order in which they lie in the file, each with where the next begins."""
    entries = sorted(entries, key=lambda entry: entry.header_offset)
    yield from zip(entries, [*(entry.header_offset for entry in entries[1:]), directory_start], strict=True)


def _locate(file: BinaryIO, entry: zipfile.ZipInfo, end: int) -> Record:
    file.seek(entry.header_offset)
    signature, name_length, extra_length = _HEADER.unpack(file.read(_HEADER.size))
    name = file.read(name_length).decode("utf-8" if entry.flag_bits & 0x800 else "cp437")
    if signature != b"PK\3\4" or name != entry.filename:
        raise Refusal(f"holds the archive entry {entry.filename!r:.120}, but something else in its place")
    record = Record(entry.header_offset + _HEADER.size + name_length + extra_length, entry.file_size, entry.CRC)
    if record.start + record.size > end:
        raise Refusal(
            f"holds the archive entry {entry.filename!r:.120}, whose {record.size} bytes from {record.start} reach "
            f"beyond {end}, where the next begins"
        )
    return record
