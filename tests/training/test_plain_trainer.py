# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""transformers' own Trainer with the collators here: it trains, or says which of its defaults is in the way."""

import math

import numpy as np
import pytest
from datasets import Dataset
from transformers import Trainer, TrainingArguments

from modeling_allinone import (
    AllInOneForMultipleChoice,
    AllInOneForPairedVisualReasoning,
    AllInOneForPreTraining,
    AllInOneForVideoClassification,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    AllInOneForVisualCommonsenseReasoning,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.data.collators import (
    MultipleChoiceCollator,
    PairedReasoningCollator,
    VideoClassificationCollator,
    VideoQuestionAnsweringCollator,
    VideoTextRetrievalCollator,
    VisualCommonsenseCollator,
)
from modeling_allinone.data.pretraining_collators import PairedCollator, PreTrainingCollator
from modeling_allinone.data.video_dataset import PairedDataset, VideoDataset
from modeling_allinone.datasets import load_moving_shapes, train_tokenizer, write_moving_shapes

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")

TEXTS = ("red square", "blue circle", "green square", "red circle")
OBJECTIVES = ("masked_lm", "matching", "contrastive", "clip_order", "masked_patches")
CHOICES = {"options": ["red", "blue"], "rationales": ["square", "circle"], "label": 1, "rationale_label": 0}
SKIPPING = {"num_labels": 3, "on_decode_error": "skip"}
# Head, collator, its options, and what rows have beside the clip.
TASKS = {
    "answers": (AllInOneForVideoQuestionAnswering, VideoQuestionAnsweringCollator, {"num_labels": 3}, {"label": 2}),
    "classes": (AllInOneForVideoClassification, VideoClassificationCollator, SKIPPING, {"label": 2}),
    "choices": (AllInOneForMultipleChoice, MultipleChoiceCollator, {}, CHOICES),
    "captions": (AllInOneForMultipleChoice, MultipleChoiceCollator, {"negatives": TEXTS, "num_options": 3}, {}),
    "pairs": (AllInOneForPairedVisualReasoning, PairedReasoningCollator, {}, {"label": 1}),
    "commonsense": (AllInOneForVisualCommonsenseReasoning, VisualCommonsenseCollator, {}, CHOICES),
    "retrieval": (AllInOneForVideoTextRetrieval, VideoTextRetrievalCollator, {}, {}),
    "ranking": (
        AllInOneForVideoTextRetrieval,
        VideoTextRetrievalCollator,
        {"negatives": TEXTS, "num_negatives": 2},
        {},
    ),
    "pretraining": (AllInOneForPreTraining, PreTrainingCollator, {"objectives": OBJECTIVES, "patch_size": 8}, {}),
}


@pytest.fixture(scope="module")
def processor():
    return AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), train_tokenizer(TEXTS))


def make_rows(task: str) -> list[dict]:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32, 3), dtype=np.uint8)
    rows = []
    for text, clip in zip(TEXTS, pixels, strict=True):
        media = {"pairs": {"images": list(clip[:2])}, "commonsense": {"image": clip[0]}}.get(task, {"video": clip})
        rows.append(media | TASKS[task][3] | ({} if task == "classes" else {"question": text, "caption": text}))
    return rows


@pytest.fixture
def make_trainer(tiny_config, processor, tmp_path):
    """Make a plain Trainer of a task; keywords are arguments of training."""

    def make(task: str, rows, **arguments) -> Trainer:
        model_class, collator_class, options, _ = TASKS[task]
        config = tiny_config(num_labels=3, num_frames=3, projection_dim=8, pretraining_objectives=list(OBJECTIVES))
        return Trainer(
            model_class(config),
            TrainingArguments(tmp_path, max_steps=1, use_cpu=True, disable_tqdm=True, **arguments),
            collator_class(processor, **options),
            train_dataset=rows,
            eval_dataset=rows,
        )

    return make


@pytest.mark.parametrize("task", TASKS)
def test_default_arguments_are_answered_in_words(make_trainer, task):
    rows = make_rows(task)
    media = {name: "clip.mp4" for name in rows[0] if name in ("video", "image")}
    of_library = Dataset.from_list([{name: row[name] for name in row if name != "images"} | media for row in rows])
    for given in (rows, VideoDataset(rows), of_library):
        with pytest.raises(ValueError, match="remove_unused_columns=False"):
            make_trainer(task, given).train()


@pytest.mark.parametrize("task", TASKS)
def test_the_plain_trainer_trains_and_evaluates(make_trainer, task):
    arguments = {"remove_unused_columns": False, "per_device_train_batch_size": 2}
    trainer = make_trainer(task, VideoDataset(make_rows(task)), **arguments)
    assert trainer.train().training_loss > 0
    assert math.isfinite(trainer.evaluate()["eval_loss"])


def test_rows_of_datasets_train(make_trainer, tmp_path, own_cache):
    folder = write_moving_shapes(tmp_path / "shapes", 2, "validation").parent
    rows = load_moving_shapes(folder, "validation", "retrieval")
    assert isinstance(rows, Dataset)
    trainer = make_trainer("retrieval", rows, remove_unused_columns=False)
    assert trainer.train().training_loss > 0


def test_clips_beside_images_have_columns(processor):
    collate = PairedCollator(*(PreTrainingCollator(processor) for _ in range(2)))
    rows = PairedDataset(*(VideoDataset(make_rows("pretraining")) for _ in range(2)))
    assert set(collate([rows[0]])) == {"video", "image"}
    with pytest.raises(
        ValueError, match=r"A row has no video and no image; it has \[\]. .* remove_unused_columns=False"
    ):
        collate([{}])
