"""Frames of every container, codec and picture structure, against the decoder's own order."""

import pytest
from video_matrix import clip_names, decode_in_order, find_problems, number_of, write_clip


@pytest.mark.parametrize("name", clip_names())
def test_frames_are_those_that_the_decoder_shows(tmp_path, name):
    path = write_clip(name, tmp_path)
    assert find_problems(path) == []
