# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Pre-training through its script, from start to end, and what goes wrong."""

import json
from functools import partial

import pytest
import torch
from safetensors.torch import load_file
from script_runs import last_line, load_script, read_log, read_results, run_script, write_splits

from modeling_allinone import AllInOneForPreTraining, AllInOneForVideoTextRetrieval, AllInOneProcessor
from modeling_allinone.datasets import write_moving_shapes

TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 24,
    "image_size": 32,
    "patch_size": 8,
    "num_frames": 3,
    "projection_dim": 8,
}

SCRIPT = load_script("pretrain")
run = partial(run_script, SCRIPT)


pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_splits(tmp_path_factory.mktemp("shapes"), train=8, validation=5, test=5)


@pytest.fixture
def on_shapes(shapes, tmp_path):
    """Arguments of a short run on moving shapes."""
    return [
        *("--dataset", "moving_shapes", "--data_dir", shapes, "--dataset_options", '{"task": "retrieval"}'),
        *("--config", json.dumps(TINY), "--output_dir", tmp_path / "output", "--do_train", "true"),
        *("--max_steps", 2, "--per_device_train_batch_size", 4, "--save_strategy", "no", "--logging_steps", 1),
    ]


@pytest.fixture
def zero_shot(shapes):
    """Held-out rows as an argument."""
    common = {"dataset": "moving_shapes", "data_dir": str(shapes)}
    tasks = {"multiple-choice": {}, "retrieval": {"distinct_captions": True}}
    return json.dumps({task: common | {"options": {"task": task, **more}} for task, more in tasks.items()})


def test_every_objective_is_trained_watched_and_scored(on_shapes, zero_shot, tmp_path):
    weights = ["--contrastive_weight", 1, "--clip_order_weight", 0.5, "--masked_patches_weight", 0.1]
    watching = ["--eval_strategy", "steps", "--eval_steps", 2, "--zero_shot", zero_shot, "--num_alignment_rows", 1]
    watching += ["--watched_words", "red", "up"]
    assert run(*on_shapes, *weights, *watching, "--use_hard_negatives", "true", "--mlm_probability", 0.5) == 0
    output_dir = tmp_path / "output"
    results = read_results(output_dir)
    names = {"mlm_loss", "mlm_accuracy", "matching_loss", "alignment_loss", "contrastive_loss", "clip_order_loss"}
    names |= {"masked_patch_loss", "matching_accuracy", "text_to_video_recall_in_batch"}
    assert len(read_log(output_dir, *names, "loss", "grad_norm", "clips_per_second", "waiting_for_data")) == 2
    held_out = {"zero_shot_multiple_choice_accuracy", "zero_shot_text_to_video_recall_at_1"}
    assert len(read_log(output_dir, "eval_loss", *(f"eval_{name}" for name in names | held_out))) == 1
    for name in names | held_out:
        assert name in results["scores"] and name in results["blank_video"]
    assert results["blank_video"]["zero_shot_text_to_video_recall_at_1"] == 0
    assert results["protocol"]["zero_shot"]["retrieval"]["options"]["distinct_captions"] is True
    assert {path.name for path in (output_dir / "alignment").iterdir()} == {"step-000002.png"}
    model = AllInOneForPreTraining.from_pretrained(output_dir)
    assert len(model.config.chosen_pretraining_objectives) == 5
    assert AllInOneProcessor.from_pretrained(output_dir).video_processor.num_frames == 3

    again = tmp_path / "again"
    scoring = ["--do_train", "false", "--model_name_or_path", output_dir, "--output_dir", again]
    scoring += ["--mlm_probability", 0.5]  # as many words are drawn, and so the same patches
    assert run(*on_shapes, *weights, *scoring, "--config", "{}", "--zero_shot", zero_shot) == 0
    scores = read_results(again)["scores"]
    for name in names - {"matching_loss", "matching_accuracy", "alignment_loss"}:
        assert scores[name] == pytest.approx(results["scores"][name], rel=1e-5), name
    assert scores["zero_shot_multiple_choice_accuracy"] == results["scores"]["zero_shot_multiple_choice_accuracy"]
    assert not any(
        AllInOneForVideoTextRetrieval.from_pretrained(output_dir, output_loading_info=True)[1]["missing_keys"]
    )


@pytest.mark.parametrize(
    ("options", "figures"),
    (
        (["--matching_weight", 0], {"mlm_loss", "mlm_accuracy"}),
        (["--masked_lm_weight", 0], {"matching_loss", "matching_accuracy", "alignment_loss"}),
        (
            ["--masked_lm_weight", 0, "--matching_weight", 0, "--contrastive_weight", 1],
            {"contrastive_loss", "text_to_video_recall_in_batch", "video_to_text_recall_in_batch"},
        ),
        (["--matching_weight", 0, "--blank_video", "true", "--bf16", "true"], {"mlm_loss", "mlm_accuracy"}),
        (
            ["--matching_weight", 0, "--dataloader_num_workers", 1, "--num_train_frames", 1],
            {"mlm_loss", "mlm_accuracy"},
        ),
    ),
)
def test_options(on_shapes, tmp_path, options, figures):
    assert run(*on_shapes, *options) == 0
    results = read_results(tmp_path / "output")
    assert set(results["scores"]) == set(results["blank_video"]) == figures
    assert not (tmp_path / "output" / "alignment").exists(), "nothing was evaluated in training"


def test_a_step_of_two_kinds_of_sources(on_shapes, shapes, tmp_path):
    """Of what is mixed by weight, and of what stands beside it."""
    source = {"dataset": "moving_shapes", "data_dir": str(shapes), "options": {"task": "retrieval"}}
    sources = {"a": source | {"weight": 1}, "b": source | {"weight": 3}}
    options = ["--video_sources", json.dumps(sources), "--image_sources", json.dumps({"still": source})]
    assert run(*on_shapes, *options) == 0
    assert len(read_log(tmp_path / "output", "mlm_loss", "image_mlm_loss", "image_matching_accuracy")) == 2


def test_adapters_are_trained_and_watched(on_shapes, zero_shot, tmp_path):
    assert run(*on_shapes, "--contrastive_weight", 1, "--output_dir", tmp_path / "whole") == 0
    options = ["--model_name_or_path", tmp_path / "whole", "--config", "{}", "--lora_rank", 2]
    options += ["--contrastive_weight", 1, "--num_alignment_rows", 1]
    watching = ["--eval_strategy", "steps", "--eval_steps", 2, "--zero_shot", zero_shot]
    assert run(*on_shapes, *options, *watching) == 0
    (entry,) = read_log(tmp_path / "output", "eval_zero_shot_multiple_choice_accuracy")
    assert entry["eval_zero_shot_text_to_video_recall_at_5"] > 0
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "output"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "matching_head.weight" in changed and "allinone.embeddings.word_embeddings.weight" not in changed


def test_a_run_goes_on_from_its_checkpoint(on_shapes, tmp_path):
    saving = ["--save_strategy", "steps", "--save_steps", 1, "--max_steps", 3]
    assert run(*on_shapes, *saving) == 0
    whole = load_file(tmp_path / "output" / "model.safetensors")
    (tmp_path / "output" / "model.safetensors").unlink()
    (tmp_path / "output" / "checkpoint-3" / "trainer_state.json").unlink()
    (tmp_path / "output" / "checkpoint-2" / "trainer_state.json").unlink()
    assert run(*on_shapes, *saving, "--resume_from_checkpoint", "true") == 0
    resumed = load_file(tmp_path / "output" / "model.safetensors")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_broken_clips_are_skipped_if_asked(on_shapes, shapes, tmp_path, capsys):
    for split, num_clips in {"train": 8, "validation": 5, "test": 5}.items():
        write_moving_shapes(tmp_path / "shapes", num_clips, split)
    (tmp_path / "shapes" / "train" / "videos" / "000002.mp4").write_text("no film")
    arguments = [*on_shapes, "--data_dir", tmp_path / "shapes", "--contrastive_weight", 1]
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1 and "000002.mp4" in error and "Traceback" not in error
    assert run(*arguments, "--on_decode_error", "skip") == 0
    assert read_results(tmp_path / "output")["protocol"]["num_skipped_in_training"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    (
        (["--masked_lm_weight", -1], "masked_lm_weight is -1.0; expected a number of 0 or more"),
        (["--contrastive_weight", "nan"], "contrastive_weight is nan; expected a number of 0 or more"),
        (["--matching_weight", "inf"], "matching_weight is inf; expected a number of 0 or more"),
        (["--captioning_weight", 1], "--captioning_weight"),
        (["--masked_lm_weight", 0, "--matching_weight", 0], "All weights of objectives are 0, so there is nothing to"),
        (["--use_hard_negatives", "true"], "use_hard_negatives needs matching and, to tell what is hard"),
        (["--mlm_probability", 2], "mlm_probability is 2.0; expected a probability, from 0 to 1"),
        (["--watched_words", "zebra"], "watched_words has 'zebra', which the tokenizer does not know"),
        (["--dataset", "hmdb51"], "error: "),
        (["--zero_shot", "{"], "zero_shot is '{', which is not JSON"),
        (
            ["--zero_shot", '{"retrival": {}}'],
            "zero_shot has 'retrival'; expected tasks of multiple-choice, retrieval",
        ),
        (["--zero_shot", '{"retrieval": {"dataset": "shapes", "data_dir": "x"}}'], "There is no data set 'shapes'"),
        (
            ["--zero_shot", '{"retrieval": {"dataset": "moving_shapes", "data_dir": "x"}}'],
            "root is x, which is no fold",
        ),
        (["--image_processor", '{"do_pad": true}'], "image_processor is given, but no image_sources"),
        (
            ["--image_sources", '{"cc3m": {"data_dir": "x"}}', "--image_processor", '{"pad": true}'],
            "image_processor has pad; the video processor knows",
        ),
        (
            [
                *("--image_sources", '{"cc3m": {"data_dir": "x"}}', "--image_processor", '{"image_mean": 0.5}'),
                *("--masked_patches_weight", 1),
            ],
            "masked_patches has the colours of clips and images learned, which are scaled by one mean",
        ),
        (["--num_alignment_rows", -1], "num_alignment_rows is -1; expected 0 or more"),
        (["--data_dir", "nowhere"], "root is nowhere, which is no folder"),
        (["--test_split", "exam"], "moving_shapes has no split 'exam'"),
        (["--config", '{"projection_dim": null}', "--contrastive_weight", 1], "projection_dim is None"),
    ),
)
def test_what_goes_wrong_is_said_in_a_line(on_shapes, capsys, options, message):
    assert run(*on_shapes, *options) == 2
    line = last_line(capsys)
    assert "error: " in line and message in line, line


def test_rows_without_captions_are_named(on_shapes, shapes, tmp_path, capsys):
    for split in ("train", "test"):
        write_moving_shapes(tmp_path / "shapes", 5, split)
        file = tmp_path / "shapes" / split / "annotations.jsonl"
        clips = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text("".join(json.dumps(clip | {"caption": None}) + "\n" for clip in clips))
    assert run(*on_shapes, "--data_dir", tmp_path / "shapes", "--eval_split", "null") == 2
    assert "caption" in last_line(capsys)
