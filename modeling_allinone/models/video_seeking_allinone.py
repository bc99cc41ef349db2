# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Seeking: frames of a video stream, decoded from the nearest key picture on, and which of them can be trusted."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from fractions import Fraction
from functools import partial
from itertools import chain, islice

import numpy as np
import torch
from transformers.utils import is_av_available

from .frame_conversion_allinone import to_rgb
from .frame_table_allinone import MOST_HELD_BACK, FrameTable, Shown
from .picture_references_allinone import REFERENCES, H264Numbers, NotUnderstoodError, PictureReferences

if is_av_available():
    import av

# Containers in which every packet is one picture; elsewhere it may be a field, half of one.
_ONE_PICTURE_PACKETS = {"mov", "matroska"}
# Containers that are sought by presentation time, others by decoding time. MP4 says so itself.
_SOUGHT_BY_PRESENTATION = {"matroska", "asf", "ogg", "nut"}
# So many packets before the one that is meant a container is sought.
_PACKETS_BEFORE = {"mpeg": 4}
# A picture that claims more pixels is damage of a header; the number is Pillow's limit for images.
MOST_PIXELS = 178_956_970
# A picture inside the stream is held to the same limit.
_CODEC_OPTIONS = {"max_pixels": str(MOST_PIXELS)}
# Of a damaged JPEG, libav shows what happens to be in memory, and says nothing.
_MORE_CODEC_OPTIONS = {"mjpeg": {"err_detect": "explode"}}
# And where a JPEG has no pixels, not even so; they follow this mark.
_JPEG_SCAN = b"\xff\xda"
# MPEG-4 says "no picture here" by a packet of a few bytes, which may stand for a picture of an earlier packet.
_LONGEST_PLACEHOLDER = 10
# So many packets show how a stream begins.
_WATCHED = 3 * MOST_HELD_BACK
# So many bytes of packets are looked at before the first of them is decoded.
_MOST_BYTES_AHEAD = 1 << 26
# After a seek, what a demuxer may give before the first packet that it also gave when it read from the beginning.
_MOST_STRAY_PACKETS = 64


class Decoding:
    """
    Decodes a stream from one of its packets on. Each picture carries the number of its packet in place of its time.

    Args:
        container, stream: As PyAV opened them.
        table ([`FrameTable`]): The pictures of the stream.
        start (`int`): The packet to start with.
        is_sought (`bool`): Whether the container stands where a seek has left it, and not at the beginning.
        num_leading (`int`): How many pictures that follow the first in the file are taken to be missing because they
            are shown before it and refer to others.

    Attributes:
        start (`int`), is_sought (`bool`): As given.
        order (`list[int]`): Packets of the pictures that came out, in the order in which they are shown.
        damaged (`set[int]`): Packets whose picture the decoder refused or marked as corrupt.
        keys (`set[int]`): Packets whose picture is a key picture by what is in it.
        is_interlaced (`bool`): Whether a picture consists of two fields.
        error (`Exception`, *optional*): The last that the decoder or the demuxer raised.
        has_left_out (`bool`): Whether the decoder was not given all packets as they are.
        has_gap (`bool`): Whether pictures are missing, as far as it is looked for where some are left out.
    """

    def __init__(self, container, stream, table: FrameTable, start: int, is_sought: bool = False, num_leading=0):
        self._container, self._stream, self._table = container, stream, table
        self.start, self.is_sought = start, is_sought
        self.order: list[int] = []
        self.damaged: set[int] = set()
        self.keys: set[int] = set()
        self.error: av.error.FFmpegError | None = None
        self.is_interlaced = self.has_left_out = self.has_gap = False
        self._came: set[int] = set()
        self._end = start
        self._settled, self._num_missing = start + 1 + num_leading, num_leading

    def pictures(
        self,
        last: int,
        spares: bool = False,
        wanted: frozenset[int] = frozenset(),
        references: PictureReferences | None = None,
    ) -> Iterator[tuple]:
        """
        Decode up to a packet, and the pictures that are held back at it.

        Args:
            last (`int`): The last packet to decode.
            spares (`bool`, defaults to `False`): Whether the decoder is to leave out pictures that no other refers to.
            wanted (`frozenset[int]`): The packets of those that are not left out all the same.
            references ([`PictureReferences`], *optional*): Tells what is not even given to the decoder.

        Yields:
            [`Shown`] and `av.VideoFrame` of each picture, as shown.
        """
        codec, skipping = self._stream.codec_context, None
        numbers = H264Numbers(codec.extradata or b"") if spares and codec.name == "h264" else None
        packets = self._packets() if references is None else self._needed_packets(last, wanted, references)
        for number, packet in packets:
            self._end = number + 1
            if packet is not None:
                # Its decoder finds out itself, but that of H.264 does not complain either where it finds no picture.
                is_spare, has_gap = numbers.take(memoryview(packet)) if numbers else (spares, False)
                self.has_gap |= has_gap
                needed = "NONREF" if is_spare and number not in wanted else "DEFAULT"
                if needed != skipping:
                    codec.skip_frame = skipping = needed
                if codec.name == "mjpeg" and _JPEG_SCAN not in bytes(packet):
                    self.damaged.add(number)
                packet.pts = packet.dts = number
                yield from self._decoded(partial(codec.decode, packet), number)
            if number >= last:
                break
        yield from self._decoded(codec.decode, last)

    def num_leading(self) -> int:
        """How many pictures follow the first in the file but are shown before it, and cannot be decoded from it."""
        missing, number = self.missing() - self.damaged, self.start + 1
        while number in missing:
            number += 1
        return number - self.start - 1

    def lost(self) -> set[int]:
        """Packets of which no picture came out for another reason."""
        last_leading = self.start + self.num_leading()
        return {number for number in self.missing() if number > last_leading}

    def is_complete_at_first(self) -> bool:
        """Whether none of them may be shown before the first picture."""
        span = range(self.start, self.start + MOST_HELD_BACK + 1)
        return self.order[:1] == [self.start] and self.lost().isdisjoint(span)

    def count_shown(self) -> int:
        """How many pictures are shown up to the latest that came out, with those before it that did not come out."""
        # What is older than a decoder can hold back will not come any more.
        while self._settled < self.order[-1] - MOST_HELD_BACK:
            self._num_missing += self._table.is_shown[self._settled] and self._settled not in self._came
            self._settled += 1
        return len(self.order) + self._num_missing

    def missing(self) -> set[int]:
        """Packets of which no picture came out."""
        shown = self.start + np.flatnonzero(self._table.is_shown[self.start : self._end])
        return set(shown.tolist()) - self._came

    def culprits(self, number: int) -> set[int]:
        """Damaged pictures, from the last key picture on, to which the picture of a packet may refer, or itself."""
        if not self.damaged:
            return set()
        shown_at = {other: place for place, other in enumerate(self.order)}
        place = shown_at.get(number, -1)
        before = (key for key in self.keys if key <= number and shown_at[key] <= place)
        first = max(before, default=self.start)
        return {other for other in self.damaged if first <= other <= number}

    @property
    def pixel_aspect(self) -> Fraction | None:
        """Width of a pixel by its height, as the stream itself says."""
        return self._stream.codec_context.sample_aspect_ratio

    def _packets(self) -> Iterator[tuple[int, "av.Packet"]]:
        """Packets with their numbers from the first on; none, if a seek has not landed before it."""
        packets = (packet for packet in self._container.demux(self._stream) if packet.size)
        try:
            if not self.is_sought:
                yield from islice(enumerate(packets), self.start, None)
                return
            has_landed, strays = False, 0
            for packet in packets:
                # Looked up, not counted: after a seek a demuxer may leave packets out.
                number = self._table.find(packet.pos, packet.size, packet.pts)
                strays += number is None
                if strays > _MOST_STRAY_PACKETS or (has_landed and number is None):
                    return
                if number is None or number < self.start:
                    continue
                if not has_landed and number > self.start:
                    return
                has_landed = True
                yield number, packet
        except av.error.FFmpegError as error:
            self.error = error

    def _needed_packets(
        self, last: int, wanted: frozenset[int], references: PictureReferences
    ) -> Iterator[tuple[int, "av.Packet | None"]]:
        """Packets without what no wanted picture refers to; `None` where nothing remains."""
        packets, ahead, size = self._packets(), [], 0
        parts: dict[int, list[tuple[int, int]]] = {}
        try:
            for number, packet in packets:
                ahead.append((number, packet))
                references.add(number, memoryview(packet))
                size += packet.size
                if number >= last or size > _MOST_BYTES_AHEAD:
                    break
            parts = references.kept_parts(wanted)
        except NotUnderstoodError:
            pass
        self.has_left_out = bool(parts)
        for number, packet in chain(ahead, packets):
            if number not in parts:
                yield number, packet
                continue
            data = b"".join(memoryview(packet)[begin:end] for begin, end in parts[number])
            yield number, av.Packet(data) if data else None

    def _decoded(self, decode, number: int) -> Iterator[tuple]:
        try:
            frames = decode()
        except av.error.FFmpegError as error:
            self.error = error
            self.damaged.add(number)
            return
        for frame in frames:
            if frame.pts is None:
                continue
            self.order.append(frame.pts)
            self._came.add(frame.pts)
            self.is_interlaced |= frame.interlaced_frame
            if frame.is_corrupt:
                self.damaged.add(frame.pts)
            if frame.key_frame or frame.pict_type == av.video.frame.PictureType.I:
                self.keys.add(frame.pts)
            yield Shown(frame.pts, number), frame


class SeekingReader:
    """
    Frames of a stream by their places.

    Args:
        container, stream: As PyAV opened them; some packets have been read, or all.
        opened (`Callable`): Opens the container once more.
        table ([`FrameTable`]): The pictures of the stream; what its beginning tells is noted in it.
        starts_afresh (`bool`): Whether the first key picture suffices to decode from it on.

    Attributes:
        beginning (`list[Shown]`): The first pictures as decoded, where they had to be; see [`FrameTable.times`].
    """

    def __init__(self, container, stream, opened: Callable, table: FrameTable, starts_afresh: bool):
        codec, formats = stream.codec_context, set(container.format.name.split(","))
        self._container, self._opened, self._table = container, opened, table
        self._stream_index, self._codec_name, self._pixel_aspect = stream.index, codec.name, stream.sample_aspect_ratio
        # Of counted pictures: how many a group begins with that refer to the one before.
        self._num_leading = 0
        # Palettes come with a change of colours only.
        self._can_seek = (codec.format is None or codec.format.name != "pal8") and table.can_find()
        self._seeks_presentation = bool(_SOUGHT_BY_PRESENTATION & formats) or has_flag(container, "seek_to_pts")
        # Here a packet is a picture, and one that no other refers to can be left out: by the decoder, or before.
        is_one_picture = bool(_ONE_PICTURE_PACKETS & formats)
        self._has_spare_pictures = codec.name == "h264" and is_one_picture
        self._references = (
            partial(REFERENCES[codec.name], codec.extradata or b"")
            if is_one_picture and codec.name in REFERENCES
            else None
        )
        self.beginning = self._watch_beginning(starts_afresh)

    def read(self, places: list[int]) -> tuple[dict[int, np.ndarray], dict[int, str]]:
        """
        Decode some frames.

        Args:
            places (`list[int]`): Their places among those that are shown.

        Returns:
            `tuple[dict[int, np.ndarray], dict[int, str]]`: By their places, the frames that are whole, each of shape
            `(height, width, 3)`, uint8 RGB, and what is wrong with the others.
        """
        found: dict[int, np.ndarray] = {}
        damage: dict[int, str] = {}
        groups: dict[int, list[int]] = {}
        for place in places:
            groups.setdefault(self._table.starts_for(place)[0], []).append(place)
        if self._can_seek:
            shares = self._shares(list(groups.values()))
            decode = partial(self._decode_groups, found=found, damage=damage)
            # Threads of ours, not the decoder's: those say only later of which packet an error is.
            with ThreadPoolExecutor(len(shares)) if len(shares) > 1 else nullcontext() as threads:
                list((threads.map if threads else map)(decode, shares))
        rest = [place for place in places if place not in found and place not in damage]
        if rest:
            run, faults = self._attempt(self._begin, rest, found)
            damage.update({place: _reason(run, culprits) for place, culprits in faults.items()})
        return found, damage

    def _shares(self, groups: list[list[int]]) -> list[list[list[int]]]:
        """The groups of frames that each thread decodes; workers of a loader have one thread."""
        # What one group of counted pictures begins with tells of the next one.
        number = 1 if self._table.is_counted else min(len(groups), torch.get_num_threads())
        return [groups[first::number] for first in range(number)]

    def _decode_groups(self, groups: list[list[int]], found: dict, damage: dict) -> None:
        """Decode groups of frames one after the other."""
        try:
            with self._container_at_hand() as container:
                stream = self._stream_of(container)
                for group in groups:
                    self._decode_group(container, stream, group, found, damage)
        except av.error.FFmpegError:  # a container in which nothing can be sought
            pass

    def _decode_group(self, container, stream, places: list[int], found: dict, damage: dict) -> None:
        """Decode frames from the key picture that they share, or else from an earlier one."""
        seen: set[int] = set()
        for start in self._table.starts_for(places[0]):
            run, faults = self._attempt(partial(self._seek, container, stream, start), places, found)
            # The seek has missed the key picture, or the picture is none, whatever the container says.
            if not self._is_trusted(run):
                seen |= run.damaged & {start}
                continue
            # What an earlier beginning does not heal is damage, and not a picture that was not decoded; but MPEG-4 may
            # need what only the first packet says.
            if self._codec_name != "mpeg4":
                damage.update({place: _reason(run, culprits) for place, culprits in faults.items() if culprits & seen})
            places = [place for place in faults if place not in damage]
            if not places:
                return
            seen |= run.damaged

    def _attempt(self, begin: Callable[[], Decoding], places: list[int], found: dict) -> tuple[Decoding, dict]:
        """Decode frames; the whole ones are kept, and for each of the others is told on which packets it is blamed."""
        run = begin()
        pictures = self._collect(run, places)
        if run.has_gap or (run.has_left_out and (run.damaged or run.error or len(pictures) < len(places))):
            # It is damaged, or not as its headers say: in full, as the decoder has it.
            run = begin()
            pictures = self._collect(run, places, is_in_full=True)
        if self._table.is_counted and run.start != self._table.first and run.num_leading() != self._num_leading:
            # So many come before the first one, which is known only now: once more.
            self._num_leading = run.num_leading()
            run = begin()
            pictures = self._collect(run, places)
        faults = {}
        if not self._is_trusted(run):
            return run, {place: set() for place in places}
        lost = run.lost() if self._table.is_counted else set()
        unused = None
        for place in places:
            number, pixels = pictures.get(place, (int(self._table.numbers[place]), None))
            culprits = run.culprits(number) if pixels is not None else {number}
            if culprits and number not in culprits:
                unused = self._unused(begin(), run) if unused is None else unused
                culprits -= unused
            # Which place a counted one has that is near a lost one cannot be told.
            culprits |= {other for other in lost if abs(other - number) <= MOST_HELD_BACK}
            if culprits:
                faults[place] = culprits
            else:
                found[place] = pixels
        return run, faults

    def _is_trusted(self, run: Decoding) -> bool:
        table = self._table
        if not run.is_sought:
            return True
        if self._codec_name == "mpeg4" and run.is_interlaced:
            return False  # the decoder remembers distances in time of pictures before the seek
        return run.start in run.keys and (
            not table.is_counted or run.start == table.first or run.is_complete_at_first()
        )

    def _collect(self, run: Decoding, places: list[int], is_in_full=False) -> dict[int, tuple[int, np.ndarray]]:
        """The packet and the pixels of each frame that comes out."""
        table, pictures = self._table, {}
        place_of = {} if table.is_counted else dict(zip(table.numbers[places].tolist(), places, strict=True))
        last = max(place_of, default=0)
        if table.is_counted:
            last = int(table.numbers[min(max(places) + MOST_HELD_BACK, len(table.numbers) - 1)])
        before, leaves_out = int(table.ranks[run.start]), not (table.is_counted or is_in_full)
        spares, references = leaves_out and self._has_spare_pictures, self._start_references() if leaves_out else None
        for picture, frame in run.pictures(last, spares, frozenset(place_of), references):
            place = before + run.count_shown() - 1 if table.is_counted else place_of.get(picture.number)
            if place in places:
                # What neither the container nor the first packets say, the decoder knows by now.
                pictures[place] = picture.number, to_rgb(frame, self._pixel_aspect or run.pixel_aspect)
        return pictures

    def _start_references(self) -> PictureReferences | None:
        """What tells which pictures refer to others from a key picture on, where that is known."""
        if self._references is None:
            return None
        try:
            return self._references()
        except NotUnderstoodError:
            return None

    def _unused(self, run: Decoding, damaged: Decoding) -> set[int]:
        """Damaged pictures to which no other refers."""
        for _ in run.pictures(max(damaged.damaged), spares=True):
            pass
        return damaged.damaged - run.damaged - set(run.order)

    def _watch_beginning(self, starts_afresh: bool) -> list[Shown]:
        """
        Decode the first pictures, where times were made up or the first key picture may not suffice: which are shown,
        and how long they are held back, tells the others. All of them where packets do not tell how many there are.
        """
        table = self._table
        is_irregular = table.is_counted and bool(table.packets["is_discard"].any())
        if self._codec_name == "mpeg4":
            is_irregular |= bool((table.packets["size"] <= _LONGEST_PLACEHOLDER).any())
        if not is_irregular and not (table.is_counted and table.is_reordered) and starts_afresh:
            return []
        run, shown = self._begin(), []
        for picture, _ in run.pictures(len(table.packets) - 1):
            shown.append(picture)
            if not is_irregular and picture.after > shown[0].after + _WATCHED:
                break
        if is_irregular:
            table.take_order(shown)
        elif table.first not in run.damaged:  # pictures that are damaged keep their places
            first = next((picture.number for picture in shown if table.is_shown[picture.number]), table.first)
            table.begin_with(first, run.missing() - run.damaged)
        return shown if table.is_counted or is_irregular else []

    def _begin(self) -> Decoding:
        """Decoding from the beginning."""
        container = self._opened()
        return Decoding(container, self._stream_of(container), self._table, self._table.first)

    def _seek(self, container, stream, start: int) -> Decoding:
        """Decoding from a packet on."""
        # A demuxer that looks for the beginning of pictures in the midst of them loses the first.
        packet = self._table.packets[max(start - _PACKETS_BEFORE.get(container.format.name, 0), 0)]
        names = ("pts", "dts") if self._seeks_presentation else ("dts", "pts")
        container.seek(next((int(packet[name]) for name in names if not np.isnan(packet[name])), 0), stream=stream)
        num_leading = 0 if start == self._table.first else self._num_leading
        return Decoding(container, stream, self._table, start, True, num_leading)

    def _container_at_hand(self):
        """The container as the scan left it, since opening takes time; a second reading opens another."""
        return vars(self).pop("_container", None) or self._opened()

    def _stream_of(self, container):
        stream = container.streams[self._stream_index]
        stream.codec_context.thread_count = 1
        stream.codec_context.options = _CODEC_OPTIONS | _MORE_CODEC_OPTIONS.get(self._codec_name, {})
        return stream


def _reason(run: Decoding, culprits: set[int]) -> str:
    """What to say about a damaged frame."""
    if run.error is not None:
        return str(run.error.strerror)
    return "its data are corrupt" if culprits & run.damaged else "the decoder leaves it out"


def has_flag(container, name: str) -> bool:
    """Whether FFmpeg notes something about the format of a container, such as `"no_timestamps"`."""
    return bool(container.format.flags & av.format.Flags[name].value)
