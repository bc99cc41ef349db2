# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""sentence-transformers: the folder of a retrieval model opens there as it is, and in the full form."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from retrieval_fixtures import TEXTS, order

from modeling_allinone import (
    AllInOneForVideoTextRetrieval,
    VideoEncoder,
    metric_path,
    save_sentence_transformer,
)
from modeling_allinone.data.video_loading import VideoLoader
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes
from modeling_allinone.evaluation.embedding import embed_clips, embed_texts, score_candidates
from modeling_allinone.evaluation.retrieval import Ranking, collect_captions, combine, rank, rerank
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


# ---------------------------------------------------------------------------------------------------------------------
# The full form
# ---------------------------------------------------------------------------------------------------------------------

CHECKPOINT = Path(__file__).parents[2] / "examples" / "checkpoints" / "moving-shapes"
FULL = pytest.mark.door("the full form of a retrieval model as a SentenceTransformer", "sentence-transformers")
RANKER = pytest.mark.door("the full form of a retrieval model as a CrossEncoder", "sentence-transformers")


@pytest.fixture
def full(model, processor, tmp_path):
    save_sentence_transformer(model, processor, tmp_path / "full")
    return str(tmp_path / "full")


@FULL
def test_the_full_form_makes_vectors_of_unit_length(full, processor, rows):
    from sentence_transformers import SentenceTransformer

    opened, model = SentenceTransformer(full, device="cpu"), AllInOneForVideoTextRetrieval.from_pretrained(full)
    assert opened.modalities == ["text", "video", "image"]
    videos = [row["video"] for row in rows]
    assert torch.equal(opened.encode(TEXTS, convert_to_tensor=True), embed_texts(model, processor, TEXTS))
    clips, _ = embed_clips(model, VideoLoader(processor), rows)
    assert torch.equal(opened.encode(videos, convert_to_tensor=True), clips)
    images = [{"image": Image.fromarray(frame)} for frame in open_clip(videos[0], "").read(np.arange(3))]
    pictures, _ = embed_clips(model, VideoLoader(processor), images)
    assert torch.equal(opened.encode([row["image"] for row in images], convert_to_tensor=True), pictures)


@RANKER
def test_the_same_folder_scores_pairs(full, processor, rows):
    from sentence_transformers import CrossEncoder

    ranker, model = CrossEncoder(full, device="cpu"), AllInOneForVideoTextRetrieval.from_pretrained(full).eval()
    videos = [row["video"] for row in rows][: len(TEXTS)]
    with torch.no_grad():
        expected = model.score_pairs(**processor(text=TEXTS, videos=videos)).numpy()
    assert (ranker.predict(list(zip(TEXTS, videos, strict=True))) == expected).all()
    assert (ranker.predict(list(zip(videos, TEXTS, strict=True))) == expected).all()  # a clip may be the query
    said = [{"array": open_clip(video, "").read(np.arange(12)), "video_metadata": {"fps": 4}} for video in videos]
    assert (ranker.predict(list(zip(TEXTS, said, strict=True))) == expected).all()
    (clip,) = embed_scores(model, processor, rows[:1])
    ranks = ranker.rank(videos[0], TEXTS)
    assert [rank["corpus_id"] for rank in ranks] == order(clip)
    frame = Image.fromarray(said[0]["array"][0])
    with torch.no_grad():
        expected = model.score_pairs(**processor(text=TEXTS[0], images=frame))
    assert ranker.predict((TEXTS[0], frame)) == expected.item()


def embed_scores(model, processor, rows) -> list[torch.Tensor]:
    """Scores of all texts with each clip."""
    return score_candidates(model, VideoLoader(processor), rows, TEXTS, [range(len(TEXTS))] * len(rows))


@RANKER
@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((TEXTS[0], TEXTS[1]), "needs both text and video"),
        (("{video}", "{video}"), r"there is video \+ video in the messages"),
    ],
)
def test_a_pair_is_a_text_and_a_clip(full, rows, pair, message):
    from sentence_transformers import CrossEncoder

    with pytest.raises(ValueError, match=message):
        CrossEncoder(full, device="cpu").predict([tuple(one.format(**rows[0]) for one in pair)])


@pytest.mark.door("recall of moving shapes, re-ranked by a CrossEncoder", "sentence-transformers")
@pytest.mark.parametrize("num_clips", (20, pytest.param(224, marks=pytest.mark.slow)))
def test_recall_at_1_is_that_of_our_evaluation(num_clips, tmp_path, record_property):
    import evaluate
    from sentence_transformers import CrossEncoder, SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import semantic_search

    encoder = VideoEncoder.from_pretrained(CHECKPOINT, device="cpu")
    write_moving_shapes(tmp_path, num_clips, "test")
    rows = load_moving_shapes(tmp_path, "test", task="retrieval").to_list()
    texts, clips, relevance = collect_captions(rows)
    videos, top_k = [rows[clip]["video"] for clip in clips], 3
    ours = rank(encoder.model, VideoLoader(encoder.processor), rows, texts, top_k)

    save_sentence_transformer(encoder.model, encoder.processor, tmp_path / "model")
    opened, ranker = (cls(str(tmp_path / "model"), device="cpu") for cls in (SentenceTransformer, CrossEncoder))
    queries, corpus = (opened.encode(inputs, convert_to_tensor=True) for inputs in (texts, videos))
    found = semantic_search(queries, corpus, top_k=top_k)
    pairs = [(number, hit["corpus_id"]) for number, hits in enumerate(found) for hit in hits]
    scores = ranker.predict([(texts[text], videos[clip]) for text, clip in pairs], convert_to_tensor=True)
    similarities, finer = opened.similarity(queries, corpus), torch.full((len(texts), len(clips)), -torch.inf)
    places = tuple(torch.tensor(pairs).T)
    finer[places] = combine(similarities[places], scores, opened[0].config.contrastive_temperature)
    theirs = Ranking(similarities, rerank(similarities, finer, top_k))

    metric = evaluate.load(metric_path("video_text_retrieval"))

    def recall(scores: torch.Tensor) -> float:
        references = list(range(len(texts)))
        figures = metric.compute(predictions=scores.tolist(), references=references, relevance=relevance)
        return figures["text_to_video_recall_at_1"]

    before, after = (recall(scores) for scores in ours[:2])
    assert [before, after] == [recall(scores) for scores in theirs[:2]]
    evaluator = InformationRetrievalEvaluator(
        {str(text): words for text, words in enumerate(texts)},
        {str(clip): video for clip, video in enumerate(videos)},
        {str(text): set(map(str, right)) for text, right in relevance.items()},
    )
    assert evaluator(opened)["cosine_accuracy@1"] == before
    assert len(texts) >= num_clips * 200 // 224 and after >= before > 0.9
    record_property("agreement", f"R@1 of {len(texts)} captions equal: {before:.4f}, re-ranked {after:.4f}")
