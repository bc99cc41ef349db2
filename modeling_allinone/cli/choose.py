# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone choose`."""

from typing import Annotated

import typer

from .options import AsJson, Device, Dtype, End, Model, ScoreBy, Start, Video, load_predictor, locate_clip
from .output import show_predictions


def choose(
    video: Video,
    options: Annotated[list[str], typer.Argument(metavar="OPTION", help="Texts, of which one fits the clip best.")],
    model: Model,
    question: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What they answer, for models that were trained with questions.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many of them to show.", show_default="all")
    ] = None,
    score_by: ScoreBy = None,
    start: Start = None,
    end: End = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
):
    """
    Choose the text that fits a clip.

    allinone choose clip.mp4 "a dog barks" "a cat sleeps" --model my-model
    """
    clip = locate_clip(video, start, end)
    prediction = load_predictor(model, device, dtype, score_by).choose(clip, options, question, top_k)
    row = clip | ({} if question is None else {"question": question}) | {"options": options}
    show_predictions([row], [prediction], as_json)
