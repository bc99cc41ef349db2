# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
The hyper-parameters with which the original builds the module that a model of this package fits into.

It builds heads by the names of its objectives, with fixed inner widths, and its vision transformer by a name that
stands for every size. What no hyper-parameters make it build or compute is refused here.
"""

from typing import Any, NamedTuple

from ..models.configuration_allinone import AllInOneConfig
from .key_map import BACKBONE
from .safe_checkpoint import ConversionError


class Naming(NamedTuple):
    """
    What one of the original's two code bases calls things.

    Args:
        matching (`str`): Objective of matching; its head is called `{matching}_score`.
        contrastive (`str`): Contrastive objective.
        unused (`str`): An objective that it lists and that nothing here has a use for.
    """

    matching: str
    contrastive: str
    unused: str


CO_TRAINING = "co-training"
NAMINGS = {"all-in-one": Naming("itm", "ind_itc", "itc"), CO_TRAINING: Naming("vtm", "vtc", "dino")}

_OTHER_OBJECTIVES = (
    "mlm",
    "mpp",
    "vcop",
    "vqa",
    "openend_vqa",
    "mc_vqa",
    "nlvr2",
    "irtr",
    "multiple_choice",
    "vcr_q2a",
    "zs_classify",
)

# Label sizes are read even where there is no such classifier; these are the original's own values.
_OPEN_ENDED_LABELS, _SOFT_LABELS, _PROJECTION_DIM = 1501, 3129, 512
_MLP_RATIO = 4
_CHOICE_HIDDEN_SIZE = 256
_CLIP_ORDER_HIDDEN_SIZE = 512

_ALWAYS = {
    "temporal_mixing": "token_roll",
    "roll_divisor": 8,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "text_layer_norm_eps": 1e-12,
    "type_vocab_size": 2,
}

# Hidden size, blocks, attention heads, patch size and frame size in pixels, whether there is a distillation token.
_VISION_TRANSFORMERS = {
    (192, 12, 3, 16, 224, False): "vit_deit_tiny_patch16_224",
    (384, 12, 6, 16, 224, False): "vit_deit_small_patch16_224",
    (768, 12, 12, 16, 224, False): "vit_base_patch16_224",
    (768, 12, 12, 16, 384, False): "vit_base_patch16_384",
    (768, 12, 12, 32, 224, False): "vit_base_patch32_224",
    (768, 12, 12, 32, 384, False): "vit_base_patch32_384",
    (1024, 24, 16, 16, 224, False): "vit_large_patch16_224",
    (1024, 24, 16, 16, 384, False): "vit_large_patch16_384",
    (1024, 24, 16, 32, 224, False): "vit_large_patch32_224",
    (1024, 24, 16, 32, 384, False): "vit_large_patch32_384",
    (1280, 32, 16, 14, 224, False): "vit_huge_patch14_224_in21k",
    (192, 12, 3, 16, 224, True): "vit_deit_tiny_distilled_patch16_224",
    (384, 12, 6, 16, 224, True): "vit_deit_small_distilled_patch16_224",
    (768, 12, 12, 16, 224, True): "vit_deit_base_distilled_patch16_224",
    (768, 12, 12, 16, 384, True): "vit_deit_base_distilled_patch16_384",
}


def find_objectives(config: AllInOneConfig, task: str, naming: str) -> dict[str, float]:
    """
    The original's objectives, with weights, for which its module has the heads of a model.

    Args:
        config ([`AllInOneConfig`]): Configuration of the model.
        task (`str`): Its task, one of `TASK_CLASSES`.
        naming (`str`): One of `NAMINGS`.

    Returns:
        `dict` of `str` to `float`

    Raises:
        ConversionError: If the original has no such head.
    """
    names = NAMINGS[naming]
    if task == BACKBONE:
        return {}
    if task == "masked-lm":
        return {"mlm": 1}
    if task in ("question-answering", "classification"):
        return {_find_classifier(config, task): 1}
    if task == "multiple-choice":
        if config.choice_hidden_size is None:
            return {"multiple_choice": 1}
        _check_width("choice_hidden_size", config.choice_hidden_size, _CHOICE_HIDDEN_SIZE)
        return {"mc_vqa": 1}
    if task == "retrieval":
        features = {} if config.projection_dim is None else {names.contrastive: 1}
        # As in the original's recipes, whose matching head is there for the scorer only: below 1, nothing trains it.
        return features | ({"irtr": 1, names.matching: 0.5} if config.use_pair_scorer else {})
    if task == "visual-commonsense":
        return {"vcr_q2a": 1}
    if task == "paired-reasoning":
        width = config.classifier_hidden_size or 2 * config.hidden_size
        _check_width("classifier_hidden_size", width, 2 * config.hidden_size)
        _check_width("num_labels", config.num_labels, 2)
        return {"nlvr2": 1}
    return _find_pretraining_objectives(config, names)


def _find_classifier(config: AllInOneConfig, task: str) -> str:
    open_ended, soft_labels = config.hidden_size // 2, 2 * config.hidden_size
    width = config.classifier_hidden_size or open_ended
    if width == open_ended:
        return "openend_vqa"
    if width == soft_labels and task == "question-answering":
        return "vqa"
    soft = f" or, for soft labels, {soft_labels}" if task == "question-answering" else ""
    raise ConversionError(f"classifier_hidden_size is {width}, but the original's classifier has {open_ended}{soft}.")


def _find_pretraining_objectives(config: AllInOneConfig, names: Naming) -> dict[str, float]:
    originals = {
        "masked_lm": "mlm",
        "matching": names.matching,
        "contrastive": names.contrastive,
        "clip_order": "vcop",
    }
    objectives: dict[str, float] = {
        originals[objective]: 1 for objective in config.chosen_pretraining_objectives if objective in originals
    }
    if not objectives:
        raise ConversionError("The model's only objective is masked_patches, which does not run in the original.")
    if "vcop" in objectives:
        _check_width("clip_order_hidden_size", config.clip_order_hidden_size, _CLIP_ORDER_HIDDEN_SIZE)
    return objectives


def _check_width(name: str, value: int | None, original: int):
    if value != original:
        raise ConversionError(
            f"{name} is {value}, but the head of the original has {original}; it cannot hold this one."
        )


def check_is_computed(config: AllInOneConfig, task: str, naming: str):
    """
    Make sure that the original computes what a model computes.

    Args:
        config ([`AllInOneConfig`]): Configuration of the model.
        task (`str`): Its task, one of `TASK_CLASSES`.
        naming (`str`): One of `NAMINGS`.

    Raises:
        ConversionError: If it would load the weights and compute something else, or could not hold them.
    """
    for name, always in _ALWAYS.items():
        if getattr(config, name) != always:
            raise ConversionError(
                f"{name} is {getattr(config, name)!r}, but the original always computes with {always!r}; with these "
                "weights it would return other numbers."
            )
    height, width = config.image_height_width
    if height != width:
        raise ConversionError(f"image_size is {height} × {width}, but the original's position table is a square.")
    num_types = 3 if task == "paired-reasoning" else 2
    if config.modality_type_vocab_size != num_types:
        raise ConversionError(
            f"modality_type_vocab_size is {config.modality_type_vocab_size}, but the original has {num_types} for "
            "this task."
        )
    if naming == CO_TRAINING and (config.use_distillation_token or task == "paired-reasoning"):
        what = "distillation token" if config.use_distillation_token else "pair classifier"
        raise ConversionError(f"The co-training code cannot run a model with a {what}; pass --naming all-in-one.")


def find_differences(config: AllInOneConfig, naming: str, vit: str) -> list[str]:
    """What a user should know who loads a model in the original, in sentences; arguments as for the others here."""
    differences = []
    if config.patch_order == "raster":
        differences.append(
            "patch_order is 'raster', but the original shuffles the patches of every frame anew at each forward, and "
            "rolls others than this model learned with."
        )
    if config.num_frames == 1 and not config.use_distillation_token:
        differences.append("num_frames is 1: the original adds the temporal embedding to a single frame, too.")
    if config.max_image_length is not None and naming != CO_TRAINING and not config.use_distillation_token:
        differences.append(
            f"max_image_length is {config.max_image_length}, with which the original's video code stops; set its "
            "max_image_len to -1."
        )
    if vit not in _VISION_TRANSFORMERS.values():
        differences.append(
            f"The original has no vision transformer of these sizes: add a function {vit} that builds one to its "
            "base_vision_transformer.py."
        )
    return differences


def find_vision_transformer(config: AllInOneConfig, saved: Any = None) -> str:
    """
    Name of the original's function that builds the vision transformer of a model.

    Args:
        config ([`AllInOneConfig`]): Configuration of the model.
        saved (*optional*): The name in the hyper-parameters of the checkpoint that it was converted from, which counts
            where the original has none of the model's sizes.

    Returns:
        `str`: The name; a new one if there is none.
    """
    side = config.image_height_width[0]
    is_usual = config.intermediate_size == _MLP_RATIO * config.hidden_size and config.qkv_bias
    sizes = (
        config.hidden_size,
        config.num_hidden_layers,
        config.num_attention_heads,
        config.patch_size,
        side,
        config.use_distillation_token,
    )
    if is_usual and config.num_channels == 3 and sizes in _VISION_TRANSFORMERS:
        return _VISION_TRANSFORMERS[sizes]
    if isinstance(saved, str) and saved not in _VISION_TRANSFORMERS.values():
        return saved
    # By "deit" in the name, the original keeps words from being aligned with the distillation token.
    deit = "deit_" if config.use_distillation_token and not config.align_distillation_token else ""
    distilled = "_distilled" if config.use_distillation_token else ""
    return f"vit_{deit}custom{distilled}_patch{config.patch_size}_{side}"


def build_hyper_parameters(
    config: AllInOneConfig, objectives: dict[str, float], naming: str, vit: str
) -> dict[str, Any]:
    """
    What the original's module reads when it is built, and its converter here when it checks a file.

    Args:
        config ([`AllInOneConfig`]): Configuration of the model.
        objectives (`dict` of `str` to `float`): From `find_objectives`.
        naming (`str`): One of `NAMINGS`.
        vit (`str`): Name of the vision transformer.

    Returns:
        `dict`: Plain values only.
    """
    open_ended, soft = "openend_vqa" in objectives, "vqa" in objectives
    return {
        "loss_names": dict.fromkeys((*NAMINGS[naming], *_OTHER_OBJECTIVES), 0) | objectives,
        "vit": vit,
        "hidden_size": config.hidden_size,
        "num_heads": config.num_attention_heads,
        "num_layers": config.num_hidden_layers,
        "mlp_ratio": _MLP_RATIO,
        "drop_rate": config.hidden_dropout_prob,
        "vocab_size": config.vocab_size,
        "max_text_len": config.max_position_embeddings,
        "image_size": config.image_height_width[0],
        "patch_size": config.patch_size,
        "max_image_len": -1 if config.max_image_length is None else config.max_image_length,
        "num_frames": config.num_frames,
        "shared_embedding_dim": config.projection_dim or _PROJECTION_DIM,
        "msrvttqa_label_size": config.num_labels if open_ended else _OPEN_ENDED_LABELS,
        "vqav2_label_size": config.num_labels if soft else _SOFT_LABELS,
        "load_path": "",
        "test_only": False,
        "linear_evaluation": False,
    }
