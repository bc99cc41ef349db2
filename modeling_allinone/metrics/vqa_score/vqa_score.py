# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""VQA score: soft accuracy of an answer that several people may have given."""

import math
from collections import Counter
from collections.abc import Mapping
from numbers import Integral, Real

from datasets import Features, List, Value

from modeling_allinone.metrics.task_metric import TaskMetric

_NUM_HUMAN_ANSWERS = 10


def _scores_of_answers(row: int, reference: Mapping | list) -> dict:
    """Brings the three forms of a reference to a mapping from answer or id to score, without zeros."""
    if isinstance(reference, Mapping):
        scores = dict(reference)
    elif isinstance(reference, list | tuple) and reference and all(isinstance(item, str) for item in reference):
        if len(reference) != _NUM_HUMAN_ANSWERS:
            raise ValueError(
                f"references[{row}] has {len(reference)} human answers but the score is defined for "
                f"{_NUM_HUMAN_ANSWERS}; pass a dict of answer to score instead."
            )
        # In tenths, because 0.3 * 3 is less than 0.9.
        scores = {answer: min(10, 3 * count) / 10 for answer, count in Counter(reference).items()}
    elif isinstance(reference, list | tuple) and reference:
        scores = dict(enumerate(reference))
    else:
        raise ValueError(
            f"references[{row}] is {reference!r}; give a dict of answer to score, the scores of all ids, or ten human "
            f"answers."
        )
    for answer, score in scores.items():
        if not isinstance(score, Real) or not 0 <= float(score) <= 1:
            raise ValueError(f"references[{row}] has the score {score!r} for {answer!r}; give a number from 0 to 1.")
    return {answer: score for answer, score in scores.items() if score > 0}


def _check_prediction(row: int, prediction: str | int, reference: Mapping | list, scores: dict) -> None:
    """Refuse a prediction that is no answer, or another kind of one than those of its reference."""
    if not isinstance(prediction, str) and not (isinstance(prediction, Integral) and prediction >= 0):
        raise ValueError(
            f"predictions[{row}] is {prediction!r}; give an answer, or the id of one, from 0, such as the index of "
            f"the highest logit."
        )
    if isinstance(prediction, Integral) and not isinstance(reference, Mapping) and prediction >= len(reference):
        raise ValueError(
            f"predictions[{row}] is {prediction}, but references[{row}] has {len(reference)} scores; give an id from "
            f"0 to {len(reference) - 1}."
        )
    for answer in scores:
        if isinstance(answer, str) != isinstance(prediction, str):
            raise ValueError(
                f"predictions[{row}] is {prediction!r} but references[{row}] has {answer!r}; give answers in both, or "
                f"ids in both."
            )


class VQAScore(TaskMetric):
    """VQA score (Antol et al. 2015): each answer to a question has a score from 0 to 1, and a prediction earns that of
    its answer, 0 if it has none. Of ten human answers, one that n people gave scores min(1, 0.3 n): 0.3, 0.6, 0.9, 1.
    This is the official min(1, n / 3), averaged over the ten ways to leave one person out.

    Every row counts, also one without any answer that scores. Answers are compared as they are: bring predictions and
    human answers to the same case and spelling first, as the official evaluation does.

    Args:
        predictions (`list` of `str` or `int`): Predicted answers, or their ids, from 0.
        references (`list`, or array of shape `(rows, answers)`): For every row, one of

            - a `dict` of answer (or id, as in `predictions`) to score; answers that it lacks score 0;
            - a `list` of the scores of all ids, as in the labels of a model that is trained on soft scores;
            - a `list` of ten `str`, the human answers.

            Scores are from 0 to 1.

    Returns:
        vqa_score (`float`): From 0 to 1.
        num_rows (`int`): Number of rows.
        num_out_of_vocabulary (`int`): Rows in which no answer scores, as where all human answers are outside the
            vocabulary.

    Examples:

        >>> import evaluate
        >>> from modeling_allinone.metrics import metric_path
        >>> metric = evaluate.load(metric_path("vqa_score"), keep_in_memory=True)

        Scores by answer, by id, and of all ids:

        >>> metric.compute(predictions=["red", "two"], references=[{"red": 0.9, "pink": 0.3}, {"three": 1.0}])
        {'vqa_score': 0.45, 'num_rows': 2, 'num_out_of_vocabulary': 0}
        >>> metric.compute(predictions=[17, 4], references=[{17: 0.9, 8: 0.3}, {}])
        {'vqa_score': 0.45, 'num_rows': 2, 'num_out_of_vocabulary': 1}
        >>> metric.compute(predictions=[2, 0], references=[[0.0, 0.3, 0.9], [0.0, 1.0, 0.0]])
        {'vqa_score': 0.45, 'num_rows': 2, 'num_out_of_vocabulary': 0}

        Ten human answers, of the official annotations `[entry["answer"] for entry in annotation["answers"]]`:

        >>> metric.compute(predictions=["pink"], references=[["red"] * 8 + ["pink"] * 2])
        {'vqa_score': 0.6, 'num_rows': 1, 'num_out_of_vocabulary': 0}

    Citation:

        @inproceedings{antol2015vqa,
            title = {VQA: Visual Question Answering},
            author = {Antol, Stanislaw and Agrawal, Aishwarya and Lu, Jiasen and Mitchell, Margaret and Batra, Dhruv
                and Zitnick, C. Lawrence and Parikh, Devi},
            booktitle = {IEEE International Conference on Computer Vision},
            year = {2015}
        }
    """

    def row_features(self) -> list[Features]:
        scores = List(Value("float64"))
        return [
            Features({"predictions": Value(answer), "references": {"answers": List(Value(answer)), "scores": scores}})
            for answer in ("string", "int64")
        ]

    def add_batch(self, *, predictions=None, references=None, **kwargs) -> None:
        """Adds some rows, one or more; of the references only the answers that score are kept."""
        if predictions is None or references is None:
            raise ValueError("Give predictions and references, one of each for every row.")
        if len(predictions) != len(references):
            raise ValueError(
                f"There are {len(predictions)} predictions but {len(references)} references; give as many of both."
            )
        predictions, references = (
            [value.tolist() if hasattr(value, "tolist") else value for value in values]
            for values in (predictions, references)
        )
        rows = []
        for row, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
            scores = _scores_of_answers(row, reference)
            _check_prediction(row, prediction, reference, scores)
            rows.append({"answers": list(scores), "scores": list(scores.values())})
        super().add_batch(predictions=predictions, references=rows, **kwargs)

    def add(self, *, prediction=None, reference=None) -> None:
        """Adds one row."""
        self.add_batch(predictions=[prediction], references=[reference])

    def _compute(self, predictions: list, references: list[dict]) -> dict:
        earned = [
            dict(zip(reference["answers"], reference["scores"], strict=True)).get(prediction, 0.0)
            for prediction, reference in zip(predictions, references, strict=True)
        ]
        return {
            "vqa_score": math.fsum(earned) / len(earned),
            "num_rows": len(earned),
            "num_out_of_vocabulary": sum(not reference["answers"] for reference in references),
        }
