# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Text-video retrieval: the original's numbers, a slow oracle, ties, relevance maps and bad input."""

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch

PARITY = json.loads((Path(__file__).parents[1] / "fixtures" / "parity" / "retrieval_metrics.json").read_text())
NAMES_IN_ORIGINAL = {
    "recall_at_1": "R1",
    "recall_at_5": "R5",
    "recall_at_10": "R10",
    "recall_at_50": "R50",
    "geometric_mean_recall": "geometric_mean_R1-R5-R10",
    "median_rank": "MedR",
    "mean_rank": "MeanR",
}


@pytest.fixture
def metric(load_metric):
    return load_metric("video_text_retrieval")


def slow_rank(scores: list[float], relevant: list[int], ties: str) -> float:
    """Walk through all candidates from the best to the worst until a relevant one comes."""
    order = sorted(range(len(scores)), key=lambda candidate: -scores[candidate])
    found = next(candidate for candidate in order if candidate in relevant)
    places = [place for place, candidate in enumerate(order, start=1) if scores[candidate] == scores[found]]
    return {"optimistic": places[0], "average": sum(places) / len(places), "pessimistic": places[-1]}[ties]


def slow_results(scores: list[list[float]], relevant: list[list[int]], ties: str) -> dict:
    """Results of one direction; `relevant` lists the relevant candidates of each query."""
    pairs = [(row, found) for row, found in zip(scores, relevant, strict=True) if found]
    ranks = [slow_rank(row, found, ties) for row, found in pairs]
    tied = [slow_rank(*pair, "optimistic") != slow_rank(*pair, "pessimistic") for pair in pairs]
    recalls = {1: sum(rank == 1 for rank in ranks) / len(ranks)}
    for k in (5, 10, 50):
        recalls[k] = sum(int(rank) <= k for rank in ranks) / len(ranks)
    return {
        **{f"recall_at_{k}": recall for k, recall in recalls.items()},
        "geometric_mean_recall": (recalls[1] * recalls[5] * recalls[10]) ** (1 / 3),
        "median_rank": statistics.median(ranks),
        "mean_rank": sum(ranks) / len(ranks),
        "num_queries": len(ranks),
        "num_ties": sum(tied),
    }


@pytest.mark.parametrize("case", PARITY["cases"], ids=lambda case: "{}x{}".format(*np.shape(case["similarity"])))
def test_gives_the_original_numbers(metric, case):
    num_texts, num_videos = np.shape(case["similarity"])
    texts_per_video = num_texts // num_videos
    results = metric.compute(
        predictions=case["similarity"],
        references=range(num_texts),
        relevance={text: [text // texts_per_video] for text in range(num_texts)},
    )
    for direction in ("text_to_video", "video_to_text"):
        for name, name_in_original in NAMES_IN_ORIGINAL.items():
            scale = 1 if name.endswith("rank") else 100
            expected = case[direction][name_in_original]
            assert scale * results[f"{direction}_{name}"] == pytest.approx(expected, rel=1e-12), (direction, name)


@pytest.mark.parametrize("ties", ["optimistic", "average", "pessimistic"])
@pytest.mark.parametrize("levels", [2, 8, 1000])
def test_equals_the_oracle_on_random_relevance_and_ties(metric, ties, levels):
    """Some texts have several videos, some videos several texts, and some have none."""
    generator = np.random.default_rng(levels)
    for _ in range(5):
        num_texts, num_videos = generator.integers(2, 70, size=2)
        scores = generator.integers(levels, size=(num_texts, num_videos)).astype(float)
        is_relevant = generator.random((num_texts, num_videos)) < 1.5 / num_videos
        is_relevant[0, 0] = True
        results = metric.compute(
            predictions=scores,
            references=[f"text {text}" for text in range(num_texts)],
            relevance={
                f"text {text}": [f"video {v}" for v in np.flatnonzero(row)] for text, row in enumerate(is_relevant)
            },
            video_ids=[f"video {video}" for video in range(num_videos)],
            text_to_video_ties=ties,
            video_to_text_ties=ties,
        )
        expected = {}
        for direction, direction_scores, relevance in (
            ("text_to_video", scores, is_relevant),
            ("video_to_text", scores.T, is_relevant.T),
        ):
            relevant = [[candidate for candidate, found in enumerate(row) if found] for row in relevance.tolist()]
            for name, value in slow_results(direction_scores.tolist(), relevant, ties).items():
                expected[f"{direction}_{name}"] = pytest.approx(value, rel=1e-12)
        assert results == expected


def test_equal_scores_of_everything(metric):
    """Optimistic ties make a constant model perfect, which the number of ties tells; the others do not."""
    inputs = {
        "predictions": np.zeros((4, 4)),
        "references": range(4),
        "relevance": {text: [text] for text in range(4)},
    }
    results = metric.compute(**inputs)
    assert results["text_to_video_recall_at_1"] == 1
    assert results["text_to_video_num_ties"] == results["video_to_text_num_ties"] == 4
    assert results["video_to_text_recall_at_1"] == 0
    assert results["video_to_text_mean_rank"] == 2.5
    results = metric.compute(**inputs, text_to_video_ties="pessimistic", video_to_text_ties="pessimistic")
    assert results["text_to_video_mean_rank"] == results["video_to_text_mean_rank"] == 4


def test_averaged_ranks_at_the_border_count_as_in_the_original(metric):
    """The right one of video 0 shares the places 5 and 6, or 1 and 2: a hit at 5, but not at 1."""
    scores = np.zeros((7, 7))
    scores[:, 0] = [5, 9, 8, 7, 6, 5, 1]
    relevance = {text: [text] if text == 0 else [] for text in range(7)}
    results = metric.compute(predictions=scores, references=range(7), relevance=relevance)
    assert (results["video_to_text_mean_rank"], results["video_to_text_recall_at_5"]) == (5.5, 1)
    scores[1:5, 0] = 0
    results = metric.compute(predictions=scores, references=range(7), relevance=relevance)
    assert (results["video_to_text_mean_rank"], results["video_to_text_recall_at_1"]) == (1.5, 0)


def test_order_of_rows_and_columns_does_not_matter(metric):
    generator = np.random.default_rng(0)
    scores = generator.integers(20, size=(30, 12)).astype(float)
    relevance = {text: [f"video {text % 12}"] for text in range(30)}
    videos = np.array([f"video {video}" for video in range(12)])
    expected = metric.compute(predictions=scores, references=range(30), relevance=relevance, video_ids=videos)
    rows, columns = generator.permutation(30), generator.permutation(12)
    results = metric.compute(
        predictions=scores[rows][:, columns], references=rows, relevance=relevance, video_ids=videos[columns]
    )
    assert results == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_takes_tensors_text_by_text(metric, dtype):
    similarities = torch.eye(3, dtype=dtype)
    metric.add_batch(predictions=similarities[:2], references=torch.tensor([0, 1]))
    metric.add(prediction=similarities[2], reference=2)
    results = metric.compute(relevance={text: [text] for text in range(3)})
    assert results["text_to_video_recall_at_1"] == results["video_to_text_recall_at_1"] == 1


def test_infinite_scores_rank_candidates_that_were_not_compared_last(metric):
    scores = [[1.0, -np.inf, 0.0], [-np.inf, -np.inf, 2.0], [0.0, 1.0, np.inf]]
    results = metric.compute(
        predictions=scores,
        references=range(3),
        relevance={text: [text] for text in range(3)},
        text_to_video_ties="pessimistic",
    )
    assert results["text_to_video_mean_rank"] == (1 + 3 + 1) / 3


GOOD = {"predictions": [[0.9, 0.1], [0.2, 0.8]], "references": [0, 1], "relevance": {0: [0], 1: [1]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predictions": [], "references": []}, "There are no rows to score"),
        ({"predictions": np.zeros((0, 2)), "references": []}, "There are no rows to score"),
        ({"references": None}, "There are no rows to score"),
        ({"references": [0]}, r"predictions \(2\) and references \(1\)"),
        ({"references": [0, 0]}, "references has 0 more than once; add every text once, .* distributed sampler"),
        ({"references": [0, None]}, "relevance lacks 1 of the 2 texts, such as None"),
        ({"references": ["0", "1"]}, "relevance lacks 2 of the 2 texts, such as '0'; .* ids of the same type"),
        ({"predictions": [[0.9, 0.1], [0.2]]}, "The text 1 has 1 scores but there are 2 videos"),
        ({"predictions": [[0.9, 0.1], None]}, "The text 1 has 0 scores but there are 2 videos"),
        ({"predictions": [[], []]}, "There are no videos to rank"),
        ({"video_ids": []}, "There are no videos to rank"),
        ({"predictions": [[0.9, 0.1], [np.nan, 0.8]]}, "The score of text 1 and video 0 is NaN"),
        ({"predictions": [0.9, 0.1]}, "don't match the expected format"),
        ({"relevance": None}, "relevance is NoneType; pass a dict"),
        ({"relevance": [0, 1]}, "relevance is list; pass a dict"),
        ({"relevance": {0: [0]}}, "relevance lacks 1 of the 2 texts, such as 1"),
        ({"relevance": {0: [0], 1: [1], 2: [1]}}, "relevance names 1 texts that have no scores, such as 2"),
        ({"relevance": {0: [0], 1: [2]}}, r"relevance\[1\] names the video 2, which is none of the 2 scored ones"),
        ({"relevance": {0: [0], 1: 1}}, r"relevance\[1\] is 1; give a list of video ids"),
        ({"relevance": {0: [0], 1: "b"}}, r"relevance\[1\] is 'b'; give a list of video ids"),
        ({"relevance": {0: [], 1: []}}, "relevance names no video for any text"),
        ({"video_ids": ["a"]}, "The text 0 has 2 scores but there are 1 videos"),
        ({"video_ids": ["a", "a"]}, "video_ids has 'a' more than once"),
        ({"video_ids": ["a", "b"]}, r"relevance\[0\] names the video 0, .* such as 'a'; pass video_ids"),
        ({"text_to_video_ties": "best"}, "text_to_video_ties is 'best'; choose from optimistic, average, pessimistic"),
        ({"video_to_text_ties": None}, "video_to_text_ties is None; choose from"),
    ],
)
def test_bad_input_is_named(metric, changes, message):
    with pytest.raises(ValueError, match=message):
        metric.compute(**{**GOOD, **changes})
