# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone classify`."""

from .options import (
    AsJson,
    Device,
    Dtype,
    End,
    Labels,
    Model,
    Prompts,
    ScoreBy,
    Start,
    TopK,
    Video,
    load_predictor,
    locate_clip,
    read_labels,
)
from .output import show_predictions


def classify(
    video: Video,
    model: Model,
    labels: Labels = None,
    prompts: Prompts = None,
    top_k: TopK = 5,
    score_by: ScoreBy = None,
    start: Start = None,
    end: End = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
):
    """
    Name the class of a clip: one that the model was trained for, or any, each read as a text.

    allinone classify clip.mp4 --model my-model
    allinone classify clip.mp4 --labels dog cat --prompt "a {}" --model my-model
    """
    from ..evaluation.predictor import PROMPTS

    names, clip = read_labels(labels), locate_clip(video, start, end)
    predictor = load_predictor(model, device, dtype, score_by)
    prediction = predictor.classify(clip, names, top_k, prompts or PROMPTS)
    show_predictions([clip], [prediction], as_json)
