# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Answers about clips by a trained model: a few in memory, or those of many rows in a file.

Every task is the same in three steps: each row makes texts that are read with its clip, a model scores these pairs of
text and clip, and the scores of a row become answers.
"""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast, overload

import torch

from ..data.folder_lock import only_writer
from ..data.video_loading import note_of
from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.modeling_masked_lm_allinone import AllInOneForMaskedLM
from ..models.modeling_multiple_choice_allinone import AllInOneForMultipleChoice
from ..models.modeling_pretraining_allinone import AllInOneForPreTraining
from ..models.modeling_question_answering_allinone import AllInOneForVideoQuestionAnswering
from ..models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from ..models.modeling_video_classification_allinone import AllInOneForVideoClassification
from ..models.processing_allinone import AllInOneProcessor
from .answer_file import AnswerFile, answer_row, keep_columns, make_folder_of, to_line
from .clip_batches import Batch, BatchCollator, TolerantLoader, for_each_batch
from .embedding import Rows, embed_texts, project_clips, with_views
from .pretrained import load_pretrained
from .zero_shot import share_weights

# What a row needs for a task beside its clip; what asks it.
COLUMNS = {"question-answering": "question", "multiple-choice": "options", "masked-lm": "text", "classification": None}
METHODS = {
    "question-answering": "ask",
    "multiple-choice": "choose",
    "masked-lm": "fill",
    "classification": "classify",
}
PROMPTS = ("A person is doing {}",)

_SINGLE = 16  # texts read at a time where a few are asked
_NUM_TEXTS = 10_000  # whose features are kept
# The answers of a file are those of the model that goes on with it, up to rounding in another batch or precision.
_TOLERANCE = 0.02
_UNSURE_TOLERANCE = 0.05  # rounding moves shares most where no answer is sure
ALL_ANSWERS = 2**31  # that are returned


@dataclass
class Prediction:
    """
    What a model says about a clip.

    Args:
        answer (`str`, *optional*): The best answer; `None` if the clip could not be read.
        score (`float`, *optional*): Its share among all answers that were possible, from 0 to 1; with soft labels
            (`config.problem_type` is `"multi_label_classification"`) its probability on its own.
        top_k (`list` of `dict`): The best answers, best first, each with `answer` and `score`.
    """

    answer: str | None = None
    score: float | None = None
    top_k: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Question:
    """
    What is asked about every row.

    Args:
        task (`str`): One of [`Predictor`]'s.
        labels, prompts, top_k: As in [`Predictor.classify`].
    """

    task: str
    labels: list[str] | None = None
    prompts: Sequence[str] = PROMPTS
    top_k: int = 5


class Predictor:
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
    >>> from modeling_allinone import AllInOneConfig, AllInOneProcessor, AllInOneVideoProcessor

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
        self.model = model.eval()
        self.processor = processor
        self.name = model.name_or_path or "the model"
        # What chooses texts by retrieval: the model itself, or what shares the weights of one of pre-training.
        self.retrieval = share_weights(model) if isinstance(model, AllInOneForPreTraining) else None
        if isinstance(model, AllInOneForVideoTextRetrieval):
            self.retrieval = model
        self.tasks = _tasks_of(model, self.retrieval)
        if not self.tasks:
            raise ValueError(
                f"{self.name} holds {type(model).__name__} without a head that answers; expected one of "
                "AllInOneForVideoQuestionAnswering, AllInOneForMultipleChoice, AllInOneForVideoTextRetrieval, "
                "AllInOneForVideoClassification, AllInOneForMaskedLM and AllInOneForPreTraining."
            )
        self.score_by = score_by or "pairs"
        if self.retrieval is not None:
            heads = {"pairs": self.retrieval.scorer, "features": self.retrieval.text_projection}
            possible = [name for name, head in heads.items() if head is not None]
            self.score_by = score_by or possible[0]
            if self.score_by not in possible:
                raise ValueError(f"score_by is {score_by!r}; {self.name} scores by {' and '.join(possible)}.")
        elif self.score_by != "pairs":
            raise ValueError(f"score_by is {score_by!r}, but {self.name} holds {type(model).__name__}; leave it out.")
        self._text_features: dict[str, torch.Tensor] = {}

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
        row = {"options": _each_once("options", options), "question": question}
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
        return self._ask_about(video, [{}], self._classification(labels, prompts, top_k))[0]

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

    def _need(self, task: str):
        """Raise a `ValueError` unless the model has a head for a task."""
        if task not in self.tasks:
            can = ", ".join(f"{METHODS[one]} ({one})" for one in self.tasks)
            raise ValueError(
                f"{self.name} holds {type(self.model).__name__}, which has no head for {task} "
                f"({METHODS.get(task, 'unknown')}); it can {can}. Load a model of that task."
            )

    def _classification(self, labels: Sequence[str] | None, prompts: str | Sequence[str], top_k: int) -> Question:
        """A question for a class, among the head's own or any."""
        self._need("classification")
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        labels = None if labels is None else _each_once("labels", labels)
        if not isinstance(self.model, AllInOneForVideoClassification):
            if not labels:
                raise ValueError(
                    f"{self.name} holds {type(self.model).__name__}, which has no classes of its own; give labels to "
                    "choose from."
                )
            if not prompts or not all("{}" in prompt for prompt in prompts):
                raise ValueError(f"prompts are {prompts}; expected texts with {{}}, where the name of a class goes.")
        elif prompts != list(PROMPTS):
            raise ValueError(
                f"prompts are {prompts}, but {self.name} has classes of its own, without texts; leave them out."
            )
        elif labels is not None:
            own = list((self.model.config.id2label or {}).values())
            unknown = [label for label in labels if label not in own]
            if unknown or not labels:
                raise ValueError(
                    f"labels hold {unknown}, which the head of {self.name} does not know; it knows {len(own)} "
                    f"classes: {', '.join(own[:20])}."
                )
        return Question("classification", labels, prompts, top_k)

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
            question = self._classification(labels, prompts, top_k)
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
        self._need(task)
        return task

    def check_row(self, question: Question, row: Mapping[str, Any], name: str):
        """
        Check that a row has what its task needs.

        Args:
            question ([`Question`]): What is asked about it.
            row (mapping)
            name (`str`): What errors call it.

        Raises:
            ValueError: If it has not.
        """
        if all(row.get(column) is None for column in ("video", "image")):
            raise ValueError(f"{name} has no video; its columns are {', '.join(map(str, row))}.")
        column = COLUMNS[question.task]
        if column is None:
            return
        value: Any = row.get(column)
        texts = value if column == "options" else [value]
        if not isinstance(texts, list | tuple) or not texts or not all(isinstance(text, str) for text in texts):
            expected = "a list of texts" if column == "options" else "a text"
            raise ValueError(f"{name} has {value!r:.80} as {column}; {question.task} needs {expected}.")
        mask = self.processor.tokenizer.mask_token
        if question.task == "masked-lm" and value.count(mask) != 1:
            raise ValueError(f"{name} has the text {value!r:.80}; expected one {mask} in it, the word to find.")

    def _texts(self, question: Question, row: Mapping[str, Any]) -> Sequence[Any]:
        """What is read with the clip of a row: a text, or none, or texts for each answer one after the other."""
        if question.task == "multiple-choice":
            options, asked = list(row["options"]), row.get("question")
            return options if asked is None else self.processor.apply_choice_template(asked, options)
        if (column := COLUMNS[question.task]) is not None:
            return [row[column]]
        if isinstance(self.model, AllInOneForVideoClassification):
            return [None]
        names = [label.replace("_", " ") for label in question.labels or ()]
        return [prompt.replace("{}", name) for name in names for prompt in question.prompts]

    # -----------------------------------------------------------------------------------------------------------------
    # What the model says
    # -----------------------------------------------------------------------------------------------------------------

    def _ask_about(self, video: Any, rows: list[dict], question: Question) -> list[Prediction]:
        """Predictions for rows about one clip."""
        self._need(question.task)
        clip = dict(video) if isinstance(video, Mapping) else {"video": video}
        rows = [clip | row for row in rows]
        for row in rows:
            self.check_row(question, row, "What is asked")
        return self.answer_batch(question, BatchCollator(TolerantLoader(self.processor))(rows)) if rows else []

    @torch.no_grad()
    def answer_batch(self, question: Question, batch: Batch, batch_size: int = _SINGLE) -> list[Prediction]:
        """
        Answer rows whose clips have been read.

        Args:
            question ([`Question`]): What is asked about each.
            batch ([`Batch`])
            batch_size (`int`, defaults to 16): Texts read together with their clips at a time.

        Returns:
            `list` of [`Prediction`], one for each row.
        """
        texts = [self._texts(question, row) for row in batch.rows]
        chooses = question.task == "multiple-choice" or (question.labels is not None and texts[0] != [None])
        scores: Sequence[torch.Tensor]
        if chooses and self.retrieval is not None and self.score_by == "features":
            scores = self._compare(self.retrieval, batch, texts)
        else:
            scores = self._read_pairs(question.task, batch, texts, batch_size)
        multi_label = not chooses and self.model.config.problem_type == "multi_label_classification"
        predictions = []
        for row, place, of_row in zip(batch.rows, batch.clip_of, scores, strict=True):
            if not batch.is_readable[place]:
                predictions.append(Prediction())
                continue
            if chooses:
                answers = list(row["options"]) if question.task == "multiple-choice" else list(question.labels or ())
                logits = of_row[:, 0].view(len(answers), -1).mean(dim=1)
            else:
                answers, logits = self.name_answers(question, of_row[0])
            best = self.processor.post_process_question_answering(
                logits[None], answers, question.top_k, multi_label=multi_label
            )[0]
            if any(math.isnan(one["score"]) for one in best):
                raise ValueError(
                    f"{self.name} gives no numbers as scores (NaN): its weights are broken, or too large for "
                    f"{self.model.dtype}. Load it with dtype='float32', or train it anew."
                )
            predictions.append(Prediction(**best[0], top_k=best))
        return predictions

    def name_answers(self, question: Question, logits: torch.Tensor) -> tuple[list[str], torch.Tensor]:
        """
        Answers of the model's own, or those of them that are asked for.

        Args:
            question ([`Question`])
            logits (`torch.FloatTensor` of shape `(..., answers)`): Of all answers.

        Returns:
            `list` of `str`, and their logits `(..., answers)`.
        """
        if question.task == "masked-lm":
            return self.processor.tokenizer.convert_ids_to_tokens(range(logits.shape[-1])), logits
        id2label = self.model.config.id2label or {}
        answers = [id2label[index] for index in range(logits.shape[-1])]
        if question.labels is None:
            return answers, logits
        return question.labels, logits[..., [answers.index(label) for label in question.labels]]

    def _compare(
        self, model: AllInOneForVideoTextRetrieval, batch: Batch, texts: list[Sequence[str]]
    ) -> Sequence[torch.Tensor]:
        """For every row, the logits (texts, 1) of the contrastive loss. Texts are read once for all batches."""
        new = list(dict.fromkeys(text for of_row in texts for text in of_row if text not in self._text_features))
        if len(self._text_features) + len(new) > _NUM_TEXTS:  # new ones with every row
            self._text_features, new = {}, list(dict.fromkeys(text for of_row in texts for text in of_row))
        features = embed_texts(model, self.processor, new, show_progress=False)
        self._text_features |= dict(zip(new, features, strict=True))
        clips = project_clips(model, batch.clips).cpu() / model.config.contrastive_temperature
        return [
            torch.stack([self._text_features[text] for text in of_row]) @ clips[place][:, None]
            for of_row, place in zip(texts, batch.clip_of, strict=True)
        ]

    def _read_pairs(self, task: str, batch: Batch, texts: list[Any], batch_size: int) -> Sequence[torch.Tensor]:
        """For every row, what the head says (texts, scores) of its texts, each read together with the clip."""
        pairs = [(place, text) for place, of_row in zip(batch.clip_of, texts, strict=True) for text in of_row]
        clips = with_views(batch.clips).to(self.model.device, self.model.dtype)
        num_views = clips["pixel_values"].shape[1]
        scores = []
        for start in range(0, len(pairs), batch_size):
            places, chosen = map(list, zip(*pairs[start : start + batch_size], strict=True))
            inputs = {name: values[places].flatten(0, 1) for name, values in clips.items()}
            if chosen[0] is not None:
                tokens = self.processor(text=chosen).to(self.model.device)
                inputs |= {name: values.repeat_interleave(num_views, dim=0) for name, values in tokens.items()}
            scores.append(self.compute_logits(task, inputs).float().unflatten(0, (-1, num_views)).mean(dim=1).cpu())
        return torch.cat(scores).split([len(of_row) for of_row in texts])

    def compute_logits(self, task: str, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """
        What the head says of texts, each read together with a clip.

        Args:
            task (`str`): One of `tasks`.
            inputs (`dict` of `torch.Tensor`): Of the model, a text and a clip a row, on its device.

        Returns:
            `torch.FloatTensor` of shape `(rows, scores)`: One score of a text to choose, or the logits of all answers.
        """
        if task == "masked-lm":
            is_masked = inputs["input_ids"] == self.processor.tokenizer.mask_token_id
            if not (is_masked.sum(dim=1) == 1).all():
                raise ValueError(
                    "A text is cut before its mask, as it is longer than the model reads; give a shorter one."
                )
            outputs = self.model(**inputs)
            logits = outputs.mlm_logits if isinstance(self.model, AllInOneForPreTraining) else outputs.logits
            return logits[is_masked][:, : len(self.processor.tokenizer)]
        if self.retrieval is not None:
            return cast(Any, self.retrieval).score_pairs(**inputs)[:, None]
        if isinstance(self.model, AllInOneForMultipleChoice):
            inputs |= {name: inputs[name][:, None] for name in ("input_ids", "attention_mask")}
        return self.model(**inputs).logits

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


def _each_once(name: str, texts: Sequence[str]) -> list[str]:
    """Texts to choose from as a list, if they are one, and none is there twice."""
    if isinstance(texts, str):
        raise ValueError(f"{name} is the text {texts!r}; expected a list of texts, such as [{texts!r}].")
    if repeated := [text for text, count in Counter(map(str, texts)).items() if count > 1]:
        raise ValueError(f"{name} hold {repeated[0]!r} more than once; give each once.")
    return list(texts)


def _tasks_of(model: AllInOnePreTrainedModel, retrieval: AllInOneForVideoTextRetrieval | None) -> tuple[str, ...]:
    """What a model has a head for, the task with the most columns first."""
    chooses = retrieval is not None or isinstance(model, AllInOneForMultipleChoice)
    fills = isinstance(model, AllInOneForMaskedLM)
    if isinstance(model, AllInOneForPreTraining):
        fills = model.mlm_head is not None
    heads = {
        "multiple-choice": chooses,
        "question-answering": isinstance(model, AllInOneForVideoQuestionAnswering),
        "masked-lm": fills,
        "classification": chooses or isinstance(model, AllInOneForVideoClassification),
    }
    return tuple(task for task, has_head in heads.items() if has_head)


__all__ = ["ALL_ANSWERS", "COLUMNS", "METHODS", "PROMPTS", "Prediction", "Predictor", "Question"]
