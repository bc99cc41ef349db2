# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Draw which patches of a video or an image the words of a text are aligned with.

    python examples/draw_alignment.py --model_name_or_path outputs/pretrain --video clip.mp4 --text "a dog runs"

Any model of this package will do; those that were pre-trained with matching have learned the transport.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from transformers import AutoModel, AutoProcessor
from transformers.utils import logging

import modeling_allinone  # noqa: F401  makes the Auto classes know the model
from modeling_allinone.evaluation.visualization import align_words, draw_alignment
from modeling_allinone.training.arguments import parse_recipe
from modeling_allinone.training.command_line import command_line


@dataclass
class DrawingArguments:
    """What is drawn, and where to."""

    model_name_or_path: str = field(metadata={"help": "Directory or Hub repository of a model and its processor."})
    video: str = field(metadata={"help": "A video, an image or a folder of frames."})
    text: str = field(metadata={"help": "What is said about it."})
    words: list[str] | None = field(default=None, metadata={"help": "Words of the text to draw; all by default."})
    num_frames: int | None = field(default=None, metadata={"help": "Frames to take; the processor's by default."})
    output: Path = field(default=Path("alignment.png"), metadata={"help": "Picture to write: .png, .pdf, .svg, …"})


@command_line
def main(arguments: list[str]):
    """Load, align, draw, save."""
    (options,) = parse_recipe(DrawingArguments, description=__doc__, arguments=arguments)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = AutoModel.from_pretrained(options.model_name_or_path)
    processor = AutoProcessor.from_pretrained(options.model_name_or_path)
    frames = {} if options.num_frames is None else {"num_frames": options.num_frames}
    alignment = align_words(model, processor, options.text, options.video, **frames)
    figure = draw_alignment(alignment, options.words)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output)
    print(f"{options.output}: {len(alignment.words)} words, {len(alignment.frames)} frames")


if __name__ == "__main__":
    sys.exit(main())
