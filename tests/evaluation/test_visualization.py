# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Word-patch alignment: the transport beside a slow one, where it is drawn, the figure."""

import io
import math

import numpy as np
import pytest
import torch
from clean_processes import run_without
from PIL import Image
from transformers import BertTokenizer

from modeling_allinone import (
    AllInOneForMultipleChoice,
    AllInOneForPreTraining,
    AllInOneModel,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.evaluation.visualization import WordAlignment, align_words, draw_alignment

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "dog", "run", "##ning", "café", ",", "##s", "."]
CLOSE = {"atol": 1e-6, "rtol": 1e-4}


@pytest.fixture
def build(tiny_config):
    """Make a tiny model; keywords change its configuration."""

    def make(cls=AllInOneModel, **fields):
        return cls(tiny_config(**fields)).eval()

    return make


@pytest.fixture
def processor() -> AllInOneProcessor:
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)}, model_max_length=16)
    return AllInOneProcessor(AllInOneVideoProcessor(num_frames=4, size=32, crop_size=32), tokenizer)


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def transport_slowly(cost: np.ndarray) -> np.ndarray:
    """Algorithm 1 of Xie et al. 2018 for a cost (words, patches), step by step."""
    num_words, num_patches = cost.shape
    kernel, plan, word_scale = np.exp(-cost / 0.5), np.ones_like(cost), np.full(num_words, 1 / num_words)
    for _ in range(50):
        weights = kernel * plan
        patch_scale = 1 / num_patches / (weights.T @ word_scale)
        word_scale = 1 / num_words / (weights @ patch_scale)
        plan = word_scale[:, None] * weights * patch_scale
    return plan


def align_slowly(model, inputs) -> np.ndarray:
    """Mass of each token between [CLS] and [SEP] at each patch (tokens, T, P), frame by frame and place by place."""
    config, base = model.config, model.base_model
    with torch.no_grad():
        outputs = base(**inputs, output_hidden_states=True)
        states = base.layernorm(outputs.hidden_states[-1]).double().numpy()
    num_tokens, num_special = inputs["input_ids"].shape[1], config.num_special_visual_tokens
    num_frames, num_visual = len(states), states.shape[1] - num_tokens
    num_patches = inputs["pixel_values"].shape[-1] * inputs["pixel_values"].shape[-2] // config.patch_size**2
    rolled = num_visual // config.roll_divisor if config.temporal_mixing == "token_roll" and num_frames > 1 else 0
    mass = np.zeros((num_tokens - 2, num_frames, num_patches))
    for frame in range(num_frames):
        words = states[frame, 1 : num_tokens - 1]
        patches = states[frame, num_tokens + num_special :]
        words, patches = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (words, patches))
        plan = transport_slowly(1 - words @ patches.T)
        for place in range(len(patches)):
            token, source = place + num_special, frame
            for _ in range(config.num_hidden_layers):
                if 1 <= token <= rolled:
                    source = (source - 1) % num_frames
                elif token >= num_visual - rolled:
                    source = (source + 1) % num_frames
            patch = outputs.patch_permutation[0, source, place]
            mass[:, source, patch] += plan[:, place] / num_frames
    return mass


class TestAlignment:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"patch_order": "raster"},
            {"temporal_mixing": "none"},
            {"temporal_mixing": "channel_shift", "patch_order": "raster"},
            {"use_distillation_token": True},
            {"num_hidden_layers": 3, "roll_divisor": 3},
            {"max_image_length": 9},
        ],
    )
    @pytest.mark.parametrize("num_frames", [1, 3, 4])
    def test_equals_a_slow_one(self, build, processor, frames, fields, num_frames):
        model = build(**fields)
        text = "a red dog . café"
        alignment = align_words(model, processor, text, frames, num_frames=num_frames)
        expected = align_slowly(model, processor(text=text, videos=frames, num_frames=num_frames))
        assert alignment.words == text.split() and alignment.heat_maps.shape == (5, num_frames, 4, 4)
        np.testing.assert_allclose(alignment.heat_maps.flatten(2).numpy(), expected, **CLOSE)

    @pytest.mark.parametrize("num_frames", [1, 4])
    def test_all_mass_arrives(self, build, processor, frames, num_frames):
        alignment = align_words(build(), processor, "a running café", frames, num_frames=num_frames)
        torch.testing.assert_close(alignment.heat_maps.sum(dim=(1, 2, 3)), torch.tensor([0.25, 0.5, 0.25]))
        # Every patch takes the same; the iterations come close to it.
        torch.testing.assert_close(
            alignment.heat_maps.sum(0), torch.full((num_frames, 4, 4), 1 / 16 / num_frames), atol=1e-3, rtol=0
        )

    def test_the_order_of_patches_is_undone(self, build, processor, frames):
        """Without rolling, nothing depends on the order in which patches go through the blocks."""
        expected = None
        for fields in ({"patch_order": "raster"}, {"patch_order_seed": 1}, {"patch_order_seed": 2}):
            torch.manual_seed(0)
            model = build(temporal_mixing="none", **fields)
            found = align_words(model, processor, "a red dog", frames).heat_maps
            expected = found if expected is None else expected
            torch.testing.assert_close(found, expected, **CLOSE)

    @pytest.mark.parametrize("shape", [(32, 32), (16, 48), (40, 24)])
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"patch_order": "raster"},
            {"temporal_mixing": "none"},
            {"use_distillation_token": True},
            {"num_hidden_layers": 5, "roll_divisor": 3},
        ],
    )
    def test_a_word_is_found_where_it_is_shown(self, build, processor, fields, shape):
        """Blocks that add nothing, a patch of the colour of a word: its place in its frame stands out."""
        model = build(**fields)
        with torch.no_grad():
            for layer in model.layers:
                for part in (layer.attention.out_proj, layer.mlp.fc2):
                    part.weight.zero_()
                    part.bias.zero_()
            visual, text = model.embeddings.visual_embeddings, model.embeddings.text_embeddings
            for table in (
                visual.position_embeddings,
                visual.temporal_embeddings,
                text.position_embeddings.weight,
                text.token_type_embeddings.weight,
                model.embeddings.modality_type_embeddings.weight,
            ):
                if table is not None:
                    table.zero_()
            visual.patch_embeddings.weight.zero_()
            for channel in range(3):  # red, green and blue, each in a direction of its own
                visual.patch_embeddings.weight[channel, channel] = 1
            text.word_embeddings.weight.zero_()
            text.word_embeddings.weight[WORDS.index("red"), 0] = 1
            text.word_embeddings.weight[[WORDS.index("a"), WORDS.index("dog")], 1] = 1
        options = {"size": dict(zip(("height", "width"), shape, strict=True)), "do_center_crop": False}
        rows, columns = shape[0] // 8, shape[1] // 8
        frames = np.zeros((4, *shape, 3), dtype=np.uint8)
        frames[..., 1] = 200
        for frame, row, column in ((0, 0, 0), (1, 0, columns - 1), (2, rows - 1, 1), (3, rows // 2, columns // 2)):
            shown = frames.copy()
            shown[frame, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = (255, 0, 0)
            heat_maps = align_words(model, processor, "a red dog", shown, **options).heat_maps
            assert heat_maps.shape == (3, 4, rows, columns)
            multiples = heat_maps / heat_maps.mean(dim=(1, 2, 3), keepdim=True)
            assert np.unravel_index(int(multiples[1].argmax()), multiples[1].shape) == (frame, row, column)
            assert multiples[1, frame, row, column] > 2 and multiples[0, frame, row, column] < 0.1

    def test_it_is_the_transport_of_the_loss(self, build, processor, frames):
        """Of an image, whose tokens are not averaged over frames, the distance is cost times mass."""
        model = build(AllInOneForPreTraining, projection_dim=None, patch_order="raster")
        inputs = processor(text="a red dog", videos=frames, num_frames=1)
        heat_maps = align_words(model, processor, "a red dog", frames, num_frames=1).heat_maps
        with torch.no_grad():
            states = model.allinone(**inputs).last_hidden_state[0]
            loss = model(**inputs, matching_labels=torch.tensor([1])).alignment_loss
        cosine = torch.nn.functional.cosine_similarity(states[1:4, None], states[None, 6:], dim=-1)
        torch.testing.assert_close(((1 - cosine) * heat_maps.flatten(1)).sum(), loss)

    @pytest.mark.parametrize("cls", [AllInOneForPreTraining, AllInOneForMultipleChoice])
    def test_any_head_will_do(self, build, processor, frames, cls):
        model = build(cls)
        found = align_words(model, processor, "a red dog", frames).heat_maps
        assert torch.equal(found, align_words(model.base_model, processor, "a red dog", frames).heat_maps)

    def test_the_model_is_left_as_it_was(self, build, processor, frames):
        model = build(hidden_dropout_prob=0.5).train()
        before, state = torch.get_rng_state(), {name: value.clone() for name, value in model.state_dict().items()}
        first = align_words(model, processor, "a dog", frames).heat_maps
        assert torch.equal(align_words(model, processor, "a dog", frames).heat_maps, first)
        assert model.training and all(module.training for module in model.modules())
        assert torch.equal(torch.get_rng_state(), before) and not first.requires_grad
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())

    def test_half_precision(self, build, processor, frames):
        model = build()
        expected = align_words(model, processor, "a red dog", frames).heat_maps
        found = align_words(model.to(torch.bfloat16), processor, "a red dog", frames).heat_maps
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.sum(dim=(1, 2, 3)), expected.sum(dim=(1, 2, 3)))
        assert (found - expected).abs().sum() < 0.2


class TestWords:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("A Dog", ["A", "Dog"]),
            ("running, dogs.", ["running", ",", "dogs", "."]),
            ("Café  zebra 🦓", ["Café", "zebra", "🦓"]),
            ("a [MASK] dog", ["a", "[MASK]", "dog"]),
            ("a " * 40, ["a"] * 14),
        ],
    )
    def test_words_are_those_of_the_text(self, build, processor, frames, text, words):
        alignment = align_words(build(), processor, text, frames)
        assert alignment.words == words and len(alignment.heat_maps) == len(words)
        assert alignment.heat_maps.sum() == pytest.approx(1)

    def test_pieces_are_added_up(self, build, processor, frames):
        model = build()
        whole = align_words(model, processor, "a running dog", frames).heat_maps
        pieces = align_slowly(model, processor(text="a running dog", videos=frames))
        expected = np.stack([pieces[0], pieces[1] + pieces[2], pieces[3]])
        np.testing.assert_allclose(whole.flatten(2).numpy(), expected, **CLOSE)

    def test_padding_changes_nothing(self, build, processor, frames):
        model = build()
        expected = align_words(model, processor, "a dog", frames).heat_maps
        found = align_words(model, processor, "a dog", frames, padding="max_length").heat_maps
        torch.testing.assert_close(found, expected, **CLOSE)


class TestFrames:
    def test_they_are_those_the_model_was_shown(self, build, processor):
        clip = np.random.default_rng(0).integers(0, 256, (20, 50, 60, 3), dtype=np.uint8)
        options = {"frame_sampling": "random", "do_random_crop": True, "size": 40, "seed": 3}
        found = align_words(build(), processor, "a dog", clip, **options).frames
        shown = processor.video_processor(clip, do_rescale=False, do_normalize=False, **options).pixel_values[0]
        assert found.dtype == torch.uint8 and torch.equal(found, shown.permute(0, 2, 3, 1).byte())

    @pytest.mark.parametrize(
        "options", [{"do_normalize": False}, {"image_mean": 0.5, "image_std": 0.5}, {"rescale_factor": 1 / 127.5}]
    )
    def test_whatever_the_scale(self, build, processor, frames, options):
        assert torch.equal(
            align_words(build(), processor, "a dog", frames, **options).frames, torch.from_numpy(frames)
        )

    def test_images_and_files(self, build, processor, frames, tmp_path):
        Image.fromarray(frames[0]).save(tmp_path / "image.png")
        for image in (Image.fromarray(frames[0]), frames[0], tmp_path / "image.png"):
            alignment = align_words(build(), processor, "a dog", image)
            assert alignment.heat_maps.shape == (2, 1, 4, 4) and torch.equal(
                alignment.frames, torch.from_numpy(frames[:1])
            )


class TestWrongInput:
    def test_alignment(self, build, processor, frames):
        model = build()
        for arguments, error, message in (
            (
                (torch.nn.Linear(2, 2), processor, "a", frames),
                TypeError,
                "model is a Linear; expected a model",
            ),
            ((model, processor, ["a", "b"], frames), TypeError, r"text is \['a', 'b'\]; expected one text"),
            ((model, processor, "", frames), ValueError, "text is '', in which there is no word; give at least one"),
            ((model, processor, " \n", frames), ValueError, r"text is ' \\n', in which there is no word"),
            ((model, processor, "a", [frames, frames]), ValueError, "video makes 2 clips; expected one"),
            ((model, processor, "a", "nowhere.mp4"), FileNotFoundError, r"nowhere\.mp4 does not exist"),
        ):
            with pytest.raises(error, match=message):
                align_words(*arguments)
        with pytest.raises(ValueError, match="video makes 2 clips; expected one, and num_views=1"):
            align_words(model, processor, "a", frames, num_views=2)
        with pytest.raises(ValueError, match="pixel_values has 5 frames but the temporal embedding covers 4"):
            align_words(model, processor, "a", frames, num_frames=5)

    def test_drawing(self):
        alignment = even_alignment(["a", "dog"])
        for words, message in (
            (["cat", "a"], r"words is \['cat', 'a'\]; expected some of \['a', 'dog'\]"),
            ([], "is"),
        ):
            with pytest.raises(ValueError, match=message):
                draw_alignment(alignment, words)


def even_alignment(words: list[str], num_frames: int = 2, height: int = 32, width: int = 32) -> WordAlignment:
    shape = len(words), num_frames, height // 8, width // 8
    frames = torch.full((num_frames, height, width, 3), 128, dtype=torch.uint8)
    return WordAlignment(words, torch.full(shape, 1 / math.prod(shape)), frames)


def pixels_of(figure) -> np.ndarray:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return np.array(Image.open(picture).convert("RGB")).astype(int)


def strips_of(figure) -> list:
    return [axes for axes in figure.axes if axes.images]


def is_orange(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 0] > 200) & (pixels[..., 1] > 120) & (pixels[..., 2] < 110)


class TestFigure:
    @pytest.mark.parametrize(
        ("num_words", "num_frames", "size"),
        [(1, 1, (32, 32)), (12, 1, (32, 32)), (2, 3, (32, 64)), (1, 8, (64, 32)), (12, 8, (32, 32))],
    )
    def test_every_word_has_every_frame(self, num_words, num_frames, size):
        alignment = even_alignment([f"word{index}" for index in range(num_words)], num_frames, *size)
        figure = draw_alignment(alignment)
        pixels = pixels_of(figure)
        assert pixels.std() > 20 and max(pixels.shape) < 4000
        strips = strips_of(figure)
        assert [strip.get_title(loc="left") for strip in strips] == ["", *alignment.words]
        for strip, num_layers in zip(strips, [1] + [2] * num_words, strict=True):
            assert len(strip.images) == num_layers * num_frames
            for image in strip.images:
                box = image.get_window_extent()
                assert box.height / box.width == pytest.approx(size[0] / size[1], rel=0.02)
                inside = figure.bbox.padded(0.5)
                assert inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1)
        boxes = [strip.get_window_extent() for strip in strips]
        assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])

    def test_the_patch_that_takes_most_is_the_brightest(self):
        alignment = even_alignment(["a", "dog"], num_frames=3, height=32, width=48)
        alignment.heat_maps[1] *= 0.1
        alignment.heat_maps[1, 2, 1, 4] = 1
        figure = draw_alignment(alignment)
        orange = is_orange(pixels_of(figure))
        frame = strips_of(figure)[2].images[-1].get_window_extent()
        rows, columns = np.nonzero(orange[:, : int(frame.x1) + 1])
        patch_height, patch_width = frame.height / 4, frame.width / 6
        top = orange.shape[0] - frame.y1  # pixels are counted from the top, the figure from the bottom
        assert rows.min() == pytest.approx(top + patch_height, abs=2)
        assert rows.max() == pytest.approx(top + 2 * patch_height, abs=2)
        assert columns.min() == pytest.approx(frame.x0 + 4 * patch_width, abs=2)
        assert columns.max() == pytest.approx(frame.x0 + 5 * patch_width, abs=2)

    def test_an_even_spread_and_patches_that_were_dropped_stay_grey(self):
        alignment = even_alignment(["dog"], num_frames=1)
        alignment.heat_maps[0, 0, 0] = 0
        tile = pixels_of(draw_alignment(alignment))[:, :150]
        assert not is_orange(tile).any()

    def test_some_words_alone(self):
        alignment = even_alignment(["a", "dog", "and", "a", "cat"])
        figure = draw_alignment(alignment, words=["cat", "a"])
        assert [strip.get_title(loc="left") for strip in strips_of(figure)] == ["", "a", "a", "cat"]

    def test_signs_are_drawn_as_they_are(self):
        pixels_of(draw_alignment(even_alignment(["$5", "and", "$\\frac$", "_", "50%"])))

    def test_a_real_one(self, build, processor, frames, tmp_path):
        figure = draw_alignment(align_words(build(), processor, "a red dog", frames))
        figure.savefig(tmp_path / "alignment.pdf")
        assert (tmp_path / "alignment.pdf").read_bytes().startswith(b"%PDF")


def test_matplotlib_is_asked_for_only_where_something_is_drawn():
    program = """
import pytest
import torch
from modeling_allinone.evaluation.visualization import WordAlignment, draw_alignment
alignment = WordAlignment(["a"], torch.ones(1, 1, 2, 2) / 4, torch.zeros(1, 16, 16, 3, dtype=torch.uint8))
with pytest.raises(ImportError, match="^draw_alignment needs matplotlib; install it with `pip install matplotlib`.$"):
    draw_alignment(alignment)
"""
    run_without(("matplotlib",), program)
