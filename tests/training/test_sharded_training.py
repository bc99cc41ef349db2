# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Models sharded over processes (FSDP 2), block by block, learn what whole ones do, and are saved whole."""

import head_batches
import pytest
import torch
from clean_processes import run_together
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule, fully_shard

from modeling_allinone.hub.model_card import create_model_card
from modeling_allinone.models.modeling_allinone import AllInOneLayer
from modeling_allinone.training.distributed import contrastive_loss_over_processes

LABELS = torch.tensor([1, 0, 2, 1])
WORDS = torch.full((4, 7), 3)
# Of each head, its labels.
TARGETS = {
    "masked_lm": {"labels": WORDS},
    "answers": {"labels": LABELS},
    "choices": {"labels": LABELS},
    "classes_without_text": {"labels": LABELS},
    "commonsense": {"answer_labels": LABELS, "rationale_labels": LABELS},
    "pairs": {"labels": LABELS},
    "features": {},
    "scores": {"return_loss": True},
    "own_passes": {
        "labels": WORDS,
        "masked_input_ids": WORDS + 1,
        "matching_labels": torch.tensor([1, 0, 0, 1]),
        "matching_indices": torch.tensor([0, 0, 3, 3]),
        "bool_masked_pos": torch.arange(4 * 4 * 16).view(4, 4, 16) % 4 == 0,
        "return_contrastive_loss": True,
    },
}
HEADS = {head: (*head_batches.HEADS[head][:2], labels) for head, labels in TARGETS.items()}
HEADS["tied words"] = HEADS["masked_lm"]


def train_step(head: str, config, batch: dict, is_sharded: bool):
    """A new model after a step, and the loss before it, of this process."""
    torch.manual_seed(0)
    config.tie_word_embeddings = head == "tied words"
    model = HEADS[head][0](config)
    if is_sharded:
        for module in model.modules():
            if isinstance(module, AllInOneLayer):
                fully_shard(module)
        fully_shard(model)
    outputs = model(**batch)
    loss = 0 if outputs.loss is None else outputs.loss
    if outputs.get("text_embeds") is not None:  # as the Trainers do, which contrast the rows of all processes
        is_pair = torch.ones(len(outputs.text_embeds), dtype=torch.bool)
        contrast = contrastive_loss_over_processes(
            outputs.text_embeds, outputs.video_embeds, config.contrastive_temperature, is_pair
        )
        loss = loss - (outputs.get("contrastive_loss") or 0) + contrast
    loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    return model, loss.detach()


def train_sharded(config, batches: dict[str, dict], folder) -> dict[str, torch.Tensor]:
    """One of two processes, with a half of each batch: its losses; saves every model whole."""
    torch.distributed.init_process_group("gloo")
    rank, losses = torch.distributed.get_rank(), {}
    for head, batch in batches.items():
        half = {name: value if value is True else value.chunk(2)[rank] for name, value in batch.items()}
        if "matching_indices" in half:
            half["matching_indices"] = half["matching_indices"] - 2 * rank
        model, losses[head] = train_step(head, config, half, is_sharded=True)
        assert sum(isinstance(module, FSDPModule) for module in model.modules()) == 1 + config.num_hidden_layers
        whole = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
        if rank == 0:
            model.save_pretrained(folder / head, state_dict=whole)
            card = create_model_card(config, type(model).__name__, head, "Trained on two processes.")
            assert f"FSDP{HEADS[head][0].__name__}" == type(model).__name__ and "FSDP" not in str(card)
    return losses


@pytest.mark.door("FSDP2 on two processes, every head, equal to one", "torch")
def test_two_processes_with_half_of_a_model_each_are_one(tiny_config, tiny_inputs, tmp_path):
    config = tiny_config(
        num_labels=3, projection_dim=6, patch_order="raster", hidden_dropout_prob=0.0, drop_path_rate=0.0,
        classifier_dropout=0.0, choice_dropout=0.0,
        pretraining_objectives=["masked_lm", "matching", "contrastive", "masked_patches"],
    )  # fmt: skip
    inputs = tiny_inputs(batch_size=4)
    texts = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    batches = {
        head: head_batches.make_batch(kind, texts, inputs["pixel_values"]) | labels
        for head, (_, kind, labels) in HEADS.items()
    }
    ours, theirs = run_together(train_sharded, config, batches, tmp_path)
    for head, batch in batches.items():
        model, loss = train_step(head, config, batch, is_sharded=False)
        torch.testing.assert_close((ours[head] + theirs[head]) / 2, loss, rtol=1e-5, atol=1e-6)
        loaded, report = type(model).from_pretrained(tmp_path / head, output_loading_info=True)
        assert not any(report.values()), head
        torch.testing.assert_close(loaded.state_dict(), model.state_dict(), rtol=1e-4, atol=1e-6)
