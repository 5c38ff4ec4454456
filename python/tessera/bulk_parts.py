# SPDX-License-Identifier: Apache-2.0
"""The files of a bulk run: parts of rows, each written whole or not at all, and what says that one
is done.

    FOLDER/job.json            what the run is; another run does not write into its folder
    FOLDER/part-00017.parquet  rows and answers, or .npz
    FOLDER/part-00017.json     written behind it: rows, tokens, batches, SHA-256. The part is done
    FOLDER/manifest.json       written last: all of them. The run is done

None holds a time, a host or a number of workers: equal runs leave equal bytes."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tessera.errors import Error, UsageError
from tessera.packed_model import Columns, Work
from tessera.parquet import arrow, content_of, read_columns
from tessera.whole_files import TEMPORARY, write_whole

__all__ = ["Folder", "Part", "part_of", "read_part"]

FORMATS = ("parquet", "npz")
_ATTEMPTS = f"{TEMPORARY}attempts-"


def part_of(keys: Any, parts: int) -> np.ndarray[Any, Any]:
    """The part of each key: a hash of it, so that parts are alike whatever order keys come in, and
    the same on every machine."""
    array = np.asarray(keys)
    if array.dtype.kind in "iu":
        mixed = array.astype(np.uint64)  # splitmix64
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    else:
        digests = b"".join(
            hashlib.blake2b(_word(key).encode(), digest_size=8).digest() for key in array.tolist()
        )
        mixed = np.frombuffer(digests, "<u8")
    return (mixed % np.uint64(parts)).astype(np.int64)


def _word(key: Any) -> str:
    if not isinstance(key, str):
        raise UsageError(f"key: is {key!r}, must be a whole number or a text")
    return key


class Part(NamedTuple):
    """A part that is done."""

    number: int
    work: Work
    sha256: str
    fresh: bool = False  #: made now, not by an earlier run
    worker: int = 0  #: the process that made it

    def told(self) -> dict[str, Any]:
        return {"part": self.number, "sha256": self.sha256, **self.work._asdict()}


class Folder:
    """The folder that a run writes."""

    def __init__(self, path: str, kind: str, job: Mapping[str, Any]) -> None:
        if kind not in FORMATS:
            raise UsageError(f"file_format: '{kind}', must be one of {', '.join(FORMATS)}")
        self.path, self.kind = path, kind
        self.job = {"schema": "tessera-bulk/1", "format": kind, **job}

    def claim(self) -> None:
        """Makes the folder this run's, or finds that it already is."""
        if self.kind == "parquet":
            arrow()
        os.makedirs(self.path, exist_ok=True)
        text = json.dumps(self.job, indent=1, sort_keys=True) + "\n"
        file = os.path.join(self.path, "job.json")
        if not os.path.exists(file):
            if [name for name in os.listdir(self.path) if not name.startswith(".")]:
                raise Error(f"{self.path}: holds other files, must be new, empty or of this run")
            write_whole(file, text.encode())
            return
        with open(file, encoding="utf-8") as known:
            if known.read() != text:
                raise Error(
                    f"{file}: is of another run (executable, policy, parts, columns or source), "
                    "must be of this one; take another folder"
                )

    def name_of(self, number: int) -> str:
        return os.path.join(self.path, f"part-{number:05d}.{self.kind}")

    def done(self, number: int) -> Part | None:
        """The part, if an earlier run finished it."""
        try:
            with open(self._record_of(number), encoding="utf-8") as file:
                told = json.load(file)
        except (FileNotFoundError, ValueError):
            return None
        work = Work(*(int(told[name]) for name in Work._fields))
        return Part(number, work, str(told["sha256"]))

    def all_done(self) -> dict[int, Part]:
        numbers = (
            int(name[5:-5])
            for name in sorted(os.listdir(self.path))
            if name.startswith("part-") and name.endswith(".json")
        )
        found = {number: self.done(number) for number in numbers}
        return {number: part for number, part in found.items() if part is not None}

    def begin(self, number: int, most: int) -> None:
        """Counts how often a part is begun: one whose workers die each time must not go on for
        ever."""
        with open(self._attempts_of(number), "ab") as file:
            file.write(b".")
            begun = file.tell()
        if begun > most:
            raise Error(
                f"part {number}: {begun - 1} workers died at it, must be of rows that a worker can "
                "answer, and have the memory for them (part_rows)"
            )

    def forget_attempts(self) -> None:
        for name in os.listdir(self.path):
            if name.startswith(_ATTEMPTS):
                os.unlink(os.path.join(self.path, name))

    def _attempts_of(self, number: int) -> str:
        return os.path.join(self.path, f"{_ATTEMPTS}{number:05d}")

    def _record_of(self, number: int) -> str:
        return os.path.join(self.path, f"part-{number:05d}.json")

    def write(self, number: int, columns: Columns, work: Work) -> Part:
        """Writes a part, and then that it is done."""
        content = _parquet(columns) if self.kind == "parquet" else _npz(columns)
        write_whole(self.name_of(number), content)
        part = Part(number, work, hashlib.sha256(content).hexdigest(), True, os.getpid())
        write_whole(self._record_of(number), (json.dumps(part.told(), indent=1) + "\n").encode())
        return part

    def finish(self, parts: Sequence[Part]) -> Work:
        work = Work()
        for part in parts:
            work = work.plus(part.work)
        told = {
            "parts": [part.told() for part in sorted(parts, key=lambda part: part.number)],
            **work._asdict(),
        }
        text = json.dumps(told, indent=1) + "\n"
        write_whole(os.path.join(self.path, "manifest.json"), text.encode())
        for name in os.listdir(self.path):  # of writers that were killed
            if name.startswith(TEMPORARY):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.path, name))
        return work


def _ragged(column: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """All values end to end, and where each row's begin."""
    rows = [np.asarray(row) for row in column]
    ends = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)
    return (np.concatenate(rows) if rows else np.zeros(0, np.float32)), ends


def _is_ragged(column: Any) -> bool:
    return (
        isinstance(column, np.ndarray)
        and column.dtype == object
        and len(column) > 0
        and all(isinstance(row, (np.ndarray, list)) for row in column)
    )


def _npz(columns: Columns) -> bytes:
    arrays = {}
    for name, column in columns.items():
        if _is_ragged(column):
            arrays[name], arrays[f"{name}.starts"] = _ragged(column)
        else:
            array = np.asarray(column)
            arrays[name] = array.astype(str) if array.dtype == object else array
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _nested(values: np.ndarray[Any, Any]) -> Any:
    """Rows of one shape as lists of a fixed size."""
    flat = arrow().array(values.reshape(-1))
    for size in reversed(values.shape[1:]):
        flat = arrow().FixedSizeListArray.from_arrays(flat, size)
    return flat


def _parquet(columns: Columns) -> bytes:
    made = {}
    for name, column in columns.items():
        if _is_ragged(column):
            values, starts = _ragged(column)
            lists = arrow().LargeListArray
            made[name] = lists.from_arrays(arrow().array(starts), _nested(values))
        else:
            array = np.asarray(column)
            plain = array.ndim == 1 and array.dtype == object
            made[name] = arrow().array(array.tolist()) if plain else _nested(array)
    return content_of(arrow().table(made))


def read_part(path: str) -> dict[str, Any]:
    """The columns of a part, as ``PackedModel`` gave them."""
    if path.endswith(".npz"):
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return {
            name: _cut(array, arrays[f"{name}.starts"]) if f"{name}.starts" in arrays else array
            for name, array in arrays.items()
            if not name.endswith(".starts")
        }
    return read_columns(path)


def _cut(values: np.ndarray[Any, Any], starts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    rows = np.empty(len(starts) - 1, object)
    for row in range(len(rows)):
        rows[row] = values[starts[row] : starts[row + 1]]
    return rows
