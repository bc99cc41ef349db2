"""MSRVTT-QA: open-ended questions about the 10,000 clips of MSR-VTT (Xu et al., ACM Multimedia 2017)."""

from collections.abc import Iterator
from pathlib import Path

from ..annotation_files import AnnotationFile, read_records
from ..annotation_reader import ORIGINAL_VALIDATION, AnnotationFolder, AnnotationReader
from ..open_ended_questions import choose_vocabulary

VOCABULARY_FILES = (AnnotationFile("msrvtt_train_ans2label.json", "JSON object of labels by answer, 1500 of them"),)


def _files(word: str) -> tuple[AnnotationFile, ...]:
    return (
        AnnotationFile(f"msrvtt_qa_{word}.jsonl", "JSON lines with video_id ('video7010'), question, answer"),
        AnnotationFile(f"{word}_qa.json", "JSON list of objects with id, video_id (7010), question, answer"),
    )


def read_rows(folder: AnnotationFolder, split: str, vocabulary=None, num_answers: int = 1500) -> Iterator[dict]:
    """Rows with `question`, `answer` and `label`.

    The original's classifier has one more class than its vocabulary has answers, which is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation", "test", or "original_validation", which is the test split.
        vocabulary (*optional*): A file or the answers in the order of their labels, instead of
            `msrvtt_train_ans2label.json` or, where that is missing, the most frequent answers of the training split.
        num_answers (`int`, defaults to 1500): How many of them, at least 1.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    answers = choose_vocabulary(folder, vocabulary, VOCABULARY_FILES, num_answers, _read_answers)
    for record in read_records(path):
        video_id = f"video{record.text('video_id').removeprefix('video')}"
        row = {
            "video": folder.media_path(record, video_id=video_id),
            "question": record.text("question"),
            "answer": record.text("answer"),
            "label": answers.label(record.text("answer")),
            "video_id": video_id,
        }
        yield row | ({"sample_id": record.text("id")} if "id" in record else {})


def _read_answers(path: Path) -> Iterator[str]:
    return (record.text("answer") for record in read_records(path))


READER = AnnotationReader(
    name="msrvtt_qa",
    tasks=("question-answering",),
    publisher="https://github.com/xudejing/video-question-answering",
    splits={
        "train": _files("train"),
        "validation": _files("val"),
        "test": _files("test"),
        ORIGINAL_VALIDATION: _files("test"),
    },
    media="videos/all/{video_id}.mp4",
    read_rows=read_rows,
)
