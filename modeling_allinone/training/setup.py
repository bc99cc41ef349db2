"""What the fine-tuning scripts share: start, processor, model, training, scores with their controls, results."""

import copy
import hashlib
import json
import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import accelerate
import numpy as np
import torch
import transformers
from accelerate import PartialState
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.dataclasses import validate_typed_dict
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoProcessor, PreTrainedTokenizerBase, TrainingArguments, set_seed
from transformers.trainer_utils import EvalPrediction, get_last_checkpoint
from transformers.utils import CONFIG_NAME, logging

from ..data.frame_cache import cache_frames
from ..data.video_dataset import VideoDataset, find_skipped
from ..data.video_loading import REPLACED_NAME, SKIPPED_NAME, read_replaced, read_skipped
from ..datasets import describe_dataset, summarize, train_tokenizer
from ..hub.model_card import create_model_card
from ..hub.writing import naming_place
from ..models.configuration_allinone import AllInOneConfig
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.modeling_pretraining_allinone import AllInOneForPreTraining
from ..models.processing_allinone import AllInOneProcessor
from ..models.tokenization_allinone import load_tokenizer
from ..models.video_processing_allinone import AllInOneVideoProcessor
from .arguments import DataArguments, ModelArguments, command_line, parse_recipe
from .divergence import check_weights
from .resumption import find_checkpoint, resumes
from .trainer import AllInOneTrainer

if TYPE_CHECKING:
    import datasets

logger = logging.get_logger(__name__)

RESULTS_NAME = "results.json"
ADAPTER_NAME = "adapter"

# What the library logs beside the scores of a model.
_FIGURES_OF_THE_RUN = ("loss", "runtime", "samples_per_second", "steps_per_second", "model_preparation_time")
_NUMBERS_OF_PIXELS = ("image_mean", "image_std", "rescale_factor")
_NO_FIELDS = ("attn_implementation",)  # of the configuration, though models are built with it
_NOTHING_TO_DO = "There is nothing to do: train with do_train, or name a model to score (model_name_or_path)."


def setup_run(training_arguments: TrainingArguments):
    """
    Set seed and logging, and make the output folder.

    Args:
        training_arguments (`TrainingArguments`)

    Raises:
        ValueError: If the output folder has checkpoints of another run.
        OSError: If it cannot be written.
    """
    set_seed(training_arguments.seed)
    logging.set_verbosity(training_arguments.get_process_log_level())
    if training_arguments.disable_tqdm:
        logging.disable_progress_bar()
    with PartialState().main_process_first():
        _prepare_output_dir(training_arguments)


def _prepare_output_dir(training_arguments: TrainingArguments):
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
        for name in (SKIPPED_NAME, REPLACED_NAME):
            (output_dir / name).unlink(missing_ok=True)


def resolve_labels(
    model_arguments: ModelArguments, data_arguments: DataArguments, training_arguments: TrainingArguments
) -> list[str]:
    """
    The answers, or classes, in the order of their labels: those of the rows to train on; without training, those of
    the checkpoint, by which the rows are then labelled.

    Args:
        model_arguments ([`ModelArguments`])
        data_arguments ([`DataArguments`])
        training_arguments (`TrainingArguments`)

    Returns:
        `list` of `str`

    Raises:
        ValueError: If there are none, or the checkpoint's are others than those of the rows.
    """
    can_be_told = "vocabulary" in describe_dataset(data_arguments.dataset).options
    if training_arguments.do_train:
        answers = _answers_of(data_arguments, data_arguments.train_split)
        if can_be_told:
            data_arguments.label_by(answers)
        return answers
    if model_arguments.model_name_or_path is None:
        raise ValueError(_NOTHING_TO_DO)
    with _naming(model_arguments.model_name_or_path):
        answers = list(AllInOneConfig.from_pretrained(model_arguments.model_name_or_path).id2label.values())
    if _are_nameless(answers):
        # The original's classifiers have the answers of the data set in its order, and one more that is none of them.
        named = _answers_of(data_arguments, data_arguments.test_split)[: len(answers)]
        return named + answers[len(named) :]
    if can_be_told:
        data_arguments.label_by(answers)
    found = _answers_of(data_arguments, data_arguments.test_split)
    if found != answers:
        raise ValueError(
            f"{model_arguments.model_name_or_path} answers with {_list_some(answers)}, but the rows of "
            f"{data_arguments.dataset} are labelled by {_list_some(found)}: train it on them first."
        )
    return answers


def _are_nameless(answers: list[str]) -> bool:
    """Whether answers have the names that the library gives to those without."""
    return answers == [f"LABEL_{index}" for index in range(len(answers))]


def _answers_of(data_arguments: DataArguments, split: str) -> list[str]:
    answers = summarize(data_arguments.load(split)).answers
    if answers is None:
        tasks = ", ".join(describe_dataset(data_arguments.dataset).tasks)
        raise ValueError(f"The rows of {data_arguments.dataset} have no set of answers; it is for {tasks}.")
    return list(answers)


def _list_some(answers: list[str], num_shown: int = 3) -> str:
    shown = ", ".join(map(repr, answers[:num_shown]))
    return f"{len(answers)} answers ({shown}{', …' if len(answers) > num_shown else ''})"


def load_processor(
    model_arguments: ModelArguments, data_arguments: DataArguments, rows: "datasets.Dataset | None" = None
) -> AllInOneProcessor:
    """
    The processor of the checkpoint; for a new model, one with the tokenizer that is named, or one trained on the texts
    of the training split.

    Args:
        model_arguments ([`ModelArguments`])
        data_arguments ([`DataArguments`])
        rows (`datasets.Dataset`, *optional*): Rows to train the tokenizer on. Default: all of the training split,
            whatever rows are picked to train the model, so that models for other tasks can start from it.

    Returns:
        [`AllInOneProcessor`]
    """
    if model_arguments.model_name_or_path is not None:
        with _naming(model_arguments.model_name_or_path):
            processor = AutoProcessor.from_pretrained(model_arguments.model_name_or_path)
        if "max_position_embeddings" in model_arguments.config:
            processor.tokenizer.model_max_length = model_arguments.config["max_position_embeddings"]
    else:
        config = AllInOneConfig(**model_arguments.config)
        tokenizer = _make_tokenizer(model_arguments, data_arguments, rows)
        tokenizer.model_max_length = config.max_position_embeddings
        height, width = config.image_height_width
        video_processor = AllInOneVideoProcessor(
            num_frames=config.num_frames,
            size={"shortest_edge": min(height, width)},
            crop_size={"height": height, "width": width},
        )
        processor = AllInOneProcessor(video_processor, tokenizer)
    changes = dict(model_arguments.video_processor)
    if data_arguments.num_frames is not None:
        changes["num_frames"] = data_arguments.num_frames
    if changes:
        _change_video_processor(processor, changes)
    return processor


def _make_tokenizer(
    model_arguments: ModelArguments, data_arguments: DataArguments, rows: "datasets.Dataset | None"
) -> PreTrainedTokenizerBase:
    """The tokenizer of a new model."""
    if model_arguments.tokenizer_name is not None:
        with _naming(model_arguments.tokenizer_name):
            return load_tokenizer(model_arguments.tokenizer_name)
    size = {name: model_arguments.config[name] for name in ("vocab_size",) if name in model_arguments.config}
    return train_tokenizer(data_arguments.load_texts() if rows is None else rows, **size)


def _change_video_processor(processor: AllInOneProcessor, changes: Mapping[str, Any]):
    """Give a processor another video processor, with some options changed."""
    known = AllInOneVideoProcessor.valid_kwargs.__annotations__
    if unknown := sorted(set(changes) - set(known)):
        raise ValueError(f"video_processor has {', '.join(unknown)}; the video processor knows {', '.join(known)}.")
    try:
        # JSON has whole numbers where a field is a number of any kind.
        numbers = {name: _as_floats(changes[name]) for name in _NUMBERS_OF_PIXELS if name in changes}
        validate_typed_dict(AllInOneVideoProcessor.valid_kwargs, {**changes, **numbers})
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
def _naming(name_or_path: str) -> Iterator[None]:
    """Names the model in an error about files of it, which may only speak of the Hub or name no file."""
    try:
        yield
    except (OSError, EOFError, SafetensorError, json.JSONDecodeError) as error:
        raise OSError(f"The model {name_or_path} cannot be loaded: {error}") from error


def load_model(
    model_class: type[AllInOnePreTrainedModel],
    model_arguments: ModelArguments,
    processor: AllInOneProcessor,
    allow_new_head: bool = True,
    **fields,
) -> torch.nn.Module:
    """
    The model to train: from a checkpoint, whose head may be of other tasks or other answers, or drawn anew.

    Args:
        model_class (`type`): Its class.
        model_arguments ([`ModelArguments`])
        processor ([`AllInOneProcessor`]): Decides the number of frames, and the vocabulary of a new model.
        allow_new_head (`bool`, defaults to `True`): Whether a head that the checkpoint lacks is newly initialised, to
            be trained.
        **fields: Fields of the configuration that the task decides, such as `id2label`.

    Returns:
        The model, with adapters where `lora_rank` asks for them. Its `origin` says what it was loaded from, as
        [`identify_model`] does.

    Raises:
        ValueError: If the checkpoint's backbone does not fit the configuration, or it lacks the head and none is to be
            drawn.
        DivergenceError: If its weights are not finite.
    """
    # The labels of the task decide, and not those that a checkpoint has learned from.
    fields = {"problem_type": None, **model_arguments.config, **fields}
    if "id2label" in fields:
        fields["label2id"] = {label: index for index, label in fields["id2label"].items()}
    if model_arguments.attn_implementation is not None:
        fields["attn_implementation"] = model_arguments.attn_implementation
    if model_arguments.model_name_or_path is None and not allow_new_head:
        raise ValueError(_NOTHING_TO_DO)
    if model_arguments.model_name_or_path is None:
        attention = {name: fields.pop(name) for name in _NO_FIELDS if name in fields}
        config = AllInOneConfig(**{**fields, "vocab_size": len(processor.tokenizer)})
        model = model_class._from_config(config, **attention)
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
    # two agree, as the library's pipelines show as many frames as the configuration says.
    if num_frames > model.config.num_frames or processor.video_processor.fps is None:
        model.resize_num_frames(num_frames)
    model.origin = identify_model(model_arguments.model_name_or_path)
    return _add_adapters(model, model_arguments.lora_rank) if model_arguments.lora_rank else model


def identify_model(name_or_path: str | None) -> dict[str, str | None]:
    """
    Which model a name stands for, now.

    Args:
        name_or_path (`str`, *optional*): A directory, or a repository of the Hub, of which files were loaded.

    Returns:
        `dict`: `"name"` (`None` for a model drawn anew), `"revision"` (commit of the repository) and `"sha256"` (of
        the files of weights in a directory, one after the other).
    """
    origin: dict[str, str | None] = {"name": name_or_path, "revision": None, "sha256": None}
    if name_or_path is None:
        return origin
    if Path(name_or_path).is_dir():
        folder, digest = Path(name_or_path), hashlib.sha256()
        for path in sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]):
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        return origin | {"sha256": digest.hexdigest()}
    cached = try_to_load_from_cache(name_or_path, CONFIG_NAME)
    return origin | ({"revision": Path(cached).parent.name} if isinstance(cached, str) else {})


def _load_checkpoint(
    model_class: type, name_or_path: str, allow_new_head: bool, fields: dict[str, Any]
) -> AllInOnePreTrainedModel:
    """A model with the fields of its configuration changed, whose backbone is all of the checkpoint."""
    with _naming(name_or_path):
        of_checkpoint = AllInOneConfig.from_pretrained(name_or_path)
        # Checked as a whole, since single fields are not when they are changed.
        AllInOneConfig(**{**of_checkpoint.to_dict(), **{key: fields[key] for key in fields if key not in _NO_FIELDS}})
        sizes = {name: fields.pop(name, None) for name in ("num_frames", "max_position_embeddings")}
        model, info = model_class.from_pretrained(
            name_or_path, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True, **fields
        )
    drawn = sorted(
        {key if isinstance(key, str) else key[0] for key in (*info["mismatched_keys"], *info["missing_keys"])}
    )
    if unfit := [key for key in drawn if "allinone." in key and ".pooler." not in key]:
        raise ValueError(
            f"The backbone of {name_or_path} does not fit the configuration: {', '.join(unfit[:5])}. Change only what "
            "the head decides."
        )
    if drawn and not allow_new_head:
        raise ValueError(
            f"{name_or_path} was not trained for this: it lacks {', '.join(drawn[:5])}. Take a checkpoint with them."
        )
    if sizes["num_frames"] is not None:
        model.resize_num_frames(sizes["num_frames"])
    if sizes["max_position_embeddings"] is not None:
        model.resize_position_embeddings(sizes["max_position_embeddings"])
    has_other_answers = of_checkpoint.id2label != model.config.id2label
    if allow_new_head and has_other_answers:
        _redraw_answers(model)
    return model


def _redraw_answers(model: AllInOnePreTrainedModel):
    """Draw the last layer anew, as the checkpoint's stands for other answers."""
    old = model.classifier.out_proj
    model.classifier.out_proj = torch.nn.Linear(old.in_features, old.out_features)
    model._init_weights(model.classifier.out_proj)


def _add_adapters(model: AllInOnePreTrainedModel, rank: int) -> torch.nn.Module:
    """Low-rank adapters beside the linear layers of the blocks; pooler and head train whole."""
    from peft import LoraConfig, get_peft_model

    heads = [name for name, _ in model.named_children() if name != model.base_model_prefix]
    return get_peft_model(
        model,
        LoraConfig(
            r=rank,
            lora_alpha=2 * rank,
            target_modules=r"allinone\.layers\..*\.(qkv|out_proj|fc1|fc2)",
            modules_to_save=["pooler", *heads],
        ),
    )


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
        is_blank (`bool`, defaults to `False`): Whether all clips are shown grey, which tells what text alone gives.

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


def train(trainer: AllInOneTrainer):
    """Train, from the last checkpoint if `resume_from_checkpoint` is true and there is one; save model and state."""
    arguments = trainer.args
    try:
        result = trainer.train(resume_from_checkpoint=find_checkpoint(arguments))
    except KeyError as error:
        if "metric_for_best_model" in str(error):
            raise ValueError(error.args[0]) from error
        raise
    save(trainer)
    trainer.log_metrics("train", result.metrics)
    trainer.save_metrics("train", result.metrics)
    trainer.save_state()


def save(trainer: AllInOneTrainer):
    """Save the model whole, so that it loads as any other; adapters beside it, in a folder of their own."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not hasattr(model, "merge_and_unload"):
        trainer.save_model()
        return
    trainer.save_model(str(Path(trainer.args.output_dir, ADAPTER_NAME)))
    if trainer.is_world_process_zero():
        save_whole(model, trainer.processing_class, trainer.args.output_dir)


def save_whole(model: torch.nn.Module, processor: AllInOneProcessor, output_dir: str | Path):
    """Save a model, with its adapters merged into it where it has some, and its processor; its weights are finite."""
    check_weights(model, "the model")
    if hasattr(model, "merge_and_unload"):
        model = copy.deepcopy(model).merge_and_unload()
    with naming_place(output_dir):
        model.save_pretrained(output_dir)
        processor.save_pretrained(output_dir)


def unwrap_peft(model: torch.nn.Module) -> AllInOnePreTrainedModel:
    """The model without the wrapper that adapters come with."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def prepare_eval_rows(
    data_arguments: DataArguments, processor: AllInOneProcessor, training_arguments: TrainingArguments
) -> VideoDataset | None:
    """The rows that training is watched on, ready for a loader; `None` where it is not watched."""
    if training_arguments.eval_strategy == "no" or data_arguments.eval_split is None:
        return None
    rows = data_arguments.load(data_arguments.eval_split, data_arguments.num_eval_rows)
    return prepare_rows(rows, data_arguments, processor)


def evaluate_and_save(
    trainer: AllInOneTrainer,
    data_arguments: DataArguments,
    processor: AllInOneProcessor,
    trained_on: str | None = None,
    **protocol,
) -> dict[str, Any]:
    """
    Score a model on the test split, if there is one, and beside it the same rows with blank video; write
    `results.json` and, beside a model that this run trained, its card.

    Args:
        trainer ([`AllInOneTrainer`])
        data_arguments ([`DataArguments`])
        processor ([`AllInOneProcessor`])
        trained_on (`str`, *optional*): What it was trained on, in words. Default: the training split of the data set.
        **protocol: What else to say of how it was scored.

    Returns:
        `dict`: What was written: `"scores"`, `"blank_video"`, the `"protocol"` (`None` if nothing was scored), the
        `"base_model"` and how that was trained in this run (`"training"`; `None` if it was only scored).

    Raises:
        ValueError: If there is nothing to score, and nothing was trained.
    """
    if data_arguments.test_split is not None:
        results = _measure(trainer, data_arguments, processor)
        results["protocol"] |= protocol
    elif trainer.args.do_train:
        results = {"scores": {}, "blank_video": {}, "protocol": None}
    else:
        raise ValueError(_NOTHING_TO_DO)
    model = trainer.accelerator.unwrap_model(trainer.model)
    results["base_model"], results["training"] = unwrap_peft(model).origin, None
    if trainer.args.do_train:
        trained_on = trained_on or describe_training_data(data_arguments)
        num_rows = len(trainer.train_dataset) if isinstance(trainer.train_dataset, Sized) else None
        results["training"] = describe_training(trainer.args, trained_on, num_rows, trainer.state.global_step)
        if trainer.args.load_best_model_at_end and trainer.state.best_global_step:
            results["training"]["best_step"] = trainer.state.best_global_step
    if trainer.is_world_process_zero():
        write_results(results, trainer.args.output_dir)
        if trainer.args.do_train:
            write_card(model, trainer.args, results)
    return results


def _measure(trainer: AllInOneTrainer, data_arguments: DataArguments, processor: AllInOneProcessor) -> dict[str, Any]:
    """The scores of the rows of the test split, those of blank video, and how they were measured."""
    rows = data_arguments.load(data_arguments.test_split, data_arguments.num_test_rows)
    results: dict[str, Any] = {}
    for name, is_blank in (("scores", False), ("blank_video", True)):
        prefix = f"{data_arguments.test_split}_blank" if is_blank else data_arguments.test_split
        shown = prepare_rows(rows, data_arguments, processor, is_blank=is_blank)
        output = trainer.predict(shown, metric_key_prefix=prefix)
        metrics = {key.removeprefix(f"{prefix}_"): value for key, value in output.metrics.items()}
        results[name] = {key: value for key, value in metrics.items() if key not in _FIGURES_OF_THE_RUN}
        if data_arguments.group_by is not None and output.label_ids is not None:
            results[name] |= score_groups(
                lambda *arrays: trainer.compute_metrics(EvalPrediction(*arrays)),
                output.predictions,
                output.label_ids,
                rows[data_arguments.group_by],
                find_skipped(rows, output.label_ids) if isinstance(output.label_ids, np.ndarray) else None,
            )
    results["protocol"] = describe_protocol(trainer.model.config, trainer.args, data_arguments, processor, rows)
    return results


def describe_training_data(data_arguments: DataArguments) -> str:
    """What a model is trained on, in words."""
    return f"the {data_arguments.train_split} split of {data_arguments.described}"


def describe_training(
    training_arguments: TrainingArguments, trained_on: str, num_rows: int | None, num_steps: int
) -> dict[str, Any]:
    """
    How a model was trained: on what, and by which hyper-parameters.

    Args:
        training_arguments (`TrainingArguments`)
        trained_on (`str`): The data, in words.
        num_rows (`int`, *optional*): Of the data; `None` for a stream.
        num_steps (`int`): How many steps were taken.

    Returns:
        `dict`: To be written as JSON.
    """
    arguments = training_arguments
    batch_size = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
    return {
        "data": trained_on,
        "num_rows": num_rows,
        "num_steps": num_steps,
        "num_epochs": None if num_rows is None else round(num_steps / max(1, math.ceil(num_rows / batch_size)), 4),
        "learning_rate": arguments.learning_rate,
        "head_learning_rate_multiplier": arguments.head_learning_rate_multiplier,
        "lr_scheduler_type": str(arguments.lr_scheduler_type.value),
        "warmup_steps": arguments.get_warmup_steps(num_steps),
        "weight_decay": arguments.weight_decay,
        "batch_size": batch_size,
        "seed": arguments.seed,
    }


def write_results(results: dict[str, Any], output_dir: str | Path):
    """Write `results.json`, and log each score beside that of blank video."""
    Path(output_dir, RESULTS_NAME).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    _show(results)


def score_groups(
    compute_metrics: Callable[[Any, Any], Mapping[str, float]],
    predictions: np.ndarray | tuple[np.ndarray, ...],
    labels: np.ndarray | tuple[np.ndarray, ...],
    groups: list[Any],
    is_skipped: np.ndarray | None = None,
) -> dict[str, float]:
    """
    Score each group of rows on its own.

    Args:
        compute_metrics (callable): Takes predictions and labels, and returns scores by name.
        predictions, labels (`np.ndarray` or tuples of them): Of all rows, along the first dimension.
        groups (`list`): The group of each row.
        is_skipped (`np.ndarray`, *optional*): Whether the clip of each row could not be read; such rows are not taken
            for those without a known answer.

    Returns:
        `dict`: Scores under names such as `accuracy[colour]`.
    """
    scores = {}
    for group in sorted(set(groups), key=str):
        places = [place for place, other in enumerate(groups) if other == group]
        of_group = (
            tuple(array[places] for array in arrays) if isinstance(arrays, tuple) else arrays[places]
            for arrays in (predictions, labels)
        )
        found = dict(compute_metrics(*of_group))
        if is_skipped is not None and "num_out_of_vocabulary" in found:
            found["num_out_of_vocabulary"] -= int(is_skipped[places].sum())
        scores |= {f"{name}[{group}]": value for name, value in found.items()}
    return scores


def describe_protocol(
    config: AllInOneConfig,
    training_arguments: TrainingArguments,
    data_arguments: DataArguments,
    processor: AllInOneProcessor,
    rows: "datasets.Dataset",
) -> dict[str, Any]:
    """What was scored and how: data set, split, rows, skipped and repaired clips, frames, views, order, versions."""
    names = set(rows["sample_id"])
    all_skipped = read_skipped(Path(training_arguments.output_dir) / SKIPPED_NAME)
    skipped = [clip for clip in all_skipped if clip["sample_id"] in names]
    replaced = read_replaced(Path(training_arguments.output_dir) / REPLACED_NAME)
    replaced = [clip for clip in replaced if clip["sample_id"] in names]
    return {
        "dataset": data_arguments.dataset,
        "data": data_arguments.described,
        "options": {**data_arguments.dataset_options, **data_arguments.test_options},
        "split": data_arguments.test_split,
        "num_rows": len(rows),
        "num_skipped": len(skipped),
        "skipped": skipped,
        "num_skipped_in_training": len(all_skipped) - len(skipped),
        "num_with_replaced_frames": len(replaced),
        "replaced_frames": replaced,
        "num_frames": processor.video_processor.num_frames,
        "num_views": processor.video_processor.num_views,
        "temporal_mixing": config.temporal_mixing,
        "patch_order": config.patch_order,
        "dtype": "bfloat16" if training_arguments.bf16 else "float16" if training_arguments.fp16 else "float32",
        "versions": {
            "python": platform.python_version(),
            **{package.__name__: package.__version__ for package in (torch, transformers, accelerate)},
        },
    }


def write_card(model: torch.nn.Module, training_arguments: TrainingArguments, results: Mapping[str, Any]):
    """
    Write the card of a model that was trained, and stands in the output folder.

    Args:
        model (`torch.nn.Module`): The model, perhaps with adapters.
        training_arguments (`TrainingArguments`)
        results (mapping): Its scores and how it was trained, as [`score`] returns them.
    """
    model = unwrap_peft(model)
    origin, training, protocol = results["base_model"], results["training"], results["protocol"] or {}
    verb = "Pre-trained" if isinstance(model, AllInOneForPreTraining) else "Fine-tuned"
    is_repository = origin["revision"] is not None
    shown = {name.replace("_", " "): value for name, value in training.items() if name != "data" and value is not None}
    data = {"dataset": protocol.get("data"), "split": protocol.get("split"), "num_rows": protocol.get("num_rows")}
    measured = f"`{RESULTS_NAME}` has how it was scored." if protocol else "Nothing was scored."
    blank = results["blank_video"]
    card = create_model_card(
        model.config,
        type(model).__name__,
        training_arguments.hub_model_id or training_arguments.output_dir,
        f"{verb} on {training['data']}, {_describe_origin(origin)}. {measured}",
        base_model=origin["name"] if is_repository else None,
        scores=[
            {**data, "metric": metric, "value": value, "blank_video": blank.get(metric)}
            for metric, value in results["scores"].items()
            if _is_score(metric, value)
        ],
        training=shown,
        language=None,  # of texts that are the user's
    )
    card.save(Path(training_arguments.output_dir, "README.md"))


def _describe_origin(origin: Mapping[str, str | None]) -> str:
    """What training started from, in words."""
    if origin["name"] is None:
        return "from random weights"
    if origin["sha256"] is not None:
        return f"from the model in a local folder, `{Path(origin['name']).name}` (SHA-256 `{origin['sha256']}`)"
    revision = "" if origin["revision"] is None else f" (revision `{origin['revision']}`)"
    return f"from `{origin['name']}`{revision}"


def _show(results: Mapping[str, Any]):
    """Log each score beside that of blank video."""
    scores, blank = results["scores"], results["blank_video"]
    if not scores:
        return
    names = [name for name, value in scores.items() if _is_score(name, value)]
    width = max(map(len, names), default=0)
    lines = [f"{'':{width}}  {'video':>8}  {'blank':>8}"]
    lines += [f"{name:{width}}  {scores[name]:8.4f}  {blank[name]:8.4f}" for name in names]
    logger.warning("\n".join(["", *lines]))


def _is_score(name: str, value: Any) -> bool:
    """Whether a figure says how good the model is, rather than of how many rows, or what it was trained by."""
    return isinstance(value, int | float) and "num_" not in name and not name.endswith("loss")


__all__ = [
    "DataArguments",
    "ModelArguments",
    "cache_frames",
    "command_line",
    "describe_protocol",
    "describe_training",
    "describe_training_data",
    "evaluate_and_save",
    "find_checkpoint",
    "identify_model",
    "load_model",
    "load_processor",
    "parse_recipe",
    "prepare_eval_rows",
    "prepare_rows",
    "resolve_labels",
    "save",
    "save_whole",
    "score_groups",
    "setup_run",
    "train",
    "unwrap_peft",
    "write_card",
    "write_results",
]
