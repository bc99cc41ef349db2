# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone info` says what a checkpoint is, and what is wrong with one that is broken."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants
from original_checkpoints import CASES

import modeling_allinone
from modeling_allinone import Predictor, describe_checkpoint
from modeling_allinone.conversion.fingerprint import take_fingerprint
from modeling_allinone.conversion.key_map import TASK_CLASSES
from modeling_allinone.evaluation.predictor import METHODS

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


def test_folder(allinone, shipped):
    status, found, _ = allinone("info", shipped[1], is_json=True)
    model = modeling_allinone.AllInOneForPreTraining.from_pretrained(shipped[1])
    assert status == 0 and found["class_name"] == "AllInOneForPreTraining"
    assert found["fingerprint"] == take_fingerprint(model).digest
    assert found["num_parameters"] == model.num_parameters() and found["vocab_size"] == 222
    assert found["num_frames"] == 4 and found["image_size"] == [48, 48] and found["text_length"] == 40
    assert found["transformers_version"] and found["dtype"] == "float32"
    output = allinone("info", shipped[1])[1]
    assert found["fingerprint"] in output and "fill, choose, classify" in output


def test_labels_and_card(allinone, answering, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(answering, folder)
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: some/other\n---\n# A model\n")
    found = allinone("info", folder, is_json=True)[1]
    assert found["labels"] == ["rot", "blau", "grün"] and found["methods"] == ["ask"]
    assert (found["license"], found["base_model"]) == ("mit", "some/other")
    assert "3: rot, blau, grün" in allinone("info", folder)[1]


ALL_CLASSES = [
    *((name, None) for name in TASK_CLASSES.values() if name != "AllInOneForPreTraining"),
    *(
        ("AllInOneForPreTraining", names)
        for names in (None, ["contrastive"], ["matching", "clip_order"], ["clip_order"])
    ),
]


@pytest.mark.parametrize(("name", "objectives"), ALL_CLASSES)
def test_methods_are_those_of_the_predictor(tiny_config, processor, tmp_path, name, objectives):
    model = getattr(modeling_allinone, name)(tiny_config(pretraining_objectives=objectives))
    model.save_pretrained(tmp_path)
    found = describe_checkpoint(tmp_path)
    try:
        expected = {METHODS[task] for task in Predictor(model, processor).tasks}
    except ValueError:
        expected = set()
    assert set(found.methods) == expected and found.vocab_size is None


def test_repository_and_file_of_weights_stand_for_their_folder(allinone, answering, tmp_path, monkeypatch):
    expected = allinone("info", answering, is_json=True)[1]
    repository = tmp_path / "models--me--tiny"
    shutil.copytree(answering, repository / "snapshots/abc")
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name, called in (("me/tiny", "me/tiny"), (f"{answering}/model.safetensors", answering)):
        assert allinone("info", name, is_json=True)[1] == expected | {"name": called}


def test_original(allinone):
    path = CASES / "cotrain_video/original.ckpt"
    found = allinone("info", path, is_json=True)[1]
    assert found["class_name"] is None and found["heads"]
    assert found["fingerprint"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert all(command.startswith(f"allinone convert {path} original --task ") for command in found["commands"])
    assert f"allinone convert {path} original --task masked-lm\n" in allinone("info", path)[1]
    (command,) = allinone("info", CASES / "open_ended_qa/original.ckpt", is_json=True)[1]["commands"]
    assert command.endswith("--task question-answering")


def cut(folder: Path):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def change_type(folder: Path):
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["BertModel"]}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), r"There is no model\.safetensors in .*model\."),
        (lambda folder: (folder / "config.json").unlink(), r"config\.json is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json cannot be read"),
        (cut, r"model\.safetensors is damaged or truncated"),
        (change_type, r"config\.json has model_type 'bert'"),
        (lambda folder: shutil.rmtree(folder), r"'.*model' is no folder, no file, and no repository of the Hub"),
        (lambda folder: shutil.rmtree(folder) or folder.write_text("film"), r"model is not a PyTorch checkpoint"),
    ],
)
def test_what_is_broken_is_named(allinone, answering, tmp_path, spoil, message):
    folder = tmp_path / "model"
    shutil.copytree(answering, folder)
    spoil(folder)
    status, output, errors = allinone("info", folder)
    assert (status, output) == (2, "") and re.fullmatch(f"error: .*{message}.*\n", errors), errors
