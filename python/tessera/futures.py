# SPDX-License-Identifier: Apache-2.0
"""Answers that are not there yet.

A runner's thread never takes the interpreter lock: it leaves what it finished in a queue, and one
daemon thread of this module takes all that came at once and completes the futures. At exit all
runners that are still open are closed, which answers what they had taken, so that nothing is in
flight when the interpreter goes."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
import warnings
import weakref
from collections.abc import Generator
from typing import Any, Callable, Protocol

import numpy as np

from tessera import _core
from tessera.errors import NotFiniteWarning

__all__ = ["Future"]

Answers = dict[str, "np.ndarray[Any, Any]"]


class Future(concurrent.futures.Future[Answers]):
    """A ``concurrent.futures.Future`` that can also be awaited from ``asyncio``.

    ``result(timeout)`` gives the answer or raises a ``tessera.Error``; ``wait``, ``as_completed``
    and ``asyncio.wrap_future`` work as with any other. ``cancel()`` succeeds until the answer is
    there: a request of a ``PackRunner`` that still waits leaves its queue; what runs already runs
    on, and its answer is dropped. Callbacks of
    ``add_done_callback`` run on one thread that completes all futures: they must be brief, and must
    not wait for another future. Thread-safe."""

    _on_cancel: Callable[[], object] | None = None
    _not_finite: list[str] | None = None  # to warn of, where the answer is taken

    def cancel(self) -> bool:
        cancelled = super().cancel()
        on_cancel, self._on_cancel = self._on_cancel, None
        if cancelled and on_cancel is not None:
            on_cancel()
        return cancelled

    def result(self, timeout: float | None = None) -> Answers:
        """The answer; raises a ``tessera.Error``. Warns once, as a ``NotFiniteWarning``, of
        infinities and NaN that half precision left in it."""
        answer = super().result(timeout)
        words, self._not_finite = self._not_finite, None
        for line in words or ():
            warnings.warn(line, NotFiniteWarning, stacklevel=2)
        return answer

    def wait(self, timeout: float | None = None) -> None:
        """Returns when the answer is there; raises as ``result`` does."""
        self.result(timeout)

    def __await__(self) -> Generator[Any, None, Answers]:
        return asyncio.wrap_future(self).__await__()


class _Closable(Protocol):
    def close(self) -> None: ...


_open: weakref.WeakSet[Any] = weakref.WeakSet()
_start_lock = threading.Lock()
_thread: threading.Thread | None = None


def _deliver() -> None:
    while True:
        completed = _core.take_completions()
        if not completed:
            return
        for future, result, exception, not_finite in completed:
            if not future.set_running_or_notify_cancel():
                continue
            if exception is None:
                future._not_finite = not_finite
                future.set_result(result)
            else:
                future.set_exception(exception)
        del completed, future, result, exception, not_finite  # the last answer is not ours to keep


def new_future() -> Future:
    """A future that will be completed, for a runner's ``submit``."""
    global _thread
    if _thread is None:
        with _start_lock:
            if _thread is None:
                _thread = threading.Thread(target=_deliver, name="tessera-futures", daemon=True)
                _thread.start()
    return Future()


def close_at_exit(closable: _Closable) -> None:
    _open.add(closable)


def _at_exit() -> None:
    for closable in list(_open):
        closable.close()
    _core.stop_completions()
    if _thread is not None:
        _thread.join()
    _core.finish_calls()  # those of daemon threads


def _after_fork() -> None:
    # The thread is the parent's. Runners of before the fork say so themselves when they are used.
    global _thread, _start_lock
    _thread = None
    _start_lock = threading.Lock()
    _open.clear()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_after_fork)
