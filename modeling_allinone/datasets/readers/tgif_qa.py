"""TGIF-QA: questions about animated GIFs (Jang et al., CVPR 2017).

FrameQA asks openly about what a frame shows; Action (what is done so many times) and Transition (what happens before
or after) have five options, which only the order of frames can tell apart.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, read_records, read_table
from ..annotation_reader import ORIGINAL_VALIDATION, AnnotationFolder, AnnotationReader
from ..open_ended_questions import choose_vocabulary

PUBLISHER = "https://github.com/YunseokJANG/tgif-qa"
MEDIA = "gifs/{video_id}.gif"
VOCABULARY_FILES = (
    AnnotationFile("frameqa_trainval_ans2label.json", "JSON object of labels by answer, 1540 of them"),
)
FRAME_KINDS = ("object", "number", "colour", "location")  # as the makers number them
NUM_OPTIONS = 5


def _files(part: str, word: str) -> tuple[AnnotationFile, ...]:
    """The original's file and, but for the validation split, which they do not have, the makers'."""
    fields = "question, answer" if part == "frameqa" else "question, options (5), answer (0 to 4)"
    files = [AnnotationFile(f"{part}_{word}.jsonl", f"JSON lines with gif_name, {fields}")]
    if word != "val":
        columns = fields.replace("options (5)", "a1 to a5")
        files.append(
            AnnotationFile(
                f"{word.capitalize()}_{part}_question.csv", f"tab-separated with gif_name, {columns}, vid_id"
            )
        )
    return tuple(files)


def read_open_ended_rows(
    folder: AnnotationFolder, split: str, vocabulary=None, num_answers: int = 1540
) -> Iterator[dict]:
    """Rows of FrameQA with `question`, `answer`, `label` and, in the makers' arrangement, `kind`.

    The original's classifier has one more class than its vocabulary has answers, which is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "test", "validation" (in the original's arrangement), or "original_validation", which
            is the test split.
        vocabulary (*optional*): A file or the answers in the order of their labels, instead of
            `frameqa_trainval_ans2label.json` or, where that is missing, the most frequent answers of the training
            split.
        num_answers (`int`, defaults to 1540): How many of them, at least 1.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    answers = choose_vocabulary(folder, vocabulary, VOCABULARY_FILES, num_answers, _read_answers)
    for record in _read(path):
        kind = FRAME_KINDS[record.integer("type", below=len(FRAME_KINDS))] if "type" in record else None
        label = answers.label(record.text("answer"))
        yield _row(folder, record) | {"answer": record.text("answer"), "label": label, "kind": kind}


def read_choice_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows of Action and Transition with `question`, `options`, `answer` and `label`.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "test", or "original_validation", which is the test split.

    Yields:
        `dict`
    """
    for record in _read(folder.find_split(split)):
        if "options" in record:
            options = record.texts("options", NUM_OPTIONS)
        else:
            options = [record.text(f"a{number}") for number in range(1, NUM_OPTIONS + 1)]
        label = record.integer("answer", below=NUM_OPTIONS)
        yield _row(folder, record) | {"options": options, "answer": options[label], "label": label}


def _read(path: Path) -> Iterator[Record]:
    return read_records(path) if path.suffix == ".jsonl" else read_table(path)


def _read_answers(path: Path) -> Iterator[str]:
    return (record.text("answer") for record in _read(path))


def _row(folder: AnnotationFolder, record: Record) -> dict:
    """What all three kinds of questions have."""
    video_id = record.text("gif_name")
    row = {
        "video": folder.media_path(record, video_id=video_id),
        "question": record.text("question"),
        "video_id": video_id,
    }
    return row | ({"sample_id": record.text("vid_id")} if "vid_id" in record else {})


def _splits(part: str, *splits: str) -> dict[str, tuple[AnnotationFile, ...]]:
    words = {"train": "train", "validation": "val", "test": "test", ORIGINAL_VALIDATION: "test"}
    return {split: _files(part, words[split]) for split in splits}


_choice_reader = partial(
    AnnotationReader,
    tasks=("multiple-choice-question-answering",),
    publisher=PUBLISHER,
    media=MEDIA,
    read_rows=read_choice_rows,
)
FRAME_QA = AnnotationReader(
    name="tgif_frameqa",
    tasks=("question-answering",),
    publisher=PUBLISHER,
    splits=_splits("frameqa", "train", "validation", "test", ORIGINAL_VALIDATION),
    media=MEDIA,
    read_rows=read_open_ended_rows,
    extra_columns={"kind": "string"},
)
ACTION = _choice_reader(name="tgif_action", splits=_splits("action", "train", "test", ORIGINAL_VALIDATION))
TRANSITION = _choice_reader(name="tgif_transition", splits=_splits("transition", "train", "test", ORIGINAL_VALIDATION))
