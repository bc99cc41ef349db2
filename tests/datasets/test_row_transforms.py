# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Transforms of rows as they are fetched."""

import pickle
from collections import Counter
from functools import partial

import pytest
import torch
from datasets import Dataset

from modeling_allinone.datasets.row_transforms import by_row, draw_fraction, draw_integer, generator_of, move_inside


def shout(row, mark="!"):
    return row | {"caption": row["caption"].upper() + mark, "length": len(row["caption"])}


ROWS = Dataset.from_dict({"caption": ["a", "bb", "ccc"], "start": [None, 1.0, 2.0]})


def test_rows_are_transformed_when_they_are_fetched():
    rows = ROWS.with_transform(by_row(shout))
    assert rows[1] == {"caption": "BB!", "start": 1.0, "length": 2}
    assert rows[:2]["caption"] == ["A!", "BB!"] and rows[:2]["start"] == [None, 1.0]
    assert [row["length"] for row in rows] == [1, 2, 3]


def test_transform_takes_arguments_and_goes_to_another_process():
    transform = pickle.loads(pickle.dumps(by_row(partial(shout, mark="?"))))
    assert ROWS.with_transform(transform)[2]["caption"] == "CCC?"


def test_batch_without_rows_stays_empty():
    assert by_row(shout)({"caption": [], "start": []}) == {"caption": [], "start": []}


def test_whole_numbers_are_equally_likely():
    generator = torch.Generator().manual_seed(0)
    counts = Counter(draw_integer(3, 6, generator) for _ in range(4000))
    assert set(counts) == {3, 4, 5, 6}
    assert all(abs(count - 1000) < 4 * (4000 * 0.25 * 0.75) ** 0.5 for count in counts.values())
    assert draw_integer(5, 5) == 5


def test_fractions_are_equally_likely():
    generator = torch.Generator().manual_seed(0)
    fractions = torch.tensor([draw_fraction(generator) for _ in range(4000)])
    assert fractions.min() >= 0 and fractions.max() < 1
    assert abs(fractions.mean() - 0.5) < 4 * (1 / 12 / 4000) ** 0.5
    assert abs(fractions.var() - 1 / 12) < 0.01


def test_draws_depend_on_the_generator_only():
    draws = [[draw_integer(0, 10**6, torch.Generator().manual_seed(seed))] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    torch.manual_seed(7)
    first = draw_integer(0, 10**6)
    torch.manual_seed(7)
    assert draw_integer(0, 10**6) == first


def test_row_that_is_numbered_decides_the_draw():
    draws = [draw_integer(0, 10**6, generator_of({"draw": number})) for number in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    generator = torch.Generator()
    assert generator_of({"draw": 1}, generator) is generator
    assert generator_of({}) is generator_of({"draw": None}) is None


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((2.0, 6.0, 10.0), (2.0, 6.0)),
        ((8.0, 12.0, 10.0), (6.0, 10.0)),
        ((11.0, 15.0, 10.0), (6.0, 10.0)),
        ((1.0, 5.0, 3.0), (0.0, 3.0)),
        ((0.0, 3.0, 3.0), (0.0, 3.0)),
    ],
)
def test_window_is_moved_into_the_film(window, expected):
    assert move_inside(*window) == expected
