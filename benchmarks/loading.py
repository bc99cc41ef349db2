# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Frames that one core decodes and prepares in a second, beside decord at 512 × 512 with a resize and a crop.

    python benchmarks/loading.py                 # the table in docs/results.md; some minutes
    python benchmarks/loading.py --repeats 3 --key-frames 250

Films of 10 seconds, 1280 × 720, are written with x264's default options but for the distance of key frames (250 is the
default, 50 is two seconds, as films for streaming have it). Of each, some frames are decoded and made into
`pixel_values`. Seconds are those of the processor, of all threads together, so that neighbours on a shared machine
count little; every figure is the median over repeats in which all variants take turns. The baseline decodes as the
original does, and resizes with OpenCV where that is installed, else with Pillow.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import av
import decord
import numpy as np
import PIL
import torch
from measuring import make_parser, median_seconds, write_result
from PIL import Image
from tqdm import tqdm

from modeling_allinone import AllInOneVideoProcessor

HEIGHT, WIDTH = 720, 1280  # pixels
NUM_FILM_FRAMES, FRAMES_PER_SECOND = 250, 25
DECODE_SIZE, SHORTEST_EDGE, CROP_SIZE = 512, 268, 224  # pixels
MEAN, DEVIATION = (np.array(AllInOneVideoProcessor.image_mean), np.array(AllInOneVideoProcessor.image_std))


def main() -> None:
    """Write films, measure, print the table, write the JSON."""
    parser = make_parser("loading", __doc__)
    parser.add_argument("--num-frames", type=int, nargs="+", default=[3, 8], help="frames of a clip")
    parser.add_argument(
        "--key-frames", type=int, nargs="+", default=[250, 50, 12], help="distances of key frames, in frames"
    )
    parser.add_argument("--repeats", type=int, default=9, help="timed repeats of each variant")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    resizer = import_module("cv2") if find_spec("cv2") else PIL
    baseline = f"decord {DECODE_SIZE} × {DECODE_SIZE}, {'OpenCV' if resizer is not PIL else 'Pillow'}"
    loaders: dict[str, Callable] = {
        baseline: partial(load_baseline, choose_resize(resizer)),
        "AllInOneVideoProcessor()": AllInOneVideoProcessor(),
        f"AllInOneVideoProcessor(decode_size={DECODE_SIZE})": AllInOneVideoProcessor(decode_size=DECODE_SIZE),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for distance in arguments.key_frames:
            path = write_film(Path(folder, f"{distance}.mp4"), distance)
            for num_frames in arguments.num_frames:
                what = f"key frames {distance} apart, {num_frames} frames"
                variants = {name: partial(load, str(path), num_frames=num_frames) for name, load in loaders.items()}
                seconds = median_seconds(variants, arguments.repeats, what, clock=time.process_time)
                rows += [
                    {
                        "key frame distance": distance,
                        "megabytes": path.stat().st_size / 1e6,
                        "frames": num_frames,
                        "variant": name,
                        "seconds": seconds[name],
                        "frames per second": num_frames / seconds[name],
                        "times the baseline": seconds[baseline] / seconds[name],
                    }
                    for name in variants
                ]
    write_result(arguments, av, decord, resizer, loading=rows)


# ---------------------------------------------------------------------------------------------------------- films


def write_film(path: Path, key_frame_distance: int, height: int = HEIGHT, width: int = WIDTH) -> Path:
    """Encode a film, scaled to this size, with x264's defaults but for the distance of key frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"g": str(key_frame_distance)})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for pixels in tqdm(
            draw_film(), total=NUM_FILM_FRAMES, desc=f"film with key frames {key_frame_distance} apart"
        ):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def draw_film() -> Iterator[np.ndarray]:
    """Yield frames: a camera that glides over a textured ground, six textured discs on paths of their own, grain."""
    generator = np.random.default_rng(0)
    ground = np.stack([128 + draw_texture(generator, HEIGHT + 100, WIDTH + 200, 40) for _ in range(3)], axis=-1)
    discs = [draw_disc(generator) for _ in range(6)]
    periods, phases = generator.uniform(20, 60, len(discs)), generator.uniform(0, 2 * np.pi, (len(discs), 2))
    for number in range(NUM_FILM_FRAMES):
        left, top = 200 * number // NUM_FILM_FRAMES, int(50 + 40 * np.sin(number / 60))
        frame = ground[top : top + HEIGHT, left : left + WIDTH].copy()
        for (texture, is_inside), period, (down, right) in zip(discs, periods, phases, strict=True):
            height, width = is_inside.shape
            top = int((HEIGHT - height) * (0.5 + 0.5 * np.sin(number / period + down)))
            left = int((WIDTH - width) * (0.5 + 0.5 * np.sin(number / period / 1.3 + right)))
            frame[top : top + height, left : left + width][is_inside] = texture[is_inside]
        frame += generator.normal(0, 1, (HEIGHT, WIDTH, 1))
        yield frame.clip(0, 255).astype(np.uint8)


def draw_texture(generator: np.random.Generator, height: int, width: int, contrast: float) -> np.ndarray:
    """Noise whose amplitudes fall with frequency, as those of photographs do."""
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequencies[0, 0] = np.inf
    texture = np.fft.irfft2(
        np.fft.rfft2(generator.standard_normal((height, width))) / frequencies**1.6, (height, width)
    )
    return contrast * texture / texture.std()


def draw_disc(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of a rectangle, and which of them are inside the ellipse that fills it."""
    height, width = generator.integers(100, 300, 2)
    colour = generator.integers(40, 215, 3)
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    return colour + draw_texture(generator, height, width, 15)[..., None], rows**2 + columns**2 < 1


# ------------------------------------------------------------------------------------------------------- variants


def choose_resize(library: ModuleType) -> Callable[[np.ndarray], np.ndarray]:
    """How the baseline resizes a frame: by OpenCV on one thread, or by Pillow."""
    size = (SHORTEST_EDGE, SHORTEST_EDGE)
    if library is PIL:
        return lambda frame: np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR))
    library.setNumThreads(1)
    return lambda frame: library.resize(frame, size, interpolation=library.INTER_LINEAR)


def load_baseline(resize: Callable[[np.ndarray], np.ndarray], path: str, num_frames: int) -> torch.Tensor:
    """The middle frames of equal segments: scaled as they are decoded, then resized, cropped and normalised."""
    reader = decord.VideoReader(path, width=DECODE_SIZE, height=DECODE_SIZE, num_threads=1)
    indices = [(2 * segment + 1) * len(reader) // (2 * num_frames) for segment in range(num_frames)]
    first = (SHORTEST_EDGE - CROP_SIZE) // 2
    crop = slice(first, first + CROP_SIZE)
    pixel_values = np.empty((num_frames, 3, CROP_SIZE, CROP_SIZE), dtype=np.float32)
    for place, frame in enumerate(reader.get_batch(indices).asnumpy()):
        pixels = resize(frame)[crop, crop].astype(np.float32) / 255
        pixel_values[place] = ((pixels - MEAN) / DEVIATION).transpose(2, 0, 1)
    return torch.from_numpy(pixel_values)


if __name__ == "__main__":
    main()
