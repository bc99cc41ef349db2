"""Decoded frames kept on disk: small data sets are decoded once, and not in every epoch of every run."""

import hashlib
import json
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from accelerate import PartialState
from torch.utils.data import DataLoader
from transformers.utils import logging

from .processing_allinone import AllInOneProcessor
from .video_processing_allinone import AllInOneVideoProcessor

if TYPE_CHECKING:
    import datasets


def cache_frames(
    rows: "datasets.Dataset", processor: AllInOneProcessor, folder: str | Path, num_workers: int | None = None
) -> dict[tuple, np.ndarray]:
    """
    Decode every clip once and keep its frames on disk, as training asks for them many times.

    Args:
        rows (`datasets.Dataset`): Rows with `video`, `start` and `end`.
        processor ([`AllInOneProcessor`]): Chooses the frames, those of evaluation, and their size.
        folder (`str` or `Path`): Where the frames are kept; they are found again there by the clips' names.
        num_workers (`int`, *optional*): Processes that decode. Default: one for each core.

    Returns:
        `dict`: (video, start, end) -> frames (T, H, W, 3), uint8, mapped into memory; without clips that cannot be
        read, which are left to the collator to raise or to skip.
    """
    clips = dict(zip(zip(rows["video"], rows["start"], rows["end"], strict=True), rows["fps"], strict=True))
    identity = [list(clips.items()), [_file_state(video) for video, _, _ in clips]]
    identity = json.dumps([*identity, processor.video_processor.to_dict()], sort_keys=True, default=str)
    path = Path(folder) / f"frames-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npy"
    path_of_readable = path.with_name(f"{path.stem}-readable.npy")
    with PartialState().main_process_first():
        if not path.exists():
            frames, is_readable = _decode_clips(list(clips.items()), processor.video_processor, num_workers)
            path.parent.mkdir(parents=True, exist_ok=True)
            for array, final in ((is_readable, path_of_readable), (frames, path)):
                unfinished = final.with_name(f"{final.stem}.{os.getpid()}.npy")
                np.save(unfinished, array)
                unfinished.rename(final)
    kept = zip(clips, np.load(path_of_readable), np.load(path, mmap_mode="r"), strict=True)
    return {clip: frames for clip, is_readable, frames in kept if is_readable}


def _file_state(path: str) -> tuple[int, int] | None:
    """Size and time of change, by which another file of the same name is told; `None` without a file."""
    with suppress(OSError):
        state = os.stat(path)
        return state.st_size, state.st_mtime_ns
    return None


def _decode_clips(
    clips: list[tuple], video_processor: AllInOneVideoProcessor, num_workers: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Frames (clips, T, H, W, 3) and which clips could be read (clips,); the frames of others are black."""
    loader = DataLoader(
        clips,
        32,
        num_workers=(os.cpu_count() or 1) if num_workers is None else num_workers,
        collate_fn=partial(_decode, video_processor),
    )
    decoded = [clip for batch in logging.tqdm(loader, desc="decoding, 32 clips at a time") for clip in batch]
    readable = [clip for clip in decoded if clip is not None]
    if not readable:
        raise ValueError(f"None of {len(clips)} clips could be read, the first of them {clips[0][0][0]}.")
    blank = torch.zeros_like(readable[0])
    frames = torch.stack([blank if clip is None else clip for clip in decoded])
    return frames.numpy(), np.array([clip is not None for clip in decoded])


def _decode(video_processor: AllInOneVideoProcessor, clips: list[tuple]) -> list[torch.Tensor | None]:
    """Frames (T, H, W, 3) of each clip, `None` of those that the collator will have to speak of."""
    options = {"do_rescale": False, "do_normalize": False, "num_views": 1, "return_tensors": "pt"}
    decoded = []
    for (video, start, end), fps in clips:
        frames = None
        with suppress(Exception):  # libraries of codecs raise whatever they like
            pixels = video_processor([video], start=[start], end=[end], fps=[fps], **options)["pixel_values"]
            frames = pixels[0].to(torch.uint8).permute(0, 2, 3, 1)
        decoded.append(frames)
    return decoded


__all__ = ["cache_frames"]
