# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Arguments of the scripts, and what becomes of them in training and in evaluation."""

import numpy as np
import pytest
import torch

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.collators import VideoCollator
from modeling_allinone.datasets import train_tokenizer
from modeling_allinone.training.arguments import DataArguments, ModelArguments, parse_mapping
from modeling_allinone.training.tasks import parse_task


@pytest.fixture
def read(tmp_path):
    """Read a few clips, which are the same one, with the arguments of a recipe."""
    processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=2, size=32, crop_size=32), train_tokenizer(["a"]))
    clip = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)

    def read_with(training: bool, **arguments) -> torch.Tensor:
        arguments = DataArguments("webvid", "nowhere", random_crop=False, **arguments)
        collator = VideoCollator(processor, **arguments.collator_options(tmp_path, training))
        return collator.reader([{"video": clip, "draw": draw} for draw in range(6)])[0]["pixel_values"]

    return read_with


def test_rand_augment_changes_clips_of_training_alone(read):
    plain, augmented = read(True), read(True, rand_augment=True)
    is_changed = (plain - augmented).abs().amax(dim=(1, 2, 3, 4)) > 0.1
    assert is_changed.sum() >= 2, "a quarter of the clips stays as it is"
    torch.testing.assert_close(read(True, rand_augment=True), augmented)
    torch.testing.assert_close(read(False, rand_augment=True), read(False))


@pytest.mark.parametrize(
    ("options", "message"),
    (
        (["--dataset_options", "{'task'}"], "dataset_options is \"{'task'}\", which is not JSON"),
        (["--dataset_options", "[1]"], "expected a mapping"),
        (["--config", '{"hidden_sise": 3}'], "config has hidden_sise, which AllInOneConfig does not know"),
        (["--num_frames", "0"], "num_frames is 0; expected at least 1"),
        (["--on_decode_error", "ignore"], "on_decode_error is 'ignore'; expected raise or skip"),
        (["--lora_rank", "-1"], "lora_rank is -1; expected 0 or more"),
        (["--lora_rank", "2"], "lora_rank needs a trained model to adapt: give model_name_or_path"),
        (["--num_negatives", "2", "--num_hard_negatives", "2"], "either from the training split or from the batch"),
        (["--num_views", "0"], "num_views is 0; expected 1 or more"),
        (["--task", "multiple-choice", "--num_options", "1"], "num_options is 1; expected at least 2"),
        (["--lr_scheduler_type", "wobbly"], "invalid choice: 'wobbly'"),
        (["--deepspeed", "zero.json"], "deepspeed is 'zero.json', but the package is missing: pip install deepspeed"),
        (["--gradient_accumulation_steps", "0"], "gradient_accumulation_steps is 0; expected a number above 0"),
        (["--num_train_epochs", "0", "--max_steps", "0"], "num_train_epochs is 0.0; expected a number above 0"),
        (["--label_smoothing_factor", "0.1"], "label_smoothing_factor is 0.1, but the losses here know no smoothing"),
        (["--accelerator_config", '{"speed": 1}'], "unexpected keyword argument 'speed'"),
        (["--total_batch_size", "7"], "total_batch_size is 7; expected a multiple of the 8 rows"),
        (["--head_learning_rate_multiplier", "0"], "head_learning_rate_multiplier is 0.0; expected a number above 0"),
        (["--torch_compile_mode", "fast"], "torch_compile_mode is 'fast'; expected one of default, "),
        (["--learning_rate", "fast"], "invalid float value: 'fast'"),
        (["--nonsense", "1"], "--nonsense"),
    ),
)
def test_wrong_options_are_told(tmp_path, capsys, options, message):
    common = ["--task", "retrieval", "--dataset", "msvd_retrieval", "--data_dir", ".", "--use_cpu", "true"]
    with pytest.raises(SystemExit, match="2"):
        parse_task(None, [*common, "--output_dir", str(tmp_path), *options])
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_mappings_are_given_as_such_or_as_json():
    """And are the argument's own."""
    given = {"task": "retrieval"}
    arguments = DataArguments("webvid", ".", dataset_options=given, test_options='{"level": "hard"}')
    assert arguments.dataset_options == given and arguments.dataset_options is not given
    assert arguments.test_options == {"level": "hard"} and ModelArguments().config == {}
    assert parse_mapping("config", None) == {}


def test_data_is_called_by_its_owner():
    assert DataArguments("webvid", ".").display_name == "files in the form of webvid"
    assert DataArguments("moving_shapes", ".").display_name == "moving_shapes (generated clips)"
    named = DataArguments("webvid", ".", data_name="Our films", train_split="validation", dataset_options={"a": 1})
    assert named.training_data == "the validation split of Our films"
    assert named.test_data == {"dataset": "webvid", "data": "Our films", "options": {"a": 1}, "split": "test"}
