# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The script that draws an alignment, on a saved model and a real file."""

import pytest
from PIL import Image
from script_runs import load_script
from transformers import BertTokenizer
from transformers.utils import logging
from video_fixtures import encode_video

from modeling_allinone import AllInOneForPreTraining, AllInOneProcessor, AllInOneVideoProcessor


@pytest.fixture
def run(tiny_config, tmp_path):
    """Make a call of the script with a tiny model; keywords change its options."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "runs"]
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=16)
    AllInOneForPreTraining(tiny_config()).save_pretrained(tmp_path / "model")
    AllInOneProcessor(AllInOneVideoProcessor(size=32, crop_size=32), tokenizer).save_pretrained(tmp_path / "model")
    script = load_script("draw_alignment")

    def call(**options) -> int:
        options = {"model_name_or_path": tmp_path / "model", "text": "A dog runs", **options}
        return script.main([part for name, value in options.items() for part in (f"--{name}", str(value))])

    verbosity = logging.get_verbosity()
    yield call
    logging.set_verbosity(verbosity)


def test_a_picture_is_written(run, tmp_path, capsys):
    output = tmp_path / "pictures" / "alignment.png"
    assert run(video=encode_video(tmp_path / "clip.mp4"), output=output, num_frames=2) == 0
    assert capsys.readouterr().out == f"{output}: 3 words, 2 frames\n"
    assert min(Image.open(output).size) > 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"video": "nowhere.mp4"}, "error: nowhere.mp4 does not exist"),
        ({"words": "cat"}, "error: words is ['cat']; expected some of ['A', 'dog', 'runs']."),
        ({"text": " "}, "error: text is ' ', in which there is no word; give at least one."),
        ({"num_frames": 5}, "error: pixel_values has 5 frames but the temporal embedding covers 4"),
        ({"output": "alignment.xyz"}, "error: Format 'xyz' is not supported"),
        ({"model_name_or_path": "nowhere"}, "error: "),
    ],
)
def test_wrong_input_is_one_line(run, tmp_path, capsys, options, message):
    given = {"video": encode_video(tmp_path / "clip.mp4"), "output": tmp_path / "alignment.png", **options}
    assert run(**given) == 2
    said = capsys.readouterr().err
    assert said.startswith(message) and said.count("\n") == 1
