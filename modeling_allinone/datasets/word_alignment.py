# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Words of an automatic transcript and their counterparts in a cleaned one, aligned by dynamic time warping.

After MERLOT (Zellers et al., NeurIPS 2021), whose cleaned transcripts have punctuation and other words here and there,
but no times.
"""

import string
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

# Words may move by so many places, or by this share of the transcript if that is more.
NARROWEST_BAND = 32
BAND_SHARE = 0.1
# Of words further apart, so that the alignment goes there only where it must.
FAR_APART = 9999
WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def align_words(words: Sequence[str], clean_words: Sequence[str]) -> list[str]:
    """Replace words by their counterparts in a cleaned transcript.

    Both are aligned so that the sum of edit distances, without case and punctuation, is the least. A clean word that
    meets several words goes to the first of them; the others are left with none.

    Args:
        words (`Sequence[str]`): Words in the order in which they are spoken.
        clean_words (`Sequence[str]`): Those of the cleaned transcript; what runs on far past the end is cut off.

    Returns:
        `list[str]`: For each word its counterpart: one clean word, several with spaces between them, or none, `""`.
        The words themselves, if there are no clean ones.

    Example:
        >>> align_words(["hey", "guys", "lets", "bake"], ["Hey", "guys,", "let's", "bake!"])
        ['Hey', 'guys,', "let's", 'bake!']
        >>> align_words(["pan", "cakes", "now"], ["Pancakes,", "now!"])
        ['Pancakes,', '', 'now!']
    """
    if not words or not clean_words:
        return list(words)
    band = int(max(len(words) * BAND_SHARE, NARROWEST_BAND))
    if len(clean_words) > len(words):
        clean_words = clean_words[: len(words) + band]
    distances = _banded_distances(_simplify(words), _simplify(clean_words), band)
    counterparts: list[list[str]] = [[] for _ in words]
    last_clean = -1
    for word, clean in _cheapest_path(distances):
        if clean > last_clean:
            counterparts[word].append(clean_words[clean])
        last_clean = clean
    return [" ".join(counterpart) for counterpart in counterparts]


def _simplify(words: Sequence[str]) -> list[str]:
    """Words without case and punctuation."""
    return [word.translate(WITHOUT_PUNCTUATION).strip().lower() for word in words]


def _banded_distances(words: list[str], clean_words: list[str], band: int) -> np.ndarray:
    """Edit distances `(words, clean_words)`, int32, of words that are at most `band` places apart."""
    different = sorted(set(clean_words))
    place_of = {word: place for place, word in enumerate(different)}
    places = np.array([place_of[word] for word in clean_words])
    distances_to = cache(_edit_distances_to(different))
    distances = np.full((len(words), len(clean_words)), FAR_APART, dtype=np.int32)
    for number, word in enumerate(words):
        near = slice(max(number - band, 0), number + band)
        distances[number, near] = distances_to(word)[places[near]]
    return distances


def _edit_distances_to(others: Sequence[str]) -> Callable[[str], np.ndarray]:
    """A function from a word to its Levenshtein distances from some others."""
    longest = max(map(len, others))
    codes = np.full((len(others), longest), -1, dtype=np.int64)
    for place, other in enumerate(others):
        codes[place, : len(other)] = [ord(letter) for letter in other]
    rows, lengths = np.arange(len(others)), [len(other) for other in others]
    columns = np.arange(longest + 1)

    def distances_to(word: str) -> np.ndarray:
        # Row by row of the usual table, for all others at once: (others, letters) distances of their first letters.
        table = np.broadcast_to(columns, (len(others), longest + 1))
        for letter in word:
            changed = np.minimum(table[:, 1:] + 1, table[:, :-1] + (codes != ord(letter)))
            changed = np.concatenate([table[:, :1] + 1, changed], axis=1)
            # The third way, one letter more than the column before, for all columns at once.
            table = np.minimum.accumulate(changed - columns, axis=1) + columns
        return table[rows, lengths]

    return distances_to


def _cheapest_path(distances: np.ndarray) -> list[tuple[int, int]]:
    """Pairs from the first to the last that go on by one in either or both, whose sum of distances is the least.

    Of ways that cost the same it takes, from the end, the one in both, then the one in the first.
    """
    # Sums are whole numbers, so that adding and taking away a running sum is exact.
    costs = np.empty_like(distances)
    costs[0] = np.cumsum(distances[0])
    for row in range(1, len(distances)):
        from_above = costs[row - 1].copy()
        from_above[1:] = np.minimum(from_above[1:], costs[row - 1, :-1])
        along = np.cumsum(distances[row])
        costs[row] = np.minimum.accumulate(from_above + distances[row] - along) + along
    row, column = len(distances) - 1, distances.shape[1] - 1
    path = [(row, column)]
    while row or column:
        ways = [(row - 1, column - 1), (row - 1, column), (row, column - 1)]
        row, column = min((way for way in ways if min(way) >= 0), key=lambda way: costs[way])
        path.append((row, column))
    return path[::-1]
