# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What the tests of scripts share: a corpus, a script as a module, what keeps it quiet, what it wrote."""

import importlib.util
import json
from pathlib import Path

from modeling_allinone.datasets import write_moving_shapes

EXAMPLES = Path(__file__).parents[2] / "examples"

QUIET = ("--disable_tqdm", "true", "--report_to", "none", "--use_cpu", "true")


def load_script(name: str):
    """The module of a script in `examples/`."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_script(script, *arguments) -> int:
    """Exit status of a script."""
    try:
        return script.main([*map(str, arguments), *QUIET])
    except SystemExit as exit:
        return exit.code


def write_splits(root: Path, **num_clips: int) -> Path:
    """The folder of a corpus of moving shapes, with so many clips in each split."""
    for split, number in num_clips.items():
        write_moving_shapes(root, number, split)
    return root


def read_results(output_dir: Path) -> dict:
    """What a script measured."""
    return json.loads((output_dir / "results.json").read_text())


def read_log(output_dir: Path, *names: str) -> list[dict]:
    """The entries of the Trainer's log that have all these figures."""
    log = json.loads((output_dir / "trainer_state.json").read_text())["log_history"]
    return [entry for entry in log if set(names) <= set(entry)]


def last_line(capsys) -> str:
    """The last line of what went wrong."""
    return capsys.readouterr().err.splitlines()[-1]
