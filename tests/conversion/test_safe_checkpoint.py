# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Files that want to run code or to fill the memory, damaged files, and honest ones, judged by what comes of them: the
weights that were saved, or one line that names the file; no code runs, nothing is written, the memory stays.
"""

import io
import json
import math
import multiprocessing
import os
import pickle
import random
import resource
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections import Counter, OrderedDict, defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path, PurePosixPath
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modeling_allinone.conversion.safe_checkpoint import ConversionError, read_checkpoint

# ------------------------------------------------------------------------------------------------- pickles by opcodes


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def integer(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    encoded = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def pack(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + pack(*arguments) + b"R"


def mapping(items: dict[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def storage(key: str = "0", numel: int = 6, kind: bytes = name("torch", "FloatStorage"), *rest: bytes) -> bytes:
    return pack(text("storage"), kind, text(key), text("cpu"), integer(numel), *rest) + b"Q"


def tensor(stored: bytes, size: bytes, stride: bytes, offset: int = 0) -> bytes:
    hooks = call(name("collections", "OrderedDict"))
    return call(name("torch._utils", "_rebuild_tensor_v2"), stored, integer(offset), size, stride, b"\x89", hooks)


def view(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, stored: bytes | None = None) -> bytes:
    shape = (pack(*map(integer, numbers)) for numbers in (size, stride))
    return tensor(stored or storage(), *shape, offset)


def state_dict(**items: bytes) -> bytes:
    return mapping({"state_dict": mapping(items)})


def finish(content: bytes) -> bytes:
    return b"\x80\x02" + content + b"."


NUMBERS = struct.pack("<6f", *range(6))
HONEST = state_dict(weight=view((2, 3), (3, 1)))


def entry(path: str, data: bytes = b"", **said) -> dict:
    """A record of an archive; `said` is what the directory says of it where that is not so."""
    return {"name": path, "data": data} | said


def build_zip(*entries: dict) -> bytes:
    body, directory = bytearray(), bytearray()
    for record in entries:
        stored, written = record["name"].encode(), record.get("local_name", record["name"]).encode()
        start, size = record.get("start", len(body)), record.get("size", len(record["data"]))
        checksum = record.get("checksum", zlib.crc32(record["data"]))
        middle = struct.pack("<5HI", 20, record.get("flags", 0), record.get("method", 0), 0, 0, checksum)
        sizes = struct.pack("<2I", record.get("stored_size", size), size)
        body += b"PK\3\4" + middle + sizes + struct.pack("<2H", len(written), 0) + written + record["data"]
        lengths = struct.pack("<5HIi", len(stored), 0, 0, 0, 0, 0, start)
        directory += b"PK\1\2" + struct.pack("<H", 20) + middle + sizes + lengths + stored
    count = min(len(entries), 0xFFFF)
    return (
        bytes(body + directory) + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, count, count, len(directory), len(body), 0)
    )


def build(content: bytes, *more: dict) -> bytes:
    records = {"data.pkl": finish(content), "version": b"3\n", "byteorder": b"little", "data/0": NUMBERS}
    return build_zip(*(entry(f"archive/{path}", data) for path, data in records.items()), *more)


def build_old(content: bytes, storages: dict[str, tuple[int, bytes]] | None = None) -> bytes:
    """The format from before PyTorch 1.6."""
    storages = {"0": (6, NUMBERS)} if storages is None else storages
    keys = b"](" + b"".join(map(text, storages)) + b"e"
    pickles = [integer(0x1950A86A20F9469CFC6C), integer(1001), b"}", content, keys]
    data = b"".join(struct.pack("<q", numel) + stored for numel, stored in storages.values())
    return b"".join(map(finish, pickles)) + data


def build_safetensors(header: dict | bytes, data: bytes = b"") -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def save(content: object, **options) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    """Write some bytes as a file and read it."""

    def run(data: bytes, file_name: str = "file.ckpt", **options):
        (tmp_path / file_name).write_bytes(data)
        return read_checkpoint(tmp_path / file_name, **options)

    return run


# ---------------------------------------------------------------------------------------------------------- what reads


@pytest.mark.parametrize(
    "dtype", ("float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
)
def test_every_type_and_format(tmp_path, read, dtype):
    expected = torch.arange(4).to(getattr(torch, dtype))
    files = [save({"weight": expected}, pickle_protocol=protocol) for protocol in (2, 3, 4, 5)]
    files.append(save({"weight": expected}, _use_new_zipfile_serialization=False))
    save_file({"weight": expected}, tmp_path / "weights")
    files.append((tmp_path / "weights").read_bytes())
    for data in files:  # what a file is, its content decides
        for file_name in ("file.ckpt", "file.pth", "file"):
            weights, hyper_parameters = read(data, file_name)
            assert torch.equal(weights["weight"], expected) and hyper_parameters == {}


@pytest.mark.parametrize("is_archive", (True, False))
def test_tied_weights_stay_tied(read, is_archive):
    embedding = torch.randn(1000, 8)
    content = {"embedding": embedding, "row": embedding[1], "transposed": embedding[:, :1].T}
    weights, _ = read(save(content, _use_new_zipfile_serialization=is_archive))
    assert all(torch.equal(weights[key], tensor) for key, tensor in content.items())
    assert weights["row"].data_ptr() == weights["embedding"][1].data_ptr()


@pytest.mark.parametrize("is_archive", (True, False))
def test_classes_of_lightning_and_sacred_need_neither(tmp_path, monkeypatch, is_archive):
    def define(module_name: str, name: str, base: type) -> type:
        packages = module_name.split(".")
        for depth in range(1, len(packages) + 1):
            package = ".".join(packages[:depth])
            monkeypatch.setitem(sys.modules, package, sys.modules.get(package) or ModuleType(package))
        cls = type(name, (base,), {"__module__": module_name})
        setattr(sys.modules[module_name], name, cls)
        return cls

    read_only_dict = define("sacred.config.custom_containers", "ReadOnlyDict", dict)
    read_only_list = define("sacred.config.custom_containers", "ReadOnlyList", list)
    # As sacred does it, so that reading does not call methods that refuse to write.
    read_only_dict.__reduce__ = lambda self: (type(self), ({**self},))
    attribute_dict = define("pytorch_lightning.utilities.parsing", "AttributeDict", dict)
    model_checkpoint = define("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint", object)
    model = torch.nn.Linear(3, 2)
    state = defaultdict(dict, {0: {"exp_avg": torch.zeros(3), "best": np.float64(0.5)}})
    config = read_only_dict(num_heads=4, datasets=read_only_list(["webvid"]), log_dir=PurePosixPath("result"))
    content = {
        "state_dict": model.state_dict(keep_vars=True),
        "hyper_parameters": attribute_dict(config=config),
        "callbacks": {model_checkpoint: {"scores": np.arange(3)}},
        "optimizer_states": [{"state": state}],
        "lr_schedulers": [{"milestones": Counter([3, 3, 5])}],
        "param_shapes": [OrderedDict(weight=model.weight.shape)],
        "sparse_tensor_module_names": {"text_embeddings"},
    }
    torch.save(content, tmp_path / "file.ckpt", _use_new_zipfile_serialization=is_archive)
    monkeypatch.undo()
    assert "sacred" not in sys.modules
    weights, hyper_parameters = read_checkpoint(tmp_path / "file.ckpt")
    assert hyper_parameters == {"num_heads": 4, "datasets": ["webvid"]}
    assert weights.keys() == {"weight", "bias"}
    for key, weight in weights.items():
        assert torch.equal(weight, getattr(model, key))
        assert type(weight) is torch.Tensor and not weight.requires_grad


def test_hyper_parameters_are_plain(read):
    plain = {"words": "a", "numbers": [1, -2.5, True, None, math.inf, (1 << 63) - 1]}
    others = {"huge": 1 << 63, "path": PurePosixPath("result"), "array": np.float64(3)}
    mixed = {"tuple": (1, ("a",)), "nested": {"itm": 1, "weights": torch.zeros(3), 3: ""}, "list": [torch.zeros(3), 1]}
    expected = plain | {"tuple": [1, ["a"]], "nested": {"itm": 1}, "list": [1]}
    for hyper_parameters in ({"config": plain | others | mixed}, plain | others | mixed):
        assert read(save({"state_dict": {}, "hyper_parameters": hyper_parameters}))[1] == expected
    for hyper_parameters in (None, 3, [plain], {"config": None}):
        expected = hyper_parameters if isinstance(hyper_parameters, dict) else {}
        assert read(save({"state_dict": {}, "hyper_parameters": hyper_parameters}))[1] == expected


def test_paths_of_an_archive_lead_nowhere(tmp_path, read):
    for path in (f"{tmp_path}/trace", "archive/../trace", "..\\trace"):
        assert read(build(HONEST, entry(path, b"x")))[0]["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert [file.name for file in tmp_path.iterdir()] == ["file.ckpt"]


# ------------------------------------------------------------------------------------------------------- what does not


class Malicious:
    """Pickles to a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def script() -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), file)
    return file.getvalue()


def numpy_archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, weight=np.zeros(3))
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../etc/passwd"))
    return file.getvalue()


def doubling(value: bytes) -> bytes:
    """A tuple of which each half is a tuple of which each half …, 60 times."""
    return value + b"q\x01h\x01\x86" * 60


def repeat(value: bytes, instructions: bytes) -> bytes:
    """A tuple of a value, which is kept, and of what instructions make of it many times."""
    return b"(" + value + b"q\x01" + instructions * MANY + b"t"


def hyper_parameters(value: bytes) -> bytes:
    return mapping({"state_dict": b"}", "hyper_parameters": mapping({"a": value})})


def declare(start: int, end: int, shape: list[int], dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


SYSTEM, TOUCH = name("posix", "system"), text("touch trace")
KEPT = b"h\x01"  # what was put in the first place of the memo
MANY, DEEP = 20_000, 100_000
NOTHINGS = b"N" * MANY
DOUBLES = name("torch", "DoubleStorage")
ENTRIES = name("builtins", "set")

# What a pickle does where the weights should be.
CONTENTS = {
    "calls": call(SYSTEM, TOUCH),
    "calls what stands on the stack": text("posix") + text("system") + b"\x93" + pack(TOUCH) + b"R",
    "makes by name": b"(S'touch trace'\niposix\nsystem\n",
    "makes": b"(" + SYSTEM + TOUCH + b"o",
    "asks for an extension": b"\x82\x01",
    "loads from the hub": call(name("torch.hub", "load"), text("x")),
    "calls a list": call(name("builtins", "list") + b")\x81", b"}"),
    "writes to the terminal": name("builtins", "\x1b[2Jeval"),
    "hides a name": pack(text("module"), SYSTEM, text("x.py"), text("x")) + b"Q",
    "changes a list": b"]" + pack(b"N", mapping({"__new__": SYSTEM})) + b"b",
    "changes a class": name("builtins", "dict") + pack(b"N", mapping({"__new__": SYSTEM})) + b"b",
    "sets items of a list": b"]K\x01K\x02s",
    "has no storage": b"K\x01Q",
    "has no name": b"}}\x93",
    "fills a dictionary as Python 2 did": call(
        name("collections", "OrderedDict"), b"](" + pack(text("a"), b"N") + b"e"
    ),
    "nested lists": b"]" * DEEP + b"a" * (DEEP - 1),
    "nested tuples": b")" + b"\x85" * DEEP,
    "nested key": b"})" + b"\x85" * 2 * DEEP + b"Ns",
    "doubled key": b"}" + doubling(b")") + b"Ns",
    "doubled name": doubling(b")") + text("a") + b"\x93",
    "doubled function": doubling(b")") + b")R",
    "colliding keys": b"}(" + b"".join(integer(i * ((1 << 61) - 1)) + b"N" for i in range(1, MANY)) + b"u",
    "bytearray": call(name("builtins", "bytearray"), integer(10**12)),
    "untyped storage": call(name("torch.storage", "UntypedStorage"), integer(10**12)),
    "tensor of a class": name("torch", "FloatTensor") + pack(integer(10**12)) + b"\x81",
    "copies of a string": repeat(text("x" * MANY), call(name("_codecs", "encode"), KEPT, text("latin1"))),
    "copies of a shape": repeat(b"(" + NOTHINGS + b"t", call(name("torch", "Size"), KEPT)),
    "copies of a set": repeat(b"](" + NOTHINGS + b"e", call(ENTRIES, KEPT)),
    "copies of arguments": repeat(b"(" + NOTHINGS + b"t", ENTRIES + KEPT + b"R"),
    "copies of a state": repeat(
        b"}(" + b"".join(text(f"_{index}") + b"N" for index in range(MANY)) + b"u",
        call(name("collections", "OrderedDict")) + KEPT + b"b",
    ),
    "long string": b"X" + struct.pack("<I", (1 << 31) - 1),
    "long bytes": b"\x8e" + struct.pack("<Q", 1 << 40),
    "long integer": b"\x8b" + struct.pack("<i", (1 << 31) - 1),
    "long decimal": b"L" + b"9" * DEEP + b"L\n",
    "far place in the memo": b"Nr\xff\xff\xff\xff",
}
# What a pickle declares as a weight: size, stride and offset; or another storage than the file holds.
TENSORS = {
    f"{shape!s:.40}": view(*shape)
    for shape in (
        *(((7,), (1,), 0), ((6,), (1,), 1), ((2, 3), (4, 1), 0), ((2,), (1 << 40,), 0), ((1 << 40,), (0,), 0)),
        *(((1 << 62, 1 << 62), (0, 0), 0), ((1,), (1,), 1 << 50), ((1 << 70, 0), (1, 1), 0), ((-1,), (1,), 0)),
        *(((3,), (-1,), 3), ((3,), (1,), -1), ((2, 3), (1,), 0), ((1,) * DEEP, (1,) * DEEP, 0)),
    )
}
TENSORS |= {
    f"size {size[:2]}": tensor(storage(), pack(size), pack(integer(1)))
    for size in (b"\x88", text("3"), b"G" + struct.pack(">d", 3.0), b"N", b"]")
}
TENSORS |= {f"storage of {n}": view((1,), (1,), 0, storage("0", n)) for n in (-1, 7, 10**10, 10**12, 10**18, 1 << 60)}
TENSORS |= {
    "storage of doubles": view((1,), (1,), 0, storage("0", 6, DOUBLES)),
    "storage of another key": view((1,), (1,), 0, storage("1")),
    "storage outside": view((1,), (1,), 0, storage("../version")),
    "storage of no type": view((1,), (1,), 0, storage("0", 6, text("float"))),
    "storage of a view": view(
        (6,), (1,), 0, storage("0", 6, name("torch", "FloatStorage"), pack(text("1"), integer(0), integer(10**9)))
    ),
}
VALUES = {
    "sparse": lambda: torch.zeros(3, 3).to_sparse(),
    "meta": lambda: torch.zeros(3, device="meta"),
    "complex": lambda: torch.zeros(3, dtype=torch.complex64),
    "float8": lambda: torch.zeros(3).to(torch.float8_e5m2),
    "module": lambda: torch.nn.Linear(3, 3),
    "words": lambda: "words",
    "list": lambda: [[torch.zeros(3)]],
    "command": lambda: Malicious(os.system, "touch trace"),
    "program": lambda: Malicious(subprocess.check_call, ["touch", "trace"]),
    "expression": lambda: Malicious(eval, "open('trace', 'w')"),
}
EMBEDDING = torch.randn(1000, 8)
FILES = {
    **{f"{case} in an archive": lambda c=c: build(mapping({"state_dict": c})) for case, c in CONTENTS.items()},
    **{f"{case} in an old file": lambda c=c: build_old(mapping({"state_dict": c})) for case, c in CONTENTS.items()},
    **{f"{case} in an archive": lambda t=t: build(state_dict(a=t)) for case, t in TENSORS.items()},
    **{f"{case} in an old file": lambda t=t: build_old(state_dict(a=t)) for case, t in TENSORS.items()},
    **{f"{case} in an archive": lambda v=v: save({"state_dict": {"pooler": v()}}) for case, v in VALUES.items()},
    **{
        f"{case} in an old file": lambda v=v: save({"a": EMBEDDING, "b": v()}, _use_new_zipfile_serialization=False)
        for case, v in VALUES.items()
    },
    **{
        f"command in protocol {n}": lambda n=n: save({"state_dict": {}, "x": VALUES["command"]()}, pickle_protocol=n)
        for n in (2, 3, 4, 5)
    },
    **{
        f"key {key!r}": lambda key=key: save({"state_dict": {key: EMBEDDING}})
        for key in ("\x1b[31mred", "line\nbreak", "\ud800", 3, None, 1.5, True)
    },
    **{
        f"old file that lists {list(listed.items())}": lambda listed=listed: build_old(HONEST, listed)
        for listed in ({}, {"1": (6, NUMBERS)}, {"0": (6, NUMBERS), "1": (6, NUMBERS)}, {"0": (5, NUMBERS)})
    },
    **{
        f"entry {said}": lambda said=said: build(HONEST, entry(*said[:2], **said[2]))
        for said in (
            ("data.pkl", finish(HONEST), {}),
            ("archive/data.pkl", finish(HONEST), {}),
            ("archive/x", b"x" * 9, {"flags": 1}),
            ("archive/x", b"x" * 9, {"method": 8, "size": 10**9, "stored_size": 9}),
            ("archive/x", b"x" * 9, {"size": 10**9, "stored_size": 9}),
            ("archive/data/1", b"x", {"size": 10**9}),
            ("archive/x", b"x", {"local_name": "archive/y"}),
            ("archive/x", b"x", {"start": 40}),
            ("archive/x", b"x", {"checksum": 1}),
        )
    },
    **{
        f"safetensors of {header!s:.60} and {len(data)} bytes": lambda h=header, d=data: build_safetensors(h, d)
        for header, data in (
            (b'{"a":[' + b"[" * DEEP, b""),
            (b"{" + b" " * (1 << 26) + b"}", b""),
            ({f"{index}": declare(0, 0, [0]) for index in range(DEEP)}, b""),
            ({"a": declare(0, 24, [1 << 40])}, NUMBERS),
            ({"a": declare(0, 1 << 40, [1 << 38])}, NUMBERS),
            ({"a": declare(0, 24, [6])}, NUMBERS + b"x"),
            ({"a": declare(0, 24, [6]), "b": declare(0, 24, [6])}, NUMBERS),
            ({"a": declare(0, 24, [3], "C64")}, NUMBERS),
            ({"\x1b[2J": declare(0, 24, [6])}, NUMBERS),
            ({}, b""),
        )
    },
    "pickle of something else": lambda: pickle.dumps({"state_dict": {}, "x": VALUES["command"]()}),
    "nested hyper-parameters": lambda: build(hyper_parameters((b"}" + text("a")) * DEEP + b"}" + b"s" * DEEP)),
    "doubled hyper-parameters": lambda: build(hyper_parameters(doubling(b")"))),
    "endless hyper-parameters": lambda: build(hyper_parameters(b"]q\x01h\x01a")),
    "long hyper-parameters": lambda: build(hyper_parameters(text("x" * (1 << 18)))),
    "many names for the same bytes": lambda: save({f"{index}": EMBEDDING for index in range(9)}),
    "many views of the same bytes": lambda: save({f"{row}": EMBEDDING[row:] for row in range(9)}),
    "many lists": lambda: build(b"(" + b"]" * (1 << 22) + b"t"),
    "many dictionaries": lambda: build(b"(" + b"}" * (1 << 21) + b"t"),
    "large pickle": lambda: build(text("x" * (1 << 24))),
    "many entries": lambda: build_zip(*(entry(f"archive/{index}") for index in range(DEEP))),
    "compressed zeros": lambda: build_zip(entry("archive/data.pkl", b"x" * 99, method=8, size=10**9, stored_size=99)),
    "TorchScript": script,
    "archive of NumPy": numpy_archive,
    # These are no bombs: what conversion does not use stays in the file.
    "state of an optimiser": lambda: save({"state_dict": {}, "optimizer_states": [torch.zeros(1 << 24)]}),
    "large record": lambda: build(HONEST, entry("archive/x", bytes(1 << 25))),
}
READ = {"state of an optimiser", "large record"}


def read_and_measure(path: Path) -> tuple[str, float]:
    """What reading a file says, and by how many MiB that raises the most memory in use."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        message = f"read {len(read_checkpoint(path))}"
    except ConversionError as error:
        message = str(error)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return message, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit


@pytest.fixture(scope="module")
def process():
    """A process, forked, whose peak of memory begins with what is in use."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as executor:
        yield executor


@pytest.mark.parametrize("case", FILES)
def test_hostile_file_is_refused_in_a_line(tmp_path, process, case):
    path = tmp_path / "file"
    path.write_bytes(FILES[case]())
    message, growth = process.submit(read_and_measure, path).result(timeout=30)
    path.unlink()
    assert message.startswith("read") if case in READ else str(path) in message
    assert message.isprintable() and len(message) < 600 + len(str(tmp_path))
    assert growth < 64
    assert not any(tmp_path.iterdir()) and not Path("trace").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "is a Git LFS pointer, .*; run `git",
        ),
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page, perhaps an error of the server"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a web page"),
        (b"\x1f\x8b\x08\0" + b"\0" * 30, "is compressed with gzip; unpack it first"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 30, "is an HDF5 file"),
        (b"\0" * 48 + bytes.fromhex("57fb808b247547db"), "belongs to a TensorFlow checkpoint"),
        (tar(), "is a tar archive; unpack it if the file is inside"),
        (b"\0" * 600, r"(is not a PyTorch checkpoint|is damaged or not a safetensors file) \(it begins with b'"),
        (pickle.dumps({}, 2), "(is a pickle of something else|is not a safetensors file; .* rename it to .ckpt)"),
        (call(SYSTEM, TOUCH), "is not a PyTorch checkpoint|is damaged or not a safetensors file"),
    ],
)
def test_file_of_another_format(read, data, message):
    for file_name in ("file.ckpt", "file.safetensors"):
        with pytest.raises(ConversionError, match=rf"{file_name} .*{message}"):
            read(data, file_name)


@pytest.mark.parametrize(
    "file_name", ("/dev/zero", "missing", "nowhere", "empty", "pipe", "loop", "empty/last", "x" * 300, ".")
)
def test_what_is_no_ordinary_file(tmp_path, file_name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "empty").touch()
    with pytest.raises(ConversionError, match=rf"{tmp_path / file_name} (is|cannot be read)|There is no file"):
        read_checkpoint(tmp_path / file_name)


# -------------------------------------------------------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """Small files in the three formats."""
    weights = {"weight": torch.randn(64, 32), "bias": torch.randn(64)}
    path = tmp_path_factory.mktemp("files") / "file"
    save_file(weights, path)
    old = save({"state_dict": weights}, _use_new_zipfile_serialization=False)
    return {"archive": save({"state_dict": weights}), "old": old, "safetensors": path.read_bytes()}


@pytest.mark.parametrize("layout", ("archive", "old", "safetensors"))
def test_file_that_ends_too_early(read, files, layout):
    """As of a download that broke off, or of a file that is still being written."""
    whole = files[layout]
    for length in (*range(1, 400, 7), *range(400, len(whole) - 400, 211), *range(len(whole) - 400, len(whole), 7)):
        with pytest.raises(ConversionError, match=r"file\.ckpt is "):
            read(whole[:length])


@pytest.mark.parametrize(("layout", "is_checked"), (("archive", True), ("old", False), ("safetensors", False)))
def test_damage_ends_in_the_weights_or_in_a_line(read, files, layout, is_checked):
    """
    Wherever bytes are zeroed or a bit is flipped. Without checksums, values may differ, which nobody can see; nothing
    else does.
    """
    whole, draws, num_read = files[layout], random.Random(0), 0
    expected = {key: weight.clone() for key, weight in read(whole)[0].items()}
    for number in range(300):
        damaged = bytearray(whole)
        start = draws.randrange(len(whole) if is_checked else 2000)
        if number % 2:
            damaged[start] ^= 1 << draws.randrange(8)
        else:
            size = draws.choice((4, 64, 512))
            damaged[start : start + size] = bytes(len(damaged[start : start + size]))
        try:
            weights, hyper_parameters = read(bytes(damaged))
        except ConversionError as error:
            assert "file.ckpt" in str(error)
            continue
        num_read += 1
        assert hyper_parameters == {}
        assert sum(weight.nbytes for weight in weights.values()) <= 2 * len(whole)
        if is_checked:
            assert weights.keys() == expected.keys()
            assert all(torch.equal(weights[key], expected[key]) for key in weights)
    assert not is_checked or num_read < 75


def test_damage_is_named(read, files):
    with zipfile.ZipFile(io.BytesIO(files["archive"])) as archive:
        start = {entry.filename.partition("/")[2]: entry.header_offset for entry in archive.infolist()}
    damaged = bytearray(files["archive"])
    damaged[start["data/0"] + 512 : start["data/0"] + 1024] = bytes(512)
    message = r"is damaged: its record 'data/0' differs from its checksum; .* or pass --skip-checksums"
    with pytest.raises(ConversionError, match=message):
        read(bytes(damaged))


def test_checksums_that_are_not_there(read, caplog):
    """As PyTorch writes a file if it is told to."""
    weight = torch.randn(64, 32)
    weight[3] = 0
    torch.serialization.set_crc32_options(False)
    try:
        data = save({"weight": weight})
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read(data, skip_checksums=True)[0]["weight"], weight)
    assert "file.ckpt was not compared with checksums" in caplog.text
    assert "look damaged: weight (blocks of zeros)" in caplog.text
    with pytest.raises(ConversionError, match=r"has no checksums, .* pass --skip-checksums"):
        read(data)


@pytest.mark.parametrize("is_archive", (True, False))
def test_tensors_that_look_damaged_are_named(read, caplog, is_archive):
    zeroed, large, padded, embeddings = (torch.randn(64, 48) for _ in range(4))
    zeroed.view(-1)[100:228] = 0  # 512 bytes
    large[5, 7] = -3e38
    padded[0], embeddings[1:] = 0, 0
    sound = {
        "bias": torch.zeros(64),
        "norm.weight": torch.ones(64),
        "patch.weight": torch.randn(8, 3, 4, 4).half(),
        "word_embeddings.weight": padded,
        "temporal_embeddings": embeddings,
        "position_ids": torch.zeros(2, 64, dtype=torch.long),
    }
    read(save(sound, _use_new_zipfile_serialization=is_archive), "sound")
    assert caplog.text == ""
    read(save(sound | {"zeroed": zeroed, "large": large}, _use_new_zipfile_serialization=is_archive), "damaged")
    if is_archive:
        assert caplog.text == "", "its checksums were right"
    else:
        assert "look damaged: zeroed (blocks of zeros), large (values up to 3e+38). Compare" in caplog.text
