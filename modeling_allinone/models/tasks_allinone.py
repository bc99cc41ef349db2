# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a model can be asked, by its head; and the pipelines that ask it."""

from typing import Any

# Of each task of a pipeline: its class, and what a model must be able to do.
PIPELINE_CLASSES = {
    "video-question-answering": ("VideoQuestionAnsweringPipeline", "question-answering"),
    "video-text-retrieval": ("VideoTextRetrievalPipeline", "multiple-choice"),
    "zero-shot-video-classification": ("ZeroShotVideoClassificationPipeline", "multiple-choice"),
    "video-fill-mask": ("VideoFillMaskPipeline", "masked-lm"),
}
_MODULE = "pipelines_allinone"


def is_a(model: Any, name: str) -> bool:
    """
    Whether a model is of a class of this code, or of another copy of it: what a folder's model and what its pipeline
    need, transformers may import from two places.

    Args:
        model (`nn.Module`)
        name (`str`): Of the class.
    """
    return name in (one.__name__ for one in type(model).__mro__)


def tasks_of(model: Any) -> tuple[str, ...]:
    """
    What a model has a head for.

    Args:
        model ([`AllInOnePreTrainedModel`])

    Returns:
        `tuple` of `str`: Tasks, that with the most columns first.
    """
    chooses = is_a(model, "AllInOneForVideoTextRetrieval") or is_a(model, "AllInOneForMultipleChoice")
    fills = is_a(model, "AllInOneForMaskedLM")
    if is_a(model, "AllInOneForPreTraining"):
        chooses = model.matching_head is not None or model.text_projection is not None
        fills = model.mlm_head is not None
    heads = {
        "multiple-choice": chooses,
        "question-answering": is_a(model, "AllInOneForVideoQuestionAnswering"),
        "masked-lm": fills,
        "classification": chooses or is_a(model, "AllInOneForVideoClassification"),
    }
    return tuple(task for task, has_head in heads.items() if has_head)


def name_pipelines(model: Any):
    """
    Let the configuration of a model say which pipelines of its code ask it, as transformers wants it to find them:
    where each is, and that it loads models by `AutoModel`, which is the own class of a folder with code.

    Args:
        model ([`AllInOnePreTrainedModel`]): Is to be saved with its code.
    """
    tasks = tasks_of(model)
    own = {
        task: {"impl": f"{_MODULE}.{name}", "pt": ["AutoModel"], "type": "multimodal"}
        for task, (name, needed) in PIPELINE_CLASSES.items()
        if needed in tasks
    }
    if named := pipelines_of_others(getattr(model.config, "custom_pipelines", None)) | own:
        model.config.custom_pipelines = named
    else:
        vars(model.config).pop("custom_pipelines", None)


def pipelines_of_others(named: dict[str, dict[str, Any]] | None) -> dict[str, dict[str, Any]]:
    """What a configuration says of pipelines, without those of this code."""
    return {task: told for task, told in (named or {}).items() if not str(told.get("impl")).startswith(f"{_MODULE}.")}
