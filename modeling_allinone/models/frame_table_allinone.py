# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Which pictures a video stream shows, in which order and when, as far as what its packets say can be true.

A packet is known by its number, its place in the file. Pictures are *ordered* by their presentation times, or, where
these cannot be true, *counted* in the order in which the decoder shows them.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

# A decoder holds back at most so many pictures before it shows one (H.264 and HEVC: 16).
MOST_HELD_BACK = 16


# What a packet of video says about its picture; the packet itself would keep its bytes in memory. Times are in ticks,
# NaN where it has none; a duration is 0 and a position -1 where it is not known.
PACKET = np.dtype(
    [
        ("pts", np.float64),
        ("dts", np.float64),
        ("duration", np.int64),
        ("position", np.int64),
        ("size", np.int64),
        ("is_keyframe", np.bool_),
        ("is_discard", np.bool_),
    ]
)


class Shown(NamedTuple):
    """A picture that a decoder showed: the number of its packet, and of the packet after which it came."""

    number: int
    after: int


class FrameTable:
    """
    The pictures of a stream.

    Args:
        packets (`np.ndarray` of [`PACKET`]): All of its packets, in the order of the file.
        is_reordered (`bool`): Whether its decoder may show pictures in another order than they are stored in.
        is_timed (`bool`): Whether its container stores presentation times.

    Attributes:
        presented (`np.ndarray` of shape `(packets,)`): Presentation times, ticks; NaN where a packet has none.
        first (`int`): The first packet that can be decoded.
        keys (`np.ndarray`): Packets that claim to be key pictures.
        numbers (`np.ndarray` of shape `(total,)`): The packet of each picture. Where pictures are counted, in the
            order of the file, which is not the one in which they are shown.
        is_shown (`np.ndarray` of shape `(packets,)`): Whether a picture comes from each packet.
        ranks (`np.ndarray` of shape `(packets,)`): How many pictures come from the packets before each packet.
        is_counted (`bool`): Whether pictures are counted.
    """

    def __init__(self, packets: np.ndarray, is_reordered: bool, is_timed: bool):
        self.packets, self.is_reordered, self.is_timed = packets, is_reordered, is_timed
        self.presented, self._decoded = packets["pts"], packets["dts"]
        keys = np.flatnonzero(packets["is_keyframe"])
        self.keys = keys if len(keys) else np.array([0])
        self.first = int(self.keys[0])
        # A clip cut out by copying begins with pictures, from a key picture to the cut, that are not to be shown.
        shown = np.flatnonzero(~packets["is_discard"][self.first :]) + self.first
        self.is_counted = not self._has_true_times(shown)
        if not self.is_counted:
            # Pictures that are shown before the first key picture refer to pictures that are not in the file.
            shown = shown[self.presented[shown] >= self.presented[self.first]]
            shown = shown[np.argsort(self.presented[shown])]
        self._keep(shown)

    def _has_true_times(self, shown: np.ndarray) -> bool:
        stamps, decoded = self.presented[shown], self._decoded[self.first :]
        if not len(shown) or np.isnan(stamps).any() or np.isnan(self.presented[self.first]):
            return False
        if len(np.unique(stamps)) < len(stamps) or _falls(decoded[~np.isnan(decoded)]):
            return False  # the latter in files that were joined
        # Times in the order of the file, where pictures may be shown in another, were made up.
        return not self.is_reordered or (self.is_timed and _falls(stamps))

    @cached_property
    def _numbers(self) -> dict[Any, int]:
        """The packet of each position in the file, and size and time, as far as needed to tell packets apart."""
        places = self.packets["position"].tolist()
        numbers: dict[Any, int] = {key: number for number, key in enumerate(places)}
        if len(numbers) < len(places):
            sizes = self.packets["size"].tolist()
            numbers = {key: number for number, key in enumerate(zip(places, sizes, strict=True))}
        if len(numbers) < len(places):
            times = [None if np.isnan(time) else time for time in self.presented]
            numbers = {key: number for number, key in enumerate(zip(places, sizes, times, strict=True))}
        return numbers

    def can_find(self) -> bool:
        """Whether packets can be distinguished."""
        return len(self._numbers) == len(self.packets)

    def find(self, position: int | None, size: int, pts: int | None) -> int | None:
        """The number of a packet that was demuxed after a seek; `None` if it is none of the file's."""
        place = -1 if position is None else position
        # Times may differ after a seek.
        found = (self._numbers.get(key) for key in (place, (place, size), (place, size, pts)))
        number = next((one for one in found if one is not None), None)
        return number if number is not None and self.packets["size"][number] == size else None

    def _keep(self, numbers: Sequence[int] | np.ndarray) -> None:
        """Set which packets pictures come from, and so how many come from the packets before each."""
        self.numbers = np.array(numbers, dtype=np.int64)
        self.is_shown = np.zeros(len(self.packets), dtype=bool)
        self.is_shown[self.numbers] = True
        self.ranks = np.cumsum(self.is_shown) - self.is_shown

    def starts_for(self, place: int) -> list[int]:
        """
        Packets to begin decoding at for the picture of some place: the nearest key picture, then earlier ones at
        growing distances, as far as packets tell the truth about them.
        """
        number = self.numbers[place]
        nearest = max(int(np.searchsorted(self.keys, number, side="right")) - 1, 0)
        if not self.is_counted:
            # A key picture may come before pictures that refer to both sides of it and are shown first.
            while nearest > 0 and self.presented[self.keys[nearest]] > self.presented[number]:
                nearest -= 1
        return [int(self.keys[nearest + 1 - 2**step]) for step in range((nearest + 1).bit_length())]

    def take_order(self, shown: Sequence[Shown]) -> None:
        """The order of a decoder that has shown the whole stream."""
        self._keep([picture.number for picture in shown])
        self.is_counted = False

    def begin_with(self, number: int, missing: set[int]) -> None:
        """
        The picture that a decoder shows first, and packets of which it shows none. What comes before it, or follows it
        in the file but not on the screen, refers to pictures that are not in the file.
        """
        if self.is_counted:
            leading = [other for other in missing if other <= number + MOST_HELD_BACK]
            self._keep(np.setdiff1d(self.numbers, leading))
        else:
            self._keep(self.numbers[np.flatnonzero(self.numbers == number)[0] :])

    def times(self, shown: Sequence[Shown], ticks: float) -> np.ndarray:
        """
        When each picture appears.

        Args:
            shown (sequence of [`Shown`]): The first pictures as decoded, or all of them, where times were made up.
            ticks (`float`): Between pictures, where nothing is said.

        Returns:
            `np.ndarray` of shape `(total,)`: Ticks, never falling.
        """
        if not self.is_counted and not shown:
            return self.presented[self.numbers]
        in_file = np.sort(self.numbers)
        presentation, decoding = self.presented[in_file], self._decoded[in_file]
        decoding = _filled(np.where(np.isnan(decoding), presentation, decoding), ticks)
        if not self.is_timed:
            presentation[presentation != decoding] = np.nan
        if len(shown) < len(in_file):
            # Files that were joined go on where times fall back.
            steps = np.diff(decoding)
            jumps = np.concatenate([[0], np.cumsum(np.where(steps < 0, ticks - steps, 0))])
            decoding, presentation = decoding + jumps, presentation + jumps
        if not self.is_reordered and not np.isnan(presentation).any():
            return np.maximum.accumulate(presentation)
        return np.maximum.accumulate(_guessed(in_file.tolist(), presentation, decoding, shown, ticks))


def _guessed(
    in_file: list[int], presentation: np.ndarray, decoding: np.ndarray, shown: Sequence[Shown], ticks: float
) -> np.ndarray:
    """
    Times as ffmpeg guesses them: presentation times until they fall back more often than decoding times, then the
    decoding time of the packet that the decoder waited for.
    """
    place_of = {number: place for place, number in enumerate(in_file)}
    held_back = int(np.searchsorted(in_file, shown[0].after, side="right")) - 1 if shown else 0
    times = []
    last, latest, falls = len(in_file) - 1, [-np.inf, -np.inf], [0, 0]
    for place in range(len(in_file)):
        waited_for = place + held_back
        decoded = decoding[waited_for] if waited_for <= last else np.nan
        presented = presentation[place] if waited_for > last else np.nan
        if place < len(shown):
            presented = presentation[place_of[shown[place].number]]
            for kind, stamp in enumerate((presented, decoded)):
                if not np.isnan(stamp):
                    falls[kind] += bool(stamp <= latest[kind])
                    latest[kind] = stamp
        is_presented = not np.isnan(presented) and (falls[0] <= falls[1] or np.isnan(decoded))
        counted_on = decoding[last] + ticks * (waited_for - last)
        times.append(presented if is_presented else counted_on if np.isnan(decoded) else decoded)
    return np.array(times)


def _falls(values: np.ndarray) -> bool:
    return bool((np.diff(values) < 0).any())


def _filled(stamps: np.ndarray, ticks: float) -> np.ndarray:
    """Times with those that are missing counted on, and at the beginning back, from the nearest before or after."""
    places, known = np.arange(len(stamps)), np.flatnonzero(~np.isnan(stamps))
    if not len(known):
        return places * ticks
    nearest = known[np.maximum(np.searchsorted(known, places, side="right") - 1, 0)]
    return stamps[nearest] + (places - nearest) * ticks
