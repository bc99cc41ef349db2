# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone demo`."""

from typing import Annotated

import typer

from .options import Device, Dtype, load_predictor, without_bars


def demo(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Folder of a model that answers, or a repository of the Hub.",
            show_default="none, if there is an index",
        ),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option("--index", "-i", metavar="INDEX", help="Is searched, too.", show_default="none"),
    ] = None,
    examples: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Clips to choose from; at most 8 are shown.", show_default="none"),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Where it listens.")] = 7860,
    host: Annotated[
        str, typer.Option(metavar="NAME", help="For whom: 0.0.0.0 is for all who reach this machine.")
    ] = "127.0.0.1",
    max_megabytes: Annotated[int, typer.Option(min=1, metavar="N", help="The largest upload.")] = 100,
    max_seconds: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="The longest clip.")] = 600.0,
    device: Device = None,
    dtype: Dtype = None,
):
    """
    Start a page on which a model is asked about clips.

    allinone demo --model my-model --index my-index
    """
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise ImportError('The page needs Gradio; install it with `pip install "modeling_allinone[demo]"`.') from error
    from ..search.window_reading import list_videos
    from .demo_inputs import Limits
    from .demo_page import DemoPage, build_demo, launch

    if model is None and index is None:
        raise ValueError("There is nothing to show: give --model MODEL, or --index INDEX, or both.")
    clips = [] if examples is None else list_videos([examples])[:8]
    predictor = None if model is None else load_predictor(model, device, dtype)
    opened = None
    if index is not None:
        from ..search.video_index import VideoIndex

        with without_bars():
            opened = VideoIndex.open(index, device=device, dtype=dtype)
    page = DemoPage(predictor, opened, Limits(megabytes=max_megabytes, seconds=max_seconds))
    typer.echo(f"The page is at http://{host}:{port} (Ctrl+C ends it).")
    launch(build_demo(page, clips), page, server_name=host, server_port=port, quiet=True)
