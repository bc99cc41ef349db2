# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Collators of pre-training: rows with a caption -> the inputs and targets of every objective."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DataCollatorForLanguageModeling

from ..datasets import draw_captioned_clip, draw_spoken_clip
from ..datasets.row_transforms import generator_of, seed_of
from ..models.configuration_allinone import PRETRAINING_OBJECTIVES
from ..models.losses_allinone import draw_masked_patches
from .collators import VideoCollator, draw_caption, need_columns
from .video_loading import VideoLoader


@dataclass
class PreTrainingCollator(VideoCollator):
    """
    Makes batches for [`AllInOneForPreTraining`], with a pass over text and video for each objective.

    Args:
        objectives (sequence of `str`, defaults to `("masked_lm", "matching")`): Objectives to make targets for: those,
            `"clip_order"`, `"masked_patches"` and `"contrastive"`, which the model is only asked for.
        mlm_probability (`float`, defaults to 0.15): Probability of each word to be masked, from 0 to 1.
        whole_word_mask (`bool`, defaults to `True`): Whether all pieces of a word are masked together, by `[MASK]`
            each; otherwise pieces are drawn one by one, of which 80 % become `[MASK]` and 10 % another token.
        masked_patch_probability (`float`, defaults to 0.15): Probability of each patch to be masked, from 0 to 1.
        patch_size (`int`, defaults to 16): The model's, which says how many patches there are to mask.
            Other arguments: see [`VideoCollator`].

    Row fields: `video` or `image`; `caption` (`str`), or `captions` (several, of which one is drawn each time, by
    `draw`). Rows of HowTo100M and YT-Temporal draw clip and caption here, see [`draw_captioned_clip`] and
    [`draw_spoken_clip`]. All that is random depends on the rows' `draw`, where they have one.

    Raises:
        ValueError: For an unknown objective or a probability that is none; on a row without a caption.

    Example:

    ```python
    >>> import numpy as np
    >>> from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
    >>> from modeling_allinone.datasets import train_tokenizer

    >>> rows = [{"video": np.zeros((8, 64, 64, 3), dtype=np.uint8), "caption": text} for text in ("a cat", "two dogs")]
    >>> tokenizer = train_tokenizer([row["caption"] for row in rows])
    >>> collate = PreTrainingCollator(AllInOneProcessor(AllInOneVideoProcessor(num_frames=3), tokenizer))
    >>> {name: tuple(value.shape) for name, value in collate(rows).items() if name != "pixel_values"}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'input_ids': (2, 4), 'attention_mask': (2, 4), 'masked_input_ids': (2, 4), 'labels': (2, 4),
     'matching_indices': (2,), 'matching_labels': (2,), 'is_pair': (2,)}

    ```
    """

    objectives: Sequence[str] = field(default=("masked_lm", "matching"), kw_only=True)
    mlm_probability: float = field(default=0.15, kw_only=True)
    whole_word_mask: bool = field(default=True, kw_only=True)
    masked_patch_probability: float = field(default=0.15, kw_only=True)
    patch_size: int = field(default=16, kw_only=True)

    def __post_init__(self):
        super().__post_init__()
        if unknown := [name for name in self.objectives if name not in PRETRAINING_OBJECTIVES]:
            expected = ", ".join(PRETRAINING_OBJECTIVES)
            raise ValueError(f"objectives are {', '.join(unknown)}; expected some of {expected}.")
        for name in ("mlm_probability", "masked_patch_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a probability, from 0 to 1.")
        if self.patch_size < 1:
            raise ValueError(f"patch_size is {self.patch_size}; expected 1 or more.")
        pieces = {} if not self.whole_word_mask else {"mask_replace_prob": 1.0, "random_replace_prob": 0.0}
        tokenizer = self.processor.tokenizer
        names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        self._goes_on = torch.tensor([name.startswith("##") for name in names])
        self._masking = DataCollatorForLanguageModeling(
            tokenizer, mlm_probability=self.mlm_probability, whole_word_mask=self.whole_word_mask, **pieces
        )

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """
        Returns `input_ids` and `attention_mask` (B, L), `pixel_values` (B, T, 3, H, W) and `is_pair` (B,), which is
        false for clips that could not be read; by objective `masked_input_ids` and `labels` (B, L), `matching_indices`
        and `matching_labels` (B,), `frame_order` (B, T), `bool_masked_pos` (B, T, P), `return_contrastive_loss`.
        """
        rows = [draw_clip(row) for row in rows]
        captions = [draw_caption(row, generator_of(row)) for row in rows]
        encoded = self.processor(text=captions, text_kwargs={"return_special_tokens_mask": True})
        is_special = encoded.pop("special_tokens_mask")
        clips, is_pair = self.reader(rows)
        generator = _generator_of_batch(rows)
        batch: dict[str, Any] = {**encoded, **clips}
        if "masked_lm" in self.objectives:
            self._masking.generator = generator
            batch["masked_input_ids"], labels = self._masking.torch_mask_tokens(
                encoded["input_ids"].clone(), is_special, self._places_of_pieces(encoded["input_ids"])
            )
            batch["labels"] = labels.masked_fill(~is_pair[:, None], -100)
        if "matching" in self.objectives:
            batch["matching_indices"], batch["matching_labels"] = swap_clips(encoded["input_ids"], is_pair, generator)
        num_clips, num_frames, _, height, width = clips["pixel_values"].shape
        if "clip_order" in self.objectives and num_frames > 1:
            order = torch.rand(num_clips, num_frames, generator=generator).argsort(dim=1)
            batch["frame_order"] = order
        if "masked_patches" in self.objectives:
            num_patches = (height // self.patch_size) * (width // self.patch_size)
            shape = (num_clips, num_frames, num_patches)
            batch["bool_masked_pos"] = draw_masked_patches(shape, self.masked_patch_probability, generator)
        if "contrastive" in self.objectives:
            batch["return_contrastive_loss"] = True
        batch["is_pair"] = is_pair
        return batch

    def _places_of_pieces(self, input_ids: torch.Tensor) -> torch.Tensor:
        """
        Start and end of each piece (B, L, 2), as if every word had a space before it: transformers takes what touches
        for one word, and so a sentence without spaces, or a word and the comma after it.
        """
        ends = 2 * torch.arange(input_ids.shape[1]) + 1
        starts = ends - 1 - self._goes_on[input_ids].long()
        return torch.stack([starts, ends.expand_as(starts)], dim=-1)


@dataclass
class PairedCollator:
    """
    Makes a batch of clips and one of images, which a step of co-training sums the losses of.

    Args:
        video ([`PreTrainingCollator`]): Collates the clips.
        image ([`PreTrainingCollator`]): Collates the images.

    Row fields: `video` and `image`, a row each, see [`PairedDataset`].
    """

    video: PreTrainingCollator
    image: PreTrainingCollator

    def __post_init__(self):
        self.video.reader.share_notes(self.image.reader)

    @property
    def reader(self) -> VideoLoader:
        """What reads the clips, and knows what was read and skipped of the images, too."""
        return self.video.reader

    def __call__(self, rows: list[dict]) -> dict[str, dict[str, torch.Tensor]]:
        """Returns `{"video": batch, "image": batch}`."""
        need_columns(rows, "video", "image")
        return {
            "video": self.video([row["video"] for row in rows]),
            "image": self.image([row["image"] for row in rows]),
        }


def swap_clips(
    input_ids: torch.Tensor, is_pair: torch.Tensor, generator: torch.Generator | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Give half of the texts of a batch the clip of another text.

    Args:
        input_ids (`torch.LongTensor` of shape `(B, L)`): The texts. A text never gets the clip of an equal one.
        is_pair (`torch.BoolTensor` of shape `(B,)`): Which clips could be read. The others are given to no text.
        generator (`torch.Generator`, *optional*): Source of randomness. Default: torch's own.

    Returns:
        `torch.LongTensor` of shape `(B,)`: The clip of each text. `torch.LongTensor` of shape `(B,)`: Its label, 1 for
        its own, 0 for another, -100 if its own could not be read. A text for which there is no other keeps its own.

    Example:

    ```python
    >>> clips, labels = swap_clips(torch.tensor([[5], [6], [7], [7]]), torch.tensor([True, True, True, True]))
    >>> int(labels.sum()), bool(((clips == torch.arange(4)) == (labels == 1)).all())
    (2, True)

    ```
    """
    num_texts = len(input_ids)
    own = torch.arange(num_texts)
    is_other = (input_ids[:, None] != input_ids).any(dim=-1) & is_pair
    clips, labels = own.clone(), torch.ones(num_texts, dtype=torch.long).masked_fill(~is_pair, -100)
    chosen = torch.randperm(num_texts, generator=generator)[: num_texts // 2]
    chosen = chosen[is_pair[chosen] & is_other[chosen].any(dim=1)]
    if len(chosen):
        clips[chosen] = torch.multinomial(is_other[chosen].float(), 1, generator=generator)[:, 0]
        labels[chosen] = 0
    return clips, labels


def draw_clip(row: dict) -> dict:
    """
    Draw one caption and its time, where a row is a whole film with all that is said in it.

    Args:
        row (`dict`): A row of any data set with captions.

    Returns:
        `dict`: The row, of HowTo100M or YT-Temporal with `caption`, `start` and `end`.
    """
    if row.get("starts") is not None:
        return draw_captioned_clip(row)
    if row.get("words") is not None:
        return draw_spoken_clip(row)
    return row


def _generator_of_batch(rows: list[dict]) -> torch.Generator | None:
    """What the random choices of a batch are drawn from; `None` is torch's own."""
    if any(row.get("draw") is None for row in rows):
        return None
    return torch.Generator().manual_seed(seed_of(*(row["draw"] for row in rows)))


__all__ = ["PairedCollator", "PreTrainingCollator", "draw_clip", "swap_clips"]
