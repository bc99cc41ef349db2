# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Windows become moments: neighbours that are nearly as similar are joined, and the order is always the same."""

import random

import pytest

from modeling_allinone.search.moments import Window, merge_windows


def spans(*windows, **options):
    """Start, end and score of the moments of windows of one video, given as start, end and similarity."""
    moments = merge_windows([Window("a.mp4", start, end, 100.0, score) for start, end, score in windows], **options)
    return [(moment.start, moment.end, moment.score) for moment in moments]


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        # touching, in any order; overlapping; apart
        ([(10, 20, 0.6), (0, 10, 0.58)], [(0, 20, 0.6)]),
        ([(0, 10, 0.6), (5, 15, 0.58), (10, 20, 0.57)], [(0, 20, 0.6)]),
        ([(0, 10, 0.6), (10.5, 20, 0.6)], [(0, 10, 0.6), (10.5, 20, 0.6)]),
        # touching but for rounding
        ([(0.1, 0.3, 0.6), (0.1 + 0.2, 0.5, 0.6)], [(0.1, 0.5, 0.6)]),
        # a neighbour that is much less similar stays alone, and what is behind it does not come near
        ([(0, 10, 0.6), (10, 20, 0.3), (20, 30, 0.6)], [(0, 10, 0.6), (20, 30, 0.6), (10, 20, 0.3)]),
        # not by small steps away from the best
        ([(0, 10, 0.60), (10, 20, 0.56), (20, 30, 0.52)], [(0, 20, 0.60), (20, 30, 0.52)]),
        # less similar, and half of it has been shown: left out
        ([(0, 10, 0.6), (5, 15, 0.4), (10, 20, 0.3)], [(0, 10, 0.6), (10, 20, 0.3)]),
        ([(0, 10, 0.6), (6, 16, 0.4)], [(0, 10, 0.6), (6, 16, 0.4)]),
        # both sides of the best
        ([(0, 10, 0.58), (10, 20, 0.6), (20, 30, 0.59)], [(0, 30, 0.6)]),
        # negative similarities
        ([(0, 10, -0.2), (10, 20, -0.21)], [(0, 20, -0.2)]),
        ([], []),
    ],
)
def test_neighbours_are_joined(windows, expected):
    assert spans(*windows) == expected


def test_moment_has_what_its_best_window_has():
    windows = [
        Window("a.mp4", 0.0, 10.0, 30.0, 0.60, b"first", score=0.1),
        Window("a.mp4", 10.0, 20.0, 30.0, 0.58, b"second", score=0.9),
    ]
    (moment,) = merge_windows(windows)
    assert (moment.start, moment.end, moment.best_window) == (0.0, 20.0, (10.0, 20.0))
    assert (moment.score, moment.similarity, moment.thumbnail, moment.duration) == (0.9, 0.58, b"second", 30.0)
    assert moment.as_row()["path"] == "a.mp4" and "thumbnail" not in moment.as_row()


def test_margin():
    assert spans((0, 10, 0.6), (10, 20, 0.4), margin=0.25) == [(0, 20, 0.6)]
    assert len(spans((0, 10, 0.6), (10, 20, 0.59), margin=0)) == 2
    with pytest.raises(ValueError, match="margin is -1; expected at least 0"):
        merge_windows([], margin=-1)


def test_order_does_not_depend_on_the_input():
    draw = random.Random(0)
    windows = [
        Window(f"{draw.randrange(4)}.mp4", 5.0 * place, 5.0 * place + 10, 400.0, draw.choice([0.2, 0.4, 0.42, 0.6]))
        for place in range(60)
    ]
    windows += [Window("picture.png", 0.0, 0.0, None, 0.4), Window("another.png", 0.0, 0.0, None, 0.4)]
    expected = merge_windows(windows)
    assert [moment.score for moment in expected] == sorted((moment.score for moment in expected), reverse=True)
    assert len(expected) > 10
    for _ in range(5):
        draw.shuffle(windows)
        assert merge_windows(windows) == expected
