# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a checkpoint is: a folder, a repository of the Hub, or a file of the original."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from huggingface_hub import ModelCard, snapshot_download
from transformers.utils import CONFIG_NAME

from ..models.configuration_allinone import AllInOneConfig
from ..models.processing_allinone import AllInOneProcessor
from .fingerprint import digest_weights
from .key_map import BACKBONE, describe, find_heads
from .model_directory import read_json, read_model_directory
from .original_checkpoint import choose_heads, read_original
from .original_config import read_config
from .safe_checkpoint import ConversionError

# Methods of [`Predictor`] by the task of a class; those of pre-training depend on its objectives.
_METHODS = {
    "question-answering": ("ask",),
    "multiple-choice": ("choose", "classify"),
    "retrieval": ("choose", "classify"),
    "classification": ("classify",),
    "masked-lm": ("fill",),
}
_METHODS_OF_OBJECTIVE = {
    "masked_lm": ("fill",),
    "matching": ("choose", "classify"),
    "contrastive": ("choose", "classify"),
}
_WITH_LABELS = ("question-answering", "classification", "paired-reasoning")
_NEEDED_FILES = ("*.json", "*.safetensors", "*.txt", "README.md")
_NUM_SHOWN = 8


@dataclass
class CheckpointInfo:
    """
    What a checkpoint is; printed, a table.

    Args:
        name (`str`): The folder, repository or file.
        class_name (`str`, *optional*): Class of the model; `None` for a file of the original, which has `heads`.
        methods (`list` of `str`): What can be asked of it: methods of [`Predictor`] and commands.
        labels (`list` of `str`): Its answers or classes, in the order of its head.
        num_frames (`int`): Of a clip.
        image_size (`list` of `int`): Height and width of a frame, in pixels.
        patch_size (`int`): Side of a patch, in pixels.
        patch_order (`str`): Of the patches of each frame, see [`AllInOneConfig`].
        temporal_mixing (`str`): How frames exchange what they show, see [`AllInOneConfig`].
        num_parameters (`int`): How many numbers its weights are.
        num_layers (`int`): Blocks.
        hidden_size (`int`): Width.
        dtype (`str`): Type of its weights.
        vocab_size (`int`, *optional*): Tokens of its tokenizer; `None` if it has none.
        text_length (`int`): Longest text that it reads, in tokens.
        fingerprint (`str`): SHA-256 which two people compare: of the weights of a model, as
            `python -m modeling_allinone.conversion.fingerprint` prints it; of a file of the original, of all its
            bytes, as the card of what is converted from it has it.
        license (`str`, *optional*): As its card says.
        base_model (`str`, *optional*): As its card says.
        transformers_version (`str`, *optional*): That saved it.
        heads (`list` of `str`): Of a file of the original: what it holds, with the tasks that it serves.
        commands (`list` of `str`): Of a file of the original: what converts it.
    """

    name: str
    class_name: str | None
    methods: list[str]
    labels: list[str]
    num_frames: int
    image_size: list[int]
    patch_size: int
    patch_order: str
    temporal_mixing: str
    num_parameters: int
    num_layers: int
    hidden_size: int
    dtype: str
    vocab_size: int | None
    text_length: int
    fingerprint: str
    license: str | None = None
    base_model: str | None = None
    transformers_version: str | None = None
    heads: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        height, width = self.image_size
        shown = ", ".join(self.labels[:_NUM_SHOWN]) + (", …" if len(self.labels) > _NUM_SHOWN else "")
        is_original = self.class_name is None
        tokens = f", of a vocabulary of {self.vocab_size}" if self.vocab_size else ""
        if self.vocab_size is None and not is_original:
            tokens = "; there is no tokenizer"
        lines = {
            "class": self.class_name or "checkpoint of the original",
            "heads": "; ".join(self.heads) or ("none" if is_original else None),
            "can": ", ".join(self.methods) or (None if is_original else "no command asks it; load it by its class"),
            "labels": f"{len(self.labels)}: {shown}" if self.labels else None,
            "frames": f"{self.num_frames} of {height} × {width} pixels",
            "patches": f"{self.patch_size} × {self.patch_size} pixels, in {self.patch_order} order",
            "temporal mixing": self.temporal_mixing,
            "size": f"{self.num_parameters / 1e6:.1f} million parameters, {self.num_layers} layers of width "
            f"{self.hidden_size}, {self.dtype}",
            "text": f"up to {self.text_length} tokens{tokens}",
            "licence": self.license or (None if is_original else "not said"),
            "base model": self.base_model,
            "saved by": self.transformers_version and f"transformers {self.transformers_version}",
            "SHA-256": f"{self.fingerprint} of {'the file' if is_original else 'its weights'}",
        }
        shown_lines = [f"  {name:15}  {value}" for name, value in lines.items() if value]
        converting = [f"  {command}" for command in self.commands]
        return "\n".join([self.name, *shown_lines, *(["it is converted by", *converting] if converting else [])])


def describe_checkpoint(name: str | Path) -> CheckpointInfo:
    """
    Say what a checkpoint is. Nothing of it is run, and its weights are read but not kept.

    Args:
        name (`str` or `Path`): A folder that `save_pretrained`, a training or a conversion wrote; a repository of the
            Hub; or a file of the original's (`.ckpt`, `.pth`).

    Returns:
        [`CheckpointInfo`]

    Raises:
        OSError: If there is no such folder, file or repository.
        ConversionError: If it is none of these, or if files are missing or damaged.

    Example:

    ```python
    >>> from modeling_allinone import AllInOneConfig, AllInOneForMaskedLM

    >>> config = AllInOneConfig.from_preset("tiny", num_hidden_layers=1, vocab_size=100)
    >>> AllInOneForMaskedLM(config).save_pretrained("my-model")
    >>> info = describe_checkpoint("my-model")
    >>> info.class_name, info.methods, info.num_layers
    ('AllInOneForMaskedLM', ['fill'], 1)

    ```
    """
    path = Path(name)
    if path.is_file() and path.suffix == ".safetensors" and path.with_name(CONFIG_NAME).is_file():
        path = path.parent  # the weights stand for their folder
    if path.is_file():
        return _describe_original(path)
    if path.is_dir():
        return _describe_folder(path, str(path))
    try:
        folder = snapshot_download(str(name), allow_patterns=list(_NEEDED_FILES))
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise OSError(
            f"{str(name)!r} is no folder, no file, and no repository of the Hub that can be read ({reason})."
        ) from error
    return _describe_folder(Path(folder), str(name))


def _describe_folder(folder: Path, name: str) -> CheckpointInfo:
    """What a folder holds."""
    if not (folder / CONFIG_NAME).is_file():
        raise ConversionError(
            f"{name} holds no model, since {CONFIG_NAME} is missing; give a folder that a model was saved in."
        )
    config, task, tensors = read_model_directory(folder)
    methods: list[str] = []
    for objective in config.chosen_pretraining_objectives if task == "pretraining" else ():
        methods += _METHODS_OF_OBJECTIVE.get(objective, ())
    methods += _METHODS.get(task, ())
    tokenizer = None
    if (folder / "tokenizer_config.json").is_file():
        tokenizer = AllInOneProcessor.from_pretrained(folder).tokenizer
    card = folder / "README.md"
    said = ModelCard.load(card, ignore_metadata_errors=True).data if card.is_file() else None
    base_model = getattr(said, "base_model", None)
    return _describe(
        name,
        config,
        tensors,
        class_name=(config.architectures or [""])[0],  # `read_model_directory` has seen that it is one
        methods=list(dict.fromkeys(methods)),
        labels=list((config.id2label or {}).values()) if task in _WITH_LABELS else [],
        vocab_size=None if tokenizer is None else len(tokenizer),
        text_length=min(config.max_position_embeddings, tokenizer.model_max_length if tokenizer else 1 << 30),
        fingerprint=digest_weights(tensors),
        license=getattr(said, "license", None),
        base_model=", ".join(base_model) if isinstance(base_model, list) else base_model,
        transformers_version=read_json(folder / CONFIG_NAME).get("transformers_version"),
    )


def _describe_original(path: Path) -> CheckpointInfo:
    """What a file of the original holds."""
    tensors, hyper_parameters = read_original(path)
    heads = find_heads(tensors)
    objectives = hyper_parameters.get("loss_names")
    try:
        task, chosen = choose_heads(heads, None, objectives if isinstance(objectives, Mapping) else None)
        tasks = [task]
    except ConversionError:  # one of them has to be chosen
        tasks, chosen = list(dict.fromkeys(head.task for head in heads)), []
    config = read_config(tensors, hyper_parameters, chosen)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    output = shlex.quote(path.stem)
    return _describe(
        str(path),
        config,
        tensors,
        class_name=None,
        methods=[],
        labels=[],
        vocab_size=None,
        text_length=config.max_position_embeddings,
        fingerprint=digest,
        heads=[describe([head], heads) for head in {head.name: head for head in heads}.values()],
        commands=[f"allinone convert {shlex.quote(str(path))} {output} --task {task}" for task in tasks or [BACKBONE]],
    )


def _describe(name: str, config: AllInOneConfig, tensors: Mapping[str, torch.Tensor], **fields) -> CheckpointInfo:
    """What a configuration and weights say."""
    dtypes = dict.fromkeys(str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values())
    return CheckpointInfo(
        name=name,
        num_frames=config.num_frames,
        image_size=list(config.image_height_width),
        patch_size=config.patch_size,
        patch_order=config.patch_order,
        temporal_mixing=config.temporal_mixing,
        num_parameters=sum(tensor.numel() for tensor in tensors.values()),
        num_layers=config.num_hidden_layers,
        hidden_size=config.hidden_size,
        dtype=", ".join(dtypes),
        **fields,
    )


__all__ = ["CheckpointInfo", "describe_checkpoint"]
