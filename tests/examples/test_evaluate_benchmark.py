"""A suite of real runs on real files: scored once, resumed, compared, written into cards."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from modeling_allinone import (
    AllInOneForMultipleChoice,
    AllInOneForVideoQuestionAnswering,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.datasets import (
    answer_vocabulary,
    describe_dataset,
    load_moving_shapes,
    train_tokenizer,
    write_moving_shapes,
)
from modeling_allinone.model_card import create_model_card

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from evaluate_benchmark import EXAMPLES, digest_checkpoint, is_done, main, parse_arguments, read_suite


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


QUESTIONS = {"name": "questions", "task": "question-answering"}
CHOICES = {
    "name": "choices",
    "task": "multiple-choice",
    "dataset_options": {"task": "multiple-choice"},
}


def test_suite_is_scored_resumed_and_compared(tmp_path, place, suite, capsys):
    arguments = suite(QUESTIONS, CHOICES | {"data_dir": "nowhere"})
    assert main([*arguments, "--update_cards"]) == 1
    output = capsys.readouterr().out
    assert "choices: failed with status 2: " in output and "nowhere" in output
    assert "failed: choices; their output is in log.txt" in output

    results = json.loads((tmp_path / "out" / "results.json").read_text())
    protocol, scores = results["questions"]["protocol"], results["questions"]["scores"]
    assert protocol["num_rows"] == len(load_moving_shapes(place / "shapes", "test")) == scores["num_rows"]
    assert protocol["script"] == "finetune_question_answering.py" and len(protocol["checkpoint_sha256"]) == 64
    table = (tmp_path / "out" / "results.md").read_text().splitlines()
    blank = results["questions"]["blank_video"]["accuracy"]
    assert f"| questions | accuracy | {100 * scores['accuracy']:.1f} | {100 * blank:.1f} | 12.5 | 99.9 |" in table[2]
    (entry,) = ModelCard.load(place / "models" / "questions" / "README.md").data.eval_results
    assert (entry.dataset_name, entry.dataset_split, entry.metric_value) == ("questions", "test", scores["accuracy"])

    # Stopped and mended: what was scored is not scored again.
    log = tmp_path / "out" / "questions" / "log.txt"
    written = log.stat().st_mtime_ns
    assert main(suite(QUESTIONS, CHOICES)) == 0
    output = capsys.readouterr().out
    assert "questions: was scored before" in output and "choices: scoring" in output
    assert log.stat().st_mtime_ns == written
    assert set(json.loads((tmp_path / "out" / "results.json").read_text())) == {"questions", "choices"}


def test_what_was_scored_before(tmp_path, place):
    """The same arguments and the same weights."""
    shutil.copytree(place / "models" / "questions", tmp_path / "model")
    run = {"script": "any.py", "arguments": {"model_name_or_path": str(tmp_path / "model"), "num_frames": 2}}
    (tmp_path / "results.json").write_text("{}")
    assert not is_done(tmp_path, run)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({**run, "checkpoint": digest_checkpoint(run)}))
    assert is_done(tmp_path, run)
    assert not is_done(tmp_path, {**run, "arguments": {**run["arguments"], "num_frames": 1}})
    weights = load_file(tmp_path / "model" / "model.safetensors")
    weights["classifier.out_proj.bias"] += 1
    save_file(weights, tmp_path / "model" / "model.safetensors", metadata={"format": "pt"})
    assert not is_done(tmp_path, run)


@pytest.mark.parametrize(
    ("runs", "message"),
    (
        ([{"name": "a", "task": "guessing"}], "The task of a is 'guessing'; expected one of question-answering"),
        ([QUESTIONS, QUESTIONS], "expected a mapping with a name of its own"),
        ([{"task": "retrieval"}], "expected a mapping with a name of its own"),
        ([QUESTIONS | {"recipe": "nothing.yaml"}], "No such file or directory"),
    ),
)
def test_suites_that_cannot_run(suite, capsys, runs, message):
    assert main(suite(*runs)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_other_suites_that_cannot_run(tmp_path, suite, capsys):
    assert main([*suite(QUESTIONS), "--only", "answers"]) == 2
    assert "has no run named answers" in capsys.readouterr().err
    arguments = suite(QUESTIONS)
    del arguments[3:5]
    assert main(arguments) == 2
    assert "questions has no model: give model_name_or_path in the suite, or --model_root" in capsys.readouterr().err
    (tmp_path / "suite.yaml").write_text("- 1")
    assert main(arguments) == 2
    assert "is no suite: expected output_dir and a list of runs" in capsys.readouterr().err


@pytest.mark.parametrize("suite_file", sorted((EXAMPLES / "suites").glob("*.yaml")), ids=lambda path: path.name)
def test_suites_of_the_project_have_their_recipes(suite_file):
    """Every recipe and data set that a suite names is there, and the run is compared with what is published."""
    _, runs = read_suite(parse_arguments([str(suite_file), "--data_root", "data", "--model_root", "models"]))
    named = yaml.safe_load(suite_file.read_text())["runs"]
    assert list(runs) == [run["name"] for run in named] and len(runs) > 0
    published = yaml.safe_load((EXAMPLES / "published_scores.yaml").read_text())
    for name, run in runs.items():
        assert describe_dataset(run["arguments"]["dataset"]).name == run["arguments"]["dataset"]
        assert (EXAMPLES / run["script"]).is_file() and name in published
