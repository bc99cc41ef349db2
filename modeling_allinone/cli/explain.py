# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone explain`."""

from pathlib import Path
from typing import Annotated

import typer

from ..training.command_line import show_json
from .ask import is_long
from .options import AsJson, Device, Dtype, End, Model, ScoreBy, Start, Video, load_predictor, locate_clip


def explain(
    video: Video,
    model: Model,
    question: Annotated[
        str | None,
        typer.Argument(
            metavar="QUESTION",
            help="What is answered, or a text with one [MASK]; none for a class of the model's own.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The picture: .png, .pdf or .svg.")
    ] = Path("explanation.png"),
    answer: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="The answer, word, class or option that is explained.",
            show_default="the one that the model gives",
        ),
    ] = None,
    caption: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Explain how well this fits, with a model that compares texts with clips."),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT...", help="Explain why one of these is chosen, with such a model.", show_default=""
        ),
    ] = None,
    score_by: ScoreBy = None,
    start: Start = None,
    end: End = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
):
    """
    Draw which parts of which frames an answer rests on.

    allinone explain clip.mp4 "what colour is the ring?" --model my-model --output picture.png

    The picture is tested: the tenth of the patches that it ranks first is blanked, and the answer's probability should
    fall. What it falls to is written below, and whether the picture is to be trusted.

    Of a long video, --start and --end take the window that `allinone ask` names.
    """
    from matplotlib.backend_bases import FigureCanvasBase  # before the model is asked

    from ..evaluation.explanation import draw_explanation
    from ..evaluation.explanation import explain as explain_answer

    kinds = FigureCanvasBase.get_supported_filetypes()
    if output.suffix[1:].lower() not in kinds:
        raise ValueError(f"--output is {output}; expected a file whose name ends in .png, .pdf or .svg.")
    clip = locate_clip(video, start, end)
    predictor = load_predictor(model, device, dtype, score_by)
    if is_long(predictor, video, start, end):
        typer.echo(
            f"{video} is explained as one clip, though it is long; --start and --end take a part of it, such as the "
            "window that `allinone ask` names.",
            err=True,
        )
    explanation = explain_answer(predictor, clip, question, answer, caption, options or None)
    output.parent.mkdir(parents=True, exist_ok=True)
    draw_explanation(explanation).savefig(output, dpi=150)
    if as_json:
        show_json(clip | explanation.as_row() | {"picture": str(output)})
        return
    told = [text for text in (explanation.text, explanation.answer) if text is not None]
    typer.echo(" \N{RIGHTWARDS ARROW} ".join(told) or video)
    typer.echo(explanation.verdict)
    typer.echo(f"Picture: {output}")
