"""Public data sets by name: which there are, and their annotations as tables of the common row.

>>> from modeling_allinone.datasets import list_datasets
>>> "moving_shapes" in list_datasets()["question-answering"]
True
"""

import difflib
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from .annotation_reader import ON_MISSING_VIDEO, TASKS, AnnotationFolder, AnnotationReader

if TYPE_CHECKING:
    import datasets

# Modules of this package with `READERS`, a tuple of `AnnotationReader`s.
_READER_MODULES = (
    "moving_shapes",
    "readers.msrvtt_qa",
    "readers.msvd_qa",
    "readers.tgif_qa",
    "readers.activitynet_qa",
    "readers.tvqa",
    "readers.msrvtt_mc",
    "readers.lsmdc",
    "readers.ego4d_mc",
    "readers.msrvtt_retrieval",
    "readers.msvd_retrieval",
    "readers.didemo_retrieval",
    "readers.activitynet_retrieval",
    "readers.vcr",
    "readers.nlvr2",
    "readers.vqav2",
    "readers.coco_karpathy",
    "readers.flickr30k",
    "readers.kinetics400",
    "readers.hmdb51",
    "readers.ucf101",
    "readers.webvid",
    "readers.howto100m",
    "readers.yttemporal",
    "readers.cc3m",
    "readers.cc12m",
    "readers.sbu",
    "readers.visual_genome",
)


def list_datasets() -> dict[str, list[str]]:
    """Names of the data sets, by task.

    Returns:
        `dict[str, list[str]]`: For each task, what [`load_annotations`] takes as `name`; a data set may have several.
    """
    readers = _readers().values()
    return {task: [reader.name for reader in readers if task in reader.tasks] for task in TASKS}


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
    readers = _readers()
    if not isinstance(name, str) or name not in readers:
        near = difflib.get_close_matches(str(name).lower().replace("-", "_"), readers, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"There is no data set {name!r}; there are {', '.join(sorted(readers))}.{hint}")
    return readers[name]


def load_annotations(
    name: str,
    root: str | os.PathLike,
    split: str = "train",
    *,
    media_root: str | os.PathLike | None = None,
    media_pattern: str | None = None,
    on_missing_video: str = "warn",
    **options,
) -> "datasets.Dataset":
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
    from .common_rows import collect_rows

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
    return collect_rows(reader.read_rows(folder, split, **options), folder, split, on_missing_video)


def _readers() -> dict[str, AnnotationReader]:
    """All readers by name."""
    modules = [import_module(f".{module}", __package__) for module in _READER_MODULES]
    return {reader.name: reader for module in modules for reader in module.READERS}
