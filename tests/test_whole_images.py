"""Images that keep their shape: pixels, padding and masks, from files to the outputs of models."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, BertTokenizer
from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.video_processing_allinone import IMAGE_OPTIONS

# Height and width as they are, and as they are shown: the shorter side 224 unless the longer one would be above 373.
SHOWN = {
    (480, 640): (224, 288),
    (640, 427): (320, 224),
    (224, 224): (224, 224),
    (223, 1000): (64, 352),
    (31, 33): (224, 224),
    (900, 150): (352, 32),
    (333, 500): (224, 320),
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", "it"]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    """Noise of every shape."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    paths = []
    for height, width in SHOWN:
        paths.append(str(folder / f"{height}x{width}.png"))
        Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def processor() -> AllInOneProcessor:
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)}, model_max_length=16)
    return AllInOneProcessor(AllInOneVideoProcessor(**IMAGE_OPTIONS), tokenizer)


class TestProcessor:
    def test_pixels_are_pillows_to_the_last_bit(self, processor, files):
        inputs = processor(images=files, do_rescale=False, do_normalize=False)
        assert set(inputs) == {"pixel_values", "pixel_mask"} <= set(processor.model_input_names)
        assert inputs["pixel_values"].shape == (7, 1, 3, 352, 352)
        assert inputs["pixel_mask"].shape == (7, 352, 352) and inputs["pixel_mask"].dtype == torch.int64
        for row, (path, (height, width)) in enumerate(zip(files, SHOWN.values(), strict=True)):
            expected = np.asarray(Image.open(path).resize((width, height), Image.Resampling.BICUBIC))
            pixels, mask = inputs["pixel_values"][row, 0], inputs["pixel_mask"][row]
            assert np.array_equal(pixels[:, :height, :width].permute(1, 2, 0), expected), path
            assert mask[:height, :width].all() and mask.sum() == height * width
            assert not pixels[:, mask == 0].any()

    def test_values_are_vilts(self, processor, files):
        images = [Image.open(path) for path in files]
        expected = ViltImageProcessorPil(size={"shortest_edge": 224})(images, return_tensors="pt")
        inputs = processor(images=images)
        torch.testing.assert_close(inputs["pixel_values"][:, 0], expected["pixel_values"])
        assert torch.equal(inputs["pixel_mask"], expected["pixel_mask"])

    def test_pairs(self, processor, files):
        pairs = [[files[0], files[1]], [files[2], files[3]]]
        inputs = processor(text=["what is it", "it is"], images=pairs)
        assert inputs["pixel_values"].shape == (2, 2, 1, 3, 320, 352)
        assert inputs["pixel_mask"].sum((2, 3)).tolist() == [[224 * 288, 320 * 224], [224 * 224, 64 * 352]]

    def test_clips_and_their_views_are_padded(self, processor):
        clips = [np.full((5, *size, 3), 9, dtype=np.uint8) for size in ((48, 64), (64, 48))]
        options = {"num_frames": 2, "num_views": 2, "size": {"shortest_edge": 32, "longest_edge": 64}}
        inputs = processor(videos=clips, **options, size_divisor=8)
        assert inputs["pixel_values"].shape == (4, 2, 3, 40, 40)
        assert inputs["pixel_mask"].sum(1).tolist() == [[32] * 40] * 2 + [[40] * 32 + [0] * 8] * 2

    def test_options_travel_with_the_processor(self, processor, files, tmp_path):
        processor.save_pretrained(tmp_path)
        loaded = AutoProcessor.from_pretrained(tmp_path)
        options = loaded.video_processor.to_dict()
        assert {name: options[name] for name in IMAGE_OPTIONS} == IMAGE_OPTIONS
        inputs, expected = loaded(images=files[:2]), processor(images=files[:2])
        assert all(torch.equal(inputs[name], expected[name]) for name in expected)

    def test_a_strip_too_thin_is_named(self, processor, tmp_path):
        Image.new("RGB", (1000, 40)).save(tmp_path / "strip.png")
        message = r"strip.png has frames of 40 x 1000 pixels .* size_divisor=32 leave 0 x 352; cut such a strip"
        with pytest.raises(ValueError, match=message):
            processor(images=[tmp_path / "strip.png"])

    def test_without_padding_shapes_must_agree(self, processor, files):
        with pytest.raises(ValueError, match=r"640x427.png gives 320 x 224 pixels .*; set do_pad=True"):
            processor(images=files[:2], do_pad=False)
        assert set(processor(images=files[:1], do_pad=False)) == {"pixel_values"}
