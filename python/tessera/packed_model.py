# SPDX-License-Identifier: Apache-2.0
"""Rows of columns in, rows of columns out: an executable as a function of blocks of data, as
``map_batches`` of Ray Data, Spark or pandas call one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tessera import _core
from tessera.compiler import held_executable, inspect
from tessera.errors import Error, RefusedError, UsageError
from tessera.packing import pack, policies
from tessera.runners import ModelRunner
from tessera.types import Limits, Path

__all__ = ["Answer", "Columns", "PackedModel", "Work"]

#: The columns of rows by their names: an array or a list with a value for each row. Tokens of
#: different lengths are an array of objects.
Columns = Mapping[str, Any]
Request = dict[str, np.ndarray[Any, Any]]
Answer = dict[str, np.ndarray[Any, Any]]


class Work(NamedTuple):
    """The work of answering some rows."""

    rows: int = 0
    tokens: int = 0
    batches: int = 0
    cells: int = 0  #: tokens that the batches had room for
    bad: int = 0  #: rows that were not answered, with the reason in the column ``error``

    def plus(self, other: Work) -> Work:
        return Work(*(a + b for a, b in zip(self, other)))

    @property
    def fill(self) -> float:
        """The share of the batches that were tokens."""
        return self.tokens / self.cells if self.cells else 0.0


class PackedModel:
    """Answers blocks of rows: the executable is loaded once, and the rows of a block share batches.

        dataset.map_batches(
            tessera.PackedModel,
            fn_constructor_kwargs={"executable": "packed.popef"},
            batch_format="numpy",
            batch_size=4096,
            concurrency=2,
        )

    A row has a column for each token input that it brings, ``[length]``, ``input_ids`` at least;
    others are made as ``PackRunner.submit`` makes them. Where it has the mask, its tokens are those
    that the mask keeps, which must stand together. The result has every other column as it was, and
    a column for each output. A row has the same answer, to the bit, whatever rows are in its block.

    ``columns``: the column of an input where it has another name. ``outputs``: those wanted,
    without it all. ``keep``: the columns that stay, without it all that are not inputs. ``policy``:
    of ``tessera.policies``. ``on_bad_row``: ``"raise"``, or ``"keep"``, which leaves the answers of
    a row that the executable does not take empty, and says why in a column ``error``. ``threads``,
    ``limits`` and ``require_signature`` are as of ``ModelRunner``; of threads, 1 suits a worker of
    many."""

    def __init__(
        self,
        executable: Path | bytes | _core.Executable,
        *,
        columns: Mapping[str, str] | None = None,
        outputs: Sequence[str] | None = None,
        keep: Sequence[str] | None = None,
        policy: str = "lpfhp",
        on_bad_row: str = "raise",
        threads: int = 1,
        limits: Limits | None = None,
        require_signature: Path | None = None,
    ) -> None:
        if policy not in policies:
            raise UsageError(f"policy: '{policy}', must be one of {', '.join(policies)}")
        if on_bad_row not in ("raise", "keep"):
            raise UsageError(f"on_bad_row: '{on_bad_row}', must be raise or keep")
        held = held_executable(executable, limits, require_signature)
        told = inspect(held)["packing"]
        self.executable = held
        self._policy, self._keep, self._bad = policy, keep, on_bad_row
        self._cells = int(told["rows"]) * int(told["row_length"])
        self._longest = int(told["segment_max_size"] or told["row_length"])
        named = dict(columns or {})
        inputs = [*told["token_inputs"], *([told["mask_input"]] if told["mask_input"] else [])]
        for name in named:
            if name not in inputs:
                raise UsageError(f"columns: '{name}' is not an input, must be of {inputs}")
        self._columns = {name: named.get(name, name) for name in inputs}
        self._ids, self._mask = str(told["ids_input"]), str(told["mask_input"])
        self._mask_hides = bool(told["mask_hides"])
        self._per_request = {out["name"]: bool(out["per_request"]) for out in told["outputs"]}
        self._outputs = self._wanted(outputs, set(self._per_request))
        self._runner = ModelRunner(held, threads=threads, limits=limits)

    @staticmethod
    def _wanted(outputs: Sequence[str] | None, known: set[str]) -> tuple[str, ...]:
        for name in outputs or ():
            if name not in known:
                raise UsageError(f"outputs: '{name}' is not one, must be of {sorted(known)}")
        return tuple(outputs or sorted(known))

    def close(self) -> None:
        self._runner.close()

    def __call__(self, block: Columns) -> dict[str, Any]:
        made, _ = self.answer(block)
        return made

    def lengths(self, block: Columns) -> list[int]:
        """Tokens of each row."""
        return [len(request[self._ids]) for request in self.requests(block)]

    def requests(self, block: Columns) -> list[Request]:
        """The rows as ``ModelRunner.run_requests`` takes them."""
        ids = self._columns[self._ids]
        if ids not in block:
            raise UsageError(
                f"the rows have no column '{ids}', must have one, or name it in columns"
            )
        there = {name: column for name, column in self._columns.items() if column in block}
        requests = []
        for row in range(len(block[ids])):
            request = {name: np.asarray(block[column][row]) for name, column in there.items()}
            requests.append(self._cut(request))
        return requests

    def _cut(self, request: Request) -> Request:
        """Padding before or behind a row's tokens is not part of the request, and neither is a mask
        that hides nothing else."""
        mask = request.get(self._mask)
        if mask is None or mask.ndim != 1:
            return request
        sees = (mask == 0) if self._mask_hides else (mask != 0)
        there = np.flatnonzero(sees)
        if len(there) == 0 or there[-1] - there[0] + 1 != len(there):
            return request  # the executable says what is wrong with it
        own = slice(there[0], there[-1] + 1)
        return {name: array[own] for name, array in request.items() if name != self._mask}

    def answer(
        self, block: Columns, order: Sequence[int] | None = None
    ) -> tuple[dict[str, Any], Work]:
        """The block with its answers, and what they took. ``order``: rows in the order in which
        they are packed, each behind the last (policy ``next_fit``), in place of ``policy``."""
        requests = self.requests(block)
        if order is None:
            answers, errors, work = self._run(requests, self._policy)
        else:
            answers, errors, work = self._run([requests[row] for row in order], "next_fit")
            places = np.argsort(np.asarray(order, np.int64), kind="stable")
            answers = [answers[place] for place in places]
            errors = [errors[place] for place in places]
        made: dict[str, Any] = {
            name: block[name]
            for name in (block if self._keep is None else self._keep)
            if self._keep is not None or name not in self._columns.values()
        }
        for name in self._outputs:
            values = [None if answer is None else answer[name] for answer in answers]
            made[name] = self._column(name, values)
        if self._bad == "keep":
            made["error"] = np.array(errors, object)
        return made, work

    def _run(
        self, requests: Sequence[Request], policy: str
    ) -> tuple[list[Answer | None], list[str], Work]:
        """Answers in the order of the requests, "" or what is wrong with each, and the work."""
        if not requests:
            return [], [], Work()
        try:
            answers = self._runner.run_requests(requests, policy=policy)
        except Error as error:
            # A limit, or a machine that is out of memory, is not one row's.
            if self._bad == "raise" or isinstance(error, (RefusedError, MemoryError)):
                raise
            if len(requests) == 1:
                return [None], [str(error)], Work(1, bad=1)
            half = len(requests) // 2
            first = self._run(requests[:half], policy)
            second = self._run(requests[half:], policy)
            return first[0] + second[0], first[1] + second[1], first[2].plus(second[2])
        lengths = [len(request[self._ids]) for request in requests]
        batches = len(pack(lengths, self.executable, policy=policy))
        work = Work(len(requests), sum(lengths), batches, batches * self._cells)
        return list(answers), [""] * len(requests), work

    def _column(self, name: str, values: Sequence[np.ndarray[Any, Any] | None]) -> Any:
        """An array where all rows have one shape as the model says it, else an array of objects."""
        output = next(tensor for tensor in self.executable.outputs if tensor.name == name)
        a_request = self._per_request[name]
        if a_request and all(value is not None for value in values):
            return np.stack([value for value in values if value is not None]) if values else []
        column = np.empty(len(values), object)
        axes = 1 if a_request else max(1, len(output.shape) - 1)
        for row, value in enumerate(values):
            column[row] = np.zeros((0,) * axes, output.dtype) if value is None else value
        return column
