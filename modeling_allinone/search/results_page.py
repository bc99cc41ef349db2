# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a search found, as a page for a browser."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from transformers.utils import is_av_available

from ..data.video_windows import show_time
from ..models.video_sources_allinone import is_url
from .moments import Moment

if is_av_available():
    import av

# As FFmpeg calls them: what some browser plays. Whether the reader's does, the page finds out.
_PLAYED_CONTAINERS = {"mp4", "webm"}
_PLAYED_CODECS = {"h264", "hevc", "vp8", "vp9", "av1"}
_IMAGES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"}
_EXPORT = "allinone search with --export writes what every browser plays."


def write_results_page(
    path: str | Path,
    query: str,
    moments: Sequence[Moment],
    *,
    is_sentence: bool = True,
    query_picture: bytes | None = None,
    files: Sequence[str | Path | None] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """
    Write a page with what was found: one file, with pictures inside, that needs no network. A click on a picture plays
    the moment, from the video where it lies, and stops at its end.

    Args:
        path (`str` or `Path`): Where to write; what is there is replaced. Videos are named relative to its folder, so
            that both can be moved together.
        query (`str`): The sentence that was looked for, or what the picture or the clip is called.
        moments (sequence of [`Moment`]): Best first.
        is_sentence (`bool`, defaults to `True`): Whether `query` is what was looked for, and not just its name.
        query_picture (`bytes`, *optional*): The picture that was looked for, or one of the clip, as JPEG.
        files (sequence of paths or `None`, *optional*): What [`export_moments`] has written for each moment, which is
            played in place of the video.
        notes (sequence of `str`): What the reader has to know beside, each as a line.

    Returns:
        `Path`: The page.

    Raises:
        ValueError: If its folder cannot be made, or `path` is a folder.

    Example:

    ```python
    >>> from modeling_allinone.search import Moment, write_results_page

    >>> moments = [Moment("videos/a.mp4", 65.0, 75.0, score=0.62, similarity=0.62, chance=0.01, is_match=True)]
    >>> page = write_results_page("found.html", "a dog barks", moments)
    >>> "1:05 – 1:15" in page.read_text(encoding="utf-8")
    True

    ```
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a page in it, such as {path / 'found.html'}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"{path} cannot be written, as {error.filename} is no folder.") from error
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    files = [None] * len(moments) if files is None else files
    page = environment.get_template("results_page.html.jinja").render(
        query=printable(query),
        is_sentence=is_sentence,
        query_picture=_data_address(query_picture),
        notes=[printable(note) for note in notes],
        hits=[_describe(moment, file, path) for moment, file in zip(moments, files, strict=True)],
        num_matches=sum(bool(moment.is_match) for moment in moments),
        is_no_match=all(moment.is_match is False for moment in moments),
        is_measured=any(moment.is_match is not None for moment in moments),
    )
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(page, encoding="utf-8")
    os.replace(unfinished, path)
    return path


def show_chance(chance: float) -> str:
    """
    How likely something is by chance, in words.

    Args:
        chance (`float`): 0 to 1.

    Returns:
        `str`: As per cent, or as one in so many.

    Example:

    ```python
    >>> [show_chance(chance) for chance in (0.34, 0.004, 0.0)]
    ['34 %', '1 in 250', 'less than 1 in 10,000']

    ```
    """
    if chance >= 0.05:
        return f"{chance:.0%}".replace("%", " %")
    return f"1 in {round(1 / chance):,}" if chance >= 1e-4 else "less than 1 in 10,000"


def printable(text: str) -> str:
    """
    A text in one line, whatever is in it.

    Args:
        text (`str`): Such as the name of a file, which may hold line ends and bytes that are no text.

    Returns:
        `str`: With escapes in place of what cannot be seen.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _describe(moment: Moment, file: str | Path | None, page: Path) -> dict[str, Any]:
    """What the template shows of a moment."""
    played = str(moment.path if file is None else file)
    is_image = moment.duration is None and moment.end <= moment.start
    kind = "image" if is_image or os.path.splitext(played)[1].lower() in _IMAGES else "video"
    stop, begin = (moment.end, moment.start) if file is None else (moment.end - moment.start, 0.0)
    address, obstacle = _address(played, page), _obstacle(played, kind)
    if kind == "video" and address:
        address += f"#t={begin:.10g},{stop:.10g}"
    return {
        "name": printable(os.path.basename(moment.path) or moment.path),
        "path": printable(moment.path),
        "kind": kind,
        "address": address if file is not None or is_url(played) or os.path.exists(played) else None,
        "stop": f"{stop:.10g}",
        "from": None if is_image else show_time(moment.start),
        "to": None if is_image else show_time(moment.end),
        "of": None if moment.duration is None else show_time(moment.duration),
        "score": moment.score,
        "similarity": moment.similarity,
        "is_match": moment.is_match,
        "chance": None if moment.chance is None else show_chance(moment.chance),
        "thumbnail": _data_address(moment.thumbnail),
        "obstacle": obstacle,
        "failure": f"This browser does not play this file, or it has gone. {_EXPORT}",
    }


def _data_address(picture: bytes | None) -> str | None:
    """A JPEG as an address that holds it."""
    return None if picture is None else f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"


def _address(video: str, page: Path) -> str | None:
    """Where a page finds a file: from its folder, or on another drive by its URI."""
    if is_url(video):
        return video if video.startswith(("http://", "https://")) else None
    try:
        relative = os.path.relpath(video, page.absolute().parent)
    except ValueError:  # another drive of Windows
        return Path(video).absolute().as_uri()
    return quote(os.fsencode(f"./{relative}".replace(os.sep, "/")), safe="/")


def _obstacle(video: str, kind: str) -> str | None:
    """Why no browser shows a file; `None` if one may."""
    if is_url(video):
        return (
            None if video.startswith(("http://", "https://")) else f"Browsers read nothing from such places. {_EXPORT}"
        )
    if not os.path.exists(video):
        return "This file has gone since it was indexed."
    if os.path.isdir(video):
        return "This is a folder of pictures, which browsers do not play."
    suffix = os.path.splitext(video)[1].lower()
    if kind == "image":
        return None if suffix in _IMAGES else f"Browsers do not show {suffix.removeprefix('.').upper()} files."
    try:
        with av.open(video, metadata_errors="ignore") as container:
            containers = set(container.format.name.split(","))
            codec = next((stream.codec_context for stream in container.streams.video), None)
            name = codec.codec.long_name.split(" / ")[0] if codec else "no pictures"
            if containers & _PLAYED_CONTAINERS and codec and codec.codec.canonical_name in _PLAYED_CODECS:
                return None
    except (av.error.FFmpegError, ValueError, IndexError):
        return "This file cannot be read any more."
    return f"Browsers do not play {suffix.removeprefix('.').upper()} files with {name}. {_EXPORT}"


__all__ = ["printable", "show_chance", "write_results_page"]
