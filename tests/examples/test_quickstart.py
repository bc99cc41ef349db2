# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The quickstart, small: to a report, from a pre-trained model and from nothing, and again from what is there."""

import html
import json
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from script_runs import EXAMPLES, load_script
from transformers import AutoModelForPreTraining, AutoModelForVisualQuestionAnswering, AutoProcessor

from modeling_allinone.cli.app import app
from modeling_allinone.datasets import write_moving_shapes

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Page(HTMLParser):
    """What a page says, and the tags in it."""

    def __init__(self, path: Path):
        super().__init__()
        self.text, self.tags, self.code = "", [("", {})], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "code":
            self.code.append("")

    def handle_data(self, data):
        if self.tags[-1][0] != "style":
            self.text += data
        if self.tags[-1][0] == "code" and data.strip():
            self.code[-1] += data

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the script; returns what it prints."""
    monkeypatch.syspath_prepend(EXAMPLES)

    def run(output_dir: Path, *arguments: str) -> str:
        small = ["--num_clips", "24", "--num_test_clips", "12", "--frame_steps", "1", "--clip_steps", "2"]
        small += ["--temporal_mixing", "channel_shift"]
        monkeypatch.setattr(sys, "argv", ["quickstart.py", "--output_dir", str(output_dir), *small, *arguments])
        capsys.readouterr()
        assert load_script("quickstart").main() == 0
        return capsys.readouterr().out

    yield run


def check_page(page: Page, output: str, record: dict):
    """The page is whole, tells what was printed, and is for everybody."""
    answers = re.findall(r"^   (test\d+)  (.+?)  +(.+?) +\((right|wrong: (.+))\)$", output, flags=re.M)
    assert len(answers) >= 5
    for clip, question, given, is_right, right in answers:
        verdict = f"✓ “{given}” is correct" if is_right == "right" else f"✗ “{given}” is wrong, it is “{right}”"
        assert re.search(rf"{clip}\s+{re.escape(question)}.*?{verdict}", page.text, re.S)
    assert f"{record['num_right']} of {record['num_questions']} answers were right" in page.text
    assert "from a pre-trained model" in page.text and "chance" in page.text

    marks = [float(mark["style"].removeprefix("left:")[:-1]) for mark in page.all("b") if "style" in mark]
    chance = [round(100 * share, 1) for share in record["scores"]["chance"].values()]
    assert set(chance) <= set(marks), "beside the bar of each kind"
    bars = [bar for bar in page.all("i") if not bar["style"].endswith(":70.0%")]
    assert len(marks) == len(bars) >= 3 * len(answers) + len(chance), "and of each answer; two are in the legends"

    loaded = [tag.get("src", "data:") for _, tag in page.tags] + [tag["href"] for tag in page.all("a")]
    assert all(address.startswith(("data:", "#")) for address in loaded) and not page.all("script") + page.all("link")
    assert len(page.all("img")) == len(answers) and all(len(image["alt"]) > 20 for image in page.all("img"))
    assert len(page.all("svg")) == 1 and "aria-label" in page.all("figure")[0]
    assert all(header["scope"] in ("col", "row") for header in page.all("th")) and len(page.all("h1")) == 1
    assert page.all("html")[0]["lang"] == "en" and {"name": "color-scheme", "content": "light dark"} in page.all(
        "meta"
    )
    assert len(page.rawdata) == 0 and all(code.strip() in output.replace("\n    ", "\n") for code in page.code)


def do_what_comes_next(code: list[str], output: str, capsys):
    """The commands run as they are, one of them shortened."""
    ask, train, search = code
    command = shlex.split(ask)
    assert app(command[command.index("ask") :], standalone_mode=False) is None
    assert command[command.index("--model") - 1] in capsys.readouterr().out, "the question, above its answers"
    command = shlex.split(train)
    short = ["--max_steps", "1", "--save_strategy", "no"]
    assert app([*command[command.index("train") :], *short], standalone_mode=False) is None
    for line in search.splitlines():
        command = shlex.split(line)
        first = next(place for place, word in enumerate(command) if word in ("index", "search"))
        assert not app(command[first:], standalone_mode=False)
    assert capsys.readouterr().out.count(".mp4") == 3


def test_quickstart(run, tmp_path, capsys):
    output = run(tmp_path, "--frame_steps", "0")
    model_dir = tmp_path / "model-channel_shift"
    for expected in ("single-frame kinds", "time kinds", "background drift", "reversed", "one frame", "blank"):
        assert expected in output
    model = AutoModelForVisualQuestionAnswering.from_pretrained(model_dir)
    assert model.config.temporal_mixing == "channel_shift" and model.config.num_labels == 20
    words = model.allinone.get_input_embeddings().weight
    pretrained = AutoModelForPreTraining.from_pretrained(EXAMPLES / "checkpoints" / "moving-shapes")
    assert words.shape == pretrained.get_input_embeddings().weight.shape
    assert (words - pretrained.get_input_embeddings().weight).abs().max() < 0.01, "two steps away"
    record = json.loads((model_dir / "quickstart.json").read_text())
    assert {entry["stage"] for entry in record["history"]} == {"clips"}
    assert list(record["scores"]) == ["clip", "reversed", "one frame", "blank", "chance"]
    assert all(0 <= share <= 1 for column in record["scores"].values() for share in column.values())
    check_page(Page(tmp_path / "report.html"), output, record)
    assert "temporal mixing channel_shift" in Page(tmp_path / "report.html").text

    weights = (model_dir / "model.safetensors").stat()
    again = run(tmp_path, "--frame_steps", "0")
    assert "Training was done before" in again
    assert (model_dir / "model.safetensors").stat().st_mtime_ns == weights.st_mtime_ns
    without_times = [
        re.sub(r" +\d+ s$", "", part[part.index("right answers, %") :], flags=re.M) for part in (output, again)
    ]
    assert without_times[0].split("6.")[0] == without_times[1].split("6.")[0], "the same scores and answers"
    assert record["seconds"] == json.loads((model_dir / "quickstart.json").read_text())["seconds"], "of the training"
    do_what_comes_next(Page(tmp_path / "report.html").code, output, capsys)

    anew = run(tmp_path, "--from_scratch")
    assert "Training was done before" not in anew, "other settings"
    record = json.loads((model_dir / "quickstart.json").read_text())
    assert {entry["stage"] for entry in record["history"]} == {"single frames", "clips"}
    assert AutoModelForVisualQuestionAnswering.from_pretrained(model_dir).config.temporal_mixing == "channel_shift"
    processor = AutoProcessor.from_pretrained(model_dir)
    assert processor.video_processor.num_frames == 4 and processor.tokenizer.model_max_length == 16
    assert "from scratch" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(("wrong", "picked"), [({5: "order"}, 5), ({}, None), ({1: "colour", 5: "order"}, None)])
def test_a_wrong_answer_is_among_those_shown(run, wrong, picked):
    """Where the first of each kind are all right, the first wrong one stands for its kind, and says so."""
    from quickstart_report import choose_examples

    kinds = ["order", "colour", "drift", "colour", "order", "order", "order"]
    rows = Dataset.from_list([{"kind": kind, "video_id": str(number)} for number, kind in enumerate(kinds)])
    is_right = np.array([number not in wrong for number in range(len(kinds))])
    shown = choose_examples(rows, is_right)
    assert [row["kind"] for row in shown] == ["colour", "order", "drift"]
    assert [row["video_id"] for row in shown if row.get("is_picked")] == ([] if picked is None else [str(picked)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--level", "none"), "error: level is 'none' but must be one of 'easy', 'medium', 'hard'.\n"),
        (
            ("--num_test_clips", "2"),
            "test holds a corpus with num_clips 1 instead of 2. Choose another --output_dir.\n",
        ),
        (("--temporal_mixing", "shift"), "expected one of ('token_roll', 'channel_shift', 'none'), got shift\n"),
    ],
)
def test_wrong_options_are_told_in_a_line(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.syspath_prepend(EXAMPLES)
    for split, number in {"train": 1, "validation": 1, "test": 1}.items():
        write_moving_shapes(tmp_path / "corpus", number, split)
    small = ["--output_dir", str(tmp_path), "--num_clips", "1", "--num_test_clips", "1"]
    assert load_script("quickstart").main([*small, *arguments]) == 2
    assert capsys.readouterr().err.splitlines(keepends=True)[-1].endswith(message)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_no_line_of_the_page_is_wider_than_a_screen(run, tmp_path, width):
    run(tmp_path, "--frame_steps", "0")
    page = html.escape((tmp_path / "report.html").read_text(encoding="utf-8"))
    measure = "document.title = this.contentDocument.documentElement.scrollWidth"
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<!doctype html><iframe width={width} style="border:0" srcdoc="{page}" onload="{measure}"></iframe>'
    )
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    command += [
        "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
        frame.as_uri(),
    ]
    dump = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert f"<title>{width}</title>" in dump
