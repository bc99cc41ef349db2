# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
All-in-one: unified video-language pre-training, for transformers.

`import modeling_allinone` makes the models known to transformers' Auto classes, and their tasks to its `pipeline`. All
else is imported when it is first used; what there is, is listed in `__init__.pyi`:

- models, their configuration and processor: `AllInOneConfig`, `AllInOneModel`, `AllInOnePreTrainedModel`,
  `AllInOneFor…`, `AllInOneProcessor`, `AllInOneVideoProcessor`;
- data: `VideoDataset`, `InterleavedDataset`, `PairedDataset`, `VideoLoader`, `cache_frames`, a `…Collator` for each
  task, `WebDatasetStream`, `write_shards`; public data sets and your own: `list_datasets`, `describe_dataset`,
  `load_annotations`, `load_tables`, `load_rows`, `check_examples`, `register_dataset` with `AnnotationReader` and
  `AnnotationFile`, `summarize`, `train_tokenizer`;
- training: `AllInOneTrainer`, `RetrievalTrainer` and `VideoClassificationTrainer` with `AllInOneTrainingArguments`,
  `PreTrainingTrainer` with `PreTrainingArguments`, `AlignmentCallback`;
- answers and vectors of a trained model: `Predictor`, `VideoEncoder`; the classes behind transformers' `pipeline`:
  `VideoQuestionAnsweringPipeline`, `VideoTextRetrievalPipeline`, `ZeroShotVideoClassificationPipeline`,
  `VideoFillMaskPipeline`;
- evaluation and search: `metric_path`, `score_answers`, `evaluate_choice`, `evaluate_retrieval`, `ZeroShotEvaluator`,
  `VideoIndex`;
- what a checkpoint is: `describe_checkpoint`, `CheckpointInfo`;
- to show and to share: `align_words`, `align_words_with_frames`, `draw_alignment`, `create_model_card`, `saving_code`;
  for other libraries, `save_sentence_transformer`, `export_onnx` and `load_onnx`.
"""

import lazy_loader
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    AutoModelForVideoClassification,
    AutoModelForVisualQuestionAnswering,
    AutoProcessor,
)
from transformers.models.auto.video_processing_auto import AutoVideoProcessor
from transformers.pipelines import PIPELINE_REGISTRY

from .models.configuration_allinone import AllInOneConfig
from .models.modeling_allinone import AllInOneModel
from .models.modeling_masked_lm_allinone import AllInOneForMaskedLM
from .models.modeling_multiple_choice_allinone import AllInOneForMultipleChoice
from .models.modeling_pretraining_allinone import AllInOneForPreTraining
from .models.modeling_question_answering_allinone import AllInOneForVideoQuestionAnswering
from .models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from .models.modeling_sequence_classification_allinone import AllInOneForSequenceClassification
from .models.modeling_video_classification_allinone import AllInOneForVideoClassification
from .models.pipelines_allinone import PIPELINES, AutoModelOfAnyHead
from .models.processing_allinone import AllInOneProcessor
from .models.video_processing_allinone import AllInOneVideoProcessor

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

AutoConfig.register("allinone", AllInOneConfig)
AutoModel.register(AllInOneConfig, (AllInOneModel, AllInOneForVideoTextRetrieval))
AutoModelForMaskedLM.register(AllInOneConfig, AllInOneForMaskedLM)
AutoModelForMultipleChoice.register(AllInOneConfig, AllInOneForMultipleChoice)
AutoModelForPreTraining.register(AllInOneConfig, AllInOneForPreTraining)
AutoModelForSequenceClassification.register(AllInOneConfig, AllInOneForSequenceClassification)
AutoModelForVideoClassification.register(AllInOneConfig, AllInOneForVideoClassification)
AutoModelForVisualQuestionAnswering.register(AllInOneConfig, AllInOneForVideoQuestionAnswering)
AutoProcessor.register(AllInOneConfig, AllInOneProcessor)
AutoVideoProcessor.register(AllInOneConfig, AllInOneVideoProcessor)
for _task, _pipeline in PIPELINES.items():
    PIPELINE_REGISTRY.register_pipeline(_task, _pipeline, AutoModelOfAnyHead, type="multimodal")
