# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""A run with a Trainer, once it is set up: train and save, then score beside the blank-video baseline."""

import copy
import math
from collections.abc import Callable, Sized
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from accelerate.state import PartialState
from transformers.trainer_utils import EvalPrediction, SchedulerType

from ..data.video_dataset import find_skipped
from ..evaluation.results import (
    describe_protocol,
    score_groups,
    write_card,
    write_found_clips,
    write_predictions,
    write_results,
)
from ..hub.writing import naming_place
from ..models.configuration_allinone import AllInOneConfig
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.processing_allinone import AllInOneProcessor
from .arguments import DataArguments
from .divergence import check_weights
from .resumption import find_checkpoint
from .setup import prepare_rows
from .sharing import push_output_folder
from .trainer import AllInOneTrainer, AllInOneTrainingArguments, RetrievalTrainer

if TYPE_CHECKING:
    import datasets

ADAPTER_NAME = "adapter"

# What the Trainer logs beside the scores of a model.
_FIGURES_OF_THE_RUN = ("loss", "runtime", "samples_per_second", "steps_per_second", "model_preparation_time")


def train(trainer: AllInOneTrainer):
    """Train, from the last checkpoint if `resume_from_checkpoint` is true and there is one; save model and state."""
    try:
        result = trainer.train(resume_from_checkpoint=find_checkpoint(trainer.args))
    except KeyError as error:
        if "metric_for_best_model" in str(error):
            raise ValueError(error.args[0]) from error
        raise
    save(trainer)
    trainer.log_metrics("train", result.metrics)
    trainer.save_metrics("train", result.metrics)
    trainer.save_state()


def save(trainer: AllInOneTrainer):
    """Save the model whole, so that it loads as any other; adapters beside it, in a folder of their own."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not has_adapters(model):  # and nothing is pushed before it is scored, and has its card
        trainer.save_model(_internal_call=True)
        return
    trainer.save_model(str(Path(trainer.args.output_dir, ADAPTER_NAME)), _internal_call=True)
    save_whole(model, trainer.processing_class, trainer.args.output_dir)


def save_whole(model: torch.nn.Module, processor: AllInOneProcessor, output_dir: str | Path):
    """Save a model, with its adapters merged into it where it has some, and its processor, in the main process."""
    check_weights(model, "the model")
    if not PartialState().is_main_process:
        return
    merged = cast(Any, model)
    if has_adapters(model):
        merged = copy.deepcopy(merged).merge_and_unload()
    with naming_place(output_dir):
        if merged is not model:  # the Trainer puts those of a checkpoint here to push it; they would count twice
            for path in Path(output_dir).glob("adapter_[cm]*"):
                path.unlink()
        merged.save_pretrained(output_dir)
        processor.save_pretrained(output_dir)


def has_adapters(model: torch.nn.Module) -> bool:
    """Whether a model is wrapped, by peft, with adapters."""
    return hasattr(model, "merge_and_unload")


def unwrap_peft(model: torch.nn.Module) -> AllInOnePreTrainedModel:
    """The model without the wrapper that adapters come with."""
    return cast(Any, model).get_base_model() if has_adapters(model) else cast(AllInOnePreTrainedModel, model)


def evaluate_and_save(
    trainer: AllInOneTrainer,
    data_arguments: DataArguments,
    rows: "datasets.Dataset | None",
    origin: dict[str, str | None],
    trained_on: str | None = None,
    **protocol: Any,
) -> dict[str, Any]:
    """
    Score a model, and beside it the blank-video baseline; write `results.json` and, beside a model that this run
    trained, its card; then push that, with `push_to_hub`.

    Args:
        trainer ([`AllInOneTrainer`])
        data_arguments ([`DataArguments`])
        rows (`datasets.Dataset`, *optional*): The rows of the test split. Default: nothing is scored.
        origin (`dict`): What the model was loaded from, as [`identify_model`] says.
        trained_on (`str`, *optional*): What it was trained on, in words. Default: the training split of the data set.
        **protocol: What else to say of how it was scored.

    Returns:
        `dict`: What was written: `"scores"`, `"blank_video"`, the `"protocol"` (`None` if nothing was scored), the
        `"base_model"` and how that was trained in this run (`"training"`; `None` if it was only scored).
    """
    arguments, training = trainer.args, None
    if arguments.do_train:
        num_rows = len(trainer.train_dataset) if isinstance(trainer.train_dataset, Sized) else None
        trained_on = trained_on or data_arguments.training_data
        training = describe_training(arguments, trained_on, num_rows, trainer.state.global_step)
        if arguments.load_best_model_at_end and trainer.state.best_global_step:
            training["best_step"] = trainer.state.best_global_step
    model = trainer.accelerator.unwrap_model(trainer.model)
    score = partial(_score, trainer, data_arguments)
    options = (trainer.processing_class, data_arguments, arguments, rows, origin, training)
    if arguments.push_to_hub and trainer.is_world_process_zero():
        arguments.hub_model_id = trainer.hub_model_id
    results = save_results(score, model, *options, **protocol)
    if arguments.push_to_hub and arguments.do_train:
        push_output_folder(trainer)
    return results


def save_results(
    score: Callable[["datasets.Dataset", bool], dict[str, float]],
    model: torch.nn.Module,
    processor: AllInOneProcessor,
    data_arguments: DataArguments,
    training_arguments: AllInOneTrainingArguments,
    rows: "datasets.Dataset | None",
    origin: dict[str, str | None],
    training: dict[str, Any] | None,
    **protocol: Any,
) -> dict[str, Any]:
    """
    As [`evaluate_and_save`], without a Trainer.

    Args:
        score (callable): Takes rows and whether they are blank, and returns scores by name; in every process.
        model (`torch.nn.Module`): The model that was scored.
        processor ([`AllInOneProcessor`])
        data_arguments ([`DataArguments`])
        training_arguments ([`AllInOneTrainingArguments`])
        rows (`datasets.Dataset`, *optional*): The rows of the test split. Default: nothing is scored.
        origin (`dict`): What the model was loaded from, as [`identify_model`] says.
        training (`dict`, *optional*): How it was trained, as [`describe_training`] says.
        **protocol: What else to say of how it was scored.

    Returns:
        `dict`: What was written.
    """
    model, output_dir = unwrap_peft(model), str(training_arguments.output_dir)
    results: dict[str, Any] = {"scores": {}, "blank_video": {}, "protocol": None}
    if rows is not None:
        results |= {"scores": score(rows, False), "blank_video": score(rows, True)}
        data, video_processor = data_arguments.test_data, processor.video_processor
        config = cast(AllInOneConfig, model.config)
        measured = describe_protocol(data, rows, config, video_processor, training_arguments)
        results["protocol"] = measured | protocol
    results |= {"base_model": origin, "training": training}
    if PartialState().is_main_process:
        write_results(results, output_dir)
        if training is not None:
            write_card(model, results, output_dir, training_arguments.hub_model_id)
    return results


def _score(
    trainer: AllInOneTrainer, data_arguments: DataArguments, rows: "datasets.Dataset", is_blank: bool
) -> dict[str, float]:
    """The scores of rows, and of each group of them."""
    prefix = f"{data_arguments.test_split}_blank" if is_blank else str(data_arguments.test_split)
    prepared = prepare_rows(rows, data_arguments, trainer.processing_class, is_blank=is_blank)
    output = trainer.predict(prepared, metric_key_prefix=prefix)
    is_skipped = find_skipped(rows, output.label_ids) if isinstance(output.label_ids, np.ndarray) else None
    if not is_blank and PartialState().is_main_process:
        config = cast(AllInOneConfig, trainer.accelerator.unwrap_model(trainer.model).config)
        names = cast(dict[int, str], config.id2label or {})
        if isinstance(trainer, RetrievalTrainer):
            write_found_clips(cast(Any, output.predictions), rows, str(trainer.args.output_dir))
        else:
            write_predictions(output.predictions, rows, names, str(trainer.args.output_dir), is_skipped)
    metrics = {key.removeprefix(f"{prefix}_"): value for key, value in (output.metrics or {}).items()}
    scores = {key: value for key, value in metrics.items() if key not in _FIGURES_OF_THE_RUN}
    compute_metrics = trainer.compute_metrics
    if data_arguments.group_by is not None and compute_metrics is not None and output.label_ids is not None:
        scores |= score_groups(
            lambda *arrays: compute_metrics(EvalPrediction(*arrays)),
            output.predictions,
            output.label_ids,
            rows[data_arguments.group_by],
            is_skipped,
        )
    return scores


def describe_training(
    training_arguments: AllInOneTrainingArguments, trained_on: str, num_rows: int | None, num_steps: int
) -> dict[str, Any]:
    """
    How a model was trained: on what, and by which hyper-parameters.

    Args:
        training_arguments ([`AllInOneTrainingArguments`])
        trained_on (`str`): The data, in words.
        num_rows (`int`, *optional*): Of the data; `None` for a stream.
        num_steps (`int`): How many steps were taken.

    Returns:
        `dict`: To be written as JSON.
    """
    arguments = training_arguments
    batch_size = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
    return {
        "data": trained_on,
        "num_rows": num_rows,
        "num_steps": num_steps,
        "num_epochs": None if num_rows is None else round(num_steps / max(1, math.ceil(num_rows / batch_size)), 4),
        "learning_rate": arguments.learning_rate,
        "head_learning_rate_multiplier": arguments.head_learning_rate_multiplier,
        "lr_scheduler_type": SchedulerType(arguments.lr_scheduler_type).value,
        "warmup_steps": arguments.get_warmup_steps(num_steps),
        "weight_decay": arguments.weight_decay,
        "batch_size": batch_size,
        "seed": arguments.seed,
    }
