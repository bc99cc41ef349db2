# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The rows of a run, all read before anything takes time, labelled alike, and compared for videos that they share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
from accelerate.state import PartialState
from transformers import TrainingArguments
from transformers.utils import logging

from ..data.shared_media import LoadedSplit, warn_of_shared_media
from ..datasets import check_examples, describe_dataset, load_annotations, load_tables, summarize
from ..datasets.example_report import shorten
from ..datasets.own_files import SPLITS
from ..models.configuration_allinone import AllInOneConfig
from .arguments import DataArguments, ModelArguments
from .setup import NOTHING_TO_DO, naming_model

logger = logging.get_logger(__name__)


@dataclass
class Splits:
    """
    What a run has read.

    Args:
        train (`datasets.Dataset`, *optional*): Rows to train on; `None` without training.
        eval (`datasets.Dataset`, *optional*): Rows to evaluate on during training.
        test (`datasets.Dataset`, *optional*): Rows to score.
        label_names (`list` of `str`, *optional*): Answers, or classes, in the order of their labels; `None` where
            labels are places among the options of a row.
        loaded (`list` of [`LoadedSplit`]): All that was read, of which whatever is read later may share videos.
    """

    train: datasets.Dataset | None = None
    eval: datasets.Dataset | None = None
    test: datasets.Dataset | None = None
    label_names: list[str] | None = None
    loaded: list[LoadedSplit] = field(default_factory=list)


def load_splits(
    data_arguments: DataArguments,
    training_arguments: TrainingArguments,
    label_columns: Sequence[str] = (),
    labels_of: ModelArguments | None = None,
    train_arguments: DataArguments | None = None,
    with_train: bool = True,
    task: str | None = None,
) -> Splits:
    """
    Read every split that a run needs.

    Args:
        data_arguments ([`DataArguments`])
        training_arguments (`TrainingArguments`): Whether the run trains, and evaluates as it does.
        label_columns (sequence of `str`, *optional*): Columns without which a row of the test split cannot be scored.
        labels_of ([`ModelArguments`], *optional*): Given where labels stand for answers or classes. These are those of
            the rows to train on; without training, those of this model, by which the rows are then labelled.
        train_arguments ([`DataArguments`], *optional*): How the rows to train on are read. Default: `data_arguments`.
        with_train (`bool`, defaults to `True`): Whether to read rows to train on, where the run trains.
        task (`str`, *optional*): What own files are to have the columns for.

    Returns:
        [`Splits`]

    Raises:
        ValueError: If there is no such data set, split or option, if labels are missing, or if those of the model are
            others than those of the rows.
        OSError: If files are missing or broken, among them all videos of a split.
    """
    if data_arguments.test_split is None and not training_arguments.do_train:
        raise ValueError("There is nothing to do: train with do_train, or give a test_split to score.")
    splits = Splits()
    read: dict[str, datasets.Dataset] = {}
    names = known = None
    trains = training_arguments.do_train and with_train
    if labels_of is not None and not trains:
        names = _labels_of_model(labels_of)
        known = None if _are_nameless(names) else names
    reading = train_arguments or data_arguments
    if not data_arguments.dataset:
        evaluates = training_arguments.eval_strategy != "no"
        needed = [
            *(["train"] if trains and reading == data_arguments else []),
            *([data_arguments.eval_split] if evaluates and data_arguments.eval_split is not None else []),
            *([data_arguments.test_split] if data_arguments.test_split is not None else []),
        ]
        read |= load_own(data_arguments, needed, known, task)
        splits.loaded += [LoadedSplit(rows, data_arguments.data_dir) for rows in read.values()]
        report = check_examples(read)
        # What trains on rows that are read later has them all looked through then.
        if PartialState().is_main_process and (with_train or not training_arguments.do_train):
            logger.warning(str(report))
        _check_own(data_arguments, read)
        if trains and reading == data_arguments and report.num_answers == 1:
            raise ValueError(
                f"{data_arguments.display_name} has one answer for all that is trained on, so there is nothing to "
                "learn; give rows, or folders of classes, with two answers or more."
            )
    if trains:
        if reading == data_arguments and reading.train_split in read:
            rows = read[reading.train_split]
        else:
            rows = load_split(reading, reading.train_split, loaded=splits.loaded)
        splits.train = _first(rows, reading.num_train_rows)
        if train_arguments is None:
            read[reading.train_split] = rows
        if labels_of is not None:
            known = splits.label_names = _answers_of(rows, data_arguments)

    def read_once(split: str, num_rows: int | None) -> datasets.Dataset:
        if split not in read:
            read[split] = load_split(data_arguments, split, label_names=known, loaded=splits.loaded)
        return _first(read[split], num_rows)

    if data_arguments.test_split is not None:
        splits.test = read_once(data_arguments.test_split, data_arguments.num_test_rows)
        _check_labels(splits.test, label_columns)
        if names is not None and labels_of is not None:
            splits.label_names = _match_labels(names, splits.test, labels_of, data_arguments)
    if training_arguments.eval_strategy != "no" and data_arguments.eval_split is not None:
        splits.eval = read_once(data_arguments.eval_split, data_arguments.num_eval_rows)
    return splits


def load_split(
    data_arguments: DataArguments,
    split: str,
    num_rows: int | None = None,
    label_names: Sequence[str] | None = None,
    loaded: list[LoadedSplit] | None = None,
) -> datasets.Dataset:
    """
    Read a split.

    Args:
        data_arguments ([`DataArguments`])
        split (`str`): Its name.
        num_rows (`int`, *optional*): Only so many of its first rows.
        label_names (sequence of `str`, *optional*): Answers by which the rows are labelled, where the reader takes
            some. Default: the reader's own.
        loaded (`list` of [`LoadedSplit`], *optional*): What was read before. A line warns of videos that the split
            shares with others, and it is appended.

    Returns:
        `datasets.Dataset`

    Raises:
        ValueError: If there is no such data set, split, option, or column to group by.
        OSError: If files are missing or broken, among them all videos.
    """
    if not data_arguments.dataset:
        held_out = [name for name in (data_arguments.test_split, data_arguments.eval_split) if name is not None]
        tables = load_own(data_arguments, [split, *held_out], label_names)
        if loaded is not None and PartialState().is_main_process:
            logger.warning(str(check_examples(tables)))
        _check_own(data_arguments, tables)
        return _first(tables[split], num_rows)
    options = data_arguments.dataset_options
    if split == data_arguments.test_split:
        options = options | data_arguments.test_options
    if label_names is not None and "vocabulary" in describe_dataset(data_arguments.dataset).options:
        options = options | {"vocabulary": list(label_names)}
    try:
        rows = load_annotations(
            data_arguments.dataset,
            data_arguments.data_dir,
            split,
            media_root=data_arguments.media_dir,
            on_missing_video=data_arguments.on_missing_video,
            **options,
        )
    except TypeError as error:  # an unknown option
        raise ValueError(str(error)) from error
    summary = summarize(rows)
    if summary.missing_media and len(summary.missing_media) == summary.num_media:
        raise FileNotFoundError(
            f"No video of the {split} split of {data_arguments.dataset} is there ({summary.describe_missing()}). Say "
            "where they lie with media_dir, or media_pattern in dataset_options."
        )
    _check_group(data_arguments, rows)
    if loaded is not None:
        whole = LoadedSplit(rows, data_arguments.data_dir)
        warn_of_shared_media(whole, loaded)
        loaded.append(whole)
    return _first(rows, num_rows)


def load_own(
    data_arguments: DataArguments,
    needed: Sequence[str],
    label_names: Sequence[str] | None = None,
    task: str | None = None,
) -> dict[str, datasets.Dataset]:
    """
    The user's own rows.

    Args:
        data_arguments ([`DataArguments`]): Where they are.
        needed (sequence of `str`): Splits, which are drawn if they are not there.
        label_names (sequence of `str`, *optional*): Answers of a model. Default: those of the rows to train on.
        task (`str`, *optional*): What they are to have the columns for.

    Returns:
        `dict` of `str` to `datasets.Dataset`: All splits that are there, and those needed.

    Raises:
        ValueError: If a file cannot be read, or lacks a column.
        FileNotFoundError: If there is none.
    """
    source: Any = data_arguments.own_files or data_arguments.data_dir
    media_dir = data_arguments.media_dir
    if data_arguments.dataset_name is not None:
        if media_dir is None and Path(data_arguments.dataset_name).is_dir():
            media_dir = data_arguments.dataset_name
        loaded = datasets.load_dataset(data_arguments.dataset_name)
        source = {SPLITS.get(name, name): rows for name, rows in loaded.items()}
    return load_tables(
        source,
        task=task,
        columns=data_arguments.columns,
        media_root=media_dir,
        splits=needed,
        held_out_share=data_arguments.held_out_share,
        vocabulary=label_names,
        on_missing_video=data_arguments.on_missing_video,
        name=data_arguments.display_name if data_arguments.data_name or data_arguments.dataset_name else None,
    )


def _check_own(data_arguments: DataArguments, tables: dict[str, datasets.Dataset]):
    """Raises an error where a run would end at a clip that is missing, or rows have no such group."""
    for rows in tables.values():
        _check_group(data_arguments, rows)
        summary = summarize(rows)
        missing = set(summary.missing_media or ())
        lines = [line for video, line in zip(rows["video"], rows["sample_id"], strict=True) if video in missing]
        if lines and data_arguments.on_decode_error == "raise":
            raise FileNotFoundError(
                f"{summary.name}, {summary.split}: {summary.describe_missing()} ({shorten(lines)}). Leave their rows "
                "out with on_missing_video drop, or say with media_dir where videos lie."
            )


def _check_group(data_arguments: DataArguments, rows: datasets.Dataset):
    """Raises a `ValueError` if rows lack the column to group by."""
    group = data_arguments.group_by
    if group is not None and group not in rows.column_names:
        raise ValueError(f"group_by is {group!r}; the rows have {', '.join(rows.column_names)}.")


def _first(rows: datasets.Dataset, num_rows: int | None) -> datasets.Dataset:
    """The first rows, or all."""
    return rows if num_rows is None else rows.select(range(min(num_rows, len(rows))))


def load_texts(data_arguments: DataArguments) -> datasets.Dataset:
    """The training split for its texts: all rows that its reader gives without options to leave some out."""
    if not data_arguments.dataset:
        return load_split(data_arguments, data_arguments.train_split)
    return load_annotations(
        data_arguments.dataset, data_arguments.data_dir, data_arguments.train_split, on_missing_video="ignore"
    )


def _check_labels(rows: datasets.Dataset, columns: Sequence[str]):
    """Raises a `ValueError` if rows to score have no label."""
    for column in columns:
        if column not in rows.column_names or None in rows[column]:
            summary = summarize(rows)
            raise ValueError(
                f"The {summary.split} split of {summary.name} has rows without {column}, so it cannot be scored: give "
                "a test_split whose labels are public, or null in a recipe."
            )


def _labels_of_model(model_arguments: ModelArguments) -> list[str]:
    """The answers, or classes, of a trained model."""
    if model_arguments.model_name_or_path is None:
        raise ValueError(NOTHING_TO_DO)
    with naming_model(model_arguments.model_name_or_path):
        names = AllInOneConfig.from_pretrained(model_arguments.model_name_or_path).id2label or {}
    return list(names.values())


def _match_labels(
    names: list[str], rows: datasets.Dataset, model_arguments: ModelArguments, data_arguments: DataArguments
) -> list[str]:
    """The answers of a model, which are those of the rows that it is scored on."""
    found = _answers_of(rows, data_arguments)
    if _are_nameless(names):
        # The original's classifiers have the answers of the data set in its order, and one more that is none of them.
        return found[: len(names)] + names[len(found) :]
    if found != names:
        raise ValueError(
            f"{model_arguments.model_name_or_path} answers with {_list_some(names)}, but the rows of "
            f"{summarize(rows).name} are labelled by {_list_some(found)}: train it on them first."
        )
    return names


def _are_nameless(names: Sequence[str]) -> bool:
    """Whether labels have the names that transformers gives to those without."""
    return list(names) == [f"LABEL_{index}" for index in range(len(names))]


def _answers_of(rows: datasets.Dataset, data_arguments: DataArguments) -> list[str]:
    """The answers, or classes, by which rows are labelled."""
    answers = summarize(rows).answers
    if answers is None and not data_arguments.dataset:
        raise ValueError(f"The rows of {data_arguments.display_name} have no answers or classes.")
    if answers is None:
        tasks = ", ".join(describe_dataset(data_arguments.dataset).tasks)
        raise ValueError(f"The rows of {data_arguments.dataset} have no set of answers; it is for {tasks}.")
    return list(answers)


def _list_some(names: Sequence[str], num_shown: int = 3) -> str:
    """How many names there are, and the first."""
    shown = ", ".join(map(repr, names[:num_shown]))
    return f"{len(names)} answers ({shown}{', …' if len(names) > num_shown else ''})"
