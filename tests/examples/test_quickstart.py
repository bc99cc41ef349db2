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
        monkeypatch.setattr(sys, "argv", ["quickstart.py", "--output_dir", str(output_dir), *small, *arguments])
        capsys.readouterr()
        load_script("quickstart").main()
        return capsys.readouterr().out

    return run


def test_starts_from_the_pretrained_model_and_from_nothing(run, tmp_path):
    output = run(tmp_path, "--frame_steps", "0")
    model = AutoModelForVisualQuestionAnswering.from_pretrained(tmp_path / "model-token_roll")
    assert model.config.temporal_mixing == "token_roll" and model.config.num_labels == 20
    record = json.loads((tmp_path / "model-token_roll" / "quickstart.json").read_text())
    assert {entry["stage"] for entry in record["history"]} == {"clips"} and "single-frame kinds" in output
    words = model.allinone.get_input_embeddings().weight
    pretrained = AutoModelForPreTraining.from_pretrained(EXAMPLES / "checkpoints" / "moving-shapes")
    assert words.shape == pretrained.get_input_embeddings().weight.shape
    assert (words - pretrained.get_input_embeddings().weight).abs().max() < 0.01, "two steps away"
    page = (tmp_path / "report.html").read_text()
    assert "from a pre-trained model" in page

    assert "Training was done before" in run(tmp_path, "--frame_steps", "0")
    anew = run(tmp_path, "--from_scratch")
    assert "Training was done before" not in anew, "other settings"


def test_quickstart_runs_and_uses_again_what_is_there(run, tmp_path):
    scratch = ("--from_scratch", "--temporal_mixing", "channel_shift")
    output = run(tmp_path, *scratch)
    for expected in ("single-frame kinds", "time kinds", "background drift", "reversed", "one frame", "blank"):
        assert expected in output
    model_dir = tmp_path / "model-channel_shift"
    record = json.loads((model_dir / "quickstart.json").read_text())
    assert {entry["stage"] for entry in record["history"]} == {"single frames", "clips"}
    assert set(record["scores"]) == {"clip", "reversed", "one frame", "blank", "chance"}
    page = (tmp_path / "report.html").read_text()
    num_answers = output.count("(right: ")
    assert num_answers >= 5 and page.count("data:image/png;base64,") == num_answers + 1, "each clip, and the curve"
    assert "temporal mixing channel_shift" in page

    model = AutoModelForVisualQuestionAnswering.from_pretrained(model_dir)
    assert model.config.temporal_mixing == "channel_shift" and model.config.num_labels == 20
    processor = AutoProcessor.from_pretrained(model_dir)
    assert processor.video_processor.num_frames == 4 and processor.tokenizer.model_max_length == 16

    weights = (model_dir / "model.safetensors").stat()
    again = run(tmp_path, *scratch)
    assert "Training was done before" in again
    assert (model_dir / "model.safetensors").stat().st_mtime_ns == weights.st_mtime_ns
    scores_and_answers = output[output.index("exact match") : output.index("6. Report")]
    assert scores_and_answers in again
