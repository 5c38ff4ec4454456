# SPDX-License-Identifier: Apache-2.0
"""Which requests share a batch, when all are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tessera import _core
from tessera.types import Arrays, Packing

__all__ = ["PackedBatch", "Placement", "pack", "policies"]

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


def pack(
    lengths: Iterable[int],
    packing: Packing | _core.Executable,
    *,
    policy: str = "first_fit",
) -> list[PackedBatch]:
    """Packs requests of these lengths into batches of an executable, or of any ``tessera.Packing``.

    Raises ``Error`` naming the request that is empty or too long, ``UsageError`` for an unknown
    policy."""
    return [
        PackedBatch(tuple(Placement(*place) for place in placements), tokens, packing)
        for placements, tokens in _core.pack(list(lengths), packing, policy)
    ]
