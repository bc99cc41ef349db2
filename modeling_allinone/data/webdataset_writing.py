# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Rows of any data set -> tar shards in the layout of WebDataset, which [`WebDatasetStream`] and `datasets` read."""

import io
import json
import os
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from PIL import Image

from ..datasets.common_rows import MEDIA_COLUMNS
from ..models.frame_conversion_allinone import ONE_THREAD
from ..models.video_clip_allinone import Clip
from ..models.video_decoding_allinone import DecoderClip, list_frames, open_clip
from ..models.video_sources_allinone import frame_rate_of, is_decoder, resolve_source, source_name
from .folder_lock import only_writer
from .video_loading import SKIPPED_NAME, read_skipped, record_skipped
from .webdataset_reading import INDEX_NAME
from .webdataset_samples import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from .workers import map_in_workers

if TYPE_CHECKING:
    import datasets

_ENCODER_OPTIONS = {"crf": "23", "preset": "veryfast", "g": "30"}
_TICKS_PER_SECOND = 90_000
_BYTES_AT_ONCE = 2**28  # of decoded frames


@dataclass
class ShardSummary:
    """
    What lies in a folder of shards; `str` of it is for people.

    Args:
        num_shards (`int`): Shards.
        num_rows (`int`): Rows in them.
        num_bytes (`int`): Their size.
        num_skipped (`int`): Rows whose clips could not be read, which [`read_skipped`] lists.
    """

    num_shards: int
    num_rows: int
    num_bytes: int
    num_skipped: int

    def __str__(self) -> str:
        megabytes = self.num_bytes / 1e6
        return (
            f"{self.num_shards} shards, {self.num_rows} rows, {megabytes:,.1f} MB; skipped clips: {self.num_skipped}"
        )


def write_shards(
    rows: "datasets.Dataset | Sequence[dict]",
    folder: str | Path,
    name: str,
    rows_per_shard: int = 1000,
    shortest_edge: int | None = None,
    prepare_row: Callable[[dict], dict] | None = None,
    num_workers: int | None = None,
) -> ShardSummary:
    """
    Write rows and their clips to tar shards: `name-000000.tar` and so on, with `index.json` beside.

    A sample has `KEY.json`, all fields of the row but its media, and the file itself, such as `KEY.mp4`. What a row
    takes from the middle of a video, by `start` and `end`, is cut out and re-encoded (H.264, without sound), so that
    no video is stored for each of its clips; the fields are null then. A video that rows take whole is stored as it
    is, once for each row, and so are images and folders of frames.

    A shard that is done is not written again, so a run that was stopped goes on where it was. One run at a time writes
    to a folder; a second one is refused. Clips that cannot be opened, or whose first frame cannot be decoded, are left
    out and listed in `skipped_clips.jsonl`.

    Args:
        rows (`datasets.Dataset` or a sequence of `dict`): Rows with `video`, `image` or `images`: paths, URLs, or what
            else [`open_clip`] takes. What is no file, such as a list of frames with its `frame_rate`, is encoded.
        folder (`str` or `Path`): Where the shards are written; a folder for each data set and split.
        name (`str`): What their names begin with.
        rows_per_shard (`int`, defaults to 1000): How many rows a shard has, if none is skipped.
        shortest_edge (`int`, *optional*): Videos whose shorter side is longer, pixels, are made smaller and
            re-encoded. Default: they stay as they are.
        prepare_row (`Callable[[dict], dict]`, *optional*): Changes a row before, such as [`replace_words`].
        num_workers (`int`, *optional*): Processes, each of which writes a shard. Default: one for each core.

    Returns:
        [`ShardSummary`]

    Raises:
        ValueError: If no clip could be written, if the folder has shards of other rows or of other options, or if
            another run is writing there.

    Example:

    ```python
    >>> from modeling_allinone.datasets import load_annotations, write_moving_shapes

    >>> folder = write_moving_shapes("shapes", num_clips=5)
    >>> rows = load_annotations("moving_shapes", "shapes", task="retrieval")
    >>> summary = write_shards(rows, "shards", "shapes", rows_per_shard=2, num_workers=0)
    >>> summary.num_shards, summary.num_rows, summary.num_skipped
    (3, 5, 0)
    >>> write_shards(rows, "shards", "shapes", rows_per_shard=2, num_workers=0) == summary
    True

    ```
    """
    for option, value, lowest in (("rows_per_shard", rows_per_shard, 1), ("shortest_edge", shortest_edge, 16)):
        if value is not None and (not isinstance(value, int) or value < lowest):
            raise ValueError(f"{option} is {value!r}; expected a whole number, {lowest} or more.")
    if not name or set(name) & set("./\\"):
        raise ValueError(f"name is {name!r}; expected a name without dots and slashes.")
    if not len(rows):
        raise ValueError("There are no rows to write.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    options = {"name": name, "total_rows": len(rows), "rows_per_shard": rows_per_shard, "shortest_edge": shortest_edge}
    with only_writer(folder):
        _check_index(folder, options)
        for left_over in folder.glob(f"{name}-*.unfinished"):  # of runs that were killed
            left_over.unlink()
        make_files = partial(_make_files, shortest_edge, prepare_row)
        write = partial(_write_shard, rows, folder / name, rows_per_shard, make_files)
        written = map_in_workers(write, range(-(-len(rows) // rows_per_shard)), num_workers, "shards")
        shards = [shard for shard in written if shard["rows"]]
        summary = ShardSummary(
            num_shards=len(shards),
            num_rows=sum(shard["rows"] for shard in shards),
            num_bytes=sum(shard["bytes"] for shard in shards),
            num_skipped=len(read_skipped(folder / SKIPPED_NAME)),
        )
        _write_index(folder, {"options": options, **asdict(summary), "shards": shards})
    if not shards:
        raise ValueError(f"No clip of {len(rows)} rows could be written; {folder / SKIPPED_NAME} says why.")
    return summary


def _write_shard(
    rows: "datasets.Dataset | Sequence[dict]",
    stem: Path,
    rows_per_shard: int,
    make_files: Callable[[dict], dict[str, bytes]],
    number: int,
) -> dict[str, Any]:
    """Name, rows and size of a shard, which is written if it is not there yet."""
    path = stem.with_name(f"{stem.name}-{number:06}.tar")
    if not path.exists():
        first = number * rows_per_shard
        skipped, unfinished = [], path.with_name(f"{path.name}.{os.getpid()}.unfinished")
        with tarfile.open(unfinished, "w", format=tarfile.GNU_FORMAT) as tar:
            for place in range(first, min(first + rows_per_shard, len(rows))):
                row, key = rows[place], f"{place:09}"
                try:
                    files = make_files(row)
                except Exception as error:  # libraries of codecs raise whatever they like
                    skipped.append((_name_media(row), row.get("sample_id") or key, f"{type(error).__name__}: {error}"))
                    continue
                for suffix, data in files.items():
                    member = tarfile.TarInfo(f"{key}.{suffix}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
            is_empty = tar.offset == 0
        for clip in skipped:
            record_skipped(path.with_name(SKIPPED_NAME), *clip)
        if is_empty:
            unfinished.unlink()
            return {"name": path.name, "rows": 0, "bytes": 0}
        unfinished.rename(path)
    with tarfile.open(path, "r:") as tar:
        num_rows = sum(member.name.endswith(".json") for member in tar)
    return {"name": path.name, "rows": num_rows, "bytes": path.stat().st_size}


def _check_index(folder: Path, options: dict[str, Any]):
    """Raises a `ValueError` if the shards of a folder are others than those to be written; else takes the folder."""
    path = folder / INDEX_NAME
    if not path.exists():
        if any(folder.glob("*.tar")):
            raise ValueError(f"{folder} has tar files, but no {INDEX_NAME} that says of what; give another folder.")
        _write_index(folder, {"options": options})
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["options"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no index of shards; give another folder.") from error
    if found != options:
        raise ValueError(f"{folder} has shards of {found}, but these would be of {options}; give another folder.")


def _write_index(folder: Path, index: dict[str, Any]):
    unfinished = folder / f"{INDEX_NAME}.unfinished"
    unfinished.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    unfinished.rename(folder / INDEX_NAME)


def _name_media(row: dict) -> str:
    values = (row.get(column) for column in MEDIA_COLUMNS)
    sources = (source for value in values for source in (value if isinstance(value, list) else [value]))
    return ", ".join(source_name(source) or f"a {type(source).__name__}" for source in sources if source is not None)


def _make_files(shortest_edge: int | None, prepare_row: Callable[[dict], dict] | None, row: dict) -> dict[str, bytes]:
    """The files of a sample, by suffix."""
    row = row if prepare_row is None else prepare_row(row)
    fields = {name: value for name, value in row.items() if name not in MEDIA_COLUMNS}
    if row.get("images"):
        images = map(_read_image, row["images"])
        files = {f"images.{number}.{_suffix(name)}": data for number, (name, data) in enumerate(images)}
    elif row.get("image") is not None:
        name, data = _read_image(row["image"])
        files = {_suffix_in("image", name): data}
    elif row.get("video") is not None:
        files = _store_video(row, shortest_edge, fields)
    else:
        raise ValueError("the row has no video and no image")
    return {"json": json.dumps(fields).encode(), **files}


def _store_video(row: dict, shortest_edge: int | None, fields: dict[str, Any]) -> dict[str, bytes]:
    """The files of a video, as they are or re-encoded, after which the fields of the row are others."""
    source, name = resolve_source(row["video"], "the video")
    start, end = row.get("start"), row.get("end")
    # A decoder as it is, because it may stand for another stream than the one that its file is read by.
    clip = open_clip(row["video"] if is_decoder(row["video"]) else source, name, frame_rate=frame_rate_of(row))
    is_file = isinstance(source, Path | bytes) and not isinstance(clip, DecoderClip)
    (frame,) = clip.read(np.array([0]))
    size = _reduced(frame.shape[:2], shortest_edge)
    is_smaller = clip.has_times and min(size) < min(frame.shape[:2]) - 1
    if start is not None or end is not None or is_smaller or not is_file:
        data = _encode(clip, clip.window(start, end), size, num_at_once=max(_BYTES_AT_ONCE // frame.nbytes, 1))
        fields |= dict.fromkeys(("start", "end", "frame_rate"))
        files, clip = {"mp4": data}, open_clip(data, name)
    elif isinstance(source, Path) and source.is_dir():
        images = enumerate(list_frames(source))
        files = {f"video.{number:06}.{_suffix(one)}": one.read_bytes() for number, one in images}
    else:
        files = {_suffix_in("video", name): source if isinstance(source, bytes) else source.read_bytes()}
    if clip.has_times:
        fields["duration"] = row.get("duration") or round(clip.duration, 3)
    return files


def _read_image(source) -> tuple[str, bytes]:
    """The name and the content of a file that is an image, or that an image in memory is made to."""
    source, name = resolve_source(source, "the image")
    if isinstance(source, Image.Image):
        file = io.BytesIO()
        source.save(file, "PNG", exif=source.getexif())
        source, name = file.getvalue(), "image.png"
    data = source.read_bytes() if isinstance(source, Path) else source
    open_clip(data, name).read(np.array([0]))
    return name, data


def _suffix(name: str | Path) -> str:
    """What the name of a file, or its URL, ends with."""
    return Path(str(name).partition("::")[0].partition("?")[0]).suffix[1:].lower() or "bin"


def _suffix_in(column: str, name: str) -> str:
    """What the name of a file ends with, so that it is found in its column again."""
    suffix = _suffix(name)
    is_clear = suffix in (VIDEO_SUFFIXES if column == "video" else IMAGE_SUFFIXES)
    return suffix if is_clear else f"{column}.{suffix}"


def _encode(clip: Clip, window: tuple[int, int], size: tuple[int, int], num_at_once: int) -> bytes:
    """An MP4 file, of some height and width, of a clip's frames from one to before another; few are in memory."""
    first, stop = window
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        rate = Fraction(clip.mean_frame_rate).limit_denominator(1001)  # says how long the last one lasts
        stream = container.add_stream("libx264", rate=rate, options=_ENCODER_OPTIONS)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS_PER_SECOND)
        stream.codec_context.thread_count = 1
        for begin in range(first, stop, num_at_once):
            indices = np.arange(begin, min(begin + num_at_once, stop))
            for pixels, time in zip(clip.read(indices), clip.times[indices], strict=True):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame = frame.reformat(
                    width=size[1], height=size[0], format="yuv420p", interpolation="AREA", **ONE_THREAD
                )
                frame.pts = round((time - clip.times[first]) * _TICKS_PER_SECOND)
                frame.time_base = stream.codec_context.time_base
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def _reduced(size: tuple[int, int], shortest_edge: int | None) -> tuple[int, int]:
    """Height and width whose shorter one is at most `shortest_edge`, and which are even, as H.264 needs them."""
    scale = 1.0 if shortest_edge is None else min(1.0, shortest_edge / min(size))
    height, width = (max(2, 2 * round(side * scale / 2)) for side in size)
    return height, width


__all__ = ["INDEX_NAME", "ShardSummary", "write_shards"]
