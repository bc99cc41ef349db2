# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Word-patch alignment, to look at: which patches of each frame the words of a text are aligned with.

Shapes in the comments: T frames, L text tokens, P patches of a frame, D hidden size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import BatchFeature

from ..models.configuration_allinone import AllInOneConfig
from ..models.losses_allinone import align_words_and_patches, select_words
from ..models.modeling_allinone import AllInOneModel, AllInOnePreTrainedModel
from ..models.processing_allinone import AllInOneProcessor
from ..models.temporal_mixing_allinone import roll_tokens
from .embedding import evaluating

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGES_PER_LINE = 6
# Inches, or square inches.
TILE_AREA, GAP, LABEL_HEIGHT, BAR, BAR_WITH_LABELS = 2.6, 0.06, 0.25, 0.15, 0.95
ORANGE = [(1, 0.4, 0, 0), (1, 0.6, 0, 0.55), (1, 0.8, 0.2, 0.85)]  # from little to much, over grey
GREY_BRIGHTNESS = 0.6  # of the frames behind the patches


@dataclass
class WordAlignment:
    """
    The word-patch alignment of a text.

    Args:
        words (`list[str]`): As they are written in the text.
        heat_maps (`torch.FloatTensor` of shape `(words, T, rows, columns)`): The mass that each word sends to each
            patch; all of it adds up to 1, that of a word to its share of the tokens.
        frames (`torch.ByteTensor` of shape `(T, height, width, 3)`): What the model was shown.
    """

    words: list[str]
    heat_maps: torch.Tensor
    frames: torch.Tensor


@torch.no_grad()
def align_words(
    model: AllInOnePreTrainedModel, processor: AllInOneProcessor, text: str, video, **options
) -> WordAlignment:
    """
    Transport the words of a text to the patches of a clip, frame by frame: the optimal transport of the alignment
    loss, on tokens after the last layer norm but before the mean over frames.

    In each frame, every token of the text has the same mass to give, and every patch takes the same, so that some word
    has to go to the background, and a text of one word goes everywhere. A token that token rolling has moved counts
    for the patch and the frame that it was made of. The distillation token takes no part.

    Args:
        model ([`AllInOnePreTrainedModel`]): Any model of this package; its backbone is run, as in evaluation.
        processor ([`AllInOneProcessor`]): The model's.
        text (`str`): At least one word; cut to what the tokenizer takes.
        video: One clip or image, as in [`AllInOneVideoProcessor.preprocess`].
        options: Call arguments of the video processor, such as `num_frames`, `start` and `end`.

    Returns:
        [`WordAlignment`], on the CPU.

    Raises:
        TypeError: A model of another kind, or text that is none.
        ValueError: A text without a word, more than one clip, and all that processor and model raise.

    Source: ViLT (Kim et al. 2021, arXiv 2102.03334), transportation plan of word patch alignment.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import AllInOneConfig, AllInOneModel, AllInOneProcessor, AllInOneVideoProcessor

    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "run", "##s"]
    >>> tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=40)
    >>> processor = AllInOneProcessor(AllInOneVideoProcessor(), tokenizer)
    >>> model = AllInOneModel(AllInOneConfig.from_preset("tiny", vocab_size=9)).eval()
    >>> frames = np.random.default_rng(0).integers(0, 256, (16, 120, 160, 3), dtype=np.uint8)
    >>> alignment = align_words(model, processor, "A dog runs", frames)
    >>> alignment.words, alignment.heat_maps.shape
    (['A', 'dog', 'runs'], torch.Size([3, 3, 14, 14]))

    ```
    """
    pixel_values = processor(videos=video, **options)["pixel_values"]
    if len(pixel_values) != 1:
        raise ValueError(f"video makes {len(pixel_values)} clips; expected one, and num_views=1.")
    return align_words_with_frames(model, processor, text, pixel_values[0], **options)


@torch.no_grad()
def align_words_with_frames(
    model: AllInOnePreTrainedModel, processor: AllInOneProcessor, text: str, pixel_values: torch.Tensor, **options
) -> WordAlignment:
    """
    As [`align_words`], of a clip that was read already.

    Args:
        model ([`AllInOnePreTrainedModel`]): Any model of this package.
        processor ([`AllInOneProcessor`]): The model's.
        text (`str`): At least one word.
        pixel_values (`torch.Tensor` of shape `(T, 3, H, W)`): The clip.
        options: Call arguments of the video processor that it was read with.

    Returns:
        [`WordAlignment`], on the CPU.

    Raises:
        TypeError: A model of another kind, or text that is none.
        ValueError: A text without a word.
    """
    if not isinstance(model, AllInOnePreTrainedModel):
        raise TypeError(f"model is a {type(model).__name__}; expected a model of this package.")
    if not isinstance(text, str):
        raise TypeError(f"text is {text!r}; expected one text.")
    inputs = processor(text=text)
    words, word_of_token = _words(processor, text, int(inputs["attention_mask"].sum()))
    if not words:
        raise ValueError(f"text is {text!r}, in which there is no word; give at least one.")

    num_frames, _, height, width = pixel_values.shape
    grid = height // model.config.patch_size, width // model.config.patch_size
    inputs["pixel_values"] = pixel_values[None]
    plan, origins = _transport(model, inputs.to(model.device), num_patches=grid[0] * grid[1])
    heat_maps = torch.zeros(len(words), num_frames * grid[0] * grid[1])
    heat_maps.index_put_((word_of_token[:, None], origins.flatten()), plan.flatten(1), accumulate=True)
    frames = shown_frames(pixel_values, processor, options)
    return WordAlignment(words, heat_maps.view(len(words), num_frames, *grid), frames)


def _words(processor: AllInOneProcessor, text: str, num_tokens: int) -> tuple[list[str], torch.Tensor]:
    """The words of a text, and which of them each token between [CLS] and [SEP] is a piece of."""
    encoding = processor.tokenizer(text, truncation=True, max_length=num_tokens)
    numbers, word_of_token = torch.tensor(encoding.word_ids()[1:-1]).long().unique(return_inverse=True)
    return [text[slice(*encoding.word_to_chars(number))] for number in numbers.tolist()], word_of_token


def _transport(
    model: AllInOnePreTrainedModel, inputs: BatchFeature, num_patches: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mass that each token of a word sends to each place of each frame (L, T, P), and what stands there (T, P)."""
    backbone = cast(AllInOneModel, model.base_model)
    with evaluating(model):
        outputs = backbone(**inputs, output_hidden_states=True, return_dict=True)
    states = backbone.layernorm(outputs.hidden_states[-1])  # (T, L + V, D)
    num_frames, num_tokens = len(states), inputs["input_ids"].shape[1]
    text, patches = states[:, :num_tokens], states[:, num_tokens + model.config.num_special_visual_tokens :]
    is_word = select_words(inputs["attention_mask"])
    is_patch = torch.ones(patches.shape[:2], dtype=torch.bool, device=states.device)
    _, plans = align_words_and_patches(text, patches, is_word.expand(num_frames, -1), is_patch)
    plan = plans[:, is_word[0]].transpose(0, 1).cpu() / num_frames
    return plan, _origins(outputs.patch_permutation[0].cpu(), num_patches, model.config)


def _origins(patch_permutation: torch.Tensor, num_patches: int, config: AllInOneConfig) -> torch.Tensor:
    """What stands at each place (T, P) after the last block: patches, counted through all frames."""
    num_frames = len(patch_permutation)
    origins = patch_permutation + num_patches * torch.arange(num_frames)[:, None]
    if num_frames > 1 and config.temporal_mixing == "token_roll":
        tokens = nn.functional.pad(origins, (config.num_special_visual_tokens, 0))[..., None]
        for _ in range(config.num_hidden_layers):
            tokens = roll_tokens(tokens, num_frames, divisor=config.roll_divisor)
        origins = tokens[:, config.num_special_visual_tokens :, 0]
    return origins


def shown_frames(pixel_values: torch.Tensor, processor: AllInOneProcessor, options: dict) -> torch.Tensor:
    """
    Frames as they were before they were scaled and normalised.

    Args:
        pixel_values (`torch.FloatTensor` of shape `(T, 3, height, width)`): A clip.
        processor ([`AllInOneProcessor`]): What it was read with.
        options (`dict`): Call arguments of the video processor that it was read with.

    Returns:
        `torch.ByteTensor` of shape `(T, height, width, 3)`
    """
    how = processor.video_processor.to_dict() | options
    if how["do_normalize"]:
        mean, deviation = (torch.tensor(how[name]).reshape(-1, 1, 1) for name in ("image_mean", "image_std"))
        pixel_values = pixel_values * deviation + mean
    if how["do_rescale"]:
        pixel_values = pixel_values / how["rescale_factor"]
    return pixel_values.round().clamp(0, 255).byte().permute(0, 2, 3, 1)


def draw_alignment(alignment: WordAlignment, words: Sequence[str] | None = None) -> "Figure":
    """
    Draw the frames of a clip, and for each word the same frames in grey, with the patches in orange to which it is
    transported more than if it were spread evenly: the more, the brighter, on one scale for all words.

    Args:
        alignment ([`WordAlignment`]): From [`align_words`].
        words (`Sequence[str]`, *optional*): Those to draw, such as the nouns of a long text; all by default.

    Returns:
        `matplotlib.figure.Figure`, to be saved (`figure.savefig("alignment.png")`), shown by a notebook or given to
        TensorBoard (`writer.add_figure`).

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If one of `words` is not in the text, or if there is none.
    """
    try:
        from matplotlib.colors import LinearSegmentedColormap, LogNorm
    except ImportError as error:
        raise ImportError("draw_alignment needs matplotlib; install it with `pip install matplotlib`.") from error
    words = alignment.words if words is None else words
    if not words or not set(words) <= set(alignment.words):
        raise ValueError(f"words is {list(words)}; expected some of {alignment.words}.")
    chosen = [place for place, word in enumerate(alignment.words) if word in words]
    frames = alignment.frames.numpy()
    multiples = (alignment.heat_maps / alignment.heat_maps.mean(dim=(1, 2, 3), keepdim=True)).numpy()
    highest = max(float(multiples[chosen].max()), 2)
    highlight = {"cmap": LinearSegmentedColormap.from_list("orange", ORANGE), "norm": LogNorm(vmin=1, vmax=highest)}

    figure, strips, places = lay_out(1 + len(chosen), *frames.shape[:3])
    show(strips[0], frames, places)
    for word, strip in zip(chosen, strips[1:], strict=True):
        strip.set_title(alignment.words[word], loc="left", pad=3, size=11, weight="bold", parse_math=False)
        show(strip, frames.mean(axis=-1), places, cmap="gray", vmin=0, vmax=255 / GREY_BRIGHTNESS)
        show(strip, multiples[word], places, **highlight)
    bar = add_color_bar(figure, strips)
    ticks = [2**power for power in range(int(math.log2(highest)) + 1)]
    bar.set_ticks(ticks, labels=[f"{tick} ×" for tick in ticks])
    bar.minorticks_off()
    bar.set_label("mass, as a multiple\nof an even share")
    return figure


def lay_out(
    num_strips: int, num_frames: int, height: int, width: int
) -> tuple["Figure", list["Axes"], list[tuple[float, float, float, float]]]:
    """
    Make a figure with strips of frames, one below the other, those of images side by side.

    Args:
        num_strips (`int`): How many.
        num_frames (`int`): Of each.
        height, width (`int`): Of a frame, in pixels.

    Returns:
        The figure, the axes of each strip, and where each frame lies in a strip, in pixels: left, right, bottom, top.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    inches = (TILE_AREA / (height * width)) ** 0.5  # of a pixel
    left = [frame * (width + GAP / inches) for frame in range(num_frames)]
    columns = 1 if num_frames > 1 else min(num_strips, IMAGES_PER_LINE)
    lines = math.ceil(num_strips / columns)
    size = columns * ((left[-1] + width) * inches + GAP), lines * (height * inches + LABEL_HEIGHT)
    layout = ConstrainedLayoutEngine(w_pad=GAP / 2, h_pad=GAP / 2, wspace=0, hspace=0)
    figure = Figure(figsize=(size[0] + BAR_WITH_LABELS, size[1]), layout=layout)
    strips = figure.subplots(lines, columns, squeeze=False).flatten().tolist()
    for strip in strips:
        strip.set_axis_off()
        strip.set(xlim=(0, left[-1] + width), ylim=(height, 0))
    return figure, strips[:num_strips], [(start, start + width, height, 0) for start in left]


def show(strip: "Axes", pictures: np.ndarray, places: list[tuple[float, float, float, float]], **look):
    """
    Put a picture at each place of a strip.

    Args:
        strip (`matplotlib.axes.Axes`), places (`list`): From [`lay_out`].
        pictures (`np.ndarray` of shape `(pictures, height, width)` or `(pictures, height, width, 3)`)
        look: Of `Axes.imshow`.
    """
    for picture, place in zip(pictures, places, strict=True):
        strip.imshow(picture, extent=place, **look)


def add_color_bar(figure: "Figure", strips: Sequence["Axes"]) -> Any:
    """
    Add the scale of what was shown last.

    Args:
        figure (`matplotlib.figure.Figure`), strips (sequence of `matplotlib.axes.Axes`): From [`lay_out`].

    Returns:
        `matplotlib.colorbar.Colorbar`
    """
    width, height = figure.get_size_inches()
    bar = figure.colorbar(
        strips[-1].images[-1], ax=strips, fraction=BAR / width, aspect=min(height / BAR, 40), pad=0.1 / width
    )
    bar.ax.set_facecolor("0.3")
    return bar


def join_figures(figures: Sequence["Figure"]) -> Image.Image:
    """
    Draw figures side by side.

    Args:
        figures (sequence of `matplotlib.figure.Figure`): At least one, such as those of [`draw_alignment`].

    Returns:
        `PIL.Image.Image`, in RGB, as high as the highest of them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    pictures = []
    for figure in figures:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3])
    height = max(len(picture) for picture in pictures)
    padded = [
        np.pad(picture, ((0, height - len(picture)), (0, 0), (0, 0)), constant_values=255) for picture in pictures
    ]
    return Image.fromarray(np.concatenate(padded, axis=1))


__all__ = ["WordAlignment", "align_words", "align_words_with_frames", "draw_alignment", "join_figures"]
