# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone predict` answers files and folders."""

import json
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


@pytest.fixture
def folder(rows, tmp_path):
    """Two clips, one of which has a name that is not ASCII."""
    for name, row in zip(("Übung 1.mp4", "two.mp4"), rows, strict=False):
        (tmp_path / "clips").mkdir(exist_ok=True)
        shutil.copy(row["video"], tmp_path / "clips" / name)
    return tmp_path / "clips"


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_file(allinone, answering, folder, tmp_path):
    table, answers = folder / "asked.csv", tmp_path / "out" / "answers.jsonl"
    table.write_text("Datei;question;answer\nÜbung 1.mp4;a ring;rot\nmissing.mp4;which bar;blau\n", encoding="utf-8")
    words = ["predict", table, "-m", answering, "-o", answers, "--video_column", "Datei", "--top-k", 2]
    status, output, _ = allinone(*words, "--num-workers", 0)
    assert status == 1 and f"{answers}: 2 rows\n1 of them" in output and "skipped_clips.jsonl" in output
    first, second = read(answers)
    assert first["Datei"] == "Übung 1.mp4" and first["reference"] == "rot" and len(first["top_k"]) == 2
    assert second["answer"] is None

    status, summary, _ = allinone(*words, "--num-workers", 0, is_json=True)
    assert status == 1 and summary["num_rows"] == summary["num_resumed"] == 2 and summary["num_skipped"] == 1
    assert Path(summary["skipped_file"]).is_file()

    shutil.copy(folder / "two.mp4", folder / "missing.mp4")
    assert allinone(*words, "--retry_skipped")[:2] == (0, f"{answers}: 2 rows, 1 of them from before\n")
    assert read(answers)[1]["answer"] is not None


def test_folder_is_asked_the_same_about_each_clip(allinone, answering, folder, tmp_path):
    answers = tmp_path / "answers.jsonl"
    asked = ["--question", "a ring", "--question", "which bar"]
    status, output, _ = allinone("predict", folder, *asked, "-m", answering, "--output", answers)
    assert (status, output) == (0, f"{answers}: 4 rows\n")
    found = [(Path(row["video"]).name, row["question"]) for row in read(answers)]
    assert found == [(name, text) for name in ("two.mp4", "Übung 1.mp4") for text in ("a ring", "which bar")]
    assert allinone("predict", folder, *asked, "-m", answering, "--output", answers)[1].endswith(
        "4 of them from before\n"
    )


def test_rows_with_their_own_question_keep_it(allinone, answering, folder, tmp_path):
    table, answers = folder / "asked.jsonl", tmp_path / "answers.jsonl"
    table.write_text('{"video": "two.mp4", "question": "a ring"}\n{"video": "two.mp4", "question": null}\n')
    words = ["predict", table, "-m", answering, "-o", answers, "--num-workers", 0, "--question", "which bar"]
    assert allinone(*words)[0] == 0
    assert [row["question"] for row in read(answers)] == ["a ring", "which bar"]
    table.write_text('{"video": "two.mp4", "question": "a ring"}\n')
    assert "has its own question; leave out --question" in allinone(*words)[2]


def test_what_is_not_asked_is_told_with_its_lines(allinone, answering, folder, tmp_path):
    words = ["-m", answering, "-o", tmp_path / "answers.jsonl"]
    (folder / "asked.csv").write_text("video,question\ntwo.mp4,a ring\ntwo.mp4,\n")
    status, _, errors = allinone("predict", folder / "asked.csv", *words)
    assert status == 2 and re.search(r"question is empty: .*asked\.csv, line 3\..*--question\.\n$", errors), errors
    status, _, errors = allinone("predict", folder, *words)
    assert status == 2 and re.search(r"no column for question; .* asked about each clip by --question\.\n$", errors)


@pytest.mark.parametrize(
    ("asked", "column"),
    [
        (["--options", "a red ring", "a bar"], "options"),
        (["--text", "a [MASK] ring"], "text"),
        (["--labels", "ring", "bar", "--prompt", "a {} moves"], None),
    ],
)
def test_clip(allinone, shipped, clip, tmp_path, asked, column):
    answers = tmp_path / "answers.jsonl"
    status, _, errors = allinone("predict", clip, *asked, *shipped, "-o", answers, "--num-workers", 0)
    assert status == 0, errors
    (row,) = read(answers)
    assert row["answer"] and (column is None or row[column])


def test_interrupted(allinone, shipped, clip, tmp_path):
    table, answers = tmp_path / "many.jsonl", tmp_path / "answers.jsonl"
    rows = [{"video": clip, "options": ["a ring", f"{number} bars"]} for number in range(2000)]
    table.write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    has_ended = threading.Event()

    def interrupt():
        while not answers.exists() or not answers.stat().st_size:
            time.sleep(0.01)
        # What Python raises in a callback of a library in C is lost, and a person presses once more.
        while not has_ended.wait(0.2):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever other tests have left
    words = ["predict", table, *shipped, "-o", answers, "--num-workers", 0, "--batch-size", 1]
    thread = threading.Thread(target=interrupt)
    thread.start()
    status, output, errors = allinone(*words)
    has_ended.set()
    thread.join()
    signal.signal(signal.SIGINT, before)
    assert (status, output) == (130, "") and "the same command goes on" in errors
    assert 0 < len(read(answers)) < 2000


def test_what_a_task_does_not_use(allinone, answering, shipped, folder, tmp_path):
    table, answers = folder / "asked.jsonl", tmp_path / "answers.jsonl"
    table.write_text('{"video": "two.mp4", "question": "a ring"}\n')
    own, chosen = ["-m", answering], ["--options", "a ring", "a bar"]
    for source, words, message in (
        (table, [*own, "--labels", "horse", "zebra"], "labels are given, which question-answering does not use"),
        (table, [*own, "--prompt", "a {}"], "prompts are given, which question-answering does not use"),
        (table, [*own, "--text", "a [MASK]"], "--text is given, which question-answering does not use"),
        (table, [*own, *chosen], "--options is given, which question-answering does not use"),
        (folder, [*shipped, *chosen, "--labels", "horse"], "--options is given, which classification does not use"),
    ):
        status, _, errors = allinone("predict", source, *words, "-o", answers)
        assert status == 2 and message in errors and not answers.exists(), errors


def test_questions_are_not_written_over(allinone, answering, folder):
    table = folder / "asked.jsonl"
    table.write_text('{"video": "two.mp4", "question": "a ring"}\n')
    status, _, errors = allinone("predict", table, "-m", answering, "-o", folder / ".." / "clips" / "asked.jsonl")
    assert status == 2 and "is the file of the questions itself; give another" in errors
    assert table.read_text() == '{"video": "two.mp4", "question": "a ring"}\n'
