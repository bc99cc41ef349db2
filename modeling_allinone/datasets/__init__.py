# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Data sets as tables of one common row, and what readers of your own are made of."""

from .annotation_files import (
    AnnotationFile,
    Record,
    read_fields,
    read_json,
    read_lines,
    read_listed_records,
    read_records,
    read_table,
)
from .annotation_reader import AnnotationFolder, AnnotationReader, AnnotationSummary
from .annotations import describe_dataset, list_datasets, load_annotations, register_dataset
from .answer_vocabularies import AnswerVocabulary
from .common_rows import summarize
from .moving_shapes import load_moving_shapes, write_moving_shapes
from .moving_shapes_texts import answer_vocabulary
from .readers.howto100m import draw_captioned_clip
from .readers.vcr import paint_objects
from .readers.vqav2 import soft_label
from .readers.yttemporal import draw_spoken_clip, replace_words
from .row_transforms import by_row
from .tokenizer_training import train_tokenizer

__all__ = [
    "AnnotationFile",
    "AnnotationFolder",
    "AnnotationReader",
    "AnnotationSummary",
    "AnswerVocabulary",
    "Record",
    "answer_vocabulary",
    "by_row",
    "describe_dataset",
    "draw_captioned_clip",
    "draw_spoken_clip",
    "list_datasets",
    "load_annotations",
    "load_moving_shapes",
    "paint_objects",
    "read_fields",
    "read_json",
    "read_lines",
    "read_listed_records",
    "read_records",
    "read_table",
    "register_dataset",
    "replace_words",
    "soft_label",
    "summarize",
    "train_tokenizer",
    "write_moving_shapes",
]
