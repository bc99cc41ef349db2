# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Models as graphs that ONNX Runtime and OpenVINO run, equal to the models at sizes that they were not made with."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from head_batches import make_batch

import modeling_allinone
from modeling_allinone import (
    AllInOneForMaskedLM,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    AllInOneModel,
    AllInOneProcessor,
    AllInOneVideoProcessor,
    Predictor,
)
from modeling_allinone.cli.app import main
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes
from modeling_allinone.integrations.onnx_export import export_onnx
from modeling_allinone.integrations.onnx_model import load_onnx

HEADS = {
    "AllInOneModel": "joint",
    "AllInOneForMaskedLM": "joint",
    "AllInOneForMultipleChoice": "texts",
    "AllInOneForPairedVisualReasoning": "two clips",
    "AllInOneForPreTraining": "joint",
    "AllInOneForVideoClassification": "video",
    "AllInOneForVideoQuestionAnswering": "joint",
    "AllInOneForVideoTextRetrieval": "joint",
    "AllInOneForVisualCommonsenseReasoning": "answers",
}
SIZES = ((1, 1, 1), (1, 3, 2), (4, 9, 3), (3, 16, 4))  # clips, frames of each, and tokens of its texts
ONNX = pytest.mark.door("ONNX, in ONNX Runtime", "onnx", "onnxruntime")
TRANSFORMERS_ONNX = pytest.mark.door("transformers' ONNX exporter, in ONNX Runtime", "onnxscript", "onnxruntime")
OPENVINO = pytest.mark.door("ONNX, in OpenVINO", "openvino")
INT8 = pytest.mark.door("ONNX, rounded to int8 by ONNX Runtime", "onnx", "onnxruntime")


@pytest.fixture(scope="module")
def make_model(tiny_config):
    """Make a tiny model whose patches are in random order, as is the default."""

    def make(name: str, **fields) -> torch.nn.Module:
        torch.manual_seed(0)
        labels = {"id2label": {0: "red", 1: "green", 2: "blue"}}
        prompt = {"prompt": "what", "prompt_input_ids": [2, 7, 3]} if "Classification" in name else {}
        config = tiny_config(num_hidden_layers=1, projection_dim=8, **labels, **prompt, **fields)
        return getattr(modeling_allinone, name)(config).eval()

    return make


@pytest.fixture(scope="module")
def answers_by(tmp_path_factory, make_model, processor):
    """A model that answers questions, its export, and rows to ask it about."""
    folder = tmp_path_factory.mktemp("exported")
    model = make_model("AllInOneForVideoQuestionAnswering")
    export = export_onnx(model, processor, folder / "fp32")
    assert export.files == ["model.onnx"] and export.largest_difference < 1e-5 < export.largest_number
    return model, folder / "fp32"


def ask_all(model, processor, rows) -> list:
    return [Predictor(model, processor).ask(row["video"], row["caption"]).top_k for row in rows]


@pytest.mark.parametrize(
    "runtime", [pytest.param("onnxruntime", marks=ONNX), pytest.param("openvino", marks=OPENVINO)]
)
def test_answers_are_the_models(runtime, answers_by, processor, rows):
    model, folder = answers_by
    exported, own_processor = load_onnx(folder, runtime)
    assert isinstance(exported, AllInOneForVideoQuestionAnswering) and not list(exported.parameters())
    for expected, got in zip(ask_all(model, processor, rows), ask_all(exported, own_processor, rows), strict=True):
        assert [one["answer"] for one in expected] == [one["answer"] for one in got]
        np.testing.assert_allclose([one["score"] for one in got], [one["score"] for one in expected], atol=1e-6)


@ONNX
def test_texts_find_the_clips_that_they_find(make_model, processor, rows, tmp_path):
    model = make_model("AllInOneForVideoTextRetrieval", use_pair_scorer=True)
    export = export_onnx(model, processor, tmp_path / "onnx")
    assert export.files == ["text_features.onnx", "video_features.onnx", "pairs.onnx"]
    exported, _ = load_onnx(tmp_path / "onnx")
    batch = processor(text=[row["caption"] for row in rows], videos=[row["video"] for row in rows])
    with torch.no_grad():
        expected = model(**batch)
        torch.testing.assert_close(exported(**batch).similarities, expected.similarities, atol=1e-5, rtol=0)
        options = [row["caption"] for row in rows[:3]]
        for score_by in ("pairs", "features"):
            predictors = [Predictor(one, processor, score_by) for one in (model, exported)]
            ours, theirs = (one.choose(rows[0]["video"], options) for one in predictors)
            assert [one["answer"] for one in ours.top_k] == [one["answer"] for one in theirs.top_k]
            assert abs(ours.score - theirs.score) < 1e-5


@INT8
def test_int8_is_smaller_and_close(answers_by, processor, tmp_path):
    model, folder = answers_by
    export = export_onnx(model, processor, tmp_path / "int8", int8=True)
    assert 1e-5 < export.largest_difference < 0.1 * export.largest_number
    sizes = [(place / "model.onnx").stat().st_size for place in (tmp_path / "int8", folder)]
    assert sizes[0] < sizes[1]
    assert json.loads((tmp_path / "int8/onnx.json").read_text())["weights"] == "int8"


def test_all_that_is_to_be_known_lies_beside_it(answers_by):
    described = json.loads((answers_by[1] / "onnx.json").read_text())
    graph = described["graphs"]["model"]
    assert graph["inputs"] == {
        "input_ids": {"type": "int64", "shape": ["batch", "tokens"]},
        "attention_mask": {"type": "int64", "shape": ["batch", "tokens"]},
        "pixel_values": {"type": "float32", "shape": ["batch", "frames", 3, 32, 32]},
    }
    assert graph["outputs"] == {"logits": {"type": "float32", "shape": ["batch", 3]}}
    assert described["labels"] == ["red", "green", "blue"]
    assert described["most"] == {"tokens": 16, "words": 99, "frames": 4}
    assert described["preprocessing"]["frames"]["crop_size"] == {"height": 32, "width": 32}
    assert (
        "| input | `pixel_values` | float32 | (batch, frames, 3, 32, 32) |"
        in (answers_by[1] / "README.md").read_text()
    )


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"input_ids": torch.zeros(1, 17, dtype=torch.long)},
            "input_ids has 17 tokens, but the model reads at most 16",
        ),
        ({"input_ids": torch.full((1, 5), 99)}, "input_ids holds 99 to 99, but the model knows 0 to 98"),
        ({"pixel_values": torch.zeros(1, 5, 3, 32, 32)}, "pixel_values has 5 frames, but the model reads at most 4"),
        ({"pixel_values": torch.zeros(1, 4, 3, 40, 32)}, "takes (batch, frames, 3, 32, 32), here with 32 and not 40"),
        ({"pixel_values": torch.zeros(2, 4, 3, 32, 32)}, "here with 1 and not 2 at batch"),
        ({"pixel_values": torch.zeros(1, 3, 32, 32)}, "pixel_values has shape (1, 3, 32, 32), but model.onnx takes"),
        (
            {"pixel_values": None},
            "takes input_ids, attention_mask, pixel_values; given were input_ids, attention_mask",
        ),
        ({"labels": torch.zeros(1)}, "given were input_ids, pixel_values, labels, attention_mask"),
    ],
)
def test_what_does_not_fit_is_refused(change, message, answers_by):
    words = torch.ones(1, 5, dtype=torch.long)
    inputs = {"input_ids": words, "attention_mask": None, "pixel_values": torch.zeros(1, 4, 3, 32, 32), **change}
    if "input_ids" in change:
        inputs["attention_mask"] = torch.ones_like(change["input_ids"])
    with pytest.raises(ValueError, match=re.escape(message)):
        load_onnx(answers_by[1])[0](**inputs)


def test_a_wrong_graph_is_not_written(make_model, processor, tmp_path, monkeypatch):
    model = make_model("AllInOneForVideoQuestionAnswering")
    other = make_model("AllInOneForVideoQuestionAnswering")
    other.classifier.out_proj.bias.data += 0.01
    write = modeling_allinone.integrations.onnx_export._write
    monkeypatch.setattr(modeling_allinone.integrations.onnx_export, "_write", lambda model, *rest: write(other, *rest))
    with pytest.raises(ValueError, match="gives other numbers than the model: they differ by up to 0.01"):
        export_onnx(model, processor, tmp_path / "onnx")
    assert not list(tmp_path.iterdir())


def test_the_command_exports_what_other_commands_ask(make_model, processor, rows, tmp_path, capsys):
    make_model("AllInOneForMaskedLM").save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    assert main(["export-onnx", str(tmp_path / "model"), str(tmp_path / "onnx")]) == 0
    assert "Checked on random inputs: numbers differ from the model's by" in capsys.readouterr().out
    told = []
    for name in ("model", "onnx"):
        asked = ["fill", rows[0]["video"], "a [MASK] ring", "--model", str(tmp_path / name)]
        assert main(asked) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert main(["export-onnx", str(tmp_path / "model"), str(tmp_path / "onnx")]) == 2
    assert "is not empty; pass --overwrite to replace it" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command, message",
    [
        ("export-onnx {0} {0}/onnx", "holds no model, since config.json is missing"),
        ("export-onnx {0}/headless {0}/onnx", "holds AllInOneModel (model_type 'allinone'), which has no head"),
        ("export-onnx {0}/nowhere/at/all {0}/onnx", "is no folder, and no repository of the Hub"),
    ],
)
def test_a_wrong_command_says_why(command, message, make_model, tmp_path, capsys):
    make_model("AllInOneModel").save_pretrained(tmp_path / "headless")
    assert main(command.format(tmp_path).split()) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "onnx").exists()


def test_what_cannot_be_exported_or_opened_says_why(make_model, processor, answers_by, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="in torch.bfloat16; load it with dtype='float32'"):
        export_onnx(make_model("AllInOneForMaskedLM").bfloat16(), processor, tmp_path / "onnx")
    with pytest.raises(ValueError, match="model is a OnnxAllInOneForVideoQuestionAnswering; expected one of"):
        export_onnx(load_onnx(answers_by[1])[0], processor, tmp_path / "onnx")
    with pytest.raises(OSError, match=r"holds no exported model, since onnx\.json is missing"):
        load_onnx(tmp_path)
    with pytest.raises(ValueError, match="runtime is 'tensorrt'; expected one of onnxruntime, openvino"):
        load_onnx(answers_by[1], "tensorrt")
    with pytest.raises(ValueError, match="device is 'npu', but ONNX Runtime has"):
        load_onnx(answers_by[1], device="npu")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=re.escape('pip install "modeling_allinone[export]"')):
        export_onnx(make_model("AllInOneForMaskedLM"), processor, tmp_path / "onnx")
