"""The machine that benchmarks run on, for their results."""

import platform
from pathlib import Path


def processor_name() -> str:
    """Name of the CPU."""
    name = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        names = [line.split(":", 1)[1].strip() for line in cpu_info.read_text().splitlines() if "model name" in line]
        name = names[0] if names else name
    return name
