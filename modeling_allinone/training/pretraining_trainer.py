# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Pre-training with the library's `Trainer`: objectives by weight, watched while they are learned."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate.utils import gather_object
from torch.utils.data import DataLoader
from transformers.integrations import is_tensorboard_available
from transformers.trainer_utils import EvalLoopOutput

from ..evaluation.zero_shot import ZeroShotEvaluator
from ..models.losses_allinone import contrastive_loss, cosine_similarities
from ..models.modeling_pretraining_allinone import AllInOneForPreTrainingOutput
from ..models.processing_allinone import AllInOneProcessor
from .distributed import gather_features
from .trainer import AllInOneTrainer, AllInOneTrainingArguments

_LOSSES = {
    "masked_lm": "mlm_loss",
    "matching": "matching_loss",
    "contrastive": "contrastive_loss",
    "clip_order": "clip_order_loss",
    "masked_patches": "masked_patch_loss",
}


@dataclass
class PreTrainingArguments(AllInOneTrainingArguments):
    """
    As [`AllInOneTrainingArguments`], reported to TensorBoard, if it is installed.

    Args:
        report_to (`str`, *optional*): Where the log goes to. Default: `"tensorboard"` if it is installed, else
            `"none"`.
    """

    report_to: str | None = field(
        default_factory=lambda: "tensorboard" if is_tensorboard_available() else "none",
        metadata={"help": "Where the log goes to: tensorboard (by default if it is installed), none, …"},
    )


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

    def __init__(self):
        self._sums: dict[str, torch.Tensor] = {}

    def add(self, name: str, total: torch.Tensor, count: torch.Tensor | float = 1.0):
        """Count in a sum over `count` things."""
        pair = torch.stack([total.detach().double(), torch.as_tensor(count, device=total.device).double()])
        self._sums[name] = self._sums[name] + pair if name in self._sums else pair

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
        sums: dict[str, tuple[float, float]] = {}
        for name, (total, count) in (item for of_process in gather([mine]) for item in of_process.items()):
            total_before, count_before = sums.get(name, (0.0, 0.0))
            sums[name] = (total_before + total, count_before + count)
        return {name: total / count for name, (total, count) in sorted(sums.items()) if count}


class PreTrainingTrainer(AllInOneTrainer):
    """
    Trains [`AllInOneForPreTraining`] on batches of [`PreTrainingCollator`] or [`PairedCollator`]: the weighted sum
    of the losses of its objectives, each read in a pass of its own, as the original does. A step of co-training adds
    the losses of its clips and its images.

    Each process takes the mean over what its batch has labels for, and gradients are the mean over processes.

    Beside what the library logs: each loss, accuracies of masked words and of matching, recall at 1 within a batch,
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
        watched_words (sequence of `str`, defaults to none): Words whose accuracy is given apart, such as those that
            only the video tells.
        zero_shot ([`ZeroShotEvaluator`], *optional*): Tasks that the model is not trained
            for, to be scored in every evaluation; with blank clips where the rows of evaluation are blank.
        Others: see `transformers.Trainer`.

    Names of figures of the images of co-training begin with `image_`.

    Raises:
        ValueError: For an unknown objective, a weight that is not above 0, or no objective; for a watched word that
            the tokenizer does not know; for tasks to be scored while the model is sharded over processes.
    """

    def __init__(
        self,
        *arguments,
        objectives: Mapping[str, float],
        contrast_across_processes: bool = True,
        use_hard_negatives: bool = False,
        watched_words: Sequence[str] = (),
        zero_shot: ZeroShotEvaluator | None = None,
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
        if zero_shot is not None and self.is_fsdp_enabled:
            raise ValueError(
                "The model is sharded over processes (FSDP), which a search that reads other numbers of clips in each "
                "cannot use; train with DDP, or without zero_shot."
            )
        self.objectives = dict(objectives)
        self.loss_weights = {_LOSSES[name]: weight for name, weight in objectives.items()}
        if "matching" in objectives:
            config = self.accelerator.unwrap_model(self.model).config
            self.loss_weights["alignment_loss"] = objectives["matching"] * config.alignment_loss_weight
        self.contrast_across_processes = contrast_across_processes
        self.use_hard_negatives = use_hard_negatives
        self.zero_shot = zero_shot
        self.means = RunningMean()
        self._kind = "video"
        self._watched_tokens = torch.tensor(_tokens_of(self.processing_class, watched_words), dtype=torch.long)
        self._log_started: float | None = None
        self._seconds_waited = 0.0
        self._num_clips = 0

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
            self.means.add("tokens_per_text", part["attention_mask"].sum(), num_clips)
            self.means.add("share_of_unreadable_clips", (~part["is_pair"]).sum(), num_clips)
        return batches, None

    def training_step(self, model, inputs, num_items_in_batch=None) -> torch.Tensor:
        """A step forward and back; of co-training, for clips and images one after the other."""
        loss = torch.zeros((), device=self.args.device)
        for self._kind, part in _parts(inputs).items():
            loss += super().training_step(model, part)
        return loss

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """Of every pass over clips and over images."""
        count = super().floating_point_ops
        return sum(count({**part, **self._asked()}) for part in _parts(inputs).values())

    def _track_num_input_tokens(self, inputs):
        for part in _parts(inputs).values():
            super()._track_num_input_tokens(part)

    def _asked(self) -> dict[str, bool]:
        """What the model is asked for beside the targets in a batch."""
        contrasts = "contrastive" in self.objectives
        return {"return_contrastive_loss": contrasts, "use_hard_negatives": self.use_hard_negatives}

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The weighted sum of the losses."""
        contrasts = "contrastive" in self.objectives
        outputs = model(**inputs, **self._asked())
        if contrasts and self.contrast_across_processes and model.training:
            gathered = (gather_features(part) for part in (outputs.text_embeds, outputs.video_embeds))
            is_pair = gather_features(inputs["is_pair"])
            temperature = self.accelerator.unwrap_model(model).config.contrastive_temperature
            outputs["contrastive_loss"] = contrastive_loss(*gathered, temperature, is_pair)
        present = [name for name in self.loss_weights if outputs.get(name) is not None]
        if not present:
            raise ValueError(
                f"A batch has no targets of {', '.join(self.objectives)}, so there is nothing to learn from it; clip "
                "order needs more than one frame."
            )
        self._count(outputs, inputs)
        loss = sum(self.loss_weights[name] * outputs[name] for name in present)
        return (loss, outputs) if return_outputs else loss

    def _count_labelled(self, batch: Mapping[str, torch.Tensor]) -> None:
        """Losses are not weighted by the number of labelled rows."""

    @torch.no_grad()
    def _count(self, outputs: AllInOneForPreTrainingOutput, inputs: Mapping[str, torch.Tensor]):
        """Count in what is told of a batch: each loss as often as it has something to be computed of."""
        kind = "image_" if self._kind == "image" else ""
        is_pair = inputs["is_pair"]
        counts = dict.fromkeys(self.loss_weights, len(is_pair)) | {"contrastive_loss": is_pair.sum()}
        for loss, name in (("mlm_loss", "labels"), ("matching_loss", "matching_labels")):
            if name in inputs:
                counts[loss] = (inputs[name] != -100).sum()
        if "alignment_loss" in counts:
            counts["alignment_loss"] = counts["matching_loss"]
        for name in self.loss_weights:
            if outputs.get(name) is not None:
                self.means.add(kind + name, outputs[name] * counts[name], counts[name])
        if outputs.mlm_loss is not None:
            labels = inputs["labels"]
            is_right = outputs.mlm_logits.argmax(dim=-1) == labels
            self.means.add(f"{kind}mlm_accuracy", is_right.sum(), counts["mlm_loss"])
            if len(self._watched_tokens):
                is_watched = torch.isin(labels, self._watched_tokens.to(labels.device))
                self.means.add(f"{kind}mlm_watched_accuracy", (is_right & is_watched).sum(), is_watched.sum())
        if outputs.matching_loss is not None:
            is_right = outputs.matching_logits.argmax(dim=-1) == inputs["matching_labels"]
            self.means.add(f"{kind}matching_accuracy", is_right.sum(), counts["matching_loss"])
        if outputs.text_embeds is not None and is_pair.any():
            similarities = cosine_similarities(outputs.text_embeds[is_pair], outputs.video_embeds[is_pair])
            own = torch.arange(len(similarities), device=similarities.device)
            for name, scores in (("text_to_video", similarities), ("video_to_text", similarities.T)):
                is_found = scores.argmax(dim=1) == own
                self.means.add(f"{kind}{name}_recall_in_batch", is_found.sum(), len(own))

    def log(self, logs: dict[str, float], *arguments, **keywords):
        """Logs what was learned since it was last told, too."""
        if "loss" in logs:
            logs |= self.means.take(gather_object)
            now = time.perf_counter()
            elapsed = now - self._log_started
            logs["clips_per_second"] = self._num_clips * self.accelerator.num_processes / elapsed
            logs["waiting_for_data"] = self._seconds_waited / elapsed
            self._log_started, self._seconds_waited, self._num_clips = now, 0.0, 0
        super().log(logs, *arguments, **keywords)

    def get_eval_dataloader(self, *arguments, **keywords) -> DataLoader:
        """As in the library, with each row once, where they do not divide by the number of processes."""
        with self._reading_rows_once():
            return super().get_eval_dataloader(*arguments, **keywords)

    def get_test_dataloader(self, *arguments, **keywords) -> DataLoader:
        """As in the library, with each row once, where they do not divide by the number of processes."""
        with self._reading_rows_once():
            return super().get_test_dataloader(*arguments, **keywords)

    def evaluate(self, *arguments, **keywords) -> dict[str, float]:
        """As in the library; its time is none of training."""
        started = time.perf_counter()
        metrics = super().evaluate(*arguments, **keywords)
        if self._log_started is not None:
            self._log_started += time.perf_counter() - started
        return metrics

    def evaluation_loop(self, dataloader, description, *arguments, metric_key_prefix="eval", **keywords):
        """Losses and accuracies on the rows of the loader, and the scores of other tasks; no predictions."""
        of_training, self.means = self.means, RunningMean()
        devices = [self.args.device] if self.args.device.type == "cuda" else []
        self.model.eval()
        try:
            with (
                self._explaining_dead_workers(),
                torch.no_grad(),
                torch.random.fork_rng(devices),
                self.accelerator.autocast(),
            ):
                for number, batch in enumerate(dataloader):
                    # Hard clips are drawn, always the same.
                    torch.manual_seed(number * self.accelerator.num_processes + self.accelerator.process_index)
                    for self._kind, part in _parts(batch).items():
                        self.compute_loss(self.model, self._prepare_inputs(part))
                figures = self.means.take(gather_object)
                figures["loss"] = sum(
                    weight * figures.get(kind + name, 0.0)
                    for kind in ("", "image_")
                    for name, weight in self.loss_weights.items()
                )
                figures |= self._score_zero_shot(getattr(dataloader.dataset, "is_blank", False))
        finally:
            self.means = of_training
        metrics: dict[str, Any] = {f"{metric_key_prefix}_{name}": value for name, value in figures.items()}
        return EvalLoopOutput(None, None, metrics, num_samples=len(dataloader.dataset))

    def _score_zero_shot(self, is_blank: bool) -> dict[str, float]:
        if self.zero_shot is None:
            return {}
        model = self.accelerator.unwrap_model(self.model)
        reader = (self.eval_collator or self.data_collator).reader
        sizes = (self.args.eval_batch_size, self.args.dataloader_num_workers)
        return self.zero_shot.evaluate(model, reader, is_blank, *sizes)

    @contextmanager
    def _reading_rows_once(self) -> Iterator[None]:
        of_training = self.accelerator.even_batches
        self.accelerator.even_batches = False
        try:
            yield
        finally:
            self.accelerator.even_batches = of_training


def _parts(batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """The batches of a step of co-training; a batch that is none is one part."""
    return batch if "input_ids" not in batch else {"video": batch}


def _tokens_of(processor: AllInOneProcessor, words: Sequence[str]) -> list[int]:
    """The tokens that words consist of."""
    tokens: set[int] = set()
    for word in words:
        of_word = processor.tokenizer(word, add_special_tokens=False)["input_ids"]
        if not of_word or processor.tokenizer.unk_token_id in of_word:
            raise ValueError(f"watched_words has {word!r}, which the tokenizer does not know; leave it out.")
        tokens.update(of_word)
    return sorted(tokens)


__all__ = ["PreTrainingArguments", "PreTrainingTrainer", "RunningMean"]
