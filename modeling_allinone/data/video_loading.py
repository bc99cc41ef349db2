# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Reading the clips of rows, in the workers of a data loader: what is broken, slow or fatal is named."""

import contextvars
import ctypes
import faulthandler
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import get_worker_info
from transformers.utils import logging

from ..datasets.row_transforms import generator_of
from ..models.processing_allinone import AllInOneProcessor
from ..models.video_processing_allinone import stack_clips
from ..models.video_sources_allinone import clip_arguments, source_name
from .workers import DeathNotices

logger = logging.get_logger(__name__)

Result = TypeVar("Result")

ON_DECODE_ERROR = ("raise", "skip")
SKIPPED_NAME = "skipped_clips.jsonl"
REPLACED_NAME = "replaced_frames.jsonl"

# A worker that has not noticed the end of a limit so many seconds later hangs in a library that lets no thread run.
_GRACE_SECONDS = 5.0
_NUM_SLOTS, _SLOT_SIZE, _NOTE_SIZE = 64, 1024, 1000  # workers, bytes, bytes beside the number of a process
_BLANK_SIZE = 1024  # pixels; larger than any crop
_MEDIA = ("video", "image", "images")


class ClipTimeoutError(TimeoutError):
    """Reading a clip took longer than allowed."""


class DeadWorkerError(RuntimeError):
    """
    A worker of a data loader died while it read a clip.

    Args:
        message (`str`)
        clips (sequence of `str`): The clips at hand, as [`note_of`] has them; none if it died between two.
    """

    def __init__(self, message: str, clips: Sequence[str] = ()):
        super().__init__(message)
        self.clips = tuple(clips)


@dataclass
class VideoLoader:
    """
    Reads the clips of rows into `pixel_values`, and `pixel_mask` where the processor pads; a clip that cannot be read
    is named, and never replaced by another.

    Args:
        processor ([`AllInOneProcessor`]): Reads a clip.
        video_options (`dict`, *optional*): Call arguments of the video processor, such as
            `{"frame_sampling": "random", "num_frames": 4}` for training.
        on_decode_error (`str`, defaults to `"raise"`): What to do about a clip that cannot be read: `"raise"`, or
            `"skip"`: blank frames (0, the mean colour) take its place, and the caller knows which they are.
        seconds_per_clip (`float`, *optional*): Longest time to read a clip, in seconds; see [`run_within`].
        skipped_file (`str` or `Path`, *optional*): JSON lines are appended to it, one for each skipped clip, with
            `video`, `sample_id` and `reason`. Several processes may share it. What `on_corrupt_frame="nearest"` of the
            processor replaces is listed beside it in `replaced_frames.jsonl`, with `replaced`, frames by frames.
        prepare_row (`Callable[[dict], dict]`, *optional*): Changes a row just before its clip is read, such as by
            painting on its image; what it raises counts as a clip that cannot be read.

    Row fields: `video` (path, URL, bytes of a file or what else [`open_clip`] takes, such as decoded frames
    `(T, H, W, 3)`, uint8) or `image`, or `images`
    (several for a row); optionally `start` and `end` (seconds; `None` is the whole clip), `frame_rate` (of a folder of
    frames; no matter for files), `draw` (`int`, which seeds the choice of random frames) and `is_resized` (`bool`:
    `video` are frames of which nothing is left to do but to crop, such as those of [`cache_frames`]).

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor

    >>> processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=3), BertTokenizer())
    >>> read = VideoLoader(processor, on_decode_error="skip")
    >>> clips, is_readable = read([{"video": np.zeros((8, 240, 320, 3), dtype=np.uint8)}, {"video": "no.mp4"}])
    >>> clips["pixel_values"].shape, is_readable
    (torch.Size([2, 3, 3, 224, 224]), tensor([ True, False]))

    ```
    """

    processor: AllInOneProcessor
    video_options: dict[str, Any] = field(default_factory=dict)
    on_decode_error: str = "raise"
    seconds_per_clip: float | None = None
    skipped_file: str | Path | None = None
    prepare_row: Callable[[dict], dict] | None = None

    def __post_init__(self):
        if self.on_decode_error not in ON_DECODE_ERROR:
            raise ValueError(
                f"on_decode_error is {self.on_decode_error!r}; expected one of {', '.join(ON_DECODE_ERROR)}."
            )
        if self.seconds_per_clip is not None and not self.seconds_per_clip > 0:
            raise ValueError(f"seconds_per_clip is {self.seconds_per_clip}; expected a positive number, or None.")
        # What each worker reads, in memory that outlives it.
        self._slots = torch.zeros(_NUM_SLOTS, _SLOT_SIZE, dtype=torch.uint8).share_memory_()
        self._skipped = torch.zeros(_NUM_SLOTS, dtype=torch.int64).share_memory_()
        self._replaced = torch.zeros(_NUM_SLOTS, dtype=torch.int64).share_memory_()

    def __call__(self, rows: Sequence[dict]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """
        Read the clips of a batch.

        Args:
            rows (sequence of `dict`): B rows.

        Returns:
            `pixel_values` (B, T, 3, H, W), or (B, N, 1, 3, H, W) for `images`, and, if the processor pads,
            `pixel_mask` (B, H, W) or (B, N, H, W); and a `torch.BoolTensor` (B,): which rows could be read.

        Raises:
            Exception: What the video processor raises, with a note of the clip's name, if `on_decode_error="raise"`.
            ValueError: If clips differ in shape and the processor does not pad; if no row has such a column,
                which is never skipped.
        """
        if not any(name in row for row in rows for name in _MEDIA):
            raise ValueError(describe_missing(rows[0], "video"))
        clips = [self._read(row) for row in rows]
        is_readable = torch.tensor([clip is not None for clip in clips])
        like = next((clip for clip in clips if clip is not None), None) or self._process(blank_clip(rows[0]))
        blank = like | {"pixel_values": torch.zeros_like(like["pixel_values"])}
        named = [(name_of(row), blank if clip is None else clip) for row, clip in zip(rows, clips, strict=True)]
        return stack_clips(named), is_readable

    @property
    def num_skipped(self) -> int:
        """How many times a clip was skipped, by all workers of this process."""
        return int(self._skipped.sum())

    @property
    def num_replaced(self) -> int:
        """How many damaged frames were replaced by whole ones, by all workers of this process."""
        return int(self._replaced.sum())

    def share_notes(self, other: "VideoLoader"):
        """Let another reader note what it reads, skips and replaces here, so that either one counts both."""
        other._slots, other._skipped, other._replaced = self._slots, self._skipped, self._replaced

    def explain_dead_worker(self, error: Exception) -> DeadWorkerError | None:
        """
        Find out on which clips the workers of a data loader died.

        Args:
            error (`Exception`): What the loader raised. Until it is explained, others are to be kept away
                ([`DeathNotices`]).

        Returns:
            [`DeadWorkerError`] that names the clips, or `None` if the error is another.
        """
        if isinstance(error, ConnectionError | EOFError):  # a batch broke off on its way from the worker
            wait([worker.sentinel for worker in multiprocessing.active_children()], timeout=1)
            time.sleep(0.1)
        elif "DataLoader worker (pid" not in str(error):
            return None
        alive = {str(worker.pid) for worker in multiprocessing.active_children()}
        notes = [bytes(slot.tolist()).rstrip(b"\0").decode(errors="replace").partition(" ") for slot in self._slots]
        clips = [name for pid, _, name in notes if pid and pid not in alive]
        return DeadWorkerError(
            "A worker that reads clips died (killed, out of memory, or a crash of the decoder) at "
            f"{' or '.join(clips) or 'between two clips'}. Remove or re-encode the clip, use fewer workers, or set a "
            "limit of seconds per clip.",
            clips,
        )

    def _read(self, row: dict) -> dict[str, torch.Tensor] | None:
        """A clip, `pixel_values` (T, 3, H, W) and perhaps `pixel_mask` (H, W); `None` if it is to be skipped."""
        name = name_of(row)
        try:
            with self.noted(note_of(row)):
                return run_within(self.seconds_per_clip, name, lambda: self._process(row))
        except Exception as error:  # libraries of codecs raise whatever they like
            if self.on_decode_error == "raise":
                sample = "" if row.get("sample_id") is None else f" (sample {row['sample_id']})"
                if sample or name not in str(error):
                    error.add_note(f"The clip is {name}{sample}.")
                raise
            self.skip(row, f"{type(error).__name__}: {error}")
            return None

    def skip(self, row: dict, reason: str):
        """Count, log and list a row whose clip cannot be read."""
        self._skipped[_slot_number()] += 1
        record_skipped(self.skipped_file, name_of(row), row.get("sample_id"), reason)

    def _process(self, row: dict) -> dict[str, torch.Tensor]:
        if self.prepare_row is not None:
            row = self.prepare_row(row)
        options = dict(self.video_options)
        if row.get("draw") is not None:
            options["generator"] = generator_of(row)
        if all(row.get(name) is None for name in ("images", "image", "video")):
            raise ValueError(describe_missing(row, "video"))
        if row.get("is_resized"):
            height, width = row["video"].shape[1:3]
            options |= {"do_resize": False, "decode_size": {"height": height, "width": width}}
        arguments = clip_arguments(row)
        if "videos" in arguments:
            inputs = self._process_video(row, arguments, options)
        else:
            inputs = self.processor(**arguments, **options)
        clip = {name: inputs[name] for name in ("pixel_values", "pixel_mask") if name in inputs}
        has_views = len(clip["pixel_values"]) > 1
        return clip if has_views else {name: values[0] for name, values in clip.items()}

    def _process_video(self, row: dict, arguments: dict[str, Any], options: dict[str, Any]) -> Mapping[str, Any]:
        """A video; which of its frames stand in for damaged ones is noted."""
        inputs = self.processor(**options | arguments | {"return_metadata": True})
        replaced = inputs["video_metadata"][0].replaced_frames
        if replaced:
            self._replaced[_slot_number()] += len(replaced)
            if self.skipped_file is not None:
                line = {"video": name_of(row), "sample_id": row.get("sample_id"), "replaced": replaced}
                _append(Path(self.skipped_file).with_name(REPLACED_NAME), line)
        return inputs

    @contextmanager
    def noted(self, note: str) -> Iterator[None]:
        """
        Leave word of what this process is reading, for when it dies of it.

        Args:
            note (`str`): As [`note_of`] has it.
        """
        worker = get_worker_info()
        if worker is None or worker.id >= _NUM_SLOTS:
            yield
            return
        slot, noted = self._slots[worker.id], f"{os.getpid()} {note}".encode(errors="replace")
        slot[: len(noted)] = torch.frombuffer(bytearray(noted), dtype=torch.uint8)
        try:
            yield
        finally:
            slot.zero_()


@contextmanager
def explaining_dead_workers(*readers: VideoLoader) -> Iterator[None]:
    """
    Raise [`DeadWorkerError`], which names the clips, where a worker that reads clips dies meanwhile.

    Args:
        readers ([`VideoLoader`]): What reads in workers.
    """
    with DeathNotices() as notices:
        try:
            yield
        except Exception as error:
            notices.are_heard = False
            for reader in readers:
                if dead := reader.explain_dead_worker(error):
                    raise dead from error
            raise


def describe_missing(row: Mapping[str, Any], *names: str) -> str:
    """
    Say what a row lacks, and who takes columns away unless told otherwise.

    Args:
        row (mapping): A row.
        *names (`str`): Columns that it has not, or only as `None`.

    Returns:
        `str`: The message of an error.
    """
    return (
        f"A row has no {' and no '.join(names)}; it has {sorted(name for name in row if row[name] is not None)}. If "
        "they were there, transformers' Trainer has removed them: give TrainingArguments remove_unused_columns=False, "
        "since collators read columns that no model takes."
    )


def blank_clip(row: Mapping[str, Any]) -> dict[str, Any]:
    """
    Make what stands for a row's clip, image or images where they are not to be seen.

    Args:
        row (mapping): A row with `images`, `image` or `video`.

    Returns:
        `dict`: The same column in grey; of a video also `start` and `end`, which are `None`.
    """
    grey = np.full((_BLANK_SIZE, _BLANK_SIZE, 3), 128, dtype=np.uint8)
    if row.get("images") is not None:
        return {"images": [grey] * len(row["images"])}
    if row.get("image") is not None:
        return {"image": grey}
    return {"video": grey[None], "start": None, "end": None}


def record_skipped(path: str | Path | None, name: str, sample_id: str | None, reason: str):
    """
    Log that something is skipped, and list it.

    Args:
        path (`str` or `Path`, *optional*): JSON lines are appended to it; several processes may share it.
        name (`str`): What is skipped.
        sample_id (`str`, *optional*): The row.
        reason (`str`): Why, of which the first line is kept.
    """
    reason = "".join(reason.splitlines()[:1])
    logger.warning(f"Skipped {name}: {reason}")
    if path is not None:
        _append(path, {"video": name, "sample_id": sample_id, "reason": reason})


def read_skipped(path: str | Path) -> list[dict[str, Any]]:
    """
    The clips that a [`VideoLoader`] skipped.

    Args:
        path (`str` or `Path`): Its `skipped_file`, which need not exist.

    Returns:
        `list` of `dict`: `video`, `sample_id` and `reason` of each, each sample once.
    """
    return list({(clip["video"], clip["sample_id"]): clip for clip in _read_lines(path)}.values())


def read_replaced(path: str | Path) -> list[dict[str, Any]]:
    """
    The damaged frames for which a [`VideoLoader`] took others.

    Args:
        path (`str` or `Path`): The `replaced_frames.jsonl` beside its `skipped_file`, which need not exist.

    Returns:
        `list` of `dict`: `video`, `sample_id` and `replaced` of each, each sample once.
    """
    replaced: dict[tuple, dict[str, Any]] = {}
    for clip in _read_lines(path):
        found = replaced.setdefault((clip["video"], clip["sample_id"]), clip)
        found["replaced"] |= clip["replaced"]
    return list(replaced.values())


def _append(path: str | Path, entry: dict[str, Any]):
    # A single short write to a file open for appending is not torn apart by those of other processes.
    with open(path, "ab", buffering=0) as file:
        file.write((json.dumps(entry) + "\n").encode())


def _read_lines(path: str | Path) -> list[dict[str, Any]]:
    path = Path(path)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _slot_number() -> int:
    """Where this process counts."""
    worker = get_worker_info()
    return 0 if worker is None else worker.id % _NUM_SLOTS


def name_of(row: Mapping[str, Any]) -> str:
    """
    What to call the clip of a row in a message.

    Args:
        row (mapping): A row.

    Returns:
        `str`: Where it comes from, or what else the row says of it.
    """
    sources = [row.get("video"), row.get("image"), *(row.get("images") or ())]
    names = [name for name in map(source_name, sources) if name]
    if names:
        return ", ".join(names)
    if isinstance(frames := row.get("video"), list | tuple) and frames and source_name(frames[0]):
        return f"{source_name(frames[0])} and the {len(frames) - 1} frames after it"
    if row.get("__url__") is not None:  # a row of a shard
        return f"{row.get('__key__')} of {row['__url__']}"
    return f"the frames of {row.get('video_id') or row.get('sample_id') or 'a row'}"


def note_of(row: Mapping[str, Any]) -> str:
    """
    The name of a row's clip, and which part of it is read, cut to some 1000 bytes.

    Args:
        row (mapping): A row.

    Example:

    ```python
    >>> note_of({"video": "film.mp4", "start": 12.0, "end": None})
    'film.mp4 from 12.0 s'

    ```
    """
    words = {"start": "from", "end": "to"}
    part = "".join(f" {word} {row[name]} s" for name, word in words.items() if row.get(name) is not None)
    return f"{name_of(row)}{part}".encode(errors="replace")[-_NOTE_SIZE:].decode(errors="ignore")


def run_within(seconds: float | None, name: str, read: Callable[[], Result]) -> Result:
    """
    Read a clip in a thread of its own, which is left to itself when its time is over.

    So the limit holds in any thread and on any system, also where a decoder hangs in a library. The reading thread
    gets an exception as soon as it is in Python again. A library that lets no other thread run ends the worker of a
    data loader a few seconds later, and is waited for elsewhere.

    Args:
        seconds (`float`, *optional*): Longest time; `None` is without a limit.
        name (`str`): What to call the clip.
        read (`Callable[[], Result]`): Reads it.

    Returns:
        What `read` returns.

    Raises:
        ClipTimeoutError: If it takes longer.
        Exception: What `read` raises.

    Example:

    ```python
    >>> run_within(10, "a clip", lambda: 2)
    2

    ```
    """
    if seconds is None:
        return read()
    seconds = min(seconds, threading.TIMEOUT_MAX / 2)
    outcome: Future[Result] = Future()

    def run():
        try:
            outcome.set_result(read())
        except BaseException as error:
            outcome.set_exception(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    is_worker = get_worker_info() is not None  # the process of the user is not ended
    with open(os.devnull, "w") as nowhere:
        if is_worker:
            faulthandler.dump_traceback_later(seconds + _GRACE_SECONDS, exit=True, file=nowhere)
        try:
            thread.start()
            return outcome.result(seconds)
        except TimeoutError:
            if outcome.done():  # the reader's own, or just in time
                return outcome.result()
            exception = ctypes.py_object(ClipTimeoutError)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), exception)
            raise ClipTimeoutError(f"Reading {name} took longer than {seconds} s.") from None
        finally:
            if is_worker:
                faulthandler.cancel_dump_traceback_later()


__all__ = [
    "ON_DECODE_ERROR",
    "REPLACED_NAME",
    "SKIPPED_NAME",
    "ClipTimeoutError",
    "DeadWorkerError",
    "VideoLoader",
    "blank_clip",
    "describe_missing",
    "name_of",
    "note_of",
    "read_replaced",
    "read_skipped",
    "record_skipped",
    "run_within",
]
