# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Questions about long videos: each window is asked as a clip of its own, and the surest counts."""

import av
import numpy as np
import pytest
import torch
from PIL import Image
from video_fixtures import FRAMES_PER_SECOND, encode_video

from modeling_allinone import AllInOneForVideoQuestionAnswering, Predictor, VideoEncoder
from modeling_allinone.evaluation.long_video import ask_long_video

QUESTIONS = ["what colour is the ring?", "a bar"]


def frames_of(path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def film(rows, tmp_path_factory):
    """All clips one after the other."""
    frames = np.concatenate([frames_of(row["video"]) for row in rows])
    return encode_video(tmp_path_factory.mktemp("film") / "film.mp4", frames=frames)


@pytest.fixture
def predictor(config, processor):
    torch.manual_seed(0)
    config.id2label = {0: "red", 1: "blue", 2: "green"}
    return Predictor(AllInOneForVideoQuestionAnswering(config), processor)


def test_each_window_is_asked_as_a_clip_of_its_own(predictor, film):
    predictions = ask_long_video(predictor, film, QUESTIONS, window=2.0, stride=1.0, top_k=2)
    assert len(predictions) == 2 and len(predictions[0].windows) > 5
    for question, prediction in zip(QUESTIONS, predictions, strict=True):
        for window in prediction.windows:
            expected = predictor.ask({"video": film, "start": window["start"], "end": window["end"]}, question)
            assert window["answer"] == expected.answer
            assert window["score"] == pytest.approx(expected.score, abs=1e-5)
        surest = max(prediction.windows, key=lambda window: window["score"])
        assert prediction.top_k[0] == {name: surest[name] for name in ("answer", "score", "start", "end")}
        assert (prediction.answer, prediction.score) == (surest["answer"], surest["score"])
        assert len(prediction.top_k) == 2 and prediction.top_k[1]["answer"] != surest["answer"]


def test_the_mean_over_windows(predictor, film):
    (prediction,) = ask_long_video(predictor, film, QUESTIONS[:1], window=2.0, combine="mean")
    shares = [
        {entry["answer"]: entry["score"] for entry in predictor.ask({"video": film, **span}, QUESTIONS[0]).top_k}
        for span in ({"start": window["start"], "end": window["end"]} for window in prediction.windows)
    ]
    for entry in prediction.top_k:
        assert entry["score"] == pytest.approx(np.mean([share[entry["answer"]] for share in shares]), abs=1e-5)
    assert sum(entry["score"] for entry in prediction.top_k) == pytest.approx(1, abs=1e-5)


def test_windows_are_chosen_by_similarity(predictor, film, model, processor):
    encoder = VideoEncoder(model.eval(), processor)
    options = {"window": 1.5, "encoder": encoder}
    all_windows = ask_long_video(predictor, film, QUESTIONS, **options, num_windows=99)
    chosen = ask_long_video(predictor, film, QUESTIONS, **options, num_windows=2)
    for question, everything, some in zip(QUESTIONS, all_windows, chosen, strict=True):
        for window in everything.windows:
            clip = {"video": film, "start": window["start"], "end": window["end"]}
            expected = encoder.encode_text(question) @ encoder.encode_video(clip)
            assert window["similarity"] == pytest.approx(float(expected), abs=1e-5)
        best = sorted(everything.windows, key=lambda window: -window["similarity"])[:2]
        assert [window["start"] for window in some.windows] == sorted(window["start"] for window in best)
    assert len(ask_long_video(predictor, film, QUESTIONS, **options)[0].windows) == 5


def test_a_part_is_asked(predictor, film):
    (prediction,) = ask_long_video(predictor, film, QUESTIONS[:1], window=1.0, start=1.0, end=2.7)
    spans = [(window["start"], window["end"]) for window in prediction.windows]
    assert spans == [(1.0, 2.0), pytest.approx((2.0, 2.7))]


def test_what_cannot_be_asked(predictor, film, model, processor, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "image.png")
    (tmp_path / "text.mp4").write_text("no film")
    for name in ("image.png has no times", r"text\.mp4"):
        with pytest.raises(ValueError, match=name):
            ask_long_video(predictor, tmp_path / name.split()[0].replace("\\", ""), QUESTIONS, window=1.0)
    for options, message in (
        ({"combine": "least"}, "combine is 'least'"),
        ({"num_windows": 2}, "an encoder that chooses"),
        ({"stride": 2.0}, "stride 2 s"),
        ({"start": 1e6}, r"film\.mp4.*not inside the clip"),
    ):
        with pytest.raises(ValueError, match=message):
            ask_long_video(predictor, film, QUESTIONS, **{"window": 1.0, **options})
    with pytest.raises(ValueError, match="no head for question-answering"):
        ask_long_video(Predictor(model, processor), film, QUESTIONS)


def test_frames_without_times_are_one_clip(predictor):
    with pytest.raises(ValueError, match="has no times"):
        ask_long_video(predictor, np.zeros((FRAMES_PER_SECOND, 32, 32, 3), dtype=np.uint8), QUESTIONS)
