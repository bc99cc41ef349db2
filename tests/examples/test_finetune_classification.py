# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Fine-tuning for classification through its script: data sets in miniature, linear evaluation, views, bad input."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from action_files import ACTIONS, write_actions
from huggingface_hub import ModelCard
from script_runs import QUIET, last_line, load_script, read_results, run_script, write_splits
from transformers import AutoModelForVideoClassification, AutoProcessor, pipeline
from transformers.models.auto.video_processing_auto import AutoVideoProcessor
from video_fixtures import encode_video

from modeling_allinone import AllInOneForVideoClassification, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.collators import VideoClassificationCollator
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.datasets import load_moving_shapes, train_tokenizer, write_moving_shapes
from modeling_allinone.datasets.moving_shapes_texts import MOTION_CLASSES
from modeling_allinone.recipes import RECIPES
from modeling_allinone.training.trainer import AllInOneTrainingArguments, VideoClassificationTrainer

SCRIPT = load_script("finetune")


def run(*arguments) -> int:
    return run_script(SCRIPT, *arguments)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return encode_video(tmp_path_factory.mktemp("film") / "film.avi", codec="mpeg4")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_config):
    """A checkpoint that tells other classes apart."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = train_tokenizer(["a person is doing", "which way did it move?"])
    tokenizer.model_max_length = 16
    fields = {"num_hidden_layers": 1, "num_frames": 3, "vocab_size": len(tokenizer), "id2label": {0: "on", 1: "off"}}
    AllInOneForVideoClassification(tiny_config(**fields)).save_pretrained(folder)
    AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_splits(tmp_path_factory.mktemp("shapes"), train=24, validation=8, test=30)


@pytest.fixture
def on_shapes(shapes, tiny, tmp_path):
    """Arguments of a short run on moving shapes."""
    return [
        *("--task", "classification", "--dataset", "moving_shapes"),
        *("--data_dir", shapes, "--dataset_options", '{"task": "classification"}'),
        *("--model_name_or_path", tiny, "--output_dir", tmp_path / "output", "--do_train", "true"),
        *("--max_steps", 2, "--warmup_steps", 0, "--per_device_train_batch_size", 4, "--save_strategy", "no"),
        *("--per_device_eval_batch_size", 3),
    ]


@pytest.mark.parametrize(("recipe", "arrangement"), dict(list(ACTIONS)).items())
def test_every_data_set_trains_and_is_scored_by_its_recipe(recipe, arrangement, tiny, film, tmp_path):
    write_actions(tmp_path, recipe, arrangement, film)
    output_dir = tmp_path / "output"
    assert (
        run(
            RECIPES / f"{recipe}.yaml",
            *("--data_dir", tmp_path, "--on_missing_video", "raise", "--output_dir", output_dir),
            *("--model_name_or_path", tiny, "--num_frames", 4),
            *("--max_steps", 1, "--total_batch_size", 2, "--per_device_train_batch_size", 2),
            *("--fp16", "false", "--dataloader_num_workers", 0, "--save_strategy", "no"),
        )
        == 0
    )
    results = read_results(output_dir)
    assert results["scores"]["num_rows"] == results["blank_video"]["num_rows"] == 1
    assert results["protocol"]["linear"] == ("linear" in recipe) and results["protocol"]["num_frames"] == 4
    # The films are no films of the public set.
    named = {entry.dataset_name for entry in ModelCard.load(output_dir / "README.md").data.eval_results}
    assert named == {f"files in the form of {results['protocol']['dataset']}"}
    classes = AutoModelForVideoClassification.from_pretrained(output_dir).config.id2label
    assert list(classes) == [0, 1, 2] and sorted(classes.values()) == list(classes.values())


def test_training_is_watched_scored_and_saved(on_shapes, shapes, tmp_path):
    watched = ["--eval_strategy", "steps", "--eval_steps", 1, "--logging_steps", 1, "--prompt", "it is doing [MASK]"]
    assert run(*on_shapes, *watched, "--data_name", "Our shapes") == 0
    output_dir = tmp_path / "output"
    results = read_results(output_dir)
    num_rows = len(load_moving_shapes(shapes, "test", "classification"))
    assert results["scores"]["num_rows"] == num_rows and results["scores"]["num_without_label"] == 0
    assert set(results["scores"]) == set(results["blank_video"])
    assert results["protocol"]["prompt"] == "it is doing [MASK]" and results["protocol"]["split"] == "test"
    log = json.loads((output_dir / "trainer_state.json").read_text())["log_history"]
    assert sum("eval_top_1_accuracy" in entry for entry in log) == 2
    card = (output_dir / "README.md").read_text()
    assert (
        "on the train split of Our shapes, from" in card and "| Our shapes | test |" in card and "moving" not in card
    )
    assert "top_5_accuracy" in card
    model = AutoModelForVideoClassification.from_pretrained(output_dir)
    assert tuple(model.config.id2label.values()) == MOTION_CLASSES

    again = tmp_path / "again"
    scoring = ["--model_name_or_path", output_dir, "--output_dir", again, "--do_train", "false"]
    assert run(*on_shapes, *scoring) == 0, "with the prompt that it was trained with"
    assert not (again / "README.md").exists(), "there is no model in the folder"
    card = (output_dir / "README.md").read_bytes()
    assert run(*on_shapes, *scoring, "--output_dir", output_dir) == 0
    assert (output_dir / "README.md").read_bytes() == card, "and it says what it was trained on, here"
    again = read_results(again)
    assert again["training"] is None and again["base_model"]["name"] == str(output_dir)
    assert again["scores"] == results["scores"] and again["protocol"]["prompt"] == "it is doing [MASK]"


def test_card_and_results_say_how_the_model_came_about(on_shapes, tiny, shapes, tmp_path):
    assert run(*on_shapes, "--learning_rate", 3e-4, "--seed", 7, "--num_test_rows", 3, "--prompt", "a [MASK]") == 0
    results = read_results(tmp_path / "output")
    digest = hashlib.sha256((tiny / "model.safetensors").read_bytes()).hexdigest()
    assert results["base_model"] == {"name": str(tiny), "revision": None, "sha256": digest}
    num_rows = len(load_moving_shapes(shapes, "train", "classification"))
    training = {"num_rows": num_rows, "num_steps": 2, "learning_rate": 3e-4, "seed": 7, "batch_size": 4}
    training["num_epochs"] = pytest.approx(2 / -(-num_rows // 4), abs=1e-4)
    assert {name: results["training"][name] for name in training} == training

    card = ModelCard.load(tmp_path / "output" / "README.md")
    assert "Fine-tuned on the train split of moving_shapes (generated clips), from the model in a local" in card.text
    assert digest in card.text and str(tiny) not in card.text and card.data.base_model is None
    for line in (f"| num rows | {num_rows} |", "| learning rate | 0.0003 |", "| seed | 7 |"):
        assert line in card.text
    assert card.data.pipeline_tag == "video-classification" and "| `a [MASK]` |" in card.text
    row = re.search(
        r"\| moving_shapes \(generated clips\) \| test \| 3 \| top_1_accuracy \| (\S+) \| (\S+) \|", card.text
    )
    measured = (results[name]["top_1_accuracy"] for name in ("scores", "blank_video"))
    assert [float(value) for value in row.groups()] == pytest.approx(list(measured), abs=1e-4)


def test_a_model_that_was_not_scored_has_a_card_that_says_so(on_shapes, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("test_split: null\n")
    assert run(recipe, *on_shapes) == 0
    results = read_results(tmp_path / "output")
    assert results["scores"] == {} and results["protocol"] is None and results["training"]["num_steps"] == 2
    card = ModelCard.load(tmp_path / "output" / "README.md")
    assert "Nothing was scored." in card.text and "## Scores" not in card.text and not card.data.eval_results
    assert run(recipe, *on_shapes, "--do_train", "false", "--output_dir", tmp_path / "other") == 2
    assert "test_split to score" in last_line(capsys)


def test_pipelines_show_as_many_frames_as_were_learned_from(on_shapes, shapes, tmp_path):
    assert run(*on_shapes, "--num_frames", 2, "--num_test_rows", 2) == 0
    output_dir = str(tmp_path / "output")
    video = load_moving_shapes(shapes, "test", "classification")[0]["video"]
    model = AutoModelForVideoClassification.from_pretrained(output_dir)
    inputs = AutoVideoProcessor.from_pretrained(output_dir)(video)
    assert model.config.num_frames == inputs["pixel_values"].shape[1] == 2
    with torch.no_grad():
        expected = model(**inputs).logits.softmax(dim=-1).max().item()
    assert pipeline("video-classification", output_dir)(video)[0]["score"] == pytest.approx(expected)


@pytest.mark.parametrize("given", [None, "it is doing [MASK]"])
def test_prompt_is_remembered(on_shapes, shapes, tmp_path, given):
    assert run(*on_shapes, *([] if given is None else ["--prompt", given]), "--num_test_rows", 2) == 0
    output_dir = str(tmp_path / "output")
    film = load_moving_shapes(shapes, "test", "classification")[0]
    model, processor = (
        AutoModelForVideoClassification.from_pretrained(output_dir),
        AutoProcessor.from_pretrained(output_dir),
    )
    assert model.config.prompt == (given or film["question"])
    prompted = processor(text=given or film["question"], videos=film["video"])
    with torch.no_grad():
        expected = model(**prompted).logits.softmax(dim=-1)[0]
        alone = AutoVideoProcessor.from_pretrained(output_dir)(film["video"])
        for inputs in (processor(videos=film["video"]), alone):
            torch.testing.assert_close(model(**inputs).logits.softmax(dim=-1)[0], expected, rtol=0, atol=0)
        unprompted = model(**alone, **processor(text="a")).logits.softmax(dim=-1)[0]
    assert not torch.allclose(unprompted, expected)
    found = {entry["label"]: entry["score"] for entry in pipeline("video-classification", output_dir)(film["video"])}
    best = {model.config.id2label[place.item()]: expected[place].item() for place in expected.topk(5).indices}
    assert found == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("linear", [True, False])
def test_linear_evaluation_trains_pooler_and_head_alone(on_shapes, tiny, tmp_path, linear):
    assert run(*on_shapes, "--linear", linear, "--learning_rate", 0.01, "--weight_decay", 0.1) == 0
    before = AllInOneForVideoClassification.from_pretrained(tiny, ignore_mismatched_sizes=True, num_labels=6)
    trained = AllInOneForVideoClassification.from_pretrained(tmp_path / "output").state_dict()
    changed = {name for name, tensor in before.state_dict().items() if not torch.equal(tensor, trained[name])}
    heads = {name for name in trained if name.startswith(("classifier.", "allinone.pooler."))}
    assert heads - {"classifier.out_proj.bias"} <= changed
    assert (changed <= heads) == linear


def test_logits_of_views_are_averaged(shapes, tiny, tmp_path):
    rows = load_moving_shapes(shapes, "test", "classification").select(range(5))
    model = AllInOneForVideoClassification.from_pretrained(tiny, num_labels=6, ignore_mismatched_sizes=True).eval()
    processor = AllInOneProcessor.from_pretrained(tiny)
    expected, losses = [], []
    for row in rows:
        views = [processor(videos=row["video"], num_views=3)["pixel_values"][view : view + 1] for view in range(3)]
        with torch.no_grad():
            outputs = [
                model(view, **processor(text="a [MASK]"), labels=torch.tensor([row["label"]])) for view in views
            ]
        expected.append(sum(output.logits[0] for output in outputs) / 3)
        losses += [output.loss.item() for output in outputs]
    assert (expected[0] - outputs[0].logits).abs().max() > 1e-4, "views differ"

    collator = VideoClassificationCollator(processor, 6, prompt="a [MASK]", video_options={"num_views": 3})
    arguments = AllInOneTrainingArguments(
        tmp_path, per_device_eval_batch_size=5, use_cpu=True, disable_tqdm=True, report_to="none"
    )
    trainer = VideoClassificationTrainer(model, arguments, data_collator=collator)
    output = trainer.predict(VideoDataset(rows))
    torch.testing.assert_close(torch.tensor(output.predictions), torch.stack(expected), atol=1e-5, rtol=0)
    assert output.label_ids.tolist() == rows["label"][:]
    assert output.metrics["test_loss"] == pytest.approx(sum(losses) / 15, rel=1e-5)


@pytest.mark.slow
def test_two_processes_score_as_one(on_shapes, tiny, shapes, tmp_path):
    num_rows = len(load_moving_shapes(shapes, "test", "classification"))
    assert num_rows % 6 not in (0, 3), "with three rows for a process at a time, the last batches are not full"
    trained = tmp_path / "trained"
    assert run(*on_shapes, "--output_dir", trained) == 0
    arguments = [*on_shapes, "--model_name_or_path", trained, "--do_train", "false"]
    arguments += ["--video_processor", '{"num_views": 2}']
    assert run(*arguments, "--output_dir", tmp_path / "one") == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [
        RECIPES.parents[1] / "examples" / "finetune.py",
        *arguments,
        "--output_dir",
        tmp_path / "two",
        *QUIET,
    ]
    subprocess.run([*map(str, command), "--ddp_backend", "gloo"], check=True, timeout=200, capture_output=True)
    one, two = read_results(tmp_path / "one"), read_results(tmp_path / "two")
    assert one["scores"]["num_rows"] == num_rows and one["protocol"]["num_views"] == 2
    assert two["scores"] == one["scores"] and two["blank_video"] == one["blank_video"]


def test_broken_clips_are_named_or_counted_as_wrong(on_shapes, tmp_path, capsys):
    root = tmp_path / "shapes"
    for split, num_clips in {"train": 24, "validation": 8, "test": 16}.items():
        write_moving_shapes(root, num_clips, split)
        for row in list(load_moving_shapes(root, split, "classification"))[1:]:
            Path(row["video"]).write_text("no film")
    assert run(*on_shapes, "--data_dir", root) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1 and ".mp4" in error and "Traceback" not in error
    assert run(*on_shapes, "--data_dir", root, "--on_decode_error", "skip") == 0
    results = read_results(tmp_path / "output")
    scores, num_rows = results["scores"], results["protocol"]["num_rows"]
    assert results["protocol"]["num_skipped"] == scores["num_without_label"] == num_rows - 1
    assert scores["top_1_accuracy"] <= scores["top_5_accuracy"] <= 1 / num_rows
    assert results["blank_video"]["num_without_label"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--linear", "true", "--lora_rank", 2], "linear trains no layer, and lora_rank asks for adapters"),
        (["--do_train", "false"], "answers with 2 answers ('on', 'off'), but the rows of moving_shapes are labelled"),
        (["--dataset_options", '{"task": "retrieval"}'], "have no set of answers"),
        (["--frame_cache", "frames", "--video_processor", '{"num_views": 2}'], "frame_cache keeps the frames of one"),
        (["--video_processor", '{"num_views": 0}'], "num_views is 0; expected at least 1"),
        (["--video_processor", '{"device": "gpu"}'], "video_processor is {'device': 'gpu'}, which it cannot be: Exp"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(on_shapes, tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    assert run(*on_shapes, *options) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "error: " in last and message in last


def test_a_split_without_labels_is_not_scored(tiny, film, tmp_path, capsys):
    (tmp_path / "kinetics_label_map.txt").write_text("abseiling\n")
    for split in ("train", "test"):
        label = "abseiling" if split == "train" else ""
        (tmp_path / f"{split}.csv").write_text(f"label,youtube_id,time_start,time_end,split\n{label},a,0,10,{split}\n")
    options = ["--task", "classification", "--dataset", "kinetics400", "--data_dir", tmp_path]
    options += ["--on_missing_video", "ignore"]
    assert run(*options, "--model_name_or_path", tiny, "--output_dir", tmp_path / "output", "--do_train", "true") == 2
    assert "The test split of kinetics400 has rows without label" in capsys.readouterr().err.splitlines()[-1]
