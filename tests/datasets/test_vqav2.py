# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""VQAv2: soft scores and the vocabulary that they are of."""

from collections import Counter
from functools import partial

import pytest
from annotation_fixtures import read_rows, write_files

from modeling_allinone.datasets import load_annotations, summarize
from modeling_allinone.datasets.readers.vqav2 import normalize_answer, soft_label
from modeling_allinone.datasets.row_transforms import by_row


def annotation(question_id, *answers):
    """Ten people's answers, of which the first is that of most."""
    return {
        "question_id": question_id,
        "image_id": 9,
        "question_type": "what",
        "multiple_choice_answer": answers[0],
        "answers": [
            {"answer": answer, "answer_id": number, "answer_confidence": "yes"}
            for number, answer in enumerate(answers)
        ],
        "answer_type": "other",
    }


def question(question_id, text="What is it?", image_id=9):
    return {"image_id": image_id, "question": text, "question_id": question_id}


TRAIN = [
    annotation(90, *["red"] * 5, *["dark red"] * 3, "pink", "maroon"),
    annotation(91, *["2"] * 8, "two", "1"),
    annotation(92, *["pink"] * 6, *["red"] * 4),
    annotation(93, *["a net"] * 10),
]
VALIDATION = [annotation(70, *["2"] * 4, *["red"] * 2, *["pink"] * 3, ""), annotation(71, *["purple"] * 10)]
ANSWERS = ("red", "2", "pink")  # right at least once, but for "net" and "purple", in the order in which they come


@pytest.fixture
def root(tmp_path):
    questions = {
        "train2014": [question(90, "Which colour?"), question(91), question(92), question(93)],
        "val2014": [question(71, image_id=391895), question(70)],
        "test2015": [question(50, "Who?", 12)],
        "test-dev2015": [question(51, "Who?", 12)],
    }
    files = {
        f"v2_OpenEnded_mscoco_{part}_questions.json": {"info": {}, "questions": entries}
        for part, entries in questions.items()
    }
    files["v2_mscoco_train2014_annotations.json"] = {"info": {}, "annotations": TRAIN}
    files["v2_mscoco_val2014_annotations.json"] = {"info": {}, "annotations": VALIDATION}
    return write_files(tmp_path, files)


def test_rows(root):
    rows = read_rows("vqav2", root, "train", vocabulary=ANSWERS)
    assert rows[0] == {
        "image": str(root / "train2014/COCO_train2014_000000000009.jpg"),
        "question": "Which colour?",
        "answer": "red",
        "label": 0,
        "answers": ["red"] * 5 + ["dark red"] * 3 + ["pink", "maroon"],
        "answer_labels": [0, 2],
        "answer_scores": [1.0, 0.3],
        "video_id": "9",
        "sample_id": "90",
    }
    assert [(row["answer_labels"], row["answer_scores"]) for row in rows[1:]] == [
        ([1], [1.0]),
        ([2, 0], [1.0, 1.0]),
        ([], []),
    ]
    assert rows[3]["label"] == -100


def test_training_split_of_the_original(root):
    """The training split with most of the validation split, and the images that are held out of the latter."""
    options = {"vocabulary": [*ANSWERS, "purple"], "num_held_out_images": 1}
    trained, held_out = (
        read_rows("vqav2", root, split, **options) for split in ("train_and_validation", "rest_validation")
    )
    validation = {row["sample_id"]: row for row in read_rows("vqav2", root, "validation", **options)}
    assert [row["sample_id"] for row in trained[:3]] == ["90", "91", "92"], "question 93 has no answer of these"
    assert len(trained) == 4 and len(held_out) == 1
    assert trained[3]["image"] != held_out[0]["image"]
    assert all(row == validation[row["sample_id"]] for row in (trained[3], held_out[0]))
    held_out = read_rows("vqav2", root, "rest_validation", vocabulary=ANSWERS, num_held_out_images=1)
    assert len(held_out) == 1, "questions without an answer of these are scored, too"
    for number in (0, 2, 0.5):
        with pytest.raises(
            ValueError, match=rf"num_held_out_images is {number}; .* fewer than the 2 images of .*json"
        ):
            load_annotations("vqav2", root, "rest_validation", vocabulary=ANSWERS, num_held_out_images=number)


def test_scores_are_those_of_a_count(root):
    rows = read_rows("vqav2", root, "validation", vocabulary=["red", "2", "pink", "purple"])
    assert [row["sample_id"] for row in rows] == ["71", "70"]  # in the order of the questions
    assert rows[0]["image"].endswith("val2014/COCO_val2014_000000391895.jpg")
    scores = dict(zip(rows[1]["answer_labels"], rows[1]["answer_scores"], strict=True))
    for label, answer in enumerate(["red", "2", "pink"]):
        count = Counter(rows[1]["answers"])[answer]
        assert scores[label] == pytest.approx(min(1, 0.3 * count))
    assert "" in rows[1]["answers"]


def test_label_may_be_the_scores_of_all_answers(root):
    rows = load_annotations("vqav2", root, "validation", vocabulary=["red", "2", "pink", "purple"])
    rows = rows.with_transform(by_row(partial(soft_label, num_answers=4)))
    assert rows["label"][:] == [[0.0, 0.0, 0.0, 1.0], [0.6, 1.0, 0.9, 0.0]]
    row = load_annotations("vqav2", root, "test")[0]
    with pytest.raises(ValueError, match="The answers to question 50 are not public"):
        soft_label(row, num_answers=4)
    with pytest.raises(ValueError, match="num_answers is 3, but a label is 3"):
        soft_label({"answer_labels": [3, 0], "answer_scores": [1.0, 1.0]}, num_answers=3)


def test_vocabulary_is_counted_over_both_splits(root):
    rows = load_annotations("vqav2", root, "validation", min_occurrences=1)
    assert summarize(rows).answers == ("red", "2", "pink", "net", "purple")
    summary = summarize(load_annotations("vqav2", root, "train", min_occurrences=2))
    assert summary.answers == ("2",) and summary.num_outside == 3
    assert "at least 2 questions of the training and validation splits" in summary.answers_origin
    assert {path.rpartition("_")[0].rpartition("/")[2] for path in summary.files} == {
        "v2_OpenEnded_mscoco_train2014",
        "v2_mscoco_train2014",
        "v2_mscoco_val2014",
    }


@pytest.mark.parametrize(("split", "place", "sample_id"), [("test", "test2015", "50"), ("test_dev", "test2015", "51")])
def test_test_splits_have_questions_only(root, split, place, sample_id):
    assert read_rows("vqav2", root, split) == [
        {
            "image": str(root / f"{place}/COCO_{place}_000000000012.jpg"),
            "question": "Who?",
            "video_id": "12",
            "sample_id": sample_id,
        }
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes", "yes"),
        ("The Two dogs.", "2 dogs"),
        ("none", "0"),
        ("a", ""),
        ("black/white", "black white"),
        ("black / white", "black white"),
        ("1,000", "1000"),
        ("1,000-2,000", "10002000"),
        ("t-shirt", "t shirt"),
        ("3.5", "3.5"),
        ("st. bernard", "st bernard"),
        ("dont know", "don't know"),
        ("don't know", "don't know"),
        ("its 5 oclock", "its 5 o'clock"),
        ("hot  dog!", "hot dog"),
        ("(left)", "left"),
        ("5:30", "5:30"),
    ],
)
def test_answers_are_normalised_as_the_challenge_does(answer, expected):
    assert normalize_answer(answer) == expected


def test_question_without_annotation_is_named(root):
    write_files(root, {"v2_mscoco_train2014_annotations.json": {"annotations": TRAIN[:3]}})
    with pytest.raises(ValueError, match=r"questions, entry 4: question 93 has no annotation in .*train2014_annot"):
        load_annotations("vqav2", root, "train", vocabulary=ANSWERS)


@pytest.mark.parametrize("count", [0, -1, 2.5, True])
def test_occurrences_are_a_whole_number(root, count):
    with pytest.raises(ValueError, match=r"min_occurrences is .*; expected a whole number from 1"):
        load_annotations("vqav2", root, "train", min_occurrences=count)


def test_too_few_occurrences_leave_no_vocabulary(root):
    with pytest.raises(ValueError, match="at least 9 questions of the training and validation splits has no answers"):
        load_annotations("vqav2", root, "train")


def test_wrong_answers_are_named(root):
    wrong = [TRAIN[0] | {"answers": ["red"]}]
    write_files(root, {"v2_mscoco_train2014_annotations.json": {"annotations": wrong}})
    with pytest.raises(
        ValueError, match=r"annotations, entry 1: field 'answers' is \['red'\], but expected a list of"
    ):
        load_annotations("vqav2", root, "train", vocabulary=ANSWERS)
