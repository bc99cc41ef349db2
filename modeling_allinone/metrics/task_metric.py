# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What the metrics share: a class that is described by its docstring, and scores of options that are checked."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from textwrap import dedent

import evaluate
import numpy as np
from datasets import Features, List, Value

NO_LABEL = -100
# A score for each option or class, and the index of the right one.
SCORED_OPTIONS = Features({"predictions": List(Value("float64")), "references": Value("int64")})


class TaskMetric(evaluate.Metric, ABC):
    """
    A metric of a task. The docstring of its class has the description, then `Args`, `Returns`, `Examples` and
    `Citation`, which are those of the `evaluate` module.
    """

    @abstractmethod
    def row_features(self) -> Features | list[Features]:
        """Types of the inputs that have an entry for each row, or the types that they may have."""

    def _info(self) -> evaluate.MetricInfo:
        description, _, inputs = (inspect.getdoc(type(self)) or "").partition("\nArgs:\n")
        inputs, _, citation = inputs.partition("\nCitation:\n")
        return evaluate.MetricInfo(
            description=description,
            citation=dedent(citation).strip(),
            inputs_description=f"Args:\n{inputs}",
            features=self.row_features(),
        )

    def add_batch(self, *, predictions=None, references=None, **kwargs) -> None:
        """Add some rows, one or more.

        Raises:
            ValueError: If there are none.
        """
        # evaluate reads the type of the rows from the first of them.
        if predictions is None or references is None or len(predictions) == 0:
            raise ValueError("There are no rows to score; add predictions and references of at least one.")
        super().add_batch(predictions=predictions, references=references, **kwargs)


def check_scores(place: str, scores: Sequence[float] | None, label: int | None) -> np.ndarray:
    """Check the scores of the options, or classes, of a row, and the label that says which is right.

    Args:
        place (`str`): What has them, such as "row 3", for the message.
        scores (`Sequence[float]`): Score of each, the higher the better.
        label (`int`): Index of the right one, or -100.

    Returns:
        `np.ndarray`: The scores, float64.

    Raises:
        ValueError: If there are no scores, one is NaN, or the label is none of their indices.
    """
    if not scores:
        raise ValueError(f"The scores of {place} are {scores}; give one for each option.")
    values = np.array(scores, dtype=np.float64)
    if np.isnan(values).any():
        raise ValueError(f"The scores of {place} have NaN at option {np.isnan(values).argmax()}; check the model.")
    if label != NO_LABEL and (label is None or not 0 <= label < len(values)):
        raise ValueError(
            f"The label of {place} is {label}, but it has {len(values)} options; give the index of the right one, "
            f"from 0 to {len(values) - 1}, or {NO_LABEL} to count the row as wrong."
        )
    return values


def chance_among_first(k: int, scores: np.ndarray, label: int) -> float:
    """Chance that the right option is among the first k, where options of equal score are put in random order.

    Args:
        k (`int`): How many are looked at, from 1.
        scores (`np.ndarray` of shape `(options,)`): Score of each, the higher the better.
        label (`int`): Index of the right one; -100 for none, whose chance is 0.

    Returns:
        `float`: 0 or 1, or a fraction in a tie.
    """
    if label == NO_LABEL:
        return 0.0
    num_better = (scores > scores[label]).sum()
    num_equal = (scores == scores[label]).sum()
    return float(np.clip((k - num_better) / num_equal, 0, 1))
