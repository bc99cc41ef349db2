"""Examples in docstrings write nothing into the repository."""

import pytest


@pytest.fixture(autouse=True)
def _examples_have_a_folder_of_their_own(request, monkeypatch):
    if request.node.__class__.__name__ == "DoctestItem":
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))
