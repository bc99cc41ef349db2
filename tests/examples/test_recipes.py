# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What recipes take over from the original, and from which of its tasks."""

import yaml

from modeling_allinone.datasets import describe_dataset
from modeling_allinone.models.video_processing_allinone import IMAGE_OPTIONS
from modeling_allinone.recipes import OWN_VIDEOS, RECIPES

ALL = {path.stem: yaml.safe_load(path.read_text()) for path in RECIPES.glob("*.yaml") if path != OWN_VIDEOS}
CO_TRAINING = {"pretrain_webvid_cc3m", "pretrain_eight_sets"}


def test_images_are_shown_in_their_shape():
    padded = {name for name, recipe in ALL.items() if recipe.get("video_processor", {}).get("do_pad")}
    assert padded == {"vqav2", "nlvr2", "coco_karpathy", "flickr30k"}
    for name in padded:
        assert IMAGE_OPTIONS.items() <= ALL[name]["video_processor"].items() and not ALL[name]["random_crop"]
    assert {name for name, recipe in ALL.items() if "image_processor" in recipe} == CO_TRAINING
    for name in CO_TRAINING:
        options = ALL[name]["image_processor"]
        assert IMAGE_OPTIONS.items() <= options.items() and not options["do_random_crop"]
    assert {name for name, recipe in ALL.items() if recipe.get("rand_augment")} == {"coco_karpathy", *CO_TRAINING}


def test_heads_learn_faster_where_the_originals_optimiser_finds_their_name():
    """That is `vqa_classifier`, which is part of `mc_vqa_classifier`; other choices are scored by `rank_output`."""
    faster = {name: rate for name, recipe in ALL.items() if (rate := recipe.get("head_learning_rate_multiplier"))}
    questions = {"activitynet_qa", "msrvtt_qa", "msvd_qa", "tgif_frameqa", "vqav2"}
    assert faster == dict.fromkeys(questions | {"tgif_action", "tgif_transition", "tvqa"}, 10)


def test_clips_of_a_device_are_those_of_the_released_command_lines():
    released = {
        "tgif_frameqa": 8,
        "tgif_action": 16,
        "tgif_transition": 16,
        "msrvtt_qa": 16,
        "msvd_qa": 16,
        "k400_linear": 16,
        "hmdb51_linear": 8,
        "msrvtt_retrieval": 32,
        "msrvtt_retrieval_ranking": 6,
        "pretrain_webvid_howto100m_base": 16,
        "pretrain_webvid_howto100m_tiny": 32,
        **dict.fromkeys(CO_TRAINING, 4),
    }
    assert {name: ALL[name]["per_device_train_batch_size"] for name in released} == released
    for name, recipe in ALL.items():
        if "total_batch_size" in recipe and not name.startswith("pretrain"):
            steps, rest = divmod(recipe["total_batch_size"], 8 * recipe["per_device_train_batch_size"])
            assert steps >= 1 and rest == 0, f"{name} on 8 devices"


def test_splits_are_the_originals():
    vqav2 = ALL["vqav2"]
    assert {vqav2["train_split"], vqav2["test_split"]} <= set(describe_dataset("vqav2").splits)
    options = ALL["pretrain_eight_sets"]["image_sources"]["coco_karpathy"]["options"]
    assert options == {"with_restval": False} and options.keys() <= describe_dataset("coco_karpathy").options.keys()
