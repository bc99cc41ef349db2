# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone ask`."""

from typing import Annotated

import typer

from .options import AsJson, Device, Dtype, End, Model, Start, TopK, Video, load_predictor, locate_clip
from .output import show_predictions


def ask(
    video: Video,
    questions: Annotated[
        list[str], typer.Argument(metavar="QUESTION", help="One, or any number, for which the clip is read once.")
    ],
    model: Model,
    top_k: TopK = 3,
    start: Start = None,
    end: End = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
):
    """
    Answer questions about a clip, with a model that was trained for questions.

    allinone ask clip.mp4 "what barks?" "how many are there?" --model my-model
    """
    clip = locate_clip(video, start, end)
    predictions = load_predictor(model, device, dtype).ask(clip, questions, top_k)
    show_predictions([clip | {"question": question} for question in questions], predictions, as_json)
