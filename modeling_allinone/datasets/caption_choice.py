"""Rows of videos that have several captions."""

from collections.abc import Iterator, Sequence

MODES = ("list", "first", "each")


def caption_rows(row: dict, captions: Sequence[str], split: str, mode: str | None = None) -> Iterator[dict]:
    """Turn a video with its captions into rows.

    Args:
        row (`dict`): What the rows have in common; its `video_id` names them.
        captions (`Sequence[str]`): At least one.
        split (`str`): The split, which decides where `mode` does not.
        mode (`str`, *optional*): "list": one row with all captions, of which training draws one; "first": one row
            with the first, a fixed query for retrieval; "each": a row for each. By default "list" for the training
            split, "first" for others.

    Yields:
        `dict`

    Raises:
        ValueError: For an unknown mode.

    Example:
        >>> list(caption_rows({"video_id": "7"}, ["a cat", "a pet"], "test"))
        [{'video_id': '7', 'caption': 'a cat', 'sample_id': '7'}]
    """
    mode = ("list" if split == "train" else "first") if mode is None else mode
    if mode not in MODES:
        raise ValueError(f"caption_mode is {mode!r}; expected one of {', '.join(map(repr, MODES))}.")
    if mode == "list":
        yield row | {"captions": list(captions), "sample_id": row["video_id"]}
    elif mode == "first":
        yield row | {"caption": captions[0], "sample_id": row["video_id"]}
    else:
        for number, caption in enumerate(captions):
            yield row | {"caption": caption, "sample_id": f"{row['video_id']}-{number}"}
