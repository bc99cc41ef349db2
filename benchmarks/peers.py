# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What each task costs beside other models for video and text: multiply-adds and seconds.

    python benchmarks/peers.py                                # the tables in docs/performance.md; some 20 minutes
    python benchmarks/peers.py --tasks answer --threads 2     # one task; the others stay in the JSON
    python benchmarks/peers.py --tables                       # measure nothing; print and draw what the JSON holds

All have random weights and the sizes of a released checkpoint, and read one clip at a time in float32: as many frames
as the checkpoint does, and texts of 14 tokens, none of which is padded. Every time is the median over repeats in which
all models take turns. Multiply-adds are half of what torch's FLOP counter counts. What a model was not made for is
empty.

Models that came before All-in-one are skeletons (benchmarks/peer_skeletons.py): they have multiply-adds alone.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import measuring
import peer_skeletons
import torch
from cost import save
from peer_skeletons import NUM_ANSWERS, NUM_TOKENS
from torch import nn
from transformers import (
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    VideoPrismClipModel,
    VideoPrismConfig,
    VideoPrismTextConfig,
    VideoPrismVisionConfig,
    ViltConfig,
    ViltForImageAndTextRetrieval,
    ViltForQuestionAnswering,
    XCLIPConfig,
    XCLIPModel,
)

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForMultipleChoice,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
)

NUM_CHOICES, NUM_CLIPS = 5, 20
TASKS = {
    "answer": "answer a question",
    "choose": f"choose among {NUM_CHOICES} texts",
    "pairs": f"rank {NUM_CLIPS} clips, each read with the text",
    "vectors": f"rank {NUM_CLIPS} clips by vectors that are kept",
    "index": "index a clip",
    "train": "train on a clip",
}
COUNT, SECONDS = "G multiply-adds", "seconds"
COLUMNS = ["model", "reads", "M parameters", *(f"{task}, {what}" for what in (COUNT, SECONDS) for task in TASKS)]
# A model, and what it does for each task that it was made for.
Run = Callable[[], Any]
Tasks = tuple[nn.Module, dict[str, Run]]


def main(command_line: Sequence[str] | None = None) -> None:
    """Measure what is asked for, print the tables, draw the figure, write the JSON."""
    parser = measuring.make_parser("peers", __doc__)
    parser.add_argument("--models", nargs="+", default=[*PEERS], choices=[*PEERS], help="models that are measured")
    parser.add_argument("--tasks", nargs="+", default=[*TASKS], choices=[*TASKS], help="tasks that are measured")
    measuring.add_run_options(parser, repeats=3, remark="; 0: count multiply-adds alone")
    parser.add_argument("--figure", type=Path, default=Path("docs/images/peers.png"), help="PNG to write")
    parser.add_argument("--tables", action="store_true", help="measure nothing; print and draw what the file holds")
    arguments = parser.parse_args(command_line)
    result = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    if not arguments.tables:
        if arguments.threads:
            torch.set_num_threads(arguments.threads)
        rows = {row["model"]: row for row in result.get("peers", [])}
        for row in measure(arguments):
            rows[row["model"]] = dict.fromkeys(COLUMNS) | rows.get(row["model"], {}) | row
        result = {"peers": [rows[name] for name in PEERS if name in rows], "before": count_skeletons()}
        measuring.write_result(arguments, **result)
    print(write_tables(result))
    draw(result, arguments.figure)


# --------------------------------------------------------------------------------------------------------- models


def make_allinone(preset: str) -> Tasks:
    """Our heads on one backbone."""
    config = AllInOneConfig.from_preset(preset, num_labels=NUM_ANSWERS)
    answering, choosing = AllInOneForVideoQuestionAnswering(config).eval(), AllInOneForMultipleChoice(config).eval()
    finding = AllInOneForVideoTextRetrieval(config).eval()
    choosing.allinone = finding.allinone = answering.allinone
    clip, clips, labels = make_clips(1, 3, 224), make_clips(NUM_CLIPS, 3, 224), torch.zeros(1, dtype=torch.long)
    kept = torch.randn(NUM_CLIPS, config.projection_dim or 0)
    return answering, {
        "answer": lambda: answering(input_ids=make_texts(1), pixel_values=clip),
        "choose": lambda: choosing(input_ids=make_texts(NUM_CHOICES)[None], pixel_values=clip),
        "pairs": lambda: finding.score_pairs(make_texts(NUM_CLIPS), pixel_values=clips),
        "vectors": lambda: finding.get_text_features(make_texts(1)).pooler_output @ kept.T,
        "index": lambda: finding.get_video_features(clip),
        "train": lambda: answering(input_ids=make_texts(1), pixel_values=clip, labels=labels).loss,
    }


def make_vilt(image_size: int, patch_size: int) -> Tasks:
    """ViLT, which reads an image with a text: here, each of 3 frames."""
    num_frames = 3
    config = ViltConfig(image_size=image_size, patch_size=patch_size)
    config.num_labels = NUM_ANSWERS
    answering, ranking = ViltForQuestionAnswering(config).eval(), ViltForImageAndTextRetrieval(config).eval()
    ranking.vilt = answering.vilt
    labels = torch.zeros(num_frames, NUM_ANSWERS)

    def inputs(num_pairs: int) -> dict[str, torch.Tensor]:
        frames = make_clips(num_pairs, num_frames, image_size).flatten(0, 1)
        return {"input_ids": make_texts(len(frames)), "pixel_values": frames}

    question, choice, pairs = (inputs(number) for number in (1, NUM_CHOICES, NUM_CLIPS))
    return answering, {
        "answer": lambda: answering(**question),
        "choose": lambda: ranking(**choice),
        "pairs": lambda: ranking(**pairs),
        "train": lambda: answering(**question, labels=labels).loss,
    }


def make_xclip(patch_size: int) -> Tasks:
    """X-CLIP, whose text vectors depend on the clip: of an indexed one, the mean of its patches is kept, too."""
    config = XCLIPConfig(text_config={}, vision_config={"patch_size": patch_size})
    model = XCLIPModel(config).eval()
    clip = make_clips(1, 8, 224)
    kept = torch.randn(NUM_CLIPS, config.projection_dim)
    kept_patches = torch.randn(NUM_CLIPS, (224 // patch_size) ** 2, config.projection_dim)

    def rank() -> torch.Tensor:
        text = model.get_text_features(make_texts(1)).pooler_output.expand(NUM_CLIPS, 1, -1)
        return ((text + model.prompts_generator(text, kept_patches))[:, 0] * kept).sum(dim=-1)

    return model, {
        "choose": lambda: model(input_ids=make_texts(NUM_CHOICES), pixel_values=clip),
        "vectors": rank,
        "index": lambda: model.get_video_features(clip),
        "train": lambda: model(input_ids=make_texts(1), pixel_values=clip, return_loss=True).loss,
    }


def make_videomae() -> Tasks:
    """VideoMAE, which knows no texts: its vectors find clips by clips, and it is trained on classes."""
    model = VideoMAEForVideoClassification(VideoMAEConfig()).eval()
    clip, labels = make_clips(1, 16, 224), torch.zeros(1, dtype=torch.long)
    return model, {
        "index": lambda: model.videomae(clip),
        "train": lambda: model(clip, labels=labels).loss,
    }


def make_videoprism() -> Tasks:
    """VideoPrism with its text encoder."""
    vision, text = VideoPrismVisionConfig(), VideoPrismTextConfig()
    model = VideoPrismClipModel(VideoPrismConfig(text_config=text, vision_config=vision)).eval()
    clip = make_clips(1, 16, 288)
    kept = torch.randn(NUM_CLIPS, vision.hidden_size)
    return model, {
        "choose": lambda: model(pixel_values_videos=clip, input_ids=make_texts(NUM_CHOICES)),
        "vectors": lambda: model.get_text_features(make_texts(1)).pooler_output @ kept.T,
        "index": lambda: model.get_video_features(clip),
        "train": lambda: model(pixel_values_videos=clip, input_ids=make_texts(1), return_loss=True).loss,
    }


def make_clips(number: int, num_frames: int, image_size: int) -> torch.Tensor:
    """Random clips."""
    return torch.randn(number, num_frames, 3, image_size, image_size)


def make_texts(number: int) -> torch.Tensor:
    """Random texts, which are made on the default device."""
    return torch.randint(1000, 2000, (number, NUM_TOKENS))


PEERS: dict[str, tuple[str, Callable[[], Tasks]]] = {
    "All-in-one-Ti": ("3 × 224 px, patches of 16", partial(make_allinone, "tiny")),
    "All-in-one-S": ("3 × 224 px, patches of 16", partial(make_allinone, "small")),
    "All-in-one-B": ("3 × 224 px, patches of 16", partial(make_allinone, "base")),
    "ViLT-B/32": ("3 × 384 px, patches of 32", partial(make_vilt, 384, 32)),
    "ViLT-B/16": ("3 × 224 px, patches of 16", partial(make_vilt, 224, 16)),
    "X-CLIP-B/32": ("8 × 224 px, patches of 32", partial(make_xclip, 32)),
    "X-CLIP-B/16": ("8 × 224 px, patches of 16", partial(make_xclip, 16)),
    "VideoMAE-B": ("16 × 224 px, patches of 16, 2 frames deep", make_videomae),
    "VideoPrism-B": ("16 × 288 px, patches of 18", make_videoprism),
}
# Name, what is read, and what is counted.
SKELETONS: tuple[tuple[str, str, tuple[Run, ...]], ...] = (
    ("ClipBERT", "8 clips of 2 × 448 px", (peer_skeletons.answer_clipbert,)),
    ("VIOLET, with Swin-B", "5 × 224 px", (partial(peer_skeletons.answer_violet, 128, 5),)),
    ("VIOLET, with Swin-B", "16 × 224 px", (partial(peer_skeletons.answer_violet, 128, 16),)),
    ("VIOLET, with Swin-S", "5 × 224 px", (partial(peer_skeletons.answer_violet, 96, 5),)),
    ("ActBERT, its transformer alone", "37 regions, 5 actions", (peer_skeletons.answer_actbert,)),
    ("ActBERT, and its actions", "5 × 16 × 112 px", (peer_skeletons.answer_actbert, peer_skeletons.find_actions)),
    (
        "ActBERT, and regions of one frame",
        "600 × 800 px, 5 × 16 × 112 px",
        (peer_skeletons.answer_actbert, peer_skeletons.find_actions, peer_skeletons.find_regions),
    ),
)


# --------------------------------------------------------------------------------------------------- measurements


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Multiply-adds, then seconds, of each task of each model."""
    rows = {name: count_tasks(name, arguments.tasks) for name in arguments.models}
    if arguments.repeats:
        with torch.device(arguments.device):
            made = {name: PEERS[name][1]() for name in arguments.models}
            for task in arguments.tasks:
                runs = {name: as_step(task, *made[name]) for name in made if task in made[name][1]}
                for name, seconds in measuring.median_seconds(runs, arguments.repeats, TASKS[task]).items():
                    rows[name][f"{task}, {SECONDS}"] = seconds
    return list(rows.values())


def count_tasks(name: str, chosen: Sequence[str]) -> dict[str, Any]:
    """A model, and multiply-adds of its tasks in 10⁹."""
    reads, make = PEERS[name]
    # ViLT asks for values where it looks for padding; for the others, shapes are enough.
    with torch.device("cpu" if name.startswith("ViLT") else "meta"):
        model, tasks = make()
        counts = {f"{task}, {COUNT}": count(as_step(task, model, tasks)) for task in chosen if task in tasks}
    number = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    return {"model": name, "reads": reads, "M parameters": number, **counts}


def as_step(task: str, model: nn.Module, tasks: dict[str, Run]) -> Run:
    """A forward without gradients; for training, with the backward."""

    def train() -> None:
        tasks[task]().backward()
        model.zero_grad()  # gradients of one model at a time

    model.requires_grad_(task == "train")  # torch's FLOP counter minds, beside no_grad
    return train if task == "train" else torch.no_grad()(tasks[task])


def count(run: Run) -> float:
    """Multiply-adds of a call, in 10⁹."""
    return measuring.count_multiply_adds(run, batch_size=1) / 1e9


def count_skeletons() -> list[dict[str, Any]]:
    """Multiply-adds of a question, of models that came before."""
    with torch.device("meta"):
        return [{"model": name, "reads": reads, COUNT: sum(map(count, runs))} for name, reads, runs in SKELETONS]


# --------------------------------------------------------------------------------------------------------- report


def write_tables(result: dict[str, list[dict[str, Any]]]) -> str:
    """The tables in docs/performance.md."""
    tables = []
    for what in (COUNT, SECONDS):
        tables.append(
            [
                {"model": row["model"], "reads": row["reads"], "M parameters": f"{row['M parameters']:.0f}"}
                | {label: round_off(row[f"{task}, {what}"]) for task, label in TASKS.items()}
                for row in result["peers"]
            ]
        )
    ours = {row["model"]: row[f"answer, {COUNT}"] for row in result["peers"]}.get("All-in-one-B")
    if ours:
        tables.append(
            [
                {"model": row["model"], "reads": row["reads"], COUNT: round_off(row[COUNT])}
                | {"times All-in-one-B": round_off(row[COUNT] / ours)}
                for row in result["before"]
            ]
        )
    return "\n\n".join(measuring.write_table(table, ("model", "reads")) for table in tables)


def round_off(value: float | None) -> str:
    """Three digits, or all before the point."""
    return "" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def draw(result: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw multiply-adds of a question: ours, of peers and of models that came before."""
    counts = {row["model"]: row[f"answer, {COUNT}"] for row in result["peers"] if row[f"answer, {COUNT}"]}
    counts |= {f"{row['model']}, {row['reads']}": row[COUNT] for row in result["before"]}
    figure, axes = plt.subplots(figsize=(9, 0.6 + 0.3 * len(counts)), dpi=110)
    colors = ["C0" if name.startswith("All-in-one") else "C7" for name in counts]
    bars = axes.barh(list(counts), list(counts.values()), color=colors)
    axes.bar_label(bars, [round_off(value) for value in counts.values()], padding=3)
    axes.set(xscale="log", xlim=(1, 4 * max(counts.values())), xlabel="G multiply-adds to answer a question")
    axes.invert_yaxis()
    save(figure, path)


if __name__ == "__main__":
    main()
