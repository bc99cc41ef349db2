# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The script for all tasks: which recipe and which task are meant, data in every arrangement, help, what it says."""

import json
from dataclasses import fields

import pytest
import torch
import yaml
from action_files import ACTIONS, write_actions
from question_files import CHOICES, QUESTIONS
from retrieval_files import DATA, write_places
from script_runs import last_line, load_script, run_script, write_splits

from modeling_allinone import AllInOneForMaskedLM, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.datasets import load_moving_shapes, train_tokenizer
from modeling_allinone.recipes import find_recipe, list_recipes
from modeling_allinone.training.splits import load_splits
from modeling_allinone.training.tasks import TASKS, parse_task

SCRIPT = load_script("finetune")
FILES = {**QUESTIONS, **CHOICES, **DATA}
ARRANGEMENTS = [(recipe, name) for recipe, (_, files) in FILES.items() for name in files] + list(ACTIONS)
WITHOUT_VALIDATION = ("--eval_strategy", "no", "--load_best_model_at_end", "false")


@pytest.mark.parametrize(("recipe", "arrangement"), ARRANGEMENTS)
def test_data_is_read_in_every_arrangement(recipe, arrangement, media, tmp_path):
    if recipe in FILES:
        places, files = FILES[recipe]
        write_places(tmp_path, places, files[arrangement], *media)
    else:
        write_actions(tmp_path, recipe, arrangement, media[0])
    options = ["--data_dir", str(tmp_path), "--output_dir", str(tmp_path / "output"), "--fp16", "false"]
    options += WITHOUT_VALIDATION if (recipe, arrangement) == ("tgif_frameqa", "published") else []
    if recipe == "vqav2":
        options += ["--dataset_options", '{"min_occurrences": 1, "num_held_out_images": 1}']
    task, model_arguments, data_arguments, training_arguments = parse_task(None, [recipe, *options])
    splits = load_splits(
        data_arguments, training_arguments, task.label_columns, model_arguments if task.has_label_names else None
    )
    assert len(splits.train) > 0 and len(splits.test) > 0
    assert (splits.eval is None) == (training_arguments.eval_strategy == "no" or data_arguments.eval_split is None)
    assert (splits.label_names is None) != task.has_label_names


def test_every_recipe_names_its_task_and_has_no_other_options(capsys):
    for name in list_recipes():
        task = yaml.safe_load(find_recipe(name).read_text())["task"]
        if task != "pretraining" and not name.endswith("zero_shot"):
            assert parse_task(None, [name, "--data_dir", ".", "--fp16", "false"])[0].name == task
    assert not capsys.readouterr().err


def test_a_recipe_in_json(tmp_path):
    recipe = {"task": "retrieval", "dataset": "msvd_retrieval", "num_views": 3, "learning_rate": 1e-5}
    (tmp_path / "mine.json").write_text(json.dumps(recipe))
    task, _, data_arguments, training_arguments = parse_task(None, [str(tmp_path / "mine.json"), "--data_dir", "."])
    assert (task.num_views, data_arguments.dataset, training_arguments.learning_rate) == (3, "msvd_retrieval", 1e-5)


ON_SHAPES = ("--dataset", "moving_shapes", "--data_dir", ".", "--output_dir", "output")


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        (
            ["msrvt_qa", *ON_SHAPES],
            "There is no recipe msrvt_qa, neither a file nor one that comes with the p",
        ),
        (["retrieval_rankin", *ON_SHAPES], "did you mean"),
        (["gone.yaml", *ON_SHAPES], "There is no recipe gone.yaml"),
        ([*ON_SHAPES], "No task is named; give --task, or a recipe with task: one of question-answering"),
        (["--task", "cooking", *ON_SHAPES], "The task is 'cooking'; give --task"),
        (["pretrain_eight_sets", *ON_SHAPES], "The task is 'pretraining'; give --task"),
        (["tgif_action", "--task", "retrieval"], "data_dir, the folder of its annotations, is not given"),
        (["msrvtt_retrieval", "--task", "classification", *ON_SHAPES], "msrvtt_retrieval has contrast_across_proc"),
        (["--task", "retrieval", *ON_SHAPES, "--linear", "true"], "--linear"),
    ),
)
def test_what_is_not_understood_is_said_in_a_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run_script(SCRIPT, *arguments) == 2
    line = last_line(capsys)
    assert "error: " in line and message in line, line


@pytest.mark.parametrize("script", ("pretrain", "finetune_no_trainer"))
def test_other_scripts_refuse_recipes_of_other_tasks(script, capsys):
    assert run_script(load_script(script), "msrvtt_retrieval", *ON_SHAPES) == 2
    assert "The recipe msrvtt_retrieval is for another task than " in last_line(capsys)


def test_help_shows_own_options_in_groups_and_all_if_asked(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")

    def show(*arguments: str) -> str:
        assert run_script(SCRIPT, *arguments) == 0
        return capsys.readouterr().out

    shown = show("--help")
    groups = [line[:-1] for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
    own = [task.name for task in TASKS.values() if fields(task)]
    assert groups == ["options", "task", *own, "model", "data", "training"]
    assert "\n    allinone train msrvtt_qa --data_dir MSRVTT-QA" in shown, "examples keep their lines"
    for line in ("--num_options INT", "--config JSON", "--random_crop BOOL", "--data_dir TEXT"):
        assert f"  {line} " in shown
    assert "(default: 20)" in shown and "--adam_beta1" not in shown
    assert "--learning_rate" in shown and "--learning-rate" not in shown and "--no_random_crop" not in shown
    of_task = show("hmdb51_linear", "--help")
    assert "--num_options" not in of_task and "head alone. (default: True)" in of_task, "what the recipe says"
    assert "--adam_beta1" in show("hmdb51_linear", "--help-all")


def test_a_new_head_is_told_in_a_line(tmp_path, tiny_config, caplog):
    """And not in the table of transformers, which has the heads, too, that the task does not need."""
    shapes = write_splits(tmp_path / "shapes", train=2, test=1)
    tokenizer = train_tokenizer(load_moving_shapes(shapes))
    tokenizer.model_max_length = 16
    torch.manual_seed(0)
    config = tiny_config(num_hidden_layers=1, num_frames=2, vocab_size=len(tokenizer), max_position_embeddings=16)
    AllInOneForMaskedLM(config).save_pretrained(tmp_path / "tiny")
    AllInOneProcessor(AllInOneVideoProcessor(num_frames=2, size=36, crop_size=32), tokenizer).save_pretrained(
        tmp_path / "tiny"
    )
    options = ["--task", "question-answering", "--dataset", "moving_shapes", "--data_dir", shapes]
    options += ["--model_name_or_path", tmp_path / "tiny", "--output_dir", tmp_path / "output", "--do_train", "true"]
    assert run_script(SCRIPT, *options, "--max_steps", 1, "--num_test_rows", 1, "--save_strategy", "no") == 0
    said = [record.getMessage() for record in caplog.records]
    (line,) = [message for message in said if "newly initialised" in message]
    assert line.startswith(f"{tmp_path / 'tiny'} has no ") and "classifier.out_proj" in line and "\n" not in line
    assert not any("LOAD REPORT" in message for message in said)


def test_options_have_their_old_names_for_a_while(tmp_path, caplog):
    """Of a recipe and of the command line."""
    pretrain = load_script("pretrain")
    (tmp_path / "old.yaml").write_text("draws_hard_clips: true\nmasked_lm_weight: 0\nmatching_weight: 0\n")
    for arguments in ([tmp_path / "old.yaml"], ["--draws-hard-clips=true", "--masked_lm_weight", -1]):
        caplog.clear()
        assert run_script(pretrain, *arguments, *ON_SHAPES) == 2, "an error of other options"
        assert [record.getMessage() for record in caplog.records] == [
            "draws_hard_clips is called use_hard_negatives now; the old name will be taken for a while."
        ]
