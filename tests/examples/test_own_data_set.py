# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""A reader of one's own is a name for a script's `--dataset`, as those of public data sets are."""

import csv

from script_runs import EXAMPLES, load_script, read_results, run_script

from modeling_allinone.datasets import (
    AnnotationFile,
    AnnotationReader,
    load_moving_shapes,
    read_table,
    register_dataset,
    write_moving_shapes,
)


def read_rows(folder, split, column="caption"):
    """Rows of a table with a caption and the file of a video."""
    for record in read_table(folder.find_split(split), delimiter=","):
        video = folder.media_path(record, file=record.text("file"))
        yield {"video": video, "caption": record.text(column), "video_id": record.text("file")}


def test_a_script_scores_an_own_data_set(tmp_path):
    write_moving_shapes(tmp_path, 6, "test")
    rows = load_moving_shapes(tmp_path, "test", "retrieval", distinct_captions=True)
    with open(tmp_path / "mine.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file", "said"))
        table.writerows((row["video"].rpartition("/")[2], row["caption"]) for row in rows)
    reader = AnnotationReader(
        name="mine",
        tasks=("retrieval",),
        publisher="https://example.org/mine",
        splits={"test": (AnnotationFile("mine.csv", "comma-separated with file and a column of captions"),)},
        media="test/videos/{file}",
        read_rows=read_rows,
    )
    arguments = [
        *("--dataset", "mine", "--data_dir", tmp_path, "--dataset_options", '{"column": "said"}'),
        *("--task", "retrieval", "--model_name_or_path", EXAMPLES / "checkpoints/moving-shapes"),
        *("--output_dir", tmp_path / "output"),
    ]
    script = load_script("zero_shot")
    assert run_script(script, *arguments) != 0
    register_dataset(reader)
    assert run_script(script, *arguments) == 0
    scores = read_results(tmp_path / "output")["scores"]
    assert scores["text_to_video_num_queries"] == len(rows) > 3 and scores["text_to_video_recall_at_5"] == 1
