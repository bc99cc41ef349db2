# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""VCR, visual commonsense reasoning: questions about people in film stills (Zellers et al., CVPR 2019).

Each has four answers and, for the right one, four rationales. Texts speak of objects by number, and the objects that
an item speaks of are painted on the image:

```python
rows = load_annotations("vcr", "vcr", split="train").with_transform(by_row(paint_objects))
```
"""

import math
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image

from ..annotation_files import AnnotationFile, Record, files_by_split, read_object, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..object_painting import paint_boxes

NUM_CHOICES = 4
FORMAT = "JSON lines with img_fn, metadata_fn, question, answer_choices, answer_label, rationale_choices, ..."
BOX_SIDES = 4


def read_rows(
    folder: AnnotationFolder,
    split: str,
    explained_answer: int | None = None,
    answer_separator: str = "[SEP]",
    rationale_separator: str = "[SEP]",
    ending: str = "",
) -> Iterator[dict]:
    """Rows with `options` (the question with each of 4 answers), `rationales` (4, each with question and answer).

    Beside these texts, which the model reads, `question` and the right `answer` stand alone; `label` and
    `rationale_label` are the indices of the right ones.

    Objects that the question, the answers or the rationales mention are renumbered, from 0 in the order in which
    they are mentioned first, and called such as "person 0". `boxes` are their places in that order, in one list: left,
    top, right and bottom in pixels of object 0, then of object 1, and so on. What the classes of objects are and where
    they stand is in the metadata beside the image; without it, classes are those of the annotation, and `boxes` null.

    The labels of the test split are not public: `label`, `answer` and `rationale_label` are null, and `rationales` too
    unless `explained_answer` is given.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or "test".
        explained_answer (`int`, *optional*): Index of the answer that rationales explain, from 0 to 3; by default the
            right one.
        answer_separator (`str`, defaults to `"[SEP]"`): What stands between question and answer; "answer question: "
            in All-in-one+.
        rationale_separator (`str`, defaults to `"[SEP]"`): What stands before a rationale; "provide rationale: " in
            All-in-one+.
        ending (`str`, defaults to `""`): What stands at the end of both; "[END]" in All-in-one+.

    Yields:
        `dict`
    """
    if explained_answer not in (None, *range(NUM_CHOICES)):
        raise ValueError(f"explained_answer is {explained_answer!r}; expected a number from 0 to {NUM_CHOICES - 1}.")
    path = folder.find_split(split)
    # Questions about one image follow each other.
    read_metadata = lru_cache(maxsize=100)(_read_metadata)
    without_metadata: set[str] = set()
    for record in read_records(path):
        image = record.text("img_fn")
        names, boxes = read_metadata(folder.media_path(record, image=record.text("metadata_fn")))
        if names is None:
            without_metadata.add(image)
            names = record.texts("objects") if record.value("objects") else []
        texts = [
            _tokens(record, record.value("question"), "question", names),
            *_choices(record, "answer_choices", names),
            *_choices(record, "rationale_choices", names),
        ]
        numbers = _numbers(texts)
        question, *choices = (_write(record, tokens, names, numbers) for tokens in texts)
        answers, rationales = choices[:NUM_CHOICES], choices[NUM_CHOICES:]
        label = _label(record, "answer_label")
        explained = label if explained_answer is None else explained_answer
        stem = None if explained is None else f"{question} {answers[explained]}{rationale_separator}"
        yield {
            "image": folder.media_path(record, image=image),
            "question": question,
            "options": [f"{question}{answer_separator} {answer}{ending}" for answer in answers],
            "answer": None if label is None else answers[label],
            "label": label,
            "rationales": None if stem is None else [f"{stem} {rationale}{ending}" for rationale in rationales],
            "rationale_label": _label(record, "rationale_label"),
            "boxes": None if boxes is None else [side for index in numbers for side in boxes[index]],
            "video_id": image,
            "sample_id": record.text("annot_id"),
        }
    if without_metadata:
        folder.remarks.append(f"{len(without_metadata)} images have no metadata: their objects cannot be painted")


def paint_objects(row: dict, channel_order: str = "rgb") -> dict:
    """Open the image of a row and paint the objects on it that the texts speak of; see [`paint_boxes`].

    The original hands images to the model as OpenCV reads them, blue first, but the colours of the boxes red first.
    Weights that it fine-tuned on VCR know that, those it pre-trained know images with red first.

    Args:
        row (`dict`): A row of VCR.
        channel_order (`str`, defaults to `"rgb"`): Order of the image's channels: "rgb", or "bgr" as in the original.

    Returns:
        `dict`, the row with `image` as `np.ndarray` of shape `(height, width, 3)`, uint8.

    Raises:
        ValueError: If the order is another, or where objects stand is unknown, since the metadata was missing.
    """
    if channel_order not in ("rgb", "bgr"):
        raise ValueError(f"channel_order is {channel_order!r}; expected 'rgb' or 'bgr'.")
    is_read = isinstance(row["image"], bytes)
    if row["boxes"] is None:
        name = row.get("video_id") if is_read else row["image"]
        raise ValueError(f"The metadata of {name} was missing, so its objects cannot be painted; fetch it.")
    with Image.open(BytesIO(row["image"]) if is_read else row["image"]) as file:
        image = np.array(file.convert("RGB"))
    if channel_order == "bgr":
        image = image[..., ::-1]
    return row | {"image": paint_boxes(image, np.reshape(row["boxes"], (-1, BOX_SIDES)))}


def _read_metadata(path: str) -> tuple[list[str], list[list[float]]] | tuple[None, None]:
    """Class and box of each object of an image."""
    if not os.path.isfile(path):
        return None, None
    metadata = read_object(path, "names and boxes")
    names, boxes = metadata.texts("names") if metadata.fields.get("names") else [], metadata.value("boxes")
    if not isinstance(boxes, list) or len(boxes) != len(names) or not all(map(_is_box, boxes)):
        raise metadata.wrong("boxes", "[left, top, right, bottom] of each name")
    return names, [box[:BOX_SIDES] for box in boxes]


def _is_box(box) -> bool:
    """Whether something is four numbers, or more."""
    if not isinstance(box, list) or len(box) < BOX_SIDES:
        return False
    return all(type(side) in (int, float) and math.isfinite(side) for side in box[:BOX_SIDES])


def _tokens(record: Record, tokens, name: str, names: Sequence[str]) -> list:
    """A text as words and lists of objects, checked."""
    if not isinstance(tokens, list):
        raise record.wrong(name, "a list of words and lists of objects", tokens)
    for token in tokens:
        objects = token if isinstance(token, list) else []
        if not isinstance(token, str | list) or not all(type(index) is int for index in objects):
            raise record.wrong(name, "a word or a list of objects", token)
        unknown = [index for index in objects if not 0 <= index < len(names)]
        if unknown:
            raise record.error(f"field {name!r} speaks of object {unknown[0]}, but there are {len(names)}, from 0.")
    return tokens


def _choices(record: Record, name: str, names: Sequence[str]) -> list[list]:
    """The texts to choose from."""
    choices = record.value(name)
    if not isinstance(choices, list) or len(choices) != NUM_CHOICES:
        raise record.wrong(name, f"{NUM_CHOICES} texts")
    return [_tokens(record, tokens, name, names) for tokens in choices]


def _label(record: Record, name: str) -> int | None:
    """Index of the right choice, if it is public."""
    return record.integer(name, below=NUM_CHOICES) if name in record else None


def _numbers(texts: Sequence[list]) -> dict[int, int]:
    """New number of each object that is mentioned, in the order in which they are."""
    mentioned = [index for tokens in texts for token in tokens if isinstance(token, list) for index in token]
    return {index: number for number, index in enumerate(dict.fromkeys(mentioned))}


def _write(record: Record, tokens: list, names: Sequence[str], numbers: dict[int, int]) -> str:
    """A text with its objects by class and new number."""
    words: list[str] = []
    for token in tokens:
        words += [f"{names[index]} {numbers[index]}" for index in token] if isinstance(token, list) else [token]
    return Record({"text": " ".join(words)}, record.path, record.place).optional_text("text") or ""


READER = AnnotationReader(
    name="vcr",
    tasks=("visual-commonsense",),
    publisher="https://visualcommonsense.com/download",
    splits=files_by_split(
        {"train": "train", "validation": "val", "test": "test"},
        AnnotationFile("{}.jsonl", FORMAT),
        AnnotationFile("vcr1annots/{}.jsonl", FORMAT),
    ),
    media="vcr1images/{image}",
    read_rows=read_rows,
    extra_columns={"rationales": "[string]", "rationale_label": "int64", "boxes": "[float64]"},
)


__all__ = ["paint_objects"]
