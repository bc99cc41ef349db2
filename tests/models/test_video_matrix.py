# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Frames of every container, codec and picture structure, against a sequential decode."""

import random

import pytest
from video_matrix import clip_names, find_problems, write_clip
from video_oddities import ODDITIES, write_oddity

# Clips of which not all can be told, and why.
MAY_BE_REFUSED = {
    "mjpeg-key-mjpeg": "a stream of JPEG images without a container looks like one image",
    **{
        f"h264-intra_refresh-mid_group-{container}": "no whole picture comes before the first refresh is through"
        for container in ("ts", "mkv", "mpg")
    },
}


def representative(names: list[str]) -> list[str]:
    """Some of the clips: each encoding or kind, and each container, is among them."""
    chosen, seen = [], set()
    for name in random.Random(0).sample(names, len(names)):
        structure, _, container = name.rpartition("-")
        if not {structure, container} <= seen:
            chosen.append(name)
            seen |= {structure, container}
    return chosen


CLIPS, CUTS = list(clip_names()), list(ODDITIES)
QUICK = {*representative(CLIPS), *representative(CUTS)}


def names(all_names: list[str]) -> list:
    return [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in all_names]


@pytest.mark.parametrize("name", names(CLIPS))
def test_frames_are_those_of_a_sequential_decode(tmp_path, name):
    assert find_problems(write_clip(name, tmp_path), name in MAY_BE_REFUSED, name not in QUICK) == []


@pytest.mark.parametrize("name", names(CUTS))
def test_what_is_cut_or_copied_shows_what_the_decoder_shows(tmp_path, name):
    assert find_problems(write_oddity(name, tmp_path), name in MAY_BE_REFUSED, name not in QUICK) == []
