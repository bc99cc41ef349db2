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
import os
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from quickstart_report import print_scores, write_report
from tqdm import tqdm
from transformers import (
    AutoModelForVisualQuestionAnswering,
    AutoProcessor,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    set_seed,
)

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForVideoQuestionAnswering,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.data.collators import VideoQuestionAnsweringCollator
from modeling_allinone.datasets import answer_vocabulary, load_moving_shapes, train_tokenizer, write_moving_shapes
from modeling_allinone.datasets.moving_shapes_texts import FRAME_KINDS

CHECKPOINT = Path(__file__).parent / "checkpoints" / "moving-shapes"
NUM_FRAMES = 4
FRAME_SIZE = 48  # pixels

# How a test clip is shown: as it is, and as controls that tell whether the video, its order and its time are used.
# A single frame is taken before the middle of every other clip and after it of the rest, as its time would tell.
SHOWN_AS = {
    "clip": lambda frames, number: frames,
    "reversed": lambda frames, number: frames[::-1],
    "one frame": lambda frames, number: frames[[NUM_FRAMES // 2 - number % 2] * NUM_FRAMES],
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
    from_scratch: bool = field(default=False, metadata={"help": "Draw a new model instead of a pre-trained one."})
    frame_steps: int | None = field(
        default=None,
        metadata={"help": "Training steps on single frames, 32 questions each; from scratch 1000, else 0."},
    )
    clip_steps: int | None = field(
        default=None, metadata={"help": "Training steps on clips, 16 questions each; from scratch 2400, else 1300."}
    )
    learning_rate: float = field(default=7e-4, metadata={"help": "Highest learning rate."})
    seed: int = field(default=0, metadata={"help": "Seed of corpus, weights and batches."})
    train_again: bool = field(default=False, metadata={"help": "Train although a trained model is there."})

    def __post_init__(self):
        if self.frame_steps is None:
            self.frame_steps = 1000 if self.from_scratch else 0
        if self.clip_steps is None:
            self.clip_steps = 2400 if self.from_scratch else 1300


def main():
    """Run all steps in order."""
    (arguments,) = HfArgumentParser(QuickstartArguments).parse_args_into_dataclasses()
    started = time.perf_counter()
    output_dir = Path(arguments.output_dir)
    model_dir = output_dir / f"model-{arguments.temporal_mixing}"

    print(f"1. Corpus of videos in {output_dir / 'corpus'}")
    splits = {
        "train": arguments.num_clips,
        "validation": min(100, arguments.num_clips),
        "test": arguments.num_test_clips,
    }
    try:
        for split, num_clips in splits.items():
            write_moving_shapes(output_dir / "corpus", num_clips, split, arguments.level, arguments.seed)
    except FileExistsError as error:
        raise SystemExit(f"{error}\nThe corpus there is of another run: choose another --output_dir.") from error
    rows = {split: load_moving_shapes(output_dir / "corpus", split) for split in splits}

    print("2. Frames")
    video_processor = AllInOneVideoProcessor(num_frames=NUM_FRAMES, size=FRAME_SIZE, crop_size=FRAME_SIZE)
    frames = {split: read_frames(rows[split]["video"], video_processor) for split in splits}

    settings = {name: value for name, value in asdict(arguments).items() if name not in ("output_dir", "train_again")}
    if arguments.train_again or read_settings(model_dir) != settings:
        print(f"3. Training, with temporal_mixing={arguments.temporal_mixing!r}")
        set_seed(arguments.seed)
        if arguments.from_scratch:
            tokenizer = train_tokenizer(rows["train"])
            tokenizer.model_max_length = 16
            processor = AllInOneProcessor(video_processor, tokenizer)
            model = build_model(arguments, len(tokenizer))
        else:
            processor = AutoProcessor.from_pretrained(CHECKPOINT)
            model = load_model(arguments)
        history = train(model, processor, rows, frames, arguments, model_dir)
        model.save_pretrained(model_dir)
        processor.save_pretrained(model_dir)
        record = {"settings": settings, "history": history}
        (model_dir / "quickstart.json").write_text(json.dumps(record, indent=2))
    else:
        print(f"3. Training was done before: {model_dir}")

    print("4. Loading through the Auto classes and scoring on unseen clips")
    model = AutoModelForVisualQuestionAnswering.from_pretrained(model_dir).eval()
    processor = AutoProcessor.from_pretrained(model_dir)
    scores = {
        shown_as: score(model, processor, rows["test"], frames["test"], change)
        for shown_as, change in tqdm(SHOWN_AS.items(), desc="scoring")
    }
    scores["chance"] = chance(rows["train"], rows["test"])
    print_scores(scores)

    print("5. Answers about unseen clips, read from their files")
    answered = [answer(model, processor, row) for row in one_of_each_kind(rows["test"])]
    for row in answered:
        print(f"   {row['video_id']}  {row['question']:45} {row['best'][0]['answer']:13} (right: {row['answer']})")

    record = json.loads((model_dir / "quickstart.json").read_text())
    record["scores"] = scores
    record["seconds"] = round(time.perf_counter() - started)
    (model_dir / "quickstart.json").write_text(json.dumps(record, indent=2))
    report = write_report(output_dir / "report.html", record, answered, processor)
    print(f"6. Report: {report} ({record['seconds']} s in all)")


def read_frames(paths: list[str], video_processor: AllInOneVideoProcessor) -> dict[str, np.ndarray]:
    """
    Decode each clip once, as training asks for it many times: path -> frames (T, H, W, 3), uint8. Kept beside the
    videos for the next run.
    """
    paths = list(dict.fromkeys(paths))
    cache = Path(paths[0]).parent.with_name(f"frames-{NUM_FRAMES}x{FRAME_SIZE}.npy")
    if not cache.exists():
        decode = partial(video_processor, do_rescale=False, do_normalize=False)
        loader = torch.utils.data.DataLoader(paths, 32, num_workers=os.cpu_count() or 1, collate_fn=decode)
        pixels = [batch["pixel_values"].to(torch.uint8) for batch in tqdm(loader, desc="decoding, 32 clips at a time")]
        frames = torch.cat(pixels).permute(0, 1, 3, 4, 2).numpy()
        np.save(cache.with_suffix(".unfinished.npy"), frames)
        cache.with_suffix(".unfinished.npy").rename(cache)
    return dict(zip(paths, np.load(cache), strict=True))


def load_model(arguments: QuickstartArguments) -> AllInOneForVideoQuestionAnswering:
    """The pre-trained model, with a new classifier for the answers of the corpus."""
    answers = answer_vocabulary(arguments.level)
    return AllInOneForVideoQuestionAnswering.from_pretrained(
        CHECKPOINT,
        id2label=dict(enumerate(answers)),
        label2id={answer: label for label, answer in enumerate(answers)},
        temporal_mixing=arguments.temporal_mixing,
        classifier_dropout=0.0,
    )


def build_model(arguments: QuickstartArguments, vocab_size: int) -> AllInOneForVideoQuestionAnswering:
    """Make a model of 0.25 M parameters for the answers of the corpus."""
    config = AllInOneConfig(
        vocab_size=vocab_size,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=16,
        image_size=FRAME_SIZE,
        patch_size=12,
        num_frames=NUM_FRAMES,
        temporal_mixing=arguments.temporal_mixing,
        # Shuffled patches, which converted checkpoints have, take longer to learn from than these minutes allow.
        patch_order="raster",
        id2label=dict(enumerate(answer_vocabulary(arguments.level))),
        # A network this narrow, that starts from nothing and sees nothing twice, wants larger weights and no dropout.
        linear_initializer="xavier_uniform",
        initializer_range=1.0,
        hidden_dropout_prob=0.0,
        drop_path_rate=0.0,
        classifier_dropout=0.0,
    )
    return AllInOneForVideoQuestionAnswering(config)


def train(model, processor, rows, frames, arguments: QuickstartArguments, model_dir: Path) -> list[dict]:
    """Train on single frames (perhaps) and on clips; returns the validation accuracy over time."""
    history = []
    kinds = np.array(rows["train"]["kind"])
    is_frame_kind, is_drift = np.isin(kinds, FRAME_KINDS), kinds == "drift"
    # Once single frames are understood, a third of their questions keeps that up, and time gets the most.
    is_rehearsed = np.arange(len(kinds)) % 3 == 0
    frame_rows = rows["train"].select(np.flatnonzero(is_frame_kind))
    clip_rows = rows["train"].select(np.flatnonzero(~(is_frame_kind | is_drift) | is_rehearsed))
    stages = (
        # What a single frame answers is learned soonest from single frames: one of each clip, another every time.
        ("single frames", frame_rows, arguments.frame_steps, 32, {"num_frames": 1, "frame_sampling": "random"}),
        ("clips", clip_rows, arguments.clip_steps, 16, {}),
    )
    for stage, train_rows, num_steps, batch_size, video_options in stages:
        if num_steps == 0:
            continue
        trainer = Trainer(
            model,
            TrainingArguments(
                model_dir / "trainer",
                max_steps=num_steps,
                per_device_train_batch_size=batch_size,
                per_device_eval_batch_size=64,
                learning_rate=arguments.learning_rate,
                adam_beta2=0.98,
                weight_decay=0.01,
                warmup_steps=min(100, num_steps // 10),
                lr_scheduler_type="warmup_stable_decay",
                lr_scheduler_kwargs={"num_decay_steps": num_steps // 2 if stage == "clips" else 0},
                eval_strategy="steps",
                eval_steps=max(num_steps // 8, 1),
                logging_steps=max(num_steps // 40, 1),
                save_strategy="no",
                report_to="none",
                remove_unused_columns=False,
                label_names=["labels"],
                seed=arguments.seed,
            ),
            train_dataset=WithFrames(train_rows, frames["train"]),
            eval_dataset=WithFrames(rows["validation"], frames["validation"]),
            data_collator=VideoQuestionAnsweringCollator(
                processor, model.config.num_labels, video_options=video_options
            ),
            compute_metrics=AccuracyByKind(rows["validation"]["kind"]),
            processing_class=processor,
        )
        trainer.train()
        history += [{"stage": stage, **entry} for entry in trainer.state.log_history]
    return history


class WithFrames(torch.utils.data.Dataset):
    """Rows whose `video` is decoded frames instead of a path."""

    def __init__(self, rows, frames: dict[str, np.ndarray]):
        self.rows = list(rows)
        self.frames = frames

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict:
        row = self.rows[index]
        return {**row, "video": self.frames[row["video"]]}


class AccuracyByKind:
    """Share of right answers for each kind of question, as the Trainer's `compute_metrics`."""

    def __init__(self, kinds: list[str]):
        self.kinds = np.array(kinds)

    def __call__(self, predictions) -> dict[str, float]:
        is_right = predictions.predictions.argmax(-1) == predictions.label_ids
        return {kind: float(is_right[self.kinds == kind].mean()) for kind in sorted(set(self.kinds))}


@torch.inference_mode()
def score(model, processor, rows, frames, change) -> dict[str, float]:
    """Exact match by kind of question, on clips that are shown changed."""
    collate = VideoQuestionAnsweringCollator(processor, model.config.num_labels)
    changed = {path: np.ascontiguousarray(change(clip, number)) for number, (path, clip) in enumerate(frames.items())}
    is_right = []
    for batch in torch.utils.data.DataLoader(WithFrames(rows, changed), batch_size=64, collate_fn=collate):
        is_right += (model(**batch).logits.argmax(-1) == batch["labels"]).tolist()
    kinds = np.array(rows["kind"])
    return {kind: float(np.mean(np.array(is_right)[kinds == kind])) for kind in sorted(set(kinds))}


def chance(train_rows, test_rows) -> dict[str, float]:
    """Exact match of the answer that is most frequent in training for each wording of a question."""
    answers = {}
    for row in train_rows:
        answers.setdefault(row["question"], []).append(row["answer"])
    usual = {question: max(sorted(set(given)), key=given.count) for question, given in answers.items()}
    is_right = {}
    for row in test_rows:
        is_right.setdefault(row["kind"], []).append(usual.get(row["question"]) == row["answer"])
    return {kind: float(np.mean(values)) for kind, values in sorted(is_right.items())}


def one_of_each_kind(rows) -> list[dict]:
    """A question of each kind, about as many clips."""
    chosen = {}
    for row in rows:
        if row["kind"] not in chosen and row["video_id"] not in {other["video_id"] for other in chosen.values()}:
            chosen[row["kind"]] = row
    return list(chosen.values())


@torch.inference_mode()
def answer(model, processor, row: dict) -> dict:
    """Answer a question about a video file: this is all that using a model takes."""
    inputs = processor(text=row["question"], videos=row["video"])
    outputs = model(**inputs)
    best = processor.post_process_question_answering(outputs, model.config.id2label, top_k=3)[0]
    return {**row, "best": best}


def read_settings(model_dir: Path) -> dict | None:
    """What the model in a directory was trained with, or `None` if there is none."""
    path = model_dir / "quickstart.json"
    return json.loads(path.read_text())["settings"] if path.exists() else None


if __name__ == "__main__":
    main()
