# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone predict`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import (
    READING,
    AsJson,
    Device,
    Dtype,
    Labels,
    MediaDir,
    Model,
    NumWorkers,
    Prompts,
    ScoreBy,
    TopK,
    load_predictor,
    named_column,
    read_labels,
)
from .output import show_json

if TYPE_CHECKING:
    from ..evaluation.embedding import Rows


def predict(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|FOLDER|VIDEO",
            help="A table (.csv, .tsv, .json, .jsonl, .parquet) with a row for each question, or clips.",
            show_default=False,
        ),
    ],
    model: Model,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where answers go, as JSON lines: answers.jsonl.")
    ],
    questions: Annotated[
        list[str] | None,
        typer.Option("--question", metavar="TEXT...", help="Asked about every clip that has no question of its own."),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT...", help="What is chosen from for every clip that has no options of its own."),
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="TEXT...", help="With one [MASK], for every clip that has no text of its own."),
    ] = None,
    labels: Labels = None,
    prompts: Prompts = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="TASK",
            help="question-answering, multiple-choice, masked-lm or classification.",
            show_default="what the model can do with these rows",
        ),
    ] = None,
    top_k: TopK = 5,
    score_by: ScoreBy = None,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Rows at a time.", rich_help_panel=READING)] = 16,
    num_workers: NumWorkers = 1,
    seconds_per_clip: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Longest time to read a clip, which is then skipped.",
            show_default="no limit",
            rich_help_panel=READING,
        ),
    ] = None,
    retry_skipped: Annotated[
        bool,
        typer.Option(
            "--retry-skipped",
            help="Read once more what could not be read before, as where videos have come since.",
            rich_help_panel=READING,
        ),
    ] = False,
    media_dir: MediaDir = None,
    video_column: Annotated[str | None, named_column("video", "video, path, file_name or file")] = None,
    question_column: Annotated[str | None, named_column("question", "question")] = None,
    options_column: Annotated[str | None, named_column("options", "options, a list; or option_0, option_1, …")] = None,
    caption_column: Annotated[str | None, named_column("caption", "text or caption, with one [MASK]")] = None,
    answer_column: Annotated[str | None, named_column("answer", "answer, which comes back as reference")] = None,
    start_column: Annotated[str | None, named_column("start", "start, in seconds")] = None,
    end_column: Annotated[str | None, named_column("end", "end, in seconds")] = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
) -> int:
    """
    Answer thousands of clips into a file, a line each; the same command goes on where it was interrupted.

    allinone predict new.csv --model my-model --output answers.jsonl
    allinone predict clips --labels dog cat --model my-model --output classes.jsonl

    Exit status 1 if clips were skipped, because they cannot be read: skipped_clips.jsonl beside the file says why.
    """
    from ..data.video_loading import SKIPPED_NAME
    from ..datasets.tables import load_rows
    from ..evaluation.predictor import COLUMNS, PROMPTS

    named = {
        "video": video_column,
        "question": question_column,
        "options": options_column,
        "caption": caption_column,
        "answer": answer_column,
        "start": start_column,
        "end": end_column,
    }
    if output.exists() and Path(source).exists() and output.samefile(source):
        raise ValueError(f"--output {output} is the file of the questions itself; give another.")
    classes = read_labels(labels)
    asked: dict[str, list | None] = {"question": questions, "options": [options] if options else None, "text": texts}
    predictor = load_predictor(model, device, dtype, score_by)
    task = task or (predictor.tasks[0] if len(predictor.tasks) == 1 else None)
    is_asked = any(asked.values())
    try:
        rows: Rows = load_rows(
            source,
            task=None if is_asked else task,  # whose columns are then looked for, line by line
            columns={field: column for field, column in named.items() if column is not None},
            media_root=media_dir,
        )
    except ValueError as error:
        if (column := COLUMNS.get(task or "")) and not is_asked:
            error.add_note(f"The same is asked about each clip by --{column}.")
        raise
    for name, values in asked.items():
        if values:
            rows = ask_each(rows, name, values, source)
    task = predictor.find_task(rows, task, classes)
    for name, values in asked.items():
        if values and name != COLUMNS[task] and (name, task) != ("question", "multiple-choice"):
            raise ValueError(f"--{name} is given, which {task} does not use; leave it out, or give another --task.")
    try:
        summary = predictor.predict(
            rows,
            output,
            task,
            classes,
            prompts or PROMPTS,
            top_k,
            batch_size,
            num_workers,
            seconds_per_clip=seconds_per_clip,
            retry_skipped=retry_skipped,
        )
    except KeyboardInterrupt:
        typer.echo(f"interrupted: the same command goes on after what {output} holds", err=True)
        return 130
    num_skipped, skipped_file = summary["num_skipped"], output.with_name(SKIPPED_NAME)
    if as_json:
        show_json(summary | {"output_file": str(output), "skipped_file": str(skipped_file) if num_skipped else None})
    else:
        before = f", {summary['num_resumed']} of them from before" if summary["num_resumed"] else ""
        typer.echo(f"{output}: {summary['num_rows']} rows{before}")
        if num_skipped:
            typer.echo(f"{num_skipped} of them have no answer, as their clips cannot be read: {skipped_file}")
    return int(num_skipped > 0)


def ask_each(rows: "Rows", column: str, values: Sequence[Any], source: str) -> list[Mapping[str, Any]]:
    """
    Ask the same about each clip.

    Args:
        rows (sequence of mappings, or `datasets.Dataset`): See [`load_rows`].
        column (`str`): What they are asked for: `"question"`, `"options"` or `"text"`.
        values (sequence): What a row that has nothing there gets, a row for each.
        source (`str`): What messages call the rows.

    Returns:
        `list` of mappings

    Raises:
        ValueError: If every row has its own.
    """
    asked: list[Mapping[str, Any]] = []
    for number in range(len(rows)):
        row = rows[number]
        if row.get(column) is not None:
            asked.append(row)
            continue
        fields = json.loads(row["input_row"])
        for value in values:
            written = json.dumps(fields | {column: value}, ensure_ascii=False)
            asked.append({**row, column: value, "input_row": written})
    if all(rows[number].get(column) is not None for number in range(len(rows))):
        raise ValueError(f"Every row of {source} has its own {column}; leave out --{column}.")
    return asked
