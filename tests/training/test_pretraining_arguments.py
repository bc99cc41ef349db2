# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Arguments of pre-training: held-out rows of tasks that are not trained, and what is wrong with them."""

import pytest

from modeling_allinone.datasets import write_moving_shapes
from modeling_allinone.training.pretraining_arguments import EvaluationArguments
from modeling_allinone.training.pretraining_sources import load_zero_shot

NUM_CLIPS = 12


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_moving_shapes(tmp_path_factory.mktemp("shapes"), NUM_CLIPS, "validation").parent


def test_held_out_rows_are_read(shapes):
    common = {"dataset": "moving_shapes", "data_dir": str(shapes)}
    choice = common | {"options": {"task": "multiple-choice"}, "num_rows": 5}
    arguments = EvaluationArguments(zero_shot={"multiple-choice": choice, "retrieval": common})
    rows = load_zero_shot(arguments)
    assert len(rows["multiple-choice"]) == 5 and len(rows["multiple-choice"][0]["options"]) == 5
    assert len(rows["retrieval"]) > NUM_CLIPS, "the questions of the default task, which have captions, too"
    assert load_zero_shot(EvaluationArguments()) == {}


@pytest.mark.parametrize(
    ("zero_shot", "message"),
    (
        ("[1]", r"zero_shot is \[1\]; expected a mapping"),
        ("{", "zero_shot is '{', which is not JSON"),
        ({"retrival": {}}, "zero_shot has 'retrival'; expected tasks of multiple-choice, retrieval"),
        ({"retrieval": 3}, "zero_shot of retrieval is 3; expected a mapping"),
        ({"retrieval": {}}, "zero_shot of retrieval has no dataset and no data_dir"),
        (
            {"retrieval": {"dir": "x"}},
            "zero_shot of retrieval has dir; expected some of dataset, data_dir, media_dir, split, options",
        ),
        ({"retrieval": {"dataset": "moving_shape"}}, "There is no data set 'moving_shape'.* Did you mean 'moving_sha"),
        ({"retrieval": {"split": "exam"}}, "zero_shot of retrieval: moving_shapes has no split 'exam'"),
        ({"retrieval": {"num_rows": 0}}, "zero_shot of retrieval has num_rows 0; expected a number above 0"),
        ({"retrieval": {"num_rows": "many"}}, "zero_shot of retrieval has num_rows 'many'"),
        ({"retrieval": {"options": {"tusk": 1}}}, "zero_shot of retrieval: .*tusk"),
        ({"multiple-choice": {}}, "zero_shot of multiple-choice: The rows have no options to choose from"),
        ({"multiple-choice": {"options": {"task": "retrieval"}}}, "The rows have no options to choose from"),
    ),
)
def test_what_is_wrong_is_said(shapes, zero_shot, message):
    if isinstance(zero_shot, dict) and "no dataset" not in message and "no data_dir" not in message:
        common = {"dataset": "moving_shapes", "data_dir": str(shapes)}
        zero_shot = {task: common | of if isinstance(of, dict) else of for task, of in zero_shot.items()}
    with pytest.raises(ValueError, match=message):
        load_zero_shot(EvaluationArguments(zero_shot=zero_shot))


def test_the_number_of_rows_to_draw_is_checked():
    with pytest.raises(ValueError, match="num_alignment_rows is -1; expected 0 or more"):
        EvaluationArguments(num_alignment_rows=-1)
