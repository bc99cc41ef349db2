"""Pre-training with the library's `Trainer`: objectives by weight, watched while they are learned."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers.trainer_utils import EvalLoopOutput

from .objectives_allinone import contrastive_loss, cosine_similarities
from .pretraining_allinone import AllInOneForPreTrainingOutput
from .training import AllInOneTrainer, gather_features

_LOSSES = {
    "masked_lm": "mlm_loss",
    "matching": "matching_loss",
    "contrastive": "contrastive_loss",
    "clip_order": "clip_order_loss",
    "masked_patches": "masked_patch_loss",
}


class Means:
    """
    Figures that are means over many batches, in all processes.

    Example:

    ```python
    >>> means = Means()
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

    def take(self, reduce=lambda sums: sums) -> dict[str, float]:
        """The means so far, of which there are then none; `reduce` adds up a tensor over processes."""
        if not self._sums:
            return {}
        names = sorted(self._sums)
        sums = reduce(torch.stack([self._sums[name] for name in names])).tolist()
        self._sums = {}
        return {name: total / count for name, (total, count) in zip(names, sums, strict=True) if count}


class PreTrainingTrainer(AllInOneTrainer):
    """
    Trains [`AllInOneForPreTraining`] on batches of [`PreTrainingCollator`] or [`CoTrainingCollator`]: the weighted sum
    of the losses of its objectives, each read in a pass of its own, as the original does. A step of co-training adds
    the losses of its clips and its images.

    Beside what the library logs: each loss, accuracies of masked words and of matching, recall at 1 within a batch,
    rows per second, and the share of the time that is spent waiting for data. Evaluation gives the same losses and
    accuracies on held-out rows.

    Args:
        objectives (mapping of `str` to `float`): Weight of each objective, above 0: of `"masked_lm"`, `"matching"`,
            `"contrastive"`, `"clip_order"`, `"masked_patches"`. Matching brings the loss of alignment with it, times
            `config.alignment_loss_weight`.
        contrast_across_processes (`bool`, defaults to `True`): Whether a text is contrasted with the clips of all
            processes, or of its own alone, as in the original.
        draws_hard_clips (`bool`, defaults to `False`): Whether the wrong clips of matching are those that the features
            confuse with the right one. Needs the contrastive objective.
        watched_words (sequence of `str`, defaults to none): Words whose accuracy is given apart, such as those that
            only the video tells.
        Others: see `transformers.Trainer`.

    Names of figures of the images of co-training begin with `image_`.

    Raises:
        ValueError: For an unknown objective, a weight that is not above 0, or no objective.
    """

    def __init__(
        self,
        *arguments,
        objectives: Mapping[str, float],
        contrast_across_processes: bool = True,
        draws_hard_clips: bool = False,
        watched_words: Sequence[str] = (),
        **keywords,
    ):
        super().__init__(*arguments, **keywords)
        unknown = [name for name in objectives if name not in _LOSSES]
        if unknown or not objectives or not all(weight > 0 for weight in objectives.values()):
            raise ValueError(
                f"objectives are {dict(objectives)}; expected weights above 0 of some of {', '.join(_LOSSES)}."
            )
        if draws_hard_clips and not {"matching", "contrastive"} <= set(objectives):
            raise ValueError("draws_hard_clips needs matching and, to tell what is hard, the contrastive objective.")
        self.objectives = dict(objectives)
        self.contrast_across_processes = contrast_across_processes
        self.draws_hard_clips = draws_hard_clips
        self.means = Means()
        self._kind = "video"
        self._watched_tokens = torch.tensor(_tokens_of(self.processing_class, watched_words))
        self._log_started = time.perf_counter()
        self._seconds_waited = 0.0
        self._num_rows = 0

    def get_batch_samples(self, *arguments, **keywords) -> tuple[list[dict], None]:
        """The batches of a step; how long they took to come is counted."""
        started = time.perf_counter()
        batches, _ = super().get_batch_samples(*arguments, **keywords)
        self._seconds_waited += time.perf_counter() - started
        self._num_rows += sum(len(part["input_ids"]) for batch in batches for part in _parts(batch).values())
        return batches, None

    def training_step(self, model, inputs, num_items_in_batch=None) -> torch.Tensor:
        """A step forward and back; of co-training, for clips and images one after the other."""
        loss = torch.zeros((), device=self.args.device)
        for self._kind, part in _parts(inputs).items():
            loss += super().training_step(model, part)
        return loss

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The weighted sum of the losses."""
        contrasts = "contrastive" in self.objectives
        outputs = model(**inputs, return_contrastive_loss=contrasts, draws_hard_clips=self.draws_hard_clips)
        config = self.accelerator.unwrap_model(model).config
        if contrasts and self.contrast_across_processes:
            gathered = (gather_features(part) for part in (outputs.text_embeds, outputs.video_embeds))
            is_pair = gather_features(inputs["is_pair"])
            outputs["contrastive_loss"] = contrastive_loss(*gathered, config.contrastive_temperature, is_pair)
        losses = {name: outputs[_LOSSES[name]] for name in self.objectives if outputs.get(_LOSSES[name]) is not None}
        loss = sum(self.objectives[name] * of_objective for name, of_objective in losses.items())
        if outputs.alignment_loss is not None:
            loss = loss + self.objectives["matching"] * config.alignment_loss_weight * outputs.alignment_loss
        self._count(outputs, inputs)
        return (loss, outputs) if return_outputs else loss

    @torch.no_grad()
    def _count(self, outputs: AllInOneForPreTrainingOutput, inputs: Mapping[str, torch.Tensor]):
        """Count in what is told of a batch."""
        kind = "image_" if self._kind == "image" else ""
        for name in (*_LOSSES.values(), "alignment_loss"):
            if outputs.get(name) is not None:
                self.means.add(kind + name, outputs[name])
        if outputs.mlm_loss is not None:
            labels = inputs["labels"]
            is_right = outputs.mlm_logits.argmax(dim=-1) == labels
            self.means.add(f"{kind}mlm_accuracy", is_right.sum(), (labels != -100).sum())
            if len(self._watched_tokens):
                is_watched = torch.isin(labels, self._watched_tokens.to(labels.device))
                self.means.add(f"{kind}mlm_watched_accuracy", (is_right & is_watched).sum(), is_watched.sum())
        if outputs.matching_loss is not None:
            labels = inputs["matching_labels"]
            is_right = outputs.matching_logits.argmax(dim=-1) == labels
            self.means.add(f"{kind}matching_accuracy", is_right.sum(), (labels != -100).sum())
        if outputs.text_embeds is not None:
            is_pair = inputs["is_pair"]
            of_pairs = outputs.text_embeds[is_pair], outputs.video_embeds[is_pair]
            similarities = cosine_similarities(*of_pairs)
            own = torch.arange(len(similarities), device=similarities.device)
            for name, scores in (("text_to_video", similarities), ("video_to_text", similarities.T)):
                is_found = scores.argmax(dim=1) == own if len(own) else own
                self.means.add(f"{kind}{name}_recall_in_batch", is_found.sum(), len(own))

    def log(self, logs: dict[str, float], *arguments, **keywords):
        """Logs what was learned since it was last told, too."""
        if "loss" in logs:
            logs |= self.means.take(self._add_over_processes)
            elapsed = time.perf_counter() - self._log_started
            logs["rows_per_second"] = self._num_rows * self.accelerator.num_processes / elapsed
            logs["waiting_for_data"] = self._seconds_waited / elapsed
            self._log_started, self._seconds_waited, self._num_rows = time.perf_counter(), 0.0, 0
        super().log(logs, *arguments, **keywords)

    def evaluation_loop(self, dataloader, description, *arguments, metric_key_prefix="eval", **keywords):
        """Losses and accuracies on the rows of the loader; no predictions."""
        of_training, self.means, self._kind = self.means, Means(), "video"
        started = time.perf_counter()
        self.model.eval()
        try:
            with self._explaining_dead_workers(), torch.no_grad(), self.compute_loss_context_manager():
                for inputs in dataloader:
                    self.compute_loss(self.model, self._prepare_inputs(inputs))
            figures = self.means.take(self._add_over_processes)
        finally:
            self.means = of_training
        self._log_started += time.perf_counter() - started
        metrics: dict[str, Any] = {f"{metric_key_prefix}_{name}": value for name, value in figures.items()}
        return EvalLoopOutput(None, None, metrics, num_samples=len(dataloader.dataset))

    def _add_over_processes(self, sums: torch.Tensor) -> torch.Tensor:
        return self.accelerator.reduce(sums, "sum")


def _parts(batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """The batches of a step of co-training; a batch that is none is one part."""
    return batch if "input_ids" not in batch else {"video": batch}


def _tokens_of(processor, words: Sequence[str]) -> list[int]:
    """The tokens that words consist of."""
    if not words:
        return []
    return sorted({token for word in words for token in processor.tokenizer(word, add_special_tokens=False).input_ids})


__all__ = ["Means", "PreTrainingTrainer"]
