# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What is the same in one process and in several: contrast over all rows, and means over the labelled ones."""

import torch
from accelerate.accelerator import Accelerator
from torch.distributed import nn as distributed_nn

from ..models.losses_allinone import contrastive_loss


def gather_features(features: torch.Tensor) -> torch.Tensor:
    """
    The features of all processes, in the order of their ranks, with gradients to each.

    Args:
        features (`torch.Tensor` of shape `(B, …)`): Of this process; B is the same in all.

    Returns:
        `torch.Tensor` of shape `(processes * B, …)`; `features` where there is but one process. If every process
        computes the same loss of it, and gradients are averaged over processes, as DDP does, the gradient is that of
        the whole batch on one device.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return features
    return torch.cat(distributed_nn.all_gather(features.contiguous()))


def contrastive_loss_over_processes(
    text_embeds: torch.Tensor, video_embeds: torch.Tensor, temperature: float, is_pair: torch.Tensor
) -> torch.Tensor:
    """[`contrastive_loss`] of the rows of all processes, of which each has as many (B), with gradients to each."""
    text_embeds, video_embeds, is_pair = map(gather_features, (text_embeds, video_embeds, is_pair))
    return contrastive_loss(text_embeds, video_embeds, temperature, is_pair)


def count_labelled(labels: torch.Tensor) -> torch.Tensor:
    """
    Count the rows that have a label: those over which the losses of the heads are a mean.

    Args:
        labels (`torch.Tensor` of shape `(B,)` or `(B, answers)`): Labels, -100 where there is none; single floats are
            numbers of a regression, -100 as any other.

    Returns:
        `torch.LongTensor` without dimensions.

    Example:

    ```python
    >>> count_labelled(torch.tensor([3, -100, 0]))
    tensor(2)

    ```
    """
    labels = labels.view(len(labels), -1)
    is_labelled = labels != -100
    if labels.is_floating_point() and labels.shape[1] == 1:
        is_labelled = torch.ones_like(is_labelled)
    return is_labelled.any(dim=1).sum()


def check_epoch(accelerator: Accelerator, epoch: int, num_usable_rows: torch.Tensor):
    """
    Make sure that something could be learned of an epoch.

    Args:
        accelerator (`Accelerator`)
        epoch (`int`): Its number, from 1, for the message.
        num_usable_rows (`torch.Tensor` without dimensions): Rows of this process whose clip could be read, and which
            have a label where the task has some.

    Raises:
        ValueError: If there are none in all processes.
    """
    if not accelerator.reduce(num_usable_rows, "sum"):
        raise ValueError(
            f"Nothing could be learned of epoch {epoch}: every clip was skipped, as skipped_clips.jsonl of the output "
            "folder says, or has no label."
        )
