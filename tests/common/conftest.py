# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
transformers' own common tests, on every class of this package: `make test-common`.

Their modules are those of the installed version, out of its source distribution, which pip downloads into a cache
(`$XDG_CACHE_HOME/modeling_allinone`). Without COMMON_TESTS=1, nothing here is collected.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import types
from pathlib import Path

import transformers

collect_ignore_glob = [] if os.environ.get("COMMON_TESTS") else ["*.py"]


def fetch_library_tests() -> Path:
    """The folder that holds the `tests` of the installed transformers."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "modeling_allinone")
    folder = cache / f"transformers-{transformers.__version__}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*download, "--dest", work, f"transformers=={transformers.__version__}"], check=True)
        (archive,) = Path(work).glob("transformers-*.tar.gz")
        with tarfile.open(archive) as source:
            source.extractall(work, filter="data")
        (source_folder,) = (path for path in Path(work).glob("transformers-*") if path.is_dir())
        Path(source_folder, "tests", "__init__.py").touch()
        Path(work, "whole").mkdir()
        Path(source_folder, "tests").rename(Path(work, "whole", "tests"))
        Path(work, "whole").rename(folder)
    return folder


def stand_in(name: str, **contents):
    """A module that the source distribution leaves out."""
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(contents)


def pytest_configure(config):
    names = "generate is_training_test training_ci torch_compile_test torch_export_test flash_attn_test"
    names += " flash_attn_3_test flash_attn_4_test accelerate_tests bitsandbytes not_device_test"
    for name in names.split():
        config.addinivalue_line("markers", f"{name}: of transformers' own tests")


if os.environ.get("COMMON_TESTS"):
    sys.path.insert(0, str(fetch_library_tests()))
    for name in ("tests.exporters", "tests.generation", "tests.utils"):
        stand_in(name, __path__=[])
    # An encoder neither generates nor is exported by the library; the package tests its export itself.
    stand_in("tests.exporters.test_export", ExportTesterMixin=type("ExportTesterMixin", (), {}))
    stand_in("tests.generation.test_utils", GenerationTesterMixin=type("GenerationTesterMixin", (), {}))
    stand_in("fetch_hub_objects_for_ci", url_to_local_path=lambda url: url)
    stand_in(
        "tests.utils.test_configuration_utils",
        config_common_kwargs={
            "return_dict": False,
            "output_hidden_states": True,
            "architectures": ["AllInOneModel"],
            "id2label": {0: "label"},
            "label2id": {"label": 0},
            "problem_type": "regression",
        },
    )
