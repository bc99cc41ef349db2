# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Two processes that add a part of the rows each get what one process gets from all of them, to the last digit."""

import os

import evaluate
import numpy as np
from clean_processes import run_together

from modeling_allinone.metrics import list_metrics, metric_path

NUM_PROCESSES = 2


def configurations() -> dict:
    """For every metric: its configuration, all its rows by input, and the other arguments of `compute`."""
    generator = np.random.default_rng(0)
    num_rows = 23
    scores = generator.normal(size=(num_rows, 2, 7)).round(1)
    labels = generator.integers(7, size=(num_rows, 2))
    words = ["cat", "dog", "two", "red"]
    answers = [words[label % 4] for label in labels[:, 0]]
    return {
        "multiple_choice_accuracy": ("default", {"predictions": scores[:, 0], "references": labels[:, 0]}, {}),
        "video_classification": ("default", {"predictions": scores[:, 0], "references": labels[:, 0]}, {}),
        "video_question_answering": (
            "with_questions",
            {
                "predictions": [words[label % 4] for label in labels[:, 1]],
                "references": answers,
                "questions": [f"{word} is it?" for word in generator.choice(["what", "who", "is"], size=num_rows)],
            },
            {"vocabulary": words[:3], "answer_counts": {"cat": 3}, "word_similarity": lambda word, other: 1 / 3},
        ),
        "video_text_retrieval": (
            "default",
            {"predictions": scores[:, 0], "references": [f"text {row}" for row in range(num_rows)]},
            {"relevance": {f"text {row}": [row % 7] for row in range(num_rows)}},
        ),
        "visual_commonsense": ("default", {"predictions": scores, "references": labels}, {}),
        "vqa_score": (
            "default",
            {"predictions": answers, "references": [{"cat": 0.3, "dog": 0.9}, {"two": 0.6, "red": 1 / 3}] * 11 + [{}]},
            {},
        ),
    }


def compute_in_one_process(name: str) -> dict:
    configuration, rows, options = configurations()[name]
    metric = evaluate.load(metric_path(name), configuration, keep_in_memory=True)
    return metric.compute(**rows, **options)


def compute_in_process(cache_dir: str) -> dict:
    """What one of the processes does: add every other row, in batches of unequal size."""
    process, results = int(os.environ["RANK"]), {}
    for name, (configuration, rows, options) in configurations().items():
        metric = evaluate.load(
            metric_path(name),
            configuration,
            num_process=NUM_PROCESSES,
            process_id=process,
            experiment_id="two-processes",
            cache_dir=cache_dir,
        )
        own_rows = {column: values[process::NUM_PROCESSES] for column, values in rows.items()}
        for start, end in ((0, 1), (1, 6), (6, None)):
            metric.add_batch(**{column: values[start:end] for column, values in own_rows.items()})
        results[name] = metric.compute(**options)
    return results


def test_two_processes_agree_with_one(tmp_path):
    results, other_results = run_together(compute_in_process, str(tmp_path))
    assert results == {name: compute_in_one_process(name) for name in list_metrics()}
    assert other_results == dict.fromkeys(list_metrics())
