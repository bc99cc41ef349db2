# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a similarity is worth: a sentence that fits nothing shows as such."""

import json
from pathlib import Path

import pytest
import torch

from modeling_allinone import VideoEncoder, VideoIndex
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes
from modeling_allinone.search.calibration import LEAST_CHANCE, Calibration, write_sentences

CHECKPOINT = Path(__file__).parents[2] / "examples/checkpoints/moving-shapes"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Clips with their captions, and an index of them."""
    root = tmp_path_factory.mktemp("shapes")
    write_moving_shapes(root, num_clips=40, split="test")
    rows = load_moving_shapes(root, "test", "retrieval").to_list()
    rows = [row for row in rows if "ring moves" not in row["caption"]]
    index = VideoIndex.create(root / "index", VideoEncoder.from_pretrained(CHECKPOINT, device="cpu"))
    index.update([row["video"] for row in rows], num_workers=0)
    return rows, index


def test_what_is_there_matches_and_what_is_not_does_not(shapes):
    rows, index = shapes
    assert all(index.search(row["caption"], top_k=1)[0].is_match for row in rows[:10])
    for text in ("a red ring moves up", "a chef cuts onions", "a dog runs on the beach"):
        (moment,) = index.search(text, top_k=1)
        assert moment.is_match is False and moment.chance > LEAST_CHANCE, text


def test_chances_are_shares_of_unrelated_sentences(shapes):
    _, index = shapes
    calibration = Calibration.from_dict(json.loads(json.dumps(index.settings["calibration"])))
    vectors = index._tables.vectors()[1]
    highest = (index.encoder.encode_text(write_sentences(index.encoder)) @ vectors.T).amax(dim=1)
    (moment,) = index.search("a chef cuts onions", top_k=1)
    expected = (1 + int((highest >= moment.similarity).sum())) / 401
    assert moment.chance == calibration.chance(moment.similarity) == pytest.approx(expected, abs=1 / 401)
    assert calibration.chance(1.0) == 1 / 401 and calibration.chance(-1.0) == 1


def test_chances_follow_the_collection(shapes, tmp_path):
    rows, index = shapes
    other = VideoIndex.create(tmp_path / "index", index.encoder)
    other.update([])
    assert other.search("a ring") == []
    other.update([row["video"] for row in rows[:2]], num_workers=0)
    fitted = Calibration.fit(other.encoder, other._tables.vectors()[1])
    assert torch.allclose(other._calibration().similarities, fitted.similarities, atol=1e-5)
    assert float(other._calibration().similarities.mean()) < float(index._calibration().similarities.mean())


def test_pictures_and_clips_are_not_judged(shapes):
    rows, index = shapes
    (moment,) = index.search(Path(rows[0]["video"]), top_k=1)
    assert moment.chance is None and moment.is_match is None
