# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Which tensor of the original's checkpoints becomes which of this package: data, read in both directions.

In a name, `{layer}` is the number of a block and `{kind}` is `weight` or `bias`. A new head is a row of `HEADS` and
one of `TASK_CLASSES`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Rule(NamedTuple):
    """
    A tensor and its new name.

    Args:
        original (`str`): Name in the original's checkpoints.
        converted (`str`, *optional*): Name in this package; `None` as long as no class here has that tensor. Where
            several rules share it, the tensors are joined along dimension 1.
        row (`int`, *optional*): Take this row only; it stays a dimension of size 1.
    """

    original: str
    converted: str | None
    row: int | None = None


@dataclass(frozen=True)
class Head:
    """
    A head that a checkpoint may hold.

    Args:
        task (`str`): Task that it serves, one of `TASKS`.
        name (`str`): What the head is, for messages.
        marker (`str`): Regular expression; the head is there if a key begins so.
        rules (`tuple` of `Rule`): Its tensors.
        is_fine_tuned (`bool`): Whether a fine-tuning made it, so that it says what the checkpoint is for; a
            pre-training checkpoint serves several tasks.
    """

    task: str
    name: str
    marker: str
    rules: tuple[Rule, ...]
    is_fine_tuned: bool


BACKBONE = "backbone"
TASKS = (
    "pretraining",
    "masked-lm",
    "question-answering",
    "multiple-choice",
    "retrieval",
    "classification",
    "visual-commonsense",
    "paired-reasoning",
    BACKBONE,
)
TASK_CLASSES = {
    "masked-lm": "AllInOneForMaskedLM",
    "question-answering": "AllInOneForVideoQuestionAnswering",
    "multiple-choice": "AllInOneForMultipleChoice",
    BACKBONE: "AllInOneModel",
}

_TEXT = "embeddings.text_embeddings"
_VISUAL = "embeddings.visual_embeddings"

BACKBONE_RULES = (
    Rule("text_embeddings.word_embeddings.weight", f"{_TEXT}.word_embeddings.weight"),
    Rule("text_embeddings.position_embeddings.weight", f"{_TEXT}.position_embeddings.weight"),
    Rule("text_embeddings.token_type_embeddings.weight", f"{_TEXT}.token_type_embeddings.weight"),
    Rule("text_embeddings.LayerNorm.{kind}", f"{_TEXT}.layer_norm.{{kind}}"),
    # The outer token types of the original tell text from video, not BERT's first from its second sentence.
    Rule("token_type_embeddings.weight", "embeddings.modality_type_embeddings.weight"),
    Rule("transformer.cls_token", f"{_VISUAL}.special_tokens"),
    Rule("transformer.pos_embed", f"{_VISUAL}.position_embeddings"),
    Rule("transformer.temporal_embed", f"{_VISUAL}.temporal_embeddings"),
    Rule("transformer.patch_embed.proj.{kind}", f"{_VISUAL}.patch_embeddings.{{kind}}"),
    Rule("transformer.blocks.{layer}.norm1.{kind}", "layers.{layer}.layernorm_before.{kind}"),
    Rule("transformer.blocks.{layer}.attn.qkv.{kind}", "layers.{layer}.attention.qkv.{kind}"),
    Rule("transformer.blocks.{layer}.attn.proj.{kind}", "layers.{layer}.attention.out_proj.{kind}"),
    Rule("transformer.blocks.{layer}.norm2.{kind}", "layers.{layer}.layernorm_after.{kind}"),
    Rule("transformer.blocks.{layer}.mlp.fc1.{kind}", "layers.{layer}.mlp.fc1.{kind}"),
    Rule("transformer.blocks.{layer}.mlp.fc2.{kind}", "layers.{layer}.mlp.fc2.{kind}"),
    Rule("transformer.norm.{kind}", "layernorm.{kind}"),
    Rule("pooler.dense.{kind}", "pooler.dense.{kind}"),
)
DISTILLATION_TOKEN = "transformer.dist_token"
DISTILLATION_RULES = (Rule(DISTILLATION_TOKEN, f"{_VISUAL}.special_tokens"),)


def _classifier(original: str, places: tuple[int, int, int], converted: str | None) -> tuple[Rule, ...]:
    """A linear layer, a layer norm and a linear layer, at their places in an `nn.Sequential`."""
    parts = ("dense", "layer_norm", "out_proj")
    return tuple(
        Rule(f"{original}.{place}.{{kind}}", converted and f"{converted}.{part}.{{kind}}")
        for place, part in zip(places, parts, strict=True)
    )


OPEN_ENDED_CLASSIFIER = "answer classifier (open-ended)"
SOFT_LABEL_CLASSIFIER = "answer classifier (soft labels)"

# Of several heads for one task, the first is taken.
HEADS = (
    Head(
        "question-answering",
        OPEN_ENDED_CLASSIFIER,
        r"vqa_classifier\.[24]\.",
        _classifier("vqa_classifier", (1, 2, 4), "classifier"),
        is_fine_tuned=True,
    ),
    Head(
        "question-answering",
        SOFT_LABEL_CLASSIFIER,
        r"vqa_classifier\.[03]\.",
        _classifier("vqa_classifier", (0, 1, 3), "classifier"),
        is_fine_tuned=True,
    ),
    Head(
        "multiple-choice",
        "multiple-choice question scorer",
        r"mc_vqa_classifier\.",
        _classifier("mc_vqa_classifier", (1, 2, 4), "scorer"),
        is_fine_tuned=True,
    ),
    Head(
        "visual-commonsense",
        "rationale scorer",
        r"rank_output_2\.",
        (Rule("rank_output_2.{kind}", None),),
        is_fine_tuned=True,
    ),
    Head(
        "multiple-choice",
        "ranking scorer",
        r"rank_output\.",
        (Rule("rank_output.{kind}", "scorer.out_proj.{kind}"),),
        is_fine_tuned=True,
    ),
    Head(
        "paired-reasoning",
        "pair classifier",
        r"nlvr2_classifier\.",
        _classifier("nlvr2_classifier", (0, 1, 3), None),
        is_fine_tuned=True,
    ),
    Head(
        "masked-lm",
        "masked-language-modelling head",
        r"mlm_score\.",
        (
            Rule("mlm_score.transform.dense.{kind}", "mlm_head.dense.{kind}"),
            Rule("mlm_score.transform.LayerNorm.{kind}", "mlm_head.layer_norm.{kind}"),
            Rule("mlm_score.decoder.weight", "mlm_head.decoder.weight"),
            Rule("mlm_score.bias", "mlm_head.decoder.bias"),
        ),
        is_fine_tuned=False,
    ),
    # Row 1 of the matching head says "they match": it is what ranks captions where nothing was fine-tuned.
    Head(
        "multiple-choice",
        "matching head",
        r"itm_score\.",
        (Rule("itm_score.fc.{kind}", "scorer.out_proj.{kind}", row=1),),
        is_fine_tuned=False,
    ),
    Head(
        "multiple-choice",
        "matching head",
        r"vtm_score\.",
        (Rule("vtm_score.fc.{kind}", "scorer.out_proj.{kind}", row=1),),
        is_fine_tuned=False,
    ),
    Head(
        "retrieval",
        "contrastive projections",
        r"(txt|vid)_proj\.",
        (Rule("txt_proj.{kind}", None), Rule("vid_proj.{kind}", None)),
        is_fine_tuned=False,
    ),
    Head(
        "pretraining",
        "clip-order classifier",
        r"vcop_classifier\.",
        (Rule("vcop_classifier.fc7.{kind}", None), Rule("vcop_classifier.fc8.{kind}", None)),
        is_fine_tuned=False,
    ),
)

# Keys that no class here has, and why; asked only about keys that the chosen class does not take.
LEFT_OUT = (
    (r"text_embeddings\.(position_ids|token_type_ids)", "a buffer of positions, not a weight"),
    (r"transformer\.temporal_embed", "the original never adds it where there is a distillation token"),
    (r"transformer\.(head|head_dist|fc|pre_logits)\..*", "ImageNet classifier of the ViT that training started from"),
    (r"(transformer\.)?mask_token|mpp_score\..*", "masked patches: this objective does not run in the original"),
    (r"pooler\..*", "the class does not pool"),
    (r"(train|val|dev|test)_\w+\.(correct|total|scalar|score)", "a running metric, not a weight"),
)


def translate(key: str, source: str, target: str) -> str | None:
    """
    Rename a key.

    Args:
        key (`str`): The key.
        source (`str`): One side of a rule.
        target (`str`): The other side.

    Returns:
        `str`: The key's name on the other side, or `None` if the rule is not about this key.

    Example:

    ```python
    >>> translate("transformer.blocks.3.norm1.bias", "transformer.blocks.{layer}.norm1.{kind}", "norms.{layer}.{kind}")
    'norms.3.bias'
    ```
    """
    pattern = re.escape(source)
    pattern = pattern.replace(r"\{layer\}", r"(?P<layer>\d+)").replace(r"\{kind\}", "(?P<kind>weight|bias)")
    match = re.fullmatch(pattern, key)
    return target.format(**match.groupdict()) if match else None


def find_sources(name: str, rules: Iterable[Rule]) -> list[tuple[str, int | None]]:
    """
    Which tensors of the original make up one of this package.

    Args:
        name (`str`): Name of a tensor of a model class of this package.
        rules (iterable of `Rule`): Those of the backbone and of the head.

    Returns:
        `list` of `tuple[str, int | None]`: Original key and the row to take of it (`None`: all), in the order in which
        they are joined.
    """
    name = name.removeprefix("allinone.")
    return [
        (original, rule.row)
        for rule in rules
        if rule.converted and (original := translate(name, rule.converted, rule.original))
    ]


def find_heads(keys: Iterable[str]) -> list[Head]:
    """The heads that a checkpoint with these keys holds, in the order of `HEADS`."""
    keys = list(keys)
    return [head for head in HEADS if any(re.match(head.marker, key) for key in keys)]


def why_left_out(key: str, other_heads: Iterable[Head]) -> str | None:
    """
    The reason why a key of the original that the chosen class does not take is not lost.

    Args:
        key (`str`): Key of the original.
        other_heads (iterable of `Head`): The heads that the checkpoint holds and that were not chosen.

    Returns:
        `str`: The reason, or `None` if nobody knows the key.
    """
    for pattern, reason in LEFT_OUT:
        if re.fullmatch(pattern, key):
            return reason
    for head in other_heads:
        if any(translate(key, rule.original, rule.original) for rule in head.rules):
            return f"belongs to another head: {head.name} ({head.task})"
    return None
