# SPDX-License-Identifier: Apache-2.0
"""The lengths of requests, read from the files that ``tessera pack`` reads: an ``.npy`` (a length
each), a ``.jsonl`` (an object a line: its ``length``, or its ``input_ids``), a folder of requests,
or a histogram ``.csv`` (``length,count``, then a line each)."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np

from tessera import _core
from tessera.errors import Error
from tessera.types import Path

__all__ = ["drawn", "read_histogram"]

Histogram = dict[int, int]


def _of_folder(path: str) -> Histogram:
    counts: Counter[int] = Counter()
    for name in sorted(os.listdir(path)):
        arrays = sorted(os.listdir(os.path.join(path, name)))
        shapes = (np.load(os.path.join(path, name, array)).shape for array in arrays)
        length = next((int(shape[-1]) for shape in shapes if shape), 0)
        if length < 1:
            raise Error(f"{os.path.join(path, name)}: holds no tokens, must hold a request")
        counts[length] += 1
    if not counts:
        raise Error(f"{path}: holds no request, must hold at least one")
    return dict(sorted(counts.items()))


def read_histogram(path: Path) -> Histogram:
    """How often each length is there; lengths that are not there are left out."""
    name = os.fspath(path)
    return _of_folder(name) if os.path.isdir(name) else _core.read_histogram(name)


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
