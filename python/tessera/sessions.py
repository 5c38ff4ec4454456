# SPDX-License-Identifier: Apache-2.0
"""Models of any input shape, and what their compiles cost."""

from __future__ import annotations

import json
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Type

import numpy as np

from tessera import _core
from tessera.futures import close_at_exit
from tessera.types import Arrays, Path

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tessera.types import CompileOptions

__all__ = ["Session", "recompiles"]


class Session:
    """A model and its executables by input shape.

    A batch of a shape that was not seen is compiled for, and every compile leaves one event: its
    cause, the difference to the nearest known shape, its price (``docs/recompiles.md``).
    ``events``: a file to which each is appended as a JSON line. Other keywords are
    ``CompileOptions``; ``input_shape`` is what each run brings.

    Thread-safe; a run that needs a compile holds up others of this session meanwhile. Works in the
    process that made it."""

    def __init__(
        self,
        model: Path,
        *,
        events: Optional[Path] = None,
        threads: int = 0,
        isolated: bool = False,
        **options: Unpack[CompileOptions],
    ) -> None:
        self._inner = _core.Session(model, events, threads, isolated, dict(options))
        close_at_exit(self)

    def run(
        self, inputs: Arrays, outputs: Optional[Arrays] = None
    ) -> Dict[str, np.ndarray[Any, Any]]:
        """As ``ModelRunner.run``, compiling first where these shapes are new."""
        return self._inner.run(inputs, outputs)

    def recompiles(self) -> List[Dict[str, Any]]:
        """Every event so far, oldest first, with the fields of ``docs/recompiles.md``."""
        return [json.loads(line) for line in self._inner.events()]

    def close(self) -> None:
        self._inner.close()

    @property
    def closed(self) -> bool:
        return self._inner.closed()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


def recompiles(events: Path) -> List[Dict[str, Any]]:
    """The events of a file that a session wrote, oldest first, with the fields of
    ``docs/recompiles.md`` and ``"line"``, the event as ``tessera recompiles list`` prints it.
    Raises ``Error`` with the number of a line that is none."""
    return [{**json.loads(record), "line": line} for record, line in _core.read_events(events)]
