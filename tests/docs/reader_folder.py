# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The folder of somebody who reads the pages: the repository, clips, tables, checkpoints, data sets in miniature."""

import shutil
from pathlib import Path

import torch
from annotation_fixtures import put_videos, write_files
from image_backbones import TINY_BERT, make_bert, make_vit, to_timm
from image_files import write_nlvr2, write_vcr
from original_checkpoints import TINY, to_original
from PIL import Image
from question_files import CAPTION_CHOICES, QUESTIONS
from transformers import AutoProcessor, BertTokenizer
from video_fixtures import corners, encode_video

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForPreTraining,
    AllInOneForVideoQuestionAnswering,
)
from modeling_allinone.conversion.key_map import OPEN_ENDED_CLASSIFIER
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes

ROOT = Path(__file__).parents[2]
NAMES = [f"video{number}" for number in range(8)]
TI = {"hidden_size": 192, "num_attention_heads": 3}
OPTIONS = ["a dog", "a cat", "a car", "two men", "it runs"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "man", "plays", "the", "guitar", "dog", "catches", "ball"]


def make_reader_folder(root: Path) -> Path:
    """Write all of it."""
    for name in ("examples", "conversion", "benchmarks"):  # copies, as some snippets write beside what they read
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shapes = root / "data/shapes"
    for split, num_clips in (("train", 8), ("validation", 2), ("test", 4)):
        write_moving_shapes(shapes, num_clips, split)
    clips = [Path(row["video"]) for row in load_moving_shapes(shapes, "train", "retrieval")]
    write_own_videos(root, clips)
    write_checkpoints(root)
    write_data_sets(root / "data", clips[0])
    return root


def write_own_videos(root: Path, clips: list[Path]) -> None:
    """A clip, folders of some more, and tables about them: a file for each task."""
    put_videos(root, clips[0], "clip.mp4")
    Image.fromarray(corners()).save(root / "picture.jpg")
    encode_video(root / "lesson.mp4", num_frames=11, times_in_ms=[0, *range(40_000, 80_000, 4_000)])
    tables = {
        "my.csv": ["video,question,answer"],
        "new.csv": ["video,question"],
        "captions.csv": ["video,caption"],
        "choices.csv": ["video,option_0,option_1,answer"],
    }
    for number, clip in enumerate(clips):
        kind, name = ("ring", "bar")[number % 2], f"my-clips/Übung {number}.mp4"
        put_videos(root, clip, name, f"my-classes/{kind}/{number}.mp4")
        tables["my.csv"].append(f"{name},what is it?,a {kind}")
        tables["new.csv"].append(f"{name},what is it?")
        tables["captions.csv"].append(f"{name},a {kind} moves up {number} times")
        tables["choices.csv"].append(f"{name},a ring,a bar,a {kind}")
    write_files(root, {name: "\n".join(lines) for name, lines in tables.items()})
    recipe = "{{task: {}, dataset: moving_shapes, data_dir: data/shapes, output_dir: outputs/mine, do_train: true, {}"
    recipe += "model_name_or_path: examples/checkpoints/moving-shapes}}"
    write_files(root, {"RECIPE": recipe.format("question-answering", "")})
    write_files(root, {"RECIPE.yaml": recipe.format("pretraining", "dataset_options: {task: retrieval}, ")})


def write_checkpoints(root: Path) -> None:
    """What the quickstart, an earlier run or a download would have left."""
    shipped = root / "examples/checkpoints/moving-shapes"
    for name in ("allinone-base", "outputs/msrvtt_qa", "outputs/mine", "outputs/quickstart/model-token_roll"):
        model = AllInOneForVideoQuestionAnswering.from_pretrained(shipped, id2label={0: "yes", 1: "no", 2: "red"})
        model.save_pretrained(root / name)
        AutoProcessor.from_pretrained(shipped).save_pretrained(root / name)
    put_videos(root / "outputs/quickstart/corpus/test/videos", root / "clip.mp4", "000000.mp4")
    shutil.copytree(shipped, root / "outputs/pretrain_webvid_howto100m_base")

    # Of the original: two heads of its pre-training; the tokenizer that both it and the text model have.
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    config = AllInOneConfig(**TINY | {"vocab_size": len(WORDS), "pretraining_objectives": ["masked_lm", "matching"]})
    heads = ("masked-language-modelling head", "matching head")
    torch.save(to_original(AllInOneForPreTraining(config), *heads), root / "allinone_base.ckpt")
    answers = AllInOneConfig(**TINY | {"vocab_size": len(WORDS), "num_labels": 2})
    torch.save(
        to_original(AllInOneForVideoQuestionAnswering(answers), OPEN_ENDED_CLASSIFIER), root / "tgif_frameqa.ckpt"
    )
    for name in ("deit_base_patch16_224.pth", "jx_vit_base_p16_224-80ecf9dd.pth"):
        torch.save(to_timm(make_vit(**TI)), root / name)
    make_bert(hidden_size=TI["hidden_size"]).save_pretrained(root / "path/to/bert-base-uncased")
    BertTokenizer(vocab=vocabulary).save_pretrained(root / "bert-base-uncased")
    vocabulary |= {f"word{index}": index for index in range(len(WORDS), TINY_BERT["vocab_size"])}
    BertTokenizer(vocab=vocabulary).save_pretrained(root / "path/to/bert-base-uncased")


def write_data_sets(root: Path, film: Path) -> None:
    """Those that pages name, as their makers publish them."""
    questions = [
        {"id": number, "video_id": number, "question": "is it a dog?", "answer": ("yes", "no")[number % 2]}
        for number in range(len(NAMES))
    ]
    parts = {"train": questions[:4], "val": questions[4:6], "test": questions[6:]}
    write_files(root / "MSRVTT-QA", {f"{word}_qa.json": rows for word, rows in parts.items()})
    choices = [{"clip_name": name, "options": OPTIONS, "answer": 1} for name in NAMES]
    write_files(root / "MSRVTT", {"msrvtt_mc_test.jsonl": choices})
    for name in ("MSRVTT-QA", "MSRVTT"):
        put_videos(root / name / "videos/all", film, *(f"{video}.mp4" for video in NAMES))

    captions = "caption\tpath\n" + "".join(f"a dog runs {number}\t{number}\n" for number in range(4))
    files = {f"webvid_{word}_success_full.tsv": captions for word in ("training", "validation")}
    write_files(root / "webvid", files)
    put_videos(root / "webvid", film, *(f"{split}/{number}.mp4" for split in ("train", "val") for number in range(4)))
    speech = {
        "ht100_videos_split.csv": "Name\ntalk.mp4\n",
        "howto100m_csv/talk.csv": "start,end,text\n0,1,whisk the eggs\n",
    }
    put_videos(write_files(root / "howto100m", speech), film, "talk.mp4")

    for name, recipe in (("msrvtt", "msrvtt_qa"), ("tgif", "tgif_frameqa")):
        places, arrangements = QUESTIONS[recipe]
        put_videos(write_files(root / name, arrangements["original"]), film, *places)
    for name in ("msrvtt", "lsmdc", "ego4d"):
        annotations, content, place = CAPTION_CHOICES[f"{name}_mc"]
        put_videos(write_files(root / name, {annotations: content}), film, place)
    write_vcr(root / "vcr", {"train": 2, "val": 1})
    write_nlvr2(root / "nlvr2", {"train": 2, "dev": 1, "test1": 1})

    rows = [f"{name},a dog runs {name},ein Hund\n" for name in NAMES]
    tables = {"train.csv": "file,en,de\n" + "".join(rows[:4]), "test.csv": "file,en,de\n" + "".join(rows[4:])}
    put_videos(write_files(root / "cooking", tables) / "videos", film, *(f"{name}.mp4" for name in NAMES))
