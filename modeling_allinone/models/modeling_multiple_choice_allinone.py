# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Multiple choice: which of several texts fits a clip."""

import torch
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .checkpoint_mapping_allinone import scores_from_matching_head
from .configuration_allinone import AllInOneConfig
from .heads_allinone import AllInOneClassificationHead, AllInOneTaskOutput, score_every_text, task_output
from .modeling_allinone import AllInOneModel, AllInOnePreTrainedModel
from .task_losses_allinone import classification_loss


@scores_from_matching_head
class AllInOneForMultipleChoice(AllInOnePreTrainedModel):
    """
    All-in-one with a scorer on the pooled output of a clip with each of N texts: multiple-choice questions
    (TGIF-action and -transition, TVQA) and captions (MSRVTT, LSMDC).

    From a checkpoint of [`AllInOneForPreTraining`], a scorer without a hidden layer starts as the row of the matching
    head that says "they match": it ranks captions at once.

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

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        patch_permutation: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AllInOneTaskOutput:
        """
        Args:
            input_ids, attention_mask, token_type_ids (`torch.Tensor` of shape `(B, N, L)`): N texts for each clip.
            pixel_values, pixel_mask, patch_permutation: As in [`AllInOneModel.forward`], one clip for N texts.
            inputs_embeds (`torch.FloatTensor` of shape `(B, N, L, D)`, *optional*): Instead of `input_ids`.
            labels (`torch.LongTensor` of shape `(B,)`, *optional*): Index of the right text, -100 for no loss.

        Returns:
            [`AllInOneTaskOutput`] with `logits` of shape `(B, N)` and as `loss` the mean cross-entropy over the texts;
            `hidden_states` and `attentions` have B * N * T rows, those of a clip's N texts in turn.
        """
        texts = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        clips = {"pixel_values": pixel_values, "pixel_mask": pixel_mask, "patch_permutation": patch_permutation}
        logits, outputs = score_every_text(
            self.allinone, self.scorer, **texts, inputs_embeds=inputs_embeds, **clips, **kwargs
        )
        return task_output(classification_loss(logits, labels), logits, outputs)


__all__ = ["AllInOneForMultipleChoice"]
