# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""VQAv2: open-ended questions about photographs of COCO (Goyal et al., CVPR 2017).

Ten people answered each question, so an answer is not right or wrong: one that n of them gave scores 0.3, 0.6, 0.9 or
1 for n = 1, 2, 3 or more. A model is trained on the scores of all answers:

```python
rows = rows.with_transform(by_row(partial(soft_label, num_answers=len(summarize(rows).answers))))
```
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator

from ..annotation_files import AnnotationFile, read_listed_records
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..answer_vocabularies import OUTSIDE_LABEL, AnswerVocabulary, GivenVocabulary

PARTS = {
    "train": ("train2014", "train2014"),
    "validation": ("val2014", "val2014"),
    "test": ("test2015", "test2015"),
    "test_dev": ("test-dev2015", "test2015"),
}
WITHOUT_ANSWERS = ("test", "test_dev")
# What the original trains on and validates on: the training split with most of the validation split, and the rest.
TRAINING, REST = "train_and_validation", "rest_validation"
PARTS_OF = {part: (part,) for part in PARTS} | {TRAINING: ("train", "validation"), REST: ("validation",)}
QUESTION_FORMAT = "JSON object whose questions have question_id, image_id, question"
ANNOTATION_FORMAT = "JSON object whose annotations have question_id, multiple_choice_answer, answers (10)"
# By number of people who gave an answer; more than that score as the last.
SCORES = (0.0, 0.3, 0.6, 0.9, 1.0)

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBER_WORDS = {"none": "0"} | {word: str(number) for number, word in enumerate(NUMBERS)}
ARTICLES = ("a", "an", "the")
CONTRACTIONS = """
    ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's isn't
    it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've shouldn't
    somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd there're there's
    they'd they'll they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd where's
    where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've
"""
CONTRACTION_OF = {contraction.replace("'", ""): contraction for contraction in CONTRACTIONS.split()}


def read_rows(
    folder: AnnotationFolder,
    split: str,
    vocabulary: GivenVocabulary | None = None,
    min_occurrences: int = 9,
    num_held_out_images: int = 1000,
) -> Iterator[dict]:
    """Rows with `question`, `answers` (of ten people), `answer_labels` and `answer_scores`.

    `answer_labels` are the labels of those answers that the vocabulary has, each once, and `answer_scores` their
    scores; both are empty where it has none of them (the original leaves such rows out). `answer` is the one most
    people gave, `label` its label. The test splits have questions only.

    The original trains on the training split and on the validation split but for 1000 images, which it keeps for
    validation, as ViLT does: "train_and_validation" and "rest_validation". It drew these images without a seed, so
    here they are others: those whose number has the lowest SHA-256. Like there, "train_and_validation" leaves out the
    questions that have no answer of the vocabulary; "rest_validation" has all, so that they count as answered wrong.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "validation", "test", "test_dev", "train_and_validation" or "rest_validation".
        vocabulary (*optional*): A file or the answers in the order of their labels. By default, as usual, the answers
            that are those of most people to `min_occurrences` questions of the training and the validation split (see
            [`normalize_answer`]), in the order in which they come first: 3129 of them.
        min_occurrences (`int`, defaults to 9): How many questions, at least 1.
        num_held_out_images (`int`, defaults to 1000): How many images "rest_validation" has, at least 1.

    Yields:
        `dict`
    """
    if vocabulary is not None:
        folder.vocabulary = AnswerVocabulary.given(vocabulary)
    elif split not in WITHOUT_ANSWERS:
        folder.vocabulary = _count_answers(folder, min_occurrences)
    held_out = _hold_out(folder, num_held_out_images) if split in (TRAINING, REST) else set()
    for part in PARTS_OF[split]:
        for image_id, row in _read_part(folder, part):
            is_held_out = part == "validation" and image_id in held_out
            if split == TRAINING and (is_held_out or not row["answer_labels"]):
                continue
            if split == REST and not is_held_out:
                continue
            yield row


def _read_part(folder: AnnotationFolder, part: str) -> Iterator[tuple[int, dict]]:
    """Numbers of images and the rows of the questions about them, of one of the makers' splits."""
    path = folder.find(_question_files(part))
    vocabulary = None if part in WITHOUT_ANSWERS else folder.vocabulary
    annotations = {} if vocabulary is None else _read_annotations(folder, part)
    place = PARTS[part][1]
    for record in read_listed_records(path, "questions"):
        question_id, image_id = record.integer("question_id"), record.integer("image_id")
        row = {
            "image": folder.media_path(record, folder=place, image=f"{image_id:012d}"),
            "question": record.text("question"),
            "video_id": str(image_id),
            "sample_id": str(question_id),
        }
        if vocabulary is not None:
            if question_id not in annotations:
                raise record.error(f"question {question_id} has no annotation in {folder.files[-1]}.")
            row |= _score(*annotations[question_id], vocabulary)
        yield image_id, row


def _hold_out(folder: AnnotationFolder, number: int) -> set[int]:
    """Images of the validation split that are not for training; the same everywhere, however they are ordered."""
    path = folder.find(_question_files("validation"))
    images = {record.integer("image_id") for record in read_listed_records(path, "questions")}
    if type(number) is not int or not 0 < number < len(images):
        raise ValueError(
            f"num_held_out_images is {number!r}; expected 1 to fewer than the {len(images)} images of {path}."
        )
    return set(sorted(images, key=lambda image: hashlib.sha256(str(image).encode()).digest())[:number])


def soft_label(row: dict, num_answers: int) -> dict:
    """Give a row the scores of all answers as its label, as a model is trained on them.

    Args:
        row (`dict`): A row of VQAv2.
        num_answers (`int`): Answers of the vocabulary: `len(summarize(rows).answers)`.

    Returns:
        `dict`, the row with `label` a list of `num_answers` scores from 0 to 1.

    Raises:
        ValueError: If the row has no scores, or a label that is none of the answers.

    Example:
        >>> soft_label({"answer_labels": [2, 0], "answer_scores": [0.9, 0.3], "label": 2}, num_answers=4)["label"]
        [0.3, 0.0, 0.9, 0.0]
    """
    if row["answer_labels"] is None:
        raise ValueError(f"The answers to question {row['sample_id']} are not public, so it has no scores.")
    if max(row["answer_labels"], default=0) >= num_answers:
        raise ValueError(f"num_answers is {num_answers}, but a label is {max(row['answer_labels'])}.")
    scores = [0.0] * num_answers
    for label, score in zip(row["answer_labels"], row["answer_scores"], strict=True):
        scores[label] = score
    return row | {"label": scores}


def normalize_answer(answer: str) -> str:
    """Bring an answer to the spelling in which answers are counted: the VQA challenge's, as others vary it.

    Lower case, without punctuation and articles, numbers in figures, apostrophes where they belong.

    Args:
        answer (`str`): What somebody answered.

    Returns:
        `str`

    Example:
        >>> normalize_answer("The two dogs."), normalize_answer("black/white"), normalize_answer("dont know")
        ('2 dogs', 'black white', "don't know")
    """
    has_thousands = re.search(r"\d,\d", answer)
    text = answer
    for mark in PUNCTUATION:
        stands_apart = f"{mark} " in answer or f" {mark}" in answer
        text = text.replace(mark, "" if stands_apart or has_thousands else " ")
    text = re.sub(r"\.(?!\d)", "", text)
    words = [NUMBER_WORDS.get(word, word) for word in text.lower().split()]
    return " ".join(CONTRACTION_OF.get(word, word) for word in words if word not in ARTICLES)


def _count_answers(folder: AnnotationFolder, min_occurrences: int) -> AnswerVocabulary:
    """Answers that are frequent enough, in the order in which they come first."""
    if type(min_occurrences) is not int or min_occurrences < 1:
        raise ValueError(f"min_occurrences is {min_occurrences!r}; expected a whole number from 1.")
    counts: Counter[str] = Counter()
    for split in ("train", "validation"):
        for record in read_listed_records(folder.find(_annotation_files(split)), "annotations"):
            counts[normalize_answer(record.text("multiple_choice_answer"))] += 1
    answers = tuple(answer for answer, count in counts.items() if count >= min_occurrences)
    return AnswerVocabulary(
        answers, f"the right ones to at least {min_occurrences} questions of the training and validation splits"
    )


def _read_annotations(folder: AnnotationFolder, split: str) -> dict[int, tuple[str, list[str]]]:
    """By question, the answer most people gave and what each answered."""
    annotations = {}
    for record in read_listed_records(folder.find(_annotation_files(split)), "annotations"):
        answers = [entry.optional_text("answer") or "" for entry in record.objects("answers", "answer", optional=True)]
        annotations[record.integer("question_id")] = record.text("multiple_choice_answer"), answers
    return annotations


def _score(answer: str, answers: list[str], vocabulary: AnswerVocabulary) -> dict:
    """Columns of what people answered."""
    counts = {text: count for text, count in Counter(answers).items() if vocabulary.label(text) != OUTSIDE_LABEL}
    return {
        **vocabulary.labelled(answer),
        "answers": answers,
        "answer_labels": [vocabulary.label(text) for text in counts],
        "answer_scores": [SCORES[min(count, len(SCORES) - 1)] for count in counts.values()],
    }


def _annotation_files(split: str) -> tuple[AnnotationFile, ...]:
    """The answers to a split."""
    return (AnnotationFile(f"v2_mscoco_{PARTS[split][0]}_annotations.json", ANNOTATION_FORMAT),)


def _question_files(split: str) -> tuple[AnnotationFile, ...]:
    """The questions of a split."""
    return (AnnotationFile(f"v2_OpenEnded_mscoco_{PARTS[split][0]}_questions.json", QUESTION_FORMAT),)


READER = AnnotationReader(
    name="vqav2",
    tasks=("question-answering",),
    publisher="https://visualqa.org/download.html",
    splits={split: _question_files(parts[0]) for split, parts in PARTS_OF.items()},
    media="{folder}/COCO_{folder}_{image}.jpg",
    read_rows=read_rows,
    extra_columns={"answers": "[string]", "answer_labels": "[int64]", "answer_scores": "[float64]"},
)


__all__ = ["soft_label"]
