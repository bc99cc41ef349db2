"""
Speed and memory of the B-size forward, beside transformers' ViLT and beside the matrix products alone.

    python benchmarks/forward.py                       # the table in the README; a few minutes on 2 cores
    python benchmarks/forward.py --repeats 3 --device cuda

Every figure is the median over repeats in which all variants take turns, so ratios hold on a busy machine.
Multiply-adds are half of what torch's FLOP counter counts. «Floor» is the matrix products of the same forward and
nothing else: linear layers, patch projection, and the two products of attention.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from machine import describe_machine
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm
from transformers import ViltConfig, ViltModel

from modeling_allinone import AllInOneConfig, AllInOneModel

TEXT_LENGTHS = (9, 11, 13, 14)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
FRAME_COUNTS = (1, 3, 6, 12)


def main():
    """Measure everything, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="base", help="size of the model: tiny, small or base")
    parser.add_argument("--num-frames", type=int, default=3, help="frames of a clip")
    parser.add_argument("--batch-size", type=int, default=4, help="clips of a batch")
    parser.add_argument("--repeats", type=int, default=7, help="timed repeats of each variant")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=None, help="threads on the CPU; default: torch's choice")
    parser.add_argument("--attention", default="sdpa", help="our attention implementation (ViLT has one)")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/forward.json"))
    parser.add_argument("--one-memory", nargs=2, metavar=("VARIANT", "DTYPE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.one_memory:
        print(peak_memory_here(*arguments.one_memory, arguments))
        return

    result = {
        "machine": describe_machine(arguments.device),
        "arguments": {k: str(v) for k, v in vars(arguments).items()},
    }
    result["forward"] = measure_forward(arguments)
    result["passes"] = measure_passes(arguments)
    print_tables(result)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {arguments.output}")


# ------------------------------------------------------------------------------------------------------- variants


def make_inputs(arguments, dtype: torch.dtype, num_frames: int | None = None) -> dict[str, torch.Tensor]:
    """A batch of clips with texts of 9 to 14 tokens, padded to the longest."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([TEXT_LENGTHS[i % len(TEXT_LENGTHS)] for i in range(arguments.batch_size)])
    attention_mask = (torch.arange(max(TEXT_LENGTHS)) < lengths[:, None]).long()
    shape = (arguments.batch_size, num_frames or arguments.num_frames, 3, 224, 224)
    return {
        "input_ids": torch.randint(1000, 2000, attention_mask.shape, generator=generator).to(arguments.device),
        "attention_mask": attention_mask.to(arguments.device),
        "pixel_values": torch.randn(shape, generator=generator).to(arguments.device, dtype),
    }


def make_allinone(arguments, dtype: torch.dtype, num_frames: int | None = None) -> nn.Module:
    """Our model, without dropout so that training and evaluation compute the same."""
    config = AllInOneConfig.from_preset(
        arguments.preset, num_frames=num_frames or arguments.num_frames, hidden_dropout_prob=0.0, drop_path_rate=0.0
    )
    model = AllInOneModel._from_config(config, attn_implementation=arguments.attention)
    return model.to(arguments.device, dtype).eval()


def make_vilt(arguments, dtype: torch.dtype) -> nn.Module:
    """ViLT of the same size."""
    config = AllInOneConfig.from_preset(arguments.preset)
    model = ViltModel(
        ViltConfig(
            hidden_size=config.hidden_size,
            num_attention_heads=config.num_attention_heads,
            intermediate_size=config.intermediate_size,
            image_size=224,
            patch_size=16,
        )
    )
    return model.to(arguments.device, dtype).eval()


def vilt_inputs(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The frames as a batch of images, each with its clip's text: what our model sees, without an exchange."""
    num_frames = inputs["pixel_values"].shape[1]
    return {
        "input_ids": inputs["input_ids"].repeat_interleave(num_frames, 0),
        "attention_mask": inputs["attention_mask"].repeat_interleave(num_frames, 0),
        "pixel_values": inputs["pixel_values"].flatten(0, 1),
    }


class MatrixProducts(nn.Module):
    """The matrix products of our forward, on random numbers of the same shapes; weights are shared with the model."""

    def __init__(self, model: AllInOneModel, inputs: dict[str, torch.Tensor]):
        super().__init__()
        self.model = model
        config = model.config
        num_sequences = inputs["pixel_values"].shape[:2].numel()
        num_tokens = inputs["input_ids"].shape[1] + config.num_special_visual_tokens + config.num_patches
        weight = model.layernorm.weight

        def numbers(*shape: int) -> torch.Tensor:
            return torch.randn(shape, device=weight.device).to(weight.dtype)

        heads, head_size = config.num_attention_heads, config.hidden_size // config.num_attention_heads
        self.patches = numbers(num_sequences * config.num_patches, 3 * config.patch_size**2)
        self.tokens = numbers(num_sequences * num_tokens, config.hidden_size)
        self.intermediate = numbers(num_sequences * num_tokens, config.intermediate_size)
        self.heads = numbers(num_sequences * heads, num_tokens, head_size)
        self.weights = numbers(num_sequences * heads, num_tokens, num_tokens)
        self.inputs = (self.patches, self.tokens, self.intermediate, self.heads, self.weights)

    def forward(self) -> list[torch.Tensor]:
        """Returns all products."""
        linear = nn.functional.linear
        projection = self.model.embeddings.visual_embeddings.patch_embeddings
        products = [linear(self.patches, projection.weight.flatten(1), projection.bias)]
        for layer in self.model.layers:
            products += [
                linear(self.tokens, layer.attention.qkv.weight, layer.attention.qkv.bias),
                torch.bmm(self.heads, self.heads.transpose(1, 2)),
                torch.bmm(self.weights, self.heads),
                linear(self.tokens, layer.attention.out_proj.weight, layer.attention.out_proj.bias),
                linear(self.tokens, layer.mlp.fc1.weight, layer.mlp.fc1.bias),
                linear(self.intermediate, layer.mlp.fc2.weight, layer.mlp.fc2.bias),
            ]
        return products


def make_variant(name: str, dtype_name: str, arguments) -> Callable[[], object]:
    """A function without arguments that runs one of the variants once."""
    dtype = DTYPES[dtype_name]
    network, _, mode = name.partition(" ")
    inputs = make_inputs(arguments, dtype)
    if network == "all-in-one":
        model = make_allinone(arguments, dtype)
    elif network == "ViLT":
        model, inputs = make_vilt(arguments, dtype), vilt_inputs(inputs)
    else:
        model = MatrixProducts(make_allinone(arguments, dtype), inputs)
        for tensor in model.inputs:
            tensor.requires_grad_(mode == "+ backward")
        inputs = {}

    @torch.inference_mode()
    def forward():
        model(**inputs)

    def forward_backward():
        model.zero_grad()
        outputs = model(**inputs)
        outputs = outputs if isinstance(outputs, list) else [outputs.pooler_output]
        torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])

    return forward_backward if mode else forward


# --------------------------------------------------------------------------------------------------- measurements


def take_turns(variants: dict[str, Callable[[], object]], arguments, what: str) -> dict[str, float]:
    """Median seconds of each variant; all take turns in each repeat."""
    seconds = {name: [] for name in variants}
    for repeat in tqdm(range(-1, arguments.repeats), desc=what):
        for name, run in variants.items():
            synchronize(arguments)
            start = time.perf_counter()
            run()
            synchronize(arguments)
            if repeat >= 0:  # the first one warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def synchronize(arguments) -> None:
    """Wait for the accelerator."""
    if arguments.device != "cpu":
        torch.cuda.synchronize()


def measure_forward(arguments) -> list[dict]:
    """Our model, ViLT and the floor: forward, and forward with backward, in float32 and bfloat16."""
    results = []
    written_out = with_attention_written_out(arguments)
    for mode in ("", " + backward"):
        names = [f"{network}{mode}" for network in ("floor", "all-in-one", "ViLT")]
        keys = [(name, dtype) for dtype in DTYPES for name in names]
        variants = {key: make_variant(*key, arguments) for key in keys}
        seconds = take_turns(variants, arguments, f"forward{mode}")
        for name, dtype in keys:
            results.append(
                {
                    "variant": name,
                    "dtype": dtype,
                    "seconds": seconds[name, dtype],
                    "times the floor": seconds[name, dtype] / seconds[names[0], dtype],
                    "speed-up over float32": seconds[name, "float32"] / seconds[name, dtype],
                    "clips per second": arguments.batch_size / seconds[name, dtype],
                    "multiply-adds per clip": None
                    if mode
                    else count_multiply_adds(make_variant(name, dtype, written_out), arguments),
                    "peak memory, MiB": None if name.startswith("floor") else peak_memory(name, dtype, arguments),
                }
            )
    return results


def measure_passes(arguments) -> list[dict]:
    """Cost by number of frames, and of text-only and video-only passes, in float32."""
    variants, counts, frames_of = {}, {}, {}
    written_out = with_attention_written_out(arguments)
    for num_frames in FRAME_COUNTS:
        model = make_allinone(arguments, torch.float32, num_frames)
        counted = make_allinone(written_out, torch.float32, num_frames)
        inputs = make_inputs(arguments, torch.float32, num_frames)
        text = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        video = {"pixel_values": inputs["pixel_values"]}
        for kind, given in (("joint", inputs), ("text only", text), ("video only", video)):
            name = f"{kind}, {num_frames} frame{'s' * (num_frames > 1)}"
            variants[name] = torch.inference_mode()(partial(model, **given))
            counts[name] = count_multiply_adds(torch.inference_mode()(partial(counted, **given)), arguments)
            frames_of[name] = num_frames
    seconds = take_turns(variants, arguments, "passes")
    return [
        {
            "pass": name,
            "seconds": seconds[name],
            "seconds per frame": seconds[name] / frames_of[name],
            "multiply-adds per clip": counts[name],
        }
        for name in variants
    ]


def with_attention_written_out(arguments) -> argparse.Namespace:
    """For counting: the counter does not know the CPU's attention kernel, but it knows its products written out."""
    return argparse.Namespace(**{**vars(arguments), "attention": "eager"})


def count_multiply_adds(run: Callable[[], object], arguments) -> int:
    """Multiply-adds of matrix products and convolutions for one clip, by torch's counter."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() // 2 // arguments.batch_size


def peak_memory(name: str, dtype: str, arguments) -> float:
    """Highest memory of one run in a process of its own: resident on the CPU, allocated on a GPU. MiB."""
    command = [sys.executable, __file__, "--one-memory", name, dtype]
    for option in ("preset", "num_frames", "batch_size", "device", "attention"):
        command += [f"--{option.replace('_', '-')}", str(getattr(arguments, option))]
    if arguments.threads:
        command += ["--threads", str(arguments.threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def peak_memory_here(name: str, dtype: str, arguments) -> float:
    """Run a variant once; returns the highest memory of this process in MiB, without what importing took."""
    if arguments.device != "cpu":
        make_variant(name, dtype, arguments)()
        return torch.cuda.max_memory_allocated() / 2**20
    before = highest_resident()
    make_variant(name, dtype, arguments)()
    return highest_resident() - before


def highest_resident() -> float:
    """Highest resident memory of this process so far, MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # the other figure counts the parent's memory too on Linux
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 2**10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


# --------------------------------------------------------------------------------------------------------- report


def print_tables(result: dict) -> None:
    """Print what was measured."""
    arguments = result["arguments"]
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(
        f"{arguments['preset']}, {arguments['num_frames']} frames of 224 px, {arguments['batch_size']} clips, texts "
        f"of {min(TEXT_LENGTHS)}-{max(TEXT_LENGTHS)} tokens; medians of {arguments['repeats']}\n"
    )
    columns = {"forward": 24, "type": 9, "seconds": 9, "× floor": 9, "× fp32": 8, "clips/s": 9, "G mult-adds": 13}
    print("".join(f"{name:<{w}}" if name == "forward" else f"{name:>{w}}" for name, w in columns.items()) + "    MiB")
    for row in result["forward"]:
        count, memory = row["multiply-adds per clip"], row["peak memory, MiB"]
        count, memory = f"{count / 1e9:.1f}" if count else "", f"{memory:.0f}" if memory else ""
        print(
            f"{row['variant']:24}{row['dtype']:>9}{row['seconds']:9.3f}{row['times the floor']:9.2f}"
            f"{row['speed-up over float32']:8.2f}{row['clips per second']:9.2f}"
            f"{count:>13}{memory:>7}"
        )
    print(f"\n{'pass (float32)':24}{'seconds':>9}{'per frame':>11}{'G mult-adds per clip':>22}")
    for row in result["passes"]:
        print(
            f"{row['pass']:24}{row['seconds']:9.3f}{row['seconds per frame']:11.4f}"
            f"{row['multiply-adds per clip'] / 1e9:22.2f}"
        )


if __name__ == "__main__":
    main()
