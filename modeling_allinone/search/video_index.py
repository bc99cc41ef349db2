# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Search in one's own video files: features that are computed once, kept on disk and asked by text."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..data.folder_lock import only_writer
from ..data.video_loading import VideoLoader
from ..evaluation.embedding import embed_clips, embed_texts, score_candidates
from ..evaluation.retrieval import combine
from ..models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from ..models.processing_allinone import AllInOneProcessor

# One file for clips and features, so that those of one index never come with the others of another.
INDEX_NAME = "index.safetensors"

# A text whose features tell whether a model is the one that an index was made with, whatever its precision.
_PROBE = "a video"
_LEAST_SIMILARITY = 0.99


@dataclass(eq=False, repr=False)
class VideoIndex:
    """
    Clips to be found by text. Their features are computed once, and can be saved.

    Args:
        model ([`AllInOneForVideoTextRetrieval`]): With projections.
        processor ([`AllInOneProcessor`])
        clips (`list` of `dict`): Each with `video` (path) and perhaps `start` and `end` (seconds).
        features (`torch.FloatTensor` of shape `(clips, D)`): What this model makes of them, see [`embed_clips`].
        skipped (`list` of `dict`, *optional*): Clips that could not be read.

    Example:

    ```python
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import AllInOneConfig, AllInOneProcessor, AllInOneVideoProcessor
    >>> from modeling_allinone.datasets import write_moving_shapes

    >>> videos = sorted(write_moving_shapes("shapes", num_clips=3).glob("videos/*.mp4"))
    >>> model = AllInOneForVideoTextRetrieval(AllInOneConfig.from_preset("tiny", num_hidden_layers=1))
    >>> processor = AllInOneProcessor(AllInOneVideoProcessor(), BertTokenizer())
    >>> index = VideoIndex.build(model, processor, videos)
    >>> found = index.search("a red ring moves up", top_k=2)
    >>> len(found), sorted(found[0])
    (2, ['end', 'similarity', 'start', 'video'])
    >>> index.save("index")
    >>> VideoIndex.load("index", model, processor).search("a red ring moves up")[0]["video"] == found[0]["video"]
    True

    ```
    """

    model: AllInOneForVideoTextRetrieval
    processor: AllInOneProcessor
    clips: list[dict[str, Any]]
    features: torch.Tensor
    skipped: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self):
        shape, expected = tuple(self.features.shape), (len(self.clips), self.model.config.projection_dim)
        if shape != expected:
            raise ValueError(
                f"The features have shape {shape}, but expected {expected}, for {len(self.clips)} clips and the "
                "projection_dim of this model; build the index with it."
            )

    @classmethod
    def build(
        cls,
        model: AllInOneForVideoTextRetrieval,
        processor: AllInOneProcessor,
        videos: Sequence[str | Path | Mapping[str, Any]],
        on_decode_error: str = "raise",
        batch_size: int = 32,
        num_workers: int = 0,
    ) -> "VideoIndex":
        """
        Read clips and compute their features.

        Args:
            model ([`AllInOneForVideoTextRetrieval`]): With projections.
            processor ([`AllInOneProcessor`])
            videos (sequence of paths or mappings): Files, or parts of them: `video`, `start` and `end` (seconds).
            on_decode_error (`str`, defaults to `"raise"`): What to do about a clip that cannot be read: `"raise"`, or
                `"skip"`: it is in `skipped` and never found.
            batch_size (`int`, defaults to 32): Clips read at a time.
            num_workers (`int`, defaults to 0): Processes that read clips; 0 is this one.

        Returns:
            [`VideoIndex`]
        """
        clips = [_as_clip(video) for video in videos]
        reader = VideoLoader(processor, on_decode_error=on_decode_error)
        features, is_readable = embed_clips(model, reader, clips, batch_size, num_workers)
        found, skipped = (
            [clip for clip, keep in zip(clips, keeps, strict=True) if keep] for keeps in (is_readable, ~is_readable)
        )
        return cls(model, processor, found, features[is_readable], skipped)

    def search(self, text: str, top_k: int = 5, num_reranked: int = 0) -> list[dict[str, Any]]:
        """
        Find the clips that a text describes.

        Args:
            text (`str`)
            top_k (`int`, defaults to 5): How many to return; all, if there are fewer.
            num_reranked (`int`, defaults to 0): How many of the best to read again together with the text and to put
                in the order of `score`, see [`combine`]; needs a model with a scorer.

        Returns:
            `list` of `dict`: Clips, best first, with `similarity` (cosine) and, where re-ranked, `score`.

        Raises:
            ValueError: If a number is too small, or pairs are to be scored and the model has no scorer.
        """
        if top_k < 1 or num_reranked < 0:
            raise ValueError(f"top_k is {top_k} and num_reranked is {num_reranked}; expected at least 1 and 0.")
        similarities = embed_texts(self.model, self.processor, [text])[0] @ self.features.T
        best = similarities.argsort(descending=True, stable=True)[: max(top_k, num_reranked)].tolist()
        found = [{**self.clips[place], "similarity": similarities[place].item()} for place in best]
        reranked = found[:num_reranked]
        if reranked:
            scores = score_candidates(self.model, VideoLoader(self.processor), reranked, [text], [[0]] * len(reranked))
            finer = combine(
                similarities[best[:num_reranked]], torch.cat(scores), self.model.config.contrastive_temperature
            )
            reranked = [clip | {"score": score} for clip, score in zip(reranked, finer.tolist(), strict=True)]
            reranked.sort(key=lambda clip: clip["score"], reverse=True)
        return [*reranked, *found[num_reranked:]][:top_k]

    def save(self, folder: str | Path):
        """
        Write clips and features, but not the model. What was saved there before is replaced at once, when all is
        written; wherever this is interrupted, the folder has either.

        Args:
            folder (`str` or `Path`): Made if missing.

        Raises:
            ValueError: If another process is saving there.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"clips": self.clips, "skipped": self.skipped}).encode()
        tensors = {
            "features": self.features.contiguous(),
            "probe": self._probe().contiguous(),
            "content": torch.frombuffer(bytearray(content), dtype=torch.uint8),
        }
        with only_writer(folder):
            unfinished = folder / f"{INDEX_NAME}.unfinished"
            unfinished.write_bytes(save(tensors, metadata={"sha256": _digest(tensors)}))
            os.replace(unfinished, folder / INDEX_NAME)

    @classmethod
    def load(
        cls, folder: str | Path, model: AllInOneForVideoTextRetrieval, processor: AllInOneProcessor
    ) -> "VideoIndex":
        """
        Read what `save` wrote.

        Args:
            folder (`str` or `Path`)
            model ([`AllInOneForVideoTextRetrieval`]): The one that computed the features.
            processor ([`AllInOneProcessor`])

        Returns:
            [`VideoIndex`]

        Raises:
            FileNotFoundError: If there is no index.
            ValueError: If it is damaged, of version 0.1, or was made with another model.
        """
        path = Path(folder) / INDEX_NAME
        if not path.is_file():
            if (path.parent / "features.safetensors").is_file():
                raise ValueError(f"The index in {folder} was saved by version 0.1; build it again, and save it.")
            raise FileNotFoundError(f"{path} does not exist; save an index in {folder}, or build one.")
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                digest = (file.metadata() or {}).get("sha256")
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged ({error}); rebuild the index.") from error
        if digest != _digest(tensors):
            raise ValueError(f"{path} is damaged, its checksum is another; rebuild the index.")
        content = json.loads(tensors["content"].numpy().tobytes())
        index = cls(model, processor, content["clips"], tensors["features"], content["skipped"])
        if index._probe() @ tensors["probe"] < _LEAST_SIMILARITY:
            raise ValueError(f"The index in {folder} was made with another model or tokenizer; rebuild it with this.")
        return index

    def _probe(self) -> torch.Tensor:
        return embed_texts(self.model, self.processor, [_PROBE])[0]


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """A hash of names and bytes of tensors."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _as_clip(video: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """A clip by its path, from the path or from what names a part of it."""
    given = video if isinstance(video, Mapping) else {"video": video}
    if not isinstance(given.get("video"), str | Path):
        raise TypeError(
            f"A clip of an index is {video!r:.80}; expected its path, or a mapping with its path as video."
        )
    return {"video": str(given["video"]), "start": given.get("start"), "end": given.get("end")}


__all__ = ["VideoIndex"]
