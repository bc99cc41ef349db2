"""What readers of open-ended questions share: the vocabulary of answers."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .annotation_files import AnnotationFile
from .annotation_reader import AnnotationFolder
from .answer_vocabularies import AnswerVocabulary


def choose_vocabulary(
    folder: AnnotationFolder,
    given: str | os.PathLike | Sequence[str] | AnswerVocabulary | None,
    candidates: Sequence[AnnotationFile],
    num_answers: int,
    read_answers: Callable[[Path], Iterable[str]],
) -> AnswerVocabulary:
    """Take the vocabulary that is given, else a file, else the most frequent answers of the training split.

    Args:
        folder (`AnnotationFolder`): What is read from; remembers the choice.
        given (*optional*): A file, answers in the order of their labels (such as those of a trained model), or a
            vocabulary.
        candidates (`Sequence[AnnotationFile]`): Files that a vocabulary may come in.
        num_answers (`int`): How many answers to keep where they are counted, at least 1.
        read_answers (`Callable`): Reads the answers of the file of the training split.

    Returns:
        `AnswerVocabulary`

    Raises:
        FileNotFoundError: If there is neither a vocabulary nor a training split.
    """
    if given is not None:
        vocabulary = AnswerVocabulary.given(given)
    else:
        path = folder.find((*candidates, *folder.reader.splits["train"]))
        if any(path == folder.root / candidate.path for candidate in candidates):
            vocabulary = AnswerVocabulary.from_file(path)
        else:
            vocabulary = AnswerVocabulary.most_frequent(read_answers(path), num_answers, "the training split")
    folder.vocabulary = vocabulary
    return vocabulary
