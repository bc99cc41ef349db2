"""One tar shard, here or at a URL -> its samples: what is damaged is told, and what is not damaged is read."""

import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import fsspec

# A sample is a row of files with one key: all up to the first dot of their names.
_MEMBER_NAME = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)")
_TEXT_SUFFIXES = ("json", "txt")


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
            shard.seek(self.offset)
            return shard.read(self.size)


@dataclass
class Sample:
    """
    Files of one key.

    Args:
        key (`str`): What their names begin with.
        url (`str`): The shard.
        files (`dict` from `str` to `bytes` or [`StoredFile`]): By the rest of their names, such as "json" or "mp4".
    """

    key: str
    url: str
    files: dict[str, bytes | StoredFile]


def read_samples(url: str, loads_media: Callable[[], bool], report: Callable[[str], None]) -> Iterator[Sample]:
    """
    Read the samples of a shard in their order, as far as it is whole.

    After a damaged part, reading goes on with the next file that can be told from it.

    Args:
        url (`str`): A tar file: a path or whatever fsspec opens and can seek in.
        loads_media (`Callable`): Asked before each file but texts: whether to read it, or to say where it lies.
        report (`Callable`): Told each damage.

    Yields:
        [`Sample`]: The first damaged one lacks files.

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
    sample = None
    try:
        with fsspec.open(url, "rb") as shard:
            for member in _read_members(shard, report):
                name = _MEMBER_NAME.fullmatch(member.name)
                if name is None:
                    continue
                key, rest = name[1], name[2].lower()
                # A name that comes again begins another sample, as in a shard that was written to twice.
                if sample is not None and (sample.key != key or rest in sample.files):
                    yield sample
                    sample = None
                sample = sample or Sample(key, url, {})
                if loads_media() or rest.endswith(_TEXT_SUFFIXES):
                    shard.seek(member.offset_data)
                    sample.files[rest] = shard.read(member.size)
                else:
                    sample.files[rest] = StoredFile(url, member.offset_data, member.size)
        if sample is None:
            report("it has no samples, which are files such as 000001.mp4 with 000001.json")
    except Exception as error:  # libraries of storage raise whatever they like
        report(f"{type(error).__name__}: {error}")
    if sample is not None:
        yield sample


def _read_members(shard: BinaryIO, report: Callable[[str], None]) -> Iterator[tarfile.TarInfo]:
    """Headers of the files in a shard."""
    size = shard.seek(0, 2)
    shard.seek(0)
    with tarfile.open(fileobj=shard, mode="r:") as tar:
        while True:
            member = tar.next()
            if member is None and (tar.ignore_zeros or _ends_well(shard, tar.offset)):
                return
            if member is None:
                cut = tar.offset >= size
                report(f"it is {'cut short' if cut else 'damaged'} at byte {tar.offset} of {size}")
                tar.ignore_zeros = True  # look for the next header
            elif member.offset_data + member.size > size:
                report(f"it is cut short: {member.name} goes on after its {size} bytes")
                return
            elif member.isfile():
                yield member


def _ends_well(shard: BinaryIO, offset: int) -> bool:
    """Whether a block of zeros, which closes an archive, is where reading has ended."""
    shard.seek(offset)
    return shard.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)


__all__ = ["Sample", "StoredFile", "read_samples"]
