# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
The tables of an index, in LanceDB: `windows`, a row for each; `broken`, videos that cannot be read; `settings`, what
the index was made with, as JSON.

The windows of a video are written, replaced and removed in one commit each, so that wherever a process is killed, a
video has all of its windows once, or none.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

FORMAT = 1
# What version 0.1 and the first form of 0.2 wrote.
_OLD_NAMES = ("index.safetensors", "features.safetensors")
_TABLES = ("settings", "windows", "broken")
# For how long others may read a version of a table that is no longer the latest.
_KEPT = timedelta(minutes=10)
# Rows of a query by keys, which stand in its text.
_KEYS_AT_ONCE = 200


class Stamp(NamedTuple):
    """What tells whether a file has changed: its size in bytes, and when it was changed, in nanoseconds."""

    size: int
    modified: int


class KnownVideo(NamedTuple):
    """A video of the index: its stamp, and a digest of what is in it."""

    stamp: Stamp
    content: str


class IndexTables:
    """
    What an index holds.

    Args:
        uri (`str` or `Path`): A folder, or what else `lancedb.connect` takes, such as `s3://bucket/index`.
        is_replaced (`bool`, defaults to `False`): Whether what is there, and may be damaged, is not opened, as
            `create` replaces it.

    Raises:
        ImportError: If LanceDB is not installed.
        OSError: If the place cannot be read.
    """

    def __init__(self, uri: str | Path, is_replaced: bool = False):
        try:
            import lancedb
        except ImportError as error:
            raise ImportError(
                'An index of videos needs LanceDB; install it with `pip install "modeling_allinone[search]"`.'
            ) from error
        self.uri = str(uri)
        self.folder = None if "://" in self.uri else Path(self.uri)
        if self.folder is not None and self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"{self.uri} is a file; give the folder of an index.")
        self._cache: tuple[int, dict[str, np.ndarray], torch.Tensor] | None = None
        self._connect = partial(lancedb.connect, self.uri)  # which makes a folder that is missing
        self._tables: dict[str, Any] = {}
        if self.folder is None or self.folder.exists():
            with named_errors(self.uri):
                database = self._connect()
                names = () if is_replaced else set(database.list_tables().tables) & set(_TABLES)
                self._tables = {name: database.open_table(name) for name in names}

    @property
    def exists(self) -> bool:
        """Whether there is an index."""
        return set(self._tables) == set(_TABLES) and bool(self._tables["settings"].count_rows())

    @property
    def is_old(self) -> bool:
        """Whether there is one of an earlier format, as a file."""
        return self.folder is not None and any((self.folder / name).is_file() for name in _OLD_NAMES)

    def create(self, dimension: int, settings: Mapping[str, Any]):
        """
        Make an index; what is there already is removed.

        Args:
            dimension (`int`): Width D of its vectors.
            settings (mapping): What it is made with.
        """
        import pyarrow

        of_file = [("path", pyarrow.string()), ("size", pyarrow.int64()), ("modified", pyarrow.int64())]
        window = [
            ("place", pyarrow.int32()),
            ("start", pyarrow.float64()),
            ("end", pyarrow.float64()),
            ("duration", pyarrow.float64()),
            ("content", pyarrow.string()),
            ("fingerprint", pyarrow.string()),
            ("thumbnail", pyarrow.binary()),
            ("vector", pyarrow.list_(pyarrow.float32(), dimension)),
        ]
        schemas = {
            "windows": pyarrow.schema(of_file + window),
            "broken": pyarrow.schema([*of_file, ("reason", pyarrow.string())]),
            "settings": pyarrow.schema([("key", pyarrow.string()), ("value", pyarrow.string())]),
        }
        with named_errors(self.uri):
            if self.folder is not None:
                for name in _OLD_NAMES:
                    (self.folder / name).unlink(missing_ok=True)
            database = self._connect()
            for name in _TABLES:  # the settings, which say that there is an index, are removed first and written last
                if name in database.list_tables().tables:
                    database.drop_table(name)
            self._tables = {
                name: database.create_table(name, schema=schema, exist_ok=True) for name, schema in schemas.items()
            }
        self._cache = None
        self.settings = {"format": FORMAT, **settings}

    @property
    def settings(self) -> dict[str, Any]:
        """What the index was made with."""
        with named_errors(self.uri):
            self._tables["settings"].checkout_latest()
            rows = self._tables["settings"].to_arrow().to_pylist()
        return json.loads(rows[0]["value"]) if rows else {}

    @settings.setter
    def settings(self, settings: Mapping[str, Any]):
        row = {"key": "index", "value": json.dumps(settings, ensure_ascii=False)}
        self._merge("settings", "key", [row])

    # -----------------------------------------------------------------------------------------------------------------
    # Videos
    # -----------------------------------------------------------------------------------------------------------------

    def known(self) -> dict[str, KnownVideo]:
        """The videos of the index, by their paths."""
        rows = self._scan("windows", ["path", "size", "modified", "content"], "place = 0").to_pylist()
        return {row["path"]: KnownVideo(Stamp(row["size"], row["modified"]), row["content"]) for row in rows}

    def broken(self) -> dict[str, tuple[Stamp, str]]:
        """The videos that could not be read, by their paths: stamp and reason."""
        rows = self._scan("broken", ["path", "size", "modified", "reason"]).to_pylist()
        return {row["path"]: (Stamp(row["size"], row["modified"]), row["reason"]) for row in rows}

    def write(self, rows: Sequence[Mapping[str, Any]]):
        """
        Write whole videos, in the place of what the index has of them.

        Args:
            rows (sequence of mappings): All windows of some videos.
        """
        paths = {row["path"] for row in rows}
        self._merge("windows", ["path", "place"], rows, replacing=f"path IN ({quoted(paths)})")
        self.forget(paths)

    def write_broken(self, path: str, stamp: Stamp, reason: str):
        """Note that a video cannot be read, and remove what the index has of it."""
        self.remove([path])
        self._merge("broken", "path", [{"path": path, **stamp._asdict(), "reason": reason}])

    def forget(self, paths: Iterable[str]):
        """Note that videos are no longer broken."""
        self._delete("broken", paths)

    def remove(self, paths: Iterable[str]):
        """Remove videos."""
        self._delete("windows", paths)

    def move(self, path: str, new_path: str, stamp: Stamp):
        """Call a video by another path, or note that its file was written again with what was in it."""
        with named_errors(self.uri):
            values = {"path": new_path, **stamp._asdict()}
            self._tables["windows"].update(where=f"path IN ({quoted([path])})", values=values)

    def compact(self):
        """Join small files, and remove what older versions of the tables need."""
        with named_errors(self.uri):
            for table in self._tables.values():
                table.optimize(cleanup_older_than=_KEPT)

    # -----------------------------------------------------------------------------------------------------------------
    # Vectors
    # -----------------------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """How many windows there are."""
        with named_errors(self.uri):
            self._tables["windows"].checkout_latest()
            return self._tables["windows"].count_rows()

    def vectors(self) -> tuple[dict[str, np.ndarray], torch.Tensor]:
        """
        All windows, which are kept in memory until the index has changed.

        Returns:
            `dict` of arrays of shape `(windows,)`: path, place, start, end and duration (NaN for none); and the
            vectors, a `torch.FloatTensor` of shape `(windows, D)`.
        """
        with named_errors(self.uri):
            self._tables["windows"].checkout_latest()
            version = self._tables["windows"].version
        if self._cache is None or self._cache[0] != version:
            names = ["path", "place", "start", "end", "duration"]
            table = self._scan("windows", [*names, "vector"])
            vectors = table["vector"].combine_chunks()
            values = vectors.flatten().to_numpy(zero_copy_only=False)
            columns = {name: table[name].to_numpy() for name in names}
            self._cache = version, columns, torch.tensor(values).view(len(table), vectors.type.list_size)
        return self._cache[1:]

    def thumbnails(self, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], tuple[bytes | None, Stamp]]:
        """The thumbnails of windows, and the stamps of their videos, by their paths and places."""
        found, names = {}, ["path", "place", "size", "modified"]
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            paths, places = quoted({path for path, _ in some}), ", ".join({str(place) for _, place in some})
            rows = self._scan("windows", [*names, "thumbnail"], f"path IN ({paths}) AND place IN ({places})")
            for row in rows.to_pylist():
                stamp = Stamp(row["size"], row["modified"])
                found[row["path"], row["place"]] = row["thumbnail"], stamp
        return found

    def build_ann(self, num_partitions: int):
        """Make an index of the vectors, by which the nearest are found without looking at all."""
        from lancedb.index import HnswSq

        with named_errors(self.uri):
            config = HnswSq(distance_type="dot", num_partitions=num_partitions)
            self._tables["windows"].create_index("vector", config=config, replace=True)

    def nearest(
        self, vector: torch.Tensor, k: int, num_probes: int, where: str | None = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """
        The nearest windows, by the index of the vectors.

        Args:
            vector (`torch.FloatTensor` of shape `(D,)`)
            k (`int`): How many.
            num_probes (`int`): How many partitions are looked at.
            where (`str`, *optional*): Which windows, in SQL.

        Returns:
            As in `vectors`, and similarities (k,).
        """
        names = ["path", "place", "start", "end", "duration"]
        with named_errors(self.uri):
            query: Any = self._tables["windows"].search(vector.numpy(), vector_column_name="vector")
            query = query.distance_type("dot").nprobes(num_probes).ef(max(4 * k, 128)).refine_factor(4).limit(k)
            if where is not None:
                query = query.where(where, prefilter=True)
            query = query.select([*names, "_distance"])
            table = query.to_arrow()
            if len(table) < k:  # others lie in partitions that were not looked at; if so, all are compared
                table = query.bypass_vector_index().to_arrow()
        return {name: table[name].to_numpy() for name in names}, 1 - table["_distance"].to_numpy()

    # -----------------------------------------------------------------------------------------------------------------
    # LanceDB
    # -----------------------------------------------------------------------------------------------------------------

    def _scan(self, name: str, columns: list[str], where: str | None = None):
        with named_errors(self.uri):
            self._tables[name].checkout_latest()
            query = self._tables[name].search().select(columns)
            return (query if where is None else query.where(where)).to_arrow()

    def _merge(self, name: str, on: str | list[str], rows: Sequence[Mapping[str, Any]], replacing: str | None = None):
        import pyarrow

        with named_errors(self.uri):
            table = self._tables[name]
            table.checkout_latest()
            merge = table.merge_insert(on).when_matched_update_all().when_not_matched_insert_all()
            if replacing is not None:
                merge = merge.when_not_matched_by_source_delete(replacing)
            merge.execute(pyarrow.Table.from_pylist(list(rows), schema=table.schema))

    def _delete(self, name: str, paths: Iterable[str]):
        chosen = list(paths)
        with named_errors(self.uri):
            self._tables[name].checkout_latest()
            for start in range(0, len(chosen), _KEYS_AT_ONCE):
                self._tables[name].delete(f"path IN ({quoted(chosen[start : start + _KEYS_AT_ONCE])})")


def quoted(texts: Iterable[str]) -> str:
    """
    Texts as literals of SQL.

    Args:
        texts (iterable of `str`)

    Returns:
        `str`

    Example:

    ```python
    >>> print(quoted(["a", "it's"]))
    'a', 'it''s'

    ```
    """
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)


@contextmanager
def named_errors(uri: str) -> Iterator[None]:
    """Whatever LanceDB raises of an index that cannot be read or written, as one error that names it."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        reason = reason[:200].rsplit(", ", 1)[0] if len(reason) > 200 else reason
        if any(word in reason for word in ("No space left", "Permission denied", "Read-only", "os error 28")):
            raise OSError(f"The index in {uri} cannot be written ({reason}).") from error
        raise ValueError(
            f"The index in {uri} cannot be read ({reason or type(error).__name__}): it is damaged, or its place "
            "is not to be reached. Make it anew, by --overwrite, if it is damaged."
        ) from error
