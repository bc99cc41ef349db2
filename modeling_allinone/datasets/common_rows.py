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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import pyarrow
from datasets import Dataset, DatasetInfo, Features, List, Value
from transformers.utils import logging

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
    features = Features({name: _feature(kind) for name, kind in columns.items()})
    media = _MediaCheck(looks=on_missing_video != "ignore")
    tally = {"rows": 0, "dropped": 0, "outside": 0}
    kept = _kept_rows(rows, folder, columns, split, media, on_missing_video == "drop", tally)
    pieces = []
    while piece := list(islice(kept, PIECE)):
        pieces.append(pyarrow.Table.from_pylist(piece, schema=features.arrow_schema))
    if not tally["rows"] and not tally["dropped"]:
        remarks = "".join(f" {remark}" for remark in folder.remarks)
        raise ValueError(f"{folder.reader.name} has no rows in {', '.join(map(str, folder.files))}.{remarks}")
    vocabulary = folder.vocabulary
    summary = AnnotationSummary(
        name=folder.reader.name,
        split=split,
        files=tuple(map(str, folder.files)),
        num_rows=tally["rows"],
        num_media=len(media.found),
        missing_media=media.missing,
        num_dropped=tally["dropped"],
        answers=vocabulary and vocabulary.answers,
        answers_origin=vocabulary and vocabulary.origin,
        num_outside=tally["outside"],
        remarks=tuple(folder.remarks),
    )
    if summary.missing_media:
        place = str(folder.media_root / folder.media_pattern)
        message = (
            f"{summary.name}, {split}: {summary.describe_missing()}. Fetch them, or say where videos lie with "
            f"media_root and media_pattern (now {place!r})"
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


class _MediaCheck:
    """Which of the videos and images are there, each looked at once."""

    def __init__(self, looks: bool):
        self.found: dict[str, bool] = {}
        self._looks = looks

    def has(self, path: str) -> bool:
        if path not in self.found:
            self.found[path] = not self._looks or _is_there(path)
        return self.found[path]

    @property
    def missing(self) -> tuple[str, ...] | None:
        return tuple(path for path, is_there in self.found.items() if not is_there) if self._looks else None


def _is_there(path: str) -> bool:
    """Whether a path is a file that is not empty or a folder that is not."""
    try:
        if os.path.isdir(path):
            with os.scandir(path) as entries:
                return any(entries)
        return os.path.getsize(path) > 0
    except (OSError, ValueError):
        return False


def _kept_rows(
    rows: Iterable[dict],
    folder: AnnotationFolder,
    columns: Mapping[str, str],
    split: str,
    media: _MediaCheck,
    drops_missing: bool,
    tally: dict[str, int],
) -> Iterator[dict]:
    """Complete rows, checked and counted."""
    number_of: dict[str, int] = {}
    for number, row in enumerate(rows):
        unknown = set(row) - set(columns)
        if unknown:
            raise ValueError(f"A row has columns {sorted(unknown)} that neither the common row nor the reader has.")
        first = number_of.setdefault(row["sample_id"], number) if "sample_id" in row else number
        row = dict.fromkeys(columns) | {"sample_id": f"{split}-{number}"} | row
        if first != number:
            raise ValueError(
                f"{', '.join(map(str, folder.files))}: The sample_id {row['sample_id']!r} of entry {number + 1} was "
                f"already that of entry {first + 1}; expected every id once. The annotations may be two files joined."
            )
        paths = [row.get(name) for name in MEDIA_COLUMNS]
        paths = [one for path in paths if path for one in (path if isinstance(path, list) else [path])]
        missing = [path for path in paths if not media.has(path)]
        if drops_missing and missing:
            tally["dropped"] += 1
            continue
        tally["rows"] += 1
        tally["outside"] += row["label"] == OUTSIDE_LABEL
        yield row


def _feature(kind: str):
    return List(Value(kind[1:-1])) if kind.startswith("[") else Value(kind)
