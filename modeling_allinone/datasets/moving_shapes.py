"""Moving shapes: a generated corpus of short H.264 clips with captions, questions, five-way options and classes.

A clip is first a description, a `Scene` (see `moving_shapes_scenes`); frames and texts are pure functions of it. The
corpus is closed under time reversal: a clip and the same clip played backwards are equally likely. Questions of
`TIME_KINDS` read the same for both and have different answers, so the unordered frames of a clip do not tell which one
is right; questions of `FRAME_KINDS` have one answer, on every frame. Every frame is encoded on its own and alike, so
that the files keep this symmetry: predicted frames would show traces of what was there before.

    >>> from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes
    >>> folder = write_moving_shapes("shapes", num_clips=20, split="train")
    >>> rows = load_moving_shapes("shapes", split="train", task="question-answering")
    >>> rows[1]["question"], rows[1]["answer"], rows[1]["kind"]
    ('Which colour appeared first?', 'red', 'order')
"""

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np
from tokenizers.trainers import WordPieceTrainer
from transformers import BertTokenizer
from transformers.utils import logging

from ..models.video_file_allinone import ONE_THREAD
from .annotation_files import AnnotationFile, read_records
from .annotation_reader import AnnotationFolder, AnnotationReader, check_inside
from .answer_vocabularies import AnswerVocabulary
from .moving_shapes_scenes import LEVELS, NUMBERS, MovingShape, Scene, render_scene, sample_scene

if TYPE_CHECKING:
    import datasets

logger = logging.get_logger(__name__)

SPLITS = ("train", "validation", "test")
TASKS = ("question-answering", "multiple-choice-question-answering", "multiple-choice", "retrieval", "classification")
FRAME_KINDS = ("colour", "count", "position", "shape")
TIME_KINDS = ("direction", "drift", "growth", "order", "recolour")
MOTION_CLASSES = ("growing", "moving down", "moving left", "moving right", "moving up", "shrinking")

NUM_OPTIONS = 5
TEXT_COLUMNS = ("question", "options", "answer", "caption", "rationales")
SPEC_NAME = "spec.json"
ANNOTATIONS_NAME = "annotations.jsonl"
# Raised whenever the generator changes, so that files of an older one are not taken for those of this one.
FORMAT_VERSION = 1

# The phrasings of each fact. {it} and, without its colour, {named} stand for a shape, {mark} for what singles it out.
PHRASINGS = {
    "colour": ("What colour is {named}?", "Which colour does {named} have?"),
    "shape": ("Which shape is {mark}?", "What is the shape that is {mark}?"),
    "position": ("Where is {it}?", "In which corner is {it}?"),
    "count": ("How many coloured shapes are there?", "What is the number of coloured shapes?"),
    "direction": ("Which way did {it} move?", "In which direction did {it} go?"),
    "growth": ("Did {it} grow or shrink?", "Did {it} shrink or grow?", "How did the size of {it} change?"),
    "first colour": ("What colour was {it} first?", "Which colour did {it} start with?"),
    "last colour": ("What colour was {it} last?", "Which colour did {it} end with?"),
    "first shape to appear": ("Which shape appeared first?",),
    "last shape to appear": ("Which shape appeared last?",),
    "first colour to appear": ("Which colour appeared first?",),
    "last colour to appear": ("Which colour appeared last?",),
    "drift": ("Which way did the background drift?", "In which direction did the background move?"),
}
KIND_OF_FACT = {
    fact: "order" if fact.endswith("appear") else "recolour" if fact.endswith(" colour") else fact
    for fact in PHRASINGS
}


class Question(NamedTuple):
    """A question about a scene: its kind (of `FRAME_KINDS` or `TIME_KINDS`), its text and its answer."""

    kind: str
    question: str
    answer: str


def answer_vocabulary(level: str) -> list[str]:
    """All answers that the questions of a level have, sorted; labels are indices into this list.

    Args:
        level (`str`): "easy", "medium" or "hard".

    Returns:
        `list[str]`
    """
    _check_choice("level", level, LEVELS)
    return sorted({answer for domain in LEVELS[level].domains for answer in domain})


def write_questions(scene: Scene) -> list[Question]:
    """Ask what a scene shows; the reversed scene is asked the same in the same order.

    Args:
        scene (`Scene`): What is asked about.

    Returns:
        `list[Question]`, 2 to 7 of them.
    """
    generator = np.random.default_rng((scene.text_seed, 0))
    is_alone = len(scene.shapes) == 1
    questions = []
    for shape in scene.shapes:
        words = _refer(shape, is_alone, generator)
        questions += _ask(_time_facts(shape), 2 if is_alone else 1, words, generator)
        if is_alone or LEVELS[scene.level].refers:
            facts = _frame_facts(shape)
            questions += _ask(facts, len(facts) if is_alone else 1, words, generator)
    questions += _ask(_order_facts(scene), 2, {}, generator)
    if _is_still(scene):
        questions += _ask({"count": NUMBERS[len(scene.shapes) - 1]}, 2, {}, generator)
    if scene.drifts:
        questions += _ask({"drift": scene.drift}, 1, {}, generator)
    return questions


def _is_still(scene: Scene) -> bool:
    """Whether no shape does anything."""
    return not any(shape.appears or _time_facts(shape) for shape in scene.shapes)


def _time_facts(shape: MovingShape) -> dict[str, str]:
    """What a shape does, which only frames in their order tell."""
    facts = {}
    if shape.moves:
        facts["direction"] = shape.direction
    if shape.grows:
        facts["growth"] = shape.size_change
    if shape.recolours:
        facts["first colour"], facts["last colour"] = shape.colours
    return facts


def _frame_facts(shape: MovingShape) -> dict[str, str]:
    """What any one frame tells of a shape; two of three where it acts, so that all are asked about equally often."""
    if shape.appears:
        return {}
    facts = {"colour": shape.colours[0], "shape": shape.shape, "position": shape.corner}
    if shape.moves:
        del facts["position"]
    elif shape.grows:
        del facts["shape"]
    elif shape.recolours:
        del facts["colour"]
    return facts


def _order_facts(scene: Scene) -> dict[str, str]:
    """Which shape came first and which last, where they come one after the other."""
    shapes = [shape for shape in _in_time(scene) if shape.appears]
    if not shapes:
        return {}
    return {
        "first shape to appear": shapes[0].shape,
        "last shape to appear": shapes[-1].shape,
        "first colour to appear": shapes[0].colours[0],
        "last colour to appear": shapes[-1].colours[0],
    }


def _in_time(scene: Scene) -> list[MovingShape]:
    """The shapes of a scene in the order in which they appear."""
    return sorted(scene.shapes, key=lambda shape: shape.visible_quarters)


def _refer(shape: MovingShape, is_alone: bool, generator: np.random.Generator) -> dict[str, str]:
    """Words that single out a shape; its colour is not among them where it changes."""
    by_shape, by_place = generator.integers(2, size=2)
    if is_alone:
        return {"it": "the shape", "named": "the shape", "mark": "shown"}
    named = f"the {shape.shape}"
    place = f"in the {shape.corner}"
    if shape.recolours:
        return {"it": named, "named": named, "mark": place}
    colour = shape.colours[0]
    return {
        "it": named if by_shape else f"the {colour} shape",
        "named": named,
        "mark": place if by_place and not shape.moves else colour,
    }


def _ask(facts: dict[str, str], number: int, words: dict[str, str], generator: np.random.Generator) -> list[Question]:
    """Ask for `number` of the facts in random phrasings, for one fact again only once all were asked."""
    if not facts:
        return []
    facts_in_turn = generator.permutation(list(facts)).tolist()
    phrasings = {fact: generator.permutation(PHRASINGS[fact]).tolist() for fact in facts}
    return [
        Question(KIND_OF_FACT[fact], phrasings[fact].pop().format(**words), facts[fact])
        for fact in (facts_in_turn * number)[:number]
    ]


def write_answer_options(scene: Scene) -> list[list[str]]:
    """Five answers to choose from for each question of [`write_questions`], among them those of the reversed scene.

    The options of a scene and of its reverse are the same, so they do not tell the answer. Where there are too few
    answers of a kind, others fill up.

    Args:
        scene (`Scene`): What is asked about.

    Returns:
        `list[list[str]]`
    """
    generator = np.random.default_rng((scene.text_seed, 1))
    level = LEVELS[scene.level]
    options = []
    for asked, asked_of_reverse in zip(write_questions(scene), write_questions(scene.reversed()), strict=True):
        certain = sorted({asked.answer, asked_of_reverse.answer})
        domain = next(domain for domain in level.domains if asked.answer in domain)
        alike = [answer for answer in domain if answer not in certain]
        unlike = [answer for answer in answer_vocabulary(scene.level) if answer not in domain]
        ranked = [*certain, *generator.permutation(alike).tolist(), *generator.permutation(unlike).tolist()]
        options.append(generator.permutation(ranked[:NUM_OPTIONS]).tolist())
    return options


def write_caption(scene: Scene) -> str:
    """Tell in one sentence what a scene shows.

    Args:
        scene (`Scene`): What is told.

    Returns:
        `str`
    """
    shapes = _in_time(scene)
    joint = " before " if any(shape.appears for shape in shapes) else " and "
    caption = joint.join(_tell(shape) for shape in shapes)
    if scene.drifts and LEVELS[scene.level].refers:
        caption += f" while the background drifts {scene.drift}"
    return caption


def _tell(shape: MovingShape) -> str:
    """What one shape does and where, as a clause."""
    if shape.moves:
        side = shape.corner.split()[0 if shape.direction in ("left", "right") else 1]
        place = f"at the {side}" if side in ("top", "bottom") else f"on the {side}"
        return f"a {shape.colours[0]} {shape.shape} moves {shape.direction} {place}"
    place = f"in the {shape.corner}"
    if shape.grows:
        return f"a {shape.colours[0]} {shape.shape} {shape.size_change}s {place}"
    if shape.recolours:
        return f"a {shape.shape} turns from {shape.colours[0]} to {shape.colours[1]} {place}"
    return f"a {shape.colours[0]} {shape.shape} {'appears' if shape.appears else 'stands'} {place}"


def write_caption_options(scene: Scene) -> list[str]:
    """Five captions to choose from, the right one first.

    There are two times three variants of a scene: forwards and backwards (or, where that reads the same, with another
    shape or colour), each with three shapes or three colours. One of the five wrong ones is dropped. As any of the six
    could have been the right one, the options alone do not tell which is.

    Args:
        scene (`Scene`): What is told.

    Returns:
        `list[str]`, the caption of `scene` first, wrong ones in random order after it.
    """
    generator = np.random.default_rng((scene.text_seed, 2))
    index = int(generator.integers(len(scene.shapes)))
    unused = _unused_looks(scene, generator)
    look = str(generator.choice([look for look, values in unused.items() if len(values) >= 2]))
    # Of a shape that changes colour either colour, or the colour that stays the same would tell which came last.
    turn = int(generator.integers(2))
    variants = [scene, *(_with_look(scene, index, look, turn, value) for value in unused[look][:2])]
    if write_caption(scene.reversed()) != write_caption(scene):
        variants += [variant.reversed() for variant in variants]
    else:
        other_look = next(other for other in unused if other != look)
        variants += [_with_look(variant, index, other_look, turn, unused[other_look][0]) for variant in variants]
    right, *wrong = [write_caption(variant) for variant in variants]
    return [right, *generator.permutation(wrong).tolist()[: NUM_OPTIONS - 1]]


def _unused_looks(scene: Scene, generator: np.random.Generator) -> dict[str, list[str]]:
    """Silhouettes and colours of the level that the scene does not show, in random order."""
    level = LEVELS[scene.level]
    used = {name for shape in scene.shapes for name in (shape.shape, *shape.colours)}
    return {
        look: generator.permutation([name for name in names if name not in used]).tolist()
        for look, names in (("shape", level.shapes), ("colour", level.colours))
    }


def _with_look(scene: Scene, index: int, look: str, turn: int, value: str) -> Scene:
    """The same scene with another silhouette or colour (the first or last one, by turn) of one shape."""
    shape = scene.shapes[index]
    if look == "shape":
        changed = replace(shape, shape=value)
    elif not shape.recolours:
        changed = replace(shape, colours=(value, value))
    else:
        changed = replace(shape, colours=(value, shape.colours[1]) if turn == 0 else (shape.colours[0], value))
    return replace(scene, shapes=(*scene.shapes[:index], changed, *scene.shapes[index + 1 :]))


def name_motion(scene: Scene) -> str | None:
    """The motion class of a scene.

    Args:
        scene (`Scene`): What is classified.

    Returns:
        `str` of `MOTION_CLASSES`, or `None` unless exactly one shape moves, grows or shrinks.
    """
    motions = [f"moving {shape.direction}" for shape in scene.shapes if shape.moves]
    motions += [{"grow": "growing", "shrink": "shrinking"}[shape.size_change] for shape in scene.shapes if shape.grows]
    return motions[0] if len(motions) == 1 else None


def generate_scene(index: int, level: str = "easy", split: str = "train", seed: int = 0) -> Scene:
    """Describe one clip of a corpus.

    Each clip has a random stream of its own: a corpus is the beginning of every larger one, and splits share nothing.

    Args:
        index (`int`): Number of the clip in its split, from 0.
        level (`str`, defaults to `"easy"`): "easy", "medium" or "hard".
        split (`str`, defaults to `"train"`): "train", "validation" or "test".
        seed (`int`, defaults to 0): Seed of the corpus, from 0.

    Returns:
        `Scene`
    """
    _check_choice("level", level, LEVELS)
    _check_choice("split", split, SPLITS)
    spawn_key = (SPLITS.index(split), list(LEVELS).index(level), index)
    return sample_scene(level, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key)))


def write_moving_shapes(
    root: str | os.PathLike,
    num_clips: int,
    split: str = "train",
    level: str = "easy",
    seed: int = 0,
    num_frames: int = 12,
    image_size: int = 64,
    frames_per_second: int = 4,
    num_workers: int = 1,
    overwrite: bool = False,
) -> Path:
    """Generate a split: `root/split/videos/*.mp4`, `annotations.jsonl` and `spec.json`.

    Frames and annotations depend on the arguments alone, not on `num_workers`. A split is written beside its place and
    moved there when it is complete; one that is there already and was made with the same arguments is left as it is.

    Args:
        root (`str` or `os.PathLike`): Folder of the corpus, made if missing; one folder per level and seed.
        num_clips (`int`): Clips, at least 1.
        split (`str`, defaults to `"train"`): "train", "validation" or "test".
        level (`str`, defaults to `"easy"`): "easy", "medium" or "hard".
        seed (`int`, defaults to 0): Seed of the corpus, from 0.
        num_frames (`int`, defaults to 12): Frames per clip, a multiple of 4 from 8. Of 12, the middles of four equal
            segments lie symmetrically (1, 4, 7, 10), so that a sampler which takes them sees the same frames of a clip
            and of its reverse; 16 would lean early (1, 5, 9, 13), and how far a shape has come would tell the way.
        image_size (`int`, defaults to 64): Side of the frames in pixels, an even number from 32.
        frames_per_second (`int`, defaults to 8): Frame rate, from 1.
        num_workers (`int`, defaults to 1): Processes that render and encode, from 1. More than 1 are spawned, which
            takes seconds, and a script that asks for them keeps its own work under `if __name__ == "__main__":`.
        overwrite (`bool`, defaults to `False`): Whether to generate anew and replace what is there.

    Returns:
        `pathlib.Path` of the split's folder.

    Raises:
        ValueError: For an argument out of its range.
        NotADirectoryError: If `root` is a file.
        FileExistsError: If the split is there, made with other arguments, and `overwrite` is false.
        FileNotFoundError: If the split's folder is there without its `spec.json`, and `overwrite` is false.
    """
    root = Path(root)
    spec = {
        "format_version": FORMAT_VERSION,
        "split": split,
        "level": level,
        "seed": seed,
        "num_clips": num_clips,
        "num_frames": num_frames,
        "image_size": image_size,
        "frames_per_second": frames_per_second,
    }
    _check_spec(spec)
    if num_workers < 1:
        raise ValueError(f"num_workers is {num_workers} but must be at least 1.")
    if root.exists() and not root.is_dir():
        raise NotADirectoryError(f"root is a file: {root}. Pass the folder that is to hold the corpus.")
    folder = root / split
    if folder.exists() and not overwrite:
        _check_same_spec(folder, spec)
        logger.info(f"{folder} holds the {num_clips} clips already.")
        return folder

    unfinished = root / f".{split}-{os.getpid()}-unfinished"
    try:
        (unfinished / "videos").mkdir(parents=True)
        clips = _write_clips(unfinished, spec, num_workers)
        with open(unfinished / ANNOTATIONS_NAME, "w") as annotations:
            for clip in logging.tqdm(clips, total=num_clips, desc=f"{level} moving shapes, {split}", unit="clip"):
                annotations.write(json.dumps(clip) + "\n")
        (unfinished / SPEC_NAME).write_text(json.dumps(spec, indent=2) + "\n")
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _check_spec(spec: dict) -> None:
    """Refuse what cannot be generated."""
    _check_choice("split", spec["split"], SPLITS)
    _check_choice("level", spec["level"], LEVELS)
    for name, lowest, divisor in (
        ("num_clips", 1, 1),
        ("seed", 0, 1),
        ("num_frames", 8, 4),
        ("image_size", 32, 2),
        ("frames_per_second", 1, 1),
    ):
        value = spec[name]
        if not isinstance(value, int) or value < lowest or value % divisor:
            what = "an integer" if divisor == 1 else f"a multiple of {divisor}"
            raise ValueError(f"{name} is {value!r} but must be {what} of at least {lowest}.")


def _check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a value that is not one of a few."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r} but must be one of {', '.join(map(repr, choices))}.")


def _check_same_spec(folder: Path, spec: dict) -> None:
    """Refuse a folder that holds something else than `spec` says."""
    found = _read_spec(folder)
    differences = [
        f"{name} {found.get(name)!r} instead of {spec[name]!r}" for name in spec if found.get(name) != spec[name]
    ]
    if differences:
        raise FileExistsError(
            f"{folder} holds a corpus with {', '.join(differences)}. "
            "Pass another root, or overwrite=True to replace it."
        )


def _read_spec(folder: Path) -> dict:
    """What the corpus in a folder was made with."""
    path = folder / SPEC_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no {SPEC_NAME}, so it is no complete split of moving shapes. "
            f"Call write_moving_shapes({str(folder.parent)!r}, num_clips=…, split={folder.name!r}) first; "
            "add overwrite=True if the folder may be replaced."
        )
    return json.loads(path.read_text())


def _write_clips(folder: Path, spec: dict, num_workers: int) -> Iterator[dict]:
    """Write the videos of all clips and yield their annotations in order."""
    write_clip = partial(_write_clip, folder=folder, spec=spec)
    indices = range(spec["num_clips"])
    if num_workers == 1:
        yield from map(write_clip, indices)
        return
    # Forking would copy locks that the threads of torch or of a decoder may hold.
    with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(write_clip, indices, chunksize=32)


def _write_clip(index: int, folder: Path, spec: dict) -> dict:
    """Write the video of one clip and return its annotations."""
    scene = generate_scene(index, spec["level"], spec["split"], spec["seed"])
    video = f"videos/{index:06d}.mp4"
    frames = render_scene(scene, spec["num_frames"], spec["image_size"])
    _encode(folder / video, frames, spec["frames_per_second"])
    questions = [
        {**question._asdict(), "options": options}
        for question, options in zip(write_questions(scene), write_answer_options(scene), strict=True)
    ]
    caption, *wrong_captions = write_caption_options(scene)
    return {
        "video_id": f"{spec['split']}{index:06d}",
        "video": video,
        "caption": caption,
        "wrong_captions": wrong_captions,
        "motion": name_motion(scene),
        "questions": questions,
    }


def _encode(path: Path, frames: np.ndarray, frames_per_second: int) -> None:
    """Write frames as H.264 with 4:2:0 chroma, which every player reads, all as key frames of the same quality."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=frames_per_second)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"qp": "24", "g": "1", "preset": "veryfast", "threads": "1"}
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt, **ONE_THREAD)))
        container.mux(stream.encode())


def load_moving_shapes(
    root: str | os.PathLike,
    split: str = "train",
    task: str = "question-answering",
    distinct_captions: bool = False,
) -> "datasets.Dataset":
    """Read a generated split as a table.

    | `task` | one row per | `question` | `options` | `answer` | `label` |
    |---|---|---|---|---|---|
    | "question-answering" | question | text | – | text | index in `answer_vocabulary(level)` |
    | "multiple-choice-question-answering" | question | text | 5 answers | text | index of the right one |
    | "multiple-choice" | clip | – | 5 captions | right caption | index of the right one |
    | "retrieval" (and pre-training) | clip | – | – | – | – |
    | "classification" | clip with one motion | – | – | class name | index in `MOTION_CLASSES` |

    All rows also have `video` (path), `start` and `end` (seconds; null, the whole file), `caption`, `video_id`,
    `sample_id` and `kind` (of question, else null); what a task lacks is null.

    Args:
        root (`str` or `os.PathLike`): Folder given to [`write_moving_shapes`].
        split (`str`, defaults to `"train"`): "train", "validation" or "test".
        task (`str`, defaults to `"question-answering"`): One of `TASKS`.
        distinct_captions (`bool`, defaults to `False`): Whether to keep only the first clip of each caption, so that a
            caption has one right clip in retrieval.

    Returns:
        `datasets.Dataset`

    Raises:
        ValueError: For an unknown split or task.
        FileNotFoundError: If the split was not generated.
    """
    from datasets import Dataset, Features, List, Value

    _check_choice("split", split, SPLITS)
    _check_choice("task", task, TASKS)
    folder = Path(root) / split
    level = _read_spec(folder)["level"]
    clips = []
    for record in read_records(folder / ANNOTATIONS_NAME):
        check_inside(record, record.text("video"))
        clips.append(record.fields)
    if distinct_captions:
        clips = list({clip["caption"]: clip for clip in reversed(clips)}.values())[::-1]
    text, number, seconds = Value("string"), Value("int64"), Value("float64")
    features = Features(
        video=text,
        start=seconds,
        end=seconds,
        question=text,
        options=List(text),
        answer=text,
        label=number,
        caption=text,
        video_id=text,
        sample_id=text,
        kind=text,
    )
    rows = []
    for clip in clips:
        common = {"video": str(folder / clip["video"]), "caption": clip["caption"], "video_id": clip["video_id"]}
        for index, fields in enumerate(_task_rows(clip, task, level)):
            row = dict.fromkeys(features) | common | {"sample_id": f"{clip['video_id']}-{index}"} | fields
            rows.append(row)
    return Dataset.from_list(rows, features=features)


def _task_rows(clip: dict, task: str, level: str) -> Iterator[dict]:
    """The fields of a clip's rows that depend on the task."""
    if task == "question-answering":
        vocabulary = answer_vocabulary(level)
        for asked in clip["questions"]:
            yield asked | {"options": None, "label": vocabulary.index(asked["answer"])}
    elif task == "multiple-choice-question-answering":
        for asked in clip["questions"]:
            yield asked | {"label": asked["options"].index(asked["answer"])}
    elif task == "multiple-choice":
        # Sorted by text: an order that neither the right caption nor a random number decides.
        options = sorted([clip["caption"], *clip["wrong_captions"]])
        yield {"options": options, "answer": clip["caption"], "label": options.index(clip["caption"])}
    elif task == "retrieval":
        yield {}
    elif clip["motion"] is not None:
        yield {"answer": clip["motion"], "label": MOTION_CLASSES.index(clip["motion"])}


def train_tokenizer(texts: "Iterable[str] | datasets.Dataset", vocab_size: int = 400) -> BertTokenizer:
    """Train an uncased WordPiece tokenizer with BERT's special tokens.

    Args:
        texts (`Iterable[str]` or `datasets.Dataset`): Texts, or rows, of which questions, options, answers and
            captions are taken.
        vocab_size (`int`, defaults to 400): Largest size of the vocabulary, special tokens included; 400 holds all
            words of the corpus.

    Returns:
        `transformers.BertTokenizer`, with `[PAD]` as token 0.

    Raises:
        ValueError: If `texts` is a single string.
    """
    if isinstance(texts, str):
        raise ValueError(
            f"texts is the single string {texts[:40]!r} but must be several texts or rows; put it in a list."
        )
    columns = getattr(texts, "column_names", None)
    if columns is not None:
        texts = _texts_of_rows(texts.select_columns([name for name in TEXT_COLUMNS if name in columns]))
    texts = list(texts)
    untrained = BertTokenizer()
    backend = untrained.backend_tokenizer
    words = {
        word
        for text in set(texts)
        for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))
    }
    # The trainer numbers the letters inside words as they come out of a hash table, in another order each time, and
    # breaks ties between merges by these numbers. Given in advance, they keep the order they are given in.
    inner_letters = sorted({f"##{letter}" for word in words for letter in word[1:]})
    special_tokens = [*untrained.convert_ids_to_tokens(range(len(untrained))), *inner_letters]
    trainer = WordPieceTrainer(vocab_size=vocab_size, special_tokens=special_tokens, show_progress=False)
    backend.train_from_iterator(texts, trainer)
    return BertTokenizer(vocab=backend.get_vocab())


def _texts_of_rows(rows: "datasets.Dataset") -> Iterator[str]:
    """All texts in the columns of a table, one by one."""
    for row in rows:
        for value in row.values():
            yield from value if isinstance(value, list) else [value or ""]


def read_rows(
    folder: AnnotationFolder,
    split: str,
    task: str = "question-answering",
    distinct_captions: bool = False,
    kinds: Sequence[str] | None = None,
) -> Iterator[dict]:
    """Rows of [`load_moving_shapes`], for [`load_annotations`].

    Args:
        folder (`AnnotationFolder`): What to read from; its root is the folder given to [`write_moving_shapes`].
        split (`str`): "train", "validation" or "test".
        task (`str`, defaults to `"question-answering"`): As in [`load_moving_shapes`].
        distinct_captions (`bool`, defaults to `False`): As there.
        kinds (`Sequence[str]`, *optional*): Keep only questions of these kinds.

    Yields:
        `dict`

    Raises:
        ValueError: For an unknown kind.
    """
    for kind in kinds or ():
        _check_choice("kinds", kind, FRAME_KINDS + TIME_KINDS)
    rows = load_moving_shapes(folder.root, split, task, distinct_captions)
    folder.find_split(split)
    if task == "question-answering":
        level = _read_spec(folder.root / split)["level"]
        folder.vocabulary = AnswerVocabulary(tuple(answer_vocabulary(level)), f"the level {level!r}")
    elif task == "classification":
        folder.vocabulary = AnswerVocabulary(MOTION_CLASSES, "the motions that there are")
    yield from (row for row in rows if kinds is None or row["kind"] in kinds)


READERS = (
    AnnotationReader(
        name="moving_shapes",
        tasks=TASKS,
        publisher="no page (write_moving_shapes generates it)",
        splits={split: (AnnotationFile(f"{split}/{ANNOTATIONS_NAME}", "JSON lines, one a clip"),) for split in SPLITS},
        media="{split}/videos/{video_id}.mp4",
        read_rows=read_rows,
        extra_columns={"kind": "string"},
    ),
)
