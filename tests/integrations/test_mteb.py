# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MTEB runs its own video tasks on a model of ours, on moving shapes in the columns of the data that it downloads."""

from pathlib import Path

import pytest

from modeling_allinone import (
    VideoDataset,
    VideoLoader,
    evaluate_choice,
    evaluate_retrieval,
    metric_path,
)
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes

CHECKPOINT = Path(__file__).parents[2] / "examples/checkpoints/moving-shapes"
NUM_CLIPS = 200

pytestmark = pytest.mark.door("MTEB, its own video tasks on moving shapes", "mteb")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    write_moving_shapes(root, NUM_CLIPS, "test")
    return root


@pytest.fixture(scope="module")
def meta():
    from modeling_allinone.integrations.mteb import register_model

    return register_model(CHECKPOINT)


@pytest.fixture(scope="module")
def model(meta):
    import mteb

    return mteb.get_model(meta.name, device="cpu")


@pytest.fixture(scope="module")
def captioned(shapes):
    """Clips with captions that no other has."""
    return load_moving_shapes(shapes, "test", task="retrieval", distinct_captions=True)


@pytest.fixture(scope="module")
def moving(shapes):
    """Clips of one motion each."""
    return load_moving_shapes(shapes, "test", task="classification")


@pytest.fixture
def run(model, own_cache, tmp_path):
    """Scores of a task of MTEB's, whose data are in files here instead of on the Hub."""
    import datasets
    import mteb

    def evaluate(name: str, columns: dict) -> dict:
        table = datasets.Dataset.from_dict(columns)
        for column, values in columns.items():
            if column.startswith("video"):
                table = table.cast_column(column, datasets.Video())
            elif column in ("label", "category", "emotion", "domain") and isinstance(values[0], str):
                table = table.class_encode_column(column)
        folder = tmp_path / name
        folder.mkdir()
        for split in ("train", "test"):
            table.to_parquet(folder / f"{split}.parquet")
        task = mteb.get_task(name)
        task.metadata = task.metadata.model_copy(update={"dataset": {"path": str(folder), "revision": "shapes"}})
        results = mteb.evaluate(model, task, cache=None, show_progress_bar=False)
        assert not results.exceptions
        (scores,) = results.task_results[0].scores["test"]
        return scores

    return evaluate


def test_retrieval_is_scored_as_ours(run, model, captioned, record_property):
    import evaluate

    columns = {"video": captioned["video"][:], "caption": captioned["caption"][:]}
    metric = evaluate.load(metric_path("video_text_retrieval"), keep_in_memory=True)
    reader = VideoLoader(model.encoder.processor)
    ours = evaluate_retrieval(model.encoder.model, reader, VideoDataset(captioned), metric, top_k=0)
    for name, direction in (("MSVDT2VRetrieval", "text_to_video"), ("MSVDV2TRetrieval", "video_to_text")):
        theirs = run(name, columns)
        for figure in ("recall_at_1", "recall_at_5", "recall_at_10"):
            assert theirs[figure] == round(ours[f"{direction}_{figure}"], 5)
        assert theirs["mrr_at_1"] == ours[f"{direction}_recall_at_1"] > 0.9  # which they do not round
    record_property("agreement", f"R@1, R@5, R@10 of {len(captioned)} captions and clips equal")


def test_zero_shot_classes_are_scored_as_ours(run, model, moving, record_property):
    import evaluate

    objects = [" ".join(caption.split()[:3]) for caption in moving["caption"]]  # such as "a red ring"
    theirs = run("HMDB51ZeroShot", {"video": moving["video"][:], "label": objects})["accuracy"]
    names = sorted(set(objects))
    texts, candidates = [f"a video of {name}" for name in names], [list(range(len(names)))] * len(moving)
    rows = moving.remove_columns("label").add_column("label", [names.index(name) for name in objects])
    metric = evaluate.load(metric_path("multiple_choice_accuracy"), keep_in_memory=True)
    reader = VideoLoader(model.encoder.processor)
    ours = evaluate_choice(model.encoder.model, reader, VideoDataset(rows), texts, candidates, metric, "features")
    assert theirs == ours["accuracy"] > 0.7  # chance is 0.07
    record_property("agreement", f"zero-shot classes of {len(moving)} clips equal")


def test_a_linear_classifier(run, moving):
    columns = {"video": moving["video"][:], "label": moving["answer"][:]}
    assert run("HMDB51Classification", columns)["accuracy"] > 0.5  # chance is 0.17
