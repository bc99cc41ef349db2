# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What frames exchange, put to the test: token rolling beside no exchange and beside channel shift.

    OMP_NUM_THREADS=1 python benchmarks/temporal_mixing.py     # the tables of docs/temporal_mixing.md
    python benchmarks/temporal_mixing.py --tables              # only print the tables of the results that are there

A tiny model is trained from nothing on generated clips of moving shapes and asked about unseen ones: once for every
way of mixing and every seed. Clips, questions, batches, learning rates and the single-frame model that all start from
are the same for all; one frame has nothing to exchange. Results are written after each run, and a run that is in them
already is not run again, so what was interrupted goes on where it was.
"""

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
from datasets import Dataset
from measuring import describe_machine, make_parser, save_json, write_table
from transformers import set_seed
from transformers.trainer_callback import PrinterCallback

from modeling_allinone import AllInOneForVideoQuestionAnswering, AllInOneProcessor
from modeling_allinone.data.collators import VideoQuestionAnsweringCollator
from modeling_allinone.data.frame_cache import cache_frames
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.datasets import answer_vocabulary, load_moving_shapes, write_moving_shapes
from modeling_allinone.datasets.moving_shapes_texts import FRAME_KINDS, TIME_KINDS
from modeling_allinone.evaluation.question_answering import most_frequent_answers
from modeling_allinone.evaluation.results import score_groups
from modeling_allinone.training.arguments import ModelArguments, read_recipe
from modeling_allinone.training.setup import load_model, load_processor
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments

# A tiny model, that starts from nothing.
CONFIG = read_recipe("moving_shapes/question_answering_frames")["config"]
NUM_VISUAL_TOKENS = 1 + (CONFIG["image_size"] // CONFIG["patch_size"]) ** 2
ANSWERS = answer_vocabulary("easy")
KINDS = sorted((*FRAME_KINDS, *TIME_KINDS))
GROUPS = {
    # A mean over frames, each with its own temporal embedding, answers these.
    "time kinds": tuple(kind for kind in TIME_KINDS if kind != "drift"),
    # This takes comparing frames place by place.
    "drift": ("drift",),
}
LEARNED = 0.9  # share of right answers
LEADING_COLUMNS = ("mixing", "divisor", "patch order", "moves each way")


@dataclass(frozen=True)
class Mixing:
    """One way in which frames exchange, as fields of the configuration."""

    temporal_mixing: str
    roll_divisor: int = 8
    patch_order: str = "raster"

    def cells(self) -> list[str]:
        """What stands in the leading columns of the tables."""
        if self.temporal_mixing == "none":
            return ["none", "–", "–", "–"]
        if self.temporal_mixing == "channel_shift":
            order, total, what = "–", CONFIG["hidden_size"], "channels"
        else:
            order, total, what = self.patch_order, NUM_VISUAL_TOKENS, "tokens"
        moved = f"{total // self.roll_divisor} of {total} {what}"
        return [self.temporal_mixing, str(self.roll_divisor), order, moved]


MIXINGS = (
    Mixing("none"),
    Mixing("channel_shift"),
    *(Mixing("token_roll", divisor, order) for divisor, order in product((4, 8, 16), ("raster", "random"))),
)


def main(command_line: Sequence[str] | None = None):
    """Run what is missing, write the JSON after each run, print the tables."""
    parser = make_parser("temporal_mixing", __doc__)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of weights and batches, from 0")
    parser.add_argument("--num-clips", type=int, default=5000, help="clips to train on; about 3 questions each")
    parser.add_argument("--num-test-clips", type=int, default=500, help="unseen clips to score on")
    parser.add_argument("--frame-steps", type=int, default=1000, help="steps on single frames, 32 questions each")
    parser.add_argument("--clip-steps", type=int, default=1200, help="steps on clips, 16 questions each")
    parser.add_argument(
        "--kinds", nargs="+", default=KINDS, choices=KINDS, help="kinds of questions that are asked about clips"
    )
    parser.add_argument("--num-scores", type=int, default=6, help="how often a run is scored, at even distances")
    parser.add_argument("--learning-rate", type=float, default=7e-4, help="highest learning rate")
    parser.add_argument("--output-dir", type=Path, default=Path("outputs/temporal_mixing"), help="clips and models")
    parser.add_argument("--tables", action="store_true", help="run nothing; print the tables of --output")
    arguments = parser.parse_args(command_line)
    if arguments.tables:
        if not arguments.output.exists():
            parser.error(f"--output {arguments.output} is not there; run without --tables first.")
        print(write_tables(json.loads(arguments.output.read_text())))
        return
    check_numbers(parser, arguments)
    try:
        result = read_result(arguments)
        data = Data.prepare(arguments)
    except (ValueError, FileExistsError) as error:
        parser.error(str(error))
    result |= {"chance": data.chance(), "num_questions": data.num_questions()}
    done = {(run["seed"], Mixing(**run["mixing"])) for run in result["runs"]}
    for seed, mixing in product(range(arguments.seeds), MIXINGS):
        if (seed, mixing) not in done:
            result["runs"].append(run_once(mixing, seed, data, arguments))
            save_json(result, arguments.output)
    print(write_tables(result))


def check_numbers(parser: argparse.ArgumentParser, arguments: argparse.Namespace):
    """Refuse what cannot be run, in one line."""
    for name in ("seeds", "num_clips", "num_test_clips", "frame_steps", "clip_steps", "num_scores"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} is {getattr(arguments, name)}; expected at least 1.")
    if arguments.clip_steps % arguments.num_scores:
        parser.error(f"--clip-steps is {arguments.clip_steps}; expected a multiple of --num-scores.")
    if not set(arguments.kinds) & set(TIME_KINDS):
        parser.error(f"--kinds has {arguments.kinds}; expected one of {', '.join(TIME_KINDS)} among them.")


# ----------------------------------------------------------------------------------------------------------- data


@dataclass
class Data:
    """Clips, questions and what reads them; the same for all runs."""

    processor: AllInOneProcessor
    train_rows: Dataset
    test_rows: Dataset
    frames: dict[tuple, np.ndarray]

    @classmethod
    def prepare(cls, arguments: argparse.Namespace) -> "Data":
        """Write the clips where they are missing, and decode them."""
        corpus = arguments.output_dir / "corpus"
        for split, num_clips in (("train", arguments.num_clips), ("test", arguments.num_test_clips)):
            write_moving_shapes(corpus, num_clips, split)
        train_rows, test_rows = (load_moving_shapes(corpus, split) for split in ("train", "test"))
        scored_kinds = [kind for kind in TIME_KINDS if kind in arguments.kinds]
        test_rows = test_rows.select(np.flatnonzero(np.isin(test_rows["kind"], scored_kinds)))
        processor = load_processor(ModelArguments(config=CONFIG), lambda: train_rows)
        cached = [cache_frames(rows, processor, arguments.output_dir / "frames") for rows in (train_rows, test_rows)]
        return cls(processor, train_rows, test_rows, {clip: clips[clip] for clips in cached for clip in clips})

    def frame_rows(self) -> Dataset:
        """Questions to train on that any one frame answers."""
        return self.train_rows.select(np.flatnonzero(np.isin(self.train_rows["kind"], FRAME_KINDS)))

    def clip_rows(self, kinds: list[str]) -> Dataset:
        """Questions of the given kinds; of those that any one frame answers a third, to keep that up."""
        row_kinds = np.array(self.train_rows["kind"])
        is_rehearsed = ~np.isin(row_kinds, FRAME_KINDS) | (np.arange(len(row_kinds)) % 3 == 0)
        return self.train_rows.select(np.flatnonzero(np.isin(row_kinds, kinds) & is_rehearsed))

    def chance(self) -> dict[str, float]:
        """Share of right answers of what is answered most often in training to each wording of a question."""
        answers = np.array(most_frequent_answers(self.train_rows, self.test_rows))
        return score_groups(share_of_right, answers, np.array(self.test_rows["answer"]), self.test_rows["kind"])

    def num_questions(self) -> dict[str, int]:
        """How many questions of each kind are scored."""
        return dict(sorted(Counter(self.test_rows["kind"]).items()))


# ------------------------------------------------------------------------------------------------------- training


def run_once(mixing: Mixing, seed: int, data: Data, arguments: argparse.Namespace) -> dict:
    """Train a model on clips from the single-frame model of the seed; returns its scores over time."""
    start_dir = train_on_single_frames(seed, data, arguments)
    model = AllInOneForVideoQuestionAnswering.from_pretrained(start_dir, **asdict(mixing))
    trainer = make_trainer(
        model,
        data.clip_rows(arguments.kinds),
        data,
        arguments,
        max_steps=arguments.clip_steps,
        per_device_train_batch_size=16,
        lr_scheduler_kwargs={"num_decay_steps": arguments.clip_steps // 2},
        eval_strategy="steps",
        eval_steps=arguments.clip_steps // arguments.num_scores,
        seed=seed,
    )
    started, processor_started = time.perf_counter(), time.process_time()
    trainer.train()
    scores = [
        {name.removeprefix("eval_"): value for name, value in entry.items() if name == "step" or "accuracy" in name}
        for entry in trainer.state.log_history
        if "eval_loss" in entry
    ]
    run = {
        "seed": seed,
        "mixing": asdict(mixing),
        "num_parameters": model.num_parameters(),
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time() - processor_started,
        "scores": scores,
    }
    print(f"seed {seed}, {' '.join(mixing.cells())}: {scores[-1]}, {run['processor_seconds']:.0f} s", flush=True)
    return run


def train_on_single_frames(seed: int, data: Data, arguments: argparse.Namespace) -> Path:
    """Train what all models of a seed start from, unless it is there; returns its folder."""
    varied = (arguments.num_clips, arguments.frame_steps, arguments.learning_rate, seed)
    folder = arguments.output_dir / "-".join(["single_frames", *map(str, varied)])
    if not folder.exists():
        set_seed(seed)
        # To a single frame its order of patches is all one; the stored results had this one.
        new = ModelArguments(config=CONFIG | {"patch_order": "random"})
        answers = dict(enumerate(ANSWERS))
        model = load_model(AllInOneForVideoQuestionAnswering, new, data.processor, id2label=answers)
        make_trainer(
            model,
            data.frame_rows(),
            data,
            arguments,
            video_options={"num_frames": 1, "frame_sampling": "random"},
            max_steps=arguments.frame_steps,
            per_device_train_batch_size=32,
            lr_scheduler_kwargs={"num_decay_steps": 0},
            seed=seed,
        ).train()
        unfinished = folder.with_name(f"{folder.name}-unfinished")
        model.save_pretrained(unfinished)
        unfinished.rename(folder)
    return folder


def make_trainer(
    model: AllInOneForVideoQuestionAnswering,
    train_rows: Dataset,
    data: Data,
    arguments: argparse.Namespace,
    video_options: dict | None = None,
    **training_arguments,
) -> AllInOneTrainer:
    """A trainer that scores by kind of question."""
    num_labels, kinds = len(ANSWERS), data.test_rows["kind"]
    trainer = AllInOneTrainer(
        model,
        AllInOneTrainingArguments(
            str(arguments.output_dir / "trainer"),
            learning_rate=arguments.learning_rate,
            lr_scheduler_type="warmup_stable_decay",
            warmup_steps=min(100, training_arguments["max_steps"] // 2),
            per_device_eval_batch_size=64,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            **training_arguments,
        ),
        data_collator=VideoQuestionAnsweringCollator(data.processor, num_labels, video_options=video_options or {}),
        eval_collator=VideoQuestionAnsweringCollator(data.processor, num_labels),
        train_dataset=VideoDataset(list(train_rows), training_arguments["seed"], data.frames),
        eval_dataset=VideoDataset(list(data.test_rows), frames=data.frames),
        compute_metrics=lambda output: score_groups(share_of_right, output.predictions, output.label_ids, kinds),
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(dim=-1),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def share_of_right(predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, in the form in which metrics are returned."""
    return {"accuracy": float((predictions == labels).mean())}


# --------------------------------------------------------------------------------------------------------- report


def read_result(arguments: argparse.Namespace) -> dict:
    """What was measured before, with the same settings, or a result without runs."""
    not_settings = ("seeds", "output_dir", "output", "tables")
    settings = {name: value for name, value in vars(arguments).items() if name not in not_settings}
    if not arguments.output.exists():
        return {"machine": describe_machine(), "settings": settings, "runs": []}
    result = json.loads(arguments.output.read_text())
    found = result["settings"]
    differences = [
        f"{name} {found.get(name)} instead of {value}" for name, value in settings.items() if found.get(name) != value
    ]
    if differences:
        raise ValueError(
            f"{arguments.output} holds runs with other settings: {', '.join(differences)}. Give another --output."
        )
    return result


def write_tables(result: dict) -> str:
    """What was measured, as Markdown: means and sample standard deviations over seeds, in per cent."""
    runs_of = {mixing: [run for run in result["runs"] if run["mixing"] == asdict(mixing)] for mixing in MIXINGS}
    runs_of = {mixing: runs for mixing, runs in runs_of.items() if runs}
    scored = {group: [kind for kind in kinds if kind in result["num_questions"]] for group, kinds in GROUPS.items()}
    groups = {group: kinds for group, kinds in scored.items() if kinds}
    seconds = statistics.mean(run["processor_seconds"] for run in result["runs"])
    machine = ", ".join(f"{name} {value}" for name, value in result["machine"].items())
    note = f"{result['runs'][0]['num_parameters']:,} parameters, {seconds:.0f} processor seconds a run; {machine}."
    of_steps = [table_of_steps(group, kinds, runs_of) for group, kinds in groups.items()]
    return "\n\n".join([table_of_kinds(runs_of, groups, result), *of_steps, note])


def table_of_kinds(runs_of: dict[Mixing, list[dict]], groups: dict[str, list[str]], result: dict) -> str:
    """Scores at the end of training, by kind of question."""
    columns: dict[str, list[str]] = {}
    for group, kinds in groups.items():
        columns |= {group: kinds} | ({kind: [kind] for kind in kinds} if len(kinds) > 1 else {})

    def row(cells: Sequence[str], scores: list[dict], num_seeds: int | str = "") -> dict[str, object]:
        shares = {name: spread([mean_of(score, kinds) for score in scores]) for name, kinds in columns.items()}
        return {**dict(zip(LEADING_COLUMNS, cells, strict=True)), **shares, "seeds": num_seeds}

    rows = [row(mixing.cells(), [run["scores"][-1] for run in runs], len(runs)) for mixing, runs in runs_of.items()]
    numbers = {name: sum(result["num_questions"][kind] for kind in kinds) for name, kinds in columns.items()}
    chance = row(("most frequent answer", "", "", ""), [result["chance"]])
    return write_table(
        [*rows, chance, {**dict.fromkeys(chance, ""), "mixing": "questions", **numbers}], LEADING_COLUMNS
    )


def table_of_steps(group: str, kinds: list[str], runs_of: dict[Mixing, list[dict]]) -> str:
    """Scores on a group of kinds over training, and when they were good."""
    rows = []
    for mixing, runs in runs_of.items():
        curves = [{score["step"]: mean_of(score, kinds) for score in run["scores"]} for run in runs]
        learned = [next((str(step) for step, share in curve.items() if share >= LEARNED), "–") for curve in curves]
        first, *others = curves[0]
        names = {first: f"{group}, step {first}", **{step: str(step) for step in others}}
        over_time = {name: spread([curve[step] for curve in curves]) for step, name in names.items()}
        leading = dict(zip(LEADING_COLUMNS, mixing.cells(), strict=True))
        rows.append({**leading, **over_time, f"steps to {100 * LEARNED:.0f} %": ", ".join(learned)})
    return write_table(rows, LEADING_COLUMNS)


def mean_of(shares: dict[str, float], kinds: list[str]) -> float:
    """Mean over kinds."""
    return statistics.mean(shares[f"accuracy[{kind}]"] for kind in kinds)


def spread(shares: list[float]) -> str:
    """Mean and sample standard deviation, in per cent."""
    deviation = f" ± {100 * statistics.stdev(shares):.1f}" if len(shares) > 1 else ""
    return f"{100 * statistics.mean(shares):.1f}{deviation}"


if __name__ == "__main__":
    main()
