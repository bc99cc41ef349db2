# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Training with `push_to_hub`, against a stand-in of the Hub: the model with its card, and nothing of the machine."""

import pickletools
import zipfile
from pathlib import Path

import pushing_runs
import pytest
import torch
from hub_server import TOKEN, USER
from huggingface_hub import ModelCard
from script_runs import write_splits

from modeling_allinone import (
    AllInOneForMaskedLM,
    AllInOneForVideoQuestionAnswering,
    AllInOneProcessor,
    AllInOneTrainingArguments,
    AllInOneVideoProcessor,
)
from modeling_allinone.datasets import answer_vocabulary, load_moving_shapes, train_tokenizer
from modeling_allinone.models.saving_allinone import LOADER

MODEL = {"README.md", "config.json", "model.safetensors", f"{LOADER}.py"}
MODEL |= {"processor_config.json", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_splits(tmp_path_factory.mktemp("shapes"), train=2, validation=1, test=1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_config, shapes) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = train_tokenizer(load_moving_shapes(shapes))
    tokenizer.model_max_length = 16
    torch.manual_seed(0)
    config = tiny_config(num_hidden_layers=1, num_frames=3, vocab_size=len(tokenizer))
    AllInOneForMaskedLM(config).save_pretrained(folder)
    AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=36, crop_size=32), tokenizer).save_pretrained(folder)
    return folder


def assert_no_file_has(files: dict[str, bytes], *secrets: str):
    for path, content in files.items():
        for secret in secrets:
            assert secret.encode() not in content, f"{path} has {secret}"


@pytest.mark.door("push_to_hub of our Trainer, with its card and no token", "huggingface-hub", "transformers")
@pytest.mark.parametrize(("lora_rank", "checkpoints"), ((0, "no"), (2, "steps")))
def test_a_script_pushes_the_scored_model(hub, shapes, tiny, tmp_path, lora_rank, checkpoints):
    """Without the files that name places of the machine, and with adapters merged, once."""
    output_dir, name = tmp_path / "output", f"run-{lora_rank}-{checkpoints}"
    options = {
        "task": "question-answering",
        "dataset": "moving_shapes",
        "data_dir": shapes,
        "model_name_or_path": tiny,
        "output_dir": output_dir,
        "do_train": True,
        "max_steps": 2,
        "learning_rate": 0.1,
        "warmup_steps": 0,
        "per_device_train_batch_size": 4,
        "lora_rank": lora_rank,
        "save_strategy": checkpoints,
        "save_steps": 1,
        "push_to_hub": True,
        "hub_model_id": name,
        "hub_token": TOKEN,
        "hub_always_push": True,
    }
    arguments = [word for key, value in options.items() for word in (f"--{key}", value)]
    assert hub.call(tmp_path / "writer", (), pushing_runs.run, *arguments, token=None) == 0
    files, repo = hub.files(f"{USER}/{name}"), f"{USER}/{name}"
    assert set(files) == MODEL
    assert_no_file_has(files, TOKEN, str(tmp_path), str(shapes.parent), str(Path.cwd()))
    card = ModelCard(files["README.md"].decode())
    assert card.data.eval_results[0].metric_type == "accuracy" and f'.from_pretrained("{repo}")' in card.content
    pushed, here = (hub.call(tmp_path / "reader", (), pushing_runs.load, place) for place in (repo, str(output_dir)))
    torch.testing.assert_close(pushed, here, rtol=0, atol=0)
    if lora_rank:
        assert not any("lora" in key for key in here) and (output_dir / "adapter" / "adapter_config.json").is_file()
    for path in output_dir.rglob("training_args.bin"):
        assert TOKEN not in texts_in(path)


OWN_CARD = '---\nlicense: other\n---\nMine: `from_pretrained("{folder}")`'


@pytest.mark.door("push_to_hub of our Trainer, with its card and no token", "huggingface-hub", "transformers")
@pytest.mark.parametrize("case", ("plain", "own-card", "with-code"))
def test_the_trainer_pushes_our_card(hub, tiny, tmp_path, case):
    """With the last figures; but a card that somebody has written stays, and loads from where it is."""
    output_dir, repo = tmp_path / "output", f"{USER}/trained-{case}"
    own_card = OWN_CARD.format(folder=output_dir) if case == "own-card" else None
    arguments = (tiny, output_dir, repo, TOKEN, own_card, case == "with-code")
    hub.call(tmp_path / "writer", (), pushing_runs.train_in_python, *arguments, token=None)
    files, text = hub.files(repo), hub.files(repo)["README.md"].decode()
    code = {path for path in files if path.endswith("_allinone.py") and path != f"{LOADER}.py"}
    assert set(files) - code == MODEL | {"training_args.bin"} and bool(code) == (case == "with-code")
    assert hub.repositories["models", repo].messages == ["Before training", "End of training"]
    assert TOKEN not in texts_in(output_dir / "training_args.bin")
    trust = ", trust_remote_code=True" if case == "with-code" else ""
    assert f'from_pretrained("{repo}"{trust})' in text and str(tmp_path) not in text
    if own_card is None:
        data = ModelCard(text).data
        assert data.license == "mit" and {"shapes", "allinone"} <= set(data.tags)
        assert "| number of steps | 1 |" in text
    else:
        assert text == own_card.replace(str(output_dir), repo)
    here = hub.call(tmp_path / "reader", (), pushing_runs.load, str(output_dir))
    hidden, loader = (), pushing_runs.load
    if case == "with-code":
        hidden, loader = ("modeling_allinone",), pushing_runs.load_with_code
    torch.testing.assert_close(hub.call(tmp_path / "reader", hidden, loader, repo), here, rtol=0, atol=0)


@pytest.mark.door("push_to_hub of transformers' Trainer", "transformers", "huggingface-hub")
def test_the_trainer_of_transformers_pushes(hub, tiny, tmp_path):
    output_dir, repo = tmp_path / "output", f"{USER}/trained-by-transformers"
    hub.call(tmp_path / "writer", (), pushing_runs.train_by_transformers, tiny, output_dir, repo)
    assert set(hub.files(repo)) == MODEL | {"training_args.bin"}
    pushed, here = (hub.call(tmp_path / "reader", (), pushing_runs.load, place) for place in (repo, str(output_dir)))
    torch.testing.assert_close(pushed, here, rtol=0, atol=0)


def test_scoring_pushes_nothing(hub, shapes, tiny, tmp_path):
    """With a recipe that pushes what it trains."""
    answers = dict(enumerate(answer_vocabulary("easy")))
    AllInOneForVideoQuestionAnswering.from_pretrained(tiny, id2label=answers).save_pretrained(tmp_path)
    AllInOneProcessor.from_pretrained(tiny).save_pretrained(tmp_path)
    options = {
        "task": "question-answering",
        "dataset": "moving_shapes",
        "data_dir": shapes,
        "model_name_or_path": tmp_path,
        "output_dir": tmp_path / "output",
        "push_to_hub": True,
        "hub_model_id": "scored",
    }
    arguments = [word for key, value in options.items() for word in (f"--{key}", value)]
    assert hub.call(tmp_path / "home", (), pushing_runs.run, *arguments) == 0
    assert (tmp_path / "output" / "results.json").is_file() and ("models", f"{USER}/scored") not in hub.repositories


def texts_in(path: Path) -> set[str]:
    """All texts of a file that `torch.save` wrote."""
    with zipfile.ZipFile(path) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("data.pkl")]
        return {value for _, value, _ in pickletools.genops(archive.read(name)) if isinstance(value, str)}


def test_saved_arguments_have_no_token(tmp_path):
    arguments = AllInOneTrainingArguments(tmp_path / "output", hub_token=TOKEN, use_cpu=True)
    torch.save(arguments, tmp_path / "arguments.bin")
    assert TOKEN not in texts_in(tmp_path / "arguments.bin") and arguments.hub_token == TOKEN
    assert "adamw_torch_fused" in texts_in(tmp_path / "arguments.bin"), "as texts are found"
