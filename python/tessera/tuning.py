# SPDX-License-Identifier: Apache-2.0
"""Settings that suit this host."""

from __future__ import annotations

import json

from tessera import _core
from tessera.documents import HostTuning

__all__ = ["tune"]


def tune(*, seconds: float = 15, threads: int = 0, keep: bool = True) -> HostTuning:
    """Measures how products are best blocked on this host, for some seconds: the JSON of
    ``tessera tune --json``. ``threads`` multiply at once (0: one per core). With ``keep`` every
    machine that loads from then on takes what was found; answers are the same bits.

    The interpreter lock is released meanwhile. Raises ``UsageError``, and ``Error`` where it cannot
    be kept."""
    told: HostTuning = json.loads(_core.tune(seconds, threads, keep))
    return told
