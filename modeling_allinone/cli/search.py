# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone search`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .index import Index
from .options import AsJson, Device, Dtype, End, Start, locate_clip, without_bars
from .output import show_json

if TYPE_CHECKING:
    from ..search.moments import Moment
    from ..search.video_index import VideoIndex

# So many joint passes a model of the B size makes in some seconds on two cores.
NUM_RERANKED = 20


def search(
    index: Index,
    sentence: Annotated[
        str | None, typer.Argument(metavar="SENTENCE", help="What is to be seen.", show_default=False)
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="In place of a sentence, a picture of such.", show_default="none"),
    ] = None,
    video: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="In place of a sentence, a clip of such, of which --start and --end take a part.",
            show_default="none",
        ),
    ] = None,
    start: Start = None,
    end: End = None,
    top_k: Annotated[int, typer.Option(min=1, metavar="N", help="How many moments to show.")] = 5,
    within: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="One of the videos, or a folder of them.", show_default="all of the index"),
    ] = None,
    rerank: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="How many of the best windows the model reads again, together with the sentence, which is finer and "
            "takes longer.",
            show_default=f"{NUM_RERANKED}, if the model can",
        ),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write a page with them, which plays each.", show_default="none"),
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Write each as a video file of its own.", show_default="none"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="MODEL", help="Where its model is now.", show_default="where it was"),
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
) -> int:
    """
    Find moments in your own videos, by a sentence, a picture or a clip.

    allinone search "a dog runs to the left" --index my-index
    allinone search --image dog.jpg --index my-index --export found

    Exit status 1 if a moment could not be written.
    """
    query = _read_query(sentence, image, video, start, end)
    if rerank and sentence is None:
        raise ValueError(f"--rerank is {rerank}, but only a sentence is read again together with videos.")

    from ..evaluation.video_encoder import VideoEncoder
    from ..search import VideoIndex, export_moments, write_results_page

    with without_bars():
        encoder = None if model is None else VideoEncoder.from_pretrained(model, device, dtype)
        opened = VideoIndex.open(index, encoder, device=device, dtype=dtype)
    if rerank is None:
        rerank = NUM_RERANKED if sentence is not None and opened.encoder.model.scorer is not None else 0
    picture = None if sentence is not None else _picture_of(query, image is not None)
    moments = opened.search(query, top_k=top_k, within=within, num_reranked=rerank)

    asked = sentence if sentence is not None else str(image or video)
    exported = export_moments(moments, export) if export is not None else []
    if html is not None:
        write_results_page(
            html,
            asked,
            moments,
            is_sentence=sentence is not None,
            query_picture=picture,
            files=[entry["file"] for entry in exported] or None,
            notes=_notes(opened, query),
        )
    if as_json:
        more = [{name: entry[name] for name in ("file", "reason")} for entry in exported] or [{}] * len(moments)
        show_json([moment.as_row() | entry for moment, entry in zip(moments, more, strict=True)])
    else:
        _show(asked if sentence is None else f'"{sentence}"', moments, exported, opened)
        if html is not None:
            typer.echo(f"page: {html}")
    return int(any(entry["file"] is None for entry in exported))


def _read_query(
    sentence: str | None, image: str | None, video: str | None, start: float | None, end: float | None
) -> Any:
    """What is looked for, which is named in one way."""
    given = [
        name for name, value in (("a sentence", sentence), ("--image", image), ("--video", video)) if value is not None
    ]
    if not given:
        raise ValueError("There is nothing to look for: give a sentence, --image FILE or --video FILE.")
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} are given; expected one of them.")
    if video is None and (start is not None or end is not None):
        raise ValueError(
            "--start and --end take a part of --video, which is not given; --within chooses where to look."
        )
    if video is not None:
        return locate_clip(video, start, end)
    return sentence if image is None else Path(image)


def _picture_of(query: Any, is_picture: bool) -> bytes:
    """A frame of a picture or a clip, as JPEG."""
    import numpy as np

    from ..models.video_decoding_allinone import open_clip
    from ..search.window_reading import encode_thumbnail

    part: Mapping[str, Any] = query if isinstance(query, Mapping) else {"video": str(query)}
    clip = open_clip(part["video"], part["video"])
    if clip.is_image != is_picture:
        kind, option = ("a picture", "--image") if clip.is_image else ("no picture", "--video")
        raise ValueError(f"{part['video']} is {kind}; give it by {option}.")
    try:
        first, stop = (0, 1) if is_picture else clip.window(part.get("start"), part.get("end"))
    except ValueError as error:
        raise ValueError(f"{part['video']}: {error}") from error
    return encode_thumbnail(clip.read(np.array([(first + stop) // 2]))[0])


def _notes(index: "VideoIndex", query: Any) -> list[str]:
    """What a reader of the page has to know."""
    if not isinstance(query, str) or not index.is_cut(query):
        return []
    return ["The sentence is longer than the model reads; what lies behind its end is not looked for."]


def _show(asked: str, moments: Sequence["Moment"], exported: Sequence[Mapping[str, Any]], index: "VideoIndex"):
    """A table for people."""
    from ..data.video_windows import show_time
    from ..search.results_page import printable, show_chance

    number = f"{index.num_windows:,} windows"
    if not moments:
        typer.echo(f"{printable(asked)}: nothing was found in {number}")
    elif all(moment.is_match is False for moment in moments):
        typer.echo(f"{printable(asked)}: no match in {number}. The nearest:")
    else:
        typer.echo(f"{printable(asked)}, in {number}:")
    lines = []
    for place, moment in enumerate(moments, start=1):
        is_image = moment.end <= moment.start
        worth = {None: "", True: "match", False: "no match"}[moment.is_match]
        if moment.chance is not None:
            worth += f" (chance: {show_chance(moment.chance)})"
        path = printable(_shorten(moment.path))
        if not os.path.exists(moment.path):
            path += " (gone since it was indexed)"
        times = "picture" if is_image else f"{show_time(moment.start)}-{show_time(moment.end)}"
        lines.append([str(place), times, f"{moment.score:.3f}", worth, path])
    widths = [max(map(len, column)) for column in zip(*(line[:-1] for line in lines), strict=True)]
    for line in lines:
        cells = [f"{cell:{width}}" for cell, width in zip(line, widths, strict=False) if width]
        typer.echo("  " + "  ".join([*cells, line[-1]]))
    for entry in exported:
        typer.echo(entry["file"] or f"not written: {printable(entry['reason'])}")


def _shorten(path: str) -> str:
    """A path from here, if it is below."""
    here = os.path.join(os.getcwd(), "")
    return path.removeprefix(here)
