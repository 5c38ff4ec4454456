# SPDX-License-Identifier: Apache-2.0
"""Executables under synthetic load, measured."""

from __future__ import annotations

import json
import os
from typing import Any, cast, overload

from tessera import _core
from tessera.compiler import held_executable
from tessera.documents import Bench, OnlineBench
from tessera.errors import UsageError
from tessera.reports import BenchFigures
from tessera.types import ExecutableFile, Limits, OnlineLoad, Path

__all__ = ["bench"]

# A bench decides these itself: it reads no records, and its requests have no mask.
_NOT_OF_A_BENCH = ("warm_up", "max_records", "strip_padding")
_ONLINE: dict[str, Any] = {
    "rate": 0.0,
    "clients": 0,
    "trace": None,
    "requests": 2000,
    "deadline": 0.0,
    "virtual": False,
    "batch_seconds": 0.0,
    "rows": 16,
    "row_length": 256,
    "record": None,
}


def _named(
    executable: ExecutableFile, limits: Limits | None, key: Path | None
) -> tuple[str, _core.Executable]:
    held = held_executable(executable, limits, key)
    if isinstance(executable, (str, os.PathLike)):
        return os.fsdecode(executable), held
    return held.model_name, held


def _runner_options(
    online: OnlineLoad, policy: str | None, timeout: float | None
) -> dict[str, Any]:
    options: dict[str, Any] = {**online.get("runner", {})}
    for name in _NOT_OF_A_BENCH:
        if name in options:
            raise UsageError(f"online: runner: {name}: has no effect here, must be left out")
    if policy is not None:
        options["policy"] = policy
    if timeout is not None:
        options["timeout"] = timeout
    return options


def _bench_online(
    named: list[tuple[str, _core.Executable]],
    online: OnlineLoad,
    runner: dict[str, Any],
    drawn: tuple[float, int, int, int],
    threads: int,
    limits: Limits | None,
) -> OnlineBench:
    for name in online:
        if name not in _ONLINE and name != "runner":
            known = ", ".join([*_ONLINE, "runner"])
            raise UsageError(f"online: '{name}' is not one of its names: {known}")
    if len(named) > 1:
        raise UsageError("online: several executables are given, must be one")
    if not named and not online.get("virtual"):
        raise UsageError("online: no executable is given, must be one, or virtual with rows")
    executable = named[0][1] if named else None
    load: dict[str, Any] = {**_ONLINE, **online, "runner": runner}
    measured: OnlineBench = json.loads(_core.bench_online(executable, load, drawn, threads, limits))
    return measured


@overload
def bench(
    *executables: ExecutableFile,
    iterations: int = ...,
    warm_up: float = ...,
    duration: float = ...,
    avg_seq_len: float = ...,
    max_seq_len: int = ...,
    vocab: int = ...,
    seed: int = ...,
    policy: str | None = ...,
    timeout: float | None = ...,
    threads: int = ...,
    limits: Limits | None = ...,
    require_signature: Path | None = ...,
    online: None = ...,
) -> Bench: ...
@overload
def bench(
    *executables: ExecutableFile,
    avg_seq_len: float = ...,
    max_seq_len: int = ...,
    vocab: int = ...,
    seed: int = ...,
    policy: str | None = ...,
    timeout: float | None = ...,
    threads: int = ...,
    limits: Limits | None = ...,
    require_signature: Path | None = ...,
    online: OnlineLoad,
) -> OnlineBench: ...
def bench(
    *executables: ExecutableFile,
    iterations: int = 4,
    warm_up: float = 0,
    duration: float = 0,
    avg_seq_len: float = 128,
    max_seq_len: int = 0,
    vocab: int = 0,
    seed: int = 2023,
    policy: str | None = None,
    timeout: float | None = None,
    threads: int = 0,
    limits: Limits | None = None,
    require_signature: Path | None = None,
    online: OnlineLoad | None = None,
) -> Bench | OnlineBench:
    """The measurements of ``tessera bench``: one executable alone on random batches, or a padded
    one and packed ones behind it, which answer the same requests, all known and one by one; or with
    ``online``, as ``tessera bench --online``, requests that come at their times to one executable.

    ``iterations``: batches, or batches' worth of requests. ``warm_up``: seconds of batches that are
    not measured; at least one batch is run. ``duration``: seconds to measure at least; the same is
    done again until then. ``avg_seq_len``: mean and deviation of the requests' lengths, which are
    at most ``max_seq_len`` (0: the row length). Token ids are below ``vocab`` (0: as many as the
    executable has). ``policy``: ``"first_fit"``, and ``"window"`` with ``online``. ``timeout``: the
    longest wait of a batch's first request, in seconds: 0.015. ``online`` (``tessera.OnlineLoad``)
    is a dict such as ``{"rate": 500}``, and excludes the first three. Nothing is held by the
    interpreter lock meanwhile. A notebook shows the result as charts.

    Raises ``UsageError`` for a value out of range or executables in another order, and what
    ``ModelRunner`` raises."""
    named = [_named(one, limits, require_signature) for one in executables]
    if online is not None:
        if (iterations, warm_up, duration) != (4, 0, 0):
            raise UsageError(
                "online: comes with iterations, warm_up or duration, which must be left out"
            )
        drawn = (avg_seq_len, max_seq_len, vocab, seed)
        runner = _runner_options(online, policy, timeout)
        return _bench_online(named, online, runner, drawn, threads, limits)
    settings: dict[str, float | str] = {
        "iterations": iterations,
        "warm_up": warm_up,
        "duration": duration,
        "avg_seq_len": avg_seq_len,
        "max_seq_len": max_seq_len,
        "vocab": vocab,
        "seed": seed,
        "policy": "first_fit" if policy is None else policy,
        "timeout": 0.015 if timeout is None else timeout,
    }
    return cast("Bench", BenchFigures(json.loads(_core.bench(named, settings, threads, limits))))
