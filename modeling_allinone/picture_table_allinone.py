# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Which pictures a video stream shows, in which order and when, as far as what its packets say can be true.

A packet is known by its number, its place in the file. Pictures are *ordered* by their presentation times, or, where
these cannot be true, *counted* in the order in which the decoder shows them.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

# A decoder holds back at most so many pictures before it shows one (H.264 and HEVC: 16).
MOST_HELD_BACK = 16


class Packet(NamedTuple):
    """What a packet of video says about its picture. The packet itself would keep its bytes in memory."""

    pts: int | None
    dts: int | None
    duration: int | None
    position: int | None
    size: int
    is_keyframe: bool
    is_discard: bool


class Shown(NamedTuple):
    """A picture that a decoder showed: the number of its packet, and of the packet after which it came."""

    number: int
    after: int


class PictureTable:
    """
    The pictures of a stream.

    Args:
        packets (`list[Packet]`): All of its packets, in the order of the file.
        is_reordered (`bool`): Whether its decoder may show pictures in another order than they are stored in.
        is_timed (`bool`): Whether its container stores presentation times.

    Attributes:
        first (`int`): The first packet that can be decoded.
        keys (`np.ndarray`): Packets that claim to be key pictures.
        numbers (`np.ndarray` of shape `(total,)`): The packet of each picture. Where pictures are counted, in the
            order of the file, which is not the one in which they are shown.
        is_counted (`bool`): Whether pictures are counted.
    """

    def __init__(self, packets: list[Packet], is_reordered: bool, is_timed: bool):
        self.packets, self.is_reordered, self.is_timed = packets, is_reordered, is_timed
        self.keys = np.array([number for number, packet in enumerate(packets) if packet.is_keyframe] or [0])
        self.first = int(self.keys[0])
        # A clip cut out by copying begins with pictures, from a key picture to the cut, that are not to be shown.
        shown = [number for number in range(self.first, len(packets)) if not packets[number].is_discard]
        self.is_counted = not self._has_true_times(shown)
        if shown and not self.is_counted:
            # Pictures that are shown before the first key picture refer to pictures that are not in the file.
            start = packets[self.first].pts
            shown = sorted((number for number in shown if packets[number].pts >= start), key=lambda n: packets[n].pts)
        self.numbers = np.array(shown, dtype=np.int64)

    def _has_true_times(self, shown: list[int]) -> bool:
        stamps = [self.packets[number].pts for number in shown]
        if None in stamps or self.packets[self.first].pts is None or len(set(stamps)) < len(stamps):
            return False
        if _falls([packet.dts for packet in self.packets[self.first :] if packet.dts is not None]):
            return False  # files that were joined
        # Times in the order of the file, where pictures may be shown in another, were made up.
        return not self.is_reordered or (self.is_timed and _falls(stamps))

    @cached_property
    def number_of(self) -> dict[tuple[int | None, int], int]:
        """The packet of each position and size in the file; empty if these do not tell packets apart."""
        numbers = {(packet.position, packet.size): number for number, packet in enumerate(self.packets)}
        return numbers if len(numbers) == len(self.packets) else {}

    @cached_property
    def ranks(self) -> np.ndarray:
        """How many pictures come from the packets before each packet."""
        is_shown = np.zeros(len(self.packets), dtype=np.int64)
        is_shown[self.numbers] = 1
        return np.cumsum(is_shown) - is_shown

    def starts_for(self, place: int) -> list[int]:
        """
        Packets to begin decoding at for the picture of some place: the nearest key picture, then earlier ones at
        growing distances, as far as packets tell the truth about them.
        """
        number = self.numbers[place]
        nearest = max(int(np.searchsorted(self.keys, number, side="right")) - 1, 0)
        if not self.is_counted:
            # A key picture may come before pictures that refer to both sides of it and are shown first.
            while nearest > 0 and not self._is_shown_by(self.keys[nearest], number):
                nearest -= 1
        return [int(self.keys[nearest + 1 - 2**step]) for step in range((nearest + 1).bit_length())]

    def _is_shown_by(self, key: int, number: int) -> bool:
        stamps = self.packets[key].pts, self.packets[number].pts
        return None in stamps or stamps[0] <= stamps[1]

    def take_order(self, shown: Sequence[Shown]) -> None:
        """The order of a decoder that has shown the whole stream."""
        self.numbers = np.array([picture.number for picture in shown], dtype=np.int64)
        self.is_counted = False

    def drop_leading(self, numbers: set[int]) -> None:
        """Pictures that no decoder shows, because they follow the first key picture but refer to one before it."""
        leading = [number for number in numbers if number <= self.first + MOST_HELD_BACK]
        self.numbers = np.setdiff1d(self.numbers, leading)

    def times(self, beginning: Sequence[Shown], ticks: float) -> np.ndarray:
        """
        When each picture appears.

        Args:
            beginning (sequence of [`Shown`]): The first pictures as decoded, where times were made up.
            ticks (`float`): Between pictures, where nothing is said.

        Returns:
            `np.ndarray` of shape `(total,)`: Ticks, never falling.
        """
        if not self.is_counted and not beginning:
            return np.array([self.packets[number].pts for number in self.numbers.tolist()], dtype=np.float64)
        in_file = np.sort(self.numbers)
        packets = [self.packets[number] for number in in_file.tolist()]
        presentation = [packet.pts if self.is_timed else None for packet in packets]
        decoding = [packet.pts if packet.dts is None else packet.dts for packet in packets]
        decoding, jumps = _continued(_filled(decoding, ticks), ticks)
        # As ffmpeg guesses them: presentation times until one falls back, from there on the decoding time of the
        # packet that the decoder waited for.
        held_back = beginning[0].after - beginning[0].number if beginning else 0
        waited_for = np.arange(len(in_file)) + held_back
        times = decoding[np.minimum(waited_for, len(in_file) - 1)]
        late = waited_for >= len(in_file)
        times[late] += ticks * (waited_for[late] - len(in_file) + 1)
        if None not in presentation:
            presentation = np.array(presentation, dtype=np.float64) + jumps
            if not self.is_reordered:
                return np.maximum.accumulate(presentation)
            times[late] = presentation[late]
            places = np.searchsorted(in_file, [picture.number for picture in beginning])
            for place, stamp in enumerate(presentation[places]):
                if place and stamp <= times[place - 1]:
                    break
                times[place] = stamp
        return np.maximum.accumulate(times)


def _falls(values: Sequence[int]) -> bool:
    return any(later < earlier for earlier, later in pairwise(values))


def _filled(stamps: Sequence[int | None], ticks: float) -> np.ndarray:
    """Times with those that are missing counted on, and at the beginning back, from the nearest before or after."""
    places = np.arange(len(stamps))
    known = np.array([place for place in places if stamps[place] is not None], dtype=np.int64)
    if not len(known):
        return places * ticks
    values = np.array([stamps[place] for place in known], dtype=np.float64)
    nearest = np.maximum(np.searchsorted(known, places, side="right") - 1, 0)
    return values[nearest] + (places - known[nearest]) * ticks


def _continued(stamps: np.ndarray, ticks: float) -> tuple[np.ndarray, np.ndarray]:
    """Times that go on where they fell back, and what was added to each."""
    steps = np.diff(stamps)
    jumps = np.concatenate([[0], np.cumsum(np.where(steps < 0, ticks - steps, 0))])
    return stamps + jumps, jumps


__all__ = ["MOST_HELD_BACK", "Packet", "PictureTable", "Shown"]
