# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone index`."""

import os
from dataclasses import asdict
from typing import Annotated

import typer

from ..training.command_line import show_json
from .options import READING, AsJson, Device, Dtype, NumWorkers
from .output import show_pairs

Index = Annotated[
    str,
    typer.Option("--index", "-i", metavar="INDEX", help="Folder of the index, or a place such as s3://bucket/index."),
]


def index(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="FOLDER|VIDEO", help="Folders, with all that is below them, and files.", show_default=False
        ),
    ],
    index: Index,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Folder of a model that was trained for retrieval, or a repository of the Hub.",
            show_default="that of the index, if there is one",
        ),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Length of the windows that videos are cut into.",
            show_default="that of the index, or 10",
            rich_help_panel=READING,
        ),
    ] = None,
    stride: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="From the beginning of a window to that of the next.",
            show_default="that of the index, or the window",
            rich_help_panel=READING,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make the index anew, whatever is there.")] = False,
    retry_broken: Annotated[
        bool,
        typer.Option("--retry-broken", help="Read once more what could not be read before.", rich_help_panel=READING),
    ] = False,
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Windows at a time.", rich_help_panel=READING)
    ] = 32,
    num_workers: NumWorkers = 1,
    seconds_per_read: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Longest time to read some windows of a video, which is then broken.",
            show_default="no limit",
            rich_help_panel=READING,
        ),
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
) -> int:
    """
    Make an index of the videos below a folder, to be searched, or bring it up to what is there now.

    allinone index my-videos --model my-model --index my-index

    What was indexed before is not read again unless it has changed; after an interruption, the same command goes on.
    Exit status 1 if videos cannot be read, which are listed.
    """
    from ..evaluation.video_encoder import VideoEncoder
    from ..search.process_group import sharing_processes
    from ..search.video_index import VideoIndex

    for name in videos:  # before an index is made, or lost
        if not os.path.exists(name):
            raise FileNotFoundError(f"{name} does not exist; give a folder of videos, or videos.")
    with sharing_processes() as device_of_process:
        device = device or device_of_process
        encoder = None if model is None else VideoEncoder.from_pretrained(model, device, dtype)
        opened = VideoIndex.prepare(index, encoder, window, stride, overwrite, device, dtype)
        report = opened.update(
            videos, batch_size, num_workers, seconds_per_read=seconds_per_read, retry_broken=retry_broken
        )
    if os.environ.get("RANK", "0") != "0":
        return 0
    if as_json:
        show_json(asdict(report) | {"index": index, **opened.describe()})
        return int(bool(report.broken))
    typer.echo(f"{index}: {report.num_windows} windows of {report.num_videos} videos, in {report.seconds:.0f} s")
    counts = {"new": report.num_new, "changed": report.num_changed, "moved": report.num_moved}
    show_pairs([(name, number) for name, number in (counts | {"removed": report.num_removed}).items() if number])
    if report.broken:
        typer.echo(f"{len(report.broken)} cannot be read, and are not found:")
        for one in report.broken:
            typer.echo(f"  {one['reason']}")
    return int(bool(report.broken))
