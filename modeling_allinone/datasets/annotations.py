# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Public data sets by name: which there are, and their annotations as tables of the common row.

>>> from modeling_allinone.datasets import list_datasets
>>> "moving_shapes" in list_datasets()["question-answering"]
True
"""

import difflib
import os
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from datasets import Dataset

from . import readers
from .annotation_reader import ON_MISSING_VIDEO, ORIGINAL_VALIDATION, TASKS, AnnotationFolder, AnnotationReader
from .common_rows import collect_rows

_OWN_READERS: dict[str, AnnotationReader] = {}


def register_dataset(reader: AnnotationReader) -> AnnotationReader:
    """Make a reader of your own known by its name: to [`list_datasets`], [`describe_dataset`], [`load_annotations`]
    and the option `--dataset` of every script that runs in the same process.

    Args:
        reader (`AnnotationReader`): The reader; one that was registered under the same name before is replaced.

    Returns:
        `AnnotationReader`, the same.

    Raises:
        TypeError: If it is something else.
        ValueError: If its name is that of a public data set.

    Example:
        >>> from modeling_allinone.datasets import AnnotationFile, read_records
        >>> def read_rows(folder, split, language="en"):
        ...     for record in read_records(folder.find_split(split)):
        ...         video = folder.media_path(record, name=record.text("file"))
        ...         yield {"video": video, "caption": record.text(language), "video_id": record.text("file")}
        >>> reader = AnnotationReader(
        ...     name="cooking",
        ...     tasks=("retrieval",),
        ...     publisher="https://example.org/cooking",
        ...     splits={"test": (AnnotationFile("cooking.jsonl", "JSON lines with file, en"),)},
        ...     media="clips/{name}.mp4",
        ...     read_rows=read_rows,
        ... )
        >>> register_dataset(reader).options
        {'language': 'en'}
        >>> Path("cooking.jsonl").write_text('{"file": "7", "en": "somebody whisks eggs"}')
        43
        >>> load_annotations("cooking", ".", "test", on_missing_video="ignore")[0]["caption"]
        'somebody whisks eggs'
    """
    if not isinstance(reader, AnnotationReader):
        raise TypeError(f"reader is {reader!r:.80}; expected an AnnotationReader.")
    if reader.name in _public_readers():
        raise ValueError(f"{reader.name!r} is the name of a public data set; give the reader another.")
    _OWN_READERS[reader.name] = reader
    return reader


def list_datasets() -> dict[str, list[str]]:
    """Names of the data sets, by task.

    Returns:
        `dict[str, list[str]]`: For each task, what [`load_annotations`] takes as `name`; a data set may have several.
    """
    known = (_public_readers() | _OWN_READERS).values()
    return {task: [reader.name for reader in known if task in reader.tasks] for task in TASKS}


def describe_dataset(name: str) -> AnnotationReader:
    """A data set's splits, the files it may come in, who publishes it, where its videos lie, and its options.

    Args:
        name (`str`): One of those in [`list_datasets`].

    Returns:
        `AnnotationReader`

    Raises:
        ValueError: If there is no such data set; the message has the nearest name.

    Example:
        >>> describe_dataset("moving_shapes").options["task"]
        'question-answering'
    """
    known = _public_readers() | _OWN_READERS
    if not isinstance(name, str) or name not in known:
        near = difflib.get_close_matches(str(name).lower().replace("-", "_"), known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"There is no data set {name!r}; there are {', '.join(sorted(known))}.{hint}")
    return known[name]


def load_annotations(
    name: str,
    root: str | os.PathLike,
    split: str = "train",
    *,
    media_root: str | os.PathLike | None = None,
    media_pattern: str | None = None,
    on_missing_video: str = "warn",
    **options,
) -> Dataset:
    """Read the annotations of a public data set as a table of the common row (see `common_rows`).

    No video is decoded; what was found is logged and kept: `summarize(rows)` has the files, the numbers of rows and
    of missing videos, and the answers of a vocabulary in the order of their labels.

    Args:
        name (`str`): One of those in [`list_datasets`].
        root (`str` or `os.PathLike`): Folder of the annotation files.
        split (`str`, defaults to `"train"`): "train", "validation" or "test", as far as the data set has them.
            "original_validation" is what the original selects models on, where that is the test split.
        media_root (`str` or `os.PathLike`, *optional*): Folder of the videos or images; `root` by default. Annotations
            cannot lead out of it; links in it, and `media_pattern`, may.
        media_pattern (`str`, *optional*): Where they lie below it, such as `"videos/{video_id}.mp4"`, instead of the
            place that `describe_dataset(name).media` gives; `".*"` at the end stands for any suffix.
        on_missing_video (`str`, defaults to `"warn"`): What to do about videos that are missing or empty: "warn",
            "raise", "drop" their rows, or "ignore", which does not look for them (quicker where there are millions).
        options: The reader's own, which `describe_dataset(name).options` lists.

    Returns:
        `datasets.Dataset`

    Raises:
        FileNotFoundError: If an annotation file is missing (the message has its path, its format and its publisher)
            or, as `on_missing_video` says, a video.
        TypeError: For an option that the reader does not have.
        ValueError: For an unknown name or split, and for annotations that cannot be read or lead out of the folder of
            the media (the message has file, line and field).

    Example:
        >>> from modeling_allinone.datasets import summarize, write_moving_shapes
        >>> folder = write_moving_shapes("shapes", num_clips=20, split="train")
        >>> rows = load_annotations("moving_shapes", "shapes", split="train")
        >>> rows[1]["question"], rows[1]["answer"], rows[1]["label"]
        ('Which colour appeared first?', 'red', 10)
        >>> summarize(rows).missing_media
        ()
    """
    reader = describe_dataset(name)
    reader.check_split(split)
    reader.check_options(options)
    if on_missing_video not in ON_MISSING_VIDEO:
        raise ValueError(
            f"on_missing_video is {on_missing_video!r}; expected one of {', '.join(map(repr, ON_MISSING_VIDEO))}."
        )
    root = Path(root)
    media_root = root if media_root is None else Path(media_root)
    for argument, path in {"root": root, "media_root": media_root}.items():
        if not path.is_dir():
            raise FileNotFoundError(f"{argument} is {path}, which is no folder; expected that of {name}.")
    folder = AnnotationFolder(
        reader,
        root,
        media_root,
        media_pattern=reader.media if media_pattern is None else str(media_pattern),
        looks_for_media=on_missing_video != "ignore",
    )
    rows = reader.read_rows(folder, "test" if split == ORIGINAL_VALIDATION else split, **options)
    return collect_rows(rows, folder, split, on_missing_video)


@cache
def _public_readers() -> dict[str, AnnotationReader]:
    """The readers in the modules of `readers/` by name."""
    modules = [import_module(f"{readers.__name__}.{found.name}") for found in iter_modules(readers.__path__)]
    values = [value for module in modules for value in vars(module).values()]
    return {value.name: value for value in values if isinstance(value, AnnotationReader)}


__all__ = ["describe_dataset", "list_datasets", "load_annotations", "register_dataset"]
