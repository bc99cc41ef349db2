# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Vectors of texts and clips: those of the model, in any number and order, of real files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from retrieval_fixtures import TEXTS, text_features
from transformers.utils import logging

from modeling_allinone import AllInOneForPreTraining, AllInOneForVideoQuestionAnswering, VideoEncoder
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes

CHECKPOINT = Path(__file__).parents[2] / "examples/checkpoints/moving-shapes"


@pytest.fixture
def encoder(model, processor):
    return VideoEncoder(model, processor)


@pytest.fixture
def videos(rows):
    return [row["video"] for row in rows]


def test_vectors_are_the_model_s(encoder, model, processor, videos):
    torch.testing.assert_close(encoder.encode_text(TEXTS), text_features(model, processor))
    with torch.no_grad():
        clips = [model.get_video_features(**processor(videos=[video])).pooler_output[0] for video in videos]
    torch.testing.assert_close(encoder.encode_video(videos), torch.stack([clip / clip.norm() for clip in clips]))


def test_number_order_and_batches_change_nothing(encoder, videos):
    texts, clips = encoder.encode_text(TEXTS), encoder.encode_video(videos)
    assert texts.dtype == clips.dtype == torch.float32
    torch.testing.assert_close(encoder.encode_text(TEXTS[::-1], batch_size=2), texts.flip(0))
    torch.testing.assert_close(encoder.encode_video(videos[::-1], batch_size=2, num_workers=1), clips.flip(0))
    torch.testing.assert_close(encoder.encode_video(video for video in videos[:3]), clips[:3])
    torch.testing.assert_close(encoder.encode_text(TEXTS[0]), texts[0])
    torch.testing.assert_close(encoder.encode_video(Path(videos[0])), clips[0])
    assert encoder.encode_text([]).shape == encoder.encode_video([]).shape == (0, 8)


def test_clips_in_every_form(encoder, videos):
    whole = encoder.encode_video(videos[0])
    part = {"video": videos[0], "start": 0.0, "end": 0.5}
    frames = np.random.default_rng(0).integers(0, 256, (6, 40, 50, 3), dtype=np.uint8)
    together = encoder.encode_video([Path(videos[0]).read_bytes(), part, frames])
    torch.testing.assert_close(together[0], whole)
    assert not torch.allclose(together[1], whole)
    torch.testing.assert_close(together[2], encoder.encode_video(frames))
    torch.testing.assert_close(together[1], encoder.encode_video(part))


def test_an_image_is_a_clip_of_one_frame(encoder, videos):
    frame = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    expected = encoder.encode_video({"image": frame})
    for image in (frame, Image.fromarray(frame)):
        torch.testing.assert_close(encoder.encode_video(image), expected)
        torch.testing.assert_close(encoder.encode_video([videos[0], image, videos[1]])[1], expected)
    assert not torch.allclose(encoder.encode_video(frame[None]), expected)  # whose one frame is repeated


def test_a_clip_that_cannot_be_read(encoder, videos, broken):
    with pytest.raises(Exception, match=r"broken\.mp4"):
        encoder.encode_video([videos[0], broken["video"]])
    vectors = encoder.encode_video([videos[0], broken["video"]], on_decode_error="skip")
    torch.testing.assert_close(vectors[0], encoder.encode_video(videos[0]))
    assert vectors[1].isnan().all()


def test_progress_on_demand(encoder, capsys):
    encoder.encode_text(TEXTS)
    assert capsys.readouterr().err == ""
    encoder.encode_text(TEXTS, show_progress=True)
    assert "0/1" in capsys.readouterr().err


def test_from_a_folder(encoder, model, processor, videos, tmp_path):
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded = VideoEncoder.from_pretrained(tmp_path, device="cpu")
    torch.testing.assert_close(loaded.encode_video(videos), encoder.encode_video(videos))
    half = VideoEncoder.from_pretrained(str(tmp_path), device="cpu", dtype="bfloat16")
    assert half.model.dtype == torch.bfloat16
    vectors = half.encode_text(TEXTS)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(len(TEXTS)))
    torch.testing.assert_close(vectors, encoder.encode_text(TEXTS), atol=0.05, rtol=0)


def test_the_shipped_checkpoint_finds_clips(tmp_path):
    write_moving_shapes(tmp_path, 12, "test")
    rows = load_moving_shapes(tmp_path, "test", task="retrieval").to_list()
    encoder = VideoEncoder.from_pretrained(CHECKPOINT)
    cosines = encoder.encode_text(row["caption"] for row in rows) @ encoder.encode_video(rows).T
    assert (cosines.argmax(dim=1) == torch.arange(12)).float().mean() > 0.8


@pytest.mark.parametrize("model_class", [AllInOneForPreTraining, AllInOneForVideoQuestionAnswering])
def test_a_model_without_projections(model_class, config, processor, tmp_path):
    config.pretraining_objectives = ["masked_lm", "matching"]
    config.id2label = {0: "yes", 1: "no"}
    model_class(config).save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"holds {model_class.__name__} without projections.*trained for retrieval"):
        VideoEncoder.from_pretrained(tmp_path)


def test_a_text_that_is_too_long_is_cut_and_said_once(encoder, caplog):
    encoder.processor._has_warned_of_truncation = False  # by another test
    logging.get_logger("transformers").addHandler(caplog.handler)
    long = "a red ring moves up " * 20
    vectors = encoder.encode_text(iter([long, long + "and down", "a ring"]), batch_size=1)
    logging.get_logger("transformers").removeHandler(caplog.handler)
    torch.testing.assert_close(vectors[0], vectors[1])
    assert vectors.isfinite().all() and sum("was cut to 16" in message for message in caplog.messages) == 1
