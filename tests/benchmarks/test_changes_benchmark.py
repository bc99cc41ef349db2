# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The benchmark beside an earlier state, small, and beside this one: the same outputs."""

import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_state_beside_itself(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    options = ["--preset", "tiny", "--repeats", "1", "--batch-size", "1", "--num-frames", "2", "--dtypes", "float32"]
    monkeypatch.setattr(sys, "argv", ["changes.py", str(ROOT), *options, "--output", str(tmp_path / "changes.json")])
    benchmark = importlib.import_module("changes")
    benchmark.main()
    rows = json.loads((tmp_path / "changes.json").read_text())["changes"]
    assert [row["task"] for row in rows] == list(benchmark.TASKS)
    assert all(row["largest difference"] == 0 and row["seconds"] > 0 for row in rows)
