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
    >>> import numpy as np
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor

    >>> tokenizer = BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "what": 5})
    >>> processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=3), tokenizer)
    >>> collate = VideoQuestionAnsweringCollator(processor, num_labels=20)
    >>> row = {"video": np.zeros((8, 240, 320, 3), dtype=np.uint8), "question": "what", "label": 7}
    >>> {name: tuple(value.shape) for name, value in collate([row]).items()}
    {'input_ids': (1, 3), 'attention_mask': (1, 3), 'pixel_values': (1, 3, 3, 224, 224), 'labels': (1,)}

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
        has_label = [row.get("label") is not None for row in rows]
        if any(has_label):
            if not all(has_label):
                raise ValueError(
                    f"{has_label.count(False)} of {len(rows)} rows have no label; give all rows one or none."
                )
            batch["labels"] = self._labels(rows)
        return dict(batch)

    def _labels(self, rows: list[dict]) -> torch.Tensor:
        """Class indices (B,) or scores (B, num_labels), checked here since on a GPU a wrong one only crashes."""
        try:
            labels = torch.tensor([row["label"] for row in rows])
        except (TypeError, ValueError) as error:
            kinds = sorted({type(row["label"]).__name__ for row in rows})
            raise ValueError(
                f"labels are {', '.join(kinds)} of different shape; expected indices or scores."
            ) from error
        if labels.ndim == 2 and labels.shape[1] == self.num_labels:
            if not ((labels >= 0) & (labels <= 1)).all():
                raise ValueError(f"labels hold {labels.tolist()}, but soft labels are scores from 0 to 1.")
            return labels.float()
        if labels.ndim != 1 or labels.is_floating_point():
            raise ValueError(
                f"labels have shape {tuple(labels.shape)} and type {labels.dtype}, but expected an index or "
                f"{self.num_labels} scores for each row."
            )
        is_wrong = ((labels < 0) | (labels >= self.num_labels)) & (labels != -100)
        if is_wrong.any():
            row = rows[int(is_wrong.nonzero()[0])]
            raise ValueError(
                f"The label of {row.get('sample_id') or row['question']!r} is {row['label']}, but expected an answer "
                f"from 0 to {self.num_labels - 1}, or -100 for one outside the vocabulary."
            )
        return labels
