# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What the metrics share: checked scores of options, and chances in ties."""

import numpy as np
import pytest

from modeling_allinone.metrics.task_metric import chance_among_first, check_scores


@pytest.mark.parametrize(
    ("scores", "label", "message"),
    [
        ([1.0, 2.0], 2, r"The label of row 7 is 2, but it has 2 options; .* from 0 to 1"),
        ([1.0, 2.0], -1, r"The label of row 7 is -1, .* or -100 to count the row as wrong"),
        ([1.0, 2.0], None, r"The label of row 7 is None"),
        ([float("nan"), 2.0], -100, r"The scores of row 7 have NaN at option 0; check the model"),
        ([0.0, None], 0, r"The scores of row 7 have NaN at option 1"),
        ([], 0, r"The scores of row 7 are \[\]; give one for each option"),
        (None, 0, r"The scores of row 7 are None"),
    ],
)
def test_bad_rows_are_named(scores, label, message):
    with pytest.raises(ValueError, match=message):
        check_scores("row 7", scores, label)


def test_good_rows_are_kept():
    assert check_scores("row 7", [1, -np.inf, 1e300], -100).tolist() == [1, -np.inf, 1e300]


@pytest.mark.parametrize(
    ("k", "label", "chance"), [(1, 0, 1), (1, 1, 0), (2, 1, 1 / 2), (2, 2, 1 / 2), (3, 2, 1), (3, 3, 0), (9, -100, 0)]
)
def test_equal_options_share_their_places(k, label, chance):
    assert chance_among_first(k, np.array([3.0, 2.0, 2.0, 1.0]), label) == chance
