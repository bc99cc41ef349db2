# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The objectives against plain loops."""

import itertools
import math

import pytest
import torch

from modeling_allinone.models.losses_allinone import (
    align_words_and_patches,
    alignment_loss,
    calibration_loss,
    clip_order_labels,
    contrastive_loss,
    cosine_similarities,
    draw_hard_negatives,
    draw_masked_patches,
    optimal_transport_plan,
    pair_frames,
    patch_colours,
    ranking_loss,
    select_words,
)

# ------------------------------------------------------------------------------------------------------- contrastive


def cosine(first, second):
    return (first @ second / first.norm() / second.norm()).item()


def slow_contrastive_loss(text, video, temperature, rows):
    total = 0
    for row in rows:
        of_text = [cosine(text[row], video[other]) / temperature for other in rows]
        of_video = [cosine(text[other], video[row]) / temperature for other in rows]
        own = cosine(text[row], video[row]) / temperature
        for scores in (of_text, of_video):
            total -= own - math.log(sum(math.exp(score) for score in scores))
    return total / max(len(rows), 1)


@pytest.mark.parametrize("temperature", (0.05, 1.0))
def test_contrastive_loss(temperature):
    text, video = 3 * torch.randn(5, 8), torch.randn(5, 8)
    loss = contrastive_loss(text, video, temperature)
    assert loss.item() == pytest.approx(slow_contrastive_loss(text, video, temperature, range(5)), rel=1e-5)
    expected = [[cosine(one, other) for other in video] for one in text]
    torch.testing.assert_close(cosine_similarities(text, video), torch.tensor(expected))


@pytest.mark.parametrize("rows", ([0, 2, 3], [1], []))
def test_contrastive_loss_leaves_out_what_is_no_pair(rows):
    text, video = torch.randn(4, 8), torch.randn(4, 8)
    is_pair = torch.tensor([row in rows for row in range(4)])
    loss = contrastive_loss(text, video, 0.05, is_pair)
    assert loss.item() == pytest.approx(slow_contrastive_loss(text, video, 0.05, rows), rel=1e-5, abs=1e-6)


def test_contrastive_loss_needs_pairs():
    with pytest.raises(ValueError, match="There are 2 texts but 3 clips"):
        contrastive_loss(torch.ones(2, 4), torch.ones(3, 4))


# --------------------------------------------------------------------------------------------- word-patch alignment


def slow_plan(cost, beta=0.5, num_iterations=50):
    """Algorithm 1 of Xie et al. 2018 on one pair without padding, in double precision."""
    num_words, num_patches = cost.shape
    kernel = [
        [math.exp(-cost[word, patch].item() / beta) for patch in range(num_patches)] for word in range(num_words)
    ]
    plan = [[1.0] * num_patches for _ in range(num_words)]
    word_scale = [1 / num_words] * num_words
    for _ in range(num_iterations):
        weights = [
            [kernel[word][patch] * plan[word][patch] for patch in range(num_patches)] for word in range(num_words)
        ]
        patch_scale = [
            1 / num_patches / sum(weights[word][patch] * word_scale[word] for word in range(num_words))
            for patch in range(num_patches)
        ]
        word_scale = [
            1 / num_words / sum(weights[word][patch] * patch_scale[patch] for patch in range(num_patches))
            for word in range(num_words)
        ]
        plan = [
            [word_scale[word] * weights[word][patch] * patch_scale[patch] for patch in range(num_patches)]
            for word in range(num_words)
        ]
    return torch.tensor(plan)


def test_alignment_of_a_padded_batch_is_that_of_each_pair_alone():
    text, visual = torch.randn(3, 6, 8), torch.randn(3, 7, 8)
    words = select_words(torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0]]))
    patches = torch.tensor([[0, 1, 1, 1, 1, 1, 1], [0, 1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1, 0]], dtype=torch.bool)
    distances, plan = align_words_and_patches(text, visual, words, patches)
    for row in range(3):
        own_words, own_patches = text[row, words[row]], visual[row, patches[row]]
        cost = torch.tensor([[1 - cosine(word, patch) for patch in own_patches] for word in own_words])
        expected = slow_plan(cost)
        own_plan = plan[row][words[row]][:, patches[row]]
        torch.testing.assert_close(own_plan, expected, atol=1e-5, rtol=1e-3)
        torch.testing.assert_close(distances[row], (cost * expected).sum(), atol=1e-5, rtol=1e-4)
        assert plan[row].sum().item() == pytest.approx(1, rel=1e-5)
        assert plan[row].sum() == own_plan.sum(), "nothing is carried to padding"


def test_plan_finds_the_cheapest_way():
    cost = torch.ones(1, 4, 4) - torch.eye(4)[[2, 0, 3, 1]]
    everything = torch.ones(1, 4, dtype=torch.bool)
    plan = optimal_transport_plan(cost, everything, everything)
    torch.testing.assert_close(plan[0], torch.eye(4)[[2, 0, 3, 1]] / 4)


@pytest.mark.grad
def test_text_without_words_is_at_no_distance():
    words = select_words(torch.tensor([[1, 1, 0], [0, 0, 0], [1, 0, 0]]))
    assert not words.any()
    text = torch.randn(3, 3, 8, requires_grad=True)
    distances, _ = align_words_and_patches(text, torch.randn(3, 5, 8), words, torch.ones(3, 5, dtype=torch.bool))
    distances.sum().backward()
    assert (distances == 0).all() and (text.grad == 0).all()


def test_plan_of_a_costly_pair_is_finite():
    cost = torch.linspace(0, 2, 40 * 196).view(1, 40, 196)
    text, visual = torch.ones(1, 40, dtype=torch.bool), torch.ones(1, 196, dtype=torch.bool)
    plan = optimal_transport_plan(cost, text, visual)
    assert plan.isfinite().all() and plan.sum().item() == pytest.approx(1, rel=1e-4)


@pytest.mark.grad
def test_gradient_goes_through_the_cost_alone():
    text = torch.randn(1, 4, 8, requires_grad=True)
    visual = torch.randn(1, 5, 8)
    words, patches = torch.ones(1, 4, dtype=torch.bool), torch.ones(1, 5, dtype=torch.bool)
    distances, plan = align_words_and_patches(text, visual, words, patches)
    assert not plan.requires_grad
    (gradient,) = torch.autograd.grad(distances.sum(), text)
    similarities = torch.nn.functional.cosine_similarity(text[0][:, None], visual[0][None], dim=-1)
    (expected,) = torch.autograd.grad(((1 - similarities) * plan[0]).sum(), text)
    torch.testing.assert_close(gradient, expected)


def test_alignment_loss():
    distances = torch.tensor([0.5, 2.0, 1.0, 9.0])
    assert alignment_loss(distances, torch.tensor([1, 0, 1, -100])).item() == pytest.approx((0.5 - 2.0 + 1.0) / 3)
    assert alignment_loss(distances, torch.full((4,), -100)) == 0


# ------------------------------------------------------------------------------------------------------- clip order


@pytest.mark.parametrize("num_frames", (1, 2, 3, 4, 5))
def test_clip_order_labels(num_frames):
    orders = torch.tensor(list(itertools.permutations(range(num_frames))))
    assert clip_order_labels(orders).tolist() == list(range(len(orders)))


def test_pair_frames():
    features = torch.randn(2, 4, 3)
    expected = [
        [torch.cat([clip[first], clip[second]]) for first in range(4) for second in range(first + 1, 4)]
        for clip in features
    ]
    torch.testing.assert_close(pair_frames(features), torch.stack([torch.stack(pairs) for pairs in expected]))


# -------------------------------------------------------------------------------------------------- masked patches


def test_patch_colours_of_frames_of_one_colour_are_its_bytes():
    colours = torch.randint(0, 256, (2, 3, 4, 3))
    frames = colours.view(2, 3, 2, 2, 3).repeat_interleave(8, 2).repeat_interleave(8, 3).permute(0, 1, 4, 2, 3) / 255
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    pixel_values = (frames - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    found = patch_colours(pixel_values, 8, mean, std)
    assert found.shape == colours.shape and (found - colours).abs().max() <= 1
    assert (found == colours).float().mean() > 0.95
    with pytest.raises(ValueError, match="image_mean has 1 and image_std 3 values, but frames have 3 channels"):
        patch_colours(pixel_values, 8, (0.5,), std)


def test_masked_patches_are_drawn_at_their_rate():
    generator = torch.Generator().manual_seed(0)
    drawn = draw_masked_patches((20, 10, 100), generator=generator)
    assert drawn.dtype == torch.bool and drawn.float().mean().item() == pytest.approx(0.15, abs=0.01)
    assert not torch.equal(drawn, draw_masked_patches((20, 10, 100), generator=generator))
    again = draw_masked_patches((20, 10, 100), generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)


# ----------------------------------------------------------------------------------------------------------- ranking


def test_wrong_texts_are_never_equal_to_the_right_one():
    embeds = torch.eye(4)
    same = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.bool)
    for _ in range(20):
        drawn = draw_hard_negatives(embeds, embeds[[1, 0, 2, 3]], 2, is_same_text=same)
        assert set(drawn[0].tolist()) == {0, 2, 3} and set(drawn[1].tolist()) == {1, 2, 3}
    assert sorted(draw_hard_negatives(embeds, embeds, 3, is_same_text=same)[0].tolist()) == [0, 1, 2, 3]


def test_texts_of_the_batch_rank_clips_too():
    scores = torch.tensor([[2.0, 0.5], [1.0, 3.0], [0.0, -1.0], [5.0, 4.0]])
    text_rows = torch.tensor([[0, 1], [1, 0], [2, 0], [3, 1]])
    is_pair = torch.tensor([True, True, True, False])
    of_clip = [(2.0, [2.0, 0.5]), (1.0, [1.0, 3.0]), (0.0, [0.0, -1.0])]
    of_text = [(2.0, [2.0, 3.0, -1.0]), (1.0, [1.0, 0.5]), (0.0, [0.0])]
    expected = sum(math.log(sum(map(math.exp, all_scores))) - right for right, all_scores in of_clip + of_text) / 3 / 2
    assert ranking_loss(scores, is_pair, text_rows).item() == pytest.approx(expected, rel=1e-6)
    assert ranking_loss(scores, torch.zeros(4, dtype=torch.bool), text_rows) == 0


def test_calibration_asks_of_each_score_whether_it_is_right():
    scores = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0], [-9.0, 9.0, 9.0]])
    expected = 0.0
    for right, *wrong in scores[:2].tolist():
        loss = -math.log(1 / (1 + math.exp(-right)))
        loss += sum(-math.log(1 - 1 / (1 + math.exp(-score))) for score in wrong) / 2
        expected += loss / 2 / 2
    assert calibration_loss(scores, torch.tensor([True, True, False])).item() == pytest.approx(expected, rel=1e-6)
    assert calibration_loss(scores[:2]).item() == pytest.approx(expected, rel=1e-6)
    assert calibration_loss(scores, torch.zeros(3, dtype=torch.bool)) == 0
    assert calibration_loss(scores[:, :1]).item() == pytest.approx(
        sum(math.log1p(math.exp(-x)) for x in (1, 3, -9)) / 3
    )
