# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Every snippet of README, CONTRIBUTING, docs and model cards runs, in the order of its page, or is listed with a reason.

Each page has a folder with what its reader would have (`reader_folder.py`). A table makes commands smaller, by a
pattern of their text; an entry of it, or of the list, that belongs to no snippet is an error.
"""

import os
import re
import shutil
import sys
from dataclasses import replace

import pytest
from page_snippets import ROOT, Snippet, check_snippet, compile_snippet, read_snippets, run_snippet
from reader_folder import make_reader_folder
from transformers.utils import logging

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
PAGES += sorted(ROOT.glob("examples/checkpoints/*/README.md"))
TRAINING = "--max_steps 1 --warmup_steps 0 --eval_strategy no --save_strategy no --load_best_model_at_end false"
EVALUATION = "--report_to none --disable_tqdm true --use_cpu true --dataloader_num_workers 0 --fp16 false"
TRAINING = f"{TRAINING} {EVALUATION}"
SHIPPED = "--model_name_or_path examples/checkpoints/moving-shapes"
# Numbers of clips that a text has, and what is there in their place.
FEWER = {"('train', 5000), ('validation', 100), ('test', 500)": "('train', 12), ('validation', 4), ('test', 12)"}
# By a pattern of commands: options that are added to it.
SMALLER = {
    "allinone train ": TRAINING,
    "allinone evaluate ": EVALUATION,
    "train pretrain_webvid_howto100m_base": f"{SHIPPED} --total_batch_size 4 --per_device_train_batch_size 4",
    "run.py msrvtt_retrieval": f"{TRAINING} {SHIPPED} --total_batch_size 4 --per_device_train_batch_size 4",
    "examples/make_shards.py": "--num_workers 0",
    "video_sources:\n  webvid: {shards:": "--dataset webvid --data_dir data/webvid",
}
SNIPPETS = {page: list(read_snippets(page)) for page in PAGES}

# Pages on packages that the extra `test` does not install, which `make doors` runs.
DOORS = {
    ROOT / "docs/mteb.md": ("MTEB, its own video tasks on moving shapes", "mteb"),
    ROOT / "docs/quantization.md": ("the page on rounded weights", "torchao", "optimum-quanto", "bitsandbytes"),
}

# By a pattern of its text: why a snippet is not run. Options of commands are looked up in their help all the same.
NOT_RUN: dict[str, str] = {
    "^make ": "CI runs them, and this test is part of one",
    "^pytest |-m pytest ": "this is one",
    "^pip install |bin/pip install ": "needs a network",
    "push_to_hub": "needs the Hub",
    "python benchmarks/": "takes minutes, and measures a machine at rest",
    "evaluate published": "needs all data sets of the paper",
    "allinone demo |space/app.py": "waits for visitors; tests/cli/test_demo.py starts it",
    "http.server": "waits for visitors",
    "index s3://": "needs an object store",
    "MVEB|MSVDT2VRetrieval": "needs the Hub",
    "export-onnx .* my-int8 --int8": "takes as long as without; tests/integrations/test_export.py tries it",
    "mteb mock-run": "takes half a minute; tests/integrations/test_mteb.py runs the same",
}


def matches(snippet: Snippet, table: dict[str, str]) -> list[str]:
    """What a table says of a snippet."""
    return [value for part, value in table.items() if re.search(part, snippet.text)]


@pytest.fixture(scope="module")
def reader_folder(tmp_path_factory):
    """Made once; pages have copies."""
    return make_reader_folder(tmp_path_factory.mktemp("reader"))


@pytest.fixture
def as_it_was(monkeypatch):
    """What scripts change for the whole process is undone."""
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setattr(sys, "path", [*sys.path])
    environment, modules, verbosity = {**os.environ}, {*sys.modules}, logging.get_verbosity()
    yield
    os.environ.clear()
    os.environ.update(environment)
    logging.set_verbosity(verbosity)
    for name in {*sys.modules} - modules:  # those that lie beside scripts, and are found once more
        if "." not in name and (getattr(sys.modules[name], "__file__", None) or "").startswith(os.getcwd()):
            del sys.modules[name]


@pytest.mark.filterwarnings("ignore:.* found in sys.modules:RuntimeWarning")  # of python -m, in this process
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.door(*DOORS[page])] if page in DOORS else ()) for page in PAGES],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_snippets_run(page, reader_folder, tmp_path, monkeypatch, capsys, as_it_was, modules_are_not_collected):
    monkeypatch.chdir(shutil.copytree(reader_folder, tmp_path / "reader"))
    errors, names = [], {"__name__": "__main__"}
    for snippet in SNIPPETS[page]:
        try:
            for text, replacement in FEWER.items():
                snippet = replace(snippet, text=snippet.text.replace(text, replacement))
            if matches(snippet, NOT_RUN):
                check_snippet(snippet, capsys)
            else:
                run_snippet(snippet, " ".join(matches(snippet, SMALLER)).split(), names)
        except (Exception, SystemExit) as error:
            errors.append(error if isinstance(error, Exception) else ValueError(f"exit status {error.code}"))
            errors[-1].add_note(str(snippet))
    if errors:
        raise ExceptionGroup("snippets that do not run", errors)


@pytest.mark.parametrize("page", DOORS, ids=lambda page: str(page.relative_to(ROOT)))
def test_snippets_of_doors_compile(page):
    """Which is what can be seen of them without the package."""
    snippets = [snippet for snippet in SNIPPETS[page] if snippet.language == "python"]
    assert snippets and all(compile_snippet(snippet) for snippet in snippets)


@pytest.mark.parametrize("table", (SMALLER, NOT_RUN, {re.escape(text): "" for text in FEWER}))
def test_tables_speak_of_snippets(table):
    snippets = [snippet for of_page in SNIPPETS.values() for snippet in of_page]
    assert not [part for part in table if not any(matches(snippet, {part: ""}) for snippet in snippets)]
