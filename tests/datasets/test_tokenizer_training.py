# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Tokenizers that are trained on texts."""

import pytest
from transformers import AutoTokenizer

from modeling_allinone.datasets import load_moving_shapes, train_tokenizer, write_moving_shapes


def test_tokenizer_of_rows(tmp_path):
    write_moving_shapes(tmp_path, 20)
    rows = load_moving_shapes(tmp_path, task="multiple-choice-question-answering")
    tokenizer = train_tokenizer(rows)
    assert tokenizer.get_vocab() == train_tokenizer(rows).get_vocab()
    assert [tokenizer.pad_token_id, tokenizer.pad_token, tokenizer.mask_token] == [0, "[PAD]", "[MASK]"]
    tokenizer.save_pretrained(tmp_path)
    reloaded = AutoTokenizer.from_pretrained(tmp_path)
    for row in rows:
        ids = tokenizer(row["question"], row["caption"])["input_ids"]
        assert reloaded(row["question"].upper(), row["caption"])["input_ids"] == ids
        assert tokenizer.unk_token_id not in ids
        num_words = len(row["question"].split()) + 1 + len(row["caption"].split())  # the question mark is a token
        assert len(ids) == num_words + 3


def test_texts_but_no_single_text():
    assert "ring" in train_tokenizer(["a red ring", "a blue ring"]).get_vocab()
    with pytest.raises(ValueError, match="put it in a list"):
        train_tokenizer("a red ring")
