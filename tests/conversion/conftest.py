"""Running a script as its users do, and measuring what it needs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CONVERSION = Path(__file__).parents[2] / "conversion"


@pytest.fixture
def measure() -> Callable[..., tuple[float, int]]:
    """
    Runs a script; returns seconds of processor time, which what else runs here does not change, and how much more
    memory it took at its most, in bytes, than its help did.
    """

    def run(script: str, *arguments: object) -> tuple[float, int]:
        command = [sys.executable, str(CONVERSION / script), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        messages = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, messages
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024

    def run_and_compare(script: str, *arguments: object) -> tuple[float, int]:
        _, own_memory = run(script, "--help")
        seconds, memory = run(script, *arguments)
        return seconds, memory - own_memory

    return run_and_compare
