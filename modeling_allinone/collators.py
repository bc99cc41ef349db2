"""Collators: rows of a data set -> the batch that a task head takes."""

from dataclasses import dataclass, field
from typing import Any

import torch

from .processing_allinone import AllInOneProcessor


@dataclass
class VideoQuestionAnsweringCollator:
    """
    Makes batches for [`AllInOneForVideoQuestionAnswering`] from rows with `video` and `question`: reads the clips,
    tokenises the questions and stacks the labels.

    Args:
        processor ([`AllInOneProcessor`]): Reads clips and questions.
        num_labels (`int`): Number of answers; labels are checked against it.
        video_options (`dict`, *optional*): Call arguments of the video processor, such as
            `{"frame_sampling": "random", "num_frames": 4}` for training.

    Row fields: `video` (path, or decoded frames `(T, H, W, 3)`, uint8), `question` (`str`), and optionally `start` and
    `end` (seconds; `None` is the whole clip) and `label` (`int`, -100 for an answer outside the vocabulary, or a list
    of `num_labels` scores). Other fields are ignored.

    Raises:
        ValueError: On a row without the fields, or with a label that is none of the answers.

    Example:

    ```python
    >>> collate = VideoQuestionAnsweringCollator(processor, num_labels=20, video_options={"frame_sampling": "random"})
    >>> trainer = Trainer(model, args, train_dataset=rows, data_collator=collate, processing_class=processor)
    ```
    """

    processor: AllInOneProcessor
    num_labels: int
    video_options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """Returns `input_ids` and `attention_mask` (B, L), `pixel_values` (B, T, 3, H, W) and, if given, `labels`."""
        for row in rows:
            missing = [name for name in ("video", "question") if row.get(name) is None]
            if missing:
                raise ValueError(f"A row has no {' and no '.join(missing)}; it has {sorted(row)}.")
        batch = self.processor(
            text=[row["question"] for row in rows],
            videos=[row["video"] for row in rows],
            start=[row.get("start") for row in rows],
            end=[row.get("end") for row in rows],
            **self.video_options,
        )
        if all(row.get("label") is not None for row in rows):
            batch["labels"] = self._labels(rows)
        return dict(batch)

    def _labels(self, rows: list[dict]) -> torch.Tensor:
        """Class indices (B,) or scores (B, num_labels), checked here since on a GPU a wrong one only crashes."""
        labels = torch.tensor([row["label"] for row in rows])
        if labels.ndim == 2 and labels.shape[1] == self.num_labels:
            return labels.float()
        if labels.ndim != 1:
            raise ValueError(f"labels have shape {tuple(labels.shape)}, but there are {self.num_labels} answers.")
        is_wrong = ((labels < 0) | (labels >= self.num_labels)) & (labels != -100)
        if is_wrong.any():
            row = rows[int(is_wrong.nonzero()[0])]
            raise ValueError(
                f"The label of {row.get('sample_id') or row['question']!r} is {row['label']}, but expected an answer "
                f"from 0 to {self.num_labels - 1}, or -100 for one outside the vocabulary."
            )
        return labels
