# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MTEB runs its own video tasks on a model of ours, on moving shapes in the columns of the data that it downloads."""

import io
import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from decoder_fixtures import VideoDecoder
from PIL import Image as PillowImage
from torch.utils.data import DataLoader

from modeling_allinone import (
    AllInOneForPreTraining,
    AllInOneForVideoQuestionAnswering,
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


def with_data(task, columns: dict, folder: Path):
    """A task of MTEB's, or its class, whose data are in files here instead of on the Hub."""
    import datasets

    if not folder.exists():
        table = datasets.Dataset.from_dict(columns)
        for column, values in columns.items():
            if column.startswith("video"):
                table = table.cast_column(column, datasets.Video())
            elif column == "audio":
                table = table.cast_column(column, datasets.Audio())
            elif column in ("label", "category", "emotion", "domain") and isinstance(values[0], str):
                table = table.class_encode_column(column)
        folder.mkdir()
        for split in ("train", "test"):
            table.to_parquet(folder / f"{split}.parquet")
    return task.metadata.model_copy(update={"dataset": {"path": str(folder), "revision": "shapes"}})


@pytest.fixture
def run(model, own_cache, tmp_path):
    """Scores of a task of MTEB's on columns of ours."""
    import mteb

    def evaluate(name: str, columns: dict, folder: str = "data") -> dict:
        task = mteb.get_task(name)
        task.metadata = with_data(task, columns, tmp_path / folder)
        results = mteb.evaluate(model, task, cache=None, show_progress_bar=False)
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


def test_every_task_of_the_benchmark_of_text_and_video(run, moving, record_property):
    import mteb

    moving = moving.select(range(24))
    videos, captions, motions = moving["video"][:], moving["caption"][:], moving["answer"][:]
    columns = {"video": videos, "question": ["Which way did it move?"] * len(videos), "answer": motions}
    columns["candidates"] = [sorted(set(motions))] * len(videos)
    columns |= dict.fromkeys(("caption", "description", "summary"), captions)
    columns |= dict.fromkeys(("label", "category", "emotion", "domain"), motions)
    pairs = {"video1": videos, "video2": videos[1:] + videos[:1]}
    pairs["label"] = [int(one == other) for one, other in zip(motions, motions[1:] + motions[:1], strict=True)]
    tasks = mteb.get_benchmark("MVEB(text, video)").tasks
    for task in tasks:
        is_of_pairs = task.metadata.type == "VideoPairClassification"
        scores = run(task.metadata.name, pairs if is_of_pairs else columns, "pairs" if is_of_pairs else "data")
        assert 0 < scores["main_score"] <= 1, task.metadata.name
    record_property("agreement", f"{len(tasks)} tasks of MVEB(text, video) run")


def test_sound_is_left_out(run, captioned):
    columns = {"video": captioned["video"][:20], "caption": captioned["caption"][:20]}
    silent = run("MSVDT2VRetrieval", columns, "silent")
    loud = run("MSRVTTT2VA", columns | {"audio": [{"path": None, "bytes": b"never decoded"}] * 20}, "loud")
    assert loud["main_score"] == silent["main_score"] > 0.9


def test_the_check_of_mteb_itself(model, own_cache):
    import mteb

    results = mteb.mock_run(model)
    assert results.all_passed
    skipped = [name for name, result in results.items() if result is None]
    assert skipped and all("Audio" in name or "2A" in name or "A2" in name for name in skipped)


def rows_of(dataset, batch_size: int = 2) -> DataLoader:
    return DataLoader(dataset, batch_size)


def test_clips_in_every_form(model, captioned):
    from datasets import Array4D, Dataset, Features, Image, Value, Video

    paths = captioned["video"][:3]
    expected = model.encoder.encode_video(paths).numpy()
    assert expected.shape == (3, 64)
    table = Dataset.from_dict({"id": ["a", "b", "c"], "video": paths})
    stored = [{"path": None, "bytes": Path(path).read_bytes()} for path in paths]
    frames = [read_frames(path) for path in paths]
    decoders = {path: VideoDecoder(path) for path in paths}
    forms = {
        "paths": table,
        "files": table.cast_column("video", Video()),
        "bytes": Dataset.from_dict({"video": stored}, features=Features({"video": Video()})),
        "plain bytes": Dataset.from_dict({"video": stored}),
        "arrays": Dataset.from_dict({"video": frames}, Features({"video": Array4D((None, 64, 64, 3), "uint8")})),
        "frames first": [{"video": torch.from_numpy(clip).movedim(3, 1)} for clip in frames],
        "decoders": [{"video": decoder} for decoder in decoders.values()],
        "made by a transform": table.with_transform(
            lambda rows: {"video": [decoders[path] for path in rows["video"]]}
        ),
        "in part": table.select([2, 0, 1]).select([1, 2, 0]),
    }
    for form, dataset in forms.items():
        vectors = model.encode(rows_of(dataset), batch_size=2, show_progress_bar=False)
        np.testing.assert_allclose(vectors, expected, atol=1e-6, err_msg=form)
    workers = DataLoader(forms["bytes"], 2, num_workers=2)
    np.testing.assert_allclose(model.encode(workers), expected, atol=1e-6)

    pictures = [{"path": None, "bytes": as_png(clip[0])} for clip in frames]
    images = Dataset.from_dict({"image": pictures}, features=Features({"image": Image()}))
    of_frames = model.encoder.encode_video([clip[0] for clip in frames]).numpy()
    np.testing.assert_allclose(model.encode(rows_of(images)), of_frames, atol=1e-6)

    texts = captioned["caption"][:3]
    both = model.encode(rows_of(table.add_column("text", texts)))
    total = expected + model.encoder.encode_text(texts).numpy()
    np.testing.assert_allclose(both, total / np.linalg.norm(total, axis=1, keepdims=True), atol=1e-6)
    cosines = model.similarity(both, expected)
    np.testing.assert_allclose(cosines.diagonal(), model.similarity_pairwise(both, expected), atol=1e-6)
    np.testing.assert_allclose(model.similarity(both[0], torch.from_numpy(expected)), cosines[:1], atol=1e-6)

    broken = Dataset.from_list([*forms["plain bytes"], {"video": {"path": None, "bytes": b"no film"}}])
    with pytest.raises(ValueError, match="cannot be read as a video") as caught:
        model.encode(rows_of(broken))
    assert "sample 3" in caught.value.__notes__[0]
    partly = Dataset.from_dict({"video": [paths[0], None]}, features=Features({"video": Value("string")}))
    with pytest.raises(ValueError, match="Row 1 of the task has no video"):
        model.encode(rows_of(partly))
    with pytest.raises(ValueError, match="has the columns id, audio; expected one of text, image, video"):
        model.encode(rows_of(Dataset.from_dict({"id": ["a"], "audio": [[0.0]]})))


def read_frames(path: str) -> np.ndarray:
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def as_png(frame: np.ndarray) -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(frame).save(file, "PNG")
    return file.getvalue()


def test_from_the_command_line(captioned, own_cache, tmp_path, monkeypatch):
    from mteb.tasks import MSVDT2VRetrieval

    from modeling_allinone.integrations.mteb import main

    columns = {"video": captioned["video"][:20], "caption": captioned["caption"][:20]}
    monkeypatch.setattr(MSVDT2VRetrieval, "metadata", with_data(MSVDT2VRetrieval, columns, tmp_path / "data"))
    monkeypatch.setattr("sys.argv", ["mteb"])
    folder = shutil.copytree(CHECKPOINT, tmp_path / "shapes")
    main(
        ["run", f"--model={folder}", "-t", "MSVDT2VRetrieval", "--output-folder", str(tmp_path / "results"), "-v", "0"]
    )
    (written,) = (tmp_path / "results").rglob("MSVDT2VRetrieval.json")
    assert json.loads(written.read_text())["scores"]["test"][0]["recall_at_1"] > 0.9
    assert "local__shapes" in written.parts
    assert str(tmp_path) not in (written.parent / "model_meta.json").read_text()


def test_what_registers(meta, folder_of_answers, tmp_path):
    import mteb

    from modeling_allinone.integrations.mteb import register_model

    assert mteb.get_model_meta("local/moving-shapes") is meta
    assert (meta.n_parameters, meta.embed_dim, meta.max_tokens) == (count_parameters(), 64, 40)
    folder = shutil.copytree(CHECKPOINT, tmp_path / "mine")
    assert register_model(folder).revision == meta.revision
    (folder / "README.md").write_text("other words")
    assert register_model(folder, "us/mine", license="mit").revision == meta.revision
    assert mteb.get_model_meta("us/mine").license == "mit"
    with open(folder / "processor_config.json", "a") as file:
        file.write(" ")
    assert register_model(folder, "us/mine").revision != meta.revision
    half = mteb.get_model("us/mine", device="cpu", dtype="bfloat16", embed_dim=64)
    assert half.encoder.model.dtype == torch.bfloat16
    with pytest.raises(TypeError, match="dtpye"):
        mteb.get_model("us/mine", dtpye="bfloat16")
    with pytest.raises(ValueError, match="us/mine is another model in MTEB's registry already; give"):
        register_model(CHECKPOINT, "us/mine")
    with pytest.raises(FileNotFoundError, match=r"none holds no config.json and \*.safetensors; give a folder"):
        register_model(tmp_path / "none")
    with pytest.raises(ValueError, match="AllInOneForVideoQuestionAnswering without projections"):
        register_model(folder_of_answers)


def count_parameters() -> int:
    return AllInOneForPreTraining.from_pretrained(CHECKPOINT).num_parameters()


@pytest.fixture
def folder_of_answers(tiny_config, tmp_path):
    """A model without projections."""
    AllInOneForVideoQuestionAnswering(tiny_config(num_labels=3)).save_pretrained(tmp_path / "answers")
    return tmp_path / "answers"
