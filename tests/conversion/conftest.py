# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Running a script as its users do, and measuring what it needs."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from original_checkpoints import TINY, to_original
from transformers import BertTokenizer

from modeling_allinone import AllInOneConfig, AllInOneModel
from modeling_allinone.conversion.original_checkpoint import convert_checkpoint
from modeling_allinone.conversion.safe_checkpoint import ConversionError

CONVERSION = Path(__file__).parents[2] / "conversion"


@pytest.fixture
def run_in(monkeypatch, capsys) -> Callable[..., tuple[str, str]]:
    """Runs a script from a directory, with success; returns its output and its messages."""

    def run(directory: Path, script: str, *arguments: str) -> tuple[str, str]:
        monkeypatch.chdir(directory)
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(CONVERSION / script), run_name="__main__")
        output = capsys.readouterr()
        assert ended.value.code == 0, output.err
        return output

    return run


@pytest.fixture
def tokenizer_of(tmp_path_factory) -> Callable[..., str]:
    """Saves a BERT tokenizer with a number of tokens; returns its directory."""

    def make(num_tokens: int = 20, directory: Path | None = None) -> str:
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"word{index}" for index in range(num_tokens - 5)]
        directory = directory or tmp_path_factory.mktemp("tokenizer")
        BertTokenizer(vocab={word: index for index, word in enumerate(words)}).save_pretrained(directory)
        return str(directory)

    return make


@pytest.fixture
def measure() -> Callable[..., tuple[float, int]]:
    """
    Runs a script; returns seconds of processor time, which what else runs here does not change, and how much more
    memory it took at its most, in bytes, than its help did.
    """

    def run(script: str, *arguments: object) -> tuple[float, int]:
        command = [sys.executable, str(CONVERSION / script), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        messages = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, messages
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024

    def run_and_compare(script: str, *arguments: object) -> tuple[float, int]:
        _, own_memory = run(script, "--help")
        seconds, memory = run(script, *arguments)
        return seconds, memory - own_memory

    return run_and_compare


@pytest.fixture(scope="module")
def original() -> dict[str, torch.Tensor]:
    """A backbone in the original's naming; tests change copies of the dictionary."""
    torch.manual_seed(0)
    return to_original(AllInOneModel(AllInOneConfig(**TINY)))


@pytest.fixture
def convert(tmp_path):
    """Save some content as a checkpoint and convert it; returns the output directory and the report."""

    def run(content, task=None, tokenizer=None, **kwargs):
        torch.save(content, tmp_path / "original.ckpt")
        conversion = convert_checkpoint(tmp_path / "original.ckpt", tmp_path / "out", task, tokenizer, **kwargs)
        return tmp_path / "out", conversion.report

    return run


@pytest.fixture
def refuse(tmp_path, convert):
    """Convert, expect a refusal with a message in which the pattern is found, and see that nothing was written."""

    def run(pattern, content, *args, **kwargs):
        with pytest.raises(ConversionError, match=pattern):
            convert(content, *args, **kwargs)
        assert [path.name for path in tmp_path.iterdir()] == ["original.ckpt"]

    return run
