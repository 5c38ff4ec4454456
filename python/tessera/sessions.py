# SPDX-License-Identifier: Apache-2.0
"""Models of any input shape, and what their compiles cost."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from tessera import _core
from tessera.closable import Closable
from tessera.reports import Events
from tessera.types import Arrays, Path

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tessera.types import SessionOptions

__all__ = ["Session", "recompiles"]


class Session(Closable):
    """A model and its executables by input shape.

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
        model: Path,
        *,
        events: Path | None = None,
        threads: int = 0,
        isolated: bool = False,
        **options: Unpack[SessionOptions],
    ) -> None:
        self._model = os.fsdecode(model)
        self._inner: _core.Session = _core.Session(model, events, threads, isolated, dict(options))
        super().__init__()

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


def recompiles(events: Path) -> Events:
    """The events of a file that a session wrote, oldest first, with the fields of
    ``docs/recompiles.md`` and ``"line"``, the event as ``tessera recompiles list`` prints it.
    Raises ``Error`` with the number of a line that is none."""
    read = _core.read_events(events)
    return Events({**json.loads(record), "line": line} for record, line in read)
