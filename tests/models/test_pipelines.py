# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Pipelines of transformers: answers are those of `Predictor`, whatever clips come as and however they are loaded."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import pipeline
from video_fixtures import encode_video, grey_frames

import modeling_allinone
from modeling_allinone import (
    AllInOneProcessor,
    AllInOneVideoProcessor,
    Predictor,
)
from modeling_allinone.datasets import train_tokenizer

QUESTION, TEXT = "is it a red ring?", "a red [MASK]"
CAPTIONS = ["a red ring", "a blue bar moves up", "a square"]
CALLS = {
    "video-question-answering": {"question": QUESTION},
    "video-text-retrieval": {"captions": CAPTIONS},
    "zero-shot-video-classification": {"candidate_labels": CAPTIONS},
    "video-fill-mask": {"text": TEXT},
}
NAMES = {
    "video-question-answering": "answer",
    "video-text-retrieval": "caption",
    "zero-shot-video-classification": "label",
    "video-fill-mask": "token_str",
}
HEADS = [
    ("video-question-answering", "AllInOneForVideoQuestionAnswering"),
    *(
        (task, head)
        for task in ("video-text-retrieval", "zero-shot-video-classification")
        for head in ("AllInOneForVideoTextRetrieval", "AllInOneForMultipleChoice", "AllInOneForPreTraining")
    ),
    ("video-fill-mask", "AllInOneForMaskedLM"),
    ("video-fill-mask", "AllInOneForPreTraining"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Clips that differ, and folders of every head."""
    folder = tmp_path_factory.mktemp("pipelines")
    for number in range(3):
        encode_video(folder / f"{number}.mp4", frames=np.roll(grey_frames(), 5 * number, axis=0))
    return folder


@pytest.fixture(scope="module")
def processor() -> AllInOneProcessor:
    tokenizer = train_tokenizer([QUESTION, *CAPTIONS, "a person is doing"], vocab_size=99)
    tokenizer.model_max_length = 16
    return AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer)


@pytest.fixture(scope="module")
def folder_of(tiny_config, processor, files):
    """The folder of a head."""

    def save(head: str) -> str:
        path = files / head
        if not path.is_dir():
            config = tiny_config(
                projection_dim=8, vocab_size=len(processor.tokenizer), id2label={0: "yes", 1: "no", 2: "red"}
            )
            torch.manual_seed(0)
            getattr(modeling_allinone, head)(config).save_pretrained(path)
            processor.save_pretrained(path)
        return str(path)

    return save


@pytest.fixture(scope="module")
def answerer(folder_of):
    """The pipeline of a task."""
    heads = dict(reversed(HEADS))
    return {task: pipeline(task, model=folder_of(heads[task]), device="cpu") for task in CALLS}


def predicted(predictor: Predictor, task: str, clip, top_k: int = 5) -> list[dict]:
    """What `Predictor` says of a clip, as a pipeline would."""
    prediction = {
        "video-question-answering": lambda: predictor.ask(clip, QUESTION, top_k=top_k),
        "video-text-retrieval": lambda: predictor.choose(clip, CAPTIONS, top_k=top_k),
        "zero-shot-video-classification": lambda: predictor.classify(clip, CAPTIONS, top_k=top_k),
        "video-fill-mask": lambda: predictor.fill(clip, TEXT, top_k=top_k),
    }[task]()
    return [{NAMES[task]: one["answer"], "score": one["score"]} for one in prediction.top_k]


def check(found: list[dict], expected: list[dict], task: str):
    """The same answers in the same order, up to rounding."""
    name = NAMES[task]
    assert [one[name] for one in found] == [one[name] for one in expected]
    assert [one["score"] for one in found] == pytest.approx([one["score"] for one in expected], abs=1e-6)


@pytest.mark.parametrize(("task", "head"), HEADS)
def test_answers_are_those_of_the_predictor(folder_of, files, task, head):
    ask, predictor = pipeline(task, model=folder_of(head), device="cpu"), Predictor.from_pretrained(folder_of(head))
    clips = [str(files / f"{number}.mp4") for number in range(3)]
    assert type(ask.model).__name__ == head
    check(ask(clips[0], **CALLS[task]), predicted(predictor, task, clips[0]), task)
    for found, clip in zip(ask(clips, **CALLS[task], batch_size=2, top_k=2), clips, strict=True):
        check(found, predicted(predictor, task, clip, top_k=2), task)
    assert len(ask(clips[0], **CALLS[task], top_k=1)) == 1
