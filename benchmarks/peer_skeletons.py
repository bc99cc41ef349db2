# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Models that came before All-in-one, as skeletons: layers of the published sizes, which compute nothing of use, for
benchmarks/peers.py to count multiply-adds of. docs/performance.md says where each size is from.

Each function answers one question about one clip. Give it meta tensors: on torch.device("meta") nothing is computed.
"""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import BertConfig, BertModel

WIDTH, NUM_HEADS = 768, 12  # of BERT
NUM_TOKENS, NUM_ANSWERS = 14, 1500  # as for the models of benchmarks/peers.py


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut."""

    def __init__(self, conv: type[nn.Module], width: int, inner: int, stride: int, stride_in_first: bool):
        super().__init__()
        first, second = (stride, 1) if stride_in_first else (1, stride)
        self.body = nn.Sequential(
            conv(width, inner, 1, first), conv(inner, inner, 3, second, 1), conv(inner, 4 * inner, 1)
        )
        self.shortcut = nn.Identity() if width == 4 * inner else conv(width, 4 * inner, 1, stride)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Returns the features of the next block."""
        return self.body(features) + self.shortcut(features)


def make_stage(
    width: int, inner: int, depth: int, stride: int, conv: type[nn.Module] = nn.Conv2d, stride_in_first: bool = True
) -> list[Bottleneck]:
    """Bottlenecks of a ResNet that have the same size."""
    blocks = [Bottleneck(conv, width, inner, stride, stride_in_first)]
    return blocks + [Bottleneck(conv, 4 * inner, inner, 1, stride_in_first) for _ in range(depth - 1)]


def make_resnet(depths: tuple[int, ...], conv: type[nn.Module] = nn.Conv2d, **options) -> nn.Sequential:
    """A ResNet up to its last feature map; of three dimensions, as of Hara et al., with time in the first layers."""
    is_flat = conv is nn.Conv2d
    stem = conv(3, 64, 7, 2 if is_flat else (1, 2, 2), 3), (nn.MaxPool2d if is_flat else nn.MaxPool3d)(3, 2, 1)
    widths = [64, *(256 * 2**stage for stage in range(len(depths)))]
    stages = [
        make_stage(widths[stage], 64 * 2**stage, depth, 1 if stage == 0 else 2, conv, **options)
        for stage, depth in enumerate(depths)
    ]
    return nn.Sequential(*stem, *(block for blocks in stages for block in blocks))


def make_bert() -> BertModel:
    """BERT, base size, for as many tokens as there are."""
    return BertModel(BertConfig(max_position_embeddings=1024)).eval()


def make_answers(width: int = WIDTH) -> nn.Sequential:
    """A classifier of answers with one hidden layer."""
    return nn.Sequential(nn.Linear(width, 2 * width), nn.Linear(2 * width, NUM_ANSWERS))


def answer_clipbert(num_clips: int = 8, num_frames: int = 2, image_size: int = 448) -> None:
    """ClipBERT: the frames of each clip through a ResNet-50, their mean with the text through BERT."""
    grid = nn.Sequential(make_resnet((3, 4, 6, 3)), nn.Conv2d(2048, WIDTH, 3, 1, 1), nn.MaxPool2d(2))
    features = grid(torch.empty(num_clips * num_frames, 3, image_size, image_size))
    visual = features.flatten(2).transpose(1, 2).unflatten(0, (num_clips, num_frames)).mean(dim=1)
    tokens = torch.cat([torch.empty(num_clips, NUM_TOKENS, WIDTH), visual], dim=1)
    make_answers()(make_bert()(inputs_embeds=tokens).pooler_output)


def answer_violet(width: int, num_frames: int, image_size: int = 224) -> None:
    """VIOLET: frames through a Video Swin transformer, its tokens with the text through BERT."""
    depths, window = (2, 2, 18, 2), min(num_frames, 8) * 7 * 7
    patches = nn.Conv3d(3, width, (2, 4, 4), (1, 4, 4))(torch.empty(1, 3, num_frames + 1, image_size, image_size))
    tokens = patches.flatten(2).transpose(1, 2)
    for stage, depth in enumerate(depths):
        if stage > 0:
            width *= 2
            tokens = nn.Linear(2 * width, width)(tokens.reshape(1, -1, 2 * width))
        tokens = tokens.reshape(-1, window, width)
        for _ in range(depth):
            tokens = make_layer(width, width // 32, 4 * width)(tokens)
    if width != WIDTH:
        tokens = nn.Linear(width, WIDTH)(tokens)
    visual = torch.cat([torch.empty(num_frames, 1, WIDTH), tokens.reshape(num_frames, -1, WIDTH)], dim=1)
    tokens = torch.cat([visual.reshape(1, -1, WIDTH), torch.empty(1, NUM_TOKENS, WIDTH)], dim=1)
    make_answers()(make_bert()(inputs_embeds=tokens).last_hidden_state[:, -NUM_TOKENS])


def make_layer(width: int, num_heads: int, inner: int) -> nn.TransformerEncoderLayer:
    """A transformer's block."""
    return nn.TransformerEncoderLayer(width, num_heads, inner, batch_first=True).eval()


class TangledLayer(nn.Module):
    """ActBERT's block: actions guide how regions and words attend."""

    def __init__(self, widths: tuple[int, ...], inners: tuple[int, ...], inner: int = 1024, num_heads: int = 8):
        super().__init__()
        self.num_heads = num_heads
        self.read = nn.ModuleList(nn.Linear(width, 3 * inner) for width in widths)
        self.guide = nn.ModuleList(nn.Linear(inner, 2 * inner) for _ in range(2))
        self.write = nn.ModuleList(nn.Linear(inner, width) for width in widths)
        self.mlp = nn.ModuleList(
            nn.Sequential(nn.Linear(width, size), nn.Linear(size, width))
            for width, size in zip(widths, inners, strict=True)
        )

    def forward(self, streams: list[torch.Tensor]) -> list[torch.Tensor]:
        """Returns actions, regions and words."""
        heads = [
            read(tokens).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
            for read, tokens in zip(self.read, streams, strict=True)
        ]
        for guide, (_, keys, values) in zip(self.guide, heads[1:], strict=True):
            guide(scaled_dot_product_attention(heads[0][0], keys, values).transpose(1, 2).flatten(2))
        contexts = [scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2) for parts in heads]
        return [mlp(write(context)) for write, mlp, context in zip(self.write, self.mlp, contexts, strict=True)]


def answer_actbert(num_actions: int = 5, num_regions: int = 37) -> None:
    """ActBERT alone: actions and regions, as features that are there before, with the text."""
    widths, inners = (768, 1024, 768), (3072, 1024, 3072)  # of actions, regions and words
    lengths = (num_actions, num_regions, NUM_TOKENS)
    depths = ((1, 0, 10), (1, 1, 1), (1, 1, 1))  # blocks of each before, between and after the two tangled ones
    streams = [torch.empty(1, length, width) for length, width in zip(lengths, widths, strict=True)]
    for stream, feature_size in ((0, 2048), (1, 2048)):
        nn.Linear(feature_size, widths[stream])(torch.empty(1, lengths[stream], feature_size))
    for place, blocks in enumerate(depths):
        if place > 0:
            streams = TangledLayer(widths, inners)(streams)
        for stream, number in enumerate(blocks):
            num_heads = 8 if widths[stream] == 1024 else NUM_HEADS
            for _ in range(number):
                streams[stream] = make_layer(widths[stream], num_heads, inners[stream])(streams[stream])


def find_regions(height: int = 600, width: int = 800, num_proposals: int = 300) -> None:
    """Regions of one frame, by the Faster R-CNN of bottom-up attention."""
    features = make_resnet((3, 4, 23))(torch.empty(1, 3, height, width))
    proposals = nn.Conv2d(1024, 512, 3, 1, 1)(features)
    nn.Conv2d(512, 24 + 48, 1)(proposals)
    regions = nn.Sequential(*make_stage(1024, 512, 3, 1))(torch.empty(num_proposals, 1024, 14, 14))
    nn.Linear(2048, 1601 + 6404)(regions.mean(dim=(2, 3)))


def find_actions(num_actions: int = 5, num_frames: int = 16, image_size: int = 112) -> None:
    """Features of actions, by a 3D ResNet-50."""
    network = make_resnet((3, 4, 6, 3), nn.Conv3d, stride_in_first=False)
    network(torch.empty(num_actions, 3, num_frames, image_size, image_size))
