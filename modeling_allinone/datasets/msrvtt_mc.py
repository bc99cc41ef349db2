"""MSRVTT-MC: which of five captions is that of a clip (Yu et al., ECCV 2018); a test without training."""

from collections.abc import Iterator

from .annotation_files import AnnotationFile, read_records
from .annotation_reader import ORIGINAL_VALIDATION, AnnotationFolder, AnnotationReader

NUM_OPTIONS = 5
TEST_FILES = (
    AnnotationFile("msrvtt_mc_test.jsonl", "JSON lines with clip_name ('video7010'), options (5), answer (0 to 4)"),
)


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `options`, `answer` and `label`.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "test", or "original_validation", which is the same.

    Yields:
        `dict`
    """
    for record in read_records(folder.find_split(split)):
        video_id = record.text("clip_name")
        options = record.texts("options", NUM_OPTIONS)
        label = record.integer("answer", below=NUM_OPTIONS)
        yield {
            "video": folder.media_path(video_id=video_id),
            "options": options,
            "answer": options[label],
            "label": label,
            "video_id": video_id,
        }


READERS = (
    AnnotationReader(
        name="msrvtt_mc",
        tasks=("multiple-choice",),
        publisher="https://github.com/jayleicn/ClipBERT",
        splits={"test": TEST_FILES, ORIGINAL_VALIDATION: TEST_FILES},
        media="videos/all/{video_id}.mp4",
        read_rows=read_rows,
    ),
)
