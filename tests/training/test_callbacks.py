# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Callbacks of pre-training: pictures of alignment, at every evaluation, of what can be drawn."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from modeling_allinone import AllInOneForPreTraining, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.pretraining_collators import PreTrainingCollator
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.data.video_loading import VideoLoader
from modeling_allinone.datasets import load_moving_shapes, train_tokenizer, write_moving_shapes
from modeling_allinone.evaluation.zero_shot import ZeroShotEvaluator
from modeling_allinone.training.callbacks import AlignmentCallback
from modeling_allinone.training.pretraining_arguments import PreTrainingArguments
from modeling_allinone.training.pretraining_trainer import PreTrainingTrainer

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = write_moving_shapes(tmp_path_factory.mktemp("shapes"), 12, "validation").parent
    return load_moving_shapes(folder, "validation", "retrieval")


@pytest.fixture(scope="module")
def processor(rows):
    tokenizer = train_tokenizer(rows)
    tokenizer.model_max_length = 16
    return AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer)


@pytest.fixture
def make_trainer(tiny_config, processor, rows, tmp_path):
    """Make a trainer of a tiny model that evaluates at every step."""

    def make(objectives=("masked_lm", "matching", "contrastive"), eval_rows=rows, evaluated=None, **arguments):
        sizes = {"num_frames": 3, "projection_dim": 8, "vocab_size": len(processor.tokenizer)}
        model = AllInOneForPreTraining(tiny_config(pretraining_objectives=list(objectives), **sizes))
        collator = PreTrainingCollator(processor, objectives=objectives, patch_size=8)
        defaults = {"max_steps": 2, "eval_strategy": "steps", "eval_steps": 1, "logging_steps": 1, "use_cpu": True}
        defaults |= {"save_strategy": "no", "disable_tqdm": True, "report_to": "none"}
        return PreTrainingTrainer(
            model,
            PreTrainingArguments(str(tmp_path / "output"), **{**defaults, **arguments}),
            objectives=dict.fromkeys(objectives, 1.0),
            data_collator=collator,
            eval_collator=collator,
            train_dataset=VideoDataset(rows),
            eval_dataset=VideoDataset(eval_rows),
            processing_class=processor,
            **(evaluated or {}),
        )

    return make


@pytest.mark.grad
@pytest.mark.parametrize("options", ({}, {"bf16": True}))
def test_every_evaluation_scores_the_weights_of_that_moment(make_trainer, processor, rows, options):
    zero_shot = ZeroShotEvaluator({"retrieval": rows})
    trainer = make_trainer(evaluated={"zero_shot": zero_shot}, learning_rate=0.01, **options)
    trainer.train()
    entries = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    assert len(entries) == 2 and all("eval_zero_shot_text_to_video_recall_at_1" in entry for entry in entries)
    if not options:
        expected = zero_shot.evaluate(trainer.model, VideoLoader(processor))
        assert {f"eval_{name}": value for name, value in expected.items()}.items() <= entries[1].items()
    blank = trainer.predict(VideoDataset(rows, is_blank=True), metric_key_prefix="blank").metrics
    assert blank["blank_zero_shot_text_to_video_recall_at_1"] == 0


@pytest.mark.grad
def test_a_picture_is_drawn_at_every_evaluation(make_trainer, tmp_path):
    trainer = make_trainer(evaluated={"num_alignment_rows": 1}, report_to="tensorboard", max_steps=3, eval_steps=2)
    trainer.train()
    trainer.evaluate()
    pictures = sorted((tmp_path / "output" / "alignment").iterdir())
    assert [picture.name for picture in pictures] == ["step-000002.png", "step-000003.png"]
    (folder,) = (tmp_path / "output" / "runs").iterdir()
    log = EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()
    shown = log.Images("eval/alignment")
    with Image.open(pictures[0]) as picture:
        assert picture.mode == "RGB" and picture.width > 300 and np.asarray(picture).std() > 10
        assert (shown[0].step, shown[0].width, shown[0].height) == (2, *picture.size)
    assert {"train/mlm_loss", "train/grad_norm", "train/clips_per_second", "eval/matching_loss"} <= set(
        log.Tags()["scalars"]
    )


# What a run shows that trains two steps with a picture at the second, and then is scored, and scored without seeing.
SHOWN = ("eval/loss", "eval/zero_shot_text_to_video_recall_at_1", "test/zero_shot_text_to_video_recall_at_1")
CONTROL = "test/blank_zero_shot_text_to_video_recall_at_1"


@pytest.fixture
def run_and_score(make_trainer, rows, tmp_path):
    """Make such a run, reported to a tracker; returns its picture, and its scores by name."""

    def make(tracker: str) -> tuple[np.ndarray, dict[str, float]]:
        evaluated = {"num_alignment_rows": 1, "zero_shot": ZeroShotEvaluator({"retrieval": rows})}
        trainer = make_trainer(evaluated=evaluated, report_to=tracker, eval_steps=2)
        trainer.train()
        scores = {name: value for entry in trainer.state.log_history for name, value in entry.items()}
        for is_blank, prefix in ((False, "test"), (True, "test_blank")):
            scores |= trainer.predict(VideoDataset(rows, is_blank=is_blank), metric_key_prefix=prefix).metrics
        with Image.open(tmp_path / "output" / "alignment" / "step-000002.png") as picture:
            return np.asarray(picture), {name: scores[name.replace("/", "_", 1)] for name in (*SHOWN, CONTROL)}

    return make


@pytest.mark.grad
@pytest.mark.door("scores, blank-video control and pictures in TensorBoard", "tensorboard")
def test_tensorboard_shows_scores_control_and_picture(run_and_score, tmp_path):
    picture, scores = run_and_score("tensorboard")
    (folder,) = (tmp_path / "output" / "runs").iterdir()
    log = EventAccumulator(str(folder)).Reload()
    assert {name: log.Scalars(name)[-1].value for name in scores} == pytest.approx(scores)
    (shown,) = log.Images("eval/alignment")
    assert np.array_equal(Image.open(io.BytesIO(shown.encoded_image_string)), picture)


@pytest.mark.grad
@pytest.mark.door("scores, blank-video control and pictures in Weights & Biases, offline", "wandb")
def test_wandb_shows_scores_control_and_picture(run_and_score, tmp_path, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    picture, scores = run_and_score("wandb")
    shown = dict(wandb.run.summary)
    files = Path(wandb.run.dir)
    wandb.finish()
    assert {name: shown[name] for name in scores} == pytest.approx(scores)
    assert np.array_equal(Image.open(files / shown["eval/alignment"]["path"]), picture)


@pytest.mark.grad
@pytest.mark.door("scores, blank-video control and pictures in Trackio, on the disk", "trackio")
def test_trackio_shows_scores_control_and_picture(run_and_score, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    picture, scores = run_and_score("trackio")
    trackio.finish()
    (run,) = trackio.Api().runs("huggingface")  # what is scored after training is of the same run
    shown = {name: value for entry in SQLiteStorage.get_logs("huggingface", run.name) for name, value in entry.items()}
    assert {name: shown[name] for name in scores} == pytest.approx(scores)
    file = tmp_path / "trackio" / "media" / shown["eval/alignment"]["file_path"]
    assert np.array_equal(Image.open(file).convert("RGB"), picture)


def test_pictures_leave_out_what_cannot_be_drawn(make_trainer, rows, tmp_path):
    (tmp_path / "broken.mp4").write_text("no film")
    first = dict(rows[0])
    unfit = [first | {"video": str(tmp_path / "broken.mp4")}, first | {"caption": " "}]
    for eval_rows, is_drawn in ((unfit, False), ([*unfit, first | {"caption": "red " * 300}], True)):
        trainer = make_trainer(eval_rows=eval_rows, evaluated={"num_alignment_rows": 3})
        trainer.eval_collator.reader.on_decode_error = "skip"
        trainer.callback_handler.on_evaluate(trainer.args, trainer.state, trainer.control, {})
        assert (tmp_path / "output" / "alignment" / "step-000000.png").exists() == is_drawn


@pytest.mark.parametrize(("objectives", "num_rows"), ((["masked_lm"], 4), (["matching"], 0)))
def test_without_alignment_nothing_is_drawn(make_trainer, objectives, num_rows):
    trainer = make_trainer(objectives, evaluated={"num_alignment_rows": num_rows})
    assert not any(isinstance(callback, AlignmentCallback) for callback in trainer.callback_handler.callbacks)
