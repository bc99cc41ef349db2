# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Search in one's own videos: an index of what each window of them looks like, asked by text, image or clip."""

import hashlib
import json
import math
import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass
from transformers.utils import logging

from ..data.folder_lock import only_writer
from ..data.video_loading import VideoLoader
from ..data.video_windows import cut_windows
from ..evaluation.embedding import rank_and_world_size, score_candidates
from ..evaluation.retrieval import combine
from ..evaluation.video_encoder import VideoEncoder
from .calibration import Calibration
from .index_tables import FORMAT, IndexTables, Stamp, quoted
from .index_writing import IndexWriter
from .moments import Moment, Window, merge_windows
from .process_group import from_first, wait_for_others
from .window_reading import digest_of, list_videos, read_parts, stamp_of

logger = logging.get_logger(__name__)

# So many windows are compared one by one, in some 70 ms on two cores; of more, the nearest are found by an ANN index.
EXACT_WINDOWS = 200_000
WINDOW = 10.0  # seconds
# Queries, neighbours and the least share of them that an ANN index has to find.
_NUM_MEASURED, _MEASURED_K, _LEAST_RECALL = 100, 20, 0.99
_NEARBY = 5  # times as many windows are found as moments are wanted, since several make one


@dataclass
class IndexReport:
    """
    What an update of an index did.

    Args:
        num_videos, num_windows (`int`): What the index holds now.
        num_new, num_changed, num_moved, num_removed (`int`): Videos of this update.
        broken (`list` of `dict`): Videos that cannot be read, each with `path` and `reason`; also those of earlier
            updates, which have not changed since.
        seconds (`float`): How long it took.
    """

    num_videos: int = 0
    num_windows: int = 0
    num_new: int = 0
    num_changed: int = 0
    num_moved: int = 0
    num_removed: int = 0
    broken: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class _Plan:
    """What an update has to do: files to read and of these the new; what was removed; what is there."""

    to_read: dict[str, Stamp]
    new: list[str]
    removed: list[str]
    present: dict[str, Stamp]
    report: IndexReport


class VideoIndex:
    """
    An index of videos, which is made by [`~VideoIndex.create`] and opened again by [`~VideoIndex.open`].

    Example:

    ```python
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import (
    ...     AllInOneConfig, AllInOneForVideoTextRetrieval, AllInOneProcessor, AllInOneVideoProcessor
    ... )
    >>> from modeling_allinone.datasets import write_moving_shapes

    >>> folder = write_moving_shapes("shapes", num_clips=3) / "videos"
    >>> model = AllInOneForVideoTextRetrieval(AllInOneConfig.from_preset("tiny", num_hidden_layers=1))
    >>> encoder = VideoEncoder(model, AllInOneProcessor(AllInOneVideoProcessor(), BertTokenizer()))
    >>> index = VideoIndex.create("index", encoder, window=2.0)
    >>> report = index.update(folder)
    >>> report.num_new, report.num_windows >= 3, index.update(folder).num_new
    (3, True, 0)
    >>> moments = VideoIndex.open("index", encoder).search("a red ring moves up", top_k=2)
    >>> len(moments), moments[0].score >= moments[1].score
    (2, True)

    ```
    """

    def __init__(self, tables: IndexTables, encoder: VideoEncoder):
        self._tables, self.encoder = tables, encoder
        self.settings = tables.settings
        self._fitted: tuple[torch.Tensor, Calibration] | None = None

    @classmethod
    def create(
        cls,
        uri: str | Path,
        encoder: VideoEncoder,
        window: float = WINDOW,
        stride: float | None = None,
        overwrite: bool = False,
    ) -> "VideoIndex":
        """
        Make an empty index.

        Args:
            uri (`str` or `Path`): A folder, or what else `lancedb.connect` takes, such as `s3://bucket/index`.
            encoder ([`VideoEncoder`]): Makes the vectors.
            window (`float`, defaults to 10.0): Videos are cut into windows of so many seconds, see [`cut_windows`].
            stride (`float`, *optional*): From the beginning of a window to that of the next, in seconds. Default:
                `window`, so that they do not overlap.
            overwrite (`bool`, defaults to `False`): Whether an index that is there is removed.

        Returns:
            [`VideoIndex`]

        Raises:
            ImportError: If LanceDB is not installed.
            FileExistsError: If there is an index.
            ValueError: If a length is wrong, or an update of an index there is going on.
        """
        cut_windows(window, window, stride)
        dimension = encoder.model.config.projection_dim or 0
        settings = {
            "model": _place_of(encoder),
            "fingerprint": fingerprint_of(encoder),
            "dimension": dimension,
            "window": float(window),
            "stride": float(window if stride is None else stride),
        }
        with _only_update(IndexTables(uri, is_replaced=True)):
            tables = IndexTables(uri, is_replaced=overwrite)  # as the lock keeps it
            if tables.exists and not overwrite:
                raise FileExistsError(f"There is an index in {uri}; open it, or make it anew by overwrite=True.")
            if tables.is_old and not overwrite:
                raise ValueError(_old_format(uri))
            tables.create(dimension, settings)
        return cls(tables, encoder)

    @classmethod
    def open(
        cls,
        uri: str | Path,
        encoder: VideoEncoder | None = None,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> "VideoIndex":
        """
        Open an index.

        Args:
            uri (`str` or `Path`): As in `create`.
            encoder ([`VideoEncoder`], *optional*): With the model that it was made with. Default: it is loaded from
                where it was then.
            device, dtype: As in [`VideoEncoder.from_pretrained`], where it is loaded.

        Returns:
            [`VideoIndex`]

        Raises:
            ImportError: If LanceDB is not installed.
            FileNotFoundError: If there is no index.
            ValueError: If it is damaged, of another format, or was made with another model.
            OSError: If the model is no longer there.
        """
        tables = IndexTables(uri)
        if not tables.exists:
            if tables.is_old:
                raise ValueError(_old_format(uri))
            raise FileNotFoundError(
                f"There is no index in {uri}; make one: allinone index FOLDER --model MODEL --index {uri}"
            )
        settings = tables.settings
        if settings.get("format") != FORMAT:
            raise ValueError(
                f"The index in {uri} has format {settings.get('format')}, and this version reads {FORMAT}; make it "
                f"anew: allinone index FOLDER --model MODEL --index {uri} --overwrite"
            )
        if encoder is None:
            try:
                encoder = VideoEncoder.from_pretrained(settings["model"], device, dtype)
            except OSError as error:
                error.add_note(f"It is the model of the index in {uri}; if it has moved, say where it is by --model.")
                raise
        if fingerprint_of(encoder) != settings["fingerprint"]:
            raise ValueError(
                f"The index in {uri} was made with another checkpoint ({settings['model']}), whose vectors are not to "
                f"be compared with those of {encoder.model.name_or_path or 'this model'}; take that one, or make the "
                f"index anew: allinone index FOLDER --model MODEL --index {uri} --overwrite"
            )
        return cls(tables, encoder)

    @classmethod
    def prepare(
        cls,
        uri: str | Path,
        encoder: VideoEncoder | None = None,
        window: float | None = None,
        stride: float | None = None,
        overwrite: bool = False,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> "VideoIndex":
        """
        Open an index to update it, or make it, where a process group is initialised, by its first process.

        Args:
            uri, encoder, window, stride, overwrite: As in `create` and `open`; the encoder is needed to make one.
            device, dtype: As in `open`.

        Returns:
            [`VideoIndex`]

        Raises:
            ValueError: If there is none and no encoder, or there is one with windows of another length; and all that
                `create` and `open` raise.
        """

        def make():
            if not overwrite and IndexTables(uri).exists:
                return
            if encoder is None:
                raise ValueError(f"There is no index in {uri}; say which model makes it: --model MODEL.")
            cls.create(uri, encoder, WINDOW if window is None else window, stride, overwrite)

        from_first(make)
        opened = cls.open(uri, encoder, device, dtype)
        place = _place_of(opened.encoder)
        if place and place != opened.settings["model"]:  # the same model, which has moved
            from_first(lambda: opened._save_settings(model=place))
        for name, given in (("window", window), ("stride", stride)):
            if given is not None and given != opened.settings[name]:
                raise ValueError(
                    f"The index in {uri} has a {name} of {opened.settings[name]:g} s, not {given:g}; leave it out, or "
                    "make the index anew, by --overwrite."
                )
        return opened

    def describe(self) -> dict[str, Any]:
        """
        What the index is.

        Returns:
            `dict`: `model`, `window` and `stride` (seconds), and `search`: `"exact"`, or what an ANN index was
            measured to find: `recall` (share of the 20 nearest).
        """
        ann = self.settings.get("ann")
        names = ("model", "window", "stride")
        return {name: self.settings[name] for name in names} | {
            "search": "exact" if ann is None else {"recall": ann["recall"]}
        }

    @property
    def num_windows(self) -> int:
        """How many windows the index holds."""
        return self._tables.count()

    # -----------------------------------------------------------------------------------------------------------------
    # Videos
    # -----------------------------------------------------------------------------------------------------------------

    def update(
        self,
        videos: str | Path | Sequence[str | Path],
        batch_size: int = 32,
        num_workers: int = 1,
        seconds_per_read: float | None = None,
        retry_broken: bool = False,
        show_progress: bool | None = None,
    ) -> IndexReport:
        """
        Bring the index up to what is in folders: new and changed videos are read, those that were moved are called by
        their new paths, and those that are gone from these folders are removed.

        Each video is written whole, so that after a kill the same call goes on. Where a process group is initialised,
        its processes share the videos.

        Args:
            videos (path or sequence of paths): Folders, which are searched with all that is below them, and files.
            batch_size (`int`, defaults to 32): Windows that the model takes at a time.
            num_workers (`int`, defaults to 1): Processes that read videos while the model computes; 0 is this one,
                which a crash of the decoder ends.
            seconds_per_read (`float`, *optional*): Longest time to read some windows of a video, in seconds. Default:
                no limit.
            retry_broken (`bool`, defaults to `False`): Whether videos that could not be read are read once more
                though they have not changed.
            show_progress (`bool`, *optional*): Whether there is a progress bar; by default, on a terminal.

        Returns:
            [`IndexReport`]

        Raises:
            FileNotFoundError: If there is no such folder or file.
            ValueError: If another update of the index is going on, or it cannot be written.
            DeadWorkerError: If processes that read die of something else than a video.
        """
        started = time.perf_counter()
        sources = [videos] if isinstance(videos, str | Path) else list(videos)
        process, num_processes = rank_and_world_size()
        with ExitStack() as lock:

            def prepare() -> _Plan:
                lock.enter_context(_only_update(self._tables))
                return self._prepare(sources, retry_broken)

            plan = from_first(prepare)
            mine = dict(sorted(plan.to_read.items())[process::num_processes])
            self._read(mine, batch_size, num_workers, seconds_per_read, show_progress if process == 0 else False)
            wait_for_others()
            self._finish(bool(plan.to_read or plan.removed), is_first=process == 0)
            wait_for_others()
            self.settings = self._tables.settings
        report = plan.report
        report.broken += [
            {"path": path, "reason": reason}
            for path, (_, reason) in sorted(self._tables.broken().items())
            if path in plan.present
        ]
        known = self._tables.known()
        report.num_new = sum(path in known for path in plan.new)
        report.num_changed = sum(path in known for path in plan.to_read) - report.num_new
        report.num_videos, report.num_windows = len(known), self.num_windows
        report.seconds = time.perf_counter() - started
        return report

    def _prepare(self, sources: Sequence[str | Path], retry_broken: bool) -> _Plan:
        """See what has changed, and do what takes no reading."""
        known, broken = self._tables.known(), self._tables.broken()
        present: dict[str, Stamp] = {}
        plan, stale = _Plan({}, [], [], present, IndexReport()), set()
        for path in list_videos(sources):
            try:
                present[path] = stamp_of(path)
            except ValueError as error:
                plan.report.broken.append({"path": path, "reason": str(error)})
        closed = tuple(os.path.join(one["path"], "") for one in plan.report.broken)  # what is below stays
        folders = tuple(os.path.join(os.path.abspath(source), "") for source in sources if os.path.isdir(source))
        gone = {path for path in known if path.startswith(folders) and not path.startswith(closed)} - set(present)
        by_content: dict[str, list[str]] = {}
        for path in sorted(gone):
            by_content.setdefault(known[path].content, []).append(path)
        sizes = {known[path].stamp.size for path in gone}
        for path, stamp in present.items():
            before = known.get(path)
            if (before is not None and before.stamp == stamp) or (
                path in broken and broken[path][0] == stamp and not retry_broken
            ):
                continue
            content = ""
            if stamp.size in (sizes if before is None else (before.stamp.size,)):
                with suppress(OSError):  # what has gone since is told where it is read
                    content = digest_of(path)
            if before is not None and before.content == content:
                self._tables.move(path, path, stamp)  # written again with what was in it
                continue
            if before is None and (twins := by_content.get(content)):
                old = twins.pop()
                gone.discard(old)
                self._tables.move(old, path, stamp)
                stale.add(path)
                plan.report.num_moved += 1
                continue
            plan.to_read[path] = stamp
            if before is None:
                plan.new.append(path)
        stale |= {path for path in broken if path.startswith(folders)} - set(present)
        self._tables.forget(stale & set(broken))
        self._tables.remove(sorted(gone))
        plan.removed, plan.report.num_removed = sorted(gone), len(gone)
        return plan

    def _read(
        self,
        to_read: dict[str, Stamp],
        batch_size: int,
        num_workers: int,
        seconds_per_read: float | None,
        show_progress: bool | None,
    ):
        """Read videos, and write their windows."""
        writer = IndexWriter(self._tables, self.encoder, to_read, batch_size)
        reader = VideoLoader(self.encoder.processor, on_decode_error="skip", seconds_per_clip=seconds_per_read)
        disable = None if show_progress is None else not show_progress
        with logging.tqdm(total=len(to_read), desc="videos", leave=False, disable=disable) as progress:
            lengths = self.settings["window"], self.settings["stride"]
            for part in read_parts(reader, lambda: writer.unread, *lengths, num_workers):
                writer.add(part)
                progress.update(part.is_last)
            writer.flush()

    def _finish(self, has_changed: bool, is_first: bool = True):
        """Put the tables in order after an update, which the first process does; all share what is computed."""
        num_windows = self.num_windows
        calibration = self._fit_calibration() if has_changed or self._calibration() is None else None
        if not is_first:
            return
        if calibration is not None:
            self._save_settings(calibration=calibration.to_dict() | {"num_windows": num_windows})
        if has_changed:
            self._tables.compact()
            if num_windows > EXACT_WINDOWS:
                self._measure_ann()
            elif self.settings.get("ann") is not None:
                self._save_settings(ann=None)

    def _calibration(self) -> Calibration | None:
        """What similarities are worth, as it was found for the windows that the index holds."""
        saved = self.settings.get("calibration")
        return Calibration.from_dict(saved) if saved and saved["num_windows"] == self.num_windows else None

    def _fit_calibration(self) -> Calibration:
        """What similarities are worth among the windows that there are now, also where an update was killed."""
        vectors = self._tables.vectors()[1]  # the same object until the index changes
        if self._fitted is None or self._fitted[0] is not vectors:
            self._fitted = vectors, Calibration.fit(self.encoder, vectors)
        return self._fitted[1]

    def _save_settings(self, **settings: Any):
        self.settings = self._tables.settings | settings
        self._tables.settings = self.settings

    def _measure_ann(self):
        """Build an ANN index, and look at more and more of it until it finds what exact search finds."""
        columns, vectors = self._tables.vectors()
        num_partitions = max(round(math.sqrt(len(vectors)) / 4), 1)
        self._tables.build_ann(num_partitions)
        generator = torch.Generator().manual_seed(0)
        places = torch.randperm(len(vectors), generator=generator)[:_NUM_MEASURED]
        noise = torch.randn(len(places), vectors.shape[1], generator=generator)
        queries = nn.functional.normalize(vectors[places] + nn.functional.normalize(noise, dim=-1), dim=-1)
        exact = (queries @ vectors.T).topk(min(_MEASURED_K, len(vectors)), dim=1).indices.tolist()
        keys = list(zip(columns["path"].tolist(), columns["place"].tolist(), strict=True))
        num_probes, recall = min(8, num_partitions), 0.0
        while True:
            found = 0
            for query, nearest in zip(queries, exact, strict=True):
                other, _ = self._tables.nearest(query, len(nearest), num_probes)
                of_ann = set(zip(other["path"].tolist(), other["place"].tolist(), strict=True))
                found += len(of_ann & {keys[place] for place in nearest})
            recall = found / (len(exact) * len(exact[0]))
            if recall >= _LEAST_RECALL or num_probes >= num_partitions:
                break
            num_probes = min(2 * num_probes, num_partitions)
        self._save_settings(ann={"recall": recall, "num_probes": num_probes, "num_partitions": num_partitions})

    # -----------------------------------------------------------------------------------------------------------------
    # Queries
    # -----------------------------------------------------------------------------------------------------------------

    def embed_query(self, query: Any) -> tuple[torch.Tensor, bool]:
        """
        The vector of what is looked for.

        Args:
            query: A sentence (`str`); else a picture or a clip, as in [`VideoEncoder.encode_video`], a path as a
                `Path`.

        Returns:
            `torch.FloatTensor` of shape `(D,)`, and whether the sentence was cut, as it is longer than the model
            reads.
        """
        if isinstance(query, str):
            if not query.strip():
                raise ValueError("The query is an empty text; say what is to be found.")
            return self.encoder.encode_text(query), self.is_cut(query)
        vector = self.encoder.encode_video(query)
        return vector if vector.ndim == 1 else vector[0], False

    def is_cut(self, sentence: str) -> bool:
        """
        Whether a sentence is longer than the model reads.

        Args:
            sentence (`str`)

        Returns:
            `bool`
        """
        tokenizer = self.encoder.processor.tokenizer
        return len(tokenizer(sentence, truncation=False, verbose=False)["input_ids"]) > tokenizer.model_max_length

    def find_windows(
        self, vector: torch.Tensor, top_k: int = 5, within: str | Path | None = None, with_thumbnails: bool = True
    ) -> list[Window]:
        """
        The windows nearest to a vector.

        Args:
            vector (`torch.FloatTensor` of shape `(D,)`): Of unit length.
            top_k (`int`, defaults to 5): How many; all, if there are fewer.
            within (`str` or `Path`, *optional*): A video, or a folder of videos, of the index. Default: all of it.
            with_thumbnails (`bool`, defaults to `True`): Whether their pictures and stamps are read, too.

        Returns:
            `list` of [`Window`], best first.

        Raises:
            ValueError: If nothing of the index is within.
        """
        place = "" if within is None else os.path.abspath(within)
        below = os.path.join(place, "")
        ann = self.settings.get("ann")
        if ann is not None:
            where = None
            if place:
                where = f"path = {quoted([place])} OR starts_with(path, {quoted([below])})"
            columns, similarities = self._tables.nearest(vector, top_k, ann["num_probes"], where)
            best = list(range(len(similarities)))
        else:
            columns, vectors = self._tables.vectors()
            similarities = (vectors @ vector).numpy()
            if place:
                is_within = np.array([path == place or path.startswith(below) for path in columns["path"]], dtype=bool)
                similarities = np.where(is_within, similarities, -np.inf)
            order = torch.from_numpy(similarities).topk(min(top_k, len(similarities))).indices.tolist()
            best = [one for one in order if similarities[one] > -np.inf]
        if place and not best:
            raise ValueError(
                f"{within} holds nothing of the index in {self._tables.uri}; give a video or a folder of it."
            )
        keys = [(str(columns["path"][one]), int(columns["place"][one])) for one in best]
        thumbnails, nothing = self._tables.thumbnails(keys) if with_thumbnails else {}, (None, None)
        durations = [float(columns["duration"][one]) for one in best]
        return [
            Window(
                path=key[0],
                start=float(columns["start"][one]),
                end=float(columns["end"][one]),
                duration=None if math.isnan(duration) else duration,
                similarity=float(similarities[one]),
                thumbnail=thumbnails.get(key, nothing)[0],
                stamp=thumbnails.get(key, nothing)[1],
            )
            for one, key, duration in zip(best, keys, durations, strict=True)
        ]

    def search(
        self,
        query: Any,
        top_k: int = 5,
        within: str | Path | None = None,
        num_reranked: int = 0,
    ) -> list[Moment]:
        """
        Find the moments that a query describes.

        Args:
            query: A sentence, or a picture or a clip, see `embed_query`. A sentence that is longer than the model
                reads is cut, which is warned of.
            top_k (`int`, defaults to 5): How many moments to return; all, if there are fewer.
            within (`str` or `Path`, *optional*): A video, or a folder of videos, of the index. Default: all of it.
            num_reranked (`int`, defaults to 0): How many of the best windows to read again together with the sentence,
                and to put in the order of `score`, see [`combine`]; needs a model with a scorer, and the videos.

        Returns:
            `list` of [`Moment`], best first; for a sentence, with `chance` and `is_match`, see [`Calibration`]. Videos
            of them that have changed since they were indexed are warned of.

        Raises:
            ValueError: If a number is too small, nothing of the index is within, or windows are to be re-ranked for a
                picture, a clip or by a model without a scorer.
        """
        if top_k < 1 or num_reranked < 0:
            raise ValueError(f"top_k is {top_k} and num_reranked is {num_reranked}; expected at least 1 and 0.")
        model = self.encoder.model
        if num_reranked and (not isinstance(query, str) or model.scorer is None):
            raise ValueError(
                "Only for a sentence, and by a model with a scorer of pairs (use_pair_scorer), windows are re-ranked; "
                "give num_reranked=0."
            )
        vector, is_cut = self.embed_query(query)
        if is_cut:
            logger.warning(
                f"The query is longer than the {self.encoder.processor.tokenizer.model_max_length} tokens that the "
                "model reads; what lies behind them is not looked for."
            )
        windows = self.find_windows(vector, max(_NEARBY * top_k, num_reranked), within)
        if num_reranked:
            windows = self._rerank(str(query), windows, num_reranked)
        moments = merge_windows(windows, model.config.contrastive_temperature)[:top_k]
        stamps = {window.path: window.stamp for window in windows}
        changed = {moment.path for moment in moments if _has_changed(moment.path, stamps[moment.path])}
        if changed:
            logger.warning(
                f"{', '.join(sorted(changed))} changed after being indexed, and may show something else now; bring "
                f"the index up to date: allinone index FOLDER --index {self._tables.uri}"
            )
        if isinstance(query, str):
            calibration = self._calibration() or self._fit_calibration()
            for moment in moments:
                moment.chance = calibration.chance(moment.similarity)
                moment.is_match = calibration.is_match(moment.similarity)
        return moments

    def _rerank(self, text: str, windows: list[Window], num_reranked: int) -> list[Window]:
        """The windows with the scores of the best, which were read again, above those of the others."""
        best = windows[:num_reranked]
        reader = VideoLoader(self.encoder.processor, on_decode_error="skip")
        clips = [
            {"video": window.path} | ({} if window.duration is None else {"start": window.start, "end": window.end})
            for window in best
        ]
        scores = torch.empty(len(best))
        for is_image in (False, True):  # whose numbers of frames are others
            places = [place for place, window in enumerate(best) if (window.duration is None) == is_image]
            chosen = [clips[place] for place in places]
            if chosen:
                candidates = [[0]] * len(chosen)
                scores[places] = torch.cat(score_candidates(self.encoder.model, reader, chosen, [text], candidates))
        similarities = torch.tensor([window.similarity for window in best])
        finer = combine(similarities, scores, self.encoder.model.config.contrastive_temperature)
        # Those that were read stay above the others.
        finite = finer[finer.isfinite()]
        offset = 2.0 - float(finite.min()) if len(finite) else 0.0
        for window, score in zip(best, finer.tolist(), strict=True):
            window.score = score + offset if math.isfinite(score) else window.similarity
        return windows


def fingerprint_of(encoder: VideoEncoder) -> str:
    """
    What tells whether vectors are of one model: a hash of its weights as bfloat16, whatever it computes in, of its
    vocabulary, and of how its frames are prepared.

    Args:
        encoder ([`VideoEncoder`])

    Returns:
        `str`
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.model.state_dict().items()):
        plain: Any = tensor
        plain = plain.dequantize() if is_traceable_wrapper_subclass(tensor) else plain
        rounded = plain.detach().to("cpu", torch.bfloat16).contiguous()
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(rounded.flatten().view(torch.uint8).numpy().data)
    processor = encoder.processor
    digest.update(json.dumps(sorted(processor.tokenizer.get_vocab().items())).encode())
    digest.update(json.dumps(processor.video_processor.to_dict(), sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _place_of(encoder: VideoEncoder) -> str:
    """Where the model of an index is found again."""
    name = encoder.model.name_or_path or ""
    return os.path.abspath(name) if os.path.isdir(name) else name


def _has_changed(path: str, stamp: tuple[int, int] | None) -> bool:
    """Whether a file is there, and another than was indexed."""
    try:
        return stamp is not None and stamp_of(path) != stamp
    except ValueError:
        return False


def _old_format(uri: str | Path) -> str:
    return (
        f"The index in {uri} was saved by an earlier version, in another format; make it anew: allinone index FOLDER "
        f"--model MODEL --index {uri} --overwrite"
    )


def _only_update(tables: IndexTables) -> AbstractContextManager[None]:
    """Keep others from writing to an index, where it is a folder."""
    if tables.folder is None:
        return nullcontext()
    tables.folder.mkdir(parents=True, exist_ok=True)
    return only_writer(tables.folder)


__all__ = ["IndexReport", "VideoIndex"]
