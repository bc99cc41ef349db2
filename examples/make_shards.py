# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Write the clips and texts of a data set to tar shards, from which pre-training streams them.

    python examples/make_shards.py --dataset webvid --data_dir webvid --split train --output_dir shards/webvid
    python examples/make_shards.py --train_file my.csv --output_dir shards/mine
    python examples/make_shards.py --dataset howto100m --data_dir howto100m --output_dir shards/howto100m \
        --shortest_edge 256 --rows_per_shard 100 --num_workers 16

Each process writes a shard at a time. A run that was stopped goes on where it was, when it is started again. Clips
that are missing or broken are left out and listed in `skipped_clips.jsonl` of the output folder.

Of HowTo100M and YT-Temporal, a sample is a whole video with its transcript, of which training draws clips
(`draw_captioned_clip`, `draw_spoken_clip`). Of data sets whose rows are parts of videos, these are cut out.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modeling_allinone.data.webdataset_writing import write_shards
from modeling_allinone.datasets import load_annotations, load_tables, replace_words
from modeling_allinone.training.arguments import option, parse_mapping, parse_recipe
from modeling_allinone.training.command_line import command_line

if TYPE_CHECKING:
    import datasets

# What takes long to do to a row, so that it is done once.
PREPARATIONS = {"yttemporal": replace_words}


@dataclass
class ShardArguments:
    """Which rows are written, where, and how."""

    output_dir: str = field(metadata={"help": "Folder of the shards: one for each data set and split."})
    dataset: str = option("", "Name of a data set, as list_datasets() shows them.")
    data_dir: str = option("", "Folder of its annotations.")
    train_file: str = option("", "Instead, your own rows: .csv, .tsv, .json, .jsonl or .parquet.")
    split: str = option("train", "Split to write.")
    media_dir: str | None = option(None, "Folder of its videos or images; data_dir if none.")
    media_pattern: str | None = option(None, "Where they lie in it, if elsewhere, as videos/{video_id}.mp4.")
    dataset_options: dict[str, Any] = option(dict, "Options of its reader.")
    num_rows: int | None = option(None, "Write only so many rows, for a try.")
    rows_per_shard: int = option(1000, "Rows of a shard.")
    shortest_edge: int | None = option(None, "Pixels: videos whose shorter side is longer are made smaller (H.264).")
    num_workers: int | None = option(None, "Processes; one for each core if none.")

    def __post_init__(self):
        self.dataset_options = parse_mapping("dataset_options", self.dataset_options)
        if bool(self.dataset) != bool(self.data_dir) or bool(self.dataset) == bool(self.train_file):
            raise ValueError("Give dataset with data_dir, or train_file; and one of these alone.")
        for name, value, lowest in (("num_rows", self.num_rows, 1), ("num_workers", self.num_workers, 0)):
            if value is not None and value < lowest:
                raise ValueError(f"{name} is {value}; expected {lowest} or more.")


@command_line
def main(arguments: list[str]):
    """Read the annotations, write the shards, say what was written."""
    (options,) = parse_recipe(ShardArguments, description=__doc__, arguments=arguments)
    rows = read_rows(options)
    if options.num_rows is not None:
        rows = rows.select(range(min(options.num_rows, len(rows))))
    summary = write_shards(
        rows,
        options.output_dir,
        f"{options.dataset or Path(options.train_file).stem.replace('.', '_')}-{options.split}",
        rows_per_shard=options.rows_per_shard,
        shortest_edge=options.shortest_edge,
        prepare_row=PREPARATIONS.get(options.dataset),
        num_workers=options.num_workers,
    )
    print(f"{options.output_dir}: {summary}")


def read_rows(options: ShardArguments) -> "datasets.Dataset":
    """The rows to write; videos that are missing are listed as they are met."""
    media: dict[str, Any] = {"media_root": options.media_dir, "on_missing_video": "ignore"}
    if options.train_file:
        return load_tables({options.split: options.train_file}, splits=[options.split], **media)[options.split]
    try:
        return load_annotations(
            options.dataset,
            options.data_dir,
            options.split,
            media_pattern=options.media_pattern,
            **media,
            **options.dataset_options,
        )
    except TypeError as error:  # an unknown option
        raise ValueError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
