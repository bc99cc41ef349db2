"""Scripts of examples/, run in the process of the tests."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"
QUIET = ("--disable_tqdm", "true", "--report_to", "none", "--use_cpu", "true")


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_script(script: ModuleType, *arguments) -> int:
    """Exit status of a script."""
    try:
        return script.main([*map(str, arguments), *QUIET])
    except SystemExit as exit:
        return exit.code


def read_results(output_dir: Path) -> dict:
    return json.loads((output_dir / "results.json").read_text())
