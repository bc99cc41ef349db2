"""One tar shard, here or at a URL -> its samples: what is damaged is told, and what is not damaged is read."""

import enum
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import fsspec

INDEX_NAME = "index.json"

# A sample is a row of files with one key: all up to the first dot of their names.
_MEMBER_NAME = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)")
_TEXT_SUFFIXES = ("json", "txt")

_MAGIC, _PLACE_OF_MAGIC = b"ustar", 257  # what headers have, and where
_BYTES_AT_ONCE = 2**20
# An archive ends in two blocks of zeros, and in more of them up to a multiple of its records.
_SHORTEST_END = 2 * tarfile.BLOCKSIZE
_LONGEST_END = _SHORTEST_END + tarfile.RECORDSIZE - tarfile.BLOCKSIZE


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
        with fsspec.open(self.url, "rb") as shard:
            return _read(shard, self.offset, self.size)


@dataclass
class Sample:
    """
    Files of one key.

    Args:
        key (`str`): What their names begin with.
        url (`str`): The shard.
        files (`dict` from `str` to `bytes` or [`StoredFile`]): By the rest of their names, such as "json" or "mp4".
        is_whole (`bool`): Whether it has all its files, as far as can be told.
        is_beside_damage (`bool`): Whether the shard is damaged before, behind or between them.
    """

    key: str
    url: str
    files: dict[str, bytes | StoredFile]
    is_whole: bool = True
    is_beside_damage: bool = False


class _Break(enum.Enum):
    """What lies between two files where not the header of the second follows the first."""

    END = enum.auto()  # of an archive, to which another is joined
    DAMAGE = enum.auto()
    CUT = enum.auto()  # damage that takes a part of the first file


def read_samples(url: str, loads_media: Callable[[], bool], report: Callable[[str], None]) -> Iterator[Sample]:
    """
    Read the samples of a shard in their order, as far as it is whole.

    After a damaged part, reading goes on with the next header that is found, at whatever byte. A sample beside a
    damage counts as whole if it has the same files as one that is not, and none that are numbered, of which the last
    could be missing. Archives that were joined are read one after the other.

    Args:
        url (`str`): A tar file: a path or whatever fsspec opens and can seek in.
        loads_media (`Callable`): Asked before each file but texts: whether to read it, or to say where it lies.
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
    >>> for sample in read_samples("clips.tar", loads_media=lambda: True, report=print):
    ...     sample.key, sample.files
    ('a', {'json': b'{}', 'mp4': b'film'})
    ('b', {'mp4': b'another'})

    ```
    """
    names, waiting = None, []
    for sample in _group_files(url, loads_media, report):
        if not sample.is_beside_damage and sample.is_whole:
            names = sample.files.keys()
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


def _group_files(url: str, loads_media: Callable[[], bool], report: Callable[[str], None]) -> Iterator[Sample]:
    """Samples, of which it is known whether they lie beside a damage."""
    sample, is_empty, is_beside_damage = None, True, False
    try:
        with fsspec.open(url, "rb") as shard:
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
                is_empty = False
                key, rest = name[1], name[2].lower()
                # A name that comes again begins another sample, as in a shard that was written to twice.
                if sample is not None and (sample.key != key or rest in sample.files):
                    yield sample
                    sample = None
                sample = sample or Sample(key, url, {}, is_beside_damage=is_beside_damage)
                is_beside_damage = False
                if not member.isreg() or member.issparse():
                    report(f"{member.name} is a link or has holes, which are not read")
                    sample.is_whole = False
                elif loads_media() or rest.endswith(_TEXT_SUFFIXES):
                    sample.files[rest] = _read(shard, member.offset_data, member.size)
                else:
                    sample.files[rest] = StoredFile(url, member.offset_data, member.size)
        if is_empty:
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
        # What is read last, where no header follows it, and where to look for the next one.
        last, stop, place, problem = None, start, start + 1, ""
        shard.seek(start)
        try:
            with tarfile.open(fileobj=shard, mode="r:") as archive:
                while (member := archive.next()) is not None:
                    if not 0 <= member.size <= size - member.offset_data:
                        problem = f"it is cut short: {member.name} goes on after its {size} bytes"
                        stop, place = member.offset, member.offset_data
                        break
                    yield member
                    last, stop, place = member, archive.offset, member.offset_data
        except (tarfile.TarError, ArithmeticError, LookupError, ValueError) as error:  # whatever headers may say
            if start == 0 == stop:
                problem = f"{type(error).__name__}: {error}"
        zeros_end = _find_end_of_zeros(shard, stop)
        num_zeros = zeros_end - stop
        if zeros_end >= size and 0 < num_zeros <= _LONGEST_END:
            return
        is_aligned = (zeros_end - start) % tarfile.RECORDSIZE == 0
        if _SHORTEST_END <= num_zeros <= _LONGEST_END and is_aligned and _is_header(shard, zeros_end):
            start = zeros_end
            yield _Break.END
            continue
        found = _find_header(shard, place)
        if found == stop:  # it could not be made sense of, although it looks like one
            found = _find_header(shard, stop + 1)
        if problem == "" or found is not None:
            problem = f"it is {'cut short' if stop >= size else 'damaged'} at byte {stop} of {size}"
        if last is not None:
            problem += f", behind {last.name}"
        if num_zeros:
            problem += f", where {num_zeros} zeros are"
        report(problem if found is None else f"{problem}; read on from byte {found}")
        if found is None:
            yield _Break.DAMAGE
            return
        yield _Break.CUT if last is not None and found < stop else _Break.DAMAGE
        start = found


def _find_end_of_zeros(shard: BinaryIO, start: int) -> int:
    """Where the blocks of zeros end that begin at a place, which may be at once."""
    shard.seek(start)
    while block := shard.read(tarfile.BLOCKSIZE):
        if block.strip(b"\0"):
            return start
        start += len(block)
    return start


def _find_header(shard: BinaryIO, start: int) -> int | None:
    """Where the next header begins, if there is one; files that were joined or lack bytes have it at any place."""
    shard.seek(start)
    window = b""
    while chunk := shard.read(_BYTES_AT_ONCE):
        window += chunk
        place = window.find(_MAGIC, _PLACE_OF_MAGIC)
        while place >= 0:
            begin = place - _PLACE_OF_MAGIC
            if _is_header(shard, start + begin):
                return start + begin
            place = window.find(_MAGIC, place + 1)
        dropped = max(len(window) - _PLACE_OF_MAGIC - len(_MAGIC) + 1, 0)
        start, window = start + dropped, window[dropped:]
        shard.seek(start + len(window))
    return None


def _is_header(shard: BinaryIO, place: int) -> bool:
    """Whether the header of a file is at a place."""
    shard.seek(place)
    try:
        tarfile.TarInfo.frombuf(shard.read(tarfile.BLOCKSIZE), tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _read(shard: BinaryIO, offset: int, size: int) -> bytes:
    """A part of a shard."""
    shard.seek(offset)
    data = shard.read(size)
    if len(data) < size:
        raise EOFError(f"{len(data)} bytes were read from byte {offset} on, but expected {size}")
    return data


__all__ = ["INDEX_NAME", "Sample", "StoredFile", "read_index", "read_samples"]
