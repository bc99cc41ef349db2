# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The benchmark of growing cost, small; and its page, which shows what its results hold."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("cost")


def count(benchmark, **size):
    return benchmark.count(benchmark.make_forward(benchmark.Size(**size), "tiny", "meta"))


def test_multiply_adds_grow(benchmark):
    one = count(benchmark, num_frames=1)
    assert count(benchmark, num_frames=48) == pytest.approx(48 * one, rel=0.01)
    assert count(benchmark, batch_size=16) == pytest.approx(16 * 3 * one, rel=0.01)
    assert 4 * 3 * one < count(benchmark, num_options=5) < 5 * 3 * one  # a clip is embedded once
    # Attention alone grows with the square of tokens.
    assert 4 * 3 * one < count(benchmark, image_size=448) < 8 * 3 * one
    assert 3 * one < count(benchmark, num_tokens=128) < 2 * 3 * one


@pytest.mark.slow
@pytest.mark.timeout(600)  # a process for each figure of memory
def test_cost_from_the_command_line(benchmark, tmp_path):
    options = {"preset": "tiny", "repeats": 1, "output": tmp_path / "cost.json", "figures": tmp_path}
    options = [f"--{name}={value}" for name, value in options.items()]
    benchmark.main([*options, "--only", "frames", "--points", "1", "2", "--measure", "seconds"])
    benchmark.main([*options, "--only", "frames", "--points", "1", "2", "--measure", "memory"])
    benchmark.main([*options, "--only", "film", "training", "--film-seconds", "10", "20", "--train-clips", "1"])
    result = json.loads((tmp_path / "cost.json").read_text())
    assert [row["number"] for row in result["forward"]] == [1, 2]
    assert all(row["seconds"] > 0 and row["peak memory, MiB"] > 0 for row in result["forward"] + result["training"])
    assert result["film"][1]["MB"] == pytest.approx(2 * result["film"][0]["MB"], rel=0.1)
    plain, checkpointed, *_ = (row["peak memory, MiB"] for row in result["training"])
    assert checkpointed < plain
    assert (tmp_path / "cost.png").exists() and (tmp_path / "cost_film_training.png").exists()


def test_the_page_shows_the_results(benchmark):
    result = json.loads((ROOT / "benchmarks/results/cost.json").read_text())
    points = {
        name: tuple(row["number"] for row in result["forward"] if row["axis"] == name) for name in benchmark.AXES
    }
    assert points == {name: axis.points for name, axis in benchmark.AXES.items()}
    page = (ROOT / "docs/performance.md").read_text()
    for table in benchmark.write_tables({name: result.get(name, []) for name in benchmark.KEYS}):
        assert table in page
