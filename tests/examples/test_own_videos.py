# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""One's own files in the scripts: from a CSV, a folder or a URL to scores and a card."""

import json
import math
import os
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest
import yaml
from datasets import ClassLabel, Dataset, Features, Value, Video
from safetensors import safe_open
from script_runs import EXAMPLES, last_line, load_script, read_results, run_script
from video_fixtures import encode_video

from modeling_allinone import Predictor, load_rows, summarize
from modeling_allinone.data.webdataset_stream import ClipSource, WebDatasetStream
from modeling_allinone.training.arguments import DataArguments
from modeling_allinone.training.scripts.evaluate_benchmark import parse_arguments, read_suite, write_recipe
from modeling_allinone.training.splits import load_split

pytestmark = pytest.mark.usefixtures("own_cache")
MODEL = EXAMPLES / "checkpoints" / "moving-shapes"
FINETUNE, ZERO_SHOT = load_script("finetune"), load_script("zero_shot")
NAMES = [f"Übung {number}{suffix}" for number in range(4) for suffix in (".mp4", ".mkv", ".avi")]
TABLES = {
    "question-answering": lambda number: {"question": "Wer bellt?", "answer": ("der Hund", "die Katze")[number % 2]},
    "multiple-choice": lambda number: {"option_0": "ein Hund", "option_1": f"Katze {number}", "label": number % 2},
    "retrieval": lambda number: {"text": f"ein Hund läuft {number} Meter"},
    "classification": lambda number: {"label": ("Hund", "Katze")[number % 2]},
}


SCORES = {
    "question-answering": "accuracy",
    "multiple-choice": "accuracy",
    "retrieval": "text_to_video_recall_at_1",
    "classification": "top_1_accuracy",
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Real clips of several containers and sizes, whose names have spaces and umlauts."""
    folder = tmp_path_factory.mktemp("clips ü")
    for number, name in enumerate(NAMES):
        codec = "mpeg4" if name.endswith("avi") else "libx264"
        encode_video(folder / name, codec, num_frames=4 + number, height=32 + 16 * (number % 3))
    return folder


def write_rows(path, task, names=NAMES):
    """JSON lines, as what CSV would be is a matter of `load_tables`."""
    rows = [{"file_name": name, **TABLES[task](number)} for number, name in enumerate(names)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def read_predictions(output_dir):
    """The rows of predictions."""
    return [json.loads(line) for line in (output_dir / "predictions.jsonl").read_text("utf-8").splitlines()]


def share_of_right(predictions):
    """How many predictions are right, or among what is right."""
    of_rows = [
        row["answer"] == row["reference"] if isinstance(row["reference"], str) else row["answer"] in row["reference"]
        for row in predictions
    ]
    return sum(of_rows) / len(of_rows)


def train(task, tmp_path, *arguments, model=("--model_name_or_path", MODEL)):
    """Exit status of a short training."""
    common = ["--task", task, "--output_dir", tmp_path / "output", "--do_train", "true", "--max_steps", 1]
    return run_script(FINETUNE, *common, *model, "--save_strategy", "no", *arguments)


@pytest.mark.parametrize("task", TABLES)
def test_one_file_trains_is_scored_and_gets_an_honest_card(task, clips, tmp_path, caplog):
    path = write_rows(clips / f"{task}.jsonl", task)
    assert train(task, tmp_path, "--train_file", path, "--held_out_share", 0.25) == 0
    results = read_results(tmp_path / "output")
    assert results["protocol"]["data"] == path.name and results["protocol"]["held_out_share"] == 0.25
    assert results["protocol"]["num_rows"] == 3 and results["training"]["num_rows"] == 9
    card = (tmp_path / "output" / "README.md").read_text()
    assert (
        f"scored on {results['protocol']['num_videos']} videos of the same source, kept from training; scores" in card
    )
    predictions = read_predictions(tmp_path / "output")
    for row in predictions:
        assert {"answer": row["answer"], "score": row["score"]} == row["top_k"][0]
        if task != "retrieval":
            assert sum(best["score"] for best in row["top_k"]) == pytest.approx(1, abs=1e-5)
    share = share_of_right(predictions)
    assert len(predictions) == 3 and share == pytest.approx(results["scores"][SCORES[task]])
    assert f"Fine-tuned on the train split of {path.name}" in card
    assert "3 rows about 3 videos were drawn from training (held_out_share is 0.25)" in caplog.text
    assert "examples\n  train: 9 rows, 9 videos\n  test: 3 rows, 3 videos" in caplog.text


def test_a_model_is_scored_on_another_file_by_its_own_answers(clips, tmp_path):
    """In whatever order, and with one that it does not know."""
    rows = [
        {"file_name": name, "question": "Wer?", "answer": answer}
        for name, answer in zip(NAMES, ("die Katze", "die Maus", "die Maus"), strict=False)
    ]
    (clips / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    files = [
        "--train_file",
        write_rows(clips / "train.jsonl", "question-answering"),
        "--test_file",
        clips / "test.jsonl",
    ]
    assert train("question-answering", tmp_path, *files) == 0
    assert read_results(tmp_path / "output")["training"]["num_rows"] == len(NAMES), "nothing was held out"
    options = ["--test_file", clips / "test.jsonl", "--model_name_or_path", tmp_path / "output"]
    assert run_script(FINETUNE, "--task", "question-answering", *options, "--output_dir", tmp_path / "scored") == 0
    results = read_results(tmp_path / "scored")
    assert results["scores"]["num_out_of_vocabulary"] == 2 and results["protocol"]["data"] == "test.jsonl"
    assert "held_out_share" not in results["protocol"]


def test_the_loop_without_trainer_reads_and_writes_the_same(clips, tmp_path):
    path = write_rows(clips / "loop.jsonl", "question-answering")
    options = ["--train_file", path, "--model_name_or_path", MODEL, "--output_dir", tmp_path, "--do_train", "true"]
    assert run_script(load_script("finetune_no_trainer"), *options, "--max_steps", 1, "--save_strategy", "no") == 0
    predictions = read_predictions(tmp_path)
    assert read_results(tmp_path)["scores"]["accuracy"] == share_of_right(predictions) and len(predictions) == 2


def test_captions_are_enough_for_pretraining(clips, tmp_path, caplog):
    path = write_rows(clips / "captions.jsonl", "retrieval")
    options = ["--train_file", path, "--model_name_or_path", MODEL, "--output_dir", tmp_path, "--do_train", "true"]
    assert run_script(load_script("pretrain"), *options, "--max_steps", 1, "--save_strategy", "no") == 0
    results = read_results(tmp_path)
    assert results["training"]["num_rows"] == 10 and results["protocol"]["num_rows"] == 2
    assert f"Pre-trained on the train split of {path.name}" in (tmp_path / "README.md").read_text()
    assert caplog.text.count("examples\n  train: 10 rows, 10 videos\n  test: 2 rows, 2 videos") == 1


def test_a_folder_for_each_class_is_enough(clips, tmp_path):
    for number, name in enumerate(NAMES):
        place = tmp_path / "Tiere" / ("Hund", "Katze")[number % 2] / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((clips / name).read_bytes())
    assert train("classification", tmp_path, "--data_dir", tmp_path / "Tiere") == 0
    results = read_results(tmp_path / "output")
    assert results["protocol"]["data"] == "Tiere" and results["scores"]["num_rows"] == 2


def test_a_data_set_of_the_hub_is_read_by_its_name_and_scored_by_groups(clips, tmp_path):
    (tmp_path / "tiere").mkdir()
    videos = [{"path": name, "bytes": (clips / name).read_bytes()} for name in NAMES]
    rows = {"clip": videos, "art": [number % 2 for number in range(len(NAMES))], "kind": ["Tag", "Nacht"] * 6}
    features = Features(clip=Video(decode=False), art=ClassLabel(names=["Hund", "Katze"]), kind=Value("string"))
    Dataset.from_dict(rows, features).to_parquet(tmp_path / "tiere" / "train.parquet")
    columns = ["--video_column", "clip", "--label_column", "art", "--group_by", "kind"]
    assert train("classification", tmp_path, "--dataset_name", tmp_path / "tiere", *columns) == 0
    results = read_results(tmp_path / "output")
    assert results["protocol"]["data"] == "tiere" and results["protocol"]["held_out_share"] == 0.2
    predictions = read_predictions(tmp_path / "output")
    assert {f"top_1_accuracy[{row['kind']}]" for row in predictions} <= set(results["scores"])
    assert {row["reference"] for row in predictions} == {"Hund", "Katze"}
    # Paths in it begin in its folder, and its splits may be called otherwise.
    paths = {"video": [os.path.relpath(clips / name, tmp_path / "tiere") for name in NAMES], "label": rows["kind"]}
    (tmp_path / "tiere" / "train.parquet").unlink()
    Dataset.from_dict(paths).to_parquet(tmp_path / "tiere" / "validation.parquet")
    data = DataArguments(dataset_name=str(tmp_path / "tiere"), train_split="validation", test_split=None)
    table = load_split(data, "validation")
    assert summarize(table).missing_media == () and table["answer"][:] == rows["kind"]


def test_rows_without_a_video_are_left_out_if_asked(clips, tmp_path):
    path = write_rows(clips / "some.jsonl", "question-answering", [*NAMES[:5], "fehlt.mp4"])
    options = ["--train_file", path, "--test_file", path, "--on_missing_video", "drop"]
    assert train("question-answering", tmp_path, *options) == 0
    assert read_results(tmp_path / "output")["training"]["num_rows"] == 5


@pytest.mark.parametrize("task", ["multiple-choice", "retrieval", "classification"])
def test_a_file_is_scored_without_training_with_clips_behind_urls(task, clips, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=clips)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        names = [f"http://127.0.0.1:{server.server_port}/{quote(name)}" for name in NAMES[:3]]
        path = write_rows(tmp_path / "mine.jsonl", task, names)
        options = ["--task", task, "--test_file", path, "--model_name_or_path", MODEL, "--prompt", "ein {}"]
        assert run_script(ZERO_SHOT, *options, "--output_dir", tmp_path / "output") == 0
        server.shutdown()
    results = read_results(tmp_path / "output")
    assert results["protocol"]["num_rows"] == 3 and results["protocol"]["num_skipped"] == 0
    share = share_of_right(read_predictions(tmp_path / "output"))
    assert share == pytest.approx(results["scores"][SCORES[task]])


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *arguments):
        """Nothing."""


def test_shards_are_written_of_a_file(clips, tmp_path):
    path = write_rows(clips / "shards.csv.jsonl", "retrieval", [*NAMES[:3], "fehlt.mp4"])
    options = ["--train_file", path, "--output_dir", tmp_path / "shards", "--num_workers", "0"]
    assert load_script("make_shards").main([*map(str, options)]) == 0
    rows = list(WebDatasetStream(ClipSource(tmp_path / "shards"), num_epochs=1))
    assert sorted(row["caption"] for row in rows) == [f"ein Hund läuft {number} Meter" for number in range(3)]
    assert "fehlt.mp4" in (tmp_path / "shards" / "skipped_clips.jsonl").read_text()
    with pytest.raises(SystemExit):
        load_script("make_shards").main([*map(str, options), "--dataset", "webvid"])


def test_a_suite_may_score_files_of_ones_own(clips, tmp_path):
    path = write_rows(clips / "suite.jsonl", "multiple-choice", NAMES[:3])
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"task": "multiple-choice", "test_file": str(path)}))
    run = {
        "name": "mine",
        "task": "zero-shot",
        "recipe": str(tmp_path / "mine.yaml"),
        "model_name_or_path": str(MODEL),
    }
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump({"runs": [run]}))
    _, runs = read_suite(parse_arguments([str(tmp_path / "suite.yaml"), "--data_root", "elsewhere"]))
    assert run_script(ZERO_SHOT, write_recipe(runs["mine"], tmp_path)) == 0
    assert read_results(tmp_path)["protocol"]["data"] == "suite.jsonl"


@pytest.mark.parametrize("num_workers", [0, 1])
def test_rows_of_a_csv_are_answered_under_their_own_names(num_workers, clips, tmp_path):
    rows = ["Datei;Wahl a;option_b;answer;Nr"]
    rows += [f"{name};ein roter Ring;ein blauer Balken;ein Hund;0{number}" for number, name in enumerate(NAMES[:3])]
    path = clips / "asked.csv"
    path.write_text("\n".join([*rows, "fehlt.mp4;a;b;;04"]))
    columns = {"video": "Datei", "options": "Wahl a,option_b"}
    asked = load_rows(path, task="multiple-choice", columns=columns)
    predictor, file = Predictor.from_pretrained(MODEL), tmp_path / "answers.jsonl"
    predictor.predict(asked, file, num_workers=num_workers, batch_size=2)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [list(line) for line in lines] == [
        ["Datei", "Wahl a", "option_b", "reference", "Nr", "answer", "score", "top_k"]
    ] * 4
    assert [line["Nr"] for line in lines] == ["00", "01", "02", "04"] and lines[0]["Datei"] == NAMES[0]
    assert {line["answer"] for line in lines[:3]} <= {"ein roter Ring", "ein blauer Balken"}
    assert lines[3]["answer"] is None and lines[3]["reference"] == ""
    predictor.predict(asked, file, num_workers=num_workers, batch_size=2)
    assert len(file.read_text().splitlines()) == 4


@pytest.mark.parametrize("name", ["finetune", "finetune_no_trainer", "pretrain"])
def test_a_new_model_says_how_large_it_is_and_is_not_made_unasked(name, clips, tmp_path, caplog, capsys):
    path = write_rows(clips / "new.jsonl", "question-answering")
    task = ["--task", "question-answering"] if name == "finetune" else []
    options = [*task, "--train_file", path, "--do_train", "true", "--max_steps", 1, "--save_strategy", "no"]
    script = load_script(name)
    assert run_script(script, *options, "--output_dir", tmp_path / "none") == 2
    assert "There is no model: name one with model_name_or_path, or say how large a new one is" in last_line(capsys)
    assert not (tmp_path / "none" / "model.safetensors").exists()
    small = ["--preset", "tiny", "--config", '{"num_hidden_layers": 1, "image_size": 32, "vocab_size": 99}']
    if name == "pretrain":
        options[1] = write_rows(clips / "new_captions.jsonl", "retrieval")
    assert run_script(script, *options, *small, "--output_dir", tmp_path / "output") == 0
    sizes = re.findall(r"The new model has ([\d.]+) million parameters", caplog.text)
    with safe_open(tmp_path / "output" / "model.safetensors", "pt") as file:
        number = sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    assert sizes == [f"{number / 1e6:.1f}"] and number < 2e6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There is no data: give dataset with data_dir; or train_file or test_file"),
        (["--train_file", "a.jsonl", "--data_dir", "."], "train_file or test_file and data_dir are given"),
        (["--dataset", "msvd_qa"], "but data_dir, the folder of its annotations, is not given"),
        (["--train_file", "b.csv"], "There is no file b.csv"),
        (["--train_file", "a.jsonl", "--preset", "tiny"], "but model_name_or_path has a size"),
        (["--train_file", "a.jsonl", "--question_column", "Frage"], "has no column 'Frage', which question_column"),
        (["--train_file", "missing.jsonl"], "namely fehlt.mp4 (missing.jsonl, line 3). Leave"),
        (["--train_file", "a.jsonl", "--group_by", "kind"], "group_by is 'kind'; the rows have"),
        (["--test_file", "a.jsonl"], "There is no train split; there are test"),
        (["--train_file", "one.jsonl"], "one.jsonl has one answer for all that is trained on, so there is nothing"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(arguments, message, clips, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(clips)
    write_rows(clips / "a.jsonl", "question-answering")
    write_rows(clips / "missing.jsonl", "question-answering", [*NAMES[:2], "fehlt.mp4"])
    one = write_rows(clips / "one.jsonl", "question-answering")
    one.write_text(one.read_text().replace("die Katze", "der Hund"))
    assert train("question-answering", tmp_path, *arguments) == 2
    assert message in last_line(capsys)
