# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Models whose parts lie on several devices, or on the disk, compute what they do on one."""

import pytest
import torch
from head_batches import HEADS, make_batch

MAPS = ("auto", "blocks on the disk", "backbone on the disk")


def make_map(name: str, model: torch.nn.Module) -> str | dict[str, str]:
    """Where each part is to lie."""
    heads = [head for head, _ in model.named_children() if head != "allinone"]
    if name == "auto":
        return name
    if name == "backbone on the disk":
        return {"allinone": "disk", **dict.fromkeys(heads, "cpu")}
    parts = [f"allinone.{part}" for part, _ in model.base_model.named_children() if part != "layers"]
    places = {**dict.fromkeys(parts, "cpu"), "allinone.layers.0": "cpu", "allinone.layers.1": "disk"}
    return places | dict.fromkeys(heads, "disk")


@pytest.mark.door("device_map with parts offloaded to the disk, every head", "accelerate")
@pytest.mark.parametrize("head", [head for head, (_, kind, _) in HEADS.items() if kind != "embeds"])
def test_parts_on_several_devices_compute_the_same(head, tiny_config, tiny_inputs, tmp_path):
    model_class, kind, labels = HEADS[head]
    config = tiny_config(projection_dim=6, clip_order_hidden_size=8, patch_order="raster")
    model_class(config).save_pretrained(tmp_path)
    inputs = tiny_inputs()
    batch = make_batch(kind, {name: inputs[name] for name in ("input_ids", "attention_mask")}, inputs["pixel_values"])
    if head in ("no_target", "hard_clips"):
        del batch["attention_mask"]  # the model makes its own, where the text is
    model = model_class.from_pretrained(tmp_path)
    torch.manual_seed(1)  # of hard negatives
    expected = model(**batch, **labels)
    for name in MAPS:
        places = make_map(name, model)
        spread = model_class.from_pretrained(tmp_path, device_map=places, offload_folder=tmp_path / "offloaded")
        on_disk = [key for key, value in spread.named_parameters() if value.is_meta]
        assert bool(on_disk) == (name != "auto")
        torch.manual_seed(1)
        outputs = spread(**batch, **labels)
        for key, value in expected.items():
            if torch.is_tensor(value):
                # Sums of weights that lie elsewhere in memory may end on another last bit.
                torch.testing.assert_close(outputs[key], value, rtol=1e-5, atol=1e-6)
