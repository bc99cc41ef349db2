# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Models that start from image backbones: equal to transformers' ViT and DeiT, in every layout; what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from image_backbones import make_bert, make_vit, to_pickles, to_timm
from safetensors.torch import load_file, save_file
from transformers import (
    BertForMaskedLM,
    BertForPreTraining,
    BertForTokenClassification,
    BertModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    DeiTForImageClassificationWithTeacher,
    DeiTModel,
    PreTrainedModel,
    ViTConfig,
    ViTForImageClassification,
    ViTForMaskedImageModeling,
    ViTModel,
)

import modeling_allinone
from modeling_allinone import (
    AllInOneConfig,
    AllInOneForMaskedLM,
    AllInOneForPairedVisualReasoning,
    AllInOneForPreTraining,
    AllInOneModel,
)
from modeling_allinone.conversion.key_map import TASK_CLASSES
from modeling_allinone.conversion.safe_checkpoint import ConversionError
from modeling_allinone.conversion.vision_checkpoint import convert_vision_checkpoint, main

WEIGHTS = "model.safetensors"


@pytest.fixture
def convert(tmp_path):
    """Save a backbone, a model or a state dictionary of timm, and start from it; returns output and report."""

    def run(backbone, text_model=None, with_processor=False, **options):
        if isinstance(backbone, PreTrainedModel):
            source = tmp_path / "backbone"
            backbone.save_pretrained(source)
        else:
            source = tmp_path / "backbone.pth"
            torch.save(backbone, source)
            options = {"num_attention_heads": 2} | options
        if text_model is not None:
            text_model.save_pretrained(tmp_path / "text")
            options["text_model"] = tmp_path / "text"
        return tmp_path / "out", convert_vision_checkpoint(
            source, tmp_path / "out", with_processor=with_processor, **options
        )

    return run


@pytest.fixture
def refuse(tmp_path, convert):
    """Convert, expect a refusal with a message in which the pattern is found, and see that nothing was written."""

    def run(pattern, *args, **options):
        with pytest.raises(ConversionError, match=pattern) as error:
            convert(*args, **options)
        assert "\n" not in str(error.value)
        assert {path.name for path in tmp_path.iterdir()} <= {"backbone", "backbone.pth", "text"}

    return run


@torch.no_grad()
def assert_same_tokens(directory: Path, backbone: PreTrainedModel, tolerance: float = 1e-5):
    """An image through the visual path of the model and through the backbone, token by token."""
    model = AllInOneModel.from_pretrained(directory).eval()
    images = torch.randn(2, backbone.config.num_channels, *model.config.image_height_width)
    expected = backbone.base_model(images).last_hidden_state
    outputs = model(pixel_values=images)
    num_special_tokens = model.config.num_special_visual_tokens
    assert outputs.last_hidden_state.shape == expected.shape
    for image in range(2):
        found = outputs.last_hidden_state[image]
        torch.testing.assert_close(
            found[:num_special_tokens], expected[image, :num_special_tokens], atol=tolerance, rtol=0
        )
        order = outputs.patch_permutation[image, 0].tolist()
        assert sorted(order) == list(range(len(order)))
        for place, patch in enumerate(order):
            torch.testing.assert_close(
                found[num_special_tokens + place], expected[image, num_special_tokens + patch], atol=tolerance, rtol=0
            )


# ------------------------------------------------------------------------------------------------------------ equality


@pytest.mark.parametrize("patch_order", ("random", "raster"))
@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (ViTModel, {}),
        (ViTModel, {"qkv_bias": False, "layer_norm_eps": 1e-2}),
        (ViTModel, {"num_attention_heads": 8, "num_hidden_layers": 3, "hidden_act": "gelu_new"}),
        (ViTModel, {"image_size": 32, "patch_size": 16}),
        (ViTModel, {"image_size": [16, 40], "patch_size": [8, 8]}),
        (ViTForImageClassification, {"image_size": 48, "patch_size": 4, "num_hidden_layers": 1}),
        (ViTForMaskedImageModeling, {"encoder_stride": 8}),
        (DeiTModel, {}),
        (DeiTModel, {"qkv_bias": False, "layer_norm_eps": 1e-12}),
        (DeiTForImageClassificationWithTeacher, {"image_size": 32, "patch_size": 16, "num_attention_heads": 4}),
    ],
)
def test_an_image_gives_the_tokens_of_the_backbone(convert, cls, fields, patch_order):
    backbone = make_vit(cls, **fields)
    directory, start = convert(backbone, patch_order=patch_order)
    config = AllInOneConfig.from_pretrained(directory)
    assert config.patch_order == patch_order
    assert config.use_distillation_token == cls.__name__.startswith("DeiT")
    assert {line.original for line in start.backbone} == set(load_file(directory.with_name("backbone") / WEIGHTS))
    assert_same_tokens(directory, backbone)


@pytest.mark.parametrize("layout", ("shards", "bin", "shards of bin", "names of version 5", "channels"))
def test_layouts_of_the_directory(tmp_path, convert, layout):
    backbone = make_vit(DeiTModel, num_channels=1) if layout == "channels" else make_vit(DeiTModel)
    directory = tmp_path / "source"
    options = {"image_mean": [0.5], "image_std": [0.25]} if layout == "channels" else {}
    if layout == "names of version 5":
        backbone.save_pretrained(directory, save_original_format=False)
        assert "layers.0.attention.q_proj.weight" in load_file(directory / WEIGHTS)
    else:
        backbone.save_pretrained(directory, max_shard_size="20KB" if "shards" in layout else "1GB")
    if "bin" in layout:
        to_pickles(directory)
    convert_vision_checkpoint(directory, tmp_path / "out", with_processor=False, **options)
    assert_same_tokens(tmp_path / "out", backbone)


@pytest.mark.parametrize("layout", ("DeiT", "bare", "old format", "module.", "safetensors", "directory"))
@pytest.mark.parametrize("cls", (ViTModel, DeiTModel))
def test_files_of_timm_give_the_same_model(tmp_path, convert, cls, layout):
    backbone = make_vit(cls)
    expected, _ = convert(backbone)
    expected = load_file(expected / WEIGHTS)

    state_dict = to_timm(backbone)
    path = tmp_path / "deit.pth"
    if layout == "safetensors":
        path = tmp_path / "vit.safetensors"
        save_file(state_dict, path, metadata={"format": "pt"})
    elif layout == "directory":
        path = tmp_path / "timm"
        path.mkdir()
        save_file(state_dict, path / WEIGHTS)
        (path / "config.json").write_text('{"architecture": "vit_tiny_patch16_224", "num_classes": 1000}')
    elif layout == "module.":
        torch.save({"model": {f"module.{name}": tensor for name, tensor in state_dict.items()}}, path)
    else:
        content = {"model": state_dict, "epoch": 299} if layout == "DeiT" else state_dict
        torch.save(content, path, _use_new_zipfile_serialization=layout != "old format")
    convert_vision_checkpoint(path, tmp_path / "from_timm", with_processor=False, num_attention_heads=2)
    found = load_file(tmp_path / "from_timm" / WEIGHTS)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    configs = [AllInOneConfig.from_pretrained(tmp_path / name).to_dict() for name in ("out", "from_timm")]
    assert configs[0] == configs[1]


@pytest.mark.parametrize(("hidden_size", "num_attention_heads"), [(192, 3), (768, 12)])
def test_attention_heads_by_width(tmp_path, hidden_size, num_attention_heads):
    fields = {"hidden_size": hidden_size, "num_attention_heads": num_attention_heads, "num_hidden_layers": 1}
    backbone = make_vit(**fields)
    save_file(to_timm(backbone), tmp_path / "vit.safetensors")
    convert_vision_checkpoint(tmp_path / "vit.safetensors", tmp_path / "out", "backbone", with_processor=False)
    assert AllInOneConfig.from_pretrained(tmp_path / "out").num_attention_heads == num_attention_heads
    assert_same_tokens(tmp_path / "out", backbone, tolerance=1e-4)


# --------------------------------------------------------------------------------------------------------------- fresh


@pytest.mark.parametrize("task", TASK_CLASSES)
def test_every_class(convert, task):
    backbone = make_vit()
    directory, start = convert(backbone, task=task)
    cls = getattr(modeling_allinone, TASK_CLASSES[task])
    model, info = cls.from_pretrained(directory, output_loading_info=True)
    assert not any(info.values()), info
    assert model.config.architectures == [cls.__name__]
    taken_over = {line.converted for line in start.backbone} - {None}
    assert taken_over | set(start.fresh) == set(model.state_dict())
    assert not taken_over & set(start.fresh)
    assert_same_tokens(directory, backbone)


def test_how_the_rest_starts(convert):
    directory, start = convert(make_vit(), num_frames=5, max_text_length=17, temporal_mixing="channel_shift")
    model = AllInOneForPreTraining.from_pretrained(directory)
    config = model.config
    assert (config.num_frames, config.max_position_embeddings, config.vocab_size) == (5, 17, 30522)
    assert config.temporal_mixing == "channel_shift"
    embeddings = model.allinone.embeddings
    assert embeddings.visual_embeddings.temporal_embeddings.shape == (1, 5, 32)
    assert not embeddings.visual_embeddings.temporal_embeddings.any()
    assert embeddings.modality_type_embeddings.weight[0].all()
    assert not embeddings.modality_type_embeddings.weight[1].any()
    for name in start.fresh:
        tensor = model.get_parameter(name)
        if name.endswith("norm.weight"):
            assert (tensor == 1).all()
        elif name.endswith("bias"):
            assert not tensor.any()
        elif tensor.numel() > 1000:
            assert 0.018 < tensor.std() < 0.022, name


def test_second_image_of_a_pair_starts_as_the_first(convert):
    directory, _ = convert(make_vit(), task="paired-reasoning")
    model = AllInOneForPairedVisualReasoning.from_pretrained(directory)
    weight = model.allinone.embeddings.modality_type_embeddings.weight
    assert weight.shape == (3, 32)
    assert weight[0].all() and not weight[1:].any()


def test_seed_decides_what_is_fresh(convert):
    backbone = make_vit()
    state = torch.get_rng_state()
    first, second, other = (load_file(convert(backbone, seed=seed, overwrite=True)[0] / WEIGHTS) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    different = {name for name in first if not torch.equal(first[name], other[name])}
    assert "mlm_head.decoder.weight" in different
    assert not any("layers." in name for name in different)


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
def test_dtype(convert, dtype):
    backbone = make_vit()
    directory, _ = convert(backbone, make_bert(), dtype=dtype)
    weights = load_file(directory / WEIGHTS)
    assert {tensor.dtype for tensor in weights.values()} == {getattr(torch, dtype)}
    assert torch.equal(
        weights["allinone.layers.1.mlp.fc1.weight"], backbone.layers[1].mlp.fc1.weight.to(getattr(torch, dtype))
    )


def test_a_started_model_trains(convert):
    directory, _ = convert(make_vit(), make_bert(), num_frames=2)
    model = AllInOneForPreTraining.from_pretrained(directory).train()
    input_ids = torch.randint(5, 61, (2, 6))
    inputs = {"input_ids": input_ids, "pixel_values": torch.randn(2, 2, 3, 24, 24)}
    model(**inputs, labels=input_ids, matching_labels=torch.tensor([0, 1])).loss.backward()
    assert model.allinone.embeddings.visual_embeddings.temporal_embeddings.grad.any()
    assert model.allinone.embeddings.modality_type_embeddings.weight.grad[1].any()


# ---------------------------------------------------------------------------------------------------------------- text


@torch.no_grad()
@pytest.mark.parametrize("cls", (BertModel, BertForMaskedLM, BertForPreTraining, BertForTokenClassification))
def test_text_is_embedded_as_in_bert(convert, cls):
    bert = make_bert(cls, layer_norm_eps=1e-3, type_vocab_size=3, pad_token_id=1)
    directory, start = convert(make_vit(), bert, max_text_length=11)
    model = AllInOneForPreTraining.from_pretrained(directory).eval()
    config = model.config
    assert (config.vocab_size, config.type_vocab_size, config.pad_token_id) == (61, 3, 1)
    assert (config.text_layer_norm_eps, config.max_position_embeddings) == (1e-3, 11)
    input_ids, token_type_ids = torch.randint(0, 61, (2, 11)), torch.randint(0, 3, (2, 11))
    expected = bert.base_model.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
    embeddings = model.allinone.embeddings
    found = embeddings.embed_text(input_ids, token_type_ids) - embeddings.modality_type_embeddings.weight[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert len(start.text) == len(load_file(directory.with_name("text") / WEIGHTS))
    assert {line.converted is None for line in start.text} == {True, False}
    assert all(line.note for line in start.text if line.converted is None)

    tokens = torch.randn(2, 11, 32)
    if cls in (BertModel, BertForTokenClassification):
        assert "mlm_head.decoder.weight" in start.fresh
    else:
        torch.testing.assert_close(model.mlm_head(tokens), bert.cls.predictions(tokens), atol=1e-5, rtol=0)


def test_report_of_the_text_model(convert):
    _, start = convert(make_vit(), make_bert(), task="masked-lm")
    lines = {line.original: line for line in start.text}
    assert lines["bert.embeddings.position_embeddings.weight"].shape == (50, 32)
    assert lines["bert.embeddings.position_embeddings.weight"].note == "the first 40 rows"
    words = lines["bert.embeddings.word_embeddings.weight"]
    assert words.converted == "allinone.embeddings.text_embeddings.word_embeddings.weight"
    assert words.note == "and mlm_head.decoder.weight, which BERT ties to it"
    assert lines["bert.encoder.layer.0.output.dense.bias"].note.startswith("a block of BERT")
    assert lines["cls.predictions.bias"].converted == "mlm_head.decoder.bias"
    assert not any(name.startswith("mlm_head") for name in start.fresh)

    _, start = convert(make_vit(), make_bert(), task="backbone", overwrite=True)
    notes = {line.note for line in start.text if line.original.startswith("cls.predictions.")}
    assert notes == {"the class has no masked-language-modelling head"}
    _, start = convert(make_vit(), make_bert(hidden_act="relu"), overwrite=True)
    notes = {line.note for line in start.text if line.original.startswith("cls.predictions.")}
    assert notes == {"a head with the activation relu, where the model has gelu"}


def test_spellings_of_older_bert_files(tmp_path, convert):
    expected, _ = convert(make_vit(), make_bert(), task="masked-lm")
    expected = load_file(expected / WEIGHTS)
    path = tmp_path / "text" / WEIGHTS
    state_dict = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for key, tensor in load_file(path).items()
    }
    state_dict["bert.embeddings.position_ids"] = torch.arange(50)[None]
    state_dict["cls.predictions.decoder.weight"] = state_dict["bert.embeddings.word_embeddings.weight"].clone()
    state_dict["cls.predictions.decoder.bias"] = state_dict["cls.predictions.bias"].clone()
    save_file(state_dict, path)
    start = convert_vision_checkpoint(
        tmp_path / "backbone", tmp_path / "old", "masked-lm", tmp_path / "text", with_processor=False
    )
    found = load_file(tmp_path / "old" / WEIGHTS)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    notes = {line.original: line.note for line in start.text}
    assert notes["bert.embeddings.position_ids"] == "a buffer, not a weight"
    assert notes["cls.predictions.decoder.bias"] == "the same as cls.predictions.bias"


def test_untied_decoder_stays_untied(convert):
    bert = make_bert(tie_word_embeddings=False)
    directory, start = convert(make_vit(), bert, task="masked-lm")
    model = AllInOneForMaskedLM.from_pretrained(directory)
    assert torch.equal(model.mlm_head.decoder.weight, bert.cls.predictions.decoder.weight)
    assert not torch.equal(model.mlm_head.decoder.weight, model.get_input_embeddings().weight)
    assert next(line for line in start.text if "word_embeddings" in line.original).note == ""


def test_text_model_that_does_not_fit(refuse):
    refuse(r"The text model .*text is 16 wide, but the image backbone 32; give", make_vit(), make_bert(hidden_size=16))
    refuse(
        "has 50 positions, but the texts are to have up to 51 tokens; pass a --max-text-length of at most 50",
        make_vit(),
        make_bert(),
        max_text_length=51,
    )
    refuse(r"text holds a model of type 'deit', but expected 'bert'", make_vit(), make_vit(DeiTModel))


@pytest.mark.parametrize(
    ("key", "tensor", "message"),
    [
        ("bert.extra.weight", torch.zeros(3), "text holds bert.extra.weight, which no known ViT or BERT has"),
        ("bert.embeddings.LayerNorm.gamma", torch.zeros(32), "holds .*LayerNorm.gamma and .*LayerNorm.weight, which"),
        ("bert.embeddings.word_embeddings.weight", torch.zeros(60, 32), r"\(60, 32\), .* ask for \(61, 32\)"),
        ("bert.embeddings.position_embeddings.weight", torch.zeros(()), r"has shape \(\), .* ask for \(40, 32\)"),
        ("bert.embeddings.position_embeddings.weight", torch.zeros(7, 32), r"has shape \(7, 32\), .* \(40, 32\)"),
        ("bert.embeddings.LayerNorm.bias", torch.arange(32), "is of type torch.int64, but expected floating-point"),
        ("bert.embeddings.LayerNorm.bias", torch.full((32,), torch.nan), "not finite in float32"),
    ],
)
def test_text_model_with_a_wrong_tensor(tmp_path, key, tensor, message):
    make_vit().save_pretrained(tmp_path / "vit")
    make_bert().save_pretrained(tmp_path / "text")
    weights = tmp_path / "text" / WEIGHTS
    state_dict = {name: kept.clone() for name, kept in load_file(weights).items()}
    save_file(state_dict | {key: tensor}, weights)
    with pytest.raises(ConversionError, match=message):
        convert_vision_checkpoint(
            tmp_path / "vit", tmp_path / "out", text_model=tmp_path / "text", with_processor=False
        )
    assert not (tmp_path / "out").exists()


# ----------------------------------------------------------------------------------------- processor and normalisation


def write_preprocessor(directory: Path, **fields):
    directory.mkdir(exist_ok=True)
    (directory / "preprocessor_config.json").write_text(json.dumps(fields))


HALF = [0.5, 0.5, 0.5]


@pytest.mark.parametrize("given", (None, [0.1, 0.2, 0.3]))
@pytest.mark.parametrize("source", ("transformers", "timm", "nothing"))
def test_normalization(tmp_path, tokenizer_of, source, given):
    path = tmp_path / "backbone"
    if source == "timm":
        path.mkdir()
        save_file(to_timm(make_vit()), path / WEIGHTS)
        config = {"architecture": "vit_base_patch16_224", "pretrained_cfg": {"mean": HALF, "std": HALF}}
        (path / "config.json").write_text(json.dumps(config))
    else:
        make_vit().save_pretrained(path)
    if source == "transformers":
        write_preprocessor(path, image_mean=HALF, image_std=HALF, size={"height": 24, "width": 24})
    convert_vision_checkpoint(
        path,
        tmp_path / "out",
        tokenizer=tokenizer_of(),
        image_mean=given,
        num_attention_heads=2,
    )
    config = AllInOneConfig.from_pretrained(tmp_path / "out")
    mean = given or ([0.485, 0.456, 0.406] if source == "nothing" else HALF)
    std = [0.229, 0.224, 0.225] if source == "nothing" else HALF
    assert (list(config.image_mean), list(config.image_std)) == (mean, std)
    processor = modeling_allinone.AllInOneProcessor.from_pretrained(tmp_path / "out")
    frames = np.full((2, 24, 24, 3), 51, dtype=np.uint8)  # a fifth of the range
    pixels = processor.video_processor(frames, num_frames=2)["pixel_values"]
    expected = (0.2 - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(pixels[0, 0, :, 3, 4], expected, atol=1e-5, rtol=0)


def test_processor_fits_the_model(convert, tokenizer_of):
    directory, _ = convert(
        make_vit(image_size=[16, 40]),
        with_processor=True,
        tokenizer=tokenizer_of(23),
        num_frames=2,
        max_text_length=9,
    )
    processor = modeling_allinone.AllInOneProcessor.from_pretrained(directory)
    inputs = processor(text="word1 word2 " * 20, videos=np.zeros((7, 40, 50, 3), dtype=np.uint8))
    assert inputs["input_ids"].shape == (1, 9)
    assert inputs["pixel_values"].shape == (1, 2, 3, 16, 40)
    model = AllInOneModel.from_pretrained(directory).eval()
    assert model.config.vocab_size == 23  # fresh embeddings get the tokenizer's vocabulary
    assert model(**inputs).last_hidden_state.shape == (1, 9 + 1 + 10, 32)


def test_tokenizer_of_the_text_model(tmp_path, convert, tokenizer_of):
    tokenizer_of(61, tmp_path / "text")
    directory, _ = convert(make_vit(), make_bert(), with_processor=True)
    processor = modeling_allinone.AllInOneProcessor.from_pretrained(directory)
    assert len(processor.tokenizer) == 61
    assert processor.tokenizer.model_max_length == 40


def test_processor_that_does_not_fit(refuse, tokenizer_of):
    refuse("has 62 tokens, but the .* 61; pass", make_vit(), make_bert(), True, tokenizer=tokenizer_of(62))
    refuse("'bert-base-uncased' cannot be loaded; pass --tokenizer PATH", make_vit(), with_processor=True)
    refuse(
        "frames of 1 channels, but the processor makes 3; pass --no-processor",
        make_vit(num_channels=1),
        with_processor=True,
        tokenizer=tokenizer_of(),
        image_mean=[0.5],
        image_std=[0.5],
    )


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reg_token": (1, 4, 32)}, r"it has register tokens \(reg_token\)"),
        ({"blocks.0.ls1.gamma": (32,)}, r"it has LayerScale, as DeiT III and BEiT \(blocks\.0\.ls1\.gamma\)"),
        ({"blocks.1.gamma_2": (32,)}, "it has LayerScale"),
        ({"blocks.0.attn.q_norm.weight": (16,)}, "it has norms of queries and keys"),
        ({"blocks.0.attn.relative_position_bias_table": (25, 2)}, "it has relative positions, as BEiT"),
        ({"rel_pos_bias.relative_position_index": (9, 9)}, "it has relative positions"),
        ({"blocks.0.attn.q_proj.weight": (32, 32)}, "it has queries, keys and values of their own"),
        ({"blocks.0.attn.q_bias": (32,)}, "it has queries, keys and values of their own"),
        ({"blocks.0.mlp.w12.weight": (96, 32)}, "it has a gated MLP"),
        ({"norm_pre.weight": (32,)}, "it has a norm before the first block, as CLIP's image encoder"),
        ({"fc_norm.weight": (32,)}, "it has a norm behind the mean of its patches"),
        ({"attn_pool.latent": (1, 1, 32)}, "it has attention pooling, as SigLIP"),
        ({"patch_embed.backbone.conv.weight": (8, 3, 7, 7)}, "it has a convolutional stem"),
        ({"visual.conv1.weight": (8, 3, 8, 8)}, "it has the names of CLIP"),
        ({"vision_model.post_layernorm.bias": (32,)}, "it has the names of CLIP"),
        ({"layers.0.blocks.0.norm1.bias": (32,)}, "it has the names of a Swin Transformer"),
        ({"text_embeddings.LayerNorm.bias": (32,)}, "names of All-in-one, of which it is a checkpoint"),
        ({"allinone.embeddings.visual_embeddings.special_tokens": (1, 1, 32)}, "it is converted already"),
        ({"cls_token": None}, "which lacks cls_token: it has no class token, but takes the mean of its patches"),
        ({"pos_embed": None}, "which lacks pos_embed: it has no table of positions"),
        ({"pos_embed": (1, 9, 32)}, "covers 8 patches beside the special tokens, but expected a square number"),
        ({"pos_embed": (1, 1, 32)}, "covers 0 patches beside the special tokens"),
        ({"pos_embed": (10, 32)}, r"pos_embed has shape \(10, 32\), but expected 3 dimensions"),
        ({"pos_embed": (1, 10, 16)}, r"pos_embed has shape \(1, 10, 16\), but the sizes .* ask for \(1, 10, 32\)"),
        ({"cls_token": (1, 2, 32)}, r"cls_token has shape \(1, 2, 32\), but .* \(1, 1, 32\)"),
        ({"patch_embed.proj.weight": (32, 192)}, r"has shape \(32, 192\), but expected 4 dimensions"),
        ({"patch_embed.proj.weight": (32, 3, 8, 4)}, "patches of 8 × 4 pixels, but expected square ones"),
        ({"patch_embed.proj.bias": None}, r"backbone\.pth lacks patch_embed\.proj\.bias,"),
        ({"norm.bias": None, "norm.weight": None}, r"lacks norm\.weight, norm\.bias,"),
        ({"blocks.1.mlp.fc2.weight": None}, r"lacks blocks\.1\.mlp\.fc2\.weight,"),
        ({"blocks.4.norm1.weight": (32,)}, "has 3 blocks, but lacks number 2"),
        ({"blocks.99999999999.norm1.weight": (32,)}, "has 3 blocks, but lacks number 2"),
        ({"blocks.01.norm1.weight": (32,)}, "has 3 blocks, but lacks number 2"),
        ({"blocks.0.attn.qkv.weight": (64, 32)}, r"\(64, 32\), but the sizes of .* ask for \(96, 32\)"),
        ({"blocks.1.attn.qkv.bias": None}, r"lacks blocks\.1\.attn\.qkv\.bias,"),
        ({"adapter.weight": (3,), "blocks.0.adapter": (3,)}, "holds adapter.weight, blocks.0.adapter, which no known"),
    ],
)
def test_other_files_of_timm(refuse, changes, message):
    state_dict = to_timm(make_vit())
    for name, shape in changes.items():
        state_dict.pop(name, None)
        if shape is not None:
            state_dict[name] = torch.zeros(shape)
    refuse(message, {"model": state_dict})


def test_width_that_says_nothing_about_heads(refuse):
    state_dict = to_timm(make_vit())
    refuse("is 32 wide, as no ViT-Ti, S, .*; pass --num-attention-heads", state_dict, num_attention_heads=None)
    refuse("hidden_size is 32, which 7 attention heads do not divide", state_dict, num_attention_heads=7)
    refuse("num_attention_heads is 0, but must be at least 1", state_dict, num_attention_heads=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 64}, "says that hidden_size is 64, but its tensors say 32"),
        ({"num_hidden_layers": 10**12}, "says that num_hidden_layers is 10+, but its tensors say 2"),
        ({"intermediate_size": 96}, "says that intermediate_size is 96, but its tensors say 48"),
        ({"num_channels": 4}, "says that num_channels is 4, but its tensors say 3"),
        ({"patch_size": [8, 4]}, r"says that patch_size is \[8, 4\], but its tensors say 8"),
        ({"qkv_bias": False}, "says that qkv_bias is False, but its tensors say True"),
        ({"image_size": 32}, "says that image_size, in patches, is 16, but its position table covers 9"),
        ({"image_size": 25}, "No model can be built: image_size is 25, not a positive multiple of patch_size=8"),
        ({"num_attention_heads": 5}, "hidden_size is 32, which 5 attention heads do not divide"),
        ({"hidden_act": "sigh"}, "says that hidden_act is 'sigh', but expected an activation of transformers"),
        ({"hidden_size": "32"}, r"config\.json of .* cannot be used: .*hidden_size.* expected int"),
        ({"layer_norm_eps": None}, r"config\.json of .* cannot be used: .*layer_norm_eps"),
        ({"model_type": "vit_mae"}, r"holds a model of type 'vit_mae', but expected 'vit' or 'deit'"),
        ({"model_type": ["vit"]}, "of type \"\\['vit'\\]\", but expected"),
    ],
)
def test_configuration_that_does_not_fit(tmp_path, fields, message):
    make_vit().save_pretrained(tmp_path / "backbone")
    path = tmp_path / "backbone" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    with pytest.raises(ConversionError, match=message) as error:
        convert_vision_checkpoint(tmp_path / "backbone", tmp_path / "out", with_processor=False)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_directories_that_are_no_backbone(tmp_path):
    def start(path, message):
        with pytest.raises(ConversionError, match=message):
            convert_vision_checkpoint(path, tmp_path / "out", with_processor=False)
        assert not (tmp_path / "out").exists()

    directory = tmp_path / "backbone"
    start(directory, r"There is no file .*backbone\.")
    directory.mkdir()
    start(directory, r"config\.json cannot be read .*No such file")
    config = directory / "config.json"
    for text, message in (
        ("{", r"config\.json cannot be read \("),
        ("", r"config\.json cannot be read \("),
        ("\udcff", r"config\.json cannot be read \("),
        ("[1]", r"config\.json holds a list, but expected a dictionary"),
        ('{"model_type": "vit"}', r"There is no model\.safetensors in"),
    ):
        config.write_bytes(text.encode(errors="surrogateescape"))
        start(directory, message)
    index = directory / "model.safetensors.index.json"
    for content in (
        {},
        {"weight_map": []},
        {"weight_map": {}},
        {"weight_map": {"a": 3}},
        {"weight_map": {"a": "../b"}},
    ):
        index.write_text(json.dumps(content))
        start(directory, r"index\.json does not name files of its directory in weight_map")
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))
    start(directory, r"There is no file .*model-00001-of-00002\.safetensors")
    index.unlink()
    (directory / WEIGHTS).write_bytes(b"no header")
    start(directory, r"model\.safetensors is damaged")
    save_file({"weight": torch.zeros(3)}, directory / WEIGHTS)
    start(directory, r"holds no ViT by the names of timm or transformers \(first keys: weight\)")

    make_vit().save_pretrained(directory)
    start(directory / WEIGHTS, "has the names of transformers, but is a file; give its directory")
    CLIPVisionModel(
        CLIPVisionConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48)
    ).save_pretrained(directory)
    start(directory, "it has the names of CLIP")
    make_bert().save_pretrained(directory)
    start(directory, "holds a model of type 'bert', but expected 'vit' or 'deit'")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_frames": 0}, "num_frames is 0, but must be at least 1"),
        ({"max_text_length": 0}, "max_position_embeddings is 0, but must be at least 1"),
        ({"temporal_mixing": "shake"}, "temporal_mixing.* expected one of .*token_roll"),
        ({"patch_order": "spiral"}, "patch_order.* expected one of .*raster"),
        ({"image_mean": [0.5]}, r"image_mean is \[0\.5\] .* expected a number for each of 3 channels"),
        ({"image_mean": [0.5, 0.5, float("nan")]}, "image_mean is .*nan"),
        ({"image_std": [0.5, 0.5, 0.0]}, "deviations above 0; pass --image-mean and --image-std"),
        ({"seed": -1}, r"The seed is -1, but must be from 0 to 2\*\*64 - 1"),
        ({"seed": 2**64}, "The seed is 18446744073709551616, but must be from 0"),
        ({"num_attention_heads": 4}, "says that num_attention_heads is 2, but the command line says 4"),
    ],
)
def test_options_that_have_no_meaning(refuse, options, message):
    refuse(message, make_vit(), **options)


# -------------------------------------------------------------------------------------------------------- command line


def test_main_reports_every_tensor(tmp_path, capsys, tokenizer_of):
    state_dict = to_timm(make_vit(DeiTModel)) | {
        "head.weight": torch.zeros(5, 32),
        "head_dist.bias": torch.zeros(5),
        "pre_logits.fc.weight": torch.zeros(32, 32),
    }
    torch.save({"model": state_dict}, tmp_path / "deit.pth")
    make_bert().save_pretrained(tmp_path / "bert")
    tokenizer_of(61, tmp_path / "bert")
    arguments = [str(tmp_path / "deit.pth"), str(tmp_path / "out"), "--text-model", str(tmp_path / "bert")]
    arguments += ["--num-attention-heads", "2", "--image-mean", "0.5", "0.5", "0.5", "--task", "masked-lm"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    counts = [index for index, line in enumerate(lines) if " tensors converted, " in line]
    assert lines[counts[0]] == f"{len(state_dict) - 3} tensors converted, 3 left out"
    assert [line.split()[0] for line in lines[: counts[0]]] == list(state_dict)
    assert "-> allinone.embeddings.visual_embeddings.special_tokens" in next(
        line for line in lines if line.startswith("dist_token")
    )
    assert "left out: image classifier" in next(line for line in lines if line.startswith("head_dist.bias"))
    keys = set(load_file(tmp_path / "bert" / WEIGHTS))
    assert {line.split()[0] for line in lines[counts[0] + 1 : counts[1]]} == keys
    assert "position_embeddings.weight (the first 40 rows)" in "\n".join(lines)
    assert lines[-2] == "fresh: allinone.embeddings.modality_type_embeddings.weight"
    assert lines[-1] == f"written: {tmp_path / 'out'}"

    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert (
        output.err == f"error: The output directory {tmp_path / 'out'} is not empty; pass --overwrite to replace it.\n"
    )
    assert main([*arguments, "--overwrite"]) == 0
    for place in ("", "bert"):
        assert main([str(tmp_path / "deit.pth"), str(tmp_path / place), "--overwrite", *arguments[2:]]) == 2
        assert "lies in the output directory" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bert", "deit.pth", "out"]


def test_script_runs_from_any_directory(tmp_path, run_in):
    make_vit().save_pretrained(tmp_path / "vit")
    options = ["--no-processor", "--task", "backbone"]
    _, messages = run_in(tmp_path, "convert_vision_checkpoint.py", "vit", "out", *options)
    assert "Writing model shards" in messages
    assert_same_tokens(tmp_path / "out", make_vit())


def test_card_and_code(tmp_path):
    torch.save({"model": to_timm(make_vit())}, tmp_path / "deit.pth")
    make_bert().save_pretrained(tmp_path / "bert")
    convert_vision_checkpoint(
        tmp_path / "deit.pth",
        tmp_path / "out",
        text_model=tmp_path / "bert",
        with_processor=False,
        num_attention_heads=2,
        with_code=True,
        name="someone/start",
        license="apache-2.0",
    )
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.license == "apache-2.0"
    assert 'AutoModelForPreTraining.from_pretrained("someone/start", trust_remote_code=True)' in card.text
    assert "start from `deit.pth`, an image backbone, the text embeddings from `bert`" in card.text
    assert (tmp_path / "out" / "modeling_pretraining_allinone.py").is_file()
    assert "auto_map" in (tmp_path / "out" / "config.json").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("source", ("timm", "transformers"))
def test_base_size_is_quick_and_small(tmp_path, measure, source):
    backbone = ViTModel(ViTConfig(), add_pooling_layer=False)
    path = tmp_path / "vit.pth"
    if source == "timm":
        torch.save({"model": to_timm(backbone)}, path)
    else:
        path = tmp_path / "vit"
        backbone.save_pretrained(path)
    del backbone
    seconds, memory = measure("convert_vision_checkpoint.py", path, tmp_path / "out", "--no-processor")
    assert seconds < 15
    assert memory < 1.5 * (tmp_path / "out" / WEIGHTS).stat().st_size
