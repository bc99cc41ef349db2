"""The real Trainer: accumulation and two processes train as one batch does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import Trainer, TrainingArguments

from modeling_allinone import AllInOneForVideoQuestionAnswering

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


def test_two_processes_are_one_large_batch(config, tmp_path):
    whole = first_step(config, tmp_path, per_device_train_batch_size=NUM_ROWS)
    config.save_pretrained(tmp_path)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*command, __file__, str(tmp_path)], check=True, timeout=120, capture_output=True)
    assert json.loads((tmp_path / "step.json").read_text()) == pytest.approx(list(whole), rel=1e-4)


if __name__ == "__main__":
    from modeling_allinone import AllInOneConfig

    folder = Path(sys.argv[1])
    step = first_step(
        AllInOneConfig.from_pretrained(folder), folder, per_device_train_batch_size=NUM_ROWS // 2, ddp_backend="gloo"
    )
    if torch.distributed.get_rank() == 0:
        (folder / "step.json").write_text(json.dumps(step))
    torch.distributed.destroy_process_group()
