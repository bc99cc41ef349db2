# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Fine-tuning for multiple choice through its script: every data set's files in miniature, and what goes wrong."""

import json

import pytest
import torch
from question_files import CHOICES
from retrieval_files import write_places
from script_runs import last_line, load_script, read_results, run_script, write_splits

from modeling_allinone import (
    AllInOneForMultipleChoice,
    AllInOneForPreTraining,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.data.collators import MultipleChoiceCollator
from modeling_allinone.datasets import list_datasets, load_moving_shapes, train_tokenizer, write_moving_shapes
from modeling_allinone.recipes import RECIPES

SCRIPT = load_script("finetune")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_config, shapes):
    """A pre-training checkpoint, whose matching head the scorer of captions starts from."""
    folder = tmp_path_factory.mktemp("tiny")
    words = ["what is it? a dog and a cat and a car and two men, it runs"]
    tokenizer = train_tokenizer([*words, *load_moving_shapes(shapes)["caption"]])
    tokenizer.model_max_length = 16
    fields = {"num_hidden_layers": 1, "num_frames": 3, "vocab_size": len(tokenizer), "projection_dim": 8}
    config = tiny_config(**fields, pretraining_objectives=["matching"])
    AllInOneForPreTraining(config).save_pretrained(folder)
    AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_splits(tmp_path_factory.mktemp("shapes"), train=6, validation=3, test=5)


@pytest.fixture
def on_shapes(shapes, tiny, tmp_path):
    """Arguments of a short run on moving shapes."""
    return [
        *("--task", "multiple-choice", "--dataset", "moving_shapes"),
        *("--data_dir", shapes, "--dataset_options", '{"task": "multiple-choice"}'),
        *("--model_name_or_path", tiny, "--output_dir", tmp_path / "output", "--do_train", "true"),
        *("--max_steps", 1, "--per_device_train_batch_size", 4, "--save_strategy", "no"),
    ]


@pytest.mark.parametrize(
    ("recipe", "arrangement"), [(recipe, next(iter(files))) for recipe, (_, files) in CHOICES.items()]
)
def test_every_data_set_trains_and_is_scored_by_its_recipe(recipe, arrangement, tiny, media, tmp_path):
    places, files = CHOICES[recipe]
    data = write_places(tmp_path / "data", places, files[arrangement], *media)
    output_dir = tmp_path / "output"
    small = ["--max_steps", 1, "--total_batch_size", 2, "--per_device_train_batch_size", 2, "--fp16", "false"]
    paths = ["--data_dir", data, "--model_name_or_path", tiny, "--output_dir", output_dir]
    assert run_script(SCRIPT, RECIPES / f"{recipe}.yaml", *paths, *small, "--dataloader_num_workers", 0) == 0
    results = read_results(output_dir)
    num_rows = 1 if recipe == "tvqa" else 2
    for name in ("scores", "blank_video"):
        assert results[name]["num_rows"] == num_rows and 0 <= results[name]["accuracy"] <= 1
        assert set(results[name]) == {"accuracy", "num_rows", "num_ties", "num_without_label"}
    model = AllInOneForMultipleChoice.from_pretrained(output_dir)
    processor = AllInOneProcessor.from_pretrained(output_dir)
    is_caption = recipe in ("msrvtt_mc", "lsmdc_mc")
    assert model.config.choice_hidden_size == (None if is_caption else 256)
    length = 100 if recipe == "tvqa" else 16
    assert model.config.max_position_embeddings == processor.tokenizer.model_max_length == length
    texts = processor(text=[["what " * 200]])["input_ids"]
    assert texts.shape[-1] == length
    model(input_ids=texts, pixel_values=torch.zeros(1, 3, 3, 32, 32))


def test_captions_of_another_data_set_are_told_to_be_of_clips_that_are_asked_about(tiny, media, tmp_path, caplog):
    places, files = CHOICES["msrvtt_mc"]
    lists = {"MSRVTT_train.9k.csv": "video_id\nvideo1\nvideo3\nvideo4\nvideo5\n"}
    data = write_places(tmp_path / "data", places, files["published"] | lists, *media)
    captions = [{"video_id": f"video{number}", "caption": f"a dog {number}"} for number in (1, 3, 4, 5)]
    (data / "MSRVTT_data.json").write_text(json.dumps({"sentences": captions}))
    paths = ["--data_dir", data, "--model_name_or_path", tiny, "--output_dir", tmp_path / "output"]
    small = ["--max_steps", 1, "--total_batch_size", 2, "--per_device_train_batch_size", 2, "--fp16", "false"]
    options = [*paths, *small, "--dataloader_num_workers", 0, "--caption_dataset", "msrvtt_retrieval"]
    assert run_script(SCRIPT, RECIPES / "msrvtt_mc.yaml", *options) == 0
    (message,) = [record.getMessage() for record in caplog.records if record.name.endswith("shared_media")]
    assert "The train split of msrvtt_retrieval and the test split of msrvtt_mc share 1 videos or images" in message
    assert f"{data}/videos/all/video1.mp4" in message


def test_every_data_set_of_choices_has_a_recipe():
    datasets = list_datasets()
    named = {*datasets["multiple-choice"], *datasets["multiple-choice-question-answering"]}
    without_training = {"moving_shapes", "ego4d_mc"}
    assert named - without_training == set(CHOICES)


def test_captions_are_chosen_by_the_matching_head_before_any_training(on_shapes, tiny, tmp_path):
    assert run_script(SCRIPT, *on_shapes, "--learning_rate", 0) == 0
    head = AllInOneForPreTraining.from_pretrained(tiny).matching_head
    scorer = AllInOneForMultipleChoice.from_pretrained(tmp_path / "output").scorer.out_proj
    assert torch.equal(scorer.weight, head.weight[1:2])


def test_questions_with_options_by_kind(on_shapes, tmp_path):
    options = {"task": "multiple-choice-question-answering", "kinds": ["colour", "shape"]}
    longer = ["--config", '{"max_position_embeddings": 60, "choice_hidden_size": 8}', "--group_by", "kind"]
    assert run_script(SCRIPT, *on_shapes, "--dataset_options", json.dumps(options), *longer) == 0
    assert {"accuracy[colour]", "accuracy[shape]"} <= set(read_results(tmp_path / "output")["scores"])


def test_broken_clips_count_as_wrong(on_shapes, tmp_path):
    root = tmp_path / "shapes"
    for split, num_clips in {"train": 6, "test": 5}.items():
        write_moving_shapes(root, num_clips, split)
        (root / split / "videos" / "000001.mp4").write_text("no film")
    assert run_script(SCRIPT, *on_shapes, "--data_dir", root, "--max_steps", 2, "--on_decode_error", "skip") == 0
    results = read_results(tmp_path / "output")
    assert results["scores"]["num_rows"] == 5 and results["scores"]["num_without_label"] == 1
    assert [clip["sample_id"] for clip in results["protocol"]["skipped"]] == ["test000001-0"]
    assert results["protocol"]["num_skipped_in_training"] == 1


def test_wrong_captions_are_drawn_from_others(tiny):
    captions = [f"a dog {number}" for number in range(9)]
    collate = MultipleChoiceCollator(
        AllInOneProcessor.from_pretrained(tiny), negatives=captions, on_decode_error="skip"
    )
    places = set()
    for draw in range(60):
        row = {"captions": captions[:3], "draw": draw, "sample_id": "a"}
        with_options = collate._with_options(row, captions)
        assert with_options == collate._with_options(row, captions), "the draw decides all"
        options, label = with_options["options"], with_options["label"]
        assert [option in captions[:3] for option in options] == [place == label for place in range(5)]
        places.add(label)
    assert places == set(range(5))
    with pytest.raises(ValueError, match="Of 9 captions, hardly any is wrong for the clip of 'b'"):
        collate._with_options({"captions": captions, "sample_id": "b"}, captions)
    with pytest.raises(ValueError, match="negatives has no two different captions"):
        MultipleChoiceCollator(AllInOneProcessor.from_pretrained(tiny), negatives=["a", "a"])


@pytest.mark.parametrize(
    ("options", "message"),
    (
        (["--dataset_options", '{"task": "retrieval"}'], "without label"),
        (["--do_train", "false", "--config", '{"choice_hidden_size": 8}'], "was not trained for this"),
        (["--caption_dataset", "nothing"], "There is no data set 'nothing'"),
        (["--config", '{"hidden_size": 64}'], "does not fit the configuration"),
        (["--config", '{"max_position_embeddings": 0}'], "position_embeddings is 0, but must be at least 1"),
    ),
)
def test_what_goes_wrong_is_said_in_a_line(on_shapes, capsys, options, message):
    assert run_script(SCRIPT, *on_shapes, *options) == 2
    line = last_line(capsys)
    assert "error: " in line and message in line
