# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
How well a question about one moment of a long video is answered, by how its windows are used.

    make quickstart                     # trains the model and writes the clips
    python benchmarks/long_video.py     # some seconds

A test clip of moving shapes stands at a random place among windows that show nothing but a background. Its questions,
but those about the drift of the background, are asked: about the window that shows it alone, about frames spread over
the whole video, and about all windows, whose answers are combined.
"""

from pathlib import Path

import av
import numpy as np
from measuring import make_parser, write_result

from modeling_allinone import Predictor, VideoEncoder
from modeling_allinone.datasets import load_moving_shapes
from modeling_allinone.evaluation.long_video import ask_long_video

QUICKSTART = Path("outputs/quickstart")
CHECKPOINT = Path(__file__).parents[1] / "examples" / "checkpoints" / "moving-shapes"


def main() -> None:
    """Ask, count right answers, write the JSON."""
    parser = make_parser("long_video", __doc__)
    parser.add_argument("--model", type=Path, default=QUICKSTART / "model-token_roll", help="of the quickstart")
    parser.add_argument("--corpus", type=Path, default=QUICKSTART / "corpus", help="of the quickstart")
    parser.add_argument("--num-clips", type=int, default=120, help="clips whose questions are asked")
    parser.add_argument("--num-windows", type=int, default=8, help="windows of a video")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    predictor, encoder = Predictor.from_pretrained(arguments.model), VideoEncoder.from_pretrained(CHECKPOINT)
    generator = np.random.default_rng(arguments.seed)
    asked: dict[str, list[dict]] = {}
    for row in load_moving_shapes(arguments.corpus, "test"):
        if row["kind"] != "drift":
            asked.setdefault(row["video"], []).append(row)
    ways: dict[str, dict] = {
        "all windows, highest score": {},
        "all windows, mean score": {"combine": "mean"},
        "the most similar window": {"encoder": encoder, "num_windows": 1},
        "the 3 most similar, highest score": {"encoder": encoder, "num_windows": 3},
    }
    is_right: dict[str, list[bool]] = {}
    for path, rows in list(asked.items())[: arguments.num_clips]:
        with av.open(path) as container:
            rate = float(container.streams.video[0].average_rate or 0)
            clip = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        video = np.concatenate([draw_background(clip, generator) for _ in range(arguments.num_windows)])
        place = int(generator.integers(arguments.num_windows)) * len(clip)
        video[place : place + len(clip)] = clip
        questions = [row["question"] for row in rows]
        answers = {
            "the right window alone": [one.answer for one in predictor.ask(clip, questions)],
            "the whole as one clip": [one.answer for one in predictor.ask(video, questions)],
        }
        for way, options in ways.items():
            predictions = ask_long_video(
                predictor, video, questions, len(clip) / rate, frame_rate=rate, show_progress=False, **options
            )
            answers[way] = [one.answer for one in predictions]
        for way, given in answers.items():
            is_right.setdefault(way, []).extend(
                answer == row["answer"] for answer, row in zip(given, rows, strict=True)
            )
    table = {way: f"{np.mean(right):.1%}" for way, right in is_right.items()}
    for way, share in table.items():
        print(f"{way:36} {share}")
    write_result(arguments, **{"questions": len(next(iter(is_right.values()))), "right answers": table})


def draw_background(clip: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Grey squares that stand still, of the shape of a clip."""
    squares = generator.integers(90, 150, (clip.shape[1] // 4, clip.shape[2] // 4), dtype=np.uint8)
    frame = np.kron(squares, np.ones((4, 4), dtype=np.uint8))
    return np.broadcast_to(frame[None, :, :, None], clip.shape).copy()


if __name__ == "__main__":
    main()
