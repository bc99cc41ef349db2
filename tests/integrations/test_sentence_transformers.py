# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""sentence-transformers: the folder of a retrieval model opens there as it is, and in the full form."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from retrieval_fixtures import TEXTS

from modeling_allinone.data.video_loading import VideoLoader
from modeling_allinone.evaluation.embedding import embed_clips, embed_texts
from modeling_allinone.models.video_decoding_allinone import open_clip

FOLDER = pytest.mark.door("the plain folder of a retrieval model as a SentenceTransformer", "sentence-transformers")


@pytest.fixture
def folder(model, processor, tmp_path):
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    return str(tmp_path)


@FOLDER
def test_a_plain_folder_encodes_as_we_do(folder, model, processor, rows, record_property):
    from sentence_transformers import SentenceTransformer

    opened = SentenceTransformer(folder, device="cpu")
    options = {"normalize_embeddings": True, "convert_to_tensor": True}
    texts = opened.encode(TEXTS, **options)
    assert torch.equal(texts, embed_texts(model, processor, TEXTS))
    clips = opened.encode([row["video"] for row in rows], **options)
    ours, _ = embed_clips(model, VideoLoader(processor), rows)
    torch.testing.assert_close(clips, ours, rtol=0, atol=1e-6)
    assert opened.similarity(texts, clips).shape == (len(TEXTS), len(rows))
    assert opened.get_embedding_dimension() == model.config.projection_dim
    record_property("agreement", f"{len(TEXTS)} texts to the last bit, {len(clips)} videos to 1e-6")


@FOLDER
def test_a_plain_folder_reads_what_sentence_transformers_calls_a_video(folder, rows):
    """Paths, arrays, and lists of images, with and without what it says of them."""
    from sentence_transformers import SentenceTransformer

    opened = SentenceTransformer(folder, device="cpu")
    path = rows[0]["video"]
    (expected,) = opened.encode([path])
    clip = open_clip(path, path)
    frames = clip.read(np.arange(clip.total_frames))
    array = torch.from_numpy(np.stack(frames))
    images = [Image.fromarray(frame) for frame in frames]
    metadata = {"fps": 10, "total_num_frames": len(frames)}
    inputs = [
        path,
        {"video": Path(path)},
        array.numpy(),
        array.permute(0, 3, 1, 2),
        {"video": images},
        {"array": images, "video_metadata": metadata},
        {"array": array, "video_metadata": metadata},
        {"array": array, "video_metadata": None},
        {"video": {"array": array, "video_metadata": metadata}},
    ]
    for one in inputs:
        assert (opened.encode(one) == expected).all()
