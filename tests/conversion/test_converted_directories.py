# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What conversion writes: whole directories or nothing, processors, verified weights, cards; and its command line."""

import hashlib
import json
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from original_checkpoints import CASES, TASK_OF_CASE, TINY, to_original
from safetensors.torch import load_file, save_file

import modeling_allinone
from modeling_allinone import (
    AllInOneConfig,
    AllInOneForMultipleChoice,
    AllInOneForVideoClassification,
    AllInOneModel,
)
from modeling_allinone.conversion.fingerprint import main as fingerprint_main
from modeling_allinone.conversion.fingerprint import take_fingerprint
from modeling_allinone.conversion.model_directory import build_model, read_model_directory
from modeling_allinone.conversion.original_checkpoint import convert_checkpoint, main, verify_directory
from modeling_allinone.conversion.safe_checkpoint import ConversionError
from modeling_allinone.conversion.tensor_conversion import DTYPES
from modeling_allinone.models.video_processing_allinone import IMAGE_OPTIONS

# --------------------------------------------------------------------------------------------- output and processor


def test_directory_with_files_is_kept_unless_overwritten(tmp_path, convert, original):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(ConversionError, match=r"directory .*out is not empty; pass --overwrite to replace it"):
        convert(original)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    convert(original, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "config.json",
        "import_modeling_allinone.py",
        "model.safetensors",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["original.ckpt", "out"]
    torch.save(original, tmp_path / "out" / "original.ckpt")
    with pytest.raises(ConversionError, match=r"lies in the output directory .* that it would replace"):
        convert_checkpoint(tmp_path / "out" / "original.ckpt", tmp_path / "out", tokenizer=None, overwrite=True)
    for place in (Path.cwd(), Path.cwd().parent, Path.home()):
        with pytest.raises(ConversionError, match="is no place to replace; give one for the model"):
            convert_checkpoint(tmp_path / "original.ckpt", place, tokenizer=None, overwrite=True)
    with pytest.raises(ConversionError, match=r"The output .*original\.ckpt is a file; give a directory"):
        convert_checkpoint(tmp_path / "original.ckpt", tmp_path / "original.ckpt", tokenizer=None, overwrite=True)
    (tmp_path / "empty").mkdir()
    convert_checkpoint(tmp_path / "original.ckpt", tmp_path / "empty", tokenizer=None)


@pytest.mark.parametrize("failure", (OSError("No space left on device"), KeyboardInterrupt()))
@pytest.mark.parametrize("has_old", (False, True))
def test_nothing_is_half_written(tmp_path, monkeypatch, convert, original, failure, has_old):
    if has_old:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "config.json").write_text("old")

    def fail(self, directory):
        (Path(directory) / "config.json").write_text("new")
        raise failure

    monkeypatch.setattr(AllInOneModel, "save_pretrained", fail)
    with pytest.raises(type(failure)):
        convert(original, overwrite=has_old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["original.ckpt"] + ["out"] * has_old
    if has_old:
        assert (tmp_path / "out" / "config.json").read_text() == "old"


def test_processor_fits_the_model(convert, original, tokenizer_of):
    directory, _ = convert(original, tokenizer=tokenizer_of(20))
    processor = modeling_allinone.AllInOneProcessor.from_pretrained(directory)
    assert processor.tokenizer.model_max_length == 9
    assert processor.video_processor.num_frames == 3
    assert dict(processor.video_processor.size)["shortest_edge"] == 28
    inputs = processor(text="word1 word2 " * 20, videos=np.zeros((7, 40, 50, 3), dtype=np.uint8))
    assert inputs["input_ids"].shape == (1, 9)
    assert inputs["pixel_values"].shape == (1, 3, 3, 24, 24)
    model = AllInOneModel.from_pretrained(directory).eval()
    assert model(**inputs).pooler_output.shape == (1, 128)


def test_classifiers_get_their_prompt(convert, refuse, tokenizer_of):
    model = AllInOneForVideoClassification(AllInOneConfig(**TINY))
    content, tokenizer = to_original(model, "answer classifier (open-ended)"), tokenizer_of(20)
    refuse("--prompt is what a video classifier reads .* and a tokenizer", content, "classification", prompt="word1")
    refuse("it needs --task classification", content, "question-answering", tokenizer, prompt="word1")
    directory, _ = convert(content, "classification", tokenizer, prompt="word1 word2", verify=True)
    config = AllInOneConfig.from_pretrained(directory)
    assert config.prompt == "word1 word2" and config.prompt_input_ids == [2, 6, 7, 3]


@pytest.mark.parametrize(
    ("case", "datasets", "reads_images"),
    (
        ("soft_label_qa", None, True),
        ("paired_visual_reasoning", None, True),
        ("open_ended_qa", None, False),
        ("retrieval_ranking", None, False),
        ("retrieval_ranking", ["msrvtt"], False),
        ("retrieval_ranking", ["coco"], True),
        ("retrieval_ranking", ["f30k"], True),
        ("retrieval_ranking", ["coco", "webvid"], False),
    ),
)
def test_what_was_tuned_on_images_reads_images(convert, tokenizer_of, case, datasets, reads_images):
    """Of VQAv2 and NLVR2 the head tells, of retrieval the data sets."""
    content = torch.load(CASES / case / "original.ckpt", weights_only=True)
    if datasets is not None:
        content["hyper_parameters"]["config"]["datasets"] = datasets
    directory, _ = convert(content, TASK_OF_CASE.get(case), tokenizer_of(50))
    options = modeling_allinone.AllInOneVideoProcessor.from_pretrained(directory).to_dict()
    expected = {**IMAGE_OPTIONS, "size": {"shortest_edge": 64, "longest_edge": 106}}
    assert (expected.items() <= options.items()) == reads_images
    assert (options.get("decode_size") == {"height": 512, "width": 512}) == (not reads_images)


def test_tokenizer_of_a_vocabulary_alone(tmp_path_factory, convert, refuse, original):
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "##s", "dog"]))
    directory, _ = convert(original, tokenizer=str(folder))
    tokenizer = modeling_allinone.AllInOneProcessor.from_pretrained(directory).tokenizer
    assert tokenizer("What dogs")["input_ids"] == [2, 5, 7, 6, 3] and tokenizer.model_max_length == 9
    shutil.rmtree(directory)
    for content, reason in (
        (b"<html>", r".*vocab.txt lacks \[PAD\], .*no vocabulary of BERT"),
        (b"\xff", "'utf-8' codec"),
    ):
        (folder / "vocab.txt").write_bytes(content)
        refuse(rf"cannot be loaded; pass --tokenizer .* \({reason}", original, tokenizer=str(folder))


@pytest.mark.parametrize("size", (60_000, 1_000))
def test_a_full_disk_is_said_in_a_line(tmp_path, original, tokenizer_of, capsys, size):
    """Full for the weights, or for the tokenizer before them; the libraries that write them raise no `OSError`."""
    torch.save(original, tmp_path / "original.ckpt")
    arguments = [str(tmp_path / "original.ckpt"), str(tmp_path / "out"), "--tokenizer", tokenizer_of(31)]
    lowest, highest = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, highest))
    try:
        assert main(arguments) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (lowest, highest))
    lines = capsys.readouterr().err.splitlines()
    (line,) = (line for line in lines if line.startswith("error: "))
    assert line.startswith(f"error: {tmp_path / 'out'} cannot be written: ") and "File too large" in line
    assert line == lines[-1] and not (tmp_path / "out").exists()


def test_tokenizer_that_does_not_fit(tmp_path, refuse, original, tokenizer_of):
    refuse("has 32 tokens, but the checkpoint's vocabulary 31; pass the", original, tokenizer=tokenizer_of(32))
    refuse("'bert-base-uncased' cannot be loaded; pass --tokenizer PATH", original, tokenizer="bert-base-uncased")
    refuse("cannot be loaded; .* or --no-processor", original, tokenizer=str(tmp_path / "nowhere"))


# --------------------------------------------------------------------------------------- verification and model card


@pytest.mark.parametrize("case", sorted(path.parent.name for path in CASES.glob("*/original.ckpt")))
def test_what_is_written_is_verified(tmp_path, case):
    task = TASK_OF_CASE.get(case)
    arguments = (CASES / case / "original.ckpt", tmp_path / "out", task, None)
    fingerprint = convert_checkpoint(*arguments, verify=True).fingerprint
    assert fingerprint == take_fingerprint(build_model(*read_model_directory(tmp_path / "out")))
    assert fingerprint == convert_checkpoint(*arguments, verify=True, overwrite=True).fingerprint
    assert fingerprint.values and all(np.isfinite(values).all() for _, _, values in fingerprint.values)


@pytest.mark.parametrize("dtype", DTYPES)
def test_verification_finds_one_changed_bit(tmp_path, dtype):
    """A matching head, of which a row is taken, of a distilled model, whose special tokens are joined of two."""
    checkpoint = CASES / "distilled_matching" / "original.ckpt"
    conversion = convert_checkpoint(checkpoint, tmp_path / "out", "multiple-choice", None, dtype=dtype, verify=True)
    path = tmp_path / "out" / "model.safetensors"
    weights = load_file(path)
    for name in ("scorer.out_proj.weight", "allinone.embeddings.visual_embeddings.special_tokens"):
        changed = {key: weight.clone() for key, weight in weights.items()}
        changed[name].view(torch.uint8).flatten()[0] ^= 1
        save_file(changed, path, metadata={"format": "pt"})
        with pytest.raises(ConversionError, match=f"differs from .*original.ckpt: {name}"):
            verify_directory(tmp_path / "out", checkpoint, conversion.report, DTYPES[dtype])
        assert (
            take_fingerprint(build_model(*read_model_directory(tmp_path / "out"))).digest
            != conversion.fingerprint.digest
        )


def test_directory_that_fails_verification_is_not_written(tmp_path, monkeypatch, convert, original):
    """As on a disk that loses what is written to it."""
    save = AllInOneModel.save_pretrained

    def save_wrongly(self, directory):
        save(self, directory)
        weights = load_file(Path(directory) / "model.safetensors")
        weights["pooler.dense.bias"] += 1
        save_file(weights, Path(directory) / "model.safetensors", metadata={"format": "pt"})

    monkeypatch.setattr(AllInOneModel, "save_pretrained", save_wrongly)
    with pytest.raises(ConversionError, match=r"differs from .*original\.ckpt: pooler\.dense\.bias"):
        convert(original, verify=True)
    assert [path.name for path in tmp_path.iterdir()] == ["original.ckpt"]


def test_file_without_checksums(tmp_path, original, capsys):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(original, tmp_path / "original.ckpt")
    finally:
        torch.serialization.set_crc32_options(True)
    arguments = [str(tmp_path / "original.ckpt"), str(tmp_path / "out"), "--no-processor", "--verify"]
    assert main(arguments) == 2
    assert "original.ckpt has no checksums" in capsys.readouterr().err
    assert main([*arguments, "--skip-checksums"]) == 0
    assert "verified: every tensor equals" in capsys.readouterr().out


def test_fingerprint_of_a_directory(tmp_path, capsys):
    assert fingerprint_main([str(tmp_path)]) == 2
    assert "config.json cannot be read (" in capsys.readouterr().err
    AllInOneModel(AllInOneConfig(**TINY)).save_pretrained(tmp_path)
    assert fingerprint_main([str(tmp_path)]) == 0
    assert "fingerprint of AllInOneModel in float32" in capsys.readouterr().out


def test_values_that_are_not_finite(refuse, original):
    large = original["pooler.dense.bias"].clone()
    large[3] = 70000.0
    refuse(
        r"pooler\.dense\.bias .* not finite in float16; convert to float32",
        original | {"pooler.dense.bias": large},
        dtype="float16",
    )
    large[3] = float("nan")
    refuse(r"pooler\.dense\.bias .* not finite in float32; its training", original | {"pooler.dense.bias": large})


def test_model_card_tells_where_the_model_comes_from(tmp_path):
    scores = [{"dataset": "MSRVTT-QA", "split": "test", "metric": "accuracy", "value": 42.9}]
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    checkpoint = CASES / "open_ended_qa" / "original.ckpt"
    fingerprint = convert_checkpoint(
        checkpoint,
        tmp_path / "out",
        tokenizer=None,
        name="someone/all-in-one-qa",
        license="cc-by-4.0",
        base_model="someone/all-in-one",
        scores_file=tmp_path / "scores.json",
        verify=True,
    ).fingerprint
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.license == "cc-by-4.0" and card.data.base_model == "someone/all-in-one"
    assert card.data.pipeline_tag == "visual-question-answering"
    (result,) = card.data.eval_results
    assert (result.dataset_name, result.dataset_split, result.metric_value) == ("MSRVTT-QA", "test", 42.9)
    assert hashlib.sha256(checkpoint.read_bytes()).hexdigest() in card.text
    assert str(fingerprint) in card.text
    assert 'from_pretrained("someone/all-in-one-qa")' in card.text
    assert "There is no processor here yet" in card.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Expecting property name"),
        ("{}", "it holds a dict, but expected a list"),
        (
            '[{"dataset": "MSVD-QA", "metric": "accuracy"}]',
            "expected a mapping with dataset, metric, value and perhaps",
        ),
        ('[{"dataset": "a", "metric": "b", "value": "46 %"}]', "'46 %', but expected a number"),
    ],
)
def test_scores_that_cannot_be_used(tmp_path, refuse, original, content, message):
    path = tmp_path.with_suffix(".json")
    path.write_text(content)
    refuse(message, original, scores_file=path)


# -------------------------------------------------------------------------------------------------------- command line


def test_main_reports_every_key(tmp_path, capsys):
    checkpoint = str(CASES / "multiple_choice" / "original.ckpt")
    assert main([checkpoint, str(tmp_path / "out"), "--no-processor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    keys = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert [line.split()[0] for line in lines[:-2]] == list(keys)
    assert "-> scorer.out_proj.weight" in next(line for line in lines if line.startswith("rank_output.weight"))
    assert "left out: belongs to another head" in next(line for line in lines if line.startswith("itm_score.fc.bias"))
    assert lines[-2:] == ["53 tensors converted, 2 left out", f"written: {tmp_path / 'out'}"]


def test_main_names_the_error_on_one_line(tmp_path, capsys):
    checkpoint = str(CASES / "joint_raster" / "original.ckpt")
    assert main([checkpoint, str(tmp_path / "out")]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: The checkpoint holds several heads: ")
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("script", "argument"),
    [
        ("convert_original_checkpoint.py", "--label-file LABEL_FILE\n"),
        ("convert_vision_checkpoint.py", "--image-mean IMAGE_MEAN [IMAGE_MEAN ...]\n"),
        ("export_original_checkpoint.py", "--no-position-ids Do not write text_embeddings.position_ids,"),
    ],
)
def test_help_is_what_the_docstring_says(tmp_path, run_in, script, argument):
    output, _ = run_in(tmp_path, script, "--help")
    output = " ".join(output.split())
    assert " ".join(argument.split()) in output
    assert "(default: float32)" in output and f"example: allinone {script.partition('_')[0]} " in output


def test_script_runs_from_any_directory(tmp_path, run_in):
    checkpoint = str(CASES / "legacy_checkpoint" / "original.ckpt")
    options = ["--task", "multiple-choice", "--no-processor"]
    output, _ = run_in(tmp_path, "convert_original_checkpoint.py", checkpoint, "out", *options)
    assert "itm_score.fc.weight" in output and "scorer.out_proj.weight (row 1)" in output
    assert AllInOneForMultipleChoice.from_pretrained(tmp_path / "out").config.num_frames == 3
