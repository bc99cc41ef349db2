# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone convert`."""

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
    checkpoint = next((Path(argument) for argument in arguments if Path(argument).exists()), None)
    is_backbone = checkpoint is not None and is_image_backbone(checkpoint, "--skip-checksums" in arguments)
    script = vision_checkpoint.convert if is_backbone else original_checkpoint.convert
    with cleaning_up():
        run_as(context, lambda _: script(arguments), context.args)


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
