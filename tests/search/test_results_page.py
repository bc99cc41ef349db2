# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The page of what was found: what it says, what it lets no name do, and that a click plays the moment."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import numpy as np
import pytest
from PIL import Image
from video_fixtures import encode_video, grey_frames, save_animation

from modeling_allinone.search import Moment, export_moments, write_results_page

HOSTILE = [
    "plain.mp4",
    '"quoted" & <script>alert(1)</script>.mp4'.replace("/", "_"),
    "100%25 #1?t=3.mp4",
    "grün 緑 'x'.mp4",
    "two\nlines\tand \u202e.mp4",
    "a:b.mp4",
    "javascript:alert(1).mp4",
    "\udcfc.mp4",
]


def thumbnail(level: int = 120) -> bytes:
    """A grey JPEG."""
    file = io.BytesIO()
    Image.fromarray(np.full((90, 160, 3), level, np.uint8)).save(file, "jpeg")
    return file.getvalue()


def moment(path, start: float = 0.3, end: float = 0.9, **more) -> Moment:
    return Moment(str(path), start, end, **{"score": 0.62, "similarity": 0.62, "duration": 1.6} | more)


class Parsed(HTMLParser):
    """Tags with their attributes, and text."""

    def __init__(self, page: Path):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words = ""
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += f"{data} "

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]

    def links(self) -> list[str]:
        return [attributes["href"] for attributes in self.all("a")]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_more_than_a_name(tmp_path, name):
    (tmp_path / "videos #1").mkdir()
    try:
        path = encode_video(tmp_path / "clip.mp4").rename(tmp_path / "videos #1" / name)
    except OSError:
        pytest.skip("no such name in this file system")
    page = write_results_page(tmp_path / "found.html", name, [moment(path, thumbnail=thumbnail())], notes=[name])
    parsed = Parsed(page)
    assert len(parsed.all("script")) == 1 and len(parsed.all("button")) == 1 and not parsed.all("video")
    assert {*parsed.all("button")[0]} == {"type", "class", "data-address", "data-end", "data-kind", "aria-label"}
    (link,) = parsed.links()
    address = urlsplit(link)
    assert (address.scheme, address.netloc, address.query, address.fragment) == ("", "", "", "t=0.3,0.9")
    assert (tmp_path / Path(unquote_to_bytes(address.path).decode(errors="surrogateescape"))).samefile(path)
    assert parsed.all("button")[0]["data-address"] == link
    assert all(attributes["src"].startswith("data:image/jpeg;base64,") for attributes in parsed.all("img"))
    assert "http" not in page.read_text(encoding="utf-8")


def test_what_it_says(tmp_path):
    videos = [encode_video(tmp_path / "a.mp4"), encode_video(tmp_path / "b.mp4")]
    moments = [
        moment(videos[0], 65.0, 3725.0, score=0.81, similarity=0.62, chance=0.004, is_match=True, duration=4000.0),
        moment(videos[1], chance=0.34, is_match=False),
    ]

    def write(*arguments, **more) -> Parsed:
        return Parsed(write_results_page(tmp_path / "new/found.html", *arguments, **more))

    parsed = write("a dog barks", moments, notes=["It was cut."])
    words = " ".join(parsed.words.split())
    assert "1:05 – 1:02:05 of 1:06:40" in words and "0.810 (similarity 0.620)" in words
    assert "2 moments, best first. 1 is a match." in words and "It was cut." in words
    assert "✓ match chance 1 in 250" in words and "✗ no match chance 34 %" in words and "No match:" not in words
    assert parsed.links()[0] == "./../a.mp4#t=65,3725"
    words = write("a dog barks", moments[1:]).words
    assert "No match:" in words and "What comes nearest" in words and "0.3" in words
    assert "Nothing was found." in write("a dog barks", []).words
    unmeasured = write("a dog barks", [moment(videos[0])]).words
    assert "match" not in unmeasured.partition("<script>")[0].replace("match }", "") and "1 moment, best" in unmeasured
    asked_by_clip = write("clip.mp4", moments, is_sentence=False, query_picture=thumbnail())
    assert "Like clip.mp4" in asked_by_clip.words and any(
        "query" in one.get("class", "") for one in asked_by_clip.all("img")
    )


def test_what_browsers_do_not_play(tmp_path):
    """It is said, and there is nothing to click; what was exported of it plays."""
    Image.fromarray(grey_frames(1)[0]).save(tmp_path / "picture.png")
    Image.fromarray(grey_frames(1)[0]).save(tmp_path / "picture.tif")
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    files = {
        encode_video(tmp_path / "a.avi", "mpeg4"): "Browsers do not play AVI files with MPEG-4 part 2.",
        encode_video(tmp_path / "a.mp4", "mpeg4"): "Browsers do not play MP4 files with MPEG-4 part 2.",
        encode_video(tmp_path / "a.wmv", "wmv2"): "Browsers do not play WMV files with Windows Media Video 8.",
        encode_video(tmp_path / "b.webm", "libvpx-vp9"): None,
        encode_video(tmp_path / "b.mkv", "libx264"): None,
        save_animation(tmp_path / "animation.gif"): None,
        tmp_path / "picture.png": None,
        tmp_path / "picture.tif": "Browsers do not show TIF files.",
        tmp_path / "missing.mp4": "This file has gone since it was indexed.",
        tmp_path / "broken.mp4": "This file cannot be read any more.",
    }
    moments = [moment(path) for path in files]
    moments[6] = moments[6].__class__(str(tmp_path / "picture.png"), 0.0, 0.0, 0.5, 0.5)
    moments[7] = moments[6].__class__(str(tmp_path / "picture.tif"), 0.0, 0.0, 0.5, 0.5)
    page = write_results_page(tmp_path / "found.html", "a ring", moments)
    parts = page.read_text(encoding="utf-8").split("<li>")[1:]
    for part, reason in zip(parts, files.values(), strict=True):
        assert ("<button" in part) == (reason is None)
        assert reason is None or (f'said">{reason}' in part), part
    exported = [entry["file"] for entry in export_moments(moments, tmp_path / "out")]
    page = write_results_page(tmp_path / "found.html", "a ring", moments, files=exported)
    assert 'data-address="./out/01_a_0.3-0.9.mp4#t=0,0.6"' in page.read_text(encoding="utf-8").split("<li>")[1]


def test_where_it_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"is a folder; give the name of a page in it, such as .*found\.html"):
        write_results_page(tmp_path, "a ring", [])
    with pytest.raises(ValueError, match=r"cannot be written, as .*file is no folder"):
        write_results_page(tmp_path / "file/found.html", "a ring", [])


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1200])
def test_click_plays_the_moment(tmp_path, browser, width):
    frames = np.repeat(grey_frames(16), 4, axis=0)
    name = 'a "b" <i>#1?%20 ü.mp4'
    video = encode_video(tmp_path / "clip.mp4", frames=frames).rename(tmp_path / name)
    moments = [
        moment(video, 3.0, 4.0, thumbnail=thumbnail(), duration=6.4),
        moment(encode_video(tmp_path / "old.avi", "mpeg4"), thumbnail=thumbnail(60)),
        moment(encode_video(tmp_path / "new.webm", "libvpx-vp9", frames=frames), 2.0, 3.0, thumbnail=thumbnail(200)),
    ]
    page_path = write_results_page(tmp_path / "found.html", "a ring", moments)
    moments[2].path = str(Path(moments[2].path).rename(tmp_path / "gone.webm"))
    page = browser.new_page(viewport={"width": width, "height": 800})
    problems, requests = [], []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # Nothing but the page is loaded before a click.
    assert [url for url in requests if not url.startswith("data:")] == [page_path.as_uri()]
    assert page.locator("button.look").count() == 2
    page.locator("button.look").first.click()
    player = page.locator("video")
    page.wait_for_function("document.querySelector('video').currentTime > 3")
    assert page.evaluate("document.querySelector('video').currentTime") < 4.3
    page.wait_for_function(
        "document.querySelector('video').paused && document.querySelector('video').currentTime >= 4"
    )
    assert page.evaluate("document.querySelector('video').currentTime") < 4.4
    assert player.bounding_box()["width"] <= width
    # A file that is not there any more: the picture is back, with words.
    page.locator("button.look").last.click()
    page.wait_for_function("!document.querySelectorAll('li')[2].querySelector('.said').hidden")
    assert "has gone" in page.locator("li").nth(2).inner_text() and page.locator("video").count() == 1
    assert not problems
    assert not re.findall("https?:", " ".join(requests))
