# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The configuration: sizes of the paper, names of answers, and what is refused."""

import pytest
import torch

from modeling_allinone import AllInOneConfig, AllInOneModel


def test_presets_have_the_sizes_of_the_paper():
    sizes = {}
    with torch.device("meta"):
        for name, alias in (("tiny", "Ti"), ("small", "S"), ("base", "B")):
            config = AllInOneConfig.from_preset(name)
            assert config.to_dict() == AllInOneConfig.from_preset(alias).to_dict()
            sizes[name] = sum(parameter.numel() for parameter in AllInOneModel(config).parameters())
    assert sizes["base"] == pytest.approx(110e6, rel=0.01)
    assert sizes["tiny"] < sizes["small"] < sizes["base"]
    assert AllInOneConfig.from_preset("base", num_frames=8).num_frames == 8
    with pytest.raises(ValueError, match="no preset 'huge'; there are 'tiny', 'small', 'base'"):
        AllInOneConfig.from_preset("huge")


def test_names_of_answers(tiny_config):
    config = tiny_config(id2label={0: "yes", 1: "no", 2: "maybe"})
    assert config.num_labels == 3 and config.label2id == {"yes": 0, "no": 1, "maybe": 2}
    assert AllInOneConfig.from_dict(config.to_dict()).id2label == {0: "yes", 1: "no", 2: "maybe"}
    assert tiny_config(label2id={"yes": 0, "no": 1, "maybe": 2}).id2label == config.id2label


@pytest.mark.parametrize(
    ("fields", "message"),
    (
        ({"hidden_size": 50}, "hidden_size is 50, which 12 attention heads do not divide"),
        ({"image_size": [32, 32, 3]}, r"image_size is \[32, 32, 3\], but expected one side, or height and width"),
        ({"image_size": 225}, "image_size is 225, not a positive multiple of patch_size=16"),
        ({"roll_divisor": 2}, "roll_divisor is 2, but must be at least 3"),
        ({"num_frames": 0}, "num_frames is 0, but must be at least 1"),
        ({"drop_path_rate": 1.5}, "drop_path_rate is 1.5, but must be a probability"),
        ({"modality_type_vocab_size": 1}, "text and video need 2 types"),
        ({"temporal_mixing": "shuffle"}, "'token_roll', 'channel_shift', 'none'"),
        ({"patch_order": "spiral"}, "'raster', 'random'"),
        ({"problem_type": "ordinal"}, "problem_type is 'ordinal', but expected one of regression, single_label"),
        ({"id2label": {1: "yes", 2: "no"}}, r"id2label has the keys \[1, 2\], but expected a name for each output: 0"),
        ({"num_labels": 0}, r"id2label has the keys \[\], but expected a name"),
        ({"prompt": "which way?"}, "prompt is 'which way\\?' and prompt_input_ids is None, but they go together"),
        ({"prompt_input_ids": [2, 3]}, "prompt is None and prompt_input_ids is .* as processor.encode_prompt"),
        ({"prompt": "", "prompt_input_ids": []}, "prompt_input_ids has 0 tokens, but expected 1 to"),
        ({"prompt": "a", "prompt_input_ids": [1] * 100}, "prompt_input_ids has 100 tokens, but expected 1 to"),
        ({"prompt": "a", "prompt_input_ids": [1, 10**6]}, "prompt_input_ids is .* but expected tokens below vocab"),
        ({"pretraining_objectives": ["captioning"]}, r"is \['captioning'\], but expected some of masked_lm, matching"),
        ({"pretraining_objectives": []}, r"is \[\], but expected some of masked_lm"),
        ({"pretraining_objectives": ["clip_order"], "num_frames": 6}, "of 2 to 5 frames, but num_frames is 6"),
        ({"pretraining_objectives": ["contrastive"], "projection_dim": None}, "but projection_dim is None"),
        ({"contrastive_temperature": 0}, "contrastive_temperature is 0, but must be above 0"),
    ),
)
def test_config_names_what_is_wrong(fields, message):
    with pytest.raises(Exception, match=message):
        assert AllInOneConfig(**fields).chosen_pretraining_objectives  # where objectives are held against the rest
