# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Text-video retrieval: texts and clips compared in a common space, or read together and scored pair by pair.

Shapes in the comments: B clips, T frames, L text tokens, N texts for each clip, D hidden size.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import ModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .checkpoint_mapping_allinone import scores_from_matching_head
from .configuration_allinone import AllInOneConfig
from .embeddings_allinone import text_shape
from .heads_allinone import AllInOneClassificationHead, score_every_text, select_rows
from .losses_allinone import contrastive_loss, cosine_similarities, draw_hard_negatives, ranking_loss
from .modeling_allinone import AllInOneModel, AllInOneModelOutput, AllInOnePreTrainedModel, input_shapes, num_weights
from .task_losses_allinone import add_losses


@dataclass
class AllInOneRetrievalOutput(ModelOutput):
    """
    What [`AllInOneForVideoTextRetrieval`] returns.

    Args:
        loss (`torch.FloatTensor`, *optional*): Present with `return_loss=True`.
        similarities (`torch.FloatTensor` of shape `(texts, clips)`, *optional*): Cosine similarity of every text to
            every clip, if there is one text (B, L) for each.
        logits (`torch.FloatTensor` of shape `(B, N)`, *optional*): Scores of pairs, if there are N texts for each
            clip, or candidates or hard negatives.
        text_rows (`torch.LongTensor` of shape `(B, N)`, *optional*): With hard negatives, the row of the batch whose
            text each of the `logits` is of.
        text_embeds (`torch.FloatTensor` of shape `(texts, projection_dim)`, *optional*): Projected texts, not
            normalised.
        video_embeds (`torch.FloatTensor` of shape `(clips, projection_dim)`, *optional*): Projected clips, not
            normalised.
        text_hidden_states, text_attentions, video_hidden_states, video_attentions: As in [`AllInOneModelOutput`], of
            the passes over texts and over clips, if there is one text for each.
        hidden_states, attentions: As in [`AllInOneModelOutput`], of the pass over pairs, if there are N texts for each
            clip; B * N * T rows, those of a clip's N texts in turn.
        patch_permutation (`torch.LongTensor` of shape `(clips, T, P)`, *optional*): As in [`AllInOneModelOutput`].
    """

    loss: torch.Tensor | None = None
    similarities: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    text_rows: torch.Tensor | None = None
    text_embeds: torch.Tensor | None = None
    video_embeds: torch.Tensor | None = None
    text_hidden_states: tuple[torch.Tensor, ...] | None = None
    text_attentions: tuple[torch.Tensor, ...] | None = None
    video_hidden_states: tuple[torch.Tensor, ...] | None = None
    video_attentions: tuple[torch.Tensor, ...] | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    patch_permutation: torch.Tensor | None = None


@scores_from_matching_head
class AllInOneForVideoTextRetrieval(AllInOnePreTrainedModel):
    """
    All-in-one for finding clips by text and texts by clip, in two ways:

    - *features*: a text and a clip, each read alone, are projected into a common space and compared by cosine. A clip
      is read once for all queries. Needs `config.projection_dim`.
    - *pairs*: a text and a clip are read together and scored. Finer, and as costly as there are pairs. Needs
      `config.use_pair_scorer`.

    From a checkpoint of [`AllInOneForPreTraining`], projections are taken over, and the scorer starts as the row of
    the matching head that says "they match".

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneForVideoTextRetrieval

    >>> model = AllInOneForVideoTextRetrieval(AllInOneConfig.from_preset("tiny")).eval()
    >>> input_ids = torch.tensor([[101, 5506, 102], [101, 6077, 102]])
    >>> pixel_values = torch.zeros(1, 3, 3, 224, 224)
    >>> model(input_ids=input_ids, pixel_values=pixel_values).similarities.shape  # texts, clips
    torch.Size([2, 1])
    >>> model.score_pairs(input_ids[None], None, pixel_values).shape  # clips, texts for each
    torch.Size([1, 2])

    ```
    """

    def __init__(self, config: AllInOneConfig):
        super().__init__(config)
        if config.projection_dim is None and not config.use_pair_scorer:
            raise ValueError(
                "projection_dim is None and use_pair_scorer is False, but retrieval needs projections, a scorer or "
                "both."
            )
        self.allinone = AllInOneModel(config, add_pooling_layer=config.use_pair_scorer)
        self.text_projection = self.video_projection = self.scorer = None
        if config.projection_dim is not None:
            self.text_projection = nn.Linear(config.hidden_size, config.projection_dim)
            self.video_projection = nn.Linear(config.hidden_size, config.projection_dim)
        if config.use_pair_scorer:
            self.scorer = AllInOneClassificationHead(config, None, 1)
        self.post_init()

    def _multiply_adds(self, inputs: Mapping[str, Any]) -> int:
        text, clips = input_shapes(inputs)
        pairs, total = text, 0
        if len(text) < 3:
            pairs = tuple(getattr(inputs.get("candidate_input_ids"), "shape", ()))
            if not pairs and inputs.get("num_hard_negatives"):
                pairs = (clips[0], 1 + min(inputs["num_hard_negatives"], clips[0] - 1), text[1])
            total += self._multiply_adds_of_pass(text, ()) + text[0] * num_weights(self.text_projection)
            total += self._multiply_adds_of_pass((), clips) + clips[0] * num_weights(self.video_projection)
        if pairs:
            total += self._multiply_adds_of_pass(pairs, clips) + math.prod(pairs[:2]) * num_weights(self.scorer)
        return total

    @can_return_tuple
    def get_text_features(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AllInOneModelOutput:
        """
        Args:
            input_ids, attention_mask, token_type_ids, inputs_embeds: As in [`AllInOneModel.forward`].

        Returns:
            [`AllInOneModelOutput`] whose `pooler_output` (texts, projection_dim) is the projection of each text's
            first token, not normalised. With `tokens_to_keep=1`, which is faster, `last_hidden_state` has that token
            alone.
        """
        text_shape(input_ids, inputs_embeds, 2)
        texts = (input_ids, attention_mask, token_type_ids)
        return self._project(self.text_projection, *texts, inputs_embeds=inputs_embeds, **kwargs)

    @can_return_tuple
    def get_video_features(
        self,
        pixel_values: torch.Tensor,
        pixel_mask: torch.Tensor | None = None,
        patch_permutation: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AllInOneModelOutput:
        """
        Args:
            pixel_values, pixel_mask, patch_permutation: As in [`AllInOneModel.forward`].

        Returns:
            [`AllInOneModelOutput`] whose `pooler_output` (clips, projection_dim) is the projection of the mean over
            frames of visual [CLS], not normalised. With `tokens_to_keep=1`, which is faster, `last_hidden_state` has
            that token alone.
        """
        clips = {"pixel_values": pixel_values, "pixel_mask": pixel_mask, "patch_permutation": patch_permutation}
        return self._project(self.video_projection, **clips, **kwargs)

    def _project(self, projection: nn.Linear | None, *texts, **inputs) -> AllInOneModelOutput:
        """What the backbone makes of texts or clips, with the projection of their first token as `pooler_output`."""
        if projection is None:
            raise ValueError(
                "This model has no projections, since projection_dim is None; score pairs (texts of shape (batch, "
                "options, tokens)), or load it with projection_dim=512 and train them."
            )
        outputs = self.allinone(*texts, return_dict=True, **inputs)
        return replace(outputs, pooler_output=projection(outputs.last_hidden_state[:, 0]))

    def score_pairs(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        patch_permutation: torch.Tensor | None = None,
        batch_size: int = 64,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        """
        Score texts against the clip beside them, both read together.

        Args:
            input_ids, attention_mask, token_type_ids (`torch.Tensor` of shape `(B, L)` or `(B, N, L)`): One text, or N
                texts, for each clip.
            pixel_values, pixel_mask, patch_permutation: As in [`AllInOneModel.forward`], B clips.
            inputs_embeds (`torch.FloatTensor`, *optional*): Instead of `input_ids`.
            batch_size (`int`, defaults to 64): Pairs read at a time, so that memory does not grow with N; all at once
                where gradients are computed, which keep everything, and where the model is compiled or exported.

        Returns:
            `torch.FloatTensor` of shape `(B,)` or `(B, N)`: The higher, the better they match.

        Raises:
            ValueError: If the model has no scorer, or if inputs are missing or do not fit one another.
        """
        if pixel_values is None:
            raise ValueError("Scoring pairs needs both text and video: give pixel_values.")
        texts = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        texts["inputs_embeds"] = inputs_embeds
        is_single = len(text_shape(input_ids, inputs_embeds, 2, 3)) == 2
        if is_single:
            texts = {name: None if text is None else text[:, None] for name, text in texts.items()}
        clips = {"pixel_values": pixel_values, "pixel_mask": pixel_mask, "patch_permutation": patch_permutation}
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            scores, _ = self._score_texts(**texts, **clips, **kwargs)
        else:
            scores = self._score_in_parts(texts, clips, batch_size, **kwargs)
        return scores[:, 0] if is_single else scores

    def _score_in_parts(self, texts: dict[str, Any], clips: dict[str, Any], batch_size: int, **kwargs) -> torch.Tensor:
        """As [`_score_texts`], with some clips and all of their texts at a time, or one and some of its texts."""
        num_clips, num_texts, _ = text_shape(texts["input_ids"], texts["inputs_embeds"], 3)
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, but must be at least 1.")
        if len(clips["pixel_values"]) != num_clips or num_clips * num_texts <= batch_size:
            return self._score_texts(**texts, **clips, **kwargs)[0]
        clips_at_once = max(batch_size // num_texts, 1)
        rows = []
        for row in range(0, num_clips, clips_at_once):
            chosen = select_rows(clips, slice(row, row + clips_at_once))
            if num_texts > batch_size and chosen["pixel_values"] is not None:
                chosen["patch_embeds"] = self.allinone.project_patches(chosen["pixel_values"])
            scores = [
                self._score_texts(
                    **select_rows(texts, (slice(row, row + clips_at_once), slice(start, start + batch_size))),
                    **chosen,
                    **kwargs,
                )[0]
                for start in range(0, num_texts, batch_size)
            ]
            rows.append(torch.cat(scores, dim=1))
        return torch.cat(rows)

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
        candidate_input_ids: torch.Tensor | None = None,
        candidate_attention_mask: torch.Tensor | None = None,
        num_hard_negatives: int = 0,
        is_pair: torch.Tensor | None = None,
        return_loss: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AllInOneRetrievalOutput:
        """
        Args:
            input_ids, attention_mask, token_type_ids (`torch.Tensor` of shape `(texts, L)` or `(B, N, L)`): Texts to
                be compared with every clip, or N texts to be scored against one clip each.
            pixel_values, pixel_mask, patch_permutation: As in [`AllInOneModel.forward`].
            inputs_embeds (`torch.FloatTensor`, *optional*): Instead of `input_ids`.
            candidate_input_ids, candidate_attention_mask (`torch.Tensor` of shape `(B, N, L)`, *optional*): Texts to
                be scored against one clip each, beside texts (B, L) that are compared with every clip.
            num_hard_negatives (`int`, defaults to 0): How many other texts of the batch to score against each clip
                after its own, drawn as [`draw_hard_negatives`] does. Ignored where there are candidates.
            is_pair (`torch.BoolTensor` of shape `(B,)`, *optional*): Rows whose text and clip belong together; the
                others are left out of the loss.
            return_loss (`bool`, *optional*): Whether to compute the loss. For texts (B, L), text i belongs to clip i.
                For texts (B, N, L), the first belongs to the clip.

        Returns:
            [`AllInOneRetrievalOutput`] with `similarities`, `text_embeds`, `video_embeds` and the contrastive loss for
            texts (B, L); with `logits` (B, N) and the mean cross-entropy over texts for texts (B, N, L); with both and
            the sum of the losses for texts (B, L) with candidates or hard negatives.
        """
        if pixel_values is None:
            raise ValueError(
                "Retrieval compares texts with clips: give pixel_values, or call get_text_features for texts alone."
            )
        texts = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        texts["inputs_embeds"] = inputs_embeds
        clips = {"pixel_values": pixel_values, "pixel_mask": pixel_mask, "patch_permutation": patch_permutation}
        if len(text_shape(input_ids, inputs_embeds, 2, 3)) == 3:
            scores, outputs = self._score_texts(**texts, **clips, **kwargs)
            return AllInOneRetrievalOutput(
                loss=ranking_loss(scores, is_pair) if return_loss else None,
                logits=scores,
                hidden_states=outputs.hidden_states,
                attentions=outputs.attentions,
                patch_permutation=outputs.patch_permutation,
            )

        text_outputs = self.get_text_features(**texts, tokens_to_keep=1, return_dict=True, **kwargs)
        video_outputs = self.get_video_features(**clips, tokens_to_keep=1, return_dict=True, **kwargs)
        text_embeds, video_embeds = text_outputs.pooler_output, video_outputs.pooler_output
        contrasted = None
        if return_loss:
            contrasted = contrastive_loss(text_embeds, video_embeds, self.config.contrastive_temperature, is_pair)
        candidates: dict[str, Any] = {"input_ids": candidate_input_ids, "attention_mask": candidate_attention_mask}
        chosen = None
        if num_hard_negatives and candidate_input_ids is None:
            same = None if input_ids is None else (input_ids[:, None] == input_ids).all(dim=-1)
            chosen = draw_hard_negatives(
                text_embeds, video_embeds, num_hard_negatives, self.config.contrastive_temperature, same
            )
            candidates = {name: None if text is None else text[chosen] for name, text in texts.items()}
        pair_scores = ranked = None
        if candidates["input_ids"] is not None or candidates.get("inputs_embeds") is not None:
            pair_scores, _ = self._score_texts(**candidates, **clips, **kwargs)
            ranked = ranking_loss(pair_scores, is_pair, chosen) if return_loss else None
        return AllInOneRetrievalOutput(
            loss=add_losses((contrasted, ranked)),
            similarities=cosine_similarities(text_embeds, video_embeds),
            logits=pair_scores,
            text_rows=chosen,
            text_embeds=text_embeds,
            video_embeds=video_embeds,
            text_hidden_states=text_outputs.hidden_states,
            text_attentions=text_outputs.attentions,
            video_hidden_states=video_outputs.hidden_states,
            video_attentions=video_outputs.attentions,
            patch_permutation=video_outputs.patch_permutation,
        )

    def _score_texts(self, **inputs) -> tuple[torch.Tensor, AllInOneModelOutput]:
        """Scores (B, N) of N texts for each clip, and what the backbone made of them."""
        if self.scorer is None:
            raise ValueError(
                "This model has no scorer of pairs, since use_pair_scorer is False; compare features, or load it with "
                "use_pair_scorer=True and train the scorer."
            )
        return score_every_text(self.allinone, self.scorer, **inputs)


__all__ = ["AllInOneForVideoTextRetrieval", "AllInOneRetrievalOutput"]
