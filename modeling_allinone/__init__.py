"""All-in-one: unified video-language pre-training, for transformers."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForVisualQuestionAnswering,
)

from .configuration_allinone import AllInOneConfig
from .modeling_allinone import (
    AllInOneForMaskedLM,
    AllInOneForMultipleChoice,
    AllInOneForVideoQuestionAnswering,
    AllInOneModel,
    AllInOnePreTrainedModel,
)

__version__ = "0.1.0"

AutoConfig.register("allinone", AllInOneConfig)
AutoModel.register(AllInOneConfig, AllInOneModel)
AutoModelForMaskedLM.register(AllInOneConfig, AllInOneForMaskedLM)
AutoModelForMultipleChoice.register(AllInOneConfig, AllInOneForMultipleChoice)
AutoModelForVisualQuestionAnswering.register(AllInOneConfig, AllInOneForVideoQuestionAnswering)

__all__ = [
    "AllInOneConfig",
    "AllInOneForMaskedLM",
    "AllInOneForMultipleChoice",
    "AllInOneForVideoQuestionAnswering",
    "AllInOneModel",
    "AllInOnePreTrainedModel",
]
