# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Models, processors, folders with code and the Space go to a stand-in of the Hub, and come back the same."""

import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import nullcontext
from pathlib import Path

import hub_user
import pytest
import torch
from hub_server import TOKEN, USER, HubServer
from test_remote_code import build_model, build_processor, computed, inputs_of, save_with_code
from video_fixtures import grey_frames

import modeling_allinone
from modeling_allinone import AllInOneForPreTraining, AllInOneProcessor, create_model_card, saving_code
from modeling_allinone.models.saving_allinone import LOADER

ROOT = Path(modeling_allinone.__file__).parent.parent
PLAIN = {"config.json", "model.safetensors", "processor_config.json", "tokenizer.json", "tokenizer_config.json"}
PACKAGE = ("modeling_allinone",)


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_config) -> Path:
    """A pre-training model and its processor, saved without code."""
    folder = tmp_path_factory.mktemp("somewhere") / "saved"
    torch.manual_seed(0)
    build_model("AllInOneForPreTraining", tiny_config).save_pretrained(folder)
    build_processor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def inputs(tiny_inputs):
    return inputs_of("AllInOneForPreTraining", tiny_inputs())


@pytest.fixture(scope="module")
def expected(saved, inputs):
    """What the model and the processor give that were never uploaded."""
    processor = AllInOneProcessor.from_pretrained(saved)
    return {
        "classes": ["AllInOneConfig", "AllInOneForPreTraining", "AllInOneProcessor"],
        "outputs": computed(AllInOneForPreTraining.from_pretrained(saved), inputs),
        "processed": dict(processor(text="a dog runs", videos=grey_frames())),
        "tokens": processor.tokenizer("a dog runs")["input_ids"],
    }


def assert_equal(found: dict, expected: dict, module: str):
    assert found["modules"] == {module}
    for name in ("outputs", "processed"):
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=0)
    for name in ("classes", "tokens"):
        assert found[name] == expected[name]


def assert_tells_nothing(files: dict[str, bytes], *places: Path):
    """No file has the token, or a path of this machine, or is of a cache."""
    secrets = [TOKEN, *map(str, (Path.home(), Path.cwd(), *places))]
    for path, content in files.items():
        assert "__pycache__" not in path and not path.startswith("."), path
        for secret in secrets:
            assert len(secret) < 3 or secret.encode() not in content, f"{path} has {secret}"


@pytest.mark.door("models and processors on the Hub (a stand-in)", "huggingface-hub", "transformers")
def test_a_pushed_model_comes_back(hub, saved, inputs, expected, tmp_path):
    repo = f"{USER}/plain"
    hub.call(tmp_path / "writer", (), hub_user.push, saved, repo, False)
    files = hub.files(repo)
    assert set(files) == PLAIN | {"README.md", f"{LOADER}.py"}
    assert hub.repositories["models", repo].large == {"model.safetensors"}
    assert_tells_nothing(files, saved.parent, tmp_path)
    arguments = (repo, "AutoModelForPreTraining", inputs, grey_frames())
    found = hub.call(tmp_path / "reader", (), hub_user.load_by_package, *arguments)
    assert_equal(found, expected, "modeling_allinone")


def test_a_pushed_model_asks_for_the_package_where_it_is_not_imported(hub, saved, inputs, expected, tmp_path):
    repo = f"{USER}/asking"
    hub.call(tmp_path / "writer", (), hub_user.upload, saved, repo)
    arguments = (repo, "AutoModelForPreTraining", inputs, grey_frames())
    said = hub.call(tmp_path / "careful", (), hub_user.what_is_said, hub_user.load, *arguments)
    assert "pass the argument `trust_remote_code=True`" in said
    said = hub.call(tmp_path / "without", PACKAGE, hub_user.what_is_said, hub_user.load_trusting, *arguments)
    assert "pip install modeling_allinone" in said
    found = hub.call(tmp_path / "with", (), hub_user.load_trusting, *arguments)
    assert_equal(found, expected, "modeling_allinone")


@pytest.mark.door("folders with code on the Hub (a stand-in), without the package", "huggingface-hub", "transformers")
@pytest.mark.parametrize("way", ("push_to_hub", "upload_folder"))
def test_code_comes_along(hub, saved, inputs, expected, tiny_inputs, tmp_path, way):
    """As `saving_code` is documented, or as a folder that was written with code; and again after fine-tuning."""
    repo = f"{USER}/with-code-by-{way}"
    if way == "push_to_hub":
        hub.call(tmp_path / "writer", (), hub_user.push, saved, repo, True)
    else:
        model = AllInOneForPreTraining.from_pretrained(saved)
        folder = save_with_code(tmp_path / "folder", model, AllInOneProcessor.from_pretrained(saved))
        hub.call(tmp_path / "writer", (), hub_user.upload, folder, repo)
        assert hub.files(repo) == {path.name: path.read_bytes() for path in folder.iterdir()}
    files = hub.files(repo)
    code = {path: content for path, content in files.items() if path.endswith(".py")}
    assert "modeling_pretraining_allinone.py" in code and f"{LOADER}.py" not in code
    assert_tells_nothing(files, saved.parent, tmp_path)
    arguments = (repo, "AutoModelForPreTraining", inputs, grey_frames())
    found = hub.call(tmp_path / "reader", PACKAGE, hub_user.load_trusting, *arguments)
    assert_equal(found, expected, "transformers_modules")
    assert hub.call(tmp_path / "reader", PACKAGE, hub_user.load_video_processor, repo) == ["AllInOneVideoProcessor"]

    tuned = f"{USER}/tuned-by-{way}"
    total = hub.call(tmp_path / "reader", PACKAGE, hub_user.tune, repo, tuned)
    assert {path: hub.files(tuned).get(path) for path in code} == code
    assert_tells_nothing(hub.files(tuned), saved.parent, tmp_path)
    for auto_class in ("AutoModel", "AutoModelForVisualQuestionAnswering"):
        arguments = (tuned, auto_class, tiny_inputs(), grey_frames())
        found = hub.call(tmp_path / f"reader of {auto_class}", PACKAGE, hub_user.load_trusting, *arguments)
        assert found["classes"][1] == "AllInOneForVideoQuestionAnswering" and found["sum"] == total
    other = hub.call(
        tmp_path / "other", PACKAGE, hub_user.load_trusting, tuned, "AutoModelForMaskedLM", *arguments[2:]
    )
    assert other["classes"][1] == "AllInOneForMaskedLM"


@pytest.mark.parametrize("with_code", (False, True), ids=("with the package", "with code"))
def test_cards_run(hub, saved, tmp_path, with_code):
    """What somebody copies from the page of a model."""
    repo, model = f"{USER}/carded-{with_code}", AllInOneForPreTraining.from_pretrained(saved)
    processor = AllInOneProcessor.from_pretrained(saved)
    with saving_code(model, processor) if with_code else nullcontext():
        model.save_pretrained(tmp_path / "folder")
        processor.save_pretrained(tmp_path / "folder")
    card = create_model_card(model.config, type(model).__name__, repo, "Of a test.", has_code=with_code)
    card.save(tmp_path / "folder" / "README.md")
    hub.call(tmp_path / "writer", (), hub_user.upload, tmp_path / "folder", repo)
    hub.call(tmp_path / "reader", PACKAGE if with_code else (), hub_user.run_card, repo)


@pytest.mark.slow
def test_a_new_interpreter_loads_it(hub, saved, inputs, expected, tmp_path):
    """As the others, but not forked from a process that has read other variables of the environment before."""
    repo = f"{USER}/for-a-new-interpreter"
    hub.call(tmp_path / "writer", (), hub_user.push, saved, repo, True)
    torch.save(inputs, tmp_path / "inputs.pt")
    program = f"""
import sys
sys.modules["modeling_allinone"] = None
import torch
from transformers import AutoModelForPreTraining
model = AutoModelForPreTraining.from_pretrained({repo!r}, trust_remote_code=True).eval()
with torch.no_grad():
    torch.save(dict(model(**torch.load("inputs.pt"))), "outputs.pt")
"""
    variables = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=os.environ | variables, check=True, timeout=200)
    found = torch.load(tmp_path / "outputs.pt")
    for name, value in expected["outputs"].items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.door("the Space on the Hub (a stand-in)", "huggingface-hub")
def test_the_space_is_uploaded(hub, tmp_path):
    folder, repo = ROOT / "examples" / "space", f"{USER}/space"
    hub.call(tmp_path, (), hub_user.upload, folder, repo, repo_type="space", space_sdk="gradio")
    assert set(hub.files(repo, "spaces")) == {"README.md", "app.py", "requirements.txt"}
    assert_tells_nothing(hub.files(repo, "spaces"), tmp_path)


class TestStandIn:
    """It refuses what the Hub would refuse; else the tests above would say little."""

    @pytest.mark.parametrize("token", (None, "hf_of_somebody_else"))
    def test_nobody_else_writes(self, hub, saved, tmp_path, token):
        said = hub.call(tmp_path, (), hub_user.what_is_said, hub_user.upload, saved, f"{USER}/refused", token=token)
        assert "401" in said
        assert ("models", f"{USER}/refused") not in hub.repositories

    def test_to_nobody_else(self, hub, saved, tmp_path):
        said = hub.call(tmp_path, (), hub_user.what_is_said, hub_user.upload, saved, "anybody/refused")
        assert "403" in said and "rights to write under the namespace" in said

    def test_large_files_are_what_they_were_announced_as(self, hub):
        content = b"weights"
        right = hashlib.sha256(content).hexdigest()
        for oid, size in ((right, 8), (hashlib.sha256(b"others").hexdigest(), 7)):
            hub.announced[oid] = size
            with pytest.raises(urllib.error.HTTPError, match="400"):
                put(hub, oid, content)
            assert oid not in hub.objects
        hub.announced[right] = 7
        assert put(hub, right, content) == 200 and hub.objects[right] == content

    def test_commits_hold_large_files_that_are_here_alone(self, hub, saved, tmp_path):
        repo = f"{USER}/pointing"
        hub.call(tmp_path, (), hub_user.upload, saved, repo)
        pointer = {"key": "lfsFile", "value": {"path": "other.bin", "algo": "sha256", "oid": "0" * 64, "size": 3}}
        body = "\n".join(map(json.dumps, ({"key": "header", "value": {"summary": "x"}}, pointer))).encode()
        with pytest.raises(urllib.error.HTTPError, match="400"):
            send(hub, "POST", f"/api/models/{repo}/commit/main", body)
        assert "other.bin" not in hub.files(repo)

    def test_what_it_lacks_it_says(self):
        with HubServer() as hub, pytest.raises(urllib.error.HTTPError, match="501"):
            send(hub, "POST", "/api/models/a/b/branch/new", b"")
        assert hub.not_known == ["POST /api/models/a/b/branch/new"]

    def test_private_repositories_are_hidden(self, hub, saved, tmp_path):
        repo = f"{USER}/hidden"
        hub.call(tmp_path, (), hub_user.upload, saved, repo, private=True)
        arguments = (hub_user.what_is_said, hub_user.load_config, repo)
        assert "OSError" in hub.call(tmp_path / "anybody", (), *arguments, token=None)
        assert hub.call(tmp_path / "owner", (), *arguments) == "nothing"


def send(hub: HubServer, method: str, path: str, content: bytes) -> int:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"{hub.url}{path}", content, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.status


def put(hub: HubServer, oid: str, content: bytes) -> int:
    return send(hub, "PUT", f"/large/{oid}", content)
