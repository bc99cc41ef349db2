# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone search`: a table, JSON, a page and files, by a sentence, a picture and a clip."""

import os
import re
import shutil
from pathlib import Path

import av
import pytest
from PIL import Image
from transformers.utils import logging
from video_fixtures import grey_frames

from modeling_allinone import VideoEncoder
from modeling_allinone.datasets import write_moving_shapes
from modeling_allinone.search import VideoIndex

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")

SENTENCE = "a green ring moves right at the top"
SHIPPED = Path(__file__).parents[2] / "examples/checkpoints/moving-shapes"


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Clips, a picture, and an index of them, as they lie in a folder."""
    folder = tmp_path_factory.mktemp("collection")
    clips = sorted((write_moving_shapes(folder / "shapes", num_clips=6) / "videos").glob("*.mp4"))
    (folder / "videos/day 2").mkdir(parents=True)
    for number, clip in enumerate(clips):
        clip.rename(folder / "videos" / ("day 2" if number > 3 else "") / clip.name)
    Image.fromarray(grey_frames(1)[0]).save(folder / "videos/grey.png")
    encoder = VideoEncoder.from_pretrained(SHIPPED, device="cpu")
    VideoIndex.create(folder / "index", encoder, window=2.0).update(folder / "videos", num_workers=0)
    return folder


@pytest.fixture
def here(collection, monkeypatch):
    """To work in that folder."""
    monkeypatch.chdir(collection)
    return collection


def find(allinone, *words, **more):
    return allinone("search", *words, "--index", "index", **more)


def test_json(allinone, here):
    status, hits, errors = find(allinone, SENTENCE, "--top_k", 3, is_json=True)
    assert (status, errors, len(hits)) == (0, "", 3)
    assert {"path", "start", "end", "score", "similarity", "chance", "is_match"} <= set(hits[0])
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert all(os.path.isfile(hit["path"]) and 0 <= hit["start"] <= hit["end"] <= 3 for hit in hits)
    # Re-ranking is the default of a model that can: the order is another than that of similarities.
    plain = find(allinone, SENTENCE, "--rerank", 0, is_json=True)[1]
    assert [hit["score"] for hit in plain] == [hit["similarity"] for hit in plain] != [hit["score"] for hit in hits]


def test_table(allinone, here):
    status, output, errors = find(allinone, SENTENCE, "--top_k", 3)
    head, *lines = output.splitlines()
    assert (status, errors) == (0, "") and head.startswith(f'"{SENTENCE}"') and re.search(r"\d+ windows", head)
    assert len(lines) == 3
    for number, line in enumerate(lines, start=1):
        assert re.fullmatch(rf"  {number}  (\d:\d\d-\d:\d\d|picture) +-?\d+\.\d{{3}}  .*\bvideos/.*(mp4|png)", line), (
            line
        )


def test_within(allinone, here):
    hits = find(allinone, SENTENCE, "--within", "videos/day 2", "--top_k", 20, is_json=True)[1]
    assert {Path(hit["path"]).parent.name for hit in hits} == {"day 2"}
    status, _, errors = find(allinone, SENTENCE, "--within", "elsewhere")
    assert status == 2 and re.fullmatch(r"error: elsewhere holds nothing of the index.*\n", errors)


def test_clips_and_pictures_as_queries(allinone, here):
    """Each finds itself."""
    video = "videos/day 2/000005.mp4"
    hits = find(allinone, "--video", video, "--start", 0, "--end", 2, is_json=True)[1]
    assert Path(hits[0]["path"]).samefile(video) and hits[0]["start"] == 0 and hits[0]["similarity"] > 0.999
    page = here / "found.html"
    _, output, _ = find(allinone, "--image", "videos/grey.png", "--html", page, "--top_k", 2)
    assert re.match(r"  1  picture +1\.000  .*videos/grey\.png", output.splitlines()[1]), output
    text = page.read_text(encoding="utf-8")
    assert (
        output.endswith(f"page: {page}\n") and 'class="query" src="data:image/jpeg' in text and "Like videos/" in text
    )


def test_files_and_page(allinone, here, tmp_path):
    words = (SENTENCE, "--within", "videos/day 2", "--top_k", 2)
    words += ("--export", tmp_path / "out", "--html", tmp_path / "found.html")
    status, hits, _ = find(allinone, *words, is_json=True)
    assert status == 0 and [Path(hit["file"]).name[:3] for hit in hits] == ["01_", "02_"]
    with av.open(hits[0]["file"]) as container:
        assert container.duration / 1e6 == pytest.approx(hits[0]["end"] - hits[0]["start"], abs=0.01)
    text = (tmp_path / "found.html").read_text(encoding="utf-8")
    assert f'data-address="./out/{Path(hits[0]["file"]).name}#t=0,' in text
    output = find(allinone, *words)[1]
    assert f"{tmp_path}/out/01_" in output and "_2.mp4" in output


def test_videos_that_have_gone(allinone, collection, tmp_path, monkeypatch):
    """They are found, and it is said that they are no longer there; the others are written."""
    copy = shutil.copytree(collection, tmp_path / "copy")
    monkeypatch.chdir(copy)
    index = VideoIndex.open("index", VideoEncoder.from_pretrained(SHIPPED, device="cpu"))
    index.update("videos", num_workers=0)
    gone = find(allinone, SENTENCE, "--within", "videos", is_json=True)[1][0]["path"]
    os.unlink(gone)
    status, output, errors = find(allinone, SENTENCE, "--within", "videos", "--top_k", 20, "--export", "out")
    assert status == 1 and not errors
    assert re.search(rf"{re.escape(Path(gone).name)} \(gone since it was indexed\)", output)
    assert re.search(r"not written: .* does not exist", output) and "out/" in output
    hits = find(allinone, SENTENCE, "--within", "videos", "--top_k", 20, "--export", "out", is_json=True)[1]
    assert {hit["path"] for hit in hits if hit["file"] is None} == {gone}
    assert all("does not exist" in hit["reason"] for hit in hits if hit["file"] is None)


def test_videos_that_have_changed_are_warned_of(allinone, collection, tmp_path, monkeypatch, caplog):
    folder = shutil.copytree(collection / "videos", tmp_path / "videos")
    encoder = VideoEncoder.from_pretrained(SHIPPED, device="cpu")
    VideoIndex.create(tmp_path / "index", encoder, window=2.0).update(folder, num_workers=0)
    monkeypatch.chdir(tmp_path)
    assert find(allinone, SENTENCE, "--top_k", 99)[0] == 0 and "changed" not in caplog.text
    (folder / "000000.mp4").unlink()
    shutil.copy(folder / "000001.mp4", folder / "000002.mp4")
    assert find(allinone, SENTENCE, "--top_k", 99, "--rerank", 0)[0] == 0
    (message,) = [message for message in caplog.messages if "changed after being indexed" in message]
    assert message.startswith(f"{folder / '000002.mp4'} changed") and "allinone index FOLDER --index index" in message


def test_sentence_that_is_cut(allinone, here, caplog):
    logging.get_logger("transformers").addHandler(caplog.handler)
    status, hits, _ = find(allinone, "a red ring moves up " * 12, "--html", "cut.html", is_json=True)
    logging.get_logger("transformers").removeHandler(caplog.handler)
    assert status == 0 and hits and sum("is longer than the 40 tokens" in message for message in caplog.messages) == 1
    assert "longer than the model reads" in Path("cut.html").read_text(encoding="utf-8")


def test_model_that_has_moved(allinone, here, tmp_path):
    moved = shutil.copytree(SHIPPED, tmp_path / "model")
    assert find(allinone, SENTENCE, "--model", moved)[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"There is nothing to look for: give a sentence, --image FILE or --video FILE\."),
        (["a ring", "--image", "x.png"], r"a sentence and --image are given; expected one of them\."),
        (["--image", "x.png", "--video", "x.mp4"], r"--image and --video are given; expected one of them\."),
        (["a ring", "--start", 1], r"--start and --end take a part of --video, .*"),
        (["--image", "videos/grey.png", "--rerank", 5], r"--rerank is 5, but only a sentence is read again .*"),
        (["--image", "videos/000000.mp4"], r"videos/000000\.mp4 is no picture; give it by --video\."),
        (["--video", "videos/grey.png"], r"videos/grey\.png is a picture; give it by --image\."),
        (["--video", "videos/000000.mp4", "--start", 9], r"videos/000000\.mp4.* window from 9 s .* lasts 3\.000 s.*"),
        (["--video", "missing.mp4"], r"missing\.mp4 does not exist; .*"),
        (["a ring", "--top_k", 0], r".*'--top-k'.*See allinone search --help\."),
        (["a ring", "--rerank", -1], r".*'--rerank'.*See allinone search --help\."),
        (["a ring", "--html", "videos"], r"videos is a folder; give the name of a page in it, .*"),
        (["a ring", "--export", "videos/grey.png"], r"videos/grey\.png cannot be a folder for moments, .*"),
        (["a ring", "--model", "videos"], r"videos holds no model, since config\.json is missing.*"),
        ([" "], r".*empty.*"),
    ],
)
def test_wrong_command_lines(allinone, here, words, message):
    status, output, errors = find(allinone, *words)
    assert (status, output) == (2, "") and re.fullmatch(f"error: {message}\n", errors), errors


def test_a_folder_that_is_missing_costs_no_index(allinone, here, tmp_path):
    for folder, status in (("videos/day 2", 0), ("mistyped", 2)):
        words = ("--model", SHIPPED, "--index", tmp_path / "index", "--overwrite", "--num_workers", 0)
        assert allinone("index", folder, *words)[0] == status
    assert find(allinone, SENTENCE, "--index", tmp_path / "index", is_json=True)[1]


def test_no_index(allinone, tmp_path):
    status, _, errors = allinone("search", "a ring", "--index", tmp_path / "none")
    assert status == 2 and re.fullmatch(r"error: There is no index in .*none; make one: allinone index .*\n", errors)
