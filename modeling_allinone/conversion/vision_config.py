# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The configuration of a model that starts from an image backbone and, where one is given, from BERT's embeddings."""

import math
import re
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import BertConfig, DeiTConfig, PreTrainedConfig, ViTConfig
from transformers.activations import ACT2FN

from ..models.configuration_allinone import AllInOneConfig
from .key_map import find_sources
from .model_directory import build_config
from .safe_checkpoint import ConversionError
from .vision_key_map import CLASS_TOKEN, FIRST_MLP, PATCH_POSITIONS, PATCH_PROJECTION, TIMM, WITHOUT, Layout
from .vision_source import Source

# Attention heads by width, of ViT-Ti, S, B, L and H. No tensor shows them, and wrong ones would go unnoticed.
_HEADS_OF_WIDTH = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16}

_BACKBONE_CONFIGS = {"vit": ViTConfig, "deit": DeiTConfig}
_FROM_BACKBONE_CONFIG = ("num_attention_heads", "hidden_act", "layer_norm_eps", "image_size")


def read_backbone_fields(source: Source, layout: Layout, num_attention_heads: int | None = None) -> dict[str, Any]:
    """
    The fields that an image backbone decides: sizes as its tensors show them, the rest as `config.json` says.

    Args:
        source ([`Source`]): The backbone.
        layout ([`Layout`]): How it names its tensors.
        num_attention_heads (`int`, *optional*): Heads of a block, where nothing says.

    Returns:
        `dict`: Fields of [`AllInOneConfig`].

    Raises:
        ConversionError: If something is missing, or if `config.json` and the tensors contradict each other.
    """
    if layout is TIMM:
        return _read_timm_fields(source, layout, num_attention_heads)
    return _read_transformers_fields(source, layout, num_attention_heads)


def read_text_fields(source: Source, hidden_size: int, max_text_length: int) -> dict[str, Any]:
    """
    The fields that BERT's embeddings decide.

    Args:
        source ([`Source`]): A directory of `BertModel` or of one of its heads.
        hidden_size (`int`): Width of the image backbone.
        max_text_length (`int`): Longest text, in tokens.

    Returns:
        `dict`: Fields of [`AllInOneConfig`].

    Raises:
        ConversionError: If it is no BERT, or one that does not fit the backbone.
    """
    config = _read_config(source, {"bert": BertConfig})
    if config.hidden_size != hidden_size:
        raise ConversionError(
            f"The text model {source.path} is {config.hidden_size} wide, but the image backbone {hidden_size}; give "
            "two of the same width, or no text model."
        )
    if config.max_position_embeddings < max_text_length:
        raise ConversionError(
            f"The text model {source.path} has {config.max_position_embeddings} positions, but the texts are to have "
            f"up to {max_text_length} tokens; pass a --max-text-length of at most {config.max_position_embeddings}."
        )
    return {
        "vocab_size": config.vocab_size,
        "type_vocab_size": config.type_vocab_size,
        "pad_token_id": config.pad_token_id,
        "text_layer_norm_eps": config.layer_norm_eps,
    }


def build_vision_config(fields: dict[str, Any]) -> AllInOneConfig:
    """
    The configuration with some fields.

    Args:
        fields (`dict`): Fields of [`AllInOneConfig`].

    Returns:
        [`AllInOneConfig`]

    Raises:
        ConversionError: If no model can be built from them.
    """
    config = build_config(fields)
    means, deviations = config.image_mean, config.image_std
    is_complete = len(means) == len(deviations) == config.num_channels
    if not is_complete or not all(map(math.isfinite, means)) or not all(deviation > 0 for deviation in deviations):
        raise ConversionError(
            f"image_mean is {list(means)} and image_std {list(deviations)}, but expected a number for each of "
            f"{config.num_channels} channels, deviations above 0; pass --image-mean and --image-std."
        )
    return config


def _read_timm_fields(source: Source, layout: Layout, num_attention_heads: int | None) -> dict[str, Any]:
    sizes, num_patches = _read_sizes(source, layout)
    side = math.isqrt(max(num_patches, 0))
    if side == 0 or side**2 != num_patches:
        raise ConversionError(
            f"The position table of {source.path} covers {num_patches} patches beside the special tokens, but "
            "expected a square number."
        )
    if num_attention_heads is None:
        num_attention_heads = _HEADS_OF_WIDTH.get(sizes["hidden_size"])
    if num_attention_heads is None:
        raise ConversionError(
            f"{source.path} is {sizes['hidden_size']} wide, as no ViT-Ti, S, B, L or H is, and does not say how many "
            "attention heads that makes; pass --num-attention-heads."
        )
    fields = {"image_size": side * sizes["patch_size"], "num_attention_heads": num_attention_heads}
    return sizes | fields | _read_normalization(source.config.get("pretrained_cfg"), "mean", "std")


def _read_transformers_fields(source: Source, layout: Layout, num_attention_heads: int | None) -> dict[str, Any]:
    config = _read_config(source, _BACKBONE_CONFIGS)
    if isinstance(config.patch_size, list | tuple) and len(set(config.patch_size)) == 1:
        config.patch_size = config.patch_size[0]
    sizes, num_patches = _read_sizes(source, layout)
    for name, value in sizes.items():
        if name != "use_distillation_token":
            _check_agreement(source, name, getattr(config, name), value, "its tensors say")
    if num_attention_heads is not None:
        _check_agreement(
            source, "num_attention_heads", config.num_attention_heads, num_attention_heads, "the command line says"
        )
    if config.hidden_act not in ACT2FN:
        raise ConversionError(
            f"config.json of {source.path} says that hidden_act is {config.hidden_act!r}, but expected an activation "
            "of transformers, such as 'gelu'."
        )
    fields = sizes | {name: getattr(config, name) for name in _FROM_BACKBONE_CONFIG}
    covered = build_config(fields).num_patches
    _check_agreement(source, "image_size, in patches,", covered, num_patches, "its position table covers")
    return fields | _read_normalization(source.preprocessor, "image_mean", "image_std")


def _check_agreement(source: Source, name: str, saved: Any, found: Any, where: str):
    if saved != found:
        raise ConversionError(f"config.json of {source.path} says that {name} is {saved}, but {where} {found}.")


def _read_sizes(source: Source, layout: Layout) -> tuple[dict[str, Any], int]:
    """The fields that the tensors show, and the number of patches that the position table covers."""
    hidden_size, num_channels, height, width = _shape(source, layout, PATCH_PROJECTION, 4)
    if height != width:
        raise ConversionError(f"{source.path} has patches of {height} × {width} pixels, but expected square ones.")
    _shape(source, layout, CLASS_TOKEN, 3)
    blocks = {match[1] for name in source.tensors if (match := re.match(rf"{re.escape(layout.block)}(\d+)\.", name))}
    numbers = {str(number) for number in range(len(blocks))}
    if blocks != numbers:
        raise ConversionError(f"{source.path} has {len(blocks)} blocks, but lacks number {min(numbers - blocks)}.")
    sizes = {
        "hidden_size": hidden_size,
        "num_hidden_layers": len(blocks),
        "intermediate_size": _shape(source, layout, FIRST_MLP, 2)[0],
        "num_channels": num_channels,
        "patch_size": height,
        "qkv_bias": any(re.fullmatch(r".*\.(qkv|query|q_proj)\.bias", name) for name in source.tensors),
        "use_distillation_token": layout.distillation_token in source.tensors,
    }
    num_special_tokens = 2 if sizes["use_distillation_token"] else 1
    return sizes, _shape(source, layout, PATCH_POSITIONS, 3)[1] - num_special_tokens


def _shape(source: Source, layout: Layout, converted: str, num_dimensions: int) -> tuple[int, ...]:
    """The shape of the tensor that becomes one of this package."""
    (name, _), *_ = find_sources(converted, layout.rules)
    if name not in source.tensors:
        reason = f": {WITHOUT[converted]}" if converted in WITHOUT else ""
        raise ConversionError(f"No model can be started from {source.path}, which lacks {name}{reason}.")
    shape = tuple(source.tensors[name].shape)
    if len(shape) != num_dimensions or 0 in shape:
        raise ConversionError(f"{source.keys[name]} has shape {shape}, but expected {num_dimensions} dimensions.")
    return shape


def _read_config(source: Source, classes: dict[str, type[PreTrainedConfig]]) -> PreTrainedConfig:
    """`config.json` as transformers reads it: with its defaults for what is not written there."""
    if not source.config:
        raise ConversionError(
            f"{source.path} has the names of transformers, but is a file; give its directory, whose config.json tells "
            "what no tensor shows."
        )
    model_type = str(source.config.get("model_type"))
    if model_type not in classes:
        raise ConversionError(
            f"{source.path} holds a model of type {model_type!r}, but expected {' or '.join(map(repr, classes))}."
        )
    try:
        return classes[model_type].from_dict(source.config)
    except (ValueError, TypeError, StrictDataclassError) as error:
        raise ConversionError(
            f"config.json of {source.path} cannot be used: {' '.join(str(error).split())}"
        ) from error


def _read_normalization(saved: Any, mean: str, deviation: str) -> dict[str, Any]:
    """What the backbone's images were normalised with, where it says."""
    if not isinstance(saved, dict) or mean not in saved or deviation not in saved:
        return {}
    return {"image_mean": saved[mean], "image_std": saved[deviation]}
