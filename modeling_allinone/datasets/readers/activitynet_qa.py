"""ActivityNet-QA: open-ended questions about long videos (Yu et al., AAAI 2019), which the original does not read."""

from collections.abc import Iterator
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader, check_positive
from ..open_ended_questions import choose_vocabulary

VOCABULARY_FILES = (AnnotationFile("activitynet_qa_ans2label.json", "JSON object of labels by answer"),)
KINDS = (
    "motion",
    "spatial relationship",
    "temporal relationship",
    "yes/no",
    "colour",
    "object",
    "location",
    "number",
    "other",
)


def _files(word: str) -> tuple[AnnotationFile, ...]:
    return (
        AnnotationFile(
            f"{word}_q.json",
            f"JSON list of objects with question_id, question, video_name; beside it {word}_a.json with the answers",
        ),
    )


def _answer_files(path: Path) -> tuple[AnnotationFile, ...]:
    """The answers that belong to a file of questions."""
    name = path.name.replace("_q.json", "_a.json")
    return (AnnotationFile(name, "JSON list of objects with question_id, answer, type"),)


def read_rows(
    folder: AnnotationFolder, split: str, vocabulary=None, num_answers: int = 1000, frame_rate: float | None = 3.0
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
    if frame_rate is not None:
        check_positive("frame_rate", frame_rate)
    questions = folder.find_split(split)
    answers = _by_question(folder.find(_answer_files(questions)))
    labels = choose_vocabulary(
        folder, vocabulary, VOCABULARY_FILES, num_answers, lambda path: _read_answers(folder.find(_answer_files(path)))
    )
    for record in read_records(questions):
        question_id, video_id = record.text("question_id"), record.text("video_name")
        if question_id not in answers:
            raise record.error(f"question_id {question_id!r} has no answer in {_answer_files(questions)[0].path}.")
        answer = answers[question_id]
        yield {
            "video": folder.media_path(record, video_id=video_id),
            "frame_rate": frame_rate,
            "question": record.text("question"),
            "answer": answer.text("answer"),
            "label": labels.label(answer.text("answer")),
            "kind": KINDS[answer.integer("type", below=len(KINDS))] if "type" in answer else None,
            "video_id": video_id,
            "sample_id": question_id,
        }


def _by_question(path: Path) -> dict[str, Record]:
    records = {}
    for record in read_records(path):
        earlier = records.setdefault(record.text("question_id"), record)
        if earlier is not record:
            raise record.error(f"question_id {record.text('question_id')!r} was already that of {earlier.place}.")
    return records


def _read_answers(path: Path) -> Iterator[str]:
    return (record.text("answer") for record in read_records(path))


READER = AnnotationReader(
    name="activitynet_qa",
    tasks=("question-answering",),
    publisher="https://github.com/MILVLG/activitynet-qa",
    splits={"train": _files("train"), "validation": _files("val"), "test": _files("test")},
    media="activitynet_frames/v_{video_id}",
    read_rows=read_rows,
    extra_columns={"kind": "string"},
)
