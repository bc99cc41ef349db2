# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Transforms of rows as they are fetched: what is drawn again each epoch, or too large to keep."""

import hashlib
from collections.abc import Callable
from functools import partial

import torch

LARGEST_SEED = 2**63 - 1


def by_row(transform: Callable[[dict], dict]) -> Callable[[dict[str, list]], dict[str, list]]:
    """Make a transform of one row into one of a batch, which `datasets.Dataset.with_transform` takes.

    Args:
        transform (`Callable`): Takes a row and returns one. To give it more arguments, use `functools.partial`.

    Returns:
        `Callable`, which takes and returns a dictionary of columns.

    Example:
        >>> from datasets import Dataset
        >>> rows = Dataset.from_dict({"caption": ["A Cat", "A Dog"]})
        >>> rows = rows.with_transform(by_row(lambda row: {"caption": row["caption"].lower()}))
        >>> rows[0]
        {'caption': 'a cat'}
    """
    return partial(_transform_batch, transform)


def _transform_batch(transform: Callable[[dict], dict], batch: dict[str, list]) -> dict[str, list]:
    """Rows of a batch, transformed one by one."""
    rows = [transform(dict(zip(batch, values, strict=True))) for values in zip(*batch.values(), strict=True)]
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else batch


def seed_of(*parts: int | str) -> int:
    """A seed that follows from some values, such as the seed of a run, the epoch and the name of a row.

    It is the same in every process, on every machine and in every version of Python, and for other values another.

    Args:
        parts (`int` or `str`): The values.

    Returns:
        `int`: From 0 to `LARGEST_SEED`.

    Example:
        >>> seed_of(0, 1, "video7") == seed_of(0, 1, "video7"), seed_of(0, 1, "video7") == seed_of(0, 2, "video7")
        (True, False)
    """
    text = " ".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()) >> 1


def generator_of(row: dict, generator: torch.Generator | None = None) -> torch.Generator | None:
    """Source of randomness of a row: the one that is given, else one for its number `draw`, else torch's own.

    Rows have that number from [`VideoDataset`], so that training which was interrupted goes on with the same draws;
    those are made of its rows, such as by a collator: `collate([draw_spoken_clip(row) for row in rows])`.

    Args:
        row (`dict`): A row, with or without the number `draw`.
        generator (`torch.Generator`, *optional*): The one that is given.

    Returns:
        `torch.Generator`, or `None` for torch's own, which is another one in every worker of a `DataLoader`.
    """
    if generator is None and row.get("draw") is not None:
        return torch.Generator().manual_seed(row["draw"])
    return generator


def draw_integer(low: int, high: int, generator: torch.Generator | None = None) -> int:
    """Draw a whole number, each equally likely.

    Args:
        low (`int`): The lowest.
        high (`int`): The highest, at least `low`.
        generator (`torch.Generator`, *optional*): Source of randomness, torch's own by default.
    """
    return int(torch.randint(low, high + 1, (), generator=generator))


def draw_fraction(generator: torch.Generator | None = None) -> float:
    """Draw a number from 0 to 1, 1 excluded, as `draw_integer` does."""
    return float(torch.rand((), generator=generator, dtype=torch.float64))


def move_inside(start: float, end: float, duration: float) -> tuple[float, float]:
    """Move a window of time into a film, and cut it where the film is shorter.

    Args:
        start (`float`): Start of the window, seconds.
        end (`float`): Its end, seconds.
        duration (`float`): Length of the film, seconds, above 0.

    Example:
        >>> move_inside(8.0, 12.0, 10.0), move_inside(1.0, 5.0, 3.0)
        ((6.0, 10.0), (0.0, 3.0))
    """
    length = end - start
    start = max(min(start, duration - length), 0.0)
    return start, min(start + length, duration)


__all__ = ["by_row"]
