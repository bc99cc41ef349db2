# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""An index finds clips as features and pairs rank them, is kept with its model, and is whole or refused."""

import itertools
import multiprocessing
import random
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from retrieval_fixtures import NUM_CLIPS, TEXTS, order, text_features
from tqdm.auto import tqdm

from modeling_allinone import AllInOneConfig, AllInOneForVideoTextRetrieval
from modeling_allinone.search import VideoIndex


def test_index_finds_clips(model, processor, rows, broken, tmp_path):
    videos = [Path(rows[0]["video"]), {"video": rows[1]["video"], "start": 0.5, "end": 2.0}, broken["video"]]
    videos += [row["video"] for row in rows[2:]]
    index = VideoIndex.build(model, processor, videos, on_decode_error="skip")
    assert [clip["video"] for clip in index.skipped] == [broken["video"]] and len(index.clips) == NUM_CLIPS
    found = index.search(TEXTS[0], top_k=4)
    similarities = (index.features @ text_features(model, processor)[0]).tolist()
    assert [clip["video"] for clip in found] == [index.clips[clip]["video"] for clip in order(similarities)[:4]]
    assert [clip["similarity"] for clip in found] == pytest.approx(sorted(similarities, reverse=True)[:4])
    assert index.clips[1] == {"video": rows[1]["video"], "start": 0.5, "end": 2.0}

    reranked = index.search(TEXTS[0], top_k=5, num_reranked=3)
    best = order(similarities)
    scores = {clip["video"]: clip.get("score") for clip in reranked}
    assert set(list(scores)[:3]) == {index.clips[clip]["video"] for clip in best[:3]}
    assert list(scores.values())[:3] == sorted(list(scores.values())[:3], reverse=True)
    assert list(scores.values())[3:] == [None, None] and list(scores)[3:] == [
        index.clips[clip]["video"] for clip in best[3:5]
    ]
    assert index.search(TEXTS[0], top_k=1, num_reranked=3)[0] == reranked[0]
    assert len(index.search(TEXTS[0], top_k=99)) == NUM_CLIPS


def test_index_is_kept_with_its_model(model, config, processor, rows, tmp_path):
    index = VideoIndex.build(model, processor, [row["video"] for row in rows])
    index.save(tmp_path / "index")
    loaded = VideoIndex.load(tmp_path / "index", model, processor)
    assert torch.equal(loaded.features, index.features) and loaded.clips == index.clips
    assert [clip["video"] for clip in loaded.search(TEXTS[1])] == [clip["video"] for clip in index.search(TEXTS[1])]
    with pytest.raises(ValueError, match="was made with another model"):
        VideoIndex.load(tmp_path / "index", AllInOneForVideoTextRetrieval(config), processor)
    other = AllInOneForVideoTextRetrieval(AllInOneConfig(**config.to_dict() | {"projection_dim": 4}))
    with pytest.raises(ValueError, match=r"shape \(7, 8\), but expected \(7, 4\)"):
        VideoIndex.load(tmp_path / "index", other, processor)


def save_by_turns(folder: Path, indices: list[VideoIndex]):
    torch.set_num_threads(1)  # a pool of threads does not outlive a fork
    tqdm.set_lock(threading.RLock())  # its own is shared by forks, and held for ever by one that is killed
    for index in itertools.cycle(indices):
        index.save(folder)


def test_index_is_whole_whenever_saving_is_killed(model, processor, tmp_path, num_kills=12):
    """Clips and features are those of one index, the old or the new."""
    indices = []
    for value, num_clips in enumerate((3000, 2999), 1):
        clips = [{"video": f"{value}/{clip}.mp4", "start": None, "end": None} for clip in range(num_clips)]
        indices.append(VideoIndex(model, processor, clips, torch.full((num_clips, 8), float(value))))
    indices[0].save(tmp_path)
    draws = random.Random(0)
    for _ in range(num_kills):
        run = multiprocessing.get_context("fork").Process(target=save_by_turns, args=(tmp_path, indices))
        run.start()
        run.join(draws.uniform(0.03, 0.2))
        assert run.is_alive()
        run.kill()
        run.join()
        loaded = VideoIndex.load(tmp_path, model, processor)
        (value,) = loaded.features.unique().tolist()
        assert loaded.clips == indices[int(value) - 1].clips
    indices[1].save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.safetensors"]


def test_damaged_index_is_refused(model, processor, rows, tmp_path):
    VideoIndex.build(model, processor, [row["video"] for row in rows[:3]]).save(tmp_path)
    path = tmp_path / "index.safetensors"
    whole = path.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    for damaged in (
        whole[:-1],
        whole[:start] + bytes(4) + whole[start + 4 :],
        whole.replace(b".mp4", b".mp3"),
        whole[:-1] + b"\1",
        b"",
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"index\.safetensors is damaged.*; rebuild the index"):
            VideoIndex.load(tmp_path, model, processor)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"index\.safetensors does not exist"):
        VideoIndex.load(tmp_path, model, processor)
    (tmp_path / "features.safetensors").touch()
    with pytest.raises(ValueError, match=r"The index in .* was saved by version 0\.1; build it again"):
        VideoIndex.load(tmp_path, model, processor)
    VideoIndex(model, processor, [], torch.zeros(0, 8)).save(tmp_path)
    assert VideoIndex.load(tmp_path, model, processor).clips == []


def test_index_names_what_is_wrong(model, processor, rows):
    index = VideoIndex.build(model, processor, [rows[0]["video"]])
    with pytest.raises(ValueError, match="top_k is 0 and num_reranked is 0"):
        index.search("a ring", top_k=0)
    with pytest.raises(TypeError, match="expected its path, or a mapping with its path as video"):
        VideoIndex.build(model, processor, [np.zeros((4, 32, 32, 3), dtype=np.uint8)])
    assert VideoIndex.build(model, processor, []).search("a ring", num_reranked=2) == []
