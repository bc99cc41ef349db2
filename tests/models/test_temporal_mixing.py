# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Rolling of tokens and shifting of channels against plain loops."""

import pytest
import torch

from modeling_allinone.models.temporal_mixing_allinone import roll_tokens, shift_channels


def roll_with_loops(clips, num_text_tokens, divisor, num_visual_tokens):
    rolled = clips.clone()
    for clip in range(clips.shape[0]):
        num_frames = clips.shape[1]
        count = int(num_visual_tokens[clip])
        fold = count // divisor
        for frame in range(num_frames):
            for token in range(1, fold + 1):
                rolled[clip, frame, num_text_tokens + token] = clips[clip, frame - 1, num_text_tokens + token]
            for token in range(count - fold, count):
                next_frame = (frame + 1) % num_frames
                rolled[clip, frame, num_text_tokens + token] = clips[clip, next_frame, num_text_tokens + token]
    return rolled


@pytest.mark.parametrize("num_frames", (2, 3, 5))
@pytest.mark.parametrize("num_visual", (4, 17, 18, 33))
@pytest.mark.parametrize("divisor", (3, 4, 8, 16))
def test_roll_is_the_plain_loop(num_frames, num_visual, divisor):
    clips = torch.randn(2, num_frames, 5 + num_visual, 6)
    expected = roll_with_loops(clips, 5, divisor, [num_visual, num_visual])
    assert torch.equal(roll_tokens(clips.flatten(0, 1), num_frames, 5, divisor), expected.flatten(0, 1))
    counts = torch.tensor([num_visual, num_visual - 2])
    expected = roll_with_loops(clips, 5, divisor, counts)
    assert torch.equal(roll_tokens(clips.flatten(0, 1), num_frames, 5, divisor, counts), expected.flatten(0, 1))


def test_rolling_forth_and_back_is_nothing():
    frames = torch.randn(2 * 5, 3 + 17, 6)

    def reverse(frames):
        return frames.view(2, 5, 20, 6).flip(1).flatten(0, 1)

    rolled = roll_tokens(frames, 5, 3)
    assert not torch.equal(rolled, frames)
    assert torch.equal(reverse(roll_tokens(reverse(rolled), 5, 3)), frames)


@pytest.mark.parametrize("divisor", (3, 8))
def test_channel_shift_is_the_plain_loop(divisor):
    clips = torch.randn(2, 4, 5 + 17, 32)
    fold = 32 // divisor
    expected = clips.clone()
    for frame in range(4):
        has_next, has_previous = frame + 1 < 4, frame > 0
        expected[:, frame, 5:, :fold] = clips[:, frame + 1, 5:, :fold] if has_next else 0
        expected[:, frame, 5:, fold : 2 * fold] = clips[:, frame - 1, 5:, fold : 2 * fold] if has_previous else 0
    assert torch.equal(shift_channels(clips.flatten(0, 1), 4, 5, divisor), expected.flatten(0, 1))
