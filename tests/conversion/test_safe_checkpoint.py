"""Files that want to run code, to lead outside, or to fill the memory, each built byte by byte; and honest ones."""

import io
import json
import math
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections import Counter, OrderedDict, defaultdict
from pathlib import PurePosixPath
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


def storage(key: str, numel: int, kind: str = "FloatStorage", *rest: bytes) -> bytes:
    return pack(text("storage"), name("torch", kind), text(key), text("cpu"), integer(numel), *rest) + b"Q"


def tensor(stored: bytes, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    shape = (pack(*map(integer, size)), pack(*map(integer, stride)))
    hooks = call(name("collections", "OrderedDict"))
    return call(name("torch._utils", "_rebuild_tensor_v2"), stored, integer(offset), *shape, b"\x89", hooks)


def finish(content: bytes) -> bytes:
    return b"\x80\x02" + content + b"."


# --------------------------------------------------------------------------------------------------- archives by bytes


def entry(path: str, data: bytes = b"", **said) -> dict:
    """A record of an archive; `said` is what the directory says of it where that is not so."""
    return {"name": path, "data": data} | said


def build_zip(*entries: dict, comment: bytes = b"") -> bytes:
    body, directory = bytearray(), bytearray()
    for record in entries:
        stored, written = record["name"].encode(), record.get("local_name", record["name"]).encode()
        start = record.get("start", len(body))
        size = record.get("size", len(record["data"]))
        checksum = record.get("checksum", zlib.crc32(record["data"]))
        middle = struct.pack("<5HI", 20, record.get("flags", 0), record.get("method", 0), 0, 0, checksum)
        sizes = struct.pack("<2I", record.get("stored_size", size), size)
        extra, local_extra = record.get("extra", b""), record.get("local_extra", b"")
        body += b"PK\3\4" + middle + sizes + struct.pack("<2H", len(written), len(local_extra)) + written + local_extra
        body += record["data"]
        lengths = struct.pack("<5HIi", len(stored), len(extra), 0, 0, 0, 0, start)
        directory += b"PK\1\2" + struct.pack("<H", 20) + middle + sizes + lengths + stored + extra
    count = min(len(entries), 0xFFFF)
    end = struct.pack("<4H2IH", 0, 0, count, count, len(directory), len(body), len(comment))
    return bytes(body + directory) + b"PK\5\6" + end + comment


def build_archive(content: bytes, storages: dict[str, bytes] | None = None, *more: dict) -> bytes:
    records = {"data.pkl": finish(content), "version": b"3\n", "byteorder": b"little"}
    records |= {f"data/{key}": data for key, data in (storages or {}).items()}
    return build_zip(*(entry(f"archive/{path}", data) for path, data in records.items()), *more)


def build_old(content: bytes, storages: dict[str, bytes] | None = None) -> bytes:
    """The format from before PyTorch 1.6."""
    storages = storages or {}
    start = [integer(0x1950A86A20F9469CFC6C), integer(1001), b"}", content]
    keys = b"](" + b"".join(map(text, storages)) + b"e"
    data = b"".join(struct.pack("<q", len(stored) // 4) + stored for stored in storages.values())
    return b"".join(map(finish, [*start, keys])) + data


BUILDERS = {"archive": build_archive, "old": build_old}
NUMBERS = struct.pack("<6f", *range(6))


def build(content: bytes) -> bytes:
    return build_archive(content, {"0": NUMBERS})


def state_dict(**items: bytes) -> bytes:
    return mapping({"state_dict": mapping(items)})


HONEST = state_dict(weight=tensor(storage("0", 6), (2, 3), (3, 1)))


@pytest.fixture
def read(tmp_path):
    """Write some bytes as a file and read it."""

    def run(data: bytes, file_name: str = "file.ckpt"):
        (tmp_path / file_name).write_bytes(data)
        return read_checkpoint(tmp_path / file_name)

    return run


@pytest.fixture
def refuse(tmp_path, read):
    """Write some bytes as a file, expect that it is refused in one line, and that no other file appears."""

    def run(pattern: str, data: bytes, file_name: str = "file.ckpt"):
        with pytest.raises(ConversionError, match=pattern) as error:
            read(data, file_name)
        message = str(error.value)
        assert str(tmp_path / file_name) in message
        assert message.isprintable() and len(message) < 600 + len(str(tmp_path))
        (tmp_path / file_name).unlink()
        assert not any(tmp_path.iterdir())

    return run


# ---------------------------------------------------------------------------------------------------------- what reads


@pytest.mark.parametrize("file_name", ("file.ckpt", "file.pth", "file.bin", "file"))
def test_honest_files(read, file_name):
    for build_file, rest in ((build_archive, []), (build_old, [b"N"])):
        content = state_dict(
            weight=tensor(storage("0", 6, "FloatStorage", *rest) + b"q\x01", (2, 3), (3, 1)),
            row=tensor(b"h\x01", (3,), (1,), offset=3),
        )
        weights, hyper_parameters = read(build_file(content, {"0": NUMBERS}), file_name)
        assert weights["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert weights["row"].tolist() == [3, 4, 5]
        assert weights["row"].data_ptr() == weights["weight"][1].data_ptr()
        assert hyper_parameters == {}


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


def test_every_type_of_weights(tmp_path):
    for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int16, torch.uint8, torch.bool):
        expected = torch.arange(4).to(dtype)
        for is_archive in (True, False):
            torch.save({"weight": expected}, tmp_path / "file", _use_new_zipfile_serialization=is_archive)
            assert torch.equal(read_checkpoint(tmp_path / "file")[0]["weight"], expected)
        save_file({"weight": expected}, tmp_path / "file")
        assert torch.equal(read_checkpoint(tmp_path / "file")[0]["weight"], expected)


# ---------------------------------------------------------------------------------------------------------------- code


class Malicious:
    """Pickles to a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch {}",), "(posix|nt).system"),
        (subprocess.check_call, (["touch", "{}"],), "subprocess.check_call"),
        (eval, ("open('{}', 'w')",), "builtins.eval"),
        (open, ("{}", "w"), "io.open"),
    ],
)
def test_no_code_of_a_pickle_runs(tmp_path, refuse, function, arguments, name):
    trace = tmp_path / "trace"

    def fill(argument):
        return [fill(part) for part in argument] if isinstance(argument, list) else argument.format(trace)

    content = {"state_dict": {}, "callbacks": {"x": Malicious(function, *map(fill, arguments))}}
    message = rf"asks for {name}, which .* could run code .*; nothing was loaded"
    for is_archive in (True, False):
        file = io.BytesIO()
        torch.save(content, file, _use_new_zipfile_serialization=is_archive)
        refuse(message, file.getvalue())
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        pickled = pickle.dumps(content, protocol)
        refuse(message, pickled)
        refuse(message, build_zip(entry("archive/data.pkl", pickled), entry("archive/version", b"3\n")))


SYSTEM = name("posix", "system")


@pytest.mark.parametrize("layout", BUILDERS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (call(SYSTEM, text("touch trace")), "asks for posix.system"),
        (text("posix") + text("system") + b"\x93" + pack(text("touch trace")) + b"R", "asks for posix.system"),
        (b"(S'touch trace'\niposix\nsystem\n", "holds the pickle instruction STRING"),
        (b"(iposix\nsystem\n", "holds the pickle instruction INST"),
        (b"(" + SYSTEM + text("touch trace") + b"o", "asks for posix.system"),
        (b"\x82\x01", "holds the pickle instruction EXT1"),
        (call(name("torch.hub", "load"), text("x")), "asks for torch.hub.load"),
        (call(name("torch", "load"), text("x")), "asks for torch.load"),
        (call(name("collections", "OrderedDict"), b"}"), r"calls collections\.OrderedDict in a way"),
        (call(name("builtins", "list") + b")\x81", b"}"), "calls what is not a function"),
        (name("builtins", "\x1b[2Jeval"), r"asks for 'builtins\.\\x1b\[2Jeval', which"),
        (call(name("_codecs", "encode"), text("x"), text("zlib_codec")), "calls _codecs.encode in a way"),
        (pack(text("module"), SYSTEM, text("x.py"), text("x")) + b"Q", "asks for posix.system"),
        (pack(text("module"), name("builtins", "list"), text("x.py"), text("x")) + b"Q", "declares a storage .* way"),
        (call(name("collections", "OrderedDict")) + mapping({"get": b"N"}) + b"b", "replaces 'get' of a dictionary"),
        (b"]}b", "sets the state of what has none"),
        (call(name("collections", "Counter"), b"}") + b"}b", "sets the state of what has none"),
        (b"]K\x01K\x02s", "sets items of a list"),
        (b"K\x01Q", "declares a storage of tensors in a way"),
        (b"}K\x01\x85\x93", "(damaged|has no name|list index)"),
        (b"}}\x93", "asks for something that has no name"),
    ],
)
def test_instructions_that_no_checkpoint_needs(tmp_path, monkeypatch, refuse, layout, content, message):
    monkeypatch.chdir(tmp_path)
    refuse(message, BUILDERS[layout](mapping({"state_dict": content})))


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (lambda: torch.zeros(3, 3).to_sparse(), "asks for torch._utils._rebuild_sparse_tensor"),
        (lambda: torch.zeros(3, device="meta"), "asks for torch._utils._rebuild_meta_tensor_no_storage"),
        (lambda: torch.quantize_per_tensor(torch.zeros(3), 1.0, 0, torch.qint8), "asks for torch.*[qQ]"),
        (lambda: torch.zeros(3, dtype=torch.complex64), "asks for torch.ComplexFloatStorage"),
        (lambda: torch.zeros(3).to(torch.float8_e5m2), "asks for torch._utils._rebuild_tensor_v3"),
        (lambda: torch.nn.Linear(3, 3), "asks for torch.nn.modules.linear.Linear"),
        (lambda: bytearray(3), "asks for builtins.bytearray"),
        (lambda: "words", "holds 'pooler', which is a str, but expected a tensor"),
        (lambda: [[torch.zeros(3)]], "holds 'pooler', which is a list, but expected a tensor"),
    ],
)
def test_what_is_not_a_dense_tensor(refuse, saved, message):
    for is_archive in (True, False):
        file = io.BytesIO()
        torch.save({"state_dict": {"pooler": saved()}}, file, _use_new_zipfile_serialization=is_archive)
        refuse(message, file.getvalue())


def test_names_of_weights(refuse):
    for key in ("\x1b[31mred", "line\nbreak", "\ud800", 3, None, 1.5, True):
        file = io.BytesIO()
        torch.save({"state_dict": {key: torch.zeros(3)}}, file)
        refuse("holds the weight .*, but expected a printable name|has a key of type float", file.getvalue())


def test_protocol(refuse):
    for protocol in (3, 4, 5):
        file = io.BytesIO()
        torch.save({"weight": torch.zeros(3)}, file, pickle_protocol=protocol)
        refuse(f"is pickled in protocol {protocol}; only torch.save's own, protocol 2", file.getvalue())


# ------------------------------------------------------------------------------------------------------------- tensors


@pytest.mark.parametrize("layout", BUILDERS)
@pytest.mark.parametrize(
    ("size", "stride", "offset", "message"),
    [
        ((7,), (1,), 0, r"'a\.weight' of shape \(7,\), .* its storage '0' has only 6 elements"),
        ((6,), (1,), 1, r"'a\.weight' of shape \(6,\), stride \(1,\) and offset 1, but"),
        ((2, 3), (4, 1), 0, r"stride \(4, 1\)"),
        ((2,), (1 << 40,), 0, "'a.weight'"),
        ((1 << 40,), (0,), 0, "'a.weight'"),
        ((1 << 62, 1 << 62), (0, 0), 0, "'a.weight'"),
        ((1,), (1,), 1 << 50, "'a.weight'"),
        ((1 << 70, 0), (1, 1), 0, "'a.weight' with a shape that no tensor has"),
        ((-1,), (1,), 0, "'a.weight' with a shape that no tensor has"),
        ((3,), (-1,), 3, "'a.weight' with a shape that no tensor has"),
        ((3,), (1,), -1, "'a.weight' with a shape that no tensor has"),
        ((2, 3), (1,), 0, "'a.weight' with a shape that no tensor has"),
        ((1,) * 100_000, (1,) * 100_000, 0, "'a.weight' with a shape that no tensor has"),
    ],
)
def test_tensor_that_reaches_beyond_its_storage(refuse, layout, size, stride, offset, message):
    stored = storage("0", 6, "FloatStorage", *([b"N"] if layout == "old" else []))
    content = state_dict(**{"a.weight": tensor(stored, size, stride, offset)})
    refuse(f"declares the tensor .*{message}", BUILDERS[layout](content, {"0": NUMBERS}))


def test_sizes_that_are_not_numbers(refuse):
    for size in (b"\x88", text("3"), b"G" + struct.pack(">d", 3.0), b"N", b"]"):
        hooks = call(name("collections", "OrderedDict"))
        rebuild = name("torch._utils", "_rebuild_tensor_v2")
        weight = call(rebuild, storage("0", 6), integer(0), pack(size), pack(integer(1)), b"\x89", hooks)
        refuse("declares the tensor 'a' with a shape that no tensor has", build(state_dict(a=weight)))


def test_storage_that_is_larger_than_its_record(refuse):
    for numel in (7, 10**12, 10**18):
        weight = tensor(storage("0", numel), (1,), (1,))
        refuse(f"declares {4 * numel} bytes of weights as its storage '0', but holds 24", build(state_dict(a=weight)))
    weight = tensor(storage("0", 6, "DoubleStorage"), (6,), (1,))
    refuse("declares 48 bytes of weights as its storage '0', but holds 24", build(state_dict(a=weight)))
    weight = tensor(storage("../version", 1, "ByteStorage"), (1,), (1,))
    refuse(r"declares 1 bytes .* storage '\.\./version', but holds no record", build(state_dict(a=weight)))


def test_storage_that_an_old_file_does_not_hold(refuse):
    for numel in (7, 10**12, 10**18):
        content = state_dict(a=tensor(storage("0", numel, "FloatStorage", b"N"), (1,), (1,)))
        refuse(f"it declares {8 + 4 * numel} bytes of weights, but holds 32", build_old(content, {"0": NUMBERS}))
    content = state_dict(a=tensor(storage("0", 6, "FloatStorage", b"N"), (6,), (1,)))
    for stored in ({}, {"1": NUMBERS}, {"0": NUMBERS, "1": NUMBERS}):
        refuse("the storages that it lists are not those of its tensors", build_old(content, stored))
    view = pack(text("1"), integer(0), integer(10**9))
    content = state_dict(a=tensor(storage("0", 6, "FloatStorage", view), (6,), (1,)))
    refuse("declares a storage of tensors in a way that torch.save does not", build_old(content, {"0": NUMBERS}))


def test_storage_that_is_declared_wrongly(refuse):
    for numel in (-1, 1 << 60):
        refuse("declares a storage of tensors in a way", build(state_dict(a=tensor(storage("0", numel), (1,), (1,)))))
    for other in (storage("0", 5), storage("0", 3, "DoubleStorage")):
        content = state_dict(a=tensor(storage("0", 6), (6,), (1,)), b=tensor(other, (3,), (1,)))
        refuse("declares its storage '0' twice, with different sizes or types", build(content))


def test_many_names_for_the_same_bytes(tmp_path, read, refuse):
    path = tmp_path / "file.ckpt"
    embedding = torch.randn(1000, 8)
    torch.save({"embedding": embedding, "decoder": embedding, "row": embedding[1]}, path)
    assert torch.equal(read_checkpoint(path)[0]["decoder"], embedding)
    for weights in ({f"{index}": embedding for index in range(9)}, {f"{row}": embedding[row:] for row in range(9)}):
        torch.save({"state_dict": weights}, path)
        refuse("declares 28.... bytes of weights, many times its own 3....: they share memory", path.read_bytes())


# ------------------------------------------------------------------------------------------------------------ archives


ORDINARY = (
    entry("archive/data.pkl", finish(HONEST)),
    entry("archive/version", b"3\n"),
    entry("archive/data/0", NUMBERS),
)


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (entry("/etc/passwd"), "'/etc/passwd', whose path leads outside"),
        (entry("archive/../../x"), r"'archive/\.\./\.\./x', whose path leads outside"),
        (entry("..\\x"), r"'\.\.\\\\x', whose path leads outside"),
        (entry("C:x"), "'C:x', whose path leads outside"),
        (entry("other/data.pkl"), "'other/data.pkl', which is not in 'archive/', where all should be"),
        (entry("data.pkl", finish(HONEST)), "'data.pkl', which is not in 'archive/', where all should be"),
        (entry("archive/\x1b[2J"), r"'archive/\\x1b\[2J', whose name is not printable"),
        (entry("archive/x\0y"), "'archive/x', whose name is not printable"),
        (entry("archive/data.pkl", finish(HONEST)), "'archive/data.pkl', whose name it has 2 times"),
        (entry("archive/DATA.PKL", finish(HONEST)), "'archive/[dD].*', whose name it has 2 times"),
        (entry("archive/x", b"x" * 9, flags=1), "'archive/x', which is encrypted"),
        (entry("archive/x", b"x" * 9, method=8, size=10**9, stored_size=9), "is compressed to 9 of 1000000000 bytes"),
        (entry("archive/x", b"x" * 9, size=10**9, stored_size=9), "which declares 1000000000 bytes, but holds 9"),
        (entry("archive/data/1", b"x", size=10**9), r"'archive/data/1', whose 1000000000 bytes from \d+ reach beyond"),
        (entry("archive/x", b"x", size=10**9), "'archive/x', which has 1000000000 bytes, more than .* not a tensor"),
        (entry("archive/x", b"x", local_name="archive/y"), "'archive/x', but something else in its place"),
        (entry("archive/x", b"x", start=0), r"'archive/data\.pkl', whose \d+ bytes from 46 reach beyond 0"),
        (entry("archive/x", b"x", start=40), "'archive/data.pkl', whose .* bytes from 46 reach beyond 40"),
        (entry("archive/data/1", b"x", local_extra=b"x" * 60, size=60), "whose 60 bytes .* reach beyond"),
        (entry("archive/x", extra=struct.pack("<2HQ", 1, 8, 1) * 2), "which has fields that torch.save does not"),
        (entry("archive/x", extra=struct.pack("<2HQ", 9, 8, 1)), "which has fields that torch.save does not write"),
        (entry("archive/constants.pkl"), "is a TorchScript archive, which is code; save the state_dict"),
        (entry("archive/code/__torch__.py"), "is a TorchScript archive, which is code; save the state_dict"),
    ],
)
def test_entry_that_no_archive_of_pytorch_has(refuse, hostile, message):
    refuse(message, build_zip(*ORDINARY, hostile))


def test_entry_that_overlaps_the_next(refuse):
    first = len(build_zip(ORDINARY[0])) - len(build_zip(entry("archive/data.pkl"))) + 30 + len("archive/data.pkl")
    refuse(
        f"'archive/data.pkl', whose .* bytes .* reach beyond {first}",
        build_zip(entry("archive/data.pkl", finish(HONEST), size=first), *ORDINARY[1:]),
    )


def test_directory_that_readers_find_in_different_places(read, refuse):
    archive = build_zip(*ORDINARY)
    assert read(archive)[0]["weight"].shape == (2, 3)
    refuse(
        "is damaged or truncated: the directory of an archive is not at its end",
        build_zip(*ORDINARY, comment=b"comment"),
    )
    refuse("is damaged or truncated: the directory of an archive is not at its end", archive + b"\0")
    refuse("its directory is not where its end says", archive + archive)
    body, end = archive[:-22], archive[-22:]
    directory_size, directory_start = struct.unpack("<2I", end[12:20])
    for start in (0, len(body), 7):
        end_64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 3, 3, directory_size, directory_start)
        locator = struct.pack("<4sIQI", b"PK\6\7", 0, start, 1)
        if start == len(body):
            assert read(body + end_64 + locator + end)[0]["weight"].shape == (2, 3)
        else:
            refuse("is not an archive of torch.save: it has two ends", body + end_64 + locator + end)
    refuse("its directory is not where its end says", body + end[:16] + struct.pack("<I", 0) + end[20:])
    empty = struct.pack("<4H2IH", 0, 0, 1, 1, 46, 4, 0)
    refuse("is damaged or truncated", b"PK\3\4" + b"\0" * 46 + b"PK\5\6" + empty)
    refuse("is damaged or truncated", b"PK\3\4" + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 0, 0, 0, 4, 0))


def test_archive_of_something_else(tmp_path, refuse):
    np.savez(tmp_path / "file.ckpt.npz", weight=np.zeros(3))
    (tmp_path / "file.ckpt.npz").rename(tmp_path / "file.ckpt")
    refuse("is a zip archive without data.pkl, so not one of torch.save", (tmp_path / "file.ckpt").read_bytes())
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("last.ckpt", build_zip(*ORDINARY))
    refuse("is a zip archive without data.pkl, .* unpack it if the file is inside", file.getvalue())
    scripted = torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2))
    torch.jit.save(scripted, tmp_path / "file.ckpt")
    refuse("is a TorchScript archive, which is code", (tmp_path / "file.ckpt").read_bytes())


def test_file_that_ends_too_early(tmp_path, refuse):
    """At every length, as of a download that broke off, or of a file that is still being written."""
    rest = {build_archive: [], build_old: [b"N"]}
    for build_file in rest:
        content = state_dict(weight=tensor(storage("0", 6, "FloatStorage", *rest[build_file]), (2, 3), (3, 1)))
        whole = build_file(content, {"0": NUMBERS})
        for length in range(1, len(whole)):
            refuse("is (damaged or truncated|not a PyTorch checkpoint)", whole[:length])
    save_file({"weight": torch.zeros(6)}, tmp_path / "file.ckpt")
    whole = (tmp_path / "file.ckpt").read_bytes()
    for length in range(1, len(whole)):
        refuse("is (damaged or truncated|not a PyTorch checkpoint)", whole[:length])


# ----------------------------------------------------------------------------------------------------------- checksums


@pytest.fixture
def saved(tmp_path) -> bytes:
    """A file of `torch.save`."""
    torch.save({"state_dict": {"weight": torch.randn(64, 32), "bias": torch.randn(64)}}, tmp_path / "file.ckpt")
    return (tmp_path / "file.ckpt").read_bytes()


def test_no_damage_is_read(read, saved):
    """Wherever bytes are zeroed or a bit is flipped, the weights are the same, as between records, or refused."""
    expected, _ = read(saved)
    draws, num_read, num_silent = random.Random(0), 0, 0
    for number in range(200):
        damaged = bytearray(saved)
        if number % 2:
            damaged[draws.randrange(len(saved))] ^= 1 << draws.randrange(8)
        else:
            start, size = draws.randrange(len(saved)), draws.choice((4, 64, 512))
            damaged[start : start + size] = bytes(len(damaged[start : start + size]))
        try:
            weights, hyper_parameters = read(bytes(damaged), f"{number}.ckpt")
        except ConversionError:
            continue
        num_read += 1
        is_same = weights.keys() == expected.keys() and all(
            torch.equal(weights[key], expected[key]) for key in weights
        )
        num_silent += not is_same or hyper_parameters != {}
    assert num_silent == 0 and num_read < 50


def test_records_are_named(refuse, saved):
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        start = {entry.filename.partition("/")[2]: entry.header_offset for entry in archive.infolist()}
    damaged = bytearray(saved)
    damaged[start["data/0"] + 512 : start["data/0"] + 1024] = bytes(512)
    refuse(
        r"is damaged: its record 'data/0' has the checksum [0-9a-f]{8}, .* or pass --skip-checksums", bytes(damaged)
    )
    refuse("its record 'data.pkl' has the checksum", saved.replace(b"weight", b"Weight"))


def test_checksums_that_are_not_there(tmp_path, refuse, caplog):
    """As PyTorch writes a file if it is told to."""
    weight = torch.randn(64, 32)
    weight[3] = 0
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"weight": weight}, tmp_path / "file.ckpt")
    finally:
        torch.serialization.set_crc32_options(True)
    weights, _ = read_checkpoint(tmp_path / "file.ckpt", skip_checksums=True)
    assert torch.equal(weights["weight"], weight)
    assert f"{tmp_path / 'file.ckpt'} was not compared with checksums" in caplog.text
    assert "look damaged: weight (blocks of zeros)" in caplog.text
    refuse(r"has no checksums, .* pass --skip-checksums", (tmp_path / "file.ckpt").read_bytes())


@pytest.mark.parametrize("layout", ("archive", "old", "safetensors"))
def test_tensors_that_look_damaged_are_named(tmp_path, caplog, layout):
    def read(**weights) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.file"
        if layout == "safetensors":
            save_file(weights, path)
        else:
            torch.save(weights, path, _use_new_zipfile_serialization=layout == "archive")
        caplog.clear()
        found, _ = read_checkpoint(path)
        assert all(torch.equal(found[name], weight) for name, weight in weights.items())
        return caplog.text

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
    assert read(**sound) == ""
    warning = read(**sound, zeroed=zeroed, large=large)
    if layout == "archive":
        assert warning == "", "its checksums were right"
    else:
        assert "tensors look damaged: " in warning and warning.count("(") == 2
        assert "zeroed (blocks of zeros)" in warning and "large (values up to 3e+38)" in warning


# ------------------------------------------------------------------------------------------------ what kind of file


def build_tar(*members: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for member in members:
            archive.addfile(tarfile.TarInfo(member))
    return file.getvalue()


@pytest.mark.parametrize("suffix", (".ckpt", ".pth", ".bin", ".safetensors"))
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "is a Git LFS pointer, .*; run `git lfs pull`",
        ),
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page, perhaps an error of the server"),
        (b"<html>404</html>", "is a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a web page"),
        (b"\x1f\x8b\x08\0" + b"\0" * 30, "is compressed with gzip; unpack it first"),
        (b"BZh91AY", "is compressed with bzip2"),
        (b"\xfd7zXZ\0" + b"\0" * 30, "is compressed with xz"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 30, "is an HDF5 file"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "is a PNG image"),
        (b"\0" * 48 + bytes.fromhex("57fb808b247547db"), "belongs to a TensorFlow checkpoint"),
        (build_tar("storages", "tensors", "pickle"), "is a tar archive; unpack it if the file is inside"),
        (build_tar("../../etc/passwd"), "is a tar archive"),
    ],
)
def test_file_of_another_format(refuse, data, message, suffix):
    refuse(message, data, f"file{suffix}")


def test_file_of_no_known_format(refuse):
    for data in (b"These are not the weights\nyou are looking for.\n", b"\0" * 600, b"PK\5\6" + b"\0" * 18, b"x"):
        refuse(r"is not a PyTorch checkpoint \(it begins with b'", data)
        refuse(r"is damaged or not a safetensors file \(it begins with b'", data, "file.safetensors")
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        refuse("is not a PyTorch checkpoint .*pickle of something else", pickle.dumps({"state_dict": {}}, protocol))
    refuse("belongs to a TensorFlow checkpoint", b"\0" * 99, "model.ckpt.data-00000-of-00001")


def test_content_decides_not_the_name(tmp_path, refuse):
    weight = torch.arange(6.0)
    for file_name in ("file.ckpt", "file.pth", "file.bin", "file.safetensors"):
        save_file({"weight": weight}, tmp_path / file_name)
        assert torch.equal(read_checkpoint(tmp_path / file_name)[0]["weight"], weight)
        (tmp_path / file_name).unlink()
    for build_file in (build_archive, build_old):
        refuse("is not a safetensors file; .* rename it to .ckpt", build_file(HONEST), "file.safetensors")


def test_tar_in_the_guise_of_a_pickle(refuse):
    """The first bytes are those of an old file, and the first 512 a valid header of tar, which PyTorch looks for."""
    header = bytearray(build_tar("x")[:512])
    start = finish(integer(0x1950A86A20F9469CFC6C))
    header[: len(start)] = start
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    refuse("is a tar archive", bytes(header) + b"\0" * 1024)


# --------------------------------------------------------------------------------------------------------- safetensors


def build_safetensors(header: dict | bytes, data: bytes = b"") -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def declare(start: int, end: int, shape: list[int], dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (struct.pack("<Q", 1 << 62) + b"{}", r"is damaged or not a safetensors file"),
        (struct.pack("<Q", (1 << 64) - 1) + b"{}", r"is damaged or not a safetensors file"),
        (b"{" * 8, r"is damaged or not a safetensors file"),
        (build_safetensors(b"{" + b" " * (1 << 22) + b"}"), "has a header of 4194306 bytes, more than 4194304"),
        (build_safetensors(b"{" * 100_000), "is damaged or truncated"),
        (build_safetensors(b'{"a":[' + b"[" * 100_000), "is damaged or truncated"),
        (build_safetensors({"a": declare(0, 24, [1 << 40])}, NUMBERS), "is damaged or truncated"),
        (build_safetensors({"a": declare(0, 24, [1 << 33, 1 << 33])}, NUMBERS), "is damaged or truncated"),
        (build_safetensors({"a": declare(0, 1 << 40, [1 << 38])}, NUMBERS), "is damaged or truncated"),
        (build_safetensors({"a": declare(0, 24, [6])}, NUMBERS[:-1]), "is damaged or truncated"),
        (build_safetensors({"a": declare(0, 24, [6])}, NUMBERS + b"x"), "is damaged or truncated"),
        (
            build_safetensors({"a": declare(0, 24, [6]), "b": declare(0, 24, [6])}, NUMBERS),
            "is damaged or truncated",
        ),
        (
            build_safetensors({"a": declare(0, 16, [4]), "b": declare(12, 24, [3])}, NUMBERS),
            "is damaged or truncated",
        ),
        (build_safetensors({"a": declare(24, 0, [6])}, NUMBERS), "is damaged or truncated"),
        (build_safetensors({"a": declare(0, 24, [-6])}, NUMBERS), "is damaged or truncated"),
        (build_safetensors({"a": declare(0, 24, [6], "X32")}, NUMBERS), "is damaged or truncated"),
        (build_safetensors({"a": declare(0, 24, [24], "F8_E5M2")}, NUMBERS), "holds 'a' in torch.float8_e5m2"),
        (build_safetensors({"a": declare(0, 24, [3], "C64")}, NUMBERS), "holds 'a' in torch.complex64"),
        (build_safetensors({"\x1b[2J": declare(0, 24, [6])}, NUMBERS), "but expected a printable name"),
        (build_safetensors({}), "holds no state_dict; it holds nothing"),
    ],
)
def test_damaged_safetensors(refuse, data, message):
    refuse(message, data, "file.safetensors")


# ------------------------------------------------------------------------------------------------------- special files


def test_what_is_no_ordinary_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.ckpt")
    (tmp_path / "loop.ckpt").symlink_to("loop.ckpt")
    (tmp_path / "nowhere.ckpt").symlink_to("missing.ckpt")
    (tmp_path / "empty.ckpt").touch()
    messages = {
        "missing.ckpt": r"There is no file .*missing\.ckpt\.",
        "nowhere.ckpt": r"There is no file .*nowhere\.ckpt\.",
        "empty.ckpt": r"empty\.ckpt is empty\.",
        "pipe.ckpt": r"pipe\.ckpt is not a regular file\.",
        "loop.ckpt": r"loop\.ckpt cannot be read \(Too many levels of symbolic links\)\.",
        "empty.ckpt/last.ckpt": r"cannot be read \(Not a directory\)\.",
        "x" * 300: r"cannot be read \(File name too long\)\.",
        ".": "is a directory; give the checkpoint file itself, such as .*last.ckpt",
        "/dev/zero": "/dev/zero is not a regular file",
    }
    for name, message in messages.items():
        with pytest.raises(ConversionError, match=message):
            read_checkpoint(tmp_path / name)


def test_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "file.ckpt"
    path.write_bytes(build(HONEST))
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # who may read everything must become another to be refused
    try:
        with pytest.raises(ConversionError, match=r"file\.ckpt cannot be read \(Permission denied\)\."):
            read_checkpoint(path)
    finally:
        os.seteuid(user)


# ---------------------------------------------------------------------------------------------------- hyper-parameters


def test_hyper_parameters_are_plain(tmp_path):
    config = {
        "words": "a",
        "numbers": [1, -2.5, True, None, math.inf, (1 << 63) - 1],
        "tuple": (1, ("a",)),
        "nested": {"itm": 1, "weights": torch.zeros(3), 3: "no name"},
        "huge": 1 << 63,
        "path": PurePosixPath("result"),
        "array": np.float64(3),
        "tensors": [torch.zeros(3), 1],
    }
    for hyper_parameters in ({"config": config}, config):
        torch.save({"state_dict": {}, "hyper_parameters": hyper_parameters}, tmp_path / "file.ckpt")
        assert read_checkpoint(tmp_path / "file.ckpt")[1] == {
            "words": "a",
            "numbers": [1, -2.5, True, None, math.inf, (1 << 63) - 1],
            "tuple": [1, ["a"]],
            "nested": {"itm": 1},
            "tensors": [1],
        }
    for hyper_parameters in (None, 3, [config], {"config": None}):
        torch.save({"state_dict": {}, "hyper_parameters": hyper_parameters}, tmp_path / "file.ckpt")
        expected = {"config": None} if isinstance(hyper_parameters, dict) else {}
        assert read_checkpoint(tmp_path / "file.ckpt")[1] == expected


def test_hyper_parameters_without_end(tmp_path):
    circle, wide = [], [0]
    circle.append(circle)
    for _ in range(9):
        wide = [wide] * 10
    for value in (circle, wide, "x" * (1 << 18)):
        torch.save({"state_dict": {}, "hyper_parameters": {"config": {"value": value}}}, tmp_path / "file.ckpt")
        with pytest.raises(ConversionError, match="holds hyper-parameters that are too many or too deeply nested"):
            read_checkpoint(tmp_path / "file.ckpt")


# -------------------------------------------------------------------------------------------------------------- memory

KEPT = b"h\x01"  # what was put in the first place of the memo
MANY, DEEP = 20_000, 100_000


def doubling(value: bytes) -> bytes:
    """A tuple of which each half is a tuple of which each half …, 60 times."""
    return value + b"q\x01h\x01\x86" * 60


def repeat(value: bytes, instructions: bytes) -> bytes:
    """A tuple of a value, which is kept, and of what instructions make of it many times."""
    return b"(" + value + b"q\x01" + instructions * MANY + b"t"


def hyper_parameters(value: bytes) -> bytes:
    return mapping({"state_dict": b"}", "hyper_parameters": mapping({"a": value})})


def weight_of(numel: int, size: int = 1, *rest: bytes) -> bytes:
    return state_dict(a=tensor(storage("0", numel, "FloatStorage", *rest), (size,), (1,)))


BOMBS = {
    "nested lists": (lambda: build(b"]" * DEEP + b"a" * (DEEP - 1)), "holds a list, but expected a dictionary"),
    "nested weights": (lambda: build(state_dict(a=b"]" * DEEP + b"a" * (DEEP - 1))), "which is a list"),
    "nested tuples": (lambda: build(state_dict(a=b")" + b"\x85" * DEEP)), "which is a tuple"),
    "nested hyper-parameters": (
        lambda: build(hyper_parameters((b"}" + text("a")) * DEEP + b"}" + b"s" * DEEP)),
        "hyper-parameters that are too many or too deeply nested",
    ),
    "nested key": (lambda: build(b"})" + b"\x85" * 4 * DEEP + b"Ns"), "has a key of type tuple"),
    "doubled key": (lambda: build(b"}" + doubling(b")") + b"Ns"), "has a key of type tuple"),
    "doubled name": (lambda: build(doubling(b")") + text("a") + b"\x93"), "asks for something that has no name"),
    "doubled function": (lambda: build(doubling(b")") + b")R"), "calls what is not a function"),
    "doubled hyper-parameters": (
        lambda: build(hyper_parameters(doubling(b")"))),
        "hyper-parameters that are too many or too deeply nested",
    ),
    "colliding keys": (
        lambda: build(b"}(" + b"".join(integer(index * ((1 << 61) - 1)) + b"N" for index in range(1, MANY)) + b"u"),
        "has a key of type int",
    ),
    "many lists": (lambda: build(b"(" + b"]" * (1 << 22) + b"t"), "has more than 524288 pickle instructions"),
    "bytearray": (lambda: build(call(name("builtins", "bytearray"), integer(10**12))), "asks for builtins.bytearray"),
    "untyped storage": (
        lambda: build(call(name("torch.storage", "UntypedStorage"), integer(10**12))),
        "asks for torch.storage.UntypedStorage",
    ),
    "tensor of a class": (
        lambda: build(name("torch", "FloatTensor") + pack(integer(10**12)) + b"\x81"),
        "asks for torch.FloatTensor",
    ),
    "copies of a string": (
        lambda: build(repeat(text("x" * MANY), call(name("_codecs", "encode"), KEPT, text("latin1")))),
        "asks for so many copies that they are larger than its pickle",
    ),
    "copies of a shape": (
        lambda: build(repeat(b"(" + b"N" * MANY + b"t", call(name("torch", "Size"), KEPT))),
        "asks for so many copies that they are larger than its pickle",
    ),
    "copies of a set": (
        lambda: build(repeat(b"](" + b"N" * MANY + b"e", call(name("builtins", "set"), KEPT))),
        "asks for so many copies that they are larger than its pickle",
    ),
    "copies of a state": (
        lambda: build(
            repeat(
                b"}(" + b"".join(text(f"_{index}") + b"N" for index in range(MANY)) + b"u",
                call(name("collections", "OrderedDict")) + KEPT + b"b",
            )
        ),
        "asks for so many copies that they are larger than its pickle",
    ),
    "list of a list": (
        lambda: build(repeat(b"](" + b"N" * MANY + b"e", call(name("builtins", "list"), KEPT))),
        "holds a tuple, but expected a dictionary",
    ),
    "long string": (lambda: build(b"X" + struct.pack("<I", (1 << 31) - 1)), "is damaged or truncated"),
    "long bytes": (lambda: build(b"\x8e" + struct.pack("<Q", 1 << 40)), "is damaged or truncated"),
    "long bytearray": (lambda: build(b"\x96" + struct.pack("<Q", 1 << 40)), "is damaged or truncated"),
    "long integer": (lambda: build(b"\x8b" + struct.pack("<i", (1 << 31) - 1)), "is damaged or truncated"),
    "long decimal": (lambda: build(b"L" + b"9" * DEEP + b"L\n"), "is damaged or truncated"),
    "long string of an old file": (
        lambda: build_old(b"X" + struct.pack("<I", (1 << 31) - 1)),
        "is damaged or truncated",
    ),
    "far place in the memo": (lambda: build(b"}r\xff\xff\xff\xff"), "holds no state_dict"),
    "storage": (lambda: build(weight_of(10**12)), "declares 4000000000000 bytes"),
    "storage of an old file": (
        lambda: build_old(weight_of(10**10, 1, b"N"), {"0": NUMBERS}),
        "it declares 40000000008 bytes of weights, but holds 32",
    ),
    "tensor of an old file": (
        lambda: build_old(weight_of(6, 10**10, b"N"), {"0": NUMBERS}),
        "declares the tensor 'a' of shape",
    ),
    "compressed zeros": (
        lambda: build_zip(entry("archive/data.pkl", b"x" * 99, method=8, size=10**9, stored_size=99)),
        "'archive/data.pkl', which is compressed to 99 of 1000000000 bytes",
    ),
    "large pickle": (lambda: build(text("x" * (1 << 24))), "'archive/data.pkl', which has 167..... bytes, more than"),
    "large version": (
        lambda: build_zip(*ORDINARY[::2], entry("archive/version", b"3" * (1 << 25))),
        "'archive/version', which has 33554432 bytes, more than",
    ),
    "many entries": (
        lambda: build_zip(*(entry(f"archive/{index}") for index in range(DEEP))),
        "has 5888890 bytes of archive entries, more than 4194304",
    ),
    "large header": (
        lambda: build_safetensors(b"{" + b" " * (1 << 26) + b"}"),
        "has a header of 67108866 bytes, more than 4194304",
    ),
    "many weights without values": (
        lambda: build_safetensors({f"{index}": declare(0, 0, [0]) for index in range(DEEP)}),
        "has a header of 6.* bytes, more than 4194304",
    ),
    # That is no bomb: the state of the optimiser stays in the file.
    "ordinary file": (
        lambda: build_archive(
            state_dict(a=tensor(storage("0", 6), (6,), (1,)), b=tensor(storage("1", 1 << 24), (1 << 24,), (1,))),
            {"0": NUMBERS, "1": b"\1" * (1 << 26)},
        ),
        r"\{\}",
    ),
}

MEASURE = """
import json, resource, sys
from pathlib import Path
from modeling_allinone.conversion.safe_checkpoint import ConversionError, read_checkpoint

def read(path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        message = str(read_checkpoint(path)[1])
    except ConversionError as error:
        message = str(error)
    return message, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024

for path in Path(sys.argv[1]).iterdir():
    print(json.dumps([path.name, *read(path)]), flush=True)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What reading each file says, and by how many MiB it raised the most memory in use of a process for all."""
    directory = tmp_path_factory.mktemp("bombs")
    for file_name, (data, _) in BOMBS.items():
        (directory / file_name).write_bytes(data())
    command = [sys.executable, "-c", MEASURE, str(directory)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    outcomes = {name: outcome for name, *outcome in map(json.loads, finished.stdout.splitlines())}
    assert finished.returncode == 0, f"{finished.stderr[-2000:]} after {list(outcomes)}"
    return outcomes


@pytest.mark.parametrize("bomb", BOMBS)
def test_bomb(outcomes, bomb):
    message, growth = outcomes[bomb]
    assert re.search(BOMBS[bomb][1], message), message
    assert growth < 64
