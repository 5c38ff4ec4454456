# SPDX-License-Identifier: Apache-2.0
"""Many rows through one executable, in parts that are files: in this process here, on many machines
by ``tessera.ray``. Both leave the same bytes (``docs/scale.md``).

    from tessera import bulk

    done = bulk.run(rows, "packed.popef", "answers", key="id")      # rows: columns by name
    done = bulk.run(["a.parquet", "b.parquet"], "packed.popef", "answers")  # a file is a part"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tessera import _core
from tessera.bulk_parts import Folder, Part, part_of, read_part
from tessera.compiler import held_executable, inspect
from tessera.errors import Error, UsageError
from tessera.packed_model import Columns, PackedModel, Work
from tessera.packing import pack
from tessera.parquet import read_columns
from tessera.types import Path

__all__ = ["Bulk", "Plan", "Progress", "make_plan", "read_part", "run"]


class Progress(NamedTuple):
    """How far a run is."""

    rows: int  #: that have their answers
    of: int  #: 0: not known
    rows_per_second: float  #: of this run alone
    fill: float  #: the share of the batches that were tokens
    seconds_left: float  #: at this rate; infinite while not known
    part: Part  #: that was finished last

    def __str__(self) -> str:
        left = "" if math.isinf(self.seconds_left) else f", {self.seconds_left:,.0f} s left"
        of = f" of {self.of:,}" if self.of else ""
        return (
            f"{self.rows:,}{of} rows, {self.rows_per_second:,.0f} rows/s, "
            f"{100 * self.fill:.1f} % tokens{left}"
        )


class Bulk(NamedTuple):
    """The result of a run."""

    folder: str
    parts: int
    made: int  #: parts that were made now; the others were there
    work: Work  #: of all parts


class Plan(NamedTuple):
    """All rows packed at once: each part gets whole batches of that plan."""

    keys: np.ndarray[Any, Any]  #: sorted
    part: np.ndarray[Any, Any]
    place: np.ndarray[Any, Any]  #: in the order of packing
    batches: int

    def _rows(self, keys: Any) -> np.ndarray[Any, Any]:
        wanted = np.asarray(keys)
        rows = np.searchsorted(self.keys, wanted)
        rows[rows == len(self.keys)] = 0
        if not (self.keys[rows] == wanted).all():
            raise Error("the rows have a key that was not there when lengths were counted")
        return rows

    def parts_of(self, keys: Any) -> np.ndarray[Any, Any]:
        return np.asarray(self.part[self._rows(keys)])

    def order_of(self, keys: Any) -> list[int]:
        """These rows, in the order in which they are packed."""
        order: list[int] = np.argsort(self.place[self._rows(keys)], kind="stable").tolist()
        return order


def make_plan(
    keys: Any, lengths: Any, executable: _core.Executable, policy: str, part_rows: int
) -> Plan:
    """Packs the rows of a whole data set by their lengths. Takes some 300 bytes a row while it is
    made, and 20 afterwards."""
    array = np.asarray(keys)
    order = np.argsort(array, kind="stable")
    array = array[order]
    _check_keys(array)
    places = np.empty(len(array), np.int64)
    part = np.empty(len(array), np.int32)
    at = 0
    batches = pack(np.asarray(lengths)[order].tolist(), executable, policy=policy)
    for batch in batches:
        rows = [place.request for place in sorted(batch.placements, key=lambda one: one.start)]
        places[rows] = np.arange(at, at + len(rows))
        part[rows] = at // part_rows
        at += len(rows)
    _, part = np.unique(part, return_inverse=True)  # a batch may be larger than a part
    return Plan(array, part.astype(np.int32), places, len(batches))


def _check_keys(sorted_keys: np.ndarray[Any, Any]) -> None:
    twice = np.flatnonzero(sorted_keys[1:] == sorted_keys[:-1])
    if len(twice):
        raise Error(f"key {sorted_keys[twice[0]]!r}: is there twice, must be of one row")


def answer_part(
    model: PackedModel,
    folder: Folder,
    number: int,
    read: Callable[[], Columns],
    key: str,
    plan: Plan | None,
) -> Part:
    """Answers the rows of a part, in the order of their keys, and writes it. A part that is there
    already is left as it is, and its rows are not read."""
    done = folder.done(number)
    if done is not None:
        return done
    rows = read()
    if key:
        keys = np.asarray(rows[key])
        order = np.argsort(keys, kind="stable")
        _check_keys(keys[order])
        rows = {name: column[order] for name, column in rows.items()}
    made, work = model.answer(rows, None if plan is None else plan.order_of(rows[key]))
    names = sorted(made, key=lambda name: (name != key, name))
    return folder.write(number, {name: made[name] for name in names}, work)


def read_rows(path: str) -> dict[str, Any]:
    """The rows of a file: ``.parquet``, or ``.jsonl`` of an object a line."""
    if path.endswith(".parquet"):
        return read_columns(path)
    if not path.endswith(".jsonl"):
        raise UsageError(f"{path}: must be .parquet or .jsonl")
    lines = []
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                lines.append(json.loads(line))
            except (ValueError, RecursionError):
                raise Error(f"{path}:{number}: is not JSON, must be an object") from None
            if not isinstance(lines[-1], dict) or lines[-1].keys() != lines[0].keys():
                raise Error(f"{path}:{number}: must be an object with the names of the first")
    return {name: as_column([line[name] for line in lines]) for name in (lines or [{}])[0]}


def as_column(values: Any) -> Any:
    """An array; of rows that are lists themselves, an array of objects."""
    if isinstance(values, np.ndarray):
        return values
    if not len(values) or not isinstance(values[0], (list, tuple, np.ndarray)):
        return np.array(values)
    column = np.empty(len(values), object)
    for row, value in enumerate(values):
        column[row] = np.asarray(value)
    return column


def rows_where(rows: Columns, chosen: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The rows at which ``chosen`` is true."""
    return {name: column[chosen] for name, column in rows.items()}


def is_files(source: Any) -> bool:
    return (
        isinstance(source, (list, tuple))
        and len(source) > 0
        and all(isinstance(one, (str, os.PathLike)) for one in source)
    )


class Settings(NamedTuple):
    """A run that was checked, in this process or on Ray. Nothing is written yet."""

    executable: _core.Executable
    folder: Folder
    key: str  #: "": the rows are files
    parts: int
    model: dict[str, Any]  #: arguments of PackedModel, but the executable

    def made_model(self) -> PackedModel:
        return PackedModel(self.executable, **self.model)


def settings_of(
    executable: Path | bytes | _core.Executable,
    output: Path,
    *,
    files: Sequence[Path] | None,
    rows: int,
    key: str,
    histogram: bool,
    part_rows: int,
    file_format: str,
    model: Mapping[str, Any],
) -> Settings:
    """``files``: each is a part; None where ``rows`` rows have keys."""
    for name, number, least in (("rows", rows, 0), ("part_rows", part_rows, 1)):
        if number < least:
            raise UsageError(f"{name}: is {number}, must be at least {least}")
    if histogram and files is not None:
        raise UsageError(
            "histogram: a file is a part, and is packed by itself; give rows with keys"
        )
    options = dict(model)
    signer = options.pop("require_signature", None)
    held = held_executable(executable, options.get("limits"), signer)
    parts = max(1, math.ceil(rows / part_rows)) if files is None else len(files)
    key = key if files is None else ""
    if options.get("keep") is not None and key:
        options["keep"] = [key, *(name for name in options["keep"] if name != key)]
    told = {name: value for name, value in options.items() if name not in ("threads", "limits")}
    job = {
        "executable": inspect(held)["source_sha256"],
        "options": held.options,
        "key": key,
        "parts": parts,
        "part_rows": part_rows if histogram else 0,
        "packed_at_once": histogram,
        "files": None if files is None else [os.path.basename(os.fspath(one)) for one in files],
        "model": json.loads(json.dumps(told, default=list)),
    }
    folder = Folder(os.fspath(output), file_format, job)
    return Settings(held, folder, key, parts, options)


class Meter:
    """Turns finished parts into ``Progress``."""

    def __init__(self, of: int, tell: Callable[[Progress], None] | None) -> None:
        self._of, self._tell = of, tell
        self._begin = time.monotonic()
        self._work, self._fresh = Work(), 0

    def add(self, part: Part) -> None:
        self._work = self._work.plus(part.work)
        self._fresh += part.work.rows if part.fresh else 0
        if self._tell is None or not part.fresh:
            return
        rate = self._fresh / max(time.monotonic() - self._begin, 1e-9)
        left = (self._of - self._work.rows) / rate if self._of and rate else math.inf
        self._tell(Progress(self._work.rows, self._of, rate, self._work.fill, left, part))


def finish(folder: Folder, parts: Iterable[Part], rows: int, files: int) -> Bulk:
    """Writes the manifest, if every row is there: ``rows`` of them, or those of ``files``."""
    done = list(parts)
    there = sum(part.work.rows for part in done)
    if there != rows and not files:
        raise Error(f"{folder.path}: {there} rows were answered, must be {rows}; run it again")
    if len(done) < files:
        raise Error(f"{folder.path}: {len(done)} parts are there, must be {files}; run it again")
    work = folder.finish(done)
    return Bulk(folder.path, len(done), sum(part.fresh for part in done), work)


def run(
    source: Columns | Sequence[Path],
    executable: Path | bytes | _core.Executable,
    output: Path,
    *,
    key: str = "id",
    part_rows: int = 65536,
    histogram: bool = False,
    file_format: str = "parquet",
    progress: Callable[[Progress], None] | None = None,
    **model: Any,
) -> Bulk:
    """Answers every row of ``source``, in this process, into the folder ``output``.

    ``source``: columns by name, of rows that the column ``key`` numbers or names, each once; or
    files (``.parquet``, ``.jsonl``), each of which becomes a part with its rows in their order.
    Rows with keys are dealt to parts of some ``part_rows`` rows by a hash of the key, and stand in
    the order of their keys. ``histogram``: all lengths are counted first and all rows packed at
    once, and each part gets whole batches of that plan. ``file_format``: ``"parquet"`` (needs
    pyarrow) or ``"npz"``. Other keywords are of ``PackedModel``. ``progress`` is called with a
    ``Progress`` behind each part.

    What is there already is not made again: the same call goes on where one was ended. Raises
    ``UsageError`` for words that are off, and ``Error`` for a folder of another run, a key that is
    there twice, or a row that the executable does not take (``on_bad_row="keep"`` goes on)."""
    files = list(source) if is_files(source) else None
    if isinstance(source, Mapping):
        source = {name: as_column(column) for name, column in source.items()}
    rows = 0 if files is not None else _rows_of(source, key)
    settings = settings_of(
        executable,
        output,
        files=files,
        rows=rows,
        key=key,
        histogram=histogram,
        part_rows=part_rows,
        file_format=file_format,
        model=model,
    )
    meter = Meter(rows, progress)
    done = []
    # The model is made first: a slip in its options must be told before anything is written.
    with contextlib.closing(settings.made_model()) as packed:
        settings.folder.claim()
        pieces = _pieces(source, files, settings, packed, part_rows if histogram else 0)
        for number, read, plan in pieces:
            part = answer_part(packed, settings.folder, number, read, settings.key, plan)
            meter.add(part)
            done.append(part)
    return finish(settings.folder, done, rows, len(files or ()))


def _rows_of(source: Any, key: str) -> int:
    if not isinstance(source, Mapping):
        raise UsageError("source: must be columns by name, or a list of files")
    if key not in source:
        raise UsageError(f"source: has no column '{key}', must have one that numbers its rows")
    for name, column in source.items():
        if len(column) != len(source[key]):
            raise UsageError(f"source: column '{name}' has {len(column)} rows, key has others")
    return len(source[key])


def _pieces(
    source: Any,
    files: Sequence[Path] | None,
    settings: Settings,
    packed: PackedModel,
    planned_rows: int,
) -> Iterator[tuple[int, Callable[[], Columns], Plan | None]]:
    """The number of each part, a function that reads its rows, and the plan of all rows."""
    if files is not None:
        for number, path in enumerate(files):
            yield number, functools.partial(read_rows, os.fspath(path)), None
        return
    keys = np.asarray(source[settings.key])
    plan = None
    if planned_rows > 0:
        policy = settings.model.get("policy", "lpfhp")
        plan = make_plan(keys, packed.lengths(source), settings.executable, policy, planned_rows)
    part = part_of(keys, settings.parts) if plan is None else plan.parts_of(keys)
    for number in np.unique(part).tolist():
        yield number, functools.partial(rows_where, source, part == number), plan
