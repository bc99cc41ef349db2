"""Arguments of the scripts, and what becomes of them in training and in evaluation."""

import numpy as np
import pytest
import torch

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.collators import VideoCollator
from modeling_allinone.datasets import train_tokenizer
from modeling_allinone.training.arguments import DataArguments


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
