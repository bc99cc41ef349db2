# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Training with `torch_compile` on texts of any length: compiled once, and once more for all lengths."""

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from modeling_allinone import AllInOneForVideoQuestionAnswering, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.collators import VideoQuestionAnsweringCollator
from modeling_allinone.datasets import train_tokenizer
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments

WORDS = ["what", "is", "the", "colour", "of", "a", "red", "square"]
NUM_STEPS = 7


@pytest.fixture
def train(tiny_config, tmp_path):
    """Train for some steps, of which each has longer texts than the one before; returns the losses."""
    tokenizer = train_tokenizer(WORDS)
    processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer)
    pixels = np.random.default_rng(0).integers(0, 256, (2 * NUM_STEPS, 3, 32, 32, 3), dtype=np.uint8)
    rows = [
        {"video": clip, "question": " ".join(WORDS[: 1 + number // 2]), "label": number % 3}
        for number, clip in enumerate(pixels)
    ]

    def make(**arguments) -> list[float]:
        torch.manual_seed(0)
        config = tiny_config(
            num_labels=3, num_hidden_layers=1, vocab_size=len(tokenizer), patch_order="raster",
            hidden_dropout_prob=0.0, drop_path_rate=0.0, classifier_dropout=0.0,
        )  # fmt: skip
        arguments = AllInOneTrainingArguments(
            tmp_path,
            per_device_train_batch_size=2,
            train_sampling_strategy="sequential",
            max_steps=NUM_STEPS,
            logging_steps=1,
            learning_rate=1e-3,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            **arguments,
        )
        trainer = AllInOneTrainer(
            AllInOneForVideoQuestionAnswering(config),
            arguments,
            VideoQuestionAnsweringCollator(processor, num_labels=3),
            train_dataset=rows,
        )
        trainer.train()
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    return make


@pytest.mark.door("torch_compile in the Trainer, two graphs for all lengths of text", "transformers", "torch")
@pytest.mark.parametrize("backend", ("eager", pytest.param("inductor", marks=pytest.mark.slow)))
def test_lengths_of_text_are_not_compiled_one_by_one(train, backend):
    torch._dynamo.reset()
    counters.clear()
    losses = train(torch_compile=True, torch_compile_backend=backend)
    assert len(losses) == NUM_STEPS
    assert counters["stats"]["unique_graphs"] == 2 and not counters["graph_break"]
    assert losses == pytest.approx(train(), rel=1e-4)


def test_blocks_that_are_compiled_alone_share_their_graphs(tiny_config, tiny_inputs):
    """Also where each drops branches with a probability of its own, of which the first has none."""
    torch._dynamo.reset()
    counters.clear()
    model = AllInOneForVideoQuestionAnswering(tiny_config(num_labels=3, num_hidden_layers=10, drop_path_rate=0.1))
    for layer in model.allinone.layers:
        layer.compile(dynamic=True, backend="eager")
    for batch_size, num_tokens in ((2, 7), (2, 5), (3, 5), (4, 6)):
        inputs = tiny_inputs(batch_size=batch_size, num_tokens=num_tokens)
        model.train()(**inputs, labels=torch.zeros(batch_size, dtype=torch.long)).loss.backward()
    assert counters["stats"]["unique_graphs"] <= 4 and not counters["graph_break"]
