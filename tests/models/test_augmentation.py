"""RandAugment for clips: every operation against Pillow's, the draw against its chances, the processor's option."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from modeling_allinone.models.augmentation_allinone import OPERATIONS, draw_operations, rand_augment
from modeling_allinone.models.video_processing_allinone import AllInOneVideoProcessor

GREY = (128, 128, 128)
FLAT_GREY = {"resample": Image.Resampling.BILINEAR, "fillcolor": GREY}


def transformed(image: Image.Image, *equations: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, equations, **FLAT_GREY)


WITH_PILLOW = {
    "auto_contrast": lambda image, strength: ImageOps.autocontrast(image),
    "equalize": lambda image, strength: ImageOps.equalize(image),
    "invert": lambda image, strength: ImageOps.invert(image),
    "solarize": lambda image, share: ImageOps.solarize(image, share * 255),
    "posterize": lambda image, bits: ImageOps.posterize(image, math.ceil(bits)),
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "colour": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "sharpness": lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
    "rotate": lambda image, degrees: image.rotate(degrees, **FLAT_GREY),
    "shear_x": lambda image, slope: transformed(image, 1, slope, 0, 0, 1, 0),
    "shear_y": lambda image, slope: transformed(image, 1, 0, 0, slope, 1, 0),
    "translate_x": lambda image, share: transformed(image, 1, 0, share * image.width, 0, 1, 0),
    "translate_y": lambda image, share: transformed(image, 1, 0, 0, 0, 1, share * image.height),
}
# Pillow cuts a bilinear mean down to a whole level, and here it is rounded.
BILINEAR = {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}


@pytest.fixture
def clip() -> torch.Tensor:
    """Noise, a dull picture, one flat colour and the two ends of the scale, (4, 3, 40, 50)."""
    rows, columns = np.mgrid[:40, :50]
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3))
    dull = np.stack([40 + 2 * rows, 60 + columns, 90 + rows + columns // 2], axis=-1)
    flat = np.broadcast_to([77, 0, 255], noise.shape)
    halves = np.where(columns[..., None] < 25, 0, 255).repeat(3, axis=-1)
    frames = np.stack([noise, dull, flat, halves]).astype(np.uint8)
    return torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()


def drawn(num_draws: int, **options) -> list[list[tuple[str, float]]]:
    generator = torch.Generator().manual_seed(0)
    return [draw_operations(generator=generator, **options) for _ in range(num_draws)]


class TestOperations:
    @pytest.mark.parametrize("share", [-1, -0.9, -0.3, 0, 0.45, 0.9])
    @pytest.mark.parametrize("name", OPERATIONS)
    def test_equals_pillow(self, clip, name, share):
        operation = OPERATIONS[name]
        strength = operation.least + (share if operation.goes_both_ways else abs(share)) * operation.reach
        strength = max(strength, 1) if name == "posterize" else strength
        found = operation.apply(clip, strength).permute(0, 2, 3, 1).numpy()
        images = [Image.fromarray(frame) for frame in clip.permute(0, 2, 3, 1).numpy()]
        expected = np.stack([np.array(WITH_PILLOW[name](image, strength)) for image in images])
        assert found.dtype == np.uint8
        difference = np.abs(found.astype(int) - expected)
        assert difference.max() <= (name in BILINEAR)

    @pytest.mark.parametrize("name", OPERATIONS)
    @pytest.mark.parametrize("size", [(1, 1), (2, 5), (31, 2)])
    def test_small_frames(self, name, size):
        frames = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
        operation = OPERATIONS[name]
        strength = operation.least + 0.9 * operation.reach
        found = operation.apply(frames, strength).permute(0, 2, 3, 1).numpy().astype(int)
        for frame, one in zip(frames.permute(0, 2, 3, 1).numpy(), found, strict=True):
            assert np.abs(one - np.array(WITH_PILLOW[name](Image.fromarray(frame), strength))).max() <= 1

    def test_one_bit_is_left(self, clip):
        assert OPERATIONS["posterize"].apply(clip, 0).unique().tolist() == [0, 128]

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_input_is_left_alone(self, clip, name):
        before = clip.clone()
        OPERATIONS[name].apply(clip, 0.5)
        assert torch.equal(clip, before)


class TestDraw:
    def test_half_of_the_operations_are_left_out_and_all_come_up(self):
        counts = Counter(name for operations in drawn(2800) for name, _ in operations)
        assert set(counts) == set(OPERATIONS)
        assert all(150 <= count <= 250 for count in counts.values())  # 2800 * 2 / 14 / 2 = 200

    def test_none_comes_twice(self):
        for operations in drawn(200, num_ops=14):
            assert len({name for name, _ in operations}) == len(operations)

    def test_strengths_spread_around_the_magnitude_and_keep_within_reach(self):
        shares = {name: [] for name, operation in OPERATIONS.items() if operation.reach}
        for name, strength in (one for operations in drawn(1000, num_ops=14, magnitude=5) for one in operations):
            if name in shares:
                shares[name].append((strength - OPERATIONS[name].least) / OPERATIONS[name].reach)
        for name, found in shares.items():
            assert np.mean(np.abs(found)) == pytest.approx(0.5, abs=0.01)
            assert np.std(np.abs(found)) == pytest.approx(0.05, abs=0.005)
            expected = 0.5 if OPERATIONS[name].goes_both_ways else 0
            assert np.mean(np.array(found) < 0) == pytest.approx(expected, abs=0.1)

    @pytest.mark.parametrize(("magnitude", "share"), [(0, 0), (10, 1)])
    def test_magnitudes_are_cut_at_the_ends(self, magnitude, share):
        found = [dict(operations).get("rotate") for operations in drawn(500, num_ops=14, magnitude=magnitude)]
        found = np.abs([degrees for degrees in found if degrees is not None]) / 30
        assert found.min() >= 0 and found.max() <= 1
        assert 0.4 < np.mean(found == share) < 0.6

    def test_a_generator_decides_alone(self):
        before = torch.get_rng_state()
        assert drawn(20) == drawn(20)
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(3)
        first = [draw_operations() for _ in range(20)]
        torch.manual_seed(3)
        assert [draw_operations() for _ in range(20)] == first


class TestClips:
    def test_all_frames_change_alike(self, clip):
        for seed in range(40):
            augmented = rand_augment(clip[:1].repeat(3, 1, 1, 1), generator=torch.Generator().manual_seed(seed))
            alone = rand_augment(clip[:1], generator=torch.Generator().manual_seed(seed))
            assert torch.equal(augmented, alone.expand(3, -1, -1, -1))

    def test_operations_follow_each_other(self, clip):
        operations = draw_operations(14, 9, torch.Generator().manual_seed(1))
        assert len(operations) > 4
        expected = clip
        for name, strength in operations:
            expected = OPERATIONS[name].apply(expected, strength)
        assert torch.equal(rand_augment(clip, 14, 9, torch.Generator().manual_seed(1)), expected)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    def test_floating_point_equals_whole_numbers(self, clip, dtype):
        for seed in range(10):
            expected = rand_augment(clip, 4, generator=torch.Generator().manual_seed(seed))
            given = (clip.double() / 255).to(torch.float32 if dtype == torch.bfloat16 else dtype)
            found = rand_augment(given.to(dtype), 4, generator=torch.Generator().manual_seed(seed))
            assert found.dtype == dtype and found.min() >= 0 and found.max() <= 1
            if dtype != torch.bfloat16:  # which has not 256 levels
                assert torch.equal((found.double() * 255).round(), expected.double())

    def test_no_operation_changes_nothing(self, clip):
        assert torch.equal(rand_augment(clip, num_ops=0), clip)

    def test_wrong_arguments(self, clip):
        for wrong, error, message in (
            (clip.numpy(), TypeError, r"clip is a ndarray; expected a tensor of shape \(frames, 3, height, width\)"),
            (clip[0], ValueError, r"clip has shape \(3, 40, 50\); expected \(frames, 3, height, width\)"),
            (clip.permute(0, 2, 3, 1), ValueError, r"clip has shape \(4, 40, 50, 3\); expected \(frames, 3"),
            (clip[:0], ValueError, r"clip has shape \(0, 3, 40, 50\); expected .*, each at least 1"),
            (clip.int(), TypeError, r"clip has type torch\.int32; expected torch\.uint8, or floating point"),
            (
                clip.float(),
                ValueError,
                r"clip has values from 0 to 255; expected 0 to 1\. Augment it before it is norm",
            ),
            (clip / 255 * torch.nan, ValueError, "clip has values from nan to nan; expected 0 to 1"),
        ):
            with pytest.raises(error, match=message):
                rand_augment(wrong)
        for options, message in (
            ({"num_ops": 15}, "num_ops is 15; expected 0 to 14"),
            ({"num_ops": -1}, "num_ops is -1; expected 0 to 14"),
            ({"magnitude": 10.5}, "magnitude is 10.5; expected 0 to 10"),
            ({"magnitude": math.nan}, "magnitude is nan; expected 0 to 10"),
        ):
            with pytest.raises(ValueError, match=message):
                rand_augment(clip, **options)


class TestProcessor:
    @pytest.fixture
    def processor(self):
        return AllInOneVideoProcessor(size=48, crop_size=32, do_normalize=False, do_rescale=False)

    @pytest.fixture
    def frames(self):
        return np.random.default_rng(0).integers(0, 256, (12, 50, 60, 3), dtype=np.uint8)

    def test_off_by_default(self, processor, frames):
        before = torch.get_rng_state()
        assert not processor.do_rand_augment
        assert torch.equal(processor(frames).pixel_values, processor(frames, do_rand_augment=False).pixel_values)
        assert torch.equal(torch.get_rng_state(), before)

    def test_what_is_cut_out_is_augmented(self, processor, frames):
        plain = processor(frames).pixel_values[0].to(torch.uint8)
        changed = 0
        for seed in range(20):
            found = processor(frames, do_rand_augment=True, seed=seed).pixel_values[0]
            (drawn_seed,) = torch.randint(2**62, (1,), generator=torch.Generator().manual_seed(seed)).tolist()
            clip_seed = int(np.random.default_rng(drawn_seed).integers(2**62))
            expected = rand_augment(plain, generator=torch.Generator().manual_seed(clip_seed))
            assert found.is_contiguous() and torch.equal(found, expected.float())
            changed += not torch.equal(expected, plain)
        assert 10 <= changed < 20

    def test_every_clip_has_a_draw_of_its_own(self, processor, frames):
        generator = torch.Generator().manual_seed(0)
        options = {"do_rand_augment": True, "rand_augment_num_ops": 6}
        first = processor([frames] * 6, generator=generator, **options).pixel_values
        second = processor([frames] * 6, generator=generator, **options).pixel_values
        assert len({one.numpy().tobytes() for one in torch.cat([first, second])}) > 10
        again = processor([frames] * 6, generator=torch.Generator().manual_seed(0), **options).pixel_values
        assert torch.equal(first, again)

    def test_frames_and_crops_stay_the_same(self, processor, frames):
        options = {"frame_sampling": "random", "do_random_crop": True}
        for seed in range(5):
            plain = processor(frames, seed=seed, **options).pixel_values
            found = processor(frames, seed=seed, do_rand_augment=True, rand_augment_num_ops=0, **options).pixel_values
            assert torch.equal(found, plain)

    def test_every_frame_and_view_alike(self, processor):
        still = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 50, 60, 3), dtype=np.uint8), 9, axis=0)
        for seed in range(10):
            pixels = processor(still, do_rand_augment=True, num_views=2, seed=seed).pixel_values
            assert torch.equal(pixels, pixels[:1, :1].expand_as(pixels))

    def test_an_image_is_augmented_too(self, processor):
        image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8))
        found = processor(image, do_rand_augment=True, rand_augment_num_ops=14, seed=0).pixel_values
        assert found.shape == (1, 1, 3, 32, 32) and not torch.equal(found, processor(image).pixel_values)

    def test_saved_with_the_processor(self, tmp_path, frames):
        processor = AllInOneVideoProcessor(
            size=48, crop_size=32, do_rand_augment=True, rand_augment_num_ops=3, rand_augment_magnitude=4.5
        )
        processor.save_pretrained(tmp_path)
        loaded = AllInOneVideoProcessor.from_pretrained(tmp_path)
        assert (loaded.do_rand_augment, loaded.rand_augment_num_ops, loaded.rand_augment_magnitude) == (True, 3, 4.5)
        assert torch.equal(loaded(frames, seed=1).pixel_values, processor(frames, seed=1).pixel_values)

    def test_wrong_options(self, processor, frames):
        for options, message in (
            ({"rand_augment_num_ops": 15}, "rand_augment_num_ops is 15; expected 0 to 14"),
            ({"rand_augment_magnitude": -1}, "rand_augment_magnitude is -1; expected 0 to 10"),
        ):
            with pytest.raises(ValueError, match=message):
                AllInOneVideoProcessor(**options)
            with pytest.raises(ValueError, match=message):
                processor(frames, do_rand_augment=True, **options)
