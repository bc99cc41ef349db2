# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Loading a BERT tokenizer from whatever it is kept in."""

from pathlib import Path

from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerBase

_DESCRIPTIONS = ("tokenizer.json", "tokenizer_config.json", "config.json")  # any of which tells the class


def load_tokenizer(name_or_path: str | Path, **options) -> PreTrainedTokenizerBase:
    """
    Load a tokenizer as `AutoTokenizer` does, and from a folder with BERT's `vocab.txt` alone, which it does not.

    Args:
        name_or_path (`str` or `Path`): Folder or repository of the Hub.
        **options: Those of `from_pretrained`, such as `model_max_length`.

    Returns:
        `PreTrainedTokenizerBase`

    Raises:
        ValueError: If `vocab.txt` lacks the special tokens of BERT.
        Exception: What `AutoTokenizer` raises.
    """
    folder = Path(name_or_path)
    vocabulary = folder / "vocab.txt"
    if not vocabulary.is_file() or any((folder / name).is_file() for name in _DESCRIPTIONS):
        return AutoTokenizer.from_pretrained(name_or_path, **options)
    tokens = set(vocabulary.read_text(encoding="utf-8").splitlines())
    if missing := [token for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if token not in tokens]:
        raise ValueError(f"{vocabulary} lacks {', '.join(missing)}, so it is no vocabulary of BERT.")
    return BertTokenizer.from_pretrained(name_or_path, **options)
