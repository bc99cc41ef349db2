# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""A suite of real runs on real files: scored once, resumed, compared, written into cards."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from action_files import write_actions
from huggingface_hub import ModelCard
from question_files import CAPTION_CHOICES, CAPTIONS, CHOICES, QUESTIONS
from retrieval_files import DATA as RETRIEVAL
from retrieval_files import write_places
from safetensors.torch import load_file, save_file
from script_runs import load_script, run_script

from modeling_allinone import (
    AllInOneForMultipleChoice,
    AllInOneForPreTraining,
    AllInOneForVideoClassification,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.datasets import (
    answer_vocabulary,
    load_moving_shapes,
    train_tokenizer,
    write_moving_shapes,
)
from modeling_allinone.hub.model_card import create_model_card
from modeling_allinone.recipes import SUITES
from modeling_allinone.training.scripts.evaluate_benchmark import (
    find_cause,
    is_done,
    main,
    make_table,
    parse_arguments,
    read_results,
    read_suite,
    write_recipe,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_config):
    """A corpus, and two models on disk."""
    root = tmp_path_factory.mktemp("benchmark")
    write_moving_shapes(root / "shapes", num_clips=6, split="test")
    tokenizer = train_tokenizer(load_moving_shapes(root / "shapes", "test"))
    tokenizer.model_max_length = 16
    processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=2, size=32, crop_size=32), tokenizer)
    answers = dict(enumerate(answer_vocabulary("easy")))
    for name, model_class, fields in (
        ("questions", AllInOneForVideoQuestionAnswering, {"id2label": answers}),
        ("choices", AllInOneForMultipleChoice, {}),
    ):
        config = tiny_config(vocab_size=len(tokenizer), num_frames=2, max_position_embeddings=16, **fields)
        model_class(config).save_pretrained(root / "models" / name)
        processor.save_pretrained(root / "models" / name)
        create_model_card(config, model_class.__name__, name, "Drawn at random.").save(
            root / "models" / name / "README.md"
        )
    return root


@pytest.fixture
def suite(tmp_path, place):
    """Write a suite; returns the arguments that run it."""
    common = {"dataset": "moving_shapes", "data_dir": str(place / "shapes"), "use_cpu": True}

    def write(*runs: dict) -> list[str]:
        (tmp_path / "suite.yaml").write_text(yaml.safe_dump({"runs": [{**common, **run} for run in runs]}))
        (tmp_path / "published.yaml").write_text("questions: {accuracy: {paper: 12.5, log: 99.9}}")
        return [
            str(tmp_path / "suite.yaml"),
            *("--output_dir", str(tmp_path / "out"), "--model_root", str(place / "models")),
            *("--published", str(tmp_path / "published.yaml")),
        ]

    return write


OF_QUESTIONS = {"name": "questions", "task": "question-answering"}
OF_CHOICES = {
    "name": "choices",
    "task": "multiple-choice",
    "dataset_options": {"task": "multiple-choice"},
}


def test_suite_is_scored_resumed_and_compared(tmp_path, place, suite, capsys):
    arguments = suite(OF_QUESTIONS, OF_CHOICES | {"data_dir": "nowhere"})
    assert main([*arguments, "--update_cards"]) == 1
    output = capsys.readouterr().out
    assert "choices: failed with status 2: " in output and "nowhere" in output
    assert "failed: choices; their output is in log.txt" in output
    assert "| choices | failed: error: root is nowhere, which is no folder" in output

    results = json.loads((tmp_path / "out" / "results.json").read_text())
    protocol, scores = results["questions"]["protocol"], results["questions"]["scores"]
    assert protocol["num_rows"] == len(load_moving_shapes(place / "shapes", "test")) == scores["num_rows"]
    assert protocol["script"] == "finetune.py" and len(protocol["checkpoint_sha256"]) == 64
    table = (tmp_path / "out" / "results.md").read_text().splitlines()
    blank = results["questions"]["blank_video"]["accuracy"]
    assert f"| questions | accuracy | {100 * scores['accuracy']:.1f} | {100 * blank:.1f} | 12.5 | 99.9 |" in table[2]
    (entry,) = ModelCard.load(place / "models" / "questions" / "README.md").data.eval_results
    assert (entry.dataset_name, entry.dataset_split, entry.metric_value) == ("questions", "test", scores["accuracy"])

    # Stopped and mended: what was scored is not scored again.
    log = tmp_path / "out" / "questions" / "log.txt"
    written = log.stat().st_mtime_ns
    assert main(suite(OF_QUESTIONS, OF_CHOICES)) == 0
    output = capsys.readouterr().out
    assert "questions: was scored before" in output and "choices: scoring" in output
    assert log.stat().st_mtime_ns == written
    assert set(json.loads((tmp_path / "out" / "results.json").read_text())) == {"questions", "choices"}


def test_what_was_scored_before(tmp_path, place, suite):
    """The same arguments and the same weights."""
    shutil.copytree(place / "models", tmp_path / "models")
    arguments = [*suite(OF_QUESTIONS | {"num_frames": 2}), "--model_root", str(tmp_path / "models")]

    def read(*options: str) -> dict:
        return read_suite(parse_arguments([*arguments, *options]))[1]["questions"]

    run = read()
    (tmp_path / "results.json").write_text("{}")
    assert not is_done(tmp_path, run)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    assert is_done(tmp_path, read())
    assert not is_done(tmp_path, {**run, "arguments": {**run["arguments"], "num_frames": 1}})
    assert not is_done(tmp_path, {**run, "files": {"my.csv": "of other rows"}})
    weights = load_file(tmp_path / "models" / "questions" / "model.safetensors")
    weights["classifier.out_proj.bias"] += 1
    save_file(weights, tmp_path / "models" / "questions" / "model.safetensors", metadata={"format": "pt"})
    assert not is_done(tmp_path, read())


@pytest.mark.parametrize(
    ("runs", "message"),
    (
        ([{"name": "a", "task": "guessing"}], "The task of a is 'guessing'; expected one of question-answering"),
        ([OF_QUESTIONS, OF_QUESTIONS], "expected a mapping with a name of its own"),
        ([{"task": "retrieval"}], "expected a mapping with a name of its own"),
        ([OF_QUESTIONS | {"recipe": "nothing.yaml"}], "There is no recipe nothing.yaml, neither a file nor"),
    ),
)
def test_suites_that_cannot_run(suite, capsys, runs, message):
    assert main(suite(*runs)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_other_suites_that_cannot_run(tmp_path, suite, capsys):
    assert main([*suite(OF_QUESTIONS), "--only", "answers"]) == 2
    assert "has no run named answers" in capsys.readouterr().err
    arguments = suite(OF_QUESTIONS)
    del arguments[3:5]
    assert main(arguments) == 2
    assert "questions has no model: give model_name_or_path in the suite, or --model_root" in capsys.readouterr().err
    (tmp_path / "suite.yaml").write_text("- 1")
    assert main(arguments) == 2
    assert "is no suite: expected output_dir and a list of runs" in capsys.readouterr().err


SUITES = sorted((SUITES).glob("*.yaml"))
ROWS = [(path, run["name"]) for path in SUITES for run in yaml.safe_load(path.read_text())["runs"]]


@pytest.fixture(scope="module")
def published_models(tmp_path_factory, tiny_config):
    """A model of each task, as converted from the original: its answers have no names."""
    tokenizer = train_tokenizer([*CAPTIONS, "is it a dog? what is it? a cat, a car, two men it runs"])
    tokenizer.model_max_length = 16
    processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer)
    sizes = {"vocab_size": len(tokenizer), "num_hidden_layers": 1, "num_frames": 3, "projection_dim": 8}
    root = tmp_path_factory.mktemp("models")
    for task, model_class, fields in (
        ("question-answering", AllInOneForVideoQuestionAnswering, {"num_labels": 5}),
        ("multiple-choice", AllInOneForMultipleChoice, {"choice_hidden_size": 256}),
        ("retrieval", AllInOneForVideoTextRetrieval, {}),
        ("classification", AllInOneForVideoClassification, {"num_labels": 5}),
        ("zero-shot", AllInOneForPreTraining, {"pretraining_objectives": ["matching", "contrastive"]}),
    ):
        model_class(tiny_config(**sizes, **fields)).save_pretrained(root / task)
        processor.save_pretrained(root / task)
    return root


def write_miniature(root: Path, recipe: str, film: Path, image: Path) -> Path:
    """The data set of a recipe."""
    if (name := recipe.removesuffix("_zero_shot")) != recipe:
        annotations, content, place = CAPTION_CHOICES[name]
        return write_places(root, [place], {annotations: content}, film, image)
    if recipe.endswith("_linear"):
        return write_actions(root, recipe, "makers", film)
    places, arrangements = {**QUESTIONS, **CHOICES, **RETRIEVAL}[recipe]
    return write_places(root, places, arrangements["published"], film, image)


@pytest.mark.parametrize(("suite_file", "name"), ROWS, ids=[name for _, name in ROWS])
def test_every_row_of_a_suite_is_scored(tmp_path, media, published_models, suite_file, name):
    """With its recipe as it stands, but for the machine."""
    described = yaml.safe_load(suite_file.read_text())
    (row,) = (run for run in described["runs"] if run["name"] == name)
    machine = {"fp16": False, "dataloader_num_workers": 0}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump({**described, "runs": [{**row, **machine}]}))
    write_miniature(tmp_path / "data" / name, Path(row["recipe"]).stem, *media)
    arguments = [str(tmp_path / "suite.yaml"), "--data_root", str(tmp_path / "data"), "--model_root", str(tmp_path)]
    options = parse_arguments(arguments)
    run = read_suite(options)[1][name]
    (tmp_path / name).symlink_to(published_models / row["task"])
    (tmp_path / "output").mkdir()
    # In this process, since starting one takes longer than all else.
    assert run_script(load_script(Path(run["script"]).stem), write_recipe(run, tmp_path / "output")) == 0
    results = read_results(tmp_path / "output", run)
    assert results["protocol"]["num_rows"] > 0 and results["protocol"]["num_skipped"] == 0
    published = yaml.safe_load(options.published.read_text())
    named = {line.split(" | ")[1] for line in list(make_table({name: results}, published))[2:]}
    without_scorer = {metric for metric in published[name] if not metric.startswith("reranked_")}
    assert without_scorer <= named, "what is published has something beside it"


@pytest.mark.parametrize(
    ("code", "cause"),
    (
        (
            "try: open('nowhere')\nexcept OSError as error: raise RuntimeError('no luck') from error",
            "FileNotFoundError: [Errno 2] No such file or directory: 'nowhere'",
        ),
        ("print('error: a clip\\nand more'); raise SystemExit(2)", "error: a clip"),
        ("print('almost\\ndone\\n'); raise SystemExit(1)", "done"),
        ("raise SystemExit(1)", "no output"),
    ),
)
def test_first_line_of_an_error_is_its_cause(tmp_path, suite, capsys, code, cause):
    (tmp_path / "launched.py").write_text(code)
    assert main([*suite(OF_QUESTIONS), "--launcher", f"{sys.executable} {tmp_path / 'launched.py'}"]) == 1
    assert f"| questions | failed: {cause} |" in capsys.readouterr().out
    assert f"| questions | failed: {cause} |" in (tmp_path / "out" / "results.md").read_text()


TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n'


@pytest.mark.parametrize(
    "log",
    (
        # of two processes
        TRACEBACK.replace("T", "[rank1]: T").replace("  F", "[rank1]:   F")
        + f"[rank1]: KeyError: 'clip'\n{TRACEBACK}ChildFailedError: \n",
        # of the worker of a loader
        f"{TRACEBACK}KeyError: Caught KeyError in DataLoader worker.\nOriginal {TRACEBACK}KeyError: 'clip'\n",
    ),
)
def test_cause_of_an_error_in_another_process(log):
    assert find_cause(f"step 1\n{log}\n") == "KeyError: 'clip'"


def test_places_that_cannot_be_written_are_told(tmp_path, suite, capsys):
    (tmp_path / "a-file").write_text("")
    assert main([*suite(OF_QUESTIONS), "--output_dir", str(tmp_path / "a-file" / "output")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "a-file" in error and error.count("\n") == 1
