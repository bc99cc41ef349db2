# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""A sample of a shard -> a row: its media are files of the shard, and of its `json`, what is understood is obeyed."""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..datasets.common_rows import MEDIA_COLUMNS
from ..models.video_decoding_allinone import IMAGE_SUFFIXES as IMAGE_ENDINGS
from .webdataset_reading import Sample, StoredFile

VIDEO_SUFFIXES = {"3gp", "avi", "flv", "gif", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts", "webm", "wmv"}
IMAGE_SUFFIXES = {ending.removeprefix(".") for ending in IMAGE_ENDINGS} - VIDEO_SUFFIXES

# Media whose suffix does not tell their column: "video.webp", "images.0.jpg".
_MEDIA_NAME = re.compile(r"(video|image|images)(?:\.([0-9]+))?\.[^.]+")
# Names of files of one column: the first kind that a sample has is meant.
_NUMBERED, _NAMED, _BARE, _LONG = range(4)

# Integers up to here are exact in floating point; what is not finite is not below it.
_LARGEST_NUMBER = 2**53


class UnusableSampleError(ValueError):
    """
    A sample of which no row can be made.

    Args:
        counter (`str`): Under which name it is counted, such as `"without_media"`.
        reason (`str`): What is wrong with it.
    """

    def __init__(self, counter: str, reason: str):
        super().__init__(reason)
        self.counter = counter


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any, above: float = -_LARGEST_NUMBER) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and above < value < _LARGEST_NUMBER


def _are(is_right: Callable[[Any], bool], values: Any) -> bool:
    return isinstance(values, list) and all(map(is_right, values))


_are_texts, _are_numbers = partial(_are, _is_text), partial(_are, _is_number)
_is_rate = partial(_is_number, above=0)

# Fields by which clips, texts and draws are chosen, and what they have to be.
_OBEYED: dict[str, Callable[[Any], bool]] = {
    "sample_id": lambda value: isinstance(value, str | int) and not isinstance(value, bool),
    "caption": _is_text,
    "captions": lambda value: isinstance(value, list),
    "question": _is_text,
    "start": _is_number,
    "end": _is_number,
    "frame_rate": _is_rate,
    "fps": _is_rate,  # what shards of older versions call it
    "duration": _is_number,
    "starts": _are_numbers,
    "ends": _are_numbers,
    "words": _are_texts,
    "times": _are_numbers,
    "clean_words": _are_texts,
}
# What the stream itself says of a row.
_GIVEN = (*MEDIA_COLUMNS, "draw", "epoch", "source", "json", "__key__", "__url__")


def parse_fields(sample: Sample) -> dict[str, Any]:
    """
    The fields of a sample's `json`; a caption may also be its `txt`.

    Args:
        sample ([`Sample`])

    Returns:
        `dict`

    Raises:
        UnusableSampleError: If its texts cannot be read.
    """
    data, text = sample.read_text("json", b"{}"), sample.read_text("txt")
    try:
        fields = json.loads(data)
        if not isinstance(fields, dict):
            raise ValueError(f"expected an object, but it is a {type(fields).__name__}")
        if b"\\ud" in data.lower():
            json.dumps(
                fields, ensure_ascii=False
            ).encode()  # raises if there are halves of characters, which are no text
        if text and not find_texts(fields):
            fields["caption"] = text.decode()
            if "\0" in fields["caption"]:
                raise ValueError("its txt has zeros in it")
    except (ValueError, RecursionError) as error:
        raise UnusableSampleError("with_bad_json", f"its json cannot be read: {error}") from error
    return fields


def find_id(fields: Mapping[str, Any], key: str) -> str:
    """The `sample_id` that a sample gives itself, else its key."""
    value = fields.get("sample_id")
    return str(value) if value and _OBEYED["sample_id"](value) else key


def set_aside(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """
    Part what a row may obey from what it only carries.

    Args:
        fields (mapping): Whatever a sample says.

    Returns:
        The fields, of which those that have a name of the stream's own, such as `image`, and those of another kind
        than their name means, such as a `start` that is no number, come under `json`, untouched; and the names of the
        latter.

    Example:

    ```python
    >>> set_aside({"caption": "a cat", "start": "soon", "image": "/private/picture.png", "views": 7})
    ({'caption': 'a cat', 'views': 7, 'json': {'start': 'soon', 'image': '/private/picture.png'}}, ['start'])

    ```
    """
    obeyed = {name: value for name, value in fields.items() if value is not None or name not in _GIVEN}
    given = {name: value for name, value in obeyed.items() if value is not None}
    strange = [name for name, is_right in _OBEYED.items() if name in given and not is_right(given[name])]
    if "starts" in given and not _are_timed(obeyed):
        strange.append("starts")
    if "words" in given and not _are_spoken(obeyed):
        strange.append("words")
    names = {*_GIVEN, *strange}
    carried = {name: obeyed.pop(name) for name in fields if name in names and name in obeyed}
    return (obeyed | {"json": carried} if carried else obeyed), strange


def _are_timed(fields: Mapping[str, Any]) -> bool:
    """Whether each caption has its start and its end, so that one can be drawn with its window."""
    captions, starts, ends = (fields.get(name) or [] for name in ("captions", "starts", "ends"))
    is_right = _are_texts(captions) and _are_numbers(starts) and _are_numbers(ends)
    return is_right and len(captions) == len(starts) == len(ends) > 0


def _are_spoken(fields: Mapping[str, Any]) -> bool:
    """Whether words have what is needed to draw a window with what is said in it."""
    words, times, clean_words = (fields.get(name, ()) for name in ("words", "times", "clean_words"))
    is_right = _are_texts(words) and _are_numbers(times) and len(words) == len(times)
    return is_right and (clean_words is None or _are_texts(clean_words)) and _is_number(fields.get("duration"))


def find_texts(row: Mapping[str, Any]) -> list[str]:
    """The texts of a row that are not blank: its captions, else its question."""
    captions = row.get("captions")
    captions = captions if captions and isinstance(captions, list) else [row.get("caption")]
    texts = [text for text in captions if isinstance(text, str) and text.strip()]
    question = row.get("question")
    return texts or ([question] if isinstance(question, str) and question.strip() else [])


def limit_texts(row: dict[str, Any], max_words: int | None) -> dict[str, Any]:
    """
    Leave captions out that are blank or too long, but where each has its time.

    Args:
        row (`dict`): What may be obeyed of a sample.
        max_words (`int`, *optional*): Texts with more words are too long.

    Returns:
        `dict`

    Raises:
        UnusableSampleError: If no text is left.
    """
    texts = find_texts(row)
    if not texts:
        raise UnusableSampleError("without_text", "it has no caption and no question, or an empty one")
    short = [text for text in texts if max_words is None or len(text.split()) <= max_words]
    if not short:
        reason = f"its text has {len(texts[0].split())} words, more than max_words, {max_words}"
        raise UnusableSampleError("with_long_text", reason)
    return row | {"captions": short} if row.get("captions") and "starts" not in row else row


def find_media(sample: Sample) -> dict[str, Any]:
    """
    `video`, or else `images` or `image`, of a sample.

    Args:
        sample ([`Sample`])

    Returns:
        `dict` with one column: a file, or a list of numbered ones.

    Raises:
        UnusableSampleError: If there is none, if it is empty, or if several files may be meant.
    """
    files: dict[str, dict[tuple[int, int], list[str]]] = {}
    for name in sample.files:
        named, suffix = _MEDIA_NAME.fullmatch(name), name.rpartition(".")[2]
        if named:
            column, place = named[1], (_NUMBERED, int(named[2])) if named[2] else (_NAMED, 0)
        elif suffix in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
            column, place = "video" if suffix in VIDEO_SUFFIXES else "image", (_BARE if name == suffix else _LONG, 0)
        else:
            continue
        files.setdefault(column, {}).setdefault(place, []).append(name)
    # A picture beside a film is its thumbnail.
    column = next((column for column in MEDIA_COLUMNS if column in files), "")
    if not column:
        only = ", ".join(sorted(sample.files)) or "nothing"
        raise UnusableSampleError("without_media", f"it has no video and no image, only {only}")
    rank, _ = min(files[column])
    found = []
    for names in (names for place, names in sorted(files[column].items()) if place[0] == rank):
        if len(names) > 1:
            raise UnusableSampleError("without_media", f"each of {', '.join(sorted(names))} may be its {column}")
        file = sample.files[names[0]]
        if (file.size if isinstance(file, StoredFile) else len(file)) == 0:
            raise UnusableSampleError("without_media", f"its {names[0]} is empty")
        found.append(file)
    return {column: found if rank == _NUMBERED else found[0]}
