# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Scenes of moving shapes: what a generated clip shows, drawn at random, and its frames.

A [`Scene`] describes a clip: coloured shapes that move, grow, change colour, appear or stand still on a textured
background that may drift. Its frames are a pure function of it.

Scenes are closed under time reversal: [`Scene.reversed`] describes the clip played backwards, its frames are exactly
`frames[::-1]`, and [`sample_scene`] ends with tossing a coin between a scene and its reverse. Whatever happens at a
moment (a shape appears, a colour changes) happens at a quarter of the clip, so that a sampler which takes 3, 4, 8, …
frames sees both shapes, or the long and the short colour, equally often in either direction.
"""

from dataclasses import dataclass, replace

import numpy as np

# Far apart in brightness as well as hue, since 4:2:0 video keeps only a quarter of the chroma samples.
COLOURS = {
    "red": (225, 30, 30),
    "green": (20, 165, 45),
    "blue": (35, 60, 235),
    "yellow": (250, 225, 30),
    "purple": (190, 50, 225),
    "cyan": (40, 225, 235),
}
SPECK_COLOUR = (235, 235, 235)
NUMBERS = ("one", "two", "three", "four")
CORNERS = ("bottom left", "bottom right", "top left", "top right")
DIRECTIONS = ("down", "left", "right", "up")
SIZE_CHANGES = ("grow", "shrink")


@dataclass(frozen=True)
class Level:
    """What the scenes of one level of difficulty are made of.

    Args:
        shapes (`tuple[str, ...]`): Silhouettes in use.
        colours (`tuple[str, ...]`): Colours in use.
        num_actors (`int`): Shapes in a clip that shows moving, growing or recolouring; 1 to 3.
        max_count (`int`): Most shapes in a still clip, of which there are 1 to `max_count`.
        sizes (`tuple[float, float]`): Range of the side of a shape, as a fraction of the side of the frame.
        texture_cells (`tuple[int, ...]`): Cells along the side of each layer of the background's noise.
        num_specks (`int`): Small pale dots that wander about and are never asked for.
        plot_weights (`tuple[float, float, float]`): Probability of a clip that shows actions, order of appearance,
            or still shapes. Chosen so that every kind of question is about equally frequent.
        refers (`bool`): Whether questions single out one of several shapes, and captions tell the drift.
    """

    shapes: tuple[str, ...]
    colours: tuple[str, ...]
    num_actors: int
    max_count: int
    sizes: tuple[float, float]
    texture_cells: tuple[int, ...]
    num_specks: int
    plot_weights: tuple[float, float, float]
    refers: bool

    @property
    def domains(self) -> tuple[tuple[str, ...], ...]:
        """Sets of answers that can stand in for each other."""
        return (self.colours, self.shapes, NUMBERS[: self.max_count], CORNERS, DIRECTIONS, SIZE_CHANGES)


_SHAPES = ("ring", "square", "bar", "cross", "triangle", "diamond")
LEVELS = {
    "easy": Level(_SHAPES[:4], tuple(COLOURS)[:4], 1, 2, (0.30, 0.38), (6,), 0, (0.6, 0.2, 0.2), refers=False),
    "medium": Level(_SHAPES[:5], tuple(COLOURS)[:5], 2, 3, (0.27, 0.33), (6,), 0, (0.6, 0.2, 0.2), refers=True),
    "hard": Level(_SHAPES, tuple(COLOURS), 3, 4, (0.24, 0.29), (6, 13), 4, (0.54, 0.24, 0.22), refers=True),
}


@dataclass(frozen=True)
class MovingShape:
    """One shape over the whole clip; places and sizes are fractions of the side of the frame.

    Args:
        shape (`str`): Silhouette.
        colours (`tuple[str, str]`): Colour at first and at last; equal where it does not change.
        start (`tuple[float, float]`): Centre (from the left, from the top) on the first frame.
        end (`tuple[float, float]`): Centre on the last frame; between them the shape moves evenly.
        sizes (`tuple[float, float]`): Side on the first and on the last frame.
        visible_quarters (`tuple[int, int]`): Quarter with which it appears, quarter before which it vanishes.
        recolour_quarter (`int`): Quarter with which its last colour begins.
    """

    shape: str
    colours: tuple[str, str]
    start: tuple[float, float]
    end: tuple[float, float]
    sizes: tuple[float, float]
    visible_quarters: tuple[int, int] = (0, 4)
    recolour_quarter: int = 2

    @property
    def moves(self) -> bool:
        """Whether it changes place."""
        return self.start != self.end

    @property
    def grows(self) -> bool:
        """Whether it changes size, either way."""
        return self.sizes[0] != self.sizes[1]

    @property
    def recolours(self) -> bool:
        """Whether it changes colour."""
        return self.colours[0] != self.colours[1]

    @property
    def appears(self) -> bool:
        """Whether it is hidden for a part of the clip."""
        return self.visible_quarters != (0, 4)

    @property
    def corner(self) -> str:
        """The corner of the frame it begins in."""
        return f"{'top' if self.start[1] < 0.5 else 'bottom'} {'left' if self.start[0] < 0.5 else 'right'}"

    @property
    def direction(self) -> str:
        """Where a shape that moves goes."""
        right, down = self.end[0] - self.start[0], self.end[1] - self.start[1]
        if abs(right) > abs(down):
            return "right" if right > 0 else "left"
        return "down" if down > 0 else "up"

    @property
    def size_change(self) -> str:
        """What happens to the size of a shape that changes it."""
        return "grow" if self.sizes[0] < self.sizes[1] else "shrink"

    def reversed(self) -> "MovingShape":
        """The same shape in the clip played backwards."""
        return replace(
            self,
            colours=self.colours[::-1],
            start=self.end,
            end=self.start,
            sizes=self.sizes[::-1],
            visible_quarters=(4 - self.visible_quarters[1], 4 - self.visible_quarters[0]),
            recolour_quarter=4 - self.recolour_quarter,
        )


@dataclass(frozen=True)
class Scene:
    """Everything there is to know about a clip, whatever its resolution and number of frames.

    Args:
        level (`str`): Key of `LEVELS`.
        shapes (`tuple[MovingShape, ...]`): Shapes that texts speak of; no two share a silhouette or a colour.
        specks (`tuple[MovingShape, ...]`): Pale dots behind them that no text mentions.
        background_offsets (`tuple[float, float]`): How far the background is shifted to the right on the first and on
            the last frame, in fractions of the width, around which it wraps; equal where it does not drift.
        background_seed (`int`): Seed of the background's texture.
        text_seed (`int`): Seed of what is asked and how it is phrased, the same played backwards.
    """

    level: str
    shapes: tuple[MovingShape, ...]
    specks: tuple[MovingShape, ...]
    background_offsets: tuple[float, float]
    background_seed: int
    text_seed: int

    @property
    def drifts(self) -> bool:
        """Whether the background drifts."""
        return self.background_offsets[0] != self.background_offsets[1]

    @property
    def drift(self) -> str:
        """Where a background that drifts goes."""
        return "right" if self.background_offsets[0] < self.background_offsets[1] else "left"

    def reversed(self) -> "Scene":
        """The description of the clip played backwards."""
        return replace(
            self,
            shapes=tuple(shape.reversed() for shape in self.shapes),
            specks=tuple(speck.reversed() for speck in self.specks),
            background_offsets=self.background_offsets[::-1],
        )


def sample_scene(level: str, generator: np.random.Generator) -> Scene:
    """Draw a scene; a scene and its reverse are equally likely.

    Args:
        level (`str`): "easy", "medium" or "hard".
        generator (`numpy.random.Generator`): Source of all randomness.

    Returns:
        `Scene`
    """
    makeup = LEVELS[level]
    plot = generator.choice(("action", "order", "still"), p=makeup.plot_weights)
    if plot == "action":
        actions = _draw_actions(makeup.num_actors, generator)
    elif plot == "order":
        actions = ["appear first", "appear last"]
    else:
        actions = ["stand"] * int(generator.integers(1, makeup.max_count + 1))

    silhouettes = generator.permutation(makeup.shapes).tolist()
    colours = generator.permutation(makeup.colours).tolist()
    runs_across = bool(generator.integers(2))
    lanes_and_ends = _draw_places(generator)
    shapes = []
    for action, (lane, end) in zip(actions, lanes_and_ends, strict=False):
        shape = _place_shape(silhouettes.pop(), colours.pop(), lane, end, runs_across, makeup.sizes, generator)
        if action == "recolour":
            shape = replace(shape, colours=(shape.colours[0], colours.pop()))
        shapes.append(_act(shape, action, runs_across, generator))

    offset = float(generator.uniform())
    # Some 5 of 64 pixels between neighbours of 4 sampled frames: less than half of a cell of the texture.
    drift = float(generator.uniform(0.26, 0.34)) if generator.random() < 0.5 else 0.0
    scene = Scene(
        level=level,
        shapes=tuple(shapes),
        specks=tuple(_draw_speck(generator) for _ in range(makeup.num_specks)),
        background_offsets=(offset, offset + drift),
        background_seed=int(generator.integers(2**62)),
        text_seed=int(generator.integers(2**62)),
    )
    # The coin that closes the corpus under time reversal, whatever was drawn before.
    return scene.reversed() if generator.integers(2) else scene


def _draw_actions(num_actors: int, generator: np.random.Generator) -> list[str]:
    """What each of the actors does; the third shares a lane with the second, so with three only the first may move."""
    if num_actors < 3:
        return generator.choice(("move", "grow", "recolour"), size=num_actors).tolist()
    # Without "grow" for the first, clips with a single mover and clips with a single grower are equally frequent.
    first = generator.choice(("move", "recolour"), p=(2 / 3, 1 / 3))
    return [str(first), *generator.choice(("grow", "recolour"), size=2).tolist()]


def _draw_places(generator: np.random.Generator) -> list[tuple[int, int]]:
    """The four corners as (lane, end): one of each lane, then the other end of the second, then of the first lane."""
    lane, end, other_end = generator.integers(2, size=3).tolist()
    return [(lane, end), (1 - lane, other_end), (1 - lane, 1 - other_end), (lane, 1 - end)]


def _place_shape(
    silhouette: str,
    colour: str,
    lane: int,
    end: int,
    runs_across: bool,
    size_range: tuple[float, float],
    generator: np.random.Generator,
) -> MovingShape:
    """A shape that stands still in a corner, given by lane and end of the lane (0 is left or top)."""
    along, across = (0.27 + 0.46 * np.array((end, lane)) + generator.uniform(-0.03, 0.03, size=2)).tolist()
    place = (along, across) if runs_across else (across, along)
    size = float(generator.uniform(*size_range))
    return MovingShape(silhouette, (colour, colour), start=place, end=place, sizes=(size, size))


def _act(shape: MovingShape, action: str, runs_across: bool, generator: np.random.Generator) -> MovingShape:
    """Turn a still shape into one that does what `action` says."""
    if action == "move":
        middle, travel = generator.uniform(0.40, 0.60), generator.uniform(0.36, 0.44) * generator.choice((-1, 1))
        near, far = float(middle - travel / 2), float(middle + travel / 2)
        across = shape.start[1] if runs_across else shape.start[0]
        start, end = ((near, across), (far, across)) if runs_across else ((across, near), (across, far))
        return replace(shape, start=start, end=end)
    if action == "grow":
        factors = generator.permutation((generator.uniform(0.50, 0.62), generator.uniform(1.08, 1.20)))
        return replace(shape, sizes=tuple((shape.sizes[0] * factors).tolist()))
    if action == "recolour":
        return replace(shape, recolour_quarter=int(generator.choice((1, 3))))
    # Both are seen on three quarters of the frames, so how often a shape is seen does not tell when it came.
    quarters = {"stand": (0, 4), "appear first": (0, 3), "appear last": (1, 4)}
    return replace(shape, visible_quarters=quarters[action])


def _draw_speck(generator: np.random.Generator) -> MovingShape:
    """A small dot that wanders by up to a fifth of the frame each way."""
    start = generator.uniform(0.05, 0.95, size=2)
    end = start + generator.uniform(-0.2, 0.2, size=2)
    size = float(generator.uniform(0.06, 0.09))
    return MovingShape("speck", ("", ""), tuple(start.tolist()), tuple(end.tolist()), sizes=(size, size))


def render_scene(scene: Scene, num_frames: int = 12, image_size: int = 64) -> np.ndarray:
    """Draw a scene.

    Only operations that IEEE arithmetic rounds exactly are used, so that frames are the same on every machine and the
    frames of `scene.reversed()` are exactly those of `scene` in reverse order.

    Args:
        scene (`Scene`): What to draw.
        num_frames (`int`, defaults to 12): Frames, a multiple of 4 from 4.
        image_size (`int`, defaults to 64): Side in pixels.

    Returns:
        `numpy.ndarray` of shape `(num_frames, image_size, image_size, 3)`, uint8 RGB.
    """
    frame_index = np.arange(num_frames)
    frames = np.repeat(_render_background(scene, frame_index, image_size)[..., None], 3, axis=-1)
    for shape in (*scene.specks, *scene.shapes):
        coverage = _render_coverage(shape, frame_index, image_size)
        colours = [COLOURS.get(name, SPECK_COLOUR) for name in shape.colours]
        is_last = 4 * frame_index >= shape.recolour_quarter * num_frames
        colour = np.array(colours, dtype=np.float32)[is_last.astype(int)]
        frames += coverage[..., None] * (colour[:, None, None, :] - frames)
    return np.rint(frames).astype(np.uint8)


def _interpolate(first: float, last: float, frame_index: np.ndarray) -> np.ndarray:
    """Even steps from `first` to `last`, written so that swapping both reverses the result to the last bit."""
    return (first * frame_index[::-1] + last * frame_index) / frame_index[-1]


def _render_background(scene: Scene, frame_index: np.ndarray, image_size: int) -> np.ndarray:
    """Grey noise, smooth over a cell, that wraps around and is shifted by the scene's offsets: (T, H, W) float32."""
    generator = np.random.default_rng(scene.background_seed)
    pixel = (np.arange(image_size) + 0.5) / image_size
    offset = _interpolate(*scene.background_offsets, frame_index)
    brightness = np.full((image_size, len(frame_index), image_size), 105, dtype=np.float32)
    for num_cells in LEVELS[scene.level].texture_cells:
        lattice = generator.uniform(-62, 62, size=(num_cells, num_cells)).astype(np.float32)
        above, below, weight = _lattice_neighbours(pixel, num_cells)
        rows = lattice[above] + weight[:, None] * (lattice[below] - lattice[above])
        left, right, weight = _lattice_neighbours(pixel[None, :] - offset[:, None], num_cells)
        brightness += rows[:, left] + weight * (rows[:, right] - rows[:, left])
    return np.clip(brightness, 16, 235).transpose(1, 0, 2)


def _lattice_neighbours(place: np.ndarray, num_cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lattice points before and after each place of a unit circle, and the smooth weight of the latter."""
    scaled = place * num_cells
    before = np.floor(scaled)
    weight = (scaled - before).astype(np.float32)
    weight = weight * weight * (3 - 2 * weight)
    before = before.astype(int) % num_cells
    return before, (before + 1) % num_cells, weight


def _render_coverage(shape: MovingShape, frame_index: np.ndarray, image_size: int) -> np.ndarray:
    """How much of each pixel a shape covers, 0 to 1, with soft edges a pixel wide: (T, H, W) float32."""
    num_frames = len(frame_index)
    pixel = ((np.arange(image_size) + 0.5) / image_size).astype(np.float32)
    half_size = (_interpolate(*shape.sizes, frame_index) / 2).astype(np.float32)[:, None]
    centres = [
        _interpolate(first, last, frame_index).astype(np.float32)[:, None]
        for first, last in zip(shape.start, shape.end, strict=True)
    ]
    right, down = [(pixel - centre) / half_size for centre in centres]
    distance = _signed_distance(shape.shape, right[:, None, :], down[:, :, None])
    coverage = np.clip(0.5 - distance * (half_size * image_size)[:, :, None], 0, 1)
    appears, vanishes = shape.visible_quarters
    is_visible = (4 * frame_index >= appears * num_frames) & (4 * frame_index < vanishes * num_frames)
    return coverage * is_visible[:, None, None]


def _signed_distance(silhouette: str, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Distance to the edge of a silhouette, negative inside, in half sizes; places are relative to its centre."""
    across, along = np.abs(right), np.abs(down)
    if silhouette == "square":
        return np.maximum(across, along) - 0.9
    if silhouette == "bar":
        return np.maximum(across - 1.1, along - 0.38)
    if silhouette == "cross":
        return np.minimum(np.maximum(across - 1, along - 0.32), np.maximum(along - 1, across - 0.32))
    if silhouette == "triangle":
        return np.maximum(down - 0.85, (2 * across - down - 1) / 2.236)
    if silhouette == "diamond":
        return (across + along - 1.1) / 1.414
    radius = np.sqrt(right * right + down * down)
    return np.abs(radius - 0.74) - 0.26 if silhouette == "ring" else radius - 1
