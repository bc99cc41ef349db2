# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone explain`: the picture of what Python explains, and its figures."""

import sys

import pytest
from PIL import Image
from video_fixtures import encode_video

from modeling_allinone import Predictor
from modeling_allinone.evaluation import explain

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


def test_an_answer(allinone, answering, clip, tmp_path):
    picture = tmp_path / "new" / "picture.png"
    words = ["explain", clip, "a ring", "-m", answering, "--output", picture, "--answer", "blau"]
    status, found, errors = allinone(*words, "--end", 2, is_json=True)
    expected = explain(Predictor.from_pretrained(answering), {"video": clip, "end": 2.0}, "a ring", "blau")
    assert status == 0 and not errors
    assert found == {"video": clip, "end": 2.0} | expected.as_row() | {"picture": str(picture)}
    assert sum(len(frame["top_patches"]) for frame in found["frames"]) == expected.top_patches.sum()
    assert sum(frame["share"] for frame in found["frames"]) == pytest.approx(1)
    assert all(0 <= left < right <= 1 for frame in found["frames"] for left, _, right, _ in frame["top_patches"])
    with Image.open(picture) as image:
        assert min(image.size) > 200

    status, output, _ = allinone(*words)
    lines = output.splitlines()
    assert status == 0 and lines[0] == "a ring → blau" and lines[-1] == f"Picture: {picture}"
    assert "probability 0." in lines[1] and "without as many random ones" in lines[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--caption", "a red ring moves"], "a red ring moves"),
        (["--options", "a red ring moves", "a bar"], "a"),
        (["a [MASK] ring moves", "--answer", "red"], "a [MASK] ring moves → red"),
        (["--score-by", "features", "--caption", "a red ring"], "a red ring"),
    ],
)
def test_what_else_is_explained(allinone, shipped, clip, tmp_path, words, told):
    status, output, errors = allinone("explain", clip, *words, *shipped, "-o", tmp_path / "picture.svg")
    assert status == 0 and not errors and output.startswith(told)
    assert "</svg>" in (tmp_path / "picture.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a ring", "-o", "picture.txt"], "--output is picture.txt; expected a file whose name ends in .png, .pdf"),
        (["a ring", "--answer", "nine"], "knows no answer 'nine'; it knows 3: rot, blau, grün"),
        (["--caption", "a ring"], "give a question"),
    ],
)
def test_wrong_ones(allinone, answering, clip, words, message):
    status, output, errors = allinone("explain", clip, *words, "-m", answering)
    assert status == 2 and not output and message in errors and errors.count("\n") == 1


def test_of_a_long_video_a_part_is_advised(allinone, answering, tmp_path):
    path = encode_video(tmp_path / "long.mp4", times_in_ms=[0, *range(40_000, 80_000, 4_000)], num_frames=11)
    words = ["explain", path, "a ring", "-m", answering, "-o", tmp_path / "picture.png"]
    status, _, errors = allinone(*words)
    assert status == 0 and errors.count("\n") == 1 and "long.mp4 is explained as one clip, though it is long" in errors
    status, _, errors = allinone(*words, "--start", 40, "--end", 50)
    assert status == 0 and not errors


def test_without_matplotlib_it_says_so_in_a_line(allinone, answering, clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.backend_bases", None)
    status, output, errors = allinone("explain", clip, "a ring", "-m", answering)
    assert status == 2 and not output and errors.count("\n") == 1
    assert errors.endswith('It comes with pip install "modeling_allinone[train]".\n')
