# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Which frames: against the original's numbers, against loops, and at the edges."""

import json
from pathlib import Path

import numpy as np
import pytest

from modeling_allinone.models.frame_sampling_allinone import (
    checked_indices,
    count_at_rate,
    indices_at,
    random_indices,
    segment_bounds,
    uniform_indices,
    window_bounds,
)

CASES = json.loads((Path(__file__).parents[1] / "fixtures" / "parity" / "frame_sampling.json").read_text())["cases"]
TIMES = np.arange(30) / 10


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['num_frames']}_of_{case['total_frames']}")
def test_segments_and_middles_are_the_originals(case):
    num_frames, total_frames = case["num_frames"], case["total_frames"]
    assert segment_bounds(num_frames, total_frames).tolist() == case["segments"]
    if total_frames >= num_frames:
        assert uniform_indices(num_frames, total_frames).tolist() == case["uniform"]


def test_middles_against_a_loop():
    for num_frames in range(1, 12):
        for total_frames in range(num_frames, 80):
            expected = []
            for segment in range(num_frames):
                first = int(total_frames * segment / num_frames)
                last = int(total_frames * (segment + 1) / num_frames) - 1
                expected.append((first + last) // 2)
            # Where a border is whole but its quotient is not exact, truncation may go either way by one.
            assert np.abs(uniform_indices(num_frames, total_frames) - expected).max() <= 1


def test_short_clips_repeat_frames_in_order():
    assert uniform_indices(3, 1).tolist() == [0, 0, 0]
    assert uniform_indices(3, 2).tolist() == [0, 0, 1]
    assert uniform_indices(8, 3).tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert random_indices(8, 3, np.random.default_rng(0)).tolist() == [0, 0, 0, 1, 1, 1, 2, 2]


@pytest.mark.parametrize(("num_frames", "total_frames"), [(3, 30), (8, 250), (5, 5), (4, 7)])
def test_random_frames_stay_in_their_segments_and_follow_the_seed(num_frames, total_frames):
    bounds = segment_bounds(num_frames, total_frames)
    generator = np.random.default_rng(0)
    draws = np.array([random_indices(num_frames, total_frames, generator) for _ in range(200)])
    assert (draws >= bounds[:, 0]).all()
    # The original never draws the last frame of a segment, unless there is no other.
    assert (draws < np.maximum(bounds[:, 1], bounds[:, 0] + 1)).all()
    for segment, (first, last) in enumerate(bounds):
        assert set(draws[:, segment]) <= set(range(first, max(last, first + 1)))
    again = random_indices(num_frames, total_frames, np.random.default_rng(0))
    assert again.tolist() == draws[0].tolist()


def test_random_frames_reach_every_place_of_a_segment():
    generator = np.random.default_rng(0)
    assert {int(random_indices(1, 6, generator)[0]) for _ in range(200)} == {0, 1, 2, 3, 4}


def test_views_are_spread_evenly_and_one_view_is_the_middle():
    views = [uniform_indices(2, 12, view, num_views=3).tolist() for view in range(3)]
    assert views == [[0, 6], [2, 8], [4, 10]]
    assert uniform_indices(3, 31, 0, 1).tolist() == uniform_indices(3, 31).tolist()
    # As many views as frames in a segment: each frame once.
    assert [uniform_indices(1, 4, view, num_views=4).tolist() for view in range(4)] == [[0], [1], [2], [3]]
    # More views than frames: the last ones still lie inside.
    assert [int(uniform_indices(1, 2, view, num_views=5)[0]) for view in range(5)] == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, (0, 30)),
        (1.0, 2.0, (10, 20)),
        (1.05, 1.06, (10, 11)),  # shorter than a frame: the one on screen
        (None, 0.3, (0, 3)),
        (2.95, None, (29, 30)),
        (0.0, 3.05, (0, 30)),  # sound that ends a little later
        (1 / 3, 2 / 3, (3, 7)),
        (2.0, 9.0, (20, 30)),  # cut at the end of the clip
        (0.0, float("inf"), (0, 30)),
    ],
)
def test_windows(start, end, expected):
    assert window_bounds(TIMES, 3.0, start, end) == expected


def test_windows_and_times_follow_a_variable_rate():
    times = np.array([0.0, 0.1, 1.0, 4.0])
    assert window_bounds(times, 5.0, 0.5, 3.9) == (1, 3)
    assert indices_at(times, 5.0, [0.05, 0.1, 3.99, 4.0, 5.0]).tolist() == [0, 1, 2, 3, 3]


def test_a_clip_may_begin_after_its_file():
    times = 1.5 + np.arange(30) / 10
    assert window_bounds(times, 4.5) == (0, 30)
    assert window_bounds(times, 4.5, 2.5, 3.5) == (10, 20)
    assert window_bounds(times, 4.5, 0.0, 2.0) == (0, 5)
    assert window_bounds(times, 4.5, 0.2, 0.7) == (0, 1)  # what a player shows before the first frame is the first
    assert indices_at(times, 4.5, [0.0, 1.5, 1.61]).tolist() == [0, 0, 1]


def test_times_rounded_by_the_container_are_met():
    times = np.round(np.arange(90) / 30, 3)  # as Matroska writes 30 frames per second
    assert indices_at(times, 3.0, np.arange(90) / 30).tolist() == list(range(90))
    assert window_bounds(times, 3.0, 10 / 30, 20 / 30) == (10, 20)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (3.0, None),
        (12.0, 13.0),
        (-0.5, 1.0),
        (2.0, 2.0),
        (2.0, 1.0),
        (float("nan"), None),
        (0.0, float("nan")),
    ],
)
def test_a_window_outside_the_clip_is_refused(start, end):
    with pytest.raises(ValueError, match=r"the window from .* s to .* s is not inside the clip, which lasts 3\.000 s"):
        window_bounds(TIMES, 3.0, start, end)


def test_indices_and_times_outside_the_clip_are_refused():
    assert checked_indices([2, 0, 2], 3).tolist() == [2, 0, 2]
    with pytest.raises(
        ValueError, match="frame index 30 is outside the clip, which has 30 frames; give indices from 0 to 29"
    ):
        checked_indices([0, 30], 30)
    with pytest.raises(ValueError, match="frame index -1 is outside"):
        checked_indices([-1], 30)
    with pytest.raises(ValueError, match=r"frame_indices is \[0\.5\]; give at least one index, whole numbers only"):
        checked_indices([0.5], 30)
    with pytest.raises(ValueError, match="give at least one index"):
        checked_indices([], 30)
    with pytest.raises(ValueError, match=r"timestamp 3\.2 s is outside the clip, which lasts 3\.000 s"):
        indices_at(TIMES, 3.0, [1.0, 3.2])
    with pytest.raises(ValueError, match="no timestamp is given"):
        indices_at(TIMES, 3.0, [])


@pytest.mark.parametrize(
    ("seconds", "rate", "expected"), [(3, 2, 6), (2.9999, 2, 6), (3.2, 2, 6), (0.1, 2, 1), (10, 0.25, 2), (1, 60, 60)]
)
def test_frames_of_each_second(seconds, rate, expected):
    assert count_at_rate(seconds, rate) == expected


def test_counts_below_one_are_refused():
    with pytest.raises(ValueError, match="num_frames is 0; ask for at least 1 frame"):
        uniform_indices(0, 10)
    with pytest.raises(ValueError, match="the clip has 0 frames"):
        random_indices(3, 0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="view is 2 of 2 views"):
        uniform_indices(3, 10, view=2, num_views=2)
