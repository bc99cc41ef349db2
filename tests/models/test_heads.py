# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Heads of retrieval, classification, visual commonsense and paired reasoning: shapes, losses, saving, bad input."""

import pytest
import torch
from head_batches import make_batch, several
from transformers import AutoModelForSequenceClassification, AutoModelForVideoClassification

from modeling_allinone import (
    AllInOneForMaskedLM,
    AllInOneForMultipleChoice,
    AllInOneForPairedVisualReasoning,
    AllInOneForPreTraining,
    AllInOneForSequenceClassification,
    AllInOneForVideoClassification,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    AllInOneForVisualCommonsenseReasoning,
    AllInOneModel,
)

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


@pytest.fixture
def build(tiny_config):
    """Make a tiny model in evaluation mode; keywords change its configuration."""

    def make(cls, attn_implementation="sdpa", **fields):
        return cls._from_config(tiny_config(**fields), attn_implementation=attn_implementation).eval()

    return make


def shapes(tensors: tuple[torch.Tensor, ...]) -> list[tuple[int, ...]]:
    return [tuple(tensor.shape) for tensor in tensors]


def pair_inputs(tiny_inputs, num_frames: int = 4) -> dict:
    inputs = tiny_inputs(num_frames=num_frames)
    inputs["pixel_values"] = torch.stack([inputs["pixel_values"], inputs["pixel_values"].flip(-1)], dim=1)
    return inputs


@pytest.mark.parametrize(
    ("cls", "fields"),
    (
        (AllInOneForVideoTextRetrieval, {"projection_dim": 6}),
        (AllInOneForVideoTextRetrieval, {"projection_dim": None}),
        (AllInOneForVideoTextRetrieval, {"use_pair_scorer": False}),
        (AllInOneForVideoClassification, {"num_labels": 5}),
        (AllInOneForVisualCommonsenseReasoning, {}),
        (AllInOneForPairedVisualReasoning, {"modality_type_vocab_size": 3}),
        (AllInOneForPairedVisualReasoning, {"modality_type_vocab_size": 2}),
    ),
)
@pytest.mark.parametrize("distilled", (False, True))
def test_save_and_load(build, tmp_path, cls, fields, distilled):
    model = build(cls, use_distillation_token=distilled, **fields)
    model.save_pretrained(tmp_path)
    loaded, report = cls.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    for name, parameter in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], parameter), name


# --------------------------------------------------------------------------------------------------------- retrieval


def test_features_are_those_of_each_modality_alone(build, tiny_inputs):
    model = build(AllInOneForVideoTextRetrieval, projection_dim=6)
    inputs = tiny_inputs()
    outputs = model(**inputs, return_loss=True)
    assert outputs.similarities.shape == (2, 2) and outputs.text_embeds.shape == outputs.video_embeds.shape == (2, 6)
    text = model.get_text_features(inputs["input_ids"], inputs["attention_mask"])
    video = model.get_video_features(inputs["pixel_values"])
    torch.testing.assert_close(text.pooler_output, outputs.text_embeds)
    torch.testing.assert_close(video.pooler_output, outputs.video_embeds)
    torch.testing.assert_close(text.pooler_output, model.text_projection(text.last_hidden_state[:, 0]))
    assert video.last_hidden_state.shape == (2, 17, 32), "visual tokens alone, their mean over frames"
    read = model.get_video_features(inputs["pixel_values"], tokens_to_keep=1)
    assert read.last_hidden_state.shape == (2, 1, 32)
    torch.testing.assert_close(read.pooler_output, video.pooler_output)
    expected = torch.nn.functional.cosine_similarity(outputs.text_embeds[:, None], outputs.video_embeds[None], dim=-1)
    torch.testing.assert_close(outputs.similarities, expected)
    logits, labels = expected / 0.05, torch.arange(2)
    loss = torch.nn.functional.cross_entropy(logits, labels) + torch.nn.functional.cross_entropy(logits.T, labels)
    torch.testing.assert_close(outputs.loss, loss)
    one_clip = model(**inputs | {"pixel_values": inputs["pixel_values"][:1]})
    assert one_clip.similarities.shape == (2, 1) and one_clip.loss is None


def test_scores_of_pairs(build, tiny_inputs):
    model = build(AllInOneForVideoTextRetrieval, projection_dim=None)
    inputs = tiny_inputs()
    texts = several(inputs, 3)
    scores = model.score_pairs(**texts, pixel_values=inputs["pixel_values"])
    assert scores.shape == (2, 3)
    for choice in range(3):
        one = {name: text[:, choice] for name, text in texts.items()}
        alone = model.score_pairs(**one, pixel_values=inputs["pixel_values"])
        torch.testing.assert_close(alone, scores[:, choice], **CLOSE)
    outputs = model(**texts, pixel_values=inputs["pixel_values"], return_loss=True)
    torch.testing.assert_close(outputs.logits, scores)
    torch.testing.assert_close(outputs.loss, -scores.log_softmax(-1)[:, 0].mean())


def test_pairs_are_scored_by_a_classifier_of_one_logit(build, tiny_inputs, tmp_path):
    inputs = tiny_inputs()
    model = build(AllInOneForVideoTextRetrieval)
    model.save_pretrained(tmp_path / "retrieval")
    ranker, report = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "retrieval", output_loading_info=True
    )
    assert type(ranker) is AllInOneForSequenceClassification and not report["missing_keys"]
    assert model.config.num_labels == 2 and ranker.config.num_labels == 1
    outputs, loaded = ranker(**inputs), AllInOneForVideoTextRetrieval.from_pretrained(tmp_path / "retrieval")
    assert outputs.loss is None and torch.equal(outputs.logits[:, 0], loaded.score_pairs(**inputs))
    for labels in (torch.tensor([1, 0]), torch.tensor([[1.0], [0.0]])):
        expected = torch.nn.functional.binary_cross_entropy_with_logits(outputs.logits, torch.tensor([[1.0], [0.0]]))
        torch.testing.assert_close(ranker(**inputs, labels=labels).loss, expected, **CLOSE)
    ranker.save_pretrained(tmp_path / "ranker")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "ranker")
    assert torch.equal(again(**inputs).logits, outputs.logits)


def test_a_classifier_of_pairs_starts_from_the_matching_head(build, tiny_inputs, tmp_path):
    pretrained = build(AllInOneForPreTraining, pretraining_objectives=["matching", "contrastive"])
    pretrained.save_pretrained(tmp_path)
    ranker = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert torch.equal(ranker.scorer.out_proj.weight, pretrained.matching_head.weight[1:2])


@pytest.mark.parametrize(
    ("fields", "change", "message"),
    (
        ({}, {"pixel_values": None}, "needs both text and video: give input_ids and pixel_values"),
        ({}, {"input_ids": None}, "needs both text and video"),
        ({}, {"labels": torch.tensor([2.0, 0.0])}, "labels holds 2.0, but soft labels are scores from 0 to 1"),
        ({}, {"labels": torch.zeros(2, 2)}, r"labels has shape \(2, 2\)"),
        ({"num_labels": 3}, {}, "num_labels is 3, but a text and its clip have one score"),
        ({"problem_type": "regression"}, {}, "a text fits its clip or does not"),
    ),
)
def test_a_classifier_of_pairs_names_what_is_wrong(build, tiny_inputs, fields, change, message):
    with pytest.raises(ValueError, match=message):
        build(AllInOneForSequenceClassification, **fields)(**tiny_inputs() | change)


def test_retrieval_returns_what_its_passes_did(build, tiny_inputs):
    model = build(AllInOneForVideoTextRetrieval, attn_implementation="eager")
    inputs = tiny_inputs()
    asked = {"output_hidden_states": True, "output_attentions": True}
    outputs = model(**inputs, **asked)
    text = model.get_text_features(inputs["input_ids"], inputs["attention_mask"], **asked)
    video = model.get_video_features(inputs["pixel_values"], **asked)
    assert shapes(outputs.text_hidden_states) == [(2, 7, 32)] * 3
    assert shapes(outputs.video_hidden_states) == [(2 * 4, 17, 32)] * 3
    torch.testing.assert_close(outputs.text_hidden_states, text.hidden_states)
    torch.testing.assert_close(outputs.video_hidden_states, video.hidden_states)
    torch.testing.assert_close(outputs.text_attentions, text.attentions)
    torch.testing.assert_close(outputs.video_attentions, video.attentions)
    assert torch.equal(outputs.patch_permutation, video.patch_permutation)
    assert outputs.hidden_states is outputs.attentions is None

    pairs = model(**several(inputs, 3), pixel_values=inputs["pixel_values"], **asked)
    assert shapes(pairs.hidden_states) == [(2 * 3 * 4, 7 + 17, 32)] * 3
    assert shapes(pairs.attentions) == [(2 * 3 * 4, 2, 7 + 17, 7 + 17)] * 2
    assert set(pairs) == {"logits", "hidden_states", "attentions", "patch_permutation"}
    assert set(model(**inputs)) == {"similarities", "text_embeds", "video_embeds", "patch_permutation"}


def test_tuples(build, tiny_inputs):
    model = build(AllInOneForVideoTextRetrieval, projection_dim=6)
    inputs = tiny_inputs()
    loss, similarities, *_ = model(**inputs, return_loss=True, return_dict=False)
    outputs = model(**inputs, return_loss=True)
    assert loss == outputs.loss and torch.equal(similarities, outputs.similarities)


# ---------------------------------------------------------------------------------------------------- classification


def test_classification_with_and_without_a_prompt(build, tiny_inputs, tmp_path):
    model = build(AllInOneForVideoClassification, num_labels=5)
    inputs = tiny_inputs()
    pixel_values, prompt = inputs["pixel_values"], inputs["input_ids"][:1]
    outputs = model(pixel_values, labels=torch.tensor([-100, 3]))
    assert outputs.logits.shape == (2, 5)
    torch.testing.assert_close(outputs.loss, -outputs.logits[1].log_softmax(-1)[3])
    prompted = model(pixel_values, input_ids=prompt)
    assert not torch.allclose(prompted.logits, outputs.logits)
    repeated = model(pixel_values, input_ids=prompt.repeat(2, 1))
    torch.testing.assert_close(prompted.logits, repeated.logits)
    model.save_pretrained(tmp_path)
    assert type(AutoModelForVideoClassification.from_pretrained(tmp_path)) is AllInOneForVideoClassification


def test_classification_reads_its_prompt_where_no_text_is_given(build, tiny_inputs, tmp_path):
    inputs = tiny_inputs()
    clips, prompt, other = inputs["pixel_values"], inputs["input_ids"][:1], inputs["input_ids"][1:]
    fields = {"prompt": "which way?", "prompt_input_ids": prompt[0].tolist()}
    model = build(AllInOneForVideoClassification, num_labels=5, **fields)
    expected = model(clips, input_ids=prompt).logits
    torch.testing.assert_close(model(clips).logits, expected, rtol=0, atol=0)
    overridden = model(clips, input_ids=other).logits
    assert not torch.allclose(overridden, expected)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForVideoClassification.from_pretrained(tmp_path)
    torch.testing.assert_close(loaded(clips).logits, expected, rtol=0, atol=0)
    without = AutoModelForVideoClassification.from_pretrained(tmp_path, prompt=None, prompt_input_ids=None)
    assert not torch.allclose(without(clips).logits, expected)
    torch.testing.assert_close(without(clips, input_ids=other).logits, overridden)


# ------------------------------------------------------------------------------------------------ visual commonsense


def test_visual_commonsense(build, tiny_inputs):
    model = build(AllInOneForVisualCommonsenseReasoning)
    inputs = tiny_inputs()
    answers = {f"answer_{name}": text for name, text in several(inputs, 3).items()}
    rationales = {f"rationale_{name}": text for name, text in several(tiny_inputs(num_tokens=9), 2).items()}
    clips = {"pixel_values": inputs["pixel_values"]}
    labels = {"answer_labels": torch.tensor([2, 0]), "rationale_labels": torch.tensor([-100, 1])}
    outputs = model(**answers, **rationales, **clips, **labels)
    assert outputs.answer_logits.shape == (2, 3) and outputs.rationale_logits.shape == (2, 2)
    torch.testing.assert_close(
        outputs.answer_loss, torch.nn.functional.cross_entropy(outputs.answer_logits, labels["answer_labels"])
    )
    torch.testing.assert_close(outputs.rationale_loss, -outputs.rationale_logits[1].log_softmax(-1)[1])
    torch.testing.assert_close(outputs.loss, outputs.answer_loss + outputs.rationale_loss)

    alone = model(**answers, **clips, answer_labels=labels["answer_labels"])
    assert alone.rationale_logits is None and alone.loss == alone.answer_loss
    torch.testing.assert_close(alone.answer_logits, outputs.answer_logits)
    assert model(**rationales, **clips).loss is None


def test_visual_commonsense_returns_what_its_passes_did(build, tiny_inputs):
    model = build(AllInOneForVisualCommonsenseReasoning, attn_implementation="eager")
    inputs = tiny_inputs()
    clips = {"pixel_values": inputs["pixel_values"]}
    answers = {f"answer_{name}": text for name, text in several(inputs, 3).items()}
    rationales = {f"rationale_{name}": text for name, text in several(tiny_inputs(num_tokens=9), 2).items()}
    asked = {"output_hidden_states": True, "output_attentions": True}
    outputs = model(**answers, **rationales, **clips, **asked)
    assert shapes(outputs.answer_hidden_states) == [(2 * 3 * 4, 7 + 17, 32)] * 3
    assert shapes(outputs.rationale_hidden_states) == [(2 * 2 * 4, 9 + 17, 32)] * 3
    assert shapes(outputs.answer_attentions) == [(2 * 3 * 4, 2, 7 + 17, 7 + 17)] * 2
    assert shapes(outputs.rationale_attentions) == [(2 * 2 * 4, 2, 9 + 17, 9 + 17)] * 2
    last_text = {name: text[1, 2][None] for name, text in several(inputs, 3).items()}
    alone = model.allinone(**last_text, pixel_values=inputs["pixel_values"][1:], **asked)
    for states, expected in zip(outputs.answer_hidden_states, alone.hidden_states, strict=True):
        torch.testing.assert_close(states[-4:], expected, **CLOSE)
    assert torch.equal(outputs.answer_patch_permutation[1:], alone.patch_permutation)

    assert set(model(**rationales, **clips)) == {"rationale_logits", "rationale_patch_permutation"}
    only_answers = model(**answers, **clips, **asked)
    assert only_answers.rationale_hidden_states is only_answers.rationale_attentions is None


# -------------------------------------------------------------------------------------------------- paired reasoning


def test_paired_reasoning(build, tiny_inputs):
    model = build(AllInOneForPairedVisualReasoning, modality_type_vocab_size=3)
    inputs = pair_inputs(tiny_inputs)
    outputs = model(**inputs, labels=torch.tensor([1, 0]), output_hidden_states=True)
    assert outputs.logits.shape == (2, 2) and outputs.patch_permutation.shape == (2, 2, 4, 16)
    first, second = (
        model.allinone(
            inputs["input_ids"],
            inputs["attention_mask"],
            pixel_values=inputs["pixel_values"][:, place],
            image_token_type_idx=1 + place,
            output_hidden_states=True,
        )
        for place in range(2)
    )
    torch.testing.assert_close(outputs.hidden_states, first.hidden_states + second.hidden_states)
    torch.testing.assert_close(outputs.loss, torch.nn.functional.cross_entropy(outputs.logits, torch.tensor([1, 0])))
    again = model(**inputs, patch_permutation=outputs.patch_permutation, pixel_mask=torch.ones(2, 2, 32, 32))
    torch.testing.assert_close(again.logits, outputs.logits, **CLOSE)
    assert model.classifier.dense.weight.shape == (64, 64)
    swapped = model(**inputs | {"pixel_values": inputs["pixel_values"].flip(1)})
    assert not torch.allclose(swapped.logits, outputs.logits)
    images = pair_inputs(tiny_inputs, num_frames=1)
    squeezed = model(**images | {"pixel_values": images["pixel_values"][:, :, 0]})
    torch.testing.assert_close(squeezed.logits, model(**images).logits)


def test_pairs_have_three_modality_types(build, tiny_config, tiny_inputs):
    config = tiny_config(modality_type_vocab_size=2)
    for model in (AllInOneForPairedVisualReasoning(config), build(AllInOneForPairedVisualReasoning)):
        assert model.config.modality_type_vocab_size == 3
        assert model.allinone.embeddings.modality_type_embeddings.weight.shape == (3, 32)
        assert model(**pair_inputs(tiny_inputs)).logits.shape == (2, 2)
    assert config.modality_type_vocab_size == 2, "the caller's own is left alone"
    assert build(AllInOneForPairedVisualReasoning, modality_type_vocab_size=4).config.modality_type_vocab_size == 4


@pytest.mark.parametrize("cls", (AllInOneModel, AllInOneForVideoTextRetrieval))
def test_pairs_start_from_two_modality_types(build, tiny_inputs, tmp_path, cls):
    """The second clip's type starts as that of the first, so that an untrained model does not tell them apart."""
    model = build(cls)
    model.save_pretrained(tmp_path / "two")
    old = model.base_model.embeddings.modality_type_embeddings.weight
    pairs, report = AllInOneForPairedVisualReasoning.from_pretrained(tmp_path / "two", output_loading_info=True)
    assert {key.partition(".")[0] for key in report["missing_keys"]} == {"classifier"}
    assert not report["mismatched_keys"]
    new = pairs.allinone.embeddings.modality_type_embeddings.weight
    assert torch.equal(new, old[[0, 1, 1]]) and pairs.config.modality_type_vocab_size == 3
    inputs = tiny_inputs()
    same_twice = inputs | {"pixel_values": torch.stack([inputs["pixel_values"]] * 2, dim=1)}
    first, second = pairs(**same_twice, output_hidden_states=True).hidden_states[2::3]
    assert torch.equal(first, second)

    new[2] += 1
    pairs.save_pretrained(tmp_path / "three")
    again, report = AllInOneForPairedVisualReasoning.from_pretrained(tmp_path / "three", output_loading_info=True)
    assert not any(report.values())
    assert torch.equal(again.allinone.embeddings.modality_type_embeddings.weight, new)


def test_fewer_modality_types_than_the_checkpoint_has_do_not_load(build, tiny_config, tmp_path):
    build(AllInOneForPairedVisualReasoning, modality_type_vocab_size=4).save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        AllInOneForPairedVisualReasoning.from_pretrained(tmp_path, config=tiny_config())


@pytest.mark.grad
def test_every_parameter_of_a_head_gets_a_gradient(build, tiny_inputs):
    inputs = tiny_inputs()
    clips = {"pixel_values": inputs["pixel_values"]}
    texts = several(inputs, 2)
    both = {f"{part}_{name}": text for part in ("answer", "rationale") for name, text in texts.items()}
    labels = torch.tensor([0, 1])
    for cls, fields, batch in (
        (AllInOneForVideoTextRetrieval, {"use_pair_scorer": False}, inputs | {"return_loss": True}),
        (AllInOneForVideoTextRetrieval, {"projection_dim": None}, texts | clips | {"return_loss": True}),
        (AllInOneForVideoClassification, {"num_labels": 3}, inputs | {"labels": labels}),
        (
            AllInOneForVisualCommonsenseReasoning,
            {},
            both | clips | {"answer_labels": labels, "rationale_labels": labels},
        ),
        (
            AllInOneForPairedVisualReasoning,
            {"modality_type_vocab_size": 3},
            pair_inputs(tiny_inputs) | {"labels": labels},
        ),
    ):
        model = build(cls, **fields).train()
        model(**batch).loss.backward()
        assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


# -------------------------------------------------------------------------------------------------------- bad input

LABELS, TEXTS = torch.tensor([0, 1]), torch.ones(2, 3, 7, dtype=torch.long)
ONE_CLIP = {"pixel_values": torch.zeros(1, 4, 3, 32, 32)}
QA, RETRIEVAL, CHOICE = AllInOneForVideoQuestionAnswering, AllInOneForVideoTextRetrieval, AllInOneForMultipleChoice
COMMONSENSE, PAIRS = AllInOneForVisualCommonsenseReasoning, AllInOneForPairedVisualReasoning


@pytest.mark.parametrize(
    ("cls", "kind", "change", "message"),
    (
        (QA, "joint", {"labels": torch.tensor([0, 5])}, "labels holds 5, but expected a class from 0 to 4, or -100"),
        (QA, "joint", {"labels": torch.tensor([-1, 0])}, "labels holds -1"),
        (QA, "joint", {"labels": LABELS[:1]}, r"labels has shape \(1,\) and type torch.int64, but expected integers"),
        (QA, "joint", {"labels": torch.zeros(2, 4)}, r"labels has shape \(2, 4\), but soft labels need \(2, 5\)"),
        (QA, "joint", {"labels": torch.full((2, 5), 1.5)}, "labels holds 1.5, but soft labels are scores from 0 to 1"),
        (QA, "joint", {"labels": torch.full((2, 5), float("nan"))}, "labels holds nan, but soft labels are scores"),
        (CHOICE, "joint", {}, r"shape \(2, 7\), but expected \(batch, options, tokens\)"),
        (CHOICE, "texts", {"input_ids": torch.ones(2, 0, 7).long()}, r"\(2, 0, 7\), but .* tokens\), at least 1"),
        (CHOICE, "texts", {"labels": torch.tensor([0, 3])}, "labels holds 3, but expected a class from 0 to 2"),
        (AllInOneForMaskedLM, "video", {}, "This head reads text"),
        (AllInOneForMaskedLM, "joint", {"labels": torch.full((2, 7), 99)}, "labels holds 99"),
        (AllInOneForVideoClassification, "text", {}, "classifies video: give pixel_values"),
        (AllInOneForVideoClassification, "video", {"labels": 5 * LABELS}, "labels holds 5, but expected a class from"),
        (RETRIEVAL, "text", {}, "compares texts with clips: give pixel_values"),
        (RETRIEVAL, "video", {}, "This head reads text: give input_ids"),
        (RETRIEVAL, "joint", ONE_CLIP | {"return_loss": True}, "There are 2 texts but 1 clips"),
        (COMMONSENSE, "video", {}, "give answer_input_ids, rationale_input_ids or both"),
        (COMMONSENSE, "video", {"answer_input_ids": TEXTS, "rationale_labels": LABELS}, "but no rationale_input_ids"),
        (COMMONSENSE, "answers", {"answer_labels": torch.tensor([3, 0])}, "answer_labels holds 3, but .* from 0 to 2"),
        (PAIRS, "text", {}, "pixel_values is missing, but expected a pair"),
        (PAIRS, "joint", {}, r"\(2, 4, 3, 32, 32\), but expected a pair for each text"),
        (PAIRS, "two clips", {"input_ids": None}, "This head reads text"),
        (PAIRS, "two clips", {"patch_permutation": torch.zeros(2, 4, 16).long()}, r"shape .* a pair: \(batch, 2, …\)"),
        (PAIRS, "two clips", {"labels": torch.tensor([0, 5])}, "labels holds 5, but expected a class from 0 to 4"),
    ),
)
def test_heads_name_what_is_wrong(build, tiny_inputs, cls, kind, change, message):
    inputs = tiny_inputs()
    batch = make_batch(kind, inputs, inputs.pop("pixel_values")) | change
    with pytest.raises(ValueError, match=message):
        build(cls, num_labels=5)(**batch)


@pytest.mark.parametrize(
    ("method", "fields", "change", "message"),
    (
        ("score_pairs", {}, {"pixel_values": None}, "needs both text and video: give pixel_values"),
        ("score_pairs", {}, ONE_CLIP, "2 texts but 1 clips"),
        ("score_pairs", {"use_pair_scorer": False}, {}, "has no scorer of pairs, since use_pair_scorer is False"),
        ("get_text_features", {}, {"input_ids": TEXTS}, r"shape \(2, 3, 7\), but expected \(batch, tokens\)"),
        ("forward", {"projection_dim": None}, {}, "has no projections, since projection_dim is None"),
        ("to", {"projection_dim": None, "use_pair_scorer": False}, {}, "needs projections, a scorer or both"),
    ),
)
def test_retrieval_names_what_is_wrong(build, tiny_inputs, method, fields, change, message):
    inputs = tiny_inputs() | change
    if method == "get_text_features":
        del inputs["pixel_values"], inputs["attention_mask"]
    with pytest.raises(ValueError, match=message):
        getattr(build(RETRIEVAL, **fields), method)(**inputs)
