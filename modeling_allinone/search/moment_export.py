# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Moments as video files of their own, cut at their times and with their sound."""

import gc
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import is_av_available, logging

from ..data.folder_lock import only_writer
from ..models.frame_conversion_allinone import ONE_THREAD
from ..models.video_clip_allinone import Clip
from ..models.video_decoding_allinone import open_clip
from ..models.video_file_allinone import VideoFile
from ..models.video_sources_allinone import as_file, resolve_source
from .moments import Moment

if is_av_available():
    import av

# What x264's makers call visually lossless, or nearly so, at the speed of decoding. Where frames are stored in another
# order than shown, MP4 does not know how long the last one stays.
_VIDEO_OPTIONS = {"crf": "18", "preset": "veryfast", "bf": "0"}
_TICKS = 90_000  # a second, in MPEG
_SOUND_BITS = 80_000  # a second and channel
# Layouts that the AAC encoder knows and players do; others become stereo.
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
# Containers round times of sound, some to milliseconds; a gap or an overlap is longer, in seconds.
_JITTER = 0.05
# Where its times fall back by more, in seconds, a file was joined from several, and goes on.
_LEAP = 0.5
# Decoders of sound need a little of what comes before, in seconds.
_BEFORE = 1.0
# Bytes of decoded frames that are held at a time.
_MOST_BYTES = 256 * 2**20
_UNFINISHED = ".unfinished"


def export_moments(moments: Sequence[Moment], folder: str | Path) -> list[dict[str, Any]]:
    """
    Write moments as files of their own: MP4, with H.264 and AAC.

    They are encoded anew, so that each begins with the frame that is on screen at its start and ends at its end,
    wherever the key frames of the video are. Frames are as players show them: upright, with square pixels, what is
    transparent on black, 8 bits; a size that is odd is filled up by one row or column. Their times, and all streams of
    sound, stay as they are. Still images are copied.

    Args:
        moments (sequence of [`Moment`]): They are numbered in this order.
        folder (`str` or `Path`): Where to write; made if missing. Names are `NN_<name>_<start>-<end>.mp4`, with
            seconds; where there is such a file, `_2` and so on follows, as nothing is overwritten. A file has its name
            once it is whole.

    Returns:
        `list` of `dict`: For each moment `path`, `start`, `end`, `file` (path of what was written, or `None`) and
        `reason` (why nothing was, or `None`).

    Raises:
        ValueError: If `folder` is a file, or another process is writing there.

    Example:

    ```python
    >>> from modeling_allinone.datasets import write_moving_shapes
    >>> from modeling_allinone.search import Moment, export_moments

    >>> video = str(write_moving_shapes("shapes", num_clips=1) / "videos/000000.mp4")
    >>> [written] = export_moments([Moment(video, 0.5, 2.0, score=0.6, similarity=0.6)], "found")
    >>> written["file"], written["reason"]
    ('found/01_000000_0.5-2.mp4', None)

    ```
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"{folder} cannot be a folder for moments, as {error.filename} is a file.") from error
    written = []
    with only_writer(folder):
        for left in folder.glob(f".*{_UNFINISHED}*"):  # by a process that was killed
            left.unlink()
        digits = max(2, len(str(len(moments))))
        for number, moment in enumerate(logging.tqdm(moments, desc="moments", leave=False, disable=None), start=1):
            entry = {"path": moment.path, "start": moment.start, "end": moment.end, "file": None, "reason": None}
            try:
                entry["file"] = str(_export_one(moment, folder, f"{number:0{digits}}"))
            except (OSError, ValueError, MemoryError) as error:
                reason = " ".join(str(error).split()) or "there is not enough memory"
                entry["reason"] = reason if moment.path in str(error) else f"{moment.path}: {reason}"
            written.append(entry)
    return written


def _export_one(moment: Moment, folder: Path, number: str) -> Path:
    """Write one moment; returns where."""
    source, name = resolve_source(moment.path, moment.path)
    clip = open_clip(source, name)
    stem, suffix = os.path.splitext(os.path.basename(moment.path))
    if clip.is_image:
        unfinished = folder / f".{number}{_UNFINISHED}"
        begin = f"{number}_{_plain(stem)}"
    else:
        suffix = ".mp4"
        unfinished = folder / f".{number}{_UNFINISHED}{suffix}"
        begin = f"{number}_{_plain(stem)}_{_seconds(moment.start)}-{_seconds(moment.end)}"
    try:
        if clip.is_image and isinstance(source, Path):
            shutil.copyfile(source, unfinished)
        elif clip.is_image:
            unfinished.write_bytes(source)
        else:
            _encode(clip, source, max(moment.start, 0.0), min(moment.end, clip.duration), unfinished)
        path, count = folder / f"{begin}{suffix}", 1
        while os.path.lexists(path):
            count += 1
            path = folder / f"{begin}_{count}{suffix}"
        return unfinished.rename(path)
    except Exception as error:
        # What PyAV raises says nothing of what it was about; files that were found broken are named.
        if isinstance(error, av.error.FFmpegError):
            raise ValueError(f"{name} cannot be cut: {error.strerror} ({error.filename or 'its data'}).") from error
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def _plain(stem: str) -> str:
    """What of a name any file system takes."""
    stem = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]', "_", stem).strip(" .")
    return stem.encode()[:120].decode(errors="ignore") or "video"


def _seconds(time: float) -> str:
    """A time as it stands in a name."""
    return f"{round(time, 3):.10g}"


def _encode(clip: Clip, source: Path | bytes, start: float, end: float, path: Path):
    """Write what is on screen and to be heard from one time to another."""
    first, stop = clip.window(start, end)
    with ExitStack() as stack:
        output = stack.enter_context(av.open(str(path), "w", options={"movflags": "+faststart"}))
        picture = clip.read(np.array([first]))[0]
        height, width = picture.shape[:2]
        stream = output.add_stream(
            "libx264", rate=Fraction(clip.mean_frame_rate).limit_denominator(1001), options=_VIDEO_OPTIONS
        )
        stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, _TICKS)
        # Players guess what is not said.
        colours = stream.codec_context
        colours.colorspace = colours.color_primaries = colours.color_trc = 1  # BT.709
        colours.color_range = 1
        sounds = list(_open_sounds(clip, source, start, end, output, stack))

        ticks = np.rint((np.clip(clip.times[first:stop], start, None) - start) * _TICKS).astype(np.int64)
        # Two pictures that claim one time are shown one after the other.
        ticks = np.maximum.accumulate(ticks - np.arange(len(ticks))) + np.arange(len(ticks))
        durations = dict(
            zip(ticks.tolist(), np.diff(ticks, append=round((end - start) * _TICKS)).tolist(), strict=True)
        )

        def mux(packets: Sequence["av.Packet"]):
            for packet in packets:
                packet.duration = max(durations.get(packet.pts, 0), 1)
                output.mux(packet)

        for places in np.split(
            np.arange(first, stop), range(chunk := max(_MOST_BYTES // picture.nbytes, 1), stop - first, chunk)
        ):
            for place, pixels in zip(places.tolist(), clip.read(places), strict=True):
                if pixels.shape != picture.shape:
                    sizes = sorted({picture.shape[:2], pixels.shape[:2]})
                    raise ValueError(
                        f"{clip.name} has frames of different sizes (height, width): {sizes}; cut it there."
                    )
                pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", **ONE_THREAD)
                frame.pts, frame.time_base = int(ticks[place - first]), Fraction(1, _TICKS)
                mux(stream.encode(frame))
            for sound in sounds:
                sound.write(until=float(clip.times[places[-1]]) - start)
            gc.collect()  # an open container is part of a circle, and its decoder holds many large frames
        mux(stream.encode())
        for sound in sounds:
            sound.write()


def _open_sounds(clip, source, start, end, output, stack: ExitStack) -> Iterator["_Sound"]:
    """All streams of sound that are to be heard in that time."""
    if not isinstance(clip, VideoFile):
        return
    with av.open(as_file(source), metadata_errors="ignore") as container:
        streams = [
            (stream.index, stream.codec_context is None, stream.metadata.get("language"))
            for stream in container.streams.audio
        ]
    for index, is_unknown, language in streams:
        if is_unknown:
            raise ValueError(
                f"{clip.name} has sound that is coded in a way that PyAV's libraries do not know; convert it first."
            )
        sound = _Sound(clip, source, index, start, end, stack)
        if sound.begins:
            sound.add_to(output, language)
            yield sound


class _Sound:
    """One stream of sound of a video, from one time to another, on its way into a new file."""

    def __init__(self, clip: VideoFile, source: Path | bytes, index: int, start: float, end: float, stack: ExitStack):
        self._name, self._source, self._index, self._stack = clip.name, source, index, stack
        self._start, self._zero, self._length = start, clip.clock_start + start, end - start
        self._can_seek = clip.has_clock_times
        self._blocks = self._continuous()
        self._waiting = next(self._blocks, None)
        self.begins = self._waiting is not None

    def add_to(self, output, language: str | None):
        """Make its stream in the new file."""
        rates = av.codec.Codec("aac", "w").audio_rates or [48000]
        self._output = output
        self._stream = output.add_stream("aac", rate=self._rate if self._rate in rates else 48000, layout=self._layout)
        if language:
            self._stream.metadata["language"] = language
        self._stream.bit_rate = _SOUND_BITS * self._stream.codec_context.channels

    def write(self, until: float | None = None):
        """Encode up to a time, in seconds from the start, or what is left."""
        while self._waiting is not None and (until is None or self._waiting[0] < until * self._rate):
            place, samples = self._waiting
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, place, Fraction(1, self._rate)
            self._output.mux(self._stream.encode(frame))
            self._waiting = next(self._blocks, None)
        if until is None:
            self._output.mux(self._stream.encode())

    def _continuous(self) -> Iterator[tuple[int, np.ndarray]]:
        """Samples `(channels, n)` without gaps and repeats, and their places, counted from the start."""
        reached: int | None = None
        for time, samples in self._from_start():
            stop, place = round(self._length * self._rate), round(time * self._rate)
            if reached is None:
                reached, is_exact = min(place, 0), True
            if place - reached > (0 if is_exact else _JITTER * self._rate):
                while reached < min(place, stop):  # nothing is to be heard
                    number = min(self._rate, min(place, stop) - reached)
                    yield reached, np.zeros((len(samples), number), np.float32)
                    reached += number
            elif reached - place > _JITTER * self._rate:
                samples = samples[:, reached - place :]
            is_exact = False
            kept = samples[:, max(-reached, 0) : max(stop - reached, 0)]
            if kept.size:
                yield max(reached, 0), kept
            reached += samples.shape[1]
            if reached >= stop:
                return

    def _from_start(self) -> Iterator[tuple[float, np.ndarray]]:
        """Decoded blocks that are heard after the start, each with its time from there."""
        is_sought = self._can_seek and self._zero - _BEFORE > 0 and self._start > _BEFORE
        blocks = self._decoded(is_sought)
        block = next(blocks, None)
        if is_sought and (block is None or block[0] > 0):  # the seek has gone too far, or there is nothing before
            blocks = self._decoded(False)
            block = next(blocks, None)
        while block is not None:
            if block[0] * self._rate + block[1].shape[1] > 0:
                yield block
            block = next(blocks, None)

    def _decoded(self, is_sought: bool) -> Iterator[tuple[float, np.ndarray]]:
        """Decoded blocks, from a little before the start or from the beginning of the file up to the end."""
        container: Any = self._stack.enter_context(av.open(as_file(self._source), metadata_errors="ignore"))
        stream = container.streams[self._index]
        self._resampler: Any = None
        time, leaps = -np.inf, 0.0
        try:
            if is_sought:
                container.seek(int((self._zero - _BEFORE) / stream.time_base), stream=stream)
            packets = container.demux(stream)
            for packet in packets:
                try:
                    frames = packet.decode()
                except av.error.FFmpegError as error:
                    began = time if packet.pts is None else float(packet.pts * stream.time_base) - self._zero
                    if began < 0:  # as decoders do that begin in the midst of something
                        continue
                    raise ValueError(
                        f"{self._name}: its sound cannot be decoded ({error.strerror}) at "
                        f"{began + self._start:.2f} s: the file is damaged there."
                    ) from error
                for frame in frames:
                    if frame.pts is not None:
                        stamp = float(frame.pts * frame.time_base) - self._zero + leaps
                        if not self._can_seek and stamp < time - _LEAP:
                            leaps, stamp = leaps + time - stamp, time
                        time = stamp
                    elif time == -np.inf:
                        time = -self._start
                    if time >= self._length:
                        return
                    samples = self._planar(frame)
                    yield time, samples
                    time += samples.shape[1] / self._rate
        except av.error.FFmpegError:
            if not is_sought:  # else it is read from the beginning
                raise

    def _planar(self, frame) -> np.ndarray:
        """Samples of a frame, `(channels, n)`."""
        if self._resampler is None:
            self._rate = frame.sample_rate
            self._layout = _LAYOUTS.get(frame.layout.nb_channels, "stereo")
            self._resampler = av.AudioResampler("fltp", self._layout, self._rate)
        frame.pts = None  # which tells it nothing
        return np.concatenate([one.to_ndarray() for one in self._resampler.resample(frame)], axis=1)


__all__ = ["export_moments"]
