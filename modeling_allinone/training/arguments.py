# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Options of the scripts: which model and which data; recipes and the command line."""

import dataclasses
import json
import re
from argparse import SUPPRESS, Action, ArgumentError, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Number
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from transformers import HfArgumentParser, TrainingArguments
from transformers.utils import is_peft_available, logging

from ..data.video_loading import ON_DECODE_ERROR, SKIPPED_NAME
from ..datasets import describe_dataset
from ..datasets.tables import FIELDS
from ..models.configuration_allinone import AllInOneConfig
from ..recipes import SUITES, find_recipe, list_recipes

logger = logging.get_logger(__name__)

# Options that have other names than they had: the old ones go on to be taken.
RENAMED = {"draws_hard_clips": "use_hard_negatives"}

HELP = {"-h", "--help", "--help-all"}
_ALIASES = {"model_name_or_path": ["--model"]}
# Options that the other commands have, in options of transformers.
_DEVICES = {"cpu": {"use_cpu": True}, "cuda": {"use_cpu": False}}
_DTYPES = {
    "float32": {"bf16": False, "fp16": False},
    "bfloat16": {"bf16": True, "fp16": False},
    "float16": {"bf16": False, "fp16": True},
}

# Options of transformers that `--help` shows beside this project's own.
_COMMON_OPTIONS = (
    *("output_dir", "do_train", "num_train_epochs", "max_steps", "learning_rate", "per_device_train_batch_size"),
    *("per_device_eval_batch_size", "bf16", "eval_strategy", "save_strategy", "resume_from_checkpoint", "seed"),
)


def option(default: Any, help: str) -> Any:
    """
    A field of a dataclass of options.

    Args:
        default: Its default, or a type that makes one, such as `dict`.
        help (`str`): What `--help` says of it.

    Returns:
        What `dataclasses.field` returns.
    """
    if isinstance(default, type):
        return field(default_factory=default, metadata={"help": help})
    return field(default=default, metadata={"help": help})


# ---------------------------------------------------------------------------------------------------------------------
# Options of every script
# ---------------------------------------------------------------------------------------------------------------------


@dataclass
class ModelArguments:
    """Which model is trained, or scored."""

    _argument_group_name = "model"

    model_name_or_path: str | None = field(
        default=None,
        metadata={
            "help": "Or --model: directory or Hub repository to start from; else, a new model.",
            "aliases": _ALIASES["model_name_or_path"],
        },
    )
    tokenizer_name: str | None = option(None, "Tokenizer of a new model; without one, it is trained on the texts.")
    preset: str | None = option(None, "Size of a new model: tiny, small or base.")
    config: dict[str, Any] = option(dict, "Configuration fields to change, or those of a new model.")
    video_processor: dict[str, Any] = option(dict, "Options of the video processor to change, such as num_views.")
    attn_implementation: str | None = option(None, "sdpa, eager, flash_attention_2, …")
    lora_rank: int = option(0, "Rank of LoRA adapters (peft), which train alone with the head; 0: none.")

    def __post_init__(self) -> None:
        self.config = parse_mapping("config", self.config)
        self.video_processor = parse_mapping("video_processor", self.video_processor)
        known = {known.name for known in dataclasses.fields(AllInOneConfig)}
        if unknown := sorted(set(self.config) - known):
            raise ValueError(f"config has {', '.join(unknown)}, which AllInOneConfig does not know.")
        if self.preset is not None and self.model_name_or_path is not None:
            raise ValueError(f"preset is {self.preset!r}, but model_name_or_path has a size: give one of the two.")
        if self.lora_rank < 0:
            raise ValueError(f"lora_rank is {self.lora_rank}; expected 0 or more.")
        if self.lora_rank and self.model_name_or_path is None:
            raise ValueError("lora_rank needs a trained model to adapt: give model_name_or_path.")
        if self.lora_rank and not is_peft_available():
            raise ValueError("lora_rank needs the package peft: pip install peft.")

    def new_config(self, **fields: Any) -> AllInOneConfig:
        """
        The configuration of a new model: that of the preset, with `config` and other fields changed.

        Raises:
            ValueError: If neither preset nor `config` says how large it is.
        """
        if self.preset is None and not self.config:
            raise ValueError(
                "There is no model: name one with model_name_or_path, or say how large a new one is, with preset "
                "(tiny, small or base) or config."
            )
        changed = {**self.config, **fields}
        return AllInOneConfig(**changed) if self.preset is None else AllInOneConfig.from_preset(self.preset, **changed)


@dataclass
class DataArguments:
    """Which rows it is trained and scored on, and how their clips are read."""

    _argument_group_name = "data"

    dataset: str = option("", "Name of a public data set, as list_datasets() shows them.")
    data_dir: str = option("", "Folder of its annotations; without dataset, of your own videos.")
    media_dir: str | None = option(None, "Folder of its videos or images; if none, that of the annotations.")
    train_file: str | None = option(None, "Your own rows: .csv, .tsv, .json, .jsonl or .parquet.")
    validation_file: str | None = option(None, "The same to evaluate on; if none, drawn from train_file by video.")
    test_file: str | None = option(None, "The same to score; if none, drawn from train_file by video.")
    dataset_name: str | None = option(None, "Instead, a data set of the Hub, for datasets.load_dataset.")
    held_out_share: float = option(0.2, "Share of the videos in a split that is drawn.")
    video_column: str | None = option(None, "Column with the path or URL: video, path or file_name if none.")
    question_column: str | None = option(None, "Column of questions: question if none.")
    answer_column: str | None = option(None, "Column of answers: answer if none.")
    options_column: str | None = option(None, "Column of lists of options, or several, a,b,c: options if none.")
    caption_column: str | None = option(None, "Column of captions: caption or text if none.")
    label_column: str | None = option(None, "Column of classes, or of numbers of options: label if none.")
    start_column: str | None = option(None, "Column of seconds where a clip begins: start if none.")
    end_column: str | None = option(None, "Column of seconds where a clip ends: end if none.")
    dataset_options: dict[str, Any] = option(dict, "Options of its reader.")
    test_options: dict[str, Any] = option(dict, "Options that the test split is read with beside.")
    train_split: str = option("train", "Split to train on.")
    eval_split: str | None = option("validation", "Split to evaluate on during training, and to select models on.")
    test_split: str | None = option("test", "Split to score the final model on.")
    num_train_rows: int | None = option(None, "Use only so many rows, for a try.")
    num_eval_rows: int | None = option(None, "Evaluate on only so many rows in training.")
    num_test_rows: int | None = option(None, "Score only so many rows.")
    num_frames: int | None = option(None, "Frames of a clip; the checkpoint's if none.")
    num_train_frames: int | None = option(None, "Frames of a clip in training, if fewer: 1 learns from single frames.")
    frame_sampling: str = option("random", "Frames in training: random, or uniform.")
    random_crop: bool = option(True, "Whether training crops at random.")
    rand_augment: bool = option(False, "Whether training changes colours and places at random (RandAugment).")
    frame_cache: str | None = option(None, "Folder to keep decoded frames in: for small data sets.")
    group_by: str | None = option(None, "Column of the rows, such as kind, by which scores are given too.")
    on_missing_video: str = option("warn", "warn, raise, drop (their rows) or ignore.")
    on_decode_error: str = option("raise", f"{' or '.join(ON_DECODE_ERROR)}.")
    seconds_per_clip: float | None = option(None, "Longest time to read a clip.")
    data_name: str | None = option(None, "What cards call the data, since files in its form may be yours.")

    def __post_init__(self) -> None:
        self.dataset_options = parse_mapping("dataset_options", self.dataset_options)
        self.test_options = parse_mapping("test_options", self.test_options)
        for name in ("num_train_rows", "num_eval_rows", "num_test_rows", "num_frames", "num_train_frames"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; expected at least 1.")
        places = {
            "dataset": self.dataset,
            "dataset_name": self.dataset_name,
            "train_file or test_file": self.own_files,
            "data_dir": not self.dataset and self.data_dir,
        }
        given = [name for name, place in places.items() if place]
        if len(given) != 1:
            raise ValueError(
                "There is no data: give dataset with data_dir; or train_file or test_file, data_dir, or dataset_name."
                if not given
                else f"{' and '.join(given)} are given; expected one of them."
            )
        if self.dataset and not self.data_dir:
            raise ValueError(
                f"dataset is {self.dataset!r}, but data_dir, the folder of its annotations, is not given."
            )
        if self.on_decode_error not in ON_DECODE_ERROR:
            raise ValueError(f"on_decode_error is {self.on_decode_error!r}; expected {' or '.join(ON_DECODE_ERROR)}.")

    @property
    def own_files(self) -> dict[str, str]:
        """Files of the user's own rows, by split."""
        files = {"train": self.train_file, "validation": self.validation_file, "test": self.test_file}
        return {split: file for split, file in files.items() if file is not None}

    @property
    def columns(self) -> dict[str, str]:
        """Columns that are named for fields of the user's own rows."""
        named = {name: getattr(self, f"{name}_column") for name in FIELDS}
        return {name: column for name, column in named.items() if column is not None}

    @property
    def display_name(self) -> str:
        """What the data is called: whether files in a data set's form are that data set, only their owner knows."""
        if self.data_name is not None:
            return self.data_name
        if not self.dataset:
            if self.dataset_name is not None and not Path(self.dataset_name).exists():
                return self.dataset_name
            files = self.own_files.values() or [self.dataset_name or self.data_dir]
            return ", ".join(dict.fromkeys(Path(file).resolve().name for file in files))
        is_generated = not describe_dataset(self.dataset).publisher.startswith("http")
        return f"{self.dataset} (generated clips)" if is_generated else f"files in the form of {self.dataset}"

    @property
    def training_data(self) -> str:
        """What a model is trained on, in words."""
        return f"the {self.train_split} split of {self.display_name}"

    @property
    def test_data(self) -> dict[str, Any]:
        """What a model is scored on, for a protocol."""
        return {
            "dataset": self.dataset or None,
            "data": self.display_name,
            "options": {**self.dataset_options, **self.test_options},
            "split": self.test_split,
        }

    def collator_options(self, output_dir: str | Path, training: bool) -> dict[str, Any]:
        """
        What every collator takes.

        Args:
            output_dir (`str` or `Path`): Where skipped clips are listed.
            training (`bool`): Whether frames and crops are drawn at random, and of one view.

        Returns:
            `dict`: Keyword arguments of a [`VideoCollator`], or of a [`VideoLoader`].
        """
        options: dict[str, Any] = {}
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


def parse_mapping(name: str, value: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """
    Read a mapping that is given as such, as in a recipe, or as JSON, as on the command line.

    Args:
        name (`str`): What it is called in a message.
        value (mapping or `str`, *optional*)

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
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"{name} is {value!r}; expected a mapping from names to values.")
    return dict(value or {})


# ---------------------------------------------------------------------------------------------------------------------
# Command line and recipe
# ---------------------------------------------------------------------------------------------------------------------


def parse_recipe(
    *classes: type, description: str | None, arguments: list[str], task: str | None = None
) -> tuple[Any, ...]:
    """
    Read the command line of a script: a recipe, perhaps, and options, which go before it.

        allinone train msrvtt_qa --learning_rate 2e-5

    Args:
        classes (`type`): Dataclasses of options, in the order in which `--help` shows them.
        description (`str`): What the script does, for `--help`.
        arguments (`list` of `str`): The first may name a recipe: see [`read_recipe`].
        task (`str`, *optional*): The only task of the script, where that is no option of it.

    Returns:
        An instance of each class. Wrong options end the process with a message and status 2.

    Raises:
        ValueError: If there is no such recipe, it cannot be read, or it is for another task.
    """
    parser = HfArgumentParser(
        cast(Any, classes),
        description=description,
        usage="%(prog)s [RECIPE] [options]",
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
        epilog="RECIPE is a YAML or JSON file of options, or the name of one that comes with the package.",
    )
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON, and nothing else")
    _tidy_options(parser, shows_all="--help-all" in arguments)
    name, recipe, arguments = split_recipe(arguments)
    if task is not None:
        parser.add_argument("--task", default=task, choices=[task], help=SUPPRESS)
        if recipe.get("task", task) != task:
            raise ValueError(f"The recipe {name} is for another task than {task}, which this script is for.")
    known = {action.dest: action for action in parser._actions}
    if unknown := sorted(map(str, set(recipe) - set(known))):
        parser.error(f"the recipe {name} has {', '.join(unknown)}, which are no arguments of this script")
    for option in recipe:
        known[option].required = False
    # As text, numbers are checked as those of the command line are.
    parser.set_defaults(**{key: str(value) if isinstance(value, Number) else value for key, value in recipe.items()})
    try:
        return parser.parse_args_into_dataclasses(arguments, look_for_args_file=False)[: len(classes)]
    except (ValueError, TypeError) as error:
        parser.error(str(error))


def split_recipe(arguments: list[str]) -> tuple[str | None, dict[str, Any], list[str]]:
    """
    Take the recipe from the arguments of a script.

    Args:
        arguments (`list` of `str`)

    Returns:
        The name of the recipe (`None` if the first argument is an option), its options, and the other arguments. Both
        have new names for options that were renamed, of which a line warns.

    Raises:
        ValueError: If there is no such recipe, or it cannot be read.
    """
    others = [re.sub(r"^--([\w-]+)", lambda found: f"--{_rename(found[1])}", argument) for argument in arguments]
    if find_recipe_name(others) is None:
        return None, {}, others
    recipe = read_recipe(others[0])
    return others[0], {_rename(name): value for name, value in recipe.items()}, others[1:]


def find_recipe_name(arguments: list[str]) -> str | None:
    """
    The recipe that a command line names.

    Args:
        arguments (`list` of `str`)

    Returns:
        `str`, or `None` if the first argument is an option.

    Raises:
        ValueError: If a recipe that comes with the package stands after options, where nothing would read it.
    """
    if arguments and not arguments[0].startswith("-"):
        return arguments[0]
    known = {*list_recipes(), *(path.stem for path in SUITES.glob("*.yaml"))}
    for before, word in pairwise(arguments):
        if word in known and not before.startswith("-"):
            raise ValueError(f"The recipe {word} stands behind {before}; a recipe comes first, options after it.")
    return None


def is_zero_shot(recipe: str | None) -> bool:
    """
    Whether a recipe is for models that were not trained for its task.

    Args:
        recipe (`str`, *optional*): Its name.

    Returns:
        `bool`
    """
    return recipe is not None and Path(recipe).stem.endswith("_zero_shot")


def find_option(arguments: list[str], name: str) -> Any:
    """
    What a command line, or else its recipe, says of one option, before it is known which others there are.

    Args:
        arguments (`list` of `str`): A recipe, perhaps, and options.
        name (`str`): The option.

    Returns:
        Its value, `None` if there is none.

    Raises:
        ValueError: If there is no such recipe, or it cannot be read.
    """
    finder = ArgumentParser(add_help=False, allow_abbrev=False)
    names = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}", *_ALIASES.get(name, ())))
    finder.add_argument(*names, dest=name, nargs="?")
    value = getattr(finder.parse_known_args(arguments)[0], name)
    recipe = find_recipe_name(arguments)
    return read_recipe(recipe).get(name) if value is None and recipe is not None else value


def read_recipe(name: str) -> dict[str, Any]:
    """
    Read a recipe.

    Args:
        name (`str`): A file in YAML or JSON, or the name of a recipe that comes with the package: see [`find_recipe`].

    Returns:
        `dict`: Options by name.

    Raises:
        ValueError: If there is no such recipe, or it cannot be read.
    """
    path = find_recipe(name)
    if path.suffix.lower() in (".csv", ".jsonl", ".parquet", ".tsv"):
        raise ValueError(f"{name} holds rows and is no recipe; give it with --train_file or --test_file.")
    try:
        text = path.read_text(encoding="utf-8")
        recipe = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"the recipe {name} cannot be read: {error}") from error
    if not isinstance(recipe, dict):
        raise ValueError(f"the recipe {name} holds a {type(recipe).__name__}, but expected options with values")
    return recipe


def _rename(option: str) -> str:
    """The name that an option has now."""
    name = option.replace("-", "_")
    if name not in RENAMED:
        return option
    logger.warning(f"{name} is called {RENAMED[name]} now; the old name will be taken for a while.")
    return RENAMED[name]


def _tidy_options(parser: HfArgumentParser, shows_all: bool):
    """Let mappings be given as JSON, and hide what is there twice, and what is transformers' own."""
    of_transformers: set[str] = set()
    if any(issubclass(cls, TrainingArguments) for cls in parser.dataclass_types):
        of_transformers = {known.name for known in dataclasses.fields(TrainingArguments)} - {*_COMMON_OPTIONS}
        parser.add_argument("--help-all", action="help", help="show all options of TrainingArguments, too")
        for name, meant, what in (
            ("device", _DEVICES, "where to compute; a GPU if there is one"),
            ("dtype", _DTYPES, "what to compute in; weights stay in float32"),
        ):
            choices, shown = list(meant), "|".join(meant)
            parser.add_argument(f"--{name}", action=_Several, choices=choices, metavar=shown, const=meant, help=what)
    for action in parser._actions:
        if getattr(action.type, "__origin__", None) is dict:
            action.type, action.metavar = str, "JSON"
        is_hidden = action.dest in of_transformers and not shows_all
        if is_hidden or any(name.startswith("--no_") for name in action.option_strings):
            action.help = SUPPRESS
        elif action.dest in _COMMON_OPTIONS and action.help and not shows_all:
            action.help = action.help.partition(". ")[0]


class _Several(Action):
    """An option that stands for others, whose values `const` has for each choice."""

    def __init__(self, option_strings: list[str], dest: str, **options: Any):
        super().__init__(option_strings, SUPPRESS, default=SUPPRESS, **options)

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None):
        if values == "cuda" and not torch.cuda.is_available():
            raise ArgumentError(self, "there is no GPU that PyTorch can use; leave it out, or give cpu")
        vars(namespace).update(self.const[values])


class _HelpFormatter(RawDescriptionHelpFormatter):
    """Shows options under one name each, with their default, and keeps the lines of the description."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=40)

    def _format_action_invocation(self, action: Action) -> str:
        if action.nargs == 0:
            return ", ".join(action.option_strings)
        kinds: dict[Any, str] = {int: "INT", float: "FLOAT"}
        kind = action.metavar or kinds.get(action.type, "BOOL" if action.const is True else "TEXT")
        return f"{action.option_strings[0]} {kind}{' ...' if action.nargs == '+' else ''}"

    def _get_help_string(self, action: Action) -> str | None:
        if action.nargs == 0 or action.help is None or action.default == SUPPRESS:
            return action.help
        default = "none" if action.default in (None, "", {}, []) else "%(default)s"
        return f"{action.help} ({'required' if action.required else f'default: {default}'})"
