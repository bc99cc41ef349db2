# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Fine-tune an All-in-one model on video files, until it answers questions about them, in minutes on a laptop.

Writes a corpus of short videos of moving shapes, fine-tunes a tiny model on it that was pre-trained on captions of
such videos (examples/checkpoints), scores it on unseen clips beside controls, saves it, loads it again through the
Auto classes, and lets it answer. Everything lies in `--output_dir`; what is there already is used again.

    python examples/quickstart.py
    python examples/quickstart.py --level medium --output_dir outputs/quickstart_medium
    python examples/quickstart.py --from_scratch --temporal_mixing none

From scratch, a tokenizer and a new model are trained first on single frames, then on clips, which takes longer.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from quickstart_report import (
    ProgressLines,
    choose_examples,
    list_next_steps,
    print_scores,
    share_answers,
    step,
    write_report,
    write_table,
)
from transformers import AutoModelForVisualQuestionAnswering, AutoProcessor, PrinterCallback, set_seed

from modeling_allinone import AllInOneForVideoQuestionAnswering, AllInOneProcessor
from modeling_allinone.data.collators import VideoQuestionAnsweringCollator
from modeling_allinone.data.frame_cache import cache_frames
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.datasets import answer_vocabulary, load_moving_shapes, write_moving_shapes
from modeling_allinone.datasets.moving_shapes_texts import FRAME_KINDS
from modeling_allinone.evaluation.question_answering import most_frequent_answers, score_answers
from modeling_allinone.evaluation.results import score_groups
from modeling_allinone.training.arguments import ModelArguments, parse_recipe, read_recipe
from modeling_allinone.training.command_line import command_line
from modeling_allinone.training.setup import load_model, load_processor
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments

CHECKPOINT = Path(__file__).parent / "checkpoints" / "moving-shapes"

# How a test clip is shown: as it is, and as controls that tell whether the video, its order and its time are used.
# A single frame is taken before the middle of every other clip and after it of the rest, as its time would tell.
SHOWN_AS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "clip": lambda frames, number: frames,
    "reversed": lambda frames, number: frames[::-1],
    "one frame": lambda frames, number: frames[[len(frames) // 2 - number % 2] * len(frames)],
    "blank": lambda frames, number: np.full_like(frames, 128),
}


@dataclass
class QuickstartArguments:
    """What can be varied on the command line."""

    output_dir: str = field(default="outputs/quickstart", metadata={"help": "Where everything is written."})
    level: str = field(default="easy", metadata={"help": "Level of the corpus: easy, medium or hard."})
    temporal_mixing: str = field(
        default="token_roll", metadata={"help": "What frames exchange: token_roll, channel_shift or none."}
    )
    num_clips: int = field(default=5000, metadata={"help": "Clips to train on; about 4 questions each."})
    num_test_clips: int = field(default=500, metadata={"help": "Unseen clips to score on."})
    from_scratch: bool = field(default=False, metadata={"help": "Start from a new model, not a pre-trained one."})
    frame_steps: int = field(
        default=-1,
        metadata={"help": "Training steps on single frames, 32 questions each; if -1, 1000 from scratch and else 0."},
    )
    clip_steps: int = field(
        default=-1,
        metadata={"help": "Training steps on clips, 16 questions each; if -1, 2400 from scratch and else 1300."},
    )
    learning_rate: float = field(default=7e-4, metadata={"help": "Highest learning rate."})
    seed: int = field(default=0, metadata={"help": "Seed of corpus, weights and batches."})
    train_again: bool = field(default=False, metadata={"help": "Train although a trained model is there."})

    def __post_init__(self):
        if self.frame_steps < 0:
            self.frame_steps = 1000 if self.from_scratch else 0
        if self.clip_steps < 0:
            self.clip_steps = 2400 if self.from_scratch else 1300


@command_line
def main(options: list[str]):
    """Run all steps in order."""
    (arguments,) = parse_recipe(QuickstartArguments, description=__doc__, arguments=options)
    started = time.perf_counter()
    output_dir = Path(arguments.output_dir)
    corpus, model_dir = output_dir / "corpus", output_dir / f"model-{arguments.temporal_mixing}"

    num_validation_clips = min(100, arguments.num_clips)
    splits = {"train": arguments.num_clips, "validation": num_validation_clips, "test": arguments.num_test_clips}
    with step(
        f"1. Videos: {splits['train']} short clips of moving shapes, with questions and answers, to learn from, "
        f"and {splits['test']} to be tested on, in {corpus}"
    ):
        try:
            for split, num_clips in splits.items():
                write_moving_shapes(corpus, num_clips, split, arguments.level, arguments.seed)
        except FileExistsError as error:
            raise ValueError(f"{error.args[0].partition(' Pass ')[0]} Choose another --output_dir.") from error
        rows = {split: load_moving_shapes(corpus, split) for split in splits}

    with step("2. Frames: four of each clip are read and kept, as training looks at them many times"):
        model_arguments = choose_model(arguments)
        processor = load_processor(model_arguments, lambda: rows["train"])
        frames = {split: cache_frames(rows[split], processor, corpus / "frames") for split in splits}
        clips = {split: VideoDataset(rows[split], arguments.seed, frames[split]) for split in splits}

    settings = {name: value for name, value in asdict(arguments).items() if name not in ("output_dir", "train_again")}
    record_file = model_dir / "quickstart.json"
    record = json.loads(record_file.read_text()) if record_file.exists() else {}
    if arguments.train_again or record.get("settings") != settings:
        start = "a new model" if arguments.from_scratch else "a small model that knows captions of such clips"
        with step(f"3. Training: {start} learns to answer questions, in minutes"):
            set_seed(arguments.seed)
            answers = dict(enumerate(answer_vocabulary(arguments.level)))
            model = load_model(AllInOneForVideoQuestionAnswering, model_arguments, processor, id2label=answers)
            record = {"settings": settings, "history": train(model, processor, clips, arguments, model_dir)}
            model.save_pretrained(model_dir)
            processor.save_pretrained(model_dir)
            record_file.write_text(json.dumps(record, indent=2))
    else:
        print(f"3. Training was done before: {model_dir}; --train_again true does it again")

    test_rows = rows["test"]
    with step(
        f"4. Test: {len(test_rows)} questions about the {splits['test']} other clips: as they are, reversed, "
        "as one frame that stands still, and blank"
    ):
        model = AutoModelForVisualQuestionAnswering.from_pretrained(model_dir).eval()
        processor = AutoProcessor.from_pretrained(model_dir)
        trainer = make_trainer(model, processor, model_dir, eval_rows=clips["test"])
        given = {name: predict(trainer, clips["test"], change) for name, change in SHOWN_AS.items()}
        labels, kinds = np.array(test_rows["label"]), test_rows["kind"]
        scores = {name: score_kinds(predictions, labels, kinds) for name, predictions in given.items()}
        scores["chance"] = chance(rows["train"], test_rows)
        is_right = given["clip"] == labels
        print_scores(scores)
        print(
            "   chance: the answer that was most frequent in training for the same question, whatever the clip shows"
        )

    with step("5. Answers: a question of each kind, about video files"):
        answered = [
            answer(model, processor, row) | {"guesses": share_answers(rows["train"], row["question"])}
            for row in choose_examples(test_rows, is_right)
        ]
        for row in answered:
            mark = "right" if row["best"][0]["answer"] == row["answer"] else f"wrong: {row['answer']}"
            print(f"   {row['video_id']}  {row['question']:45} {row['best'][0]['answer']:13} ({mark})")

    record |= {"scores": scores, "num_right": int(is_right.sum()), "num_questions": len(is_right)}
    record.setdefault("seconds", round(time.perf_counter() - started))
    record_file.write_text(json.dumps(record, indent=2))
    table = write_table(output_dir / "example.csv", rows["train"].select(range(min(240, len(rows["train"])))))
    next_steps = list_next_steps(model_dir, CHECKPOINT, table, answered)
    report = write_report(output_dir / "report.html", record, answered, frames["test"], next_steps)
    print(f"6. The page with all of it, to open in a browser: {report} ({time.perf_counter() - started:.0f} s in all)")
    print("\nWhat you can do next; each of these runs as it stands.")
    for next_step in next_steps:
        print(f"\n{next_step.title}. {next_step.text}:\n")
        print("\n".join(f"    {line}" for line in next_step.code.splitlines()))


def choose_model(arguments: QuickstartArguments) -> ModelArguments:
    """The pre-trained model, or a new one of its size."""
    fields = {"temporal_mixing": arguments.temporal_mixing, "classifier_dropout": 0.0}
    if arguments.from_scratch:
        return ModelArguments(config=read_recipe("moving_shapes/question_answering_frames")["config"] | fields)
    return ModelArguments(model_name_or_path=str(CHECKPOINT), config=fields)


def train(
    model: AllInOneForVideoQuestionAnswering,
    processor: AllInOneProcessor,
    clips: dict[str, VideoDataset],
    arguments: QuickstartArguments,
    model_dir: Path,
) -> list[dict]:
    """Train on single frames (perhaps) and on clips; returns the validation accuracy over time."""
    history = []
    rows, frames = clips["train"].rows, clips["train"].frames
    kinds = np.array(rows["kind"])
    is_frame_kind, is_drift = np.isin(kinds, FRAME_KINDS), kinds == "drift"
    # Once single frames are understood, a third of their questions keeps that up, and time gets the most.
    is_rehearsed = np.arange(len(kinds)) % 3 == 0
    stages: tuple[tuple[str, np.ndarray, int, int, dict], ...] = (
        # What a single frame answers is learned soonest from single frames: one of each clip, another every time.
        ("single frames", is_frame_kind, arguments.frame_steps, 32, {"num_frames": 1, "frame_sampling": "random"}),
        ("clips", ~(is_frame_kind | is_drift) | is_rehearsed, arguments.clip_steps, 16, {}),
    )
    for stage, is_chosen, num_steps, batch_size, video_options in stages:
        if num_steps == 0:
            continue
        trainer = make_trainer(
            model,
            processor,
            model_dir,
            train_rows=VideoDataset(rows.select(np.flatnonzero(is_chosen)), arguments.seed, frames),
            eval_rows=clips["validation"],
            video_options=video_options,
            max_steps=num_steps,
            per_device_train_batch_size=batch_size,
            learning_rate=arguments.learning_rate,
            adam_beta2=0.98,
            weight_decay=0.01,
            warmup_steps=min(100, num_steps // 10),
            lr_scheduler_type="warmup_stable_decay",
            lr_scheduler_kwargs={"num_decay_steps": num_steps // 2 if stage == "clips" else 0},
            eval_strategy="steps",
            eval_steps=max(num_steps // 8, 1),
            logging_steps=max(num_steps // 40, 1),
            seed=arguments.seed,
        )
        trainer.add_callback(ProgressLines)
        trainer.train()
        history += [{"stage": stage, **entry} for entry in trainer.state.log_history]
    return history


def make_trainer(
    model,
    processor: AllInOneProcessor,
    model_dir: Path,
    eval_rows: VideoDataset,
    train_rows: VideoDataset | None = None,
    video_options: dict | None = None,
    **training_options,
) -> AllInOneTrainer:
    """What trains a model, and scores it by kind of question."""
    kinds = eval_rows.rows["kind"]
    trainer = AllInOneTrainer(
        model,
        AllInOneTrainingArguments(
            str(model_dir / "trainer"),
            per_device_eval_batch_size=64,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **training_options,
        ),
        data_collator=VideoQuestionAnsweringCollator(
            processor, model.config.num_labels, video_options=video_options or {}
        ),
        train_dataset=train_rows,
        eval_dataset=eval_rows,
        compute_metrics=lambda output: score_kinds(output.predictions, output.label_ids, kinds),
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(dim=-1),
        processing_class=processor,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def predict(
    trainer: AllInOneTrainer, clips: VideoDataset, change: Callable[[np.ndarray, int], np.ndarray]
) -> np.ndarray:
    """Numbers of the answers to all questions, about clips that are shown changed."""
    frames = {clip: change(clips.frames[clip], number) for number, clip in enumerate(clips.frames)}
    return np.asarray(trainer.predict(VideoDataset(clips.rows, frames=frames)).predictions)


def chance(train_rows: Dataset, test_rows: Dataset) -> dict[str, float]:
    """Exact match of the answer that is most frequent in training for each wording of a question."""
    answers = most_frequent_answers(train_rows, test_rows)
    return score_kinds(np.array(answers), np.array(test_rows["answer"]), test_rows["kind"])


def score_kinds(predictions: np.ndarray, labels: np.ndarray, kinds: Sequence[str]) -> dict[str, float]:
    """Share of right answers for each kind of question."""
    scores = score_groups(score_answers, predictions, labels, list(kinds))
    return {kind: scores[f"accuracy[{kind}]"] for kind in sorted(set(kinds))}


@torch.inference_mode()
def answer(model, processor: AllInOneProcessor, row: dict) -> dict:
    """Answer a question about a video file: this is all that using a model takes."""
    inputs = processor(text=row["question"], videos=row["video"])
    outputs = model(**inputs)
    best = processor.post_process_question_answering(outputs, model.config.id2label, top_k=3)[0]
    return {**row, "best": best}


if __name__ == "__main__":
    sys.exit(main())
