# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Recipes of fine-tuning and pre-training as YAML files, and suites of them."""

from difflib import get_close_matches
from pathlib import Path

RECIPES = Path(__file__).parent
SUITES = RECIPES / "suites"
OWN_VIDEOS = RECIPES / "own_videos.yaml"  # of every task: what `allinone train` does without a recipe
_NO_RECIPES = ("own_videos", "published_scores")


def list_recipes() -> list[str]:
    """
    The recipes that come with the package.

    Returns:
        `list` of `str`: Their names, in the order of the alphabet.

    Example:

    ```python
    >>> list_recipes()[-2:]
    ['vcr', 'vqav2']

    ```
    """
    paths = (path for path in RECIPES.rglob("*.yaml") if SUITES not in path.parents)
    names = (path.relative_to(RECIPES).with_suffix("").as_posix() for path in paths)
    return sorted(name for name in names if name not in _NO_RECIPES)


def find_recipe(name: str | Path) -> Path:
    """
    The file of a recipe.

    Args:
        name (`str` or `Path`): A file, or the name of a recipe that comes with the package, with `.yaml` or without.

    Returns:
        `Path`

    Raises:
        ValueError: If there is neither.

    Example:

    ```python
    >>> find_recipe("moving_shapes/pretrain").name
    'pretrain.yaml'

    ```
    """
    if Path(name).is_file():
        return Path(name)
    known, asked = list_recipes(), Path(name).as_posix().removesuffix(".yaml")
    if asked in known:
        return RECIPES / f"{asked}.yaml"
    near = get_close_matches(asked, known) or get_close_matches(asked.split("/")[-1], known)
    remark = f"; did you mean {' or '.join(near)}?" if near else "."
    raise ValueError(f"There is no recipe {name}, neither a file nor one that comes with the package{remark}")


__all__ = ["OWN_VIDEOS", "RECIPES", "SUITES", "find_recipe", "list_recipes"]
