# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What cannot be used ends in one line and status 2; output goes into any terminal, file and pipe; help reads well."""

import io
import json
import re
import shutil
import subprocess
import sys

import pytest

from modeling_allinone.cli.app import main

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")

TEXT = "a [MASK] ring"
COMMANDS = ["ask", "choose", "classify", "fill", "predict", "search", "info"]


@pytest.fixture
def here(tmp_path, monkeypatch, clip):
    """A folder to work in: a clip, and what looks like one and is none."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, "clip.mp4")
    shutil.copy(clip, "Übung.mp4")
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.txt").write_bytes("grün\n".encode("latin-1"))
    (tmp_path / "none.txt").write_text("\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fill", "missing.mp4", TEXT], r"missing\.mp4 does not exist; [^(]*"),
        (["fill", "text.mp4", TEXT], r"text\.mp4 cannot be read as a video.*"),
        (["fill", "empty", TEXT], r"empty is a folder without images.*"),
        (["fill", "clip.mp4", TEXT, "--start", "100"], r"clip\.mp4: the window from 100 s .* lasts 3\.000 s.*"),
        (["fill", "clip.mp4", TEXT, "--start", "-1"], r".*'--start'.*fill --help\."),
        (["fill", "clip.mp4", TEXT, "--top_k", "0"], r".*'--top-k'.*See allinone fill --help\."),
        (["fill", "clip.mp4", TEXT, "--device", "gpu"], r"device is 'gpu'; expected 'cpu', 'cuda'.*"),
        (["fill", "clip.mp4", TEXT, "--dtype", "int8"], r"dtype is 'int8'; expected 'float32'.*"),
        (["fill", "clip.mp4", TEXT, "--model", "nowhere"], r"'nowhere' is no folder, and no repository of the Hub.*"),
        (["fill", "clip.mp4", TEXT, "--model", "clip.mp4"], r"clip\.mp4 is a file; give the folder of a model.*"),
        (["fill", "clip.mp4", TEXT, "--model", "empty"], r"empty holds no model, since config\.json is missing.*"),
        (["fill", "clip.mp4", "a ring"], r".*'a ring'; expected one \[MASK\] in it.*"),
        (["fill", "clip.mp4"], r"Missing argument 'TEXT'\. See allinone fill --help\."),
        (["ask", "clip.mp4", "who?"], r".*AllInOneForPreTraining, .* it can choose .*, fill .*, classify .*"),
        (["choose", "clip.mp4", "a", "b", "--score_by", "both"], r"score_by is 'both'; .* pairs and features\."),
        (["classify", "clip.mp4"], r".*no classes of its own; give labels to choose from\."),
        (["classify", "clip.mp4", "--labels", "latin.txt"], r"latin\.txt is no text in UTF-8.*"),
        (["classify", "clip.mp4", "--labels", "none.txt"], r"none\.txt is empty; expected a class a line\."),
        (["classify", "clip.mp4", "--labels", "missing.txt"], r"missing\.txt cannot be read as a file of classes.*"),
        (["classify", "clip.mp4", "--labels"], r".*--labels: expected one word or several\. See allinone classify.*"),
        (["choose", "clip.mp4", "gr\udcfcn"], r"'gr\\udcfcn' is no text in UTF-8, and no file\."),
        (["predict", "missing.csv", "-o", "out.jsonl"], r"There is no file missing\.csv\."),
        (["predict", "clip.mp4", "-o", "empty", "--labels", "a"], r".*empty is a folder; give a file in it.*"),
        (["predict", "clip.mp4", "-o", "out.jsonl", "--task", "guess"], r"task is 'guess'; expected .*"),
        (["predict", "clip.mp4", "-o", "out.jsonl", "--batch_size", "0"], r".*'--batch-size'.*"),
        (["guess"], r"No such command 'guess'\. See allinone --help\."),
        (["info", "missing", "--guess"], r"No such option:? '?--guess.*See allinone info --help\."),
    ],
)
def test_errors_are_one_line(allinone, shipped, here, words, message):
    needs_model = words[0] not in ("info", "guess") and "--model" not in words
    status, output, errors = allinone(*words, *(shipped if needs_model and words[-1] != "--labels" else []))
    assert (status, output) == (2, "") and re.fullmatch(f"error: {message}\n", errors), errors


@pytest.mark.parametrize("words", [[], *([command] for command in COMMANDS)])
def test_nothing_is_answered_with_help(allinone, words):
    status, output, errors = allinone(*words)
    assert status == 2 and " Usage: allinone" in output and not errors


@pytest.mark.parametrize("width", [80, 120])
def test_help(allinone, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    listed = allinone("--help")[1]
    assert re.findall(r"─ (.*?) ─", listed)[:3] == ["Options", "A clip", "Many clips"]
    for command in COMMANDS:
        output = allinone(command, "--help")[1]
        examples = re.findall(rf"^ (allinone {command} .*?) *$", output, re.MULTILINE)
        assert examples and all(len(line) <= width for line in output.splitlines())
        assert "<" not in output and re.search(rf"│ {command} ", listed)


def test_version(allinone):
    assert allinone("--version")[1].startswith("modeling_allinone 0.")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_terminals_of_any_encoding(shipped, here, monkeypatch, encoding):
    for as_json in ([], ["--json"]):
        terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", terminal)
        assert main(["choose", "Übung.mp4", "grün", "緑", *shipped, *as_json]) == 0
        terminal.flush()
        written = terminal.buffer.getvalue()
        if as_json:
            assert json.loads(written.decode(encoding))[0]["options"] == ["grün", "緑"]
        elif encoding != "ascii":  # which is taken for UTF-8, as a terminal seldom means it
            assert "grün" in written.decode(encoding)


def test_closed_pipe(here, answering):
    words = [sys.executable, "-m", "modeling_allinone", "ask", "clip.mp4", "a ring", "-m", answering, "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
