# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The benchmark of a GPU, on the CPU and small: its checks pass, and what is wrong fails them."""

import importlib
import json
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32}


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the benchmark; returns its module and a function that gives its results, whatever the exit status was."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = importlib.import_module("gpu")
    monkeypatch.setitem(importlib.import_module("pretraining").SIDES, "cpu", 64)
    monkeypatch.setattr(benchmark, "COMPILED", ("blocks", "CUDA graphs", "FSDP 2"))

    def results(part: str) -> list[dict]:
        output = tmp_path / "gpu.json"
        options = ["--device", "cpu", "--preset", "tiny", "--config", json.dumps(TINY), "--backend", "eager"]
        options += ["--batch-size", "2", "--repeats", "1", "--parts", part, "--output", str(output)]
        monkeypatch.setattr("sys.argv", ["gpu.py", *options])
        try:
            benchmark.main()
        finally:
            found = json.loads(output.read_text())[part]
        return found

    yield benchmark, results
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def test_all_ways_are_right(run):
    benchmark, results = run
    rows = results("checks")
    assert len(rows) == len({row["way"] for row in rows}) == 36
    unavailable = {row["way"] for row in rows if row["is right"] is None}
    # In bfloat16, the CPU may not ask torch for a kernel.
    assert all("memory-efficient" in way or "cuDNN" in way for way in unavailable) and len(unavailable) in (8, 12)
    of_type = {dtype: [row for row in rows if row["way"].startswith(dtype)] for dtype in benchmark.TOLERANCES}
    assert 0 < max(row["gradients deviate by"] or 0 for row in of_type["float32"]) < 1e-5
    assert all(row["logits deviate by"] for row in of_type["bfloat16"] if row["is right"])


def test_a_way_that_is_wrong_fails(run, monkeypatch):
    benchmark, results = run
    monkeypatch.setattr(benchmark, "list_ways", lambda arguments: [benchmark.Way(), benchmark.Way(dtype="bfloat16")])
    monkeypatch.setitem(benchmark.TOLERANCES, "bfloat16", (1e-6, 1e-6))
    with pytest.raises(SystemExit, match="1 of 2 checks failed: bfloat16, sdpa"):
        results("checks")


def test_training_is_beside_the_original(run, monkeypatch):
    benchmark, results = run
    names = ("eager", "the original's way")
    monkeypatch.setattr(benchmark, "TRAININGS", {name: benchmark.TRAININGS[name] for name in names})
    rows = {row["training"]: row for row in results("training")}
    assert tuple(rows) == names and rows["the original's way"]["times the original's way (goal 3)"] == 1
    assert all(0 < row["utilisation (goal 0.45)"] < 1 and row["peak memory, MiB"] > 0 for row in rows.values())


def test_without_a_gpu_it_says_so(run, monkeypatch, capsys):
    benchmark, _ = run
    monkeypatch.setattr("sys.argv", ["gpu.py"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "torch finds no CUDA device" in capsys.readouterr().err
