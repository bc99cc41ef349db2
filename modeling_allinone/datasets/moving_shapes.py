# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Moving shapes: a generated corpus of short H.264 clips with captions, questions, five-way options and classes.

A clip is first a description, a `Scene` (see `moving_shapes_scenes`); frames and texts are pure functions of it. The
corpus is closed under time reversal: a clip and the same clip played backwards are equally likely. Questions of
`TIME_KINDS` read the same for both and have different answers, so the unordered frames of a clip do not tell which one
is right; questions of `FRAME_KINDS` have one answer, on every frame. Every frame is encoded on its own and alike, so
that the files keep this symmetry: predicted frames would show traces of what was there before.

    >>> from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes
    >>> folder = write_moving_shapes("shapes", num_clips=20, split="train")
    >>> rows = load_moving_shapes("shapes", split="train", task="question-answering")
    >>> rows[1]["question"], rows[1]["answer"], rows[1]["kind"]
    ('Which colour appeared first?', 'red', 'order')
"""

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import av
import datasets
import numpy as np
from transformers.utils import logging

from ..models.frame_conversion_allinone import ONE_THREAD
from .annotations import load_annotations
from .moving_shapes_scenes import LEVELS, Scene, render_scene, sample_scene
from .moving_shapes_texts import (
    check_choice,
    name_motion,
    write_answer_options,
    write_caption_options,
    write_questions,
)

logger = logging.get_logger(__name__)

SPLITS = ("train", "validation", "test")
SPEC_NAME = "spec.json"
ANNOTATIONS_NAME = "annotations.jsonl"
# Raised whenever the generator changes, so that files of an older one are not taken for those of this one.
FORMAT_VERSION = 1


def generate_scene(index: int, level: str = "easy", split: str = "train", seed: int = 0) -> Scene:
    """Describe one clip of a corpus.

    Each clip has a random stream of its own: a corpus is the beginning of every larger one, and splits share nothing.

    Args:
        index (`int`): Number of the clip in its split, from 0.
        level (`str`, defaults to `"easy"`): "easy", "medium" or "hard".
        split (`str`, defaults to `"train"`): "train", "validation" or "test".
        seed (`int`, defaults to 0): Seed of the corpus, from 0.

    Returns:
        `Scene`
    """
    check_choice("level", level, LEVELS)
    check_choice("split", split, SPLITS)
    spawn_key = (SPLITS.index(split), list(LEVELS).index(level), index)
    return sample_scene(level, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key)))


def write_moving_shapes(
    root: str | os.PathLike,
    num_clips: int,
    split: str = "train",
    level: str = "easy",
    seed: int = 0,
    num_frames: int = 12,
    image_size: int = 64,
    frames_per_second: int = 4,
    num_workers: int = 1,
    overwrite: bool = False,
) -> Path:
    """Generate a split: `root/split/videos/*.mp4`, `annotations.jsonl` and `spec.json`.

    Frames and annotations depend on the arguments alone, not on `num_workers`. A split is written beside its place and
    moved there when it is complete; one that is there already and was made with the same arguments is left as it is.

    Args:
        root (`str` or `os.PathLike`): Folder of the corpus, made if missing; one folder per level and seed.
        num_clips (`int`): Clips, at least 1.
        split (`str`, defaults to `"train"`): "train", "validation" or "test".
        level (`str`, defaults to `"easy"`): "easy", "medium" or "hard".
        seed (`int`, defaults to 0): Seed of the corpus, from 0.
        num_frames (`int`, defaults to 12): Frames per clip, a multiple of 4 from 8. Of 12, the middles of four equal
            segments lie symmetrically (1, 4, 7, 10), so that a sampler which takes them sees the same frames of a clip
            and of its reverse; 16 would lean early (1, 5, 9, 13), and how far a shape has come would tell the way.
        image_size (`int`, defaults to 64): Side of the frames in pixels, an even number from 32.
        frames_per_second (`int`, defaults to 4): Frame rate, from 1.
        num_workers (`int`, defaults to 1): Processes that render and encode, from 1. More than 1 are spawned, which
            takes seconds, and a script that asks for them keeps its own work under `if __name__ == "__main__":`.
        overwrite (`bool`, defaults to `False`): Whether to generate it again and replace what is there.

    Returns:
        `pathlib.Path` of the split's folder.

    Raises:
        ValueError: For an argument out of its range.
        NotADirectoryError: If `root` is a file.
        FileExistsError: If the split is there, made with other arguments, and `overwrite` is false.
        FileNotFoundError: If the split's folder is there without its `spec.json`, and `overwrite` is false.
    """
    root = Path(root)
    spec = {"format_version": FORMAT_VERSION, "split": split, "level": level, "seed": seed, "num_clips": num_clips}
    spec |= {"num_frames": num_frames, "image_size": image_size, "frames_per_second": frames_per_second}
    _check_spec(spec)
    if num_workers < 1:
        raise ValueError(f"num_workers is {num_workers} but must be at least 1.")
    if root.exists() and not root.is_dir():
        raise NotADirectoryError(f"root is a file: {root}. Pass the folder that is to hold the corpus.")
    folder = root / split
    if folder.exists() and not overwrite:
        _check_same_spec(folder, spec)
        logger.info(f"{folder} holds the {num_clips} clips already.")
        return folder

    unfinished = root / f".{split}-{os.getpid()}-unfinished"
    try:
        (unfinished / "videos").mkdir(parents=True)
        clips = _write_clips(unfinished, spec, num_workers)
        with open(unfinished / ANNOTATIONS_NAME, "w") as annotations:
            for clip in logging.tqdm(clips, total=num_clips, desc=f"{level} moving shapes, {split}", unit="clip"):
                annotations.write(json.dumps(clip) + "\n")
        (unfinished / SPEC_NAME).write_text(json.dumps(spec, indent=2) + "\n")
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _check_spec(spec: dict) -> None:
    """Refuse what cannot be generated."""
    check_choice("split", spec["split"], SPLITS)
    check_choice("level", spec["level"], LEVELS)
    lowest_and_divisor = {"num_clips": (1, 1), "seed": (0, 1), "frames_per_second": (1, 1)}
    lowest_and_divisor |= {"num_frames": (8, 4), "image_size": (32, 2)}
    for name, (lowest, divisor) in lowest_and_divisor.items():
        value = spec[name]
        if not isinstance(value, int) or value < lowest or value % divisor:
            what = "an integer" if divisor == 1 else f"a multiple of {divisor}"
            raise ValueError(f"{name} is {value!r} but must be {what} of at least {lowest}.")


def _check_same_spec(folder: Path, spec: dict) -> None:
    """Refuse a folder that holds something else than `spec` says."""
    found = read_spec(folder)
    differences = [
        f"{name} {found.get(name)!r} instead of {spec[name]!r}" for name in spec if found.get(name) != spec[name]
    ]
    if differences:
        raise FileExistsError(
            f"{folder} holds a corpus with {', '.join(differences)}. "
            "Pass another root, or overwrite=True to replace it."
        )


def read_spec(folder: Path) -> dict:
    """What the corpus in a folder was made with."""
    path = folder / SPEC_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no {SPEC_NAME}, so it is no complete split of moving shapes. "
            f"Call write_moving_shapes({str(folder.parent)!r}, num_clips=…, split={folder.name!r}) first; "
            "add overwrite=True if the folder may be replaced."
        )
    return json.loads(path.read_text())


def _write_clips(folder: Path, spec: dict, num_workers: int) -> Iterator[dict]:
    """Write the videos of all clips and yield their annotations in order."""
    write_clip = partial(_write_clip, folder=folder, spec=spec)
    indices = range(spec["num_clips"])
    if num_workers == 1:
        yield from map(write_clip, indices)
        return
    # Forking would copy locks that the threads of torch or of a decoder may hold.
    with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(write_clip, indices, chunksize=32)


def _write_clip(index: int, folder: Path, spec: dict) -> dict:
    """Write the video of one clip and return its annotations."""
    scene = generate_scene(index, spec["level"], spec["split"], spec["seed"])
    video = f"videos/{index:06d}.mp4"
    frames = render_scene(scene, spec["num_frames"], spec["image_size"])
    _encode(folder / video, frames, spec["frames_per_second"])
    questions = [
        {**question._asdict(), "options": options}
        for question, options in zip(write_questions(scene), write_answer_options(scene), strict=True)
    ]
    caption, *wrong_captions = write_caption_options(scene)
    return {
        "video_id": f"{spec['split']}{index:06d}",
        "video": video,
        "caption": caption,
        "wrong_captions": wrong_captions,
        "motion": name_motion(scene),
        "questions": questions,
    }


def _encode(path: Path, frames: np.ndarray, frames_per_second: int) -> None:
    """Write frames as H.264 with 4:2:0 chroma, which every player reads, all as key frames of the same quality."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=frames_per_second)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"qp": "24", "g": "1", "preset": "veryfast", "threads": "1"}
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt, **ONE_THREAD)))
        container.mux(stream.encode())


def load_moving_shapes(
    root: str | os.PathLike, split: str = "train", task: str = "question-answering", **options
) -> datasets.Dataset:
    """Read a generated split as a table: [`load_annotations`] of "moving_shapes".

    | `task` | one row per | `question` | `options` | `answer` | `label` |
    |---|---|---|---|---|---|
    | "question-answering" | question | text | – | text | index in `answer_vocabulary(level)` |
    | "multiple-choice-question-answering" | question | text | 5 answers | text | index of the right one |
    | "multiple-choice" | clip | – | 5 captions | right caption | index of the right one |
    | "retrieval" (and pre-training) | clip | – | – | – | – |
    | "classification" | clip with one motion | – | – | class name | index in `MOTION_CLASSES` |

    All rows also have `video` (path), `caption`, `video_id`, `sample_id` and `kind` (of question, else null); what a
    task lacks is null.

    Args:
        root (`str` or `os.PathLike`): Folder given to [`write_moving_shapes`].
        split (`str`, defaults to `"train"`): "train", "validation" or "test".
        task (`str`, defaults to `"question-answering"`): One of those above.
        options: Others of the reader: `distinct_captions` (`bool`), whether to keep only the first clip of each
            caption, and `kinds` (`Sequence[str]`), those of the questions to keep.

    Returns:
        `datasets.Dataset`

    Raises:
        ValueError: For an unknown split, task or kind.
        FileNotFoundError: If the split was not generated.
    """
    return load_annotations("moving_shapes", root, split, on_missing_video="ignore", task=task, **options)


__all__ = ["load_moving_shapes", "write_moving_shapes"]
