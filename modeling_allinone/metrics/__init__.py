# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Metrics of the tasks as `evaluate` modules, which load from their folders without a network.

    >>> import evaluate
    >>> from modeling_allinone.metrics import list_metrics, metric_path
    >>> list_metrics()  # doctest: +NORMALIZE_WHITESPACE
    ['multiple_choice_accuracy', 'video_classification', 'video_question_answering', 'video_text_retrieval',
     'visual_commonsense', 'vqa_score']
    >>> metric = evaluate.load(metric_path("multiple_choice_accuracy"), keep_in_memory=True)
    >>> metric.compute(predictions=[[0.1, 0.9], [0.8, 0.2]], references=[1, 1])["accuracy"]
    0.5

All of them return fractions from 0 to 1, not per cent, and refuse empty input, NaN and labels out of range. Rows may
be added in any order and in any batches; the results are the same to the last digit.

**One process** holds all rows, as in the Trainer's `compute_metrics`, in each process of a distributed run too: load
with `keep_in_memory=True`. Else evaluate keeps the rows in a file of its cache, over which processes wait for each
other.

**Several processes** hold a part of the rows each. Either `accelerator.gather_for_metrics` brings them together first,
or evaluate does: each process loads with `num_process`, its `process_id` and an `experiment_id` that no other run
uses, and calls `add_batch` at least once and then `compute`, which returns the result in process 0 and `None` in the
others. Every added row counts, so leave out the rows that a distributed sampler repeats to fill its last batch, as
`gather_for_metrics` does. Processes may load a metric at the same time: evaluate locks the copy that it makes.

A metric is one file, which can also be put on the Hub: what it shares with others it imports from this package, which
is then one of the requirements of its Space.
"""

from pathlib import Path

__all__ = ["list_metrics", "metric_path"]

_FOLDER = Path(__file__).parent


def list_metrics() -> list[str]:
    """
    Lists the names that [`metric_path`] knows.

    Returns:
        `list` of `str`: The names, sorted.
    """
    return sorted(script.stem for script in _FOLDER.glob("*/*.py") if script.stem == script.parent.name)


def metric_path(name: str) -> str:
    """
    Finds the folder of a metric, for `evaluate.load`.

    Args:
        name (`str`): One of [`list_metrics`].

    Returns:
        `str`: The folder, which holds `{name}.py`.

    Raises:
        ValueError: If there is no such metric.

    Example:

    ```python
    >>> from pathlib import Path
    >>> from modeling_allinone.metrics import metric_path

    >>> Path(metric_path("vqa_score"), "vqa_score.py").is_file()
    True

    ```
    """
    if name not in list_metrics():
        raise ValueError(f"There is no metric {name!r}; choose from {', '.join(list_metrics())}.")
    return str(_FOLDER / name)
