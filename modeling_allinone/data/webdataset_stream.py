# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Clips and texts streamed from tar shards: mixed, shuffled, split over processes and workers, and resumed where training
was interrupted.

`datasets` and `webdataset` read such shards too, also those of [`write_shards`]; but one goes on after an interruption
without the rows of its shuffle buffer, the other reads all again, and both leave out, without a word, what follows a
damage: docs/many_machines.md has the measurement. So tar files are read here, through fsspec.
"""

import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from fsspec.core import url_to_fs
from torch.utils.data import IterableDataset, get_worker_info
from transformers.utils import logging

from ..datasets import draw_captioned_clip, draw_spoken_clip
from ..datasets.common_rows import MEDIA_COLUMNS
from ..datasets.row_transforms import seed_of
from .video_loading import record_skipped
from .webdataset_reading import Sample, StoredFile, read_index, read_samples
from .webdataset_samples import (
    UnusableSampleError,
    find_id,
    find_media,
    find_texts,
    limit_texts,
    parse_fields,
    set_aside,
)

logger = logging.get_logger(__name__)

TRANSFORMS = {"draw_captioned_clip": draw_captioned_clip, "draw_spoken_clip": draw_spoken_clip}
_BRACES = re.compile(r"\{([0-9]+)\.\.([0-9]+)\}")
_SKIPPED = ("without_media", "without_text", "with_long_text", "with_bad_json", "with_failed_transform", "lost")
_COUNTERS = ("rows", "words", "timed_rows", "seconds", "epoch", "damaged_shards", *_SKIPPED)
_NUM_SLOTS = 64  # workers that count for themselves


@dataclass
class ClipSource:
    """
    Shards of one data set.

    Args:
        shards (`str`, `Path` or a sequence of them): Tar files, folders of them, or patterns such as "webvid/*.tar" or
            "webvid-{000000..000127}.tar"; paths, or URLs of which fsspec can read parts.
        weight (`float`, defaults to 1): How often a row is of this source, relative to the other sources.
        transform (`Callable[[dict], dict]` or `str`, *optional*): What makes a row of a sample's fields, which have
            the number `draw` but no media yet; or the name of one of `TRANSFORMS`, for HowTo100M and YT-Temporal.
        transform_options (mapping, *optional*): Keywords of the transform.
        name (`str`, defaults to `"clips"`): What rows and statistics call it.

    Raises:
        FileNotFoundError: If a pattern or a folder has no shards.
        ValueError: If the weight is not above 0, if there is no such transform, or none for options.
    """

    shards: str | Path | Sequence[str | Path]
    weight: float = 1.0
    transform: Callable[..., dict] | str | None = None
    name: str = "clips"
    transform_options: Mapping[str, Any] | None = None
    urls: list[str] = field(init=False, repr=False)
    make_row: Callable[[dict], dict] | None = field(init=False, repr=False)

    def __post_init__(self):
        is_number = isinstance(self.weight, int | float) and not isinstance(self.weight, bool)
        if not is_number or not 0 < self.weight < float("inf"):
            raise ValueError(f"The weight of {self.name} is {self.weight!r}; expected a number above 0.")
        make_row = TRANSFORMS.get(self.transform) if isinstance(self.transform, str) else self.transform
        if make_row is None and self.transform is not None:
            raise ValueError(
                f"The transform of {self.name} is {self.transform!r}; expected one of {', '.join(TRANSFORMS)}."
            )
        if make_row is None and self.transform_options:
            raise ValueError(f"{self.name} has transform_options, but no transform.")
        self.make_row = partial(make_row, **self.transform_options) if self.transform_options else make_row
        shards = [self.shards] if isinstance(self.shards, str | Path) else list(self.shards)
        self.urls = list(dict.fromkeys(url for pattern in shards for url in _expand(str(pattern))))
        if not self.urls:
            raise ValueError(f"{self.name} has no shards; expected paths or URLs of tar files.")


def parse_sources(sources: Mapping[str, Any]) -> list[ClipSource]:
    """
    Make sources of what a recipe says of them.

    Args:
        sources (mapping): From names to shards, or to mappings with `shards` and perhaps `weight`, `transform` and
            `transform_options` (keywords of the transform).

    Returns:
        `list` of [`ClipSource`]

    Raises:
        ValueError: If a source is something else.
        FileNotFoundError: If a pattern or a folder has no shards.

    Example:

    ```python
    >>> webvid = {"shards": "webvid-{000..127}.tar", "weight": 3}
    >>> howto = {"shards": "howto.tar", "transform": "draw_captioned_clip", "transform_options": {"shortest": 6}}
    >>> sources = parse_sources({"webvid": webvid, "howto": howto})
    >>> [(source.name, source.weight, len(source.urls)) for source in sources]
    [('webvid', 3, 128), ('howto', 1.0, 1)]

    ```
    """
    if not isinstance(sources, Mapping) or not sources:
        raise ValueError(f"The sources are {sources!r}; expected a mapping from names to shards.")
    parsed = []
    for name, source in sources.items():
        arguments = {"shards": source} if isinstance(source, str | Path | Sequence) else source
        known = {"shards", "weight", "transform", "transform_options"}
        if not isinstance(arguments, Mapping) or "shards" not in arguments or set(arguments) - known:
            raise ValueError(f"The source {name} is {source!r}; expected shards, or a mapping with {sorted(known)}.")
        parsed.append(ClipSource(name=str(name), **arguments))
    return parsed


class WebDatasetStream(IterableDataset):
    """
    Rows of one or several sources without end: with the fields of a sample's `json`, `video` (bytes) or `image` or
    `images`, and the number `draw` that decides random frames and captions, which depends on seed, epoch and sample.
    Media are files of the shard. Fields of the stream's own names (`image`, `draw`, …), and fields of another kind
    than their name means (a `start` that is no number), are not obeyed: they come under `json`.

    Every process and worker reads its own shards, and a part of those that are too few to be shared out. A source
    begins its next epoch where it ends, in another order; within an epoch of a source, each of its rows comes once
    over all processes and workers. In all processes, the rows at the same place of a batch are of the same source.

    What cannot be used is named in the log and in `skipped_file`, counted, and left out: shards from where they are
    damaged to where they are whole again, and rows whose `json` cannot be read, without media, without a text or with
    an endless one. How many rows a damaged shard has lost is known from the index of [`write_shards`]; without it,
    only those are counted of which some files are left. Clips are not decoded here, and those that cannot be are left
    to [`VideoLoader`].

    Args:
        sources (sequence of [`ClipSource`], or one)
        seed (`int`, defaults to 0): Decides order, mixture and draws.
        shuffle_buffer (`int`, defaults to 500): Among how many rows a worker draws the next one of a source; as many
            are kept in memory. 0 leaves rows and shards in order.
        rows_per_choice (`int`, defaults to 1): How many rows follow each other before a source is drawn again: the
            size of batches that are of one source, such as of images alone.
        num_epochs (`int`, *optional*): Where to end. Default: never, as training needs it: processes have different
            numbers of rows in an epoch.
        needs_text (`bool`, defaults to `True`): Whether rows without `caption`, `captions` and `question` are skipped.
        max_words (`int`, *optional*, defaults to 1000): Texts with more words are no captions and are skipped.
        skipped_file (`str` or `Path`, *optional*): JSON lines are appended to it, as by [`VideoLoader`].
        process_index, num_processes (`int`): Which process of how many reads; [`AllInOneTrainer`] sets them.

    Example:

    ```python
    >>> from modeling_allinone.datasets import load_annotations, write_moving_shapes
    >>> from modeling_allinone.data.webdataset_writing import write_shards

    >>> folder = write_moving_shapes("shapes", num_clips=8)
    >>> rows = load_annotations("moving_shapes", "shapes", task="retrieval")
    >>> write_shards(rows, "shards", "shapes", rows_per_shard=4, num_workers=0).num_shards
    2
    >>> stream = WebDatasetStream(ClipSource("shards"), num_epochs=1)
    >>> row = next(iter(stream))
    >>> type(row["video"]), type(row["caption"]), row["epoch"]
    (<class 'bytes'>, <class 'str'>, 0)
    >>> sorted(row["sample_id"] for row in stream) == sorted(rows["sample_id"])
    True

    ```
    """

    def __init__(
        self,
        sources: ClipSource | Sequence[ClipSource],
        seed: int = 0,
        shuffle_buffer: int = 500,
        rows_per_choice: int = 1,
        num_epochs: int | None = None,
        needs_text: bool = True,
        max_words: int | None = 1000,
        skipped_file: str | Path | None = None,
        process_index: int = 0,
        num_processes: int = 1,
    ):
        self.sources = [sources] if isinstance(sources, ClipSource) else list(sources)
        names = [source.name for source in self.sources]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"The sources are named {names}; expected at least one, each with a name of its own.")
        self.seed = seed
        self.shuffle_buffer = _checked("shuffle_buffer", shuffle_buffer, 0)
        self.rows_per_choice = _checked("rows_per_choice", rows_per_choice, 1)
        self.num_epochs = num_epochs if num_epochs is None else _checked("num_epochs", num_epochs, 1)
        self.needs_text = needs_text
        self.max_words = max_words if max_words is None else _checked("max_words", max_words, 1)
        self.skipped_file = skipped_file
        self.set_process(process_index, num_processes)
        self.skip_batches(0, 1)
        # In memory that is shared, so that what workers count can be read here.
        self._counts = torch.zeros(_NUM_SLOTS, len(self.sources), len(_COUNTERS), dtype=torch.float64).share_memory_()

    def set_process(self, process_index: int, num_processes: int):
        """Say which process reads, before a loader is made."""
        if not 0 <= process_index < num_processes:
            raise ValueError(f"process_index is {process_index}; expected 0 to {num_processes - 1}.")
        self.process_index, self.num_processes = process_index, num_processes

    def skip_batches(self, num_batches: int, batch_size: int):
        """
        Let the next loader begin after some batches of this process, with the rows that came next when they were read.

        Rows are passed over without reading their media. The sources, the arguments of the stream, the size of batches
        and the numbers of processes and workers have to be the same as then.

        Args:
            num_batches (`int`): How many batches.
            batch_size (`int`): Their size, rows.
        """
        self._skipped_batches = _checked("num_batches", num_batches, 0)
        self._batch_size = _checked("batch_size", batch_size, 1)

    def statistics(self) -> dict[str, float]:
        """
        What the workers of this process have read since the stream was made, a few batches ahead of training.

        Returns:
            `dict` from `str` to `float`: `rows`, `words_per_clip`, `seconds_per_clip` (if lengths are known),
            `skipped_rows`, and if there are any, `rows_without_media`, `rows_lost` (by damaged shards) and so on,
            `damaged_shards`, and of each source `NAME_epoch` and, where there are several, `NAME_share` (of the rows).
        """
        counts = self._counts.sum(dim=0)
        total = dict(zip(_COUNTERS, counts.sum(dim=0).tolist(), strict=True))
        figures = {"rows": total["rows"]}
        if total["rows"]:
            figures["words_per_clip"] = total["words"] / total["rows"]
        if total["timed_rows"]:
            figures["seconds_per_clip"] = total["seconds"] / total["timed_rows"]
        figures["skipped_rows"] = sum(total[name] for name in _SKIPPED)
        figures |= {f"rows_{name}": total[name] for name in _SKIPPED if total[name]}
        figures["damaged_shards"] = total["damaged_shards"]
        epochs = self._counts[:, :, _COUNTERS.index("epoch")].amax(dim=0).tolist()
        rows = counts[:, _COUNTERS.index("rows")].tolist()
        for source, epoch, num_rows in zip(self.sources, epochs, rows, strict=True):
            figures[f"{source.name}_epoch"] = epoch
            if len(self.sources) > 1 and total["rows"]:
                figures[f"{source.name}_share"] = num_rows / total["rows"]
        return figures

    def __iter__(self) -> Iterator[dict[str, Any]]:
        info = get_worker_info()
        worker, num_workers = (0, 1) if info is None else (info.id, info.num_workers)
        # A loader takes its batches from one worker after the other, the first of all from worker 0.
        worker = (worker + self._skipped_batches) % num_workers
        num_passed = len(range(worker, self._skipped_batches, num_workers)) * self._batch_size
        yield from _StreamReader(self, worker, num_workers).read(num_passed)


@dataclass(eq=False)
class PairedStream(IterableDataset):
    """
    Clips, each with an image beside it that has nothing to do with it: two streams, both without end.

    Args:
        videos ([`WebDatasetStream`]): Clips.
        images ([`WebDatasetStream`]): Images, whose sources have other names.

    Rows have `video` and `image`, a row each, as [`PairedCollator`] takes them.
    """

    videos: WebDatasetStream
    images: WebDatasetStream

    def set_process(self, process_index: int, num_processes: int):
        """Say which process reads, as for [`WebDatasetStream`]."""
        for stream in (self.videos, self.images):
            stream.set_process(process_index, num_processes)

    def skip_batches(self, num_batches: int, batch_size: int):
        """Let the next loader begin after some batches, as for [`WebDatasetStream`]."""
        for stream in (self.videos, self.images):
            stream.skip_batches(num_batches, batch_size)

    def statistics(self) -> dict[str, float]:
        """What was read of both, that of images with `image_` before its names, see [`WebDatasetStream`]."""
        of_images = {f"image_{name}": value for name, value in self.images.statistics().items()}
        return self.videos.statistics() | of_images

    def __iter__(self) -> Iterator[dict[str, dict[str, Any]]]:
        for video, image in zip(self.videos, self.images, strict=False):
            yield {"video": video, "image": image}


class _StreamReader:
    """What one worker of one process reads of a stream."""

    def __init__(self, stream: WebDatasetStream, worker: int, num_workers: int):
        self.stream = stream
        self.worker = worker
        self.index = stream.process_index * num_workers + worker
        self.num_readers = stream.num_processes * num_workers
        self.counts = stream._counts[worker % _NUM_SLOTS]
        # Rows that were read before an interruption: their media are not read and nothing is said about them again.
        self.is_passing = False
        self.read_index = cache(read_index)
        self.warned: set[tuple[str, str]] = set()

    def read(self, num_passed: int) -> Iterator[dict[str, Any]]:
        """The rows after the first few."""
        rows = self._mix()
        self.is_passing = num_passed > 0
        for _ in itertools.islice(rows, num_passed):
            pass
        self.is_passing = False
        for number, row in rows:
            self._count_row(number, row)
            yield row | {column: _read_stored(row[column]) for column in MEDIA_COLUMNS if column in row}

    def _mix(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Rows of all sources, with the number of the source."""
        sources = self.stream.sources
        rows_of = {number: self._read_source(number) for number in range(len(sources))}
        # Not by process, so that all processes have batches of the same sources.
        choices = random.Random(f"{self.stream.seed} {self.worker}")
        while rows_of:
            (number,) = choices.choices(list(rows_of), [sources[number].weight for number in rows_of])
            for _ in range(self.stream.rows_per_choice):
                row = next(rows_of[number], None)
                if row is None:
                    del rows_of[number]
                    break
                yield number, row

    def _read_source(self, number: int) -> Iterator[dict[str, Any]]:
        """Rows of this worker's share of a source, epoch after epoch."""
        for epoch in itertools.islice(itertools.count(), self.stream.num_epochs):
            shares = (self._read_shard(number, epoch, *share) for share in self._share(number, epoch))
            rows = itertools.chain.from_iterable(shares)
            is_empty = True
            for row in self._shuffle(rows, self._seed(number, epoch, self.index)):
                is_empty = False
                yield row
            if is_empty:
                self._check_readable(number, epoch)

    def _shuffle(self, rows: Iterator[dict], seed: str) -> Iterator[dict]:
        """Rows in the order in which they are drawn from a buffer."""
        if not self.stream.shuffle_buffer:
            yield from rows
            return
        draws = random.Random(seed)
        buffer = list(itertools.islice(rows, self.stream.shuffle_buffer))
        for row in rows:
            place = draws.randrange(len(buffer))
            yield buffer[place]
            buffer[place] = row
        draws.shuffle(buffer)
        while buffer:
            yield buffer.pop()

    def _share(self, number: int, epoch: int) -> list[tuple[str, int, int]]:
        """The shards of this worker in an epoch, each with the part of it that is read and the number of parts."""
        urls = list(self.stream.sources[number].urls)
        if self.stream.shuffle_buffer:
            random.Random(self._seed(number, epoch)).shuffle(urls)
        num_whole = len(urls) // self.num_readers * self.num_readers
        share = [(url, 0, 1) for url in urls[:num_whole][self.index :: self.num_readers]]
        if rest := urls[num_whole:]:
            shard_of = [reader * len(rest) // self.num_readers for reader in range(self.num_readers)]
            shard = shard_of[self.index]
            num_parts = shard_of.count(shard)
            # By turns, so that each reader has rows at some time, however few there are.
            part = (self.index - shard_of.index(shard) + epoch) % num_parts
            share.append((rest[shard], part, num_parts))
        return share

    def _read_shard(self, number: int, epoch: int, url: str, part: int = 0, num_parts: int = 1) -> Iterator[dict]:
        """The rows of a part of a shard: every so many-th sample."""
        damages: list[str] = []
        num_whole = num_torn = 0

        def is_mine(place: int) -> bool:
            return not self.is_passing and place % num_parts == part

        for place, sample in enumerate(read_samples(url, is_mine, damages.append)):
            num_whole += sample.is_whole
            num_torn += not sample.is_whole
            if place % num_parts == part:
                row = self._make_row(number, epoch, sample)
                if row is not None:
                    yield row
        if part == 0:  # the others meet the same
            name = re.split(r"[/\\]", url)[-1]
            num_expected = self.read_index(url.removesuffix(name)).get(name, 0)
            if num_whole < num_expected:
                damages.append(f"{num_expected - num_whole} of its {num_expected} rows are lost")
                self._count(number, lost=max(num_expected - num_whole - num_torn, 0))
            if damages:
                self._note(number, "damaged_shards", url, None, "; ".join(damages))

    def _make_row(self, number: int, epoch: int, sample: Sample) -> dict[str, Any] | None:
        """The row of a sample, or `None` if it cannot be used."""
        stream, source, sample_id = self.stream, self.stream.sources[number], None
        try:
            if not sample.is_whole:
                names = ", ".join(sorted(sample.files)) or "none"
                raise UnusableSampleError("lost", f"files of it are lost or damaged; there are {names}")
            fields = parse_fields(sample)
            sample_id = find_id(fields, sample.key)
            media = find_media(sample)
            facts = {"draw": seed_of(stream.seed, epoch, sample_id), "epoch": epoch, "source": source.name}
            if source.make_row is not None:
                made = _transform(source.make_row, fields | {"sample_id": sample_id} | facts)
                fields = {name: value for name, value in made.items() if name not in facts}
            row, strange = set_aside(fields)
            for name in strange:
                self._warn(source.name, name, fields[name], sample)
            if stream.needs_text:
                row = limit_texts(row, stream.max_words)
        except UnusableSampleError as error:
            self._note(number, error.counter, f"{sample.key} of {sample.url}", sample_id, str(error))
            return None
        sample_id = find_id(row, sample_id)
        return row | {"sample_id": sample_id} | facts | media | {"__key__": sample.key, "__url__": sample.url}

    def _check_readable(self, number: int, epoch: int):
        """Raises a `ValueError` if a source, of which this worker found nothing in an epoch, has nothing at all."""
        source = self.stream.sources[number]
        self.is_passing, was_passing = True, self.is_passing
        if not any(row for url in source.urls for row in self._read_shard(number, epoch, url)):
            raise ValueError(
                f"No row can be read from the {len(source.urls)} shards of {source.name}, such as {source.urls[0]}; "
                "the log says what is wrong with them."
            )
        self.is_passing = was_passing

    def _seed(self, number: int, *numbers: int) -> str:
        return " ".join(map(str, (self.stream.seed, self.stream.sources[number].name, *numbers)))

    def _note(self, number: int, counter: str, name: str, sample_id: str | None, reason: str):
        """Count, log and list something that is left out."""
        if self.is_passing:
            return
        self._count(number, **{counter: 1})
        record_skipped(self.stream.skipped_file, name, sample_id, reason)

    def _warn(self, source: str, name: str, value: Any, sample: Sample):
        """Say once of a source that a field means something else there."""
        if not self.is_passing and (source, name) not in self.warned:
            self.warned.add((source, name))
            logger.warning(
                f"{name} is {value!r:.80} in the json of {sample.key} of {sample.url}, which is nothing that a row of "
                f"{source} can follow; it is left aside, here and wherever else it is so."
            )

    def _count(self, number: int, **added: float):
        for name, value in added.items():
            if not self.is_passing:
                self.counts[number, _COUNTERS.index(name)] += value

    def _count_row(self, number: int, row: dict[str, Any]):
        texts, seconds = find_texts(row), _seconds(row)
        self._count(number, rows=1, words=sum(len(text.split()) for text in texts) / max(len(texts), 1))
        if seconds is not None:
            self._count(number, timed_rows=1, seconds=seconds)
        self.counts[number, _COUNTERS.index("epoch")] = row["epoch"]


def _expand(pattern: str) -> list[str]:
    """The shards that a path or a URL stands for."""
    if braces := _BRACES.search(pattern):
        first, last = braces.groups()
        names = [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]
        return [url for name in names for url in _expand(pattern[: braces.start()] + name + pattern[braces.end() :])]
    if pattern.endswith(".tar") and not any(sign in pattern for sign in "*?["):
        return [pattern]
    # Of a chain such as "simplecache::s3://…", the last one has the files.
    outer, chain, inner = pattern.rpartition("::")
    try:
        files, path = url_to_fs(inner)
    except ImportError as error:
        raise ValueError(f"{pattern} cannot be read: {error}.") from error
    if not any(sign in inner for sign in "*?["):
        if not files.isdir(path):
            return [pattern]
        path = path.rstrip("/") + "/*.tar"
    found = [files.unstrip_protocol(name) if "://" in inner else name for name in sorted(files.glob(path))]
    if not found:
        raise FileNotFoundError(f"No shard is at {pattern}; expected tar files.")
    return [outer + chain + url for url in found]


def _checked(name: str, value: int, lowest: int) -> int:
    if not isinstance(value, int) or value < lowest:
        raise ValueError(f"{name} is {value!r}; expected a whole number, {lowest} or more.")
    return value


def _read_stored(value: Any) -> Any:
    if isinstance(value, StoredFile):
        return value.read()
    return [_read_stored(one) for one in value] if isinstance(value, list) else value


def _transform(make_row: Callable[[dict], dict], fields: dict[str, Any]) -> dict[str, Any]:
    """What a function of the user makes of fields, whose failure is that of the sample."""
    try:
        return dict(make_row(fields))
    except Exception as error:
        reason = f"its transform failed: {type(error).__name__}: {error}"
        raise UnusableSampleError("with_failed_transform", reason) from error


def _seconds(row: Mapping[str, Any]) -> float | None:
    """Length of a row's clip, if known."""
    start, end = row.get("start") or 0, row.get("duration") if row.get("end") is None else row["end"]
    return end - start if isinstance(end, int | float) and isinstance(start, int | float) else None


__all__ = ["TRANSFORMS", "ClipSource", "PairedStream", "WebDatasetStream", "parse_sources"]
