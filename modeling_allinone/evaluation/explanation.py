# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Which patches of which frames an answer or the score of a caption rests on, and a test whether that is so.

Shapes in the comments: V views, T frames, F = V * T frames of all views, R rows and C columns of patches, N texts.
"""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.checkpoint import checkpoint

from ..models.answers_allinone import project_clips
from ..models.video_sources_allinone import frame_rate_of
from .embedding import embed_texts
from .predictor import Predictor, Question
from .visualization import GREY_BRIGHTNESS, ORANGE, add_color_bar, lay_out, show, shown_frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The share of patches that the deletion test blanks; draws of as many random ones; their seed.
TESTED_SHARE, _NUM_DRAWS, _SEED = 0.1, 8, 0
_CLIPS_AT_ONCE = 4  # whose gradients are computed
# A picture is trusted if what it ranks first lowers a score by so many times what any random draw changes, and a
# probability by so much. Of as many random patches, taken for a picture, 1 % at most pass (benchmarks/explanation.py).
_LEAST_RATIO, _LEAST_DROP = 2.0, 0.05
# Of what is written on a picture: inches of a line, letters to the inch above and below.
_LINE_HEIGHT, _TITLE_LETTERS, _VERDICT_LETTERS = 0.19, 10.5, 12

Score = Callable[[torch.Tensor], torch.Tensor]


@dataclass
class Explanation:
    """
    What a score rests on.

    Args:
        text (`str`, *optional*): The question, the caption, or the text with a mask; `None` for a class.
        answer (`str`, *optional*): The answer that is explained; `None` for a caption.
        score (`float`): Its probability, from 0 to 1; of a caption, what the model scores it with, the higher, the
            better it fits.
        is_probability (`bool`): Whether it is one.
        heat_maps (`torch.FloatTensor` of shape `(F, R, C)`): By how much each patch raises the score, from 0 to 1, the
            share of the strongest; those that lower it are 0. F are the frames of all views.
        frames (`torch.ByteTensor` of shape `(F, height, width, 3)`): What the model was shown.
        times (`list` of `float`, *optional*): When the frames appear, in seconds, by the mean frame rate of the
            video; `None` for images, and for frames whose rate is not known.
        top_patches (`torch.BoolTensor` of shape `(F, R, C)`): The tenth of all patches that the test blanks.
        score_without (`float`): The score with these blank.
        random_scores (`list` of `float`): The scores with as many random patches blank, of several draws.
        is_trusted (`bool`): Whether the score falls by these at least twice as much as any random draw changes it; a
            probability by 0.05 at least.
    """

    text: str | None
    answer: str | None
    score: float
    is_probability: bool
    heat_maps: torch.Tensor = field(repr=False)
    frames: torch.Tensor = field(repr=False)
    times: list[float] | None
    top_patches: torch.Tensor = field(repr=False)
    score_without: float
    random_scores: list[float]
    is_trusted: bool

    @property
    def drop(self) -> float:
        """By how much the score falls without the tenth of the patches that is ranked first."""
        return self.score - self.score_without

    @property
    def random_drop(self) -> float:
        """By how much it falls without as many random ones, on average."""
        return self.score - sum(self.random_scores) / len(self.random_scores)

    @property
    def verdict(self) -> str:
        """What the test says, in a sentence."""
        what = "probability" if self.is_probability else "score"
        tested = (
            f"{what} {self.score:.2f}, {self.score_without:.2f} without the tenth of the patches that is outlined, "
            f"{self.score - self.random_drop:.2f} without as many random ones"
        )
        if self.is_trusted:
            return f"Tested: {tested}."
        # The mean hides the draw that the picture fails by.
        farthest = max(self.random_scores, key=lambda score: abs(score - self.score))
        draws = f" on average, {farthest:.2f} without those that change it most" if len(self.random_scores) > 1 else ""
        return f"NOT TO BE TRUSTED: {tested}{draws}."

    def as_row(self) -> dict[str, Any]:
        """
        What JSON can hold of it.

        Returns:
            `dict`: The fields but for pictures, `drop`, `random_drop` and `verdict`, and a list `frames`, each with
            its `time` (seconds), the `share` of all heat that it has, and `top_patches`: left, top, right and bottom
            of each, as shares of width and height.
        """
        rows, columns = self.heat_maps.shape[1:]
        shares = self.heat_maps.sum(dim=(1, 2)) / self.heat_maps.sum().clamp(min=torch.finfo(torch.float32).tiny)
        frames = [
            {
                "time": None if self.times is None else self.times[place],
                "share": float(share),
                "top_patches": [
                    [column / columns, row / rows, (column + 1) / columns, (row + 1) / rows]
                    for row, column in self.top_patches[place].nonzero().tolist()
                ],
            }
            for place, share in enumerate(shares)
        ]
        names = ("text", "answer", "score", "is_probability", "score_without", "random_scores", "drop", "random_drop")
        return {name: getattr(self, name) for name in (*names, "is_trusted", "verdict")} | {"frames": frames}


def explain(
    predictor: Predictor,
    video: Any,
    question: str | None = None,
    answer: str | None = None,
    caption: str | None = None,
    options: Sequence[str] | None = None,
    num_steps: int = 4,
) -> Explanation:
    """
    Find the patches that an answer, a class, a word, a choice or the score of a caption rests on.

    Each patch gets its integrated gradient: what the score gains by the patch's pixels on the straight path from a
    blank clip to the clip. One answer often has several supports, of which any suffices: so the best twentieth of all
    patches is blanked, and the rest is ranked once more without it. *Blank* is the mean colour of the processor, 0
    after normalisation.

    The test: the tenth of all patches that is ranked first is blanked, and as many random ones, 8 times; the score
    must fall by the former at least twice as much as any of the latter changes it.

    It takes `2 * num_steps` forward and backward passes, and 10 forward passes for the test; each as often as there
    are `options` and views, and with options the former twice.

    Args:
        predictor ([`Predictor`]): With the model.
        video: A path, URL, bytes of a file, decoded frames, or a mapping with `start` and `end`, as in
            [`Predictor.ask`].
        question (`str`, *optional*): For models that answer questions; for those that find words, a text with one
            `[MASK]`. With `options`, what they answer.
        answer (`str`, *optional*): The answer, class, word or option that is explained. Default: the best.
        caption (`str`, *optional*): For models that compare texts and clips: the caption whose score is explained.
        options (sequence of `str`, *optional*): For the same models: texts to choose from, as in [`Predictor.choose`].

        num_steps (`int`, defaults to 4): Points of the path, in each of the two stages. More are slower and a little
            better (`benchmarks/explanation.py`).

    Returns:
        [`Explanation`], on the CPU.

    Raises:
        ValueError: If the model cannot be asked so, knows no such answer, gives no numbers, or the clip cannot be
            read.

    Source: Sundararajan, Taly and Yan 2017, Axiomatic attribution for deep networks (arXiv 1703.01365), equation 1;
    the deletion test: Petsiuk, Das and Saenko 2018, RISE (arXiv 1806.07421).

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import AllInOneConfig, AllInOneForVideoQuestionAnswering, AllInOneProcessor
    >>> from modeling_allinone import AllInOneVideoProcessor

    >>> config = AllInOneConfig.from_preset("tiny", num_hidden_layers=1, id2label={0: "yes", 1: "no"})
    >>> processor = AllInOneProcessor(AllInOneVideoProcessor(), BertTokenizer())
    >>> predictor = Predictor(AllInOneForVideoQuestionAnswering(config), processor)
    >>> frames = np.random.default_rng(0).integers(0, 256, (8, 240, 320, 3), dtype=np.uint8)
    >>> explanation = explain(predictor, frames, "is it dark?")
    >>> explanation.heat_maps.shape, int(explanation.top_patches.sum())
    (torch.Size([3, 14, 14]), 59)

    ```
    """
    model = predictor.model
    task = _choose_task(predictor, question, answer, caption, options)
    row = dict(video) if isinstance(video, Mapping) else {"video": video}
    if row.get("video") is None:
        raise ValueError(f"What is explained has no video; it has {', '.join(map(str, row))}.")
    if num_steps < 1:
        raise ValueError(f"num_steps is {num_steps}; expected at least 1.")
    asked: dict[str, Any] = {name: [row.get(name)] for name in ("start", "end")}
    asked |= {"frame_rate": [frame_rate_of(row)], "return_metadata": True}
    inputs: Any = predictor.processor(videos=[row["video"]], **asked)
    clip = inputs["pixel_values"].to(model.device, model.dtype).view(-1, *inputs["pixel_values"].shape[-4:])
    mask = inputs["pixel_mask"].to(model.device).view(-1, *clip.shape[-2:]) if "pixel_mask" in inputs else None
    with torch.no_grad():
        score_of, answer = _make_score(predictor, task, clip, mask, question, answer, caption, options)
        score = float(score_of(clip[None])[0])
    if not math.isfinite(score):
        raise ValueError(
            f"{predictor.name} gives no numbers as scores (NaN): its weights are broken, or too large for "
            f"{model.dtype}. Load it with dtype='float32', or train it anew."
        )

    size = model.config.patch_size
    num_patches = clip[:, :, 0].numel() // size**2
    num_tested = max(round(TESTED_SHARE * num_patches), 1)

    def blank(patches: torch.Tensor) -> torch.Tensor:
        """The clip without some patches (F, R, C)."""
        shows = (~patches).to(clip).repeat_interleave(size, -2).repeat_interleave(size, -1)
        return clip * shows.view(*clip.shape[:2], 1, *clip.shape[3:])

    gains = _integrate(score_of, clip, size, num_steps)
    first = _highest(gains, num_tested - num_tested // 2)
    later = _integrate(score_of, blank(first), size, num_steps).masked_fill(first, -torch.inf)
    top = first | _highest(later, num_tested // 2)
    # Those of the second stage come after those of the first.
    heat = torch.where(first, gains, later.clamp(max=float(gains[first].min()))).clamp(min=0)

    generator = torch.Generator().manual_seed(_SEED)
    draws = [torch.randperm(num_patches, generator=generator)[:num_tested] for _ in range(_NUM_DRAWS)]
    tested = [top] + [torch.zeros_like(top).flatten().index_fill(0, draw, True).view(top.shape) for draw in draws]
    with torch.no_grad():
        without, *random_scores = [float(score_of(blank(patches)[None])[0]) for patches in tested]
    least = max(_LEAST_RATIO * max(abs(score - one) for one in random_scores), torch.finfo(torch.float32).eps)
    if answer is not None:
        least = max(least, _LEAST_DROP)
    metadata = inputs["video_metadata"]
    times = [index / one.fps for one in metadata if one.fps is not None for index in one.frames_indices]
    return Explanation(
        question if caption is None else caption,
        answer,
        score,
        answer is not None,
        heat / heat.max().clamp(min=torch.finfo(torch.float32).tiny),
        shown_frames(inputs["pixel_values"].flatten(0, -4), predictor.processor, {}),
        times if len(times) == len(top) > 1 else None,
        top,
        without,
        random_scores,
        score - without >= least,
    )


def draw_explanation(explanation: Explanation, frame: int | None = None) -> "Figure":
    """
    Draw the frames of a clip, and the same in grey with the patches in orange that a score rests on: the more, the
    brighter. Those that the test blanks are outlined, and what it says stands below; in red if the picture is not to
    be trusted.

    Args:
        explanation ([`Explanation`]): From [`explain`].
        frame (`int`, *optional*): The number of the only frame to draw. Default: all.

    Returns:
        `matplotlib.figure.Figure`, as of [`draw_alignment`].

    Raises:
        ImportError: If matplotlib is not installed.
        IndexError: If there is no such frame.
    """
    try:
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.patches import Rectangle
    except ImportError as error:
        raise ImportError(
            "draw_explanation needs matplotlib; install it with `pip install modeling_allinone[train]`."
        ) from error
    number = len(explanation.frames)
    if frame is not None and not 0 <= frame < number:
        raise IndexError(f"frame is {frame}; this clip has {number}, from 0 to {number - 1}.")
    chosen = slice(None) if frame is None else slice(frame, frame + 1)
    frames, heat_maps = explanation.frames[chosen].numpy(), explanation.heat_maps[chosen].numpy()
    figure, strips, places = lay_out(2, *frames.shape[:3])
    show(strips[0], frames, places)
    for place, seconds in zip(places, (explanation.times or [])[chosen], strict=False):
        box = {"facecolor": "k", "alpha": 0.6, "pad": 1.5, "edgecolor": "none"}
        strips[0].text(place[0], place[2], f"{seconds:.1f} s", size=8, color="w", va="bottom", bbox=box)
    show(strips[1], frames.mean(axis=-1), places, cmap="gray", vmin=0, vmax=255 / GREY_BRIGHTNESS)
    orange = LinearSegmentedColormap.from_list("orange", ORANGE)
    show(strips[1], heat_maps, places, cmap=orange, vmin=0, vmax=1)
    size = frames.shape[2] / heat_maps.shape[2], frames.shape[1] / heat_maps.shape[1]
    for number, row, column in explanation.top_patches[chosen].nonzero().tolist():
        corner = places[number][0] + column * size[0], row * size[1]
        strips[1].add_patch(Rectangle(corner, *size, fill=False, edgecolor="w", linewidth=0.8))
    bar = add_color_bar(figure, strips)
    bar.set_ticks([0, 1], labels=["nothing", "most"])
    bar.set_label("what a patch adds")

    told = " \N{RIGHTWARDS ARROW} ".join(text for text in (explanation.text, explanation.answer) if text is not None)
    width = figure.get_figwidth()
    title = textwrap.fill(told, max(int(width * _TITLE_LETTERS), 20))
    verdict = textwrap.fill(explanation.verdict, max(int(width * _VERDICT_LETTERS), 20))
    style: dict[str, Any] = {"x": 0.01, "ha": "left", "parse_math": False}
    figure.suptitle(title, size=11, weight="bold", **style)
    color = "0.2" if explanation.is_trusted else "#b00020"
    figure.supxlabel(verdict, size=9, color=color, weight="normal" if explanation.is_trusted else "bold", **style)
    num_lines = title.count("\n") + verdict.count("\n") + 1
    figure.set_figheight(figure.get_figheight() + num_lines * _LINE_HEIGHT)
    return figure


def _choose_task(
    predictor: Predictor, question: str | None, answer: str | None, caption: str | None, options: Sequence[str] | None
) -> str:
    """Which task of the model is explained."""
    can = set(predictor.tasks)
    if caption is not None and any(one is not None for one in (question, answer, options)):
        raise ValueError("caption is given with question, answer or options, which a caption has not; leave them out.")
    if caption is not None or options is not None:
        task = "multiple-choice"
    elif question is not None:
        task = "question-answering" if "question-answering" in can else "masked-lm"
    else:
        task = "classification"
    if task not in can or (task == "classification" and "multiple-choice" in can):
        needs = {
            "question-answering": "a question",
            "multiple-choice": "a caption or options",
            "masked-lm": f"a text with {predictor.processor.tokenizer.mask_token} in place of the question",
        }
        wanted = [needs[one] for one in predictor.tasks if one in needs] or ["neither question, caption nor options"]
        raise ValueError(f"{predictor.name} holds {type(predictor.model).__name__}; give {', or '.join(wanted)}.")
    if task == "masked-lm":
        predictor.check_row(Question(task), {"video": "", "text": question}, "What is asked")
    if options is not None and not 1 < len(set(options)) == len(options):
        raise ValueError(f"options are {list(options)}; expected at least two, each once.")
    return task


def _make_score(
    predictor: Predictor,
    task: str,
    clip: torch.Tensor,
    mask: torch.Tensor | None,
    question: str | None,
    answer: str | None,
    caption: str | None,
    options: Sequence[str] | None,
) -> tuple[Score, str | None]:
    """What is explained: a score of clips (clips, V, T, 3, H, W), and the answer whose probability it is, if one."""
    texts: list[Any] = [question if caption is None else caption]
    if options is not None:
        texts = (
            list(options) if question is None else predictor.processor.apply_choice_template(question, list(options))
        )
    extra = {} if mask is None else {"pixel_mask": mask}

    def read(clips: torch.Tensor, text: str | None) -> torch.Tensor:
        """The mean over views of what the head says (clips, scores)."""
        tokens = {} if text is None else dict(predictor.processor(text=text).to(clips.device))
        number = clips.shape[0] * clips.shape[1]
        inputs = {name: values.expand(number, *values.shape[1:]) for name, values in tokens.items()}
        inputs |= {name: values.repeat(len(clips), 1, 1) for name, values in extra.items()}
        logits = predictor.compute_logits(task, inputs | {"pixel_values": clips.flatten(0, 1)})
        return logits.float().unflatten(0, clips.shape[:2]).mean(dim=1)

    def read_all(clips: torch.Tensor) -> torch.Tensor:
        """Logits (clips, answers); of texts to choose from, passes are made twice, as all do not fit into memory."""
        if len(texts) == 1:
            return read(clips, texts[0])
        return torch.cat([checkpoint(read, clips, text, use_reentrant=False) for text in texts], dim=1)

    if task == "multiple-choice" and predictor.retrieval is not None and predictor.score_by == "features":
        model = predictor.retrieval
        vectors = embed_texts(model, predictor.processor, [text or "" for text in texts], show_progress=False)
        vectors = vectors.to(model.device)

        def compare(clips: torch.Tensor) -> torch.Tensor:
            """Cosines (clips, N)."""
            masks = {name: values.expand(len(clips), *values.shape) for name, values in extra.items()}
            return project_clips(model, {"pixel_values": clips} | masks) @ vectors.T

        logits_of, scale = compare, model.config.contrastive_temperature
    else:
        logits_of, scale = read_all, 1.0
    if caption is not None:
        return lambda clips: logits_of(clips)[:, 0], None
    logits = logits_of(clip[None])[0]
    if options is not None:
        answers: Sequence[str] = options
    else:
        answers, logits = predictor.name_answers(Question(task), logits)
    if answer is not None and answer not in answers:
        raise ValueError(
            f"{predictor.name} knows no answer {answer!r}; it knows {len(answers)}: {', '.join(answers[:20])}."
        )
    place = int(logits.argmax()) if answer is None else list(answers).index(answer)
    if predictor.model.config.problem_type == "multi_label_classification" and task in (
        "question-answering",
        "classification",
    ):
        return lambda clips: logits_of(clips)[:, place].sigmoid(), answers[place]
    return lambda clips: (logits_of(clips) / scale).softmax(dim=-1)[:, place], answers[place]


def _integrate(score_of: Score, clip: torch.Tensor, size: int, num_steps: int) -> torch.Tensor:
    """What each patch (F, R, C) of a clip (V, T, 3, H, W) adds to the score on the path from a blank clip to it."""
    shares = (torch.arange(num_steps, device=clip.device) + 0.5) / num_steps
    total = torch.zeros_like(clip, dtype=torch.float32)
    for some in shares.split(max(_CLIPS_AT_ONCE // len(clip), 1)):
        points = (clip * some.to(clip.dtype).view(-1, 1, 1, 1, 1, 1)).requires_grad_(True)
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(score_of(points).sum(), points)
        total += gradient.float().sum(dim=0)
    gains = (total / num_steps * clip.float()).sum(dim=2).flatten(0, 1)  # (F, H, W)
    return gains.unflatten(2, (-1, size)).unflatten(1, (-1, size)).sum(dim=(2, 4)).cpu()


def _highest(gains: torch.Tensor, number: int) -> torch.Tensor:
    """Which patches (F, R, C) have the highest gains."""
    chosen = torch.zeros(gains.numel(), dtype=torch.bool)
    chosen[gains.flatten().argsort(descending=True, stable=True)[:number]] = True
    return chosen.view(gains.shape)


__all__ = ["Explanation", "draw_explanation", "explain"]
