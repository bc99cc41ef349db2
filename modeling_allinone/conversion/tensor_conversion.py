# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Renaming tensors by the rules of a key map, and the report of what became of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import torch

from .key_map import Rule, find_sources
from .safe_checkpoint import ConversionError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class ReportLine(NamedTuple):
    """
    What became of one tensor.

    Args:
        original (`str`, *optional*): Its name in the file of another library; `None` if it was not exported to it.
        shape (`tuple` of `int`): Its shape, in the file or else in the model.
        converted (`str`, *optional*): Its name in this package; `None` if the model does not hold it.
        row (`int`, *optional*): The row that was taken of it; `None` for all, or none if it was left out.
        note (`str`): Why it was left out, or where what the model does not hold comes from; else a remark, or empty.
    """

    original: str | None
    shape: tuple[int, ...]
    converted: str | None
    row: int | None = None
    note: str = ""


def convert_tensors(
    tensors: Mapping[str, torch.Tensor],
    expected: Mapping[str, torch.Tensor],
    rules: Sequence[Rule],
    find_reason: Callable[[str], str | None],
    place: str,
    kind: str,
    dtype: torch.dtype = torch.float32,
    keys: Mapping[str, str] | None = None,
) -> tuple[dict[str, torch.Tensor], list[ReportLine]]:
    """
    Rename tensors to those of a model; each that the rules name must be there with the right shape.

    Args:
        tensors (mapping of `str` to `torch.Tensor`): They. The result stays mapped into memory where they are.
        expected (mapping of `str` to `torch.Tensor`): The model's state dictionary; its values are not read.
        rules (sequence of [`Rule`]): The names.
        find_reason (callable from `str` to `str` or `None`): Why a tensor that no rule is about is left out.
        place (`str`): Where they come from, for messages.
        kind (`str`): What has tensors of these names, for messages.
        dtype (`torch.dtype`, defaults to `torch.float32`): Type of the result.
        keys (mapping of `str` to `str`, *optional*): How names are spelled in the file, where not as they are.

    Returns:
        The model's state dictionary, or a part of it, and a [`ReportLine`] for every tensor.

    Raises:
        ConversionError: If tensors are missing, not known, of another shape, not floating-point or not finite.
    """
    keys = keys or {}
    sources = {name: find_sources(name, rules) for name in expected}
    targets = {part: (name, row) for name, parts in sources.items() for part, row in parts}
    if missing := [part for part in targets if part not in tensors]:
        raise ConversionError(f"{place} lacks {enumerate_keys(missing)}, which the model needs.")
    reasons = {name: find_reason(name) for name in tensors if name not in targets}
    if unknown := [keys.get(name, name) for name, reason in reasons.items() if reason is None]:
        raise ConversionError(f"{place} holds {enumerate_keys(unknown)}, which no {kind} has.")
    converted: dict[str, torch.Tensor] = {}
    storages = set()
    for name, parts in sources.items():
        if not parts:
            continue
        # Tokens stand one behind the other, queries, keys and values one below the other.
        shape = list(expected[name].shape)
        dimension = 1 if len(shape) == 3 else 0
        shape[dimension] //= len(parts)
        taken = [_take(keys.get(part, part), row, tensors[part], shape) for part, row in parts]
        weight = (taken[0] if len(taken) == 1 else torch.cat(taken, dim=dimension)).to(dtype).contiguous()
        check_finite(keys.get(parts[0][0], parts[0][0]), weight)
        # Weights stay mapped into memory and are never copied, unless they share it, which the format to be written
        # does not know.
        storage = weight.untyped_storage().data_ptr()
        converted[name] = weight.clone() if storage in storages else weight
        storages.add(storage)
    report = []
    for name, tensor in tensors.items():
        target, row = targets.get(name, (None, None))
        report.append(ReportLine(keys.get(name, name), tuple(tensor.shape), target, row, reasons.get(name) or ""))
    return converted, report


def _take(key: str, row: int | None, tensor: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """A tensor, or a row of it, that must have the given shape."""
    if not tensor.is_floating_point():
        raise ConversionError(f"{key} is of type {tensor.dtype}, but expected floating-point weights.")
    taken = tensor if row is None or tensor.ndim == 0 else tensor[row : row + 1]
    if list(taken.shape) != shape:
        part = "" if row is None else f" in row {row}"
        raise ConversionError(
            f"{key} has shape {tuple(tensor.shape)}, but the sizes of the other tensors ask for {tuple(shape)}{part}."
        )
    return taken


def check_finite(name: str, tensor: torch.Tensor):
    """Raise a [`ConversionError`] if a value is NaN or infinite."""
    # By its extremes, which NaN is too where there is one; asking every value takes as much memory again.
    if not torch.stack(tensor.aminmax()).isfinite().all():
        remedy = "its training went astray" if tensor.dtype == torch.float32 else "convert to float32"
        dtype = str(tensor.dtype).removeprefix("torch.")
        raise ConversionError(f"{name} holds values that are not finite in {dtype}; {remedy}.")


def check_choice(what: str, value: str, choices: Iterable[str]):
    """Raise a [`ConversionError`] unless a value is one of those that there are."""
    if value not in choices:
        raise ConversionError(f"The {what} {value!r} does not exist; there are {', '.join(choices)}.")


def enumerate_keys(keys: Sequence[str]) -> str:
    """The first keys of a list, for a message."""
    shown = ", ".join(keys[:5])
    return shown if len(keys) <= 5 else f"{shown} and {len(keys) - 5} more"


def print_report(report: Sequence[ReportLine]):
    """Print a table of what became of every tensor of a file."""
    width = max(len(line.original or "") for line in report)
    for line in report:
        row = "" if line.row is None else f" (row {line.row})"
        note = f" ({line.note})" if line.note else ""
        outcome = f"-> {line.converted}{row}{note}" if line.converted else f"left out: {line.note}"
        print(f"{line.original:{width}}  {line.shape!s:18}  {outcome}")
    num_converted = sum(line.converted is not None for line in report)
    print(f"{num_converted} tensors converted, {len(report) - num_converted} left out")
