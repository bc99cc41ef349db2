# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Which checkpoint a run goes on from: the newest that is whole."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import TrainingArguments
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.trainer_utils import sort_checkpoints
from transformers.utils import logging

logger = logging.get_logger(__name__)

# What Accelerate's `save_state` writes of a model, its optimiser, and one more object, such as a schedule.
ACCELERATE_FILES = ("*.safetensors", "optimizer.bin", "random_states_*.pkl", "custom_checkpoint_0.pkl")

_RANDOM_STATES = "rng_state*.pth"
_ARCHIVES = (".pt", ".pth", ".bin", ".pkl")  # of torch, which are zip files with checksums


def resumes(training_arguments: TrainingArguments) -> bool:
    """
    Whether a run is to go on from a checkpoint.

    Args:
        training_arguments (`TrainingArguments`)

    Returns:
        `bool`
    """
    return str(training_arguments.resume_from_checkpoint or "false").lower() != "false"


def find_checkpoint(training_arguments: TrainingArguments, needed: Sequence[str] | None = None) -> str | None:
    """
    The checkpoint to go on from: a run may be killed, or the disk be full, while it writes one.

    Args:
        training_arguments (`TrainingArguments`): `resume_from_checkpoint` names one, or is true for the newest of the
            output folder. In place of one that is damaged, the newest whole one of its folder is taken, and that said.
        needed (sequence of `str`, *optional*): Patterns of files that a checkpoint must have. Default: those that the
            Trainer writes.

    Returns:
        `str`, or `None` to start from the first step.

    Raises:
        ValueError: If a checkpoint that is named is damaged, and its folder has no whole one.
        FileNotFoundError: If it is not there.
    """
    if not resumes(training_arguments):
        return None
    if needed is None:
        needed = _files_of_trainer(training_arguments)
    folder, named = Path(training_arguments.output_dir or ""), None
    asked = str(training_arguments.resume_from_checkpoint)
    if asked.lower() != "true":
        named = Path(asked)
        if not named.is_dir():
            raise FileNotFoundError(f"There is no checkpoint {named} to go on from.")
        folder = named.parent
    candidates = [Path(path) for path in reversed(sort_checkpoints(str(folder)))]
    if named is not None:
        candidates = [named, *(path for path in candidates if path.resolve() != named.resolve())]
    for path in candidates:
        damage = find_damage(path, needed)
        if damage is None:
            if path != candidates[0]:
                logger.warning(f"Training goes on from {path} in its place.")
            return str(path)
        logger.warning(f"The checkpoint {path} is damaged ({damage}).")
    if named is not None:
        raise ValueError(f"The checkpoint {named} is damaged, and {folder} has no whole one; start over.")
    logger.warning(f"{folder} has no whole checkpoint to go on from: training starts over.")
    return None


def _files_of_trainer(training_arguments: TrainingArguments) -> list[str]:
    """What Trainer writes; a model that is sharded has its optimiser in folders of other names."""
    is_sharded = training_arguments.deepspeed is not None or bool(training_arguments.fsdp)
    if is_sharded:
        return [TRAINER_STATE_NAME, _RANDOM_STATES]
    if training_arguments.save_only_model:
        return [TRAINER_STATE_NAME, "*.safetensors"]
    return [TRAINER_STATE_NAME, _RANDOM_STATES, OPTIMIZER_NAME, SCHEDULER_NAME, "*.safetensors"]


def find_damage(checkpoint: str | Path, needed: Sequence[str] = ()) -> str | None:
    """
    Look through the files of a checkpoint.

    Args:
        checkpoint (`str` or `Path`): Its folder.
        needed (sequence of `str`): Patterns of files that it must have.

    Returns:
        `str`: What is wrong first; `None` if it is whole and its weights are finite.
    """
    folder = Path(checkpoint)
    for pattern in needed:
        if not any(folder.glob(pattern)):
            return f"{pattern} is missing"
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            problem = _find_problem(path)
        except (OSError, ValueError, EOFError, SafetensorError, zipfile.BadZipFile) as error:
            problem = f"cannot be read: {error}"
        if problem is not None:
            return f"{path.name} {problem}"
    return None


def _find_problem(path: Path) -> str | None:
    """What is wrong with a file."""
    if path.suffix == ".json":
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            return f"holds a {type(content).__name__} in place of a mapping"
        if path.name == TRAINER_STATE_NAME and not isinstance(content.get("global_step"), int):
            return "has no global_step"
        for name in set(content.get("weight_map", {}).values()) if path.name.endswith(".index.json") else ():
            if not path.with_name(name).exists():
                return f"names {name}, which is missing"
    elif path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (it is no dictionary)
                if not file.get_tensor(name).isfinite().all():
                    return f"has weights that are not finite ({name})"
    elif path.suffix in _ARCHIVES:
        with zipfile.ZipFile(path) as archive:
            if torch.serialization.get_crc32_options() and (name := archive.testzip()) is not None:
                return f"is damaged at {name}"
    return None
