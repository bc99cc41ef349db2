# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Reading the windows of many videos, in the workers of a data loader, one of which may die of a video."""

import hashlib
import io
import os
import stat
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ..data.video_loading import VideoLoader, run_within
from ..data.video_windows import VideoWindows
from ..data.workers import DeathNotices
from ..models.video_decoding_allinone import IMAGE_SUFFIXES
from .index_tables import Stamp

VIDEO_SUFFIXES = {
    *(".3gp", ".asf", ".avi", ".divx", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
    *(".mxf", ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
}
THUMBNAIL_SIZE = 240  # pixels of the longer side
_NUM_DEATHS = 2  # of one video, after which it is not read again: the first may have been of something else


@dataclass
class Part:
    """Some windows of a video, one after the other, as a worker has read them; or why it could not."""

    path: str
    places: Sequence[int] = ()
    bounds: Sequence[tuple[float, float]] = ()
    duration: float | None = None
    clips: dict[str, torch.Tensor] = field(default_factory=dict)
    thumbnails: list[bytes] = field(default_factory=list)
    is_last: bool = True
    content: str = ""  # digest of the file, with the last part
    reason: str | None = None


def list_videos(sources: Sequence[str | Path]) -> list[str]:
    """
    The videos and images of folders, and files that are named.

    Args:
        sources (sequence of paths): Folders, which are searched with all that is below them but hidden files and
            links to folders, by the endings of names; files, whatever their names.

    Returns:
        `list` of `str`: Absolute paths, sorted, each once; among them folders that may not be read.

    Raises:
        FileNotFoundError: If there is no such folder or file.
    """
    found: set[str] = set()

    def note(error: OSError):
        found.add(error.filename)

    for source in sources:
        path = os.path.abspath(source)
        if os.path.isfile(path):
            found.add(path)
            continue
        if not os.path.isdir(path):
            raise FileNotFoundError(f"{source} does not exist; give a folder of videos, or videos.")
        for folder, folders, names in os.walk(path, onerror=note):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found |= {
                os.path.join(folder, name)
                for name in names
                if not name.startswith(".") and os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES
            }
    return sorted(found)


def stamp_of(path: str) -> Stamp:
    """
    The stamp of a file.

    Args:
        path (`str`)

    Returns:
        [`Stamp`]

    Raises:
        ValueError: If nothing can be known of it, not even whether it has changed.
    """
    try:
        path.encode()
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):  # to open others may wait for ever
            with open(path, "rb"):
                return Stamp(status.st_size, status.st_mtime_ns)
        reason = "it is a pipe or a device"
    except UnicodeEncodeError as error:
        raise ValueError(f"{path!a} has a name that is no text in UTF-8; rename it.") from error
    except OSError as error:
        reason = str(error.strerror)
    raise ValueError(f"{path} cannot be opened ({reason}); expected a file that may be read.")


def digest_of(path: str) -> str:
    """A hash of a file, all of it, since edits in place change no size: by it, it is known under another name."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def encode_thumbnail(frame: np.ndarray) -> bytes:
    """
    A small picture of a frame.

    Args:
        frame (`np.ndarray` of shape `(height, width, 3)`): uint8.

    Returns:
        `bytes`: A JPEG file, whose longer side has 240 pixels or fewer.
    """
    image = Image.fromarray(frame)
    image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=80)
    return file.getvalue()


class _Parts(IterableDataset):
    """The parts of videos, of which each worker reads its share from beginning to end."""

    def __init__(self, reader: VideoLoader, paths: Sequence[str], window: float, stride: float):
        self._reader, self._paths, self._lengths = reader, paths, (window, stride)

    def __iter__(self) -> Iterator[Part]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for path in self._paths[first::step]:
            with self._reader.noted(path):
                yield from self._read(path)

    def _read(self, path: str) -> Iterator[Part]:
        limit = self._reader.seconds_per_clip
        try:
            stamp = stamp_of(path)
            windows = run_within(limit, path, lambda: VideoWindows(self._reader.processor, path, *self._lengths))
            parts, num_read = windows.read(), 0
            while (read := run_within(limit, path, lambda: next(parts, None))) is not None:
                places, clips, frames = read
                num_read += len(places)
                is_last = num_read == len(windows.bounds)
                content = digest_of(path) if is_last else ""
                if is_last and stamp_of(path) != stamp:
                    raise ValueError(f"{path} has changed while it was read; index it once it is whole.")
                yield Part(
                    path,
                    places,
                    [windows.bounds[place] for place in places],
                    windows.duration,
                    dict(clips),
                    [encode_thumbnail(frame) for frame in frames],
                    is_last,
                    content,
                )
        except Exception as error:  # libraries of codecs raise whatever they like
            if self._reader.on_decode_error == "raise":
                raise
            reason = "".join(str(error).splitlines()[:1]) or type(error).__name__
            yield Part(path, reason=reason if path in reason else f"{path}: {reason}")


def read_parts(
    reader: VideoLoader,
    find_paths: Callable[[], Sequence[str]],
    window: float,
    stride: float,
    num_workers: int,
) -> Iterator[Part]:
    """
    Read the windows of videos. Where a worker dies, new ones go on, and a video that two died of is broken.

    Args:
        reader ([`VideoLoader`]): How windows are read; its `seconds_per_clip` is for some of them at a time.
        find_paths (callable): Which videos are still to be read; asked at the start, and after the death of a worker.
        window, stride (`float`): In seconds.
        num_workers (`int`): Processes that read; 0 is this one.

    Yields:
        [`Part`]: Those of a video in their order, between those of others.

    Raises:
        DeadWorkerError: If workers die between two videos.
    """
    deaths: Counter[str] = Counter()
    with DeathNotices() as notices:
        while paths := find_paths():
            workers = min(num_workers, len(paths))
            loader: DataLoader[Any] = DataLoader(
                _Parts(reader, paths, window, stride), batch_size=None, num_workers=workers
            )
            try:
                notices.are_heard = True
                with warnings.catch_warnings():
                    # LanceDB warns of processes that are forked; these do not use it.
                    warnings.filterwarnings("ignore", "lancedb fork support", RuntimeWarning)
                    parts = iter(loader)
                for part in parts:
                    notices.are_heard = False  # by who takes the part
                    yield part
                    notices.are_heard = True
                return
            except Exception as error:
                notices.are_heard = False
                if (dead := reader.explain_dead_worker(error)) is None:
                    raise
                if not dead.clips:
                    raise dead from error
                deaths.update(dead.clips)
                for path in dead.clips:
                    if deaths[path] >= _NUM_DEATHS:
                        yield Part(path, reason=f"{path}: {_NUM_DEATHS} workers died while they read it")
