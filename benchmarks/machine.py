"""The machine that benchmarks run on, for their results."""

import platform
from pathlib import Path

import torch
import transformers

from modeling_allinone import __version__


def describe_machine(device: str = "cpu") -> dict[str, str | int]:
    """Hardware and versions."""
    return {
        "device": processor_name() if device == "cpu" else torch.cuda.get_device_name(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "modeling_allinone": __version__,
    }


def processor_name() -> str:
    """Name of the CPU."""
    name = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        names = [line.split(":", 1)[1].strip() for line in cpu_info.read_text().splitlines() if "model name" in line]
        name = names[0] if names else name
    return name
