# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Recipes of pre-training: read by their script, and run as they are on data sets in miniature."""

import pytest
import yaml
from PIL import Image
from script_runs import load_script, read_log, read_results, run_script
from video_fixtures import encode_video

from modeling_allinone import AllInOneForPreTraining, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.datasets import describe_dataset, train_tokenizer
from modeling_allinone.recipes import RECIPES

NAMES = sorted(path.stem for path in RECIPES.glob("pretrain_*.yaml"))
CAPTIONS = ("a boat at sea", "a man skis down a hill", "two dogs run", "hands cut a tomato")
SMALL = [
    *("--max_steps", 1, "--warmup_steps", 0, "--eval_steps", 1, "--logging_steps", 1, "--save_strategy", "no"),
    *("--total_batch_size", 4, "--per_device_train_batch_size", 4, "--per_device_eval_batch_size", 2),
    *("--fp16", "false", "--dataloader_num_workers", 0, "--num_alignment_rows", 0),
]

SCRIPT = load_script("pretrain")


@pytest.fixture
def place(tmp_path, monkeypatch, tiny_config):
    """A working folder with data sets and models where recipes expect them."""
    monkeypatch.chdir(tmp_path)
    films, howto, images = tmp_path / "data/webvid", tmp_path / "data/howto100m", tmp_path / "data/cc3m"
    for folder in (films / "train", films / "val", howto / "howto100m_csv", images / "training"):
        folder.mkdir(parents=True)
    for word, split in (("training", "train"), ("validation", "val")):
        for number in range(len(CAPTIONS)):
            encode_video(films / split / f"{number}.mp4", num_frames=6)
        rows = "".join(f"{caption}\t{number}\n" for number, caption in enumerate(CAPTIONS))
        (films / f"webvid_{word}_success_full.tsv").write_text(f"caption\tpath\n{rows}")
    encode_video(howto / "talk.mp4")
    (howto / "ht100_videos_split.csv").write_text("Name\ntalk.mp4\n")
    (howto / "howto100m_csv/talk.csv").write_text("start,end,text\n0,1,whisk the eggs\n")
    rows = []
    for number, caption in enumerate(CAPTIONS):
        Image.new("RGB", (40 + 20 * number, 36), (60 * number, 0, 0)).save(images / f"training/{number}.jpg")
        rows.append(f"{caption}\t{number}.jpg\n")
    (images / "cc3m_training_success_full.tsv").write_text(f"caption\tfile\n{''.join(rows)}")
    tokenizer = train_tokenizer([*CAPTIONS, "whisk the eggs"])
    tokenizer.model_max_length = 16
    start = tmp_path / "outputs/start_base"
    config = tiny_config(num_hidden_layers=1, num_frames=3, vocab_size=len(tokenizer), max_position_embeddings=16)
    AllInOneForPreTraining(config).save_pretrained(start)
    AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer).save_pretrained(start)
    return tmp_path


@pytest.mark.parametrize("name", ("pretrain_webvid_howto100m_base", "pretrain_webvid_cc3m"))
def test_recipe_runs(place, name):
    assert run_script(SCRIPT, RECIPES / f"{name}.yaml", *SMALL) == 0
    output_dir = place / "outputs" / name
    results = read_results(output_dir)
    assert results["protocol"]["num_rows"] == len(CAPTIONS) and results["protocol"]["num_skipped"] == 0
    assert {"mlm_loss", "matching_loss", "alignment_loss"} <= set(results["scores"])
    figures = ["mlm_loss", "matching_loss", "waiting_for_data"]
    figures += ["image_mlm_loss", "image_matching_loss"] if "cc3m" in name else []
    assert len(read_log(output_dir, *figures)) == 1 and len(read_log(output_dir, "eval_mlm_loss")) == 1
    assert AllInOneForPreTraining.from_pretrained(output_dir).mlm_head is not None


@pytest.mark.parametrize("name", NAMES)
def test_recipe_has_known_data_sets_and_the_original_sizes(name):
    recipe = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
    for dataset in (recipe["dataset"], *recipe["video_sources"], *recipe.get("image_sources", ())):
        assert "pretraining" in describe_dataset(dataset).tasks
    assert recipe["eval_split" if "eval_split" in recipe else "test_split"] == "validation"
    sizes = [recipe["total_batch_size"], recipe["warmup_steps"], recipe["learning_rate"], recipe["mlm_probability"]]
    assert sizes == [2048 if "image_sources" in recipe else 4096, 2500, 1e-4, 0.15]
    assert recipe["total_batch_size"] % (8 * recipe["per_device_train_batch_size"]) == 0
