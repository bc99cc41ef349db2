# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The quickstart, small: to a report, from a pre-trained model and from nothing, and again from what is there."""

import json
import sys
from pathlib import Path

import pytest
from script_runs import EXAMPLES, load_script
from transformers import AutoModelForPreTraining, AutoModelForVisualQuestionAnswering, AutoProcessor


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

    return run


def test_quickstart(run, tmp_path):
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
    page = (tmp_path / "report.html").read_text()
    num_answers = output.count("(right: ")
    assert num_answers >= 5 and page.count("data:image/png;base64,") == num_answers + 1, "each clip, and the curve"
    assert "temporal mixing channel_shift" in page and "from a pre-trained model" in page

    weights = (model_dir / "model.safetensors").stat()
    again = run(tmp_path, "--frame_steps", "0")
    assert "Training was done before" in again
    assert (model_dir / "model.safetensors").stat().st_mtime_ns == weights.st_mtime_ns
    assert output[output.index("exact match") : output.index("6. Report")] in again, "the same scores and answers"

    anew = run(tmp_path, "--from_scratch")
    assert "Training was done before" not in anew, "other settings"
    record = json.loads((model_dir / "quickstart.json").read_text())
    assert {entry["stage"] for entry in record["history"]} == {"single frames", "clips"}
    assert AutoModelForVisualQuestionAnswering.from_pretrained(model_dir).config.temporal_mixing == "channel_shift"
    processor = AutoProcessor.from_pretrained(model_dir)
    assert processor.video_processor.num_frames == 4 and processor.tokenizer.model_max_length == 16
    assert "from scratch" in (tmp_path / "report.html").read_text()
