# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Pre-training: every objective of All-in-one over one backbone.

Shapes in the comments: B clips, T frames, L text tokens, P patches, V visual tokens, D hidden size.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import ModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple
from transformers.utils.deprecation import deprecate_kwarg

from .configuration_allinone import AllInOneConfig
from .embeddings_allinone import is_readable, text_shape
from .heads_allinone import TIED_WORDS, AllInOneMaskedLMHead, select_rows
from .losses_allinone import (
    NUM_COLOUR_BINS,
    align_words_and_patches,
    alignment_loss,
    clip_order_labels,
    contrastive_loss,
    draw_hard_negatives,
    pair_frames,
    patch_colours,
    select_words,
)
from .modeling_allinone import AllInOneModel, AllInOneModelOutput, AllInOnePreTrainedModel, input_shapes, num_weights
from .task_losses_allinone import add_losses, classification_loss, mean_cross_entropy
from .temporal_mixing_allinone import roll_tokens


@dataclass
class AllInOneForPreTrainingOutput(ModelOutput):
    """
    What [`AllInOneForPreTraining`] returns. A loss is present if its targets were given.

    Args:
        loss (`torch.FloatTensor`, *optional*): Sum of the losses below, that of alignment times
            `config.alignment_loss_weight`.
        mlm_loss (`torch.FloatTensor`, *optional*): Mean cross-entropy over labelled tokens.
        mlm_logits (`torch.FloatTensor` of shape `(B, L, vocab_size)`, *optional*): Scores of tokens. In training, if
            `labels` are given, only labelled tokens have scores: `(labelled tokens, vocab_size)`, unless compiled.
        matching_loss (`torch.FloatTensor`, *optional*): Mean cross-entropy over pairs.
        matching_logits (`torch.FloatTensor` of shape `(B, 2)`, *optional*): Scores of "they do not match" and "they
            match".
        alignment_loss (`torch.FloatTensor`, *optional*): Word-patch alignment, before its weight.
        contrastive_loss (`torch.FloatTensor`, *optional*): InfoNCE, both directions added.
        text_embeds, video_embeds (`torch.FloatTensor` of shape `(B, projection_dim)`, *optional*): What is contrasted,
            not normalised.
        clip_order_loss (`torch.FloatTensor`, *optional*): Mean cross-entropy over clips.
        clip_order_logits (`torch.FloatTensor` of shape `(B, T!)`, *optional*): Scores of the orders, sorted as
            `itertools.permutations` gives them; present if `frame_order` was given.
        masked_patch_loss (`torch.FloatTensor`, *optional*): Mean cross-entropy over the colour channels of masked
            patches that are kept (`config.max_image_length`) and no padding.
        hidden_states, attentions, patch_permutation: As in [`AllInOneModelOutput`], of the pass over text and video
            that all targets share; those of texts and clips read alone, for the contrastive loss, and of a pass for
            each objective are not returned.
    """

    loss: torch.Tensor | None = None
    mlm_loss: torch.Tensor | None = None
    mlm_logits: torch.Tensor | None = None
    matching_loss: torch.Tensor | None = None
    matching_logits: torch.Tensor | None = None
    alignment_loss: torch.Tensor | None = None
    contrastive_loss: torch.Tensor | None = None
    text_embeds: torch.Tensor | None = None
    video_embeds: torch.Tensor | None = None
    clip_order_loss: torch.Tensor | None = None
    clip_order_logits: torch.Tensor | None = None
    masked_patch_loss: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    patch_permutation: torch.Tensor | None = None


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


class AllInOneMaskedPatchHead(AllInOneMaskedLMHead):
    """The layers of [`AllInOneMaskedLMHead`], for a score of each bin of each colour channel."""

    def __init__(self, config: AllInOneConfig):
        super().__init__(config, config.num_channels * NUM_COLOUR_BINS)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Returns (B·T, V, channels, 256) for (B·T, V, D)."""
        return super().forward(hidden_states).unflatten(-1, (-1, NUM_COLOUR_BINS))


class AllInOneForPreTraining(AllInOnePreTrainedModel):
    """
    All-in-one with the heads of its pre-training: those that `config.pretraining_objectives` names.

    Targets say which losses are computed. There are two ways to read text and video for them:

    - *A pass for each objective*, with its own inputs, as the original does: `labels` belong to `masked_input_ids`,
      `matching_labels` to the clips that `matching_indices` names. Masked patches are read with the masked text. Clip
      order needs no pass for those clips that matching has read with their own text.
    - *One pass for all*, without `masked_input_ids` and `matching_indices`: what is given is what each objective sees:
      with `labels`, the masked text; with `matching_labels`, the clips after swapping; with `bool_masked_pos`, the
      clips with a mask token in place of those patches.

    The contrastive objective reads texts and clips alone. In the original, clip order and masked patches do not run.

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
        if "masked_lm" in objectives:
            self._tied_weights_keys = TIED_WORDS
        self.allinone = AllInOneModel(
            config, add_pooling_layer="matching" in objectives, use_mask_token="masked_patches" in objectives
        )
        self.mlm_head = AllInOneMaskedLMHead(config) if "masked_lm" in objectives else None
        self.matching_head = nn.Linear(config.hidden_size, 2) if "matching" in objectives else None
        self.text_projection = self.video_projection = None
        if "contrastive" in objectives and config.projection_dim is not None:
            self.text_projection = nn.Linear(config.hidden_size, config.projection_dim)
            self.video_projection = nn.Linear(config.hidden_size, config.projection_dim)
        self.clip_order_head = AllInOneClipOrderHead(config) if "clip_order" in objectives else None
        self.masked_patch_head = AllInOneMaskedPatchHead(config) if "masked_patches" in objectives else None
        self.post_init()

    def _multiply_adds(self, inputs: Mapping[str, Any]) -> int:
        config, (text, clips) = self.config, input_shapes(inputs)
        names = ("labels", "matching_labels", "frame_order", "bool_masked_pos")
        given = {name for name in names if inputs.get(name) is not None}
        of_pass = partial(self._multiply_adds_of_pass, projects=False)
        # Patches are projected once for all passes.
        total = self._multiply_adds_of_pass((), clips) - of_pass((), clips) if clips else 0
        if inputs.get("return_contrastive_loss"):
            total += of_pass(text, ()) + of_pass((), clips)
            total += text[0] * (num_weights(self.text_projection) + num_weights(self.video_projection))
        own = ("masked_input_ids", "matching_indices", "use_hard_negatives")
        if any(inputs.get(name) is not None and inputs[name] is not False for name in own):
            for name in given - {"frame_order"}:
                total += of_pass(text, clips, text[1] if name == "labels" else None)
            if num_unread := _count_unread(text[0], inputs):
                total += of_pass((num_unread, *text[1:]), (num_unread, *clips[1:]), None)
        elif given or not inputs.get("return_contrastive_loss"):
            total += of_pass(text, clips, text[1] if given <= {"labels"} else None)
            # What there is a head for is computed, too.
            given |= {"labels", "matching_labels"} if clips else {"labels"}
        if "labels" in given:
            num_decoded = self.mlm_head.num_decoded(math.prod(text), inputs.get("labels")) if self.mlm_head else 0
            total += num_decoded * num_weights(self.mlm_head)
        if "matching_labels" in given:
            total += text[0] * num_weights(self.matching_head)
        if "frame_order" in given:
            of_pair = 2 * config.hidden_size * config.clip_order_hidden_size
            num_pairs = math.comb(config.num_frames, 2)
            total += text[0] * (num_weights(self.clip_order_head) + (num_pairs - 1) * of_pair)
        if "bool_masked_pos" in given:
            num_frames, num_patches = inputs["bool_masked_pos"].shape[1:]
            num_kept = min(config.max_image_length or num_patches, num_patches)
            num_tokens = num_frames * (config.num_special_visual_tokens + num_kept)
            total += text[0] * num_tokens * num_weights(self.masked_patch_head)
        return total

    def resize_num_frames(self, num_frames: int):
        """As for every model; a clip-order classifier, whose classes are orders of frames, is newly initialised."""
        if num_frames == self.config.num_frames:
            return self
        super().resize_num_frames(num_frames)
        self.clip_order_head = None
        if "clip_order" in self.config.chosen_pretraining_objectives:
            head = AllInOneClipOrderHead(self.config).to(self.device, self.dtype).train(self.training)
            self.clip_order_head = head.apply(self._init_weights)
        return self

    # Names of version 0.1: among the keywords that are passed on, they would be dropped without a word.
    @deprecate_kwarg("matched_clips", version="6.0.0", new_name="matching_indices")
    @deprecate_kwarg("draws_hard_clips", version="6.0.0", new_name="use_hard_negatives")
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
        matching_labels: torch.Tensor | None = None,
        frame_order: torch.Tensor | None = None,
        bool_masked_pos: torch.Tensor | None = None,
        return_contrastive_loss: bool | None = None,
        masked_input_ids: torch.Tensor | None = None,
        matching_indices: torch.Tensor | None = None,
        use_hard_negatives: bool = False,
        is_pair: torch.Tensor | None = None,
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
                [`~losses_allinone.draw_masked_patches`].
            return_contrastive_loss (`bool`, *optional*): Whether to contrast texts and clips, each read alone. With no
                other target, nothing else is read.
            masked_input_ids (`torch.LongTensor` of shape `(B, L)`, *optional*): The text with masks, to which `labels`
                belong, and `bool_masked_pos`; `input_ids` is the text itself.
            matching_indices (`torch.LongTensor` of shape `(B,)`, *optional*): For each text, the row of the clip that
                matching reads with it. Default: its own.
            use_hard_negatives (`bool`, defaults to `False`): Whether the clips of texts whose `matching_labels` is 0
                are drawn from the batch, each with the probability that the contrastive features give it, see
                [`~losses_allinone.draw_hard_negatives`]. Needs `return_contrastive_loss`.
            is_pair (`torch.BoolTensor` of shape `(B,)`, *optional*): Rows whose text and own clip belong together; the
                others are left out of the contrastive loss, and their clips are not drawn. Default: all; without
                `matching_indices`, those whose `matching_labels` is not 0.

        Returns:
            [`AllInOneForPreTrainingOutput`]

        Raises:
            ValueError: If targets do not fit, or if the model has no head for them.
        """
        shape = text_shape(input_ids, inputs_embeds, 2)
        targets: dict[str, Any] = {"labels": labels, "matching_labels": matching_labels, "frame_order": frame_order}
        targets["bool_masked_pos"] = bool_masked_pos
        self._check_targets(pixel_values, {**targets, "return_contrastive_loss": return_contrastive_loss or None})
        if use_hard_negatives and not (return_contrastive_loss and matching_labels is not None):
            raise ValueError("use_hard_negatives needs return_contrastive_loss=True and matching_labels.")
        if attention_mask is None:
            text: Any = input_ids if inputs_embeds is None else inputs_embeds  # where weights are, if not on the disk
            attention_mask = torch.ones(shape, dtype=torch.long, device=text.device)
        texts = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        texts["inputs_embeds"] = inputs_embeds
        clips = {"pixel_values": pixel_values, "pixel_mask": pixel_mask, "patch_permutation": patch_permutation}
        if pixel_values is not None:  # every pass reads the same clips, some of them beside other texts
            clips["patch_embeds"] = self.allinone.project_patches(pixel_values)
        wants_hidden_states = kwargs.pop("output_hidden_states", None)
        if wants_hidden_states is None:
            wants_hidden_states = self.config.output_hidden_states
        has_own_passes = masked_input_ids is not None or matching_indices is not None or use_hard_negatives
        result: dict[str, Any] = {}
        if return_contrastive_loss:
            if is_pair is None and matching_labels is not None and not has_own_passes:
                is_pair = matching_labels != 0
            result |= self._contrast(texts, clips, is_pair, **kwargs)
        if use_hard_negatives:
            drawn = self._draw_hard_clips(result, input_ids, is_pair)
            matching_indices = torch.where(targets["matching_labels"] == 0, drawn[:, -1], drawn[:, 0])
        if has_own_passes:
            masked_texts = texts
            if masked_input_ids is not None:
                masked_texts = texts | {"input_ids": masked_input_ids, "inputs_embeds": None}
            result |= self._read_for_each(texts, masked_texts, clips, targets, matching_indices, **kwargs)
        elif not return_contrastive_loss or any(target is not None for target in targets.values()):
            result |= self._read_for_all(texts, clips, targets, wants_hidden_states, **kwargs)
        losses = {name: loss for name, loss in result.items() if name.endswith("_loss")}
        if losses.get("alignment_loss") is not None:
            losses["alignment_loss"] = self.config.alignment_loss_weight * losses["alignment_loss"]
        order = ("mlm", "matching", "alignment", "clip_order", "masked_patch", "contrastive")
        loss = add_losses(losses.get(f"{name}_loss") for name in order)
        return AllInOneForPreTrainingOutput(loss=loss, **result)

    def _check_targets(self, pixel_values: torch.Tensor | None, targets: dict[str, Any]):
        """Raise a `ValueError` unless there is a head for every target, and video where it is about video."""
        for name, objective, head in (
            ("labels", "masked_lm", self.mlm_head),
            ("matching_labels", "matching", self.matching_head),
            ("frame_order", "clip_order", self.clip_order_head),
            ("bool_masked_pos", "masked_patches", self.masked_patch_head),
            ("return_contrastive_loss", "contrastive", self.text_projection),
        ):
            if targets[name] is None:
                continue
            if head is None:
                raise ValueError(
                    f"{name} was given, but the model has no head for it: its objectives are "
                    f"{', '.join(self.config.chosen_pretraining_objectives)}. Load it with {objective!r} among "
                    "pretraining_objectives."
                )
            if objective != "masked_lm" and pixel_values is None:
                raise ValueError(f"{name} was given, but no video: give pixel_values.")

    def _contrast(
        self, texts: dict[str, Any], clips: dict[str, Any], is_pair: torch.Tensor | None, **kwargs
    ) -> dict[str, Any]:
        """Read texts and clips alone, and contrast them."""
        if self.text_projection is None or self.video_projection is None:
            return {}
        text_outputs = self.allinone(**texts, tokens_to_keep=1, return_dict=True, **kwargs)
        video_outputs = self.allinone(**clips, tokens_to_keep=1, return_dict=True, **kwargs)
        text_embeds = self.text_projection(text_outputs.last_hidden_state[:, 0])
        video_embeds = self.video_projection(video_outputs.last_hidden_state[:, 0])
        loss = contrastive_loss(text_embeds, video_embeds, self.config.contrastive_temperature, is_pair)
        return {"text_embeds": text_embeds, "video_embeds": video_embeds, "contrastive_loss": loss}

    def _draw_hard_clips(
        self, embeds: dict[str, Any], input_ids: torch.Tensor | None, is_pair: torch.Tensor | None
    ) -> torch.Tensor:
        """For each text (B, 2) its own clip, and one that the features confuse with it."""
        texts = embeds["text_embeds"]
        is_unfit = torch.zeros(1, dtype=torch.bool, device=texts.device) if is_pair is None else ~is_pair
        if input_ids is not None:  # another clip of the same text is no wrong one
            is_unfit = is_unfit | (input_ids[:, None] == input_ids).all(dim=-1)
        temperature = self.config.contrastive_temperature
        return draw_hard_negatives(embeds["video_embeds"], texts, 1, temperature, is_unfit)

    def _read_for_all(
        self, texts: dict[str, Any], clips: dict[str, Any], targets: dict[str, Any], wants_hidden_states: Any, **kwargs
    ) -> dict[str, Any]:
        """One pass over text and video, and whatever the heads make of it."""
        frame_order, bool_masked_pos = targets["frame_order"], targets["bool_masked_pos"]
        # The backbone returns the mean over frames; clip order and masked patches read frame by frame.
        reads_frames = frame_order is not None or bool_masked_pos is not None
        reads_all = targets["matching_labels"] is not None  # by alignment
        outputs = self.allinone(
            **texts,
            **clips,
            bool_masked_pos=bool_masked_pos,
            tokens_to_keep=None if reads_all else texts["attention_mask"].shape[1],
            output_hidden_states=reads_frames or wants_hidden_states,
            return_dict=True,
            **kwargs,
        )
        result = {"attentions": outputs.attentions, "patch_permutation": outputs.patch_permutation}
        if wants_hidden_states:
            result["hidden_states"] = _choose(outputs.hidden_states, wants_hidden_states)
        result |= self._predict_words(outputs, texts["attention_mask"], targets["labels"])
        if clips["pixel_values"] is not None:
            result |= self._match(outputs, texts["attention_mask"], targets["matching_labels"])
        if frame_order is not None:
            result |= self._order_frames(self._first_tokens(outputs), frame_order)
        if bool_masked_pos is not None:
            result |= self._predict_colours(outputs, clips["pixel_values"], bool_masked_pos)
        return result

    def _read_for_each(
        self,
        texts: dict[str, Any],
        masked_texts: dict[str, Any],
        clips: dict[str, Any],
        targets: dict[str, Any],
        matching_indices: torch.Tensor | None,
        **kwargs,
    ) -> dict[str, Any]:
        """A pass over text and video for each objective, with inputs of its own."""
        attention_mask, frame_order = texts["attention_mask"], targets["frame_order"]
        orders_frames = frame_order is not None
        first_tokens: Any = None
        result: dict[str, Any] = {}
        if targets["labels"] is not None:
            keep = {"tokens_to_keep": attention_mask.shape[1]}
            outputs = self.allinone(**masked_texts, **clips, **keep, return_dict=True, **kwargs)
            result |= self._predict_words(outputs, attention_mask, targets["labels"])
        if targets["matching_labels"] is not None:
            others = clips if matching_indices is None else select_rows(clips, matching_indices)
            outputs = self.allinone(**texts, **others, output_hidden_states=orders_frames, return_dict=True, **kwargs)
            result |= self._match(outputs, attention_mask, targets["matching_labels"])
            first_tokens = self._first_tokens(outputs) if orders_frames else None
        if orders_frames:
            # What matching has read with its own text is not read again.
            rows = torch.arange(len(attention_mask), device=attention_mask.device)
            if first_tokens is not None:
                rows = rows[matching_indices != rows] if matching_indices is not None else rows[:0]
            if len(rows):
                unread = select_rows(texts | clips, rows)
                outputs = self.allinone(**unread, output_hidden_states=True, return_dict=True, **kwargs)
                read = self._first_tokens(outputs)
                first_tokens = read if first_tokens is None else first_tokens.index_put((rows,), read)
            result |= self._order_frames(first_tokens, frame_order)
        if targets["bool_masked_pos"] is not None:
            masked = {"bool_masked_pos": targets["bool_masked_pos"], "output_hidden_states": True}
            outputs = self.allinone(**masked_texts, **clips, **masked, return_dict=True, **kwargs)
            result |= self._predict_colours(outputs, clips["pixel_values"], targets["bool_masked_pos"])
        return result

    def _predict_words(
        self, outputs: AllInOneModelOutput, attention_mask: torch.Tensor, labels: torch.Tensor | None
    ) -> dict[str, Any]:
        """Scores of the tokens, if there is a head for them, and their loss."""
        if self.mlm_head is None:
            return {}
        loss, logits = self.mlm_head.score_words(outputs.last_hidden_state[:, : attention_mask.shape[1]], labels)
        return {"mlm_logits": logits, "mlm_loss": loss}

    def _match(
        self, outputs: AllInOneModelOutput, attention_mask: torch.Tensor, labels: torch.Tensor | None
    ) -> dict[str, Any]:
        """Whether text and clip match, if there is a head for that, and the losses of matching and of alignment."""
        if self.matching_head is None:
            return {}
        logits = self.matching_head(outputs.pooler_output)
        result = {"matching_logits": logits, "matching_loss": classification_loss(logits, labels, "matching_labels")}
        if labels is not None:
            result["alignment_loss"] = self._alignment_loss(outputs, attention_mask, labels)
        return result

    def _first_tokens(self, outputs: AllInOneModelOutput) -> torch.Tensor:
        """The first token of each frame (B, T, D), before the mean over frames."""
        first_tokens = self.allinone.layernorm(_last_states(outputs)[:, 0])
        return first_tokens.unflatten(0, (len(outputs.last_hidden_state), -1))

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

    def _order_frames(self, first_tokens: torch.Tensor, frame_order: torch.Tensor) -> dict[str, Any]:
        """Scores of the orders (B, T!), from the first tokens of the frames (B, T, D), shown in that order (B, T)."""
        if self.clip_order_head is None:
            return {}
        num_clips, num_shown = first_tokens.shape[:2]
        num_frames = self.clip_order_head.num_frames
        if num_shown != num_frames:
            raise ValueError(
                f"pixel_values has {num_shown} frames, but the clip-order classifier knows the orders of "
                f"{num_frames}; pass num_frames={num_frames} to the processor."
            )
        if tuple(frame_order.shape) != (num_clips, num_frames):
            raise ValueError(
                f"frame_order has shape {tuple(frame_order.shape)}, but expected ({num_clips}, {num_frames})."
            )
        if is_readable(frame_order):
            expected = torch.arange(num_frames).expand(num_clips, -1)
            if not torch.equal(frame_order.sort(dim=1).values, expected):
                raise ValueError(f"frame_order must hold each of 0 to {num_frames - 1} once in every row.")
        index = frame_order[..., None].expand(-1, -1, first_tokens.shape[-1])
        logits = self.clip_order_head(first_tokens.gather(1, index))
        loss = mean_cross_entropy(logits, clip_order_labels(frame_order))
        return {"clip_order_logits": logits, "clip_order_loss": loss}

    def _predict_colours(
        self, outputs: AllInOneModelOutput, pixel_values: torch.Tensor, bool_masked_pos: torch.Tensor
    ) -> dict[str, Any]:
        """Mean cross-entropy over the colours of masked patches that are kept and no padding."""
        if self.masked_patch_head is None or outputs.patch_permutation is None:
            return {}
        if pixel_values.ndim == 4:
            pixel_values = pixel_values[:, None]
        config = self.config
        colours = patch_colours(pixel_values, config.patch_size, config.image_mean, config.image_std)
        labels = colours.masked_fill(~bool_masked_pos[..., None], -100)  # (B, T, P, channels), raster order
        labels = labels.gather(2, outputs.patch_permutation[..., None].expand(-1, -1, -1, labels.shape[-1]))
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
        visual_states = self.allinone.layernorm(_last_states(outputs)[:, -labels.shape[1] :])
        logits = self.masked_patch_head(visual_states)
        return {"masked_patch_loss": mean_cross_entropy(logits.flatten(0, 2), labels.flatten())}


def _count_unread(num_texts: int, inputs: Mapping[str, Any]) -> int:
    """How many clips matching has not read with their own text, and clip order needs."""
    matching_labels, matching_indices = inputs.get("matching_labels"), inputs.get("matching_indices")
    if inputs.get("frame_order") is None:
        return 0
    if matching_labels is None:
        return num_texts
    if inputs.get("use_hard_negatives"):
        return int((matching_labels == 0).sum())
    return 0 if matching_indices is None else int((matching_indices.cpu() != torch.arange(num_texts)).sum())


def _last_states(outputs: AllInOneModelOutput) -> torch.Tensor:
    """Tokens of each frame after the last block (B·T, L + V, D)."""
    *_, last = outputs.hidden_states or ()
    return last


def _choose(
    hidden_states: tuple[torch.Tensor, ...], wanted: bool | int | list[int]
) -> tuple[torch.Tensor | None, ...]:
    """The hidden states of the wanted indices, which may count from the end, and `None` for the others."""
    if isinstance(wanted, bool):
        return hidden_states
    wanted = [wanted] if isinstance(wanted, int) else wanted
    num = len(hidden_states)
    return tuple(state if {index, index - num} & set(wanted) else None for index, state in enumerate(hidden_states))


__all__ = ["AllInOneForPreTraining", "AllInOneForPreTrainingOutput"]
