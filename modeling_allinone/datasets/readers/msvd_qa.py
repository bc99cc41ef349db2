# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MSVD-QA: open-ended questions about the 1,970 clips of MSVD (Xu et al., ACM Multimedia 2017)."""

from collections.abc import Iterator

from ..annotation_files import AnnotationFile, files_by_split, read_fields, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..answer_vocabularies import GivenVocabulary

VOCABULARY_FILES = (
    AnnotationFile("msvd_answer_set.txt", "an answer a line, 1000 of them"),
    AnnotationFile("answer_set.txt", "an answer a line"),
)
MAPPING_LINE = "such as 'mv89psg6zh4_33_46 vid123'"
MAPPING_FILES = tuple(AnnotationFile(f"{word}youtube_mapping.txt", f"lines {MAPPING_LINE}") for word in ("msvd_", ""))
FORMAT = "JSON list, or a line each, of objects with video_id (123), question, answer"


def read_rows(
    folder: AnnotationFolder, split: str, vocabulary: GivenVocabulary | None = None, num_answers: int = 1000
) -> Iterator[dict]:
    """Rows with `question`, `answer` and `label`; `video_id` is such as "vid123".

    Videos are called by the names that YouTube gave them, which a mapping tells; where they are called by number, as
    the questions' makers have them, `media_pattern="video/{video_id}.avi"` does without. The original's classifier has
    one more class than its vocabulary has answers, which is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or "test".
        vocabulary (*optional*): A file or the answers in the order of their labels, instead of `msvd_answer_set.txt`
            or, where that is missing, the most frequent answers of the training split.
        num_answers (`int`, defaults to 1000): How many of them, at least 1.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    answers = folder.choose_vocabulary(vocabulary, VOCABULARY_FILES, num_answers)
    youtube_ids = None  # lines with YouTube's names, by number
    if folder.media_needs("youtube_id"):
        youtube_ids = {line.text(1): line for line in read_fields(folder.find(MAPPING_FILES), 2, MAPPING_LINE)}
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
            **answers.labelled(record.text("answer")),
            "video_id": video_id,
        }
        yield row | ({"sample_id": record.text("id")} if "id" in record else {})


READER = AnnotationReader(
    name="msvd_qa",
    tasks=("question-answering",),
    publisher="https://github.com/xudejing/video-question-answering",
    splits=files_by_split(
        {"train": "train", "validation": "val", "test": "test"},
        AnnotationFile("msvd_{}_qa_encode.json", FORMAT),
        AnnotationFile("{}_qa.json", FORMAT),
    ),
    media="YouTubeClips/{youtube_id}.avi",
    read_rows=read_rows,
    validates_on_test=True,
)
