# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Tokenizers for models that are trained from nothing."""

from collections.abc import Iterable, Iterator

from datasets import Dataset, IterableDataset
from tokenizers.trainers import WordPieceTrainer
from transformers import BertTokenizer

TEXT_COLUMNS = ("question", "options", "answer", "caption", "rationales")


def train_tokenizer(texts: Iterable[str] | Dataset, vocab_size: int = 400) -> BertTokenizer:
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
    texts = list(_texts_of_rows(texts) if isinstance(texts, Dataset | IterableDataset) else texts)
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
    special_tokens = [*untrained.convert_ids_to_tokens(list(range(len(untrained)))), *inner_letters]
    trainer = WordPieceTrainer(vocab_size=vocab_size, special_tokens=special_tokens, show_progress=False)
    backend.train_from_iterator(texts, trainer)
    return BertTokenizer(vocab=backend.get_vocab())


def _texts_of_rows(rows: Dataset | IterableDataset) -> Iterator[str]:
    """All texts in the columns of a table, one by one."""
    for row in rows.select_columns([name for name in TEXT_COLUMNS if name in (rows.column_names or ())]):
        for value in row.values():
            yield from value if isinstance(value, list) else [value or ""]


__all__ = ["train_tokenizer"]
