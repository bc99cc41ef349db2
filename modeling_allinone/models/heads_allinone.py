# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What task heads share: their pass with its labels, their layers, and the pass over several texts for each clip.

Shapes in the comments: B clips, T frames, L text tokens, N texts for each clip, D hidden size.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.modeling_outputs import ModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .configuration_allinone import AllInOneConfig
from .embeddings_allinone import text_shape
from .modeling_allinone import AllInOneModel, AllInOneModelOutput, AllInOnePreTrainedModel
from .task_losses_allinone import classification_loss

# The decoder has the word embeddings as its weights, if config.tie_word_embeddings says so.
TIED_WORDS = {"mlm_head.decoder.weight": "allinone.embeddings.text_embeddings.word_embeddings.weight"}


@dataclass
class AllInOneTaskOutput(ModelOutput):
    """
    What a task head returns.

    Args:
        loss (`torch.FloatTensor`, *optional*): Present if `labels` were given.
        logits (`torch.FloatTensor`): Scores before softmax; the head's docstring gives the shape.
        hidden_states, attentions, patch_permutation: As in [`AllInOneModelOutput`].
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    patch_permutation: torch.Tensor | None = None


class AllInOneTaskModel(AllInOnePreTrainedModel):
    """A model with a head whose logits are compared with labels; here, a classifier on the pooled output."""

    classifier: nn.Module

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
                in [`AllInOneModel.forward`], but for what the class says of them.
            labels (`torch.Tensor`, *optional*): What a loss is computed for; the class says their shape and type.

        Returns:
            [`AllInOneTaskOutput`]

        Raises:
            ValueError: If inputs are missing, or if they or the labels do not fit.
        """
        texts = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        texts["inputs_embeds"] = inputs_embeds
        clips = {"pixel_values": pixel_values, "pixel_mask": pixel_mask, "patch_permutation": patch_permutation}
        loss, logits, outputs = self._predict(texts, clips, labels, **kwargs)
        return AllInOneTaskOutput(loss, logits, outputs.hidden_states, outputs.attentions, outputs.patch_permutation)

    def _predict(
        self, texts: dict[str, Any], clips: dict[str, Any], labels: torch.Tensor | None, **kwargs: Any
    ) -> tuple[torch.Tensor | None, torch.Tensor, AllInOneModelOutput]:
        """Loss, if there are labels, logits, and what the backbone made of text and video."""
        logits, outputs = self._read(texts, clips, **kwargs)
        return self._loss(logits, labels), logits, outputs

    def _read(
        self, texts: dict[str, Any], clips: dict[str, Any], **kwargs: Any
    ) -> tuple[torch.Tensor, AllInOneModelOutput]:
        """Logits of text and video, and what the backbone made of them."""
        outputs = self._backbone(**texts, **clips, tokens_to_keep=1, return_dict=True, **kwargs)
        return self.classifier(outputs.pooler_output), outputs

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor | None:
        return classification_loss(logits, labels)


class AllInOneClassificationHead(nn.Module):
    """Dropout, linear, layer norm, GELU, linear; without a hidden size, the last linear layer alone."""

    def __init__(
        self,
        config: AllInOneConfig,
        hidden_size: int | None,
        num_outputs: int,
        dropout: float = 0.0,
        input_size: int | None = None,
    ):
        super().__init__()
        input_size = input_size or config.hidden_size
        self.has_hidden_layer = hidden_size is not None
        if hidden_size is not None:
            self.dropout = nn.Dropout(dropout)
            self.dense = nn.Linear(input_size, hidden_size)
            self.layer_norm = nn.LayerNorm(hidden_size)
            self.activation = nn.GELU()
        self.out_proj = nn.Linear(hidden_size or input_size, num_outputs)

    def forward(self, pooled_output: torch.Tensor) -> torch.Tensor:
        """Returns (B, outputs) for (B, D), or for another width if the head was built for one."""
        if self.has_hidden_layer:
            pooled_output = self.activation(self.layer_norm(self.dense(self.dropout(pooled_output))))
        return self.out_proj(pooled_output)


def num_classes(config: AllInOneConfig) -> int:
    """How many answers or classes there are in `config.id2label`."""
    return len(config.id2label or ())


def make_classifier(config: AllInOneConfig) -> AllInOneClassificationHead:
    """The classifier over `config.id2label`: answers, or actions, which the original trained as answers."""
    return AllInOneClassificationHead(
        config,
        config.classifier_hidden_size or max(config.hidden_size // 2, 1),
        num_classes(config),
        config.classifier_dropout,
    )


class AllInOneMaskedLMHead(nn.Module):
    """BERT's: linear, activation, layer norm, linear; the last is tied to the word embeddings on demand."""

    def __init__(self, config: AllInOneConfig, num_outputs: int | None = None):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.text_layer_norm_eps)
        self.decoder: nn.Module = nn.Linear(config.hidden_size, num_outputs or config.vocab_size)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Returns (…, vocabulary) for (…, D)."""
        return self.decoder(self.layer_norm(self.activation(self.dense(hidden_states))))

    def num_decoded(self, num_tokens: int, labels: torch.Tensor | None) -> int:
        """How many of so many text tokens [`score_words`] has scores of."""
        return num_tokens if labels is None or not self.training else int((labels != -100).sum())

    def score_words(
        self, hidden_states: torch.Tensor, labels: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """
        Mean cross-entropy over labelled tokens, if there are labels (B, L), and the scores of text tokens (B, L, D):
        of all (B, L, vocabulary), or in training with labels of the labelled ones alone (labelled tokens, vocabulary).
        """
        # What a compiled graph computes has the same shape for every batch; labels of another shape are refused below.
        is_sparse = self.training and not torch.compiler.is_compiling()
        if is_sparse and labels is not None and labels.shape == hidden_states.shape[:2]:
            is_labelled = labels != -100
            hidden_states, labels = hidden_states[is_labelled], labels[is_labelled]
        logits = self(hidden_states)
        return classification_loss(logits, labels), logits


def select_rows(inputs: dict[str, Any], where: torch.Tensor | slice | tuple[slice, ...]) -> dict[str, Any]:
    """The given rows, or parts of them, of each input that there is."""
    return {name: None if value is None else value[where] for name, value in inputs.items()}


def score_every_text(
    backbone: AllInOneModel, scorer: nn.Module, **inputs: Any
) -> tuple[torch.Tensor, AllInOneModelOutput]:
    """
    Score N texts for each clip, which is embedded once.

    Args:
        backbone ([`AllInOneModel`]): Reads every text with its clip.
        scorer (`nn.Module`): Makes one score of a pooled output.
        **inputs: As in [`AllInOneModel.forward`], but that there are N texts for each clip: `input_ids`,
            `attention_mask` and `token_type_ids` are of shape `(B, N, L)`, `inputs_embeds` of shape `(B, N, L, D)`.

    Returns:
        Scores (B, N), and [`AllInOneModelOutput`], whose rows `b * N` to `b * N + N - 1` are the texts of clip b.

    Raises:
        ValueError: If there are no texts, or if they are of another shape.
    """
    batch_size, num_texts, _ = text_shape(inputs.get("input_ids"), inputs.get("inputs_embeds"), 3)
    for name in ("input_ids", "attention_mask", "token_type_ids", "inputs_embeds"):
        if inputs.get(name) is not None:
            inputs[name] = inputs[name].flatten(0, 1)
    outputs = backbone(**inputs, texts_per_clip=num_texts, tokens_to_keep=1, return_dict=True)
    return scorer(outputs.pooler_output).view(batch_size, num_texts), outputs
