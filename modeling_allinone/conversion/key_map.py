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
        converted (`str`): Name in this package. Where several rules share it, the tensors are joined along
            dimension 1.
        row (`int`, *optional*): Take this row only; it stays a dimension of size 1.
    """

    original: str
    converted: str
    row: int | None = None


@dataclass(frozen=True)
class Head:
    """
    A use of some tensors of a checkpoint as a head, or as a part of one.

    Args:
        task (`str`): Task that it serves, one of `TASK_CLASSES`.
        name (`str`): What the tensors are, for messages.
        marker (`str`): Regular expression; the head is there if a key begins so.
        rules (`tuple` of `Rule`): Its tensors.
        claim (`int`): How sure it makes what the checkpoint is for: 3 if no other task has such tensors, 2 if a
            fine-tuning made them, 1 if pre-training did, 0 if this use of them is to be asked for.
        part (`str`): Where a task has a head of several parts, which of them this is; for pre-training, the
            objective's name in the configuration. Of several heads for one part, the first is taken.
    """

    task: str
    name: str
    marker: str
    rules: tuple[Rule, ...]
    claim: int
    part: str = ""


BACKBONE = "backbone"
TASK_CLASSES = {
    "pretraining": "AllInOneForPreTraining",
    "masked-lm": "AllInOneForMaskedLM",
    "question-answering": "AllInOneForVideoQuestionAnswering",
    "multiple-choice": "AllInOneForMultipleChoice",
    "retrieval": "AllInOneForVideoTextRetrieval",
    "classification": "AllInOneForVideoClassification",
    "visual-commonsense": "AllInOneForVisualCommonsenseReasoning",
    "paired-reasoning": "AllInOneForPairedVisualReasoning",
    BACKBONE: "AllInOneModel",
}

# The same tensors serve these tasks: which one they were trained for, the objectives in the hyper-parameters tell.
TASK_OF_OBJECTIVE = {
    "irtr": "retrieval",
    "multiple_choice": "multiple-choice",
    "vcr_q2a": "visual-commonsense",
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


def _classifier(original: str, places: tuple[int, int, int], converted: str) -> tuple[Rule, ...]:
    """A linear layer, a layer norm and a linear layer, at their places in an `nn.Sequential`."""
    parts = ("dense", "layer_norm", "out_proj")
    return tuple(
        Rule(f"{original}.{place}.{{kind}}", f"{converted}.{part}.{{kind}}")
        for place, part in zip(places, parts, strict=True)
    )


def _matching(original: str) -> tuple[Head, ...]:
    """A matching head, whose row 1 says "they match": it ranks captions where nothing was fine-tuned."""

    def use(task: str, converted: str, row: int | None = None, claim: int = 0, part: str = "") -> Head:
        rules = (Rule(f"{original}.fc.{{kind}}", f"{converted}.{{kind}}", row),)
        return Head(task, "matching head", rf"{original}\.", rules, claim, part)

    return (
        use("multiple-choice", "scorer.out_proj", 1, claim=1),
        use("retrieval", "scorer.out_proj", 1, part=PAIR_SCORER),
        use("pretraining", "matching_head", part="matching"),
    )


OPEN_ENDED_CLASSIFIER = "answer classifier (open-ended)"
SOFT_LABEL_CLASSIFIER = "answer classifier (soft labels)"
PAIR_SCORER, PROJECTIONS = "pair scorer", "projections"

_MASKED_LM = (
    Rule("mlm_score.transform.dense.{kind}", "mlm_head.dense.{kind}"),
    Rule("mlm_score.transform.LayerNorm.{kind}", "mlm_head.layer_norm.{kind}"),
    Rule("mlm_score.decoder.weight", "mlm_head.decoder.weight"),
    Rule("mlm_score.bias", "mlm_head.decoder.bias"),
)
_OPEN_ENDED = _classifier("vqa_classifier", (1, 2, 4), "classifier")
_RANKING = (Rule("rank_output.{kind}", "scorer.out_proj.{kind}"),)
_CONTRASTIVE = (
    Rule("txt_proj.{kind}", "text_projection.{kind}"),
    Rule("vid_proj.{kind}", "video_projection.{kind}"),
)

HEADS = (
    Head("question-answering", OPEN_ENDED_CLASSIFIER, r"vqa_classifier\.[24]\.", _OPEN_ENDED, claim=2),
    # Actions were trained as answers to one question.
    Head("classification", OPEN_ENDED_CLASSIFIER, r"vqa_classifier\.[24]\.", _OPEN_ENDED, claim=0),
    Head(
        "question-answering",
        SOFT_LABEL_CLASSIFIER,
        r"vqa_classifier\.[03]\.",
        _classifier("vqa_classifier", (0, 1, 3), "classifier"),
        claim=2,
    ),
    Head(
        "multiple-choice",
        "multiple-choice question scorer",
        r"mc_vqa_classifier\.",
        _classifier("mc_vqa_classifier", (1, 2, 4), "scorer"),
        claim=2,
    ),
    Head(
        "visual-commonsense",
        "answer and rationale scorers",
        r"rank_output_2\.",
        (
            Rule("rank_output.{kind}", "answer_scorer.out_proj.{kind}"),
            Rule("rank_output_2.{kind}", "rationale_scorer.out_proj.{kind}"),
        ),
        claim=3,
    ),
    Head("multiple-choice", "ranking scorer", r"rank_output\.", _RANKING, claim=2),
    Head("retrieval", "ranking scorer", r"rank_output\.", _RANKING, claim=0, part=PAIR_SCORER),
    Head(
        "paired-reasoning",
        "pair classifier",
        r"nlvr2_classifier\.",
        _classifier("nlvr2_classifier", (0, 1, 3), "classifier"),
        claim=2,
    ),
    Head("masked-lm", "masked-language-modelling head", r"mlm_score\.", _MASKED_LM, claim=1),
    Head("pretraining", "masked-language-modelling head", r"mlm_score\.", _MASKED_LM, claim=0, part="masked_lm"),
    *_matching("itm_score"),
    *_matching("vtm_score"),
    Head("retrieval", "contrastive projections", r"(txt|vid)_proj\.", _CONTRASTIVE, claim=1, part=PROJECTIONS),
    Head("pretraining", "contrastive projections", r"(txt|vid)_proj\.", _CONTRASTIVE, claim=0, part="contrastive"),
    Head(
        "pretraining",
        "clip-order classifier",
        r"vcop_classifier\.",
        (
            Rule("vcop_classifier.fc7.{kind}", "clip_order_head.pair_layer.{kind}"),
            Rule("vcop_classifier.fc8.{kind}", "clip_order_head.out_proj.{kind}"),
        ),
        claim=1,
        part="clip_order",
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
    return [(original, rule.row) for rule in rules if (original := translate(name, rule.converted, rule.original))]


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
    heads = [head for head in other_heads if any(translate(key, rule.original, "known") for rule in head.rules)]
    return f"belongs to another head: {describe(heads[:1], heads)}" if heads else None


def describe(heads: Iterable[Head], all_heads: Iterable[Head]) -> str:
    """Names of some heads, each once, with the tasks that it serves among all heads."""
    names = dict.fromkeys(head.name for head in heads)
    all_heads = list(all_heads)
    tasks = {name: dict.fromkeys(head.task for head in all_heads if head.name == name) for name in names}
    return ", ".join(f"{name} ({', '.join(tasks[name])})" for name in names)
