"""Annotation files in miniature, and what is read from them."""

import json
import shutil
from pathlib import Path

from modeling_allinone.datasets import load_annotations


def write_files(root: Path, files: dict) -> Path:
    """Write files by path below `root`: text and bytes as they are, lists a JSON line each in `.jsonl`, else JSON."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        elif path.suffix == ".jsonl":
            path.write_text("".join(f"{json.dumps(entry)}\n" for entry in content), encoding="utf-8")
        else:
            path.write_text(json.dumps(content), encoding="utf-8")
    return root


def table(*rows: tuple, delimiter: str = "\t") -> str:
    """A table without quotes, a line for each row."""
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows)


def put_videos(root: Path, clip: Path, *names: str) -> None:
    """Copy one film to several places below `root`."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, root / name)


def read_rows(name: str, root: Path, split: str, **options) -> list[dict]:
    """Rows without what is null in them; videos, which are not there, are not looked for."""
    options.setdefault("on_missing_video", "ignore")
    return [
        {column: value for column, value in row.items() if value is not None}
        for row in load_annotations(name, root, split, **options)
    ]
