# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Alignment of transcripts, against edit distance and time warping written as plain loops."""

import random
import string

import pytest

from modeling_allinone.datasets.word_alignment import align_words


def edit_distance(first, second):
    table = [[max(i, j) if 0 in (i, j) else None for j in range(len(second) + 1)] for i in range(len(first) + 1)]
    for i in range(1, len(first) + 1):
        for j in range(1, len(second) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (first[i - 1] != second[j - 1])
            )
    return table[-1][-1]


def simplify(word):
    return "".join(letter for letter in word if letter not in string.punctuation).strip().lower()


def align_by_loops(words, clean_words):
    radius = int(max(len(words) * 0.1, 32))
    if len(clean_words) > len(words):
        clean_words = clean_words[: len(words) + radius]
    distance = [[9999.0] * len(clean_words) for _ in words]
    for i, word in enumerate(words):
        for j in range(max(i - radius, 0), min(i + radius, len(clean_words))):
            distance[i][j] = edit_distance(simplify(word), simplify(clean_words[j]))
    infinity = float("inf")
    sums = [[infinity] * (len(clean_words) + 1) for _ in range(len(words) + 1)]
    sums[0][0] = 0.0
    for i in range(len(words)):
        for j in range(len(clean_words)):
            sums[i + 1][j + 1] = distance[i][j] + min(sums[i][j + 1], sums[i + 1][j], sums[i][j])
    i, j = len(words) - 1, len(clean_words) - 1
    path = [(i, j)]
    while (i, j) != (0, 0):
        if i == 0:
            j -= 1
        elif j == 0:
            i -= 1
        else:
            ways = [sums[i][j], sums[i][j + 1], sums[i + 1][j]]
            way = ways.index(min(ways))
            i, j = [(i - 1, j - 1), (i - 1, j), (i, j - 1)][way]
        path.append((i, j))
    counterparts, seen = [[] for _ in words], -1
    for i, j in reversed(path):
        if j > seen:
            counterparts[i].append(clean_words[j])
        seen = j
    return [" ".join(counterpart) for counterpart in counterparts]


def noisy(rng, clean_words):
    """Words as a machine would hear them."""
    words = []
    for word in clean_words:
        if rng.random() < 0.1:
            continue
        heard = [letter for letter in simplify(word) if rng.random() > 0.1]
        words.append("".join(heard) or "uh")
        if rng.random() < 0.1:
            words.append("um")
    return words or ["um"]


@pytest.mark.parametrize("seed", range(30))
def test_words_are_aligned_as_by_loops(seed):
    rng = random.Random(seed)
    vocabulary = [
        "so",
        "So,",
        "stir",
        "the",
        "the",
        "eggs.",
        "pan",
        "don't",
        "onion",
        "",
        "-",
        "very",
        "olive-oil",
        "é",
    ]
    clean_words = rng.choices(vocabulary, k=rng.randint(1, 60))
    words = noisy(rng, clean_words)
    assert align_words(words, clean_words) == align_by_loops(words, clean_words)


def test_band_and_cut_are_those_of_the_loops():
    rng = random.Random(0)
    clean_words = rng.choices("abcdefgh", k=180)
    for words in (clean_words[70:], clean_words[:100], clean_words[40:] + clean_words[:40], ["a"], ["z"] * 5):
        assert align_words(words, clean_words) == align_by_loops(words, clean_words)
        assert align_words(clean_words, words) == align_by_loops(clean_words, words)


def test_clean_word_goes_to_the_first_that_it_meets():
    words = ["much", "of", "a", "pancake", "waffle", "person", "so", "i", "love", "a"]
    clean_words = ["much", "of", "a", "pancakewaffle", "person,", "so", "I", "love", "a", "good"]
    aligned = align_words(words, clean_words)
    assert aligned == align_by_loops(words, clean_words)
    assert aligned[:4] == ["much", "of", "a", "pancakewaffle"]
    assert " ".join(" ".join(aligned).split()) == " ".join(clean_words)


def test_nothing_to_align():
    assert align_words([], ["a"]) == []
    assert align_words(["a", "b"], []) == ["a", "b"]
    assert align_words(["a", "b"], [""]) == align_by_loops(["a", "b"], [""])
    assert align_words(["!", "?"], ["...", ","]) == ["...", ","]
