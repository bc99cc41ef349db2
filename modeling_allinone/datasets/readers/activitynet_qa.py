# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""ActivityNet-QA: open-ended questions about long videos (Yu et al., AAAI 2019), which the original does not read."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, files_by_split, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader, check_positive
from ..answer_vocabularies import GivenVocabulary

VOCABULARY_FILES = (AnnotationFile("activitynet_qa_ans2label.json", "JSON object of labels by answer"),)
KINDS = (
    *("motion", "spatial relationship", "temporal relationship", "yes/no"),
    *("colour", "object", "location", "number", "other"),
)


def read_rows(
    folder: AnnotationFolder,
    split: str,
    vocabulary: GivenVocabulary | None = None,
    num_answers: int = 1000,
    frame_rate: float | None = 3.0,
) -> Iterator[dict]:
    """Rows with `question`, `answer`, `label` and `kind`; videos are folders of frames, as for ActivityNet's captions.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or "test".
        vocabulary (*optional*): A file or the answers in the order of their labels, instead of
            `activitynet_qa_ans2label.json` or, where that is missing, the most frequent answers of the training split.
        num_answers (`int`, defaults to 1000): How many of them, at least 1.
        frame_rate (`float`, *optional*, defaults to 3): Frames per second in the folders; no matter for video files.

    Yields:
        `dict`
    """
    check_positive(frame_rate=1 if frame_rate is None else frame_rate)
    questions = folder.find_split(split)
    answers: dict[str, Record] = {}
    for record in _read_answers(folder, questions):
        earlier = answers.setdefault(record.text("question_id"), record)
        if earlier is not record:
            raise record.error(f"question_id {record.text('question_id')!r} was already that of {earlier.place}.")
    answers_path = folder.files[-1]
    labels = folder.choose_vocabulary(vocabulary, VOCABULARY_FILES, num_answers, partial(_read_answers, folder))
    for record in read_records(questions):
        question_id, video_id = record.text("question_id"), record.text("video_name")
        if question_id not in answers:
            raise record.error(f"question_id {question_id!r} has no answer in {answers_path.name}.")
        answer = answers[question_id]
        yield {
            "video": folder.media_path(record, video_id=video_id),
            "frame_rate": frame_rate,
            "question": record.text("question"),
            **labels.labelled(answer.text("answer")),
            "kind": KINDS[answer.integer("type", below=len(KINDS))] if "type" in answer else None,
            "video_id": video_id,
            "sample_id": question_id,
        }


def _read_answers(folder: AnnotationFolder, questions: Path) -> Iterator[Record]:
    """The answers that belong to a file of questions."""
    name = questions.name.replace("_q.json", "_a.json")
    return read_records(folder.find((AnnotationFile(name, "JSON list of objects with question_id, answer, type"),)))


READER = AnnotationReader(
    name="activitynet_qa",
    tasks=("question-answering",),
    publisher="https://github.com/MILVLG/activitynet-qa",
    splits=files_by_split(
        {"train": "train", "validation": "val", "test": "test"},
        AnnotationFile(
            "{}_q.json",
            "JSON list of objects with question_id, question, video_name; beside it {}_a.json with the answers",
        ),
    ),
    media="activitynet_frames/v_{video_id}",
    read_rows=read_rows,
    extra_columns={"kind": "string"},
)
