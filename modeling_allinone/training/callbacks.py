# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Watching pre-training: what the model can do without being trained for it, and where its words are transported to.

Both are measured on held-out rows, each time that the Trainer evaluates.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn
from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback
from transformers.trainer_callback import CallbackHandler
from transformers.utils import is_matplotlib_available, logging

from ..data.collators import draw_caption
from ..data.pretraining_collators import draw_clip
from ..data.video_loading import VideoLoader
from ..datasets.row_transforms import generator_of
from ..evaluation.retrieval import collect_captions, list_options
from ..evaluation.zero_shot import ZERO_SHOT_TASKS
from ..visualization import align_words_with_frames, draw_alignment, join_figures
from .arguments import DataArguments, parse_mapping
from .pretraining_trainer import PreTrainingTrainer
from .setup import unwrap_peft

if TYPE_CHECKING:
    import datasets
    from matplotlib.figure import Figure

logger = logging.get_logger(__name__)

SHEETS_FOLDER = "alignment"

_WORDS_OF_A_PICTURE, _LETTERS_OF_AN_INCH = 6, 10


# ---------------------------------------------------------------------------------------------------------------------
# What is watched
# ---------------------------------------------------------------------------------------------------------------------


@dataclass
class EvaluationArguments:
    """What a model is watched by as it is trained, at every evaluation."""

    zero_shot: dict | str | None = field(
        default=None,
        metadata={
            "help": f"Held-out rows of {' and '.join(ZERO_SHOT_TASKS)}, which the model is not trained for: JSON of a "
            "mapping from task to dataset, data_dir, media_dir, split, options and num_rows."
        },
    )
    num_alignment_rows: int = field(
        default=4, metadata={"help": "Held-out rows to draw word-patch alignment of, in a picture; 0: none."}
    )

    def __post_init__(self):
        self.zero_shot = parse_mapping("zero_shot", self.zero_shot)
        if self.num_alignment_rows < 0:
            raise ValueError(f"num_alignment_rows is {self.num_alignment_rows}; expected 0 or more.")
        if unknown := [task for task in self.zero_shot if task not in ZERO_SHOT_TASKS]:
            raise ValueError(
                f"zero_shot has {', '.join(map(repr, unknown))}; expected tasks of {', '.join(ZERO_SHOT_TASKS)}."
            )

    def load_zero_shot(self, data_arguments: DataArguments) -> dict[str, "datasets.Dataset"]:
        """
        Read the held-out rows.

        Args:
            data_arguments ([`DataArguments`]): Those of the run, which warn where it trains on the same videos.

        Returns:
            `dict` of `str` to `datasets.Dataset`: The rows of each task.

        Raises:
            ValueError: If what describes them is wrong, or if they do not fit the task.
            OSError: If their files cannot be read.
        """
        return {task: _load_rows(task, described, data_arguments) for task, described in self.zero_shot.items()}


def _load_rows(task: str, described: Any, data_arguments: DataArguments) -> "datasets.Dataset":
    """The rows of a task, as a recipe describes them."""
    name = f"zero_shot of {task}"
    described = {"split": "validation", "num_rows": None} | parse_mapping(name, described)
    names = {"dataset": "dataset", "data_dir": "data_dir", "media_dir": "media_dir", "options": "dataset_options"}
    expected = [*names, "split", "num_rows"]
    if unknown := [str(key) for key in described if key not in expected]:
        raise ValueError(f"{name} has {', '.join(unknown)}; expected {', '.join(expected)}.")
    if missing := [key for key in ("dataset", "data_dir") if key not in described]:
        raise ValueError(f"{name} has no {' and no '.join(missing)}.")
    split, num_rows = described.pop("split"), described.pop("num_rows")
    if num_rows is not None and not (isinstance(num_rows, int) and num_rows > 0):
        raise ValueError(f"{name} has num_rows {num_rows!r}; expected a number of at least 1.")
    try:
        arguments = DataArguments(**{names[key]: value for key, value in described.items()})
        rows = arguments.join(data_arguments).load(split, num_rows)
        if not len(rows):
            raise ValueError(f"the {split} split of {described['dataset']} has no rows.")
        if task == "retrieval":
            collect_captions(rows)
        else:
            list_options(rows)
            if None in rows["label"]:
                raise ValueError("Some rows have no label, so they cannot be scored; take a split that is public.")
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return rows


# ---------------------------------------------------------------------------------------------------------------------
# Pictures
# ---------------------------------------------------------------------------------------------------------------------


class AlignmentCallback(TrainerCallback):
    """
    Draws where the words of a few held-out rows are transported to, at each evaluation: a picture
    `alignment/step-000500.png` in the output folder, and in TensorBoard, if the Trainer reports to it.

    Args:
        rows (sequence of `dict`): Rows with a caption, and `video` or `image`. Clips that cannot be read, where the
            reader does not raise, and captions without a word are left out.
        reader ([`VideoLoader`]): Reads the clips.
        callback_handler (`CallbackHandler`): The Trainer's, among whose callbacks is that of TensorBoard.
    """

    def __init__(self, rows: Sequence[dict], reader: VideoLoader, callback_handler: CallbackHandler):
        self.rows = [draw_clip(row) for row in rows]
        self.reader = reader
        self.callback_handler = callback_handler

    def on_evaluate(self, args, state, control, model=None, **kwargs):
        """Draw and write the picture."""
        if not state.is_world_process_zero:
            return
        figures = [figure for row in self.rows if (figure := self._draw(model, row)) is not None]
        if not figures:
            return
        sheet = join_figures(figures)
        path = Path(args.output_dir, SHEETS_FOLDER, f"step-{state.global_step:06}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, TensorBoardCallback) and callback.tb_writer is not None:
                callback.tb_writer.add_image("eval/alignment", np.array(sheet), state.global_step, dataformats="HWC")

    def _draw(self, model: nn.Module, row: dict) -> "Figure | None":
        """The alignment of a row; `None` if it has no word or cannot be read."""
        caption = draw_caption(row, generator_of(row))
        clips, is_readable = self.reader([row])
        if not is_readable.all() or not caption.strip():
            return None
        pixel_values = clips["pixel_values"]
        clip = pixel_values[0] if pixel_values.ndim == 5 else pixel_values[0, 0]
        options = self.reader.video_options
        alignment = align_words_with_frames(unwrap_peft(model), self.reader.processor, caption, clip, **options)
        longest = sorted(set(alignment.words), key=lambda word: (-len(word), word))[:_WORDS_OF_A_PICTURE]
        figure = draw_alignment(alignment, longest)
        lines = textwrap.wrap(caption, int(_LETTERS_OF_AN_INCH * figure.get_size_inches()[0]), max_lines=2)
        figure.suptitle("\n".join(lines), x=0.01, ha="left", size=12, parse_math=False)
        return figure


def add_alignment_callback(trainer: PreTrainingTrainer, num_rows: int = 4):
    """
    Let a Trainer draw the alignment of the first of its held-out rows, where it trains alignment.

    Args:
        trainer ([`PreTrainingTrainer`]): With an `eval_dataset`.
        num_rows (`int`, defaults to 4): How many rows; 0: none.
    """
    if not num_rows or trainer.eval_dataset is None or "matching" not in trainer.objectives:
        return
    if not is_matplotlib_available():
        logger.warning("Word-patch alignment is not drawn, since matplotlib is missing: pip install matplotlib.")
        return
    rows = [trainer.eval_dataset[number] for number in range(min(num_rows, len(trainer.eval_dataset)))]
    trainer.add_callback(AlignmentCallback(rows, trainer.eval_collator.reader, trainer.callback_handler))


__all__ = [
    "SHEETS_FOLDER",
    "AlignmentCallback",
    "EvaluationArguments",
    "add_alignment_callback",
]
