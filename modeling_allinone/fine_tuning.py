"""What the fine-tuning scripts share: their arguments, data and model, the scores with their controls, the results."""

import copy
import hashlib
import json
import os
import platform
import sys
from argparse import ArgumentDefaultsHelpFormatter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import accelerate
import numpy as np
import torch
import transformers
import yaml
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import AutoProcessor, HfArgumentParser, TrainingArguments
from transformers.trainer_utils import EvalPrediction, PredictionOutput, get_last_checkpoint
from transformers.utils import logging

from .clip_reading import ON_DECODE_ERROR, read_skipped
from .configuration_allinone import AllInOneConfig
from .datasets import load_annotations, train_tokenizer
from .model_card import create_model_card
from .modeling_allinone import AllInOnePreTrainedModel
from .processing_allinone import AllInOneProcessor
from .training import AllInOneTrainer, ClipRows
from .video_processing_allinone import AllInOneVideoProcessor

if TYPE_CHECKING:
    import datasets

logger = logging.get_logger(__name__)

SKIPPED_NAME = "skipped_clips.jsonl"
RESULTS_NAME = "results.json"


@dataclass
class ModelArguments:
    """Which model is trained."""

    model_name_or_path: str | None = field(
        default=None,
        metadata={"help": "Directory or Hub repository to start from; without one, a model is drawn anew."},
    )
    config: dict | str | None = field(
        default=None,
        metadata={"help": "JSON of configuration fields to change, or of the new model without model_name_or_path."},
    )
    attn_implementation: str | None = field(default=None, metadata={"help": "sdpa, eager, flash_attention_2, …"})
    lora_rank: int = field(
        default=0, metadata={"help": "Rank of LoRA adapters (peft), with which only they and the head train; 0: none."}
    )

    def __post_init__(self):
        self.config = _parse_mapping("config", self.config)
        if self.lora_rank < 0:
            raise ValueError(f"lora_rank is {self.lora_rank}; expected 0 or more.")


@dataclass
class DataArguments:
    """Which rows it is trained and scored on, and how their clips are read."""

    dataset: str = field(metadata={"help": "Name of a data set, as list_datasets() shows them."})
    data_dir: str = field(metadata={"help": "Folder of its annotations."})
    media_dir: str | None = field(default=None, metadata={"help": "Folder of its videos or images; data_dir if none."})
    dataset_options: dict | str | None = field(default=None, metadata={"help": "JSON of options of its reader."})
    train_split: str = field(default="train", metadata={"help": "Split to train on."})
    eval_split: str | None = field(default="validation", metadata={"help": "Split to watch and select models on."})
    test_split: str | None = field(default="test", metadata={"help": "Split to score the final model on."})
    num_train_rows: int | None = field(default=None, metadata={"help": "Use only so many rows, for a try."})
    num_eval_rows: int | None = field(default=None, metadata={"help": "Watch only so many rows."})
    num_test_rows: int | None = field(default=None, metadata={"help": "Score only so many rows."})
    num_frames: int | None = field(default=None, metadata={"help": "Frames of a clip; the checkpoint's if none."})
    frame_sampling: str = field(default="random", metadata={"help": "Frames in training: random, or uniform."})
    random_crop: bool = field(default=True, metadata={"help": "Whether training crops at random."})
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

    def __post_init__(self):
        self.dataset_options = _parse_mapping("dataset_options", self.dataset_options)
        for name in ("num_train_rows", "num_eval_rows", "num_test_rows", "num_frames"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; expected at least 1.")

    def load(self, split: str, num_rows: int | None = None) -> "datasets.Dataset":
        """The rows of a split, or the first of them."""
        rows = load_annotations(
            self.dataset,
            self.data_dir,
            split,
            media_root=self.media_dir,
            on_missing_video=self.on_missing_video,
            **self.dataset_options,
        )
        return rows if num_rows is None else rows.select(range(min(num_rows, len(rows))))

    def collator_options(self, output_dir: str | Path, training: bool) -> dict[str, Any]:
        """What every collator takes; frames and crops are drawn at random in training alone."""
        options = {"do_random_crop": self.random_crop, "frame_sampling": self.frame_sampling} if training else {}
        return {
            "video_options": options,
            "on_decode_error": self.on_decode_error,
            "seconds_per_clip": self.seconds_per_clip,
            "skipped_file": Path(output_dir) / SKIPPED_NAME,
        }


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
    except ValueError as error:
        parser.error(str(error))


def load_processor(
    model_arguments: ModelArguments, data_arguments: DataArguments, rows: "datasets.Dataset"
) -> AllInOneProcessor:
    """
    The processor of the checkpoint; for a new model, one with a tokenizer trained on the rows.

    Args:
        model_arguments ([`ModelArguments`])
        data_arguments ([`DataArguments`])
        rows (`datasets.Dataset`): Rows to train on, read only for a new model.

    Returns:
        [`AllInOneProcessor`]
    """
    if model_arguments.model_name_or_path is not None:
        processor = AutoProcessor.from_pretrained(model_arguments.model_name_or_path)
    else:
        config = AllInOneConfig(**model_arguments.config)
        tokenizer = train_tokenizer(rows)
        tokenizer.model_max_length = config.max_position_embeddings
        height, width = config.image_height_width
        video_processor = AllInOneVideoProcessor(
            num_frames=config.num_frames,
            size={"shortest_edge": min(height, width)},
            crop_size={"height": height, "width": width},
        )
        processor = AllInOneProcessor(video_processor, tokenizer)
    if data_arguments.num_frames is not None:
        processor.video_processor.num_frames = data_arguments.num_frames
    return processor


def load_model(
    model_class: type[AllInOnePreTrainedModel], model_arguments: ModelArguments, processor: AllInOneProcessor, **fields
) -> torch.nn.Module:
    """
    The model to train: from a checkpoint, whose head may be of other tasks or other answers, or drawn anew.

    Args:
        model_class (`type`): Its class.
        model_arguments ([`ModelArguments`])
        processor ([`AllInOneProcessor`]): Decides the number of frames, and the vocabulary of a new model.
        **fields: Fields of the configuration that the task decides, such as `id2label`.

    Returns:
        The model, with adapters where `lora_rank` asks for them.

    Raises:
        ValueError: If the checkpoint's backbone does not fit the configuration.
    """
    fields = {**model_arguments.config, **fields}
    if model_arguments.attn_implementation is not None:
        fields["attn_implementation"] = model_arguments.attn_implementation
    if model_arguments.model_name_or_path is None:
        vocab_size = len(processor.tokenizer)
        attention = {name: fields.pop(name) for name in ("attn_implementation",) if name in fields}
        model = model_class._from_config(AllInOneConfig(**{"vocab_size": vocab_size, **fields}), **attention)
    else:
        model, info = model_class.from_pretrained(
            model_arguments.model_name_or_path,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **fields,
        )
        of_backbone = [
            str(key) for key in (*info["mismatched_keys"], *info["missing_keys"]) if "allinone." in str(key)
        ]
        if of_backbone:
            raise ValueError(
                f"The backbone of {model_arguments.model_name_or_path} does not fit the configuration: "
                f"{', '.join(of_backbone[:5])}. Change only what the head decides."
            )
    if processor.video_processor.num_frames > model.config.num_frames:
        model.resize_num_frames(processor.video_processor.num_frames)
    return _add_adapters(model, model_arguments.lora_rank) if model_arguments.lora_rank else model


def _add_adapters(model: AllInOnePreTrainedModel, rank: int) -> torch.nn.Module:
    """Low-rank adapters beside the linear layers of the blocks; the head trains whole."""
    from peft import LoraConfig, get_peft_model

    heads = [name for name, _ in model.named_children() if name != model.base_model_prefix]
    return get_peft_model(
        model,
        LoraConfig(
            r=rank,
            lora_alpha=2 * rank,
            target_modules=r"allinone\.layers\..*\.(qkv|out_proj|fc1|fc2)",
            modules_to_save=heads,
        ),
    )


def cache_frames(
    rows: "datasets.Dataset", processor: AllInOneProcessor, folder: str | Path, num_workers: int | None = None
) -> dict[tuple, np.ndarray]:
    """
    Decode every clip once and keep its frames on disk, as training asks for them many times.

    Args:
        rows (`datasets.Dataset`): Rows with `video`, `start` and `end`.
        processor ([`AllInOneProcessor`]): Chooses the frames, those of evaluation, and their size.
        folder (`str` or `Path`): Where the frames are kept; they are found again there by the clips' names.
        num_workers (`int`, *optional*): Processes that decode. Default: one for each core.

    Returns:
        `dict`: (video, start, end) -> frames (T, H, W, 3), uint8, mapped into memory.
    """
    clips = list(dict.fromkeys(zip(rows["video"], rows["start"], rows["end"], strict=True)))
    video_processor = processor.video_processor
    identity = json.dumps([clips, video_processor.to_dict()], sort_keys=True, default=str)
    path = Path(folder) / f"frames-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        loader = DataLoader(
            clips,
            32,
            num_workers=(os.cpu_count() or 1) if num_workers is None else num_workers,
            collate_fn=partial(_decode, video_processor),
        )
        frames = torch.cat(list(tqdm(loader, desc="decoding, 32 clips at a time"))).numpy()
        unfinished = path.with_name(f"{path.stem}.{os.getpid()}.npy")
        np.save(unfinished, frames)
        unfinished.rename(path)
    return dict(zip(clips, np.load(path, mmap_mode="r"), strict=True))


def _decode(video_processor: AllInOneVideoProcessor, clips: list[tuple]) -> torch.Tensor:
    videos, starts, ends = zip(*clips, strict=True)
    pixels = video_processor(
        list(videos), start=list(starts), end=list(ends), do_rescale=False, do_normalize=False, return_tensors="pt"
    )["pixel_values"]
    return pixels.to(torch.uint8).permute(0, 1, 3, 4, 2)


def prepare_rows(
    rows: "datasets.Dataset",
    data_arguments: DataArguments,
    processor: AllInOneProcessor,
    seed: int = 0,
    is_blank: bool = False,
) -> ClipRows:
    """
    Rows ready for a loader.

    Args:
        rows (`datasets.Dataset`): Rows of annotations.
        data_arguments ([`DataArguments`]): Whether decoded frames are kept.
        processor ([`AllInOneProcessor`])
        seed (`int`, defaults to 0): What the draws of frames depend on.
        is_blank (`bool`, defaults to `False`): Whether all clips are shown grey, which tells what text alone gives.

    Returns:
        [`ClipRows`]
    """
    frames = None
    if data_arguments.frame_cache is not None and not is_blank and rows["video"][0] is not None:
        frames = cache_frames(rows, processor, data_arguments.frame_cache)
    return ClipRows(rows, seed, frames, is_blank)


def train(trainer: AllInOneTrainer):
    """Train, from the last checkpoint if `resume_from_checkpoint` is true and there is one; save model and state."""
    arguments = trainer.args
    resume = arguments.resume_from_checkpoint
    if str(resume).lower() == "true":
        resume = get_last_checkpoint(arguments.output_dir) if Path(arguments.output_dir).is_dir() else None
    result = trainer.train(resume_from_checkpoint=resume)
    trainer.save_model()
    _save_merged(trainer)
    trainer.log_metrics("train", result.metrics)
    trainer.save_metrics("train", result.metrics)
    trainer.save_state()


def unwrap_peft(model: torch.nn.Module) -> AllInOnePreTrainedModel:
    """The model without the wrapper that adapters come with."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _save_merged(trainer: AllInOneTrainer):
    """Save the model whole where its adapters were saved, so that it loads as any other."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload") and trainer.is_world_process_zero():
        copy.deepcopy(model).merge_and_unload().save_pretrained(trainer.args.output_dir)


def prepare_eval_rows(
    data_arguments: DataArguments, processor: AllInOneProcessor, training_arguments: TrainingArguments
) -> ClipRows | None:
    """The rows that training is watched on, ready for a loader; `None` where it is not watched."""
    if training_arguments.eval_strategy == "no" or data_arguments.eval_split is None:
        return None
    rows = data_arguments.load(data_arguments.eval_split, data_arguments.num_eval_rows)
    return prepare_rows(rows, data_arguments, processor)


def score(trainer: AllInOneTrainer, data_arguments: DataArguments, processor: AllInOneProcessor) -> dict[str, Any]:
    """
    Score a model on the test split, and beside it the same rows with blank video; write `results.json` and the card.

    Args:
        trainer ([`AllInOneTrainer`])
        data_arguments ([`DataArguments`])
        processor ([`AllInOneProcessor`])

    Returns:
        `dict`: What was written: `"scores"`, `"blank_video"` and the `"protocol"`.
    """
    rows = data_arguments.load(data_arguments.test_split, data_arguments.num_test_rows)
    results: dict[str, Any] = {}
    for name, is_blank in (("scores", False), ("blank_video", True)):
        prefix = f"{data_arguments.test_split}_blank" if is_blank else data_arguments.test_split
        shown = prepare_rows(rows, data_arguments, processor, is_blank=is_blank)
        output = trainer.predict(shown, metric_key_prefix=prefix)
        results[name] = {key.removeprefix(f"{prefix}_"): value for key, value in output.metrics.items()}
        if data_arguments.group_by is not None:
            results[name] |= _score_groups(trainer, output, rows[data_arguments.group_by])
    results["protocol"] = describe_protocol(trainer, data_arguments, processor, rows)
    if trainer.is_world_process_zero():
        output_dir = Path(trainer.args.output_dir)
        (output_dir / RESULTS_NAME).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        _write_card(trainer, data_arguments, results["scores"])
        _show(results)
    return results


def _score_groups(trainer: AllInOneTrainer, output: PredictionOutput, groups: list[Any]) -> dict[str, float]:
    """The metric of each group of rows, under names such as `accuracy[colour]`."""
    scores = {}
    for group in sorted(set(groups), key=str):
        places = [place for place, other in enumerate(groups) if other == group]
        predictions, labels = (
            tuple(array[places] for array in arrays) if isinstance(arrays, tuple) else arrays[places]
            for arrays in (output.predictions, output.label_ids)
        )
        metrics = trainer.compute_metrics(EvalPrediction(predictions=predictions, label_ids=labels))
        scores |= {f"{name}[{group}]": value for name, value in metrics.items()}
    return scores


def describe_protocol(
    trainer: AllInOneTrainer,
    data_arguments: DataArguments,
    processor: AllInOneProcessor,
    rows: "datasets.Dataset",
) -> dict[str, Any]:
    """What was scored and how: data set, split, rows, skipped clips, frames, views, order of patches, versions."""
    names = set(rows["sample_id"])
    skipped = [
        clip for clip in read_skipped(Path(trainer.args.output_dir) / SKIPPED_NAME) if clip["sample_id"] in names
    ]
    config = trainer.model.config
    return {
        "dataset": data_arguments.dataset,
        "options": data_arguments.dataset_options,
        "split": data_arguments.test_split,
        "num_rows": len(rows),
        "num_skipped": len(skipped),
        "skipped": skipped,
        "num_frames": processor.video_processor.num_frames,
        "num_views": processor.video_processor.num_views,
        "temporal_mixing": config.temporal_mixing,
        "patch_order": config.patch_order,
        "dtype": "bfloat16" if trainer.args.bf16 else "float16" if trainer.args.fp16 else "float32",
        "versions": {
            "python": platform.python_version(),
            **{package.__name__: package.__version__ for package in (torch, transformers, accelerate)},
        },
    }


def _write_card(trainer: AllInOneTrainer, data_arguments: DataArguments, scores: Mapping[str, Any]):
    model = unwrap_peft(trainer.accelerator.unwrap_model(trainer.model))
    card = create_model_card(
        model.config,
        type(model).__name__,
        trainer.args.output_dir,
        f"Fine-tuned on the {data_arguments.train_split} split of {data_arguments.dataset}.",
        scores=[
            {"dataset": data_arguments.dataset, "split": data_arguments.test_split, "metric": metric, "value": value}
            for metric, value in scores.items()
            if _is_score(metric, value)
        ],
    )
    card.save(Path(trainer.args.output_dir, "README.md"))


def _show(results: Mapping[str, Any]):
    """Log each score beside that of blank video."""
    scores, blank = results["scores"], results["blank_video"]
    names = [name for name, value in scores.items() if _is_score(name, value)]
    width = max(map(len, names), default=0)
    lines = [f"{'':{width}}  {'video':>8}  {'blank':>8}"]
    lines += [f"{name:{width}}  {scores[name]:8.4f}  {blank[name]:8.4f}" for name in names]
    logger.warning("\n".join(["", *lines]))


def _is_score(name: str, value: Any) -> bool:
    """Whether a logged number says how good the model is, rather than how fast or of how many rows."""
    is_about_the_run = name.startswith(("num_", "loss", "model_")) or name.endswith(
        ("runtime", "per_second", "preparation_time")
    )
    return isinstance(value, int | float) and not is_about_the_run


def _parse_mapping(name: str, value: dict | str | None) -> dict:
    """A mapping given as such, as in a recipe, or as JSON, as on the command line."""
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
    parser.set_defaults(**values)
