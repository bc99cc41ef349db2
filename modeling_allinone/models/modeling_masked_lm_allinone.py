# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Masked language modelling: the words that are hidden in a text, by the text and its clip."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from .configuration_allinone import AllInOneConfig
from .embeddings_allinone import text_shape
from .heads_allinone import TIED_WORDS, AllInOneMaskedLMHead, AllInOneTaskModel
from .modeling_allinone import AllInOneModel, input_shapes, num_weights


class AllInOneForMaskedLM(AllInOneTaskModel):
    """
    All-in-one with a masked-language-modelling head on its text tokens. Without `pixel_values` it is a text model.

    Inputs of `forward`, beside those of [`AllInOneModel.forward`], of which text is required:
        labels (`torch.LongTensor` of shape `(B, L)`, *optional*): Token to predict at each place, -100 for none.

    Outputs:
        [`AllInOneTaskOutput`] with `logits` of shape `(B, L, vocab_size)` and as `loss` the mean cross-entropy over
        labelled tokens. In training, if labels are given, only labelled tokens have logits: their shape is
        `(labelled tokens, vocab_size)`, unless the model is compiled.

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
        num_decoded = self.mlm_head.num_decoded(math.prod(text), inputs.get("labels"))
        return self._multiply_adds_of_pass(text, clips, text[-1]) + num_decoded * num_weights(self.mlm_head)

    def _predict(self, texts: dict[str, Any], clips: dict[str, Any], labels: torch.Tensor | None, **kwargs: Any):
        _, num_text_tokens = text_shape(texts["input_ids"], texts["inputs_embeds"], 2)
        outputs = self.allinone(**texts, **clips, tokens_to_keep=num_text_tokens, return_dict=True, **kwargs)
        return *self.mlm_head.score_words(outputs.last_hidden_state[:, :num_text_tokens], labels), outputs


__all__ = ["AllInOneForMaskedLM"]
