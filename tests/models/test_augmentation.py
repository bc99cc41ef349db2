# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""RandAugment for clips: every operation against Pillow's, the draw against its chances, the processor's option."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from modeling_allinone.models.augmentation_allinone import OPERATIONS, draw_operations, rand_augment
from modeling_allinone.models.video_processing_allinone import AllInOneVideoProcessor


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


def changed(name: str, pixels: np.ndarray, strength: float) -> np.ndarray:
    """What an operation makes of a frame `(height, width, 3)`."""
    return np.asarray(OPERATIONS[name].apply(Image.fromarray(pixels.astype(np.uint8)), strength)).astype(int)


def towards(plain: np.ndarray, pixels: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(plain + factor * (pixels - plain), 0, 255)


def drawn(num_draws: int, **options) -> list[list[tuple[str, float]]]:
    generator = torch.Generator().manual_seed(0)
    return [draw_operations(generator=generator, **options) for _ in range(num_draws)]


class TestOperations:
    """Each against what it is defined as."""

    @pytest.fixture
    def pixels(self, clip) -> np.ndarray:
        return clip[1].permute(1, 2, 0).numpy().astype(int)

    def test_levels(self, pixels):
        lowest, highest = pixels.min((0, 1)), pixels.max((0, 1))
        stretched = (pixels - lowest) * 255 / (highest - lowest)
        assert np.abs(changed("auto_contrast", pixels, 0) - stretched).max() <= 1
        assert np.array_equal(changed("invert", pixels, 0), 255 - pixels)
        assert np.array_equal(changed("solarize", pixels, 0.4), np.where(pixels >= 102, 255 - pixels, pixels))
        counts = [
            np.bincount(channel // 32, minlength=8) for channel in changed("equalize", pixels, 0).reshape(-1, 3).T
        ]
        assert np.abs(np.array(counts) - 250).max() <= 170  # of 2000 pixels; as they were, levels lie up to 800 apart

    @pytest.mark.parametrize(("strength", "num_bits"), [(4, 4), (2.3, 3), (1, 1), (0, 1)])
    def test_bits_that_are_kept(self, pixels, strength, num_bits):
        step = 256 >> num_bits
        assert np.array_equal(changed("posterize", pixels, strength), pixels // step * step)

    @pytest.mark.parametrize("factor", [0.1, 1, 1.9])
    def test_colours(self, pixels, factor):
        grey = (pixels @ [0.299, 0.587, 0.114])[..., None]
        for name, plain in (("brightness", 0 * pixels), ("contrast", 0 * pixels + grey.mean()), ("colour", grey)):
            assert np.abs(changed(name, pixels, factor) - towards(plain, pixels, factor)).max() <= 1.5, name
        smooth = sum(np.roll(pixels, (row, column), (0, 1)) for row in (-1, 0, 1) for column in (-1, 0, 1))
        sharp = towards((smooth + 4 * pixels) / 13, pixels, factor)[1:-1, 1:-1]
        assert np.abs(changed("sharpness", pixels, factor)[1:-1, 1:-1] - sharp).max() <= 1.5

    @pytest.mark.parametrize("amount", [-0.3, 0, 0.2])
    def test_geometry(self, pixels, amount):
        rows, columns = np.mgrid[:40, :50] + 0.5
        turn = np.exp(1j * np.radians(100 * amount)) * (columns - 25 + 1j * (rows - 20))
        for name, strength, across, down in (
            ("shear_x", amount, columns + amount * rows, rows),
            ("shear_y", amount, columns, rows + amount * columns),
            ("translate_x", amount, columns + amount * 50, rows),
            ("translate_y", amount, columns, rows + amount * 40),
            ("rotate", 100 * amount, turn.real + 25, turn.imag + 20),
        ):
            found = changed(name, pixels, strength)
            is_outside = (across < 0) | (across > 50) | (down < 0) | (down > 40)
            is_inside = (across > 1) & (across < 49) & (down > 1) & (down < 39)
            assert (found[is_outside] == 128).all(), name
            # The picture is so smooth that a formula tells its levels between pixels, too.
            levels = np.stack([39 + 2 * down, 59.5 + across, 89.25 + down + across / 2], axis=-1)
            assert np.abs(found - levels)[is_inside].max() <= 2, name

    @pytest.mark.parametrize("name", OPERATIONS)
    @pytest.mark.parametrize("size", [(1, 1), (2, 5), (31, 2)])
    def test_small_frames_keep_their_size(self, name, size):
        frame, operation = np.random.default_rng(0).integers(0, 256, (*size, 3)), OPERATIONS[name]
        assert changed(name, frame, operation.least + 0.9 * operation.reach).shape == frame.shape

    def test_input_is_left_alone(self, clip):
        before = clip.clone()
        rand_augment(clip, num_ops=14)
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
        found = rand_augment(clip, 14, 9, torch.Generator().manual_seed(1)).permute(0, 2, 3, 1).numpy()
        for frame, pixels in zip(clip.permute(0, 2, 3, 1).numpy(), found, strict=True):
            for name, strength in operations:
                frame = changed(name, frame, strength)
            assert np.array_equal(pixels, frame)

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

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            (lambda clip: clip.numpy(), TypeError, r"clip is a ndarray; expected a tensor of shape \(frames, 3, h"),
            (lambda clip: clip[0], ValueError, r"clip has shape \(3, 40, 50\); expected \(frames, 3, height, width"),
            (
                lambda clip: clip.permute(0, 2, 3, 1),
                ValueError,
                r"clip has shape \(4, 40, 50, 3\); expected \(frames,",
            ),
            (lambda clip: clip[:0], ValueError, r"clip has shape \(0, 3, 40, 50\); expected .*, each at least 1"),
            (lambda clip: clip.int(), TypeError, r"clip has type torch\.int32; expected torch\.uint8, or floating"),
            (lambda clip: clip.float(), ValueError, r"from 0 to 255; expected 0 to 1\. Augment it before it is norm"),
            (lambda clip: clip / 255 * torch.nan, ValueError, "clip has values from nan to nan; expected 0 to 1"),
        ],
    )
    def test_wrong_clips(self, clip, change, error, message):
        with pytest.raises(error, match=message):
            rand_augment(change(clip))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"num_ops": 15}, "num_ops is 15; expected 0 to 14"),
            ({"num_ops": -1}, "num_ops is -1; expected 0 to 14"),
            ({"magnitude": 10.5}, "magnitude is 10.5; expected 0 to 10"),
            ({"magnitude": math.nan}, "magnitude is nan; expected 0 to 10"),
        ],
    )
    def test_wrong_numbers(self, clip, options, message):
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
