# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Examples in docstrings write nothing into the repository; data sets that a test registers are forgotten after it."""

import sys

import pytest

pytest_plugins = ["door_table"]


@pytest.fixture(autouse=True)
def _examples_have_a_folder_of_their_own(request, monkeypatch):
    if request.node.__class__.__name__ == "DoctestItem":
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))


@pytest.fixture(autouse=True)
def _registered_data_sets_are_forgotten(monkeypatch):
    if (registry := sys.modules.get("modeling_allinone.datasets.annotations")) is not None:
        monkeypatch.setattr(registry, "_OWN_READERS", {})
