# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone ask`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, Device, Dtype, End, Model, Start, TopK, Video, load_predictor, locate_clip
from .output import show_predictions

if TYPE_CHECKING:
    from ..evaluation.predictor import Prediction, Predictor

# Seconds. Three frames say little of what lasts longer.
_LONG, _WINDOW = 60.0, 10.0
_PANEL = "Long videos"


def is_long(predictor: "Predictor", video: str, start: float | None, end: float | None) -> bool:
    """Whether a video, or the part of it that is taken, is asked window by window unless told otherwise."""
    from ..data.video_windows import VideoWindows

    return len(VideoWindows(predictor.processor, video, _LONG, start=start, end=end).bounds) > 1


def ask(
    video: Video,
    questions: Annotated[
        list[str], typer.Argument(metavar="QUESTION", help="One, or any number, for which the clip is read once.")
    ],
    model: Model,
    top_k: TopK = 3,
    start: Start = None,
    end: End = None,
    window: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Ask windows of this length, and tell which of them answers; 0 asks all as one clip.",
            show_default=f"{_WINDOW:g} for videos of more than {_LONG:g} seconds, else 0",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    stride: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="From the beginning of a window to that of the next.",
            show_default="the window",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    combine: Annotated[
        str | None,
        typer.Option(
            metavar="max|mean",
            help="The score of an answer: its highest in any window, or its mean, for questions about the whole.",
            show_default="max",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    retrieval_model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Chooses the windows that are asked: those most similar to the question.",
            show_default="all are asked",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    num_windows: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="How many windows it chooses.",
            show_default="5",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
):
    """
    Answer questions about a clip, with a model that was trained for questions.

    allinone ask clip.mp4 "what barks?" "how many are there?" --model my-model

    A long video is asked window by window, and each answer comes with the time of the window that speaks for it most.
    """
    from ..evaluation.long_video import ask_long_video
    from ..evaluation.video_encoder import VideoEncoder

    clip = locate_clip(video, start, end)
    predictor = load_predictor(model, device, dtype)
    if window is None:
        window = _WINDOW if is_long(predictor, video, start, end) else 0
        if window:
            typer.echo(
                f"{video} is asked in windows of {window:g} seconds, as it is long; --window 0 asks it as one clip.",
                err=True,
            )
    for name, value in {
        "stride": stride,
        "combine": combine,
        "retrieval-model": retrieval_model,
        "num-windows": num_windows,
    }.items():
        if value is not None and not window:
            raise ValueError(f"--{name} is for windows, but {video} is asked as one clip; give --window SECONDS, too.")
    predictions: Sequence[Prediction]
    if window:
        encoder = None if retrieval_model is None else VideoEncoder.from_pretrained(retrieval_model, device, dtype)
        predictions = ask_long_video(
            predictor,
            video,
            questions,
            window,
            stride,
            start,
            end,
            encoder=encoder,
            num_windows=num_windows,
            combine=combine or "max",
            top_k=top_k,
        )
    else:
        predictions = predictor.ask(clip, questions, top_k)
    show_predictions([clip | {"question": question} for question in questions], predictions, as_json)
