# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Pre-training with `transformers.Trainer`: objectives by weight, each evaluated while it is learned."""

import math
import time
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any, cast

import numpy as np
import torch
from accelerate.data_loader import prepare_data_loader
from accelerate.utils import gather_object
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers.utils import is_matplotlib_available, logging

from ..evaluation.zero_shot import ZeroShotEvaluator
from ..models.losses_allinone import cosine_similarities
from ..models.modeling_pretraining_allinone import AllInOneForPreTrainingOutput
from ..models.processing_allinone import AllInOneProcessor
from .callbacks import AlignmentCallback
from .distributed import contrastive_loss_over_processes
from .trainer import AllInOneTrainer, Measured, make_loader

logger = logging.get_logger(__name__)

_LOSSES = {
    "masked_lm": "mlm_loss",
    "matching": "matching_loss",
    "contrastive": "contrastive_loss",
    "clip_order": "clip_order_loss",
    "masked_patches": "masked_patch_loss",
}


class RunningMean:
    """
    Figures that are means over many batches, in all processes.

    Example:

    ```python
    >>> means = RunningMean()
    >>> means.add("accuracy", torch.tensor(3.0), torch.tensor(4))  # 3 of 4
    >>> means.add("accuracy", torch.tensor(0.0), torch.tensor(1))
    >>> means.take()
    {'accuracy': 0.6}

    ```
    """

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}

    def add(self, name: str, total: torch.Tensor, count: torch.Tensor | float = 1.0):
        """Count in a sum over `count` things."""
        pair = torch.stack([total.detach().double(), torch.as_tensor(count, device=total.device).double()])
        self._sums[name] = self._sums.get(name, 0) + pair

    def take(self, gather: Callable[[list], list] = list) -> dict[str, float]:
        """
        The means so far, of which there are then none.

        Args:
            gather (callable, *optional*): Takes a list and returns those of all processes joined, which may have
                figures of other names. Default: there is one process.

        Returns:
            `dict` of `str` to `float`: The mean of each figure of which there is something to count.
        """
        mine = {name: pair.tolist() for name, pair in self._sums.items()}
        self._sums = {}
        sums: dict[str, np.ndarray] = {}
        for name, pair in (item for of_process in gather([mine]) for item in of_process.items()):
            sums[name] = sums.get(name, np.zeros(2)) + pair
        return {name: float(total / count) for name, (total, count) in sorted(sums.items()) if count}


class PreTrainingTrainer(AllInOneTrainer):
    """
    Trains [`AllInOneForPreTraining`] on batches of [`PreTrainingCollator`] or [`PairedCollator`]: the weighted sum
    of the losses of its objectives, each read in a pass of its own, as the original does. A step of co-training adds
    the losses of its clips and its images.

    Each process takes the mean over what its batch has labels for, and gradients are the mean over processes.

    Beside what Trainer logs: each loss, accuracies of masked words and of matching, recall at 1 within a batch,
    tokens per text, the share of clips that cannot be read, clips per second, and the share of the time that is spent
    waiting for data. Evaluation gives the same losses and
    accuracies on held-out rows, with contrast within the batch of a process: they are the same on any number of
    processes.

    Args:
        objectives (mapping of `str` to `float`): Weight of each objective, above 0: of `"masked_lm"`, `"matching"`,
            `"contrastive"`, `"clip_order"`, `"masked_patches"`. Matching brings the loss of alignment with it, times
            `config.alignment_loss_weight`.
        contrast_across_processes (`bool`, defaults to `True`): Whether a text is contrasted with the clips of all
            processes, or of its own alone, as in the original.
        use_hard_negatives (`bool`, defaults to `False`): Whether the wrong clips of matching are those that the
            features confuse with the right one. Needs the contrastive objective.
        watched_words (sequence of `str`, defaults to none): Words whose accuracy is given separately, such as those
            that only the video shows.
        zero_shot ([`ZeroShotEvaluator`], *optional*): Tasks that the model is not trained
            for, to be scored in every evaluation; with blank clips where the rows of evaluation are blank.
        num_alignment_rows (`int`, defaults to 0): Of how many held-out rows to draw word-patch alignment at every
            evaluation, where matching is trained; see [`~callbacks.AlignmentCallback`].
        Others: see `transformers.Trainer`.

    Names of figures of the images of co-training begin with `image_`.

    Raises:
        ValueError: For an unknown objective, a weight that is not above 0, or no objective; for a watched word that
            the tokenizer does not know; for tasks to be scored while the model is sharded over processes.
    """

    processing_class: AllInOneProcessor

    def __init__(
        self,
        *arguments,
        objectives: Mapping[str, float],
        contrast_across_processes: bool = True,
        use_hard_negatives: bool = False,
        watched_words: Sequence[str] = (),
        zero_shot: ZeroShotEvaluator | None = None,
        num_alignment_rows: int = 0,
        **keywords,
    ):
        super().__init__(*arguments, **keywords)
        unknown = [name for name in objectives if name not in _LOSSES]
        if unknown or not objectives or not all(0 < weight < math.inf for weight in objectives.values()):
            raise ValueError(
                f"objectives are {dict(objectives)}; expected weights above 0 of some of {', '.join(_LOSSES)}."
            )
        if use_hard_negatives and not {"matching", "contrastive"} <= set(objectives):
            raise ValueError("use_hard_negatives needs matching and, to tell what is hard, the contrastive objective.")
        if zero_shot is not None:
            self._refuse_sharding("or without zero_shot")
        self.objectives = dict(objectives)
        self.loss_weights = {_LOSSES[name]: weight for name, weight in objectives.items()}
        if "matching" in objectives:
            config = self.accelerator.unwrap_model(self.model).config
            self.loss_weights["alignment_loss"] = objectives["matching"] * config.alignment_loss_weight
        self.contrast_across_processes = contrast_across_processes
        self.zero_shot = zero_shot
        self._asked = {
            "return_contrastive_loss": "contrastive" in objectives,
            "use_hard_negatives": use_hard_negatives,
        }
        self._watched_tokens = torch.tensor(_tokens_of(self.processing_class, watched_words), dtype=torch.long)
        self._means = RunningMean()
        self._log_started: float | None = None
        self._seconds_waited = 0.0
        self._num_clips = 0
        if num_alignment_rows and self.eval_dataset is not None and "matching" in objectives:
            self._draw_alignment(num_alignment_rows)

    def _draw_alignment(self, num_rows: int):
        """Have the alignment of the first held-out rows drawn at each evaluation."""
        if not is_matplotlib_available():
            logger.warning("Word-patch alignment is not drawn, since matplotlib is missing: pip install matplotlib.")
            return
        if self.is_fsdp_enabled:  # the main process alone draws, and has no whole model
            logger.warning("Word-patch alignment is not drawn of a model that is sharded over processes (FSDP).")
            return
        rows = [self.eval_dataset[number] for number in range(min(num_rows, len(self.eval_dataset)))]
        self.add_callback(AlignmentCallback(rows, self._readers[0], self.callback_handler))

    def get_batch_samples(self, *arguments, **keywords) -> tuple[list[dict], None]:
        """The batches of a step; how long they took to come is counted."""
        started = time.perf_counter()
        if self._log_started is None:
            self._log_started = started
        batches, _ = super().get_batch_samples(*arguments, **keywords)
        self._seconds_waited += time.perf_counter() - started
        for part in (part for batch in batches for part in _parts(batch).values()):
            num_clips = len(part["input_ids"])
            self._num_clips += num_clips
            self._means.add("tokens_per_text", part["attention_mask"].sum(), num_clips)
            self._means.add("share_of_unreadable_clips", (~part["is_pair"]).sum(), num_clips)
        return batches, None

    def get_test_dataloader(self, test_dataset: Dataset) -> DataLoader:
        """As in Trainer, with each row once, where they do not divide by the number of processes."""
        num_rows, num_processes = len(cast(Sized, test_dataset)), self.accelerator.num_processes
        if self.is_fsdp_enabled and math.ceil(num_rows / self.args.eval_batch_size) % num_processes:
            raise ValueError(
                f"{num_rows} rows to evaluate, {self.args.eval_batch_size} at once, are not as many batches for each "
                f"of {num_processes} processes, as a model that is sharded over them (FSDP) needs; choose "
                "per_device_eval_batch_size, or the rows, so that the number of batches divides."
            )
        return prepare_data_loader(
            make_loader(test_dataset, self.args.eval_batch_size, self.eval_collator, self.args),
            self.accelerator.device,
            self.accelerator.num_processes,
            self.accelerator.process_index,
            put_on_device=True,
            even_batches=False,
        )

    def training_step(self, model, inputs, num_items_in_batch=None) -> torch.Tensor:
        """A step forward and back; of co-training, for clips and images one after the other."""
        loss = torch.zeros((), device=self.args.device)
        for prefix, part in _parts(inputs).items():
            loss += super().training_step(model, {**part, "prefix": prefix})
        return loss

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """Of every pass over clips and over images."""
        count = super().floating_point_ops
        return sum(count({**part, **self._asked}) for part in _parts(inputs).values())

    def _track_num_input_tokens(self, inputs):
        for part in _parts(inputs).values():
            super()._track_num_input_tokens(part)

    def _count_labelled(self, batch: Mapping[str, torch.Tensor]) -> None:
        """Losses are not weighted by the number of labelled rows."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The weighted sum of the losses."""
        loss, outputs = self._compute_losses(model, dict(inputs), self._means)
        return (loss, outputs) if return_outputs else loss

    def _compute_losses(
        self, model: nn.Module, inputs: dict[str, Any], means: RunningMean
    ) -> tuple[torch.Tensor, AllInOneForPreTrainingOutput]:
        """The weighted sum of the losses, which are counted in `means` under names with the `prefix` of the inputs."""
        prefix = inputs.pop("prefix", "")
        outputs = model(**{**inputs, **self._asked})
        if "contrastive" in self.objectives and self.contrast_across_processes and model.training:
            temperature = self.accelerator.unwrap_model(model).config.contrastive_temperature
            outputs["contrastive_loss"] = contrastive_loss_over_processes(
                outputs.text_embeds, outputs.video_embeds, temperature, inputs["is_pair"]
            )
        losses = {name: outputs[name] for name in self.loss_weights if outputs.get(name) is not None}
        if not losses:
            raise ValueError(
                f"A batch has no targets of {', '.join(self.objectives)}, so there is nothing to learn from it; clip "
                "order needs more than one frame."
            )
        self._count(means, prefix, losses, outputs, inputs)
        return sum(self.loss_weights[name] * loss for name, loss in losses.items()), outputs

    @torch.no_grad()
    def _count(
        self,
        means: RunningMean,
        prefix: str,
        losses: Mapping[str, torch.Tensor],
        outputs: AllInOneForPreTrainingOutput,
        inputs: Mapping[str, torch.Tensor],
    ):
        """Count in the figures of a batch: each loss as often as it has something to be computed of."""
        is_pair = inputs["is_pair"]
        counts: dict[str, Any] = {"contrastive_loss": is_pair.sum()}
        for name, labels, logits in (
            ("mlm", inputs.get("labels"), outputs.mlm_logits),
            ("matching", inputs.get("matching_labels"), outputs.matching_logits),
        ):
            if labels is None or logits is None:
                continue
            if logits.shape[:-1] != labels.shape:  # in training, only labelled tokens are decoded
                labels = labels[labels != -100]
            is_right = logits.argmax(dim=-1) == labels
            counts[f"{name}_loss"] = (labels != -100).sum()
            means.add(f"{prefix}{name}_accuracy", is_right.sum(), counts[f"{name}_loss"])
            if name == "mlm" and len(self._watched_tokens):
                is_watched = torch.isin(labels, self._watched_tokens.to(labels.device))
                means.add(f"{prefix}mlm_watched_accuracy", (is_right & is_watched).sum(), is_watched.sum())
        counts["alignment_loss"] = counts.get("matching_loss")
        for name, loss in losses.items():
            count = counts.get(name, len(is_pair))
            means.add(prefix + name, loss * count, count)
        if outputs.text_embeds is not None and outputs.video_embeds is not None and is_pair.any():
            similarities = cosine_similarities(outputs.text_embeds[is_pair], outputs.video_embeds[is_pair])
            own = torch.arange(len(similarities), device=similarities.device)
            for name, scores in (("text_to_video", similarities), ("video_to_text", similarities.T)):
                is_found = scores.argmax(dim=1) == own
                means.add(f"{prefix}{name}_recall_in_batch", is_found.sum(), len(own))

    def log(self, logs: dict[str, float], *arguments, **keywords):
        """As in Trainer; beside the loss, the figures of the steps since the last log."""
        if "loss" in logs and self._log_started is not None:
            logs |= self._means.take(gather_object)
            now = time.perf_counter()
            elapsed = now - self._log_started
            logs["clips_per_second"] = self._num_clips * self.accelerator.num_processes / elapsed
            logs["waiting_for_data"] = self._seconds_waited / elapsed
            self._log_started, self._seconds_waited, self._num_clips = now, 0.0, 0
        super().log(logs, *arguments, **keywords)

    def evaluate(self, *arguments, **keywords) -> dict[str, float]:
        """As in Trainer; its time is none of training."""
        started = time.perf_counter()
        metrics = super().evaluate(*arguments, **keywords)
        if self._log_started is not None:
            self._log_started += time.perf_counter() - started
        return metrics

    def _measure(self, dataloader) -> Measured:
        """Losses and accuracies on the rows of the loader, and the scores of other tasks."""
        means = RunningMean()
        devices = [self.args.device] if self.args.device.type == "cuda" else []
        self.model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices), self.accelerator.autocast():
            for number, batch in enumerate(dataloader):
                # Hard clips are drawn, always the same.
                torch.manual_seed(number * self.accelerator.num_processes + self.accelerator.process_index)
                for prefix, part in _parts(batch).items():
                    self._compute_losses(self.model, {**self._prepare_inputs(part), "prefix": prefix}, means)
            figures = means.take(gather_object)
            figures["loss"] = sum(
                weight * figures.get(prefix + name, 0.0)
                for prefix in ("", "image_")
                for name, weight in self.loss_weights.items()
            )
            if self.zero_shot is not None:
                figures |= self.zero_shot.evaluate(
                    self.accelerator.unwrap_model(self.model),
                    self._readers[0],
                    getattr(dataloader.dataset, "is_blank", False),
                    self.args.eval_batch_size,
                    self.args.dataloader_num_workers,
                )
        return figures, np.empty(0)


def _parts(batch: Mapping[str, Any]) -> dict[str, Any]:
    """The batches of a step, each under what the names of its figures begin with: of co-training, there are two."""
    return {"": batch} if "input_ids" in batch else {"": batch["video"], "image_": batch["image"]}


def _tokens_of(processor: AllInOneProcessor, words: Sequence[str]) -> list[int]:
    """The tokens that words consist of."""
    tokens: set[int] = set()
    for word in words:
        of_word = processor.tokenizer(word, add_special_tokens=False)["input_ids"]
        if not of_word or processor.tokenizer.unk_token_id in of_word:
            raise ValueError(f"watched_words has {word!r}, which the tokenizer does not know; leave it out.")
        tokens.update(of_word)
    return sorted(tokens)


__all__ = ["PreTrainingTrainer", "RunningMean"]
