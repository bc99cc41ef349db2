# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""transformers' `ModelTesterMixin` and `ConfigTester`, on every model of the package."""

import copy
import unittest

import torch
from head_batches import make_batch
from tests.test_configuration_common import ConfigTester
from tests.test_modeling_common import ModelTesterMixin, ids_tensor
from transformers.models.auto import modeling_auto

from modeling_allinone import (
    AllInOneConfig,
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
from tests import test_modeling_common as common

BATCH_SIZE, NUM_TOKENS, NUM_FRAMES, NUM_PATCHES = 3, 7, 2, 16
CLASSES = torch.zeros(BATCH_SIZE, dtype=torch.long)
WORDS = torch.zeros(BATCH_SIZE, NUM_TOKENS, dtype=torch.long)
CANDIDATES = 5 + torch.arange(BATCH_SIZE * 2 * NUM_TOKENS).view(BATCH_SIZE, 2, NUM_TOKENS)
PRETRAINING = {
    "labels": WORDS,
    "matching_labels": CLASSES + 1,
    "frame_order": torch.arange(NUM_FRAMES).expand(BATCH_SIZE, -1).contiguous(),
    "bool_masked_pos": (torch.arange(NUM_PATCHES) < 5).expand(BATCH_SIZE, NUM_FRAMES, -1).contiguous(),
}


def name_the_heads():
    """
    The mixin knows what a class is by lists of names, in which those of this package stand only for it; and it takes
    every field with `_std` in its name for the deviation of initial weights.
    """
    names = {
        id(modeling_auto.MODEL_MAPPING_NAMES): ["AllInOneModel", "ModelOfClips"],
        id(modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES): ["AllInOneForMaskedLM"],
        id(modeling_auto.MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES): [
            "AllInOneForVideoClassification",
            "AllInOneForVideoQuestionAnswering",
            "AllInOneForPairedVisualReasoning",
        ],
    }
    get_values = common.get_values
    common.get_values = lambda mapping: [*get_values(mapping), *names.get(id(mapping), [])]
    common._config_zero_init = lambda config: AllInOneConfig(**{**config.to_dict(), "initializer_range": 1e-10})


name_the_heads()


class ModelOfClips(AllInOneModel):
    """As the mixin can build its inputs where there is no text."""

    main_input_name = "pixel_values"


class ModelTester:
    """Sizes and inputs of one class, as the mixin asks for them."""

    batch_size = BATCH_SIZE
    num_frames = NUM_FRAMES
    num_channels = 3
    image_size = 32
    patch_size = 8
    hidden_size = 32
    num_hidden_layers = 2
    num_attention_heads = 4
    intermediate_size = 37
    vocab_size = 99
    num_labels = 3
    num_masks = 5
    mask_length = NUM_FRAMES * NUM_PATCHES

    def __init__(self, parent, kind: str, is_training: bool, **fields):
        self.parent, self.kind, self.is_training, self.fields = parent, kind, is_training, fields
        num_text_tokens = 0 if kind == "video" else NUM_TOKENS
        num_special_tokens = 2 if fields.get("use_distillation_token") else 1
        num_visual_tokens = 0 if kind == "text" else num_special_tokens + NUM_PATCHES
        self.seq_length = self.encoder_seq_length = self.key_length = num_text_tokens + num_visual_tokens

    def get_config(self) -> AllInOneConfig:
        names = (
            "num_frames image_size patch_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
            "vocab_size num_labels"
        )
        sizes = {name: getattr(type(self), name) for name in names.split()}
        return AllInOneConfig(**{**sizes, "projection_dim": 16, "clip_order_hidden_size": 24, **self.fields})

    def prepare_config_and_inputs_for_common(self) -> tuple[AllInOneConfig, dict]:
        input_ids = 5 + ids_tensor([BATCH_SIZE, NUM_TOKENS], self.vocab_size - 5)
        clips = torch.rand(BATCH_SIZE, NUM_FRAMES, self.num_channels, self.image_size, self.image_size)
        texts = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}
        return self.get_config(), make_batch(self.kind, texts, clips)


class CommonTests(ModelTesterMixin):
    """The mixin, for one class and one kind of input."""

    kind = "joint"
    labels: dict | None = None
    fields: dict = {}
    test_resize_position_embeddings = True
    additional_model_inputs = (
        "input_ids",
        "pixel_values",
        *(f"{part}_{name}" for part in ("answer", "rationale") for name in ("input_ids", "attention_mask")),
    )

    def setUp(self):
        self.model_tester = ModelTester(self, self.kind, self.labels is not None, **self.fields)

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        inputs = copy.deepcopy(inputs_dict)
        masked = inputs.get("bool_masked_pos")
        if masked is not None:  # of one frame
            shape = (-1, 1 if self.kind == "image" else NUM_FRAMES, -1)
            inputs["bool_masked_pos"] = masked[:, None, :NUM_PATCHES].expand(shape)
            if model_class is AllInOneForPreTraining or "pixel_values" not in inputs:
                del inputs["bool_masked_pos"]
        mask, tokens = inputs.get("attention_mask"), inputs.get("input_ids")
        if mask is not None and tokens is None:
            del inputs["attention_mask"]
        elif mask is not None and mask.shape != tokens.shape:  # of all tokens that go through the blocks
            mask = mask[..., :NUM_TOKENS]
            inputs["attention_mask"] = (mask[:, None] if tokens.ndim > mask.ndim else mask).expand_as(tokens).clone()
        return inputs | (copy.deepcopy(self.labels or {}) if return_labels else {})

    def _text_features_prepare_config_and_inputs(self):
        config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
        config.text_config = config
        texts = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        return config, {name: text[:, 0] if text.ndim == 3 else text for name, text in texts.items()}

    def _video_features_prepare_config_and_inputs(self):
        config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
        return config, {"pixel_values": inputs["pixel_values"]}

    def test_reverse_loading_mapping(self):
        """Of the mixin's, what holds for conversions that only lead to a head: it is saved under its own name."""
        self.test_save_load()


def make(cls: type, kind: str = "joint", labels: dict | None = None, skips: str = "", **contents) -> type:
    """
    A class of tests.

    Args:
        cls (`type`): What is tested.
        kind (`str`): Of its inputs, see `make_batch`.
        labels (`dict`, *optional*): What makes it compute a loss.
        skips (`str`): Beginnings of the names of tests that ask for what it does not have.
        **contents: Attributes of the class.
    """

    def skipped(self):
        self.skipTest("asks for what this model does not have")

    names = [name for name in dir(ModelTesterMixin) if name.startswith("test_")]
    left_out = {name: skipped for name in names if any(name.startswith(skip) for skip in skips.split())}
    attributes = {"all_model_classes": (cls,), "kind": kind, "labels": labels, "__module__": __name__}
    return type(cls.__name__, (CommonTests, unittest.TestCase), attributes | left_out | contents)


def expect_states_of_two_passes(self):
    """One after the other, so twice as many."""
    CommonTests.setUp(self)
    self.model_tester.expected_num_hidden_layers = 2 * (self.model_tester.num_hidden_layers + 1)


SOME_UNUSED = {"test_all_params_have_gradient": False}
NO_TEXT = "test_inputs_embeds test_resize_tokens_embeddings"
# Their hidden states and attentions have names of their own; tests/models/test_heads.py reads them.
OWN_STATES = "test_hidden_states_output test_attention_outputs test_retain_grad test_eager_matches_sdpa_inference"
ONE_CLASS = {"labels": CLASSES}

TestBackbone = make(AllInOneModel)
TestBackboneOnTexts = make(AllInOneModel, "text", **SOME_UNUSED)
TestBackboneOnClips = make(ModelOfClips, "video", skips=f"{NO_TEXT} test_model_main_input_name")
TestBackboneOnImages = make(AllInOneModel, "image")
TestDistilledBackboneWithShift = make(
    AllInOneModel, fields={"use_distillation_token": True, "temporal_mixing": "channel_shift", "patch_order": "raster"}
)
TestMaskedLM = make(AllInOneForMaskedLM, labels={"labels": WORDS})
TestTiedMaskedLM = make(AllInOneForMaskedLM, labels={"labels": WORDS}, fields={"tie_word_embeddings": True})
TestQuestionAnswering = make(AllInOneForVideoQuestionAnswering, labels=ONE_CLASS)
TestMultipleChoice = make(AllInOneForMultipleChoice, "texts", ONE_CLASS)
TestClassification = make(AllInOneForVideoClassification, labels=ONE_CLASS)
TestClassificationWithoutText = make(AllInOneForVideoClassification, "video", ONE_CLASS, skips=NO_TEXT, **SOME_UNUSED)
TestPairedReasoning = make(
    AllInOneForPairedVisualReasoning,
    "two clips",
    ONE_CLASS,
    skips="test_attention_outputs",
    setUp=expect_states_of_two_passes,
)
TestCommonsense = make(
    AllInOneForVisualCommonsenseReasoning,
    "answers",
    {"answer_labels": CLASSES, "rationale_labels": CLASSES},
    skips=f"{OWN_STATES} test_resize_tokens_embeddings",
)
TestRetrievalByFeatures = make(
    AllInOneForVideoTextRetrieval, labels={"return_loss": True}, skips=OWN_STATES, **SOME_UNUSED
)
TestRetrievalByPairs = make(AllInOneForVideoTextRetrieval, "texts", {"return_loss": True}, **SOME_UNUSED)
TestPairScorer = make(
    AllInOneForSequenceClassification, labels={"labels": torch.ones(BATCH_SIZE)}, fields={"num_labels": 1}
)
TestPreTraining = make(AllInOneForPreTraining, labels=PRETRAINING, **SOME_UNUSED)


class TestConfig(unittest.TestCase):
    def test_config(self):
        ConfigTester(self, config_class=AllInOneConfig, hidden_size=32, num_attention_heads=4).run_common_tests()
