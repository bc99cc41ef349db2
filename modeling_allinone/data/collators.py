# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Collators: rows of a data set -> the batch that a task head takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from ..datasets import paint_objects, soft_label
from ..datasets.row_transforms import generator_of
from ..models.processing_allinone import AllInOneProcessor
from ..models.video_sources_allinone import resolve_source
from .video_loading import VideoLoader, describe_missing

# To draw a few captions that are not a clip's own; more are needed only where all captions are.
_LARGEST_NUMBER_OF_DRAWS = 10_000


@dataclass
class VideoCollator:
    """
    What the collators of all tasks share: the reading of clips.

    Args:
        processor ([`AllInOneProcessor`]): Reads clips and texts.
        video_options (`dict`, *optional*): Call arguments of the video processor, such as
            `{"frame_sampling": "random", "num_frames": 4}` for training.
        on_decode_error (`str`, defaults to `"raise"`): What to do about a clip that cannot be read: `"raise"`, or
            `"skip"`, which shows the model blank frames and gives the row the label -100, so that it adds nothing to
            a loss and counts as wrong in a score.
        seconds_per_clip (`float`, *optional*): Longest time to read a clip.
        skipped_file (`str` or `Path`, *optional*): Where skipped clips are listed, see [`VideoLoader`].

    Rows have `video` (path, URL, bytes of a file, decoded frames `(T, H, W, 3)`, uint8, or what else [`open_clip`]
    takes) or `image`, and optionally `start` and `end` (seconds; `None` is the whole clip). Other fields are those of
    the task; more are ignored. Where the processor pads (`do_pad`), a batch has a `pixel_mask` (B, H, W) beside its
    `pixel_values`.
    """

    processor: AllInOneProcessor
    video_options: dict[str, Any] = field(default_factory=dict, kw_only=True)
    on_decode_error: str = field(default="raise", kw_only=True)
    seconds_per_clip: float | None = field(default=None, kw_only=True)
    skipped_file: str | Path | None = field(default=None, kw_only=True)

    def __post_init__(self):
        self.reader = VideoLoader(
            self.processor, self.video_options, self.on_decode_error, self.seconds_per_clip, self.skipped_file
        )

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """Returns a batch: inputs of the model by name, and, if rows have them, labels."""
        raise NotImplementedError

    def _read_text(self, texts: list[str] | list[list[str]], prefix: str = "") -> dict[str, torch.Tensor]:
        return {f"{prefix}{name}": value for name, value in self.processor(text=texts).items()}

    def _collate(
        self, rows: list[dict], texts: list[str] | list[list[str]] | None, num_labels: int
    ) -> dict[str, torch.Tensor]:
        """A batch of texts, if there are any, with clips and, if rows have them, labels."""
        batch = {} if texts is None else self._read_text(texts)
        clips, is_readable = self.reader(rows)
        return batch | clips | _labels(rows, num_labels, is_readable)


def need_columns(rows: Sequence[dict], *names: str):
    """Raises a `ValueError` on the first row that lacks a field."""
    for row in rows:
        missing = [name for name in names if row.get(name) is None]
        if missing:
            raise ValueError(describe_missing(row, *missing))


def _labels(
    rows: Sequence[dict], num_labels: int, is_readable: torch.Tensor, column: str = "label", name: str = "labels"
) -> dict[str, torch.Tensor]:
    """Class indices (B,) or scores (B, num_labels), checked here since on a GPU a wrong one only crashes."""
    values = [row.get(column) for row in rows]
    num_missing = sum(value is None for value in values)
    if num_missing == len(rows):
        return {}
    if num_missing:
        raise ValueError(f"{num_missing} of {len(rows)} rows have no {column}; give all rows one or none.")
    try:
        labels = torch.tensor(values)
    except (TypeError, ValueError) as error:
        kinds = sorted({type(value).__name__ for value in values})
        raise ValueError(f"labels are {', '.join(kinds)} of different shape; expected indices or scores.") from error
    if labels.ndim == 2 and labels.shape[1] == num_labels:
        if not ((labels >= 0) & (labels <= 1)).all():
            raise ValueError(f"labels hold {values}, but soft labels are scores from 0 to 1.")
        return {name: labels.float().masked_fill(~is_readable[:, None], -100)}
    if labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(
            f"labels have shape {tuple(labels.shape)} and type {labels.dtype}, but expected an index or "
            f"{num_labels} scores for each row."
        )
    for row, label in zip(rows, labels.tolist(), strict=True):
        if not (0 <= label < num_labels or label == -100):
            called = row.get("sample_id") or row.get("question")
            raise ValueError(
                f"The label of {called!r} is {label}, but expected an answer from 0 to {num_labels - 1}, or -100 for "
                "one outside the vocabulary."
            )
    return {name: labels.masked_fill(~is_readable, -100)}


def draw_caption(row: dict, generator: torch.Generator | None) -> str:
    """The caption of a row, or one of several."""
    if row.get("captions"):
        return row["captions"][int(torch.randint(len(row["captions"]), (), generator=generator))]
    need_columns([row], "caption")
    return row["caption"]


def _draw_wrong_captions(
    row: dict, captions: Sequence[str], number: int, generator: torch.Generator | None
) -> list[str]:
    """Captions that are none of the row's."""
    right = {row.get("caption"), *(row.get("captions") or ())}
    draws = (int(torch.randint(len(captions), (), generator=generator)) for _ in range(_LARGEST_NUMBER_OF_DRAWS))
    wrong = list(islice((captions[draw] for draw in draws if captions[draw] not in right), number))
    if len(wrong) < number:
        raise ValueError(f"Of {len(captions)} captions, hardly any is wrong for the clip of {row.get('sample_id')!r}.")
    return wrong


@dataclass
class VideoQuestionAnsweringCollator(VideoCollator):
    """
    Makes batches for [`AllInOneForVideoQuestionAnswering`] from rows with `video` and `question`: reads the clips,
    tokenises the questions and stacks the labels.

    Args:
        num_labels (`int`): Number of answers; labels are checked against it. Other arguments: see [`VideoCollator`].

    Row fields: `question` (`str`), and optionally `label` (`int`, -100 for an answer outside the vocabulary, or a list
    of `num_labels` scores), or `answer_labels` and `answer_scores`, the answers that score and what they score.

    Raises:
        ValueError: On a row without the fields, or with a label that is none of the answers.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor

    >>> tokenizer = BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "what": 5})
    >>> processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=3), tokenizer)
    >>> collate = VideoQuestionAnsweringCollator(processor, num_labels=20)
    >>> row = {"video": np.zeros((8, 240, 320, 3), dtype=np.uint8), "question": "what", "label": 7}
    >>> {name: tuple(value.shape) for name, value in collate([row]).items()}
    {'input_ids': (1, 3), 'attention_mask': (1, 3), 'pixel_values': (1, 3, 3, 224, 224), 'labels': (1,)}

    ```
    """

    num_labels: int

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """Returns `input_ids` and `attention_mask` (B, L), `pixel_values` (B, T, 3, H, W) and, if given, `labels`."""
        need_columns(rows, "question")
        if rows[0].get("answer_scores") is not None:
            rows = [soft_label(row, self.num_labels) for row in rows]
        return self._collate(rows, [row["question"] for row in rows], self.num_labels)


@dataclass
class VideoClassificationCollator(VideoCollator):
    """
    Makes batches for [`AllInOneForVideoClassification`].

    Args:
        num_labels (`int`): Number of classes; labels are checked against it.
        prompt (`str`, *optional*): Text read with every clip. Default: the `question` of each row; where rows have
            none, it is left to the model (`config.prompt`). Other arguments: see [`VideoCollator`].

    Row fields: optionally `question` (`str`, the prompt) and `label` (`int`).

    Raises:
        ValueError: On a label that is none of the classes, or if some rows have a prompt and others have none.
    """

    num_labels: int
    prompt: str | None = field(default=None, kw_only=True)

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """
        Returns with a prompt `input_ids` and `attention_mask` (B, L); `pixel_values` (B, T, 3, H, W), or
        (B, views, T, 3, H, W) if clips have several views; and, if given, `labels` (B,).
        """
        prompts = None
        if self.prompt is not None:
            prompts = [self.prompt] * len(rows)
        elif any(row.get("question") is not None for row in rows):
            need_columns(rows, "question")
            prompts = [row["question"] for row in rows]
        return self._collate(rows, prompts, self.num_labels)


@dataclass
class MultipleChoiceCollator(VideoCollator):
    """
    Makes batches for [`AllInOneForMultipleChoice`] from rows with `options`, or with a caption to be distinguished
    from others.

    Args:
        negatives (sequence of `str`, *optional*): Captions to draw wrong options from, for rows without options; the
            right one stands anywhere among them.
        num_options (`int`, defaults to 5): How many options such rows get. Other arguments: see [`VideoCollator`].

    Row fields: `options` (N texts, as many in all rows of a batch); optionally `question` (`str`), with which each
    option makes a text as [`AllInOneProcessor.apply_choice_template`] spells it, and `label` (`int`, index of the
    right option). With `negatives`: `caption`, or `captions` (several, of which one is drawn each time, by `draw`).

    Raises:
        ValueError: On a row without options or with another number of them, on a label that is none of them, or if
            there is nothing to draw wrong options from.
    """

    negatives: Sequence[str] | None = field(default=None, kw_only=True)
    num_options: int = field(default=5, kw_only=True)

    def __post_init__(self):
        super().__post_init__()
        if self.negatives is not None and len(set(self.negatives)) < 2:
            raise ValueError("negatives has no two different captions to draw wrong options from.")

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """Returns `input_ids`, `attention_mask` (B, N, L), `pixel_values` (B, T, 3, H, W) and, if given, `labels`."""
        if self.negatives is not None:
            rows = [self._with_options(row, self.negatives) for row in rows]
        need_columns(rows, "options")
        return self._collate(rows, [self._texts(row) for row in rows], len(rows[0]["options"]))

    def _with_options(self, row: dict, negatives: Sequence[str]) -> dict:
        """A row with its caption among wrong ones."""
        generator = generator_of(row)
        caption = draw_caption(row, generator)
        options = _draw_wrong_captions(row, negatives, self.num_options - 1, generator)
        label = int(torch.randint(self.num_options, (), generator=generator))
        options.insert(label, caption)
        return row | {"options": options, "label": label}

    def _texts(self, row: dict) -> list:
        options = list(row["options"])
        question = row.get("question")
        return options if question is None else self.processor.apply_choice_template(question, options)


@dataclass
class VideoTextRetrievalCollator(VideoCollator):
    """
    Makes batches for [`AllInOneForVideoTextRetrieval`] from rows with a caption.

    Args:
        negatives (sequence of `str`, *optional*): Captions to draw wrong texts from.
        num_negatives (`int`, defaults to 0): Wrong texts for each clip; the original takes 10 to 15. Other arguments:
            see [`VideoCollator`].

    Row fields: `caption` (`str`), or `captions` (several, of which one is drawn each time, by `draw`).

    Raises:
        ValueError: On a row without a caption, or if there is nothing to draw wrong texts from.
    """

    negatives: Sequence[str] | None = field(default=None, kw_only=True)
    num_negatives: int = field(default=0, kw_only=True)

    def __post_init__(self):
        super().__post_init__()
        if self.num_negatives and len(set(self.negatives or ())) < 2:
            raise ValueError(f"num_negatives is {self.num_negatives}, but there are no other captions to draw from.")

    def __call__(self, rows: list[dict]) -> dict[str, Any]:
        """
        Returns `input_ids` and `attention_mask` (B, L), `pixel_values` (B, T, 3, H, W), `is_pair` (B,), which is false
        for clips that could not be read, and with negatives `candidate_input_ids` and `candidate_attention_mask`
        (B, 1 + num_negatives, L), the right text first; and `return_loss` (`True`), which the model wants of whoever
        trains it.
        """
        generators = [generator_of(row) for row in rows]
        captions = [draw_caption(row, generator) for row, generator in zip(rows, generators, strict=True)]
        batch = self._read_text(captions)
        if self.num_negatives:
            candidates = [
                [caption, *_draw_wrong_captions(row, self.negatives or (), self.num_negatives, generator)]
                for caption, row, generator in zip(captions, rows, generators, strict=True)
            ]
            batch |= self._read_text(candidates, prefix="candidate_")
        clips, is_pair = self.reader(rows)
        return {**batch, **clips, "is_pair": is_pair, "return_loss": True}


@dataclass
class VisualCommonsenseCollator(VideoCollator):
    """
    Makes batches for [`AllInOneForVisualCommonsenseReasoning`].

    Args:
        paints_objects (`bool`, defaults to `True`): Whether the objects that the texts speak of are painted on the
            image. Other arguments: see [`VideoCollator`].

    Row fields: `image` (path, URL, bytes or `{"path": ..., "bytes": ...}`, on which objects are painted by their
    `boxes`, or pixels, which stay as they are);
    `options` and `rationales` (N texts each: the question with an answer, and the question and its right answer with
    a rationale); optionally `label` and `rationale_label` (`int`).

    Raises:
        ValueError: On a row without the texts, or on a label that is none of them.
    """

    paints_objects: bool = field(default=True, kw_only=True)

    def __post_init__(self):
        super().__post_init__()
        if self.paints_objects:
            self.reader.prepare_row = _paint_objects

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """
        Returns `answer_input_ids`, `answer_attention_mask`, `rationale_input_ids` and `rationale_attention_mask`
        (B, N, L), `pixel_values` (B, 1, 3, H, W) and, if given, `answer_labels` and `rationale_labels` (B,).
        """
        need_columns(rows, "options", "rationales")
        batch = self._read_text([list(row["options"]) for row in rows], prefix="answer_")
        batch |= self._read_text([list(row["rationales"]) for row in rows], prefix="rationale_")
        clips, is_readable = self.reader(rows)
        answer_labels = _labels(rows, len(rows[0]["options"]), is_readable, "label", "answer_labels")
        num_rationales = len(rows[0]["rationales"])
        rationale_labels = _labels(rows, num_rationales, is_readable, "rationale_label", "rationale_labels")
        return batch | clips | answer_labels | rationale_labels


def _paint_objects(row: dict) -> dict:
    """A row with the objects painted on its image, if that is a file."""
    image, _ = resolve_source(row.get("image"), "the image")
    return paint_objects(row | {"image": image}) if isinstance(image, Path | bytes) else row


@dataclass
class PairedReasoningCollator(VideoQuestionAnsweringCollator):
    """
    Makes batches for [`AllInOneForPairedVisualReasoning`].

    Args:
        num_labels (`int`, defaults to 2): Number of classes. Other arguments: see [`VideoCollator`].

    Row fields: `images` (two), `question` (`str`, the statement), and optionally `label` (`int`).

    Raises:
        ValueError: On a row without the fields, or with a label that is none of the classes.
    """

    num_labels: int = field(default=2, kw_only=True)

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """Returns `input_ids`, `attention_mask` (B, L), `pixel_values` (B, 2, 1, 3, H, W) and, if given, `labels`."""
        need_columns(rows, "images", "question")
        for row in rows:
            if len(row["images"]) != 2:
                raise ValueError(f"{row['question']!r} is about {len(row['images'])} images; expected two.")
        return super().__call__(rows)


__all__ = [
    "MultipleChoiceCollator",
    "PairedReasoningCollator",
    "VideoClassificationCollator",
    "VideoCollator",
    "VideoQuestionAnsweringCollator",
    "VideoTextRetrievalCollator",
    "VisualCommonsenseCollator",
    "draw_caption",
]
