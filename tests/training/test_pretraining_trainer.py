# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The Trainer of pre-training: weighted losses, co-training, what is logged, hard clips, resuming, zero-shot."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from modeling_allinone import AllInOneForPreTraining, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.pretraining_collators import PairedCollator, PreTrainingCollator
from modeling_allinone.data.video_dataset import PairedDataset, VideoDataset
from modeling_allinone.datasets import train_tokenizer
from modeling_allinone.training.divergence import DivergenceError
from modeling_allinone.training.pretraining_arguments import PreTrainingArguments
from modeling_allinone.training.pretraining_trainer import PreTrainingTrainer, RunningMean

ALL = {"masked_lm": 1.0, "matching": 0.5, "contrastive": 2.0, "clip_order": 0.25, "masked_patches": 0.125}
CAPTIONS = [f"a {colour} {shape} runs" for colour in ("red", "green") for shape in ("dog", "cat", "ring", "bar")]
STILL = {"hidden_dropout_prob": 0.0, "drop_path_rate": 0.0, "classifier_dropout": 0.0, "clip_order_dropout": 0.0}


pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


@pytest.fixture(scope="module")
def processor() -> AllInOneProcessor:
    tokenizer = train_tokenizer(CAPTIONS)
    tokenizer.model_max_length = 16
    return AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer)


def make_rows(num_rows: int = 8, kind: str = "video", **options) -> VideoDataset:
    shape = (3, 32, 32, 3) if kind == "video" else (32, 32, 3)
    generator = np.random.default_rng(len(kind))
    pixels = [generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(num_rows)]
    captions = [CAPTIONS[number % len(CAPTIONS)] for number in range(num_rows)]
    return VideoDataset([{kind: of, "caption": text} for of, text in zip(pixels, captions, strict=True)], **options)


@pytest.fixture
def make_trainer(processor, tiny_config, tmp_path):
    """Make a trainer of a tiny model without dropout; keywords change its arguments."""

    def make(objectives=None, rows=None, collator_options=None, config=None, trainer=None, **arguments):
        objectives = ALL if objectives is None else objectives
        torch.manual_seed(0)
        fields = {
            "num_frames": 3,
            "projection_dim": 8,
            "vocab_size": len(processor.tokenizer),
            "patch_order": "raster",
        }
        names = {"pretraining_objectives": list(objectives)}
        model = AllInOneForPreTraining(tiny_config(**{**fields, **STILL, **names, **(config or {})}))
        options = {"objectives": list(objectives), "patch_size": 8, "mlm_probability": 0.5, **(collator_options or {})}
        collator = PreTrainingCollator(processor, **options)
        rows = make_rows() if rows is None else rows
        together = PairedCollator(collator, collator) if isinstance(rows, PairedDataset) else collator
        defaults = {
            "output_dir": str(tmp_path / "output"),
            "max_steps": 1,
            "logging_steps": 1,
            "max_grad_norm": 1e9,
            "per_device_train_batch_size": 8,
            "per_device_eval_batch_size": 4,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "use_cpu": True,
        }
        return PreTrainingTrainer(
            model,
            PreTrainingArguments(**{**defaults, **arguments}),
            objectives=objectives,
            data_collator=together,
            eval_collator=collator,
            train_dataset=rows,
            processing_class=processor,
            **(trainer or {}),
        )

    return make


def gradients(model) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


class KeepGradients(TrainerCallback):
    """Keeps the gradients of the last step."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.gradients = {name: gradient.clone() for name, gradient in gradients(model).items()}


def first_step(trainer) -> tuple[dict, dict[str, torch.Tensor]]:
    """What is logged of the first step, and its gradients."""
    keep = KeepGradients()
    trainer.add_callback(keep)
    trainer.train()
    return trainer.state.log_history[0], keep.gradients


def loss_by_hand(model, batch, weights) -> torch.Tensor:
    """The weighted losses of one batch, by separate calls of the model."""
    texts = {name: batch[name] for name in ("input_ids", "attention_mask")}
    masked = texts | {"input_ids": batch["masked_input_ids"]}
    clips = {"pixel_values": batch["pixel_values"]}
    swapped = {"pixel_values": batch["pixel_values"][batch["matching_indices"]]}
    matching = model(**texts, **swapped, matching_labels=batch["matching_labels"])
    contrastive = model(**texts, **clips, return_contrastive_loss=True, is_pair=batch["is_pair"])
    hidden = model(**masked, **clips, bool_masked_pos=batch["bool_masked_pos"])
    loss = weights["masked_lm"] * model(**masked, **clips, labels=batch["labels"]).mlm_loss
    loss = loss + weights["matching"] * (matching.matching_loss + 0.1 * matching.alignment_loss)
    loss = loss + weights["contrastive"] * contrastive.contrastive_loss
    loss = loss + weights["masked_patches"] * hidden.masked_patch_loss
    if "frame_order" in batch:
        ordered = model(**texts, **clips, frame_order=batch["frame_order"])
        loss = loss + weights["clip_order"] * ordered.clip_order_loss
    return loss


def batch_of_first_step(trainer):
    return next(iter(trainer.get_train_dataloader()))


def assert_close(found: dict, expected: dict):
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-6, rtol=1e-4, msg=name)


def in_order(make_trainer, **options):
    """A trainer that takes the rows in their order."""
    return make_trainer(train_sampling_strategy="sequential", **options)


@pytest.mark.grad
class TestLoss:
    def test_objectives_are_weighted(self, make_trainer):
        trainer = in_order(make_trainer)
        batch = batch_of_first_step(trainer)
        expected = loss_by_hand(trainer.model.train(), batch, ALL)
        expected.backward()
        of_hand = gradients(trainer.model)
        log, of_step = first_step(in_order(make_trainer))
        assert log["loss"] == pytest.approx(expected.item(), rel=1e-5)
        assert_close(of_step, of_hand)

    def test_accumulated_batches_are_averaged(self, make_trainer):
        trainer = in_order(make_trainer, per_device_train_batch_size=4)
        batches = list(trainer.get_train_dataloader())
        losses = [loss_by_hand(trainer.model.train(), batch, ALL) for batch in batches]
        (sum(losses) / 2).backward()
        small = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
        log, of_step = first_step(in_order(make_trainer, **small))
        assert log["loss"] == pytest.approx(sum(losses).item() / 2, rel=1e-5)
        assert_close(of_step, gradients(trainer.model))

    def test_a_step_of_co_training_adds_clips_and_images(self, make_trainer):
        rows = PairedDataset(make_rows(), make_rows(5, kind="image"))
        trainer = in_order(make_trainer, rows=rows)
        batch = batch_of_first_step(trainer)
        assert batch["image"]["pixel_values"].shape[1] == 1 and batch["video"]["pixel_values"].shape[1] == 3
        expected = sum(loss_by_hand(trainer.model.train(), batch[kind], ALL) for kind in ("video", "image"))
        expected.backward()
        log, of_step = first_step(in_order(make_trainer, rows=rows))
        assert log["loss"] == pytest.approx(expected.item(), rel=1e-5)
        assert_close(of_step, gradients(trainer.model))
        assert log["image_mlm_loss"] != log["mlm_loss"] and "image_clip_order_loss" not in log

    def test_images_alone_have_no_order_to_learn(self, make_trainer):
        trainer = make_trainer({"clip_order": 1.0}, rows=make_rows(4, kind="image"))
        with pytest.raises(ValueError, match="A batch has no targets of clip_order, so there is nothing to learn"):
            trainer.train()

    def test_broken_clips_are_left_out(self, make_trainer, tmp_path):
        rows = make_rows()
        (tmp_path / "broken.mp4").write_text("no film")
        for number in (1, 6):
            rows.rows[number]["video"] = str(tmp_path / "broken.mp4")
        skip = {"rows": rows, "collator_options": {"on_decode_error": "skip"}}
        weights = {"masked_lm": 1.0, "contrastive": 1.0}
        log, of_step = first_step(in_order(make_trainer, objectives=weights, **skip))
        trainer = in_order(make_trainer, objectives=weights, **skip)
        batch = batch_of_first_step(trainer)
        kept = {name: value[[0, 2, 3, 4, 5, 7]] for name, value in batch.items() if torch.is_tensor(value)}
        model = trainer.model.train()
        masked = {"input_ids": kept["masked_input_ids"], "labels": kept["labels"]}
        common = {name: kept[name] for name in ("attention_mask", "pixel_values")}
        loss = model(**masked, **common).mlm_loss
        loss = loss + model(input_ids=kept["input_ids"], **common, return_contrastive_loss=True).contrastive_loss
        loss.backward()
        assert log["loss"] == pytest.approx(loss.item(), rel=1e-5)
        assert_close(of_step, gradients(model))


def count_by_hand(trainer, batches, watched) -> dict[str, float]:
    """The figures of batches: sums over all that there is, divided by how much there is."""
    sums: dict[str, list] = {}

    def add(name, values):
        sums.setdefault(name, []).extend(values)

    model = trainer.model.eval()
    for batch in batches:
        outputs = model(**batch)
        similarities = torch.nn.functional.cosine_similarity(
            outputs.text_embeds[:, None], outputs.video_embeds, dim=-1
        )
        number = len(similarities)
        for row in range(number):
            for place, label in enumerate(batch["labels"][row].tolist()):
                if label != -100:
                    scores = outputs.mlm_logits[row, place]
                    add("mlm_loss", [-scores.log_softmax(-1)[label].item()])
                    add("mlm_accuracy", [float(int(scores.argmax()) == label)])
                    if label in watched:
                        add("mlm_watched_accuracy", [float(int(scores.argmax()) == label)])
            scores, label = outputs.matching_logits[row], int(batch["matching_labels"][row])
            add("matching_loss", [-scores.log_softmax(-1)[label].item()])
            add("matching_accuracy", [float(int(scores.argmax()) == label)])
            add("text_to_video_recall_in_batch", [float(int(similarities[row].argmax()) == row)])
            add("video_to_text_recall_in_batch", [float(int(similarities[:, row].argmax()) == row)])
        for name in ("alignment_loss", "contrastive_loss", "clip_order_loss", "masked_patch_loss"):
            add(name, [outputs[name].item()] * number)
    return {name: math.fsum(values) / len(values) for name, values in sums.items()}


def test_figures_of_evaluation_are_means_over_all_that_there_is(make_trainer, processor):
    words = {"trainer": {"watched_words": ["red", "green"]}}
    trainer = make_trainer(**words)
    rows = make_rows(7)
    figures = trainer.evaluate(rows)
    with torch.no_grad():
        batches = [trainer.eval_collator([rows[n] for n in part]) for part in (range(4), range(4, 7))]
        expected = count_by_hand(trainer, batches, set(processor.tokenizer.convert_tokens_to_ids(["red", "green"])))
    losses = [weight * expected[name] for name, weight in trainer.loss_weights.items()]
    expected["loss"] = sum(losses)
    assert len(losses) == 6 and trainer.loss_weights["alignment_loss"] == 0.5 * 0.1
    of_trainer = {name.removeprefix("eval_"): value for name, value in figures.items()}
    timing = {"runtime", "samples_per_second", "steps_per_second", "epoch"}
    assert set(of_trainer) - timing == set(expected)
    for name, value in expected.items():
        assert of_trainer[name] == pytest.approx(value, rel=1e-5), name


def test_what_is_logged_is_of_the_steps_since_it_was_last_told(make_trainer):
    trainer = make_trainer(max_steps=4, logging_steps=2, per_device_train_batch_size=4, learning_rate=0.0)
    trainer.train()
    every = make_trainer(max_steps=4, logging_steps=1, per_device_train_batch_size=4, learning_rate=0.0)
    every.train()
    pairs, single = ([entry for entry in one.state.log_history if "loss" in entry] for one in (trainer, every))
    for number, entry in enumerate(pairs):
        for name in ("loss", "contrastive_loss", "matching_accuracy", "text_to_video_recall_in_batch"):
            mean = (single[2 * number][name] + single[2 * number + 1][name]) / 2
            assert entry[name] == pytest.approx(mean, rel=1e-4), name
        assert entry["tokens_per_text"] >= 3 and entry["share_of_unreadable_clips"] == 0
        assert entry["clips_per_second"] > 0 and 0 <= entry["waiting_for_data"] < 1 and entry["grad_norm"] > 0


def test_evaluation_leaves_training_as_it_is(make_trainer):
    logs = []
    hard = {"use_hard_negatives": True, "eval_dataset": make_rows(5)}
    for options in ({}, {"eval_strategy": "steps", "eval_steps": 1}):
        trainer = make_trainer(max_steps=3, trainer=hard, per_device_train_batch_size=4, **options)
        trainer.train()
        logs.append([entry for entry in trainer.state.log_history if "loss" in entry])
    for without, with_evaluation in zip(*logs, strict=True):
        for name in ("loss", "mlm_loss", "contrastive_loss", "grad_norm", "mlm_accuracy"):
            assert with_evaluation[name] == without[name]


def test_evaluation_draws_the_same_hard_clips(make_trainer):
    trainer = make_trainer(trainer={"use_hard_negatives": True})
    figures = [trainer.evaluate(make_rows(6)) for _ in range(2)]
    assert figures[0]["eval_matching_loss"] == figures[1]["eval_matching_loss"]


def test_the_best_model_can_be_kept_by_its_loss(make_trainer):
    options = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1, "max_steps": 2}
    trainer = make_trainer(load_best_model_at_end=True, trainer={"eval_dataset": make_rows(4)}, **options)
    trainer.train()
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert len(losses) == 2 and trainer.state.best_metric == min(losses)


def test_hard_clips_take_the_place_of_wrong_ones(make_trainer):
    objectives = {"matching": 1.0, "contrastive": 1.0}
    trainer = make_trainer(objectives, trainer={"use_hard_negatives": True}, collator_options={"mlm_probability": 0.0})
    batch = trainer.data_collator([make_rows()[number] for number in range(8)])
    model = trainer.model.eval()
    is_wrong = batch["matching_labels"] == 0
    assert is_wrong.sum() == 4
    with torch.no_grad():
        outputs = model(**batch, use_hard_negatives=True)
        texts = {name: batch[name] for name in ("input_ids", "attention_mask")}
        own = model(**texts, pixel_values=batch["pixel_values"]).matching_logits
    torch.testing.assert_close(outputs.matching_logits[~is_wrong], own[~is_wrong])
    for row in is_wrong.nonzero()[:, 0].tolist():
        of_clips = model(
            **{name: text[[row] * 8] for name, text in texts.items()}, pixel_values=batch["pixel_values"]
        ).matching_logits
        is_drawn = torch.isclose(of_clips, outputs.matching_logits[row], atol=1e-5).all(dim=1)
        assert is_drawn.any() and not is_drawn[row]


def test_blank_clips_are_all_alike(make_trainer):
    trainer = make_trainer({"masked_lm": 1.0, "matching": 1.0, "contrastive": 1.0}, rows=make_rows(is_blank=True))
    trainer.train()
    log = trainer.state.log_history[0]
    assert log["loss"] > 0 and math.isfinite(log["grad_norm"])
    batch = trainer.data_collator([trainer.train_dataset[number] for number in range(4)])
    assert (batch["pixel_values"] == batch["pixel_values"][0]).all()


def test_epochs_draw_differently(make_trainer):
    trainer = make_trainer(max_steps=2, logging_steps=1, learning_rate=0.0)
    trainer.train()
    first, second = (entry for entry in trainer.state.log_history if "loss" in entry)
    assert first["mlm_loss"] != second["mlm_loss"] and first["epoch"] == 1 and second["epoch"] == 2


@pytest.mark.parametrize("together", (False, True))
def test_a_resumed_run_ends_as_if_it_had_not_stopped(make_trainer, tmp_path, together):
    # With dropout, shuffled patches and hard clips; the checkpoint is in the middle of an epoch.
    options = {
        "rows": lambda: PairedDataset(make_rows(), make_rows(5, kind="image")) if together else make_rows(),
        "config": {"hidden_dropout_prob": 0.1, "drop_path_rate": 0.2, "patch_order": "random"},
        "max_steps": 6,
        "per_device_train_batch_size": 2,
        "save_strategy": "steps",
        "save_steps": 3,
        "learning_rate": 1e-3,
        "trainer": {"use_hard_negatives": True},
    }
    rows = options.pop("rows")
    weights = []
    for name in ("whole", "resumed"):
        trainer = make_trainer(rows=rows(), output_dir=str(tmp_path / name), **options)
        trainer.train(resume_from_checkpoint=None if name == "whole" else str(tmp_path / "whole" / "checkpoint-3"))
        trainer.save_model()
        weights.append(load_file(tmp_path / name / "model.safetensors"))
    assert all(torch.equal(weights[1][name], weight) for name, weight in weights[0].items())
    assert trainer.state.global_step == 6


def test_training_that_diverges_stops(make_trainer):
    with pytest.raises(DivergenceError, match=r"Training diverged at step [2-6]"):
        make_trainer(learning_rate=1e30, warmup_steps=0, max_steps=6).train()


@pytest.mark.parametrize("together", (False, True))
def test_an_epoch_without_a_clip(make_trainer, together):
    broken = {
        kind: VideoDataset([{kind: "gone", "caption": text} for text in CAPTIONS]) for kind in ("video", "image")
    }
    rows = PairedDataset(broken["video"], broken["image"]) if together else broken["video"]
    trainer = make_trainer(rows=rows, collator_options={"on_decode_error": "skip"})
    with pytest.raises(ValueError, match="Nothing could be learned of epoch 1: every clip was skipped"):
        trainer.train()


def test_half_precision_on_the_cpu(make_trainer):
    trainer = make_trainer(bf16=True)
    trainer.train()
    figures = trainer.evaluate(make_rows(5))
    assert math.isfinite(trainer.state.log_history[0]["grad_norm"]) and math.isfinite(figures["eval_loss"])
    whole = make_trainer()
    whole.model.load_state_dict(trainer.model.state_dict())
    in_full = whole.evaluate(make_rows(5))
    assert figures["eval_loss"] != in_full["eval_loss"], "evaluation, too, is in half precision"
    assert figures["eval_loss"] == pytest.approx(in_full["eval_loss"], rel=0.05)


class TestMeans:
    def test_they_are_weighted_and_taken_once(self):
        means = RunningMean()
        means.add("accuracy", torch.tensor(2), 4)
        means.add("accuracy", torch.tensor(3), torch.tensor(6))
        means.add("nothing", torch.tensor(0.0), 0)
        assert means.take() == {"accuracy": 0.5} and means.take() == {}

    def test_processes_may_have_figures_of_different_names(self):
        means = RunningMean()
        means.add("both", torch.tensor(1.0))
        means.add("here", torch.tensor(5.0))
        other = {"both": [5.0, 2.0], "there": [3.0, 1.0]}
        assert means.take(lambda mine: [*mine, other]) == {"both": 2.0, "here": 5.0, "there": 3.0}


@pytest.mark.parametrize(
    ("objectives", "options", "message"),
    (
        ({"captioning": 1.0}, {}, "objectives are {'captioning': 1.0}; expected weights above 0 of some of masked_lm"),
        ({"masked_lm": 0.0}, {}, "expected weights above 0"),
        ({"masked_lm": float("nan")}, {}, "expected weights above 0"),
        ({"masked_lm": float("inf")}, {}, "expected weights above 0"),
        ({}, {}, "objectives are {}; expected weights above 0"),
        (
            {"matching": 1.0},
            {"use_hard_negatives": True},
            "use_hard_negatives needs matching and, to tell what is hard",
        ),
        ({"masked_lm": 1.0}, {"watched_words": ["red", "zebra"]}, "watched_words has 'zebra', which the tokenizer"),
        ({"masked_lm": 1.0}, {"watched_words": [""]}, "watched_words has '', which"),
    ),
)
def test_arguments_are_checked(make_trainer, objectives, options, message):
    with pytest.raises(ValueError, match=message):
        make_trainer(
            objectives,
            config={"pretraining_objectives": ["masked_lm", "matching"]},
            collator_options={"objectives": ["masked_lm"]},
            trainer=options,
        )


def test_the_log_goes_to_tensorboard_by_default(tmp_path):
    assert PreTrainingArguments(str(tmp_path), use_cpu=True).report_to == ["tensorboard"]
