# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What was measured: scores beside those of blank video, how they were measured, `results.json`, the model's card."""

import json
import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import accelerate
import numpy as np
import torch
import transformers
from transformers import TrainingArguments
from transformers.utils import logging

from ..data.video_loading import REPLACED_NAME, SKIPPED_NAME, read_replaced, read_skipped
from ..hub.model_card import create_model_card
from ..models.configuration_allinone import AllInOneConfig
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.modeling_pretraining_allinone import AllInOneForPreTraining
from ..models.video_processing_allinone import AllInOneVideoProcessor
from .answer_file import answer_row, to_line
from .question_answering import NUM_BEST
from .retrieval import collect_captions

if TYPE_CHECKING:
    import datasets

logger = logging.get_logger(__name__)

RESULTS_NAME = "results.json"
PREDICTIONS_NAME = "predictions.jsonl"
_NUM_FEW = 100  # videos, of whose scores chance alone moves some ten points either way


class Score(NamedTuple):
    """
    How good a model is, by one metric.

    Args:
        metric (`str`): Its name.
        value (`float`): A share from 0 to 1, or a rank.
        blank_video (`float`, *optional*): The same of the blank-video baseline.
    """

    metric: str
    value: float
    blank_video: float | None

    @property
    def is_share(self) -> bool:
        """Whether it is a share, from 0 to 1, and not a rank."""
        return not self.metric.endswith("_rank")


def list_scores(results: Mapping[str, Any]) -> Iterator[Score]:
    """
    The scores among what was measured, which has numbers of rows and losses beside.

    Args:
        results (mapping): `"scores"` and `"blank_video"`, figures by name, as `results.json` has them.

    Yields:
        [`Score`]

    Example:

    ```python
    >>> figures = {"accuracy": 0.5, "num_rows": 2, "masked_lm_loss": 3.1}
    >>> list(list_scores({"scores": figures, "blank_video": {"accuracy": 0.25}}))
    [Score(metric='accuracy', value=0.5, blank_video=0.25)]

    ```
    """
    for name, value in results["scores"].items():
        if isinstance(value, int | float) and "num_" not in name and not name.endswith("loss"):
            yield Score(name, value, results["blank_video"].get(name))


def score_groups(
    compute_metrics: Callable[[Any, Any], Mapping[str, float]],
    predictions: np.ndarray | tuple[np.ndarray, ...],
    labels: np.ndarray | tuple[np.ndarray, ...],
    groups: Sequence[Any],
    is_skipped: np.ndarray | None = None,
) -> dict[str, float]:
    """
    Score all rows, and each group of them on its own.

    Args:
        compute_metrics (callable): Takes predictions and labels, and returns scores by name.
        predictions, labels (`np.ndarray` or tuples of them): Of all rows, along the first dimension.
        groups (sequence): The group of each row; empty without groups.
        is_skipped (`np.ndarray`, *optional*): Whether the clip of each row could not be read; such rows are not taken
            for those without a known answer.

    Returns:
        `dict`: Scores under names such as `accuracy`, and of groups `accuracy[colour]`.
    """
    parts: dict[str, Any] = {"": slice(None)}
    for group in sorted(set(groups), key=str):
        parts[f"[{group}]"] = [place for place, other in enumerate(groups) if other == group]
    scores: dict[str, float] = {}
    for suffix, places in parts.items():
        of_part = (
            tuple(array[places] for array in arrays) if isinstance(arrays, tuple) else arrays[places]
            for arrays in (predictions, labels)
        )
        found = dict(compute_metrics(*of_part))
        if is_skipped is not None and "num_out_of_vocabulary" in found:
            found["num_out_of_vocabulary"] -= int(is_skipped[places].sum())
        scores |= {f"{name}{suffix}": value for name, value in found.items()}
    return scores


def describe_protocol(
    data: Mapping[str, Any],
    rows: "datasets.Dataset",
    config: AllInOneConfig,
    video_processor: AllInOneVideoProcessor,
    training_arguments: TrainingArguments,
) -> dict[str, Any]:
    """
    What was scored, and how.

    Args:
        data (mapping): What else is known of the data, such as its name and split.
        rows (`datasets.Dataset`): The rows that were scored.
        config ([`AllInOneConfig`]): Of the model.
        video_processor ([`AllInOneVideoProcessor`]): What read the clips.
        training_arguments (`TrainingArguments`): In whose `output_dir` skipped and repaired clips are listed.

    Returns:
        `dict`: To be written as JSON: the data, how many rows, skipped and repaired clips, frames, views, order of
        patches, versions.
    """
    names = set(rows["sample_id"])
    held_out_share = getattr(getattr(rows.info, "summary", None), "held_out_share", None)
    # Of a split that was drawn from others, how many videos it is of tells how rough its scores are.
    drawn = {"held_out_share": held_out_share, "num_videos": len(rows.unique("video"))} if held_out_share else {}
    output_dir = Path(str(training_arguments.output_dir))
    listed = read_skipped(output_dir / SKIPPED_NAME)
    all_skipped = [clip for clip in listed if "output_file" not in clip]  # that of a file of answers beside it
    skipped = [clip for clip in all_skipped if clip["sample_id"] in names]
    replaced = [clip for clip in read_replaced(output_dir / REPLACED_NAME) if clip["sample_id"] in names]
    return {
        **data,
        **drawn,
        "num_rows": len(rows),
        "num_skipped": len(skipped),
        "skipped": skipped,
        "num_skipped_in_training": len(all_skipped) - len(skipped),
        "num_with_replaced_frames": len(replaced),
        "replaced_frames": replaced,
        "num_frames": video_processor.num_frames,
        "num_views": video_processor.num_views,
        "temporal_mixing": config.temporal_mixing,
        "patch_order": config.patch_order,
        "dtype": "bfloat16" if training_arguments.bf16 else "float16" if training_arguments.fp16 else "float32",
        "versions": {
            "python": platform.python_version(),
            **{package.__name__: package.__version__ for package in (torch, transformers, accelerate)},
        },
    }


def write_results(results: Mapping[str, Any], output_dir: str | Path):
    """
    Write `results.json`, and log each score beside that of blank video.

    Args:
        results (mapping): `"scores"`, `"blank_video"`, `"protocol"` and whatever else is to be written.
        output_dir (`str` or `Path`): A folder.
    """
    Path(output_dir, RESULTS_NAME).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if not results["scores"]:
        return
    scores = list(list_scores(results))
    width = max((len(score.metric) for score in scores), default=0)
    lines = [f"{'':{width}}  {'video':>8}  {'blank':>8}"]
    lines += [f"{score.metric:{width}}  {score.value:8.4f}  {score.blank_video:8.4f}" for score in scores]
    logger.warning("\n".join(["", *lines]))


def write_predictions(
    predictions: Any,
    rows: "datasets.Dataset",
    labels: Mapping[int, str],
    output_dir: str | Path,
    is_skipped: Sequence[bool] | np.ndarray | None = None,
):
    """
    Write `predictions.jsonl`: each row with the answer of the model, its score from 0 to 1, and the best few.

    Args:
        predictions: The best answers of each row and their scores, two arrays of shape `(rows, answers)`, or one of
            logits. Nothing is written for tasks without such.
        rows (`datasets.Dataset`): The rows. Their own `answer` is written as `reference`.
        labels (mapping from `int` to `str`): Answers by label, of rows without options.
        output_dir (`str` or `Path`): A folder.
        is_skipped (sequence of `bool`, *optional*): Whether the clip of each row could not be read; these rows have no
            answer.
    """
    if not isinstance(predictions, tuple):
        logits = torch.tensor(np.asarray(predictions)).float()
        if logits.ndim != 2:
            return
        shares, order = logits.softmax(dim=-1).sort(descending=True)
        predictions = (order.numpy(), shares.numpy())
    indices, scores = predictions
    if np.ndim(indices) != 2:
        return
    lines = []
    for number, row in enumerate(rows):
        names = dict(enumerate(row.get("options") or ())) or labels
        is_read = is_skipped is None or not is_skipped[number]
        kept = {name: value for name, value in row.items() if value is not None and name != "label"}
        best = _list_best(indices[number], scores[number], names if is_read else {})
        lines.append(answer_row({"answer": None} | kept, best))
    _write_lines(lines, output_dir)


def write_found_clips(found: tuple[np.ndarray, np.ndarray], rows: "datasets.Dataset", output_dir: str | Path):
    """
    Write `predictions.jsonl` of a search: each caption with the clip that was found, its score, and the best few.

    Args:
        found (`tuple` of `np.ndarray`): As [`Ranking.best_clips`] returns it.
        rows (`datasets.Dataset`): Rows with captions, which were ranked. The right clips are written as `reference`. A
            clip is its path, or, of a part of a video, an object with `video`, `start` and `end`.
        output_dir (`str` or `Path`): A folder.
    """
    texts, places, relevance = collect_captions(rows)
    clips = {number: _name_clip(rows[place]) for number, place in enumerate(places)}
    lines = [
        answer_row(
            {"caption": text, "answer": [clips[clip] for clip in relevance[number]]},
            _list_best(found[0][number], found[1][number], clips),
        )
        for number, text in enumerate(texts)
    ]
    _write_lines(lines, output_dir)


def _name_clip(row: Mapping[str, Any]) -> str | dict[str, Any]:
    """The path of a clip, with the seconds of a part."""
    path = row["video"] or row["image"]
    times = {name: row[name] for name in ("start", "end") if row.get(name) is not None}
    return {"video": path, **times} if times else path


def _list_best(indices: np.ndarray, scores: np.ndarray, names: Mapping[int, Any]) -> list[dict[str, Any]]:
    """The best few answers that have a name."""
    return [
        {"answer": names[index], "score": score}
        for index, score in zip(indices.tolist(), scores.tolist(), strict=True)
        if index in names and math.isfinite(score)
    ][:NUM_BEST]


def _write_lines(lines: Sequence[Mapping[str, Any]], output_dir: str | Path):
    """Write lines of JSON."""
    Path(output_dir, PREDICTIONS_NAME).write_bytes(b"".join(map(to_line, lines)))


def write_card(
    model: AllInOnePreTrainedModel, results: Mapping[str, Any], output_dir: str | Path, name: str | None = None
):
    """
    Write the card of a model that was trained, and stands in the output folder.

    Args:
        model ([`AllInOnePreTrainedModel`]): The model, without adapters.
        results (mapping): Its scores, how they were measured, what it started from (`"base_model"`) and how it was
            trained (`"training"`), as `results.json` has them.
        output_dir (`str` or `Path`): The folder.
        name (`str`, *optional*): What `from_pretrained` is to be called with. Default: the folder.
    """
    origin, training, protocol = results["base_model"], results["training"], results["protocol"] or {}
    verb = "Pre-trained" if isinstance(model, AllInOneForPreTraining) else "Fine-tuned"
    data = {"dataset": protocol.get("data"), "split": protocol.get("split"), "num_rows": protocol.get("num_rows")}
    measured = "Nothing was scored."
    if protocol:  # how, `results.json` has, with names of this machine: it is not pushed
        measured = f"`{RESULTS_NAME}` has how it was scored." if name is None else ""
    if "held_out_share" in protocol:
        measured += f" It was scored on {protocol['num_videos']} videos of the same source, kept from training"
        measured += "; scores of so few are rough." if protocol["num_videos"] < _NUM_FEW else "."
    card = create_model_card(
        model.config,
        type(model).__name__,
        name or str(output_dir),
        f"{verb} on {training['data']}, {_describe_origin(origin)}. {measured}".strip(),
        base_model=origin["name"] if origin["revision"] is not None else None,
        scores=[data | score._asdict() for score in list_scores(results)],
        training={
            name.replace("_", " "): value for name, value in training.items() if name != "data" and value is not None
        },
        language=None,  # of texts that are the user's
    )
    card.save(Path(output_dir, "README.md"))


def _describe_origin(origin: Mapping[str, str | None]) -> str:
    """What training started from, in words."""
    if origin["name"] is None:
        return "from random weights"
    if origin["sha256"] is not None:
        return f"from the model in a local folder, `{Path(origin['name']).name}` (SHA-256 `{origin['sha256']}`)"
    revision = "" if origin["revision"] is None else f" (revision `{origin['revision']}`)"
    return f"from `{origin['name']}`{revision}"
