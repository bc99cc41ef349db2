# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What the tests of readers share."""

import pytest
from video_fixtures import encode_video


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A film of 16 frames, 1.6 s."""
    return encode_video(tmp_path_factory.mktemp("clip") / "clip.mp4")
