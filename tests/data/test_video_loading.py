# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Clips that are broken, slow or deadly: told by name, and never replaced."""

import ctypes
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from torch.utils.data import DataLoader
from transformers.utils import logging
from video_fixtures import encode_video

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.collators import VideoQuestionAnsweringCollator
from modeling_allinone.data.frame_cache import cache_frames
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.data.video_loading import ClipTimeoutError, VideoLoader, read_replaced, read_skipped
from modeling_allinone.datasets import train_tokenizer
from modeling_allinone.evaluation.results import describe_protocol
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments


@pytest.fixture(scope="module")
def processor():
    return AllInOneProcessor(AllInOneVideoProcessor(num_frames=2, size=32, crop_size=32), train_tokenizer(["what?"]))


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "good.mp4"
    encode_video(path)
    return str(path)


@pytest.fixture
def broken(tmp_path):
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"no video")
    return str(path)


@pytest.fixture
def scarred(tmp_path):
    """A film whose frames 7 and 11 are damaged, and no other: a key frame follows each."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 48, 64, 3), dtype=np.uint8)
    path = encode_video(tmp_path / "scarred.mp4", frames=noise, options={"g": "4", "bf": "0"})
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for position, size in (packets[7], packets[11]):
        data[position + size // 2 : position + size // 2 + 40] = bytes(20) + b"\x55" * 20
    path.write_bytes(data)
    return str(path)


class SlowFrames(list):
    """Images that take their time to come, as files on a network disk do."""

    def __iter__(self):
        for _ in range(6000):
            time.sleep(0.01)
        yield from super().__iter__()


class FramesThatHang(SlowFrames):
    """In a library that does not come back to Python."""

    def __iter__(self):
        ctypes.CDLL(None).sleep(60)
        return super().__iter__()


class FramesThatBlock(SlowFrames):
    """In a library that lets no other thread run meanwhile."""

    def __iter__(self):
        ctypes.PyDLL(None).sleep(60)
        return super().__iter__()


class FramesThatCrash(SlowFrames):
    """As a decoder that writes where it must not."""

    def __iter__(self):
        os.kill(os.getpid(), signal.SIGKILL)
        return super().__iter__()


def test_a_batch_is_what_the_processor_makes(processor, clip):
    clips, is_readable = VideoLoader(processor)([{"video": clip}, {"video": clip, "start": 0.5, "end": 1.0}])
    expected = processor(videos=[clip, clip], start=[None, 0.5], end=[None, 1.0])["pixel_values"]
    assert set(clips) == {"pixel_values"} and torch.equal(clips["pixel_values"], expected)
    assert is_readable.tolist() == [True, True]
    image = np.full((40, 40, 3), 9, dtype=np.uint8)
    assert VideoLoader(processor)([{"image": image}])[0]["pixel_values"].shape == (1, 1, 3, 32, 32)
    assert VideoLoader(processor)([{"images": [image, image]}])[0]["pixel_values"].shape == (1, 2, 1, 3, 32, 32)


def test_draw_decides_random_frames(processor, clip):
    read = VideoLoader(processor, {"frame_sampling": "random"})
    again = [read([{"video": clip, "draw": draw}])[0]["pixel_values"] for draw in (1, 1, 2, 3, 4, 5)]
    assert torch.equal(again[0], again[1])
    assert any(not torch.equal(again[0], other) for other in again[2:])
    together = read([{"video": clip, "draw": 7}, {"video": clip, "draw": 1}])[0]["pixel_values"]
    assert torch.equal(together[1], again[0][0]), "a row's frames do not depend on its batch"


def test_broken_clip_raises_with_its_name(processor, broken):
    with pytest.raises(Exception, match=r"broken\.mp4") as raised:
        VideoLoader(processor)([{"video": broken, "sample_id": "q7"}])
    assert raised.value.__notes__ == [f"The clip is {broken} (sample q7)."]


def test_broken_clips_are_blank_and_listed(tmp_path, processor, clip, broken):
    skipped_file = tmp_path / "skipped.jsonl"
    read = VideoLoader(processor, on_decode_error="skip", skipped_file=skipped_file)
    rows = [{"video": broken, "sample_id": "a"}, {"video": clip}, {"video": str(tmp_path / "gone.mp4")}, {}]
    clips, is_readable = read(rows)
    pixel_values = clips["pixel_values"]
    assert is_readable.tolist() == [False, True, False, False]
    assert torch.equal(pixel_values[1], processor(videos=clip)["pixel_values"][0])
    assert not pixel_values[[0, 2, 3]].any()
    read(rows[:1])
    skipped = read_skipped(skipped_file)
    assert [(entry["video"], entry["sample_id"]) for entry in skipped[:2]] == [
        (broken, "a"),
        (str(tmp_path / "gone.mp4"), None),
    ]
    assert len(skipped) == 3 and all(entry["reason"] for entry in skipped)
    assert read_skipped(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(
    ("row", "shape"), (({"video": "gone"}, (1, 2, 3, 32, 32)), ({"image": "gone"}, (1, 1, 3, 32, 32)))
)
def test_batch_without_any_readable_clip(processor, row, shape):
    clips, is_readable = VideoLoader(processor, on_decode_error="skip")([row])
    pixel_values = clips["pixel_values"]
    assert pixel_values.shape == shape and not pixel_values.any() and not is_readable.any()


@pytest.mark.parametrize("frames", (SlowFrames, FramesThatHang))
def test_clip_over_its_time(processor, frames):
    """In the main thread and in another: the limit needs no signal."""
    row = {"video": frames([np.zeros((40, 40, 3), dtype=np.uint8)])}
    message = "Reading the frames of a row took longer than 0.2 s"
    started = time.perf_counter()
    with pytest.raises(ClipTimeoutError, match=message):
        VideoLoader(processor, seconds_per_clip=0.2)([row])
    with ThreadPoolExecutor() as threads:
        reading = threads.submit(VideoLoader(processor, seconds_per_clip=0.2), [row])
        assert message in str(reading.exception())
    assert not VideoLoader(processor, seconds_per_clip=0.2, on_decode_error="skip")([row])[1].any()
    assert time.perf_counter() - started < 10


def test_reading_a_slow_clip_ends_with_its_time(processor):
    before = threading.active_count()
    with pytest.raises(ClipTimeoutError):
        VideoLoader(processor, seconds_per_clip=0.1)([{"video": SlowFrames([np.zeros((40, 40, 3), dtype=np.uint8)])}])
    deadline = time.perf_counter() + 10
    while threading.active_count() > before:
        assert time.perf_counter() < deadline
        time.sleep(0.01)


def test_what_is_read_in_time_is_as_without_a_limit(processor, clip, broken):
    read = VideoLoader(processor, seconds_per_clip=float("inf"))
    (read_in_time, _), (expected, _) = read([{"video": clip}]), VideoLoader(processor)([{"video": clip}])
    assert torch.equal(read_in_time["pixel_values"], expected["pixel_values"])
    with pytest.raises(Exception, match=r"broken\.mp4") as raised:
        read([{"video": broken, "sample_id": "q7"}])
    assert not isinstance(raised.value, ClipTimeoutError)


def test_arguments_are_checked(processor):
    with pytest.raises(ValueError, match="on_decode_error is 'ignore'; expected one of raise, skip"):
        VideoLoader(processor, on_decode_error="ignore")
    with pytest.raises(ValueError, match="seconds_per_clip is 0; expected a positive number"):
        VideoLoader(processor, seconds_per_clip=0)


# torch tells of a dead worker from a signal handler, which may come in a `__del__`, whose errors Python drops.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("frames", (FramesThatCrash, FramesThatBlock))
@pytest.mark.parametrize("stage", ("train", "evaluate"))
def test_clip_that_its_worker_dies_of_is_named(tmp_path, monkeypatch, processor, tiny_config, clip, frames, stage):
    from modeling_allinone import AllInOneForVideoQuestionAnswering
    from modeling_allinone.data import video_loading

    monkeypatch.setattr(video_loading, "_GRACE_SECONDS", 0.2)
    rows = [{"video": clip, "question": "what?", "label": 0} for _ in range(4)]
    rows[2] |= {"video": frames([np.zeros((40, 40, 3), dtype=np.uint8)]), "video_id": "video7"}
    trainer = AllInOneTrainer(
        AllInOneForVideoQuestionAnswering(tiny_config(num_labels=3, num_frames=2)),
        AllInOneTrainingArguments(
            tmp_path,
            max_steps=4,
            per_device_train_batch_size=1,
            per_device_eval_batch_size=1,
            dataloader_num_workers=1,
            use_cpu=True,
            disable_tqdm=True,
            save_strategy="no",
        ),
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=VideoQuestionAnsweringCollator(processor, 3, seconds_per_clip=0.5),
    )
    with pytest.raises(RuntimeError, match=r"A worker that reads clips died .* at the frames of video7. Remove or"):
        getattr(trainer, stage)()


def test_loader_without_workers_raises_other_errors_unchanged(processor):
    assert VideoLoader(processor).explain_dead_worker(RuntimeError("CUDA out of memory")) is None


def test_skipped_clips_of_workers_are_listed(tmp_path, processor, clip, broken):
    rows = [
        {"video": clip if index % 3 else broken, "sample_id": f"s{index}", "question": "what?", "label": 1}
        for index in range(12)
    ]
    collate = VideoQuestionAnsweringCollator(
        processor, 3, on_decode_error="skip", skipped_file=tmp_path / "skipped.jsonl"
    )
    labels = torch.cat([batch["labels"] for batch in DataLoader(rows, 2, num_workers=2, collate_fn=collate)])
    assert labels.tolist() == [1 if index % 3 else -100 for index in range(12)]
    assert {entry["sample_id"] for entry in read_skipped(tmp_path / "skipped.jsonl")} == {"s0", "s3", "s6", "s9"}
    assert len((tmp_path / "skipped.jsonl").read_text().splitlines()) == 4
    assert all(json.loads(line)["video"] == broken for line in (tmp_path / "skipped.jsonl").read_text().splitlines())


def test_rows_draw_by_seed_epoch_and_place():
    rows = VideoDataset([{"video": "a"}, {"video": "b"}], seed=3, frames={("a", None, None): np.zeros(1)})
    draws = {(epoch, index): None for epoch in range(3) for index in range(2)}
    for epoch, index in draws:
        rows.set_epoch(epoch)
        draws[epoch, index] = rows[index]["draw"]
    assert len(set(draws.values())) == 6
    rows.set_epoch(1)
    assert rows[0]["draw"] == draws[1, 0] and isinstance(rows[0]["video"], np.ndarray) and rows[1]["video"] == "b"
    assert VideoDataset([{"video": "a"}], seed=4)[0]["draw"] != draws[0, 0]


def test_clips_of_shards_are_bytes_with_a_name(tmp_path, processor, clip, broken):
    skipped_file = tmp_path / "skipped.jsonl"
    read = VideoLoader(processor, on_decode_error="skip", skipped_file=skipped_file)
    rows = [
        {"video": Path(path).read_bytes(), "__key__": f"00{number}", "__url__": "a.tar", "sample_id": f"s{number}"}
        for number, path in enumerate((clip, broken))
    ]
    clips, is_readable = read(rows)
    assert is_readable.tolist() == [True, False]
    assert torch.equal(clips["pixel_values"][0], processor(videos=clip)["pixel_values"][0])
    assert read_skipped(skipped_file)[0]["video"] == "001 of a.tar"
    image = tmp_path / "image.png"
    Image.fromarray(np.full((40, 40, 3), 9, dtype=np.uint8)).save(image)
    data = image.read_bytes()
    for of_shard, of_file in (
        ({"image": data}, {"image": str(image)}),
        ({"images": [data] * 2}, {"images": [str(image)] * 2}),
    ):
        assert torch.equal(read([of_shard])[0]["pixel_values"], read([of_file])[0]["pixel_values"])


def test_damaged_frames_are_errors_that_name_the_clip(tmp_path, processor, scarred):
    with pytest.raises(
        ValueError, match=r"scarred\.mp4: frame 7 of 16 cannot be decoded .* on_corrupt_frame='nearest'"
    ):
        processor(videos=scarred, frame_indices=[3, 7])
    read = VideoLoader(processor, {"num_frames": 16}, on_decode_error="skip", skipped_file=tmp_path / "skipped")
    assert not read([{"video": scarred}])[1].any() and read.num_skipped == 1
    with pytest.raises(
        ValueError, match=r"scarred\.mp4: decord cannot .*frame 7 is damaged, .* of which it says nothing"
    ):
        processor(videos=scarred, frame_indices=[3, 7], video_backend="decord")
    whole = [0, 3, 6, 8, 10, 12, 15]
    pixels = processor(videos=scarred, frame_indices=whole).pixel_values
    assert torch.equal(processor(videos=scarred, frame_indices=whole, on_corrupt_frame="nearest").pixel_values, pixels)
    decord = processor(videos=scarred, frame_indices=whole, video_backend="decord").pixel_values
    assert (decord - pixels).abs().max() < 0.1


@pytest.mark.parametrize(
    ("options", "shown", "replaced"),
    [
        ({"frame_indices": [11, 7, 8, 11]}, [10, 6, 8, 10], {7: 6, 11: 10}),
        ({"do_sample_frames": False, "start": 0.7, "end": 1.0}, [8, 8, 9], {7: 8}),  # the window begins with it
        ({"num_frames": 1, "start": 0.6, "end": 0.9}, [6], {7: 6}),
        ({"num_frames": 8, "start": 0.7, "end": 1.5}, [8, 8, 9, 10, 10, 12, 13, 14], {7: 8, 11: 10}),  # as many as are
        ({"num_frames": 2, "start": 1.0, "end": 1.4}, [10, 12], {}),
        ({"num_frames": 4, "start": 0.7, "end": 1.5}, [8, 9, 12, 13], {7: 8, 11: 12}),  # each in its segment
        ({"fps": 5, "start": 0.7, "end": 1.5}, [8, 9, 12, 13], {7: 8, 11: 12}),
    ],
)
def test_damaged_frames_give_way_to_the_nearest_of_their_segment(processor, scarred, options, shown, replaced):
    inputs = processor(videos=scarred, on_corrupt_frame="nearest", return_metadata=True, **options)
    assert inputs.video_metadata[0].replaced_frames == replaced
    assert torch.equal(inputs.pixel_values, processor(videos=scarred, frame_indices=shown).pixel_values)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_damaged_frames_are_counted_and_listed(tmp_path, processor, clip, scarred, num_workers):
    options = {"num_frames": 16, "on_corrupt_frame": "nearest"}
    read = VideoLoader(processor, options, skipped_file=tmp_path / "skipped.jsonl")
    rows = [{"video": clip, "sample_id": "a"}, {"video": scarred, "sample_id": "b"}] * 2
    batches = list(DataLoader(rows, 2, collate_fn=read, num_workers=num_workers))
    assert all(is_readable.all() for _, is_readable in batches)
    assert (read.num_skipped, read.num_replaced) == (0, 4) and read_skipped(tmp_path / "skipped.jsonl") == []
    (entry,) = read_replaced(tmp_path / "replaced_frames.jsonl")
    assert entry == {"video": scarred, "sample_id": "b", "replaced": {"7": 6, "11": 10}}


def test_damaged_frames_are_warned_of_once_a_clip(processor, scarred, caplog):
    logging.get_logger("transformers").addHandler(caplog.handler)
    for _ in range(3):
        processor(videos=[scarred] * 2, frame_indices=[7], on_corrupt_frame="nearest")
    logging.get_logger("transformers").removeHandler(caplog.handler)
    assert [message.partition(";")[0] for message in caplog.messages] == [f"{scarred} has damaged frames"]


def test_damaged_frames_are_told_of_in_results_and_not_kept(tmp_path, tiny_config, scarred):
    video_processor = AllInOneVideoProcessor(num_frames=16, size=32, crop_size=32, on_corrupt_frame="nearest")
    processor = AllInOneProcessor(video_processor, train_tokenizer(["what?"]))
    rows = Dataset.from_list([{"video": scarred, "start": None, "end": None, "sample_id": "b"}])
    assert len(cache_frames(rows, processor, tmp_path / "cache", num_workers=0)) == 0
    VideoLoader(processor, skipped_file=tmp_path / "skipped_clips.jsonl")(list(rows))
    arguments = AllInOneTrainingArguments(str(tmp_path), use_cpu=True)
    protocol = describe_protocol({}, rows, tiny_config(), processor.video_processor, arguments)
    assert (protocol["num_skipped"], protocol["num_with_replaced_frames"]) == (0, 1)
    assert protocol["replaced_frames"][0]["replaced"] == {"7": 6, "11": 10}
