"""Shards for the tests, whole and broken."""

import io
import json
import tarfile
from pathlib import Path

ROWS_PER_SHARD = 7


def write_tar(path: Path, files: dict[str, bytes | dict]) -> Path:
    """A tar file of files, of which dictionaries are written as JSON."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            data = json.dumps(content).encode() if isinstance(content, dict) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def sample(key: str, media: bytes = b"film " * 300, **fields) -> dict[str, bytes | dict]:
    """The files of a sample; a stream does not look into its film."""
    return {f"{key}.json": {"caption": f"what {key} shows", "sample_id": key} | fields, f"{key}.mp4": media}


def write_shards_of_text(
    folder: Path, num_shards: int, name: str = "shard", num_rows: int = ROWS_PER_SHARD
) -> list[str]:
    """Shards of rows without films worth the name; returns the ids of the rows."""
    keys = [[f"{name}{shard}x{number}" for number in range(num_rows)] for shard in range(num_shards)]
    for shard, of_shard in enumerate(keys):
        files = [sample(key) for key in of_shard]
        write_tar(folder / f"{name}-{shard:03}.tar", {file: data for one in files for file, data in one.items()})
    return [key for of_shard in keys for key in of_shard]
