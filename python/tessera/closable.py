# SPDX-License-Identifier: Apache-2.0
"""The base of objects that have threads of their own and are closed when they are not needed."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, TypeVar

from tessera.futures import close_at_exit

__all__ = ["Closable"]

Self = TypeVar("Self", bound="Closable")


class _Inner(Protocol):
    def close(self) -> None: ...
    def closed(self) -> bool: ...


class Closable:
    """A context manager over the compiled half, which the end of the interpreter closes too."""

    _inner: _Inner

    def __init__(self) -> None:
        close_at_exit(self)

    def close(self) -> None:
        """Answers what was taken, then refuses what comes. Safe to call twice."""
        self._inner.close()

    @property
    def closed(self) -> bool:
        return self._inner.closed()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
