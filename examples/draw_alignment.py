"""
Draw which patches of a video or an image the words of a text are transported to.

    python examples/draw_alignment.py --model_name_or_path outputs/pretrain --video clip.mp4 --text "a dog runs"

Any model of this package will do; those that were pre-trained with matching have learned the transport.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from transformers import AutoModel, AutoProcessor, HfArgumentParser
from transformers.utils import logging

import modeling_allinone  # noqa: F401  makes the Auto classes know the model
from modeling_allinone.visualization import align_words, draw_alignment


@dataclass
class DrawingArguments:
    """What is drawn, and where to."""

    model_name_or_path: str = field(metadata={"help": "Directory or Hub repository of a model and its processor."})
    video: str = field(metadata={"help": "A video, an image or a folder of frames."})
    text: str = field(metadata={"help": "What is said about it."})
    words: list[str] | None = field(default=None, metadata={"help": "Words of the text to draw; all by default."})
    num_frames: int | None = field(default=None, metadata={"help": "Frames to take; the processor's by default."})
    output: Path = field(default=Path("alignment.png"), metadata={"help": "Picture to write: .png, .pdf, .svg, …"})


def main():
    """Load, align, draw, save."""
    (arguments,) = HfArgumentParser(DrawingArguments, description=__doc__).parse_args_into_dataclasses()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model = AutoModel.from_pretrained(arguments.model_name_or_path)
        processor = AutoProcessor.from_pretrained(arguments.model_name_or_path)
        options = {} if arguments.num_frames is None else {"num_frames": arguments.num_frames}
        alignment = align_words(model, processor, arguments.text, arguments.video, **options)
        figure = draw_alignment(alignment, arguments.words)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(arguments.output)
    except (ImportError, OSError, TypeError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    print(f"{arguments.output}: {len(alignment.words)} words, {len(alignment.frames)} frames")


if __name__ == "__main__":
    main()
