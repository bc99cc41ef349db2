# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Streams of shards: each row once in an epoch, the same after an interruption, and no loss beside what is broken."""

import gzip
import io
import itertools
import json
import tarfile
from collections import Counter
from functools import partial
from unittest.mock import ANY

import fsspec
import pytest
from shard_files import ROWS_PER_SHARD, sample, write_shards_of_text, write_tar
from torch.utils.data import DataLoader
from video_fixtures import NUM_FRAMES, encode_video, numbers_of

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.collators import draw_caption
from modeling_allinone.data.pretraining_collators import draw_clip
from modeling_allinone.data.video_loading import VideoLoader, read_skipped
from modeling_allinone.data.webdataset_reading import StoredFile, read_samples
from modeling_allinone.data.webdataset_stream import ClipSource, PairedStream, WebDatasetStream, parse_sources
from modeling_allinone.datasets import train_tokenizer


def identify(rows: list[dict]) -> list[tuple]:
    return [(row["epoch"], row["sample_id"], row["draw"], len(row["video"])) for row in rows]


def with_long_name(shard: bytes) -> bytes:
    """A shard behind the header of a name of more than 100 characters, without what it is the name of."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("a" * 150 + ".mp4"))
    return file.getvalue()[:1024] + bytes(512) + shard


def read_batches(folder, num_batches: int, num_workers: int = 0, skipped: int = 0, **options) -> list[list[tuple]]:
    """Batches of two rows of a process."""
    stream = WebDatasetStream(ClipSource(folder), shuffle_buffer=5, **options)
    stream.skip_batches(skipped, batch_size=2)
    loader = DataLoader(stream, batch_size=2, num_workers=num_workers, collate_fn=identify)
    return list(itertools.islice(loader, num_batches))


@pytest.fixture
def plain_processor():
    """Shows frames as they are."""
    options = dict.fromkeys(("do_resize", "do_center_crop", "do_rescale", "do_normalize"), False)
    return AllInOneProcessor(AllInOneVideoProcessor(**options), train_tokenizer(["word"]))


@pytest.mark.parametrize(
    ("num_shards", "num_processes", "num_workers"), ((5, 2, 2), (1, 1, 3), (3, 4, 0), (8, 2, 0), (7, 3, 0))
)
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_every_row_comes_once_in_an_epoch(tmp_path, num_shards, num_processes, num_workers):
    ids = write_shards_of_text(tmp_path, num_shards)
    num_batches = 3 * len(ids) // (2 * num_processes)
    batches = [
        read_batches(tmp_path, num_batches, num_workers, process_index=process, num_processes=num_processes)
        for process in range(num_processes)
    ]
    seen = Counter((epoch, key) for of_process in batches for batch in of_process for epoch, key, *_ in batch)
    assert set(seen.values()) == {1}
    # Of the third epoch, some readers may have begun a little and others may lack a little.
    for epoch in (0, 1):
        assert sorted(key for of_epoch, key in seen if of_epoch == epoch) == sorted(ids)


def test_shares_of_readers_are_even(tmp_path):
    write_shards_of_text(tmp_path, 7)
    for num_processes in (2, 3, 5):
        counts = [
            sum(
                1
                for _ in WebDatasetStream(
                    ClipSource(tmp_path), num_epochs=1, process_index=index, num_processes=num_processes
                )
            )
            for index in range(num_processes)
        ]
        assert sum(counts) == 7 * ROWS_PER_SHARD and max(counts) - min(counts) <= ROWS_PER_SHARD


def test_order_is_by_seed_and_epoch(tmp_path):
    ids = write_shards_of_text(tmp_path, 3)

    def order(epochs: int = 1, **options) -> list[str]:
        return [row["sample_id"] for row in WebDatasetStream(ClipSource(tmp_path), num_epochs=epochs, **options)]

    assert order() == order() != order(seed=1)
    twice = order(epochs=2)
    assert twice[: len(ids)] != twice[len(ids) :] and sorted(twice) == sorted(ids * 2)
    assert order(shuffle_buffer=0) == ids
    # Shards come in another order, and a small buffer mixes a little.
    small = order(shuffle_buffer=3)
    assert small != ids and sorted(small) == sorted(ids)


def test_draws_are_by_seed_epoch_and_row_alone(tmp_path):
    write_shards_of_text(tmp_path, 2)

    def draws(**options) -> dict:
        rows = WebDatasetStream(ClipSource(tmp_path), num_epochs=2, **options)
        return {(row["epoch"], row["sample_id"]): row["draw"] for row in rows}

    alone = draws()
    assert len(set(alone.values())) == 2 * 2 * ROWS_PER_SHARD
    of_process = draws(num_processes=2, process_index=1, shuffle_buffer=3)
    assert of_process and of_process.items() <= alone.items()
    assert not set(draws(seed=1).values()) & set(alone.values())
    assert all(0 <= draw < 2**63 for draw in alone.values())


def test_going_on_at_any_batch(tmp_path):
    write_shards_of_text(tmp_path, 3)
    for process in (0, 1):
        options = {"process_index": process, "num_processes": 2}
        whole = read_batches(tmp_path, 24, **options)
        for skipped in range(20):
            assert read_batches(tmp_path, 4, skipped=skipped, **options) == whole[skipped : skipped + 4]


@pytest.mark.parametrize(("num_shards", "skipped"), ((5, 4), (1, 7)))
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_going_on_with_workers(tmp_path, num_shards, skipped):
    write_shards_of_text(tmp_path, num_shards)
    whole = read_batches(tmp_path, 15, num_workers=3)
    assert read_batches(tmp_path, 15 - skipped, num_workers=3, skipped=skipped) == whole[skipped:]


def test_films_that_are_passed_over_are_not_read(tmp_path):
    write_shards_of_text(tmp_path, 1)
    (path,) = map(str, tmp_path.glob("*.tar"))
    read, passed = (list(read_samples(path, lambda number, loads=loads: loads, print)) for loads in (True, False))
    assert len(passed) == len(read) == ROWS_PER_SHARD
    for one, other in zip(read, passed, strict=True):
        assert one.files["json"] == other.files["json"]
        assert isinstance(other.files["mp4"], StoredFile) and other.files["mp4"].read() == one.files["mp4"]


def test_sources_are_mixed_by_weight(tmp_path):
    for name in ("a", "b", "c"):
        write_shards_of_text(tmp_path, 2, name)
    sources = [
        ClipSource(tmp_path / f"{name}-*.tar", weight, name=name) for name, weight in (("a", 1), ("b", 3), ("c", 6))
    ]
    stream = WebDatasetStream(sources)
    counts = Counter(row["source"] for row in itertools.islice(stream, 2000))
    assert {name: pytest.approx(count / 2000, abs=0.04) for name, count in counts.items()} == {
        "a": 0.1,
        "b": 0.3,
        "c": 0.6,
    }
    figures = stream.statistics()
    assert (
        figures["c_share"] == counts["c"] / 2000 and figures["c_epoch"] > figures["b_epoch"] > figures["a_epoch"] > 5
    )
    # A source that ends leaves the others.
    assert len(list(WebDatasetStream(sources, num_epochs=2))) == 2 * 3 * 2 * ROWS_PER_SHARD


def test_batches_are_of_one_source_in_all_processes(tmp_path):
    for name in ("a", "b"):
        write_shards_of_text(tmp_path, 2, name)
    sources = [ClipSource(tmp_path / f"{name}-*.tar", name=name) for name in ("a", "b")]
    of_processes = []
    for process in (0, 1):
        stream = WebDatasetStream(sources, rows_per_choice=4, process_index=process, num_processes=2)
        names = [row["source"] for row in itertools.islice(stream, 80)]
        batches = [set(names[start : start + 4]) for start in range(0, 80, 4)]
        assert all(len(batch) == 1 for batch in batches) and len(set.union(*batches)) == 2
        of_processes.append(names)
    assert of_processes[0] == of_processes[1]


def test_images_beside_clips_go_on_too(tmp_path):
    write_shards_of_text(tmp_path, 2, "a")
    write_shards_of_text(tmp_path, 3, "b")

    def rows(skipped: int, number: int) -> list[tuple]:
        stream = PairedStream(
            *(WebDatasetStream(ClipSource(tmp_path / f"{name}-*.tar", name=name)) for name in ("a", "b"))
        )
        stream.skip_batches(skipped, 2)
        return [(row["video"]["sample_id"], row["image"]["sample_id"]) for row in itertools.islice(stream, number)]

    assert rows(9, 22) == rows(0, 40)[18:]


def test_a_caption_and_a_clip_are_drawn_anew_each_epoch(tmp_path):
    captions = {"captions": ["a", "b", "c", "d"], "starts": [0.0, 10.0, 20.0, 30.0], "ends": [8.0, 18.0, 28.0, 38.0]}
    rows = {name: data for key in ("x", "y") for name, data in sample(key, caption=None, **captions).items()}
    write_tar(tmp_path / "howto.tar", rows | sample("z"))
    source = parse_sources(
        {"howto": {"shards": tmp_path, "transform": "draw_captioned_clip", "transform_options": {"num_frames": 6}}}
    )
    stream = WebDatasetStream(source, num_epochs=8)
    drawn = [(row["caption"], row["start"], row["end"]) for row in stream if row["sample_id"] == "x"]
    assert len(drawn) == 8 and len({caption for caption, *_ in drawn}) > 1
    assert all(end - start == 3.0 and 10 * "abcd".index(caption) <= start for caption, start, end in drawn)
    figures = stream.statistics()
    assert figures["seconds_per_clip"] == 3.0 and figures["words_per_clip"] == 1
    assert figures["rows_with_failed_transform"] == 8, "z has no captions to draw from"


class TestFields:
    """Of what a sample says of itself, its files are never overridden, and what is not understood is only carried."""

    @pytest.fixture
    def read(self, tmp_path):
        def read(*samples: dict, **options) -> list[dict]:
            write_tar(tmp_path / "rows.tar", {name: data for one in samples for name, data in one.items()})
            return list(WebDatasetStream(ClipSource(tmp_path), num_epochs=1, shuffle_buffer=0, **options))

        return read

    def test_files_are_those_of_the_shard(self, tmp_path, read, plain_processor, caplog):
        film = encode_video(tmp_path / "film.mp4").read_bytes()
        private = str(encode_video(tmp_path / "private.mp4", num_frames=3))
        strange = {
            "video": 7,
            "image": private,
            "images": [private],
            "start": "soon",
            "end": True,
            "fps": "29.97",
            "frame_rate": -1,
            "draw": -1,
            "epoch": "first",
            "source": ["web"],
            "__key__": "b",
            "__url__": private,
            "captions": {"en": "a cat"},
            "starts": [1, 2],
            "words": 5,
        }
        rows = read(
            sample("a", film, **strange), sample("b", film, video=private), sample("c", film, start=0.5, fps=2)
        )
        assert [row["video"] for row in rows] == [film] * 3
        assert rows[0]["json"] == strange and rows[0]["caption"] == "what a shows" and rows[0]["epoch"] == 0
        assert rows[0]["__key__"] == "a" and rows[0]["source"] == "clips" and rows[0]["draw"] >= 0
        assert not set(rows[0]) & (set(strange) - {"draw", "epoch", "source", "__key__", "__url__", "video"})
        assert rows[1]["json"] == {"video": private} and "json" not in rows[2]
        clips, _ = VideoLoader(plain_processor)(rows)
        assert [numbers_of(clip) for clip in clips["pixel_values"]] == [[2, 7, 12], [2, 7, 12], [6, 9, 13]]
        assert "start is 'soon' in the json of a of" in caplog.text

    @pytest.mark.parametrize(
        ("field", "value"),
        (
            ("start", float("nan")),
            ("start", 10**400),
            ("end", [1]),
            ("duration", "3:12"),
            ("captions", "a cat"),
            ("captions", 5),
            ("question", {"text": "what?"}),
            ("starts", "1, 2"),
            ("starts", []),
            ("words", [["a", 1]]),
            ("words", ["a"]),
            ("sample_id", ["a"]),
            ("sample_id", {"a": 1}),
        ),
    )
    def test_fields_of_another_kind(self, read, field, value):
        (row,) = read(sample("a", **{field: value}))
        assert row["sample_id"] == "a" and row["caption"] == "what a shows"
        assert field not in row or field == "sample_id"
        assert repr(row["json"][field]) == repr(value)
        batch = draw_clip(row)
        assert draw_caption(batch, None) == "what a shows"

    def test_fields_of_the_right_kind_are_obeyed(self, read):
        films = {"a.json": {"captions": ["b", "c"], "starts": [0.0, 4.5], "ends": [4, 9], "sample_id": 7}}
        spoken = {"words": ["b"], "times": [1], "clean_words": None, "duration": 20.0}
        frames = {f"f.video.{number}.jpg": b"frame" for number in range(3)} | {
            "f.json": {"frame_rate": 3, "caption": "d"}
        }
        rows = read(films | {"a.mp4": b"film"}, sample("e", start=1, end=2.5, **spoken), frames)
        assert not any("json" in row for row in rows)
        assert [row["sample_id"] for row in rows] == ["7", "e", "f"] and rows[2]["frame_rate"] == 3
        assert draw_clip(rows[0])["caption"] in "bc" and draw_clip(rows[1])["end"] > 10

    def test_transforms_see_what_the_sample_says(self, tmp_path):
        def parse(fields: dict) -> dict:
            return fields | {"start": float(fields["start"].removesuffix(" s")), "image": "thumbnail.jpg"}

        write_tar(tmp_path / "rows.tar", sample("a", start="1.5 s", video=3))
        (row,) = WebDatasetStream(ClipSource(tmp_path, transform=parse), num_epochs=1)
        assert row["start"] == 1.5 and row["video"] == b"film " * 300 and "image" not in row

    def test_names_that_are_no_utf_8(self, tmp_path):
        with tarfile.open(tmp_path / "rows.tar", "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as tar:
            for suffix in ("txt", "mp4"):
                member = tarfile.TarInfo(f"café.{suffix}")
                member.size = 1
                tar.addfile(member, io.BytesIO(b"a"))
        skipped_file = tmp_path / "skipped.jsonl"
        (row,) = WebDatasetStream(ClipSource(tmp_path), num_epochs=1, skipped_file=skipped_file)
        assert row["caption"] == "a" and row["draw"] >= 0


class TestDamage:
    """Whatever is broken, the rest is read."""

    @pytest.fixture
    def read(self, tmp_path):
        """Ids of the rows of an epoch, figures and what is listed."""

        def read(**options) -> tuple[list[str], dict, list[dict]]:
            skipped_file = tmp_path / "skipped.jsonl"
            stream = WebDatasetStream(ClipSource(tmp_path), num_epochs=1, skipped_file=skipped_file, **options)
            ids = sorted(row["sample_id"] for row in stream)
            return ids, stream.statistics(), read_skipped(skipped_file)

        return read

    @pytest.mark.parametrize(
        ("damage", "num_left", "reason"),
        (
            (lambda data: data[: len(data) // 2], 5, "it is cut short"),
            (lambda data: data[: data.index(b"shard1x4.json")], 4, "it is cut short at byte"),
            (lambda data: data[: data.index(b"shard1x4.mp4")], 4, "it is cut short at byte"),
            # Over the header of a film, and all over a row.
            (lambda data: data.replace(b"shard1x4.mp4", b"shard1x4.mp5"), 6, "it is damaged at byte"),
            (lambda data: data[:8192] + b"\xff" * 4096 + data[12288:], 6, "it is damaged at byte 9216 of"),
            # Zeros over a header, over that and more, and over the first one; bytes too many, at whatever place.
            (lambda data: data[:6144] + bytes(512) + data[6656:], 6, "it is damaged at byte 6144 of"),
            (lambda data: data[:9216] + bytes(4096) + data[13312:], 5, "behind shard1x2.mp4, where 4096 zeros are"),
            (
                lambda data: bytes(512) + data[512:],
                6,
                "at byte 0 of 30720, where 512 zeros are; read on from",
            ),
            (lambda data: data[:9216] + b"garbage" + data[9216:], 7, "it is damaged at byte 9216 of"),
            (lambda data: data[:9000] + data[9003:], 6, "read on from byte 9213"),
            # All but the first row is zeros, as in a download that was never filled.
            (lambda data: data[:3072] + bytes(len(data)), 0, "where 30720 zeros are"),
            # The header of a long name, of which the name is gone.
            (lambda data: with_long_name(data), 7, "it is damaged at byte 0 of"),
            (lambda data: b"", 0, "it is no tar file at byte 0 of 0"),
            (lambda data: b"no tar " * 1000, 0, "it is no tar file"),
            (gzip.compress, 0, "it is no tar file"),
            (lambda data: data[-10240:], 0, "it has no samples|it is no tar file"),
        ),
    )
    def test_shards(self, tmp_path, read, damage, num_left, reason):
        ids = write_shards_of_text(tmp_path, 3)
        path = tmp_path / "shard-001.tar"
        path.write_bytes(damage(path.read_bytes()))
        found, figures, skipped = read()
        assert set(found) <= set(ids) and len(found) == 2 * ROWS_PER_SHARD + num_left
        assert figures["damaged_shards"] == 1
        (of_shard,) = (entry for entry in skipped if entry["video"] == str(path))
        assert any(one in of_shard["reason"] for one in reason.split("|")) and of_shard["sample_id"] is None
        assert figures["skipped_rows"] == len(skipped) - 1 <= 2

    def test_joined_archives(self, tmp_path, read):
        ids = write_shards_of_text(tmp_path, 3)
        first, second, third = sorted(tmp_path.glob("*.tar"))
        first.write_bytes(first.read_bytes() + third.read_bytes())
        assert read() == (sorted(ids + ids[-ROWS_PER_SHARD:]), ANY, []), "as after cat a.tar c.tar > a.tar"
        # The first of two is cut where it likes; its last film does not swallow the rows of the other.
        second.write_bytes(second.read_bytes()[:12000] + third.read_bytes())
        found, figures, skipped = read()
        expected = ids[:ROWS_PER_SHARD] + ids[-ROWS_PER_SHARD:] * 3 + ids[ROWS_PER_SHARD : ROWS_PER_SHARD + 3]
        assert found == sorted(expected) and figures["rows_lost"] == figures["damaged_shards"] == 1
        assert [entry["reason"].partition(" at")[0] for entry in skipped] == [
            "files of it are lost or damaged; there are json, mp4",
            "it is damaged",
        ]

    def test_lost_rows_are_counted_by_the_index(self, tmp_path, read):
        ids = write_shards_of_text(tmp_path, 2)
        shards = [{"name": f"shard-{number:03}.tar", "rows": ROWS_PER_SHARD} for number in range(2)]
        (tmp_path / "index.json").write_text(json.dumps({"shards": shards}))
        assert read()[1]["damaged_shards"] == 0
        # Without the index, nobody could tell that two rows were here.
        data = (tmp_path / "shard-001.tar").read_bytes()
        (tmp_path / "shard-001.tar").write_bytes(data[:3072] + data[9216:])
        found, figures, skipped = read()
        assert found == [key for key in ids if key not in ("shard1x1", "shard1x2")]
        assert figures["rows_lost"] == figures["skipped_rows"] == 2 and figures["damaged_shards"] == 1
        assert [entry["reason"] for entry in skipped] == ["2 of its 7 rows are lost"]
        # Of three, one is named besides.
        (tmp_path / "shard-001.tar").write_bytes(data[:3072] + bytes(512) + data[9728:])
        _, figures, skipped = read()
        assert figures["rows_lost"] == 3
        assert {entry["reason"] for entry in skipped} == {
            "files of it are lost or damaged; there are mp4",
            "it is damaged at byte 3072 of 24576, behind shard1x0.mp4, where 512 zeros are; read on from byte 4096; "
            "3 of its 7 rows are lost",
        }
        (tmp_path / "index.json").write_text("[]")
        assert read()[1]["rows_lost"] == 1

    def test_no_row_is_of_what_is_left_of_another(self, tmp_path, read):
        def row(key: str) -> dict:
            return {f"{key}.json": {"label": 1}} | {f"{key}.images.{number}.jpg": b"image" for number in range(2)}

        rows = [row("a"), row("b") | {"b.mp4": b"film"}, row("c"), row("d")]
        write_tar(tmp_path / "rows.tar", {name: data for one in rows for name, data in one.items()})
        data = (tmp_path / "rows.tar").read_bytes()
        for name, left in (("b.mp4", "ad"), ("c.json", "ad"), ("d.images.1.jpg", "abc"), ("a.json", "bcd")):
            (tmp_path / "rows.tar").write_bytes(data.replace(name.encode(), b"x" + name[1:].encode(), 1))
            found, figures, _ = read(needs_text=False)
            assert set(found) <= set(left) and len(found) + figures["rows_lost"] >= 3, name
            assert figures["rows_lost"] >= 1 and figures["damaged_shards"] == 1

    def test_links_are_not_followed(self, tmp_path, read):
        write_tar(tmp_path / "rows.tar", sample("a") | {"b.json": {"caption": "b"}, "b.jpg": b"thumbnail"})
        with tarfile.open(tmp_path / "rows.tar", "a") as tar:
            for kind, target in ((tarfile.LNKTYPE, "a.mp4"), (tarfile.SYMTYPE, "/etc/hostname")):
                link = tarfile.TarInfo("b.mp4" if kind == tarfile.LNKTYPE else "c.mp4")
                link.type, link.linkname = kind, target
                tar.addfile(link)
        found, figures, skipped = read(needs_text=False)
        assert found == ["a"] and figures["rows_lost"] == 2
        assert "b.mp4 is a link or has holes" in skipped[-1]["reason"]

    def test_a_shard_that_is_gone(self, tmp_path, read):
        ids = write_shards_of_text(tmp_path, 2)
        stream = WebDatasetStream(ClipSource([tmp_path / "shard-000.tar", tmp_path / "gone.tar"]), num_epochs=2)
        assert len(list(stream)) == len(ids)
        assert stream.statistics()["damaged_shards"] == 2

    def test_rows(self, tmp_path, read):
        broken = {
            "no_film": {"no_film.json": {"caption": "a", "sample_id": "named"}},
            "empty_film": sample("empty_film", b""),
            "no_json": {"no_json.json": b"{", "no_json.mp4": b"film"},
            "a_list": {"a_list.json": b"[1]", "a_list.mp4": b"film"},
            "deep": {"deep.json": b"[" * 100_000, "deep.mp4": b"film"},
            "no_text": sample("no_text", caption=None),
            "blank": sample("blank", caption=" \n"),
            "number": sample("number", caption=5),
            "blanks": sample("blanks", caption=None, captions=["", " "]),
            "long": sample("long", caption="word " * 10_000),
            "thumbnail_alone": sample("thumbnail_alone", b"") | {"thumbnail_alone.jpg": b"image"},
            "two_films": sample("two_films") | {"two_films.webm": b"film"},
            "two_frames": {"two_frames.images.0.jpg": b"0", "two_frames.images.00.png": b"0", "two_frames.txt": b"a"},
            "zeros": {"zeros.txt": b"a \0\0", "zeros.mp4": b"film"},
            "half_a_character": {"half_a_character.json": b'{"caption": "\\uD83D"}', "half_a_character.mp4": b"film"},
        }
        whole = {
            "text": {"text.txt": "ein Übergang".encode(), "text.mp4": b"film"},
            "choice": sample("choice", caption=None, captions=["", "a cat", "word " * 2000]),
            "question": sample("question", caption="", question="what?"),
            "of/folder": sample("of/folder"),
            "image": {"image.jpg": b"image", "image.json": {"caption": "a"}},
            "alone": sample("alone") | {"alone.low.mp4": b"another", "alone.mask.png": b"mask"},
            "pair": {"pair.images.1.jpg": b"1", "pair.images.0.jpg": b"0", "pair.json": {"caption": "a"}},
            "thumbnail": sample("thumbnail") | {"thumbnail.jpg": b"image"},
        }
        files = {name: data for row in (broken | whole).values() for name, data in row.items()}
        write_tar(tmp_path / "rows.tar", files | {"README": b"no row", ".hidden.json": b"{}"})
        stream = WebDatasetStream(ClipSource(tmp_path), num_epochs=1, skipped_file=tmp_path / "skipped.jsonl")
        rows = {row["__key__"]: row for row in stream}
        assert set(rows) == set(whole)
        assert rows["text"]["caption"] == "ein Übergang" and rows["choice"]["captions"] == ["a cat"]
        assert rows["pair"]["images"] == [b"0", b"1"] and rows["image"]["image"] == b"image"
        assert "image" not in rows["thumbnail"] and rows["thumbnail"]["video"]
        assert rows["alone"]["video"] == b"film " * 300
        figures = stream.statistics()
        counted = {name.removeprefix("rows_"): figures[name] for name in figures if name.startswith("rows_")}
        assert counted == {"without_media": 5, "with_bad_json": 5, "without_text": 4, "with_long_text": 1}
        assert figures["skipped_rows"] == len(broken) and figures["rows"] == len(whole)
        skipped = {entry["video"]: entry for entry in read_skipped(tmp_path / "skipped.jsonl")}
        assert set(skipped) == {f"{key} of {tmp_path / 'rows.tar'}" for key in broken}
        assert skipped[f"no_film of {tmp_path / 'rows.tar'}"]["sample_id"] == "named"
        assert "has 10000 words, more than max_words, 1000" in skipped[f"long of {tmp_path / 'rows.tar'}"]["reason"]

    def test_words_without_a_limit_are_cut_by_the_tokenizer(self, tmp_path):
        write_tar(tmp_path / "rows.tar", sample("long", caption="word " * 10_000))
        (row,) = WebDatasetStream(ClipSource(tmp_path), num_epochs=1, max_words=None)
        tokenizer = train_tokenizer(["word"])
        tokenizer.model_max_length = 16
        processor = AllInOneProcessor(AllInOneVideoProcessor(), tokenizer)
        assert processor(text=row["caption"])["input_ids"].shape == (1, 16)

    def test_rows_without_text_are_kept_where_none_is_needed(self, tmp_path):
        write_tar(tmp_path / "rows.tar", {"a.mp4": b"film", "b.mp4": b"film"})
        assert len(list(WebDatasetStream(ClipSource(tmp_path), num_epochs=1, needs_text=False))) == 2

    def test_going_on_beside_damage(self, tmp_path):
        write_shards_of_text(tmp_path, 4)
        path = tmp_path / "shard-001.tar"
        path.write_bytes(path.read_bytes()[:9000])
        write_tar(tmp_path / "rows.tar", sample("a", caption="") | sample("b") | {"c.json": {}} | sample("d"))
        whole = read_batches(tmp_path, 40)
        for skipped in range(0, 36, 5):
            assert read_batches(tmp_path, 4, skipped=skipped) == whole[skipped : skipped + 4]

    def test_clips_that_cannot_be_decoded_are_left_to_the_reader(self, tmp_path, plain_processor):
        film = encode_video(tmp_path / "film.mp4").read_bytes()
        write_tar(
            tmp_path / "rows.tar", sample("whole", film) | sample("broken", film[:900]) | sample("text", b"no film")
        )
        read = VideoLoader(plain_processor, on_decode_error="skip", skipped_file=tmp_path / "skipped.jsonl")
        rows = sorted(WebDatasetStream(ClipSource(tmp_path), num_epochs=1), key=lambda row: row["sample_id"])
        clips, is_readable = read(rows)
        pixels = clips["pixel_values"]
        assert is_readable.tolist() == [False, False, True] and read.num_skipped == 2
        assert numbers_of(pixels[2]) == [2, 7, 12] and max(numbers_of(pixels[2])) < NUM_FRAMES
        skipped = read_skipped(tmp_path / "skipped.jsonl")
        assert [entry["video"] for entry in skipped] == [
            f"{key} of {tmp_path / 'rows.tar'}" for key in ("broken", "text")
        ]

    def test_nothing_to_read_is_an_error(self, tmp_path):
        write_tar(tmp_path / "rows.tar", sample("a", caption="") | sample("b", b""))
        with pytest.raises(ValueError, match=r"No row can be read from the 1 shards of clips, such as .*rows\.tar"):
            next(iter(WebDatasetStream(ClipSource(tmp_path))))
        loader = DataLoader(WebDatasetStream(ClipSource(tmp_path)), num_workers=1)
        with pytest.raises(ValueError, match=r"No row can be read from the 1 shards"):
            next(iter(loader))

    def test_fewer_rows_than_readers_are_no_error(self, tmp_path):
        write_tar(tmp_path / "rows.tar", sample("a") | sample("b"))
        write_tar(tmp_path / "empty.tar", sample("c", caption=""))
        for index in range(4):
            rows = itertools.islice(WebDatasetStream(ClipSource(tmp_path), process_index=index, num_processes=4), 4)
            assert [row["sample_id"] in "ab" for row in rows] == [True] * 4


def test_shards_at_a_url(tmp_path):
    ids = write_shards_of_text(tmp_path, 2)
    remote = fsspec.filesystem("memory")
    for path in tmp_path.glob("*.tar"):
        remote.pipe(f"/clips/{path.name}", path.read_bytes())
    for shards in ("memory://clips/*.tar", "memory://clips", "memory://clips/shard-{000..001}.tar"):
        source = ClipSource(shards)
        assert source.urls[0].startswith("memory://") and len(source.urls) == 2
        assert sorted(row["sample_id"] for row in WebDatasetStream(source, num_epochs=1)) == sorted(ids)
    assert ClipSource("simplecache::memory://clips/*.tar").urls[0].startswith("simplecache::memory://")


def test_ways_to_name_shards(tmp_path):
    write_shards_of_text(tmp_path, 3)
    paths = [str(tmp_path / f"shard-{number:03}.tar") for number in range(3)]
    for shards in (tmp_path, str(tmp_path), f"{tmp_path}/shard-*.tar", f"{tmp_path}/shard-{{000..002}}.tar", paths):
        assert ClipSource(shards).urls == paths
    assert ClipSource([tmp_path, paths[0]]).urls == paths, "each once"


@pytest.mark.parametrize(
    ("sources", "error", "message"),
    (
        ({}, ValueError, "The sources are {}; expected a mapping"),
        (["a.tar"], ValueError, r"The sources are \['a.tar'\]"),
        ({"a": "nothing-*.tar"}, FileNotFoundError, r"No shard is at nothing-\*.tar"),
        ({"a": []}, ValueError, "a has no shards"),
        ({"a": 5}, ValueError, "The source a is 5; expected shards, or a mapping"),
        ({"a": {"weight": 1}}, ValueError, "The source a is"),
        ({"a": {"shards": "a.tar", "wieght": 1}}, ValueError, "The source a is"),
        ({"a": {"shards": "a.tar", "weight": 0}}, ValueError, "The weight of a is 0; expected a number above 0"),
        ({"a": {"shards": "a.tar", "weight": "2"}}, ValueError, "The weight of a is '2'"),
        ({"a": {"shards": "a.tar", "transform": "draw"}}, ValueError, "The transform of a is 'draw'; expected one of"),
        (
            {"a": {"shards": "a.tar", "transform_options": {"b": 1}}},
            ValueError,
            "has transform_options, but no transf",
        ),
        ({"a": "nowhere://a/*.tar"}, ValueError, "nowhere"),
    ),
)
def test_sources_are_checked(sources, error, message):
    with pytest.raises(error, match=message):
        parse_sources(sources)


@pytest.mark.parametrize(
    ("options", "message"),
    (
        ({"shuffle_buffer": -1}, "shuffle_buffer is -1; expected a whole number, 0 or more"),
        ({"rows_per_choice": 0}, "rows_per_choice is 0"),
        ({"num_epochs": 1.5}, "num_epochs is 1.5"),
        ({"max_words": 0}, "max_words is 0"),
        ({"process_index": 2, "num_processes": 2}, "process_index is 2; expected 0 to 1"),
    ),
)
def test_arguments_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        WebDatasetStream(ClipSource("a.tar"), **options)
    with pytest.raises(ValueError, match=r"The sources are named \['clips', 'clips'\]"):
        WebDatasetStream([ClipSource("a.tar"), ClipSource("b.tar")])


def test_what_workers_read_is_counted(tmp_path):
    write_shards_of_text(tmp_path, 2)
    write_tar(
        tmp_path / "more.tar", sample("a", start=1.0, end=4.0) | sample("b", duration=5.0) | sample("c", caption="")
    )
    stream = WebDatasetStream(ClipSource(tmp_path), num_epochs=1)
    assert len(list(DataLoader(stream, batch_size=None, num_workers=2, collate_fn=partial(dict)))) == 16
    figures = stream.statistics()
    assert figures == {
        "rows": 16,
        "words_per_clip": 3,
        "seconds_per_clip": 4,
        "skipped_rows": 1,
        "rows_without_text": 1,
        "damaged_shards": 0,
        "clips_epoch": 0,
    }
    assert json.dumps(figures)
