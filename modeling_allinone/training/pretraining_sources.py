"""Where the rows of pre-training come from: data sets or shards, mixed by weight, and images beside videos."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import datasets
from torch.utils.data import Dataset
from transformers import TrainingArguments

from ..data.video_dataset import InterleavedDataset, PairedDataset, VideoDataset
from ..data.video_loading import SKIPPED_NAME
from ..data.webdataset_stream import PairedStream, WebDatasetStream, parse_sources
from ..datasets.tokenizer_training import TEXT_COLUMNS
from ..models.processing_allinone import AllInOneProcessor
from ..models.video_processing_allinone import AllInOneVideoProcessor
from .arguments import DataArguments, parse_mapping
from .setup import prepare_rows

_FIELDS = ("dataset", "data_dir", "media_dir", "split", "options", "weight")
_FIELDS_OF_SHARDS = ("shards", "transform", "transform_options", "weight")


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


def load_sources(
    source_arguments: SourceArguments,
    data_arguments: DataArguments,
    processor: AllInOneProcessor,
    training_arguments: TrainingArguments,
    is_blank: bool = False,
) -> Dataset:
    """
    The rows to train on.

    Args:
        source_arguments ([`SourceArguments`])
        data_arguments ([`DataArguments`]): What is trained on if there are no video sources, and how clips are read.
        processor ([`AllInOneProcessor`])
        training_arguments (`TrainingArguments`): Whose seed order and draws depend on.
        is_blank (`bool`, defaults to `False`): Whether all clips and images are shown grey.

    Returns:
        [`VideoDataset`], [`InterleavedDataset`], or, with images, [`PairedDataset`]; of shards,
        [`WebDatasetStream`] or [`PairedStream`].

    Raises:
        ValueError: If a data set has no rows to train on, or if shards are to be read in a way that needs to know
            their rows.
    """
    if source_arguments.are_streamed(source_arguments.video_sources):
        return _stream(source_arguments, data_arguments, training_arguments, is_blank)
    videos = source_arguments.video_sources or {data_arguments.dataset: {}}
    options = {"processor": processor, "seed": training_arguments.seed, "is_blank": is_blank}
    rows = _mix(videos, data_arguments, **options)
    if not source_arguments.image_sources:
        return rows
    return PairedDataset(rows, _mix(source_arguments.image_sources, data_arguments, **options))


def _stream(
    source_arguments: SourceArguments,
    data_arguments: DataArguments,
    training_arguments: TrainingArguments,
    is_blank: bool,
) -> WebDatasetStream | PairedStream:
    """The rows of shards."""
    for name, is_asked in (
        ("frame_cache", data_arguments.frame_cache is not None),
        ("num_train_rows", data_arguments.num_train_rows is not None),
        ("blank_video", is_blank),
    ):
        if is_asked:
            raise ValueError(f"{name} is for data sets whose rows are known, not for shards; leave it out.")
    if training_arguments.max_steps < 1:
        raise ValueError("Shards are streamed without end: say with max_steps how long to train.")
    streams = [
        WebDatasetStream(
            parse_sources(sources),
            training_arguments.seed,
            source_arguments.shuffle_buffer,
            skipped_file=Path(training_arguments.output_dir, SKIPPED_NAME),
        )
        for sources in (source_arguments.video_sources, source_arguments.image_sources)
        if sources
    ]
    return streams[0] if len(streams) == 1 else PairedStream(*streams)


def _mix(
    sources: Mapping[str, Mapping[str, Any]], data_arguments: DataArguments, **options
) -> VideoDataset | InterleavedDataset:
    """The rows of one kind of sources."""
    weights = [of["weight"] for of in sources.values() if "weight" in of]
    rows = [_load_source(_arguments_of(name, of, data_arguments), **options) for name, of in sources.items()]
    return rows[0] if len(rows) == 1 else InterleavedDataset(rows, weights or None)


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
    ).join(data_arguments)


def _load_source(data_arguments: DataArguments, **options) -> VideoDataset:
    """The rows of one source."""
    rows = data_arguments.load(data_arguments.train_split, data_arguments.num_train_rows)
    if not len(rows):
        raise ValueError(f"{data_arguments.dataset} has no rows in its {data_arguments.train_split} split.")
    return prepare_rows(rows, data_arguments, options["processor"], options["seed"], options["is_blank"])


def load_source_texts(source_arguments: SourceArguments, data_arguments: DataArguments) -> datasets.Dataset:
    """
    What a new tokenizer is trained on: the texts of all sources; with shards, those of the data set that is watched.

    Args:
        source_arguments ([`SourceArguments`])
        data_arguments ([`DataArguments`]): What is trained on if there are no video sources.

    Returns:
        `datasets.Dataset` of columns of text.
    """
    if source_arguments.are_streamed(source_arguments.video_sources):
        return data_arguments.load_texts()
    sources = (source_arguments.video_sources or {data_arguments.dataset: {}}) | source_arguments.image_sources
    texts = [_arguments_of(name, of, data_arguments).load_texts() for name, of in sources.items()]
    common = [name for name in TEXT_COLUMNS if all(name in rows.column_names for rows in texts)]
    return datasets.concatenate_datasets([rows.select_columns(common) for rows in texts])


__all__ = ["SourceArguments", "load_source_texts", "load_sources"]
