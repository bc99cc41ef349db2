# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The benchmark of peers: it counts what was published of them; and its page, which shows what its results hold."""

import importlib
import json
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("peers")


def test_multiply_adds_are_those_that_were_published(benchmark):
    """Of X-CLIP (arXiv 2208.02816) and VideoMAE (arXiv 2203.12602), where they compare themselves on Kinetics-400."""
    published = {("X-CLIP-B/32", "choose"): 39, ("X-CLIP-B/16", "choose"): 145, ("VideoMAE-B", "index"): 180}
    for (name, task), number in published.items():
        row = benchmark.count_tasks(name, [task])
        assert row[f"{task}, G multiply-adds"] == pytest.approx(number, rel=0.01), name
    # Figure 1 of All-in-one's paper has 58, for all tokens of the last block.
    assert 50 < benchmark.count_tasks("All-in-one-B", ["answer"])["answer, G multiply-adds"] < 58


def test_skeletons_have_the_multiply_adds_that_were_published(benchmark):
    skeletons = importlib.import_module("peer_skeletons")
    with torch.device("meta"):
        image, clip = torch.empty(1, 3, 224, 224), torch.empty(1, 3, 16, 112, 112)
        # Table 1 of He et al. (arXiv 1512.03385).
        for depths, published in (((3, 4, 6, 3), 3.8), ((3, 4, 23, 3), 7.6)):
            assert benchmark.count(partial(skeletons.make_resnet(depths), image)) == pytest.approx(published, rel=0.02)
        features = skeletons.make_resnet((3, 4, 6, 3), nn.Conv3d, stride_in_first=False)(clip)
        assert features.shape == (1, 2048, 1, 4, 4)  # Table 1 of Hara et al. (arXiv 1711.09577)
        # Table 1 of Liu et al. (arXiv 2106.13230): Video Swin-B on 32 frames, of which two are a token.
        bert = benchmark.count(lambda: skeletons.make_bert()(inputs_embeds=torch.empty(1, 16 * 50 + 14, 768)))
        assert benchmark.count(partial(skeletons.answer_violet, 128, 16)) - bert == pytest.approx(282, rel=0.01)


@pytest.mark.slow
def test_peers_from_the_command_line(benchmark, tmp_path):
    options = {"repeats": 1, "output": tmp_path / "peers.json", "figure": tmp_path / "peers.png"}
    options = [f"--{name}={value}" for name, value in options.items()]
    benchmark.main([*options, "--models", "All-in-one-Ti", "X-CLIP-B/32", "--tasks", "choose", "vectors"])
    benchmark.main([*options, "--models", "All-in-one-Ti", "--tasks", "answer", "train"])
    ours, other = json.loads((tmp_path / "peers.json").read_text())["peers"]
    assert all(ours[f"{task}, seconds"] > 0 for task in ("choose", "vectors", "answer", "train"))
    assert ours["index, seconds"] is None and other["answer, seconds"] is None
    assert (tmp_path / "peers.png").exists()


def test_the_page_shows_the_results(benchmark):
    result = json.loads((ROOT / "benchmarks/results/peers.json").read_text())
    assert [row["model"] for row in result["peers"]] == [*benchmark.PEERS]
    page = (ROOT / "docs/performance.md").read_text()
    assert all(table in page for table in benchmark.write_tables(result).split("\n\n"))
