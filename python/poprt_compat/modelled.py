# SPDX-License-Identifier: Apache-2.0
"""The time that the simulated IPU would take for the work of a session or a runner: one line on
stderr when it is done with, so that a script's own line, which is host time, has something beside
it."""

import sys
import threading
import weakref
from typing import Any, Callable, Optional

import numpy as np

import tessera


def samples_in(executable: tessera.Executable, feed: dict[str, Any]) -> int:
    """Requests that a batch holds; without packing its rows."""
    packing = executable.packing
    if packing is not None and packing.unpack_info_input in feed:
        return int(np.count_nonzero(feed[packing.unpack_info_input]))
    if packing is not None and packing.mask_input in feed:
        return int(np.asarray(feed[packing.mask_input]).max(axis=-1).sum())
    shapes = [tensor.shape for tensor in executable.inputs if tensor.shape]
    return shapes[0][0] if shapes else 1


class Count:
    """Counts batches and samples, by any thread."""

    def __init__(self, owner: Any, executable: tessera.Executable) -> None:
        self._executable = executable
        self._lock = threading.Lock()
        self._batches = self._samples = 0
        weakref.finalize(owner, self.tell)

    def add(self, feed: dict[str, Any]) -> None:
        samples = samples_in(self._executable, feed)
        with self._lock:
            self._batches += 1
            self._samples += samples

    def tell(self) -> None:
        tell(self._executable, self._samples, self._batches)


def watch(owner: Any, runner: tessera.PackRunner) -> None:
    """A runner counts for itself."""

    def told(records: Callable[[], Any] = runner.records) -> None:
        try:
            batches = records()
        except tessera.Error:
            return
        tell(executable, sum(record.requests for record in batches), len(batches))

    executable = runner.executable
    weakref.finalize(owner, told)


def line(executable: tessera.Executable, samples: int, batches: int) -> Optional[str]:
    seconds = batches * executable.cycles["seconds_per_batch"]
    if not samples or not seconds:
        return None
    return (
        f"    modelled IPU: {samples / seconds:.1f} samples/s, {seconds / samples * 1e3:.4f} ms "
        f"({samples} samples in {batches} batches)"
    )


def tell(executable: tessera.Executable, samples: int, batches: int) -> None:
    text = line(executable, samples, batches)
    if text is not None and sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)
