# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Paired visual reasoning: whether a statement about two images or clips holds.

Shapes in the comments: B pairs, T frames, L text tokens.
"""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from .checkpoint_mapping_allinone import adds_modality_types
from .configuration_allinone import AllInOneConfig
from .embeddings_allinone import text_shape
from .heads_allinone import AllInOneClassificationHead, AllInOneTaskModel, num_classes
from .modeling_allinone import AllInOneModel, input_shapes, num_weights
from .task_losses_allinone import refuse_problem_type

_NUM_MODALITY_TYPES = 3  # text, first and second clip


@adds_modality_types
class AllInOneForPairedVisualReasoning(AllInOneTaskModel):
    """
    All-in-one for a statement about two images or clips (NLVR2): each is read with the text in a pass of its own, the
    second with a modality type of its own, and a classifier sees both pooled outputs. Classes are `config.id2label`.

    There are three modality types: text, first and second clip, also where the configuration says two. Loaded from a
    checkpoint with two, the second clip's starts as that of the first, as in the original.

    Inputs of `forward`, where they are not those of [`AllInOneModel.forward`]:
        pixel_values (`torch.FloatTensor` of shape `(B, 2, T, channels, height, width)`): Two clips for each text, or
            two images: `(B, 2, channels, height, width)`.
        pixel_mask (`torch.Tensor` of shape `(B, 2, height, width)` or `(B, 2, T, height, width)`, *optional*): 1 for
            pixels, 0 for padding.
        patch_permutation (`torch.LongTensor` of shape `(B, 2, T, P)`, *optional*): For each clip of the pair.
        labels (`torch.LongTensor` of shape `(B,)`, *optional*): Index of the class, -100 for no loss.

    Outputs:
        [`AllInOneTaskOutput`] with `logits` of shape `(B, num_labels)` and as `loss` the mean cross-entropy.
        `hidden_states` and `attentions` are those of the pass over the first clip, then of that over the second, one
        after the other: indices in `output_hidden_states` count through both. `patch_permutation` is of shape
        `(B, 2, T, P)`.

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneForPairedVisualReasoning

    >>> model = AllInOneForPairedVisualReasoning(AllInOneConfig.from_preset("tiny")).eval()
    >>> model(input_ids=torch.tensor([[101, 2119, 102]]), pixel_values=torch.zeros(1, 2, 1, 3, 224, 224)).logits.shape
    torch.Size([1, 2])

    ```
    """

    def __init__(self, config: AllInOneConfig):
        if config.modality_type_vocab_size < _NUM_MODALITY_TYPES:
            config = copy.deepcopy(config)
            config.modality_type_vocab_size = _NUM_MODALITY_TYPES
        super().__init__(config)
        refuse_problem_type(config, ("single_label_classification",), "a pair has one class")
        self.allinone = AllInOneModel(config)
        self.classifier = AllInOneClassificationHead(
            config,
            config.classifier_hidden_size or 2 * config.hidden_size,
            num_classes(config),
            input_size=2 * config.hidden_size,
        )
        self.post_init()

    def _multiply_adds(self, inputs: Mapping[str, Any]) -> int:
        text, pairs = input_shapes(inputs)
        of_pass = self._multiply_adds_of_pass(text, (pairs[0], *pairs[2:]))
        return 2 * of_pass + pairs[0] * num_weights(self.classifier)

    def _read(self, texts: dict[str, Any], clips: dict[str, Any], **kwargs: Any):
        text_shape(texts["input_ids"], texts["inputs_embeds"], 2)
        pixel_values = clips["pixel_values"]
        if pixel_values is None or pixel_values.ndim not in (5, 6) or pixel_values.shape[1] != 2:
            found = "is missing" if pixel_values is None else f"has shape {tuple(pixel_values.shape)}"
            raise ValueError(
                f"pixel_values {found}, but expected a pair for each text: (batch, 2, frames, channels, height, "
                "width), or (batch, 2, channels, height, width) for images."
            )
        clips = {name: values for name, values in clips.items() if values is not None}
        for name, values in clips.items():
            if values.ndim < 2 or values.shape[1] != 2:
                raise ValueError(f"{name} has shape {tuple(values.shape)}, but expected a pair: (batch, 2, …).")
        wants_hidden_states = kwargs.pop("output_hidden_states", None)
        if wants_hidden_states is None:
            wants_hidden_states = self.config.output_hidden_states
        chosen = self._choose_hidden_states(wants_hidden_states)
        first, second = (
            self.allinone(
                **texts,
                **{name: values[:, place] for name, values in clips.items()},
                image_token_type_idx=1 + place,
                output_hidden_states=chosen[place],
                tokens_to_keep=1,
                return_dict=True,
                **kwargs,
            )
            for place in range(2)
        )
        logits = self.classifier(torch.cat([first.pooler_output, second.pooler_output], dim=-1))
        hidden_states = None
        if any(chosen):
            none = (None,) * (self.config.num_hidden_layers + 1)
            hidden_states = (first.hidden_states or none) + (second.hidden_states or none)
        outputs = replace(
            first,
            hidden_states=hidden_states,
            attentions=None if first.attentions is None else first.attentions + second.attentions,
            patch_permutation=torch.stack([first.patch_permutation, second.patch_permutation], dim=1),
        )
        return logits, outputs

    def _choose_hidden_states(self, output_hidden_states: bool | int | list[int]) -> list[bool | list[int]]:
        """What each pass is asked for, of indices that count through the hidden states of both."""
        if isinstance(output_hidden_states, bool):
            return [output_hidden_states] * 2
        wanted = [output_hidden_states] if isinstance(output_hidden_states, int) else output_hidden_states
        of_pass = self.config.num_hidden_layers + 1
        wanted = [index % (2 * of_pass) for index in wanted if -2 * of_pass <= index < 2 * of_pass]
        return [[index % of_pass for index in wanted if index // of_pass == place] for place in range(2)]


__all__ = ["AllInOneForPairedVisualReasoning"]
