# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Visual commonsense reasoning: which answer is right, and why.

Shapes in the comments: B clips, T frames, L text tokens, N texts for each clip.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers.modeling_outputs import ModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .configuration_allinone import AllInOneConfig
from .heads_allinone import AllInOneClassificationHead, score_every_text
from .modeling_allinone import AllInOneModel, AllInOnePreTrainedModel, input_shapes, num_rows, num_weights
from .task_losses_allinone import add_losses, classification_loss


@dataclass
class AllInOneVisualCommonsenseOutput(ModelOutput):
    """
    What [`AllInOneForVisualCommonsenseReasoning`] returns, of answers, of rationales, or of both.

    Args:
        loss (`torch.FloatTensor`, *optional*): Sum of the losses below, of those that are there.
        answer_loss (`torch.FloatTensor`, *optional*): Mean cross-entropy over answers; present if `answer_labels` were
            given.
        rationale_loss (`torch.FloatTensor`, *optional*): Mean cross-entropy over rationales; present if
            `rationale_labels` were given.
        answer_logits (`torch.FloatTensor` of shape `(B, N)`, *optional*): Scores of the answers before softmax.
        rationale_logits (`torch.FloatTensor` of shape `(B, N)`, *optional*): Scores of the rationales before softmax.
        answer_hidden_states, answer_attentions, answer_patch_permutation: As in [`AllInOneModelOutput`], of the pass
            over answers; hidden states and attentions have B * N * T rows, those of a clip's N texts in turn.
        rationale_hidden_states, rationale_attentions, rationale_patch_permutation: Likewise, of the pass over
            rationales.
    """

    loss: torch.Tensor | None = None
    answer_loss: torch.Tensor | None = None
    rationale_loss: torch.Tensor | None = None
    answer_logits: torch.Tensor | None = None
    rationale_logits: torch.Tensor | None = None
    answer_hidden_states: tuple[torch.Tensor, ...] | None = None
    rationale_hidden_states: tuple[torch.Tensor, ...] | None = None
    answer_attentions: tuple[torch.Tensor, ...] | None = None
    rationale_attentions: tuple[torch.Tensor, ...] | None = None
    answer_patch_permutation: torch.Tensor | None = None
    rationale_patch_permutation: torch.Tensor | None = None


class AllInOneForVisualCommonsenseReasoning(AllInOnePreTrainedModel):
    """
    All-in-one for visual commonsense reasoning (VCR): one scorer picks the answer to a question, the other the
    rationale for the right answer. Each of the N texts is the question with an answer, or the question and its answer
    with a rationale.

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneForVisualCommonsenseReasoning

    >>> model = AllInOneForVisualCommonsenseReasoning(AllInOneConfig.from_preset("tiny")).eval()
    >>> texts = torch.tensor([[[101, 5506, 102], [101, 6077, 102]]])  # (B, N, L)
    >>> outputs = model(answer_input_ids=texts, rationale_input_ids=texts, pixel_values=torch.zeros(1, 3, 224, 224))
    >>> outputs.answer_logits.shape, outputs.rationale_logits.shape
    (torch.Size([1, 2]), torch.Size([1, 2]))

    ```
    """

    main_input_name = "answer_input_ids"

    def __init__(self, config: AllInOneConfig):
        super().__init__(config)
        self.allinone = AllInOneModel(config)
        self.answer_scorer = AllInOneClassificationHead(config, None, 1)
        self.rationale_scorer = AllInOneClassificationHead(config, None, 1)
        self.post_init()

    def _multiply_adds(self, inputs: Mapping[str, Any]) -> int:
        total = 0
        for part, scorer in (("answer_", self.answer_scorer), ("rationale_", self.rationale_scorer)):
            text, clips = input_shapes(inputs, part)
            if text:
                total += self._multiply_adds_of_pass(text, clips) + num_rows(text, clips) * num_weights(scorer)
        return total

    @can_return_tuple
    def forward(
        self,
        answer_input_ids: torch.Tensor | None = None,
        answer_attention_mask: torch.Tensor | None = None,
        answer_token_type_ids: torch.Tensor | None = None,
        rationale_input_ids: torch.Tensor | None = None,
        rationale_attention_mask: torch.Tensor | None = None,
        rationale_token_type_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        patch_permutation: torch.Tensor | None = None,
        answer_labels: torch.Tensor | None = None,
        rationale_labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AllInOneVisualCommonsenseOutput:
        """
        Args:
            answer_input_ids, answer_attention_mask, answer_token_type_ids (`torch.Tensor` of shape `(B, N, L)`,
                *optional*): N answers for each clip.
            rationale_input_ids, rationale_attention_mask, rationale_token_type_ids (`torch.Tensor` of shape
                `(B, N, L)`, *optional*): N rationales for each clip; their N and L may differ from those of answers.
            pixel_values, pixel_mask, patch_permutation: As in [`AllInOneModel.forward`], one clip for all texts.
            answer_labels (`torch.LongTensor` of shape `(B,)`, *optional*): Index of the right answer, -100 for no
                loss.
            rationale_labels (`torch.LongTensor` of shape `(B,)`, *optional*): Index of the right rationale, -100 for
                no loss.

        Returns:
            [`AllInOneVisualCommonsenseOutput`], of answers, of rationales, or of both, as they were given.
        """
        if answer_input_ids is None and rationale_input_ids is None:
            raise ValueError("This head reads text: give answer_input_ids, rationale_input_ids or both.")
        clips = {"pixel_values": pixel_values, "pixel_mask": pixel_mask, "patch_permutation": patch_permutation}
        answers = (answer_input_ids, answer_attention_mask, answer_token_type_ids)
        rationales = (rationale_input_ids, rationale_attention_mask, rationale_token_type_ids)
        result: dict[str, Any] = {}
        for part, scorer, (input_ids, attention_mask, token_type_ids), labels in (
            ("answer", self.answer_scorer, answers, answer_labels),
            ("rationale", self.rationale_scorer, rationales, rationale_labels),
        ):
            if input_ids is None:
                if labels is not None:
                    raise ValueError(f"{part}_labels were given, but no {part}_input_ids.")
                continue
            texts = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
            logits, outputs = score_every_text(self.allinone, scorer, **texts, **clips, **kwargs)
            result |= {f"{part}_loss": classification_loss(logits, labels, f"{part}_labels"), f"{part}_logits": logits}
            for name in ("hidden_states", "attentions", "patch_permutation"):
                result[f"{part}_{name}"] = getattr(outputs, name)
        loss = add_losses((result.get("answer_loss"), result.get("rationale_loss")))
        return AllInOneVisualCommonsenseOutput(loss=loss, **result)


__all__ = ["AllInOneForVisualCommonsenseReasoning", "AllInOneVisualCommonsenseOutput"]
