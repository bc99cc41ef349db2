# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a model that is being pre-trained can do without being trained for it: multiple choice and retrieval."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..data.video_dataset import VideoDataset
from ..data.video_loading import VideoLoader
from ..metrics import metric_path
from ..models.answers_allinone import share_weights
from ..models.modeling_pretraining_allinone import AllInOneForPreTraining
from .retrieval import evaluate_choice, evaluate_retrieval, list_options

if TYPE_CHECKING:
    import datasets

ZERO_SHOT_TASKS = ("multiple-choice", "retrieval")

_RETRIEVAL_FIGURES = tuple(
    f"{direction}_{name}"
    for direction in ("text_to_video", "video_to_text")
    for name in ("recall_at_1", "recall_at_5", "recall_at_10", "median_rank")
)


class ZeroShotEvaluator:
    """
    Held-out rows of tasks that a model is not trained for: multiple choice of captions, by pairs and by features, and
    retrieval, by features.

    Args:
        rows (mapping of `str` to `datasets.Dataset`): Rows of `"multiple-choice"`, with `options` and `label`, and of
            `"retrieval"`, with captions.

    Raises:
        ValueError: For another task.
    """

    def __init__(self, rows: Mapping[str, "datasets.Dataset"]):
        import evaluate

        if unknown := [task for task in rows if task not in ZERO_SHOT_TASKS]:
            names = ", ".join(map(repr, unknown))
            raise ValueError(f"There are rows of {names}; expected those of {', '.join(ZERO_SHOT_TASKS)}.")
        self.rows = dict(rows)
        self._choice, self._retrieval = (
            evaluate.load(metric_path(name), keep_in_memory=True)
            for name in ("multiple_choice_accuracy", "video_text_retrieval")
        )

    def evaluate(
        self,
        model: AllInOneForPreTraining,
        reader: VideoLoader,
        is_blank: bool = False,
        batch_size: int = 32,
        num_workers: int = 0,
    ) -> dict[str, float]:
        """
        Score a model. Processes share the work, and get the same figures.

        Args:
            model ([`AllInOneForPreTraining`])
            reader ([`VideoLoader`]): Reads the clips.
            is_blank (`bool`, defaults to `False`): Whether all clips are blank, see [`VideoDataset`].
            batch_size (`int`, defaults to 32): Clips read, and pairs scored, at a time.
            num_workers (`int`, defaults to 0): Processes that read clips; 0 is this one.

        Returns:
            `dict` of `str` to `float`: What can be measured of the model: `zero_shot_multiple_choice_accuracy`, by its
            matching head, and `zero_shot_multiple_choice_by_features_accuracy`, `zero_shot_text_to_video_recall_at_1`
            and so on, by its projections.
        """
        shared = share_weights(model)
        if shared is None:
            return {}
        sizes = (batch_size, num_workers)
        figures: dict[str, float] = {}
        for task, rows in self.rows.items():
            clips = VideoDataset(rows, is_blank=is_blank)
            if task == "multiple-choice":
                chosen = (shared, reader, clips, *list_options(rows), self._choice)
                if shared.scorer is not None:
                    of_pairs = evaluate_choice(*chosen, "pairs", *sizes)
                    figures["zero_shot_multiple_choice_accuracy"] = of_pairs["accuracy"]
                if shared.text_projection is not None:
                    of_features = evaluate_choice(*chosen, "features", *sizes)
                    figures["zero_shot_multiple_choice_by_features_accuracy"] = of_features["accuracy"]
            elif shared.text_projection is not None:
                found = evaluate_retrieval(shared, reader, clips, self._retrieval, 0, *sizes)
                figures |= {f"zero_shot_{name}": found[name] for name in _RETRIEVAL_FIGURES}
        return figures


__all__ = ["ZERO_SHOT_TASKS", "ZeroShotEvaluator"]
