# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What is wrong or doubtful with one's own rows, and where, before a model learns from them."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset

from .answer_vocabularies import OUTSIDE_LABEL
from .common_rows import summarize
from .own_files import identify_videos

_MISSING, _ONE_ANSWER = "video missing", "training has one answer alone, so there is nothing to learn"
_OTHER_NUMBER, _NO_ANSWER = "another number of options than other rows", "options without answer or label"


@dataclass(frozen=True)
class ExampleReport:
    """What there is to know of tables before a model learns from them; `str` of it is for people.

    Args:
        num_rows (`dict` of `str` to `int`): Of each split.
        num_videos (`dict` of `str` to `int`): Of each split.
        num_answers (`int`, *optional*): Answers or classes of the vocabulary, if there is one.
        num_outside (`dict` of `str` to `int`): Rows of each split whose answer the vocabulary lacks, so that a model
            cannot give it.
        problems (`dict` of `str` to `tuple` of `str`): What is wrong or doubtful, and where: rows by file and line,
            answers, or videos.
        held_out_share (`float`, *optional*): Share of the videos that each split was drawn with, if one was.
    """

    num_rows: dict[str, int]
    num_videos: dict[str, int]
    num_answers: int | None = None
    num_outside: dict[str, int] = field(default_factory=dict)
    problems: dict[str, tuple[str, ...]] = field(default_factory=dict)
    held_out_share: float | None = None

    @property
    def is_usable(self) -> bool:
        """Whether training goes through: with none of the problems at which the scripts stop, as they are set."""
        return not {_MISSING, _ONE_ANSWER, _OTHER_NUMBER, _NO_ANSWER} & set(self.problems)

    def to_dict(self) -> dict[str, Any]:
        """All of it, and `is_usable`, in values of JSON."""
        return {**asdict(self), "problems": {name: list(places) for name, places in self.problems.items()}} | {
            "is_usable": self.is_usable
        }

    def __str__(self) -> str:
        lines = [
            f"{split}: {number} rows, {self.num_videos[split]} videos"
            + (f", {self.num_outside[split]} answers outside the vocabulary" if self.num_outside.get(split) else "")
            for split, number in self.num_rows.items()
        ]
        if self.num_answers is not None:
            lines.append(f"vocabulary: {self.num_answers} answers")
        lines += [f"{problem} ({len(places)}): {shorten(places)}" for problem, places in self.problems.items()]
        return "\n  ".join(["examples", *lines])


def check_examples(tables: Mapping[str, Dataset]) -> ExampleReport:
    r"""Look through tables for what makes training fail, or scores mean less than they seem to.

    Args:
        tables (mapping from `str` to `datasets.Dataset`): By split, as [`load_tables`] returns them.

    Returns:
        [`ExampleReport`]: Among its problems are rows that were left out or stand twice, videos that are missing or in
        two splits (links and copies of a file are one video), answers that stand in training once or in one split
        alone, and questions about a video with several answers, which is none where they are meant.

    Example:
        >>> from modeling_allinone import load_tables
        >>> rows = "video,caption\n1.mp4,a cat\n2.mp4,\n"
        >>> _ = Path("clips.csv").write_text(rows)
        >>> print(check_examples(load_tables("clips.csv", splits=["train"])))
        examples
          train: 1 rows, 1 videos
          left out: caption is empty (1): clips.csv, line 3
          video missing (1): clips.csv, line 2
    """
    problems: dict[str, list[str]] = defaultdict(list)
    num_videos: dict[str, int] = {}
    outside: dict[str, int] = {}
    places_of: dict[str, dict[str, list[str]]] = {}  # of answers, by split
    first_place: dict[str, dict[str, str]] = defaultdict(dict)  # of videos, by split
    answers_to: dict[tuple, dict[str, str]] = defaultdict(dict)
    seen: dict[tuple, str] = {}
    summaries = {split: summarize(table) for split, table in tables.items()}
    same = identify_videos(video for table in tables.values() for video in table.unique("video"))
    columns = ["video", "start", "end", "question", "options", "answer", "caption", "label", "sample_id"]
    for split, table in tables.items():
        for reason, places in summaries[split].left_out.items():
            problems[f"left out: {reason}"] += places
        missing = set(summaries[split].missing_media or ())
        places_of[split], lengths = defaultdict(list), Counter[int]()
        for row in table.select_columns(columns):
            place, answer, video = row["sample_id"], row["answer"], same[row["video"]]
            first_place[video].setdefault(split, place)
            if row["video"] in missing:
                problems[_MISSING].append(place)
            if row["options"]:
                lengths[len(row["options"])] += 1
                if len(row["options"]) != lengths.most_common(1)[0][0]:
                    problems[_OTHER_NUMBER].append(place)
                if row["label"] is None:
                    problems[_NO_ANSWER].append(place)
            elif answer:
                places_of[split][answer].append(place)
                if row["label"] == OUTSIDE_LABEL:
                    problems["answer outside the vocabulary"].append(place)
            asked = (split, video, row["start"], row["end"], row["question"], tuple(row["options"] or ()))
            whole = (*asked, row["caption"], answer)
            if seen.setdefault(whole, place) != place:
                problems["row stands twice"].append(place)
            elif answer and not row["options"]:
                answers_to[asked][answer] = place
        num_videos[split] = len({same[video] for video in table.unique("video")})
        if places_of[split]:
            outside[split] = sum(label == OUTSIDE_LABEL for label in table["label"])
    for answers in answers_to.values():
        if len(answers) > 1:
            problems["several answers to one question about a video"] += list(answers.values())[1:]
    learned = places_of.get("train", {})
    problems["answers that training has once"] += [
        _at(answer, places) for answer, places in sorted(learned.items()) if len(places) == 1
    ]
    if len(tables) > 1:
        for split, found in places_of.items():
            others = set().union(*(places_of[other] for other in places_of if other != split))
            problems[f"answers that {split} alone has"] += [
                _at(answer, found[answer]) for answer in sorted(set(found) - others)
            ]
    problems["videos in two splits"] += [
        _at(video, [*places.values()]) for video, places in sorted(first_place.items()) if len(places) > 1
    ]
    if len(learned) == 1:
        problems[_ONE_ANSWER] += list(learned)
    vocabulary = next((summary.answers for summary in summaries.values() if summary.answers is not None), None)
    return ExampleReport(
        num_rows={split: len(table) for split, table in tables.items()},
        num_videos=num_videos,
        num_answers=None if vocabulary is None else len(vocabulary),
        num_outside=outside,
        problems={problem: tuple(places) for problem, places in problems.items() if places},
        held_out_share=next((found.held_out_share for found in summaries.values() if found.held_out_share), None),
    )


def _at(name: str, places: Sequence[str]) -> str:
    """What stands in some places, and where, as far as they are lines of a file."""
    shown = [shorten([place]) for place in places if place.rpartition(", ")[0]]
    return f"{name} ({'; '.join(shown)})" if shown else name


def shorten(places: Sequence[str], num_shown: int = 6) -> str:
    """
    The first few places.

    Args:
        places (sequence of `str`): Lines of one file stand behind its name, once.
        num_shown (`int`, defaults to 6)

    Returns:
        `str`
    """
    shown, last = [], None
    for place in places[:num_shown]:
        match = re.fullmatch(r"(.+), ((?:line|row|entry) (\d+))", place, re.DOTALL)
        if match is None:
            shown.append(place)
        else:
            shown.append(match[3] if match[1] == last else f"{Path(match[1]).name}, {match[2]}")
        last = match and match[1]
    return ", ".join(shown) + (f" and {len(places) - num_shown} more" if len(places) > num_shown else "")


__all__ = ["ExampleReport", "check_examples"]
