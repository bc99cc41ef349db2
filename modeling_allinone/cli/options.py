# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Options that commands share."""

from typing import Annotated

import typer

Video = Annotated[str, typer.Argument(help="A video, an image, a folder of frames, or a URL.", show_default=False)]
Model = Annotated[str, typer.Option("--model", "-m", help="Folder of a trained model, or a repository of the Hub.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps, …; a GPU if there is one.")]
Dtype = Annotated[str | None, typer.Option(help="What it computes in, as bfloat16; that of the weights.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TopK = Annotated[int, typer.Option(min=1, help="How many answers to show.")]
Start = Annotated[float | None, typer.Option(min=0, help="Where the clip begins in the video, in seconds.")]
End = Annotated[float | None, typer.Option(min=0, help="Where it ends, in seconds.")]
