"""Where the rows of pre-training come from: data sets by name, mixed by weight, and images beside videos."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import datasets
from torch.utils.data import Dataset

from .datasets.moving_shapes import TEXT_COLUMNS
from .fine_tuning import prepare_rows
from .fine_tuning_arguments import DataArguments, parse_mapping
from .pretraining_rows import CoTrainingRows, MixedRows
from .processing_allinone import AllInOneProcessor
from .training import ClipRows

_FIELDS = ("dataset", "data_dir", "media_dir", "split", "options", "weight")


@dataclass
class SourceArguments:
    """
    Which data sets are trained on, if several: by name, what to read of each.

        video_sources:
          webvid: {data_dir: data/webvid, weight: 2}
          howto100m: {data_dir: data/howto100m, media_dir: videos/howto100m, weight: 1}
        image_sources:
          cc3m: {data_dir: data/cc3m}

    A source has `data_dir`, and perhaps `dataset` (its reader, if its name is another), `media_dir`, `split`,
    `options` (of its reader) and `weight` (its share; without weights, shares are as the numbers of rows).
    """

    video_sources: dict | str | None = field(
        default=None, metadata={"help": "JSON of data sets to train on, instead of `dataset`, with options of each."}
    )
    image_sources: dict | str | None = field(
        default=None,
        metadata={"help": "JSON of data sets of images; a step has a batch of them beside its clips."},
    )

    def __post_init__(self):
        for name in ("video_sources", "image_sources"):
            sources = parse_mapping(name, getattr(self, name))
            setattr(self, name, {source: self._check(name, source, of) for source, of in sources.items()})
            weighted = [source for source, of in getattr(self, name).items() if "weight" in of]
            if weighted and len(weighted) < len(sources):
                raise ValueError(f"{name} has a weight for {', '.join(weighted)} alone; give all one, or none.")

    @staticmethod
    def _check(name: str, source: str, options: Any) -> dict[str, Any]:
        options = parse_mapping(f"{name}.{source}", options)
        if unknown := sorted(set(options) - set(_FIELDS)):
            raise ValueError(f"{name}.{source} has {', '.join(unknown)}; a source has {', '.join(_FIELDS)}.")
        if "data_dir" not in options:
            raise ValueError(f"{name}.{source} has no data_dir, the folder of its annotations.")
        weight = options.get("weight", 1)
        if not isinstance(weight, int | float) or not weight > 0:
            raise ValueError(f"{name}.{source} has weight {weight!r}; expected a number above 0.")
        return options


def load_sources(
    source_arguments: SourceArguments,
    data_arguments: DataArguments,
    processor: AllInOneProcessor,
    seed: int = 0,
    is_blank: bool = False,
) -> Dataset:
    """
    The rows to train on.

    Args:
        source_arguments ([`SourceArguments`])
        data_arguments ([`DataArguments`]): What is trained on if there are no video sources, and how clips are read.
        processor ([`AllInOneProcessor`])
        seed (`int`, defaults to 0): What the draws of frames and captions depend on.
        is_blank (`bool`, defaults to `False`): Whether all clips and images are shown grey.

    Returns:
        [`ClipRows`], [`MixedRows`], or, with images, [`CoTrainingRows`].

    Raises:
        ValueError: If a data set has no rows to train on.
    """
    videos = source_arguments.video_sources or {data_arguments.dataset: {}}
    options = {"processor": processor, "seed": seed, "is_blank": is_blank}
    rows = _mix(videos, data_arguments, **options)
    if not source_arguments.image_sources:
        return rows
    return CoTrainingRows(rows, _mix(source_arguments.image_sources, data_arguments, **options))


def _mix(sources: Mapping[str, Mapping[str, Any]], data_arguments: DataArguments, **options) -> ClipRows | MixedRows:
    """The rows of one kind of sources."""
    weights = [of["weight"] for of in sources.values() if "weight" in of]
    rows = [_load_source(_arguments_of(name, of, data_arguments), **options) for name, of in sources.items()]
    return rows[0] if len(rows) == 1 else MixedRows(rows, weights or None)


def _arguments_of(name: str, source: Mapping[str, Any], data_arguments: DataArguments) -> DataArguments:
    """Arguments by which a source is read as the only data set would be."""
    if not source:
        return data_arguments
    return replace(
        data_arguments,
        dataset=source.get("dataset", name),
        data_dir=source["data_dir"],
        media_dir=source.get("media_dir"),
        train_split=source.get("split", "train"),
        dataset_options=source.get("options"),
        test_options=None,
    )


def _load_source(data_arguments: DataArguments, **options) -> ClipRows:
    """The rows of one source."""
    rows = data_arguments.load(data_arguments.train_split, data_arguments.num_train_rows)
    if not len(rows):
        raise ValueError(f"{data_arguments.dataset} has no rows in its {data_arguments.train_split} split.")
    return prepare_rows(rows, data_arguments, options["processor"], options["seed"], options["is_blank"])


def load_source_texts(source_arguments: SourceArguments, data_arguments: DataArguments) -> datasets.Dataset:
    """
    What a new tokenizer is trained on: the texts of all sources.

    Args:
        source_arguments ([`SourceArguments`])
        data_arguments ([`DataArguments`]): What is trained on if there are no video sources.

    Returns:
        `datasets.Dataset` of columns of text.
    """
    sources = (source_arguments.video_sources or {data_arguments.dataset: {}}) | source_arguments.image_sources
    texts = [_arguments_of(name, of, data_arguments).load_texts() for name, of in sources.items()]
    common = [name for name in TEXT_COLUMNS if all(name in rows.column_names for rows in texts)]
    return datasets.concatenate_datasets([rows.select_columns(common) for rows in texts])


__all__ = ["SourceArguments", "load_source_texts", "load_sources"]
