# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone ask`, `choose`, `classify` and `fill` say what `Predictor` says, to people and as JSON."""

import re
from dataclasses import asdict

import pytest
from video_fixtures import encode_video

from modeling_allinone import Predictor
from modeling_allinone.evaluation.long_video import ask_long_video

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")

OPTIONS = ["a red ring moves up", "a blue bar moves left"]


def test_ask(allinone, answering, clip):
    status, found, _ = allinone(
        "ask", clip, "a ring", "which bar", "-m", answering, "--top_k", 2, "--end", 1, is_json=True
    )
    predictions = Predictor.from_pretrained(answering).ask({"video": clip, "end": 1.0}, ["a ring", "which bar"], 2)
    asked = [{"video": clip, "end": 1.0, "question": question} for question in ("a ring", "which bar")]
    assert status == 0
    assert found == [row | asdict(prediction) for row, prediction in zip(asked, predictions, strict=True)]

    status, output, _ = allinone("ask", clip, "a ring", "--model", answering, "--end", 1)
    lines = output.splitlines()
    assert status == 0 and lines[0] == "a ring" and len(lines) == 4
    assert lines[1].split() == [found[0]["answer"], *lines[1].split()[1:]] and lines[1].endswith("%")


def test_windows_of_a_video_are_asked(allinone, answering, clip, shipped):
    words = ["ask", clip, "a ring", "a bar", "-m", answering]
    status, found, errors = allinone(*words, "--window", 1, "--top-k", 2, is_json=True)
    expected = ask_long_video(Predictor.from_pretrained(answering), clip, ["a ring", "a bar"], window=1.0, top_k=2)
    assert status == 0 and not errors
    for row, prediction in zip(found, expected, strict=True):
        assert row == {"video": clip, "question": row["question"]} | asdict(prediction)

    chosen = ["--window", 1, "--stride", 0.5, "--combine", "mean", "--retrieval-model", shipped[1], "--num-windows", 2]
    status, found, _ = allinone(*words, *chosen, is_json=True)
    assert status == 0 and len(found[0]["windows"]) == 2 and "similarity" in found[0]["windows"][0]
    status, output, _ = allinone(*words, "--window", 1)
    assert status == 0 and re.search(r"%  0:0\d-0:0\d$", output.splitlines()[1])


def test_a_long_video_is_asked_in_windows_by_itself(allinone, answering, tmp_path):
    path = encode_video(tmp_path / "long.mp4", times_in_ms=[0, *range(40_000, 80_000, 4_000)], num_frames=11)
    status, (found,), errors = allinone("ask", path, "a ring", "-m", answering, is_json=True)
    assert status == 0 and len(found["windows"]) > 6 and "long.mp4 is asked in windows of 10 seconds" in errors
    for words in (["--window", 0], ["--end", 50]):
        status, (found,), errors = allinone("ask", path, "a ring", "-m", answering, *words, is_json=True)
        assert status == 0 and "windows" not in found and not errors
    status, _, errors = allinone("ask", path, "a ring", "-m", answering, "--window", 0, "--num-windows", 2)
    assert status == 2 and "--num-windows is for windows" in errors


def test_choose(allinone, shipped, clip):
    status, (found,), _ = allinone("choose", clip, *OPTIONS, *shipped, "--score-by", "features", is_json=True)
    expected = Predictor.from_pretrained(shipped[1], score_by="features").choose(clip, OPTIONS)
    assert status == 0 and found == {"video": clip, "options": OPTIONS} | asdict(expected)
    (found,) = allinone("choose", clip, *OPTIONS, *shipped, "--question", "what moves?", "--top-k", 1, is_json=True)[1]
    assert found["question"] == "what moves?" and len(found["top_k"]) == 1
    assert allinone("choose", clip, *OPTIONS, *shipped)[1].splitlines()[0] == clip


@pytest.mark.parametrize(
    "words",
    [
        ["{clip}", "--labels", "ring", "green bar"],
        ["--labels", "ring", "green bar", "{clip}"],
        ["--labels=ring", "green bar", "--prompt", "a {}", "moves {}", "{clip}"],
        ["--labels", "ring", "--labels", "green bar", "{clip}", "--top-k", "5"],
        ["--top_k", "5", "{clip}", "--labels=ring", "--labels=green bar"],
        ["--labels", "ring", "green bar", "--", "{clip}"],
        ["{clip}", "--labels", "{folder}/labels.txt"],
        ["--labels", "{folder}/labels.txt", "{clip}"],
    ],
)
def test_labels_are_words_or_a_file(allinone, shipped, clip, tmp_path, words):
    (tmp_path / "labels.txt").write_text("\ufeffring\n\ngreen bar\r\n", encoding="utf-8")
    words = [word.replace("{clip}", clip).replace("{folder}", str(tmp_path)) for word in words]
    status, found, _ = allinone("classify", *shipped, *["--json"], *words)
    assert status == 0
    assert {line for line in ("ring", "green bar") if f'"{line}"' in found} == {"ring", "green bar"}


def test_classify(allinone, shipped, clip):
    words = ["--labels", "ring", "bar", "cross", "--prompt", "a {} moves"]
    status, (found,), _ = allinone("classify", clip, *words, *shipped, is_json=True)
    expected = Predictor.from_pretrained(shipped[1]).classify(clip, ["ring", "bar", "cross"], prompts="a {} moves")
    assert status == 0 and found == {"video": clip} | asdict(expected)


def test_fill(allinone, shipped, clip):
    text = "a [MASK] ring moves up"
    status, (found,), _ = allinone("fill", clip, text, *shipped, "--top_k", 3, is_json=True)
    assert status == 0 and found["text"] == text and len(found["top_k"]) == 3
    assert found["top_k"] == Predictor.from_pretrained(shipped[1]).fill(clip, text, 3).top_k
    assert allinone("fill", clip, text, *shipped)[1].startswith(f"{text}\n  ")
