# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The common row: what every reader's table has, whatever the data set.

| column | type | what |
|---|---|---|
| `video` or `image` | text | path of a video, an animated image or a folder of frames; of a still image |
| `start`, `end` | seconds | part of the video; null is its beginning, its end |
| `frame_rate` | per second | of the frames of a folder, which has no times of its own; no matter for files |
| `question` | text | |
| `options` | list of texts | what to choose from |
| `answer` | text | of a question; of a choice, the right option |
| `label` | number | of the answer in the vocabulary (-100 outside) or of the right option; null where not public |
| `caption` or `captions` | text, or list of texts | one, or several for the same video, of which training draws one |
| `video_id`, `sample_id` | text | the data set's own name of the video; a name of the row, unique in the split |
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow
from datasets import Dataset, DatasetInfo, Features, List, Value
from transformers.utils import logging

from ..models.video_sources_allinone import is_url
from .annotation_reader import AnnotationFolder, AnnotationSummary
from .answer_vocabularies import OUTSIDE_LABEL

logger = logging.get_logger(__name__)

COMMON_COLUMNS = {
    "video": "string",
    "image": "string",
    "start": "float64",
    "end": "float64",
    "frame_rate": "float64",
    "question": "string",
    "options": "[string]",
    "answer": "string",
    "label": "int64",
    "caption": "string",
    "captions": "[string]",
    "video_id": "string",
    "sample_id": "string",
}
MEDIA_COLUMNS = ("video", "images", "image")
# Rows are packed in pieces of this many, since Python's own objects take a multiple of the table's memory.
PIECE = 50_000


@dataclass
class AnnotationInfo(DatasetInfo):
    """`datasets.DatasetInfo` with what was found; it stays with tables made from the one that was read.

    Args:
        summary (`AnnotationSummary`, *optional*): What was found.
    """

    summary: AnnotationSummary | None = None


def collect_rows(
    rows: Iterable[dict], folder: AnnotationFolder, split: str, on_missing_video: str = "warn"
) -> Dataset:
    """Make a table of a reader's rows.

    Args:
        rows (`Iterable[dict]`): What the reader yields.
        folder (`AnnotationFolder`): What it read from, which knows the files and the vocabulary.
        split (`str`): The split, for names of rows and messages.
        on_missing_video (`str`, defaults to `"warn"`): What to do about videos that are not there: "warn", "raise",
            "drop" their rows, or "ignore", which does not look.

    Returns:
        `datasets.Dataset`, whose `info.summary` is an [`AnnotationSummary`].

    Raises:
        ValueError: If there are no rows or two have the same `sample_id`.
        FileNotFoundError: If videos are missing and `on_missing_video` is "raise", or all are and it is "drop".
    """
    columns = COMMON_COLUMNS | dict(folder.reader.extra_columns)
    features = Features({name: feature_of(kind) for name, kind in columns.items()})
    is_there: dict[str, bool] = {}
    counts: Counter[str] = Counter()

    def kept_rows() -> Iterator[dict]:
        """Complete rows, checked and counted."""
        number_of: dict[str, int] = {}
        for number, row in enumerate(rows):
            if unknown := set(row) - set(columns):
                raise ValueError(
                    f"A row has columns {sorted(unknown)} that neither the common row nor the reader has."
                )
            first = number_of.setdefault(row["sample_id"], number) if "sample_id" in row else number
            row = dict.fromkeys(columns) | {"sample_id": f"{split}-{number}"} | row
            if first != number:
                raise ValueError(
                    f"{', '.join(map(str, folder.files))}: The sample_id {row['sample_id']!r} of entry {number + 1} "
                    f"was already that of entry {first + 1}; expected every id once. The annotations may be two files "
                    "joined."
                )
            found = [row.get(name) or [] for name in MEDIA_COLUMNS]
            media: list[str] = [path for paths in found for path in ([paths] if isinstance(paths, str) else paths)]
            for path in media:
                if path not in is_there:
                    is_there[path] = on_missing_video == "ignore" or is_media_there(path)
            if on_missing_video == "drop" and not all(is_there[path] for path in media):
                counts["dropped"] += 1
                continue
            counts["rows"] += 1
            counts["outside"] += row["label"] == OUTSIDE_LABEL
            yield row

    kept, pieces = kept_rows(), []
    while piece := list(islice(kept, PIECE)):
        pieces.append(pyarrow.Table.from_pylist(piece, schema=features.arrow_schema))
    remarks = (*folder.remarks, *(f"{count} {kind} were left out" for kind, count in folder.left_out.items()))
    if not counts["rows"] and not counts["dropped"]:
        raise ValueError(
            " ".join([f"{folder.reader.name} has no rows in {', '.join(map(str, folder.files))}.", *remarks])
        )
    vocabulary = folder.vocabulary
    summary = AnnotationSummary(
        name=folder.reader.name,
        split=split,
        files=tuple(map(str, folder.files)),
        num_rows=counts["rows"],
        num_media=len(is_there),
        missing_media=None if on_missing_video == "ignore" else tuple(path for path in is_there if not is_there[path]),
        num_dropped=counts["dropped"],
        answers=None if vocabulary is None else vocabulary.answers,
        answers_origin=None if vocabulary is None else vocabulary.origin,
        num_outside=counts["outside"],
        remarks=remarks,
    )
    if summary.missing_media:
        place = str(folder.media_root / folder.media_pattern)
        message = (
            f"{summary.name}, {split}: {summary.describe_missing()}. Fetch them, or say where videos lie with "
            f"media_root{' and media_pattern' if folder.media_pattern else ''} (now {place!r})"
        )
        if on_missing_video == "raise" or not pieces:
            raise FileNotFoundError(f"{message}.")
        remedy = "" if on_missing_video == "drop" else ", or leave their rows out with on_missing_video='drop'"
        logger.warning(f"{message}{remedy}.")
    logger.info(str(summary))
    return Dataset(
        pyarrow.concat_tables(pieces),
        info=AnnotationInfo(
            description=str(summary),
            homepage=folder.reader.publisher,
            dataset_name=folder.reader.name,
            features=features,
            summary=summary,
        ),
    )


def summarize(dataset: Dataset) -> AnnotationSummary:
    """What was found when a table was read.

    Args:
        dataset (`datasets.Dataset`): What [`load_annotations`] returned, or what `select`, `filter`, `map` and so on
            made of it; the summary is of the whole.

    Returns:
        `AnnotationSummary`

    Raises:
        ValueError: If the table is another, or went through a file or a concatenation.
    """
    summary = getattr(dataset.info, "summary", None)
    if summary is None:
        raise ValueError("The table has no summary; expected one from load_annotations, neither saved nor joined.")
    return summary


def is_media_there(path: str) -> bool:
    """Whether a path is a file that is not empty or a folder that is not; URLs are not looked at."""
    if is_url(path):
        return True
    try:
        if os.path.isdir(path):
            with os.scandir(path) as entries:
                return any(entries)
        return os.path.getsize(path) > 0
    except (OSError, ValueError):
        return False


def caption_rows(row: dict, captions: Sequence[str], split: str, mode: str | None = None) -> Iterator[dict]:
    """Turn a video with its captions into rows.

    Args:
        row (`dict`): What the rows have in common; its `video_id` names them.
        captions (`Sequence[str]`): At least one.
        split (`str`): The split, which decides where `mode` does not.
        mode (`str`, *optional*): "list": one row with all captions, of which training draws one; "first": one row
            with the first, a fixed query for retrieval; "each": a row for each. By default "list" for the training
            split, "first" for others.

    Yields:
        `dict`

    Raises:
        ValueError: For an unknown mode.

    Example:
        >>> list(caption_rows({"video_id": "7"}, ["a cat", "a pet"], "test"))
        [{'video_id': '7', 'caption': 'a cat', 'sample_id': '7'}]
    """
    mode = ("list" if split == "train" else "first") if mode is None else mode
    if mode == "list":
        yield row | {"captions": list(captions), "sample_id": row["video_id"]}
    elif mode == "first":
        yield row | {"caption": captions[0], "sample_id": row["video_id"]}
    elif mode == "each":
        for number, caption in enumerate(captions):
            yield row | {"caption": caption, "sample_id": f"{row['video_id']}-{number}"}
    else:
        raise ValueError(f"caption_mode is {mode!r}; expected one of 'list', 'first', 'each'.")


def choice_columns(options: Sequence[str], label: int | None) -> dict:
    """The columns `options`, `answer` and `label` of a row; the last two are null where the right one is not public.

    Args:
        options (`Sequence[str]`): What there is to choose from.
        label (`int`, *optional*): Index of the right one.
    """
    return {"options": options, "answer": None if label is None else options[label], "label": label}


def feature_of(kind: str) -> Value | List:
    """Type of a column."""
    return List(Value(kind[1:-1])) if kind.startswith("[") else Value(kind)


__all__ = ["caption_rows", "choice_columns", "summarize"]
