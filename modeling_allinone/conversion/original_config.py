# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The configuration that fits a checkpoint of the original, read off the shapes of its tensors."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from ..models.configuration_allinone import AllInOneConfig
from .key_map import DISTILLATION_TOKEN, OPEN_ENDED_CLASSIFIER, PAIR_SCORER, PROJECTIONS, SOFT_LABEL_CLASSIFIER, Head
from .model_directory import build_config
from .safe_checkpoint import ConversionError

# Every size of the paper: Ti, S and B.
_HEAD_SIZE = 64

# The original hands `num_heads` to its text embeddings alone, which have no heads; those of the blocks come with the
# name of the ViT.
_HEADS_OF_VIT = {"deit_tiny": 3, "deit_small": 6, "deit_base": 12, "vit_base": 12, "vit_large": 16, "vit_huge": 16}

_SAME_IN_HYPER_PARAMETERS = {
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "vocab_size": "vocab_size",
    "max_text_len": "max_position_embeddings",
    "image_size": "image_size",
    "patch_size": "patch_size",
    "num_frames": "num_frames",
}


def read_config(
    state_dict: Mapping[str, torch.Tensor],
    hyper_parameters: Mapping[str, Any],
    heads: Sequence[Head] = (),
    num_attention_heads: int | None = None,
) -> AllInOneConfig:
    """
    Read the configuration off a checkpoint.

    Args:
        state_dict (mapping of `str` to `torch.Tensor`): The original's tensors.
        hyper_parameters (mapping): Those saved with it, may be empty. They give what no tensor shows and must agree
            with what tensors show.
        heads (sequence of `Head`): The head to be converted, or its parts; empty for the backbone.
        num_attention_heads (`int`, *optional*): Overrides what the hyper-parameters say.

    Returns:
        [`AllInOneConfig`]

    Raises:
        ConversionError: If a tensor that is needed is missing or has the wrong number of dimensions, or if the
            checkpoint contradicts itself.
    """

    def shape(key: str, ndim: int) -> tuple[int, ...]:
        if key not in state_dict:
            raise ConversionError(f"The checkpoint lacks {key}, without which its size is unknown.")
        if state_dict[key].ndim != ndim or 0 in state_dict[key].shape:
            raise ConversionError(f"{key} has shape {tuple(state_dict[key].shape)}, but expected {ndim} dimensions.")
        return tuple(state_dict[key].shape)

    is_distilled = DISTILLATION_TOKEN in state_dict
    vocab_size, hidden_size = shape("text_embeddings.word_embeddings.weight", 2)
    patch_shape = shape("transformer.patch_embed.proj.weight", 4)
    num_patches = shape("transformer.pos_embed", 3)[1] - (2 if is_distilled else 1)
    side = math.isqrt(max(num_patches, 0))
    if side == 0 or side**2 != num_patches or patch_shape[2] != patch_shape[3]:
        raise ConversionError(
            f"transformer.pos_embed covers {num_patches} patches of {patch_shape[2]} × {patch_shape[3]} pixels, but "
            "expected a square of square patches."
        )
    fields: dict[str, Any] = {
        "vocab_size": vocab_size,
        "hidden_size": hidden_size,
        "num_hidden_layers": _count_layers(state_dict),
        "intermediate_size": shape("transformer.blocks.0.mlp.fc1.weight", 2)[0],
        "max_position_embeddings": shape("text_embeddings.position_embeddings.weight", 2)[0],
        "type_vocab_size": shape("text_embeddings.token_type_embeddings.weight", 2)[0],
        "modality_type_vocab_size": shape("token_type_embeddings.weight", 2)[0],
        "num_channels": patch_shape[1],
        "patch_size": patch_shape[2],
        "image_size": side * patch_shape[2],
        "use_distillation_token": is_distilled,
        "qkv_bias": any(key.endswith(".attn.qkv.bias") for key in state_dict),
        "patch_order": "random",
    }
    if not is_distilled:
        fields["num_frames"] = shape("transformer.temporal_embed", 3)[1]
    elif isinstance(hyper_parameters.get("num_frames"), int):
        fields["num_frames"] = hyper_parameters["num_frames"]
    fields["num_attention_heads"] = _count_attention_heads(hidden_size, hyper_parameters, num_attention_heads)
    fields |= _head_fields(heads, shape)
    if is_distilled and isinstance(hyper_parameters.get("vit"), str):
        fields["align_distillation_token"] = "deit" not in hyper_parameters["vit"]
    for name, field in _SAME_IN_HYPER_PARAMETERS.items():
        _check_agreement(name, hyper_parameters.get(name), fields.get(field))
    names = {head.name for head in heads}
    if OPEN_ENDED_CLASSIFIER in names:
        _check_agreement("msrvttqa_label_size", hyper_parameters.get("msrvttqa_label_size"), fields["num_labels"])
    if SOFT_LABEL_CLASSIFIER in names:
        _check_agreement("vqav2_label_size", hyper_parameters.get("vqav2_label_size"), fields["num_labels"])
    if isinstance(hyper_parameters.get("drop_rate"), int | float):
        fields["hidden_dropout_prob"] = hyper_parameters["drop_rate"]
    if isinstance(hyper_parameters.get("max_image_len"), int):
        fields["max_image_length"] = hyper_parameters["max_image_len"]
    return build_config(fields)


def _count_layers(state_dict: Mapping[str, torch.Tensor]) -> int:
    matches = (re.match(r"transformer\.blocks\.(\d+)\.", key) for key in state_dict)
    return 1 + max((int(match[1]) for match in matches if match), default=0)


def _count_attention_heads(hidden_size: int, hyper_parameters: Mapping[str, Any], chosen: int | None) -> int:
    if chosen is not None:
        return chosen
    saved = hyper_parameters.get("num_heads")
    if not isinstance(saved, int):
        return max(hidden_size // _HEAD_SIZE, 1)
    vit = str(hyper_parameters.get("vit"))
    of_vit = next((heads for name, heads in _HEADS_OF_VIT.items() if name in vit), saved)
    if of_vit != saved:
        raise ConversionError(
            f"The hyper-parameters say num_heads={saved}, but vit={vit!r} has {of_vit}; pass --num-attention-heads."
        )
    return saved


def _head_fields(heads: Sequence[Head], shape: Callable[[str, int], tuple[int, ...]]) -> dict[str, Any]:
    """The fields that the head decides; a classifier's first layer is (hidden, D), its last (outputs, hidden)."""
    task = heads[0].task if heads else None
    parts = [head.part for head in heads]
    if task == "retrieval":
        return {
            "projection_dim": shape("txt_proj.weight", 2)[0] if PROJECTIONS in parts else None,
            "use_pair_scorer": PAIR_SCORER in parts,
        }
    if task == "pretraining":
        fields: dict[str, Any] = {"pretraining_objectives": parts}
        if "contrastive" in parts:
            fields["projection_dim"] = shape("txt_proj.weight", 2)[0]
        if "clip_order" in parts:
            fields["clip_order_hidden_size"] = shape("vcop_classifier.fc7.weight", 2)[0]
        return fields
    if task not in ("question-answering", "classification", "multiple-choice", "paired-reasoning"):
        return {}
    (head,) = heads
    first, last = (rule.original.format(kind="weight") for rule in (head.rules[0], head.rules[-1]))
    if task == "multiple-choice":
        return {"choice_hidden_size": shape(first, 2)[0] if len(head.rules) > 1 else None}
    fields = {"classifier_hidden_size": shape(first, 2)[0], "num_labels": shape(last, 2)[0]}
    if head.name == SOFT_LABEL_CLASSIFIER:
        return fields | {"classifier_dropout": 0.0, "problem_type": "multi_label_classification"}
    return fields | {"classifier_dropout": 0.0 if task == "paired-reasoning" else 0.5}


def _check_agreement(name: str, saved: Any, found: int | None):
    if isinstance(saved, int) and found is not None and saved != found:
        raise ConversionError(
            f"The checkpoint contradicts itself: its hyper-parameters say {name}={saved}, its tensors {found}. If the "
            "tensors are right, save the state_dict alone and convert that."
        )
