# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What the tests of metrics share."""

import evaluate
import pytest

from modeling_allinone.metrics import metric_path


@pytest.fixture
def load_metric():
    """Load a metric of the package by its name, with its rows in memory."""

    def load(name: str, *configuration: str) -> evaluate.Metric:
        return evaluate.load(metric_path(name), *configuration, keep_in_memory=True)

    return load
