# SPDX-License-Identifier: Apache-2.0
"""A model compiled at many shapes and machines, in one table: which to take."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tessera import sweep_points
from tessera.compiler import model_inputs
from tessera.errors import Error, UsageError
from tessera.lengths import drawn, read_histogram
from tessera.packing import pack
from tessera.parquet import arrow, content_of
from tessera.sweep_picture import picture_of
from tessera.types import CompileOptions, Packing, Path
from tessera.whole_files import write_whole

__all__ = ["Sweep", "sweep"]

#: The share of its requests a second that a machine is planned to answer.
LOAD = 0.8
Row = dict[str, Any]
_FORMS = {"none": "none", "a": "A", "b": "B"}
_OWN = ("target", "precision", "input_shape", "pack_args", "passes")


class Sweep(NamedTuple):
    """The result of a sweep."""

    rows: list[Row]  #: a row a point, in the order of the lists
    best: Row | None  #: the row to take, None where none fits and is fast enough
    compiled: int  #: points that were compiled now; the others were known


def sweep(
    model: Path,
    lengths: Path | Sequence[int],
    output: Path | None = None,
    *,
    picture: Path | None = None,
    rows: Sequence[int] = (8, 16),
    row_length: Sequence[int] = (),
    forms: Sequence[str] = ("none", "A", "B"),
    max_valid_num: Sequence[int] = (0,),
    precision: Sequence[str] = ("fp32",),
    targets: Sequence[str] = ("c600",),
    options: Mapping[str, Sequence[Any]] | None = None,
    ids: str = "",
    rate: float = 0,
    latency: float = 0,
    draw: int = 8000,
    seed: int = 1,
    jobs: int = 0,
    ray: str | None = None,
    work: Path | None = None,
    keep_executables: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Sweep:
    """Compiles ``model`` at every point of the product of the lists, and says what each does with
    requests of ``lengths`` (a file that ``tessera pack`` reads, or the lengths): requests a second,
    seconds and bytes, all modelled, and the share of a batch that is tokens. ``front`` marks rows
    that no other beats in requests a second, batch time and tiles at once.

    ``output`` (``.csv`` or ``.parquet``) and ``picture`` (``.svg``) are written once all points are
    known. Each point is kept in the folder ``work`` (``output`` with ``.points`` behind) as soon as
    it is compiled, so that a sweep that was ended goes on where it was.

    ``row_length``: without it the longest request, rounded up to 8, and twice that.
    ``max_valid_num``: of form A; 0: a tenth more requests than fill a batch in the mean.
    ``options``: other keywords of ``tessera.compile``, with a list of values each. ``rate``
    requests a second are asked for and ``latency`` seconds a batch allowed: see ``Sweep.best``.
    ``jobs`` compiles run at a time, each a process (0: one a core), or on the Ray cluster ``ray``
    (its address, ``"auto"`` or ``"local"``). ``progress`` is called with how many points are done,
    of how many, and the last.

    Raises ``UsageError`` for a list that is wrong, ``Error`` for a file that cannot be read. A
    point that does not compile is a row with a ``failure``."""
    path = os.fspath(model)
    if not os.path.isfile(path):
        raise Error(f"{path}: is not there, must be an ONNX model")
    table = None if output is None else os.fspath(output)
    if table is not None and os.path.splitext(table)[1] not in (".csv", ".parquet"):
        raise UsageError(f"{table}: must end in .csv or .parquet")
    if table is not None and table.endswith(".parquet"):
        arrow()
    taken = _taken(lengths, draw, seed)
    points = _points(
        taken,
        rows=rows,
        row_length=row_length,
        forms=forms,
        max_valid_num=max_valid_num,
        precision=precision,
        targets=targets,
        options=options or {},
        ids=ids or _ids_of(path),
    )
    kept = f"{table}.points" if work is None and table is not None else work
    figures, compiled = _figures(
        path,
        points,
        None if kept is None else os.fspath(kept),
        jobs or os.cpu_count() or 1,
        ray,
        keep_executables,
        progress or (lambda done, of, what: None),
    )
    made = [_row(point, known, taken, rate) for point, known in zip(points, figures)]
    _mark_front(made)
    best = best_of(made, rate, latency)
    for row in made:
        row["best"] = row is best
    if table is not None:
        _write_table(table, made)
    if picture is not None:
        write_whole(os.fspath(picture), picture_of(made, path).encode())
    return Sweep(made, best, compiled)


def _taken(lengths: Path | Sequence[int], draw: int, seed: int) -> list[int]:
    if draw < 1:
        raise UsageError(f"draw: is {draw}, must be 1 or more")
    if isinstance(lengths, (str, os.PathLike)):
        return drawn(read_histogram(lengths), draw, seed)
    histogram: dict[int, int] = {}
    for length in lengths:
        if length < 1:
            raise UsageError(f"lengths: holds {length}, must be 1 or more")
        histogram[int(length)] = histogram.get(int(length), 0) + 1
    if not histogram:
        raise UsageError("lengths: holds none, must hold at least one")
    return drawn(dict(sorted(histogram.items())), draw, seed)


def _ids_of(model: str) -> str:
    inputs = [tensor.name for tensor in model_inputs(model) if len(tensor.shape) == 2]
    if not inputs:
        raise Error(f"{model}: has no input of two axes, must have one for rows of tokens")
    return "input_ids" if "input_ids" in inputs else inputs[0]


def _points(
    lengths: Sequence[int],
    *,
    rows: Sequence[int],
    row_length: Sequence[int],
    forms: Sequence[str],
    max_valid_num: Sequence[int],
    precision: Sequence[str],
    targets: Sequence[str],
    options: Mapping[str, Sequence[Any]],
    ids: str,
) -> list[sweep_points.Point]:
    for name in options:
        if name in _OWN:
            raise UsageError(f"options: '{name}' is a list of its own, must be left out")
        if name not in CompileOptions.__annotations__:
            raise UsageError(f"options: '{name}' is not an option of compile")
    longest, mean = max(lengths), sum(lengths) / len(lengths)
    rounded = (longest + 7) // 8 * 8
    for name, values, least in (("rows", rows, 1), ("row_length", row_length, longest)):
        for value in values:
            if value < least:
                what = "the tokens of the longest request" if least > 1 else "at least one"
                raise UsageError(f"{name}: is {value}, must be {least} or more: {what}")
    spelled = [_FORMS.get(form.lower(), form) for form in forms]
    for form in spelled:
        if form not in _FORMS.values():
            raise UsageError(f"forms: '{form}' is not a form, must be none, A or B")
    chosen = row_length or ((rounded,) if spelled == ["none"] else (rounded, 2 * rounded))
    named = [[(name, value) for value in values] for name, values in options.items()]
    points: list[sweep_points.Point] = []
    for target, kind, count, length, form, others in itertools.product(
        targets, precision, rows, chosen, spelled, list(itertools.product(*named))
    ):
        if form == "none" and length != chosen[0]:
            continue  # a longer row holds one request all the same
        point = {"target": target, "precision": kind, **dict(others)}
        point["input_shape"] = {ids: [count, length]}
        if form == "B":
            point["passes"] = "insert_attention_mask"
        if form != "A":
            points.append(point)
            continue
        segment = min(rounded, length)
        for most in max_valid_num:
            limit = most or max(1, math.ceil(count * length / mean * 1.1))
            packs = {"max_valid_num": limit, "segment_max_size": segment}
            points.append({**point, "pack_args": packs})
    if not points:
        raise UsageError("sweep: the product of the lists is empty, each must hold at least one")
    return points


def _kept(path: str) -> sweep_points.Figures | None:
    """Figures that an earlier sweep left, if it left them whole."""
    try:
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError):
        return None
    return known["figures"] if isinstance(known, dict) and "figures" in known else None


def _figures(
    model: str,
    points: Sequence[sweep_points.Point],
    folder: str | None,
    at_a_time: int,
    ray: str | None,
    keep_executables: bool,
    progress: Callable[[int, int, str], None],
) -> tuple[list[sweep_points.Figures], int]:
    if folder is not None:
        os.makedirs(folder, exist_ok=True)
    elif keep_executables:
        raise UsageError("keep_executables: needs an output or a work folder to keep them in")
    with open(model, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    compiler = sweep_points.compiler_key()
    keys = [sweep_points.key_of(digest, compiler, point) for point in points]
    files = ["" if folder is None else os.path.join(folder, f"{key}.json") for key in keys]
    figures = [_kept(file) if file else None for file in files]
    made = [f"{file[:-5]}.popef" if keep_executables else "" for file in files]
    missing = [
        i
        for i, known in enumerate(figures)
        if known is None or (made[i] and not known.get("failure") and not os.path.exists(made[i]))
    ]
    jobs = [(points[i], made[i] or None) for i in missing]
    stream = (
        sweep_points.compiled_here(model, jobs, at_a_time)
        if ray is None
        else sweep_points.compiled_on_ray(model, jobs, ray)
    )
    done = len(points) - len(missing)
    for number, new in stream:
        i = missing[number]
        figures[i] = new
        if files[i] and not new.pop("again", False):
            kept = {"point": points[i], "figures": new}
            write_whole(files[i], json.dumps(kept, indent=1).encode())
        done += 1
        progress(done, len(points), _name_of(points[i]))
    return [known or {"failure": "was not compiled"} for known in figures], len(missing)


def _form_of(point: sweep_points.Point) -> str:
    return "A" if "pack_args" in point else "B" if "passes" in point else "none"


def _name_of(point: sweep_points.Point) -> str:
    ((rows, length),) = point["input_shape"].values()
    return f"{_form_of(point)} {rows}x{length} {point['precision']} {point['target']}"


def _packing_of(told: Mapping[str, Any]) -> Packing:
    per_request = {out["name"]: out["per_request"] for out in told["outputs"]}
    names = Packing._fields
    fields = {name: told[name] for name in names if name in told}
    fields["token_inputs"] = tuple(told["token_inputs"])
    return Packing(**fields, per_request=per_request)


def _row(
    point: sweep_points.Point, known: sweep_points.Figures, lengths: Sequence[int], rate: float
) -> Row:
    ((rows, length),) = point["input_shape"].values()
    packs = point.get("pack_args", {})
    others = {name: value for name, value in point.items() if name not in _OWN}
    row: Row = {
        "target": point["target"],
        "precision": point["precision"],
        "form": _form_of(point),
        "rows": rows,
        "row_length": length,
        "max_valid_num": packs.get("max_valid_num", 0),
        "options": " ".join(f"{name}={value}" for name, value in others.items()),
        "requests_per_second": None,
        "batch_ms": None,
        "token_fill": None,
        "requests_per_batch": None,
        "peak_bytes": known.get("peak_bytes"),
        "bytes_per_tile": known.get("bytes_per_tile"),
        "tiles": known.get("tiles"),
        "cycles": known.get("cycles"),
        "compile_seconds": known.get("compile_seconds"),
        "machines": None,
        "front": False,
        "best": False,
        "failure": known.get("failure", ""),
        "command": command_of(point),
    }
    if row["failure"]:
        return row
    if not known["fits"]:
        row["failure"] = (
            f"does not fit: {known['peak_bytes']} bytes on a tile of {known['bytes_per_tile']}"
        )
        return row
    try:
        batches = _batches(known["packing"], lengths)
    except Error as error:
        row["failure"] = str(error)
        return row
    seconds = known["seconds_per_batch"]
    row["batch_ms"] = seconds * 1000
    row["requests_per_batch"] = len(lengths) / batches
    row["requests_per_second"] = len(lengths) / batches / seconds
    row["token_fill"] = sum(lengths) / (batches * rows * length)
    if rate > 0:
        row["machines"] = math.ceil(rate / (LOAD * row["requests_per_second"]))
    return row


def _batches(packing: Mapping[str, Any], lengths: Sequence[int]) -> int:
    if packing["form"] != "none":
        return len(pack(lengths, _packing_of(packing), policy="window"))
    if packing["request_size"] != "tokens" and min(lengths) < packing["row_length"]:
        raise Error(f"takes no request shorter than a row: {packing['why_no_less']}")
    return math.ceil(len(lengths) / int(packing["rows"]))


def command_of(point: sweep_points.Point) -> str:
    """The words of ``tessera compile`` for this point, behind the model."""
    words = []
    for name, value in point.items():
        if name == "input_shape":
            for tensor, shape in value.items():
                words.append(f"--input_shape {tensor}={','.join(map(str, shape))}")
        elif name == "pack_args":
            words.append("--pack_args " + " ".join(f"{key}={one}" for key, one in value.items()))
        else:
            shown = str(value).lower() if isinstance(value, bool) else value
            words.append(f"--{name} {shown}")
    return " ".join(words)


def _goods(row: Row) -> tuple[float, float, float]:
    """More is better, of each."""
    return row["requests_per_second"], -row["batch_ms"], -row["tiles"]


def _mark_front(rows: Sequence[Row]) -> None:
    runs = [row for row in rows if not row["failure"]]
    for row in runs:
        own = _goods(row)
        row["front"] = not any(
            _goods(other) != own and all(a >= b for a, b in zip(_goods(other), own))
            for other in runs
        )


def best_of(rows: Sequence[Row], rate: float, latency: float) -> Row | None:
    """With a rate the fewest machines, of these the soonest; without, the most requests a
    second."""
    fast = [
        row
        for row in rows
        if not row["failure"] and (latency <= 0 or row["batch_ms"] <= latency * 1000)
    ]
    if not fast:
        return None
    if rate > 0:
        return min(fast, key=lambda row: (row["machines"], row["tiles"], row["batch_ms"]))
    return max(fast, key=lambda row: (row["requests_per_second"], -row["batch_ms"]))


def _write_table(path: str, rows: Sequence[Row]) -> None:
    if path.endswith(".csv"):
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(path, text.getvalue().encode())
        return
    write_whole(path, content_of(arrow().Table.from_pylist(list(rows))))
