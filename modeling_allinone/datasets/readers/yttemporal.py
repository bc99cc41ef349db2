# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""YT-Temporal-180M: videos of YouTube with automatic transcripts, word by word (Zellers et al., NeurIPS 2021).

A clip and what is said in it are drawn again each epoch. Replacing words by those of the cleaned transcript takes a
fraction of a second for each video, so it is worth doing once:

```python
rows = load_annotations("yttemporal", "yttemporal", split="train").map(replace_words, num_proc=16)
rows = rows.with_transform(by_row(draw_spoken_clip))
```
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ..annotation_files import AnnotationFile, Record, read_object, read_records, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader, check_inside, check_positive
from ..row_transforms import draw_fraction, draw_integer, generator_of, move_inside
from ..word_alignment import align_words

ORIGINAL_FORMAT = "table with the column Name ('subset_87/data/video_id.mp4')"
MAKERS_FILE = AnnotationFile(
    "yttemporal180m_000of100.jsonl", "JSON lines, unpacked, with info, subtitles, denoised; beside it the other parts"
)
SHORTEST_CLIP, LONGEST_CLIP = 10, 15


def read_rows(folder: AnnotationFolder, split: str, clean_text: Callable[[str], str] | None = None) -> Iterator[dict]:
    """Rows with `words`, `times` (seconds) of each, `clean_words` and `duration`, for [`draw_spoken_clip`].

    In the original's arrangement, the transcript of `videos/subset_87/data/video_id.mp4` is
    `videos/subset_87/annotations/video_id.json`, below the folder of the videos or of the annotations. Videos without
    a transcript are left out, so are words with a rest of HTML.

    Args:
        folder (`AnnotationFolder`): What to read from; its pattern knows `path` and `video_id`.
        split (`str`): "train" or, in the original's arrangement, "validation".
        clean_text (`Callable`, *optional*): Repairs a text; the original takes `ftfy.fix_text`. By default texts stay
            as they are.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    for entry, video_path, video_id, record in _read_transcripts(folder, path):
        words, times = ([], []) if record is None else _words(record, clean_text)
        if record is None or not words:
            folder.left_out["videos without a transcript"] += 1
            continue
        yield {
            "video": folder.media_path(entry, path=video_path, video_id=video_id),
            "words": words,
            "times": times,
            "clean_words": _clean_words(record, clean_text),
            "duration": _duration(record, times),
            "video_id": video_id,
        }


def replace_words(row: dict) -> dict:
    """Replace the words of a row by those of its cleaned transcript; see [`align_words`].

    Args:
        row (`dict`): A row of YT-Temporal.

    Returns:
        `dict`, the row with other `words`, some of them empty, and `clean_words` null.
    """
    if row["clean_words"] is None:
        return row
    return row | {"words": align_words(row["words"], row["clean_words"]), "clean_words": None}


def draw_spoken_clip(row: dict, generator: torch.Generator | None = None, shortest: float = 4.0) -> dict:
    """Draw a clip of 10 to 15 seconds and take what is said in it, in words of the cleaned transcript.

    It starts anywhere but in the last 15 seconds, and ends a second before the end at the latest. One that becomes too
    short by that is widened afterwards, and moved so that it lies in the video. Where nothing is said, the caption is
    empty.

    Args:
        row (`dict`): A row of YT-Temporal; its words are replaced here if [`replace_words`] has not done so.
        generator (`torch.Generator`, *optional*): Source of randomness; see [`generator_of`].
        shortest (`float`, defaults to 4.0): Shortest clip, seconds, above 0.

    Returns:
        `dict`, the row with `caption`, `start` and `end` in place of `words`, `times`, `clean_words` and `duration`.

    Raises:
        ValueError: If `shortest` is not above 0.

    Example:
        >>> row = {"words": ["now", "stir"], "times": [6.0, 6.5], "clean_words": ["Now,", "stir!"], "duration": 16.0}
        >>> drawn = draw_spoken_clip(row, torch.Generator().manual_seed(0))
        >>> drawn["caption"], 10 <= drawn["end"] - drawn["start"] <= 15
        ('Now, stir!', True)
    """
    check_positive(shortest=shortest)
    generator = generator_of(row, generator)
    duration = int(row["duration"])
    start = draw_integer(0, max(1, duration - LONGEST_CLIP), generator) + draw_fraction(generator)
    end = min(duration - 1.0, start + draw_integer(SHORTEST_CLIP, LONGEST_CLIP, generator))
    row = replace_words(row)
    spoken = [word for word, time in zip(row["words"], row["times"], strict=True) if start < time < end]
    if end - start < shortest:
        start = max(0.0, start - (shortest - (end - start)) / 2)
        end = start + shortest
    start, end = move_inside(start, end, row["duration"])
    rest = {name: row[name] for name in row if name not in ("words", "times", "clean_words", "duration")}
    return rest | {"caption": " ".join(" ".join(spoken).split()), "start": start, "end": end}


def _read_transcripts(folder: AnnotationFolder, path: Path) -> Iterator[tuple[Record, str, str, Record | None]]:
    """Entry, path and name of each video, and its transcript if there is one."""
    if path.name == MAKERS_FILE.path:
        folder.files = sorted(path.parent.glob("yttemporal180m_*of100.jsonl"))
        for part in folder.files:
            for record in read_records(part):
                video_id = record.object("info", "id, duration").text("id")
                yield record, f"{video_id}.mp4", video_id, record
    else:
        for row in read_table(path):
            video_path = row.text("Name")
            check_inside(row, video_path)
            video_id = Path(video_path).stem
            relative = f"videos/{video_path.partition('/')[0]}/annotations/{video_id}.json"
            places = (root / relative for root in (folder.media_root, folder.root))
            transcript = next((place for place in places if os.path.isfile(place)), None)
            yield (
                row,
                video_path,
                video_id,
                read_object(transcript, "info, subtitles, denoised") if transcript else None,
            )


def _words(record: Record, clean_text: Callable[[str], str] | None) -> tuple[list[str], list[float]]:
    """Words as they are spoken, and the second of each."""
    words, times = [], []
    for entry in record.objects("subtitles", "word, time", optional=True):
        word = entry.optional_text("word") or ""
        if word.startswith("&") or word.endswith(";"):
            continue
        word = clean_text(word).strip() if clean_text else word
        if word:
            words.append(word)
            times.append(entry.number("time"))
    return words, times


def _clean_words(record: Record, clean_text: Callable[[str], str] | None) -> list[str]:
    """Words of the cleaned transcript."""
    words = []
    for entry in record.objects("denoised", "cleanasr", optional=True):
        text = entry.optional_text("cleanasr") or ""
        words += (clean_text(text) if clean_text else text).split(" ")
    return words


def _duration(record: Record, times: list[float]) -> float:
    """Length of the video, seconds; where nobody says it, a second more than until the last word."""
    info = record.object("info", "id, duration")
    return info.number("duration") if "duration" in info else max(times) + 1


READER = AnnotationReader(
    name="yttemporal",
    tasks=("pretraining",),
    publisher="https://rowanzellers.com/merlot",
    splits={
        "train": (
            AnnotationFile("train_success_2000000.csv", ORIGINAL_FORMAT),
            AnnotationFile("train_success_1000000.csv", ORIGINAL_FORMAT),
            MAKERS_FILE,
        ),
        "validation": (AnnotationFile("val_success.csv", ORIGINAL_FORMAT),),
    },
    media="videos/{path}",
    read_rows=read_rows,
    extra_columns={"words": "[string]", "times": "[float64]", "clean_words": "[string]", "duration": "float64"},
)


__all__ = ["draw_spoken_clip", "replace_words"]
