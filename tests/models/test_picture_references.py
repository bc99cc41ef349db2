# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Pictures to which no wanted one refers are not decoded, and every frame is the very same as without leaving out."""

import av
import numpy as np
import pytest
from video_matrix import Encoding, decode_in_order, encode

from modeling_allinone.models.picture_references_allinone import (
    Av1References,
    H264Numbers,
    HevcReferences,
    NotUnderstoodError,
    Vp9References,
)
from modeling_allinone.models.video_decoding_allinone import open_clip
from modeling_allinone.models.video_seeking_allinone import Decoding

NUM_FRAMES = 40
# Packets of pictures that say nothing but what kind they are: with the length of the part before each.
HEVC_EXTRADATA = b"\1" + bytes(20) + b"\3" + bytes(5)


def x265(parameters: str, pixel_format: str = "yuv420p") -> tuple[str, Encoding]:
    parameters = f"log-level=none:pools=none:frame-threads=1:keyint=20:rc-lookahead=20:{parameters}"
    options = {"preset": "ultrafast", "x265-params": parameters}
    return "mp4", Encoding("libx265", pixel_format, options, num_frames=NUM_FRAMES)


def vpx(**options) -> tuple[str, Encoding]:
    options = {"g": "20", "cpu-used": "8", "crf": "30"} | {
        name.replace("_", "-"): value for name, value in options.items()
    }
    return "webm", Encoding("libvpx-vp9", options=options, num_frames=NUM_FRAMES)


def svt(parameters: str, pixel_format: str = "yuv420p") -> tuple[str, Encoding]:
    options = {"preset": "8", "crf": "30", "g": "24", "svtav1-params": f"lp=1:{parameters}"}
    return "mp4", Encoding("libsvtav1", pixel_format, options, num_frames=NUM_FRAMES)


LAYERS = {"deadline": "realtime", "lag_in_frames": "0", "b": "500k", "ts_parameters": (
    "ts_number_layers=3:ts_target_bitrate=200,300,500:ts_rate_decimator=4,2,1:ts_periodicity=4:ts_layer_id=0,2,1,2:"
    "ts_layering_mode=3"
)}  # fmt: skip
# How each is encoded, and whether there is anything to leave out.
STREAMS = {
    "hevc-b": (x265("b-adapt=0:bframes=3:b-pyramid=0"), True),
    "hevc-pyramid": (x265("b-adapt=0:bframes=7"), True),
    "hevc-closed": (x265("b-adapt=0:bframes=4:open-gop=0:radl=2"), True),
    "hevc-sub_layers": (x265("b-adapt=0:bframes=3:temporal-layers=3"), True),
    "hevc-predicted": (x265("bframes=0"), False),
    "hevc-messages": (x265("bframes=4:aud=1:repeat-headers=1:hrd=1:vbv-maxrate=500:vbv-bufsize=500:hash=1"), True),
    "hevc-lossless": (x265("bframes=4:lossless=1"), True),
    "hevc-10_bit": (x265("bframes=4", "yuv420p10le"), True),
    "vp9-hidden": (vpx(deadline="good", auto_alt_ref="6", lag_in_frames="25"), False),
    "vp9-layers": (vpx(error_resilient="1", **LAYERS), True),
    "vp9-adapting_layers": (vpx(**LAYERS), False),
    "av1-hierarchy": (svt("hierarchical-levels=5"), True),
    "av1-flat": (svt("hierarchical-levels=2"), True),
    "av1-low_delay": (svt("pred-struct=1"), True),
    "av1-open_groups": (svt("irefresh-type=1"), True),
    "av1-grain": (svt("film-grain=30"), True),
    "av1-switching": (svt("pred-struct=1:sframe-dist=8:sframe-mode=1"), True),
    "av1-10_bit": (svt("tile-columns=1", "yuv420p10le"), True),
}


@pytest.fixture
def runs(monkeypatch) -> list[Decoding]:
    """Each run of the decoder, as it happens."""
    begun = []
    pictures = Decoding.pictures

    def spying(run, *arguments, **options):
        begun.append(run)
        yield from pictures(run, *arguments, **options)

    monkeypatch.setattr(Decoding, "pictures", spying)
    return begun


@pytest.mark.parametrize("name", STREAMS)
def test_every_frame_is_the_same(tmp_path, runs, name):
    (suffix, encoding), can_leave_out = STREAMS[name]
    path = encode(tmp_path / f"clip.{suffix}", encoding)
    expected = [shown.pixels for shown in decode_in_order(path)]
    third = NUM_FRAMES // 3
    choices = [[index] for index in range(NUM_FRAMES)] + [
        [index, index + third, index + 2 * third] for index in (0, 9)
    ]
    for indices in [*choices, list(range(NUM_FRAMES))]:
        frames = open_clip(path, "clip").read(np.array(indices))
        assert np.array_equal(frames, [expected[index] for index in indices]), indices
    assert any(run.has_left_out for run in runs) == can_leave_out
    assert not any(run.damaged or run.error for run in runs)  # nothing had to be decoded once more


def test_a_header_that_lies_about_what_refers_to_a_picture_changes_no_frame(tmp_path, runs):
    path = encode(tmp_path / "clip.mp4", x265("bframes=0")[1])
    expected = [shown.pixels for shown in decode_in_order(path)]
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    assert data[places[3] + 4] == 1 << 1  # a picture to which others refer
    data[places[3] + 4] = 0 << 1
    path.write_bytes(data)
    assert np.array_equal([shown.pixels for shown in decode_in_order(path)], expected)  # a decoder does not mind
    for index in range(10):
        assert np.array_equal(open_clip(path, "clip").read(np.array([index]))[0], expected[index])
    assert any(run.has_left_out for run in runs)


def hevc_part(kind: int, sub_layer: int = 0, layer: int = 0) -> bytes:
    return (3).to_bytes(4, "big") + bytes([kind << 1 | layer >> 5, (layer & 31) << 3 | sub_layer + 1, 0])


def test_sub_layers_of_hevc():
    references = HevcReferences(HEVC_EXTRADATA)
    # In the order of the file: the key picture, then sub-layers as (kind, sub-layer).
    for number, (kind, sub_layer) in enumerate([(19, 0), (1, 0), (1, 1), (0, 2), (0, 0), (0, 1), (1, 0), (0, 2)]):
        references.add(number, memoryview(hevc_part(kind, sub_layer)))
    assert set(references.kept_parts([6])) == {2, 3, 4, 5, 7}
    assert set(references.kept_parts([5])) == {3, 6, 7}  # of a lower sub-layer it may refer to any
    assert set(references.kept_parts([3, 7])) == set()
    assert set(references.kept_parts([7])) == {3}


def test_what_goes_with_no_picture_is_kept():
    references = HevcReferences(HEVC_EXTRADATA)
    references.add(0, memoryview(hevc_part(19)))
    references.add(1, memoryview(hevc_part(35) + hevc_part(39) + hevc_part(0) + hevc_part(40)))
    references.add(2, memoryview(hevc_part(1)))
    assert references.kept_parts([2]) == {1: [(7, 14), (21, 28)]}


@pytest.mark.parametrize(
    "kind, data",
    [
        (HevcReferences, hevc_part(1)[:-1]),
        (HevcReferences, hevc_part(1) + b"\0"),
        (HevcReferences, hevc_part(1, layer=1)),
        (HevcReferences, hevc_part(22)),
        (HevcReferences, hevc_part(39)),
        (HevcReferences, hevc_part(1) + hevc_part(0)),
        (Vp9References, b"\0"),
        (Vp9References, b""),
        (Vp9References, b"\x86\0\xff\xff\xc1\x01\x09\xc1"),  # two pictures, the second behind the end
        (Av1References, b"\x32\x01\0"),  # a picture before the header of its sequence
        (Av1References, b"\x22\x01\0"),  # tiles without a picture
        (Av1References, b"\x32\x09\0"),
        (Av1References, b"\x12\0"),
    ],
)
def test_packets_that_are_not_understood(kind, data):
    with pytest.raises(NotUnderstoodError):
        kind(HEVC_EXTRADATA if kind is HevcReferences else b"").add(0, memoryview(data))


def test_pictures_that_refer_to_what_comes_before_the_first():
    references = Vp9References()
    references.add(0, memoryview(bytes([0b10000110, 0, 0, 0, 0, 0])))  # it goes on from one that is not there
    with pytest.raises(NotUnderstoodError, match="before the first"):
        references.kept_parts([0])
    with pytest.raises(NotUnderstoodError, match="have not come"):
        references.kept_parts([1])


@pytest.mark.parametrize(
    "name", ["h264-b", "h264-pyramid", "h264-open_groups", "h264-10_bit", "h264-slices", "h264-mbaff"]
)
def test_numbers_of_h264_tell_what_is_missing(tmp_path, name):
    with av.open(str(encode(tmp_path / "clip.mp4", name))) as container:
        extradata = container.streams.video[0].codec_context.extradata
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    numbers = H264Numbers(extradata)
    taken = [numbers.take(memoryview(packet)) for packet in packets]
    assert not any(has_gap for _, has_gap in taken)
    needed = [place for place, (is_spare, _) in enumerate(taken) if not is_spare]
    lost = needed[1]
    numbers = H264Numbers(extradata)
    found = [numbers.take(memoryview(packet))[1] for packet in packets[:lost] + packets[lost + 1 :]]
    assert found.index(True) == lost
