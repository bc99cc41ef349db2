# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The benchmark beside an earlier state, small, and beside this one: the same outputs."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_state_beside_itself(tmp_path):
    """In a process of its own: the earlier state registers its classes, too."""
    options = ["--preset", "tiny", "--repeats", "1", "--batch-size", "1", "--num-frames", "2", "--dtypes", "float32"]
    command = [
        sys.executable,
        ROOT / "benchmarks" / "changes.py",
        ROOT,
        *options,
        "--output",
        tmp_path / "changes.json",
    ]
    subprocess.run([*map(str, command)], check=True, cwd=ROOT, capture_output=True)
    rows = json.loads((tmp_path / "changes.json").read_text())["changes"]
    assert len(rows) == 6
    assert all(row["largest difference"] == 0 and row["seconds"] > 0 for row in rows)
