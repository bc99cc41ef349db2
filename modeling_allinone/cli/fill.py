# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone fill`."""

from typing import Annotated

import typer

from .options import AsJson, Device, Dtype, End, Model, Start, TopK, Video, load_predictor, locate_clip
from .output import show_predictions


def fill(
    video: Video,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="With one [MASK] in it, the word to be found.", show_default=False)
    ],
    model: Model,
    top_k: TopK = 5,
    start: Start = None,
    end: End = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
):
    """
    Find the word that is hidden in a text about a clip, with a pre-trained model.

    allinone fill clip.mp4 "a [MASK] barks" --model my-model
    """
    clip = locate_clip(video, start, end)
    prediction = load_predictor(model, device, dtype).fill(clip, text, top_k)
    show_predictions([clip | {"text": text}], [prediction], as_json)
