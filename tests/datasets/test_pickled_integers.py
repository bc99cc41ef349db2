# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Pickles of integers, and pickles that want to run something."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from modeling_allinone.datasets import pickled_integers
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
        with pytest.raises(ValueError, match=r"a\.pkl cannot be read: it has the instruction (STACK_)?GLOBAL "):
            read_pickled_integers(path)
    assert not victim.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read"),
        (b"no pickle", "cannot be read"),
        (pickle.dumps([1, 2, 3])[:-3], "cannot be read"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.", "holds other things"),
        (b"Pnobody\n.", "cannot be read: it has the instruction PERSID"),
        (b"}]b.", "cannot be read"),
        (pickle.dumps(np.arange(3)), "cannot be read: it has the instruction"),
        (pickle.dumps(["a"]), "holds other things; expected integers"),
        (pickle.dumps([True]), "it has the instruction NEWTRUE where a list of integers has none"),
        (pickle.dumps({"a": 1.5}), "it has the instruction BINFLOAT"),
        (pickle.dumps([2**63]), "holds other things"),
        (pickle.dumps({1: 1}), "holds other things"),
        (pickle.dumps(7), "holds other things"),
    ],
)
def test_other_files_are_refused(tmp_path, data, message):
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_pickled_integers(path)


def long_pickle(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


DOUBLED = b")q\x00" + b"h\x00h\x00\x86q\x00" * 60

# Each is read in a process of its own, which is measured.
BOMBS = {
    "far place": b"\x80\x02]r\x00\x00\x00\x04.",
    "farther place": b"\x80\x02]r\xff\xff\xff\xff.",
    "place in decimals": b"(lp268435456\n.",
    "long text": long_pickle(b"]X\xff\xff\xff\x7f", b"a"),
    "longer text": long_pickle(b"]\x8d", (1 << 40).to_bytes(8, "little"), b"a"),
    "long bytes": long_pickle(b"]\x8e", (1 << 40).to_bytes(8, "little"), b"a"),
    "long array": long_pickle(b"]\x96", (1 << 33).to_bytes(8, "little"), b"a"),
    "long frame": b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little") + b"].",
    "long integer": long_pickle(b"]\x8b\xff\xff\xff\x7f", b"\x01a"),
    "long decimal": b"(lL" + b"9" * 1_000_000 + b"L\na.",
    "large integers": long_pickle(b"](", (b"\x8b\x00\x00\x01\x00" + b"\x7f" * 65536) * 40, b"e"),
    "many lists": long_pickle(b"(", b"]" * 3_000_000, b"l"),
    "nested lists": long_pickle(b"]" * 500_000, b"a" * 499_999),
    "doubled key": long_pickle(b"}", DOUBLED, b"K\x01s"),
    "set of a doubled tuple": b"\x80\x04\x8f(" + DOUBLED + b"\x90.",
    "colliding keys": long_pickle(
        b"}(", b"".join(b"\x8a\x0b" + (n * (2**61 - 1)).to_bytes(11, "little") + b"N" for n in range(1, 60_000)), b"u"
    ),
    "a list that holds itself": b"\x80\x02]q\x00h\x00a.",
}
MEASURE = """
import resource, sys
from pickled_integers import read_pickled_integers  # alone: the package takes memory of its own

for path in sys.argv[1:]:
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        outcome = type(read_pickled_integers(path)).__name__
    except ValueError as error:
        outcome = str(error).replace(path, "PATH")
    after = resource.getrusage(resource.RUSAGE_SELF)
    megabytes = (after.ru_maxrss - before.ru_maxrss) / 1024
    print(path, megabytes, after.ru_utime - before.ru_utime, outcome, sep="\\t", flush=True)
"""


def test_small_files_take_little_memory_and_time(tmp_path):
    paths = [tmp_path / f"{name}.pkl" for name in BOMBS]
    for path, data in zip(paths, BOMBS.values(), strict=True):
        path.write_bytes(data)
    command = [sys.executable, "-c", MEASURE, *map(str, paths)]
    environment = {"PYTHONPATH": str(Path(pickled_integers.__file__).parent)}
    finished = subprocess.run(
        command, capture_output=True, text=True, timeout=200, check=False, env=os.environ | environment
    )
    outcomes = [line.split("\t") for line in finished.stdout.splitlines()]
    assert [path for path, *_ in outcomes] == [str(path) for path in paths], finished.stderr[-2000:]
    for path, megabytes, seconds, outcome in outcomes:
        assert float(megabytes) < 32 and float(seconds) < 5, path
        is_refused = outcome.startswith("PATH cannot be read: ") or "holds other things" in outcome
        assert is_refused or (outcome == "list" and ("place" in path or "frame" in path)), outcome


def test_huge_files_are_refused(tmp_path):
    path = tmp_path / "a.pkl"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(ValueError, match="expected a list of integers, far smaller"):
        read_pickled_integers(path)
