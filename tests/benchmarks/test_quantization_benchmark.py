# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The benchmark of rounded weights, small; and its page, which shows what its results hold."""

import importlib
import json
from pathlib import Path

import pytest

from modeling_allinone import AllInOneForVideoQuestionAnswering, AllInOneProcessor
from modeling_allinone.datasets import answer_vocabulary, write_moving_shapes

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "examples/checkpoints/moving-shapes"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("quantization")


@pytest.mark.slow
@pytest.mark.timeout(900)  # three exports
def test_schemes_are_measured(benchmark, tmp_path):
    write_moving_shapes(tmp_path / "corpus", 12, "test")
    answers = dict(enumerate(answer_vocabulary("easy")))
    AllInOneForVideoQuestionAnswering.from_pretrained(CHECKPOINT, id2label=answers).save_pretrained(tmp_path / "model")
    AllInOneProcessor.from_pretrained(CHECKPOINT).save_pretrained(tmp_path / "model")
    schemes = ["float32", "bfloat16", "ONNX Runtime int8, activations too"]
    paths = {"model": tmp_path / "model", "corpus": tmp_path / "corpus", "output": tmp_path / "result.json"}
    options = {"preset": "tiny", "repeats": 1, "num-questions": 10} | paths
    benchmark.main([*(f"--{name}={value}" for name, value in options.items()), "--schemes", *schemes])
    plain, half, rounded = json.loads((tmp_path / "result.json").read_text())["quantization"]
    assert [row["weights"] for row in (plain, half, rounded)] == schemes
    assert plain["same answers, %"] == plain["same clip found, %"] == 100 and plain["speed, 2 threads"] == 1
    assert half["MiB on disk"] == pytest.approx(plain["MiB on disk"] / 2, rel=0.01)
    assert rounded["MiB on disk"] < plain["MiB on disk"] and rounded["same clip found, %"] >= 90


def test_the_page_shows_the_results(benchmark):
    result = json.loads((ROOT / "benchmarks/results/quantization.json").read_text())
    assert {row["weights"] for row in result["quantization"]} | set(result["refused"]) == set(benchmark.SCHEMES)
    assert benchmark.write_page_table(result["quantization"]) in (ROOT / "docs/quantization.md").read_text()
