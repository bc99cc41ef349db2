# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""VCR: what is written of objects, and which of them are painted."""

import json

import numpy as np
import pytest
from annotation_fixtures import read_rows, write_files
from PIL import Image
from transformers import BertTokenizer

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.collators import VisualCommonsenseCollator
from modeling_allinone.datasets import load_annotations, summarize
from modeling_allinone.datasets.object_painting import OBJECT_COLOURS, paint_boxes
from modeling_allinone.datasets.readers.vcr import paint_objects
from modeling_allinone.datasets.row_transforms import by_row

NAMES = ["person", "person", "car", "dog", "chair"]
BOXES = [[10 * number, 5, 10 * number + 30.5, 60, 0.9] for number in range(5)]
ITEM = {
    "movie": "3015_CHARLIE_ST_CLOUD",
    "objects": NAMES,
    "img_fn": "film/still@0.jpg",
    "metadata_fn": "film/still@0.json",
    "question": ["Does", [3], "like", [1, 0], "?"],
    "answer_choices": [
        ["Yes", ",", [3], "does", "."],
        ["No", "."],
        [[1], "does", "not", "care", "."],
        ["Only", [4], "."],
    ],
    "answer_label": 2,
    "rationale_choices": [
        ["There", "is", "snow", "."],
        [[0, 1], "look", "away", "."],
        [[2], "is", "near", "."],
        ["It", "wags", "."],
    ],
    "rationale_label": 1,
    "annot_id": "train-0",
}
NUMBERS = {3: 0, 1: 1, 0: 2, 4: 3, 2: 4}  # in the order of question, answers, rationales


def put_item(root, folder="", **changes):
    item = ITEM | changes
    files = {
        f"{folder}train.jsonl": [item],
        "vcr1images/film/still@0.json": {"names": NAMES, "boxes": BOXES, "segms": [], "width": 90, "height": 80},
    }
    write_files(root, files)
    pixels = np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / "vcr1images/film/still@0.jpg", quality=95)
    return root


def write_as_the_original(tokens):
    text = ""
    for token in tokens:
        if isinstance(token, list):
            for index in token:
                text += " " + NAMES[index] + " " + str(NUMBERS[index])
        else:
            text += " " + token
    return text


QUESTION = "Does dog 0 like person 1 person 2 ?"


@pytest.mark.parametrize("folder", ["", "vcr1annots/"])
def test_rows(tmp_path, folder):
    assert read_rows("vcr", put_item(tmp_path, folder), "train", on_missing_video="raise") == [
        {
            "image": str(tmp_path / "vcr1images/film/still@0.jpg"),
            "question": QUESTION,
            "options": [
                f"{QUESTION}[SEP] Yes , dog 0 does .",
                f"{QUESTION}[SEP] No .",
                f"{QUESTION}[SEP] person 1 does not care .",
                f"{QUESTION}[SEP] Only chair 3 .",
            ],
            "answer": "person 1 does not care .",
            "label": 2,
            "rationales": [
                f"{QUESTION} person 1 does not care .[SEP] There is snow .",
                f"{QUESTION} person 1 does not care .[SEP] person 2 person 1 look away .",
                f"{QUESTION} person 1 does not care .[SEP] car 4 is near .",
                f"{QUESTION} person 1 does not care .[SEP] It wags .",
            ],
            "rationale_label": 1,
            "boxes": [side for index in NUMBERS for side in BOXES[index][:4]],
            "video_id": "film/still@0.jpg",
            "sample_id": "train-0",
        }
    ]


def test_texts_are_those_of_the_original_but_for_the_space_before_them(tmp_path):
    put_item(tmp_path)
    question = write_as_the_original(ITEM["question"])
    answers = [write_as_the_original(answer) for answer in ITEM["answer_choices"]]
    rationales = [write_as_the_original(rationale) for rationale in ITEM["rationale_choices"]]
    (row,) = read_rows("vcr", tmp_path, "train")
    assert [" " + text for text in row["options"]] == [question + "[SEP]" + answer for answer in answers]
    assert [" " + text for text in row["rationales"]] == [
        question + answers[2] + "[SEP]" + rationale for rationale in rationales
    ]
    spelling = {"answer_separator": "answer question: ", "rationale_separator": "provide rationale: "}
    (row,) = read_rows("vcr", tmp_path, "train", explained_answer=0, ending="[END]", **spelling)
    assert " " + row["options"][1] == question + "answer question: " + answers[1] + "[END]"
    assert " " + row["rationales"][3] == question + answers[0] + "provide rationale: " + rationales[3] + "[END]"
    assert row["label"] == 2 and row["answer"] == answers[2].strip()


def test_labels_of_the_test_split_are_not_public(tmp_path):
    item = {name: value for name, value in ITEM.items() if name not in ("answer_label", "rationale_label")}
    write_files(put_item(tmp_path), {"test.jsonl": [item]})
    row = load_annotations("vcr", tmp_path, "test")[0]
    assert row["label"] is row["answer"] is row["rationale_label"] is row["rationales"] is None
    assert len(row["options"]) == 4
    row = load_annotations("vcr", tmp_path, "test", explained_answer=1)[0]
    assert row["label"] is None and row["rationales"][0] == f"{QUESTION} No .[SEP] There is snow ."
    with pytest.raises(ValueError, match=r"explained_answer is 4; expected a number from 0 to 3"):
        load_annotations("vcr", tmp_path, "test", explained_answer=4)


def test_rows_make_batches(tmp_path):
    rows = load_annotations("vcr", put_item(tmp_path), "train").with_transform(by_row(paint_objects))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "does", "dog", "0", "?", "no", "."]
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(words)}, model_max_length=40)
    processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=1), tokenizer)
    batch = VisualCommonsenseCollator(processor)([rows[0], rows[0]])
    assert batch["answer_input_ids"].shape[:2] == batch["rationale_input_ids"].shape[:2] == (2, 4)
    assert batch["pixel_values"].shape == (2, 1, 3, 224, 224)
    assert batch["answer_labels"].tolist() == [2, 2] and batch["rationale_labels"].tolist() == [1, 1]
    assert tokenizer.decode(batch["answer_input_ids"][0, 1]).count("[SEP]") == 2


def test_mentioned_objects_are_painted_in_the_order_of_their_numbers(tmp_path):
    rows = load_annotations("vcr", put_item(tmp_path), "train")
    with Image.open(tmp_path / "vcr1images/film/still@0.jpg") as file:
        image = np.array(file)
    painted = rows.with_transform(by_row(paint_objects))[0]["image"]
    np.testing.assert_array_equal(painted, paint_boxes(image, [BOXES[index] for index in NUMBERS]))
    assert painted[5, 62].tolist() == OBJECT_COLOURS[3].tolist()  # the chair, which is mentioned fourth
    blue_first = paint_objects(rows[0], channel_order="bgr")["image"]
    np.testing.assert_array_equal(blue_first, paint_boxes(image[..., ::-1], [BOXES[index] for index in NUMBERS]))
    assert blue_first[5, 62].tolist() == OBJECT_COLOURS[3].tolist()
    with pytest.raises(ValueError, match="channel_order is 'BGR'; expected 'rgb' or 'bgr'"):
        paint_objects(rows[0], channel_order="BGR")


def test_item_without_objects_is_not_painted(tmp_path):
    plain = [["No", "."]] * 4
    put_item(tmp_path, question=["Why", "?"], answer_choices=plain, rationale_choices=plain)
    row = load_annotations("vcr", tmp_path, "train")[0]
    assert row["boxes"] == []
    with Image.open(row["image"]) as file:
        np.testing.assert_array_equal(paint_objects(row)["image"], np.array(file))


def test_without_metadata_objects_have_names_but_no_places(tmp_path):
    put_item(tmp_path)
    (tmp_path / "vcr1images/film/still@0.json").unlink()
    rows = load_annotations("vcr", tmp_path, "train")
    assert rows[0]["question"] == "Does dog 0 like person 1 person 2 ?" and rows[0]["boxes"] is None
    assert summarize(rows).remarks == ("1 images have no metadata: their objects cannot be painted",)
    with pytest.raises(ValueError, match=r"The metadata of .*still@0\.jpg was missing, so its objects"):
        paint_objects(rows[0])


def test_without_metadata_the_annotation_has_to_name_the_objects(tmp_path):
    put_item(tmp_path, objects=None)
    (tmp_path / "vcr1images/film/still@0.json").unlink()
    with pytest.raises(ValueError, match="line 1: field 'objects' is null"):
        load_annotations("vcr", tmp_path, "train")
    plain = [["No", "."]] * 4
    write_files(
        tmp_path,
        {
            "val.jsonl": [
                ITEM | {"objects": [], "question": ["?"], "answer_choices": plain, "rationale_choices": plain}
            ]
        },
    )
    assert load_annotations("vcr", tmp_path, "validation")[0]["question"] == "?"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"question": "Why?"}, "line 1: field 'question' has 'Why\\?', but expected a list of words"),
        ({"question": ["Is", 3]}, "field 'question' has 3, but expected a word or a list of objects"),
        ({"question": ["Is", ["3"]]}, r"field 'question' has \['3'\], but expected a word or a list"),
        ({"question": ["Is", [5]]}, "field 'question' speaks of object 5, but there are 5, from 0"),
        ({"question": ["Is", [-1]]}, "field 'question' speaks of object -1"),
        ({"answer_choices": [["No"]] * 3}, "field 'answer_choices' is .*, but expected 4 texts"),
        ({"rationale_choices": None}, "field 'rationale_choices' is null"),
        ({"answer_label": 4}, "field 'answer_label' is 4, but expected a whole number from 0 to 3"),
        ({"question": ["\ud800"]}, "line 1: field 'text' holds .*, which is no valid Unicode"),
        ({"annot_id": ""}, "field 'annot_id' holds empty text"),
    ],
)
def test_wrong_item_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_annotations("vcr", put_item(tmp_path, **changes), "train")


@pytest.mark.parametrize(
    "metadata",
    [
        {"names": NAMES, "boxes": BOXES[:4]},
        {"names": NAMES, "boxes": [[1, 2, 3]] * 5},
        {"names": NAMES, "boxes": [[1, 2, "3", 4]] * 5},
        {"names": NAMES},
        {"boxes": BOXES},
        [NAMES, BOXES],
    ],
    ids=["too few boxes", "three sides", "text", "no boxes", "no names", "a list"],
)
def test_wrong_metadata_is_named(tmp_path, metadata):
    put_item(tmp_path)
    (tmp_path / "vcr1images/film/still@0.json").write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=r"still@0\.json"):
        load_annotations("vcr", tmp_path, "train")
