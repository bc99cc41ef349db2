# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Video classification: which action a clip shows."""

from collections.abc import Mapping
from typing import Any

import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs

from .configuration_allinone import AllInOneConfig
from .heads_allinone import AllInOneTaskModel, AllInOneTaskOutput, make_classifier
from .modeling_allinone import AllInOneModel, input_shapes
from .task_losses_allinone import infer_problem_type, loss_of_problem_type


class AllInOneForVideoClassification(AllInOneTaskModel):
    """
    All-in-one with a classifier over actions on its pooled output (Kinetics-400, HMDB51), the same as for answers. The
    clip is read with a prompt that is the same for all, or alone. What the model was trained with stands in
    `config.prompt`, and is read where no text is given. Classes are `config.id2label`.

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneForVideoClassification

    >>> config = AllInOneConfig.from_preset("tiny", id2label={0: "archery", 1: "bowling", 2: "clapping"})
    >>> model = AllInOneForVideoClassification(config).eval()
    >>> pixel_values = torch.zeros(2, 3, 3, 224, 224)
    >>> model(pixel_values).logits.shape
    torch.Size([2, 3])
    >>> prompt = torch.tensor([[101, 2054, 2895, 102]])  # [CLS] what action [SEP]
    >>> model(pixel_values, input_ids=prompt).logits.shape
    torch.Size([2, 3])

    ```
    """

    main_input_name = "pixel_values"

    def __init__(self, config: AllInOneConfig):
        super().__init__(config)
        self.allinone = AllInOneModel(config)
        self.classifier = make_classifier(config)
        self.post_init()

    def forward(
        self,
        pixel_values: torch.Tensor | None = None,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        patch_permutation: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AllInOneTaskOutput:
        """
        Args:
            pixel_values, pixel_mask, patch_permutation: As in [`AllInOneModel.forward`]; video is required.
            input_ids, attention_mask, token_type_ids, inputs_embeds: As in [`AllInOneModel.forward`], with B rows or
                one, a prompt for all clips. Default: `config.prompt_input_ids`, if it has any.
            labels (`torch.Tensor`, *optional*): By `config.problem_type`, which the first labels decide as in
                heads of transformers: for `"single_label_classification"` (integers) the index of the class `(B,)`,
                -100 for no loss; for `"multi_label_classification"` (floats) a score from 0 to 1 for every class
                `(B, num_labels)`, -100 for no loss; for `"regression"` (one label) numbers `(B,)`, or
                `(B, num_labels)`.

        Returns:
            [`AllInOneTaskOutput`] with `logits` of shape `(B, num_labels)` and as `loss` the mean cross-entropy,
            binary cross-entropy or squared error.
        """
        if pixel_values is None:
            raise ValueError("This head classifies video: give pixel_values.")
        if input_ids is None and inputs_embeds is None and self.config.prompt_input_ids is not None:
            input_ids = torch.tensor([self.config.prompt_input_ids], device=pixel_values.device)
        num_clips = pixel_values.shape[0]
        input_ids, attention_mask, token_type_ids, inputs_embeds = (
            text.expand(num_clips, *text.shape[1:]) if text is not None and text.shape[0] == 1 else text
            for text in (input_ids, attention_mask, token_type_ids, inputs_embeds)
        )
        batch = (input_ids, attention_mask, token_type_ids, pixel_values, pixel_mask, inputs_embeds, patch_permutation)
        return super().forward(*batch, labels, **kwargs)

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor | None:
        config = self.config
        if labels is not None and config.problem_type is None:  # the first labels decide for all
            config.problem_type = "regression" if config.num_labels == 1 else infer_problem_type(labels)
        loss = loss_of_problem_type(config, logits, labels)
        if loss is not None and config.problem_type == "multi_label_classification":
            loss = loss / logits.shape[1]  # the mean over classes, as of heads of transformers
        return loss

    def _multiply_adds(self, inputs: Mapping[str, Any]) -> int:
        if not input_shapes(inputs)[0] and self.config.prompt_input_ids is not None:
            inputs = {**inputs, "input_ids": torch.tensor([self.config.prompt_input_ids])}
        return super()._multiply_adds(inputs)


# Where transformers' own pipeline looks whether it knows a model.
MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES["allinone"] = AllInOneForVideoClassification.__name__

__all__ = ["AllInOneForVideoClassification"]
