# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The generated corpus: what it shows, that it leaks nothing, and what is on disk."""

import inspect
import json
from collections import Counter, defaultdict

import av
import numpy as np
import pytest

from modeling_allinone.datasets import answer_vocabulary, load_moving_shapes, write_moving_shapes
from modeling_allinone.datasets import moving_shapes as corpus
from modeling_allinone.datasets.moving_shapes import SPLITS, generate_scene
from modeling_allinone.datasets.moving_shapes_scenes import COLOURS, LEVELS, NUMBERS, render_scene
from modeling_allinone.datasets.moving_shapes_texts import (
    FRAME_KINDS,
    MOTION_CLASSES,
    TIME_KINDS,
    name_motion,
    write_answer_options,
    write_caption,
    write_caption_options,
    write_questions,
)
from modeling_allinone.datasets.readers.moving_shapes import TASKS
from modeling_allinone.models.frame_sampling_allinone import uniform_indices

NUM_CLIPS = 40
NUM_FRAMES = 12

each_level = pytest.mark.parametrize("level", LEVELS)


def decode(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def annotations(folder):
    return [json.loads(line) for line in (folder / "annotations.jsonl").read_text().splitlines()]


def scenes(level, number, seed=0):
    return [generate_scene(index, level, seed=seed) for index in range(number)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("moving_shapes")
    write_moving_shapes(root, NUM_CLIPS)
    return root


# Time reversal


@each_level
def test_reversed_scene_shows_the_frames_backwards(level):
    for scene in scenes(level, 25):
        frames = render_scene(scene, num_frames=NUM_FRAMES, image_size=32)
        assert frames.shape == (NUM_FRAMES, 32, 32, 3) and frames.dtype == np.uint8
        np.testing.assert_array_equal(render_scene(scene.reversed(), NUM_FRAMES, 32), frames[::-1])
        assert scene.reversed() != scene or not scene.drifts
        assert scene.reversed().reversed() == scene


@each_level
def test_reversal_changes_the_answers_of_time_kinds_only(level):
    kinds = set()
    for scene in scenes(level, 200):
        questions, reversed_questions = write_questions(scene), write_questions(scene.reversed())
        assert 2 <= len(questions) <= 7
        assert len({question.question for question in questions}) == len(questions)
        for asked, asked_of_reverse in zip(questions, reversed_questions, strict=True):
            assert (asked.kind, asked.question) == (asked_of_reverse.kind, asked_of_reverse.question)
            assert (asked.answer != asked_of_reverse.answer) == (asked.kind in TIME_KINDS)
            assert len(asked.question.split()) <= 12
            kinds.add(asked.kind)
        assert write_answer_options(scene) == write_answer_options(scene.reversed())
    assert kinds == {*FRAME_KINDS, *TIME_KINDS}


@each_level
def test_a_question_never_contains_its_answer(level):
    for scene in scenes(level, 300):
        for asked in write_questions(scene):
            if asked.kind != "growth":  # both answers are in the question
                assert f" {asked.answer}" not in asked.question.replace("?", ""), asked


@each_level
def test_blank_video_is_at_chance(level):
    answers_to, kind_of = defaultdict(Counter), {}
    for scene in scenes(level, 1500, seed=1):
        for kind, question, answer in write_questions(scene):
            answers_to[question][answer] += 1
            kind_of[question] = kind
    for question, answers in answers_to.items():
        total = sum(answers.values())
        if total < 100:
            continue
        makeup = LEVELS[level]
        names_colour = "colour appeared" in question
        chance = {
            "colour": 1 / len(makeup.colours),
            "recolour": 1 / len(makeup.colours),
            "shape": 1 / len(makeup.shapes),
            "order": 1 / len(makeup.colours if names_colour else makeup.shapes),
            "count": 1 / makeup.max_count,
            "position": 1 / 4,
            "direction": 1 / 4,
            "growth": 1 / 2,
            "drift": 1 / 2,
        }[kind_of[question]]
        margin = 4 * np.sqrt(chance * (1 - chance) / total)
        assert answers.most_common(1)[0][1] / total < chance + margin, (question, answers)


@each_level
def test_kinds_are_about_equally_frequent(level):
    kinds = Counter(asked.kind for scene in scenes(level, 600) for asked in write_questions(scene))
    assert max(kinds.values()) < 3 * min(kinds.values())


@pytest.mark.parametrize("num_sampled", [3, 4, 8, 12])
def test_how_often_something_is_seen_does_not_tell_when(num_sampled):
    edges = np.linspace(0, NUM_FRAMES, num_sampled + 1).astype(int)
    sampled = (edges[:-1] + edges[1:] - 1) // 2
    long_colour_is_first = []
    for scene in scenes("easy", 400):
        seen = []
        for shape in scene.shapes:
            appears, vanishes = (quarter * NUM_FRAMES // 4 for quarter in shape.visible_quarters)
            seen.append(np.count_nonzero((sampled >= appears) & (sampled < vanishes)))
            if shape.recolours:
                first = np.count_nonzero(sampled < shape.recolour_quarter * NUM_FRAMES // 4)
                assert 0 < first < num_sampled
                long_colour_is_first.append(first > num_sampled - first)
        assert len(set(seen)) == 1
    assert abs(np.mean(long_colour_is_first) - 0.5) < 2 / np.sqrt(len(long_colour_is_first))


def test_four_frames_of_a_clip_are_those_of_its_reverse():
    num_frames = inspect.signature(write_moving_shapes).parameters["num_frames"].default
    sampled = uniform_indices(4, num_frames)
    assert sorted(num_frames - 1 - sampled) == sorted(sampled)


@each_level
def test_drift_shows_between_sampled_frames(level):
    drifting = [scene for scene in scenes(level, 80) if scene.drifts]
    assert len(drifting) > 20
    for scene in drifting:
        frames = render_scene(scene, NUM_FRAMES, 64)[1::3].astype(float).mean(axis=-1)
        frames -= frames.mean(axis=(1, 2), keepdims=True)
        shifts = range(-10, 11)
        match = [(np.roll(frames[:-1], shift, axis=2) * frames[1:]).mean() for shift in shifts]
        assert (shifts[int(np.argmax(match))] > 0) == (scene.drift == "right")


# Captions and options


@each_level
def test_options_hold_the_answer_once(level):
    vocabulary = answer_vocabulary(level)
    assert vocabulary == sorted(set(vocabulary)) and set(NUMBERS[: LEVELS[level].max_count]) <= set(vocabulary)
    for scene in scenes(level, 100):
        for asked, options in zip(write_questions(scene), write_answer_options(scene), strict=True):
            assert len(options) == len(set(options)) == 5 and asked.answer in options
            assert set(options) <= set(vocabulary)
        options = write_caption_options(scene)
        assert len(options) == len(set(options)) == 5 and options[0] == write_caption(scene)


def test_caption_options_alone_are_at_chance():
    places, reversed_is_offered, shared_colour_is_last = Counter(), [], []
    for scene in scenes("easy", 3000):
        options = write_caption_options(scene)
        places[sorted(options).index(options[0])] += 1
        backwards = write_caption(scene.reversed())
        if backwards != options[0]:
            reversed_is_offered.append(backwards in options)
        if scene.shapes[0].recolours and len({option.split()[1] for option in options}) == 1:
            turns = [(option.split()[4], option.split()[6]) for option in options]
            shared = Counter(colour for turn in turns for colour in turn).most_common(1)[0][0]
            shared_colour_is_last.append(turns[0][1] == shared)
    assert all(abs(places[place] / 3000 - 0.2) < 0.03 for place in range(5))
    assert abs(np.mean(reversed_is_offered) - 0.8) < 0.04
    assert abs(np.mean(shared_colour_is_last) - 0.5) < 2 / np.sqrt(len(shared_colour_is_last))


@each_level
def test_a_test_split_has_200_distinct_captions(level):
    captions = {write_caption(generate_scene(index, level, "test")) for index in range(300)}
    assert len(captions) >= 200


@each_level
def test_every_motion_class_occurs(level):
    classes = Counter(name_motion(scene) for scene in scenes(level, 600))
    assert set(classes) == {*MOTION_CLASSES, None}


# Files


@each_level
def test_colours_survive_encoding(level, tmp_path):
    checked = set()
    for scene in scenes(level, 12):
        frames = render_scene(scene)
        corpus._encode(tmp_path / "clip.mp4", frames, 8)
        decoded = decode(tmp_path / "clip.mp4")
        assert decoded.shape == frames.shape
        for name in {name for shape in scene.shapes for name in shape.colours}:
            inside = (frames == COLOURS[name]).all(axis=-1)
            assert inside.any()
            mean = decoded[inside].mean(axis=0)
            distances = {other: np.abs(mean - colour).max() for other, colour in COLOURS.items()}
            assert min(distances, key=distances.get) == name and distances[name] < 40
            checked.add(name)
    assert checked == set(LEVELS[level].colours)


def test_encoded_frames_do_not_depend_on_their_order(tmp_path):
    for scene in scenes("hard", 4):
        frames = render_scene(scene)
        corpus._encode(tmp_path / "forwards.mp4", frames, 8)
        corpus._encode(tmp_path / "backwards.mp4", frames[::-1], 8)
        np.testing.assert_array_equal(decode(tmp_path / "backwards.mp4"), decode(tmp_path / "forwards.mp4")[::-1])


def test_files_are_h264(root):
    videos = sorted((root / "train" / "videos").iterdir())
    assert len(videos) == NUM_CLIPS
    with av.open(str(videos[0])) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.pix_fmt == "yuv420p"
        assert (stream.frames, stream.width, stream.height, stream.average_rate) == (NUM_FRAMES, 64, 64, 4)


def test_a_corpus_is_the_beginning_of_a_larger_one(root, tmp_path):
    smaller = write_moving_shapes(tmp_path, 6)
    assert annotations(smaller) == annotations(root / "train")[:6]
    for video in (smaller / "videos").iterdir():
        np.testing.assert_array_equal(decode(video), decode(root / "train" / "videos" / video.name))


@pytest.mark.slow
def test_workers_do_not_matter(root, tmp_path):
    folder = write_moving_shapes(tmp_path, NUM_CLIPS, num_workers=2)
    assert annotations(folder) == annotations(root / "train")
    for video in (folder / "videos").iterdir():
        np.testing.assert_array_equal(decode(video), decode(root / "train" / "videos" / video.name))


def test_splits_levels_and_seeds_share_nothing():
    corpora = [(level, split, seed) for level in LEVELS for split in SPLITS for seed in (0, 1)]
    backgrounds = [generate_scene(index, *of).background_seed for of in corpora for index in range(20)]
    assert len(set(backgrounds)) == len(backgrounds)
    assert generate_scene(3, "hard", "test", seed=1) == generate_scene(3, "hard", "test", seed=1)


def test_a_finished_split_is_reused(root):
    files = {path: path.stat().st_mtime_ns for path in (root / "train").rglob("*")}
    assert write_moving_shapes(root, NUM_CLIPS) == root / "train"
    assert {path: path.stat().st_mtime_ns for path in (root / "train").rglob("*")} == files


def test_another_corpus_is_not_overwritten_unasked(tmp_path):
    write_moving_shapes(tmp_path, 2, image_size=32, num_frames=8)
    with pytest.raises(FileExistsError, match=r"num_clips 2 instead of 3.*overwrite=True"):
        write_moving_shapes(tmp_path, 3, image_size=32, num_frames=8)
    write_moving_shapes(tmp_path, 3, image_size=32, num_frames=8, overwrite=True)
    assert len(annotations(tmp_path / "train")) == len(list((tmp_path / "train" / "videos").iterdir())) == 3


def test_interrupted_writing_leaves_nothing(tmp_path, monkeypatch):
    encode = corpus._encode

    def stop_at_third(path, *arguments):
        if path.name.startswith("000002"):
            raise KeyboardInterrupt
        encode(path, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(corpus, "_encode", stop_at_third)
        write_moving_shapes(tmp_path, 4)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match=r"write_moving_shapes\("):
        load_moving_shapes(tmp_path)


def test_a_folder_without_spec_is_refused(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(FileNotFoundError, match="overwrite=True"):
        write_moving_shapes(tmp_path, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": "extreme"}, "level is 'extreme' but must be one of 'easy', 'medium', 'hard'"),
        ({"split": "val"}, "split is 'val' but must be one of 'train'"),
        ({"num_clips": 0}, "num_clips is 0 but must be an integer of at least 1"),
        ({"num_clips": 2.5}, "num_clips is 2.5"),
        ({"seed": -1}, "seed is -1"),
        ({"image_size": 63}, "image_size is 63 but must be a multiple of 2 of at least 32"),
        ({"num_frames": 4}, "num_frames is 4 but must be a multiple of 4 of at least 8"),
        ({"num_frames": 10}, "num_frames is 10"),
        ({"frames_per_second": 0}, "frames_per_second is 0"),
        ({"num_workers": 0}, "num_workers is 0"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        write_moving_shapes(tmp_path / "corpus", **({"num_clips": 1} | arguments))
    assert not (tmp_path / "corpus").exists()


def test_root_must_not_be_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="root is a file"):
        write_moving_shapes(tmp_path / "file", 1)


# Rows


@pytest.mark.parametrize("task", TASKS)
def test_rows_of_each_task(root, task):
    rows = load_moving_shapes(root, task=task)
    assert len(set(rows["sample_id"])) == len(rows) > 0
    vocabulary = answer_vocabulary("easy")
    for row in rows:
        assert row["video"].endswith(".mp4") and row["start"] is None and row["end"] is None and row["caption"]
        assert (row["question"] is not None) == (row["kind"] is not None) == task.endswith("question-answering")
        names = {"question-answering": vocabulary, "classification": MOTION_CLASSES}.get(task, row["options"])
        assert (row["options"] is not None) == task.startswith("multiple-choice")
        if task == "retrieval":
            assert row["label"] is None and row["answer"] is None
        else:
            assert names[row["label"]] == row["answer"]


def test_distinct_captions(root):
    rows = load_moving_shapes(root, task="retrieval")
    distinct = load_moving_shapes(root, task="retrieval", distinct_captions=True)
    assert sorted(distinct["caption"]) == sorted(set(rows["caption"]))
    assert distinct["video_id"] == sorted(distinct["video_id"]) and distinct[0] == rows[0]


def test_only_some_kinds_of_questions(root):
    kinds = load_moving_shapes(root, kinds=["order", "count"])["kind"]
    assert 0 < len(kinds) < len(load_moving_shapes(root)) and set(kinds) == {"order", "count"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "captioning"}, "task is 'captioning' but must be one of 'question-answering'"),
        ({"kinds": ["order", "sound"]}, "kinds is 'sound' but must be one of 'colour', "),
        ({"split": "val"}, "moving_shapes has no split 'val'; it has 'train', "),
    ],
)
def test_bad_options_of_rows(root, options, message):
    with pytest.raises(ValueError, match=message):
        load_moving_shapes(root, **options)
