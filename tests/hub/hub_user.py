# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What users do at the Hub, each in a process of its own; `test_sharing.py` calls it."""

import re
from pathlib import Path

import torch
import transformers
from huggingface_hub import HfApi, ModelCard
from remote_code_user import classes_of, computed


def push(folder: Path, repo_id: str, with_code: bool):
    """Push a saved model and its processor, as the package's user does."""
    from contextlib import nullcontext

    import modeling_allinone

    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(modeling_allinone, config.architectures[0]).from_pretrained(folder)
    processor = modeling_allinone.AllInOneProcessor.from_pretrained(folder)
    with modeling_allinone.saving_code(model, processor) if with_code else nullcontext():
        model.push_to_hub(repo_id)
        processor.push_to_hub(repo_id)


def upload(folder: Path, repo_id: str, **options):
    """Upload a folder."""
    api = HfApi()
    api.create_repo(repo_id, **options)
    api.upload_folder(folder_path=folder, repo_id=repo_id, repo_type=options.get("repo_type"))


def load(repo_id: str, auto_class: str, inputs: dict, video, **options) -> dict:
    """What a model of the Hub and its processor make of inputs, and what they are."""
    model = getattr(transformers, auto_class).from_pretrained(repo_id, **options)
    processor = transformers.AutoProcessor.from_pretrained(repo_id, **options)
    tokenizer = transformers.AutoTokenizer.from_pretrained(repo_id, **options)
    return {
        "classes": [name for _, name in classes_of(model.config, model, processor)],
        "modules": {module.split(".")[0] for module, _ in classes_of(model.config, model, processor)},
        "sum": sum_weights(model),
        "outputs": computed(model, inputs),
        "processed": dict(processor(text="a dog runs", videos=video)),
        "tokens": tokenizer("a dog runs")["input_ids"],
    }


def load_by_package(repo_id: str, auto_class: str, inputs: dict, video) -> dict:
    """The same after the package was imported."""
    import modeling_allinone  # noqa: F401

    return load(repo_id, auto_class, inputs, video)


def load_trusting(repo_id: str, auto_class: str, inputs: dict, video) -> dict:
    """The same with the code of the repository."""
    return load(repo_id, auto_class, inputs, video, trust_remote_code=True)


def load_config(repo_id: str):
    """The configuration, as it is written."""
    return transformers.PreTrainedConfig.get_config_dict(repo_id)


def load_video_processor(repo_id: str) -> list[str]:
    """The class that `AutoVideoProcessor` finds."""
    from transformers.models.auto.video_processing_auto import AutoVideoProcessor

    return [name for _, name in classes_of(AutoVideoProcessor.from_pretrained(repo_id, trust_remote_code=True))]


def sum_weights(model) -> float:
    return sum(weight.detach().double().sum().item() for weight in model.parameters())


def tune(repo_id: str, tuned_id: str) -> float:
    """Take a model from the Hub for a task, change it, and push it with its processor; the sum of its weights."""
    model = transformers.AutoModelForVisualQuestionAnswering.from_pretrained(repo_id, trust_remote_code=True)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.5)
    model.push_to_hub(tuned_id)
    transformers.AutoProcessor.from_pretrained(repo_id, trust_remote_code=True).push_to_hub(tuned_id)
    return sum_weights(model)


def run_card(repo_id: str):
    """Run the code of a repository's card, as it stands."""
    [code] = re.findall(r"```python\n(.*?)```", ModelCard.load(repo_id).content, re.DOTALL)
    exec(code, {})


def what_is_said(function, *arguments, **options) -> str:
    """The class and message of what a call raises."""
    try:
        function(*arguments, **options)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return "nothing"
