# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MSRVTT-QA: open-ended questions about the 10,000 clips of MSR-VTT (Xu et al., ACM Multimedia 2017)."""

from collections.abc import Iterator

from ..annotation_files import AnnotationFile, files_by_split, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..answer_vocabularies import GivenVocabulary

VOCABULARY_FILES = (AnnotationFile("msrvtt_train_ans2label.json", "JSON object of labels by answer, 1500 of them"),)


def read_rows(
    folder: AnnotationFolder, split: str, vocabulary: GivenVocabulary | None = None, num_answers: int = 1500
) -> Iterator[dict]:
    """Rows with `question`, `answer` and `label`.

    The original's classifier has one more class than its vocabulary has answers, which is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or "test".
        vocabulary (*optional*): A file or the answers in the order of their labels, instead of
            `msrvtt_train_ans2label.json` or, where that is missing, the most frequent answers of the training split.
        num_answers (`int`, defaults to 1500): How many of them, at least 1.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    answers = folder.choose_vocabulary(vocabulary, VOCABULARY_FILES, num_answers)
    for record in read_records(path):
        video_id = f"video{record.text('video_id').removeprefix('video')}"
        row = {
            "video": folder.media_path(record, video_id=video_id),
            "question": record.text("question"),
            **answers.labelled(record.text("answer")),
            "video_id": video_id,
        }
        yield row | ({"sample_id": record.text("id")} if "id" in record else {})


READER = AnnotationReader(
    name="msrvtt_qa",
    tasks=("question-answering",),
    publisher="https://github.com/xudejing/video-question-answering",
    splits=files_by_split(
        {"train": "train", "validation": "val", "test": "test"},
        AnnotationFile("msrvtt_qa_{}.jsonl", "JSON lines with video_id ('video7010'), question, answer"),
        AnnotationFile("{}_qa.json", "JSON list of objects with id, video_id (7010), question, answer"),
    ),
    media="videos/all/{video_id}.mp4",
    read_rows=read_rows,
    validates_on_test=True,
)
