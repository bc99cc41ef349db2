# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Rows of pre-training: shares by weight, every row in its turn, images beside clips, workers that live on."""

from collections import Counter

import pytest
from torch.utils.data import DataLoader

from modeling_allinone.data.video_dataset import InterleavedDataset, PairedDataset, VideoDataset


def source(name: str, num_rows: int) -> VideoDataset:
    return VideoDataset([{"video": f"{name}{number}"} for number in range(num_rows)])


def videos_of(rows) -> list[str]:
    return [rows[index]["video"] for index in range(len(rows))]


def test_without_weights_an_epoch_is_all_rows_once():
    rows = InterleavedDataset([source("a", 3), source("b", 1), source("c", 4)])
    assert videos_of(rows) == ["a0", "a1", "a2", "b0", "c0", "c1", "c2", "c3"]
    assert [rows[index]["draw"] for index in range(3)] == [source("a", 3)[index]["draw"] for index in range(3)]


@pytest.mark.parametrize(
    ("lengths", "weights", "shares"),
    (
        ((6, 6), (1, 1), (6, 6)),
        ((10, 2), (1, 1), (6, 6)),
        ((9, 1), (1, 4), (2, 8)),
        ((100, 50, 50), (0.5, 0.3, 0.2), (100, 60, 40)),
        ((1, 1, 1), (1e6, 1e6, 1e6), (1, 1, 1)),
    ),
)
def test_weights_are_shares(lengths, weights, shares):
    rows = InterleavedDataset([source(name, length) for name, length in zip("abc", lengths, strict=False)], weights)
    assert len(rows) == sum(lengths)
    counts = Counter(video[0] for video in videos_of(rows))
    assert tuple(counts.values()) == shares


def test_every_row_is_seen_once_before_any_is_seen_again():
    rows = InterleavedDataset([source("a", 7), source("b", 5)], weights=[1, 3])  # of seven, three an epoch
    seen = []
    for epoch in range(7):
        rows.set_epoch(epoch)
        seen += [video for video in videos_of(rows) if video.startswith("a")]
    assert len(seen) == 21
    for start in range(0, 21, 7):
        assert sorted(seen[start : start + 7]) == [f"a{number}" for number in range(7)]


def test_what_is_read_again_is_drawn_anew():
    rows = InterleavedDataset([source("a", 1), source("b", 9)], weights=[1, 1])
    draws = [rows[index]["draw"] for index in range(5)]
    assert len(set(draws)) == 5 and draws == [rows[index]["draw"] for index in range(5)]
    rows.set_epoch(1)
    assert len({*draws, *(rows[index]["draw"] for index in range(5))}) == 10
    images = PairedDataset(source("v", 4), source("i", 1))
    assert len({images[index]["image"]["draw"] for index in range(4)}) == 4


@pytest.mark.parametrize("num_images", (2, 3, 5))
def test_images_go_on_where_they_stopped(num_images):
    rows = PairedDataset(source("v", 3), source("i", num_images))
    seen = []
    for epoch in range(5):
        rows.set_epoch(epoch)
        assert [rows[index]["video"]["video"] for index in range(len(rows))] == ["v0", "v1", "v2"]
        seen += [rows[index]["image"]["video"] for index in range(len(rows))]
    assert seen == [f"i{number % num_images}" for number in range(15)]


def test_both_kinds_may_be_mixed():
    rows = PairedDataset(
        InterleavedDataset([source("v", 2), source("w", 2)]), InterleavedDataset([source("i", 3), source("j", 3)])
    )
    rows.set_epoch(1)
    row = rows[1]
    assert row["video"]["video"] == "v1" and row["image"]["video"] == "j2", "the sixth image, after four and one"


def test_workers_that_outlive_an_epoch_go_on(tmp_path):
    rows = PairedDataset(InterleavedDataset([source("a", 5), source("b", 3)], [1, 7]), source("i", 20))
    loader = DataLoader(rows, 4, num_workers=1, persistent_workers=True, collate_fn=list)
    seen = []
    for epoch in range(2):
        rows.set_epoch(epoch)
        seen += [row for batch in loader for row in batch]
    assert [row["image"]["video"] for row in seen] == [f"i{number}" for number in range(16)]
    assert [row["video"]["video"] for row in seen if row["video"]["video"].startswith("a")] == ["a0", "a1"]


@pytest.mark.parametrize(
    ("lengths", "weights", "message"),
    (
        ((), None, r"The sources have \[\] rows; expected at least one"),
        ((3, 0), None, r"The sources have \[3, 0\] rows; expected at least one source, and none without rows"),
        ((3, 3), [1], r"weights are \[1\]; expected 2 numbers above 0"),
        ((3, 3), [1, 0], r"weights are \[1, 0\]; expected 2 numbers above 0"),
        ((3, 3), [1, -2], "expected 2 numbers above 0"),
        ((3, 3), [1, float("nan")], "expected 2 numbers above 0"),
        ((3, 3), [1, float("inf")], "expected 2 numbers above 0"),
        ((3, 3), [1000, 1], "of one of them no row is taken in an epoch"),
    ),
)
def test_sources_and_weights_are_checked(lengths, weights, message):
    with pytest.raises(ValueError, match=message):
        InterleavedDataset([source("a", length) for length in lengths], weights)


@pytest.mark.parametrize("index", (-1, 4))
def test_there_is_no_row_beyond_the_last(index):
    with pytest.raises(IndexError, match=f"Row {index} was asked for, but there are 4"):
        InterleavedDataset([source("a", 3), source("b", 1)])[index]
