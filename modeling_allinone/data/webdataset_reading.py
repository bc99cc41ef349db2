# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""One tar shard, here or at a URL -> its samples: what is damaged is named, and the rest is read."""

import enum
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

import fsspec

INDEX_NAME = "index.json"

# A sample is a row of files with one key: all up to the first dot of their names.
_MEMBER_NAME = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)")
_TEXT_SUFFIXES = ("json", "txt")

_MAGIC, _PLACE_OF_MAGIC = re.compile(b"ustar"), 257  # what headers have, and where
_BYTES_AT_ONCE = 2**20
# An archive ends in two blocks of zeros, and in more of them up to a multiple of its records.
_SHORTEST_END = 2 * tarfile.BLOCKSIZE
_LONGEST_END = _SHORTEST_END + tarfile.RECORDSIZE - tarfile.BLOCKSIZE

# How much a web server is asked for ahead, bytes: of whole shards, and where headers and texts alone are read.
_BYTES_AHEAD, _FEW_BYTES_AHEAD = 5 * 2**20, 2**16


@dataclass(frozen=True)
class StoredFile:
    """
    Where a file lies in a shard, which is read later or never.

    Args:
        url (`str`): The shard.
        offset (`int`): Where the file begins, bytes.
        size (`int`): Its length, bytes.
    """

    url: str
    offset: int
    size: int

    def read(self) -> bytes:
        """The bytes of the file."""
        with _open(self.url, _FEW_BYTES_AHEAD) as shard:
            return _read(shard, self.offset, self.size)


@dataclass
class Sample:
    """
    Files of one key.

    Args:
        key (`str`): What their names begin with.
        url (`str`): The shard.
        files (`dict` from `str` to `bytes` or [`StoredFile`]): By the rest of their names, such as "json" or "mp4".
        is_whole (`bool`): Whether it has all its files, as far as can be known.
        is_beside_damage (`bool`): Whether the shard is damaged before, behind or between them.
    """

    key: str
    url: str
    files: dict[str, bytes | StoredFile]
    is_whole: bool = True
    is_beside_damage: bool = False

    def read_text(self, name: str, default: bytes = b"") -> bytes:
        """A file that is a text, and so has been read; `default` if there is none."""
        data = self.files.get(name, default)
        return data if isinstance(data, bytes) else data.read()


class _Break(enum.Enum):
    """What lies between two files where not the header of the second follows the first."""

    END = enum.auto()  # of an archive, to which another is joined
    DAMAGE = enum.auto()
    CUT = enum.auto()  # damage that takes a part of the first file


def read_samples(url: str, loads_media: Callable[[int], bool], report: Callable[[str], None]) -> Iterator[Sample]:
    """
    Read the samples of a shard in their order, as far as it is whole.

    After a damaged part, reading goes on with the next header that is found, at whatever byte. A sample beside a
    damage counts as whole if it has the same files as one that is not, and none that are numbered, of which the last
    could be missing. Archives that were joined are read one after the other.

    Args:
        url (`str`): A tar file: a path or whatever fsspec opens and can seek in.
        loads_media (`Callable[[int], bool]`): Whether the files of a sample are read, given its number in the shard;
            if not, only its texts are, and of the others it is said where they lie.
        report (`Callable`): Told each damage.

    Yields:
        [`Sample`]

    Example:

    ```python
    >>> import io, tarfile
    >>> with tarfile.open("clips.tar", "w") as tar:
    ...     for name, data in {"a.json": b"{}", "a.mp4": b"film", "b.mp4": b"another"}.items():
    ...         member = tarfile.TarInfo(name)
    ...         member.size = len(data)
    ...         tar.addfile(member, io.BytesIO(data))
    >>> for sample in read_samples("clips.tar", loads_media=lambda number: True, report=print):
    ...     sample.key, sample.files
    ('a', {'json': b'{}', 'mp4': b'film'})
    ('b', {'mp4': b'another'})

    ```
    """
    names: set[str] | None = None
    waiting: list[Sample] = []
    for sample in _group_files(url, loads_media, report):
        if not sample.is_beside_damage and sample.is_whole:
            names = set(sample.files)
        waiting.append(sample)
        if names is not None:
            yield from _compared(waiting, names)
            waiting.clear()
    yield from _compared(waiting, names)


def read_index(folder: str) -> dict[str, int]:
    """
    How many rows the shards of a folder have, as [`write_shards`] says.

    Args:
        folder (`str`): A path or a URL, with what separates it from names.

    Returns:
        `dict` from `str` to `int`: By the name of a shard; empty where nobody says it.
    """
    try:
        with fsspec.open(folder + INDEX_NAME, "rb") as file:
            return {shard["name"]: int(shard["rows"]) for shard in json.load(file)["shards"]}
    except Exception:  # it need not be there, and libraries of storage raise whatever they like
        return {}


def _compared(samples: list[Sample], names: set[str] | None) -> Iterator[Sample]:
    """Samples, those beside a damage with the verdict whether they are whole."""
    for sample in samples:
        if sample.is_beside_damage:
            is_numbered = any(part.isdigit() for name in sample.files for part in name.split("."))
            sample.is_whole &= sample.files.keys() == names and not is_numbered
        yield sample


def _group_files(url: str, loads_media: Callable[[int], bool], report: Callable[[str], None]) -> Iterator[Sample]:
    """Samples, of which it is known whether they lie beside a damage."""
    sample, number, is_beside_damage = None, -1, False
    try:
        with _open(url, _BYTES_AHEAD if loads_media(0) else _FEW_BYTES_AHEAD) as shard:
            for member in _read_members(shard, report):
                if isinstance(member, _Break):
                    is_beside_damage = member is not _Break.END
                    if sample is not None:
                        sample.is_beside_damage |= is_beside_damage
                        sample.is_whole &= member is not _Break.CUT
                    if sample is not None and member is _Break.END:
                        yield sample
                        sample = None
                    continue
                name = _MEMBER_NAME.fullmatch(member.name)
                if name is None or member.isdir():
                    continue
                key, rest = name[1], name[2].lower()
                # A name that comes again begins another sample, as in a shard that was written to twice.
                if sample is not None and (sample.key != key or rest in sample.files):
                    yield sample
                    sample = None
                if sample is None:
                    sample, number = Sample(key, url, {}, is_beside_damage=is_beside_damage), number + 1
                is_beside_damage = False
                if not member.isreg() or member.issparse():
                    report(f"{member.name} is a link or has holes, which are not read")
                    sample.is_whole = False
                elif rest.endswith(_TEXT_SUFFIXES) or loads_media(number):
                    sample.files[rest] = _read(shard, member.offset_data, member.size)
                else:
                    sample.files[rest] = StoredFile(url, member.offset_data, member.size)
        if number < 0:
            report("it has no samples, which are files such as 000001.mp4 with 000001.json")
    except Exception as error:  # libraries of storage raise whatever they like
        report(f"{type(error).__name__}: {error}")
        if sample is not None:
            sample.is_beside_damage = True
    if sample is not None:
        yield sample


def _read_members(shard: BinaryIO, report: Callable[[str], None]) -> Iterator[tarfile.TarInfo | _Break]:
    """Headers of a shard, and what breaks their sequence."""
    size = shard.seek(0, io.SEEK_END)
    start = 0
    while True:
        last, stop = None, start  # what is read last, and where no header follows it
        shard.seek(start)
        with (
            suppress(tarfile.TarError, ArithmeticError, LookupError, ValueError),  # whatever headers may say
            tarfile.open(fileobj=shard, mode="r:") as archive,
        ):
            while (member := archive.next()) is not None and 0 <= member.size <= size - member.offset_data:
                yield member
                last, stop = member, archive.offset
        num_zeros = _count_zeros(shard, stop)
        end = stop + num_zeros
        is_end = _SHORTEST_END <= num_zeros <= _LONGEST_END and (end - start) % tarfile.RECORDSIZE == 0
        if end >= size and 0 < num_zeros <= _LONGEST_END:
            return
        if is_end and next(_find_headers(shard, end), None) == end:
            yield _Break.END
            start = end
            continue
        # Also inside the last file, of which the end may be missing; what looks like a header at `stop` is none.
        headers = _find_headers(shard, stop if last is None else last.offset_data)
        found = next((place for place in headers if place != stop), None)
        behind = "" if last is None else f", behind {last.name}"
        zeros = f", where {num_zeros} zeros are" if num_zeros else ""
        goes_on = "" if found is None else f"; read on from byte {found}"
        what = "is no tar file" if found is None and stop == 0 else "is cut short" if found is None else "is damaged"
        report(f"it {what} at byte {stop} of {size}{behind}{zeros}{goes_on}")
        yield _Break.CUT if found is not None and found < stop else _Break.DAMAGE
        if found is None:
            return
        start = found


def _count_zeros(shard: BinaryIO, start: int) -> int:
    """How many bytes of whole blocks of zeros there are from a place on."""
    shard.seek(start)
    num_zeros = 0
    while (block := shard.read(tarfile.BLOCKSIZE)) and not block.strip(b"\0"):
        num_zeros += len(block)
    return num_zeros


def _find_headers(shard: BinaryIO, start: int) -> Iterator[int]:
    """Where headers of files begin from a place on, at any byte, as files that were joined or lack bytes have them."""
    shard.seek(start)
    window = shard.read(_BYTES_AT_ONCE)
    while len(window) >= tarfile.BLOCKSIZE:
        for magic in _MAGIC.finditer(window, _PLACE_OF_MAGIC):
            place = magic.start() - _PLACE_OF_MAGIC
            with suppress(tarfile.HeaderError):
                header = window[place : place + tarfile.BLOCKSIZE]
                tarfile.TarInfo.frombuf(header, tarfile.ENCODING, "surrogateescape")
                yield start + place
        kept = window[1 - tarfile.BLOCKSIZE :]
        start += len(window) - len(kept)
        window = kept + shard.read(_BYTES_AT_ONCE)


def _open(url: str, bytes_ahead: int) -> fsspec.core.OpenFile:
    """A shard to be read from its begin on; of a web server, fsspec would ask for many bytes twice."""
    is_web = url.startswith(("http://", "https://"))
    options = {"cache_type": "readahead", "block_size": bytes_ahead} if is_web else {}
    return fsspec.open(url, "rb", **options)


def _read(shard: BinaryIO, offset: int, size: int) -> bytes:
    """A part of a shard."""
    shard.seek(offset)
    data = shard.read(size)
    if len(data) < size:
        raise EOFError(f"{len(data)} bytes were read from byte {offset} on, but expected {size}")
    return data
