# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The pre-trained checkpoint in examples/checkpoints: small, whole, and able to do what its card says."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForPreTraining,
    AutoModelForVisualQuestionAnswering,
    AutoProcessor,
)

from modeling_allinone import AllInOneForVideoTextRetrieval
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes

CHECKPOINT = Path(__file__).parents[2] / "examples" / "checkpoints" / "moving-shapes"
LARGEST_SIZE = 4 * 2**20  # bytes


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(CHECKPOINT)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Clips that the model was not trained on: of another seed."""
    folder = tmp_path_factory.mktemp("corpus")
    write_moving_shapes(folder, 40, "test", seed=1)
    return load_moving_shapes(folder, "test", "multiple-choice")


def test_is_small_and_whole():
    assert sum(path.stat().st_size for path in CHECKPOINT.iterdir()) <= LARGEST_SIZE
    model, info = AutoModelForPreTraining.from_pretrained(CHECKPOINT, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    assert model.config.temporal_mixing == "token_roll"
    assert "Pre-trained" in (CHECKPOINT / "README.md").read_text(encoding="utf-8")


def test_names_the_package_as_saved_models_do(tmp_path):
    AutoModelForPreTraining.from_pretrained(CHECKPOINT).save_pretrained(tmp_path)
    AutoProcessor.from_pretrained(CHECKPOINT).save_pretrained(tmp_path)
    (loader,) = tmp_path.glob("*.py")
    assert loader.read_text(encoding="utf-8") == (CHECKPOINT / loader.name).read_text(encoding="utf-8")
    for name in ("config.json", "processor_config.json"):
        saved, shipped = (json.loads((folder / name).read_text(encoding="utf-8")) for folder in (tmp_path, CHECKPOINT))
        assert saved["auto_map"] == shipped["auto_map"], name


@torch.inference_mode()
def test_fills_in_what_only_the_clip_tells(rows, processor):
    model = AutoModelForMaskedLM.from_pretrained(CHECKPOINT).eval()
    is_right, is_right_blank = [], []
    for row in rows:
        words = row["caption"].split()
        place = next((number for number, word in enumerate(words) if word in ("top", "bottom", "left", "right")), None)
        if place is None or "moves" in words:
            continue
        inputs = processor(text=" ".join([*words[:place], "[MASK]", *words[place + 1 :]]), videos=row["video"])
        [answer] = processor.tokenizer(words[place], add_special_tokens=False).input_ids
        is_mask = inputs["input_ids"] == processor.tokenizer.mask_token_id
        for told, pixel_values in (
            (is_right, inputs["pixel_values"]),
            (is_right_blank, torch.zeros_like(inputs["pixel_values"])),
        ):
            logits = model(**{**inputs, "pixel_values": pixel_values}).logits
            told.append(int(logits[is_mask].argmax()) == answer)
    assert len(is_right) > 20
    assert sum(is_right) >= 0.95 * len(is_right)
    assert sum(is_right_blank) <= 0.8 * len(is_right)


@torch.inference_mode()
def test_chooses_captions_without_fine_tuning(rows, processor):
    model = AutoModelForMultipleChoice.from_pretrained(CHECKPOINT).eval()
    inputs = processor(text=rows["options"], videos=rows["video"])
    chosen = model(**inputs).logits.argmax(dim=1)
    assert (chosen == torch.tensor(list(rows["label"]))).float().mean() >= 0.7  # a fifth by chance


@torch.inference_mode()
def test_finds_clips_by_text_without_fine_tuning(rows, processor):
    model = AllInOneForVideoTextRetrieval.from_pretrained(CHECKPOINT, use_pair_scorer=False).eval()
    distinct = list({row["caption"]: row for row in rows}.values())
    inputs = processor(text=[row["caption"] for row in distinct], videos=[row["video"] for row in distinct])
    found = model(**inputs).similarities.argmax(dim=1)
    assert (found == torch.arange(len(distinct))).float().mean() >= 0.8


def test_starts_a_task_with_a_new_head():
    _, info = AutoModelForVisualQuestionAnswering.from_pretrained(
        CHECKPOINT, id2label={0: "yes", 1: "no"}, output_loading_info=True
    )
    assert info["missing_keys"] and all(name.startswith("classifier.") for name in info["missing_keys"])


def test_results_stand_beside_those_of_blank_video():
    results = json.loads((CHECKPOINT / "results.json").read_text(encoding="utf-8"))
    for name in ("zero_shot_multiple_choice_accuracy", "mlm_watched_accuracy"):
        assert results["scores"][name] > results["blank_video"][name] + 0.3
