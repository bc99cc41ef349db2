# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Finding the metrics, and what all of them promise."""

import ast
import shutil
import sys
from pathlib import Path

import evaluate
import pytest

from modeling_allinone.metrics import list_metrics, metric_path

NAMES = [
    "multiple_choice_accuracy",
    "video_classification",
    "video_question_answering",
    "video_text_retrieval",
    "visual_commonsense",
    "vqa_score",
]


def script_of(name: str) -> Path:
    return Path(metric_path(name), f"{name}.py")


def test_lists_the_metrics():
    assert list_metrics() == NAMES


@pytest.mark.parametrize(
    "name", ["accuracy", "", "vqa_score.py", "../metrics/vqa_score", "VQA_SCORE", None, ["vqa_score"]]
)
def test_names_the_metrics_when_there_is_none(name):
    with pytest.raises(
        ValueError, match=r"There is no metric .*; choose from multiple_choice_accuracy, .*, vqa_score"
    ):
        metric_path(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_documented(name, load_metric):
    metric = load_metric(name)
    assert isinstance(metric_path(name), str)
    assert metric.name == name
    assert metric.description.strip()
    assert metric.citation.strip().startswith("@")
    for heading in ("Args:", "Returns:", "Examples:"):
        assert heading in metric.inputs_description


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_one_file(name, tmp_path):
    """As on the Hub: a copy elsewhere loads, and needs only this package and what `evaluate` brings along."""
    tree = ast.parse(script_of(name).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    packages = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert packages <= {"datasets", "modeling_allinone", "nltk", "numpy"}
    copy = shutil.copytree(metric_path(name), tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    assert evaluate.load(str(copy), keep_in_memory=True).name == name
