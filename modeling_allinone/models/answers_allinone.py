# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Answers about clips that have been read, by a model of any head: what pipelines and [`Predictor`] have in common.

Every task is the same in three steps: each row makes texts that are read with its clip, a model scores these pairs of
text and clip, and the scores of a row become answers.
"""

import copy
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import nn
from transformers.feature_extraction_utils import BatchFeature

from .modeling_allinone import AllInOnePreTrainedModel
from .modeling_pretraining_allinone import AllInOneForPreTraining
from .modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from .processing_allinone import AllInOneProcessor
from .tasks_allinone import is_a, tasks_of

# What a row needs for a task beside its clip; what asks it of a [`Predictor`].
COLUMNS = {"question-answering": "question", "multiple-choice": "options", "masked-lm": "text", "classification": None}
METHODS = {
    "question-answering": "ask",
    "multiple-choice": "choose",
    "masked-lm": "fill",
    "classification": "classify",
}
PROMPTS = ("A person is doing {}",)

NUM_TEXTS_AT_ONCE = 16  # read together with their clips, where a few are asked
_NUM_TEXTS = 10_000  # whose features are kept
_NUM_FEATURES_AT_ONCE = 256


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


class Answerer:
    """
    Scores texts with clips that have been read, and makes answers of the scores.

    Args:
        model ([`AllInOnePreTrainedModel`]): With a head that answers, and perhaps adapters of `peft`; it is put into
            evaluation mode.
        processor ([`AllInOneProcessor`])
        score_by (`str`, *optional*): How texts are chosen by models for retrieval and of pre-training: `"pairs"` or
            `"features"`. Default: pairs, where the model has what scores them.

    Raises:
        ValueError: If the model has no such head, or none that scores so.
    """

    def __init__(self, model: AllInOnePreTrainedModel, processor: AllInOneProcessor, score_by: str | None = None):
        self.model = model = _adapted(model).eval()
        self.processor = processor
        self.name = model.name_or_path or "the model"
        # What chooses texts by retrieval: the model itself, or what shares the weights of one of pre-training.
        self.retrieval: AllInOneForVideoTextRetrieval | None = None
        if is_a(model, "AllInOneForPreTraining"):
            self.retrieval = share_weights(cast(AllInOneForPreTraining, model))
        elif is_a(model, "AllInOneForVideoTextRetrieval"):
            self.retrieval = cast(AllInOneForVideoTextRetrieval, model)
        self.tasks = tasks_of(model)
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

    # -----------------------------------------------------------------------------------------------------------------
    # What is asked
    # -----------------------------------------------------------------------------------------------------------------

    def need(self, task: str):
        """
        Check that the model has a head for a task.

        Args:
            task (`str`)

        Raises:
            ValueError: If it has none.
        """
        if task not in self.tasks:
            can = ", ".join(f"{METHODS[one]} ({one})" for one in self.tasks)
            raise ValueError(
                f"{self.name} holds {type(self.model).__name__}, which has no head for {task} "
                f"({METHODS.get(task, 'unknown')}); it can {can}. Load a model of that task."
            )

    def classification(self, labels: Sequence[str] | None, prompts: str | Sequence[str], top_k: int) -> Question:
        """
        A question for a class, among the head's own or any.

        Args:
            labels, prompts, top_k: As in [`Predictor.classify`].

        Returns:
            [`Question`]

        Raises:
            ValueError: If there are no labels, or one twice, or the head knows others or is given prompts, or the
                model cannot classify.
        """
        self.need("classification")
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        labels = None if labels is None else each_once("labels", labels)
        if self._chooses("classification"):
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

    def texts_of(self, question: Question, row: Mapping[str, Any]) -> Sequence[Any]:
        """
        What is read with the clip of a row.

        Args:
            question ([`Question`])
            row (mapping)

        Returns:
            A text, or none, or texts for each answer one after the other.
        """
        if question.task == "multiple-choice":
            options, asked = list(row["options"]), row.get("question")
            return options if asked is None else self.processor.apply_choice_template(asked, options)
        if (column := COLUMNS[question.task]) is not None:
            return [row[column]]
        if not self._chooses(question.task):
            return [None]
        names = [label.replace("_", " ") for label in question.labels or ()]
        return [prompt.replace("{}", name) for name in names for prompt in question.prompts]

    def _chooses(self, task: str) -> bool:
        """Whether the answers are texts, each scored with the clip; otherwise the head scores answers of its own."""
        if task == "classification":
            return not is_a(self.model, "AllInOneForVideoClassification")
        return task == "multiple-choice"

    # -----------------------------------------------------------------------------------------------------------------
    # What the model says
    # -----------------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def score(
        self,
        task: str,
        clips: Mapping[str, torch.Tensor],
        clip_of: Sequence[int],
        texts: Sequence[Sequence[Any]],
        batch_size: int = NUM_TEXTS_AT_ONCE,
    ) -> Sequence[torch.Tensor]:
        """
        Score the texts of rows with their clips.

        Args:
            task (`str`): One of `tasks`.
            clips (mapping of `str` to `torch.Tensor`): `pixel_values` of shape `(B, T, 3, H, W)`, or `(B, views, T, 3,
                H, W)`, and perhaps `pixel_mask`; scores are averaged over views.
            clip_of (sequence of `int`): For each row, which of the clips is its own.
            texts (sequence of sequences): For each row, what [`~Answerer.texts_of`] gives; at least one row.
            batch_size (`int`, defaults to 16): Texts read together with their clips at a time.

        Returns:
            sequence of `torch.FloatTensor` of shape `(texts, scores)` on the CPU, for each row: one score of a text to
            choose, or the logits of all answers.
        """
        if self._chooses(task) and self.retrieval is not None and self.score_by == "features":
            return self._compare(self.retrieval, clips, clip_of, texts)
        return self._read_pairs(task, clips, clip_of, texts, batch_size)

    def answer(self, question: Question, row: Mapping[str, Any], scores: torch.Tensor) -> Prediction:
        """
        The best answers of a row.

        Args:
            question ([`Question`])
            row (mapping)
            scores (`torch.FloatTensor` of shape `(texts, scores)`): As [`~Answerer.score`] gives them.

        Returns:
            [`Prediction`]

        Raises:
            ValueError: If they are no numbers.
        """
        chooses = self._chooses(question.task)
        if chooses:
            answers = list(row["options"]) if question.task == "multiple-choice" else list(question.labels or ())
            logits = scores[:, 0].view(len(answers), -1).mean(dim=1)
        else:
            answers, logits = self.name_answers(question, scores[0])
        multi_label = not chooses and self.model.config.problem_type == "multi_label_classification"
        best = self.processor.post_process_question_answering(
            logits[None], answers, question.top_k, multi_label=multi_label
        )[0]
        if any(math.isnan(one["score"]) for one in best):
            raise ValueError(
                f"{self.name} gives no numbers as scores (NaN): its weights are broken, or too large for "
                f"{self.model.dtype}. Load it with dtype='float32', or train it anew."
            )
        return Prediction(**best[0], top_k=best)

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
            logits = outputs.mlm_logits if is_a(self.model, "AllInOneForPreTraining") else outputs.logits
            return logits[is_masked][:, : len(self.processor.tokenizer)]
        if self.retrieval is not None:
            return cast(Any, self.retrieval).score_pairs(**inputs)[:, None]
        if is_a(self.model, "AllInOneForMultipleChoice"):
            inputs |= {name: inputs[name][:, None] for name in ("input_ids", "attention_mask")}
        return self.model(**inputs).logits

    def _compare(
        self,
        model: AllInOneForVideoTextRetrieval,
        clips: Mapping[str, torch.Tensor],
        clip_of: Sequence[int],
        texts: Sequence[Sequence[str]],
    ) -> Sequence[torch.Tensor]:
        """For every row, the logits (texts, 1) of the contrastive loss. Texts are read once for all batches."""
        new = list(dict.fromkeys(text for of_row in texts for text in of_row if text not in self._text_features))
        if len(self._text_features) + len(new) > _NUM_TEXTS:  # new ones with every row
            self._text_features, new = {}, list(dict.fromkeys(text for of_row in texts for text in of_row))
        for start in range(0, len(new), _NUM_FEATURES_AT_ONCE):
            batch = new[start : start + _NUM_FEATURES_AT_ONCE]
            self._text_features |= zip(batch, project_texts(model, self.processor, batch).cpu(), strict=True)
        features = project_clips(model, clips).cpu() / model.config.contrastive_temperature
        return [
            torch.stack([self._text_features[text] for text in of_row]) @ features[place][:, None]
            for of_row, place in zip(texts, clip_of, strict=True)
        ]

    def _read_pairs(
        self,
        task: str,
        clips: Mapping[str, torch.Tensor],
        clip_of: Sequence[int],
        texts: Sequence[Sequence[Any]],
        batch_size: int,
    ) -> Sequence[torch.Tensor]:
        """For every row, what the head says (texts, scores) of its texts, each read together with the clip."""
        pairs = [(place, text) for place, of_row in zip(clip_of, texts, strict=True) for text in of_row]
        views = with_views(clips).to(self.model.device, self.model.dtype)
        num_views = views["pixel_values"].shape[1]
        scores = []
        for start in range(0, len(pairs), batch_size):
            places, chosen = map(list, zip(*pairs[start : start + batch_size], strict=True))
            inputs = {name: values[places].flatten(0, 1) for name, values in views.items()}
            if chosen[0] is not None:
                tokens = self.processor(text=chosen).to(self.model.device)
                inputs |= {name: values.repeat_interleave(num_views, dim=0) for name, values in tokens.items()}
            scores.append(self.compute_logits(task, inputs).float().unflatten(0, (-1, num_views)).mean(dim=1).cpu())
        return torch.cat(scores).split([len(of_row) for of_row in texts])


def _adapted(model: Any) -> AllInOnePreTrainedModel:
    """What `peft` has wrapped, in whose layers adapters stand; any other model as it is."""
    if not hasattr(model, "get_base_model"):
        return model
    if model.active_peft_config.is_prompt_learning:
        raise ValueError(
            f"{model.active_peft_config.peft_type.value} changes what is given to the model and not its layers, so "
            "only the wrapped model itself can be called; use LoRA, IA3 or others that can be merged."
        )
    return model.get_base_model()


def share_weights(model: AllInOneForPreTraining) -> AllInOneForVideoTextRetrieval | None:
    """
    A model that compares texts and clips with the weights of one of pre-training, which are not copied.

    Args:
        model ([`AllInOneForPreTraining`])

    Returns:
        [`AllInOneForVideoTextRetrieval`], whose parts are those of `model`, as `from_pretrained` would take them over:
        with the matching head's score of "they match" for pairs, with projections for features, or with one of them,
        as the model was trained for; `None` if for neither.

    Example:

    ```python
    >>> from modeling_allinone import AllInOneConfig, AllInOneForPreTraining

    >>> model = AllInOneForPreTraining(AllInOneConfig.from_preset("tiny", pretraining_objectives=["matching"]))
    >>> retrieval = share_weights(model)
    >>> retrieval.allinone is model.allinone, retrieval.text_projection is None
    (True, True)

    ```
    """
    if model.matching_head is None and model.text_projection is None:
        return None
    config = copy.deepcopy(model.config)
    config.use_pair_scorer = model.matching_head is not None
    if model.text_projection is None:
        config.projection_dim = None
    with torch.device("meta"):
        shared = AllInOneForVideoTextRetrieval(config)
    shared.allinone = model.allinone
    shared.text_projection, shared.video_projection = model.text_projection, model.video_projection
    if model.matching_head is not None and shared.scorer is not None:
        for name in ("weight", "bias"):
            row = getattr(model.matching_head, name).detach()[1:2]  # in the memory of the head
            setattr(shared.scorer.out_proj, name, nn.Parameter(row, requires_grad=False))
    return shared.train(model.training)


def with_views(clips: Mapping[str, torch.Tensor]) -> BatchFeature:
    """Clips with their views, (B, views, T, 3, H, W), and perhaps the masks of these (B, views, H, W)."""
    has_views = clips["pixel_values"].ndim == 6
    return BatchFeature(dict(clips) if has_views else {name: values[:, None] for name, values in clips.items()})


def project_texts(
    model: AllInOneForVideoTextRetrieval, processor: AllInOneProcessor, texts: Sequence[str]
) -> torch.Tensor:
    """
    Features of texts, read at once.

    Args:
        model ([`AllInOneForVideoTextRetrieval`]): With projections.
        processor ([`AllInOneProcessor`])
        texts (sequence of `str`)

    Returns:
        `torch.FloatTensor` of shape `(texts, D)` on the model's device, of unit length.
    """
    inputs = processor(text=list(texts)).to(model.device)
    return nn.functional.normalize(model.get_text_features(**inputs, tokens_to_keep=1).pooler_output.float(), dim=-1)


def project_clips(model: AllInOneForVideoTextRetrieval, clips: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """
    Features of clips that have been read.

    Args:
        model ([`AllInOneForVideoTextRetrieval`]): With projections.
        clips (mapping of `str` to `torch.Tensor`): `pixel_values` of shape `(B, T, 3, H, W)`, or `(B, views, T, 3, H,
            W)`, and perhaps `pixel_mask`.

    Returns:
        `torch.FloatTensor` of shape `(B, D)` on the model's device: the mean over views of vectors of unit length.
    """
    views = with_views(clips).to(model.device, model.dtype)
    shape = views["pixel_values"].shape[:2]
    features = model.get_video_features(
        **{name: values.flatten(0, 1) for name, values in views.items()}, tokens_to_keep=1
    )
    return nn.functional.normalize(features.pooler_output.float(), dim=-1).unflatten(0, shape).mean(dim=1)


def each_once(name: str, texts: Sequence[str]) -> list[str]:
    """
    Texts to choose from.

    Args:
        name (`str`): What errors call them.
        texts (sequence of `str`)

    Returns:
        `list` of `str`: The same.

    Raises:
        ValueError: If they are one text, or one is there twice.
    """
    if isinstance(texts, str):
        raise ValueError(f"{name} is the text {texts!r}; expected a list of texts, such as [{texts!r}].")
    if repeated := [text for text, count in Counter(map(str, texts)).items() if count > 1]:
        raise ValueError(f"{name} hold {repeated[0]!r} more than once; give each once.")
    return list(texts)
