# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The house in order: which way imports run, what importing the package costs, what is public."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from door_table import OUTSIDE

import modeling_allinone

PACKAGE = Path(modeling_allinone.__file__).parent
ROOT = PACKAGE.parent
# What each folder may import beside itself.
MAY_IMPORT = {
    "models": set(),
    "metrics": set(),
    "recipes": set(),
    "datasets": {"models"},
    "hub": {"models"},
    "data": {"models", "datasets"},
    "evaluation": {"models", "datasets", "metrics", "hub", "data"},
    "search": {"models", "data", "evaluation"},
    "integrations": {"models", "hub", "data", "evaluation", "conversion"},
    "conversion": {"models", "hub"},
    "training": {"models", "datasets", "metrics", "recipes", "hub", "data", "evaluation"},
}
MAY_IMPORT["cli"] = set(MAY_IMPORT) - {"metrics"}
MAY_IMPORT["__main__"] = {"cli"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py") if "suites" not in path.parts}


def imports_of(name: str) -> set[str]:
    """The modules of the package that a module imports anywhere: inside functions and for type checkers, too."""
    path, found = MODULES[name], set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            found |= {
                f"{module}.{alias.name}" if f"{module}.{alias.name}" in MODULES else module for alias in node.names
            }
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {module for module in found if module in MODULES and module != name}


def floor_of(name: str) -> str:
    return name.split(".")[1]


def test_imports_run_one_way():
    wrong = [
        f"{name} imports {module}"
        for name in MODULES
        if "." in name
        for module in imports_of(name)
        if "." in module and floor_of(module) not in MAY_IMPORT[floor_of(name)] | {floor_of(name)}
    ]
    assert not wrong
    assert {floor_of(name) for name in MODULES if "." in name} == set(MAY_IMPORT)


def test_no_module_imports_itself_by_way_of_others():
    """`prepare` raises `CycleError`, which names the circle."""
    TopologicalSorter({name: imports_of(name) for name in MODULES if "." in name}).prepare()


def test_models_import_their_siblings_alone():
    """Each by one dot, as transformers wants it of code that travels to the Hub."""
    for name, path in MODULES.items():
        if name.startswith("modeling_allinone.models."):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom):
                    assert node.level == 1 or not (node.level or node.module.startswith("modeling_allinone")), name


COST = """
import sys
from transformers import AutoConfig, AutoModel, AutoProcessor
needed = set(sys.modules)
import modeling_allinone
print(*sorted({name.split(".")[0] for name in set(sys.modules) - needed}))
"""


def test_importing_the_package_costs_what_it_registers():
    command = [sys.executable, "-c", COST]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"datasets", "evaluate", "accelerate", "av", "decord", "matplotlib", "yaml"} & set(imported)


COST_OF_COMMANDS = """
import sys
import modeling_allinone
needed = set(sys.modules)
import modeling_allinone.cli.app
print(*sorted(set(sys.modules) - needed))
"""


def test_help_costs_what_the_package_does():
    """What a command computes with is imported when it runs."""
    command = [sys.executable, "-c", COST_OF_COMMANDS]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"datasets", "evaluate", "accelerate", "av", "decord", "matplotlib", "yaml"} & set(imported)
    of_package = {name for name in imported if name in MODULES and floor_of(name) != "cli"}
    assert {floor_of(name) for name in of_package} <= {"training", "data", "datasets"}
    assert {name for name in of_package if floor_of(name) == "training"} <= {
        "modeling_allinone.training",
        "modeling_allinone.training.command_line",
    }


@pytest.mark.parametrize("name", modeling_allinone.__all__)
def test_public_names_are_there_and_described(name):
    assert len(getattr(modeling_allinone, name).__doc__.split()) > 5
    is_of_family = name.startswith("AllInOneFor") or name.endswith("Collator")
    assert is_of_family or f"`{name}`" in modeling_allinone.__doc__


def test_all_lists_what_is_public():
    """A module has `__all__` if a stub exports something of it, which it then lists; others have none."""
    exported: dict[str, set[str]] = {}
    for stub in PACKAGE.rglob("__init__.pyi"):
        for node in ast.walk(ast.parse(stub.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = exported.setdefault(f"{name_of(stub)}.{node.module}", set())
                names.update(alias.name for alias in node.names)
    for name, path in MODULES.items():
        listed = [
            ast.literal_eval(node.value)
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["__all__"]
        ]
        if path.name != "__init__.py":
            assert bool(listed) == (name in exported), name
            assert not listed or exported[name] <= set(listed[0]), name


FILES = subprocess.run(["git", "ls-files", "*.py", "*.pyi"], cwd=ROOT, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("file", FILES.stdout.split())
def test_files_have_the_licence_and_are_not_long(file):
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    assert lines[:2] == [
        "# Copyright 2026 The modeling_allinone authors.",
        "# Licensed under the Apache License, Version 2.0.",
    ]
    assert len(lines) <= 700


def test_make_doors_installs_what_the_tests_leave_out():
    (line,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("DOORS = "))
    assert set(line.removeprefix("DOORS = ").split()) == OUTSIDE
