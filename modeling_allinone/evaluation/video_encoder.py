# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Texts and clips as vectors, by a model that was trained to compare them."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from ..data.video_loading import VideoLoader, explaining_dead_workers
from ..models.answers_allinone import share_weights
from ..models.modeling_pretraining_allinone import AllInOneForPreTraining
from ..models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from ..models.processing_allinone import AllInOneProcessor
from ..models.video_decoding_allinone import is_array
from ..models.video_processing_allinone import as_row
from .embedding import embed_clips, embed_texts
from .pretrained import load_pretrained


class VideoEncoder:
    """
    Texts and clips as vectors of one space: the product of two is their cosine. A clip is read once for all queries.

    Args:
        model ([`AllInOneForVideoTextRetrieval`]): With projections.
        processor ([`AllInOneProcessor`])

    Raises:
        ValueError: If the model has no projections.

    Example:

    ```python
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import AllInOneConfig, AllInOneProcessor, AllInOneVideoProcessor
    >>> from modeling_allinone.datasets import write_moving_shapes

    >>> videos = sorted(write_moving_shapes("shapes", num_clips=3).glob("videos/*.mp4"))
    >>> model = AllInOneForVideoTextRetrieval(AllInOneConfig.from_preset("tiny", num_hidden_layers=1))
    >>> encoder = VideoEncoder(model, AllInOneProcessor(AllInOneVideoProcessor(), BertTokenizer()))
    >>> texts, clips = encoder.encode_text(["a red ring", "a bar"]), encoder.encode_video(videos)
    >>> texts.shape, clips.shape, (texts @ clips.T).shape
    (torch.Size([2, 512]), torch.Size([3, 512]), torch.Size([2, 3]))
    >>> encoder.encode_text("a red ring").shape
    torch.Size([512])

    ```
    """

    def __init__(self, model: AllInOneForVideoTextRetrieval, processor: AllInOneProcessor):
        if model.text_projection is None:
            raise ValueError(
                "This model has no projections, since projection_dim is None: it compares no vectors. Load a model "
                "for retrieval (AllInOneForVideoTextRetrieval) that has them."
            )
        self.model = model
        self.processor = processor

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> "VideoEncoder":
        """
        Load a model for retrieval, or one that was pre-trained with the contrastive objective.

        Args:
            name (`str` or `Path`): A folder, or a repository of the Hub.
            device (`str` or `torch.device`, *optional*): Default: a GPU if there is one, else the CPU.
            dtype (`str` or `torch.dtype`, *optional*): What the model computes in, such as `"bfloat16"`. Default: that
                of the weights.

        Returns:
            [`VideoEncoder`]

        Raises:
            OSError: If there is no such folder or repository.
            ValueError: If it holds a model without projections.
        """
        model, processor = load_pretrained(name, device, dtype)
        held = type(model).__name__
        if isinstance(model, AllInOneForPreTraining):
            model = share_weights(model) or model
        if not isinstance(model, AllInOneForVideoTextRetrieval) or model.text_projection is None:
            raise ValueError(
                f"{name} holds {held} without projections, so it makes no vectors of texts and clips; load a model "
                "that was trained for retrieval (AllInOneForVideoTextRetrieval with projection_dim), or pre-trained "
                "with the contrastive objective."
            )
        return cls(model, processor)

    def encode_text(
        self, texts: str | Iterable[str], batch_size: int = 256, show_progress: bool | None = None
    ) -> torch.Tensor:
        """
        Vectors of texts.

        Args:
            texts (`str` or iterable of `str`): One, or any number of them.
            batch_size (`int`, defaults to 256): Texts read at a time.
            show_progress (`bool`, *optional*): Whether there is a progress bar; by default, on a terminal.

        Returns:
            `torch.FloatTensor` of shape `(texts, D)`, or `(D,)` for one: of unit length, on the CPU.
        """
        if isinstance(texts, str):
            return self.encode_text([texts], batch_size, show_progress)[0]
        return embed_texts(self.model, self.processor, list(texts), batch_size, show_progress)

    def encode_video(
        self,
        videos: Any,
        batch_size: int = 32,
        num_workers: int = 0,
        on_decode_error: str = "raise",
        show_progress: bool | None = None,
    ) -> torch.Tensor:
        """
        Vectors of clips.

        Args:
            videos: One clip, or an iterable of any number: paths, URLs, bytes of a file, `{"path", "bytes"}` as of
                `datasets`, decoded frames `(T, H, W, 3)`, uint8, images `(H, W, 3)`, uint8 or of Pillow, which are
                clips of one frame, or mappings with one of these as `video`, and `start` and `end` (seconds), or as
                `image`. A file is read as a video, whose one frame is repeated if it is a picture, unless it stands as
                `image`. Of a sequence, such as a column of `datasets`, each is taken when it is read.
            batch_size (`int`, defaults to 32): Clips read at a time.
            num_workers (`int`, defaults to 0): Processes that read clips while the model computes; 0 is this one.
            on_decode_error (`str`, defaults to `"raise"`): What to do about a clip that cannot be read: `"raise"`, or
                `"skip"`: its vector is NaN.
            show_progress (`bool`, *optional*): Whether there is a progress bar; by default, on a terminal.

        Returns:
            `torch.FloatTensor` of shape `(clips, D)`, or `(D,)` for one: of unit length, on the CPU.

        Raises:
            Exception: What reading a clip raises, with its name, if `on_decode_error="raise"`.
            DeadWorkerError: If a clip kills the process that reads it.
        """
        if is_clip(videos):
            return self.encode_video([videos], batch_size, num_workers, on_decode_error, show_progress)[0]
        videos = videos if isinstance(videos, Sequence) else list(videos)
        if isinstance(videos, list | tuple):
            is_image = torch.tensor(["image" in as_row(video) for video in videos], dtype=torch.bool)
            if is_image.any() and not is_image.all():  # other numbers of frames, which make no batch
                parts = [[videos[place] for place in which.nonzero()[:, 0]] for which in (~is_image, is_image)]
                options = (batch_size, num_workers, on_decode_error, show_progress)
                of_clips, of_images = (self.encode_video(part, *options) for part in parts)
                features = of_clips.new_empty(len(videos), of_clips.shape[1])
                features[~is_image], features[is_image] = of_clips, of_images
                return features
        clips = _Clips(videos)
        reader = VideoLoader(self.processor, on_decode_error=on_decode_error)
        with explaining_dead_workers(reader):
            features, is_readable = embed_clips(self.model, reader, clips, batch_size, num_workers, show_progress)
        features = nn.functional.normalize(features, dim=-1)  # those of several views are a mean
        return features.masked_fill(~is_readable[:, None], torch.nan)


class _Clips:
    """Clips as rows, each made when it is asked for, so that files in a table need not fit into memory together."""

    def __init__(self, videos: Sequence[Any]):
        self._videos = videos

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, place: int) -> Mapping[str, Any]:
        return as_row(self._videos[place])


def is_clip(value: Any) -> bool:
    """
    Whether something is a clip, and not several.

    Args:
        value: What a user gave.

    Returns:
        `bool`: Whether it is a path, a URL, bytes, a mapping, an image, or an array of three or four axes.
    """
    is_image_or_file = isinstance(value, str | bytes | os.PathLike | Mapping | Image.Image)
    return is_image_or_file or (is_array(value) and value.ndim in (3, 4))


__all__ = ["VideoEncoder", "is_clip"]
