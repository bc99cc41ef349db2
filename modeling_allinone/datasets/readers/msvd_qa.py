"""MSVD-QA: open-ended questions about the 1,970 clips of MSVD (Xu et al., ACM Multimedia 2017)."""

from collections.abc import Iterator
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, read_fields, read_records
from ..annotation_reader import ORIGINAL_VALIDATION, AnnotationFolder, AnnotationReader
from ..open_ended_questions import choose_vocabulary

VOCABULARY_FILES = (
    AnnotationFile("msvd_answer_set.txt", "an answer a line, 1000 of them"),
    AnnotationFile("answer_set.txt", "an answer a line"),
)
MAPPING_FILES = (
    AnnotationFile("msvd_youtube_mapping.txt", "lines such as 'mv89psg6zh4_33_46 vid123'"),
    AnnotationFile("youtube_mapping.txt", "lines such as 'mv89psg6zh4_33_46 vid123'"),
)


def _files(word: str) -> tuple[AnnotationFile, ...]:
    format_ = "JSON list, or a line each, of objects with video_id (123), question, answer"
    return (AnnotationFile(f"msvd_{word}_qa_encode.json", format_), AnnotationFile(f"{word}_qa.json", format_))


def read_rows(folder: AnnotationFolder, split: str, vocabulary=None, num_answers: int = 1000) -> Iterator[dict]:
    """Rows with `question`, `answer` and `label`; `video_id` is such as "vid123".

    Videos are called by the names that YouTube gave them, which a mapping tells; where they are called by number, as
    the questions' makers have them, `media_pattern="video/{video_id}.avi"` does without. The original's classifier has
    one more class than its vocabulary has answers, which is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation", "test", or "original_validation", which is the test split.
        vocabulary (*optional*): A file or the answers in the order of their labels, instead of `msvd_answer_set.txt`
            or, where that is missing, the most frequent answers of the training split.
        num_answers (`int`, defaults to 1000): How many of them, at least 1.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    answers = choose_vocabulary(folder, vocabulary, VOCABULARY_FILES, num_answers, _read_answers)
    youtube_ids = _read_mapping(folder.find(MAPPING_FILES)) if folder.media_needs("youtube_id") else None
    for record in read_records(path):
        video_id = f"vid{record.text('video_id').removeprefix('vid')}"
        named, names = record, {"video_id": video_id}
        if youtube_ids is not None:
            if video_id not in youtube_ids:
                raise record.error(f"field 'video_id' is {video_id!r}, which {folder.files[-1]} does not have.")
            named = youtube_ids[video_id]
            names["youtube_id"] = named.text(0)
        row = {
            "video": folder.media_path(named, **names),
            "question": record.text("question"),
            "answer": record.text("answer"),
            "label": answers.label(record.text("answer")),
            "video_id": video_id,
        }
        yield row | ({"sample_id": record.text("id")} if "id" in record else {})


def _read_answers(path: Path) -> Iterator[str]:
    return (record.text("answer") for record in read_records(path))


def _read_mapping(path: Path) -> dict[str, Record]:
    """Lines with YouTube's names, by number."""
    records = read_fields(path, 2, "such as 'mv89psg6zh4_33_46 vid123'")
    return {record.text(1): record for record in records}


READER = AnnotationReader(
    name="msvd_qa",
    tasks=("question-answering",),
    publisher="https://github.com/xudejing/video-question-answering",
    splits={
        "train": _files("train"),
        "validation": _files("val"),
        "test": _files("test"),
        ORIGINAL_VALIDATION: _files("test"),
    },
    media="YouTubeClips/{youtube_id}.avi",
    read_rows=read_rows,
)
