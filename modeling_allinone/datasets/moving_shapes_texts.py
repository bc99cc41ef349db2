# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Texts of moving shapes: questions, answers to choose from, captions and motion classes of a scene."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .moving_shapes_scenes import LEVELS, NUMBERS, MovingShape, Scene

FRAME_KINDS = ("colour", "count", "position", "shape")
TIME_KINDS = ("direction", "drift", "growth", "order", "recolour")
MOTION_CLASSES = ("growing", "moving down", "moving left", "moving right", "moving up", "shrinking")
NUM_OPTIONS = 5

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
    check_choice("level", level, LEVELS)
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


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse an argument that is not one of a few values.

    Raises:
        ValueError: The message has the argument's name and the values.
    """
    if value not in choices:
        raise ValueError(f"{name} is {value!r} but must be one of {', '.join(map(repr, choices))}.")


__all__ = ["answer_vocabulary"]
