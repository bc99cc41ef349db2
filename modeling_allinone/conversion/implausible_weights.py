# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Signs of damage in weights of a file that has no checksums: blocks of zeros, and values that no training leaves."""

import re
from collections.abc import Iterator, Mapping

import torch

# Weights are drawn, so that neighbours are not zero together; a disk or a download loses at least 512 bytes at once.
_BLOCK = 16
_LARGEST_VALUE = 1e4

# Tables whose rows start from zeros and stay so without training, and one whose first row, of padding, does.
_STARTS_FROM_ZEROS = re.compile(r"temporal_embed|type_embeddings")
_HAS_PADDING = re.compile(r"word_embeddings")


def find_implausible(tensors: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, str]]:
    """
    Find tensors that look damaged.

    Args:
        tensors (mapping of `str` to `torch.Tensor`): Weights by name.

    Yields:
        Name of a tensor, and what is wrong with it.

    Example:

    ```python
    >>> weight = torch.ones(8, 64)
    >>> weight[2:5] = 0
    >>> dict(find_implausible({"qkv.weight": weight, "bias": torch.zeros(64), "norm.weight": torch.ones(64)}))
    {'qkv.weight': 'blocks of zeros'}

    ```
    """
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        largest = max(map(abs, torch.aminmax(tensor.detach())))
        if largest > _LARGEST_VALUE:
            yield name, f"values up to {largest:.0e}"
        elif tensor.ndim > 1 and _has_block_of_zeros(name, tensor):
            yield name, "blocks of zeros"


def _has_block_of_zeros(name: str, matrix: torch.Tensor) -> bool:
    if _STARTS_FROM_ZEROS.search(name):
        matrix = matrix[matrix.any(dim=-1)]
    elif _HAS_PADDING.search(name) and not matrix[0].any():
        matrix = matrix[1:]
    values = matrix.flatten()
    whole = values[: len(values) // _BLOCK * _BLOCK]
    return not whole.view(-1, _BLOCK).any(dim=1).all()
