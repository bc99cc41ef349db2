# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
from .embedding import embed_clips as embed_clips
from .embedding import embed_texts as embed_texts
from .embedding import score_candidates as score_candidates
from .question_answering import score_answers as score_answers
from .retrieval import CaptionedClips as CaptionedClips
from .retrieval import Ranking as Ranking
from .retrieval import collect_captions as collect_captions
from .retrieval import combine as combine
from .retrieval import evaluate_choice as evaluate_choice
from .retrieval import evaluate_retrieval as evaluate_retrieval
from .retrieval import list_options as list_options
from .retrieval import rank as rank
from .retrieval import rerank as rerank
from .zero_shot import ZeroShotEvaluator as ZeroShotEvaluator
from .zero_shot import share_weights as share_weights
