# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What `quickstart.py`, which imports this, shows at its end: a table, and a page with clips and learning curve."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from jinja2 import Environment, FileSystemLoader

from modeling_allinone.datasets.moving_shapes_texts import FRAME_KINDS, TIME_KINDS

# Answering where the background drifts takes comparing frames patch by patch, so it stands alone.
GROUPS = {
    "single-frame kinds": FRAME_KINDS,
    "time kinds": tuple(kind for kind in TIME_KINDS if kind != "drift"),
    "background drift": ("drift",),
}


def list_lines(scores: dict[str, dict[str, float]]) -> list[tuple[str, bool, list[float]]]:
    """Lines of the table: name, whether it is the mean of a group, and a share for each column."""
    lines = []
    for group, all_kinds in GROUPS.items():
        kinds = [kind for kind in all_kinds if kind in scores["clip"]]
        if kinds:
            means = [float(np.mean([column[kind] for kind in kinds])) for column in scores.values()]
            lines.append((group, True, means))
        if len(kinds) > 1:
            lines += [(kind, False, [column[kind] for column in scores.values()]) for kind in kinds]
    return lines


def print_scores(scores: dict[str, dict[str, float]]):
    """Print exact match in per cent, by kind of question and by how the clip is shown."""
    print(f"   {'exact match, %':22}" + "".join(f"{name:>12}" for name in scores))
    for name, is_group, shares in list_lines(scores):
        print(f"   {name if is_group else f'  {name}':22}" + "".join(f"{100 * share:12.1f}" for share in shares))


def write_report(path: Path, record: dict, answered: list[dict], frames: Mapping[tuple, np.ndarray]) -> Path:
    """Write the page; returns its path."""
    folder = FileSystemLoader(Path(__file__).parent)
    template = Environment(loader=folder, autoescape=True).get_template("quickstart_report.html.jinja")
    pictures = [draw_strip(frames[row["video"], row["start"], row["end"]]) for row in answered]
    page = template.render(
        record,
        lines=list_lines(record["scores"]),
        answered=[row | {"picture": picture} for row, picture in zip(answered, pictures, strict=True)],
        learning_curve=draw_learning_curve(record["history"]),
    )
    path.write_text(page, encoding="utf-8")
    return path


def draw_strip(frames: np.ndarray) -> str:
    """The frames of a clip (T, H, W, 3) side by side, as a picture."""
    picture = io.BytesIO()
    plt.imsave(picture, np.hstack([np.pad(frame, ((0, 0), (0, 3), (0, 0)), constant_values=255) for frame in frames]))
    return to_url(picture)


def draw_learning_curve(history: list[dict]) -> str:
    """Validation accuracy of each group of kinds over both stages, as a picture."""
    figure, axes = plt.subplots(figsize=(8, 3.6), dpi=110, layout="tight")
    offset = 0
    for stage in dict.fromkeys(entry["stage"] for entry in history):
        entries = [entry for entry in history if entry["stage"] == stage and "eval_loss" in entry]
        steps = [offset + entry["step"] for entry in entries]
        for number, (group, kinds) in enumerate(GROUPS.items()):
            shares = [100 * np.mean([entry[f"eval_{kind}"] for kind in kinds]) for entry in entries]
            axes.plot(steps, shares, f"C{number}o-", markersize=3, label=group if offset == 0 else None)
        offset += max(entry["step"] for entry in history if entry["stage"] == stage)
        axes.axvline(offset, color="0.8", zorder=0)
        axes.annotate(stage, (offset, 2), ha="right", xytext=(-4, 0), textcoords="offset points", color="0.4")
    axes.set(xlabel="step", ylabel="accuracy on validation clips, %", ylim=(0, 102))
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(GROUPS))
    axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture)
    plt.close(figure)
    return to_url(picture)


def to_url(picture: io.BytesIO) -> str:
    """A picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"
