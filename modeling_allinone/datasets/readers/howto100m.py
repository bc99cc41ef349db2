# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""HowTo100M: instructional videos with automatic transcripts, in lines of a few seconds (Miech et al., ICCV 2019).

A line and a clip near it are drawn again each epoch:

```python
rows = load_annotations("howto100m", "howto100m", split="train").with_transform(by_row(draw_captioned_clip))
```
"""

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from ..annotation_files import AnnotationFile, Record, read_object, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader, check_positive
from ..row_transforms import draw_integer, generator_of, move_inside

CAPTIONS_FOLDER = "howto100m_csv"
CAPTION_FILES = (
    AnnotationFile(f"{CAPTIONS_FOLDER}/{{video_id}}.csv", "comma-separated with start, end, text"),
    AnnotationFile("caption.json", "JSON object of videos with lists start, end, text"),
    AnnotationFile("raw_caption.json", "JSON object of videos with lists start, end, text"),
)
ORIGINAL_FORMAT = "table with the column Name ('folder/video_id.mp4')"
MAKERS_FILE = AnnotationFile("HowTo100M_v1.csv", "comma-separated with video_id, category_1, ...")


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `captions` and `starts` and `ends`, seconds, of each; [`draw_captioned_clip`] draws one of them.

    Captions are in `howto100m_csv/{video_id}.csv` below the folder of the annotations or of the videos, else in
    `caption.json` or `raw_caption.json`. Videos without any are left out.

    Args:
        folder (`AnnotationFolder`): What to read from; its pattern knows `path` and `video_id`.
        split (`str`): "train" or, in the original's arrangement, "validation".

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    captions = _find_captions(folder)
    for record, video_path in _read_paths(path):
        video_id = video_path.rpartition("/")[2].partition(".")[0]
        lines = _read_lines(captions, video_id)
        if not lines:
            folder.left_out["videos without captions"] += 1
            continue
        starts, ends, texts = zip(*lines, strict=True)
        yield {
            "video": folder.media_path(record, path=video_path, video_id=video_id),
            "captions": list(texts),
            "starts": list(starts),
            "ends": list(ends),
            "video_id": video_id,
        }


def draw_captioned_clip(
    row: dict,
    generator: torch.Generator | None = None,
    num_frames: int = 3,
    frames_per_second: float = 2.0,
    shortest: float = 4.0,
) -> dict:
    """Draw a caption of a video, each equally likely, and a clip near the time at which it is spoken.

    A caption that is spoken for less than `shortest` seconds gets as much time before as after it. Within its time,
    cut to whole seconds, begins a clip of `num_frames` frames at `frames_per_second`, at a whole second that is drawn;
    one that begins too late to end before its time does so past it. It is moved back so as not to end after the last
    caption, the only length of the video that the annotations know (the original fills up with black frames).

    Args:
        row (`dict`): A row of HowTo100M.
        generator (`torch.Generator`, *optional*): Source of randomness; see [`generator_of`].
        num_frames (`int`, defaults to 3): Frames of a clip, at least 1.
        frames_per_second (`float`, defaults to 2.0): Rate of the frames, above 0.
        shortest (`float`, defaults to 4.0): Shortest time of a caption, seconds, above 0.

    Returns:
        `dict`, the row with `caption`, `start` and `end` in place of `captions`, `starts` and `ends`.

    Raises:
        ValueError: If `num_frames`, `frames_per_second` or `shortest` is not above 0.

    Example:
        >>> row = {"captions": ["whisk the eggs"], "starts": [10.0], "ends": [12.0], "video": "a.mp4"}
        >>> drawn = draw_captioned_clip(row | {"ends": [60.0]}, torch.Generator().manual_seed(0))
        >>> drawn["caption"], drawn["end"] - drawn["start"]
        ('whisk the eggs', 1.5)
    """
    check_positive(num_frames=num_frames, frames_per_second=frames_per_second, shortest=shortest)
    generator = generator_of(row, generator)
    number = draw_integer(0, len(row["captions"]) - 1, generator)
    start, end = row["starts"][number], row["ends"][number]
    if end - start < shortest:
        start = max(0.0, start - (shortest - (end - start)) / 2)
        end = start + shortest
    length = num_frames / frames_per_second
    latest = int(max(int(start), int(end) - length))
    begin = float(draw_integer(int(start), latest, generator))
    begin, stop = move_inside(begin, begin + length, max(row["ends"]))
    rest = {name: value for name, value in row.items() if name not in ("captions", "starts", "ends")}
    return rest | {"caption": row["captions"][number], "start": begin, "end": stop}


def _read_paths(path: Path) -> Iterator[tuple[Record, str]]:
    """Entries and paths of the videos, in either arrangement."""
    if path.name == MAKERS_FILE.path:
        for record in read_table(path, delimiter=","):
            yield record, f"{record.text('video_id')}.mp4"
    else:
        for record in read_table(path):
            yield record, record.text("Name")


def _find_captions(folder: AnnotationFolder) -> Path | Record:
    """The folder of a table for each video, or all captions by video."""
    for root in (folder.root, folder.media_root):
        if (root / CAPTIONS_FOLDER).is_dir():
            return root / CAPTIONS_FOLDER
    return read_object(folder.find(CAPTION_FILES), "lists start, end, text of each video")


def _read_lines(captions: Path | Record, video_id: str) -> list[tuple[float, float, str]]:
    """Start, end and text of each caption of a video; blank ones are left out."""
    records: Iterator[Record] = iter(())
    if isinstance(captions, Path):
        path = captions / f"{video_id}.csv"
        if os.path.isfile(path) and os.path.getsize(path):
            records = _read_table(path)
    elif video_id in captions.fields:
        records = _split_lists(captions.object(video_id, "lists start, end, text"))
    lines = []
    for record in records:
        text = record.optional_text("text")
        if text is None:
            continue
        start, end = record.number("start"), record.number("end")
        if start < 0:
            raise record.wrong("start", "seconds from 0")
        lines.append((start, end, text))
    return lines


def _read_table(path: Path) -> Iterator[Record]:
    """Rows of a table, which may have nothing but a header: a video in which nobody speaks."""
    rows = read_table(path, delimiter=",", has_header=False)
    names = [str(name).strip() for name in next(rows).fields.values()]
    for row in rows:
        yield Record(dict(zip(names, row.fields.values(), strict=False)), row.path, row.place)


def _split_lists(record: Record) -> Iterator[Record]:
    """Captions of a video one by one."""
    names = ("start", "end", "text")
    lists = [record.value(name) for name in names]
    if not all(isinstance(one, list) for one in lists) or len({len(one) for one in lists}) > 1:
        raise record.error("start, end and text are no lists of equal length.")
    for number, values in enumerate(zip(*lists, strict=True)):
        yield Record(dict(zip(names, values, strict=True)), record.path, f"{record.place}, caption {number}")


READER = AnnotationReader(
    name="howto100m",
    tasks=("pretraining",),
    publisher="https://www.di.ens.fr/willow/research/howto100m",
    splits={
        "train": (AnnotationFile("ht100_videos_split.csv", ORIGINAL_FORMAT), MAKERS_FILE),
        "validation": (AnnotationFile("ht100_videos_split_val.csv", ORIGINAL_FORMAT),),
    },
    media="{path}",
    read_rows=read_rows,
    extra_columns={"starts": "[float64]", "ends": "[float64]"},
)


__all__ = ["draw_captioned_clip"]
