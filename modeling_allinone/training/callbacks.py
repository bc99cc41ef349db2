# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Callbacks of the Trainers: the epoch of the rows, and pictures of word-patch alignment at each evaluation."""

import importlib
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from accelerate.accelerator import Accelerator
from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback, TrackioCallback, WandbCallback
from transformers.trainer_callback import CallbackHandler

from ..data.collators import draw_caption
from ..data.pretraining_collators import draw_clip
from ..data.video_loading import VideoLoader
from ..data.webdataset_stream import PairedStream, WebDatasetStream
from ..datasets.row_transforms import generator_of
from ..evaluation.visualization import align_words_with_frames, draw_alignment, join_figures
from .distributed import check_epoch

if TYPE_CHECKING:
    import PIL.Image
    from matplotlib.figure import Figure

ALIGNMENT_FOLDER = "alignment"

# Trackers that take pictures by the same two names, `Image` and `log`, each in the module that goes by its name.
_TRACKERS: dict[type[TrainerCallback], str] = {WandbCallback: "wandb", TrackioCallback: "trackio"}
_WORDS_OF_A_PICTURE, _LETTERS_OF_AN_INCH = 6, 10


class EpochCallback(TrainerCallback):
    """
    Tells the rows to train on which epoch it is, before the loader's workers get their copy of them, and raises a
    `ValueError` after an epoch of which nothing could be learned.

    Args:
        accelerator (`Accelerator`): The Trainer's.
    """

    def __init__(self, accelerator: Accelerator):
        self.accelerator = accelerator
        self._begin = 0.0
        self._num_usable_rows: torch.Tensor | None = None

    def count(self, num_usable_rows: torch.Tensor | None):
        """Count in rows that can be learned from; `None` says nothing of them."""
        if num_usable_rows is not None:
            before = 0 if self._num_usable_rows is None else self._num_usable_rows
            self._num_usable_rows = before + num_usable_rows.to(self.accelerator.device)

    def on_epoch_begin(self, args, state, control, train_dataloader=None, **kwargs):
        self._begin, self._num_usable_rows = state.epoch or 0.0, None
        rows = getattr(train_dataloader, "dataset", None)
        if hasattr(rows, "set_epoch"):
            rows.set_epoch(int(self._begin))

    def on_step_end(self, args, state, control, train_dataloader=None, **kwargs):
        # Trainer counts on from a checkpoint only where it has skipped the batches itself.
        if isinstance(getattr(train_dataloader, "dataset", None), WebDatasetStream | PairedStream):
            state.epoch = state.global_step / state.max_steps

    def on_epoch_end(self, args, state, control, **kwargs):
        # Of an epoch that was begun or ended elsewhere, a few rows may be the broken ones.
        is_whole = self._begin == 0 or (self._begin.is_integer() and state.epoch.is_integer())
        if is_whole and self._num_usable_rows is not None:
            check_epoch(self.accelerator, int(self._begin) + 1, self._num_usable_rows)


def show_picture(callback: TrainerCallback, name: str, picture: "PIL.Image.Image", step: int):
    """
    Send a picture where a callback of transformers reports to.

    Args:
        callback (`TrainerCallback`): Any; only those of TensorBoard, wandb and trackio show pictures.
        name (`str`): What it is called there.
        picture (`PIL.Image.Image`)
        step (`int`): The step of training that it belongs to.
    """
    if isinstance(callback, TensorBoardCallback) and callback.tb_writer is not None:
        callback.tb_writer.add_image(name, np.array(picture), step, dataformats="HWC")
    elif (module := _TRACKERS.get(type(callback))) is not None:
        tracker = importlib.import_module(module)
        tracker.log({name: tracker.Image(picture), "train/global_step": step})


class AlignmentCallback(TrainerCallback):
    """
    Draws the word-patch alignment of a few held-out rows at each evaluation: a picture `alignment/step-000500.png` in
    the output folder, and in TensorBoard, wandb and trackio, if the Trainer reports to them.

    Args:
        rows (sequence of `dict`): Rows with a caption, and `video` or `image`. Clips that cannot be read, where the
            reader does not raise, and captions without a word are left out.
        reader ([`VideoLoader`]): Reads the clips.
        callback_handler (`CallbackHandler`): The Trainer's, among whose callbacks are those that report.
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
        path = Path(args.output_dir, ALIGNMENT_FOLDER, f"step-{state.global_step:06}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
        for callback in self.callback_handler.callbacks:
            show_picture(callback, "eval/alignment", sheet, state.global_step)

    def _draw(self, model, row: dict) -> "Figure | None":
        """The alignment of a row; `None` if it has no word or cannot be read."""
        model = model.get_base_model() if hasattr(model, "get_base_model") else model  # without adapters' wrapper
        caption = draw_caption(row, generator_of(row))
        clips, is_readable = self.reader([row])
        if not is_readable.all() or not caption.strip():
            return None
        pixel_values = clips["pixel_values"]
        clip = pixel_values[0] if pixel_values.ndim == 5 else pixel_values[0, 0]
        options = self.reader.video_options
        alignment = align_words_with_frames(model, self.reader.processor, caption, clip, **options)
        longest = sorted(set(alignment.words), key=lambda word: (-len(word), word))[:_WORDS_OF_A_PICTURE]
        figure = draw_alignment(alignment, longest)
        lines = textwrap.wrap(caption, int(_LETTERS_OF_AN_INCH * figure.get_size_inches()[0]), max_lines=2)
        figure.suptitle("\n".join(lines), x=0.01, ha="left", size=12, parse_math=False)
        return figure


__all__ = ["ALIGNMENT_FOLDER", "AlignmentCallback", "EpochCallback"]
