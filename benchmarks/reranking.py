# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What re-ranking the best 20 costs in accuracy, beside reading every caption together with every clip.

    python benchmarks/reranking.py      # trains for some 10 minutes on two cores, then measures for some 10

A model learns captions of moving shapes of the medium level, features and a scorer of pairs together, as in
recipes/moving_shapes/retrieval_ranking.yaml, but with the 64 features of the pre-trained model. Then 200 captions look
for their clips among 1,000, all of whose captions differ: by features alone; by the scores of the 20 best, 2 % of all
pairs, added to those of features; and by those of all pairs.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch
from measuring import make_parser, write_result

from modeling_allinone import VideoEncoder, VideoLoader
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes
from modeling_allinone.evaluation.embedding import embed_clips, embed_texts, score_candidates
from modeling_allinone.evaluation.retrieval import combine, rerank
from modeling_allinone.recipes import RECIPES

ROOT = Path(__file__).parents[1]
SPLITS = {"train": 6000, "validation": 50, "test": 1600}


def main() -> None:
    """Train, score, write the JSON."""
    parser = make_parser("reranking", __doc__)
    parser.add_argument("--work-dir", type=Path, default=Path("outputs/reranking"), help="corpus and model")
    parser.add_argument("--num-clips", type=int, default=1000, help="clips that are looked through")
    parser.add_argument("--num-captions", type=int, default=200, help="captions that look for theirs")
    parser.add_argument("--num-reranked", type=int, default=20, help="the best, which are read again")
    parser.add_argument("--max-steps", type=int, default=1000, help="training steps")
    parser.add_argument("--seed", type=int, default=0, help="of the clips")
    arguments = parser.parse_args()

    corpus, model_dir = arguments.work_dir / "corpus", arguments.work_dir / "model"
    for split, num_clips in SPLITS.items():
        write_moving_shapes(corpus, num_clips, split, "medium", arguments.seed)
    if not (model_dir / "model.safetensors").exists():
        train(corpus, model_dir, arguments)
    rows = load_moving_shapes(corpus, "test", "retrieval", distinct_captions=True)
    clips = rows.select(range(arguments.num_clips)).to_list()
    texts = [clip["caption"] for clip in clips[: arguments.num_captions]]

    encoder = VideoEncoder.from_pretrained(model_dir)
    model, reader = encoder.model, VideoLoader(encoder.processor)
    started = time.perf_counter()
    similarities = embed_texts(model, encoder.processor, texts) @ embed_clips(model, reader, clips)[0].T
    seconds = {"features": time.perf_counter() - started}
    started = time.perf_counter()
    scores = torch.stack(score_candidates(model, reader, clips, texts, [range(len(texts))] * len(clips)), dim=1)
    seconds["all pairs"] = time.perf_counter() - started
    finer = combine(similarities, scores, model.config.contrastive_temperature)
    best_first = rerank(similarities, finer, arguments.num_reranked)
    rankings = {
        "features": (similarities, 0),
        f"the best {arguments.num_reranked} read again": (best_first, arguments.num_reranked * len(texts)),
        "all pairs read": (finer, finer.numel()),
    }
    table = [
        {
            "order by": name,
            "R@1, %": round(100 * recall(ranking, 1), 1),
            "R@5, %": round(100 * recall(ranking, 5), 1),
            "pairs read": num_pairs,
            "share of pairs": f"{num_pairs / finer.numel():.1%}",
        }
        for name, (ranking, num_pairs) in rankings.items()
    ]
    write_result(arguments, rankings=table, seconds={name: round(value, 1) for name, value in seconds.items()})


def train(corpus: Path, model_dir: Path, arguments: argparse.Namespace) -> None:
    """Fine-tune the pre-trained model."""
    options = {
        "data_dir": corpus,
        "output_dir": model_dir,
        "frame_cache": corpus / "frames",
        "model_name_or_path": ROOT / "examples" / "checkpoints" / "moving-shapes",
        "config": "{}",
        "max_steps": arguments.max_steps,
        "lr_scheduler_kwargs": f'{{"num_decay_steps": {arguments.max_steps // 2}}}',
        "report_to": "none",
        "disable_tqdm": "true",
    }
    command = [sys.executable, ROOT / "examples" / "finetune.py", RECIPES / "moving_shapes" / "retrieval_ranking.yaml"]
    subprocess.run([*map(str, command), *(f"--{name}={value}" for name, value in options.items())], check=True)


def recall(ranking: torch.Tensor, k: int) -> float:
    """Share of the captions (rows) whose own clip, which has their number, is among the best k."""
    own = ranking.diagonal()[:, None]
    return float(((ranking > own).sum(dim=1) < k).float().mean())


if __name__ == "__main__":
    main()
