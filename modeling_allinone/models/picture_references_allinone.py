# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Which pictures of a stream a picture refers to, as the headers in its packets say: the others need no decoding.

Sources: H.264, ITU-T H.264, 7.3.2.1.1, 7.3.3 and 7.4.3; HEVC, ITU-T H.265, 7.3.1.2 and 7.4.2.2; VP9 Bitstream &
Decoding Process Specification, 6.2 and Annex B; AV1 Bitstream & Decoding Process Specification, 5.3, 5.5 and 5.9.
"""

from collections.abc import Collection, Iterator
from enum import IntEnum
from typing import NamedTuple

Span = tuple[int, int]
NUM_SLOTS = 8  # in which VP9 and AV1 keep pictures to refer to
_HEADER_BYTES = 96  # a header, up to what it refers to, is shorter


class NotUnderstoodError(Exception):
    """A packet that is not as the specification has it, or uses what is not looked into here."""


class Picture(NamedTuple):
    """A coded picture: which bytes of its packet it takes, and the places of the pictures that it needs."""

    spans: list[Span]
    needs: tuple[int | None, ...] = ()


class PictureReferences:
    """
    Pictures of a stream from a key picture on, and to which others each of them may refer.

    Args:
        extradata (`bytes`): What the container stores for the decoder.
    """

    def __init__(self, extradata: bytes = b""):
        self._extradata = extradata
        self._pictures: list[Picture] = []
        self._places: dict[int, list[int]] = {}  # of the pictures of each packet
        self._shown: dict[int, int] = {}  # the place of the picture that each packet shows
        self._slots: list[int | None] = [None] * NUM_SLOTS
        self._lengths: dict[int, int] = {}

    def add(self, number: int, data: memoryview) -> None:
        """
        Take in the next packet.

        Args:
            number (`int`): Its number.
            data (`memoryview`): What is in it.

        Raises:
            `NotUnderstoodError`: A packet that is damaged, or of a kind of stream in which nothing is left out.
        """
        self._places[number], self._lengths[number] = [], len(data)
        try:
            self._read(number, data)
        except (IndexError, ValueError) as error:
            raise NotUnderstoodError(f"packet {number} ends too early") from error
        if number not in self._shown:
            raise NotUnderstoodError(f"packet {number} shows no picture")

    def kept_parts(self, wanted: Collection[int]) -> dict[int, list[Span]]:
        """
        What is left of the packets of which a part, or all, need not be decoded.

        Args:
            wanted (collection of `int`): The packets whose pictures are wanted.

        Returns:
            `dict[int, list[Span]]`: For the numbers of such packets, the bytes to decode all the same; none of them
            where the packet can be left out.

        Raises:
            `NotUnderstoodError`: Pictures that have not come, or refer to some that have not.
        """
        needed = self._needed(self._shown_in(wanted))
        parts = {}
        for number, places in self._places.items():
            spans = sorted(span for place in places if place not in needed for span in self._pictures[place].spans)
            if spans:
                ends = [0, *(end for _, end in spans)]
                begins = [*(begin for begin, _ in spans), self._lengths[number]]
                parts[number] = [(end, begin) for end, begin in zip(ends, begins, strict=True) if end < begin]
        return parts

    def _shown_in(self, numbers: Collection[int]) -> set[int]:
        """The places of the pictures that some packets show."""
        if not self._shown.keys() >= set(numbers):
            raise NotUnderstoodError("packets that have not come")
        return {self._shown[number] for number in numbers}

    def _needed(self, wanted: set[int]) -> set[int]:
        """The places of some pictures, and of all that they refer to, directly or through others."""
        needed, rest = set(wanted), list(wanted)
        while rest:
            for place in self._pictures[rest.pop()].needs:
                if place is None:
                    raise NotUnderstoodError("a picture refers to one before the first")
                if place not in needed:
                    needed.add(place)
                    rest.append(place)
        return needed

    def _read(self, number: int, data: memoryview) -> None:
        raise NotImplementedError

    def _keep(self, number: int, picture: Picture, is_shown: bool, refreshed: int = 0) -> int:
        """Note a picture, and that it takes the slots of these bits from now on."""
        place = len(self._pictures)
        self._pictures.append(picture)
        self._places[number].append(place)
        if is_shown and number in self._shown:
            raise NotUnderstoodError(f"packet {number} shows more than one picture")
        if is_shown:
            self._shown[number] = place
        for slot in range(NUM_SLOTS):
            if refreshed >> slot & 1:
                self._slots[slot] = place
        return place


class HevcReferences(PictureReferences):
    """
    Those of HEVC: pictures of a higher temporal sub-layer, and of the same one those that are marked as no reference,
    are not referred to.
    """

    def __init__(self, extradata: bytes = b""):
        super().__init__(extradata)
        if len(extradata) < 23 or extradata[0] != 1:
            raise NotUnderstoodError("packets that do not begin with the lengths of their parts")
        self._layers: list[int] = []
        self._are_references: list[bool] = []
        self._length_size = (extradata[21] & 3) + 1

    def _read(self, number: int, data: memoryview) -> None:
        spans, kinds, begin = [], set(), 0
        while begin < len(data):
            header = begin + self._length_size
            end = header + int.from_bytes(data[begin:header], "big")
            kind, layer, sub_layer = (
                data[header] >> 1,
                (data[header] & 1) << 5 | data[header + 1] >> 3,
                data[header + 1] & 7,
            )
            if end > len(data) or kind > 63 or layer or not sub_layer:
                raise NotUnderstoodError(f"packet {number} has layers, or is damaged")
            if kind < 32:
                kinds.add((kind, sub_layer - 1))
                spans.append((begin, end))
            elif kind == 35:  # says that a picture begins, and goes with it
                spans.append((begin, end))
            begin = end
        if len(kinds) != 1:
            raise NotUnderstoodError(f"packet {number} does not have one picture")
        kind, sub_layer = kinds.pop()
        if 10 <= kind < 16 or kind > 21:
            raise NotUnderstoodError(f"packet {number} has a picture of kind {kind}")
        self._layers.append(sub_layer)
        self._are_references.append(bool(kind & 1) or kind >= 16)
        self._keep(number, Picture(spans), is_shown=True)

    def _needed(self, wanted: set[int]) -> set[int]:
        needed, highest = set(wanted), -1
        for place in range(len(self._pictures) - 1, -1, -1):
            # A picture of the highest sub-layer that is yet to come may refer to it.
            if self._layers[place] < highest + self._are_references[place]:
                needed.add(place)
            if place in wanted:
                highest = max(highest, self._layers[place])
        return needed


class Vp9References(PictureReferences):
    """
    Those of VP9, in which a picture also needs the one before it in the file, from whose probabilities and motion it
    goes on, but where it is made to withstand losses.
    """

    def __init__(self, extradata: bytes = b""):
        super().__init__(extradata)
        self._last: int | None = None

    def _read(self, number: int, data: memoryview) -> None:
        frames = list(_frames_of_vp9(data))
        for begin, end in frames:
            is_shown, refreshed, slots, goes_on = self._read_header(BitReader(data[begin : begin + _HEADER_BYTES]))
            needs = [self._slots[slot] for slot in slots] + [self._last] * goes_on
            self._last = self._keep(number, Picture([(begin, end)], tuple(needs)), is_shown, refreshed)

    def kept_parts(self, wanted: Collection[int]) -> dict[int, list[Span]]:
        """As above; a packet of several pictures has an index of them, so it is kept whole or left out."""
        needed = self._needed(self._shown_in(wanted))
        return {number: [] for number, places in self._places.items() if needed.isdisjoint(places)}

    def _read_header(self, bits: "BitReader") -> tuple[bool, int, list[int], bool]:
        """Whether a picture is shown, which slots it takes, which it refers to, and whether it needs the last one."""
        if bits.read(2) != 2:
            raise NotUnderstoodError("no picture of VP9")
        profile = bits.read(1) + 2 * bits.read(1)
        if profile == 3:
            bits.read(1)
        if bits.read(1):
            return True, 0, [bits.read(3)], True
        is_key, is_shown, is_resilient = not bits.read(1), bool(bits.read(1)), bool(bits.read(1))
        if is_key:
            return is_shown, 0xFF, [], False
        is_intra = not is_shown and bool(bits.read(1))
        if not is_resilient:
            bits.read(2)
        if is_intra:
            bits.read(24)
            if profile:
                self._pass_colors(bits, profile)
            return is_shown, bits.read(8), [], not is_resilient
        refreshed, slots = bits.read(8), []
        for _ in range(3):
            slots.append(bits.read(3))
            bits.read(1)
        return is_shown, refreshed, slots, not is_resilient

    def _pass_colors(self, bits: "BitReader", profile: int) -> None:
        if profile >= 2:
            bits.read(1)
        is_rgb = bits.read(3) == 7
        if not is_rgb:
            bits.read(1)
        if profile & 1:
            bits.read(1 if is_rgb else 3)


def h264_parts(data: memoryview, extradata: bytes) -> list[memoryview]:
    """The parts of a packet of H.264. In the first byte of each, 5 bits tell its kind and 2 whether others need it."""
    if not extradata.startswith(b"\1") or len(extradata) < 5:
        return [memoryview(part) for part in bytes(data).split(b"\0\0\1")[1:] if part]
    parts, begin, length_size = [], 0, (extradata[4] & 3) + 1
    while begin + length_size < len(data):
        end = begin + length_size + int.from_bytes(data[begin : begin + length_size], "big")
        parts.append(data[begin + length_size : max(end, begin + length_size + 1)])
        begin = end
    return parts


class H264Numbers:
    """
    Follows the numbers of pictures of H.264, in which a gap shows that some are missing to which others may refer.

    Args:
        extradata (`bytes`): What the container stores for the decoder.
    """

    def __init__(self, extradata: bytes):
        self._extradata = extradata
        self._last: int | None = None
        try:
            self._num_bits = _number_bits_of_h264(extradata)
        except IndexError:
            self._num_bits = 0

    def take(self, data: memoryview) -> tuple[bool, bool]:
        """Whether the next packet says that no other refers to its picture, and whether some before it are missing."""
        slices = [part for part in h264_parts(data, self._extradata) if 1 <= part[0] & 31 <= 5]
        if not slices:
            return False, False
        is_spare = not any(part[0] >> 5 for part in slices)
        if not self._num_bits:
            return is_spare, False
        try:
            bits = BitReader(memoryview(bytes(slices[0][1:24]).replace(b"\0\0\3", b"\0\0")))
            for _ in range(3):
                bits.read_exponential()
            number = bits.read(self._num_bits)
        except IndexError:
            return False, True
        is_fresh = self._last is None or slices[0][0] & 31 == 5
        is_next = is_fresh or (number - (self._last or 0)) % (1 << self._num_bits) <= 1
        if not is_spare:
            self._last = number
        return is_spare, not is_next


def _number_bits_of_h264(extradata: bytes) -> int:
    """How long the numbers of pictures are; 0 where that is not looked into."""
    if not extradata.startswith(b"\1") or extradata[5] & 31 != 1:
        return 0
    bits = BitReader(memoryview(extradata[9:].replace(b"\0\0\3", b"\0\0")))
    profile = bits.read(8)
    bits.read(16)
    bits.read_exponential()
    if profile not in (66, 77, 88):  # those without another colour format, or weights of their own
        if bits.read_exponential() == 3:
            return 0
        bits.read_exponential()
        bits.read_exponential()
        bits.read(1)
        if bits.read(1):
            return 0
    return bits.read_exponential() + 4


def _frames_of_vp9(data: memoryview) -> Iterator[Span]:
    """Where the pictures of a packet lie: one, or several with an index behind them."""
    mark = data[-1]
    size_bytes, count = (mark >> 3 & 3) + 1, (mark & 7) + 1
    first = len(data) - 2 - size_bytes * count
    if mark >> 5 != 6 or first < 0 or data[first] != mark:
        yield 0, len(data)
        return
    begin = 0
    for place in range(first + 1, len(data) - 1, size_bytes):
        end = begin + int.from_bytes(data[place : place + size_bytes], "little")
        if not begin < end <= first:
            raise NotUnderstoodError("an index of pictures that are not there")
        yield begin, end
        begin = end


class Av1References(PictureReferences):
    """Those of AV1, whose pictures say exactly what they depend on."""

    def __init__(self, extradata: bytes = b""):
        super().__init__(extradata)
        self._sequence: _Sequence | None = None
        self._key_places: set[int] = set()
        configuration = memoryview(extradata)[4:]
        for unit in _units_of_av1(configuration):
            self._take_sequence(unit, configuration)

    def _read(self, number: int, data: memoryview) -> None:
        pictures: list[list[_Unit]] = []
        for unit in _units_of_av1(data):
            self._take_sequence(unit, data)
            if unit.kind in (_Kind.FRAME_HEADER, _Kind.FRAME):
                pictures.append([unit])
            elif unit.kind in (_Kind.TILE_GROUP, _Kind.REDUNDANT_HEADER):
                pictures[-1].append(unit)
            elif unit.kind == _Kind.TILE_LIST:
                raise NotUnderstoodError(f"packet {number} has a list of tiles")
        for units in pictures:
            first = units[0]
            bits = BitReader(data[first.payload : min(first.end, first.payload + _HEADER_BYTES)])
            has_tiles = any(unit.kind in (_Kind.FRAME, _Kind.TILE_GROUP) for unit in units)
            self._read_picture(number, [(unit.begin, unit.end) for unit in units], bits, first.sub_layer, has_tiles)

    def _take_sequence(self, unit: "_Unit", data: memoryview) -> None:
        """What holds for all pictures, which must not change."""
        if unit.kind == _Kind.SEQUENCE_HEADER:
            sequence = _Sequence(BitReader(data[unit.payload : unit.end]))
            if self._sequence is not None and vars(sequence) != vars(self._sequence):
                raise NotUnderstoodError("another sequence begins")
            self._sequence = sequence
        # What the decoder does not look at, and pictures of several sizes.
        points = self._sequence.operating_points[0] if self._sequence else 0
        if unit.spatial_layer or (points and not points >> (unit.sub_layer or 0) & 1):
            raise NotUnderstoodError("layers that are not shown")

    def _read_picture(self, number: int, spans: list[Span], bits: "BitReader", sub_layer: int | None, has_tiles: bool):
        sequence = self._sequence
        if sequence is None:
            raise NotUnderstoodError("no header of the sequence")
        if bits.read(1):  # it shows one that has been decoded
            shown = self._slots[bits.read(3)]
            # A key picture takes all slots once more when it is shown.
            is_key = shown in self._key_places
            place = self._keep(number, Picture(spans, (shown,)), True, 0xFF if is_key else 0)
            if is_key:
                self._key_places.add(place)
            return
        if not has_tiles:
            raise NotUnderstoodError("a header without a picture")
        kind, is_shown = bits.read(2), bool(bits.read(1))
        is_key, is_intra, is_switch = kind == 0, kind in (0, 2), kind == 3
        if is_shown:
            bits.read(sequence.presentation_bits)
        else:
            bits.read(1)
        is_resilient = is_switch or (is_key and is_shown) or bool(bits.read(1))
        bits.read(1)
        screen_content = bits.read(1) if sequence.screen_content is None else sequence.screen_content
        if screen_content and sequence.integer_motion is None:
            bits.read(1)
        bits.read(sequence.id_bits)
        if not is_switch:
            bits.read(1)
        bits.read(sequence.order_bits)
        if not is_intra and not is_resilient:
            bits.read(3)
        if sequence.has_decoder_model and bits.read(1):
            for point, removal_bits in zip(sequence.operating_points, sequence.removal_bits, strict=True):
                # Layers of space are none, so only the one of time tells which of them the picture is in.
                if sub_layer is None or point == 0 or (point >> sub_layer & 1 and point >> 8 & 1):
                    bits.read(removal_bits)
        refreshed = 0xFF if is_switch or (is_key and is_shown) else bits.read(NUM_SLOTS)
        if (not is_intra or refreshed != 0xFF) and is_resilient:
            bits.read(NUM_SLOTS * sequence.order_bits)
        slots: list[int] = []
        if not is_intra:
            if sequence.order_bits and bits.read(1):  # which they are follows from when the others are shown
                slots = list(range(NUM_SLOTS))
            else:
                for _ in range(7):
                    slots.append(bits.read(3))
                    bits.read(sequence.id_difference_bits)
        needs = tuple(self._slots[slot] for slot in slots)
        place = self._keep(number, Picture(spans, needs), is_shown, refreshed)
        if is_key:
            self._key_places.add(place)


class _Kind(IntEnum):
    """Kinds of parts of packets of AV1."""

    SEQUENCE_HEADER = 1
    FRAME_HEADER = 3
    TILE_GROUP = 4
    FRAME = 6
    REDUNDANT_HEADER = 7
    TILE_LIST = 8


class _Unit(NamedTuple):
    """A part of a packet of AV1: its kind, its layers, and where it lies with its head, and its payload without."""

    kind: int
    sub_layer: int | None
    spatial_layer: int
    begin: int
    payload: int
    end: int


def _units_of_av1(data: memoryview) -> Iterator[_Unit]:
    begin = 0
    while begin < len(data):
        head, payload = data[begin], begin + 1
        sub_layer, spatial_layer = None, 0
        if head & 4:
            sub_layer, spatial_layer = data[payload] >> 5, data[payload] >> 3 & 3
            payload += 1
        size, end = 0, len(data)
        if head & 2:
            for place in range(8):
                byte = data[payload]
                payload += 1
                size |= (byte & 127) << 7 * place
                if byte < 128:
                    break
            end = payload + size
        if head & 0x81 or end > len(data):
            raise NotUnderstoodError("a part that is damaged")
        yield _Unit(head >> 3, sub_layer, spatial_layer, begin, payload, end)
        begin = end


class _Sequence:
    """
    What the header of a sequence of AV1 says of the headers of pictures.

    Attributes:
        operating_points (`list[int]`): The layers of each.
        has_decoder_model (`bool`): Whether pictures may say when they are decoded.
        removal_bits (`list[int]`): For each operating point, how long what they say is.
        presentation_bits (`int`): How long what they say of when they are shown is.
        id_bits, id_difference_bits (`int`): How long numbers of pictures are, and differences between them.
        order_bits (`int`): How long numbers in the order of the screen are.
        screen_content, integer_motion (`int`, *optional*): Two flags, `None` where each picture has its own.
    """

    def __init__(self, bits: "BitReader"):
        bits.read(3)
        bits.read(1)
        if bits.read(1):
            raise NotUnderstoodError("a still picture")
        self.has_decoder_model, has_equal_intervals = False, False
        delay_bits = removal_bits = presentation_bits = 0
        if bits.read(1):
            bits.read(64)
            has_equal_intervals = bool(bits.read(1))
            if has_equal_intervals:
                bits.read_exponential()
            self.has_decoder_model = bool(bits.read(1))
            if self.has_decoder_model:
                delay_bits = bits.read(5) + 1
                bits.read(32)
                removal_bits, presentation_bits = bits.read(5) + 1, bits.read(5) + 1
        self.presentation_bits = 0 if has_equal_intervals else presentation_bits
        has_display_delay = bits.read(1)
        self.operating_points, self.removal_bits = [], []
        for _ in range(bits.read(5) + 1):
            self.operating_points.append(bits.read(12))
            if bits.read(5) > 7:
                bits.read(1)
            has_model = self.has_decoder_model and bits.read(1)
            if has_model:
                bits.read(2 * delay_bits + 1)
            self.removal_bits.append(removal_bits if has_model else 0)
            if has_display_delay and bits.read(1):
                bits.read(4)
        width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
        bits.read(width_bits + height_bits)
        self.id_bits = self.id_difference_bits = 0
        if bits.read(1):
            self.id_difference_bits = bits.read(4) + 2
            self.id_bits = bits.read(3) + self.id_difference_bits + 1
        bits.read(7)
        has_order = bits.read(1)
        if has_order:
            bits.read(2)
        self.screen_content = None if bits.read(1) else bits.read(1)
        self.integer_motion: int | None = 0
        if self.screen_content != 0:
            self.integer_motion = None if bits.read(1) else bits.read(1)
        self.order_bits = bits.read(3) + 1 if has_order else 0


class BitReader:
    """Reads numbers of some bits each."""

    def __init__(self, data: memoryview):
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        """The number in the next bits."""
        self._left -= count
        if self._left < 0:
            raise IndexError("a header that ends too early")
        return self._value >> self._left & (1 << count) - 1

    def read_exponential(self) -> int:
        """A number whose leading zeros say how long it is."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)


# By the decoders, as ffmpeg calls them, that say nothing where they are not given what no other picture refers to.
REFERENCES: dict[str, type[PictureReferences]] = {
    "hevc": HevcReferences,
    "vp9": Vp9References,
    "libdav1d": Av1References,
    "libaom-av1": Av1References,
}
