# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Linear layers whose products in float32 are as fast on every CPU with AVX-512."""

import torch
from torch import nn

_HAS_FASTER_KERNEL = torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.backends.mkldnn.is_available()
_MIN_ROWS = 128  # with fewer, the kernel's own copy of the weight takes as long as is gained


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
    num_rows, num_images = rows.shape[0], _num_images()
    if num_images > 1:
        rows = nn.functional.pad(rows, (0, 0, 0, -num_rows % num_images))
    # Channels last: views, no copies. The weight, too, or compiled code would bring it into that order each time.
    images = rows.view(num_images, -1, 1, rows.shape[-1]).permute(0, 3, 1, 2)
    product = nn.functional.conv2d(images, weight[:, None, None].permute(0, 3, 1, 2), bias)
    product = product.permute(0, 2, 3, 1).reshape(-1, weight.shape[0])[:num_rows]
    return product.view(*hidden_states.shape[:-1], -1)


@torch.compiler.assume_constant_result
def _num_images() -> int:
    """To how many images rows are given: with one thread, torch has oneDNN compute only what is of 16 or more."""
    return 16 if torch.get_num_threads() == 1 else 1


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
