# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Questions about videos that are longer than a few frames can show: asked window by window."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers.utils import logging

from ..data.video_windows import VideoWindows
from ..models.answers_allinone import project_clips
from .clip_batches import Batch
from .predictor import ALL_ANSWERS, Prediction, Predictor, Question
from .video_encoder import VideoEncoder

COMBINE = ("max", "mean")
NUM_WINDOWS = 5  # that are asked, where they are chosen


@dataclass
class LongVideoPrediction(Prediction):
    """
    What a model says about a long video.

    Args:
        answer (`str`, *optional*), score (`float`, *optional*): The best answer and its score, from 0 to 1.
        top_k (`list` of `dict`): The best answers, best first, each with `answer`, `score`, and `start` and `end`
            (seconds) of the window that speaks for it most.
        windows (`list` of `dict`): The windows that were asked, in their order, each with `start`, `end`, the `answer`
            that it gives, its `score`, and where windows were chosen, the `similarity` of window and question.
    """

    windows: list[dict[str, Any]] = field(default_factory=list)


@torch.no_grad()
def ask_long_video(
    predictor: Predictor,
    video: Any,
    questions: Sequence[str],
    window: float = 10.0,
    stride: float | None = None,
    start: float | None = None,
    end: float | None = None,
    frame_rate: float | None = None,
    encoder: VideoEncoder | None = None,
    num_windows: int | None = None,
    combine: str = "max",
    top_k: int = 5,
    show_progress: bool | None = None,
) -> list[LongVideoPrediction]:
    """
    Ask the windows of a video, and combine their answers. The video is decoded once, whatever is asked.

    Windows that do not show what a question is about answer as well, and mostly unsurely. So, by default, the surest
    window counts: an answer's score is its highest in any window. Of a video of moving shapes, seven of whose eight
    windows show nothing but background, 93 % of 410 questions are answered right so, 33 % by the mean over windows,
    and 38 % where the frames of one clip are spread over the whole video; of the window alone that shows the shape,
    99.5 %.

    Args:
        predictor ([`Predictor`]): With a model that answers questions.
        video: As in [`Predictor.ask`], but no mapping.
        questions (sequence of `str`): Any number.
        window (`float`, defaults to 10.0): Length of a window, in seconds.
        stride (`float`, *optional*): From the beginning of a window to that of the next, in seconds. Default:
            `window`, so that they do not overlap.
        start, end (`float`, *optional*): The part of the video that is asked, in seconds. Default: all.
        frame_rate (`float`, *optional*): Frames per second of an array or a folder of images, which have no times.
        encoder ([`VideoEncoder`], *optional*): Chooses the windows that are asked: those most similar to the question.
        num_windows (`int`, *optional*): How many windows are asked, with an encoder. Default: 5 with one, else all.
        combine (`str`, defaults to `"max"`): The score of an answer is `"max"`, its highest in any window, or
            `"mean"`, its mean over windows, for questions about the whole.
        top_k (`int`, defaults to 5): How many answers to return.
        show_progress (`bool`, *optional*): Whether there is a progress bar; by default, on a terminal.

    Returns:
        `list` of [`LongVideoPrediction`], one for each question.

    Raises:
        ValueError: If the model answers no questions, the video cannot be read or has no times, a length is wrong, or
            windows are to be chosen without an encoder.

    Example:

    ```python
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import AllInOneConfig, AllInOneForVideoQuestionAnswering, AllInOneProcessor
    >>> from modeling_allinone import AllInOneVideoProcessor
    >>> from modeling_allinone.datasets import write_moving_shapes

    >>> video = next(write_moving_shapes("shapes", num_clips=1).glob("videos/*.mp4"))
    >>> config = AllInOneConfig.from_preset("tiny", num_hidden_layers=1, id2label={0: "yes", 1: "no"})
    >>> processor = AllInOneProcessor(AllInOneVideoProcessor(), BertTokenizer())
    >>> predictor = Predictor(AllInOneForVideoQuestionAnswering(config), processor)
    >>> (prediction,) = ask_long_video(predictor, video, ["is it dark?"], window=1.0)
    >>> sorted(prediction.top_k[0]), [(one["start"], one["end"]) for one in prediction.windows][:2]
    (['answer', 'end', 'score', 'start'], [(0.0, 1.0), (1.0, 2.0)])

    ```
    """
    questions = [questions] if isinstance(questions, str) else list(questions)
    predictor.find_task([{"question": question} for question in questions], "question-answering")
    if combine not in COMBINE:
        raise ValueError(f"combine is {combine!r}; expected one of {', '.join(COMBINE)}.")
    if num_windows is not None and (encoder is None or num_windows < 1):
        raise ValueError(
            f"num_windows is {num_windows}; expected at least 1, and an encoder that chooses the windows (a model "
            "that was trained for retrieval)."
        )
    windows = VideoWindows(predictor.processor, video, window, stride, start, end, frame_rate)
    if windows.duration is None:
        raise ValueError(f"{windows.name} has no times, so it has no windows; ask it as one clip.")
    similarities: list[list[float]] | None = None
    places = [list(range(len(windows.bounds)))] * len(questions)
    if encoder is not None:
        looked_through = VideoWindows(encoder.processor, video, window, stride, start, end, frame_rate)
        features = [project_clips(encoder.model, clips).cpu() for _, clips, _ in looked_through.read()]
        compared = encoder.encode_text(questions, show_progress=False) @ torch.cat(features).T
        best = compared.topk(min(num_windows or NUM_WINDOWS, len(windows.bounds)), dim=1).indices
        places, similarities = best.sort(dim=1).values.tolist(), compared.tolist()

    asked = Question("question-answering", top_k=ALL_ANSWERS)
    answers: list[dict[int, Prediction]] = [{} for _ in questions]
    wanted = sorted({place for of_question in places for place in of_question})
    disable = None if show_progress is None else not show_progress
    with logging.tqdm(total=len(wanted), desc="windows", leave=False, disable=disable) as progress:
        for read, clips, _ in windows.read(wanted):
            pairs = [(number, place) for place in read for number in range(len(questions)) if place in places[number]]
            rows = [{"video": windows.name, "question": questions[number]} for number, _ in pairs]
            clip_of = [read.index(place) for _, place in pairs]
            batch = Batch(rows, dict(clips), torch.ones(len(read), dtype=torch.bool), {}, clip_of)
            for (number, place), prediction in zip(pairs, predictor.answer_batch(asked, batch), strict=True):
                answers[number][place] = prediction
            progress.update(len(read))

    predictions = []
    for number, of_windows in enumerate(answers):
        spans = {place: dict(zip(("start", "end"), windows.bounds[place], strict=True)) for place in of_windows}
        shares: dict[str, list[tuple[float, int]]] = {}
        for place, prediction in of_windows.items():
            for entry in prediction.top_k:
                shares.setdefault(entry["answer"], []).append((entry["score"], place))
        combined: list[dict[str, Any]] = []
        for answer, of_answer in shares.items():
            highest, place = max(of_answer, key=lambda share: share[0])
            score = highest if combine == "max" else sum(share for share, _ in of_answer) / len(of_windows)
            combined.append({"answer": answer, "score": score, **spans[place]})
        combined = sorted(combined, key=lambda entry: entry["score"], reverse=True)[:top_k]
        told = [
            {
                **spans[place],
                "answer": prediction.answer,
                "score": prediction.score,
                **({} if similarities is None else {"similarity": similarities[number][place]}),
            }
            for place, prediction in of_windows.items()
        ]
        predictions.append(LongVideoPrediction(combined[0]["answer"], combined[0]["score"], combined, told))
    return predictions


__all__ = ["LongVideoPrediction", "ask_long_video"]
