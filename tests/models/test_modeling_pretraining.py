# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The pre-training class: losses, alone and together, which heads it has, saving, bad input."""

import pytest
import torch
from head_batches import several
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoModelForMultipleChoice, AutoModelForPreTraining

from modeling_allinone import (
    AllInOneForMaskedLM,
    AllInOneForMultipleChoice,
    AllInOneForPreTraining,
    AllInOneForVideoTextRetrieval,
)

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


@pytest.fixture
def build(tiny_config):
    """Make a tiny model in evaluation mode; keywords change its configuration."""

    def make(cls=AllInOneForPreTraining, **fields):
        return cls(tiny_config(**{"num_frames": 3, **fields})).eval()

    return make


@pytest.fixture
def inputs(tiny_inputs):
    return tiny_inputs(num_frames=3)


@pytest.fixture
def targets():
    labels = torch.full((2, 7), -100)
    labels[0, 2], labels[1, 1] = 5, 98
    return {
        "labels": labels,
        "matching_labels": torch.tensor([1, 0]),
        "frame_order": torch.tensor([[1, 0, 2], [2, 1, 0]]),
        "bool_masked_pos": torch.rand(2, 3, 16) < 0.3,
        "return_contrastive_loss": True,
    }


def test_losses_are_added(build, inputs, targets):
    outputs = build(alignment_loss_weight=0.7)(**inputs, **targets)
    assert outputs.mlm_logits.shape == (2, 7, 99) and outputs.matching_logits.shape == (2, 2)
    assert outputs.clip_order_logits.shape == (2, 6) and outputs.hidden_states is None
    log_probabilities = outputs.mlm_logits.log_softmax(-1)
    torch.testing.assert_close(outputs.mlm_loss, -(log_probabilities[0, 2, 5] + log_probabilities[1, 1, 98]) / 2)
    cross_entropy = torch.nn.functional.cross_entropy
    torch.testing.assert_close(outputs.matching_loss, cross_entropy(outputs.matching_logits, torch.tensor([1, 0])))
    torch.testing.assert_close(outputs.clip_order_loss, cross_entropy(outputs.clip_order_logits, torch.tensor([2, 5])))
    assert outputs.contrastive_loss == 0, "one pair is left, which nothing is told from"
    parts = outputs.mlm_loss + outputs.matching_loss + 0.7 * outputs.alignment_loss + outputs.clip_order_loss
    parts += outputs.masked_patch_loss
    torch.testing.assert_close(outputs.loss, parts)


@pytest.mark.parametrize(
    ("name", "objective", "losses"),
    (
        ("labels", "masked_lm", ["mlm_loss"]),
        ("matching_labels", "matching", ["matching_loss", "alignment_loss"]),
        ("frame_order", "clip_order", ["clip_order_loss"]),
        ("bool_masked_pos", "masked_patches", ["masked_patch_loss"]),
        ("return_contrastive_loss", "contrastive", ["contrastive_loss"]),
    ),
)
def test_each_objective_alone(build, inputs, targets, name, objective, losses):
    model = build()
    alone = model(**inputs, **{name: targets[name]})
    assert [key for key in alone if key.endswith("_loss")] == losses
    assert (alone.mlm_logits is None) == (name == "return_contrastive_loss"), "the joint pass is saved"
    if name != "return_contrastive_loss":
        if name != "bool_masked_pos":
            del targets["bool_masked_pos"]  # hides patches from the other objectives
        together = model(**inputs, **targets)
        for loss in losses:
            torch.testing.assert_close(alone[loss], together[loss])
    small = build(pretraining_objectives=[objective])
    assert small(**inputs, **{name: targets[name]}).loss is not None


@pytest.mark.parametrize("temporal_mixing", ("token_roll", "none"))
@pytest.mark.parametrize("padded", (False, True))
def test_colour_follows_its_patch(build, inputs, temporal_mixing, padded):
    """Without attention and MLP, a token is its embedding wherever it ends up, and has the colour of its patch."""
    model = build(pretraining_objectives=["masked_patches"], temporal_mixing=temporal_mixing, num_hidden_layers=5)
    for layer in model.allinone.layers:
        for part in (layer.attention.out_proj, layer.mlp.fc2):
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.zeros_(part.bias)
    bool_masked_pos = torch.rand(2, 3, 16) < 0.5
    if padded:
        inputs["pixel_mask"] = torch.ones(2, 32, 32)
        inputs["pixel_mask"][1, :, 16:] = 0
        inputs["pixel_mask"][1, 24:] = 0
    loss = model(**inputs, bool_masked_pos=bool_masked_pos).masked_patch_loss

    embedded, _, in_order = model.allinone.embeddings.embed_video(
        inputs["pixel_values"],
        inputs.get("pixel_mask"),
        torch.arange(16).expand(2, 3, -1),
        bool_masked_pos=bool_masked_pos,
    )
    expected_losses = []
    mean, std = torch.tensor(model.config.image_mean), torch.tensor(model.config.image_std)
    is_padding = torch.zeros(2, 16, dtype=torch.bool)
    if padded:
        is_padding[1] = torch.tensor([row == 3 or column >= 2 for row in range(4) for column in range(4)])
    for clip in range(2):
        for frame in range(3):
            for place, patch in enumerate(in_order[clip, frame].tolist()):
                if is_padding[clip, patch] or not bool_masked_pos[clip, frame, patch]:
                    continue
                state = model.allinone.layernorm(embedded[clip, frame, 1 + place])
                row, column = divmod(patch, 4)
                pixels = inputs["pixel_values"][
                    clip, frame, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8
                ].mean((1, 2))
                colour = ((pixels * std + mean) * 256).floor().clamp(0, 255).long()
                log_probabilities = model.masked_patch_head(state[None, None])[0, 0].log_softmax(-1)
                expected_losses += [-log_probabilities[channel, colour[channel]] for channel in range(3)]
    torch.testing.assert_close(loss, torch.stack(expected_losses).mean(), **CLOSE)


def test_without_targets(build, inputs):
    outputs = build()(**inputs, output_hidden_states=True)
    assert set(outputs) == {"mlm_logits", "matching_logits", "hidden_states", "patch_permutation"}
    assert set(build()(input_ids=inputs["input_ids"])) == {"mlm_logits"}


def test_contrastive_loss_is_that_of_retrieval(build, inputs):
    pretraining = build(projection_dim=6, pretraining_objectives=["contrastive"])
    retrieval = build(AllInOneForVideoTextRetrieval, projection_dim=6, use_pair_scorer=False)
    retrieval.load_state_dict(pretraining.state_dict())
    expected = retrieval(**inputs, return_loss=True).loss
    torch.testing.assert_close(pretraining(**inputs, return_contrastive_loss=True).loss, expected)


def test_padding_takes_no_part_in_alignment(build, inputs):
    model = build(pretraining_objectives=["matching"], temporal_mixing="none")
    labels = torch.tensor([1, 1])
    padded = {
        "input_ids": torch.nn.functional.pad(inputs["input_ids"], (0, 3)),
        "attention_mask": torch.nn.functional.pad(inputs["attention_mask"], (0, 3)),
        "pixel_values": torch.nn.functional.pad(inputs["pixel_values"], (0, 16, 0, 8)),
        "pixel_mask": torch.nn.functional.pad(torch.ones(2, 32, 32), (0, 16, 0, 8)),
    }
    outputs = model(**padded, matching_labels=labels, patch_permutation=torch.arange(30).expand(2, 3, -1))
    plain = model(**inputs, matching_labels=labels, patch_permutation=torch.arange(16).expand(2, 3, -1))
    torch.testing.assert_close(outputs.alignment_loss, plain.alignment_loss, **CLOSE)
    assert plain.alignment_loss != 0


def test_distillation_token_in_alignment(build, inputs):
    fields = {"use_distillation_token": True, "pretraining_objectives": ["matching"]}
    without, with_token = (build(align_distillation_token=aligned, **fields) for aligned in (False, True))
    with_token.load_state_dict(without.state_dict())
    inputs["matching_labels"] = torch.tensor([1, 1])
    assert without(**inputs).alignment_loss != with_token(**inputs).alignment_loss


@pytest.mark.parametrize(
    "fields",
    (
        {},
        {"num_frames": 8},
        {"use_distillation_token": True},
        {"pretraining_objectives": ["masked_lm", "contrastive"]},
    ),
)
def test_save_and_load(build, tmp_path, fields):
    model = build(**fields)
    assert (model.clip_order_head is not None) == (not fields.keys() - {"use_distillation_token"})
    model.save_pretrained(tmp_path)
    loaded, report = AutoModelForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is AllInOneForPreTraining
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert all(torch.equal(loaded.state_dict()[name], weight) for name, weight in model.state_dict().items())


def test_clip_order_classifier_follows_the_number_of_frames(build, tiny_inputs, tmp_path):
    model = build()
    assert model.resize_num_frames(4).clip_order_head.out_proj.out_features == 24
    assert model.clip_order_head.out_proj.weight.std().item() == pytest.approx(0.2, rel=0.05)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForPreTraining.from_pretrained(tmp_path)
    inputs = tiny_inputs(num_frames=4) | {"frame_order": torch.tensor([[3, 1, 0, 2], [0, 1, 2, 3]])}
    torch.testing.assert_close(loaded(**inputs).loss, model(**inputs).loss)
    assert model.resize_num_frames(8).clip_order_head is None


def test_vocabulary_is_resized(build, inputs):
    model = build()
    model.resize_token_embeddings(120)
    assert model(**inputs).mlm_logits.shape == (2, 7, 120)


PAIRS = {"matching_labels": torch.tensor([0, 1])}


@pytest.mark.parametrize(
    ("fields", "change", "message"),
    (
        ({}, {"frame_order": torch.zeros(2, 3).long()}, "frame_order must hold each of 0 to 2 once in every row"),
        ({}, {"frame_order": torch.zeros(2, 2).long()}, r"frame_order has shape \(2, 2\), but expected \(2, 3\)"),
        (
            {},
            {"frame_order": torch.zeros(2, 2).long(), "pixel_values": torch.zeros(2, 2, 3, 32, 32)},
            "pixel_values has 2 frames, but the clip-order classifier knows the orders of 3",
        ),
        ({}, {"matching_labels": torch.tensor([0, 2])}, "matching_labels holds 2, but expected a class from 0 to 1"),
        ({}, {"labels": torch.full((2, 7), 99)}, "labels holds 99"),
        ({}, PAIRS | {"pixel_values": None}, "matching_labels was given, but no video"),
        ({}, {"input_ids": None}, "This head reads text"),
        (
            {},
            {"bool_masked_pos": torch.zeros(2, 3, 15).bool()},
            r"shape \(2, 3, 15\) and type torch.bool, but expected",
        ),
        ({}, {"bool_masked_pos": torch.zeros(2, 3, 16)}, "and type torch.float32, but expected booleans"),
        ({}, {"use_hard_negatives": True}, "needs return_contrastive_loss=True and matching_labels"),
        ({}, PAIRS | {"use_hard_negatives": True}, "needs return_contrastive_loss=True and matching_labels"),
        ({}, {"return_contrastive_loss": True, "use_hard_negatives": True}, "needs return_contrastive_loss=True and"),
        (
            {"pretraining_objectives": ["masked_lm"]},
            PAIRS,
            r"no head for it: its objectives are masked_lm\. Load it with 'matching' among",
        ),
    ),
)
def test_input_is_checked(build, inputs, fields, change, message):
    with pytest.raises(ValueError, match=message):
        build(**fields)(**inputs | change)


# ------------------------------------------------------------------------------- what other classes take from it


@pytest.fixture
def pretrained(build, tmp_path):
    """A pre-training model and where it was saved."""
    model = build(projection_dim=6)
    model.save_pretrained(tmp_path / "pretrained")
    return model, tmp_path / "pretrained"


@pytest.mark.parametrize("cls", (AllInOneForMultipleChoice, AllInOneForVideoTextRetrieval))
@pytest.mark.parametrize("max_shard_size", ("1GB", "20KB"))
@pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16))
def test_scorer_starts_as_a_row_of_the_matching_head(build, tmp_path, caplog, cls, max_shard_size, dtype):
    pretraining = build()
    pretraining.save_pretrained(tmp_path / "pretrained", max_shard_size=max_shard_size)
    assert (len(list((tmp_path / "pretrained").glob("*.safetensors"))) > 1) == (max_shard_size == "20KB")
    with caplog.at_level("WARNING", logger="transformers"):
        model, report = cls.from_pretrained(tmp_path / "pretrained", dtype=dtype, output_loading_info=True)
    assert "mlm_head.decoder.weight" in caplog.text, "what is left over is reported"
    assert "scorer.out_proj" not in caplog.text and "MISSING" not in caplog.text
    assert not any(report[key] for key in ("missing_keys", "mismatched_keys", "error_msgs"))
    assert not any(key.startswith(("matching_head", "scorer")) for key in report["unexpected_keys"])
    for kind in ("weight", "bias"):
        scorer = model.get_parameter(f"scorer.out_proj.{kind}")
        assert torch.equal(scorer, pretraining.get_parameter(f"matching_head.{kind}")[1:].to(dtype))
        assert scorer.requires_grad

    model.save_pretrained(tmp_path / "fine-tuned")
    assert load_file(tmp_path / "fine-tuned" / "model.safetensors").keys() == model.state_dict().keys()


def test_choices_are_scored_as_in_pretraining(build, inputs, pretrained):
    pretraining, directory = pretrained
    texts = several(inputs, 3)
    choice = AutoModelForMultipleChoice.from_pretrained(directory)
    retrieval = AllInOneForVideoTextRetrieval.from_pretrained(directory)
    logits = choice(**texts, pixel_values=inputs["pixel_values"]).logits
    scores = retrieval.score_pairs(**texts, pixel_values=inputs["pixel_values"])
    for place in range(3):
        text = {name: tokens[:, place] for name, tokens in texts.items()}
        expected = pretraining(**text, pixel_values=inputs["pixel_values"]).matching_logits[:, 1]
        torch.testing.assert_close(logits[:, place], expected, **CLOSE)
        torch.testing.assert_close(scores[:, place], expected, **CLOSE)


def test_projections_and_masked_lm_head_are_taken_over(inputs, pretrained):
    pretraining, directory = pretrained
    retrieval = AllInOneForVideoTextRetrieval.from_pretrained(directory)
    torch.testing.assert_close(
        retrieval(**inputs, return_loss=True).loss, pretraining(**inputs, return_contrastive_loss=True).loss
    )
    masked_lm, report = AutoModelForMaskedLM.from_pretrained(directory, output_loading_info=True)
    assert type(masked_lm) is AllInOneForMaskedLM and not report["missing_keys"]
    torch.testing.assert_close(masked_lm(**inputs).logits, pretraining(**inputs).mlm_logits)


@pytest.mark.parametrize("cls", (AllInOneForMultipleChoice, AllInOneForVideoTextRetrieval))
def test_a_scorer_of_its_own_goes_first(build, tmp_path, pretrained, cls):
    model = build(cls, projection_dim=6)
    model.save_pretrained(tmp_path / "scorer")
    loaded, report = cls.from_pretrained(tmp_path / "scorer", output_loading_info=True)
    assert not any(report.values())
    assert all(torch.equal(loaded.state_dict()[name], weight) for name, weight in model.state_dict().items())
    both = pretrained[0].state_dict() | model.state_dict()
    loaded = cls.from_pretrained(None, config=model.config, state_dict=both)
    assert all(torch.equal(loaded.state_dict()[name], weight) for name, weight in model.state_dict().items())


def test_a_row_fits_no_other_scorer(build, pretrained, tmp_path):
    """32 wide, a scorer's hidden layer looks like the pooled output, but is none."""
    _, directory = pretrained
    _, report = AllInOneForMultipleChoice.from_pretrained(directory, choice_hidden_size=32, output_loading_info=True)
    parts = {key.rpartition(".")[0] for key in report["missing_keys"]}
    assert parts == {"scorer.dense", "scorer.layer_norm", "scorer.out_proj"}
    model, report = AllInOneForVideoTextRetrieval.from_pretrained(
        directory, use_pair_scorer=False, output_loading_info=True
    )
    assert model.scorer is None and not report["missing_keys"]
    build(pretraining_objectives=["masked_lm"]).save_pretrained(tmp_path / "words")
    _, report = AllInOneForMultipleChoice.from_pretrained(tmp_path / "words", output_loading_info=True)
    assert {"scorer.out_proj.weight", "scorer.out_proj.bias"} < report["missing_keys"]


@pytest.mark.grad
def test_gradient_checkpointing_changes_nothing(build, inputs, targets):
    model = build(drop_path_rate=0.0, hidden_dropout_prob=0.0, clip_order_dropout=0.0, classifier_dropout=0.0).train()
    inputs["patch_permutation"] = torch.arange(16).expand(2, 3, -1)
    targets["matching_labels"] = torch.tensor([1, 1])
    gradients = []
    for _ in range(2):
        model.zero_grad()
        model(**inputs, **targets).loss.backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
        model.gradient_checkpointing_enable()
    assert [name for name, gradient in gradients[0].items() if gradient is None] == []
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, **CLOSE)


# ------------------------------------------------------------------------------- a pass for each objective


EXACT = {"atol": 1e-6, "rtol": 1e-6}


@pytest.fixture
def passes(tiny_inputs):
    """Inputs and targets of a pass for each objective, for four pairs of which the third cannot be read."""
    inputs = tiny_inputs(batch_size=4, num_frames=3)
    labels = torch.full((4, 7), -100)
    labels[0, 2], labels[1, 1], labels[3, 1] = 5, 98, 7
    return inputs | {
        "masked_input_ids": torch.where(labels == -100, inputs["input_ids"], 4),
        "labels": labels,
        "matching_indices": torch.tensor([1, 1, 2, 0]),
        "matching_labels": torch.tensor([0, 1, -100, 0]),
        "frame_order": torch.tensor([[1, 0, 2], [2, 1, 0], [0, 1, 2], [2, 0, 1]]),
        "bool_masked_pos": torch.rand(4, 3, 16) < 0.3,
        "is_pair": torch.tensor([True, True, False, True]),
        "return_contrastive_loss": True,
    }


@pytest.mark.parametrize(
    "fields", ({}, {"patch_order": "random"}, {"max_image_length": 9}, {"use_distillation_token": True})
)
def test_a_pass_for_each_objective_is_a_call_for_each(build, passes, fields):
    """Each objective sees what is its own: masked text, swapped clips, hidden patches, or nothing of these."""
    model = build(**fields)
    together = model(**passes)
    texts = {name: passes[name] for name in ("input_ids", "attention_mask")}
    masked = texts | {"input_ids": passes["masked_input_ids"]}
    clips = {"pixel_values": passes["pixel_values"]}
    swapped = {"pixel_values": clips["pixel_values"][passes["matching_indices"]]}
    words = model(**masked, **clips, labels=passes["labels"])
    matching = model(**texts, **swapped, matching_labels=passes["matching_labels"])
    order = model(**texts, **clips, frame_order=passes["frame_order"])
    colours = model(**masked, **clips, bool_masked_pos=passes["bool_masked_pos"])
    contrast = model(**texts, **clips, return_contrastive_loss=True, is_pair=passes["is_pair"])
    for outputs, names in (
        (words, ("mlm_loss", "mlm_logits")),
        (matching, ("matching_loss", "matching_logits", "alignment_loss")),
        (order, ("clip_order_loss", "clip_order_logits")),
        (colours, ("masked_patch_loss",)),
        (contrast, ("contrastive_loss", "text_embeds", "video_embeds")),
    ):
        for name in names:
            torch.testing.assert_close(together[name], outputs[name], **EXACT)
    losses = words.mlm_loss + matching.loss + order.clip_order_loss + colours.masked_patch_loss
    torch.testing.assert_close(together.loss, losses + contrast.contrastive_loss)
    assert together.hidden_states is None and together.patch_permutation is None


@pytest.mark.parametrize("matching_indices", ([0, 1, 2, 3], [1, 1, 2, 0], [1, 0, 3, 2], None))
def test_clip_order_shares_what_matching_has_read(build, passes, matching_indices):
    model = build()
    given = {name: passes[name] for name in ("input_ids", "attention_mask", "pixel_values", "frame_order")}
    alone = model(**given)
    backbone_batches = []
    model.allinone.register_forward_hook(
        lambda module, arguments, inputs, outputs: backbone_batches.append(len(inputs["input_ids"])), with_kwargs=True
    )
    swaps = {} if matching_indices is None else {"matching_indices": torch.tensor(matching_indices)}
    together = model(
        **given, **swaps, masked_input_ids=passes["masked_input_ids"], matching_labels=passes["matching_labels"]
    )
    torch.testing.assert_close(together.clip_order_logits, alone.clip_order_logits, **EXACT)
    torch.testing.assert_close(together.clip_order_loss, alone.clip_order_loss, **EXACT)
    num_swapped = sum(clip != row for row, clip in enumerate(matching_indices or range(4)))
    assert backbone_batches == [4, num_swapped][: 1 + (num_swapped > 0)]


@pytest.mark.grad
def test_sharing_a_pass_changes_no_gradient(build, passes):
    model = build(pretraining_objectives=["matching", "clip_order"])
    common = {name: passes[name] for name in ("input_ids", "attention_mask")}
    swapped = {"pixel_values": passes["pixel_values"][passes["matching_indices"]]}
    matching = model(**common, **swapped, matching_labels=passes["matching_labels"]).loss
    order = model(**common, pixel_values=passes["pixel_values"], frame_order=passes["frame_order"]).loss
    (matching + order).backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    names = ("pixel_values", "matching_indices", "matching_labels", "frame_order")
    model(**common, **{name: passes[name] for name in names}).loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], **CLOSE, msg=name)


def test_hard_clips_are_those_that_features_confuse(build, passes):
    """The clip of each text has almost the features of the next text, which so is confused with it."""
    model = build(contrastive_temperature=0.01)
    places = torch.eye(4, model.config.projection_dim)
    model.text_projection.forward = lambda states: places
    model.video_projection.forward = lambda states: places.roll(-1, 0)  # text i is like clip i - 1
    given = {name: passes[name] for name in ("input_ids", "attention_mask", "pixel_values")}
    labels = torch.tensor([0, 1, 0, 0])
    outputs = model(**given, matching_labels=labels, return_contrastive_loss=True, use_hard_negatives=True)
    for row, clip in enumerate((3, 1, 1, 2)):
        texts = {name: given[name][[row]] for name in ("input_ids", "attention_mask")}
        expected = model(**texts, pixel_values=given["pixel_values"][[clip]]).matching_logits
        torch.testing.assert_close(outputs.matching_logits[[row]], expected, **CLOSE)


def test_names_of_the_first_release_are_understood(build, passes):
    model = build()
    given = {name: passes[name] for name in ("input_ids", "attention_mask", "pixel_values", "matching_labels")}
    with pytest.warns(FutureWarning, match="`matched_clips` is deprecated .* Use `matching_indices` instead"):
        old = model(**given, matched_clips=passes["matching_indices"]).matching_logits
    assert torch.equal(old, model(**given, matching_indices=passes["matching_indices"]).matching_logits)
    with (
        pytest.warns(FutureWarning, match="use_hard_negatives"),
        pytest.raises(ValueError, match="use_hard_negatives"),
    ):
        model(**given, draws_hard_clips=True)


def test_hard_clips_are_never_unreadable_nor_of_an_equal_text(build, passes):
    model = build(contrastive_temperature=0.01)
    same = torch.ones(4, model.config.projection_dim)  # all are confused with all
    model.text_projection.forward = model.video_projection.forward = lambda states: same
    input_ids = passes["input_ids"][[0, 0, 1, 2]]
    for is_pair, legal in (([True, True, True, False], {2}), ([True, True, True, True], {2, 3})):
        drawn = set()
        for _ in range(20):
            result = model(
                input_ids=input_ids,
                pixel_values=passes["pixel_values"],
                matching_labels=torch.tensor([0, 0, -100, -100]),
                is_pair=torch.tensor(is_pair),
                return_contrastive_loss=True,
                use_hard_negatives=True,
            )
            for row in (0, 1):
                of_clips = model(input_ids=input_ids[[row] * 4], pixel_values=passes["pixel_values"]).matching_logits
                is_drawn = torch.isclose(of_clips, result.matching_logits[row], atol=1e-5).all(dim=1)
                drawn |= set(is_drawn.nonzero()[:, 0].tolist())
        assert drawn == legal


def test_a_single_pair_has_no_hard_clip(build, tiny_inputs):
    inputs = tiny_inputs(batch_size=1, num_frames=3) | {"matching_labels": torch.tensor([1])}
    model = build()
    outputs = model(**inputs, return_contrastive_loss=True, use_hard_negatives=True)
    torch.testing.assert_close(outputs.matching_logits, model(**inputs).matching_logits)


def test_pairs_that_are_none_are_left_out_of_contrast(build, passes):
    model = build()
    given = {name: passes[name] for name in ("input_ids", "attention_mask", "pixel_values")}
    is_pair = passes["is_pair"]
    expected = model(**{name: value[is_pair] for name, value in given.items()}, return_contrastive_loss=True)
    for option in ({"is_pair": is_pair}, {"matching_labels": is_pair.long()}):
        outputs = model(**given, **option, return_contrastive_loss=True)
        torch.testing.assert_close(outputs.contrastive_loss, expected.contrastive_loss)
    no_pair = model(**given, is_pair=torch.zeros(4, dtype=torch.bool), return_contrastive_loss=True)
    assert no_pair.contrastive_loss == 0
