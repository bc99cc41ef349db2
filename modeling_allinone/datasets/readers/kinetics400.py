"""Kinetics-400: clips of ten seconds, one of 400 actions each (Kay et al., arXiv 2017)."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ..action_lists import action_row, check_order
from ..annotation_files import AnnotationFile, Record, read_fields, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..answer_vocabularies import OUTSIDE_LABEL, AnswerVocabulary
from ..optional_text import optional_text

# The original's spelling, which its linear probe has seen.
PROMPT = "A persion is doing [MASK]"
ORIGINAL_FORMAT = "tab-separated lines of path ('.../abseiling/0wR5jVB-WPk_000417_000427.zip'), label"
MAKERS_FORMAT = "comma-separated with label, youtube_id, time_start, time_end, split"
CLASS_FILES = (AnnotationFile("kinetics_label_map.txt", "a class a line, that of label 0 first"),)
FOLDERS = {"train": "train", "validation": "val", "test": "test"}


def read_rows(folder: AnnotationFolder, split: str, vocabulary=None, prompt: str | None = PROMPT) -> Iterator[dict]:
    """Rows with `label` (the class), `answer` (its name) and `question` (the prompt).

    The pattern of videos knows `split` ("train", "val", "test"), `action` (the folder, in the makers' arrangement the
    class) and `video_id` ("0wR5jVB-WPk_000417_000427", YouTube's name and whole seconds). The original's classifier
    has one more class than there are actions, which is never a label.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation" or, in the makers' arrangement, "test".
        vocabulary (*optional*): A file or the classes in the order of their labels, instead of
            `kinetics_label_map.txt` or, in the makers' arrangement without it, the classes of the training split (of
            the split itself, where that is missing) in the order of the alphabet.
        prompt (`str`, *optional*, defaults to `"A persion is doing [MASK]"`): What the model reads with each clip, or
            `None` for nothing.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    is_makers = path.suffix == ".csv"
    classes = _find_classes(folder, path if is_makers else None, vocabulary)
    folder.vocabulary = classes
    clips = _read_makers_clips(path, classes) if is_makers else _read_clips(path, classes)
    for record, action, video_id, label in clips:
        video = folder.media_path(record, split=FOLDERS[split], action=action, video_id=video_id)
        yield action_row(video, video_id, label, classes, prompt)


def _find_classes(folder: AnnotationFolder, makers_path: Path | None, given) -> AnswerVocabulary:
    if given is not None:
        return AnswerVocabulary.given(given)
    if makers_path is not None and not folder.has(CLASS_FILES):
        tables = [file for file in folder.reader.splits["train"] if file.format == MAKERS_FORMAT]
        makers_path = folder.find(tables) if folder.has(tables) else makers_path
        names = {optional_text(record, "label") for record in read_table(makers_path, delimiter=",")} - {None}
        if names:
            return AnswerVocabulary(tuple(sorted(names)), f"the labels of {makers_path} in the order of the alphabet")
    return AnswerVocabulary.from_file(folder.find(CLASS_FILES))


def _read_clips(path: Path, classes: AnswerVocabulary) -> Iterator[tuple[Record, str, str, int]]:
    """Entry, folder, name and label of each clip; the paths are those of a machine where they lay zipped."""
    clips = []
    for record in read_fields(path, 2, ORIGINAL_FORMAT, separator="\t"):
        place = PurePosixPath(record.text(0))
        clips.append((record, place.parent.name, place.stem, record.integer(1, below=len(classes.answers))))
    check_order(path, ((action, label) for _, action, _, label in clips), classes)
    yield from clips


def _read_makers_clips(path: Path, classes: AnswerVocabulary) -> Iterator[tuple[Record, str, str, int | None]]:
    """Entry, class, name and label of each clip; those of the test split are not public."""
    for record in read_table(path, delimiter=","):
        action = optional_text(record, "label")
        label = None if action is None else classes.label(action)
        if label == OUTSIDE_LABEL:
            raise record.error(f"field 'label' is {action!r}, which is none of the {len(classes.answers)} classes.")
        start, end = record.integer("time_start"), record.integer("time_end")
        yield record, action or "", f"{record.text('youtube_id')}_{start:06d}_{end:06d}", label


READER = AnnotationReader(
    name="kinetics400",
    tasks=("classification",),
    publisher="https://github.com/cvdfoundation/kinetics-dataset",
    splits={
        "train": (
            AnnotationFile("k400_train_tsm.list", ORIGINAL_FORMAT),
            AnnotationFile("train.csv", MAKERS_FORMAT),
            AnnotationFile("kinetics_train.csv", MAKERS_FORMAT),
        ),
        "validation": (
            AnnotationFile("k400_test_tsm.list", ORIGINAL_FORMAT),
            AnnotationFile("val.csv", MAKERS_FORMAT),
            AnnotationFile("validate.csv", MAKERS_FORMAT),
            AnnotationFile("kinetics_val.csv", MAKERS_FORMAT),
        ),
        "test": (
            AnnotationFile("test.csv", MAKERS_FORMAT),
            AnnotationFile("kinetics_test.csv", MAKERS_FORMAT),
        ),
    },
    media="{split}/{action}/{video_id}.*",
    read_rows=read_rows,
)
