# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Models that [`export_onnx`] wrote, run by ONNX Runtime or OpenVINO in the place of the model itself."""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..models.configuration_allinone import AllInOneConfig
from ..models.heads_allinone import AllInOneTaskOutput
from ..models.modeling_allinone import AllInOneModel, AllInOneModelOutput, AllInOnePreTrainedModel
from ..models.modeling_masked_lm_allinone import AllInOneForMaskedLM
from ..models.modeling_multiple_choice_allinone import AllInOneForMultipleChoice
from ..models.modeling_paired_reasoning_allinone import AllInOneForPairedVisualReasoning
from ..models.modeling_pretraining_allinone import AllInOneForPreTraining, AllInOneForPreTrainingOutput
from ..models.modeling_question_answering_allinone import AllInOneForVideoQuestionAnswering
from ..models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval, AllInOneRetrievalOutput
from ..models.modeling_sequence_classification_allinone import AllInOneForSequenceClassification
from ..models.modeling_video_classification_allinone import AllInOneForVideoClassification
from ..models.modeling_visual_commonsense_allinone import (
    AllInOneForVisualCommonsenseReasoning,
    AllInOneVisualCommonsenseOutput,
)
from ..models.processing_allinone import AllInOneProcessor

DESCRIPTION = "onnx.json"
RUNTIMES = ("onnxruntime", "openvino")
OUTPUTS: dict[type[AllInOnePreTrainedModel], type] = {
    AllInOneModel: AllInOneModelOutput,
    AllInOneForPreTraining: AllInOneForPreTrainingOutput,
    AllInOneForVideoTextRetrieval: AllInOneRetrievalOutput,
    AllInOneForVisualCommonsenseReasoning: AllInOneVisualCommonsenseOutput,
    AllInOneForMaskedLM: AllInOneTaskOutput,
    AllInOneForMultipleChoice: AllInOneTaskOutput,
    AllInOneForPairedVisualReasoning: AllInOneTaskOutput,
    AllInOneForSequenceClassification: AllInOneTaskOutput,
    AllInOneForVideoClassification: AllInOneTaskOutput,
    AllInOneForVideoQuestionAnswering: AllInOneTaskOutput,
}
_Run = Callable[[dict[str, np.ndarray]], list[np.ndarray]]


def load_onnx(
    folder: str | Path, runtime: str = "onnxruntime", device: str = "cpu", threads: int | None = None
) -> tuple[AllInOnePreTrainedModel, AllInOneProcessor]:
    """
    Open what [`export_onnx`] wrote.

    Args:
        folder (`str` or `Path`): With `onnx.json`.
        runtime (`str`, defaults to `"onnxruntime"`): What computes: `"onnxruntime"` or `"openvino"`.
        device (`str`, defaults to `"cpu"`): Where: `"cpu"`; `"cuda"` with `onnxruntime-gpu`; what OpenVINO calls its
            devices.
        threads (`int`, *optional*): Of the processor, at least 1. Default: what the runtime takes, one for each core.

    Returns:
        A model that stands for the one that was exported, without weights of its own, and its
        [`AllInOneProcessor`]. It is of the same class, takes what the processor gives, and returns what the model
        returns, of which it has the numbers that were exported; so it goes wherever a model only has to answer, such
        as [`Predictor`]. It cannot be trained.

    Raises:
        OSError: If the folder holds no export.
        ValueError: If there is no such runtime or device.
        ImportError: If the runtime is not installed.
    """
    folder = Path(folder)
    if not (folder / DESCRIPTION).is_file():
        raise OSError(f"{folder} holds no exported model, since {DESCRIPTION} is missing; write one by export_onnx.")
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime is {runtime!r}; expected one of {', '.join(RUNTIMES)}.")
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}, but must be at least 1.")
    described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    classes = {model_class.__name__: model_class for model_class in OUTPUTS}
    if described.get("model_class") not in classes:
        raise ValueError(
            f"{folder / DESCRIPTION} says model_class {described.get('model_class')!r}, of which this version knows "
            f"nothing; expected one of {', '.join(classes)}."
        )
    if runtime == "openvino" and described["draws_order_of_patches"]:
        raise ValueError(
            f"{folder} holds graphs that draw the order of patches in 64 bits, in which OpenVINO does not compute; "
            "take onnxruntime, or export with a processor that crops frames to one size (do_center_crop=True)."
        )
    model_class = classes[described["model_class"]]
    open_graph = _open_in_onnxruntime if runtime == "onnxruntime" else _open_in_openvino
    graphs = {
        name: _Graph(graph, described["most"], open_graph(folder / graph["file"], device, threads))
        for name, graph in described["graphs"].items()
    }
    stand_in = type(f"Onnx{model_class.__name__}", (_StandIn, model_class), {})
    config = AllInOneConfig.from_pretrained(folder)
    config.name_or_path = str(folder)
    return stand_in(config, model_class, graphs).eval(), AllInOneProcessor.from_pretrained(folder)


def require(package: str) -> Any:
    """
    A package of the extra `export`.

    Args:
        package (`str`): Its name.

    Returns:
        The package.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        return __import__(package)
    except ImportError as error:
        raise ImportError(
            f'{package} is not installed, which exported models need: pip install "modeling_allinone[export]".'
        ) from error


def _open_in_onnxruntime(path: Path, device: str, threads: int | None) -> _Run:
    runtime = require("onnxruntime")
    provider = f"{device.partition(':')[0].upper()}ExecutionProvider"
    if provider not in runtime.get_available_providers():
        raise ValueError(
            f"device is {device!r}, but ONNX Runtime has {', '.join(runtime.get_available_providers())} here; take "
            "'cpu', or install onnxruntime-gpu for 'cuda'."
        )
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = runtime.InferenceSession(str(path), options, providers=[provider])
    return lambda inputs: session.run(None, inputs)


@functools.cache
def _openvino() -> Any:
    """
    OpenVINO, opened once: it puts a stack of its own in the place of that of signal handlers, and brings that one back
    when it closes. Where two close in another order, the stack is gone, and so is the process at its next signal.
    """
    return require("openvino").Core()


def _open_in_openvino(path: Path, device: str, threads: int | None) -> _Run:
    # By itself, it computes in half the precision where the processor can.
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    core = _openvino()
    if device.upper() not in core.available_devices:
        raise ValueError(f"device is {device!r}, but OpenVINO has {', '.join(core.available_devices)} here.")
    compiled = core.compile_model(path, device.upper(), settings)
    return lambda inputs: [compiled(inputs)[port] for port in compiled.outputs]


class _Graph:
    """One exported graph, which is asked for nothing that it was not made for: some runtimes answer all the same."""

    def __init__(self, described: dict[str, Any], most: dict[str, int], run: _Run):
        self.inputs, self.outputs = described["inputs"], list(described["outputs"])
        self._file, self._most, self._run = described["file"], most, run

    def __call__(self, given: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        given = {name: values for name, values in given.items() if values is not None}
        for name in self.inputs:
            words = name.replace("attention_mask", "input_ids")
            if name not in given and words != name and words in given:
                given[name] = torch.ones_like(torch.as_tensor(given[words]))
        if set(given) != set(self.inputs):
            raise ValueError(f"{self._file} takes {', '.join(self.inputs)}; given were {', '.join(given)}.")
        feed: dict[str, np.ndarray] = {}
        sizes: dict[str, int] = {}
        for name, described in self.inputs.items():
            values = torch.as_tensor(given[name]).detach().cpu()
            self._check(name, values, described["shape"], sizes)
            if values.is_floating_point() != described["type"].startswith("float"):
                raise ValueError(
                    f"{name} has type {values.dtype}, but expected {described['type']}; take the processor."
                )
            feed[name] = values.to(getattr(torch, described["type"])).numpy()
        results = self._run(feed)
        return {name: torch.from_numpy(np.asarray(one)) for name, one in zip(self.outputs, results, strict=True)}

    def _check(self, name: str, values: torch.Tensor, shape: list[str | int], sizes: dict[str, int]):
        """Raise a `ValueError` unless an input fits the graph, and the inputs whose `sizes` are known."""
        if values.ndim != len(shape) or 0 in values.shape:
            raise ValueError(f"{name} has shape {tuple(values.shape)}, but {self._file} takes ({_words(shape)}).")
        for axis, size in zip(shape, values.shape, strict=True):
            expected = axis if isinstance(axis, int) else sizes.setdefault(axis, size)
            if size != expected:
                where = "" if isinstance(axis, int) else f" at {axis}"
                raise ValueError(
                    f"{name} has shape {tuple(values.shape)}, but {self._file} takes ({_words(shape)}), "
                    f"here with {expected} and not {size}{where}."
                )
            if isinstance(axis, str) and size > (most := self._most.get(axis.split("_")[-1], size)):
                raise ValueError(f"{name} has {size} {axis}, but the model reads at most {most}.")
        if name.endswith("input_ids") and not 0 <= values.min() <= values.max() < self._most["words"]:
            raise ValueError(
                f"{name} holds {values.min()} to {values.max()}, but the model knows 0 to {self._most['words'] - 1}; "
                "take the tokenizer that lies beside it."
            )


def _words(shape: list[str | int]) -> str:
    return ", ".join(map(str, shape))


class _StandIn(AllInOnePreTrainedModel):
    """A model of the class that comes behind this one, whose numbers come from graphs."""

    def __init__(self, config: AllInOneConfig, model_class: type[AllInOnePreTrainedModel], graphs: dict[str, _Graph]):
        AllInOnePreTrainedModel.__init__(self, config)
        self._output_class, self._graphs = OUTPUTS[model_class], graphs
        # By these, others see what a model can do. One for pre-training has no weights to make retrieval of.
        has_pairs, has_features = "pairs" in graphs, "text_features" in graphs
        self.scorer = nn.Identity() if has_pairs else None
        self.text_projection = self.video_projection = nn.Identity() if has_features else None
        self.matching_head = None
        outputs = graphs["model"].outputs if "model" in graphs else ()
        self.mlm_head = nn.Identity() if "mlm_logits" in outputs else None

    @property
    def device(self) -> torch.device:
        """Where numbers come in and go out."""
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """What they are."""
        return torch.float32

    def forward(self, **inputs: Any) -> Any:  # type: ignore[override]
        """What the model makes of named inputs."""
        inputs.pop("return_dict", None)
        if "model" in self._graphs:
            return self._output_class(**self._ask("model", inputs))
        pixel_values, input_ids = inputs.get("pixel_values"), inputs.get("input_ids")
        if pixel_values is None or input_ids is None:
            raise ValueError("Retrieval compares texts with clips: give input_ids and pixel_values.")
        if input_ids.ndim == 3:
            return self._output_class(**self._ask("pairs", inputs))
        clips = {name: values for name, values in inputs.items() if name.startswith("pixel")}
        texts = {name: values for name, values in inputs.items() if name not in clips}
        both = {**self._ask("text_features", texts), **self._ask("video_features", clips)}
        units = [nn.functional.normalize(both[name], dim=-1) for name in ("text_embeds", "video_embeds")]
        return self._output_class(similarities=units[0] @ units[1].T, **both)

    def get_text_features(self, tokens_to_keep: int | None = None, **inputs: Any) -> AllInOneModelOutput:  # type: ignore[override]
        """Projections of texts, as [`AllInOneForVideoTextRetrieval.get_text_features`]; the graph keeps no tokens."""
        return AllInOneModelOutput(None, self._ask("text_features", inputs)["text_embeds"])  # type: ignore[arg-type]

    def get_video_features(self, tokens_to_keep: int | None = None, **inputs: Any) -> AllInOneModelOutput:  # type: ignore[override]
        """Projections of clips, as [`AllInOneForVideoTextRetrieval.get_video_features`]; the graph keeps no tokens."""
        return AllInOneModelOutput(None, self._ask("video_features", inputs)["video_embeds"])  # type: ignore[arg-type]

    def score_pairs(self, **inputs: Any) -> torch.Tensor:  # type: ignore[override]
        """Scores of texts with the clip beside them, as [`AllInOneForVideoTextRetrieval.score_pairs`]."""
        is_single = inputs["input_ids"].ndim == 2
        if is_single:
            texts = {name: values[:, None] for name, values in inputs.items() if not name.startswith("pixel")}
            inputs = {**inputs, **texts}
        scores = self._ask("pairs", inputs)["logits"]
        return scores[:, 0] if is_single else scores

    def _ask(self, name: str, inputs: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        if name not in self._graphs:
            raise ValueError(f"{self.name_or_path} holds {', '.join(self._graphs)}, and no {name}.")
        return self._graphs[name](inputs)


__all__ = ["load_onnx"]
