# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Explanations: what they rank first carries the answer, the test on their face, all that can be explained."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from modeling_allinone import (
    AllInOneForMultipleChoice,
    AllInOneForVideoClassification,
    AllInOneForVideoQuestionAnswering,
    AllInOneProcessor,
    AllInOneVideoProcessor,
    Predictor,
)
from modeling_allinone.evaluation import draw_explanation, explain

CHECKPOINT = Path(__file__).parents[2] / "examples/checkpoints/moving-shapes"
COLORS = ("red", "green", "blue", "yellow")
QUESTION = "a ring"
OPTIONS = ["a red ring moves up", "a blue bar", "a green cross grows"]


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return Predictor.from_pretrained(CHECKPOINT)


@pytest.fixture
def build(config, processor):
    """Make a predictor without training; keywords are of its video processor."""

    def make(cls=AllInOneForVideoQuestionAnswering, **changes) -> Predictor:
        torch.manual_seed(0)
        config.id2label = {0: "red", 1: "blue", 2: "green"}
        videos = AllInOneVideoProcessor(**{"num_frames": 4, "size": 32, "crop_size": 32} | changes)
        return Predictor(cls(config), AllInOneProcessor(videos, processor.tokenizer))

    return make


def blank(clip: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """A clip (1, T, 3, H, W) without some patches (T, R, C), in a loop."""
    clip, size = clip.clone(), clip.shape[-1] // patches.shape[-1]
    for frame, row, column in patches.nonzero().tolist():
        clip[0, frame, :, row * size : (row + 1) * size, column * size : (column + 1) * size] = 0
    return clip


def test_what_is_ranked_first_carries_the_word(shipped, rows):
    drops, random_drops, trusted = [], [], []
    for row in rows:
        words = row["caption"].split()
        color = next(word for word in words if word in COLORS)
        words[words.index(color)] = "[MASK]"
        explanation = explain(shipped, row["video"], " ".join(words), color)
        drops.append(explanation.drop)
        random_drops.append(explanation.random_drop)
        trusted.append(explanation.is_trusted)
    assert np.mean(drops) > 0.3 and np.mean(drops) > 5 * np.mean(np.abs(random_drops))
    assert any(trusted) and not all(trusted)  # one colour may be seen at many places
    assert min(np.array(drops)[trusted]) > 0.05 > max(np.array(drops)[~np.array(trusted)])


def test_the_test_blanks_what_it_says(build, rows):
    predictor = build()
    explanation = explain(predictor, rows[0]["video"], QUESTION, "blue")
    top, heat = explanation.top_patches, explanation.heat_maps
    assert top.shape == heat.shape and top.sum() == round(0.1 * top.numel())
    assert heat.min() >= 0 and heat.max() == 1 and heat[top].min() >= heat[~top].max()
    inputs = predictor.processor(text=QUESTION, videos=rows[0]["video"])
    for patches, score in ((torch.zeros_like(top), explanation.score), (top, explanation.score_without)):
        clip = blank(inputs["pixel_values"], patches)
        with torch.no_grad():
            logits = predictor.model(**inputs | {"pixel_values": clip}).logits[0]
        assert score == pytest.approx(float(logits.softmax(dim=-1)[1]), abs=1e-5)
    assert len(explanation.times) == len(explanation.frames) == 4 and explanation.times == sorted(explanation.times)
    again = explain(predictor, rows[0]["video"], QUESTION, "blue")
    assert torch.equal(again.heat_maps, heat) and again.random_scores == explanation.random_scores
    assert all(parameter.grad is None for parameter in predictor.model.parameters())


def test_probabilities_are_those_of_the_predictor(build, shipped, rows):
    video = {"video": rows[0]["video"], "start": 0.5, "end": 2.0}
    predictor = build()
    best = predictor.ask(video, QUESTION)
    found = explain(predictor, video, QUESTION, num_steps=1)
    assert (found.text, found.answer) == (QUESTION, best.answer) and found.score == pytest.approx(best.score, abs=1e-5)
    classifier = build(AllInOneForVideoClassification)
    found, best = explain(classifier, video, num_steps=1), classifier.classify(video)
    assert (found.text, found.answer) == (None, best.answer) and found.score == pytest.approx(best.score, abs=1e-5)
    for choosing in (
        build(AllInOneForMultipleChoice),
        shipped,
        Predictor(shipped.model, shipped.processor, "features"),
    ):
        best = choosing.choose(video, OPTIONS, question="what moves?")
        found = explain(choosing, video, "what moves?", options=OPTIONS, num_steps=1)
        assert found.answer == best.answer and found.score == pytest.approx(best.score, abs=1e-5)


@pytest.mark.parametrize("score_by", ["pairs", "features"])
def test_captions(shipped, rows, score_by):
    predictor = Predictor(shipped.model, shipped.processor, score_by)
    fits, other = (explain(predictor, rows[0]["video"], caption=rows[number]["caption"]) for number in (0, 1))
    assert not fits.is_probability and fits.answer is None and fits.text == rows[0]["caption"]
    assert fits.score > other.score and fits.is_trusted and fits.drop > 2 * abs(fits.random_drop)
    assert fits.verdict.startswith(f"Tested: score {fits.score:.2f}, {fits.score_without:.2f} without")


def test_what_shows_nothing_is_not_trusted(build):
    frames = np.full((4, 32, 32, 3), 128, dtype=np.uint8)
    explanation = explain(build(image_mean=0.5, image_std=0.5), frames, QUESTION)
    assert not explanation.is_trusted and explanation.verdict.startswith("NOT TO BE TRUSTED: probability 0.")
    assert f"{explanation.score - explanation.random_drop:.2f} without as many random ones" in explanation.verdict
    assert explanation.verdict.endswith(" without those that change it most.")
    figure = draw_explanation(explanation)
    assert figure.get_supxlabel().replace("\n", " ") == explanation.verdict


def test_images_views_masks_and_short_clips(build, rows, tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (2, 40, 64, 3), dtype=np.uint8)
    Image.fromarray(frames[0]).save(tmp_path / "image.png")
    image = explain(build(), tmp_path / "image.png", QUESTION, num_steps=1)
    assert len(image.heat_maps) == 1 and image.times is None
    short = explain(build(), frames, QUESTION, num_steps=1)
    assert len(short.frames) == len(short.heat_maps) == 4 and short.times is None
    timed = explain(build(), {"video": frames, "frame_rate": 2.0}, QUESTION, num_steps=1)
    assert len(timed.times) == 4 and timed.times[-1] <= 0.5

    views = build(num_views=2)
    found = explain(views, rows[0]["video"], QUESTION, num_steps=1)
    assert len(found.heat_maps) == len(found.frames) == len(found.times) == 8
    assert found.score == pytest.approx(views.ask(rows[0]["video"], QUESTION).score, abs=1e-5)

    wide = build(do_center_crop=False, do_pad=True, size={"shortest_edge": 32}, size_divisor=8)
    found = explain(wide, frames, QUESTION, num_steps=1)
    assert found.score == pytest.approx(wide.ask(frames, QUESTION).score, abs=1e-5)
    assert found.heat_maps.shape == (4, 4, 6) and found.frames.shape[1:3] == (32, 48)


def test_half_precision(build, rows):
    expected, predictor = explain(build(), rows[0]["video"], QUESTION, "red"), build()
    predictor.model.to(torch.bfloat16)
    found = explain(predictor, rows[0]["video"], QUESTION, "red")
    assert found.score == pytest.approx(expected.score, abs=0.02) and found.heat_maps.dtype == torch.float32
    correlation = np.corrcoef(found.heat_maps.flatten(), expected.heat_maps.flatten())[0, 1]
    assert correlation > 0.5


def test_wrong_questions(build, shipped, rows):
    video = rows[0]["video"]
    for predictor, asked, message in (
        (build(), {}, "give a question"),
        (build(), {"caption": "a ring"}, "give a question"),
        (build(), {"question": QUESTION, "answer": "nine"}, "knows no answer 'nine'; it knows 3: red, blue, green"),
        (shipped, {}, r"give a caption or options, or a text with \[MASK\]"),
        (shipped, {"question": "a ring"}, r"has the text 'a ring'; expected one \[MASK\]"),
        (shipped, {"caption": "a ring", "answer": "red"}, "leave them out"),
        (shipped, {"options": ["a ring", "a ring"]}, "expected at least two, each once"),
        (shipped, {"options": OPTIONS, "answer": "a bar"}, "knows no answer 'a bar'"),
        (build(AllInOneForVideoClassification), {"question": QUESTION}, "give neither question"),
    ):
        with pytest.raises(ValueError, match=message):
            explain(predictor, video, **asked)
    with pytest.raises(ValueError, match="has no video; it has start"):
        explain(build(), {"start": 1}, QUESTION)
    with pytest.raises(ValueError, match="num_steps is 0; expected at least 1"):
        explain(build(), video, QUESTION, num_steps=0)
    broken = build()
    torch.nn.init.constant_(broken.model.classifier.out_proj.weight, float("nan"))
    with pytest.raises(ValueError, match=r"gives no numbers as scores \(NaN\)"):
        explain(broken, video, QUESTION)


class TestFigure:
    def test_it_is_drawn(self, shipped, rows):
        explanation = explain(shipped, rows[0]["video"], caption=rows[0]["caption"], num_steps=1)
        figure = draw_explanation(explanation)
        buffer = io.BytesIO()
        figure.savefig(buffer)
        whole = Image.open(buffer)
        assert whole.width > whole.height > 100
        assert figure.get_suptitle().replace("\n", " ") == rows[0]["caption"]
        strips, bar = figure.axes[:2], figure.axes[2]
        assert [text.get_text() for text in strips[0].texts] == [f"{seconds:.1f} s" for seconds in explanation.times]
        assert len(strips[1].patches) == explanation.top_patches.sum() and bar.get_ylabel() == "what a patch adds"
        assert len(strips[0].images) == 4 and len(strips[1].images) == 8

        one = draw_explanation(explanation, frame=2)
        assert np.array_equal(one.axes[0].images[0].get_array(), explanation.frames[2].numpy())
        assert np.array_equal(one.axes[1].images[1].get_array(), explanation.heat_maps[2].numpy())
        assert len(one.axes[1].patches) == explanation.top_patches[2].sum()
        with pytest.raises(IndexError, match="frame is 4; this clip has 4, from 0 to 3"):
            draw_explanation(explanation, frame=4)

    def test_without_matplotlib(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.colors", None)
        with pytest.raises(
            ImportError, match=r"needs matplotlib; install it with `pip install modeling_allinone\[train"
        ):
            draw_explanation(None)
