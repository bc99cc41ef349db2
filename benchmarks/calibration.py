# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
How often a search says "match" of what is in a collection, of what is nearly, and of what has nothing to do with it.

    make quickstart                      # writes the clips
    python benchmarks/calibration.py     # some seconds

Clips of moving shapes are a collection. Sentences are the captions of its clips; captions of other clips, none of
which is one of those, though most differ in a word; and sentences of everyday life, others than those that the
collection is calibrated with.
"""

import random
from pathlib import Path

import torch
from measuring import make_parser, write_result

from modeling_allinone import VideoEncoder
from modeling_allinone.datasets import load_moving_shapes
from modeling_allinone.search.calibration import LEAST_CHANCE, Calibration

CHECKPOINT = Path(__file__).parents[1] / "examples" / "checkpoints" / "moving-shapes"
EVERYDAY = (
    ("the mayor", "a soldier", "my grandmother", "a tired waiter", "the orchestra", "a small boat", "an elephant"),
    ("signs a paper", "waits for the bus", "peels potatoes", "repairs a clock", "sings an aria", "sleeps", "is late"),
    ("at the airport", "under a bridge", "in the garden", "before breakfast", "on television", "in Paris"),
)


def main() -> None:
    """Count matches, write the JSON."""
    parser = make_parser("calibration", __doc__)
    parser.add_argument("--corpus", type=Path, default=Path("outputs/quickstart/corpus"), help="of the quickstart")
    parser.add_argument("--num-clips", type=int, nargs="+", default=[30, 400], help="clips of a collection")
    parser.add_argument("--num-sentences", type=int, default=200, help="sentences of each other kind, at most")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    encoder, generator = VideoEncoder.from_pretrained(CHECKPOINT), random.Random(arguments.seed)
    rows = load_moving_shapes(arguments.corpus, "test", "retrieval").to_list()
    table = []
    for num_clips in arguments.num_clips:
        captions = [row["caption"] for row in rows[:num_clips]]
        vectors = encoder.encode_video([row["video"] for row in rows[:num_clips]])
        calibration = Calibration.fit(encoder, vectors)
        others = sorted({row["caption"] for row in rows[num_clips:]} - set(captions))
        sentences = {
            "true of a clip": captions,
            "true of another clip": generator.sample(others, min(arguments.num_sentences, len(others))),
            "of everyday life": [" ".join(map(generator.choice, EVERYDAY)) for _ in range(arguments.num_sentences)],
        }
        for kind, texts in sentences.items():
            best = (encoder.encode_text(texts) @ vectors.T).amax(dim=1).tolist()
            matches = torch.tensor([calibration.is_match(similarity) for similarity in best])
            share = f"{matches.float().mean():.1%}"
            table.append({"clips": num_clips, "sentences": kind, "number": len(texts), "called a match": share})
    write_result(arguments, matches=table, least_chance=LEAST_CHANCE)


if __name__ == "__main__":
    main()
