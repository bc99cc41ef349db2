# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Training that diverges: stopped with its step named, in one process and in several, and nothing of it kept."""

import os
from functools import partial

import pytest
import torch
from accelerate import Accelerator
from clean_processes import run_together
from safetensors.torch import load_file
from torch import nn

from modeling_allinone import AllInOneForVideoQuestionAnswering
from modeling_allinone.training.divergence import DivergenceError, DivergenceWatch, check_weights
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")

NAN, INF = torch.nan, torch.inf


def make_rows(num_rows: int = 12) -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    return [
        {
            "input_ids": torch.randint(1, 99, (6,), generator=generator),
            "pixel_values": torch.randn(3, 3, 32, 32, generator=generator),
            "labels": torch.randint(0, 5, (1,), generator=generator)[0],
        }
        for _ in range(num_rows)
    ]


def build_trainer(config, folder, rows: list[dict], trainer_class: type = AllInOneTrainer, **arguments):
    """A Trainer of a tiny model that saves each step."""
    defaults = {"max_steps": 6, "per_device_train_batch_size": 2, "save_steps": 1, "logging_steps": 1}
    defaults |= {"use_cpu": True, "disable_tqdm": True, "report_to": "none", "warmup_steps": 0}
    return trainer_class(
        AllInOneForVideoQuestionAnswering(config),
        AllInOneTrainingArguments(folder, **{**defaults, **arguments}),
        train_dataset=rows,
        eval_dataset=rows[:2],
    )


@pytest.fixture
def config(tiny_config):
    return tiny_config(num_labels=5, num_hidden_layers=1)


@pytest.fixture
def make_trainer(config, tmp_path):
    return partial(build_trainer, config, tmp_path)


def break_row(rows: list[dict], number: int) -> list[dict]:
    """Rows of which one has pixels that are too large to be added up."""
    rows[number] = rows[number] | {"pixel_values": torch.full((3, 3, 32, 32), 3e38)}
    return rows


@pytest.mark.parametrize("options", ({}, {"gradient_accumulation_steps": 2}, {"max_grad_norm": 0.0}, {"bf16": True}))
def test_training_stops_before_the_step_reaches_the_weights(make_trainer, tmp_path, options):
    """The row comes first in the second epoch at the latest; every step before it is kept."""
    trainer = make_trainer(break_row(make_rows(), 5), logging_nan_inf_filter=True, **options)
    with pytest.raises(DivergenceError, match=r"Training diverged at step \d+ \(loss nan, norm of the gradient nan\)"):
        trainer.train()
    assert trainer.state.global_step < 6
    check_weights(trainer.model, "the model")
    kept = sorted(tmp_path.glob("checkpoint-*/model.safetensors"))
    assert len(kept) == trainer.state.global_step
    assert all(tensor.isfinite().all() for path in kept for tensor in load_file(path).values())


def test_a_learning_rate_that_is_far_too_large(make_trainer):
    with pytest.raises(DivergenceError, match=r"Training diverged at step \d"):
        make_trainer(make_rows(), learning_rate=1e30, save_strategy="no").train()


class LossOfOneStep(AllInOneTrainer):
    """Told a loss that is not finite, for so many steps."""

    num_steps = 1

    def training_step(self, *arguments, **keywords):
        loss = super().training_step(*arguments, **keywords)
        is_told = 2 <= self.state.global_step < 2 + self.num_steps
        if is_told:
            self._loss_of_step = torch.tensor(INF)
        return loss


def test_losses_are_an_error_if_there_are_several_in_a_row(make_trainer):
    trainer = make_trainer(make_rows(), LossOfOneStep, save_strategy="no")
    trainer.train()
    assert trainer.state.global_step == 6
    trainer = make_trainer(make_rows(), LossOfOneStep, save_strategy="no")
    trainer.num_steps = 4
    with pytest.raises(DivergenceError, match=r"at step 3, and has not recovered by step 5 \(loss inf"):
        trainer.train()


class HalfPrecision(Accelerator):
    """An accelerator of fp16, wherever it runs."""

    mixed_precision = "fp16"


def test_steps_that_the_scaler_of_fp16_skips_are_no_error():
    accelerator, watch = HalfPrecision(cpu=True), DivergenceWatch()
    for step in range(1, 40):
        watch.check(accelerator, step, 0.5, INF if step % 16 else 1.0)
    with pytest.raises(DivergenceError, match="diverged at step 41, and has not recovered by step 56"):
        for step in range(40, 60):
            watch.check(accelerator, step, torch.tensor(0.5), torch.tensor(INF if step > 40 else 1.0))
    watch = DivergenceWatch()
    with pytest.raises(DivergenceError, match="diverged at step 1, and has not recovered by step 3"):
        for step in range(1, 9):
            watch.check(accelerator, step, NAN, INF)


def test_models_that_are_not_finite_are_neither_saved_nor_scored(make_trainer, tmp_path):
    trainer = make_trainer(make_rows())
    with torch.no_grad():
        trainer.model.classifier.out_proj.bias[1] = NAN
    message = r"The weights of the model after step 0 are not finite \(classifier.out_proj.bias\), as a training"
    for use in (trainer.save_model, trainer.evaluate, lambda: trainer.predict(make_rows(2))):
        with pytest.raises(DivergenceError, match=message):
            use()
    assert not (tmp_path / "model.safetensors").exists()


def test_all_that_is_not_finite_is_found():
    model = nn.BatchNorm1d(3)
    check_weights(model, "a model")
    model.running_var[0] = INF
    with pytest.raises(DivergenceError, match=r"of a model are not finite \(running_var\)"):
        check_weights(model, "a model")


def train_in_a_process(config, folder) -> str:
    """What one of two processes stops with."""
    rows = make_rows()
    for number in range(1, 12, 2) if os.environ["RANK"] == "1" else ():
        break_row(rows, number)  # of the second process alone
    with pytest.raises(DivergenceError) as error:
        build_trainer(config, folder, rows, ddp_backend="gloo", save_strategy="no").train()
    return str(error.value)


def test_every_process_stops_at_the_same_step(config, tmp_path):
    said = run_together(train_in_a_process, config, tmp_path)
    assert all("Training diverged at step 1 (loss" in message for message in said)
