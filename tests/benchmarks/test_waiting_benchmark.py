# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The benchmark of reading back and of waiting, small."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)  # two films are encoded
def test_reading_back_is_fast_and_waiting_is_counted(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    options = {"preset": "tiny", "steps": 2, "num-clips": 17, "repeats": 1, "output": tmp_path / "waiting.json"}
    importlib.import_module("waiting").main([f"--{name}={value}" for name, value in options.items()])
    result = json.loads((tmp_path / "waiting.json").read_text())
    decoded, kept, whole, small, reencoded = (row["ms of a clip"] for row in result["reading"])
    assert max(kept, whole, small) < decoded / 5 and small < reencoded < decoded
    assert [(row["what"], row["workers"]) for row in result["waiting"]] == [
        ("training", 2),
        ("predict", 0),
        ("predict", 1),
    ]
    assert all(0 < row["seconds waited"] < row["seconds"] for row in result["waiting"])
