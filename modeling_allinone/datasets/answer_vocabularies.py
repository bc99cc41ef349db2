# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Vocabularies of answers: the classes among which open-ended questions are answered."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .annotation_files import read_json, read_lines

OUTSIDE_LABEL = -100  # ignored by the loss; in a score such an answer counts as wrong


@dataclass(frozen=True)
class AnswerVocabulary:
    """Answers in the order of their labels.

    Args:
        answers (`tuple[str, ...]`): Answer of label 0, of label 1, and so on; no two are equal.
        origin (`str`): Where they are from, for summaries.

    Example:
        >>> vocabulary = AnswerVocabulary(("cat", "dog"), "two animals")
        >>> vocabulary.label("dog"), vocabulary.label("bird")
        (1, -100)
    """

    answers: tuple[str, ...]
    origin: str

    def __post_init__(self):
        if not self.answers:
            raise ValueError(f"The vocabulary from {self.origin} has no answers; expected at least one.")
        twice = [answer for answer, count in Counter(self.answers).items() if count > 1]
        if twice:
            raise ValueError(f"The vocabulary from {self.origin} has {twice[0]!r} twice; expected every answer once.")

    def label(self, answer: str) -> int:
        """Label of an answer, -100 for one that is not in the vocabulary."""
        return self._labels.get(answer, OUTSIDE_LABEL)

    def labelled(self, answer: str) -> dict[str, str | int]:
        """The columns `answer` and `label` of a row."""
        return {"answer": answer, "label": self.label(answer)}

    @cached_property
    def _labels(self) -> dict[str, int]:
        return {answer: label for label, answer in enumerate(self.answers)}

    @classmethod
    def from_file(cls, path: str | os.PathLike) -> "AnswerVocabulary":
        """Read a vocabulary.

        Args:
            path (`str` or `os.PathLike`): A `.json` file, an object of labels by answer or a list of answers; or a
                text file, one answer a line, whose labels are the numbers of its lines from 0.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is something else, or its labels are not 0, 1, 2, ... in any order.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"There is no vocabulary {path}; expected a .json file or a text file.")
        if path.suffix != ".json":
            return cls(tuple(read_lines(path, skips_blank=False)), str(path))
        content = read_json(path)
        if not isinstance(content, dict | list):
            raise ValueError(
                f"{path} holds a {type(content).__name__}; expected labels by answer or a list of answers."
            )
        return cls(_in_order(content, str(path)), str(path))

    @classmethod
    def most_frequent(cls, answers: Iterable[str], size: int, origin: str) -> "AnswerVocabulary":
        """The most frequent answers, the most frequent first, equally frequent ones in the order of the alphabet.

        Args:
            answers (`Iterable[str]`): Answers of the training split, with repeats.
            size (`int`): How many to keep, at least 1; all, if there are fewer.
            origin (`str`): Where they are from.

        Example:
            >>> AnswerVocabulary.most_frequent(["two", "one", "two", "six"], 2, "train").answers
            ('two', 'one')
        """
        if type(size) is not int or size < 1:
            raise ValueError(f"num_answers is {size!r}; expected a whole number from 1.")
        counts = Counter(answers)
        ranked = sorted(counts, key=lambda answer: (-counts[answer], answer))
        return cls(tuple(ranked[:size]), f"{origin}, the most frequent")

    @classmethod
    def given(cls, vocabulary: "GivenVocabulary") -> "AnswerVocabulary":
        """Take what a caller may pass.

        Args:
            vocabulary: A file (see `from_file`), the answers in the order of their labels, labels by answer, answers
                by label such as a model's `config.id2label`, or a vocabulary.

        Raises:
            TypeError: For anything else.
            ValueError: If it does not have every answer once, or labels are not 0, 1, 2, ....

        Example:
            >>> AnswerVocabulary.given({0: "cat", 1: "dog"}).answers
            ('cat', 'dog')
        """
        if isinstance(vocabulary, AnswerVocabulary):
            return vocabulary
        if isinstance(vocabulary, str | os.PathLike):
            return cls.from_file(vocabulary)
        if not isinstance(vocabulary, Mapping | Sequence):
            raise TypeError(f"vocabulary is {vocabulary!r}; expected a file, a list of answers or labels by answer.")
        if isinstance(vocabulary, Mapping) and all(type(label) is int for label in vocabulary):
            answers = {answer: label for label, answer in vocabulary.items()}
            # Answers that stand twice would be lost in turning the mapping round.
            vocabulary = answers if len(answers) == len(vocabulary) else list(vocabulary.values())
        return cls(_in_order(vocabulary, "the vocabulary given"), "the caller")


def _in_order(vocabulary: Sequence | Mapping, name: str) -> tuple[str, ...]:
    """Answers in the order of their labels."""
    answers = list(vocabulary)
    wrong = [answer for answer in answers if not isinstance(answer, str)]
    if wrong:
        raise ValueError(f"{name} has the answer {wrong[0]!r}, but expected text.")
    if isinstance(vocabulary, Mapping):
        labels = list(vocabulary.values())
        if not all(type(label) is int for label in labels) or sorted(labels) != list(range(len(labels))):
            raise ValueError(f"{name} does not give its {len(labels)} answers the labels from 0 on, each once.")
        answers.sort(key=vocabulary.__getitem__)
    return tuple(answers)


# What a caller may pass for a vocabulary; see `AnswerVocabulary.given`.
GivenVocabulary = str | os.PathLike | Sequence[str] | Mapping | AnswerVocabulary


__all__ = ["AnswerVocabulary"]
