# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What somebody who has not imported this package does with pipelines; `test_pipelines.py` calls it."""

import logging
import sys
from pathlib import Path

import torch
from clean_processes import keep_code_in
from transformers import AutoModelForVisualQuestionAnswering, AutoProcessor, pipeline
from transformers.utils import logging as transformers_logging

TRUST = {"trust_remote_code": True, "device": "cpu"}


def ask_everything(folders: dict[str, str], calls: dict[str, dict], clip: str, modules: Path) -> dict[str, object]:
    """For each task, what its pipeline says and where its classes are from; and as the first saves itself."""
    keep_code_in(modules)
    found: dict[str, object] = {}
    for task, folder in folders.items():
        ask = pipeline(task, model=folder, **TRUST)
        classes = [type(part).__module__ for part in (ask, ask.model, ask.processor)]
        found[task] = {"answers": ask(clip, **calls[task]), "classes": classes}
        if "saved and reopened" not in found:
            ask.save_pretrained(modules / "saved")
            again = pipeline(task, model=str(modules / "saved"), **TRUST)
            found["saved and reopened"] = again(clip, **calls[task])
    assert not any(name.partition(".")[0] == "modeling_allinone" for name, module in sys.modules.items() if module)
    return found


def classify(folder: str, clip: str, modules: Path) -> tuple[list[dict], list[str]]:
    """What transformers' own pipeline says, and what it warns of."""
    keep_code_in(modules)
    warnings: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: warnings.append(record.getMessage())
    transformers_logging.add_handler(handler)
    found = pipeline("video-classification", model=folder, **TRUST)(clip)
    return found, [warning for warning in warnings if "not supported" in warning]


def change_head(folder: str, clip: str, modules: Path) -> list[dict]:
    """What the pipeline says of a folder that was saved with another head than it was opened with."""
    keep_code_in(modules)
    torch.manual_seed(0)
    model = AutoModelForVisualQuestionAnswering.from_pretrained(folder, trust_remote_code=True)
    model.save_pretrained(modules / "changed")
    AutoProcessor.from_pretrained(folder, trust_remote_code=True).save_pretrained(modules / "changed")
    return pipeline(model=str(modules / "changed"), **TRUST)(clip, "a ring?")


def ask_plain_folder(task: str, folder: str, call: dict, clip: str, modules: Path, trusted: bool | None) -> object:
    """What the pipeline says of a folder without code, or what it raises."""
    keep_code_in(modules)
    try:
        return pipeline(task, model=folder, trust_remote_code=trusted, device="cpu")(clip, **call)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
