# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""TGIF-QA: questions about animated GIFs (Jang et al., CVPR 2017).

FrameQA asks openly about what a frame shows; Action (what is done so many times) and Transition (what happens before
or after) have five options, which only the order of frames can tell apart.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, files_by_split, read_records, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..answer_vocabularies import GivenVocabulary
from ..common_rows import choice_columns

VOCABULARY_FILES = (
    AnnotationFile("frameqa_trainval_ans2label.json", "JSON object of labels by answer, 1540 of them"),
)
FRAME_KINDS = ("object", "number", "colour", "location")  # as the makers number them
NUM_OPTIONS = 5


def read_open_ended_rows(
    folder: AnnotationFolder, split: str, vocabulary: GivenVocabulary | None = None, num_answers: int = 1540
) -> Iterator[dict]:
    """Rows of FrameQA with `question`, `answer`, `label` and, in the makers' arrangement, `kind`.

    The original's classifier has one more class than its vocabulary has answers, which is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "test" or, in the original's arrangement, "validation".
        vocabulary (*optional*): A file or the answers in the order of their labels, instead of
            `frameqa_trainval_ans2label.json` or, where that is missing, the most frequent answers of the training
            split.
        num_answers (`int`, defaults to 1540): How many of them, at least 1.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    answers = folder.choose_vocabulary(vocabulary, VOCABULARY_FILES, num_answers, _read)
    for record in _read(path):
        kind = FRAME_KINDS[record.integer("type", below=len(FRAME_KINDS))] if "type" in record else None
        yield _row(folder, record) | answers.labelled(record.text("answer")) | {"kind": kind}


def read_choice_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows of Action and Transition with `question`, `options`, `answer` and `label`.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" or "test".

    Yields:
        `dict`
    """
    for record in _read(folder.find_split(split)):
        if "options" in record:
            options = record.texts("options", NUM_OPTIONS)
        else:
            options = [record.text(f"a{number}") for number in range(1, NUM_OPTIONS + 1)]
        yield _row(folder, record) | choice_columns(options, record.integer("answer", below=NUM_OPTIONS))


def _read(path: Path) -> Iterator[Record]:
    """Entries in the original's arrangement or the makers'."""
    return read_records(path) if path.suffix == ".jsonl" else read_table(path)


def _row(folder: AnnotationFolder, record: Record) -> dict:
    """What all three kinds of questions have."""
    video_id = record.text("gif_name")
    row = {
        "video": folder.media_path(record, video_id=video_id),
        "question": record.text("question"),
        "video_id": video_id,
    }
    return row | ({"sample_id": record.text("vid_id")} if "vid_id" in record else {})


def _splits(part: str, fields: str, columns: str) -> dict[str, tuple[AnnotationFile, ...]]:
    """The original's files and the makers'."""
    return files_by_split(
        {"train": ("train", "Train"), "test": ("test", "Test")},
        AnnotationFile(f"{part}_{{0}}.jsonl", f"JSON lines with gif_name, {fields}"),
        AnnotationFile(f"{{1}}_{part}_question.csv", f"tab-separated with gif_name, {columns}, vid_id"),
    )


_reader = partial(
    AnnotationReader,
    publisher="https://github.com/YunseokJANG/tgif-qa",
    media="gifs/{video_id}.gif",
    validates_on_test=True,
)
_choice_reader = partial(_reader, tasks=("multiple-choice-question-answering",), read_rows=read_choice_rows)
CHOICE_FIELDS = ("question, options (5), answer (0 to 4)", "question, a1 to a5, answer (0 to 4)")
FRAME_QA = _reader(
    name="tgif_frameqa",
    tasks=("question-answering",),
    splits={
        **_splits("frameqa", "question, answer", "question, answer"),
        "validation": (AnnotationFile("frameqa_val.jsonl", "JSON lines with gif_name, question, answer"),),
    },
    read_rows=read_open_ended_rows,
    extra_columns={"kind": "string"},
)
ACTION = _choice_reader(name="tgif_action", splits=_splits("action", *CHOICE_FIELDS))
TRANSITION = _choice_reader(name="tgif_transition", splits=_splits("transition", *CHOICE_FIELDS))
