# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a training puts on the Hub: a model that loads as it stands, with its card, and nothing of the machine."""

import json
import re
from pathlib import Path
from typing import Any, cast

from huggingface_hub import HfApi, ModelCardData, try_to_load_from_cache
from transformers import Trainer
from transformers.trainer_utils import SchedulerType
from transformers.utils import CONFIG_NAME

from ..hub.model_card import create_model_card
from ..models.modeling_allinone import AllInOnePreTrainedModel

# Of an output folder; scores, predictions, logs and arguments beside may name files of the machine.
_SHARED = (
    *("README.md", "config.json", "*.safetensors", "*.safetensors.index.json", "*.py"),
    *("processor_config.json", "chat_template.jinja", "tokenizer*", "vocab.txt"),
    *("special_tokens_map.json", "added_tokens.json"),
)
_KEPT_HERE = ("*/*", "adapter_*")  # folders, and adapters, which the model has merged


def push_output_folder(trainer: Trainer):
    """
    Upload the model, processor and card that stand in the output folder of a Trainer, in its main process.

    Args:
        trainer (`transformers.Trainer`): With `push_to_hub` among its arguments.
    """
    if not trainer.is_world_process_zero():
        return
    arguments = trainer.args
    trainer._finish_current_push()
    HfApi().upload_folder(
        repo_id=cast(str, trainer.hub_model_id),
        folder_path=cast(str, arguments.output_dir),
        commit_message="End of training",
        token=arguments.hub_token,
        revision=arguments.hub_revision,
        allow_patterns=list(_SHARED),
        ignore_patterns=list(_KEPT_HERE),
        delete_patterns=["adapter_*", "training_args.bin"],  # which the Trainer has pushed with checkpoints
    )


def write_card_of_trainer(
    trainer: Trainer, model: AllInOnePreTrainedModel, written: str | None, tags: str | list[str] | None, **fields: Any
) -> str | None:
    """
    Write the card of a model that is pushed from Python, unless another stands in the output folder: of that, the code
    is made to load the model from where it is pushed to.

    Args:
        trainer (`transformers.Trainer`)
        model ([`AllInOnePreTrainedModel`]): The model, without adapters.
        written (`str`, *optional*): What this returned before.
        tags (`str` or `list` of `str`, *optional*): Further tags.
        **fields: Of [`create_model_card`].

    Returns:
        `str`, *optional*: The card that was written; `None` if there was another.
    """
    arguments, path = trainer.args, Path(cast(str, trainer.args.output_dir), "README.md")
    name = trainer.hub_model_id or str(arguments.output_dir)
    if path.is_file() and (other := path.read_text(encoding="utf-8")) != written:
        path.write_text(other.replace(json.dumps(str(arguments.output_dir)), json.dumps(name)), encoding="utf-8")
        return None
    card = create_model_card(
        model.config,
        type(model).__name__,
        name,
        "Trained with `AllInOneTrainer`. Nothing was scored.",
        has_code=model.is_remote_code(),
        has_processor=trainer.processing_class is not None,
        training={
            "number of steps": trainer.state.global_step,
            "learning rate": arguments.learning_rate,
            "learning rate schedule": SchedulerType(arguments.lr_scheduler_type).value,
            "weight decay": arguments.weight_decay,
            "batch size": arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size,
            "seed": arguments.seed,
        },
        **{"language": None, "base_model": _repository_of(model)} | fields,
    )
    data = cast(ModelCardData, card.data)
    data.tags = [*(data.tags or ()), *([tags] if isinstance(tags, str) else tags or ())]
    path.write_text(str(card), encoding="utf-8")
    return str(card)


def _repository_of(model: AllInOnePreTrainedModel) -> str | None:
    """The repository of the Hub that a model was loaded from, if it was."""
    name = model.config._name_or_path
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name) or Path(name).is_dir():
        return None
    return name if isinstance(try_to_load_from_cache(name, CONFIG_NAME), str) else None
