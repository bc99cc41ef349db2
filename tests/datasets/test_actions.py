# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Actions: Kinetics-400, HMDB51, UCF101."""

import pytest
from annotation_fixtures import put_videos, read_rows, table, write_files

from modeling_allinone.datasets import load_annotations, summarize

# Kinetics-400

KINETICS_LISTS = {
    "kinetics_label_map.txt": "abseiling\nair drumming\nsnowboarding\n",
    "k400_train_tsm.list": table(
        ("/data/arcdata/Kinetics-400/train_zips/snowboarding/MCgJO4s1qBA_000129_000139.zip", 2),
        ("/data/arcdata/Kinetics-400/train_zips/air drumming/0wR5jVB-WPk_000417_000427.zip", 1),
    ),
    "k400_test_tsm.list": table(("/data/Kinetics-400/val_zips/abseiling/3caPS4FHFF8_000036_000046.zip", 0)),
}
KINETICS_TABLES = {
    "train.csv": table(
        ("label", "youtube_id", "time_start", "time_end", "split"),
        ("snowboarding", "MCgJO4s1qBA", 129, 139, "train"),
        ("abseiling", "-0wR5jVB-W", 7, 17, "train"),
        delimiter=",",
    ),
    "test.csv": table(
        ("label", "youtube_id", "time_start", "time_end", "split"), ("", "x", 0, 10, "test"), delimiter=","
    ),
    "validate.csv": table(("youtube_id", "time_start", "time_end", "split"), ("x", 0, 10, "validate"), delimiter=","),
}


def test_kinetics_as_the_original_has_it(tmp_path, clip):
    write_files(tmp_path, KINETICS_LISTS)
    put_videos(tmp_path, clip, "val/abseiling/3caPS4FHFF8_000036_000046.mkv")
    rows = read_rows("kinetics400", tmp_path, "train")
    assert rows == [
        {
            "video": str(tmp_path / "train/snowboarding/MCgJO4s1qBA_000129_000139.*"),
            "question": "A persion is doing [MASK]",
            "answer": "snowboarding",
            "label": 2,
            "video_id": "MCgJO4s1qBA_000129_000139",
            "sample_id": "train-0",
        },
        {
            "video": str(tmp_path / "train/air drumming/0wR5jVB-WPk_000417_000427.*"),
            "question": "A persion is doing [MASK]",
            "answer": "air drumming",
            "label": 1,
            "video_id": "0wR5jVB-WPk_000417_000427",
            "sample_id": "train-1",
        },
    ]
    (row,) = read_rows("kinetics400", tmp_path, "validation", on_missing_video="raise")
    assert row["video"] == str(tmp_path / "val/abseiling/3caPS4FHFF8_000036_000046.mkv") and row["label"] == 0
    assert summarize(load_annotations("kinetics400", tmp_path)).answers == (
        "abseiling",
        "air drumming",
        "snowboarding",
    )


def test_kinetics_as_the_makers_have_it(tmp_path):
    write_files(tmp_path, KINETICS_TABLES)
    rows = read_rows("kinetics400", tmp_path, "train", prompt="An action: [MASK]")
    assert [(row["label"], row["answer"]) for row in rows] == [(1, "snowboarding"), (0, "abseiling")]
    assert rows[1]["video"] == str(tmp_path / "train/abseiling/-0wR5jVB-W_000007_000017.*")
    assert rows[0]["question"] == "An action: [MASK]"
    assert "alphabet" in summarize(load_annotations("kinetics400", tmp_path)).answers_origin
    alone = write_files(tmp_path / "alone", {"test.csv": KINETICS_TABLES["test.csv"]})
    with pytest.raises(FileNotFoundError, match=r"kinetics_label_map\.txt: a class a line"):
        load_annotations("kinetics400", alone, "test")
    classes = ["snowboarding", "abseiling"]
    (row,) = read_rows("kinetics400", tmp_path, "test", vocabulary=classes, media_pattern="{split}/{video_id}.*")
    assert "label" not in row and row["video"] == str(tmp_path / "test/x_000000_000010.*")
    (row,) = read_rows("kinetics400", tmp_path, "validation", vocabulary=classes, prompt=None)
    assert "label" not in row and "question" not in row
    validation = table(("label", "youtube_id", "time_start", "time_end"), ("snowboarding", "y", 1, 2), delimiter=",")
    write_files(tmp_path, {"val.csv": validation})
    (row,) = read_rows("kinetics400", tmp_path, "validation")
    assert (row["label"], row["video_id"]) == (1, "y_000001_000002"), "numbered as in the training split"
    rows = read_rows("kinetics400", tmp_path, "train", vocabulary=classes)
    assert [row["label"] for row in rows] == [0, 1]
    write_files(tmp_path, {"kinetics_label_map.txt": "abseiling\nair drumming\nsnowboarding\n"})
    assert [row["label"] for row in read_rows("kinetics400", tmp_path, "train")] == [2, 0]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            KINETICS_LISTS | {"k400_train_tsm.list": "a/b/c.zip 3\n"},
            "line 1: the line is 'a/b/c.zip 3', but expected tab-separated lines of path",
        ),
        (
            KINETICS_LISTS | {"k400_train_tsm.list": "\na/b/c.zip\t3\n"},
            "line 2: column 1 is '3', but expected a whole number from 0 to 2",
        ),
        (
            KINETICS_TABLES | {"kinetics_label_map.txt": "abseiling\n"},
            "line 2: field 'label' is 'snowboarding', but expected one of the 1 classes",
        ),
    ],
    ids=["blanks", "label", "class"],
)
def test_wrong_lines_of_kinetics_are_named(tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        load_annotations("kinetics400", write_files(tmp_path, files))


def test_kinetics_list_needs_the_classes(tmp_path):
    write_files(tmp_path, {"k400_train_tsm.list": KINETICS_LISTS["k400_train_tsm.list"]})
    with pytest.raises(FileNotFoundError, match=r"kinetics_label_map\.txt: a class a line"):
        load_annotations("kinetics400", tmp_path)


# HMDB51

HMDB_LISTS = {
    "hmdb51_classInd.txt": "1 brush_hair\n2 cartwheel\n3 catch\n",
    "hmdb51_rgb_train_split_1.txt": "/x/rgb/brush_hair/a b_#1 67 0\n/x/rgb/catch/c_2 80 2\n",
    "hmdb51_rgb_val_split_1.txt": "/x/rgb/cartwheel/d_3 40 1\n",
    "hmdb51_rgb_train_split_2.txt": "/x/rgb/cartwheel/e_4 41 1\n",
}
HMDB_MAKERS_LISTS = {
    "brush_hair_test_split1.txt": "a b_#1.avi 1 \nf_5.avi 2 \ng_6.avi 0 \n",
    "catch_test_split1.txt": "c_2.avi 1 \nh_7.avi 2 \n",
    "brush_hair_test_split2.txt": "a b_#1.avi 2 \n",
    "catch_test_split2.txt": "c_2.avi 1 \n",
}


def test_hmdb51_as_the_original_has_it(tmp_path):
    write_files(tmp_path, HMDB_LISTS)
    rows = read_rows("hmdb51", tmp_path, "train")
    assert rows[0] == {
        "video": str(tmp_path / "a b_#1.avi"),
        "question": "A person is doing [MASK]",
        "answer": "brush_hair",
        "label": 0,
        "video_id": "a b_#1",
        "sample_id": "train-0",
    }
    assert [(row["video_id"], row["label"]) for row in rows] == [("a b_#1", 0), ("c_2", 2)]
    assert [(row["video_id"], row["label"]) for row in read_rows("hmdb51", tmp_path, "test")] == [("d_3", 1)]
    (row,) = read_rows("hmdb51", tmp_path, "train", fold=2, media_pattern="{action}/{video_id}.avi", prompt=None)
    assert row["video"] == str(tmp_path / "cartwheel/e_4.avi") and "question" not in row


@pytest.mark.parametrize("folder", ["testTrainMulti_7030_splits/", ""])
def test_hmdb51_as_the_makers_have_it(tmp_path, folder):
    write_files(tmp_path, {f"{folder}{name}": content for name, content in HMDB_MAKERS_LISTS.items()})
    rows = read_rows("hmdb51", tmp_path, "train")
    assert rows[0] == {
        "video": str(tmp_path / "brush_hair/a b_#1.avi"),
        "question": "A person is doing [MASK]",
        "answer": "brush_hair",
        "label": 0,
        "video_id": "a b_#1",
        "sample_id": "train-0",
    }
    assert [(row["video_id"], row["label"]) for row in rows] == [("a b_#1", 0), ("c_2", 1)]
    rows = read_rows("hmdb51", tmp_path, "test", fold=2)
    assert [(row["video_id"], row["label"]) for row in rows] == [("a b_#1", 0)]
    summary = summarize(load_annotations("hmdb51", tmp_path, "test"))
    assert summary.answers == ("brush_hair", "catch") and len(summary.files) == 2
    write_files(tmp_path, {"hmdb51_classInd.txt": HMDB_LISTS["hmdb51_classInd.txt"]})
    assert [row["label"] for row in read_rows("hmdb51", tmp_path, "test")] == [0, 2]
    rows = read_rows("hmdb51", tmp_path, "test", vocabulary={"catch": 0, "brush_hair": 1})
    assert [row["label"] for row in rows] == [1, 0]


def test_hmdb51_numbers_classes_by_their_names_not_by_those_of_the_files(tmp_path):
    actions = ["brush_hair", "kick", "kick_ball", "sword", "sword_exercise"]
    write_files(tmp_path, {f"{action}_test_split1.txt": f"{action}.avi 1 \n" for action in actions})
    rows = read_rows("hmdb51", tmp_path, "train")
    assert [(row["video_id"], row["answer"], row["label"]) for row in rows] == [
        (action, action, number) for number, action in enumerate(actions)
    ]
    assert summarize(load_annotations("hmdb51", tmp_path)).remarks == ("there are lists of 5 actions, not of 51",)


def test_a_list_of_hmdb51_in_another_order_of_the_classes_is_refused(tmp_path):
    end = "l_cm_np1_le_med_33"
    files = {
        "hmdb51_classInd.txt": "1 climb\n2 kick\n3 kick_ball\n",
        "hmdb51_rgb_train_split_1.txt": f"x/A_climb_{end} 0 0\nx/Film_kick_{end} 0 2\nx/B_kick_ball_{end} 0 1\n",
    }
    with pytest.raises(ValueError, match=r"split_1\.txt has label 2, which is 'kick_ball' by .* for clips of 'kick'"):
        load_annotations("hmdb51", write_files(tmp_path, files))
    rows = read_rows("hmdb51", tmp_path, "train", vocabulary=["climb", "kick_ball", "kick"])
    assert [row["answer"] for row in rows] == ["climb", "kick", "kick_ball"]


def test_lists_of_ucf101_and_kinetics_in_another_order_are_refused(tmp_path):
    files = {
        "classInd.txt": "1 Handstand\n2 HandstandPushups\n3 Archery\n",
        "ucf101_rgb_train_split_1.txt": "x/v_HandStandPushups_g01_c01 9 1\nx/v_Archery_g01_c02 9 2\n",
    }
    rows = read_rows("ucf101", write_files(tmp_path, files), "train")
    assert [row["answer"] for row in rows] == ["HandstandPushups", "Archery"]
    with pytest.raises(ValueError, match="label 2, which is 'Handstand' by the caller, for clips of 'Archery'"):
        load_annotations("ucf101", tmp_path, vocabulary=["Archery", "HandstandPushups", "Handstand"])
    write_files(tmp_path, KINETICS_LISTS | {"kinetics_label_map.txt": "abseiling\nsnowboarding\nair drumming\n"})
    with pytest.raises(ValueError, match=r"tsm\.list has label 2, which is 'air drumming' .*clips of 'snowboarding'"):
        load_annotations("kinetics400", tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            HMDB_LISTS | {"hmdb51_rgb_train_split_1.txt": "a 3\n"},
            "line 1: the line is 'a 3', but expected lines of path",
        ),
        (
            HMDB_LISTS | {"hmdb51_rgb_train_split_1.txt": "a 3 3\n"},
            "line 1: column 2 is '3', but expected a whole number from 0 to 2",
        ),
        (HMDB_LISTS | {"hmdb51_classInd.txt": "1 a\n3 b\n"}, "does not give its 2 classes the numbers from 1 on"),
        (HMDB_LISTS | {"hmdb51_classInd.txt": "brush_hair\n"}, "has the line 'brush_hair'; expected such as"),
        (
            HMDB_MAKERS_LISTS | {"catch_test_split1.txt": "c_2.avi\n"},
            "the line is 'c_2.avi', but expected .*name.avi 1",
        ),
        (HMDB_MAKERS_LISTS | {"catch_test_split1.txt": "c_2.avi 3\n"}, "expected a whole number from 0 to 2"),
        (
            HMDB_MAKERS_LISTS | {"hmdb51_classInd.txt": "1 brush_hair\n"},
            "catch_test_split1.txt is of 'catch', which is none of the 1 actions",
        ),
    ],
)
def test_wrong_lines_of_hmdb51_are_named(tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        load_annotations("hmdb51", write_files(tmp_path, files))


# UCF101

UCF_LISTS = {
    "classInd.txt": "1 ApplyEyeMakeup\r\n2 Archery\r\n",
    "trainlist01.txt": "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r\nArchery/v_Archery_g08_c01.avi 2\r\n",
    "testlist01.txt": "Archery/v_Archery_g01_c01.avi\r\n",
    "trainlist03.txt": "Archery/v_Archery_g02_c01.avi 2\r\n",
}


@pytest.mark.parametrize("folder", ["ucfTrainTestlist/", ""])
def test_ucf101_as_the_makers_have_it(tmp_path, folder):
    write_files(tmp_path, {f"{folder}{name}": content for name, content in UCF_LISTS.items()})
    rows = read_rows("ucf101", tmp_path, "train")
    assert rows[0] == {
        "video": str(tmp_path / "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi"),
        "question": "A person is doing [MASK]",
        "answer": "ApplyEyeMakeup",
        "label": 0,
        "video_id": "v_ApplyEyeMakeup_g08_c01",
        "sample_id": "train-0",
    }
    assert [row["label"] for row in rows] == [0, 1]
    (row,) = read_rows("ucf101", tmp_path, "test")
    assert (row["video_id"], row["label"]) == ("v_Archery_g01_c01", 1)
    (row,) = read_rows("ucf101", tmp_path, "train", fold=3, vocabulary=["ApplyEyeMakeup", "Archery"])
    assert row["video_id"] == "v_Archery_g02_c01"


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])  # the original's copies carry the names of HMDB51's
def test_ucf101_as_the_original_has_it(tmp_path, name):
    write_files(
        tmp_path,
        {
            f"{name}_classInd.txt": "1 ApplyEyeMakeup\n2 Archery\n",
            f"{name}_rgb_train_split_1.txt": "/x/ucf/v_Archery_g08_c01 120 1\n",
            f"{name}_rgb_val_split_1.txt": "/x/ucf/v_Archery_g01_c01 120 1\n",
        },
    )
    (row,) = read_rows("ucf101", tmp_path, "train")
    assert row["video"] == str(tmp_path / "v_Archery_g08_c01.avi")
    assert (row["label"], row["answer"], row["video_id"]) == (1, "Archery", "v_Archery_g08_c01")
    (row,) = read_rows("ucf101", tmp_path, "test")
    assert row["video_id"] == "v_Archery_g01_c01"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Swing/v_Swing_g01_c01.avi 1", "line 1: the path is 'Swing/.*', whose folder is none of the 2 actions"),
        ("v_Archery_g01_c01.avi 2", "whose folder is none of the 2 actions"),
        ("Archery/v_Archery_g01_c01.avi 1", "the label of 'Archery' is 1, but in the list of classes 2"),
        ("Archery/v_Archery_g01_c01.avi two", "expected a number"),
    ],
)
def test_wrong_lines_of_ucf101_are_named(tmp_path, line, message):
    with pytest.raises(ValueError, match=message):
        load_annotations("ucf101", write_files(tmp_path, UCF_LISTS | {"trainlist01.txt": line}))


@pytest.mark.parametrize("name", ["hmdb51", "ucf101"])
@pytest.mark.parametrize("fold", [0, 4, "1"])
def test_there_are_three_folds(tmp_path, name, fold):
    with pytest.raises(ValueError, match=r"fold is .*; expected 1, 2 or 3"):
        load_annotations(name, tmp_path, fold=fold)
