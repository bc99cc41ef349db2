# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The benchmark of compiled models, small: every length of text and batch size has the graphs that the page says."""

import importlib
import json
from argparse import Namespace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32}
OPTIONS = {"preset": "tiny", "config": TINY, "num_frames": 3, "batch_size": 2, "device": "cpu", "attention": "sdpa"}
OPTIONS |= {"repeats": 1, "dtypes": ["float32"], "backend": "eager"}


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("compiled")


def test_graphs_are_few(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark, "NETWORKS", ("all-in-one",))
    monkeypatch.setattr(benchmark, "TEXT_LENGTHS", (9, 11, 5))
    monkeypatch.setattr(benchmark, "BATCH_SIZES", (4, 2))
    rows = benchmark.count_graphs(Namespace(**OPTIONS))
    assert [row["breaks"] for row in rows] == [0] * 4
    # Whole models: one of the first batch, one of all lengths of text, one of all batch sizes too.
    assert [list(row.values())[3:6] for row in rows] == [[1, 2, 3], [1, 1, 1], [1, 2, 3], [1, 1, 1]]


def test_parts_are_measured_one_by_one(benchmark, tmp_path, monkeypatch, capsys):
    output = tmp_path / "compiled.json"
    options = ["--preset", "tiny", "--config", json.dumps(TINY), "--batch-size", "2", "--repeats", "1"]
    options += ["--backend", "eager", "--dtypes", "bfloat16", "--output", str(output)]
    for part in ("step", "forward"):
        monkeypatch.setattr("sys.argv", ["compiled.py", *options, "--parts", part])
        benchmark.main()
    result = json.loads(output.read_text())
    assert result.keys() == {"machine", "arguments", "step bfloat16", "forward bfloat16"}
    for part in ("step bfloat16", "forward bfloat16"):
        assert [(row["network"], row["way"]) for row in result[part]] == [
            (network, way) for network in ("all-in-one", "ViLT") for way in ("eager", "whole", "blocks")
        ]
        assert result[part][0]["eager ViLT's time by it"] == result[part][3]["seconds"] / result[part][0]["seconds"]
    assert "written to" in capsys.readouterr().out


def test_a_start_has_two_batches(benchmark):
    seconds = benchmark.start("step", "blocks", Namespace(**OPTIONS))
    assert len(seconds) == 2 and all(taken > 0 for taken in seconds)
