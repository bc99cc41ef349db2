# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Scores without training: against plain loops, from every checkpoint with the heads, on each data set of choices."""

import json
import shutil
from functools import partial

import pytest
import torch
from question_files import CAPTION_CHOICES, CAPTIONS
from script_runs import last_line, load_script, read_results, run_script
from video_fixtures import encode_video

from modeling_allinone import (
    AllInOneForMultipleChoice,
    AllInOneForPreTraining,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.datasets import load_moving_shapes, train_tokenizer, write_moving_shapes
from modeling_allinone.recipes import RECIPES
from modeling_allinone.training.scripts.zero_shot import ZeroShotArguments, list_candidates

NUM_CLIPS = 24

SCRIPT = load_script("zero_shot")
run = partial(run_script, SCRIPT)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_moving_shapes(tmp_path_factory.mktemp("shapes"), NUM_CLIPS, "test").parent


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory, tiny_config, shapes):
    """A folder with checkpoints of several heads, and their processor."""
    folder = tmp_path_factory.mktemp("checkpoints")
    tokenizer = train_tokenizer(load_moving_shapes(shapes, "test"))
    tokenizer.model_max_length = 32
    processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer)
    fields = {"num_hidden_layers": 1, "num_frames": 3, "max_position_embeddings": 32, "projection_dim": 8}
    config = tiny_config(**fields, vocab_size=len(tokenizer))
    for name, cls in {
        "pretraining": AllInOneForPreTraining,
        "choice": AllInOneForMultipleChoice,
        "questions": AllInOneForVideoQuestionAnswering,
    }.items():
        cls(config).save_pretrained(folder / name)
        processor.save_pretrained(folder / name)
    return folder


@pytest.fixture
def on_shapes(shapes, checkpoints, tmp_path):
    """Arguments for a task of moving shapes."""

    def make(task: str, checkpoint: str = "pretraining") -> list:
        return [
            *("--dataset", "moving_shapes", "--data_dir", shapes, "--dataset_options", json.dumps({"task": task})),
            *("--task", task, "--model_name_or_path", checkpoints / checkpoint, "--output_dir", tmp_path / "output"),
        ]

    return make


def read_each(model, processor, rows, texts_of) -> list[int]:
    """Which of its texts is the best for each clip, by features where the model has no scorer."""
    best = []
    with torch.no_grad():
        for row in rows:
            inputs = processor(text=[texts_of(row)], videos=row["video"])
            if isinstance(model, AllInOneForMultipleChoice):
                scores = model(**inputs).logits[0]
            else:
                texts = model.get_text_features(inputs["input_ids"][0], inputs["attention_mask"][0]).pooler_output
                clip = model.get_video_features(inputs["pixel_values"]).pooler_output
                scores = torch.nn.functional.cosine_similarity(texts, clip)
            best.append(int(scores.argmax()))
    return best


@pytest.mark.parametrize("checkpoint", ("pretraining", "choice"))
def test_choice_by_pairs_is_that_of_the_matching_head(on_shapes, shapes, checkpoints, tmp_path, checkpoint):
    assert run(*on_shapes("multiple-choice", checkpoint)) == 0
    model = AllInOneForMultipleChoice.from_pretrained(checkpoints / checkpoint).eval()
    processor = AllInOneProcessor.from_pretrained(checkpoints / checkpoint)
    rows = load_moving_shapes(shapes, "test", "multiple-choice")
    best = read_each(model, processor, rows, lambda row: row["options"])
    is_right = [place == row["label"] for place, row in zip(best, rows, strict=True)]
    results = read_results(tmp_path / "output")
    assert results["scores"]["accuracy"] == sum(is_right) / NUM_CLIPS and results["scores"]["num_rows"] == NUM_CLIPS
    assert 0 <= results["blank_video"]["accuracy"] < 1
    assert results["protocol"]["score_by"] == "pairs" and results["protocol"]["num_skipped"] == 0


@pytest.mark.parametrize(("task", "prompt"), (("multiple-choice", None), ("classification", "a shape {} somewhere")))
def test_choice_by_features(on_shapes, shapes, checkpoints, tmp_path, task, prompt):
    options = [] if prompt is None else ["--prompt", prompt]
    assert run(*on_shapes(task), "--score_by", "features", *options) == 0
    model = AllInOneForVideoTextRetrieval.from_pretrained(checkpoints / "pretraining").eval()
    processor = AllInOneProcessor.from_pretrained(checkpoints / "pretraining")
    rows = load_moving_shapes(shapes, "test", task)
    classes = ("growing", "moving down", "moving left", "moving right", "moving up", "shrinking")
    prompts = [f"a shape {name} somewhere" for name in classes]
    best = read_each(model, processor, rows, lambda row: row["options"] or prompts)
    accuracy = sum(place == row["label"] for place, row in zip(best, rows, strict=True)) / len(rows)
    assert read_results(tmp_path / "output")["scores"]["accuracy" if prompt is None else "top_1_accuracy"] == accuracy


def test_retrieval_from_a_pre_training_checkpoint(on_shapes, tmp_path):
    assert run(*on_shapes("retrieval"), "--num_reranked", 5, "--video_processor", '{"num_views": 2}') == 0
    results = read_results(tmp_path / "output")
    assert (
        results["scores"]["reranked_text_to_video_num_queries"] == results["scores"]["text_to_video_num_queries"] > 20
    )
    assert results["blank_video"]["text_to_video_recall_at_1"] == 0 and results["protocol"]["num_views"] == 2


@pytest.mark.parametrize("score_by", ("pairs", "features"))
def test_broken_clips_are_wrong(on_shapes, shapes, tmp_path, score_by):
    copy = shutil.copytree(shapes, tmp_path / "copy")
    for film in (copy / "test" / "videos").iterdir():
        film.write_text("no film")
    arguments = [*on_shapes("multiple-choice"), "--data_dir", copy, "--score_by", score_by, "--num_test_rows", 3]
    assert run(*arguments, "--on_decode_error", "skip") == 0
    results = read_results(tmp_path / "output")
    assert results["scores"] == {"accuracy": 0, "num_rows": 3, "num_ties": 0, "num_without_label": 3}
    assert results["blank_video"]["num_without_label"] == 0 and results["protocol"]["num_skipped"] == 3


@pytest.mark.parametrize("name", CAPTION_CHOICES)
def test_every_data_set_of_caption_choice_has_a_recipe(name, checkpoints, tmp_path):
    annotations, content, film = CAPTION_CHOICES[name]
    (tmp_path / annotations).write_text(content)
    (tmp_path / film).parent.mkdir(parents=True)
    encode_video(tmp_path / film, codec="mpeg4", num_frames=6)
    recipe = RECIPES / f"{name}_zero_shot.yaml"
    paths = ["--data_dir", tmp_path, "--model_name_or_path", checkpoints / "pretraining", "--output_dir", tmp_path]
    assert run(recipe, *paths, "--dataloader_num_workers", 0) == 0
    model = AllInOneForMultipleChoice.from_pretrained(checkpoints / "pretraining").eval()
    processor = AllInOneProcessor.from_pretrained(checkpoints / "pretraining")
    (best,) = read_each(model, processor, [{"video": str(tmp_path / film)}], lambda row: CAPTIONS)
    assert read_results(tmp_path)["scores"]["accuracy"] == float(best == 3)


@pytest.mark.parametrize(
    ("task", "checkpoint", "options", "message"),
    (
        ("multiple-choice", "questions", [], "was not trained for this: it lacks scorer.out_proj.bias"),
        ("multiple-choice", "choice", ["--score_by", "features"], "it lacks text_projection.bias"),
        ("retrieval", "choice", [], "it lacks text_projection.bias"),
        (
            "multiple-choice",
            "pretraining",
            ["--score_by", "taste"],
            "score_by is 'taste'; expected one of pairs, feat",
        ),
        (
            "multiple-choice",
            "pretraining",
            ["--task", "cooking"],
            "task is 'cooking'; expected one of multiple-choice",
        ),
        ("multiple-choice", "pretraining", ["--task", "classification"], "The rows have no set of classes"),
        ("classification", "pretraining", ["--task", "multiple-choice"], "The rows have no options to choose from"),
        ("classification", "pretraining", ["--prompt", "a shape"], "expected a text with {}"),
        ("retrieval", "pretraining", ["--num_reranked", "-1"], "num_reranked is -1; expected 0 or more"),
        ("retrieval", "pretraining", ["--test_split", "train"], "train has no spec.json"),
        ("retrieval", "nowhere", [], "nowhere"),
    ),
)
def test_what_goes_wrong_is_said_in_a_line(on_shapes, capsys, task, checkpoint, options, message):
    assert run(*on_shapes(task, checkpoint), *options) == 2
    line = last_line(capsys)
    assert "error: " in line and message in line, line


def test_rows_without_labels_are_refused(shapes):
    rows = load_moving_shapes(shapes, "test", "retrieval")
    with pytest.raises(ValueError, match="Some rows have no label, so they cannot be scored"):
        list_candidates(rows, ZeroShotArguments("multiple-choice"))
