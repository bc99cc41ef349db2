# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a similarity is worth: how many unrelated sentences are as similar to the best window of a collection."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..evaluation.video_encoder import VideoEncoder

# At most so many of the unrelated sentences are as similar to something as what is called a match.
LEAST_CHANCE = 0.01
_NUM_SENTENCES, _SEED, _SENTENCES_AT_ONCE = 400, 0, 64
# What a sentence of everyday life is made of; which is unrelated to most collections, and to all of one kind.
_WHO = (
    *("a man", "a woman", "two children", "an old man", "a young girl", "a dog", "a cat", "a group of people"),
    *("a chef", "a teacher", "a football player", "a singer", "a horse", "a bird", "a doctor", "somebody"),
)
_DOES = (
    *("cuts onions", "plays the guitar", "runs away", "opens a door", "talks to the camera", "jumps over a fence"),
    *("reads a book", "drives a car", "dances", "swims", "paints a wall", "drinks a cup of coffee", "climbs a tree"),
    *("rides a bicycle", "types on a computer", "falls asleep", "laughs", "washes the dishes", "throws a ball"),
)
_WHERE = (
    *("in a kitchen", "on the beach", "in the snow", "at night", "on a stage", "in an office", "in a park"),
    *("on the street", "in front of a house", "in the rain", "on a mountain", "in a classroom", "at a party", ""),
)


@dataclass
class Calibration:
    """
    How similar the most similar window of a collection is to sentences that have nothing to do with it.

    Among 400 clips of moving shapes, 98 % of the sentences that are true of one are matches so, none of those of
    everyday life, and 40 % of those that are true of none of them but of another clip, such as the right shape in
    another colour: what is nearly right is not always distinguished from what is right (benchmarks/calibration.py).

    Args:
        similarities (`torch.FloatTensor` of shape `(sentences,)`): For each sentence, the highest cosine of its vector
            and that of any window, ascending.

    Example:

    ```python
    >>> calibration = Calibration(torch.tensor([0.1, 0.2, 0.3, 0.4]))
    >>> calibration.chance(0.35), calibration.chance(0.9), calibration.is_match(0.9)
    (0.4, 0.2, False)

    ```
    """

    similarities: torch.Tensor

    @classmethod
    def fit(cls, encoder: VideoEncoder, vectors: torch.Tensor) -> "Calibration":
        """
        Compare a collection with unrelated sentences: half of them of everyday life, half of them words of the
        model's own vocabulary in any order, which also models of few words know.

        Args:
            encoder ([`VideoEncoder`]): Makes the vectors of sentences.
            vectors (`torch.FloatTensor` of shape `(windows, D)`): Of the collection, of unit length.

        Returns:
            [`Calibration`], by which nothing matches in a collection of nothing.
        """
        queries = encoder.encode_text(write_sentences(encoder), show_progress=False)
        if not len(vectors):
            return cls(torch.ones(len(queries)))
        highest = [(some @ vectors.T).amax(dim=1) for some in queries.split(_SENTENCES_AT_ONCE)]
        return cls(torch.cat(highest).sort().values)

    def chance(self, similarity: float) -> float:
        """
        How likely a sentence is to be as similar to something of the collection that has nothing to do with it.

        Args:
            similarity (`float`): Cosine of a sentence and a window.

        Returns:
            `float`: The share of the unrelated sentences that are as similar to their best window, the sentence itself
            counted as one of them, so that it is never 0 (Phipson and Smyth 2010, arXiv 1603.05766).
        """
        num_as_similar = int((self.similarities >= similarity).sum())
        return (num_as_similar + 1) / (len(self.similarities) + 1)

    def is_match(self, similarity: float) -> bool:
        """
        Whether a sentence is more similar than chance.

        Args:
            similarity (`float`): As in `chance`.

        Returns:
            `bool`: Whether that is 0.01 or less.
        """
        return self.chance(similarity) <= LEAST_CHANCE

    def to_dict(self) -> dict[str, Any]:
        """What can be written as JSON."""
        return {"similarities": [round(value, 5) for value in self.similarities.tolist()]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Calibration":
        """
        What was written.

        Args:
            content (mapping): From `to_dict`.

        Returns:
            [`Calibration`]
        """
        return cls(torch.tensor(content["similarities"]))


def write_sentences(encoder: VideoEncoder, number: int = _NUM_SENTENCES) -> list[str]:
    """
    Sentences to which no collection owes anything, the same for the same vocabulary.

    Args:
        encoder ([`VideoEncoder`]): Whose tokenizer knows the words.
        number (`int`, defaults to 400): How many.

    Returns:
        `list` of `str`
    """
    generator = random.Random(_SEED)
    vocabulary = encoder.processor.tokenizer.get_vocab()
    words = sorted(word for word in vocabulary if word.isalpha() and len(word) > 1) or sorted(vocabulary)
    sentences = [
        " ".join(filter(None, map(generator.choice, (_WHO, _DOES, _WHERE)))) for _ in range(number - number // 2)
    ]
    return sentences + [" ".join(generator.choices(words, k=generator.randint(4, 9))) for _ in range(number // 2)]
