# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What rounding the weights to 16, 8 or 4 bits changes in answers, in speed and in size.

    make quickstart                      # trains the model that answers questions, and writes clips
    python benchmarks/quantization.py    # some 15 minutes on two cores
    python benchmarks/quantization.py --schemes "float32" "torchao int8, activations too" --repeats 3

Agreement is that of a model fine-tuned on moving shapes with itself: of answers to questions about test clips, and of
the clips that captions find with the checkpoint of this repository. Speed is that of one question about one clip, with
random weights of a larger size, as many times as fast as float32: medians over repeats in which all schemes take turns
in one process, by the time of the processor, of all threads together, which holds on a busy machine. Weights are what
is held in memory; the peak is that of a process which opens the saved folder and answers once, beyond what importing
took. Heads keep the type of the rest; they and all else but linear layers of the backbone are not rounded to less than
16 bits.
"""

import argparse
import importlib
import importlib.util
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import measuring
import torch
from torch import nn
from torch.utils.benchmark import timer
from transformers import BertTokenizer, BitsAndBytesConfig, PreTrainedModel, QuantoConfig, TorchAoConfig
from transformers.utils import logging

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    AllInOneProcessor,
    AllInOneVideoProcessor,
    VideoLoader,
    export_onnx,
)
from modeling_allinone.data.collators import VideoQuestionAnsweringCollator
from modeling_allinone.datasets import load_moving_shapes

CHECKPOINT = Path(__file__).parents[1] / "examples" / "checkpoints" / "moving-shapes"
QUICKSTART = Path("outputs/quickstart")
BFLOAT16 = {"dtype": torch.bfloat16}
Inputs = dict[str, torch.Tensor]


def torchao(name: str, **options) -> dict[str, Any]:
    """A scheme of torchao, if it works here: transformers only logs why one does not."""
    import torchao.quantization as schemes

    config = getattr(schemes, name)(**options)
    schemes.quantize_(nn.Linear(64, 64), config)
    return {"quantization_config": TorchAoConfig(config)}


def torchao_int4_of_int8_kernels() -> dict[str, Any]:
    """Weights of 4 bits that are held in bytes."""
    from torchao.quantization import PerGroup

    options: Any = {"weight_dtype": torch.int4, "granularity": PerGroup(32)}  # type: ignore[attr-defined]
    return torchao("IntxWeightOnlyConfig", **options)


def bitsandbytes(**options) -> dict[str, Any]:
    """A scheme of bitsandbytes."""
    return {"quantization_config": BitsAndBytesConfig(**options)}


def quanto(weights: str) -> dict[str, Any]:
    """A scheme of quanto, which runs where gradients are put off by no_grad, not by inference_mode."""
    return {"quantization_config": QuantoConfig(weights=weights)}


NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
DYNAMIC = "Int8DynamicActivationInt8WeightConfig"
# What a model is opened with by each scheme. The first is what others are compared with.
SCHEMES: dict[str, Callable[[], dict[str, Any]]] = {
    "float32": dict,
    "bfloat16": partial(dict, BFLOAT16),
    "torchao int8": partial(torchao, "Int8WeightOnlyConfig"),
    "torchao int8, activations too": partial(torchao, DYNAMIC),
    "torchao int8, activations too, rest in bfloat16": lambda: torchao(DYNAMIC) | BFLOAT16,
    "torchao int4 (Int4WeightOnlyConfig)": partial(torchao, "Int4WeightOnlyConfig", group_size=32),
    "torchao int4 (IntxWeightOnlyConfig)": torchao_int4_of_int8_kernels,
    "quanto int8": partial(quanto, "int8"),
    "quanto int4": partial(quanto, "int4"),
    "bitsandbytes int8": partial(bitsandbytes, load_in_8bit=True),
    "bitsandbytes NF4": partial(bitsandbytes, **NF4),
    "ONNX Runtime float32": partial(dict, in_onnx=True),
    "ONNX Runtime int8, activations too": partial(dict, in_onnx=True, int8=True),
}
GRAPHS = {
    "forward": "model.onnx",
    "get_text_features": "text_features.onnx",
    "get_video_features": "video_features.onnx",
}
CLOCKS = {"processor": time.process_time, "wall": timer}
OUTPUTS = {"forward": "logits", "get_text_features": "pooler_output", "get_video_features": "pooler_output"}


def main(command_line: list[str] | None = None) -> None:
    """Measure all schemes, write the JSON."""
    parser = measuring.make_parser("quantization", __doc__)
    parser.add_argument("--model", type=Path, default=QUICKSTART / "model-token_roll", help="answers questions")
    parser.add_argument("--corpus", type=Path, default=QUICKSTART / "corpus", help="clips that it did not see")
    parser.add_argument("--num-questions", type=int, default=200, help="questions, and captions that look for clips")
    parser.add_argument("--schemes", nargs="+", default=list(SCHEMES), choices=SCHEMES, help="float32 first")
    parser.add_argument("--preset", default="base", help="size of the model that is timed: tiny, small or base")
    parser.add_argument("--num-answers", type=int, default=1500, help="answers that it chooses from")
    parser.add_argument("--num-frames", type=int, default=3, help="frames of a clip")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="threads on the CPU")
    parser.add_argument("--repeats", type=int, default=7, help="timed repeats of each scheme")
    parser.add_argument("--clock", default="processor", choices=CLOCKS, help="what seconds are of")
    arguments = parser.parse_args(command_line)
    logging.set_verbosity_error()
    logging.disable_progress_bar()

    options, refused = {}, {}
    for name in arguments.schemes:
        try:
            options[name] = SCHEMES[name]()
        except (ImportError, ValueError, NotImplementedError, RuntimeError) as error:
            refused[name] = f"{type(error).__name__}: {error}"
            print(f"{name} does not run here: {refused[name]}")
    agreement = measure_agreement(arguments, options)
    with tempfile.TemporaryDirectory() as folder:
        costs = measure_costs(arguments, options, Path(folder))
    rows = [{"weights": name} | agreement[name] | costs[name] for name in options]
    measuring.write_result(arguments, *installed_packages(), quantization=rows, refused=refused)


def installed_packages() -> list[ModuleType]:
    """Those whose versions count."""
    names = ("torchao", "bitsandbytes", "optimum.quanto", "onnxruntime")
    return [importlib.import_module(name) for name in names if importlib.util.find_spec(name.partition(".")[0])]


def write_page_table(rows: list[dict[str, Any]]) -> str:
    """The table in docs/quantization.md."""
    shown = [{name: value for name, value in row.items() if not name.startswith(("right", "seconds"))} for row in rows]
    for row in shown:
        for name, value in row.items():
            if name.startswith("MiB"):
                row[name] = "–" if value is None else f"{value:.0f}"
            elif name.startswith("speed"):
                row[name] = f"{value:.2f}"
    return measuring.write_table(shown, left=["weights"])


# ---------------------------------------------------------------------------------------------------------- models


class InTorch:
    """A model that from_pretrained opens."""

    def __init__(self, model_class: type[PreTrainedModel], folder: Path, **options):
        self._open = partial(model_class.from_pretrained, folder, **options)
        self.model = self._open().eval()

    @torch.no_grad()
    def __call__(self, method: str, inputs: Inputs) -> torch.Tensor:
        """What a method of the model returns."""
        dtype = self.model.dtype
        inputs = {name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs.items()}
        return getattr(self.model, method)(**inputs)[OUTPUTS[method]].float()

    def sizes(self, folder: Path, inputs: Inputs) -> dict[str, float | None]:
        """On the disk, in memory, and at most while it is opened and answers, in MiB."""
        open_again, on_disk = partial(type(self), type(self.model)), None
        try:
            self.model.save_pretrained(folder)
            on_disk = sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 2**20
            open_again = partial(open_again, folder)
        except ValueError as error:  # of quanto
            print(f"{folder.name} cannot be saved: {error}")
            open_again = partial(open_again, *self._open.args, **self._open.keywords)
        peak = measuring.peak_memory(partial(make_run, open_again, inputs), "cpu")
        return {"MiB on disk": on_disk, "MiB of weights": num_bytes(self.model) / 2**20, "MiB at most": peak}


class InOnnx:
    """A model that is exported by export_onnx."""

    def __init__(self, model_class: type[PreTrainedModel], folder: Path, int8: bool = False):
        self._folder = tempfile.TemporaryDirectory()
        model: Any = model_class.from_pretrained(folder)
        processor = AllInOneProcessor.from_pretrained(folder)
        export_onnx(model, processor, Path(self._folder.name, "model"), int8=int8, check=False)
        self._sessions: dict[tuple[str, int], Session] = {}

    def __call__(self, method: str, inputs: Inputs) -> torch.Tensor:
        """What a method of the model returns, with as many threads as torch has."""
        key = method, torch.get_num_threads()
        if key not in self._sessions:
            self._sessions[key] = Session(self._graph(method))
        return self._sessions[key](method, inputs)

    def sizes(self, folder: Path, inputs: Inputs) -> dict[str, float | None]:
        """On the disk, in memory, and at most while it is opened and answers, in MiB."""
        graph = self._graph("forward")
        peak = measuring.peak_memory(partial(make_run, partial(Session, graph), inputs), "cpu")
        size = sum(file.stat().st_size for file in graph.parent.glob(f"{graph.name}*")) / 2**20
        return {"MiB on disk": size, "MiB of weights": size, "MiB at most": peak}

    def _graph(self, method: str) -> Path:
        """The file of a method."""
        return Path(self._folder.name, "model", GRAPHS[method])


class Session:
    """A graph that ONNX Runtime runs, by threads that sleep while others are timed."""

    def __init__(self, graph: Path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def __call__(self, method: str, inputs: Inputs) -> torch.Tensor:
        """The output of the graph, which is that of the method."""
        names = {node.name for node in self._session.get_inputs()}
        outputs = self._session.run(None, {name: inputs[name].numpy() for name in names})
        return torch.from_numpy(outputs[0])


def open_model(model_class: type[PreTrainedModel], folder: Path, in_onnx: bool = False, **options) -> InTorch | InOnnx:
    """A model by the options of a scheme."""
    return (InOnnx if in_onnx else InTorch)(model_class, folder, **options)


def make_run(open_again: Callable[[], Callable], inputs: Inputs) -> Callable[[], object]:
    """What lets a model that is opened answer."""
    return partial(open_again(), "forward", inputs)


def num_bytes(model: nn.Module) -> int:
    """Of all weights, rounded ones with their scales."""
    sizes = {}

    def add(tensor: Any) -> None:
        if hasattr(tensor, "__tensor_flatten__"):
            for part in tensor.__tensor_flatten__()[0]:
                add(getattr(tensor, part))
        elif isinstance(tensor, torch.Tensor):
            sizes[tensor.data_ptr()] = tensor.nbytes

    for tensor in (*model.parameters(), *model.buffers()):
        add(tensor)
        add(getattr(tensor, "SCB", None))  # scales of bitsandbytes
        if (state := getattr(tensor, "quant_state", None)) is not None:
            add(state.absmax)
    return sum(sizes.values())


# ------------------------------------------------------------------------------------------------------- agreement


def measure_agreement(arguments: argparse.Namespace, schemes: dict[str, dict]) -> dict[str, dict]:
    """Of answers, and of clips that are found, with those of the first scheme; and how many are right."""
    generator = torch.Generator().manual_seed(0)
    questions = load_moving_shapes(arguments.corpus, "test")
    chosen = torch.randperm(len(questions), generator=generator)[: arguments.num_questions]
    processor = AllInOneProcessor.from_pretrained(arguments.model)
    num_labels = len(AllInOneConfig.from_pretrained(arguments.model).id2label or ())
    asked = VideoQuestionAnsweringCollator(processor, num_labels)(questions.select(chosen).to_list())
    labels = asked.pop("labels")

    clips = load_moving_shapes(arguments.corpus, "test", "retrieval", distinct_captions=True)
    clips = clips.select(range(min(arguments.num_questions, len(clips))))
    processor = AllInOneProcessor.from_pretrained(CHECKPOINT)
    captions, (pixels, _) = dict(processor(text=clips["caption"])), VideoLoader(processor)(clips.to_list())

    rows: dict[str, dict[str, float]] = {}
    expected: dict[str, torch.Tensor] = {}
    for name, options in schemes.items():
        answers = open_model(AllInOneForVideoQuestionAnswering, arguments.model, **options)("forward", asked).argmax(1)
        finder = open_model(AllInOneForVideoTextRetrieval, CHECKPOINT, **options)
        texts = nn.functional.normalize(finder("get_text_features", captions), dim=-1)
        videos = nn.functional.normalize(finder("get_video_features", pixels), dim=-1)
        found = (texts @ videos.T).argmax(dim=1)
        expected = expected or {"answers": answers, "found": found}
        rows[name] = {
            "same answers, %": percentage(answers == expected["answers"]),
            "right answers, %": percentage(answers == labels),
            "same clip found, %": percentage(found == expected["found"]),
            "right clip found, %": percentage(found == torch.arange(len(found))),
        }
    return rows


def percentage(is_so: torch.Tensor) -> float:
    """Of a vector of what is so or not."""
    return round(100 * float(is_so.float().mean()), 1)


# ----------------------------------------------------------------------------------------------------------- costs


def measure_costs(arguments: argparse.Namespace, schemes: dict[str, dict], folder: Path) -> dict[str, dict]:
    """Seconds and sizes of a model with random weights."""
    torch.manual_seed(0)
    labels = {number: f"answer {number}" for number in range(arguments.num_answers)}
    config = AllInOneConfig.from_preset(arguments.preset, num_frames=arguments.num_frames, id2label=labels)
    AllInOneForVideoQuestionAnswering(config).save_pretrained(folder / "plain")
    AllInOneProcessor(AllInOneVideoProcessor(), BertTokenizer()).save_pretrained(folder / "plain")
    inputs = {
        "input_ids": torch.randint(1000, 2000, (1, 10)),
        "attention_mask": torch.ones(1, 10, dtype=torch.long),
        "pixel_values": torch.randn(1, arguments.num_frames, 3, 224, 224),
    }
    rows: dict[str, dict[str, float | None]] = {}
    runs: dict[str, Callable[[], torch.Tensor]] = {}
    for name, options in schemes.items():
        model = open_model(AllInOneForVideoQuestionAnswering, folder / "plain", **options)
        rows[name] = model.sizes(folder / name, inputs)
        runs[name] = partial(model, "forward", inputs)
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        what = f"{threads} thread{'s' * (threads > 1)}"
        seconds = measuring.median_seconds(runs, arguments.repeats, what, CLOCKS[arguments.clock])
        first = next(iter(seconds.values()))
        for name, value in seconds.items():
            rows[name] |= {f"speed, {what}": first / value, f"seconds, {what}": value}
    return rows


if __name__ == "__main__":
    main()
