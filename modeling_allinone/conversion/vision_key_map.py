# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Which tensor of an image backbone or of BERT becomes which of this package: data.

In a name, `{layer}` is the number of a block and `{kind}` is `weight` or `bias`, as in `key_map.py`.
"""

from typing import NamedTuple

from .key_map import BACKBONE_RULES, DISTILLATION_TOKEN, Rule

_ORIGINAL = "transformer."
_TEXT = "embeddings.text_embeddings"
_VISUAL = "embeddings.visual_embeddings"

CLASS_TOKEN = f"{_VISUAL}.special_tokens"
PATCH_PROJECTION = f"{_VISUAL}.patch_embeddings.weight"
PATCH_POSITIONS = f"{_VISUAL}.position_embeddings"
TEXT_POSITIONS = f"{_TEXT}.position_embeddings.weight"
FIRST_MLP = "layers.0.mlp.fc1.weight"


class Layout(NamedTuple):
    """
    How a library names the tensors of an image backbone.

    Args:
        name (`str`): What it is, for messages.
        block (`str`): What stands before the number of a block.
        rules (`tuple` of [`Rule`]): The tensors of every such backbone. Where several share a new name, they are
            joined.
        distillation_token (`str`): Name of the token that some have behind the class token.
        left_out (`tuple` of pairs of `str`): Patterns of names that no class here has, and why.
    """

    name: str
    block: str
    rules: tuple[Rule, ...]
    distillation_token: str
    left_out: tuple[tuple[str, str], ...]


TIMM = Layout(
    name="timm",
    block="blocks.",
    # The original's backbone is one of timm's, by other names only where it is inside a larger model.
    rules=tuple(
        Rule(rule.original.removeprefix(_ORIGINAL), rule.converted)
        for rule in BACKBONE_RULES
        if rule.original.startswith(_ORIGINAL) and rule.original != "transformer.temporal_embed"
    ),
    distillation_token=DISTILLATION_TOKEN.removeprefix(_ORIGINAL),
    left_out=(
        (r"head(_dist)?\.(weight|bias)", "image classifier"),
        (r"pre_logits\.fc\.(weight|bias)", "layer before the image classifier"),
    ),
)
TRANSFORMERS = Layout(
    name="transformers",
    block="layers.",
    rules=(
        Rule("embeddings.cls_token", CLASS_TOKEN),
        Rule("embeddings.position_embeddings", PATCH_POSITIONS),
        Rule("embeddings.patch_embeddings.projection.{kind}", f"{_VISUAL}.patch_embeddings.{{kind}}"),
        Rule("layernorm.{kind}", "layernorm.{kind}"),
        *(
            Rule(f"layers.{{layer}}.{source}.{{kind}}", f"layers.{{layer}}.{converted}.{{kind}}")
            for source, converted in (
                ("layernorm_before", "layernorm_before"),
                ("attention.q_proj", "attention.qkv"),
                ("attention.k_proj", "attention.qkv"),
                ("attention.v_proj", "attention.qkv"),
                ("attention.o_proj", "attention.out_proj"),
                ("layernorm_after", "layernorm_after"),
                ("mlp.fc1", "mlp.fc1"),
                ("mlp.fc2", "mlp.fc2"),
            )
        ),
    ),
    distillation_token="embeddings.distillation_token",
    left_out=(
        (r"(cls_|distillation_)?classifier\.(weight|bias)", "image classifier"),
        (r"pooler\.dense\.(weight|bias)", "pools the image's class token; the model's pooler reads the text's"),
        (r"embeddings\.mask_token|decoder\.0\.(weight|bias)", "masked image modelling of the source's own training"),
    ),
)
LAYOUTS = (TIMM, TRANSFORMERS)

# Spellings that mean the same: what stands before a backbone inside a model with a head, the modules of a ViT as
# transformers called them before version 5 and still does in files, and BERT's layer norms as TensorFlow called them.
SPELLINGS = (
    (r"^(vit|deit|bert)\.", ""),
    (r"^encoder\.layer\.(\d+)\.attention\.attention\.([qkv])\w+\.", r"layers.\1.attention.\2_proj."),
    (r"^encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"layers.\1.attention.o_proj."),
    (r"^encoder\.layer\.(\d+)\.intermediate\.dense\.", r"layers.\1.mlp.fc1."),
    (r"^encoder\.layer\.(\d+)\.output\.dense\.", r"layers.\1.mlp.fc2."),
    (r"^encoder\.layer\.(\d+)\.layernorm", r"layers.\1.layernorm"),
    (r"LayerNorm\.gamma$", "LayerNorm.weight"),
    (r"LayerNorm\.beta$", "LayerNorm.bias"),
)

# Names that tell of a model which this package's cannot be started from, and what they tell.
REFUSED = (
    (r"(vision_model|text_model|visual|logit_scale)\b|embeddings\.class_embedding", "the names of CLIP"),
    (
        r"text_embeddings\.|transformer\.blocks\.",
        "the names of All-in-one, of which it is a checkpoint",
    ),
    (r"(allinone\.)?embeddings\.visual_embeddings\.", "the names of this package, so it is converted already"),
    (r"layers\.\d+\.blocks\.", "the names of a Swin Transformer"),
    (r"(conv1|layer1|stem|stages)\.", "the names of a convolutional network"),
    (r"reg_token|.*register_tokens", "register tokens"),
    (r".*\b(ls[12]\.gamma|gamma_[12]|lambda_[12]|layer_scale[12].*)$", "LayerScale, as DeiT III and BEiT"),
    (r"blocks\.\d+\.attn\.[qk]_norm\.", "norms of queries and keys"),
    (r".*relative_position|.*rel_pos|.*distance_embedding", "relative positions, as BEiT"),
    (r"rope\.", "rotary positions"),
    (
        r"blocks\.\d+\.attn\.([qkv]|[qkv]_proj|[qkv]_bias)(\.|$)",
        "queries, keys and values of their own, as EVA and BEiT",
    ),
    (r"blocks\.\d+\.mlp\.(w12|w[123]|fc1_[gx]|norm)\.", "a gated MLP, as SwiGLU, or one with a norm inside"),
    (r"norm_pre\.", "a norm before the first block, as CLIP's image encoder"),
    (r"fc_norm\.", "a norm behind the mean of its patches, in place of one for each token"),
    (r"attn_pool\.", "attention pooling, as SigLIP"),
    (r"patch_embed\.(?!proj\.)", "a convolutional stem"),
)

# What a backbone is that lacks one of these.
WITHOUT = {
    CLASS_TOKEN: "it has no class token, but takes the mean of its patches",
    PATCH_POSITIONS: "it has no table of positions",
    "layernorm.weight": "it has no norm of its last tokens",
}

TEXT_RULES = (
    Rule("embeddings.word_embeddings.weight", f"{_TEXT}.word_embeddings.weight"),
    Rule("embeddings.position_embeddings.weight", TEXT_POSITIONS),
    Rule("embeddings.token_type_embeddings.weight", f"{_TEXT}.token_type_embeddings.weight"),
    Rule("embeddings.LayerNorm.{kind}", f"{_TEXT}.layer_norm.{{kind}}"),
)
MASKED_LM_RULES = (
    Rule("cls.predictions.transform.dense.{kind}", "mlm_head.dense.{kind}"),
    Rule("cls.predictions.transform.LayerNorm.{kind}", "mlm_head.layer_norm.{kind}"),
    Rule("cls.predictions.decoder.weight", "mlm_head.decoder.weight"),
    Rule("cls.predictions.bias", "mlm_head.decoder.bias"),
)
TEXT_LEFT_OUT = (
    (r"embeddings\.(position_ids|token_type_ids)", "a buffer, not a weight"),
    (r"(encoder\.layer|layers)\.\d+\..*", "a block of BERT; text goes through the blocks of the ViT"),
    (r"pooler\.dense\.(weight|bias)", "pools for next-sentence prediction; the model's pooler starts fresh"),
    (r"cls\.seq_relationship\.(weight|bias)", "next-sentence prediction"),
    (r"(classifier|qa_outputs)\.(weight|bias)", "head of another task"),
    (r"cls\.predictions\.decoder\.bias", "the same as cls.predictions.bias"),
)
