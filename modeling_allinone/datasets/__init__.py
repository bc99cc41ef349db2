# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Data sets as tables of one common row, and what readers of your own are made of.

Names are imported when they are first used; `__init__.pyi` lists them:

- tables: `list_datasets`, `describe_dataset`, `load_annotations`, `summarize`;
- tables of your own files: `load_tables`, `check_examples`; `load_rows`, to be answered;
- rows as they are fetched: `by_row`, `draw_captioned_clip`, `draw_spoken_clip`, `replace_words`, `paint_objects`,
  `soft_label`;
- readers of your own: `register_dataset`, `AnnotationReader`, `AnnotationFolder`, `AnnotationFile`,
  `AnswerVocabulary`, `Record`, the functions `read_…` for each form of file, `caption_rows`, `choice_columns`;
- a generated corpus: `write_moving_shapes`, `load_moving_shapes`, `answer_vocabulary`; `train_tokenizer`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
