# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone check`."""

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, MediaDir, named_column
from .output import show_json


def check(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE|FOLDER",
            help="Rows to train on (.csv, .tsv, .json, .jsonl, .parquet), or a folder with one of clips for each "
            "class, or with metadata.csv.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="TASK",
            help="What they are for: question-answering, multiple-choice, retrieval or classification.",
            show_default="all that there is",
        ),
    ] = None,
    validation_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Rows to evaluate on in training.", show_default="none")
    ] = None,
    test_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Rows to score.", show_default="drawn by video")
    ] = None,
    dataset_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Instead of a file, a data set of the Hub.", show_default="none"),
    ] = None,
    held_out_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the videos in a split that is drawn.")
    ] = 0.2,
    media_dir: MediaDir = None,
    video_column: Annotated[str | None, named_column("video", "video, path, file_name or file")] = None,
    question_column: Annotated[str | None, named_column("question", "question")] = None,
    answer_column: Annotated[str | None, named_column("answer", "answer")] = None,
    options_column: Annotated[str | None, named_column("options", "options, a list; or option_0, option_1, …")] = None,
    caption_column: Annotated[str | None, named_column("caption", "caption or text")] = None,
    label_column: Annotated[str | None, named_column("label", "label")] = None,
    start_column: Annotated[str | None, named_column("start", "start, in seconds")] = None,
    end_column: Annotated[str | None, named_column("end", "end, in seconds")] = None,
    as_json: AsJson = False,
) -> int:
    """
    Look through your own rows before training: what is missing, empty, double, and in which line.

    allinone check my.csv --task question-answering

    Exit status 1 if training would end at something that was found.
    """
    from ..datasets import check_examples
    from ..training.arguments import DataArguments
    from ..training.splits import load_own

    is_folder = source is not None and Path(source).is_dir()
    if source is None and dataset_name is None:
        raise ValueError("There is no data: give a file or folder of rows to train on, or --dataset_name.")
    if source is not None and dataset_name is not None:
        raise ValueError(f"{source} and --dataset_name {dataset_name} are given; expected one of them.")
    for option, file in (("--validation_file", validation_file), ("--test_file", test_file)):
        if file is not None and (is_folder or dataset_name is not None):
            raise ValueError(
                f"{option} is {file}, but {source or dataset_name} is no file of rows; give a file, or put the split "
                "beside the others."
            )
    data = DataArguments(
        train_file=None if is_folder else source,
        data_dir=str(source) if is_folder else "",
        validation_file=validation_file,
        test_file=test_file,
        dataset_name=dataset_name,
        held_out_share=held_out_share,
        media_dir=media_dir,
        video_column=video_column,
        question_column=question_column,
        answer_column=answer_column,
        options_column=options_column,
        caption_column=caption_column,
        label_column=label_column,
        start_column=start_column,
        end_column=end_column,
    )
    report = check_examples(load_own(data, ["train", "test"], task=task))
    if as_json:
        show_json(report.to_dict())
    else:
        typer.echo(report)
    return int(not report.is_usable)
