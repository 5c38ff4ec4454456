# SPDX-License-Identifier: Apache-2.0
"""Models of any input shape, and what their compiles cost."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from tessera import _core
from tessera.closable import Closable
from tessera.compiler import as_file
from tessera.documents import Advice, RecompileDifference, RecompileEvent
from tessera.reports import Events
from tessera.types import Arrays, Model, Path

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tessera.types import SessionOptions

__all__ = ["Session", "recompiles"]


class Session(Closable):
    """A model and its executables by input shape. ``model`` is as of ``tessera.compile``.

    A batch of a shape that was not seen is compiled for, loaded from the cache folder, padded to a
    larger shape or refused, as ``on_recompile`` says, and each of these leaves one event: its
    cause, the difference to the nearest known shape, its price (``docs/recompiles.md``).

    ``events``: a file to which each event is appended as a JSON line. Other keywords are
    ``tessera.SessionOptions``, and the ``CompileOptions`` among them; ``input_shape`` is what each
    run brings. Unless ``on_recompile`` is ``"allow"``, events are also warnings of the logger
    ``"tessera"``, one line each: from the call that caused them, or, of the background, the next.

    Thread-safe; shapes that are ready do not wait for one that compiles. Works in the process that
    made it.

    Raises ``UsageError`` for an unknown option (it names the nearest) or a value out of range,
    ``BadFileError`` for a cache folder that others can write to, ``Error`` for a missing model or
    an events file that cannot be written, and whatever compiling ``warm_up`` raises."""

    def __init__(
        self,
        model: Model,
        *,
        events: Path | None = None,
        threads: int = 0,
        isolated: bool = False,
        **options: Unpack[SessionOptions],
    ) -> None:
        # A model in memory has a file while the session is open, which reads it when it compiles.
        self._files = contextlib.ExitStack()
        with contextlib.ExitStack() as files:
            path = files.enter_context(as_file(model, "model.onnx"))
            self._model = os.fsdecode(path)
            self._inner: _core.Session = _core.Session(
                path, events, threads, isolated, dict(options)
            )
            self._files = files.pop_all()
        super().__init__()

    def close(self) -> None:
        """Finishes what is compiled in the background, then refuses what comes. Safe to call
        twice."""
        super().close()
        self._files.close()

    def __repr__(self) -> str:
        return f"<tessera.Session of {self._model}{', closed' if self.closed else ''}>"

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """As ``ModelRunner.run``, for inputs of any shape of the model's.

        What a padded batch adds is cut off again: the answers have the shapes that were asked for.
        Raises ``RefusedError`` where the policy or ``recompile_limit`` says no, and the compiler's
        errors where these shapes cannot be compiled."""
        return self._inner.run(inputs, outputs)

    def recompiles(self) -> Events:
        """The last 4096 events, oldest first, with the fields of ``docs/recompiles.md``."""
        return Events(json.loads(line) for line in self._inner.events())

    def metrics(self) -> str:
        """The counters so far, in Prometheus' text format."""
        return self._inner.metrics()

    def finish_background(self) -> None:
        """Waits until ``background`` has left nothing to compile."""
        self._inner.finish_background()


def _record(event: RecompileEvent) -> str:
    return json.dumps({name: value for name, value in event.items() if name != "line"})


class _Recompiles:
    """The events of a file that a session wrote. ``tessera.recompiles.advise`` says what to do
    about them, ``tessera.recompiles.diff`` why two of them are of two executables."""

    def __call__(self, events: Path) -> Events:
        """The events, oldest first, with the fields of ``docs/recompiles.md`` and ``"line"``, the
        event as ``tessera recompiles list`` prints it. Raises ``Error`` with the number of a line
        that is not an event."""
        read = _core.read_events(events)
        told: list[RecompileEvent] = []
        for record, line in read:
            event: RecompileEvent = json.loads(record)
            event["line"] = line
            told.append(event)
        return Events(told)

    def advise(self, events: Path | Iterable[RecompileEvent]) -> list[Advice]:
        """How the batches of a log, a file or a list of events, are served with fewer executables,
        and the slips that caused compiles; each with its price: an object a model."""
        if isinstance(events, (str, bytes, os.PathLike)):
            lines = [record for record, _ in _core.read_events(events)]
        else:
            lines = [_record(event) for event in events]
        return [json.loads(told) for told in _core.advise(lines)]

    def diff(self, before: RecompileEvent, after: RecompileEvent) -> RecompileDifference:
        """The differences between the keys of two events, as ``causes`` and in words."""
        told: RecompileDifference = json.loads(
            _core.recompile_difference(_record(before), _record(after))
        )
        return told

    def __repr__(self) -> str:
        return "<tessera.recompiles>"


recompiles = _Recompiles()
