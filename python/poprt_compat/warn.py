# SPDX-License-Identifier: Apache-2.0
"""One warning for each thing that is accepted and has no meaning here."""

import sys
from typing import Set

_told: Set[str] = set()


def no_meaning(what: str, why: str = "Tessera has no such thing") -> None:
    """Tells once in a process, on stderr."""
    if what not in _told:
        _told.add(what)
        print(f"poprt_compat: warning: {what} has no effect: {why}", file=sys.stderr)
