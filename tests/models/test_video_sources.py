# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Clips as they come: pixels that are not square, transparency, addresses, rows of data sets, streams of pictures."""

import io
import json
import struct
import tarfile
import threading
import zipfile
import zlib
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import fsspec
import numpy as np
import pytest
import torch
from datasets import Dataset, Image, Video
from decoder_fixtures import VideoDecoder
from PIL import Image as PillowImage
from torch.utils.data import DataLoader
from video_fixtures import (
    MIDDLES,
    NUM_FRAMES,
    corners,
    encode_video,
    grey_frames,
    numbers_of,
    rotate,
    save_animation,
    save_folder,
)

from modeling_allinone import AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.frame_cache import cache_frames
from modeling_allinone.data.video_loading import VideoLoader, read_skipped
from modeling_allinone.data.webdataset_writing import write_shards
from modeling_allinone.datasets import train_tokenizer
from modeling_allinone.models.frame_conversion_allinone import ONE_THREAD
from modeling_allinone.models.video_decoding_allinone import DecoderClip, open_clip
from modeling_allinone.models.video_file_allinone import VideoFile


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    encode_video(folder / "clip.mp4")
    save_animation(folder / "clip.gif")
    PillowImage.fromarray(grey_frames()[5]).save(folder / "image.png")
    (folder / "page.mp4").write_text("<html>Please log in</html>\n" * 50)
    return folder


@pytest.fixture(scope="module")
def site(files):
    """The files on a web server, which breaks off in the middle of what lies under `/cut/`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            _, *folder, name = self.path.partition("?")[0].split("/")
            path = files / name
            if folder == ["broken"] or not path.is_file():
                self.send_error(500 if folder == ["broken"] else 404)
                return
            data = path.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{zlib.crc32(data)}"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data[: len(data) // 2] if folder == ["cut"] else data)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def processor() -> AllInOneProcessor:
    video_processor = AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32, do_rescale=False, do_normalize=False)
    return AllInOneProcessor(video_processor, train_tokenizer(["what?"]))


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
            rotate(stream, rotation)
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


class TestUrls:
    @pytest.mark.parametrize("name", ["clip.mp4", "clip.gif"])
    def test_files_on_a_web_server(self, site, files, raw, name):
        inputs = raw([f"{site}/{name}", f"{site}/{name}?token=a%20b"], return_metadata=True)
        expected = raw(files / name, return_metadata=True)
        assert torch.equal(inputs.pixel_values, expected.pixel_values.repeat(2, 1, 1, 1, 1))
        assert inputs.video_metadata == expected.video_metadata * 2
        assert numbers_of(raw(f"{site}/{name}", start=0.5, end=0.8).pixel_values) == [[5, 6, 7]]

    def test_images_on_a_web_server(self, site, raw):
        assert numbers_of(raw(f"{site}/image.png").pixel_values) == [[5]]
        assert numbers_of(raw([[f"{site}/image.png"] * 4]).pixel_values) == [[5, 5, 5]]

    def test_whatever_fsspec_reads(self, files, raw, tmp_path):
        data = (files / "clip.mp4").read_bytes()
        with fsspec.open("memory://clips/clip.mp4", "wb") as file:
            file.write(data)
        with zipfile.ZipFile(tmp_path / "clips.zip", "w") as archive:
            archive.write(files / "clip.mp4", "inner/clip.mp4")
        save_folder(tmp_path / "frames")
        for url in [
            "memory://clips/clip.mp4",
            f"file://{files}/clip.mp4",
            f"zip://inner/clip.mp4::{tmp_path}/clips.zip",
        ]:
            assert numbers_of(raw(url).pixel_values) == [MIDDLES]
        assert numbers_of(raw(f"file://{tmp_path}/frames", frame_rate=10, start=0.5, end=0.8).pixel_values) == [
            [5, 6, 7]
        ]

    @pytest.mark.parametrize(
        ("path", "error", "reason"),
        [
            ("/none.mp4", FileNotFoundError, "does not exist; give the URL of a video"),
            ("/broken/clip.mp4", ValueError, r"cannot be fetched \(ClientResponseError: 500"),
            ("/cut/clip.mp4", ValueError, r"cannot be fetched \(ClientPayloadError"),
            ("/page.mp4", ValueError, r"(cannot be read as a video|is a text file)"),
        ],
    )
    def test_what_is_not_to_be_had_is_named(self, site, raw, path, error, reason):
        with pytest.raises(error, match=f"^{site}{path} {reason}"):
            raw(f"{site}{path}")

    @pytest.mark.parametrize(
        ("url", "error", "reason"),
        [
            ("memory://nowhere/clip.mp4", FileNotFoundError, "does not exist"),
            ("file:///nowhere/clip.mp4", FileNotFoundError, "does not exist"),
            ("teleport://clip.mp4", ValueError, "cannot be fetched .*Protocol not known: teleport"),
            ("http://127.0.0.1:9/clip.mp4", ValueError, "cannot be fetched .*Connect"),
        ],
    )
    def test_addresses_that_lead_nowhere_are_named(self, raw, url, error, reason):
        with pytest.raises(error, match=f"^{url} {reason}"):
            raw(url)

    def test_workers_skip_by_name_what_they_cannot_fetch(self, site, processor, tmp_path):
        read = VideoLoader(processor, on_decode_error="skip", skipped_file=tmp_path / "skipped.jsonl")
        names = ["clip.mp4", "none.mp4", "clip.gif", "cut/clip.mp4"] * 2
        rows = [{"video": f"{site}/{name}", "sample_id": str(number)} for number, name in enumerate(names)]
        read(rows[:1])  # here, and then in processes that are forked from this one
        batches = list(DataLoader(rows, 2, collate_fn=read, num_workers=2))
        assert torch.cat([is_readable for _, is_readable in batches]).tolist() == [True, False] * 4
        assert numbers_of(torch.cat([inputs["pixel_values"] for inputs, _ in batches])[::2]) == [MIDDLES] * 4
        skipped = {entry["video"]: entry["reason"] for entry in read_skipped(tmp_path / "skipped.jsonl")}
        assert sorted(skipped) == [f"{site}/cut/clip.mp4", f"{site}/none.mp4"]

    def test_frames_are_kept_until_the_file_changes(self, site, files, processor, tmp_path):
        def kept() -> list[int]:
            rows = Dataset.from_list([{"video": f"{site}/kept.mp4", "start": None, "end": None}])
            frames = cache_frames(rows, processor, tmp_path / "cache", num_workers=0)
            return numbers_of(frames[f"{site}/kept.mp4", None, None].transpose(0, 3, 1, 2))

        encode_video(files / "kept.mp4")
        assert kept() == kept() == MIDDLES and len(list((tmp_path / "cache").iterdir())) == 1
        encode_video(files / "kept.mp4", frames=grey_frames()[::-1])
        assert kept() == [13, 8, 3]


class TestRowsOfDatasets:
    def test_rows_that_are_not_decoded(self, files, raw):
        paths = [str(files / "clip.mp4"), str(files / "clip.gif")]
        rows = Dataset.from_dict({"video": paths}).cast_column("video", Video(decode=False))
        assert rows[0]["video"] == {"path": paths[0], "bytes": None}
        assert numbers_of(raw(rows["video"]).pixel_values) == [MIDDLES] * 2
        rows = [{"path": "clip.mp4", "bytes": Path(path).read_bytes()} for path in paths]
        rows = Dataset.from_list([{"video": row} for row in rows])
        assert numbers_of(raw(rows["video"]).pixel_values) == [MIDDLES] * 2
        with pytest.raises(ValueError, match=r"^clip\.mp4: the window from 9 s"):
            raw(rows[0]["video"], start=9)

    def test_images_decoded_or_not(self, files, processor):
        rows = Dataset.from_dict({"image": [str(files / "image.png")] * 2})
        for column in [
            rows.cast_column("image", Image(decode=False)),
            rows.cast_column("image", Image()),
            Dataset.from_list([{"image": {"path": None, "bytes": (files / "image.png").read_bytes()}}] * 2),
        ]:
            assert numbers_of(processor(images=column["image"][:]).pixel_values) == [[5], [5]]
            inputs, is_readable = VideoLoader(processor)([column[0], {"image": column[1]["image"]}])
            assert numbers_of(inputs["pixel_values"]) == [[5], [5]] and is_readable.all()

    @pytest.mark.parametrize(
        ("source", "error", "reason"),
        [
            ({"path": None, "bytes": None}, ValueError, r"videos\[0\] has neither a path nor bytes"),
            ({"path": "/nowhere/a.mp4", "bytes": None}, FileNotFoundError, r"/nowhere/a\.mp4 does not exist"),
            ({"path": "a.mp4", "bytes": b""}, ValueError, r"a\.mp4 is empty \(0 bytes\)"),
            ({"path": "a.mp4", "bytes": b"no film"}, ValueError, r"a\.mp4 (cannot be read as a video|is a text file)"),
            ({}, TypeError, r"videos\[0\] is a dict; expected"),
        ],
    )
    def test_rows_that_are_no_clip_are_named(self, raw, source, error, reason):
        with pytest.raises(error, match=f"^{reason}"):
            raw(source)

    def test_broken_rows_are_skipped_by_name(self, files, processor, tmp_path):
        read = VideoLoader(processor, on_decode_error="skip", skipped_file=tmp_path / "skipped.jsonl")
        data = (files / "clip.mp4").read_bytes()
        rows = [
            {"video": {"path": "cut.mp4", "bytes": data[: len(data) // 2]}},
            {"video": {"path": "whole.mp4", "bytes": data}},
        ]
        assert read(rows)[1].tolist() == [False, True]
        assert [entry["video"] for entry in read_skipped(tmp_path / "skipped.jsonl")] == ["cut.mp4"]

    def test_rows_without_a_name_are_not_kept_as_frames(self, files, processor, tmp_path):
        rows = Dataset.from_dict({"video": [str(files / "clip.mp4")], "start": [None], "end": [None]})
        rows = rows.cast_column("video", Video(decode=False))
        assert len(cache_frames(rows, processor, tmp_path / "cache", num_workers=0)) == 0

    def test_all_of_them_go_into_shards(self, site, files, processor, tmp_path):
        data, frames = (files / "clip.mp4").read_bytes(), grey_frames()
        rows = [
            {"video": f"{site}/clip.mp4?token=1"},
            {"video": f"{site}/clip.gif", "start": 0.5, "end": 0.8},
            {"video": {"path": "clip.mp4", "bytes": data}},
            {"video": {"path": None, "bytes": data}, "start": 0.5, "end": 0.8},
            {"video": frames, "frame_rate": 10.0},
            {"image": PillowImage.fromarray(frames[5])},
            {"image": {"path": None, "bytes": (files / "image.png").read_bytes()}},
            {"images": [f"{site}/image.png", {"path": str(files / "image.png"), "bytes": None}]},
            {"video": f"{site}/none.mp4"},
        ]
        rows = [{"sample_id": str(number), **row} for number, row in enumerate(rows)]
        summary = write_shards(rows, tmp_path / "shards", "all", num_workers=0)
        assert (summary.num_rows, summary.num_skipped) == (8, 1)
        (skipped,) = read_skipped(tmp_path / "shards" / "skipped_clips.jsonl")
        assert skipped["video"] == f"{site}/none.mp4" and "does not exist" in skipped["reason"]
        with tarfile.open(tmp_path / "shards" / "all-000000.tar") as tar:
            stored = {member.name[8:]: tar.extractfile(member).read() for member in tar}
        assert stored["0.mp4"] == stored["2.mp4"] == data
        assert {name for name in stored if not name.endswith("json")} == {
            *("0.mp4", "1.mp4", "2.mp4", "3.mp4", "4.mp4", "5.png", "6.image.bin"),
            *("7.images.0.png", "7.images.1.png"),
        }
        for name, numbers in [("1.mp4", [5, 6, 7]), ("3.mp4", [5, 6, 7]), ("4.mp4", list(range(NUM_FRAMES)))]:
            clip = open_clip(stored[name], name)
            assert numbers_of(np.stack(clip.read(np.arange(clip.total_frames))).transpose(0, 3, 1, 2)) == numbers
            assert clip.duration == pytest.approx(len(numbers) / 10)
            assert json.loads(stored[f"{name[0]}.json"])["duration"] == pytest.approx(len(numbers) / 10)
        for name in ["5.png", "6.image.bin", "7.images.0.png"]:
            assert np.array_equal(read(stored[name])[0], frames[5])


class TestDecodersOfTorchcodec:
    @pytest.mark.parametrize("num_frames", [NUM_FRAMES, 5 * NUM_FRAMES])
    def test_their_frames_and_times_are_taken(self, tmp_path, raw, num_frames):
        path = encode_video(tmp_path / "clip.mp4", frames=np.tile(grey_frames(), (num_frames // NUM_FRAMES, 1, 1, 1)))
        decoder = VideoDecoder(str(path))
        assert isinstance(open_clip(decoder, "clip"), DecoderClip)
        inputs = raw([decoder, decoder], return_metadata=True)
        expected = raw(path, return_metadata=True)
        assert torch.equal(inputs.pixel_values, expected.pixel_values.repeat(2, 1, 1, 1, 1))
        metadata = inputs.video_metadata[1]
        assert (metadata.video_backend, metadata.total_num_frames) == ("torchcodec", num_frames)
        assert (metadata.duration, metadata.fps) == (pytest.approx(num_frames / 10), pytest.approx(10))
        assert numbers_of(raw(decoder, start=0.5, end=0.8).pixel_values) == [[5, 6, 7]]
        assert numbers_of(raw(decoder, fps=5, end=0.8).pixel_values) == [[0, 2, 4, 6]]
        assert numbers_of(raw(decoder, timestamps=[1.5, 0.0, 0.49]).pixel_values) == [[15, 0, 4]]
        with pytest.raises(ValueError, match=r"^videos\[0\]: the window from 99 s"):
            raw(decoder, start=99)

    def test_what_datasets_makes_of_a_file_is_read_as_the_file(self, files, processor):
        decoder = VideoDecoder(str(files / "clip.mp4"))
        for encoded in [
            {"path": str(files / "clip.mp4"), "bytes": None},
            {"path": str(files / "clip.mp4"), "bytes": (files / "clip.mp4").read_bytes()},
        ]:
            decoder._hf_encoded = encoded  # as `datasets.Video` leaves it
            decoder.metadata.path = encoded["path"]
            clip = open_clip(decoder, "clip")
            assert isinstance(clip, VideoFile) and clip.name == encoded["path"]
            inputs, _ = VideoLoader(processor)([{"video": decoder, "start": 0.5, "end": 0.8}])
            assert numbers_of(inputs["pixel_values"]) == [[5, 6, 7]]
        decoder.stream_index = 3
        assert isinstance(open_clip(decoder, "clip"), DecoderClip), "the caller has chosen another stream"

    def test_shards_have_the_stream_that_was_chosen(self, files, tmp_path):
        chosen = VideoDecoder(str(files / "clip.mp4"))
        # As of a second stream: what its file is read by is another.
        others = encode_video(tmp_path / "others.mp4", frames=grey_frames()[::-1])
        chosen._hf_encoded = {"path": str(others), "bytes": None}
        chosen.stream_index = 3
        write_shards([{"video": chosen}], tmp_path / "shards", "one", num_workers=0)
        with tarfile.open(tmp_path / "shards" / "one-000000.tar") as tar:
            data = tar.extractfile("000000000.mp4").read()
        assert numbers_of(read(data, 0, 5, 9).transpose(0, 3, 1, 2)) == [0, 5, 9]


class TestDecord:
    def test_it_gets_no_bytes(self, site, files):
        data = (files / "clip.mp4").read_bytes()
        for source, name in [(data, "clip"), (f"{site}/clip.mp4", f"{site}/clip.mp4")]:
            with pytest.raises(ValueError, match=rf"^{name}: decord cannot read this file \(it may crash on bytes"):
                open_clip(source, "clip", backend="decord")
        assert numbers_of(read(files / "clip.mp4", 3, backend="decord").transpose(0, 3, 1, 2)) == [3]


def saved(kind: str, **options) -> bytes:
    """An image of noise, or a few of them that move."""
    noise = np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3), dtype=np.uint8)
    first, *others = (PillowImage.fromarray(one) for one in noise)
    file = io.BytesIO()
    if options.pop("moves", False):
        options |= {"save_all": True, "append_images": others, "duration": 100}
    first.save(file, kind, **options)
    return file.getvalue()


KINDS = {
    "still GIF": ("GIF", {}),
    "GIF": ("GIF", {"moves": True}),
    "PNG": ("PNG", {}),
    "APNG": ("PNG", {"moves": True}),
    "JPEG": ("JPEG", {}),
    "progressive JPEG": ("JPEG", {"progressive": True}),
    "WebP": ("WEBP", {}),
    "moving WebP": ("WEBP", {"moves": True, "lossless": True}),
    "TIFF": ("TIFF", {}),
    "compressed TIFF": ("TIFF", {"compression": "tiff_lzw"}),
    "BMP": ("BMP", {}),
}


def read_all(data: bytes) -> np.ndarray:
    clip = open_clip({"path": "bad.file", "bytes": data}, "clip")
    assert not clip.has_times or len(clip.times) == clip.total_frames
    return np.stack(clip.read(np.arange(clip.total_frames)))


@pytest.mark.filterwarnings("ignore::UserWarning")
class TestBadPictures:
    @pytest.mark.parametrize("kind", KINDS)
    def test_cut_anywhere(self, kind):
        data = saved(KINDS[kind][0], **KINDS[kind][1])
        whole = read_all(data)
        for length in np.linspace(1, len(data) - 1, 60).astype(int).tolist():
            try:
                pixels = read_all(data[:length])
            except ValueError as error:
                assert str(error).startswith("bad.file"), error
            else:
                assert np.array_equal(pixels, whole), f"cut to {length} of {len(data)} bytes"

    @pytest.mark.parametrize("kind", KINDS)
    def test_whatever_pillow_raises_is_one_error_with_the_name(self, kind):
        data = saved(KINDS[kind][0], **KINDS[kind][1])
        generator = np.random.default_rng(0)
        for _ in range(60):
            damaged = bytearray(data)
            for place in generator.integers(0, min(len(data), 200), 3):
                damaged[place] = generator.integers(0, 256)
            try:
                read_all(bytes(damaged))
            except ValueError as error:
                assert str(error).startswith("bad.file"), error

    def test_a_gif_that_ends_inside_of_a_block(self):
        file, num_short = io.BytesIO(), 0
        first, *others = (PillowImage.new("1", (8, 8), number % 2) for number in range(4))
        first.save(file, "GIF", save_all=True, append_images=others, duration=100)
        data = file.getvalue()
        for length in range(1, len(data)):
            try:
                num_short += len(read_all(data[:length])) < 4
            except ValueError as error:
                assert str(error).startswith("bad.file"), error
        assert num_short == 3, "only where a frame has just ended, which is warned of"

    @pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
    def test_pictures_that_claim_too_much(self, kind):
        data = bytearray(saved(kind))
        size = struct.pack("<HH" if kind == "GIF" else "<ii", 60000, 60000)
        if kind == "PNG":
            data[16:24] = struct.pack(">II", 60000, 60000)
            data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        elif kind == "TIFF":
            (entries,) = struct.unpack_from("<I", data, 4)
            for place in (entries + 2, entries + 14):  # width and height come first
                struct.pack_into("<HII", data, place + 2, 4, 1, 60000)
        else:
            place = 6 if kind == "GIF" else 18
            data[place : place + len(size)] = size
        with pytest.raises(ValueError, match=r"^bad\.file .*\(Image size \(3600000000 pixels\) exceeds limit"):
            read_all(bytes(data))

    @pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG", "PNG"])
    def test_streams_of_pictures_are_no_picture(self, tmp_path, raw, kind):
        data = saved(KINDS[kind][0], **KINDS[kind][1])
        message = r"^(bad\.file|.*1\.jpg) is a stream of (JPEG|PNG) pictures, .* put it into a container"
        with pytest.raises(ValueError, match=message):
            read_all(data * 3)
        (tmp_path / "1.jpg").write_bytes(data * 3)
        with pytest.raises(ValueError, match=message):
            raw(tmp_path)

    def test_the_thumbnail_of_a_photograph_is_no_second_picture(self):
        thumbnail, data = saved("JPEG"), saved("JPEG")
        exif = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail
        with_thumbnail = data[:2] + exif + data[2:]
        assert np.array_equal(read_all(with_thumbnail), read_all(data))
        assert np.array_equal(read_all(data + b"\0" * 9), read_all(data))
