# SPDX-License-Identifier: Apache-2.0
"""Executables at work on whole batches, and on single requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from tessera import _core
from tessera.closable import Closable
from tessera.compiler import held_executable
from tessera.futures import Future, new_future
from tessera.types import Arrays, ExecutableFile, Limits, Path, RunnerMetrics, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tessera.types import RunnerOptions

__all__ = ["BatchRecord", "ModelRunner", "PackRunner"]


class _Runner(Closable):
    """The members that both runners have."""

    _inner: _core.ModelRunner | _core.PackRunner

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return self.executable.inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return self.executable.outputs

    @property
    def executable(self) -> _core.Executable:
        return self._inner.executable()

    def __repr__(self) -> str:
        state = ", closed" if self.closed else f" of {self.executable.model_name}"
        return f"<tessera.{type(self).__name__}{state}>"


class ModelRunner(_Runner):
    """Runs an executable on whole batches.

    ``executable`` is a ``.popef`` file (``tessera.types.ExecutableFile``: its path, its bytes or an
    open file) or what ``tessera.compile`` gave. ``threads``:
    host threads, 0 for one a core. ``isolated`` gives every tile a memory of its own and copies
    each exchange: slow, for doubters.

    Thread-safe: any thread may call any method at any time. Batches are carried out one after the
    other, in the order of the calls, with the interpreter lock released. Works in the process that
    made it: after a fork, make another.

    ``limits`` (``tessera.types.Limits``): what reading the file, loading it and each run may cost.
    ``require_signature``: of a file, a public key that must have signed it, as ``tessera.load``.

    Raises ``BadFileError`` for a damaged file, ``OutOfMemoryError`` for a program that a tile does
    not hold, ``RefusedError`` where a limit is not enough."""

    def __init__(
        self,
        executable: ExecutableFile,
        *,
        threads: int = 0,
        isolated: bool = False,
        limits: Limits | None = None,
        require_signature: Path | None = None,
    ) -> None:
        held = held_executable(executable, limits, require_signature)
        self._inner: _core.ModelRunner = _core.ModelRunner(held, threads, isolated, limits)
        super().__init__()

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Runs one batch and gives the outputs by name.

        ``inputs``: every input of the executable by name, in its shape: int32 or int64 where it is
        int32, float16 or float32 where it is float16, bool. NumPy arrays and DLPack tensors are
        read where they lie if they are C-contiguous, and copied if not.

        ``outputs``: arrays to fill in place, of any of the outputs: C-contiguous, writable, of the
        output's shape and dtype (or float32 where it is float16). They are what is returned.
        Without it, new arrays for all outputs.

        Raises ``Error`` naming the tensor: an unknown or missing name, a dtype, a shape, a value
        past its table; then nothing has run."""
        return self._inner.run(inputs, outputs)

    def submit(self, inputs: Arrays, outputs: Arrays | None = None) -> Future:
        """As ``run``, but returns at once with a ``Future`` of the outputs. What is wrong with the
        call is raised here. The arrays are kept alive until the batch is done; changing one before
        that changes what is computed."""
        future = new_future()
        self._inner.submit(inputs, outputs, future)
        return future

    @overload
    def run_requests(
        self, requests: Arrays, *, policy: str = ..., strip_padding: bool = ...
    ) -> dict[str, np.ndarray[Any, Any]]: ...
    @overload
    def run_requests(
        self, requests: Iterable[Arrays], *, policy: str = ..., strip_padding: bool = ...
    ) -> list[dict[str, np.ndarray[Any, Any]]]: ...
    def run_requests(
        self,
        requests: Arrays | Iterable[Arrays],
        *,
        policy: str = "first_fit",
        strip_padding: bool = False,
    ) -> dict[str, np.ndarray[Any, Any]] | list[dict[str, np.ndarray[Any, Any]]]:
        """Requests that are all known: packs them, runs the batches, and gives the answers in the
        order of the requests. A request, a padded batch and their answers are as
        ``PackRunner.submit`` has them; one padded batch may be given without a list, and its answer
        then comes without one. Any policy of ``tessera.policies``. Nothing runs unless every
        request is sound.

        ``strip_padding``: also of single requests, the mask says which tokens are there; without
        it, a zero in their mask is refused."""
        if isinstance(requests, Mapping):
            return _core.run_requests(self._inner, [requests], policy, True, strip_padding)[0]
        return _core.run_requests(self._inner, requests, policy, False, strip_padding)

    @property
    def load_seconds(self) -> float:
        """Host time that compiling the codelets and arranging the weights took."""
        return self._inner.load_seconds()


class BatchRecord(NamedTuple):
    """A batch that a ``PackRunner`` sent, and why then."""

    batch: int
    requests: int
    tokens: int
    reason: str  #: "tokens", "segments", "timeout", "deadline", "flush", "drain"
    host_seconds: float  #: from the start of packing to the end of the run


class PackRunner(_Runner):
    """Takes requests of any length from any thread, packs them into the batches of one executable,
    and gives every caller its own answer (``docs/runtime.md``).

    ``executable`` is as of ``ModelRunner``, packed or not:
    without packing a row holds one request. ``options`` are ``tessera.RunnerOptions``: what may
    wait, how long, and which requests share a batch; times are seconds. ``limits`` and
    ``require_signature`` are as of ``ModelRunner``.

    Thread-safe, and of the process that made it, as ``ModelRunner``."""

    def __init__(
        self,
        executable: ExecutableFile,
        *,
        threads: int = 0,
        isolated: bool = False,
        limits: Limits | None = None,
        require_signature: Path | None = None,
        **options: Unpack[RunnerOptions],
    ) -> None:
        held = held_executable(executable, limits, require_signature)
        self._inner: _core.PackRunner = _core.PackRunner(
            held, threads, isolated, dict(options), limits
        )
        super().__init__()

    def submit(
        self,
        request: Arrays,
        outputs: Arrays | None = None,
        *,
        priority: int = 0,
        deadline: float | None = None,
        wait: float | None = None,
    ) -> Future:
        """Takes a request, or a padded batch of them, and returns at once with a ``Future`` of its
        answer.

        ``request``: its token inputs by name, each ``[length]`` or ``[1, length]``, int32 or int64;
        what is left out is 0, the mask 1, positions 0, 1, 2 …. The arrays are copied.

        A padded batch has arrays ``[rows, length]``, as ``tokenizer(texts, padding=True)`` gives
        them. Each row is a request: the tokens that its mask keeps, with padding before or behind
        them. Without a mask all are kept. Rows may ride in different batches; the answer comes when
        all have theirs. If one is refused, the batch is, by the row's number.

        The answer: by output ``[length, …]``, or ``[…]`` where the model says one thing of a
        request. A padded batch has ``[rows, length, …]``, 0 where the padding is, or
        ``[rows, …]``. ``outputs``: arrays to fill in place, which may be longer (the rest stays as
        it is), of the output's dtype or the other float type.

        ``priority``: larger goes first. ``deadline``: seconds from now to the answer; refused while
        the time of a batch is not known, before the first has ended (``warm_up``). ``wait``: the
        longest wait for room in the queue, in seconds; None: as long as it takes.

        Raises ``Error`` with a ``reason`` if the request is not taken: ``empty``, ``over_long``,
        ``hole_in_mask``, ``not_paddable``, ``padding_id``, ``out_of_range``, ``wrong_dtype``,
        ``wrong_input``, ``queue_full``, ``deadline`` (cannot be met), ``closed``. The future raises
        one whose reason is ``deadline_missed`` or ``cancelled`` if it was taken and then not
        answered."""
        future = new_future()
        number = self._inner.submit(request, outputs, priority, deadline, wait, future)
        future._on_cancel = lambda: self._inner.cancel(number)
        return future

    def run(
        self, request: Arrays, outputs: Arrays | None = None, *, deadline: float | None = None
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Waits for the answer of one request; others that come meanwhile share its batch."""
        result: dict[str, np.ndarray[Any, Any]] = self.submit(
            request, outputs, deadline=deadline
        ).result()
        return result

    def flush(self) -> None:
        """Requests that wait now wait for no others."""
        self._inner.flush()

    def drain(self) -> None:
        """Flushes, and returns when all that were taken before have their answers."""
        self._inner.drain()

    def records(self) -> list[BatchRecord]:
        """The records of the batches that have ended, in their order (the newest 65,536)."""
        return [BatchRecord(*row) for row in self._inner.records()]

    def metrics(self) -> RunnerMetrics:
        """Counts so far, both occupancies, and ``"prometheus"``: all of them as its text."""
        return self._inner.metrics()
