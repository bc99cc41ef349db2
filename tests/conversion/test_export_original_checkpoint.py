# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Export to the original's checkpoints: that they load strictly, that nothing changes on the way, what is refused."""

import json
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

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
from modeling_allinone.conversion.original_checkpoint import convert_checkpoint
from modeling_allinone.conversion.original_export import export_checkpoint, main, verify_export
from modeling_allinone.conversion.original_hyper_parameters import find_vision_transformer
from modeling_allinone.conversion.safe_checkpoint import ConversionError, read_checkpoint

CASES = Path(__file__).parents[1] / "fixtures" / "parity"
POSITION_IDS = "text_embeddings.position_ids"
POOLER = {"pooler.dense.weight", "pooler.dense.bias"}
MATCHING = {"itm_score.fc.weight", "itm_score.fc.bias"}
TEMPORAL = {"transformer.temporal_embed"}


@pytest.fixture
def save(tmp_path, tiny_config):
    """Save a tiny model of a class, with random values in every tensor; returns the model and its directory."""

    def run(cls=AllInOneModel, dtype=torch.float32, **fields):
        model = cls(tiny_config(intermediate_size=128, **fields)).to(dtype)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter)
        model.save_pretrained(tmp_path / "model")
        return model, tmp_path / "model"

    return run


@pytest.fixture
def export(tmp_path, save):
    """Export a tiny model; returns the tensors, the hyper-parameters and what `export_checkpoint` returned."""

    def run(cls=AllInOneModel, fields=None, **options):
        save(cls, **fields or {})
        result = export_checkpoint(tmp_path / "model", tmp_path / "out.ckpt", **{"verify": True, **options})
        return *read_checkpoint(tmp_path / "out.ckpt"), result

    return run


@pytest.fixture
def refuse(tmp_path):
    """Export a directory, expect a refusal with a message in which the pattern is found, and nothing written."""

    def run(pattern, directory=None, **options):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(ConversionError, match=pattern) as error:
            export_checkpoint(directory or tmp_path / "model", tmp_path / "new" / "out.ckpt", **options)
        assert "\n" not in str(error.value)
        assert sorted(tmp_path.iterdir()) == before

    return run


def assert_same(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]):
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype, name
        assert torch.equal(actual[name], tensor), name


def build_stand_in(state_dict: dict[str, torch.Tensor]) -> torch.nn.Module:
    """A module with empty tensors under these names, as the original's module has them."""
    root = torch.nn.Module()
    for key, tensor in state_dict.items():
        *path, last = key.split(".")
        module = root
        for name in path:
            if name not in module._modules:
                module.add_module(name, torch.nn.Module())
            module = module.get_submodule(name)
        module.register_buffer(last, torch.zeros_like(tensor))
    return root


# ------------------------------------------------------------------------------------------------------ there and back


@pytest.mark.parametrize(
    ("case", "task", "filled"),
    [
        ("clip_order", "pretraining", POOLER),
        ("contrastive", "retrieval", POOLER),
        ("contrastive", "pretraining", POOLER),
        ("cotrain_image", "pretraining", set()),
        ("cotrain_subset", "pretraining", set()),
        ("cotrain_video", "pretraining", set()),
        ("distilled_contrastive", "retrieval", POOLER | TEMPORAL),
        ("distilled_joint_raster", "pretraining", TEMPORAL),
        ("distilled_matching", "pretraining", TEMPORAL),
        ("gradients", "pretraining", set()),
        ("joint_permuted", "pretraining", set()),
        ("joint_raster", "pretraining", set()),
        ("legacy_checkpoint", "pretraining", set()),
        ("masked_lm", None, POOLER),
        ("matching", "pretraining", set()),
        ("multiple_choice", None, MATCHING),
        ("multiple_choice_qa", None, MATCHING),
        ("open_ended_qa", None, set()),
        ("open_ended_qa", "classification", set()),
        ("paired_visual_reasoning", None, set()),
        ("retrieval_ranking", None, MATCHING),
        ("soft_label_qa", None, set()),
        ("visual_commonsense", None, MATCHING),
    ],
)
def test_checkpoints_of_the_original_come_back(tmp_path, case, task, filled):
    original, saved = read_checkpoint(CASES / case / "original.ckpt")
    convert_checkpoint(CASES / case / "original.ckpt", tmp_path / "model", task, tokenizer=None)
    naming = "co-training" if case.startswith("cotrain") else "all-in-one"

    # The modules of these files were built with a transformers that has no buffer of positions.
    out = tmp_path / "out.ckpt"
    report, _ = export_checkpoint(tmp_path / "model", out, naming=naming, position_ids=False, verify=True)
    exported, hyper_parameters = read_checkpoint(out)
    assert exported.keys() == original.keys()
    assert {key: tensor.shape for key, tensor in exported.items()} == {key: t.shape for key, t in original.items()}
    assert {key for key in original if not torch.equal(exported[key], original[key])} == filled
    assert {line.original for line in report if line.note} == filled
    build_stand_in(original).load_state_dict(exported, strict=True)
    sizes = ("hidden_size", "num_heads", "num_layers", "mlp_ratio", "image_size", "patch_size", "num_frames")
    for name in (*sizes, "vocab_size", "max_text_len", "max_image_len", "drop_rate", "linear_evaluation"):
        assert hyper_parameters[name] == saved[name], name
    assert {name for name, weight in hyper_parameters["loss_names"].items() if weight} == {
        name for name, weight in saved["loss_names"].items() if weight
    }
    assert saved["loss_names"].keys() <= hyper_parameters["loss_names"].keys()

    # With the original beside it, nothing is made up.
    export_checkpoint(
        tmp_path / "model", out, CASES / case / "original.ckpt", naming=naming, verify=True, overwrite=True
    )
    exported, hyper_parameters = read_checkpoint(out)
    assert_same(exported, original)
    assert hyper_parameters["vit"] == saved["vit"]


def test_positions_are_written_for_the_releases_that_have_them(export):
    state_dict, _, (report, _) = export()
    assert torch.equal(state_dict[POSITION_IDS], torch.arange(16)[None])
    assert report[-1].original == POSITION_IDS
    without, _, _ = export(position_ids=False, overwrite=True)
    assert state_dict.keys() - without.keys() == {POSITION_IDS}


QA = AllInOneForVideoQuestionAnswering
RETRIEVAL = AllInOneForVideoTextRetrieval
ALL = ["masked_lm", "matching", "contrastive", "clip_order"]


@pytest.mark.parametrize("naming", ("all-in-one", "co-training"))
@pytest.mark.parametrize(
    ("cls", "task", "fields", "objectives"),
    [
        (AllInOneModel, "backbone", {"num_frames": 1}, {}),
        (AllInOneModel, "backbone", {"image_size": [32, 32], "max_image_length": 9, "qkv_bias": False}, {}),
        (AllInOneModel, "backbone", {"hidden_dropout_prob": 0.3, "vocab_size": 7, "num_channels": 1}, {}),
        (AllInOneForMaskedLM, None, {"max_position_embeddings": 100}, {"mlm": 1}),
        (QA, None, {"num_labels": 17, "classifier_hidden_size": 16}, {"openend_vqa": 1}),
        (QA, None, {"num_labels": 5, "classifier_hidden_size": 64, "classifier_dropout": 0.0}, {"vqa": 1}),
        (
            AllInOneForVideoClassification,
            "classification",
            {"num_labels": 9, "classifier_hidden_size": 16},
            {"openend_vqa": 1},
        ),
        (AllInOneForMultipleChoice, None, {}, {"multiple_choice": 1}),
        (AllInOneForMultipleChoice, None, {"choice_hidden_size": 256}, {"mc_vqa": 1}),
        (RETRIEVAL, None, {"projection_dim": 24, "use_pair_scorer": False}, {"ind_itc": 1}),
        (RETRIEVAL, None, {"projection_dim": None}, {"irtr": 1, "itm": 0.5}),
        (RETRIEVAL, None, {"projection_dim": 24}, {"ind_itc": 1, "irtr": 1, "itm": 0.5}),
        (
            AllInOneForPreTraining,
            "pretraining",
            {"pretraining_objectives": ALL, "projection_dim": 24},
            {"mlm": 1, "itm": 1, "ind_itc": 1, "vcop": 1},
        ),
        (AllInOneForPreTraining, "pretraining", {"pretraining_objectives": ["masked_lm"]}, {"mlm": 1}),
        (AllInOneForVisualCommonsenseReasoning, None, {}, {"vcr_q2a": 1}),
    ],
)
def test_models_come_back(tmp_path, save, cls, task, fields, objectives, naming):
    model, directory = save(cls, **fields)
    export_checkpoint(directory, tmp_path / "out.ckpt", naming=naming, verify=True)
    _, hyper_parameters = read_checkpoint(tmp_path / "out.ckpt")
    renamed = {"itm": "vtm", "ind_itc": "vtc"} if naming == "co-training" else {}
    expected = {renamed.get(name, name): weight for name, weight in objectives.items()}
    assert {name: weight for name, weight in hyper_parameters["loss_names"].items() if weight} == expected

    convert_checkpoint(tmp_path / "out.ckpt", tmp_path / "back", task, tokenizer=None)
    back, info = cls.from_pretrained(tmp_path / "back", output_loading_info=True)
    assert not any(info.values()), info
    assert_same(back.state_dict(), model.state_dict())
    saved, expected = back.config.to_dict(), model.config.to_dict()
    not_in_the_file = {"initializer_range", "architectures", "dtype", "_name_or_path", "problem_type"}
    if isinstance(fields.get("image_size"), list):
        not_in_the_file.add("image_size")
    assert {name for name in saved if saved[name] != expected[name]} <= not_in_the_file


@pytest.mark.parametrize(
    ("cls", "fields", "task"),
    [
        (AllInOneForPairedVisualReasoning, {}, None),
        (AllInOneModel, {"use_distillation_token": True, "align_distillation_token": True}, "backbone"),
        (AllInOneModel, {"use_distillation_token": True}, "backbone"),
        (RETRIEVAL, {"use_distillation_token": True}, None),
    ],
)
def test_models_that_only_the_first_code_runs(tmp_path, save, refuse, cls, fields, task):
    model, directory = save(cls, **fields)
    refuse(r"The co-training code cannot run a model with a .*; pass --naming all-in-one", naming="co-training")
    export_checkpoint(directory, tmp_path / "out.ckpt", verify=True)
    convert_checkpoint(tmp_path / "out.ckpt", tmp_path / "back", task, tokenizer=None)
    back = cls.from_pretrained(tmp_path / "back")
    assert_same(back.state_dict(), model.state_dict())
    assert back.config.align_distillation_token == model.config.align_distillation_token
    assert back.config.num_frames == model.config.num_frames


def test_masked_patches_stay_behind(export):
    state_dict, hyper_parameters, (report, _) = export(AllInOneForPreTraining)
    left_out = {line.converted: line.note for line in report if line.original is None}
    parts = ("dense", "layer_norm", "decoder")
    assert left_out.keys() == {
        "allinone.embeddings.visual_embeddings.mask_token",
        *(f"masked_patch_head.{part}.{kind}" for part in parts for kind in ("weight", "bias")),
    }
    assert set(left_out.values()) == {"masked patches: this objective does not run in the original"}
    assert hyper_parameters["loss_names"]["mpp"] == 0
    assert not any("mpp" in key or "mask_token" in key for key in state_dict)


# ---------------------------------------------------------------------------------------- what the model does not hold


@pytest.mark.parametrize("naming", ("all-in-one", "co-training"))
@pytest.mark.parametrize(
    ("cls", "scorer"),
    [
        (AllInOneForMultipleChoice, "scorer"),
        (RETRIEVAL, "scorer"),
        (AllInOneForVisualCommonsenseReasoning, "answer_scorer"),
    ],
)
def test_matching_head_is_the_scorer(save, tmp_path, naming, cls, scorer):
    model, directory = save(cls)
    report, _ = export_checkpoint(directory, tmp_path / "out.ckpt", naming=naming)
    state_dict, _ = read_checkpoint(tmp_path / "out.ckpt")
    head = "vtm_score" if naming == "co-training" else "itm_score"
    layer = model.get_submodule(scorer).out_proj
    for kind in ("weight", "bias"):
        matching = state_dict[f"{head}.fc.{kind}"]
        assert torch.equal(matching[1:], layer.get_parameter(kind))
        assert torch.equal(matching[1:], state_dict[f"rank_output.{kind}"])
        assert not matching[0].any()
    (line,) = [line for line in report if line.original == f"{head}.fc.weight"]
    assert line[:3] == (f"{head}.fc.weight", (2, 32), f"{scorer}.out_proj.weight")
    assert line.note == "row 1; the other row: zeros; the task never reads it"


def test_pooler_of_a_model_without_one_is_drawn_alike_every_time(export):
    first, _, _ = export(AllInOneForMaskedLM, {"hidden_size": 128})
    second, _, _ = export(AllInOneForMaskedLM, {"hidden_size": 128}, overwrite=True)
    assert torch.equal(first["pooler.dense.weight"], second["pooler.dense.weight"])
    assert first["pooler.dense.weight"].std().item() == pytest.approx(0.02, rel=0.05)
    assert not first["pooler.dense.bias"].any()


def test_the_original_gives_what_the_model_lacks(tmp_path, export):
    original = {
        "vtm_score.fc.weight": torch.randn(2, 32),
        "vtm_score.fc.bias": torch.randn(2),
        POSITION_IDS: torch.arange(16)[None],
    }
    torch.save({"state_dict": original}, tmp_path / "original.ckpt")
    # The names of the code that is to load it, whatever the original's.
    state_dict, _, (report, _) = export(AllInOneForMultipleChoice, original=tmp_path / "original.ckpt")
    for kind in ("weight", "bias"):
        assert torch.equal(state_dict[f"itm_score.fc.{kind}"][0], original[f"vtm_score.fc.{kind}"][0])
        assert torch.equal(state_dict[f"itm_score.fc.{kind}"][1:], state_dict[f"rank_output.{kind}"])
    assert [line.note for line in report if "itm_score" in line.original] == [
        "row 1; the other row: from the original"
    ] * 2
    assert torch.equal(state_dict[POSITION_IDS], torch.arange(16)[None])

    state_dict, _, _ = export(
        AllInOneForMultipleChoice, {"choice_hidden_size": 256}, original=tmp_path / "original.ckpt", overwrite=True
    )
    assert torch.equal(state_dict["itm_score.fc.weight"], original["vtm_score.fc.weight"])


def test_original_that_does_not_fit(tmp_path, save, refuse):
    save(AllInOneForMaskedLM)
    path = tmp_path / "original.ckpt"
    torch.save(
        {"state_dict": {"pooler.dense.weight": torch.zeros(48, 48), "pooler.dense.bias": torch.zeros(48)}}, path
    )
    refuse(r"pooler.dense.weight of the original has shape \(48, 48\) .* but expected \(32, 32\)", original=path)
    torch.save({"state_dict": {"pooler.dense.weight": torch.zeros(32, 32, dtype=torch.long)}}, path)
    refuse("pooler.dense.weight of the original has .* type torch.int64, but expected", original=path)
    torch.save({"state_dict": {"bert.pooler.dense.weight": torch.zeros(32, 32)}}, path)
    refuse("holds none of what the model lacks: pooler.dense.weight, pooler.dense.bias", original=path)
    path.write_text("text")
    refuse("is not a PyTorch checkpoint", original=path)
    refuse("There is no file .*nowhere.ckpt", original=tmp_path / "nowhere.ckpt")


# ---------------------------------------------------------------------------------------------------- hyper-parameters


@pytest.mark.parametrize(
    ("preset", "fields", "expected"),
    [
        ("tiny", {}, "vit_deit_tiny_patch16_224"),
        ("small", {}, "vit_deit_small_distilled_patch16_224"),
        ("base", {}, "vit_base_patch16_224"),
        ("base", {"image_size": 384, "patch_size": 32}, "vit_base_patch32_384"),
        ("base", {"num_frames": 8, "vocab_size": 100}, "vit_base_patch16_224"),
        ("base", {"image_size": 256}, "vit_custom_patch16_256"),
        ("base", {"num_hidden_layers": 6}, "vit_custom_patch16_224"),
        ("base", {"num_attention_heads": 8}, "vit_custom_patch16_224"),
        ("base", {"intermediate_size": 768}, "vit_custom_patch16_224"),
        ("base", {"qkv_bias": False}, "vit_custom_patch16_224"),
        ("base", {"num_channels": 1}, "vit_custom_patch16_224"),
        ("small", {"image_size": 256}, "vit_deit_custom_distilled_patch16_256"),
        ("small", {"image_size": 256, "align_distillation_token": True}, "vit_custom_distilled_patch16_256"),
    ],
)
def test_name_of_the_vision_transformer(preset, fields, expected):
    config = AllInOneConfig.from_preset(preset, **fields)
    assert find_vision_transformer(config) == expected
    assert find_vision_transformer(config, "vit_large_patch16_224") == expected
    assert find_vision_transformer(config, "mine") == ("mine" if "custom" in expected else expected)


def test_layout_is_lightning_s_and_holds_plain_values(tmp_path, export):
    export(QA, {"num_labels": 6})
    content = torch.load(tmp_path / "out.ckpt", weights_only=True)
    state_dict, config = content.pop("state_dict"), content["hyper_parameters"]["config"]
    assert content == {
        "epoch": 0,
        "global_step": 0,
        "pytorch-lightning_version": "1.1.4",
        "hparams_name": "kwargs",
        "hyper_parameters": {"config": config},
    }
    assert {type(value) for value in (*config.values(), *config["loss_names"].values())} == {
        int,
        float,
        bool,
        str,
        dict,
    }
    assert {type(value) for value in state_dict.values()} == {torch.Tensor}
    storages = {tensor.untyped_storage().data_ptr() for tensor in state_dict.values()}
    assert len(storages) == len(state_dict)
    assert (config["msrvttqa_label_size"], config["vqav2_label_size"]) == (6, 3129)


@pytest.mark.parametrize(
    ("cls", "fields", "message"),
    [
        (
            AllInOneModel,
            {"temporal_mixing": "none"},
            "temporal_mixing is 'none', but the original always .*'token_roll'",
        ),
        (AllInOneModel, {"temporal_mixing": "channel_shift"}, "temporal_mixing is 'channel_shift'"),
        (AllInOneModel, {"roll_divisor": 4}, "roll_divisor is 4, but the original always computes with 8"),
        (AllInOneModel, {"hidden_act": "relu"}, "hidden_act is 'relu'"),
        (AllInOneModel, {"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05"),
        (AllInOneModel, {"text_layer_norm_eps": 1e-6}, "text_layer_norm_eps is 1e-06"),
        (AllInOneModel, {"type_vocab_size": 1}, "type_vocab_size is 1, but the original always"),
        (AllInOneModel, {"image_size": [32, 40]}, "image_size is 32 × 40, but .* a square"),
        (AllInOneModel, {"modality_type_vocab_size": 3}, "modality_type_vocab_size is 3, but the original has 2"),
        (AllInOneForPairedVisualReasoning, {"modality_type_vocab_size": 4}, "_size is 4, but the original has 3"),
        (
            AllInOneForPairedVisualReasoning,
            {"num_labels": 3},
            "num_labels is 3, but the head of the original has 2",
        ),
        (
            AllInOneForPairedVisualReasoning,
            {"classifier_hidden_size": 32},
            "classifier_hidden_size is 32, but the head of the original has 64",
        ),
        (QA, {"classifier_hidden_size": 20}, "is 20, but the original's classifier has 16 or, for soft labels, 64"),
        (AllInOneForVideoClassification, {"classifier_hidden_size": 64}, "is 64, but the original's .* has 16\\."),
        (AllInOneForMultipleChoice, {"choice_hidden_size": 128}, "choice_hidden_size is 128, .* original has 256"),
        (AllInOneForPreTraining, {"clip_order_hidden_size": 64}, "clip_order_hidden_size is 64, .* original has 512"),
        (
            AllInOneForPreTraining,
            {"pretraining_objectives": ["masked_patches"]},
            "only objective is masked_patches, which does not run in the original",
        ),
    ],
)
def test_what_the_original_cannot_hold_or_compute(save, refuse, cls, fields, message):
    save(cls, **fields)
    refuse(message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"patch_order": "raster"}, "patch_order is 'raster', but the original shuffles"),
        ({"num_frames": 1}, "num_frames is 1: the original adds the temporal embedding to a single frame, too"),
        ({"max_image_length": 5}, "max_image_length is 5, with which the original's video code stops"),
        ({}, "add a function vit_custom_patch8_32 that builds one to its base_vision_transformer.py"),
    ],
)
def test_what_a_user_of_the_original_should_know(export, fields, message):
    _, _, (_, warnings) = export(AllInOneModel, fields)
    assert len([warning for warning in warnings if message in warning]) == 1
    assert len(warnings) == 1 + bool(fields)


def test_scorers_that_the_original_merges(tmp_path, save):
    model, directory = save(AllInOneForVisualCommonsenseReasoning)
    _, warnings = export_checkpoint(directory, tmp_path / "out.ckpt")
    assert "The scorers of answers and rationales differ" in warnings[-1]
    model.rationale_scorer.load_state_dict(model.answer_scorer.state_dict())
    model.save_pretrained(directory)
    _, warnings = export_checkpoint(directory, tmp_path / "out.ckpt", overwrite=True)
    assert not any("scorers" in warning for warning in warnings)


# --------------------------------------------------------------------------------------------------------------- types


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
def test_half_precision_fits_into_float32(tmp_path, save, dtype):
    model, directory = save(AllInOneForMaskedLM, getattr(torch, dtype))
    export_checkpoint(directory, tmp_path / "out.ckpt", verify=True)
    state_dict, _ = read_checkpoint(tmp_path / "out.ckpt")
    assert {tensor.dtype for key, tensor in state_dict.items() if key != POSITION_IDS} == {torch.float32}
    convert_checkpoint(tmp_path / "out.ckpt", tmp_path / "back", None, None, dtype=dtype)
    assert_same(load_file(tmp_path / "back" / "model.safetensors"), dict(model.state_dict()))

    export_checkpoint(directory, tmp_path / "out.ckpt", dtype=dtype, verify=True, overwrite=True)
    state_dict, _ = read_checkpoint(tmp_path / "out.ckpt")
    assert {tensor.dtype for key, tensor in state_dict.items() if key != POSITION_IDS} == {getattr(torch, dtype)}


def test_values_that_are_not_finite(save, refuse):
    model, directory = save()
    with torch.no_grad():
        model.layernorm.weight[1] = 1e6
    model.save_pretrained(directory)
    refuse("layernorm.weight holds values that are not finite in float16; convert to float32", dtype="float16")
    refuse("The dtype 'int8' does not exist; there are float32, float16, bfloat16", dtype="int8")
    refuse("The naming 'vilt' does not exist; there are all-in-one, co-training", naming="vilt")


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("transformer.norm.bias", lambda tensor: tensor.nextafter(tensor + 1), "layernorm.bias would not be what"),
        ("transformer.cls_token", lambda tensor: -tensor, "special_tokens would not be what the model holds"),
    ],
)
def test_verification_sees_a_changed_bit(tmp_path, save, key, change, message):
    model, directory = save()
    export_checkpoint(directory, tmp_path / "out.ckpt")
    content = torch.load(tmp_path / "out.ckpt", weights_only=True)
    verify_export(tmp_path / "out.ckpt", model.state_dict(), "backbone", torch.float32)
    content["state_dict"][key] = change(content["state_dict"][key])
    torch.save(content, tmp_path / "out.ckpt")
    with pytest.raises(ConversionError, match=message):
        verify_export(tmp_path / "out.ckpt", model.state_dict(), "backbone", torch.float32)
    with pytest.raises(ConversionError, match=r"layernorm.bias would be gone or new"):
        held = {name: tensor for name, tensor in model.state_dict().items() if name != "layernorm.bias"}
        verify_export(tmp_path / "out.ckpt", held, "backbone", torch.float32)


# ----------------------------------------------------------------------------------------------------- model directory


def test_shards_are_one_model(tmp_path, save):
    model, directory = save(AllInOneForMaskedLM)
    export_checkpoint(directory, tmp_path / "whole.ckpt")
    model.save_pretrained(tmp_path / "sharded", max_shard_size="20KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 3
    export_checkpoint(tmp_path / "sharded", tmp_path / "sharded.ckpt")
    assert_same(read_checkpoint(tmp_path / "sharded.ckpt")[0], read_checkpoint(tmp_path / "whole.ckpt")[0])


def test_directories_without_safetensors(tmp_path, save, refuse):
    model, directory = save()
    (directory / "model.safetensors").unlink()
    refuse("There is no model.safetensors in ")
    (directory / "adapter_config.json").write_text("{}")
    refuse("holds an adapter; merge it into its model and save that")
    torch.save(model.state_dict(), directory / "pytorch_model.bin")
    refuse("has its weights in a pickle, .* load the model with from_pretrained and save it with save_pretrained")
    refuse("is no directory; give the one that save_pretrained wrote", directory / "config.json")
    refuse("is no directory", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "vilt"}, "has model_type 'vilt', but expected 'allinone'"),
        ({"model_type": None}, "has model_type None"),
        ({"architectures": None}, r"has architectures None, but expected one of AllInOneForPreTraining, .* save the"),
        ({"architectures": ["ViltModel"]}, r"has architectures \['ViltModel'\]"),
        ({"architectures": "AllInOneModel"}, "has architectures 'AllInOneModel'"),
        ({"hidden_size": "wide"}, "config.json describes no model: .*hidden_size"),
        ({"hidden_size": -1}, "describes no model: hidden_size is -1"),
        ({"id2label": 3}, "describes no model: "),
        ({"vocab_size": 10**20}, "describes no model: "),
        ({"hidden_size": 64}, r"has shape .* and type torch.float32, but the configuration asks for \(2, 64\)"),
        ({"num_hidden_layers": 3}, r"lack layers\.2\..*, unlike the class .* \(12 tensors missing, 0 unknown\)"),
        ({"num_hidden_layers": 1}, r"hold layers\.1\..*, unlike the class .* \(0 tensors missing, 12 unknown\)"),
        ({"architectures": ["AllInOneForMaskedLM"]}, r"lack allinone\.embeddings\."),
    ],
)
def test_configurations_that_do_not_fit(save, refuse, fields, message):
    _, directory = save()
    content = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(content | fields))
    refuse(message)


def test_files_that_are_damaged(save, refuse):
    _, directory = save()
    weights, config = directory / "model.safetensors", directory / "config.json"
    save_file({name: tensor.int() for name, tensor in load_file(weights).items()}, weights)
    refuse("type torch.int32, but the configuration asks for .* of a floating-point type")
    weights.write_bytes(weights.read_bytes()[:-1])
    refuse("model.safetensors is damaged or truncated")
    for content in (b"", b"{", b"[1]", b"[" * 100_000, b"\x00", b"\xff\xfe"):
        config.write_bytes(content)
        refuse(r"config.json (cannot be read|holds a list)")
    config.unlink()
    refuse("config.json cannot be read .*No such file")


# -------------------------------------------------------------------------------------------------------------- output


def test_output_that_is_there(tmp_path, save):
    _, directory = save()
    out = tmp_path / "out.ckpt"
    out.write_text("mine")
    with pytest.raises(ConversionError, match=r"The output .*out\.ckpt is there already; pass --overwrite to replace"):
        export_checkpoint(directory, out)
    assert out.read_text() == "mine"
    export_checkpoint(directory, out, overwrite=True)
    assert POSITION_IDS in read_checkpoint(out)[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "out.ckpt"]
    with pytest.raises(ConversionError, match=r"is a directory; give a file, such as .*model\.ckpt"):
        export_checkpoint(directory, tmp_path, overwrite=True)
    for source in ("model.safetensors", "config.json"):
        with pytest.raises(ConversionError, match="would replace a part of what is being converted"):
            export_checkpoint(directory, directory / source, overwrite=True)
    with pytest.raises(ConversionError, match="would replace a part of what is being converted"):
        export_checkpoint(directory, out, original=out, overwrite=True)
    with pytest.raises(ConversionError, match="The output /dev/null is no plain file"):
        export_checkpoint(directory, "/dev/null", overwrite=True)


@pytest.mark.parametrize("has_old", (False, True))
def test_nothing_is_half_written(tmp_path, save, has_old):
    _, directory = save()
    if has_old:
        (tmp_path / "out.ckpt").write_text("old")
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # as good as a full disk
    try:
        with pytest.raises(ConversionError, match=r"out\.ckpt could not be written; it takes 0 MB"):
            export_checkpoint(directory, tmp_path / "out.ckpt", overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"] + ["out.ckpt"] * has_old
    if has_old:
        assert (tmp_path / "out.ckpt").read_text() == "old"


# -------------------------------------------------------------------------------------------------------- command line


def test_main_reports_every_tensor(tmp_path, save, capsys):
    model, directory = save(AllInOneForPreTraining)
    capsys.readouterr()
    assert main([str(directory), str(tmp_path / "out.ckpt"), "--verify"]) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    names = [line.split()[0] for line in lines[:-2]]
    assert {name for name in names if name != "(filled"} == model.state_dict().keys()
    assert "-> mlm_score.bias" in next(line for line in lines if line.startswith("mlm_head.decoder.bias"))
    assert "left out: masked patches" in next(
        line for line in lines if line.startswith("masked_patch_head.dense.bias")
    )
    num_tensors = len(read_checkpoint(tmp_path / "out.ckpt")[0])
    assert lines[-2:] == [
        f"{num_tensors} tensors exported, 1 filled in, 7 left out",
        f"written: {tmp_path / 'out.ckpt'}",
    ]
    assert output.err.startswith("warning: The original has no vision transformer of these sizes")
    assert output.err.count("\n") == 1


def test_script_runs_from_any_directory(tmp_path, save, run_in):
    save(AllInOneForMultipleChoice)
    options = ["--naming", "co-training", "--dtype", "bfloat16", "--no-position-ids"]
    run_in(tmp_path, "export_original_checkpoint.py", "model", "out/model.ckpt", *options)
    state_dict, _ = read_checkpoint(tmp_path / "out" / "model.ckpt")
    assert state_dict["vtm_score.fc.weight"].dtype == torch.bfloat16
    assert POSITION_IDS not in state_dict


@pytest.mark.slow
@pytest.mark.parametrize("max_shard_size", ("5GB", "100MB"))
def test_full_size_in_time_and_memory(tmp_path, measure, max_shard_size):
    objectives = ["masked_lm", "matching", "contrastive"]
    model = AllInOneForPreTraining(AllInOneConfig.from_preset("base", pretraining_objectives=objectives))
    model.save_pretrained(tmp_path / "model", max_shard_size=max_shard_size)
    seconds, memory = measure("export_original_checkpoint.py", tmp_path / "model", tmp_path / "out.ckpt")
    assert seconds < 15
    assert memory < 1.5 * (tmp_path / "out.ckpt").stat().st_size
    state_dict, _ = read_checkpoint(tmp_path / "out.ckpt")
    assert state_dict["mlm_score.decoder.weight"].shape == (30522, 768)
    verify_export(tmp_path / "out.ckpt", model.state_dict(), "pretraining", torch.float32)
