# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""A page, in Gradio, on which a model is asked about clips, and an index is searched."""

import io
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..data.video_loading import run_within
from ..data.video_windows import show_time
from ..evaluation.explanation import draw_explanation, explain
from ..evaluation.predictor import PROMPTS, Prediction, Predictor
from ..evaluation.visualization import join_figures, shown_frames
from .demo_inputs import Limits, in_words, lines_of, open_upload
from .search import NUM_RERANKED

if TYPE_CHECKING:
    import gradio

    from ..search.video_index import VideoIndex

# Seconds after which uploads are deleted, which is looked for as often.
_KEPT = 3600
_LONGEST_TEXT = 1000  # characters
_NUM_ANSWERS, _NUM_MOMENTS = 5, 6
_SUFFIXES = ["video", "image"]
_FONTS = ["system-ui", "sans-serif"]  # of the reader's machine; others come from a server
THEME = {"font": _FONTS, "font_mono": ["ui-monospace", "monospace"]}


class DemoPage:
    """
    What the page does; each method is what one button calls.

    Args:
        predictor ([`Predictor`], *optional*): Answers about clips.
        index ([`VideoIndex`], *optional*): Is searched.
        limits ([`Limits`], *optional*): Of uploads.
    """

    def __init__(
        self,
        predictor: Predictor | None = None,
        index: "VideoIndex | None" = None,
        limits: Limits | None = None,
    ):
        self.predictor, self.index, self.limits = predictor, index, limits or Limits()
        self._moments = tempfile.TemporaryDirectory(prefix="moments-")

    def show_frames(self, path: str | None) -> tuple[list[tuple[Image.Image, str]], str]:
        """The frames of a clip that the model looks at, each with its time, and a line about the clip."""
        if path is None:
            return [], ""
        with in_words(path):
            clip, processor = self._open(path), self._processor
            inputs = self._within(
                path,
                lambda: processor.video_processor([clip], frame_sampling="uniform", num_views=1, return_metadata=True),
            )
            frames = shown_frames(inputs["pixel_values"][0], processor, {}).numpy()
            if clip.is_image or not clip.has_times:
                return [(Image.fromarray(frame), "") for frame in frames], f"{Path(path).name}: an image"
            times = [float(clip.times[index]) for index in inputs["video_metadata"][0].frames_indices]
            told = f"{Path(path).name}: {show_time(clip.duration)} long; the model looks at {len(frames)} frames"
            return [(Image.fromarray(frame), show_time(time)) for frame, time in zip(frames, times, strict=True)], told

    def ask(self, path: str | None, question: str) -> dict[str, float]:
        """Answers to a question, with their shares."""
        with in_words(path):
            return _shares(self._predict(path, "ask", self._text(question, "a question")))

    def choose(self, path: str | None, options: str, question: str) -> dict[str, float]:
        """The texts that fit a clip, with their shares."""
        with in_words(path):
            lines = lines_of(self._text(options, "texts to choose from"), "texts to choose from")
            asked = self._text(question, "a question") if (question or "").strip() else None
            return _shares(self._predict(path, "choose", lines, asked))

    def classify(self, path: str | None, labels: str, prompt: str) -> dict[str, float]:
        """The class of a clip, with shares, among those that are named or the model's own."""
        with in_words(path):
            if "multiple-choice" not in self._predictor.tasks:
                return _shares(self._predict(path, "classify", None, _NUM_ANSWERS))
            classes = lines_of(self._text(labels, "classes"), "classes")
            read = self._text(prompt, "a text with {}") if (prompt or "").strip() else PROMPTS[0]
            return _shares(self._predict(path, "classify", classes, _NUM_ANSWERS, read))

    def fill(self, path: str | None, text: str) -> dict[str, float]:
        """The words that fit a gap, with their shares."""
        with in_words(path):
            return _shares(self._predict(path, "fill", self._text(text, "a text with one [MASK]")))

    def explain(self, path: str | None, question: str | None, options: list[str] | None = None):
        """
        What an answer, or the choice among several texts, or the score of one rests on.

        Returns:
            A picture of each frame, and what the test of them says.
        """
        caption = None
        if options is not None and len(options) == 1:
            caption, options, question = options[0], None, None
        with in_words(path):
            clip = self._open(path)
            explanation = self._within(path, lambda: explain(self._predictor, clip, question, None, caption, options))
            figures = [draw_explanation(explanation, frame) for frame in range(len(explanation.frames))]
            return [join_figures([figure]) for figure in figures], explanation.verdict

    def search(self, sentence: str) -> tuple[list[tuple[Image.Image, str]], str, list[Any]]:
        """Moments of the index: their thumbnails, a line about them, and what is kept to play them."""
        with in_words():
            if self.index is None:
                raise ValueError("This page has no index to search.")
            text = self._text(sentence, "a sentence")
            rerank = NUM_RERANKED if self.index.encoder.model.scorer is not None else 0
            moments = self.index.search(text, _NUM_MOMENTS, num_reranked=rerank)
            shown = []
            for moment in moments:
                span = "" if moment.duration is None else f" {show_time(moment.start)}-{show_time(moment.end)}"
                mark = "no match: " if moment.is_match is False else ""  # first: the end is cut where room is short
                shown.append((_thumbnail(moment.thumbnail), f"{mark}{Path(moment.path).name}{span}"))
            if not moments:
                told = "The index is empty."
            elif not any(moment.is_match is not False for moment in moments):
                told = "No match: unrelated sentences are as similar to something as this one. The nearest are below."
            else:
                num_matches = sum(moment.is_match is not False for moment in moments)
                told = f"{num_matches} of {len(moments)} match. Choose one to play it."
            return shown, told, moments

    def play(self, moments: list[Any], number: int) -> str:
        """The file of a moment, cut out of its video."""
        from ..search import export_moments

        with in_words():
            if not 0 <= number < len(moments):
                raise ValueError("Search first, and choose one of the moments.")
            moment = moments[number]
            with in_words(moment.path):
                for old in Path(self._moments.name).iterdir():
                    if old.is_file() and old.stat().st_mtime < time.time() - _KEPT:
                        old.unlink()
                (written,) = export_moments([moment], self._moments.name)
                if written["file"] is None:
                    raise ValueError(written["reason"])
                return written["file"]

    @property
    def _predictor(self) -> Predictor:
        if self.predictor is None:
            raise ValueError("This page has no model that answers.")
        return self.predictor

    @property
    def _processor(self):
        if self.predictor is not None:
            return self.predictor.processor
        assert self.index is not None  # one of the two is there
        return self.index.encoder.processor

    def _open(self, path: str | None):
        if path is None:
            raise ValueError("Choose a clip first.")
        return open_upload(path, self.limits)

    def _within(self, path: str | None, read):
        return run_within(self.limits.seconds_to_read, Path(path or "").name, read)

    def _predict(self, path: str | None, method: str, *arguments: Any) -> Prediction:
        clip = self._open(path)
        return self._within(path, lambda: getattr(self._predictor, method)(clip, *arguments))

    def _text(self, text: str | None, what: str) -> str:
        """A text field that is not empty, and not too long."""
        if not (text or "").strip():
            raise ValueError(f"Write {what} first.")
        if len(text or "") > _LONGEST_TEXT:
            raise ValueError(f"That is longer than {_LONGEST_TEXT} characters; write {what}.")
        return (text or "").strip()


def _shares(prediction: Prediction) -> dict[str, float]:
    return {entry["answer"]: entry["score"] for entry in prediction.top_k[:_NUM_ANSWERS]}


def _thumbnail(data: bytes | None) -> Image.Image:
    return Image.open(io.BytesIO(data)) if data else Image.new("RGB", (16, 16), "grey")


def build_demo(page: DemoPage, examples: list[str] | None = None) -> "gradio.Blocks":
    """
    Lay out the page.

    Args:
        page ([`DemoPage`]): What it does.
        examples (`list` of `str`, *optional*): Clips of this machine to choose from.

    Returns:
        `gradio.Blocks`, to be started by [`launch`].
    """
    import gradio as gr

    tasks = () if page.predictor is None else page.predictor.tasks
    queue: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model"}  # one request at a time has the model
    with gr.Blocks(title="All-in-one", analytics_enabled=False, delete_cache=(_KEPT, _KEPT)) as demo:
        gr.Markdown(_head(page))
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                clip = gr.File(label=f"A video or an image ({page.limits})", file_types=_SUFFIXES, elem_id="clip")
                if examples:
                    gr.Examples([[path] for path in examples], clip, label="or one of these", cache_examples=False)
                told = gr.Markdown()
                frames = gr.Gallery(label="What the model sees", columns=2, height="auto", interactive=False)
                clip.change(page.show_frames, clip, [frames, told], **queue)
            with gr.Column(scale=2, min_width=320), gr.Tabs():
                if "question-answering" in tasks:
                    _add_ask(gr, page, clip, queue)
                if "multiple-choice" in tasks:
                    _add_choose(gr, page, clip, queue)
                if "classification" in tasks:
                    _add_classify(gr, page, clip, queue)
                if "masked-lm" in tasks:
                    _add_fill(gr, page, clip, queue)
                if page.index is not None:
                    _add_search(gr, page, queue)
    return demo


def launch(demo: "gradio.Blocks", page: DemoPage, **options: Any) -> Any:
    """
    Start the page.

    Args:
        demo (`gradio.Blocks`): From [`build_demo`].
        page ([`DemoPage`]): What it does.
        options: Of `gradio.Blocks.launch`, such as `server_port`.

    Returns:
        What `launch` returns.
    """
    import gradio as gr

    return demo.queue(max_size=64).launch(
        max_file_size=f"{page.limits.megabytes}mb",
        theme=gr.themes.Default(**THEME),  # type: ignore[arg-type]
        footer_links=[],
        show_error=True,  # also where Gradio refuses a file that was not uploaded
        ssr_mode=False,
        **options,
    )


def _head(page: DemoPage) -> str:
    """What the page is, to someone who has not seen it."""
    lines = ["# Ask a clip", "A small model looks at a few frames of a video, and answers."]
    if page.predictor is not None:
        name, answers = Path(page.predictor.name).name, page.predictor.model.config.id2label or {}
        lines[1] += f" This one is **{name}**."
        known = list(answers.values())
        if "question-answering" in page.predictor.tasks or "multiple-choice" not in page.predictor.tasks:
            some = ", ".join(f"*{answer}*" for answer in known[:12])
            lines.append(f"It knows {len(known)} answers: {some}{' and more' if len(known) > 12 else ''}.")
    return "\n\n".join(lines)


def _add_explanation(gr: Any, compute: Any, inputs: list, queue: dict[str, Any], name: str) -> None:
    """A button that shows what an answer rests on."""
    button = gr.Button("What does it rest on?", variant="secondary", elem_id=f"{name}-why")
    verdict = gr.Markdown()
    picture = gr.Gallery(
        label="What it rests on, frame by frame",
        elem_id=f"{name}-picture",
        interactive=False,
        columns=2,
        object_fit="contain",
        height="auto",
    )
    button.click(compute, inputs, [picture, verdict], api_name=f"explain_{name}", **queue)


def _add_ask(gr: Any, page: DemoPage, clip: Any, queue: dict[str, Any]) -> None:
    with gr.Tab("Ask"):
        question = gr.Textbox(label="Question", placeholder="what colour is the shape?", max_length=_LONGEST_TEXT)
        button = gr.Button("Ask", variant="primary", elem_id="ask")
        answer = gr.Label(label="Answer", elem_id="answer")
        gr.on([button.click, question.submit], page.ask, [clip, question], answer, api_name="ask", **queue)
        _add_explanation(gr, lambda path, asked: page.explain(path, _need(asked)), [clip, question], queue, "ask")


def _add_choose(gr: Any, page: DemoPage, clip: Any, queue: dict[str, Any]) -> None:
    with gr.Tab("Choose"):
        options = gr.Textbox(label="Texts to choose from, one a line", lines=4, max_length=_LONGEST_TEXT)
        question = gr.Textbox(label="What they answer, if anything", max_length=_LONGEST_TEXT)
        button = gr.Button("Choose", variant="primary", elem_id="choose")
        answer = gr.Label(label="Which fits best", elem_id="choice")
        button.click(page.choose, [clip, options, question], answer, api_name="choose", **queue)

        def why(path: str | None, options: str, question: str):
            with in_words(path):
                lines = lines_of(options, "texts to choose from")
            return page.explain(path, question.strip() or None, lines)

        _add_explanation(gr, why, [clip, options, question], queue, "choose")


def _add_classify(gr: Any, page: DemoPage, clip: Any, queue: dict[str, Any]) -> None:
    has_own = "multiple-choice" not in page._predictor.tasks
    with gr.Tab("Classify"):
        labels = gr.Textbox(label="Classes, one a line", lines=4, max_length=_LONGEST_TEXT, visible=not has_own)
        prompt = gr.Textbox(PROMPTS[0], label="What is read for a class ({} is its name)", visible=not has_own)
        button = gr.Button("Classify", variant="primary", elem_id="classify")
        answer = gr.Label(label="Class", elem_id="class")
        button.click(page.classify, [clip, labels, prompt], answer, api_name="classify", **queue)
        if has_own:
            _add_explanation(gr, lambda path: page.explain(path, None), [clip], queue, "classify")


def _add_fill(gr: Any, page: DemoPage, clip: Any, queue: dict[str, Any]) -> None:
    with gr.Tab("Fill a gap"):
        mask = page._predictor.processor.tokenizer.mask_token
        text = gr.Textbox(label=f"A text with one {mask}", placeholder=f"a {mask} moves up", max_length=_LONGEST_TEXT)
        button = gr.Button("Fill", variant="primary", elem_id="fill")
        answer = gr.Label(label="Word", elem_id="word")
        gr.on([button.click, text.submit], page.fill, [clip, text], answer, api_name="fill", **queue)
        if "question-answering" not in page._predictor.tasks:
            _add_explanation(gr, lambda path, asked: page.explain(path, _need(asked)), [clip, text], queue, "fill")


def _add_search(gr: Any, page: DemoPage, queue: dict[str, Any]) -> None:
    with gr.Tab("Search"):
        sentence = gr.Textbox(label="What is to be seen", max_length=_LONGEST_TEXT, elem_id="sentence")
        button = gr.Button("Search", variant="primary", elem_id="search")
        told, found = gr.Markdown(), gr.State([])
        moments = gr.Gallery(
            label="Moments", columns=3, height="auto", allow_preview=False, interactive=False, elem_id="moments"
        )
        video = gr.Video(label="Moment", interactive=False, height=360, autoplay=True, elem_id="moment")
        searched = [moments, told, found]
        gr.on([button.click, sentence.submit], page.search, sentence, searched, api_name="search", **queue)

        def play(event: gr.SelectData, moments: list[Any]) -> str:
            return page.play(moments, int(event.index))

        moments.select(play, found, video, api_visibility="private", **queue)


def _need(text: str | None) -> str:
    with in_words():
        if not (text or "").strip():
            raise ValueError("Write something first.")
    return (text or "").strip()
