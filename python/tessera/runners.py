# SPDX-License-Identifier: Apache-2.0
"""Executables at work on whole batches."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Dict, Optional, Tuple, Type, Union

import numpy as np

from tessera import _core
from tessera.futures import Future, close_at_exit, new_future
from tessera.types import Arrays, Path, Tensor

__all__ = ["ModelRunner"]


class ModelRunner:
    """Runs an executable on whole batches.

    ``executable`` is the path of a ``.popef`` file or what ``tessera.compile`` gave. ``threads``:
    host threads, 0 for one a core. ``isolated`` gives every tile a memory of its own and copies
    each exchange: slow, for doubters.

    Thread-safe: any thread may call any method at any time. Batches are carried out one after the
    other, in the order of the calls, with the interpreter lock released. Works in the process that
    made it: after a fork, make another.

    Raises ``BadFileError`` for a damaged file, ``OutOfMemoryError`` for a program that a tile does
    not hold."""

    def __init__(
        self, executable: Union[Path, _core.Executable], *, threads: int = 0, isolated: bool = False
    ) -> None:
        self._core = _core.ModelRunner(executable, threads, isolated)
        close_at_exit(self)

    def run(
        self, inputs: Arrays, outputs: Optional[Arrays] = None
    ) -> Dict[str, np.ndarray[Any, Any]]:
        """Runs one batch and gives the outputs by name.

        ``inputs``: every input of the executable by name, in its shape: int32 or int64 where it is
        int32, float16 or float32 where it is float16, bool. NumPy arrays and DLPack tensors are
        read where they lie if they are C-contiguous, and copied if not.

        ``outputs``: arrays to fill in place, of any of the outputs: C-contiguous, writable, of the
        output's shape and dtype (or float32 where it is float16). They are what is returned.
        Without it, new arrays for all outputs.

        Raises ``Error`` naming the tensor: an unknown or missing name, a dtype, a shape, a value
        past its table; then nothing has run."""
        return self._core.run(inputs, outputs)

    def submit(self, inputs: Arrays, outputs: Optional[Arrays] = None) -> Future:
        """As ``run``, but returns at once with a ``Future`` of the outputs. What is wrong with the
        call is raised here. The arrays are kept alive until the batch is done; changing one before
        that changes what is computed."""
        future = new_future()
        self._core.submit(inputs, outputs, future)
        return future

    @property
    def inputs(self) -> Tuple[Tensor, ...]:
        return self.executable.inputs

    @property
    def outputs(self) -> Tuple[Tensor, ...]:
        return self.executable.outputs

    @property
    def executable(self) -> _core.Executable:
        return self._core.executable()

    @property
    def load_seconds(self) -> float:
        """Host time that compiling the codelets and arranging the weights took."""
        return self._core.load_seconds()

    def close(self) -> None:
        """Finishes what was submitted, then refuses what comes. Safe to call twice."""
        self._core.close()

    @property
    def closed(self) -> bool:
        return self._core.closed()

    def __enter__(self) -> ModelRunner:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()
