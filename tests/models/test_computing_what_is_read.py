# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The last block computes the tokens that are read, the decoder the words, and their values are the same."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from head_batches import HEADS, make_batch, several

from modeling_allinone import (
    AllInOneForMaskedLM,
    AllInOneForPreTraining,
    AllInOneForVideoTextRetrieval,
    AllInOneModel,
)
from modeling_allinone.models import attention_allinone
from modeling_allinone.models.attention_allinone import eager_attention_forward
from modeling_allinone.models.linear_allinone import AllInOneLinear
from modeling_allinone.models.modeling_allinone import AllInOneLayer

CLOSE = {"atol": 1e-6, "rtol": 1e-5}
FLEX = pytest.param("flex_attention", marks=pytest.mark.slow)  # needs a C++ compiler on the machine


@pytest.fixture
def build(tiny_config):
    """Make a tiny model in evaluation mode; keywords change its configuration."""

    def make(cls=AllInOneModel, attn_implementation="sdpa", **fields):
        return cls._from_config(tiny_config(**fields), attn_implementation=attn_implementation).eval()

    return make


@pytest.fixture
def count_tokens():
    """Make a function that tells how many tokens the last block of a model computed in each pass since it was made."""

    def make(model):
        counts = []
        mlp = model.base_model.layers[-1].mlp
        mlp.register_forward_hook(lambda module, inputs, output: counts.append(output.shape[1]))
        return counts

    return make


@pytest.mark.parametrize("implementation", ("sdpa", "eager", FLEX))
@pytest.mark.parametrize("kind", ("joint", "padded", "text", "video", "image"))
@pytest.mark.parametrize("mixing", ("token_roll", "channel_shift"))
def test_the_first_tokens_are_those_of_the_whole(build, tiny_inputs, count_tokens, implementation, kind, mixing):
    model, inputs = build(attn_implementation=implementation, temporal_mixing=mixing), tiny_inputs()
    if kind == "padded":
        inputs["pixel_mask"] = torch.ones(2, 32, 32)
        inputs["pixel_mask"][0, :, 16:] = 0
    elif kind == "image":
        inputs["pixel_values"] = inputs["pixel_values"][:, 0]
    elif kind == "text":
        del inputs["pixel_values"]
    elif kind == "video":
        inputs = {"pixel_values": inputs["pixel_values"]}
    whole, counts = model(**inputs), count_tokens(model)
    for number in (1, 7, 1000):
        outputs = model(**inputs, tokens_to_keep=number)
        torch.testing.assert_close(outputs.last_hidden_state, whole.last_hidden_state[:, :number], **CLOSE)
        torch.testing.assert_close(outputs.pooler_output, whole.pooler_output, **CLOSE)
    num_tokens = whole.last_hidden_state.shape[1]
    assert counts == [1, 7, num_tokens]
    asked = model(**inputs, tokens_to_keep=1, output_hidden_states=True)
    assert torch.equal(asked.last_hidden_state, whole.last_hidden_state)
    assert asked.hidden_states[-1].shape[1] == num_tokens
    with pytest.raises(ValueError, match="tokens_to_keep is 0, but must be at least 1"):
        model(**inputs, tokens_to_keep=0)


# How many tokens each pass of a head reads, where it is not one pass over one token: of 7 of text and 17 of video.
NUM_READ = {
    "masked_lm": [7],
    "features": [1, 1],
    "hard_negatives": [1, 1, 1],
    "commonsense": [1, 1],
    "pairs": [1, 1],
    "contrast_alone": [1, 1],
    "no_target": [7],
    "one_pass": [1, 1, 24],
    "own_passes": [1, 1, 7, 24, 24, 24],  # contrast, words, matching and alignment, order, patches
}


@pytest.mark.parametrize("head", sorted(HEADS.keys() - {"embeds", "hard_clips", "own_pass_for_order"}))
def test_heads_compute_what_they_read(build, tiny_inputs, count_tokens, head):
    cls, kind, targets = HEADS[head]
    inputs = tiny_inputs()
    texts = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    batch = make_batch(kind, texts, inputs["pixel_values"]) | targets
    model = build(cls, projection_dim=6, clip_order_hidden_size=8)
    counts = count_tokens(model)
    outputs = model(**batch)
    assert counts == NUM_READ.get(head, [1])
    whole = model(**batch, output_attentions=True)  # for which all is computed
    assert min(counts[len(counts) // 2 :]) >= 7
    assert {"logits", "loss"} & {name.rpartition("_")[2] for name in outputs}
    for name in outputs:
        torch.testing.assert_close(outputs[name], whole[name], **CLOSE)


@pytest.mark.grad
def test_gradients_are_those_of_the_whole(build, tiny_inputs):
    model, inputs = build().train(), tiny_inputs()
    gradients = []
    for number in (1, None):
        model.zero_grad()
        torch.manual_seed(0)
        model.eval()(**inputs, tokens_to_keep=number).pooler_output.square().sum().backward()
        gradients.append({name: one.grad for name, one in model.named_parameters() if one.grad is not None})
    assert len(gradients[0]) == len(list(model.parameters()))
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


def _note_size(sizes, saved):
    sizes.append(saved.numel())
    return saved


@pytest.mark.grad
@pytest.mark.parametrize("dropout", (0.0, 0.5))
def test_what_goes_into_linear_layers_is_computed_once_more(tiny_config, dropout):
    """Instead of being kept, with the same gradients, also where some of it is dropped."""
    layer, tokens = AllInOneLayer(tiny_config(hidden_dropout_prob=dropout), 0).train(), torch.randn(2, 5, 32)
    keeping = deepcopy(layer)
    for module in keeping.modules():
        if type(module) is AllInOneLinear:
            module.__class__ = torch.nn.Linear
    kept, gradients = [], []
    for run in (layer, keeping):
        sizes = []
        torch.manual_seed(0)
        keep = partial(_note_size, sizes)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
            product = run(tokens.requires_grad_()).square().sum()
        gradients.append(torch.autograd.grad(product, [tokens, *run.parameters()]))
        kept.append(sum(sizes))
    of_norms, of_activation = 2 * tokens.numel(), 10 * layer.mlp.fc2.in_features
    assert kept[1] - kept[0] >= of_norms + of_activation
    for one, other in zip(*gradients, strict=True):
        assert torch.equal(one, other)


@pytest.mark.grad
@pytest.mark.parametrize("change", (None, "bfloat16", "autocast", "frozen", "plain"))
def test_nothing_is_computed_once_more_where_it_is_not_kept_or_takes_too_long(tiny_config, change):
    layer, calls = AllInOneLayer(tiny_config(), 0).train(), []
    tokens = torch.randn(2, 5, 32)
    if change == "bfloat16":
        layer, tokens = layer.bfloat16(), tokens.bfloat16()
    elif change == "frozen":
        layer.attention.qkv.weight.requires_grad_(False)
    elif change == "plain":
        layer.attention.qkv.__class__ = torch.nn.Linear
    layer.layernorm_before.register_forward_hook(lambda *_: calls.append(None))
    with torch.autocast("cpu", torch.bfloat16, enabled=change == "autocast"):
        layer(tokens.requires_grad_()).sum().backward()
    assert len(calls) == (2 if change is None else 1)


# ---------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize("cls", (AllInOneForMaskedLM, AllInOneForPreTraining))
def test_training_decodes_labelled_tokens_alone(build, tiny_inputs, cls):
    model, inputs = build(cls, hidden_dropout_prob=0.0, drop_path_rate=0.0, patch_order="raster"), tiny_inputs()
    name, loss = ("logits", "loss") if cls is AllInOneForMaskedLM else ("mlm_logits", "mlm_loss")
    labels = torch.full((2, 7), -100)
    labels[0, 2], labels[1, 1] = 5, 98
    whole = model(**inputs, labels=labels)
    assert whole[name].shape == (2, 7, 99)
    sparse = model.train()(**inputs, labels=labels)
    torch.testing.assert_close(sparse[name], whole[name][labels != -100], **CLOSE)
    torch.testing.assert_close(sparse[loss], whole[loss])
    assert model(**inputs)[name].shape == (2, 7, 99), "without labels, all"
    nothing = model(**inputs, labels=torch.full((2, 7), -100))
    assert nothing[name].shape == (0, 99) and nothing[loss] == 0
    for wrong, message in ((labels[:, :3], "expected integers of shape"), (labels + 99, "expected a class from 0 to")):
        with pytest.raises(ValueError, match=message):
            model(**inputs, labels=wrong)


# ---------------------------------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize("batch_size", (1, 2, 3, 7, 64))
def test_pairs_are_scored_some_at_a_time(build, tiny_inputs, batch_size):
    model, inputs = build(AllInOneForVideoTextRetrieval), tiny_inputs(batch_size=3)
    texts, clips = several(inputs, 5), {"pixel_values": inputs["pixel_values"]}
    clips["pixel_mask"] = torch.ones(3, 32, 32)
    clips["pixel_mask"][0, :, 16:] = 0
    expected = model(**texts, **clips).logits
    rows, projected = [], []
    model.allinone.layers[0].register_forward_hook(lambda module, inputs, output: rows.append(len(output)))
    projection = model.allinone.embeddings.visual_embeddings.patch_embeddings
    projection.register_forward_hook(lambda module, inputs, output: projected.append(len(output)))
    torch.testing.assert_close(model.score_pairs(**texts, **clips, batch_size=batch_size), expected, **CLOSE)
    num_frames = 4
    assert max(rows) <= batch_size * num_frames and sum(rows) == 15 * num_frames
    assert sum(projected) == 3 * num_frames, "each clip once"
    with pytest.raises(ValueError, match="batch_size is 0, but must be at least 1"):
        model.score_pairs(**texts, **clips, batch_size=0)


# ------------------------------------------------------------------------------------------------------ attention


@pytest.mark.parametrize("num_queries", (1, 23))
@pytest.mark.parametrize("masked", (False, True))
def test_attention_written_out_is_that_of_torch(num_queries, masked):
    query, key, value = torch.randn(3, 2, 4, 23, 16).bfloat16()
    query, mask = query[:, :, :num_queries], torch.ones(2, 1, 1, 23, dtype=torch.bool)
    mask[0, ..., 5:9] = False
    given = mask if masked else None
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=given, scale=0.25)
    context, weights = eager_attention_forward(torch.nn.Identity(), query, key, value, given, 0.25)
    torch.testing.assert_close(context, expected.transpose(1, 2), atol=0.02, rtol=0.02)
    assert weights.shape == (2, 4, num_queries, 23)
    if masked:
        assert not weights[0, ..., 5:9].any() and weights[1, ..., 5:9].all()
        unread = eager_attention_forward(torch.nn.Identity(), query, key, value, mask & False, 0.25)[0]
        assert unread.isfinite().all()


def test_bfloat16_on_the_cpu_takes_the_faster_kernel(build, tiny_inputs, monkeypatch):
    """And says the same by both."""
    inputs = tiny_inputs()
    pooled = {}
    for is_fast in (True, False):
        monkeypatch.setattr(attention_allinone, "_MULTIPLIES_BFLOAT16_WITHOUT_AMX", is_fast)
        torch.manual_seed(0)
        pooled[is_fast] = build(dtype=torch.bfloat16)(**inputs).pooler_output
        assert attention_allinone.is_faster_written_out(torch.zeros(1, 9, 2, 8).bfloat16()) == is_fast
        assert not attention_allinone.is_faster_written_out(torch.zeros(1, 9, 2, 8))
        assert not attention_allinone.is_faster_written_out(torch.zeros(1, 999, 2, 8).bfloat16())
    assert not torch.equal(pooled[True], pooled[False]), "they round differently"
    torch.testing.assert_close(pooled[True], pooled[False], atol=0.03, rtol=0.03)
