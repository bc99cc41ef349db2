# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Model cards: what stands in the `README.md` beside a model, for its readers on the Hub and for the Hub itself."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..models.configuration_allinone import AllInOneConfig


class _Use(NamedTuple):
    """
    What the card of a class says: its Auto class, the Hub's name of its task (`None`: the Hub has none), what it is
    for, how to call it.
    """

    auto_class: str | None
    pipeline_tag: str | None
    purpose: str
    call: str


_QUESTION = 'inputs = processor(text="what is the man doing?", videos=video)\n'
_CAPTIONS = 'captions = ["a man plays the guitar", "a dog catches a ball"]\n'
_USES = {
    "AllInOneModel": _Use(
        "AutoModel",
        "feature-extraction",
        "turning text, video or both into features",
        'outputs = model(**processor(text="a dog catches a ball", videos=video))\n'
        "print(outputs.last_hidden_state.shape, outputs.pooler_output.shape)",
    ),
    "AllInOneForPreTraining": _Use(
        "AutoModelForPreTraining",
        None,
        "training further on pairs of text and video, and as the start of every task",
        'outputs = model(**processor(text="a man plays the [MASK]", videos=video))\n'
        "print({name: tuple(value.shape) for name, value in outputs.items()})",
    ),
    "AllInOneForMaskedLM": _Use(
        "AutoModelForMaskedLM",
        "fill-mask",
        "filling masked words of a text about a video",
        'inputs = processor(text=f"a man plays the {processor.tokenizer.mask_token}", videos=video)\n'
        'is_masked = inputs["input_ids"] == processor.tokenizer.mask_token_id\n'
        "words = model(**inputs).logits[is_masked].argmax(dim=-1)\n"
        "print(processor.tokenizer.convert_ids_to_tokens(words.tolist()))",
    ),
    "AllInOneForVideoQuestionAnswering": _Use(
        "AutoModelForVisualQuestionAnswering",
        "visual-question-answering",
        "answering questions about videos with one of a fixed list of answers",
        _QUESTION
        + "print(processor.post_process_question_answering(model(**inputs), model.config.id2label, top_k=3))",
    ),
    "AllInOneForMultipleChoice": _Use(
        "AutoModelForMultipleChoice",
        "multiple-choice",
        "choosing the text, among several, that fits a video",
        _CAPTIONS + "scores = model(**processor(text=[captions], videos=video)).logits[0]\n"
        "print(captions[scores.argmax()], scores.softmax(dim=0).tolist())",
    ),
    "AllInOneForVideoTextRetrieval": _Use(
        "AutoModel",
        "feature-extraction",
        "finding videos by text and texts by video",
        _CAPTIONS + "inputs = processor(text=[captions], videos=video)\n{retrieval}",
    ),
    "AllInOneForVideoClassification": _Use(
        "AutoModelForVideoClassification",
        "video-classification",
        "telling which of its classes a video shows, such as actions",
        "inputs = processor(videos=video)\nprint(model.config.id2label[model(**inputs).logits[0].argmax().item()])",
    ),
    "AllInOneForVisualCommonsenseReasoning": _Use(
        None,
        "visual-question-answering",
        "choosing the answer to a question about an image, and the rationale for it",
        'answers = processor(text=[["why does he smile?[SEP]he won", "why does he smile?[SEP]he lost"]])\n'
        'rationales = processor(text=[["why does he smile? he won[SEP]he holds a cup", '
        '"why does he smile? he won[SEP]it rains"]])\n'
        "outputs = model(\n"
        '    pixel_values=processor(images=video[0])["pixel_values"],\n'
        '    **{f"answer_{name}": value for name, value in answers.items()},\n'
        '    **{f"rationale_{name}": value for name, value in rationales.items()},\n'
        ")\n"
        "print(outputs.answer_logits.softmax(dim=-1), outputs.rationale_logits.softmax(dim=-1))",
    ),
    "AllInOneForPairedVisualReasoning": _Use(
        None,
        None,
        "telling whether a statement about two images is true",
        'inputs = processor(text="both images show a dog", images=[[video[0], video[1]]])\n'
        "print(model.config.id2label[model(**inputs).logits[0].argmax().item()])",
    ),
}
_RETRIEVAL_BY_FEATURES = """\
texts = model.get_text_features(inputs["input_ids"][0], inputs["attention_mask"][0]).pooler_output
clips = model.get_video_features(inputs["pixel_values"]).pooler_output
print(torch.nn.functional.cosine_similarity(texts, clips))  # of each caption with the clip"""
_RETRIEVAL_BY_PAIRS = "print(model.score_pairs(**inputs))  # how well each caption fits the clip"

# How frames come together, by `temporal_mixing`.
_MIXING = {
    "token_roll": "frames exchange patches by token rolling",
    "channel_shift": "frames exchange channels by a temporal shift",
    "none": "frames are read one by one, and what was read is averaged",
}

# What the Hub calls a task that it has no name for.
_OTHER_TASK = "other"
_NEEDED_OF_SCORE = {"dataset", "metric", "value"}
_OPTIONAL_OF_SCORE = {"split", "task", "source_name", "source_url", "blank_video", "num_rows"}
_SCORES_SECTION = re.compile(r"## Scores\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)

_TEMPLATE = Path(__file__).with_name("model_card_template.md")


def create_model_card(
    config: AllInOneConfig,
    class_name: str,
    name: str,
    source: str,
    license: str | None = None,
    base_model: str | None = None,
    datasets: list[str] | None = None,
    scores: Iterable[Mapping[str, Any]] = (),
    has_processor: bool = True,
    has_code: bool = False,
    training: Mapping[str, Any] | None = None,
    language: str | None = "en",
) -> ModelCard:
    """
    Write the card of a model.

    Args:
        config ([`AllInOneConfig`]): Its configuration.
        class_name (`str`): Its class, such as `"AllInOneForMaskedLM"`.
        name (`str`): What `from_pretrained` is to be called with: a directory, or a repository of the Hub.
        source (`str`): Where the weights come from: sentences in Markdown.
        license (`str`, *optional*): Licence of the weights, as the Hub names it, such as `"mit"`.
        base_model (`str`, *optional*): Repository of the Hub that the model was trained from.
        datasets (`list` of `str`, *optional*): Data sets of the Hub that it was trained on.
        scores (iterable of mappings, *optional*): What was measured, as in [`to_eval_results`].
        has_processor (`bool`, defaults to `True`): Whether a processor stands beside the model.
        has_code (`bool`, defaults to `False`): Whether the code that the model needs stands beside it.
        training (mapping, *optional*): How it was trained: names of hyper-parameters and other figures, and values.
        language (`str`, *optional*, defaults to `"en"`): Code of the language of its texts; `None` where that is not
            known.

    Returns:
        `huggingface_hub.ModelCard`: To be saved as `README.md`.

    Raises:
        ValueError: If a score lacks a field, or its value is no number.

    Example:

    ```python
    >>> from modeling_allinone import AllInOneConfig

    >>> card = create_model_card(AllInOneConfig(), "AllInOneForMaskedLM", "me/my-model", "Trained on my videos.")
    >>> card.data.pipeline_tag
    'fill-mask'

    ```
    """
    use = _USES[class_name]
    pipeline_tag = None if not _has_features(config, class_name) else use.pipeline_tag
    title = name.rstrip("/").split("/")[-1] or class_name
    scores = list(scores)
    results = to_eval_results(scores, pipeline_tag or _OTHER_TASK)
    data = ModelCardData(
        language=language,
        license=license,
        library_name="transformers",
        tags=["allinone", "video", "video-language", "arxiv:2203.07303"],
        pipeline_tag=pipeline_tag,
        base_model=base_model,
        datasets=datasets,
        model_name=title if results else None,
        eval_results=results or None,
    )
    if training:
        source += "\n\n" + _table(("", ""), training.items())
    return ModelCard.from_template(
        data,
        template_path=str(_TEMPLATE),
        title=title,
        purpose=use.purpose,
        mixing="it reads single frames" if config.num_frames == 1 else _MIXING[config.temporal_mixing],
        requirements=_requirements(has_processor, has_code),
        sample=_code_sample(config, class_name, name, has_code),
        configuration=_table(("", ""), _describe(config, class_name).items()),
        source=source,
        scores=_scores_section(scores),
        limits="\n".join(f"- {limit}" for limit in _limits(config, language)),
    )


def update_scores(card: ModelCard, scores: Iterable[Mapping[str, Any]]):
    """
    Put scores into a card, in its metadata and in its text, in place of those that it has.

    Args:
        card (`huggingface_hub.ModelCard`): The card, which is changed.
        scores (iterable of mappings): What was measured, as in [`to_eval_results`].

    Raises:
        ValueError: If a score lacks a field, or its value is no number.
    """
    scores = list(scores)
    card.data.eval_results = to_eval_results(scores, card.data.pipeline_tag or _OTHER_TASK)
    section = _scores_section(scores)
    text, is_replaced = _SCORES_SECTION.subn(lambda _: section, card.text, count=1)
    card.text = text if is_replaced else f"{card.text.rstrip()}\n\n{section}"


def to_eval_results(scores: Iterable[Mapping[str, Any]], task: str = _OTHER_TASK) -> list[EvalResult]:
    """
    Scores as the Hub's `model-index` wants them.

    Args:
        scores (iterable of mappings): Each has `dataset`, `metric` and `value`, and may have `split`, `task`,
            `source_name` and `source_url`; and, for the text of a card, `blank_video` (the same score with blank
            video) and `num_rows` (how many rows were scored).
        task (`str`, defaults to `"other"`): Of scores that have none.

    Returns:
        `list` of `huggingface_hub.EvalResult`

    Raises:
        ValueError: If a field is missing or unknown, or the value is no number.
    """
    results = []
    for score in scores:
        if (
            not isinstance(score, Mapping)
            or not _NEEDED_OF_SCORE <= set(score) <= _NEEDED_OF_SCORE | _OPTIONAL_OF_SCORE
        ):
            raise ValueError(
                f"A score is {score!r}, but expected a mapping with {', '.join(sorted(_NEEDED_OF_SCORE))} and perhaps "
                f"{', '.join(sorted(_OPTIONAL_OF_SCORE))}."
            )
        if isinstance(score["value"], bool) or not isinstance(score["value"], int | float):
            raise ValueError(f"The value of the score {dict(score)} is {score['value']!r}, but expected a number.")
        results.append(
            EvalResult(
                task_type=score.get("task", task),
                dataset_type=re.sub(r"[^a-z0-9]+", "-", str(score["dataset"]).lower()).strip("-"),
                dataset_name=str(score["dataset"]),
                dataset_split=score.get("split"),
                metric_type=str(score["metric"]),
                metric_value=score["value"],
                source_name=score.get("source_name"),
                source_url=score.get("source_url"),
            )
        )
    return results


def _has_features(config: AllInOneConfig, class_name: str) -> bool:
    """Whether a model does what its class is known for; for retrieval that is features, not scores of pairs."""
    return class_name != "AllInOneForVideoTextRetrieval" or config.projection_dim is not None


def _table(head: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> str:
    """A table in Markdown, whatever stands in its cells."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([" ".join(str(cell).split()).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _scores_section(scores: list[Mapping[str, Any]]) -> str:
    """The scores, and beside them those with blank video where they were measured."""
    if not scores:
        return ""
    columns = {"dataset": "data set", "split": "split", "num_rows": "rows", "metric": "metric", "value": "value"}
    columns["blank_video"] = "with blank video"
    shown = [name for name in columns if any(score.get(name) is not None for score in scores)]
    rows = ([_round(score.get(name)) for name in shown] for score in scores)
    return f"## Scores\n\n{_table(tuple(columns[name] for name in shown), rows)}\n\n"


def _round(value: Any) -> Any:
    """A number that can be read."""
    return "" if value is None else f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def _limits(config: AllInOneConfig, language: str | None) -> Iterator[str]:
    """What is to be known of the model, a sentence or two each."""
    frames = "one frame of a clip" if config.num_frames == 1 else f"up to {config.num_frames} frames of a clip"
    yield f"It sees {frames}; what happens between them is not seen, and there is no sound."
    yield f"Texts have at most {config.max_position_embeddings} tokens{', in English' if language == 'en' else ''}."
    if config.temporal_mixing == "token_roll" and config.num_frames > 1:
        order = "in their places" if config.patch_order == "raster" else "in an order that is fixed in inference"
        yield (
            "Which patches roll between frames depends on the order of patches. The original shuffles them at every "
            "forward, so its own outputs differ a little from run to run; here they are "
            f'{order} (`patch_order="{config.patch_order}"`), and inference always gives the same.'
        )
    yield "Where it has learned from videos and texts of the web, it has learned their biases, too."


def _requirements(has_processor: bool, has_code: bool) -> str:
    if has_code:
        requirements = (
            "The code is in this repository; it needs `transformers`, `torch`, `numpy` and `Pillow`, and `av` to read "
            "video files. Load it with `trust_remote_code=True`."
        )
    else:
        requirements = (
            "It needs the package `modeling_allinone`: `import modeling_allinone` first, which makes the Auto classes "
            "of transformers know the model."
        )
    if not has_processor:
        requirements += " There is no processor here yet: save an `AllInOneProcessor` beside the model first."
    return requirements


def _code_sample(config: AllInOneConfig, class_name: str, name: str, has_code: bool) -> str:
    use, quoted = _USES[class_name], json.dumps(name)
    retrieval = _RETRIEVAL_BY_FEATURES if config.projection_dim is not None else _RETRIEVAL_BY_PAIRS
    call = use.call.replace("{retrieval}", retrieval)
    imports = ["import numpy"]
    if "torch." in call:
        imports.append("import torch")
    loader, trust = use.auto_class or "AutoModel", ""
    if has_code:
        trust = ", trust_remote_code=True"
        imports.append(f"from transformers import {loader}, AutoProcessor")
    elif use.auto_class is None:
        loader = class_name
        imports += ["from transformers import AutoProcessor", f"from modeling_allinone import {class_name}"]
    else:
        imports = ["import modeling_allinone  # makes the Auto classes know the model", *imports]
        imports.append(f"from transformers import {loader}, AutoProcessor")
    return "\n".join(
        [
            *imports,
            "",
            f"model = {loader}.from_pretrained({quoted}{trust}).eval()",
            f"processor = AutoProcessor.from_pretrained({quoted}{trust})",
            'video = numpy.zeros((16, 240, 320, 3), dtype="uint8")  # or a file: "clip.mp4"',
            call,
        ]
    )


def _describe(config: AllInOneConfig, class_name: str) -> dict[str, Any]:
    height, width = config.image_height_width
    described = {
        "class": f"`{class_name}`",
        "blocks": config.num_hidden_layers,
        "width": config.hidden_size,
        "attention heads": config.num_attention_heads,
        "frames": config.num_frames,
        "frame size": f"{height} × {width} pixels, patches of {config.patch_size} × {config.patch_size}",
        "text": f"{config.max_position_embeddings} tokens of a vocabulary of {config.vocab_size}",
        "mixing of frames": f'`temporal_mixing="{config.temporal_mixing}"`',
    }
    if class_name == "AllInOneForVideoQuestionAnswering":
        described["answers"] = config.num_labels
    if class_name == "AllInOneForVideoClassification":
        described["classes"] = config.num_labels
        described["prompt, read where no text is given"] = "none" if config.prompt is None else f"`{config.prompt}`"
    if class_name == "AllInOneForPreTraining":
        described["objectives"] = ", ".join(config.chosen_pretraining_objectives)
    return described


__all__ = ["create_model_card", "to_eval_results", "update_scores"]
