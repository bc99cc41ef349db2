# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Own files and folders as people have them, odd and broken ones too: the right rows, or one error that says where."""

import json
import os
import re
import sys
import unicodedata

import numpy as np
import pyarrow
import pytest
from datasets import ClassLabel, Dataset, Features, Video
from PIL import Image
from pyarrow import parquet

from modeling_allinone import check_examples, load_rows, load_tables, summarize
from modeling_allinone.evaluation.answer_file import keep_columns

pytestmark = pytest.mark.usefixtures("own_cache")

TABLE = "video,question,answer\na.mp4,wer?,Ärger\nb.mp4,wo?,007\n"
READ = [("a.mp4", "wer?", "Ärger"), ("b.mp4", "wo?", "007")]


def make(folder, *names, content=b"film"):
    """Files of a few bytes, as what is in them is not looked at."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content + os.fsencode(name))
    return folder


def write(path, content):
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_bytes((content if isinstance(content, str) else json.dumps(content)).encode())
    return path


def read(path, **options):
    """The rows of a file of questions."""
    table = load_tables(path, splits=["train"], **{"task": "question-answering", **options})["train"]
    return [(os.path.relpath(row["video"], path.parent), row["question"], row["answer"]) for row in table]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "\ufeff" + TABLE),
        ("a.csv", TABLE.encode("utf-16")),
        ("a.csv", TABLE.replace(",", ";")),
        ("a.csv", TABLE.replace(",", "\t")),
        ("a.tsv", TABLE.replace(",", "\t").encode("utf-16")),
        ("a.csv", TABLE.replace("\n", "\r\n")),
        ("a.csv", TABLE.replace("\n", "\r")),
        ("a.csv", "\n\n" + TABLE.replace("\n", "\n\n , ,\n")),
        ("a.csv", TABLE.replace("\n", ",\n")),
        ("a.csv", TABLE.replace("7\n", "7,,\n")),
        ("a.csv", TABLE.replace("wer?", '"wer?"')),
        ("A.CSV", TABLE.replace("video,", " Video ,", 1)),
        ("a.csv", unicodedata.normalize("NFD", TABLE)),
        ("a.json", {"video": ["a.mp4", "b.mp4"], "question": ["wer?", "wo?"], "answer": ["Ärger", "007"]}),
        (
            "a.json",
            {
                "video": {"4": "a.mp4", "7": "b.mp4"},
                "question": {"4": "wer?", "7": "wo?"},
                "answer": {"4": "Ärger", "7": "007"},
            },
        ),
        ("a.json", [dict(zip(("video", "question", "answer"), row, strict=True)) for row in READ]),
        (
            "a.json",
            "\n".join(json.dumps(dict(zip(("video", "question", "answer"), row, strict=True))) for row in READ),
        ),
        (
            "a.jsonl",
            json.dumps([dict(zip(("video", "question", "answer"), row, strict=True)) for row in READ], indent=1),
        ),
    ],
)
def test_every_way_to_write_a_table_gives_its_rows(tmp_path, name, content):
    make(tmp_path, "a.mp4", "b.mp4")
    assert read(write(tmp_path / name, content)) == READ


def test_texts_stay_as_they_are(tmp_path):
    """With commas, lines, quotation marks; and words and numbers that mean nothing to Python or pandas."""
    answers = ["NA", "null", "NaN", "None", "true", "7", "7.0", "1e5", 'so "he" said, or\nnot', "a;b\tc", "=1+1"]
    path = tmp_path / "a.csv"
    quoted = ['"{}"'.format(answer.replace('"', '""')) for answer in answers]
    write(path, "video,question,answer\n" + "".join(f"{n}.mp4,x,{answer}\n" for n, answer in enumerate(quoted)))
    assert [answer for _, _, answer in read(path, on_missing_video="ignore")] == answers
    rows = [{"video": 7, "question": "x", "answer": value} for value in (7, "7", "007", 10**20)]
    path = write(make(tmp_path, "7.mp4") / "a.json", rows)
    assert read(path) == [("7.mp4", "x", answer) for answer in ("7", "7", "007", str(10**20))]


HEAD = "video,question,answer\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            (HEAD + "a,Ä,x\n").encode("latin-1"),
            r"a\.csv is not UTF-8 text \(byte 0xc4 in line 2\); save it as",
        ),
        ("a.csv", b"", r"a\.csv is empty"),
        ("a.csv", HEAD, r"a\.csv is empty; expected rows of a table after its header"),
        ("a.csv", "\n \n", r"a\.csv is empty"),
        (
            "a.csv",
            HEAD + "a,what, and who,x\n",
            r"a\.csv, line 2: the row has 4 fields, .* names 3; a field that has ','",
        ),
        ("a.csv", "video,answer,answer\na,b,c\n", r"a\.csv, line 1: the header names 'answer' twice"),
        ("a.csv", "Video,video,answer\na,b,c\n", "columns 'Video' and 'video'; say which .*video_column"),
        ("a.csv", HEAD + "a,b\0c,d\n", r"a\.csv, line 2 holds a NUL"),
        (
            "a.csv",
            HEAD + 'a,"b,d\nc,d,e\n',
            r"a\.csv, line 2: a quotation mark at the beginning of a field is not closed",
        ),
        ("a.csv", HEAD + f"a,{'b' * 131_073},c\n", r"a\.csv, line 2: field larger than field limit"),
        ("a.json", {"video": ["a"], "question": ["b", "c"]}, "columns of other lengths .*: 'video' 1, 'question' 2"),
        ("a.json", {"data": [{"video": "a"}]}, r"a\.json has no column for video; its columns are 'data'"),
        ("a.json", "[{", r"a\.json: .*line 1 column 3"),
        ("a.json", '{\n"video": "a",\n', r"a\.json: .*line 3"),
        ("a.json", "7", r"a\.json, line 1 is 7, but expected a JSON object"),
        ("a.jsonl", '{"video": "a"}\n["b"]\n', r"a\.jsonl, line 2 is \['b'\], but expected a JSON object"),
        ("a.jsonl", '["a"]\n["b"]\n', r"a\.jsonl, line 1 is \['a'\], but expected a JSON object"),
        (
            "a.json",
            [{"video": "a", "question": "b", "answer": 7.0}],
            r"a\.json, entry 1: field 'answer' holds 7\.0, but",
        ),
        ("a.json", [{"video": "a", "question": "b", "answer": True}], "field 'answer' holds True, but expected text"),
        (
            "a.json",
            [{"video": "a", "question": {"de": "b"}, "answer": "c"}],
            r"entry 1: field 'question' holds \{'de': ",
        ),
        (
            "a.json",
            [{"video": ["b"], "question": "b", "answer": "c"}],
            r"entry 1: field 'video' holds \['b'\], but expected text",
        ),
        (
            "a.json",
            '[{"video": "a", "question": "b", "answer": NaN}]',
            r"No row .* \(answer is empty: a\.json, entry 1\)",
        ),
        ("a.json", [{"video": "a\0", "question": "b", "answer": "c"}], r"entry 1: the video 'a\\x00' has a NUL"),
        (
            "a.json",
            '[{"video": "a", "question": "b", "answer": "c", "d": "\\ud800"}]',
            r"entry 1: '\\ud800' is no valid",
        ),
        ("a.json", '[{"video": "\\ud800", "question": "b", "answer": "c"}]', r"'video' holds .* no valid Unicode"),
        (
            "a.json",
            '[{"video": "a", "question": "b", "answer": "c", "\\ud800": "d"}]',
            r"a\.json has the column '\\ud800'",
        ),
        ("a.parquet", b"PAR1" + bytes(16) + b"\x08\0\0\0PAR1", r"a\.parquet is no Parquet that can be read"),
        (
            "a.json",
            [{"video": "a", "question": "b", "answer": "c", "d\0": ""}],
            r"has the column 'd\\x00', which is no name",
        ),
        ("a.parquet", b"PAR1 cut short", r"a\.parquet is no Parquet that can be read"),
        ("a.xlsx", b"PK", r"a\.xlsx ends with '\.xlsx'; expected \.csv"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        read(path, on_missing_video="ignore")


@pytest.mark.skipif(os.name == "nt", reason="Windows spells paths in its own way")
@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("ein ordner/a b.mp4", "ein ordner/a b.mp4"),
        ("ein ordner\\a b.mp4", "ein ordner/a b.mp4"),
        ("ein ordner\\a b", "ein ordner/a b.mp4"),
        ("./ein ordner/../ein ordner/a b.mp4", "ein ordner/a b.mp4"),
        (unicodedata.normalize("NFC", "Übung/ä.mp4"), unicodedata.normalize("NFD", "Übung/ä.mp4")),
        (unicodedata.normalize("NFC", "Übung/ä"), unicodedata.normalize("NFD", "Übung/ä.mp4")),
        ("link", "link.mp4"),
        ("frames", "frames"),
        ("~/a.mp4", "home/a.mp4"),
        ("file://{root}/ein ordner/a b.mp4", "ein ordner/a b.mp4"),
        ("file://{root}/ein%20ordner/a%20b.mp4", "ein ordner/a b.mp4"),
        ("FILE://localhost{root}/frames", "frames"),
        ("{root}/frames/", "frames"),
        ("behind/../c.mp4", "behind/../c.mp4"),
        ("with_text", "with_text.mkv"),
        ("fehlt.mp4", "fehlt.mp4"),
        ("ein ordner\\a b.mp4\\fehlt", "ein ordner\\a b.mp4\\fehlt"),
        ("C:\\fehlt\\a.mp4", "C:\\fehlt\\a.mp4"),
        ("https://a.example/fehlt.mp4", "https://a.example/fehlt.mp4"),
        ("s3://bucket/a b.mp4", "s3://bucket/a b.mp4"),
    ],
)
def test_a_video_is_found_however_it_is_spelled(tmp_path, monkeypatch, named, found):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    make(tmp_path, "ein ordner/a b.mp4", "ein ordner/a b.txt", unicodedata.normalize("NFD", "Übung/ä.mp4"))
    make(tmp_path, "frames/1.png", "frames/2.png", "home/a.mp4", "with_text.mkv", "with_text.srt", "with_text.jpg")
    make(tmp_path, "elsewhere/deep/x.mp4", "elsewhere/c.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "home" / "a.mp4")
    (tmp_path / "behind").symlink_to(tmp_path / "elsewhere" / "deep")
    path = write(tmp_path / "a.json", [{"video": named.format(root=tmp_path), "caption": "x"}])
    table = load_tables(path, splits=["train"])["train"]
    expected = found if "://" in found else str(tmp_path / found)
    assert unicodedata.normalize("NFC", table["video"][0]) == unicodedata.normalize("NFC", expected)
    assert table["video"][0] == expected or sys.platform == "darwin"  # which takes one spelling for the other
    assert len(summarize(table).missing_media) == ("fehlt" in found) * ("://" not in found)


def test_a_name_of_two_files_is_not_guessed(tmp_path):
    make(tmp_path, "a.mp4", "a.avi")
    path = write(tmp_path / "a.csv", "video,caption\na.avi,x\na,y\n")
    with pytest.raises(ValueError, match=r"a\.csv, line 3: the video '.*a' may be a\.avi or a\.mp4; write its suffix"):
        load_tables(path, splits=["train"])


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("0", "2.5", (0, 2.5)),
        ("00:01:05", "1:02:05.5", (65, 3725.5)),
        ("01:05", "90:00", (65, 5400)),
        ("2,5", "3,25", (2.5, 3.25)),
        ("", " ", (None, None)),
        ("1e1", "", (10, None)),
        ("-1", "2", "start or end is wrong"),
        ("5", "2", "start or end is wrong"),
        ("2", "2", "start or end is wrong"),
        (
            "50%",
            "",
            r"line 2: field 'start' is '50%', but expected a number of seconds such as 2\.5, or a time such as",
        ),
        ("1,500", "", r"field 'start' is '1,500', but expected a number"),
        ("00:61:05", "", r"field 'start' is '00:61:05', but"),
        ("1:75", "", r"field 'start' is '1:75', but"),
        ("", "inf", r"field 'end' is 'inf', but"),
        ("", "nan", r"field 'end' is 'nan', but"),
    ],
)
def test_times_are_seconds_or_of_a_clock(tmp_path, start, end, expected):
    path = write(tmp_path / "a.csv", f"video;caption;start;end\na;x;{start};{end}\nb;y;;\n")
    if isinstance(expected, str) and "field" in expected:
        with pytest.raises(ValueError, match=expected):
            load_tables(path, splits=["train"], on_missing_video="ignore")
        return
    tables = load_tables(path, splits=["train"], on_missing_video="ignore")
    if isinstance(expected, str):
        assert check_examples(tables).problems == {f"left out: {expected}": (f"{path}, line 2",)}
        with pytest.raises(ValueError, match=r"line 2: start is .* \(seconds\); expected 0 or more"):
            load_rows(path)
    else:
        assert (tables["train"][0]["start"], tables["train"][0]["end"]) == expected
        assert (load_rows(path)[0]["start"], load_rows(path)[0]["end"]) == expected


def test_rows_that_are_too_short_are_left_out(tmp_path):
    path = write(tmp_path / "a.csv", HEAD + "a\nb,y\nc,y,z\n")
    tables = load_tables(path, splits=["train"], on_missing_video="ignore")
    assert check_examples(tables).problems == {
        "left out: question is empty": (f"{path}, line 2",),
        "left out: answer is empty": (f"{path}, line 3",),
        "answers that training has once": ("z (a.csv, line 4)",),
        "training has one answer alone, so there is nothing to learn": ("z",),
    }


# Folders


def test_folders_of_classes_are_read_to_their_depth(tmp_path):
    make(tmp_path, "Große Hunde/a.mp4", "Große Hunde/Tag 1/b.avi", "Große Hunde/.c.mp4", "Große Hunde/notes.txt")
    make(tmp_path, "Katzen/a.mp4", "Katzen/clip/1.jpg", "Katzen/clip/2.jpg", "stray.mp4", "README", ".git/a.mp4")
    (tmp_path / unicodedata.normalize("NFD", "Übung")).mkdir()
    (tmp_path / "Katzen" / "round").symlink_to(tmp_path / "Katzen")
    tables = load_tables(tmp_path, task="classification", splits=["train"])
    assert [(row["video_id"], row["answer"]) for row in tables["train"]] == [
        ("Große Hunde/Tag 1/b.avi", "Große Hunde"),
        ("Große Hunde/a.mp4", "Große Hunde"),
        ("Katzen/a.mp4", "Katzen"),
        ("Katzen/clip", "Katzen"),
    ]
    report = check_examples(tables)
    assert report.is_usable and report.problems == {
        "left out: clip beside the folders of classes": (str(tmp_path / "stray.mp4"),),
        "left out: folder without clips": (str(tmp_path / unicodedata.normalize("NFD", "Übung")),),
    }


# Other systems have no such names.
UNDECODABLE = [(["a/\udcff.mp4"], r"\\udcff\.mp4' has a name that is no UTF-8; rename it")] * (sys.platform == "linux")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.mp4", "b.mp4"], "has no rows; expected .* or a folder of videos for each class"),
        (["Hunde/a.txt"], "has no rows; expected"),
        *UNDECODABLE,
        (
            ["train/a/1.mp4", "val/a/1.mp4", "validation/a/1.mp4"],
            "folders val and validation, which both are the valid",
        ),
        (["train/1.mp4", "auto/2.mp4"], r"called like splits \(train\) beside others with clips \(auto\).*rename"),
        (["metadata.csv", "metadata.jsonl", "1.mp4"], r"has metadata\.csv and metadata\.jsonl; keep one"),
    ],
)
def test_folders_that_can_be_read_in_two_ways_are_refused(tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        load_tables(make(tmp_path, *names), task="classification", splits=["train"])


def test_one_class_leaves_nothing_to_learn(tmp_path):
    tables = load_tables(make(tmp_path, "Hunde/a.mp4", "Hunde/b.mp4"), task="classification", splits=["train"])
    report = check_examples(tables)
    assert not report.is_usable and "training has one answer alone, so there is nothing to learn (1): Hunde" in str(
        report
    )


# Parquet


def test_parquet_is_read_anew_and_leaves_only_its_videos(tmp_path, own_cache):
    path, before = tmp_path / "a.parquet", {*own_cache.iterdir()}
    features = Features({"video": Video(decode=False), "label": ClassLabel(names=["Hund", "Katze"])})
    for number in range(2):
        videos = [{"path": f"{clip}.mp4", "bytes": b"film %d" % (clip + number)} for clip in range(2)]
        Dataset.from_dict({"video": videos, "label": [number, 0]}, features).to_parquet(path)
        table = load_tables(path, task="classification", splits=["train"])["train"]
        assert table["answer"][:] == [["Hund", "Katze"][number], "Hund"]
        for place, file in enumerate(table["video"]):
            with open(file, "rb") as video:
                assert video.read() == b"film %d" % (place + number)
            assert table["video_id"][place] == os.path.basename(file)
    assert {*own_cache.iterdir()} - before <= {own_cache / "videos"}


def test_parquet_of_others_has_categories_raw_bytes_and_no_numbers(tmp_path):
    category = pyarrow.array(["a", "b"]).dictionary_encode()
    table = pyarrow.table(
        {"video": [b"film a", b"film b"], "label": category, "score": [np.nan, 1.5], "end": [None, 2.0]}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    rows = load_tables(tmp_path / "a.parquet", task="classification", splits=["train"])["train"]
    assert [(row["answer"], row["score"], row["end"]) for row in rows] == [("a", None, None), ("b", "1.5", 2)]
    assert summarize(rows).missing_media == ()


# Rows to be answered


def test_rows_keep_their_own_columns_for_the_file_of_answers(tmp_path, caplog):
    make(tmp_path, "Ü 1.mp4")
    table = "clip name;frage;id;gesagt;kind;\nÜ 1;wer?;007;ein Hund;;\nfehlt.mp4;;8;;x;\n"
    columns = {"video": "clip name", "question": "frage", "answer": "gesagt"}
    rows = load_rows(write(tmp_path / "a.csv", table), columns=columns)
    assert rows.column_names == ["video", "question", "input_row"]
    assert rows["video"][:] == [str(tmp_path / "Ü 1.mp4"), str(tmp_path / "fehlt.mp4")] and rows["question"][1] is None
    own = {"clip name": "Ü 1", "frage": "wer?", "id": "007", "gesagt": "ein Hund", "kind": ""}
    assert keep_columns(rows[0]) == own | {"reference": "ein Hund"}
    assert "a.csv: 1 of 2 videos are missing or empty" in caplog.text
    write(tmp_path / "b.csv", "video,answer,said\nÜ 1,ja,nein\n")
    (row,) = load_rows(tmp_path / "b.csv", columns={"answer": "said"})
    assert keep_columns(row) == {"video": "Ü 1", "reference": "nein", "said": "nein", "input_answer": "ja"}
    with pytest.raises(ValueError, match=r"question is empty: a\.csv, line 3\. Fill it in, or leave these rows out"):
        load_rows(tmp_path / "a.csv", columns=columns, task="question-answering")
    with pytest.raises(ValueError, match=r"no column for options; its columns are .* options_column"):
        load_rows(tmp_path / "a.csv", columns=columns, task="multiple-choice")
    with pytest.raises(ValueError, match="task is 'pretraining'; expected question-answering"):
        load_rows(tmp_path / "a.csv", task="pretraining")


def test_values_of_json_keep_their_kinds(tmp_path):
    values = {"video": "a.mp4", "id": 7, "share": 7.0, "is_new": True, "tags": ["x", 1], "of": {"b": None}, "no": None}
    rows = [
        values | {"options": ["rot", "blau"], "answer": 7.0},
        {"video": "b.mp4", "options": ["1", "2", "3"], "id": "x"},
    ]
    table = load_rows(write(tmp_path / "a.json", rows))
    assert [keep_columns(row) for row in table] == [
        values | {"options": ["rot", "blau"], "reference": 7.0},
        {"video": "b.mp4", "options": ["1", "2", "3"], "id": "x", "reference": None},
    ]
    assert table["options"][:] == [["rot", "blau"], ["1", "2", "3"]]
    (tmp_path / "a.json").write_text('[{"video": "a.mp4", "text": "a [MASK] runs", "share": NaN, "most": Infinity}]')
    (row,) = load_rows(tmp_path / "a.json", task="masked-lm")
    assert row["text"] == "a [MASK] runs" and json.loads(row["input_row"])["share"] is None


def test_clips_of_a_folder_are_rows(tmp_path, caplog):
    make(tmp_path, "b.mp4", "a ä/2.MKV", "a ä/1.webm", "a ä/.hidden.mp4", ".cache/x.mp4", "notes.txt", "a ä/cover.jpg")
    make(tmp_path, "frames/1.png", "frames/2.png", "__MACOSX/._b.mp4", "README", "odd.xyz")
    images = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    images[0].save(tmp_path / "moving.webp", save_all=True, append_images=images[1:])
    images[0].save(tmp_path / "still.webp")
    rows = load_rows(tmp_path)
    names = ["a ä/1.webm", "a ä/2.MKV", "b.mp4", "frames", "moving.webp", "odd.xyz"]
    assert [keep_columns(row) for row in rows] == [{"video": name} for name in names]
    assert rows["video"][:] == [str(tmp_path / name) for name in names]
    assert "4 files are no videos, and are left out: README, a ä/cover.jpg, notes.txt and 1 more" in caplog.text
    write(tmp_path / "metadata.csv", "file_name,question\nb.mp4,wer?\n")
    assert [keep_columns(row) for row in load_rows(tmp_path)] == [{"file_name": "b.mp4", "question": "wer?"}]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has no clips, and no metadata\.csv"):
        load_rows(tmp_path / "empty")
    with pytest.raises(
        ValueError, match=r"no clips, .* Its images \(a\.jpg, b\.png\) are frames of a clip if all end wi"
    ):
        load_rows(make(tmp_path / "images", "a.jpg", "b.png", "c.txt"))


def test_a_clip_or_its_url_is_a_row(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(make(tmp_path, "a.mp4"))
    make(tmp_path, "frames/1.png", "frames/2.png", "a.txt")
    for source in ("a.mp4", str(tmp_path / "a.mp4"), "https://a.example/b.mp4", "frames"):
        (row,) = load_rows(source)
        assert row["video"] == source and keep_columns(row) == {"video": source}
        assert ("taken for one clip" in caplog.text) == (source == "frames")
    with pytest.raises(FileNotFoundError, match=r"There is no file b\.mp4"):
        load_rows("b.mp4")
    with pytest.raises(ValueError, match=r"a\.txt ends with '\.txt'; expected \.csv"):
        load_rows("a.txt")
