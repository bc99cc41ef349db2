# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Models as ONNX, for ONNX Runtime, OpenVINO and whatever else reads that, with what is to be known beside them."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from ..conversion.conversion_output import check_output_directory, complete_directory
from ..evaluation.embedding import evaluating
from ..models.configuration_allinone import AllInOneConfig
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.modeling_pretraining_allinone import AllInOneForPreTraining
from ..models.processing_allinone import AllInOneProcessor
from .onnx_model import DESCRIPTION, OUTPUTS, load_onnx, require

TOLERANCE = 1e-4
# Of int8, by the largest number: beyond, weights were not rounded but broken.
_INT8_TOLERANCE = 0.5
# Of these operators, attention is one; made of older ones, it takes a quarter of the time of products in int8.
_INT8_OPSET = 23
_TEXT = ("input_ids", "attention_mask")
_WITH_LABELS = {
    "AllInOneForPairedVisualReasoning",
    "AllInOneForVideoClassification",
    "AllInOneForVideoQuestionAnswering",
}
_CARD = """\
---
library_name: onnx
tags:
- allinone
- onnx
---

# {name} as ONNX

Weights are {weights}.{checked}
{tables}
Axes with a name may have any size, up to {most}. `{file}` says the same for programs, with the labels and what is done
to frames and texts before; `processor_config.json` and `tokenizer.json` are the settings of what does it.

```python
from modeling_allinone import Predictor, load_onnx

model, processor = load_onnx("FOLDER")  # the folder of this file
predictor = Predictor(model, processor)
```
"""
# Sizes that an export is compared with the model at, none of which it is made with.
_CHECKED: tuple[dict[str, int], ...] = (
    {"batch": 1, "frames": 1},
    {"batch": 1},
    {"batch": 4, "tokens": 3},
    {"batch": 2, "tokens": 8, "options": 2},
)


_Shapes = dict[str, Sequence[str | int]]  # names of axes that may change, and sizes of those that may not


@dataclass
class OnnxExport:
    """
    What [`export_onnx`] wrote.

    Args:
        files (`list` of `str`): Graphs.
        largest_difference (`float`, *optional*): Of any number that they give, from the model's, on random inputs;
            `None` if it was not checked.
        largest_number (`float`, *optional*): Of the model's, to compare it with.
    """

    files: list[str] = field(default_factory=list)
    largest_difference: float | None = None
    largest_number: float | None = None


@dataclass
class _Graph:
    """A graph to be written: names of axes of its inputs and outputs, and what computes these from those."""

    inputs: _Shapes
    outputs: _Shapes
    compute: Callable[[Any, dict[str, torch.Tensor]], Any]


def export_onnx(
    model: AllInOnePreTrainedModel,
    processor: AllInOneProcessor,
    folder: str | Path,
    int8: bool = False,
    check: bool = True,
    overwrite: bool = False,
) -> OnnxExport:
    """
    Write a model as ONNX, with its processor, `onnx.json`, which says the inputs, outputs, labels and preprocessing,
    and a `README.md`.

    There is one graph, `model.onnx`, for all but retrieval: `text_features.onnx` and `video_features.onnx`, if the
    model has projections, and `pairs.onnx`, if it has a scorer. Batch, text length, options and frames may be of any
    size that the model takes, frames of the size that the processor makes; with a processor that does not crop, of any
    size. Prompts of video classifiers are inside of the graph.

    Args:
        model ([`AllInOnePreTrainedModel`]): Of any head, in float32.
        processor ([`AllInOneProcessor`])
        folder (`str` or `Path`): New or empty.
        int8 (`bool`, defaults to `False`): Whether the weights of the blocks are rounded to 8 bits, as ONNX Runtime
            does (dynamic quantisation): a quarter of the size. Heads and embeddings stay as they are, but for the
            decoder of masked words. Made for ONNX Runtime: other runtimes may be slower by it.
        check (`bool`, defaults to `True`): Whether to run the result in ONNX Runtime, at sizes that it was not made
            with, and to compare its numbers with the model's.
        overwrite (`bool`, defaults to `False`): Whether to replace what is in the folder, which must not be
            where the model was loaded from.

    Returns:
        [`OnnxExport`]

    Raises:
        ValueError: If the model is none of this package, or not in float32, if the folder is not empty, or if the
            numbers differ by more than 1e-4 (where the largest is up to 1, else that times the largest); nothing is
            written then.
        ImportError: If the extra `export` is not installed.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package)
    if type(model) not in OUTPUTS:
        raise ValueError(
            f"model is a {type(model).__name__}; expected one of {', '.join(one.__name__ for one in OUTPUTS)} (of "
            "adapters: merge_and_unload()), in memory and not exported already."
        )
    if model.dtype != torch.float32:
        raise ValueError(f"The model is in {model.dtype}; load it with dtype='float32' to export it.")
    folder = Path(folder).resolve()
    check_output_directory(folder, Path(model.name_or_path or ""), overwrite)
    graphs = _graphs_of(model, processor)
    export = OnnxExport()
    with complete_directory(folder) as place, evaluating(model):
        for name, graph in graphs.items():
            path = place / f"{name}.onnx"
            with _silence():
                _write(model, graph, path, _INT8_OPSET if int8 else None)
                if int8:
                    _round(path)
            export.files.append(path.name)
        model.config.save_pretrained(place)
        processor.save_pretrained(place)
        described = _describe(model, processor, graphs, int8)
        _save_description(described, place)
        if check:
            export.largest_difference, export.largest_number = _compare(model, graphs, place)
            number = export.largest_number
            tolerance = _INT8_TOLERANCE * number if int8 else TOLERANCE * max(number, 1)
            if not export.largest_difference <= tolerance:  # also if it is none
                raise ValueError(
                    f"What was exported gives other numbers than the model: they differ by up to "
                    f"{export.largest_difference:.2g}, of up to {number:.2g}, but expected were "
                    f"{tolerance:.2g} at most. Nothing is written."
                )
            described["check"] = {name: value for name, value in asdict(export).items() if name != "files"}
            _save_description(described, place)
        (place / "README.md").write_text(_write_card(described), encoding="utf-8")
    return export


def _graphs_of(model: AllInOnePreTrainedModel, processor: AllInOneProcessor) -> dict[str, _Graph]:
    """The graphs of a model by name."""
    config, name, video_processor = model.config, type(model).__name__, processor.video_processor
    sides: list[str | int] = ["height", "width"]
    if video_processor.do_center_crop:
        sides = [video_processor.crop_size["height"], video_processor.crop_size["width"]]
    frames: str | int = "frames" if config.use_distillation_token or config.num_frames > 1 else 1
    clips: _Shapes = {"pixel_values": ["batch", frames, config.num_channels, *sides]}
    if video_processor.do_pad:
        clips["pixel_mask"] = ["batch", *sides]
    if name == "AllInOneForPairedVisualReasoning":
        clips = {one: [axes[0], 2, *axes[1:]] for one, axes in clips.items()}
    text: _Shapes = {one: ["batch", "tokens"] for one in _TEXT}
    options: _Shapes = {one: ["batch", "options", "tokens"] for one in _TEXT}
    num_labels = len(config.id2label or ())
    inputs: _Shapes
    outputs: _Shapes

    def run(model: Any, inputs: dict[str, torch.Tensor]) -> Any:
        return model(**inputs, return_dict=True)

    if name == "AllInOneForVideoTextRetrieval":
        return _graphs_of_retrieval(config, text, options, clips)
    if name == "AllInOneForVisualCommonsenseReasoning":
        parts = ("answer", "rationale")
        inputs = {f"{part}_{one}": ("batch", f"{part}_options", f"{part}_tokens") for part in parts for one in _TEXT}
        outputs = {f"{part}_logits": ("batch", f"{part}_options") for part in parts}
        return {"model": _Graph({**inputs, **clips}, outputs, run)}
    if name == "AllInOneModel":
        inputs = text
        outputs = {"last_hidden_state": ["batch", "all_tokens", config.hidden_size]}
        if model.pooler is not None:
            outputs["pooler_output"] = ["batch", config.hidden_size]
    elif isinstance(model, AllInOneForPreTraining):
        heads: dict[str, tuple[Any, Sequence[str | int]]] = {
            "mlm_logits": (model.mlm_head, ["batch", "tokens", config.vocab_size]),
            "matching_logits": (model.matching_head, ["batch", 2]),
        }
        inputs, outputs = text, {one: axes for one, (head, axes) in heads.items() if head is not None}
        if not outputs:
            raise ValueError(
                f"The model has heads for {', '.join(config.chosen_pretraining_objectives)} alone; load it as "
                "AllInOneForVideoTextRetrieval to export its projections."
            )
    else:
        inputs, outputs = text, {"logits": ["batch", num_labels]}
        if name == "AllInOneForMaskedLM":
            outputs = {"logits": ["batch", "tokens", config.vocab_size]}
        elif name == "AllInOneForMultipleChoice":
            inputs, outputs = options, {"logits": ["batch", "options"]}
        elif name == "AllInOneForVideoClassification":
            inputs = {}  # config.prompt_input_ids, if there are any
    return {"model": _Graph({**inputs, **clips}, outputs, run)}


def _graphs_of_retrieval(config: AllInOneConfig, text: _Shapes, options: _Shapes, clips: _Shapes) -> dict[str, _Graph]:
    """A graph for texts, one for clips, and one for pairs of them, as far as the model has the heads."""
    graphs: dict[str, _Graph] = {}
    if config.projection_dim is not None:
        width: Sequence[str | int] = ["batch", config.projection_dim]
        graphs["text_features"] = _Graph(
            text,
            {"text_embeds": width},
            lambda model, inputs: {"text_embeds": model.get_text_features(**inputs, tokens_to_keep=1).pooler_output},
        )
        graphs["video_features"] = _Graph(
            clips,
            {"video_embeds": width},
            lambda model, inputs: {"video_embeds": model.get_video_features(**inputs, tokens_to_keep=1).pooler_output},
        )
    if config.use_pair_scorer:
        graphs["pairs"] = _Graph(
            {**options, **clips},
            {"logits": ["batch", "options"]},
            lambda model, inputs: {"logits": model.score_pairs(**inputs)},
        )
    return graphs


class _Traced(nn.Module):
    """A model that takes the inputs of a graph one after the other, and returns its outputs."""

    def __init__(self, model: nn.Module, graph: _Graph):
        super().__init__()
        self.model, self.graph = model, graph

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Outputs in the order of the graph."""
        outputs = self.graph.compute(self.model, dict(zip(self.graph.inputs, inputs, strict=True)))
        return tuple(outputs[name] for name in self.graph.outputs)


def _draws_order(config: AllInOneConfig, graph: _Graph) -> bool:
    """Whether a graph draws the order of patches, and does not have it as a table."""
    clips = graph.inputs.get("pixel_values")
    if clips is None or (config.patch_order != "random" and config.max_image_length is None):
        return False
    return "pixel_mask" in graph.inputs or "frames" not in _most_of(config) or isinstance(clips[-1], str)


def _write(model: AllInOnePreTrainedModel, graph: _Graph, path: Path, opset: int | None = None):
    """Write a graph, in the operators of a version of ONNX, by default that of torch."""
    inputs = {name: values.to(model.device) for name, values in _draw(model.config, graph, {"batch": 2}).items()}
    axes = tuple({at: axis for at, axis in enumerate(its) if isinstance(axis, str)} for its in graph.inputs.values())
    program = torch.onnx.export(
        _Traced(model, graph).eval(),
        tuple(inputs.values()),
        dynamo=True,
        dynamic_shapes=(axes,),
        input_names=list(graph.inputs),
        output_names=list(graph.outputs),
        opset_version=opset,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch wrote no graph")
    program.save(path)


def _round(path: Path):
    """Round the weights of the blocks to 8 bits, each channel by its own scale."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    rounded = path.with_name(f"int8-{path.name}")
    graph = onnx.load(path)
    # Shapes of what lies between are inferred anew: torch before 2.13 writes wrong ones, which are an error there.
    del graph.graph.value_info[:]
    # Products with a vector for each clip, which are those of heads and pooler, are of the type Gemm, and stay. ONNX
    # Runtime makes others of them first, which are to stay, too.
    heads = [node.name for node in graph.graph.node if node.op_type == "Gemm"]
    # In the reduced range, processors without VNNI add up without overflow.
    quantize_dynamic(
        graph,
        rounded,
        op_types_to_quantize=["MatMul"],
        nodes_to_exclude=[*heads, *(f"{name}_MatMul" for name in heads)],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )
    rounded.replace(path)


def _draw(config: AllInOneConfig, graph: _Graph, sizes: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """Random inputs of a graph, axes of the given sizes where the model takes them, the last text padded."""
    # Other sides than those of the table of positions, which is not interpolated there.
    rows = 3 if config.patch_grid[0] != 3 else 5
    sides = {"height": rows * config.patch_size, "width": 4 * config.patch_size}
    all_sizes = {"tokens": 5, "frames": 2, "options": 3, **sides, **sizes}
    most = _most_of(config)

    def size_of(axis: str | int) -> int:
        kind = axis.split("_")[-1] if isinstance(axis, str) else ""
        return axis if isinstance(axis, int) else min(all_sizes[kind], most.get(kind, all_sizes[kind]))

    inputs: dict[str, torch.Tensor] = {}
    for name, axes in graph.inputs.items():
        shape = [size_of(axis) for axis in axes]
        if name.endswith("input_ids"):
            inputs[name] = torch.randint(config.vocab_size, shape)
        elif name.endswith("attention_mask"):
            inputs[name] = torch.ones(shape, dtype=torch.long)
            inputs[name][-1, ..., shape[-1] // 2 + 1 :] = 0
        elif name == "pixel_mask":
            inputs[name] = torch.ones(shape, dtype=torch.long)
            inputs[name][-1, ..., -config.patch_size :] = 0
        else:
            inputs[name] = torch.randn(shape)
    return inputs


def _most_of(config: AllInOneConfig) -> dict[str, int]:
    """How long texts and clips can be, and how many words there are."""
    most = {"tokens": config.max_position_embeddings, "words": config.vocab_size}
    return most if config.use_distillation_token else {**most, "frames": config.num_frames}


@torch.no_grad()
def _compare(
    model: AllInOnePreTrainedModel, graphs: dict[str, _Graph], folder: Path, runtime: str = "onnxruntime"
) -> tuple[float, float]:
    """The largest difference between a model and its graphs at several sizes, and the model's largest number."""
    exported: Any = load_onnx(folder, runtime)[0]
    most = _most_of(model.config)
    largest_sizes: dict[str, int] = {axis: most[axis] for axis in ("tokens", "frames") if axis in most}
    difference = number = torch.zeros(())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for sizes in (*_CHECKED, {"batch": 1, **largest_sizes}):
            for graph in graphs.values():
                inputs = _draw(model.config, graph, {"batch": 2, **sizes})
                on_device = {name: values.to(model.device) for name, values in inputs.items()}
                expected, got = graph.compute(model, on_device), graph.compute(exported, inputs)
                for name in graph.outputs:
                    values = expected[name].cpu()
                    difference = torch.maximum(difference, (values - got[name]).abs().max())
                    number = torch.maximum(number, values.abs().max())
    return difference.item(), number.item()


def _describe(
    model: AllInOnePreTrainedModel, processor: AllInOneProcessor, graphs: dict[str, _Graph], int8: bool
) -> dict[str, Any]:
    """All that is to be known of an export, as JSON."""
    config, tokenizer = model.config, processor.tokenizer
    options = """
        do_resize size size_divisor resample do_center_crop crop_size do_rescale rescale_factor do_normalize image_mean
        image_std do_pad frame_sampling num_frames fps num_views
    """
    settings = processor.video_processor.to_dict()
    read = {name: settings[name] for name in options.split() if settings.get(name) is not None}

    longest = processor._settings_of_tokenizer().get("max_length") or tokenizer.model_max_length

    def type_of(name: str) -> str:
        return "float32" if name == "pixel_values" else "int64"

    described: dict[str, Any] = {
        "model_class": type(model).__name__,
        "weights": "int8" if int8 else "float32",
        "graphs": {
            name: {
                "file": f"{name}.onnx",
                "inputs": {one: {"type": type_of(one), "shape": axes} for one, axes in graph.inputs.items()},
                "outputs": {one: {"type": "float32", "shape": axes} for one, axes in graph.outputs.items()},
            }
            for name, graph in graphs.items()
        },
        "most": _most_of(config),
        "draws_order_of_patches": any(_draws_order(config, graph) for graph in graphs.values()),
        "preprocessing": {
            "frames": read,
            "texts": {
                "tokenizer": "tokenizer.json",
                "special_tokens": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
                "pad_token_id": tokenizer.pad_token_id,
                "max_length": min(longest, config.max_position_embeddings),
            },
        },
        "versions": {name: version(name) for name in ("modeling_allinone", "torch", "onnx", "onnxruntime")},
    }
    if type(model).__name__ in _WITH_LABELS:
        names = cast(dict[int, str], config.id2label)
        described["labels"] = [names[index] for index in range(len(names))]
    if config.prompt is not None:
        described["prompt"] = config.prompt
    return described


def _save_description(described: dict[str, Any], folder: Path):
    """Write what is to be known of an export."""
    text = json.dumps(described, indent=2, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(f"{text}\n", encoding="utf-8")


def _write_card(described: dict[str, Any]) -> str:
    """What stands in the `README.md`."""
    tables = ""
    for graph in described["graphs"].values():
        tables += f"\n## {graph['file']}\n\n| | name | type | shape |\n|---|---|---|---|\n"
        for kind in ("inputs", "outputs"):
            for name, one in graph[kind].items():
                tables += f"| {kind[:-1]} | `{name}` | {one['type']} | ({', '.join(map(str, one['shape']))}) |\n"
    most = ", ".join(f"{number} {name}" for name, number in described["most"].items() if name != "words")
    checked = ""
    if (check := described.get("check")) is not None:
        checked = f" On random inputs, numbers differ from the model's by {check['largest_difference']:.1e} at most,"
        checked += f" the largest being {check['largest_number']:.2g}."
    return _CARD.format(
        name=described["model_class"],
        weights=described["weights"],
        checked=checked,
        tables=tables,
        most=most,
        file=DESCRIPTION,
    )


@contextmanager
def _silence() -> Iterator[None]:
    """What torch and ONNX Runtime say of themselves while they export is no news to those who do."""
    loggers = [logging.getLogger(name) for name in (None, "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


__all__ = ["OnnxExport", "export_onnx"]
