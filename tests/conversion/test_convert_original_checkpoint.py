# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Conversion of checkpoints in the original's naming, of any size; what is refused; that nothing is half written."""

import json
from collections import OrderedDict

import pytest
import torch
from original_checkpoints import CASES, TINY, to_original
from safetensors.torch import save_file

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForMaskedLM,
    AllInOneForMultipleChoice,
    AllInOneForPairedVisualReasoning,
    AllInOneForPreTraining,
    AllInOneForVideoClassification,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    AllInOneForVisualCommonsenseReasoning,
    AllInOneModel,
)
from modeling_allinone.conversion.key_map import HEADS, TASK_CLASSES
from modeling_allinone.conversion.original_checkpoint import convert_checkpoint
from modeling_allinone.conversion.safe_checkpoint import ConversionError

# ----------------------------------------------------------------------------------------------------- what converts

QA = AllInOneForVideoQuestionAnswering
RETRIEVAL = AllInOneForVideoTextRetrieval
OPEN, SOFT = "answer classifier (open-ended)", "answer classifier (soft labels)"


@pytest.mark.parametrize(
    ("cls", "heads", "sizes"),
    [
        (AllInOneModel, None, {"num_frames": 2, "max_position_embeddings": 80}),
        (AllInOneModel, None, {"num_frames": 5, "vocab_size": 7, "num_hidden_layers": 12}),
        (AllInOneModel, None, {"num_frames": 1, "image_size": 40, "patch_size": 4, "modality_type_vocab_size": 3}),
        (AllInOneModel, None, {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}),
        (AllInOneModel, None, {"num_hidden_layers": 1, "use_distillation_token": True, "qkv_bias": False}),
        (AllInOneForMaskedLM, "masked-language-modelling head", {"max_position_embeddings": 100}),
        (QA, OPEN, {"num_labels": 17, "classifier_hidden_size": 64}),
        (QA, SOFT, {"num_labels": 5, "classifier_hidden_size": 256, "classifier_dropout": 0.0}),
        (AllInOneForMultipleChoice, "ranking scorer", {}),
        (AllInOneForMultipleChoice, "matching head", {"use_distillation_token": True}),
        (AllInOneForMultipleChoice, "multiple-choice question scorer", {"choice_hidden_size": 256}),
        (RETRIEVAL, "contrastive projections", {"projection_dim": 24, "use_pair_scorer": False}),
        (RETRIEVAL, ("contrastive projections", "matching head"), {"projection_dim": 24, "num_frames": 2}),
        (RETRIEVAL, "ranking scorer", {"projection_dim": None, "max_position_embeddings": 80}),
        (AllInOneForVideoClassification, OPEN, {"num_labels": 7, "classifier_hidden_size": 64}),
        (
            AllInOneForPreTraining,
            ("masked-language-modelling head", "matching head", "contrastive projections"),
            {"projection_dim": 24, "pretraining_objectives": ["masked_lm", "matching", "contrastive"]},
        ),
        (
            AllInOneForPreTraining,
            "clip-order classifier",
            {"num_frames": 4, "clip_order_hidden_size": 24, "pretraining_objectives": ["clip_order"]},
        ),
        (AllInOneForVisualCommonsenseReasoning, "answer and rationale scorers", {"num_frames": 4}),
        (
            AllInOneForPairedVisualReasoning,
            "pair classifier",
            {"modality_type_vocab_size": 3, "classifier_hidden_size": 256, "classifier_dropout": 0.0},
        ),
    ],
)
def test_every_size_comes_from_the_tensors(convert, cls, heads, sizes):
    expected = AllInOneConfig(**TINY | sizes)
    model = cls(expected)
    heads = (heads,) if isinstance(heads, str) else heads or ()
    task = next(task for task, name in TASK_CLASSES.items() if name == cls.__name__)
    directory, _ = convert(to_original(model, *heads), task)
    converted, info = cls.from_pretrained(directory, output_loading_info=True)
    assert not any(info.values()), info
    assert converted.config.architectures == [cls.__name__]
    saved, expected = json.loads((directory / "config.json").read_text()), json.loads(expected.to_json_string())
    differing = {name for name in saved if saved[name] != expected.get(name)}
    assert differing <= {"architectures", "auto_map", "dtype", "problem_type"}
    assert converted.config.problem_type == ("multi_label_classification" if SOFT in heads else None)
    assert converted.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(converted.state_dict()[name], tensor, atol=0, rtol=0)


def test_hyper_parameters_fill_in_what_no_tensor_shows(convert, original):
    hyper_parameters = {"num_heads": 8, "drop_rate": 0.3, "max_image_len": 5, "hidden_size": 128, "num_frames": 3}
    directory, _ = convert({"state_dict": original, "hyper_parameters": {"config": hyper_parameters}})
    config = AllInOneConfig.from_pretrained(directory)
    assert (config.num_attention_heads, config.hidden_dropout_prob, config.max_image_length) == (8, 0.3, 5)

    directory, _ = convert(
        {"state_dict": original, "hyper_parameters": {"config": {"num_heads": 8, "max_image_len": -1}}},
        num_attention_heads=4,
        overwrite=True,
    )
    config = AllInOneConfig.from_pretrained(directory)
    assert (config.num_attention_heads, config.max_image_length) == (4, None)


@pytest.mark.parametrize(
    "layout", ("bare", "lightning", "deepspeed", "module.", "old format", "safetensors", "float16")
)
def test_layouts_of_the_file(tmp_path, original, layout):
    path = tmp_path / ("original.safetensors" if layout == "safetensors" else "original.ckpt")
    if layout == "safetensors":
        save_file(original, path)
    else:
        content = {
            "lightning": {"state_dict": original, "epoch": 3},
            "deepspeed": {"module": OrderedDict(original), "dp_world_size": 8},
            "module.": {"state_dict": {f"module.{key}": value for key, value in original.items()}},
            "float16": {key: value.half() for key, value in original.items()},
        }.get(layout, original)
        torch.save(content, path, _use_new_zipfile_serialization=layout != "old format")
    convert_checkpoint(path, tmp_path / "out", tokenizer=None)
    model = AllInOneModel.from_pretrained(tmp_path / "out")
    assert model.dtype == torch.float32
    expected = original["transformer.norm.weight"]
    torch.testing.assert_close(model.layernorm.weight, expected.half().float() if layout == "float16" else expected)
    torch.testing.assert_close(
        model.layers[1].mlp.fc1.weight, original["transformer.blocks.1.mlp.fc1.weight"], atol=1e-3, rtol=0
    )


def test_dtype(convert, original):
    directory, _ = convert(original, dtype="bfloat16")
    assert AllInOneModel.from_pretrained(directory).dtype == torch.bfloat16


def test_tensors_that_share_memory(convert):
    model = AllInOneForMaskedLM(AllInOneConfig(**TINY))
    content = to_original(model, "masked-language-modelling head")
    content["mlm_score.decoder.weight"] = content["text_embeddings.word_embeddings.weight"]
    directory, _ = convert(content)
    converted, info = AllInOneForMaskedLM.from_pretrained(directory, output_loading_info=True)
    assert not info["missing_keys"]
    assert torch.equal(converted.mlm_head.decoder.weight, converted.get_input_embeddings().weight)


def test_report_explains_every_key(convert, original):
    left_out = {
        "text_embeddings.position_ids": torch.arange(9)[None],
        "transformer.head.weight": torch.zeros(1000, 128),
        "itm_score.fc.weight": torch.zeros(2, 128),
        "itm_score.fc.bias": torch.zeros(2),
        "txt_proj.weight": torch.zeros(24, 128),
        "train_mlm_loss.scalar": torch.zeros(()),
    }
    _, report = convert(original | left_out, "backbone")
    assert [line.original for line in report] == [*original, *left_out]
    notes = {line.original: line.note for line in report if line.converted is None}
    assert notes == {
        "text_embeddings.position_ids": "a buffer of positions, not a weight",
        "transformer.head.weight": "ImageNet classifier of the ViT that training started from",
        "itm_score.fc.weight": "belongs to another head: matching head (multiple-choice, retrieval, pretraining)",
        "itm_score.fc.bias": "belongs to another head: matching head (multiple-choice, retrieval, pretraining)",
        "txt_proj.weight": "belongs to another head: contrastive projections (retrieval, pretraining)",
        "train_mlm_loss.scalar": "a running metric, not a weight",
    }


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.marker}-{head.task}")
def test_backbone_leaves_every_head_out(convert, original, head):
    keys = [rule.original.format(kind=kind) for rule in head.rules for kind in ("weight", "bias")]
    _, report = convert(original | {key: torch.zeros(2, 2) for key in keys}, "backbone")
    notes = {line.note for line in report if line.converted is None}
    assert len(notes) == 1 or head.task == "visual-commonsense"
    assert any(note.startswith(f"belongs to another head: {head.name} (") and head.task in note for note in notes)


@pytest.mark.parametrize(
    ("case", "task", "left_out"),
    [
        ("distilled_joint_raster", "multiple-choice", "transformer.temporal_embed"),
        ("masked_lm", None, "pooler.dense.weight"),
        ("multiple_choice", None, "itm_score.fc.weight"),
        ("multiple_choice_qa", None, "itm_score.fc.bias"),
        ("open_ended_qa", "backbone", "vqa_classifier.4.bias"),
        ("cotrain_video", "masked-lm", "vtm_score.fc.bias"),
    ],
)
def test_what_the_class_does_not_take_is_left_out(tmp_path, case, task, left_out):
    report = convert_checkpoint(CASES / case / "original.ckpt", tmp_path / "out", task, tokenizer=None).report
    assert next(line for line in report if line.original == left_out).converted is None
    assert [line.note for line in report if line.converted is None and not line.note] == []


def test_labels(tmp_path, convert):
    content = to_original(AllInOneForVideoQuestionAnswering(AllInOneConfig(**TINY, num_labels=4)), OPEN)
    (tmp_path / "ans2label.json").write_text(json.dumps({"no": 1, "yes": 0, "a cat": 2}))
    directory, _ = convert(content, label_file=tmp_path / "ans2label.json")
    config = AllInOneConfig.from_pretrained(directory)
    assert config.id2label == {0: "yes", 1: "no", 2: "a cat", 3: "LABEL_3"}
    assert config.label2id["a cat"] == 2

    (tmp_path / "answers.txt").write_text("red\ngreen\nblue\nwhite\n")
    directory, _ = convert(content, label_file=tmp_path / "answers.txt", overwrite=True)
    assert AllInOneConfig.from_pretrained(directory).id2label[3] == "white"

    for wrong in ('{"a": 0, "b": 2}', '{"a": "0"}', "[]", '["a", "a"]', '["a", "b", "c", "d", "e"]', "3", "{"):
        (tmp_path / "wrong.json").write_text(wrong)
        with pytest.raises(ConversionError, match=r"The label file .*wrong\.json (must give|cannot be read)"):
            convert(content, label_file=tmp_path / "wrong.json", overwrite=True)
    with pytest.raises(ConversionError, match="no classifier is being converted"):
        convert(content, "backbone", label_file=tmp_path / "answers.txt", overwrite=True)


# --------------------------------------------------------------------------------------------------- which head it is


@pytest.mark.parametrize(
    ("heads", "task", "message"),
    [
        (
            ["mlm_score", "itm_score"],
            None,
            "several heads: masked-.* Pass --task masked-lm or pretraining or multiple-choice or retrieval or b",
        ),
        (
            ["nlvr2_classifier.0", "rank_output"],
            None,
            r"heads: ranking scorer \(multiple-choice, retrieval\), pair classifier .* --task multiple-choice or ret",
        ),
        (
            ["mlm_score"],
            "multiple-choice",
            r"no head for multiple-choice; its heads: masked-.* \(masked-lm, pretraining\)\.",
        ),
        ([], "question-answering", "no head for question-answering; its heads: none"),
        (["txt_proj", "vid_proj"], "multiple-choice", "no head for multiple-choice; its heads: contrastive proj"),
        ([], "captioning", "The task 'captioning' does not exist; there are pretraining, masked-lm, "),
    ],
)
def test_head_that_is_not_clear(refuse, original, heads, task, message):
    refuse(message, original | {f"{head}.weight": torch.zeros(1, 128) for head in heads}, task)


@pytest.mark.parametrize(
    ("heads", "objectives", "expected"),
    [
        (
            ["rank_output", "itm_score.fc"],
            {"irtr": 1, "itm": 1, "multiple_choice": 0},
            "AllInOneForVideoTextRetrieval",
        ),
        (["rank_output", "itm_score.fc"], {"irtr": 0, "multiple_choice": 1}, "AllInOneForMultipleChoice"),
        (["rank_output", "itm_score.fc"], {}, "AllInOneForMultipleChoice"),
        (["rank_output", "rank_output_2"], {}, "AllInOneForVisualCommonsenseReasoning"),
        (["rank_output"], {"vcr_q2a": 1}, "AllInOneForMultipleChoice"),
        (["txt_proj", "vid_proj"], {"irtr": 1}, "AllInOneForVideoTextRetrieval"),
    ],
)
def test_objectives_tell_what_a_head_is_for(convert, original, heads, objectives, expected):
    for head in heads:
        num_outputs = 2 if head == "itm_score.fc" else 1
        original = original | {
            f"{head}.weight": torch.randn(num_outputs, 128),
            f"{head}.bias": torch.randn(num_outputs),
        }
    content = {"state_dict": original, "hyper_parameters": {"config": {"loss_names": objectives}}}
    directory, _ = convert(content)
    assert AllInOneConfig.from_pretrained(directory).architectures == [expected]


# ---------------------------------------------------------------------------------------------------------- bad input


def without(original, key):
    return {name: tensor for name, tensor in original.items() if name != key}


@pytest.mark.parametrize(
    "key",
    [
        "text_embeddings.word_embeddings.weight",
        "text_embeddings.LayerNorm.bias",
        "transformer.cls_token",
        "transformer.pos_embed",
        "transformer.temporal_embed",
        "transformer.blocks.0.mlp.fc1.weight",
        "transformer.blocks.1.attn.qkv.bias",
        "pooler.dense.weight",
    ],
)
def test_missing_key(refuse, original, key):
    refuse(f"The checkpoint lacks {key}, ", without(original, key))


def test_missing_keys(refuse, original):
    missing_block = {key: tensor for key, tensor in original.items() if "blocks.0" not in key or "mlp.fc1" in key}
    refuse("lacks transformer.blocks.0.norm1.weight, .* and 5 more, which the model needs", missing_block)
    head = to_original(QA(AllInOneConfig(**TINY, num_labels=4)), OPEN)
    refuse("lacks vqa_classifier.2.bias, which the model", without(head, "vqa_classifier.2.bias"))
    refuse("lacks vqa_classifier.4.weight, without which", without(head, "vqa_classifier.4.weight"))


@pytest.mark.parametrize(
    "key", ["decoder.weight", "mlm_score.extra.weight", "transformer.blocks.0.attn.gamma", "text_embeddings.LayerNorm"]
)
def test_unknown_key(refuse, original, key):
    refuse(f"The checkpoint holds {key}, which no All-in-one model has", original | {key: torch.zeros(3)}, "backbone")


@pytest.mark.parametrize(
    ("key", "tensor", "message"),
    [
        ("transformer.norm.bias", torch.zeros(64), r"has shape \(64,\), but .* ask for \(128,\)"),
        ("transformer.cls_token", torch.zeros(1, 1, 64), r"has shape \(1, 1, 64\), but .* \(1, 1, 128\)"),
        ("transformer.pos_embed", torch.zeros(1, 10, 64), r"has shape \(1, 10, 64\), but .* \(1, 10, 128\)"),
        ("transformer.pos_embed", torch.zeros(1, 12, 128), "covers 11 patches of 8 × 8 pixels, but expected a square"),
        ("transformer.pos_embed", torch.zeros(10, 128), r"has shape \(10, 128\), but expected 3 dimensions"),
        ("transformer.blocks.1.mlp.fc2.weight", torch.zeros(128, 96), r"\(128, 96\), but .* ask for \(128, 48\)"),
        ("pooler.dense.weight", torch.zeros(128, 128, dtype=torch.long), "of type torch.int64, but expected float"),
    ],
)
def test_tensor_of_another_size_or_kind(refuse, original, key, tensor, message):
    refuse(message, original | {key: tensor})


def test_matching_head_without_a_second_row(refuse, original):
    head = {"itm_score.fc.weight": torch.zeros(1, 128), "itm_score.fc.bias": torch.zeros(1)}
    refuse(r"itm_score.fc.weight has shape \(1, 128\), .* ask for \(1, 128\) in row 1", original | head)
    head = {"itm_score.fc.weight": torch.zeros(2, 128), "itm_score.fc.bias": torch.zeros(())}
    refuse(r"itm_score.fc.bias has shape \(\), .* ask for \(1,\) in row 1", original | head)


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ({"hidden_size": 768}, "hyper-parameters say hidden_size=768, its tensors 128"),
        ({"num_layers": 12}, "say num_layers=12, its tensors 2"),
        ({"num_frames": 8}, "say num_frames=8, its tensors 3"),
        ({"max_text_len": 40}, "say max_text_len=40, its tensors 9"),
        ({"vocab_size": 30522}, "say vocab_size=30522, its tensors 31"),
        ({"image_size": 224}, "say image_size=224, its tensors 24"),
        ({"patch_size": 16}, "say patch_size=16, its tensors 8"),
        ({"num_heads": 12, "vit": "vit_deit_tiny_patch16_224"}, "say num_heads=12, but vit=.* has 3; pass --num-att"),
        ({"num_heads": 7}, "No model can be built: hidden_size is 128, which 7 attention heads do not divide"),
        ({"drop_rate": 1.5}, "No model can be built: hidden_dropout_prob is 1.5"),
    ],
)
def test_hyper_parameters_that_contradict_the_tensors(refuse, original, saved, message):
    refuse(message, {"state_dict": original, "hyper_parameters": {"config": saved}})


def test_label_size_that_contradicts_the_classifier(refuse):
    for head, name in ((OPEN, "msrvttqa_label_size"), (SOFT, "vqav2_label_size")):
        state_dict = to_original(QA(AllInOneConfig(**TINY, num_labels=4)), head)
        content = {"state_dict": state_dict, "hyper_parameters": {"config": {name: 1501}}}
        refuse(f"say {name}=1501, its tensors 4", content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list, but expected a dictionary with a state_dict"),
        ({"epoch": 3}, "holds no state_dict; it holds 'epoch'"),
        ({}, "holds no state_dict; it holds nothing"),
        ({"state_dict": {}}, r"is no checkpoint of the original All-in-one: none .* \(first keys: none\)"),
        (
            {"conv1.weight": torch.zeros(3), "fc.bias": torch.zeros(3)},
            r"none .* \(first keys: conv1.weight, fc.bias\)",
        ),
        ({"allinone.layernorm.bias": torch.zeros(3)}, r"begins with text_emb.* \(first keys: allinone.layernorm.bias"),
    ],
)
def test_other_content(refuse, content, message):
    refuse(message, content)


@pytest.mark.slow
@pytest.mark.parametrize("options", ((), ("--verify",)), ids=("convert", "verify"))
def test_full_size_in_time_and_memory(tmp_path, measure, options):
    objectives = ["masked_lm", "matching", "contrastive"]
    model = AllInOneForPreTraining(AllInOneConfig.from_preset("base", pretraining_objectives=objectives))
    heads = ("masked-language-modelling head", "matching head", "contrastive projections")
    checkpoint = tmp_path / "original.ckpt"
    torch.save({"state_dict": to_original(model, *heads)}, checkpoint)
    del model
    arguments = (checkpoint, tmp_path / "out", "--task", "pretraining", "--no-processor", *options)
    seconds, memory = measure("convert_original_checkpoint.py", *arguments)
    assert seconds < 15
    assert memory < 1.5 * checkpoint.stat().st_size
