# SPDX-License-Identifier: Apache-2.0
"""Lengths of requests, of the files that ``tessera pack`` reads: an ``.npy`` (a length each), a
``.jsonl`` (an object a line: its ``length``, or its ``input_ids``), a folder of requests, or a
histogram ``.csv`` (``length,count``, then a line each)."""

from __future__ import annotations

import csv
import json
import os
from typing import Any

import numpy as np

from tessera.errors import Error, UsageError
from tessera.types import Path

__all__ = ["drawn", "read_histogram"]

Histogram = dict[int, int]


def _of_array(path: str) -> Histogram:
    try:
        values = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise Error(f"{path}: is not an array of numbers: {error}") from None
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise Error(f"{path}: is {values.dtype}{list(values.shape)}, must be whole numbers [count]")
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist()))


def _count(lengths: Any, where: str) -> Histogram:
    histogram: Histogram = {}
    for number, length in enumerate(lengths, 1):
        if not isinstance(length, int) or isinstance(length, bool):
            raise Error(f"{where}:{number}: must have a length or input_ids")
        histogram[length] = histogram.get(length, 0) + 1
    return histogram


def _of_lines(path: str) -> Histogram:
    def lengths() -> Any:
        with open(path, encoding="utf-8") as file:
            for line in file:
                try:
                    row = json.loads(line)
                    yield row["length"] if "length" in row else len(row["input_ids"])
                except (ValueError, TypeError, KeyError):
                    yield None

    return _count(lengths(), path)


def _of_csv(path: str) -> Histogram:
    histogram: Histogram = {}
    with open(path, encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row or (number == 1 and row == ["length", "count"]):
                continue
            try:
                length, count = (int(word) for word in row)
            except ValueError:
                raise Error(f"{path}:{number}: is {','.join(row)}, must be length,count") from None
            if count < 0:
                raise Error(f"{path}:{number}: count is {count}, must be 0 or more")
            histogram[length] = histogram.get(length, 0) + count
    return histogram


def _of_folder(path: str) -> Histogram:
    def lengths() -> Any:
        for name in sorted(os.listdir(path)):
            arrays = sorted(os.listdir(os.path.join(path, name)))
            shapes = (np.load(os.path.join(path, name, array)).shape for array in arrays)
            yield next((int(shape[-1]) for shape in shapes if shape), None)

    return _count(lengths(), path)


def read_histogram(path: Path) -> Histogram:
    """How often each length is there; lengths that are not there are left out."""
    name = os.fspath(path)
    if os.path.isdir(name):
        histogram = _of_folder(name)
    else:
        readers = {".npy": _of_array, ".jsonl": _of_lines, ".csv": _of_csv}
        reader = readers.get(os.path.splitext(name)[1])
        if reader is None:
            raise UsageError(f"{name}: must be .npy, .jsonl, a histogram .csv or a folder")
        histogram = reader(name)
    kept = {length: count for length, count in sorted(histogram.items()) if count > 0}
    if not kept:
        raise Error(f"{name}: holds no length, must hold at least one")
    if min(kept) < 1:
        raise Error(f"{name}: holds a length of {min(kept)}, must be 1 or more")
    return kept


def drawn(histogram: Histogram, most: int, seed: int) -> list[int]:
    """At most ``most`` lengths in the shares of the histogram, in a random order: all of them, or
    those at evenly spaced places of the sorted line, so that no draw is luckier than another. The
    longest is always among them."""
    values = np.array(list(histogram), np.int64)
    ends = np.cumsum(np.array(list(histogram.values()), np.int64))
    total = int(ends[-1])
    count = min(most, total)
    places = (np.arange(count, dtype=np.float64) + 1) * (total / count) - 1
    lengths = values[np.searchsorted(ends, np.rint(places).astype(np.int64), side="right")]
    np.random.RandomState(seed).shuffle(lengths)
    taken: list[int] = lengths.tolist()
    return taken
