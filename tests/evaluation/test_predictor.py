# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Answers of a model of any head: those of the head itself; and files of them, however often they are interrupted."""

import json
import multiprocessing
import os
import resource
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from clean_processes import start_process
from datasets import Dataset

from modeling_allinone import (
    AllInOneForMaskedLM,
    AllInOneForMultipleChoice,
    AllInOneForPreTraining,
    AllInOneForVideoClassification,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    Predictor,
)
from modeling_allinone.data import DeadWorkerError
from modeling_allinone.data.folder_lock import only_writer
from modeling_allinone.data.video_loading import SKIPPED_NAME, read_skipped
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes
from modeling_allinone.evaluation.answer_file import AnswerFile, answer_row
from modeling_allinone.training.setup import setup_run
from modeling_allinone.training.trainer import AllInOneTrainingArguments

CHECKPOINT = Path(__file__).parents[2] / "examples/checkpoints/moving-shapes"
ANSWERS = {0: "red", 1: "blue", 2: "green"}
OPTIONS = ["a red ring", "a blue bar moves up", "a square"]
QUESTIONS = ["a red bar moves up", "a ring", "which bar"]

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


@pytest.fixture
def build(tiny_config, processor):
    """Make a predictor with a tiny model; keywords change its configuration."""

    def make(model_class, score_by=None, **fields) -> Predictor:
        fields = {"projection_dim": 8, "id2label": ANSWERS, "vocab_size": len(processor.tokenizer), **fields}
        return Predictor(model_class(tiny_config(**fields)), processor, score_by)

    return make


def counts(summary: dict) -> tuple:
    """How many rows there are, were there before, and have no answer."""
    return tuple(summary[f"num_{name}"] for name in ("rows", "resumed", "skipped"))


def check(prediction, answers, shares):
    """The prediction is of these answers and shares."""
    best = sorted(zip(shares.tolist(), answers, strict=True), reverse=True)
    assert prediction.answer == prediction.top_k[0]["answer"] == best[0][1]
    assert prediction.score == prediction.top_k[0]["score"]
    found = {entry["answer"]: entry["score"] for entry in prediction.top_k}
    assert found == pytest.approx({answer: share for share, answer in best[: len(found)]}, abs=1e-5)


# ---------------------------------------------------------------------------------------------------------------------
# The heads
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem_type", [None, "multi_label_classification"])
@torch.no_grad()
def test_ask(build, processor, rows, problem_type):
    predictor = build(AllInOneForVideoQuestionAnswering, problem_type=problem_type)
    predictions = predictor.ask(rows[0]["video"], QUESTIONS, top_k=2)
    for question, prediction in zip(QUESTIONS, predictions, strict=True):
        logits = predictor.model(**processor(text=question, videos=rows[0]["video"])).logits[0]
        check(prediction, ANSWERS.values(), logits.sigmoid() if problem_type else logits.softmax(-1))
        assert len(prediction.top_k) == 2
    single = predictor.ask(rows[0]["video"], QUESTIONS[1], top_k=2)
    assert single.answer == predictions[1].answer and single.score == pytest.approx(predictions[1].score, abs=1e-5)
    assert predictor.ask(rows[0]["video"], []) == []


@pytest.mark.parametrize("question", [None, "what moves?"])
@torch.no_grad()
def test_choose(build, processor, rows, question, monkeypatch):
    monkeypatch.setattr(processor.tokenizer, "model_max_length", 64)
    predictor = build(AllInOneForMultipleChoice, max_position_embeddings=64)
    texts = OPTIONS if question is None else processor.apply_choice_template(question, OPTIONS)
    logits = predictor.model(**processor(text=[texts], videos=rows[1]["video"])).logits[0]
    check(predictor.choose(rows[1]["video"], OPTIONS, question), OPTIONS, logits.softmax(-1))
    assert len(predictor.choose(rows[1]["video"], OPTIONS, top_k=1).top_k) == 1


@pytest.mark.parametrize("model_class", [AllInOneForVideoTextRetrieval, AllInOneForPreTraining])
@torch.no_grad()
def test_choose_by_retrieval(build, processor, rows, model_class):
    inputs = processor(text=[OPTIONS], videos=rows[1]["video"])
    predictor = build(model_class)
    if model_class is AllInOneForPreTraining:
        single = processor(text=OPTIONS, videos=[rows[1]["video"]] * 3)
        scores = predictor.model(**single).matching_logits[:, 1]
    else:
        scores = predictor.model.score_pairs(**inputs)[0]
    check(predictor.choose(rows[1]["video"], OPTIONS), OPTIONS, scores.softmax(-1))

    predictor = build(model_class, score_by="features")
    single = {name: inputs[name][0] for name in ("input_ids", "attention_mask")} | {
        "pixel_values": inputs["pixel_values"]
    }
    if model_class is AllInOneForPreTraining:
        single["pixel_values"] = single["pixel_values"].expand(3, -1, -1, -1, -1)
        outputs = predictor.model(**single, return_contrastive_loss=True)
        cosines = torch.cosine_similarity(outputs.text_embeds, outputs.video_embeds)
    else:
        cosines = predictor.model(**single).similarities[:, 0]
    shares = (cosines / predictor.model.config.contrastive_temperature).softmax(-1)
    check(predictor.choose(rows[1]["video"], OPTIONS), OPTIONS, shares)


@torch.no_grad()
def test_classify_among_own_classes(build, processor, rows):
    predictor = build(AllInOneForVideoClassification, **processor.encode_prompt("a ring"))
    logits = predictor.model(**processor(videos=rows[2]["video"])).logits[0]
    check(predictor.classify(rows[2]["video"]), ANSWERS.values(), logits.softmax(-1))
    check(predictor.classify(rows[2]["video"], ["green", "red"]), ["green", "red"], logits[[2, 0]].softmax(-1))
    with pytest.raises(ValueError, match=r"\['pink'\].*does not know.*red, blue, green"):
        predictor.classify(rows[2]["video"], ["red", "pink"])


@pytest.mark.parametrize("score_by", ["pairs", "features"])
def test_classify_among_any(build, rows, score_by):
    predictor = build(AllInOneForVideoTextRetrieval, score_by=score_by)
    prediction = predictor.classify(rows[2]["video"], ["red_ring", "bar"], prompts="a {} moves")
    chosen = predictor.choose(rows[2]["video"], ["a red ring moves", "a bar moves"])
    assert prediction.score == pytest.approx(chosen.score, abs=1e-5)
    assert {entry["answer"] for entry in prediction.top_k} == {"red_ring", "bar"}
    twice = predictor.classify(rows[2]["video"], ["red_ring", "bar"], prompts=["a {} moves", "a {} moves"])
    assert twice.score == pytest.approx(prediction.score, abs=1e-5)
    with pytest.raises(ValueError, match="no classes of its own; give labels"):
        predictor.classify(rows[2]["video"])
    with pytest.raises(ValueError, match="where the name of a class goes"):
        predictor.classify(rows[2]["video"], ["bar"], prompts="a bar")


def test_what_is_chosen_from_is_a_list_without_repetition(build, rows):
    predictor, clip = build(AllInOneForVideoTextRetrieval), rows[0]["video"]
    for ask, message in (
        (lambda: predictor.classify(clip, "cat"), r"labels is the text 'cat'; expected a list"),
        (lambda: predictor.choose(clip, "ab"), r"options is the text 'ab'; expected a list"),
        (lambda: predictor.classify(clip, ["cat", "dog", "cat"]), "labels hold 'cat' more than once"),
        (lambda: predictor.choose(clip, ["a", "b", "b"]), "options hold 'b' more than once"),
        (lambda: build(AllInOneForVideoClassification).classify(clip, prompts="a {}"), "has classes of its own"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "meta"}, "device is 'meta'; expected 'cpu'"),
        ({"device": "no:1"}, "device is 'no:1'; expected 'cpu'"),
        pytest.param(
            {"device": "mps"},
            "device is 'mps', but this machine has no MPS",
            marks=pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has MPS"),
        ),
        ({"dtype": "float8_e4m3fn"}, "dtype is 'float8_e4m3fn'; expected 'float32', 'bfloat16' or 'float16'"),
        ({"dtype": "load"}, "dtype is 'load'; expected 'float32'"),
    ],
)
def test_devices_and_types_that_do_not_compute(options, message):
    with pytest.raises(ValueError, match=message):
        Predictor.from_pretrained(CHECKPOINT, **options)


@pytest.mark.parametrize("model_class", [AllInOneForMaskedLM, AllInOneForPreTraining])
@torch.no_grad()
def test_fill(build, processor, rows, model_class):
    predictor = build(model_class)
    inputs = processor(text="a [MASK] moves", videos=rows[3]["video"])
    outputs = predictor.model(**inputs)
    logits = outputs.logits if model_class is AllInOneForMaskedLM else outputs.mlm_logits
    logits = logits[inputs["input_ids"] == processor.tokenizer.mask_token_id][0]
    words = processor.tokenizer.convert_ids_to_tokens(range(len(logits)))
    check(predictor.fill(rows[3]["video"], "a [MASK] moves", top_k=3), words, logits.softmax(-1))
    for text in ("a ring moves", "a [MASK] [MASK]"):
        with pytest.raises(ValueError, match=r"expected one \[MASK\]"):
            predictor.fill(rows[3]["video"], text)
    with pytest.raises(ValueError, match="cut before its mask"):
        predictor.fill(rows[3]["video"], "a ring " * 20 + "[MASK]")


@torch.no_grad()
def test_several_views_are_averaged(build, processor, rows, monkeypatch):
    monkeypatch.setattr(processor.video_processor, "num_views", 2)
    predictor = build(AllInOneForVideoQuestionAnswering)
    logits = predictor.model(**processor(text=QUESTIONS[0], videos=rows[0]["video"])).logits
    assert logits.shape == (2, 3)
    check(predictor.ask(rows[0]["video"], QUESTIONS[0]), ANSWERS.values(), logits.mean(dim=0).softmax(-1))


def test_a_clip_in_every_form(build, rows):
    predictor = build(AllInOneForVideoQuestionAnswering)
    whole = predictor.ask(rows[0]["video"], "a ring")
    assert predictor.ask(Path(rows[0]["video"]), "a ring") == whole
    assert predictor.ask(Path(rows[0]["video"]).read_bytes(), "a ring") == whole
    assert predictor.ask({"video": rows[0]["video"], "start": 0, "end": 0.4}, "a ring") != whole
    frames = np.random.default_rng(0).integers(0, 256, (6, 40, 50, 3), dtype=np.uint8)
    assert predictor.ask(frames, "a ring").answer in ANSWERS.values()


def test_a_question_for_another_head(build, rows):
    predictor = build(AllInOneForVideoQuestionAnswering)
    for ask in (
        lambda: predictor.choose(rows[0]["video"], OPTIONS),
        lambda: predictor.classify(rows[0]["video"]),
        lambda: predictor.fill(rows[0]["video"], "a [MASK]"),
        lambda: predictor.predict([{"video": "a.mp4", "options": OPTIONS}], "no.jsonl", task="multiple-choice"),
    ):
        with pytest.raises(ValueError, match=r"holds AllInOneForVideoQuestionAnswering, which has no head for.*ask"):
            ask()
    with pytest.raises(ValueError, match="has 3 as question; question-answering needs a text"):
        predictor.ask(rows[0]["video"], [3])
    for options in ({"labels": ["horse"]}, {"prompts": ["a {}"]}):
        with pytest.raises(ValueError, match="are given, which question-answering does not use; leave them out"):
            predictor.predict(make_rows(rows, 1), "no.jsonl", task="question-answering", **options)
    with pytest.raises(ValueError, match="a list of texts"):
        build(AllInOneForMultipleChoice).choose(rows[0]["video"], [])
    with pytest.raises(ValueError, match="scores by pairs"):
        build(AllInOneForVideoTextRetrieval, "features", projection_dim=None)
    with pytest.raises(ValueError, match="leave it out"):
        build(AllInOneForMaskedLM, "features")


def test_from_a_folder(build, processor, rows, tmp_path):
    predictor = build(AllInOneForMultipleChoice)
    predictor.model.save_pretrained(tmp_path / "choice")
    processor.save_pretrained(tmp_path / "choice")
    loaded = Predictor.from_pretrained(tmp_path / "choice", device="cpu")
    assert loaded.tasks == ("multiple-choice", "classification")
    chosen, expected = (one.choose(rows[0]["video"], OPTIONS) for one in (loaded, predictor))
    assert chosen.answer == expected.answer and chosen.score == pytest.approx(expected.score)
    half = Predictor.from_pretrained(tmp_path / "choice", dtype="bfloat16")
    assert half.choose(rows[0]["video"], OPTIONS).score == pytest.approx(
        loaded.choose(rows[0]["video"], OPTIONS).score, abs=0.1
    )


def test_the_shipped_checkpoint(tmp_path):
    write_moving_shapes(tmp_path, 20, "test")
    rows = load_moving_shapes(tmp_path, "test", task="multiple-choice").to_list()
    predictor = Predictor.from_pretrained(CHECKPOINT)
    assert predictor.tasks == ("multiple-choice", "masked-lm", "classification")
    assert counts(predictor.predict(rows, tmp_path / "answers.jsonl")) == (len(rows), 0, 0)
    lines = read(tmp_path / "answers.jsonl")
    assert sum(line["answer"] == line["reference"] for line in lines) / len(lines) > 0.6
    captions = [row["caption"] for row in rows if " moves " in f" {row['caption']} "]
    row = next(row for row in rows if row["caption"] == captions[0])
    colour = row["caption"].split()[1]
    hidden = row["caption"].replace(colour, "[MASK]", 1)
    assert colour in [entry["answer"] for entry in predictor.fill(row["video"], hidden, top_k=2).top_k]


# ---------------------------------------------------------------------------------------------------------------------
# Files
# ---------------------------------------------------------------------------------------------------------------------


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def make_rows(rows, number: int) -> list[dict]:
    """Questions about clips, some of which follow one another about the same clip."""
    return [
        {
            "video": rows[index // 2 % len(rows)]["video"],
            "question": QUESTIONS[index % 3],
            "answer": "red",
            "line": index,
        }
        for index in range(number)
    ]


def test_lines_are_the_rows_with_answers(build, rows, tmp_path):
    predictor = build(AllInOneForVideoQuestionAnswering)
    asked = make_rows(rows, 9)
    path = tmp_path / "new folder" / "answers.jsonl"
    assert predictor.predict(Dataset.from_list(asked), path, top_k=2, batch_size=4)["num_rows"] == 9
    lines = read(path)
    for row, line in zip(asked, lines, strict=True):
        prediction = predictor.ask(row["video"], row["question"], top_k=2)
        assert {name: line[name] for name in ("video", "question", "line")} == {
            name: row[name] for name in ("video", "question", "line")
        }
        assert line["reference"] == "red" and line["answer"] == prediction.answer
        assert line["score"] == pytest.approx(prediction.score, abs=1e-5) and len(line["top_k"]) == 2
    assert sorted(os.listdir(path.parent)) == ["answers.jsonl"]

    other = tmp_path / "other.jsonl"
    predictor.predict(asked, other, top_k=2, batch_size=2, num_workers=0)
    for line, again in zip(lines, read(other), strict=True):
        assert again["answer"] == line["answer"] and again["score"] == pytest.approx(line["score"], abs=1e-5)


def test_rows_with_different_numbers_of_options(build, rows, tmp_path):
    predictor = build(AllInOneForMultipleChoice)
    asked = [{"video": Path(rows[number]["video"]), "options": OPTIONS[: number + 1]} for number in range(3)]
    predictor.predict(asked, tmp_path / "answers.jsonl", num_workers=0, batch_size=3)
    for row, line in zip(asked, read(tmp_path / "answers.jsonl"), strict=True):
        prediction = predictor.choose(row["video"], row["options"])
        assert line["answer"] == prediction.answer and line["score"] == pytest.approx(prediction.score, abs=1e-5)


def test_a_question_decides_the_task(build, rows, tmp_path):
    predictor = build(AllInOneForPreTraining)
    clips = [{"video": row["video"], "options": None} for row in rows[:2]]  # a column may be there for other tasks
    for name, columns, options in (
        ("choose", {"options": OPTIONS}, {}),
        ("fill", {"text": "a [MASK] moves"}, {}),
        ("classify", {"text": "a [MASK] moves"}, {"labels": ["ring", "bar"], "prompts": "a {}"}),
    ):
        predictor.predict([clip | columns for clip in clips], tmp_path / name, num_workers=0, **options)
    assert {line["answer"] for line in read(tmp_path / "choose")} <= set(OPTIONS)
    assert {line["answer"] for line in read(tmp_path / "classify")} <= {"ring", "bar"}
    assert len(read(tmp_path / "fill")[0]["top_k"]) == 5
    with pytest.raises(ValueError, match="give labels to choose from"):
        predictor.predict(clips, tmp_path / "none")
    with pytest.raises(ValueError, match=r"needs rows with question \(question-answering\); these have video"):
        build(AllInOneForVideoQuestionAnswering).predict(clips, tmp_path / "none")


@pytest.mark.parametrize("num_workers", [0, 2])
def test_broken_clips_are_listed(build, rows, broken, tmp_path, num_workers):
    predictor = build(AllInOneForVideoQuestionAnswering)
    asked = make_rows(rows, 4)
    asked.insert(1, broken | {"question": "a ring", "answer": "blue", "line": -1})
    path = tmp_path / "answers.jsonl"
    summary = predictor.predict(asked, path, batch_size=2, num_workers=num_workers)
    assert counts(summary) == (5, 0, 1) and 0 < summary["seconds_waited"] < summary["seconds"]
    lines = read(path)
    assert [line["line"] for line in lines] == [0, -1, 1, 2, 3]
    assert (lines[1]["answer"], lines[1]["score"], lines[1]["top_k"]) == (None, None, [])
    assert all(line["answer"] in ANSWERS.values() for line in lines if line["line"] >= 0)
    (skipped,) = read_skipped(tmp_path / SKIPPED_NAME)
    assert skipped["video"] == broken["video"] and skipped["sample_id"] == "broken"
    assert counts(predictor.predict(asked, path)) == (5, 5, 1)
    with pytest.raises(Exception, match=r"broken\.mp4"):
        predictor.predict(asked, tmp_path / "raised.jsonl", on_decode_error="raise", num_workers=num_workers)


def kill_when_grown(path: Path, size: int, delay: float):
    """Kill this process some time after a file has more bytes."""
    while not path.exists() or path.stat().st_size <= size:
        time.sleep(0.001)
    time.sleep(delay)
    os.kill(os.getpid(), signal.SIGKILL)


def predict_and_be_killed(folder: str, asked: list[dict], path: Path, delays: list[float]):
    """Predict again and again, in processes that are killed so many seconds after their first line."""
    multiprocessing.set_start_method("fork", force=True)  # this one came of a server, and its workers would
    predictor = Predictor.from_pretrained(folder, device="cpu")
    for number, delay in enumerate(delays):
        size = path.stat().st_size if path.exists() else 0
        if (child := os.fork()) == 0:
            threading.Thread(target=kill_when_grown, args=(path, size, delay)).start()
            predictor.predict(asked, path, batch_size=1, num_workers=number % 2, show_progress=False)
            os._exit(0)
        os.waitpid(child, 0)


@pytest.mark.parametrize("num_kills", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_killed_and_resumed_each_row_is_there_once(build, processor, rows, tmp_path, num_kills):
    predictor = build(AllInOneForVideoQuestionAnswering)
    predictor.model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    asked, path = make_rows(rows, 12 * num_kills), tmp_path / "answers.jsonl"
    for number in range(0, len(asked), 7):
        asked[number]["video"] = str(tmp_path / f"missing {number % 21}.mp4")
    delays = np.random.default_rng(0).uniform(0, 0.05, num_kills).tolist()
    process = start_process(predict_and_be_killed, str(tmp_path / "model"), asked, path, delays)
    process.join(600)
    assert process.exitcode == 0
    num_done = path.read_bytes().count(b"\n")
    assert num_kills <= num_done < len(asked)

    summary = predictor.predict(asked, path, batch_size=1, num_workers=0)
    assert summary["num_rows"] == len(asked) and num_done - 1 <= summary["num_resumed"] <= num_done
    assert [line["line"] for line in read(path)] == list(range(len(asked)))
    assert sorted(Path(entry["video"]).name for entry in read(tmp_path / SKIPPED_NAME)) == [
        f"missing {number}.mp4" for number in (0, 14, 7)
    ]
    (tmp_path / "at once").mkdir()
    predictor.predict(asked, tmp_path / "at once" / path.name, batch_size=1, num_workers=0)
    assert read(path) == read(tmp_path / "at once" / path.name)


@pytest.mark.parametrize("share", np.linspace(0, 1, 9))
def test_cut_anywhere_and_resumed(build, rows, broken, tmp_path, share):
    """Lines are written after what they skip is listed: a kill leaves a list that is complete, and fewer lines."""
    predictor, path = build(AllInOneForVideoQuestionAnswering), tmp_path / "answers.jsonl"
    asked = [row | ({"video": broken["video"]} if row["line"] % 3 == 1 else {}) for row in make_rows(rows, 8)]
    asked[-1]["video"] = str(tmp_path / "missing Übung.mp4")
    predictor.predict(asked, path, batch_size=1, num_workers=0)
    answers, listed = path.read_bytes(), (tmp_path / SKIPPED_NAME).read_bytes()
    assert listed.count(b"\n") == 2
    path.write_bytes(answers[: int(share * len(answers))])
    (tmp_path / SKIPPED_NAME).write_bytes(listed + listed[: int(share * len(listed))])
    predictor.predict(asked, path, batch_size=1, num_workers=0)
    assert path.read_bytes() == answers
    assert (tmp_path / SKIPPED_NAME).read_bytes() == listed


def test_skipped_clips_are_read_once_more_on_demand(build, rows, broken, tmp_path):
    predictor, path = build(AllInOneForVideoQuestionAnswering), tmp_path / "answers.jsonl"
    asked = make_rows(rows, 7)
    for number, name in ((1, "late 1.mp4"), (2, "late 1.mp4"), (5, "late 2.mp4"), (3, "broken.mp4")):
        asked[number]["video"] = str(tmp_path / name)
    predictor.predict(asked[:6], path, num_workers=0)
    other = {"video": asked[1]["video"], "sample_id": None, "reason": "of another file"}
    with (tmp_path / SKIPPED_NAME).open("a") as file:
        file.write(json.dumps(other) + "\n")
    for name, row in (("late 1.mp4", rows[0]), ("late 2.mp4", rows[1])):
        (tmp_path / name).write_bytes(Path(row["video"]).read_bytes())
    assert counts(predictor.predict(asked[:6], path, num_workers=0)) == (6, 6, 4)
    assert counts(predictor.predict(asked, path, num_workers=1, batch_size=3, retry_skipped=True)) == (7, 2, 1)
    lines = read(path)
    assert [line["line"] for line in lines] == list(range(7))
    assert [line["answer"] is None for line in lines] == [False] * 3 + [True] + [False] * 3
    expected = predictor.ask(rows[0]["video"], asked[1]["question"])
    assert lines[1]["answer"] == expected.answer and lines[1]["score"] == pytest.approx(expected.score, abs=1e-5)
    assert [entry["video"] for entry in read(tmp_path / SKIPPED_NAME)] == [broken["video"], other["video"]]


class DeadlyFile(type(Path())):
    """A file at which the process dies, as of a decoder that writes where it must not."""

    def stat(self, **options):
        os.kill(os.getpid(), signal.SIGKILL if "killed" in self.name else signal.SIGSEGV)

    exists = is_dir = is_file = stat


# torch tells of a dead worker from a signal handler, which may come in a `__del__`, whose errors Python drops.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_clip_that_its_reader_dies_of_is_skipped(build, rows, tmp_path, num_workers):
    predictor, path = build(AllInOneForVideoQuestionAnswering), tmp_path / "answers.jsonl"
    asked = make_rows(rows, 12)
    deadly = {2: "a.mp4", 3: "a.mp4", 7: "killed.mp4", 11: "z.mp4"}
    for number, name in deadly.items():
        asked[number]["video"] = DeadlyFile(tmp_path / name)
    options = {"batch_size": 2, "num_workers": num_workers}
    assert counts(predictor.predict(asked, path, **options)) == (12, 0, 4)
    lines = read(path)
    assert [line["line"] for line in lines] == list(range(12))
    assert [number for number, line in enumerate(lines) if line["answer"] is None] == list(deadly)
    skipped = read(tmp_path / SKIPPED_NAME)
    assert [Path(entry["video"]).name for entry in skipped] == ["a.mp4", "killed.mp4", "z.mp4"]
    assert all("2 workers died while they read it" in entry["reason"] for entry in skipped)
    assert counts(predictor.predict(asked, path, **options)) == (12, 12, 4)
    with pytest.raises(DeadWorkerError, match=r"died .* at .*a\.mp4"):
        predictor.predict(asked, tmp_path / "raised.jsonl", on_decode_error="raise", **options)
    assert len(read(tmp_path / "raised.jsonl")) <= 2


def test_a_clip_that_hangs_is_skipped(build, rows, tmp_path):
    predictor, path = build(AllInOneForVideoQuestionAnswering), tmp_path / "answers.jsonl"
    asked = make_rows(rows, 4)
    os.mkfifo(tmp_path / "pipe.mp4")  # nobody ever writes to it
    asked[1]["video"] = str(tmp_path / "pipe.mp4")
    assert counts(predictor.predict(asked, path, batch_size=2, seconds_per_clip=0.5)) == (4, 0, 1)
    (skipped,) = read(tmp_path / SKIPPED_NAME)
    assert skipped["video"] == asked[1]["video"]


def test_a_file_of_something_else_is_left_alone(build, rows, tmp_path):
    predictor, path = build(AllInOneForVideoQuestionAnswering), tmp_path / "answers.jsonl"
    asked = make_rows(rows, 5)
    predictor.predict(asked[:4], path, num_workers=0)
    before = path.read_text()
    assert counts(predictor.predict(asked, path, num_workers=0)) == (5, 4, 0)
    assert path.read_text().startswith(before)
    whole = path.read_text()
    torch.manual_seed(7)
    for another, rows_asked, options, message in (
        (predictor, asked[:3], {}, "Line 4 of .* is no answer"),
        (predictor, asked[::-1], {}, "Line 1 of .* is no answer"),
        (predictor, asked, {"top_k": 1}, "written with another model or another task"),
        (build(AllInOneForVideoQuestionAnswering), asked, {}, "written with another model"),
    ):
        with pytest.raises(ValueError, match=message):
            another.predict(rows_asked, path, num_workers=0, **options)
        assert path.read_text() == whole
    path.write_text("notes\n")
    with pytest.raises(ValueError, match=r"Line 1 of .* is no answer"):
        predictor.predict(asked, path)
    assert path.read_text() == "notes\n"


@torch.no_grad()
def test_weights_that_differ_where_answers_are_least_sure(build, rows, tmp_path):
    predictor, path = build(AllInOneForVideoQuestionAnswering), tmp_path / "answers.jsonl"
    asked = make_rows(rows, 6)
    predictor.predict(asked, path, top_k=1, num_workers=0)
    lines = read(path)
    unsure = min(lines, key=lambda line: line["score"])
    other = next(answer for answer in ANSWERS.values() if answer != unsure["answer"])
    unsure["answer"] = unsure["top_k"][0]["answer"] = other
    unsure["score"] = unsure["top_k"][0]["score"] = 0.2
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(
        ValueError, match=rf"says '{other}' \(0.200\) in line {unsure['line'] + 1}, but .* another model"
    ):
        predictor.predict(asked, path, top_k=1, num_workers=0)


def list_many(path: Path, number: int):
    """Skip clips of a file of answers one by one, and tidy the list now and then."""
    asked = [{"video": f"{path.stem} {index}.mp4"} for index in range(number)]
    answers = AnswerFile(path, asked)
    answers.resume()
    for index, row in enumerate(asked):
        answers.add([index], [answer_row(row, [])], {index: "it is broken"})
        if index % 20 == 0:
            answers.resume()


def test_two_files_share_a_list(tmp_path):
    processes = [start_process(list_many, tmp_path / f"{name}.jsonl", 200) for name in "ab"]
    for process in processes:
        process.join(120)
    expected = [f"{name} {index}.mp4" for name in "ab" for index in range(200)]
    assert sorted(entry["video"] for entry in read(tmp_path / SKIPPED_NAME)) == sorted(expected)


def test_a_run_keeps_what_a_file_of_answers_lists(tmp_path):
    kept = '{"video": "a.mp4", "sample_id": null, "reason": "broken", "output_file": "answers.jsonl"}\n'
    for text in (f'{{"video": "b.mp4", "sample_id": "b", "reason": "broken"}}\n{kept}', kept):
        (tmp_path / SKIPPED_NAME).write_text(text)
        setup_run(AllInOneTrainingArguments(output_dir=str(tmp_path), use_cpu=True))
        assert (tmp_path / SKIPPED_NAME).read_text() == kept
    (tmp_path / SKIPPED_NAME).write_text('{"video": "b.mp4", "sample_id": "b", "reason": "broken"}\n')
    setup_run(AllInOneTrainingArguments(output_dir=str(tmp_path), use_cpu=True))
    assert not (tmp_path / SKIPPED_NAME).exists()


def test_rows_are_checked_before_any_is_read(build, rows, tmp_path):
    predictor, path = build(AllInOneForVideoQuestionAnswering), tmp_path / "answers.jsonl"
    good = make_rows(rows, 2)
    frames = np.zeros((4, 32, 32, 3), dtype=np.uint8)
    for bad, message in (
        ({"video": None, "question": "a"}, "Row 2 has no video"),
        ({"video": "a.mp4", "question": None}, "Row 2 has None as question; question-answering needs a text"),
        ({"video": frames, "question": "a"}, r"Row 2 cannot be written as JSON \(ndarray.*give clips by path"),
    ):
        with pytest.raises(ValueError, match=message):
            predictor.predict([*good, bad], path)
        assert not path.exists()
    assert counts(predictor.predict([], path)) == (0, 0, 0)
    assert path.read_text() == ""


def test_columns_of_the_input_that_lines_have_too(build, rows, tmp_path):
    predictor, path = build(AllInOneForVideoQuestionAnswering), tmp_path / "answers.jsonl"
    row = {"video": rows[0]["video"], "question": "a ring", "answer": "red", "weight": float("nan")}
    asked = [row | {"score": 3, "top_k": "all", "reference": "page 7", "input_score": 4}]
    for _ in range(2):  # and it goes on
        predictor.predict(asked, path, num_workers=0)
    (line,) = read(path)
    assert line["answer"] in ANSWERS.values() and len(line["top_k"]) == 3 and line["reference"] == "red"
    assert (line["input_input_score"], line["input_score"]) == (3, 4)
    assert (line["input_top_k"], line["input_reference"], line["weight"]) == ("all", "page 7", None)


@torch.no_grad()
def test_scores_that_are_no_numbers(build, rows, tmp_path):
    predictor = build(AllInOneForVideoQuestionAnswering)
    next(predictor.model.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match=r"gives no numbers as scores \(NaN\): its weights are broken"):
        predictor.predict(make_rows(rows, 2), tmp_path / "answers.jsonl")
    assert (tmp_path / "answers.jsonl").read_bytes() == b""


def test_places_that_cannot_be_written(build, rows, tmp_path):
    predictor, asked = build(AllInOneForVideoQuestionAnswering), make_rows(rows, 2)
    (tmp_path / "notes").write_text("x")
    for place, message in (
        (tmp_path, "is a folder; give a file in it"),
        (tmp_path / "notes" / "answers.jsonl", "notes is no folder; give another"),
        (tmp_path / SKIPPED_NAME, "is where skipped clips are listed; give another"),
    ):
        with pytest.raises(ValueError, match=message):
            predictor.predict(asked, place)
    with (
        only_writer(tmp_path, "answers.jsonl"),
        pytest.raises(ValueError, match=r"Another run is writing to .*answers.jsonl"),
    ):
        predictor.predict(asked, tmp_path / "answers.jsonl")


def predict_on_a_small_disk(folder: str, asked: list[dict], path: Path, limit: int):
    """As on a disk with no more room than this."""
    predictor = Predictor.from_pretrained(folder, device="cpu")
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with pytest.raises(
        OSError, match=r"of 30 rows have a line, and the same call goes on after them: .*answers.jsonl"
    ):
        predictor.predict(asked, path, batch_size=1, num_workers=0)


def test_a_full_disk(build, processor, rows, tmp_path):
    predictor, path = build(AllInOneForVideoQuestionAnswering), tmp_path / "answers.jsonl"
    predictor.model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    asked = [row | {"note": "x" * 5000} for row in make_rows(rows, 30)]
    process = start_process(predict_on_a_small_disk, str(tmp_path / "model"), asked, path, 80_000)
    process.join(120)
    assert process.exitcode == 0 and path.stat().st_size == 80_000  # a line was cut
    assert counts(predictor.predict(asked, path, num_workers=0))[1] == path.read_bytes()[:80_000].count(b"\n")
    assert [line["line"] for line in read(path)] == list(range(30))
