# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Video question answering: the answer to a question, out of a closed set."""

import torch

from .configuration_allinone import AllInOneConfig
from .heads_allinone import AllInOneTaskModel, make_classifier
from .modeling_allinone import AllInOneModel
from .task_losses_allinone import loss_of_problem_type, refuse_problem_type


class AllInOneForVideoQuestionAnswering(AllInOneTaskModel):
    """
    All-in-one with a classifier over a closed set of answers on its pooled output: open-ended video question answering
    (MSRVTT-QA, MSVD-QA, TGIF-FrameQA) and, with soft labels, VQAv2. Answers are `config.id2label`.

    Losses are the original's. `config.problem_type` is `"single_label_classification"`, one answer each, or
    `"multi_label_classification"`, soft labels, whose loss is the binary cross-entropy times the number of answers and
    not its mean over answers, as in the heads of transformers. If it is `None`, the type of the labels decides.

    Inputs of `forward`, beside those of [`AllInOneModel.forward`]:
        labels (`torch.LongTensor` of shape `(B,)` or `torch.FloatTensor` of shape `(B, num_labels)`, *optional*):
            Index of the answer, -100 for one outside the vocabulary; or the score, from 0 to 1, of every answer.

    Outputs:
        [`AllInOneTaskOutput`] with `logits` of shape `(B, num_labels)` and as `loss` the mean cross-entropy over
        answers in the vocabulary, or for soft labels the binary cross-entropy times the number of answers.

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneForVideoQuestionAnswering

    >>> config = AllInOneConfig.from_preset("tiny", id2label={0: "yes", 1: "no"})
    >>> model = AllInOneForVideoQuestionAnswering(config).eval()
    >>> logits = model(input_ids=torch.tensor([[101, 2003, 102]]), pixel_values=torch.zeros(1, 3, 3, 224, 224)).logits
    >>> answer = config.id2label[logits.argmax(-1).item()]

    ```
    """

    def __init__(self, config: AllInOneConfig):
        super().__init__(config)
        refuse_problem_type(
            config, ("single_label_classification", "multi_label_classification"), "answers are chosen or scored"
        )
        self.allinone = AllInOneModel(config)
        self.classifier = make_classifier(config)
        self.post_init()

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor | None:
        return loss_of_problem_type(self.config, logits, labels)


__all__ = ["AllInOneForVideoQuestionAnswering"]
