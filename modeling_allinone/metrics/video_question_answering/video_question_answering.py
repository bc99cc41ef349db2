# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Accuracy of open-ended video question answering, also by answer frequency and by question word, and WUPS."""

import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real

from datasets import Features, Value

from modeling_allinone.metrics.task_metric import TaskMetric

_OUT_OF_VOCABULARY = -100
_QUESTION_WORDS = ("what", "who", "how", "when", "where")
_WUPS_THRESHOLDS = (0.0, 0.9)
_WEIGHT_BELOW_THRESHOLD = 0.1


def _check_answers(predictions: list, references: list, vocabulary: Sequence[str] | None) -> None:
    """Refuse answers that are none, ids of none, and a vocabulary that is no list of them."""
    if isinstance(vocabulary, str | Mapping) or not all(isinstance(answer, str) for answer in vocabulary or ()):
        raise ValueError(f"vocabulary is {vocabulary!r:.80}; pass a list of answer strings in the order of their ids.")
    for name, answers in (("predictions", predictions), ("references", references)):
        if None in answers:
            raise ValueError(f"{name}[{answers.index(None)}] is None; give an answer in every row.")
        if isinstance(answers[0], str):
            continue
        num_answers = math.inf if vocabulary is None else len(vocabulary)
        expected = "from 0" + ("" if vocabulary is None else f" to {num_answers - 1}, as there are in vocabulary")
        for row, answer in enumerate(answers):
            if name == "references" and answer == _OUT_OF_VOCABULARY:
                continue
            if not 0 <= answer < num_answers:
                raise ValueError(
                    f"{name}[{row}] is {answer}; give the id of an answer, {expected}. In references, "
                    f"{_OUT_OF_VOCABULARY} is an answer outside the vocabulary."
                )


def _are_in_vocabulary(references: list, vocabulary: Sequence[str] | None) -> list[bool]:
    """Whether the vocabulary has the right answer of each row."""
    if vocabulary is None or not isinstance(references[0], str):
        return [reference != _OUT_OF_VOCABULARY for reference in references]
    answers = set(vocabulary)
    return [reference in answers for reference in references]


def _accuracy_by(name: str, groups: list[str], is_right: list[bool]) -> dict:
    """Accuracy and number of rows of every group, under names that start with `name`."""
    num_rows = Counter(groups)
    num_right = Counter(group for group, right in zip(groups, is_right, strict=True) if right)
    results = {}
    for group in sorted(num_rows):
        results[f"accuracy_{name}_{group}"] = num_right[group] / num_rows[group]
        results[f"num_rows_{name}_{group}"] = num_rows[group]
    return results


def _question_words(questions: Sequence[str], num_rows: int) -> list[str]:
    """The first word of each question, "other" where it is none of `_QUESTION_WORDS`."""
    if isinstance(questions, str) or len(questions) != num_rows:
        raise ValueError(f"There are {num_rows} rows but {len(questions)} questions; give a list of one for each row.")
    words: list[str] = []
    for row, question in enumerate(questions):
        if not isinstance(question, str):
            raise ValueError(f"questions[{row}] is {question!r}; give its text.")
        first_word = re.findall(r"[a-z]+", question.lower())[:1]
        words += first_word if first_word and first_word[0] in _QUESTION_WORDS else ["other"]
    return words


def _training_ranges(references: list, answer_counts: Mapping | Sequence[int]) -> list[str]:
    """Names the range of training counts that the right answer of each row is in."""
    if not isinstance(answer_counts, Mapping):
        answer_counts = dict(enumerate(answer_counts))
    for answer, count in answer_counts.items():
        if isinstance(answer, str) != isinstance(references[0], str):
            raise ValueError(
                f"answer_counts has the key {answer!r}, but references are such as {references[0]!r}; give the counts "
                f"of answers where references are answers, and of ids where they are ids."
            )
        if not isinstance(count, Integral) or count < 0:
            raise ValueError(f"answer_counts has {count!r} for {answer!r}; give the number of its training rows.")
    return [
        "unknown" if reference == _OUT_OF_VOCABULARY else _training_range(answer_counts.get(reference, 0))
        for reference in references
    ]


def _training_range(count: int) -> str:
    """The range, a power of ten wide, that a training count is in."""
    if count == 0:
        return "never"
    if count >= 1000:
        return "1000_or_more"
    lowest = 10 ** (len(str(count)) - 1)
    return f"{lowest}_to_{10 * lowest - 1}"


def _wordnet_similarity(word: str, other: str) -> float:
    """Wu-Palmer similarity of the closest noun senses; 0 for words that have none."""
    remedy = (
        "install it and its data (pip install nltk; python -m nltk.downloader wordnet), or pass a function of two "
        "words as word_similarity"
    )
    try:
        from nltk.corpus import wordnet
    except ImportError as error:
        raise ImportError(f'word_similarity="wordnet" needs the library nltk; {remedy}.') from error
    try:
        senses, other_senses = (wordnet.synsets(lemma, pos=wordnet.NOUN) for lemma in (word, other))
    except LookupError as error:
        raise LookupError(f'word_similarity="wordnet" needs the WordNet data of nltk; {remedy}.') from error
    return max((first.wup_similarity(second) or 0.0 for first in senses for second in other_senses), default=0.0)


def _checked_similarity(word_similarity: str | Callable[[str, str], float]) -> Callable[[str, str], float]:
    """Wraps the similarity of two words: 1 for equal ones, each other pair asked once and its value checked."""
    if not callable(word_similarity) and word_similarity != "wordnet":
        raise ValueError(f'word_similarity is {word_similarity!r}; pass "wordnet" or a function of two words.')
    similarity_of_different_words = word_similarity if callable(word_similarity) else _wordnet_similarity

    @functools.cache
    def similarity(word: str, other: str) -> float:
        if word == other:
            return 1.0
        value = similarity_of_different_words(word, other)
        if not isinstance(value, Real) or not 0 <= float(value) <= 1:
            raise ValueError(
                f"word_similarity returned {value!r} for {word!r} and {other!r}; it must be a number from 0 to 1."
            )
        return float(value)

    return similarity


def _wups(prediction: str, reference: str, similarity: Callable[[str, str], float], threshold: float) -> float:
    """Malinowski & Fritz (2014), the score of one row."""

    def closeness(word: str, others: list[str]) -> float:
        value = max((similarity(word, other) for other in others), default=0.0)
        return value if value >= threshold else _WEIGHT_BELOW_THRESHOLD * value

    predicted, expected = (
        [word.strip() for word in answer.split(",") if word.strip()] for answer in (prediction, reference)
    )
    return min(
        math.prod(closeness(word, expected) for word in predicted),
        math.prod(closeness(word, predicted) for word in expected),
    )


class VideoQuestionAnswering(TaskMetric):
    """Accuracy of open-ended video question answering, where the prediction is one answer of a vocabulary. Answers are
    given as strings, which are compared as they are (bring both to one case and spelling first), or as ids.

    Every row counts. A reference outside the vocabulary, given as the id -100 or as a string that `vocabulary` lacks,
    is counted wrong, whatever the prediction.

    On request, accuracy is also given

    - by the first word of the question: what, who, how, when, where and other, as is usual for MSRVTT-QA and MSVD-QA
      (Xu et al. 2017);
    - by how often the right answer occurs in training: never, 1 to 9, 10 to 99, 100 to 999, and 1000 times or more;
      and unknown for references given as -100;

    and WUPS (Malinowski & Fritz 2014) at 0.0 and 0.9, which gives part of a point to a similar answer. An answer is
    taken as the set of its parts between commas. The similarity of two words is multiplied by 0.1 where it is below
    the threshold; the score of a row is the smaller of two products: over predicted words of the similarity to the
    closest reference word, and over reference words of that to the closest predicted word. Rows outside the vocabulary
    score 0.

    Args:
        predictions (`list` of `str` or `int`): Predicted answers, or their ids, from 0.
        references (`list` of `str` or `int`): Right answers, or their ids; -100 is an answer outside the vocabulary.
        questions (`list` of `str`, *optional*): The questions in the order of the rows, for accuracy by question word.
            Pass them to `compute`; or load the configuration `"with_questions"` and add them with each batch, as
            several processes must.
        vocabulary (`list` of `str`, *optional*): The answers that the model can give, in the order of their ids.
        answer_counts (`dict` of answer or id to `int`, or `list` of `int` by id, *optional*): How often each answer
            occurs in training, for accuracy by answer frequency. Answers that it lacks occur never.
        word_similarity (`"wordnet"`, or a function of two `str` that returns a `float` from 0 to 1, *optional*): Adds
            WUPS. `"wordnet"` is the Wu-Palmer similarity of the closest noun senses; it needs `nltk` and its WordNet
            data. Equal words have similarity 1 in any case. Answers given as ids need `vocabulary` too.

    Returns:
        accuracy (`float`): From 0 to 1.
        num_rows (`int`): Number of rows.
        num_out_of_vocabulary (`int`): Rows whose reference is outside the vocabulary.
        accuracy_question_{word}, num_rows_question_{word}: Of each question word that occurs.
        accuracy_answer_seen_{times}, num_rows_answer_seen_{times}: Of each range of training counts that occurs:
            `never`, `1_to_9`, `10_to_99`, `100_to_999`, `1000_or_more`, `unknown`.
        wups_at_0.0, wups_at_0.9 (`float`): From 0 to 1.

    Examples:

        >>> import evaluate
        >>> from modeling_allinone.metrics import metric_path
        >>> metric = evaluate.load(metric_path("video_question_answering"), keep_in_memory=True)

        Ids, as in the Trainer's `compute_metrics`: `predictions=output.predictions.argmax(-1)`,
        `references=output.label_ids`.

        >>> metric.compute(predictions=[3, 0, 7, 2], references=[3, 1, 7, -100])
        {'accuracy': 0.5, 'num_rows': 4, 'num_out_of_vocabulary': 1}

        Strings, with all that can be asked for:

        >>> results = metric.compute(
        ...     predictions=["dog", "two"],
        ...     references=["cat", "two"],
        ...     questions=["What is sleeping?", "How many cats are there?"],
        ...     vocabulary=["cat", "dog", "two"],
        ...     answer_counts={"cat": 40, "dog": 5, "two": 12},
        ...     word_similarity=lambda word, other: 0.8,
        ... )
        >>> for name, value in results.items():
        ...     print(f"{name}: {value:g}")
        accuracy: 0.5
        num_rows: 2
        num_out_of_vocabulary: 0
        accuracy_question_how: 1
        num_rows_question_how: 1
        accuracy_question_what: 0
        num_rows_question_what: 1
        accuracy_answer_seen_10_to_99: 0.5
        num_rows_answer_seen_10_to_99: 2
        wups_at_0.0: 0.9
        wups_at_0.9: 0.54

    Citation:

        @inproceedings{xu2017video,
            title = {Video Question Answering via Gradually Refined Attention over Appearance and Motion},
            author = {Xu, Dejing and Zhao, Zhou and Xiao, Jun and Wu, Fei and Zhang, Hanwang and He, Xiangnan and
                Zhuang, Yueting},
            booktitle = {ACM International Conference on Multimedia},
            year = {2017}
        }
        @inproceedings{malinowski2014multiworld,
            title = {A Multi-World Approach to Question Answering about Real-World Scenes based on Uncertain Input},
            author = {Malinowski, Mateusz and Fritz, Mario},
            booktitle = {Advances in Neural Information Processing Systems},
            year = {2014}
        }
    """

    def row_features(self) -> list[Features]:
        if self.config_name not in ("default", "with_questions"):
            raise ValueError(f'There is no configuration {self.config_name!r}; choose "default" or "with_questions".')
        questions = {"questions": Value("string")} if self.config_name == "with_questions" else {}
        return [
            Features({"predictions": Value(answer), "references": Value(answer), **questions})
            for answer in ("string", "int64")
        ]

    def _compute(
        self,
        predictions: list,
        references: list,
        questions: Sequence[str] | None = None,
        vocabulary: Sequence[str] | None = None,
        answer_counts: Mapping | Sequence[int] | None = None,
        word_similarity: str | Callable[[str, str], float] | None = None,
    ) -> dict:
        _check_answers(predictions, references, vocabulary)
        is_known = _are_in_vocabulary(references, vocabulary)
        rows = list(zip(predictions, references, is_known, strict=True))
        is_right = [known and prediction == reference for prediction, reference, known in rows]
        results = {
            "accuracy": sum(is_right) / len(rows),
            "num_rows": len(rows),
            "num_out_of_vocabulary": is_known.count(False),
        }
        if questions is not None:
            results |= _accuracy_by("question", _question_words(questions, len(rows)), is_right)
        if answer_counts is not None:
            results |= _accuracy_by("answer_seen", _training_ranges(references, answer_counts), is_right)
        if word_similarity is not None:
            similarity = _checked_similarity(word_similarity)
            pairs = [(prediction, reference) for prediction, reference, known in rows if known]
            if not isinstance(references[0], str):
                if vocabulary is None:
                    raise ValueError(
                        "WUPS compares words but the answers are ids; pass vocabulary, the answers by id."
                    )
                pairs = [(vocabulary[prediction], vocabulary[reference]) for prediction, reference in pairs]
            for threshold in _WUPS_THRESHOLDS:
                scores = [_wups(*pair, similarity, threshold) for pair in pairs]
                results[f"wups_at_{threshold}"] = math.fsum(scores) / len(rows)
        return results
