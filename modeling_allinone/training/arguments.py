"""Arguments that the fine-tuning scripts share, recipes of them, and what becomes of wrong ones."""

import dataclasses
import json
import sys
from argparse import ArgumentDefaultsHelpFormatter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from accelerate import PartialState
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import HfArgumentParser, TrainingArguments
from transformers.utils import is_peft_available, logging

from ..data.shared_media import LoadedSplit, warn_of_shared_media
from ..data.video_loading import ON_DECODE_ERROR, SKIPPED_NAME, DeadWorkerError
from ..datasets import describe_dataset, load_annotations, summarize
from ..models.configuration_allinone import AllInOneConfig

if TYPE_CHECKING:
    import datasets

logger = logging.get_logger(__name__)


@dataclass
class ModelArguments:
    """Which model is trained."""

    model_name_or_path: str | None = field(
        default=None,
        metadata={"help": "Directory or Hub repository to start from; without one, a model is drawn anew."},
    )
    tokenizer_name: str | None = field(
        default=None,
        metadata={"help": "Tokenizer of a model drawn anew; without one, it is trained on the texts."},
    )
    config: dict | str | None = field(
        default=None,
        metadata={"help": "JSON of configuration fields to change, or of the new model without model_name_or_path."},
    )
    video_processor: dict | str | None = field(
        default=None, metadata={"help": "JSON of options of the video processor to change, such as num_views."}
    )
    attn_implementation: str | None = field(default=None, metadata={"help": "sdpa, eager, flash_attention_2, …"})
    lora_rank: int = field(
        default=0, metadata={"help": "Rank of LoRA adapters (peft), with which only they and the head train; 0: none."}
    )

    def __post_init__(self):
        self.config = parse_mapping("config", self.config)
        self.video_processor = parse_mapping("video_processor", self.video_processor)
        known = {known.name for known in dataclasses.fields(AllInOneConfig)}
        if unknown := sorted(set(self.config) - known):
            raise ValueError(f"config has {', '.join(unknown)}, which AllInOneConfig does not know.")
        if self.lora_rank < 0:
            raise ValueError(f"lora_rank is {self.lora_rank}; expected 0 or more.")
        if self.lora_rank and self.model_name_or_path is None:
            raise ValueError("lora_rank needs a trained model to adapt: give model_name_or_path.")
        if self.lora_rank and not is_peft_available():
            raise ValueError("lora_rank needs the library peft: pip install peft.")


@dataclass
class DataArguments:
    """Which rows it is trained and scored on, and how their clips are read."""

    dataset: str = field(metadata={"help": "Name of a data set, as list_datasets() shows them."})
    data_dir: str = field(metadata={"help": "Folder of its annotations."})
    media_dir: str | None = field(default=None, metadata={"help": "Folder of its videos or images; data_dir if none."})
    dataset_options: dict | str | None = field(default=None, metadata={"help": "JSON of options of its reader."})
    test_options: dict | str | None = field(
        default=None, metadata={"help": "JSON of options that the test split is read with beside."}
    )
    train_split: str = field(default="train", metadata={"help": "Split to train on."})
    eval_split: str | None = field(default="validation", metadata={"help": "Split to watch and select models on."})
    test_split: str | None = field(default="test", metadata={"help": "Split to score the final model on."})
    num_train_rows: int | None = field(default=None, metadata={"help": "Use only so many rows, for a try."})
    num_eval_rows: int | None = field(default=None, metadata={"help": "Watch only so many rows."})
    num_test_rows: int | None = field(default=None, metadata={"help": "Score only so many rows."})
    num_frames: int | None = field(default=None, metadata={"help": "Frames of a clip; the checkpoint's if none."})
    num_train_frames: int | None = field(
        default=None, metadata={"help": "Frames of a clip in training, if fewer: 1 learns from single frames."}
    )
    frame_sampling: str = field(default="random", metadata={"help": "Frames in training: random, or uniform."})
    random_crop: bool = field(default=True, metadata={"help": "Whether training crops at random."})
    rand_augment: bool = field(
        default=False, metadata={"help": "Whether training changes colours and places at random (RandAugment)."}
    )
    frame_cache: str | None = field(
        default=None,
        metadata={"help": "Folder to keep decoded frames in, the same in each epoch: for small data sets."},
    )
    group_by: str | None = field(
        default=None, metadata={"help": "Column of the rows, such as kind, by which scores are given too."}
    )
    on_missing_video: str = field(default="warn", metadata={"help": "warn, raise, drop (their rows) or ignore."})
    on_decode_error: str = field(default="raise", metadata={"help": f"{' or '.join(ON_DECODE_ERROR)}."})
    seconds_per_clip: float | None = field(default=None, metadata={"help": "Longest time to read a clip."})
    data_name: str | None = field(
        default=None,
        metadata={"help": "What cards call the data; if none, files in the form of the data set, as yours may be."},
    )

    def __post_init__(self):
        self.dataset_options = parse_mapping("dataset_options", self.dataset_options)
        self.test_options = parse_mapping("test_options", self.test_options)
        for name in ("num_train_rows", "num_eval_rows", "num_test_rows", "num_frames", "num_train_frames"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; expected at least 1.")
        if self.on_decode_error not in ON_DECODE_ERROR:
            raise ValueError(f"on_decode_error is {self.on_decode_error!r}; expected {' or '.join(ON_DECODE_ERROR)}.")
        self._splits: dict[str, datasets.Dataset] = {}
        self._loaded: list[LoadedSplit] = []
        self._vocabulary: dict[str, list[str]] = {}

    def join(self, others: "DataArguments") -> "DataArguments":
        """Make these arguments part of the run of others: splits that either loads are held against each other."""
        self._loaded = others._loaded
        return self

    def label_by(self, answers: list[str]):
        """Let the splits read from now on be labelled by these answers, in the order of their labels."""
        self._vocabulary = {"vocabulary": answers}

    def load_splits(self, training_arguments: TrainingArguments) -> "datasets.Dataset | None":
        """
        Read every split that a run needs, so that what is wrong with them is said before anything takes time.

        Returns:
            `datasets.Dataset`: The rows to train on; `None` without training.
        """
        if self.test_split is not None:
            self.load(self.test_split)
        if not training_arguments.do_train:
            return None
        if training_arguments.eval_strategy != "no" and self.eval_split is not None:
            self.load(self.eval_split)
        return self.load(self.train_split, self.num_train_rows)

    def check_labels(self, *columns: str):
        """Raises a `ValueError` if the split to score has rows without a label."""
        if self.test_split is None:
            return
        rows = self.load(self.test_split)
        for column in columns or ("label",):
            if column not in rows.column_names or None in rows[column]:
                raise ValueError(
                    f"The {self.test_split} split of {self.dataset} has rows without {column}, so it cannot be "
                    "scored: give a test_split whose labels are public, or null in a recipe."
                )

    @property
    def described(self) -> str:
        """What the data is called: whether files in a data set's form are that data set, only their owner knows."""
        if self.data_name is not None:
            return self.data_name
        is_generated = not describe_dataset(self.dataset).publisher.startswith("http")
        return f"{self.dataset} (generated clips)" if is_generated else f"files in the form of {self.dataset}"

    def load(self, split: str | None, num_rows: int | None = None) -> "datasets.Dataset":
        """The rows of a split, or the first of them; a split is read once. Warns of videos that another has too."""
        if split is None:
            raise ValueError("A split that is needed is null: give train_split to train, test_split to score.")
        if split not in self._splits:
            options = {**self.dataset_options, **(self.test_options if split == self.test_split else {})}
            try:
                self._splits[split] = load_annotations(
                    self.dataset,
                    self.data_dir,
                    split,
                    media_root=self.media_dir,
                    on_missing_video=self.on_missing_video,
                    **{**options, **self._vocabulary},
                )
            except TypeError as error:  # an unknown option
                raise ValueError(str(error)) from error
            self._check_media(split)
            loaded = LoadedSplit(self._splits[split], self.data_dir)
            warn_of_shared_media(loaded, self._loaded)
            self._loaded.append(loaded)
        rows = self._splits[split]
        if self.group_by is not None and self.group_by not in rows.column_names:
            raise ValueError(f"group_by is {self.group_by!r}; the rows have {', '.join(rows.column_names)}.")
        return rows if num_rows is None else rows.select(range(min(num_rows, len(rows))))

    def _check_media(self, split: str):
        """Raises a `FileNotFoundError` if not one video of a split is there."""
        summary = summarize(self._splits[split])
        if summary.missing_media and len(summary.missing_media) == summary.num_media:
            raise FileNotFoundError(
                f"No video of the {split} split of {self.dataset} is there ({summary.describe_missing()}). Say where "
                "they lie with media_dir, or media_pattern in dataset_options."
            )

    def load_texts(self) -> "datasets.Dataset":
        """The training split for its texts: all rows that its reader gives without options to leave some out."""
        return load_annotations(self.dataset, self.data_dir, self.train_split, on_missing_video="ignore")

    def collator_options(self, output_dir: str | Path, training: bool) -> dict[str, Any]:
        """What every collator takes; in training alone, frames and crops are drawn at random, and of one view."""
        options = {}
        if training:
            options |= {"do_random_crop": self.random_crop, "frame_sampling": self.frame_sampling, "num_views": 1}
            options |= {} if self.num_train_frames is None else {"num_frames": self.num_train_frames}
            options |= {"do_rand_augment": True} if self.rand_augment else {}
        return {
            "video_options": options,
            "on_decode_error": self.on_decode_error,
            "seconds_per_clip": self.seconds_per_clip,
            "skipped_file": Path(output_dir) / SKIPPED_NAME,
        }


def command_line(run: Callable[..., None]) -> Callable[..., int]:
    """
    Make the `main` of a script of a function that takes the list of arguments (`None`: those of the process).

    The result returns the exit status: 0, or 2 after one line of reason where what the user gave cannot be used, a
    package is missing, training diverged or a disk is full. With
    `--log_level debug`, the traceback stands before it.
    """

    @wraps(run)
    def main(arguments: list[str] | None = None) -> int:
        try:
            run(arguments)
        except (OSError, ValueError, ImportError, StrictDataclassError, SafetensorError, DeadWorkerError) as error:
            logger.debug("The error was raised here:", exc_info=True)
            sys.stderr.write(f"error: {_explain(error)}\n")
            return 2
        PartialState().destroy_process_group()
        return 0

    return main


def _explain(error: Exception) -> str:
    """What an error says, in one line; one of a loader's worker holds a traceback with that at its end."""
    lines = [*str(error).splitlines(), *getattr(error, "__notes__", ())]
    if lines and lines[0].startswith("Caught "):
        last = max(number for number, line in enumerate(lines) if line.startswith(" "))
        lines = [lines[last + 1].partition(": ")[2], *lines[last + 2 :]]
    return " ".join(line.strip() for line in lines if line.strip()) or type(error).__name__


def parse_recipe(*classes: type, description: str, arguments: list[str] | None = None) -> tuple[Any, ...]:
    """
    Read the command line of a script: a recipe in YAML, perhaps, and options, which go before it.

        python examples/finetune_question_answering.py recipe.yaml --learning_rate 2e-5

    Args:
        classes (`type`): Dataclasses of arguments.
        description (`str`): What the script does, for `--help`.
        arguments (`list` of `str`, *optional*): Default: those of the process.

    Returns:
        An instance of each class. Wrong input ends the process with a message and status 2.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = HfArgumentParser(
        classes,
        description=description,
        usage="%(prog)s [RECIPE.yaml] [options]",
        formatter_class=ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    if arguments and arguments[0].endswith((".yaml", ".yml")):
        _set_recipe(parser, arguments.pop(0))
    try:
        return parser.parse_args_into_dataclasses(arguments, look_for_args_file=False)
    except (ValueError, TypeError) as error:
        parser.error(str(error))


def parse_mapping(name: str, value: dict | str | None) -> dict:
    """
    Read a mapping that is given as such, as in a recipe, or as JSON, as on the command line.

    Args:
        name (`str`): What it is called in a message.
        value (`dict` or `str`, *optional*)

    Returns:
        `dict`: A copy; empty for `None`.

    Raises:
        ValueError: If it is no mapping.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"{name} is {value!r}, which is not JSON ({error}).") from error
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{name} is {value!r}; expected a mapping from names to values.")
    return dict(value or {})


def _set_recipe(parser: HfArgumentParser, path: str):
    """Make the values of a recipe the defaults of the arguments."""
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        parser.error(f"the recipe {path} cannot be read: {error}")
    if not isinstance(values, dict):
        parser.error(f"the recipe {path} holds a {type(values).__name__}, but expected arguments with values")
    known = {action.dest: action for action in parser._actions}
    if unknown := sorted(map(str, set(values) - set(known))):
        parser.error(f"the recipe {path} has {', '.join(unknown)}, which are no arguments of this script")
    for name in values:
        known[name].required = False
    # As text, numbers are checked as those of the command line are.
    parser.set_defaults(**{name: str(value) if isinstance(value, Number) else value for name, value in values.items()})


__all__ = ["DataArguments", "ModelArguments", "command_line", "parse_mapping", "parse_recipe"]
