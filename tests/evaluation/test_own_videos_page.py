# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What docs/commands.md shows of answers and vectors runs as it stands."""

import json
import re
from pathlib import Path

from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes

ROOT = Path(__file__).parents[2]


def test_answers_and_vectors(tmp_path, monkeypatch, capsys):
    write_moving_shapes(tmp_path / "shapes", 2, "test")
    clip = Path(load_moving_shapes(tmp_path / "shapes", "test", task="retrieval")[0]["video"])
    clip.rename(tmp_path / "clip.mp4")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)

    section = (ROOT / "docs/commands.md").read_text().partition("## Train and evaluate\n")[0]
    snippets = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(snippets) == 3
    names: dict = {}
    for snippet in snippets:
        exec(compile(snippet, "docs/commands.md", "exec"), names)
    assert names["chosen"].answer in capsys.readouterr().out
    assert names["named"].answer in ("ring", "bar", "cross") and len(names["hidden"].top_k) == 3
    assert names["summary"]["num_rows"] == 1
    (line,) = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert json.loads(line)["answer"] == names["chosen"].answer
    assert names["cosines"].shape == (2, 1)
