# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Training that diverges is stopped, and what it leaves is no model."""

from itertools import chain
from typing import Any

import torch
from accelerate.accelerator import Accelerator
from torch import nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

# A loss is not finite by chance for fewer steps in a row than this.
_NUM_LOSSES = 3
# The scale of losses in fp16 begins at 2 to the power of this, and is halved at each step that is skipped.
_NUM_SKIPPED_STEPS = 16

_REMEDY = "Lower learning_rate, lengthen warmup_steps, or train in bf16 in place of fp16."


class DivergenceError(ValueError):
    """A loss, a gradient or weights are no longer finite."""


class DivergenceWatch:
    """
    Stops training whose loss or gradient is no longer finite.

    A gradient that is not finite is an error at once, before it reaches the weights. Where losses are scaled (fp16),
    the scaler leaves out such steps and halves its scale, so that only many in a row are an error. So are three losses
    in a row that are not finite themselves.

    Example:

    ```python
    >>> from accelerate import Accelerator

    >>> watch = DivergenceWatch()
    >>> watch.check(Accelerator(cpu=True), 7, torch.tensor(0.5), torch.tensor(torch.nan))
    Traceback (most recent call last):
    modeling_allinone.training.divergence.DivergenceError: Training diverged at step 7 (loss 0.5, ...

    ```
    """

    def __init__(self):
        self._first_step = 0
        self._num_losses = self._num_steps = 0

    def check(
        self,
        accelerator: Accelerator,
        step: int,
        loss: torch.Tensor | float,
        gradient_norm: torch.Tensor | float | None,
    ):
        """
        Look at a step, once its gradient is known and before the optimiser takes it.

        Args:
            accelerator (`Accelerator`): Every process raises the error if one has a reason to.
            step (`int`): The number of the step, from 1, for the message.
            loss (`torch.Tensor` or `float`): Of this process, over all batches of the step.
            gradient_norm (`torch.Tensor` or `float`, *optional*): Of all processes, without a scale; `None` is
                unknown.

        Raises:
            DivergenceError: If training has diverged.
        """
        figures = [float(loss), 0.0 if gradient_norm is None else float(gradient_norm)]
        is_infinite = ~torch.tensor(figures, device=accelerator.device).isfinite()
        has_infinite_loss, has_infinite_gradient = accelerator.reduce(is_infinite.int(), "sum").bool().tolist()
        self._num_losses = self._num_losses + 1 if has_infinite_loss else 0
        self._num_steps = self._num_steps + 1 if has_infinite_loss or has_infinite_gradient else 0
        if self._num_steps == 1:
            self._first_step = step
        most_steps = _NUM_SKIPPED_STEPS if accelerator.mixed_precision == "fp16" else 1
        if self._num_losses >= _NUM_LOSSES or (has_infinite_gradient and self._num_steps >= most_steps):
            until = "" if step == self._first_step else f", and has not recovered by step {step}"
            raise DivergenceError(
                f"Training diverged at step {self._first_step}{until} (loss {figures[0]:.4g}, norm of the gradient "
                f"{figures[1]:.4g}). {_REMEDY} Checkpoints of earlier steps are whole."
            )


def check_weights(model: nn.Module, name: str, accelerator: Accelerator | None = None):
    """
    Make sure that the weights of a model are finite.

    Args:
        model (`nn.Module`)
        name (`str`): What to call it in the message, such as its folder.
        accelerator (`Accelerator`, *optional*): Its processes hold the model together, and raise together.

    Raises:
        DivergenceError: If they are not.

    Example:

    ```python
    >>> layer = nn.Linear(2, 2)
    >>> check_weights(layer, "a layer")
    >>> layer.bias.data[0] = torch.inf
    >>> check_weights(layer, "a layer")
    Traceback (most recent call last):
    modeling_allinone.training.divergence.DivergenceError: The weights of a layer are not finite (bias), ...

    ```
    """
    tensors = chain(model.named_parameters(), model.named_buffers())
    names = [key for key, tensor in tensors if not _local(tensor).isfinite().all()]
    num_found = torch.tensor(len(names))
    if accelerator is not None:
        num_found = accelerator.reduce(num_found.to(accelerator.device), "sum")
    if num_found:
        shown = ", ".join(names[:3]) or "in another process"
        raise DivergenceError(
            f"The weights of {name} are not finite ({shown}{', …' if len(names) > 3 else ''}), as a training that "
            "diverged leaves them; they are neither saved nor scored. Take an earlier checkpoint."
        )


def _local(tensor: torch.Tensor) -> torch.Tensor:
    """The part of a sharded tensor that is here, and of a rounded one what it stands for."""
    local: Any = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    is_rounded = is_traceable_wrapper_subclass(local)
    return local.dequantize() if is_rounded else local
