# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Collators on decoded frames and real files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.collators import (
    PairedReasoningCollator,
    VideoClassificationCollator,
    VideoQuestionAnsweringCollator,
    VideoTextRetrievalCollator,
    VisualCommonsenseCollator,
)
from modeling_allinone.datasets import answer_vocabulary, load_moving_shapes, train_tokenizer, write_moving_shapes
from modeling_allinone.datasets.object_painting import paint_boxes

NUM_ANSWERS = len(answer_vocabulary("easy"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    write_moving_shapes(root, num_clips=3)
    return load_moving_shapes(root)


@pytest.fixture(scope="module")
def processor(rows):
    return AllInOneProcessor(
        AllInOneVideoProcessor(num_frames=4, size=32, crop_size=32), train_tokenizer(rows["question"])
    )


def test_rows_make_a_batch(rows, processor):
    batch = VideoQuestionAnsweringCollator(processor, NUM_ANSWERS)([rows[0], rows[5]])
    assert batch["pixel_values"].shape == (2, 4, 3, 32, 32)
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    assert batch["labels"].tolist() == [rows[0]["label"], rows[5]["label"]]
    expected = processor(text=rows[5]["question"], videos=rows[5]["video"])
    assert torch.equal(batch["pixel_values"][1], expected["pixel_values"][0])


def test_options_reach_the_video_processor(rows, processor):
    options = {"num_frames": 1, "frame_sampling": "random"}
    batch = VideoQuestionAnsweringCollator(processor, NUM_ANSWERS, video_options=options)([rows[0]] * 8)
    assert batch["pixel_values"].shape == (8, 1, 3, 32, 32)
    assert len({float(frame.sum()) for frame in batch["pixel_values"]}) > 1, "each row draws its own frame"


def test_frames_window_and_soft_labels(rows, processor):
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    scores = [0.0] * NUM_ANSWERS
    row = {"video": frames, "question": "which shape is shown?", "label": scores}
    batch = VideoQuestionAnsweringCollator(processor, NUM_ANSWERS)([row])
    assert batch["labels"].shape == (1, NUM_ANSWERS) and batch["labels"].is_floating_point()
    early, late = (
        VideoQuestionAnsweringCollator(processor, NUM_ANSWERS)([{**rows[0], "start": start, "end": start + 1}])
        for start in (0.0, 1.0)
    )
    assert not torch.equal(early["pixel_values"], late["pixel_values"])
    assert "labels" not in VideoQuestionAnsweringCollator(processor, NUM_ANSWERS)([{**rows[0], "label": None}])


@pytest.mark.parametrize(
    ("change", "message"),
    (
        ({"video": None}, "A row has no video; it has"),
        ({"question": None, "video": None}, "A row has no question; it has"),
        ({"label": NUM_ANSWERS}, f"is {NUM_ANSWERS}, but expected an answer from 0 to {NUM_ANSWERS - 1}, or -100"),
        ({"label": [0.5, 0.5]}, rf"shape \(1, 2\) and type torch.float32, but expected an index or {NUM_ANSWERS} sc"),
        ({"label": [2.0] * NUM_ANSWERS}, "but soft labels are scores from 0 to 1"),
        ({"label": "red"}, "labels are str of different shape; expected indices or scores"),
    ),
)
def test_collator_names_what_is_wrong(rows, processor, change, message):
    with pytest.raises(ValueError, match=message):
        VideoQuestionAnsweringCollator(processor, NUM_ANSWERS)([{**rows[0], **change}])


def test_collator_wants_labels_for_all_rows_or_none(rows, processor):
    with pytest.raises(ValueError, match="1 of 2 rows have no label; give all rows one or none"):
        VideoQuestionAnsweringCollator(processor, NUM_ANSWERS)([rows[0], {**rows[1], "label": None}])


class TestClassification:
    def test_prompts_are_those_of_rows_or_one_for_all(self, rows, processor):
        rows = [{**rows[0], "question": "what colour?", "label": 3}, {**rows[1], "question": "which?", "label": 0}]
        batch = VideoClassificationCollator(processor, 6)(rows)
        expected = processor(text=["what colour?", "which?"])["input_ids"]
        assert torch.equal(batch["input_ids"], expected) and batch["labels"].tolist() == [3, 0]
        batch = VideoClassificationCollator(processor, 6, prompt="which way?")(rows)
        assert torch.equal(batch["input_ids"], processor(text=["which way?"] * 2)["input_ids"])
        without = [{**row, "question": None} for row in rows]
        assert "input_ids" not in VideoClassificationCollator(processor, 6)(without)
        with pytest.raises(ValueError, match="A row has no question"):
            VideoClassificationCollator(processor, 6)([rows[0], without[1]])

    def test_views_have_an_axis_of_their_own(self, rows, processor):
        collate = VideoClassificationCollator(processor, 6, video_options={"num_views": 3})
        pixel_values = collate([{**rows[0], "label": 1}, {**rows[5], "label": 2}])["pixel_values"]
        assert pixel_values.shape == (2, 3, 4, 3, 32, 32)
        expected = processor(videos=[rows[0]["video"], rows[5]["video"]], num_views=3)["pixel_values"]
        assert torch.equal(pixel_values.flatten(0, 1), expected)


class TestVisualCommonsense:
    @pytest.fixture
    def row(self, tmp_path):
        pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "still.png")
        return {
            "image": str(tmp_path / "still.png"),
            "boxes": [5.0, 5.0, 30.0, 30.0, 20.0, 10.0, 50.0, 35.0],
            "options": [f"which colour?[SEP] colour {number}" for number in range(4)],
            "label": 2,
            "rationales": [f"which colour? red[SEP] shape {number}" for number in range(3)],
            "rationale_label": 0,
            "sample_id": "val-7",
        }

    def test_texts_labels_and_painted_objects(self, row, processor):
        batch = VisualCommonsenseCollator(processor)([row, {**row, "label": 1}])
        assert torch.equal(batch["answer_input_ids"], processor(text=[row["options"]] * 2)["input_ids"])
        assert torch.equal(batch["rationale_input_ids"], processor(text=[row["rationales"]] * 2)["input_ids"])
        assert batch["answer_labels"].tolist() == [2, 1] and batch["rationale_labels"].tolist() == [0, 0]
        with Image.open(row["image"]) as image:
            painted = paint_boxes(image, np.reshape(row["boxes"], (2, 4)))
        assert torch.equal(batch["pixel_values"][0], processor(images=painted)["pixel_values"][0])
        plain = VisualCommonsenseCollator(processor, paints_objects=False)([row])["pixel_values"]
        assert torch.equal(plain[0], processor(images=row["image"])["pixel_values"][0])
        assert not torch.equal(plain[0], batch["pixel_values"][0])

    def test_images_in_rows_of_datasets_are_painted(self, row, processor):
        collate, data = VisualCommonsenseCollator(processor), Path(row["image"]).read_bytes()
        expected = collate([row])["pixel_values"]
        for image in [data, {"path": row["image"], "bytes": None}, {"path": "a.jpg", "bytes": data}]:
            assert torch.equal(collate([{**row, "image": image}])["pixel_values"], expected)
        assert torch.equal(collate([{**row, "image": f"file://{row['image']}"}])["pixel_values"], expected)

    def test_pixels_are_not_painted(self, row, processor):
        grey = np.full((40, 60, 3), 128, dtype=np.uint8)
        batch = VisualCommonsenseCollator(processor)([{**row, "image": grey}])
        assert torch.equal(batch["pixel_values"], processor(images=[grey])["pixel_values"])

    def test_objects_without_places_count_as_an_image_that_cannot_be_read(self, row, processor, tmp_path):
        rows = [{**row, "boxes": None}, row]
        with pytest.raises(ValueError, match="so its objects cannot be painted") as raised:
            VisualCommonsenseCollator(processor)(rows)
        assert raised.value.__notes__ == [f"The clip is {row['image']} (sample val-7)."]
        collate = VisualCommonsenseCollator(processor, on_decode_error="skip", skipped_file=tmp_path / "skipped")
        batch = collate(rows)
        assert batch["answer_labels"].tolist() == [-100, 2] and batch["rationale_labels"].tolist() == [-100, 0]
        assert (batch["pixel_values"][0] == 0).all()

    def test_rows_need_rationales(self, row, processor):
        with pytest.raises(ValueError, match="A row has no rationales"):
            VisualCommonsenseCollator(processor)([{**row, "rationales": None}])

    def test_images_are_cropped_at_random_in_training_as_they_are_drawn(self, row, processor):
        collate = VisualCommonsenseCollator(processor, video_options={"do_random_crop": True})
        crops = [collate([{**row, "draw": draw}])["pixel_values"] for draw in (0, 0, 1, 2, 3)]
        assert torch.equal(crops[0], crops[1]) and any(not torch.equal(crops[0], crop) for crop in crops[2:])


class TestPairedReasoning:
    def test_left_then_right(self, processor):
        left, right = (np.full((40, 60, 3), level, dtype=np.uint8) for level in (50, 200))
        row = {"images": [left, right], "question": "which colour?", "label": 1}
        batch = PairedReasoningCollator(processor)([row, {**row, "images": [right, left], "label": 0}])
        assert batch["pixel_values"].shape == (2, 2, 1, 3, 32, 32) and batch["labels"].tolist() == [1, 0]
        assert torch.equal(batch["pixel_values"][0], batch["pixel_values"][1].flip(0))
        assert torch.equal(batch["pixel_values"][0, 1], processor(images=[right])["pixel_values"][0])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"images": None}, "A row has no images"),
            ({"images": ["a.png"] * 3}, "'which colour[?]' is about 3 images; expected two"),
            ({"question": None}, "A row has no question"),
            ({"label": 2}, "is 2, but expected an answer from 0 to 1, or -100"),
        ],
    )
    def test_bad_rows_are_named(self, processor, change, message):
        image = np.zeros((40, 60, 3), dtype=np.uint8)
        row = {"images": [image, image], "question": "which colour?", "label": 1}
        with pytest.raises(ValueError, match=message):
            PairedReasoningCollator(processor)([{**row, **change}])


def test_collator_draws_wrong_captions(processor, rows):
    captions = ["a", "b", "c"]
    collate = VideoTextRetrievalCollator(processor, negatives=captions, num_negatives=5)
    row = rows[0] | {"caption": None, "captions": ["a", "b"], "draw": 3}
    batch = collate([row])
    assert batch["candidate_input_ids"].shape[:2] == (1, 6)
    right, *wrong = batch["candidate_input_ids"][0].tolist()
    assert right in processor(text=["a", "b"])["input_ids"].tolist()
    assert wrong == processor(text=["c"] * 5)["input_ids"].tolist()
    assert torch.equal(collate([row])["candidate_input_ids"], batch["candidate_input_ids"]), "as `draw` says"
    with pytest.raises(ValueError, match=r"hardly any is wrong for the clip of"):
        collate([row | {"captions": captions}])
