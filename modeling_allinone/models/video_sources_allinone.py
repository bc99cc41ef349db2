# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Where a clip is to be read from: paths, URLs, rows of `datasets` and decoders of torchcodec lead to a file."""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem


def resolve_source(source, name: str) -> tuple:
    """
    Whatever leads to a file -> its path on this machine, or else its bytes; other sources stay as they are.

    Args:
        source: As in [`open_clip`].
        name (`str`): What messages call a source without a path.

    Returns:
        The path or the bytes, and what messages call them: the path or the URL, where there is one.

    Raises:
        `FileNotFoundError`: Nothing lies at the URL.
        `ValueError`: A URL that cannot be fetched.
    """
    if is_decoder(source):
        name = source_name(source) or name
        source = getattr(source, "_hf_encoded", source)  # what `datasets` has made the decoder of
    if isinstance(source, dict) and source and set(source) <= {"path", "bytes"}:
        name = source_name(source) or name
        data, path = source.get("bytes"), source.get("path")
        if data is None and path is None:
            raise ValueError(f"{name} has neither a path nor bytes; expected one of them.")
        source = path if data is None else data
    if isinstance(source, bytearray | memoryview):
        source = bytes(source)
    if isinstance(source, str):
        return (_fetch(source), source) if is_url(source) else (Path(source), source)
    return source, str(source) if isinstance(source, Path) else name


def source_name(source) -> str | None:
    """The path or the URL of a source, if it has one."""
    if isinstance(source, str | Path):
        return str(source)
    if is_decoder(source):
        source = {"path": getattr(source.metadata, "path", None)}
    return source.get("path") if isinstance(source, dict) else None


def is_url(source: str) -> bool:
    """Whether a text is a URL or a chain of them (`zip://clip.mp4::https://...`), and no path of this machine."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+(://|::.*://)", source) is not None


def is_decoder(source) -> bool:
    """Whether a source is a `VideoDecoder` of torchcodec, which need not be installed."""
    return hasattr(source, "get_frames_at") and hasattr(source, "metadata")


def has_own_times(source) -> bool:
    """Whether a source is a file, and no folder, list or array, which need a frame rate to have times."""
    if isinstance(source, str | Path):
        return not Path(str(source).removeprefix("file://")).is_dir()
    return isinstance(source, bytes | bytearray | memoryview | dict) or is_decoder(source)


def frame_rate_of(row: Mapping[str, Any]) -> float | None:
    """
    Frames per second of a row's video, where it has no times of its own and the row says it.

    Args:
        row (mapping): A row with `video`, and perhaps `frame_rate`, or `fps`, as rows of version 0.1 call it.
    """
    if has_own_times(row["video"]):
        return None
    return row.get("fps") if row.get("frame_rate") is None else row["frame_rate"]


def clip_arguments(row: Mapping[str, Any]) -> dict[str, Any]:
    """
    What a row says of its clip, as arguments of the processor.

    Args:
        row (mapping): With `images` (several for a row), `image`, or `video` and perhaps `start`, `end` (seconds) and
            `frame_rate`.

    Returns:
        `dict`: `images`, or `videos` with the others, each a list of one.
    """
    if row.get("images") is not None:
        return {"images": [list(row["images"])]}
    if row.get("image") is not None:
        return {"images": [row["image"]]}
    times = {"start": row.get("start"), "end": row.get("end"), "frame_rate": frame_rate_of(row)}
    return {"videos": [row["video"]], **{name: [value] for name, value in times.items() if value is not None}}


def opened_source(source: Path | bytes) -> BinaryIO:
    """The bytes of a source, open for reading."""
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def as_file(source: Path | bytes) -> str | BinaryIO:
    """A file as decoders take it, which read from a path sooner than from Python."""
    return io.BytesIO(source) if isinstance(source, bytes) else str(source)


def size_of(source: Path | bytes) -> int:
    """Bytes of a source."""
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def tail_of(source: Path | bytes, length: int = 64) -> bytes:
    """The last bytes of a source."""
    with opened_source(source) as file:
        file.seek(-min(length, size_of(source)), 2)
        return file.read()


def _fetch(url: str) -> Path | bytes:
    """The bytes of a URL, or the path that it stands for."""
    try:
        files, path = url_to_fs(url)
        return Path(path) if isinstance(files, LocalFileSystem) else files.cat_file(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{url} does not exist; give the URL of a video or an image.") from error
    except Exception as error:  # each file system raises its own types
        raise ValueError(
            f"{url} cannot be fetched ({type(error).__name__}: {error}); check it and the connection, or fetch the "
            "file by other means and give its path."
        ) from error
