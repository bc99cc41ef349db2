# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Options of the video processor: which there are, which values are legal, and what they are for each clip."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np
import torch
from transformers.processing_utils import VideosKwargs

from .augmentation_allinone import HIGHEST_MAGNITUDE, OPERATIONS
from .frame_resizing_allinone import BICUBIC, BILINEAR, NEAREST
from .video_decoding_allinone import ON_CORRUPT_FRAME, VIDEO_BACKENDS, is_array
from .video_sources_allinone import has_own_times

PER_CLIP = ("start", "end", "frame_rate")
CHOSEN_FRAMES = ("frame_indices", "timestamps")
CALL_ONLY = (*CHOSEN_FRAMES, "start", "end", "seed", "generator", "return_tensors", "video_metadata")

_ABOVE_0 = np.nextafter(0, 1)
# Least, most, and both in words. No camera films more for long; a slip of the hand would ask for billions.
_RANGES: dict[str, tuple[float, float, str]] = {
    "fps": (_ABOVE_0, 1000, "more than 0 and at most 1000 frames of each second"),
    "num_frames": (1, inf, "at least 1"),
    "num_views": (1, inf, "at least 1"),
    "size_divisor": (1, inf, "at least 1 pixel"),
    "rand_augment_num_ops": (0, len(OPERATIONS), f"0 to {len(OPERATIONS)}"),
    "rand_augment_magnitude": (0, HIGHEST_MAGNITUDE, f"0 to {HIGHEST_MAGNITUDE}"),
    "rescale_factor": (_ABOVE_0, inf, "above 0"),
    "image_std": (_ABOVE_0, inf, "above 0"),
}
_CHOICES: dict[str, tuple] = {
    "frame_sampling": ("uniform", "random"),
    "video_backend": VIDEO_BACKENDS,
    "on_corrupt_frame": ON_CORRUPT_FRAME,
    "resample": (NEAREST, BILINEAR, BICUBIC),
    "return_tensors": (None, "pt", "np"),
}
_SIZES: dict[str, tuple[set[str], ...]] = {
    "size": ({"shortest_edge"}, {"shortest_edge", "longest_edge"}, {"height", "width"}),
    "crop_size": ({"height", "width"},),
    "decode_size": ({"height", "width"},),
}


class AllInOneVideoProcessorKwargs(VideosKwargs, total=False):
    """Arguments of [`AllInOneVideoProcessor`] beside those of transformers; its docstring describes them."""

    frame_sampling: str | None
    num_views: int | None
    do_random_crop: bool | None
    do_rand_augment: bool | None
    rand_augment_num_ops: int | None
    rand_augment_magnitude: int | float | None
    decode_size: int | dict[str, int] | None
    size_divisor: int | None
    video_backend: str | None
    on_corrupt_frame: str | None
    fps: int | float | None
    # The following may differ from clip to clip, and are checked where they are taken apart.
    frame_rate: Any
    start: Any
    end: Any
    frame_indices: Any
    timestamps: Any
    seed: int | None
    generator: Any


def check_options(options: Mapping[str, Any]) -> None:
    """
    Raise where an option has no meaning, alone or beside the others.

    Args:
        options (`dict`): Every argument of [`AllInOneVideoProcessorKwargs`], sizes as `SizeDict`; `None` for none.

    Raises:
        `TypeError`: A generator of another library.
        `ValueError`: Anything else; the message names the option.
    """
    if options["data_format"] is not None:
        raise ValueError("data_format has no effect; leave it out: pixel_values are always channels first.")
    for name, (least, most, expected) in _RANGES.items():
        value = options[name]
        if value is not None and not np.all(np.greater_equal(value, least) & np.less_equal(value, most)):
            raise ValueError(f"{name} is {value}; expected {expected}.")
    for name, legal in _CHOICES.items():
        if options[name] not in legal:
            raise ValueError(f"{name} is {options[name]!r}; expected one of {', '.join(map(repr, legal))}.")
    for name, keys in _SIZES.items():
        size = dict(options[name] or {})
        if options[name] is not None and (set(size) not in keys or min(size.values()) < 1):
            expected = " or ".join(str(sorted(one)) for one in keys)
            raise ValueError(f"{name} is {size}; expected {expected}, each at least 1 pixel.")
        if size.get("longest_edge", inf) < size.get("shortest_edge", 0):
            raise ValueError(f"{name} is {size}; expected longest_edge to be no less than shortest_edge.")
    for name in ("image_mean", "image_std"):
        if np.size(options[name]) not in (1, 3):
            raise ValueError(f"{name} is {options[name]}; expected one number, or three for red, green and blue.")
    if options["do_pad"] and options["do_random_crop"] and not options["do_center_crop"]:
        raise ValueError(
            "do_random_crop cuts frames that do_pad is to show whole; set do_random_crop=False (in a recipe, "
            "random_crop: false), or do_center_crop=True to cut all frames to one size."
        )
    choices = [name for name in CHOSEN_FRAMES if options[name] is not None]
    others = [name for name in ("start", "end") if options[name] is not None]
    others += ["num_views"] if options["num_views"] > 1 else []
    if len(choices) == 2 or (choices and others):
        raise ValueError(f"{', '.join(choices + others)} exclude each other; give {choices[0]} alone.")
    if options["seed"] is not None and options["generator"] is not None:
        raise ValueError("seed and generator are two ways to say the same; give one of them.")
    if options["generator"] is not None and not isinstance(options["generator"], torch.Generator):
        raise TypeError(f"generator is a {type(options['generator']).__name__}; expected a torch.Generator.")


def options_of_clips(options: Mapping[str, Any], sources: Sequence, is_rate_given: bool) -> list[dict[str, Any]]:
    """
    The options of each clip of a batch.

    Args:
        options (`dict`): Those of the batch.
        sources (sequence): What [`open_clip`] takes, one for each clip.
        is_rate_given (`bool`): Whether `frame_rate` is for these very clips; else it is for those without times.

    Returns:
        `list[dict]`: The same, where `start`, `end`, `frame_rate`, `frame_indices`, `timestamps` and `video_metadata`
        are those of one clip, and `generator` is its own `np.random.Generator`.

    Raises:
        `TypeError`: Something else than numbers.
        `ValueError`: Other numbers of entries than of clips.
    """
    count = len(sources)
    each = {name: _per_clip(name, options[name], count) for name in PER_CLIP + CHOSEN_FRAMES}
    each |= {"generator": _generators(options, count), "video_metadata": _metadata(options["video_metadata"], count)}
    clips = [{**options, **{name: values[place] for name, values in each.items()}} for place in range(count)]
    for clip, source in zip(clips, sources, strict=True):
        if not is_rate_given and has_own_times(source):
            clip["frame_rate"] = None
        if clip["video_metadata"].get("fps") is not None:
            clip["frame_rate"] = clip["video_metadata"]["fps"]
    return clips


def _generators(options: Mapping[str, Any], count: int) -> list[np.random.Generator]:
    """One for each clip; torch's own is left alone where nothing is random."""
    if options["frame_sampling"] != "random" and not options["do_random_crop"] and not options["do_rand_augment"]:
        return [np.random.default_rng(0)] * count
    generator = options["generator"]
    if options["seed"] is not None:
        generator = torch.Generator().manual_seed(options["seed"])
    device = "cpu" if generator is None else generator.device
    seeds = torch.randint(2**62, (count,), generator=generator, device=device)
    return [np.random.default_rng(seed) for seed in seeds.tolist()]


def _per_clip(name: str, value, count: int) -> list:
    """An argument that is one for all clips or a list of one for each -> a list of one for each."""
    if is_array(value):
        value = value.tolist()
    is_list = isinstance(value, list | tuple)
    is_each = is_list and (name in PER_CLIP or any(isinstance(one, list | tuple) or is_array(one) for one in value))
    if is_each and len(value) != count:
        raise ValueError(f"{name} has {len(value)} entries for {count} clips; give one for all, or one for each.")
    values = list(value) if is_each else [value] * count
    for one in values:
        numbers = one if name in CHOSEN_FRAMES and isinstance(one, list | tuple) else [one]
        if not all(number is None or isinstance(number, int | float | np.number) for number in numbers):
            raise TypeError(f"{name} is {value!r}; expected numbers, one for all clips or one for each.")
        if name == "frame_rate" and one is not None and not 0 < one < inf:
            raise ValueError(f"frame_rate is {one}; expected more than 0 frames per second.")
    return values


def _metadata(metadata, count: int) -> list[dict[str, Any]]:
    """What the caller says of each clip, as transformers' processors take it."""
    if metadata is None:
        return [{}] * count
    metadata = [metadata] if isinstance(metadata, Mapping) else list(metadata)
    if len(metadata) != count or not all(isinstance(one, Mapping) for one in metadata):
        raise ValueError(f"video_metadata has {len(metadata)} entries for {count} clips; give a dict for each clip.")
    return [dict(one) for one in metadata]
