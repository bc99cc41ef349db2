# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The model: shapes, invariances, attention implementations, bad input."""

import accelerate
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForMultipleChoice
from transformers import AutoModelForVisualQuestionAnswering as AutoModelForVQA
from transformers.utils import logging

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForMaskedLM,
    AllInOneForMultipleChoice,
    AllInOneForPairedVisualReasoning,
    AllInOneForPreTraining,
    AllInOneForVideoClassification,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    AllInOneForVisualCommonsenseReasoning,
    AllInOneModel,
)

MODEL_CLASSES = (
    AllInOneModel,
    AllInOneForMaskedLM,
    AllInOneForMultipleChoice,
    AllInOneForPairedVisualReasoning,
    AllInOneForPreTraining,
    AllInOneForVideoClassification,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    AllInOneForVisualCommonsenseReasoning,
)
MIXINGS = ("token_roll", "channel_shift", "none")
NUM_PATCHES = 16
CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def build(config, cls=AllInOneModel, **kwargs):
    """A model in evaluation whose temporal embedding is not zero, so that frames differ."""
    model = cls._from_config(config, **kwargs) if kwargs else cls(config)
    temporal_embeddings = model.base_model.embeddings.visual_embeddings.temporal_embeddings
    if temporal_embeddings is not None:
        torch.nn.init.normal_(temporal_embeddings, std=0.2)
    return model.eval()


# ------------------------------------------------------------------------------------------------ temporal mixing


def test_only_joint_passes_of_several_frames_mix(tiny_config, tiny_inputs):
    inputs = tiny_inputs()
    models = [build(tiny_config(temporal_mixing=mixing)) for mixing in MIXINGS]
    for model in models[1:]:
        model.load_state_dict(models[0].state_dict())

    def run(**inputs):
        return [model(**inputs).last_hidden_state for model in models]

    for mixed in run(**inputs)[1:]:
        assert not torch.allclose(run(**inputs)[0], mixed, atol=1e-3)
    text = {key: inputs[key] for key in ("input_ids", "attention_mask")}
    video = {"pixel_values": inputs["pixel_values"]}
    for unmixed in (text, video, {**text, "pixel_values": inputs["pixel_values"][:, :1]}):
        rolled, shifted, plain = run(**unmixed)
        assert torch.equal(rolled, plain) and torch.equal(shifted, plain)


# ---------------------------------------------------------------------------------------------------------- shapes


@pytest.mark.parametrize("distilled", (False, True))
def test_shapes_of_all_passes(tiny_config, tiny_inputs, distilled):
    model = build(tiny_config(use_distillation_token=distilled), attn_implementation="eager")
    inputs = tiny_inputs(batch_size=3)
    text = {key: inputs[key] for key in ("input_ids", "attention_mask")}
    num_visual = NUM_PATCHES + 1 + distilled
    for given, num_frames, num_tokens in (
        (inputs, 4, 7 + num_visual),
        (text, 1, 7),
        ({"pixel_values": inputs["pixel_values"]}, 4, num_visual),
        ({**text, "pixel_values": inputs["pixel_values"][:, 0]}, 1, 7 + num_visual),
    ):
        outputs = model(**given, output_hidden_states=True, output_attentions=True)
        assert outputs.last_hidden_state.shape == (3, num_tokens, 32)
        assert outputs.pooler_output.shape == (3, 32)
        assert [h.shape for h in outputs.hidden_states] == [(3 * num_frames, num_tokens, 32)] * 3
        assert [a.shape for a in outputs.attentions] == [(3 * num_frames, 2, num_tokens, num_tokens)] * 2
        averaged = model.layernorm(outputs.hidden_states[-1]).view(3, num_frames, num_tokens, 32).mean(1)
        torch.testing.assert_close(averaged, outputs.last_hidden_state)


def test_asking_for_attentions_that_are_not_kept_says_what_to_do(tiny_config, tiny_inputs, caplog):
    logging.warning_once.cache_clear()
    model = build(tiny_config(), attn_implementation="sdpa")
    assert not model(**tiny_inputs(), output_attentions=True).attentions
    assert "'sdpa' attention keeps no weights, so there are none; load the model with" in caplog.text
    assert "model.set_attn_implementation('eager')" in caplog.text
    model.set_attn_implementation("eager")
    assert len(model(**tiny_inputs(), output_attentions=True).attentions) == 2


def test_image_has_no_temporal_embedding(tiny_config, tiny_inputs):
    model = build(tiny_config())
    inputs = tiny_inputs(num_frames=1)
    before = model(**inputs).last_hidden_state
    model.embeddings.visual_embeddings.temporal_embeddings.add_(1.0)
    assert torch.equal(model(**inputs).last_hidden_state, before)
    image = {**inputs, "pixel_values": inputs["pixel_values"][:, 0]}
    assert torch.equal(model(**image).last_hidden_state, before)


def count_multiply_adds(model, **inputs) -> int:
    with FlopCounterMode(display=False) as counter:
        model(**inputs)
    return counter.get_total_flops() // 2


def test_cost_is_linear_in_frames_and_of_text_alone_constant():
    costs = {}
    with torch.device("meta"):
        video = torch.empty(1, 12, 3, 224, 224)
        text = torch.ones(1, 14, dtype=torch.long)
        for num_frames in (1, 3, 12):
            model = AllInOneModel(AllInOneConfig(num_frames=num_frames)).eval()
            costs[num_frames] = count_multiply_adds(model, input_ids=text, pixel_values=video[:, :num_frames])
            costs[f"text {num_frames}"] = count_multiply_adds(model, input_ids=text)
    assert costs["text 1"] == costs["text 3"] == costs["text 12"] < costs[1] / 10
    for num_frames in (3, 12):
        assert costs[num_frames] / costs[1] == pytest.approx(num_frames, rel=0.001)
    assert costs[3] == pytest.approx(58e9, rel=0.05)  # figure 1 of the paper


# ------------------------------------------------------------------------------------------------------ invariances


@pytest.mark.parametrize("mixing", MIXINGS)
@pytest.mark.parametrize("patch_order", ("raster", "random"))
@pytest.mark.parametrize("max_image_length", (None, 6))
def test_rows_do_not_depend_on_their_batch(tiny_config, tiny_inputs, mixing, patch_order, max_image_length):
    config = tiny_config(temporal_mixing=mixing, patch_order=patch_order, max_image_length=max_image_length)
    model = build(config)
    inputs = tiny_inputs(batch_size=3)
    whole = model(**inputs).last_hidden_state
    assert torch.equal(model(**inputs).last_hidden_state, whole)
    swapped = model(**{key: value.flip(0) for key, value in inputs.items()}).last_hidden_state
    torch.testing.assert_close(swapped.flip(0), whole, atol=1e-5, rtol=0)
    for row in range(3):
        alone = model(**{key: value[row : row + 1] for key, value in inputs.items()}).last_hidden_state
        torch.testing.assert_close(alone[0], whole[row], atol=1e-5, rtol=0)


def test_more_text_padding_changes_nothing(tiny_config, tiny_inputs):
    model = build(tiny_config())
    inputs = tiny_inputs()
    padded = {
        **inputs,
        "input_ids": torch.nn.functional.pad(inputs["input_ids"], (0, 5), value=42),
        "attention_mask": torch.nn.functional.pad(inputs["attention_mask"], (0, 5)),
    }
    expected, actual = model(**inputs), model(**padded)
    torch.testing.assert_close(actual.pooler_output, expected.pooler_output)
    torch.testing.assert_close(actual.last_hidden_state[:, 12:], expected.last_hidden_state[:, 7:])


@pytest.mark.parametrize("mixing", MIXINGS)
@pytest.mark.parametrize("patch_order", ("raster", "random"))
def test_padded_pixels_change_nothing(tiny_config, tiny_inputs, mixing, patch_order):
    """Clips of other sizes, padded to a common one, give what each gives alone."""
    model = build(tiny_config(temporal_mixing=mixing, patch_order=patch_order))
    inputs = tiny_inputs()
    pixel_values = torch.full((2, 4, 3, 48, 40), 7.0)
    pixel_mask = torch.zeros(2, 48, 40)
    alone = []
    for row, (height, width) in enumerate(((24, 40), (48, 32))):
        clip = torch.randn(1, 4, 3, height, width)
        pixel_values[row, :, :, :height, :width] = clip
        pixel_mask[row, :height, :width] = 1
        text = {key: inputs[key][row : row + 1] for key in ("input_ids", "attention_mask")}
        alone.append(model(**text, pixel_values=clip))
    batch = {**inputs, "pixel_values": pixel_values, "pixel_mask": pixel_mask}
    outputs = model(**batch)
    for row, num_tokens in ((0, 7 + 1 + 15), (1, 7 + 1 + 24)):
        torch.testing.assert_close(outputs.pooler_output[row], alone[row].pooler_output[0], **CLOSE)
        torch.testing.assert_close(
            outputs.last_hidden_state[row, :num_tokens], alone[row].last_hidden_state[0], **CLOSE
        )
    frame_mask = pixel_mask[:, None].expand(-1, 4, -1, -1)
    assert torch.equal(model(**{**batch, "pixel_mask": frame_mask}).pooler_output, outputs.pooler_output)


@pytest.mark.parametrize("max_image_length", (None, 9))
def test_padding_draws_no_other_patches(tiny_config, tiny_inputs, max_image_length):
    """Which patches roll, and which are kept, is drawn for a clip in a padded batch as for the clip alone."""
    model = build(tiny_config(patch_order="random", max_image_length=max_image_length))
    clip = torch.randn(1, 4, 3, 24, 32)
    alone = model(pixel_values=clip).patch_permutation
    pixel_values = torch.nn.functional.pad(clip, (0, 24, 0, 8))
    pixel_mask = torch.nn.functional.pad(torch.ones(1, 24, 32), (0, 24, 0, 8))
    padded = model(pixel_values=pixel_values, pixel_mask=pixel_mask).patch_permutation
    kept = padded[..., : alone.shape[-1]]
    assert torch.equal(kept // 7 * 4 + kept % 7, alone)


def test_positions_and_masks_against_plain_loops(tiny_config):
    """Each image has the table bilinearly on its own grid, corner on corner; nothing attends to padding."""
    model = build(tiny_config(), attn_implementation="eager")
    grids = ((4, 4), (3, 6), (7, 2), (1, 5), (1, 1))
    pixel_mask = torch.zeros(len(grids), 56, 48)
    for row, (height, width) in enumerate(grids):
        pixel_mask[row, : height * 8, : width * 8] = 1
    embeddings = model.embeddings.visual_embeddings
    table = embeddings.position_embeddings[0, 1:].unflatten(0, (4, 4))
    embeddings.patch_embeddings.weight.zero_()
    embeddings.patch_embeddings.bias.zero_()
    pixel_values = torch.randn(len(grids), 1, 3, 56, 48)
    embedded, num_visual_tokens, permutation = embeddings(pixel_values, pixel_mask)
    text = torch.ones(len(grids), 3, dtype=torch.long)
    attentions = model(text, pixel_values=pixel_values, pixel_mask=pixel_mask, output_attentions=True).attentions
    for row, (height, width) in enumerate(grids):
        assert num_visual_tokens[row] == 1 + height * width
        for place in range(height * width):
            down, across = divmod(int(permutation[row, 0, place]), 6)
            assert down < height and across < width
            y, x = down * 3 / max(height - 1, 1), across * 3 / max(width - 1, 1)
            expected = torch.zeros(32)
            for corner_y in {int(y), min(int(y) + 1, 3)}:
                for corner_x in {int(x), min(int(x) + 1, 3)}:
                    expected += (1 - abs(y - corner_y)) * (1 - abs(x - corner_x)) * table[corner_y, corner_x]
            torch.testing.assert_close(embedded[row, 0, 1 + place], expected, **CLOSE)
        for layer in attentions:
            assert layer[row, ..., : 3 + 1 + height * width].gt(0).all()
            assert layer[row, ..., 3 + 1 + height * width :].eq(0).all()


def test_full_pixel_mask_is_no_mask(tiny_config, tiny_inputs):
    for patch_order in ("raster", "random"):
        model = build(tiny_config(patch_order=patch_order))
        inputs = tiny_inputs()
        masked = model(**inputs, pixel_mask=torch.ones(2, 32, 32))
        torch.testing.assert_close(masked.last_hidden_state, model(**inputs).last_hidden_state)


def test_inputs_embeds_stand_for_their_ids(tiny_config, tiny_inputs):
    model = build(tiny_config())
    inputs = tiny_inputs()
    expected = model(**inputs).last_hidden_state
    inputs_embeds = model.get_input_embeddings()(inputs.pop("input_ids"))
    assert torch.equal(model(**inputs, inputs_embeds=inputs_embeds).last_hidden_state, expected)


# ------------------------------------------------------------------------------------------------------ patch order


def test_patch_order(tiny_config, tiny_inputs):
    inputs = tiny_inputs(batch_size=3)
    raster = build(tiny_config(patch_order="raster"))
    assert torch.equal(raster(**inputs).patch_permutation, torch.arange(NUM_PATCHES).expand(3, 4, -1))

    model = build(tiny_config(patch_order="random"))
    fixed = model(**inputs).patch_permutation
    assert torch.equal(fixed.sort(-1).values, torch.arange(NUM_PATCHES).expand(3, 4, -1))
    assert torch.equal(fixed[0], fixed[1]) and not torch.equal(fixed[0, 0], fixed[0, 1])
    assert torch.equal(model(**tiny_inputs(batch_size=1)).patch_permutation[0], fixed[0])
    other = build(tiny_config(patch_order="random", patch_order_seed=1))
    assert not torch.equal(other(**inputs).patch_permutation, fixed)

    model.train()
    drawn = model(**inputs).patch_permutation
    assert not torch.equal(drawn[0], drawn[1]) and not torch.equal(model(**inputs).patch_permutation, drawn)
    assert torch.equal(drawn.sort(-1).values, torch.arange(NUM_PATCHES).expand(3, 4, -1))


def test_fixed_permutations_are_uniform(tiny_config):
    """Every patch comes first about equally often over many frames."""
    order = build(tiny_config(patch_order="random")).embeddings.visual_embeddings.patch_order
    first = order((1, 4000, NUM_PATCHES), torch.device("cpu"))[0, :, 0].bincount(minlength=NUM_PATCHES)
    assert first.min() > 190 and first.max() < 320  # 250 expected, 15 standard deviation


def test_permutation_maps_visual_tokens_back(tiny_config, tiny_inputs):
    """Without mixing and for one frame, order does not matter but for the order of the output."""
    inputs = tiny_inputs(num_frames=1)
    permutation = torch.stack([torch.randperm(NUM_PATCHES) for _ in range(2)])[:, None]
    model = build(tiny_config(patch_order="raster"))
    expected = model(**inputs).last_hidden_state
    outputs = model(**inputs, patch_permutation=permutation)
    restored = torch.empty_like(outputs.last_hidden_state[:, 8:])
    restored.scatter_(1, outputs.patch_permutation[:, 0, :, None].expand(-1, -1, 32), outputs.last_hidden_state[:, 8:])
    torch.testing.assert_close(restored, expected[:, 8:])


def test_max_image_length_keeps_that_many_patches(tiny_config, tiny_inputs):
    inputs = tiny_inputs()
    model = build(tiny_config(max_image_length=6, patch_order="raster"))
    outputs = model(**inputs)
    kept = outputs.patch_permutation
    assert kept.shape == (2, 4, 6) and outputs.last_hidden_state.shape[1] == 7 + 1 + 6
    assert (kept.diff(dim=-1) > 0).all(), "raster order keeps the rows' order"
    whole = build(tiny_config(patch_order="raster"))
    whole.load_state_dict(model.state_dict())
    assert torch.equal(whole(**inputs, patch_permutation=kept).last_hidden_state, outputs.last_hidden_state)
    assert AllInOneConfig(max_image_length=-1).max_image_length is None


# ------------------------------------------------------------------------------------------- frames and resolutions


def test_resize_num_frames(tiny_config, tiny_inputs, tmp_path):
    model = build(tiny_config(num_labels=5), AllInOneForVideoQuestionAnswering)
    old = model.allinone.embeddings.visual_embeddings.temporal_embeddings.clone()
    five = tiny_inputs(num_frames=5)
    with pytest.raises(ValueError, match=r"5 frames but the temporal embedding covers 4; call resize_num_frames\(5\)"):
        model(**five)
    model.resize_num_frames(5)
    new = model.allinone.embeddings.visual_embeddings.temporal_embeddings
    assert torch.equal(new[:, :4], old) and not new[:, 4].any() and model.config.num_frames == 5
    model.save_pretrained(tmp_path)
    assert torch.equal(AutoModelForVQA.from_pretrained(tmp_path)(**five).logits, model(**five).logits)
    assert torch.equal(
        model.resize_num_frames(2).allinone.embeddings.visual_embeddings.temporal_embeddings, old[:, :2]
    )
    with pytest.raises(ValueError, match="num_frames is 0, but must be at least 1"):
        model.resize_num_frames(0)
    distilled = build(tiny_config(use_distillation_token=True))
    assert distilled(**five).pooler_output.shape == (2, 32), "without temporal embedding, any number of frames goes"


def test_resize_position_embeddings(tiny_config, tiny_inputs, tmp_path):
    model = build(tiny_config(num_labels=5), AllInOneForVideoQuestionAnswering)
    old, short, long = model.get_position_embeddings().weight.clone(), tiny_inputs(), tiny_inputs(num_tokens=40)
    before = model(**short).logits
    with pytest.raises(ValueError, match="40 tokens but the position table covers 16"):
        model(**long)
    assert model.resize_position_embeddings(40) is model and model.config.max_position_embeddings == 40
    new = model.get_position_embeddings().weight
    assert torch.equal(new, torch.cat([old, old[1:], old[1:10]])), "new ones repeat the old ones but that of [CLS]"
    assert torch.equal(model(**short).logits, before)
    model.save_pretrained(tmp_path)
    assert torch.equal(AutoModelForVQA.from_pretrained(tmp_path)(**long).logits, model(**long).logits)
    assert torch.equal(model.resize_position_embeddings(16).get_position_embeddings().weight, old)
    one = model.resize_position_embeddings(1).resize_position_embeddings(3).get_position_embeddings()
    assert torch.equal(one.weight, old[:1].expand(3, -1)) and one.weight.requires_grad
    with pytest.raises(ValueError, match="new_num_position_embeddings is 0, but must be at least 1"):
        model.resize_position_embeddings(0)


def test_positions_are_interpolated_corner_on_corner(tiny_config):
    embeddings = build(tiny_config(image_size=(32, 16))).embeddings.visual_embeddings
    table = embeddings.position_embeddings[0, 1:].view(4, 2, 32)
    positions = embeddings._positions((5, 4), None)[0].view(5, 4, 32)
    for row in range(5):
        for column in range(4):
            y, x = row * 3 / 4, column * 1 / 3
            top, left = min(int(y), 2), 0
            expected = (
                (1 - (y - top)) * ((1 - x) * table[top, left] + x * table[top, left + 1])
                + (y - top) * ((1 - x) * table[top + 1, left] + x * table[top + 1, left + 1])
            )  # fmt: skip
            torch.testing.assert_close(positions[row, column], expected, atol=1e-5, rtol=1e-5)


# ------------------------------------------------------------------------------------------------- implementations


@pytest.mark.parametrize(
    ("implementation", "padded"),
    (
        ("sdpa", True),
        ("sdpa", False),
        # needs a C++ compiler on the machine
        pytest.param("flex_attention", True, marks=pytest.mark.slow),
    ),
)
def test_attention_implementations_agree(tiny_config, tiny_inputs, implementation, padded):
    inputs = tiny_inputs()
    if not padded:
        del inputs["attention_mask"]
    eager = build(tiny_config(), attn_implementation="eager")
    other = build(tiny_config(), attn_implementation=implementation)
    other.load_state_dict(eager.state_dict())
    expected, actual = eager(**inputs), other(**inputs)
    torch.testing.assert_close(actual.last_hidden_state, expected.last_hidden_state, atol=1e-5, rtol=1e-4)
    assert other.config._attn_implementation == implementation


@pytest.mark.grad
@pytest.mark.parametrize("mixing", MIXINGS)
def test_gradient_checkpointing_changes_nothing(tiny_config, tiny_inputs, mixing):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = AllInOneForVideoQuestionAnswering(tiny_config(temporal_mixing=mixing)).train()
        if checkpointing:
            model.gradient_checkpointing_enable()
        torch.manual_seed(1)
        model(**tiny_inputs(), labels=torch.tensor([0, 1])).loss.backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert all(gradient is not None for gradient in gradients[0].values()), "every parameter learns"
    torch.testing.assert_close(gradients[1], gradients[0])


@pytest.mark.parametrize("dtype", (torch.bfloat16, torch.float16))
def test_half_precision(tiny_config, tiny_inputs, dtype):
    model = build(tiny_config())
    expected = model(**tiny_inputs()).pooler_output
    actual = model.to(dtype)(**tiny_inputs()).pooler_output
    assert actual.dtype == dtype
    torch.testing.assert_close(actual.float(), expected, atol=0.1, rtol=0.1)


@pytest.mark.parametrize("dtype", (torch.bfloat16, torch.float16))
def test_padded_pixels_in_half_precision_at_full_width(dtype):
    """Interpolated positions keep their precision; some kernels only fail on tables of real size."""
    config = AllInOneConfig(num_hidden_layers=1, vocab_size=99)
    embeddings = AllInOneModel(config).embeddings.visual_embeddings
    is_padding = torch.zeros(2, 14, 14, dtype=torch.bool)
    is_padding[0, 9:], is_padding[1, :, 12:] = True, True
    for padding, grid in ((is_padding, (14, 14)), (None, (20, 9))):
        expected = embeddings.float()._positions(grid, padding)
        actual = embeddings.to(dtype)._positions(grid, padding)
        assert actual.dtype == dtype
        torch.testing.assert_close(actual.float(), expected, atol=1e-3, rtol=1e-2)


def test_offloaded_weights_are_fetched(tiny_config, tiny_inputs):
    model = build(tiny_config())
    expected = model(**tiny_inputs()).pooler_output
    offloaded = accelerate.cpu_offload(model, execution_device="cpu")
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert torch.equal(offloaded(**tiny_inputs()).pooler_output, expected)


@pytest.mark.grad
def test_every_parameter_gets_a_gradient_from_single_frames(tiny_config, tiny_inputs):
    """Distributed training with activation checkpointing stops where one gets none."""
    model = AllInOneForVideoQuestionAnswering(tiny_config()).train()
    model(**tiny_inputs(num_frames=1), labels=torch.tensor([0, 1])).loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.grad
def test_compiles_without_graph_breaks(tiny_config, tiny_inputs):
    inputs = {**tiny_inputs(), "labels": torch.tensor([0, 1])}
    model = build(tiny_config(num_hidden_layers=1), AllInOneForVideoQuestionAnswering)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(**inputs).logits, model(**inputs).logits)
    compiled = torch.compile(model.train(), fullgraph=True, backend="aot_eager")
    compiled(**inputs, pixel_mask=torch.ones(2, 32, 32)).loss.backward()


@pytest.mark.parametrize(("mixing", "masked"), (("token_roll", False), ("token_roll", True), ("channel_shift", True)))
def test_exports_with_free_batch_text_and_frames(tiny_config, tiny_inputs, mixing, masked):
    model = build(tiny_config(temporal_mixing=mixing, num_hidden_layers=1), AllInOneForVideoQuestionAnswering)
    free = torch.export.Dim.AUTO

    def make_inputs(**shape):
        inputs = tiny_inputs(**shape)
        if masked:
            inputs["pixel_mask"] = torch.ones(len(inputs["pixel_values"]), 32, 32)
            inputs["pixel_mask"][0, 16:] = 0
        return inputs

    dynamic_shapes = {key: {0: free, 1: free} for key in ("input_ids", "attention_mask", "pixel_values")}
    if masked:
        dynamic_shapes["pixel_mask"] = {0: free}
    exported = torch.export.export(model, (), kwargs=make_inputs(), dynamic_shapes=dynamic_shapes)
    for shape in ({}, {"batch_size": 3, "num_frames": 2, "num_tokens": 9}):
        inputs = make_inputs(**shape)
        torch.testing.assert_close(exported.module()(**inputs).logits, model(**inputs).logits)


# ------------------------------------------------------------------------------------------------------------ heads


@pytest.mark.parametrize(
    ("auto_class", "cls"),
    (
        (AutoModel, AllInOneModel),
        (AutoModelForMaskedLM, AllInOneForMaskedLM),
        (AutoModelForVQA, AllInOneForVideoQuestionAnswering),
        (AutoModelForMultipleChoice, AllInOneForMultipleChoice),
    ),
)
@pytest.mark.parametrize("distilled", (False, True))
def test_save_and_load_through_auto_classes(tiny_config, tiny_inputs, tmp_path, auto_class, cls, distilled):
    model = build(tiny_config(use_distillation_token=distilled, num_labels=5), cls)
    model.save_pretrained(tmp_path)
    loaded, report = auto_class.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is cls and not any(report[key] for key in ("missing_keys", "unexpected_keys"))
    inputs = tiny_inputs()
    if cls is AllInOneForMultipleChoice:
        for key in ("input_ids", "attention_mask"):
            inputs[key] = inputs[key][:, None].repeat(1, 3, 1)
    for name, parameter in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], parameter), name
    torch.testing.assert_close(loaded(**inputs)[0], model(**inputs)[0])


def test_auto_model_is_retrieval_or_the_backbone(tiny_config, tmp_path):
    """Of the two classes of AutoModel, the one that the checkpoint was saved from; for other heads, the backbone."""
    expected = dict.fromkeys(MODEL_CLASSES, AllInOneModel) | {
        AllInOneForVideoTextRetrieval: AllInOneForVideoTextRetrieval
    }
    for cls, auto_cls in expected.items():
        model = cls(tiny_config(num_frames=3))
        model.save_pretrained(tmp_path / cls.__name__)
        loaded, report = AutoModel.from_pretrained(tmp_path / cls.__name__, output_loading_info=True)
        assert type(loaded) is auto_cls and not report["mismatched_keys"]
        missing = {"pooler.dense.weight", "pooler.dense.bias"} if model.base_model.pooler is None else set()
        assert report["missing_keys"] == missing
        assert torch.equal(loaded.get_input_embeddings().weight, model.get_input_embeddings().weight)
        assert type(AutoModel.from_config(loaded.config)) is auto_cls
    assert type(AutoModel.from_config(tiny_config())) is AllInOneModel
    assert type(AutoModel.from_config(tiny_config(architectures=["AllInOneForMaskedLM"]))) is AllInOneModel


def test_heads_return_tuples_if_the_configuration_says_so(tiny_config, tiny_inputs):
    for cls in (AllInOneForMaskedLM, AllInOneForVideoQuestionAnswering):
        model = build(tiny_config(), cls)
        expected = model(**tiny_inputs()).logits
        model.config.return_dict = False
        logits, _ = model(**tiny_inputs())
        assert torch.equal(logits, expected)


def test_masked_lm_head(tiny_config, tiny_inputs):
    model = build(tiny_config(), AllInOneForMaskedLM)
    inputs = tiny_inputs()
    labels = torch.full((2, 7), -100)
    assert model(**inputs, labels=labels).loss == 0
    labels[0, 2], labels[1, 1] = 5, 98
    outputs = model(**inputs, labels=labels)
    assert outputs.logits.shape == (2, 7, 99)
    log_probabilities = outputs.logits.log_softmax(-1)
    torch.testing.assert_close(outputs.loss, -(log_probabilities[0, 2, 5] + log_probabilities[1, 1, 98]) / 2)
    assert model(input_ids=inputs["input_ids"]).logits.shape == (2, 7, 99)
    decoder, words = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    assert decoder.data_ptr() != words.data_ptr() and not torch.equal(decoder, words), "not tied"
    model.resize_token_embeddings(120)
    assert model(**inputs).logits.shape == (2, 7, 120)


def test_question_answering_losses(tiny_config, tiny_inputs):
    model = build(tiny_config(num_labels=5), AllInOneForVideoQuestionAnswering)
    inputs = tiny_inputs()
    outputs = model(**inputs, labels=torch.tensor([-100, 3]))
    torch.testing.assert_close(outputs.loss, -outputs.logits[1].log_softmax(-1)[3])
    scores = torch.tensor([[0, 0.3, 0, 1, 0], [0.6, 0, 0, 0, 0]])
    probabilities = outputs.logits.sigmoid()
    expected = -(scores * probabilities.log() + (1 - scores) * (1 - probabilities).log()).mean() * 5
    torch.testing.assert_close(model(**inputs, labels=scores).loss, expected)
    assert model.classifier.dense.out_features == 16
    wide = AllInOneForVideoQuestionAnswering(tiny_config(classifier_hidden_size=64, classifier_dropout=0.0))
    assert wide.classifier.dense.out_features == 64


@pytest.mark.parametrize("choice_hidden_size", (None, 24))
def test_multiple_choice_scores_each_text_alone(tiny_config, tiny_inputs, choice_hidden_size):
    model = build(tiny_config(choice_hidden_size=choice_hidden_size), AllInOneForMultipleChoice)
    inputs = tiny_inputs()
    input_ids = torch.randint(1, 99, (2, 3, 7))
    labels = torch.tensor([2, 0])
    outputs = model(input_ids=input_ids, pixel_values=inputs["pixel_values"], labels=labels)
    assert outputs.logits.shape == (2, 3)
    torch.testing.assert_close(outputs.loss, torch.nn.functional.cross_entropy(outputs.logits, labels))
    for choice in range(3):
        alone = model(input_ids=input_ids[:, [choice]], pixel_values=inputs["pixel_values"]).logits
        torch.testing.assert_close(alone[:, 0], outputs.logits[:, choice], atol=1e-5, rtol=1e-4)


def test_xavier_initialisation(tiny_config):
    model = AllInOneModel(tiny_config(linear_initializer="xavier_uniform", initializer_range=0.02))
    weight = model.layers[0].mlp.fc1.weight
    assert weight.std().item() == pytest.approx((2 / (32 + 64)) ** 0.5, rel=0.05)
    assert model.embeddings.text_embeddings.position_embeddings.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert model.embeddings.visual_embeddings.position_embeddings.std().item() == pytest.approx(0.02, rel=0.1)


# -------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    (
        ({"input_ids": None}, None),
        ({"input_ids": None, "attention_mask": None, "pixel_values": None}, "Neither text"),
        ({"inputs_embeds": torch.zeros(2, 7, 32)}, "Both input_ids and inputs_embeds were given"),
        ({"pixel_values": torch.zeros(2, 6, 3, 32, 32)}, "6 frames but the temporal embedding covers 4"),
        ({"pixel_values": torch.zeros(2, 0, 3, 32, 32)}, "no frame to look at"),
        ({"pixel_values": torch.zeros(2, 4, 3, 32, 36)}, "32 × 36 pixels, which patches of 8 × 8 do not divide"),
        ({"pixel_values": torch.zeros(2, 4, 1, 32, 32)}, "1 channels in shape .* the model expects 3"),
        ({"pixel_values": torch.zeros(32, 32, 3)}, r"shape \(32, 32, 3\), but expected \(batch, frames, channels"),
        ({"pixel_values": torch.zeros(2, 4, 3, 32, 32, dtype=torch.uint8)}, "pass the frames through AllInOneVideo"),
        ({"pixel_values": torch.full((2, 4, 3, 32, 32), float("nan"))}, "NaN or infinity, first in clip 0"),
        ({"pixel_values": torch.zeros(3, 4, 3, 32, 32)}, "2 texts but 3 clips"),
        ({"pixel_values": torch.zeros(1, 4, 3, 32, 32)}, "2 texts but 1 clips"),
        ({"attention_mask": torch.ones(2, 6)}, r"attention_mask has shape \(2, 6\), but the text has shape \(2, 7\)"),
        (
            {"pixel_mask": torch.ones(2, 32, 32).tril()},
            "pixel_mask of clip 0 is no rectangle of ones in the upper left",
        ),
        ({"pixel_mask": torch.ones(2, 32, 32).flip(1).cumsum(1).gt(8)}, "pixel_mask of clip 0 is no rectangle"),
        ({"pixel_mask": torch.tensor([1.0, 0.0])[:, None, None].expand(2, 32, 32)}, "pixel_mask of clip 1 is no"),
        (
            {"pixel_mask": torch.ones(2, 32, 32).cumsum(2).lt(21)},
            "pixel_mask of clip 0 is no rectangle .* that patches of 8 × 8 pixels fill",
        ),
        ({"pixel_mask": torch.ones(2, 32)}, r"pixel_mask has shape \(2, 32\), but expected \(2, 32, 32\) or"),
        ({"input_ids": torch.full((2, 7), 99)}, "input_ids holds 99, but the model knows 0 to 98; take the tokenizer"),
        ({"input_ids": torch.full((2, 7), -1)}, "input_ids holds -1, but the model knows 0 to 98"),
        ({"token_type_ids": torch.full((2, 7), 2)}, "token_type_ids holds 2, but the model knows 0 to 1"),
        ({"patch_permutation": torch.zeros(2, 4, 17).long()}, r"patch_permutation has shape \(2, 4, 17\)"),
        ({"patch_permutation": torch.zeros(2, 4, 16).long()}, "holds an index twice, or one outside 0 to 15"),
        ({"patch_permutation": 1 + torch.arange(16).expand(2, 4, -1)}, "holds an index twice, or one outside"),
        ({"image_token_type_idx": 2}, "image_token_type_idx is 2, but the model has modality types 0 to 1"),
        ({"input_ids": torch.ones(7).long(), "attention_mask": None}, r"shape \(7,\), but expected \(batch, tokens\)"),
        (
            {"input_ids": torch.ones(2, 17).long(), "attention_mask": None},
            "17 tokens but the position table covers 16; truncate",
        ),
    ),
)
def test_model_names_what_is_wrong(tiny_config, tiny_inputs, change, message):
    model = build(tiny_config())
    inputs = {**tiny_inputs(), **change}
    if message is None:
        assert model(**inputs).pooler_output.shape == (2, 32)
    else:
        with pytest.raises(ValueError, match=message):
            model(**inputs)


def test_checkpoint_of_another_size_does_not_load_silently(tiny_config, tmp_path):
    build(tiny_config()).save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="mismatch"):
        AllInOneModel.from_pretrained(tmp_path, config=tiny_config(hidden_size=64))
