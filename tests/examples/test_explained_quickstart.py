# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Answers of the quickstart's model rest on the patches that their explanations rank first."""

import subprocess
import sys

import numpy as np
import pytest
from script_runs import EXAMPLES

from modeling_allinone import Predictor
from modeling_allinone.datasets import load_moving_shapes
from modeling_allinone.evaluation import explain


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_without_what_is_ranked_first_answers_fall(tmp_path):
    subprocess.run([sys.executable, EXAMPLES / "quickstart.py", "--output_dir", tmp_path], check=True, timeout=1800)
    predictor = Predictor.from_pretrained(tmp_path / "model-token_roll", device="cpu")
    rows = load_moving_shapes(tmp_path / "corpus", "test").shuffle(seed=0).select(range(100))
    explanations = [explain(predictor, row["video"], row["question"], row["answer"]) for row in rows]
    assert np.mean([one.drop for one in explanations]) >= 0.3
    assert abs(np.mean([one.random_drop for one in explanations])) < 0.06
    assert np.mean([one.is_trusted for one in explanations]) > 0.5
