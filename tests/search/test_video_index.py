# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""An index of videos: each window once whatever happens, and found by what the model says."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from clean_processes import run_together, start_process
from PIL import Image
from video_fixtures import cut_short, encode_video, grey_frames

from modeling_allinone import VideoEncoder, VideoIndex
from modeling_allinone.data.folder_lock import only_writer
from modeling_allinone.data.video_loading import VideoLoader
from modeling_allinone.evaluation.embedding import score_candidates
from modeling_allinone.evaluation.retrieval import combine
from modeling_allinone.search import index_writing, video_index, window_reading
from modeling_allinone.search.index_tables import IndexTables
from modeling_allinone.search.process_group import sharing_processes


@pytest.fixture
def encoder(model, processor):
    torch.manual_seed(0)
    return VideoEncoder(model.eval(), processor)


@pytest.fixture
def folder(rows, tmp_path):
    """Three clips of moving shapes, one of them below."""
    root = tmp_path / "videos"
    (root / "below").mkdir(parents=True)
    for name, row in zip(("a.mp4", "b's.mp4", "below/ü.mp4"), rows, strict=False):
        shutil.copy(row["video"], root / name)
    return root


def rows_of(uri) -> list[tuple]:
    columns, _ = IndexTables(uri).vectors()
    return sorted(zip(columns["path"].tolist(), columns["place"].tolist(), strict=True))


def update(encoder, folder, uri, window=2.0, **options):
    index = VideoIndex.prepare(uri, encoder, window)
    return index, index.update(folder, num_workers=0, **options)


def test_windows_are_found_by_what_the_model_makes_of_them(encoder, folder, tmp_path):
    index, report = update(encoder, folder, tmp_path / "index")
    assert (report.num_new, report.num_videos, report.broken) == (3, 3, [])
    vector, is_cut = index.embed_query("a red ring moves up")
    assert torch.equal(vector, encoder.encode_text("a red ring moves up")) and not is_cut
    windows = index.find_windows(vector, top_k=100)
    assert len(windows) == report.num_windows == index.num_windows > 3
    for window in windows:
        clip = {"video": window.path, "start": window.start, "end": window.end}
        assert window.similarity == pytest.approx(float(encoder.encode_video(clip) @ vector), abs=1e-5)
        assert window.thumbnail.startswith(b"\xff\xd8") and window.end <= window.duration
    assert windows == sorted(windows, key=lambda window: -window.similarity)
    reopened = VideoIndex.open(tmp_path / "index", encoder)
    assert reopened.find_windows(vector, top_k=100) == windows
    assert [window.path for window in index.find_windows(vector, 1)] == [windows[0].path]


def test_a_video_or_a_folder_of_the_index(encoder, folder, tmp_path):
    index, _ = update(encoder, folder, tmp_path / "index")
    for within in (folder / "b's.mp4", folder / "below"):
        moments = index.search("a ring", top_k=9, within=within)
        assert moments and all(moment.path.startswith(str(within)) for moment in moments)
    with pytest.raises(ValueError, match="holds nothing of the index"):
        index.search("a ring", within=folder / "belo")


def test_queries_are_sentences_pictures_and_clips(encoder, folder, tmp_path):
    index, _ = update(encoder, folder, tmp_path / "index", window=100.0)
    path = folder / "a.mp4"
    for query in (path, {"video": str(path)}):
        (best,) = index.search(query, top_k=1)
        assert best.path == str(path) and best.similarity == pytest.approx(1, abs=1e-5)
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    assert index.embed_query(image)[0].shape == (8,)
    assert index.embed_query("ring " * 50)[1]
    with pytest.raises(ValueError, match="empty"):
        index.search(" ")


def test_the_best_are_read_again(encoder, folder, tmp_path):
    index, _ = update(encoder, folder, tmp_path / "index", window=100.0)
    text = "a red ring moves up"
    plain = index.search(text, top_k=3)
    ranked = index.search(text, top_k=3, num_reranked=2)
    clips = [{"video": moment.path} for moment in plain]
    scores = torch.cat(score_candidates(encoder.model, VideoLoader(encoder.processor), clips, [text], [[0]] * 3))
    similarities = torch.tensor([moment.similarity for moment in plain])
    finer = combine(similarities, scores, encoder.model.config.contrastive_temperature)[:2]
    order = [*finer.argsort(descending=True).tolist(), 2]
    assert [moment.path for moment in ranked] == [plain[place].path for place in order]
    assert ranked[0].score - ranked[1].score == pytest.approx(abs(float(finer[0] - finer[1])), abs=1e-4)
    with pytest.raises(ValueError, match="windows are re-ranked"):
        index.search(folder / "a.mp4", num_reranked=2)


def test_what_has_changed_is_brought_up_to_date(encoder, folder, tmp_path):
    uri = tmp_path / "index"
    update(encoder, folder, uri)
    before = rows_of(uri)
    index, report = update(encoder, folder, uri)
    assert (report.num_new, report.num_changed, report.num_moved, report.num_removed) == (0, 0, 0, 0)

    (folder / "a.mp4").rename(folder / "below" / "moved.mp4")
    encode_video(folder / "b's.mp4", frames=grey_frames(16)[:, :32, :32])
    (folder / "below" / "ü.mp4").unlink()
    shutil.copy(folder / "b's.mp4", folder / "new.mp4")
    index, report = update(encoder, folder, uri)
    assert (report.num_new, report.num_changed, report.num_moved, report.num_removed) == (1, 1, 1, 1)
    after = rows_of(uri)
    assert [place for path, place in before if path.endswith("/a.mp4")] == [
        place for path, place in after if path.endswith("moved.mp4")
    ]
    assert {Path(path).name for path, _ in after} == {"moved.mp4", "b's.mp4", "new.mp4"}
    os.utime(folder / "new.mp4")
    index, report = update(encoder, folder, uri)
    assert report.num_changed == 0 and rows_of(uri) == after
    vector, _ = index.embed_query("a ring")
    for window in index.find_windows(vector, 100):
        clip = {"video": window.path, "start": window.start, "end": window.end}
        assert window.similarity == pytest.approx(float(encoder.encode_video(clip) @ vector), abs=1e-5)


def test_a_file_that_was_edited_in_place_is_read_again(encoder, folder, tmp_path):
    """Of the same size, with the same beginning, middle and end, as raw videos are."""
    raw = folder / "raw.y4m"
    frame = b"FRAME\n" + bytes([40]) * (256 * 256) + bytes([128]) * (2 * 128 * 128)
    raw.write_bytes(b"YUV4MPEG2 W256 H256 F8:1 Ip C420\n" + frame * 16)
    index, _ = update(encoder, folder, tmp_path / "index", window=100.0)
    content = bytearray(raw.read_bytes())
    content[len(frame) * 2 + 100 : len(frame) * 5] = content[len(frame) * 2 + 100 : len(frame) * 5].replace(
        b"(", b"\xf0"
    )
    raw.write_bytes(content)
    index, report = update(encoder, folder, tmp_path / "index", window=100.0)
    assert report.num_changed == 1
    (window,) = index.find_windows(encoder.encode_video(raw), 1)
    assert window.path == str(raw) and window.similarity == pytest.approx(1, abs=1e-5)


def test_files_that_vanish_or_change_while_they_are_read_are_listed(encoder, folder, tmp_path, monkeypatch):
    encode = window_reading.encode_thumbnail

    def change_and_encode(frame):
        (folder / "a.mp4").unlink(missing_ok=True)
        os.utime(folder / "b's.mp4")
        return encode(frame)

    monkeypatch.setattr(window_reading, "encode_thumbnail", change_and_encode)
    _, report = update(encoder, folder, tmp_path / "index")
    gone, changed = [one["reason"] for one in report.broken]
    assert "No such file" in gone and "a.mp4" in gone and "b's.mp4 has changed while it was read" in changed
    assert (report.num_new, report.num_videos) == (1, 1)
    monkeypatch.undo()
    _, report = update(encoder, folder, tmp_path / "index")
    assert (report.num_new, report.num_removed, report.broken) == (1, 0, [])


def test_what_becomes_broken_is_not_counted_and_what_takes_its_place_is_not_broken(encoder, folder, tmp_path):
    update(encoder, folder, tmp_path / "index")
    (folder / "a.mp4").write_text("no film")
    _, report = update(encoder, folder, tmp_path / "index")
    assert (report.num_new, report.num_changed, len(report.broken)) == (0, 0, 1)
    (folder / "b's.mp4").replace(folder / "a.mp4")
    _, report = update(encoder, folder, tmp_path / "index")
    assert (report.num_moved, report.broken) == (1, [])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="There are no pipes in this file system.")
def test_pipes_are_not_waited_for(encoder, folder, tmp_path):
    os.mkfifo(folder / "pipe.mp4")
    _, report = update(encoder, folder, tmp_path / "index")
    assert report.num_videos == 3 and "it is a pipe or a device" in report.broken[0]["reason"]


def test_what_lies_in_a_folder_that_may_not_be_read_stays(encoder, folder, tmp_path, monkeypatch):
    """The superuser may read everything, so the system's answer is put in its place."""
    update(encoder, folder, tmp_path / "index")
    scan, opened = os.scandir, open

    def refuse(path, call, *given):
        if str(path) == str(folder / "below"):
            raise PermissionError(13, "Permission denied", str(path))
        return call(path, *given)

    monkeypatch.setattr(os, "scandir", lambda path: refuse(path, scan))
    monkeypatch.setattr(window_reading, "open", lambda path, *given: refuse(path, opened, *given), raising=False)
    _, report = update(encoder, folder, tmp_path / "index")
    assert (report.num_videos, report.num_removed) == (3, 0)
    assert "below cannot be opened (Permission denied)" in report.broken[0]["reason"]


def test_folders_that_are_not_named_stay(encoder, folder, tmp_path):
    uri = tmp_path / "index"
    update(encoder, folder / "below", uri)
    _, report = update(encoder, [folder / "a.mp4", folder / "b's.mp4"], uri)
    assert (report.num_new, report.num_removed, report.num_videos) == (2, 0, 3)


@pytest.mark.parametrize("num_workers", (0, 2))
def test_broken_videos_are_listed(encoder, folder, tmp_path, num_workers):
    cut_short(folder / "a.mp4", folder / "cut.mp4")
    (folder / "text.mkv").write_text("no film")
    (folder / "empty.webm").touch()
    (folder / ".hidden.mp4").touch()
    index = VideoIndex.create(tmp_path / "index", encoder, window=2.0)
    report = index.update(folder, num_workers=num_workers)
    assert [Path(one["path"]).name for one in report.broken] == ["cut.mp4", "empty.webm", "text.mkv"]
    assert all(one["path"] in one["reason"] for one in report.broken) and report.num_videos == report.num_new == 3
    shutil.copy(folder / "a.mp4", folder / "text.mkv")
    (folder / "empty.webm").unlink()
    report = index.update(folder, num_workers=num_workers)
    assert [Path(one["path"]).name for one in report.broken] == ["cut.mp4"] and report.num_new == 1


def test_names_that_are_no_text_and_links_to_nothing_are_listed(encoder, folder, tmp_path):
    try:
        (folder / "\udcfc.mp4").write_bytes((folder / "a.mp4").read_bytes())
        (folder / "link.mp4").symlink_to("nowhere.mp4")
    except OSError:
        pytest.skip("no such names in this file system")
    index, report = update(encoder, folder, tmp_path / "index")
    link, name = [one["reason"] for one in report.broken]
    assert "link.mp4 cannot be opened (No such file or directory)" in link and "no text in UTF-8; rename it" in name
    assert report.num_videos == report.num_new == 3 and len(index.search("a ring", top_k=9)) >= 3
    assert name.isascii() and index.update(folder, num_workers=0).num_new == 0


def test_images_and_clips_of_other_sizes(encoder, folder, tmp_path):
    Image.new("RGB", (80, 60), "red").save(folder / "image.png")
    index, report = update(encoder, folder, tmp_path / "index")
    (moment,) = index.search(Image.new("RGB", (80, 60), "red"), top_k=1)
    assert Path(moment.path).name == "image.png" and moment.duration is None and report.num_new == 4
    reranked = index.search("a red ring", top_k=99, num_reranked=99)
    assert {Path(moment.path).suffix for moment in reranked} == {".png", ".mp4"}


def test_an_index_of_another_model_is_refused(encoder, folder, tmp_path):
    update(encoder, folder, tmp_path / "index")
    assert VideoIndex.open(tmp_path / "index", VideoEncoder(encoder.model.bfloat16(), encoder.processor))
    with torch.no_grad():
        encoder.model.text_projection.weight[0, 0] += 1.0
    for call in (VideoIndex.open, VideoIndex.prepare):
        with pytest.raises(ValueError, match=r"another checkpoint.*allinone index FOLDER .* --overwrite"):
            call(tmp_path / "index", encoder)
    again = VideoIndex.prepare(tmp_path / "index", encoder, overwrite=True)
    assert again.num_windows == 0


def test_what_is_no_index_is_told(encoder, folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no index in .*nothing; make one: allinone index"):
        VideoIndex.open(tmp_path / "nothing", encoder)
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(ValueError, match=r"There is no index in .*; say which model"):
        VideoIndex.prepare(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file; give the folder of an index"):
        VideoIndex.open(tmp_path / "file", encoder)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "index.safetensors").touch()
    for call in (VideoIndex.open, VideoIndex.prepare):
        with pytest.raises(ValueError, match=r"saved by an earlier version.*--overwrite"):
            call(tmp_path / "old", encoder)
    index, _ = update(encoder, folder, tmp_path / "index")
    with pytest.raises(ValueError, match="has a window of 2 s, not 3"):
        VideoIndex.prepare(tmp_path / "index", encoder, window=3.0)
    index._save_settings(format=99)
    with pytest.raises(ValueError, match=r"has format 99.*--overwrite"):
        VideoIndex.open(tmp_path / "index", encoder)
    with pytest.raises(FileExistsError, match="There is an index"):
        VideoIndex.create(tmp_path / "index", encoder)
    with pytest.raises(FileNotFoundError, match=r"does not exist"):
        VideoIndex.create(tmp_path / "index", encoder, overwrite=True).update(tmp_path / "missing")


def test_a_damaged_index_is_named(encoder, folder, tmp_path):
    uri = tmp_path / "index"
    update(encoder, folder, uri)
    for path in uri.rglob("*.lance"):
        if path.is_file() and "windows" in str(path):
            path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=f"The index in {uri} cannot be read"):
        VideoIndex.open(uri, encoder).search("a ring")
    for path in uri.rglob("*.manifest"):
        path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"cannot be read.*by --overwrite"):
        update(encoder, folder, uri)
    VideoIndex.prepare(uri, encoder, overwrite=True).update(folder, num_workers=0)
    assert len(VideoIndex.open(uri, encoder).search("a ring")) == 3


def test_many_windows_are_found_by_an_ann_index(encoder, folder, tmp_path, monkeypatch):
    """Random vectors, of which partitions tell little, so that many have to be looked at."""
    monkeypatch.setattr(video_index, "EXACT_WINDOWS", 1000)
    index, _ = update(encoder, folder, tmp_path / "index")
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(3000, 8, generator=generator), dim=-1).numpy()
    like = {"size": 1, "modified": 1, "start": 0.0, "end": 1.0, "duration": 9.0, "content": "", "fingerprint": ""}
    many = [
        {**like, "path": f"/many/{number // 10}.mp4", "place": number % 10, "thumbnail": b"", "vector": vector}
        for number, vector in enumerate(vectors)
    ]
    index._tables.write(many)
    exact = index.find_windows(torch.from_numpy(vectors[7]), 20)
    index._finish(True)
    assert index.describe()["search"]["recall"] >= 0.99
    index = VideoIndex.open(tmp_path / "index", encoder)
    found = index.find_windows(torch.from_numpy(vectors[7]), 20)
    assert len({(one.path, one.similarity) for one in found}) == 20
    assert {one.path for one in found[:5]} == {one.path for one in exact[:5]}
    assert found[0].similarity == pytest.approx(1, abs=1e-3)
    index.settings["ann"]["num_probes"] = 1  # and that partition has none, or few, of the folder
    for vector in torch.from_numpy(vectors[:20]):
        within = index.find_windows(vector, 5, folder)
        assert len(within) == 5 and {one.path for one in within} <= set(map(str, folder.rglob("*.mp4")))


def index_and_be_killed(model: str, folder: str, uri: str, delays: list[float]):
    """Update an index again and again, in processes that are killed so many seconds after they began to read."""
    multiprocessing.set_start_method("fork", force=True)  # this one came of a server, and its workers would
    encoder = VideoEncoder.from_pretrained(model, device="cpu")
    index_writing._ROWS_AT_ONCE = 8
    for number, delay in enumerate(delays):
        if (child := os.fork()) == 0:
            index = VideoIndex.prepare(uri, encoder, window=1.0)
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
            index.update(folder, batch_size=4, num_workers=number % 2, show_progress=False)
            os._exit(0)
        os.waitpid(child, 0)


@pytest.fixture
def saved(encoder, tmp_path) -> str:
    encoder.model.save_pretrained(tmp_path / "model")
    encoder.processor.save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def many(rows, tmp_path) -> str:
    """Clips of moving shapes, each several times, in files that differ."""
    (tmp_path / "many").mkdir()
    for number in range(40):
        path = tmp_path / "many" / f"{number}.mp4"
        path.write_bytes(Path(rows[number % len(rows)]["video"]).read_bytes() + bytes(number))
    return str(tmp_path / "many")


def test_where_its_model_is_now_is_remembered(encoder, saved, folder, tmp_path):
    update(VideoEncoder.from_pretrained(saved), folder, tmp_path / "index")
    moved = str(Path(saved).rename(tmp_path / "moved"))
    update(VideoEncoder.from_pretrained(moved), folder, tmp_path / "index")
    update(encoder, folder, tmp_path / "index")  # which lies nowhere
    assert VideoIndex.open(tmp_path / "index").describe()["model"] == moved


@pytest.mark.parametrize("num_kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_and_resumed_each_window_is_there_once(encoder, saved, many, tmp_path, num_kills):
    delays = np.random.default_rng(0).uniform(0, 0.2, num_kills).tolist()
    process = start_process(index_and_be_killed, saved, many, str(tmp_path / "index"), delays)
    process.join(600)
    assert process.exitcode == 0
    num_before = len(rows_of(tmp_path / "index"))
    _, report = update(encoder, many, tmp_path / "index", window=1.0)
    whole, _ = update(encoder, many, tmp_path / "whole", window=1.0)
    assert num_before < whole.num_windows
    assert rows_of(tmp_path / "index") == rows_of(tmp_path / "whole") and report.num_videos == 40
    for index_uri in ("index", "whole"):
        assert len(set(rows_of(tmp_path / index_uri))) == whole.num_windows


def share_an_index(model: str, folder: str, uri: str) -> tuple[int, int, int]:
    """Update an index, together with another process."""
    encoder = VideoEncoder.from_pretrained(model, device="cpu")
    with sharing_processes():
        index = VideoIndex.prepare(uri, encoder, window=1.0)
        report = index.update(folder, num_workers=0, show_progress=False)
        return report.num_new, report.num_videos, report.num_windows


def test_processes_share_the_work(encoder, saved, many, tmp_path):
    reports = run_together(share_an_index, saved, many, str(tmp_path / "index"))
    _, report = update(encoder, many, tmp_path / "whole", window=1.0)
    assert reports == [(40, 40, report.num_windows)] * 2
    assert rows_of(tmp_path / "index") == rows_of(tmp_path / "whole")
    assert torch.allclose(
        *(IndexTables(tmp_path / name).vectors()[1].sort(dim=0)[0] for name in ("index", "whole")), atol=1e-5
    )


@pytest.mark.slow
def test_accelerate_starts_the_command(saved, many, tmp_path):
    """The command as it stands in the README, in two processes, of which the first one reports."""
    uri = tmp_path / "index"
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu"]
    command = ["-m", "modeling_allinone", "index", many, "--model", saved, "--index", str(uri), "--window", "1"]
    for num_new in (40, 0):
        run = subprocess.run([*launch, *command, "--json"], capture_output=True, text=True, timeout=600)
        assert run.returncode == 0, run.stderr
        report = json.loads(run.stdout)
        assert (report["num_new"], report["num_videos"], report["broken"]) == (num_new, 40, [])
    assert len(rows_of(uri)) == len(set(rows_of(uri))) == report["num_windows"]


def test_an_update_that_was_killed_is_searched_without_delay(encoder, folder, tmp_path):
    """What similarities are worth is found once, and not for each query."""
    index, _ = update(encoder, folder, tmp_path / "index")
    index._save_settings(calibration=None)
    first = index.search("a ring", top_k=3)
    fitted = index._fitted
    assert index.search("a ring", top_k=3) == first and index._fitted is fitted
    assert first == VideoIndex.open(tmp_path / "index", encoder).search("a ring", top_k=3)
    index._tables.remove([first[0].path])
    assert index.search("a ring", top_k=3) and index._fitted is not fitted


def test_another_update_at_the_same_time_is_refused(encoder, folder, tmp_path):
    index, _ = update(encoder, folder, tmp_path / "index")
    with only_writer(tmp_path / "index"):
        for call in (
            lambda: index.update(folder),
            lambda: VideoIndex.prepare(tmp_path / "index", encoder, overwrite=True),
        ):
            with pytest.raises(ValueError, match="Another run is writing to"):
                call()
    assert index.num_windows
    assert index.search("a ring")
