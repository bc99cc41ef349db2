# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone check`, `train`, `evaluate`, `convert` and `export` do what the functions behind them do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from image_backbones import make_vit, to_timm
from original_checkpoints import CASES
from safetensors.torch import load_file

from modeling_allinone import check_examples, load_tables
from modeling_allinone.cli.convert import find_checkpoint
from modeling_allinone.conversion.fingerprint import digest_weights
from modeling_allinone.training.arguments import find_option

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")

ANSWERS = ("der Hund", "die Katze")
QUIET = ("--disable_tqdm", "true", "--report_to", "none", "--device", "cpu")
SHORT = (*QUIET, "--max_steps", 1, "--save_strategy", "no")


@pytest.fixture(autouse=True)
def _own_arguments(monkeypatch, tmp_path):
    """Of the process, whose name commands change; and a folder to work in."""
    monkeypatch.setattr(sys, "argv", ["allinone"])
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def table(rows, tmp_path_factory) -> Path:
    """Questions about seven clips."""
    folder = tmp_path_factory.mktemp("meine Clips ä")
    lines = ["video,question,answer,caption"]
    for number, row in enumerate(rows):
        shutil.copy(row["video"], folder / f"Übung {number}.mp4")
        lines.append(f"Übung {number}.mp4,Wer bellt?,{ANSWERS[number % 2]},ein Tier {number}")
    (folder / "my.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "my.csv"


def test_check_shows_the_report_alone(allinone, table):
    report = check_examples(load_tables(table, task="question-answering", splits=["train", "test"]))
    status, output, _ = allinone("check", table, "--task", "question-answering")
    assert (status, output) == (0, f"{report}\n")
    status, found, _ = allinone("check", table, "--task", "question-answering", is_json=True)
    assert status == 0 and found == json.loads(json.dumps(report.to_dict()))
    columns = ["--video-column", "video", "--answer_column", "caption", "--test_file", table]
    found = allinone("check", table, *columns, is_json=True)[1]
    assert found["num_rows"] == {"train": 7, "test": 7} and found["num_answers"] == 7


def test_check_says_by_its_status_whether_training_goes_through(allinone, table, tmp_path):
    lacking = table.with_name("lacking.csv")
    lacking.write_text(table.read_text(encoding="utf-8") + "\nfehlt.mp4,Wer?,der Hund,x\n", encoding="utf-8")
    status, output, _ = allinone("check", lacking)
    assert status == 1 and "video missing (1): lacking.csv, line 9" in output
    (tmp_path / "classes" / "a").mkdir(parents=True)
    assert allinone("check", tmp_path / "classes")[0] == 2
    status, output, errors = allinone("check", "nowhere.csv")
    assert (status, output, errors) == (2, "", "error: There is no file nowhere.csv.\n")
    for words, message in {
        ("--task", "retrieval"): "There is no data: give a file or folder",
        ("--test_file", table): "There is no data: give a file or folder",
        (tmp_path / "classes", "--test_file", table): f"--test_file is {table}, but {tmp_path / 'classes'} is no file",
        (table, "--dataset_name", "x"): f"{table} and --dataset_name x are given; expected one",
    }.items():
        status, _, errors = allinone("check", *words)
        assert status == 2 and errors.startswith(f"error: {message}")


def test_own_videos_are_trained_and_scored_by_the_same_words(allinone, shipped, table):
    words = ["--task", "question-answering", "--train_file", table, *QUIET]
    status, results, errors = allinone(
        "train", *words, *shipped, "--max_steps", 1, "--output_dir", "out put", is_json=True
    )
    assert status == 0 and results == json.loads(Path("out put/results.json").read_text())
    assert (
        results["training"]["learning_rate"] == 0.0012 and "learning_rate is 0.0012, 0.0001 times 768 / 64" in errors
    )
    said = "out put holds the model, and README.md, results.json, predictions.jsonl. Next:\n  allinone ask clip.mp4"
    assert said in errors and "allinone predict new.csv --model 'out put' --output answers.jsonl" in errors

    status, output, errors = allinone("train", *words, *shipped, "--output_dir", "out put")
    assert (status, output) == (2, "") and "checkpoints of an earlier run" in errors

    # The head says the task; nothing is trained though the recipe would.
    Path("mine.yaml").write_text(f"do_train: true\ntrain_file: {table}\noutput_dir: scored\n")
    assert allinone("evaluate", "mine.yaml", "--model=out put", *QUIET)[:2] == (0, "")
    scored = json.loads(Path("scored/results.json").read_text())
    assert scored["scores"] == results["scores"] and scored["training"] is None


def test_a_recipe_trains_unless_it_says_otherwise(allinone, shipped, table):
    Path("mine.yaml").write_text(f"task: question-answering\ntrain_file: {table}\noutput_dir: mine\n")
    status, _, errors = allinone("train", "mine.yaml", *shipped, *SHORT, "--dtype", "bfloat16")
    assert status == 0 and "learning_rate is" not in errors
    results = json.loads(Path("mine/results.json").read_text())
    assert results["training"]["learning_rate"] == 5e-5 and results["protocol"]["dtype"] == "bfloat16"


def test_captions_pretrain(allinone, shipped, table):
    words = ["--task", "pretraining", "--train_file", table, *shipped, *SHORT, "--output_dir", "pretrained"]
    status, _, errors = allinone("train", *words)
    assert status == 0 and "allinone evaluate --model pretrained" in errors


@pytest.mark.slow
def test_a_suite_is_scored(allinone, shipped, table):
    run = f"{{name: mine, task: zero-shot, recipe: mine.yaml, model_name_or_path: {shipped[1]}, use_cpu: true}}"
    Path("mine.yaml").write_text(f"task: retrieval\ntest_file: {table}\n")
    Path("suite.yaml").write_text(f"runs: [{run}]\n")
    status, found, _ = allinone("evaluate", "suite.yaml", "--output_dir", "scores", is_json=True)
    assert status == 0 and found["results"]["mine"]["protocol"]["num_rows"] == 7 and found["failed"] == {}
    Path("suite.yaml").write_text(f"runs: [{run.replace('mine.yaml', str(table))}]\n")
    assert allinone("evaluate", "suite.yaml", "--output_dir", "scores")[0] == 2


@pytest.mark.parametrize("task", ["retrieval", "classification"])
def test_what_was_not_learned_is_scored_by_texts(task, allinone, shipped, table):
    words = ["--task", task, "--test_file", table, "--label_column", "answer", *QUIET, "--output_dir", "scores"]
    status, results, _ = allinone("evaluate", *words, *shipped, "--prompt", "hier ist {}", is_json=True)
    assert status == 0 and results["protocol"]["prompt"] == "hier ist {}" and results["protocol"]["num_rows"] == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["train", "msrvtt_mc_zero_shot", "--output_dir", "out"],
            "models without training: allinone evaluate msrvtt_mc",
        ),
        (["train", "--task", "retrieval", "--train_file", "a.csv"], "There is no output_dir: say where results go"),
        (
            ["train", "--task", "guess", "--output_dir", "out"],
            "The task is 'guess'; give --task, or a recipe with task",
        ),
        (["evaluate", "--test_file", "a.csv", "--output_dir", "out"], "There is no model to score: give --model."),
        (
            ["evaluate", "{model}", "--output_dir", "out"],
            "scores several tasks: give --task, one of multiple-choice, ret",
        ),
        (["evaluate", "{model}", "--test_file", "a.csv"], "There is no output_dir: say where results go"),
        (
            ["evaluate", "{model}", "--task", "question-answering", "--output_dir", "out"],
            "was not trained for question-answering: allinone train --task question-answering --model",
        ),
        (["evaluate", "publishd", "{model}"], "There is no recipe publishd"),
        (
            ["train", "--output_dir", "out", "msrvtt_qa"],
            "The recipe msrvtt_qa stands behind out; a rec",
        ),
        (["evaluate", "--output_dir", "out", "published"], "The recipe published stands behind out;"),
        (["convert", "missing.ckpt", "out"], "There is no file missing.ckpt."),
        (["export", "missing", "out.ckpt"], "missing"),
    ],
)
def test_what_goes_wrong_is_one_line(words, message, allinone, shipped):
    words = [word.replace("{model}", f"--model={shipped[1]}") for word in words]
    status, output, errors = allinone(*words)
    assert (status, output) == (2, "") and errors.startswith("error: ") and errors.count("\n") == 1
    assert message in errors and not Path("out").exists()


def test_rows_are_told_from_a_recipe(allinone, table):
    errors = allinone("train", table, "--output_dir", "out")[2]
    assert errors.endswith("my.csv holds rows and is no recipe; give it with --train_file or --test_file.\n")


def test_scores_do_not_take_the_place_of_those_of_training(allinone, shipped):
    words = ["--task", "retrieval", "--test_file", "a.csv", f"--model={shipped[1]}", "--output_dir", shipped[1]]
    assert "the folder of the model, whose results.json is that of its training" in allinone("evaluate", *words)[2]


def test_a_checkpoint_is_told_from_the_values_of_options(tmp_path):
    for name in ("bert", "model.ckpt"):
        (tmp_path / name).touch()
    assert find_checkpoint(["--tokenizer", "bert", "--task", "masked-lm", "model.ckpt", "out"]) == Path("model.ckpt")
    assert find_checkpoint(["--no-processor", "model.ckpt", "out"]) == Path("model.ckpt")
    assert find_checkpoint(["gone.ckpt", "out"]) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dtype", "int8"], "argument --dtype: invalid choice: 'int8'"),
        (["--device", "tpu"], "argument --device: invalid choice: 'tpu'"),
        *([] if torch.cuda.is_available() else [(["--device", "cuda"], "there is no GPU that PyTorch can use")]),
    ],
)
def test_a_wrong_option_is_named(words, message, allinone, capfd):
    with pytest.raises(SystemExit) as ended:
        allinone("train", "--task", "retrieval", "--train_file", "a.csv", "--output_dir", "out", *words)
    assert ended.value.code == 2 and message in capfd.readouterr().err


@pytest.mark.parametrize("command", ["train", "evaluate", "convert", "export"])
@pytest.mark.parametrize("words", [[], ["--help"]])
def test_help_names_the_command(command, words, allinone, capfd):
    with pytest.raises(SystemExit) as ended:
        allinone(command, *words)
    output = capfd.readouterr().out
    assert ended.value.code == 0 and output.startswith(f"usage: allinone {command} ")
    assert f"allinone {command} " in output.split("\n\n", 1)[1]


def test_a_checkpoint_goes_to_a_folder_and_back(allinone):
    original = CASES / "open_ended_qa/original.ckpt"
    status, found, _ = allinone("convert", original, "model", "--no-processor", "--verify", is_json=True)
    weights = load_file("model/model.safetensors")
    assert status == 0 and found["output"] == "model" and found["fingerprint"]["digest"] == digest_weights(weights)
    assert {line["converted"] for line in found["tensors"]} - {None} == set(weights)
    status, found, _ = allinone("export", "model", "back.ckpt", is_json=True)
    held = torch.load("back.ckpt", weights_only=True)["state_dict"]
    assert status == 0 and {line["original"] for line in found["tensors"]} - {None} == set(held)
    status, _, errors = allinone("export", "model", "back.ckpt")
    assert status == 2 and "pass --overwrite" in errors


@pytest.mark.parametrize("is_folder", [True, False])
def test_an_image_backbone_is_known_by_what_it_holds(is_folder, allinone):
    vit = make_vit()
    vit.save_pretrained("vit")
    if not is_folder:
        torch.save(to_timm(vit), "vit.pth")
    words = ["--no-processor", "--task", "backbone", "--num-attention-heads", vit.config.num_attention_heads]
    status, found, _ = allinone("convert", *words, "vit" if is_folder else "vit.pth", "start", is_json=True)
    assert status == 0 and found["tensors"] and Path("start/config.json").exists()
    assert any("text_embeddings" in name for name in found["fresh"])


def test_options_are_found_before_they_are_known():
    Path("mine.yaml").write_text("task: retrieval\n")
    assert find_option(["mine.yaml", "--other", "1"], "task") == "retrieval"
    assert find_option(["mine.yaml", "--task=classification"], "task") == "classification"
    for words in (["--model", "a"], ["--model=a"], ["--model-name-or-path", "a"], ["--model_name_or_path=a"]):
        assert find_option(["--flag", *words], "model_name_or_path") == "a"


@pytest.mark.slow
def test_two_processes_train_and_print_once(shipped, table):
    words = ["train", "--task", "question-answering", "--train_file", table, "--output_dir", "two", *shipped, *SHORT]
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [*start, "-m", "modeling_allinone", *map(str, words), "--json"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["training"]["batch_size"] == 16
    assert ended.stderr.count("two holds the model") == ended.stderr.count("learning_rate is 0.0012") == 1
