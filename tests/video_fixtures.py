"""Real files for the tests: every frame says its number by its grey level."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image

from modeling_allinone.video_file_allinone import ONE_THREAD

FIRST_LEVEL, LEVEL_STEP = 20, 14  # 16 frames: 20, 34, ..., 230
NUM_FRAMES, FRAMES_PER_SECOND = 16, 10
HEIGHT, WIDTH = 48, 64

# name -> how to encode it; what video people meet
VIDEOS = {
    "h264.mp4": {"codec": "libx264"},
    "h264_b_frames.mkv": {"codec": "libx264", "options": {"g": "6", "bf": "2"}},
    "h264_b_frames.mp4": {"codec": "libx264", "options": {"g": "6", "bf": "2"}},
    "h264_b_frames.avi": {"codec": "libx264", "options": {"g": "6", "bf": "2", "x264-params": "b-adapt=0"}},
    # Frames stored after a key frame but shown before it refer to the group before (x264 calls it open).
    "open_groups.mp4": {
        "codec": "libx264",
        "options": {"g": "5", "bf": "2", "x264-params": "open-gop=1:b-adapt=0:scenecut=0:min-keyint=1"},
    },
    "wmv2.wmv": {"codec": "wmv2", "options": {"g": "6", "sc_threshold": "1000000000"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "6"}},
    "mpeg4_b_frames.avi": {"codec": "mpeg4", "options": {"g": "6", "bf": "2"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "6"}},
    "odd_size.mp4": {"codec": "libx264", "height": 47, "width": 65, "pixel_format": "yuv444p"},
    "odd_size.avi": {"codec": "mpeg4", "height": 47, "width": 65},
    "sound.mp4": {"codec": "libx264", "has_sound": True},
    "raw.h264": {"codec": "libx264"},  # no times in it
}


def level_of(index: int) -> int:
    return FIRST_LEVEL + LEVEL_STEP * index


def grey_frames(num_frames: int = NUM_FRAMES, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """`(num_frames, height, width, 3)`, uint8."""
    levels = np.array([level_of(index) for index in range(num_frames)], dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (num_frames, height, width, 3)).copy()


def numbers_of(frames) -> list:
    """The frame numbers that grey levels stand for, whatever the axes before (3, height, width)."""
    levels = torch.as_tensor(frames).float().mean(dim=(-3, -2, -1))
    numbers = (levels - FIRST_LEVEL) / LEVEL_STEP
    assert (numbers - numbers.round()).abs().max() < 0.45, f"no frame has the levels {levels.tolist()}"
    return numbers.round().int().tolist()


def encode_video(
    path: Path,
    codec: str = "libx264",
    frames: np.ndarray | None = None,
    num_frames: int = NUM_FRAMES,
    height: int = HEIGHT,
    width: int = WIDTH,
    pixel_format: str = "yuv420p",
    options: dict | None = None,
    container_options: dict | None = None,
    times_in_ms: list[int] | None = None,
    rotation: int | None = None,
    has_sound: bool = False,
) -> Path:
    """Encode `frames`, by default grey ones that tell their number."""
    frames = grey_frames(num_frames, height, width) if frames is None else frames
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=FRAMES_PER_SECOND, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixel_format
        if times_in_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        sound = container.add_stream("aac", rate=16000, layout="mono") if has_sound else None
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format, **ONE_THREAD)
            if times_in_ms is not None:
                frame.pts, frame.time_base = times_in_ms[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if has_sound:
            encode_silence(container, sound)
    return path


def cut_by_copying(source: Path, path: Path, first: int) -> Path:
    """
    Let a film begin with another frame without encoding it again, as `ffmpeg -ss ... -c copy` does: packets from the
    key frame before stay in the file, with times below 0.
    """
    with av.open(str(source)) as whole, av.open(str(path), "w") as part:
        stream = whole.streams.video[0]
        packets = [packet for packet in whole.demux(stream) if packet.size]
        start = sorted(packet.pts for packet in packets)[first]
        begin = max(place for place, packet in enumerate(packets) if packet.is_keyframe and packet.pts <= start)
        copy = part.add_stream_from_template(stream)
        for packet in packets[begin:]:
            packet.pts, packet.dts, packet.stream = packet.pts - start, packet.dts - start, copy
            part.mux(packet)
    return path


def encode_silence(container, stream, seconds: float = 1.6) -> None:
    size = stream.codec_context.frame_size or 1024
    for start in range(0, int(seconds * 16000), size):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, size), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def encode_sound_only(path: Path) -> Path:
    """A music file; an MP3 gets a cover, which is a video stream of one picture."""
    with av.open(str(path), "w") as container:
        has_cover = path.suffix == ".mp3"
        stream = container.add_stream("mp3" if has_cover else "aac", rate=16000, layout="mono")
        if has_cover:
            cover = container.add_stream("mjpeg", rate=1)
            cover.height, cover.width, cover.pix_fmt = 16, 16, "yuvj420p"
            cover.disposition = av.stream.Disposition.attached_pic
        encode_silence(container, stream)
        if has_cover:
            container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
            container.mux(cover.encode())
    return path


def save_animation(
    path: Path, num_frames: int = NUM_FRAMES, durations_in_ms: int | list[int] = 100, **options
) -> Path:
    """GIF, WebP or PNG, by the suffix. A dot that moves keeps encoders from joining frames."""
    frames = grey_frames(num_frames)
    for index, frame in enumerate(frames):
        frame[0, index] = 0
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations_in_ms, loop=0, **options)
    return path


def save_folder(path: Path, num_frames: int = NUM_FRAMES, name: str = "frame_{}.png") -> Path:
    path.mkdir()
    for index, frame in enumerate(grey_frames(num_frames)):
        Image.fromarray(frame).save(path / name.format(index + 1))
    (path / "notes.txt").write_text("not a frame")
    return path


def cut_short(source: Path, path: Path, share: float = 0.6) -> Path:
    """The beginning of a file."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def corners(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """One frame, white at the top left, grey at the top right, black below: it shows how it is turned."""
    frame = np.zeros((height, width, 3), dtype=np.uint8)
    frame[: height // 2, : width // 2] = 250
    frame[: height // 2, width // 2 :] = 120
    return frame


def corners_of(frame) -> list[int]:
    """Levels of a `(3, height, width)` frame: top left, top right, bottom left, bottom right, in steps of 10."""
    height, width = frame.shape[-2:]
    places = [(height // 4, width // 4), (height // 4, 3 * width // 4)]
    places += [(3 * height // 4, width // 4), (3 * height // 4, 3 * width // 4)]
    return [round(float(frame[0, row, column]) / 10) * 10 for row, column in places]
