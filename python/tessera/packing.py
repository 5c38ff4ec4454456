# SPDX-License-Identifier: Apache-2.0
"""Which requests share a batch, when all are known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from tessera import _core
from tessera.compiler import as_file
from tessera.documents import PackComparison, PackTuning
from tessera.errors import UsageError
from tessera.reports import PolicyFigures, ShapeFigures, report
from tessera.types import Arrays, Model, Packing, Path

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tessera.types import CompileOptions

__all__ = ["PackPlan", "PackedBatch", "Placement", "pack", "policies"]

#: next_fit, first_fit, best_fit, window; spfhp and lpfhp must know all requests.
policies: tuple[str, ...] = _core.policies


class Placement(NamedTuple):
    """Where a request stands."""

    request: int  #: its index
    start: int  #: its first token in the flattened batch
    length: int


class PackedBatch(NamedTuple):
    """The requests of one batch, in the order of their numbers in the mask."""

    placements: tuple[Placement, ...]
    tokens: int
    packing: Packing | _core.Executable

    def inputs(self, requests: Sequence[Arrays]) -> dict[str, np.ndarray[Any, Any]]:
        """The batch's tensors for ``ModelRunner.run``: the requests' own, concatenated, with the
        mask, the positions and ``unpack_info`` that packing makes. ``requests`` are all of them;
        each is as ``PackRunner.submit`` has it."""
        return _core.packed_inputs(self.packing, self.placements, requests)


class PackPlan(list[PackedBatch]):
    """The batches of all requests, in the order of sending: a list that a notebook shows as a
    report."""

    def __init__(
        self,
        batches: Iterable[PackedBatch],
        packing: Packing | _core.Executable,
        policy: str,
    ) -> None:
        super().__init__(batches)
        self.packing = packing
        self.policy = policy

    def _repr_html_(self) -> str:
        return report(plan=self)._repr_html_()


class _Pack:
    """Packs requests by their lengths; ``tessera.pack.compare`` holds the policies beside each
    other, ``tessera.pack.tune`` says which shape to compile."""

    def __call__(
        self,
        lengths: Iterable[int],
        packing: Packing | _core.Executable,
        *,
        policy: str = "first_fit",
    ) -> PackPlan:
        """Packs requests of these lengths into batches of an executable, or of any
        ``tessera.Packing``.

        Raises ``Error`` naming the request that is empty or too long, ``UsageError`` for an unknown
        policy."""
        batches = (
            PackedBatch(tuple(Placement(*place) for place in placements), tokens, packing)
            for placements, tokens in _core.pack(list(lengths), packing, policy)
        )
        return PackPlan(batches, packing, policy)

    def compare(
        self,
        lengths: Iterable[int],
        packing: Packing | _core.Executable,
        *,
        window: int = 64,
        pinned: int = 0,
        depth: int = 0,
    ) -> PackComparison:
        """The share of the rows that each policy, and one request a row, uses: the JSON of
        ``tessera pack --compare``. ``window``, ``pinned`` and ``depth`` are the numbers of the
        policies, as the command line has them. Errors as of ``tessera.pack``."""
        told = _core.pack_compare(list(lengths), packing, (window, pinned, depth))
        return cast("PackComparison", PolicyFigures(json.loads(told)))

    def tune(
        self,
        lengths: Iterable[int],
        model: Model | None = None,
        *,
        executables: Sequence[Path] = (),
        try_rows: Sequence[int] = (8, 16, 32),
        try_row_length: Sequence[int] = (),
        rate: float = 0,
        p99: float = 0,
        pinned: int = 12,
        ids: str = "input_ids",
        require_signature: Path | None = None,
        **options: Unpack[CompileOptions],
    ) -> PackTuning:
        """Which shape to compile for requests of these lengths, in the order of their arrival: the
        JSON of ``tessera pack tune``. Its ``best`` is None where no shape fits, keeps up and
        answers in time.

        ``model`` is compiled at each shape, with ``options`` (``tessera.CompileOptions``), or the
        shapes are those of ``executables``. ``try_rows`` and ``try_row_length`` are the shapes; by
        default rows of the longest request and of twice that. ``rate``: requests a second to plan
        for, and the best answers soonest; 0: the best answers most. ``p99``: seconds that 99 % of
        the answers may take at most; 0: no limit. Times are modelled.

        Raises ``UsageError`` unless there is either a model or executables, and for values out of
        range; what ``compile`` and ``load`` raise."""
        if (model is None) != bool(executables):
            raise UsageError("pack.tune: must be given either a model or executables")
        search = (list(try_rows), list(try_row_length), ids, rate, pinned, p99)
        known = list(lengths)
        if not known or min(known) < 1:
            raise UsageError("lengths: must be at least one, each of at least 1")
        with as_file(model, "model.onnx") as path:
            told = _core.pack_tune(
                known, path, list(executables), search, dict(options), require_signature
            )
        return cast("PackTuning", ShapeFigures(json.loads(told)))

    def __repr__(self) -> str:
        return "<tessera.pack>"


pack = _Pack()
