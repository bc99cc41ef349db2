# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""A trained model with its processor, by what a folder or a repository of the Hub says it holds."""

from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from transformers.configuration_utils import PretrainedConfig

from ..models.modeling_allinone import AllInOnePreTrainedModel
from ..models.modeling_masked_lm_allinone import AllInOneForMaskedLM
from ..models.modeling_multiple_choice_allinone import AllInOneForMultipleChoice
from ..models.modeling_pretraining_allinone import AllInOneForPreTraining
from ..models.modeling_question_answering_allinone import AllInOneForVideoQuestionAnswering
from ..models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from ..models.modeling_sequence_classification_allinone import AllInOneForSequenceClassification
from ..models.modeling_video_classification_allinone import AllInOneForVideoClassification
from ..models.processing_allinone import AllInOneProcessor

MODEL_CLASSES: dict[str, type[AllInOnePreTrainedModel]] = {
    model_class.__name__: model_class
    for model_class in (
        AllInOneForMaskedLM,
        AllInOneForMultipleChoice,
        AllInOneForPreTraining,
        AllInOneForSequenceClassification,
        AllInOneForVideoClassification,
        AllInOneForVideoQuestionAnswering,
        AllInOneForVideoTextRetrieval,
    )
}

# Models without answers to a question about a clip, and what they do.
OTHER_CLASSES = {
    "AllInOneModel": "has no head",
    "AllInOneForPairedVisualReasoning": "judges pairs of images",
    "AllInOneForVisualCommonsenseReasoning": "chooses an answer and a rationale of VCR",
}


def load_pretrained(
    name: str | Path, device: str | torch.device | None = None, dtype: str | torch.dtype | None = None
) -> tuple[AllInOnePreTrainedModel, AllInOneProcessor]:
    """
    Load the model that a folder holds, of the class that its configuration names, to compute with it.

    Args:
        name (`str` or `Path`): A folder, or a repository of the Hub.
        device (`str` or `torch.device`, *optional*): Default: a GPU if there is one, else the CPU.
        dtype (`str` or `torch.dtype`, *optional*): Such as `"bfloat16"`. Default: that of the weights.

    Returns:
        The model, in evaluation mode, and its [`AllInOneProcessor`].

    Raises:
        OSError: If there is no such folder or repository, or files are missing or broken.
        ValueError: If it holds another model, one without a head, or not all of its weights; if there is no such
            device or type.
    """
    name = str(name)
    on_device = _check_device(device)
    options: dict[str, Any] = {} if dtype is None else {"dtype": _check_dtype(dtype)}
    model_class = _find_class(name)
    if model_class is AllInOneForSequenceClassification:  # a model for retrieval by its scorer of pairs alone
        model_class, options["projection_dim"] = AllInOneForVideoTextRetrieval, None
    try:
        model, info = cast(Any, model_class).from_pretrained(name, output_loading_info=True, **options)
    except SafetensorError as error:
        raise OSError(f"The weights in {name} are broken ({error}); copy them anew.") from error
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{name} says that it holds {model_class.__name__}, but it lacks {', '.join(missing[:5])}.")
    try:
        processor = AllInOneProcessor.from_pretrained(name)
    except (OSError, ValueError, TypeError) as error:
        raise OSError(
            f"{name} holds a model without the processor that reads its clips and texts ({_first_sentence(error)}); "
            "save that of its training there, by processor.save_pretrained."
        ) from error
    return model.to(on_device).eval(), processor


def _find_class(name: str) -> type[AllInOnePreTrainedModel]:
    """The class of what a folder or a repository holds, if that is a model that can be asked."""
    if Path(name).is_file():
        raise ValueError(f"{name} is a file; give the folder of a model, with config.json and model.safetensors.")
    if Path(name).is_dir() and not Path(name, "config.json").is_file():
        raise ValueError(
            f"{name} holds no model, since config.json is missing; give a folder that a model was saved in."
        )
    try:
        held = PretrainedConfig.get_config_dict(name)[0]
    except OSError as error:
        if Path(name).is_dir():
            raise
        raise OSError(
            f"{name!r} is no folder, and no repository of the Hub that can be read ({_first_sentence(error)})."
        ) from error
    (class_name, *_) = held.get("architectures") or ["a model without a name"]
    if held.get("model_type") == "allinone" and class_name in MODEL_CLASSES:
        return MODEL_CLASSES[class_name]
    what = f"{name} holds {class_name} (model_type {held.get('model_type')!r})"
    if class_name in OTHER_CLASSES:
        what += f", which {OTHER_CLASSES[class_name]}; load it by {class_name}.from_pretrained"
    raise ValueError(f"{what}; expected one of {', '.join(MODEL_CLASSES)}.")


def _check_device(device: str | torch.device | None) -> torch.device:
    """The device, if this machine has it."""
    has_gpu = torch.cuda.is_available()
    found: torch.device | None
    try:
        found = torch.device(device or ("cuda" if has_gpu else "cpu"))
    except RuntimeError:
        found = None
    if found is None or found.type not in ("cpu", "cuda", "mps"):
        raise ValueError(f"device is {str(device)!r}; expected 'cpu', 'cuda', 'cuda:1' and so on, or 'mps'.")
    if found.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device is {str(device)!r}, but this machine has no MPS that torch can use; take 'cpu'.")
    if found.type == "cuda" and (not has_gpu or (found.index or 0) >= torch.cuda.device_count()):
        has = f"{torch.cuda.device_count()} GPUs" if has_gpu else "no GPU that torch can use"
        raise ValueError(f"device is {str(device)!r}, but this machine has {has}; take another, or 'cpu'.")
    return found


def _check_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """The type of weights of this name."""
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if found not in (torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(f"dtype is {dtype!r}; expected 'float32', 'bfloat16' or 'float16'.")
    return found


def _first_sentence(error: Exception) -> str:
    """How a message begins."""
    return (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0].rstrip(".:")


__all__ = ["MODEL_CLASSES", "load_pretrained"]
