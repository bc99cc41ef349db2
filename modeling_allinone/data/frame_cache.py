# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Decoded frames kept on disk: the clips of small data sets are decoded once, and not in every epoch of every run."""

import hashlib
import json
import os
from collections import UserDict
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate.state import PartialState
from fsspec.core import url_to_fs

from ..models.processing_allinone import AllInOneProcessor
from ..models.video_processing_allinone import AllInOneVideoProcessor
from ..models.video_sources_allinone import frame_rate_of, is_url
from .video_loading import run_within
from .workers import map_in_workers

if TYPE_CHECKING:
    import datasets


# What is done each time with frames that are kept. They are kept whole, as a crop that is resized again is another.
_DONE_LATER = dict.fromkeys(
    ("do_center_crop", "do_random_crop", "do_pad", "do_rand_augment", "do_rescale", "do_normalize"), False
)


class CachedFrames(UserDict[tuple, Any]):
    """
    Frames by clip, resized but not cropped, read from disk when they are asked for.

    Args:
        data (mapping of (video, start, end) to `Path`): Where the frames of each clip lie.
    """

    def __getitem__(self, clip: tuple) -> np.ndarray:
        path = self.data[clip]
        try:
            return np.load(path)
        except (ValueError, EOFError) as error:
            raise ValueError(f"The frames kept in {path} are damaged ({error}); remove the file.") from error


def cache_frames(
    rows: "datasets.Dataset",
    processor: AllInOneProcessor,
    folder: str | Path,
    num_workers: int | None = None,
    seconds_per_clip: float | None = None,
) -> CachedFrames:
    """
    Decode every clip once and keep its frames on disk, as training asks for them many times.

    Args:
        rows (`datasets.Dataset`): Rows with `video`, `start`, `end` and perhaps `frame_rate`. Videos that are neither
            paths nor URLs are left out.
        processor ([`AllInOneProcessor`]): Chooses the frames, those of evaluation, and their size.
        folder (`str` or `Path`): Where the frames are kept, a file for each clip; they are found again there as long
            as the video and the options of the processor are the same.
        num_workers (`int`, *optional*): Processes that decode. Default: one for each core.
        seconds_per_clip (`float`, *optional*): Longest time to decode a clip; one that takes longer is left out.

    Returns:
        [`CachedFrames`]: (video, start, end) -> frames (T, H, W, 3), uint8, resized and not cropped yet; without clips
        that cannot be read, which are left to the collator to raise or to skip.
    """
    columns = [name for name in ("video", "start", "end", "frame_rate", "fps") if name in rows.column_names]
    files = (row for row in rows.select_columns(columns) if isinstance(row["video"], str))
    named = {(row["video"], row["start"], row["end"]): row for row in files}
    clips = {clip: frame_rate_of(row) for clip, row in named.items()}
    # Not who loads it, which is noted when it is saved.
    options = {name: value for name, value in processor.video_processor.to_dict().items() if name != "auto_map"}
    signature = json.dumps(options | _DONE_LATER, sort_keys=True, default=str)
    paths = {clip: Path(folder, f"{_identify(clip, rate, signature)}.npy") for clip, rate in clips.items()}
    with PartialState().main_process_first():
        missing = [(clip, clips[clip], path) for clip, path in paths.items() if not path.exists()]
        if missing:
            Path(folder).mkdir(parents=True, exist_ok=True)
            write = partial(_write_frames, processor.video_processor, seconds_per_clip)
            map_in_workers(write, missing, num_workers, "decoding")
    return CachedFrames({clip: path for clip, path in paths.items() if path.exists()})


def _identify(clip: tuple, frame_rate: float | None, options: str) -> str:
    """A name for the frames of a clip, another one if its file has changed."""
    state: Any = None
    with suppress(Exception):  # said when it is read; each file system raises its own types
        if is_url(clip[0]):
            files, path = url_to_fs(clip[0])
            state = json.dumps(files.info(path), sort_keys=True, default=str)
        else:
            found = os.stat(clip[0])
            state = (found.st_size, found.st_mtime_ns)
    return hashlib.sha256(json.dumps([clip, frame_rate, state, options]).encode()).hexdigest()[:32]


def _write_frames(
    video_processor: AllInOneVideoProcessor, seconds_per_clip: float | None, missing: tuple[tuple, float | None, Path]
):
    """Decode a clip and write its frames, but not those of one that the collator will have to speak of."""
    (video, start, end), frame_rate, path = missing
    options = _DONE_LATER | {"num_views": 1, "return_metadata": True}
    read = partial(video_processor, [video], start=[start], end=[end], frame_rate=[frame_rate], **options)
    try:
        inputs = run_within(seconds_per_clip, str(video), read)
    except Exception:  # libraries of codecs raise whatever they like
        return
    if not inputs["video_metadata"][0].replaced_frames:
        unfinished = path.with_name(f"{path.stem}.{os.getpid()}.npy")
        np.save(unfinished, inputs["pixel_values"][0].to(torch.uint8).permute(0, 2, 3, 1).numpy())
        unfinished.rename(path)


__all__ = ["CachedFrames", "cache_frames"]
