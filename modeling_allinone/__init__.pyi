# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
from .conversion.checkpoint_info import CheckpointInfo as CheckpointInfo
from .conversion.checkpoint_info import describe_checkpoint as describe_checkpoint
from .data.collators import MultipleChoiceCollator as MultipleChoiceCollator
from .data.collators import PairedReasoningCollator as PairedReasoningCollator
from .data.collators import VideoClassificationCollator as VideoClassificationCollator
from .data.collators import VideoCollator as VideoCollator
from .data.collators import VideoQuestionAnsweringCollator as VideoQuestionAnsweringCollator
from .data.collators import VideoTextRetrievalCollator as VideoTextRetrievalCollator
from .data.collators import VisualCommonsenseCollator as VisualCommonsenseCollator
from .data.frame_cache import cache_frames as cache_frames
from .data.pretraining_collators import PairedCollator as PairedCollator
from .data.pretraining_collators import PreTrainingCollator as PreTrainingCollator
from .data.video_dataset import InterleavedDataset as InterleavedDataset
from .data.video_dataset import PairedDataset as PairedDataset
from .data.video_dataset import VideoDataset as VideoDataset
from .data.video_loading import VideoLoader as VideoLoader
from .data.webdataset_stream import WebDatasetStream as WebDatasetStream
from .data.webdataset_writing import write_shards as write_shards
from .datasets import AnnotationFile as AnnotationFile
from .datasets import AnnotationReader as AnnotationReader
from .datasets import check_examples as check_examples
from .datasets import describe_dataset as describe_dataset
from .datasets import list_datasets as list_datasets
from .datasets import load_annotations as load_annotations
from .datasets import load_rows as load_rows
from .datasets import load_tables as load_tables
from .datasets import register_dataset as register_dataset
from .datasets import summarize as summarize
from .datasets import train_tokenizer as train_tokenizer
from .evaluation.predictor import Predictor as Predictor
from .evaluation.question_answering import score_answers as score_answers
from .evaluation.retrieval import evaluate_choice as evaluate_choice
from .evaluation.retrieval import evaluate_retrieval as evaluate_retrieval
from .evaluation.video_encoder import VideoEncoder as VideoEncoder
from .evaluation.visualization import align_words as align_words
from .evaluation.visualization import align_words_with_frames as align_words_with_frames
from .evaluation.visualization import draw_alignment as draw_alignment
from .evaluation.zero_shot import ZeroShotEvaluator as ZeroShotEvaluator
from .hub.model_card import create_model_card as create_model_card
from .hub.remote_code import saving_code as saving_code
from .integrations.onnx_export import export_onnx as export_onnx
from .integrations.onnx_model import load_onnx as load_onnx
from .integrations.sentence_transformers import save_sentence_transformer as save_sentence_transformer
from .metrics import metric_path as metric_path
from .models.configuration_allinone import AllInOneConfig as AllInOneConfig
from .models.modeling_allinone import AllInOneModel as AllInOneModel
from .models.modeling_allinone import AllInOnePreTrainedModel as AllInOnePreTrainedModel
from .models.modeling_masked_lm_allinone import AllInOneForMaskedLM as AllInOneForMaskedLM
from .models.modeling_multiple_choice_allinone import AllInOneForMultipleChoice as AllInOneForMultipleChoice
from .models.modeling_paired_reasoning_allinone import (
    AllInOneForPairedVisualReasoning as AllInOneForPairedVisualReasoning,
)
from .models.modeling_pretraining_allinone import AllInOneForPreTraining as AllInOneForPreTraining
from .models.modeling_question_answering_allinone import (
    AllInOneForVideoQuestionAnswering as AllInOneForVideoQuestionAnswering,
)
from .models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval as AllInOneForVideoTextRetrieval
from .models.modeling_sequence_classification_allinone import (
    AllInOneForSequenceClassification as AllInOneForSequenceClassification,
)
from .models.modeling_video_classification_allinone import (
    AllInOneForVideoClassification as AllInOneForVideoClassification,
)
from .models.modeling_visual_commonsense_allinone import (
    AllInOneForVisualCommonsenseReasoning as AllInOneForVisualCommonsenseReasoning,
)
from .models.pipelines_allinone import VideoFillMaskPipeline as VideoFillMaskPipeline
from .models.pipelines_allinone import VideoQuestionAnsweringPipeline as VideoQuestionAnsweringPipeline
from .models.pipelines_allinone import VideoTextRetrievalPipeline as VideoTextRetrievalPipeline
from .models.pipelines_allinone import ZeroShotVideoClassificationPipeline as ZeroShotVideoClassificationPipeline
from .models.processing_allinone import AllInOneProcessor as AllInOneProcessor
from .models.video_processing_allinone import AllInOneVideoProcessor as AllInOneVideoProcessor
from .search.video_index import VideoIndex as VideoIndex
from .training.callbacks import AlignmentCallback as AlignmentCallback
from .training.pretraining_arguments import PreTrainingArguments as PreTrainingArguments
from .training.pretraining_trainer import PreTrainingTrainer as PreTrainingTrainer
from .training.trainer import AllInOneTrainer as AllInOneTrainer
from .training.trainer import AllInOneTrainingArguments as AllInOneTrainingArguments
from .training.trainer import RetrievalTrainer as RetrievalTrainer
from .training.trainer import VideoClassificationTrainer as VideoClassificationTrainer

__all__: list[str]
__version__: str
