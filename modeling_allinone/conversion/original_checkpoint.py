# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Convert a checkpoint of the original All-in-one to a directory that `from_pretrained` loads.

    allinone convert allinone_base.ckpt allinone-base --task masked-lm
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from transformers import PreTrainedTokenizerBase

import modeling_allinone

from ..hub.model_card import create_model_card, to_eval_results
from ..models import tokenization_allinone
from ..models.configuration_allinone import AllInOneConfig
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.processing_allinone import AllInOneProcessor
from ..models.video_processing_allinone import IMAGE_OPTIONS, AllInOneVideoProcessor
from .conversion_output import (
    build_parser,
    check_output_directory,
    command_line,
    complete_directory,
    save_model,
)
from .fingerprint import Fingerprint, digest_tensor, take_fingerprint
from .key_map import (
    BACKBONE,
    BACKBONE_RULES,
    DISTILLATION_RULES,
    TASK_CLASSES,
    TASK_OF_OBJECTIVE,
    Head,
    describe,
    find_heads,
    why_left_out,
)
from .model_directory import build_model, read_model_directory
from .original_config import read_config
from .safe_checkpoint import ConversionError, read_checkpoint
from .tensor_conversion import DTYPES, ReportLine, check_choice, convert_tensors, enumerate_keys, print_report

DEFAULT_TOKENIZER = "bert-base-uncased"
DEFAULT_LICENSE = "mit"  # what the original's repository says

BACKBONE_PREFIXES = ("text_embeddings.", "transformer.")

# The original has every frame scaled to a square of this side, in pixels, whatever its aspect ratio; then the shorter
# side to this many times the crop. The weights saw frames made so.
_DECODE_SIZE = 512
_RESIZE_RATIO = 1.2
# Images keep their shape: the longer side is at most so many times the shorter.
_LONGEST_RATIO = 1333 / 800
_IMAGE_CAPTIONS = {"coco", "f30k"}  # data sets of retrieval, as the original calls them


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
        task (`str`, *optional*): Which head to take where the checkpoint holds several, one of `TASK_CLASSES`;
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
    conversion = convert_checkpoint("allinone_base.ckpt", "allinone-base", "backbone")
    model = AllInOneModel.from_pretrained("allinone-base")
    ```
    """
    checkpoint, name = Path(checkpoint), name or str(output_dir)
    output_dir = Path(output_dir).expanduser().resolve()
    check_arguments(checkpoint, output_dir, task, dtype, overwrite)
    scores = [] if scores_file is None else _read_scores(Path(scores_file))
    model, report, reads_images = _load(checkpoint, task, num_attention_heads, DTYPES[dtype], skip_checksums)
    config, class_name = cast(AllInOneConfig, model.config), type(model).__name__
    if label_file is not None:
        if not hasattr(model, "classifier"):
            raise ConversionError("--label-file names answers or classes, but no classifier is being converted.")
        id2label = cast(dict[int, str], config.id2label)
        config.id2label = id2label | _read_labels(Path(label_file), len(id2label))
        config.label2id = {label: index for index, label in config.id2label.items()}
    processor = None
    if tokenizer is not None:
        processor = build_processor(load_tokenizer(tokenizer, config.max_position_embeddings), config, reads_images)
    if prompt is not None:
        if class_name != TASK_CLASSES["classification"] or processor is None:
            raise ConversionError(
                "--prompt is what a video classifier reads with every clip: it needs --task classification, and a "
                "tokenizer."
            )
        for field, value in processor.encode_prompt(prompt).items():
            setattr(config, field, value)
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


def read_original(checkpoint: Path, skip_checksums: bool = False) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """
    Read a checkpoint of the original.

    Args:
        checkpoint (`Path`): Its file.
        skip_checksums (`bool`, defaults to `False`): As in [`read_checkpoint`].

    Returns:
        Its tensors by name, and its hyper-parameters.

    Raises:
        ConversionError: If it is damaged or something else.
    """
    state_dict, hyper_parameters = read_checkpoint(checkpoint, skip_checksums)
    if not any(key.startswith(BACKBONE_PREFIXES) for key in state_dict):
        keys = ", ".join(list(state_dict)[:3]) or "none"
        raise ConversionError(
            f"{checkpoint} is no checkpoint of the original All-in-one: none of its keys begins with "
            f"{' or '.join(BACKBONE_PREFIXES)} (first keys: {keys})."
        )
    return state_dict, hyper_parameters


def _load(
    checkpoint: Path, task: str | None, num_attention_heads: int | None, dtype: torch.dtype, skip_checksums: bool
) -> tuple[AllInOnePreTrainedModel, list[ReportLine], bool]:
    """
    The model of a checkpoint, whose weights are the checkpoint's own where they need no change; what became of each
    tensor; and whether it was fine-tuned on images.
    """
    state_dict, hyper_parameters = read_original(checkpoint, skip_checksums)
    objectives = hyper_parameters.get("loss_names")
    task, heads = choose_heads(find_heads(state_dict), task, objectives if isinstance(objectives, Mapping) else None)
    config = read_config(state_dict, hyper_parameters, heads, num_attention_heads)
    converted, report = convert_state_dict(state_dict, config, task, heads, dtype)
    model = build_model(config, task, converted)
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
    config, task, tensors = read_model_directory(Path(directory))
    found = {name: digest_tensor(tensor) for name, tensor in tensors.items()}
    if different := [name for name in {**expected, **found} if expected.get(name) != found.get(name)]:
        raise ConversionError(f"What was written differs from {checkpoint}: {enumerate_keys(different)}.")
    return take_fingerprint(build_model(config, task, tensors))


def _digest_sources(
    checkpoint: str | Path, report: Sequence[ReportLine], dtype: torch.dtype, skip_checksums: bool
) -> dict[str, str]:
    """What every converted tensor must hash to."""
    parts: dict[str, list[torch.Tensor]] = {}
    state_dict, _ = read_checkpoint(checkpoint, skip_checksums)
    for line in report:
        if line.original is not None and line.converted is not None:
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
    if task is not None:
        check_choice("task", task, TASK_CLASSES)
    check_choice("dtype", dtype, DTYPES)
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
    parts: dict[str, Head] = {}
    for head in heads:
        if head.task == task:
            parts.setdefault(head.part, head)
    if not parts:
        raise ConversionError(f"The checkpoint holds no head for {task}; its heads: {held}.")
    return task, list(parts.values())


def convert_state_dict(
    state_dict: Mapping[str, torch.Tensor],
    config: AllInOneConfig,
    task: str,
    heads: Sequence[Head] = (),
    dtype: torch.dtype = torch.float32,
) -> tuple[dict[str, torch.Tensor], list[ReportLine]]:
    """
    Rename the original's tensors to those of a model, each of which must be there with the right shape.

    Args:
        state_dict (mapping of `str` to `torch.Tensor`): The original's tensors.
        config ([`AllInOneConfig`]): Configuration of the model that they are for.
        task (`str`): Its task, one of `TASK_CLASSES`.
        heads (sequence of `Head`): The head that was chosen, or its parts; empty for the backbone.
        dtype (`torch.dtype`, defaults to `torch.float32`): Type of the result.

    Returns:
        The model's state dictionary, and a [`ReportLine`] for every original tensor.

    Raises:
        ConversionError: If tensors are missing, not known, of another shape, not floating-point or not finite.
    """
    rules = BACKBONE_RULES + tuple(rule for head in heads for rule in head.rules)
    if config.use_distillation_token:
        rules += DISTILLATION_RULES
    other_heads = [other for other in find_heads(state_dict) if other not in heads]
    return convert_tensors(
        state_dict,
        build_model(config, task).state_dict(),
        rules,
        lambda key: why_left_out(key, other_heads),
        "The checkpoint",
        "All-in-one model",
        dtype,
    )


def _read_labels(path: Path, num_classes: int) -> dict[int, str]:
    """Names of the classes. The original's heads may have more classes than its files have answers."""
    try:
        text = path.read_text(encoding="utf-8")
        labels = json.loads(text) if path.suffix == ".json" else text.rstrip("\n").split("\n")
    except (OSError, ValueError) as error:
        raise ConversionError(f"The label file {path} cannot be read ({error}).") from error
    if isinstance(labels, list):
        labels = {str(label): index for index, label in enumerate(labels)}
    indices = list(labels.values()) if isinstance(labels, dict) else []
    is_complete = all(isinstance(index, int) for index in indices) and sorted(indices) == list(range(len(indices)))
    if not 0 < len(indices) <= num_classes or not is_complete:
        raise ConversionError(
            f"The label file {path} must give different answers the indices 0, 1, 2, … of at most {num_classes} "
            "classes."
        )
    return {index: label for label, index in labels.items()}


def load_tokenizer(name: str, max_text_length: int) -> PreTrainedTokenizerBase:
    """The tokenizer under a name or in a directory, for texts of up to so many tokens."""
    try:
        return tokenization_allinone.load_tokenizer(name, model_max_length=max_text_length)
    except Exception as error:  # depends on what is wrong: the name, the network, a file
        raise ConversionError(
            f"The tokenizer {name!r} cannot be loaded; pass --tokenizer PATH to a directory that holds one, or "
            f"--no-processor ({' '.join(str(error).split())})."
        ) from error


def build_processor(
    tokenizer: PreTrainedTokenizerBase, config: AllInOneConfig, reads_images: bool = False
) -> AllInOneProcessor:
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
        options: dict[str, Any] = {**IMAGE_OPTIONS, "size": size}
    else:
        options = {
            "decode_size": _DECODE_SIZE,
            "size": {"shortest_edge": int(_RESIZE_RATIO * max(height, width))},
            "image_mean": list(config.image_mean),
            "image_std": list(config.image_std),
        }
    video_processor = AllInOneVideoProcessor(
        num_frames=config.num_frames, crop_size={"height": height, "width": width}, **options
    )
    return AllInOneProcessor(video_processor=video_processor, tokenizer=tokenizer)


def convert(arguments: list[str] | None = None) -> dict[str, Any]:
    """Convert as the command line says; returns what became of each tensor, and the fingerprint if it was taken."""
    example = (
        "allinone convert allinone_base.ckpt allinone-base --task masked-lm. An image backbone to start from has "
        "other options: allinone convert deit_base_patch16_224.pth --help"
    )
    parser = build_parser(convert_checkpoint, example, task=TASK_CLASSES)
    parser.add_argument(
        "--no-processor", action="store_const", dest="tokenizer", const=None, help="Write no processor."
    )
    options = parser.parse_args(arguments)
    conversion = convert_checkpoint(**vars(options))
    print_report(conversion.report)
    if conversion.fingerprint is not None:
        print("verified: every tensor equals the checkpoint's bit by bit")
        print(conversion.fingerprint)
    print(f"written: {options.output_dir}")
    fingerprint = None if conversion.fingerprint is None else conversion.fingerprint._asdict()
    tensors = [line._asdict() for line in conversion.report]
    return {"output": options.output_dir, "tensors": tensors, "fingerprint": fingerprint}


main = command_line(convert)
