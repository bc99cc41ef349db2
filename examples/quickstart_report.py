"""What the quickstart shows at its end: a table in the terminal and a page with clips, answers and learning curve."""

import base64
import html
import io
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from modeling_allinone.datasets.moving_shapes_texts import FRAME_KINDS, TIME_KINDS

# Answering where the background drifts takes comparing frames patch by patch, so it is told apart.
GROUPS = {
    "single-frame kinds": FRAME_KINDS,
    "time kinds": tuple(kind for kind in TIME_KINDS if kind != "drift"),
    "background drift": ("drift",),
}

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; } td, th { padding: .2rem .9rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr.group { font-weight: 600; border-top: 1px solid #bbb; }
.clip { display: flex; gap: 1.5rem; align-items: center; margin: 1.2rem 0; } .clip img { image-rendering: pixelated; }
.bar { background: #4c78a8; height: .7rem; display: inline-block; }
.right { color: #207030; } .wrong { color: #b02020; }
"""


def rows_of(scores: dict[str, dict[str, float]]) -> list[tuple[str, bool, list[float]]]:
    """Lines of the table: name, whether it is the mean of a group, and a share for each column."""
    lines = []
    for group, kinds in GROUPS.items():
        kinds = [kind for kind in kinds if kind in scores["clip"]]
        if not kinds:
            continue
        lines.append((group, True, [float(np.mean([column[kind] for kind in kinds])) for column in scores.values()]))
        if len(kinds) > 1:
            lines += [(kind, False, [column[kind] for column in scores.values()]) for kind in kinds]
    return lines


def print_scores(scores: dict[str, dict[str, float]]) -> None:
    """Print exact match in per cent, by kind of question and by how the clip is shown."""
    print(f"   {'exact match, %':22}" + "".join(f"{name:>12}" for name in scores))
    for name, is_group, shares in rows_of(scores):
        name = name if is_group else f"  {name}"
        print(f"   {name:22}" + "".join(f"{100 * share:12.1f}" for share in shares))


def write_report(path: Path, record: dict, answered: list[dict], processor) -> Path:
    """Write the page; returns its path."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in record["scores"])
    body = "".join(
        f"<tr class={'group' if is_group else 'kind'}><td>{name}</td>"
        + "".join(f"<td>{100 * share:.1f}</td>" for share in shares)
        + "</tr>"
        for name, is_group, shares in rows_of(record["scores"])
    )
    settings = record["settings"]
    page = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>All-in-one quickstart</title>
<style>{STYLE}</style><h1>All-in-one quickstart</h1>
<p>Level {settings["level"]}, temporal mixing {settings["temporal_mixing"]}, seed {settings["seed"]},
{"from scratch" if settings["from_scratch"] else "from a pre-trained model"},
{settings["frame_steps"]} steps on single frames, {settings["clip_steps"]} on clips,
{settings["num_clips"]} videos.</p>
<h2>Exact match on {settings["num_test_clips"]} unseen clips, per cent</h2>
<table><tr><th></th>{head}</tr>{body}</table>
<p>Clip: as recorded. Controls: the clip played <b>reversed</b>, <b>one frame</b> of it repeated, a <b>blank</b> video,
and <b>chance</b>, the answer most frequent in training for each wording of a question.</p>
<h2>Answers about unseen clips</h2>{"".join(_clip(row, processor) for row in answered)}
<h2>Learning curve</h2><img src="{_learning_curve(record["history"])}" alt="accuracy on validation clips by step">
</html>"""
    path.write_text(page, encoding="utf-8")
    return path


def _clip(row: dict, processor) -> str:
    """Frames of a clip, the question and the best answers."""
    pixels = processor.video_processor(row["video"], do_rescale=False, do_normalize=False)["pixel_values"][0]
    frames = pixels.permute(0, 2, 3, 1).byte().numpy()
    gap = np.full((frames.shape[1], 3, 3), 255, np.uint8)
    strip = np.concatenate([part for frame in frames for part in (frame, gap)], axis=1)
    is_right = row["best"][0]["answer"] == row["answer"]
    bars = "".join(
        f'<div><span class="bar" style="width:{8 * best["score"]:.2f}rem"></span> '
        f"{html.escape(best['answer'])} {100 * best['score']:.1f} %</div>"
        for best in row["best"]
    )
    return (
        f'<div class="clip"><img src="{_data_url(Image.fromarray(strip))}" height="96" alt="frames of the clip"><div>'
        f'<b>{html.escape(row["question"])}</b> <span class="{"right" if is_right else "wrong"}">'
        f"{'right' if is_right else 'wrong, it is ' + html.escape(row['answer'])}</span>{bars}</div></div>"
    )


def _learning_curve(history: list[dict]) -> str:
    """Validation accuracy of each group of kinds over both stages, as a picture."""
    figure, axes = plt.subplots(figsize=(8, 3.6), dpi=110)
    offset = 0
    for stage in dict.fromkeys(entry["stage"] for entry in history):
        entries = [entry for entry in history if entry["stage"] == stage and "eval_loss" in entry]
        steps = [offset + entry["step"] for entry in entries]
        for number, (group, kinds) in enumerate(GROUPS.items()):
            shares = [100 * np.mean([entry[f"eval_{kind}"] for kind in kinds]) for entry in entries]
            axes.plot(steps, shares, f"C{number}o-", markersize=3, label=group if offset == 0 else None)
        offset = max(entry["step"] + offset for entry in history if entry["stage"] == stage)
        axes.axvline(offset, color="0.8", zorder=0)
        axes.annotate(stage, (offset, 2), ha="right", xytext=(-4, 0), textcoords="offset points", color="0.4")
    axes.set(xlabel="step", ylabel="accuracy on validation clips, %", ylim=(0, 102))
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(GROUPS))
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    picture = io.BytesIO()
    figure.savefig(picture)
    plt.close(figure)
    return _data_url(Image.open(picture))


def _data_url(image: Image.Image) -> str:
    """A picture as an address that holds it."""
    data = io.BytesIO()
    image.save(data, "PNG")
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
