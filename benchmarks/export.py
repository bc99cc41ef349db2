# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Answers, size and speed of a question-answering model as ONNX, beside those of the model.

    python benchmarks/export.py --model outputs/quickstart/model-token_roll --threads 1

Answers are those to questions about moving shapes that the model of the quickstart has not seen. Seconds are those of
a batch, medians over repeats in which all take turns: of 20 questions to this model, and of `--batch-size` to one with
weights drawn at random, of the size `--preset`, which reads 224 px.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import measuring
import onnxruntime
import torch

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForVideoQuestionAnswering,
    AllInOnePreTrainedModel,
    AllInOneProcessor,
    AllInOneVideoProcessor,
    export_onnx,
    load_onnx,
)
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes
from modeling_allinone.evaluation.pretrained import load_pretrained

WAYS = {  # how the model is run: whether its weights are rounded, and by what
    "ONNX Runtime": (False, "onnxruntime"),
    "OpenVINO": (False, "openvino"),
    "ONNX Runtime, int8": (True, "onnxruntime"),
}


def main():
    """Measure, print the tables, write the JSON."""
    parser = measuring.make_parser("export", __doc__)
    parser.add_argument("--model", default="outputs/quickstart/model-token_roll", help="folder of the model")
    parser.add_argument("--num-questions", type=int, default=200, help="asked about moving shapes")
    measuring.add_model_options(parser, preset="tiny", repeats=15)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with TemporaryDirectory() as folder:
        answers, of_model = measure_model(arguments, Path(folder))
        of_preset = measure_preset(arguments, Path(folder))
    measuring.write_result(arguments, onnxruntime, answers=answers, seconds=of_model, seconds_of_preset=of_preset)


def measure_model(arguments: argparse.Namespace, folder: Path) -> tuple[list[dict], list[dict]]:
    """Rows of the tables of answers and of seconds of the model."""
    model, processor = load_pretrained(arguments.model, "cpu", "float32")
    ways = open_all(model, processor, folder / "model", arguments.threads)
    write_moving_shapes(folder / "shapes", arguments.num_questions, "test", seed=5)
    rows = load_moving_shapes(folder / "shapes", "test").to_list()[: arguments.num_questions]
    batches = []
    for start in range(0, len(rows), 20):
        some = rows[start : start + 20]
        texts, clips = [row["question"] for row in some], [row["video"] for row in some]
        batches.append(processor(text=texts, videos=clips))
    logits = {name: torch.cat([run(**batch).logits for batch in batches]) for name, run in ways.items()}
    right = torch.tensor([row["label"] for row in rows])
    answers = [
        {
            "run by": name,
            "same answers": int((ours.argmax(1) == logits["torch"].argmax(1)).sum()),
            "of": len(rows),
            "largest difference of a score": (ours - logits["torch"]).abs().max().item(),
            "right, %": 100 * (ours.argmax(1) == right).float().mean().item(),
            "MB": size_of(folder / "model", name),
        }
        for name, ours in logits.items()
    ]
    return answers, take_time(ways, dict(batches[0]), arguments.repeats)


def measure_preset(arguments: argparse.Namespace, folder: Path) -> list[dict]:
    """Rows of the table of seconds of a model of a preset."""
    tokenizer = AllInOneProcessor.from_pretrained(arguments.model).tokenizer
    config = AllInOneConfig.from_preset(arguments.preset, num_frames=arguments.num_frames, num_labels=1000)
    model = AllInOneForVideoQuestionAnswering(config).eval()
    processor = AllInOneProcessor(AllInOneVideoProcessor(num_frames=arguments.num_frames), tokenizer)
    ways = open_all(model, processor, folder / "preset", arguments.threads)
    batch = {
        "input_ids": torch.randint(1000, 2000, (arguments.batch_size, 12)),
        "attention_mask": torch.ones(arguments.batch_size, 12, dtype=torch.long),
        "pixel_values": torch.randn(arguments.batch_size, arguments.num_frames, 3, 224, 224),
    }
    rows = take_time(ways, batch, arguments.repeats)
    return [{**row, "MB": size_of(folder / "preset", row["run by"])} for row in rows]


def open_all(
    model: AllInOnePreTrainedModel, processor: AllInOneProcessor, folder: Path, threads: int | None
) -> dict[str, Callable]:
    """The model, and it exported in each way."""
    for int8 in (False, True):
        export_onnx(model, processor, folder / f"int8-{int8}", int8)
    ways: dict[str, Callable] = {"torch": torch.no_grad()(model)}
    for name, (int8, runtime) in WAYS.items():
        ways[name] = load_onnx(folder / f"int8-{int8}", runtime, threads=threads)[0]
    return ways


def size_of(folder: Path, name: str) -> float | None:
    """Megabytes of a graph."""
    return (folder / f"int8-{WAYS[name][0]}/model.onnx").stat().st_size / 1e6 if name in WAYS else None


def take_time(ways: dict[str, Callable], batch: dict[str, torch.Tensor], repeats: int) -> list[dict]:
    """Rows of a table of the seconds of a batch."""
    runs = {name: partial(run, **batch) for name, run in ways.items()}
    seconds = measuring.median_seconds(runs, repeats, "turns")
    of_float = seconds["ONNX Runtime"]
    return [
        {"run by": name, "seconds": taken, "times as fast as ONNX Runtime": of_float / taken}
        for name, taken in seconds.items()
    ]


if __name__ == "__main__":
    main()
