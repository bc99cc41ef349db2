# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
How much of an answer rests on the patches that a picture of it ranks first, by the way they are ranked.

    make quickstart                      # trains the model and writes the clips
    python benchmarks/explanation.py     # some minutes

The deletion test: the tenth of all patches of a clip that is ranked first is blanked, and the probability of the right
answer should fall. Questions about the test clips of moving shapes are asked. How often a picture passes the test on
its face is counted, and how often as many random patches would, taken for a picture.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measuring import make_parser, write_result

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForVideoQuestionAnswering,
    AllInOneProcessor,
    AllInOneVideoProcessor,
    Predictor,
)
from modeling_allinone.datasets import load_moving_shapes
from modeling_allinone.evaluation import explain
from modeling_allinone.evaluation.visualization import align_words

QUICKSTART = Path("outputs/quickstart")
Score = Callable[[torch.Tensor], torch.Tensor]


def main() -> None:
    """Rank, blank, ask again, write the JSON."""
    parser = make_parser("explanation", __doc__)
    parser.add_argument("--model", type=Path, default=QUICKSTART / "model-token_roll", help="of the quickstart")
    parser.add_argument("--corpus", type=Path, default=QUICKSTART / "corpus", help="of the quickstart")
    parser.add_argument("--num-questions", type=int, default=200, help="questions that are asked")
    parser.add_argument("--large", default="base", help="preset of the model without training whose time is taken")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    predictor = Predictor.from_pretrained(arguments.model, device="cpu")
    rows = (
        load_moving_shapes(arguments.corpus, "test")
        .shuffle(seed=arguments.seed)
        .select(range(arguments.num_questions))
    )
    drops: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    before: list[float] = []
    passes: dict[str, list[bool]] = {"the picture": [], "a random one": []}
    for row in rows:
        clip = predictor.processor(videos=row["video"])["pixel_values"]
        score_of = make_score(predictor, row["question"], row["answer"])
        probability = float(score_of(clip))
        before.append(probability)
        for way, heat in rank(predictor, row, clip, score_of, seconds).items():
            drops.setdefault(way, []).append(probability - float(score_of(blank(clip, heat))))
        for num_steps in (8, 4):
            way, started = f"explain, 2 x {num_steps} steps", time.perf_counter()
            explanation = explain(predictor, row["video"], row["question"], row["answer"], num_steps=num_steps)
            seconds.setdefault(way, []).append(time.perf_counter() - started)
            drops.setdefault(way, []).append(explanation.drop)
        passes["the picture"].append(explanation.is_trusted)
        passes["a random one"].append(passes_by_chance(explanation))

    table = {
        way: {"drop": round(float(np.mean(of_way)), 3), "seconds": round(float(np.median(seconds[way])), 3)}
        for way, of_way in drops.items()
    }
    print(f"probability of the right answer: {np.mean(before):.3f}")
    for way, cells in table.items():
        print(f"{way:36} {cells['drop']:.3f}  {cells['seconds']:.3f} s")
    shares = {name: round(float(np.mean(passed)), 3) for name, passed in passes.items()}
    print("passes the test:", shares)
    large = measure_large(predictor, arguments.large)
    print(f"one clip with {arguments.large}: {large}")
    write_result(
        arguments,
        **{
            "probability of the right answer": round(float(np.mean(before)), 3),
            "fall without the tenth ranked first": table,
            "passes the test": shares,
            f"one clip, {arguments.large}": large,
        },
    )


def make_score(predictor: Predictor, question: str, answer: str) -> Score:
    """The probability of an answer, of clips."""
    tokens, place = predictor.processor(text=question), predictor.model.config.label2id[answer]

    def score_of(clips: torch.Tensor) -> torch.Tensor:
        with torch.set_grad_enabled(clips.requires_grad):
            texts = {name: values.expand(len(clips), -1) for name, values in tokens.items()}
            return predictor.model(**texts, pixel_values=clips).logits.softmax(dim=-1)[:, place]

    return score_of


def rank(
    predictor: Predictor, row: dict, clip: torch.Tensor, score_of: Score, seconds: dict
) -> dict[str, torch.Tensor]:
    """What each patch (T, R, C) counts, by each way; how long it took is noted."""
    size = predictor.model.config.patch_size
    shape = clip.shape[1], clip.shape[3] // size, clip.shape[4] // size
    text = f"{row['question']} {row['answer']}"

    def align(place: slice) -> torch.Tensor:
        return align_words(predictor.model, predictor.processor, text, row["video"]).heat_maps[place].sum(dim=0)

    def occlude() -> torch.Tensor:
        number = shape[0] * shape[1] * shape[2]
        shows = spread(1 - torch.eye(number).view(number, *shape), size)
        return -torch.cat([score_of(clip * some) for some in shows.split(32)]).view(shape)

    def integrate(num_steps: int) -> torch.Tensor:
        shares = (torch.arange(num_steps) + 0.5) / num_steps
        points = (clip * shares.view(-1, 1, 1, 1, 1)).requires_grad_()
        if num_steps == 1:
            points = clip.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(score_of(points).sum(), points)
        return (
            (gradient.mean(dim=0) * clip[0]).sum(dim=1).unflatten(2, (-1, size)).unflatten(1, (-1, size)).sum((2, 4))
        )

    ways: dict[str, Callable[[], torch.Tensor]] = {
        "random patches": lambda: torch.rand(shape),
        "word-patch alignment, all words": lambda: align(slice(None)),
        "word-patch alignment, the answer": lambda: align(slice(-1, None)),
        "occlusion of one patch": occlude,
        "gradient x input": lambda: integrate(1),
        "integrated gradients, 8 steps": lambda: integrate(8),
        "integrated gradients, 16 steps": lambda: integrate(16),
    }
    found = {}
    for way, run in ways.items():
        started = time.perf_counter()
        found[way] = run()
        seconds.setdefault(way, []).append(time.perf_counter() - started)
    return found


def spread(patches: torch.Tensor, size: int) -> torch.Tensor:
    """Patches (..., R, C) in pixels (..., 1, H, W)."""
    return patches.repeat_interleave(size, -2).repeat_interleave(size, -1).unsqueeze(-3)


def blank(clip: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """A clip without the tenth of the patches that is ranked first."""
    shows = torch.ones(heat.numel())
    shows[heat.flatten().argsort(descending=True)[: max(round(0.1 * heat.numel()), 1)]] = 0
    return clip * spread(shows.view(heat.shape), clip.shape[-1] // heat.shape[-1])


def passes_by_chance(explanation) -> bool:
    """Whether the first of the random draws would pass the test, by the other ones."""
    first, *others = (explanation.score - score for score in explanation.random_scores)
    return first >= max(0.05, 2 * max(abs(other) for other in others))


def measure_large(predictor: Predictor, preset: str) -> dict[str, float]:
    """How long a picture of a large model takes, without training; and seconds of both cores, where others wait."""
    torch.manual_seed(0)
    config = AllInOneConfig.from_preset(preset, vocab_size=len(predictor.processor.tokenizer), num_labels=100)
    processor = AllInOneProcessor(AllInOneVideoProcessor(), predictor.processor.tokenizer)
    large = Predictor(AllInOneForVideoQuestionAnswering(config), processor)
    frames = np.random.default_rng(0).integers(0, 256, (16, 240, 320, 3), dtype=np.uint8)
    started, worked = time.perf_counter(), time.process_time()
    explain(large, frames, "what is it?")
    seconds = {"seconds": time.perf_counter() - started, "seconds of processors": time.process_time() - worked}
    return {name: round(value, 1) for name, value in seconds.items()}


if __name__ == "__main__":
    main()
