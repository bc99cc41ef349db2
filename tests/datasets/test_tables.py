# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""One's own rows: whatever file they are in, the same table; what is wrong with them, by line."""

import json
import re
import unicodedata
import warnings

import pytest
from datasets import Dataset, Features, Value, Video, load_dataset
from video_fixtures import encode_video

from modeling_allinone import check_examples, load_tables, summarize
from modeling_allinone.datasets.example_report import shorten

pytestmark = pytest.mark.usefixtures("own_cache")

CLIPS = {"Ü 1.mp4": "libx264", "zwei clips.mkv": "libx264", "drei.avi": "mpeg4", "vier.v2.webm": "libvpx-vp9"}
ROWS = [
    {"video": "Ü 1.mp4", "question": "Wer bellt?", "answer": "der Hund"},
    {"video": "Ü 1.mp4", "question": "Wo, und\nwann?", "answer": "NA"},
    {"video": "zwei clips.mkv", "question": "Wer bellt?", "answer": "007"},
    {"video": "drei.avi", "question": "Wer?", "answer": "der Hund"},
    {"video": "vier.v2.webm", "question": "Wer?", "answer": "null"},
]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Real clips of several containers and sizes."""
    folder = tmp_path_factory.mktemp("Meine Clips ä")
    for number, (name, codec) in enumerate(CLIPS.items()):
        encode_video(folder / name, codec, num_frames=4, width=48 + 16 * number)
    return folder


def write(path, rows):
    """A file of rows, in the form that its suffix says."""
    if path.suffix == ".parquet":
        Dataset.from_list(rows).to_parquet(path)
    elif path.suffix in (".json", ".jsonl"):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        path.write_text("[" + ",".join(lines) + "]" if path.suffix == ".json" else "\n".join(lines), "utf-8")
    else:
        comma = "\t" if path.suffix == ".tsv" else ","
        quoted = [['"' + str(value).replace('"', '""') + '"' for value in row.values()] for row in rows]
        path.write_text("\n".join(map(comma.join, [rows[0], *quoted])), "utf-8-sig")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.parquet"])
def test_every_form_of_file_gives_the_same_rows(clips, name):
    table = load_tables(write(clips / name, ROWS), splits=["train"])["train"]
    assert [(row["question"], row["answer"]) for row in table] == [(row["question"], row["answer"]) for row in ROWS]
    assert table["video"] == [str(clips / row["video"]) for row in ROWS]
    summary = summarize(table)
    assert summary.missing_media == () and summary.name == name
    assert summary.answers == ("der Hund", "007", "NA", "null") and table["label"] == [0, 2, 1, 0, 3]


def test_files_are_found_by_any_spelling(clips, tmp_path):
    decomposed = unicodedata.normalize("NFD", "Ü 1.mp4")
    named = [decomposed, "zwei clips", "./drei.avi", str(clips / "drei.avi"), "vier.v2", "https://a.example/b.mp4"]
    path = write(tmp_path / "a.csv", [{"File_Name": name, "Text": "ein Hund"} for name in named])
    table = load_tables(path, splits=["train"], media_root=clips)["train"]
    assert summarize(table).missing_media == () and table["caption"] == ["ein Hund"] * 6
    names = ["Ü 1.mp4", "zwei clips.mkv", "drei.avi", "drei.avi", "vier.v2.webm"]
    assert table["video"] == [*(str(clips / name) for name in names), "https://a.example/b.mp4"]


def test_semicolons_and_named_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Datei;von;bis;gesagt, laut\n1.mp4;0.5;2;ja\n2.mp4;;;nein\n", "utf-8")
    columns = {"video": "Datei", "start": "von", "end": "bis", "caption": "gesagt, laut"}
    table = load_tables(path, columns=columns, task="retrieval", splits=["train"], on_missing_video="ignore")["train"]
    assert [(row["start"], row["end"], row["caption"]) for row in table] == [(0.5, 2, "ja"), (None, None, "nein")]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([{"video": "1", "options": '["rot", "blau"]', "answer": "blau", "kind": "Farbe"}], {}),
        ([{"video": "1", "options": "['rot', 'blau']", "label": "1", "kind": "Farbe"}], {}),
        ([{"video": "1", "option_a": "rot", "option_b": "blau", "answer": "blau", "kind": "Farbe"}], {}),
        ([{"video": "1", "x": "rot", "y": "blau", "label": 1, "kind": "Farbe"}], {"options": "x,y"}),
    ],
)
def test_options_are_a_list_or_several_columns(tmp_path, rows, columns):
    path = write(tmp_path / "a.csv", rows)
    options = {"task": "multiple-choice", "splits": ["train"], "on_missing_video": "ignore"}
    row = load_tables(path, columns=columns, **options)["train"][0]
    assert (row["options"], row["answer"], row["label"]) == (["rot", "blau"], "blau", 1)
    assert row["kind"] == "Farbe", "what else a row has stays, to group scores by"


def test_a_label_is_the_number_of_an_option_whatever_that_is_called(tmp_path):
    rows = [{"video": "1", "options": '["1", "0", "5"]', "label": label} for label in ("0", "1", "5")]
    path = write(tmp_path / "a.csv", rows)
    table = load_tables(path, task="multiple-choice", splits=["train"], on_missing_video="ignore")["train"]
    assert table["label"][:] == [0, 1, 2] and table["answer"][:] == ["1", "0", "5"]


def test_lists_are_read_as_json_before_python(tmp_path):
    """Whose slashes, emoji and null Python has others of; and what is composed otherwise is the same option."""
    lists = [r'["a\/b", "\ud83d\udc36"]', r"['\d', 'x']", unicodedata.normalize("NFD", '["Hündin", "Kätzchen"]')]
    answers = ["a/b", "x", "Kätzchen"]
    rows = [{"video": "1", "options": of, "answer": answer} for of, answer in zip(lists, answers, strict=True)]
    path = write(tmp_path / "a.csv", rows)
    with warnings.catch_warnings(action="error"):
        table = load_tables(path, task="multiple-choice", splits=["train"], on_missing_video="ignore")["train"]
    assert table["options"][:] == [["a/b", "\N{DOG FACE}"], [r"\d", "x"], ["Hündin", "Kätzchen"]]
    assert table["label"][:] == [0, 1, 1]


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.parquet"])
def test_labels_of_pandas_are_whole_numbers(tmp_path, name):
    rows = [{"video": "1", "options": ["rot", "blau"], "label": label} for label in (1.0, 0.0)]
    table = load_tables(write(tmp_path / name, rows), splits=["train"], on_missing_video="ignore")["train"]
    assert table["answer"][:] == ["blau", "rot"]


def test_folders_are_classes_or_have_metadata(clips, tmp_path):
    for split, names in {"train": ("rot", "blau"), "val": ("rot",)}.items():
        for name in names:
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "ein clip.avi").write_bytes((clips / "drei.avi").read_bytes())
            (tmp_path / split / name / "notes.txt").write_text("not a video")
    tables = load_tables(tmp_path, task="classification", splits=[])
    assert {split: table["answer"][:] for split, table in tables.items()} == {
        "train": ["blau", "rot"],
        "validation": ["rot"],
    }
    assert tables["validation"]["label"] == [1]
    assert summarize(tables["train"]).name == tmp_path.name and summarize(tables["train"]).missing_media == ()
    write(tmp_path / "metadata.jsonl", [{"file_name": "clips/rot/ein clip.avi", "text": "rot"}])
    with pytest.raises(ValueError, match=r"has metadata\.jsonl beside folders of splits; put one"):
        load_tables(tmp_path)
    (tmp_path / "train").rename(tmp_path / "clips")
    (tmp_path / "val").rename(tmp_path / "more")
    table = load_tables(tmp_path, task="retrieval", splits=["train"])["train"]
    assert table["caption"] == ["rot"] and summarize(table).missing_media == ()


def test_tables_of_datasets_keep_their_videos_undecoded(clips, tmp_path):
    data = [{"path": name, "bytes": (clips / name).read_bytes()} for name in CLIPS]
    features = Features({"clip": Video(decode=False), "label": Value("string")})
    rows = Dataset.from_dict({"clip": data, "label": ["a", "b", "a", "b"]}, features)
    rows.to_parquet(tmp_path / "train.parquet")
    loaded = load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))
    tables = load_tables(dict(loaded), columns={"video": "clip"}, splits=["train"], task="classification", name="mine")
    assert summarize(tables["train"]).missing_media == () and tables["train"]["answer"] == ["a", "b", "a", "b"]
    with open(tables["train"][1]["video"], "rb") as file:
        assert file.read() == data[1]["bytes"]


def test_splits_are_drawn_by_video_evenly_and_again_the_same(tmp_path):
    rows = [
        {"video": f"{video}.mp4", "label": f"class {video % 4}", "question": str(number)}
        for video in range(40)
        for number in range(3)
    ]
    path = write(tmp_path / "a.csv", rows)
    options = {"task": "classification", "held_out_share": 0.25, "on_missing_video": "ignore"}
    tables = load_tables(path, **options)
    videos = {split: set(table["video"]) for split, table in tables.items()}
    assert {split: len(names) for split, names in videos.items()} == {"train": 22, "test": 10, "validation": 8}
    assert len(set.union(*videos.values())) == 40 and sum(len(table) for table in tables.values()) == 120
    assert set(tables["test"]["answer"]) == {f"class {number}" for number in range(4)}
    without_validation = load_tables(path, **options, splits=["test"])
    assert set(without_validation) == {"train", "test"}
    assert without_validation["test"]["video"] == tables["test"]["video"]
    assert set(load_tables(path, **options, seed=1)["test"]["video"]) != videos["test"]


def test_the_draw_depends_on_nothing_but_videos_and_seed(tmp_path):
    """Not on the order of rows, the folder, or how a video is spelled; classes with one video stay in training."""
    rows = [
        {"video": f"clips/{video}.mp4", "label": f"class {video % 4}", "start": start}
        for video in range(12)
        for start in (0, 5)
    ]
    rows.append({"video": "clips/13.mp4", "label": "rare", "start": 0})
    drawn = []
    for number, of_file in enumerate((rows, rows[::-1], [row | {"video": f"./{row['video']}"} for row in rows])):
        (tmp_path / str(number)).mkdir()
        path = write(tmp_path / str(number) / "a.csv", of_file)
        tables = load_tables(path, task="classification", splits=["test"], on_missing_video="ignore")
        drawn.append({video.rpartition("/")[2] for video in tables["test"]["video"]})
        assert len(tables["test"]) == 2 * len(drawn[-1]) == 6 and "rare" in tables["train"]["answer"]
    assert drawn[0] == drawn[1] == drawn[2] == {"2.mp4", "3.mp4", "4.mp4"}, "on every machine"


def test_classes_with_one_video_stay_in_training(tmp_path):
    labels = ["often", "often", *(f"once {number}" for number in range(8))]
    path = write(tmp_path / "a.csv", [{"video": f"{n}.mp4", "label": label} for n, label in enumerate(labels)])
    options = {"task": "classification", "splits": ["test"], "on_missing_video": "ignore"}
    tables = load_tables(path, **options)
    assert tables["test"]["answer"][:] == ["often"] and set(tables["train"]["answer"]) == set(labels)
    write(path, [{"video": f"{n}.mp4", "label": label} for n, label in enumerate(labels[1:])])
    with pytest.raises(
        ValueError, match=r"No row of the test split that is drawn from .*a\.csv could be.* Give test_f"
    ):
        load_tables(path, **options)
    assert len(load_tables(path, **options, vocabulary=labels[1:])["test"]) == 2, "of a model that knows them"


def test_rows_without_videos_are_dropped_before_anything_is_made_of_them(clips, tmp_path, caplog):
    """Neither is an answer learned that none of the videos has, nor a split drawn of videos that are not there."""
    rows = [*ROWS, *({"video": f"fehlt {n}.mp4", "question": "Wer?", "answer": "niemand"} for n in range(4))]
    path = write(tmp_path / "a.csv", rows)
    options = {"task": "question-answering", "media_root": clips, "on_missing_video": "drop"}
    tables = load_tables(path, **options, splits=["train", "test"])
    assert sum(len(table) for table in tables.values()) == 5 and len(tables["test"]) > 0
    assert "niemand" not in summarize(tables["train"]).answers
    report = check_examples(tables)
    assert len(report.problems["left out: video missing"]) == 4 and report.is_usable
    assert "4 of 9 rows have a video that is missing or empty, and are left out (a.csv, line 8" in caplog.text
    write(path, rows[4:])
    with pytest.raises(
        ValueError, match=r"about 1 videos, .* split from \(4 left out: video missing: a\.csv, line 3, 4"
    ):
        load_tables(path, **options)
    write(path, rows[5:])
    with pytest.raises(FileNotFoundError, match=r"4 of 4 rows have .*; say where videos lie with media_root"):
        load_tables(path, **options)


def test_options_without_the_right_one_end_training(tmp_path):
    path = write(tmp_path / "a.csv", [{"video": "1", "options": '["a", "b"]'}])
    report = check_examples(load_tables(path, task="multiple-choice", splits=["train"], on_missing_video="ignore"))
    assert report.problems == {"options without answer or label": (f"{path}, line 2",)} and not report.is_usable


def test_small_sets_are_drawn_from_while_there_are_three_videos(tmp_path):
    options = {"task": "retrieval", "on_missing_video": "ignore"}
    for number, sizes in {3: None, 4: None, 5: {"train": 3, "test": 1, "validation": 1}}.items():
        path = write(tmp_path / "a.csv", [{"video": f"{video}.mp4", "caption": "a cat"} for video in range(number)])
        assert {split: len(table) for split, table in load_tables(path, **options, splits=["test"]).items()} == {
            "train": number - 1,
            "test": 1,
        }
        if number == 3:
            with pytest.raises(ValueError, match=r"left for training are about 2 videos, too few to draw the valid"):
                load_tables(path, **options)
        elif sizes:
            assert {split: len(table) for split, table in load_tables(path, **options).items()} == sizes


def test_the_report_names_lines(clips, tmp_path):
    train = [
        *ROWS,
        {"video": "fehlt.mp4", "question": "Wer?", "answer": "der Hund"},
        {"video": "drei.avi", "question": " ", "answer": "ja"},
        {"video": "drei.avi", "question": "Wer?", "answer": ""},
    ]
    test = [ROWS[0], {"video": "drei.avi", "question": "Wer?", "answer": "die Katze"}]
    files = {"train": write(tmp_path / "train.csv", train), "test": write(tmp_path / "test.csv", test)}
    report = check_examples(load_tables(files, media_root=clips, splits=[]))
    assert report.num_rows == {"train": 6, "test": 2} and report.num_videos == {"train": 5, "test": 2}
    assert report.num_answers == 4 and report.num_outside == {"train": 0, "test": 1}
    at = f"{tmp_path / 'train.csv'}, line"
    assert report.problems == {
        "left out: question is empty": (f"{at} 9",),
        "left out: answer is empty": (f"{at} 10",),
        "video missing": (f"{at} 8",),
        "answer outside the vocabulary": (f"{tmp_path / 'test.csv'}, line 3",),
        "answers that training has once": (
            "007 (train.csv, line 5)",
            "NA (train.csv, line 4)",
            "null (train.csv, line 7)",
        ),
        "answers that train alone has": (
            "007 (train.csv, line 5)",
            "NA (train.csv, line 4)",
            "null (train.csv, line 7)",
        ),
        "answers that test alone has": ("die Katze (test.csv, line 3)",),
        "videos in two splits": (
            f"{clips / 'drei.avi'} (train.csv, line 6; test.csv, line 3)",
            f"{clips / 'Ü 1.mp4'} (train.csv, line 2; test.csv, line 2)",
        ),
    }
    assert not report.is_usable, "a video is missing"
    found = json.loads(json.dumps(report.to_dict()))
    assert found["is_usable"] is False and found["problems"]["video missing"] == [f"{at} 8"]
    assert "video missing (1): train.csv, line 8" in str(report)
    assert "test: 2 rows, 2 videos, 1 answers outside the vocabulary" in str(report)


def test_doubtful_rows_are_named(clips, tmp_path):
    rows = "\n".join(["video,question,answer", "a.avi,Wer?,ich", "a.avi,Wer?,ich", "b.avi,Wer?,du", "a.avi,Wer?,er"])
    for name in ("a.avi", "b.avi"):
        (tmp_path / name).write_bytes((clips / "drei.avi").read_bytes())
    (tmp_path / "c.avi").symlink_to(clips / "vier.v2.webm")
    (tmp_path / "train.csv").write_text(rows)
    (tmp_path / "test.csv").write_text(f"video,question,answer\nb.avi,Wo?,ich\n{clips / 'vier.v2.webm'},Wo?,du\n")
    (tmp_path / "val.csv").write_text("video,question,answer\nc.avi,Wo?,ich\n")
    files = {name: tmp_path / f"{name}.csv" for name in ("train", "test", "val")}
    report = check_examples(load_tables(files, splits=[]))
    assert report.num_videos == {"train": 1, "test": 2, "val": 1}, "copies and links of a file are one video"
    problems = {name: [shorten([place]) for place in places] for name, places in report.problems.items()}
    assert problems["row stands twice"] == ["train.csv, line 3"]
    assert problems["several answers to one question about a video"] == ["train.csv, line 4", "train.csv, line 5"]
    assert problems["videos in two splits"] == [
        f"{clips / 'vier.v2.webm'} (test.csv, line 3; val.csv, line 2)",
        f"{tmp_path / 'a.avi'} (train.csv, line 2; test.csv, line 2)",
    ]
    assert report.is_usable
    (tmp_path / "train.csv").write_text("video,question,answer\na.avi,Wer?,ich\n")
    assert not check_examples(load_tables(tmp_path / "train.csv", splits=["train"])).is_usable, "one answer alone"


def test_choices_that_cannot_be_are_left_out(tmp_path):
    rows = [
        {"video": "1", "options": '["a", "b"]', "answer": "a", "start": 1, "end": 2},
        {"video": "1", "options": '["a", "b"]', "answer": "c", "start": "", "end": ""},
        {"video": "1", "options": '["a", "b", "c"]', "answer": "c", "start": "", "end": ""},
        {"video": "1", "options": '["a", "b"]', "answer": "a", "start": 3, "end": 2},
        {"video": "1", "options": '["a", "b"]', "answer": "a", "start": 1, "end": 2, "label": 1},
        {"video": "2", "options": '["a", "b"]', "answer": "a", "start": 1, "end": 2, "label": 0},
        {"video": "3", "options": '["a", "b"]', "answer": "b", "start": 1, "end": 2, "label": "a kind"},
    ]
    path = write(tmp_path / "a.csv", [{"label": ""} | row for row in rows])
    tables = load_tables(path, task="multiple-choice", splits=["train"], on_missing_video="ignore")
    assert check_examples(tables).problems == {
        "left out: answer is none of the options": (f"{path}, line 3",),
        "left out: start or end is wrong": (f"{path}, line 5",),
        "left out: answer and label are different options": (f"{path}, line 6",),
        "another number of options than other rows": (f"{path}, line 4",),
    }


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("clip,answer\n1,a\n", {}, r"a.csv has no column for video; its columns are 'clip', 'answer'.*video_column"),
        ("video,said\n1,a\n", {"task": "retrieval"}, "no column for caption; .* Say which it is with caption_column"),
        ("video,a\n1,a\n", {"columns": {"answer": "b"}}, "has no column 'b', which answer_column names"),
        ("video,label\n1,a\n", {"task": "question-answering"}, "no column for question"),
        ("video,label\n1,a\n", {"task": "paired-reasoning"}, "and not for paired-reasoning"),
        ("video,label\n1,a\n", {"columns": {"clip": "video"}}, "columns has clip; there are video"),
        ("video,label\n1,a\n", {"held_out_share": 0.5}, "held_out_share is 0.5; expected a number above 0"),
        ("video,label\n1,a\n", {"on_missing_video": "hope"}, "on_missing_video is 'hope'"),
        ("video,label\n1,a\n2,b\n", {}, "about 2 videos, too few to draw the test split from; give test_file"),
        (
            "video,label\n1,\n2,\n",
            {"task": "classification"},
            "No row .*a.csv can be used .label is empty: a.csv, line 2, 3",
        ),
        ("video,label,start\n1,a,soon\n", {}, "line 2: field 'start' is 'soon', but expected a number"),
        ("video,options,label\n1,a or b,0\n", {"task": "multiple-choice"}, "line 2: field 'options' is 'a or b', but"),
        ("video,label\n1,a,b\n", {}, "line 2: the row has 3 fields"),
        ("", {}, "a.csv is empty"),
        ("video,label\n1,a\n", {"splits": ["exam"]}, "There is no exam split; there are train; test and"),
        (b"video,label\n\xfc.mp4,a\n", {}, "a.csv is not UTF-8 text"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, content, options, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        load_tables(path, **{"on_missing_video": "ignore", "splits": ["train", "test"], **options})


def test_files_that_are_not_there_or_of_another_kind(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no .*b\.csv"):
        load_tables(tmp_path / "b.csv")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*b\.csv"):
        load_tables({"train": tmp_path / "b.csv"})
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(ValueError, match=r"a\.xlsx ends with '\.xlsx'; expected \.csv"):
        load_tables(tmp_path / "a.xlsx")
    path = write(tmp_path / "a.csv", ROWS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ValueError, match=r"empty has no rows; expected metadata\.csv or .* a folder of videos for each"
    ):
        load_tables(tmp_path / "empty")
    with pytest.raises(ValueError, match="There is no train split; there are test"):
        load_tables({"test": path}, on_missing_video="ignore")
