# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The data sets of actions in miniature."""

from pathlib import Path

from annotation_fixtures import write_places

# By recipe and arrangement: annotation files, and the films they speak of.
ACTIONS = {
    ("k400_linear", "original"): (
        {
            "kinetics_label_map.txt": "abseiling\nair drumming\nsnowboarding\n",
            "k400_train_tsm.list": "/x/snowboarding/a_000129_000139.zip\t2\n/x/air drumming/b_000001_000011.zip\t1\n",
            "k400_test_tsm.list": "/x/abseiling/c_000036_000046.zip\t0\n",
        },
        (
            "train/snowboarding/a_000129_000139.mp4",
            "train/air drumming/b_000001_000011.mp4",
            "val/abseiling/c_000036_000046.avi",
        ),
    ),
    ("k400_linear", "makers"): (
        {
            "train.csv": "label,youtube_id,time_start,time_end,split\n"
            "snowboarding,a,129,139,train\nabseiling,b,1,11,train\nair drumming,b,5,15,train\n",
            # Its classes in the order of the alphabet would have other labels.
            "val.csv": "label,youtube_id,time_start,time_end,split\nsnowboarding,c,36,46,val\n",
        },
        (
            "train/snowboarding/a_000129_000139.mp4",
            "train/abseiling/b_000001_000011.mp4",
            "train/air drumming/b_000005_000015.mp4",
            "val/snowboarding/c_000036_000046.mp4",
        ),
    ),
    ("hmdb51_linear", "original"): (
        {
            "hmdb51_classInd.txt": "1 brush_hair\n2 cartwheel\n3 catch\n",
            "hmdb51_rgb_train_split_1.txt": "/x/brush_hair/a 67 0\n/x/catch/b 80 2\n",
            "hmdb51_rgb_val_split_1.txt": "/x/cartwheel/c 40 1\n",
        },
        ("a.avi", "b.avi", "c.avi"),
    ),
    ("hmdb51_linear", "makers"): (
        {
            "testTrainMulti_7030_splits/brush_hair_test_split1.txt": "a.avi 1 \nb.avi 2 \n",
            "testTrainMulti_7030_splits/cartwheel_test_split1.txt": "c.avi 1 \n",
            "testTrainMulti_7030_splits/catch_test_split1.txt": "d.avi 1 \n",
        },
        ("brush_hair/a.avi", "brush_hair/b.avi", "cartwheel/c.avi", "catch/d.avi"),
    ),
    ("ucf101", "original"): (
        {
            "hmdb51_classInd.txt": "1 Archery\n2 Bowling\n3 Fencing\n",
            "hmdb51_rgb_train_split_1.txt": "/x/v_Archery_g08_c01 67 0\n/x/v_Fencing_g08_c01 80 2\n",
            "hmdb51_rgb_val_split_1.txt": "/x/v_Bowling_g01_c01 40 1\n",
        },
        ("v_Archery_g08_c01.avi", "v_Fencing_g08_c01.avi", "v_Bowling_g01_c01.avi"),
    ),
    ("ucf101", "makers"): (
        {
            "ucfTrainTestlist/classInd.txt": "1 Archery\n2 Bowling\n3 Fencing\n",
            "ucfTrainTestlist/trainlist01.txt": "Archery/v_1.avi 1\nFencing/v_2.avi 3\n",
            "ucfTrainTestlist/testlist01.txt": "Bowling/v_3.avi\n",
        },
        ("Archery/v_1.avi", "Fencing/v_2.avi", "Bowling/v_3.avi"),
    ),
}


def write_actions(root: Path, recipe: str, arrangement: str, film: Path) -> Path:
    """Write annotations and put a film at every place."""
    files, videos = ACTIONS[recipe, arrangement]
    return write_places(root, videos, files, film)
