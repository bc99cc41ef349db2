# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What trains and pushes to the Hub, or loads from it, in processes of their own; `test_pushed_runs.py` calls it."""

from contextlib import nullcontext
from pathlib import Path

import torch
import transformers

QUICK = {"max_steps": 1, "report_to": "none", "disable_tqdm": True, "use_cpu": True}


def run(*arguments) -> int:
    """Exit status of fine-tuning by its script."""
    from script_runs import load_script, run_script

    return run_script(load_script("finetune"), *arguments)


def train_in_python(folder: Path, output_dir: Path, repo_id: str, token: str, own_card: str | None, with_code: bool):
    """Train a step from a saved model, and push it twice."""
    from modeling_allinone import (
        AllInOneForVideoQuestionAnswering,
        AllInOneProcessor,
        AllInOneTrainer,
        AllInOneTrainingArguments,
        saving_code,
    )

    model = AllInOneForVideoQuestionAnswering.from_pretrained(folder, num_labels=5)
    trainer = AllInOneTrainer(
        model,
        AllInOneTrainingArguments(
            str(output_dir),
            hub_model_id=repo_id,
            hub_token=token,
            **QUICK,
        ),
        train_dataset=[make_row()] * 2,
        processing_class=AllInOneProcessor.from_pretrained(folder),
    )
    trainer.push_to_hub(commit_message="Before training")
    trainer.train()
    if own_card is not None:
        (output_dir / "README.md").write_text(own_card)
    with saving_code(model, trainer.processing_class) if with_code else nullcontext():
        trainer.push_to_hub(license="mit", tags="shapes")


def train_by_transformers(folder: Path, output_dir: Path, repo_id: str):
    """The same with the Trainer of transformers."""
    from modeling_allinone import AllInOneForVideoQuestionAnswering, AllInOneProcessor

    trainer = transformers.Trainer(
        AllInOneForVideoQuestionAnswering.from_pretrained(folder, num_labels=5),
        transformers.TrainingArguments(
            str(output_dir),
            hub_model_id=repo_id,
            remove_unused_columns=False,
            **QUICK,
        ),
        train_dataset=[make_row()] * 2,
        processing_class=AllInOneProcessor.from_pretrained(folder),
    )
    trainer.train()
    trainer.push_to_hub()


def make_row() -> dict[str, torch.Tensor]:
    return {"input_ids": torch.tensor([2, 5, 3]), "pixel_values": torch.randn(3, 3, 32, 32), "labels": torch.tensor(1)}


def load(name: str) -> dict[str, torch.Tensor]:
    """The weights of a pushed or saved model, as a user gets them."""
    import modeling_allinone  # noqa: F401

    return load_with_code(name, False)


def load_with_code(name: str, trust_remote_code: bool = True) -> dict[str, torch.Tensor]:
    """The same without importing the package."""
    options = {"trust_remote_code": trust_remote_code}
    transformers.AutoProcessor.from_pretrained(name, **options)
    return transformers.AutoModelForVisualQuestionAnswering.from_pretrained(name, **options).state_dict()
