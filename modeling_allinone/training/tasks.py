# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
The tasks that models are fine-tuned for: of each its model, collator, Trainer, metric, and its own options.

A new one is a subclass of [`Task`] in `TASKS`: see CONTRIBUTING.md.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import evaluate
import numpy as np
import torch
from transformers.trainer_utils import EvalPrediction

from ..data.collators import (
    MultipleChoiceCollator,
    PairedReasoningCollator,
    VideoClassificationCollator,
    VideoCollator,
    VideoQuestionAnsweringCollator,
    VideoTextRetrievalCollator,
    VisualCommonsenseCollator,
)
from ..datasets.readers.nlvr2 import LABELS
from ..evaluation.question_answering import rank_answers, score_answers
from ..evaluation.retrieval import collect_captions
from ..metrics import metric_path
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.modeling_multiple_choice_allinone import AllInOneForMultipleChoice
from ..models.modeling_paired_reasoning_allinone import AllInOneForPairedVisualReasoning
from ..models.modeling_question_answering_allinone import AllInOneForVideoQuestionAnswering
from ..models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from ..models.modeling_video_classification_allinone import AllInOneForVideoClassification
from ..models.modeling_visual_commonsense_allinone import AllInOneForVisualCommonsenseReasoning
from ..models.processing_allinone import AllInOneProcessor
from .arguments import (
    HELP,
    DataArguments,
    ModelArguments,
    find_option,
    find_recipe_name,
    is_zero_shot,
    option,
    parse_recipe,
)
from .run import unwrap_peft
from .splits import Splits
from .trainer import (
    AllInOneTrainer,
    AllInOneTrainingArguments,
    RetrievalTrainer,
    VideoClassificationTrainer,
    freeze_backbone,
)


@dataclass
class Task:
    """
    A task, with its own options as fields.

    Class attributes say what it is made of: `name`, `model_class`, `collator_class`, `trainer_class`, `metric` (name
    of a module in `metrics/`), `label_columns` of rows, `label_inputs` of the model, `has_label_names` (labels stand
    for answers or classes, of which the head has an output each), and `reads_all_texts` (a new tokenizer is trained on
    all rows of the data set, whatever rows are trained on, so that models for others can start from it).
    """

    name: ClassVar[str]
    model_class: ClassVar[type[AllInOnePreTrainedModel]]
    collator_class: ClassVar[type[VideoCollator]]
    trainer_class: ClassVar[type[AllInOneTrainer]] = AllInOneTrainer
    metric: ClassVar[str] = "multiple_choice_accuracy"
    label_columns: ClassVar[Sequence[str]] = ("label",)
    label_inputs: ClassVar[Sequence[str]] = ("labels",)
    has_label_names: ClassVar[bool] = False
    reads_all_texts: ClassVar[bool] = False

    def check(self, model_arguments: ModelArguments, data_arguments: DataArguments) -> None:
        """Raises a `ValueError` if the options do not go together."""

    def train_arguments(self, data_arguments: DataArguments) -> DataArguments:
        """How the rows to train on are read."""
        return data_arguments

    def model_options(self, splits: Splits, processor: AllInOneProcessor) -> dict[str, Any]:
        """Fields of the configuration that the task decides."""
        return {} if splits.label_names is None else {"id2label": dict(enumerate(splits.label_names))}

    def prepare_model(self, model: torch.nn.Module) -> None:
        """Change a model that was loaded."""

    def collator_options(self, splits: Splits, training: bool) -> dict[str, Any]:
        """What the collator takes beside, or instead of, what every collator takes."""
        return {} if splits.label_names is None else {"num_labels": len(splits.label_names)}

    def trainer_options(self) -> dict[str, Any]:
        """What the Trainer takes beside what every Trainer takes."""
        return {"compute_metrics": self.compute_metrics, "preprocess_logits_for_metrics": self.preprocess}

    @property
    def protocol(self) -> dict[str, Any]:
        """What is to be said of how a model was scored: the options of the task, unless they are for training."""
        return {}

    @cached_property
    def metric_module(self) -> evaluate.EvaluationModule:
        """The metric."""
        return evaluate.load(metric_path(self.metric), keep_in_memory=True)

    def compute_metrics(self, output: EvalPrediction) -> dict[str, float]:
        """Scores of what a model predicts."""
        return self.metric_module.compute(predictions=output.predictions, references=output.label_ids)

    def preprocess(self, logits: Any, labels: Any) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """What is kept of the outputs of a batch."""
        return logits


@dataclass
class QuestionAnswering(Task):
    """Open-ended questions about a video, whose answers are those of the rows to train on."""

    name = "question-answering"
    model_class = AllInOneForVideoQuestionAnswering
    collator_class = VideoQuestionAnsweringCollator
    has_label_names = True
    reads_all_texts = True

    def preprocess(self, logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return rank_answers(logits, labels)

    def compute_metrics(self, output: EvalPrediction) -> dict[str, float]:
        return score_answers(np.asarray(output.predictions[0])[:, 0], np.asarray(output.label_ids))


@dataclass
class MultipleChoice(Task):
    """
    Multiple choice, of answers to a question or of captions.

    Rows to train on without options, such as those for MSRVTT's test or of a `caption_dataset`, are captions, each to
    be distinguished from others that are drawn every time.
    """

    _argument_group_name = "multiple-choice"

    name = "multiple-choice"
    model_class = AllInOneForMultipleChoice
    collator_class = MultipleChoiceCollator
    reads_all_texts = True

    caption_dataset: str | None = option(None, "Captions in data_dir to train on, instead of rows with options.")
    num_options: int = option(5, "Options of a caption: itself, and others drawn.")

    def __post_init__(self) -> None:
        if self.num_options < 2:
            raise ValueError(f"num_options is {self.num_options}; expected at least 2 to choose from.")

    def train_arguments(self, data_arguments: DataArguments) -> DataArguments:
        if self.caption_dataset is None:
            return data_arguments
        return replace(data_arguments, dataset=self.caption_dataset, dataset_options={}, group_by=None)

    def collator_options(self, splits: Splits, training: bool) -> dict[str, Any]:
        if not training or splits.train is None:
            return {}
        has_options = splits.train[0]["options"] is not None
        negatives = None if has_options else collect_captions(splits.train).texts
        return {"negatives": negatives, "num_options": self.num_options}


@dataclass
class Retrieval(Task):
    """
    Finding videos by text and texts by video.

    With the contrastive loss alone, texts and clips are compared by features. With wrong captions to rank
    (`num_negatives` from the training split, or `num_hard_negatives` from the batch), a scorer of pairs is learned
    beside, which re-ranks the best.
    """

    _argument_group_name = "retrieval"

    name = "retrieval"
    model_class = AllInOneForVideoTextRetrieval
    collator_class = VideoTextRetrievalCollator
    trainer_class = RetrievalTrainer
    metric = "video_text_retrieval"
    label_columns = ()

    num_negatives: int = option(0, "Wrong captions of the training split to rank for a clip; 10 to 15 originally.")
    num_hard_negatives: int = option(0, "Instead, wrong captions of the batch that features confuse with it.")
    ranking_weight: float = option(1.0, "Weight of the ranking loss.")
    calibration_weight: float = option(0.5, "Weight of the loss that makes scores of different clips comparable.")
    contrast_across_processes: bool = option(True, "Contrast with clips of all processes, or with their own.")
    num_reranked: int = option(20, "How many of the best are re-ranked by pairs; 0: none.")
    num_views: int = option(1, "Draws of frames to average over in a search; 3 originally.")
    view_sampling: str = option("uniform", "Frames of the views: uniform, or random.")

    def __post_init__(self) -> None:
        for name, lowest in {"num_negatives": 0, "num_hard_negatives": 0, "num_reranked": 0, "num_views": 1}.items():
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}; expected {lowest} or more.")
        if self.num_negatives and self.num_hard_negatives:
            raise ValueError(
                f"num_negatives is {self.num_negatives} and num_hard_negatives is {self.num_hard_negatives}; "
                "wrong captions come either from the training split or from the batch."
            )

    def check(self, model_arguments: ModelArguments, data_arguments: DataArguments) -> None:
        if data_arguments.frame_cache is not None and self.num_views > 1:
            raise ValueError(f"num_views is {self.num_views}, but frames kept in frame_cache are one view.")

    def model_options(self, splits: Splits, processor: AllInOneProcessor) -> dict[str, Any]:
        if splits.train is None:
            return {}
        return {"use_pair_scorer": self.num_negatives + self.num_hard_negatives > 0}

    def collator_options(self, splits: Splits, training: bool) -> dict[str, Any]:
        if not training:
            return {"video_options": self._view_options}
        negatives = collect_captions(splits.train).texts if self.num_negatives and splits.train is not None else None
        return {"negatives": negatives, "num_negatives": self.num_negatives}

    def trainer_options(self) -> dict[str, Any]:
        of_search = ("num_negatives", "num_views", "view_sampling")
        options = {name: value for name, value in asdict(self).items() if name not in of_search}
        return {"metric": self.metric_module, **options}

    @property
    def protocol(self) -> dict[str, Any]:
        return {"num_reranked": self.num_reranked, **self._view_options}

    @property
    def _view_options(self) -> dict[str, Any]:
        """How clips are read in a search."""
        return {"num_views": self.num_views, "frame_sampling": self.view_sampling}


@dataclass
class Classification(Task):
    """
    Classes of videos, such as actions; with `linear`, by pooler and head alone.

    The text that is read with every clip, `prompt` or the data set's own, is kept in the model's configuration and
    read wherever none is given. Clips with several views (`num_views` of the video processor) are scored by the mean
    of their views' logits.
    """

    _argument_group_name = "classification"

    name = "classification"
    model_class = AllInOneForVideoClassification
    collator_class = VideoClassificationCollator
    trainer_class = VideoClassificationTrainer
    metric = "video_classification"
    has_label_names = True

    linear: bool = option(False, "Linear evaluation: train pooler and head alone.")
    prompt: str | None = option(None, "Text read with every clip, instead of the data set's or the model's own.")

    def check(self, model_arguments: ModelArguments, data_arguments: DataArguments) -> None:
        if self.linear and model_arguments.lora_rank:
            raise ValueError(
                "linear trains no layer, and lora_rank asks for adapters beside them: give one of the two."
            )

    def model_options(self, splits: Splits, processor: AllInOneProcessor) -> dict[str, Any]:
        prompt = self.prompt
        if splits.train is not None and prompt is None and "question" in splits.train.column_names:
            texts = splits.train.unique("question")
            prompt = texts[0] if len(texts) == 1 else None  # where rows have several, none is kept
        prompted = {} if splits.train is None else processor.encode_prompt(prompt)
        return super().model_options(splits, processor) | prompted

    def prepare_model(self, model: torch.nn.Module) -> None:
        if self.prompt is None:
            self.prompt = unwrap_peft(model).config.prompt
        if self.linear:
            freeze_backbone(model)

    def collator_options(self, splits: Splits, training: bool) -> dict[str, Any]:
        return super().collator_options(splits, training) | {"prompt": self.prompt}

    @property
    def protocol(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class VisualCommonsense(Task):
    """
    Visual commonsense reasoning (VCR): answers and rationales at once.

    The loss is that of choosing the answer plus that of choosing the rationale, given the right answer.
    """

    _argument_group_name = "visual-commonsense"

    name = "visual-commonsense"
    model_class = AllInOneForVisualCommonsenseReasoning
    collator_class = VisualCommonsenseCollator
    metric = "visual_commonsense"
    label_columns = ("label", "rationale_label")
    label_inputs = ("answer_labels", "rationale_labels")

    paints_objects: bool = option(True, "Paint the boxes of the objects that texts speak of on the image.")

    def collator_options(self, splits: Splits, training: bool) -> dict[str, Any]:
        return {"paints_objects": self.paints_objects}

    def preprocess(self, logits: tuple[torch.Tensor, ...], labels: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Scores of answers and of rationales (B, 2, N), which follow the two losses in the model's outputs."""
        return torch.stack([scores for scores in logits if scores.ndim == 2], dim=1)

    def compute_metrics(self, output: EvalPrediction) -> dict[str, float]:
        labels = np.stack(list(output.label_ids), axis=1)
        return self.metric_module.compute(predictions=output.predictions, references=labels)

    @property
    def protocol(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class PairedReasoning(Task):
    """Whether a statement about two images is true (NLVR2)."""

    name = "paired-reasoning"
    model_class = AllInOneForPairedVisualReasoning
    collator_class = PairedReasoningCollator

    def model_options(self, splits: Splits, processor: AllInOneProcessor) -> dict[str, Any]:
        return {"id2label": {label: answer for answer, label in LABELS.items()}}


_CLASSES = (QuestionAnswering, MultipleChoice, Retrieval, Classification, VisualCommonsense, PairedReasoning)
TASKS: dict[str, type[Task]] = {task.name: task for task in _CLASSES}


@dataclass
class _TaskArguments:
    """What is learned."""

    _argument_group_name = "task"

    task: str | None = option(None, f"{', '.join(TASKS)}; recipes name theirs.")


def parse_task(
    description: str | None, arguments: list[str]
) -> tuple[Task, ModelArguments, DataArguments, AllInOneTrainingArguments]:
    """
    Read the command line of a script for all tasks.

    Args:
        description (`str`): What the script does, for `--help`.
        arguments (`list` of `str`): A recipe, perhaps, and options; either names the task.

    Returns:
        The task with its options, and the other options.

    Raises:
        ValueError: If there is no such recipe, or no such task.
    """
    recipe = find_recipe_name(arguments)
    if is_zero_shot(recipe):
        raise ValueError(f"The recipe {recipe} scores models without training: allinone evaluate {recipe} …")
    name = find_option(arguments, "task")
    if name not in TASKS and not HELP & set(arguments):
        asked = "No task is named" if name is None else f"The task is {name!r}"
        raise ValueError(
            f"{asked}; give --task, or a recipe with task: one of {', '.join(TASKS)}. For pretraining there is "
            "allinone train --task pretraining, and for tasks that are not trained for, allinone evaluate."
        )
    # All of them for help.
    tasks = (TASKS[name],) if name in TASKS else tuple(TASKS.values())
    classes: list[type] = [_TaskArguments, *tasks, ModelArguments, DataArguments, AllInOneTrainingArguments]
    _, task, *others = parse_recipe(*classes, description=description, arguments=arguments)
    return task, *others
