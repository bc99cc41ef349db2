# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The benchmark of recipes: it knows all of them, its figures are sane, and its page shows what its results hold."""

import importlib
import json
from argparse import Namespace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32}
OPTIONS = {"preset": "tiny", "config": TINY, "device": "cpu", "batch_size": None, "repeats": 1, "dtype": "bfloat16"}
PAGE = ROOT / "docs/models.md"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setitem(importlib.import_module("pretraining").SIDES, "cpu", 64)
    return importlib.import_module("recipes")


def test_every_recipe_is_known(benchmark):
    recipes = [benchmark.Recipe.read(name, Namespace(preset=None, config={})) for name in benchmark.list_shipped()]
    assert {recipe.name for recipe in recipes} == {
        path.stem for path in (ROOT / "modeling_allinone/recipes").glob("*.yaml")
    } - {"own_videos", "published_scores"}
    presets = {recipe.name: recipe.fields["preset"] for recipe in recipes if recipe.fields["preset"] != "base"}
    assert presets == {f"pretrain_webvid_howto100m_{size}": size for size in ("small", "tiny")}
    assert benchmark.DATASETS.keys() == {recipe.fields["dataset"] for recipe in recipes}
    clips = {recipe.name: recipe.num_clips for recipe in recipes}
    assert [name for name, number in clips.items() if number is None] == ["ego4d_mc_zero_shot"]
    assert clips["msrvtt_qa"] == 158_581 * 20 and clips["msrvtt_mc_zero_shot"] == 2_990
    assert clips["pretrain_webvid_howto100m_base"] == 200_000 * 4096


def test_estimates_are_those_of_the_page_on_many_machines(benchmark):
    recipe = benchmark.Recipe.read("pretrain_webvid_howto100m_base", Namespace(preset=None, config={}))
    figures = {"G multiply-adds per clip": 336.3, "clips per second, training": 2.0}  # as it counts them
    row = benchmark.estimate(recipe, figures)
    hours = [float(f"{row[f'{gpu} hours, estimated']:.3g}") for gpu in ("A100", "H100")]
    assert hours == [1090, 344]
    assert "200 000 × 4096 | 819 M | 209 | 1090 | 662 | 344 |" in (ROOT / "docs/many_machines.md").read_text()
    assert row["hours here"] == pytest.approx(819.2e6 / 2 / 3600)


def test_figures_are_sane(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "NUM_ANSWERS", 2)
    media = benchmark.make_media(tmp_path)
    names = ["msrvtt_qa", "hmdb51_linear", "msrvtt_mc_zero_shot", "msrvtt_retrieval_ranking", "vcr"]
    figures = {}
    for name in [*names, "pretrain_eight_sets"]:
        recipe = benchmark.Recipe.read(name, Namespace(**OPTIONS))
        figures[name] = benchmark.measure(recipe, media, tmp_path, Namespace(**OPTIONS))
        trained, scored = (figures[name][f"clips per second, {what}"] for what in ("training", "scoring"))
        assert (trained is not None) == recipe.trains and (scored is None) == (recipe.fields["task"] == "pretraining")
        assert all(0 < value < 1e5 for value in (trained, scored) if value is not None)
        assert 0 < figures[name]["utilisation"] < 1
    counts = {name: of["G multiply-adds per clip"] for name, of in figures.items()}
    # Three times less without a backward; what clips cost alone, five and sixteen pairs share.
    assert counts["hmdb51_linear"] < counts["msrvtt_qa"] / 3
    assert counts["msrvtt_qa"] / 3 < counts["msrvtt_mc_zero_shot"] < 5 * counts["msrvtt_qa"] / 3
    assert 5 * counts["msrvtt_qa"] < counts["msrvtt_retrieval_ranking"] < 17 * counts["msrvtt_qa"]
    assert [figures[name]["frames"] for name in ("msrvtt_qa", "vcr", "pretrain_eight_sets")] == [3, 1, 3]


def test_texts_have_the_tokens_that_are_said(benchmark, tmp_path):
    media = benchmark.make_media(tmp_path)
    for name, num_tokens in (("msrvtt_qa", 12), ("tgif_action", 40), ("didemo_retrieval", 80)):
        recipe = benchmark.Recipe.read(name, Namespace(**OPTIONS))
        trainer = benchmark.make_trainer(recipe, media, tmp_path, Namespace(**OPTIONS), num_steps=1)
        assert next(iter(trainer.get_train_dataloader()))["input_ids"].shape[-1] == num_tokens


@pytest.mark.slow
def test_a_recipe_from_the_command_line(benchmark, tmp_path, capsys):
    output = tmp_path / "recipes.json"
    options = ["--preset", "tiny", "--config", json.dumps(TINY), "--repeats", "1", "--output", str(output)]
    benchmark.main(["msrvtt_qa", "msvd_qa", "--device", "cpu", *options])
    rows = json.loads(output.read_text())["recipes"]
    assert [row["measured as"] for row in rows] == ["msrvtt_qa", "msrvtt_qa"]
    assert rows[0]["peak memory, MiB"] > 0 and rows[0]["hours here"] > rows[1]["hours here"]
    capsys.readouterr()
    benchmark.main(["--tables", "--output", str(output)])
    assert "| msvd_qa | 3 frames | 30,933 × 20 |" in capsys.readouterr().out


def test_the_page_shows_the_results(benchmark):
    result = json.loads((ROOT / "benchmarks/results/recipes.json").read_text())
    assert [row["recipe"] for row in result["recipes"]] == benchmark.list_shipped()
    assert benchmark.write_table(result) in PAGE.read_text()
