# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Pre-training: every objective of All-in-one over one backbone.

Shapes in the comments: B clips, T frames, L text tokens, P patches, V visual tokens, D hidden size.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.modeling_outputs import ModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .configuration_allinone import AllInOneConfig
from .modeling_allinone import (
    AllInOneMaskedLMHead,
    AllInOneModel,
    AllInOneModelOutput,
    AllInOnePreTrainedModel,
    _check_labels,
    _cross_entropy,
    _is_readable,
    _text_shape,
)
from .objectives_allinone import (
    NUM_COLOUR_BINS,
    align_words_and_patches,
    alignment_loss,
    clip_order_labels,
    contrastive_loss,
    pair_frames,
    patch_colours,
    select_words,
)
from .temporal_mixing_allinone import roll_tokens


@dataclass
class AllInOneForPreTrainingOutput(ModelOutput):
    """
    What [`AllInOneForPreTraining`] returns. A loss is present if its targets were given.

    Args:
        loss (`torch.FloatTensor`, *optional*): Sum of the losses below, that of alignment times
            `config.alignment_loss_weight`.
        mlm_loss (`torch.FloatTensor`, *optional*): Mean cross-entropy over labelled tokens.
        mlm_logits (`torch.FloatTensor` of shape `(B, L, vocab_size)`, *optional*): Scores of tokens.
        matching_loss (`torch.FloatTensor`, *optional*): Mean cross-entropy over pairs.
        matching_logits (`torch.FloatTensor` of shape `(B, 2)`, *optional*): Scores of "they do not match" and "they
            match".
        alignment_loss (`torch.FloatTensor`, *optional*): Word-patch alignment, before its weight.
        contrastive_loss (`torch.FloatTensor`, *optional*): InfoNCE, both directions added.
        clip_order_loss (`torch.FloatTensor`, *optional*): Mean cross-entropy over clips.
        clip_order_logits (`torch.FloatTensor` of shape `(B, T!)`, *optional*): Scores of the orders, sorted as
            `itertools.permutations` gives them; present if `frame_order` was given.
        masked_patch_loss (`torch.FloatTensor`, *optional*): Mean cross-entropy over the colour channels of masked
            patches that are kept (`config.max_image_length`) and no padding.
        hidden_states, attentions, patch_permutation: As in [`AllInOneModelOutput`], of the pass over text and video;
            those of texts and clips read alone, for the contrastive loss, are not returned.
    """

    loss: torch.FloatTensor | None = None
    mlm_loss: torch.FloatTensor | None = None
    mlm_logits: torch.FloatTensor | None = None
    matching_loss: torch.FloatTensor | None = None
    matching_logits: torch.FloatTensor | None = None
    alignment_loss: torch.FloatTensor | None = None
    contrastive_loss: torch.FloatTensor | None = None
    clip_order_loss: torch.FloatTensor | None = None
    clip_order_logits: torch.FloatTensor | None = None
    masked_patch_loss: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None
    patch_permutation: torch.LongTensor | None = None


class AllInOneClipOrderHead(nn.Module):
    """Every two frames through one linear layer and ReLU, then all of them through another (Xu et al. 2019)."""

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.num_frames = config.num_frames
        self.pair_layer = nn.Linear(2 * config.hidden_size, config.clip_order_hidden_size)
        self.dropout = nn.Dropout(config.clip_order_dropout)
        self.out_proj = nn.Linear(
            math.comb(config.num_frames, 2) * config.clip_order_hidden_size, math.factorial(config.num_frames)
        )

    def forward(self, frame_features: torch.Tensor) -> torch.Tensor:
        """Returns (B, T!) for (B, T, D)."""
        pairs = nn.functional.relu(self.pair_layer(pair_frames(frame_features)))
        return self.out_proj(self.dropout(pairs.flatten(1)))


class AllInOneMaskedPatchHead(nn.Module):
    """Linear, activation, layer norm, linear: a score for each bin of each colour channel."""

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.num_channels = config.num_channels
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.text_layer_norm_eps)
        self.decoder = nn.Linear(config.hidden_size, config.num_channels * NUM_COLOUR_BINS)

    def forward(self, visual_states: torch.Tensor) -> torch.Tensor:
        """Returns (B·T, V, channels, 256) for (B·T, V, D)."""
        logits = self.decoder(self.layer_norm(self.activation(self.dense(visual_states))))
        return logits.unflatten(-1, (self.num_channels, NUM_COLOUR_BINS))


class AllInOneForPreTraining(AllInOnePreTrainedModel):
    """
    All-in-one with the heads of its pre-training: those that `config.pretraining_objectives` names.

    Targets say which losses are computed. All but the contrastive one share a pass over text and video, so what is
    given is what each of them sees: with `labels`, the masked text; with `matching_labels`, the clips after swapping;
    with `bool_masked_pos`, the clips with a mask token in place of those patches. The original instead runs a pass for
    each objective, with its own inputs; call the model once for each, and add the losses, to train the same way. Its
    objective of masked patches does not run.

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneForPreTraining

    >>> model = AllInOneForPreTraining(AllInOneConfig.from_preset("tiny")).eval()
    >>> input_ids = torch.tensor([[101, 1037, 103, 102], [101, 1996, 103, 102]])
    >>> outputs = model(
    ...     input_ids=input_ids,
    ...     pixel_values=torch.zeros(2, 3, 3, 224, 224),
    ...     labels=torch.tensor([[-100, -100, 4937, -100], [-100, -100, 3899, -100]]),
    ...     matching_labels=torch.tensor([1, 0]),
    ... )
    >>> parts = outputs.mlm_loss + outputs.matching_loss + 0.1 * outputs.alignment_loss
    >>> torch.allclose(outputs.loss, parts)
    True

    ```
    """

    def __init__(self, config: AllInOneConfig):
        super().__init__(config)
        objectives = config.chosen_pretraining_objectives
        self.allinone = AllInOneModel(
            config, add_pooling_layer="matching" in objectives, use_mask_token="masked_patches" in objectives
        )
        self.mlm_head = self.matching_head = self.text_projection = self.video_projection = None
        if "masked_lm" in objectives:
            self.mlm_head = AllInOneMaskedLMHead(config)
        if "matching" in objectives:
            self.matching_head = nn.Linear(config.hidden_size, 2)
        if "contrastive" in objectives:
            self.text_projection = nn.Linear(config.hidden_size, config.projection_dim)
            self.video_projection = nn.Linear(config.hidden_size, config.projection_dim)
        self.clip_order_head = AllInOneClipOrderHead(config) if "clip_order" in objectives else None
        self.masked_patch_head = AllInOneMaskedPatchHead(config) if "masked_patches" in objectives else None
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear | None:
        """The layer that maps to the vocabulary, if the model has one."""
        return None if self.mlm_head is None else self.mlm_head.decoder

    def set_output_embeddings(self, new_embeddings: nn.Linear):
        """Replace the layer that maps to the vocabulary."""
        self.mlm_head.decoder = new_embeddings

    def resize_num_frames(self, num_frames: int):
        """As for every model; a clip-order classifier, whose classes are the orders of the frames, starts afresh."""
        if num_frames == self.config.num_frames:
            return self
        super().resize_num_frames(num_frames)
        self.clip_order_head = None
        if "clip_order" in self.config.chosen_pretraining_objectives:
            head = AllInOneClipOrderHead(self.config).to(self.device, self.dtype).train(self.training)
            for module in head.modules():
                self._init_weights(module)
            self.clip_order_head = head
        return self

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        pixel_values: torch.FloatTensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        patch_permutation: torch.LongTensor | None = None,
        labels: torch.LongTensor | None = None,
        matching_labels: torch.LongTensor | None = None,
        frame_order: torch.LongTensor | None = None,
        bool_masked_pos: torch.BoolTensor | None = None,
        return_contrastive_loss: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AllInOneForPreTrainingOutput:
        """
        Args:
            input_ids, attention_mask, token_type_ids, pixel_values, pixel_mask, inputs_embeds, patch_permutation: As
                in [`AllInOneModel.forward`]; text is required.
            labels (`torch.LongTensor` of shape `(B, L)`, *optional*): Token to predict at each place, -100 for none.
            matching_labels (`torch.LongTensor` of shape `(B,)`, *optional*): 1 where text and clip belong together, 0
                where they do not, -100 for no loss.
            frame_order (`torch.LongTensor` of shape `(B, T)`, *optional*): Order in which the classifier is shown the
                features of the frames, and which it is to find. Needs `config.num_frames` frames.
            bool_masked_pos (`torch.BoolTensor` of shape `(B, T, P)`, *optional*): Patches, in raster order, each
                of which the mask token replaces in the joint pass, and whose mean colour is predicted; see
                [`~objectives_allinone.draw_masked_patches`].
            return_contrastive_loss (`bool`, *optional*): Whether to contrast texts and clips, each read alone. Rows
                whose `matching_labels` is 0 are left out. With no other target, the joint pass is saved.

        Returns:
            [`AllInOneForPreTrainingOutput`]

        Raises:
            ValueError: If targets do not fit, or if the model has no head for them.
        """
        shape = _text_shape(input_ids, inputs_embeds, ndim=2)
        self._check_targets(
            pixel_values, labels, matching_labels, frame_order, bool_masked_pos, return_contrastive_loss
        )
        texts = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "inputs_embeds": inputs_embeds,
        }
        clips = {"pixel_values": pixel_values, "pixel_mask": pixel_mask, "patch_permutation": patch_permutation}
        result = AllInOneForPreTrainingOutput()
        losses = []
        has_joint_target = any(
            target is not None for target in (labels, matching_labels, frame_order, bool_masked_pos)
        )
        if has_joint_target or not return_contrastive_loss:
            if attention_mask is None:
                attention_mask = torch.ones(shape, dtype=torch.long, device=self.device)
            wants_hidden_states = kwargs.pop("output_hidden_states", None)
            if wants_hidden_states is None:
                wants_hidden_states = self.config.output_hidden_states
            # The backbone returns the mean over frames; clip order and masked patches read frame by frame.
            reads_frames = frame_order is not None or bool_masked_pos is not None
            outputs = self.allinone(
                **texts,
                **clips,
                bool_masked_pos=bool_masked_pos,
                output_hidden_states=wants_hidden_states or reads_frames,
                return_dict=True,
                **kwargs,
            )
            if self.mlm_head is not None:
                result["mlm_logits"] = self.mlm_head(outputs.last_hidden_state[:, : shape[1]])
            if labels is not None:
                _check_labels(labels, self.config.vocab_size, shape)
                result["mlm_loss"] = _cross_entropy(result.mlm_logits.flatten(0, 1), labels.flatten())
                losses.append(result.mlm_loss)
            if self.matching_head is not None and pixel_values is not None:
                result["matching_logits"] = self.matching_head(outputs.pooler_output)
            if matching_labels is not None:
                _check_labels(matching_labels, 2, shape[:1], "matching_labels")
                result["matching_loss"] = _cross_entropy(result.matching_logits, matching_labels)
                result["alignment_loss"] = self._alignment_loss(outputs, attention_mask, matching_labels)
                losses += [result.matching_loss, self.config.alignment_loss_weight * result.alignment_loss]
            if frame_order is not None:
                result["clip_order_logits"] = self._clip_order_logits(outputs, frame_order)
                result["clip_order_loss"] = _cross_entropy(result.clip_order_logits, clip_order_labels(frame_order))
                losses.append(result.clip_order_loss)
            if bool_masked_pos is not None:
                result["masked_patch_loss"] = self._masked_patch_loss(outputs, pixel_values, bool_masked_pos, shape[1])
                losses.append(result.masked_patch_loss)
            if wants_hidden_states:
                result["hidden_states"] = outputs.hidden_states
            result["attentions"] = outputs.attentions
            result["patch_permutation"] = outputs.patch_permutation
        if return_contrastive_loss:
            text_embeds = self.text_projection(
                self.allinone(**texts, return_dict=True, **kwargs).last_hidden_state[:, 0]
            )
            video_embeds = self.video_projection(
                self.allinone(**clips, return_dict=True, **kwargs).last_hidden_state[:, 0]
            )
            is_pair = None if matching_labels is None else matching_labels != 0
            result["contrastive_loss"] = contrastive_loss(
                text_embeds, video_embeds, self.config.contrastive_temperature, is_pair
            )
            losses.append(result.contrastive_loss)
        return AllInOneForPreTrainingOutput(**{"loss": sum(losses) if losses else None, **result})

    def _check_targets(
        self, pixel_values, labels, matching_labels, frame_order, bool_masked_pos, return_contrastive_loss
    ):
        """Raise a `ValueError` unless there is a head for every target, and video where it is about video."""
        for name, is_given, objective, head in (
            ("labels", labels is not None, "masked_lm", self.mlm_head),
            ("matching_labels", matching_labels is not None, "matching", self.matching_head),
            ("frame_order", frame_order is not None, "clip_order", self.clip_order_head),
            ("bool_masked_pos", bool_masked_pos is not None, "masked_patches", self.masked_patch_head),
            ("return_contrastive_loss", return_contrastive_loss, "contrastive", self.text_projection),
        ):
            if is_given and head is None:
                raise ValueError(
                    f"{name} was given, but the model has no head for it: its objectives are "
                    f"{', '.join(self.config.chosen_pretraining_objectives)}. Load it with {objective!r} among "
                    "pretraining_objectives."
                )
            if is_given and objective != "masked_lm" and pixel_values is None:
                raise ValueError(f"{name} was given, but no video: give pixel_values.")

    def _alignment_loss(
        self, outputs: AllInOneModelOutput, attention_mask: torch.Tensor, matching_labels: torch.Tensor
    ) -> torch.Tensor:
        """Word-patch alignment, on tokens averaged over frames."""
        text, visual = outputs.last_hidden_state.tensor_split((attention_mask.shape[1],), dim=1)
        is_patch = outputs.visual_attention_mask
        if is_patch is None:
            is_patch = torch.ones(visual.shape[:2], dtype=torch.bool, device=visual.device)
        num_left_out = 1 if self.config.align_distillation_token else self.config.num_special_visual_tokens
        is_patch = is_patch & (torch.arange(visual.shape[1], device=visual.device) >= num_left_out)
        distances, _ = align_words_and_patches(text, visual, select_words(attention_mask), is_patch)
        return alignment_loss(distances, matching_labels)

    def _clip_order_logits(self, outputs: AllInOneModelOutput, frame_order: torch.Tensor) -> torch.Tensor:
        """Scores of the orders (B, T!), from the first token of each frame, shown in the given order (B, T)."""
        num_frames = self.clip_order_head.num_frames
        first_tokens = self.allinone.layernorm(outputs.hidden_states[-1][:, 0])
        num_clips = outputs.last_hidden_state.shape[0]
        if first_tokens.shape[0] != num_clips * num_frames:
            raise ValueError(
                f"pixel_values has {first_tokens.shape[0] // num_clips} frames, but the clip-order classifier knows "
                f"the orders of {num_frames}; pass num_frames={num_frames} to the processor."
            )
        if tuple(frame_order.shape) != (num_clips, num_frames):
            raise ValueError(
                f"frame_order has shape {tuple(frame_order.shape)}, but expected ({num_clips}, {num_frames})."
            )
        if _is_readable(frame_order):
            expected = torch.arange(num_frames).expand(num_clips, -1)
            if not torch.equal(frame_order.sort(dim=1).values, expected):
                raise ValueError(f"frame_order must hold each of 0 to {num_frames - 1} once in every row.")
        first_tokens = first_tokens.unflatten(0, (num_clips, num_frames))
        index = frame_order[..., None].expand(-1, -1, first_tokens.shape[-1])
        return self.clip_order_head(first_tokens.gather(1, index))

    def _masked_patch_loss(
        self,
        outputs: AllInOneModelOutput,
        pixel_values: torch.Tensor,
        bool_masked_pos: torch.Tensor,
        num_text_tokens: int,
    ) -> torch.Tensor:
        """Mean cross-entropy over the colours of masked patches that are kept and no padding."""
        if pixel_values.ndim == 4:
            pixel_values = pixel_values[:, None]
        config = self.config
        colours = patch_colours(pixel_values, config.patch_size, config.image_mean, config.image_std)
        labels = colours.masked_fill(~bool_masked_pos[..., None], -100)  # (B, T, P, channels), raster order
        index = outputs.patch_permutation[..., None].expand(-1, -1, -1, labels.shape[-1])
        labels = labels.gather(2, index)
        labels = nn.functional.pad(labels, (0, 0, config.num_special_visual_tokens, 0), value=-100)
        num_visual_tokens = None
        if outputs.visual_attention_mask is not None:
            labels = labels.masked_fill(~outputs.visual_attention_mask[:, None, :, None], -100)
            num_visual_tokens = outputs.visual_attention_mask.sum(dim=1)
        num_frames = labels.shape[1]
        labels = labels.flatten(0, 1)  # (B * T, V, channels)
        if num_frames > 1 and config.temporal_mixing == "token_roll":
            # A token ends up in another frame than it came from: its colour goes the same way.
            for _ in range(config.num_hidden_layers):
                labels = roll_tokens(labels, num_frames, 0, config.roll_divisor, num_visual_tokens)
        visual_states = self.allinone.layernorm(outputs.hidden_states[-1][:, num_text_tokens:])
        return _cross_entropy(self.masked_patch_head(visual_states).flatten(0, 2), labels.flatten())


__all__ = ["AllInOneForPreTraining", "AllInOneForPreTrainingOutput"]
