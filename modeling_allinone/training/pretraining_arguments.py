# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Arguments of pre-training: what is trained on, what is learned, and what is evaluated as it is learned."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transformers.integrations import is_tensorboard_available

from ..evaluation.zero_shot import ZERO_SHOT_TASKS
from ..models.video_processing_allinone import AllInOneVideoProcessor
from .arguments import parse_mapping
from .trainer import AllInOneTrainingArguments

_FIELDS = ("dataset", "data_dir", "media_dir", "split", "options", "weight")
_FIELDS_OF_SHARDS = ("shards", "transform", "transform_options", "weight")


@dataclass
class PreTrainingArguments(AllInOneTrainingArguments):
    """
    As [`AllInOneTrainingArguments`], reported to TensorBoard, if it is installed.

    Args:
        report_to (`str`, *optional*): Where the log goes to. Default: `"tensorboard"` if it is installed, else
            `"none"`.
    """

    report_to: str | None = field(
        default_factory=lambda: "tensorboard" if is_tensorboard_available() else "none",
        metadata={"help": "Where the log goes to: tensorboard (by default if it is installed), none, …"},
    )


@dataclass
class SourceArguments:
    """
    Which data sets are trained on, if several: by name, what to read of each.

        video_sources:
          webvid: {data_dir: data/webvid, weight: 2}
          howto100m: {data_dir: data/howto100m, media_dir: videos/howto100m, weight: 1}
        image_sources:
          cc3m: {data_dir: data/cc3m}

    A data set has `data_dir`, and perhaps `dataset` (its reader, if its name is another), `media_dir`, `split`,
    `options` (of its reader) and `weight` (its share; without weights, shares are as the numbers of rows). Or all
    sources are shards that `make_shards.py` wrote, streamed as [`WebDatasetStream`] does; then shares are even without
    weights.

        video_sources:
          webvid: {shards: "shards/webvid-*.tar", weight: 2}
          howto100m: {shards: "s3://bucket/howto-{000..999}.tar", transform: draw_captioned_clip}
    """

    _argument_group_name = "sources"

    video_sources: dict | str | None = field(
        default=None, metadata={"help": "JSON of data sets to train on, instead of `dataset`, with options of each."}
    )
    image_sources: dict | str | None = field(
        default=None,
        metadata={"help": "JSON of data sets of images; a step has a batch of them beside its clips."},
    )
    image_processor: dict | str | None = field(
        default=None,
        metadata={"help": "JSON of options of the video processor by which images differ from clips, such as size."},
    )
    shuffle_buffer: int = field(
        default=500, metadata={"help": "Of shards: among how many rows each worker draws the next; 0: in order."}
    )

    def __post_init__(self):
        self.image_processor = parse_mapping("image_processor", self.image_processor)
        if self.image_processor and not parse_mapping("image_sources", self.image_sources):
            raise ValueError("image_processor is given, but no image_sources; leave it out.")
        known = AllInOneVideoProcessor.valid_kwargs.__annotations__
        if unknown := sorted(set(self.image_processor) - set(known)):
            raise ValueError(
                f"image_processor has {', '.join(unknown)}; the video processor knows {', '.join(known)}."
            )
        for name in ("video_sources", "image_sources"):
            sources = parse_mapping(name, getattr(self, name))
            setattr(self, name, {source: self._check(name, source, of) for source, of in sources.items()})
            for key, meaning in (("weight", "a weight"), ("shards", "shards")):
                with_it = [source for source, of in getattr(self, name).items() if key in of]
                if with_it and len(with_it) < len(sources):
                    raise ValueError(f"{name} has {meaning} for {', '.join(with_it)} alone; give all some, or none.")
        if self.image_sources and self.are_streamed(self.image_sources) != self.are_streamed(self.video_sources):
            raise ValueError("Of videos and images, only one comes from shards; give both some, or none.")
        if self.shuffle_buffer < 0:
            raise ValueError(f"shuffle_buffer is {self.shuffle_buffer}; expected 0 or more.")

    @property
    def changes_colours(self) -> bool:
        """Whether images are scaled otherwise than clips."""
        return not {"image_mean", "image_std", "do_normalize"}.isdisjoint(self.image_processor)

    def describe(self) -> str | None:
        """What is trained on, in words; `None` if that is no sources."""
        described = [
            f"own data in shards, called {source}"
            if "shards" in of
            else f"the {of.get('split', 'train')} split of files in the form of {of.get('dataset', source)}"
            for source, of in {**self.video_sources, **self.image_sources}.items()
        ]
        return "; ".join(described) or None

    @staticmethod
    def are_streamed(sources: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether sources are shards."""
        return any("shards" in of for of in sources.values())

    @staticmethod
    def _check(name: str, source: str, options: Any) -> dict[str, Any]:
        options = parse_mapping(f"{name}.{source}", options)
        fields = _FIELDS_OF_SHARDS if "shards" in options else _FIELDS
        if unknown := sorted(set(options) - set(fields)):
            raise ValueError(f"{name}.{source} has {', '.join(unknown)}; expected some of {', '.join(fields)}.")
        if "shards" not in options and "data_dir" not in options:
            raise ValueError(f"{name}.{source} has neither data_dir, the folder of its annotations, nor shards.")
        weight = options.get("weight", 1)
        if not isinstance(weight, int | float) or not weight > 0:
            raise ValueError(f"{name}.{source} has weight {weight!r}; expected a number above 0.")
        return options


@dataclass
class ObjectiveArguments:
    """What is learned, and how much of it."""

    _argument_group_name = "objectives"

    masked_lm_weight: float = field(default=1.0, metadata={"help": "Weight of masked words; 0: without them."})
    matching_weight: float = field(default=1.0, metadata={"help": "Weight of matching, with alignment; 0: without."})
    contrastive_weight: float = field(default=0.0, metadata={"help": "Weight of the contrast of texts and clips."})
    clip_order_weight: float = field(default=0.0, metadata={"help": "Weight of the order of frames."})
    masked_patches_weight: float = field(default=0.0, metadata={"help": "Weight of the colours of masked patches."})
    mlm_probability: float = field(default=0.15, metadata={"help": "Probability of each word to be masked."})
    whole_word_mask: bool = field(default=True, metadata={"help": "Mask all pieces of a word together."})
    use_hard_negatives: bool = field(
        default=False, metadata={"help": "Match texts with clips that features confuse with theirs."}
    )
    contrast_across_processes: bool = field(
        default=True, metadata={"help": "Contrast with the clips of all processes, or with their own alone."}
    )
    watched_words: list[str] | None = field(
        default=None,
        metadata={"help": "Words whose accuracy is given apart, such as those only video tells."},
    )
    blank_video: bool = field(
        default=False, metadata={"help": "Train on grey frames: a twin that has only texts to learn from."}
    )

    def __post_init__(self):
        for name, weight in self.weights.items():
            if not 0 <= weight < math.inf:
                raise ValueError(f"{name}_weight is {weight}; expected a number of 0 or more.")
        if not self.objectives:
            raise ValueError("All weights of objectives are 0, so there is nothing to learn; give one above 0.")

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each objective."""
        names = ("masked_lm", "matching", "contrastive", "clip_order", "masked_patches")
        return {name: getattr(self, f"{name}_weight") for name in names}

    @property
    def objectives(self) -> dict[str, float]:
        """Weight of each objective that is trained."""
        return {name: weight for name, weight in self.weights.items() if weight > 0}


@dataclass
class EvaluationArguments:
    """What a model is watched by as it is trained, at every evaluation."""

    _argument_group_name = "evaluation"

    zero_shot: dict | str | None = field(
        default=None,
        metadata={
            "help": f"Held-out rows of {' and '.join(ZERO_SHOT_TASKS)}, which the model is not trained for: JSON of a "
            "mapping from task to dataset, data_dir, media_dir, split, options and num_rows."
        },
    )
    num_alignment_rows: int = field(
        default=4, metadata={"help": "Held-out rows to draw word-patch alignment of, in a picture; 0: none."}
    )

    def __post_init__(self):
        self.zero_shot = parse_mapping("zero_shot", self.zero_shot)
        if self.num_alignment_rows < 0:
            raise ValueError(f"num_alignment_rows is {self.num_alignment_rows}; expected 0 or more.")
        if unknown := [task for task in self.zero_shot if task not in ZERO_SHOT_TASKS]:
            raise ValueError(
                f"zero_shot has {', '.join(map(repr, unknown))}; expected tasks of {', '.join(ZERO_SHOT_TASKS)}."
            )


__all__ = ["EvaluationArguments", "ObjectiveArguments", "PreTrainingArguments", "SourceArguments"]
