# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What the tests of scripts share as fixtures."""

import pytest
from PIL import Image
from video_fixtures import encode_video


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A film and an image."""
    folder = tmp_path_factory.mktemp("media")
    Image.new("RGB", (40, 36), "red").save(folder / "image.jpg")
    return encode_video(folder / "film.mp4", num_frames=4), folder / "image.jpg"
