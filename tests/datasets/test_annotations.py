# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Data sets by name: what there is, what was found, and what is said of what is missing."""

import logging

import pytest
from annotation_fixtures import put_videos, read_rows, write_files
from datasets import Dataset

from modeling_allinone.datasets import (
    AnnotationFile,
    AnnotationFolder,
    AnnotationReader,
    describe_dataset,
    list_datasets,
    load_annotations,
    read_records,
    register_dataset,
    summarize,
)
from modeling_allinone.datasets.annotation_reader import TASKS, check_positive
from modeling_allinone.datasets.common_rows import COMMON_COLUMNS, collect_rows

ENTRIES = [
    {"video_id": "video7", "question": "who runs?", "answer": "man"},
    {"video_id": "video7", "question": "who sits?", "answer": "dog"},
    {"video_id": "video8", "question": "who flies?", "answer": "owl"},
    {"video_id": "video9", "question": "who swims?", "answer": "man"},
]


@pytest.fixture
def root(tmp_path, clip):
    """MSRVTT-QA with one video that is there, one that is empty and one that is missing."""
    write_files(
        tmp_path,
        {
            "msrvtt_qa_train.jsonl": ENTRIES,
            "msrvtt_train_ans2label.json": {"man": 0, "dog": 1},
            "videos/all/video8.mp4": b"",
        },
    )
    put_videos(tmp_path, clip, "videos/all/video7.mp4")
    return tmp_path


# What there is


def test_every_data_set_is_listed_by_its_tasks():
    by_task = list_datasets()
    assert tuple(by_task) == TASKS
    names = {name for listed in by_task.values() for name in listed}
    assert {"msrvtt_qa", "msvd_qa", "tgif_frameqa", "activitynet_qa"} <= set(by_task["question-answering"])
    assert {"tgif_action", "tgif_transition", "tvqa"} <= set(by_task["multiple-choice-question-answering"])
    assert {"msrvtt_mc", "lsmdc_mc", "ego4d_mc"} <= set(by_task["multiple-choice"])
    assert {"msrvtt_retrieval", "msrvtt_retrieval_7k", "msrvtt_retrieval_full"} <= set(by_task["retrieval"])
    assert {"kinetics400", "hmdb51", "ucf101"} <= set(by_task["classification"])
    assert (by_task["visual-commonsense"], by_task["paired-reasoning"]) == (["vcr"], ["nlvr2"])
    assert {"webvid", "howto100m", "yttemporal", "cc3m", "cc12m", "sbu"} <= set(by_task["pretraining"])
    for name in names:
        reader = describe_dataset(name)
        assert reader.name == name and set(reader.tasks) <= set(TASKS)
        assert all(files and all(file.format for file in files) for files in reader.splits.values())


def test_validation_is_never_the_test_split():
    for name in {name for listed in list_datasets().values() for name in listed}:
        splits = describe_dataset(name).splits
        paths = {split: {file.path for file in files} for split, files in splits.items()}
        karpathy = {f"{folder}dataset_{name}.json" for folder in ("", "karpathy/") for name in ("coco", "flickr30k")}
        makers_joint = {"train_val_videodatainfo.json", *karpathy}
        assert not (paths.get("validation", set()) & paths.get("test", set())) - makers_joint
        assert not (paths.get("train", set()) & paths.get("validation", set())) - makers_joint
        if "original_validation" in paths:
            assert paths["original_validation"] == paths["test"]


def test_the_original_selects_on_the_test_split(root):
    names = {name for listed in list_datasets().values() for name in listed}
    assert {name for name in names if "original_validation" in describe_dataset(name).splits} == {
        *("ego4d_mc", "flickr30k", "hmdb51", "lsmdc_mc", "lsmdc_retrieval", "msrvtt_mc", "msrvtt_qa"),
        *("msrvtt_retrieval", "msrvtt_retrieval_1k_b", "msrvtt_retrieval_7k", "msvd_qa", "msvd_retrieval"),
        *("tgif_action", "tgif_frameqa", "tgif_transition", "ucf101"),
    }
    write_files(root, {"msrvtt_qa_test.jsonl": ENTRIES, "msrvtt_qa_val.jsonl": ENTRIES[:1]})
    test, selected_on = (read_rows("msrvtt_qa", root, split) for split in ("test", "original_validation"))
    assert [row.pop("sample_id") for row in selected_on] == [f"original_validation-{number}" for number in range(4)]
    assert [row.pop("sample_id") for row in test] == [f"test-{number}" for number in range(4)]
    assert test == selected_on and len(read_rows("msrvtt_qa", root, "validation")) == 1


def test_readers_describe_themselves():
    reader = describe_dataset("msrvtt_qa")
    assert reader.options == {"vocabulary": None, "num_answers": 1500}
    assert reader.media == "videos/all/{video_id}.mp4"
    lines = str(reader).splitlines()
    assert lines[:2] == ["msrvtt_qa: question-answering", f"  published at {reader.publisher}"]
    assert lines[2].startswith("  train: msrvtt_qa_train.jsonl (JSON lines ") and " or train_qa.json (" in lines[2]
    assert lines[-3:] == [
        "  videos or images: videos/all/{video_id}.mp4",
        "  option vocabulary: None by default",
        "  option num_answers: 1500 by default",
    ]


@pytest.mark.parametrize(
    ("name", "near"), [("msrvtt-qa", "msrvtt_qa"), ("MSVDQA", "msvd_qa"), ("tgif_actions", "tgif_action")]
)
def test_unknown_names_get_the_nearest(tmp_path, name, near):
    with pytest.raises(ValueError, match=f"There is no data set '{name}'; there are .*Did you mean '{near}'?"):
        load_annotations(name, tmp_path)


def test_names_unlike_any_get_the_list(tmp_path):
    with pytest.raises(ValueError, match="there are activitynet_qa, ") as error:
        load_annotations("xyz", tmp_path)
    assert "Did you mean" not in str(error.value)


def test_unknown_splits_and_options_get_the_list(root):
    with pytest.raises(ValueError, match="msrvtt_qa has no split 'val'; it has 'train', 'validation', 'test', 'orig"):
        load_annotations("msrvtt_qa", root, "val")
    with pytest.raises(ValueError, match=r"msrvtt_qa has no split \['train'\]"):
        load_annotations("msrvtt_qa", root, ["train"])
    with pytest.raises(ValueError, match=r"There is no data set \['msrvtt_qa'\]"):
        load_annotations(["msrvtt_qa"], root)
    with pytest.raises(ValueError, match="ego4d_mc has no split 'train'; it has 'test', 'original_validation'"):
        load_annotations("ego4d_mc", root, "train")
    with pytest.raises(ValueError, match=r"tgif_action has no split 'validation'.*train_test_split.*the test split"):
        load_annotations("tgif_action", root, "validation")
    with pytest.raises(TypeError, match="msrvtt_qa has no option answers, size; it has vocabulary, num_answers"):
        load_annotations("msrvtt_qa", root, size=3, answers=4)
    with pytest.raises(TypeError, match="msrvtt_mc has no option fps; it has none of its own"):
        load_annotations("msrvtt_mc", root, "test", fps=4)
    with pytest.raises(ValueError, match="on_missing_video is 'skip'; expected one of 'warn', 'raise', 'drop', 'ign"):
        load_annotations("msrvtt_qa", root, on_missing_video="skip")


@pytest.mark.parametrize("value", [0, -3, float("nan"), float("inf"), "3", True])
def test_options_that_are_numbers_above_0(value):
    check_positive(rate=0.5, frames=3)
    with pytest.raises(ValueError, match=r"rate is .*; expected a number above 0"):
        check_positive(frames=3, rate=value)


@pytest.mark.parametrize(
    ("name", "split", "option"),
    [
        ("ego4d_mc", "test", "frames_per_second"),
        ("tvqa", "train", "frame_rate"),
        ("activitynet_qa", "train", "frame_rate"),
        ("activitynet_retrieval", "train", "frame_rate"),
    ],
)
def test_rates_are_above_0(tmp_path, name, split, option):
    with pytest.raises(ValueError, match=f"{option} is 0; expected a number above 0"):
        load_annotations(name, tmp_path, split, **{option: 0})


def test_tasks_of_a_reader_are_known():
    with pytest.raises(ValueError, match="mine is for captioning; there are question-answering, "):
        AnnotationReader("mine", ("captioning",), "nowhere", {}, "{video_id}", iter)


def test_folders_have_to_be_there(root):
    with pytest.raises(FileNotFoundError, match=r"root is .*nowhere, which is no folder; expected that of msrvtt_qa"):
        load_annotations("msrvtt_qa", root / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"media_root is .*train\.jsonl, which is no folder"):
        load_annotations("msrvtt_qa", root, media_root=root / "msrvtt_qa_train.jsonl")


def test_missing_annotations_say_where_they_are_published(root):
    with pytest.raises(FileNotFoundError) as error:
        load_annotations("msrvtt_qa", root, "validation")
    message = str(error.value)
    assert f"{root / 'msrvtt_qa_val.jsonl'}: JSON lines" in message
    assert f"{root / 'val_qa.json'}: JSON list" in message
    assert "https://github.com/xudejing/video-question-answering" in message


# Readers of one's own


def read_own_rows(folder, split, language="en"):
    for record in read_records(folder.find_split(split)):
        name = record.text("file")
        yield {"video": folder.media_path(record, file=name), "caption": record.text(language), "video_id": name}


def own_reader(name="cooking", media="{file}.mp4") -> AnnotationReader:
    files = (AnnotationFile("cooking.jsonl", "JSON lines with file, en, de"),)
    return AnnotationReader(name, ("retrieval",), "https://example.org", {"test": files}, media, read_own_rows)


def test_an_own_reader_is_known_by_its_name(tmp_path):
    register_dataset(own_reader())
    assert list_datasets()["retrieval"][-1] == "cooking"
    assert describe_dataset("cooking").options == {"language": "en"}
    write_files(tmp_path, {"cooking.jsonl": [{"file": "7", "en": "whisk eggs", "de": "Eier schlagen"}]})
    assert read_rows("cooking", tmp_path, "test", language="de")[0]["caption"] == "Eier schlagen"
    register_dataset(own_reader(media="clips/{file}.webm"))
    assert read_rows("cooking", tmp_path, "test")[0]["video"] == str(tmp_path / "clips/7.webm")
    with pytest.raises(ValueError, match=r"There is no data set 'cookin'; .*Did you mean 'cooking'\?"):
        describe_dataset("cookin")


def test_names_of_public_data_sets_are_taken():
    with pytest.raises(ValueError, match="'msrvtt_qa' is the name of a public data set; give the reader another"):
        register_dataset(own_reader("msrvtt_qa"))
    with pytest.raises(TypeError, match="reader is 'msrvtt_qa'; expected an AnnotationReader"):
        register_dataset("msrvtt_qa")


# Rows


def test_rows_have_the_common_columns(root):
    rows = load_annotations("msrvtt_qa", root)
    assert isinstance(rows, Dataset)
    assert rows.column_names == list(COMMON_COLUMNS)
    assert rows[0] == dict.fromkeys(COMMON_COLUMNS) | {
        "video": str(root / "videos/all/video7.mp4"),
        "question": "who runs?",
        "answer": "man",
        "label": 0,
        "video_id": "video7",
        "sample_id": "train-0",
    }


def test_large_tables_are_packed_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("modeling_allinone.datasets.common_rows.PIECE", 7)
    entries = [{"video_id": number, "question": f"what is {number}?", "answer": str(number)} for number in range(30)]
    write_files(tmp_path, {"msrvtt_qa_train.jsonl": entries})
    rows = read_rows("msrvtt_qa", tmp_path, "train")
    assert [row["question"] for row in rows] == [entry["question"] for entry in entries]


def test_repeated_ids_are_refused(root):
    write_files(root, {"msrvtt_qa_train.jsonl": [entry | {"id": number // 2} for number, entry in enumerate(ENTRIES)]})
    with pytest.raises(
        ValueError, match=r"msrvtt_qa_train\.jsonl.*: The sample_id '0' of entry 2 was already that of entry 1"
    ):
        load_annotations("msrvtt_qa", root)


def test_readers_are_held_to_their_columns(tmp_path):
    reader = AnnotationReader("mine", ("retrieval",), "nowhere", {"test": ()}, "{video_id}", iter)
    folder = AnnotationFolder(reader, tmp_path, tmp_path, reader.media)
    with pytest.raises(ValueError, match=r"columns \['colour'\] that neither the common row nor the reader has"):
        collect_rows([{"caption": "a", "colour": "red"}], folder, "test")
    with pytest.raises(ValueError, match="mine has no rows in"):
        collect_rows([], folder, "test")


# Missing videos


def test_missing_videos_are_counted_and_named(root, caplog):
    caplog.set_level(logging.INFO, logger="modeling_allinone")
    rows = load_annotations("msrvtt_qa", root)
    assert len(rows) == 4
    summary = summarize(rows)
    missing = (str(root / "videos/all/video8.mp4"), str(root / "videos/all/video9.mp4"))
    assert (summary.num_rows, summary.num_media, summary.missing_media, summary.num_dropped) == (4, 3, missing, 0)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "msrvtt_qa, train: 2 of 3 are missing or empty, namely " + ", ".join(missing) in warnings[0]
    assert "media_pattern" in warnings[0] and "on_missing_video='drop'" in warnings[0]
    notes = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert notes == [str(summary)]


def test_rows_of_missing_videos_are_dropped(root):
    rows = load_annotations("msrvtt_qa", root, on_missing_video="drop")
    assert [row["sample_id"] for row in rows] == ["train-0", "train-1"]
    summary = summarize(rows)
    assert (summary.num_rows, summary.num_media, summary.num_dropped) == (2, 3, 2)
    assert "rows left out: 2" in str(summary)


def test_missing_videos_raise(root):
    with pytest.raises(FileNotFoundError, match=r"2 of 3 are missing or empty, namely .*video8\.mp4"):
        load_annotations("msrvtt_qa", root, on_missing_video="raise")


def test_nothing_to_keep_raises(root):
    with pytest.raises(FileNotFoundError, match="3 of 3 are missing or empty"):
        load_annotations("msrvtt_qa", root, media_pattern="{video_id}.mp4", on_missing_video="drop")


def test_videos_that_nobody_looks_for(root, caplog):
    rows = load_annotations("msrvtt_qa", root, on_missing_video="ignore")
    assert len(rows) == 4 and summarize(rows).missing_media is None
    assert "was not looked at" in str(summarize(rows))
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


def test_many_missing_videos_are_named_by_the_first_few(tmp_path):
    entries = [entry | {"video_id": number} for number, entry in enumerate(ENTRIES)]
    write_files(tmp_path, {"msrvtt_qa_train.jsonl": entries})
    summary = summarize(load_annotations("msrvtt_qa", tmp_path))
    folder = tmp_path / "videos/all"
    names = ", ".join(str(folder / f"video{number}.mp4") for number in range(3))
    assert summary.describe_missing() == f"4 of 4 are missing or empty, such as {names}"


# Places of videos


def test_videos_may_lie_elsewhere(root, tmp_path_factory, clip):
    elsewhere = tmp_path_factory.mktemp("videos")
    put_videos(elsewhere, clip, "7/video7.mkv", "7/video8.webm", "7/video9.mp4")
    rows = load_annotations(
        "msrvtt_qa", root, media_root=elsewhere, media_pattern="7/{video_id}.*", on_missing_video="raise"
    )
    assert rows["video"][:] == [
        str(elsewhere / "7" / name) for name in ("video7.mkv",) * 2 + ("video8.webm", "video9.mp4")
    ]


def test_a_name_with_any_suffix_that_is_not_there(root):
    rows = load_annotations("msrvtt_qa", root, media_pattern="nowhere/{video_id}.*")
    assert rows[0]["video"] == str(root / "nowhere/video7.*")
    assert len(summarize(rows).missing_media) == 3


@pytest.mark.parametrize("pattern", ["{clip}.mp4", "{}.mp4", "{video_id.mp4", "{video_id.name}"])
def test_patterns_that_cannot_be_filled_in(root, pattern):
    with pytest.raises(ValueError, match=r"media_pattern '.*' cannot be filled in; msrvtt_qa knows \{video_id\}"):
        load_annotations("msrvtt_qa", root, media_pattern=pattern)


# What was found


def test_summary_says_what_was_found(root):
    rows = load_annotations("msrvtt_qa", root)
    summary = summarize(rows)
    assert summary.files == (str(root / "msrvtt_qa_train.jsonl"), str(root / "msrvtt_train_ans2label.json"))
    assert (summary.answers, summary.num_outside) == (("man", "dog"), 1)
    assert summary.answers_origin == str(root / "msrvtt_train_ans2label.json")
    assert rows.info.description == str(summary)
    assert rows.info.homepage == "https://github.com/xudejing/video-question-answering"
    lines = str(summary).splitlines()
    assert lines[0] == "msrvtt_qa, train: 4 rows, 3 videos or images"
    assert lines[-1] == (
        f"  vocabulary: 2 answers from {summary.answers_origin}; rows with another one, label -100: 1 (25.0%)"
    )


def test_summary_stays_with_tables_made_of_the_table(root):
    rows = load_annotations("msrvtt_qa", root)
    made = [
        rows.select([0]),
        rows.shuffle(seed=0),
        rows.filter(lambda row: row["label"] == 0),
        rows.map(lambda row: {"length": len(row["question"])}),
        rows.train_test_split(0.5, seed=0)["test"],
    ]
    assert all(summarize(table) == summarize(rows) for table in made)


def test_tables_without_a_summary_are_refused(root):
    rows = load_annotations("msrvtt_qa", root)
    rows.save_to_disk(root / "saved")
    for table in (Dataset.from_list([{"question": "who?"}]), Dataset.load_from_disk(root / "saved")):
        with pytest.raises(ValueError, match="The table has no summary; expected one from load_annotations"):
            summarize(table)
