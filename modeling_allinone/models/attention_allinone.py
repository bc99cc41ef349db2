# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Attention of all tokens of a frame, text and visual alike, by whichever implementation is the fastest."""

from collections.abc import Callable
from typing import Any, TypeGuard

import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs

from .configuration_allinone import AllInOneConfig
from .linear_allinone import linear_of, make_linear

_MULTIPLIES_BFLOAT16_WITHOUT_AMX = torch.cpu._is_avx512_bf16_supported() and not torch.cpu._is_amx_tile_supported()
_MAX_TOKENS_WRITTEN_OUT = 512  # with more, the fused kernel is as fast, and it needs no memory for the weights


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
    Attention written out, for those who want its weights, and where it is faster than torch's fused kernel.

    Args:
        module (`nn.Module`): The attention layer; tells whether dropout is active.
        query (`torch.Tensor` of shape `(batch, heads, queries, head size)`)
        key, value (`torch.Tensor` of shape `(batch, heads, tokens, head size)`)
        attention_mask (`torch.Tensor` of shape `(batch, 1, queries or 1, tokens)`, *optional*): Added to the scores;
            or booleans, which say what is read.
        scaling (`float`): Factor of the scores.
        dropout (`float`, defaults to 0.0): Dropout probability of the weights.

    Returns:
        Output (batch, queries, heads, head size) and weights (batch, heads, queries, tokens).
    """
    batch_size, num_heads = query.shape[:2]
    query, key, value = (states.reshape(-1, *states.shape[2:]) for states in (query, key, value))
    if attention_mask is None:
        scores = torch.bmm(query * scaling, key.transpose(1, 2))
    else:
        if attention_mask.dtype == torch.bool:
            attention_mask = torch.where(attention_mask, 0.0, torch.finfo(query.dtype).min).to(query.dtype)
        mask = attention_mask.expand(-1, num_heads, -1, -1).flatten(0, 1)
        scores = torch.baddbmm(mask, query, key.transpose(1, 2), alpha=scaling)
    # In half precision, too, softmax computes in float32 inside.
    weights = nn.functional.dropout(scores.softmax(dim=-1), p=dropout, training=module.training)
    weights = weights.unflatten(0, (batch_size, num_heads))
    context = torch.bmm(weights.flatten(0, 1), value).unflatten(0, (batch_size, num_heads))
    return context.transpose(1, 2), weights


def is_faster_written_out(states: torch.Tensor) -> bool:
    """
    Whether attention to these tokens (batch, tokens, heads, head size) is faster written out than by torch's fused
    kernel: in bfloat16, on a CPU that multiplies in it, if not by AMX, which alone that kernel makes use of.
    """
    is_slow_type = states.device.type == "cpu" and states.dtype == torch.bfloat16
    return is_slow_type and _MULTIPLIES_BFLOAT16_WITHOUT_AMX and states.shape[1] <= _MAX_TOKENS_WRITTEN_OUT


class AllInOneAttention(nn.Module):
    """Multi-head self-attention of all tokens of one frame, text and visual alike."""

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.config = config
        self.head_size = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_size**-0.5
        self.attention_dropout = config.attention_probs_dropout_prob
        self.is_causal = False
        self.qkv = make_linear(config, config.hidden_size, 3 * config.hidden_size, bias=config.qkv_bias)
        self.out_proj = make_linear(config, config.hidden_size, config.hidden_size)

    def forward(
        self,
        hidden_states: torch.Tensor,
        norm: Callable[[torch.Tensor], torch.Tensor],
        attention_mask: torch.Tensor | None = None,
        tokens_to_keep: int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """
        Returns tokens (B·T, kept, D) and, from the eager implementation, the attention weights, of what a norm makes
        of the input.
        """
        of_each = linear_of(self.qkv, norm, hidden_states)
        query, key, value = of_each.unflatten(-1, (3, -1, self.head_size)).unbind(dim=2)
        if attention_mask is None or has_query_dimension(attention_mask):
            # By the comparison, compiled code knows the number: transformers compares that of queries with 1, too.
            query = query[:, : 1 if tokens_to_keep == 1 else tokens_to_keep]
        if has_query_dimension(attention_mask) and torch.compiler.is_exporting():
            # ONNX Runtime's attention takes a row for each query.
            attention_mask = attention_mask.expand(-1, -1, query.shape[1], -1)
        implementation = self.config._attn_implementation
        if implementation == "sdpa" and is_faster_written_out(key):
            implementation = "eager"
        attention_function: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager_attention_forward)
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
        return self.out_proj(context[:, :tokens_to_keep].flatten(2)), weights


def has_query_dimension(attention_mask: Any) -> TypeGuard[torch.Tensor]:
    """Whether a mask has the form (batch, 1, queries, tokens): other forms are tied to as many queries as tokens."""
    return isinstance(attention_mask, torch.Tensor) and attention_mask.ndim == 4
