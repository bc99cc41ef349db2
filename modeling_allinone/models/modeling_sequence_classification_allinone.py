# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Whether a text fits a clip: one score for each pair, as libraries of re-rankers ask for it."""

import copy
from typing import Any

import torch

from .checkpoint_mapping_allinone import scores_from_matching_head
from .configuration_allinone import AllInOneConfig
from .heads_allinone import AllInOneClassificationHead, AllInOneTaskModel, num_classes
from .modeling_allinone import AllInOneModel
from .task_losses_allinone import loss_of_problem_type, refuse_problem_type


@scores_from_matching_head
class AllInOneForSequenceClassification(AllInOneTaskModel):
    """
    The scorer of pairs of [`AllInOneForVideoTextRetrieval`] on its own, one logit for each text and its clip: what
    `AutoModelForSequenceClassification` makes of a folder of that class, and `CrossEncoder` of sentence-transformers
    with it. Its logits are those of `score_pairs`.

    From a checkpoint of [`AllInOneForPreTraining`], the scorer starts as the row of the matching head that says "they
    match".

    Inputs of `forward`, where they are not those of [`AllInOneModel.forward`]:
        input_ids, pixel_values: Both are needed.
        labels (`torch.Tensor` of shape `(B,)` or `(B, 1)`, *optional*): Whether text and clip belong together, from
            0 to 1; -100 for no loss.

    Outputs:
        [`AllInOneTaskOutput`] with `logits` of shape `(B, 1)` and as `loss` the mean binary cross-entropy.

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneForSequenceClassification

    >>> model = AllInOneForSequenceClassification(AllInOneConfig.from_preset("tiny")).eval()
    >>> model(input_ids=torch.tensor([[101, 5506, 102]]), pixel_values=torch.zeros(1, 3, 3, 224, 224)).logits.shape
    torch.Size([1, 1])

    ```
    """

    _keys_to_ignore_on_load_unexpected = [r"^(text|video)_projection\."]

    def __init__(self, config: AllInOneConfig):
        if num_classes(config) > 2:  # 2 is what a configuration has that says nothing
            raise ValueError(
                f"num_labels is {config.num_labels}, but a text and its clip have one score; load with num_labels=1."
            )
        refuse_problem_type(config, ("multi_label_classification",), "a text fits its clip or does not")
        if config.num_labels != 1:
            config = copy.deepcopy(config)
            config.num_labels = 1
        super().__init__(config)
        self.allinone = AllInOneModel(config)
        self.scorer = AllInOneClassificationHead(config, None, 1)
        self.post_init()

    def _read(self, texts: dict[str, Any], clips: dict[str, Any], **kwargs: Any):
        if clips["pixel_values"] is None or (texts["input_ids"] is None and texts["inputs_embeds"] is None):
            raise ValueError(
                "Scoring pairs needs both text and video: give input_ids and pixel_values. (CrossEncoder reads both "
                "of a pair in folders that save_sentence_transformer has written, and if the clip is there.)"
            )
        outputs = self._backbone(**texts, **clips, tokens_to_keep=1, return_dict=True, **kwargs)
        return self.scorer(outputs.pooler_output), outputs

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor | None:
        if labels is not None:
            labels = labels.to(logits.dtype)
            labels = labels[:, None] if labels.ndim == 1 else labels
        return loss_of_problem_type(self.config, logits, labels)


__all__ = ["AllInOneForSequenceClassification"]
