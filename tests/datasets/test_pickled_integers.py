"""Pickles of integers, and pickles that want to run something."""

import os
import pickle

import numpy as np
import pytest

from modeling_allinone.datasets.pickled_integers import LARGEST_FILE, read_pickled_integers


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("content", [[3, 0, 19], {"video7": 3, "video9": 0}, []])
def test_integers_are_read(tmp_path, protocol, content):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    assert read_pickled_integers(path) == content


def test_no_code_is_run(tmp_path):
    path, victim = tmp_path / "a.pkl", tmp_path / "made by the pickle"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps([1, Touch(victim)], protocol=protocol))
        with pytest.raises(ValueError, match=r"a\.pkl cannot be read: it asks for .*mkdir, which may run code"):
            read_pickled_integers(path)
    assert not victim.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read"),
        (b"no pickle", "cannot be read"),
        (pickle.dumps([1, 2, 3])[:-3], "cannot be read"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.", "cannot be read"),
        (b"Pnobody\n.", "cannot be read: it refers to objects outside"),
        (b"}]b.", "cannot be read"),
        (pickle.dumps(np.arange(3)), "cannot be read: it asks for numpy"),
        (pickle.dumps(["a"]), "holds a list of other things; expected integers"),
        (pickle.dumps([True]), "holds a list of other things"),
        (pickle.dumps({"a": 1.5}), "holds a dict of other things"),
        (pickle.dumps({1: 1}), "holds a dict of other things"),
        (pickle.dumps(7), "holds a int of other things"),
    ],
)
def test_other_files_are_refused(tmp_path, data, message):
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_pickled_integers(path)


def test_huge_files_are_refused(tmp_path):
    path = tmp_path / "a.pkl"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(ValueError, match="expected a list of integers, far smaller"):
        read_pickled_integers(path)
