# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What all tests share: no network, few threads, tiny models."""

import gc
import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

import pytest
import torch
from transformers.utils import logging

from modeling_allinone import AllInOneConfig

TINY = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 16,
    "image_size": 32,
    "patch_size": 8,
    "num_frames": 4,
    "initializer_range": 0.2,
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread_per_worker():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _as_in_a_new_process():
    """The seed, and progress bars, which a script that ran before may have put off."""
    torch.manual_seed(0)
    logging.enable_progress_bar()


@pytest.fixture(scope="session")
def tiny_config():
    """Make a tiny configuration; keywords change its fields."""

    def make(**fields) -> AllInOneConfig:
        return AllInOneConfig(**{**TINY, **fields})

    return make


@pytest.fixture(scope="session")
def tiny_inputs():
    """Make a batch for the tiny configuration, the last text padded."""

    def make(batch_size: int = 2, num_frames: int = 4, num_tokens: int = 7, size: int = 32) -> dict:
        generator = torch.Generator().manual_seed(batch_size + 10 * num_frames)
        attention_mask = torch.ones(batch_size, num_tokens, dtype=torch.long)
        attention_mask[-1, num_tokens // 2 :] = 0
        return {
            "input_ids": torch.randint(1, 99, (batch_size, num_tokens), generator=generator) * attention_mask,
            "attention_mask": attention_mask,
            "pixel_values": torch.randn(batch_size, num_frames, 3, size, size, generator=generator),
        }

    return make


@pytest.fixture(scope="module")
def modules_are_not_collected():
    """Every training ends with a collection of garbage, which goes over all that is imported again and again."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def hub():
    """A stand-in of the Hub, which knows all that it is asked for."""
    from hub_server import HubServer

    with HubServer() as hub:
        yield hub
    assert not hub.not_known


@pytest.fixture(scope="session")
def _cache_of_datasets(tmp_path_factory):
    return tmp_path_factory.mktemp("cache of datasets")


@pytest.fixture
def own_cache(_cache_of_datasets, monkeypatch):
    """Let `datasets` keep files elsewhere than in the cache of whoever runs the tests."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", _cache_of_datasets)
    return _cache_of_datasets
