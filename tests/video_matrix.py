"""Small clips of every container, codec and picture structure that PyAV writes; each frame carries its number.

A clip is named `codec-structure-container`, `h264-open_groups-ts` for example. `write_clip` makes its file, and
`decode_in_order` is what readers are held against: a plain loop from the first picture to the last.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from modeling_allinone.video_decoding_allinone import open_clip
from modeling_allinone.video_file_allinone import ONE_THREAD

NUM_FRAMES, RATE = 24, 25
SIDE = 64  # pixels
DARK, LIGHT, TEXTURE = 48, 208, 14  # levels
COLUMNS, ROWS = 4, 2  # blocks of the code
FAR = 1000000000  # a threshold that no change of scene reaches


@dataclass
class Encoding:
    """How a codec is written: the encoder, its pixel format and options, and the size of its pictures."""

    encoder: str
    pixel_format: str = "yuv420p"
    options: dict = field(default_factory=dict)
    height: int = SIDE
    width: int = SIDE
    num_frames: int = NUM_FRAMES


def _x264(parameters: str = "", pixel_format: str = "yuv420p", **options) -> Encoding:
    parameters = "scenecut=0:b-adapt=0:min-keyint=1" + (f":{parameters}" if parameters else "")
    options = {"preset": "superfast", "g": "8", "bf": "0", "x264-params": parameters} | options
    return Encoding("libx264", pixel_format, options)


def _x265(parameters: str, pixel_format: str = "yuv420p") -> Encoding:
    parameters = f"log-level=none:pools=none:frame-threads=1:scenecut=0:b-adapt=0:min-keyint=1:keyint=8:{parameters}"
    return Encoding("libx265", pixel_format, {"preset": "ultrafast", "x265-params": parameters})


def _mpeg(encoder: str, g: int = 8, b: int = 0, pixel_format: str = "yuv420p", **options) -> Encoding:
    """One of ffmpeg's own encoders of predicted pictures."""
    options = {"g": str(g), "bf": str(b), "sc_threshold": str(FAR), "qscale": "3", "flags": "+qscale"} | options
    return Encoding(encoder, pixel_format, options)


def _vpx(encoder: str, **options) -> Encoding:
    return Encoding(encoder, options={"g": "8", "deadline": "realtime", "cpu-used": "8", "crf": "20"} | options)


def _av1(parameters: str, g: int = 8, pixel_format: str = "yuv420p") -> Encoding:
    return Encoding("libsvtav1", pixel_format, {"preset": "8", "crf": "8", "g": str(g), "svtav1-params": parameters})


ENCODINGS = {
    "h264-key": _x264(g="1"),
    "h264-predicted": _x264(),
    "h264-b": _x264(bf="2"),
    "h264-open_groups": _x264("open-gop=1", bf="2"),
    "h264-pyramid": _x264("b-pyramid=normal:open-gop=1", bf="4"),
    "h264-one_group": _x264(bf="3", g="250"),
    "h264-intra_refresh": _x264("intra-refresh=1", g="6"),
    "h264-10_bit": _x264(bf="2", pixel_format="yuv420p10le"),
    "h264-mbaff": _x264(bf="2", flags="+ildct+ilme"),
    "h264-slices": _x264("slices=4", bf="2"),
    "hevc-key": _x265("keyint=1:bframes=0"),
    "hevc-predicted": _x265("bframes=0:open-gop=0"),
    "hevc-b": _x265("bframes=2:open-gop=0"),
    "hevc-open_groups": _x265("bframes=4:open-gop=1"),
    "hevc-10_bit": _x265("bframes=3", "yuv420p10le"),
    "hevc-fields": _x265("interlace=tff:bframes=2"),
    "hevc-intra_refresh": _x265("intra-refresh=1:bframes=0"),
    "mpeg4-key": _mpeg("mpeg4", g=1),
    "mpeg4-predicted": _mpeg("mpeg4"),
    "mpeg4-b": _mpeg("mpeg4", b=2),
    "mpeg4-interlaced": _mpeg("mpeg4", b=2, flags="+ildct+ilme+qscale"),
    "mpeg4-packets": _mpeg("mpeg4", b=1, ps="200"),
    "mpeg2-key": _mpeg("mpeg2video", g=1),
    "mpeg2-predicted": _mpeg("mpeg2video"),
    "mpeg2-b": _mpeg("mpeg2video", b=2, flags="+cgop+qscale"),
    "mpeg2-open_groups": _mpeg("mpeg2video", b=2),
    "mpeg2-interlaced": _mpeg("mpeg2video", b=2, flags="+ildct+ilme+qscale"),
    "mpeg2-low_delay": _mpeg("mpeg2video", flags="+low_delay+qscale"),
    "mpeg2-intra_vlc_422": _mpeg("mpeg2video", b=2, pixel_format="yuv422p", intra_vlc="1"),
    "mpeg1-predicted": _mpeg("mpeg1video"),
    "mpeg1-open_groups": _mpeg("mpeg1video", b=2),
    "vp8-predicted": _vpx("libvpx"),
    "vp8-hidden": _vpx("libvpx", deadline="good", **{"auto-alt-ref": "1", "lag-in-frames": "10"}),
    "vp9-predicted": _vpx("libvpx-vp9", **{"lag-in-frames": "0"}),
    "vp9-hidden": _vpx("libvpx-vp9", deadline="good", g="12", **{"auto-alt-ref": "1", "lag-in-frames": "12"}),
    "av1-low_delay": _av1("pred-struct=1"),
    "av1-hierarchy": _av1("pred-struct=2"),
    "av1-open_groups": _av1("irefresh-type=1"),
    "av1-10_bit": _av1("pred-struct=2", pixel_format="yuv420p10le"),
    "mjpeg-key": Encoding("mjpeg", "yuvj420p", {"qscale": "3", "flags": "+qscale"}),
    "ffv1-key": Encoding("ffv1", options={"g": "1"}),
    "ffv1-predicted": Encoding("ffv1", options={"g": "12", "level": "1", "context": "1"}),
    "huffyuv-key": Encoding("huffyuv", "yuv422p"),
    "ffvhuff-key": Encoding("ffvhuff"),
    "utvideo-key": Encoding("utvideo", "gbrp"),
    "magicyuv-key": Encoding("magicyuv", "gbrp"),
    "raw-planar": Encoding("rawvideo", "yuv420p"),
    "raw-packed": Encoding("rawvideo", "uyvy422"),
    "raw-bgr": Encoding("rawvideo", "bgr24"),
    "raw-palette": Encoding("rawvideo", "pal8"),
    "raw-grey": Encoding("rawvideo", "gray"),
    "png-key": Encoding("png", "rgb24"),
    "jpeg2000-key": Encoding("jpeg2000", "rgb24"),
    "jpegls-key": Encoding("jpegls", "rgb24"),
    "qtrle-predicted": Encoding("qtrle", "rgb24", {"g": "8"}),
    "rpza-predicted": Encoding("rpza", "rgb555le", {"g": "8"}),
    "prores-key": Encoding("prores_ks", "yuv422p10le"),
    "dnxhd-key": Encoding("dnxhd", "yuv422p", {"profile": "dnxhr_lb"}, 192, 256, 12),
    "cfhd-key": Encoding("cfhd", "yuv422p10le", {}, 64, 128),
    "cinepak-predicted": Encoding("cinepak", "rgb24", {"g": "8", "max_strips": "1"}, num_frames=12),
    "msvideo1-predicted": Encoding("msvideo1", "rgb555le", {"g": "8"}),
    "msrle-predicted": Encoding("msrle", "pal8", {"g": "8"}),
    "zmbv-predicted": Encoding("zmbv", "bgr0", {"g": "8"}),
    "flashsv-predicted": Encoding("flashsv", "bgr24", {"g": "8"}),
    "flashsv2-predicted": Encoding("flashsv2", "bgr24", {"g": "8"}),
    "flv1-predicted": _mpeg("flv"),
    "wmv1-predicted": _mpeg("wmv1"),
    "wmv2-predicted": _mpeg("wmv2"),
    "msmpeg4v2-predicted": _mpeg("msmpeg4v2"),
    "msmpeg4v3-predicted": _mpeg("msmpeg4"),
    "h263-predicted": Encoding("h263", options=_mpeg("h263").options, height=96, width=128),
    "h263p-predicted": _mpeg("h263p"),
    "h261-predicted": Encoding("h261", options={"g": "8", "qscale": "3", "flags": "+qscale"}, height=144, width=176),
    "rv10-predicted": _mpeg("rv10"),
    "rv20-predicted": _mpeg("rv20"),
    "svq1-predicted": Encoding("svq1", "yuv410p", {"g": "8", "qscale": "3", "flags": "+qscale"}),
    "dv-key": Encoding("dvvideo", "yuv420p", {}, 576, 720, 8),
    "asv2-key": Encoding("asv2", options={"qscale": "3", "flags": "+qscale"}),
    "speedhq-key": Encoding("speedhq", options={"qscale": "3", "flags": "+qscale"}),
    "v210-key": Encoding("v210", "yuv422p10le"),
    "gif-predicted": Encoding("gif", "rgb8"),
    "apng-predicted": Encoding("apng", "rgb24"),
    "roq-predicted": Encoding("roqvideo", "yuvj444p", {}, num_frames=12),
}

# What a suffix does not say: the muxer and its options.
MUXERS = {
    "frag.mp4": ("mp4", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "frames.mp4": ("mp4", {"movflags": "frag_every_frame+empty_moov+delay_moov"}),
    "front.mp4": ("mp4", {"movflags": "faststart"}),
    "ctts.mp4": ("mp4", {"movflags": "negative_cts_offsets"}),
    "no_elst.mp4": ("mp4", {"use_editlist": "0"}),
    "dash.mp4": ("mp4", {"movflags": "dash+global_sidx", "frag_duration": "200000"}),
    "live.mkv": ("matroska", {"live": "1"}),
    "live.webm": ("webm", {"live": "1"}),
    "clusters.mkv": ("matroska", {"cluster_time_limit": "100"}),
    "no_index.flv": ("flv", {"flvflags": "no_duration_filesize+no_metadata"}),
    "index.flv": ("flv", {"flvflags": "add_keyframe_index"}),
    "small.avi": ("avi", {"reserve_index_space": "0"}),
    "m2ts": ("mpegts", {"mpegts_m2ts_mode": "1"}),
    "ts": ("mpegts", {}),
    "pes.ts": ("mpegts", {"pes_payload_size": "0", "omit_video_pes_length": "0"}),
    "mpg": ("mpeg", {}),
    "vob": ("vob", {}),
    "svcd.mpg": ("svcd", {}),
    "vcd.mpg": ("vcd", {}),
    "dvd.mpg": ("dvd", {}),
    "wmv": ("asf", {}),
    "opatom.mxf": ("mxf_opatom", {}),
    "y4m": ("yuv4mpegpipe", {}),
    "264": ("h264", {}),
    "265": ("hevc", {}),
    "m1v": ("mpeg1video", {}),
    "m2v": ("mpeg2video", {}),
    "ismv": ("ismv", {}),
    "f4v": ("f4v", {}),
}

MOV = "mp4 mov frag.mp4 frames.mp4 front.mp4 ctts.mp4 no_elst.mp4 dash.mp4"
CONTAINERS = {  # of each codec
    "h264": f"{MOV} f4v ismv 3gp mkv live.mkv clusters.mkv avi ts m2ts "
    "pes.ts mpg vob flv index.flv no_index.flv asf wmv mxf nut 264",
    "hevc": f"{MOV} mkv live.mkv ts m2ts nut mpg flv 265",
    "mpeg4": "mp4 mov frag.mp4 3gp mkv avi ts mpg asf nut m4v",
    "mpeg2": "mp4 mov mkv avi ts m2ts mpg vob svcd.mpg dvd.mpg mxf nut m2v wtv asf",
    "mpeg1": "mp4 mov mkv avi ts mpg vcd.mpg nut m1v asf",
    "vp8": "webm live.webm mkv ogg avi ivf nut",
    "vp9": "webm live.webm mkv mp4 frag.mp4 ivf nut avi flv",
    "av1": "webm mkv mp4 frag.mp4 ivf obu nut flv",
    "mjpeg": "mp4 mov mkv avi asf nut mjpeg swf",
    "ffv1": "mkv avi mp4 nut mxf",
    "raw": "avi nut",
    "prores": "mov mkv mxf",
    "dnxhd": "mov mxf opatom.mxf dnxhd",
    "qtrle": "mov",
    "rpza": "mov",
    "svq1": "mov",
    "cfhd": "mov avi",
    "cinepak": "mov avi",
    "msrle": "avi",
    "png": "mov avi nut",
    "jpeg2000": "mov mkv avi mxf mp4",
    "flashsv": "flv",
    "flashsv2": "flv",
    "flv1": "flv swf avi",
    "wmv1": "wmv avi",
    "wmv2": "wmv avi nut",
    "msmpeg4v2": "wmv avi",
    "msmpeg4v3": "wmv avi mkv",
    "h263": "3gp mov avi h263",
    "h263p": "avi",
    "h261": "h261 avi",
    "rv10": "rm",
    "rv20": "rm",
    "dv": "dv avi mov",
    "v210": "mov avi",
    "speedhq": "avi",
    "gif": "gif",
    "apng": "apng",
    "roq": "roq",
}
REST = "avi nut"
MORE = ["raw-planar-mkv", "raw-planar-y4m", "raw-packed-mov", "raw-bgr-mov"]


def paint(number: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """A frame `(height, width, 3)`, uint8, of blocks that say its number, with a texture that moves."""
    rows, columns = np.mgrid[:height, :width]
    bits = number | _check_bits(number) << 6
    place = rows * ROWS // height * COLUMNS + columns * COLUMNS // width
    is_light = bits >> place & 1
    texture = (columns + rows + 2 * number) // 4 % 3 - 1
    return np.repeat((np.where(is_light, LIGHT, DARK) + TEXTURE * texture).astype(np.uint8)[..., None], 3, axis=2)


def number_of(frame: np.ndarray) -> int | None:
    """The number that the blocks of a frame say, `None` where they say none."""
    height, width = frame.shape[0] // ROWS, frame.shape[1] // COLUMNS
    levels = frame[: height * ROWS, : width * COLUMNS].reshape(ROWS, height, COLUMNS, width, 3)
    # Only the middle of each block: around it, filters of decoders mix what is dark and light.
    margins = height // 8, width // 8
    levels = levels[:, margins[0] : height - margins[0], :, margins[1] : width - margins[1]].mean(axis=(1, 3, 4))
    if (np.abs(levels - (DARK + LIGHT) / 2) < (LIGHT - DARK) / 8).any():
        return None
    bits = sum(1 << place for place, level in enumerate(levels.ravel()) if level > (DARK + LIGHT) / 2)
    number, check = bits & 63, bits >> 6
    return number if check == _check_bits(number) else None


def _check_bits(number: int) -> int:
    """Not 0 for 0, so that black says nothing."""
    return 3 - number.bit_count() % 4


def clip_names() -> Iterator[str]:
    """Each encoding in each container that takes its codec."""
    for encoding in ENCODINGS:
        for container in CONTAINERS.get(encoding.partition("-")[0], REST).split():
            yield f"{encoding}-{container}"
    yield from MORE


def write_clip(name: str, folder: Path) -> Path:
    encoding, _, suffix = name.rpartition("-")
    return encode(folder / f"{name}.{suffix}", encoding)


def encode(
    path: Path, encoding: Encoding | str, times: list[int] | None = None, numbers: list[int] | None = None
) -> Path:
    """Write the frames 0, 1, 2, ... or `numbers` of a clip, one after the other or at `times`, in 1/25 s."""
    encoding = ENCODINGS[encoding] if isinstance(encoding, str) else encoding
    numbers = list(range(encoding.num_frames)) if numbers is None else numbers
    with opened_for_writing(path) as container:
        stream = add_stream(container, encoding)
        for place, number in enumerate(numbers):
            container.mux(stream.encode(picture(number, encoding, times[place] if times else place)))
        container.mux(stream.encode())
    return path


def opened_for_writing(path: Path, **more_options):
    muxer, options = MUXERS.get(suffix_of(path), (None, {}))
    return av.open(str(path), "w", format=muxer, options=options | more_options)


def suffix_of(path: Path) -> str:
    """What follows the first dot: `frag.mp4`, for example."""
    return path.name.partition(".")[2]


def add_stream(container, encoding: Encoding):
    stream = container.add_stream(encoding.encoder, rate=RATE, options=dict(encoding.options))
    stream.height, stream.width, stream.pix_fmt = encoding.height, encoding.width, encoding.pixel_format
    stream.codec_context.thread_count = 1
    return stream


def picture(number: int, encoding: Encoding, time: int) -> av.VideoFrame:
    pixels = paint(number, encoding.height, encoding.width)
    if encoding.pixel_format == "pal8":
        # Numbers of colours say nothing without their palette: here 0 is white.
        palette = np.repeat(np.arange(256, dtype=np.uint8)[::-1, None], 4, axis=1)
        palette[:, 0] = 255
        frame = av.VideoFrame.from_ndarray((255 - pixels[..., 0], palette), format="pal8")
    else:
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=encoding.pixel_format, **ONE_THREAD)
    frame.pts, frame.time_base = time, Fraction(1, RATE)
    return frame


class Shown(NamedTuple):
    """A frame as the decoder shows it."""

    pixels: np.ndarray
    seconds: float | None
    is_corrupt: bool


def decode_in_order(path: Path) -> list[Shown]:
    """All frames of the default video stream, decoded one after the other by one thread."""
    with av.open(str(path), metadata_errors="ignore") as container:
        streams = [
            stream for stream in container.streams.video if not stream.disposition & av.stream.Disposition.attached_pic
        ]
        stream = next((one for one in streams if one.disposition & av.stream.Disposition.default), streams[0])
        stream.codec_context.thread_count = 1
        return [Shown(to_pixels(frame), frame.time, frame.is_corrupt) for frame in container.decode(stream)]


def to_pixels(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="rgb24", **ONE_THREAD)


def remux(source: Path, path: Path, change: Callable[[list], list] | None = None, **options) -> Path:
    """Copy the packets of a clip into another container, after `change`, without decoding them."""
    with av.open(str(source)) as original, opened_for_writing(path, **options) as container:
        stream = original.streams.video[0]
        packets = [packet for packet in original.demux(stream) if packet.size]
        copy = container.add_stream_from_template(stream)
        for packet in change(packets) if change else packets:
            packet.stream = copy
            container.mux(packet)
    return path


def find_problems(path: Path, may_be_refused: bool = False) -> list[str]:
    """What the package reads otherwise than the decoder shows it: each frame alone, in threes and all at once."""
    shown = decode_in_order(path)
    # A film may begin with pictures that refer to missing ones and show nothing. They may be left out.
    blank = next((place for place, frame in enumerate(shown) if number_of(frame.pixels) is not None), len(shown))
    may_be_refused = may_be_refused or blank == len(shown)
    try:
        clip = open_clip(str(path), path.name)
        if clip.total_frames == len(shown) - blank:
            shown = shown[blank:]
        problems = _problems_of_times(clip, shown)
        total = min(clip.total_frames, len(shown))
        third = max(total // 3, 1)
        batches = {
            "alone": [[index] for index in range(total)],
            "in threes": [[index, index + third, index + 2 * third] for index in range(total - 2 * third)],
            "at once": [list(range(total))],
        }
        for way, choices in batches.items():
            wrong = []
            for indices in choices:
                frames = open_clip(str(path), path.name).read(np.array(indices))
                for index, frame in zip(indices, frames, strict=True):
                    if frame.shape != shown[index].pixels.shape:
                        # Pixels that are not square are stretched.
                        if number_of(frame) != number_of(shown[index].pixels):
                            wrong.append(f"{index} has shape {frame.shape} and shows {number_of(frame)}")
                    elif np.abs(frame.astype(int) - shown[index].pixels).mean() > 1:
                        wrong.append(f"{index} shows {number_of(frame)} instead of {number_of(shown[index].pixels)}")
            if wrong:
                problems.append(f"{len(wrong)} wrong {way}: " + ", ".join(wrong[:4]))
        return problems
    except ValueError as error:
        if path.name not in str(error):
            return [f"the error does not name the file: {error}"]
        return [] if may_be_refused else [f"refused: {error}"]


def _problems_of_times(clip, shown: list[Shown]) -> list[str]:
    problems = []
    if clip.total_frames != len(shown):
        problems.append(f"{clip.total_frames} frames instead of {len(shown)}")
    seconds = [frame.seconds for frame in shown]
    # Where times do not rise, they do not say when a frame is shown.
    if clip.total_frames == len(shown) and None not in seconds and (np.diff(seconds) > 0).all():
        off = np.abs((clip.times - clip.times[0]) - (np.array(seconds) - seconds[0])).max()
        if off > 0.5 / RATE:
            problems.append(f"times off by up to {off:.3f} s")
    return problems
