# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""One's own rows and clips, whatever file or folder they lie in: rows as records, which know their lines, and videos.

Text files are read by this package's readers and not by `datasets`, which would take an answer "none" or "NA" for no
answer and "007" for 7, and would not know the line that a row stands in.
"""

import hashlib
import json
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import datasets
import pyarrow
from datasets import Audio, ClassLabel, Dataset, Features, Image, Video
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError
from pyarrow import parquet

from ..models.video_decoding_allinone import IMAGE_SUFFIXES
from ..models.video_sources_allinone import is_url
from .annotation_files import Record, read_json, read_records, read_table

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
TABLES = (".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet")
# What lies beside clips and is none. Whatever has another suffix is taken for a video.
_NO_VIDEOS = {
    *TABLES,
    *(".ass", ".bib", ".doc", ".docx", ".eaf", ".htm", ".html", ".ini", ".log", ".md", ".pdf", ".srt", ".ssa", ".sub"),
    *(".txt", ".vtt", ".xls", ".xlsx", ".xml", ".yaml", ".yml", ".cfg", ".toml", ".ipynb", ".py", ".sh", ".bat"),
    *(".db", ".h5", ".hdf5", ".npy", ".npz", ".pkl", ".pt", ".pth", ".safetensors", ".7z", ".bz2", ".gz", ".rar"),
    *(".tar", ".tgz", ".xz", ".zip", ".crdownload", ".part", ".tmp", ".ytdl", ".md5", ".sha1", ".sha256"),
    *(".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav", ".wma", ".exe", ".lnk", ".url", ""),
}
_MOVING_IMAGES = (".gif", ".png", ".webp")
# Rows of Parquet that are in memory at a time, since their videos may be, too.
_BATCH = 64

LeftOut = dict[str, list[str]]


def find_splits(source: Path) -> dict[str, Path]:
    """
    The splits in a folder; a file, or a folder without, is all training.

    Args:
        source (`Path`): A file, or a folder that may have one for each split.

    Returns:
        `dict` of `str` to `Path`

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it cannot be told what the folders stand for.
    """
    if not source.exists():
        raise FileNotFoundError(f"There is no {source}; expected a file of rows or a folder of videos.")
    folders = [place for place in sorted(source.iterdir()) if _is_shown_folder(place)] if source.is_dir() else []
    found: dict[str, Path] = {}
    for folder in folders:
        split = SPLITS.get(folder.name.lower())
        if split is not None and found.setdefault(split, folder) != folder:
            raise ValueError(
                f"{source} has the folders {found[split].name} and {folder.name}, which both are the {split} split; "
                "keep one."
            )
    if not found:
        return {"train": source}
    if metadata := [name for name in METADATA if (source / name).is_file()]:
        raise ValueError(
            f"{source} has {metadata[0]} beside folders of splits; put one with its rows into each of them."
        )
    others = [folder.name for folder in folders if folder not in found.values() and list_clips(folder)[0]]
    if others:
        raise ValueError(
            f"{source} has folders that are called like splits ({', '.join(folder.name for folder in found.values())})"
            f" beside others with clips ({', '.join(others)}). If they are classes, rename the former; if they are "
            "splits, take the others away, or give the folders one by one as train_file and test_file."
        )
    return found


def read_own_file(path: Path) -> tuple[Path, list[Record], LeftOut]:
    """
    Read a file, a folder with metadata, or a folder with one of videos for each class.

    Args:
        path (`Path`)

    Returns:
        The file that the path leads to, its records, and what of a folder was left out, by reason.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it cannot be read.
    """
    path = find_metadata(path)
    if path.is_dir():
        return path, *_read_classes(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    suffix = path.suffix.lower()
    if suffix == ".json":
        return path, list(_read_json_rows(path)), {}
    if suffix in (".jsonl", ".ndjson"):
        return path, list(read_records(path)), {}
    if suffix in (".tsv", ".tab"):
        return path, list(read_table(path)), {}
    if suffix == ".csv":
        return path, list(read_table(path, ",;\t")), {}
    if suffix == ".parquet":
        return path, list(_read_parquet(path)), {}
    raise ValueError(f"{path} ends with {suffix!r}; expected .csv, .tsv, .json, .jsonl or .parquet, or a folder.")


def is_clip(path: Path) -> bool:
    """Whether a path by itself is that of a clip: a file that is no other by its suffix, or a folder of frames."""
    suffix = path.suffix.lower()
    return _are_frames(path) if path.is_dir() else path.is_file() and (not suffix or suffix not in _NO_VIDEOS)


def find_metadata(path: Path) -> Path:
    """The file with the rows of a folder, where it has one; else the path itself."""
    found = [path / name for name in METADATA if (path / name).is_file()]
    if len(found) > 1:
        raise ValueError(f"{path} has {' and '.join(file.name for file in found)}; keep one of them.")
    return found[0] if found else path


def _read_json_rows(path: Path) -> Iterator[Record]:
    """Rows of one JSON value, a list of objects or a column each, or of JSON lines."""
    try:
        content = read_json(path)
    except ValueError as error:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            first = next((line for line in file if line.strip()), "")
        try:
            json.loads(first)
        except ValueError:
            raise error from None
        yield from read_records(path)
        return
    if not isinstance(content, dict):
        yield from read_records(path)
        return
    columns = list(content.values())
    # pandas writes columns as lists, or as objects by number of the row.
    if columns and all(isinstance(column, list | dict) for column in columns):
        keys = [list(column) if isinstance(column, dict) else list(range(len(column))) for column in columns]
        if any(of_column != keys[0] for of_column in keys):
            sizes = ", ".join(f"{name!r} {len(column)}" for name, column in content.items())
            raise ValueError(f"{path} has columns of other lengths or rows than each other: {sizes}.")
        for number, key in enumerate(keys[0], start=1):
            yield Record({name: column[key] for name, column in content.items()}, path, f"row {number}")
        return
    yield Record(content, path, "line 1")


def _read_parquet(path: Path) -> Iterator[Record]:
    """Rows of Parquet, a few at a time; nothing of them is kept elsewhere but videos that are held as bytes."""
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            is_of_datasets = b"huggingface" in (schema.metadata or {})
            features = Features.from_arrow_schema(schema) if is_of_datasets else {}
            kept = [name for name in schema.names if not isinstance(features.get(name), Audio | Image)]
            number = 0
            for batch in file.iter_batches(_BATCH, columns=kept):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(_tidy_row(row, features), path, f"row {number}")
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"{path} is no Parquet that can be read ({error}); write it again.") from error


def read_dataset(table: Dataset, path: Path) -> Iterator[Record]:
    """
    Rows of a table of `datasets`, whose videos are not decoded and whose classes have their names.

    Args:
        table (`datasets.Dataset`)
        path (`Path`): What messages call it.

    Yields:
        [`Record`]
    """
    features = table.features
    table = table.select_columns([name for name in features if not isinstance(features[name], Audio | Image)])
    for name in table.column_names:
        if isinstance(features[name], Video):
            table = table.cast_column(name, Video(decode=False))
    for number, row in enumerate(table, start=1):
        yield Record(_tidy_row(row, features), path, f"row {number}")


def _tidy_row(row: dict, features: Any) -> dict:
    """A row with names of classes, and with paths for videos."""
    for name, value in row.items():
        if isinstance(features.get(name), ClassLabel):
            row[name] = None if value in (None, -1) else features[name].int2str(value)
        elif isinstance(value, bytes):
            row[name] = _store_video(value, "")
        elif isinstance(value, dict) and set(value) == {"bytes", "path"}:
            suffix = Path(value["path"] or "").suffix
            row[name] = value["path"] if value["bytes"] is None else _store_video(value["bytes"], suffix)
    return row


def _store_video(data: bytes, suffix: str) -> str:
    """A file in the cache of `datasets` with what a row holds as bytes, written once and named by its content."""
    path = stored_videos() / f"{hashlib.sha256(data).hexdigest()}{suffix}"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        partial.write_bytes(data)
        partial.replace(path)
    return str(path)


def stored_videos() -> Path:
    """Where videos are written that rows hold as bytes."""
    return Path(datasets.config.HF_DATASETS_CACHE, "videos")


# ---------------------------------------------------------------------------------------------------------------------
# Folders of clips
# ---------------------------------------------------------------------------------------------------------------------


def list_clips(folder: Path) -> tuple[list[Path], list[Path]]:
    """
    The clips below a folder, in the order of their names: videos, and folders of nothing but numbered images.

    Args:
        folder (`Path`): Links below it are followed; what is hidden is not looked at.

    Returns:
        Two `list` of `Path`: clips, and files that are none.

    Raises:
        ValueError: If a name is no text.
    """
    clips: list[Path] = []
    others: list[Path] = []

    def walk(place: Path, above: frozenset[str]) -> None:
        for entry in sorted(place.iterdir()):
            if entry.name.startswith("."):
                continue
            try:
                entry.name.encode()
            except UnicodeEncodeError as error:
                raise ValueError(f"{str(entry)!r} has a name that is no UTF-8; rename it.") from error
            if not entry.is_dir():
                (clips if _is_video(entry) else others).append(entry)
            elif (real := os.path.realpath(entry)) not in above:  # else a link to where it is in
                if _are_frames(entry):
                    clips.append(entry)
                else:
                    walk(entry, above | {real})

    walk(folder, frozenset([os.path.realpath(folder)]))
    return clips, others


def _is_shown_folder(place: Path) -> bool:
    return place.is_dir() and not place.name.startswith(".")


def _is_video(file: Path) -> bool:
    """Whether a file is a video by its suffix; images are if they move."""
    suffix = file.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        return suffix not in _NO_VIDEOS
    if suffix not in _MOVING_IMAGES:
        return False
    try:
        with PillowImage.open(file) as image:
            return getattr(image, "is_animated", False)
    except (OSError, UnidentifiedImageError):
        return suffix == ".gif"


def _are_frames(folder: Path) -> bool:
    """Whether a folder holds the frames of a clip and nothing else."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    return len(entries) > 1 and all(
        entry.suffix.lower() in IMAGE_SUFFIXES - {".gif"} and entry.stem[-1:].isdigit() for entry in entries
    )


def _read_classes(folder: Path) -> tuple[list[Record], LeftOut]:
    """Clips in a folder for each class, at any depth."""
    records: list[Record] = []
    left_out: LeftOut = defaultdict(list)
    for place in sorted(folder.iterdir()):
        if place.name.startswith("."):
            continue
        if not place.is_dir():
            if _is_video(place):
                left_out["clip beside the folders of classes"].append(str(place))
            continue
        clips, _ = list_clips(place)
        if not clips:
            left_out["folder without clips"].append(str(place))
        label = unicodedata.normalize("NFC", place.name)
        records += [
            Record({"video": clip.relative_to(folder).as_posix(), "label": label}, folder, "") for clip in clips
        ]
    return records, dict(left_out)


# ---------------------------------------------------------------------------------------------------------------------
# Videos
# ---------------------------------------------------------------------------------------------------------------------


class VideoFinder:
    """
    Finds the videos that rows name.

    Args:
        root (`Path`): Where relative paths begin.
    """

    def __init__(self, root: Path):
        self.root = root
        self._listings: dict[str, tuple[dict[str, str], dict[str, list[str]]]] = {}

    def find(self, named: str, record: Record) -> str:
        """
        The file or folder that a row names: perhaps without its suffix, with umlauts composed in another way, with
        backslashes, as a `file://` URL, or below the home directory (`~`).

        Args:
            named (`str`)
            record ([`Record`]): The row, for messages.

        Returns:
            `str`: A path, where nothing may be; or the URL.

        Raises:
            ValueError: If several files have the name with a suffix, or no file can have it.
        """
        if "\0" in named:
            raise record.error(f"the video {named!r} has a NUL in its name; expected a path or a URL.")
        spellings = [named]
        if named.lower().startswith("file://"):
            literal = named[len("file://") :].removeprefix("localhost")
            spellings = [literal, unquote(literal)]
        elif is_url(named):
            return named
        spellings += [spelling.replace("\\", "/") for spelling in spellings if "\\" in spelling and os.sep == "/"]
        spellings += [os.path.expanduser(spelling) for spelling in spellings if spelling.startswith("~")]
        paths = [os.path.join(self.root, spelling) for spelling in spellings]
        for path in paths:
            if os.path.exists(path):
                return _tidy_path(path)
        for path in paths:
            if (found := self._find_alike(os.path.normpath(path), record)) is not None:
                return found
        return os.path.normpath(paths[0])

    def _find_alike(self, path: str, record: Record | None) -> str | None:
        """What has the same name in another spelling; if a record names it, also with a suffix."""
        parent, base = os.path.split(path)
        if not base or parent == path:
            return None
        if not os.path.isdir(parent):
            found = self._find_alike(parent, None)
            if found is None or not os.path.isdir(found):
                return None
            parent = found
        if parent not in self._listings:
            self._listings[parent] = self._list(parent)
        by_name, by_stem = self._listings[parent]
        name = unicodedata.normalize("NFC", base)
        if name in by_name:
            return os.path.join(parent, by_name[name])
        candidates = by_stem.get(name, []) if record is not None else []
        if len(candidates) > 1 and record is not None:
            raise record.error(f"the video {path!r} may be {' or '.join(candidates)}; write its suffix.")
        return os.path.join(parent, candidates[0]) if candidates else None

    @staticmethod
    def _list(parent: str) -> tuple[dict[str, str], dict[str, list[str]]]:
        """The names in a folder, composed; and the videos by their name without suffix."""
        names = sorted(os.listdir(parent))
        by_stem: dict[str, list[str]] = defaultdict(list)
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix.lower() not in _NO_VIDEOS | IMAGE_SUFFIXES - set(_MOVING_IMAGES):
                by_stem[unicodedata.normalize("NFC", stem)].append(name)
        return {unicodedata.normalize("NFC", name): name for name in reversed(names)}, dict(by_stem)


def _tidy_path(path: str) -> str:
    """A path without `..` and the like, if it is the same: behind a link it is not."""
    tidy = os.path.normpath(path)
    return tidy if os.path.exists(tidy) and os.path.samefile(path, tidy) else path


def identify_videos(videos: Iterable[str]) -> dict[str, str]:
    """
    Which of some videos are the same.

    Args:
        videos (iterable of `str`): Paths or URLs.

    Returns:
        `dict` of `str` to `str`: For each, a path or URL that is the same for links to a file and for copies of it.
    """
    real = {video: video if is_url(video) else os.path.realpath(video) for video in dict.fromkeys(videos)}
    by_size: dict[int, list[str]] = defaultdict(list)
    for path in sorted({path for video, path in real.items() if os.path.isfile(path)}):
        by_size[os.path.getsize(path)].append(path)
    same: dict[str, str] = {}
    first: dict[str, str] = {}
    for size, paths in by_size.items():
        for path in paths if size and len(paths) > 1 else ():
            if os.access(path, os.R_OK):
                with open(path, "rb") as file:
                    same[path] = first.setdefault(hashlib.file_digest(file, "sha256").hexdigest(), path)
    return {video: same.get(path, path) for video, path in real.items()}
