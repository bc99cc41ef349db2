# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
r"""
What each recipe costs: clips a second, memory, and from the sizes of the data sets the hours of the whole recipe.

    python benchmarks/recipes.py --threads 2       # the tables in docs/models.md; some 10 minutes on 2 cores
    python benchmarks/recipes.py --device cuda     # a GPU, with the batch of a device that each recipe has

Of each recipe, its Trainer is built as the scripts build it, with a new model of its size, and takes some steps in
bfloat16 on generated clips and images; recipes that compute the same are measured once, each in a process of its own.
Texts have as many tokens as the table of data sets here says. Seconds of a clip are those of forward and backward, and
its share of the optimiser's step, of which there is one for each total batch of a recipe. On the CPU they are seconds
of the processor, shared out over its threads, so that neighbours on a shared machine count little; clips are read
before, and are not in them. Scoring is a forward alone: for retrieval, that of one text and one view of a clip.
Utilisation is FLOPs of the model in a second by those of a square matrix product, measured just before.

Multiply-adds are the model's own count, forward and backward; FLOPs are twice as many. GPU hours are no measurement:
they are these FLOPs by what NVIDIA publishes for dense products in bfloat16, times a utilisation that is assumed.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import av
import datasets
import measuring
import torch
from pretraining import SIDES, clock_of_work, multiply_squares
from tqdm import tqdm
from transformers import PrinterCallback, TrainerCallback

from modeling_allinone import AllInOneForPreTraining
from modeling_allinone.data.pretraining_collators import PairedCollator, PreTrainingCollator
from modeling_allinone.data.video_dataset import PairedDataset, VideoDataset
from modeling_allinone.datasets import write_moving_shapes
from modeling_allinone.models.configuration_allinone import AllInOneConfig
from modeling_allinone.recipes import list_recipes
from modeling_allinone.training.arguments import DataArguments, ModelArguments, parse_recipe, read_recipe
from modeling_allinone.training.pretraining_arguments import (
    ObjectiveArguments,
    PreTrainingArguments,
    SourceArguments,
)
from modeling_allinone.training.pretraining_trainer import PreTrainingTrainer
from modeling_allinone.training.setup import load_processor
from modeling_allinone.training.splits import Splits
from modeling_allinone.training.tasks import parse_task
from modeling_allinone.training.trainer import AllInOneTrainer

RATES = {"A100": 312e12, "H100": 989e12}  # FLOPs a second, dense bfloat16, as NVIDIA publishes them
UTILISATION = 0.45  # assumed, as in docs/many_machines.md
NUM_ROWS = 32  # enough to draw 15 wrong captions from
IMAGE_SIZE = (640, 480)  # pixels of a photograph
NUM_ANSWERS = 1500  # as MSRVTT-QA has; a head costs next to nothing
WORDS = [
    "a",
    "red",
    "circle",
    "and",
    "a",
    "small",
    "blue",
    "square",
    "move",
    "slowly",
    "to",
    "the",
    "right",
    "behind",
    "two",
    "large",
    "green",
    "triangles",
    "that",
    "turn",
]


@dataclass(frozen=True)
class Rows:
    """Rows of a data set, as its makers count them, and what its texts and clips are like."""

    train: int | None
    scored: int | None
    source: str
    num_tokens: int = 12  # of the longest text of a batch, with [CLS] and [SEP]: a question, a sentence
    are_images: bool = False


_MSRVTT = "Xu et al., CVPR 2016"
_TGIF = "Jang et al., CVPR 2017"
_PROMPT, _CUT = 7, 40  # tokens of "A person is doing [MASK]", and of texts that are longer than the model reads
DATASETS = {
    "activitynet_qa": Rows(32_000, 8_000, "Yu et al., AAAI 2019"),
    "activitynet_retrieval": Rows(10_009, 4_917, "Krishna et al., ICCV 2017", _CUT),
    "coco_karpathy": Rows(113_287, 5_000, "Karpathy and Fei-Fei, CVPR 2015", are_images=True),
    "didemo_retrieval": Rows(8_395, 1_004, "Hendricks et al., ICCV 2017", 80),
    "ego4d_mc": Rows(None, None, "not published"),
    "flickr30k": Rows(29_000, 1_000, "Karpathy and Fei-Fei, CVPR 2015", are_images=True),
    "hmdb51": Rows(3_570, 1_530, "Kuehne et al., ICCV 2011, a split", _PROMPT),
    "kinetics400": Rows(246_535, 19_907, "Kay et al. 2017", _PROMPT),
    "lsmdc_mc": Rows(101_079, 10_053, "LSMDC 2016"),
    "lsmdc_retrieval": Rows(101_079, 1_000, "LSMDC 2016"),
    "msrvtt_mc": Rows(7_010, 2_990, f"{_MSRVTT}; Yu et al., ECCV 2018"),
    "msrvtt_qa": Rows(158_581, 72_821, "Xu et al., ACM Multimedia 2017"),
    "msrvtt_retrieval": Rows(9_000, 1_000, f"{_MSRVTT}; 1k-A: Yu et al., ECCV 2018"),
    "msrvtt_retrieval_1k_b": Rows(6_656, 1_000, f"{_MSRVTT}; Miech et al. 2018"),
    "msrvtt_retrieval_7k": Rows(7_010, 1_000, f"{_MSRVTT}; Miech et al., ICCV 2019"),
    "msrvtt_retrieval_full": Rows(6_513, 2_990, _MSRVTT),
    "msvd_qa": Rows(30_933, 13_157, "Xu et al., ACM Multimedia 2017"),
    "msvd_retrieval": Rows(1_200, 670, "Chen and Dolan, ACL 2011"),
    "nlvr2": Rows(86_373, 6_967, "Suhr et al., ACL 2019", are_images=True),
    "tgif_action": Rows(20_475, 2_274, _TGIF, _CUT),
    "tgif_frameqa": Rows(39_392, 13_691, _TGIF),
    "tgif_transition": Rows(52_704, 6_232, _TGIF, _CUT),
    "tvqa": Rows(122_039, 15_253, "Lei et al., EMNLP 2018", 100),
    "ucf101": Rows(9_537, 3_783, "Soomro et al. 2012, a split", _PROMPT),
    "vcr": Rows(212_923, 26_534, "Zellers et al., CVPR 2019", _CUT, are_images=True),
    "vqav2": Rows(
        443_757 + 214_354,
        None,
        "Goyal et al., CVPR 2017; some 5,000 less, of the 1000 images that are held out",
        are_images=True,
    ),
    "webvid": Rows(None, None, "as many steps as the recipe says"),
}

# What decides how much is computed for a clip.
SHAPE_FIELDS = ("task", "preset", "config", "video_processor", "num_frames", "num_negatives", "linear", "do_train")


def main(arguments: Sequence[str] | None = None):
    """Measure each shape, print the tables, write the JSON."""
    parser = measuring.make_parser("recipes", __doc__)
    parser.add_argument("recipes", nargs="*", help="recipes to measure; default: all that come with the package")
    parser.add_argument("--preset", help="another size of model for all of them, for a try")
    parser.add_argument(
        "--config", type=json.loads, default={}, help="fields of the configuration, as JSON, for a try"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=None, help="threads on the CPU; default: torch's choice")
    parser.add_argument(
        "--batch-size", type=int, help="pairs of text and clip of a batch; default: 2, on a GPU the recipe's clips"
    )
    parser.add_argument("--repeats", type=int, default=2, help="timed steps, after one that is not")
    parser.add_argument(
        "--tables", action="store_true", help="measure nothing; print what the file holds as the page does"
    )
    options = parser.parse_args(arguments)
    if options.tables:
        print(write_table(json.loads(options.output.read_text())))
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    options.dtype = "bfloat16"
    recipes = [Recipe.read(name, options) for name in options.recipes or list_shipped()]
    with tempfile.TemporaryDirectory() as folder:
        media = make_media(Path(folder))
        measured: dict[str, dict[str, Any]] = {}
        for recipe in tqdm(recipes, desc="recipes"):
            if recipe.shape not in measured:
                run = partial(measure, recipe, media, Path(folder), options)
                figures, memory = measuring.run_alone(run, options.device)
                measured[recipe.shape] = {"measured as": recipe.name, **figures, "peak memory, MiB": memory}
                tqdm.write(json.dumps(measured[recipe.shape]))
    rows = [estimate(recipe, measured[recipe.shape]) for recipe in recipes]
    measuring.write_result(options, recipes=rows)


def list_shipped() -> list[str]:
    """The recipes for public data sets; those for moving shapes are of other sizes, and take minutes."""
    return [name for name in list_recipes() if "/" not in name]


# --------------------------------------------------------------------------------------------------------- recipes


@dataclass(frozen=True)
class Recipe:
    """A recipe, as it is measured: with a new model of its size, and without what happens beside steps."""

    name: str
    fields: dict[str, Any] = field(hash=False)

    @classmethod
    def read(cls, name: str, options: argparse.Namespace) -> "Recipe":
        """A recipe that comes with the package."""
        fields = read_recipe(name)
        # Those of pre-training start from "outputs/start_base", "start_small" or "start_tiny".
        preset = fields.pop("model_name_or_path", "base").rpartition("_")[2]
        fields["preset"] = options.preset or preset
        fields["config"] = {**fields.get("config", {}), **options.config}
        return cls(name, fields)

    @property
    def rows(self) -> Rows:
        """Its data set."""
        return DATASETS[self.fields["dataset"]]

    @property
    def trains(self) -> bool:
        """Whether it trains, or scores alone."""
        return bool(self.fields.get("do_train"))

    @property
    def has_images(self) -> bool:
        """Whether a step has images beside its clips."""
        return "image_sources" in self.fields

    @property
    def shape(self) -> str:
        """What is the same for recipes that compute the same."""
        kind = [self.rows.num_tokens, self.rows.are_images, self.has_images]
        return json.dumps([kind, {name: self.fields.get(name) for name in SHAPE_FIELDS}], sort_keys=True)

    @property
    def num_pairs(self) -> int:
        """Texts that are read with the clips of a row."""
        of_task = {"multiple-choice": 5, "visual-commonsense": 8}
        return of_task.get(self.fields["task"], 1 + self.fields.get("num_negatives", 0))

    @property
    def reads(self) -> str:
        """What is read of a row, in words."""
        task, num_frames = self.fields["task"], self.fields.get("num_frames")
        clip = f"{num_frames} frames" if num_frames else "2 images" if task == "paired-reasoning" else "1 image"
        if task == "pretraining":
            return f"{clip}, twice{'; 1 image, twice' if self.has_images else ''}"
        texts = f"{clip}, {self.num_pairs} texts" if self.num_pairs > 1 else clip
        return f"{texts}; backbone frozen" if self.fields.get("linear") else texts

    @property
    def num_clips(self) -> int | None:
        """Clips that it trains on, each as often as it comes; or scores. `None` where the makers do not say."""
        if not self.trains:
            return self.rows.scored
        if "max_steps" in self.fields:
            return self.fields["max_steps"] * self.fields["total_batch_size"]
        return self.rows.train and self.rows.train * self.fields["num_train_epochs"]

    def batch_size(self, options: argparse.Namespace) -> int:
        """Rows of a batch."""
        if options.device == "cuda" and options.batch_size is None:
            return self.fields["per_device_train_batch_size" if self.trains else "per_device_eval_batch_size"]
        return max(1, (options.batch_size or 2) // self.num_pairs)


# -------------------------------------------------------------------------------------------------- clips and texts


def make_media(folder: Path) -> list[str]:
    """Write a clip and a photograph of it; returns their paths."""
    split = write_moving_shapes(folder / "clips", 1, image_size=256)
    clip, photograph = next((split / "videos").iterdir()), folder / "photograph.jpg"
    with av.open(str(clip)) as container:
        next(container.decode(video=0)).to_image().resize(IMAGE_SIZE).save(photograph)
    return [str(clip), str(photograph)]


def make_text(number: int, num_tokens: int) -> str:
    """A text of so many tokens, of which two are [CLS] and [SEP]; another one for each number."""
    return " ".join(islice(cycle(WORDS), number, number + num_tokens - 2))


def make_rows(task: str, rows: Rows, media: Sequence[str], are_images: bool) -> datasets.Dataset:
    """Rows as the readers of data sets make them."""
    clip, photograph = media
    made: list[dict[str, Any]] = []
    for number in range(NUM_ROWS):
        text, *others = (make_text(number + place, rows.num_tokens) for place in range(5))
        row: dict[str, Any] = {"video": None if are_images else clip, "image": photograph if are_images else None}
        row |= {"start": None, "end": None, "sample_id": str(number), "caption": text, "label": 0}
        if task == "multiple-choice":
            row["options"] = [text, *others]  # a question would be part of them
        else:
            row["question"] = text
        if task == "visual-commonsense":
            row |= {"options": [text, *others[:3]], "rationales": [text, *others[:3]]}
            row |= {"rationale_label": 0, "boxes": []}
        if task == "paired-reasoning":
            row["images"] = [photograph, photograph]
        made.append(row)
    return datasets.Dataset.from_list(made)


# -------------------------------------------------------------------------------------------------------- trainers


def make_trainer(
    recipe: Recipe, media: Sequence[str], folder: Path, options: argparse.Namespace, num_steps: int
) -> AllInOneTrainer:
    """The Trainer of a recipe, as the scripts make it, with a new model."""
    batch_size = recipe.batch_size(options)
    changes = {
        "output_dir": folder / "output",
        "data_dir": folder,
        "max_steps": num_steps,
        "total_batch_size": batch_size,
    }
    changes |= {"per_device_train_batch_size": batch_size, "per_device_eval_batch_size": batch_size}
    changes |= {"fp16": False, "bf16": True, "use_cpu": options.device == "cpu", "dataloader_num_workers": 0}
    changes |= dict.fromkeys(("eval_strategy", "save_strategy", "logging_strategy", "report_to"), "no")
    if "num_views" in recipe.fields:
        changes["num_views"] = 1
    changes |= {"report_to": "none", "load_best_model_at_end": False, "disable_tqdm": True}
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe.fields | changes, default=str))
    make = make_pretraining if recipe.fields["task"] == "pretraining" else make_finetuning
    return make(recipe, media, path)


def make_finetuning(recipe: Recipe, media: Sequence[str], path: Path) -> AllInOneTrainer:
    """As training/scripts/finetune.py does it."""
    task, models, data, training_arguments = parse_task(None, [str(path)])
    training_arguments.label_names = list(task.label_inputs)
    rows = make_rows(task.name, recipe.rows, media, recipe.rows.are_images)
    names = [f"answer {number}" for number in range(NUM_ANSWERS)] if task.has_label_names else None
    splits = Splits(train=rows, test=rows, label_names=names)
    processor = load_processor(models, lambda: WORDS, data.num_frames)
    config = new_config(models, data, **task.model_options(splits, processor))
    model = task.model_class(config)
    task.prepare_model(model)
    train_collator, eval_collator = (
        task.collator_class(
            processor, **data.collator_options(path.parent, training) | task.collator_options(splits, training)
        )
        for training in (True, False)
    )
    return task.trainer_class(
        model,
        training_arguments,
        data_collator=train_collator,
        eval_collator=eval_collator,
        train_dataset=VideoDataset(rows),
        processing_class=processor,
        **task.trainer_options(),
    )


def make_pretraining(recipe: Recipe, media: Sequence[str], path: Path) -> AllInOneTrainer:
    """As training/scripts/pretrain.py does it."""
    models, data, sources, learned, training_arguments = parse_recipe(
        *(ModelArguments, DataArguments, SourceArguments, ObjectiveArguments, PreTrainingArguments),
        description=None,
        arguments=[str(path)],
        task="pretraining",
    )
    processor = load_processor(models, lambda: WORDS, data.num_frames)
    config = new_config(models, data, pretraining_objectives=list(learned.objectives))
    collator = PreTrainingCollator(
        processor, patch_size=config.patch_size, **learned.collator_options, **data.collator_options(path.parent, True)
    )
    clips, images = (
        VideoDataset(make_rows("pretraining", recipe.rows, media, of_images)) for of_images in (False, True)
    )
    image_options = {**collator.video_options, "do_rand_augment": False, **sources.image_processor}
    of_images = PreTrainingCollator(processor, **learned.collator_options, video_options=image_options)
    return PreTrainingTrainer(
        AllInOneForPreTraining(config),
        training_arguments,
        data_collator=PairedCollator(collator, of_images) if recipe.has_images else collator,
        train_dataset=PairedDataset(clips, images) if recipe.has_images else clips,
        processing_class=processor,
        **learned.trainer_options,
    )


def new_config(models: ModelArguments, data: DataArguments, **fields: Any) -> AllInOneConfig:
    """The configuration of a new model, whose vocabulary is BERT's, though texts here are of few words."""
    return models.new_config(**({"num_frames": data.num_frames} if data.num_frames else {}), **fields)


# ---------------------------------------------------------------------------------------------------- measurements


class StepClock(TrainerCallback):
    """Takes the time of the parts of a step: forward and backward, and the optimiser."""

    def __init__(self, clock: Callable[[], float]):
        self.clock = clock
        self.started = self.computed = 0.0
        self.computing: list[float] = []
        self.optimizing: list[float] = []

    def on_step_begin(self, *arguments, **keywords):
        """As in TrainerCallback: the batch has been read."""
        self.started = self.clock()

    def on_pre_optimizer_step(self, *arguments, **keywords):
        """As in TrainerCallback."""
        self.computed = self.clock()
        self.computing.append(self.computed - self.started)

    def on_optimizer_step(self, *arguments, **keywords):
        """As in TrainerCallback."""
        self.optimizing.append(self.clock() - self.computed)


def measure(recipe: Recipe, media: Sequence[str], folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What a recipe takes, by the clip."""
    clock, rate = clock_of_work(options), measure_rate(options)
    trainer: Any = make_trainer(recipe, media, folder, options, num_steps=1 + options.repeats)
    batch_size = recipe.batch_size(options)
    batch = next(iter(trainer.get_train_dataloader()))
    figures: dict[str, Any] = {
        "frames": batch.get("video", batch)["pixel_values"].shape[-4],
        "clips of the batch": batch_size,
        "G multiply-adds per clip": count_multiply_adds(recipe, trainer, batch) / batch_size / 1e9,
        **dict.fromkeys(("clips per second, training", "clips per second, scoring")),
    }
    seconds = None
    if recipe.trains:
        steps = StepClock(clock)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(steps)
        trainer.train()
        seconds = statistics.median(steps.computing[1:]) / batch_size
        seconds += statistics.median(steps.optimizing[1:]) / recipe.fields["total_batch_size"]
        figures["clips per second, training"] = 1 / seconds
    if recipe.fields["task"] != "pretraining":
        if not recipe.trains:  # what training does, too: the types of products
            trainer.model = trainer.accelerator.prepare_model(trainer.model, evaluation_mode=True)
        trainer.model.eval()
        rows = [trainer.train_dataset[number] for number in range(batch_size)]
        inputs = trainer._prepare_inputs(trainer.eval_collator(rows))
        score = partial(trainer.prediction_step, trainer.model, inputs, prediction_loss_only=False)
        for _ in range(2):  # memory is new at first
            score()
        scoring = statistics.median(measuring.seconds_of(score, clock) for _ in range(options.repeats)) / batch_size
        figures["clips per second, scoring"] = 1 / scoring
        seconds = seconds or scoring
    figures["utilisation"] = 2e9 * figures["G multiply-adds per clip"] / seconds / rate
    return figures


def measure_rate(options: argparse.Namespace) -> float:
    """FLOPs a second of a square matrix product."""
    square, clock = multiply_squares(options), clock_of_work(options)
    square()
    seconds = statistics.median(measuring.seconds_of(square, clock) for _ in range(5))
    return 2 * SIDES[options.device] ** 3 / seconds


def count_multiply_adds(recipe: Recipe, trainer: AllInOneTrainer, batch: dict[str, Any]) -> float:
    """Of a step with a batch: the model's own count, of which forward is a third."""
    parts = [batch["video"], batch["image"]] if recipe.has_images else [batch]
    is_forward = not recipe.trains or recipe.fields.get("linear", False)
    return sum(trainer.floating_point_ops(part) for part in parts) / 2 / (3 if is_forward else 1)


def estimate(recipe: Recipe, figures: dict[str, Any]) -> dict[str, Any]:
    """What the whole recipe takes, by what was measured of its shape."""
    num_clips = recipe.num_clips
    of_clip = 2e9 * figures["G multiply-adds per clip"]
    per_second = figures["clips per second, training"] or figures["clips per second, scoring"]
    hours = {gpu: num_clips and num_clips * of_clip / (rate * UTILISATION) / 3600 for gpu, rate in RATES.items()}
    return {
        "recipe": recipe.name,
        "reads": recipe.reads,
        "text tokens": recipe.rows.num_tokens,
        "rows": recipe.rows.train if recipe.trains else recipe.rows.scored,
        "epochs": recipe.fields.get("num_train_epochs") if recipe.trains else None,
        "clips": num_clips,
        **figures,
        "hours here": num_clips and num_clips / per_second / 3600,
        "PFLOP": num_clips and num_clips * of_clip / 1e15,
        **{f"{gpu} hours, estimated": value for gpu, value in hours.items()},
        "source of rows": recipe.rows.source,
    }


def write_table(result: dict[str, Any]) -> str:
    """The table of the page: figures in two digits, which is what they are worth."""
    return measuring.write_table([_page_row(row) for row in result["recipes"]], left=("recipe", "reads"))


def _page_row(row: dict[str, Any]) -> dict[str, str]:
    """A recipe as the page shows it."""
    clips = "not published" if row["clips"] is None else f"{row['clips'] / 1e6:.0f} M"
    if row["rows"] and row["epochs"]:
        clips = f"{row['rows']:,} × {row['epochs']}"
    elif row["rows"]:
        clips = f"{row['rows']:,}, scored"
    return {
        "recipe": row["recipe"],
        "reads": row["reads"],
        "rows × epochs": clips,
        "G multiply-adds": f"{row['G multiply-adds per clip']:.0f}",
        "trained/s": _two_digits(row["clips per second, training"]),
        "scored/s": _two_digits(row["clips per second, scoring"]),
        "MiB (clips)": f"{row['peak memory, MiB']:.0f} ({row['clips of the batch']})",
        "hours on it": _two_digits(row["hours here"]),
        "PFLOP": _two_digits(row["PFLOP"]),
        **{f"{gpu} hours": _two_digits(row[f"{gpu} hours, estimated"]) for gpu in RATES},
    }


def _two_digits(value: float | None) -> str:
    """A number of which two digits say something."""
    return "–" if value is None else f"{float(f'{value:.2g}'):,.12g}"


if __name__ == "__main__":
    main()
