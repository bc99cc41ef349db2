"""Clips as they come: pixels that are not square, transparency, addresses, rows of data sets, streams of pictures."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from video_fixtures import corners, encode_video

from modeling_allinone.video_decoding_allinone import open_clip
from modeling_allinone.video_file_allinone import ONE_THREAD


def read(source, *indices: int, **options) -> np.ndarray:
    return np.stack(open_clip(source, "clip", **options).read(np.array(indices or [0])))


def write_video(path: Path, codec: str, pixel_format: str, frames: np.ndarray, aspect=None, **options) -> Path:
    """Frames (n, height, width, 3 or 4), with an aspect of their pixels."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixel_format
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba" if frames.shape[3] == 4 else "rgb24")
            container.mux(stream.encode(frame.reformat(format=pixel_format, **ONE_THREAD)))
        container.mux(stream.encode())
    return path


class TestPixelsThatAreNotSquare:
    @pytest.mark.parametrize(
        ("name", "codec"),
        [("clip.mp4", "libx264"), ("clip.mkv", "libx264"), ("clip.avi", "mpeg4"), ("clip.ts", "libx264")],
    )
    @pytest.mark.parametrize(("aspect", "width"), [(Fraction(4, 3), 85), (Fraction(8, 9), 57), (Fraction(1), 64)])
    def test_they_are_stretched_in_width(self, tmp_path, name, codec, aspect, width):
        frames = np.stack([corners()] * 3)
        path = write_video(tmp_path / name, codec, "yuv420p", frames, aspect)
        pixels = read(path, 0, 2)
        assert pixels.shape == (2, 48, width, 3)
        with av.open(str(path)) as container:
            plain = next(container.decode(video=0)).to_image().resize((width, 48), 2)
        assert np.abs(pixels[0].astype(int) - np.asarray(plain)).mean() < 2

    @pytest.mark.parametrize(("rotation", "size"), [(0, (48, 96)), (90, (96, 48)), (180, (48, 96)), (270, (96, 48))])
    def test_they_are_stretched_before_they_are_turned(self, tmp_path, rotation, size):
        frames = np.stack([corners()] * 3)
        square = encode_video(tmp_path / "square.mp4", frames=frames, rotation=rotation)
        turned = tmp_path / "turned.mp4"
        with av.open(str(square)) as whole, av.open(str(turned), "w") as copy:
            stream = copy.add_stream_from_template(whole.streams.video[0])
            stream.set_display_rotation(rotation)
            stream.sample_aspect_ratio = Fraction(3, 2)
            for packet in whole.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    copy.mux(packet)
        pixels, expected = read(turned)[0], read(square)[0]
        assert pixels.shape == (*size, 3)
        rows, columns = (np.arange(new) * old // new for new, old in zip(size, expected.shape[:2], strict=True))
        assert np.abs(pixels.astype(int) - expected[rows[:, None], columns]).mean() < 8

    def test_decord_is_refused(self, tmp_path):
        path = write_video(tmp_path / "clip.mp4", "libx264", "yuv420p", np.stack([corners()] * 3), Fraction(4, 3))
        with pytest.raises(ValueError, match=r"clip\.mp4: decord cannot .* \(it does not stretch pixels that are not"):
            read(path, backend="decord")


class TestTransparentVideo:
    @pytest.fixture
    def frames(self) -> np.ndarray:
        """Transparent at the left, half so at the bottom right; the colours below are those of a noisy encoder."""
        frames = np.zeros((3, 48, 64, 4), np.uint8)
        frames[..., 0], frames[..., 1], frames[..., 3] = 200, 90, 255
        frames[:, :, :32, 3] = 0
        frames[:, 24:, 32:, 3] = 128
        return frames

    @pytest.mark.parametrize(
        ("name", "codec", "pixel_format"),
        [
            ("prores.mov", "prores_ks", "yuva444p10le"),
            ("png.mov", "png", "rgba"),
            ("animation.mov", "qtrle", "argb"),
            ("ffv1.mkv", "ffv1", "yuva420p"),
            ("utvideo.avi", "utvideo", "gbrap"),
            ("raw.avi", "rawvideo", "bgra"),
        ],
    )
    def test_it_is_shown_on_black(self, tmp_path, frames, name, codec, pixel_format):
        options = {"profile": "4444"} if codec == "prores_ks" else {}
        path = write_video(tmp_path / name, codec, pixel_format, frames, **options)
        expected = (frames[[0, 2], ..., :3] * (frames[[0, 2], ..., 3:] / 255)).round()
        pixels = read(path, 0, 2).astype(int)
        edge = [31, 32]  # where colours at half the resolution blend
        assert np.abs(np.delete(pixels - expected, edge, axis=2)).max() <= 3
        with pytest.raises(ValueError, match=r"decord cannot read this file"):
            read(path, backend="decord")

    def test_what_is_opaque_is_as_without_transparency(self, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 4), dtype=np.uint8)
        noise[..., 3] = 255
        path = write_video(tmp_path / "opaque.mov", "png", "rgba", noise)
        assert np.array_equal(read(path, 0, 1), noise[..., :3])

    def test_a_fourth_byte_that_is_not_used_makes_nothing_transparent(self, tmp_path, frames):
        frames[..., 3] = 0
        path = write_video(tmp_path / "raw.avi", "rawvideo", "bgra", frames)
        assert np.array_equal(read(path)[0], frames[0, ..., :3])

    @pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
    def test_vp8_and_vp9_are_opaque_as_in_most_players(self, tmp_path, frames, codec):
        path = write_video(tmp_path / "clip.webm", codec, "yuva420p", frames, **{"auto-alt-ref": "0"})
        assert np.abs(read(path)[0].astype(int) - [200, 90, 0]).max() <= 4
