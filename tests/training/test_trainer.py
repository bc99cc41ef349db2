# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The real Trainer: accumulation and two processes train as one batch does."""

import pytest
import torch
from clean_processes import run_together
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments

from modeling_allinone import AllInOneForVideoQuestionAnswering
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments

NUM_ROWS = 8


def make_rows(num_rows: int = NUM_ROWS) -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    return [
        {
            "input_ids": torch.randint(1, 99, (6,), generator=generator),
            "pixel_values": torch.randn(3, 3, 32, 32, generator=generator),
            "labels": torch.randint(0, 5, (1,), generator=generator)[0],
        }
        for _ in range(num_rows)
    ]


def first_step(config, output_dir, **arguments) -> tuple[float, float]:
    """Loss and gradient norm of the first step over all rows."""
    torch.manual_seed(0)
    model = AllInOneForVideoQuestionAnswering(config)
    trainer = Trainer(
        model,
        TrainingArguments(
            output_dir,
            max_steps=1,
            logging_steps=1,
            max_grad_norm=1e9,
            report_to="none",
            save_strategy="no",
            remove_unused_columns=False,
            label_names=["labels"],
            disable_tqdm=True,
            use_cpu=True,
            **arguments,
        ),
        train_dataset=make_rows(),
    )
    trainer.train()
    log = trainer.state.log_history[0]
    return float(log["loss"]), float(log["grad_norm"])


@pytest.fixture
def config(tiny_config):
    """Without dropout and shuffling, so that a batch in parts computes what it does whole."""
    return tiny_config(
        num_labels=5, patch_order="raster", hidden_dropout_prob=0.0, drop_path_rate=0.0, classifier_dropout=0.0
    )


def test_accumulation_is_one_large_batch(config, tmp_path):
    whole = first_step(config, tmp_path, per_device_train_batch_size=NUM_ROWS)
    parts = first_step(config, tmp_path, per_device_train_batch_size=2, gradient_accumulation_steps=NUM_ROWS // 2)
    assert parts == pytest.approx(whole, rel=1e-4)


def step_without_some_labels(config, output_dir, soft_labels: bool, **arguments) -> tuple[float, float]:
    """Loss and gradient norm of the first step over rows of which some have no label."""
    torch.manual_seed(0)
    rows = make_rows()
    for number, row in enumerate(rows):
        if soft_labels:
            row["labels"] = torch.rand(5, generator=torch.Generator().manual_seed(number))
        if number in (0, 1, 4):
            row["labels"] = torch.full_like(row["labels"], -100)
    trainer = AllInOneTrainer(
        AllInOneForVideoQuestionAnswering(config),
        AllInOneTrainingArguments(
            output_dir,
            max_steps=1,
            logging_steps=1,
            max_grad_norm=1e9,
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
            **arguments,
        ),
        train_dataset=rows,
    )
    trainer.train()
    log = trainer.state.log_history[0]
    return float(log["loss"]), float(log["grad_norm"])


@pytest.mark.parametrize("soft_labels", (False, True))
def test_a_loss_is_a_mean_over_labelled_rows_wherever_they_fall(config, tmp_path, soft_labels):
    sizes = ((8, {}), (2, {"total_batch_size": 8}), (1, {"gradient_accumulation_steps": 8}))
    whole, *parts = (
        step_without_some_labels(config, tmp_path, soft_labels, per_device_train_batch_size=size, **options)
        for size, options in sizes
    )
    for of_parts in parts:
        assert of_parts == pytest.approx(whole, rel=1e-5)


def test_total_batch_size_sets_the_accumulation(tmp_path):
    arguments = AllInOneTrainingArguments(tmp_path, per_device_train_batch_size=4, total_batch_size=32, use_cpu=True)
    assert arguments.gradient_accumulation_steps == 8
    with pytest.raises(ValueError, match="total_batch_size is 6; expected a multiple of the 4 rows"):
        AllInOneTrainingArguments(tmp_path, per_device_train_batch_size=4, total_batch_size=6, use_cpu=True)


def test_workers_that_outlive_an_epoch_draw_anew():
    rows = VideoDataset([{"video": "a"}, {"video": "b"}])
    loader = DataLoader(
        rows, num_workers=1, persistent_workers=True, collate_fn=lambda batch: [row["draw"] for row in batch]
    )
    draws = []
    for epoch in range(3):
        rows.set_epoch(epoch)
        draws.append([draw for batch in loader for draw in batch])
    assert len({draw for of_epoch in draws for draw in of_epoch}) == 6


def half_a_step(config, output_dir) -> tuple[float, float]:
    """One of two processes."""
    return first_step(config, output_dir, per_device_train_batch_size=NUM_ROWS // 2, ddp_backend="gloo")


def test_two_processes_are_one_large_batch(config, tmp_path):
    whole = first_step(config, tmp_path, per_device_train_batch_size=NUM_ROWS)
    first, _ = run_together(half_a_step, config, tmp_path)
    assert first == pytest.approx(whole, rel=1e-4)


def test_a_log_that_needs_a_package_names_it(tiny_config, tmp_path):
    arguments = AllInOneTrainingArguments(tmp_path, use_cpu=True, report_to="comet_ml")
    with pytest.raises(ImportError, match="report_to asks for a package that is missing"):
        AllInOneTrainer(AllInOneForVideoQuestionAnswering(tiny_config(num_labels=2)), arguments)
