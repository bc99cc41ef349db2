# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Decoding of a video stream from one of its packets on, and what can be trusted of what comes out."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from .frame_table_allinone import MOST_HELD_BACK, FrameTable, Shown

try:
    import av
except ImportError:
    av = None

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
    """

    def __init__(self, container, stream, table: FrameTable, start: int, is_sought: bool = False, num_leading=0):
        self._container, self._stream, self._table = container, stream, table
        self.start, self.is_sought = start, is_sought
        self.order, self.damaged, self.keys, self.error = [], set(), set(), None
        self.is_interlaced = False
        self._came, self._end = set(), start
        self._settled, self._num_missing = start + 1 + num_leading, num_leading

    def pictures(self, last: int, spares: bool = False, wanted: frozenset[int] = frozenset()) -> Iterator[tuple]:
        """
        Decode up to a packet, and the pictures that are held back at it.

        Args:
            last (`int`): The last packet to decode.
            spares (`bool`, defaults to `False`): Whether to leave out pictures that no other refers to.
            wanted (`frozenset[int]`): The packets of those that are not left out all the same.

        Yields:
            [`Shown`] and `av.VideoFrame` of each picture, as shown.
        """
        codec, skipping = self._stream.codec_context, None
        for number, packet in self._packets():
            needed = "NONREF" if spares and number not in wanted else "DEFAULT"
            if needed != skipping:
                codec.skip_frame = skipping = needed
            packet.pts = packet.dts = number
            self._end = number + 1
            yield from self._decoded(packet.decode, number)
            if number >= last:
                break
        yield from self._decoded(codec.decode, last)

    def has_key(self) -> bool:
        """Whether the picture of the first packet came out, as a key picture."""
        return self.start in self.keys

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


__all__ = ["Decoding"]
