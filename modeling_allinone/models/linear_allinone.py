# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Linear layers whose products in float32 are as fast on every CPU with AVX-512."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from .configuration_allinone import AllInOneConfig

_HAS_FASTER_KERNEL = torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.backends.mkldnn.is_available()
_MIN_ROWS = 128  # with fewer, the kernel's own copy of the weight takes as long as is gained
_TRANSPOSED_ROWS = 1024  # at a time


def linear(hidden_states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """
    What `torch.nn.functional.linear` computes. In float32 on a CPU with AVX-512, as a convolution of 1 × 1: torch
    takes oneDNN's kernel for it, which is as fast on all of them. For `linear` it takes MKL's, which on those that are
    not Intel's leaves half of the registers unused and needs twice the time.

    Args:
        hidden_states (`torch.Tensor` of shape `(…, in)`): Rows.
        weight (`torch.Tensor` of shape `(out, in)`): Weight, or a slice of its rows.
        bias (`torch.Tensor` of shape `(out,)`, *optional*): Bias.

    Returns:
        `torch.Tensor` of shape `(…, out)`

    Example:

    ```python
    >>> linear(torch.ones(2, 4), torch.ones(3, 4)).shape
    torch.Size([2, 3])

    ```
    """
    if not _is_faster_as_convolution(hidden_states, weight):
        return nn.functional.linear(hidden_states, weight, bias)
    rows = hidden_states.reshape(-1, hidden_states.shape[-1])
    multiply = _compiled_product if torch.compiler.is_compiling() else _differentiable_product
    return multiply(rows, weight, bias).view(*hidden_states.shape[:-1], -1)


def _product(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """The product (n, out) of rows (n, in)."""
    product = nn.functional.conv2d(_as_images(rows), weight[:, None, None].permute(0, 3, 1, 2), bias)
    return _as_rows(product)[: rows.shape[0]]


def _as_images(rows: torch.Tensor) -> torch.Tensor:
    """
    Rows (n, width) as images (images, width, height, 1), channels last: a view, unless rows have to be filled up. With
    one thread, torch has oneDNN compute only what is of 16 images or more.
    """
    num_images = 16 if torch.get_num_threads() == 1 else 1
    if num_images > 1:
        rows = nn.functional.pad(rows, (0, 0, 0, -rows.shape[0] % num_images))
    return rows.contiguous().view(num_images, -1, 1, rows.shape[-1]).permute(0, 3, 1, 2)


def _as_rows(images: torch.Tensor) -> torch.Tensor:
    """Images as rows (images · height, width): a view."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])


def _gradients(
    multiply: Callable[..., torch.Tensor], wanted: Sequence[bool], kept: Sequence[Any], gradient: torch.Tensor
) -> tuple[torch.Tensor | None, ...]:
    """
    Gradients of rows, weight and bias, as far as they are wanted: products again. oneDNN's own gradient of the weight
    of a convolution is, for some numbers of rows, slower by a factor of five.
    """
    rows, weight = kept
    of_rows, of_weight, of_bias = wanted
    # What is transposed takes memory. Compiled code is for any number of rows, and so takes all at once.
    num_rows = gradient.shape[0] if multiply is _compiled_product else _TRANSPOSED_ROWS
    parts = zip(gradient.split(num_rows), rows.split(num_rows), strict=True) if of_weight else ()
    of_parts = (multiply(one.t().contiguous(), other.t().contiguous(), None) for one, other in parts)
    return (
        multiply(gradient, weight.t().contiguous(), None) if of_rows else None,
        reduce(torch.add, of_parts) if of_weight else None,
        gradient.sum(0) if of_bias else None,
    )


class _Kept(torch.autograd.Function):
    """
    Keeps rows and weight, as far as gradients need them, before the product is computed: `checkpoint` computes all up
    to the last tensor that was kept once more.
    """

    @staticmethod
    def forward(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return rows.new_empty(0)

    @staticmethod
    def setup_context(ctx, inputs, output):
        rows, weight = inputs
        ctx.save_for_backward(rows if weight.requires_grad else None, weight)

    @staticmethod
    def backward(ctx, gradient):
        return None, None


class _Product(torch.autograd.Function):
    """The product of what was kept."""

    @staticmethod
    def forward(rows, weight, bias, kept):
        return _product(rows, weight, bias).data  # and no view, which could not be changed in place

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.kept = inputs[3].grad_fn

    @staticmethod
    def backward(ctx, gradient):
        found = _gradients(_differentiable_product, ctx.needs_input_grad[:3], ctx.kept.saved_tensors, gradient)
        return *found, gradient.new_empty(0)  # so that what was kept is given free


def _differentiable_product(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """As [`_product`]."""
    if not torch.is_grad_enabled() or not (rows.requires_grad or weight.requires_grad):
        return _product(rows, weight, bias)
    return _Product.apply(rows, weight, bias, _Kept.apply(rows, weight))


# The compiler would copy images into orders of its own, and cannot name the order where the number of rows is open. So
# for compiled code, the product is an operator of its own.
@torch.library.custom_op("allinone::product", mutates_args=())
def _compiled_product(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """As [`_product`]."""
    return _product(rows, weight, bias)


@_compiled_product.register_fake
def _(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return rows.new_empty(rows.shape[0], weight.shape[0])


_compiled_product.register_autograd(
    lambda ctx, gradient: _gradients(_compiled_product, ctx.needs_input_grad, ctx.saved_tensors, gradient),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs[:2]),
)


def _is_faster_as_convolution(hidden_states: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether oneDNN is to compute the product."""
    return (
        _HAS_FASTER_KERNEL
        and hidden_states.device.type == "cpu"
        and hidden_states.dtype == weight.dtype == torch.float32
        and type(weight) in (torch.Tensor, nn.Parameter)  # and not one that is quantised or sharded
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_exporting()
        and not torch.jit.is_tracing()
        # A compiled graph is for any number of rows.
        and (torch.compiler.is_compiling() or hidden_states.numel() >= _MIN_ROWS * hidden_states.shape[-1])
    )


class AllInOneLinear(nn.Linear):
    """A linear layer that computes its product by [`linear`]."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Returns (…, out) for (…, in)."""
        return linear(input, self.weight, self.bias)


def linear_of(
    layer: nn.Linear, prepare: Callable[[torch.Tensor], torch.Tensor], hidden_states: torch.Tensor
) -> torch.Tensor:
    """
    What a linear layer makes of a norm or an activation of its input. In training in float32, what goes into the layer
    is not kept for backward but computed once more, which ends there, before the product: these are three eighths of
    what a block would keep, and take 1 to 2 % of a step.

    Args:
        layer (`nn.Linear`): The linear layer, or what stands in for it.
        prepare (`Callable[[torch.Tensor], torch.Tensor]`): The norm, or the activation; cheap beside the layer.
        hidden_states (`torch.Tensor` of shape `(…, in)`): Rows.

    Returns:
        `torch.Tensor` of shape `(…, out)`

    Example:

    ```python
    >>> linear_of(nn.Linear(4, 3), torch.tanh, torch.ones(2, 4)).shape
    torch.Size([2, 3])

    ```
    """

    def compute(hidden_states: torch.Tensor) -> torch.Tensor:
        return layer(prepare(hidden_states))

    device_type = hidden_states.device.type
    is_in_full_precision = hidden_states.dtype == torch.float32 and not (
        torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)
    )
    keeps_its_input = torch.is_grad_enabled() and type(layer) is AllInOneLinear and layer.weight.requires_grad
    if is_in_full_precision and keeps_its_input and not torch.compiler.is_compiling():
        return checkpoint(compute, hidden_states, use_reentrant=False)
    return compute(hidden_states)


def make_linear(config: AllInOneConfig, in_features: int, out_features: int, bias: bool = True) -> nn.Linear:
    """
    Make a linear layer of a block.

    Args:
        config ([`AllInOneConfig`]): Whether the model is to be quantised: bitsandbytes, for one, replaces plain layers
            alone.
        in_features, out_features (`int`), bias (`bool`): As of `nn.Linear`.

    Returns:
        `nn.Linear`: An [`AllInOneLinear`], but for models that are to be quantised.
    """
    is_quantised = getattr(config, "quantization_config", None) is not None
    return (nn.Linear if is_quantised else AllInOneLinear)(in_features, out_features, bias)
