# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Fine-tuning for questions through its script: every data set's files in miniature, adapters, what goes wrong."""

import resource
import shutil
from pathlib import Path

import pytest
import torch
from question_files import QUESTIONS
from retrieval_files import write_places
from safetensors.torch import load_file, save_file
from script_runs import last_line, load_script, read_log, read_results, run_script, write_splits

from modeling_allinone import (
    AllInOneForMaskedLM,
    AllInOneForVideoQuestionAnswering,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.datasets import (
    answer_vocabulary,
    list_datasets,
    load_moving_shapes,
    train_tokenizer,
    write_moving_shapes,
)
from modeling_allinone.models.video_processing_allinone import IMAGE_OPTIONS
from modeling_allinone.recipes import RECIPES

SCRIPT = load_script("finetune")
ANSWERS = answer_vocabulary("easy")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_splits(tmp_path_factory.mktemp("shapes"), train=6, validation=3, test=5)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_config, shapes):
    """A checkpoint without a head, whose texts are short."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = train_tokenizer(load_moving_shapes(shapes))
    tokenizer.model_max_length = 16
    fields = {"num_hidden_layers": 1, "num_frames": 3, "vocab_size": len(tokenizer)}
    torch.manual_seed(0)
    AllInOneForMaskedLM(tiny_config(**fields)).save_pretrained(folder)
    AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=36, crop_size=32), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def on_shapes(shapes, tiny, tmp_path):
    """Arguments of a short run on moving shapes."""
    return [
        *("--task", "question-answering", "--dataset", "moving_shapes"),
        *("--data_dir", shapes, "--model_name_or_path", tiny),
        *("--output_dir", tmp_path / "output", "--do_train", "true", "--learning_rate", "1e-3"),
        *("--max_steps", 1, "--per_device_train_batch_size", 4, "--save_strategy", "no", "--logging_steps", 1),
    ]


@pytest.mark.parametrize(
    ("recipe", "arrangement"), [(recipe, next(iter(files))) for recipe, (_, files) in QUESTIONS.items()]
)
def test_every_data_set_trains_and_is_scored_by_its_recipe(recipe, arrangement, tiny, media, tmp_path):
    places, files = QUESTIONS[recipe]
    data = write_places(tmp_path / "data", places, files[arrangement], *media)
    output_dir = tmp_path / "output"
    small = ["--max_steps", 1, "--total_batch_size", 2, "--per_device_train_batch_size", 2, "--fp16", "false"]
    paths = ["--data_dir", data, "--model_name_or_path", tiny, "--output_dir", output_dir]
    without_validation = ["--eval_strategy", "no", "--load_best_model_at_end", "false"]
    options = without_validation if (recipe, arrangement) == ("tgif_frameqa", "published") else []
    if recipe == "vqav2":
        options = ["--dataset_options", '{"min_occurrences": 1, "num_held_out_images": 1}']
    machine = ["--dataloader_num_workers", 0]
    assert run_script(SCRIPT, RECIPES / f"{recipe}.yaml", *paths, *small, *machine, *options) == 0
    results = read_results(output_dir)
    metric = "vqa_score" if recipe == "vqav2" else "accuracy"
    for name in ("scores", "blank_video"):
        assert results[name]["num_rows"] == (1 if recipe == "vqav2" else 2) and 0 <= results[name][metric] <= 1
    assert ("accuracy[yes/no]" in results["scores"]) == (recipe == "activitynet_qa")
    model = AllInOneForVideoQuestionAnswering.from_pretrained(output_dir)
    assert set(model.config.id2label.values()) == ({"yes"} if recipe == "vqav2" else {"yes", "no"})
    options = AllInOneProcessor.from_pretrained(output_dir).video_processor.to_dict()
    assert (IMAGE_OPTIONS.items() <= options.items()) == (recipe == "vqav2")


def test_every_data_set_of_questions_has_a_recipe():
    assert set(list_datasets()["question-answering"]) - {"moving_shapes"} == set(QUESTIONS)


def test_a_model_from_nothing_by_its_two_recipes(shapes, tmp_path):
    frames, clips = tmp_path / "frames", tmp_path / "clips"
    small = ["--data_dir", shapes, "--max_steps", 2, "--frame_cache", tmp_path / "cache", "--eval_steps", 2]
    recipes = RECIPES / "moving_shapes"
    assert run_script(SCRIPT, recipes / "question_answering_frames.yaml", *small, "--output_dir", frames) == 0
    further = ["--model_name_or_path", frames, "--lr_scheduler_kwargs", '{"num_decay_steps": 1}']
    assert run_script(SCRIPT, recipes / "question_answering.yaml", *small, *further, "--output_dir", clips) == 0
    results = read_results(clips)
    assert results["protocol"]["num_frames"] == 4 and "accuracy[colour]" in results["scores"]
    processor = AllInOneProcessor.from_pretrained(clips)
    words = {word for row in load_moving_shapes(shapes) for word in row["caption"].split()}
    assert all(len(processor.tokenizer.tokenize(word)) == 1 for word in words), "also of kinds that were not learned"
    assert len(list((tmp_path / "cache").iterdir())) == 6 + 3 + 5, "each clip once"


def test_scoring_again_gives_the_same(on_shapes, shapes, tmp_path):
    assert run_script(SCRIPT, *on_shapes, "--group_by", "kind", "--eval_strategy", "steps", "--eval_steps", 1) == 0
    results = read_results(tmp_path / "output")
    num_rows = len(load_moving_shapes(shapes, "test"))
    assert results["scores"]["num_rows"] == results["blank_video"]["num_rows"] == num_rows
    by_kind = [results["scores"][name] for name in results["scores"] if name.startswith("num_rows[")]
    assert sum(by_kind) == num_rows and len(by_kind) > 2
    assert len(read_log(tmp_path / "output", "eval_accuracy")) == 1
    again = ["--model_name_or_path", tmp_path / "output", "--output_dir", tmp_path / "again", "--do_train", "false"]
    assert run_script(SCRIPT, *on_shapes, *again, "--group_by", "kind") == 0
    assert read_results(tmp_path / "again")["scores"] == results["scores"]
    assert "type: accuracy" in (tmp_path / "output" / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    (
        ["--dataloader_num_workers", 2, "--max_steps", 3],
        ["--bf16", "true", "--gradient_checkpointing", "true"],
        ["--num_frames", 4, "--num_train_frames", 1],
        ["--num_frames", 2, "--frame_sampling", "uniform", "--random_crop", "false"],
        ["--video_processor", '{"num_views": 1, "image_mean": 0.5}', "--attn_implementation", "eager"],
        ["--config", '{"max_position_embeddings": 40, "num_frames": 5, "patch_order": "raster"}'],
        ["--num_train_rows", 4, "--num_test_rows", 3, "--total_batch_size", 8],
    ),
)
def test_options(on_shapes, shapes, tmp_path, options):
    assert run_script(SCRIPT, *on_shapes, *options) == 0
    results = read_results(tmp_path / "output")
    num_rows = 3 if "--num_test_rows" in options else len(load_moving_shapes(shapes, "test"))
    assert results["scores"]["num_rows"] == num_rows
    model = AllInOneForVideoQuestionAnswering.from_pretrained(tmp_path / "output")
    expected = 5 if "--config" in options else 4 if 4 in options[:2] and "--num_frames" in options else 3
    assert model.config.num_frames == expected


def test_heads_go_on_where_answers_are_the_same(on_shapes, shapes, tmp_path):
    assert run_script(SCRIPT, *on_shapes) == 0
    still = ["--learning_rate", 0, "--warmup_steps", 0, "--model_name_or_path", tmp_path / "output"]
    assert run_script(SCRIPT, *on_shapes, *still, "--output_dir", tmp_path / "further") == 0
    first, further = (load_file(tmp_path / name / "model.safetensors") for name in ("output", "further"))
    assert all(torch.equal(first[name], further[name]) for name in first)

    model = AllInOneForVideoQuestionAnswering.from_pretrained(tmp_path / "output")
    model.config.id2label = dict(enumerate(reversed(ANSWERS)))
    model.config.label2id = {answer: label for label, answer in model.config.id2label.items()}
    model.save_pretrained(tmp_path / "output")
    assert run_script(SCRIPT, *on_shapes, *still, "--output_dir", tmp_path / "other") == 0
    other = load_file(tmp_path / "other" / "model.safetensors")
    changed = {name for name in first if not torch.equal(first[name], other[name])}
    assert {"classifier.out_proj.weight"} <= changed <= {"classifier.out_proj.weight", "classifier.out_proj.bias"}
    config = AllInOneForVideoQuestionAnswering.from_pretrained(tmp_path / "other").config
    assert list(config.id2label.values()) == ANSWERS and config.label2id["red"] == ANSWERS.index("red")


def test_answers_without_names_are_those_of_the_data_set(on_shapes, tmp_path):
    """Classifiers of the original have one answer more, which is none."""
    assert run_script(SCRIPT, *on_shapes) == 0
    named = AllInOneForVideoQuestionAnswering.from_pretrained(tmp_path / "output")
    config = named.config.to_dict() | {"id2label": {label: f"LABEL_{label}" for label in range(21)}, "label2id": None}
    nameless = AllInOneForVideoQuestionAnswering(type(named.config)(**config))
    weights = named.state_dict()
    for name in ("classifier.out_proj.weight", "classifier.out_proj.bias"):
        weights[name] = torch.cat([weights[name], torch.full_like(weights[name][:1], -1)])
    nameless.load_state_dict(weights)
    nameless.save_pretrained(tmp_path / "nameless")
    AllInOneProcessor.from_pretrained(tmp_path / "output").save_pretrained(tmp_path / "nameless")
    scoring = ["--model_name_or_path", tmp_path / "nameless", "--output_dir", tmp_path / "again"]
    assert run_script(SCRIPT, *on_shapes, *scoring, "--do_train", "false") == 0
    assert read_results(tmp_path / "again")["scores"] == read_results(tmp_path / "output")["scores"]


def test_broken_clips_are_told_or_listed_and_wrong(on_shapes, tmp_path, capsys):
    root = tmp_path / "shapes"
    for split, num_clips in {"train": 6, "test": 5}.items():
        write_moving_shapes(root, num_clips, split)
        (root / split / "videos" / "000001.mp4").write_text("no film")
    broken = [*on_shapes, "--data_dir", root, "--max_steps", 6, "--frame_cache", tmp_path / "cache"]
    for num_workers in (0, 1):
        assert run_script(SCRIPT, *broken, "--dataloader_num_workers", num_workers) == 2
        line = last_line(capsys)
        assert line.startswith("error: ") and "train/videos/000001.mp4" in line and "sample train000001-" in line
    assert run_script(SCRIPT, *broken, "--on_decode_error", "skip") == 0
    results = read_results(tmp_path / "output")
    num_lost = sum(row["video_id"] == "test000001" for row in load_moving_shapes(root, "test"))
    assert results["protocol"]["num_skipped"] == num_lost and results["scores"]["num_out_of_vocabulary"] == 0
    assert results["scores"]["num_rows"] == len(load_moving_shapes(root, "test"))
    assert results["protocol"]["num_skipped_in_training"] > 0
    scoring = ["--model_name_or_path", tmp_path / "output", "--do_train", "false", "--on_decode_error", "skip"]
    assert run_script(SCRIPT, *broken, *scoring) == 0
    protocol = read_results(tmp_path / "output")["protocol"]
    assert protocol["num_skipped"] == num_lost and protocol["num_skipped_in_training"] == 0, "of this run alone"


@pytest.mark.parametrize("script", ("finetune", "finetune_no_trainer"))
class TestWhatCannotBeLearned:
    def test_training_that_diverges_leaves_no_model(self, on_shapes, tmp_path, capsys, script):
        steps = ["--learning_rate", 1e30, "--warmup_steps", 0, "--max_steps", 5, "--num_test_rows", 1]
        assert run_script(load_script(script), *on_shapes, *steps) == 2
        assert "error: Training diverged at step " in last_line(capsys)
        output = tmp_path / "output"
        assert not {"model.safetensors", "README.md", "results.json"} & {path.name for path in output.iterdir()}

    def test_weights_that_are_not_finite_are_not_scored(self, on_shapes, tiny, tmp_path, capsys, script):
        shutil.copytree(tiny, tmp_path / "broken")
        weights = load_file(tiny / "model.safetensors")
        weights["allinone.layernorm.bias"][3] = torch.nan
        save_file(weights, tmp_path / "broken" / "model.safetensors", metadata={"format": "pt"})
        assert run_script(load_script(script), *on_shapes, "--model_name_or_path", tmp_path / "broken") == 2
        assert "broken are not finite (allinone.layernorm.bias), as a training that diverged" in last_line(capsys)
        assert not (tmp_path / "output" / "results.json").exists()

    @pytest.mark.parametrize("options", (["--max_steps", 1], ["--max_steps", -1, "--num_train_epochs", 2]))
    def test_an_epoch_without_a_clip(self, on_shapes, tmp_path, capsys, script, options):
        root = write_splits(tmp_path / "shapes", train=2, test=1)
        for film in (root / "train" / "videos").iterdir():
            film.write_text("no film")
        options = [*options, "--data_dir", root, "--on_decode_error", "skip"]
        assert run_script(load_script(script), *on_shapes, *options) == 2
        assert "error: Nothing could be learned of epoch 1: every clip was skipped" in last_line(capsys)
        assert not (tmp_path / "output" / "model.safetensors").exists()

    def test_skipped_rows_are_not_out_of_vocabulary(self, on_shapes, tmp_path, script):
        root = write_splits(tmp_path / "shapes", train=4, validation=2, test=4)
        for split in ("validation", "test"):
            (root / split / "videos" / "000000.mp4").write_text("no film")
        skipping = ["--data_dir", root, "--on_decode_error", "skip", "--group_by", "kind"]
        assert run_script(load_script(script), *on_shapes, *skipping) == 0
        results = read_results(tmp_path / "output")
        assert results["protocol"]["num_skipped"] > 0
        outside = [value for name, value in results["scores"].items() if "num_out_of_vocabulary" in name]
        assert len(outside) > 1 and not any(outside)


def test_adapters_are_merged_into_the_model_that_is_saved(on_shapes, tiny, tmp_path):
    output = tmp_path / "output"
    lora = ["--lora_rank", 2, "--max_steps", 2, "--save_strategy", "steps", "--save_steps", 1]
    assert run_script(SCRIPT, *on_shapes, *lora, "--gradient_checkpointing", "true") == 0
    before, after = load_file(tiny / "model.safetensors"), load_file(output / "model.safetensors")
    changed = {name for name in before if name in after and not torch.equal(before[name], after[name])}
    adapted = ("qkv", "out_proj", "fc1", "fc2")
    assert changed == {name for name in before if name.startswith("allinone.layers.") and name.endswith("weight")} & {
        name for name in before if name.split(".")[-2] in adapted
    }
    assert (
        load_file(output / "checkpoint-1" / "adapter_model.safetensors").keys()
        == load_file(output / "adapter" / "adapter_model.safetensors").keys()
    )
    scoring = ["--model_name_or_path", output, "--output_dir", tmp_path / "again", "--do_train", "false"]
    assert run_script(SCRIPT, *on_shapes, *scoring) == 0
    assert read_results(tmp_path / "again")["scores"] == read_results(output)["scores"]

    (output / "checkpoint-2" / "trainer_state.json").write_text("{")  # as if killed while it was written
    assert (
        run_script(SCRIPT, *on_shapes, *lora, "--gradient_checkpointing", "true", "--resume_from_checkpoint", True)
        == 0
    )
    resumed = load_file(output / "model.safetensors")
    assert all(torch.equal(resumed[name], after[name]) for name in after)


@pytest.mark.parametrize(
    ("options", "message"),
    (
        (["--data_dir", "nowhere"], "root is nowhere, which is no folder"),
        (["--train_split", "training"], "moving_shapes has no split 'training'; it has 'train'"),
        (["--test_split", "exam"], "moving_shapes has no split 'exam'"),
        (["--eval_split", "val", "--eval_strategy", "epoch"], "moving_shapes has no split 'val'"),
        (["--dataset", "moving_shape"], "There is no data set 'moving_shape'"),
        (["--dataset_options", '{"level": "easy"}'], "moving_shapes has no option level"),
        (["--dataset_options", '{"task": "retrieval"}'], "have no set of answers; it is for question-answering"),
        (["--group_by", "sort"], "group_by is 'sort'; the rows have video,"),
        (["--model_name_or_path", "no-such-model"], "no-such-model"),
        (["--config", '{"image_size": 64}'], "does not fit the configuration: allinone.embeddings"),
        (["--config", '{"hidden_size": "wide"}'], "hidden_size"),
        (["--config", '{"hidden_size": -32}'], "hidden_size is -32, but must be at least 1"),
        (["--config", '{"num_hidden_layers": -1}'], "num_hidden_layers is -1, but must be at least 1"),
        (["--config", '{"num_frames": 3.5}'], "Field 'num_frames' expected int, got float"),
        (["--config", '{"hidden_act": "gulu"}'], "hidden_act is 'gulu', but must be one of gelu"),
        (["--video_processor", '{"num_frames": "three"}'], "video_processor is {'num_frames': 'three'}, which it"),
        (["--video_processor", '{"num_views": 1.5}'], "Field 'num_views' with value 1.5 doesn't match"),
        (["--video_processor", '{"image_mean": "red"}'], "Field 'image_mean' with value 'red' doesn't match"),
        (["--video_processor", '{"crop_size": [1]}'], "video_processor is {'crop_size': [1]}, which it cannot be"),
        (["--lr_scheduler_type", "warmup_stable_decay"], "lr_scheduler_type warmup_stable_decay cannot have"),
        (["--lr_scheduler_kwargs", '{"num_cycles": 1}'], "lr_scheduler_type linear cannot have lr_scheduler_kwargs"),
        (
            ["--lr_scheduler_type", "polynomial", "--lr_scheduler_kwargs", '{"power": "x"}', "--max_steps", 4],
            "lr_scheduler_type polynomial cannot have lr_scheduler_kwargs {'power': 'x'}",
        ),
        (["--optim", "adamw_bnb_8bit"], "bitsandbytes"),
        (["--seconds_per_clip", 1e-5], ".mp4 took longer than 1e-05 s"),
        (["--seconds_per_clip", 1e-5, "--dataloader_num_workers", 1], ".mp4 took longer than 1e-05 s"),
        (["--video_processor", '{"sise": 3}'], "video_processor has sise; the video processor knows"),
        (["--frame_sampling", "often"], "frame_sampling is 'often'; expected"),
        (["--lora_rank", 2, "--num_frames", 5], "num_frames is 5, but"),
        (["--output_dir", "a-file/output"], "a-file"),
        (["--resume_from_checkpoint", "gone"], "gone"),
    ),
)
def test_what_goes_wrong_is_said_in_a_line(on_shapes, tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    Path("a-file").write_text("")
    assert run_script(SCRIPT, *on_shapes, *options) == 2
    line = last_line(capsys)
    assert "error: " in line and message in line


def test_data_that_cannot_be_trained_on_is_told_before_training(on_shapes, tmp_path, capsys):
    root = write_splits(tmp_path / "shapes", train=2, test=2)
    films = sorted((root / "test" / "videos").iterdir())
    films[0].unlink()
    assert run_script(SCRIPT, *on_shapes, "--data_dir", root, "--num_train_rows", 1, "--on_decode_error", "skip") == 0
    films[1].write_text("")
    for do_train in ("true", "false"):
        assert run_script(SCRIPT, *on_shapes, "--data_dir", root, "--do_train", do_train) == 2
        line = last_line(capsys)
        assert "error: No video of the test split of moving_shapes is there (2 of 2 are missing or empty" in line
        assert films[0].name in line and "Say where they lie with media_dir" in line
    (root / "train" / "annotations.jsonl").write_text("")
    assert run_script(SCRIPT, *on_shapes, "--data_dir", root) == 2
    assert "train/annotations.jsonl" in last_line(capsys)


def test_a_disk_that_is_full_is_named(on_shapes, tmp_path, capsys):
    """By the library that writes the weights, and that of the optimiser, which is twice as large."""
    lowest, highest = resource.getrlimit(resource.RLIMIT_FSIZE)
    for saving, size in (("no", 80_000), ("steps", 200_000)):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, highest))
        try:
            options = ["--save_strategy", saving, "--save_steps", 1, "--output_dir", tmp_path / f"{saving}-{size}"]
            assert run_script(SCRIPT, *on_shapes, *options) == 2
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (lowest, highest))
        line = last_line(capsys)
        assert line.startswith("error: ") and f"{saving}-{size}" in line and "cannot be written" in line


@pytest.mark.parametrize("name", ("model.safetensors", "tokenizer.json", "config.json", "processor_config.json"))
@pytest.mark.parametrize("size", (0, 100))
def test_damaged_models_are_named(on_shapes, tiny, tmp_path, capsys, name, size):
    broken = shutil.copytree(tiny, tmp_path / "broken")
    (broken / name).write_bytes((broken / name).read_bytes()[:size])
    assert run_script(SCRIPT, *on_shapes, "--model_name_or_path", broken) == 2
    line = last_line(capsys)
    assert line.startswith("error: ") and str(broken) in line


def test_a_tokenizer_of_a_vocabulary_alone(on_shapes, tiny, tmp_path, capsys):
    tokenizer = AllInOneProcessor.from_pretrained(tiny).tokenizer
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "vocab.txt").write_text("\n".join(words))
    options = [*on_shapes, "--tokenizer_name", tmp_path / "bert", "--num_test_rows", 1]
    place = options.index("--model_name_or_path")
    options[place : place + 2] = ["--config", '{"image_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}']
    assert run_script(SCRIPT, *options) == 0
    assert AllInOneProcessor.from_pretrained(tmp_path / "output").tokenizer.get_vocab() == tokenizer.get_vocab()
    (tmp_path / "bert" / "vocab.txt").write_text("<html>")
    assert run_script(SCRIPT, *options) == 2
    assert "vocab.txt lacks [PAD], [UNK], [CLS], [SEP], [MASK], so it is no vocabulary" in last_line(capsys)


@pytest.mark.parametrize(
    ("recipe", "message"),
    (
        ("learning_rat: 1", "the recipe recipe.yaml has learning_rat, which are no arguments of this script"),
        ("max_steps: many", "invalid int value: 'many'"),
        ("max_steps: 1.5", "invalid int value: '1.5'"),
        ("- a", "the recipe recipe.yaml holds a list"),
        ("a: [", "the recipe recipe.yaml cannot be read: while parsing"),
        ("", "the recipe recipe.yaml holds a NoneType"),
    ),
)
def test_wrong_recipes_are_told(tmp_path, capsys, monkeypatch, recipe, message):
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(recipe)
    assert (
        run_script(
            SCRIPT,
            "recipe.yaml",
            "--task",
            "question-answering",
            "--dataset",
            "moving_shapes",
            "--data_dir",
            ".",
            "--output_dir",
            ".",
        )
        == 2
    )
    assert message in capsys.readouterr().err
