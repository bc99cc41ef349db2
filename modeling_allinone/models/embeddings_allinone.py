# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Embeddings of text and of video, the order of patches, and what is checked of inputs where they are embedded.

Shapes in the comments: B clips, T frames, L text tokens, P patches, V = special visual tokens + P, D hidden size.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from .configuration_allinone import AllInOneConfig

_MORE_THAN_PLACES = 2**24  # of patches in a frame; a fixed number, since ONNX multiplies by no other


class AllInOneTextEmbeddings(nn.Module):
    """BERT's: word + position + token type, layer norm, dropout."""

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.word_embeddings: nn.Module = nn.Embedding(
            config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id
        )
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.text_layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, text: torch.Tensor, token_type_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (B, L, D) for `input_ids` (B, L) or `inputs_embeds` (B, L, D)."""
        words = text if text.ndim == 3 else _look_up("input_ids", text, self.word_embeddings)
        num_tokens = words.shape[1]
        max_tokens = self.position_embeddings.num_embeddings
        if num_tokens > max_tokens:
            raise ValueError(
                f"The text has {num_tokens} tokens but the position table covers {max_tokens}; truncate it "
                f"(AllInOneProcessor does, or truncation=True, max_length={max_tokens} for the tokenizer)."
            )
        if token_type_ids is None:
            token_type_ids = torch.zeros(1, num_tokens, dtype=torch.long, device=words.device)
        token_types = _look_up("token_type_ids", token_type_ids, self.token_type_embeddings)
        # Tables are called and not read as weights: sharding and offloading bring them here when they are called.
        positions = self.position_embeddings(torch.arange(num_tokens, device=words.device))
        return self.dropout(self.layer_norm(words + positions + token_types))


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
        shape: tuple[int, ...],
        device: torch.device,
        patch_is_padding: torch.Tensor | None = None,
        max_frames: int | None = None,
    ) -> torch.Tensor:
        """
        Args:
            shape (`tuple` of `int`): B, T, P.
            device (`torch.device`): Where the result is to be.
            patch_is_padding (`torch.BoolTensor` of shape `(B, P)`, *optional*): Patches that are kept only if there
                are too few others.
            max_frames (`int`, *optional*): The largest T, where there is one.

        Returns:
            `torch.LongTensor` of shape `(B, T, kept patches)`: raster indices.
        """
        batch_size, num_frames, num_patches = shape
        num_kept = min(self.max_image_length or num_patches, num_patches)
        if not self.is_random and num_kept == num_patches:
            return torch.arange(num_patches, device=device).expand(batch_size, num_frames, -1)
        is_same_for_all = not self.training and patch_is_padding is None and isinstance(num_patches, int)
        if max_frames is not None and is_same_for_all and _is_exported_as_it_runs():
            # Some runtimes of exported graphs compute in 32 bits, and would draw another order without a word.
            places = np.arange(max_frames * num_patches, dtype=np.int64)
            order = self._mix(places).reshape(max_frames, num_patches).argsort(axis=-1)
            order = order[:, :num_kept] if self.is_random else np.sort(order[:, :num_kept])
            table = torch.tensor(order.tolist(), device=device)
            return table.narrow(0, 0, num_frames).expand(batch_size, -1, -1)
        if self.training:
            draw = torch.randint(2**32, shape, device=device)
        else:
            draw = self._fixed_draw(num_frames, num_patches, device, patch_is_padding).expand(batch_size, -1, -1)
        if patch_is_padding is not None:
            draw = draw + 2**32 * patch_is_padding[:, None].long()
            # Padding has the draw of the patch before it. No two numbers are the same with the place behind them: a
            # stable sort, which would do, too, is none that ONNX has.
            draw = draw * _MORE_THAN_PLACES + torch.arange(num_patches, device=device)
        kept = draw.argsort(dim=-1)[..., :num_kept]
        return kept if self.is_random else kept.sort(dim=-1).values

    def _fixed_draw(
        self, num_frames: int, num_patches: int, device: torch.device, patch_is_padding: torch.Tensor | None
    ) -> torch.Tensor:
        """A number in [0, 2^32) for each frame and patch (1 or B, T, P), with padding the same as without."""
        if patch_is_padding is None:
            bits = torch.arange(num_frames * num_patches, device=device).view(1, num_frames, num_patches)
        else:
            frame, is_kept = torch.arange(num_frames, device=device)[:, None], ~patch_is_padding[:, None]  # (B, 1, P)
            bits = frame * is_kept.sum(dim=-1, keepdim=True) + is_kept.cumsum(dim=-1) - 1
        return self._mix(bits)

    def _mix(self, bits: Any) -> Any:
        """A number in [0, 2^32) for each of a tensor or array of numbers, in 64 bits."""
        # An integer hash, no generator, is the same on every device and in every version of torch: two rounds of
        # xor-shift-multiply, constants by C. Wellons' search «hash-prospector».
        bits = (bits + self.seed * 0x9E3779B9) & 0xFFFFFFFF
        bits = bits ^ (bits >> 16)
        bits = (bits * 0x21F0AAAD) & 0xFFFFFFFF
        bits = bits ^ (bits >> 15)
        bits = (bits * 0x735A2D97) & 0xFFFFFFFF
        return bits ^ (bits >> 15)


class AllInOnePatchProjection(nn.Conv2d):
    """The linear layer on the pixels of a patch; a class of its own, by which sharding knows when to gather it."""


class AllInOneVisualEmbeddings(nn.Module):
    """Patches of each frame + position + frame, behind the special tokens, in the order of [`AllInOnePatchOrder`]."""

    def __init__(self, config: AllInOneConfig, use_mask_token: bool = False):
        super().__init__()
        self.patch_size = config.patch_size
        self.num_channels = config.num_channels
        self.patch_grid = config.patch_grid
        self.num_special_tokens = config.num_special_visual_tokens
        self.patch_embeddings = AllInOnePatchProjection(
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
        patch_embeds: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """
        Args:
            pixel_values (`torch.Tensor` of shape `(B, T, C, height, width)`)
            pixel_mask (`torch.Tensor` of shape `(B, height, width)` or `(B, T, height, width)`, *optional*)
            patch_permutation (`torch.LongTensor` of shape `(B, T, kept patches)`, *optional*)
            bool_masked_pos (`torch.BoolTensor` of shape `(B, T, P)`, *optional*)
            patch_embeds (`torch.Tensor` of shape `(B, T, P, D)`, *optional*): What the patch projection makes of
                `pixel_values`, where it is known.

        Returns:
            Embeddings (B, T, V, D), number of visual tokens that are not padding (B,) or `None` if all, and the patch
            permutation (B, T, kept patches). Padded patches stand last.
        """
        patches = self.project_patches(pixel_values) if patch_embeds is None else patch_embeds  # (B, T, P, D)
        grid = (pixel_values.shape[-2] // self.patch_size, pixel_values.shape[-1] // self.patch_size)
        batch_size, num_frames, num_patches = shape = patches.shape[:3]
        if bool_masked_pos is not None:
            patches = self._mask_patches(patches, bool_masked_pos)

        # (B, rows, columns)
        grid_is_padding = None if pixel_mask is None else self._find_padding(pixel_mask, pixel_values)
        patch_is_padding = None if grid_is_padding is None else grid_is_padding.flatten(1)
        patches = patches + self._positions(grid, grid_is_padding)[:, None]
        if num_frames > 1 and self.temporal_embeddings is not None:
            temporal = self.temporal_embeddings.narrow(1, 0, num_frames)[:, :, None]
            if torch.compiler.is_compiling():
                # A graph made of several frames may be run with one, an image, which has no temporal embedding.
                temporal = temporal * (torch.arange(num_frames, device=patches.device)[-1] > 0)
            patches = patches + temporal
        elif self.training and self.temporal_embeddings is not None:
            # Distributed training with activation checkpointing wants a gradient for every parameter.
            patches = patches + 0 * self.temporal_embeddings[:, :1, None]

        is_raster = patch_permutation is None and not self.patch_order.is_random
        if patch_permutation is None:
            max_frames = None if self.temporal_embeddings is None else self.temporal_embeddings.shape[1]
            patch_permutation = self.patch_order(shape, pixel_values.device, patch_is_padding, max_frames)
        else:
            _check_patch_permutation(patch_permutation, shape)
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

    def project_patches(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """The pixels of each patch through one linear layer (B, T, P, D)."""
        self._check_pixel_values(pixel_values)
        patches = self.patch_embeddings(pixel_values.flatten(0, 1).to(self.patch_embeddings.weight.dtype))
        return patches.flatten(2).transpose(1, 2).unflatten(0, pixel_values.shape[:2])

    def _positions(self, grid: tuple[int, int], patch_is_padding: torch.Tensor | None) -> torch.Tensor:
        """The position table (1 or B, P, D), bilinearly and corner on corner over what is not padding of the grid."""
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

    def _mask_patches(self, patches: torch.Tensor, bool_masked_pos: torch.Tensor) -> torch.Tensor:
        """The patches (B, T, P, D), the mask token in place of the given ones."""
        if self.mask_token is None:
            raise ValueError("bool_masked_pos was given, but the model has no mask token (use_mask_token=False).")
        if bool_masked_pos.shape != patches.shape[:3] or bool_masked_pos.dtype != torch.bool:
            raise ValueError(
                f"bool_masked_pos has shape {tuple(bool_masked_pos.shape)} and type {bool_masked_pos.dtype}, but "
                f"expected booleans of shape {tuple(patches.shape[:3])}: (batch, frames, patches)."
            )
        return torch.where(bool_masked_pos[..., None], self.mask_token, patches)

    def _check_pixel_values(self, pixel_values: torch.Tensor):
        """Raise a `ValueError` that says why a batch cannot be embedded."""
        if pixel_values.ndim != 5:
            raise ValueError(
                f"pixel_values has shape {tuple(pixel_values.shape)}, but expected (batch, frames, channels, "
                "height, width), or (batch, channels, height, width) for images."
            )
        _, num_frames, num_channels, height, width = pixel_values.shape
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
        if 0 in pixel_values.shape:
            raise ValueError(f"pixel_values has shape {tuple(pixel_values.shape)}: no frame to look at.")
        if height % self.patch_size or width % self.patch_size:
            raise ValueError(
                f"pixel_values has frames of {height} × {width} pixels, which patches of {self.patch_size} × "
                f"{self.patch_size} do not divide; resize or crop to multiples of {self.patch_size}."
            )
        if is_readable(pixel_values) and not pixel_values.isfinite().all():
            clip = int((~pixel_values.isfinite()).flatten(1).any(1).nonzero()[0])
            raise ValueError(f"pixel_values holds NaN or infinity, first in clip {clip}; check how it was made.")
        if self.temporal_embeddings is not None and num_frames > self.temporal_embeddings.shape[1]:
            max_frames = self.temporal_embeddings.shape[1]
            raise ValueError(
                f"pixel_values has {num_frames} frames but the temporal embedding covers {max_frames}; call "
                f"resize_num_frames({num_frames}) or pass num_frames={max_frames} to the processor."
            )

    def _find_padding(self, pixel_mask: torch.Tensor, pixel_values: torch.Tensor) -> torch.Tensor:
        """Which patches are padding (B, rows, columns), as one in any frame is in all, since frames swap patches."""
        batch_size, num_frames, _, height, width = pixel_values.shape
        expected = ((batch_size, height, width), (batch_size, num_frames, height, width))
        if tuple(pixel_mask.shape) not in expected:
            raise ValueError(
                f"pixel_mask has shape {tuple(pixel_mask.shape)}, but expected {expected[0]} or {expected[1]}, as "
                f"pixel_values has shape {tuple(pixel_values.shape)}."
            )
        is_kept = pixel_mask != 0
        is_kept = is_kept.all(dim=1) if is_kept.ndim == 4 else is_kept  # (B, height, width)
        if is_readable(is_kept):
            self._check_padding(is_kept)
        return ~is_kept[:, :: self.patch_size, :: self.patch_size]

    def _check_padding(self, is_kept: torch.Tensor):
        """Raise a `ValueError` unless pixels that are no padding (B, height, width) are a rectangle of patches."""
        num_rows, num_columns = is_kept[:, :, 0].sum(dim=1), is_kept[:, 0].sum(dim=1)
        in_rows = torch.arange(is_kept.shape[1]) < num_rows[:, None]
        in_columns = torch.arange(is_kept.shape[2]) < num_columns[:, None]
        is_right = (is_kept == (in_rows[:, :, None] & in_columns[:, None])).flatten(1).all(dim=1)
        is_right &= (num_rows > 0) & (num_rows % self.patch_size == 0) & (num_columns % self.patch_size == 0)
        if not is_right.all():
            raise ValueError(
                f"pixel_mask of clip {int((~is_right).nonzero()[0])} is no rectangle of ones in the upper left corner "
                f"that patches of {self.patch_size} × {self.patch_size} pixels fill; padding belongs at the right and "
                "at the bottom of frames whose sides are multiples of that, where AllInOneVideoProcessor adds it with "
                f"do_pad=True and size_divisor={self.patch_size}."
            )


def is_readable(values: torch.Tensor) -> bool:
    """
    Whether checking values costs next to nothing: on an accelerator, reading them would make every step wait, and in a
    compiled graph there is nothing to read yet.
    """
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def _is_exported_as_it_runs() -> bool:
    """Whether torch.export traces, and Python runs as ever, so that what it computes becomes a constant."""
    compiler: Any = torch.compiler
    return hasattr(compiler, "is_exporting") and compiler.is_exporting() and not compiler.is_dynamo_compiling()


def _look_up(name: str, tokens: torch.Tensor, table: nn.Module) -> torch.Tensor:
    """Rows of a table; a `ValueError` if it, unless it is an adapter, has none for a token that can be read."""
    if is_readable(tokens) and isinstance(table, nn.Embedding):
        is_wrong = (tokens < 0) | (tokens >= table.num_embeddings)
        if is_wrong.any():
            raise ValueError(
                f"{name} holds {tokens[is_wrong][0].item()}, but the model knows 0 to {table.num_embeddings - 1}; "
                "take the tokenizer that belongs to it, or call resize_token_embeddings."
            )
    return table(tokens)


def _check_patch_permutation(patch_permutation: torch.Tensor, expected: tuple[int, ...]):
    """Raise a `ValueError` unless the permutation fits the patches (B, T, P)."""
    shape, num_patches = tuple(patch_permutation.shape), expected[2]
    if len(shape) != 3 or shape[:2] != expected[:2] or not 1 <= shape[2] <= num_patches:
        raise ValueError(
            f"patch_permutation has shape {shape}, but expected {tuple(expected)}: for each frame of each clip, the "
            "raster indices of its patches, or of fewer to drop the others."
        )
    if not is_readable(patch_permutation):
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
    """A permutation (B, T, kept patches), its padded patches (B, P) last, and the number of the others (B,)."""
    is_padding = patch_is_padding[:, None].expand(-1, patch_permutation.shape[1], -1).gather(2, patch_permutation)
    places = torch.arange(is_padding.shape[-1], device=is_padding.device)
    order = (is_padding * _MORE_THAN_PLACES + places).argsort(dim=-1)  # as by a stable sort, which ONNX lacks
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

    def embed_text(self, text: torch.Tensor, token_type_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (B, L, D) for `input_ids` (B, L) or `inputs_embeds` (B, L, D)."""
        return self._add_modality(self.text_embeddings(text, token_type_ids), 0)

    def embed_video(
        self,
        pixel_values: torch.Tensor,
        pixel_mask: torch.Tensor | None = None,
        patch_permutation: torch.Tensor | None = None,
        image_token_type_idx: int = 1,
        bool_masked_pos: torch.Tensor | None = None,
        patch_embeds: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """Returns what [`AllInOneVisualEmbeddings`] returns."""
        embeddings, num_visual_tokens, patch_permutation = self.visual_embeddings(
            pixel_values, pixel_mask, patch_permutation, bool_masked_pos, patch_embeds
        )
        return self._add_modality(embeddings, image_token_type_idx), num_visual_tokens, patch_permutation

    def _add_modality(self, embeddings: torch.Tensor, modality_type: int) -> torch.Tensor:
        num_types = self.modality_type_embeddings.num_embeddings
        if not 0 <= modality_type < num_types:
            raise ValueError(
                f"image_token_type_idx is {modality_type}, but the model has modality types 0 to {num_types - 1}."
            )
        return embeddings + self.modality_type_embeddings(torch.tensor([modality_type], device=embeddings.device))


def text_shape(input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None, *ndims: int) -> tuple[int, ...]:
    """Shape of the text in tokens; raises a `ValueError` if there is none, or if it has none of these dimensions."""
    tokens = input_ids if inputs_embeds is None else inputs_embeds[..., 0]
    if tokens is None:
        raise ValueError("This head reads text: give input_ids or inputs_embeds.")
    shape = tuple(tokens.shape)
    if len(shape) not in ndims or 0 in shape:
        expected = " or ".join({2: "(batch, tokens)", 3: "(batch, options, tokens)"}[ndim] for ndim in ndims)
        raise ValueError(f"The text has shape {shape}, but expected {expected}, at least 1 of each.")
    return shape
