# SPDX-License-Identifier: Apache-2.0
"""Which requests share a batch, when all are known."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Tuple, Union

import numpy as np

from tessera import _core
from tessera.types import Arrays, Packing

__all__ = ["PackedBatch", "Placement", "pack", "policies"]

#: next_fit, first_fit, best_fit, window; spfhp and lpfhp must know all requests.
policies: Tuple[str, ...] = _core.policies


class Placement(NamedTuple):
    """Where a request stands."""

    request: int  #: its index
    start: int  #: its first token in the flattened batch
    length: int


class PackedBatch(NamedTuple):
    """The requests of one batch, in the order of their numbers in the mask."""

    placements: Tuple[Placement, ...]
    tokens: int
    packing: Union[Packing, _core.Executable]

    def inputs(self, requests: Sequence[Arrays]) -> Dict[str, np.ndarray[Any, Any]]:
        """The batch's tensors for ``ModelRunner.run``: the requests' own, concatenated, with the
        mask, the positions and ``unpack_info`` that packing makes. ``requests`` are all of them;
        each is as ``PackRunner.submit`` has it."""
        return _core.packed_inputs(self.packing, self.placements, requests)


def pack(
    lengths: Iterable[int],
    packing: Union[Packing, _core.Executable],
    *,
    policy: str = "first_fit",
) -> List[PackedBatch]:
    """Packs requests of these lengths into batches of an executable, or of any ``tessera.Packing``.

    Raises ``Error`` naming the request that is empty or too long, ``UsageError`` for an unknown
    policy."""
    return [
        PackedBatch(tuple(Placement(*place) for place in placements), tokens, packing)
        for placements, tokens in _core.pack(list(lengths), packing, policy)
    ]
