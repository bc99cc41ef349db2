"""The script that draws an alignment, on a saved model and a real file."""

import importlib.util
import sys
from pathlib import Path

import pytest
from PIL import Image
from transformers import BertTokenizer
from transformers.utils import logging
from video_fixtures import encode_video

from modeling_allinone import AllInOneForPreTraining, AllInOneProcessor, AllInOneVideoProcessor

SCRIPT = Path(__file__).parents[2] / "examples" / "draw_alignment.py"


@pytest.fixture
def run(tiny_config, tmp_path, monkeypatch):
    """Make a call of the script with a tiny model; keywords change its options."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "runs"]
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=16)
    AllInOneForPreTraining(tiny_config()).save_pretrained(tmp_path / "model")
    AllInOneProcessor(AllInOneVideoProcessor(size=32, crop_size=32), tokenizer).save_pretrained(tmp_path / "model")
    specification = importlib.util.spec_from_file_location("draw_alignment", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "draw_alignment", module)
    specification.loader.exec_module(module)

    def call(**options):
        options = {"model_name_or_path": tmp_path / "model", "text": "A dog runs", **options}
        command = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["draw_alignment.py", *command])
        module.main()

    verbosity = logging.get_verbosity()
    yield call
    logging.set_verbosity(verbosity)
    logging.enable_progress_bar()


def test_a_picture_is_written(run, tmp_path, capsys):
    output = tmp_path / "pictures" / "alignment.png"
    run(video=encode_video(tmp_path / "clip.mp4"), output=output, num_frames=2)
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
    with pytest.raises(SystemExit) as stop:
        run(**{"video": encode_video(tmp_path / "clip.mp4"), "output": tmp_path / "alignment.png", **options})
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(message) and said.count("\n") == 1
