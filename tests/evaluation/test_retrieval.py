# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Two-stage search: features and pairs against plain loops, re-ranking, evaluation, two processes."""

import json
import math
import os
from pathlib import Path

import evaluate
import numpy as np
import pytest
import torch
from clean_processes import run_together
from retrieval_fixtures import NUM_CLIPS, TEXTS, order, text_features

from modeling_allinone import AllInOneConfig, AllInOneForVideoTextRetrieval, AllInOneProcessor
from modeling_allinone.data.collators import VideoTextRetrievalCollator
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.data.video_loading import VideoLoader
from modeling_allinone.evaluation.embedding import embed_clips, embed_texts, score_candidates
from modeling_allinone.evaluation.results import write_found_clips
from modeling_allinone.evaluation.retrieval import collect_captions, evaluate_retrieval, rank, rerank
from modeling_allinone.metrics import metric_path
from modeling_allinone.training.trainer import AllInOneTrainingArguments, RetrievalTrainer

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


@pytest.fixture
def metric():
    return evaluate.load(metric_path("video_text_retrieval"), keep_in_memory=True)


def clip_features(model, processor, rows) -> torch.Tensor:
    """Unit-length features of clips, each read alone."""
    model.eval()
    with torch.no_grad():
        features = [model.get_video_features(**processor(videos=row["video"])).pooler_output[0] for row in rows]
    return torch.stack([one / one.norm() for one in features])


def pair_score(model, processor, text, row) -> float:
    model.eval()
    with torch.no_grad():
        return model.score_pairs(**processor(text=text, videos=row["video"])).item()


# ---------------------------------------------------------------------------------------------------------- features


def test_features_are_those_of_each_text_and_clip_alone(model, processor, rows):
    texts, clips = text_features(model, processor), clip_features(model, processor, rows)
    model.train()
    torch.testing.assert_close(embed_texts(model, processor, TEXTS, batch_size=2), texts)
    features, is_readable = embed_clips(model, VideoLoader(processor), rows, batch_size=3)
    torch.testing.assert_close(features, clips)
    assert features.dtype == torch.float32 and is_readable.tolist() == [True] * NUM_CLIPS
    assert model.training, "left as it was"


def test_half_precision(model, processor, rows):
    whole = rank(model, VideoLoader(processor), rows, TEXTS)
    half = rank(model.bfloat16(), VideoLoader(processor), rows, TEXTS)
    assert half.similarities.dtype == torch.float32
    torch.testing.assert_close(half.similarities, whole.similarities, atol=0.05, rtol=0)


def test_views_are_averaged(model, processor, rows):
    views = 3
    options = {"num_views": views, "frame_sampling": "random"}
    drawn = [row | {"draw": number} for number, row in enumerate(rows)]
    features, _ = embed_clips(model, VideoLoader(processor, options), drawn, batch_size=2)
    scores = score_candidates(model, VideoLoader(processor, options), drawn, TEXTS, [[1]] * NUM_CLIPS)
    for number, row in enumerate(rows):
        generator = torch.Generator().manual_seed(number)
        pixel_values = processor(videos=row["video"], generator=generator, **options)["pixel_values"]
        assert pixel_values.shape[0] == views
        with torch.no_grad():
            alone = model.get_video_features(pixel_values).pooler_output
            texts = {name: value.repeat(views, 1) for name, value in processor(text=TEXTS[1]).items()}
            expected = model.score_pairs(**texts, pixel_values=pixel_values).mean()
        torch.testing.assert_close(features[number], (alone / alone.norm(dim=1, keepdim=True)).mean(dim=0))
        torch.testing.assert_close(scores[number][0], expected)


def test_clips_that_cannot_be_read_are_told(model, processor, rows, broken):
    clips = [rows[0], broken, rows[1]]
    with pytest.raises(Exception, match=r"broken\.mp4"):
        embed_clips(model, VideoLoader(processor), clips)
    reader = VideoLoader(processor, on_decode_error="skip")
    _, is_readable = embed_clips(model, reader, clips)
    assert is_readable.tolist() == [True, False, True]
    scores = score_candidates(model, reader, clips, TEXTS, [[0], [0, 1], []])
    assert [len(of_clip) for of_clip in scores] == [1, 2, 0]
    assert scores[1].tolist() == [-math.inf] * 2 and scores[0].isfinite().all()


@pytest.mark.parametrize("batch_size", (1, 3, 32))
def test_pairs_are_scored_alone(model, processor, rows, batch_size):
    candidates = [[0, 1, 2, 3, 4], [], [4], [2, 0], [1], [3, 3], [0]]
    scores = score_candidates(model, VideoLoader(processor), rows, TEXTS, candidates, batch_size)
    for row, chosen, of_clip in zip(rows, candidates, scores, strict=True):
        expected = [pair_score(model, processor, TEXTS[text], row) for text in chosen]
        assert of_clip.tolist() == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match="There are 7 clips but 1 lists of candidates"):
        score_candidates(model, VideoLoader(processor), rows, TEXTS, [[0]])


# --------------------------------------------------------------------------------------------------------- two stages


@pytest.mark.parametrize("top_k", (1, 4, 9, 20))
def test_only_the_order_of_the_best_changes(top_k):
    generator = torch.Generator().manual_seed(top_k)
    similarities = torch.rand(5, 9, generator=generator) * 2 - 1
    finer = torch.randn(5, 9, generator=generator) * 10
    reranked = rerank(similarities, finer, top_k)
    for query in range(5):
        before = order(similarities[query].tolist())
        best = sorted(before[:top_k], key=lambda candidate: -finer[query, candidate])
        assert order(reranked[query].tolist()) == best + before[top_k:]


def test_what_could_not_be_read_is_last():
    similarities = torch.tensor([[0.5, -torch.inf, 0.1, -torch.inf], [-torch.inf] * 4])
    finer = torch.tensor([[1.0, 9.0, -torch.inf, 3.0], [-torch.inf] * 4])
    reranked = rerank(similarities, finer, top_k=3)
    assert reranked.tolist() == [[2.0, -math.inf, -math.inf, -math.inf], [-math.inf] * 4]
    tied = rerank(torch.tensor([[0.5, 0.4, 0.3]]), torch.tensor([[7.0, 7.0, 0.0]]), top_k=2)
    assert tied[0, 0] == tied[0, 1] == 2, "equal pairs stay equal"


def test_ranking_is_that_of_plain_loops(model, processor, rows):
    top_k = 2
    texts, clips = text_features(model, processor), clip_features(model, processor, rows)
    ranking = rank(model, VideoLoader(processor), rows, TEXTS, top_k, batch_size=3)
    similarities = (texts @ clips.T).tolist()
    torch.testing.assert_close(ranking.similarities, torch.tensor(similarities))
    pairs = [
        [similarities[number][clip] / 0.05 + pair_score(model, processor, text, row) for clip, row in enumerate(rows)]
        for number, text in enumerate(TEXTS)
    ]
    for text in range(len(TEXTS)):
        before = order(similarities[text])
        best = sorted(before[:top_k], key=lambda clip: -pairs[text][clip])
        assert order(ranking.text_to_video[text].tolist()) == best + before[top_k:]
    for clip in range(NUM_CLIPS):
        before = order([of_text[clip] for of_text in similarities])
        best = sorted(before[:top_k], key=lambda text: -pairs[text][clip])
        assert order(ranking.video_to_text[:, clip].tolist()) == best + before[top_k:]


def test_features_alone(model, config, processor, rows):
    reader = VideoLoader(processor)
    whole = rank(model, reader, rows, TEXTS)
    assert rank(model, reader, rows, TEXTS, top_k=0)[1:] == (None, None)
    without_scorer = AllInOneForVideoTextRetrieval(AllInOneConfig(**config.to_dict() | {"use_pair_scorer": False}))
    without_scorer.load_state_dict(model.state_dict(), strict=False)
    ranking = rank(without_scorer, reader, rows, TEXTS)
    assert ranking[1:] == (None, None) and torch.equal(ranking.similarities, whole.similarities)
    for clips, texts in (([], TEXTS), (rows, [])):
        with pytest.raises(ValueError, match=f"There are {len(texts)} texts and {len(clips)} clips"):
            rank(model, reader, clips, texts)


# --------------------------------------------------------------------------------------------------------- evaluation


def test_captions_that_are_the_same_are_one_text():
    rows = [
        {"video": "a", "caption": "A cat"},
        {"video": "b", "caption": " a  cat"},
        {"video": "a", "start": 1.0, "captions": ["a dog", "a cat", "a dog"]},
        {"image": "a", "caption": "a dog"},
        {"video": "a", "caption": "it sleeps"},
    ]
    assert collect_captions(rows) == (
        ["A cat", "a dog", "it sleeps"],
        [0, 1, 2, 3],
        {0: [0, 1, 2], 1: [2, 3], 2: [0]},
    )
    with pytest.raises(ValueError, match=r"Row 1 \(x\) has no caption"):
        collect_captions([rows[0], {"video": "a", "sample_id": "x"}])


def test_found_clips_are_parts_of_their_videos(tmp_path):
    """Where these have the same name."""
    parts = [{"video": "a.mp4", "start": start, "end": start + 2} for start in (0.0, 2.0)]
    rows = [
        *({"image": None, "caption": f"text {number}", **part} for number, part in enumerate(parts)),
        {"video": None, "image": "b.png", "start": None, "end": None, "caption": "text 2"},
    ]
    best = np.array([[1, 2], [1, 0], [2, 0]]), np.array([[3.5, 1.0], [2.0, -1.0], [0.5, 0.25]])
    write_found_clips(best, rows, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert [line["reference"] for line in lines] == [[parts[0]], [parts[1]], ["b.png"]]
    assert [line["answer"] for line in lines] == [parts[1], parts[1], "b.png"]
    assert lines[0]["top_k"] == [{"answer": parts[1], "score": 3.5}, {"answer": "b.png", "score": 1.0}]


def test_figures_are_those_of_the_ranking(model, processor, rows, metric):
    reader = VideoLoader(processor)
    figures = evaluate_retrieval(model, reader, VideoDataset(rows), metric, top_k=2)
    texts, places, relevance = collect_captions(rows)
    ranking = rank(model, reader, [rows[place] for place in places], texts, top_k=2)
    for name, direction, scores in (
        ("text_to_video", 0, ranking.similarities),
        ("video_to_text", 1, ranking.similarities),
        ("reranked_text_to_video", 0, ranking.text_to_video),
        ("reranked_video_to_text", 1, ranking.video_to_text),
    ):
        is_right = torch.zeros_like(scores, dtype=torch.bool)
        for text, clips in relevance.items():
            is_right[text, clips] = True
        ranks = []
        for of_query, right in zip(*((scores, is_right) if direction == 0 else (scores.T, is_right.T)), strict=True):
            ranks.append(min(order(of_query.tolist()).index(candidate) + 1 for candidate in right.nonzero()[:, 0]))
        assert figures[f"{name}_recall_at_1"] == np.mean([place == 1 for place in ranks])
        assert figures[f"{name}_recall_at_5"] == np.mean([place <= 5 for place in ranks])
        assert figures[f"{name}_median_rank"] == np.median(ranks) and figures[f"{name}_num_ties"] == 0
    names = list(figures)
    assert names.index("reranked_text_to_video_recall_at_1") == names.index("text_to_video_recall_at_1") + 1


def test_blank_and_broken_clips_find_nothing(model, processor, rows, broken, metric):
    reader = VideoLoader(processor, on_decode_error="skip")
    figures = evaluate_retrieval(model, reader, VideoDataset(rows, is_blank=True), metric, top_k=3)
    for name in ("text_to_video", "reranked_text_to_video"):
        assert figures[f"{name}_recall_at_1"] == 0 and figures[f"{name}_median_rank"] == NUM_CLIPS
        assert figures[f"{name}_num_ties"] == NUM_CLIPS
    assert figures["video_to_text_num_ties"] == 0 and figures["video_to_text_recall_at_1"] == 1 / NUM_CLIPS

    captioned = [broken | {"caption": "a film that nobody saw"}, rows[0]]
    figures = evaluate_retrieval(model, reader, VideoDataset(captioned), metric)
    for name in ("", "reranked_"):
        assert figures[f"{name}text_to_video_mean_rank"] == 1.5 and figures[f"{name}text_to_video_recall_at_1"] == 0.5
        assert figures[f"{name}video_to_text_recall_at_1"] <= 0.5 <= 1.5 <= figures[f"{name}video_to_text_mean_rank"]


# ----------------------------------------------------------------------------------------------------------- training


TRAINING = {
    "contrast": {},
    "contrast and ranking, one clip broken": {"num_negatives": 3, "has_broken": True},
    "contrast within a process": {"contrast_across_processes": False},
}


def first_step(folder: Path, batch_size: int, num_negatives: int = 0, has_broken: bool = False, **options) -> dict:
    """Loss, gradient norm and, before the step, the figures of an uneven number of rows."""
    torch.manual_seed(0)
    rows = json.loads((folder / "rows.json").read_text())
    processor = AllInOneProcessor.from_pretrained(folder)
    config = AllInOneConfig.from_pretrained(folder, use_pair_scorer=num_negatives > 0)
    collator = VideoTextRetrievalCollator(
        processor,
        negatives=[row["caption"] for row in rows],
        num_negatives=num_negatives,
        on_decode_error="skip",
    )
    broken = {"video": str(folder / "no.mp4")} if has_broken else {}
    trainer = RetrievalTrainer(
        AllInOneForVideoTextRetrieval(config),
        AllInOneTrainingArguments(
            folder / "trainer",
            per_device_train_batch_size=batch_size,
            per_device_eval_batch_size=2,
            max_steps=1,
            logging_steps=1,
            max_grad_norm=1e9,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            ddp_backend="gloo" if "WORLD_SIZE" in os.environ else None,
        ),
        metric=evaluate.load(metric_path("video_text_retrieval"), keep_in_memory=True),
        num_reranked=3,
        data_collator=collator,
        train_dataset=VideoDataset([*rows[:3], rows[3] | broken]),
        eval_dataset=VideoDataset(rows),
        **options,
    )
    metrics = trainer.evaluate()
    figures = {name: value for name, value in metrics.items() if "rank" in name or "recall" in name}
    trainer.train()
    log = next(entry for entry in trainer.state.log_history if "grad_norm" in entry)
    return {"loss": float(log["loss"]), "grad_norm": float(log["grad_norm"]), "figures": figures}


def half_steps(folder: Path) -> dict[str, dict]:
    """One of two processes."""
    return {name: first_step(folder, 2, **options) for name, options in TRAINING.items()}


def test_two_processes_are_one(processor, config, rows, tmp_path):
    processor.save_pretrained(tmp_path)
    config.save_pretrained(tmp_path)
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    together, _ = run_together(half_steps, tmp_path)
    for name, options in TRAINING.items():
        alone = first_step(tmp_path, 4, **options)
        assert together[name]["figures"] == alone["figures"] and len(alone["figures"]) >= 14, name
        if name == "contrast within a process":
            assert together[name]["loss"] < alone["loss"] - 0.5, "with one other clip instead of three"
        else:
            assert together[name]["loss"] == pytest.approx(alone["loss"], rel=1e-5), name
            assert together[name]["grad_norm"] == pytest.approx(alone["grad_norm"], rel=1e-5), name
