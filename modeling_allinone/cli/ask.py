# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone ask`."""

from typing import Annotated

import typer

from .options import AsJson, Device, Dtype, End, Model, Start, TopK, Video
from .output import show_predictions


def ask(
    video: Video,
    questions: Annotated[list[str], typer.Argument(metavar="QUESTION...", show_default=False)],
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

    allinone ask clip.mp4 "what does the dog do?" --model my-model
    """
    from ..evaluation.predictor import Predictor

    predictor = Predictor.from_pretrained(model, device, dtype)
    predictions = predictor.ask({"video": video, "start": start, "end": end}, questions, top_k)
    show_predictions([{"video": video, "question": question} for question in questions], predictions, as_json)
