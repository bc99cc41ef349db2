"""All-in-one: unified video-language pre-training, for transformers."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForPreTraining,
    AutoModelForVideoClassification,
    AutoModelForVisualQuestionAnswering,
    AutoProcessor,
)
from transformers.models.auto.video_processing_auto import AutoVideoProcessor

from .models.configuration_allinone import AllInOneConfig
from .models.modeling_allinone import (
    AllInOneForMaskedLM,
    AllInOneForMultipleChoice,
    AllInOneForVideoClassification,
    AllInOneForVideoQuestionAnswering,
    AllInOneModel,
    AllInOnePreTrainedModel,
)
from .models.modeling_paired_reasoning_allinone import AllInOneForPairedVisualReasoning
from .models.modeling_pretraining_allinone import AllInOneForPreTraining
from .models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from .models.modeling_visual_commonsense_allinone import AllInOneForVisualCommonsenseReasoning
from .models.processing_allinone import AllInOneProcessor
from .models.video_processing_allinone import AllInOneVideoProcessor

__version__ = "0.2.0"

AutoConfig.register("allinone", AllInOneConfig)
AutoModel.register(AllInOneConfig, (AllInOneModel, AllInOneForVideoTextRetrieval))
AutoModelForMaskedLM.register(AllInOneConfig, AllInOneForMaskedLM)
AutoModelForMultipleChoice.register(AllInOneConfig, AllInOneForMultipleChoice)
AutoModelForPreTraining.register(AllInOneConfig, AllInOneForPreTraining)
AutoModelForVideoClassification.register(AllInOneConfig, AllInOneForVideoClassification)
AutoModelForVisualQuestionAnswering.register(AllInOneConfig, AllInOneForVideoQuestionAnswering)
AutoProcessor.register(AllInOneConfig, AllInOneProcessor)
AutoVideoProcessor.register(AllInOneConfig, AllInOneVideoProcessor)

__all__ = [
    "AllInOneConfig",
    "AllInOneForMaskedLM",
    "AllInOneForMultipleChoice",
    "AllInOneForPairedVisualReasoning",
    "AllInOneForPreTraining",
    "AllInOneForVideoClassification",
    "AllInOneForVideoQuestionAnswering",
    "AllInOneForVideoTextRetrieval",
    "AllInOneForVisualCommonsenseReasoning",
    "AllInOneModel",
    "AllInOnePreTrainedModel",
    "AllInOneProcessor",
    "AllInOneVideoProcessor",
]
