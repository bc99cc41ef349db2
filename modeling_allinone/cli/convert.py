# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone convert`."""

from itertools import pairwise
from pathlib import Path

import typer

from .output import run_as


def convert(context: typer.Context):
    """
    Convert a checkpoint of the original, or an image backbone to start from, to a folder that `--model` takes.

    allinone convert allinone_base.ckpt my-model --task multiple-choice
    allinone convert deit_base_patch16_224.pth my-start --text-model bert
    """
    from ..conversion import original_checkpoint, vision_checkpoint
    from ..conversion.conversion_output import cleaning_up

    arguments = [argument for argument in context.args if argument != "--json"] or ["--help"]
    checkpoint = find_checkpoint(arguments)
    is_backbone = checkpoint is not None and is_image_backbone(checkpoint, "--skip-checksums" in arguments)
    script = vision_checkpoint.convert if is_backbone else original_checkpoint.convert
    with cleaning_up():
        run_as(context, lambda _: script(arguments), context.args)


def find_checkpoint(arguments: list[str]) -> Path | None:
    """
    What is to be converted.

    Args:
        arguments (`list` of `str`): Those of either conversion.

    Returns:
        `Path`: The first word that is no option, no value of one, and the name of a file or folder; or `None`.
    """
    from ..conversion.conversion_output import build_parser
    from ..conversion.original_checkpoint import convert_checkpoint
    from ..conversion.vision_checkpoint import convert_vision_checkpoint

    parsers = [build_parser(convert, "") for convert in (convert_checkpoint, convert_vision_checkpoint)]
    with_value = {
        name for parser in parsers for action in parser._actions if action.nargs != 0 for name in action.option_strings
    }
    words = (word for before, word in pairwise(["", *arguments]) if before not in with_value)
    return next((Path(word) for word in words if Path(word).exists()), None)


def is_image_backbone(path: Path, skip_checksums: bool) -> bool:
    """
    Whether a checkpoint is none of the original, which keeps an image backbone below a name of its own.

    Args:
        path (`Path`): A file or a folder.
        skip_checksums (`bool`): See [`read_checkpoint`].

    Returns:
        `bool`: `False`, too, if it cannot be read, of which the conversion tells.
    """
    from ..conversion.original_checkpoint import BACKBONE_PREFIXES
    from ..conversion.safe_checkpoint import ConversionError, read_checkpoint

    if path.is_dir():
        return True
    try:
        tensors, _ = read_checkpoint(path, skip_checksums)
    except (OSError, ConversionError):
        return False
    return not any(name.startswith(BACKBONE_PREFIXES) for name in tensors)
