# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
The model classes against the numbers of the original implementation, through converted checkpoints.

`fixtures/parity` holds a folder for each case: the original's checkpoint, inputs, and what it returned for them.
"""

from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForPreTraining,
    AutoModelForVideoClassification,
    AutoModelForVisualQuestionAnswering,
)

from modeling_allinone import (
    AllInOneForPairedVisualReasoning,
    AllInOneForPreTraining,
    AllInOneForVideoTextRetrieval,
    AllInOneForVisualCommonsenseReasoning,
)
from modeling_allinone.conversion.key_map import BACKBONE_RULES, find_sources
from modeling_allinone.conversion.original_checkpoint import convert_checkpoint
from modeling_allinone.models.losses_allinone import clip_order_labels

CASES = Path(__file__).parents[1] / "fixtures" / "parity"
ACTIVATIONS = {"atol": 1e-5, "rtol": 1e-4}
GRADIENTS = {"atol": 1e-4, "rtol": 1e-3}

JOINT_CASES = ("joint_raster", "joint_permuted", "distilled_joint_raster", "cotrain_video", "cotrain_image")


@pytest.fixture(scope="session")
def load(tmp_path_factory):
    """Convert a case for a task, once, and load it in evaluation mode, in raster order."""

    @cache
    def convert(case: str, task: str | None) -> Path:
        directory = tmp_path_factory.mktemp(case) / "converted"
        convert_checkpoint(CASES / case / "original.ckpt", directory, task, tokenizer=None)
        return directory

    def load_case(case: str, auto_class: type, task: str | None = None, **kwargs):
        directory = convert(case, task)
        assert AutoConfig.from_pretrained(directory).patch_order == "random"
        model = auto_class.from_pretrained(directory, patch_order="raster", **kwargs).eval()
        assert model.config.architectures == [type(model).__name__]
        return model

    return load_case


def read(case: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    return load_file(CASES / case / "inputs.safetensors"), load_file(CASES / case / "outputs.safetensors")


@pytest.mark.parametrize("attn_implementation", ("sdpa", "eager"))
@pytest.mark.parametrize("case", (*JOINT_CASES, "cotrain_subset"))
def test_backbone(load, case, attn_implementation):
    inputs, expected = read(case)
    model = load(case, AutoModel, "backbone", attn_implementation=attn_implementation)
    outputs = model(**inputs, output_hidden_states=True)

    num_text_tokens = inputs["input_ids"].shape[1]
    text, visual = outputs.last_hidden_state.tensor_split((num_text_tokens,), dim=1)
    torch.testing.assert_close(text, expected["text_feats"], **ACTIVATIONS)
    torch.testing.assert_close(visual, expected["image_feats"], **ACTIVATIONS)
    torch.testing.assert_close(outputs.pooler_output, expected["pooler_output"], **ACTIVATIONS)
    if "mean_first_token" in expected:
        torch.testing.assert_close(text[:, 0], expected["mean_first_token"], **ACTIVATIONS)
    assert len(outputs.hidden_states) == 1 + model.config.num_hidden_layers
    for index in range(1, len(outputs.hidden_states)):
        block_output = expected[f"hidden_states.{index}"].flatten(0, 1)  # (B, T, L + V, D) -> (B * T, L + V, D)
        torch.testing.assert_close(outputs.hidden_states[index], block_output, **ACTIVATIONS)


@pytest.mark.parametrize("case", JOINT_CASES)
def test_heads_of_pretraining(load, case):
    inputs, expected = read(case)
    logits = load(case, AutoModelForMaskedLM, "masked-lm")(**inputs).logits
    torch.testing.assert_close(logits, expected["mlm_logits_unmasked"], **ACTIVATIONS)

    model = load(case, AutoModelForMultipleChoice, "multiple-choice")
    one_choice = inputs | {name: inputs[name][:, None] for name in ("input_ids", "attention_mask")}
    torch.testing.assert_close(model(**one_choice).logits[:, 0], expected["itm_logits"][:, 1], **ACTIVATIONS)


@pytest.mark.parametrize("case", JOINT_CASES)
def test_heads_that_start_from_pretraining(load, case):
    inputs, expected = read(case)
    directory = load(case, AutoModelForPreTraining, "pretraining").name_or_path
    masked_lm = AutoModelForMaskedLM.from_pretrained(directory, patch_order="raster")
    torch.testing.assert_close(masked_lm(**inputs).logits, expected["mlm_logits_unmasked"], **ACTIVATIONS)
    multiple_choice = AutoModelForMultipleChoice.from_pretrained(directory, patch_order="raster")
    one_choice = inputs | {name: inputs[name][:, None] for name in ("input_ids", "attention_mask")}
    logits = multiple_choice(**one_choice).logits[:, 0]
    torch.testing.assert_close(logits, expected["itm_logits"][:, 1], **ACTIVATIONS)


@pytest.mark.parametrize(
    ("case", "auto_class"),
    (
        ("masked_lm", AutoModelForMaskedLM),
        ("open_ended_qa", AutoModelForVisualQuestionAnswering),
        ("soft_label_qa", AutoModelForVisualQuestionAnswering),
        ("multiple_choice", AutoModelForMultipleChoice),
        ("multiple_choice_qa", AutoModelForMultipleChoice),
        ("paired_visual_reasoning", AllInOneForPairedVisualReasoning),
    ),
)
def test_task_head(load, case, auto_class):
    inputs, expected = read(case)
    outputs = load(case, auto_class)(**inputs)
    torch.testing.assert_close(outputs.logits, expected["logits"], **ACTIVATIONS)
    torch.testing.assert_close(outputs.loss.view(1), expected["loss"], **ACTIVATIONS)


def test_classification_is_question_answering(load):
    inputs, expected = read("open_ended_qa")
    outputs = load("open_ended_qa", AutoModelForVideoClassification, "classification")(**inputs)
    torch.testing.assert_close(outputs.logits, expected["logits"], **ACTIVATIONS)
    torch.testing.assert_close(outputs.loss.view(1), expected["loss"], **ACTIVATIONS)


@pytest.mark.parametrize("case", ("contrastive", "distilled_contrastive"))
def test_contrastive_retrieval(load, case):
    inputs, expected = read(case)
    model = load(case, AllInOneForVideoTextRetrieval)
    outputs = model(**inputs, return_loss=True)
    torch.testing.assert_close(outputs.text_embeds, expected["text_embeds"], **ACTIVATIONS)
    torch.testing.assert_close(outputs.video_embeds, expected["video_embeds"], **ACTIVATIONS)
    torch.testing.assert_close(outputs.similarities, expected["similarity"], **ACTIVATIONS)
    torch.testing.assert_close(outputs.loss.view(1), expected["loss"], **ACTIVATIONS)
    video = model.get_video_features(inputs.pop("pixel_values")).pooler_output
    torch.testing.assert_close(video, expected["video_embeds"], **ACTIVATIONS)
    torch.testing.assert_close(model.get_text_features(**inputs).pooler_output, expected["text_embeds"], **ACTIVATIONS)


def test_ranking_retrieval(load):
    inputs, expected = read("retrieval_ranking")
    model = load("retrieval_ranking", AllInOneForVideoTextRetrieval)
    torch.testing.assert_close(model.score_pairs(**inputs), expected["scores"], **ACTIVATIONS)
    outputs = model(**inputs, return_loss=True)
    torch.testing.assert_close(outputs.logits, expected["scores"], **ACTIVATIONS)
    torch.testing.assert_close(outputs.loss.view(1), expected["loss"], **ACTIVATIONS)


def test_visual_commonsense(load):
    inputs, expected = read("visual_commonsense")
    outputs = load("visual_commonsense", AllInOneForVisualCommonsenseReasoning)(**inputs)
    for name in ("answer_logits", "answer_loss", "rationale_loss"):
        torch.testing.assert_close(outputs[name].view_as(expected[name]), expected[name], **ACTIVATIONS)
    torch.testing.assert_close(outputs.loss, outputs.answer_loss + outputs.rationale_loss)


@pytest.mark.parametrize("case", ("matching", "distilled_matching"))
def test_matching(load, case):
    inputs, expected = read(case)
    model = load(case, AutoModelForPreTraining, "pretraining")
    outputs = model(**inputs | {"matching_labels": inputs.pop("labels")})
    torch.testing.assert_close(outputs.matching_logits, expected["logits"], **ACTIVATIONS)
    torch.testing.assert_close(outputs.matching_loss.view(1), expected["itm_loss"], **ACTIVATIONS)
    # The recorded loss has its weight, 0.1, in it, and is small: held to a tenth of the usual tolerance.
    alignment_loss = model.config.alignment_loss_weight * outputs.alignment_loss
    torch.testing.assert_close(alignment_loss.view(1), expected["wpa_loss"], atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(outputs.loss, outputs.matching_loss + alignment_loss)


@pytest.mark.parametrize("case", ("contrastive", "distilled_contrastive"))
def test_contrastive_pretraining(load, case):
    inputs, expected = read(case)
    outputs = load(case, AllInOneForPreTraining, "pretraining")(**inputs, return_contrastive_loss=True)
    torch.testing.assert_close(outputs.contrastive_loss.view(1), expected["loss"], **ACTIVATIONS)


def test_clip_order(load):
    inputs, expected = read("clip_order")
    assert clip_order_labels(inputs["frame_order"]).tolist() == inputs.pop("labels").tolist()
    outputs = load("clip_order", AutoModelForPreTraining)(**inputs)
    torch.testing.assert_close(outputs.clip_order_logits, expected["logits"], **ACTIVATIONS)
    torch.testing.assert_close(outputs.clip_order_loss.view(1), expected["loss"], **ACTIVATIONS)


@pytest.mark.parametrize(
    ("case", "targets", "losses"),
    (
        ("matching", {"labels": "matching_labels"}, {"matching_loss": "itm_loss"}),
        ("distilled_matching", {"labels": "matching_labels"}, {"matching_loss": "itm_loss"}),
        ("contrastive", {}, {"contrastive_loss": "loss"}),
        ("masked_lm", {"labels": "labels"}, {"mlm_loss": "loss"}),
        ("clip_order", {"frame_order": "frame_order"}, {"clip_order_loss": "loss"}),
    ),
)
def test_a_pass_for_each_objective(load, case, targets, losses):
    """The same numbers come of passes of their own, beside objectives that the original did not train with them."""
    inputs, expected = read(case)
    task = None if case == "clip_order" else "pretraining"
    model = load(case, AllInOneForPreTraining, task)
    common = {name: inputs[name] for name in ("input_ids", "attention_mask", "pixel_values")}
    given = {new: inputs[name] for name, new in targets.items()}
    objectives = model.config.chosen_pretraining_objectives
    batch_size = len(common["input_ids"])
    passes = {"is_pair": torch.ones(batch_size, dtype=torch.bool)}
    if "masked_lm" in objectives:
        passes |= {"masked_input_ids": common["input_ids"], "labels": torch.full_like(common["input_ids"], -100)}
    if "matching" in objectives:
        matched = torch.arange(batch_size)
        if case.endswith("matching"):
            # The clips of the case are already swapped: here they are found by their place.
            matched = matched.flip(0)
            common["pixel_values"] = common["pixel_values"].flip(0)
        passes |= {"matching_indices": matched, "matching_labels": torch.ones(batch_size, dtype=torch.long)}
    contrasts = "contrastive" in objectives
    outputs = model(**common, **{**passes, **given}, return_contrastive_loss=contrasts)
    for name, recorded in losses.items():
        torch.testing.assert_close(outputs[name].view(1), expected[recorded], **ACTIVATIONS)
    if case.endswith("matching"):
        alignment_loss = model.config.alignment_loss_weight * outputs.alignment_loss
        torch.testing.assert_close(alignment_loss.view(1), expected["wpa_loss"], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("case", JOINT_CASES)
def test_pretraining_holds_several_heads(load, case):
    inputs, expected = read(case)
    outputs = load(case, AllInOneForPreTraining, "pretraining")(**inputs)
    torch.testing.assert_close(outputs.mlm_logits, expected["mlm_logits_unmasked"], **ACTIVATIONS)
    torch.testing.assert_close(outputs.matching_logits, expected["itm_logits"], **ACTIVATIONS)


@pytest.mark.grad
def test_gradients(load):
    inputs, expected = read("gradients")
    model = load("gradients", AutoModel, "backbone")
    outputs = model(**inputs)
    text, visual = outputs.last_hidden_state.tensor_split((inputs["input_ids"].shape[1],), dim=1)
    objective = text.square().mean() + visual.square().mean() + outputs.pooler_output.square().mean()
    torch.testing.assert_close(objective.view(1), expected.pop("objective"), **ACTIVATIONS)

    objective.backward()
    gradients = {}
    for name, parameter in model.named_parameters():
        (original, _), *_ = find_sources(name, BACKBONE_RULES)
        gradients[f"grad.{original}"] = parameter.grad
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, **GRADIENTS)


def test_lightning_pickle_gives_the_same_weights(load):
    weights = load("joint_raster", AutoModel, "backbone").state_dict()
    legacy_weights = load("legacy_checkpoint", AutoModel, "backbone").state_dict()
    assert weights.keys() == legacy_weights.keys()
    assert all(torch.equal(weights[name], legacy_weights[name]) for name in weights)
