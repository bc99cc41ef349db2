# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Models whose weights are rounded to 8 or 4 bits while they are loaded, by transformers' own options."""

from functools import partial
from pathlib import Path

import pytest
import torch
from head_batches import make_batch
from transformers import AutoModel, BitsAndBytesConfig, QuantoConfig, TorchAoConfig
from transformers.quantizers.base import HfQuantizer

import modeling_allinone
from modeling_allinone import AllInOneForVideoTextRetrieval, AllInOneProcessor, VideoEncoder, VideoIndex, VideoLoader
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes
from modeling_allinone.evaluation.embedding import embed_texts, project_clips
from modeling_allinone.training.divergence import check_weights

CHECKPOINT = Path(__file__).parents[2] / "examples/checkpoints/moving-shapes"
HEADS = {
    "AllInOneForMaskedLM": "joint",
    "AllInOneForMultipleChoice": "texts",
    "AllInOneForPairedVisualReasoning": "two clips",
    "AllInOneForPreTraining": "joint",
    "AllInOneForSequenceClassification": "joint",
    "AllInOneForVideoClassification": "prompt",
    "AllInOneForVideoQuestionAnswering": "joint",
    "AllInOneForVideoTextRetrieval": "joint",
    "AllInOneForVisualCommonsenseReasoning": "answers",
}


def torchao(name: str, **options) -> TorchAoConfig:
    import torchao.quantization

    return TorchAoConfig(getattr(torchao.quantization, name)(**options))


def torchao_int4() -> TorchAoConfig:
    from torchao.quantization import PerGroup

    return torchao("IntxWeightOnlyConfig", weight_dtype=torch.int4, granularity=PerGroup(32))


NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
# What it is, its package, its configuration, and the share of captions that must find the clip that they found.
SCHEMES = {
    "torchao, int8 weights": ("torchao", partial(torchao, "Int8WeightOnlyConfig"), 0.99),
    "torchao, int8 weights and activations": (
        "torchao",
        partial(torchao, "Int8DynamicActivationInt8WeightConfig"),
        0.98,
    ),
    "torchao, int4 weights": ("torchao", torchao_int4, 0.9),
    "quanto, int8 weights": ("optimum-quanto", partial(QuantoConfig, weights="int8"), 0.98),
    "quanto, int4 weights": ("optimum-quanto", partial(QuantoConfig, weights="int4"), 0.9),
    "bitsandbytes, 8 bits": ("bitsandbytes", partial(BitsAndBytesConfig, load_in_8bit=True), 0.98),
    "bitsandbytes, 4 bits": ("bitsandbytes", partial(BitsAndBytesConfig, **NF4), 0.9),
}
each_scheme = pytest.mark.parametrize(
    "make_config, least",
    [
        pytest.param(make_config, least, id=what, marks=pytest.mark.door(what, package))
        for what, (package, make_config, least) in SCHEMES.items()
    ],
)


@pytest.fixture(scope="module")
def clips_and_captions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    write_moving_shapes(folder, 110, "test", seed=1)
    rows = load_moving_shapes(folder, "test", "retrieval", distinct_captions=True).to_list()[:100]
    clips, _ = VideoLoader(AllInOneProcessor.from_pretrained(CHECKPOINT))(rows)
    return clips, [row["caption"] for row in rows]


@torch.no_grad()
def find_clips(model: AllInOneForVideoTextRetrieval, clips: dict, captions: list[str]) -> torch.Tensor:
    """The number of the clip that each caption finds."""
    texts = embed_texts(model, AllInOneProcessor.from_pretrained(CHECKPOINT), captions)
    return (texts @ project_clips(model, clips).T).argmax(dim=1)


@each_scheme
def test_captions_find_the_clips_that_they_found(make_config, least, clips_and_captions, record_property):
    expected = find_clips(AllInOneForVideoTextRetrieval.from_pretrained(CHECKPOINT).eval(), *clips_and_captions)
    model = AllInOneForVideoTextRetrieval.from_pretrained(CHECKPOINT, quantization_config=make_config()).eval()
    found = find_clips(model, *clips_and_captions)
    num_same = int((found == expected).sum())
    record_property("agreement", f"{num_same} of {len(expected)} captions find the same clip")
    assert num_same >= least * len(expected)


@each_scheme
def test_every_head_is_as_it_was_when_it_is_opened_again(make_config, least, tiny_config, tiny_inputs, tmp_path):
    inputs = tiny_inputs()
    clips = inputs.pop("pixel_values")
    for name, kind in HEADS.items():
        model_class, folder = getattr(modeling_allinone, name), tmp_path / name
        config = tiny_config(hidden_size=64, intermediate_size=128, num_labels=num_labels(name))
        model_class(config).save_pretrained(folder / "plain")
        for dtype in (torch.float32, torch.float16):
            model = model_class.from_pretrained(folder / "plain", quantization_config=make_config(), dtype=dtype)
            batch = make_batch(kind, inputs, clips.to(dtype))
            if isinstance(model.config.quantization_config, QuantoConfig):
                assert numbers(model, batch).isfinite().all()
                with pytest.raises(ValueError, match="quanto and is not serializable"):
                    model.save_pretrained(folder / "rounded")
                continue
            model.save_pretrained(folder / "rounded")
            again = model_class.from_pretrained(folder / "rounded")
            torch.testing.assert_close(numbers(again, batch), expected := numbers(model, batch))
            # bitsandbytes has packed 4-bit weights in another way by now, and rounds scales when it unpacks them.
            model.save_pretrained(folder / "rounded")
            again = model_class.from_pretrained(folder / "rounded")
            tolerance = 0.05 * expected.abs().max() if model.quantization_method == "bitsandbytes" else 1e-6
            assert (numbers(again, batch) - expected).abs().max() <= tolerance


def num_labels(name: str) -> int:
    """How many a head has: one, the score of a pair, or three."""
    return 1 if name == "AllInOneForSequenceClassification" else 3


@torch.no_grad()
def numbers(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """All that a model returns, one after another."""
    outputs = model.eval()(**batch).values()
    return torch.cat([output.flatten().float() for output in outputs if output.is_floating_point()])


@each_scheme
def test_an_index_and_training_take_a_rounded_model(make_config, least, tmp_path):
    model = AllInOneForVideoTextRetrieval.from_pretrained(CHECKPOINT, quantization_config=make_config())
    processor = AllInOneProcessor.from_pretrained(CHECKPOINT)
    VideoIndex.create(tmp_path / "index", VideoEncoder(model, processor))
    VideoIndex.open(tmp_path / "index", VideoEncoder(model, processor))
    check_weights(model, "which is finite, as training with adapters makes sure")
    with pytest.raises(ValueError, match="another checkpoint"):
        VideoIndex.open(tmp_path / "index", VideoEncoder.from_pretrained(CHECKPOINT))


@pytest.mark.parametrize("name", HEADS)
def test_heads_are_left_as_they_are(name, tiny_config):
    config = tiny_config(num_labels=num_labels(name))
    assert not getattr(modeling_allinone, name)(config)._keep_in_fp32_modules
    config.quantization_config = QuantoConfig("int8")  # as from_pretrained does
    model = getattr(modeling_allinone, name)(config)
    kept = HfQuantizer.get_modules_to_not_convert(model, None, model._keep_in_fp32_modules)
    heads = {child for child, _ in model.named_children()} - {"allinone"}
    assert heads and heads <= set(kept)
    assert not any("allinone" in module for module in kept if "word_embeddings" not in module)
    assert not model._get_dtype_plan(torch.float16)  # heads are of one type with the rest


def test_a_model_without_a_head_is_rounded_as_a_whole(tiny_config):
    config = tiny_config()
    config.quantization_config = QuantoConfig("int8")
    assert not AutoModel.from_config(config)._keep_in_fp32_modules
