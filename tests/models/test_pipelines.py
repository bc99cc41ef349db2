# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Pipelines of transformers: answers are those of `Predictor`, whatever clips come as and however they are loaded."""

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pipeline_user
import pytest
import torch
from clean_processes import call_without
from datasets import Dataset
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from PIL import Image
from transformers import AutoConfig, pipeline
from transformers.models.auto.video_processing_auto import AutoVideoProcessor
from transformers.pipelines.pt_utils import KeyDataset
from video_fixtures import encode_video, grey_frames

import modeling_allinone
from modeling_allinone import (
    AllInOneConfig,
    AllInOneForMaskedLM,
    AllInOneForPreTraining,
    AllInOneForVideoClassification,
    AllInOnePreTrainedModel,
    AllInOneProcessor,
    AllInOneVideoProcessor,
    Predictor,
    VideoTextRetrievalPipeline,
)
from modeling_allinone.datasets import load_moving_shapes, train_tokenizer, write_moving_shapes
from modeling_allinone.hub.remote_code import saving_code
from modeling_allinone.models.pipelines_allinone import AutoModelOfAnyHead

CHECKPOINT = str(Path(__file__).parents[2] / "examples/checkpoints/moving-shapes")
TASK = "video-question-answering"
QUESTION, TEXT = "is it a red ring?", "a red [MASK]"
CAPTIONS = ["a red ring", "a blue bar moves up", "a square"]
CALLS = {
    "video-question-answering": {"question": QUESTION},
    "video-text-retrieval": {"captions": CAPTIONS},
    "zero-shot-video-classification": {"candidate_labels": CAPTIONS},
    "video-fill-mask": {"text": TEXT},
}
NAMES = {
    "video-question-answering": "answer",
    "video-text-retrieval": "caption",
    "zero-shot-video-classification": "label",
    "video-fill-mask": "token_str",
}
HEADS = [
    ("video-question-answering", "AllInOneForVideoQuestionAnswering"),
    *(
        (task, head)
        for task in ("video-text-retrieval", "zero-shot-video-classification")
        for head in ("AllInOneForVideoTextRetrieval", "AllInOneForMultipleChoice", "AllInOneForPreTraining")
    ),
    ("video-fill-mask", "AllInOneForMaskedLM"),
    ("video-fill-mask", "AllInOneForPreTraining"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Clips that differ, and folders of every head."""
    folder = tmp_path_factory.mktemp("pipelines")
    for number in range(3):
        encode_video(folder / f"{number}.mp4", frames=np.roll(grey_frames(), 5 * number, axis=0))
    return folder


@pytest.fixture(scope="module")
def processor() -> AllInOneProcessor:
    tokenizer = train_tokenizer([QUESTION, *CAPTIONS, "a person is doing"], vocab_size=99)
    tokenizer.model_max_length = 16
    return AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer)


@pytest.fixture(scope="module")
def folder_of(tiny_config, processor, files):
    """The folder of a head."""

    def save(head: str) -> str:
        path = files / head
        if not path.is_dir():
            config = tiny_config(
                projection_dim=8, vocab_size=len(processor.tokenizer), id2label={0: "yes", 1: "no", 2: "red"}
            )
            torch.manual_seed(0)
            getattr(modeling_allinone, head)(config).save_pretrained(path)
            processor.save_pretrained(path)
        return str(path)

    return save


@pytest.fixture(scope="module")
def answerer(folder_of):
    """The pipeline of a task."""
    heads = dict(reversed(HEADS))
    return {task: pipeline(task, model=folder_of(heads[task]), device="cpu") for task in CALLS}


def predicted(predictor: Predictor, task: str, clip, top_k: int = 5) -> list[dict]:
    """What `Predictor` says of a clip, as a pipeline would."""
    prediction = {
        "video-question-answering": lambda: predictor.ask(clip, QUESTION, top_k=top_k),
        "video-text-retrieval": lambda: predictor.choose(clip, CAPTIONS, top_k=top_k),
        "zero-shot-video-classification": lambda: predictor.classify(clip, CAPTIONS, top_k=top_k),
        "video-fill-mask": lambda: predictor.fill(clip, TEXT, top_k=top_k),
    }[task]()
    return [{NAMES[task]: one["answer"], "score": one["score"]} for one in prediction.top_k]


def check(found: list[dict], expected: list[dict], task: str):
    """The same answers in the same order, up to rounding."""
    name = NAMES[task]
    assert [one[name] for one in found] == [one[name] for one in expected]
    assert [one["score"] for one in found] == pytest.approx([one["score"] for one in expected], abs=1e-6)


@pytest.mark.door("pipelines of four tasks, equal to Predictor", "transformers")
@pytest.mark.parametrize(("task", "head"), HEADS)
def test_answers_are_those_of_the_predictor(folder_of, files, task, head):
    ask, predictor = pipeline(task, model=folder_of(head), device="cpu"), Predictor.from_pretrained(folder_of(head))
    clips = [str(files / f"{number}.mp4") for number in range(3)]
    assert type(ask.model).__name__ == head
    check(ask(clips[0], **CALLS[task]), predicted(predictor, task, clips[0]), task)
    for found, clip in zip(ask(clips, **CALLS[task], batch_size=2, top_k=2), clips, strict=True):
        check(found, predicted(predictor, task, clip, top_k=2), task)
    assert len(ask(clips[0], **CALLS[task], top_k=1)) == 1


@pytest.mark.door("pipelines of four tasks, equal to Predictor", "transformers")
def test_captions_of_moving_shapes_are_ranked_as_by_the_predictor(tmp_path, record_property):
    write_moving_shapes(tmp_path, num_clips=20)
    table = load_moving_shapes(tmp_path, task="multiple-choice")
    rank, predictor = (
        pipeline("video-text-retrieval", model=CHECKPOINT, device="cpu"),
        Predictor.from_pretrained(CHECKPOINT),
    )
    rows = [{"video": row["video"], "captions": row["options"]} for row in table]
    found = [ranked[0]["caption"] for ranked in rank(rows, batch_size=16)]
    expected = [predictor.choose(row["video"], row["captions"]).answer for row in rows]
    right = [row["options"][row["label"]] for row in table]
    assert found == expected
    assert sum(map(str.__eq__, found, right)) >= 18
    record_property("agreement", f"{len(found)} of {len(expected)} captions")


# ---------------------------------------------------------------------------------------------------------------------
# Saved and opened
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", CALLS)
def test_saved_pipelines_open_without_questions(answerer, files, tmp_path, task):
    ask = answerer[task]
    ask.save_pretrained(tmp_path)
    assert "custom_pipelines" not in (tmp_path / "config.json").read_text()
    again = pipeline(task, model=str(tmp_path), device="cpu")
    clip = str(files / "1.mp4")
    assert type(again) is type(ask) and again(clip, **CALLS[task]) == ask(clip, **CALLS[task])


@pytest.fixture(scope="module")
def with_code(folder_of, files) -> dict[str, str]:
    """Folders with code, of each task."""
    heads = {"video-question-answering": "AllInOneForVideoQuestionAnswering"}
    folders = {}
    for task in CALLS:
        ask = pipeline(task, model=folder_of(heads.get(task, "AllInOneForPreTraining")), device="cpu")
        folders[task] = str(files / f"{type(ask.model).__name__} with code")
        with saving_code(ask.model, ask.processor):
            ask.save_pretrained(folders[task])
    return folders


@pytest.mark.door("pipelines of a folder with code, without the package", "transformers")
def test_folders_with_code_answer_without_the_package(with_code, files, tmp_path):
    clip = str(files / "1.mp4")
    found = call_without(("modeling_allinone",), pipeline_user.ask_everything, with_code, CALLS, clip, tmp_path)
    assert found.pop("saved and reopened") == found[TASK]["answers"]
    for task, said in found.items():
        check(said["answers"], pipeline(task, model=with_code[task], device="cpu")(clip, **CALLS[task]), task)
        assert all(module.startswith("transformers_modules.") for module in said["classes"])


def test_another_head_has_other_pipelines(with_code, files, tmp_path):
    """The task is not said, as there is one."""
    found = call_without(
        ("modeling_allinone",),
        pipeline_user.change_head,
        with_code["video-fill-mask"],
        str(files / "1.mp4"),
        tmp_path,
    )
    assert {one["answer"] for one in found} == {"yes", "no", "red"}
    named = json.loads((tmp_path / "changed" / "config.json").read_text())["custom_pipelines"]
    assert list(named) == ["video-question-answering"]


@pytest.mark.parametrize("trusted", [None, False, True])
def test_the_package_goes_before_the_code_of_a_folder(with_code, trusted):
    task = "video-text-retrieval"
    found = pipeline(task, model=with_code[task], device="cpu", trust_remote_code=trusted)
    assert type(found) is VideoTextRetrievalPipeline and type(found.model) is AllInOneForPreTraining


def test_every_model_class_is_known():
    public = (getattr(modeling_allinone, name) for name in modeling_allinone.__all__)
    models = {cls for cls in public if isinstance(cls, type) and issubclass(cls, AllInOnePreTrainedModel)}
    assert set(AutoModelOfAnyHead._model_mapping[AllInOneConfig]) == models - {AllInOnePreTrainedModel}


def test_pipelines_of_others_are_kept(tiny_config, tmp_path):
    other = {"impl": "mine.Pipeline", "pt": ["AutoModel"]}
    config = tiny_config(custom_pipelines={"video-mood": other})
    model = AllInOneForMaskedLM(config)
    with saving_code(model):
        model.save_pretrained(tmp_path)
    assert set(json.loads((tmp_path / "config.json").read_text())["custom_pipelines"]) == {
        "video-mood",
        "video-fill-mask",
    }
    assert AutoConfig.from_pretrained(tmp_path).custom_pipelines == {"video-mood": other} == config.custom_pipelines


def test_a_plain_folder_says_what_it_needs(answerer, folder_of, files, tmp_path):
    """Where the package is installed, and not imported."""
    task, clip = "video-fill-mask", str(files / "1.mp4")
    plain = (task, folder_of("AllInOneForPreTraining"), CALLS[task], clip, tmp_path)
    said = call_without((), pipeline_user.ask_plain_folder, *plain, None)
    assert said.startswith("ValueError") and "`trust_remote_code=True`" in said
    expected = pipeline(task, model=plain[1], device="cpu")(clip, **CALLS[task])
    check(call_without((), pipeline_user.ask_plain_folder, *plain, True), expected, task)


# ---------------------------------------------------------------------------------------------------------------------
# What clips come as
# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ask(answerer):
    return answerer[TASK]


@pytest.fixture(scope="module")
def expected(answerer, files) -> list[list[dict]]:
    """What is said of the clips one by one."""
    return [answerer[TASK](str(files / f"{number}.mp4"), QUESTION) for number in range(3)]


@pytest.fixture(scope="module")
def rows(files) -> list[dict]:
    return [{"video": str(files / f"{number}.mp4"), "question": QUESTION} for number in range(3)]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_one_clip_of_any_source(ask, expected, files):
    path = files / "1.mp4"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=files)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        sources = (str(path), path, path.read_bytes(), f"http://127.0.0.1:{server.server_port}/1.mp4")
        for source in (*sources, {"path": str(path), "bytes": None}):
            assert ask(source, QUESTION) == ask({"video": source, "question": QUESTION}) == expected[1]
            assert ask(video=source, question=QUESTION) == expected[1]
        server.shutdown()


def test_frames_are_one_clip(ask, tmp_path):
    frames = grey_frames()
    images = [Image.fromarray(frame) for frame in frames]
    found = ask(frames, QUESTION)
    assert found == ask(images, QUESTION) == ask(list(frames), QUESTION) == ask(torch.from_numpy(frames), QUESTION)
    assert [found, found] == ask([images, frames], QUESTION) == ask(np.stack([frames, frames]), QUESTION)
    one = ask(images[0], QUESTION)
    assert one == ask({"image": images[0]}, QUESTION) == ask(frames[0], QUESTION) != found
    predictor = Predictor(ask.model, ask.processor)
    for alone in (
        images[0],
        frames[0],
        {"path": str(encode_video(tmp_path / "c.mp4")), "bytes": None},
        {"image": images[0]},
    ):
        check(ask(alone, QUESTION), predicted(predictor, TASK, alone), TASK)


def test_many_clips(ask, expected, rows, files):
    clips = [row["video"] for row in rows]
    table = Dataset.from_list(rows)
    check_all = partial(check_batch, expected)
    for many in (clips, tuple(clips), rows, (clip for clip in clips), iter(clips), map(str, clips)):
        check_all(ask(many, question=QUESTION))
    for many in (table, table["video"], KeyDataset(table, "video"), table.to_iterable_dataset()):
        check_all(ask(many, question=QUESTION, batch_size=2))
        assert not hasattr(many, "__len__") or len(ask(many, question=QUESTION)) == 3
    check_all(ask(rows, batch_size=2, num_workers=1))
    check_all(ask((row for row in rows), batch_size=3, num_workers=2))
    assert ask([], QUESTION) == []


def check_batch(expected, found):
    for one, other in zip(found, expected, strict=True):
        check(one, other, TASK)


def test_generators_are_read_as_they_come(ask, rows):
    taken = []
    stream = ask((taken.append(row["video"]) or row for row in rows), batch_size=1)
    next(iter(stream))
    assert len(taken) < 3


def test_several_questions_about_a_clip(ask, rows, answerer):
    questions = [QUESTION, "a square?"]
    found = ask(rows[0]["video"], questions, top_k=1)
    for one, question in zip(found, questions, strict=True):
        check(one, ask(rows[0]["video"], question, top_k=1), TASK)
    many = ask([{"video": row["video"], "question": questions} for row in rows], top_k=1, batch_size=2)
    assert [len(one) for one in many] == [2, 2, 2] and many[0][0][0]["answer"] == found[0][0]["answer"]
    assert ask(rows[0]["video"], []) == []
    filled = answerer["video-fill-mask"](rows[0]["video"], [TEXT, "a [MASK] ring"], top_k=1)
    assert len(filled) == 2 and filled[0][0]["token_str"] == answerer[
        "video-fill-mask"
    ].tokenizer.convert_ids_to_tokens(filled[0][0]["token"])
    with pytest.raises(ValueError, match="Several clips and several texts as question"):
        ask([row["video"] for row in rows], questions)


def test_frames_are_chosen(ask, rows, folder_of, processor):
    clip, predictor = rows[0]["video"], Predictor.from_pretrained(folder_of("AllInOneForVideoQuestionAnswering"))
    window = {"start": 0.2, "end": 0.9}
    expected = [vars(predictor.ask({"video": clip, **window}, QUESTION))["top_k"]]
    check_batch([ask(clip, QUESTION, **window)], expected)
    check_batch([ask({"video": clip, **window}, QUESTION, start=0.0)], expected)
    first = ask(clip, QUESTION, num_frames=1)
    check_batch([ask(clip, QUESTION, frame_indices=[7])], [first])
    check_batch([ask(clip, QUESTION, num_frames=3, num_views=1)], [ask(clip, QUESTION)])
    many = ask.processor(videos=clip, fps=1)["pixel_values"].shape[1]
    check_batch([ask(clip, QUESTION, fps=1)], [ask(clip, QUESTION, num_frames=many)])
    with pytest.raises(ValueError, match="fps=3 takes so many frames of each second"):
        ask(clip, QUESTION, frame_rate=3)
    assert ask({"video": clip, "frame_rate": 3}, QUESTION) == ask({"video": clip, "fps": 3}, QUESTION)
    views = ask(clip, QUESTION, num_views=2)
    check_batch([views], [ask([clip, clip], QUESTION, num_views=2, batch_size=2)[1]])
    assert views != first != ask(clip, QUESTION)
    defaults = pipeline(TASK, model=ask.model, processor=processor, device="cpu", top_k=1, question=QUESTION, **window)
    check_batch([defaults(clip)], [expected[0][:1]])
    assert defaults(clip, end=1.5, top_k=2) != expected[0][:2]


def test_a_batch_may_hold_clips_of_any_length(ask, rows, files):
    short = str(encode_video(files / "short.mp4", num_frames=3))
    mixed = [rows[0]["video"], short, Image.fromarray(grey_frames()[5]), rows[1]["video"]]
    for options in ({"num_frames": 2}, {"fps": 2.5}):
        expected = [ask(clip, QUESTION, **options) for clip in mixed]
        check_batch(expected, ask(mixed, QUESTION, batch_size=4, **options))


def test_types_of_numbers(folder_of, rows):
    folder = folder_of("AllInOneForVideoTextRetrieval")
    half = pipeline("video-text-retrieval", model=folder, dtype=torch.bfloat16, device="cpu")
    assert half.model.dtype == torch.bfloat16
    predictor = Predictor.from_pretrained(folder, dtype="bfloat16")
    check(half(rows[0]["video"], CAPTIONS), predicted(predictor, half.task, rows[0]["video"]), half.task)


def test_how_texts_are_compared(folder_of, rows):
    folder, task = folder_of("AllInOneForVideoTextRetrieval"), "zero-shot-video-classification"
    compare = pipeline(task, model=folder, device="cpu", score_by="features")
    predictor = Predictor.from_pretrained(folder, score_by="features")
    for clip in (rows[0]["video"], rows[1]["video"]):
        check(compare(clip, CAPTIONS), predicted(predictor, task, clip), task)
    templates = ["a {}", "{} moves"]
    found = compare(clip, ["red_ring", "bar"], hypothesis_template=templates)
    expected = predictor.classify(clip, ["red_ring", "bar"], prompts=templates)
    assert found[0]["label"] == expected.answer and found[0]["score"] == pytest.approx(expected.score)


def test_choices_of_rows_may_differ(answerer, rows):
    rank = answerer["video-text-retrieval"]
    mixed = [{"video": rows[0]["video"], "captions": CAPTIONS[:2]}, {"video": rows[1]["video"]}]
    found = rank(mixed, CAPTIONS, batch_size=2)
    assert [len(one) for one in found] == [2, 3]
    check(found[0], rank(rows[0]["video"], CAPTIONS[:2]), rank.task)
    check(found[1], rank(rows[1]["video"], CAPTIONS), rank.task)


def test_adapters_are_asked_too(folder_of, rows, tmp_path):
    folder, clip = folder_of("AllInOneForVideoQuestionAnswering"), rows[0]["video"]
    ask = pipeline(TASK, model=folder, device="cpu")
    before = ask(clip, QUESTION)
    adapted = get_peft_model(ask.model, LoraConfig(r=4, init_lora_weights=False))
    found = pipeline(TASK, model=adapted, processor=ask.processor, device="cpu")(clip, QUESTION)
    assert found != before
    adapted.save_pretrained(tmp_path)
    check(pipeline(TASK, model=str(tmp_path), device="cpu")(clip, QUESTION), found, TASK)
    with adapted.disable_adapter():
        check(ask(clip, QUESTION), before, TASK)
    prompted = get_peft_model(
        adapted.unload(), PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=2)
    )
    with pytest.raises(ValueError, match="PROMPT_TUNING changes what is given to the model"):
        pipeline(TASK, model=prompted, processor=ask.processor, device="cpu")


# ---------------------------------------------------------------------------------------------------------------------
# What goes wrong
# ---------------------------------------------------------------------------------------------------------------------


def test_clips_that_cannot_be_read_are_named(ask, rows, tmp_path):
    (tmp_path / "broken.mp4").write_text("no film")
    for name, error in (("broken.mp4", ValueError), ("missing.mp4", FileNotFoundError)):
        path = str(tmp_path / name)
        for clips in (path, [rows[0]["video"], path], {"video": path}):
            with pytest.raises(error, match=name):
                ask(clips, QUESTION, batch_size=2)
    with pytest.raises(error, match=name):
        ask([rows[0]["video"], path], QUESTION, num_workers=1)


def test_what_is_not_asked_is_said(answerer, rows, folder_of):
    clip = rows[0]["video"]
    ask, rank = answerer[TASK], answerer["video-text-retrieval"]
    label, fill = answerer["zero-shot-video-classification"], answerer["video-fill-mask"]
    for call, message in (
        (lambda: ask(clip), "What is asked about .*0.mp4 has None as question"),
        (lambda: ask({"question": QUESTION}), "no clip in {'question': 'is it a red ring.'}; give one, or a row with"),
        (lambda: ask([None], QUESTION), "There is no clip in None"),
        (lambda: ask(clip, 3), "has 3 as question"),
        (lambda: ask(clip, QUESTION, top_k=0), "top_k is 0"),
        (lambda: ask(clip, QUESTION, num_frames=9), "9 frames"),
        (lambda: rank(clip), "no captions for .*0.mp4; give captions="),
        (lambda: rank(clip, ["a ring", 2]), "captions of .*0.mp4 hold 2; expected nothing but texts"),
        (lambda: rank(clip, "a ring"), "captions is the text 'a ring'; expected a list"),
        (lambda: rank(clip, ["a", "b", "a"]), "captions hold 'a' more than once"),
        (lambda: label(clip), "no candidate_labels for .*0.mp4"),
        (lambda: label(clip, ["a"], hypothesis_template="b"), "where the name of a class goes"),
        (lambda: fill(clip, "a ring"), r"0.mp4 has the text 'a ring'; expected one \[MASK\]"),
        (lambda: pipeline(TASK, model=folder_of("AllInOneForMaskedLM")), "no head for question-answering"),
        (lambda: pipeline("video-fill-mask", model=folder_of("AllInOneModel")), "AllInOneModel without a head"),
        (
            lambda: pipeline(label.task, model=folder_of("AllInOneForVideoClassification")),
            "no head for multiple-choice",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="top_k is '2'; expected a whole number"):
        ask(clip, QUESTION, top_k="2")
    for call in (lambda: ask(clip, QUESTION, frames=2), lambda: ask(clip, QUESTION, return_tensors="np")):
        with pytest.raises(TypeError, match=r"does not know (frames|return_tensors); it knows top_k, question and"):
            call()


# ---------------------------------------------------------------------------------------------------------------------
# Transformers' own pipeline
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.door("transformers' pipeline video-classification", "transformers")
def test_classes_of_a_head_by_the_pipeline_of_transformers(tiny_config, processor, files, tmp_path, caplog):
    prompt = processor.encode_prompt("a person is doing")
    labels = {0: "red", 1: "blue", 2: "green"}
    config = tiny_config(vocab_size=len(processor.tokenizer), id2label=labels, num_frames=3, **prompt)
    AllInOneForVideoClassification(config).save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    classify = pipeline("video-classification", model=str(tmp_path), device="cpu")
    predictor = Predictor.from_pretrained(tmp_path)
    clips = [str(files / f"{number}.mp4") for number in range(3)]
    expected = [
        [{"label": one["answer"], "score": one["score"]} for one in predictor.classify(clip).top_k] for clip in clips
    ]
    task = "zero-shot-video-classification"
    for found in (classify(clips), [classify(clip) for clip in clips]):
        for one, other in zip(found, expected, strict=True):
            check(one, other, task)
    assert "not supported" not in caplog.text

    folder = str(tmp_path / "with code")
    with saving_code(classify.model, processor):
        classify.model.save_pretrained(folder)
        processor.save_pretrained(folder)
    assert "custom_pipelines" not in (tmp_path / "with code" / "config.json").read_text()
    said, warnings = call_without(("modeling_allinone",), pipeline_user.classify, folder, clips[0], tmp_path)
    check(said, expected[0], task)
    assert not warnings

    # It makes batches of, and saves, what it takes for a feature extractor.
    batched = pipeline(
        "video-classification",
        model=str(tmp_path),
        feature_extractor=AutoVideoProcessor.from_pretrained(tmp_path),
        device="cpu",
    )
    batched.save_pretrained(tmp_path / "again")
    again = pipeline("video-classification", model=str(tmp_path / "again"), device="cpu")
    for found in (batched(clips, batch_size=2), again(clips)):
        for one, other in zip(found, expected, strict=True):
            check(one, other, task)
