# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What is read of videos becomes rows of an index."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..evaluation.video_encoder import VideoEncoder
from ..models.answers_allinone import project_clips
from .index_tables import IndexTables, Stamp
from .window_reading import Part

# Windows that are written at a time: a kill costs little, and the tables have few files.
_ROWS_AT_ONCE = 512


class IndexWriter:
    """
    Computes the vectors of windows as they are read, and writes each video once it is whole.

    Args:
        tables ([`IndexTables`])
        encoder ([`VideoEncoder`])
        videos (mapping of `str` to [`Stamp`]): The videos that are read, by their paths.
        batch_size (`int`): Windows that the model takes at a time.
    """

    def __init__(self, tables: IndexTables, encoder: VideoEncoder, videos: Mapping[str, Stamp], batch_size: int):
        self._tables, self._encoder, self._videos, self._batch_size = tables, encoder, videos, batch_size
        self._fingerprint = tables.settings["fingerprint"]
        self._rows: dict[str, list[dict[str, Any]]] = {}  # of videos that are being read
        self._waiting: list[tuple[dict[str, torch.Tensor], list[dict[str, Any]]]] = []  # to be computed
        self._whole: list[list[dict[str, Any]]] = []  # videos that are read
        self._done: set[str] = set()
        encoder.model.eval()

    @property
    def unread(self) -> list[str]:
        """The videos that are neither whole nor broken."""
        return [path for path in self._videos if path not in self._done]

    def add(self, part: Part):
        """
        Take what a worker has read.

        Args:
            part ([`Part`]): Those of a video in their order, from the first one on once more where a worker died.
        """
        path = part.path
        if part.reason is not None:
            self._rows.pop(path, None)
            self._done.add(path)
            self._tables.write_broken(path, self._videos[path], part.reason)
            return
        if part.places[0] == 0:
            self._rows[path] = []
        rows = [
            {
                "path": path,
                **self._videos[path]._asdict(),
                "place": place,
                "start": start,
                "end": end,
                "duration": part.duration,
                "fingerprint": self._fingerprint,
                "thumbnail": thumbnail,
            }
            for place, (start, end), thumbnail in zip(part.places, part.bounds, part.thumbnails, strict=True)
        ]
        self._rows[path] += rows
        self._waiting.append((part.clips, rows))
        if part.is_last:
            self._done.add(path)
            for row in self._rows[path]:
                row["content"] = part.content
            self._whole.append(self._rows.pop(path))
        if sum(len(rows) for _, rows in self._waiting) >= self._batch_size:
            self._embed()
        if sum(map(len, self._whole)) >= _ROWS_AT_ONCE:
            self.flush()

    def flush(self):
        """Write the videos that are whole."""
        self._embed()
        rows = [row for video in self._whole for row in video]
        if rows:
            self._tables.write(rows)
        self._whole = []

    def _embed(self) -> None:
        """Compute the vectors of the windows that wait, those of one shape at a time."""
        by_shape: dict[tuple, list] = {}
        for clips, rows in self._waiting:
            by_shape.setdefault(tuple(clips["pixel_values"].shape[1:]), []).append((clips, rows))
        self._waiting = []
        for parts in by_shape.values():
            clips = {name: torch.cat([of_part[name] for of_part, _ in parts]) for name in parts[0][0]}
            rows = [row for _, of_part in parts for row in of_part]
            for start in range(0, len(rows), self._batch_size):
                chosen = slice(start, start + self._batch_size)
                with torch.no_grad():
                    vectors = project_clips(self._encoder.model, {name: one[chosen] for name, one in clips.items()})
                vectors = nn.functional.normalize(vectors, dim=-1).cpu()
                if not vectors.isfinite().all():
                    raise ValueError(
                        "The model gives no numbers as vectors (NaN): its weights are broken, or too large for "
                        f"{self._encoder.model.dtype}."
                    )
                for row, vector in zip(rows[chosen], vectors.numpy(), strict=True):
                    row["vector"] = vector
