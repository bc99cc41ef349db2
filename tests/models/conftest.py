# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What tests of models share."""

from pathlib import Path

import pytest
import torch
from video_fixtures import ANIMATIONS, VIDEOS, encode_video, save_animation, save_folder

from modeling_allinone import AllInOneVideoProcessor


@pytest.fixture(autouse=True)
def _no_gradients(request):
    """Gradients only where a test is marked with `grad`."""
    with torch.set_grad_enabled(request.node.get_closest_marker("grad") is not None):
        yield


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """A folder with a file of every kind."""
    folder = tmp_path_factory.mktemp("clips")
    for name, how in VIDEOS.items():
        encode_video(folder / name, **how)
    for name in ANIMATIONS:
        save_animation(folder / name, **({"lossless": True} if name.endswith("webp") else {}))
    save_folder(folder / "frames")
    return folder


@pytest.fixture
def raw():
    """A processor that leaves pixels as they are, so that they tell which frame they are from."""
    return AllInOneVideoProcessor(do_resize=False, do_center_crop=False, do_rescale=False, do_normalize=False)


@pytest.fixture
def small():
    return AllInOneVideoProcessor(size=40, crop_size=32)
