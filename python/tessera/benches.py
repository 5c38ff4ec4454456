# SPDX-License-Identifier: Apache-2.0
"""Executables under synthetic load, measured."""

from __future__ import annotations

import json
import os
from typing import cast

from tessera import _core
from tessera.compiler import held_executable
from tessera.documents import Bench
from tessera.reports import BenchFigures
from tessera.types import ExecutableFile, Limits, Path

__all__ = ["bench"]


def _named(
    executable: ExecutableFile, limits: Limits | None, key: Path | None
) -> tuple[str, _core.Executable]:
    held = held_executable(executable, limits, key)
    if isinstance(executable, (str, os.PathLike)):
        return os.fsdecode(executable), held
    return held.model_name, held


def bench(
    *executables: ExecutableFile,
    iterations: int = 4,
    warm_up: float = 0,
    duration: float = 0,
    avg_seq_len: float = 128,
    max_seq_len: int = 0,
    vocab: int = 0,
    seed: int = 2023,
    policy: str = "first_fit",
    timeout: float = 0.015,
    threads: int = 0,
    limits: Limits | None = None,
    require_signature: Path | None = None,
) -> Bench:
    """What ``tessera bench`` measures: one executable alone on random batches, or a padded one and
    packed ones behind it, which answer the same requests, all known and one by one.

    ``iterations``: batches, or batches' worth of requests. ``warm_up``: seconds of batches that are
    not measured; at least one batch is run. ``duration``: seconds to measure at least; the same is
    done again until then. ``avg_seq_len``: mean and deviation of the requests' lengths, which are
    at most ``max_seq_len`` (0: the row length). Token ids are below ``vocab`` (0: as many as the
    executable has). ``timeout``: the longest wait of a batch's first request, in seconds. Nothing
    is held by the interpreter lock meanwhile. A notebook shows the result as charts.

    Raises ``UsageError`` for a value out of range or executables in another order, and what
    ``ModelRunner`` raises."""
    named = [_named(one, limits, require_signature) for one in executables]
    settings: dict[str, float | str] = {
        "iterations": iterations,
        "warm_up": warm_up,
        "duration": duration,
        "avg_seq_len": avg_seq_len,
        "max_seq_len": max_seq_len,
        "vocab": vocab,
        "seed": seed,
        "policy": policy,
        "timeout": timeout,
    }
    return cast("Bench", BenchFigures(json.loads(_core.bench(named, settings, threads, limits))))
