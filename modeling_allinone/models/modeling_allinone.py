# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
PyTorch All-in-one model: one ViT that takes text and video through the same blocks.

Shapes in the comments: B clips, T frames, L text tokens, P patches, V = special visual tokens + P, D hidden size.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import ModelOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple, logging
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .checkpoint_mapping_allinone import scores_from_matching_head
from .configuration_allinone import AllInOneConfig
from .temporal_mixing_allinone import roll_tokens, shift_channels

logger = logging.get_logger(__name__)


@dataclass
class AllInOneModelOutput(ModelOutput):
    """
    What [`AllInOneModel`] returns.

    Args:
        last_hidden_state (`torch.FloatTensor` of shape `(B, L + V, D)`):
            Tokens after the last block, its layer norm and the mean over frames: text first, then visual [CLS], then
            the distillation token where there is one, then patches. Only the modalities that were given.
        pooler_output (`torch.FloatTensor` of shape `(B, D)`, *optional*):
            The first token of `last_hidden_state` after a linear layer and tanh.
        hidden_states (`tuple` of `torch.FloatTensor` of shape `(B * T, L + V, D)`, *optional*):
            Embeddings, then the output of each block, frame by frame, before the last layer norm.
        attentions (`tuple` of `torch.FloatTensor` of shape `(B * T, heads, L + V, L + V)`, *optional*):
            Attention weights of each block; needs `attn_implementation="eager"`.
        patch_permutation (`torch.LongTensor` of shape `(B, T, P)`, *optional*):
            Raster index of the patch that stood at each place of each frame when the frame was embedded.
        visual_attention_mask (`torch.BoolTensor` of shape `(B, V)`, *optional*):
            Which visual tokens are no padding; `None` if all.
    """

    last_hidden_state: torch.FloatTensor | None = None
    pooler_output: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None
    patch_permutation: torch.LongTensor | None = None
    visual_attention_mask: torch.BoolTensor | None = None


@dataclass
class AllInOneTaskOutput(ModelOutput):
    """
    What a task head returns.

    Args:
        loss (`torch.FloatTensor`, *optional*): Present if `labels` were given.
        logits (`torch.FloatTensor`): Scores before softmax; the head's docstring gives the shape.
        hidden_states, attentions, patch_permutation: As in [`AllInOneModelOutput`].
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None
    patch_permutation: torch.LongTensor | None = None


# ---------------------------------------------------------------------------------------------------------------------
# Embeddings
# ---------------------------------------------------------------------------------------------------------------------


class AllInOneTextEmbeddings(nn.Module):
    """BERT's: word + position + token type, layer norm, dropout."""

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.text_layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Returns (B, L, D) for `input_ids` (B, L) or `inputs_embeds` (B, L, D)."""
        if inputs_embeds is None:
            _check_tokens("input_ids", input_ids, self.word_embeddings)
            inputs_embeds = self.word_embeddings(input_ids)
        device = inputs_embeds.device
        num_tokens = inputs_embeds.shape[1]
        max_tokens = self.position_embeddings.num_embeddings
        if num_tokens > max_tokens:
            raise ValueError(
                f"The text has {num_tokens} tokens but the position table covers {max_tokens}; truncate it "
                f"(AllInOneProcessor does, or truncation=True, max_length={max_tokens} for the tokenizer)."
            )
        if token_type_ids is None:
            token_type_ids = torch.zeros(1, num_tokens, dtype=torch.long, device=device)
        _check_tokens("token_type_ids", token_type_ids, self.token_type_embeddings)
        # Tables are called and not read as weights: sharding and offloading bring them here when they are called.
        positions = self.position_embeddings(torch.arange(num_tokens, device=device))
        return self.dropout(self.layer_norm(inputs_embeds + positions + self.token_type_embeddings(token_type_ids)))


class AllInOnePatchOrder(nn.Module):
    """
    The order in which the patches of each frame go through the blocks, which decides which of them roll, and which
    patches are kept where `config.max_image_length` is set.
    """

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.is_random = config.patch_order == "random"
        self.seed = config.patch_order_seed
        self.max_image_length = config.max_image_length

    def forward(
        self,
        batch_size: int,
        num_frames: int,
        num_patches: int,
        device: torch.device,
        patch_is_padding: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Args:
            batch_size, num_frames, num_patches (`int`): B, T, P.
            device (`torch.device`): Where the result is to be.
            patch_is_padding (`torch.BoolTensor` of shape `(B, P)`, *optional*): Patches that are kept only if there
                are too few others.

        Returns:
            `torch.LongTensor` of shape `(B, T, kept patches)`: raster indices.
        """
        num_kept = min(self.max_image_length or num_patches, num_patches)
        if not self.is_random and num_kept == num_patches:
            return torch.arange(num_patches, device=device).expand(batch_size, num_frames, -1)
        if self.training:
            draw = torch.randint(2**32, (batch_size, num_frames, num_patches), device=device)
        else:
            draw = self._fixed_draw(num_frames, num_patches, device, patch_is_padding).expand(batch_size, -1, -1)
        if patch_is_padding is not None:
            draw = draw + 2**32 * patch_is_padding[:, None].long()
        kept = draw.argsort(dim=-1, stable=True)[..., :num_kept]
        return kept if self.is_random else kept.sort(dim=-1).values

    def _fixed_draw(
        self, num_frames: int, num_patches: int, device: torch.device, patch_is_padding: torch.Tensor | None
    ) -> torch.Tensor:
        """
        A number in [0, 2^32) for each frame and patch, the same on every device and in every version of torch, since
        it is an integer hash and no generator (two rounds of xor-shift-multiply, constants by C. Wellons' search
        «hash-prospector»); and the same for a clip with padding as without. (1 or B, T, P)
        """
        frame = torch.arange(num_frames, device=device)[:, None]
        if patch_is_padding is None:
            bits = (frame * num_patches + torch.arange(num_patches, device=device))[None]
        else:
            is_kept = ~patch_is_padding[:, None]  # (B, 1, P)
            bits = frame * is_kept.sum(dim=-1, keepdim=True) + is_kept.cumsum(dim=-1) - 1
        bits = (bits + self.seed * 0x9E3779B9) & 0xFFFFFFFF
        bits = bits ^ (bits >> 16)
        bits = (bits * 0x21F0AAAD) & 0xFFFFFFFF
        bits = bits ^ (bits >> 15)
        bits = (bits * 0x735A2D97) & 0xFFFFFFFF
        return bits ^ (bits >> 15)


class AllInOneVisualEmbeddings(nn.Module):
    """Patches of each frame + position + frame, behind the special tokens, in the order of [`AllInOnePatchOrder`]."""

    def __init__(self, config: AllInOneConfig, use_mask_token: bool = False):
        super().__init__()
        self.patch_size = config.patch_size
        self.num_channels = config.num_channels
        self.patch_grid = config.patch_grid
        self.num_special_tokens = config.num_special_visual_tokens
        self.patch_embeddings = nn.Conv2d(
            config.num_channels, config.hidden_size, kernel_size=config.patch_size, stride=config.patch_size
        )
        self.special_tokens = nn.Parameter(torch.zeros(1, self.num_special_tokens, config.hidden_size))
        self.position_embeddings = nn.Parameter(
            torch.zeros(1, self.num_special_tokens + config.num_patches, config.hidden_size)
        )
        # The original builds a temporal embedding with a distillation token too, but never adds it.
        self.temporal_embeddings = (
            None
            if config.use_distillation_token
            else nn.Parameter(torch.zeros(1, config.num_frames, config.hidden_size))
        )
        self.mask_token = nn.Parameter(torch.zeros(1, 1, 1, config.hidden_size)) if use_mask_token else None
        self.patch_order = AllInOnePatchOrder(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        pixel_values: torch.Tensor,
        pixel_mask: torch.Tensor | None = None,
        patch_permutation: torch.Tensor | None = None,
        bool_masked_pos: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """
        Args:
            pixel_values (`torch.Tensor` of shape `(B, T, C, height, width)`)
            pixel_mask (`torch.Tensor` of shape `(B, height, width)` or `(B, T, height, width)`, *optional*)
            patch_permutation (`torch.LongTensor` of shape `(B, T, kept patches)`, *optional*)
            bool_masked_pos (`torch.BoolTensor` of shape `(B, T, P)`, *optional*)

        Returns:
            Embeddings (B, T, V, D), number of visual tokens that are not padding (B,) or `None` if all, and the patch
            permutation (B, T, kept patches). Padded patches stand last.
        """
        batch_size, num_frames = self._check_pixel_values(pixel_values)
        patches = self.patch_embeddings(pixel_values.flatten(0, 1).to(self.patch_embeddings.weight.dtype))
        grid = patches.shape[-2:]
        patches = patches.flatten(2).transpose(1, 2).unflatten(0, (batch_size, num_frames))  # (B, T, P, D)
        num_patches = patches.shape[2]
        if bool_masked_pos is not None:
            self._check_masked_patches(bool_masked_pos, patches.shape[:3])
            patches = torch.where(bool_masked_pos[..., None], self.mask_token, patches)

        patch_is_padding = None
        if pixel_mask is not None:
            patch_is_padding = self._find_padding(pixel_mask, pixel_values)  # (B, rows, columns)
        patches = patches + self._positions(grid, patch_is_padding)[:, None]
        if num_frames > 1 and self.temporal_embeddings is not None:
            patches = patches + self.temporal_embeddings.narrow(1, 0, num_frames)[:, :, None]
        elif self.training and self.temporal_embeddings is not None:
            # Distributed training with activation checkpointing wants a gradient for every parameter.
            patches = patches + 0 * self.temporal_embeddings[:, :1, None]

        if patch_is_padding is not None:
            patch_is_padding = patch_is_padding.flatten(1)
        is_raster = patch_permutation is None and not self.patch_order.is_random
        if patch_permutation is None:
            patch_permutation = self.patch_order(
                batch_size, num_frames, num_patches, pixel_values.device, patch_is_padding
            )
        else:
            _check_patch_permutation(patch_permutation, batch_size, num_frames, num_patches)
        num_visual_tokens = None
        if patch_is_padding is not None:
            patch_permutation, num_kept = _move_padding_last(patch_permutation, patch_is_padding)
            num_visual_tokens = self.num_special_tokens + num_kept
        if not is_raster or patch_is_padding is not None or patch_permutation.shape[-1] < num_patches:
            # gather and not take_along_dim, whose broadcasting ties an exported graph to one batch size
            index = patch_permutation[..., None].expand(-1, -1, -1, patches.shape[-1])
            patches = patches.gather(2, index)

        special_tokens = self.special_tokens + self.position_embeddings[:, : self.num_special_tokens]
        special_tokens = special_tokens[:, None].expand(batch_size, num_frames, -1, -1)
        embeddings = self.dropout(torch.cat([special_tokens, patches], dim=2))
        return embeddings, num_visual_tokens, patch_permutation

    def _positions(self, grid: tuple[int, int], patch_is_padding: torch.Tensor | None) -> torch.Tensor:
        """
        The position table laid over the patch grid, bilinearly and corner on corner; with padding, over the part of
        each clip's grid that is not padding, so that padding changes no position. (1 or B, P, D)
        """
        table = self.position_embeddings[:, self.num_special_tokens :]
        if patch_is_padding is None and tuple(grid) == self.patch_grid:
            return table
        dtype = table.dtype
        # In half precision, coordinates would be off by a tenth of a patch, and some kernels return garbage.
        table = table.float().transpose(1, 2).unflatten(2, self.patch_grid)  # (1, D, rows, columns)
        if patch_is_padding is None:
            positions = nn.functional.interpolate(table, size=tuple(grid), mode="bilinear", align_corners=True)
            return positions.flatten(2).transpose(1, 2).to(dtype)

        def coordinates(size: int, num_valid: torch.Tensor) -> torch.Tensor:  # -1 at the first patch, 1 at the last
            index = torch.arange(size, device=table.device, dtype=table.dtype)
            return 2 * index / (num_valid[:, None] - 1).clamp(min=1) - 1  # (B, size)

        vertical = coordinates(grid[0], (~patch_is_padding[:, :, 0]).sum(1))[:, :, None].expand(-1, -1, grid[1])
        horizontal = coordinates(grid[1], (~patch_is_padding[:, 0]).sum(1))[:, None].expand(-1, grid[0], -1)
        where = torch.stack([horizontal, vertical], dim=-1)  # (B, rows, columns, 2)
        positions = nn.functional.grid_sample(
            table.expand(where.shape[0], -1, -1, -1), where, mode="bilinear", padding_mode="border", align_corners=True
        )
        return positions.flatten(2).transpose(1, 2).to(dtype)

    def _check_masked_patches(self, bool_masked_pos: torch.Tensor, shape: tuple[int, ...]):
        if self.mask_token is None:
            raise ValueError("bool_masked_pos was given, but the model has no mask token (use_mask_token=False).")
        if bool_masked_pos.shape != shape or bool_masked_pos.dtype != torch.bool:
            raise ValueError(
                f"bool_masked_pos has shape {tuple(bool_masked_pos.shape)} and type {bool_masked_pos.dtype}, but "
                f"expected booleans of shape {tuple(shape)}: (batch, frames, patches)."
            )

    def _check_pixel_values(self, pixel_values: torch.Tensor) -> tuple[int, int]:
        """Return B and T of a batch that can be embedded; raise a `ValueError` that says why another cannot."""
        if pixel_values.ndim != 5:
            raise ValueError(
                f"pixel_values has shape {tuple(pixel_values.shape)}, but expected (batch, frames, channels, "
                "height, width), or (batch, channels, height, width) for images."
            )
        batch_size, num_frames, num_channels, height, width = pixel_values.shape
        if not pixel_values.is_floating_point():
            raise ValueError(
                f"pixel_values has type {pixel_values.dtype}, but expected normalised floats; pass the frames through "
                "AllInOneVideoProcessor."
            )
        if num_channels != self.num_channels:
            raise ValueError(
                f"pixel_values has {num_channels} channels in shape {tuple(pixel_values.shape)}, but the model "
                f"expects {self.num_channels} at the third place: (batch, frames, channels, height, width)."
            )
        if num_frames == 0 or batch_size == 0:
            raise ValueError(f"pixel_values has shape {tuple(pixel_values.shape)}: no frame to look at.")
        if height % self.patch_size or width % self.patch_size or not height or not width:
            raise ValueError(
                f"pixel_values has frames of {height} × {width} pixels, which patches of {self.patch_size} × "
                f"{self.patch_size} do not divide; resize or crop to multiples of {self.patch_size}."
            )
        if _is_readable(pixel_values) and not pixel_values.isfinite().all():
            clip = int((~pixel_values.isfinite()).flatten(1).any(1).nonzero()[0])
            raise ValueError(f"pixel_values holds NaN or infinity, first in clip {clip}; check how it was made.")
        if self.temporal_embeddings is not None and num_frames > self.temporal_embeddings.shape[1]:
            max_frames = self.temporal_embeddings.shape[1]
            raise ValueError(
                f"pixel_values has {num_frames} frames but the temporal embedding covers {max_frames}; call "
                f"resize_num_frames({num_frames}) or pass num_frames={max_frames} to the processor."
            )
        return batch_size, num_frames

    def _find_padding(self, pixel_mask: torch.Tensor, pixel_values: torch.Tensor) -> torch.Tensor:
        """
        Which patches are padding (B, rows, columns): those whose first pixel is. Padding is taken to be at the right
        and at the bottom, and a patch that is padded in one frame counts as padded in all, since frames swap patches.
        """
        batch_size, num_frames, _, height, width = pixel_values.shape
        expected = ((batch_size, height, width), (batch_size, num_frames, height, width))
        if tuple(pixel_mask.shape) not in expected:
            raise ValueError(
                f"pixel_mask has shape {tuple(pixel_mask.shape)}, but expected {expected[0]} or {expected[1]}, as "
                f"pixel_values has shape {tuple(pixel_values.shape)}."
            )
        is_padding = pixel_mask[..., :: self.patch_size, :: self.patch_size] == 0
        is_padding = is_padding.any(dim=1) if is_padding.ndim == 4 else is_padding
        if _is_readable(is_padding):
            _check_padding(is_padding)
            patches = pixel_mask.unflatten(-2, (-1, self.patch_size)).unflatten(-1, (-1, self.patch_size)) != 0
            if (patches.any(dim=-1).any(dim=-2) != patches.all(dim=-1).all(dim=-2)).any():
                raise ValueError(
                    f"pixel_mask has patches of {self.patch_size} × {self.patch_size} pixels that are partly padding; "
                    f"resize to multiples of {self.patch_size} before padding, as AllInOneVideoProcessor does with "
                    f"size_divisor={self.patch_size}."
                )
        return is_padding


def _check_padding(is_padding: torch.Tensor):
    """Raise a `ValueError` unless what is no padding (B, rows, columns) is a rectangle in the upper left corner."""
    is_kept = ~is_padding
    num_rows, num_columns = is_kept[:, :, 0].sum(1), is_kept[:, 0].sum(1)
    in_rows = torch.arange(is_kept.shape[1]) < num_rows[:, None]
    in_columns = torch.arange(is_kept.shape[2]) < num_columns[:, None]
    is_rectangle = (is_kept == (in_rows[:, :, None] & in_columns[:, None])).flatten(1).all(1) & (num_rows > 0)
    if not is_rectangle.all():
        clip = int((~is_rectangle).nonzero()[0])
        raise ValueError(
            f"pixel_mask of clip {clip} is no rectangle of ones in the upper left corner, at least a patch; padding "
            "belongs at the right and at the bottom, where AllInOneVideoProcessor adds it with do_pad=True."
        )


def _is_readable(values: torch.Tensor) -> bool:
    """
    Whether checking values costs next to nothing: on an accelerator, reading them would make every step wait, and in a
    compiled graph there is nothing to read yet.
    """
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def _check_tokens(name: str, tokens: torch.Tensor, table: nn.Module):
    """Raise a `ValueError` if a table, unless it is an adapter, has no row for a token; where tokens can be read."""
    if not _is_readable(tokens) or not isinstance(table, nn.Embedding):
        return
    is_wrong = (tokens < 0) | (tokens >= table.num_embeddings)
    if is_wrong.any():
        raise ValueError(
            f"{name} holds {tokens[is_wrong][0].item()}, but the model knows 0 to {table.num_embeddings - 1}; take "
            "the tokenizer that belongs to it, or call resize_token_embeddings."
        )


def _check_patch_permutation(patch_permutation: torch.Tensor, batch_size: int, num_frames: int, num_patches: int):
    """Raise a `ValueError` unless the permutation fits the frames."""
    shape = tuple(patch_permutation.shape)
    if len(shape) != 3 or shape[:2] != (batch_size, num_frames) or not 1 <= shape[2] <= num_patches:
        raise ValueError(
            f"patch_permutation has shape {shape}, but expected ({batch_size}, {num_frames}, {num_patches}): for each "
            "frame of each clip, the raster indices of its patches, or of fewer to drop the others."
        )
    if not _is_readable(patch_permutation):
        return
    in_order = patch_permutation.sort(dim=-1).values
    if in_order.min() < 0 or in_order.max() >= num_patches or (in_order[..., 1:] == in_order[..., :-1]).any():
        raise ValueError(
            f"patch_permutation holds an index twice, or one outside 0 to {num_patches - 1}: expected each patch of a "
            "frame at most once."
        )


def _move_padding_last(
    patch_permutation: torch.Tensor, patch_is_padding: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Bring the padded patches (B, P) of a permutation (B, T, kept patches) to its end, else keep the order; also count
    the others (B,).
    """
    is_padding = patch_is_padding[:, None].expand(-1, patch_permutation.shape[1], -1).gather(2, patch_permutation)
    order = is_padding.long().argsort(dim=-1, stable=True)
    # Where frames keep different subsets, a place counts as padding as soon as one frame has padding there.
    num_kept = (~is_padding).sum(dim=-1).amin(dim=-1)
    return patch_permutation.gather(2, order), num_kept


class AllInOneEmbeddings(nn.Module):
    """Text and visual embeddings, each with the embedding of its modality."""

    def __init__(self, config: AllInOneConfig, use_mask_token: bool = False):
        super().__init__()
        self.text_embeddings = AllInOneTextEmbeddings(config)
        self.visual_embeddings = AllInOneVisualEmbeddings(config, use_mask_token)
        self.modality_type_embeddings = nn.Embedding(config.modality_type_vocab_size, config.hidden_size)

    def embed_text(self, input_ids=None, token_type_ids=None, inputs_embeds=None) -> torch.Tensor:
        """Returns (B, L, D)."""
        return self._add_modality(self.text_embeddings(input_ids, token_type_ids, inputs_embeds), 0)

    def embed_video(
        self, pixel_values, pixel_mask=None, patch_permutation=None, image_token_type_idx=1, bool_masked_pos=None
    ):
        """Returns what [`AllInOneVisualEmbeddings`] returns."""
        embeddings, num_visual_tokens, patch_permutation = self.visual_embeddings(
            pixel_values, pixel_mask, patch_permutation, bool_masked_pos
        )
        return self._add_modality(embeddings, image_token_type_idx), num_visual_tokens, patch_permutation

    def _add_modality(self, embeddings: torch.Tensor, modality_type: int) -> torch.Tensor:
        num_types = self.modality_type_embeddings.num_embeddings
        if not 0 <= modality_type < num_types:
            raise ValueError(
                f"image_token_type_idx is {modality_type}, but the model has modality types 0 to {num_types - 1}."
            )
        return embeddings + self.modality_type_embeddings(torch.tensor([modality_type], device=embeddings.device))


# ---------------------------------------------------------------------------------------------------------------------
# Blocks
# ---------------------------------------------------------------------------------------------------------------------


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Attention written out, for those who want its weights.

    Args:
        module (`nn.Module`): The attention layer; tells whether dropout is active.
        query, key, value (`torch.Tensor` of shape `(batch, heads, tokens, head size)`)
        attention_mask (`torch.Tensor` of shape `(batch, 1, tokens, tokens)`, *optional*): Added to the scores.
        scaling (`float`): Factor of the scores.
        dropout (`float`, defaults to 0.0): Dropout probability of the weights.

    Returns:
        Output (batch, tokens, heads, head size) and weights (batch, heads, tokens, tokens).
    """
    scores = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = nn.functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2), weights


class AllInOneAttention(nn.Module):
    """Multi-head self-attention of all tokens of one frame, text and visual alike."""

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.config = config
        self.head_size = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_size**-0.5
        self.attention_dropout = config.attention_probs_dropout_prob
        self.is_causal = False
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=config.qkv_bias)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Returns tokens (B·T, L + V, D) and, from the eager implementation, the attention weights."""
        query, key, value = self.qkv(hidden_states).unflatten(-1, (3, -1, self.head_size)).unbind(dim=2)
        attention_function: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        context, weights = attention_function(
            self,
            query.transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            attention_mask,
            dropout=self.attention_dropout if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )
        return self.out_proj(context.flatten(2)), weights


class AllInOneMLP(nn.Module):
    """Two linear layers around an activation."""

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Returns the shape of `hidden_states`."""
        return self.fc2(self.dropout(self.activation(self.fc1(hidden_states))))


class AllInOneDropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016, arXiv 1603.09382): training drops a residual branch of whole samples."""

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, branch: torch.Tensor) -> torch.Tensor:
        """Returns the shape of `branch`, whose first dimension counts the samples."""
        if not self.training or self.probability == 0.0:
            return branch
        keep = 1.0 - self.probability
        kept = torch.empty((branch.shape[0], *[1] * (branch.ndim - 1)), dtype=branch.dtype, device=branch.device)
        return branch * kept.bernoulli_(keep) / keep

    def extra_repr(self) -> str:
        return f"probability={self.probability:g}"


class AllInOneLayer(GradientCheckpointingLayer):
    """A pre-norm ViT block, at whose entry neighbouring frames exchange visual tokens."""

    def __init__(self, config: AllInOneConfig, layer_index: int):
        super().__init__()
        self.temporal_mixing = config.temporal_mixing
        self.roll_divisor = config.roll_divisor
        self.layernorm_before = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = AllInOneAttention(config)
        self.layernorm_after = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = AllInOneMLP(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.drop_path = AllInOneDropPath(config.drop_path_rate * layer_index / max(config.num_hidden_layers - 1, 1))

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        num_mixed_frames: int = 1,
        num_text_tokens: int = 0,
        num_visual_tokens: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        """
        Args:
            hidden_states (`torch.Tensor` of shape `(B * T, L + V, D)`)
            attention_mask (`torch.Tensor`, *optional*): In the form the attention implementation wants.
            num_mixed_frames (`int`, defaults to 1): T if frames are to exchange tokens, else 1.
            num_text_tokens (`int`, defaults to 0): L.
            num_visual_tokens (`torch.LongTensor` of shape `(B,)`, *optional*): Visual tokens that are not padding.

        Returns:
            `torch.Tensor` of shape `(B * T, L + V, D)`
        """
        if num_mixed_frames > 1 and self.temporal_mixing == "token_roll":
            hidden_states = roll_tokens(
                hidden_states, num_mixed_frames, num_text_tokens, self.roll_divisor, num_visual_tokens
            )
        elif num_mixed_frames > 1 and self.temporal_mixing == "channel_shift":
            hidden_states = shift_channels(hidden_states, num_mixed_frames, num_text_tokens, self.roll_divisor)
        context, _ = self.attention(self.layernorm_before(hidden_states), attention_mask, **kwargs)
        hidden_states = hidden_states + self.drop_path(self.dropout(context))
        return hidden_states + self.drop_path(self.dropout(self.mlp(self.layernorm_after(hidden_states))))


class AllInOnePooler(nn.Module):
    """The first token, through a linear layer and tanh."""

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Returns (B, D) for (B, tokens, D)."""
        return torch.tanh(self.dense(hidden_states[:, 0]))


# ---------------------------------------------------------------------------------------------------------------------
# Model
# ---------------------------------------------------------------------------------------------------------------------


class AllInOnePreTrainedModel(PreTrainedModel):
    """Base class: initialisation, loading, and what the library needs to know of the model."""

    config: AllInOneConfig
    config_class = AllInOneConfig
    base_model_prefix = "allinone"
    main_input_name = "input_ids"
    input_modalities = ("text", "video", "image")
    supports_gradient_checkpointing = True
    # Losses are means over the batch: Trainer is to average them over accumulation steps and processes.
    accepts_loss_kwargs = False
    _no_split_modules = ["AllInOneTextEmbeddings", "AllInOneVisualEmbeddings", "AllInOneLayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _can_record_outputs = {"hidden_states": AllInOneLayer, "attentions": AllInOneAttention}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if isinstance(module, (nn.Linear, nn.Conv2d)) and self.config.linear_initializer == "xavier_uniform":
            # The patch projection is a linear layer on the pixels of a patch, and starts like one.
            bound = (6 / (module.weight.shape[0] + module.weight[0].numel())) ** 0.5
            init.uniform_(module.weight, -bound, bound)
        elif isinstance(module, AllInOneVisualEmbeddings):
            init.trunc_normal_(module.special_tokens, std=self.config.initializer_range)
            init.trunc_normal_(module.position_embeddings, std=self.config.initializer_range)
            if module.mask_token is not None:
                init.trunc_normal_(module.mask_token, std=self.config.initializer_range)
            if module.temporal_embeddings is not None:
                init.trunc_normal_(module.temporal_embeddings, std=self.config.initializer_range)

    def _set_gradient_checkpointing(self, enable: bool = True, *arguments, **keywords):
        super()._set_gradient_checkpointing(enable, *arguments, **keywords)
        if enable:  # as the library does, but only for models whose main input is called "input_ids"
            self.enable_input_require_grads()

    def enable_input_require_grads(self):
        """
        Let gradients flow from the embeddings on where all embeddings are frozen: re-entrant gradient checkpointing
        gives none to adapters and unfrozen blocks otherwise.
        """
        self.disable_input_require_grads()
        super().enable_input_require_grads()
        # Every pass adds the type of its modality, also one without text, or with inputs_embeds.
        modality_types = self.base_model.embeddings.modality_type_embeddings
        hook = modality_types.register_forward_hook(lambda module, inputs, output: output.requires_grad_())
        self._require_grads_hooks.append(hook)

    def tie_weights(self, *arguments, **keywords):
        """Tie words as the library does, which goes on with a warning where a checkpoint has them untied."""
        super().tie_weights(*arguments, **keywords)
        if not self.config.tie_word_embeddings or not self._tied_weights_keys:
            return
        words, decoder = self.get_input_embeddings().weight, self.get_output_embeddings().weight
        if decoder is not words and not words.is_meta:  # on the disk, the two cannot be compared
            raise ValueError(
                "tie_word_embeddings is True, but the word embeddings of the checkpoint and the decoder of its "
                "masked-language-modelling head differ; load it with tie_word_embeddings=False."
            )

    def floating_point_ops(self, inputs: Mapping[str, Any], exclude_embeddings: bool = True) -> int:
        """
        Count the floating point operations of a training step, by the library's convention: backward costs twice what
        forward does, and a multiplication with its addition are 2.

        Args:
            inputs (mapping of `str` to `torch.Tensor`): What `forward` is given; shapes count, padding included.
            exclude_embeddings (`bool`, defaults to `True`): Has no effect, since looking up embeddings costs nothing;
                for calls that are made as the library's are.

        Returns:
            `int`: Operations of the patch projection, the blocks' matrix products, pooler and heads; norms,
            activations and what losses do with the scores are left out.
        """
        return 6 * self._multiply_adds(inputs)

    def _multiply_adds(self, inputs: Mapping[str, Any]) -> int:
        """Of a forward pass: here, of one over text and video, whose pooled outputs go through the head."""
        text, clips = _shapes(inputs)
        head = sum(_num_weights(child) for child in self.children() if child is not self.base_model)
        return self._multiply_adds_of_pass(text, clips) + _num_rows(text, clips) * head

    def _multiply_adds_of_pass(self, text: tuple[int, ...] | None, clips: tuple[int, ...] | None) -> int:
        """Of the backbone, for texts (…, L), clips (B, T, C, height, width), or images without T, or both."""
        config = self.config
        num_rows, num_tokens, num_frames, total = _num_rows(text, clips), 0, 1, 0
        if text is not None:
            num_tokens += text[-1]
        if clips is not None:
            num_frames = clips[1] if len(clips) == 5 else 1
            num_patches = (clips[-2] // config.patch_size) * (clips[-1] // config.patch_size)
            num_pixels = config.num_channels * config.patch_size**2
            total += clips[0] * num_frames * num_patches * num_pixels * config.hidden_size
            num_tokens += config.num_special_visual_tokens + min(config.max_image_length or num_patches, num_patches)
        width = config.hidden_size
        of_weights = num_tokens * (4 * width**2 + 2 * width * config.intermediate_size)
        of_attention = 2 * num_tokens**2 * width
        total += config.num_hidden_layers * num_rows * num_frames * (of_weights + of_attention)
        return total + (num_rows * width**2 if self.base_model.pooler is not None else 0)

    def resize_num_frames(self, num_frames: int):
        """
        Make the temporal embedding cover another number of frames: frames that are no longer needed are cut, new ones
        start at zero, as in the original. With a distillation token there is none, and only the configuration changes.

        Args:
            num_frames (`int`): Number of frames, at least 1.

        Returns:
            The model itself.

        Raises:
            ValueError: If `num_frames` is less than 1.
        """
        if num_frames < 1:
            raise ValueError(f"num_frames is {num_frames}, but must be at least 1.")
        embeddings = self.base_model.embeddings.visual_embeddings
        if embeddings.temporal_embeddings is not None:
            old = embeddings.temporal_embeddings
            missing = max(num_frames - old.shape[1], 0)
            new = nn.functional.pad(old.detach()[:, :num_frames], (0, 0, 0, missing))
            embeddings.temporal_embeddings = nn.Parameter(new.clone(), requires_grad=old.requires_grad)
        self.config.num_frames = num_frames
        return self

    def get_position_embeddings(self) -> nn.Embedding:
        """The text position table."""
        return self.base_model.embeddings.text_embeddings.position_embeddings

    def resize_position_embeddings(self, new_num_position_embeddings: int):
        """
        Make the text position table cover another number of tokens: positions that are no longer needed are cut, new
        ones start as copies of the old ones in turn, as in Longformer (Beltagy et al. 2020, arXiv 2004.05150), but
        for the first, at which [CLS] alone stands. Texts that fitted before are read as before.

        Args:
            new_num_position_embeddings (`int`): Longest text, in tokens, at least 1. The tokenizer's
                `model_max_length` is to follow it.

        Returns:
            The model itself.

        Raises:
            ValueError: If `new_num_position_embeddings` is less than 1.
        """
        if new_num_position_embeddings < 1:
            raise ValueError(f"new_num_position_embeddings is {new_num_position_embeddings}, but must be at least 1.")
        embeddings = self.get_position_embeddings()
        old = embeddings.weight
        num_old = old.shape[0]
        first = min(1, num_old - 1)
        source = torch.arange(new_num_position_embeddings, device=old.device)
        source[num_old:] = first + (source[num_old:] - num_old) % (num_old - first)
        embeddings.weight = nn.Parameter(old.detach()[source], requires_grad=old.requires_grad)
        embeddings.num_embeddings = new_num_position_embeddings
        self.config.max_position_embeddings = new_num_position_embeddings
        return self


class AllInOneModel(AllInOnePreTrainedModel):
    """
    The All-in-one backbone: text and each frame of a clip go through the same blocks together; between blocks, frames
    exchange a few patch tokens; at the end, frames are averaged.

    - *joint* (text and clip): every frame is read with the whole text, and tokens roll between frames;
    - *text only*, *video only*: no token rolls;
    - *image*: a clip of one frame, without temporal embedding and without rolling.

    Args:
        config ([`AllInOneConfig`]): Sizes and behaviour.
        add_pooling_layer (`bool`, defaults to `True`): Whether to compute `pooler_output`.
        use_mask_token (`bool`, defaults to `False`): Whether there is a token to put in place of masked patches.

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneModel

    >>> model = AllInOneModel(AllInOneConfig.from_preset("tiny")).eval()
    >>> outputs = model(input_ids=torch.tensor([[101, 2054, 102]]), pixel_values=torch.zeros(1, 3, 3, 224, 224))
    >>> outputs.last_hidden_state.shape, outputs.pooler_output.shape  # 3 text tokens, [CLS], 196 patches
    (torch.Size([1, 200, 192]), torch.Size([1, 192]))

    ```
    """

    def __init__(self, config: AllInOneConfig, add_pooling_layer: bool = True, use_mask_token: bool = False):
        super().__init__(config)
        self.embeddings = AllInOneEmbeddings(config, use_mask_token)
        self.layers = nn.ModuleList([AllInOneLayer(config, index) for index in range(config.num_hidden_layers)])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.pooler = AllInOnePooler(config) if add_pooling_layer else None
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """The word embeddings."""
        return self.embeddings.text_embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding):
        """Replace the word embeddings."""
        self.embeddings.text_embeddings.word_embeddings = value

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        pixel_values: torch.FloatTensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        patch_permutation: torch.LongTensor | None = None,
        image_token_type_idx: int = 1,
        texts_per_clip: int = 1,
        bool_masked_pos: torch.BoolTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AllInOneModelOutput:
        """
        Args:
            input_ids (`torch.LongTensor` of shape `(B, L)`, *optional*): Text tokens.
            attention_mask (`torch.Tensor` of shape `(B, L)`, *optional*): 1 for text, 0 for padding. Default: all 1.
            token_type_ids (`torch.LongTensor` of shape `(B, L)`, *optional*): BERT's token types. Default: 0.
            pixel_values (`torch.FloatTensor` of shape `(B, T, channels, height, width)`, *optional*): Normalised
                frames, from 1 to `config.num_frames`; or `(B, channels, height, width)` for images. Height and width
                are multiples of `config.patch_size`.
            pixel_mask (`torch.Tensor` of shape `(B, height, width)` or `(B, T, height, width)`, *optional*): 1 for
                pixels, 0 for padding at the right and at the bottom. Default: no padding.
            inputs_embeds (`torch.FloatTensor` of shape `(B, L, D)`, *optional*): Word embeddings instead of
                `input_ids`.
            patch_permutation (`torch.LongTensor` of shape `(B, T, P)`, *optional*): Raster index of the patch to stand
                at each place of each frame; fewer than P drop the others. Default: by `config.patch_order`.
            image_token_type_idx (`int`, defaults to 1): Modality type of the clip.
            texts_per_clip (`int`, defaults to 1): With N > 1, rows `b * N` to `b * N + N - 1` of the text belong to
                clip b, which is embedded once.
            bool_masked_pos (`torch.BoolTensor` of shape `(B, T, P)`, *optional*): Patches, in raster order, to be
                replaced by the mask token. Needs `use_mask_token`.

        Returns:
            [`AllInOneModelOutput`]

        Raises:
            ValueError: If inputs are missing, do not fit one another, or exceed what the model covers.
        """
        implementation = self.config._attn_implementation
        if kwargs.get("output_attentions") and implementation.startswith(("sdpa", "flash", "flex")):
            logger.warning_once(
                f"output_attentions is true, but {implementation!r} attention keeps no weights, so there are none; "
                "load the model with attn_implementation='eager', or call model.set_attn_implementation('eager')."
            )
        has_text = input_ids is not None or inputs_embeds is not None
        if input_ids is not None and inputs_embeds is not None:
            raise ValueError("Both input_ids and inputs_embeds were given; give one of them.")
        if not has_text and pixel_values is None:
            raise ValueError("Neither text (input_ids or inputs_embeds) nor video (pixel_values) was given.")

        text = visual = num_visual_tokens = None
        num_frames = 1
        if has_text:
            _text_shape(input_ids, inputs_embeds, ndim=2)
            text = self.embeddings.embed_text(input_ids, token_type_ids, inputs_embeds)  # (B, L, D)
            if attention_mask is not None and attention_mask.shape != text.shape[:2]:
                raise ValueError(
                    f"attention_mask has shape {tuple(attention_mask.shape)}, but the text has shape "
                    f"{tuple(text.shape[:2])}."
                )
        if pixel_values is not None:
            if pixel_values.ndim == 4:
                pixel_values = pixel_values[:, None]
            visual, num_visual_tokens, patch_permutation = self.embeddings.embed_video(
                pixel_values, pixel_mask, patch_permutation, image_token_type_idx, bool_masked_pos
            )  # (B, T, V, D)
            num_frames = visual.shape[1]
            if texts_per_clip > 1:
                visual = visual.repeat_interleave(texts_per_clip, dim=0)
                if num_visual_tokens is not None:
                    num_visual_tokens = num_visual_tokens.repeat_interleave(texts_per_clip, dim=0)
        if has_text and visual is not None and text.shape[0] != visual.shape[0]:
            raise ValueError(
                f"The batch has {text.shape[0]} texts but {visual.shape[0] // texts_per_clip} clips with "
                f"{texts_per_clip} text(s) each; give one text for each clip, or set texts_per_clip."
            )

        visual_mask = None
        if num_visual_tokens is not None:
            visual_mask = torch.arange(visual.shape[2], device=visual.device) < num_visual_tokens[:, None]  # (B, V)
        embeddings, token_mask = _join_modalities(text, attention_mask, visual, visual_mask)
        attention_mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=embeddings, attention_mask=token_mask
        )
        is_joint = has_text and visual is not None
        hidden_states = embeddings
        for layer in self.layers:
            hidden_states = layer(
                hidden_states,
                attention_mask,
                num_mixed_frames=num_frames if is_joint else 1,
                num_text_tokens=text.shape[1] if is_joint else 0,
                num_visual_tokens=num_visual_tokens,
                **kwargs,
            )
        last_hidden_state = self.layernorm(hidden_states)
        if num_frames > 1:
            last_hidden_state = last_hidden_state.unflatten(0, (-1, num_frames)).mean(dim=1)
        return AllInOneModelOutput(
            last_hidden_state=last_hidden_state,
            pooler_output=self.pooler(last_hidden_state) if self.pooler is not None else None,
            patch_permutation=patch_permutation,
            visual_attention_mask=visual_mask,
        )


def _shapes(inputs: Mapping[str, Any], prefix: str = "") -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """Shapes of the texts in tokens (…, L), and of the clips, if there are any."""
    tokens, embeddings, pixels = (inputs.get(name) for name in (f"{prefix}input_ids", "inputs_embeds", "pixel_values"))
    text = None if tokens is None else tuple(tokens.shape)
    if text is None and embeddings is not None:
        text = tuple(embeddings.shape[:-1])
    return text, None if pixels is None else tuple(pixels.shape)


def _num_rows(text: tuple[int, ...] | None, clips: tuple[int, ...] | None) -> int:
    """How many pooled outputs a pass has: one for each text, or for each clip where one text is for all."""
    return max(math.prod(text[:-1]) if text else 0, clips[0] if clips else 0)


def _num_weights(module: nn.Module) -> int:
    """How many multiplications with their additions the linear layers of a head make of one row."""
    return sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear))


def _join_modalities(
    text: torch.Tensor | None,
    text_mask: torch.Tensor | None,
    visual: torch.Tensor | None,
    visual_mask: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """
    Put the whole text (B, L, D) before the visual tokens (B, T, V, D) of each frame; masks are (B, L) and (B, V).

    Returns:
        Tokens (B·T, L + V, D) and which of them are not padding (B·T, L + V), or `None` if all.
    """
    if visual is None:
        return text, text_mask
    batch_size, num_frames, num_visual_tokens = visual.shape[:3]
    if text is None:
        token_mask = visual_mask
        embeddings = visual.flatten(0, 1)
    else:
        token_mask = None
        if text_mask is not None or visual_mask is not None:
            if text_mask is None:
                text_mask = torch.ones(text.shape[:2], device=text.device)
            if visual_mask is None:
                visual_mask = torch.ones((batch_size, num_visual_tokens), device=visual.device)
            token_mask = torch.cat([text_mask.bool(), visual_mask.bool()], dim=1)  # (B, L + V)
        text = text[:, None].expand(-1, num_frames, -1, -1)
        embeddings = torch.cat([text, visual], dim=2).flatten(0, 1)
    if token_mask is not None:
        token_mask = token_mask.repeat_interleave(num_frames, dim=0)
    return embeddings, token_mask


# ---------------------------------------------------------------------------------------------------------------------
# Heads
# ---------------------------------------------------------------------------------------------------------------------


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
        if self.has_hidden_layer:
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


def _make_classifier(config: AllInOneConfig) -> AllInOneClassificationHead:
    """The classifier over `config.id2label`: answers, or actions, which the original trained as answers."""
    return AllInOneClassificationHead(
        config,
        config.classifier_hidden_size or max(config.hidden_size // 2, 1),
        config.num_labels,
        config.classifier_dropout,
    )


# The decoder has the word embeddings as its weights, if config.tie_word_embeddings says so.
TIED_WORDS = {"mlm_head.decoder.weight": "allinone.embeddings.text_embeddings.word_embeddings.weight"}


class AllInOneMaskedLMHead(nn.Module):
    """BERT's: linear, activation, layer norm, linear; the last is tied to the word embeddings on demand."""

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.text_layer_norm_eps)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, text_states: torch.Tensor) -> torch.Tensor:
        """Returns (B, L, vocabulary) for (B, L, D)."""
        return self.decoder(self.layer_norm(self.activation(self.dense(text_states))))


def _can_read_labels(labels: torch.Tensor) -> bool:
    """
    Whether labels can be checked: on a GPU, too, where a wrong class would end the process with an assertion that
    names nothing, but not in a graph that is compiled or captured.
    """
    if torch.compiler.is_compiling() or labels.device.type not in ("cpu", "cuda"):
        return False
    return labels.device.type == "cpu" or not torch.cuda.is_current_stream_capturing()


def _check_labels(
    labels: torch.Tensor, num_classes: int, shape: tuple[int, ...], name: str = "labels", reason: str = ""
):
    """
    Raise a `ValueError` unless class indices have the given shape and, where they can be read, lie in
    [0, `num_classes`) or are -100.
    """
    is_wrong_type = labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool
    if tuple(labels.shape) != tuple(shape) or is_wrong_type:
        raise ValueError(
            f"{name} has shape {tuple(labels.shape)} and type {labels.dtype}, but expected integers of shape "
            f"{tuple(shape)}{reason}."
        )
    if not _can_read_labels(labels):
        return
    is_wrong = ((labels < 0) | (labels >= num_classes)) & (labels != -100)
    if is_wrong.any():
        raise ValueError(
            f"{name} holds {labels[is_wrong][0].item()}, but expected a class from 0 to {num_classes - 1}, or -100 "
            "for no loss."
        )


def _check_soft_labels(labels: torch.Tensor, shape: tuple[int, ...], reason: str = ""):
    """Raise a `ValueError` unless there is a score for every answer, where it can be read, from 0 to 1, or -100."""
    if tuple(labels.shape) != tuple(shape):
        raise ValueError(
            f"labels has shape {tuple(labels.shape)}, but soft labels need {tuple(shape)}: a score for every answer"
            f"{reason}."
        )
    if not _can_read_labels(labels):
        return
    is_wrong = ~((labels >= 0) & (labels <= 1) | (labels == -100))
    if is_wrong.any():
        raise ValueError(
            f"labels holds {labels[is_wrong][0].item()}, but soft labels are scores from 0 to 1, or -100."
        )


def _soft_label_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy in float32, summed over answers, mean over the rows that are not -100; 0 without any."""
    is_counted = labels >= 0
    total = nn.functional.binary_cross_entropy_with_logits(
        logits.float(), labels.float().clamp(min=0), weight=is_counted.float(), reduction="sum"
    )
    return total / is_counted.any(dim=1).sum().clamp(min=1)


def _infer_problem_type(config: AllInOneConfig, labels: torch.Tensor) -> tuple[str, str]:
    """The problem type of the configuration, or else of the labels; and how an error explains it."""
    if config.problem_type is not None:
        return config.problem_type, f", as config.problem_type is {config.problem_type!r}"
    return ("multi_label_classification" if labels.is_floating_point() else "single_label_classification"), ""


def _regression_loss(logits: torch.Tensor, labels: torch.Tensor, reason: str) -> torch.Tensor:
    """Mean squared error in float32; targets are (B, num_labels), or (B,) for one."""
    if logits.shape[1] == 1 and labels.ndim == 1:
        labels = labels[:, None]
    if labels.shape != logits.shape:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)}, but expected a number for each of {logits.shape[1]} outputs in "
            f"shape {tuple(logits.shape)}{reason}."
        )
    if _can_read_labels(labels) and not labels.isfinite().all():
        raise ValueError("labels holds NaN or infinity, to which nothing can be fitted.")
    return nn.functional.mse_loss(logits.float(), labels.float())


def _refuse_problem_type(config: AllInOneConfig, known: tuple[str, ...], head: str):
    """Raise a `ValueError` if a head was made for labels that it has no loss for."""
    if config.problem_type not in (None, *known):
        raise ValueError(
            f"problem_type is {config.problem_type!r}, but {head}: expected {' or '.join(map(repr, known))}, or None."
        )


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the labels that are not -100, in float32; 0 if there are none."""
    total = nn.functional.cross_entropy(logits.float(), labels.long(), reduction="sum", ignore_index=-100)
    return total / (labels != -100).sum().clamp(min=1)


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
        text, clips = _shapes(inputs)
        return self._multiply_adds_of_pass(text, clips) + math.prod(text) * _num_weights(self.mlm_head)

    def get_output_embeddings(self) -> nn.Linear:
        """The layer that maps to the vocabulary."""
        return self.mlm_head.decoder

    def set_output_embeddings(self, new_embeddings: nn.Linear):
        """Replace the layer that maps to the vocabulary."""
        self.mlm_head.decoder = new_embeddings

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
        num_text_tokens = _text_shape(input_ids, inputs_embeds, ndim=2)[1]
        outputs = self.allinone(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            pixel_values=pixel_values,
            pixel_mask=pixel_mask,
            inputs_embeds=inputs_embeds,
            patch_permutation=patch_permutation,
            return_dict=True,
            **kwargs,
        )
        logits = self.mlm_head(outputs.last_hidden_state[:, :num_text_tokens])
        loss = None
        if labels is not None:
            _check_labels(labels, self.config.vocab_size, logits.shape[:2])
            loss = _cross_entropy(logits.flatten(0, 1), labels.flatten())
        return _task_output(loss, logits, outputs)


class AllInOneForVideoQuestionAnswering(AllInOnePreTrainedModel):
    """
    All-in-one with a classifier over a closed set of answers on its pooled output: open-ended video question answering
    (MSRVTT-QA, MSVD-QA, TGIF-FrameQA) and, with soft labels, VQAv2. Answers are `config.id2label`.

    Losses are the original's. `config.problem_type` is `"single_label_classification"`, one answer each, or
    `"multi_label_classification"`, soft labels, whose loss is the binary cross-entropy times the number of answers and
    not its mean over answers, as in the library's heads. If it is `None`, the type of the labels decides.

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneForVideoQuestionAnswering

    >>> config = AllInOneConfig.from_preset("tiny", id2label={0: "yes", 1: "no"})
    >>> model = AllInOneForVideoQuestionAnswering(config).eval()
    >>> logits = model(input_ids=torch.tensor([[101, 2003, 102]]), pixel_values=torch.zeros(1, 3, 3, 224, 224)).logits
    >>> answer = config.id2label[logits.argmax(-1).item()]

    ```
    """

    def __init__(self, config: AllInOneConfig):
        super().__init__(config)
        _refuse_problem_type(
            config, ("single_label_classification", "multi_label_classification"), "answers are chosen or scored"
        )
        self.allinone = AllInOneModel(config)
        self.classifier = _make_classifier(config)
        self.post_init()

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
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AllInOneTaskOutput:
        """
        Args:
            input_ids, attention_mask, token_type_ids, pixel_values, pixel_mask, inputs_embeds, patch_permutation: As
                in [`AllInOneModel.forward`].
            labels (`torch.LongTensor` of shape `(B,)` or `torch.FloatTensor` of shape `(B, num_labels)`, *optional*):
                Index of the answer, -100 for one outside the vocabulary; or the score, from 0 to 1, of every answer.

        Returns:
            [`AllInOneTaskOutput`] with `logits` of shape `(B, num_labels)` and as `loss` the mean cross-entropy over
            answers in the vocabulary, or for soft labels the binary cross-entropy times the number of answers.
        """
        outputs = self.allinone(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            pixel_values=pixel_values,
            pixel_mask=pixel_mask,
            inputs_embeds=inputs_embeds,
            patch_permutation=patch_permutation,
            return_dict=True,
            **kwargs,
        )
        logits = self.classifier(outputs.pooler_output)
        loss = None
        if labels is not None:
            problem_type, reason = _infer_problem_type(self.config, labels)
            if problem_type == "multi_label_classification":
                _check_soft_labels(labels, logits.shape, reason)
                loss = _soft_label_loss(logits, labels)
            else:
                _check_labels(labels, self.config.num_labels, logits.shape[:1], reason=reason)
                loss = _cross_entropy(logits, labels)
        return _task_output(loss, logits, outputs)


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
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        pixel_values: torch.FloatTensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        patch_permutation: torch.LongTensor | None = None,
        labels: torch.LongTensor | None = None,
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
        outputs, (batch_size, num_choices) = _read_every_text(
            self.allinone,
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            inputs_embeds=inputs_embeds,
            pixel_values=pixel_values,
            pixel_mask=pixel_mask,
            patch_permutation=patch_permutation,
            **kwargs,
        )
        logits = self.scorer(outputs.pooler_output).view(batch_size, num_choices)
        loss = None
        if labels is not None:
            _check_labels(labels, num_choices, (batch_size,))
            loss = _cross_entropy(logits, labels)
        return _task_output(loss, logits, outputs)


class AllInOneForVideoClassification(AllInOnePreTrainedModel):
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
        self.classifier = _make_classifier(config)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor | None = None,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        patch_permutation: torch.LongTensor | None = None,
        labels: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AllInOneTaskOutput:
        """
        Args:
            pixel_values, pixel_mask, patch_permutation: As in [`AllInOneModel.forward`]; video is required.
            input_ids, attention_mask, token_type_ids, inputs_embeds: As in [`AllInOneModel.forward`], with B rows or
                one, a prompt for all clips. Default: `config.prompt_input_ids`, if it has any.
            labels (`torch.Tensor`, *optional*): By `config.problem_type`, which the first labels decide as in the
                library's heads: for `"single_label_classification"` (integers) the index of the class `(B,)`, -100
                for no loss; for `"multi_label_classification"` (floats) a score from 0 to 1 for every class
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
        prompt = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "inputs_embeds": inputs_embeds,
        }
        num_clips = pixel_values.shape[0]
        for name, text in prompt.items():
            if text is not None and text.shape[0] == 1:
                prompt[name] = text.expand(num_clips, *text.shape[1:])
        outputs = self.allinone(
            **prompt,
            pixel_values=pixel_values,
            pixel_mask=pixel_mask,
            patch_permutation=patch_permutation,
            return_dict=True,
            **kwargs,
        )
        logits = self.classifier(outputs.pooler_output)
        loss = None
        if labels is not None:
            loss = self._loss(logits, labels)
        return _task_output(loss, logits, outputs)

    def _multiply_adds(self, inputs: Mapping[str, Any]) -> int:
        if _shapes(inputs)[0] is None and self.config.prompt_input_ids is not None:
            inputs = {**inputs, "input_ids": torch.tensor([self.config.prompt_input_ids])}
        return super()._multiply_adds(inputs)

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of `config.problem_type`, as the library's heads compute it."""
        config = self.config
        if config.problem_type is None:  # the first labels decide for all
            config.problem_type = "regression" if config.num_labels == 1 else _infer_problem_type(config, labels)[0]
        problem_type, reason = _infer_problem_type(config, labels)
        if problem_type == "regression":
            return _regression_loss(logits, labels, reason)
        if problem_type == "multi_label_classification":
            _check_soft_labels(labels, logits.shape, reason)
            return _soft_label_loss(logits, labels) / logits.shape[1]
        _check_labels(labels, config.num_labels, logits.shape[:1], reason=reason)
        return _cross_entropy(logits, labels)


def _read_every_text(
    backbone: AllInOneModel,
    input_ids: torch.Tensor | None,
    attention_mask: torch.Tensor | None,
    token_type_ids: torch.Tensor | None = None,
    inputs_embeds: torch.Tensor | None = None,
    **kwargs,
) -> tuple[AllInOneModelOutput, tuple[int, int]]:
    """
    Read N texts (B, N, L) for each clip, which is embedded once.

    Returns:
        [`AllInOneModelOutput`], whose rows `b * N` to `b * N + N - 1` are the texts of clip b; and B and N.
    """
    batch_size, num_texts = _text_shape(input_ids, inputs_embeds, ndim=3)[:2]
    texts = {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "token_type_ids": token_type_ids,
        "inputs_embeds": inputs_embeds,
    }
    texts = {name: None if text is None else text.flatten(0, 1) for name, text in texts.items()}
    return backbone(**texts, texts_per_clip=num_texts, return_dict=True, **kwargs), (batch_size, num_texts)


def _text_shape(input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None, ndim: int) -> tuple[int, ...]:
    """Shape of the text in tokens, with `ndim` dimensions; raises a `ValueError` if there is none or it has others."""
    if input_ids is None and inputs_embeds is None:
        raise ValueError("This head reads text: give input_ids or inputs_embeds.")
    shape = tuple(input_ids.shape if input_ids is not None else inputs_embeds.shape[:-1])
    if len(shape) != ndim or 0 in shape:
        expected = {2: "(batch, tokens)", 3: "(batch, options, tokens)"}[ndim]
        raise ValueError(f"The text has shape {shape}, but expected {expected}, at least 1 of each.")
    return shape


def _task_output(loss: torch.Tensor | None, logits: torch.Tensor, outputs: AllInOneModelOutput) -> AllInOneTaskOutput:
    return AllInOneTaskOutput(
        loss=loss,
        logits=logits,
        hidden_states=outputs.hidden_states,
        attentions=outputs.attentions,
        patch_permutation=outputs.patch_permutation,
    )


__all__ = [
    "AllInOneForMaskedLM",
    "AllInOneForMultipleChoice",
    "AllInOneForVideoClassification",
    "AllInOneForVideoQuestionAnswering",
    "AllInOneModel",
    "AllInOnePreTrainedModel",
]
