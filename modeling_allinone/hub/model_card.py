# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Model cards: what stands in the `README.md` beside a model, for its readers on the Hub and for the Hub itself."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..models.configuration_allinone import AllInOneConfig
from .remote_code import TASK_AUTO_CLASSES

# The Hub's name of the task of each class (`None`: the Hub has none), and what the class is for.
_PURPOSES: dict[str, tuple[str | None, str]] = {
    "AllInOneModel": ("feature-extraction", "turning text, video or both into features"),
    "AllInOneForPreTraining": (
        None,
        "training further on pairs of text and video, and as the start of every task",
    ),
    "AllInOneForMaskedLM": ("fill-mask", "filling masked words of a text about a video"),
    "AllInOneForVideoQuestionAnswering": (
        "visual-question-answering",
        "answering questions about videos with one of a fixed list of answers",
    ),
    "AllInOneForMultipleChoice": ("multiple-choice", "choosing the text, among several, that fits a video"),
    "AllInOneForSequenceClassification": ("text-ranking", "telling how well a text fits a video, pair by pair"),
    "AllInOneForVideoTextRetrieval": ("feature-extraction", "finding videos by text and texts by video"),
    "AllInOneForVideoClassification": (
        "video-classification",
        "telling which of its classes a video shows, such as actions",
    ),
    "AllInOneForVisualCommonsenseReasoning": (
        "visual-question-answering",
        "choosing the answer to a question about an image, and the rationale for it",
    ),
    "AllInOneForPairedVisualReasoning": (None, "telling whether a statement about two images is true"),
}
_WITHOUT_AUTO_CLASS = {"AllInOneForVisualCommonsenseReasoning", "AllInOneForPairedVisualReasoning"}

# What the Hub calls a task that it has no name for.
_OTHER_TASK = "other"
_NEEDED_OF_SCORE = {"dataset", "metric", "value"}
_OPTIONAL_OF_SCORE = {"split", "task", "source_name", "source_url", "blank_video", "num_rows"}
_SCORES_SECTION = re.compile(r"## Scores\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
)


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
    class_name = class_name.removeprefix("FSDP")  # which torch puts before the name of what it has sharded
    pipeline_tag, purpose = _PURPOSES[class_name]
    if class_name == "AllInOneForVideoTextRetrieval" and config.projection_dim is None:
        pipeline_tag = None  # it scores pairs, and has no features
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
    has_no_auto_class = class_name in _WITHOUT_AUTO_CLASS and not has_code
    text = _TEMPLATES.get_template("model_card_template.md").render(
        card_data=data.to_yaml(),
        title=title,
        purpose=purpose,
        config=config,
        class_name=class_name,
        loader=class_name if has_no_auto_class else TASK_AUTO_CLASSES.get(class_name, "AutoModel"),
        quoted_name=json.dumps(name),
        has_processor=has_processor,
        has_code=has_code,
        language=language,
        source=f"{source}\n\n{_table(('', ''), training.items())}" if training else source,
        scores=_scores_section(scores),
    )
    return ModelCard(text)


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
    data = cast(ModelCardData, card.data)
    data.eval_results = to_eval_results(scores, data.pipeline_tag or _OTHER_TASK)
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


__all__ = ["create_model_card", "to_eval_results", "update_scores"]
