# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Export a model of this package to a checkpoint that the original All-in-one loads with `strict=True`.

    allinone export my-model my-model.ckpt --original allinone_base.ckpt

The original's module holds a few tensors that its task never reads and that a model of this package lacks. They come
from `--original`, the checkpoint that the model was converted from, or are filled in; the report says which.

The file holds weights, not the state of an optimiser: give it to the original as `load_path`, not as `resume_from`.
Without `test_only=True`, the original loads it before it builds the heads of fine-tuning, which then start afresh.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..models.configuration_allinone import AllInOneConfig
from .conversion_output import build_parser, check_output_file, command_line, complete_file
from .fingerprint import digest_tensor
from .key_map import (
    BACKBONE_RULES,
    DISTILLATION_RULES,
    HEADS,
    OPEN_ENDED_CLASSIFIER,
    SOFT_LABEL_CLASSIFIER,
    Rule,
    find_heads,
    find_sources,
)
from .model_directory import read_model_directory
from .original_checkpoint import choose_heads, convert_state_dict
from .original_config import read_config
from .original_hyper_parameters import (
    NAMINGS,
    build_hyper_parameters,
    check_is_computed,
    find_differences,
    find_objectives,
    find_vision_transformer,
)
from .safe_checkpoint import ConversionError, read_checkpoint
from .tensor_conversion import DTYPES, ReportLine, check_choice, check_finite

# The version with which the original was released, whose layout this is.
_LIGHTNING_VERSION = "1.1.4"

_HEADS_OF_OBJECTIVE = {
    "mlm": ("masked-language-modelling head",),
    "itm": ("matching head",),
    "vtm": ("matching head",),
    "ind_itc": ("contrastive projections",),
    "vtc": ("contrastive projections",),
    "vcop": ("clip-order classifier",),
    "vqa": (SOFT_LABEL_CLASSIFIER,),
    "openend_vqa": (OPEN_ENDED_CLASSIFIER,),
    "mc_vqa": ("multiple-choice question scorer",),
    "nlvr2": ("pair classifier",),
    "irtr": ("ranking scorer",),
    "multiple_choice": ("ranking scorer", "matching head"),
    "vcr_q2a": ("answer and rationale scorers",),
}
# The objectives with which the original builds a matching head, beside that of matching.
_BUILD_MATCHING_HEAD = {"multiple_choice", "vcr_q2a", "mc_vqa"}

_POSITION_IDS = "text_embeddings.position_ids"
_INITIALIZER_RANGE = 0.02
_NEVER_READ = "the task never reads it"
_MASKED_PATCHES = "masked patches: this objective does not run in the original"


class Export(NamedTuple):
    """
    What [`export_checkpoint`] did.

    Args:
        report (`list` of [`ReportLine`]): One line for every tensor written, in their order, then those left out.
        warnings (`list` of `str`): Where the original, with these weights, does otherwise than this package.
    """

    report: list[ReportLine]
    warnings: list[str]


def export_checkpoint(
    model_dir: str | Path,
    output: str | Path,
    original: str | Path | None = None,
    naming: str = "all-in-one",
    dtype: str = "float32",
    position_ids: bool = True,
    verify: bool = False,
    overwrite: bool = False,
    skip_checksums: bool = False,
) -> Export:
    """
    Export a model for the original; the output appears when it is complete, or not at all.

    Args:
        model_dir (`str` or `Path`): Directory that `save_pretrained` or Trainer wrote, with safetensors weights.
        output (`str` or `Path`): File to be written.
        original (`str` or `Path`, *optional*): Checkpoint of the original that gives what the model does not hold.
        naming (`str`, defaults to `"all-in-one"`): Which code is to load it: `"all-in-one"`, or `"co-training"` for
            that of All-in-one+.
        dtype (`str`, defaults to `"float32"`): Type to save the weights in: `"float32"`, which holds the others
            exactly, `"float16"`, `"bfloat16"`.
        position_ids (`bool`, defaults to `True`): Whether to write `text_embeddings.position_ids`, a part of the
            module with transformers before 4.31 (the original's is 4.2.1) and unknown to it from then on. Where
            `original` is given and has none, none is written.
        verify (`bool`, defaults to `False`): Whether to convert the file back and compare bit by bit.
        overwrite (`bool`, defaults to `False`): Whether to replace an output that is there already.
        skip_checksums (`bool`, defaults to `False`): Whether to read `original` without looking at its checksums.

    Returns:
        [`Export`]

    Raises:
        ConversionError: If the model cannot be exported. Nothing is written.

    Example:

    ```python
    export_checkpoint("my-model", "my-model.ckpt", original="allinone_base.ckpt")
    ```
    """
    model_dir, output = Path(model_dir), Path(output).expanduser().resolve()
    _check_arguments(model_dir, output, original, naming, dtype, overwrite)
    config, task, tensors = read_model_directory(model_dir)
    check_is_computed(config, task, naming)
    saved, saved_hyper_parameters = (None, {}) if original is None else read_checkpoint(original, skip_checksums)
    has_position_ids = position_ids and (saved is None or _POSITION_IDS in saved)
    state_dict, report = export_state_dict(tensors, config, task, naming, saved, has_position_ids, DTYPES[dtype])
    vit = find_vision_transformer(config, saved_hyper_parameters.get("vit"))
    objectives = find_objectives(config, task, naming)
    content = {
        "epoch": 0,
        "global_step": 0,
        "pytorch-lightning_version": _LIGHTNING_VERSION,
        "state_dict": state_dict,
        "hparams_name": "kwargs",
        "hyper_parameters": {"config": build_hyper_parameters(config, objectives, naming, vit)},
    }
    with complete_file(output) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # what PyTorch makes of a full disk, and of a place where nothing may be written
            size = sum(tensor.nbytes for tensor in state_dict.values())
            reason = str(error).splitlines()[0]
            raise ConversionError(
                f"{output} could not be written; it takes {size / 1e6:.0f} MB ({reason})."
            ) from error
        if verify:
            held = {line.converted: tensors[line.converted] for line in report if line.original and line.converted}
            verify_export(file, held, task, DTYPES[dtype])
    return Export(report, find_differences(config, naming, vit) + _find_merged_scorers(state_dict))


def _check_arguments(
    model_dir: Path, output: Path, original: str | Path | None, naming: str, dtype: str, overwrite: bool
):
    check_choice("naming", naming, NAMINGS)
    check_choice("dtype", dtype, DTYPES)
    sources = [*model_dir.glob("*.json"), *model_dir.glob("*.safetensors")]
    check_output_file(output, [*sources, Path(original)] if original is not None else sources, overwrite)


def export_state_dict(
    tensors: Mapping[str, torch.Tensor],
    config: AllInOneConfig,
    task: str,
    naming: str = "all-in-one",
    saved: Mapping[str, torch.Tensor] | None = None,
    has_position_ids: bool = True,
    dtype: torch.dtype = torch.float32,
) -> tuple[dict[str, torch.Tensor], list[ReportLine]]:
    """
    Rename the tensors of a model to those of the original's module, and fill in what the model does not hold.

    Args:
        tensors (mapping of `str` to `torch.Tensor`): State dictionary of the model.
        config ([`AllInOneConfig`]): Its configuration.
        task (`str`): Its task, one of `TASK_CLASSES`.
        naming (`str`, defaults to `"all-in-one"`): One of `NAMINGS`.
        saved (mapping of `str` to `torch.Tensor`, *optional*): The original's tensors to fill in from.
        has_position_ids (`bool`, defaults to `True`): Whether to write the buffer of positions.
        dtype (`torch.dtype`, defaults to `torch.float32`): Type of the result.

    Returns:
        The original's state dictionary, and what became of every tensor.

    Raises:
        ConversionError: If the original has no such head, or if tensors to fill in do not fit.
    """
    objectives = find_objectives(config, task, naming)
    rules = _find_rules(config, task, objectives, naming)
    state_dict, report = _rename(tensors, rules, dtype)
    rows = {key: (name, row) for name in tensors for key, row in find_sources(name, rules) if row is not None}
    shapes = _find_further_shapes(config, objectives, naming)
    missing = {key: shape for key, shape in shapes.items() if key not in state_dict}
    matching = f"{NAMINGS[naming].matching}_score."
    saved = {re.sub(r"^(itm|vtm)_score\.", matching, key): tensor for key, tensor in (saved or {}).items()}
    if saved and missing and not missing.keys() & saved.keys():
        raise ConversionError(f"The original's checkpoint holds none of what the model lacks: {', '.join(missing)}.")
    for key, shape in missing.items():
        filled, note = _fill_in(key, shape, saved, dtype)
        name = None
        if key in rows:
            name, row = rows[key]
            filled[row : row + 1] = tensors[name]
            note = f"row {row}; the other row: {note}"
        state_dict[key] = filled
        report.append(ReportLine(key, shape, name, note=note))
    if has_position_ids:
        state_dict[_POSITION_IDS] = torch.arange(config.max_position_embeddings)[None]
        report.append(ReportLine(_POSITION_IDS, (1, config.max_position_embeddings), None, note="0, 1, 2, …"))
    return state_dict, sorted(report, key=lambda line: line.original is None)


def _rename(
    tensors: Mapping[str, torch.Tensor], rules: tuple[Rule, ...], dtype: torch.dtype
) -> tuple[dict[str, torch.Tensor], list[ReportLine]]:
    """The tensors that are whole tensors of the original, or several of them joined; only masked patches have none."""
    state_dict, report = {}, []
    for name, tensor in tensors.items():
        sources = find_sources(name, rules)
        if not sources:
            report.append(ReportLine(None, tuple(tensor.shape), name, note=_MASKED_PATCHES))
        keys = [key for key, row in sources if row is None]
        parts = [part.clone() for part in tensor.chunk(len(keys), dim=1)] if len(keys) > 1 else [tensor] * len(keys)
        for key, part in zip(keys, parts, strict=True):
            state_dict[key] = part.to(dtype)
            check_finite(name, state_dict[key])
            report.append(ReportLine(key, tuple(part.shape), name))
    return state_dict, report


def _find_rules(config: AllInOneConfig, task: str, objectives: Mapping[str, float], naming: str) -> tuple[Rule, ...]:
    """What becomes of the tensors of a model, in the original that is built for the objectives."""
    heads = {name for objective in objectives for name in _HEADS_OF_OBJECTIVE[objective]}
    rules = BACKBONE_RULES + DISTILLATION_RULES * config.use_distillation_token
    rules += tuple(rule for head in HEADS if head.task == task and head.name in heads for rule in head.rules)
    if task == "visual-commonsense":
        rules += (Rule(f"{NAMINGS[naming].matching}_score.fc.{{kind}}", "answer_scorer.out_proj.{kind}", 1),)
    others = tuple(f"{names.matching}_score." for name, names in NAMINGS.items() if name != naming)
    return tuple(rule for rule in rules if not rule.original.startswith(others))


def _find_further_shapes(
    config: AllInOneConfig, objectives: Mapping[str, float], naming: str
) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors that the original's module has whether or not a model of this package does."""
    size, matching = config.hidden_size, NAMINGS[naming].matching
    shapes = {"pooler.dense.weight": (size, size), "pooler.dense.bias": (size,)}
    if config.use_distillation_token:
        shapes["transformer.temporal_embed"] = (1, config.num_frames, size)
    if objectives.keys() & (_BUILD_MATCHING_HEAD | {matching}):
        shapes |= {f"{matching}_score.fc.weight": (2, size), f"{matching}_score.fc.bias": (2,)}
    return shapes


def _fill_in(
    key: str, shape: tuple[int, ...], saved: Mapping[str, torch.Tensor], dtype: torch.dtype
) -> tuple[torch.Tensor, str]:
    """A tensor of the original's module that a model here does not hold, and where it comes from."""
    if key in saved:
        if tuple(saved[key].shape) != shape or not saved[key].is_floating_point():
            raise ConversionError(
                f"{key} of the original has shape {tuple(saved[key].shape)} and type {saved[key].dtype}, but expected "
                f"{shape} of a floating-point type; give the checkpoint that the model was converted from."
            )
        return saved[key].to(dtype, copy=True), "from the original"
    filled = torch.zeros(shape, dtype=dtype)
    if key != "pooler.dense.weight":
        return filled, f"zeros; {_NEVER_READ}"
    # Drawn as the original draws it: who goes on to train a task that pools should not start from zeros.
    return filled.normal_(std=_INITIALIZER_RANGE, generator=torch.Generator().manual_seed(0)), f"drawn; {_NEVER_READ}"


def _find_merged_scorers(state_dict: Mapping[str, torch.Tensor]) -> list[str]:
    """The two scorers of visual commonsense share memory in a module of the original that was just built."""
    pairs = [(f"rank_output.{kind}", f"rank_output_2.{kind}") for kind in ("weight", "bias")]
    if all(second not in state_dict or torch.equal(state_dict[first], state_dict[second]) for first, second in pairs):
        return []
    return [
        "The scorers of answers and rationales differ, but share memory in a module that the original just built, and "
        "loading leaves it the latter for both; clone its rank_output.weight and rank_output.bias before."
    ]


def verify_export(file: Path, held: Mapping[str, torch.Tensor], task: str, dtype: torch.dtype):
    """
    Convert an exported file back and compare, bit by bit, with what it was made from.

    Args:
        file (`Path`): The file.
        held (mapping of `str` to `torch.Tensor`): The tensors of the model that it holds.
        task (`str`): Task of the model, one of `TASK_CLASSES`.
        dtype (`torch.dtype`): Type in which they were exported.

    Raises:
        ConversionError: If they differ.
    """
    state_dict, hyper_parameters = read_checkpoint(file)
    _, heads = choose_heads(find_heads(state_dict), task)
    config = read_config(state_dict, hyper_parameters, heads)
    converted, _ = convert_state_dict(state_dict, config, task, heads, dtype)
    if converted.keys() != held.keys():
        raise ConversionError(f"Converted back, {', '.join(converted.keys() ^ held.keys())} would be gone or new.")
    differing = [name for name in held if digest_tensor(converted[name]) != digest_tensor(held[name].to(dtype))]
    if differing:
        raise ConversionError(f"Converted back, {', '.join(differing)} would not be what the model holds.")


def _print_report(report: list[ReportLine]):
    width = max(len(line.converted or "") for line in report)
    for line in report:
        outcome = f"-> {line.original}" if line.original else "left out:"
        note = f" ({line.note})" if line.original and line.note else f" {line.note}".rstrip()
        print(f"{line.converted or '(filled in)':{width}}  {line.shape!s:18}  {outcome}{note}")
    written = [line for line in report if line.original]
    num_filled = sum(line.converted is None for line in written)
    print(f"{len(written)} tensors exported, {num_filled} filled in, {len(report) - len(written)} left out")


def export(arguments: list[str] | None = None) -> dict[str, Any]:
    """Export as the command line says; returns what became of each tensor, and what the original does otherwise."""
    example = "allinone export my-model my-model.ckpt --original allinone_base.ckpt"
    options = build_parser(export_checkpoint, example).parse_args(arguments)
    report, warnings = export_checkpoint(**vars(options))
    _print_report(report)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"written: {options.output}")
    return {"output": options.output, "tensors": [line._asdict() for line in report], "warnings": warnings}


main = command_line(export)
