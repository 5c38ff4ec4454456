# SPDX-License-Identifier: Apache-2.0
"""Batches, online runs and compiles over time, for Perfetto."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tessera import _core
from tessera.compiler import held_executable
from tessera.documents import RecompileEvent
from tessera.errors import UsageError
from tessera.reports import lines_of_events
from tessera.types import ExecutableFile, Limits, Path
from tessera.whole_files import write_whole

__all__ = ["Trace", "trace"]


class Trace:
    """A trace that https://ui.perfetto.dev and Perfetto's trace processor open."""

    def __init__(self, content: bytes, events: int) -> None:
        #: In Perfetto's own format.
        self.content = content
        #: How many slices, instants and values of counters it has.
        self.events = events

    def save(self, path: Path) -> None:
        """Writes the trace. A write that fails leaves no file, or the one from before."""
        write_whole(os.fspath(path), self.content)

    def __repr__(self) -> str:
        return f"<tessera.Trace of {self.events} events>"


def trace(
    executable: ExecutableFile | None = None,
    *,
    events: Path | Sequence[RecompileEvent] | None = None,
    record: Path | None = None,
    limits: Limits | None = None,
    require_signature: Path | None = None,
) -> Trace:
    """The trace that ``tessera trace`` writes of these: the modelled batch of an ``executable``;
    ``events``, a file of a session's or what ``recompiles`` gives; ``record``, a file of an online
    run. ``limits`` and ``require_signature`` as ``load``.

    Raises ``UsageError`` where there is nothing to show, and what reading a file raises."""
    if executable is None and events is None and record is None:
        raise UsageError("trace: nothing to show, must be given an executable, a record or events")
    if executable is None and require_signature is not None:
        raise UsageError(
            "require_signature: is for executables, must be left out where none is loaded"
        )
    held = None
    if executable is not None:
        held = held_executable(executable, limits, require_signature)
    log = ("events", []) if events is None else lines_of_events(events)
    return Trace(*_core.trace(held, record, log))
