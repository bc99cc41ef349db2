# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The benchmark of temporal mixing, small; and its page, which shows what its results hold."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = ["--num-clips", "24", "--num-test-clips", "24", "--frame-steps", "1", "--clip-steps", "2", "--num-scores", "2"]


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("temporal_mixing")


def test_mixings_are_those_of_the_page(benchmark):
    expected = {("none", 8, "raster"), ("channel_shift", 8, "raster")}
    expected |= {("token_roll", divisor, order) for divisor in (4, 8, 16) for order in ("raster", "random")}
    mixings = [(mixing.temporal_mixing, mixing.roll_divisor, mixing.patch_order) for mixing in benchmark.MIXINGS]
    assert set(mixings) == expected and len(mixings) == len(expected)


def test_mixings_run_and_what_is_there_is_not_run_again(benchmark, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "MIXINGS", [benchmark.Mixing("none"), benchmark.Mixing("token_roll", 16, "random")])
    output = tmp_path / "result.json"
    paths = ["--output-dir", str(tmp_path), "--output", str(output)]
    benchmark.main([*SMALL, *paths, "--seeds", "1"])
    result = json.loads(output.read_text())
    assert [tuple(run["mixing"].values()) for run in result["runs"]] == [
        ("none", 8, "raster"),
        ("token_roll", 16, "random"),
    ]
    assert sum(result["num_questions"].values()) == sum(
        question["kind"] in ("direction", "drift", "growth", "order", "recolour")
        for line in (tmp_path / "corpus/test/annotations.jsonl").read_text().splitlines()
        for question in json.loads(line)["questions"]
    )
    assert all([score["step"] for score in run["scores"]] == [1, 2] for run in result["runs"])
    assert "| token_roll | 16 | random | 1 of 17 tokens |" in capsys.readouterr().out

    # An interrupted benchmark: the last run is missing.
    kept = result["runs"][:-1]
    output.write_text(json.dumps(result | {"runs": kept}))
    benchmark.main([*SMALL, *paths, "--seeds", "1"])
    again = json.loads(output.read_text())["runs"]
    assert again[:-1] == kept
    assert again[-1]["scores"] == result["runs"][-1]["scores"], "the same seed gives the same model"


@pytest.mark.parametrize(
    "options, message",
    [
        (["--clip-steps", "4"], "holds runs with other settings: clip_steps 2 instead of 4. Give another --output."),
        (["--clip-steps", "3"], "--clip-steps is 3; expected a multiple of --num-scores."),
        (["--seeds", "0"], "--seeds is 0; expected at least 1."),
        (["--kinds", "colour"], "expected one of direction, drift, growth, order, recolour among them."),
        (["--tables", "--output", "missing.json"], "--output missing.json is not there; run without --tables first."),
    ],
)
def test_errors_are_one_line(benchmark, tmp_path, capsys, options, message):
    output = tmp_path / "result.json"
    settings = {"num_clips": 24, "num_test_clips": 24, "frame_steps": 1, "clip_steps": 2, "num_scores": 2}
    settings |= {"kinds": list(benchmark.KINDS), "learning_rate": 7e-4}
    output.write_text(json.dumps({"settings": settings, "runs": []}))
    with pytest.raises(SystemExit, match="2"):
        benchmark.main([*SMALL, "--output", str(output), *options])
    assert capsys.readouterr().err.endswith(f"{message}\n")


def test_tables_show_means_and_deviations(benchmark):
    kinds = ("direction", "growth", "order", "recolour", "drift")

    def run(seed: int, first: float, last: float) -> dict:
        scores = [
            {"step": step, **{f"accuracy[{kind}]": share for kind in kinds}, "accuracy[drift]": 0.5}
            for step, share in ((10, first), (20, last))
        ]
        mixing = {"temporal_mixing": "none", "roll_divisor": 8, "patch_order": "raster"}
        return {"seed": seed, "mixing": mixing, "num_parameters": 7, "processor_seconds": 3.0, "scores": scores}

    result = {
        "machine": {"processor": "abacus"},
        "chance": {f"accuracy[{kind}]": 0.25 for kind in kinds},
        "num_questions": dict.fromkeys(kinds, 10),
        "runs": [run(0, 0.5, 0.92), run(1, 0.9, 0.98), run(2, 0.4, 0.8)],
    }
    tables = benchmark.write_tables(result)
    # Of 92, 98 and 80: the mean is 90, the squares of the distances are 4, 64 and 100, and half of 168 is 84.
    assert "| none | – | – | – | 90.0 ± 9.2 |" in tables
    assert "| 60.0 ± 26.5 | 90.0 ± 9.2 | 20, 10, – |" in tables


@pytest.mark.parametrize("name", ["temporal_mixing", "temporal_mixing_drift"])
def test_the_page_shows_the_results(benchmark, name):
    result = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text())
    assert benchmark.write_tables(result) in (ROOT / "docs/temporal_mixing.md").read_text()
