# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Temporal mixing: what passes between neighbouring frames before every block, without parameters.

Shapes in the comments: B clips, T frames, L text tokens, V visual tokens, D hidden size.
"""

import torch
from torch import nn


def roll_tokens(
    hidden_states: torch.Tensor,
    num_frames: int,
    num_text_tokens: int = 0,
    divisor: int = 8,
    num_visual_tokens: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    Temporal token rolling: of the V visual tokens of every frame, tokens 1 to V // `divisor` move to the next frame
    and the last V // `divisor` to the previous one, around the ends of the clip. [CLS], at 0, and text stay.

    Args:
        hidden_states (`torch.Tensor` of shape `(B * T, L + V, D)`): Tokens of each frame, text first.
        num_frames (`int`): T.
        num_text_tokens (`int`, defaults to 0): L.
        divisor (`int`, defaults to 8): At least 3.
        num_visual_tokens (`torch.LongTensor` of shape `(B,)`, *optional*): How many of a clip's visual tokens are not
            padding, where padding stands last. What rolls is counted among these.

    Returns:
        `torch.Tensor` of the same shape.

    Source: All in One (arXiv 2203.07303), temporal token rolling.

    Example:

    ```python
    >>> frames = torch.arange(3.0).view(3, 1, 1).expand(3, 9, 1)  # nine tokens of each frame hold the frame's number
    >>> roll_tokens(frames, num_frames=3)[:, :, 0].long()
    tensor([[0, 2, 0, 0, 0, 0, 0, 0, 1],
            [1, 0, 1, 1, 1, 1, 1, 1, 2],
            [2, 1, 2, 2, 2, 2, 2, 2, 0]])

    ```
    """
    if num_visual_tokens is not None:
        return _roll_padded_tokens(hidden_states, num_frames, num_text_tokens, divisor, num_visual_tokens)
    num_rolled = (hidden_states.shape[1] - num_text_tokens) // divisor
    first = num_text_tokens + 1
    last = hidden_states.shape[1] - num_rolled

    def move(tokens: torch.Tensor, frames: int) -> torch.Tensor:
        return tokens.unflatten(0, (-1, num_frames)).roll(frames, dims=1).flatten(0, 1)

    return torch.cat(
        [
            hidden_states[:, :first],
            move(hidden_states[:, first : first + num_rolled], 1),
            hidden_states[:, first + num_rolled : last],
            move(hidden_states[:, last:], -1),
        ],
        dim=1,
    )


def _roll_padded_tokens(hidden_states, num_frames, num_text_tokens, divisor, num_visual_tokens):
    """[`roll_tokens`] where each clip has its own number of visual tokens, hence its own ranges."""
    clips = hidden_states.unflatten(0, (-1, num_frames))
    position = torch.arange(hidden_states.shape[1], device=hidden_states.device) - num_text_tokens
    num_visual_tokens = num_visual_tokens.view(-1, 1, 1, 1)
    num_rolled = num_visual_tokens // divisor
    position = position.view(1, 1, -1, 1)
    from_previous = (position >= 1) & (position <= num_rolled)
    from_next = (position >= num_visual_tokens - num_rolled) & (position < num_visual_tokens)
    clips = torch.where(from_previous, clips.roll(1, dims=1), torch.where(from_next, clips.roll(-1, dims=1), clips))
    return clips.flatten(0, 1)


def shift_channels(
    hidden_states: torch.Tensor, num_frames: int, num_text_tokens: int = 0, divisor: int = 8
) -> torch.Tensor:
    """
    Temporal shift: of every visual token, the first D // `divisor` channels come from the next frame and the following
    D // `divisor` from the previous one, with zeros beyond the ends of the clip. Text stays.

    Args:
        hidden_states (`torch.Tensor` of shape `(B * T, L + V, D)`): Tokens of each frame, text first.
        num_frames (`int`): T.
        num_text_tokens (`int`, defaults to 0): L.
        divisor (`int`, defaults to 8): At least 3.

    Returns:
        `torch.Tensor` of the same shape.

    Source: Temporal Shift Module (Lin et al. 2019, arXiv 1811.08383), bi-directional shift.
    """
    num_shifted = hidden_states.shape[-1] // divisor
    text, visual = hidden_states.tensor_split((num_text_tokens,), dim=1)
    clips = visual.unflatten(0, (-1, num_frames))
    from_next, from_previous, kept = clips.tensor_split((num_shifted, 2 * num_shifted), dim=-1)
    shifted = torch.cat(
        [
            nn.functional.pad(from_next, (0, 0, 0, 0, -1, 1)),
            nn.functional.pad(from_previous, (0, 0, 0, 0, 1, -1)),
            kept,
        ],
        dim=-1,
    )
    if torch.compiler.is_compiling():  # a graph made of several frames may be run with one, which has no neighbours
        shifted = torch.where(torch.arange(num_frames, device=clips.device)[-1] > 0, shifted, clips)
    return torch.cat([text, shifted.flatten(0, 1)], dim=1)
