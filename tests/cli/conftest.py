# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""A clip, the shipped checkpoint, and a model that answers questions; the command, run in this process."""

import json
from pathlib import Path

import pytest
import torch
from browser_fixtures import browser
from retrieval_fixtures import processor, rows

from modeling_allinone import AllInOneForVideoQuestionAnswering
from modeling_allinone.cli.app import main

__all__ = ["browser", "processor", "rows"]

CHECKPOINT = Path(__file__).parents[2] / "examples/checkpoints/moving-shapes"
ANSWERS = {0: "rot", 1: "blau", 2: "grün"}


@pytest.fixture(scope="module")
def clip(rows) -> str:
    return rows[0]["video"]


@pytest.fixture(scope="module")
def answering(tiny_config, processor, tmp_path_factory) -> str:
    """The folder of a model with three answers."""
    folder = tmp_path_factory.mktemp("answering")
    torch.manual_seed(0)
    config = tiny_config(id2label=ANSWERS, vocab_size=len(processor.tokenizer))
    AllInOneForVideoQuestionAnswering(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def allinone(capfd):
    """Run a command; returns its exit status and what it wrote to standard output and standard error."""

    def run(*words, is_json: bool = False):
        status = main([str(word) for word in words] + ["--json"] * is_json)
        output, errors = capfd.readouterr()
        return (status, json.loads(output), errors) if is_json else (status, output, errors)

    return run


@pytest.fixture
def shipped() -> list[str]:
    return ["--model", str(CHECKPOINT)]
