# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""transformers' `ProcessorTesterMixin` and `VideoProcessingTestMixin`, on the processors of the package."""

import unittest

import numpy as np
from tests.test_processing_common import ProcessorTesterMixin
from tests.test_video_processing_common import VideoProcessingTestMixin, prepare_video_inputs
from transformers import BertTokenizer
from transformers.models.auto.video_processing_auto import AutoVideoProcessor

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from tests import test_processing_common, test_video_processing_common

# That of `transformers` raises where there is no torchvision.
test_video_processing_common.AutoVideoProcessor = AutoVideoProcessor
# The mixin's factor of -1 is refused here.
test_processing_common.MODALITY_TEST_SPECS["videos"]["init_time_kwargs"] = {"do_rescale": True, "rescale_factor": 1e-9}

SIZES = {"size": {"shortest_edge": 20}, "crop_size": {"height": 18, "width": 18}}


class TestProcessor(ProcessorTesterMixin, unittest.TestCase):
    processor_class = AllInOneProcessor
    videos_input_name = "pixel_values"

    @classmethod
    def _setup_tokenizer(cls):
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "lower", "newer", "string", "longer", *"abcdefgh"]
        return BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=1000)

    @classmethod
    def _setup_video_processor(cls):
        return AllInOneVideoProcessor(**SIZES)

    def prepare_videos_inputs(self, batch_size=None):
        clips = np.random.default_rng(0).integers(0, 255, (batch_size or 1, 8, 3, 30, 40), dtype=np.uint8)
        return list(clips) if batch_size else clips[0]

    def prepare_images_inputs(self, batch_size=None, nested=False):
        """None: images are never beside videos here."""


class ClipTester:
    """Clips of the mixin, which it sends whole where a test does not say otherwise."""

    batch_size, num_frames, num_channels, min_resolution, max_resolution = 5, 8, 3, 30, 80

    def expected_output_video_shape(self, videos):
        return self.num_frames, self.num_channels, *SIZES["crop_size"].values()

    def prepare_video_inputs(self, equal_resolution=False, return_tensors="pil"):
        names = ("batch_size", "num_frames", "num_channels", "min_resolution", "max_resolution")
        sizes = {name: getattr(self, name) for name in names}
        return prepare_video_inputs(**sizes, equal_resolution=equal_resolution, return_tensors=return_tensors)


class TestVideoProcessor(VideoProcessingTestMixin, unittest.TestCase):
    fast_video_processing_class = AllInOneVideoProcessor
    input_name = "pixel_values"
    test_cast_dtype = True
    video_processor_dict = SIZES | {"do_sample_frames": False, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}

    def setUp(self):
        super().setUp()
        self.video_processor_tester = ClipTester()

    def test_call_sample_frames(self):
        """Of the mixin's: numbers of frames. More frames than there are repeat some here, and are an error there."""
        clips = ClipTester().prepare_video_inputs(return_tensors="torch")
        processor = AllInOneVideoProcessor(**self.video_processor_dict)
        for samples, asked, expected in ((False, 3, 8), (True, 3, 3), (True, 10, 10)):
            processor.do_sample_frames = samples
            self.assertEqual(processor(clips, num_frames=asked)["pixel_values"].shape[:2], (5, expected))
