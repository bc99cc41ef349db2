# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Start a model from an image backbone, as the original starts its pre-training: from a ViT of timm, of DeiT or of
transformers, with text embeddings of BERT or fresh ones.

    allinone convert deit_base_patch16_224.pth allinone-base --text-model bert/
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from transformers.utils import logging

import modeling_allinone

from ..hub.model_card import create_model_card
from ..models.configuration_allinone import AllInOneConfig
from ..models.modeling_allinone import AllInOneModel, AllInOnePreTrainedModel
from .conversion_output import (
    build_parser,
    check_output_directory,
    command_line,
    complete_directory,
    save_model,
)
from .key_map import TASK_CLASSES, Rule
from .model_directory import build_model
from .original_checkpoint import DEFAULT_TOKENIZER, build_processor, check_arguments, load_tokenizer
from .safe_checkpoint import ConversionError
from .tensor_conversion import DTYPES, ReportLine, convert_tensors, print_report
from .vision_config import build_vision_config, read_backbone_fields, read_text_fields
from .vision_key_map import CLASS_TOKEN, MASKED_LM_RULES, TEXT_LEFT_OUT, TEXT_RULES
from .vision_source import Source, find_layout, read_source

_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")
_WORDS, _POSITIONS = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
_MASKED_LM_DECODER, _MASKED_LM_DENSE = "cls.predictions.decoder.weight", "cls.predictions.transform.dense.weight"


class Start(NamedTuple):
    """
    What a model was started from.

    Args:
        backbone (`list` of [`ReportLine`]): What became of every tensor of the image backbone.
        text (`list` of [`ReportLine`]): The same of the text model; empty without one.
        fresh (`list` of `str`): Names of the model's tensors that came from neither.
    """

    backbone: list[ReportLine]
    text: list[ReportLine]
    fresh: list[str]


def convert_vision_checkpoint(
    backbone: str | Path,
    output_dir: str | Path,
    task: str = "pretraining",
    text_model: str | Path | None = None,
    tokenizer: str | None = None,
    with_processor: bool = True,
    num_frames: int = 3,
    max_text_length: int = 40,
    num_attention_heads: int | None = None,
    temporal_mixing: str = "token_roll",
    patch_order: str = "random",
    image_mean: Sequence[float] | None = None,
    image_std: Sequence[float] | None = None,
    seed: int = 0,
    dtype: str = "float32",
    overwrite: bool = False,
    with_code: bool = False,
    name: str | None = None,
    license: str | None = None,
    skip_checksums: bool = False,
) -> Start:
    """
    Start a model from an image backbone; the output directory appears when it is complete, or not at all.

    An image alone then gives the tokens that the backbone gives. For that, the embedding of the visual modality starts
    at zero, where the original draws it; the temporal embedding starts at zero, as in the original.

    Args:
        backbone (`str` or `Path`): A file of timm or DeiT (`.pth`, `.safetensors`), a directory of timm, or one of
            transformers: `ViTModel`, `DeiTModel`, or one of their heads.
        output_dir (`str` or `Path`): Directory to be written.
        task (`str`, defaults to `"pretraining"`): Which class to write, one of `TASK_CLASSES`. Its head starts fresh.
        text_model (`str` or `Path`, *optional*): Directory of `BertModel`, `BertForMaskedLM` or another BERT, whose
            embeddings, and masked-language-modelling head where both have one, are taken. Default: fresh ones, as in
            the original.
        tokenizer (`str`, *optional*): Name or path of the processor's BERT tokenizer. Default: that of `text_model`
            where it has one, else `"bert-base-uncased"`. Fresh text embeddings get its vocabulary.
        with_processor (`bool`, defaults to `True`): Whether to write a processor.
        num_frames (`int`, defaults to 3): Frames of a clip, at least 1.
        max_text_length (`int`, defaults to 40): Longest text, in tokens.
        num_attention_heads (`int`, *optional*): Heads of a block, for a file of another width than ViT-Ti, S, B, L
            and H.
        temporal_mixing (`str`, defaults to `"token_roll"`): `"token_roll"`, `"channel_shift"` or `"none"`.
        patch_order (`str`, defaults to `"random"`): `"random"` or `"raster"`.
        image_mean, image_std (sequences of `float`, *optional*): What frames are normalised with, a number for each
            channel. Default: what the backbone's directory says, else ImageNet's.
        seed (`int`, defaults to 0): Seed of what starts fresh, from 0 to 2⁶⁴ - 1.
        dtype (`str`, defaults to `"float32"`): Type to save the weights in: `"float32"`, `"float16"`, `"bfloat16"`.
        overwrite (`bool`, defaults to `False`): Whether to replace an output directory that has files in it.
        with_code (`bool`, defaults to `False`): Whether to put the code that the model needs beside it.
        name (`str`, *optional*): What the model card's code loads: a repository of the Hub. Default: `output_dir`.
        license (`str`, *optional*): Licence of the weights, for the card.
        skip_checksums (`bool`, defaults to `False`): Whether to read files of `torch.save` without looking at their
            checksums, which they lack if they were written after `set_crc32_options(False)`.

    Returns:
        [`Start`]

    Raises:
        ConversionError: If no such model can be started. Nothing is written.

    Example:

    ```python
    convert_vision_checkpoint("deit_tiny_patch16_224.pth", "allinone-tiny", with_processor=False)
    model = AllInOneForPreTraining.from_pretrained("allinone-tiny")
    ```
    """
    backbone, name = Path(backbone), name or str(output_dir)
    output_dir = Path(output_dir).expanduser().resolve()
    check_arguments(backbone, output_dir, task, dtype, overwrite)
    if not 0 <= seed < 2**64:
        raise ConversionError(f"The seed is {seed}, but must be from 0 to 2**64 - 1.")
    text = None
    if text_model is not None:
        text_model = Path(text_model)
        check_output_directory(output_dir, text_model, overwrite)

    vision = read_source(backbone, skip_checksums)
    layout = find_layout(vision)
    fields = read_backbone_fields(vision, layout, num_attention_heads)
    if text_model is not None:
        text = read_source(text_model, skip_checksums)
        fields |= read_text_fields(text, fields["hidden_size"], max_text_length)
    loaded_tokenizer = None
    if with_processor:
        loaded_tokenizer = load_tokenizer(tokenizer or _find_tokenizer(text_model), max_text_length)
        fields = {"vocab_size": len(loaded_tokenizer)} | fields
    normalization = {"image_mean": image_mean, "image_std": image_std}
    fields |= {name: list(values) for name, values in normalization.items() if values is not None}
    if task == "paired-reasoning":
        fields["modality_type_vocab_size"] = 3
    config = build_vision_config(
        fields
        | {
            "num_frames": num_frames,
            "max_position_embeddings": max_text_length,
            "temporal_mixing": temporal_mixing,
            "patch_order": patch_order,
        }
    )
    processor = None if loaded_tokenizer is None else build_processor(loaded_tokenizer, config)

    model_class = getattr(modeling_allinone, TASK_CLASSES[task])
    expected = build_model(config, task).state_dict()
    rules = layout.rules
    if config.use_distillation_token:
        rules += (Rule(layout.distillation_token, CLASS_TOKEN),)
    weights, backbone_report = _convert(vision, vision.tensors, expected, rules, layout.left_out, DTYPES[dtype])
    text_report: list[ReportLine] = []
    if text is not None:
        text_weights, text_report = _convert_text(text, expected, config, DTYPES[dtype])
        weights |= text_weights
    source = f"The blocks start from `{backbone.name}`, an image backbone"
    source += ", the text embeddings fresh" if text is None else f", the text embeddings from `{text.path.name}`"
    source += f"; what neither has was drawn with seed {seed}. It has not been trained on text and video yet."
    del vision, text  # and with them, in half precision, the files mapped into memory
    model = start_model(model_class, config, weights, DTYPES[dtype], seed)
    with complete_directory(output_dir) as directory:
        save_model(directory, model, processor, with_code)
        has_processor = processor is not None
        card = create_model_card(
            config, model_class.__name__, name, source, license, has_processor=has_processor, has_code=with_code
        )
        card.save(directory / "README.md")
    return Start(backbone_report, text_report, [name for name in expected if name not in weights])


def start_model(
    model_class: type[AllInOnePreTrainedModel],
    config: AllInOneConfig,
    weights: dict[str, torch.Tensor],
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> AllInOnePreTrainedModel:
    """
    A model with some weights, the others fresh: temporal embedding and visual modality zero, the rest as the class
    draws it.

    Args:
        model_class (`type`): A class of this package.
        config ([`AllInOneConfig`]): Its configuration.
        weights (`dict`): A part of its state dictionary.
        dtype (`torch.dtype`, defaults to `torch.float32`): Type of all weights.
        seed (`int`, defaults to 0): Seed of the others.

    Returns:
        [`AllInOnePreTrainedModel`]
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # that some weights are fresh is meant
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = model_class.from_pretrained(None, config=config, state_dict=weights, dtype=dtype)
    finally:
        logging.set_verbosity(verbosity)
    embeddings = cast(AllInOneModel, model.base_model).embeddings
    with torch.no_grad():
        embeddings.modality_type_embeddings.weight[1:] = 0
        if (temporal := embeddings.visual_embeddings.temporal_embeddings) is not None:
            temporal.zero_()
    return model


def _convert(
    source: Source,
    tensors: Mapping[str, torch.Tensor],
    expected: Mapping[str, torch.Tensor],
    rules: Sequence[Rule],
    left_out: Sequence[tuple[str, str]],
    dtype: torch.dtype,
) -> tuple[dict[str, torch.Tensor], list[ReportLine]]:
    """Tensors of a source, by the names of the model, and the report of all."""

    def find_reason(name: str) -> str | None:
        return next((reason for pattern, reason in left_out if re.fullmatch(pattern, name)), None)

    kind = "known ViT or BERT"
    return convert_tensors(tensors, expected, rules, find_reason, str(source.path), kind, dtype, source.keys)


def _convert_text(
    text: Source, expected: Mapping[str, torch.Tensor], config: AllInOneConfig, dtype: torch.dtype
) -> tuple[dict[str, torch.Tensor], list[ReportLine]]:
    """The tensors of BERT that a model takes over, and the report of all."""
    tensors, rules, left_out, notes = dict(text.tensors), list(TEXT_RULES), list(TEXT_LEFT_OUT), {}
    if _POSITIONS in tensors and tensors[_POSITIONS].ndim == 2:
        tensors[_POSITIONS] = tensors[_POSITIONS][: config.max_position_embeddings]
        notes[_POSITIONS] = f"the first {config.max_position_embeddings} rows"
    reason = None
    if not any(name.startswith("mlm_head.") for name in expected):
        reason = "the class has no masked-language-modelling head"
    elif (activation := text.config.get("hidden_act", "gelu")) != config.hidden_act:
        reason = f"a head with the activation {activation}, where the model has {config.hidden_act}"
    if reason is not None:
        left_out.append((r"cls\.predictions\..*", reason))
    elif _MASKED_LM_DENSE in tensors:
        rules += MASKED_LM_RULES
        if _MASKED_LM_DECODER not in tensors and _WORDS in tensors:
            tensors[_MASKED_LM_DECODER] = tensors[_WORDS]
            notes[_WORDS] = "and mlm_head.decoder.weight, which BERT ties to it"
    converted, report = _convert(text, tensors, expected, rules, left_out, dtype)
    lines = dict(zip(tensors, report, strict=True))
    for name, note in notes.items():
        lines[name] = lines[name]._replace(shape=tuple(text.tensors[name].shape), note=note)
    return converted, [lines[name] for name in text.tensors]


def _find_tokenizer(text_model: Path | None) -> str:
    has_one = text_model is not None and any((text_model / name).is_file() for name in _TOKENIZER_FILES)
    return str(text_model) if has_one else DEFAULT_TOKENIZER


def convert(arguments: list[str] | None = None) -> dict[str, Any]:
    """Convert as the command line says; returns what became of each tensor, and which are fresh."""
    example = "allinone convert deit_base_patch16_224.pth my-start --text-model bert"
    options = build_parser(convert_vision_checkpoint, example, task=TASK_CLASSES).parse_args(arguments)
    start = convert_vision_checkpoint(**vars(options))
    print_report(start.backbone)
    if start.text:
        print_report(start.text)
    print(f"fresh: {', '.join(start.fresh)}")
    print(f"written: {options.output_dir}")
    backbone, text = ([line._asdict() for line in report] for report in (start.backbone, start.text))
    return {"output": options.output_dir, "tensors": backbone, "text_tensors": text, "fresh": start.fresh}


main = command_line(convert)
