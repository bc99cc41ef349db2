# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The page, on a real server: it answers as single calls do, and refuses in words what it cannot take."""

import json
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from clean_processes import SECONDS
from PIL import Image

from modeling_allinone import Predictor, VideoEncoder, VideoIndex
from modeling_allinone.cli.demo_inputs import Limits
from modeling_allinone.cli.demo_page import DemoPage, build_demo, launch

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "examples/checkpoints/moving-shapes"
QUESTION = "a red ring"


class Client:
    """Calls the page as its own script does."""

    def __init__(self, address: str):
        self.address = f"{address.rstrip('/')}/gradio_api"

    def upload(self, path, name: str | None = None) -> dict:
        with open(path, "rb") as file:
            reply = httpx.post(f"{self.address}/upload", files={"files": (name or Path(path).name, file)}, timeout=300)
        if reply.status_code != 200:
            raise ValueError(f"{reply.status_code} {reply.text}")
        return named(reply.json()[0])

    def call(self, name: str, *data):
        """What a button returns; a `ValueError` with what the page says where it is refused."""
        reply = httpx.post(f"{self.address}/call/{name}", json={"data": data}, timeout=60)
        with httpx.stream("GET", f"{self.address}/call/{name}/{reply.json()['event_id']}", timeout=120) as stream:
            events = "\n".join(stream.iter_lines())
        content = json.loads(events.rpartition("data: ")[2])
        if "event: error" in events:
            raise ValueError(str(content["error"]))
        return content

    def ask(self, *data) -> dict[str, float]:
        return {one["label"]: one["confidence"] for one in self.call("ask", *data)[0]["confidences"]}


def named(path: str, **more) -> dict:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}, **more}


@pytest.fixture(scope="module")
def page(answering, rows, tmp_path_factory):
    index = VideoIndex.create(
        tmp_path_factory.mktemp("index"), VideoEncoder.from_pretrained(CHECKPOINT, device="cpu"), window=2.0
    )
    index.update([row["video"] for row in rows], num_workers=0)
    return DemoPage(Predictor.from_pretrained(answering, device="cpu"), index, Limits(megabytes=2, seconds=60.0))


@pytest.fixture(scope="module")
def client(page):
    demo = build_demo(page)
    _, address, _ = launch(demo, page, prevent_thread_lock=True, quiet=True, server_port=free_port())
    yield Client(address)
    demo.close()


def free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def test_answers_are_those_of_a_single_call(client, page, clip):
    uploaded = client.upload(clip)
    expected = page.predictor.ask(clip, QUESTION)
    assert client.ask(uploaded, QUESTION) == pytest.approx({one["answer"]: one["score"] for one in expected.top_k})
    frames, told = client.call("show_frames", uploaded)
    assert len(frames) == 4 and frames[0]["caption"].startswith("0:00") and "looks at 4 frames" in told
    pictures, verdict = client.call("explain_ask", uploaded, QUESTION)
    assert len(pictures) == 4 and "probability" in verdict


def test_the_index_is_searched_and_moments_are_played(client, page):
    moments = page.index.search("a ring", 6, num_reranked=20)
    shown, told, *_ = client.call("search", "a ring")
    for one, moment in zip(shown, moments, strict=True):
        assert one["caption"].startswith(("no match: " if moment.is_match is False else "") + Path(moment.path).name)
    num_matches = sum(moment.is_match is not False for moment in moments)
    assert told.startswith(f"{num_matches} of {len(moments)} match." if num_matches else "No match: ")
    assert Path(page.play(moments, 0)).suffix == ".mp4"


def write_gif(path: Path, width: int, height: int, num_frames: int) -> Path:
    """A file of some bytes a frame, of any size."""
    frame = b"!\xf9\x04\0\x0a\0\0\0," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\0"
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    path.write_bytes(head + num_frames * frame + b";")
    return path


def test_what_is_hostile_is_refused_in_words_and_the_page_goes_on(client, clip, tmp_path):
    text, empty, large = (tmp_path / name for name in ("text.mp4", "empty.mp4", "large.mp4"))
    text.write_text("no film")
    empty.touch()
    large.write_bytes(bytes(3 * 2**20))
    Image.new("L", (4000, 4000)).save(tmp_path / "wide.png")
    uploads = {
        text: "text.mp4 cannot be read as a video",
        empty: "empty.mp4 is empty",
        write_gif(tmp_path / "wide.gif", 30_000, 30_000, 2): "wide.gif is too large an image",
        write_gif(tmp_path / "long.gif", 2900, 2900, 20_000): "long.gif unpacks to 20000 frames",
        tmp_path / "wide.png": "wide.png has frames of 4000 x 4000 pixels, more than 9 megapixels",
    }
    for path, message in uploads.items():
        with pytest.raises(ValueError, match=message) as raised:
            client.ask(client.upload(path), QUESTION)
        assert str(tmp_path) not in str(raised.value) and "gradio" not in str(raised.value)
    with pytest.raises(ValueError, match=r"413|larger|exceeded|size"):
        client.upload(large)

    uploaded = client.upload(clip)
    outside = {
        "a path": named("/etc/passwd"),
        "a path from here": named(clip),
        "up from an upload": named(f"{uploaded['path']}/../../../../../etc/passwd"),
        "an address": named("http://localhost:9/clip.mp4"),
        "an address beside a path": named("clip.mp4", url="http://localhost:9/clip.mp4"),
    }
    for what, file in outside.items():
        with pytest.raises(ValueError, match=r"\w+ \w+") as raised:
            client.ask(file, QUESTION)
        assert str(raised.value) != "None", what
    for path in ("/etc/passwd", clip):
        assert httpx.get(f"{client.address}/file={path}").status_code == 403
    for data, message in (((None, QUESTION), "Choose a clip first"), ((uploaded, " "), "Write a question first")):
        with pytest.raises(ValueError, match=message):
            client.ask(*data)
    assert client.ask(uploaded, QUESTION)


def test_a_clip_that_lasts_too_long(page, clip, tmp_path):
    page = DemoPage(page.predictor, limits=Limits(seconds=1.0))
    import gradio

    with pytest.raises(gradio.Error, match=r"lasts 0\.1 minutes, more than"):
        page.ask(clip, QUESTION)


@pytest.mark.parametrize(
    ("task", "words"),
    [("choose", ["a ring\na bar", ""]), ("classify", ["ring\nbar", "a {}"]), ("fill", ["a [MASK] ring"])],
)
def test_other_tasks(task, words, clip):
    predictor = Predictor.from_pretrained(CHECKPOINT, device="cpu")
    page = DemoPage(predictor)
    assert build_demo(page).fns
    given = [word.split("\n") if "\n" in word else word for word in words if word]
    options = {"prompts": given.pop()} if task == "classify" else {}
    expected = getattr(predictor, task)(clip, *given, **options).top_k[:5]
    if task == "choose":
        for texts in (["a ring", "a bar"], ["a ring"]):
            pictures, verdict = page.explain(clip, None, texts)
            assert len(pictures) == 4 and ("probability" if texts[1:] else "score") in verdict
    assert getattr(page, task)(clip, *words) == pytest.approx({one["answer"]: one["score"] for one in expected})


def test_lists_that_are_too_long_are_refused_not_cut(page, clip):
    import gradio

    texts = "\n".join(f"a ring moves up {number}" for number in range(100))
    for call in (lambda: page.choose(clip, texts, ""), lambda: page.choose(clip, "a\nb", texts)):
        with pytest.raises(gradio.Error, match="longer than 1000 characters"):
            call()


def test_a_command_line_without_anything_to_show(allinone, tmp_path):
    status, _, errors = allinone("demo", "--port", 1)
    assert status == 2 and "give --model MODEL, or --index INDEX" in errors
    status, _, errors = allinone("demo", "--model", CHECKPOINT, "--examples", tmp_path / "missing")
    assert status == 2 and "missing" in errors


@pytest.fixture
def space(answering):
    """The Space, as the Hub starts it; its address."""
    port = str(free_port())
    environment = os.environ | {"MODEL": answering, "PORT": port, "GRADIO_ANALYTICS_ENABLED": "False"}
    process = subprocess.Popen([sys.executable, ROOT / "examples/space/app.py"], env=environment)
    address, started = f"http://localhost:{port}", time.monotonic()
    while time.monotonic() < started + SECONDS:
        try:
            httpx.get(address)
            break
        except httpx.ConnectError:
            time.sleep(0.5)
    yield address
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_browser_asks_and_sees(space, answering, clip, browser):
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(space)
    page.set_input_files("#clip input[type=file]", clip)
    page.wait_for_selector("text=the model looks at")
    page.get_by_label("Question").fill(QUESTION)
    page.click("#ask")
    answer = Predictor.from_pretrained(answering).ask(clip, QUESTION).answer
    page.wait_for_selector(f"#answer h2:has-text('{answer}')")
    page.click("#ask-why")
    page.wait_for_selector("#ask-picture img")
    assert page.locator("#ask-picture img").first.evaluate("image => image.naturalWidth") > 100
    assert all("localhost" in url or url.startswith(("data:", "blob:")) for url in asked)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_eight_clients_for_two_minutes(client, page, rows, seconds=120):
    clips = [row["video"] for row in rows]
    expected = {clip: page.predictor.ask(clip, QUESTION).top_k for clip in clips}
    counts, wrong = [0] * 8, []

    def ask_on(number: int):
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            clip = clips[(number + counts[number]) % len(clips)]
            found = client.ask(client.upload(clip), QUESTION)
            if found != pytest.approx({one["answer"]: one["score"] for one in expected[clip]}):
                wrong.append((clip, found))
            counts[number] += 1

    threads = [threading.Thread(target=ask_on, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and min(counts) > seconds / 20


@pytest.mark.slow
def test_an_upload_of_a_gigabyte(client, clip, tmp_path):
    with (tmp_path / "large.mp4").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises((ValueError, httpx.HTTPError)):
        client.upload(tmp_path / "large.mp4")
    assert client.ask(client.upload(clip), QUESTION)
