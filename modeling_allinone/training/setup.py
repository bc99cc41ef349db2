# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Setting up a run: seed and folder, processor, model with its head, rows ready for a loader."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from accelerate.state import PartialState
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.dataclasses import validate_typed_dict
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoProcessor, PreTrainedTokenizerBase, set_seed
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.integrations.fsdp import is_fsdp_enabled
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import CONFIG_NAME, logging

from ..data.folder_lock import lock_of
from ..data.frame_cache import cache_frames
from ..data.video_dataset import VideoDataset
from ..data.video_loading import REPLACED_NAME, SKIPPED_NAME
from ..datasets import train_tokenizer
from ..models.configuration_allinone import AllInOneConfig
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.processing_allinone import AllInOneProcessor
from ..models.tokenization_allinone import load_tokenizer
from ..models.video_processing_allinone import AllInOneVideoProcessor
from .arguments import DataArguments, ModelArguments
from .divergence import check_weights
from .resumption import resumes
from .trainer import AllInOneTrainingArguments

if TYPE_CHECKING:
    import datasets

Model = TypeVar("Model", bound=AllInOnePreTrainedModel)

logger = logging.get_logger(__name__)

# Transformers' table of what is new and what is left out of a checkpoint, which alarms of heads that are meant to be.
_OF_LOADING = logging.get_logger("transformers.modeling_utils")
_WITHOUT_REPORT = cast(Any, lambda record: "LOAD REPORT" not in record.getMessage())

NOTHING_TO_DO = "There is nothing to do: train with do_train, or name a model to score (model_name_or_path)."

_NUMBERS_OF_PIXELS = ("image_mean", "image_std", "rescale_factor")
_NO_FIELDS = ("attn_implementation",)  # of the configuration, though models are built with it


def setup_run(training_arguments: AllInOneTrainingArguments):
    """
    Set seed and logging, and make the output folder; only what is trained is pushed.

    Args:
        training_arguments ([`AllInOneTrainingArguments`])

    Raises:
        ValueError: If the output folder has checkpoints of another run, or if weights are to be sharded before the
            model is ready.
        OSError: If it cannot be written.
    """
    if is_deepspeed_zero3_enabled():
        raise ValueError(
            "zero_stage is 3, with which DeepSpeed takes weights apart as they are loaded, before frames and heads "
            "are fitted to the task; expected 0 to 2, or FSDP, which shards the weights of the model that is ready."
        )
    if is_fsdp_enabled():
        raise ValueError(
            "fsdp_cpu_ram_efficient_loading is true, with which only the first process has weights to fit to the "
            "task; expected false."
        )
    set_seed(training_arguments.seed)
    logging.set_verbosity(training_arguments.get_process_log_level())
    if training_arguments.disable_tqdm:
        logging.disable_progress_bar()
    if not training_arguments.do_train:  # a recipe that pushes what it trains also serves to score
        training_arguments.push_to_hub = False
    with PartialState().main_process_first():
        _prepare_output_dir(training_arguments)


def _prepare_output_dir(training_arguments: AllInOneTrainingArguments):
    output_dir = Path(training_arguments.output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    if resumes(training_arguments):
        return
    checkpoint = get_last_checkpoint(str(output_dir))
    if training_arguments.do_train and checkpoint is not None:
        raise ValueError(
            f"{output_dir} has checkpoints of an earlier run, the last one {Path(checkpoint).name}: give another "
            "output_dir, or go on with resume_from_checkpoint=true."
        )
    if PartialState().is_main_process:
        (output_dir / REPLACED_NAME).unlink(missing_ok=True)
        _forget_skipped(output_dir / SKIPPED_NAME)


def _forget_skipped(path: Path):
    """Remove the list of skipped clips, but for those that a file of answers beside it has."""
    if not path.exists():
        return
    with lock_of(path):
        kept = [line for line in path.read_bytes().splitlines(keepends=True) if b'"output_file": ' in line]
        if kept:
            path.write_bytes(b"".join(kept))
        else:
            path.unlink()


def load_processor(
    model_arguments: ModelArguments, load_texts: Callable[[], "datasets.Dataset"], num_frames: int | None = None
) -> AllInOneProcessor:
    """
    The processor of the checkpoint; for a new model, one with the tokenizer that is named, or one trained on texts.

    Args:
        model_arguments ([`ModelArguments`])
        load_texts (callable): Reads the rows that a new tokenizer is trained on; not called where none is needed.
        num_frames (`int`, *optional*): Frames of a clip. Default: those of the checkpoint, or of the configuration.

    Returns:
        [`AllInOneProcessor`]

    Raises:
        ValueError: If the video processor cannot have such options.
        OSError: If the checkpoint or the tokenizer cannot be loaded.
    """
    if model_arguments.model_name_or_path is not None:
        with naming_model(model_arguments.model_name_or_path):
            processor = AutoProcessor.from_pretrained(model_arguments.model_name_or_path)
        if "max_position_embeddings" in model_arguments.config:
            processor.tokenizer.model_max_length = model_arguments.config["max_position_embeddings"]
    else:
        config = model_arguments.new_config()
        tokenizer = _make_tokenizer(model_arguments, load_texts)
        tokenizer.model_max_length = config.max_position_embeddings
        height, width = config.image_height_width
        video_processor = AllInOneVideoProcessor(
            num_frames=config.num_frames,
            size={"shortest_edge": min(height, width)},
            crop_size={"height": height, "width": width},
        )
        processor = AllInOneProcessor(video_processor, tokenizer)
    changes = dict(model_arguments.video_processor)
    if num_frames is not None:
        changes["num_frames"] = num_frames
    if changes:
        _change_video_processor(processor, changes)
    return processor


def _make_tokenizer(
    model_arguments: ModelArguments, load_texts: Callable[[], "datasets.Dataset"]
) -> PreTrainedTokenizerBase:
    """The tokenizer of a new model."""
    if model_arguments.tokenizer_name is not None:
        with naming_model(model_arguments.tokenizer_name):
            return load_tokenizer(model_arguments.tokenizer_name)
    size = {name: model_arguments.config[name] for name in ("vocab_size",) if name in model_arguments.config}
    return train_tokenizer(load_texts(), **size)


def _change_video_processor(processor: AllInOneProcessor, changes: Mapping[str, Any]):
    """Give a processor another video processor, with some options changed."""
    known = AllInOneVideoProcessor.valid_kwargs.__annotations__
    if unknown := sorted(set(changes) - set(known)):
        raise ValueError(f"video_processor has {', '.join(unknown)}; the video processor knows {', '.join(known)}.")
    try:
        # JSON has whole numbers where a field is a number of any kind.
        numbers = {name: _as_floats(changes[name]) for name in _NUMBERS_OF_PIXELS if name in changes}
        # A TypedDict has no type that says so.
        validate_typed_dict(AllInOneVideoProcessor.valid_kwargs, {**changes, **numbers})  # type: ignore[type-var]
        torch.empty(0, device=changes.get("device"))
        processor.video_processor = AllInOneVideoProcessor(**{**processor.video_processor.to_dict(), **changes})
    except (StrictDataclassError, TypeError, ValueError, LookupError, RuntimeError, AssertionError) as error:
        reason = str(error).partition(" Errors: ")[0].rpartition("TypeError: ")[2]
        raise ValueError(f"video_processor is {dict(changes)}, which it cannot be: {reason}") from error


def _as_floats(value: Any) -> Any:
    """The same numbers, as floats."""
    if isinstance(value, list | tuple):
        return [_as_floats(number) for number in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@contextmanager
def naming_model(name_or_path: str) -> Iterator[None]:
    """Names the model in an error about files of it, which may only speak of the Hub or name no file."""
    try:
        yield
    except (OSError, EOFError, SafetensorError, json.JSONDecodeError) as error:
        raise OSError(f"The model {name_or_path} cannot be loaded: {error}") from error


def load_model(
    model_class: type[Model],
    model_arguments: ModelArguments,
    processor: AllInOneProcessor,
    allow_new_head: bool = True,
    **fields: Any,
) -> Model:
    """
    The model to train or to score: from a checkpoint, whose head may be of other tasks or other answers, or new.

    Args:
        model_class (`type`): Its class.
        model_arguments ([`ModelArguments`])
        processor ([`AllInOneProcessor`]): Decides the number of frames, and the vocabulary of a new model.
        allow_new_head (`bool`, defaults to `True`): Whether a head that the checkpoint lacks is newly initialised, to
            be trained.
        **fields: Fields of the configuration that the task decides, such as `id2label`.

    Returns:
        The model, with adapters where `lora_rank` asks for them.

    Raises:
        ValueError: If the checkpoint's backbone does not fit the configuration, or it lacks the head and no new one is
            allowed.
        DivergenceError: If its weights are not finite.
    """
    # The labels of the task decide, and not those that a checkpoint has learned from.
    fields = {"problem_type": None, **model_arguments.config, **fields}
    if "id2label" in fields:
        fields["label2id"] = {label: index for index, label in fields["id2label"].items()}
    if model_arguments.attn_implementation is not None:
        fields["attn_implementation"] = model_arguments.attn_implementation
    if model_arguments.model_name_or_path is None and not allow_new_head:
        raise ValueError(NOTHING_TO_DO)
    if model_arguments.model_name_or_path is None:
        attention = {name: fields.pop(name) for name in _NO_FIELDS if name in fields}
        config = model_arguments.new_config(**{**fields, "vocab_size": len(processor.tokenizer)})
        model = model_class._from_config(config, **attention)
        logger.warning(f"The new model has {model.num_parameters() / 1e6:.1f} million parameters, all to be trained.")
    else:
        model = _load_checkpoint(model_class, model_arguments.model_name_or_path, allow_new_head, fields)
        check_weights(model, model_arguments.model_name_or_path)
    num_frames = processor.video_processor.num_frames
    if num_frames > model.config.num_frames and model_arguments.lora_rank:
        raise ValueError(
            f"num_frames is {num_frames}, but {model_arguments.model_name_or_path} covers {model.config.num_frames}, "
            "and with adapters (lora_rank) the embeddings of new frames would not be trained; take as many frames, or "
            "train the whole model."
        )
    # Where clips are shown by their rate, num_frames says nothing, and the model covers what it covered. Otherwise the
    # two agree, as the pipelines of transformers show as many frames as the configuration says.
    if num_frames > model.config.num_frames or processor.video_processor.fps is None:
        model.resize_num_frames(num_frames)
    return _add_adapters(model, model_arguments.lora_rank) if model_arguments.lora_rank else model


def identify_model(name_or_path: str | None) -> dict[str, str | None]:
    """
    Which model a name stands for, now.

    Args:
        name_or_path (`str`, *optional*): A directory, or a repository of the Hub, of which files were loaded.

    Returns:
        `dict`: `"name"` (`None` for a new model), `"revision"` (commit of the repository) and `"sha256"` (of
        the files of weights in a directory, one after the other).
    """
    origin: dict[str, str | None] = {"name": name_or_path, "revision": None, "sha256": None}
    if name_or_path is None:
        return origin
    if Path(name_or_path).is_dir():
        folder, digest = Path(name_or_path), hashlib.sha256()
        for path in sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]):
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
        return origin | {"sha256": digest.hexdigest()}
    cached = try_to_load_from_cache(name_or_path, CONFIG_NAME)
    return origin | ({"revision": Path(cached).parent.name} if isinstance(cached, str) else {})


def _load_checkpoint(
    model_class: type[Model], name_or_path: str, allow_new_head: bool, fields: dict[str, Any]
) -> Model:
    """A model with the fields of its configuration changed, whose backbone is all of the checkpoint."""
    with naming_model(name_or_path):
        of_checkpoint = AllInOneConfig.from_pretrained(name_or_path)
        # Checked as a whole, since single fields are not when they are changed.
        AllInOneConfig(**{**of_checkpoint.to_dict(), **{key: fields[key] for key in fields if key not in _NO_FIELDS}})
        sizes = {name: fields.pop(name, None) for name in ("num_frames", "max_position_embeddings")}
        _OF_LOADING.addFilter(_WITHOUT_REPORT)
        try:
            model, info = cast(Any, model_class).from_pretrained(
                name_or_path, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True, **fields
            )
        finally:
            _OF_LOADING.removeFilter(_WITHOUT_REPORT)
    new = sorted(
        {key if isinstance(key, str) else key[0] for key in (*info["mismatched_keys"], *info["missing_keys"])}
    )
    if unfit := [key for key in new if "allinone." in key and ".pooler." not in key]:
        raise ValueError(
            f"The backbone of {name_or_path} does not fit the configuration: {', '.join(unfit[:5])}. Change only what "
            "the head decides."
        )
    if new and not allow_new_head:
        raise ValueError(
            f"{name_or_path} was not trained for this: it lacks {', '.join(new[:5])}. Take a checkpoint with them."
        )
    if sizes["num_frames"] is not None:
        model.resize_num_frames(sizes["num_frames"])
    if sizes["max_position_embeddings"] is not None:
        model.resize_position_embeddings(sizes["max_position_embeddings"])
    parts = sorted({key.rpartition(".")[0] for key in new})
    if of_checkpoint.id2label != model.config.id2label and allow_new_head:
        # The checkpoint's last layer stands for other answers.
        old = model.classifier.out_proj
        model.classifier.out_proj = torch.nn.Linear(old.in_features, old.out_features)
        model._init_weights(model.classifier.out_proj)
        parts = sorted({*parts, "classifier.out_proj"})
    if parts:
        logger.warning(f"{name_or_path} has no {', '.join(parts)} for the task: newly initialised, to be trained.")
    return model


def _add_adapters(model: Model, rank: int) -> Model:
    """A model with low-rank adapters beside the linear layers of its blocks; pooler and head train whole."""
    from peft import LoraConfig, get_peft_model

    heads = [name for name, _ in model.named_children() if name != model.base_model_prefix]
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=r"allinone\.layers\..*\.(qkv|out_proj|fc1|fc2)",
        modules_to_save=["pooler", *heads],
    )
    return cast(Model, get_peft_model(model, config))  # which has all that the model has


def prepare_rows(
    rows: "datasets.Dataset",
    data_arguments: DataArguments,
    processor: AllInOneProcessor,
    seed: int = 0,
    is_blank: bool = False,
) -> VideoDataset:
    """
    Rows ready for a loader.

    Args:
        rows (`datasets.Dataset`): Rows of annotations.
        data_arguments ([`DataArguments`]): Whether decoded frames are kept.
        processor ([`AllInOneProcessor`])
        seed (`int`, defaults to 0): What the draws of frames depend on.
        is_blank (`bool`, defaults to `False`): Whether all clips are grey: the blank-video baseline, which has the
            texts alone.

    Returns:
        [`VideoDataset`]

    Raises:
        ValueError: If decoded frames are to be kept, and clips have several views or their frames vary in number.
    """
    frames, num_views = None, processor.video_processor.num_views
    if data_arguments.frame_cache is not None and not is_blank and rows["video"][0] is not None:
        if num_views > 1:
            raise ValueError(f"frame_cache keeps the frames of one view, but num_views is {num_views}; give but one.")
        if processor.video_processor.fps is not None:
            raise ValueError("frame_cache keeps num_frames frames of each clip, but fps is given; give one of them.")
        frames = cache_frames(
            rows, processor, data_arguments.frame_cache, seconds_per_clip=data_arguments.seconds_per_clip
        )
    return VideoDataset(rows, seed, frames, is_blank)
