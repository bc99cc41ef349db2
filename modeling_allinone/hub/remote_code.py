# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Saving a model with its code, so that it loads where this package is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..models.modeling_allinone import AllInOneModel, AllInOnePreTrainedModel
from ..models.modeling_masked_lm_allinone import AllInOneForMaskedLM
from ..models.modeling_multiple_choice_allinone import AllInOneForMultipleChoice
from ..models.modeling_pretraining_allinone import AllInOneForPreTraining
from ..models.modeling_question_answering_allinone import AllInOneForVideoQuestionAnswering
from ..models.modeling_sequence_classification_allinone import AllInOneForSequenceClassification
from ..models.modeling_video_classification_allinone import AllInOneForVideoClassification
from ..models.processing_allinone import AllInOneProcessor
from ..models.video_processing_allinone import AllInOneVideoProcessor

_HEADS = {
    AllInOneForMaskedLM: "AutoModelForMaskedLM",
    AllInOneForMultipleChoice: "AutoModelForMultipleChoice",
    AllInOneForPreTraining: "AutoModelForPreTraining",
    AllInOneForSequenceClassification: "AutoModelForSequenceClassification",
    AllInOneForVideoClassification: "AutoModelForVideoClassification",
    AllInOneForVideoQuestionAnswering: "AutoModelForVisualQuestionAnswering",
}
# Models that are not named here are loaded by AutoModel.
TASK_AUTO_CLASSES = {cls.__name__: auto_class for cls, auto_class in _HEADS.items()}


class _OfPackage:
    """What transformers asks of a class that it finds in a folder; without a note to save its code with the next."""

    def __init__(self, cls: Any):
        self.from_pretrained = cls.from_pretrained

    def register_for_auto_class(self, auto_class: str | None = None) -> None:
        pass


def find_class(name: str) -> _OfPackage:
    """
    A class of this package for a folder that was saved by it, without its code: `import_modeling_allinone.py` there,
    which transformers runs with `trust_remote_code=True`, asks for it.

    Args:
        name (`str`): One of the classes that the package exports.

    Raises:
        AttributeError: If it exports none of that name.
    """
    import modeling_allinone

    if name not in modeling_allinone.__all__:
        raise AttributeError(f"This was saved by {name}, which modeling_allinone lacks; import what has it.")
    return _OfPackage(getattr(modeling_allinone, name))


@contextmanager
def saving_code(model: AllInOnePreTrainedModel, processor: AllInOneProcessor | None = None) -> Iterator[None]:
    """
    Inside the block, saving the model or the processor, or pushing it to the Hub, puts its code beside it.

    The directory or repository then loads with `trust_remote_code=True` wherever transformers is installed: the
    configuration with `AutoConfig`, the model with `AutoModel` or the Auto class of its task, its weights in other
    models with the Auto classes of theirs, the processor with `AutoProcessor`, and all together with `pipeline`, for
    the tasks of this package that the model has a head for. Where this package is imported, its own classes are loaded
    all the same; by `AutoModel`, retrieval or the backbone.

    Args:
        model ([`AllInOnePreTrainedModel`]): The model to be saved.
        processor ([`AllInOneProcessor`], *optional*): The processor to be saved.

    Raises:
        TypeError: If one of them is something else, or of a class whose code lies outside of this package.

    Example:
        >>> from pathlib import Path
        >>> from modeling_allinone import AllInOneConfig, AllInOneForMaskedLM
        >>> from modeling_allinone.hub.remote_code import saving_code

        >>> model = AllInOneForMaskedLM(AllInOneConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2))
        >>> with saving_code(model):
        ...     model.save_pretrained("allinone-with-code")
        >>> Path("allinone-with-code", "modeling_allinone.py").is_file()
        True
    """
    _check_class("model", model, AllInOnePreTrainedModel)
    auto_class = TASK_AUTO_CLASSES.get(type(model).__name__, "AutoModel")
    # What they have in common, `_auto_class` and `register_for_auto_class`, transformers declares in no common class.
    parts: list[tuple[Any, str]] = [(model.config, "AutoConfig"), (model, auto_class)]
    if processor is not None:
        _check_class("processor", processor, AllInOneProcessor)
        _check_class("processor.video_processor", processor.video_processor, AllInOneVideoProcessor)
        parts += [(processor.video_processor, "AutoVideoProcessor"), (processor, "AutoProcessor")]

    # Transformers notes the Auto class in the class and the map in the instance, and leaves both there.
    before = [(type(part)._auto_class, vars(part).pop("auto_map", None)) for part, _ in parts]
    pipelines = vars(model.config).get("custom_pipelines")
    try:
        for part, auto_class in parts:
            type(part).register_for_auto_class(auto_class)
        model.config.auto_map = {
            auto_class: f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}" for cls, auto_class in _HEADS.items()
        }
        yield
    finally:
        vars(model.config).pop("custom_pipelines", None)
        if pipelines is not None:
            model.config.custom_pipelines = pipelines
        for (part, _), (auto_class, auto_map) in zip(parts, before, strict=True):
            type(part)._auto_class = auto_class
            vars(part).pop("auto_map", None)
            if auto_map is not None:
                part.auto_map = auto_map


def _check_class(name: str, value: Any, expected: type):
    """Raise a `TypeError` unless the value is an instance of the expected class, and its own class of this package."""
    module = type(value).__module__
    package = AllInOneModel.__module__.rpartition(".")[0]
    if not isinstance(value, expected) or module.rpartition(".")[0] != package:
        raise TypeError(
            f"{name} is of class {type(value).__name__} from {module}, but only code of {package} is saved; "
            f"expected {expected.__name__} or a class that {package} derives from it."
        )


__all__ = ["TASK_AUTO_CLASSES", "saving_code"]
