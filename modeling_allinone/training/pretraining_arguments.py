# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Arguments of pre-training: what is trained on, what is learned, and what is evaluated as it is learned."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers.integrations import is_tensorboard_available

from ..evaluation.zero_shot import ZERO_SHOT_TASKS
from ..models.configuration_allinone import PRETRAINING_OBJECTIVES
from ..models.video_processing_allinone import AllInOneVideoProcessor
from .arguments import option, parse_mapping
from .trainer import AllInOneTrainingArguments

_DATA_FIELDS = ("dataset", "data_dir", "media_dir", "split", "options")
_SHARD_FIELDS = ("shards", "transform", "transform_options")


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

    video_sources: dict[str, Any] = option(dict, "Data sets to train on, instead of `dataset`, with options of each.")
    image_sources: dict[str, Any] = option(dict, "Data sets of images; a step has a batch of them beside its clips.")
    image_processor: dict[str, Any] = option(dict, "Options of the video processor that images have instead, as size.")
    shuffle_buffer: int = option(500, "Of shards: among how many rows each worker draws the next; 0: in order.")

    def __post_init__(self) -> None:
        self.video_sources = _parse_sources("video_sources", self.video_sources)
        self.image_sources = _parse_sources("image_sources", self.image_sources)
        self.image_processor = parse_mapping("image_processor", self.image_processor)
        if self.image_sources and self.are_shards != any("shards" in of for of in self.image_sources.values()):
            raise ValueError("Of videos and images, only one comes from shards; give both some, or none.")
        if self.image_processor and not self.image_sources:
            raise ValueError("image_processor is given, but no image_sources; leave it out.")
        known = AllInOneVideoProcessor.valid_kwargs.__annotations__
        if unknown := sorted(set(self.image_processor) - set(known)):
            raise ValueError(
                f"image_processor has {', '.join(unknown)}; the video processor knows {', '.join(known)}."
            )
        if self.shuffle_buffer < 0:
            raise ValueError(f"shuffle_buffer is {self.shuffle_buffer}; expected 0 or more.")

    @property
    def are_shards(self) -> bool:
        """Whether videos come from shards."""
        return any("shards" in of for of in self.video_sources.values())

    @property
    def changes_colours(self) -> bool:
        """Whether images are scaled otherwise than clips."""
        return not {"image_mean", "image_std", "do_normalize"}.isdisjoint(self.image_processor)

    @property
    def described(self) -> str | None:
        """What is trained on, in words; `None` if that is no sources."""
        described = [
            f"own data in shards, called {source}"
            if "shards" in of
            else f"the {of.get('split', 'train')} split of files in the form of {of.get('dataset', source)}"
            for source, of in {**self.video_sources, **self.image_sources}.items()
        ]
        return "; ".join(described) or None


def _parse_sources(name: str, sources: Mapping[str, Any] | str) -> dict[str, dict[str, Any]]:
    """What is said of each source."""
    parsed = {}
    for source, described in parse_mapping(name, sources).items():
        described = parse_mapping(f"{name}.{source}", described)
        fields, needed = (_SHARD_FIELDS, "shards") if "shards" in described else (_DATA_FIELDS, "data_dir")
        _check_source(f"{name}.{source}", described, [*fields, "weight"], [needed])
        parsed[source] = described
    for key in ("weight", "shards"):
        with_it = [source for source, described in parsed.items() if key in described]
        if with_it and len(with_it) < len(parsed):
            raise ValueError(f"{name} has {key} for {', '.join(with_it)} alone; give it for all, or for none.")
    return parsed


def _check_source(name: str, described: Mapping[str, Any], known: Sequence[str], needed: Sequence[str]):
    """Raises a `ValueError` if a data set is described by other fields, without some, or by a number below 0."""
    if unknown := sorted(set(described) - set(known)):
        raise ValueError(f"{name} has {', '.join(unknown)}; expected some of {', '.join(known)}.")
    if missing := [field for field in needed if field not in described]:
        raise ValueError(f"{name} has no {' and no '.join(missing)}.")
    for field_name, kind in (("weight", int | float), ("num_rows", int)):
        value = described.get(field_name)
        if value is not None and not (isinstance(value, kind) and value > 0):
            raise ValueError(f"{name} has {field_name} {value!r}; expected a number above 0.")


@dataclass
class ObjectiveArguments:
    """What is learned, and how much of it."""

    _argument_group_name = "objectives"

    masked_lm_weight: float = option(1.0, "Weight of masked words; 0: without them.")
    matching_weight: float = option(1.0, "Weight of matching, with alignment; 0: without.")
    contrastive_weight: float = option(0.0, "Weight of the contrast of texts and clips.")
    clip_order_weight: float = option(0.0, "Weight of the order of frames.")
    masked_patches_weight: float = option(0.0, "Weight of the colours of masked patches.")
    mlm_probability: float = option(0.15, "Probability of each word to be masked.")
    whole_word_mask: bool = option(True, "Mask all pieces of a word together.")
    use_hard_negatives: bool = option(False, "Match texts with clips that features confuse with theirs.")
    contrast_across_processes: bool = option(True, "Contrast with clips of all processes, or with their own.")
    watched_words: list[str] | None = option(None, "Words whose accuracy is given, too, as only video shows them.")
    blank_video: bool = option(False, "Train on blank clips: a baseline that has only texts to learn from.")

    def __post_init__(self) -> None:
        for name in PRETRAINING_OBJECTIVES:
            weight = getattr(self, f"{name}_weight")
            if not 0 <= weight < math.inf:
                raise ValueError(f"{name}_weight is {weight}; expected a number of 0 or more.")
        if not self.objectives:
            raise ValueError("All weights of objectives are 0, so there is nothing to learn; give one above 0.")

    @property
    def objectives(self) -> dict[str, float]:
        """Weight of each objective that is trained."""
        weights = {name: getattr(self, f"{name}_weight") for name in PRETRAINING_OBJECTIVES}
        return {name: weight for name, weight in weights.items() if weight > 0}

    @property
    def collator_options(self) -> dict[str, Any]:
        """What [`PreTrainingCollator`] takes of them."""
        masking = {"mlm_probability": self.mlm_probability, "whole_word_mask": self.whole_word_mask}
        return {"objectives": list(self.objectives), **masking}

    @property
    def trainer_options(self) -> dict[str, Any]:
        """What [`PreTrainingTrainer`] takes of them."""
        names = ("objectives", "contrast_across_processes", "use_hard_negatives")
        return {name: getattr(self, name) for name in names} | {"watched_words": self.watched_words or ()}


@dataclass
class EvaluationArguments:
    """What a model is evaluated by during training, beside its losses."""

    _argument_group_name = "evaluation"

    zero_shot: dict[str, Any] = option(
        dict,
        f"Held-out rows of {' and '.join(ZERO_SHOT_TASKS)}, which the model is not trained for: a "
        "mapping from task to dataset, data_dir, media_dir, split, options and num_rows.",
    )
    num_alignment_rows: int = option(4, "Held-out rows to draw word-patch alignment of, in a picture; 0: none.")

    def __post_init__(self) -> None:
        self.zero_shot = parse_mapping("zero_shot", self.zero_shot)
        if unknown := [task for task in self.zero_shot if task not in ZERO_SHOT_TASKS]:
            raise ValueError(
                f"zero_shot has {', '.join(map(repr, unknown))}; expected tasks of {', '.join(ZERO_SHOT_TASKS)}."
            )
        for task, described in self.zero_shot.items():
            name = f"zero_shot of {task}"
            self.zero_shot[task] = parse_mapping(name, described)
            _check_source(name, self.zero_shot[task], [*_DATA_FIELDS, "num_rows"], ["dataset", "data_dir"])
        if self.num_alignment_rows < 0:
            raise ValueError(f"num_alignment_rows is {self.num_alignment_rows}; expected 0 or more.")


__all__ = ["EvaluationArguments", "ObjectiveArguments", "PreTrainingArguments", "SourceArguments"]
