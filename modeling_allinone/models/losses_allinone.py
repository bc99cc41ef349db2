# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Objectives of pre-training and retrieval whose losses are longer than a line.

Shapes in the comments: B pairs of text and clip, T frames, L text tokens, P patches, V visual tokens, D their width.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

# ---------------------------------------------------------------------------------------------------------------------
# Contrastive: which text belongs to which clip
# ---------------------------------------------------------------------------------------------------------------------


def cosine_similarities(text_embeds: torch.Tensor, video_embeds: torch.Tensor) -> torch.Tensor:
    """
    Cosine similarity of every text to every clip, in float32.

    Args:
        text_embeds (`torch.Tensor` of shape `(texts, D)`)
        video_embeds (`torch.Tensor` of shape `(clips, D)`)

    Returns:
        `torch.FloatTensor` of shape `(texts, clips)`, from -1 to 1.

    Example:

    ```python
    >>> cosine_similarities(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0], [-3.0, 0.0]]))
    tensor([[ 0., -1.]])

    ```
    """
    with torch.autocast(text_embeds.device.type, enabled=False):
        text_embeds = nn.functional.normalize(text_embeds.float(), dim=-1)
        video_embeds = nn.functional.normalize(video_embeds.float(), dim=-1)
        return text_embeds @ video_embeds.T


def contrastive_loss(
    text_embeds: torch.Tensor,
    video_embeds: torch.Tensor,
    temperature: float = 0.05,
    is_pair: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    InfoNCE in both directions: of all clips, each text is to find its own, and the other way round. The mean
    cross-entropies of the two directions are added.

    Args:
        text_embeds (`torch.Tensor` of shape `(B, D)`): Row i belongs to row i of the clips.
        video_embeds (`torch.Tensor` of shape `(B, D)`)
        temperature (`float`, defaults to 0.05): What cosine similarities are divided by.
        is_pair (`torch.BoolTensor` of shape `(B,)`, *optional*): Rows whose text and clip belong together. The others
            are left out, as example and as one to be distinguished, since their clip may be that of another row.

    Returns:
        `torch.FloatTensor`: The loss; 0 if there is no pair.

    Raises:
        ValueError: If there are not as many texts as clips.

    Source: All in One (arXiv 2203.07303), video-text contrastive loss; InfoNCE (van den Oord et al. 2018, arXiv
    1807.03748, equation 4).

    Example:

    ```python
    >>> text_embeds = torch.eye(2)
    >>> contrastive_loss(text_embeds, text_embeds) < contrastive_loss(text_embeds, text_embeds.flip(0))
    tensor(True)

    ```
    """
    if text_embeds.shape[0] != video_embeds.shape[0]:
        raise ValueError(
            f"There are {text_embeds.shape[0]} texts but {video_embeds.shape[0]} clips; the contrastive loss needs as "
            "many, text i with clip i."
        )
    logits = cosine_similarities(text_embeds, video_embeds) / temperature
    labels = torch.arange(logits.shape[0], device=logits.device)
    if is_pair is not None:
        logits = logits.masked_fill(~(is_pair[:, None] & is_pair), torch.finfo(logits.dtype).min)
        labels = labels.masked_fill(~is_pair, -100)
    num_pairs = (labels >= 0).sum().clamp(min=1)
    text_to_video = nn.functional.cross_entropy(logits, labels, reduction="sum")
    video_to_text = nn.functional.cross_entropy(logits.T, labels, reduction="sum")
    return (text_to_video + video_to_text) / num_pairs


@torch.no_grad()
def draw_hard_negatives(
    text_embeds: torch.Tensor,
    video_embeds: torch.Tensor,
    num_negatives: int,
    temperature: float = 0.05,
    is_same_text: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    For each clip, texts of the batch: its own first, then others that its features confuse with it.

    Args:
        text_embeds (`torch.Tensor` of shape `(B, D)`): Row i belongs to row i of the clips.
        video_embeds (`torch.Tensor` of shape `(B, D)`)
        num_negatives (`int`): How many others; at most B - 1 are drawn.
        temperature (`float`, defaults to 0.05): What cosine similarities are divided by.
        is_same_text (`torch.BoolTensor` of shape `(B, B)`, *optional*): Which texts are equal. One equal to the
            clip's own is drawn only if nothing else is left.

    Returns:
        `torch.LongTensor` of shape `(B, 1 + num_negatives)`: Rows of texts, without repetition.

    Source: ALBEF (Li et al. 2021, arXiv 2107.07651), section 3.2.
    """
    similarities = cosine_similarities(video_embeds, text_embeds)
    own = torch.arange(len(similarities), device=similarities.device)
    probabilities = (similarities / temperature).softmax(dim=-1).clamp(min=1e-6)
    if is_same_text is not None:
        probabilities = probabilities.masked_fill(is_same_text, 1e-12)
    probabilities[own, own] = 0
    num_others = min(num_negatives, len(own) - 1)
    others = torch.multinomial(probabilities, num_others) if num_others else own.new_empty(len(own), 0)
    return torch.cat([own[:, None], others], dim=1)


def ranking_loss(
    scores: torch.Tensor, is_pair: torch.Tensor | None = None, text_rows: torch.Tensor | None = None
) -> torch.Tensor:
    """
    Cross-entropy of the right text for a clip among several; of the right clip for a text, too, if the texts are those
    of the batch.

    Args:
        scores (`torch.Tensor` of shape `(B, N)`): Of N texts for each clip, the right one first.
        is_pair (`torch.BoolTensor` of shape `(B,)`, *optional*): Rows whose first text belongs to the clip; the others
            are left out.
        text_rows (`torch.LongTensor` of shape `(B, N)`, *optional*): The row of the batch whose text each is. A text
            then ranks the clips that it was scored with, and the losses of both directions are averaged.

    Returns:
        `torch.FloatTensor`: Mean over the rows; 0 if there is none.

    Example:

    ```python
    >>> ranking_loss(torch.tensor([[9.0, 0.0], [0.0, 9.0]]), torch.tensor([True, False])) < 0.01
    tensor(True)

    ```
    """
    labels = torch.zeros(len(scores), dtype=torch.long, device=scores.device)
    if is_pair is not None:
        labels = labels.masked_fill(~is_pair, -100)
    num_pairs = (labels == 0).sum().clamp(min=1)
    loss = nn.functional.cross_entropy(scores.float(), labels, reduction="sum", ignore_index=-100) / num_pairs
    if text_rows is None:
        return loss
    of_pairs = scores.float().masked_fill((labels != 0)[:, None], torch.finfo(torch.float32).min)
    every_pair = of_pairs.new_full((len(scores), len(scores)), torch.finfo(torch.float32).min)
    of_texts = every_pair.scatter(1, text_rows, of_pairs).T  # (texts, clips)
    own = torch.arange(len(scores), device=scores.device).masked_fill(labels != 0, -100)
    of_clips = nn.functional.cross_entropy(of_texts, own, reduction="sum", ignore_index=-100) / num_pairs
    return (loss + of_clips) / 2


def calibration_loss(scores: torch.Tensor, is_pair: torch.Tensor | None = None) -> torch.Tensor:
    """
    Binary cross-entropy of each score on its own, whether the text is that of the clip; right and wrong texts weigh
    the same. [`ranking_loss`] compares the texts of one clip; this makes scores of different clips comparable, which
    the search for a clip by text needs.

    Args:
        scores (`torch.Tensor` of shape `(B, N)`): Of N texts for each clip, the right one first.
        is_pair (`torch.BoolTensor` of shape `(B,)`, *optional*): Rows whose first text belongs to the clip; the others
            are left out.

    Returns:
        `torch.FloatTensor`: Mean over the rows; 0 if there is none.

    Example:

    ```python
    >>> calibration_loss(torch.tensor([[9.0, -9.0]])) < 0.01 < calibration_loss(torch.tensor([[9.0, 0.0]]))
    tensor(True)

    ```
    """
    right, wrong = scores[:, 0].float(), scores[:, 1:].float()
    of_rows = nn.functional.softplus(-right)
    if wrong.shape[1]:
        of_rows = (of_rows + nn.functional.softplus(wrong).mean(dim=1)) / 2
    is_pair = torch.ones_like(of_rows) if is_pair is None else is_pair.to(of_rows.dtype)
    return (of_rows * is_pair).sum() / is_pair.sum().clamp(min=1)


# ---------------------------------------------------------------------------------------------------------------------
# Matching: word-patch alignment
# ---------------------------------------------------------------------------------------------------------------------


def select_words(attention_mask: torch.Tensor) -> torch.Tensor:
    """
    The tokens of each text between its first, [CLS], and its last, [SEP].

    Args:
        attention_mask (`torch.Tensor` of shape `(B, L)`): 1 for text, 0 for padding, which stands last.

    Returns:
        `torch.BoolTensor` of shape `(B, L)`

    Example:

    ```python
    >>> select_words(torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])).long()
    tensor([[0, 1, 1, 0],
            [0, 1, 0, 0]])

    ```
    """
    is_text = attention_mask.bool()
    position = torch.arange(is_text.shape[1], device=is_text.device)
    last = is_text.sum(dim=1, keepdim=True) - 1
    return is_text & (position > 0) & (position < last)


def optimal_transport_plan(
    cost: torch.Tensor,
    text_mask: torch.Tensor,
    visual_mask: torch.Tensor,
    beta: float = 0.5,
    num_iterations: int = 50,
) -> torch.Tensor:
    """
    How to transport a mass of 1, spread evenly over the words of a text, to the patches of its clip, with even shares
    too, at little cost: inexact proximal point iterations.

    Args:
        cost (`torch.Tensor` of shape `(B, L, V)`): Cost of transport from each word to each patch.
        text_mask (`torch.BoolTensor` of shape `(B, L)`): Tokens that take part.
        visual_mask (`torch.BoolTensor` of shape `(B, V)`): Visual tokens that take part.
        beta (`float`, defaults to 0.5): Step size; above 0.
        num_iterations (`int`, defaults to 50): Number of iterations.

    Returns:
        `torch.FloatTensor` of shape `(B, L, V)`: The mass transported, 0 for what takes no part. Each word gives
        its whole share. Nothing is transported where a text has no word.

    Source: Xie et al. 2018 (arXiv 1802.04307), algorithm 1 with one inner iteration.
    """
    text_share = text_mask.to(cost.dtype)
    text_share = text_share / text_share.sum(dim=1, keepdim=True).clamp(min=1)  # (B, L)
    visual_share = visual_mask.to(cost.dtype)
    visual_share = visual_share / visual_share.sum(dim=1, keepdim=True).clamp(min=1)  # (B, V)
    takes_part = (text_mask[:, :, None] & visual_mask[:, None]).to(cost.dtype)
    kernel = torch.exp(-cost / beta) * takes_part
    smallest = torch.finfo(cost.dtype).tiny

    plan = takes_part
    text_scale = text_share
    for _ in range(num_iterations):
        weights = kernel * plan
        visual_scale = visual_share / torch.einsum("blv,bl->bv", weights, text_scale).clamp(min=smallest)
        text_scale = text_share / torch.einsum("blv,bv->bl", weights, visual_scale).clamp(min=smallest)
        plan = text_scale[:, :, None] * weights * visual_scale[:, None]
    return plan


def align_words_and_patches(
    text_states: torch.Tensor, visual_states: torch.Tensor, text_mask: torch.Tensor, visual_mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    How far the words of each text are from the patches of its clip: the cosine distance between them, weighted by the
    optimal transport plan, through which no gradient passes. In float32.

    Args:
        text_states (`torch.Tensor` of shape `(B, L, D)`): Text tokens after the last block.
        visual_states (`torch.Tensor` of shape `(B, V, D)`): Visual tokens after the last block.
        text_mask (`torch.BoolTensor` of shape `(B, L)`): Tokens that take part; see [`select_words`].
        visual_mask (`torch.BoolTensor` of shape `(B, V)`): Visual tokens that take part: patches that are no padding.

    Returns:
        `tuple[torch.FloatTensor, torch.FloatTensor]`: Distances (B,) and plans (B, L, V).

    Source: ViLT (Kim et al. 2021, arXiv 2102.03334), word patch alignment.
    """
    with torch.autocast(text_states.device.type, enabled=False):
        text_states = nn.functional.normalize(text_states.float(), dim=-1, eps=1e-5)
        visual_states = nn.functional.normalize(visual_states.float(), dim=-1, eps=1e-5)
        cost = 1 - text_states @ visual_states.transpose(1, 2)
        plan = optimal_transport_plan(cost.detach(), text_mask, visual_mask)
        return (cost * plan).sum(dim=(1, 2)), plan


def alignment_loss(distances: torch.Tensor, matching_labels: torch.Tensor) -> torch.Tensor:
    """
    Pulls the words of a text towards the patches of its clip, and those of others apart.

    Args:
        distances (`torch.Tensor` of shape `(B,)`): Of each text to the clip beside it.
        matching_labels (`torch.LongTensor` of shape `(B,)`): 1 if they match, 0 if not, -100 to leave the row out.

    Returns:
        `torch.Tensor`: (Sum over what matches - sum over what does not) / number of rows; 0 if there are none.

    Example:

    ```python
    >>> alignment_loss(torch.tensor([0.5, 2.0, 1.0]), torch.tensor([1, 0, 1]))
    tensor(-0.1667)

    ```
    """
    sign = (matching_labels == 1).to(distances.dtype) - (matching_labels == 0).to(distances.dtype)
    return (sign * distances).sum() / sign.abs().sum().clamp(min=1)


# ---------------------------------------------------------------------------------------------------------------------
# Clip order
# ---------------------------------------------------------------------------------------------------------------------


def pair_frames(frame_features: torch.Tensor) -> torch.Tensor:
    """
    The features of every two frames side by side.

    Args:
        frame_features (`torch.Tensor` of shape `(B, T, D)`)

    Returns:
        `torch.Tensor` of shape `(B, T (T - 1) / 2, 2 D)`: pairs (0, 1), (0, 2), …, (1, 2), ….

    Source: Video Clip Order Prediction (Xu et al. 2019).
    """
    num_frames = frame_features.shape[1]
    first, second = torch.triu_indices(num_frames, num_frames, offset=1, device=frame_features.device)
    return torch.cat([frame_features[:, first], frame_features[:, second]], dim=-1)


def clip_order_labels(frame_order: torch.Tensor) -> torch.Tensor:
    """
    The place of each order among all orders of T frames, sorted as `itertools.permutations(range(T))` gives them.

    Args:
        frame_order (`torch.LongTensor` of shape `(B, T)`): Permutations of 0 to T - 1.

    Returns:
        `torch.LongTensor` of shape `(B,)`, from 0 to T! - 1.

    Example:

    ```python
    >>> clip_order_labels(torch.tensor([[0, 1, 2], [1, 0, 2], [2, 1, 0]]))
    tensor([0, 2, 5])

    ```
    """
    num_frames = frame_order.shape[1]
    # Lehmer code: of the frames that follow, how many have a smaller number, each place in its factorial.
    is_smaller = frame_order[:, None, :] < frame_order[:, :, None]  # (B, this frame, other frame)
    num_smaller = is_smaller.triu(diagonal=1).sum(dim=-1)
    factorials = [math.factorial(num_frames - 1 - place) for place in range(num_frames)]
    return (num_smaller * torch.tensor(factorials, device=frame_order.device)).sum(dim=-1)


# ---------------------------------------------------------------------------------------------------------------------
# Masked patches
# ---------------------------------------------------------------------------------------------------------------------

NUM_COLOUR_BINS = 256


def draw_masked_patches(
    shape: tuple[int, ...], probability: float = 0.15, generator: torch.Generator | None = None
) -> torch.Tensor:
    """
    Choose the patches to be masked, each on its own.

    Args:
        shape (`tuple` of `int`): (B, T, P).
        probability (`float`, defaults to 0.15): Of each patch, from 0 to 1.
        generator (`torch.Generator`, *optional*): Source of randomness. Default: torch's own.

    Returns:
        `torch.BoolTensor` of that shape.

    Example:

    ```python
    >>> draw_masked_patches((2, 3, 196), generator=torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 196])

    ```
    """
    return torch.rand(shape, generator=generator) < probability


def patch_colours(
    pixel_values: torch.Tensor, patch_size: int, image_mean: Sequence[float], image_std: Sequence[float]
) -> torch.Tensor:
    """
    Mean colour of each patch, channel by channel, in 256 bins.

    Args:
        pixel_values (`torch.Tensor` of shape `(B, T, C, height, width)`): Frames after normalisation.
        patch_size (`int`): Side of a patch, in pixels; divides height and width.
        image_mean (sequence of `float`): Mean of each channel that frames were normalised with.
        image_std (sequence of `float`): Its standard deviation.

    Returns:
        `torch.LongTensor` of shape `(B, T, P, C)`, from 0 to 255, patches in raster order.

    Raises:
        ValueError: If there is not one mean and one standard deviation for each channel.

    Example:

    ```python
    >>> patch_colours(torch.zeros(1, 1, 3, 32, 32), 16, (0.0, 0.5, 1.0), (1.0, 1.0, 1.0))[0, 0, 0]
    tensor([  0, 128, 255])

    ```
    """
    num_channels = pixel_values.shape[2]
    if not len(image_mean) == len(image_std) == num_channels:
        raise ValueError(
            f"image_mean has {len(image_mean)} and image_std {len(image_std)} values, but frames have {num_channels} "
            "channels."
        )
    frames = nn.functional.avg_pool2d(pixel_values.flatten(0, 1).float(), patch_size)
    mean, std = (torch.tensor(values, device=frames.device).view(1, -1, 1, 1) for values in (image_mean, image_std))
    bins = ((frames * std + mean) * NUM_COLOUR_BINS).floor().clamp(0, NUM_COLOUR_BINS - 1).long()
    return bins.flatten(2).transpose(1, 2).unflatten(0, pixel_values.shape[:2])
