"""Collators on decoded frames and real files."""

import numpy as np
import pytest
import torch

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.collators import VideoQuestionAnsweringCollator
from modeling_allinone.datasets import answer_vocabulary, load_moving_shapes, train_tokenizer, write_moving_shapes

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
