# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Where the rows of pre-training come from: data sets or shards, mixed by weight, and images beside videos."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
from torch.utils.data import Dataset
from transformers import TrainingArguments

from ..data.shared_media import LoadedSplit
from ..data.video_dataset import InterleavedDataset, PairedDataset, VideoDataset
from ..data.video_loading import SKIPPED_NAME
from ..data.webdataset_stream import PairedStream, WebDatasetStream, parse_sources
from ..datasets.tokenizer_training import TEXT_COLUMNS
from ..evaluation.retrieval import collect_captions, list_options
from ..models.processing_allinone import AllInOneProcessor
from .arguments import DataArguments
from .pretraining_arguments import EvaluationArguments, SourceArguments
from .setup import prepare_rows
from .splits import load_split, load_texts


def load_sources(
    source_arguments: SourceArguments,
    data_arguments: DataArguments,
    processor: AllInOneProcessor,
    training_arguments: TrainingArguments,
    is_blank: bool = False,
    loaded: list[LoadedSplit] | None = None,
) -> Dataset:
    """
    The rows to train on.

    Args:
        source_arguments ([`SourceArguments`])
        data_arguments ([`DataArguments`]): What is trained on if there are no video sources, and how clips are read.
        processor ([`AllInOneProcessor`])
        training_arguments (`TrainingArguments`): Whose seed order and draws depend on.
        is_blank (`bool`, defaults to `False`): Whether all clips and images are blank.
        loaded (`list` of [`LoadedSplit`], *optional*): What the run has read, see [`load_split`].

    Returns:
        [`VideoDataset`], [`InterleavedDataset`], or, with images, [`PairedDataset`]; of shards,
        [`WebDatasetStream`] or [`PairedStream`].

    Raises:
        ValueError: If a data set has no rows to train on, or if shards are to be read in a way that needs to know
            their rows.
    """
    if source_arguments.are_shards:
        return _stream(source_arguments, data_arguments, training_arguments, is_blank)

    if training_arguments.eval_strategy == "no":
        # Of one's own rows, none are held out to evaluate on.
        data_arguments = replace(data_arguments, eval_split=None)

    def mix(sources: Mapping[str, Mapping[str, Any]]) -> VideoDataset | InterleavedDataset:
        rows = []
        for name, of in sources.items():
            arguments = _arguments_of(name, of, data_arguments)
            split = load_split(arguments, arguments.train_split, arguments.num_train_rows, loaded=loaded)
            if not len(split):
                raise ValueError(f"{arguments.dataset} has no rows in its {arguments.train_split} split.")
            rows.append(prepare_rows(split, arguments, processor, seed=training_arguments.seed, is_blank=is_blank))
        weights = [of["weight"] for of in sources.values() if "weight" in of]
        return rows[0] if len(rows) == 1 else InterleavedDataset(rows, weights or None)

    videos = mix(source_arguments.video_sources or {data_arguments.dataset: {}})
    images = source_arguments.image_sources
    return PairedDataset(videos, mix(images)) if images else videos


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
            skipped_file=Path(training_arguments.output_dir or "", SKIPPED_NAME),
        )
        for sources in (source_arguments.video_sources, source_arguments.image_sources)
        if sources
    ]
    return streams[0] if len(streams) == 1 else PairedStream(*streams)


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
        dataset_options=source.get("options") or {},
        test_options={},
    )


def load_source_texts(source_arguments: SourceArguments, data_arguments: DataArguments) -> datasets.Dataset:
    """
    What a new tokenizer is trained on: the texts of all sources; with shards, those of `dataset`.

    Args:
        source_arguments ([`SourceArguments`])
        data_arguments ([`DataArguments`]): What is trained on if there are no video sources.

    Returns:
        `datasets.Dataset` of columns of text.
    """
    if source_arguments.are_shards:
        return load_texts(data_arguments)
    sources = (source_arguments.video_sources or {data_arguments.dataset: {}}) | source_arguments.image_sources
    texts = [load_texts(_arguments_of(name, of, data_arguments)) for name, of in sources.items()]
    common = [name for name in TEXT_COLUMNS if all(name in rows.column_names for rows in texts)]
    return datasets.concatenate_datasets([rows.select_columns(common) for rows in texts])


def load_zero_shot(
    evaluation_arguments: EvaluationArguments, loaded: list[LoadedSplit] | None = None
) -> dict[str, datasets.Dataset]:
    """
    Held-out rows of tasks that the model is not trained for.

    Args:
        evaluation_arguments ([`EvaluationArguments`])
        loaded (`list` of [`LoadedSplit`], *optional*): What the run has read, see [`load_split`].

    Returns:
        `dict` of `str` to `datasets.Dataset`: The rows of each task.

    Raises:
        ValueError: If what describes them is wrong, or if they do not fit the task.
        OSError: If their files cannot be read.
    """
    return {task: _load_zero_shot_task(task, of, loaded) for task, of in evaluation_arguments.zero_shot.items()}


def _load_zero_shot_task(
    task: str, described: Mapping[str, Any], loaded: list[LoadedSplit] | None
) -> datasets.Dataset:
    """The rows of a task, as a recipe describes them."""
    split = described.get("split", "validation")
    try:
        arguments = DataArguments(
            described["dataset"],
            described["data_dir"],
            described.get("media_dir"),
            dataset_options=described.get("options") or {},
        )
        rows = load_split(arguments, split, described.get("num_rows"), loaded=loaded)
        if not len(rows):
            raise ValueError(f"the {split} split of {described['dataset']} has no rows.")
        if task == "retrieval":
            collect_captions(rows)
        else:
            list_options(rows)
            if None in rows["label"]:
                raise ValueError("Some rows have no label, so they cannot be scored; take a split that is public.")
    except ValueError as error:
        raise ValueError(f"zero_shot of {task}: {error}") from error
    return rows
