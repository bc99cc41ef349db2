# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""sentence-transformers: the folder of a retrieval model opens there as it is, and in the full form."""

import copy
import re
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hub_server import USER, HubServer
from huggingface_hub import ModelCard
from PIL import Image
from retrieval_fixtures import TEXTS, order

from modeling_allinone import (
    AllInOneForMaskedLM,
    AllInOneForPreTraining,
    AllInOneForSequenceClassification,
    AllInOneForVideoTextRetrieval,
    Predictor,
    VideoEncoder,
    describe_checkpoint,
    metric_path,
    save_sentence_transformer,
    saving_code,
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
    torch.testing.assert_close(texts, embed_texts(model, processor, TEXTS), rtol=0, atol=1e-6)
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
def test_the_full_form_makes_vectors_of_unit_length(full, processor, rows, record_property):
    from sentence_transformers import SentenceTransformer

    opened, model = SentenceTransformer(full, device="cpu"), AllInOneForVideoTextRetrieval.from_pretrained(full)
    assert opened.modalities == ["text", "video", "image"]
    videos = [row["video"] for row in rows]
    texts = embed_texts(model, processor, TEXTS)
    close = partial(torch.testing.assert_close, rtol=0, atol=1e-6)
    close(opened.encode(TEXTS, convert_to_tensor=True), texts)
    clips, _ = embed_clips(model, VideoLoader(processor), rows)
    close(opened.encode(videos, convert_to_tensor=True), clips)
    images = [{"image": Image.fromarray(frame)} for frame in open_clip(videos[0], "").read(np.arange(3))]
    pictures, _ = embed_clips(model, VideoLoader(processor), images)
    close(opened.encode([row["image"] for row in images], convert_to_tensor=True), pictures)
    record_property("agreement", f"{len(TEXTS)} texts, {len(clips)} videos, {len(images)} images to the last bit")


@RANKER
def test_the_same_folder_scores_pairs(full, processor, rows, record_property):
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
    record_property("agreement", f"{len(TEXTS)} of {len(TEXTS)} pairs to the last bit")


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


@FULL
@pytest.mark.parametrize("has_code", (False, True))
def test_the_card_says_how_it_is_used(model, processor, tmp_path, monkeypatch, has_code):
    monkeypatch.chdir(tmp_path)
    with saving_code(model, processor) if has_code else nullcontext():
        save_sentence_transformer(model, processor, "mine")
    card = Path("mine", "README.md").read_text()
    assert "## With sentence-transformers" in card.split("## Configuration")[0]
    assert ModelCard(card).data.library_name == "sentence-transformers"
    ours, *theirs = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    for snippet in (ours, "\n".join(theirs)):
        assert ("trust_remote_code=True" in snippet) == has_code == ("import modeling_allinone" not in snippet)
        exec(snippet, {})


@FULL
def test_a_card_that_is_there_is_added_to(model, processor, tmp_path):
    card = ModelCard("---\nlicense: mit\ntags:\n- shapes\n---\n\n# Mine\n\nTrained on shapes.\n")
    card.save(tmp_path / "README.md")
    model.scorer = None
    for _ in range(2):
        save_sentence_transformer(model, processor, tmp_path)
        text = (tmp_path / "README.md").read_text()
        assert text.count("## With sentence-transformers") == 1 and "Trained on shapes.\n\n## With" in text
        assert "CrossEncoder" not in text
        assert ModelCard(text).data.tags == ["shapes", "sentence-transformers", "feature-extraction"]
    save_sentence_transformer(model, processor, tmp_path, ModelCard("# Other\n"))
    assert "# Other\n\n## With" in (tmp_path / "README.md").read_text()


def test_what_compares_nothing_is_refused(tiny_config, processor, tmp_path):
    pretrained, words = AllInOneForPreTraining, AllInOneForMaskedLM
    fields = {"pretraining_objectives": ["matching"]}
    for cls, options, error, message in (
        (pretrained, fields, ValueError, "This AllInOneForPreTraining has no projections"),
        (AllInOneForVideoTextRetrieval, {"projection_dim": None}, ValueError, "has no projections"),
        (words, {}, TypeError, "model is a AllInOneForMaskedLM; expected AllInOneForVideoTextRetrieval"),
    ):
        with pytest.raises(error, match=message):
            save_sentence_transformer(cls(tiny_config(**options)), processor, tmp_path)
    several = copy.deepcopy(processor)
    several.video_processor.num_views = 3
    with pytest.raises(ValueError, match="makes 3 views of a clip, each of which would be taken for a clip"):
        save_sentence_transformer(AllInOneForVideoTextRetrieval(tiny_config()), several, tmp_path)
    assert not list(tmp_path.iterdir())


def test_views_are_not_taken_for_clips(model, processor, rows, tmp_path):
    from sentence_transformers import SentenceTransformer

    several = copy.deepcopy(processor)
    several.video_processor.num_views = 2
    model.save_pretrained(tmp_path)
    several.save_pretrained(tmp_path)
    encoder = SentenceTransformer(str(tmp_path), device="cpu")
    with pytest.raises(ValueError, match=r"num_views is 2, .* set num_views=1"):
        encoder.encode([{"video": row["video"]} for row in rows])
    assert encoder.encode("a ring").shape == (model.config.projection_dim,)


@pytest.mark.slow
@pytest.mark.door("both from the Hub, with code and without the package", "sentence-transformers", "huggingface_hub")
def test_both_come_back_from_the_hub(model, processor, rows, tmp_path):
    with saving_code(model, processor):
        save_sentence_transformer(model, processor, tmp_path / "full")
    repo, pairs = f"{USER}/full", [(text, row["video"]) for text, row in zip(TEXTS, rows, strict=False)]
    with HubServer() as hub:
        hub.call(
            tmp_path / "writer",
            ("modeling_allinone",),
            exec,
            PUSHING,
            {"folder": str(tmp_path / "full"), "repo": repo},
        )
        hub.call(
            tmp_path / "reader",
            ("modeling_allinone",),
            exec,
            OPENING,
            {"folder": str(tmp_path / "full"), "repo": repo, "pairs": pairs},
        )
        assert not hub.not_known


PUSHING = """
from sentence_transformers import SentenceTransformer

SentenceTransformer(folder, device="cpu", trust_remote_code=True).push_to_hub(repo)
"""
OPENING = """
from sentence_transformers import CrossEncoder, SentenceTransformer

options = {"device": "cpu", "trust_remote_code": True}
for column in zip(*pairs):
    encoded = [SentenceTransformer(name, **options).encode(column) for name in (repo, folder)]
    assert (encoded[0] == encoded[1]).all()
scores = [CrossEncoder(name, **options).predict(pairs) for name in (repo, folder)]
assert (scores[0] == scores[1]).all()
"""


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


# ---------------------------------------------------------------------------------------------------------------------
# Training
# ---------------------------------------------------------------------------------------------------------------------

TRAINING = pytest.mark.door("training by the trainers of sentence-transformers", "sentence-transformers", "datasets")
STEPS = {"max_steps": 6, "per_device_train_batch_size": 7, "learning_rate": 3e-3, "lr_scheduler_type": "constant"}
STEPS |= {"logging_steps": 1, "report_to": [], "use_cpu": True, "save_strategy": "no", "disable_tqdm": True}
CACHED = pytest.param("CachedMultipleNegativesRankingLoss", marks=pytest.mark.slow)


def losses_of(trainer) -> list[float]:
    trainer.train()
    return [float(line["loss"]) for line in trainer.state.log_history if "loss" in line]


@TRAINING
@pytest.mark.parametrize("loss", ("MultipleNegativesRankingLoss", CACHED))
def test_vectors_are_trained(full, rows, tmp_path, own_cache, modules_are_not_collected, loss):
    from datasets import Dataset
    from sentence_transformers import (
        CrossEncoder,
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer import losses

    model, videos = SentenceTransformer(full, device="cpu"), [row["video"] for row in rows]
    before = CrossEncoder(full, device="cpu").predict([(rows[0]["caption"], videos[0])])
    options = {"mini_batch_size": 3} if loss.startswith("Cached") else {}
    trainer = SentenceTransformerTrainer(
        model,
        SentenceTransformerTrainingArguments(str(tmp_path / "run"), **STEPS),
        Dataset.from_dict({"caption": [row["caption"] for row in rows], "clip": videos}),
        loss=getattr(losses, loss)(model, **options),
    )
    course = losses_of(trainer)
    assert course[-1] < course[0] - 0.1
    model.save_pretrained(str(tmp_path / "trained"))
    again = SentenceTransformer(str(tmp_path / "trained"), device="cpu")
    np.testing.assert_allclose(again.encode(videos), model.encode(videos), atol=1e-6)
    as_ours = VideoEncoder.from_pretrained(tmp_path / "trained", device="cpu")
    np.testing.assert_allclose(as_ours.encode_video(videos), model.encode(videos), atol=1e-6)
    after = CrossEncoder(str(tmp_path / "trained"), device="cpu").predict([(rows[0]["caption"], videos[0])])
    assert before != after  # the folder is still both, on one backbone


@TRAINING
@pytest.mark.parametrize("loss", ("BinaryCrossEntropyLoss", CACHED))
def test_scores_are_trained(rows, tmp_path, own_cache, modules_are_not_collected, loss):
    """Of a scorer that is new, on a backbone that is pre-trained."""
    from datasets import Dataset
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments, losses

    encoder = VideoEncoder.from_pretrained(CHECKPOINT, device="cpu")
    encoder.model.scorer = AllInOneForVideoTextRetrieval(encoder.model.config).scorer
    save_sentence_transformer(encoder.model, encoder.processor, tmp_path / "new")
    model, captions = CrossEncoder(str(tmp_path / "new"), device="cpu"), [row["caption"] for row in rows]
    columns = {"caption": captions, "clip": [row["video"] for row in rows]}
    options = {"num_negatives": 2, "mini_batch_size": 3}
    if loss == "BinaryCrossEntropyLoss":
        wrong = columns["clip"][1:] + columns["clip"][:1]
        columns = {"caption": captions * 2, "clip": columns["clip"] + wrong}
        columns["label"], options = [1.0] * len(rows) + [0.0] * len(rows), {}
    trainer = CrossEncoderTrainer(
        model,
        CrossEncoderTrainingArguments(str(tmp_path / "run"), **STEPS | {"per_device_train_batch_size": 14}),
        Dataset.from_dict(columns),
        loss=getattr(losses, loss)(model, **options),
    )
    course = losses_of(trainer)
    assert course[-1] < course[0] * 0.8
    model.save_pretrained(str(tmp_path / "trained"))
    again, pairs = (
        CrossEncoder(str(tmp_path / "trained"), device="cpu"),
        list(zip(captions, (row["video"] for row in rows), strict=True)),
    )
    np.testing.assert_allclose(again.predict(pairs), model.predict(pairs), atol=1e-5)
    assert type(again[0].model) is AllInOneForSequenceClassification
    info, predictor = describe_checkpoint(tmp_path / "trained"), Predictor.from_pretrained(tmp_path / "trained", "cpu")
    assert (info.class_name, info.methods) == ("AllInOneForSequenceClassification", ["choose", "classify"])
    chosen = predictor.choose(rows[0]["video"], captions, top_k=len(captions))
    ranked = again.rank(rows[0]["video"], captions)
    assert [one["answer"] for one in chosen.top_k] == [captions[rank["corpus_id"]] for rank in ranked]
