# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Answers about clips by a trained model: a few in memory, or those of many rows in a file."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import torch

from ..data.folder_lock import only_writer
from ..data.video_loading import note_of
from ..models.answers_allinone import (
    COLUMNS,
    METHODS,
    NUM_TEXTS_AT_ONCE,
    PROMPTS,
    Answerer,
    Prediction,
    Question,
    each_once,
)
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.processing_allinone import AllInOneProcessor
from ..models.video_processing_allinone import as_row
from .answer_file import AnswerFile, answer_row, keep_columns, make_folder_of, to_line
from .clip_batches import Batch, BatchCollator, TolerantLoader, for_each_batch
from .embedding import Rows
from .pretrained import load_pretrained

# The answers of a file are those of the model that goes on with it, up to rounding in another batch or precision.
_TOLERANCE = 0.02
_UNSURE_TOLERANCE = 0.05  # rounding moves shares most where no answer is sure
ALL_ANSWERS = 2**31  # that are returned


class Predictor(Answerer):
    """
    Answers about clips by a trained model. What can be asked depends on its head:

    | model | tasks |
    |---|---|
    | `AllInOneForVideoQuestionAnswering` | `ask` |
    | `AllInOneForMultipleChoice`, `AllInOneForVideoTextRetrieval` | `choose`; `classify` among any labels |
    | `AllInOneForVideoClassification` | `classify` among the classes that it was trained for |
    | `AllInOneForMaskedLM` | `fill` |
    | `AllInOneForPreTraining` | `fill`, `choose`, `classify` among any labels |

    Args:
        model ([`AllInOnePreTrainedModel`]): One of these; it is put into evaluation mode.
        processor ([`AllInOneProcessor`])
        score_by (`str`, *optional*): How texts are chosen by models for retrieval and of pre-training: `"pairs"` reads
            each text together with the clip; `"features"` compares what is made of each alone, which is less fine,
            and faster for many labels. Default: pairs, where the model has what scores them.

    Raises:
        ValueError: If the model has no such head, or none that scores so.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import (
    ...     AllInOneConfig,
    ...     AllInOneForVideoQuestionAnswering,
    ...     AllInOneProcessor,
    ...     AllInOneVideoProcessor,
    ...     Predictor,
    ... )

    >>> config = AllInOneConfig.from_preset("tiny", num_hidden_layers=1, id2label={0: "yes", 1: "no"})
    >>> processor = AllInOneProcessor(AllInOneVideoProcessor(), BertTokenizer())
    >>> predictor = Predictor(AllInOneForVideoQuestionAnswering(config), processor)
    >>> clip = np.zeros((8, 240, 320, 3), dtype=np.uint8)  # or a file: "clip.mp4"
    >>> prediction = predictor.ask(clip, "is it dark?")
    >>> prediction.answer in ("yes", "no"), len(prediction.top_k)
    (True, 2)

    ```
    """

    def __init__(self, model: AllInOnePreTrainedModel, processor: AllInOneProcessor, score_by: str | None = None):
        super().__init__(model, processor, score_by)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        score_by: str | None = None,
    ) -> "Predictor":
        """
        Load the model that a folder holds, whichever its head.

        Args:
            name (`str` or `Path`): A folder, or a repository of the Hub.
            device (`str` or `torch.device`, *optional*): Default: a GPU if there is one, else the CPU.
            dtype (`str` or `torch.dtype`, *optional*): What the model computes in, such as `"bfloat16"`. Default: that
                of the weights.
            score_by (`str`, *optional*): As in [`Predictor`].

        Returns:
            [`Predictor`]

        Raises:
            OSError: If there is no such folder or repository.
            ValueError: If it holds another model.
        """
        model, processor = load_pretrained(name, device, dtype)
        return cls(model, processor, score_by)

    @overload
    def ask(self, video: Any, questions: str, top_k: int = 5) -> Prediction: ...

    @overload
    def ask(self, video: Any, questions: Sequence[str], top_k: int = 5) -> list[Prediction]: ...

    def ask(self, video: Any, questions: str | Sequence[str], top_k: int = 5) -> Prediction | list[Prediction]:
        """
        Answer questions about a clip, out of the answers that the model was trained for.

        Args:
            video: A path, URL, bytes of a file, decoded frames `(T, H, W, 3)`, uint8, or a mapping with one of these
                as `video`, and `start` and `end` (seconds).
            questions (`str` or sequence of `str`): One, or any number, for which the clip is read once.
            top_k (`int`, defaults to 5): How many answers to return.

        Returns:
            [`Prediction`], or a `list` of them for several questions.

        Raises:
            ValueError: If the model answers no questions.
        """
        asked = [questions] if isinstance(questions, str) else questions
        predictions = self._ask_about(
            video, [{"question": one} for one in asked], Question("question-answering", top_k=top_k)
        )
        return predictions[0] if isinstance(questions, str) else predictions

    def choose(
        self, video: Any, options: Sequence[str], question: str | None = None, top_k: int | None = None
    ) -> Prediction:
        """
        Choose the text that fits a clip.

        Args:
            video: As in [`~Predictor.ask`].
            options (sequence of `str`): Texts to choose from.
            question (`str`, *optional*): What they answer, for models that were trained with questions.
            top_k (`int`, *optional*): How many of them to return. Default: all.

        Returns:
            [`Prediction`]

        Raises:
            ValueError: If there are no options, or one twice, or the model compares no texts with clips.
        """
        row = {"options": each_once("options", options), "question": question}
        limit = max(len(options), 1) if top_k is None else top_k
        return self._ask_about(video, [row], Question("multiple-choice", top_k=limit))[0]

    def classify(
        self,
        video: Any,
        labels: Sequence[str] | None = None,
        top_k: int = 5,
        prompts: str | Sequence[str] = PROMPTS,
    ) -> Prediction:
        """
        Name the class of a clip.

        Args:
            video: As in [`~Predictor.ask`].
            labels (sequence of `str`, *optional*): Classes to choose from. Default: those of the classification head,
                which chooses among its own only; other models choose among any, and need them.
            top_k (`int`, defaults to 5): How many classes to return.
            prompts (`str` or sequence of `str`, defaults to `"A person is doing {}"`): Texts of a class, whose name
                replaces `{}`, for models without a classification head. The scores of several are averaged.

        Returns:
            [`Prediction`]

        Raises:
            ValueError: If there are no labels, or one twice, or the head knows others or is given prompts, or the
                model cannot classify.
        """
        return self._ask_about(video, [{}], self.classification(labels, prompts, top_k))[0]

    def fill(self, video: Any, text: str, top_k: int = 5) -> Prediction:
        """
        Find the word that is hidden in a text about a clip.

        Args:
            video: As in [`~Predictor.ask`].
            text (`str`): With one `[MASK]`, the mask token of the tokenizer.
            top_k (`int`, defaults to 5): How many words to return, each a token of the vocabulary.

        Returns:
            [`Prediction`]

        Raises:
            ValueError: If the text has no mask or several, or the model fills none.
        """
        return self._ask_about(video, [{"text": text}], Question("masked-lm", top_k=top_k))[0]

    def predict(
        self,
        rows: Rows,
        output_file: str | Path,
        task: str | None = None,
        labels: Sequence[str] | None = None,
        prompts: str | Sequence[str] = PROMPTS,
        top_k: int = 5,
        batch_size: int = 16,
        num_workers: int = 1,
        on_decode_error: str = "skip",
        seconds_per_clip: float | None = None,
        retry_skipped: bool = False,
        show_progress: bool | None = None,
    ) -> dict[str, float]:
        """
        Answer many rows into a file of JSON lines.

        A line is the row with `answer`, `score` and `top_k`, in the order of the rows; a column `answer` of theirs
        comes back as `reference`, and columns `score` and `top_k` as `input_score` and `input_top_k`. Lines are
        written batch by batch. If this is interrupted, the same call goes on after the last whole line, so that each
        row is there once. Of a clip that cannot be read, `answer` and `score` are null, and `skipped_clips.jsonl`
        beside the file says why; so of a clip that two workers died of, as happens in decoders.

        Args:
            rows (sequence of mappings, or `datasets.Dataset`): Rows with `video` (path or URL) and what the task
                needs: `question`; `options` (a list, and perhaps `question`); `text` with one `[MASK]`; nothing more
                for classification. Optionally `start` and `end` (seconds). Other columns are kept.
            output_file (`str` or `Path`): Such as `answers.jsonl`; its folder is made if missing.
            task (`str`, *optional*): `"question-answering"`, `"multiple-choice"`, `"masked-lm"` or `"classification"`.
                Default: the one of the model that fits `labels` and the columns.
            labels, prompts: As in [`~Predictor.classify`].
            top_k (`int`, defaults to 5): How many answers a row gets.
            batch_size (`int`, defaults to 16): Rows read, and texts read together with their clips, at a time.
            num_workers (`int`, defaults to 1): Processes that read clips while the model computes; 0 is this one,
                which a crash of the decoder ends.
            on_decode_error (`str`, defaults to `"skip"`): What to do about a clip that cannot be read: `"skip"` or
                `"raise"`.
            seconds_per_clip (`float`, *optional*): Longest time to read a clip, in seconds. Default: no limit, so that
                a clip at which the decoder hangs is waited for.
            retry_skipped (`bool`, defaults to `False`): Whether clips that could not be read in an earlier call are
                read once more; answers take the places of nulls.
            show_progress (`bool`, *optional*): Whether there is a progress bar; by default, on a terminal.

        Returns:
            `dict`: `"num_rows"`, `"num_resumed"` (which were in the file) and `"num_skipped"` (without an answer); how
            long this call took, `"seconds"`, and how much of it was waiting for clips to be read, `"seconds_waited"`.

        Raises:
            ValueError: If the model cannot answer the rows or gives no numbers, if the file holds answers to others or
                by another model, or if another process is writing it.
            OSError: If the disk is full.
            DeadWorkerError: If a clip kills the process that reads it and is not to be skipped, or processes die of
                something else.
        """
        question = self._question_of(rows, task, labels, prompts, top_k)
        path, started = make_folder_of(output_file), time.perf_counter()
        reader = TolerantLoader(self.processor, on_decode_error=on_decode_error, seconds_per_clip=seconds_per_clip)
        with only_writer(path.parent, path.name):
            answers = AnswerFile(path, rows, retry_skipped)
            self._check_origin(question, rows, answers)
            num_resumed = len(rows) - len(answers.resume())

            def answer(places: list[int], batch: Batch):
                predictions = self.answer_batch(question, batch, batch_size)
                lines = [answer_row(row, one.top_k) for row, one in zip(batch.rows, predictions, strict=True)]
                reasons = {
                    place: batch.reasons[note_of(row)]
                    for place, row, one in zip(places, batch.rows, predictions, strict=True)
                    if one.answer is None
                }
                answers.add(places, lines, reasons)

            try:
                waited = for_each_batch(answer, rows, answers.resume, reader, batch_size, num_workers, show_progress)
            finally:
                answers.put_replaced()
        return {
            "num_rows": len(rows),
            "num_resumed": num_resumed,
            "num_skipped": len(answers.skipped),
            "seconds": time.perf_counter() - started,
            "seconds_waited": waited,
        }

    # -----------------------------------------------------------------------------------------------------------------
    # What is asked
    # -----------------------------------------------------------------------------------------------------------------

    def _question_of(
        self,
        rows: Rows,
        task: str | None,
        labels: Sequence[str] | None,
        prompts: str | Sequence[str],
        top_k: int,
    ) -> Question:
        """What to ask about rows, which have all that it needs."""
        task = self.find_task(rows, task, labels)
        if task == "classification":
            question = self.classification(labels, prompts, top_k)
        else:
            question = Question(task, top_k=top_k)
            for name, is_given in (("labels", labels is not None), ("prompts", tuple(prompts) != PROMPTS)):
                if is_given:
                    raise ValueError(
                        f"{name} are given, which {task} does not use; leave them out, or take 'classification'."
                    )
        for number in range(len(rows)):
            row = rows[number]
            self.check_row(question, row, f"Row {number}")
            try:
                to_line(keep_columns(row))
            except TypeError as error:
                raise ValueError(f"Row {number} cannot be written as JSON ({error}); give clips by path.") from error
        return question

    def find_task(self, rows: Rows, task: str | None = None, labels: Sequence[str] | None = None) -> str:
        """
        What [`~Predictor.predict`] asks about rows.

        Args:
            rows, task, labels: As there.

        Returns:
            `str`: The task.

        Raises:
            ValueError: If the model has no head for it, or for none that fits the rows.
        """
        columns = {name for name, value in rows[0].items() if value is not None} if len(rows) else set()
        if task is None and labels is None:
            fitting = [one for one in self.tasks if COLUMNS[one] is None or COLUMNS[one] in columns or not len(rows)]
            if not fitting:
                needed = " or ".join(f"{COLUMNS[one]} ({one})" for one in self.tasks)
                raise ValueError(
                    f"{self.name} holds {type(self.model).__name__}, which needs rows with {needed}; these have "
                    f"{', '.join(sorted(columns))}."
                )
            task = fitting[0]
        task = task or "classification"
        self.need(task)
        return task

    # -----------------------------------------------------------------------------------------------------------------
    # What the model says
    # -----------------------------------------------------------------------------------------------------------------

    def _ask_about(self, video: Any, rows: list[dict], question: Question) -> list[Prediction]:
        """Predictions for rows about one clip."""
        self.need(question.task)
        rows = [as_row(video) | row for row in rows]
        for row in rows:
            self.check_row(question, row, "What is asked")
        return self.answer_batch(question, BatchCollator(TolerantLoader(self.processor))(rows)) if rows else []

    def answer_batch(self, question: Question, batch: Batch, batch_size: int = NUM_TEXTS_AT_ONCE) -> list[Prediction]:
        """
        Answer rows whose clips have been read.

        Args:
            question ([`Question`]): What is asked about each.
            batch ([`Batch`])
            batch_size (`int`, defaults to 16): Texts read together with their clips at a time.

        Returns:
            `list` of [`Prediction`], one for each row.
        """
        texts = [self.texts_of(question, row) for row in batch.rows]
        scores = self.score(question.task, batch.clips, batch.clip_of, texts, batch_size)
        return [
            self.answer(question, row, of_row) if batch.is_readable[place] else Prediction()
            for row, place, of_row in zip(batch.rows, batch.clip_of, scores, strict=True)
        ]

    def _check_origin(self, question: Question, rows: Rows, answers: AnswerFile):
        """Raise a `ValueError` if answers that a file has, sure ones and less sure ones, are not this model's."""
        among_all = replace(question, top_k=ALL_ANSWERS)
        for place, (number, old) in enumerate(answers.samples):
            batch = BatchCollator(TolerantLoader(self.processor, on_decode_error="skip"))([rows[number]])
            (new,) = self.answer_batch(among_all, batch)
            if new.score is None:
                continue
            tolerance = _UNSURE_TOLERANCE if place else _TOLERANCE
            shares = {entry["answer"]: entry["score"] for entry in new.top_k}
            is_same = (
                len(old["top_k"]) == min(question.top_k, len(new.top_k))
                and all(abs(shares.get(one["answer"], -1.0) - one["score"]) <= tolerance for one in old["top_k"])
                and new.score - shares.get(old["answer"], -1.0) <= tolerance  # it is still among the best
            )
            if not is_same:
                raise ValueError(
                    f"{answers.path} says {old['answer']!r} ({old['score']:.3f}) in line {number + 1}, but "
                    f"{self.name} says {new.answer!r} ({new.score:.3f}) now: it was written with another model or "
                    "another task, top_k or prompt. Give another file, or remove this one."
                )


__all__ = ["ALL_ANSWERS", "COLUMNS", "METHODS", "PROMPTS", "Prediction", "Predictor", "Question"]
