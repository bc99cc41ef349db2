# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Pipelines of transformers that ask about clips; `import modeling_allinone` makes their tasks known to `pipeline`.

| task | asks | of models |
|---|---|---|
| `video-question-answering` | the answer to a question | for question answering |
| `video-text-retrieval` | which captions fit best | for retrieval, multiple choice and of pre-training |
| `zero-shot-video-classification` | which of any labels fits best | the same |
| `video-fill-mask` | which word is hidden in a text | for masked words and of pre-training |

Answers are those of [`Predictor`], which shares what computes them. For classes that a head was trained for, there is
transformers' own `video-classification`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset
from transformers.models.auto.auto_factory import _BaseAutoModelClass
from transformers.pipelines import Pipeline
from transformers.pipelines.pt_utils import PipelineDataset, PipelineIterator

from .answers_allinone import NUM_TEXTS_AT_ONCE, PROMPTS, Answerer, Question, each_once
from .configuration_allinone import AllInOneConfig
from .modeling_allinone import AllInOneModel
from .modeling_masked_lm_allinone import AllInOneForMaskedLM
from .modeling_multiple_choice_allinone import AllInOneForMultipleChoice
from .modeling_paired_reasoning_allinone import AllInOneForPairedVisualReasoning
from .modeling_pretraining_allinone import AllInOneForPreTraining
from .modeling_question_answering_allinone import AllInOneForVideoQuestionAnswering
from .modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from .modeling_sequence_classification_allinone import AllInOneForSequenceClassification
from .modeling_video_classification_allinone import AllInOneForVideoClassification
from .modeling_visual_commonsense_allinone import AllInOneForVisualCommonsenseReasoning
from .tasks_allinone import PIPELINE_CLASSES
from .video_decoding_allinone import is_array
from .video_processing_allinone import as_row, is_list_of_images, stack_clips
from .video_sources_allinone import clip_arguments, is_decoder, source_name

ALL = 2**31  # answers
_OF_ROW = ("start", "end", "frame_rate")  # options of the processor, of which a row may have its own


class AutoModelOfAnyHead(_BaseAutoModelClass):
    """The class that a folder was saved by, whichever its head; pipelines say what it cannot answer."""

    _model_mapping: Any = {
        AllInOneConfig: (
            AllInOneModel,
            AllInOneForMaskedLM,
            AllInOneForMultipleChoice,
            AllInOneForPairedVisualReasoning,
            AllInOneForPreTraining,
            AllInOneForSequenceClassification,
            AllInOneForVideoClassification,
            AllInOneForVideoQuestionAnswering,
            AllInOneForVideoTextRetrieval,
            AllInOneForVisualCommonsenseReasoning,
        )
    }


class _VideoTextPipeline(Pipeline):
    """What the pipelines share: clips are read one by one, in workers if there are, and asked about in batches."""

    _load_processor: Any = True
    _load_image_processor: Any = False
    _load_video_processor: Any = False
    _load_feature_extractor: Any = False
    _load_tokenizer: Any = False

    asks: ClassVar[str]  # the task of [`Answerer`]
    asked_by: ClassVar[tuple[str, ...]]  # what a row, or a call, may say of it; the first has to be there
    takes_lists: ClassVar[bool]  # of several questions about a clip
    default_top_k: ClassVar[int]

    def __init__(self, *arguments, score_by: str | None = None, **options):
        options.pop("local_files_only", None)  # which `pipeline` hands on
        super().__init__(*arguments, **options)
        self._answerer = Answerer(cast(Any, self.model), self._needed_processor(), score_by)
        self._answerer.need(self.asks)

    def save_pretrained(self, save_directory, **kwargs):
        """
        Save model and processor, as they save themselves: `pipeline` loads the folder by the same task.

        Args:
            save_directory (`str` or `Path`): Is made if it does not exist.
            kwargs: As of `save_pretrained` of models, such as `push_to_hub`.
        """
        self.model.save_pretrained(save_directory, **kwargs)
        self._needed_processor().save_pretrained(save_directory, **kwargs)

    def _needed_processor(self):
        if self.processor is None:
            raise ValueError(f"The pipeline of {self.task or self.asks} has no processor; give it as processor=.")
        return self.processor

    def _ask(self, inputs: Any, options: dict[str, Any]) -> Any:
        """Answers about one clip or row, or about each of many."""
        options = {name: value for name, value in options.items() if value is not None}
        inputs = _as_rows(inputs)
        if self.takes_lists and isinstance(inputs, list) and isinstance(options.get(self.asked_by[0]), list | tuple):
            name = self.asked_by[0]
            raise ValueError(
                f"Several clips and several texts as {name} may be meant in two ways; give a row for each, such as "
                f"{{'video': ..., '{name}': ...}}, or one clip, or one text."
            )
        return [] if isinstance(inputs, list) and not inputs else super().__call__(inputs, **options)

    def _sanitize_parameters(self, top_k: int | None = None, **options):
        known = {*self.asked_by, *_OF_ROW, *self._needed_processor().video_processor.valid_kwargs.__annotations__}
        if unknown := sorted(set(options) - known | set(options) & {"return_tensors", "return_metadata"}):
            raise TypeError(
                f"{type(self).__name__} does not know {', '.join(unknown)}; it knows top_k, {', '.join(self.asked_by)}"
                " and options of the video processor, such as start, end and num_frames."
            )
        if top_k is not None and not isinstance(top_k, int):
            raise TypeError(f"top_k is {top_k!r}; expected a whole number, at least 1.")
        return options, {}, {} if top_k is None else {"top_k": top_k}

    def preprocess(self, input_: Any, **options: Any) -> dict[str, Any]:
        """Read a clip, and see what is asked about it."""
        row = as_row(input_)
        for name in {*self.asked_by, *_OF_ROW} & set(options):
            if row.get(name) is not None:
                del options[name]
            elif name in self.asked_by:
                row[name] = options.pop(name)
        if all(row.get(column) is None for column in ("video", "image")):
            raise ValueError(f"There is no clip in {input_!r:.80}; give one, or a row with video or image.")
        name = _name_of(row)
        texts: Any = row.get(self.asked_by[0])
        is_several = self.takes_lists and isinstance(texts, list | tuple)
        asked = []
        for one in texts if is_several else [texts]:
            question, about = self._question(row | {self.asked_by[0]: one})
            self._answerer.check_row(question, about, f"What is asked about {name}")
            texts_read = self._answerer.texts_of(question, about)
            asked.append((question, {key: about.get(key) for key in ("options", "question", "text")}, texts_read))
        inputs = self._needed_processor()(**clip_arguments(row), **options)
        clip = {key: inputs[key] for key in ("pixel_values", "pixel_mask") if key in inputs}
        has_views = len(clip["pixel_values"]) > 1
        return {
            "name": name,
            "clip": clip if has_views else {key: values[0] for key, values in clip.items()},
            "asked": asked,
            "is_several": is_several,
        }

    def _question(self, row: dict[str, Any]) -> tuple[Question, dict[str, Any]]:
        """What is asked about a row, and the row as [`Answerer`] wants it."""
        return Question(self.asks), row

    def _forward(self, input_tensors: Any, **forward_parameters: Any) -> Any:
        alike: dict[tuple[int, ...], list[dict[str, Any]]] = {}  # clips of as many frames, which make a batch
        for item in input_tensors:
            shape = item["clip"]["pixel_values"].shape
            alike.setdefault(shape[:-2] if "pixel_mask" in item["clip"] else shape, []).append(item)
        for items in alike.values():
            asked = [(place, texts) for place, item in enumerate(items) for _, _, texts in item["asked"]]
            if asked:
                places, texts = map(list, zip(*asked, strict=True))
                clips = stack_clips([(item["name"], item["clip"]) for item in items])
                at_once = max(len(items), NUM_TEXTS_AT_ONCE)
                scores = iter(self._answerer.score(self.asks, clips, places, texts, at_once))
            for item in items:
                item["scored"] = [(question, row, next(scores)) for question, row, _ in item["asked"]]
        return [{name: item[name] for name in ("scored", "is_several")} for item in input_tensors]

    def postprocess(self, model_outputs: Any, **postprocess_parameters: Any) -> list:
        """The best answers, best first; a list of them for each question, if several were asked."""
        answers, top_k = [], postprocess_parameters.get("top_k", self.default_top_k)
        for question, row, scores in model_outputs["scored"]:
            prediction = self._answerer.answer(replace(question, top_k=top_k), row, scores)
            answers.append([self._entry(one["answer"], one["score"]) for one in prediction.top_k])
        return answers if model_outputs["is_several"] else answers[0]

    def _entry(self, answer: str, score: float) -> dict[str, Any]:
        """An answer, as it is returned."""
        raise NotImplementedError

    def run_single(self, inputs, preprocess_params, forward_params, postprocess_params):
        """As transformers' for one clip, which is a batch of one."""
        return next(iter(self.get_iterator([inputs], 0, 1, preprocess_params, forward_params, postprocess_params)))

    def get_iterator(self, inputs, num_workers, batch_size, preprocess_params, forward_params, postprocess_params):
        """As transformers', with clips of a batch in a list, which is what `_forward` takes."""
        rows: Dataset
        if hasattr(inputs, "__len__"):
            rows = PipelineDataset(inputs, self.preprocess, preprocess_params)
        else:  # which workers cannot share
            rows, num_workers = PipelineIterator(inputs, self.preprocess, preprocess_params), min(num_workers, 1)
        loader: DataLoader = DataLoader(rows, batch_size, num_workers=num_workers, collate_fn=list)
        return _Answers(
            loader,
            lambda items: [
                self.postprocess(one, **postprocess_params) for one in self.forward(items, **forward_params)
            ],
        )


class _Answers(IterableDataset):
    """Answers about each row of batches; as long as they are, where that is known."""

    def __init__(self, loader: DataLoader, answer: Callable[[list], list]):
        self.loader, self.answer = loader, answer

    def __len__(self) -> int:
        return len(self.loader.dataset)  # type: ignore[arg-type]  # which raises where it has no length

    def __iter__(self) -> Iterator[list]:
        for items in self.loader:
            yield from self.answer(items)


class VideoQuestionAnsweringPipeline(_VideoTextPipeline):
    """
    Answers questions about clips: `pipeline("video-question-answering", model=...)`, with a folder or a repository of
    [`AllInOneForVideoQuestionAnswering`].

    Args:
        model, processor, device, batch_size, num_workers: As of every pipeline.
        kwargs: Defaults of what a call takes.

    Raises:
        ValueError: If the model answers no questions.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers import BertTokenizer, pipeline
    >>> from modeling_allinone import (
    ...     AllInOneConfig,
    ...     AllInOneForVideoQuestionAnswering,
    ...     AllInOneProcessor,
    ...     AllInOneVideoProcessor,
    ... )

    >>> config = AllInOneConfig.from_preset("tiny", num_hidden_layers=1, id2label={0: "yes", 1: "no"})
    >>> model = AllInOneForVideoQuestionAnswering(config)
    >>> processor = AllInOneProcessor(AllInOneVideoProcessor(), BertTokenizer())
    >>> ask = pipeline("video-question-answering", model=model, processor=processor, device="cpu")
    >>> clip = np.zeros((8, 240, 320, 3), dtype=np.uint8)  # or a file: "clip.mp4"
    >>> answers = ask(clip, "is it dark?")
    >>> len(answers), sorted(answers[0])
    (2, ['answer', 'score'])

    ```
    """

    asks = "question-answering"
    asked_by = ("question",)
    takes_lists = True
    default_top_k = 5

    def __call__(self, video: Any, question: str | list[str] | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """
        Args:
            video: A clip: a path, URL, bytes of a file, an array `(T, H, W, 3)`, a list of images; a row with `video`
                or `image`, `question` and perhaps `start` and `end` (seconds); or a list, generator or data set of
                clips or rows.
            question (`str` or list of `str`, *optional*): About each clip whose row has none. Several about a clip
                are read with it at once.
            top_k (`int`, defaults to 5): How many answers to return.
            batch_size (`int`, defaults to 1): Clips that are asked about at a time.
            num_workers (`int`, defaults to 0): Processes that read clips; 0 is this one.
            kwargs: Options of the video processor, such as `start`, `end` and `num_frames`.

        Returns:
            `list` of `dict` with `answer` and `score`, best first; a list of such lists for several questions about a
            clip; a list of what is returned about each for a list, an iterator for a generator or a data set.

        Raises:
            OSError, ValueError: About a clip that cannot be read, by its name; a question that is missing.
            TypeError: About an unknown option.
        """
        return self._ask(video, {"question": question, **kwargs})

    def _entry(self, answer: str, score: float) -> dict[str, Any]:
        return {"answer": answer, "score": score}


class VideoTextRetrievalPipeline(_VideoTextPipeline):
    """
    Ranks captions by how well they fit a clip: `pipeline("video-text-retrieval", model=...)`, with a folder or a
    repository of [`AllInOneForVideoTextRetrieval`], [`AllInOneForMultipleChoice`] or [`AllInOneForPreTraining`].

    Args:
        model, processor, device, batch_size, num_workers: As of every pipeline.
        score_by (`str`, *optional*): `"pairs"` or `"features"`, as in [`Predictor`].
        kwargs: Defaults of what a call takes.

    Raises:
        ValueError: If the model compares no texts with clips.
    """

    asks = "multiple-choice"
    asked_by = ("captions", "question")
    takes_lists = False
    default_top_k = ALL

    def __call__(self, video: Any, captions: list[str] | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """
        Args:
            video: As of [`VideoQuestionAnsweringPipeline`]; rows have `captions`.
            captions (list of `str`, *optional*): To choose from, about each clip whose row has none.
            question (`str`, *optional*): What they answer, for models of multiple choice trained with questions.
            top_k (`int`, *optional*): How many to return. Default: all.
            batch_size, num_workers, kwargs: As there.

        Returns:
            `list` of `dict` with `caption` and `score`, its share among all, best first; as there for several clips.

        Raises:
            OSError, ValueError: About a clip that cannot be read, by its name; captions that are missing, or there
                twice.
            TypeError: About an unknown option.
        """
        return self._ask(video, {"captions": captions, **kwargs})

    def _question(self, row: dict[str, Any]) -> tuple[Question, dict[str, Any]]:
        return Question(self.asks), row | {"options": _choices("captions", row)}

    def _entry(self, answer: str, score: float) -> dict[str, Any]:
        return {"caption": answer, "score": score}


class ZeroShotVideoClassificationPipeline(_VideoTextPipeline):
    """
    Names the class of a clip, among any: `pipeline("zero-shot-video-classification", model=...)`, with a model as of
    [`VideoTextRetrievalPipeline`], which reads each label as a text.

    Args:
        model, processor, device, batch_size, num_workers: As of every pipeline.
        score_by (`str`, *optional*): `"pairs"` or `"features"`, as in [`Predictor`].
        kwargs: Defaults of what a call takes.

    Raises:
        ValueError: If the model compares no texts with clips.
    """

    asks = "classification"
    asked_by = ("candidate_labels", "hypothesis_template")
    takes_lists = False
    default_top_k = ALL

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._answerer.need("multiple-choice")  # a head with classes of its own has no choice

    def __call__(self, video: Any, candidate_labels: list[str] | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """
        Args:
            video: As of [`VideoQuestionAnsweringPipeline`]; rows may have `candidate_labels`.
            candidate_labels (list of `str`, *optional*): Classes to choose from.
            hypothesis_template (`str` or list of `str`, defaults to `"A person is doing {}"`): Text of a class, whose
                name replaces `{}`. The scores of several are averaged.
            top_k (`int`, *optional*): How many to return. Default: all.
            batch_size, num_workers, kwargs: As there.

        Returns:
            `list` of `dict` with `label` and `score`, its share among all, best first; as there for several clips.

        Raises:
            OSError, ValueError: About a clip that cannot be read, by its name; labels that are missing, or there
                twice; a template without `{}`.
            TypeError: About an unknown option.
        """
        return self._ask(video, {"candidate_labels": candidate_labels, **kwargs})

    def _question(self, row: dict[str, Any]) -> tuple[Question, dict[str, Any]]:
        labels, prompts = _choices("candidate_labels", row), row.get("hypothesis_template")
        return self._answerer.classification(labels, PROMPTS if prompts is None else prompts, 1), row

    def _entry(self, answer: str, score: float) -> dict[str, Any]:
        return {"label": answer, "score": score}


class VideoFillMaskPipeline(_VideoTextPipeline):
    """
    Finds the word that is hidden in a text about a clip: `pipeline("video-fill-mask", model=...)`, with a folder or a
    repository of [`AllInOneForMaskedLM`] or [`AllInOneForPreTraining`].

    Args:
        model, processor, device, batch_size, num_workers: As of every pipeline.
        kwargs: Defaults of what a call takes.

    Raises:
        ValueError: If the model fills no masks.
    """

    asks = "masked-lm"
    asked_by = ("text",)
    takes_lists = True
    default_top_k = 5

    def __call__(self, video: Any, text: str | list[str] | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """
        Args:
            video: As of [`VideoQuestionAnsweringPipeline`]; rows have `text`.
            text (`str` or list of `str`, *optional*): With one `[MASK]`, about each clip whose row has none. Several
                about a clip are read with it at once.
            top_k (`int`, defaults to 5): How many words to return, each a token of the vocabulary.
            batch_size, num_workers, kwargs: As there.

        Returns:
            `list` of `dict` with `token_str`, `token` (its number) and `score`, best first; as there for several clips
            or texts.

        Raises:
            OSError, ValueError: About a clip that cannot be read, by its name; a text without a mask, or with several.
            TypeError: About an unknown option.
        """
        return self._ask(video, {"text": text, **kwargs})

    def _entry(self, answer: str, score: float) -> dict[str, Any]:
        return {
            "token_str": answer,
            "token": self._needed_processor().tokenizer.convert_tokens_to_ids(answer),
            "score": score,
        }


PIPELINES: dict[str, type[_VideoTextPipeline]] = {
    task: globals()[name] for task, (name, _) in PIPELINE_CLASSES.items()
}


def _choices(name: str, row: Mapping[str, Any]) -> list[str]:
    """What a row, or the call, gives to choose from."""
    if row[name] is None or not len(row[name]):
        raise ValueError(f"There are no {name} for {_name_of(row)}; give {name}=[...] to choose from.")
    choices = each_once(name, row[name])
    if wrong := [choice for choice in choices if not isinstance(choice, str)]:
        raise ValueError(f"{name} of {_name_of(row)} hold {wrong[0]!r}; expected nothing but texts.")
    return [str(choice) for choice in choices]  # numpy's, too


def _name_of(row: Mapping[str, Any]) -> str:
    """What errors call a row: the name of its clip, where it has one."""
    return next((name for column in ("video", "image") if (name := source_name(row.get(column)))), "the clip")


def _as_rows(inputs: Any) -> Any:
    """One clip or row as it is, and many as what transformers takes: a list, a data set of torch or a generator."""
    if is_array(inputs) and inputs.ndim == 5:
        return list(inputs)
    if isinstance(inputs, list | tuple):
        return {"video": list(inputs)} if inputs and is_list_of_images(inputs) else list(inputs)
    is_one = isinstance(inputs, str | bytes | bytearray | memoryview | Mapping | Dataset)
    if is_one or is_array(inputs) or is_decoder(inputs) or not hasattr(inputs, "__iter__"):
        return inputs
    if hasattr(inputs, "__len__") and hasattr(inputs, "__getitem__"):  # rows or a column of `datasets`
        return Subset(inputs, range(len(inputs)))
    return (row for row in inputs)


__all__ = [
    "VideoFillMaskPipeline",
    "VideoQuestionAnsweringPipeline",
    "VideoTextRetrievalPipeline",
    "ZeroShotVideoClassificationPipeline",
]
