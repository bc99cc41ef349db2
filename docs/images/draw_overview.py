# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Draw `overview.png`, the picture on top of the README, out of what the models answer. After the quickstart:

    .venv/bin/python docs/images/draw_overview.py
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch, Rectangle

from modeling_allinone import Predictor, VideoEncoder, VideoIndex

ROOT = Path(__file__).parents[2]
QUESTIONS = ["What colour was the shape first?", "What colour was the shape last?", "Where is the shape?"]
QUERY = "a green ring moves right at the top"
# Inches; large letters, as a phone shows the picture at half of its size.
WIDTH, HEIGHT, MARGIN, LINE = 8.3, 7.1, 0.3, 0.42
INK, SOFT, BAR, TRACK = "#1d2126", "#57606a", "#a9cdf3", "#f1f3f5"


def main():
    """Ask the models, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quickstart", type=Path, default=ROOT / "outputs" / "quickstart", help="its --output_dir")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("overview.png"))
    arguments = parser.parse_args()
    test = arguments.quickstart / "corpus" / "test"
    checkpoint = ROOT / "examples" / "checkpoints" / "moving-shapes"

    clip = json.loads((test / "annotations.jsonl").read_text(encoding="utf-8").splitlines()[0])
    answers = Predictor.from_pretrained(arguments.quickstart / "model-token_roll").ask(test / clip["video"], QUESTIONS)
    captions = [clip["caption"], *clip["wrong_captions"]]
    chosen = Predictor.from_pretrained(checkpoint).choose(test / clip["video"], captions)
    encoder = VideoEncoder.from_pretrained(checkpoint)
    videos = sorted((test / "videos").glob("*.mp4"))
    with TemporaryDirectory() as folder:
        index = VideoIndex.create(folder, encoder)
        index.update(videos)
        found = index.search(QUERY, top_k=3)

    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    page = Page(figure)
    page.draw_strip(test / clip["video"], MARGIN, 1.35)
    page.write("a clip that it\nhas never\nseen", MARGIN + 4 * 1.35 + 0.2, page.top - 0.65, color=SOFT)
    page.top -= 1.35
    page.head("Ask")
    for question, answer in zip(QUESTIONS, answers, strict=True):
        page.line(question, answer.score, answer.answer)
    page.head("Choose among captions")
    for choice in chosen.top_k[:3]:
        page.line(choice["answer"], choice["score"])
    page.head(f"Search {len(videos)} clips: “{QUERY}”")
    for number, moment in enumerate(found):
        left = MARGIN + number * 2.62
        page.draw_strip(Path(moment.path), left, 0.615)
        page.write(f"similarity {moment.similarity:.2f}", left, page.top - 0.8)
    figure.savefig(arguments.output, dpi=160, transparent=True)


class Page:
    """A white card, in inches, that is filled from top to bottom."""

    def __init__(self, figure):
        self.axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
        self.axes.axis("off")
        self.axes.add_patch(
            FancyBboxPatch(
                (0.1, 0.1), WIDTH - 0.2, HEIGHT - 0.2, "round,pad=0,rounding_size=0.15", fc="white", ec="#d4d9de"
            )
        )
        self.top = HEIGHT - MARGIN

    def write(self, text: str, left: float, middle: float, **look):
        """Write a text at a place."""
        self.axes.text(left, middle, text, **{"size": 15.5, "color": INK, "va": "center", **look})

    def head(self, text: str):
        """Write a heading."""
        self.write(text, MARGIN, self.top - 0.36, weight="bold")
        self.top -= 0.6

    def line(self, text: str, share: float, answer: str = ""):
        """Write a line on a bar as long as a share, with the share at its end."""
        width = WIDTH - 2 * MARGIN
        for length, colour in ((width, TRACK), (width * share, BAR)):
            self.axes.add_patch(Rectangle((MARGIN, self.top - LINE + 0.05), length, LINE - 0.05, fc=colour))
        middle = self.top - LINE / 2 + 0.01
        self.write(text, MARGIN + 0.1, middle)
        self.write(answer, WIDTH - MARGIN - 1.1, middle, weight="bold", ha="right")
        self.write(f"{100 * share:.1f} %", WIDTH - MARGIN - 0.08, middle, ha="right")
        self.top -= LINE

    def draw_strip(self, video: Path, left: float, size: float):
        """Draw the middles of the four quarters of a clip side by side."""
        with av.open(str(video)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        for number, place in enumerate((2 * np.arange(4) + 1) * len(frames) // 8):
            right = left + size * (number + 1) - 0.05
            extent = (left + size * number, right, self.top - size + 0.05, self.top)
            self.axes.imshow(frames[place], extent=extent, interpolation="nearest", zorder=2)
        self.axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="auto")


if __name__ == "__main__":
    main()
