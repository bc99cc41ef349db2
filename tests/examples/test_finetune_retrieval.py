# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Fine-tuning for retrieval through its script: every data set's files in miniature, figures, what goes wrong."""

import json
from functools import partial

import pytest
from retrieval_files import DATA, write_data
from script_runs import last_line, load_script, read_log, read_results, run_script, write_splits

from modeling_allinone import (
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.datasets import list_datasets, load_moving_shapes, train_tokenizer, write_moving_shapes
from modeling_allinone.evaluation.video_encoder import VideoEncoder
from modeling_allinone.recipes import RECIPES
from modeling_allinone.search.video_index import VideoIndex

DIRECTIONS = [f"{stage}{way}" for stage in ("", "reranked_") for way in ("text_to_video", "video_to_text")]
FIGURES = ("recall_at_1", "recall_at_5", "recall_at_10", "recall_at_50", "median_rank", "mean_rank")

SCRIPT = load_script("finetune")
run = partial(run_script, SCRIPT)


pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_config):
    """A checkpoint that compares features."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = train_tokenizer(["a dog runs", "a cat and a red car", "it sleeps"])
    tokenizer.model_max_length = 16
    fields = {"num_hidden_layers": 1, "num_frames": 3, "vocab_size": len(tokenizer), "projection_dim": 8}
    AllInOneForVideoTextRetrieval(tiny_config(**fields, use_pair_scorer=False)).save_pretrained(folder)
    AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_splits(tmp_path_factory.mktemp("shapes"), train=8, validation=3, test=5)


@pytest.fixture
def on_shapes(shapes, tiny, tmp_path):
    """Arguments of a short run on moving shapes."""
    return [
        *("--task", "retrieval", "--dataset", "moving_shapes"),
        *("--data_dir", shapes, "--dataset_options", '{"task": "retrieval"}'),
        *("--model_name_or_path", tiny, "--output_dir", tmp_path / "output", "--do_train", "true"),
        *("--max_steps", 1, "--per_device_train_batch_size", 4, "--save_strategy", "no"),
    ]


@pytest.mark.parametrize(
    ("recipe", "arrangement"), [(recipe, next(iter(files))) for recipe, (_, files) in DATA.items()]
)
def test_every_data_set_trains_and_is_scored_by_its_recipe(recipe, arrangement, tiny, media, tmp_path):
    data = write_data(tmp_path / "data", recipe, arrangement, *media)
    output_dir = tmp_path / "output"
    small = ["--max_steps", 1, "--total_batch_size", 2, "--per_device_train_batch_size", 2]
    machine = ["--fp16", "false", "--dataloader_num_workers", 0]
    paths = ["--data_dir", data, "--model_name_or_path", tiny, "--output_dir", output_dir]
    assert run(RECIPES / f"{recipe}.yaml", *paths, *small, *machine) == 0
    results = read_results(output_dir)
    ranks = "ranking" in recipe or recipe in ("msvd_retrieval", "lsmdc_retrieval", "coco_karpathy", "flickr30k")
    for direction in DIRECTIONS if ranks else DIRECTIONS[:2]:
        for figure in FIGURES:
            assert f"{direction}_{figure}" in results["scores"] and f"{direction}_{figure}" in results["blank_video"]
    assert results["scores"]["text_to_video_recall_at_5"] == 1, "of two clips"
    model = AllInOneForVideoTextRetrieval.from_pretrained(output_dir)
    assert (model.scorer is not None) == ranks
    assert model.config.max_position_embeddings == (80 if recipe in ("didemo_retrieval", "lsmdc_retrieval") else 16)


def test_every_data_set_of_retrieval_has_a_recipe():
    datasets = set(list_datasets()["retrieval"]) - {"moving_shapes"}
    assert datasets <= set(DATA) and all((RECIPES / f"{recipe}.yaml").is_file() for recipe in DATA)


def test_contrast_then_ranking(on_shapes, shapes, tmp_path):
    contrast, ranking = tmp_path / "contrast", tmp_path / "ranking"
    watched = ["--eval_strategy", "steps", "--eval_steps", 1, "--logging_steps", 1]
    assert run(*on_shapes, "--output_dir", contrast, *watched) == 0
    assert not any(name.startswith("reranked") for name in read_results(contrast)["scores"])
    assert len(read_log(contrast, "eval_text_to_video_recall_at_1")) == 1

    negatives = ["--num_negatives", 2, "--num_reranked", 3]
    assert run(*on_shapes, "--model_name_or_path", contrast, "--output_dir", ranking, *negatives) == 0
    results = read_results(ranking)
    assert results["protocol"]["num_reranked"] == 3 and results["protocol"]["num_views"] == 1
    assert results["scores"]["text_to_video_num_queries"] == 5
    assert results["blank_video"]["reranked_text_to_video_recall_at_1"] == 0
    card = (ranking / "README.md").read_text()
    assert "type: reranked_text_to_video_recall_at_1" in card and "num_queries" not in card
    assert "type: feature-extraction" in card and "question" not in card

    again = tmp_path / "again"
    scoring = ["--model_name_or_path", ranking, "--output_dir", again, "--do_train", "false", "--num_reranked", 3]
    assert run(*on_shapes, *scoring) == 0
    assert read_results(again)["scores"] == results["scores"], "the scorer is that of the checkpoint"

    model, processor = (
        AllInOneForVideoTextRetrieval.from_pretrained(ranking),
        AllInOneProcessor.from_pretrained(ranking),
    )
    rows = load_moving_shapes(shapes, "test", "retrieval")
    index = VideoIndex.create(tmp_path / "index", VideoEncoder(model, processor))
    index.update(rows["video"])
    found = [index.search(caption, top_k=1, num_reranked=3)[0].path for caption in rows["caption"]]
    is_right = [video == right for video, right in zip(found, rows["video"], strict=True)]
    assert sum(is_right) / 5 == results["scores"]["reranked_text_to_video_recall_at_1"]


@pytest.mark.parametrize(
    "options",
    (
        ["--num_hard_negatives", 2],
        ["--num_views", 2, "--view_sampling", "random"],
        ["--contrast_across_processes", "false", "--dataloader_num_workers", 1],
        ["--bf16", "true", "--num_negatives", 1],
        ["--lora_rank", 2, "--num_negatives", 1],
    ),
)
def test_options(on_shapes, tmp_path, options):
    assert run(*on_shapes, *options) == 0
    results = read_results(tmp_path / "output")
    assert results["scores"]["video_to_text_num_queries"] == 5
    assert ("reranked_text_to_video_median_rank" in results["scores"]) == any(
        "negatives" in str(one) for one in options
    )
    assert results["protocol"]["num_views"] == (2 if "--num_views" in options else 1)


def test_the_best_of_validation_is_kept(on_shapes, tmp_path):
    metric = "text_to_video_recall_at_1"
    options = ["--eval_strategy", "steps", "--eval_steps", 1, "--save_strategy", "steps", "--save_steps", 1]
    options += ["--max_steps", 2, "--load_best_model_at_end", "true", "--metric_for_best_model", metric]
    assert run(*on_shapes, *options) == 0
    state = json.loads((tmp_path / "output" / "trainer_state.json").read_text())
    watched = [entry[f"eval_{metric}"] for entry in read_log(tmp_path / "output", f"eval_{metric}")]
    assert len(watched) == 2 and state["best_metric"] == max(watched)


def test_broken_clips_are_listed_and_lost(on_shapes, shapes, tmp_path, capsys):
    root = tmp_path / "shapes"
    for split in ("train", "validation", "test"):
        write_moving_shapes(root, {"train": 8, "validation": 3, "test": 5}[split], split)
    for split in ("train", "test"):
        (root / split / "videos" / "000001.mp4").write_text("no film")
    assert run(*on_shapes, "--data_dir", root, "--max_steps", 2) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1 and "000001.mp4" in error and "Traceback" not in error
    assert (
        run(*on_shapes, "--data_dir", root, "--max_steps", 2, "--on_decode_error", "skip", "--num_negatives", 1) == 0
    )
    results = read_results(tmp_path / "output")
    assert results["protocol"]["num_skipped"] == results["protocol"]["num_skipped_in_training"] == 1
    assert results["protocol"]["skipped"][0]["video"].endswith("test/videos/000001.mp4")
    for direction in ("text_to_video", "reranked_text_to_video"):
        scores = results["scores"]
        assert scores[f"{direction}_num_queries"] == 5 and scores[f"{direction}_recall_at_1"] <= 0.8
        assert scores[f"{direction}_mean_rank"] >= (1 + 1 + 1 + 1 + 5) / 5


@pytest.mark.parametrize(
    ("options", "message"),
    (
        (["--num_views", 2, "--view_sampling", "often"], "frame_sampling is 'often'; expected one of"),
        (["--num_views", 2, "--frame_cache", "frames"], "frames kept in frame_cache are one view"),
        (["--dataset_options", '{"task": "classification"}'], "has no caption|has no rows"),
        (["--config", '{"projection_dim": null}', "--num_negatives", 1], "projection_dim is None"),
        (["--do_train", "false", "--model_name_or_path", "QA"], "it lacks text_projection.bias"),
    ),
)
def test_what_goes_wrong_is_said_in_a_line(
    on_shapes, tiny, tiny_config, tmp_path, capsys, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    if "QA" in options:
        AllInOneForVideoQuestionAnswering(AllInOneForVideoTextRetrieval.from_pretrained(tiny).config).save_pretrained(
            "QA"
        )
        AllInOneProcessor.from_pretrained(tiny).save_pretrained("QA")
    assert run(*on_shapes, *options) == 2
    line = last_line(capsys)
    assert "error: " in line and any(one in line for one in message.split("|")), line
