# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Multiple choice: which of several texts fits a clip."""

from typing import Any

from .checkpoint_mapping_allinone import scores_from_matching_head
from .configuration_allinone import AllInOneConfig
from .heads_allinone import AllInOneClassificationHead, AllInOneTaskModel, score_every_text
from .modeling_allinone import AllInOneModel


@scores_from_matching_head
class AllInOneForMultipleChoice(AllInOneTaskModel):
    """
    All-in-one with a scorer on the pooled output of a clip with each of N texts: multiple-choice questions
    (TGIF-action and -transition, TVQA) and captions (MSRVTT, LSMDC).

    From a checkpoint of [`AllInOneForPreTraining`], a scorer without a hidden layer starts as the row of the matching
    head that says "they match": it ranks captions at once.

    Inputs of `forward`, where they are not those of [`AllInOneModel.forward`]:
        input_ids, attention_mask, token_type_ids (`torch.Tensor` of shape `(B, N, L)`): N texts for each clip.
        inputs_embeds (`torch.FloatTensor` of shape `(B, N, L, D)`, *optional*): Instead of `input_ids`.
        labels (`torch.LongTensor` of shape `(B,)`, *optional*): Index of the right text, -100 for no loss.

    Outputs:
        [`AllInOneTaskOutput`] with `logits` of shape `(B, N)` and as `loss` the mean cross-entropy over the texts;
        `hidden_states` and `attentions` have B * N * T rows, those of a clip's N texts in turn.

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneForMultipleChoice

    >>> model = AllInOneForMultipleChoice(AllInOneConfig.from_preset("tiny")).eval()
    >>> options = torch.tensor([[[101, 5506, 102], [101, 6077, 102]]])  # (B, N, L)
    >>> model(input_ids=options, pixel_values=torch.zeros(1, 3, 3, 224, 224)).logits.shape
    torch.Size([1, 2])

    ```
    """

    def __init__(self, config: AllInOneConfig):
        super().__init__(config)
        self.allinone = AllInOneModel(config)
        self.scorer = AllInOneClassificationHead(config, config.choice_hidden_size, 1, config.choice_dropout)
        self.post_init()

    def _read(self, texts: dict[str, Any], clips: dict[str, Any], **kwargs: Any):
        return score_every_text(self.allinone, self.scorer, **texts, **clips, **kwargs)


__all__ = ["AllInOneForMultipleChoice"]
