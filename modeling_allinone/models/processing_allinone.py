# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Processor of All-in-one: text and clips -> the inputs of every model, and logits -> answers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessingKwargs, ProcessorMixin, Unpack
from transformers.utils import logging
from transformers.video_processing_utils import VideoProcessorMixin

from .saving_allinone import SavedWithLoader
from .video_decoding_allinone import is_array
from .video_processing_allinone import AllInOneVideoProcessorKwargs

logger = logging.get_logger(__name__)

# Above this, `model_max_length` is transformers' way to say that the tokenizer has no limit.
LONGEST_TEXT = 1_000_000

_GROUPS = {"text_kwargs", "images_kwargs", "audio_kwargs", "videos_kwargs", "common_kwargs"}
# Options that may be a list of one for each clip.
_OF_EACH_CLIP = ("start", "end", "frame_rate", "frame_indices", "timestamps", "video_metadata")
# Libraries that tell texts from clips by the names of files take other files, and those that are gone, for texts.
_MEDIA_FILE = re.compile(r"(/.*|\S+)\.(avi|flv|gif|jpe?g|m4v|mkv|mov|mp4|mpe?g|png|webm|webp|wmv)", re.IGNORECASE)


class AllInOneProcessorKwargs(ProcessingKwargs, total=False):
    """Arguments of [`AllInOneProcessor`]: transformers' for text, the video processor's for clips."""

    videos_kwargs: AllInOneVideoProcessorKwargs  # type: ignore[misc]  # narrowed, as all of transformers' do


class _SavedProcessor(SavedWithLoader, ProcessorMixin):
    """Transformers looks for what a processor overrides in its first base class, which has to know all of its own."""


class AllInOneProcessor(_SavedProcessor):
    r"""
    Turns text and clips into model inputs, with a BERT tokenizer and [`AllInOneVideoProcessor`].

    Args:
        video_processor ([`AllInOneVideoProcessor`]): Makes `pixel_values`.
        tokenizer ([`BertTokenizer`]): Makes `input_ids`. Its `model_max_length` (40 in converted checkpoints) is the
            length, in tokens, to which longer text is cut, unless it was made with a `max_length` of its own; its own
            `padding` counts, too.
        chat_template (`str`, *optional*): What makes texts of messages, see `apply_chat_template`.

    Example:
        >>> import numpy as np
        >>> from transformers import BertTokenizer
        >>> from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor

        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "runs"]
        >>> tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=40)
        >>> processor = AllInOneProcessor(AllInOneVideoProcessor(), tokenizer)
        >>> inputs = processor(text="a dog runs", videos=np.zeros((16, 120, 160, 3), dtype=np.uint8))
        >>> {name: tuple(value.shape) for name, value in inputs.items()}
        {'input_ids': (1, 5), 'attention_mask': (1, 5), 'pixel_values': (1, 3, 3, 224, 224)}
    """

    valid_processor_kwargs: Any = AllInOneProcessorKwargs
    _loaded_by = "AutoProcessor"
    text_kwargs = {"padding": True, "truncation": True, "return_token_type_ids": False}

    def __init__(self, video_processor, tokenizer, chat_template=None, **kwargs):
        super().__init__(video_processor, tokenizer, chat_template=chat_template, **kwargs)
        self._has_warned_of_truncation = False

    def _name_loader(self, directory):
        """As for others; and for the parts, of which the tokenizer may have been loaded with a name of this class."""
        super()._name_loader(directory)
        if self._auto_class is None:
            (self.tokenizer.init_kwargs.get("auto_map") or {}).pop("AutoProcessor", None)
        if isinstance(self.video_processor, SavedWithLoader):
            self.video_processor._name_loader(directory)

    def check_argument_for_proper_class(self, argument_name, argument):
        """Check a part's class; transformers looks the video processor's up where it is only with torchvision."""
        if argument_name != "video_processor":
            return super().check_argument_for_proper_class(argument_name, argument)
        if not isinstance(argument, VideoProcessorMixin):
            raise TypeError(
                f"video_processor is a {type(argument).__name__}; expected an AllInOneVideoProcessor, "
                "and the tokenizer after it."
            )
        return VideoProcessorMixin

    def __call__(
        self,
        text: str | list[str] | list[list[str]] | None = None,
        videos=None,
        images=None,
        **kwargs: Unpack[AllInOneProcessorKwargs],
    ) -> BatchFeature:
        r"""
        Args:
            text (`str`, `list[str]` or `list[list[str]]`, *optional*):
                One text, one for each clip, or for each clip equally many options.
            videos (*optional*):
                One clip or a batch: paths, folders, arrays, lists of images, as in
                [`AllInOneVideoProcessor.preprocess`].
            images (*optional*):
                One image or a list of them, each a clip of one frame; or a list of equally long lists of images,
                such as the pairs of NLVR2. Not together with `videos`.
            kwargs:
                Arguments of the tokenizer and of the video processor (`num_frames`, `frame_sampling`, `start`, ...),
                as they are or in `text_kwargs` and `videos_kwargs`. `return_tensors` is `"pt"` by default.
                `images_kwargs` are those of the video processor for `images`, before `videos_kwargs`;
                `audio_kwargs` and `audio=None`, which transformers' callers give to all processors, change nothing.

        Returns:
            `BatchFeature` with those of the following that were asked for, B the number of clips or texts:

            - `input_ids`, `attention_mask`: `(B, L)`, or `(B, options, L)`, padded to the longest of the batch.
            - `pixel_values`: `(B, frames, 3, height, width)`; lists of images make `(B, images, 1, 3, height, width)`.
            - `pixel_mask`, if the video processor pads: `(B, height, width)`; `(B, images, height, width)`.

            With `num_views` above 1 every clip makes as many consecutive rows, and its text is repeated for each.

        Raises:
            `TypeError`: An unknown argument, or text that is not text.
            `ValueError`: Numbers of texts, options or clips that do not fit, and all that the video processor raises.
        """
        if text is None and videos is None and images is None:
            raise ValueError("There is nothing to process; give text, videos or images.")
        if videos is not None and images is not None:
            raise ValueError("videos and images are both given; a batch is of one kind, so process them one by one.")
        audio = kwargs.pop("audio", None)  # type: ignore[typeddict-item]  # named above, it would be taken for input
        if audio is not None and not (isinstance(audio, list | tuple) and not audio):
            raise ValueError("audio is given, but All-in-one has no use for sound; give text, videos or images alone.")
        # Kept apart, because transformers copies its arguments and a copied generator would repeat itself.
        options: dict[str, Any] = {**kwargs}
        generator = options.pop("generator", None)
        self._check_names(options)
        is_called_by_groups = options.pop("audio_kwargs", None) is not None
        images_kwargs = options.pop("images_kwargs", None) or {}
        if images is not None and images_kwargs:
            options["videos_kwargs"] = {**(options.get("videos_kwargs") or {}), **images_kwargs}
        merged = self._merge_kwargs(tokenizer_init_kwargs=self._settings_of_tokenizer(), **options)
        text_kwargs, videos_kwargs = merged["text_kwargs"], merged["videos_kwargs"]
        return_tensors = text_kwargs.pop("return_tensors", None) or videos_kwargs.pop("return_tensors", None) or "pt"
        if return_tensors not in ("pt", "np"):
            raise ValueError(f"return_tensors is {return_tensors!r}; expected 'pt' or 'np'.")
        videos_kwargs["return_tensors"] = "pt"
        if generator is not None:
            videos_kwargs["generator"] = generator

        text_inputs: Mapping[str, Any] = {}
        video_inputs: Mapping[str, Any] = {}
        if videos is not None:
            video_inputs = self.video_processor(videos, **videos_kwargs)
        elif images is not None:
            video_inputs = self._process_images(images, **videos_kwargs)
        num_views = videos_kwargs.get("num_views") or self.video_processor.num_views
        if video_inputs and text is None and is_called_by_groups and num_views > 1:
            raise ValueError(
                f"num_views is {num_views}, so a clip makes {num_views} rows, but sentence-transformers, which gives "
                "audio_kwargs to all processors, takes each row for a clip; set num_views=1 in the video_processor."
            )
        if text is not None:
            text_inputs = self._process_text(text, **text_kwargs)
        if text_inputs and video_inputs:
            num_texts, num_clips = len(text_inputs["input_ids"]), len(video_inputs["pixel_values"]) // num_views
            if num_texts != num_clips:
                raise ValueError(
                    f"There are {num_texts} texts but {num_clips} clips; expected one text, or one list of options, "
                    "for each clip. Repeat the clips or the texts, or process them apart."
                )
            text_inputs = {name: value.repeat_interleave(num_views, dim=0) for name, value in text_inputs.items()}
        return BatchFeature(
            {**text_inputs, **video_inputs}, return_tensors, skip_tensor_conversion=self.skip_tensor_conversion
        )

    def apply_chat_template(  # type: ignore[override]  # what is left out of its arguments has no use here
        self,
        conversation: list[dict[str, Any]] | list[list[dict[str, Any]]],
        chat_template: str | None = None,
        *,
        tokenize: bool = False,
        return_dict: bool = False,
        return_tensors: str | None = None,
        processor_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> str | list[str] | torch.Tensor | BatchFeature:
        r"""
        Texts of messages, as a template has it, with the clips that stand among them; for libraries that speak in
        messages, such as sentence-transformers where it compares a text with a clip.

        Args:
            conversation (`list[dict]` or a list of these):
                Messages: `{"role": ..., "content": ...}`, where content is a text or a list of `{"type": "text",
                "text": ...}` and at most one `{"type": "video", "video": ...}`, or `"image"`. A clip is what
                `videos` takes, or `{"array": ..., "video_metadata": ...}`.
            chat_template (`str`, *optional*): Jinja template of the text. Default: `chat_template` of the processor.
            tokenize (`bool`, *optional*, defaults to `False`): Whether to make model inputs of them.
            return_dict (`bool`, *optional*, defaults to `False`): Whether to return them all, not `input_ids` alone.
            return_tensors (`str`, *optional*): `"pt"` or `"np"`.
            processor_kwargs (`dict`, *optional*): Further arguments of `__call__`.
            kwargs: Arguments of `__call__`, as well, and variables of the template.

        Returns:
            `str`, or `list[str]` for several conversations; with `tokenize`, what `__call__` returns.

        Raises:
            `ValueError`: No template, sound, or other than one clip where others have one.

        Example:
            >>> import numpy as np
            >>> from transformers import BertTokenizer
            >>> from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor

            >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "runs"]
            >>> tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=40)
            >>> template = "{% for message in messages %}{{ message.content[0].text }}{% endfor %}"
            >>> processor = AllInOneProcessor(AllInOneVideoProcessor(), tokenizer, chat_template=template)
            >>> clip = np.zeros((16, 120, 160, 3), dtype=np.uint8)
            >>> query = {"role": "query", "content": [{"type": "text", "text": "a dog"}]}
            >>> document = {"role": "document", "content": [{"type": "video", "video": clip}]}
            >>> inputs = processor.apply_chat_template([query, document], tokenize=True, return_dict=True)
            >>> {name: tuple(value.shape) for name, value in inputs.items()}
            {'input_ids': (1, 4), 'attention_mask': (1, 4), 'pixel_values': (1, 3, 3, 224, 224)}
        """
        messages: Any = conversation  # of which transformers says that they hold texts alone
        named = {name: kwargs.pop(name) for name in self._known_names() & set(kwargs)}
        prompts = super().apply_chat_template(messages, chat_template, tokenize=False, **kwargs)
        if not tokenize:
            return prompts
        options = named | dict(processor_kwargs or {})
        if return_tensors is not None:
            options["return_tensors"] = return_tensors
        conversations = [messages] if isinstance(prompts, str) else messages
        texts = [prompts] if isinstance(prompts, str) else prompts
        kind, clips, metadata = _clips_of_messages(conversations)
        inputs = self(text=texts, **options)
        if kind is not None:
            videos_kwargs = {**(options.get("videos_kwargs") or {})}
            if metadata is not None:
                videos_kwargs["video_metadata"] = metadata
            # A clip that stands in many conversations, as where texts are ranked for it, is read once.
            is_each = any(isinstance({**options, **videos_kwargs}.get(name), list | tuple) for name in _OF_EACH_CLIP)
            names = [clip if isinstance(clip, str) and not is_each else place for place, clip in enumerate(clips)]
            rows = {name: row for row, name in enumerate(dict.fromkeys(names))}
            options |= {kind: [clips[names.index(name)] for name in rows], "videos_kwargs": videos_kwargs}
            read = self(**options)
            if len(read["pixel_values"]) != len(rows):
                raise ValueError(
                    "num_views is above 1, but a text of messages is read with its clip once; set it to 1."
                )
            for name in {"pixel_values", "pixel_mask"} & set(read):
                inputs[name] = read[name][[rows[one] for one in names]]
        return inputs if return_dict else inputs["input_ids"]

    def save_pretrained(self, *arguments, **keywords):
        """As in transformers, without the padding and the length of the tokenizer's last call."""
        if self.tokenizer.is_fast:
            self.tokenizer.backend_tokenizer.no_truncation()
            self.tokenizer.backend_tokenizer.no_padding()
        saved = super().save_pretrained(*arguments, **keywords)
        if self._auto_class is None:
            vars(self).pop("auto_map", None)  # of the folder: a processor that is loaded from it has none
        return saved

    @staticmethod
    def apply_choice_template(
        question: str | list[str], options: list[str] | list[list[str]]
    ) -> list[str] | list[list[str]]:
        """
        Texts of a multiple-choice question, one for each option, spelled as the checkpoints were trained.

        Args:
            question (`str` or `list[str]`): One question or a batch.
            options (`list[str]` or `list[list[str]]`): The options of the question, or of each.

        Returns:
            `list[str]`, or for a batch `list[list[str]]`: To be given as `text` (for one clip, in a list of its own).

        Raises:
            `ValueError`: Options missing, or other numbers of questions and of lists of options.

        Example:
            >>> AllInOneProcessor.apply_choice_template("what runs?", ["dog", "cat"])
            ['what runs?Options: dog catAnswer: dog', 'what runs?Options: dog catAnswer: cat']
        """
        if isinstance(question, str):
            return _fill_choice_template(question, options)
        if len(question) != len(options):
            raise ValueError(f"There are {len(question)} questions but {len(options)} lists of options.")
        return [_fill_choice_template(one, its) for one, its in zip(question, options, strict=True)]

    def encode_prompt(self, text: str | None) -> dict[str, str | list[int] | None]:
        """
        The fields of a configuration by which a video classifier reads a text with every clip.

        Args:
            text (`str`, *optional*): The text; `None` for none.

        Returns:
            `dict`: `"prompt"` and `"prompt_input_ids"`, to be given to [`AllInOneConfig`] or `from_pretrained`.

        Raises:
            `TypeError`: Something else than one text.

        Example:
            >>> from transformers import BertTokenizer
            >>> from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor

            >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "person", "is", "doing"]
            >>> tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=40)
            >>> processor = AllInOneProcessor(AllInOneVideoProcessor(), tokenizer)
            >>> processor.encode_prompt("A person is doing [MASK]")
            {'prompt': 'A person is doing [MASK]', 'prompt_input_ids': [2, 5, 6, 7, 8, 4, 3]}
        """
        if text is None:
            return {"prompt": None, "prompt_input_ids": None}
        if not isinstance(text, str):
            raise TypeError(f"text is {text!r}; expected one text, or None.")
        return {"prompt": text, "prompt_input_ids": self(text=text)["input_ids"][0].tolist()}

    def post_process_question_answering(
        self, outputs, id2label: Mapping[int, str] | list[str], top_k: int = 1, multi_label: bool = False
    ) -> list[list[dict]]:
        """
        The best answers, by score.

        Args:
            outputs: What [`AllInOneForVideoQuestionAnswering`] returned, or its logits of shape `(batch, answers)`.
            id2label (`dict[int, str]` or `list[str]`): The answers: `model.config.id2label`.
            top_k (`int`, defaults to 1): How many answers, at least 1; all, if there are fewer.
            multi_label (`bool`, defaults to `False`):
                Scores are probabilities of each answer on its own (models trained with soft labels, such as VQAv2's),
                instead of shares that add up to 1.

        Returns:
            `list[list[dict]]`: For each row, best first, `{"answer": str, "score": float}`.

        Raises:
            `ValueError`: Logits of another shape, fewer answers than logits, or `top_k` below 1.
        """
        logits = outputs if isinstance(outputs, torch.Tensor) else outputs.logits
        if logits.ndim != 2 or logits.shape[1] > len(id2label):
            raise ValueError(
                f"logits have shape {tuple(logits.shape)} and id2label has {len(id2label)} answers; "
                "expected (batch, answers), and a name for each answer."
            )
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}; expected at least 1.")
        logits = logits.float()
        scores = logits.sigmoid() if multi_label else logits.softmax(dim=-1)
        best = scores.topk(min(top_k, scores.shape[1]))
        return [
            [{"answer": id2label[index], "score": score} for index, score in zip(*row, strict=True)]
            for row in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    @property
    def unused_input_names(self) -> list[str]:
        """Inputs that BERT's tokenizer could give and the models do not take: text is one segment."""
        return ["token_type_ids"]

    def _known_names(self) -> set[str]:
        """Arguments of `__call__` beside text and clips."""
        text_names = AllInOneProcessorKwargs.__annotations__["text_kwargs"].__annotations__
        return _GROUPS | set(text_names) | set(self.video_processor.valid_kwargs.__annotations__)

    def _check_names(self, kwargs: dict) -> None:
        """Transformers warns of an argument that it does not know and goes on; a typing error should not pass so."""
        known = self._known_names()
        unknown = sorted(set(kwargs) - known)
        if unknown:
            raise TypeError(f"{type(self).__name__} does not know {', '.join(unknown)}; it knows {sorted(known)}.")
        for group in _GROUPS & set(kwargs):
            if not isinstance(kwargs[group], Mapping | None):
                raise TypeError(f"{group} is {kwargs[group]!r}; expected a dict of arguments.")

    def _settings_of_tokenizer(self) -> dict:
        """What the tokenizer was made with, for calls that say nothing else."""
        settings = self.tokenizer.init_kwargs
        names = ["padding", "truncation"]
        # Saved on its own, a tokenizer remembers the lengths of its last call, and these two: that was no setting.
        if not {"truncation_strategy", "pad_token_type_id"} & set(settings):
            names += ["max_length", "pad_to_multiple_of"]
        return {name: settings[name] for name in names if settings.get(name) is not None}

    def _process_text(self, text, **text_kwargs) -> dict[str, torch.Tensor]:
        """Text of any nesting -> `input_ids` and `attention_mask` with the same leading axes."""
        # Any sequence of texts will do, such as a column of a data set.
        texts = [text] if isinstance(text, str) else list(text) if isinstance(text, Sequence) else None
        if not texts:
            raise TypeError(f"text is {text!r}; expected a text, a list of texts or a list of lists of texts.")
        texts, num_options = _flattened("text", "options", texts)
        wrong = [one for one in texts if not isinstance(one, str)]
        if wrong:
            raise TypeError(f"text contains {wrong[0]!r}, a {type(wrong[0]).__name__}; expected nothing but texts.")

        if (file := next(filter(_MEDIA_FILE.fullmatch, texts), None)) is not None:
            logger.warning_once(
                f"{file!r} was given as text, so its name was read and not the file. Give a file as videos, or to "
                "sentence-transformers as {'video': path}, if the file was meant."
            )
        max_length = text_kwargs.pop("max_length", None) or self.tokenizer.model_max_length
        is_limited = max_length < LONGEST_TEXT
        text_kwargs["truncation"] = text_kwargs["truncation"] if is_limited else False
        text_kwargs["max_length"] = max_length if is_limited else None
        encoded = self.tokenizer(list(texts), verbose=False, **text_kwargs, return_tensors="pt")
        if is_limited and text_kwargs["truncation"] and encoded["input_ids"].shape[1] >= max_length:
            self._warn_of_truncation(list(texts), max_length)
        if num_options is None:
            return dict(encoded)
        return {name: value.unflatten(0, (-1, num_options)) for name, value in encoded.items()}

    def _warn_of_truncation(self, texts: list[str], max_length: int) -> None:
        if self._has_warned_of_truncation:
            return
        lengths = [len(tokens) for tokens in self.tokenizer(texts, truncation=False, verbose=False)["input_ids"]]
        if max(lengths) > max_length:
            self._has_warned_of_truncation = True
            logger.warning(
                f"A text of {max(lengths)} tokens was cut to {max_length}, the limit of the tokenizer "
                f"({sum(length > max_length for length in lengths)} of {len(texts)} texts in this batch; not said "
                "again). Shorten the text, or use a checkpoint with more text positions and set max_length."
            )

    def _process_images(self, images, **videos_kwargs) -> BatchFeature:
        """Images -> `pixel_values` of clips of one frame, with one more axis for lists of lists of images."""
        is_batch = isinstance(images, list | tuple) or (is_array(images) and images.ndim == 4)
        images = list(images) if is_batch else [images]
        if not images:
            raise ValueError("images is an empty list; expected at least one image.")
        images, num_images = _flattened("images", "images", images)
        num_views = videos_kwargs.get("num_views") or self.video_processor.num_views
        if num_images is not None and num_views > 1:
            raise ValueError(f"num_views is {num_views}, but lists of images have one view each; set num_views=1.")
        # One frame each, so that a file that moves is its first frame, and a flat list is not one clip.
        inputs = self.video_processor([[image] for image in images], **videos_kwargs | {"num_frames": 1, "fps": None})
        if num_images is not None:
            for name in {"pixel_values", "pixel_mask"} & set(inputs):
                inputs[name] = inputs[name].unflatten(0, (-1, num_images))
        return inputs


def _clips_of_messages(conversations: Sequence) -> tuple[str | None, list, list | None]:
    """What `__call__` calls clips of conversations; the clips, one of each or none; and what is said of them."""
    parts = [
        [part for message in one for part in _parts(message) if part.get("type") != "text"] for one in conversations
    ]
    kinds = {tuple(part.get("type") for part in one) for one in parts}
    if kinds == {()}:
        return None, [], None
    if kinds not in ({("video",)}, {("image",)}):
        found = " and ".join(sorted(" + ".join(map(str, kind)) or "nothing" for kind in kinds))
        raise ValueError(
            f"Beside text there is {found} in the messages; expected one video in each conversation, or one image in "
            "each."
        )
    ((kind,),) = kinds
    clips = [part.get(kind, part.get("url", part.get("path"))) for (part,) in parts]
    said = [clip.get("video_metadata") if _has_metadata(clip) else None for clip in clips]
    clips = [clip["array"] if _has_metadata(clip) else clip for clip in clips]
    metadata = [one or {} for one in said] if any(said) else None
    return f"{kind}s", clips, metadata


def _parts(message: Mapping[str, Any]) -> list:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _has_metadata(clip) -> bool:
    """Whether a clip is one of transformers' or sentence-transformers' mappings of frames and what is said of them."""
    return isinstance(clip, Mapping) and "array" in clip


def _fill_choice_template(question: str, options: Any) -> list[str]:
    if not options or isinstance(options, str) or not all(isinstance(option, str) for option in options):
        raise ValueError(f"options of {question!r} are {options!r}; expected a list of at least one text.")
    # No space before "Options:" and "Answer:": the original has none, and its weights know that.
    stem = f"{question}Options: {' '.join(options)}Answer: "
    return [stem + option for option in options]


def _flattened(name: str, unit: str, values: list) -> tuple[list, int | None]:
    """A list of equally long lists -> one list of what is in them, and their length; another list, and none."""
    if not all(isinstance(one, list | tuple) for one in values):
        return values, None
    counts = [len(one) for one in values]
    if len(set(counts)) > 1 or counts[0] == 0:
        raise ValueError(
            f"{name} has {counts} {unit}; expected equally many, at least 1, for each clip of a batch. Group clips by "
            f"their number of {unit}."
        )
    return [item for one in values for item in one], counts[0]


__all__ = ["AllInOneProcessor"]
