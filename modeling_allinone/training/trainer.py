# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The Trainer: the original's optimiser, losses that are means over labelled rows, runs that can be resumed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel, Trainer, TrainingArguments, get_scheduler
from transformers.integrations import TensorBoardCallback, is_deepspeed_available, is_deepspeed_zero3_enabled
from transformers.trainer_pt_utils import get_parameter_names
from transformers.trainer_utils import EvalLoopOutput, PredictionOutput, TrainOutput

from ..data.video_dataset import find_skipped
from ..data.video_loading import VideoLoader, explaining_dead_workers
from ..data.webdataset_stream import PairedStream, WebDatasetStream
from ..evaluation.question_answering import NUM_BEST
from ..evaluation.retrieval import measure_ranking, rank_rows
from ..hub.writing import naming_place
from ..models.losses_allinone import calibration_loss, contrastive_loss, ranking_loss
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.processing_allinone import AllInOneProcessor
from .callbacks import EpochCallback
from .distributed import contrastive_loss_over_processes, count_labelled
from .divergence import DivergenceWatch, check_weights
from .sharing import write_card_of_trainer

if TYPE_CHECKING:
    import evaluate

STREAMS = (WebDatasetStream, PairedStream)
# Figures by name, and predictions.
Measured = tuple[dict[str, float], Any]


@dataclass
class AllInOneTrainingArguments(TrainingArguments):
    """
    `transformers.TrainingArguments`, with the original's values as defaults: AdamW with betas 0.9 and 0.98, weight
    decay 0.01, a tenth of the steps of linear warm-up, then linear decay to 0.

    Args:
        head_learning_rate_multiplier (`float`, defaults to 1): How many times larger the learning rate of the head is
            than that of the backbone; the original has 10 for the classifiers of questions and of their options, but
            not for the scorers of captions.
        total_batch_size (`int`, *optional*): Rows of an optimiser step, over all devices and accumulated batches; it
            sets `gradient_accumulation_steps`, so that a recipe means the same on any number of devices.
    """

    _argument_group_name = "training"

    output_dir: str = field(
        default="trainer_output", metadata={"help": "Where model, card, scores and checkpoints are written."}
    )
    adam_beta2: float = field(default=0.98, metadata={"help": "Second beta of AdamW."})
    weight_decay: float = field(default=0.01, metadata={"help": "Weight decay, of all but biases and norms."})
    warmup_steps: float = field(default=0.1, metadata={"help": "Steps of warm-up, or below 1 their share of all."})
    remove_unused_columns: bool = field(default=False, metadata={"help": "Stays off: collators read the columns."})
    label_names: list[str] | None = field(
        default_factory=lambda: ["labels"], metadata={"help": "What the model's inputs call labels."}
    )
    head_learning_rate_multiplier: float = field(
        default=1.0, metadata={"help": "How many times larger the learning rate of the head is; 10 in the original."}
    )
    total_batch_size: int | None = field(
        default=None, metadata={"help": "Rows of a step over all devices; sets gradient_accumulation_steps."}
    )

    def __post_init__(self):
        above_zero = ["head_learning_rate_multiplier", "gradient_accumulation_steps"]
        for name in above_zero if self.max_steps > 0 else [*above_zero, "num_train_epochs"]:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number above 0.")
        if self.deepspeed is not None and not is_deepspeed_available():
            raise ValueError(f"deepspeed is {self.deepspeed!r}, but the package is missing: pip install deepspeed.")
        if self.label_smoothing_factor:
            raise ValueError(
                f"label_smoothing_factor is {self.label_smoothing_factor}, but the losses here know no smoothing; "
                "leave it out."
            )
        super().__post_init__()
        self._check_compilation()
        self._check_scheduler()
        if self.device.type == "cpu":
            self.dataloader_pin_memory = False  # of which torch would only warn
        if self.run_name is None:  # so that scores after training come under the same name
            self.run_name = f"{Path(self.output_dir).absolute().name} {datetime.now():%Y-%m-%d %H-%M-%S}"
        if self.total_batch_size is not None:
            self._accumulate_to_total()

    def __getstate__(self) -> dict[str, Any]:
        """As they are saved beside the model, which may be shared: without the token that logs in."""
        return {name: None if name.endswith("_token") else value for name, value in vars(self).items()}

    def _check_compilation(self):
        """Raises a `ValueError` if there is no such way to compile the model."""
        if self.torch_compile and self.torch_compile_mode is not None and self.torch_compile_backend == "inductor":
            from torch._inductor import list_mode_options

            modes = list_mode_options()
            if self.torch_compile_mode not in modes:
                raise ValueError(
                    f"torch_compile_mode is {self.torch_compile_mode!r}; expected one of {', '.join(modes)}."
                )

    def _check_scheduler(self):
        """Raises a `ValueError` if the learning rate cannot take the course that is named, with its options."""
        num_steps = self.max_steps if self.max_steps > 0 else 10**6  # how many is known with the rows
        optimizer = torch.optim.SGD([torch.zeros(1)], self.learning_rate)
        sizes = (self.get_warmup_steps(num_steps), num_steps)
        try:
            scheduler = get_scheduler(self.lr_scheduler_type, optimizer, *sizes, self.lr_scheduler_kwargs)
            for course in getattr(scheduler, "lr_lambdas", ()):
                for step in (0, 1, num_steps // 2, num_steps - 1):
                    course(step)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ValueError(
                f"lr_scheduler_type {self.lr_scheduler_type.value} cannot have lr_scheduler_kwargs "
                f"{self.lr_scheduler_kwargs} with warmup_steps {self.warmup_steps:g}: {error}"
            ) from error

    def _accumulate_to_total(self):
        """Set the accumulation steps with which all devices together reach the total batch size."""
        at_once = self.train_batch_size * self.world_size
        if self.total_batch_size < 1 or self.total_batch_size % at_once:
            raise ValueError(
                f"total_batch_size is {self.total_batch_size}; expected a multiple of the {at_once} rows that "
                f"{self.world_size} processes take at once; change per_device_train_batch_size, or leave "
                "total_batch_size out."
            )
        self.gradient_accumulation_steps = self.total_batch_size // at_once


class AllInOneTrainer(Trainer):
    """
    `transformers.Trainer`, with parameter groups for backbone and head ([`AllInOneTrainingArguments`]), rows that draw
    other frames each epoch ([`VideoDataset`]), and the name of the clip in the error when a worker dies of it.

    Training stops with a [`~divergence.DivergenceError`] if it diverges, and with a `ValueError` after an epoch of
    which no clip could be read. A model with weights that are not finite is neither evaluated nor saved.

    A loss is the mean over all labelled rows of a step, wherever and in whatever parts they are read: rows without a
    label, -100, may fall on processes and accumulated batches unevenly.

    With a [`WebDatasetStream`] to train on, every process reads its own rows, training that was interrupted goes on
    with the rows that come next, unless `ignore_data_skip` says to begin the stream again, and what the main process
    has read is logged beside the loss.

    Args:
        eval_collator (callable, *optional*): Makes the batches of evaluation, whose frames are not drawn at random.
            Default: `data_collator`.
        Others: see `transformers.Trainer`.
    """

    args: AllInOneTrainingArguments
    processing_class: AllInOneProcessor
    model: PreTrainedModel
    eval_dataset: Any  # rows, or a mapping of rows by name
    _card: str | None = None

    def __init__(self, *arguments, eval_collator: Callable | None = None, **keywords):
        try:
            super().__init__(*arguments, **keywords)
        except RuntimeError as error:  # of what the log is sent to
            if "to be installed" not in str(error):
                raise
            raise ImportError(f"report_to asks for a package that is missing: {error}") from error
        self.eval_collator: Callable = eval_collator or self.data_collator
        self._divergence = DivergenceWatch()
        self._loss_of_step: torch.Tensor | float = 0.0
        self._epochs = EpochCallback(self.accelerator)
        self.add_callback(self._epochs)

    # -------------------------------------------------------------------------------------------------------- loaders

    def get_train_dataloader(self) -> DataLoader:
        """As in Trainer; the batches of a stream are neither sent around nor shared out by Accelerate."""
        if not isinstance(self.train_dataset, STREAMS):
            return super().get_train_dataloader()
        self.train_dataset.set_process(self.args.process_index, self.args.world_size)
        return make_loader(self.train_dataset, self._train_batch_size, self.data_collator, self.args)

    def get_eval_dataloader(self, eval_dataset: str | Dataset | None = None) -> DataLoader:
        """As in Trainer, with the collator of evaluation."""
        rows = self.eval_dataset if eval_dataset is None else eval_dataset
        rows = self.eval_dataset[rows] if isinstance(rows, str) else rows
        if rows is None:
            raise ValueError("There is no eval_dataset to evaluate on.")
        return self.get_test_dataloader(rows)

    def get_test_dataloader(self, test_dataset: Dataset) -> DataLoader:
        """As in Trainer, with the collator of evaluation."""
        return self.accelerator.prepare(
            make_loader(test_dataset, self.args.eval_batch_size, self.eval_collator, self.args)
        )

    @property
    def _readers(self) -> list[VideoLoader]:
        """What reads clips for evaluation, and for training."""
        return [of.reader for of in (self.eval_collator, self.data_collator) if hasattr(of, "reader")]

    # ------------------------------------------------------------------------------------------------------- training

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        """The optimiser that the arguments name, with the groups of [`parameter_groups`]."""
        if self.optimizer is None:
            self.optimizer = make_optimizer(self.model if model is None else model, self.args)
        return self.optimizer

    def train(self, *arguments, **keywords) -> TrainOutput:
        """As in Trainer; a dead worker is explained, at whatever step its death is noticed."""
        with explaining_dead_workers(*self._readers):
            return super().train(*arguments, **keywords)

    def _init_training_state(self, *arguments) -> tuple[int, int]:
        """A stream passes over the rows of a checkpoint itself; Trainer would decode them all."""
        epochs_trained, num_batches = super()._init_training_state(*arguments)
        if not isinstance(self.train_dataset, STREAMS):
            return epochs_trained, num_batches
        self.train_dataset.skip_batches(num_batches, self._train_batch_size)
        return epochs_trained, 0

    def get_batch_samples(self, *arguments, **keywords) -> tuple[list[dict], torch.Tensor | None]:
        """The batches of a step, and how many labelled rows they have in all processes."""
        batches, _ = super().get_batch_samples(*arguments, **keywords)
        for batch in batches:
            for part in (batch, *(part for part in batch.values() if isinstance(part, Mapping))):  # of co-training
                self._epochs.count(part["is_pair"].sum() if "is_pair" in part else self._count_labelled(part))
        counts = [count for batch in batches if (count := self._count_labelled(batch)) is not None]
        if not counts:
            return batches, None
        return batches, self.accelerator.reduce(torch.stack(counts).sum().to(self.args.device), "sum")

    def _count_labelled(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
        """How many rows of a batch have a label; `None` where the task has none."""
        labels = batch.get(self.label_names[0]) if self.label_names else None
        return None if labels is None else count_labelled(labels)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The model's loss, weighted in training by its share of the labelled rows of a step."""
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
        if num_items_in_batch is not None:
            # Gradients are averaged over processes, and Trainer divides by the number of accumulated batches.
            num_parts = self.accelerator.num_processes * self.current_gradient_accumulation_steps
            loss = loss * (num_parts * self._count_labelled(inputs) / num_items_in_batch.clamp(min=1))
        return (loss, outputs) if return_outputs else loss

    def training_step(self, *arguments, **keywords) -> torch.Tensor:
        """As in Trainer; the loss of the step is kept to be looked at."""
        loss = super().training_step(*arguments, **keywords)
        self._loss_of_step = self._loss_of_step + loss.detach()
        return loss

    def _get_grad_norm(self, *arguments, **keywords) -> torch.Tensor | float | None:
        """As in Trainer, which calls it before each step of the optimiser."""
        gradient_norm = super()._get_grad_norm(*arguments, **keywords)
        loss, self._loss_of_step = self._loss_of_step, 0.0
        self._divergence.check(self.accelerator, self.state.global_step + 1, loss, gradient_norm)
        return gradient_norm

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """What the model says; Trainer would take every token of the main input through every weight once."""
        model = self.accelerator.unwrap_model(self.model)
        return model.floating_point_ops(inputs) if hasattr(model, "floating_point_ops") else 0

    def log(self, logs: dict[str, float], *arguments, **keywords):
        """As in Trainer; beside the loss, what has been read of a stream."""
        if "loss" in logs and isinstance(self.train_dataset, STREAMS):
            figures = self.train_dataset.statistics()
            for reader in self._readers[-1:]:
                figures |= {"undecodable_clips": reader.num_skipped, "replaced_frames": reader.num_replaced}
            logs |= {f"stream_{name}": value for name, value in figures.items()}
        super().log(logs, *arguments, **keywords)

    # ------------------------------------------------------------------------------------------- evaluation and saving

    def evaluation_loop(
        self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"
    ) -> EvalLoopOutput:
        """As in Trainer; a dead worker is explained, and skipped rows are not out of vocabulary."""
        self._check_weights()
        prefix = f"{metric_key_prefix}_"
        with explaining_dead_workers(*self._readers):
            measured = self._measure(dataloader)
            if measured is not None:
                figures, predictions = measured
                metrics = {prefix + name: value for name, value in figures.items()}
                return EvalLoopOutput(predictions, None, metrics, num_samples=len(dataloader.dataset))
            output = super().evaluation_loop(
                dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix
            )
        metrics = output.metrics or {}
        if f"{prefix}num_out_of_vocabulary" in metrics and isinstance(output.label_ids, np.ndarray):
            num_skipped = int(find_skipped(dataloader.dataset, output.label_ids).sum())
            metrics[f"{prefix}num_out_of_vocabulary"] -= num_skipped
        return output

    def predict(self, *arguments, **keywords) -> PredictionOutput:
        """As in Trainer, whose callback of TensorBoard alone is not told of the scores."""
        output = super().predict(*arguments, **keywords)
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, TensorBoardCallback):
                callback.on_log(self.args, self.state, self.control, logs=output.metrics)
        return output

    def _measure(self, dataloader) -> Measured | None:
        """Figures and predictions of tasks that have none row by row; `None` for those that have some."""
        return None

    def save_model(self, *arguments, **keywords):
        """As in Trainer, of a model whose weights are finite."""
        self._check_weights()
        with naming_place(self.args.output_dir):
            super().save_model(*arguments, **keywords)

    def _save_checkpoint(self, *arguments, **keywords):
        """As in Trainer; the place of what cannot be written is named."""
        with naming_place(self.args.output_dir):
            super()._save_checkpoint(*arguments, **keywords)

    def create_model_card(self, *arguments, **fields):
        """
        Write the card of this package, which is pushed with the model; what it cannot say, and a model with adapters,
        has that of transformers.

        Args:
            license, tags, finetuned_from, dataset_tags, language: As in Trainer.
            Others: as in Trainer, whose card is written if one of them is given.
        """
        model, names = self.accelerator.unwrap_model(self.model), {"finetuned_from": "base_model"}
        names |= {"license": "license", "language": "language", "dataset_tags": "datasets"}
        fields = {name: value for name, value in fields.items() if value is not None and name != "model_name"}
        if arguments or not fields.keys() <= {*names, "tags"} or not isinstance(model, AllInOnePreTrainedModel):
            super().create_model_card(*arguments, **fields)
        elif self.is_world_process_zero():
            known = {new: fields[name] for name, new in names.items() if name in fields}
            self._card = write_card_of_trainer(self, model, self._card, fields.get("tags"), **known)

    def _check_weights(self):
        check_weights(self.model, f"the model after step {self.state.global_step}", self.accelerator)

    def _refuse_sharding(self, remedy: str):
        if self.is_fsdp_enabled or is_deepspeed_zero3_enabled():
            raise ValueError(
                "The model is sharded over processes (FSDP, or ZeRO 3), which a search that reads other numbers of "
                f"clips in each cannot use; train with DDP, {remedy}."
            )


class VideoClassificationTrainer(AllInOneTrainer):
    """
    Trains and evaluates [`AllInOneForVideoClassification`] on batches of `VideoClassificationCollator`; where a clip
    has several views (B, views, T, 3, H, W), the logits of a clip are the mean over its views.
    """

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """Of all views."""
        return super().floating_point_ops(_spread_views(inputs))

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The loss of the model, averaged over views as it is over clips."""
        views = _spread_views(inputs)
        if views is inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        num_views = inputs["pixel_values"].shape[1]
        if num_items_in_batch is not None:
            num_items_in_batch = num_items_in_batch * num_views
        loss, outputs = super().compute_loss(model, views, True, num_items_in_batch)
        outputs["logits"] = outputs["logits"].unflatten(0, (-1, num_views)).mean(dim=1)
        return (loss, outputs) if return_outputs else loss


def _spread_views(inputs: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """A row for each view of clips that have several (B, views, T, 3, H, W)."""
    if inputs["pixel_values"].ndim == 5:
        return inputs
    num_views = inputs["pixel_values"].shape[1]
    views = {name: value.repeat_interleave(num_views, dim=0) for name, value in inputs.items()}
    return views | {name: inputs[name].flatten(0, 1) for name in ("pixel_values", "pixel_mask") if name in inputs}


class RetrievalTrainer(AllInOneTrainer):
    """
    Trains [`AllInOneForVideoTextRetrieval`] on batches of `VideoTextRetrievalCollator`: contrast, and, where the batch
    has candidates or `num_hard_negatives` is above 0, the ranking of texts for a clip. Evaluates it by finding clips
    by text and texts by clip, see [`evaluate_retrieval`].

    Args:
        metric (`evaluate.EvaluationModule`): `video_text_retrieval`.
        num_hard_negatives (`int`, defaults to 0): Wrong texts for each clip that are drawn from the batch, each with
            the probability that the contrastive features give it (ALBEF, Li et al. 2021, arXiv 2107.07651).
        ranking_weight (`float`, defaults to 1): Weight of the ranking loss beside the contrastive one.
        calibration_weight (`float`, defaults to 0.5): Weight of [`calibration_loss`] on the same scores, in place of
            the matching loss that the original has beside ranking.
        contrast_across_processes (`bool`, defaults to `True`): Whether a text is contrasted with the clips of all
            processes, or of its own alone, as in the original.
        num_reranked (`int`, defaults to 20): In evaluation, how many candidates to re-rank.
        Others: see `transformers.Trainer`.

    Raises:
        ValueError: If the model is sharded over processes.
    """

    def __init__(
        self,
        *arguments,
        metric: "evaluate.EvaluationModule",
        num_hard_negatives: int = 0,
        ranking_weight: float = 1.0,
        calibration_weight: float = 0.5,
        contrast_across_processes: bool = True,
        num_reranked: int = 20,
        **keywords,
    ):
        super().__init__(*arguments, **keywords)
        self._refuse_sharding("as torchrun does alone")
        self.metric = metric
        self.num_hard_negatives = num_hard_negatives
        self.ranking_weight = ranking_weight
        self.calibration_weight = calibration_weight
        self.contrast_across_processes = contrast_across_processes
        self.num_reranked = num_reranked

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """Of the passes over texts, over clips and over pairs, with those that are drawn."""
        return super().floating_point_ops({**inputs, "num_hard_negatives": self.num_hard_negatives})

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The contrastive loss, plus the weighted losses of scores."""
        # One call of the model for all, since DDP counts on it.
        outputs = model(**{**inputs, "num_hard_negatives": self.num_hard_negatives, "return_loss": False})
        is_pair = inputs["is_pair"]
        contrast = contrastive_loss_over_processes if self.contrast_across_processes else contrastive_loss
        temperature = self.accelerator.unwrap_model(model).config.contrastive_temperature
        loss = contrast(outputs.text_embeds, outputs.video_embeds, temperature, is_pair)
        if outputs.logits is not None:
            # The mean over the pairs of all processes, which may have different numbers of them.
            num_pairs = self.accelerator.reduce(is_pair.sum(), "sum").clamp(min=1)
            share = is_pair.sum() / num_pairs * self.accelerator.num_processes
            of_scores = self.ranking_weight * ranking_loss(outputs.logits, is_pair, outputs.text_rows)
            of_scores = of_scores + self.calibration_weight * calibration_loss(outputs.logits, is_pair)
            loss = loss + share * of_scores
        return (loss, outputs) if return_outputs else loss

    def _measure(self, dataloader) -> Measured:
        """The figures of retrieval on the rows of the loader, and the best clips of each text."""
        with self.compute_loss_context_manager():
            ranking = rank_rows(
                self.accelerator.unwrap_model(self.model),
                self._readers[0],
                dataloader.dataset,
                self.num_reranked,
                self.args.eval_batch_size,
                self.args.dataloader_num_workers,
            )
        return measure_ranking(ranking, dataloader.dataset, self.metric), ranking.best_clips(NUM_BEST)


def freeze_backbone(model: nn.Module):
    """
    Leave only the head and the backbone's pooler to train: linear evaluation, as the original does it.

    Dropout and drop path of the backbone stay on in training, as in the original; set `hidden_dropout_prob` and
    `drop_path_rate` of the configuration to 0 for features that do not vary.

    Args:
        model (`nn.Module`): A model with a head; the rest of its parameters no longer require gradients.

    Example:

    ```python
    >>> from modeling_allinone import AllInOneConfig, AllInOneForVideoClassification

    >>> config = AllInOneConfig.from_preset("tiny", num_hidden_layers=1, num_labels=5)
    >>> model = AllInOneForVideoClassification(config)
    >>> freeze_backbone(model)
    >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad][:3]
    ['allinone.pooler.dense.weight', 'allinone.pooler.dense.bias', 'classifier.dense.weight']

    ```
    """
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        parameter.requires_grad_("allinone" not in parts or "pooler" in parts)


def make_loader(
    rows: Dataset,
    batch_size: int,
    collator: Callable,
    training_arguments: TrainingArguments,
    shuffle: bool | None = None,
) -> DataLoader:
    """
    A loader of rows, which takes nothing from torch's own random numbers, so that a resumed run can take these up.

    Args:
        rows (`torch.utils.data.Dataset`)
        batch_size (`int`): Rows of a batch, in this process.
        collator (callable): Makes a batch of rows.
        training_arguments (`TrainingArguments`): Its `dataloader_…` options, and its seed.
        shuffle (`bool`, *optional*): Whether rows come in random order. Default: as they are.

    Returns:
        `torch.utils.data.DataLoader`
    """
    return DataLoader(
        rows,
        batch_size,
        shuffle,
        collate_fn=collator,
        num_workers=training_arguments.dataloader_num_workers,
        pin_memory=training_arguments.dataloader_pin_memory,
        prefetch_factor=training_arguments.dataloader_prefetch_factor,
        multiprocessing_context=training_arguments.dataloader_multiprocessing_context,
        generator=torch.Generator().manual_seed(training_arguments.seed),
    )


def make_optimizer(model, training_arguments: TrainingArguments) -> torch.optim.Optimizer:
    """
    The optimiser that arguments name.

    Args:
        model (`nn.Module`): A model with a head, perhaps with adapters of `peft`.
        training_arguments (`TrainingArguments`)

    Returns:
        `torch.optim.Optimizer` with the groups of [`parameter_groups`].
    """
    optimizer_class, options = Trainer.get_optimizer_cls_and_kwargs(training_arguments, model)
    multiplier = getattr(training_arguments, "head_learning_rate_multiplier", 1.0)
    rates = (training_arguments.learning_rate, training_arguments.weight_decay, multiplier)
    return optimizer_class(parameter_groups(model, *rates), **options)


def parameter_groups(
    model: nn.Module, learning_rate: float, weight_decay: float = 0.01, head_learning_rate_multiplier: float = 1.0
) -> list[dict[str, Any]]:
    """
    Groups of parameters for an optimiser: backbone and head, each with and without weight decay.

    Args:
        model (`nn.Module`): A model with a head, perhaps with adapters of `peft`.
        learning_rate (`float`): Of the backbone.
        weight_decay (`float`, defaults to 0.01): Of all but biases and norms.
        head_learning_rate_multiplier (`float`, defaults to 1): How many times larger the learning rate of the head is.

    Returns:
        `list` of `dict`: Groups with `params`, `lr` and `weight_decay`; empty ones are left out.

    Example:

    ```python
    >>> from modeling_allinone import AllInOneConfig, AllInOneForMultipleChoice

    >>> config = AllInOneConfig.from_preset("tiny", num_hidden_layers=1)
    >>> groups = parameter_groups(AllInOneForMultipleChoice(config), 1e-5, head_learning_rate_multiplier=10)
    >>> [(len(group["params"]), f"{group['lr']:.0e}", group["weight_decay"]) for group in groups]
    [(13, '1e-05', 0.01), (14, '1e-05', 0.0), (1, '1e-04', 0.01), (1, '1e-04', 0.0)]

    ```
    """
    # By name and not by shape, since FSDP makes parameters flat.
    decayed = set(get_parameter_names(model, [nn.LayerNorm], [r"bias"]))
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_head = "allinone" not in name.split(".")
            groups.setdefault((is_head, name not in decayed), []).append(parameter)
    return [
        {
            "params": groups[is_head, is_kept],
            "lr": learning_rate * (head_learning_rate_multiplier if is_head else 1.0),
            "weight_decay": 0.0 if is_kept else weight_decay,
        }
        for is_head, is_kept in sorted(groups)
    ]


__all__ = [
    "AllInOneTrainer",
    "AllInOneTrainingArguments",
    "RetrievalTrainer",
    "VideoClassificationTrainer",
    "freeze_backbone",
    "make_loader",
    "make_optimizer",
    "parameter_groups",
]
