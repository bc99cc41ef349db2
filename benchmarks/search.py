# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
How long a search among many windows takes and what it finds, what an hour of video costs to index, and what the index
adds to decoding and computing alone.

    python benchmarks/search.py                       # all; some 40 minutes on two cores
    python benchmarks/search.py --minutes 60 6 6      # the larger models index a tenth of the film
    python benchmarks/search.py --parts queries       # other parts stay in the JSON; rows say on what they are

Vectors are of unit length: random ones, of which nearly all are equally far from each other, and ones that lie around
1,000 centres (cosine to the centre about 0.7). Queries are such vectors with as much noise, as a sentence lies beside
the windows that it describes. Each is answered with 20 windows and their thumbnails by a process that has answered one
before. Recall is the share of the 20 nearest that are found.

The hour is a film of 10 seconds, 1280 × 720, of x264 with its default options, over and over in one file; windows are
10 seconds long. Minutes are those of the processor, of all threads together. The share of decoding and computing alone
is measured on clips that are files of their own, in turns, in one process that reads and computes one after the other.
"""

import json
import shutil
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import lancedb
import numpy as np
import torch
from loading import write_film
from measuring import changed, make_parser, seconds_of, take_turns, write_result
from torch.nn.functional import normalize
from transformers import BertTokenizer

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForVideoTextRetrieval,
    AllInOneProcessor,
    AllInOneVideoProcessor,
    VideoEncoder,
    VideoIndex,
)
from modeling_allinone.data.video_windows import VideoWindows
from modeling_allinone.evaluation.embedding import project_clips
from modeling_allinone.search.index_tables import IndexTables
from modeling_allinone.search.window_reading import encode_thumbnail

TOP_K, NUM_CENTRES, FILM_SECONDS, WINDOW = 20, 1000, 10, 10.0
PARTS = ("queries", "film", "overhead")
_ROWS_AT_ONCE = 5000


def main() -> None:
    """Measure the parts that are asked for, and write the JSON."""
    parser = make_parser("search", __doc__)
    parser.add_argument("--num-vectors", type=int, default=100_000, help="windows of the index that is searched")
    parser.add_argument("--num-queries", type=int, default=100, help="queries of each kind")
    parser.add_argument("--ways", nargs="+", default=["exact", "ANN"], help="how windows are compared, exact first")
    parser.add_argument("--minutes", type=int, nargs="+", default=[60], help="length of the film for each size")
    parser.add_argument("--presets", nargs="+", default=["tiny", "small", "base"], help="sizes that index the film")
    parser.add_argument("--num-clips", type=int, default=60, help="clips of the comparison with decoding alone")
    parser.add_argument("--repeats", type=int, default=5, help="timed repeats of the comparison")
    parser.add_argument("--batch-size", type=int, default=32, help="windows of a batch")
    parser.add_argument("--threads", type=int, default=2, help="threads on the CPU")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="what is measured")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    measured: dict[str, list] = {}
    with tempfile.TemporaryDirectory() as folder:
        film = write_film(Path(folder, "film.mp4"), 250)
        if "queries" in arguments.parts:
            measured["queries"] = [
                row for kind in ("random", "clustered") for row in measure_queries(arguments, Path(folder), film, kind)
            ]
        if "film" in arguments.parts:
            minutes = arguments.minutes * (len(arguments.presets) if len(arguments.minutes) == 1 else 1)
            measured["film"] = [
                measure_film(changed(arguments, preset=preset, minutes=length), Path(folder), film)
                for preset, length in zip(arguments.presets, minutes, strict=True)
            ]
        if "overhead" in arguments.parts:
            measured["overhead"] = [measure_overhead(arguments, Path(folder))]
    before = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    write_result(arguments, av, lancedb, **{name: before[name] for name in PARTS if name in before} | measured)


def make_encoder(preset: str) -> VideoEncoder:
    """A model of this size, with random weights."""
    torch.manual_seed(0)
    model = AllInOneForVideoTextRetrieval(AllInOneConfig.from_preset(preset)).eval()
    return VideoEncoder(model, AllInOneProcessor(AllInOneVideoProcessor(), BertTokenizer()))


# --------------------------------------------------------------------------------------------------------- queries


def measure_queries(arguments: Namespace, folder: Path, film: Path, kind: str) -> Iterator[dict]:
    """Queries by comparison with all vectors, and by an ANN index of them."""
    generator = torch.Generator().manual_seed(0)
    encoder, uri = make_encoder("tiny"), folder / kind
    width = encoder.model.config.projection_dim
    assert width is not None
    vectors = draw_vectors(arguments.num_vectors, width, kind, generator)
    places = torch.randperm(len(vectors), generator=generator)[: arguments.num_queries]
    queries = add_noise(vectors[places], generator)
    nearest = [set(row) for row in (queries @ vectors.T).topk(TOP_K, dim=1).indices.tolist()]

    VideoIndex.create(uri, encoder)
    tables = IndexTables(uri)
    windows = VideoWindows(encoder.processor, str(film), WINDOW)
    like = {"size": 1, "modified": 1, "duration": 100.0, "content": "", "fingerprint": tables.settings["fingerprint"]}
    like["thumbnail"] = encode_thumbnail(next(windows.read())[2][0])
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        chosen = range(first, min(first + _ROWS_AT_ONCE, len(vectors)))
        rows = [
            like | {"path": f"/films/{row // 10}.mp4", "place": row % 10, "start": row % 10 * 10.0} for row in chosen
        ]
        for row, vector in zip(rows, vectors[first:].numpy(), strict=False):
            row |= {"end": row["start"] + 10.0, "vector": vector}
        tables.write(rows)
    tables.compact()
    for way in arguments.ways:
        seconds_to_build = None
        if way == "ANN":
            tables.settings |= {"exact_windows": 0}
            seconds_to_build = seconds_of(partial(add_image, VideoIndex.open(uri, encoder), folder / "image.png"))
        index = VideoIndex.open(uri, encoder)
        index.find_windows(queries[0], TOP_K)  # reads what is kept in memory
        seconds, num_found = [], 0
        for query, expected in zip(queries, nearest, strict=True):
            started = time.perf_counter()
            found = index.find_windows(query, TOP_K)
            seconds.append(time.perf_counter() - started)
            num_found += len({int(Path(one.path).stem) * 10 + int(one.start) // 10 for one in found} & expected)
        yield {
            "vectors": kind,
            "windows": len(vectors),
            "width": width,
            "search": way,
            "median ms": 1e3 * statistics.median(seconds),
            "90th percentile ms": 1e3 * float(np.quantile(seconds, 0.9)),
            f"recall@{TOP_K}": num_found / (TOP_K * len(queries)),
            "recall that the index states": index.settings["ann"]["recall"] if way == "ANN" else 1.0,
            "seconds to build": seconds_to_build,
        }
    shutil.rmtree(uri)


def draw_vectors(number: int, width: int, kind: str, generator: torch.Generator) -> torch.Tensor:
    """Vectors of unit length: random, or around centres."""
    if kind == "random":
        return normalize(torch.randn(number, width, generator=generator), dim=-1)
    centres = normalize(torch.randn(NUM_CENTRES, width, generator=generator), dim=-1)
    return add_noise(centres[torch.randint(NUM_CENTRES, (number,), generator=generator)], generator)


def add_noise(vectors: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Vectors of unit length, at a cosine of about 0.7 to those that are given."""
    return normalize(vectors + normalize(torch.randn(vectors.shape, generator=generator), dim=-1), dim=-1)


def add_image(index: VideoIndex, path: Path):
    """Write an image and add it to an index, which is put in order then."""
    from PIL import Image

    Image.new("RGB", (320, 240), "grey").save(path)
    index.update(path, num_workers=0, show_progress=False)


# -------------------------------------------------------------------------------------------------------- indexing


def repeat_film(film: Path, path: Path, times: int) -> Path:
    """Write a film over and over into one file, as it was encoded."""
    with av.open(str(path), "w") as target:
        stream, offset = None, 0
        for _ in range(times):
            with av.open(str(film)) as source:
                video = source.streams.video[0]
                stream = stream or target.add_stream_from_template(video)
                step = round(FILM_SECONDS / (video.time_base or 1))
                for packet in source.demux(video):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts, packet.stream = (packet.pts or 0) + offset, packet.dts + offset, stream
                    target.mux(packet)
                offset += step
    return path


def measure_film(arguments: Namespace, folder: Path, film: Path) -> dict:
    """What indexing a long film costs a model of a size."""
    path = repeat_film(film, folder / f"{arguments.preset}.mp4", arguments.minutes * 60 // FILM_SECONDS)
    encoder = make_encoder(arguments.preset)
    index = VideoIndex.create(folder / arguments.preset, encoder, WINDOW)
    process, wall = time.process_time(), time.perf_counter()
    report = index.update(path, arguments.batch_size, num_workers=0, show_progress=False)
    process, wall = time.process_time() - process, time.perf_counter() - wall
    windows = VideoWindows(encoder.processor, str(path), WINDOW)
    some = range(max(len(windows.bounds) // 10, 1))
    started = time.process_time()
    for _ in windows.read(some):
        pass
    reading = (time.process_time() - started) * len(windows.bounds) / len(some)
    assert report.num_videos == 1 and not report.broken
    return {
        "model": arguments.preset,
        "minutes of video": arguments.minutes,
        "windows": report.num_windows,
        "minutes of processor time": process / 60,
        "of which reading": reading / 60,
        "minutes": wall / 60,
        "processor minutes for an hour": process / arguments.minutes,
    }


def measure_overhead(arguments: Namespace, folder: Path) -> dict:
    """Indexing clips beside decoding them and computing their vectors, by the same model."""
    encoder, films = make_encoder("tiny"), folder / "clips"
    films.mkdir()
    film = write_film(folder / "small.mp4", 250, 240, 320)
    for number in range(arguments.num_clips):
        (films / f"{number}.mp4").write_bytes(film.read_bytes() + bytes(number))  # zeros are not read
    variants = {
        "alone": partial(compute_alone, encoder, films, arguments.batch_size),
        "index": partial(make_index, encoder, films, folder / "index", arguments.batch_size),
    }
    timed = {name: partial(both_clocks, run) for name, run in variants.items()}
    turns = take_turns(timed, arguments.repeats, "clips")
    medians = {name: np.median(values, axis=0).tolist() for name, values in turns.items()}
    seconds = {name: median[0] for name, median in medians.items()}
    processor = {name: median[1] for name, median in medians.items()}
    return {
        "clips": arguments.num_clips,
        "clips per second, decoded and computed": arguments.num_clips / seconds["alone"],
        "clips per second, indexed": arguments.num_clips / seconds["index"],
        "share of the speed": seconds["alone"] / seconds["index"],
        "share by processor time": processor["alone"] / processor["index"],
    }


def both_clocks(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds of one call, on the wall and of the processor."""
    process = time.process_time()
    return seconds_of(run), time.process_time() - process


def compute_alone(encoder: VideoEncoder, folder: Path, batch_size: int):
    """Decode clips and compute their vectors."""
    waiting: list[torch.Tensor] = []
    for path in sorted(folder.iterdir()):
        waiting += [clips["pixel_values"] for _, clips, _ in VideoWindows(encoder.processor, str(path), WINDOW).read()]
        if len(waiting) == batch_size:
            compute(encoder, waiting)
            waiting = []
    if waiting:
        compute(encoder, waiting)


def compute(encoder: VideoEncoder, clips: list[torch.Tensor]):
    """Compute the vectors of clips."""
    with torch.no_grad():
        project_clips(encoder.model, {"pixel_values": torch.cat(clips)})


def make_index(encoder: VideoEncoder, folder: Path, uri: Path, batch_size: int):
    """Make an index of clips, of which there is none."""
    index = VideoIndex.create(uri, encoder, WINDOW, overwrite=True)
    report = index.update(folder, batch_size, num_workers=0, show_progress=False)
    assert report.num_new == report.num_videos and not report.broken


if __name__ == "__main__":
    main()
