# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""A folder that holds no model that can be asked: one error that says what it holds, and what to do."""

import json

import pytest
import torch

from modeling_allinone import (
    AllInOneForMultipleChoice,
    AllInOneForPairedVisualReasoning,
    AllInOneForVisualCommonsenseReasoning,
    AllInOneModel,
)
from modeling_allinone.evaluation import load_pretrained


@pytest.fixture
def folder(config, processor, tmp_path):
    """A whole model with its processor."""
    AllInOneForMultipleChoice(config).save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize(
    "model_class, message",
    [
        (AllInOneModel, "AllInOneModel .*, which has no head; load it by AllInOneModel.from_pretrained; expected one"),
        (
            AllInOneForPairedVisualReasoning,
            ".* which judges pairs of images; load it by AllInOneForPairedVisualReasoning",
        ),
        (AllInOneForVisualCommonsenseReasoning, ".* an answer and a rationale of VCR; load it by .*; expected one of"),
    ],
)
def test_models_of_another_head(tiny_config, tmp_path, model_class, message):
    model_class(tiny_config(modality_type_vocab_size=3)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=rf"{tmp_path} holds {message}"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"config.json": None}, "holds no model, since config.json is missing"),
        ({"config.json": "{"}, "config.json' is not a valid JSON file"),
        (
            {"config.json": '{"model_type": "bert", "architectures": ["BertModel"]}'},
            r"BertModel \(model_type 'bert'\)",
        ),
        ({"config.json": '{"model_type": "allinone"}'}, "a model without a name"),
        ({"model.safetensors": None}, "no file named model.safetensors"),
        ({"model.safetensors": "weights"}, "The weights in .* are broken"),
        ({"processor_config.json": None}, "without the processor .*processor.save_pretrained"),
        ({"tokenizer.json": None, "tokenizer_config.json": None}, "without the processor .*processor.save_pretrained"),
    ],
)
def test_files_that_are_missing_or_broken(folder, change, message):
    for name, text in change.items():
        (folder / name).unlink()
        if text is not None:
            (folder / name).write_text(text)
    with pytest.raises((OSError, ValueError), match=message) as raised:
        load_pretrained(folder)
    assert str(folder) in str(raised.value)


def test_weights_of_another_head(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["AllInOneForVideoQuestionAnswering"]}))
    with pytest.raises(ValueError, match="says that it holds AllInOneForVideoQuestionAnswering, but it lacks classif"):
        load_pretrained(folder)


def test_what_is_no_folder(folder, tmp_path):
    with pytest.raises(ValueError, match=r"config.json is a file; give the folder"):
        load_pretrained(folder / "config.json")
    for name in ("nowhere", "someone/nowhere", str(tmp_path / "nowhere/at all")):
        with pytest.raises(OSError, match=f"'{name}' is no folder, and no repository of the Hub that can be read"):
            load_pretrained(name)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"device": "gpu"}, "device is 'gpu'; expected 'cpu', 'cuda'"),
        ({"device": "cuda:99"}, "device is 'cuda:99', but this machine has"),
        ({"dtype": "float23"}, "dtype is 'float23'; expected 'float32', 'bfloat16' or 'float16'"),
        ({"dtype": torch.int8}, "dtype is torch.int8"),
    ],
)
def test_devices_and_types(folder, options, message):
    with pytest.raises(ValueError, match=message):
        load_pretrained(folder, **options)
