# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Seconds that one core takes to read some frames of a film, beside other readers, those of them that are installed.

    python benchmarks/loading.py                 # the tables in docs/results.md; a quarter of an hour
    python benchmarks/loading.py --codecs h264 --key-frames 250 --repeats 3

Films of 10 seconds, 1280 × 720, are written with their encoder's defaults but for the distance of key frames (50 is
two seconds, as films for streaming have it), a faster preset for VP9 and AV1, and 1 Mbit/s for VP9. Of each, some
frames are read: *frames* are pixels in RGB as they are stored; *pixel values* are resized, cropped and normalised,
too, as the original does it: by decord at 512 × 512 and OpenCV, where that is installed, or else Pillow.

The *loop* knows beforehand where each frame is, so it does the least that PyAV can be asked for: it opens the film,
seeks, decodes what is needed (pictures of H.264 and HEVC that are no reference are left out, as their decoders offer
it), and converts the frames. It does not look whether the film is whole or damaged, nor when frames appear.

Seconds are those of the processor, of all threads together, so that neighbours on a shared machine count little; every
figure is the median over repeats in which all variants take turns. Every variant gets one thread. What a variant reads
is held against a decoder that goes through the whole film; "wrong" frames are others, beyond what colours are rounded.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ["OPENCV_FFMPEG_THREADS"] = "1"  # read when OpenCV is imported

import av
import decord
import numpy as np
import PIL
import torch
from measuring import make_parser, median_seconds, write_result
from PIL import Image
from tqdm import tqdm
from transformers.video_utils import load_video

from modeling_allinone import AllInOneVideoProcessor
from modeling_allinone.models.frame_conversion_allinone import ONE_THREAD
from modeling_allinone.models.video_decoding_allinone import open_clip

HEIGHT, WIDTH = 720, 1280  # pixels
NUM_FILM_FRAMES, FRAMES_PER_SECOND = 250, 25
DECODE_SIZE, SHORTEST_EDGE, CROP_SIZE = 512, 268, 224  # pixels
MEAN, DEVIATION = (np.array(AllInOneVideoProcessor.image_mean), np.array(AllInOneVideoProcessor.image_std))
# Encoder, suffix of the film, the option that says how far key frames are apart at most, and the others.
CODECS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "h264": ("libx264", "mp4", "g", {}),
    "hevc": ("libx265", "mp4", "x265-params", {}),
    "vp9": ("libvpx-vp9", "webm", "g", {"deadline": "good", "cpu-used": "4", "row-mt": "1", "b": "1M"}),
    "av1": ("libsvtav1", "mp4", "g", {"preset": "8"}),
}
OURS, OUR_PIXELS = "open_clip", "AllInOneVideoProcessor()"
# Readers differ in how they round colours, by less than this on average; neighbouring frames differ by more.
MOST_ROUNDING = 2.0  # levels of 255
# A frame may be stored so many frames later than it is shown.
REORDERING = 5


def main() -> None:
    """Write films, measure, print the tables, write the JSON."""
    parser = make_parser("loading", __doc__)
    parser.add_argument("--codecs", nargs="+", choices=CODECS, default=[*CODECS], help="how films are coded")
    parser.add_argument("--num-frames", type=int, nargs="+", default=[3], help="frames of a clip")
    parser.add_argument(
        "--key-frames", type=int, nargs="+", default=[12, 50, 250], help="distances of key frames, in frames"
    )
    parser.add_argument("--repeats", type=int, default=9, help="timed repeats of each variant")
    parser.add_argument("--films", type=Path, default=None, help="folder in which films are kept; default: none is")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    resizer = import_module("cv2") if find_spec("cv2") else PIL
    packages = [av, decord, resizer] + [
        import_module(name) for name in ("torchvision", "torchcodec") if find_spec(name)
    ]
    frames, pixel_values = [], []
    with tempfile.TemporaryDirectory() as temporary:
        for codec in arguments.codecs:
            for distance in arguments.key_frames:
                path = (arguments.films or Path(temporary)) / f"{codec}_{distance}.{CODECS[codec][1]}"
                if not path.exists():
                    unfinished = path.with_stem(f"unfinished_{path.stem}")
                    write_film(unfinished, distance, codec=codec).rename(path)
                for num_frames in arguments.num_frames:
                    film = {"codec": codec, "key frame distance": distance, "frames": num_frames}
                    frames += measure_frames(film, path, arguments)
                    pixel_values += measure_pixel_values(film, path, resizer, arguments)
    write_result(arguments, *packages, frames=frames, pixel_values=pixel_values)


def middle_frames(num_frames: int) -> list[int]:
    """The middle frames of equal segments."""
    return [(2 * segment + 1) * NUM_FILM_FRAMES // (2 * num_frames) for segment in range(num_frames)]


def measure_frames(film: dict[str, Any], path: Path, arguments: argparse.Namespace) -> list[dict]:
    """Rows of what each reader takes for frames as they are stored, and how many of them are wrong."""
    indices = middle_frames(film["frames"])
    readers: dict[str, Callable] = {OURS: read_ours, "loop": read_by_loop, "decord": read_by_decord}
    if find_spec("torchcodec"):
        readers["torchcodec"] = read_by_torchcodec
    backends = [
        name
        for name in ("torchcodec", "decord", "opencv", "pyav")
        if find_spec({"opencv": "cv2", "pyav": "av"}.get(name, name))
    ]
    readers |= {f"load_video, {name}": partial(read_by_transformers, name) for name in backends}
    expected = [frame for place, frame in enumerate(decode_all(path)) if place in indices]
    wrong: dict[str, int] = {}
    for name, read in list(readers.items()):
        try:
            found = read(str(path), indices)
        except Exception as error:  # each raises its own, where it does not know a codec
            print(f"{name} cannot read {path.name}: {[*str(error).splitlines(), type(error).__name__][0]}")
            del readers[name]
            continue
        differences = (np.abs(one.astype(int) - other).mean() for one, other in zip(found, expected, strict=True))
        wrong[name] = sum(bool(difference > MOST_ROUNDING) for difference in differences)
    variants = {name: partial(read, str(path), indices) for name, read in readers.items()}
    seconds = median_seconds(variants, arguments.repeats, f"{path.name}, frames", clock=time.process_time)
    return [
        {
            **film,
            "variant": name,
            "seconds": seconds[name],
            "wrong": wrong[name],
            "times ours": seconds[name] / seconds[OURS],
        }
        for name in variants
    ]


def measure_pixel_values(
    film: dict[str, Any], path: Path, resizer: ModuleType, arguments: argparse.Namespace
) -> list[dict]:
    """Rows of what the processor and the original's way take for what a model reads."""
    original = f"decord {DECODE_SIZE} × {DECODE_SIZE}, {'OpenCV' if resizer is not PIL else 'Pillow'}"
    loaders: dict[str, Callable] = {
        OUR_PIXELS: AllInOneVideoProcessor(),
        f"AllInOneVideoProcessor(decode_size={DECODE_SIZE})": AllInOneVideoProcessor(decode_size=DECODE_SIZE),
        original: partial(load_as_original, choose_resize(resizer)),
    }
    try:
        loaders[original](str(path), num_frames=1)
    except decord.DECORDError as error:
        print(f"decord cannot read {path.name}: {[*str(error).splitlines(), type(error).__name__][0]}")
        del loaders[original]
    variants = {name: partial(load, str(path), num_frames=film["frames"]) for name, load in loaders.items()}
    seconds = median_seconds(variants, arguments.repeats, f"{path.name}, pixel values", clock=time.process_time)
    return [
        {**film, "variant": name, "seconds": seconds[name], "times ours": seconds[name] / seconds[OUR_PIXELS]}
        for name in variants
    ]


# ---------------------------------------------------------------------------------------------------------- films


def write_film(
    path: Path, key_frame_distance: int, height: int = HEIGHT, width: int = WIDTH, codec: str = "h264"
) -> Path:
    """Encode a film, scaled to this size."""
    encoder, _, option, more_options = CODECS[codec]
    distance = f"log-level=none:keyint={key_frame_distance}" if codec == "hevc" else str(key_frame_distance)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=FRAMES_PER_SECOND, options={option: distance, **more_options})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for pixels in tqdm(drawn_film(), desc=path.name):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="yuv420p")))
        container.mux(stream.encode())
    return path


@cache
def drawn_film() -> list[np.ndarray]:
    """All frames, as encoders take them."""
    frames = (av.VideoFrame.from_ndarray(pixels, format="rgb24") for pixels in draw_film())
    drawn = tqdm(frames, total=NUM_FILM_FRAMES, desc="frames of the film")
    return [frame.reformat(format="yuv420p").to_ndarray() for frame in drawn]


def decode_all(path: Path) -> Iterator[np.ndarray]:
    """Every frame, in order."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24", **ONE_THREAD)


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


# -------------------------------------------------------------------------------------------------------- readers


def read_ours(path: str, indices: list[int]) -> list[np.ndarray]:
    """As the processor reads a file."""
    return list(open_clip(path, path).read(np.array(indices)))


def read_by_loop(path: str, indices: list[int]) -> list[np.ndarray]:
    """The least that can be done, see above."""
    found = []
    with av.open(path) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        codec.thread_count = 1
        ticks = float(1 / FRAMES_PER_SECOND / (stream.time_base or 1))
        targets = [round((stream.start_time or 0) + index * ticks) for index in indices]
        container.seek(targets[0], stream=stream)  # some containers tell their index only then
        keys = [entry.timestamp for entry in stream.index_entries if entry.is_keyframe]
        latest = [max((key for key in keys if key + REORDERING * ticks <= target), default=0) for target in targets]
        frames: Iterator = iter(())
        for place, target in enumerate(targets):
            if not place or latest[place] != latest[place - 1]:
                container.seek(target, stream=stream)
                frames = decode_needed(container, stream, targets[place:])
            found.append(
                next(frame for frame in frames if frame.pts == target).to_ndarray(format="rgb24", **ONE_THREAD)
            )
    return found


def decode_needed(container, stream, targets: list[int]) -> Iterator[av.VideoFrame]:
    """Frames from here on, without those that are neither a reference nor a target, where a decoder tells them."""
    can_leave_out = stream.codec_context.name in ("h264", "hevc")
    for packet in container.demux(stream):
        stream.codec_context.skip_frame = "NONREF" if can_leave_out and packet.pts not in targets else "DEFAULT"
        yield from packet.decode()


def read_by_torchcodec(path: str, indices: list[int]) -> np.ndarray:
    """By torchcodec, whose default is one thread."""
    decoder = import_module("torchcodec.decoders").VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1)
    return decoder.get_frames_at(indices).data.numpy()


def read_by_decord(path: str, indices: list[int]) -> np.ndarray:
    """By decord."""
    return decord.VideoReader(path, num_threads=1).get_batch(indices).asnumpy()


def read_by_transformers(backend: str, path: str, indices: list[int]) -> np.ndarray:
    """By what transformers' processors read videos with."""
    video: Any = path
    frames, _ = load_video(video, backend=backend, sample_indices_fn=lambda metadata, **_: np.array(indices))
    return frames.permute(0, 2, 3, 1).numpy() if isinstance(frames, torch.Tensor) else frames


def choose_resize(library: ModuleType) -> Callable[[np.ndarray], np.ndarray]:
    """How the original resizes a frame: by OpenCV on one thread, or by Pillow."""
    size = (SHORTEST_EDGE, SHORTEST_EDGE)
    if library is PIL:
        return lambda frame: np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR))
    library.setNumThreads(1)
    return lambda frame: library.resize(frame, size, interpolation=library.INTER_LINEAR)


def load_as_original(resize: Callable[[np.ndarray], np.ndarray], path: str, num_frames: int) -> torch.Tensor:
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
