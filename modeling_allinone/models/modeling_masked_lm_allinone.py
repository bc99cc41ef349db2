# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Masked language modelling: the words that are hidden in a text, by the text and its clip."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .configuration_allinone import AllInOneConfig
from .embeddings_allinone import text_shape
from .heads_allinone import TIED_WORDS, AllInOneMaskedLMHead, AllInOneTaskOutput, task_output
from .modeling_allinone import AllInOneModel, AllInOnePreTrainedModel, input_shapes, num_weights
from .task_losses_allinone import classification_loss


class AllInOneForMaskedLM(AllInOnePreTrainedModel):
    """
    All-in-one with a masked-language-modelling head on its text tokens. Without `pixel_values` it is a text model.

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneForMaskedLM

    >>> model = AllInOneForMaskedLM(AllInOneConfig.from_preset("tiny")).eval()
    >>> input_ids = torch.tensor([[101, 1037, 103, 102]])  # [CLS] a [MASK] [SEP]
    >>> model(input_ids=input_ids, pixel_values=torch.zeros(1, 3, 3, 224, 224)).logits.shape
    torch.Size([1, 4, 30522])

    ```
    """

    _tied_weights_keys = TIED_WORDS

    def __init__(self, config: AllInOneConfig):
        super().__init__(config)
        self.allinone = AllInOneModel(config, add_pooling_layer=False)
        self.mlm_head = AllInOneMaskedLMHead(config)
        self.post_init()

    def _multiply_adds(self, inputs: Mapping[str, Any]) -> int:
        text, clips = input_shapes(inputs)
        return self._multiply_adds_of_pass(text, clips) + math.prod(text) * num_weights(self.mlm_head)

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
            input_ids, attention_mask, token_type_ids, pixel_values, pixel_mask, inputs_embeds, patch_permutation: As
                in [`AllInOneModel.forward`]; text is required.
            labels (`torch.LongTensor` of shape `(B, L)`, *optional*): Token to predict at each place, -100 for none.

        Returns:
            [`AllInOneTaskOutput`] with `logits` of shape `(B, L, vocab_size)` and as `loss` the mean cross-entropy
            over labelled tokens.
        """
        num_text_tokens = text_shape(input_ids, inputs_embeds, 2)[1]
        batch = (input_ids, attention_mask, token_type_ids, pixel_values, pixel_mask, inputs_embeds, patch_permutation)
        outputs = self.allinone(*batch, return_dict=True, **kwargs)
        logits = self.mlm_head(outputs.last_hidden_state[:, :num_text_tokens])
        return task_output(classification_loss(logits, labels), logits, outputs)


__all__ = ["AllInOneForMaskedLM"]
