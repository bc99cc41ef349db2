# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The three accuracies of visual commonsense reasoning (VCR)."""

import math

from datasets import Features, List, Value

from modeling_allinone.metrics.task_metric import NO_LABEL, TaskMetric, chance_among_first, check_scores


class VisualCommonsense(TaskMetric):
    """Accuracies of visual commonsense reasoning (Zellers et al. 2019). A row is a question with two choices to make:
    an answer (Q→A) and, told the right answer, a rationale for it (QA→R). Q→AR is the share of rows in which both are
    right.

    Ties: where the right option shares the highest score with others, the choice counts as 1 divided by the number of
    those options, which is what choosing among them at random gives on average; for Q→AR the two are multiplied.

    Every row counts. A reference of -100, given where the image could not be read, is counted wrong, whatever the
    prediction.

    Args:
        predictions (array of shape `(rows, 2, options)`, or nested `list`): Scores of the answers, then of the
            rationales, the higher the better. As lists, answers and rationales may differ in number. Infinite scores
            are allowed, NaN is not.
        references (array of shape `(rows, 2)`, or `list` of pairs of `int`): Index of the right answer and of the
            right rationale, from 0; -100 if there is none.

    Returns:
        answer_accuracy (`float`): Q→A, from 0 to 1.
        rationale_accuracy (`float`): QA→R.
        answer_and_rationale_accuracy (`float`): Q→AR.
        num_rows (`int`): Number of rows.
        num_without_label (`int`): Rows with a reference of -100.

    Examples:

        >>> import evaluate
        >>> import torch
        >>> from modeling_allinone.metrics import metric_path
        >>> metric = evaluate.load(metric_path("visual_commonsense"), keep_in_memory=True)
        >>> answer_logits = torch.tensor([[2.0, 1.0, 0.0, 0.0], [0.0, 3.0, 0.0, 1.0]])
        >>> rationale_logits = torch.tensor([[0.0, 1.0, 4.0, 0.0], [5.0, 0.0, 1.0, 1.0]])
        >>> answer_labels, rationale_labels = torch.tensor([0, 1]), torch.tensor([2, 3])
        >>> metric.compute(
        ...     predictions=torch.stack([answer_logits, rationale_logits], dim=1),
        ...     references=torch.stack([answer_labels, rationale_labels], dim=1),
        ... )  # doctest: +NORMALIZE_WHITESPACE
        {'answer_accuracy': 1.0, 'rationale_accuracy': 0.5, 'answer_and_rationale_accuracy': 0.5, 'num_rows': 2,
         'num_without_label': 0}

    Citation:

        @inproceedings{zellers2019vcr,
            title = {From Recognition to Cognition: Visual Commonsense Reasoning},
            author = {Zellers, Rowan and Bisk, Yonatan and Farhadi, Ali and Choi, Yejin},
            booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
            year = {2019}
        }
    """

    def row_features(self) -> Features:
        return Features({"predictions": List(List(Value("float64"))), "references": List(Value("int64"))})

    def _compute(self, predictions: list[list[list[float]]], references: list[list[int]]) -> dict:
        credits = []
        for row, (scores, labels) in enumerate(zip(predictions, references, strict=True)):
            pairs: tuple[tuple[str, list], ...] = (("predictions", scores), ("references", labels))
            for name, pair in pairs:
                if pair is None or len(pair) != 2:
                    raise ValueError(
                        f"{name}[{row}] has {len(pair or ())} entries; give two, of the answer and of the rationale: "
                        f"stack the two arrays along dimension 1."
                    )
            places = (f"the {choice} in row {row}" for choice in ("answer", "rationale"))
            choices = zip(places, scores, labels, strict=True)
            credits.append([chance_among_first(1, check_scores(*choice), choice[2]) for choice in choices])
        num_rows = len(credits)
        return {
            "answer_accuracy": math.fsum(answer for answer, _ in credits) / num_rows,
            "rationale_accuracy": math.fsum(rationale for _, rationale in credits) / num_rows,
            "answer_and_rationale_accuracy": math.fsum(answer * rationale for answer, rationale in credits) / num_rows,
            "num_rows": num_rows,
            "num_without_label": sum(NO_LABEL in labels for labels in references),
        }
