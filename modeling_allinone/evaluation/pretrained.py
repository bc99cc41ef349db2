# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""A trained model with its processor, by what a folder or a repository of the Hub says it holds."""

from typing import Any, cast

import torch
from transformers.configuration_utils import PretrainedConfig

from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.modeling_masked_lm_allinone import AllInOneForMaskedLM
from ..models.modeling_multiple_choice_allinone import AllInOneForMultipleChoice
from ..models.modeling_pretraining_allinone import AllInOneForPreTraining
from ..models.modeling_question_answering_allinone import AllInOneForVideoQuestionAnswering
from ..models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from ..models.modeling_video_classification_allinone import AllInOneForVideoClassification
from ..models.processing_allinone import AllInOneProcessor

MODEL_CLASSES: dict[str, type[AllInOnePreTrainedModel]] = {
    model_class.__name__: model_class
    for model_class in (
        AllInOneForMaskedLM,
        AllInOneForMultipleChoice,
        AllInOneForPreTraining,
        AllInOneForVideoClassification,
        AllInOneForVideoQuestionAnswering,
        AllInOneForVideoTextRetrieval,
    )
}


def load_pretrained(
    name: str, device: str | torch.device | None = None, dtype: str | torch.dtype | None = None
) -> tuple[AllInOnePreTrainedModel, AllInOneProcessor]:
    """
    Load the model that a folder holds, of the class that its configuration names, to compute with it.

    Args:
        name (`str`): A folder, or a repository of the Hub.
        device (`str` or `torch.device`, *optional*): Default: a GPU if there is one, else the CPU.
        dtype (`str` or `torch.dtype`, *optional*): Such as `"bfloat16"`. Default: that of the weights.

    Returns:
        The model, in evaluation mode, and its [`AllInOneProcessor`].

    Raises:
        OSError: If there is no such folder or repository, or files are missing.
        ValueError: If it holds another model, one without a head, or not all of its weights.
    """
    held = PretrainedConfig.get_config_dict(name)[0]
    (class_name, *_) = held.get("architectures") or ["a model without a name"]
    if held.get("model_type") != "allinone" or class_name not in MODEL_CLASSES:
        raise ValueError(
            f"{name} holds {class_name} (model_type {held.get('model_type')!r}); expected one of "
            f"{', '.join(MODEL_CLASSES)}."
        )
    options: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    model, info = cast(Any, MODEL_CLASSES[class_name]).from_pretrained(name, output_loading_info=True, **options)
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{name} says that it holds {class_name}, but it lacks {', '.join(missing[:5])}.")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return model.to(device).eval(), AllInOneProcessor.from_pretrained(name)


__all__ = ["MODEL_CLASSES", "load_pretrained"]
