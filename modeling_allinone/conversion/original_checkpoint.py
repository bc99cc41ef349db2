# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Convert a checkpoint of the original All-in-one to a directory that `from_pretrained` loads.

    python conversion/convert_original_checkpoint.py allinone_base.ckpt allinone-base --task masked-lm
"""

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

import modeling_allinone

from .. import AllInOneConfig, AllInOnePreTrainedModel
from ..hub.model_card import create_model_card, to_eval_results
from ..models import tokenization_allinone
from ..models.video_processing_allinone import IMAGE_OPTIONS
from .conversion_output import (
    add_skip_checksums,
    check_output_directory,
    command_line,
    complete_directory,
    save_model,
)
from .fingerprint import Fingerprint, digest_tensor, load_model, take_fingerprint
from .key_map import (
    BACKBONE,
    BACKBONE_RULES,
    DISTILLATION_RULES,
    TASK_CLASSES,
    TASK_OF_OBJECTIVE,
    Head,
    describe,
    find_heads,
    find_sources,
    why_left_out,
)
from .original_config import build_config
from .safe_checkpoint import ConversionError, read_checkpoint

DEFAULT_TOKENIZER = "bert-base-uncased"
DEFAULT_LICENSE = "mit"  # what the original's repository says
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

_BACKBONE_PREFIXES = ("text_embeddings.", "transformer.")

# The original has every frame scaled to a square of this side, in pixels, whatever its aspect ratio; then the shorter
# side to this many times the crop. The weights saw frames made so.
_DECODE_SIZE = 512
_RESIZE_RATIO = 1.2
# Images keep their shape: the longer side is at most so many times the shorter.
_LONGEST_RATIO = 1333 / 800
_IMAGE_CAPTIONS = {"coco", "f30k"}  # data sets of retrieval, as the original calls them


class ReportLine(NamedTuple):
    """
    What became of one tensor of the checkpoint.

    Args:
        original (`str`): Its key.
        shape (`tuple` of `int`): Its shape.
        converted (`str`, *optional*): Its new name; `None` if it was left out.
        row (`int`, *optional*): The row that was taken of it; `None` for all, or none if it was left out.
        note (`str`): Why it was left out; else a remark, or empty.
    """

    original: str
    shape: tuple[int, ...]
    converted: str | None
    row: int | None
    note: str


class Conversion(NamedTuple):
    """
    What was converted.

    Args:
        report (`list` of [`ReportLine`]): One for every tensor of the checkpoint, in its order.
        fingerprint ([`Fingerprint`], *optional*): Of the converted model, where it was verified.
    """

    report: list[ReportLine]
    fingerprint: Fingerprint | None


def convert_checkpoint(
    checkpoint: str | Path,
    output_dir: str | Path,
    task: str | None = None,
    tokenizer: str | None = DEFAULT_TOKENIZER,
    num_attention_heads: int | None = None,
    dtype: str = "float32",
    label_file: str | Path | None = None,
    prompt: str | None = None,
    overwrite: bool = False,
    verify: bool = False,
    with_code: bool = False,
    name: str | None = None,
    license: str | None = DEFAULT_LICENSE,
    base_model: str | None = None,
    scores_file: str | Path | None = None,
    skip_checksums: bool = False,
) -> Conversion:
    """
    Convert a checkpoint of the original; the output directory appears when it is complete, or not at all.

    Args:
        checkpoint (`str` or `Path`): A `.ckpt` of the original, a saved `state_dict`, or a `.safetensors` file.
        output_dir (`str` or `Path`): Directory to be written.
        task (`str`, *optional*): One of `TASK_CLASSES`; which head to take where the checkpoint holds several.
            `"backbone"` takes none.
        tokenizer (`str`, *optional*, defaults to `"bert-base-uncased"`): Name or path of the BERT tokenizer for the
            processor; `None` writes no processor.
        num_attention_heads (`int`, *optional*): Heads of a block, where the checkpoint does not say. Default: its
            hyper-parameters, else one for 64 channels.
        dtype (`str`, defaults to `"float32"`): Type to save the weights in: `"float32"`, `"float16"`, `"bfloat16"`.
        label_file (`str` or `Path`, *optional*): Names of the answers or classes: JSON, a list or a dictionary
            from answer to index, or text with an answer on each line.
        prompt (`str`, *optional*): Text that a video classifier was trained to read with every clip.
        overwrite (`bool`, defaults to `False`): Whether to replace an output directory that has files in it.
        verify (`bool`, defaults to `False`): Whether to load what was written, compare its every bit with the
            checkpoint and take a fingerprint.
        with_code (`bool`, defaults to `False`): Whether to put the code that the model needs beside it, so that
            `trust_remote_code=True` loads it without this package.
        name (`str`, *optional*): What the model card's code loads: a repository of the Hub. Default: `output_dir`.
        license (`str`, *optional*, defaults to `"mit"`, the original's): Licence of the weights, for the card.
        base_model (`str`, *optional*): Repository of the Hub that the model was fine-tuned from, for the card.
        scores_file (`str` or `Path`, *optional*): JSON list of what was measured, for the card; see
            [`~modeling_allinone.hub.model_card.to_eval_results`].
        skip_checksums (`bool`, defaults to `False`): Whether to read a file of `torch.save` without looking at its
            checksums, which it lacks if it was written after `set_crc32_options(False)`.

    Returns:
        [`Conversion`]

    Raises:
        ConversionError: If the checkpoint cannot be converted as asked. Nothing is written.

    Example:

    ```python
    >>> conversion = convert_checkpoint("allinone_base.ckpt", "allinone-base", "backbone")  # doctest: +SKIP
    >>> model = AllInOneModel.from_pretrained("allinone-base")  # doctest: +SKIP
    ```
    """
    checkpoint, name = Path(checkpoint), name or str(output_dir)
    output_dir = Path(output_dir).expanduser().resolve()
    check_arguments(checkpoint, output_dir, task, dtype, overwrite)
    scores = [] if scores_file is None else _read_scores(Path(scores_file))
    model, report, reads_images = _load(checkpoint, task, num_attention_heads, DTYPES[dtype], skip_checksums)
    config, class_name = model.config, type(model).__name__
    if label_file is not None:
        config.id2label, config.label2id = _read_labels(Path(label_file), model)
    processor = None
    if tokenizer is not None:
        tokenizer = load_tokenizer(tokenizer, config.max_position_embeddings)
        processor = build_processor(tokenizer, config, reads_images)
    if prompt is not None:
        if class_name != TASK_CLASSES["classification"] or processor is None:
            raise ConversionError(
                "--prompt is what a video classifier reads with every clip: it needs --task classification, and a "
                "tokenizer."
            )
        fields = processor.encode_prompt(prompt)
        config.prompt, config.prompt_input_ids = fields["prompt"], fields["prompt_input_ids"]
    fingerprint = None
    with complete_directory(output_dir) as directory:
        save_model(directory, model, processor, with_code)
        del model  # and with it the checkpoint, before it is read anew
        if verify:
            fingerprint = verify_directory(directory, checkpoint, report, DTYPES[dtype], skip_checksums)
        card = create_model_card(
            config,
            class_name,
            name,
            _describe_source(checkpoint, report, dtype, fingerprint),
            license,
            base_model,
            scores=scores,
            has_processor=processor is not None,
            has_code=with_code,
        )
        card.save(directory / "README.md")
    return Conversion(report, fingerprint)


def _load(
    checkpoint: Path, task: str | None, num_attention_heads: int | None, dtype: torch.dtype, skip_checksums: bool
) -> tuple[AllInOnePreTrainedModel, list[ReportLine], bool]:
    """
    The model of a checkpoint, whose weights are the checkpoint's own where they need no change; what became of each
    tensor; and whether it was fine-tuned on images.
    """
    state_dict, hyper_parameters = read_checkpoint(checkpoint, skip_checksums)
    if not any(key.startswith(_BACKBONE_PREFIXES) for key in state_dict):
        keys = ", ".join(list(state_dict)[:3]) or "none"
        raise ConversionError(
            f"{checkpoint} is no checkpoint of the original All-in-one: none of its keys begins with "
            f"{' or '.join(_BACKBONE_PREFIXES)} (first keys: {keys})."
        )
    objectives = hyper_parameters.get("loss_names")
    task, heads = choose_heads(find_heads(state_dict), task, objectives if isinstance(objectives, Mapping) else None)
    config = build_config(state_dict, hyper_parameters, heads, num_attention_heads)
    with torch.device("meta"):
        model = getattr(modeling_allinone, TASK_CLASSES[task])(config)
    converted, report = convert_state_dict(state_dict, model, heads, dtype)
    model.load_state_dict(converted, strict=True, assign=True)
    return model, report, _reads_images(model, hyper_parameters.get("datasets"))


def _reads_images(model: AllInOnePreTrainedModel, datasets: Any) -> bool:
    """Whether a model was fine-tuned on images in their shape: by its head, or by the data sets that it names."""
    if isinstance(model, modeling_allinone.AllInOneForPairedVisualReasoning):
        return True
    if isinstance(model, modeling_allinone.AllInOneForVideoQuestionAnswering):
        return model.config.classifier_hidden_size == 2 * model.config.hidden_size  # as VQAv2's alone
    is_retrieval = isinstance(model, modeling_allinone.AllInOneForVideoTextRetrieval)
    return is_retrieval and isinstance(datasets, list | tuple) and bool(datasets) and set(datasets) <= _IMAGE_CAPTIONS


def verify_directory(
    directory: str | Path,
    checkpoint: str | Path,
    report: Sequence[ReportLine],
    dtype: torch.dtype = torch.float32,
    skip_checksums: bool = False,
) -> Fingerprint:
    """
    Load a converted model and compare its every bit with the checkpoint that it came from.

    Args:
        directory (`str` or `Path`): The converted model.
        checkpoint (`str` or `Path`): The original's file.
        report (sequence of [`ReportLine`]): What the conversion said about every tensor.
        dtype (`torch.dtype`, defaults to `torch.float32`): Type in which the model was saved.
        skip_checksums (`bool`, defaults to `False`): Whether to read the original's file without its checksums.

    Returns:
        [`Fingerprint`] of the model.

    Raises:
        ConversionError: If a tensor differs, or is in only one of the two.
    """
    # Hashes rather than tensors, so that the two files are not in memory at once.
    expected = _digest_sources(checkpoint, report, dtype, skip_checksums)
    model = load_model(directory)
    found = {name: digest_tensor(tensor) for name, tensor in model.state_dict().items()}
    if different := [name for name in {**expected, **found} if expected.get(name) != found.get(name)]:
        raise ConversionError(f"What was written differs from {checkpoint}: {enumerate_keys(different)}.")
    return take_fingerprint(model)


def _digest_sources(
    checkpoint: str | Path, report: Sequence[ReportLine], dtype: torch.dtype, skip_checksums: bool
) -> dict[str, str]:
    """What every converted tensor must hash to."""
    parts: dict[str, list[torch.Tensor]] = {}
    state_dict, _ = read_checkpoint(checkpoint, skip_checksums)
    for line in report:
        if line.converted is not None:
            tensor = state_dict[line.original]
            parts.setdefault(line.converted, []).append(tensor if line.row is None else tensor[line.row, None])
    return {
        name: digest_tensor((tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim=1)).to(dtype))
        for name, tensors in parts.items()
    }


def _describe_source(checkpoint: Path, report: list[ReportLine], dtype: str, fingerprint: Fingerprint | None) -> str:
    """Where the weights come from, for the model card."""
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    num_converted = sum(line.converted is not None for line in report)
    source = (
        f"Converted from `{checkpoint.name}` (SHA-256 `{digest}`), a checkpoint of "
        f"[showlab/all-in-one](https://github.com/showlab/all-in-one): {num_converted} of its {len(report)} tensors, "
        f"in {dtype}, by `convert_original_checkpoint.py` of modeling_allinone {modeling_allinone.__version__}."
    )
    if fingerprint is not None:
        command = "python -m modeling_allinone.conversion.fingerprint"
        source += f"\n\n```\n{fingerprint}\n```\n\n`{command}` prints this table for any copy."
    return source


def _read_scores(path: Path) -> list[dict[str, Any]]:
    """What was measured; checked here, before anything is converted."""
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(scores, list):
            raise ValueError(f"it holds a {type(scores).__name__}, but expected a list")
        to_eval_results(scores)
    except (OSError, ValueError) as error:
        raise ConversionError(f"The scores {path} cannot be used ({error}).") from error
    return scores


def check_arguments(checkpoint: Path, output_dir: Path, task: str | None, dtype: str, overwrite: bool):
    """Raise a `ConversionError` unless task and type of the weights exist and the output may be written."""
    if task is not None and task not in TASK_CLASSES:
        raise ConversionError(f"The task {task!r} does not exist; there are {', '.join(TASK_CLASSES)}.")
    if dtype not in DTYPES:
        raise ConversionError(f"The dtype {dtype!r} does not exist here; there are {', '.join(DTYPES)}.")
    check_output_directory(output_dir, checkpoint, overwrite)


def choose_heads(
    heads: Sequence[Head], task: str | None = None, objectives: Mapping[str, Any] | None = None
) -> tuple[str, list[Head]]:
    """
    Decide which head of a checkpoint to convert.

    Args:
        heads (sequence of `Head`): Those that it holds.
        task (`str`, *optional*): The task asked for. Without one, there must be but one that the checkpoint is for: a
            fine-tuned head goes before those of pre-training.
        objectives (mapping of `str` to numbers, *optional*): What the checkpoint was trained for, with weights, in the
            original's names; decides where a head serves several tasks.

    Returns:
        The task and its head, or the parts of it; none for the backbone.

    Raises:
        ConversionError: If there is no such head, or if several could be meant.
    """
    if task == BACKBONE or (task is None and not heads):
        return BACKBONE, []
    held = describe(heads, heads) or "none"
    if task is None:
        trained_for = {TASK_OF_OBJECTIVE[name] for name in TASK_OF_OBJECTIVE if (objectives or {}).get(name)}
        candidates = [head for head in heads if head.task in trained_for] if len(trained_for) == 1 else []
        candidates = candidates or [head for head in heads if head.claim == max(head.claim for head in heads)]
        tasks = {head.task for head in candidates}
        if len(tasks) > 1:
            choice = " or ".join([*dict.fromkeys(head.task for head in heads), BACKBONE])
            raise ConversionError(f"The checkpoint holds several heads: {held}. Pass --task {choice}.")
        (task,) = tasks
    parts = {}
    for head in heads:
        if head.task == task:
            parts.setdefault(head.part, head)
    if not parts:
        raise ConversionError(f"The checkpoint holds no head for {task}; its heads: {held}.")
    return task, list(parts.values())


def convert_state_dict(
    state_dict: Mapping[str, torch.Tensor],
    model: AllInOnePreTrainedModel,
    heads: Sequence[Head] = (),
    dtype: torch.dtype = torch.float32,
) -> tuple[dict[str, torch.Tensor], list[ReportLine]]:
    """
    Rename the original's tensors to those of a model, each of which must be there with the right shape.

    Args:
        state_dict (mapping of `str` to `torch.Tensor`): The original's tensors.
        model ([`AllInOnePreTrainedModel`]): The model that they are for; its weights are not read.
        heads (sequence of `Head`): The head that was chosen, or its parts; empty for the backbone.
        dtype (`torch.dtype`, defaults to `torch.float32`): Type of the result.

    Returns:
        The model's state dictionary, and a [`ReportLine`] for every original tensor.

    Raises:
        ConversionError: If tensors are missing, not known, of another shape or not floating-point.
    """
    rules = BACKBONE_RULES + tuple(rule for head in heads for rule in head.rules)
    if model.config.use_distillation_token:
        rules += DISTILLATION_RULES
    expected = model.state_dict()
    sources = {name: find_sources(name, rules) for name in expected}
    targets = {key: (name, row) for name, parts in sources.items() for key, row in parts}

    missing = [key for key in targets if key not in state_dict]
    if missing:
        raise ConversionError(f"The checkpoint lacks {enumerate_keys(missing)}, which {type(model).__name__} needs.")
    other_heads = [other for other in find_heads(state_dict) if other not in heads]
    notes = {key: why_left_out(key, other_heads) for key in state_dict if key not in targets}
    unknown = [key for key, reason in notes.items() if reason is None]
    if unknown:
        raise ConversionError(f"The checkpoint holds {enumerate_keys(unknown)}, which no All-in-one model has.")
    converted, storages = {}, set()
    for name, parts in sources.items():
        shape = list(expected[name].shape)
        if len(parts) > 1:
            shape[1] = 1
        tensors = [_take(key, row, state_dict[key], shape) for key, row in parts]
        joined = tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim=1)
        weight = joined.to(dtype).contiguous()
        if not weight.isfinite().all():
            raise ConversionError(
                f"{parts[0][0]} holds values that are not finite in {str(dtype).removeprefix('torch.')}; "
                + ("its training went astray." if dtype == torch.float32 else "convert to float32.")
            )
        # Weights stay mapped into memory and are never copied, unless they share it, which the format to be written
        # does not know.
        storage = weight.untyped_storage().data_ptr()
        converted[name] = weight.clone() if storage in storages else weight
        storages.add(storage)

    report = []
    for key, tensor in state_dict.items():
        name, row = targets.get(key, (None, None))
        report.append(ReportLine(key, tuple(tensor.shape), name, row, notes.get(key, "")))
    return converted, report


def _take(key: str, row: int | None, tensor: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """A tensor of the checkpoint, or a row of it, that must have the given shape."""
    if not tensor.is_floating_point():
        raise ConversionError(f"{key} is of type {tensor.dtype}, but expected floating-point weights.")
    taken = tensor if row is None or tensor.ndim == 0 else tensor[row : row + 1]
    if list(taken.shape) != shape:
        part = "" if row is None else f" in row {row}"
        raise ConversionError(
            f"{key} has shape {tuple(tensor.shape)}, but the sizes of the other tensors ask for {tuple(shape)}{part}."
        )
    return taken


def enumerate_keys(keys: list[str]) -> str:
    """The first keys of a list, for a message."""
    shown = ", ".join(keys[:5])
    return shown if len(keys) <= 5 else f"{shown} and {len(keys) - 5} more"


def _read_labels(path: Path, model: AllInOnePreTrainedModel) -> tuple[dict[int, str], dict[str, int]]:
    """Names of the classes. The original's heads may have more classes than its files have answers."""
    config = model.config
    if not hasattr(model, "classifier"):
        raise ConversionError("--label-file names answers or classes, but no classifier is being converted.")
    try:
        text = path.read_text(encoding="utf-8")
        labels = json.loads(text) if path.suffix == ".json" else text.split("\n")
    except (OSError, ValueError) as error:
        raise ConversionError(f"The label file {path} cannot be read ({error}).") from error
    if isinstance(labels, list):
        while labels and labels[-1] == "":
            labels.pop()
        labels = {str(label): index for index, label in enumerate(labels)}
    indices = list(labels.values()) if isinstance(labels, dict) else []
    is_complete = all(isinstance(index, int) for index in indices) and sorted(indices) == list(range(len(indices)))
    if not 0 < len(indices) <= config.num_labels or not is_complete:
        raise ConversionError(
            f"The label file {path} must give different answers the indices 0, 1, 2, … of at most {config.num_labels} "
            "classes."
        )
    id2label = dict(config.id2label) | {index: label for label, index in labels.items()}
    return id2label, {label: index for index, label in id2label.items()}


def load_tokenizer(name: str, max_text_length: int):
    """The tokenizer under a name or in a directory, for texts of up to so many tokens."""
    try:
        return tokenization_allinone.load_tokenizer(name, model_max_length=max_text_length)
    except Exception as error:  # depends on what is wrong: the name, the network, a file
        raise ConversionError(
            f"The tokenizer {name!r} cannot be loaded; pass --tokenizer PATH to a directory that holds one, or "
            f"--no-processor ({' '.join(str(error).split())})."
        ) from error


def build_processor(tokenizer, config: AllInOneConfig, reads_images: bool = False):
    """The processor that fits a model, with a tokenizer; of images in their shape, or of clips."""
    if len(tokenizer) > config.vocab_size:
        raise ConversionError(
            f"The tokenizer {tokenizer.name_or_path!r} has {len(tokenizer)} tokens, but the checkpoint's vocabulary "
            f"{config.vocab_size}; pass the tokenizer that it was trained with, or --no-processor."
        )
    if config.num_channels != 3:
        raise ConversionError(
            f"The checkpoint reads frames of {config.num_channels} channels, but the processor makes 3; pass "
            "--no-processor."
        )
    height, width = config.image_height_width
    if reads_images:
        size = {"shortest_edge": height, "longest_edge": int(_LONGEST_RATIO * height)}
        options = {**IMAGE_OPTIONS, "size": size}
    else:
        options = {
            "decode_size": _DECODE_SIZE,
            "size": {"shortest_edge": int(_RESIZE_RATIO * max(height, width))},
            "image_mean": list(config.image_mean),
            "image_std": list(config.image_std),
        }
    video_processor = modeling_allinone.AllInOneVideoProcessor(
        num_frames=config.num_frames, crop_size={"height": height, "width": width}, **options
    )
    return modeling_allinone.AllInOneProcessor(video_processor=video_processor, tokenizer=tokenizer)


def print_report(report: list[ReportLine]):
    """Print a table of what became of every tensor."""
    width = max(len(line.original) for line in report)
    for line in report:
        row = "" if line.row is None else f" (row {line.row})"
        note = f" ({line.note})" if line.note else ""
        outcome = f"-> {line.converted}{row}{note}" if line.converted else f"left out: {line.note}"
        print(f"{line.original:{width}}  {line.shape!s:18}  {outcome}")
    num_converted = sum(line.converted is not None for line in report)
    print(f"{num_converted} tensors converted, {len(report) - num_converted} left out")


def _parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Convert a checkpoint of the original All-in-one to a directory that from_pretrained loads.",
        epilog="example: python conversion/convert_original_checkpoint.py allinone_base.ckpt allinone-base "
        "--task masked-lm --tokenizer path/to/bert-base-uncased",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="file that the original wrote")
    parser.add_argument("output_dir", metavar="OUTPUT_DIR", help="directory to be written")
    parser.add_argument(
        "--task",
        metavar="NAME",
        help=f"which head to take where the checkpoint holds several: {', '.join(TASK_CLASSES)}",
    )
    processor = parser.add_mutually_exclusive_group()
    processor.add_argument(
        "--tokenizer",
        metavar="NAME_OR_PATH",
        default=DEFAULT_TOKENIZER,
        help="tokenizer of the processor (default: %(default)s)",
    )
    processor.add_argument(
        "--no-processor", action="store_const", dest="tokenizer", const=None, help="write no processor"
    )
    parser.add_argument("--num-attention-heads", type=int, metavar="N", help="where the checkpoint does not say")
    parser.add_argument("--dtype", default="float32", help=f"{', '.join(DTYPES)} (default: %(default)s)")
    parser.add_argument("--prompt", metavar="TEXT", help="what a video classifier was trained to read with every clip")
    parser.add_argument("--label-file", metavar="FILE", help="names of answers or classes: JSON, or one on each line")
    parser.add_argument("--overwrite", action="store_true", help="replace an output directory that has files in it")
    parser.add_argument(
        "--verify", action="store_true", help="compare what was written with the checkpoint, and print a fingerprint"
    )
    parser.add_argument(
        "--with-code", action="store_true", help="put the code beside the model, to be loaded with trust_remote_code"
    )
    add_skip_checksums(parser)
    card = parser.add_argument_group("model card")
    card.add_argument("--name", metavar="REPOSITORY", help="what its code loads (default: OUTPUT_DIR)")
    card.add_argument("--license", default=DEFAULT_LICENSE, help="licence of the weights (default: %(default)s)")
    card.add_argument("--base-model", metavar="REPOSITORY", help="what the model was fine-tuned from")
    card.add_argument("--scores-file", metavar="FILE", help="JSON list of {dataset, split, metric, value}")
    return parser.parse_args(arguments)


@command_line
def main(arguments: list[str] | None = None):
    """Convert as the command line says."""
    options = _parse_arguments(arguments)
    conversion = convert_checkpoint(**vars(options))
    print_report(conversion.report)
    if conversion.fingerprint is not None:
        print("verified: every tensor equals the checkpoint's bit by bit")
        print(conversion.fingerprint)
    print(f"written: {options.output_dir}")
