# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Losses of the task heads, each with a check of its labels.

Shapes in the comments: B rows, N classes.
"""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn

from .configuration_allinone import AllInOneConfig


def classification_loss(
    logits: torch.Tensor, labels: torch.Tensor | None, name: str = "labels", reason: str = ""
) -> torch.Tensor | None:
    """
    Mean cross-entropy over the labels that are not -100, in float32.

    Args:
        logits (`torch.Tensor` of shape `(…, N)`): Scores of the classes.
        labels (`torch.LongTensor` of shape `(…)`, *optional*): Index of the right class, -100 for no loss.
        name (`str`, defaults to `"labels"`): What errors call the labels.
        reason (`str`, defaults to `""`): Why labels of this kind are expected, at the end of an error.

    Returns:
        `torch.FloatTensor`: The loss, 0 if all labels are -100; `None` without labels.

    Raises:
        ValueError: If labels have another shape or type, or, where they can be read, name no class.
    """
    if labels is None:
        return None
    num_classes = logits.shape[-1]
    is_wrong_type = labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool
    if labels.shape != logits.shape[:-1] or is_wrong_type:
        raise ValueError(
            f"{name} has shape {tuple(labels.shape)} and type {labels.dtype}, but expected integers of shape "
            f"{tuple(logits.shape[:-1])}{reason}."
        )
    if _can_read_labels(labels):
        is_wrong = ((labels < 0) | (labels >= num_classes)) & (labels != -100)
        if is_wrong.any():
            raise ValueError(
                f"{name} holds {labels[is_wrong][0].item()}, but expected a class from 0 to {num_classes - 1}, or "
                "-100 for no loss."
            )
    return mean_cross_entropy(logits.reshape(-1, num_classes), labels.flatten())


def mean_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """As [`classification_loss`], for `logits` (B, N) and `labels` (B,) that are known to fit."""
    total = nn.functional.cross_entropy(logits.float(), labels.long(), reduction="sum", ignore_index=-100)
    return total / (labels != -100).sum().clamp(min=1)


def add_losses(losses: Iterable[torch.Tensor | None]) -> torch.Tensor | None:
    """The sum of those losses that are there; `None` without any."""
    given = [loss for loss in losses if loss is not None]
    return sum(given[1:], given[0]) if given else None


def loss_of_problem_type(
    config: AllInOneConfig, logits: torch.Tensor, labels: torch.Tensor | None
) -> torch.Tensor | None:
    """
    The loss of `config.problem_type` or, if that is `None`, of the type that labels have.

    Args:
        config ([`AllInOneConfig`]): Says the type.
        logits (`torch.Tensor` of shape `(B, N)`): Outputs of a head.
        labels (`torch.Tensor`, *optional*): For `"single_label_classification"` (integers) the index of the class
            `(B,)`, -100 for no loss; for `"multi_label_classification"` (floats) a score from 0 to 1 for every class
            `(B, N)`, -100 for no loss; for `"regression"` numbers `(B, N)`, or `(B,)` for one output.

    Returns:
        `torch.FloatTensor`: Mean cross-entropy, binary cross-entropy summed over classes (mean over rows), or mean
        squared error, in float32; `None` without labels.

    Raises:
        ValueError: If labels do not fit the type.
    """
    if labels is None:
        return None
    reason = "" if config.problem_type is None else f", as config.problem_type is {config.problem_type!r}"
    problem_type = config.problem_type or infer_problem_type(labels)
    if problem_type == "regression":
        return _regression_loss(logits, labels, reason)
    if problem_type == "multi_label_classification":
        return _soft_label_loss(logits, labels, reason)
    return classification_loss(logits, labels, reason=reason)


def infer_problem_type(
    labels: torch.Tensor,
) -> Literal["single_label_classification", "multi_label_classification"]:
    """What labels are for by their type: a score for every class if they are floats, else the index of one."""
    return "multi_label_classification" if labels.is_floating_point() else "single_label_classification"


def refuse_problem_type(config: AllInOneConfig, known: tuple[str, ...], head: str):
    """Raise a `ValueError` if a head was made for labels that it has no loss for."""
    if config.problem_type not in (None, *known):
        raise ValueError(
            f"problem_type is {config.problem_type!r}, but {head}: expected {' or '.join(map(repr, known))}, or None."
        )


def _soft_label_loss(logits: torch.Tensor, labels: torch.Tensor, reason: str) -> torch.Tensor:
    """Binary cross-entropy in float32, summed over answers, mean over the rows that are not -100; 0 without any."""
    if labels.shape != logits.shape:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)}, but soft labels need {tuple(logits.shape)}: a score for every "
            f"answer{reason}."
        )
    if _can_read_labels(labels):
        is_wrong = ~((labels >= 0) & (labels <= 1) | (labels == -100))
        if is_wrong.any():
            raise ValueError(
                f"labels holds {labels[is_wrong][0].item()}, but soft labels are scores from 0 to 1, or -100."
            )
    is_counted = labels >= 0
    total = nn.functional.binary_cross_entropy_with_logits(
        logits.float(), labels.float().clamp(min=0), weight=is_counted.float(), reduction="sum"
    )
    return total / is_counted.any(dim=1).sum().clamp(min=1)


def _regression_loss(logits: torch.Tensor, labels: torch.Tensor, reason: str) -> torch.Tensor:
    """Mean squared error in float32; targets are (B, N), or (B,) for one."""
    if logits.shape[1] == 1 and labels.ndim == 1:
        labels = labels[:, None]
    if labels.shape != logits.shape:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)}, but expected a number for each of {logits.shape[1]} outputs in "
            f"shape {tuple(logits.shape)}{reason}."
        )
    if _can_read_labels(labels) and not labels.isfinite().all():
        raise ValueError("labels holds NaN or infinity, to which nothing can be fitted.")
    return nn.functional.mse_loss(logits.float(), labels.float())


def _can_read_labels(labels: torch.Tensor) -> bool:
    """Whether labels can be checked: not in a graph that is compiled or captured."""
    # On a GPU they are, too, where a wrong class would end the process with an assertion that names nothing.
    if torch.compiler.is_compiling() or labels.device.type not in ("cpu", "cuda"):
        return False
    return labels.device.type == "cpu" or not torch.cuda.is_current_stream_capturing()
